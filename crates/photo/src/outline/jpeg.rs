//! JPEG: marker segments (ITU-T T.81, annex B) with EXIF, ICC and Adobe's colour marker.

use super::{MAX_PROFILE_BYTES, Outline, Parts, Profile, check_area};
use crate::cursor::{Cursor, unsupported};
use crate::orientation::{Orientation, from_exif_block};
use crate::{Format, Limits, PhotoError};

/// The segments a decoder needs, each as it stands in the file, from the start marker to the last
/// scan. All application segments are left out: what they say about colour is in `colour`.
pub(crate) struct JpegParts<'a> {
    pub(crate) segments: Vec<&'a [u8]>,
    pub(crate) colour: JpegColour,
}

/// What the stored channels mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JpegColour {
    Grey,
    YCbCr,
    Rgb,
    /// Four inks, or their YCbCr form with black kept apart; Adobe's programs store 255 - ink.
    Inks {
        ycc: bool,
        inverted: bool,
    },
}

/// More passes than any encoder makes; each costs a visit to every coefficient.
const MAX_SCANS: u32 = 100;
/// Passes times pixels, as a multiple of the pixel limit: 20 passes over the largest picture.
const MAX_SCAN_WORK: u64 = 20;
const MAX_SEGMENTS: usize = 4096;

struct Frame {
    progressive: bool,
    /// Id and sampling factors of each channel.
    channels: Vec<(u8, u64, u64)>,
}

pub(super) fn walk<'a>(mut cursor: Cursor<'a>, limits: &Limits) -> Result<Outline<'a>, PhotoError> {
    let start_marker = cursor.take(2)?;
    let mut segments = vec![start_marker];
    let (mut width, mut height, mut frame) = (0, 0, None::<Frame>);
    let mut orientation = Orientation::default();
    let mut profile_pieces = Vec::new();
    let mut adobe_transform = None;
    let mut scans = 0_u32;
    let mut first_scan_channels = 0;

    loop {
        let marker = next_marker(&mut cursor)?;
        let start = cursor.position() - 2;
        // Markers that stand alone: restarts and TEM between segments mean nothing.
        if matches!(marker, 0xd0..=0xd7 | 0x01) {
            continue;
        }
        if marker == 0xd9 {
            break;
        }
        let length = usize::from(cursor.u16_be()?);
        let Some(length) = length.checked_sub(2) else {
            return Err(cursor.damaged("a segment is shorter than its own length field"));
        };
        let nested = cursor.nested(length)?;
        let body = cursor.take(length)?;
        match marker {
            0xc0..=0xc2 => {
                if frame.is_some() {
                    return Err(cursor.damaged("it has two frame headers"));
                }
                let header = read_frame(nested, marker == 0xc2, limits)?;
                (width, height, frame) = (header.0, header.1, Some(header.2));
                segments.push(cursor.since(start));
            }
            0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                let feature = match marker {
                    0xc3 | 0xc7 | 0xcb | 0xcf => "lossless coding",
                    0xc5 | 0xc6 | 0xcd | 0xce => "hierarchical coding",
                    _ => "arithmetic coding",
                };
                return Err(unsupported(Format::Jpeg, feature));
            }
            0xc4 | 0xdb | 0xdd => segments.push(cursor.since(start)),
            0xda => {
                if frame.is_none() {
                    return Err(cursor.damaged("pixels come before the frame header"));
                }
                scans += 1;
                if scans == 1 {
                    first_scan_channels = body.first().copied().unwrap_or(0);
                }
                let work = u64::from(scans) * u64::from(width) * u64::from(height);
                if scans > MAX_SCANS || scans > 1 && work > limits.max_pixels.saturating_mul(MAX_SCAN_WORK) {
                    return Err(PhotoError::TooMuchWork { scans, width, height });
                }
                skip_scan(&mut cursor)?;
                segments.push(cursor.since(start));
            }
            0xe1 if body.starts_with(b"Exif\0\0") => orientation = from_exif_block(body),
            0xe2 => profile_pieces.extend(ProfilePiece::read(body)),
            0xee if body.starts_with(b"Adobe") => adobe_transform = Some(body.get(11).copied().unwrap_or(0)),
            0xdc => return Err(unsupported(Format::Jpeg, "a height given after the pixels")),
            _ => {}
        }
        if segments.len() > MAX_SEGMENTS {
            return Err(cursor.damaged("it has thousands of tables"));
        }
    }
    let Some(frame) = frame.filter(|_| scans > 0) else {
        return Err(cursor.damaged("it holds no pixels"));
    };
    let colour = colour(&frame, adobe_transform);
    let channels = frame.channels.len() as u64;
    let area = u64::from(width) * u64::from(height);
    // Between passes the decoder keeps every coefficient, in 16 bits and whole blocks.
    let several_passes = frame.progressive || u64::from(first_scan_channels) < channels;
    let coefficients = if several_passes { coefficient_count(&frame, width, height) * 2 } else { 0 };
    let encoded: usize = segments.iter().map(|part| part.len()).sum();
    let memory_bytes = encoded as u64 + area * channels + coefficients.max(area * 3);
    let parts = Parts::Jpeg(JpegParts { segments, colour });
    Ok(Outline {
        width,
        height,
        orientation,
        profile: ProfilePiece::join(profile_pieces),
        parts,
        memory_bytes,
    })
}

/// The next marker's second byte, past any fill bytes and stray data before it.
pub(crate) fn next_marker(cursor: &mut Cursor<'_>) -> Result<u8, PhotoError> {
    loop {
        cursor.find(0xff).ok_or_else(|| cursor.truncated())?;
        let mut byte = 0xff;
        while byte == 0xff {
            byte = cursor.u8()?;
        }
        if byte != 0 {
            return Ok(byte);
        }
    }
}

/// Moves past a scan's entropy-coded data to the marker that ends it.
pub(crate) fn skip_scan(cursor: &mut Cursor<'_>) -> Result<(), PhotoError> {
    while cursor.find(0xff).is_some() {
        match cursor.peek(1) {
            // A stuffed zero and a restart belong to the scan; a fill byte may stand before either.
            Some(0 | 0xd0..=0xd7) => cursor.take(2)?,
            Some(0xff) => cursor.take(1)?,
            Some(_) => return Ok(()),
            None => break,
        };
    }
    Err(cursor.truncated())
}

fn read_frame(
    mut cursor: Cursor<'_>,
    progressive: bool,
    limits: &Limits,
) -> Result<(u32, u32, Frame), PhotoError> {
    let precision = cursor.u8()?;
    if precision != 8 {
        return Err(unsupported(Format::Jpeg, format!("{precision} bits per channel")));
    }
    let height = u32::from(cursor.u16_be()?);
    let width = u32::from(cursor.u16_be()?);
    if height == 0 && width > 0 {
        return Err(unsupported(Format::Jpeg, "a height given after the pixels"));
    }
    check_area(&cursor, width, height)?;
    limits.check_pixels(width, height)?;
    let count = cursor.u8()?;
    if !matches!(count, 1 | 3 | 4) {
        return Err(unsupported(Format::Jpeg, format!("{count} channels")));
    }
    let mut channels = Vec::new();
    for _ in 0..count {
        let [id, sampling, _table] = cursor.array()?;
        channels.push((id, u64::from(sampling >> 4), u64::from(sampling & 15)));
    }
    let whole = |most: u64, factor: u64| (1..=4).contains(&factor) && most.is_multiple_of(factor);
    let (across, down) = most(&channels);
    if !channels.iter().all(|(_, h, v)| whole(across, *h) && whole(down, *v)) {
        return Err(unsupported(Format::Jpeg, "fractional colour sampling"));
    }
    Ok((width, height, Frame { progressive, channels }))
}

/// The largest sampling factors, across and down.
fn most(channels: &[(u8, u64, u64)]) -> (u64, u64) {
    channels.iter().fold((1, 1), |(across, down), (_, h, v)| (across.max(*h), down.max(*v)))
}

fn coefficient_count(frame: &Frame, width: u32, height: u32) -> u64 {
    let (across, down) = most(&frame.channels);
    let units = u64::from(width).div_ceil(8 * across) * u64::from(height).div_ceil(8 * down);
    frame.channels.iter().map(|(_, h, v)| units * h * v * 64).sum()
}

/// The rules that decoders have agreed on where the standard is silent: channels named `RGB`, then
/// Adobe's marker, then YCbCr.
fn colour(frame: &Frame, adobe_transform: Option<u8>) -> JpegColour {
    let ids: Vec<u8> = frame.channels.iter().map(|(id, ..)| *id).collect();
    match (ids.len(), adobe_transform) {
        (1, _) => JpegColour::Grey,
        (3, _) if ids == *b"RGB" => JpegColour::Rgb,
        (3, Some(0)) => JpegColour::Rgb,
        (3, _) => JpegColour::YCbCr,
        (_, transform) => JpegColour::Inks { ycc: transform == Some(2), inverted: transform.is_some() },
    }
}

/// One APP2 segment of a colour profile (ICC.1, annex B.4).
struct ProfilePiece<'a> {
    number: u8,
    of: u8,
    data: &'a [u8],
}

impl<'a> ProfilePiece<'a> {
    fn read(body: &'a [u8]) -> Option<Self> {
        match body.strip_prefix(b"ICC_PROFILE\0")? {
            [number, of, data @ ..] => Some(Self { number: *number, of: *of, data }),
            _ => None,
        }
    }

    /// All pieces in order, or nothing when one is missing, twice there, or they are too long.
    fn join(mut pieces: Vec<Self>) -> Profile<'a> {
        pieces.sort_by_key(|piece| piece.number);
        let complete = pieces.iter().zip(1_usize..).all(|(piece, number)| {
            usize::from(piece.number) == number && usize::from(piece.of) == pieces.len()
        });
        let bytes: usize = pieces.iter().map(|piece| piece.data.len()).sum();
        if pieces.is_empty() || !complete || bytes > MAX_PROFILE_BYTES {
            return Profile::Absent;
        }
        Profile::Plain(pieces.into_iter().map(|piece| piece.data).collect())
    }
}
