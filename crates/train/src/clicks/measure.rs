//! How well learned boxes meet the true ones, which the training never saw.
use serde::Serialize;
use std::path::Path;
use twinset_dataset::{DataSet, Row};
use twinset_nets::{EmbedderNet, Package, window};
use twinset_photo::{Limits, Photo, Rect};

use super::{
    learn::find,
    simulate::{PHOTO, truth_of},
};
use crate::{
    adapt::unit,
    embedder::EmbedderArchitecture,
    error::TrainError,
    params::Params,
    run::{TrainOptions, in_parallel},
};

/// Overlap (IoU) with the true box, one number a photo.
#[derive(Clone, Debug, Default, Serialize)]
pub struct BoxOverlap {
    /// Product of each photo.
    pub products: Vec<String>,
    /// Of the learned box.
    pub learned: Vec<f64>,
    /// Of the whole photo.
    pub full_frame: Vec<f64>,
    /// Of a box in the middle, of the size that is best for these very photos.
    pub centre_crop: Vec<f64>,
    /// Of the network's own energy.
    pub saliency: Vec<f64>,
}

/// Shares of the sides that are tried for the box in the middle.
const CENTRE_SHARES: [f32; 7] = [0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0];

/// Measures a run of [`crate::run_clicks`] on the photos of `split` that have a box; that of the row's target counts.
///
/// # Errors
/// [`TrainError::NoData`] if no photo has a box; a run without a checkpoint of such a training.
pub fn box_overlap(run: &Path, data: &Path, split: &str) -> Result<BoxOverlap, TrainError> {
    let config = run.join("config.json");
    let text = std::fs::read(&config).map_err(|e| TrainError::io(&config, e))?;
    let options: TrainOptions = serde_json::from_slice(&text)
        .map_err(|e| TrainError::Config { path: config.clone(), reason: e.to_string() })?;
    if options.clicks.is_none() {
        let reason = "it is no run of `twinset train clicks`".into();
        return Err(TrainError::Config { path: config, reason });
    }
    let arch = EmbedderArchitecture::of(&options)?;
    let (mut params, _) = Params::load(&run.join("checkpoint.safetensors"))?;
    let set = DataSet::open(data)?;
    let rows: Vec<(&Row, Rect)> =
        set.rows_of(Some(split)).filter_map(|row| Some((row, target(row)?))).collect();
    let mut out = BoxOverlap::default();
    let mut truths: Vec<(Rect, Rect)> = Vec::new();
    for chunk in rows.chunks(64) {
        let photos: Vec<Option<Photo>> = in_parallel(chunk.len(), |i| {
            let bytes = set.read(chunk[i].0).ok()?;
            twinset_photo::decode(&bytes, &Limits::default()).ok()
        });
        let known: Vec<(usize, &Photo)> =
            photos.iter().enumerate().filter_map(|(i, p)| Some((i, p.as_ref()?))).collect();
        let found = find(&mut params, &arch, &known.iter().map(|(_, p)| *p).collect::<Vec<_>>());
        for ((i, photo), found) in known.into_iter().zip(found) {
            let (row, truth) = chunk[i];
            out.products.push(truth_of(row).to_owned());
            out.learned.push(f64::from(found.learned.iou(&truth)));
            out.saliency.push(f64::from(found.saliency.iou(&truth)));
            out.full_frame.push(f64::from(photo.frame().iou(&truth)));
            truths.push((photo.frame(), truth));
        }
    }
    if truths.is_empty() {
        return Err(TrainError::NoData(format!("{} (split {split}, photos with a box)", data.display())));
    }
    let centred = |share: f32| -> Vec<f64> {
        let one = |(f, truth): &(Rect, Rect)| {
            let (w, h) = (f.w * share, f.h * share);
            Rect { x: (f.w - w) / 2.0, y: (f.h - h) / 2.0, w, h }.iou(truth)
        };
        truths.iter().map(|t| f64::from(one(t))).collect()
    };
    let best = CENTRE_SHARES.map(centred).into_iter();
    let sum = |v: &Vec<f64>| v.iter().sum::<f64>();
    out.centre_crop = best.max_by(|a, b| sum(a).total_cmp(&sum(b))).expect("shares are tried");
    Ok(out)
}

/// Photos of products, and whether each was found first.
#[derive(Clone, Debug, Default, Serialize)]
pub struct FoundFirst {
    /// Product of each photo.
    pub products: Vec<String>,
    /// 1 where the photo's product came first.
    pub first: Vec<f64>,
}

/// Looks for the photos of `split` (rows of view `photo`, by their box) among its listings, by an embedder alone.
///
/// # Errors
/// [`TrainError::NoData`] if the split has no photos or no listings; a package that is no embedder.
pub fn found_first(package: &Path, data: &Path, split: &str) -> Result<FoundFirst, TrainError> {
    let (set, net) = (DataSet::open(data)?, EmbedderNet::new(&Package::open(package)?)?);
    let (side, margin) = (net.architecture().side, net.architecture().margin);
    let rows: Vec<&Row> = set.rows_of(Some(split)).collect();
    let embedded = in_parallel(rows.len(), |i| {
        let photo = twinset_photo::decode(&set.read(rows[i]).ok()?, &Limits::default()).ok()?;
        let r = target(rows[i]).unwrap_or_else(|| photo.frame());
        let square = r.w.max(r.h) * (1.0 + 2.0 * margin);
        let (x, y) = (r.x + (r.w - square) / 2.0, r.y + (r.h - square) / 2.0);
        let crop = window(&photo, Rect { x, y, w: square, h: square }, side as u32, side as u32);
        Some(unit(net.run(&crop).embedding))
    });
    let all = || rows.iter().zip(&embedded).filter_map(|(row, e)| Some((*row, e.as_ref()?)));
    let gallery: Vec<(&str, &Vec<f32>)> =
        all().filter(|(r, _)| r.view != PHOTO).map(|(r, e)| (truth_of(r), e)).collect();
    let mut out = FoundFirst::default();
    for (row, query) in all().filter(|(r, _)| r.view == PHOTO) {
        let cosine = |e: &[f32]| e.iter().zip(query).map(|(a, b)| a * b).sum::<f32>();
        let best = gallery.iter().max_by(|a, b| cosine(a.1).total_cmp(&cosine(b.1)));
        out.first.push(f64::from(best.is_some_and(|(product, _)| *product == truth_of(row))));
        out.products.push(truth_of(row).to_owned());
    }
    if gallery.is_empty() || out.first.is_empty() {
        return Err(TrainError::NoData(format!("{} (split {split})", data.display())));
    }
    Ok(out)
}

/// The box called `target`, else the only one.
fn target(row: &Row) -> Option<Rect> {
    let named = row.boxes.iter().find(|b| b.label() == "target");
    named.or(row.boxes.first().filter(|_| row.boxes.len() == 1)).map(|b| b.rect)
}
