//! The walled place of unsafe code: vector kernels behind run-time detection.
//!
//! In: slices whose bounds the safe functions here check once. Out: the same numbers, larger.
//! Nothing outside this file uses intrinsics or raw pointers.
//!
//! One kernel carries all: a *tile* of `P` pixels times two vectors of output channels is kept in
//! registers while the reduction runs along contiguous input numbers (in pixel order, the three
//! columns of a 3x3 window lie side by side). The same tile does 3x3 convolutions of both strides,
//! 1x1 convolutions, linear layers and the middle of Winograd's algorithm; no im2col is written.
//! It is generic over [`Vector`]; the `#[target_feature]` functions at the end instantiate it.
#![allow(unsafe_code)]
#![allow(unsafe_op_in_unsafe_fn)] // the bodies are one unsafe operation after the other
#![allow(clippy::needless_range_loop)] // loops over fixed small counts, to be unrolled into registers

use std::ops::{Deref, DerefMut};

/// How the networks are computed on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// Plain loops, slow and obvious: the oracle.
    Scalar,
    /// The tiles without intrinsics; the compiler makes NEON of them on ARM.
    Portable,
    /// AVX2 with FMA.
    Avx2,
    /// AVX-512F.
    Avx512,
}

impl Kernel {
    /// The fastest that this processor runs.
    #[must_use]
    pub fn best() -> Self {
        Self::available().pop().unwrap_or(Self::Portable)
    }

    /// All that this processor runs, slowest first.
    #[must_use]
    pub fn available() -> Vec<Self> {
        #[allow(unused_mut)]
        let mut kernels = vec![Self::Scalar, Self::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                kernels.push(Self::Avx2);
            }
            if is_x86_feature_detected!("avx512f") {
                kernels.push(Self::Avx512);
            }
        }
        kernels
    }

    /// Output channels that are packed side by side when `left` remain.
    fn panel(self, left: usize) -> usize {
        match self {
            Self::Scalar | Self::Portable => 8,
            Self::Avx2 => 16,
            Self::Avx512 => left.min(32),
        }
    }

    /// First channel and width of each panel of `channels` (a multiple of 16).
    pub(crate) fn panels(self, channels: usize) -> impl Iterator<Item = (usize, usize)> {
        let mut start = 0;
        std::iter::from_fn(move || {
            let width = self.panel(channels - start);
            start += width;
            (start <= channels && width > 0).then(|| (start - width, width))
        })
    }
}

#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Line([f32; 16]);

/// Numbers that start at a cache line: an AVX-512 load that crosses lines costs twice.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines {
    lines: Vec<Line>,
    len: usize,
}

impl Lines {
    pub(crate) fn zeroed(len: usize) -> Self {
        Self { lines: vec![Line([0.0; 16]); len.div_ceil(16)], len }
    }

    /// Makes room for `len` numbers; what they are is not said.
    pub(crate) fn reserve_len(&mut self, len: usize) {
        if self.lines.len() * 16 < len {
            self.lines.resize(len.div_ceil(16), Line([0.0; 16]));
        }
        self.len = len;
    }
}

impl Deref for Lines {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        // SAFETY: `lines` holds at least `len` initialised f32 without padding between them.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

impl DerefMut for Lines {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}

/// A product of packed weights with the neighbourhoods of a grid of points. Distances in numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sweep {
    /// Rows and columns of the grid.
    pub height: usize,
    pub width: usize,
    /// Where the first point's neighbourhood starts, and steps to the next row and column.
    pub from: usize,
    pub from_row: usize,
    pub from_col: usize,
    /// The neighbourhood: `runs` runs of `run` numbers, `run_step` apart.
    pub runs: usize,
    pub run: usize,
    pub run_step: usize,
    /// The same three for the result.
    pub to: usize,
    pub to_row: usize,
    pub to_col: usize,
    /// Results a point, a multiple of 16.
    pub channels: usize,
    pub relu: bool,
}

/// `out[point] = bias + weights * neighbourhood(point)`, then ReLU if asked.
///
/// `weights` holds, for each of the kernel's panels, `runs * run` rows of the panel's width.
///
/// # Panics
/// If any of the slices is too short for the sweep.
pub(crate) fn multiply(
    kernel: Kernel,
    s: &Sweep,
    input: &[f32],
    weights: &[f32],
    bias: &[f32],
    out: &mut [f32],
) {
    assert!(s.height > 0 && s.width > 0 && s.runs > 0 && s.channels.is_multiple_of(16));
    let (y, x) = (s.height - 1, s.width - 1);
    assert!(s.from + y * s.from_row + x * s.from_col + (s.runs - 1) * s.run_step + s.run <= input.len());
    assert!(s.to + y * s.to_row + x * s.to_col + s.channels <= out.len());
    assert!(weights.len() == s.runs * s.run * s.channels && bias.len() == s.channels);
    let (input, weights, bias, out) = (input.as_ptr(), weights.as_ptr(), bias.as_ptr(), out.as_mut_ptr());
    // SAFETY: the bounds were checked above for the farthest point; `Kernel`s other than Scalar and
    // Portable are only handed out by `available`, which asked the processor.
    unsafe {
        match kernel {
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512 => x86::multiply_avx512(s, input, weights, bias, out),
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2 => x86::multiply_avx2(s, input, weights, bias, out),
            _ => multiply_with::<Plain, 4>(s, input, weights, bias, out),
        }
    }
}

/// The transposed sweep, for training: `sums[i][k] += neighbourhood(point)[i] * gradient(point)[k]` over all points of
/// all `pairs` (input, gradient); `to` and its steps walk the gradient. `sums`: `[runs * run, channels]`.
///
/// # Panics
/// If any of the slices is too short for the sweep.
pub(crate) fn correlate(kernel: Kernel, s: &Sweep, pairs: &[(&[f32], &[f32])], sums: &mut [f32]) {
    assert!(s.height > 0 && s.width > 0 && s.runs > 0 && s.channels.is_multiple_of(16));
    let (y, x) = (s.height - 1, s.width - 1);
    let reach = s.from + y * s.from_row + x * s.from_col + (s.runs - 1) * s.run_step + s.run;
    let span = s.to + y * s.to_row + x * s.to_col + s.channels;
    assert!(pairs.iter().all(|(input, gradient)| reach <= input.len() && span <= gradient.len()));
    assert!(sums.len() == s.runs * s.run * s.channels);
    // SAFETY: the bounds were checked above for the farthest point of every pair; kernels as in `multiply`.
    unsafe {
        match kernel {
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512 => x86::correlate_avx512(s, pairs, sums.as_mut_ptr()),
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2 => x86::correlate_avx2(s, pairs, sums.as_mut_ptr()),
            _ => correlate_with::<Plain, 4>(s, pairs, sums.as_mut_ptr()),
        }
    }
}

/// Winograd tiles: `OUT`x`OUT` results from `IN`x`IN` inputs (Lavin and Gray 2016).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tiles {
    /// Side of a tile's result: 2 or 4.
    pub side: usize,
    /// Tiles a row of the plane.
    pub per_row: usize,
    /// The tiles to do now.
    pub first: usize,
    pub count: usize,
    /// Steps in the plane to the next pixel below and to the right.
    pub row: usize,
    pub col: usize,
    /// A multiple of 16.
    pub channels: usize,
}

impl Tiles {
    fn frequencies(&self) -> usize {
        (self.side + 2) * (self.side + 2)
    }

    /// Checks that `plane` from `start` holds the tiles when each reads or writes `reach` pixels.
    fn check(&self, plane: usize, start: usize, reach: usize, spectrum: usize) {
        assert!(
            matches!(self.side, 2 | 4)
                && self.count > 0
                && self.channels.is_multiple_of(16)
                && self.channels <= self.col
        );
        let last = (self.first + self.count - 1) / self.per_row;
        let y = last * self.side + reach - 1;
        let x = (self.per_row - 1) * self.side + reach - 1;
        assert!(start + y * self.row + x * self.col + self.channels <= plane);
        assert!(self.frequencies() * self.count * self.channels <= spectrum);
    }
}

/// Input transform: `spectrum[frequency][tile][channel]`. `start` is the upper left pixel that the
/// first tile of all reads (in the border).
pub(crate) fn winograd_in(kernel: Kernel, t: &Tiles, plane: &[f32], start: usize, spectrum: &mut [f32]) {
    t.check(plane.len(), start, t.side + 2, spectrum.len());
    // SAFETY: checked above for the last tile and the last frequency; kernels as in `multiply`.
    unsafe {
        let (plane, spectrum) = (plane.as_ptr().add(start), spectrum.as_mut_ptr());
        match kernel {
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512 => x86::winograd_in_avx512(t, plane, spectrum),
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2 => x86::winograd_in_avx2(t, plane, spectrum),
            _ => winograd_in_any::<Plain>(t, plane, spectrum),
        }
    }
}

/// Output transform with bias and, if asked, ReLU. `start` is the first result pixel of all.
pub(crate) fn winograd_out(
    kernel: Kernel,
    t: &Tiles,
    spectrum: &[f32],
    bias: &[f32],
    relu: bool,
    plane: &mut [f32],
    start: usize,
) {
    t.check(plane.len(), start, t.side, spectrum.len());
    assert!(bias.len() == t.channels);
    // SAFETY: as in `winograd_in`.
    unsafe {
        let (plane, spectrum, bias) = (plane.as_mut_ptr().add(start), spectrum.as_ptr(), bias.as_ptr());
        match kernel {
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512 => x86::winograd_out_avx512(t, spectrum, bias, relu, plane),
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2 => x86::winograd_out_avx2(t, spectrum, bias, relu, plane),
            _ => winograd_out_any::<Plain>(t, spectrum, bias, relu, plane),
        }
    }
}

/// `sums[i] += bytes[i] * weight`, rounding after each operation on every machine alike.
pub(crate) fn add_scaled(sums: &mut [f32], bytes: &[u8], weight: f32) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: AVX2 was asked for just now; the body itself is safe code. Without `fma` in the
        // list the compiler may not fuse, so results equal the plain path's.
        return unsafe { x86::add_scaled_avx2(sums, bytes, weight) };
    }
    add_scaled_any(sums, bytes, weight);
}

#[inline(always)]
fn add_scaled_any(sums: &mut [f32], bytes: &[u8], weight: f32) {
    for (sum, &byte) in sums.iter_mut().zip(bytes) {
        *sum += f32::from(byte) * weight;
    }
}

/// A register of numbers.
trait Vector: Copy {
    const N: usize;
    unsafe fn splat(x: f32) -> Self;
    unsafe fn load(from: *const f32) -> Self;
    unsafe fn store(self, to: *mut f32);
    /// `self * b + c`.
    unsafe fn fma(self, b: Self, c: Self) -> Self;
    unsafe fn add(self, b: Self) -> Self;
    unsafe fn sub(self, b: Self) -> Self;
    unsafe fn max(self, b: Self) -> Self;
}

/// The vector of machines we know nothing about.
#[derive(Clone, Copy)]
struct Plain([f32; 4]);

impl Plain {
    #[inline(always)]
    fn zip(self, b: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        Self([f(self.0[0], b.0[0]), f(self.0[1], b.0[1]), f(self.0[2], b.0[2]), f(self.0[3], b.0[3])])
    }
}

impl Vector for Plain {
    const N: usize = 4;
    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        Self([x; 4])
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        Self(from.cast::<[f32; 4]>().read_unaligned())
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        to.cast::<[f32; 4]>().write_unaligned(self.0);
    }
    #[inline(always)]
    unsafe fn fma(self, b: Self, c: Self) -> Self {
        // `mul_add` without an FMA unit is a slow library call.
        if cfg!(any(target_feature = "fma", target_arch = "aarch64")) {
            Self([
                self.0[0].mul_add(b.0[0], c.0[0]),
                self.0[1].mul_add(b.0[1], c.0[1]),
                self.0[2].mul_add(b.0[2], c.0[2]),
                self.0[3].mul_add(b.0[3], c.0[3]),
            ])
        } else {
            self.zip(b, |a, b| a * b).add(c)
        }
    }
    #[inline(always)]
    unsafe fn add(self, b: Self) -> Self {
        self.zip(b, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn sub(self, b: Self) -> Self {
        self.zip(b, |a, b| a - b)
    }
    #[inline(always)]
    unsafe fn max(self, b: Self) -> Self {
        self.zip(b, f32::max)
    }
}

/// Walks the panels and the points in groups of `P`, what is left in groups of 4, 2 and 1.
#[inline(always)]
unsafe fn multiply_with<V: Vector, const P: usize>(
    s: &Sweep,
    input: *const f32,
    mut weights: *const f32,
    bias: *const f32,
    out: *mut f32,
) {
    let mut channel = 0;
    while channel < s.channels {
        let wide = s.channels - channel >= 2 * V::N;
        let (bias, out) = (bias.add(channel), out.add(s.to + channel));
        if wide {
            panel::<V, P, 2>(s, input.add(s.from), weights, bias, out);
        } else {
            panel::<V, P, 1>(s, input.add(s.from), weights, bias, out);
        }
        let width = if wide { 2 * V::N } else { V::N };
        weights = weights.add(s.runs * s.run * width);
        channel += width;
    }
}

#[inline(always)]
unsafe fn panel<V: Vector, const P: usize, const W: usize>(
    s: &Sweep,
    input: *const f32,
    weights: *const f32,
    bias: *const f32,
    out: *mut f32,
) {
    let (mut y, mut x) = (0, 0);
    let mut left = s.height * s.width;
    macro_rules! tiles {
        ($p:expr) => {
            while left >= $p {
                let mut from = [input; $p];
                let mut to = [out; $p];
                for i in 0..$p {
                    from[i] = input.add(y * s.from_row + x * s.from_col);
                    to[i] = out.add(y * s.to_row + x * s.to_col);
                    x += 1;
                    if x == s.width {
                        (x, y) = (0, y + 1);
                    }
                }
                tile::<V, { $p }, W>(s, from, weights, bias, to);
                left -= $p;
            }
        };
    }
    tiles!(P);
    tiles!(4);
    tiles!(2);
    tiles!(1);
}

#[inline(always)]
unsafe fn tile<V: Vector, const P: usize, const W: usize>(
    s: &Sweep,
    from: [*const f32; P],
    mut weights: *const f32,
    bias: *const f32,
    to: [*mut f32; P],
) {
    let mut sums = [[V::splat(0.0); W]; P];
    for w in 0..W {
        let b = V::load(bias.add(w * V::N));
        for p in 0..P {
            sums[p][w] = b;
        }
    }
    for run in 0..s.runs {
        let step = run * s.run_step;
        for i in step..step + s.run {
            let mut column = [V::splat(0.0); W];
            for w in 0..W {
                column[w] = V::load(weights.add(w * V::N));
            }
            weights = weights.add(W * V::N);
            for p in 0..P {
                let x = V::splat(*from[p].add(i));
                for w in 0..W {
                    sums[p][w] = x.fma(column[w], sums[p][w]);
                }
            }
        }
    }
    let floor = V::splat(if s.relu { 0.0 } else { f32::NEG_INFINITY });
    for p in 0..P {
        for w in 0..W {
            sums[p][w].max(floor).store(to[p].add(w * V::N));
        }
    }
}

/// Walks the panels and, in groups of `J`, the numbers of the neighbourhood; a group's sums stay in registers over all
/// points of all pairs.
#[inline(always)]
unsafe fn correlate_with<V: Vector, const J: usize>(s: &Sweep, pairs: &[(&[f32], &[f32])], sums: *mut f32) {
    let mut channel = 0;
    while channel < s.channels {
        let wide = s.channels - channel >= 2 * V::N;
        for run in 0..s.runs {
            let mut i = 0;
            macro_rules! groups {
                ($j:expr) => {
                    while s.run - i >= $j {
                        let from = s.from + run * s.run_step + i;
                        let to = sums.add((run * s.run + i) * s.channels + channel);
                        if wide {
                            group::<V, { $j }, 2>(s, pairs, from, s.to + channel, to);
                        } else {
                            group::<V, { $j }, 1>(s, pairs, from, s.to + channel, to);
                        }
                        i += $j;
                    }
                };
            }
            groups!(J);
            groups!(4);
            groups!(1);
        }
        channel += if wide { 2 * V::N } else { V::N };
    }
}

#[inline(always)]
unsafe fn group<V: Vector, const J: usize, const W: usize>(
    s: &Sweep,
    pairs: &[(&[f32], &[f32])],
    from: usize,
    gradient_from: usize,
    to: *mut f32,
) {
    let mut sums = [[V::splat(0.0); W]; J];
    for (input, gradient) in pairs {
        let (input, gradient) = (input.as_ptr().add(from), gradient.as_ptr().add(gradient_from));
        for y in 0..s.height {
            let (input, gradient) = (input.add(y * s.from_row), gradient.add(y * s.to_row));
            for x in 0..s.width {
                let (input, gradient) = (input.add(x * s.from_col), gradient.add(x * s.to_col));
                let mut column = [V::splat(0.0); W];
                for w in 0..W {
                    column[w] = V::load(gradient.add(w * V::N));
                }
                for j in 0..J {
                    let number = V::splat(*input.add(j));
                    for w in 0..W {
                        sums[j][w] = number.fma(column[w], sums[j][w]);
                    }
                }
            }
        }
    }
    for j in 0..J {
        for w in 0..W {
            let at = to.add(j * s.channels + w * V::N);
            sums[j][w].add(V::load(at)).store(at);
        }
    }
}

#[inline(always)]
unsafe fn winograd_in_any<V: Vector>(t: &Tiles, plane: *const f32, spectrum: *mut f32) {
    if t.side == 4 {
        winograd_in_side::<V, 6>(t, plane, spectrum)
    } else {
        winograd_in_side::<V, 4>(t, plane, spectrum)
    }
}

#[inline(always)]
unsafe fn winograd_in_side<V: Vector, const N: usize>(t: &Tiles, plane: *const f32, spectrum: *mut f32) {
    for i in 0..t.count {
        let (y, x) = ((t.first + i) / t.per_row, (t.first + i) % t.per_row);
        let from = plane.add(y * t.side * t.row + x * t.side * t.col);
        let to = spectrum.add(i * t.channels);
        let mut c = 0;
        while c < t.channels {
            let mut half = [[V::splat(0.0); N]; N];
            for x in 0..N {
                let mut column = [V::splat(0.0); N];
                for y in 0..N {
                    column[y] = V::load(from.add(y * t.row + x * t.col + c));
                }
                transform_in(&mut column);
                for y in 0..N {
                    half[y][x] = column[y];
                }
            }
            for (y, mut row) in half.into_iter().enumerate() {
                transform_in(&mut row);
                for x in 0..N {
                    row[x].store(to.add((y * N + x) * t.count * t.channels + c));
                }
            }
            c += V::N;
        }
    }
}

#[inline(always)]
unsafe fn winograd_out_any<V: Vector>(
    t: &Tiles,
    spectrum: *const f32,
    bias: *const f32,
    relu: bool,
    plane: *mut f32,
) {
    if t.side == 4 {
        winograd_out_side::<V, 6, 4>(t, spectrum, bias, relu, plane);
    } else {
        winograd_out_side::<V, 4, 2>(t, spectrum, bias, relu, plane);
    }
}

#[inline(always)]
unsafe fn winograd_out_side<V: Vector, const N: usize, const M: usize>(
    t: &Tiles,
    spectrum: *const f32,
    bias: *const f32,
    relu: bool,
    plane: *mut f32,
) {
    let floor = V::splat(if relu { 0.0 } else { f32::NEG_INFINITY });
    for i in 0..t.count {
        let (y, x) = ((t.first + i) / t.per_row, (t.first + i) % t.per_row);
        let to = plane.add(y * t.side * t.row + x * t.side * t.col);
        let from = spectrum.add(i * t.channels);
        let mut c = 0;
        while c < t.channels {
            let mut half = [[V::splat(0.0); N]; M];
            for x in 0..N {
                let mut column = [V::splat(0.0); N];
                for y in 0..N {
                    column[y] = V::load(from.add((y * N + x) * t.count * t.channels + c));
                }
                let column: [V; M] = transform_out(&column);
                for y in 0..M {
                    half[y][x] = column[y];
                }
            }
            let b = V::load(bias.add(c));
            for (y, row) in half.iter().enumerate() {
                let row: [V; M] = transform_out(row);
                for x in 0..M {
                    row[x].add(b).max(floor).store(to.add(y * t.row + x * t.col + c));
                }
            }
            c += V::N;
        }
    }
}

/// Multiplies by the matrix B^T of F(4x4, 3x3) or F(2x2, 3x3).
#[inline(always)]
unsafe fn transform_in<V: Vector, const N: usize>(d: &mut [V; N]) {
    if N == 6 {
        let (two, four, five) = (V::splat(2.0), V::splat(4.0), V::splat(-5.0));
        let minus_four = V::splat(-4.0);
        let even = d[2].fma(minus_four, d[4]);
        let odd = d[1].fma(minus_four, d[3]);
        let (far, near) = (d[4].sub(d[2]), d[3].sub(d[1]).fma(two, V::splat(0.0)));
        let first = d[0].fma(four, d[2].fma(five, d[4]));
        let last = d[1].fma(four, d[3].fma(five, d[5]));
        *d = std::array::from_fn(|_| first);
        d[1] = even.add(odd);
        d[2] = even.sub(odd);
        d[3] = far.add(near);
        d[4] = far.sub(near);
        d[5] = last;
    } else {
        let (a, b, c, e) = (d[0].sub(d[2]), d[1].add(d[2]), d[2].sub(d[1]), d[1].sub(d[3]));
        d[0] = a;
        d[1] = b;
        d[2] = c;
        d[3] = e;
    }
}

/// Multiplies by the matrix A^T of F(4x4, 3x3) or F(2x2, 3x3).
#[inline(always)]
unsafe fn transform_out<V: Vector, const N: usize, const M: usize>(m: &[V; N]) -> [V; M] {
    let mut out = [m[0]; M];
    let (sum, difference) = (m[1].add(m[2]), m[1].sub(m[2]));
    if N == 6 {
        let (sum2, difference2) = (m[3].add(m[4]), m[3].sub(m[4]));
        out[0] = m[0].add(sum).add(sum2);
        out[1] = difference2.fma(V::splat(2.0), difference);
        out[2] = sum2.fma(V::splat(4.0), sum);
        out[3] = difference2.fma(V::splat(8.0), difference).add(m[5]);
    } else {
        out[0] = m[0].add(sum);
        out[1] = difference.sub(m[3]);
    }
    out
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{Sweep, Tiles, Vector, correlate_with, multiply_with, winograd_in_any, winograd_out_any};

    impl Vector for __m256 {
        const N: usize = 8;
        #[inline(always)]
        unsafe fn splat(x: f32) -> Self {
            _mm256_set1_ps(x)
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            _mm256_loadu_ps(from)
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            _mm256_storeu_ps(to, self);
        }
        #[inline(always)]
        unsafe fn fma(self, b: Self, c: Self) -> Self {
            _mm256_fmadd_ps(self, b, c)
        }
        #[inline(always)]
        unsafe fn add(self, b: Self) -> Self {
            _mm256_add_ps(self, b)
        }
        #[inline(always)]
        unsafe fn sub(self, b: Self) -> Self {
            _mm256_sub_ps(self, b)
        }
        #[inline(always)]
        unsafe fn max(self, b: Self) -> Self {
            _mm256_max_ps(self, b)
        }
    }

    impl Vector for __m512 {
        const N: usize = 16;
        #[inline(always)]
        unsafe fn splat(x: f32) -> Self {
            _mm512_set1_ps(x)
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            _mm512_loadu_ps(from)
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            _mm512_storeu_ps(to, self);
        }
        #[inline(always)]
        unsafe fn fma(self, b: Self, c: Self) -> Self {
            _mm512_fmadd_ps(self, b, c)
        }
        #[inline(always)]
        unsafe fn add(self, b: Self) -> Self {
            _mm512_add_ps(self, b)
        }
        #[inline(always)]
        unsafe fn sub(self, b: Self) -> Self {
            _mm512_sub_ps(self, b)
        }
        #[inline(always)]
        unsafe fn max(self, b: Self) -> Self {
            _mm512_max_ps(self, b)
        }
    }

    macro_rules! instances {
        ($features:literal, $vector:ty, $pixels:literal, $multiply:ident, $correlate:ident, $input:ident, $output:ident) => {
            #[target_feature(enable = $features)]
            pub(super) unsafe fn $multiply(
                s: &Sweep,
                input: *const f32,
                weights: *const f32,
                bias: *const f32,
                out: *mut f32,
            ) {
                multiply_with::<$vector, $pixels>(s, input, weights, bias, out);
            }
            #[target_feature(enable = $features)]
            pub(super) unsafe fn $correlate(s: &Sweep, pairs: &[(&[f32], &[f32])], sums: *mut f32) {
                correlate_with::<$vector, $pixels>(s, pairs, sums);
            }
            #[target_feature(enable = $features)]
            pub(super) unsafe fn $input(t: &Tiles, plane: *const f32, spectrum: *mut f32) {
                winograd_in_any::<$vector>(t, plane, spectrum);
            }
            #[target_feature(enable = $features)]
            pub(super) unsafe fn $output(
                t: &Tiles,
                spectrum: *const f32,
                bias: *const f32,
                relu: bool,
                plane: *mut f32,
            ) {
                winograd_out_any::<$vector>(t, spectrum, bias, relu, plane);
            }
        };
    }
    // 6 pixels x 2 vectors fill AVX2's 16 registers with 2 for weights and 1 for the pixel. AVX-512
    // has 32 and takes the pixel from memory; 12 x 2 leaves room, measured against 8 and 14.
    instances!("avx2,fma", __m256, 6, multiply_avx2, correlate_avx2, winograd_in_avx2, winograd_out_avx2);
    instances!(
        "avx512f",
        __m512,
        12,
        multiply_avx512,
        correlate_avx512,
        winograd_in_avx512,
        winograd_out_avx512
    );

    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn add_scaled_avx2(sums: &mut [f32], bytes: &[u8], weight: f32) {
        super::add_scaled_any(sums, bytes, weight);
    }
}
