//! One saved state in a folder: a small manifest that names one data file and vouches for it.
//!
//! In: a head and a stream of bytes. Out: the same, or the place of the first damaged block. Knows nothing of
//! what the bytes mean. Every byte is drawn in docs/formats/index-exact.md.
//!
//! The data file gets a new name, is synced, and only then named by a manifest that replaces the old one by
//! renaming: whoever reads, at whatever moment the power went, finds the old state or the new one. The state before
//! stays beside it, for the day when the newest turns out to be torn.
use crate::{IndexError, MAX_DIM, Metric, Shape};
use std::{
    io::{BufWriter, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};
use twinset_disk::{Disk, DiskFile, DiskRead};

const MAGIC: [u8; 8] = *b"TWINSIDX";
/// Version 1 had no efforts (zeros there).
const VERSION: u32 = 2;
const MANIFEST: &str = "manifest";
const PREVIOUS: &str = "previous";
const MANIFEST_BYTES: usize = 128;
/// Unit of checking; a damaged place is told to this precision.
const BLOCK: usize = 1 << 16;

/// What the bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Exact = 1,
    Graph = 2,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Graph => "graph",
        }
    }
    fn of(number: u32) -> Option<Self> {
        [Self::Exact, Self::Graph].into_iter().find(|&kind| kind as u32 == number)
    }
}

/// What the manifest says about the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) kind: Kind,
    pub(crate) shape: Shape,
    pub(crate) seq: u64,
    pub(crate) items: u64,
    /// How hard searches of each class try; 0: as hard as they please.
    pub(crate) efforts: [u32; 4],
}

/// How the manifest vouches for the data file.
#[derive(Clone, Copy)]
struct Vouch {
    number: u64,
    payload: u64,
    table_crc: u32,
}

/// Writes a new state into `dir`, through `fill`, and makes it the saved one.
pub(crate) fn save(
    disk: &dyn Disk,
    dir: &Path,
    head: Head,
    fill: impl FnOnce(&mut Writer) -> Result<(), IndexError>,
) -> Result<(), IndexError> {
    disk.create_dir_all(dir).map_err(IndexError::io("cannot make", dir))?;
    let old = data_files(disk, dir)?;
    let number = old.iter().map(|(number, _)| number + 1).max().unwrap_or(1);
    // The state to fall back to: the newest whose file is as long as it should be.
    let kept = [MANIFEST, PREVIOUS].into_iter().find_map(|name| {
        let (head, vouch) = read_manifest(disk, dir, name).ok()?;
        Reader::open(disk, data_path(dir, head.kind, vouch.number), vouch).ok()?;
        Some((name, head, vouch))
    });
    let path = data_path(dir, head.kind, number);
    let file = disk.create(&path).map_err(IndexError::io("cannot write", &path))?;
    let mut writer = Writer {
        out: BufWriter::with_capacity(BLOCK, file),
        path: path.clone(),
        block: Vec::new(),
        crcs: Vec::new(),
        written: 0,
    };
    let done = fill(&mut writer).and_then(|()| {
        let (payload, table_crc) = writer.finish()?;
        if let Some((MANIFEST, head, vouch)) = kept {
            replace(disk, dir, PREVIOUS, &manifest(head, vouch))?;
        }
        replace(disk, dir, MANIFEST, &manifest(head, Vouch { number, payload, table_crc }))
    });
    if done.is_err() {
        // Best effort, for a full disk: the half-written file helps nobody. If the manifest could have been
        // renamed already the file must stay, and the next save clears it.
        if !read_manifest(disk, dir, MANIFEST).is_ok_and(|(_, v)| v.number == number) {
            let _ = disk.remove(&path);
        }
        return done;
    }
    let kept = kept.map(|(_, _, vouch)| vouch.number);
    for (_, path) in old.into_iter().filter(|(number, _)| Some(*number) != kept) {
        let _ = disk.remove(&path); // a left-over costs space only, and the next save tries again
    }
    Ok(())
}

/// Reads the newest state saved in `dir`, if it is of one of these kinds and shape. Where it is damaged, the state
/// before; then also why. The bytes are checked as `read` asks for them.
pub(crate) fn load<T>(
    disk: &dyn Disk,
    dir: &Path,
    kinds: &[Kind],
    read: impl Fn(Head, Reader) -> Result<T, IndexError>,
) -> Result<(T, Option<IndexError>), IndexError> {
    let load = |name| open_on(disk, dir, name, kinds).and_then(|(head, reader)| read(head, reader));
    match load(MANIFEST) {
        Err(torn @ (IndexError::Damaged { .. } | IndexError::Missing { .. })) => match load(PREVIOUS) {
            Ok(found) => Ok((found, Some(torn))),
            Err(_) => Err(torn),
        },
        found => found.map(|found| (found, None)),
    }
}

fn open_on(disk: &dyn Disk, dir: &Path, name: &str, kinds: &[Kind]) -> Result<(Head, Reader), IndexError> {
    let (head, vouch) = read_manifest(disk, dir, name)?;
    if !kinds.contains(&head.kind) {
        let path = dir.join(name);
        return Err(IndexError::OtherKind { path, found: head.kind.name(), expected: kinds[0].name() });
    }
    Ok((head, Reader::open(disk, data_path(dir, head.kind, vouch.number), vouch)?))
}

fn read_manifest(disk: &dyn Disk, dir: &Path, name: &str) -> Result<(Head, Vouch), IndexError> {
    let path = dir.join(name);
    let bytes = match disk.open(&path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return Err(IndexError::Missing { path: dir.to_path_buf() });
        }
        file => {
            let mut bytes = Vec::new();
            file.and_then(|f| f.take(MANIFEST_BYTES as u64 + 1).read_to_end(&mut bytes))
                .map_err(IndexError::io("cannot read", &path))?;
            bytes
        }
    };
    parse(&path, &bytes)
}

/// Reads all of the newest state saved in `dir` and compares it with its checksums, without keeping it.
///
/// # Errors
/// Missing; damaged, with the offset; other model, dimension or metric.
pub fn check_saved(disk: &dyn Disk, dir: &Path, shape: Shape) -> Result<(), IndexError> {
    let (head, mut reader) = open_on(disk, dir, MANIFEST, &[Kind::Exact, Kind::Graph])?;
    head.shape.must_be(shape, dir)?;
    reader.check_rest()
}

fn data_path(dir: &Path, kind: Kind, number: u64) -> PathBuf {
    dir.join(format!("{}-{number:016x}.data", kind.name()))
}

/// The data files in `dir` with their numbers, of any kind, named by a manifest or left over.
fn data_files(disk: &dyn Disk, dir: &Path) -> Result<Vec<(u64, PathBuf)>, IndexError> {
    let paths = disk.list(dir).map_err(IndexError::io("cannot list", dir))?;
    Ok(paths
        .into_iter()
        .filter_map(|path| {
            let (_, number) = path.file_name()?.to_str()?.strip_suffix(".data")?.split_once('-')?;
            Some((u64::from_str_radix(number, 16).ok().filter(|&n| n < u64::MAX)?, path))
        })
        .collect())
}

/// Puts `bytes` where the manifest `name` is, all or nothing, and waits until that is on the disk.
fn replace(disk: &dyn Disk, dir: &Path, name: &str, bytes: &[u8]) -> Result<(), IndexError> {
    let path = dir.join(name);
    twinset_disk::replace(disk, &path, |file| file.write_all(bytes))
        .map_err(IndexError::io("cannot replace", &path))
}

fn manifest(head: Head, vouch: Vouch) -> [u8; MANIFEST_BYTES] {
    let mut bytes = [0; MANIFEST_BYTES];
    let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    put(0, &MAGIC);
    put(8, &VERSION.to_le_bytes());
    put(12, &(head.kind as u32).to_le_bytes());
    put(16, &(head.shape.dim as u32).to_le_bytes());
    put(
        20,
        &match head.shape.metric {
            Metric::InnerProduct => 1u32,
            Metric::L2 => 2,
        }
        .to_le_bytes(),
    );
    put(24, &head.seq.to_le_bytes());
    put(32, &head.items.to_le_bytes());
    put(40, &vouch.payload.to_le_bytes());
    put(48, &vouch.number.to_le_bytes());
    put(56, &vouch.table_crc.to_le_bytes());
    put(64, &head.shape.stamp);
    put(96, bytemuck::cast_slice(&head.efforts));
    let crc = crc32fast::hash(&bytes[..MANIFEST_BYTES - 4]);
    bytes[MANIFEST_BYTES - 4..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

fn parse(path: &Path, bytes: &[u8]) -> Result<(Head, Vouch), IndexError> {
    let damaged = |offset: usize, what| Err(IndexError::damaged(path, offset as u64, what));
    if bytes.len() != MANIFEST_BYTES {
        return damaged(bytes.len().min(MANIFEST_BYTES), "the manifest is not 128 bytes long");
    }
    let u32_at = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let u64_at = |at: usize| u64::from(u32_at(at)) | u64::from(u32_at(at + 4)) << 32;
    if bytes[..8] != MAGIC {
        return damaged(0, "not a manifest of this program");
    }
    if crc32fast::hash(&bytes[..MANIFEST_BYTES - 4]) != u32_at(MANIFEST_BYTES - 4) {
        return damaged(0, "the manifest's checksum does not fit");
    }
    if !(1..=VERSION).contains(&u32_at(8)) {
        let path = path.to_path_buf();
        return Err(IndexError::NewerVersion { path, found: u32_at(8), supported: VERSION });
    }
    let Some(kind) = Kind::of(u32_at(12)) else { return damaged(12, "unknown kind of index") };
    let dim = u32_at(16) as usize;
    if !(1..=MAX_DIM).contains(&dim) {
        return damaged(16, "the dimension is out of range");
    }
    let metric = match u32_at(20) {
        1 => Metric::InnerProduct,
        2 => Metric::L2,
        _ => return damaged(20, "unknown metric"),
    };
    let mut stamp = [0; 32];
    stamp.copy_from_slice(&bytes[64..96]);
    let shape = Shape { dim, metric, stamp };
    let efforts = [96, 100, 104, 108].map(u32_at);
    Ok((
        Head { kind, shape, seq: u64_at(24), items: u64_at(32), efforts },
        Vouch { payload: u64_at(40), number: u64_at(48), table_crc: u32_at(56) },
    ))
}

/// Takes the payload and cuts it into checked blocks; the table of checksums follows the payload.
pub(crate) struct Writer {
    out: BufWriter<Box<dyn DiskFile>>,
    path: PathBuf,
    block: Vec<u8>,
    crcs: Vec<u32>,
    written: u64,
}

impl Writer {
    pub(crate) fn put(&mut self, mut bytes: &[u8]) -> Result<(), IndexError> {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK - self.block.len()));
            self.block.extend_from_slice(now);
            bytes = later;
            if self.block.len() == BLOCK {
                self.flush_block()?;
            }
        }
        Ok(())
    }

    /// Zeros up to byte `at` of the payload, which lies ahead.
    pub(crate) fn fill_to(&mut self, at: u64) -> Result<(), IndexError> {
        let now = self.written + self.block.len() as u64;
        assert!(now <= at, "{now} is behind {at}");
        self.put(&vec![0; (at - now) as usize])
    }

    fn flush_block(&mut self) -> Result<(), IndexError> {
        self.crcs.push(block_crc(self.crcs.len() as u64, &self.block));
        self.written += self.block.len() as u64;
        self.out.write_all(&self.block).map_err(IndexError::io("cannot write", &self.path))?;
        self.block.clear();
        Ok(())
    }

    /// Payload bytes and the checksum of the table, with everything on the disk.
    fn finish(&mut self) -> Result<(u64, u32), IndexError> {
        if !self.block.is_empty() {
            self.flush_block()?;
        }
        let table: &[u8] = bytemuck::cast_slice(&self.crcs);
        let Self { out, path, .. } = self;
        out.write_all(table)
            .and_then(|()| out.flush())
            .and_then(|()| out.get_mut().sync())
            .map_err(IndexError::io("cannot write", path))?;
        Ok((self.written, crc32fast::hash(table)))
    }
}

/// The number of the block is part of its checksum, so that blocks that changed places are noticed.
fn block_crc(number: u64, block: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&number.to_le_bytes());
    crc.update(block);
    crc.finalize()
}

/// Gives the payload back in order; each block is checked before any byte of it is handed out.
pub(crate) struct Reader {
    file: Box<dyn DiskRead>,
    path: PathBuf,
    payload: u64,
    crcs: Vec<u32>,
    block: Vec<u8>,
    /// Next block to read, and the first unread byte of the present one.
    next: usize,
    at: usize,
}

impl Reader {
    fn open(disk: &dyn Disk, path: PathBuf, vouch: Vouch) -> Result<Self, IndexError> {
        let mut file = match disk.open(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Err(IndexError::damaged(&path, 0, "the file that the manifest names is gone"));
            }
            file => file.map_err(IndexError::io("cannot read", &path))?,
        };
        let found = file.seek(SeekFrom::End(0)).map_err(IndexError::io("cannot read", &path))?;
        let blocks = vouch.payload.div_ceil(BLOCK as u64);
        // Checked against the true length before anything of that size is reserved.
        let expected = blocks.checked_mul(4).and_then(|table| table.checked_add(vouch.payload));
        if expected != Some(found) {
            let offset = found.min(expected.unwrap_or(found));
            return Err(IndexError::damaged(
                &path,
                offset,
                "the file is shorter or longer than the manifest says",
            ));
        }
        let mut crcs = vec![0u32; blocks as usize];
        file.seek(SeekFrom::Start(vouch.payload))
            .and_then(|_| file.read_exact(bytemuck::cast_slice_mut(&mut crcs)))
            .and_then(|()| file.rewind())
            .map_err(IndexError::io("cannot read", &path))?;
        if crc32fast::hash(bytemuck::cast_slice(&crcs)) != vouch.table_crc {
            return Err(IndexError::damaged(&path, vouch.payload, "the checksum of the table does not fit"));
        }
        Ok(Self { file, path, payload: vouch.payload, crcs, block: Vec::new(), next: 0, at: 0 })
    }

    /// Bytes of the whole payload; no more than the file has.
    pub(crate) fn payload(&self) -> u64 {
        self.payload
    }

    /// The file. Its bytes stay as they are for as long as it is there.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn damaged(&self, offset: u64, what: &'static str) -> IndexError {
        IndexError::damaged(&self.path, offset, what)
    }

    /// Compares all that was not asked for yet with its checksums.
    pub(crate) fn check_rest(&mut self) -> Result<(), IndexError> {
        while self.next < self.crcs.len() {
            self.read_block()?;
        }
        Ok(())
    }

    pub(crate) fn take(&mut self, mut into: &mut [u8]) -> Result<(), IndexError> {
        while !into.is_empty() {
            if self.at == self.block.len() {
                self.read_block()?;
            }
            let n = into.len().min(self.block.len() - self.at);
            let (now, later) = into.split_at_mut(n);
            now.copy_from_slice(&self.block[self.at..self.at + n]);
            self.at += n;
            into = later;
        }
        Ok(())
    }

    /// Passes over what lies before byte `at` of the payload, which is ahead; it must be zeros.
    pub(crate) fn skip_to(&mut self, at: u64) -> Result<(), IndexError> {
        let now = (self.next.saturating_sub(1) * BLOCK + self.at) as u64;
        assert!(now <= at, "{now} is behind {at}");
        let mut gap = vec![0; (at - now) as usize];
        self.take(&mut gap)?;
        if gap.iter().any(|&x| x != 0) {
            Err(self.damaged(now, "what should be zeros is not"))
        } else {
            Ok(())
        }
    }

    fn read_block(&mut self) -> Result<(), IndexError> {
        let offset = self.next as u64 * BLOCK as u64;
        let Some(&crc) = self.crcs.get(self.next) else {
            return Err(self.damaged(self.payload, "the payload ends too early"));
        };
        self.block.resize((self.payload - offset).min(BLOCK as u64) as usize, 0);
        self.file.read_exact(&mut self.block).map_err(IndexError::io("cannot read", &self.path))?;
        if block_crc(self.next as u64, &self.block) != crc {
            return Err(self.damaged(offset, "the checksum of the block does not fit"));
        }
        self.next += 1;
        self.at = 0;
        Ok(())
    }
}
