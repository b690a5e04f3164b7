//! PNG: chunks (ISO/IEC 15948). Animated PNGs keep their first picture in the ordinary chunks.

use super::{MAX_PROFILE_BYTES, Outline, Parts, Profile, check_area};
use crate::cursor::Cursor;
use crate::orientation::{Orientation, from_exif_block};
use crate::{Limits, PhotoError};

/// The chunks a decoder needs, each as it stands in the file; all pixel data are one run.
pub(crate) struct PngParts<'a> {
    pub(crate) signature: &'a [u8],
    pub(crate) header: &'a [u8],
    pub(crate) palette: &'a [u8],
    pub(crate) transparency: &'a [u8],
    pub(crate) pixels: &'a [u8],
    pub(crate) end: &'a [u8],
}

/// Windows, tables and rows that unpacking takes whatever the size.
const WORKING_BYTES: u64 = 1 << 20;

pub(super) fn walk<'a>(mut cursor: Cursor<'a>, limits: &Limits) -> Result<Outline<'a>, PhotoError> {
    let signature = cursor.take(8)?;
    let start = cursor.position();
    if (cursor.u32_be()?, &cursor.array()?) != (13, b"IHDR") {
        return Err(cursor.damaged("the first chunk is not the header"));
    }
    let (width, height) = (cursor.u32_be()?, cursor.u32_be()?);
    check_area(&cursor, width, height)?;
    limits.check_pixels(width, height)?;
    let [depth, colour, _compression, _filter, _interlace] = cursor.array()?;
    let _checksum = cursor.u32_be()?;

    let none: &[u8] = &[];
    let mut parts = PngParts {
        signature,
        header: cursor.since(start),
        palette: none,
        transparency: none,
        pixels: none,
        end: none,
    };
    let mut orientation = Orientation::default();
    let mut profile = Profile::Absent;
    let mut pixels = 0..0;
    while parts.end.is_empty() {
        let start = cursor.position();
        let length = cursor.u32_be()? as usize;
        let kind = cursor.array()?;
        let data = cursor.take(length)?;
        let _checksum = cursor.u32_be()?;
        let chunk = cursor.since(start);
        match &kind {
            b"PLTE" => parts.palette = chunk,
            b"tRNS" => parts.transparency = chunk,
            b"IDAT" if pixels.is_empty() || pixels.end == start => {
                pixels.start = if pixels.is_empty() { start } else { pixels.start };
                pixels.end = cursor.position();
                parts.pixels = cursor.since(pixels.start);
            }
            b"IDAT" => return Err(cursor.damaged("other chunks stand between its pixels")),
            b"eXIf" => orientation = from_exif_block(data),
            b"iCCP" if length <= MAX_PROFILE_BYTES => {
                // A name of 1 to 79 bytes, a zero, the compression method (always 0), the stream.
                if let Some(name) = data.iter().take(80).position(|byte| *byte == 0) {
                    profile = Profile::Deflated(data.get(name + 2..).unwrap_or_default());
                }
            }
            b"IEND" => parts.end = chunk,
            _ => {}
        }
    }
    if parts.pixels.is_empty() {
        return Err(cursor.damaged("it holds no pixels"));
    }

    // Palettes unfold to three channels; transparency of any kind adds one.
    let channels = match colour {
        0 => 1,
        4 => 2,
        6 => 4,
        _ => 3,
    } + u64::from(!parts.transparency.is_empty());
    let sample_bytes = if depth == 16 { 2 } else { 1 };
    let area = u64::from(width) * u64::from(height);
    // The samples as they are; then, cut to 8 bits, beside the RGB made of them.
    let rows = 3 * u64::from(width) * channels * sample_bytes;
    let samples = rows + area * (channels * sample_bytes).max(channels + 3);
    let memory_bytes = parts.pixels.len() as u64 + samples + WORKING_BYTES;
    Ok(Outline { width, height, orientation, profile, parts: Parts::Png(parts), memory_bytes })
}
