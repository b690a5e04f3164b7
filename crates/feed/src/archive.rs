//! Archives that hold a feed with its pictures beside: zip, tar, packed tar.
//!
//! In: bytes. Out: the same bytes, if they are one feed (perhaps packed), or a folder in which everything lies, with the
//! feeds in it. Which files are feeds, their content says. Names that lead outside, links and devices are passed over;
//! what is laid out counts against [`Limits`].

use crate::unpack::fill;
use crate::zip;
use crate::{Event, FeedError, Limits, Result, Settings};
use flate2::read::MultiGzDecoder;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, Write};
use std::ops::ControlFlow;
use std::path::{Component, Path, PathBuf};
use tempfile::TempDir;

/// Files of one archive.
const FILES: usize = 1_000_000;
/// Folders in which pictures are looked for.
const FOLDERS: usize = 1_000;
/// Laid out before the ratio is asked.
const RATIO_FROM: u64 = 64 << 20;
/// What is looked at to know what a file is.
const HEAD: usize = 8 << 10;
/// Where the head of a tar archive says that it is one.
const TAR_MARK: usize = 257;
/// Findings after which a file without a product is no feed.
const PATIENCE: usize = 200;

/// What was given.
pub enum Opened {
    /// One feed, as it came.
    Feed(Box<dyn Read + Send>),
    /// More than a feed.
    Archive(Archive),
}

/// An archive laid out; it goes when it is dropped.
pub struct Archive {
    feeds: Vec<PathBuf>,
    folders: Vec<PathBuf>,
    _all: TempDir,
}

impl Archive {
    /// The feeds in it, by depth and name; at least one.
    #[must_use]
    pub fn feeds(&self) -> &[PathBuf] {
        &self.feeds
    }

    /// Where its pictures lie: beside the feeds, at the top, and in every folder that has one.
    #[must_use]
    pub fn folders(&self) -> &[PathBuf] {
        &self.folders
    }
}

/// Lays out an archive of several files, and gives anything else back as it came.
///
/// # Errors
/// An archive that is damaged, encrypted, or passes a limit, or that holds no feed; the disk failed.
pub fn open(mut input: Box<dyn Read + Send>, settings: &Settings) -> Result<Opened> {
    let mut head = vec![0; HEAD];
    let filled = fill(&mut input, &mut head)?;
    head.truncate(filled);
    let is_tar = |head: &[u8]| head.get(TAR_MARK..TAR_MARK + 5) == Some(b"ustar");
    let unpacked = |mut packed: Box<dyn Read>| {
        let mut inside = vec![0; 512];
        let filled = fill(&mut packed, &mut inside).unwrap_or(0);
        is_tar(&inside[..filled])
    };
    let whole: Box<dyn Read + Send> = Box::new(Cursor::new(head.clone()).chain(input));
    let begun = || Cursor::new(head.clone());
    match &head[..] {
        [b'P', b'K', 3, 4, ..] => zipped(whole, settings),
        [0x1f, 0x8b, ..] if unpacked(Box::new(MultiGzDecoder::new(begun()))) => {
            let packed = Counted::new(whole);
            let read = packed.read.clone();
            tarred(MultiGzDecoder::new(BufReader::with_capacity(1 << 16, packed)), read, settings)
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..]
            if zstd::Decoder::new(begun()).is_ok_and(|inside| unpacked(Box::new(inside))) =>
        {
            let packed = Counted::new(whole);
            let read = packed.read.clone();
            tarred(zstd::Decoder::new(packed)?, read, settings)
        }
        head if is_tar(head) => {
            let packed = Counted::new(whole);
            let read = packed.read.clone();
            tarred(packed, read, settings)
        }
        _ => Ok(Opened::Feed(whole)),
    }
}

struct Counted {
    inner: Box<dyn Read + Send>,
    read: std::sync::Arc<std::sync::atomic::AtomicU64>,
}

impl Counted {
    fn new(inner: Box<dyn Read + Send>) -> Self {
        Self { inner, read: std::sync::Arc::default() }
    }
}

impl Read for Counted {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(into)?;
        self.read.fetch_add(n as u64, std::sync::atomic::Ordering::Relaxed);
        Ok(n)
    }
}

/// By its directory, which stands at the end. An archive that has none, or one file only, is read as a stream: what is
/// cut off still gives what it has.
fn zipped(mut input: Box<dyn Read + Send>, settings: &Settings) -> Result<Opened> {
    let mut spool = tempfile::tempfile()?;
    let packed = io::copy(&mut input, &mut spool)?;
    let entries = zip::directory(&mut spool)?;
    if entries.iter().filter(|entry| place(Path::new(&entry.name)).is_some()).take(2).count() < 2 {
        spool.rewind()?;
        return Ok(Opened::Feed(Box::new(spool)));
    }
    let mut out = Layout::new(&settings.limits)?;
    for entry in entries {
        let Some(place) = place(Path::new(&entry.name)) else { continue };
        out.put(&place, &mut *zip::open(&spool, &entry)?, &|| packed)?;
    }
    out.opened(settings)
}

fn tarred(
    input: impl Read,
    read: std::sync::Arc<std::sync::atomic::AtomicU64>,
    settings: &Settings,
) -> Result<Opened> {
    let mut out = Layout::new(&settings.limits)?;
    let damaged = |error: io::Error| FeedError::Damaged { what: "tar archive", detail: error.to_string() };
    let mut archive = tar::Archive::new(input);
    for entry in archive.entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        let name = entry.path().map_err(damaged)?.into_owned();
        let Some(place) = place(&name).filter(|_| entry.header().entry_type().is_file()) else { continue };
        out.put(&place, &mut entry, &|| read.load(std::sync::atomic::Ordering::Relaxed))?;
    }
    out.opened(settings)
}

/// Where a file of this name is laid; `None`: it leads outside, is a folder, or is what systems leave about.
fn place(name: &Path) -> Option<PathBuf> {
    let text = name.to_str()?;
    if text.ends_with(['/', '\\']) {
        return None;
    }
    let path: PathBuf = text.split(['/', '\\']).filter(|part| !part.is_empty() && *part != ".").collect();
    let safe = path.components().all(|part| match part {
        Component::Normal(part) => !part.to_string_lossy().starts_with('.') && part != "__MACOSX",
        _ => false,
    });
    (safe && !path.as_os_str().is_empty()).then_some(path)
}

/// Files on their way into a folder.
struct Layout<'a> {
    all: TempDir,
    limits: &'a Limits,
    files: usize,
    bytes: u64,
    /// Those that are no pictures.
    others: Vec<PathBuf>,
    folders: BTreeSet<PathBuf>,
}

impl<'a> Layout<'a> {
    fn new(limits: &'a Limits) -> Result<Self> {
        let all = tempfile::Builder::new().prefix("twinset-archive-").tempdir()?;
        Ok(Self { all, limits, files: 0, bytes: 0, others: Vec::new(), folders: BTreeSet::new() })
    }

    /// `packed`: bytes of the archive so far.
    fn put(&mut self, place: &Path, from: &mut dyn Read, packed: &dyn Fn() -> u64) -> Result<()> {
        self.files += 1;
        if self.files > FILES {
            return Err(FeedError::TooLarge { limit: format!("{FILES} files") });
        }
        let path = self.all.path().join(place);
        let folder = path.parent().unwrap_or(self.all.path()).to_owned();
        std::fs::create_dir_all(&folder)?;
        let mut file = File::create(&path)?;
        let mut buffer = vec![0; 1 << 16];
        let mut first: Option<bool> = None;
        loop {
            let n = fill(from, &mut buffer).map_err(|e| FeedError::Damaged {
                what: "archive",
                detail: format!("{}: {e}", place.display()),
            })?;
            if n == 0 {
                break;
            }
            first.get_or_insert_with(|| is_picture(&buffer[..n]));
            self.bytes += n as u64;
            if self.bytes > self.limits.unpacked_bytes {
                return Err(FeedError::TooLarge { limit: format!("{} bytes", self.limits.unpacked_bytes) });
            }
            if self.bytes > RATIO_FROM && self.bytes / packed().max(1) > self.limits.unpack_ratio {
                let limit = format!("{} times its packed size", self.limits.unpack_ratio);
                return Err(FeedError::TooLarge { limit });
            }
            file.write_all(&buffer[..n])?;
        }
        match first {
            Some(true) if self.folders.len() < FOLDERS => _ = self.folders.insert(folder),
            Some(false) => self.others.push(place.to_owned()),
            _ => {}
        }
        Ok(())
    }

    fn opened(mut self, settings: &Settings) -> Result<Opened> {
        let root = self.all.path().to_owned();
        self.others.sort_by_key(|path| (path.components().count(), path.clone()));
        let feeds: Vec<PathBuf> =
            self.others.iter().map(|place| root.join(place)).filter(|path| is_feed(path, settings)).collect();
        if feeds.is_empty() {
            let names: Vec<String> = self.others.iter().take(5).map(|p| p.display().to_string()).collect();
            return Err(FeedError::NoFeedInside { files: self.files, names: names.join(", ") });
        }
        let beside = feeds.iter().filter_map(|feed| feed.parent()).map(Path::to_owned);
        let mut folders: Vec<PathBuf> = Vec::new();
        for folder in beside.chain([root]).chain(self.folders) {
            if !folders.contains(&folder) {
                folders.push(folder);
            }
        }
        Ok(Opened::Archive(Archive { feeds, folders, _all: self.all }))
    }
}

/// By the first bytes: JPEG, PNG, GIF, WebP, BMP, AVIF and HEIC, TIFF.
fn is_picture(head: &[u8]) -> bool {
    head.starts_with(&[0xff, 0xd8, 0xff])
        || head.starts_with(b"\x89PNG")
        || head.starts_with(b"GIF8")
        || head.starts_with(b"BM") && head.len() > 26 && head[6..10] == [0; 4]
        || head.starts_with(b"RIFF") && head.get(8..12) == Some(b"WEBP")
        || head.get(4..8) == Some(b"ftyp")
        || head.starts_with(b"II*\0")
        || head.starts_with(b"MM\0*")
}

/// Whether a file says of a product, or of a page with one, before patience ends.
fn is_feed(path: &Path, settings: &Settings) -> bool {
    let Ok(file) = File::open(path) else { return false };
    let (mut found, mut findings) = (false, 0);
    let read = crate::read(Box::new(BufReader::new(file)), settings, &mut |event| {
        match event {
            Event::Finding(_) => findings += 1,
            Event::Product { .. } | Event::Removed { .. } | Event::Page { .. } => found = true,
        }
        if found || findings > PATIENCE { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    found && read.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FEED: &[u8] = b"id,title,image_link\na,Coat,pictures/a.jpg\n";
    const PICTURE: &[u8] = &[0xff, 0xd8, 0xff, 0xe0, 1, 2, 3];

    /// Deflated, with sums and a directory.
    fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
        let (mut zip, mut directory) = (Vec::new(), Vec::new());
        for (name, bytes) in files {
            let mut packed = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
            packed.write_all(bytes).unwrap();
            let packed = packed.finish().unwrap();
            let mut crc = flate2::Crc::new();
            crc.update(bytes);
            let mut middle = vec![20, 0, 0, 0, 8, 0, 0, 0, 0, 0];
            for number in [crc.sum(), packed.len() as u32, bytes.len() as u32] {
                middle.extend(number.to_le_bytes());
            }
            middle.extend((name.len() as u16).to_le_bytes());
            middle.extend([0; 2]);
            let at = zip.len() as u32;
            zip.extend([&b"PK\x03\x04"[..], &middle, name.as_bytes(), &packed].concat());
            directory.extend(
                [&b"PK\x01\x02\x14\x00"[..], &middle, &[0; 10], &at.to_le_bytes(), name.as_bytes()].concat(),
            );
        }
        let at = zip.len() as u32;
        zip.extend(&directory);
        zip.extend(b"PK\x05\x06\0\0\0\0");
        zip.extend([(files.len() as u16).to_le_bytes(); 2].concat());
        zip.extend([(directory.len() as u32).to_le_bytes(), at.to_le_bytes()].concat());
        zip.extend([0; 2]);
        zip
    }

    fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, bytes) in files {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o600);
            // Past the check of our own writer: foreign ones have none.
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            header.set_cksum();
            tar.append(&header, *bytes).unwrap();
        }
        tar.into_inner().unwrap()
    }

    fn opened(bytes: Vec<u8>) -> Result<Opened> {
        open(Box::new(Cursor::new(bytes)), &Settings::default())
    }

    fn check(bytes: Vec<u8>, feeds: &[&str], folders: &[&str]) {
        let Opened::Archive(archive) = opened(bytes).unwrap() else { panic!("no archive") };
        let root = archive._all.path();
        let inside = |paths: &[PathBuf]| -> Vec<String> {
            paths.iter().map(|p| p.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/")).collect()
        };
        assert_eq!(
            (inside(archive.feeds()), inside(archive.folders())),
            (
                feeds.iter().map(|s| (*s).to_owned()).collect(),
                folders.iter().map(|s| (*s).to_owned()).collect()
            )
        );
        assert!(!root.parent().unwrap().join("outside.csv").exists());
    }

    #[test]
    fn a_feed_with_its_pictures_is_laid_out_whatever_it_is_packed_in() {
        let files: [(&str, &[u8]); 6] = [
            ("shop/pictures/a.jpg", PICTURE),
            ("shop/readme.txt", b"Hello, dear friends, thank you\n"),
            ("shop/feed.csv", FEED),
            ("../outside.csv", FEED),
            ("__MACOSX/shop/._feed.csv", FEED),
            ("b.jpg", PICTURE),
        ];
        let folders = ["shop", "", "shop/pictures"];
        check(zip(&files), &["shop/feed.csv"], &folders);
        let tar = tar(&files);
        check(tar.clone(), &["shop/feed.csv"], &folders);
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(&tar).unwrap();
        check(gz.finish().unwrap(), &["shop/feed.csv"], &folders);
        check(zstd::encode_all(&tar[..], 1).unwrap(), &["shop/feed.csv"], &folders);
    }

    #[test]
    fn several_feeds_are_all_read_and_none_is_an_error() {
        check(
            zip(&[("b.csv", FEED), ("a.csv", FEED), ("x/c.csv", FEED)]),
            &["a.csv", "b.csv", "x/c.csv"],
            &["", "x"],
        );
        assert!(matches!(
            opened(zip(&[("a.jpg", PICTURE), ("b.txt", b"hello")])),
            Err(FeedError::NoFeedInside { files: 2, .. })
        ));
    }

    #[test]
    fn what_is_no_archive_comes_back_as_it_was() {
        for bytes in [
            FEED.to_vec(),
            Vec::new(),
            zip(&[("feed.csv", FEED)]),
            zip(&[("feed.csv", FEED), ("b.csv", FEED)])[..60].to_vec(),
        ] {
            let Opened::Feed(mut feed) = opened(bytes.clone()).unwrap() else { panic!("an archive") };
            let mut back = Vec::new();
            feed.read_to_end(&mut back).unwrap();
            assert_eq!(back, bytes);
        }
    }

    #[test]
    fn bombs_and_broken_archives_are_left_where_they_are() {
        let zeros = vec![0; 80 << 20];
        let bomb = zip(&[("feed.csv", FEED), ("b.bin", &zeros)]);
        assert!(matches!(opened(bomb), Err(FeedError::TooLarge { .. })));
        // Bytes, or their sum, that do not fit.
        let mut broken = zip(&[("feed.csv", FEED), ("a.jpg", PICTURE)]);
        broken[41] ^= 0x55;
        assert!(matches!(opened(broken), Err(FeedError::Damaged { .. })));
        let mut broken = tar(&[("feed.csv", FEED), ("a.jpg", PICTURE)]);
        broken.truncate(700);
        assert!(matches!(opened(broken), Err(FeedError::Damaged { .. })));
    }
}
