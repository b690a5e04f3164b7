use crate::PhotoError;
use crate::cursor::damaged;
use crate::outline::{Format, JpegColour, JpegParts, Outline};
use crate::raster::{Channels, Raster};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

pub(super) fn decode(outline: &Outline<'_>, parts: &JpegParts<'_>) -> Result<Raster, PhotoError> {
    let mut bytes = parts.segments.concat();
    bytes.extend([0xff, 0xd9]);
    // Strict: the lenient mode paints grey over what it cannot read and calls that a success. Even so
    // rows that are missing before a proper end marker come out flat; a file that was cut has no such
    // marker, and the outline has refused it.
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_max_scans(usize::MAX);
    let failed = |error| damaged(Format::Jpeg, format!("{error:?}"));
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(&bytes), options);
    decoder.decode_headers().map_err(failed)?;
    // Asked for the colours it believes to read, the decoder hands over the stored channels.
    let (wanted, channels) = match parts.colour {
        JpegColour::Grey => (Some(ColorSpace::Luma), Channels::Grey),
        JpegColour::YCbCr => (Some(ColorSpace::RGB), Channels::Rgb),
        JpegColour::Rgb => (decoder.input_colorspace(), Channels::Rgb),
        JpegColour::Inks { .. } => (decoder.input_colorspace(), Channels::Cmyk),
    };
    decoder.set_options(options.jpeg_set_out_colorspace(wanted.unwrap_or(ColorSpace::RGB)));
    let (width, height) = (outline.width, outline.height);
    let mut samples = vec![0; width as usize * height as usize * channels.count()];
    if decoder.output_buffer_size() != Some(samples.len()) {
        return Err(damaged(Format::Jpeg, "its channels do not fit together"));
    }
    decoder.decode_into(&mut samples).map_err(failed)?;
    if let JpegColour::Inks { ycc, inverted } = parts.colour {
        for pixel in samples.as_chunks_mut::<4>().0 {
            *pixel = inks(*pixel, ycc, inverted);
        }
    }
    Ok(Raster { width, height, channels, samples })
}

/// The amounts of ink in one stored pixel.
fn inks([a, b, c, k]: [u8; 4], ycc: bool, inverted: bool) -> [u8; 4] {
    let cmy = if ycc { rgb_from_ycc([a, b, c]).map(|light| 255 - light) } else { [a, b, c] };
    let stored = [cmy[0], cmy[1], cmy[2], k];
    if inverted { stored.map(|value| 255 - value) } else { stored }
}

/// Source: JFIF 1.02, "Conversion to and from RGB".
fn rgb_from_ycc([y, cb, cr]: [u8; 3]) -> [u8; 3] {
    let (y, cb, cr) = (f32::from(y), f32::from(cb) - 128.0, f32::from(cr) - 128.0);
    [y + 1.402 * cr, y - 0.344_136 * cb - 0.714_136 * cr, y + 1.772 * cb].map(|value| value.round() as u8)
}
