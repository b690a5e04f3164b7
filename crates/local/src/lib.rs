//! Local features of a crop and their comparison.
use twinset_nets::FeatureMap;
use twinset_photo::Rect;

/// Tokens of one crop: 64-d int8 each, with position, scale and saliency.
#[derive(Clone, Debug, PartialEq)]
pub struct LocalFeatures {}

/// One matched part. Rects are in 0..=1 of each crop.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Part { pub query: Rect, pub hit: Rect, pub score: f32 }

/// Outcome of comparing two crops.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// 0..=1, larger is more alike.
    pub score: f32,
    /// Best first, at most 8.
    pub parts: Vec<Part>,
}

impl LocalFeatures {
    /// The `keep` most salient tokens of the map (a query keeps all).
    #[must_use]
    pub fn extract(_map: &FeatureMap, _keep: usize) -> Self { unimplemented!() }
    /// For storage, at most 2.2 KB for 32 tokens.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> { unimplemented!() }
    /// # Errors
    /// If the bytes are not ours or damaged.
    pub fn from_bytes(_bytes: &[u8]) -> Result<Self, LocalError> { unimplemented!() }
}

/// Compares a query's tokens with a stored picture's.
#[must_use]
pub fn compare(_query: &LocalFeatures, _hit: &LocalFeatures) -> Comparison { unimplemented!() }

/// Why stored local features could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// The blob is damaged.
    #[error("damaged local features: {0}")]
    Damaged(String),
}
