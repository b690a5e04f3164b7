//! The samples of the agreed interfaces, against what each must yield.

use crate::{Told, feed};
use serde_json::Value;
use std::path::{Path, PathBuf};

fn folder() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let found = ["../shared/api/samples", "shared/api/samples"]
        .iter()
        .map(|way| root.join(way))
        .find(|path| path.is_dir());
    if found.is_none() {
        eprintln!("skipped: no shared/api/samples beside this checkout");
    }
    found
}

fn check(file: &str, told: &Told, expected: &[Value]) {
    let ids: Vec<&str> = expected.iter().filter_map(|one| one["id"].as_str()).collect();
    assert_eq!(told.ids(), ids, "{file}: {:#?}", told.findings);
    for one in expected {
        let product = told.get(one["id"].as_str().unwrap());
        let found = serde_json::to_value(product).unwrap();
        for (name, value) in one.as_object().unwrap() {
            let found = match name.as_str() {
                "price" | "sale_price" => {
                    let money = if name == "price" { product.price } else { product.sale_price };
                    money.map_or(Value::Null, |money| Value::from(money.to_string()))
                }
                "images" => Value::from(product.images.len()),
                "main_image" => product
                    .images
                    .first()
                    .and_then(|image| image.url.clone())
                    .map_or(Value::Null, Value::from),
                other => found.get(other).cloned().unwrap_or(Value::Null),
            };
            assert_eq!(&found, value, "{file}, {}, {name}", product.id);
        }
    }
}

#[test]
fn samples_yield_what_is_expected() {
    let Some(folder) = folder() else { return };
    let expected: Value =
        serde_json::from_slice(&std::fs::read(folder.join("expected.json")).unwrap()).unwrap();
    let mut files = 0;
    for (file, products) in expected.as_object().unwrap().iter().filter(|(file, _)| *file != "settings") {
        let told = feed(std::fs::read(folder.join(file)).unwrap());
        check(file, &told, products.as_array().unwrap());
        assert!(!told.partial(), "{file}");
        files += 1;
    }
    assert!(files >= 8);
    let removed = feed(std::fs::read(folder.join("twinset.jsonl")).unwrap()).removed;
    assert_eq!(removed, ["MT-099"]);
}
