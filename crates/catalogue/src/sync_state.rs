//! What syncs remember between runs: which row of which feed was seen with what content, where pictures came from, which
//! are still wanted, the sources and the history of their runs.
//!
//! One SQLite file `sync.db` in the catalogue's folder, drawn in `docs/formats/sync-db.md`. Only the sources are nobody
//! else's copy. All the rest may be lost: then the next sync compares every row with the catalogue and asks again for
//! pictures that the catalogue does not have. A damaged file is set aside, and a new one begun.

use std::path::{Path, PathBuf};
use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension, params};
use twinset_photo::PictureHash;

use crate::apply::now_ms;
use crate::error::Failure;
use crate::{Product, Result};

const FILE: &str = "sync.db";
/// As `user_version`.
const FORMAT: u32 = 1;

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS rows(
    source  TEXT NOT NULL,
    id      TEXT NOT NULL,
    hash    BLOB NOT NULL,
    body    BLOB NOT NULL,
    folded  TEXT NOT NULL,
    seq     INTEGER NOT NULL,
    line    INTEGER NOT NULL,
    run     INTEGER NOT NULL,
    times   INTEGER NOT NULL,
    before  INTEGER NOT NULL,
    held    TEXT,
    PRIMARY KEY (source, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS rows_by_body ON rows(source, body);
CREATE INDEX IF NOT EXISTS rows_by_folded ON rows(source, folded);
CREATE INDEX IF NOT EXISTS rows_held ON rows(source) WHERE held IS NOT NULL;

CREATE TABLE IF NOT EXISTS pictures(
    url            TEXT PRIMARY KEY,
    hash           BLOB,
    etag           TEXT,
    last_modified  TEXT,
    checked_ms     INTEGER NOT NULL,
    failures       INTEGER NOT NULL,
    error          TEXT,
    placeholder    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS wanted(
    source  TEXT NOT NULL,
    url     TEXT NOT NULL,
    id      TEXT NOT NULL,
    tried   INTEGER NOT NULL,
    PRIMARY KEY (source, url, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS wanted_by_try ON wanted(source, tried, url);
CREATE INDEX IF NOT EXISTS wanted_by_id ON wanted(source, id);

CREATE TABLE IF NOT EXISTS sources(
    name  TEXT PRIMARY KEY,
    body  TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS notes(
    name  TEXT PRIMARY KEY,
    text  TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS runs(
    run         INTEGER PRIMARY KEY AUTOINCREMENT,
    source      TEXT NOT NULL,
    started_ms  INTEGER NOT NULL,
    ended_ms    INTEGER,
    state       TEXT NOT NULL,
    report      TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS runs_by_source ON runs(source, run);
";

/// Runs of one source that are kept.
const HISTORY: i64 = 200;

/// What is remembered of a row. After [`SyncState::see`]: with this occurrence counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Content when it was last written.
    pub hash: [u8; 32],
    /// The product's change after it was last written; 0: never.
    pub seq: u64,
    /// The row where it stood before, if that was in this run.
    pub earlier: Option<u64>,
    /// Its place among rows with the same id in this run.
    pub times: u64,
    /// How many of them there were in the run before.
    pub before: u64,
    /// Another id that differs only in case or blanks.
    pub similar: Option<String>,
}

/// What is known of the picture at an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Picture {
    pub hash: Option<PictureHash>,
    pub etag: Option<String>,
    pub last_modified: Option<String>,
    pub checked_ms: u64,
    /// Fetches in a row that failed.
    pub failures: u64,
    pub error: Option<String>,
    /// It stands for a missing picture, and is never attached.
    pub placeholder: bool,
}

/// One run of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct RunRecord {
    pub run: u64,
    pub source: String,
    pub started_ms: u64,
    pub ended_ms: Option<u64>,
    pub state: String,
    /// JSON.
    pub report: Option<String>,
}

/// The content of a row: of the whole, and of all but its id.
#[must_use]
pub fn row_hash(product: &Product) -> ([u8; 32], [u8; 32]) {
    let json = |product: &Product| serde_json::to_vec(product).unwrap_or_default();
    let nameless = Product { id: String::new(), ..product.clone() };
    (*blake3::hash(&json(product)).as_bytes(), *blake3::hash(&json(&nameless)).as_bytes())
}

/// The memory of all syncs of one catalogue.
pub struct SyncState {
    path: PathBuf,
    connection: Mutex<Connection>,
    /// Of a copy.
    _folder: Option<tempfile::TempDir>,
}

#[allow(clippy::missing_errors_doc)] // of the disk, all of them
impl SyncState {
    /// Opens the file in a catalogue's folder, or begins one.
    pub fn open(dir: &Path) -> Result<Self> {
        let path = dir.join(FILE);
        let connection = match connect(&path).and_then(sound) {
            Ok(connection) => connection,
            Err(_) if path.exists() => {
                let aside = (1..)
                    .map(|n| dir.join(format!("{FILE}.damaged-{n}")))
                    .find(|name| !name.exists())
                    .unwrap_or_default();
                std::fs::rename(&path, &aside).map_err(|e| crate::CatalogueError::disk(&path, &e))?;
                for log in ["-wal", "-shm"] {
                    _ = std::fs::remove_file(dir.join(format!("{FILE}{log}")));
                }
                connect(&path).map_err(|failure| failure.at(&path))?
            }
            Err(failure) => return Err(failure.at(&path)),
        };
        Ok(Self { path, connection: Mutex::new(connection), _folder: None })
    }

    /// The same file through a connection of its own: transactions of one are not those of the other.
    pub fn another(&self) -> Result<Self> {
        let connection = connect(&self.path).map_err(|failure| failure.at(&self.path))?;
        Ok(Self { path: self.path.clone(), connection: Mutex::new(connection), _folder: None })
    }

    /// A copy that goes when it is dropped.
    pub fn copy(&self) -> Result<Self> {
        let folder = tempfile::tempdir().map_err(|e| crate::CatalogueError::disk(&self.path, &e))?;
        let path = folder.path().join(FILE);
        self.with(|c| {
            let mut target = Connection::open(&path)?;
            rusqlite::backup::Backup::new(c, &mut target)?.step(-1)?;
            Ok(())
        })?;
        let connection = connect(&path).map_err(|failure| failure.at(&path))?;
        Ok(Self { path, connection: Mutex::new(connection), _folder: Some(folder) })
    }

    fn with<T>(&self, work: impl FnOnce(&Connection) -> Result<T, Failure>) -> Result<T> {
        work(&self.connection.lock()).map_err(|failure| failure.at(&self.path))
    }

    /// All calls until [`SyncState::commit`] are one transaction.
    pub fn begin(&self) -> Result<()> {
        self.with(|c| Ok(c.execute_batch("BEGIN IMMEDIATE")?))
    }

    /// Keeps what was done since [`SyncState::begin`].
    pub fn commit(&self) -> Result<()> {
        self.with(|c| Ok(c.execute_batch("COMMIT")?))
    }

    /// Forgets what was done since [`SyncState::begin`]; nothing if there was no beginning.
    pub fn rollback(&self) -> Result<()> {
        self.with(|c| if c.is_autocommit() { Ok(()) } else { Ok(c.execute_batch("ROLLBACK")?) })
    }

    /// A row has come.
    pub fn see(&self, source: &str, id: &str, body: &[u8; 32], line: u64, run: u64) -> Result<Seen> {
        let folded = id.split_whitespace().collect::<String>().to_lowercase();
        self.with(|c| {
            let known = c
                .prepare_cached("SELECT hash, seq, line, run, times, before FROM rows WHERE source = ? AND id = ?")?
                .query_row(params![source, id], |r| {
                    Ok((r.get::<_, Vec<u8>>(0)?, r.get::<_, i64>(1)?, r.get::<_, i64>(2)?, r.get::<_, i64>(3)?, r.get::<_, i64>(4)?, r.get::<_, i64>(5)?))
                })
                .optional()?;
            let Some((hash, seq, earlier, last_run, times, before)) = known else {
                let similar = c
                    .prepare_cached("SELECT id FROM rows WHERE source = ? AND folded = ? AND run = ? LIMIT 1")?
                    .query_row(params![source, folded, run as i64], |r| r.get(0))
                    .optional()?;
                c.prepare_cached(
                    "INSERT INTO rows(source, id, hash, body, folded, seq, line, run, times, before) VALUES (?, ?, x'', ?, ?, 0, ?, ?, 1, 0)",
                )?
                .execute(params![source, id, &body[..16], folded, line as i64, run as i64])?;
                return Ok(Seen { hash: [0; 32], seq: 0, earlier: None, times: 1, before: 0, similar });
            };
            let again = last_run == run as i64;
            let (times, before) = if again { (times + 1, before) } else { (1, times) };
            c.prepare_cached("UPDATE rows SET line = ?, run = ?, times = ?, before = ?, held = NULL WHERE source = ? AND id = ?")?
                .execute(params![line as i64, run as i64, times, before, source, id])?;
            Ok(Seen {
                hash: hash.try_into().unwrap_or([0; 32]),
                seq: seq as u64,
                earlier: again.then_some(earlier as u64),
                times: times as u64,
                before: before as u64,
                similar: None,
            })
        })
    }

    /// A row is kept for later: another with its id came behind it the last time.
    pub fn hold(&self, source: &str, id: &str, product: &Product) -> Result<()> {
        let json = serde_json::to_string(product).unwrap_or_default();
        self.with(|c| {
            Ok(c.prepare_cached("UPDATE rows SET held = ? WHERE source = ? AND id = ?")?
                .execute(params![json, source, id])
                .map(|_| ())?)
        })
    }

    /// Rows that were held and nothing came behind; at most `limit`. They are held no longer.
    pub fn release(&self, source: &str, limit: usize) -> Result<Vec<(u64, Product)>> {
        self.with(|c| {
            let held: Vec<(String, i64, String)> = c
                .prepare_cached(
                    "SELECT id, line, held FROM rows WHERE source = ? AND held IS NOT NULL LIMIT ?",
                )?
                .query_map(params![source, limit as i64], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?
                .collect::<Result<_, _>>()?;
            let mut free =
                c.prepare_cached("UPDATE rows SET held = NULL, before = times WHERE source = ? AND id = ?")?;
            for (id, ..) in &held {
                free.execute(params![source, id])?;
            }
            let read = |(_, line, json): (String, i64, String)| {
                Some((line as u64, serde_json::from_str(&json).ok()?))
            };
            Ok(held.into_iter().filter_map(read).collect())
        })
    }

    /// A row was written (or found to be so already), as change `seq` of its product.
    pub fn written(&self, source: &str, id: &str, hash: &[u8; 32], body: &[u8; 32], seq: u64) -> Result<()> {
        self.with(|c| {
            c.prepare_cached("UPDATE rows SET hash = ?, body = ?, seq = ? WHERE source = ? AND id = ?")?
                .execute(params![&hash[..], &body[..16], seq as i64, source, id])?;
            Ok(())
        })
    }

    /// A picture was attached, which is change `seq` of the product.
    pub fn moved(&self, source: &str, id: &str, seq: u64) -> Result<()> {
        self.with(|c| {
            c.prepare_cached("UPDATE rows SET seq = ? WHERE source = ? AND id = ?")?
                .execute(params![seq as i64, source, id])?;
            Ok(())
        })
    }

    /// The id that this product has now, if the present run brought the same product under another one.
    pub fn renamed(&self, source: &str, id: &str, run: u64) -> Result<Option<String>> {
        self.with(|c| {
            let mut query = c.prepare_cached(
                "SELECT new.id FROM rows old JOIN rows new ON new.source = old.source AND new.body = old.body \
                 WHERE old.source = ? AND old.id = ? AND old.run < ? AND new.run = ? AND new.id <> old.id LIMIT 1",
            )?;
            Ok(query.query_row(params![source, id, run as i64, run as i64], |r| r.get(0)).optional()?)
        })
    }

    /// These products are gone.
    pub fn forget(&self, source: &str, ids: &[String]) -> Result<()> {
        self.with(|c| {
            for id in ids {
                c.prepare_cached("DELETE FROM rows WHERE source = ? AND id = ?")?
                    .execute(params![source, id])?;
                c.prepare_cached("DELETE FROM wanted WHERE source = ? AND id = ?")?
                    .execute(params![source, id])?;
            }
            Ok(())
        })
    }

    /// What is known of the picture at an address.
    pub fn picture(&self, url: &str) -> Result<Option<Picture>> {
        self.with(|c| {
            let mut query = c.prepare_cached(
                "SELECT hash, etag, last_modified, checked_ms, failures, error, placeholder FROM pictures WHERE url = ?",
            )?;
            let found = query.query_row([url], |r| {
                Ok(Picture {
                    hash: r.get::<_, Option<Vec<u8>>>(0)?.and_then(|hash| hash.try_into().ok()).map(PictureHash),
                    etag: r.get(1)?,
                    last_modified: r.get(2)?,
                    checked_ms: r.get::<_, i64>(3)? as u64,
                    failures: r.get::<_, i64>(4)? as u64,
                    error: r.get(5)?,
                    placeholder: r.get(6)?,
                })
            });
            Ok(found.optional()?)
        })
    }

    /// Remembers what is known of the picture at an address.
    pub fn set_picture(&self, url: &str, picture: &Picture) -> Result<()> {
        self.with(|c| {
            c.prepare_cached("INSERT OR REPLACE INTO pictures(url, hash, etag, last_modified, checked_ms, failures, error, placeholder) VALUES (?, ?, ?, ?, ?, ?, ?, ?)")?
                .execute(params![
                    url,
                    picture.hash.map(|hash| hash.0.to_vec()),
                    picture.etag,
                    picture.last_modified,
                    picture.checked_ms as i64,
                    picture.failures as i64,
                    picture.error,
                    picture.placeholder
                ])?;
            Ok(())
        })
    }

    /// A product wants the picture at an address.
    pub fn want(&self, source: &str, url: &str, id: &str) -> Result<()> {
        self.with(|c| {
            c.prepare_cached(
                "INSERT INTO wanted(source, url, id, tried) VALUES (?, ?, ?, 0) ON CONFLICT DO NOTHING",
            )?
            .execute(params![source, url, id])?;
            Ok(())
        })
    }

    /// A product wants only these pictures of those it wanted.
    pub fn want_only(&self, source: &str, id: &str, urls: &[String]) -> Result<()> {
        self.with(|c| {
            let wanted: Vec<String> = c
                .prepare_cached("SELECT url FROM wanted WHERE source = ? AND id = ?")?
                .query_map(params![source, id], |r| r.get(0))?
                .collect::<Result<_, _>>()?;
            for url in wanted.iter().filter(|url| !urls.contains(url)) {
                c.prepare_cached("DELETE FROM wanted WHERE source = ? AND url = ? AND id = ?")?
                    .execute(params![source, url, id])?;
            }
            Ok(())
        })
    }

    /// Addresses that are wanted and were not tried in this run, at most `limit`.
    pub fn wanted(&self, source: &str, run: u64, limit: usize) -> Result<Vec<String>> {
        self.with(|c| {
            let mut query =
                c.prepare_cached("SELECT DISTINCT url FROM wanted WHERE source = ? AND tried < ? LIMIT ?")?;
            let rows = query.query_map(params![source, run as i64, limit as i64], |r| r.get(0))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// How many addresses are wanted.
    pub fn count_wanted(&self, source: &str) -> Result<u64> {
        self.with(|c| {
            let mut query = c.prepare_cached("SELECT count(DISTINCT url) FROM wanted WHERE source = ?")?;
            Ok(query.query_row([source], |r| r.get::<_, i64>(0))? as u64)
        })
    }

    /// The products that want the picture at an address.
    pub fn wanted_by(&self, source: &str, url: &str) -> Result<Vec<String>> {
        self.with(|c| {
            let mut query =
                c.prepare_cached("SELECT id FROM wanted WHERE source = ? AND url = ? ORDER BY id")?;
            let rows = query.query_map(params![source, url], |r| r.get(0))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// The picture at an address was tried in this run; it stays wanted.
    pub fn tried(&self, source: &str, url: &str, run: u64) -> Result<()> {
        self.with(|c| {
            c.prepare_cached("UPDATE wanted SET tried = ? WHERE source = ? AND url = ?")?
                .execute(params![run as i64, source, url])?;
            Ok(())
        })
    }

    /// The picture at an address is wanted no longer.
    pub fn served(&self, source: &str, url: &str) -> Result<()> {
        self.with(|c| {
            c.prepare_cached("DELETE FROM wanted WHERE source = ? AND url = ?")?
                .execute(params![source, url])?;
            Ok(())
        })
    }

    /// A short text under a name.
    pub fn note(&self, name: &str) -> Result<Option<String>> {
        self.with(|c| {
            Ok(c.prepare_cached("SELECT text FROM notes WHERE name = ?")?
                .query_row([name], |r| r.get(0))
                .optional()?)
        })
    }

    /// Keeps or drops a short text.
    pub fn set_note(&self, name: &str, text: Option<&str>) -> Result<()> {
        self.with(|c| {
            match text {
                Some(text) => c
                    .prepare_cached("INSERT OR REPLACE INTO notes(name, text) VALUES (?, ?)")?
                    .execute(params![name, text])?,
                None => c.prepare_cached("DELETE FROM notes WHERE name = ?")?.execute([name])?,
            };
            Ok(())
        })
    }

    /// All sources with their settings (JSON), by name.
    pub fn sources(&self) -> Result<Vec<(String, String)>> {
        self.with(|c| {
            let mut query = c.prepare_cached("SELECT name, body FROM sources ORDER BY name")?;
            let rows = query.query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Keeps a source; whether it is new.
    pub fn set_source(&self, name: &str, body: &str) -> Result<bool> {
        self.with(|c| {
            let known = c.prepare_cached("SELECT 1 FROM sources WHERE name = ?")?.exists([name])?;
            c.prepare_cached("INSERT OR REPLACE INTO sources(name, body) VALUES (?, ?)")?
                .execute([name, body])?;
            Ok(!known)
        })
    }

    /// Drops a source; its products and history stay. Whether it was there.
    pub fn remove_source(&self, name: &str) -> Result<bool> {
        self.with(|c| Ok(c.prepare_cached("DELETE FROM sources WHERE name = ?")?.execute([name])? > 0))
    }

    /// A run begins; its number.
    pub fn begin_run(&self, source: &str) -> Result<u64> {
        self.with(|c| {
            c.prepare_cached("INSERT INTO runs(source, started_ms, state) VALUES (?, ?, 'running')")?
                .execute(params![source, now_ms()])?;
            let run = c.last_insert_rowid();
            c.prepare_cached("DELETE FROM runs WHERE source = ? AND run <= ?")?
                .execute(params![source, run - HISTORY])?;
            Ok(run as u64)
        })
    }

    /// A run has ended; `report` is JSON.
    pub fn end_run(&self, run: u64, state: &str, report: &str) -> Result<()> {
        self.with(|c| {
            c.prepare_cached("UPDATE runs SET ended_ms = ?, state = ?, report = ? WHERE run = ?")?
                .execute(params![now_ms(), state, report, run as i64])?;
            Ok(())
        })
    }

    /// The latest runs, the newest first: of one source, or of all.
    pub fn runs(&self, source: Option<&str>, limit: usize) -> Result<Vec<RunRecord>> {
        self.with(|c| {
            let mut query = c.prepare_cached(
                "SELECT run, source, started_ms, ended_ms, state, report FROM runs WHERE ?1 IS NULL OR source = ?1 ORDER BY run DESC LIMIT ?2",
            )?;
            let rows = query.query_map(params![source, limit as i64], |r| {
                Ok(RunRecord {
                    run: r.get::<_, i64>(0)? as u64,
                    source: r.get(1)?,
                    started_ms: r.get::<_, i64>(2)? as u64,
                    ended_ms: r.get::<_, Option<i64>>(3)?.map(|ms| ms as u64),
                    state: r.get(4)?,
                    report: r.get(5)?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }
}

fn connect(path: &Path) -> Result<Connection, Failure> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(30))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // Only the sources must survive a power cut, and they are written rarely.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "cache_size", -8192)?;
    connection.set_prepared_statement_cache_capacity(64);
    let found: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found > FORMAT {
        return Err(Failure::Damaged(format!("it has format {found}, this program knows {FORMAT}")));
    }
    if found == 0 {
        connection.execute_batch(TABLES)?;
        connection.pragma_update(None, "user_version", FORMAT)?;
    }
    Ok(connection)
}

fn sound(connection: Connection) -> Result<Connection, Failure> {
    let sound: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if sound != "ok" {
        return Err(Failure::Damaged(sound));
    }
    Ok(connection)
}
