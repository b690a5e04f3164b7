//! What was done here, and with which key: requests that changed something and were answered with success, in `server.db`
//! of the home. Products are left out; each catalogue has its own log of them.

use crate::clock::rfc3339;
use crate::store::{self, StoreError};
use parking_lot::Mutex;
use rusqlite::{Connection, params};
use serde::{Serialize, Serializer};
use std::path::{Path, PathBuf};
use utoipa::ToSchema;

/// So many are kept.
const KEPT: u32 = 10_000;

/// One request that changed something.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Deed {
    /// Grows.
    pub(crate) id: i64,
    /// RFC 3339.
    #[serde(serialize_with = "time")]
    #[schema(value_type = String)]
    pub(crate) at: u64,
    /// Id of the key; null where the server has none.
    pub(crate) by: Option<String>,
    #[schema(example = "DELETE")]
    pub(crate) method: String,
    #[schema(example = "/v1/catalogues/main")]
    pub(crate) path: String,
    /// As it was answered.
    pub(crate) status: u16,
    /// The id of the request, as in the log and in `x-request-id`.
    pub(crate) request: String,
}

fn time<S: Serializer>(ms: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&rfc3339(*ms))
}

/// The store of deeds.
pub(crate) struct Ledger {
    path: PathBuf,
    database: Mutex<Connection>,
}

impl Ledger {
    pub(crate) fn open(home: &Path) -> Result<Self, StoreError> {
        Ok(Self { path: home.join("server.db"), database: Mutex::new(store::open(home)?) })
    }

    fn told<T>(&self, result: rusqlite::Result<T>) -> Result<T, StoreError> {
        result.map_err(|error| StoreError::Disk { path: self.path.clone(), detail: error.to_string() })
    }

    /// `deed.id` is given here.
    pub(crate) fn note(&self, deed: &Deed) -> Result<(), StoreError> {
        let database = self.database.lock();
        let Deed { id: _, at, by, method, path, status, request } = deed;
        let write = || {
            database.execute(
                "INSERT INTO deeds(at_ms, by, method, path, status, request) VALUES (?, ?, ?, ?, ?, ?)",
                params![i64::try_from(*at).unwrap_or(i64::MAX), by, method, path, status, request],
            )?;
            database.execute("DELETE FROM deeds WHERE id <= (SELECT max(id) FROM deeds) - ?", [KEPT])
        };
        self.told(write()).map(drop)
    }

    /// The latest first; those before `before`, if it is given.
    pub(crate) fn deeds(&self, before: Option<i64>, limit: usize) -> Result<Vec<Deed>, StoreError> {
        let database = self.database.lock();
        let read = || {
            let mut query = database.prepare_cached(
                "SELECT id, at_ms, by, method, path, status, request FROM deeds WHERE id < ? ORDER BY id DESC LIMIT ?",
            )?;
            let rows = query.query_map(params![before.unwrap_or(i64::MAX), limit as i64], |row| {
                Ok(Deed {
                    id: row.get(0)?,
                    at: row.get::<_, i64>(1)? as u64,
                    by: row.get(2)?,
                    method: row.get(3)?,
                    path: row.get(4)?,
                    status: row.get(5)?,
                    request: row.get(6)?,
                })
            })?;
            rows.collect()
        };
        self.told(read())
    }
}
