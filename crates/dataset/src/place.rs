//! Where the files of a data set lie: in a folder, or below a prefix of an object store.
use crate::{DatasetError, MEMBER_BYTES_MAX};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[cfg(feature = "s3")]
use crate::store::Store;

/// How addresses in an object store begin.
const STORE: &str = "s3://";

#[derive(Clone, Debug)]
pub(crate) enum Place {
    Folder(PathBuf),
    #[cfg(feature = "s3")]
    Store(Arc<Store>),
}

/// A manifest on this machine's disk, what to call it in messages, and what lies beside it.
pub(crate) struct Opened {
    pub(crate) place: Place,
    pub(crate) manifest: PathBuf,
    pub(crate) shown: PathBuf,
}

impl Opened {
    /// `at`: a folder with a `manifest.csv`, a manifest of another name, or either of these in a store.
    pub(crate) fn at(at: &Path) -> Result<Self, DatasetError> {
        match at.to_str().filter(|url| url.starts_with(STORE)) {
            None => {
                let manifest = if at.is_file() { at.to_path_buf() } else { at.join("manifest.csv") };
                Ok(Self::manifest(&manifest))
            }
            #[cfg(feature = "s3")]
            Some(url) => {
                let store = Arc::new(Store::open(url)?);
                let (manifest, shown) = (store.manifest().to_path_buf(), store.path(store.manifest_name()));
                Ok(Self { place: Place::Store(store), manifest, shown })
            }
            #[cfg(not(feature = "s3"))]
            Some(url) => Err(DatasetError::NoStores { url: url.to_owned() }),
        }
    }

    /// A manifest of any name on this machine's disk.
    pub(crate) fn manifest(manifest: &Path) -> Self {
        let place = Place::Folder(manifest.parent().unwrap_or(Path::new("")).to_path_buf());
        Self { place, manifest: manifest.to_path_buf(), shown: manifest.to_path_buf() }
    }
}

impl Place {
    /// For messages.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        match self {
            Self::Folder(dir) => dir.join(name),
            #[cfg(feature = "s3")]
            Self::Store(store) => store.path(name),
        }
    }

    /// The folder, or its address.
    pub(crate) fn dir(&self) -> &Path {
        match self {
            Self::Folder(dir) => dir,
            #[cfg(feature = "s3")]
            Self::Store(store) => store.address(),
        }
    }

    /// A shard, to be read at any place.
    pub(crate) fn shard(&self, name: &str) -> Result<Arc<File>, DatasetError> {
        match self {
            Self::Folder(dir) => {
                let path = dir.join(name);
                let opened = File::open(&path);
                Ok(Arc::new(opened.map_err(|source| DatasetError::NoShard { shard: path, source })?))
            }
            #[cfg(feature = "s3")]
            Self::Store(store) => store.shard(name),
        }
    }

    /// A file of its own, of at most [`MEMBER_BYTES_MAX`].
    pub(crate) fn loose(&self, name: &str) -> Result<Vec<u8>, DatasetError> {
        match self {
            Self::Folder(dir) => read_loose(&dir.join(name)),
            #[cfg(feature = "s3")]
            Self::Store(store) => store.loose(name),
        }
    }

    /// Whether a mask lies beside as a file of its own. In a store masks come in shards: asking for each picture would
    /// cost a request.
    pub(crate) fn has_loose(&self, name: &str) -> bool {
        match self {
            Self::Folder(dir) => dir.join(name).is_file(),
            #[cfg(feature = "s3")]
            Self::Store(_) => false,
        }
    }

    /// Names of the files beside the manifest; none where they cannot be listed.
    pub(crate) fn names(&self) -> Vec<String> {
        match self {
            Self::Folder(dir) => {
                let entries = std::fs::read_dir(dir).into_iter().flatten();
                entries.filter_map(|e| e.ok()?.file_name().into_string().ok()).collect()
            }
            #[cfg(feature = "s3")]
            Self::Store(store) => store.names(),
        }
    }
}

/// A file of its own, within the limit. The limit holds even if the file grows meanwhile.
pub(crate) fn read_loose(path: &Path) -> Result<Vec<u8>, DatasetError> {
    let io = |source| DatasetError::Io { path: path.to_path_buf(), source };
    let file = File::open(path).map_err(io)?;
    let mut bytes = Vec::new();
    let stated = file.metadata().map_err(io)?.len();
    if stated <= MEMBER_BYTES_MAX {
        bytes.reserve(stated as usize);
        file.take(MEMBER_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(io)?;
    }
    let found = stated.max(bytes.len() as u64);
    if found > MEMBER_BYTES_MAX {
        let path = path.to_path_buf();
        return Err(DatasetError::TooLarge { path, bytes: found, limit: MEMBER_BYTES_MAX });
    }
    Ok(bytes)
}

/// A place in a file that others read at the same time.
pub(crate) struct Reader {
    pub(crate) file: Arc<File>,
    pub(crate) at: u64,
    pub(crate) length: u64,
}

impl Read for Reader {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let n = read_at(&self.file, into, self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}

impl Seek for Reader {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| std::io::Error::from(std::io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}

#[cfg(unix)]
fn read_at(file: &File, into: &mut [u8], at: u64) -> std::io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, into, at)
}

#[cfg(windows)]
fn read_at(file: &File, into: &mut [u8], at: u64) -> std::io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, into, at)
}
