//! Resident memory of a training against the number of its samples:
//! `cargo run --release -p twinset-train --example memory -- 10000` and the same with `1000000`.
//!
//! The set has tar shards of 1,000 drawn pictures each; all shards but the first are links to it, so that a million
//! samples need no disk. Prints rows, windows used, and the highest resident memory of the process.
use std::{fmt::Write as _, fs, sync::atomic::AtomicBool};
use twinset_train::{TrainOptions, run_embedder};

const A_SHARD: u64 = 1000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let rows: u64 = std::env::args().nth(1).map_or(Ok(10_000), |n| n.parse())?;
    let whole = std::env::args().nth(2).is_some_and(|how| how == "whole");
    let dir = std::env::temp_dir().join(format!("twinset-memory-{}", std::process::id()));
    fs::create_dir_all(&dir)?;
    let mut tar = tar::Builder::new(fs::File::create(dir.join("s-000.tar"))?);
    for i in 0..A_SHARD {
        let spec = twinset_synth::product(1, i / 2, twinset_synth::Split::Train);
        let bytes = twinset_photo::encode_jpeg(&twinset_synth::packshot(&spec, i, 64).photo, 80);
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, format!("{i:04}.jpg"), &bytes[..])?;
    }
    tar.into_inner()?;
    let mut manifest = "file,shard,split,category,item_id,title\n".to_owned();
    for shard in 0..rows.div_ceil(A_SHARD) {
        if shard > 0 {
            fs::hard_link(dir.join("s-000.tar"), dir.join(format!("s-{shard:03}.tar")))?;
        }
        for i in 0..A_SHARD {
            writeln!(manifest, "{i:04}.jpg,s-{shard:03}.tar,train,top,p{shard}-{},a drawn garment", i / 2)?;
        }
    }
    fs::write(dir.join("manifest.csv"), &manifest)?;
    let bytes = manifest.len();
    // What was needed to write the set shall not be counted.
    drop(manifest);
    fs::write("/proc/self/clear_refs", "5").ok();

    let options = TrainOptions {
        data: vec![dir.clone()],
        synth: false,
        window: if whole { 0 } else { 2000 },
        cache_mb: 32,
        side: Some(32),
        stem: Some(16),
        stages: Some(vec![(16, 1), (16, 1), (16, 1)]),
        // Four windows.
        steps: 250,
        batch: 64,
        checkpoint_every: 250,
        ..TrainOptions::default()
    };
    let result = run_embedder(&options, &dir.join("run"), false, &AtomicBool::new(false), &|_| {});
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap_or("unknown").trim();
    fs::remove_dir_all(&dir)?;
    result?;
    println!(
        "{rows} rows, manifest of {bytes} bytes, {}: {peak}",
        if whole { "held whole" } else { "by windows" }
    );
    Ok(())
}
