//! A perceptual hash of a whole picture: 256 bits that survive resizing, recompression and colour edits.
//!
//! In the manner of PDQ (Facebook 2019): the signs of the 16 x 16 lowest frequencies of the picture's luma at
//! 64 x 64. PDQ compares with the median of the coefficients; we compare with zero, which is nearly the same
//! number and makes each of the eight orientations an exact permutation or inversion of bits. So one DCT, and
//! even the stored hash alone, gives all eight.
//!
//! A crop, a border or a collage moves every frequency: those are for [`same_picture`](crate::same_picture).

use std::f32::consts::PI;

use twinset_photo::Photo;

/// Bits that two hashes of one picture differ in at most; unrelated ones differ in 128 on average.
pub const SAME_HASH_BITS: u32 = 31;

const SIDE: usize = 64;
const FREQUENCIES: usize = 16;
/// A picture whose frequencies are weaker than this, in grey levels (root mean square), has no hash.
const LEAST_DETAIL: f32 = 0.02;
/// The odd frequencies, those that change sign when the axis is turned around. Bit 0 is frequency 1.
const ODD: u16 = 0x5555;

/// 256 bits that say what a whole picture looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PictureHash256 {
    /// One row for each vertical frequency, one bit for each horizontal one, lowest first.
    rows: [u16; FREQUENCIES],
}

/// How a picture was turned or mirrored into another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Orientation {
    /// Rows and columns exchanged, before the others.
    pub transposed: bool,
    /// Left and right exchanged.
    pub mirrored: bool,
    /// Top and bottom exchanged.
    pub flipped: bool,
}

impl Orientation {
    /// All eight, upright first.
    pub const ALL: [Self; 8] = {
        let mut all = [Self { transposed: false, mirrored: false, flipped: false }; 8];
        let mut i = 0;
        while i < 8 {
            all[i] = Self { transposed: i & 4 != 0, mirrored: i & 1 != 0, flipped: i & 2 != 0 };
            i += 1;
        }
        all
    };

    /// A mirror image, not one that was only turned.
    #[must_use]
    pub fn is_mirror(self) -> bool {
        self.transposed ^ self.mirrored ^ self.flipped
    }

    /// Turned by a quarter or a half, whether mirrored too or not.
    #[must_use]
    pub fn is_turn(self) -> bool {
        self.transposed || self.flipped
    }
}

impl PictureHash256 {
    /// `None` for a picture so plain that its hash would be noise.
    #[must_use]
    pub fn of(photo: &Photo) -> Option<Self> {
        let coefficients = low_frequencies(&luma(photo));
        let power = coefficients.as_flattened().iter().map(|c| c * c).sum::<f32>();
        if (power / (FREQUENCIES * FREQUENCIES) as f32).sqrt() < LEAST_DETAIL {
            return None;
        }
        let bits = |row: [f32; FREQUENCIES]| {
            row.iter().enumerate().fold(0, |bits, (v, c)| bits | u16::from(*c > 0.0) << v)
        };
        Some(Self { rows: coefficients.map(bits) })
    }

    /// For storage.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (two, row) in bytes.as_chunks_mut::<2>().0.iter_mut().zip(self.rows) {
            *two = row.to_le_bytes();
        }
        bytes
    }

    /// From storage.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        let mut rows = [0; FREQUENCIES];
        for (row, two) in rows.iter_mut().zip(bytes.as_chunks::<2>().0) {
            *row = u16::from_le_bytes(*two);
        }
        Self { rows }
    }

    /// Bits that differ, 0..=256.
    #[must_use]
    pub fn distance(&self, other: &Self) -> u32 {
        self.rows.iter().zip(other.rows).map(|(a, b)| (a ^ b).count_ones()).sum()
    }

    /// The hash of the picture in another orientation.
    #[must_use]
    pub fn oriented(&self, orientation: Orientation) -> Self {
        let mut rows = self.rows;
        if orientation.transposed {
            rows = std::array::from_fn(|u| {
                self.rows.iter().enumerate().fold(0, |bits, (v, row)| bits | (row >> u & 1) << v)
            });
        }
        for (u, row) in rows.iter_mut().enumerate() {
            *row ^= if orientation.mirrored { ODD } else { 0 };
            *row ^= if orientation.flipped && u % 2 == 0 { u16::MAX } else { 0 };
        }
        Self { rows }
    }

    /// The least [`distance`](Self::distance) over the eight orientations of `other`, with the orientation;
    /// upright where several are equal.
    #[must_use]
    pub fn best_orientation_distance(&self, other: &Self) -> (u32, Orientation) {
        let apart = |o: Orientation| self.distance(&other.oriented(o));
        Orientation::ALL
            .map(|o| (apart(o), o))
            .into_iter()
            .min_by_key(|(bits, _)| *bits)
            .expect("eight of them")
    }
}

/// Luma of Rec. 601 at 64 x 64, 0..=255. Two steps, so that little is lost to rounding.
fn luma(photo: &Photo) -> [[f32; SIDE]; SIDE] {
    let small = photo.resize(2 * SIDE as u32, 2 * SIDE as u32);
    let mut luma = [[0.0; SIDE]; SIDE];
    for (i, pixel) in small.rgb().chunks_exact(3).enumerate() {
        let [r, g, b] = [0, 1, 2].map(|c| f32::from(pixel[c]));
        luma[i / (2 * SIDE) / 2][i % (2 * SIDE) / 2] += (0.299 * r + 0.587 * g + 0.114 * b) / 4.0;
    }
    luma
}

/// Coefficients 1..=16 of the two-dimensional DCT, in grey levels.
fn low_frequencies(luma: &[[f32; SIDE]; SIDE]) -> [[f32; FREQUENCIES]; FREQUENCIES] {
    let wave =
        |k: usize, n: usize| (PI / SIDE as f32 * (n as f32 + 0.5) * (k + 1) as f32).cos() / SIDE as f32;
    let waves: [[f32; SIDE]; FREQUENCIES] = std::array::from_fn(|k| std::array::from_fn(|n| wave(k, n)));
    let dot = |a: &[f32; SIDE], b: &[f32; SIDE]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
    // Along each row first: [row][horizontal frequency].
    let across = luma.map(|row| waves.map(|wave| dot(&row, &wave)));
    std::array::from_fn(|u| {
        std::array::from_fn(|v| waves[u].iter().zip(&across).map(|(wave, row)| wave * row[v]).sum())
    })
}
