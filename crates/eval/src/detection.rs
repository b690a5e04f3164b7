//! Are the garments found? Boxes of a data set against the detector's, by the rules of COCO.
//!
//! The label of a box is the first text after its numbers, mapped by the card's category map; boxes with unmapped
//! labels are ignored: in their class they do not exist, and what the detector finds there counts neither for nor
//! against it in the class-agnostic figures. Categories that no box of the set has are not asked for there.
use crate::coco::{Class, Curve, Found, Matched, Truth, match_image};
use crate::interval::{Clusters, Figure};
use crate::pictures::{Part, Unreadable, each};
use crate::{EvalError, Models, Watch};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Instant;
use twinset_detect::Garment;
use twinset_photo::Rect;

/// Certainty from which boxes count: COCO wants the uncertain ones too, those below hardly move the figures.
const FLOOR: f32 = 0.02;
/// Resamples of the intervals: each joins all boxes anew.
const RESAMPLES: usize = 300;

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

/// The answer, by COCO's rules. `intervals` has `[value, low, high]` of the main figures, by bootstrap over images.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Readable images.
    pub images: usize,
    /// True boxes that count.
    pub boxes: usize,
    /// Mean over categories and over IoU .50 to .95.
    pub ap: f64,
    /// At IoU .50.
    pub ap50: f64,
    /// At IoU .75.
    pub ap75: f64,
    /// For each category that has a true box.
    pub per_category: BTreeMap<String, CategoryScores>,
    /// All categories taken as one.
    pub class_agnostic: Agnostic,
    /// Share of the images with boxes where the chosen box reaches IoU .50 with one of them.
    pub chosen_on_a_box_50: f64,
    /// The main figures with their 95 % intervals.
    pub intervals: BTreeMap<&'static str, Figure>,
    /// Labels that the card does not map, with their number of boxes.
    pub unmapped_labels: BTreeMap<String, usize>,
    /// Mean time of the detector, one thread an image, all cores busy.
    pub ms_per_image: f64,
    /// The detector's hash.
    pub model: String,
    /// By plain means.
    pub baselines: BTreeMap<&'static str, Agnostic>,
    /// Images that were left out.
    pub unreadable: Vec<Unreadable>,
}

/// Figures of one category.
#[derive(Clone, Copy, Debug, Serialize)]
#[allow(missing_docs)]
pub struct CategoryScores {
    pub boxes: usize,
    pub ap: f64,
    pub ap50: f64,
    pub ap75: f64,
    pub recall50: f64,
}

/// Figures of all categories taken as one.
#[derive(Clone, Copy, Debug, Serialize)]
#[allow(missing_docs)]
pub struct Agnostic {
    pub ap: f64,
    pub ap50: f64,
    pub recall50: f64,
}

impl From<Curve> for Agnostic {
    fn from(curve: Curve) -> Self {
        Self { ap: curve.mean_ap(), ap50: curve.ap[0], recall50: curve.recall[0] }
    }
}

/// What one image holds and what was found in it.
struct Image {
    truths: Vec<(Option<usize>, Rect)>,
    found: Vec<(Option<usize>, Found)>,
    chosen: Option<Rect>,
    centre: Rect,
    ms: f64,
}

/// Measures.
///
/// # Errors
/// A set or split that is not there, or no box with a label that the card maps.
pub fn run(options: &Options, models: &Models, watch: Watch<'_>) -> Result<Report, EvalError> {
    let part = Part::open(&options.data, options.split.as_deref())?;
    let card = models.detector_package.card();
    let number = |category: &str| card.categories.iter().position(|c| c == category);
    let rows: Vec<_> = part.rows().map(|row| (&part, row)).collect();
    let (seen, unreadable) = each(&rows, "images", watch, |row, photo, _| {
        let start = Instant::now();
        let found = models.detector.detect_all(photo, FLOOR)?;
        let ms = start.elapsed().as_secs_f64() * 1e3;
        let truth = |b: &twinset_dataset::LabelledBox| (card.category_of(b.label()).and_then(number), b.rect);
        let box_of = |g: &Garment| (number(&g.category), Found { rect: g.rect, score: g.score });
        Ok(Image {
            truths: row.boxes.iter().map(truth).collect(),
            found: found.iter().map(box_of).collect(),
            chosen: models.look(photo)?.chosen().map(|g| g.rect),
            centre: central(photo.width() as f32, photo.height() as f32),
            ms,
        })
    });
    let mut unmapped_labels = BTreeMap::new();
    for label in rows.iter().flat_map(|(_, row)| &row.boxes).map(twinset_dataset::LabelledBox::label) {
        if card.category_of(label).is_none() {
            *unmapped_labels.entry(label.to_owned()).or_insert(0) += 1;
        }
    }
    let images: Vec<Image> = seen.into_iter().flatten().collect();
    let classes: Vec<Class> = (0..card.categories.len())
        .map(|class| {
            let of = |image: &Image| {
                let truths = image.truths.iter().filter(|t| t.0 == Some(class));
                let found = image.found.iter().filter(|f| f.0 == Some(class));
                match_image(
                    &truths.map(|&(_, rect)| Truth { rect, ignored: false }).collect::<Vec<_>>(),
                    &found.map(|f| f.1).collect::<Vec<_>>(),
                )
            };
            Class::new(&images.iter().map(of).collect::<Vec<_>>())
        })
        .collect();
    // A kind of thing that the set never boxes (a whole person, where only garments are) is not asked for.
    let asked: BTreeSet<usize> = images.iter().flat_map(|i| &i.truths).filter_map(|t| t.0).collect();
    let agnostic = as_one_class(&images, |image| {
        let asked = image.found.iter().filter(|f| f.0.is_some_and(|class| asked.contains(&class)));
        asked.map(|f| f.1).collect()
    });
    let centre = as_one_class(&images, |image| vec![Found { rect: image.centre, score: 1.0 }]);

    let once = vec![1; images.len()];
    let curves: Vec<Option<Curve>> = classes.iter().map(|c| c.curve(&once)).collect();
    if curves.iter().flatten().next().is_none() {
        let labels = unmapped_labels.keys().cloned().collect::<Vec<_>>().join(", ");
        return Err(EvalError::Nothing(format!(
            "no box has a label that the model's card maps to a category; labels found: {labels}"
        )));
    }
    let over_classes = |weights: &[u32], of: fn(&Curve) -> f64| {
        let values: Vec<f64> = classes.iter().filter_map(|c| Some(of(&c.curve(weights)?))).collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    };
    let clusters = Clusters::new(0..images.len(), RESAMPLES, options.seed);
    let mut intervals = BTreeMap::new();
    let mut keep = |name, figure: Option<Figure>| {
        if let Some(figure) = figure {
            intervals.insert(name, figure);
        }
        figure.map_or(0.0, |f| f[0])
    };
    let ap = keep("ap", clusters.statistic(|w| over_classes(w, Curve::mean_ap)));
    let ap50 = keep("ap50", clusters.statistic(|w| over_classes(w, |c| c.ap[0])));
    let ap75 = keep("ap75", clusters.statistic(|w| over_classes(w, |c| c.ap[5])));
    keep("class_agnostic_ap50", clusters.statistic(|w| Some(agnostic.curve(w)?.ap[0])));
    keep("class_agnostic_recall50", clusters.statistic(|w| Some(agnostic.curve(w)?.recall[0])));
    let on_a_box: Vec<f64> = images.iter().map(chosen_on_a_box).collect();
    let chosen_on_a_box_50 = keep("chosen_on_a_box_50", clusters.mean(&on_a_box));
    let whole =
        |class: &Class| class.curve(&once).map_or(Agnostic { ap: 0.0, ap50: 0.0, recall50: 0.0 }, Into::into);
    Ok(Report {
        images: images.len(),
        boxes: classes.iter().map(Class::truths).sum(),
        ap,
        ap50,
        ap75,
        per_category: card
            .categories
            .iter()
            .zip(classes.iter().zip(&curves))
            .filter_map(|(name, (class, curve))| Some((name.clone(), category_scores(class, (*curve)?))))
            .collect(),
        class_agnostic: whole(&agnostic),
        chosen_on_a_box_50,
        intervals,
        unmapped_labels,
        ms_per_image: images.iter().map(|i| i.ms).sum::<f64>() / images.len().max(1) as f64,
        model: models.detector_package.hash().to_string(),
        baselines: BTreeMap::from([("central_box", whole(&centre))]),
        unreadable,
    })
}

fn category_scores(class: &Class, curve: Curve) -> CategoryScores {
    CategoryScores {
        boxes: class.truths(),
        ap: curve.mean_ap(),
        ap50: curve.ap[0],
        ap75: curve.ap[5],
        recall50: curve.recall[0],
    }
}

fn as_one_class(images: &[Image], found: impl Fn(&Image) -> Vec<Found>) -> Class {
    let of = |image: &Image| -> Matched {
        let truths: Vec<Truth> =
            image.truths.iter().map(|&(class, rect)| Truth { rect, ignored: class.is_none() }).collect();
        match_image(&truths, &found(image))
    };
    Class::new(&images.iter().map(of).collect::<Vec<_>>())
}

/// `NaN` without a true box.
fn chosen_on_a_box(image: &Image) -> f64 {
    let mut counted = image.truths.iter().filter(|t| t.0.is_some()).peekable();
    if counted.peek().is_none() {
        return f64::NAN;
    }
    let hit = image.chosen.is_some_and(|chosen| counted.any(|(_, rect)| rect.iou(&chosen) >= 0.5));
    f64::from(u8::from(hit))
}

/// The middle of a photo, 60 % of each side: what a shop assumes that has no detector.
fn central(width: f32, height: f32) -> Rect {
    Rect { x: 0.2 * width, y: 0.2 * height, w: 0.6 * width, h: 0.6 * height }
}
