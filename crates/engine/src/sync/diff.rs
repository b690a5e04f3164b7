//! What a run would do to each product: told by a dry run, before anybody says yes.

use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use twinset_catalogue::Product;

/// Differences told of one run.
pub(crate) const TOLD: usize = 500;
/// Characters told of a text.
const TEXT_CHARS: usize = 200;

/// What would become of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Fate {
    New,
    Changed,
    Gone,
}

impl Fate {
    /// As in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Changed => "changed",
            Self::Gone => "gone",
        }
    }
}

/// One product that a run would touch.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// Its id.
    pub product: String,
    /// What would become of it.
    pub fate: Fate,
    /// The claims that would change: by member, as they are and as they would be, null where nothing is claimed. Long texts
    /// are cut.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub claims: BTreeMap<String, [Value; 2]>,
}

/// Whether two products say the same, whoever brought them and whatever pictures were found.
pub(crate) fn same_claims(stored: &Product, row: &Product) -> bool {
    let [stored, row] = comparable(stored, row);
    stored == row
}

/// The claims in which a row differs from what is stored.
pub(crate) fn claims(stored: &Product, row: &Product) -> BTreeMap<String, [Value; 2]> {
    let [stored, row] = comparable(stored, row).map(|product| match serde_json::to_value(product) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    });
    let names: BTreeSet<&String> = stored.keys().chain(row.keys()).collect();
    let of =
        |members: &Map<String, Value>, name: &String| cut(members.get(name).cloned().unwrap_or_default());
    let differing = names.into_iter().filter(|name| stored.get(*name) != row.get(*name));
    differing.map(|name| (name.clone(), [of(&stored, name), of(&row, name)])).collect()
}

fn cut(value: Value) -> Value {
    match value {
        Value::String(text) if text.chars().count() > TEXT_CHARS => {
            Value::String(text.chars().take(TEXT_CHARS).chain(['…']).collect())
        }
        value => value,
    }
}

/// Both without what a row cannot say: who brought the product, and pictures that it does not name.
fn comparable(stored: &Product, row: &Product) -> [Product; 2] {
    let bare = |product: &Product| Product { source: None, ..product.clone() };
    let (mut stored, mut row) = (bare(stored), bare(row));
    if stored.images.len() == row.images.len() {
        for (old, new) in stored.images.iter_mut().zip(&mut row.images) {
            // A row that names no picture says nothing about it.
            if new.picture.is_none() || new.picture == old.picture {
                (old.picture, new.picture) = (None, None);
            }
        }
    }
    [stored, row]
}
