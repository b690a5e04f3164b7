//! WebP: RIFF chunks (RFC 9649). Of an animation the first frame counts.

use super::{MAX_PROFILE_BYTES, Outline, Parts, Profile, check_area};
use crate::cursor::Cursor;
use crate::orientation::{Orientation, from_exif_block};
use crate::{Limits, PhotoError};

/// One still picture and where it lies on the canvas.
pub(crate) struct WebpParts<'a> {
    pub(crate) coding: WebpCoding<'a>,
    pub(crate) x: u32,
    pub(crate) y: u32,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

/// The chunk bodies that make pixels.
#[derive(Clone, Copy)]
pub(crate) enum WebpCoding<'a> {
    Lossy { image: &'a [u8], alpha: Option<&'a [u8]> },
    Lossless { image: &'a [u8] },
}

pub(super) fn walk<'a>(mut cursor: Cursor<'a>, limits: &Limits) -> Result<Outline<'a>, PhotoError> {
    cursor.take(4)?;
    // What the file says beyond this length is not part of the picture.
    let length = cursor.u32_le()? as usize;
    let mut cursor = cursor.nested(length)?;
    cursor.take(4)?;

    let mut canvas = None;
    let mut orientation = Orientation::default();
    let mut profile = Profile::Absent;
    let mut still = Still::default();
    let mut frame = None;
    // Less than a chunk's head at the end is padding.
    while cursor.rest().len() >= 8 {
        let (kind, mut body) = next_chunk(&mut cursor)?;
        match &kind {
            b"VP8X" if canvas.is_none() => {
                let _flags = body.u32_le()?;
                let (width, height) = (body.u24_le()? + 1, body.u24_le()? + 1);
                limits.check_pixels(width, height)?;
                canvas = Some((width, height));
            }
            b"ICCP" if body.rest().len() <= MAX_PROFILE_BYTES => profile = Profile::Plain(vec![body.rest()]),
            b"EXIF" => orientation = from_exif_block(body.rest()),
            b"ANMF" if frame.is_none() => frame = Some(read_frame(&mut body, limits)?),
            _ => still.read(&kind, &body, limits)?,
        }
        // A simple file ends with its only chunk, whatever follows.
        if canvas.is_none() && still.image.is_some() {
            break;
        }
    }
    let parts = match frame {
        Some(parts) => parts,
        None => {
            let (width, height, coding) =
                still.finish().ok_or_else(|| cursor.damaged("it holds no pixels"))?;
            WebpParts { coding, x: 0, y: 0, width, height }
        }
    };
    let (width, height) = canvas.unwrap_or((parts.width, parts.height));
    if parts.x + parts.width > width || parts.y + parts.height > height {
        return Err(cursor.damaged("its pixels reach beyond its canvas"));
    }
    // Bytes a pixel while `image-webp` 0.2 works: lossy planes 1.5 and RGBA 4, packed alpha 4 and 1
    // more; lossless RGBA 4, RGB 3, transforms and tables about 1. Afterwards the canvas.
    let frame_area = u64::from(parts.width) * u64::from(parts.height);
    let (encoded, per_pixel) = match parts.coding {
        WebpCoding::Lossy { image, alpha: None } => (image.len(), 5),
        WebpCoding::Lossy { image, alpha: Some(alpha) } => (image.len() + alpha.len(), 12),
        WebpCoding::Lossless { image } => (image.len(), 8),
    };
    let canvas_bytes = u64::from(width) * u64::from(height) * 4;
    let memory_bytes = encoded as u64 * 2 + (frame_area * per_pixel).max(frame_area * 4 + canvas_bytes);
    Ok(Outline { width, height, orientation, profile, parts: Parts::Webp(parts), memory_bytes })
}

fn next_chunk<'a>(cursor: &mut Cursor<'a>) -> Result<([u8; 4], Cursor<'a>), PhotoError> {
    let kind = cursor.array()?;
    let length = cursor.u32_le()? as usize;
    let body = cursor.nested(length)?;
    cursor.take(length)?;
    cursor.take((length % 2).min(cursor.rest().len()))?;
    Ok((kind, body))
}

fn read_frame<'a>(body: &mut Cursor<'a>, limits: &Limits) -> Result<WebpParts<'a>, PhotoError> {
    let (x, y) = (body.u24_le()? * 2, body.u24_le()? * 2);
    let (width, height) = (body.u24_le()? + 1, body.u24_le()? + 1);
    let _duration_and_flags = body.u32_le()?;
    let mut still = Still::default();
    while body.rest().len() >= 8 && still.image.is_none() {
        let (kind, inner) = next_chunk(body)?;
        still.read(&kind, &inner, limits)?;
    }
    let (found_width, found_height, coding) =
        still.finish().ok_or_else(|| body.damaged("its first frame holds no pixels"))?;
    if (found_width, found_height) != (width, height) {
        return Err(body.damaged("its first frame is not of the size it says"));
    }
    Ok(WebpParts { coding, x, y, width, height })
}

/// The chunks of one still picture, as they come.
#[derive(Default)]
struct Still<'a> {
    alpha: Option<&'a [u8]>,
    /// Width, height, whether lossless, the body.
    image: Option<(u32, u32, bool, &'a [u8])>,
}

impl<'a> Still<'a> {
    fn read(&mut self, kind: &[u8; 4], body: &Cursor<'a>, limits: &Limits) -> Result<(), PhotoError> {
        if self.image.is_some() {
            return Ok(());
        }
        let mut head = body.clone();
        let (width, height) = match kind {
            b"ALPH" => {
                self.alpha = Some(body.rest());
                return Ok(());
            }
            b"VP8 " => {
                // Frame tag, start code, two sides of 14 bits with their scaling above.
                let _tag = head.u24_le()?;
                if head.array()? != [0x9d, 0x01, 0x2a] {
                    return Err(head.damaged("its pixels do not begin with a key frame"));
                }
                (u32::from(head.u16_le()? & 0x3fff), u32::from(head.u16_le()? & 0x3fff))
            }
            b"VP8L" => {
                if head.u8()? != 0x2f {
                    return Err(head.damaged("its lossless pixels have no signature"));
                }
                let sides = head.u32_le()?;
                ((sides & 0x3fff) + 1, ((sides >> 14) & 0x3fff) + 1)
            }
            _ => return Ok(()),
        };
        check_area(&head, width, height)?;
        limits.check_pixels(width, height)?;
        self.image = Some((width, height, kind == b"VP8L", body.rest()));
        Ok(())
    }

    fn finish(self) -> Option<(u32, u32, WebpCoding<'a>)> {
        let (width, height, lossless, image) = self.image?;
        let coding = if lossless {
            WebpCoding::Lossless { image }
        } else {
            WebpCoding::Lossy { image, alpha: self.alpha }
        };
        Some((width, height, coding))
    }
}
