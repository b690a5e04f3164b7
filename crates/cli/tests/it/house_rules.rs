//! What documents promise about the tree itself: arrows point down, and `unsafe` stays behind its walls.

use std::path::{Path, PathBuf};

/// Each crate and those of ours that it may see, in the order a photo travels (docs: `ARCHITECTURE.md`).
const MAY_SEE: [(&str, &str); 20] = [
    ("photo", ""),
    ("brought", ""),
    ("nets", "photo brought disk"),
    ("detect", "photo nets"),
    ("embed", "photo nets"),
    ("local", "photo nets"),
    ("disk", ""),
    ("index", "disk"),
    ("catalogue", "photo disk"),
    ("feed", "catalogue"),
    ("fetch", ""),
    ("traces", ""),
    ("synth", "photo"),
    ("dataset", "photo"),
    ("audit", "photo"),
    ("engine", "photo disk nets detect embed local index catalogue audit feed fetch"),
    ("eval", "photo nets detect embed local index dataset synth audit"),
    ("train", "photo nets dataset synth"),
    ("server", "photo nets catalogue engine feed fetch"),
    ("cli", "*"),
];

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

#[test]
fn arrows_point_down() {
    let mut seen = Vec::new();
    for entry in std::fs::read_dir(crates()).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        let Ok(manifest) = std::fs::read_to_string(entry.path().join("Cargo.toml")) else { continue };
        let manifest: toml::Table = manifest.parse().unwrap();
        let allowed = MAY_SEE.iter().find(|(known, _)| *known == name);
        let (_, allowed) = allowed.unwrap_or_else(|| panic!("crates/{name} has no place in the order"));
        let dependencies = manifest.get("dependencies").and_then(toml::Value::as_table);
        for dependency in dependencies.into_iter().flat_map(toml::Table::keys) {
            let Some(ours) = dependency.strip_prefix("twinset-") else { continue };
            assert!(
                *allowed == "*" || allowed.split(' ').any(|name| name == ours),
                "crates/{name} must not see crates/{ours}"
            );
        }
        seen.push(name);
    }
    assert!(MAY_SEE.iter().all(|(name, _)| seen.iter().any(|s| s == name)), "a crate is gone: {seen:?}");
}

#[test]
fn unsafe_code_is_allowed_in_few_places_and_with_a_reason() {
    let mut open = vec![crates()];
    let mut walls = Vec::new();
    while let Some(folder) = open.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let here = Path::new(file!()).file_name() == path.file_name();
                if !here && text.contains("allow(unsafe_code)") {
                    assert!(
                        !text.contains("unsafe {") || text.contains("SAFETY"),
                        "{}: unsafe blocks without their reason",
                        path.display()
                    );
                    walls.push(path);
                }
            }
        }
    }
    assert!(!walls.is_empty() && walls.len() <= 8, "unsafe code is let in at many places: {walls:#?}");
}
