//! From everything that is known of a pair to the probability that both show the same product.
//!
//! Logistic regression on the global cosine, the measures of the local comparison, and how well colours and pattern
//! agree. In a search the odds are then set against those of other products: what stands out among strangers is
//! likelier the same than one of many look-alikes (score normalisation by a cohort, Matejka et al., 2017). Its weights are fitted for one embedder on training pictures (`twinset train fusion`) and
//! carry that embedder's hash; for an embedder that nobody fitted, weights set by hand take their place.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use serde::{Deserialize, Serialize};

use crate::Measures;

/// The shipped fit.
const SHIPPED: &str = include_str!("../../../models/fusion/fusion.json");

/// What is known of a pair.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Evidence {
    /// Cosine of the embeddings.
    pub global: f32,
    /// Of the local comparison.
    pub measures: Measures,
    /// [`palette_distance`].
    pub palette: f32,
    /// 1 if the same pattern was seen on both, -1 if different ones were, 0 if one is not known.
    pub pattern: f32,
}

/// The names of [`Evidence::inputs`], in order.
pub const INPUTS: [&str; 7] =
    ["global", "similarity", "mutual", "inliers", "coverage", "palette_distance", "pattern"];

/// The inputs of a candidate among others: its log odds, and how far they lie above those of the best candidates of
/// other products.
pub const AMONG_INPUTS: [&str; 2] = ["odds", "lead"];

/// Best candidates of other products that a lead is measured against.
const COHORT: usize = 10;

/// What is there before anything is read of a candidate but its place in the index.
pub const WHOLE_INPUTS: [&str; 1] = [INPUTS[0]];

impl Evidence {
    /// What the regression takes in; both cosines as their `nearness`.
    #[must_use]
    pub fn inputs(&self) -> [f32; INPUTS.len()] {
        let m = self.measures;
        let (global, similarity) = (nearness(self.global), nearness(m.similarity));
        [global, similarity, m.mutual, m.inliers, m.coverage, self.palette, self.pattern]
    }
}

/// [`AMONG_INPUTS`] of all candidates of one search, each given with the product it shows and its log odds; `None` where
/// they all show one product.
#[must_use]
pub fn inputs_among<G: Eq + Hash>(seen: &[(G, f32)]) -> Option<Vec<[f32; AMONG_INPUTS.len()]>> {
    let mut best = HashMap::<&G, f32>::new();
    for (product, odds) in seen {
        let known = best.entry(product).or_insert(f32::MIN);
        *known = known.max(*odds);
    }
    let mut best: Vec<(&G, f32)> = best.into_iter().collect();
    best.sort_by(|a, b| b.1.total_cmp(&a.1));
    let inputs = |(product, odds): &(G, f32)| {
        let others = || best.iter().filter(|(p, _)| *p != product).take(COHORT).map(|(_, v)| v);
        [*odds, odds - others().sum::<f32>() / others().count() as f32]
    };
    (best.len() > 1).then(|| seen.iter().map(inputs).collect())
}

/// A cosine, stretched where it matters: from 0.8 to 0.9 says less than from 0.9 to 1. 0 at 0, 3.9 at 1.
fn nearness(cosine: f32) -> f32 {
    -(1.02 - cosine.min(1.0)).ln()
}

/// From this cosine on both are the very same crop, whatever its parts say: stripes match themselves at many places.
const SAME_CROP: f32 = 0.9999;
/// Least log odds of the very same crop.
const SAME_CROP_ODDS: f32 = 6.0;

fn squeezed(odds: f32) -> f32 {
    1.0 / (1.0 + (-odds).exp())
}

/// One logistic regression.
#[derive(Clone, Debug, PartialEq)]
pub struct Logistic {
    /// Log odds with all inputs 0.
    pub bias: f32,
    /// One for each input.
    pub weights: Vec<f32>,
}

impl Logistic {
    fn log_odds(&self, inputs: &[f32]) -> f32 {
        self.bias + self.weights.iter().zip(inputs).map(|(w, x)| w * x).sum::<f32>()
    }
}

/// How a pair is judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Fusion {
    /// Hex hash of the embedder it was fitted for; `None` if it was set by hand.
    pub embedder: Option<String>,
    /// On [`INPUTS`].
    pub compared: Logistic,
    /// On [`AMONG_INPUTS`].
    pub among: Logistic,
    /// On [`WHOLE_INPUTS`], for pairs that were not compared part by part.
    pub whole: Logistic,
    /// Least probability of the verdict *same*.
    pub same_from: f32,
    /// Least cosines of what is called similar, and very similar: likeness is between two pictures, whatever else was
    /// found.
    pub similar_from: [f32; 2],
}

/// As in the file.
#[derive(Serialize, Deserialize)]
struct FusionFile {
    embedder: Option<String>,
    same_from: f32,
    similar_from: [f32; 2],
    compared: LogisticFile,
    among: LogisticFile,
    whole: LogisticFile,
}

#[derive(Serialize, Deserialize)]
struct LogisticFile {
    bias: f32,
    weights: BTreeMap<String, f32>,
}

/// Why a fusion cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the fusion cannot be read: {0}; make it anew with `twinset train fusion`")]
pub struct BadFusion(String);

impl Fusion {
    /// The shipped fit if it was made for this embedder (hex hash), else the one set by hand.
    ///
    /// # Panics
    /// If the shipped file is damaged: a broken build of ours.
    #[must_use]
    pub fn for_embedder(hash: &str) -> Self {
        let shipped = Self::from_json(SHIPPED.as_bytes()).unwrap_or_else(|e| panic!("in this binary: {e}"));
        if shipped.embedder.as_deref() == Some(hash) { shipped } else { Self::by_hand() }
    }

    /// Weights for an embedder that nobody fitted: near those of our own embedders; the order is sensible, the
    /// probability is not calibrated.
    #[must_use]
    pub fn by_hand() -> Self {
        Self {
            embedder: None,
            compared: Logistic { bias: -4.7, weights: vec![0.9, 0.4, 0.65, 1.9, -1.1, -0.15, 0.2] },
            among: Logistic { bias: 0.0, weights: vec![1.0, 0.0] },
            whole: Logistic { bias: -4.2, weights: vec![1.35] },
            same_from: 0.49,
            similar_from: [0.5, 0.7],
        }
    }

    /// Probability that both show the same product, by everything there is about the two.
    #[must_use]
    pub fn score(&self, evidence: &Evidence) -> f32 {
        squeezed(self.log_odds(evidence))
    }

    /// The scores of all candidates of one search, each given with the product it shows: by everything there is about
    /// each, and by how it stands out. In the order given; ranked as by [`Self::score`].
    #[must_use]
    pub fn score_among<G: Eq + Hash>(&self, seen: Vec<(G, Evidence)>) -> Vec<f32> {
        let same_crop: Vec<bool> = seen.iter().map(|(_, e)| e.global >= SAME_CROP).collect();
        let seen: Vec<(G, f32)> = seen.into_iter().map(|(g, e)| (g, self.log_odds(&e))).collect();
        let Some(inputs) = inputs_among(&seen) else {
            return seen.iter().map(|(_, odds)| squeezed(*odds)).collect();
        };
        let odds = inputs.iter().map(|inputs| self.among.log_odds(inputs));
        let least = |same: bool| if same { SAME_CROP_ODDS } else { f32::MIN };
        odds.zip(same_crop).map(|(odds, same)| squeezed(odds.max(least(same)))).collect()
    }

    /// The score before it is squeezed into 0..=1.
    #[must_use]
    pub fn log_odds(&self, evidence: &Evidence) -> f32 {
        let odds = self.compared.log_odds(&evidence.inputs());
        if evidence.global >= SAME_CROP { odds.max(SAME_CROP_ODDS) } else { odds }
    }

    /// The same by the cosine of the embeddings alone; rises with it.
    #[must_use]
    pub fn score_whole(&self, global: f32) -> f32 {
        squeezed(self.whole.log_odds(&[nearness(global)]))
    }

    /// From a file's bytes.
    ///
    /// # Errors
    /// Not JSON, an input missing or unknown, a number that is not finite, a threshold outside 0..=1.
    pub fn from_json(json: &[u8]) -> Result<Self, BadFusion> {
        let file: FusionFile = serde_json::from_slice(json).map_err(|e| BadFusion(e.to_string()))?;
        let logistic = |file: LogisticFile, inputs: &[&str]| {
            let known = file.weights.len() == inputs.len();
            let weights: Option<Vec<f32>> =
                inputs.iter().map(|name| file.weights.get(*name).copied()).collect();
            match weights.filter(|w| known && file.bias.is_finite() && w.iter().all(|x| x.is_finite())) {
                Some(weights) => Ok(Logistic { bias: file.bias, weights }),
                None => Err(BadFusion(format!("its inputs must be {}", inputs.join(", ")))),
            }
        };
        let share = |x: &f32| (0.0..=1.0).contains(x);
        let [similar, very_similar] = file.similar_from;
        if ![file.same_from, similar, very_similar].iter().all(share) || similar > very_similar {
            return Err(BadFusion("its thresholds are not in order within 0..=1".to_owned()));
        }
        Ok(Self {
            embedder: file.embedder,
            compared: logistic(file.compared, &INPUTS)?,
            among: logistic(file.among, &AMONG_INPUTS)?,
            whole: logistic(file.whole, &WHOLE_INPUTS)?,
            same_from: file.same_from,
            similar_from: file.similar_from,
        })
    }

    /// A file's bytes.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let file = |of: &Logistic, inputs: &[&str]| LogisticFile {
            bias: of.bias,
            weights: inputs.iter().map(|name| (*name).to_owned()).zip(of.weights.iter().copied()).collect(),
        };
        let file = FusionFile {
            embedder: self.embedder.clone(),
            same_from: self.same_from,
            similar_from: self.similar_from,
            compared: file(&self.compared, &INPUTS),
            among: file(&self.among, &AMONG_INPUTS),
            whole: file(&self.whole, &WHOLE_INPUTS),
        };
        let mut json = serde_json::to_vec_pretty(&file).unwrap_or_default();
        json.push(b'\n');
        json
    }
}

/// How far apart two lists of colours with their shares are, 0..=1: half the sum of the differences.
#[must_use]
pub fn palette_distance(a: &[(String, f32)], b: &[(String, f32)]) -> f32 {
    let total = |list: &[(String, f32)]| list.iter().map(|(_, share)| share).sum::<f32>().max(1e-6);
    let (all_a, all_b) = (total(a), total(b));
    if a.is_empty() || b.is_empty() {
        return 0.5;
    }
    let share = |list: &[(String, f32)], name: &str, all: f32| {
        list.iter().find(|(n, _)| n == name).map_or(0.0, |(_, share)| share / all)
    };
    let of_a = a.iter().map(|(name, x)| (x / all_a - share(b, name, all_b)).abs());
    let of_b = b.iter().filter(|(name, _)| a.iter().all(|(n, _)| n != name)).map(|(_, x)| x / all_b);
    of_a.chain(of_b).sum::<f32>() / 2.0
}

/// [`Evidence::pattern`].
#[must_use]
pub fn pattern_agreement(a: Option<&str>, b: Option<&str>) -> f32 {
    match a.zip(b) {
        Some((a, b)) if a == b => 1.0,
        Some(_) => -1.0,
        None => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_comes_back_and_a_damaged_one_is_refused() {
        let fusion = Fusion { embedder: Some("ab".into()), ..Fusion::by_hand() };
        let json = fusion.to_json();
        assert_eq!(Fusion::from_json(&json).unwrap(), fusion);
        let text = String::from_utf8(json).unwrap();
        for (from, to) in [("global", "globe"), ("0.49", "1e40"), ("0.5", "0.8"), ("{", "[")] {
            assert!(Fusion::from_json(text.replacen(from, to, 1).as_bytes()).is_err(), "{from}");
        }
        assert_eq!(Fusion::for_embedder("unknown"), Fusion::by_hand());
        Fusion::from_json(SHIPPED.as_bytes()).unwrap();
    }

    #[test]
    fn more_alike_is_more_likely_the_same() {
        let alike = |x: f32| Evidence {
            global: 0.999 * x,
            measures: Measures { similarity: x, mutual: x, inliers: x, coverage: x },
            palette: 1.0 - x,
            pattern: 0.0,
        };
        let fusion = Fusion::by_hand();
        let [no, half, yes] = [0.2, 0.6, 1.0].map(|x| fusion.score(&alike(x)));
        assert!(no < half && half < fusion.same_from && fusion.same_from < yes);
        assert!(fusion.score(&Evidence { global: 1.0, ..alike(0.5) }) > 0.99, "the very same crop");
        let [no, half, yes] = [0.2, 0.6, 1.0].map(|x| fusion.score_whole(x));
        assert!(no < half && half < fusion.same_from && fusion.same_from < yes);
    }

    #[test]
    fn who_stands_out_is_likelier_the_same() {
        let crowd: Vec<(u32, f32)> = (0..30).map(|i| (i / 2, -0.1 * i as f32)).collect();
        let lead =
            |odds: f32| inputs_among(&[&crowd[..], &[(99, odds), (99, -9.0)]].concat()).unwrap()[30][1];
        // The best of the ten nearest other products: 0, -0.2, ... -1.8. Its own pictures are no rivals.
        assert!((lead(1.0) - 1.9).abs() < 1e-5 && (lead(-2.0) + 1.1).abs() < 1e-5);
        let seen = |cosine: f32| Evidence { global: cosine, ..Evidence::default() };
        let among = Logistic { bias: 0.0, weights: vec![1.0, 0.5] };
        let fusion = Fusion { among, ..Fusion::by_hand() };
        let scores = fusion.score_among(vec![(1, seen(0.95)), (2, seen(0.6)), (3, seen(0.5))]);
        assert!(scores[0] > fusion.score(&seen(0.95)) && scores[2] < fusion.score(&seen(0.5)));
        // Nobody to compare with: the pair alone counts.
        assert_eq!(fusion.score_among(vec![(1, seen(0.7)), (1, seen(0.6))])[0], fusion.score(&seen(0.7)));
    }

    #[test]
    fn palettes_are_compared_by_share() {
        let of = |list: &[(&str, f32)]| list.iter().map(|(n, s)| ((*n).to_owned(), *s)).collect::<Vec<_>>();
        let (red, both, navy) =
            (of(&[("red", 0.9)]), of(&[("red", 0.5), ("navy", 0.5)]), of(&[("navy", 1.0)]));
        assert_eq!(palette_distance(&red, &red), 0.0);
        assert_eq!(palette_distance(&red, &navy), 1.0);
        assert!((palette_distance(&red, &both) - 0.5).abs() < 1e-6);
        assert_eq!(palette_distance(&red, &[]), 0.5);
    }
}
