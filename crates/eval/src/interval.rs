//! Scores with 95 % intervals by bootstrap over clusters.
//!
//! Several queries of one product are not independent, so whole products are drawn with replacement, not single
//! queries (the cluster bootstrap; Field and Welsh 2007). Percentile interval, seeded, so a report repeats itself.
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::HashMap;
use std::hash::Hash;

/// `[value, low, high]`.
pub type Figure = [f64; 3];

/// Resamples of each interval.
pub const RESAMPLES: usize = 2000;

/// Which measurements belong together, and the draws of whole clusters made once for all figures.
#[derive(Clone, Debug)]
pub struct Clusters {
    /// For each measurement its cluster.
    of: Vec<usize>,
    /// For each resample how often each cluster was drawn.
    draws: Vec<Vec<u32>>,
}

impl Clusters {
    /// `keys`: for each measurement what it belongs to, such as its product.
    pub fn new<K: Eq + Hash>(keys: impl IntoIterator<Item = K>, resamples: usize, seed: u64) -> Self {
        let mut numbers = HashMap::new();
        let of: Vec<usize> = keys
            .into_iter()
            .map(|key| {
                let next = numbers.len();
                *numbers.entry(key).or_insert(next)
            })
            .collect();
        let n = numbers.len();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let draws = (0..if n == 0 { 0 } else { resamples })
            .map(|_| {
                let mut counts = vec![0; n];
                for _ in 0..n {
                    counts[rng.random_range(0..n)] += 1;
                }
                counts
            })
            .collect();
        Self { of, draws }
    }

    /// Mean of `values` (one a measurement; `NaN` leaves it out) with its interval; `None` if nothing is left.
    #[must_use]
    pub fn mean(&self, values: &[f64]) -> Option<Figure> {
        assert_eq!(values.len(), self.of.len(), "one value a measurement");
        let clusters = self.of.iter().max().map_or(0, |n| n + 1);
        let mut sums = vec![(0.0, 0.0); clusters];
        for (&value, &cluster) in values.iter().zip(&self.of).filter(|(v, _)| !v.is_nan()) {
            sums[cluster].0 += value;
            sums[cluster].1 += 1.0;
        }
        let ratio = |weights: &mut dyn Iterator<Item = f64>| {
            let (sum, n) = weights
                .zip(&sums)
                .fold((0.0, 0.0), |(sum, n), (weight, (s, c))| (sum + weight * s, n + weight * c));
            (n > 0.0).then(|| sum / n)
        };
        let value = ratio(&mut std::iter::repeat(1.0))?;
        let resampled =
            self.draws.iter().filter_map(|draw| ratio(&mut draw.iter().map(|&count| f64::from(count))));
        Some(with_interval(value, resampled.collect()))
    }

    /// Any statistic of weighted measurements: called with one weight a measurement, first all ones.
    ///
    /// For figures that are no mean, such as average precision. Slower than [`Clusters::mean`].
    pub fn statistic(&self, mut of_weights: impl FnMut(&[u32]) -> Option<f64>) -> Option<Figure> {
        let value = of_weights(&vec![1; self.of.len()])?;
        let mut weights = vec![0; self.of.len()];
        let mut resampled = Vec::with_capacity(self.draws.len());
        for draw in &self.draws {
            weights.iter_mut().zip(&self.of).for_each(|(weight, &cluster)| *weight = draw[cluster]);
            resampled.extend(of_weights(&weights));
        }
        Some(with_interval(value, resampled))
    }
}

/// The middle 95 % of the resampled values; the value itself where nothing was resampled.
fn with_interval(value: f64, mut resampled: Vec<f64>) -> Figure {
    if resampled.is_empty() {
        return [value; 3];
    }
    resampled.sort_by(f64::total_cmp);
    let at = |share: f64| resampled[((resampled.len() - 1) as f64 * share).round() as usize];
    [value, at(0.025), at(0.975)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_independent_queries_gets_its_known_interval() {
        // 1,000 independent queries, 30 % found: the normal approximation gives 0.3 +- 0.0284.
        let values: Vec<f64> = (0..1000).map(|i| if i % 10 < 3 { 1.0 } else { 0.0 }).collect();
        let [value, low, high] = Clusters::new(0..1000, RESAMPLES, 1).mean(&values).unwrap();
        assert_eq!(value, 0.3);
        assert!((low - 0.2716).abs() < 0.006 && (high - 0.3284).abs() < 0.006, "{low} {high}");
    }

    #[test]
    fn queries_of_one_product_count_as_one_draw() {
        // The same 1,000 values in 10 clusters that are all found or all missed: far wider.
        let values: Vec<f64> = (0..1000).map(|i| if i / 100 < 3 { 1.0 } else { 0.0 }).collect();
        let [_, low, high] = Clusters::new((0..1000).map(|i| i / 100), RESAMPLES, 1).mean(&values).unwrap();
        assert!(high - low > 0.4, "{low} {high}");
    }

    #[test]
    fn mean_and_statistic_agree_and_empty_is_none() {
        let values: Vec<f64> = (0..60).map(|i| f64::from(i * i % 17)).collect();
        let clusters = Clusters::new((0..60).map(|i| i % 7), 200, 5);
        let slow = clusters.statistic(|weights| {
            let sum: f64 = weights.iter().zip(&values).map(|(w, v)| f64::from(*w) * v).sum();
            Some(sum / f64::from(weights.iter().sum::<u32>()))
        });
        let (fast, slow) = (clusters.mean(&values).unwrap(), slow.unwrap());
        assert!(fast.iter().zip(slow).all(|(a, b)| (a - b).abs() < 1e-12));
        assert_eq!(Clusters::new([0; 0], 200, 5).mean(&[]), None);
        assert_eq!(Clusters::new([1, 1], 200, 5).mean(&[f64::NAN, f64::NAN]), None);
    }
}
