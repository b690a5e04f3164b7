//! Packed feeds: gzip (any number of members), zip (its first file), zstd; recognised by their first bytes.
//!
//! In: bytes. Out: bytes, counted against [`Limits`]. A packed file that is cut off gives what it has, then an error of
//! kind `UnexpectedEof`.

use crate::{FeedError, Limits, Result};
use flate2::read::{DeflateDecoder, MultiGzDecoder};
use std::io::{self, BufReader, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Unpacked bytes before the ratio is asked.
const RATIO_FROM: u64 = 64 << 20;
/// Packings inside each other.
const NESTED: usize = 3;

/// Passed through readers as the inner error of an [`io::Error`].
#[derive(Debug, thiserror::Error)]
#[error("more than {0}")]
pub(crate) struct LimitReached(pub(crate) String);

/// The feed's own bytes, whatever it was packed in.
pub(crate) fn unpack<'a>(input: Box<dyn Read + 'a>, limits: &Limits) -> Result<Box<dyn Read + 'a>> {
    let read = Arc::new(AtomicU64::new(0));
    let mut input: Box<dyn Read + 'a> = Box::new(Counted { inner: input, read: read.clone() });
    let mut packed = false;
    for _ in 0..NESTED {
        let mut head = [0; 4];
        let filled = fill(&mut input, &mut head)?;
        let whole: Box<dyn Read + 'a> = Box::new(Cursor::new(head).take(filled as u64).chain(input));
        input = match head {
            [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(BufReader::with_capacity(1 << 16, whole))),
            [b'P', b'K', 3, 4] => first_of_zip(BufReader::with_capacity(1 << 16, whole))?,
            [0x28, 0xb5, 0x2f, 0xfd] => Box::new(zstd::Decoder::new(whole)?),
            _ => {
                input = whole;
                break;
            }
        };
        packed = true;
    }
    let ratio = if packed { limits.unpack_ratio } else { u64::MAX };
    Ok(Box::new(Bounded { inner: input, read, written: 0, most: limits.unpacked_bytes, ratio }))
}

/// As many bytes as there are, up to the length of `into`.
pub(crate) fn fill(input: &mut dyn Read, into: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < into.len() {
        match input.read(&mut into[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}

struct Counted<R> {
    inner: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(into)?;
        self.read.fetch_add(n as u64, Relaxed);
        Ok(n)
    }
}

struct Bounded<R> {
    inner: R,
    read: Arc<AtomicU64>,
    written: u64,
    most: u64,
    ratio: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(into)?;
        self.written += n as u64;
        let limit = if self.written > self.most {
            Some(format!("{} bytes", self.most))
        } else if self.written > RATIO_FROM && self.written / self.read.load(Relaxed).max(1) > self.ratio {
            Some(format!("{} times its packed size", self.ratio))
        } else {
            None
        };
        limit.map_or(Ok(n), |limit| Err(io::Error::other(LimitReached(limit))))
    }
}

/// The first file of a zip archive that has bytes, read without seeking (APPNOTE.TXT, 4.3.7): feeds come through pipes.
fn first_of_zip<'a>(mut zip: BufReader<Box<dyn Read + 'a>>) -> Result<Box<dyn Read + 'a>> {
    loop {
        let mut head = [0; 30];
        zip.read_exact(&mut head)?;
        let u16_at = |at: usize| u16::from_le_bytes([head[at], head[at + 1]]);
        let u32_at = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        if head[..4] != [b'P', b'K', 3, 4] {
            return Err(FeedError::Empty);
        }
        let (flags, method, mut size) = (u16_at(6), u16_at(8), u64::from(u32_at(18)));
        let mut name = vec![0; usize::from(u16_at(26))];
        zip.read_exact(&mut name)?;
        let mut extra = vec![0; usize::from(u16_at(28))];
        zip.read_exact(&mut extra)?;
        if size == u64::from(u32::MAX) {
            size = zip64_size(&extra).unwrap_or(size);
        }
        let name = String::from_utf8_lossy(&name).into_owned();
        let streamed = flags & 8 != 0;
        let passed_over = name.ends_with('/') || name.starts_with("__MACOSX") || (size == 0 && !streamed);
        if flags & 1 != 0 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{name} in the zip file is encrypted"),
            )
            .into());
        }
        match method {
            // Folders and empty files have nothing to skip, resource forks do.
            _ if passed_over && !streamed => {
                io::copy(&mut (&mut zip).take(size), &mut io::sink())?;
            }
            // Deflate tells its own end.
            8 => return Ok(Box::new(DeflateDecoder::new(zip))),
            0 if !streamed => return Ok(Box::new(zip.take(size))),
            _ => {
                let text =
                    format!("{name} in the zip file is packed by method {method}; pack it with deflate");
                return Err(io::Error::new(io::ErrorKind::InvalidData, text).into());
            }
        }
    }
}

/// The packed size in the extra field of zip64.
fn zip64_size(mut extra: &[u8]) -> Option<u64> {
    while let [a, b, c, d, rest @ ..] = extra {
        let length = usize::from(u16::from_le_bytes([*c, *d]));
        let (field, rest) = rest.split_at_checked(length)?;
        if u16::from_le_bytes([*a, *b]) == 1 {
            return field.get(8..16).and_then(|size| size.try_into().ok()).map(u64::from_le_bytes);
        }
        extra = rest;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder};
    use std::io::Write;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut out = GzEncoder::new(Vec::new(), Compression::fast());
        out.write_all(bytes).unwrap();
        out.finish().unwrap()
    }

    /// One entry, as a streaming writer makes it if `streamed`.
    pub(crate) fn zip(name: &str, bytes: &[u8], streamed: bool) -> Vec<u8> {
        let mut out = DeflateEncoder::new(Vec::new(), Compression::fast());
        out.write_all(bytes).unwrap();
        let packed = out.finish().unwrap();
        let mut zip = vec![b'P', b'K', 3, 4, 20, 0, if streamed { 8 } else { 0 }, 0, 8, 0];
        zip.extend([0; 8]);
        let size = if streamed { 0 } else { packed.len() as u32 };
        zip.extend(size.to_le_bytes());
        zip.extend([0; 4]);
        zip.extend((name.len() as u16).to_le_bytes());
        zip.extend([0; 2]);
        zip.extend(name.as_bytes());
        zip.extend(packed);
        zip.extend(b"PK\x01\x02 the directory, which nobody reads");
        zip
    }

    fn check(packed: &[u8], expected: &[u8]) {
        let mut out = Vec::new();
        unpack(Box::new(packed), &Limits::default()).unwrap().read_to_end(&mut out).unwrap();
        assert_eq!(out, expected);
    }

    #[test]
    fn packings_are_known_by_their_bytes() {
        let text = b"id\ttitle\n".repeat(1000);
        check(&text, &text);
        check(b"", b"");
        check(b"x", b"x");
        check(&gzip(&text), &text);
        check(&[gzip(b"one "), gzip(b"two")].concat(), b"one two");
        check(&zip("feed.csv", &text, false), &text);
        check(&zip("feed.csv", &text, true), &text);
        check(&zip("feed.csv.gz", &gzip(&text), false), &text);
        check(&zstd::encode_all(&text[..], 1).unwrap(), &text);
    }

    #[test]
    fn bombs_are_left_where_they_are() {
        let bomb = gzip(&vec![0; 80 << 20]);
        let mut out = unpack(Box::new(&bomb[..]), &Limits::default()).unwrap();
        let error = io::copy(&mut out, &mut io::sink()).unwrap_err();
        assert!(error.get_ref().is_some_and(|inner| inner.is::<LimitReached>()), "{error}");
        let small = Limits { unpacked_bytes: 1000, ..Limits::default() };
        assert!(io::copy(&mut unpack(Box::new(&[7; 2000][..]), &small).unwrap(), &mut io::sink()).is_err());
    }

    #[test]
    fn what_is_cut_off_says_so_after_what_it_had() {
        let packed = gzip(&b"0123456789abcdef\n".repeat(100_000));
        let mut out = Vec::new();
        let error = unpack(Box::new(&packed[..packed.len() / 2]), &Limits::default())
            .unwrap()
            .read_to_end(&mut out)
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert!(out.len() > 100_000);
    }
}
