//! Fits the fusion of an embedder on training pictures: which weights make the score the probability that a query
//! and a catalogue picture show the same product.
//!
//! Pairs come from searches: for each query all candidates that were compared. The weights are those that put its own
//! product first among them. Then every query is asked twice, once with its product there and once without, and what
//! the weights give is calibrated on the best hit of each search (Platt 1999): the hit that the verdict is about. Data
//! sets count alike, whatever their size.
use crate::retrieval::{Options, Pair, QueryBox, ask_all};
use crate::{EvalError, Models, Watch};
use serde::Serialize;
use std::path::Path;
use twinset_dataset::DataSet;
use twinset_local::{Evidence, Fusion, INPUTS, Logistic, inputs_among};

/// Pull of every weight towards zero, in pairs: keeps weights finite where training pairs are separable.
const RIDGE: f64 = 1.0;
/// Share of queries without their product that may be answered *same*; decides the threshold.
const FALSE_SAME: f64 = 0.05;
/// Shares of the pictures of a catalogue that are called similar to one of them, and very similar, whatever it shows: in
/// a shop of a hundred articles a shopper takes the nearest five for alike.
const SIMILAR: [f64; 2] = [0.05, 0.01];

/// Of the weights of [`twinset_local::INPUTS`]: only distance speaks against.
const SIGNS: [f64; INPUTS.len()] = [1.0, 1.0, 1.0, 1.0, 1.0, -1.0, 1.0];

/// Views that a gallery is made of.
const SHOWN: [&str; 3] = ["main", "iconic", "packshot"];

/// The searches that a data set's split `train` offers: its shop pictures are the gallery (with those of a split
/// `gallery`, where it has one), all other views are the queries.
///
/// # Errors
/// No such set, no such views, or no split `train`.
pub fn source(dir: &Path) -> Result<Options, EvalError> {
    let set = DataSet::open(dir)?;
    let in_training = |split: &str| split == "train" || split == "gallery";
    let mut views: [Vec<String>; 2] = Default::default();
    for row in set.rows().iter().filter(|row| in_training(&row.split) && !row.view.is_empty()) {
        let shown = SHOWN.contains(&row.view.as_str());
        let of = &mut views[usize::from(shown)];
        if !of.contains(&row.view) && (shown || row.split == "train") {
            of.push(row.view.clone());
        }
    }
    let [query_views, gallery_views] = views;
    if query_views.is_empty() || gallery_views.is_empty() {
        let reason = format!("{} has no products with several views in its split `train`", dir.display());
        return Err(EvalError::Nothing(reason));
    }
    let apart = set.splits().iter().any(|split| split == "gallery");
    Ok(Options {
        query_split: Some("train".to_owned()),
        gallery_split: Some(if apart { "gallery" } else { "train" }.to_owned()),
        query_views,
        gallery_views,
        query_box: QueryBox::Detected,
        baselines: Vec::new(),
        ..Options::new(dir.to_owned(), vec![dir.to_owned()])
    })
}

/// What came of a fit.
#[derive(Clone, Debug, Serialize)]
pub struct Fitted {
    /// The weights.
    #[serde(skip)]
    pub fusion: Fusion,
    /// Queries used.
    pub queries: usize,
    /// Pairs used, and how many of them are the same.
    pub pairs: [usize; 2],
    /// Mean negative log likelihood a pair before (all weights 0) and after.
    pub loss: [f64; 2],
}

/// One pair of the fit.
struct Sample {
    inputs: Vec<f64>,
    same: bool,
    weight: f64,
}

/// All candidates of one query.
struct Search {
    pairs: Vec<Pair>,
    /// So that data sets count alike.
    weight: f64,
}

/// A candidate with the product it shows.
type Seen = (u32, Evidence);

impl Search {
    /// What was compared for being near, and whether it is the same: with its product there, and without.
    fn asked(&self) -> [(Vec<Seen>, Vec<bool>); 2] {
        let near = || self.pairs.iter().filter(|p| !p.anywhere);
        let split =
            |pairs: &mut dyn Iterator<Item = &Pair>| pairs.map(|p| ((p.product, p.evidence), p.same)).unzip();
        [split(&mut near()), split(&mut near().filter(|p| !p.same))]
    }
}

/// Fits on `sources`.
///
/// # Errors
/// A set that cannot be opened; no pairs of one of the two kinds.
pub fn fit(sources: &[Options], models: &Models, watch: Watch<'_>) -> Result<Fitted, EvalError> {
    let mut searches = Vec::new();
    for source in sources {
        let outcomes = ask_all(source, models, watch)?.outcomes;
        let of_set: Vec<Vec<Pair>> = outcomes.into_iter().filter(|o| o.answerable).map(|o| o.pairs).collect();
        let weight = 1000.0 / of_set.len().max(1) as f64;
        searches.extend(of_set.into_iter().map(|pairs| Search { pairs, weight }));
    }
    let near = || searches.iter().flat_map(|s| s.pairs.iter().filter(|p| !p.anywhere));
    let (pairs, same) = (near().count(), near().filter(|p| p.same).count());
    if same == 0 || same == pairs {
        return Err(EvalError::Nothing(format!("{pairs} pairs, {same} of them the same; a fit needs both")));
    }
    let mut fusion = Fusion {
        embedder: Some(models.embedder_package.hash().to_string()),
        compared: regression(&searches, |e| e.inputs().map(f64::from).to_vec(), &SIGNS),
        among: Logistic { bias: 0.0, weights: vec![1.0, 0.0] },
        whole: regression(&searches, |e| vec![f64::from(e.inputs()[0])], &SIGNS[..1]),
        same_from: 1.0,
        similar_from: [0.0, 1.0],
    };
    fusion.among = among(&searches, &fusion);
    let best_other = |s: &Search| {
        let [_, (seen, _)] = s.asked();
        fusion.score_among(seen).into_iter().fold(0.0, f32::max)
    };
    let same_from = quantile(searches.iter().map(best_other).collect(), 1.0 - FALSE_SAME).clamp(0.3, 0.95);
    let anywhere = || searches.iter().flat_map(|s| s.pairs.iter().filter(|p| p.anywhere));
    let cosines = || anywhere().map(|p| p.evidence.global).collect();
    fusion.same_from = same_from;
    fusion.similar_from = SIMILAR.map(|share| quantile(cosines(), 1.0 - share).clamp(0.0, 1.0));
    let loss = |score: &dyn Fn(Vec<Seen>) -> Vec<f32>| {
        let (mut sum, mut weights) = (0.0, 0.0);
        for search in &searches {
            for (seen, same) in search.asked() {
                for (score, same) in score(seen).into_iter().zip(same) {
                    let right = f64::from(if same { score } else { 1.0 - score });
                    sum -= search.weight * right.max(1e-12).ln();
                    weights += search.weight;
                }
            }
        }
        sum / weights
    };
    let loss = [loss(&|seen| vec![0.5; seen.len()]), loss(&|seen| fusion.score_among(seen))];
    Ok(Fitted { queries: searches.len(), pairs: [pairs, same], loss, fusion })
}

/// Weights that rank, then their odds set right for the best hit of a search.
///
/// `signs`: what each weight may be. More that agrees must never lower a score, which a fit to products that the embedder
/// was trained on would like: there the cosine alone says nearly all.
fn regression(searches: &[Search], inputs: impl Fn(&Evidence) -> Vec<f64>, signs: &[f64]) -> Logistic {
    // All candidates of a question, as the regression sees them.
    let questions: Vec<Vec<Sample>> = searches
        .iter()
        .flat_map(|s| s.asked().map(|(seen, same)| (seen, same, s.weight)))
        .map(|(seen, same, weight)| {
            let sample = |((_, e), same): (&Seen, bool)| Sample { inputs: inputs(e), same, weight };
            seen.iter().zip(same).map(sample).collect()
        })
        .collect();
    let weights = in_good_sense(&questions, signs);
    let odds = |s: &Sample| product(&weights, &s.inputs);
    let judged = |s: &Sample| Sample { inputs: vec![odds(s)], same: s.same, weight: s.weight };
    let best = questions.iter().filter_map(|q| q.iter().max_by(|a, b| odds(a).total_cmp(&odds(b))));
    let best: Vec<Sample> = best.map(judged).collect();
    let mut right = logistic(best.iter());
    if right.weights.first().is_none_or(|scale| *scale <= 0.0) {
        // It would turn the order around: too few best hits to calibrate on.
        let all: Vec<Sample> = questions.iter().flatten().map(judged).collect();
        right = logistic(all.iter());
    }
    let scale = f64::from(right.weights.first().copied().unwrap_or(1.0));
    Logistic { bias: right.bias, weights: weights.iter().map(|w| (scale * w) as f32).collect() }
}

/// [`ranking`] without the inputs whose weights would have the wrong sign, the worst left out first.
fn in_good_sense(questions: &[Vec<Sample>], signs: &[f64]) -> Vec<f64> {
    let mut kept: Vec<usize> = (0..signs.len()).collect();
    loop {
        let fitted = ranking(questions, &kept);
        let sense = |place: &usize| fitted[*place] * signs[kept[*place]];
        match (0..fitted.len()).min_by(|a, b| sense(a).total_cmp(&sense(b))) {
            Some(worst) if sense(&worst) < 0.0 => drop(kept.remove(worst)),
            _ => {
                let mut weights = vec![0.0; signs.len()];
                kept.iter().zip(&fitted).for_each(|(i, w)| weights[*i] = *w);
                return weights;
            }
        }
    }
}

/// Weights of some inputs that put what is the same before all else that was compared with it: a conditional logit
/// (McFadden 1974), by Newton's method. Questions without one of the two kinds say nothing.
fn ranking(questions: &[Vec<Sample>], kept: &[usize]) -> Vec<f64> {
    let n = kept.len();
    let narrow = |s: &Sample| kept.iter().map(|&i| s.inputs[i]).collect::<Vec<f64>>();
    let telling = |q: &&Vec<Sample>| q.iter().any(|s| s.same) && q.iter().any(|s| !s.same);
    let questions: Vec<(f64, Vec<(Vec<f64>, bool)>)> = questions
        .iter()
        .filter(telling)
        .map(|q| (q[0].weight, q.iter().map(|s| (narrow(s), s.same)).collect()))
        .collect();
    let mut weights = vec![0.0; n];
    for _ in 0..40 {
        let mut slope: Vec<f64> = weights.iter().map(|w| -RIDGE * w).collect();
        let mut bend = vec![vec![0.0; n]; n];
        for (weight, candidates) in &questions {
            let odds: Vec<f64> = candidates.iter().map(|(x, _)| product(&weights, x)).collect();
            let most = odds.iter().copied().fold(f64::MIN, f64::max);
            let raised: Vec<f64> = odds.iter().map(|o| (o - most).exp()).collect();
            let all: f64 = raised.iter().sum();
            let same: f64 = raised.iter().zip(candidates).filter(|(_, c)| c.1).map(|(r, _)| r).sum();
            let mut mean = vec![0.0; n];
            for ((x, is_same), raised) in candidates.iter().zip(&raised) {
                let share = raised / all;
                let pull = if *is_same { raised / same.max(1e-300) } else { 0.0 } - share;
                for i in 0..n {
                    slope[i] += weight * pull * x[i];
                    mean[i] += share * x[i];
                    for j in 0..n {
                        bend[i][j] += weight * share * x[i] * x[j];
                    }
                }
            }
            for i in 0..n {
                for j in 0..n {
                    bend[i][j] -= weight * mean[i] * mean[j];
                }
            }
        }
        (0..n).for_each(|i| bend[i][i] += RIDGE);
        let step = solve(bend, slope);
        let most = step.iter().fold(0.0f64, |m, s| m.max(s.abs()));
        let scale = (4.0 / most.max(1e-12)).min(1.0);
        weights.iter_mut().zip(&step).for_each(|(w, s)| *w += scale * s);
        if most < 1e-6 {
            break;
        }
    }
    weights
}

fn product(weights: &[f64], inputs: &[f64]) -> f64 {
    weights.iter().zip(inputs).map(|(w, x)| w * x).sum()
}

/// What the odds of the best hit of a search are worth, and its lead.
fn among(searches: &[Search], fusion: &Fusion) -> Logistic {
    let mut best = Vec::new();
    for (seen, same) in searches.iter().flat_map(Search::asked) {
        let seen: Vec<(u32, f32)> = seen.iter().map(|(product, e)| (*product, fusion.log_odds(e))).collect();
        let Some(inputs) = inputs_among(&seen) else { continue };
        let rows = inputs.into_iter().zip(same);
        best.extend(rows.max_by(|a, b| a.0[0].total_cmp(&b.0[0])));
    }
    let weight = 1000.0 / best.len().max(1) as f64;
    let samples: Vec<Sample> = best
        .into_iter()
        .map(|(inputs, same)| Sample { inputs: inputs.map(f64::from).to_vec(), same, weight })
        .collect();
    let fitted = logistic(samples.iter());
    // A lead rises at least as fast as the odds, so this keeps their order; otherwise there were too few searches.
    match fitted.weights[..] {
        [odds, lead] if lead >= 0.0 && odds + lead > 0.0 => fitted,
        _ => fusion.among.clone(),
    }
}

fn quantile(mut of: Vec<f32>, share: f64) -> f32 {
    of.sort_by(f32::total_cmp);
    of.get(((of.len() as f64 * share) as usize).min(of.len().saturating_sub(1))).copied().unwrap_or(0.0)
}

/// Weighted logistic regression, by Newton's method (iteratively reweighted least squares).
fn logistic<'a>(samples: impl Iterator<Item = &'a Sample> + Clone) -> Logistic {
    let n = samples.clone().next().map_or(0, |s| s.inputs.len()) + 1;
    let row = |s: &Sample| -> Vec<f64> { s.inputs.iter().copied().chain([1.0]).collect() };
    let mut weights = vec![0.0; n];
    for _ in 0..40 {
        let (mut slope, mut bend) = (vec![0.0; n], vec![vec![0.0; n]; n]);
        for sample in samples.clone() {
            let x = row(sample);
            let odds: f64 = weights.iter().zip(&x).map(|(w, x)| w * x).sum();
            let p = 1.0 / (1.0 + (-odds).exp());
            let miss = f64::from(u8::from(sample.same)) - p;
            for i in 0..n {
                slope[i] += sample.weight * miss * x[i];
                for j in 0..n {
                    bend[i][j] += sample.weight * p * (1.0 - p) * x[i] * x[j];
                }
            }
        }
        // The bias is free.
        for i in 0..n - 1 {
            slope[i] -= RIDGE * weights[i];
            bend[i][i] += RIDGE;
        }
        bend[n - 1][n - 1] += 1e-9;
        let step = solve(bend, slope);
        // A full step may overshoot where nearly all is separable.
        let most = step.iter().fold(0.0f64, |m, s| m.max(s.abs()));
        let scale = (4.0 / most.max(1e-12)).min(1.0);
        weights.iter_mut().zip(&step).for_each(|(w, s)| *w += scale * s);
        if most < 1e-6 {
            break;
        }
    }
    let bias = weights[n - 1] as f32;
    Logistic { bias, weights: weights[..n - 1].iter().map(|w| *w as f32).collect() }
}

/// Solves `a x = b` for a positive definite `a`, by elimination with pivots.
fn solve(mut a: Vec<Vec<f64>>, mut b: Vec<f64>) -> Vec<f64> {
    let n = b.len();
    for column in 0..n {
        let pivot =
            (column..n).max_by(|&i, &j| a[i][column].abs().total_cmp(&a[j][column].abs())).unwrap_or(column);
        a.swap(column, pivot);
        b.swap(column, pivot);
        for row in column + 1..n {
            let factor = a[row][column] / a[column][column];
            #[expect(clippy::needless_range_loop, reason = "two rows of one matrix")]
            for k in column..n {
                a[row][k] -= factor * a[column][k];
            }
            b[row] -= factor * b[column];
        }
    }
    for row in (0..n).rev() {
        let known: f64 = (row + 1..n).map(|k| a[row][k] * b[k]).sum();
        b[row] = (b[row] - known) / a[row][row];
    }
    b
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weights_that_made_the_labels_are_found() {
        let mut state = 7u64;
        let mut unit = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as f64 / f64::from(1u32 << 31)
        };
        let samples: Vec<Sample> = (0..20_000)
            .map(|_| {
                let inputs = vec![unit(), unit(), unit()];
                let odds = 3.0 * inputs[0] - 2.0 * inputs[2] + 0.5;
                Sample { inputs, same: unit() < 1.0 / (1.0 + (-odds).exp()), weight: 1.0 }
            })
            .collect();
        let found = logistic(samples.iter());
        for (got, want) in found.weights.iter().zip([3.0, 0.0, -2.0]) {
            assert!((got - want).abs() < 0.25, "{found:?}");
        }
        assert!((found.bias - 0.5).abs() < 0.2, "{found:?}");
    }
    #[test]
    fn ranking_finds_the_weights_that_chose() {
        let mut state = 11u64;
        let mut unit = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as f64 / f64::from(1u32 << 31)
        };
        // Of ten, one is taken, with a chance by its odds.
        let questions: Vec<Vec<Sample>> = (0..3000)
            .map(|_| {
                let all: Vec<Vec<f64>> = (0..10).map(|_| vec![unit(), unit(), unit()]).collect();
                let raised: Vec<f64> = all.iter().map(|x| (3.0 * x[0] - 2.0 * x[2]).exp()).collect();
                let mut at = unit() * raised.iter().sum::<f64>();
                let taken = raised
                    .iter()
                    .position(|r| {
                        at -= r;
                        at <= 0.0
                    })
                    .unwrap_or(9);
                let sample = |(i, inputs)| Sample { inputs, same: i == taken, weight: 1.0 };
                all.into_iter().enumerate().map(sample).collect()
            })
            .collect();
        let found = ranking(&questions, &[0, 1, 2]);
        for (got, want) in found.iter().zip([3.0, 0.0, -2.0]) {
            assert!((got - want).abs() < 0.25, "{found:?}");
        }
        let upwards = in_good_sense(&questions, &[1.0, 1.0, 1.0]);
        assert!(upwards[2] == 0.0 && (upwards[0] - 3.0).abs() < 0.4, "{upwards:?}");
    }
}
