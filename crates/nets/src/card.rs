//! What a package says about itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::NetError;

/// What a package says about itself (`card.json`). See docs/formats/model-package.md.
///
/// The members that inference needs are typed; all others (`input`, `threshold`, `data`,
/// `licences`, `recipe`, `quality`, `baselines`, `category_map`, …) are kept as they came in
/// `rest`, with accessors for those that other crates read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Card {
    /// A name for people.
    pub name: String,
    /// `detector` or `embedder`.
    pub kind: String,
    /// See [`Architecture`](crate::Architecture).
    pub architecture: serde_json::Value,
    /// Names of the classes, in the order of the class outputs.
    #[serde(default)]
    pub categories: Vec<String>,
    /// Everything else on the card.
    #[serde(flatten)]
    pub rest: serde_json::Map<String, serde_json::Value>,
}

impl Card {
    /// Reads and checks a card's bytes.
    pub(crate) fn parse(json: &[u8]) -> Result<Self, NetError> {
        let card: Self = serde_json::from_slice(json).map_err(|e| NetError::BadCard(e.to_string()))?;
        if card.name.is_empty() || card.name.len() > 200 {
            return Err(NetError::BadCard("`name` must have 1 to 200 bytes".into()));
        }
        if card.categories.len() > 1000 || card.categories.iter().any(|c| c.is_empty() || c.len() > 100) {
            return Err(NetError::BadCard(
                "`categories` may have at most 1000 names of 1 to 100 bytes each".into(),
            ));
        }
        if let Some(value) = card.rest.get("threshold")
            && !value.as_f64().is_some_and(|t| (0.0..=1.0).contains(&t))
        {
            return Err(NetError::BadCard(format!("`threshold` is {value}, it must be a number in 0..=1")));
        }
        if let Some(value) = card.rest.get("category_map") {
            let map: BTreeMap<String, String> = serde_json::from_value(value.clone())
                .map_err(|e| NetError::BadCard(format!("`category_map` maps labels to categories: {e}")))?;
            if let Some((label, category)) = map.iter().find(|(_, c)| !card.categories.contains(c)) {
                return Err(NetError::BadCard(format!(
                    "`category_map` sends {label:?} to {category:?}, which is not among `categories`"
                )));
            }
        }
        Ok(card)
    }

    /// The certainty from which a detector reports a garment, 0..=1.
    #[must_use]
    pub fn threshold(&self) -> Option<f32> {
        self.rest.get("threshold").and_then(serde_json::Value::as_f64).map(|t| t as f32)
    }

    /// What `label`, a data set's word for a box, is called by this model: by the card's
    /// `category_map`, or the label itself if it is one of the categories; in any case.
    #[must_use]
    pub fn category_of(&self, label: &str) -> Option<&str> {
        let same = |name: &str| name == label || name.to_lowercase() == label.to_lowercase();
        let map = self.rest.get("category_map").and_then(serde_json::Value::as_object);
        let mapped =
            map.and_then(|map| map.get(label).or_else(|| Some(map.iter().find(|(name, _)| same(name))?.1)));
        let own = || self.categories.iter().find(|name| same(name)).map(String::as_str);
        mapped.and_then(serde_json::Value::as_str).or_else(own)
    }
}
