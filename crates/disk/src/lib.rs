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
pub trait Disk: Send + Sync {
    /// Makes a folder and those above it.
    ///
    /// # Errors
    /// Of the system; the same for all calls.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;
    /// The files in a folder.
    #[allow(clippy::missing_errors_doc)]
    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>>;
    /// A new, empty file; one of this name is emptied.
    #[allow(clippy::missing_errors_doc)]
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// An existing file, to read.
    #[allow(clippy::missing_errors_doc)]
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskRead>>;
    /// Gives a file another name, in place of the file that has it.
    #[allow(clippy::missing_errors_doc)]
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
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
