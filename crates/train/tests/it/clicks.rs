//! Learning from simulated clicks, from the log to the package and the boxes.
use crate::{options, quiet};
use std::{fs, path::Path, sync::atomic::AtomicBool};
use twinset_dataset::DataSet;
use twinset_nets::Package;
use twinset_train::{
    ClickLog, DrawnShop, Shoppers, TrainError, TrainOptions, box_overlap, draw_shop, found_first, run_clicks,
    run_embedder, simulate,
};

/// A small drawn shop and a log over it.
fn shop(dir: &Path) -> TrainOptions {
    let (data, log) = (dir.join("shop"), dir.join("clicks.ndjson"));
    let shop = DrawnShop { products: 12, held_out: 6, listings: 3, photos: 2, side: 64, seed: 3 };
    draw_shop(&shop, &data).unwrap();
    let shoppers = Shoppers { searches: 400, users: 80, ..Shoppers::default() };
    simulate(&DataSet::open(&data).unwrap(), &shoppers).unwrap().write(&log).unwrap();
    TrainOptions {
        data: vec![data],
        clicks: Some(log),
        synth: false,
        stem: Some(16),
        stages: Some(vec![(16, 1), (32, 1), (32, 1)]),
        ..options(20)
    }
}

fn clicks(options: &TrainOptions, run: &Path, resume: bool) -> Result<twinset_train::Boxes, TrainError> {
    run_clicks(options, run, resume, &AtomicBool::new(false), &quiet)
}

#[test]
fn a_run_from_clicks_leaves_an_embedder_and_boxes_that_nobody_drew() {
    let dir = tempfile::tempdir().unwrap();
    let options = shop(dir.path());
    let given = DataSet::open(&options.data[0]).unwrap();
    assert!(given.rows().iter().all(|r| r.split != "train" || r.boxes.is_empty()));
    let run = dir.path().join("run");
    let boxes = clicks(&options, &run, false).unwrap();
    assert!(boxes.photos > 10 && (0.0..=1.0).contains(&boxes.covers), "{boxes:?}");
    let boxed = DataSet::open(&boxes.folder).unwrap();
    assert!(boxed.problems().is_empty() && boxed.rows().iter().all(|r| r.boxes.len() == 1));
    let labels: Vec<&str> = boxed.rows().iter().map(|r| r.boxes[0].label()).collect();
    assert!(labels.iter().any(|l| *l != "item"), "what was clicked says what it is: {labels:?}");
    Package::open(&run.join("package")).unwrap();

    let found = box_overlap(&run, &options.data[0], "val").unwrap();
    assert_eq!(
        (found.learned.len(), found.products.len()),
        (found.full_frame.len(), found.centre_crop.len())
    );
    let first = found_first(&run.join("package"), &options.data[0].join("boxed.csv"), "val").unwrap();
    assert_eq!(first.products.len(), found.products.len());
    // Resuming a finished run changes nothing.
    let before = fs::read(run.join("package/weights.safetensors")).unwrap();
    clicks(&options, &run, true).unwrap();
    assert_eq!(fs::read(run.join("package/weights.safetensors")).unwrap(), before);
}

#[test]
fn boxes_are_learned_without_looking_at_those_there_are() {
    let dir = tempfile::tempdir().unwrap();
    let options = shop(dir.path());
    let blind = dir.path().join("blind");
    clicks(&options, &blind, false).unwrap();
    // The same pictures with all boxes drawn: what comes out is the same.
    let drawn = TrainOptions { data: vec![options.data[0].join("boxed.csv")], ..options };
    let seeing = dir.path().join("seeing");
    clicks(&drawn, &seeing, false).unwrap();
    let weights = |run: &Path| fs::read(run.join("package/weights.safetensors")).unwrap();
    assert_eq!(weights(&blind), weights(&seeing));
}

#[test]
fn virtual_ids_take_the_place_of_ids() {
    let dir = tempfile::tempdir().unwrap();
    let options = shop(dir.path());
    let run = dir.path().join("virtual");
    run_embedder(&options, &run, false, &AtomicBool::new(false), &quiet).unwrap();
    Package::open(&run.join("package")).unwrap();
}

#[test]
fn a_log_that_does_not_fit_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let options = shop(dir.path());
    let run = |options: &TrainOptions, name: &str| clicks(options, &dir.path().join(name), false).map(|_| ());
    let without = TrainOptions { clicks: None, ..options.clone() };
    assert!(matches!(run(&without, "a"), Err(TrainError::NoLog)));
    let path = options.clicks.clone().unwrap();
    let mut log = ClickLog::read(&path).unwrap();
    log.clicks.iter_mut().for_each(|c| c.photo = Some("elsewhere.jpg".into()));
    log.write(&path).unwrap();
    assert!(matches!(run(&options, "b"), Err(TrainError::NoTriplets { .. })));
    fs::write(&path, "not json\n").unwrap();
    assert!(matches!(run(&options, "c"), Err(TrainError::Clicks { line: 1, .. })));
    assert!(!dir.path().join("c").exists(), "nothing is begun");
}
