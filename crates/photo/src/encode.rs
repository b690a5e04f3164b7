//! Photos to bytes, without metadata: nothing of what a camera or a seller wrote survives.

use crate::Photo;
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

/// Encodes as baseline JPEG, no metadata. `quality` 1..=100.
///
/// Colour is halved in both directions (4:2:0) below quality 90. A JPEG side ends at 65,535: a
/// longer photo is shrunk to that.
#[must_use]
pub fn encode_jpeg(photo: &Photo, quality: u8) -> Vec<u8> {
    let longest = u32::from(u16::MAX);
    if photo.width().max(photo.height()) > longest {
        return encode_jpeg(&photo.fit_within(longest, longest), quality);
    }
    let quality = quality.clamp(1, 100);
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, quality);
    encoder.set_sampling_factor(if quality < 90 { SamplingFactor::R_4_2_0 } else { SamplingFactor::R_4_4_4 });
    encoder
        .encode(photo.rgb(), photo.width() as u16, photo.height() as u16, ColorType::Rgb)
        .expect("a photo's bytes match its sides, and a Vec takes every write");
    bytes
}

/// Encodes as PNG, no metadata.
#[must_use]
pub fn encode_png(photo: &Photo) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, photo.width(), photo.height());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    encoder
        .write_header()
        .and_then(|mut writer| {
            writer.write_image_data(photo.rgb())?;
            writer.finish()
        })
        .expect("a photo's bytes match its sides, and a Vec takes every write");
    bytes
}
