//! Distinct places of a whole picture, described so that a crop, a collage or a recompressed copy shows them again.
//!
//! Corners (Shi and Tomasi 1994) at nine sizes of the picture; each is described by the signs of the 63 lowest
//! frequencies of the square around it, so that, as with the hash of whole pictures, the mirror image of a
//! description is an exact change of bits. Copies are neither turned by odd angles nor bent, so descriptions
//! need not bear that, and it is what keeps other photos of the same garment apart from copies of one photo.

use std::f32::consts::PI;

use twinset_photo::Photo;

/// Longer side of the largest size, pixels. Places are told in pixels of that size.
const LONGER_SIDE: f32 = 256.0;
/// Sizes, each smaller than the one before by the cube root of 2.
const SIZES: usize = 9;
/// Side of a described square, pixels of its size.
const PATCH: usize = 24;
const FREQUENCIES: usize = 8;
/// One spot for so many pixels of a size, within these limits.
const PIXELS_A_SPOT: usize = 220;
const SPOTS_A_SIZE: std::ops::RangeInclusive<usize> = 16..=72;
/// A corner's smaller eigenvalue, in squared grey levels a pixel, must reach this.
const LEAST_CORNER: f32 = 4.0;
/// Of the 63 bits of a description, those of odd horizontal frequencies.
const ODD: u64 = 0xaaaa_aaaa_aaaa_aaaa;

/// A grey picture, 0..=255, row by row.
#[derive(Clone, Debug)]
pub(crate) struct Grey {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) luma: Vec<f32>,
}

impl Grey {
    /// Luma of Rec. 601.
    pub(crate) fn of(photo: &Photo) -> Self {
        let luma = photo.rgb().chunks_exact(3).map(|p| {
            let [r, g, b] = [0, 1, 2].map(|c| f32::from(p[c]));
            0.299 * r + 0.587 * g + 0.114 * b
        });
        Self { width: photo.width() as usize, height: photo.height() as usize, luma: luma.collect() }
    }

    /// Between pixels; the nearest where it lies outside.
    pub(crate) fn at(&self, x: f32, y: f32) -> f32 {
        let (x, y) =
            ((x - 0.5).clamp(0.0, (self.width - 1) as f32), (y - 0.5).clamp(0.0, (self.height - 1) as f32));
        let (left, top) = (x as usize, y as usize);
        let (right, bottom) = ((left + 1).min(self.width - 1), (top + 1).min(self.height - 1));
        let (u, v) = (x - left as f32, y - top as f32);
        let pixel = |x: usize, y: usize| self.luma[y * self.width + x];
        (pixel(left, top) * (1.0 - u) + pixel(right, top) * u) * (1.0 - v)
            + (pixel(left, bottom) * (1.0 - u) + pixel(right, bottom) * u) * v
    }
}

/// One distinct place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spot {
    /// In pixels of the largest size.
    pub(crate) at: [f32; 2],
    /// Signs of frequencies; bit `8 * vertical + horizontal`, bit 0 unused.
    pub(crate) bits: u64,
}

impl Spot {
    /// Bits that differ, 0..=63.
    pub(crate) fn distance(&self, other: &Self) -> u32 {
        (self.bits ^ other.bits).count_ones()
    }

    /// The same place in the mirror image of a picture of this width.
    pub(crate) fn mirrored(&self, width: f32) -> Self {
        Self { at: [width - self.at[0], self.at[1]], bits: self.bits ^ ODD }
    }
}

/// The picture at its largest size, and its spots.
pub(crate) fn find(photo: &Photo) -> (Photo, Vec<Spot>) {
    let longer = photo.width().max(photo.height()) as f32;
    let at_size = |longer_side: f32| {
        let side = |full: u32| ((full as f32 * longer_side / longer).round() as u32).max(1);
        photo.resize(side(photo.width()), side(photo.height()))
    };
    let largest = at_size(LONGER_SIDE);
    let waves = waves();
    let mut spots = Vec::new();
    for size in 0..SIZES {
        let photo = at_size(LONGER_SIDE * (-(size as f32) / 3.0).exp2());
        if (photo.width().min(photo.height()) as usize) < PATCH {
            break;
        }
        let scale =
            [largest.width() as f32 / photo.width() as f32, largest.height() as f32 / photo.height() as f32];
        let grey = Grey::of(&photo);
        for (x, y) in corners(&grey) {
            let at = [x as f32 * scale[0], y as f32 * scale[1]];
            spots.push(Spot { at, bits: describe(&grey, &waves, x, y) });
        }
    }
    (largest, spots)
}

/// The strongest corners, one a cell of 8 x 8 pixels, away from the rim by half a patch.
fn corners(grey: &Grey) -> Vec<(usize, usize)> {
    const RIM: usize = PATCH / 2;
    const CELL: usize = 8;
    let (width, height) = (grey.width, grey.height);
    // Products of gradients: xx, xy, yy.
    let mut products = vec![[0.0f32; 3]; width * height];
    for y in 1..height - 1 {
        for x in 1..width - 1 {
            let i = y * width + x;
            let dx = (grey.luma[i + 1] - grey.luma[i - 1]) / 2.0;
            let dy = (grey.luma[i + width] - grey.luma[i - width]) / 2.0;
            products[i] = [dx * dx, dx * dy, dy * dy];
        }
    }
    let mut summed = products.clone();
    box_sums(&products, &mut summed, 1);
    box_sums(&summed, &mut products, width);
    let strength = |x: usize, y: usize| {
        let [xx, xy, yy] = products[y * width + x].map(|p| p / 25.0);
        (xx + yy) / 2.0 - (((xx - yy) / 2.0).powi(2) + xy * xy).sqrt()
    };
    let mut best = Vec::new();
    for top in (RIM..=height - RIM).step_by(CELL) {
        for left in (RIM..=width - RIM).step_by(CELL) {
            let cell = (top..(top + CELL).min(height - RIM + 1))
                .flat_map(|y| (left..(left + CELL).min(width - RIM + 1)).map(move |x| (x, y)))
                .map(|(x, y)| (strength(x, y), x, y))
                .max_by(|a, b| a.0.total_cmp(&b.0).then((b.2, b.1).cmp(&(a.2, a.1))));
            best.extend(cell.filter(|c| c.0 >= LEAST_CORNER));
        }
    }
    best.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.2, a.1).cmp(&(b.2, b.1))));
    best.truncate((width * height / PIXELS_A_SPOT).clamp(*SPOTS_A_SIZE.start(), *SPOTS_A_SIZE.end()));
    best.into_iter().map(|(_, x, y)| (x, y)).collect()
}

/// Sums of five neighbours, `step` apart; the two at each end of the array stay as they are.
fn box_sums(from: &[[f32; 3]], to: &mut [[f32; 3]], step: usize) {
    for i in 2 * step..from.len().saturating_sub(2 * step) {
        to[i] = std::array::from_fn(|c| (0..5).map(|k| from[i + k * step - 2 * step][c]).sum());
    }
}

type Waves = [[f32; PATCH]; FREQUENCIES];

fn waves() -> Waves {
    let wave = |k: usize, n: usize| (PI / PATCH as f32 * (n as f32 + 0.5) * k as f32).cos();
    std::array::from_fn(|k| std::array::from_fn(|n| wave(k, n)))
}

/// Signs of the frequencies of the square whose middle is the corner (x, y) of pixels.
fn describe(grey: &Grey, waves: &Waves, x: usize, y: usize) -> u64 {
    let mut across = [[0.0f32; FREQUENCIES]; PATCH];
    for (row, out) in across.iter_mut().enumerate() {
        let first = (y + row - PATCH / 2) * grey.width + x - PATCH / 2;
        let pixels = &grey.luma[first..first + PATCH];
        *out = waves.map(|wave| wave.iter().zip(pixels).map(|(w, p)| w * p).sum());
    }
    let mut bits = 0;
    for (u, wave) in waves.iter().enumerate() {
        for v in 0..FREQUENCIES {
            let c: f32 = wave.iter().zip(&across).map(|(w, row)| w * row[v]).sum();
            bits |= u64::from(c > 0.0 && (u, v) != (0, 0)) << (FREQUENCIES * u + v);
        }
    }
    bits
}
