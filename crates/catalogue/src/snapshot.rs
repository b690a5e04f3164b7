//! A copy of a whole catalogue while it is used, and a catalogue made of such a copy.
//!
//! The copy is one SQLite file with everything that is not derived, taken in one read transaction: it holds exactly the
//! changes up to one number, whatever is written meanwhile. It takes its name when it is complete and on the disk. What
//! others keep beside the catalogue ([`BESIDE`]) travels in a table of the copy and lies beside the new catalogue again.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, params};
use twinset_disk::{Disk, RealDisk};

use crate::error::Failure;
use crate::schema::{self, DATABASE};
use crate::{Catalogue, CatalogueError, CatalogueName, Home, Result};

/// Databases in a catalogue's folder that are nobody else's copy: what syncs remember, with the settings of sources, and
/// what shoppers did.
pub const BESIDE: [&str; 2] = ["sync.db", "feedback.db"];
const PARTS: &str = "CREATE TABLE beside(\
    name TEXT NOT NULL, part INTEGER NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY (name, part)) STRICT";
/// Bytes of a part: what SQLite takes at once and a machine has.
const PART_BYTES: u64 = 16 << 20;

impl Catalogue {
    /// Writes a copy to `path`, which must not exist; returns the number of the last change in it.
    ///
    /// # Errors
    /// [`CatalogueError::Disk`], [`CatalogueError::DiskFull`]: nothing is left at `path`.
    pub fn snapshot(&self, path: &Path) -> Result<u64> {
        written(&RealDisk, path, |unfinished| {
            let beside = Beside::of(self.dir(), unfinished)?;
            let seq = self.read(|source| copy(source, unfinished))?;
            beside.put_into(unfinished)?;
            Ok(seq)
        })
    }
}

/// As [`Catalogue::snapshot`], of a catalogue whose home another process may hold: reading needs no lock.
///
/// # Errors
/// [`CatalogueError::NoSuchCatalogue`], and as there.
pub fn snapshot_beside(home: &Path, name: &CatalogueName, path: &Path) -> Result<u64> {
    let database = home.join("catalogues").join(name.as_str()).join(DATABASE);
    if !database.exists() {
        return Err(CatalogueError::NoSuchCatalogue { name: name.to_string(), home: home.into() });
    }
    schema::check(&database)?;
    let source = schema::connect(&database, false)?;
    written(&RealDisk, path, |unfinished| {
        let beside = Beside::of(database.parent().unwrap_or(home), unfinished)?;
        let seq = copy(&source, unfinished).map_err(|failure| failure.at(&database))?;
        beside.put_into(unfinished)?;
        Ok(seq)
    })
}

/// Copies of the databases beside a catalogue, on their way into a copy of it.
struct Beside {
    copies: Vec<(&'static str, PathBuf)>,
}

impl Beside {
    /// Taken before the catalogue itself: what they say of it may then be older than it, never newer. `path`: beside which
    /// there is room.
    fn of(dir: &Path, path: &Path) -> Result<Self> {
        let mut taken = Self { copies: Vec::new() };
        for name in BESIDE {
            let source = dir.join(name);
            if !source.is_file() {
                continue;
            }
            let mut beside = path.as_os_str().to_owned();
            beside.push(format!(".{name}"));
            let beside = PathBuf::from(beside);
            _ = std::fs::remove_file(&beside);
            taken.copies.push((name, beside.clone()));
            let copied = || -> Result<(), Failure> {
                let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE;
                let source = Connection::open_with_flags(&source, flags)?;
                source.busy_timeout(std::time::Duration::from_secs(5))?;
                let mut target = Connection::open(&beside)?;
                rusqlite::backup::Backup::new(&source, &mut target)?.step(-1)?;
                target.pragma_update(None, "journal_mode", "DELETE")?;
                target.close().map_err(|(_, error)| error.into())
            };
            copied().map_err(|failure| failure.at(&source))?;
        }
        Ok(taken)
    }

    fn put_into(&self, path: &Path) -> Result<()> {
        let sql = |error: rusqlite::Error| Failure::from(error).at(path);
        if self.copies.is_empty() {
            return Ok(());
        }
        let mut target = Connection::open(path).map_err(sql)?;
        let tx = target.transaction().map_err(sql)?;
        tx.execute_batch(PARTS).map_err(sql)?;
        for (name, copy) in &self.copies {
            let io = |error: std::io::Error| CatalogueError::disk(copy, &error);
            let mut file = File::open(copy).map_err(io)?;
            for part in 0_i64.. {
                let mut bytes = Vec::new();
                (&mut file).take(PART_BYTES).read_to_end(&mut bytes).map_err(io)?;
                if bytes.is_empty() {
                    break;
                }
                tx.execute("INSERT INTO beside VALUES (?, ?, ?)", params![name, part, bytes]).map_err(sql)?;
            }
        }
        tx.commit().map_err(sql)?;
        target.close().map_err(|(_, error)| sql(error))
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        self.copies.iter().for_each(|(_, copy)| _ = std::fs::remove_file(copy));
    }
}

/// Lays what travelled in a copy beside the new catalogue, and takes it out of it.
fn lay_beside(database: &Path) -> Result<()> {
    let sql = |error: rusqlite::Error| Failure::from(error).at(database);
    let copy = Connection::open(database).map_err(sql)?;
    let there = copy.query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'beside'", [], |r| r.get(0));
    if !there.map_err(sql)? {
        return Ok(());
    }
    // By the names that are known here: no copy, of whomever, writes where it likes.
    for name in BESIDE {
        let path = database.with_file_name(name);
        let io = |error: std::io::Error| CatalogueError::disk(&path, &error);
        let mut file = None;
        for part in 0_i64.. {
            let bytes = copy
                .query_row("SELECT bytes FROM beside WHERE name = ? AND part = ?", params![name, part], |r| {
                    r.get::<_, Vec<u8>>(0)
                })
                .optional()
                .map_err(sql)?;
            let Some(bytes) = bytes else { break };
            let file = match &mut file {
                Some(file) => file,
                none => none.insert(File::create(&path).map_err(io)?),
            };
            file.write_all(&bytes).map_err(io)?;
        }
        file.map_or(Ok(()), |file| file.sync_all()).map_err(io)?;
    }
    copy.execute_batch("DROP TABLE beside").map_err(sql)?;
    copy.close().map_err(|(_, error)| sql(error))
}

/// Copies everything into a new file and returns the last change in it.
fn copy(source: &Connection, path: &Path) -> Result<u64, Failure> {
    let mut target = Connection::open(path)?;
    // All pages in one step: one transaction of the source, and no restart when others write.
    rusqlite::backup::Backup::new(source, &mut target)?.step(-1)?;
    let seq: i64 = target.query_row("SELECT ifnull(max(seq), 0) FROM changes", [], |r| r.get(0))?;
    // One file, without a log beside it.
    target.pragma_update(None, "journal_mode", "DELETE")?;
    target.close().map_err(|(_, error)| error)?;
    Ok(seq as u64)
}

/// Gives a file that `write` makes its name when it is complete and on the disk.
fn written(disk: &dyn Disk, path: &Path, write: impl FnOnce(&Path) -> Result<u64>) -> Result<u64> {
    if disk.open(path).is_ok() {
        return Err(CatalogueError::Disk {
            path: path.into(),
            detail: "it exists already; choose another name".into(),
        });
    }
    let unfinished = unfinished(path);
    _ = disk.remove(&unfinished);
    let kept = write(&unfinished).and_then(|seq| {
        disk.sync(&unfinished)
            .and_then(|()| twinset_disk::publish(disk, &unfinished, path))
            .map_err(|e| CatalogueError::disk(path, &e))?;
        Ok(seq)
    });
    if kept.is_err() {
        _ = disk.remove(&unfinished);
    }
    kept
}

impl Home {
    /// Makes a new catalogue of a copy that [`Catalogue::snapshot`] wrote, here or elsewhere. The copy stays.
    ///
    /// # Errors
    /// [`CatalogueError::CatalogueExists`]; [`CatalogueError::NotACatalogue`], [`CatalogueError::NewerFormat`] and
    /// [`CatalogueError::Damaged`] about the copy; [`CatalogueError::Disk`]. Nothing is left of a failed attempt.
    pub fn restore(&self, name: &CatalogueName, copy: &Path) -> Result<Catalogue> {
        schema::check(copy)?;
        let made = self.create_from(name, &mut |database| {
            std::fs::copy(copy, database).map_err(|e| CatalogueError::disk(copy, &e))?;
            lay_beside(database)?;
            schema::adopt(database)?;
            let file = std::fs::File::open(database).map_err(|e| CatalogueError::disk(database, &e))?;
            file.sync_all().map_err(|e| CatalogueError::disk(database, &e))
        });
        let damaged = |detail| CatalogueError::Damaged { path: copy.into(), detail };
        let checked = match made {
            Err(error @ CatalogueError::CatalogueExists { .. }) => return Err(error),
            Err(error) => Err(error),
            Ok(catalogue) => match catalogue.verify() {
                Ok(faults) => match faults.first() {
                    None => Ok(catalogue),
                    Some(first) => Err(damaged(format!("{first}; {} faults in all", faults.len()))),
                },
                Err(CatalogueError::Damaged { detail, .. }) => Err(damaged(detail)),
                Err(error) => Err(error),
            },
        };
        if checked.is_err() {
            self.remove_catalogue(name)?;
        }
        checked
    }
}

fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".unfinished");
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use twinset_disk::{Crash, Fault, Loss, LyingDisk};

    const PATH: &str = "/copies/shop.db";

    /// As SQLite leaves a file: written, and synced by nobody.
    fn write(disk: &LyingDisk, bytes: &[u8]) -> Result<u64> {
        written(disk, Path::new(PATH), |unfinished| {
            let io = |error: std::io::Error| CatalogueError::disk(unfinished, &error);
            let mut file = disk.create(unfinished).map_err(io)?;
            bytes.chunks(700).try_for_each(|part| file.write_all(part)).map_err(io)?;
            Ok(7)
        })
    }

    fn found(disk: &LyingDisk) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        disk.open(Path::new(PATH)).ok()?.read_to_end(&mut bytes).unwrap();
        Some(bytes)
    }

    #[test]
    fn a_copy_is_whole_or_not_there_at_whatever_call_the_power_goes() {
        let bytes: Vec<u8> = (0..9_000_u32).flat_map(u32::to_le_bytes).collect();
        let disk = LyingDisk::default();
        disk.record();
        assert_eq!(write(&disk, &bytes).unwrap(), 7);
        assert!(write(&disk, &bytes).is_err(), "nothing is overwritten");
        let (states, calls) = (disk.history(), disk.calls());
        for (call, state) in states.iter().enumerate() {
            for (loss, seed) in Loss::ALL.into_iter().flat_map(|loss| (0..8).map(move |seed| (loss, seed))) {
                let left = LyingDisk::of(state.after(Crash { loss, seed }));
                assert!(
                    found(&left).is_none_or(|found| found == bytes),
                    "call {call}, {loss:?}, seed {seed}"
                );
                if found(&left).is_none() {
                    assert_eq!(write(&left, &bytes).unwrap(), 7);
                    assert_eq!(found(&left).unwrap(), bytes);
                }
            }
        }
        for loss in Loss::ALL {
            let left = LyingDisk::of(disk.state().after(Crash { loss, seed: 1 }));
            assert_eq!(found(&left).unwrap(), bytes, "what was told to be done is lost: {loss:?}");
        }
        for call in 0..calls {
            let disk = LyingDisk::default();
            disk.fail(Fault { call, kind: std::io::ErrorKind::StorageFull, short: true });
            let told = write(&disk, &bytes);
            assert!(found(&disk).is_none_or(|found| found == bytes), "call {call}: {told:?}");
        }
    }
}
