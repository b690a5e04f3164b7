//! Is a class claimed rightly? Everyone is judged by others only.
//!
//! Four experts speak of each thing without having learned from its owner: a linear probe on its features, the
//! votes of its nearest neighbours, the words of its title, and what was known before this catalogue. Claims are taken
//! for a noisy report of the truth: how the experts are weighed, and how each true class comes to be claimed as
//! another, is estimated together by expectation and maximisation, and gives the probability that this claim is
//! wrong (the joint of confident learning, Northcutt et al. 2021, with probabilities in the place of counts). Later
//! rounds teach the experts with what was found, so that false claims teach no longer.

use crate::neighbours::{COPY, Neighbour, VOTERS, nearest, normalise, votes};
use crate::{Classes, pool, probe, words};

/// Claims that are wrong with this probability are doubted.
pub const DOUBTFUL: f32 = 0.5;
/// Parts that the probe is learned without, one after the other.
const FOLDS: usize = 10;
/// Rounds of judging; the later ones learn from what the earlier found.
const ROUNDS: usize = 3;
/// Claims that are right before anything was seen, and how much that belief weighs: so many things, and so many for
/// each that is claimed.
const MOSTLY_RIGHT: f32 = 0.9;
const BELIEF: f32 = 12.0;
const BELIEF_EACH: f32 = 0.3;
/// Steps of expectation and maximisation, and steps of the weights in each.
const STEPS: usize = 12;
const WEIGHING: usize = 6;
/// Things compared with all others when there are more: drawn evenly.
const REFERENCE: usize = 20_000;

/// One thing whose class is claimed.
#[derive(Clone, Debug)]
pub struct Sample<'a> {
    /// Unit vector.
    pub embedding: &'a [f32],
    /// Further numbers that may tell the class: what heads of a network say, shares of colours. As many for all.
    pub hints: Vec<f32>,
    /// Probabilities of the classes by something that has learned elsewhere; empty if there is nothing of the kind.
    pub told: Classes,
    /// The class that is claimed.
    pub given: usize,
    /// Whose claim it is; nobody of the same owner is a witness.
    pub owner: u64,
    /// What it is called; empty if that is not to be considered.
    pub title: &'a str,
}

/// What the others say of one claim.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// Probability that the claim is wrong.
    pub wrong: f32,
    /// Probabilities of what it truly is, the claim considered.
    pub classes: Classes,
    /// Probabilities by the pictures and words alone.
    pub seen: Classes,
    /// By the title alone, if it says anything.
    pub titled: Option<Classes>,
    /// The nearest others, nearest first.
    pub neighbours: Vec<Neighbour>,
}

/// Judges all claims; `classes`: how many classes there are. Copies of a picture under another owner say nothing: whoever
/// copied it may have copied the claim. Deterministic.
///
/// # Panics
/// If a claim is not below `classes`.
#[must_use]
pub fn judge(samples: &[Sample<'_>], classes: usize) -> Vec<Judged> {
    if samples.is_empty() || classes < 2 {
        let certain = |s: &Sample<'_>| {
            let classes: Classes = (0..classes).map(|c| f32::from(u8::from(c == s.given))).collect();
            Judged { wrong: 0.0, seen: classes.clone(), classes, titled: None, neighbours: Vec::new() }
        };
        return samples.iter().map(certain).collect();
    }
    let given: Vec<usize> = samples.iter().map(|s| s.given).collect();
    let folds: Vec<usize> = samples.iter().map(|s| (mixed(s.owner) % FOLDS as u64) as usize).collect();
    let owners: Vec<u64> = samples.iter().map(|s| s.owner).collect();
    let titles: Vec<&str> = samples.iter().map(|s| s.title).collect();
    let features: Vec<Vec<f32>> = samples.iter().map(|s| [s.embedding, &s.hints].concat()).collect();
    let step = samples.len().div_ceil(REFERENCE).max(1);
    let embeddings: Vec<&[f32]> = samples.iter().map(|s| s.embedding).collect();
    let reference: Vec<&[f32]> = embeddings.iter().copied().step_by(step).collect();
    let apart = |q: usize, of: usize| owners[q] != owners[of * step];
    let mut near = nearest(&embeddings, &reference, VOTERS, COPY, apart);
    near.iter_mut().flatten().for_each(|n| n.of *= step);

    let one_hot = |class: usize| (0..classes).map(|c| f32::from(u8::from(c == class))).collect::<Classes>();
    let anything = vec![1.0 / classes as f32; classes];
    let told: Vec<Classes> =
        samples.iter().map(|s| if s.told.is_empty() { anything.clone() } else { s.told.clone() }).collect();
    let told = pool::logs(&told);
    let mut believed: Vec<Classes> = given.iter().map(|&class| one_hot(class)).collect();
    let mut judged = Vec::new();
    for _ in 0..ROUNDS {
        let prior = mean(&believed);
        let mut by_probe = probe::out_of_fold(&features, &believed, &folds, FOLDS);
        by_probe.iter_mut().for_each(|odds| pool::softmax(odds));
        let by_votes: Vec<Classes> =
            near.iter().map(|near| votes(near, |of| believed[of].as_slice(), &prior)).collect();
        let by_title = words::title_classes(&titles, &believed, &owners);
        let titled: Vec<Classes> =
            by_title.iter().map(|t| t.clone().unwrap_or_else(|| anything.clone())).collect();
        let experts = [pool::logs(&by_probe), pool::logs(&by_votes), pool::logs(&titled)];
        let experts: Vec<&[Classes]> = experts.iter().chain([&told]).map(Vec::as_slice).collect();
        let mut weights = pool::equal(experts.len());
        let mut joint = Joint::expected(&given, classes);
        let mut seen = Vec::new();
        let mut targets = believed.clone();
        for _ in 0..STEPS {
            pool::fit(&mut weights, &experts, &targets, WEIGHING);
            seen = (0..samples.len()).map(|row| pool::pool(&experts, &weights, row)).collect::<Vec<_>>();
            targets = seen.iter().zip(&given).map(|(seen, &given)| joint.believed(seen, given)).collect();
            joint = Joint::estimate(&targets, &given, classes);
        }
        judged = seen
            .into_iter()
            .zip(&given)
            .zip(by_title)
            .zip(&near)
            .map(|(((seen, &given), titled), near)| {
                let believed = joint.believed(&seen, given);
                let wrong = 1.0 - believed[given];
                Judged { wrong, classes: believed, seen, titled, neighbours: near.clone() }
            })
            .collect();
        believed = judged.iter().map(|j| j.classes.clone()).collect();
    }
    judged
}

/// How true classes come to be claimed: `claimed[true][given]`.
struct Joint {
    claimed: Vec<Classes>,
}

impl Joint {
    /// Before anything was seen: counts.
    fn belief(given: &[usize], classes: usize) -> Vec<Classes> {
        let error = (1.0 - MOSTLY_RIGHT) / (classes - 1) as f32;
        let row = |t: usize| -> Classes {
            let weight = BELIEF + BELIEF_EACH * given.iter().filter(|g| **g == t).count() as f32;
            (0..classes).map(|g| weight * if t == g { MOSTLY_RIGHT } else { error }).collect()
        };
        (0..classes).map(row).collect()
    }

    fn expected(given: &[usize], classes: usize) -> Self {
        Self::of(Self::belief(given, classes))
    }

    /// From what is thought to be true.
    fn estimate(truth: &[Classes], given: &[usize], classes: usize) -> Self {
        let mut counts = Self::belief(given, classes);
        for (truth, &given) in truth.iter().zip(given) {
            truth.iter().enumerate().for_each(|(t, share)| counts[t][given] += share);
        }
        Self::of(counts)
    }

    fn of(mut counts: Vec<Classes>) -> Self {
        counts.iter_mut().for_each(|row| normalise(row));
        Self { claimed: counts }
    }

    /// Of what was seen and what is claimed, what is true.
    fn believed(&self, seen: &[f32], given: usize) -> Classes {
        let mut classes: Classes = seen.iter().zip(&self.claimed).map(|(s, row)| s * row[given]).collect();
        normalise(&mut classes);
        classes
    }
}

fn mean(rows: &[Classes]) -> Classes {
    let mut mean = vec![0.0; rows.first().map_or(0, Vec::len)];
    rows.iter().for_each(|row| mean.iter_mut().zip(row).for_each(|(m, r)| *m += r));
    normalise(&mut mean);
    mean
}

/// Splitmix64: owners of neighbouring numbers fall into different folds.
fn mixed(owner: u64) -> u64 {
    let mut z = owner.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers around 0 that look drawn.
    fn noise(i: usize) -> f32 {
        (mixed(i as u64) >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    /// Four classes around four directions, `noise` wide; of the claims of 400 things 60 are wrong, and always by
    /// the next class.
    fn check(width: f32, precision: f32, recall: f32) {
        let truth: Vec<usize> = (0..400).map(|i| i % 4).collect();
        let vectors: Vec<Vec<f32>> = (0..400)
            .map(|i| {
                let mut v: Vec<f32> = (0..12).map(|d| width * noise(i * 12 + d)).collect();
                v[truth[i]] += 1.0;
                let length = v.iter().map(|x| x * x).sum::<f32>().sqrt();
                v.iter().map(|x| x / length).collect()
            })
            .collect();
        let wrong: Vec<bool> = (0..400).map(|i| mixed(i as u64 ^ 77) % 100 < 15).collect();
        let given: Vec<usize> =
            (0..400).map(|i| if wrong[i] { (truth[i] + 1) % 4 } else { truth[i] }).collect();
        let samples: Vec<Sample<'_>> = (0..400)
            .map(|i| Sample {
                embedding: &vectors[i],
                hints: vec![noise(i + 9999)],
                told: Vec::new(),
                given: given[i],
                owner: (i / 3) as u64,
                title: "",
            })
            .collect();
        let judged = judge(&samples, 4);
        let flagged: Vec<usize> = (0..400).filter(|&i| judged[i].wrong > 0.5).collect();
        let right = flagged.iter().filter(|&&i| wrong[i]).count() as f32;
        let all = wrong.iter().filter(|w| **w).count() as f32;
        let (p, r) = (right / flagged.len().max(1) as f32, right / all);
        assert!(p >= precision && r >= recall, "precision {p}, recall {r}");
        for (i, j) in judged.iter().enumerate() {
            assert!((j.classes.iter().sum::<f32>() - 1.0).abs() < 1e-4);
            assert!(j.neighbours.iter().all(|n| n.of / 3 != i / 3), "an owner is its own witness");
        }
    }

    #[test]
    fn wrong_claims_are_found_among_right_ones() {
        check(0.3, 0.95, 0.95);
        check(0.7, 0.8, 0.7);
    }

    #[test]
    fn nothing_and_one_class_are_no_doubt() {
        assert!(judge(&[], 3).is_empty());
        let one = Sample { embedding: &[1.0], hints: vec![], told: vec![], given: 0, owner: 1, title: "x" };
        assert_eq!(judge(&[one.clone(), one], 1)[0].wrong, 0.0);
    }
}
