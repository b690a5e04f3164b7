//! A file system in memory that forgets what it may forget.
//!
//! What a file holds and what a folder lists exist twice: as the running program sees them, and as they would be found
//! after a power cut. Between the two lie the writes and the changes of names that were not synced; a [`Loss`] says which
//! of them a crash keeps. States are kept before each call, so that one run of a script gives all its crash points.

use crate::{Disk, DiskFile, DiskRead};
use std::collections::BTreeMap;
use std::io::{self, Cursor, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

/// A sector: what a disk writes whole.
const SECTOR: usize = 512;

/// What a crash does with everything that was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// All of it is lost.
    DropUnsynced,
    /// Any of the writes are there, others are not; names changed up to some point.
    RandomSubset,
    /// Writes are there up to some point, and the last of them only to the end of a sector; names likewise.
    TornSector,
    /// Any of the changes of names are there, others are not; no writes.
    ReorderedNames,
}

impl Loss {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::DropUnsynced, Self::RandomSubset, Self::TornSector, Self::ReorderedNames];
}

/// Something that goes wrong at one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Counted from 0, after the fault was set.
    pub call: u64,
    /// As what it fails.
    pub kind: io::ErrorKind,
    /// Half of a write is done before it fails.
    pub short: bool,
}

/// A crash: which loss, and the seed of its chances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Crash {
    pub loss: Loss,
    pub seed: u64,
}

#[derive(Clone, Debug, Default)]
struct Content {
    /// After a power cut this much is certain.
    synced: Arc<Vec<u8>>,
    /// Writes since, each at the end of what was there.
    writes: Vec<Arc<Vec<u8>>>,
}

impl Content {
    fn now(&self) -> Vec<u8> {
        let mut all = self.synced.to_vec();
        self.writes.iter().for_each(|write| all.extend_from_slice(write));
        all
    }
}

/// A change of names.
#[derive(Clone, Debug)]
enum Change {
    Put(PathBuf, u64),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

type Names = BTreeMap<PathBuf, u64>;

/// Everything there is, at one moment.
#[derive(Clone, Debug, Default)]
pub struct State {
    files: BTreeMap<u64, Content>,
    /// As the program sees them.
    names: Names,
    /// As they are certain to be after a power cut.
    durable: Names,
    /// Changes since.
    changes: Vec<Change>,
    next: u64,
}

/// splitmix64
fn random(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *seed;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn apply(names: &mut Names, change: &Change) {
    match change {
        Change::Put(path, file) => _ = names.insert(path.clone(), *file),
        Change::Rename(from, to) => {
            if let Some(file) = names.remove(from) {
                names.insert(to.clone(), file);
            }
        }
        Change::Remove(path) => _ = names.remove(path),
    }
}

impl State {
    /// What is found after a crash at this moment.
    #[must_use]
    pub fn after(&self, crash: Crash) -> Self {
        let mut seed = crash.seed;
        let mut below = |n: usize| if n == 0 { 0 } else { (random(&mut seed) % n as u64) as usize };
        let mut names = self.durable.clone();
        let kept = below(self.changes.len() + 1);
        for (at, change) in self.changes.iter().enumerate() {
            let there = match crash.loss {
                Loss::DropUnsynced => false,
                Loss::RandomSubset | Loss::TornSector => at < kept,
                Loss::ReorderedNames => below(2) == 1,
            };
            if there {
                apply(&mut names, change);
            }
        }
        let mut files = BTreeMap::new();
        for (number, content) in &self.files {
            let mut bytes = content.synced.to_vec();
            match crash.loss {
                Loss::DropUnsynced | Loss::ReorderedNames => {}
                Loss::RandomSubset => {
                    for write in &content.writes {
                        // A write that is missing before one that is there leaves zeros.
                        let there = below(2) == 1;
                        bytes.extend(write.iter().map(|byte| if there { *byte } else { 0 }));
                    }
                    // The length may be short as well.
                    if !content.writes.is_empty() && below(2) == 1 {
                        let unsynced = bytes.len() - content.synced.len();
                        bytes.truncate(content.synced.len() + below(unsynced + 1));
                    }
                }
                Loss::TornSector => {
                    let all = content.now();
                    let end = content.synced.len() + below(all.len() - content.synced.len() + 1);
                    let end = if end == all.len() {
                        end
                    } else {
                        (end / SECTOR * SECTOR).max(content.synced.len())
                    };
                    bytes = all[..end].to_vec();
                }
            }
            files.insert(*number, Content { synced: Arc::new(bytes), writes: Vec::new() });
        }
        files.retain(|number, _| names.values().any(|used| used == number));
        Self { files, durable: names.clone(), names, changes: Vec::new(), next: self.next }
    }

    /// The files and what they hold, as the program sees them.
    #[must_use]
    pub fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        self.names
            .iter()
            .map(|(path, file)| (path.clone(), self.files.get(file).map(Content::now).unwrap_or_default()))
            .collect()
    }

    /// The same with another content of one file, as damage leaves it.
    #[must_use]
    pub fn with(&self, path: &Path, bytes: Vec<u8>) -> Self {
        let mut state = self.clone();
        if let Some(file) = state.names.get(path) {
            state.files.insert(*file, Content { synced: Arc::new(bytes), writes: Vec::new() });
        }
        state
    }
}

#[derive(Debug, Default)]
struct Inner {
    state: State,
    calls: u64,
    fault: Option<Fault>,
    /// States before each call, if they are kept.
    history: Option<Vec<State>>,
}

/// A file system that forgets and fails as it is told. Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct LyingDisk(Arc<Mutex<Inner>>);

impl LyingDisk {
    /// With what was left of another.
    #[must_use]
    pub fn of(state: State) -> Self {
        Self(Arc::new(Mutex::new(Inner { state, ..Inner::default() })))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Keeps the state before each call from now on.
    pub fn record(&self) {
        self.inner().history = Some(Vec::new());
    }

    /// The states before each call since [`LyingDisk::record`].
    #[must_use]
    pub fn history(&self) -> Vec<State> {
        self.inner().history.take().unwrap_or_default()
    }

    /// The state of now.
    #[must_use]
    pub fn state(&self) -> State {
        self.inner().state.clone()
    }

    /// Calls so far.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.inner().calls
    }

    /// Something goes wrong at a call from now on.
    pub fn fail(&self, fault: Fault) {
        let mut inner = self.inner();
        let call = inner.calls + fault.call;
        inner.fault = Some(Fault { call, ..fault });
    }

    /// One call: counted, recorded, and failed if it is its turn.
    fn call<T>(&self, work: impl FnOnce(&mut State, bool) -> io::Result<T>) -> io::Result<T> {
        let mut inner = self.inner();
        let before = inner.state.clone();
        if let Some(history) = &mut inner.history {
            history.push(before);
        }
        let now = inner.calls;
        inner.calls += 1;
        match inner.fault.filter(|fault| fault.call == now) {
            Some(fault) => {
                if fault.short {
                    _ = work(&mut inner.state, true);
                }
                Err(io::Error::new(fault.kind, "this disk lies, as it was told to"))
            }
            None => work(&mut inner.state, false),
        }
    }
}

fn missing(path: &Path) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("{} is not there", path.display()))
}

impl Disk for LyingDisk {
    fn create_dir_all(&self, _: &Path) -> io::Result<()> {
        self.call(|_, _| Ok(()))
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        self.call(|state, _| {
            Ok(state.names.keys().filter(|path| path.parent() == Some(dir)).cloned().collect())
        })
    }
    fn folders(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        self.call(|state, _| {
            let below = state.names.keys().filter_map(|path| path.strip_prefix(dir).ok());
            let mut found: Vec<PathBuf> = below
                .filter(|rest| rest.components().count() > 1)
                .filter_map(|rest| Some(dir.join(rest.components().next()?)))
                .collect();
            found.dedup();
            Ok(found)
        })
    }
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = self.call(|state, _| {
            // Emptying an existing file is a change of its content that may be lost like any other; a new file in its
            // place is the harder case for the caller, and the one modelled.
            state.next += 1;
            let file = state.next;
            state.files.insert(file, Content::default());
            let change = Change::Put(path.into(), file);
            apply(&mut state.names, &change);
            state.changes.push(change);
            Ok(file)
        })?;
        Ok(Box::new(LyingFile { disk: self.clone(), file }))
    }
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskRead>> {
        self.call(|state, _| {
            let file = state.names.get(path).ok_or_else(|| missing(path))?;
            let bytes = state.files.get(file).map(Content::now).unwrap_or_default();
            Ok(Box::new(Cursor::new(bytes)) as Box<dyn DiskRead>)
        })
    }
    fn sync(&self, path: &Path) -> io::Result<()> {
        self.call(|state, _| {
            let file = state.names.get(path).ok_or_else(|| missing(path))?;
            if let Some(content) = state.files.get_mut(file) {
                *content = Content { synced: Arc::new(content.now()), writes: Vec::new() };
            }
            Ok(())
        })
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call(|state, _| {
            // A file, or all files of a folder: folders are only parts of names here.
            let inside =
                state.names.keys().filter_map(|path| Some((path.clone(), path.strip_prefix(from).ok()?)));
            let moves: Vec<Change> = inside
                .map(|(path, rest)| {
                    let to = if rest.as_os_str().is_empty() { to.to_owned() } else { to.join(rest) };
                    Change::Rename(path.clone(), to)
                })
                .collect();
            if moves.is_empty() {
                return Err(missing(from));
            }
            moves.iter().for_each(|change| apply(&mut state.names, change));
            state.changes.extend(moves);
            Ok(())
        })
    }
    fn remove_folder(&self, dir: &Path) -> io::Result<()> {
        self.call(|state, _| {
            let inside: Vec<Change> = state
                .names
                .keys()
                .filter(|path| path.starts_with(dir))
                .cloned()
                .map(Change::Remove)
                .collect();
            inside.iter().for_each(|change| apply(&mut state.names, change));
            state.changes.extend(inside);
            Ok(())
        })
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.call(|state, _| {
            if !state.names.contains_key(path) {
                return Err(missing(path));
            }
            let change = Change::Remove(path.into());
            apply(&mut state.names, &change);
            state.changes.push(change);
            Ok(())
        })
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.call(|state, _| {
            let (mine, others): (Vec<Change>, Vec<Change>) =
                std::mem::take(&mut state.changes).into_iter().partition(|change| match change {
                    Change::Put(path, _) | Change::Remove(path) | Change::Rename(_, path) => {
                        path.parent() == Some(dir)
                    }
                });
            mine.iter().for_each(|change| apply(&mut state.durable, change));
            state.changes = others;
            Ok(())
        })
    }
}

struct LyingFile {
    disk: LyingDisk,
    file: u64,
}

impl Write for LyingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let file = self.file;
        self.disk.call(|state, short| {
            let done = if short { bytes.len() / 2 } else { bytes.len() };
            if let Some(content) = state.files.get_mut(&file) {
                content.writes.push(Arc::new(bytes[..done].to_vec()));
            }
            Ok(bytes.len())
        })
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl DiskFile for LyingFile {
    fn sync(&mut self) -> io::Result<()> {
        let file = self.file;
        self.disk.call(|state, _| {
            if let Some(content) = state.files.get_mut(&file) {
                *content = Content { synced: Arc::new(content.now()), writes: Vec::new() };
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn path(name: &str) -> PathBuf {
        PathBuf::from("/d").join(name)
    }

    fn write(disk: &dyn Disk, name: &str, bytes: &[u8], sync: bool) {
        let mut file = disk.create(&path(name)).unwrap();
        file.write_all(bytes).unwrap();
        if sync {
            file.sync().unwrap();
        }
    }

    fn read(state: State, name: &str) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        LyingDisk::of(state).open(&path(name)).ok()?.read_to_end(&mut bytes).unwrap();
        Some(bytes)
    }

    #[test]
    fn what_was_synced_is_certain_and_nothing_else() {
        let disk = LyingDisk::default();
        write(&disk, "a", &[1; 2000], true);
        let nameless = disk.state();
        disk.sync_dir(Path::new("/d")).unwrap();
        write(&disk, "b", &[2; 2000], false);
        disk.rename(&path("b"), &path("a")).unwrap();
        let mut found = std::collections::BTreeSet::new();
        for loss in Loss::ALL {
            for seed in 0..200 {
                let crash = Crash { loss, seed };
                let a = read(disk.state().after(crash), "a").expect("a name that was synced");
                assert!(
                    a == [1; 2000] || a.iter().all(|b| *b == 2 || *b == 0) && loss != Loss::DropUnsynced,
                    "{crash:?}"
                );
                found.insert((format!("{loss:?}"), a.first() == Some(&1), a.len()));
                assert!(read(nameless.after(crash), "a").is_none_or(|a| a == [1; 2000]));
            }
        }
        // Every kind of loss shows itself: a file of zeros or none, and one torn at a sector.
        assert!(
            found.contains(&("ReorderedNames".into(), false, 0))
                && found.contains(&("TornSector".into(), false, 1536)),
            "{found:?}"
        );
        assert_eq!(read(disk.state(), "a").unwrap(), [2; 2000], "the program sees its own writes");
    }

    #[test]
    fn a_call_fails_when_it_is_told_to() {
        let disk = LyingDisk::default();
        disk.fail(Fault { call: 1, kind: io::ErrorKind::StorageFull, short: true });
        let mut file = disk.create(&path("a")).unwrap();
        assert_eq!(file.write(&[7; 10]).unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(file.write(&[8; 2]).unwrap(), 2);
        assert_eq!(read(disk.state(), "a").unwrap(), [7, 7, 7, 7, 7, 8, 8]);
        assert_eq!(disk.calls(), 3);
    }
}
