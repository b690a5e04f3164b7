//! Which models answer for this catalogue, since when, and which did before.
//!
//! The last entry is the pointer to the generation in use: writing it is the atomic swap.

use rusqlite::{OptionalExtension, Row, params};

use crate::apply::now_ms;
use crate::{Catalogue, Result};

/// A generation taken into use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swap {
    /// Content hashes of detector and embedder; `None`: the models that come with the program.
    pub models: Option<[[u8; 32]; 2]>,
    /// What was known when it was taken into use, as JSON.
    pub report: String,
    /// Milliseconds since 1970 UTC.
    pub at_ms: u64,
}

#[allow(clippy::missing_errors_doc)] // as all calls that change or read, see `Catalogue`
impl Catalogue {
    /// The models in use; `None` before the first swap.
    pub fn in_use(&self) -> Result<Option<Swap>> {
        self.read(|tx| {
            let mut query = tx.prepare_cached(
                "SELECT detector, embedder, report, at_ms FROM swaps ORDER BY swap DESC LIMIT 1",
            )?;
            Ok(query.query_row([], swap).optional()?)
        })
    }

    /// All swaps, oldest first.
    pub fn swaps(&self) -> Result<Vec<Swap>> {
        self.read(|tx| {
            let mut query =
                tx.prepare_cached("SELECT detector, embedder, report, at_ms FROM swaps ORDER BY swap")?;
            let rows = query.query_map([], swap)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Takes models into use. Durable when it returns.
    pub fn swap(&self, models: Option<[[u8; 32]; 2]>, report: &str) -> Result<()> {
        let report = report.to_owned();
        self.write(move |tx| {
            let (detector, embedder) = models.map_or((None, None), |[d, e]| (Some(d), Some(e)));
            tx.execute(
                "INSERT INTO swaps(detector, embedder, report, at_ms) VALUES (?, ?, ?, ?)",
                params![detector, embedder, report, now_ms()],
            )?;
            Ok(())
        })
    }

    /// Models for which features are kept, by the hashes they were put with.
    pub fn models_with_features(&self) -> Result<Vec<[u8; 32]>> {
        self.read(|tx| {
            let mut query = tx.prepare_cached("SELECT hash FROM models ORDER BY model")?;
            let rows = query.query_map([], |r| r.get(0))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }
}

fn swap(row: &Row<'_>) -> Result<Swap, rusqlite::Error> {
    let (detector, embedder): (Option<[u8; 32]>, Option<[u8; 32]>) = (row.get(0)?, row.get(1)?);
    Ok(Swap {
        models: detector.zip(embedder).map(|(d, e)| [d, e]),
        report: row.get(2)?,
        at_ms: row.get::<_, i64>(3)? as u64,
    })
}
