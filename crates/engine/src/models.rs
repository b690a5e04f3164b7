//! The model packages that are kept in a home, each in a folder named by its content hash.

use crate::{EngineError, Result, Vision};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use twinset_disk::Disk;
use twinset_nets::{Card, ModelHash, Package};

/// The packages inside the program and those kept in the home.
#[derive(Clone, Debug)]
pub struct Models {
    dir: PathBuf,
    disk: Arc<dyn Disk>,
}

/// A package that can be used by name.
#[derive(Clone, Debug)]
pub struct KnownModel {
    /// What it says about itself.
    pub card: Card,
    /// Its content hash; of a kept one as its folder says, which is checked when it is opened.
    pub hash: ModelHash,
    /// It comes with the program.
    pub shipped: bool,
}

impl Models {
    /// Those kept in `dir`, the folder `models` of a home.
    #[must_use]
    pub fn new(dir: PathBuf, disk: Arc<dyn Disk>) -> Self {
        Self { dir, disk }
    }

    /// Keeps a package; the same one again changes nothing.
    ///
    /// # Errors
    /// The disk failed.
    pub fn keep(&self, package: &Package) -> Result<()> {
        if shipped().iter().any(|s| s.hash() == package.hash()) {
            return Ok(());
        }
        Ok(package.save_on(&*self.disk, &self.folder(package.hash()))?)
    }

    /// All packages, those of the program first, the kept ones in the order of their hashes. A folder that holds
    /// no sound package is left out with a warning.
    ///
    /// # Errors
    /// The disk failed.
    pub fn list(&self) -> Result<Vec<KnownModel>> {
        let mut known: Vec<_> = shipped()
            .iter()
            .map(|p| KnownModel { card: p.card().clone(), hash: p.hash(), shipped: true })
            .collect();
        let disk = |e: std::io::Error| EngineError::Disk { path: self.dir.clone(), detail: e.to_string() };
        let mut folders = match self.disk.folders(&self.dir) {
            Ok(folders) => folders,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(e) => return Err(disk(e)),
        };
        folders.sort();
        for folder in folders {
            let hash = folder.file_name().and_then(|name| name.to_str()?.parse().ok());
            match (hash, Package::read_card_on(&*self.disk, &folder)) {
                (Some(hash), Ok(card)) => known.push(KnownModel { card, hash, shipped: false }),
                (None, _) => tracing::warn!(folder = %folder.display(), "no name of a model package"),
                (_, Err(error)) => tracing::warn!(folder = %folder.display(), %error, "not a model package"),
            }
        }
        Ok(known)
    }

    /// A package by its hash, by at least 6 of its first hex digits, or by the name on its card (the last kept of
    /// several).
    ///
    /// # Errors
    /// There is none, or several begin like that.
    pub fn find(&self, named: &str) -> Result<Package> {
        let digits = named.to_ascii_lowercase();
        let is_hash = digits.len() >= 6 && digits.bytes().all(|b| b.is_ascii_hexdigit());
        let mut named_so = None;
        let mut begin_so = Vec::new();
        for known in self.list()? {
            if is_hash && known.hash.to_string().starts_with(&digits) {
                begin_so.push(known.hash);
            } else if known.card.name == named {
                named_so = Some(known.hash);
            }
        }
        match begin_so.len() {
            0 => self.open(named_so.ok_or_else(|| EngineError::NoSuchModel { name: named.into() })?),
            1 => self.open(begin_so.remove(0)),
            n => Err(EngineError::BadRequest {
                field: "model",
                reason: format!("'{named}' begins the hashes of {n} packages; give more digits"),
            }),
        }
    }

    /// The eyes made of two packages by their hashes.
    ///
    /// # Errors
    /// A package is not there any more, or is not what its hash says.
    pub(crate) fn vision(&self, [detector, embedder]: [[u8; 32]; 2]) -> Result<Arc<Vision>> {
        let (detector, embedder) = (self.open(ModelHash(detector))?, self.open(ModelHash(embedder))?);
        Ok(Arc::new(Vision::new(&detector, &embedder)?))
    }

    fn open(&self, hash: ModelHash) -> Result<Package> {
        if let Some(package) = shipped().into_iter().find(|s| s.hash() == hash) {
            return Ok(package);
        }
        let package = Package::open_on(&*self.disk, &self.folder(hash))?;
        if package.hash() == hash {
            Ok(package)
        } else {
            Err(EngineError::NoSuchModel { name: hash.to_string() })
        }
    }

    fn folder(&self, hash: ModelHash) -> PathBuf {
        self.dir.join(hash.to_string())
    }

    /// Where they are kept.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

fn shipped() -> [Package; 2] {
    [Package::default_detector(), Package::default_embedder()]
}
