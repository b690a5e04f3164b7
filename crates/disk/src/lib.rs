//! What the project asks of a file system, and one that lies.
//!
//! Every file that the project itself writes goes through [`Disk`], so that tests can put [`LyingDisk`] in the place of
//! [`RealDisk`]: a file system in memory that forgets what was not synced, as power cuts do, under several models of loss,
//! before and after each call, and that fails where it is told to. (SQLite writes its own files, and is tested by its
//! authors in the same ways.) Knows nothing of what the files mean. After "All File Systems Are Not Created Equal"
//! (Pillai et al., OSDI 2014) and SQLite's crash tests.

mod lying;
mod real;

pub use lying::{Crash, Fault, Loss, LyingDisk, State};
pub use real::RealDisk;

use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// A file system as far as we need it. Names become durable by [`Disk::sync_dir`], contents by [`DiskFile::sync`].
pub trait Disk: Send + Sync + std::fmt::Debug {
    /// Makes a folder and those above it.
    ///
    /// # Errors
    /// Of the system; the same for all calls.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;
    /// The files in a folder.
    #[allow(clippy::missing_errors_doc)]
    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>>;
    /// The folders in a folder.
    #[allow(clippy::missing_errors_doc)]
    fn folders(&self, dir: &Path) -> io::Result<Vec<PathBuf>>;
    /// A new, empty file; one of this name is emptied.
    #[allow(clippy::missing_errors_doc)]
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// An existing file, to read.
    #[allow(clippy::missing_errors_doc)]
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskRead>>;
    /// Makes durable what somebody else has written into a file.
    #[allow(clippy::missing_errors_doc)]
    fn sync(&self, path: &Path) -> io::Result<()>;
    /// Gives a file another name, in place of the file that has it; or a folder, to a name that nobody has.
    #[allow(clippy::missing_errors_doc)]
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a folder with all that is in it.
    #[allow(clippy::missing_errors_doc)]
    fn remove_folder(&self, dir: &Path) -> io::Result<()>;
    /// Removes a file.
    #[allow(clippy::missing_errors_doc)]
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a folder durable.
    #[allow(clippy::missing_errors_doc)]
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
}

/// A file being written.
pub trait DiskFile: Write + Send {
    /// Makes what was written durable.
    ///
    /// # Errors
    /// Of the system. Nobody knows then what is on the disk: the file is to be given up.
    fn sync(&mut self) -> io::Result<()>;
}

/// A file being read.
pub trait DiskRead: Read + Seek + Send {}

impl<T: Read + Seek + Send> DiskRead for T {}

/// Puts what `write` writes where `path` is, all or nothing, and returns when that is on the disk. Aside it stands under
/// the name with `.new` behind it; what a crash leaves there the next call replaces.
///
/// # Errors
/// Of the system; then `path` is what it was, or, if the last step failed, perhaps the new content.
pub fn replace(
    disk: &dyn Disk,
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".new");
    let aside = path.with_file_name(name);
    let mut file = io::BufWriter::with_capacity(1 << 16, disk.create(&aside)?);
    write(&mut file)?;
    file.flush()?;
    file.get_mut().sync()?;
    drop(file);
    publish(disk, &aside, path)
}

/// Gives a synced file its name, and returns when that is on the disk.
///
/// # Errors
/// Of the system; then the file has the one name or the other.
pub fn publish(disk: &dyn Disk, from: &Path, to: &Path) -> io::Result<()> {
    let dir = to.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // First the names of what the new one relies on: a disk may keep a renaming and lose a name that was made before it.
    disk.sync_dir(dir)?;
    disk.rename(from, to)?;
    disk.sync_dir(dir)
}
