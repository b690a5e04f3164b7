//! The file's own colours to sRGB.
//!
//! With an embedded profile (ICC.1) that fits the channels, by `moxcms`; otherwise grey is repeated,
//! RGB taken as sRGB, and inks multiplied as if each let through what it does not cover.

use crate::outline::{MAX_PROFILE_BYTES, Profile};
use crate::raster::{Channels, Raster};
use moxcms::{ColorProfile, DataColorSpace, Layout, Transform8BitExecutor, TransformOptions};
use std::borrow::Cow;
use std::io::Read;
use std::sync::Arc;

/// To RGB, or to RGBA where there is alpha, which is passed on untouched.
pub(crate) fn to_srgb(raster: Raster, profile: &Profile<'_>) -> Raster {
    let to = if raster.channels.has_alpha() { Channels::Rgba } else { Channels::Rgb };
    if let Some(transform) = transform(raster.channels, to, profile) {
        let pixels = raster.samples.len() / raster.channels.count();
        let mut samples = vec![0; pixels * to.count()];
        if transform.transform(&raster.samples, &mut samples).is_ok() {
            return Raster { channels: to, samples, ..raster };
        }
    }
    match raster.channels {
        Channels::Rgb | Channels::Rgba => raster,
        Channels::Grey => map(raster, to, |[grey]| [grey; 3]),
        Channels::GreyAlpha => map(raster, to, |[grey, alpha]| [grey, grey, grey, alpha]),
        Channels::Cmyk => map(raster, to, |[c, m, y, k]| {
            let light = 255 - u32::from(k);
            [c, m, y].map(|ink| (((255 - u32::from(ink)) * light + 127) / 255) as u8)
        }),
    }
}

fn map<const FROM: usize, const TO: usize>(
    raster: Raster,
    channels: Channels,
    pixel: impl Fn([u8; FROM]) -> [u8; TO],
) -> Raster {
    let samples = raster.samples.as_chunks::<FROM>().0.iter().flat_map(|from| pixel(*from)).collect();
    Raster { channels, samples, ..raster }
}

/// What the profile does to pixels; nothing where there is no profile, where it is broken, made
/// for other channels, or sRGB itself.
fn transform(from: Channels, to: Channels, profile: &Profile<'_>) -> Option<Arc<Transform8BitExecutor>> {
    let profile = ColorProfile::new_from_slice(&unpack(profile)?).ok()?;
    let (space, from_layout) = match from {
        Channels::Grey => (DataColorSpace::Gray, Layout::Gray),
        Channels::GreyAlpha => (DataColorSpace::Gray, Layout::GrayAlpha),
        Channels::Rgb => (DataColorSpace::Rgb, Layout::Rgb),
        Channels::Rgba => (DataColorSpace::Rgb, Layout::Rgba),
        // moxcms has no name of its own for four inks.
        Channels::Cmyk => (DataColorSpace::Cmyk, Layout::Rgba),
    };
    if profile.color_space != space {
        return None;
    }
    let to_layout = if to == Channels::Rgba { Layout::Rgba } else { Layout::Rgb };
    let srgb = ColorProfile::new_srgb();
    let make = |layout, to_layout| {
        profile.create_transform_8bit(layout, &srgb, to_layout, TransformOptions::default()).ok()
    };
    // Most embedded profiles are sRGB under some name: a lattice of colours that stays where it is
    // proves it for a thousandth of the work of converting a photo.
    if space == DataColorSpace::Rgb && keeps_colours(make(Layout::Rgb, Layout::Rgb)?.as_ref()) {
        return None;
    }
    make(from_layout, to_layout)
}

fn keeps_colours(transform: &Transform8BitExecutor) -> bool {
    let levels = || (0..=255_u8).step_by(51);
    let lattice: Vec<u8> =
        levels().flat_map(|r| levels().flat_map(move |g| levels().flat_map(move |b| [r, g, b]))).collect();
    let mut moved = vec![0; lattice.len()];
    transform.transform(&lattice, &mut moved).is_ok()
        && lattice.iter().zip(&moved).all(|(from, to)| from.abs_diff(*to) <= 1)
}

fn unpack<'a>(profile: &Profile<'a>) -> Option<Cow<'a, [u8]>> {
    match profile {
        Profile::Absent => None,
        Profile::Plain(pieces) => match pieces.as_slice() {
            [whole] => Some(Cow::Borrowed(whole)),
            pieces => Some(Cow::Owned(pieces.concat())),
        },
        Profile::Deflated(stream) => {
            let mut bytes = Vec::new();
            let most = MAX_PROFILE_BYTES as u64;
            flate2::read::ZlibDecoder::new(*stream).take(most + 1).read_to_end(&mut bytes).ok()?;
            (bytes.len() <= MAX_PROFILE_BYTES).then_some(Cow::Owned(bytes))
        }
    }
}
