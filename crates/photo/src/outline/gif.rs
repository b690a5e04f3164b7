//! GIF: blocks (GIF89a specification). The first frame counts.

use super::{Outline, Parts, Profile, check_area};
use crate::cursor::Cursor;
use crate::orientation::Orientation;
use crate::{Limits, PhotoError};

/// The first frame and what it needs, each as it stands in the file.
pub(crate) struct GifParts<'a> {
    /// Signature, screen and global palette.
    pub(crate) screen: &'a [u8],
    /// The last graphic control block before the frame; empty where there is none.
    pub(crate) control: &'a [u8],
    pub(crate) frame: &'a [u8],
}

pub(super) fn walk<'a>(mut cursor: Cursor<'a>, limits: &Limits) -> Result<Outline<'a>, PhotoError> {
    cursor.take(6)?;
    let (screen_width, screen_height) = (u32::from(cursor.u16_le()?), u32::from(cursor.u16_le()?));
    let [flags, _background, _aspect] = cursor.array()?;
    skip_palette(&mut cursor, flags)?;
    let screen = cursor.since(0);

    let mut control: &[u8] = &[];
    let start = loop {
        let start = cursor.position();
        match cursor.u8()? {
            0x21 => {
                let kind = cursor.u8()?;
                skip_blocks(&mut cursor)?;
                if kind == 0xf9 {
                    control = cursor.since(start);
                }
            }
            0x2c => break start,
            0x3b => return Err(cursor.damaged("it holds no pixels")),
            _ => return Err(cursor.damaged("an unknown block stands before its first frame")),
        }
    };
    let mut side = || cursor.u16_le().map(u32::from);
    let (x, y, frame_width, frame_height) = (side()?, side()?, side()?, side()?);
    check_area(&cursor, frame_width, frame_height)?;
    // A frame that reaches beyond the screen widens it, as in browsers.
    let (width, height) = (screen_width.max(x + frame_width), screen_height.max(y + frame_height));
    limits.check_pixels(width, height)?;
    let flags = cursor.u8()?;
    skip_palette(&mut cursor, flags)?;
    let _code_size = cursor.u8()?;
    skip_blocks(&mut cursor)?;
    let frame = cursor.since(start);

    let encoded = (screen.len() + control.len() + frame.len()) as u64;
    let area = u64::from(width) * u64::from(height);
    let frame_area = u64::from(frame_width) * u64::from(frame_height);
    Ok(Outline {
        width,
        height,
        orientation: Orientation::default(),
        profile: Profile::Absent,
        parts: Parts::Gif(GifParts { screen, control, frame }),
        memory_bytes: encoded + frame_area + area * 3,
    })
}

pub(crate) fn skip_palette(cursor: &mut Cursor<'_>, flags: u8) -> Result<(), PhotoError> {
    if flags & 0x80 != 0 {
        cursor.take(3 << ((flags & 7) + 1))?;
    }
    Ok(())
}

/// Moves past a chain of data blocks and the empty one that ends it.
pub(crate) fn skip_blocks(cursor: &mut Cursor<'_>) -> Result<(), PhotoError> {
    loop {
        match cursor.u8()? {
            0 => return Ok(()),
            length => cursor.take(usize::from(length))?,
        };
    }
}
