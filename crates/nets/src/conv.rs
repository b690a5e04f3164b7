//! One convolution with bias and ReLU, planned once for its size and run many times.
//!
//! Three ways, the same numbers: plain loops (the oracle), direct (see `simd`), and Winograd's
//! F(4x4, 3x3) or F(2x2, 3x3) for stride 1, which trades 4 or 2.25 times fewer multiplications
//! for transforms and more weight traffic. Lavin and Gray 2016; the middle step is the direct
//! kernel once per frequency.

use crate::plane::{Plane, padded};
use crate::simd::{self, Kernel, Lines, Sweep, Tiles};

/// Sizes of a convolution with a square window of 1 or 3, zero padding of `size / 2`.
#[derive(Clone, Copy, Debug)]
pub struct ConvShape {
    /// Input channels of the weights.
    pub from: usize,
    /// Output channels of the weights.
    pub to: usize,
    /// Side of the window: 1 or 3.
    pub size: usize,
    /// 1 or 2.
    pub stride: usize,
    /// Rows of the result.
    pub height: usize,
    /// Columns of the result.
    pub width: usize,
    /// Whether negative results become zero.
    pub relu: bool,
}

/// How a convolution is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Whatever was fastest when measured (`examples/net_speed.rs`).
    Auto,
    /// Tiles over the input itself.
    Direct,
    /// Winograd with results of 2x2 or 4x4 pixels; only for 3x3 windows of stride 1 on sizes that
    /// are multiples, direct otherwise.
    Winograd(usize),
}

/// Memory that convolutions share, one after the other.
#[derive(Debug, Default)]
pub struct Scratch {
    before: Lines,
    after: Lines,
}

/// Bytes that the two spectra of a block of Winograd tiles may take together: they should stay in
/// the second-level cache beside the weights of a frequency.
const SPECTRA: usize = 512 << 10;

/// A planned convolution.
#[derive(Clone, Debug)]
pub struct Conv {
    shape: ConvShape,
    kernel: Kernel,
    /// Numbers an input pixel takes.
    from_plane: usize,
    bias: Lines,
    plan: Plan,
}

#[derive(Clone, Debug)]
enum Plan {
    /// As they came: `[to, from, size, size]`.
    Scalar {
        weights: Vec<f32>,
    },
    Direct {
        packed: Lines,
    },
    /// One packed matrix per frequency.
    Winograd {
        side: usize,
        packed: Lines,
    },
}

impl Conv {
    /// `weights`: `[to, from, size, size]`; `from_plane`: numbers an input pixel takes.
    ///
    /// # Panics
    /// If the slices do not have the shape's lengths: the package was checked before.
    #[must_use]
    pub fn new(
        kernel: Kernel,
        method: Method,
        shape: ConvShape,
        from_plane: usize,
        weights: &[f32],
        bias: &[f32],
    ) -> Self {
        let ConvShape { from, to, size, .. } = shape;
        assert!(weights.len() == to * from * size * size && bias.len() == to && from <= from_plane);
        assert!(matches!((size, shape.stride), (1, 1) | (3, 1 | 2)));
        let mut padded_bias = Lines::zeroed(padded(to));
        padded_bias[..to].copy_from_slice(bias);
        let method = match method {
            Method::Auto => automatic(&shape),
            Method::Winograd(side) if !winograd_fits(&shape, side) => Method::Direct,
            other => other,
        };
        let plan = match method {
            _ if kernel == Kernel::Scalar => Plan::Scalar { weights: weights.to_vec() },
            Method::Winograd(side) => {
                Plan::Winograd { side, packed: pack_winograd(kernel, &shape, from_plane, weights, side) }
            }
            _ => {
                // Reduction in the order of memory: window row, window column, input channel.
                let at = |out: usize, i: usize| {
                    let (c, window) = (i % from_plane, i / from_plane);
                    if c < from { weights[(out * from + c) * size * size + window] } else { 0.0 }
                };
                let mut packed = Lines::zeroed(size * size * from_plane * padded(to));
                pack(kernel, to, size * size * from_plane, at, &mut packed);
                Plan::Direct { packed }
            }
        };
        Self { shape, kernel, from_plane, bias: padded_bias, plan }
    }

    /// A plane for the result.
    #[must_use]
    pub fn output(&self) -> Plane {
        Plane::new(self.shape.height, self.shape.width, padded(self.shape.to))
    }

    /// Output channels of the weights.
    pub(crate) fn to(&self) -> usize {
        self.shape.to
    }

    /// Multiplications and additions of the plain algorithm.
    #[must_use]
    pub fn flops(&self) -> f64 {
        let s = &self.shape;
        2.0 * (s.from * s.to * s.size * s.size * s.height * s.width) as f64
    }

    /// Computes the convolution of `input` into `out`, a plane as [`Conv::output`] makes it.
    ///
    /// # Panics
    /// If a plane does not have the planned size.
    pub fn run(&self, input: &Plane, out: &mut Plane, scratch: &mut Scratch) {
        let s = &self.shape;
        assert!(input.channels == self.from_plane);
        assert!((input.height, input.width) == (s.height * s.stride, s.width * s.stride));
        assert!((out.height, out.width, out.channels) == (s.height, s.width, padded(s.to)));
        match &self.plan {
            Plan::Scalar { weights } => self.run_scalar(weights, input, out),
            Plan::Direct { packed } => {
                // The border is one pixel wide: a 3x3 window of the first pixel starts in it.
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
                    relu: s.relu,
                };
                simd::multiply(self.kernel, &sweep, &input.data, packed, &self.bias, &mut out.data);
            }
            Plan::Winograd { side, packed } => self.run_winograd(*side, packed, input, out, scratch),
        }
    }

    fn run_scalar(&self, weights: &[f32], input: &Plane, out: &mut Plane) {
        let s = self.shape;
        let reach = (s.size / 2) as isize;
        for y in 0..s.height {
            for x in 0..s.width {
                for k in 0..s.to {
                    let mut sum = f64::from(self.bias[k]);
                    for dy in 0..s.size {
                        for dx in 0..s.size {
                            let (sy, sx) =
                                ((y * s.stride + dy) as isize - reach, (x * s.stride + dx) as isize - reach);
                            if sy < 0 || sx < 0 || sy as usize >= input.height || sx as usize >= input.width {
                                continue;
                            }
                            let pixel = input.pixel(sy as usize, sx as usize);
                            for c in 0..s.from {
                                let weight = weights[((k * s.from + c) * s.size + dy) * s.size + dx];
                                sum += f64::from(weight) * f64::from(pixel[c]);
                            }
                        }
                    }
                    let sum = sum as f32;
                    out.pixel_mut(y, x)[k] = if s.relu { sum.max(0.0) } else { sum };
                }
            }
        }
    }

    fn run_winograd(
        &self,
        side: usize,
        packed: &Lines,
        input: &Plane,
        out: &mut Plane,
        scratch: &mut Scratch,
    ) {
        let s = &self.shape;
        let (from, to) = (input.channels, out.channels);
        let frequencies = (side + 2) * (side + 2);
        let per_row = s.width / side;
        let all = per_row * (s.height / side);
        let block = (SPECTRA / (4 * frequencies * (from + to))).max(24).min(all);
        let no_bias = Lines::zeroed(to);
        scratch.before.reserve_len(frequencies * block * from);
        scratch.after.reserve_len(frequencies * block * to);
        for first in (0..all).step_by(block) {
            let count = block.min(all - first);
            let tiles = Tiles { side, per_row, first, count, row: input.row(), col: from, channels: from };
            simd::winograd_in(self.kernel, &tiles, &input.data, 0, &mut scratch.before);
            for f in 0..frequencies {
                let sweep = Sweep {
                    height: 1,
                    width: count,
                    from: f * count * from,
                    from_row: 0,
                    from_col: from,
                    runs: 1,
                    run: from,
                    run_step: 0,
                    to: f * count * to,
                    to_row: 0,
                    to_col: to,
                    channels: to,
                    relu: false,
                };
                let weights = &packed[f * from * to..(f + 1) * from * to];
                simd::multiply(self.kernel, &sweep, &scratch.before, weights, &no_bias, &mut scratch.after);
            }
            let tiles = Tiles { row: out.row(), col: to, channels: to, ..tiles };
            let start = out.offset(0, 0);
            simd::winograd_out(self.kernel, &tiles, &scratch.after, &self.bias, s.relu, &mut out.data, start);
        }
    }
}

fn winograd_fits(s: &ConvShape, side: usize) -> bool {
    s.size == 3
        && s.stride == 1
        && s.from >= 16
        && s.height.is_multiple_of(side)
        && s.width.is_multiple_of(side)
}

/// The choice by measurement (`examples/net_speed.rs`). F(4) is the fastest layer by layer wherever it
/// fits, also on 8 x 8; but its weights take 4 times the room of the plain ones, F(2)'s 1.8 times, and
/// deep layers on small maps are all weights. In whole networks the two came out equal there, so
/// the smaller one is taken: it leaves the shared cache to others.
fn automatic(s: &ConvShape) -> Method {
    if winograd_fits(s, 4) && s.height * s.width >= 256 {
        Method::Winograd(4)
    } else if winograd_fits(s, 2) && s.from >= 64 {
        Method::Winograd(2)
    } else {
        Method::Direct
    }
}

/// Writes `rows` rows of every panel; `at(out, row)` is the weight.
fn pack(kernel: Kernel, to: usize, rows: usize, at: impl Fn(usize, usize) -> f32, packed: &mut [f32]) {
    let mut next = 0;
    for (start, width) in kernel.panels(padded(to)) {
        for row in 0..rows {
            for out in start..start + width {
                packed[next] = if out < to { at(out, row) } else { 0.0 };
                next += 1;
            }
        }
    }
}

/// The transformed weights, all frequencies of a panel's row at once: training packs anew at every step.
fn pack_winograd(kernel: Kernel, s: &ConvShape, from_plane: usize, weights: &[f32], side: usize) -> Lines {
    // The matrices G of the two algorithms.
    const G4: [[f32; 3]; 6] = [
        [0.25, 0.0, 0.0],
        [-1.0 / 6.0, -1.0 / 6.0, -1.0 / 6.0],
        [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
        [1.0 / 24.0, 1.0 / 12.0, 1.0 / 6.0],
        [1.0 / 24.0, -1.0 / 12.0, 1.0 / 6.0],
        [0.0, 0.0, 1.0],
    ];
    const G2: [[f32; 3]; 4] = [[1.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.0, 0.0, 1.0]];
    const PANEL: usize = 32;
    let g: &[[f32; 3]] = if side == 4 { &G4 } else { &G2 };
    let n = g.len();
    let step = from_plane * padded(s.to);
    let mut packed = Lines::zeroed(n * n * step);
    for (start, width) in kernel.panels(padded(s.to)) {
        let outs = start..(start + width).min(s.to);
        for c in 0..s.from {
            let mut taps = [[0f32; PANEL]; 9];
            for (lane, out) in outs.clone().enumerate() {
                for (tap, w) in weights[(out * s.from + c) * 9..][..9].iter().enumerate() {
                    taps[tap][lane] = *w;
                }
            }
            let mix = |g: &[f32; 3], v: [&[f32; PANEL]; 3]| -> [f32; PANEL] {
                std::array::from_fn(|i| g[0] * v[0][i] + g[1] * v[1][i] + g[2] * v[2][i])
            };
            for (y, gy) in g.iter().enumerate() {
                let half: [[f32; PANEL]; 3] =
                    std::array::from_fn(|x| mix(gy, [&taps[x], &taps[3 + x], &taps[6 + x]]));
                for (x, gx) in g.iter().enumerate() {
                    let at = (y * n + x) * step + start * from_plane + c * width;
                    packed[at..at + width].copy_from_slice(&mix(gx, [&half[0], &half[1], &half[2]])[..width]);
                }
            }
        }
    }
    packed
}
