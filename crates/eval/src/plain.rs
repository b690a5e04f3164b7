//! Plain descriptors of a crop: what a score must beat to mean anything.
//!
//! Each is a unit vector compared by inner product, so all share one ranking with the embedding. None is
//! trained. The colour histogram is compared by the Bhattacharyya coefficient (the inner product of square
//! roots), HOG follows Dalal and Triggs 2005 with one block a 2 x 2 cells.
use twinset_photo::{Photo, Rect};

/// Colours of the crop: 8 x 8 x 8 bins of CIE Lab, square roots of their shares.
pub(crate) fn colour_histogram(photo: &Photo, rect: Rect) -> Vec<f32> {
    const SIDE_MAX: u32 = 96;
    let crop = photo.crop(rect);
    let longer = crop.width().max(crop.height());
    let crop = if longer > SIDE_MAX {
        let side = |s: u32| (s * SIDE_MAX / longer).max(1);
        crop.resize(side(crop.width()), side(crop.height()))
    } else {
        crop
    };
    let mut bins = vec![0.0f32; 512];
    for rgb in crop.rgb().chunks_exact(3) {
        let [l, a, b] = lab([rgb[0], rgb[1], rgb[2]]);
        let bin = |value: f32, low: f32, high: f32| (((value - low) / (high - low) * 8.0) as usize).min(7);
        // Clothes hardly reach |a|, |b| > 64; what does falls into the outer bins.
        bins[bin(l, 0.0, 100.0) * 64 + bin(a, -64.0, 64.0) * 8 + bin(b, -64.0, 64.0)] += 1.0;
    }
    bins.iter_mut().for_each(|b| *b = b.sqrt());
    unit(bins)
}

/// Gradients of the crop at 64 x 64: cells of 8 x 8, 9 directions, blocks of 2 x 2 cells.
pub(crate) fn hog(photo: &Photo, rect: Rect) -> Vec<f32> {
    const SIDE: usize = 64;
    const CELLS: usize = 8;
    const TURNS: usize = 9;
    let crop = photo.crop(rect).resize(SIDE as u32, SIDE as u32);
    let grey: Vec<f32> =
        crop.rgb().chunks_exact(3).map(|p| p.iter().map(|&c| f32::from(c)).sum::<f32>() / 765.0).collect();
    let at = |x: usize, y: usize| grey[y.min(SIDE - 1) * SIDE + x.min(SIDE - 1)];
    let mut cells = vec![0.0f32; CELLS * CELLS * TURNS];
    for y in 0..SIDE {
        for x in 0..SIDE {
            let dx = at(x + 1, y) - at(x.saturating_sub(1), y);
            let dy = at(x, y + 1) - at(x, y.saturating_sub(1));
            let turn = dy.atan2(dx).rem_euclid(std::f32::consts::PI) / std::f32::consts::PI * TURNS as f32;
            let (low, part) = (turn as usize % TURNS, turn.fract());
            let size = dx.hypot(dy);
            let cell = ((y / 8) * CELLS + x / 8) * TURNS;
            cells[cell + low] += size * (1.0 - part);
            cells[cell + (low + 1) % TURNS] += size * part;
        }
    }
    let mut blocks = Vec::with_capacity((CELLS - 1) * (CELLS - 1) * 4 * TURNS);
    for y in 0..CELLS - 1 {
        for x in 0..CELLS - 1 {
            let of = |x: usize, y: usize| &cells[(y * CELLS + x) * TURNS..][..TURNS];
            let block = [of(x, y), of(x + 1, y), of(x, y + 1), of(x + 1, y + 1)].concat();
            let length = block.iter().map(|v| v * v).sum::<f32>().sqrt() + 1e-3;
            blocks.extend(block.iter().map(|v| v / length));
        }
    }
    unit(blocks)
}

/// The crop at 16 x 16, its mean taken away.
pub(crate) fn raw_pixels(photo: &Photo, rect: Rect) -> Vec<f32> {
    let crop = photo.crop(rect).resize(16, 16);
    let mut pixels: Vec<f32> = crop.rgb().iter().map(|&c| f32::from(c)).collect();
    let mean = pixels.iter().sum::<f32>() / pixels.len() as f32;
    pixels.iter_mut().for_each(|p| *p -= mean);
    unit(pixels)
}

/// Made to length 1; a zero vector stays zero.
fn unit(mut vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|v| v * v).sum::<f32>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|v| *v /= length);
    }
    vector
}

/// sRGB to CIE Lab, white D65 (IEC 61966-2-1; CIE 15).
fn lab(rgb: [u8; 3]) -> [f32; 3] {
    let [r, g, b] = rgb.map(|c| {
        let c = f32::from(c) / 255.0;
        if c <= 0.040_45 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
    });
    let x = (0.412_456 * r + 0.357_576 * g + 0.180_437 * b) / 0.950_47;
    let y = 0.212_673 * r + 0.715_152 * g + 0.072_175 * b;
    let z = (0.019_334 * r + 0.119_192 * g + 0.950_304 * b) / 1.088_83;
    let [x, y, z] = [x, y, z].map(|t| if t > 0.008_856 { t.cbrt() } else { 7.787 * t + 16.0 / 116.0 });
    [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lab_of_known_colours() {
        for (rgb, expected) in [
            ([255, 255, 255], [100.0, 0.0, 0.0]),
            ([255, 0, 0], [53.24, 80.09, 67.20]),
            ([0, 0, 255], [32.30, 79.19, -107.86]),
        ] {
            assert!(lab(rgb).iter().zip(expected).all(|(a, b): (&f32, f32)| (a - b).abs() < 0.2), "{rgb:?}");
        }
    }
}
