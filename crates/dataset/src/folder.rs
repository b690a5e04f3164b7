//! A plain folder of pictures: the sub-folder names the product, else the file's stem.
use crate::{DatasetError, place};
use std::path::{Path, PathBuf};

/// Most files looked at in one folder.
const FILES_MAX: usize = 10_000_000;
/// How deep sub-folders are followed.
const DEPTH_MAX: usize = 16;
/// Endings that claim to be a picture. A claim that fails is reported; other files are passed over.
const PICTURE_ENDINGS: [&str; 15] = [
    "jpg", "jpeg", "jpe", "jfif", "pjpeg", "png", "webp", "gif", "heic", "heif", "avif", "bmp", "tif",
    "tiff", "apng",
];

/// What a folder holds, sorted by path.
#[derive(Clone, Debug, Default)]
pub struct Folder {
    /// The pictures, those of one product beside each other.
    pub pictures: Vec<FolderPicture>,
    /// Files that do not claim to be pictures; not an error.
    pub passed_over: Vec<PathBuf>,
    /// Folders and files that could not be looked at, with the reason.
    pub unreadable: Vec<(PathBuf, String)>,
}

/// One picture of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderPicture {
    /// Where it lies.
    pub path: PathBuf,
    /// Path below the folder, with `/` on every platform.
    pub name: String,
    /// The sub-folder's path below the folder, or the file's stem.
    pub product: String,
}

impl FolderPicture {
    /// The encoded bytes.
    ///
    /// # Errors
    /// Missing, not readable, or larger than [`crate::MEMBER_BYTES_MAX`].
    pub fn read(&self) -> Result<Vec<u8>, DatasetError> {
        place::read_loose(&self.path)
    }
}

impl Folder {
    /// Lists the pictures below `dir`. Hidden files are left out; links to folders are not followed.
    ///
    /// # Errors
    /// `dir` itself cannot be listed, or holds too many files.
    pub fn open(dir: &Path) -> Result<Self, DatasetError> {
        let mut found = Self::default();
        let mut count = 0;
        std::fs::read_dir(dir).map_err(|source| DatasetError::Io { path: dir.to_path_buf(), source })?;
        found.walk(dir, dir, "", 0, &mut count)?;
        Ok(found)
    }

    fn walk(
        &mut self,
        top: &Path,
        dir: &Path,
        below: &str,
        depth: usize,
        count: &mut usize,
    ) -> Result<(), DatasetError> {
        let mut entries = match std::fs::read_dir(dir) {
            Ok(entries) => entries.filter_map(Result::ok).collect::<Vec<_>>(),
            Err(e) => {
                self.unreadable.push((dir.to_path_buf(), e.to_string()));
                return Ok(());
            }
        };
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            *count += 1;
            if *count > FILES_MAX {
                return Err(DatasetError::TooMany { path: top.to_path_buf(), limit: FILES_MAX });
            }
            let path = entry.path();
            let name = entry.file_name();
            let Some(name) = name.to_str() else {
                self.unreadable.push((path, "its name is not UTF-8; rename it".to_owned()));
                continue;
            };
            if name.starts_with('.') {
                continue;
            }
            let inner = if below.is_empty() { name.to_owned() } else { format!("{below}/{name}") };
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && depth < DEPTH_MAX => {
                    self.walk(top, &path, &inner, depth + 1, count)?;
                }
                Ok(kind) if kind.is_dir() => {
                    self.unreadable.push((path, format!("more than {DEPTH_MAX} folders deep")));
                }
                Ok(_) if !claims_to_be_a_picture(&path) || path.is_dir() => self.passed_over.push(path),
                Ok(_) => {
                    let stem = Path::new(name).file_stem().map_or(name.into(), |s| s.to_string_lossy());
                    let product = if below.is_empty() { stem.into_owned() } else { below.to_owned() };
                    self.pictures.push(FolderPicture { path, name: inner, product });
                }
                Err(e) => self.unreadable.push((path, e.to_string())),
            }
        }
        Ok(())
    }
}

fn claims_to_be_a_picture(path: &Path) -> bool {
    path.extension()
        .and_then(|e| e.to_str())
        .is_some_and(|e| PICTURE_ENDINGS.contains(&e.to_ascii_lowercase().as_str()))
}
