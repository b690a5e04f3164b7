//! A run's life: begun, killed, resumed, spoiled; and what it leaves in its folder.
mod clicks;
mod data;

use std::{
    cell::Cell,
    fs,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};
use twinset_nets::Package;
use twinset_train::{TrainError, TrainOptions, find_embedder_rate, gain, run_embedder};

fn options(steps: u64) -> TrainOptions {
    TrainOptions { steps, batch: 4, side: Some(32), checkpoint_every: 20, ..TrainOptions::default() }
}

/// Watches nothing.
fn quiet(_: &twinset_train::Progress) {}

fn train(options: &TrainOptions, run: &Path, resume: bool) -> Result<u64, TrainError> {
    let reported = Cell::new(0);
    run_embedder(options, run, resume, &AtomicBool::new(false), &|p| reported.set(p.step))?;
    Ok(reported.get())
}

/// The losses of a run, without what depends on the clock.
fn curve(run: &Path) -> Vec<String> {
    let text = fs::read_to_string(run.join("metrics.csv")).unwrap();
    let without_rate = |line: &str| {
        line.split(',')
            .enumerate()
            .filter(|(i, _)| *i != 2)
            .map(|(_, c)| c.to_owned())
            .collect::<Vec<_>>()
            .join(",")
    };
    text.lines().map(without_rate).collect()
}

#[test]
fn a_killed_run_goes_on_as_if_nothing_had_happened() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, cut) = (dir.path().join("whole"), dir.path().join("cut"));
    assert_eq!(train(&options(60), &whole, false).unwrap(), 60);

    let stop = AtomicBool::new(false);
    // Stopped at step 20, and one line that the checkpoint does not know of is left behind, as by a kill.
    run_embedder(&options(60), &cut, false, &stop, &|_| stop.store(true, Ordering::Relaxed)).unwrap();
    let mut metrics = fs::read_to_string(cut.join("metrics.csv")).unwrap();
    metrics += "40,0.1,1.0,9,9,9,9\n";
    fs::write(cut.join("metrics.csv"), metrics).unwrap();
    assert_eq!(train(&options(60), &cut, true).unwrap(), 60);

    assert_eq!(curve(&whole), curve(&cut));
    let weights = |run: &Path| fs::read(run.join("package/weights.safetensors")).unwrap();
    assert_eq!(weights(&whole), weights(&cut));
    for name in ["config.json", "run.json", "samples.png", "worst.png", "events.out.tfevents.0.twinset"] {
        assert!(fs::metadata(whole.join(name)).unwrap().len() > 0, "{name}");
    }
    let card = Package::open(&whole.join("package")).unwrap();
    assert_eq!(card.card().kind, "embedder");
}

#[test]
fn a_run_is_not_overwritten_and_not_continued_on_other_data() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    train(&options(20), &run, false).unwrap();
    assert!(matches!(train(&options(20), &run, false), Err(TrainError::RunExists { .. })));
    let origin = fs::read_to_string(run.join("run.json")).unwrap();
    fs::write(run.join("run.json"), origin.replace("data_fingerprint\": \"", "data_fingerprint\": \"0"))
        .unwrap();
    assert!(matches!(train(&options(40), &run, true), Err(TrainError::OtherData { .. })));
}

#[test]
fn a_checkpoint_that_cannot_be_written_leaves_the_one_before() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    train(&options(20), &run, false).unwrap();
    // The disk refuses: what is written beside the checkpoint is in the way.
    fs::create_dir(run.join("checkpoint.tmp")).unwrap();
    match train(&options(40), &run, true) {
        Err(TrainError::Io { path, .. }) => assert_eq!(path, run.join("checkpoint.safetensors")),
        other => panic!("{other:?}"),
    }
    fs::remove_dir(run.join("checkpoint.tmp")).unwrap();
    assert_eq!(train(&options(40), &run, true).unwrap(), 40);
}

#[test]
fn a_learning_rate_beyond_sense_ends_with_the_checkpoint_whole() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    train(&options(20), &run, false).unwrap();
    let wild = TrainOptions { learning_rate: 1e30, ..options(200) };
    assert!(matches!(train(&wild, &run, true), Err(TrainError::NotFinite { .. })));
    assert!(Package::open(&run.join("package")).is_ok());
}

/// A shop of drawn products, each with two pictures; every fourth is held out.
fn shop(dir: &Path) {
    let mut manifest = "file,shard,split,category,item_id\n".to_owned();
    for i in 0..12 {
        let spec = twinset_synth::product(5, i, twinset_synth::Split::HeldOut);
        for picture in 0..2 {
            let name = format!("p{i}-{picture}.png");
            let drawn = twinset_synth::packshot(&spec, picture, 96);
            fs::write(dir.join(&name), twinset_photo::encode_png(&drawn.photo)).unwrap();
            let split = if i % 4 == 0 { "held" } else { "train" };
            manifest += &format!("{name},,{split},top,p{i}\n");
        }
    }
    fs::write(dir.join("manifest.csv"), manifest).unwrap();
}

#[test]
fn a_network_goes_on_from_a_package_as_the_same_function_and_its_gain_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    shop(dir.path());
    let (base, run) = (dir.path().join("base"), dir.path().join("run"));
    let shipped = Package::default_embedder();
    shipped.save(&base).unwrap();
    let tiny = TrainOptions {
        data: vec![dir.path().to_path_buf()],
        init: Some(base),
        synth: false,
        side: None,
        run_side: Some(160),
        batch: 16,
        // A step that changes next to nothing: what comes out must be what went in.
        learning_rate: 1e-9,
        weight_decay: 0.0,
        ..options(1)
    };
    train(&tiny, &run, false).unwrap();
    let after = Package::open(&run.join("package")).unwrap();
    let same = gain(&shipped, &after, dir.path(), "held", 1).unwrap();
    assert_eq!((same.queries, same.gallery), (9, 12));
    assert!(same.won + same.lost <= 1, "{same:?}");
    // A model that forgot everything is not worth it.
    let forgot = gain(&shipped, &shipped.randomised(3), dir.path(), "held", 1).unwrap();
    assert!(!forgot.is_worth_it(), "{forgot:?}");
    assert!(matches!(gain(&shipped, &after, dir.path(), "nobody", 1), Err(TrainError::NoData(_))));
}

#[test]
fn a_learning_rate_is_found_between_doing_nothing_and_blowing_up() {
    let found = find_embedder_rate(&options(1)).unwrap();
    assert!(found.curve.len() > 20 && found.curve.windows(2).all(|w| w[0].0 < w[1].0));
    assert!((1e-6..0.5).contains(&found.suggested), "{}", found.suggested);
    let lowest = found.curve.iter().map(|c| c.1).fold(f32::INFINITY, f32::min);
    assert!(lowest < found.curve[0].1, "no rate helped");
}
