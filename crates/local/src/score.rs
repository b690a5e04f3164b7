//! From what was measured to one score.

/// What a comparison measured; the inputs of the fusion, all 0..=1. Published so that a fusion
/// with the global score can be fitted on them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Measures {
    /// Mean cosine of each hit token with its best partner, weighed by saliency.
    pub similarity: f32,
    /// Share of hit tokens with a mutual partner.
    pub mutual: f32,
    /// Share of the hit tokens that the query should show which agree on few transforms, less what
    /// chance gives.
    pub inliers: f32,
    /// Share of the hit's crop that the matched parts cover.
    pub coverage: f32,
}

/// Logistic fusion, set by hand on drawn garments; to be fitted with the trained tokens.
const BIAS: f32 = -6.0;
const SIMILARITY: f32 = 3.5;
const MUTUAL: f32 = 2.0;
const INLIERS: f32 = 4.0;
const COVERAGE: f32 = 1.0;

impl Measures {
    /// 0..=1, larger is more alike.
    #[must_use]
    pub fn score(&self) -> f32 {
        let z = BIAS
            + SIMILARITY * self.similarity
            + MUTUAL * self.mutual
            + INLIERS * self.inliers
            + COVERAGE * self.coverage;
        1.0 / (1.0 + (-z).exp())
    }
}
