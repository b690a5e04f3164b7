//! Activations: [`FeatureMap`] is what leaves this crate, [`Plane`] what the kernels work on.

use crate::simd::Lines;

/// One `[channels, height, width]` map of f32, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureMap {
    /// Slowest axis.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Fastest axis.
    pub width: usize,
    /// `channels * height * width` numbers.
    pub data: Vec<f32>,
}

impl FeatureMap {
    /// The number of channel `c` at row `y`, column `x`.
    ///
    /// # Panics
    /// If the position is outside.
    #[must_use]
    pub fn at(&self, c: usize, y: usize, x: usize) -> f32 {
        self.data[(c * self.height + y) * self.width + x]
    }
}

/// Channels rounded up so that every pixel starts at a whole cache line.
pub(crate) const fn padded(channels: usize) -> usize {
    channels.next_multiple_of(16)
}

/// A map in the kernels' order: pixel by pixel, the channels of a pixel side by side, with a border
/// of one zero pixel all round. Kernels write the inside only, so a plane may be used again and
/// again and its border stays zero: that is the padding of a 3x3 convolution, for nothing.
#[derive(Clone, Debug)]
pub struct Plane {
    /// Rows without the border.
    pub height: usize,
    /// Columns without the border.
    pub width: usize,
    /// Numbers a pixel takes; unused ones at the end are zero.
    pub channels: usize,
    pub(crate) data: Lines,
}

impl Plane {
    /// All zero.
    #[must_use]
    pub fn new(height: usize, width: usize, channels: usize) -> Self {
        Self { height, width, channels, data: Lines::zeroed((height + 2) * (width + 2) * channels) }
    }

    /// Distance between a pixel and the one below it, in numbers.
    pub(crate) fn row(&self) -> usize {
        (self.width + 2) * self.channels
    }

    /// Where the pixel at `y`, `x` starts.
    pub(crate) fn offset(&self, y: usize, x: usize) -> usize {
        (y + 1) * self.row() + (x + 1) * self.channels
    }

    /// The channels of the pixel at `y`, `x`.
    #[must_use]
    pub fn pixel(&self, y: usize, x: usize) -> &[f32] {
        let at = self.offset(y, x);
        &self.data[at..at + self.channels]
    }

    /// The same, to write.
    pub fn pixel_mut(&mut self, y: usize, x: usize) -> &mut [f32] {
        let at = self.offset(y, x);
        &mut self.data[at..at + self.channels]
    }

    /// Row `y` without its border: `width * channels` numbers.
    #[must_use]
    pub fn line(&self, y: usize) -> &[f32] {
        let at = self.offset(y, 0);
        &self.data[at..at + self.width * self.channels]
    }

    /// The same, to write.
    pub fn line_mut(&mut self, y: usize) -> &mut [f32] {
        let (at, length) = (self.offset(y, 0), self.width * self.channels);
        &mut self.data[at..at + length]
    }

    /// The first `channels` channels, in the order the world expects.
    #[must_use]
    pub fn to_map(&self, channels: usize) -> FeatureMap {
        let (height, width) = (self.height, self.width);
        let mut data = vec![0.0; channels * height * width];
        for y in 0..height {
            for x in 0..width {
                for (c, &value) in self.pixel(y, x)[..channels].iter().enumerate() {
                    data[(c * height + y) * width + x] = value;
                }
            }
        }
        FeatureMap { channels, height, width, data }
    }

    /// Adds `small`, each of its pixels repeated twice in both directions.
    pub fn add_upsampled(&mut self, small: &Plane) {
        for y in 0..self.height {
            for x in 0..self.width {
                let from = small.offset(y / 2, x / 2);
                let to = self.offset(y, x);
                let channels = self.channels;
                for (a, b) in self.data[to..to + channels].iter_mut().zip(&small.data[from..from + channels])
                {
                    *a += b;
                }
            }
        }
    }
}
