//! Looks at everything: whether the file is sound, and whether what is derived fits what it came
//! from. Slow and obvious.

use std::collections::{BTreeSet, HashSet};

use rusqlite::Connection;
use twinset_photo::PictureHash;

use crate::catalogue::product;
use crate::error::Failure;
use crate::filter::Term;
use crate::{Catalogue, Result};

impl Catalogue {
    /// Reads the whole database and says what is wrong with it, one text a fault, at most 100 of a
    /// kind; empty when all is well. Takes as long as reading the file.
    ///
    /// # Errors
    /// [`crate::CatalogueError::Damaged`] when the damage lets nothing more be read.
    pub fn verify(&self) -> Result<Vec<String>> {
        self.read(|tx| {
            let mut faults = Vec::new();
            structure(tx, &mut faults)?;
            products(tx, &mut faults)?;
            bytes(tx, &mut faults)?;
            Ok(faults)
        })
    }
}

/// Faults reported of each kind.
const MANY: usize = 100;

fn structure(tx: &Connection, faults: &mut Vec<String>) -> Result<(), Failure> {
    let mut check = tx.prepare("PRAGMA integrity_check(100)")?;
    let mut rows = check.query([])?;
    while let Some(row) = rows.next()? {
        let text: String = row.get(0)?;
        if text != "ok" {
            faults.push(text);
        }
    }
    let mut check = tx.prepare("PRAGMA foreign_key_check")?;
    let mut rows = check.query([])?;
    while let Some(row) = rows.next()? {
        if faults.len() >= 2 * MANY {
            break;
        }
        let (table, parent): (String, String) = (row.get(0)?, row.get(2)?);
        faults.push(format!("a row of {table} points at a row of {parent} that is not there"));
    }
    Ok(())
}

/// Products against their hashes, and their placements and terms against the products.
fn products(tx: &Connection, faults: &mut Vec<String>) -> Result<(), Failure> {
    let start = faults.len();
    let mut placed = tx.prepare("SELECT hash FROM placements JOIN pictures USING (picture) WHERE row = ?")?;
    let mut claimed =
        tx.prepare("SELECT field, value, number FROM claims JOIN terms USING (term) WHERE row = ?")?;
    let mut all = tx.prepare("SELECT id, body, content, row FROM products ORDER BY row")?;
    let mut rows = all.query([])?;
    while let Some(found) = rows.next()? {
        if faults.len() - start >= MANY {
            break;
        }
        let product = match product(found) {
            Ok(product) => product,
            Err(Failure::Damaged(detail)) => {
                faults.push(detail);
                continue;
            }
            Err(failure) => return Err(failure),
        };
        let row: u32 = found.get(3)?;
        let shown: HashSet<PictureHash> = product.images.iter().filter_map(|image| image.picture).collect();
        let placements: HashSet<PictureHash> =
            placed.query_map([row], |r| Ok(PictureHash(r.get(0)?)))?.collect::<Result<_, _>>()?;
        if shown != placements {
            faults.push(format!("product '{}' does not fit its placements", product.id));
        }
        let terms: BTreeSet<Term> = claimed
            .query_map([row], |r| Ok(Term { field: r.get(0)?, value: r.get(1)?, micros: r.get(2)? }))?
            .collect::<Result<_, _>>()?;
        if terms != Term::of(&product) {
            faults.push(format!("product '{}' does not fit its terms", product.id));
        }
    }
    Ok(())
}

/// Pictures and features against their checksums.
fn bytes(tx: &Connection, faults: &mut Vec<String>) -> Result<(), Failure> {
    let blob = |row: &rusqlite::Row<'_>, column| -> Result<Vec<u8>, Failure> { Ok(row.get(column)?) };
    let start = faults.len();
    let mut all = tx.prepare("SELECT hash, bytes FROM pictures")?;
    let mut rows = all.query([])?;
    while let Some(row) = rows.next()? {
        let hash = PictureHash(row.get(0)?);
        if PictureHash::of(&blob(row, 1)?) != hash && faults.len() - start < MANY {
            faults.push(format!("the bytes of picture {hash} do not fit their hash"));
        }
    }
    let start = faults.len();
    let mut all =
        tx.prepare("SELECT hash, crc, features.bytes FROM features JOIN pictures USING (picture)")?;
    let mut rows = all.query([])?;
    while let Some(row) = rows.next()? {
        let crc: u32 = row.get(1)?;
        if crc32fast::hash(&blob(row, 2)?) != crc && faults.len() - start < MANY {
            faults
                .push(format!("features of picture {} do not fit their checksum", PictureHash(row.get(0)?)));
        }
    }
    Ok(())
}
