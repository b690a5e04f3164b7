//! The machine's own file system.

use crate::{Disk, DiskFile, DiskRead};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// The file system of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        let all: io::Result<Vec<_>> = fs::read_dir(dir)?.collect();
        Ok(all?.into_iter().map(|entry| entry.path()).filter(|path| !path.is_dir()).collect())
    }
    fn folders(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        let all: io::Result<Vec<_>> = fs::read_dir(dir)?.collect();
        Ok(all?.into_iter().map(|entry| entry.path()).filter(|path| path.is_dir()).collect())
    }
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(File::create(path)?))
    }
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskRead>> {
        Ok(Box::new(File::open(path)?))
    }
    fn sync(&self, path: &Path) -> io::Result<()> {
        // Some systems sync only what is open for writing.
        File::options().read(true).append(true).open(path)?.sync_all()
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }
    fn remove_folder(&self, dir: &Path) -> io::Result<()> {
        fs::remove_dir_all(dir)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        // Windows has no such call and does it by itself.
        if cfg!(windows) { Ok(()) } else { File::open(dir)?.sync_all() }
    }
}

impl DiskFile for File {
    fn sync(&mut self) -> io::Result<()> {
        self.sync_all()
    }
}
