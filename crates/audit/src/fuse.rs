//! What class is it? The classifier's opinion with the votes of neighbours.
//!
//! Pailitao (Zhang et al. 2018) weighs both; we pool them as logarithms, with weights fitted to things whose class
//! is known. A class that the classifier never learned has only votes to go by: there the classifier's opinion
//! counts as what it says of such things on average.

use crate::Classes;
use crate::pool;

/// The weights of a fusion.
#[derive(Clone, Debug, PartialEq)]
pub struct Fuse {
    /// Of the classifier and of the neighbours; one over their temperatures.
    pub weights: [f32; 2],
    /// Classes that the classifier knows.
    pub known: Vec<bool>,
}

impl Fuse {
    /// Fits the weights to things whose class is `given`. `classifier`: its probabilities over all classes, 0 for
    /// those it does not know; `votes`: what their neighbours, and not they themselves, say.
    #[must_use]
    pub fn fit(classifier: &[Classes], votes: &[Classes], given: &[usize], known: Vec<bool>) -> Self {
        let opinions: Vec<Classes> =
            classifier.iter().zip(votes).map(|(c, v)| completed(c, v, &known)).collect();
        let (opinions, votes) = (pool::logs(&opinions), pool::logs(votes));
        let classes = known.len();
        let targets: Vec<Classes> =
            given.iter().map(|&g| (0..classes).map(|c| f32::from(u8::from(c == g))).collect()).collect();
        let mut weights = pool::equal(2);
        pool::fit(&mut weights, &[&opinions, &votes], &targets, 60);
        Self { weights: [weights[0], weights[1]], known }
    }
}

/// Probabilities of the classes of one thing.
#[must_use]
pub fn fuse(fuse: &Fuse, classifier: &[f32], votes: &[f32]) -> Classes {
    let opinion = pool::logs(&[completed(classifier, votes, &fuse.known)]);
    let votes = pool::logs(&[votes.to_vec()]);
    pool::pool(&[&opinion, &votes], &fuse.weights, 0)
}

/// The classifier's probabilities with those of the classes that it does not know: as many of all as the neighbours
/// say, shared out as the neighbours do.
fn completed(classifier: &[f32], votes: &[f32], known: &[bool]) -> Classes {
    let unknown: f32 = votes.iter().zip(known).filter(|(_, known)| !**known).map(|(v, _)| v).sum();
    let rows = classifier.iter().zip(votes).zip(known);
    rows.map(|((c, v), known)| if *known { c * (1.0 - unknown) } else { *v }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_that_came_later_is_found_by_its_neighbours() {
        // Three classes, of which the classifier knows two; things of the third look to it like either.
        let given: Vec<usize> = (0..90).map(|i| i % 3).collect();
        let classifier: Vec<Classes> = given
            .iter()
            .enumerate()
            .map(|(i, g)| match g {
                0 => vec![0.9, 0.1, 0.0],
                1 => vec![0.2, 0.8, 0.0],
                _ => {
                    if i % 2 == 0 {
                        vec![0.9, 0.1, 0.0]
                    } else {
                        vec![0.1, 0.9, 0.0]
                    }
                }
            })
            .collect();
        let votes: Vec<Classes> = given
            .iter()
            .enumerate()
            .map(|(i, g)| {
                let right = if i % 5 == 0 { 0.3 } else { 0.6 };
                (0..3).map(|c| if c == *g { right } else { (1.0 - right) / 2.0 }).collect()
            })
            .collect();
        let fitted = Fuse::fit(&classifier, &votes, &given, vec![true, true, false]);
        let right = |of: &dyn Fn(usize) -> Classes| {
            (0..90)
                .filter(|&i| {
                    let p = of(i);
                    (0..3).max_by(|a, b| p[*a].total_cmp(&p[*b])) == Some(given[i])
                })
                .count()
        };
        let fused = right(&|i| fuse(&fitted, &classifier[i], &votes[i]));
        assert!(fused > right(&|i| classifier[i].clone()) && fused > right(&|i| votes[i].clone()), "{fused}");
    }
}
