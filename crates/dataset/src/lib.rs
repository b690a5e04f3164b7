//! Reads data sets and plain picture folders.
//!
//! In: a folder with `manifest.csv` and uncompressed tar shards or loose files ([`DataSet`]), or a folder of
//! pictures whose sub-folders or file stems name the products ([`Folder`]). Out: rows with their labels, and
//! encoded bytes by random access. Knows the layout only: it decodes no picture, and what a label means is
//! the caller's business.

mod attributes;
mod error;
mod folder;
mod manifest;
mod shard;
mod windows;

pub use error::DatasetError;
pub use folder::{Folder, FolderPicture};
pub use manifest::{LabelledBox, Problem, Row};
pub use windows::Windows;

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
    dir: PathBuf,
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
    /// The manifest is missing, too large, not CSV, has no `file` column, or names a path outside `dir`.
    /// Cells that cannot be read do not fail: see [`DataSet::problems`].
    pub fn open(dir: &Path) -> Result<Self, DatasetError> {
        Self::open_manifest(&if dir.is_file() { dir.to_path_buf() } else { dir.join("manifest.csv") })
    }

    /// The same with a manifest of any name; shards and files lie beside it.
    ///
    /// # Errors
    /// As [`DataSet::open`].
    pub fn open_manifest(manifest: &Path) -> Result<Self, DatasetError> {
        let (rows, problems) = manifest::read(manifest)?;
        Ok(Self::of_rows(manifest, rows, problems))
    }

    fn of_rows(manifest: &Path, rows: Vec<Row>, problems: Vec<Problem>) -> Self {
        Self {
            manifest: manifest.to_path_buf(),
            dir: manifest.parent().unwrap_or(Path::new("")).to_path_buf(),
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

    /// The folder it was opened from.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The manifest it was read from.
    #[must_use]
    pub fn manifest(&self) -> &Path {
        &self.manifest
    }

    /// The folder's own name, for messages.
    #[must_use]
    pub fn name(&self) -> String {
        let full = std::fs::canonicalize(&self.dir).unwrap_or_else(|_| self.dir.clone());
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
            shard::read_loose(&self.dir.join(&row.file))
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
        let loose = self.dir.join("masks").join(&name);
        if loose.is_file() { shard::read_loose(&loose).map(Some) } else { Ok(None) }
    }

    fn mask_shards(&self) -> &[String] {
        self.mask_shards.get_or_init(|| {
            let Ok(entries) = std::fs::read_dir(&self.dir) else { return Vec::new() };
            let mut names: Vec<String> = entries
                .filter_map(|e| e.ok()?.file_name().into_string().ok())
                .filter(|n| n.contains("-masks-") && n.ends_with(".tar"))
                .collect();
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
        let opened = Arc::new(Shard::open(&self.dir.join(name))?);
        Ok(Arc::clone(slot.get_or_init(|| opened)))
    }
}

/// Whether `name` stays below the folder it is joined to: relative, without `..`, on any platform.
pub(crate) fn stays_inside(name: &str) -> bool {
    !name.is_empty()
        && !name.contains(['\\', '\0'])
        && Path::new(name).components().all(|c| matches!(c, Component::Normal(_)))
}
