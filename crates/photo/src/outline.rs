//! What a picture's container says, found by our own walk over it before any decoder runs.
//!
//! In: foreign bytes and [`Limits`]. Out: an [`Outline`], or the reason for refusing. The walk
//! copies nothing and costs memory for at most a few thousand slices, so a file that asks for too
//! much is refused for the price of reading its headers.
//!
//! An outline also names the *parts* of the file that make pixels. Only these are handed to a
//! decoder: text, thumbnails, comments and everything else that decoders are known to unpack
//! without limit (image-png issue 696: 4.7 MB of text become 1 GiB) never reach one.

mod gif;
mod jpeg;
mod png;
mod webp;

use crate::cursor::Cursor;
use crate::orientation::Orientation;
use crate::{Header, Limits, PhotoError};
pub(crate) use gif::{GifParts, skip_blocks, skip_palette};
pub(crate) use jpeg::{JpegColour, JpegParts, next_marker, skip_scan};
pub(crate) use png::PngParts;
use serde::{Deserialize, Serialize};
pub(crate) use webp::{WebpCoding, WebpParts};

/// Encodings we read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Format {
    Jpeg,
    Png,
    Webp,
    Gif,
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::Webp => "WebP",
            Self::Gif => "GIF",
        })
    }
}

/// A colour profile longer than this, packed or unpacked, is treated as absent. The largest in
/// common use, those of printing presses, have about 2 MB.
pub(crate) const MAX_PROFILE_BYTES: usize = 4 << 20;

/// A picture before decoding.
pub(crate) struct Outline<'a> {
    /// As stored, before turning it upright; within the limits, neither zero.
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) orientation: Orientation,
    pub(crate) profile: Profile<'a>,
    pub(crate) parts: Parts<'a>,
    /// Estimate of the bytes held at the worst moment of decoding; within the limits.
    pub(crate) memory_bytes: u64,
}

/// The embedded colour profile, where it lies in the file.
pub(crate) enum Profile<'a> {
    Absent,
    Plain(Vec<&'a [u8]>),
    /// In a zlib stream (PNG).
    Deflated(&'a [u8]),
}

/// The parts of the file that make pixels.
pub(crate) enum Parts<'a> {
    Jpeg(JpegParts<'a>),
    Png(PngParts<'a>),
    Webp(WebpParts<'a>),
    Gif(GifParts<'a>),
}

/// Walks over the container.
pub(crate) fn outline<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Outline<'a>, PhotoError> {
    limits.check_bytes(bytes.len() as u64)?;
    let format = sniff(bytes)?;
    let cursor = Cursor::new(bytes, format);
    let outline = match format {
        Format::Jpeg => jpeg::walk(cursor, limits),
        Format::Png => png::walk(cursor, limits),
        Format::Webp => webp::walk(cursor, limits),
        Format::Gif => gif::walk(cursor, limits),
    }?;
    limits.check_memory(outline.width, outline.height, outline.memory_bytes)?;
    Ok(outline)
}

impl Outline<'_> {
    pub(crate) fn header(&self) -> Header {
        let format = match self.parts {
            Parts::Jpeg(_) => Format::Jpeg,
            Parts::Png(_) => Format::Png,
            Parts::Webp(_) => Format::Webp,
            Parts::Gif(_) => Format::Gif,
        };
        let (width, height) = self.orientation.sides(self.width, self.height);
        Header { format, width, height }
    }
}

/// The format by its first bytes; other kinds of file are named where they are known.
pub(crate) fn sniff(bytes: &[u8]) -> Result<Format, PhotoError> {
    let has = |at: usize, magic: &[u8]| bytes.get(at..at + magic.len()) == Some(magic);
    if has(0, b"\xff\xd8\xff") {
        return Ok(Format::Jpeg);
    }
    if has(0, b"\x89PNG\r\n\x1a\n") {
        return Ok(Format::Png);
    }
    if has(0, b"RIFF") && has(8, b"WEBP") {
        return Ok(Format::Webp);
    }
    if has(0, b"GIF87a") || has(0, b"GIF89a") {
        return Ok(Format::Gif);
    }
    const SAVE: &str = "save it as JPEG or PNG";
    let iso_brand = if has(4, b"ftyp") { bytes.get(8..12) } else { None };
    let (name, advice) = match iso_brand {
        Some(b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"mif1" | b"msf1") => (
            "a HEIC picture",
            "save it as JPEG (on an iPhone: Settings, Camera, Formats, Most Compatible), or send it through the search page, which converts it",
        ),
        Some(b"avif" | b"avis") => ("an AVIF picture", SAVE),
        Some(_) => ("a video", "send one picture of it as JPEG or PNG"),
        None if has(0, b"BM") && bytes.len() > 26 => ("a BMP picture", SAVE),
        None if has(0, b"II*\0") || has(0, b"MM\0*") => ("a TIFF or camera raw picture", SAVE),
        None if has(0, b"\xff\x0a") || has(0, b"\0\0\0\x0cJXL ") => ("a JPEG XL picture", SAVE),
        None if has(0, b"\0\0\0\x0cjP  ") => ("a JPEG 2000 picture", SAVE),
        None if has(0, b"8BPS") => ("a Photoshop document", SAVE),
        None if has(0, b"\0\0\x01\0") => ("an icon", SAVE),
        None if has(0, b"%PDF") => ("a PDF document", "send its pictures one by one as JPEG or PNG"),
        None if has(0, b"PK\x03\x04") => ("a ZIP archive", "unpack it and send its pictures one by one"),
        None if starts_like_markup(bytes) => {
            ("a web page or SVG drawing", "send the picture file itself, as JPEG or PNG")
        }
        None => return Err(PhotoError::NotAPicture),
    };
    Err(PhotoError::OtherFormat { name: name.into(), advice: advice.into() })
}

fn starts_like_markup(bytes: &[u8]) -> bool {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    let start = text[..text.len().min(9)].to_ascii_lowercase();
    [b"<!doctype".as_slice(), b"<html", b"<svg", b"<?xml"].iter().any(|tag| start.starts_with(tag))
}

/// Refuses a picture without area.
fn check_area(cursor: &Cursor<'_>, width: u32, height: u32) -> Result<(), PhotoError> {
    if width == 0 || height == 0 {
        return Err(cursor.damaged(&format!("it says it is {width} x {height} pixels")));
    }
    Ok(())
}
