//! One score out of two comparisons, and what it means. All constants of the ranking stand here.
//!
//! Until the local score is fitted to "same" and "not same" pairs, the global cosine carries most of
//! the weight. A candidate that was not compared part by part lacks the local share of the score, so
//! it never overtakes one that was: reranking the best hundred keeps pages consistent.

use crate::Verdict;
use std::time::Duration;

/// Candidates that are compared part by part.
pub(crate) const RERANKED: usize = 100;
/// When this much time went into part-by-part comparison, the remaining candidates keep their
/// global score. Far above what a hundred comparisons take (a few ms), so that answers only differ
/// between runs on a machine that is stuck.
pub(crate) const RERANK_BUDGET: Duration = Duration::from_millis(400);
/// Share of the local comparison in the fused score.
const LOCAL_SHARE: f32 = 0.2;
/// From this score on two pictures show the same article.
const SAME_FROM: f32 = 0.85;
/// From this score on they are alike.
const SIMILAR_FROM: f32 = 0.6;

/// What is known about one candidate.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Local {
    /// Compared part by part, 0..=1.
    Compared(f32),
    /// Others of the same query were compared, this one was not.
    LeftOut,
    /// The query asked for no local comparison at all.
    Off,
}

/// The fused score, 0..=1. `cosine` below 0 counts as 0.
pub(crate) fn score(cosine: f32, local: Local) -> f32 {
    let global = cosine.clamp(0.0, 1.0);
    match local {
        Local::Compared(local) => (1.0 - LOCAL_SHARE) * global + LOCAL_SHARE * local.clamp(0.0, 1.0),
        Local::LeftOut => (1.0 - LOCAL_SHARE) * global,
        Local::Off => global,
    }
}

/// What a fused score means.
pub(crate) fn verdict(score: f32) -> Verdict {
    if score >= SAME_FROM {
        Verdict::Same
    } else if score >= SIMILAR_FROM {
        Verdict::Similar
    } else {
        Verdict::Weak
    }
}

/// What the score of a product is worth about which a finding of this kind was accepted.
pub(crate) fn trust(kind: &str) -> f32 {
    match kind {
        // Somebody else's picture: the original comes first.
        "copy" | "placeholder" => 0.7,
        "category" | "colour" | "title" => 0.85,
        _ => 0.95,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_stay_in_range_and_the_compared_come_first() {
        for cosine in [-1.0, 0.0, 0.3, 0.9, 1.0, 1.000_001] {
            for local in [Local::Compared(0.0), Local::Compared(1.0), Local::LeftOut, Local::Off] {
                assert!((0.0..=1.0).contains(&score(cosine, local)));
            }
            assert!(score(cosine, Local::LeftOut) <= score(cosine, Local::Compared(0.0)));
        }
        assert_eq!(verdict(score(1.0, Local::Compared(1.0))), Verdict::Same);
        assert_eq!(verdict(score(0.1, Local::Off)), Verdict::Weak);
    }
}
