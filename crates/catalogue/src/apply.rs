//! One change, inside a transaction: the product, its placements, pictures and terms, and the
//! numbered record of it. All or nothing; who commits, and when, is the writer's business.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OptionalExtension, params};
use twinset_photo::PictureHash;

use crate::catalogue::{ChangeKind, Mode, Outcome, ProductPut, Status};
use crate::error::Failure;
use crate::filter::Term;
use crate::product::{Image, InvalidProduct, Product};

/// Bytes of one picture, as encoded.
const PICTURE_BYTES: usize = 32 << 20;

/// A put that was checked, with its pictures hashed: what the transaction need not do.
pub(crate) struct CheckedPut {
    product: Product,
    /// By the name of the image that shows them.
    pictures: HashMap<String, (PictureHash, Arc<[u8]>)>,
    mode: Mode,
}

impl CheckedPut {
    pub(crate) fn new(put: &ProductPut) -> Result<Self, InvalidProduct> {
        let mut product = put.product.clone();
        product.id = product.id.trim().into();
        product.check()?;
        let mut pictures = HashMap::new();
        for (name, bytes) in &put.pictures {
            let fault = if !product.images.iter().any(|image| image.name == *name) {
                Some("is no image of this product".to_owned())
            } else if bytes.is_empty() || bytes.len() > PICTURE_BYTES {
                Some(format!("has {} bytes, not 1 to {PICTURE_BYTES}", bytes.len()))
            } else if pictures.insert(name.clone(), hashed(bytes)).is_some() {
                Some("is given twice".to_owned())
            } else {
                None
            };
            if let Some(fault) = fault {
                let name: String = name.chars().take(80).collect();
                let id = product.id.chars().take(80).collect();
                return Err(InvalidProduct {
                    id,
                    field: "pictures",
                    reason: format!("hold '{name}', which {fault}"),
                });
            }
        }
        Ok(Self { product, pictures, mode: put.mode })
    }
}

/// Place, device and whatever else a file tells beside its picture are never stored.
fn hashed(bytes: &Arc<[u8]>) -> (PictureHash, Arc<[u8]>) {
    let kept = match twinset_photo::without_metadata(bytes) {
        Cow::Borrowed(_) => bytes.clone(),
        Cow::Owned(kept) => kept.into(),
    };
    (PictureHash::of(&kept), kept)
}

/// What the catalogue holds under an id.
struct Stored {
    row: u32,
    content: [u8; 32],
    images: Vec<Image>,
}

fn stored(tx: &Connection, id: &str) -> Result<Option<Stored>, Failure> {
    let found = tx
        .prepare_cached("SELECT row, body, content FROM products WHERE id = ?")?
        .query_row([id], |r| Ok((r.get(0)?, r.get::<_, String>(1)?, r.get(2)?)))
        .optional()?;
    let Some((row, body, content)) = found else { return Ok(None) };
    let images = product_from(id, &body, &content)?.images;
    Ok(Some(Stored { row, content, images }))
}

/// The product in a row of `products`, compared with its hash on the way in from the disk.
pub(crate) fn product_from(id: &str, body: &str, content: &[u8; 32]) -> Result<Product, Failure> {
    let product =
        serde_json::from_str::<Product>(body).ok().filter(|_| blake3::hash(body.as_bytes()) == *content);
    product
        .filter(|product| product.id == id)
        .ok_or_else(|| Failure::Damaged(format!("product '{id}' does not fit its hash")))
}

/// The body of a product and its hash, which decides whether anything changed.
pub(crate) fn body_of(product: &Product) -> Result<(String, [u8; 32]), Failure> {
    let body =
        serde_json::to_string(product).map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))?;
    let content = *blake3::hash(body.as_bytes()).as_bytes();
    Ok((body, content))
}

/// Puts one product.
pub(crate) fn put(tx: &Connection, put: CheckedPut) -> Result<Outcome, Failure> {
    let CheckedPut { mut product, pictures, mode } = put;
    let old = stored(tx, &product.id)?;
    let outcome = |id: String, seq, status| Ok(Outcome { id, seq, status });
    match (mode, &old) {
        (Mode::Create, Some(_)) => return outcome(product.id, None, Status::Exists),
        (Mode::Update, None) => return outcome(product.id, None, Status::Absent),
        _ => {}
    }
    let old_images = old.as_ref().map_or(&[][..], |old| &old.images);
    for image in &mut product.images {
        image.picture = match pictures.get(&image.name) {
            Some((hash, _)) => Some(*hash),
            None => known_picture(tx, image, old_images)?,
        };
    }
    let (body, content) = body_of(&product)?;
    if old.as_ref().is_some_and(|old| old.content == content) {
        return outcome(product.id, None, Status::Unchanged);
    }
    for (hash, bytes) in pictures.values() {
        tx.prepare_cached("INSERT INTO pictures(hash, bytes) VALUES (?, ?) ON CONFLICT DO NOTHING")?
            .execute(params![hash.0, &bytes[..]])?;
    }
    let now = now_ms();
    let row = match &old {
        Some(old) => old.row,
        None => {
            tx.prepare_cached(
                "INSERT INTO products(id, body, content, seq, created_ms, updated_ms) VALUES (?, '', ?, 0, ?, ?)",
            )?
            .execute(params![product.id, content, now, now])?;
            new_number(tx, "row")?
        }
    };
    let seq = record(tx, row, &product.id, ChangeKind::Put, now)?;
    tx.prepare_cached(
        "UPDATE products SET body = ?, content = ?, seq = ?, updated_ms = ?, lat = ?, lon = ? WHERE row = ?",
    )?
    .execute(params![
        body,
        content,
        seq as i64,
        now,
        product.place.map(|p| p.lat),
        product.place.map(|p| p.lon),
        row
    ])?;
    place_pictures(tx, row, &product.images)?;
    claim_terms(tx, row, &product)?;
    outcome(product.id, Some(seq), if old.is_some() { Status::Updated } else { Status::Created })
}

/// The picture of an image that came without bytes: the one it names, if we have it; else the one
/// that stood at the same address, or without an address under the same name. So a feed that
/// changes prices keeps its pictures, and an export imported elsewhere waits for its own.
fn known_picture(tx: &Connection, image: &Image, old: &[Image]) -> Result<Option<PictureHash>, Failure> {
    if let Some(hash) = image.picture
        && picture_number(tx, &hash)?.is_some()
    {
        return Ok(Some(hash));
    }
    let same = |old: &&Image| match &image.url {
        Some(url) => old.url.as_ref() == Some(url),
        None => old.name == image.name,
    };
    Ok(old.iter().find(same).and_then(|old| old.picture))
}

/// The number of a stored picture.
pub(crate) fn picture_number(tx: &Connection, hash: &PictureHash) -> Result<Option<i64>, Failure> {
    let mut find = tx.prepare_cached("SELECT picture FROM pictures WHERE hash = ?")?;
    Ok(find.query_row([hash.0], |r| r.get(0)).optional()?)
}

/// Makes the placements of a product what its images say. A picture that it showed before keeps its
/// item, whatever its name or position; one picture under two names is one item.
pub(crate) fn place_pictures(tx: &Connection, row: u32, images: &[Image]) -> Result<(), Failure> {
    let mut before: HashMap<i64, (i64, String)> = tx
        .prepare_cached("SELECT picture, item, image FROM placements WHERE row = ?")?
        .query_map([row], |r| Ok((r.get(0)?, (r.get(1)?, r.get(2)?))))?
        .collect::<Result<_, _>>()?;
    let mut placed = std::collections::HashSet::new();
    for image in images {
        let Some(hash) = &image.picture else { continue };
        let picture = picture_number(tx, hash)?
            .ok_or_else(|| Failure::Damaged(format!("picture {hash} is missing")))?;
        if !placed.insert(picture) {
            continue;
        }
        match before.remove(&picture) {
            Some((_, name)) if name == image.name => {}
            Some((item, _)) => {
                tx.prepare_cached("UPDATE placements SET image = ? WHERE item = ?")?
                    .execute(params![image.name, item])?;
            }
            None => {
                tx.prepare_cached("INSERT INTO placements(row, picture, image) VALUES (?, ?, ?)")?
                    .execute(params![row, picture, image.name])?;
                new_number(tx, "item")?;
            }
        }
    }
    for (item, _) in before.into_values() {
        tx.prepare_cached("DELETE FROM placements WHERE item = ?")?.execute([item])?;
    }
    Ok(())
}

/// Makes the terms of a product what its claims say, writing only the difference: most changes are
/// of a price.
fn claim_terms(tx: &Connection, row: u32, product: &Product) -> Result<(), Failure> {
    let mut before: std::collections::HashSet<i64> = tx
        .prepare_cached("SELECT term FROM claims WHERE row = ?")?
        .query_map([row], |r| r.get(0))?
        .collect::<Result<_, _>>()?;
    for Term { field, value, micros } in Term::of(product) {
        let known = tx
            .prepare_cached("SELECT term FROM terms WHERE field = ? AND value = ?")?
            .query_row(params![field, value], |r| r.get(0))
            .optional()?;
        let term: i64 = match known {
            Some(term) => term,
            None => {
                tx.prepare_cached("INSERT INTO terms(field, value, number) VALUES (?, ?, ?)")?
                    .execute(params![field, value, micros])?;
                tx.last_insert_rowid()
            }
        };
        if !before.remove(&term) {
            tx.prepare_cached("INSERT INTO claims(term, row) VALUES (?, ?)")?.execute(params![term, row])?;
        }
    }
    for term in before {
        tx.prepare_cached("DELETE FROM claims WHERE term = ? AND row = ?")?.execute(params![term, row])?;
    }
    Ok(())
}

/// One product as it is stored.
pub(crate) fn product_by_id(tx: &Connection, id: &str) -> Result<Option<Product>, Failure> {
    let found = tx
        .prepare_cached("SELECT body, content FROM products WHERE id = ?")?
        .query_row([id], |r| Ok((r.get::<_, String>(0)?, r.get(1)?)))
        .optional()?;
    found.map(|(body, content)| product_from(id, &body, &content)).transpose()
}

/// Takes one picture from a product's images, and nothing else.
pub(crate) fn without_picture(tx: &Connection, id: &str, picture: &PictureHash) -> Result<Outcome, Failure> {
    let absent = Outcome { id: id.to_owned(), seq: None, status: Status::Absent };
    let Some(mut product) = product_by_id(tx, id)? else { return Ok(absent) };
    for image in product.images.iter_mut().filter(|image| image.picture.as_ref() == Some(picture)) {
        image.picture = None;
    }
    let (body, content) = body_of(&product)?;
    let row: u32 =
        tx.prepare_cached("SELECT row FROM products WHERE id = ?")?.query_row([id], |r| r.get(0))?;
    let now = now_ms();
    let seq = record(tx, row, id, ChangeKind::Put, now)?;
    tx.prepare_cached("UPDATE products SET body = ?, content = ?, seq = ?, updated_ms = ? WHERE row = ?")?
        .execute(params![body, content, seq as i64, now, row])?;
    place_pictures(tx, row, &product.images)?;
    Ok(Outcome { id: id.to_owned(), seq: Some(seq), status: Status::Updated })
}

/// Removes one product. Its pictures stay until they are collected: another may show them.
pub(crate) fn remove(tx: &Connection, id: &str) -> Result<Outcome, Failure> {
    let id = id.trim();
    let row: Option<u32> = tx
        .prepare_cached("DELETE FROM products WHERE id = ? RETURNING row")?
        .query_row([id], |r| r.get(0))
        .optional()?;
    let (seq, status) = match row {
        Some(row) => (Some(record(tx, row, id, ChangeKind::Removed, now_ms())?), Status::Deleted),
        None => (None, Status::Absent),
    };
    Ok(Outcome { id: id.into(), seq, status })
}

/// Writes a change down and returns its number.
fn record(tx: &Connection, row: u32, id: &str, kind: ChangeKind, at_ms: i64) -> Result<u64, Failure> {
    tx.prepare_cached("INSERT INTO changes(row, id, kind, at_ms) VALUES (?, ?, ?, ?)")?.execute(params![
        row,
        id,
        i64::from(kind == ChangeKind::Removed),
        at_ms
    ])?;
    Ok(tx.last_insert_rowid() as u64)
}

/// A change of what is kept beside a product's claims; these stay as they are.
pub(crate) fn touch(tx: &Connection, row: u32, id: &str) -> Result<u64, Failure> {
    let seq = record(tx, row, id, ChangeKind::Put, now_ms())?;
    tx.prepare_cached("UPDATE products SET seq = ? WHERE row = ?")?.execute(params![seq as i64, row])?;
    Ok(seq)
}

/// The number that was just given out; SQLite never gives it out again (AUTOINCREMENT).
fn new_number(tx: &Connection, what: &'static str) -> Result<u32, Failure> {
    u32::try_from(tx.last_insert_rowid()).map_err(|_| Failure::NumbersUsedUp(what))
}

/// Milliseconds since 1970, UTC.
pub(crate) fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}
