//! The space that the graph works in: centred, turned at random, and cut into small integers.
//!
//! In: vectors as given. Out: the same distances in numbers of like size, which is what makes one scale a
//! vector and one bit a number do (RaBitQ, Gao and Long 2024). The turn is four rounds of random signs and a
//! fast Hadamard transform over a window of a power of two, first at the front, then at the end.
use crate::{Metric, contract::Shape};

/// Centre and turn of one graph.
pub(crate) struct Frame {
    pub(crate) shape: Shape,
    /// Numbers a turned vector has: the dimension rounded up to a multiple of 16.
    pub(crate) padded: usize,
    /// Subtracted before turning; `padded` numbers.
    centre: Vec<f32>,
    /// Four rounds of `padded` signs.
    signs: Vec<f32>,
}

pub(crate) fn padded(dim: usize) -> usize {
    dim.next_multiple_of(16)
}

impl Frame {
    /// `centre`: as long as the dimension, the mean of what is to be stored.
    pub(crate) fn new(shape: Shape, centre: &[f32]) -> Self {
        let padded = padded(shape.dim);
        let mut centre = centre.to_vec();
        centre.resize(padded, 0.0);
        // SplitMix64 from a fixed start: a saved graph needs the same signs for ever.
        let mut state = 0x7477_696e_7365_7421_u64;
        let mut sign = || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            if (z ^ z >> 31) >> 63 == 0 { 1.0 } else { -1.0 }
        };
        let signs = (0..4 * padded).map(|_| sign()).collect();
        Self { shape, padded, centre, signs }
    }

    pub(crate) fn centre(&self) -> &[f32] {
        &self.centre[..self.shape.dim]
    }

    /// Into the frame. Under the inner product `vector` is first brought to length 1.
    pub(crate) fn turn(&self, vector: &[f32]) -> Vec<f32> {
        let scale = match self.shape.metric {
            Metric::L2 => 1.0,
            Metric::InnerProduct => 1.0 / length(vector),
        };
        let mut x = vec![0.0; self.padded];
        for ((x, v), c) in x.iter_mut().zip(vector).zip(&self.centre) {
            *x = v * scale - c;
        }
        let window = 1usize << self.padded.ilog2();
        for (round, signs) in self.signs.chunks_exact(self.padded).enumerate() {
            x.iter_mut().zip(signs).for_each(|(x, s)| *x *= s);
            let start = if round % 2 == 0 { 0 } else { self.padded - window };
            hadamard(&mut x[start..start + window]);
        }
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

    #[test]
    fn keeps_distances_at_every_dimension() {
        for dim in [1, 2, 7, 16, 17, 100, 128, 784, 1000] {
            let shape = Shape { dim, metric: Metric::L2, stamp: [0; 32] };
            let value = |seed: usize| -> Vec<f32> {
                (0..dim).map(|i| ((i * 7 + seed * 13) % 31) as f32 - 9.0).collect()
            };
            let frame = Frame::new(shape, &value(3));
            let (a, b) = (value(1), value(2));
            let l2 = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum::<f32>();
            let (before, after) = (l2(&a, &b), l2(&frame.turn(&a), &frame.turn(&b)));
            assert!((before - after).abs() <= before * 1e-4, "{dim}: {before} {after}");
        }
    }
}
