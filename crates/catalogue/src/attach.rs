//! Pictures that come after their product: found at an address, or taken back.
//!
//! A sync writes a product at once and its pictures when they have been fetched. Both calls change only the pictures of
//! images that still have the address they were fetched from, whatever else was written meanwhile.

use std::sync::Arc;

use rusqlite::Connection;
use twinset_photo::PictureHash;

use crate::apply::{self, CheckedPut};
use crate::error::Failure;
use crate::{Catalogue, Mode, Outcome, ProductPut, Result, Status};

/// A picture for all images of one product that have this address.
#[derive(Clone, Debug)]
pub struct Attachment {
    /// The product.
    pub id: String,
    /// The address of the image.
    pub url: String,
    /// Encoded bytes, 1 byte to 32 MiB.
    pub bytes: Arc<[u8]>,
}

/// Where a product stands: its row, never used for another product, and the number of its latest change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Standing {
    pub row: u32,
    pub seq: u64,
}

#[allow(clippy::missing_errors_doc)] // as all calls that change or read, see `Catalogue`
impl Catalogue {
    /// Gives pictures to products, all in one transaction; one outcome each. A product that is gone, or has no image at
    /// this address any more, is [`Status::Absent`].
    pub fn attach(&self, attachments: Vec<Attachment>) -> Result<Vec<Outcome>> {
        self.write(move |tx| {
            let one = |a: Attachment| {
                edit(tx, &a.id, |put| {
                    let names: Vec<String> = put
                        .product
                        .images
                        .iter()
                        .filter(|image| image.url.as_ref() == Some(&a.url))
                        .map(|image| image.name.clone())
                        .collect();
                    put.pictures = names.into_iter().map(|name| (name, a.bytes.clone())).collect();
                    !put.pictures.is_empty()
                })
            };
            attachments.into_iter().map(one).collect()
        })
    }

    /// Takes a picture from every product that shows it; the images stay as claims. For pictures that show nothing, such as
    /// "no image". Returns the changes.
    pub fn detach(&self, picture: PictureHash) -> Result<Vec<Outcome>> {
        self.write(move |tx| {
            let ids: Vec<String> = tx
                .prepare_cached("SELECT id FROM products WHERE row IN (SELECT row FROM placements WHERE picture = (SELECT picture FROM pictures WHERE hash = ?))")?
                .query_map([picture.0], |r| r.get(0))?
                .collect::<Result<_, _>>()?;
            ids.iter().map(|id| apply::without_picture(tx, id, &picture)).collect()
        })
    }

    /// How many products show a picture.
    pub fn shown_by(&self, picture: &PictureHash) -> Result<u64> {
        self.read(|tx| {
            let mut query = tx.prepare_cached("SELECT count(*) FROM placements WHERE picture = (SELECT picture FROM pictures WHERE hash = ?)")?;
            Ok(query.query_row([picture.0], |r| r.get::<_, i64>(0))? as u64)
        })
    }

    /// Where these products stand, in their order; `None` for those that are not there.
    pub fn standings(&self, ids: &[String]) -> Result<Vec<Option<Standing>>> {
        self.read(|tx| {
            let mut query = tx.prepare_cached("SELECT row, seq FROM products WHERE id = ?")?;
            ids.iter()
                .map(|id| {
                    let mut rows = query.query([id.trim()])?;
                    let Some(found) = rows.next()? else { return Ok(None) };
                    Ok(Some(Standing { row: found.get(0)?, seq: found.get::<_, i64>(1)? as u64 }))
                })
                .collect()
        })
    }
}

/// Puts a product again after `change`, which says whether there is anything to put.
fn edit(tx: &Connection, id: &str, change: impl FnOnce(&mut ProductPut) -> bool) -> Result<Outcome, Failure> {
    let absent = || Outcome { id: id.to_owned(), seq: None, status: Status::Absent };
    let Some(product) = apply::product_by_id(tx, id)? else { return Ok(absent()) };
    let mut put = ProductPut { product, pictures: Vec::new(), mode: Mode::Update };
    if !change(&mut put) {
        return Ok(absent());
    }
    let checked = CheckedPut::new(&put).map_err(|fault| Failure::Damaged(fault.to_string()))?;
    apply::put(tx, checked)
}
