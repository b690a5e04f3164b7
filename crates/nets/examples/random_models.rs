//! Writes packages with random weights and the agreed cards into a folder:
//! `cargo run --release -p twinset-nets --example random_models -- models`.
//!
//! The shipped models come from the trainer; these stand in until there are trained ones, and serve
//! whoever changes an architecture and wants to see it run before training it.

use std::path::Path;

use serde_json::json;
use twinset_nets::{Card, NetError, Package};

fn main() -> Result<(), NetError> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "models".into());
    for (name, card) in [("detector", detector()), ("embedder", embedder())] {
        let card: Card = serde_json::from_value(card).map_err(|e| NetError::BadCard(e.to_string()))?;
        let dir = Path::new(&folder).join(name);
        let package = Package::random(&card, 1)?;
        package.save(&dir)?;
        println!("{} {}", dir.display(), package.hash());
    }
    Ok(())
}

const CATEGORIES: [&str; 16] = [
    "top",
    "outerwear",
    "dress",
    "skirt",
    "trousers",
    "shorts",
    "footwear",
    "bag",
    "hat",
    "scarf",
    "belt",
    "eyewear",
    "jewellery",
    "legwear",
    "gloves",
    "item",
];
const PATTERNS: [&str; 13] = [
    "solid",
    "striped",
    "checked",
    "dotted",
    "floral",
    "graphic",
    "animal",
    "camouflage",
    "gradient",
    "knit",
    "denim",
    "lace",
    "other",
];

fn input() -> serde_json::Value {
    json!({"colour": "sRGB", "mean": 0.5, "deviation": 0.25, "outside": 128})
}

fn detector() -> serde_json::Value {
    json!({
        "name": "random-detector", "kind": "detector",
        "architecture": {"type": "gfl-lite", "side": 256, "stem": 16,
            "stages": [[32, 2], [64, 3], [128, 3], [192, 2]],
            "neck": 64, "head_convs": 2, "reg_max": 7, "strides": [8, 16, 32]},
        "categories": CATEGORIES, "input": input(), "threshold": 0.25,
        "category_map": {"accessory": "item"},
        "data": [], "licences": [], "recipe": "random weights", "quality": {}, "baselines": {}
    })
}

fn embedder() -> serde_json::Value {
    json!({
        "name": "random-embedder", "kind": "embedder",
        "architecture": {"type": "repvgg-lite", "side": 128, "margin": 0.1, "stem": 32,
            "stages": [[64, 2], [128, 3], [256, 3]], "dim": 256, "local_dim": 64, "patterns": PATTERNS},
        "categories": CATEGORIES, "input": input(),
        "data": [], "licences": [], "recipe": "random weights", "quality": {}, "baselines": {}
    })
}
