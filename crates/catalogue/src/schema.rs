//! The tables of `catalogue.db`, and who may open them.
//!
//! Drawn in `docs/formats/catalogue-db.md`; a change here is a change there, and a new [`FORMAT`].

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use crate::error::Failure;
use crate::{CatalogueError, Result, Settings};

/// The database's file name in the folder of a catalogue.
pub(crate) const DATABASE: &str = "catalogue.db";
/// `twst`: whose file this is.
const APPLICATION_ID: i32 = 0x7477_7374;
/// What this program writes, as `user_version`: the number of steps. Higher numbers are refused.
pub(crate) const FORMAT: u32 = STEPS.len() as u32;
/// Step `n` brings a database of format `n - 1` to format `n`. Steps are added, never changed.
const STEPS: [&str; 3] = [TABLES, FINDINGS_AND_SWAPS, AUDITS_AND_HIDDEN];

/// Format 1.
const TABLES: &str = "
CREATE TABLE settings(
    one   INTEGER PRIMARY KEY CHECK (one = 1),
    body  TEXT NOT NULL
) STRICT;

CREATE TABLE products(
    row         INTEGER PRIMARY KEY AUTOINCREMENT,
    id          TEXT NOT NULL UNIQUE,
    body        TEXT NOT NULL,
    content     BLOB NOT NULL CHECK (length(content) = 32),
    seq         INTEGER NOT NULL,
    created_ms  INTEGER NOT NULL,
    updated_ms  INTEGER NOT NULL,
    lat         REAL,
    lon         REAL
) STRICT;
CREATE INDEX products_by_place ON products(lat, lon) WHERE lat IS NOT NULL;

CREATE TABLE pictures(
    picture  INTEGER PRIMARY KEY AUTOINCREMENT,
    hash     BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
    bytes    BLOB NOT NULL
) STRICT;

CREATE TABLE placements(
    item     INTEGER PRIMARY KEY AUTOINCREMENT,
    row      INTEGER NOT NULL REFERENCES products(row) ON DELETE CASCADE,
    picture  INTEGER NOT NULL REFERENCES pictures(picture),
    image    TEXT NOT NULL,
    UNIQUE (row, picture)
) STRICT;
CREATE INDEX placements_by_picture ON placements(picture);

CREATE TABLE terms(
    term    INTEGER PRIMARY KEY,
    field   TEXT NOT NULL,
    value   TEXT NOT NULL,
    number  INTEGER,
    UNIQUE (field, value)
) STRICT;
CREATE INDEX terms_by_number ON terms(field, number) WHERE number IS NOT NULL;

CREATE TABLE claims(
    term  INTEGER NOT NULL REFERENCES terms(term),
    row   INTEGER NOT NULL REFERENCES products(row) ON DELETE CASCADE,
    PRIMARY KEY (term, row)
) STRICT, WITHOUT ROWID;
CREATE INDEX claims_by_row ON claims(row);

CREATE TABLE changes(
    seq    INTEGER PRIMARY KEY AUTOINCREMENT,
    row    INTEGER NOT NULL,
    id     TEXT NOT NULL,
    kind   INTEGER NOT NULL CHECK (kind IN (0, 1)),
    at_ms  INTEGER NOT NULL
) STRICT;

CREATE TABLE models(
    model  INTEGER PRIMARY KEY,
    hash   BLOB NOT NULL UNIQUE CHECK (length(hash) = 32)
) STRICT;

CREATE TABLE features(
    feature  INTEGER PRIMARY KEY,
    picture  INTEGER NOT NULL REFERENCES pictures(picture) ON DELETE CASCADE,
    model    INTEGER NOT NULL REFERENCES models(model),
    crc      INTEGER NOT NULL,
    bytes    BLOB NOT NULL,
    UNIQUE (picture, model)
) STRICT;

CREATE TABLE unreadable(
    picture  INTEGER PRIMARY KEY REFERENCES pictures(picture) ON DELETE CASCADE,
    reason   TEXT NOT NULL,
    at_ms    INTEGER NOT NULL
) STRICT;
";

/// Format 2: what an audit found, what people decided about it, and which models answered since when.
const FINDINGS_AND_SWAPS: &str = "
CREATE TABLE findings(
    finding      TEXT PRIMARY KEY,
    product      TEXT NOT NULL,
    kind         TEXT NOT NULL,
    probability  REAL NOT NULL,
    body         TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX findings_by_product ON findings(product);

CREATE TABLE decisions(
    finding      TEXT PRIMARY KEY,
    product      TEXT NOT NULL,
    kind         TEXT NOT NULL,
    probability  REAL NOT NULL,
    body         TEXT NOT NULL,
    accepted     INTEGER NOT NULL CHECK (accepted IN (0, 1)),
    note         TEXT,
    at_ms        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE swaps(
    swap      INTEGER PRIMARY KEY AUTOINCREMENT,
    detector  BLOB CHECK (length(detector) = 32),
    embedder  BLOB CHECK (length(embedder) = 32),
    report    TEXT NOT NULL,
    at_ms     INTEGER NOT NULL
) STRICT;
";

/// Format 3: what each audit found, in numbers, and products that are kept from searches.
const AUDITS_AND_HIDDEN: &str = "
CREATE TABLE audits(
    audit     INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms     INTEGER NOT NULL,
    products  INTEGER NOT NULL,
    found     TEXT NOT NULL
) STRICT;

CREATE TABLE hidden(
    row    INTEGER PRIMARY KEY REFERENCES products(row) ON DELETE CASCADE,
    at_ms  INTEGER NOT NULL
) STRICT;
";

/// Writes a new database at `path`, complete and closed when it returns.
pub(crate) fn create(path: &Path, settings: &Settings) -> Result<()> {
    let make = || -> Result<(), Failure> {
        let mut connection = Connection::open_with_flags(path, flags() | OpenFlags::SQLITE_OPEN_CREATE)?;
        // Pages of 8 KiB hold a usual product or a run of claims, and halve the pages of a picture.
        connection.pragma_update(None, "page_size", 8192)?;
        configure(&connection)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        let transaction = connection.transaction()?;
        STEPS.iter().try_for_each(|step| transaction.execute_batch(step))?;
        transaction.execute("INSERT INTO settings(one, body) VALUES (1, ?)", [settings.to_json()])?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", FORMAT)?;
        transaction.commit()?;
        connection.close().map_err(|(_, error)| error.into())
    };
    make().map_err(|failure| failure.at(path))
}

/// Makes a copied database one that is worked with: with its log.
pub(crate) fn adopt(path: &Path) -> Result<()> {
    check(path)?;
    let adopt = || -> Result<(), Failure> {
        let connection = Connection::open_with_flags(path, flags())?;
        configure(&connection)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.close().map_err(|(_, error)| error.into())
    };
    adopt().map_err(|failure| failure.at(path))
}

/// Checks that the database is ours and not of a newer program, before SQLite sees it: opening a
/// file can already change it.
pub(crate) fn check(path: &Path) -> Result<()> {
    let mut header = [0; 100];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut header));
    match read {
        Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
            return Err(CatalogueError::NotACatalogue { path: path.into() });
        }
        read => read.map_err(|e| CatalogueError::disk(path, &e))?,
    }
    // https://www.sqlite.org/fileformat.html, section 1.3
    let number = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    if !header.starts_with(b"SQLite format 3\0") || number(68) != APPLICATION_ID as u32 {
        return Err(CatalogueError::NotACatalogue { path: path.into() });
    }
    known(path, number(60))
}

fn known(path: &Path, found: u32) -> Result<()> {
    if found > FORMAT {
        Err(CatalogueError::NewerFormat { path: path.into(), found, known: FORMAT })
    } else {
        Ok(())
    }
}

/// A connection to an existing database that passed [`check`].
pub(crate) fn connect(path: &Path, writes: bool) -> Result<Connection> {
    let open = || -> Result<(Connection, u32), Failure> {
        let mut connection = Connection::open_with_flags(path, flags())?;
        connection.busy_timeout(Duration::from_secs(10))?;
        // Again, now with the write-ahead log: a newer program may have left its number there.
        let found = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if found <= FORMAT {
            configure(&connection)?;
            if writes && found < FORMAT {
                advance(&mut connection, found)?;
            }
            connection.pragma_update(None, "query_only", !writes)?;
        }
        Ok((connection, found))
    };
    let (connection, found) = open().map_err(|failure| failure.at(path))?;
    known(path, found)?;
    Ok(connection)
}

/// Brings an older database to this program's format, all in one transaction: killed in between, it is as it was.
fn advance(connection: &mut Connection, found: u32) -> Result<(), Failure> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    STEPS[found as usize..].iter().try_for_each(|step| transaction.execute_batch(step))?;
    transaction.pragma_update(None, "user_version", FORMAT)?;
    Ok(transaction.commit()?)
}

fn flags() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_EXRESCODE
}

/// What holds for each connection and is not kept in the file.
fn configure(connection: &Connection) -> Result<(), Failure> {
    // FULL: every commit syncs the write-ahead log, so that acknowledged means durable.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "cache_size", -8192)?;
    // 32 MiB of log before it is copied into the database: copying after every batch of pictures
    // would sync twice a batch.
    connection.pragma_update(None, "wal_autocheckpoint", 4096)?;
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}
