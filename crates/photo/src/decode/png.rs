use crate::PhotoError;
use crate::cursor::damaged;
use crate::outline::{Format, Outline, PngParts};
use crate::raster::{Channels, Raster};
use png::{BitDepth, ColorType, Decoder, Limits, Transformations};
use std::io::Cursor;

pub(super) fn decode(outline: &Outline<'_>, parts: &PngParts<'_>) -> Result<Raster, PhotoError> {
    let bytes =
        [parts.signature, parts.header, parts.palette, parts.transparency, parts.pixels, parts.end].concat();
    let failed = |error: png::DecodingError| damaged(Format::Png, error.to_string());
    let limits = Limits { bytes: usize::try_from(outline.memory_bytes).unwrap_or(usize::MAX) };
    let mut decoder = Decoder::new_with_limits(Cursor::new(bytes), limits);
    decoder.set_transformations(Transformations::EXPAND);
    let mut reader = decoder.read_info().map_err(failed)?;
    let size = reader.output_buffer_size().ok_or_else(|| damaged(Format::Png, "its size overflows"))?;
    let mut samples = vec![0; size];
    let info = reader.next_frame(&mut samples).map_err(failed)?;
    if info.bit_depth == BitDepth::Sixteen {
        for i in 0..size / 2 {
            let wide = u32::from(u16::from_be_bytes([samples[i * 2], samples[i * 2 + 1]]));
            samples[i] = ((wide * 255 + 32_767) / 65_535) as u8;
        }
        samples.truncate(size / 2);
    }
    let channels = match info.color_type {
        ColorType::Grayscale => Channels::Grey,
        ColorType::GrayscaleAlpha => Channels::GreyAlpha,
        ColorType::Rgb => Channels::Rgb,
        ColorType::Rgba => Channels::Rgba,
        ColorType::Indexed => return Err(damaged(Format::Png, "it has no palette")),
    };
    let (width, height) = (outline.width, outline.height);
    if samples.len() != width as usize * height as usize * channels.count() {
        return Err(damaged(Format::Png, "it is not of the size it says"));
    }
    Ok(Raster { width, height, channels, samples })
}
