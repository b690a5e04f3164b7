//! Who is most alike, and what they say.

use crate::Classes;
use rayon::prelude::*;

/// Neighbours that vote, as Pailitao has it.
pub const VOTERS: usize = 30;
/// From this cosine on two products show the same picture: copies would vote for each other.
pub(crate) const COPY: f32 = 0.998;
/// How much more the nearest counts than the last: e to this power.
const STEEPNESS: f32 = 3.0;
/// Votes of nobody in particular, shared out as the classes are: where all neighbours are far, nothing is certain.
const DOUBT: f32 = 1.0;

/// Another one that is alike.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neighbour {
    /// Which.
    pub of: usize,
    /// Cosine of the embeddings.
    pub cosine: f32,
}

/// For each of `queries` the `k` nearest of `reference`, nearest first; exact. All vectors have length 1. Left out
/// are those for which `apart(query, reference)` is false, and those from `copy` on, a cosine.
#[must_use]
pub fn nearest(
    queries: &[&[f32]],
    reference: &[&[f32]],
    k: usize,
    copy: f32,
    apart: impl Fn(usize, usize) -> bool + Sync,
) -> Vec<Vec<Neighbour>> {
    let near = |(q, query): (usize, &&[f32])| {
        let mut best: Vec<Neighbour> = Vec::with_capacity(k + 1);
        for (of, other) in reference.iter().enumerate() {
            let cosine = dot(query, other);
            let enters = best.len() < k || best.last().is_some_and(|last| cosine > last.cosine);
            if !enters || cosine >= copy || !apart(q, of) {
                continue;
            }
            let place = best.partition_point(|n| n.cosine >= cosine);
            best.insert(place, Neighbour { of, cosine });
            best.truncate(k);
        }
        best
    };
    queries.par_iter().enumerate().map(near).collect()
}

/// What neighbours say of one thing, as probabilities: each gives its `classes`, the nearer the more, by its place
/// between the nearest and the last, so that no temperature has to fit the embedder. `prior`: shares of the classes.
#[must_use]
pub fn votes<'a>(neighbours: &[Neighbour], classes: impl Fn(usize) -> &'a [f32], prior: &[f32]) -> Classes {
    let mut votes: Classes = prior.iter().map(|p| p * DOUBT).collect();
    if let [first, .., last] = neighbours {
        let spread = (first.cosine - last.cosine).max(1e-6);
        for n in neighbours {
            let weight = (-STEEPNESS * (first.cosine - n.cosine) / spread).exp();
            votes.iter_mut().zip(classes(n.of)).for_each(|(vote, class)| *vote += weight * class);
        }
    }
    normalise(&mut votes);
    votes
}

pub(crate) fn normalise(classes: &mut [f32]) {
    let sum: f32 = classes.iter().sum();
    if sum > 0.0 {
        classes.iter_mut().for_each(|c| *c /= sum);
    }
}

/// Eight sums side by side, which the compiler turns into vector instructions.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; 8];
    let (a8, a_rest) = a.as_chunks::<8>();
    let (b8, b_rest) = b.as_chunks::<8>();
    for (x, y) in a8.iter().zip(b8) {
        for (sum, (x, y)) in sums.iter_mut().zip(x.iter().zip(y)) {
            *sum += x * y;
        }
    }
    sums.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_come_first_and_neither_copies_nor_ones_own_vote() {
        let at = |degrees: f32| vec![degrees.to_radians().cos(), degrees.to_radians().sin()];
        let all: Vec<Vec<f32>> = [0.0, 0.5, 10.0, 20.0, 90.0].map(at).to_vec();
        let all: Vec<&[f32]> = all.iter().map(Vec::as_slice).collect();
        let near = nearest(&all[..1], &all, 2, COPY, |q, of| q != of);
        // Half a degree away is a copy.
        assert_eq!(near[0].iter().map(|n| n.of).collect::<Vec<_>>(), [2, 3]);
        let near = nearest(&all[..1], &all, 9, COPY, |_, of| of != 3);
        assert_eq!(near[0].iter().map(|n| n.of).collect::<Vec<_>>(), [2, 4]);
        let classes = [[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]];
        let votes = votes(&near[0], |of| &classes[of], &[0.5, 0.5]);
        assert!((votes.iter().sum::<f32>() - 1.0).abs() < 1e-6 && votes[0] > 0.6 && votes[1] < 0.4);
    }
}
