//! Data that is large, and data that is broken; and what a run does beside learning.
use crate::{curve, options, shop, train};
use std::{
    cell::Cell,
    fs,
    path::Path,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};
use twinset_nets::{Brought, Package, Told, bring};
use twinset_photo::{Photo, encode_png};
use twinset_train::{Loss, TrainError, TrainOptions, teach};

fn on(dir: &Path, steps: u64) -> TrainOptions {
    TrainOptions { data: vec![dir.to_path_buf()], synth: false, ..options(steps) }
}

#[test]
fn what_would_spoil_a_run_is_told_before_it_begins() {
    let dir = tempfile::tempdir().unwrap();
    let set = dir.path().join("set");
    fs::create_dir(&set).unwrap();
    shop(&set);
    let manifest = fs::read_to_string(set.join("manifest.csv")).unwrap();
    let told = |text: &str| {
        fs::write(set.join("manifest.csv"), text).unwrap();
        let run = dir.path().join("run");
        let error = train(&on(&set, 20), &run, false).unwrap_err();
        assert!(!run.exists(), "nothing is begun");
        error
    };
    let missing = told(&manifest.replace(",,train", ",gone.tar,train"));
    assert!(missing.to_string().contains("gone.tar"), "{missing}");
    assert!(matches!(told(&manifest.replace("train", "rest")), TrainError::NoData(_)));
    let labels = manifest.replace("category,item_id", "boxes,item_id");
    assert!(matches!(told(&labels), TrainError::Labels { bad: 24, .. }));
    assert!(matches!(told("file,shard\n"), TrainError::NoData(_)));
    assert!(told("picture\nx.png\n").to_string().contains("file"));
    let fake: String = (0..3).map(|i| format!("fake{i}.jpg,,train,top,f{i}\n")).collect();
    (0..3).for_each(|i| fs::write(set.join(format!("fake{i}.jpg")), "no picture").unwrap());
    let fake = format!("file,shard,split,category,item_id\n{fake}");
    assert!(matches!(told(&fake), TrainError::NoPictures { .. }));
    let tar = [0xAAu8; 2048];
    fs::write(set.join("bad.tar"), tar).unwrap();
    let damaged = told(&manifest.replace(",,train", ",bad.tar,train"));
    assert!(damaged.to_string().contains("bad.tar"), "{damaged}");
}

#[test]
fn products_with_one_picture_and_classes_without_any_train() {
    let dir = tempfile::tempdir().unwrap();
    shop(dir.path());
    let manifest = fs::read_to_string(dir.path().join("manifest.csv")).unwrap();
    // One picture a product, no category, no id.
    let alone: String = manifest
        .lines()
        .filter(|l| !l.contains("-1.png"))
        .map(|l| format!("{}\n", l.split(',').take(3).collect::<Vec<_>>().join(",")))
        .collect();
    fs::write(dir.path().join("manifest.csv"), alone).unwrap();
    assert_eq!(train(&on(dir.path(), 20), &dir.path().join("run"), false).unwrap(), 20);
}

#[test]
fn a_set_read_by_windows_trains_and_resumes_the_same() {
    let dir = tempfile::tempdir().unwrap();
    shop(dir.path());
    let options = TrainOptions { window: 6, ..on(dir.path(), 60) };
    let (whole, cut) = (dir.path().join("whole"), dir.path().join("cut"));
    train(&options, &whole, false).unwrap();
    train(&TrainOptions { steps: 20, ..options.clone() }, &cut, false).unwrap();
    // Only the length of the schedule differs, which the first steps, all warming up, do not see.
    train(&options, &cut, true).unwrap();
    assert_eq!(curve(&whole), curve(&cut));
    let taught = TrainOptions { teacher: Some("teacher".into()), ..options };
    let refused = train(&taught, &dir.path().join("taught"), false);
    assert!(matches!(refused, Err(TrainError::TeacherAndWindow)));
}

#[test]
fn every_loss_is_one_of_its_own_and_batches_add_up() {
    let dir = tempfile::tempdir().unwrap();
    shop(dir.path());
    let contrastive = dir.path().join("contrastive");
    train(&on(dir.path(), 20), &contrastive, false).unwrap();
    for (name, loss) in [("anchor", Loss::ProxyAnchor), ("centres", Loss::SubCentreArcface)] {
        let options = TrainOptions { loss, accumulate: 2, ..on(dir.path(), 20) };
        let run = dir.path().join(name);
        train(&options, &run, false).unwrap();
        let value = |run: &Path| -> f32 { curve(run)[1].split(',').nth(3).unwrap().parse().unwrap() };
        assert!(value(&run).is_finite() && value(&run) != value(&contrastive), "{name}");
    }
}

#[test]
fn hard_negatives_are_mined_and_a_resumed_run_mines_the_same() {
    let dir = tempfile::tempdir().unwrap();
    shop(dir.path());
    let options = TrainOptions { mine: true, checkpoint_every: 20, ..on(dir.path(), 120) };
    let (whole, cut, random) = (dir.path().join("whole"), dir.path().join("cut"), dir.path().join("random"));
    train(&options, &whole, false).unwrap();
    train(&TrainOptions { steps: 100, ..options.clone() }, &cut, false).unwrap();
    train(&options, &cut, true).unwrap();
    assert_eq!(curve(&whole), curve(&cut));
    train(&TrainOptions { mine: false, ..options.clone() }, &random, false).unwrap();
    // The index is used from the third round of 32 batches on.
    let (whole, random) = (curve(&whole), curve(&random));
    assert_eq!(whole[..4], random[..4]);
    assert_ne!(whole[5..], random[5..]);
    let both = TrainOptions { window: 6, ..options };
    assert!(matches!(train(&both, &dir.path().join("both"), false), Err(TrainError::MineAndWindow)));
}

#[test]
fn the_best_checkpoint_by_what_was_held_out_is_the_package_and_waiting_ends() {
    let dir = tempfile::tempdir().unwrap();
    shop(dir.path());
    let run = dir.path().join("run");
    let options = TrainOptions {
        judge: 0.4,
        patience: 2,
        // Nothing is learned after the first checkpoint, so nothing gets better.
        learning_rate: 1e-12,
        weight_decay: 0.0,
        ..on(dir.path(), 400)
    };
    let steps = train(&options, &run, false).unwrap();
    assert!(steps < 400, "it ended early: {steps}");
    let best: serde_json::Value = serde_json::from_slice(&fs::read(run.join("best.json")).unwrap()).unwrap();
    assert!(best["score"].as_f64().is_some_and(|s| (0.0..=1.0).contains(&s)), "{best}");
    let hash = |folder: &str| Package::open(&run.join(folder)).unwrap().hash().to_string();
    assert_eq!(hash("best"), hash("package"));
}

/// Brought embedders of any length teach, with parts or without; what they said is kept.
#[test]
fn any_embedder_teaches_and_looks_once() {
    let dir = tempfile::tempdir().unwrap();
    let set = dir.path().join("set");
    fs::create_dir(&set).unwrap();
    shop(&set);
    // It fails on a white picture, which only costs that one.
    let white = encode_png(&Photo::new(40, 40, vec![255; 40 * 40 * 3]));
    fs::write(set.join("white.png"), white).unwrap();
    let manifest = fs::read_to_string(set.join("manifest.csv")).unwrap();
    fs::write(set.join("manifest.csv"), manifest + "white.png,,train,top,white\n").unwrap();

    let brought = |file: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
        let told = Told { family: Some("plain".into()), margin: Some(0.0), ..Told::default() };
        let brought = Brought { model: fs::read(path).unwrap(), ..Brought::default() };
        bring(brought, &Told { name: file.into(), ..told }).unwrap().0
    };
    let without_parts = brought("nets/testdata/moody.onnx");
    let with_parts = brought("brought/testdata/clip.onnx");
    // 18 of the shop, and the white one.
    for (package, least, cells) in [(&without_parts, 1, false), (&with_parts, 0, true)] {
        let out = dir.path().join(package.hash().to_string());
        let asked = Cell::new(0);
        let look = || {
            let counted = AtomicU64::new(0);
            let watch = |_: u64, _: u64| _ = counted.fetch_add(1, Ordering::Relaxed);
            let taught =
                teach(package, std::slice::from_ref(&set), &out, &AtomicBool::new(false), &watch).unwrap();
            asked.set(counted.into_inner());
            taught
        };
        let taught = look();
        assert_eq!((taught.looks + taught.passed_over, asked.get()), (19, 1));
        assert!((least..5).contains(&taught.passed_over), "{taught:?}");
        assert_eq!((look().looks, asked.get()), (taught.looks, 0), "what is there is not looked at again");

        let run = dir.path().join(format!("run-{}", package.hash()));
        train(&TrainOptions { teacher: Some(out), ..on(&set, 20) }, &run, false).unwrap();
        let names = fs::read_to_string(run.join("metrics.csv")).unwrap();
        let names: Vec<&str> = names.lines().next().unwrap().split(',').collect();
        assert_eq!((names.contains(&"teacher"), names.contains(&"cells")), (true, cells), "{names:?}");
    }
    // Another teacher takes the place of the first in its folder.
    let out = dir.path().join(without_parts.hash().to_string());
    let taught = teach(&with_parts, &[set], &out, &AtomicBool::new(false), &|_, _| {}).unwrap();
    assert_eq!(taught.looks, 19);
}
