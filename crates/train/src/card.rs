//! Model cards and packages of trained networks.
use serde_json::{Value, json};
use std::path::Path;
use twinset_nets::{Card, Package, Tensor};

use crate::{CATEGORIES, categories, error::TrainError, run::TrainOptions};

/// The card of a network as it stands after `steps`.
pub(crate) fn new(
    kind: &str,
    architecture: Value,
    options: &TrainOptions,
    steps: u64,
    fingerprint: &str,
) -> Card {
    let names = |paths: &[std::path::PathBuf]| -> Vec<String> {
        paths.iter().filter_map(|p| Some(p.file_name()?.to_string_lossy().into_owned())).collect()
    };
    let rest = json!({
        "input": { "colour": "sRGB", "mean": 0.5, "deviation": 0.25 },
        "threshold": 0.25,
        "category_map": categories::map(),
        "data": { "sets": names(&options.data), "grounds": names(&options.grounds), "split": "train",
                  "generator": options.synth, "fingerprint": fingerprint },
        "teacher": options.teacher.is_some(),
        "recipe": { "command": format!("twinset train {kind}"), "steps": steps, "batch": options.batch,
                    "learning_rate": options.learning_rate, "seed": options.seed, "hold_out": options.hold_out },
    });
    let Value::Object(rest) = rest else { unreachable!("an object was written above") };
    Card {
        name: format!("twinset-{kind}"),
        kind: kind.to_owned(),
        architecture,
        categories: CATEGORIES.iter().map(|c| (*c).to_owned()).collect(),
        rest,
    }
}

/// Checks the tensors against the card and writes the package.
pub(crate) fn save(
    card: Card,
    tensors: &[(String, Vec<usize>, Vec<f32>)],
    dir: &Path,
) -> Result<(), TrainError> {
    let tensors: Vec<Tensor> = tensors
        .iter()
        .map(|(name, shape, data)| Tensor { name: name.clone(), shape: shape.clone(), data: data.clone() })
        .collect();
    Package::build(&card, &tensors)?.save(dir)?;
    Ok(())
}
