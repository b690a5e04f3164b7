//! What the crate promises to others: packages that are refused or opened, kernels that agree.

mod hostile;
mod kernels;
mod moody;
mod packages;

use serde_json::json;
use twinset_nets::{Card, Package};

/// A small embedder with sizes that are no multiples of anything.
fn embedder_card() -> Card {
    serde_json::from_value(json!({
        "name": "small", "kind": "embedder",
        "architecture": {"type": "repvgg-lite", "side": 32, "margin": 0.1, "stem": 5,
            "stages": [[20, 1], [33, 2]], "dim": 24, "local_dim": 64, "patterns": ["solid", "striped"]},
        "categories": ["top", "dress", "item"], "recipe": "none"
    }))
    .unwrap()
}

/// A small detector, likewise.
fn detector_card() -> Card {
    serde_json::from_value(json!({
        "name": "small", "kind": "detector",
        "architecture": {"type": "gfl-lite", "side": 96, "stem": 7, "stages": [[18, 2], [40, 1], [21, 2]],
            "neck": 19, "head_convs": 1, "reg_max": 7, "strides": [8, 16]},
        "categories": ["top", "dress"], "threshold": 0.3, "category_map": {"blouse": "top"}
    }))
    .unwrap()
}

fn package(card: &Card) -> Package {
    Package::random(card, 7).unwrap()
}
