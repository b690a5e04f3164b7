//! Packages: what is written comes back, what does not fit is refused by name.

use twinset_nets::{Card, DetectorNet, EmbedderNet, NetError, Package, Tensor};

use crate::{detector_card, embedder_card, package};

#[test]
fn a_saved_package_opens_as_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let made = package(&detector_card());
    made.save(&dir.path().join("new/folder")).unwrap();
    let opened = Package::open(&dir.path().join("new/folder")).unwrap();
    assert_eq!(opened.hash(), made.hash());
    assert!(opened.tensors() == made.tensors());
    assert_eq!(opened.card().threshold(), Some(0.3));
    assert_eq!(opened.card().category_of("blouse"), Some("top"));
    assert_eq!(opened.card().category_of("dress"), Some("dress"));
    assert_eq!(opened.card().category_of("BLOUSE"), Some("top"));
    assert_eq!(opened.card().category_of("Dress"), Some("dress"));
    assert_eq!(opened.card().category_of("hair"), None);
    let rebuilt = Package::build(opened.card(), &opened.tensors()).unwrap();
    assert_eq!(rebuilt.hash(), made.hash(), "the same numbers make the same package");
}

#[test]
fn random_weights_depend_on_the_seed_alone() {
    let shipped = package(&embedder_card());
    assert_eq!(shipped.randomised(3).hash(), shipped.randomised(3).hash());
    assert_ne!(shipped.randomised(3).hash(), shipped.randomised(4).hash());
    assert_eq!(shipped.randomised(3).card().name, "random-3");
}

#[test]
fn shipped_models_open_and_are_of_their_kind() {
    let (detector, embedder) = (Package::default_detector(), Package::default_embedder());
    assert!(DetectorNet::new(&detector).is_ok() && EmbedderNet::new(&embedder).is_ok());
    assert!(matches!(DetectorNet::new(&embedder), Err(NetError::WrongKind { expected: "detector", .. })));
    assert!(matches!(EmbedderNet::new(&detector), Err(NetError::WrongKind { expected: "embedder", .. })));
}

#[test]
fn missing_files_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let error = Package::open(dir.path()).unwrap_err().to_string();
    assert!(error.contains("card.json"), "{error}");
}

#[test]
fn wrong_tensors_are_named() {
    let good = package(&embedder_card()).tensors();
    let check = |change: &dyn Fn(&mut Vec<Tensor>), part: &str| {
        let mut tensors = good.clone();
        change(&mut tensors);
        let error = Package::build(&embedder_card(), &tensors).unwrap_err().to_string();
        assert!(error.contains(part), "{error} should tell of {part}");
    };
    let at = |tensors: &[Tensor], name: &str| tensors.iter().position(|t| t.name == name).unwrap();
    check(&|t| drop(t.remove(at(t, "s1.0.bias"))), "\"s1.0.bias\" is missing");
    check(&|t| t.push(Tensor { name: "s9".into(), shape: vec![1], data: vec![0.0] }), "\"s9\" is not part");
    check(
        &|t| {
            let i = at(t, "head.weight");
            t[i].shape.reverse();
        },
        "\"head.weight\" has shape [33, 24], expected [24, 33]",
    );
    check(
        &|t| {
            let i = at(t, "local.bias");
            t[i].data[2] = f32::NAN;
        },
        "\"local.bias\" holds a number that is not finite",
    );
    check(
        &|t| {
            let i = at(t, "stem.weight");
            t[i].data[0] = 1e6;
        },
        "\"stem.weight\" holds a number",
    );
    check(
        &|t| {
            let i = at(t, "stem.bias");
            t[i].data.pop();
        },
        "not usable",
    );
}

#[test]
fn wrong_cards_are_refused() {
    let package = package(&detector_card());
    let json = serde_json::to_value(package.card()).unwrap();
    let check = |pointer: &str, value: serde_json::Value, part: &str| {
        let mut json = json.clone();
        match json.pointer_mut(pointer) {
            Some(place) => *place = value,
            None => json[&pointer[1..]] = value,
        }
        let error = serde_json::from_value::<Card>(json)
            .map_err(|e| e.to_string())
            .and_then(|card| Package::build(&card, &package.tensors()).map_err(|e| e.to_string()))
            .unwrap_err();
        assert!(error.contains(part), "{pointer}: {error} should tell of {part}");
    };
    check("/kind", "embedder".into(), "`kind`");
    check("/name", "".into(), "`name`");
    check("/threshold", 1.5.into(), "`threshold`");
    check("/category_map/blouse", "hair".into(), "\"hair\"");
    check("/architecture/type", "transformer".into(), "transformer");
    check("/architecture/side", 100.into(), "`side`");
    check("/architecture/stem", 0.into(), "`stem`");
    check("/architecture/stem", 1_000_000_000.into(), "`stem`");
    check("/architecture/neck", (-3).into(), "architecture");
    check("/architecture/strides", vec![4, 8].into(), "`strides`");
    check("/architecture/stages", serde_json::json!([[8, 1]]), "`stages`");
    check("/architecture/reg_max", 4_000_000.into(), "`reg_max`");
    check("/categories", vec!["dress"].into(), "category_map");
}
