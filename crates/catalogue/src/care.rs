//! What an operator does about one product without touching a claim: hides it, or has it looked at again.
//!
//! Both are numbered changes, so that whoever follows the log hears of them.

use rusqlite::{Connection, OptionalExtension, params};
use twinset_photo::PictureHash;

use crate::apply::{self, now_ms, picture_number};
use crate::catalogue::{Page, product};
use crate::error::Failure;
use crate::{Catalogue, Product, Result};

#[allow(clippy::missing_errors_doc)] // as all calls that change or read, see `Catalogue`
impl Catalogue {
    /// Keeps a product from searches, or lets it be found again: a hidden product has no placements. It stays hidden,
    /// whatever a feed says of it, until it is shown or removed. Returns the number of its latest change; `None`: there
    /// is no such product.
    pub fn hide(&self, id: &str, hidden: bool) -> Result<Option<u64>> {
        let id = id.trim().to_owned();
        self.write(move |tx| {
            let Some((row, seq)) = row_of(tx, &id)? else { return Ok(None) };
            let changed = if hidden {
                tx.prepare_cached("INSERT INTO hidden(row, at_ms) VALUES (?, ?) ON CONFLICT DO NOTHING")?
                    .execute(params![row, now_ms()])?
            } else {
                tx.prepare_cached("DELETE FROM hidden WHERE row = ?")?.execute([row])?
            };
            if changed == 0 {
                return Ok(Some(seq));
            }
            apply::touch(tx, row, &id).map(Some)
        })
    }

    /// Since when a product is hidden, in milliseconds since 1970 UTC; `None` if it is not, or is not there.
    pub fn hidden_since(&self, id: &str) -> Result<Option<u64>> {
        self.read(|tx| {
            let mut query =
                tx.prepare_cached("SELECT at_ms FROM hidden JOIN products USING (row) WHERE id = ?")?;
            let at: Option<i64> = query.query_row([id.trim()], |r| r.get(0)).optional()?;
            Ok(at.map(|at| at as u64))
        })
    }

    /// The hidden products, in the order of the ids' bytes, from behind `after`; at most `limit` (1 to 10,000).
    pub fn list_hidden(&self, after: Option<&str>, limit: usize) -> Result<Page> {
        let limit = limit.clamp(1, 10_000);
        self.read(|tx| {
            let mut query = tx.prepare_cached(
                "SELECT id, body, content FROM products JOIN hidden USING (row) WHERE id > ? ORDER BY id LIMIT ?",
            )?;
            let mut rows = query.query(params![after.unwrap_or_default(), limit as i64 + 1])?;
            let mut items: Vec<Product> = Vec::new();
            while let Some(found) = rows.next()? {
                if items.len() == limit {
                    let next = items.last().map(|last| last.id.clone());
                    return Ok(Page { items, next });
                }
                items.push(product(found)?);
            }
            Ok(Page { items, next: None })
        })
    }

    /// Forgets everything that was computed from the pictures of a product, and that some of them could not be read, and
    /// places them anew: followers look at each again. Returns the number of the change; `None`: there is no such
    /// product.
    pub fn look_again(&self, id: &str) -> Result<Option<u64>> {
        let id = id.trim().to_owned();
        self.write(move |tx| {
            let (Some((row, _)), Some(product)) = (row_of(tx, &id)?, apply::product_by_id(tx, &id)?) else {
                return Ok(None);
            };
            for table in ["features", "unreadable"] {
                let forget = format!(
                    "DELETE FROM {table} WHERE picture IN (SELECT picture FROM placements WHERE row = ?)"
                );
                tx.prepare_cached(&forget)?.execute([row])?;
            }
            tx.prepare_cached("DELETE FROM placements WHERE row = ?")?.execute([row])?;
            apply::place_pictures(tx, row, &product.images)?;
            apply::touch(tx, row, &id).map(Some)
        })
    }

    /// Why a picture cannot be looked at; `None` if nothing is known against it.
    pub fn why_unreadable(&self, picture: &PictureHash) -> Result<Option<String>> {
        self.read(|tx| {
            let Some(picture) = picture_number(tx, picture)? else { return Ok(None) };
            let mut query = tx.prepare_cached("SELECT reason FROM unreadable WHERE picture = ?")?;
            Ok(query.query_row([picture], |r| r.get(0)).optional()?)
        })
    }
}

/// A product's row, and the number of its latest change.
fn row_of(tx: &Connection, id: &str) -> Result<Option<(u32, u64)>, Failure> {
    let mut query = tx.prepare_cached("SELECT row, seq FROM products WHERE id = ?")?;
    let found = query.query_row([id], |r| Ok((r.get(0)?, r.get::<_, i64>(1)? as u64))).optional()?;
    Ok(found)
}
