use crate::PhotoError;
use crate::cursor::damaged;
use crate::outline::{Format, GifParts, Outline};
use crate::raster::{Channels, Raster};
use gif::{ColorOutput, DecodeOptions};

pub(super) fn decode(outline: &Outline<'_>, parts: &GifParts<'_>) -> Result<Raster, PhotoError> {
    let bytes = [parts.screen, parts.control, parts.frame, &[0x3b]].concat();
    let failed = |error: gif::DecodingError| damaged(Format::Gif, error.to_string());
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::Indexed);
    let mut decoder = options.read_info(bytes.as_slice()).map_err(failed)?;
    let global = decoder.global_palette().map(<[u8]>::to_vec);
    let frame = decoder.read_next_frame().map_err(failed)?;
    let frame = frame.ok_or_else(|| damaged(Format::Gif, "it holds no pixels"))?;
    let palette = frame.palette.as_ref().or(global.as_ref());
    let palette = palette.ok_or_else(|| damaged(Format::Gif, "it has no palette"))?.as_chunks::<3>().0;

    let (width, height) = (outline.width as usize, outline.height as usize);
    let mut samples = vec![255; width * height * 3];
    for (y, row) in frame.buffer.chunks_exact(usize::from(frame.width)).enumerate() {
        let start = ((usize::from(frame.top) + y) * width + usize::from(frame.left)) * 3;
        for (to, index) in samples[start..].chunks_exact_mut(3).zip(row) {
            if frame.transparent != Some(*index) {
                // An index beyond the palette is black, as in browsers.
                to.copy_from_slice(palette.get(usize::from(*index)).unwrap_or(&[0; 3]));
            }
        }
    }
    Ok(Raster { width: outline.width, height: outline.height, channels: Channels::Rgb, samples })
}
