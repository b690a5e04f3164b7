//! Does a classifier gain from the votes of neighbours, above all about classes that came after its training?
//!
//! By product, three fifths of the samples teach a classifier (a linear probe on the embedding) and are the neighbours,
//! one fifth fits the fusion, one fifth is asked. Once the classifier knows every class, once a fifth of the classes
//! came later: neighbours of these are there, the classifier has never seen one.
use crate::interval::{Clusters, Figure, RESAMPLES};
use serde::Serialize;
use twinset_audit::{Fuse, Probe, VOTERS, fuse, nearest, votes};

/// Samples of a class, at least.
const MEMBERS: usize = 10;

/// One thing of known class.
pub(crate) struct Known<'a> {
    pub(crate) product: &'a str,
    pub(crate) label: &'a str,
    pub(crate) embedding: &'a [f32],
}

/// Shares called rightly, of those asked.
#[derive(Clone, Debug, Serialize)]
pub struct Fused {
    /// Classes of at least ten samples; the data set's own labels.
    pub classes: usize,
    /// The classifier knows all of them.
    pub all_known: Gain,
    /// A fifth of them came after its training.
    pub fifth_added: Gain,
}

/// The two alone and together.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct Gain {
    pub asked: usize,
    pub classifier: Figure,
    pub neighbours: Figure,
    pub fused: Figure,
    /// Fused less the better of the two alone, paired.
    pub gain_over_both: Figure,
    /// Fused less the classifier, paired.
    pub gain_over_classifier: Figure,
    /// Mean distance between what the fusion is sure of and how often it is right, over ten bins of equal size.
    pub calibration_error: f64,
    /// Weights of classifier and neighbours.
    pub weights: [f32; 2],
}

/// `None` where fewer than five classes have enough samples.
pub(crate) fn run(known: &[Known<'_>], seed: u64) -> Option<Fused> {
    let mut names: Vec<&str> = known.iter().map(|k| k.label).collect();
    names.sort_unstable();
    names = names.chunk_by(|a, b| a == b).filter(|c| c.len() >= MEMBERS).map(|c| c[0]).collect();
    if names.len() < 5 {
        return None;
    }
    let things: Vec<(&Known<'_>, usize)> =
        known.iter().filter_map(|k| Some((k, names.binary_search(&k.label).ok()?))).collect();
    // Which classes come later is drawn by the seed.
    let later: Vec<bool> = {
        let mut order: Vec<usize> = (0..names.len()).collect();
        order.sort_by_key(|&c| hash(names[c], seed));
        let first = &order[..names.len().div_ceil(5)];
        (0..names.len()).map(|c| first.contains(&c)).collect()
    };
    Some(Fused {
        classes: names.len(),
        all_known: gain(&things, &vec![true; names.len()], seed),
        fifth_added: gain(&things, &later.iter().map(|l| !l).collect::<Vec<_>>(), seed),
    })
}

fn hash(text: &str, seed: u64) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325 ^ seed, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
        >> 7
}

fn gain(things: &[(&Known<'_>, usize)], knows: &[bool], seed: u64) -> Gain {
    let part = |of: std::ops::Range<u64>| -> Vec<usize> {
        (0..things.len()).filter(|&i| of.contains(&(hash(things[i].0.product, seed) % 5))).collect()
    };
    let (taught, fitted, asked) = (part(0..3), part(3..4), part(4..5));
    let one_hot =
        |class: usize| (0..knows.len()).map(|c| f32::from(u8::from(c == class))).collect::<Vec<f32>>();
    let labels: Vec<Vec<f32>> = taught.iter().map(|&i| one_hot(things[i].1)).collect();
    let features: Vec<Vec<f32>> = taught.iter().map(|&i| things[i].0.embedding.to_vec()).collect();
    let learned = (0..taught.len()).filter(|&n| knows[things[taught[n]].1]);
    let probe = Probe::learn(&features, &labels, learned.collect::<Vec<_>>().into_iter());
    let mut prior = vec![0.0; knows.len()];
    labels.iter().for_each(|l| prior.iter_mut().zip(l).for_each(|(p, x)| *p += x / labels.len() as f32));
    let reference: Vec<&[f32]> = features.iter().map(Vec::as_slice).collect();
    let opinions = |rows: &[usize]| -> (Vec<Vec<f32>>, Vec<Vec<f32>>) {
        let queries: Vec<&[f32]> = rows.iter().map(|&i| things[i].0.embedding).collect();
        let near = nearest(&queries, &reference, VOTERS, f32::INFINITY, |_, _| true);
        let classifier = queries.iter().map(|q| {
            let mut classes = probe.classes(q);
            classes.iter_mut().zip(knows).for_each(|(p, known)| *p *= f32::from(u8::from(*known)));
            let sum: f32 = classes.iter().sum::<f32>().max(1e-6);
            classes.iter().map(|p| p / sum).collect()
        });
        (classifier.collect(), near.iter().map(|n| votes(n, |of| &labels[of], &prior)).collect())
    };
    let (by_classifier, by_votes) = opinions(&fitted);
    let given: Vec<usize> = fitted.iter().map(|&i| things[i].1).collect();
    let fusion = Fuse::fit(&by_classifier, &by_votes, &given, knows.to_vec());
    let (by_classifier, by_votes) = opinions(&asked);
    let fused: Vec<Vec<f32>> =
        by_classifier.iter().zip(&by_votes).map(|(c, v)| fuse(&fusion, c, v)).collect();
    let best = |classes: &[f32]| (0..classes.len()).max_by(|a, b| classes[*a].total_cmp(&classes[*b]));
    let right = |of: &[Vec<f32>]| -> Vec<f64> {
        let right =
            |(classes, &i): (&Vec<f32>, &usize)| f64::from(u8::from(best(classes) == Some(things[i].1)));
        of.iter().zip(&asked).map(right).collect()
    };
    let clusters = Clusters::new(asked.iter().map(|&i| things[i].0.product), RESAMPLES, seed);
    let mean = |values: &[f64]| clusters.mean(values).unwrap_or([0.0; 3]);
    let (classifier, neighbours, together) = (right(&by_classifier), right(&by_votes), right(&fused));
    let less = |other: &[f64]| together.iter().zip(other).map(|(a, b)| a - b).collect::<Vec<_>>();
    let better = if mean(&classifier)[0] >= mean(&neighbours)[0] { &classifier } else { &neighbours };
    let sure: Vec<f64> = fused.iter().map(|c| f64::from(c.iter().copied().fold(0.0, f32::max))).collect();
    Gain {
        asked: asked.len(),
        classifier: mean(&classifier),
        neighbours: mean(&neighbours),
        fused: mean(&together),
        gain_over_both: mean(&less(better)),
        gain_over_classifier: mean(&less(&classifier)),
        calibration_error: calibration(&sure, &together),
        weights: fusion.weights,
    }
}

fn calibration(sure: &[f64], right: &[f64]) -> f64 {
    let mut order: Vec<usize> = (0..sure.len()).collect();
    order.sort_by(|a, b| sure[*a].total_cmp(&sure[*b]));
    let error = |bin: &[usize]| {
        let mean = |of: &[f64]| bin.iter().map(|&i| of[i]).sum::<f64>() / bin.len() as f64;
        (mean(sure) - mean(right)).abs() * bin.len() as f64
    };
    order.chunks(order.len().div_ceil(10).max(1)).map(error).sum::<f64>() / order.len().max(1) as f64
}
