//! Turns a crop into an embedding and attributes.
use twinset_nets::{FeatureMap, NetError, Package};
use twinset_photo::{Photo, Rect};

/// What is seen in one crop.
#[derive(Clone, Debug)]
pub struct Embedded {
    /// Unit vector, `dim` long.
    pub embedding: Vec<f32>,
    /// Map for local features, `[64 + 1, 16, 16]`: 64-d token and saliency at each position.
    pub map: FeatureMap,
    /// Attributes seen (not claimed).
    pub attributes: Attributes,
}

/// Attributes as seen, most certain first.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize, PartialEq)]
#[allow(missing_docs)]
pub struct Attributes { pub colour: Vec<(String, f32)>, #[serde(skip_serializing_if = "Option::is_none", default)] pub pattern: Option<String> }

/// An embedder ready to run; cheap to share between threads.
pub struct Embedder {}

impl Embedder {
    /// # Errors
    /// If the package is not an embedder or its shapes do not fit its card.
    pub fn new(_package: &Package) -> Result<Self, NetError> { unimplemented!() }
    /// Length of an embedding.
    #[must_use]
    pub fn dim(&self) -> usize { unimplemented!() }
    /// Embeds the part of `photo` inside `rect` (with the margin the card says).
    #[must_use]
    pub fn embed(&self, _photo: &Photo, _rect: Rect) -> Embedded { unimplemented!() }
}
