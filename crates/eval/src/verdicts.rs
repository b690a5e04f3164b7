//! What the verdict *same* is worth: how often it is false when the product is not here, how often it is missed
//! when it is, and whether a score means what it says.
//!
//! Each query is judged twice against the same gallery: with its product in it, and with all pictures of its
//! product taken out.
use crate::interval::{Clusters, Figure};
use serde::Serialize;

/// Bins of the calibration, equally wide.
const BINS: usize = 10;

/// How one query was judged.
#[derive(Clone, Debug, Default)]
pub(crate) struct Judged {
    /// Score of the best picture of its own product; none if the gallery has none.
    pub(crate) own: Option<f32>,
    /// Best score of any other product.
    pub(crate) other: f32,
    /// The first hits: score, and whether it is the product.
    pub(crate) hits: Vec<(f32, bool)>,
}

impl Judged {
    /// The best hit with the product in the gallery, and with its pictures taken out.
    fn best(&self) -> [Option<(f32, bool)>; 2] {
        [self.hits.first().copied(), Some((self.other, false))]
    }
}

/// The report.
#[derive(Clone, Debug, Serialize)]
pub struct Verdicts {
    /// Whether the weights were fitted for this embedder, or set by hand.
    pub fitted: bool,
    /// From this score on a hit is called the same.
    pub same_from: f32,
    /// Share of queries whose own product is called the same.
    pub same_found: Figure,
    /// Share of queries that are answered *same* although their product was taken out.
    pub false_same_when_absent: Figure,
    /// Share of queries whose best hit is another product and is called the same, the own one being there.
    pub false_same_when_present: Figure,
    /// The same with the threshold at which 80 % of own products are called the same.
    pub at_80_found: AtFound,
    /// `[threshold, share of own products missed, share of false *same* when absent]`.
    pub curve: Vec<[f64; 3]>,
    /// Of the best hits, half of them with the product taken out.
    pub calibration_best: Calibration,
    /// Of the first ten hits, with the product there.
    pub calibration_first_ten: Calibration,
}

/// At one threshold.
#[derive(Clone, Debug, Serialize)]
pub struct AtFound {
    /// The score.
    pub threshold: f32,
    /// Share of queries that would be answered *same* although their product was taken out.
    pub false_same_when_absent: Figure,
}

/// Whether pairs scored 0.9 are the same in nine of ten cases.
#[derive(Clone, Debug, Serialize)]
pub struct Calibration {
    /// Pairs judged.
    pub pairs: usize,
    /// Expected calibration error: mean distance of score and share in ten equally wide bins, weighed by size.
    pub error: Figure,
    /// Mean squared error of the score as a forecast.
    pub brier: Figure,
    /// `[mean score, share that are the same, pairs]` of each bin that has any.
    pub bins: Vec<[f64; 3]>,
}

impl Verdicts {
    /// `judged` in the order of the clusters; all have their product in the gallery.
    pub(crate) fn new(judged: &[&Judged], clusters: &Clusters, same_from: f32, fitted: bool) -> Option<Self> {
        let share = |holds: &dyn Fn(&Judged) -> bool| {
            clusters.mean(&judged.iter().map(|j| f64::from(u8::from(holds(j)))).collect::<Vec<_>>())
        };
        let mut own: Vec<f32> = judged.iter().filter_map(|j| j.own).collect();
        own.sort_by(f32::total_cmp);
        let at_80 = *own.get(own.len() / 5)?;
        let curve = |step: usize| {
            let threshold = own[step * (own.len() - 1) / 50];
            let missed = own.partition_point(|&s| s < threshold) as f64 / own.len() as f64;
            let wrong = judged.iter().filter(|j| j.other >= threshold).count() as f64 / judged.len() as f64;
            [f64::from(threshold), missed, wrong]
        };
        Some(Self {
            fitted,
            same_from,
            same_found: share(&|j| j.own.is_some_and(|s| s >= same_from))?,
            false_same_when_absent: share(&|j| j.other >= same_from)?,
            false_same_when_present: share(&|j| {
                j.hits.first().is_some_and(|(s, same)| !same && *s >= same_from)
            })?,
            at_80_found: AtFound { threshold: at_80, false_same_when_absent: share(&|j| j.other >= at_80)? },
            curve: (0..=50).map(curve).collect(),
            calibration_best: Calibration::new(judged, clusters, |j| {
                j.best().into_iter().flatten().collect()
            })?,
            calibration_first_ten: Calibration::new(judged, clusters, |j| j.hits.clone())?,
        })
    }
}

impl Calibration {
    fn new(
        judged: &[&Judged],
        clusters: &Clusters,
        pairs: impl Fn(&Judged) -> Vec<(f32, bool)>,
    ) -> Option<Self> {
        let of: Vec<Vec<(f32, bool)>> = judged.iter().map(|j| pairs(j)).collect();
        // [score, same, count] of each bin, and the squared error, under one weight a query.
        let tally = |weights: &[u32]| {
            let (mut bins, mut squared, mut count) = ([[0.0f64; 3]; BINS], 0.0, 0.0);
            for (pairs, &weight) in of.iter().zip(weights) {
                let weight = f64::from(weight);
                for &(score, same) in pairs {
                    let (score, same) = (f64::from(score), f64::from(u8::from(same)));
                    let bin = &mut bins[((score * BINS as f64) as usize).min(BINS - 1)];
                    [score, same, 1.0].iter().zip(bin).for_each(|(x, sum)| *sum += weight * x);
                    squared += weight * (score - same).powi(2);
                    count += weight;
                }
            }
            (bins, squared, count)
        };
        let error = clusters.statistic(|weights| {
            let (bins, _, count) = tally(weights);
            (count > 0.0)
                .then(|| bins.iter().map(|[score, same, _]| (score - same).abs()).sum::<f64>() / count)
        })?;
        let brier = clusters.statistic(|weights| {
            let (_, squared, count) = tally(weights);
            (count > 0.0).then_some(squared / count)
        })?;
        let (bins, _, count) = tally(&vec![1; of.len()]);
        let filled = bins.into_iter().filter(|bin| bin[2] > 0.0);
        Some(Self {
            pairs: count as usize,
            error,
            brier,
            bins: filled.map(|[score, same, n]| [score / n, same / n, n]).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 100 queries: own products score 0.01 to 1, others half of that.
    fn judged() -> Vec<Judged> {
        let one = |i: u32| {
            let own = i as f32 / 100.0;
            Judged { own: Some(own), other: own / 2.0, hits: vec![(own, true), (own / 2.0, false)] }
        };
        (1..=100).map(one).collect()
    }

    #[test]
    fn false_and_missed_are_counted_on_their_own_trials() {
        let all = judged();
        let refs: Vec<&Judged> = all.iter().collect();
        let verdicts = Verdicts::new(&refs, &Clusters::new(0..100, 50, 1), 0.4, true).unwrap();
        assert!((verdicts.same_found[0] - 0.61).abs() < 1e-9);
        assert!((verdicts.false_same_when_absent[0] - 0.21).abs() < 1e-9);
        assert_eq!(verdicts.false_same_when_present[0], 0.0);
        // 80 % of own products score 0.21 and more; 59 % of the others do.
        assert_eq!(verdicts.at_80_found.threshold, 0.21);
        assert!((verdicts.at_80_found.false_same_when_absent[0] - 0.59).abs() < 1e-9);
        assert!(verdicts.curve.windows(2).all(|w| w[0][1] <= w[1][1] && w[0][2] >= w[1][2]));
    }

    #[test]
    fn honest_scores_have_no_calibration_error() {
        // Of the pairs scored 0.25 one in four is the same, of those scored 0.75 three in four.
        let one = |i: usize| {
            let score = if i.is_multiple_of(2) { 0.25 } else { 0.75 };
            let same = (i / 2 % 4) < if i.is_multiple_of(2) { 1 } else { 3 };
            Judged { own: Some(score), other: 0.0, hits: vec![(score, same)] }
        };
        let all: Vec<Judged> = (0..400).map(one).collect();
        let refs: Vec<&Judged> = all.iter().collect();
        let verdicts = Verdicts::new(&refs, &Clusters::new(0..400, 50, 1), 0.5, true).unwrap();
        let honest = &verdicts.calibration_first_ten;
        assert!(honest.error[0] < 1e-9 && (honest.brier[0] - 0.1875).abs() < 1e-9, "{honest:?}");
        assert_eq!(honest.bins.len(), 2);
    }
}
