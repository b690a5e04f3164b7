//! Resizing with the triangle filter, widened when shrinking so that nothing aliases.
//!
//! The work is done by `fast_image_resize` (SIMD, fixed point). Its oracle is `reference` among the
//! tests: the same filter written plainly in floating point.

use crate::Photo;
use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

/// `photo` at `width` x `height`; a zero side counts as 1.
pub(crate) fn resize_rgb(photo: &Photo, width: u32, height: u32) -> Photo {
    let (width, height) = (width.max(1), height.max(1));
    let source = TypedImageRef::<U8x3>::from_buffer(photo.width(), photo.height(), photo.rgb())
        .expect("a photo's bytes match its sides");
    let mut rgb = vec![0; width as usize * height as usize * 3];
    let mut target = TypedImage::<U8x3>::from_buffer(width, height, &mut rgb).expect("three bytes a pixel");
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    // The typed call: the other one compiles the filter for every kind of pixel there is, a minute's work.
    Resizer::new().resize_typed(&source, &mut target, &options).expect("neither side is empty");
    Photo::new(width, height, rgb)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Weights of the source samples for target sample `at`: a triangle around its centre, as wide
    /// as one target sample, at least one source sample; they sum to 1.
    fn weights(at: u32, source: u32, target: u32) -> Vec<(u32, f64)> {
        let scale = f64::from(source) / f64::from(target);
        let (centre, reach) = ((f64::from(at) + 0.5) * scale, scale.max(1.0));
        let raw: Vec<_> = (0..source)
            .map(|i| (i, (1.0 - (f64::from(i) + 0.5 - centre).abs() / reach).max(0.0)))
            .filter(|(_, weight)| *weight > 0.0)
            .collect();
        let sum: f64 = raw.iter().map(|(_, weight)| weight).sum();
        raw.into_iter().map(|(i, weight)| (i, weight / sum)).collect()
    }

    /// The plain form of [`resize_rgb`].
    pub(crate) fn reference(photo: &Photo, width: u32, height: u32) -> Vec<f64> {
        let mut out = Vec::new();
        for y in 0..height {
            let rows = weights(y, photo.height(), height);
            for x in 0..width {
                let columns = weights(x, photo.width(), width);
                for channel in 0..3 {
                    let mut sum = 0.0;
                    for (sy, wy) in &rows {
                        for (sx, wx) in &columns {
                            let at = (*sy as usize * photo.width() as usize + *sx as usize) * 3 + channel;
                            sum += wy * wx * f64::from(photo.rgb()[at]);
                        }
                    }
                    out.push(sum);
                }
            }
        }
        out
    }

    #[test]
    fn the_fast_resize_equals_the_plain_one() {
        let mut state = 9_u32;
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        for (w, h, to_w, to_h) in
            [(31, 23, 7, 5), (8, 8, 16, 24), (1, 1, 5, 3), (64, 3, 3, 64), (40, 30, 39, 29), (5, 900, 2, 9)]
        {
            let photo = Photo::new(w, h, (0..w * h * 3).map(|_| noise()).collect());
            let fast = resize_rgb(&photo, to_w, to_h);
            assert_eq!((fast.width(), fast.height()), (to_w, to_h));
            for (got, want) in fast.rgb().iter().zip(reference(&photo, to_w, to_h)) {
                // Two roundings to 8 bits, one after each direction.
                assert!((f64::from(*got) - want).abs() <= 1.1, "{w}x{h} to {to_w}x{to_h}: {got} {want}");
            }
        }
    }
}
