//! Files of a zip archive by its directory (APPNOTE.TXT, 4.3.12 to 4.3.16), zip64 included; stored or deflated.

use crate::{FeedError, Result};
use flate2::Crc;
use flate2::read::DeflateDecoder;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

/// The directory's end with the longest comment.
const TAIL: u64 = 22 + 65_535;
/// Bytes of a directory: of a million files with long names.
const DIRECTORY: u64 = 256 << 20;

/// One file of an archive.
pub(crate) struct Entry {
    pub(crate) name: String,
    encrypted: bool,
    method: u16,
    crc: u32,
    packed: u64,
    /// Where its local header begins.
    at: u64,
}

fn number(bytes: &[u8], at: usize, length: usize) -> u64 {
    let bytes = bytes.get(at..at + length).unwrap_or(&[0; 8][..length]);
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// All files that the directory lists; none where there is no directory that can be read.
pub(crate) fn directory(zip: &mut File) -> Result<Vec<Entry>> {
    let length = zip.seek(SeekFrom::End(0))?;
    let from = length.saturating_sub(TAIL);
    let mut tail = Vec::new();
    zip.seek(SeekFrom::Start(from))?;
    zip.take(TAIL).read_to_end(&mut tail)?;
    let Some(end) =
        (0..tail.len().saturating_sub(21)).rev().find(|&at| tail[at..].starts_with(b"PK\x05\x06"))
    else {
        return Ok(Vec::new());
    };
    let (mut bytes, mut start) = (number(&tail, end + 12, 4), number(&tail, end + 16, 4));
    if start == u64::from(u32::MAX) || bytes == u64::from(u32::MAX) {
        // zip64: a locator before the end says where the larger numbers are.
        let locator = end.checked_sub(20).filter(|&at| tail[at..].starts_with(b"PK\x06\x07"));
        let Some(locator) = locator else { return Ok(Vec::new()) };
        let mut head = [0; 56];
        zip.seek(SeekFrom::Start(number(&tail, locator + 8, 8)))?;
        if zip.read_exact(&mut head).is_err() || !head.starts_with(b"PK\x06\x06") {
            return Ok(Vec::new());
        }
        (bytes, start) = (number(&head, 40, 8), number(&head, 48, 8));
    }
    if bytes > DIRECTORY || start.checked_add(bytes).is_none_or(|end| end > length) {
        return Ok(Vec::new());
    }
    let mut listed = Vec::new();
    zip.seek(SeekFrom::Start(start))?;
    zip.take(bytes).read_to_end(&mut listed)?;
    let mut entries = Vec::new();
    let mut rest = &listed[..];
    while rest.len() >= 46 && rest.starts_with(b"PK\x01\x02") {
        let lengths = [28, 30, 32].map(|at| number(rest, at, 2) as usize);
        let Some((entry, behind)) = rest.split_at_checked(46 + lengths.iter().sum::<usize>()) else { break };
        let (mut packed, unpacked, mut at) =
            (number(entry, 20, 4), number(entry, 24, 4), number(entry, 42, 4));
        let mut extra = &entry[46 + lengths[0]..46 + lengths[0] + lengths[1]];
        while let Some((field, behind)) = extra.split_at_checked(4) {
            let Some((value, behind)) = behind.split_at_checked(number(field, 2, 2) as usize) else { break };
            if number(field, 0, 2) == 1 {
                // Only those numbers that did not fit, in this order: unpacked, packed, place.
                let mut next = usize::from(unpacked == u64::from(u32::MAX)) * 8;
                for number64 in [&mut packed, &mut at] {
                    if *number64 == u64::from(u32::MAX) {
                        *number64 = number(value, next, 8);
                        next += 8;
                    }
                }
            }
            extra = behind;
        }
        entries.push(Entry {
            name: String::from_utf8_lossy(&entry[46..46 + lengths[0]]).into_owned(),
            encrypted: number(entry, 8, 2) & 1 != 0,
            method: number(entry, 10, 2) as u16,
            crc: number(entry, 16, 4) as u32,
            packed,
            at,
        });
        rest = behind;
    }
    Ok(entries)
}

/// Reads one file; at its end the sum is compared.
pub(crate) fn open(zip: &File, entry: &Entry) -> Result<Box<dyn Read>> {
    let damaged =
        |detail: String| FeedError::Damaged { what: "zip file", detail: format!("{}: {detail}", entry.name) };
    if entry.encrypted {
        return Err(damaged("it is encrypted".into()));
    }
    let mut zip = zip.try_clone()?;
    let mut head = [0; 30];
    zip.seek(SeekFrom::Start(entry.at))?;
    zip.read_exact(&mut head).map_err(|e| damaged(e.to_string()))?;
    if !head.starts_with(b"PK\x03\x04") {
        return Err(damaged("the directory leads nowhere".into()));
    }
    zip.seek(SeekFrom::Current((number(&head, 26, 2) + number(&head, 28, 2)) as i64))?;
    let packed = BufReader::with_capacity(1 << 16, zip.take(entry.packed));
    let inner: Box<dyn Read> = match entry.method {
        0 => Box::new(packed),
        8 => Box::new(DeflateDecoder::new(packed)),
        method => return Err(damaged(format!("it is packed by method {method}; pack it with deflate"))),
    };
    Ok(Box::new(Summed { inner, crc: Crc::new(), expected: entry.crc }))
}

struct Summed {
    inner: Box<dyn Read>,
    crc: Crc,
    expected: u32,
}

impl Read for Summed {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(into)?;
        self.crc.update(&into[..n]);
        if n == 0 && !into.is_empty() && self.crc.sum() != self.expected {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "its sum does not fit"));
        }
        Ok(n)
    }
}
