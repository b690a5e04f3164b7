//! The folder with all catalogues, held by one process at a time.
//!
//! In: a folder. Out: catalogues by name, each in its own folder `catalogues/<name>`. Two handles
//! of one catalogue in one process are the same catalogue; a second process is told who holds the
//! home. Knows nothing of what lies in a catalogue.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::catalogue::Inner;
use crate::schema::{self, DATABASE};
use crate::{Catalogue, CatalogueError, Result, Settings};

/// Name of a catalogue, and of its folder: 1 to 63 of `a-z`, `0-9`, `-` and `_`, beginning with a
/// letter or digit.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CatalogueName(String);

impl CatalogueName {
    /// Checks a text.
    ///
    /// # Errors
    /// [`CatalogueError::InvalidName`].
    pub fn parse(text: &str) -> Result<Self> {
        let inside = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let bytes = text.as_bytes();
        let fits = bytes.len() <= 63
            && bytes.first().is_some_and(|b| inside(*b))
            && bytes.iter().all(|b| inside(*b) || matches!(b, b'-' | b'_'));
        if fits {
            Ok(Self(text.into()))
        } else {
            Err(CatalogueError::InvalidName { name: text.chars().take(80).collect() })
        }
    }

    /// The checked text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for CatalogueName {
    type Err = CatalogueError;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

impl std::fmt::Display for CatalogueName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The folder with all catalogues. Holds an exclusive lock until it and every catalogue opened
/// through it are dropped.
#[derive(Clone)]
pub struct Home {
    inner: Arc<HomeInner>,
}

pub(crate) struct HomeInner {
    dir: PathBuf,
    /// Locked as long as it is open; the system unlocks it when a process dies.
    _lock: File,
    open: Mutex<HashMap<CatalogueName, Weak<Inner>>>,
}

/// Folder that is being made; it takes its name when it is complete.
const UNFINISHED: &str = ".new-";
/// Folder that is being removed.
const DISCARDED: &str = ".gone-";

impl Home {
    /// Opens the folder, making it if it is not there, and locks it.
    ///
    /// # Errors
    /// [`CatalogueError::HomeInUse`] names the process that holds it; [`CatalogueError::Disk`].
    pub fn open(dir: &Path) -> Result<Self> {
        let catalogues = dir.join("catalogues");
        fs::create_dir_all(&catalogues).map_err(|e| CatalogueError::disk(&catalogues, &e))?;
        let lock = lock(dir)?;
        // What a killed process left half made or half removed is nobody's.
        for entry in entries(&catalogues)? {
            let name = entry.file_name();
            if [UNFINISHED, DISCARDED].iter().any(|mark| name.to_string_lossy().starts_with(mark)) {
                fs::remove_dir_all(entry.path()).map_err(|e| CatalogueError::disk(&entry.path(), &e))?;
            }
        }
        Ok(Self { inner: Arc::new(HomeInner { dir: dir.into(), _lock: lock, open: Mutex::default() }) })
    }

    /// The folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.inner.dir
    }

    /// Names of all catalogues, in alphabetical order.
    ///
    /// # Errors
    /// [`CatalogueError::Disk`].
    pub fn catalogues(&self) -> Result<Vec<CatalogueName>> {
        let mut names: Vec<_> = entries(&self.inner.catalogues())?
            .into_iter()
            .filter(|entry| entry.path().join(DATABASE).is_file())
            .filter_map(|entry| CatalogueName::parse(entry.file_name().to_str()?).ok())
            .collect();
        names.sort();
        Ok(names)
    }

    /// Makes a new, empty catalogue. A process that dies here leaves either all of it or nothing.
    ///
    /// # Errors
    /// [`CatalogueError::CatalogueExists`], [`CatalogueError::Disk`], [`CatalogueError::DiskFull`].
    pub fn create(&self, name: &CatalogueName, settings: Settings) -> Result<Catalogue> {
        self.create_from(name, &mut |database| schema::create(database, &settings))
    }

    /// As [`Home::create`], with the database that `make` writes.
    pub(crate) fn create_from(
        &self,
        name: &CatalogueName,
        make: &mut dyn FnMut(&Path) -> Result<()>,
    ) -> Result<Catalogue> {
        let mut open = self.inner.open.lock();
        let (parent, dir) = (self.inner.catalogues(), self.inner.folder(name));
        if dir.join(DATABASE).exists() {
            return Err(CatalogueError::CatalogueExists { name: name.to_string() });
        }
        let unfinished = parent.join(format!("{UNFINISHED}{name}"));
        let disk = |e: std::io::Error| CatalogueError::disk(&unfinished, &e);
        remove_folder(&unfinished)?;
        fs::create_dir(&unfinished).map_err(disk)?;
        make(&unfinished.join(DATABASE))?;
        sync_folder(&unfinished)?;
        fs::rename(&unfinished, &dir).map_err(disk)?;
        sync_folder(&parent)?;
        self.opened(&mut open, name)
    }

    /// Opens a catalogue; the same one if it is open already.
    ///
    /// # Errors
    /// [`CatalogueError::NoSuchCatalogue`]; [`CatalogueError::NewerFormat`] or
    /// [`CatalogueError::NotACatalogue`], both of which leave the file untouched;
    /// [`CatalogueError::Damaged`]; [`CatalogueError::Disk`].
    pub fn open_catalogue(&self, name: &CatalogueName) -> Result<Catalogue> {
        let mut open = self.inner.open.lock();
        if let Some(inner) = open.get(name).and_then(Weak::upgrade) {
            return Ok(Catalogue::from(inner));
        }
        if !self.inner.folder(name).join(DATABASE).exists() {
            return Err(CatalogueError::NoSuchCatalogue {
                name: name.to_string(),
                home: self.inner.dir.clone(),
            });
        }
        self.opened(&mut open, name)
    }

    /// Removes a catalogue with all that lies in its folder; false if there was none. Handles that
    /// are still open answer [`CatalogueError::Removed`] from now on.
    ///
    /// # Errors
    /// [`CatalogueError::Disk`].
    pub fn remove_catalogue(&self, name: &CatalogueName) -> Result<bool> {
        let mut open = self.inner.open.lock();
        let dir = self.inner.folder(name);
        if !dir.join(DATABASE).exists() {
            return Ok(false);
        }
        if let Some(inner) = open.remove(name).and_then(|weak| weak.upgrade()) {
            inner.mark_removed();
        }
        // First out of sight in one step, then at leisure: a kill in between removes all or nothing.
        let discarded = self.inner.catalogues().join(format!("{DISCARDED}{name}"));
        remove_folder(&discarded)?;
        fs::rename(&dir, &discarded).map_err(|e| CatalogueError::disk(&dir, &e))?;
        sync_folder(&self.inner.catalogues())?;
        remove_folder(&discarded)?;
        Ok(true)
    }

    fn opened(
        &self,
        open: &mut HashMap<CatalogueName, Weak<Inner>>,
        name: &CatalogueName,
    ) -> Result<Catalogue> {
        let inner = Arc::new(Inner::open(self.inner.clone(), name.clone(), self.inner.folder(name))?);
        open.insert(name.clone(), Arc::downgrade(&inner));
        Ok(Catalogue::from(inner))
    }
}

impl HomeInner {
    fn catalogues(&self) -> PathBuf {
        self.dir.join("catalogues")
    }

    fn folder(&self, name: &CatalogueName) -> PathBuf {
        self.catalogues().join(name.as_str())
    }
}

impl std::fmt::Debug for Home {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Home").field("dir", &self.inner.dir).finish_non_exhaustive()
    }
}

/// Locks `dir/lock`, and says in `dir/holder` who did. Two files, because on some systems nobody
/// else can read a locked one.
fn lock(dir: &Path) -> Result<File> {
    let (path, holder) = (dir.join("lock"), dir.join("holder"));
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(|e| CatalogueError::disk(&path, &e))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => {
            let text = fs::read_to_string(&holder).unwrap_or_default();
            let mut lines = text.lines();
            let pid = lines.next().and_then(|line| line.parse().ok()).unwrap_or(0);
            let host = lines.next().unwrap_or("an unknown host").into();
            return Err(CatalogueError::HomeInUse { home: dir.into(), pid, host });
        }
        Err(fs::TryLockError::Error(e)) => return Err(CatalogueError::disk(&path, &e)),
    }
    // A full disk must not keep anyone from reading: the lock holds without the note.
    let _ = fs::write(&holder, format!("{}\n{}\n", std::process::id(), host()));
    Ok(file)
}

fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname")
        .or_else(|_| fs::read_to_string("/etc/hostname"))
        .or_else(|_| std::env::var("COMPUTERNAME"))
        .or_else(|_| std::env::var("HOSTNAME"));
    name.map_or_else(|_| "this host".into(), |name| name.trim().to_owned())
}

fn entries(dir: &Path) -> Result<Vec<fs::DirEntry>> {
    fs::read_dir(dir).and_then(Iterator::collect).map_err(|e| CatalogueError::disk(dir, &e))
}

fn remove_folder(dir: &Path) -> Result<()> {
    match fs::remove_dir_all(dir) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(CatalogueError::disk(dir, &e)),
        _ => Ok(()),
    }
}

/// Makes names in a folder durable. Windows has no such call and does it by itself.
pub(crate) fn sync_folder(dir: &Path) -> Result<()> {
    if cfg!(windows) {
        return Ok(());
    }
    File::open(dir).and_then(|file| file.sync_all()).map_err(|e| CatalogueError::disk(dir, &e))
}
