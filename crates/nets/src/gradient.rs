//! How a convolution's weights should change, for training on the host.
//!
//! The gradient of its input needs nothing new: that is a convolution of the result's gradient with the mirrored
//! weights.

use crate::conv::ConvShape;
use crate::plane::Plane;
use crate::simd::{self, Kernel, Lines, Sweep};

/// The sum over images of a convolution's weight gradients.
#[derive(Clone, Debug)]
pub struct WeightGradient {
    shape: ConvShape,
    /// Numbers an input pixel takes.
    from_plane: usize,
    /// `[window row, window column, input number, output channel]`.
    sums: Lines,
}

impl WeightGradient {
    /// Zero. `from_plane`: numbers an input pixel takes; the shape's output channels are a multiple of 16.
    #[must_use]
    pub fn new(shape: ConvShape, from_plane: usize) -> Self {
        Self { shape, from_plane, sums: Lines::zeroed(shape.size * shape.size * from_plane * shape.to) }
    }

    /// Adds what `inputs` and the gradients of their results say.
    ///
    /// # Panics
    /// If a plane does not have the size of the shape.
    pub fn add(&mut self, kernel: Kernel, inputs: &[Plane], gradients: &[Plane]) {
        let s = &self.shape;
        assert_eq!(inputs.len(), gradients.len());
        let Some((input, out)) = inputs.first().zip(gradients.first()) else { return };
        let size = |p: &Plane| (p.height, p.width, p.channels);
        assert_eq!(size(input), (s.height * s.stride, s.width * s.stride, self.from_plane));
        assert_eq!(size(out), (s.height, s.width, s.to));
        assert!(
            inputs.iter().all(|p| size(p) == size(input)) && gradients.iter().all(|p| size(p) == size(out))
        );
        let sweep = Sweep {
            height: s.height,
            width: s.width,
            from: if s.size == 3 { 0 } else { input.offset(0, 0) },
            from_row: input.row() * s.stride,
            from_col: input.channels * s.stride,
            runs: s.size,
            run: s.size * input.channels,
            run_step: input.row(),
            to: out.offset(0, 0),
            to_row: out.row(),
            to_col: out.channels,
            channels: out.channels,
            relu: false,
        };
        let pairs: Vec<(&[f32], &[f32])> =
            inputs.iter().zip(gradients).map(|(i, g)| (&i.data[..], &g.data[..])).collect();
        simd::correlate(kernel, &sweep, &pairs, &mut self.sums);
    }

    /// Adds another sum of the same shape.
    pub fn merge(&mut self, other: &Self) {
        self.sums.iter_mut().zip(&other.sums[..]).for_each(|(a, b)| *a += b);
    }

    /// `[to, from, size, size]`, as weights are stored.
    #[must_use]
    pub fn to_weights(&self) -> Vec<f32> {
        let ConvShape { from, to, size, .. } = self.shape;
        let mut out = vec![0.0; to * from * size * size];
        for window in 0..size * size {
            for c in 0..from {
                let row = &self.sums[(window * self.from_plane + c) * to..][..to];
                for (k, value) in row.iter().enumerate() {
                    out[(k * from + c) * size * size + window] = *value;
                }
            }
        }
        out
    }
}
