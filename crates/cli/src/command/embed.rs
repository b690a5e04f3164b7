//! `twinset embed --manifest M --out V.fbin`

use crate::args::{BoxOf, Embed};
use crate::failure::{Done, Stopped};
use crate::files::replace;
use crate::progress::Progress;
use crate::ui::Ui;
use crate::{interrupt, session};
use rayon::prelude::*;
use serde_json::json;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use twinset_dataset::{DataSet, Row};
use twinset_engine::Vision;
use twinset_photo::{Limits, decode};

/// Rows embedded at once, and so held in memory.
const ROWS: usize = 512;

pub(crate) fn run(args: &Embed, ui: &Ui) -> anyhow::Result<Done> {
    let set = if args.manifest.is_dir() {
        DataSet::open(&args.manifest)?
    } else {
        DataSet::open_manifest(&args.manifest)?
    };
    for problem in set.problems() {
        ui.note(format_args!("{problem}"));
    }
    let rows: Vec<&Row> = set.rows_of(args.split.as_deref()).collect();
    anyhow::ensure!(!rows.is_empty(), "no rows of this split; the manifest has: {}", set.splits().join(", "));
    let vision = session::vision(&args.models.paths)?;
    let progress = Progress::new(ui, "embedding", "pictures", rows.len() as u64);
    let (done, total) = (AtomicU64::new(0), rows.len() as u64);
    let mut rejected = Vec::new();
    let written = replace(&args.out, |out| {
        out.write_all(&(rows.len() as u32).to_le_bytes())?;
        out.write_all(&(vision.dim() as u32).to_le_bytes())?;
        for rows in rows.chunks(ROWS) {
            let vectors: Vec<Result<Vec<f32>, String>> = rows
                .par_iter()
                .map(|row| {
                    if interrupt::asked_to_stop() {
                        return Err("stopped".to_owned());
                    }
                    let vector = embed(&vision, &set, row, args.region);
                    progress.set(done.fetch_add(1, Ordering::Relaxed) + 1, total);
                    vector
                })
                .collect();
            if interrupt::asked_to_stop() {
                return Err(std::io::Error::from(std::io::ErrorKind::Interrupted));
            }
            for (row, vector) in rows.iter().zip(vectors) {
                // A picture that cannot be read keeps its place, as zeros: rows stand in the manifest's order.
                let vector = vector.unwrap_or_else(|reason| {
                    rejected.push((row.file.clone(), reason));
                    vec![0.0; vision.dim()]
                });
                for number in vector {
                    out.write_all(&number.to_le_bytes())?;
                }
            }
        }
        Ok(())
    });
    progress.finish();
    if interrupt::asked_to_stop() {
        return Err(Stopped { done: "nothing was written".to_owned(), resume: None }.into());
    }
    written?;
    for (file, reason) in &rejected {
        ui.rejected(file, format_args!("{reason}; its row is zeros"));
    }
    let listed: Vec<_> =
        rejected.iter().map(|(file, reason)| json!({ "file": file, "reason": reason })).collect();
    let value = json!({
        "out": args.out, "rows": rows.len(), "dim": vision.dim(), "model": vision.name(), "rejected": listed,
    });
    ui.answer(&value, || {
        format!("{} rows of {} numbers in {}\n", rows.len(), vision.dim(), args.out.display())
    })?;
    Ok(Done::rejecting(rejected.len()))
}

fn embed(vision: &Vision, set: &DataSet, row: &Row, region: BoxOf) -> Result<Vec<f32>, String> {
    let bytes = set.read(row).map_err(|e| e.to_string())?;
    let photo = decode(&bytes, &Limits::default()).map_err(|e| e.to_string())?;
    let rect = match region {
        BoxOf::None => photo.frame(),
        BoxOf::Given => row.boxes.first().map_or(photo.frame(), |b| b.rect),
        BoxOf::Detected => {
            let seen = vision.see(&photo).map_err(|e| e.to_string())?;
            seen.chosen.map_or(photo.frame(), |i| seen.garments[i].rect)
        }
        BoxOf::Tapped => {
            let seen = vision.see(&photo).map_err(|e| e.to_string())?;
            let target = row.boxes.first().map(|b| b.rect);
            let meant = target.and_then(|target| twinset_detect::tapped(&seen.garments, &target));
            meant.or(seen.chosen).map_or(photo.frame(), |i| seen.garments[i].rect)
        }
    };
    Ok(vision.describe(&photo, rect).map_err(|e| e.to_string())?.embedding)
}
