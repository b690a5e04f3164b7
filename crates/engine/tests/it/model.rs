//! What happens when the eyes change.

use crate::drawn::{Fixture, check_finds, numbered, open, open_seeing, product, settle, shop_of};
use std::sync::Arc;
use twinset_embed::Attributes;
use twinset_engine::{
    EngineError, Features, Pace, QueryImage, SearchRequest, StoredGarment, Taken, Terms, Vision,
};
use twinset_local::LocalFeatures;
use twinset_nets::{Brought, FeatureMap, NetError, Package, Told, bring};
use twinset_photo::{Photo, Rect, encode_png};

/// A brought model that passes the import, and fails on every crop without a dark place (`crates/nets/tests/it/moody.rs`).
pub(crate) fn moody() -> Package {
    let model = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../nets/testdata/moody.onnx")).unwrap();
    let told =
        Told { name: "moody".into(), family: Some("plain".into()), margin: Some(0.0), ..Told::default() };
    bring(Brought { model, ..Brought::default() }, &told).unwrap().0
}

#[test]
fn a_model_that_fails_on_a_picture_costs_that_picture_alone() {
    // Its failure was a panic: of the thread that answered, and of the picture with a story about our decoder.
    let Fixture { shop, engine: _engine, home: _home } = Fixture::with((0..4).map(numbered).collect());
    let white = || encode_png(&Photo::new(96, 96, vec![255; 96 * 96 * 3]));
    let terms = Terms { force: true, pace: Pace { threads: 2, share: 1.0 } };
    let taken = shop.use_models(&Package::default_detector(), &moody(), terms, &mut |_, _, _| true).unwrap();
    assert!(matches!(taken, Taken::InUse(_)), "{taken:?}");

    shop.put(vec![product("white", &[white()]), numbered(5)]).unwrap();
    settle(&shop);
    check_finds(&shop, [0, 1, 2, 3, 5]);
    let failed = shop.unreadable().unwrap();
    let [only] = &failed[..] else { panic!("{failed:?}") };
    assert!(only.reason.contains("the model failed on this picture"), "{only:?}");
    assert_eq!(only.shown_by[0].0, "white");
    for _ in 0..2 {
        let error = shop.search(&SearchRequest::new(QueryImage::Bytes(white()))).unwrap_err();
        assert!(matches!(error, EngineError::Model(NetError::Failed { .. })), "{error}");
    }

    // Made anew, it is tried again; and the model before knows it.
    shop.rebuild_index(|_, _| {}).unwrap();
    assert_eq!(shop.unreadable().unwrap().len(), 1);
    shop.rollback().unwrap();
    settle(&shop);
    assert_eq!(shop.unreadable().unwrap(), []);
    let answer = shop.search(&SearchRequest::new(QueryImage::Bytes(white()))).unwrap();
    assert_eq!(crate::drawn::ids(&answer)[0], "white");
    check_finds(&shop, [0, 1, 2, 3, 5]);
}

fn other_eyes() -> Arc<Vision> {
    let embedder = Package::default_embedder().randomised(7);
    Arc::new(Vision::new(&Package::default_detector(), &embedder).unwrap())
}

#[test]
fn another_model_looks_at_everything_anew_and_the_old_one_finds_its_work() {
    let Fixture { shop, engine, home } = Fixture::with((0..6).map(numbered).collect());
    shop.flush().unwrap();
    let before = shop.index_status().unwrap();
    assert_eq!(before.computed, 6);
    drop((shop, engine));

    let engine = open_seeing(home.path(), other_eyes());
    let shop = shop_of(&engine);
    settle(&shop);
    let after = shop.index_status().unwrap();
    assert_ne!(after.model, before.model);
    assert_eq!((after.computed, after.items), (6, 6));
    assert!(after.quarantined.is_empty());
    check_finds(&shop, 0..6);
    assert_eq!(shop.search(&crate::drawn::request(1)).unwrap().model, after.model);
    shop.flush().unwrap();
    drop((shop, engine));

    let engine = open(home.path());
    let shop = shop_of(&engine);
    settle(&shop);
    let back = shop.index_status().unwrap();
    assert_eq!((back.computed, back.reused, back.items), (0, 6, 6));
    check_finds(&shop, 0..6);
}

#[test]
fn a_catalogue_may_keep_its_features_in_less_room() {
    let fixture = Fixture::with(vec![numbered(1)]);
    let (shop, catalogue) = (&fixture.shop, fixture.shop.catalogue());
    let compact = twinset_catalogue::Settings { compact_features: true, ..catalogue.settings() };
    catalogue.set_settings(compact).unwrap();
    shop.put(vec![numbered(2)]).unwrap();
    settle(shop);
    let model = shop.vision().hash();
    let [(full, tokens), (small, fewer)] = ["p1", "p2"].map(|id| {
        let picture = catalogue.get(id).unwrap().unwrap().images[0].picture.unwrap();
        let local = shop.features(&picture).unwrap().unwrap().local;
        (catalogue.features(&picture, &model).unwrap().unwrap().len(), local.len())
    });
    // 67 and 19 bytes a token.
    assert!(small + 40 * fewer.min(tokens) < full, "{full} with {tokens} tokens, {small} with {fewer}");
    check_finds(shop, [1, 2]);
}

#[test]
fn stored_features_read_back_and_damage_is_told() {
    let fixture = Fixture::with(vec![numbered(1)]);
    let product = fixture.shop.catalogue().get("p1").unwrap().unwrap();
    let picture = product.images[0].picture.unwrap();
    let features = fixture.shop.features(&picture).unwrap().unwrap();
    assert_eq!((features.width, features.height), (96, 120));
    let length: f32 = features.embedding.iter().map(|x| x * x).sum();
    assert!((length - 1.0).abs() < 1e-3);
    let bytes = features.to_bytes(false);
    assert_eq!(Features::from_bytes(&bytes).unwrap(), features);
    for at in 0..bytes.len() {
        let mut bad = bytes.clone();
        bad[at] ^= 1 << (at % 8);
        assert!(Features::from_bytes(&bad).is_err(), "byte {at}");
        assert!(Features::from_bytes(&bytes[..at]).is_err(), "cut at {at}");
    }

    // The engine computes them again.
    let model = fixture.shop.vision().hash();
    fixture.shop.catalogue().put_features(&model, &[(picture, bytes[..100].to_vec())]).unwrap();
    fixture.shop.rebuild_index(|_, _| {}).unwrap();
    assert_eq!(fixture.shop.index_status().unwrap().damaged_features, 1);
    assert_eq!(fixture.shop.features(&picture).unwrap().unwrap(), features);
    check_finds(&fixture.shop, [1]);
}

/// `testdata/features-v1.bin` was written from this by `to_bytes`, with
/// `TWINSET_WRITE_GOLDEN=1 cargo test -p twinset-engine golden`.
fn golden() -> Features {
    let positions = 4;
    let tokens = (0..65 * positions).map(|i| if i % 65 == i / positions { 1.0 } else { 0.1 });
    let map = FeatureMap { channels: 65, height: 2, width: 2, data: tokens.collect() };
    let rect = Rect { x: 10.0, y: 20.5, w: 300.0, h: 400.25 };
    let garment = |category: &str, score| StoredGarment { rect, category: category.into(), score };
    Features {
        width: 640,
        height: 800,
        garments: vec![garment("dress", 0.75), garment("bag", 0.5)],
        chosen: Some(0),
        rect,
        attributes: Attributes {
            colour: vec![("red".into(), 0.875), ("navy".into(), 0.125)],
            pattern: Some("striped".into()),
        },
        embedding: vec![0.5, -0.5, 0.5, -0.5],
        local: LocalFeatures::extract(&map, 4),
    }
}

#[test]
fn golden_features_of_version_1_open() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/features-v1.bin");
    if std::env::var_os("TWINSET_WRITE_GOLDEN").is_some() {
        std::fs::write(path, golden().to_bytes(false)).unwrap();
    }
    let bytes = std::fs::read(path).unwrap();
    let opened = Features::from_bytes(&bytes).unwrap();
    assert_eq!(opened.to_bytes(false), bytes);
    // The choice of tokens may become better; those that were stored stay readable.
    assert_eq!(opened.local.len(), 4);
    assert_eq!(Features { local: golden().local, ..opened }, golden());
}
