//! `server.db` in the home: what belongs to the server and to no catalogue. Keys, answers kept for
//! `idempotency-key`, evaluations, and the audit log.
//!
//! SQLite in WAL mode, so that `twinset keys` may write while a server runs. Drawn in `docs/formats/server-db.md`.

use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::time::Duration;

const APPLICATION_ID: i32 = 0x7477_7376; // `twsv`
const FORMAT: i32 = 1;
const TABLES: &str = "
CREATE TABLE IF NOT EXISTS keys(
    id          TEXT PRIMARY KEY,
    secret      BLOB NOT NULL CHECK (length(secret) = 32),
    body        TEXT NOT NULL,
    created_ms  INTEGER NOT NULL,
    revoked_ms  INTEGER
) STRICT;
CREATE TABLE IF NOT EXISTS replays(
    caller      TEXT NOT NULL,
    token       TEXT NOT NULL,
    request     BLOB NOT NULL CHECK (length(request) = 32),
    status      INTEGER NOT NULL,
    head        TEXT NOT NULL,
    body        BLOB NOT NULL,
    created_ms  INTEGER NOT NULL,
    PRIMARY KEY (caller, token)
) STRICT;
CREATE INDEX IF NOT EXISTS replays_by_age ON replays(created_ms);
CREATE TABLE IF NOT EXISTS evaluations(
    id         TEXT PRIMARY KEY,
    catalogue  TEXT NOT NULL,
    model      TEXT NOT NULL,
    at_ms      INTEGER NOT NULL,
    report     TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS deeds(
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms    INTEGER NOT NULL,
    by       TEXT,
    method   TEXT NOT NULL,
    path     TEXT NOT NULL,
    status   INTEGER NOT NULL,
    request  TEXT NOT NULL
) STRICT;
";

/// Why the server's own store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk, or what lies on it.
    #[error("{path}: {detail}")]
    Disk {
        /// The database.
        path: PathBuf,
        /// What SQLite or the system said.
        detail: String,
    },
    /// Written by a newer program; left untouched.
    #[error(
        "{path} has format {found}, and this program knows formats up to {FORMAT}; use the newer program that wrote it"
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its format.
        found: i32,
    },
    /// The caller asked for something that cannot be.
    #[error("{0}")]
    Invalid(String),
}

/// Opens the store of a home, making it if it is not there.
pub(crate) fn open(home: &Path) -> Result<Connection, StoreError> {
    let path = home.join("server.db");
    let disk =
        |error: &dyn std::fmt::Display| StoreError::Disk { path: path.clone(), detail: error.to_string() };
    std::fs::create_dir_all(home).map_err(|error| disk(&error))?;
    let make = || -> rusqlite::Result<(Connection, i32)> {
        let connection = Connection::open(&path)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        let found = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if found <= FORMAT {
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.execute_batch(TABLES)?;
            connection.pragma_update(None, "application_id", APPLICATION_ID)?;
            connection.pragma_update(None, "user_version", FORMAT)?;
        }
        Ok((connection, found))
    };
    let (connection, found) = make().map_err(|error| disk(&error))?;
    private(&path).map_err(|error| disk(&error))?;
    match found {
        found if found > FORMAT => Err(StoreError::Newer { path, found }),
        _ => Ok(connection),
    }
}

/// Hashes of secrets are nobody else's business.
#[cfg(unix)]
fn private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
}

#[cfg(not(unix))]
fn private(_: &Path) -> std::io::Result<()> {
    Ok(())
}
