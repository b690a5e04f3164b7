//! Samples as a decoder leaves them, before they are a [`Photo`](crate::Photo).

/// What the channels of a [`Raster`] are, 8 bits each, interleaved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Channels {
    Grey,
    GreyAlpha,
    Rgb,
    Rgba,
    /// Four inks, 0 none to 255 full.
    Cmyk,
}

impl Channels {
    pub(crate) fn count(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::GreyAlpha => 2,
            Self::Rgb => 3,
            Self::Rgba | Self::Cmyk => 4,
        }
    }

    pub(crate) fn has_alpha(self) -> bool {
        matches!(self, Self::GreyAlpha | Self::Rgba)
    }
}

/// Stored pixels, row by row, no padding, in the file's own colours and not yet upright.
#[derive(Debug)]
pub(crate) struct Raster {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) channels: Channels,
    pub(crate) samples: Vec<u8>,
}

impl Raster {
    /// Averages over squares of `factor` x `factor` pixels; those at the right and lower edge may be
    /// cut. Sides become `side.div_ceil(factor)`.
    pub(crate) fn reduce(self, factor: u32) -> Raster {
        if factor <= 1 {
            return self;
        }
        let samples = match self.channels.count() {
            1 => reduce::<1>(&self, factor as usize),
            2 => reduce::<2>(&self, factor as usize),
            3 => reduce::<3>(&self, factor as usize),
            _ => reduce::<4>(&self, factor as usize),
        };
        let (width, height) = (self.width.div_ceil(factor), self.height.div_ceil(factor));
        Raster { width, height, samples, ..self }
    }

    /// Lays RGBA over white. Other rasters stay as they are.
    pub(crate) fn flatten(mut self) -> Raster {
        if self.channels != Channels::Rgba {
            return self;
        }
        let pixels = self.samples.len() / 4;
        for pixel in 0..pixels {
            let [r, g, b, alpha] = [0, 1, 2, 3].map(|i| u32::from(self.samples[pixel * 4 + i]));
            for (i, value) in [r, g, b].into_iter().enumerate() {
                let over = value * alpha + 255 * (255 - alpha);
                self.samples[pixel * 3 + i] = ((over + 127) / 255) as u8;
            }
        }
        self.samples.truncate(pixels * 3);
        Raster { channels: Channels::Rgb, ..self }
    }
}

fn reduce<const N: usize>(raster: &Raster, factor: usize) -> Vec<u8> {
    let stride = raster.width as usize * N;
    let columns = (raster.width as usize).div_ceil(factor);
    let mut out = Vec::with_capacity(columns * (raster.height as usize).div_ceil(factor) * N);
    // First the rows of a square together, which the compiler does many samples at a time. A sum of
    // 65,535 x 65,535 bytes would not fit, but such squares have no more than the pixel limit.
    let mut sums = vec![0_u32; stride];
    for rows in raster.samples.chunks(stride * factor) {
        let row_count = (rows.len() / stride) as u32;
        sums.fill(0);
        for row in rows.chunks_exact(stride) {
            for (sum, sample) in sums.iter_mut().zip(row) {
                *sum += u32::from(*sample);
            }
        }
        for square in sums.chunks(factor * N) {
            let mut total = [0_u64; N];
            for pixel in square.chunks_exact(N) {
                for (total, sum) in total.iter_mut().zip(pixel) {
                    *total += u64::from(*sum);
                }
            }
            let area = u64::from(row_count) * (square.len() / N) as u64;
            out.extend(total.map(|sum| ((sum + area / 2) / area) as u8));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The plain form of [`Raster::reduce`].
    fn reference(raster: &Raster, factor: u32) -> Vec<u8> {
        let count = raster.channels.count();
        let mut out = Vec::new();
        for top in (0..raster.height).step_by(factor as usize) {
            for left in (0..raster.width).step_by(factor as usize) {
                for channel in 0..count {
                    let (mut sum, mut area) = (0, 0);
                    for y in top..(top + factor).min(raster.height) {
                        for x in left..(left + factor).min(raster.width) {
                            let at = (y * raster.width + x) as usize * count + channel;
                            sum += u32::from(raster.samples[at]);
                            area += 1;
                        }
                    }
                    out.push(((sum + area / 2) / area) as u8);
                }
            }
        }
        out
    }

    #[test]
    fn reducing_averages_squares() {
        let mut state = 5_u32;
        for channels in [Channels::Grey, Channels::GreyAlpha, Channels::Rgb, Channels::Rgba, Channels::Cmyk] {
            for (width, height, factor) in
                [(17, 9, 2), (16, 8, 4), (1, 100, 7), (100, 1, 8), (3, 3, 9), (8, 8, 1)]
            {
                let count = width as usize * height as usize * channels.count();
                let samples = (0..count)
                    .map(|_| {
                        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        (state >> 24) as u8
                    })
                    .collect();
                let raster = Raster { width, height, channels, samples };
                let wanted = reference(&raster, factor);
                let reduced = raster.reduce(factor);
                assert_eq!(
                    (reduced.width, reduced.height),
                    (width.div_ceil(factor), height.div_ceil(factor))
                );
                assert_eq!(reduced.samples, wanted, "{channels:?} {width}x{height} by {factor}");
            }
        }
    }

    #[test]
    fn flattening_lays_over_white() {
        let samples = vec![10, 20, 30, 255, 10, 20, 30, 0, 0, 100, 255, 128];
        let flat = Raster { width: 3, height: 1, channels: Channels::Rgba, samples }.flatten();
        assert_eq!(flat.channels, Channels::Rgb);
        assert_eq!(flat.samples, [10, 20, 30, 255, 255, 255, 127, 177, 255]);
    }
}
