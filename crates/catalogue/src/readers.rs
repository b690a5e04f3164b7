//! Connections that only read: each call sees one commit, and never waits for the writer.

use std::ops::Deref;
use std::path::PathBuf;

use parking_lot::Mutex;
use rusqlite::Connection;

use crate::error::Failure;
use crate::{Result, schema};

/// Connections kept open between calls. More readers at once open more; nobody waits, since a
/// reader that waited for another one inside [`crate::Catalogue::export`] could wait for itself.
const KEPT: usize = 8;

pub(crate) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, idle: Mutex::default() }
    }

    /// Runs `work` in a read transaction.
    pub(crate) fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T, Failure>) -> Result<T> {
        let idle = self.idle.lock().pop();
        let connection = idle.map_or_else(|| schema::connect(&self.path, false), Ok)?;
        let result = connection.unchecked_transaction().map_err(Failure::from).and_then(|transaction| {
            let value = work(transaction.deref())?;
            transaction.commit()?;
            Ok(value)
        });
        // One that failed may hold a broken cache; opening another is cheap.
        if result.is_ok() {
            let mut idle = self.idle.lock();
            if idle.len() < KEPT {
                idle.push(connection);
            }
        }
        result.map_err(|failure| failure.at(&self.path))
    }
}
