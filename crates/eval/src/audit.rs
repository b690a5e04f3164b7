//! Are false claims and poor pictures found?
//!
//! Each data set is a catalogue of its own. Wrong claims are put in where the truth is taken to be what the set says
//! (so its own errors count as false alarms): categories by their confusions, that is, a product is called what an
//! audit of the set as it is finds most like it, in proportion; colour words by what the palette comes near to.
//! Words, frames and collages are drawn on its pictures; those that cannot be seen (white words on white, a collage
//! without a seam) are no blemish. Then the audit judges without knowing, and is scored on what it flags and on its
//! order. Beside it: the classifier's own disagreement with the claim.
use crate::interval::{Clusters, Figure};
use crate::pictures::{Part, Unreadable, each};
use crate::{EvalError, Models, Watch};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use twinset_audit::{
    COLOUR_NAMES, ColourClaim, DOUBTFUL, DOUBTFUL_COLOUR, Judged, Sample, affinity, blemishes, colour_names,
    judge, judge_colours, panels,
};
use twinset_dataset::Row;
use twinset_nets::NetError;
use twinset_photo::{Photo, Rect, decode, encode_jpeg};

/// Products of a class that is judged, at least.
const MEMBERS: usize = 6;
/// Attributes that say for whom a thing is.
const AUDIENCES: [&str; 3] = ["kids", "gender", "age_group"];
/// Labels that claim nothing.
const NO_CLAIMS: [&str; 4] = ["", "Not sure", "Skip", "Other"];
/// Pictures of a set that are edited.
const EDITED: usize = 240;
/// Precision that thresholds are chosen for: of claims, and of pictures, which are judged with fewer errors.
const TARGET: [f64; 2] = [0.75, 0.93];
/// Resamples of the intervals: orders are costly to score.
const RESAMPLES: usize = 300;

/// What to measure.
#[derive(Clone, Debug)]
pub struct Options {
    /// Data sets, each a catalogue of its own.
    pub data: Vec<PathBuf>,
    /// Only this split of each; `None` is all.
    pub split: Option<String>,
    /// Only products of this split are scored; the others are the catalogue around them. `None` is all.
    pub scored: Option<String>,
    /// Colours (one each) that a person saw in pictures, where the set itself says something else.
    pub seen: BTreeMap<String, String>,
    /// Share of the claims that are made wrong.
    pub noise: f64,
    /// Times that wrong claims are drawn anew; figures are over all of them.
    pub draws: u64,
    /// Of the draws and the intervals.
    pub seed: u64,
}

/// The answer.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Share of the claims that were made wrong.
    pub noise: f64,
    /// Wrong categories, all sets together.
    pub category: Scores,
    /// The same by set.
    pub category_by_set: BTreeMap<String, Scores>,
    /// Wrong words about for whom a thing is: kids or not, women or men; `None` where no set says so.
    pub audience: Option<Scores>,
    /// Wrong colour words; `None` where no set names colours.
    pub colour: Option<Scores>,
    /// Poor pictures by blemish.
    pub pictures: BTreeMap<&'static str, Scores>,
    /// Collages whose panels were found: each overlapped by one found (IoU 0.7), and no more.
    pub panels_found: f64,
    /// The embedder's hash.
    pub model: String,
    /// Pictures that were left out.
    pub unreadable: Vec<Unreadable>,
}

/// How well doubts fit. Intervals by bootstrap over products.
#[derive(Clone, Debug, Serialize)]
pub struct Scores {
    /// Claims, or pictures, judged (over all draws).
    pub judged: usize,
    /// Truly wrong ones among them, those that a person saw in the set itself included.
    pub wrong: usize,
    /// Flagged ones.
    pub flagged: usize,
    /// Share of the flagged that are wrong.
    pub precision: Figure,
    /// Share of the wrong that are flagged.
    pub recall: Figure,
    /// The lowest doubt from which at least 0.75 (pictures: 0.93) of the flagged are wrong, with precision and recall
    /// there: on a training split what a threshold is chosen by.
    pub at_target: Option<[f64; 3]>,
    /// Best precision at which at least 0.6 (pictures: 0.8) of the wrong are found, by order.
    pub precision_at_recall: Figure,
    /// Area under the precision-recall curve.
    pub average_precision: Figure,
    /// The classifier alone: precision and recall of its disagreement with the claim; `None` where it has no opinion.
    pub classifier_alone: Option<[f64; 2]>,
}

/// One judged thing.
#[derive(Clone)]
struct Mark {
    cluster: String,
    doubt: f32,
    wrong: bool,
    /// The classifier alone doubts it.
    disagreed: Option<bool>,
}

/// What was seen in one picture.
struct Seen {
    row: usize,
    embedding: Vec<f32>,
    /// What the heads of both networks say.
    heads: Vec<f32>,
    category: Option<String>,
    palette: Vec<f32>,
}

/// A product with the mean of its pictures.
struct Product {
    id: String,
    owner: u64,
    embedding: Vec<f32>,
    heads: Vec<f32>,
    called: Option<String>,
    class: usize,
    title: String,
    scored: bool,
}

impl Options {
    fn scores(&self, row: &Row) -> bool {
        self.scored.as_ref().is_none_or(|split| *split == row.split)
    }
}

/// Measures.
///
/// # Errors
/// A set or split that is not there, or nothing that is claimed often enough.
pub fn run(options: &Options, models: &Models, watch: Watch<'_>) -> Result<Report, EvalError> {
    let mut marks = BTreeMap::new();
    let (mut colours, mut audience) = (Vec::new(), Vec::new());
    let mut poor = BTreeMap::<&'static str, Vec<Mark>>::new();
    let (mut whole, mut collages) = (0, 0);
    let mut unreadable = Vec::new();
    for dir in &options.data {
        let part = Part::open(dir, options.split.as_deref())?;
        let rows: Vec<_> = part.rows().map(|row| (&part, row)).collect();
        let (seen, bad) = each(&rows, &part.name, watch, |_, photo, _| see(models, photo));
        unreadable.extend(bad);
        let seen: Vec<Seen> =
            seen.into_iter().enumerate().filter_map(|(row, seen)| Some(Seen { row, ..seen? })).collect();
        let rows: Vec<&Row> = rows.into_iter().map(|(_, row)| row).collect();
        let category = |row: &Row| Some(row.category.clone()).filter(|c| !NO_CLAIMS.contains(&c.as_str()));
        let (listed, classes) = products(options, &rows, &seen, &part.name, &category);
        if classes.len() > 1 {
            let told = claims(options, models, &listed, &classes);
            if !told.is_empty() {
                marks.insert(part.name.clone(), told);
            }
        }
        for field in AUDIENCES {
            let said = |row: &Row| match row.attributes.get(field).map(Vec::as_slice) {
                Some([one]) => Some(format!("{field}: {one}")),
                _ => None,
            };
            let (listed, classes) = products(options, &rows, &seen, &part.name, &said);
            if classes.len() > 1 {
                audience.extend(claims(options, models, &listed, &classes));
            }
        }
        colours.extend(colour_claims(options, &rows, &seen, &part.name));
        let mut some: Vec<&Row> = rows.iter().copied().filter(|row| options.scores(row)).collect();
        some.shuffle(&mut ChaCha8Rng::seed_from_u64(options.seed));
        some.truncate(EDITED);
        let some: Vec<_> = some.into_iter().map(|row| (&part, row)).collect();
        let edited = edited(&some, options.seed, watch);
        for (blemish, more) in edited.marks {
            poor.entry(blemish).or_default().extend(more);
        }
        whole += edited.panels_found;
        collages += edited.collages;
    }
    let all: Vec<Mark> = marks.values().flatten().cloned().collect();
    if all.is_empty() {
        return Err(EvalError::Nothing(format!("no two classes are claimed for {MEMBERS} products each")));
    }
    let claimed = |marks: &[Mark], doubtful| scores(marks, 0.6, doubtful, options.seed);
    Ok(Report {
        noise: options.noise,
        category: claimed(&all, DOUBTFUL),
        category_by_set: marks.iter().map(|(set, m)| (set.clone(), claimed(m, DOUBTFUL))).collect(),
        audience: (!audience.is_empty()).then(|| claimed(&audience, DOUBTFUL)),
        colour: (!colours.is_empty()).then(|| claimed(&colours, DOUBTFUL_COLOUR)),
        pictures: poor.iter().map(|(name, m)| (*name, scores(m, 0.8, DOUBTFUL, options.seed))).collect(),
        panels_found: whole as f64 / collages.max(1) as f64,
        model: models.embedder_package.hash().to_string(),
        unreadable,
    })
}

fn see(models: &Models, photo: &Photo) -> Result<Seen, NetError> {
    let look = models.look(photo)?;
    let embedded = models.embedder.embed(photo, look.rect(photo))?;
    let mut heads = Vec::new();
    for name in &models.embedder_package.card().categories {
        heads.push(embedded.category.iter().find(|(c, _)| c == name).map_or(0.0, |(_, p)| *p));
    }
    for name in &models.detector_package.card().categories {
        heads.push(look.chosen().filter(|g| g.category == *name).map_or(0.0, |g| g.score));
    }
    let palette = COLOUR_NAMES.map(|name| {
        embedded.attributes.colour.iter().find(|(c, _)| c == name).map_or(0.0, |(_, share)| *share)
    });
    Ok(Seen {
        row: 0,
        embedding: embedded.embedding,
        heads,
        category: embedded.category.into_iter().next().map(|(name, _)| name),
        palette: palette.to_vec(),
    })
}

/// Products with a claim that enough others share, and the classes claimed.
fn products(
    options: &Options,
    rows: &[&Row],
    seen: &[Seen],
    set: &str,
    claim: &dyn Fn(&Row) -> Option<String>,
) -> (Vec<Product>, Vec<String>) {
    let mut of = BTreeMap::<&str, Vec<&Seen>>::new();
    for s in seen {
        of.entry(rows[s.row].product()).or_default().push(s);
    }
    let class_of = |pictures: &[&Seen]| pictures.iter().find_map(|s| claim(rows[s.row]));
    let mut members = BTreeMap::<String, usize>::new();
    of.values().filter_map(|p| class_of(p)).for_each(|class| *members.entry(class).or_default() += 1);
    let classes: Vec<String> = members.into_iter().filter(|(_, n)| *n >= MEMBERS).map(|(c, _)| c).collect();
    let product = |(id, pictures): (&&str, &Vec<&Seen>)| {
        let class = class_of(pictures)?;
        let class = classes.iter().position(|c| *c == class)?;
        let mean = |of: &dyn Fn(&Seen) -> &[f32]| {
            let mut sum = vec![0.0f32; of(pictures[0]).len()];
            pictures.iter().for_each(|s| sum.iter_mut().zip(of(s)).for_each(|(a, b)| *a += b));
            sum.iter_mut().for_each(|x| *x /= pictures.len() as f32);
            sum
        };
        let mut embedding = mean(&|s| &s.embedding);
        let length = embedding.iter().map(|x| x * x).sum::<f32>().sqrt().max(1e-6);
        embedding.iter_mut().for_each(|x| *x /= length);
        let row = rows[pictures[0].row];
        // Whoever sent a picture sent others like it.
        let owner = row.attributes.get("sender").and_then(|v| v.first()).map_or(*id, String::as_str);
        Some(Product {
            id: format!("{set}/{id}"),
            owner: key(owner),
            embedding,
            heads: mean(&|s| &s.heads),
            called: pictures.iter().find_map(|s| s.category.clone()),
            class,
            title: row.title.clone(),
            scored: options.scores(row),
        })
    };
    (of.iter().filter_map(product).collect(), classes)
}

fn key(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

/// Claims of one kind, some made wrong, judged.
fn claims(options: &Options, models: &Models, products: &[Product], classes: &[String]) -> Vec<Mark> {
    let card = models.embedder_package.card();
    let detector = models.detector_package.card();
    // What the classifier would call each class, where it knows a word for it.
    let words: Vec<Option<String>> = classes
        .iter()
        .map(|class| {
            let mut parts = std::iter::once(class.as_str()).chain(class.rsplit('/'));
            parts
                .find_map(|part| card.category_of(part).or_else(|| detector.category_of(part)))
                .map(str::to_owned)
        })
        .collect();
    let samples = |given: &[usize]| -> Vec<Judged> {
        let samples: Vec<Sample<'_>> = products
            .iter()
            .zip(given)
            .map(|(p, &given)| Sample {
                embedding: &p.embedding,
                hints: p.heads.clone(),
                told: Vec::new(),
                given,
                owner: p.owner,
                title: &p.title,
            })
            .collect();
        judge(&samples, classes.len())
    };
    let truth: Vec<usize> = products.iter().map(|p| p.class).collect();
    let mut confusion = vec![vec![1e-3; classes.len()]; classes.len()];
    for (judged, &class) in samples(&truth).iter().zip(&truth) {
        confusion[class].iter_mut().zip(&judged.seen).for_each(|(c, s)| *c += f64::from(*s));
    }
    let mut marks = Vec::new();
    for draw in 0..options.draws {
        let given = spoiled(&truth, &confusion, options.noise, options.seed + draw);
        for (i, judged) in samples(&given).iter().enumerate().filter(|(i, _)| products[*i].scored) {
            let disagreed = products[i].called.as_ref().zip(words[given[i]].as_ref()).map(|(a, b)| a != b);
            marks.push(Mark {
                cluster: products[i].id.clone(),
                doubt: judged.wrong,
                wrong: given[i] != truth[i],
                disagreed,
            });
        }
    }
    marks
}

/// `truth` with a share of it replaced, in proportion to the confusions of each class.
fn spoiled(truth: &[usize], confusion: &[Vec<f64>], noise: f64, seed: u64) -> Vec<usize> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut order: Vec<usize> = (0..truth.len()).collect();
    order.shuffle(&mut rng);
    order.truncate((truth.len() as f64 * noise).round() as usize);
    let mut given = truth.to_vec();
    for i in order {
        let others: f64 =
            confusion[truth[i]].iter().enumerate().filter(|(c, _)| *c != truth[i]).map(|c| c.1).sum();
        let mut left = rng.random::<f64>() * others;
        for (class, share) in confusion[truth[i]].iter().enumerate().filter(|(c, _)| *c != truth[i]) {
            given[i] = class;
            left -= share;
            if left <= 0.0 {
                break;
            }
        }
    }
    given
}

/// Pictures whose variant or claim names one colour.
fn colour_claims(options: &Options, rows: &[&Row], seen: &[Seen], set: &str) -> Vec<Mark> {
    let named = |row: &Row| {
        let claims = ["color", "colour", "fashion_color"];
        let claims = claims.iter().filter_map(|name| row.attributes.get(*name)).flatten();
        let text = claims.cloned().chain([row.variant_id.clone()]).collect::<Vec<_>>().join(" ");
        match colour_names(&text)[..] {
            [one] => Some(one),
            _ => None,
        }
    };
    let claimed: Vec<(&Seen, usize)> = seen
        .iter()
        .filter_map(|s| Some((s, named(rows[s.row])?)))
        .filter(|(s, _)| s.palette.iter().any(|p| *p > 0.0))
        .collect();
    if claimed.len() < 20 {
        return Vec::new();
    }
    let truth: Vec<usize> = claimed.iter().map(|(_, name)| *name).collect();
    let confusion: Vec<Vec<f64>> = (0..COLOUR_NAMES.len())
        .map(|c| (0..COLOUR_NAMES.len()).map(|s| f64::from(affinity(c, s))).collect())
        .collect();
    let mut marks = Vec::new();
    for draw in 0..options.draws {
        let given = spoiled(&truth, &confusion, options.noise, options.seed + 1000 + draw);
        let asked: Vec<ColourClaim<'_>> = claimed
            .iter()
            .zip(&given)
            .map(|((s, _), &given)| ColourClaim {
                shares: &s.palette,
                embedding: &s.embedding,
                given,
                owner: key(rows[s.row].product()),
            })
            .collect();
        for (i, judged) in judge_colours(&asked).iter().enumerate() {
            let row = rows[claimed[i].0.row];
            if !options.scores(row) {
                continue;
            }
            // What a person saw counts more than what the set says.
            let seen =
                options.seen.get(&row.file).and_then(|name| COLOUR_NAMES.iter().position(|n| n == name));
            let palette = &claimed[i].0.palette;
            let main = (0..palette.len()).max_by(|a, b| palette[*a].total_cmp(&palette[*b]));
            marks.push(Mark {
                cluster: format!("{set}/{}", row.product()),
                doubt: judged.wrong,
                wrong: given[i] != seen.unwrap_or(truth[i]),
                disagreed: main.map(|main| main != given[i]),
            });
        }
    }
    marks
}

#[derive(Default)]
struct Edited {
    marks: BTreeMap<&'static str, Vec<Mark>>,
    collages: usize,
    panels_found: usize,
}

/// Half of the pictures as they are, half edited.
fn edited(rows: &[(&Part, &Row)], seed: u64, watch: Watch<'_>) -> Edited {
    let (photos, _) = each(rows, "pictures to edit", watch, |_, photo, _| Ok(photo.clone()));
    let photos: Vec<Photo> =
        photos.into_iter().flatten().filter(|p| p.width().min(p.height()) >= 96).collect();
    let mut out = Edited::default();
    let mut note = |blemish, i: usize, doubt, wrong| {
        let mark = Mark { cluster: format!("{i}"), doubt, wrong, disagreed: None };
        out.marks.entry(blemish).or_default().push(mark);
    };
    let mut found = (0, 0);
    for (i, photo) in photos.iter().enumerate() {
        let i64 = i as u64 ^ seed << 20;
        // As a seller stores it.
        let stored = |photo: &Photo| decode(&encode_jpeg(photo, 85), &twinset_photo::Limits::default());
        let as_it_is = blemishes(photo);
        note("overlay", i, as_it_is.overlay, false);
        note("border", i, as_it_is.border, false);
        note("collage", i, as_it_is.collage, false);
        note("watermark", i, as_it_is.watermark, false);
        let (edited, edits) = twinset_synth::edited(photo, i64);
        if let Ok(edited) = stored(&edited) {
            let seen = blemishes(&edited);
            if edits.text || edits.badge {
                note("overlay", i, seen.overlay, true);
            }
            if edits.watermark {
                note("watermark", i, seen.watermark, true);
            }
            if edits.border {
                note("border", i, seen.border, true);
            }
        }
        let others: Vec<&Photo> = (0..2 + i % 3).map(|n| &photos[(i + 7 * n) % photos.len()]).collect();
        let (collage, placed) = twinset_synth::collage(&others, 400, i64);
        if let Ok(collage) = stored(&collage) {
            if !shows(&collage, &placed) {
                continue;
            }
            note("collage", i, blemishes(&collage).collage, true);
            let told: Vec<Rect> = panels(&collage)
                .into_iter()
                .map(|[x, y, w, h]| Rect { x, y, w, h }.scale(400.0, 400.0))
                .collect();
            let all = placed.iter().all(|p| told.iter().any(|t| t.iou(p) >= 0.7));
            found.0 += usize::from(all && told.len() == placed.len());
            found.1 += 1;
        }
    }
    (out.panels_found, out.collages) = found;
    out
}

/// Whether any side of a panel inside the picture can be seen along a fifth of it.
fn shows(picture: &Photo, panels: &[Rect]) -> bool {
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    let pixel = |x: f32, y: f32| {
        let (x, y) = (x.clamp(0.0, width - 1.0) as usize, y.clamp(0.0, height - 1.0) as usize);
        let at = 3 * (y * picture.width() as usize + x);
        [picture.rgb()[at], picture.rgb()[at + 1], picture.rgb()[at + 2]]
    };
    let apart = |a: [u8; 3], b: [u8; 3]| (0..3).any(|c| a[c].abs_diff(b[c]) >= 14);
    panels.iter().any(|panel| {
        let places = (0..40).map(|i| (i as f32 + 0.5) / 40.0);
        let right = places.clone().map(|t| (panel.x1(), panel.y + t * panel.h));
        let right = right.filter(|&(x, y)| x < width && apart(pixel(x - 3.0, y), pixel(x + 2.0, y)));
        let below = places.map(|t| (panel.x + t * panel.w, panel.y1()));
        let below = below.filter(|&(x, y)| y < height && apart(pixel(x, y - 3.0), pixel(x, y + 2.0)));
        right.count() >= 8 || below.count() >= 8
    })
}

/// See [`Scores::at_target`]; `order`: from the most doubted on.
fn at_target(marks: &[Mark], order: &[usize], target: f64) -> Option<[f64; 3]> {
    let all = marks.iter().filter(|mark| mark.wrong).count() as f64;
    let (mut hits, mut best) = (0.0, None);
    for (n, &i) in order.iter().enumerate() {
        hits += f64::from(u8::from(marks[i].wrong));
        let doubt = marks[i].doubt;
        let tied = order.get(n + 1).is_some_and(|&next| marks[next].doubt >= doubt);
        let precision = hits / (n + 1) as f64;
        if !tied && precision >= target {
            best = Some([f64::from(doubt), precision, hits / all.max(1.0)]);
        }
    }
    best
}

fn scores(marks: &[Mark], recall: f64, doubtful: f32, seed: u64) -> Scores {
    let clusters = Clusters::new(marks.iter().map(|m| m.cluster.as_str()), RESAMPLES, seed);
    let mut order: Vec<usize> = (0..marks.len()).collect();
    order.sort_by(|a, b| marks[*b].doubt.total_cmp(&marks[*a].doubt));
    let share = |of: &dyn Fn(&Mark) -> bool, among: &dyn Fn(&Mark) -> bool| {
        clusters.statistic(|weights| {
            let (mut n, mut all) = (0.0, 0.0);
            for (mark, &weight) in marks.iter().zip(weights).filter(|(m, _)| among(m)) {
                all += f64::from(weight);
                n += if of(mark) { f64::from(weight) } else { 0.0 };
            }
            Some(if all > 0.0 { n / all } else { 0.0 })
        })
    };
    let flagged = |m: &Mark| m.doubt >= doubtful;
    let wrong = |m: &Mark| m.wrong;
    let curve = |weights: &[u32]| -> (f64, f64) {
        let total: f64 = marks.iter().zip(weights).filter(|(m, _)| m.wrong).map(|(_, w)| f64::from(*w)).sum();
        let (mut hits, mut told, mut area, mut best) = (0.0, 0.0, 0.0, 0.0f64);
        for &i in &order {
            let weight = f64::from(weights[i]);
            told += weight;
            if marks[i].wrong && weight > 0.0 {
                hits += weight;
                area += weight * hits / told;
            }
            if total > 0.0 && hits / total >= recall && told > 0.0 {
                best = best.max(hits / told);
            }
        }
        (best, if total > 0.0 { area / total } else { 0.0 })
    };
    let none = [0.0; 3];
    let disagreeing: Vec<&Mark> = marks.iter().filter(|m| m.disagreed == Some(true)).collect();
    let right = disagreeing.iter().filter(|m| m.wrong).count() as f64;
    let all_wrong = marks.iter().filter(|m| m.wrong).count();
    Scores {
        judged: marks.len(),
        wrong: all_wrong,
        flagged: marks.iter().filter(|m| flagged(m)).count(),
        precision: share(&wrong, &flagged).unwrap_or(none),
        recall: share(&flagged, &wrong).unwrap_or(none),
        at_target: at_target(marks, &order, TARGET[usize::from(recall > 0.7)]),
        precision_at_recall: clusters.statistic(|w| Some(curve(w).0)).unwrap_or(none),
        average_precision: clusters.statistic(|w| Some(curve(w).1)).unwrap_or(none),
        classifier_alone: (!disagreeing.is_empty())
            .then(|| [right / disagreeing.len() as f64, right / all_wrong.max(1) as f64]),
    }
}
