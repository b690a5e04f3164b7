//! Whether a model knows a shop's products better than the one before: the gain on products that it was not trained on.
//!
//! Each held-out product is looked for among all pictures of the shop, with another of its pictures where there is one,
//! else with the same picture, cropped, turned and disturbed as shoppers' photos are.
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::Serialize;
use std::{collections::BTreeMap, path::Path, sync::Arc};
use twinset_dataset::DataSet;
use twinset_nets::{EmbedderNet, FeatureMap, Package, window};
use twinset_photo::{Limits, Photo, Rect};

use crate::{
    augment::{Affine, Shot, view},
    error::TrainError,
};

/// Two models on the same queries.
#[derive(Clone, Debug, Serialize)]
pub struct Gain {
    /// Products that were looked for.
    pub queries: usize,
    /// Products they were looked for among.
    pub gallery: usize,
    /// Share found first by the model before.
    pub before: f64,
    /// Share found first by the new one.
    pub after: f64,
    /// Found by the new one only.
    pub won: usize,
    /// Found by the model before only.
    pub lost: usize,
}

impl Gain {
    /// Whether the new model may take the place of the other: it must not lose more than it wins.
    #[must_use]
    pub fn is_worth_it(&self) -> bool {
        self.won > self.lost
    }
}

/// Queries a product without a second picture gives.
const VIEWS: usize = 3;

/// Compares `after` with `before` on the split `held` of `data`; all splits are the gallery.
///
/// # Errors
/// [`TrainError::NoData`] if the split has no readable product; a package that is no embedder.
pub fn gain(
    before: &Package,
    after: &Package,
    data: &Path,
    held: &str,
    seed: u64,
) -> Result<Gain, TrainError> {
    let set = DataSet::open(data)?;
    let mut products: BTreeMap<&str, (bool, Vec<Arc<Photo>>)> = BTreeMap::new();
    for row in set.rows() {
        let Ok(bytes) = set.read(row) else { continue };
        let Ok(photo) = twinset_photo::decode(&bytes, &Limits::default()) else { continue };
        let id = if row.variant_id.is_empty() { &row.item_id } else { &row.variant_id };
        let entry = products.entry(id).or_insert((row.split == held, Vec::new()));
        // The first is the gallery's, one more may be the query; others would only take memory.
        if entry.1.len() < 2 {
            entry.1.push(Arc::new(photo));
        }
    }
    let products: Vec<(bool, Vec<Arc<Photo>>)> = products.into_values().collect();
    let queries: Vec<(usize, u64)> = products
        .iter()
        .enumerate()
        .filter(|(_, (held, _))| *held)
        .flat_map(|(i, _)| (0..VIEWS as u64).map(move |v| (i, v)))
        .collect();
    if queries.is_empty() {
        return Err(TrainError::NoData(format!("{} (split {held})", data.display())));
    }
    let found = |package: &Package| -> Result<Vec<bool>, TrainError> {
        let net = EmbedderNet::new(package)?;
        let (side, margin) = (net.architecture().side, net.architecture().margin);
        let gallery: Vec<Vec<f32>> = products
            .par_iter()
            .map(|(_, photos)| unit(net.run(&whole(&photos[0], side, margin)).embedding))
            .collect();
        let first = |&(i, number): &(usize, u64)| {
            let photos = &products[i].1;
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(i as u64 * VIEWS as u64 + number);
            let photo = photos.last().expect("a product has a picture").clone();
            let shot = Shot { rect: photo.frame(), photo, to_source: Affine::IDENTITY };
            let data = view(&shot, side, margin, &mut rng).pixels;
            let query =
                unit(net.run_map(&FeatureMap { channels: 3, height: side, width: side, data }).embedding);
            let likeness = |g: &[f32]| g.iter().zip(&query).map(|(a, b)| a * b).sum::<f32>();
            let own = likeness(&gallery[i]);
            gallery.iter().enumerate().all(|(j, g)| j == i || likeness(g) < own)
        };
        Ok(queries.par_iter().map(first).collect())
    };
    let (old, new) = (found(before)?, found(after)?);
    let share = |f: &[bool]| f.iter().filter(|f| **f).count() as f64 / f.len() as f64;
    let only = |a: &[bool], b: &[bool]| a.iter().zip(b).filter(|(a, b)| **a && !**b).count();
    Ok(Gain {
        queries: queries.len(),
        gallery: products.len(),
        before: share(&old),
        after: share(&new),
        won: only(&new, &old),
        lost: only(&old, &new),
    })
}

fn whole(photo: &Photo, side: usize, margin: f32) -> Photo {
    let (w, h) = (photo.width() as f32, photo.height() as f32);
    let square = w.max(h) * (1.0 + 2.0 * margin);
    let rect = Rect { x: (w - square) / 2.0, y: (h - square) / 2.0, w: square, h: square };
    window(photo, rect, side as u32, side as u32)
}

pub(crate) fn unit(mut v: Vec<f32>) -> Vec<f32> {
    let length = v.iter().map(|x| x * x).sum::<f32>().sqrt().max(1e-12);
    v.iter_mut().for_each(|x| *x /= length);
    v
}
