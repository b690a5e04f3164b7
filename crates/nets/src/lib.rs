//! Model packages and the inference kernels of our networks.
//!
//! In: weights with a card. Out: a network's outputs as plain arrays. Knows nothing of garments.
use std::path::Path;

/// BLAKE3 of a package's card and weights; every stored vector is stamped with it. Displays as hex.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ModelHash(pub [u8; 32]);

impl std::fmt::Display for ModelHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for b in self.0 { write!(f, "{b:02x}")?; }
        Ok(())
    }
}

/// One `[channels, height, width]` map of f32, row-major.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct FeatureMap { pub channels: usize, pub height: usize, pub width: usize, pub data: Vec<f32> }

/// What a package says about itself (`card.json`). See docs/formats/model-package.md.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
#[allow(missing_docs)]
pub struct Card {
    pub name: String,
    /// `detector` or `embedder`.
    pub kind: String,
    pub architecture: serde_json::Value,
    #[serde(default)]
    pub categories: Vec<String>,
    #[serde(flatten)]
    pub rest: serde_json::Map<String, serde_json::Value>,
}

/// A loaded model package: the card and its tensors (fused, inference form).
#[derive(Clone, Debug)]
pub struct Package { card: Card, hash: ModelHash }

impl Package {
    /// Opens `DIR/card.json` and `DIR/weights.safetensors`.
    ///
    /// # Errors
    /// Named: missing file, bad header, wrong shapes, not finite.
    pub fn open(_dir: &Path) -> Result<Self, NetError> { unimplemented!() }
    /// The detector that ships inside the binary.
    #[must_use]
    pub fn default_detector() -> Self { unimplemented!() }
    /// The embedder that ships inside the binary.
    #[must_use]
    pub fn default_embedder() -> Self { unimplemented!() }
    /// The same architecture with random weights (He), a baseline of every evaluation.
    #[must_use]
    pub fn randomised(&self, _seed: u64) -> Self { unimplemented!() }
    /// The card.
    #[must_use]
    pub fn card(&self) -> &Card { &self.card }
    /// Content hash.
    #[must_use]
    pub fn hash(&self) -> ModelHash { self.hash }
}

/// Why a package or a network could not be used.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// Placeholder; the real variants come with the loader.
    #[error("{0}")]
    BadPackage(String),
}
