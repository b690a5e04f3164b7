//! A picture without what it tells beside its pixels: place, device, owner, comments, thumbnails, edits.
//!
//! The container is written anew from the parts that make the picture look as it does; no pixel is coded again, so the
//! result is the same for the same bytes and nothing is lost twice. Of EXIF the orientation stays, alone in a block of
//! ours; colour profiles stay. What stands behind the picture's end (second pictures, videos of phones) goes too.

use crate::cursor::Cursor;
use crate::orientation::exif_orientation;
use crate::outline::{next_marker, skip_blocks, skip_palette, skip_scan, sniff};
use crate::{Format, PhotoError};
use std::borrow::Cow;

/// The picture without its metadata. What is no picture, or breaks off where its parts are listed, stays as it is: nobody
/// can see it, and it is not shown to anyone.
#[must_use]
pub fn without_metadata(bytes: &[u8]) -> Cow<'_, [u8]> {
    let Ok(format) = sniff(bytes) else { return Cow::Borrowed(bytes) };
    let cursor = Cursor::new(bytes, format);
    let kept = match format {
        Format::Jpeg => jpeg(cursor),
        Format::Png => png(cursor),
        Format::Webp => webp(cursor),
        Format::Gif => gif(cursor),
    };
    match kept {
        Ok(kept) if kept != bytes => Cow::Owned(kept),
        _ => Cow::Borrowed(bytes),
    }
}

/// A TIFF block that says nothing but the orientation (EXIF 2.32, 4.6.2); `None`: upright needs none.
fn only_orientation(value: Option<u16>) -> Option<Vec<u8>> {
    let value = value.filter(|value| (2..=8).contains(value))?;
    let mut tiff = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01".to_vec();
    tiff.extend(value.to_be_bytes());
    tiff.extend([0; 6]); // the value's padding, and no further directory
    Some(tiff)
}

fn jpeg(mut cursor: Cursor<'_>) -> Result<Vec<u8>, PhotoError> {
    let mut out = cursor.take(2)?.to_vec();
    // Readers differ on where EXIF may stand; the first place after the start is right for all but JFIF's own.
    let (mut place, mut orientation) = (out.len(), None);
    loop {
        let marker = next_marker(&mut cursor)?;
        let start = cursor.position() - 2;
        if marker == 0xd9 {
            out.extend([0xff, 0xd9]);
            break;
        }
        if matches!(marker, 0xd0..=0xd7 | 0x01) {
            continue;
        }
        let length = usize::from(cursor.u16_be()?);
        let body = cursor.take(length.saturating_sub(2))?;
        match marker {
            0xda => {
                // Cut short, as downloads are: what is there can still be seen.
                let whole = skip_scan(&mut cursor).is_ok();
                out.extend(cursor.since(start));
                if !whole {
                    break;
                }
            }
            0xe0 if body.starts_with(b"JFIF\0") => {
                out.extend(cursor.since(start));
                place = out.len();
            }
            0xe1 if body.starts_with(b"Exif\0\0") => orientation = exif_orientation(body),
            0xe2 if body.starts_with(b"ICC_PROFILE\0") => out.extend(cursor.since(start)),
            0xee if body.starts_with(b"Adobe") => out.extend(cursor.since(start)),
            0xe0..=0xef | 0xfe => {}
            _ => out.extend(cursor.since(start)),
        }
    }
    if let Some(tiff) = only_orientation(orientation) {
        let length = (2 + 6 + tiff.len()) as u16;
        let segment = [&[0xff, 0xe1], &length.to_be_bytes()[..], b"Exif\0\0", &tiff].concat();
        out.splice(place..place, segment);
    }
    Ok(out)
}

/// Chunks that decide how the pixels look (ISO/IEC 15948, 11.2 and 11.3; APNG; CICP and HDR of its third edition).
const PNG_KEPT: [&[u8; 4]; 19] = [
    b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"cHRM", b"gAMA", b"iCCP", b"sBIT", b"sRGB", b"cICP",
    b"mDCV", b"cLLI", b"bKGD", b"hIST", b"pHYs", b"acTL", b"fcTL", b"fdAT",
];

fn png(mut cursor: Cursor<'_>) -> Result<Vec<u8>, PhotoError> {
    let mut out = cursor.take(8)?.to_vec();
    let (mut place, mut orientation) = (0, None);
    loop {
        let start = cursor.position();
        let length = cursor.u32_be()? as usize;
        let kind = cursor.array::<4>()?;
        let data = cursor.take(length)?;
        cursor.take(4)?;
        if &kind == b"eXIf" {
            orientation = exif_orientation(data);
        }
        if PNG_KEPT.contains(&&kind) {
            out.extend(cursor.since(start));
        }
        match &kind {
            b"IHDR" => place = out.len(),
            b"IEND" => break,
            _ => {}
        }
    }
    if let Some(tiff) = only_orientation(orientation) {
        let named = [b"eXIf", &tiff[..]].concat();
        let mut sum = flate2::Crc::new();
        sum.update(&named);
        let chunk = [&(tiff.len() as u32).to_be_bytes()[..], &named, &sum.sum().to_be_bytes()].concat();
        out.splice(place..place, chunk);
    }
    Ok(out)
}

/// RFC 9649, 2.7: flags of the extended header that announce an EXIF and an XMP chunk.
const WEBP_EXIF: u8 = 0x08;
const WEBP_XMP: u8 = 0x04;

fn webp(mut cursor: Cursor<'_>) -> Result<Vec<u8>, PhotoError> {
    cursor.take(4)?;
    let length = cursor.u32_le()? as usize;
    let mut chunks = cursor.nested(length)?;
    chunks.take(4)?;
    let mut out = b"RIFF\0\0\0\0WEBP".to_vec();
    let (mut flags, mut orientation) = (None, None);
    while chunks.rest().len() >= 8 {
        let start = chunks.position();
        let kind = chunks.array::<4>()?;
        let length = chunks.u32_le()? as usize;
        let body = chunks.take(length)?;
        chunks.take((length % 2).min(chunks.rest().len()))?;
        match &kind {
            b"EXIF" => orientation = exif_orientation(body),
            b"VP8X" | b"VP8 " | b"VP8L" | b"ALPH" | b"ICCP" | b"ANIM" | b"ANMF" => {
                if &kind == b"VP8X" {
                    flags = Some(out.len() + 8);
                }
                out.extend(chunks.since(start));
                out.extend(std::iter::repeat_n(0, out.len() % 2));
            }
            _ => {}
        }
    }
    let tiff = only_orientation(orientation);
    if let Some(flags) = flags.and_then(|at| out.get_mut(at)) {
        *flags &= !(WEBP_EXIF | WEBP_XMP);
        if let Some(tiff) = &tiff {
            *flags |= WEBP_EXIF;
            out.extend(b"EXIF");
            out.extend((tiff.len() as u32).to_le_bytes());
            out.extend(tiff);
        }
    }
    let length = (out.len() - 8) as u32;
    out[4..8].copy_from_slice(&length.to_le_bytes());
    Ok(out)
}

/// Application extensions that tell how a GIF plays, or what its colours mean.
const GIF_KEPT: [&[u8]; 3] = [b"NETSCAPE2.0", b"ANIMEXTS1.0", b"ICCRGBG1012"];

fn gif(mut cursor: Cursor<'_>) -> Result<Vec<u8>, PhotoError> {
    cursor.take(10)?;
    let [flags, _background, _aspect] = cursor.array()?;
    skip_palette(&mut cursor, flags)?;
    let mut out = cursor.since(0).to_vec();
    loop {
        let start = cursor.position();
        match cursor.u8()? {
            0x21 => {
                let label = cursor.u8()?;
                let name = cursor.rest().get(1..12).unwrap_or_default();
                let kept = match label {
                    0xfe => false,
                    0xff => GIF_KEPT.contains(&name),
                    _ => true,
                };
                skip_blocks(&mut cursor)?;
                if kept {
                    out.extend(cursor.since(start));
                }
            }
            0x2c => {
                cursor.take(8)?;
                let flags = cursor.u8()?;
                skip_palette(&mut cursor, flags)?;
                cursor.u8()?;
                skip_blocks(&mut cursor)?;
                out.extend(cursor.since(start));
            }
            0x3b => {
                out.push(0x3b);
                return Ok(out);
            }
            _ => return Err(cursor.damaged("an unknown block")),
        }
    }
}
