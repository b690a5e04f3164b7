//! The one connection that writes, and how several callers share one sync.
//!
//! In: jobs from any thread. Out: their results, after the transaction that holds them is on the
//! disk. Callers queue their jobs; whoever gets the connection next runs all that wait, each in a
//! savepoint of its own, and commits once (group commit). A single caller waits for nobody.

use std::path::PathBuf;
use std::sync::{Arc, mpsc};

use parking_lot::Mutex;
use rusqlite::{Connection, TransactionBehavior};

use crate::error::Failure;
use crate::{CatalogueError, Result};

/// Works inside the transaction; after an error its savepoint is undone.
type Work = Box<dyn FnOnce(&Connection) -> Result<()> + Send>;

/// What one caller wants done.
struct Job {
    /// The work, which keeps what it made for the caller.
    run: Work,
    /// After the transaction: wakes the caller.
    tell: Box<dyn FnOnce(Result<()>) + Send>,
}

pub(crate) struct Writer {
    path: PathBuf,
    waiting: Mutex<Vec<Job>>,
    connection: Mutex<Connection>,
    /// Why no more writes are taken. After a failed write or sync nobody knows what the disk holds:
    /// trying again on the same open file could acknowledge what is not there.
    stopped: Mutex<Option<String>>,
}

impl Writer {
    pub(crate) fn new(path: PathBuf, connection: Connection) -> Self {
        Self {
            path,
            waiting: Mutex::default(),
            connection: Mutex::new(connection),
            stopped: Mutex::default(),
        }
    }

    /// Runs `job` in a transaction and returns when its work is durable. On an error nothing of it
    /// is kept.
    pub(crate) fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T> {
        let (teller, told) = mpsc::sync_channel(1);
        let made = Arc::new(Mutex::new(None));
        let (path, making) = (self.path.clone(), made.clone());
        self.waiting.lock().push(Job {
            run: Box::new(move |connection| {
                *making.lock() = Some(job(connection).map_err(|failure| failure.at(&path))?);
                Ok(())
            }),
            tell: Box::new(move |result| _ = teller.send(result)),
        });
        let mut connection = self.connection.lock();
        // While we waited for the connection, the one before us may have done our job.
        let result = told.try_recv().or_else(|_| {
            let jobs = std::mem::take(&mut *self.waiting.lock());
            self.run(&mut connection, jobs);
            told.recv()
        });
        drop(connection);
        let lost = || CatalogueError::Unexpected {
            path: self.path.clone(),
            detail: "a write ended without an answer".into(),
        };
        result.map_err(|_| lost())??;
        made.lock().take().ok_or_else(lost)
    }

    fn run(&self, connection: &mut Connection, jobs: Vec<Job>) {
        let (work, callers): (Vec<_>, Vec<_>) = jobs.into_iter().map(|job| (job.run, job.tell)).unzip();
        let mut results = Vec::with_capacity(work.len());
        let committed = self.transact(connection, work, &mut results);
        if let Err(error @ CatalogueError::Disk { .. }) = &committed {
            self.stopped.lock().get_or_insert_with(|| error.to_string());
        }
        // A job that was not run, or whose transaction came to nothing, shares the fate of the commit.
        results.resize(callers.len(), Ok(()));
        for (tell, result) in callers.into_iter().zip(results) {
            tell(result.and_then(|()| committed.clone()));
        }
    }

    /// All of `work` in one transaction, one entry of `results` for each that was run.
    fn transact(
        &self,
        connection: &mut Connection,
        work: Vec<Work>,
        results: &mut Vec<Result<()>>,
    ) -> Result<()> {
        if let Some(reason) = self.stopped.lock().clone() {
            return Err(CatalogueError::WritesStopped { path: self.path.clone(), reason });
        }
        let failed = |error: rusqlite::Error| Failure::from(error).at(&self.path);
        // Dropped before its commit, it is rolled back.
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        for run in work {
            transaction.execute_batch("SAVEPOINT job").map_err(failed)?;
            let result = run(&transaction);
            results.push(result.clone());
            match result {
                Ok(()) => transaction.execute_batch("RELEASE job").map_err(failed)?,
                // Some failures end the whole transaction inside SQLite: nothing before this job is left either.
                Err(error) if transaction.is_autocommit() || matches!(error, CatalogueError::Disk { .. }) => {
                    return Err(error);
                }
                Err(_) => transaction.execute_batch("ROLLBACK TO job; RELEASE job").map_err(failed)?,
            }
        }
        transaction.commit().map_err(failed)
    }

    /// For tests of a full disk: the database may grow by so many pages and no more.
    #[cfg(test)]
    pub(crate) fn limit_growth(&self, pages: u32) {
        let connection = self.connection.lock();
        let now: u32 = connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        let limit = format!("PRAGMA max_page_count = {}", now.saturating_add(pages));
        connection.query_row(&limit, [], |_| Ok(())).unwrap();
    }
}
