//! A linear probe on features: which class do they say, learned from others only.
//!
//! Linear discriminant analysis with one covariance, shrunk to its diagonal (Friedman 1989), and class means shrunk
//! to the common mean. Closed form, takes soft labels, and is as good here as logistic regression, which has to be
//! iterated (clothing_photos, 4,275 pictures, 17 classes, leaving senders out: 0.49 against 0.48).

use crate::Classes;
use crate::neighbours::dot;
use rayon::prelude::*;

/// Share of the diagonal that is added to the covariance.
const SHRINKAGE: f64 = 0.3;
/// Members of the common mean in each class's mean.
const TO_COMMON_MEAN: f64 = 3.0;
/// Things from which one probe is learned, at most; drawn evenly from all.
const LEARNED_FROM: usize = 20_000;

/// For each row log odds of each class by a probe that has not seen the rows of the same fold.
///
/// `labels`: one row of class shares each. `folds` below `n`.
pub(crate) fn out_of_fold(
    features: &[Vec<f32>],
    labels: &[Classes],
    folds: &[usize],
    n: usize,
) -> Vec<Classes> {
    let probes: Vec<Probe> = (0..n)
        .into_par_iter()
        .map(|fold| {
            let others: Vec<usize> = (0..features.len()).filter(|&i| folds[i] != fold).collect();
            let step = others.len().div_ceil(LEARNED_FROM).max(1);
            Probe::learn(features, labels, others.iter().copied().step_by(step))
        })
        .collect();
    features.par_iter().zip(folds).map(|(row, &fold)| probes[fold].log_odds(row)).collect()
}

/// A classifier learned from features.
pub struct Probe {
    mean: Vec<f32>,
    scale: Vec<f32>,
    weights: Vec<Vec<f32>>,
    bias: Vec<f32>,
}

impl Probe {
    /// Learns from these `rows` of `features` and `labels` (class shares).
    #[must_use]
    pub fn learn(
        features: &[Vec<f32>],
        labels: &[Classes],
        rows: impl Iterator<Item = usize> + Clone,
    ) -> Self {
        let dim = features.first().map_or(0, Vec::len);
        let classes = labels.first().map_or(0, Vec::len);
        let n = rows.clone().count().max(1) as f64;
        // Standardised, so that shrinking treats an embedding's number and a probability alike.
        let mut mean = vec![0.0f64; dim];
        let mut square = vec![0.0f64; dim];
        for i in rows.clone() {
            for ((m, s), &x) in mean.iter_mut().zip(&mut square).zip(&features[i]) {
                *m += f64::from(x) / n;
                *s += f64::from(x) * f64::from(x) / n;
            }
        }
        let mean: Vec<f32> = mean.iter().map(|m| *m as f32).collect();
        let scale: Vec<f32> = square
            .iter()
            .zip(&mean)
            .map(|(s, m)| {
                let variance = *s as f32 - m * m;
                if variance > 1e-12 { 1.0 / variance.sqrt() } else { 0.0 }
            })
            .collect();
        let mut standard = Vec::new();
        let mut covariance = vec![0.0f64; dim * dim];
        let mut sums = vec![vec![0.0f64; dim]; classes];
        let mut counts = vec![0.0f64; classes];
        for i in rows {
            standardise(&features[i], &mean, &scale, &mut standard);
            for (class, &share) in labels[i].iter().enumerate().filter(|(_, s)| **s > 0.0) {
                counts[class] += f64::from(share);
                sums[class].iter_mut().zip(&standard).for_each(|(s, &x)| *s += f64::from(share * x));
            }
            for (a, &x) in standard.iter().enumerate() {
                let row = &mut covariance[a * dim..a * dim + a + 1];
                row.iter_mut().zip(&standard).for_each(|(c, &y)| *c += f64::from(x * y));
            }
        }
        // Standardised: the common mean is 0.
        let means: Vec<Vec<f64>> = sums
            .iter()
            .zip(&counts)
            .map(|(sum, count)| sum.iter().map(|s| s / (count + TO_COMMON_MEAN)).collect())
            .collect();
        for a in 0..dim {
            for b in 0..=a {
                let between: f64 = means.iter().zip(&counts).map(|(m, c)| c * m[a] * m[b]).sum();
                covariance[a * dim + b] = (covariance[a * dim + b] - between) / n;
            }
            covariance[a * dim + a] = (covariance[a * dim + a] + SHRINKAGE).max(1e-3);
        }
        cholesky(&mut covariance, dim);
        let total: f64 = counts.iter().sum::<f64>() + classes as f64;
        let (mut weights, mut bias) = (Vec::new(), Vec::new());
        for (m, count) in means.iter().zip(&counts) {
            let w = solve(&covariance, dim, m);
            let half: f64 = w.iter().zip(m).map(|(w, m)| w * m).sum::<f64>() / 2.0;
            bias.push((((count + 1.0) / total).ln() - half) as f32);
            weights.push(w.iter().map(|w| *w as f32).collect());
        }
        Self { mean, scale, weights, bias }
    }

    /// Probabilities of the classes.
    #[must_use]
    pub fn classes(&self, features: &[f32]) -> Classes {
        let mut odds = self.log_odds(features);
        crate::pool::softmax(&mut odds);
        odds
    }

    pub(crate) fn log_odds(&self, features: &[f32]) -> Classes {
        let mut standard = Vec::new();
        standardise(features, &self.mean, &self.scale, &mut standard);
        self.weights.iter().zip(&self.bias).map(|(w, b)| dot(w, &standard) + b).collect()
    }
}

fn standardise(features: &[f32], mean: &[f32], scale: &[f32], into: &mut Vec<f32>) {
    into.clear();
    into.extend(features.iter().zip(mean).zip(scale).map(|((x, m), s)| (x - m) * s));
}

/// Lower triangle of a positive definite matrix to its root, in place.
fn cholesky(a: &mut [f64], n: usize) {
    for i in 0..n {
        for j in 0..=i {
            let (upper, lower) = a.split_at(i * n);
            let done: f64 = match i == j {
                true => lower[..j].iter().map(|x| x * x).sum(),
                false => lower[..j].iter().zip(&upper[j * n..j * n + j]).map(|(x, y)| x * y).sum(),
            };
            let left = a[i * n + j] - done;
            a[i * n + j] = if i == j { left.max(1e-9).sqrt() } else { left / a[j * n + j] };
        }
    }
}

fn solve(root: &[f64], n: usize, b: &[f64]) -> Vec<f64> {
    let mut x = b.to_vec();
    for i in 0..n {
        let done: f64 = (0..i).map(|j| root[i * n + j] * x[j]).sum();
        x[i] = (x[i] - done) / root[i * n + i];
    }
    for i in (0..n).rev() {
        let done: f64 = (i + 1..n).map(|j| root[j * n + i] * x[j]).sum();
        x[i] = (x[i] - done) / root[i * n + i];
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_solution_solves() {
        let a = [[4.0, 1.0, 0.5], [1.0, 3.0, -0.2], [0.5, -0.2, 2.0]];
        let mut root = a.as_flattened().to_vec();
        cholesky(&mut root, 3);
        let x = solve(&root, 3, &[1.0, -2.0, 0.5]);
        for (row, b) in a.iter().zip([1.0, -2.0, 0.5]) {
            let product: f64 = row.iter().zip(&x).map(|(a, x)| a * x).sum();
            assert!((product - b).abs() < 1e-12);
        }
    }

    #[test]
    fn separable_classes_are_told_by_what_was_not_learned_from() {
        let features: Vec<Vec<f32>> = (0..60)
            .map(|i| {
                let (class, j) = (i % 3, i as f32);
                let noise = (j * 1.7).sin() * 0.3;
                vec![
                    if class == 0 { 1.0 } else { 0.0 } + noise,
                    if class == 1 { 1.0 } else { 0.0 } - noise,
                    noise,
                ]
            })
            .collect();
        let labels: Vec<Classes> =
            (0..60).map(|i| (0..3).map(|c| f32::from(u8::from(i % 3 == c))).collect()).collect();
        let folds: Vec<usize> = (0..60).map(|i| i / 12).collect();
        let odds = out_of_fold(&features, &labels, &folds, 5);
        for (i, odds) in odds.iter().enumerate() {
            let best = (0..3).max_by(|a, b| odds[*a].total_cmp(&odds[*b]));
            assert_eq!(best, Some(i % 3));
        }
    }
}
