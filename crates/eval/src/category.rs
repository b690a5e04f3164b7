//! Is the garment called by its right name?
//!
//! Each labelled box is a sample, and each picture without boxes one as a whole, by its `category` column. Labels go
//! through the card's category map; others are ignored and counted. Two answers are measured: the category of the
//! detected garment, and the majority label and the nearest neighbour by colour as baselines.
use crate::fused::{self, Fused, Known};
use crate::interval::{Clusters, Figure, RESAMPLES};
use crate::pictures::{Part, Unreadable, each};
use crate::ranking::dot;
use crate::{EvalError, Models, Watch, plain};
use rayon::prelude::*;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use twinset_dataset::Row;
use twinset_nets::NetError;
use twinset_photo::{Photo, Rect};

/// What to measure.
#[derive(Clone, Debug)]
pub struct Options {
    /// The data set.
    pub data: PathBuf,
    /// Its split; `None` is all.
    pub split: Option<String>,
    /// Of the intervals.
    pub seed: u64,
}

/// The answer. Figures are `[value, low, high]`, by bootstrap over products.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Labelled boxes and pictures.
    pub samples: usize,
    /// Share called rightly.
    pub accuracy: Figure,
    /// Mean over the categories of the share called rightly.
    pub balanced_accuracy: f64,
    /// Share for which any garment was found.
    pub answered: Figure,
    /// Share that the embedder calls rightly, shown the labelled box (or the chosen garment where there is no box).
    pub embedder_accuracy: Figure,
    /// For each category that occurs.
    pub per_category: BTreeMap<String, CategoryScores>,
    /// For each true category how often it was called what; `none` where nothing was found.
    pub confusion: BTreeMap<String, BTreeMap<String, usize>>,
    /// A classifier and the votes of neighbours on the set's own labels; `None` where these are too few.
    pub fused: Option<Fused>,
    /// By plain means.
    pub baselines: BTreeMap<&'static str, Figure>,
    /// Labels that the card does not map, with their number.
    pub unmapped_labels: BTreeMap<String, usize>,
    /// The detector's hash.
    pub model: String,
    /// Pictures that were left out.
    pub unreadable: Vec<Unreadable>,
}

/// Figures of one category.
#[derive(Clone, Copy, Debug, Serialize)]
#[allow(missing_docs)]
pub struct CategoryScores {
    pub samples: usize,
    pub recall: f64,
    /// Of all samples called so, the share that is; 0 where none was.
    pub precision: f64,
}

struct Sample {
    product: String,
    label: String,
    embedding: Vec<f32>,
    category: String,
    called: Option<String>,
    called_by_embedder: Option<String>,
    colours: Vec<f32>,
}

/// Measures.
///
/// # Errors
/// A set or split that is not there, or no label that the card maps.
pub fn run(options: &Options, models: &Models, watch: Watch<'_>) -> Result<Report, EvalError> {
    let part = Part::open(&options.data, options.split.as_deref())?;
    let card = models.detector_package.card();
    let rows: Vec<_> = part.rows().map(|row| (&part, row)).collect();
    let mut unmapped_labels = BTreeMap::new();
    for (_, label) in rows.iter().flat_map(|(_, row)| labels(row)) {
        if card.category_of(label).is_none() {
            *unmapped_labels.entry(label.to_owned()).or_insert(0) += 1;
        }
    }
    let (seen, unreadable) = each(&rows, "pictures", watch, |row, photo, _| {
        let mapped = |(rect, label)| Some((rect, label, card.category_of(label)?));
        let of = |(rect, label, category)| sample(models, row, photo, rect, label, category);
        labels(row).into_iter().filter_map(mapped).map(of).collect::<Result<Vec<_>, _>>()
    });
    let samples: Vec<Sample> = seen.into_iter().flatten().flatten().collect();
    if samples.is_empty() {
        let labels = unmapped_labels.keys().cloned().collect::<Vec<_>>().join(", ");
        return Err(EvalError::Nothing(format!("the model's card maps none of the labels: {labels}")));
    }
    let clusters = Clusters::new(samples.iter().map(|s| s.product.as_str()), RESAMPLES, options.seed);
    let share = |of: &dyn Fn(&Sample) -> bool| {
        let values: Vec<f64> = samples.iter().map(|s| f64::from(u8::from(of(s)))).collect();
        clusters.mean(&values).unwrap_or([0.0; 3])
    };
    let mut confusion = BTreeMap::<String, BTreeMap<String, usize>>::new();
    for sample in &samples {
        let called = sample.called.as_deref().unwrap_or("none").to_owned();
        *confusion.entry(sample.category.clone()).or_default().entry(called).or_default() += 1;
    }
    let per_category: BTreeMap<String, CategoryScores> = confusion
        .iter()
        .map(|(category, row)| {
            let right = row.get(category).copied().unwrap_or(0) as f64;
            let called: usize = confusion.values().filter_map(|row| row.get(category)).sum();
            let samples = row.values().sum();
            let precision = if called > 0 { right / called as f64 } else { 0.0 };
            (category.clone(), CategoryScores { samples, recall: right / samples as f64, precision })
        })
        .collect();
    let majority = per_category.iter().max_by_key(|(_, s)| s.samples).map(|(name, _)| name.clone());
    let neighbours = nearest_by_colour(&samples);
    let by_colour: Vec<f64> = samples
        .iter()
        .zip(&neighbours)
        .map(|(s, n)| f64::from(u8::from(n.is_some_and(|n| samples[n].category == s.category))))
        .collect();
    let known: Vec<Known<'_>> = samples
        .iter()
        .map(|s| Known { product: &s.product, label: &s.label, embedding: &s.embedding })
        .collect();
    Ok(Report {
        fused: fused::run(&known, options.seed),
        samples: samples.len(),
        accuracy: share(&|s| s.called.as_ref() == Some(&s.category)),
        balanced_accuracy: per_category.values().map(|s| s.recall).sum::<f64>() / per_category.len() as f64,
        embedder_accuracy: share(&|s| s.called_by_embedder.as_ref() == Some(&s.category)),
        answered: share(&|s| s.called.is_some()),
        baselines: BTreeMap::from([
            ("majority", share(&|s| Some(&s.category) == majority.as_ref())),
            ("nearest_by_colour", clusters.mean(&by_colour).unwrap_or([0.0; 3])),
        ]),
        per_category,
        confusion,
        unmapped_labels,
        model: models.detector_package.hash().to_string(),
        unreadable,
    })
}

/// The samples of a row: a box, or none for the picture as a whole.
fn labels(row: &Row) -> Vec<(Option<Rect>, &str)> {
    if row.boxes.is_empty() && !row.category.is_empty() {
        vec![(None, &row.category)]
    } else {
        row.boxes.iter().map(|b| (Some(b.rect), b.label())).collect()
    }
}

fn sample(
    models: &Models,
    row: &Row,
    photo: &Photo,
    rect: Option<Rect>,
    label: &str,
    category: &str,
) -> Result<Sample, NetError> {
    let look = models.look(photo)?;
    let garment = match rect {
        // The one that covers the box best, if it covers it at all well.
        Some(rect) => look
            .garments
            .iter()
            .filter(|g| g.rect.iou(&rect) >= 0.5)
            .max_by(|a, b| a.rect.iou(&rect).total_cmp(&b.rect.iou(&rect))),
        None => look.chosen(),
    };
    let shown = rect.unwrap_or_else(|| look.rect(photo));
    let seen = models.embedder.embed(photo, shown)?;
    Ok(Sample {
        product: row.product().to_owned(),
        // A box that is called a thing is what the set says of the product.
        label: if category == "item" && !row.category.is_empty() { &row.category } else { label }.to_owned(),
        embedding: seen.embedding,
        category: category.to_owned(),
        called_by_embedder: seen.category.into_iter().next().map(|(name, _)| name),
        called: garment.map(|g| g.category.clone()),
        colours: plain::colour_histogram(photo, rect.unwrap_or(photo.frame())),
    })
}

/// For each sample the nearest one of another product.
fn nearest_by_colour(samples: &[Sample]) -> Vec<Option<usize>> {
    samples
        .par_iter()
        .map(|sample| {
            let others = samples.iter().enumerate().filter(|(_, other)| other.product != sample.product);
            others
                .map(|(i, other)| (i, dot(&sample.colours, &other.colours)))
                .max_by(|a, b| a.1.total_cmp(&b.1))
                .map(|(i, _)| i)
        })
        .collect()
}
