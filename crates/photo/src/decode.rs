//! Bytes to a [`Photo`]: outline, decoder, colours, upright.
//!
//! The decoders are pure Rust: `zune-jpeg`, `png`, `image-webp`, `gif`. Each sees only the parts of
//! the file that make pixels, after all limits were checked against what they will hold.
//!
//! Large JPEGs are decoded whole and then averaged down. The road not taken is decoding at a
//! fraction of the size inside the inverse cosine transform, as the `jpeg-decoder` crate can:
//! measured on one core at 4000 x 3000 pixels and quality 90, 42 ms against 61 + 7 ms here, and
//! nothing gained at 1000 pixels. It would bring a second JPEG decoder with colour rules of its own,
//! which also starts a thread for each channel, something the limited worker forbids.

mod gif;
mod jpeg;
mod png;
mod webp;

use crate::colour::to_srgb;
use crate::cursor::damaged;
use crate::outline::{Format, Outline, Parts, outline};
use crate::raster::Channels;
use crate::{Limits, Photo, PhotoError};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What the header says, before decoding. Sides are of the upright picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Header {
    pub format: Format,
    pub width: u32,
    pub height: u32,
}

/// A decoded photo, perhaps smaller than the original.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// The pixels.
    pub photo: Photo,
    /// Upright width and height of the original; boxes are reported in these.
    pub full_width: u32,
    /// See `full_width`.
    pub full_height: u32,
}

/// Reads the header only, and tells whether the picture keeps within the limits.
///
/// Our own code over slices, nothing is unpacked: safe and quick on any bytes.
///
/// # Errors
/// As [`decode`], as far as the container shows it.
pub fn probe(bytes: &[u8], limits: &Limits) -> Result<Header, PhotoError> {
    Ok(outline(bytes, limits)?.header())
}

/// Decodes to upright sRGB at full size: alpha over white, of animations the first frame.
///
/// A server gives foreign bytes to a [`DecodePool`](crate::worker::DecodePool) instead.
///
/// # Errors
/// Typed by who can act, see [`PhotoError`].
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Photo, PhotoError> {
    develop(bytes, limits, None).map(|decoded| decoded.photo)
}

/// Decodes, and may return a reduced photo whose longer side is still at least `longer_side_px`.
///
/// The photo is then the original averaged over squares of whole pixels, so its sides divide the
/// full ones up to rounding.
///
/// # Errors
/// As [`decode`].
pub fn decode_reduced(bytes: &[u8], limits: &Limits, longer_side_px: u32) -> Result<Decoded, PhotoError> {
    develop(bytes, limits, Some(longer_side_px))
}

pub(crate) fn develop(
    bytes: &[u8],
    limits: &Limits,
    longer_side_px: Option<u32>,
) -> Result<Decoded, PhotoError> {
    let outline = outline(bytes, limits)?;
    let header = outline.header();
    let longer = header.width.max(header.height);
    let factor = longer_side_px.map_or(1, |wanted| longer / wanted.max(1)).max(1);
    // A decoder that panics has met a picture its authors did not think of. For the caller that is
    // one bad picture; nothing of the decoder is used again.
    let photo = catch_unwind(AssertUnwindSafe(|| pixels(&outline, factor))).unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<String>().map(String::as_str);
        let words = words.or(panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given");
        Err(damaged(header.format, format!("its decoder gave up ({words})")))
    })?;
    Ok(Decoded { photo, full_width: header.width, full_height: header.height })
}

fn pixels(outline: &Outline<'_>, factor: u32) -> Result<Photo, PhotoError> {
    let stored = match &outline.parts {
        Parts::Jpeg(parts) => jpeg::decode(outline, parts),
        Parts::Png(parts) => png::decode(outline, parts),
        Parts::Webp(parts) => webp::decode(outline, parts),
        Parts::Gif(parts) => gif::decode(outline, parts),
    }?;
    // Averaging first leaves less to convert. But what alpha hides must not be averaged in, and the
    // average of inks is not the average of their colours.
    let rgb = match stored.channels {
        Channels::Grey | Channels::Rgb => to_srgb(stored.reduce(factor), &outline.profile),
        Channels::GreyAlpha | Channels::Rgba | Channels::Cmyk => {
            to_srgb(stored, &outline.profile).flatten().reduce(factor)
        }
    };
    let (width, height) = outline.orientation.sides(rgb.width, rgb.height);
    Ok(Photo::new(width, height, outline.orientation.turn(rgb.width, rgb.height, rgb.samples)))
}
