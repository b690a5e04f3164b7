//! Which directions the vectors of a catalogue vary in most.
//!
//! In: a sample. Out: orthonormal rows. By subspace iteration with the sample itself (Halko, Martinsson and
//! Tropp 2011, algorithm 4.4), since the covariance of 4,096 numbers would be larger than most catalogues.
use crate::kernels::Kernels;
use rayon::prelude::*;

/// Rounds; after two the share that is caught grows by less than a thousandth.
const ROUNDS: usize = 3;

/// About the best `count` directions of `sample`, which is centred rows of `dim` numbers; most important first.
pub(crate) fn directions(sample: &[f32], dim: usize, count: usize, chance: &mut Chance) -> Vec<f32> {
    let kernels = Kernels::detected();
    let mut rows: Vec<f32> = (0..count * dim).map(|_| chance.bell()).collect();
    orthonormalise(&mut rows, dim, chance);
    let mut energies = vec![0.0f64; count];
    for _ in 0..ROUNDS {
        let products: Vec<f32> = sample
            .par_chunks_exact(dim)
            .flat_map_iter(|x| rows.chunks_exact(dim).map(|row| -(kernels.dot)(x, row)))
            .collect();
        for (at, energy) in energies.iter_mut().enumerate() {
            *energy = products.iter().skip(at).step_by(count).map(|&x| f64::from(x) * f64::from(x)).sum();
        }
        rows.par_chunks_exact_mut(dim).enumerate().for_each(|(at, row)| {
            let weights: Vec<f32> = products.iter().skip(at).step_by(count).copied().collect();
            row.fill(0.0);
            (kernels.take_off)(&weights, sample, row);
        });
        // Those that caught most come first, so that the others are made orthogonal to them.
        let mut order: Vec<usize> = (0..count).collect();
        order.sort_by(|&a, &b| energies[b].total_cmp(&energies[a]));
        rows = order.iter().flat_map(|&at| rows[at * dim..][..dim].to_vec()).collect();
        energies.sort_by(|a, b| b.total_cmp(a));
        orthonormalise(&mut rows, dim, chance);
    }
    rows
}

/// Share of the variance of `sample` that the first one, two, ... of the orthonormal `rows` catch; at most 1.
pub(crate) fn shares(rows: &[f32], sample: &[f32], dim: usize) -> Vec<f64> {
    let kernels = Kernels::detected();
    let squares = |x: &[f32]| x.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>();
    let all = squares(sample);
    let mut caught = 0.0;
    rows.chunks_exact(dim)
        .map(|row| {
            let dots: Vec<f32> = sample.chunks_exact(dim).map(|x| (kernels.dot)(row, x)).collect();
            caught += squares(&dots);
            if all > 0.0 { (caught / all).min(1.0) } else { 1.0 }
        })
        .collect()
}

/// Other rows that span the same, none of them more important than another.
pub(crate) fn mix(rows: &[f32], dim: usize, chance: &mut Chance) -> Vec<f32> {
    let count = rows.len() / dim;
    let mut turn: Vec<f32> = (0..count * count).map(|_| chance.bell()).collect();
    orthonormalise(&mut turn, count, chance);
    let mut mixed = vec![0.0; rows.len()];
    for (to, weights) in mixed.chunks_exact_mut(dim).zip(turn.chunks_exact(count)) {
        let weights: Vec<f32> = weights.iter().map(|x| -x).collect();
        (Kernels::detected().take_off)(&weights, rows, to);
    }
    mixed
}

/// Gram and Schmidt, twice over, since once leaves rounding errors. A row that depends on those before it
/// becomes some other direction.
fn orthonormalise(rows: &mut [f32], dim: usize, chance: &mut Chance) {
    let kernels = Kernels::detected();
    for at in 0..rows.len() / dim {
        let (before, rest) = rows.split_at_mut(at * dim);
        let row = &mut rest[..dim];
        loop {
            let length = (kernels.dot)(row, row).sqrt();
            for _ in 0..2 {
                let weights: Vec<f32> = before.chunks_exact(dim).map(|b| (kernels.dot)(b, row)).collect();
                (kernels.take_off)(&weights, before, row);
            }
            let left = (kernels.dot)(row, row).sqrt();
            if left > 1e-4 * length && left.is_normal() {
                row.iter_mut().for_each(|x| *x /= left);
                break;
            }
            row.iter_mut().for_each(|x| *x = chance.bell());
        }
    }
}

/// SplitMix64; the same for ever, since saved graphs need the same signs.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }
    /// Bell-shaped around 0.
    fn bell(&mut self) -> f32 {
        (0..4).map(|_| (self.next() >> 40) as f32 / (1 << 24) as f32 - 0.5).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_directions_that_the_sample_was_made_of() {
        let (dim, hidden, mut chance) = (60, 5, Chance(1));
        let base: Vec<f32> = (0..hidden * dim).map(|_| chance.bell()).collect();
        let mut sample = vec![0.0; 500 * dim];
        for x in sample.chunks_exact_mut(dim) {
            for b in base.chunks_exact(dim) {
                let weight = chance.bell();
                x.iter_mut().zip(b).for_each(|(x, b)| *x += weight * b);
            }
            x.iter_mut().for_each(|x| *x += 0.01 * chance.bell());
        }
        let found = directions(&sample, dim, 8, &mut chance);
        let caught = shares(&found, &sample, dim);
        assert!(caught[hidden - 1] > 0.99 && caught[7] <= 1.0, "{caught:?}");
        let mixed = mix(&found, dim, &mut chance);
        for rows in [&found, &mixed] {
            for (i, a) in rows.chunks_exact(dim).enumerate() {
                for (j, b) in rows.chunks_exact(dim).enumerate() {
                    let dot: f32 = a.iter().zip(b).map(|(a, b)| a * b).sum();
                    assert!((dot - f32::from(u8::from(i == j))).abs() < 1e-5);
                }
            }
        }
    }
}
