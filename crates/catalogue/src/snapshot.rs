//! A copy of a whole catalogue while it is used, and a catalogue made of such a copy.
//!
//! The copy is one SQLite file with everything that is not derived, taken in one read transaction: it holds exactly the
//! changes up to one number, whatever is written meanwhile. It takes its name when it is complete and on the disk.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::error::Failure;
use crate::schema::{self, DATABASE};
use crate::{Catalogue, CatalogueError, CatalogueName, Home, Result};

impl Catalogue {
    /// Writes a copy to `path`, which must not exist; returns the number of the last change in it.
    ///
    /// # Errors
    /// [`CatalogueError::Disk`], [`CatalogueError::DiskFull`]: nothing is left at `path`.
    pub fn snapshot(&self, path: &Path) -> Result<u64> {
        written(path, |unfinished| self.read(|source| copy(source, unfinished)))
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
    written(path, |unfinished| copy(&source, unfinished).map_err(|failure| failure.at(&database)))
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
fn written(path: &Path, write: impl FnOnce(&Path) -> Result<u64>) -> Result<u64> {
    if path.exists() {
        return Err(CatalogueError::Disk {
            path: path.into(),
            detail: "it exists already; choose another name".into(),
        });
    }
    let unfinished = unfinished(path);
    _ = std::fs::remove_file(&unfinished);
    let kept = write(&unfinished).and_then(|seq| {
        let disk = |e: std::io::Error| CatalogueError::disk(path, &e);
        std::fs::File::open(&unfinished).and_then(|file| file.sync_all()).map_err(disk)?;
        std::fs::rename(&unfinished, path).map_err(disk)?;
        crate::home::sync_folder(
            path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")),
        )?;
        Ok(seq)
    });
    if kept.is_err() {
        _ = std::fs::remove_file(&unfinished);
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
