//! One score out of all that is known of a pair, and what it means.
//!
//! The score is the fitted probability that both show the same product ([`Fusion`]). A candidate that was not
//! compared part by part is scored by its cosine and never overtakes one that was: reranking the best hundred
//! keeps pages consistent.

use crate::Verdict;
use std::time::Duration;
use twinset_embed::Attributes;
use twinset_local::{Comparison, Evidence, Fusion, palette_distance, pattern_agreement};

/// Candidates that are compared part by part.
pub(crate) const RERANKED: usize = 100;
/// When this much time went into part-by-part comparison, the remaining candidates keep their
/// global score. Far above what a hundred comparisons take (a few ms), so that answers only differ
/// between runs on a machine that is stuck.
pub(crate) const RERANK_BUDGET: Duration = Duration::from_millis(400);

/// All that is known of a pair that was compared part by part.
pub(crate) fn evidence(
    global: f32,
    comparison: &Comparison,
    query: &Attributes,
    hit: &Attributes,
) -> Evidence {
    Evidence {
        global,
        measures: comparison.measures,
        palette: palette_distance(&query.colour, &hit.colour),
        pattern: pattern_agreement(query.pattern.as_deref(), hit.pattern.as_deref()),
    }
}

/// The score of a candidate that was left out, others having been compared: behind them all. `least` is their
/// lowest score.
pub(crate) fn left_out(fusion: &Fusion, global: f32, least: f32) -> f32 {
    fusion.score_whole(global).min(least) * (1.0 - f32::EPSILON)
}

/// What the score of a hit and its cosine mean.
pub(crate) fn verdict(fusion: &Fusion, score: f32, global: f32) -> Verdict {
    let [similar, very_similar] = fusion.similar_from;
    match () {
        () if score >= fusion.same_from => Verdict::Same,
        () if global >= very_similar => Verdict::VerySimilar,
        () if global >= similar => Verdict::Similar,
        () => Verdict::Weak,
    }
}

/// What the score of a product is worth about which a finding of this kind was accepted.
pub(crate) fn trust(kind: &str) -> f32 {
    match kind {
        // Somebody else's picture: the original comes first.
        "copy" | "placeholder" => 0.7,
        "category" | "colour" | "title" | "gender" | "age_group" => 0.85,
        _ => 0.95,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_out_stays_behind_in_its_own_order() {
        let fusion = Fusion::by_hand();
        for least in [1.0, 0.3, 1e-6] {
            let scores = [1.0, 0.9, 0.2, -1.0].map(|global| left_out(&fusion, global, least));
            assert!(scores.is_sorted_by(|a, b| a >= b) && scores.iter().all(|s| *s < least && *s >= 0.0));
        }
        assert_eq!(verdict(&fusion, 0.99, 0.4), Verdict::Same);
        assert_eq!(verdict(&fusion, 0.01, 0.9), Verdict::VerySimilar);
        assert_eq!(verdict(&fusion, 0.01, 0.6), Verdict::Similar);
        assert_eq!(verdict(&fusion, 0.01, 0.1), Verdict::Weak);
    }
}
