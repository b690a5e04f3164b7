//! Evaluations that are kept, in `server.db` of the home.

use crate::clock::rfc3339;
use crate::store::{self, StoreError};
use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Serialize, Serializer};
use serde_json::Value;
use std::path::{Path, PathBuf};
use utoipa::ToSchema;

/// Of each catalogue, so many are kept.
const KEPT: u32 = 200;

/// What was measured, of which catalogue, with which models, when.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Evaluation {
    pub(crate) id: String,
    pub(crate) catalogue: String,
    /// Hash of the models that answered.
    pub(crate) model: String,
    /// RFC 3339.
    #[serde(serialize_with = "time")]
    #[schema(value_type = String)]
    pub(crate) at: u64,
    /// As `twinset eval retrieval` tells it: `queries`, `gallery`, `recall`, `mrr`, `by_category`, and `worst`.
    #[schema(value_type = Object)]
    pub(crate) report: Value,
}

fn time<S: Serializer>(ms: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&rfc3339(*ms))
}

/// The store of evaluations.
pub(crate) struct Shelf {
    path: PathBuf,
    database: Mutex<Connection>,
}

impl Shelf {
    pub(crate) fn open(home: &Path) -> Result<Self, StoreError> {
        Ok(Self { path: home.join("server.db"), database: Mutex::new(store::open(home)?) })
    }

    fn told<T>(&self, result: rusqlite::Result<T>) -> Result<T, StoreError> {
        result.map_err(|error| StoreError::Disk { path: self.path.clone(), detail: error.to_string() })
    }

    pub(crate) fn keep(&self, made: &Evaluation) -> Result<(), StoreError> {
        let database = self.database.lock();
        let Evaluation { id, catalogue, model, at, report } = made;
        let write = || {
            database.execute(
                "INSERT INTO evaluations(id, catalogue, model, at_ms, report) VALUES (?, ?, ?, ?, ?)",
                params![id, catalogue, model, i64::try_from(*at).unwrap_or(i64::MAX), report.to_string()],
            )?;
            database.execute(
                "DELETE FROM evaluations WHERE catalogue = ?1 AND id NOT IN \
                 (SELECT id FROM evaluations WHERE catalogue = ?1 ORDER BY at_ms DESC, id DESC LIMIT ?2)",
                params![catalogue, KEPT],
            )
        };
        self.told(write()).map(drop)
    }

    /// The latest first, of one catalogue or of all, from behind the one of id `after`.
    pub(crate) fn evaluations(
        &self,
        catalogue: Option<&str>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Evaluation>, StoreError> {
        let database = self.database.lock();
        let read = || {
            let mut query = database.prepare_cached(
                // Ids sort by time.
                "SELECT id, catalogue, model, at_ms, report FROM evaluations \
                 WHERE (?1 IS NULL OR catalogue = ?1) AND (?2 IS NULL OR id < ?2) ORDER BY id DESC LIMIT ?3",
            )?;
            query.query_map(params![catalogue, after, limit as i64], row)?.collect()
        };
        self.told(read())
    }

    pub(crate) fn evaluation(&self, id: &str) -> Result<Option<Evaluation>, StoreError> {
        let database = self.database.lock();
        let query = "SELECT id, catalogue, model, at_ms, report FROM evaluations WHERE id = ?";
        self.told(database.query_row(query, [id], row).optional())
    }

    /// A catalogue of the same name may be made later.
    pub(crate) fn forget(&self, catalogue: &str) -> Result<(), StoreError> {
        let database = self.database.lock();
        self.told(database.execute("DELETE FROM evaluations WHERE catalogue = ?", [catalogue])).map(drop)
    }
}

fn row(row: &Row<'_>) -> rusqlite::Result<Evaluation> {
    let report: String = row.get(4)?;
    Ok(Evaluation {
        id: row.get(0)?,
        catalogue: row.get(1)?,
        model: row.get(2)?,
        at: row.get::<_, i64>(3)? as u64,
        report: serde_json::from_str(&report).unwrap_or_default(),
    })
}
