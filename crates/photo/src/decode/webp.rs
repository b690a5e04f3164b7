use crate::PhotoError;
use crate::cursor::damaged;
use crate::outline::{Format, Outline, WebpCoding, WebpParts};
use crate::raster::{Channels, Raster};
use image_webp::WebPDecoder;
use std::io::Cursor;

pub(super) fn decode(outline: &Outline<'_>, parts: &WebpParts<'_>) -> Result<Raster, PhotoError> {
    let failed = |error: image_webp::DecodingError| damaged(Format::Webp, error.to_string());
    let mut decoder = WebPDecoder::new(Cursor::new(still(parts))).map_err(failed)?;
    let size = decoder.output_buffer_size().ok_or_else(|| damaged(Format::Webp, "its size overflows"))?;
    let mut samples = vec![0; size];
    decoder.read_image(&mut samples).map_err(failed)?;
    let channels = if decoder.has_alpha() { Channels::Rgba } else { Channels::Rgb };
    let (width, height) = (parts.width, parts.height);
    if samples.len() != width as usize * height as usize * channels.count() {
        return Err(damaged(Format::Webp, "it is not of the size it says"));
    }
    let frame = Raster { width, height, channels, samples };
    if (width, height) == (outline.width, outline.height) {
        return Ok(frame);
    }
    Ok(on_canvas(outline, parts, &frame))
}

/// A file of one still picture: what an animation's first frame would be on its own.
fn still(parts: &WebpParts<'_>) -> Vec<u8> {
    let mut chunks = Vec::new();
    let mut chunk = |kind: &[u8; 4], body: &[u8]| {
        chunks.extend_from_slice(kind);
        chunks.extend_from_slice(&(body.len() as u32).to_le_bytes());
        chunks.extend_from_slice(body);
        chunks.resize(chunks.len().next_multiple_of(2), 0);
    };
    match parts.coding {
        WebpCoding::Lossless { image } => chunk(b"VP8L", image),
        WebpCoding::Lossy { image, alpha: None } => chunk(b"VP8 ", image),
        WebpCoding::Lossy { image, alpha: Some(alpha) } => {
            const HAS_ALPHA: u32 = 0x10;
            let [w, h] = [parts.width, parts.height].map(|side| (side - 1).to_le_bytes());
            let sides = [w[0], w[1], w[2], h[0], h[1], h[2]];
            chunk(b"VP8X", &[HAS_ALPHA.to_le_bytes().as_slice(), &sides].concat());
            chunk(b"ALPH", alpha);
            chunk(b"VP8 ", image);
        }
    }
    [b"RIFF".as_slice(), &(chunks.len() as u32 + 4).to_le_bytes(), b"WEBP", &chunks].concat()
}

/// The frame in its place; around it nothing, which becomes white.
fn on_canvas(outline: &Outline<'_>, parts: &WebpParts<'_>, frame: &Raster) -> Raster {
    let (width, height) = (outline.width, outline.height);
    let mut samples = vec![0; width as usize * height as usize * 4];
    let count = frame.channels.count();
    for (y, row) in frame.samples.chunks_exact(frame.width as usize * count).enumerate() {
        let start = ((parts.y as usize + y) * width as usize + parts.x as usize) * 4;
        for (to, from) in samples[start..].chunks_exact_mut(4).zip(row.chunks_exact(count)) {
            to[3] = 255;
            to[..count].copy_from_slice(from);
        }
    }
    Raster { width, height, channels: Channels::Rgba, samples }
}
