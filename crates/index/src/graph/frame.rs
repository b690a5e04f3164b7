//! The space that the graph works in: centred, turned, and cut into small integers.
//!
//! In: vectors as given. Out: the same distances in other coordinates. The *front* holds the directions in
//! which the catalogue varies most, few enough for one or two cache lines: walks look at nothing else (as in
//! LeanVec, Tepper et al. 2023). The *rest* holds what is orthogonal to them, for the last comparison. Within
//! each of the two all coordinates are of like size, which is what makes one scale a vector do (RaBitQ, Gao
//! and Long 2024). Where no few directions stand out, the front holds everything.
//!
//! The turn is exactly orthogonal: reflections (Householder) that take the learned directions to the axes, in
//! their compact form, then a fast Hadamard transform with random signs.
use super::learn::{self, Chance};
use crate::{
    Metric,
    contract::Shape,
    kernels::{FACTORS, Kernels},
};

/// Cache lines that the front may fill when directions are learned.
const MOST_LINES: usize = 4;
/// Share of the variance, of vectors not learned from, that makes a front good enough to walk by.
const ENOUGH: f64 = 0.88;
/// Vectors looked at at most; directions are learned from every second of them, and judged by the others.
pub(crate) const SAMPLE: usize = 4096;

/// Numbers that the front of `lines` cache lines holds.
pub(crate) fn front_of(lines: usize) -> usize {
    64 * lines - FACTORS
}

/// Centre and turn of one graph.
pub(crate) struct Frame {
    pub(crate) shape: Shape,
    /// Cache lines of the front.
    pub(crate) lines: usize,
    /// Numbers behind the front; a multiple of 16, or 0.
    pub(crate) rest: usize,
    /// Share of the variance that the front leaves out, of vectors like those learned from.
    pub(crate) left_out: f32,
    /// Subtracted before turning.
    centre: Vec<f32>,
    /// Learned directions as orthonormal rows, one for each number of the front; none if it holds everything.
    basis: Vec<f32>,
    /// The reflections' normals as rows, and their triangle.
    normals: Vec<f32>,
    triangle: Vec<f32>,
    /// Rounds of signs for whatever the Hadamard transform mixes.
    signs: Vec<f32>,
}

impl Frame {
    /// For vectors like those of `sample`.
    pub(crate) fn learn(shape: Shape, sample: &[&[f32]]) -> Self {
        let dim = shape.dim;
        let count = sample.len();
        let mut sum = vec![0.0f64; dim];
        for x in sample {
            sum.iter_mut().zip(*x).for_each(|(sum, &x)| *sum += f64::from(x));
        }
        let centre: Vec<f32> = sum.iter().map(|sum| (sum / count.max(1) as f64) as f32).collect();
        let all = (dim + FACTORS).div_ceil(64);
        let most = (1..=MOST_LINES.min(all)).rev().map(front_of).find(|&front| front < dim);
        let step = count.div_ceil(SAMPLE).max(1);
        let Some(most) = most.filter(|most| count / step >= 4 * most) else {
            return Self::with(shape, centre, Vec::new(), all, 0.0);
        };
        let [mut chosen, mut others] = [(); 2].map(|()| Vec::with_capacity(count / step / 2 * dim + dim));
        for (at, x) in sample.iter().step_by(step).enumerate() {
            let half = if at % 2 == 0 { &mut chosen } else { &mut others };
            half.extend(x.iter().zip(&centre).map(|(x, c)| x - c));
        }
        let mut chance = Chance(0x6469_7265_6374);
        let found = learn::directions(&chosen, dim, most, &mut chance);
        let shares = learn::shares(&found, &others, dim);
        let enough = |&lines: &usize| front_of(lines) <= most && shares[front_of(lines) - 1] >= ENOUGH;
        match (1..all).find(enough) {
            Some(lines) => {
                let basis = learn::mix(&found[..front_of(lines) * dim], dim, &mut chance);
                let left_out = 1.0 - shares[front_of(lines) - 1] as f32;
                Self::with(shape, centre, basis, lines, left_out)
            }
            None => Self::with(shape, centre, Vec::new(), all, 0.0),
        }
    }

    /// As learned before. `basis`: none, or as many orthonormal rows as the front of `lines` has numbers.
    pub(crate) fn with(shape: Shape, centre: Vec<f32>, basis: Vec<f32>, lines: usize, left_out: f32) -> Self {
        let (dim, front) = (shape.dim, front_of(lines));
        let rest = if basis.is_empty() { 0 } else { (dim - front).next_multiple_of(16) };
        let (normals, triangle) = reflections(&basis, dim);
        let mut chance = Chance(0x7477_696e_7365_7421);
        let mixed = if basis.is_empty() { front } else { rest };
        let signs = (0..4 * mixed).map(|_| if chance.next() >> 63 == 0 { 1.0 } else { -1.0 }).collect();
        Self { shape, lines, rest, left_out, centre, basis, normals, triangle, signs }
    }

    pub(crate) fn centre(&self) -> &[f32] {
        &self.centre
    }

    pub(crate) fn basis(&self) -> &[f32] {
        &self.basis
    }

    /// Into the frame: the front, then the rest. Under the inner product `vector` is first brought to length 1.
    pub(crate) fn turn(&self, vector: &[f32]) -> Vec<f32> {
        let scale = match self.shape.metric {
            Metric::L2 => 1.0,
            Metric::InnerProduct => 1.0 / length(vector),
        };
        let (dim, front) = (self.shape.dim, front_of(self.lines));
        let mut x: Vec<f32> = vector.iter().zip(&self.centre).map(|(v, c)| v * scale - c).collect();
        if self.basis.is_empty() {
            x.resize(front, 0.0);
            mix(&mut x, &self.signs);
            return x;
        }
        let kernels = Kernels::detected();
        let dots: Vec<f32> = self.normals.chunks_exact(dim).map(|v| (kernels.dot)(v, &x)).collect();
        let mut weights = vec![0.0; front];
        for (row, dot) in self.triangle.chunks_exact(front).zip(&dots) {
            weights.iter_mut().zip(row).for_each(|(w, t)| *w += t * dot);
        }
        (kernels.take_off)(&weights, &self.normals, &mut x);
        x.resize(front + self.rest, 0.0);
        mix(&mut x[front..], &self.signs);
        x
    }

    /// Out of the frame again: about what [`Frame::turn`] was given, at length 1 under the inner product.
    pub(crate) fn back(&self, turned: &[f32]) -> Vec<f32> {
        let (dim, front) = (self.shape.dim, front_of(self.lines));
        let mut x = turned.to_vec();
        let mixed = if self.basis.is_empty() { 0 } else { front };
        unmix(&mut x[mixed..], &self.signs);
        x.truncate(dim);
        if !self.basis.is_empty() {
            let kernels = Kernels::detected();
            let dots: Vec<f32> = self.normals.chunks_exact(dim).map(|v| (kernels.dot)(v, &x)).collect();
            let rows = self.triangle.chunks_exact(front);
            let weights: Vec<f32> = rows.map(|row| (kernels.dot)(row, &dots)).collect();
            (kernels.take_off)(&weights, &self.normals, &mut x);
        }
        x.iter_mut().zip(&self.centre).for_each(|(x, c)| *x += c);
        x
    }

    /// Similarity as promised, from a squared distance in the frame. `query_length` matters under the inner
    /// product only.
    pub(crate) fn similarity(&self, distance: f32, query_length: f32) -> f32 {
        match self.shape.metric {
            Metric::L2 => -distance.max(0.0),
            Metric::InnerProduct => (1.0 - distance / 2.0) * query_length,
        }
    }
}

pub(crate) fn length(vector: &[f32]) -> f32 {
    vector.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt() as f32
}

/// Normals `v` and triangle `T` such that `x - V T' V' x` has the products of `x` with the rows of `basis` in
/// front, signs aside, and all else behind (Schreiber and Van Loan 1989).
fn reflections(basis: &[f32], dim: usize) -> (Vec<f32>, Vec<f32>) {
    let count = basis.len() / dim;
    let mut columns: Vec<Vec<f64>> =
        basis.chunks_exact(dim).map(|row| row.iter().map(|&x| f64::from(x)).collect()).collect();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    let mut normals: Vec<Vec<f64>> = Vec::with_capacity(count);
    let mut triangle = vec![0.0f64; count * count];
    for at in 0..count {
        let mut normal = columns[at].clone();
        normal[..at].fill(0.0);
        let length = dot(&normal, &normal).sqrt();
        normal[at] += if normal[at] < 0.0 { -length } else { length };
        let own = dot(&normal, &normal).sqrt();
        normal.iter_mut().for_each(|x| *x /= own);
        for column in &mut columns[at + 1..] {
            let twice = 2.0 * dot(&normal, column);
            column.iter_mut().zip(&normal).for_each(|(x, v)| *x -= twice * v);
        }
        // T of one more reflection: the new column is -2 T (V' v), and 2 at its end.
        let products: Vec<f64> = normals.iter().map(|v| dot(v, &normal)).collect();
        for i in 0..at {
            let sum: f64 = (i..at).map(|j| triangle[i * count + j] * products[j]).sum();
            triangle[i * count + at] = -2.0 * sum;
        }
        triangle[at * count + at] = 2.0;
        normals.push(normal);
    }
    let normals = normals.iter().flatten().map(|&x| x as f32).collect();
    (normals, triangle.iter().map(|&x| x as f32).collect())
}

/// Mixes all coordinates: rounds of signs and of a Hadamard transform over a window of a power of two, first
/// at the front, then at the end.
fn mix(x: &mut [f32], signs: &[f32]) {
    if x.is_empty() {
        return;
    }
    for (round, signs) in signs.chunks_exact(x.len()).enumerate() {
        x.iter_mut().zip(signs).for_each(|(x, s)| *x *= s);
        hadamard(window(x, round));
    }
}

/// What [`mix`] did, undone.
fn unmix(x: &mut [f32], signs: &[f32]) {
    if x.is_empty() {
        return;
    }
    for (round, signs) in signs.chunks_exact(x.len()).enumerate().rev() {
        hadamard(window(x, round));
        x.iter_mut().zip(signs).for_each(|(x, s)| *x *= s);
    }
}

fn window(x: &mut [f32], round: usize) -> &mut [f32] {
    let (all, window) = (x.len(), 1usize << x.len().ilog2());
    let start = if round.is_multiple_of(2) { 0 } else { all - window };
    &mut x[start..start + window]
}

/// In place, keeping lengths; `x.len()` is a power of two.
fn hadamard(x: &mut [f32]) {
    let mut half = 1;
    while half < x.len() {
        for pair in x.chunks_exact_mut(2 * half) {
            let (a, b) = pair.split_at_mut(half);
            for (a, b) in a.iter_mut().zip(b) {
                (*a, *b) = (*a + *b, *a - *b);
            }
        }
        half *= 2;
    }
    let scale = 1.0 / (x.len() as f32).sqrt();
    x.iter_mut().for_each(|x| *x *= scale);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn squared(a: &[f32], b: &[f32]) -> f32 {
        a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum()
    }

    #[test]
    fn keeps_distances_at_every_dimension() {
        for dim in [1, 2, 7, 16, 17, 52, 53, 100, 116, 128, 784, 1000] {
            let shape = Shape { dim, metric: Metric::L2, stamp: [0; 32] };
            let value = |seed: usize| -> Vec<f32> {
                (0..dim).map(|i| ((i * 7 + seed * 13) % 31) as f32 - 9.0).collect()
            };
            let frame = Frame::learn(shape, &[&value(3)]);
            let (a, b) = (value(1), value(2));
            let (before, after) = (squared(&a, &b), squared(&frame.turn(&a), &frame.turn(&b)));
            assert!((before - after).abs() <= before * 1e-4, "{dim}: {before} {after}");
            assert!(squared(&frame.back(&frame.turn(&a)), &a) <= before * 1e-6, "{dim}");
        }
    }

    #[test]
    fn puts_what_varies_into_the_front_and_keeps_distances() {
        for dim in [130, 256, 784] {
            let shape = Shape { dim, metric: Metric::L2, stamp: [0; 32] };
            let mut chance = Chance(9);
            let mut bell = || (chance.next() >> 40) as f32 / (1 << 23) as f32 - 1.0;
            // Coordinate i varies with 1 / (i + 1), and a turn hides that.
            let mut signs = Chance(3);
            let signs: Vec<f32> =
                (0..4 * dim).map(|_| if signs.next() >> 63 == 0 { 1.0 } else { -1.0 }).collect();
            let mut sample = Vec::new();
            for _ in 0..1500 {
                let mut x: Vec<f32> = (0..dim).map(|i| 30.0 * bell() / (i + 1) as f32).collect();
                mix(&mut x, &signs);
                sample.extend(x);
            }
            let frame = Frame::learn(shape, &sample.chunks_exact(dim).collect::<Vec<_>>());
            assert!(!frame.basis.is_empty() && front_of(frame.lines) < dim, "{dim}");
            for pair in sample.chunks_exact(2 * dim).take(50) {
                let (a, b) = (&pair[..dim], &pair[dim..]);
                let (x, y) = (frame.turn(a), frame.turn(b));
                let (before, after) = (squared(a, b), squared(&x, &y));
                assert!((before - after).abs() <= before * 1e-4, "{dim}: {before} {after}");
                let front = squared(&x[..front_of(frame.lines)], &y[..front_of(frame.lines)]);
                assert!(front > 0.7 * after, "{dim}: {front} of {after}");
                assert!(squared(&frame.back(&x), a) <= before * 1e-6, "{dim}");
            }
            let again = Frame::with(shape, frame.centre().to_vec(), frame.basis().to_vec(), frame.lines, 0.1);
            assert_eq!(again.turn(&sample[..dim]), frame.turn(&sample[..dim]));
        }
    }
}
