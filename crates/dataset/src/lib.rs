//! Reads data sets and plain picture folders.
//!
//! In: a folder, or a prefix of an object store (`s3://BUCKET/PREFIX`, with the feature `s3`), with `manifest.csv` and
//! uncompressed tar shards or loose files ([`DataSet`]), or a folder of
//! pictures whose sub-folders or file stems name the products ([`Folder`]). Out: rows with their labels, and
//! encoded bytes by random access. Public data sets are read as their makers lay them out ([`PublicSet`]). Knows the layout only: it decodes no picture, and what a label means is
//! the caller's business.

mod attributes;
mod error;
mod folder;
mod manifest;
mod place;
mod public;
mod shard;
#[cfg(feature = "s3")]
mod store;
mod windows;

pub use error::DatasetError;
pub use folder::{Folder, FolderPicture};
pub use manifest::{LabelledBox, Problem, Row};
pub use public::PublicSet;
pub use windows::Windows;

use place::{Opened, Place};
use shard::Shard;
use std::collections::{BTreeSet, HashMap};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Largest picture or mask that is read, in bytes; tested before memory is spent.
pub const MEMBER_BYTES_MAX: u64 = 64 << 20;

/// An opened data set: its rows, and access to the bytes they name.
///
/// Shards are indexed when first read, once; reading is safe from many threads.
#[derive(Debug)]
pub struct DataSet {
    place: Place,
    manifest: PathBuf,
    rows: Vec<Row>,
    problems: Vec<Problem>,
    shards: Mutex<HashMap<String, Arc<OnceLock<Arc<Shard>>>>>,
    mask_shards: OnceLock<Vec<String>>,
}

impl DataSet {
    /// Reads `dir/manifest.csv`, or `dir` itself if it is a manifest of another name with its shards beside; the
    /// shards are not touched yet.
    ///
    /// # Errors
    /// The manifest is missing, too large, not CSV, has no `file` column, or names a path outside `dir`; a store that
    /// cannot be reached. Cells that cannot be read do not fail: see [`DataSet::problems`].
    pub fn open(dir: &Path) -> Result<Self, DatasetError> {
        match PublicSet::at(dir) {
            Some((set, dir)) => set.open(dir),
            None => Self::of(Opened::at(dir)?),
        }
    }

    /// The same with a manifest of any name; shards and files lie beside it.
    ///
    /// # Errors
    /// As [`DataSet::open`].
    pub fn open_manifest(manifest: &Path) -> Result<Self, DatasetError> {
        Self::of(Opened::manifest(manifest))
    }

    fn of(Opened { place, manifest, shown }: Opened) -> Result<Self, DatasetError> {
        let (rows, problems) = manifest::read(&manifest, &shown)?;
        Ok(Self::of_rows(place, &manifest, rows, problems))
    }

    fn of_rows(place: Place, manifest: &Path, rows: Vec<Row>, problems: Vec<Problem>) -> Self {
        Self {
            manifest: manifest.to_path_buf(),
            place,
            rows,
            problems,
            shards: Mutex::default(),
            mask_shards: OnceLock::new(),
        }
    }

    /// Whether `dir` is laid out as a data set.
    #[must_use]
    pub fn is_one(dir: &Path) -> bool {
        dir.join("manifest.csv").is_file()
    }

    /// The folder it was opened from, or its address in a store.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.place.dir()
    }

    /// The manifest it was read from, on this machine's disk.
    #[must_use]
    pub fn manifest(&self) -> &Path {
        &self.manifest
    }

    /// The folder's own name, for messages.
    #[must_use]
    pub fn name(&self) -> String {
        let full = std::fs::canonicalize(self.dir()).unwrap_or_else(|_| self.dir().to_path_buf());
        full.file_name().map_or_else(|| full.display().to_string(), |n| n.to_string_lossy().into_owned())
    }

    /// All rows, in manifest order.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Rows of one split, in manifest order; `None` or an empty name means all.
    pub fn rows_of<'a>(&'a self, split: Option<&'a str>) -> impl Iterator<Item = &'a Row> + 'a {
        let wanted = split.filter(|s| !s.is_empty());
        self.rows.iter().filter(move |row| wanted.is_none_or(|s| row.split == s))
    }

    /// The names in the `split` column, sorted.
    #[must_use]
    pub fn splits(&self) -> Vec<String> {
        self.rows.iter().map(|r| r.split.clone()).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Cells of the manifest that could not be understood; their rows are kept without them.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The encoded picture of a row.
    ///
    /// # Errors
    /// Names shard and member: missing, damaged or cut off, larger than [`MEMBER_BYTES_MAX`].
    pub fn read(&self, row: &Row) -> Result<Vec<u8>, DatasetError> {
        if row.shard.is_empty() {
            self.place.loose(&row.file)
        } else {
            self.shard(&row.shard)?.read(&row.file)
        }
    }

    /// The PNG mask of a row, from `SET-masks-NNN.tar` or a loose `masks/STEM.png`; `None` where it has none.
    ///
    /// # Errors
    /// As [`DataSet::read`].
    pub fn mask(&self, row: &Row) -> Result<Option<Vec<u8>>, DatasetError> {
        let name = Path::new(&row.file).with_extension("png").to_string_lossy().into_owned();
        for shard in self.mask_shards() {
            let shard = self.shard(shard)?;
            if shard.has(&name) {
                return shard.read(&name).map(Some);
            }
        }
        let loose = format!("masks/{name}");
        if self.place.has_loose(&loose) { self.place.loose(&loose).map(Some) } else { Ok(None) }
    }

    fn mask_shards(&self) -> &[String] {
        self.mask_shards.get_or_init(|| {
            let mut names = self.place.names();
            names.retain(|n| n.contains("-masks-") && n.ends_with(".tar"));
            names.sort();
            names
        })
    }

    fn shard(&self, name: &str) -> Result<Arc<Shard>, DatasetError> {
        let slot = {
            let mut shards = self.shards.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(shards.entry(name.to_owned()).or_default())
        };
        if let Some(shard) = slot.get() {
            return Ok(Arc::clone(shard));
        }
        // Two threads may walk the same shard at first; both find the same table and one is kept.
        let opened = Arc::new(Shard::open(&self.place, name)?);
        Ok(Arc::clone(slot.get_or_init(|| opened)))
    }
}

/// Whether `name` stays below the folder it is joined to: relative, without `..`, on any platform.
pub(crate) fn stays_inside(name: &str) -> bool {
    !name.is_empty()
        && !name.contains(['\\', '\0'])
        && Path::new(name).components().all(|c| matches!(c, Component::Normal(_)))
}
