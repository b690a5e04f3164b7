//! Is the right product among the first? Photos of a data set against a gallery of product pictures.
//!
//! The journey of a photo is the engine's: detect, embed the chosen garment, compare with every gallery picture
//! (exactly, so that only the models are measured), compare the best part by part, group by product. The
//! baselines see the same boxes.
use crate::interval::{Clusters, Figure, RESAMPLES};
use crate::pictures::{Part, Unreadable, each};
use crate::ranking::{Marks, Place, Shelf, dot};
use crate::verdicts::{Judged, Verdicts};
use crate::{EvalError, Models, Watch, plain};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;
use twinset_dataset::Row;
use twinset_embed::{Attributes, Embedder};
use twinset_local::{Evidence, Fusion, LocalFeatures, palette_distance, pattern_agreement};
use twinset_nets::NetError;
use twinset_photo::{Photo, Rect};

/// The `k` of recall at k.
pub const KS: [usize; 4] = [1, 5, 10, 20];
/// Tokens kept of a gallery picture, as the engine keeps them.
const TOKENS_KEPT: usize = 32;
/// Gallery pictures compared part by part, as in the engine.
const RERANKED: usize = 100;
/// Best hits whose embeddings are averaged with the query's, for query expansion.
const EXPANDED_BY: usize = 3;
/// Hits told for each query in the list of single results.
const HITS_TOLD: usize = 10;

/// What to measure.
#[derive(Clone, Debug)]
pub struct Options {
    /// Data set of the queries.
    pub queries: PathBuf,
    /// Its split; `None` is all.
    pub query_split: Option<String>,
    /// Data sets of the gallery; empty with `leave_one_out`.
    pub gallery: Vec<PathBuf>,
    /// Split of the gallery; `None` is all.
    pub gallery_split: Option<String>,
    /// Only gallery pictures of these views; empty is all.
    pub gallery_views: Vec<String>,
    /// Only queries of these views; empty is all.
    pub query_views: Vec<String>,
    /// Further gallery pictures, with their split, that are no query's product.
    pub distractors: Vec<(PathBuf, Option<String>)>,
    /// What of a query is searched.
    pub query_box: QueryBox,
    /// What of a gallery picture is embedded.
    pub gallery_box: QueryBox,
    /// What counts as found.
    pub id: Id,
    /// Queries and gallery are the same pictures; a query never finds its own.
    pub leave_one_out: bool,
    /// Compare the best candidates part by part.
    pub rerank: bool,
    /// The gallery keeps the compact form of its local features.
    pub compact: bool,
    /// How all that is known of a pair becomes one score; `None` is what the engine would use with this embedder.
    pub fusion: Option<Fusion>,
    /// What to measure beside.
    pub baselines: Vec<Baseline>,
    /// Where to write one JSON line a query.
    pub per_query: Option<PathBuf>,
    /// Of random weights and intervals.
    pub seed: u64,
}

impl Options {
    /// Queries of `queries` against `gallery`, everything else as usual.
    #[must_use]
    pub fn new(queries: PathBuf, gallery: Vec<PathBuf>) -> Self {
        Self {
            queries,
            query_split: None,
            gallery,
            gallery_split: None,
            gallery_views: Vec::new(),
            query_views: Vec::new(),
            distractors: Vec::new(),
            query_box: QueryBox::Detected,
            gallery_box: QueryBox::Detected,
            id: Id::ItemId,
            leave_one_out: false,
            rerank: true,
            compact: false,
            fusion: None,
            baselines: Baseline::ALL.to_vec(),
            per_query: None,
            seed: 1,
        }
    }
}

/// What of a picture is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum QueryBox {
    /// The whole photo.
    None,
    /// The first box of its row; the whole photo where it has none.
    Given,
    /// The garment that the detector chooses; the whole photo where it finds none.
    Detected,
    /// The detected garment that a shopper who means the first box of the row would tap, which overlaps it most; the
    /// chosen one where none does.
    Tapped,
}

/// The column that tells whether a hit is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Id {
    ItemId,
    VariantId,
    Category,
}

impl Id {
    fn of(self, row: &Row) -> String {
        match self {
            Self::ItemId => row.product().to_owned(),
            Self::VariantId if row.variant_id.is_empty() => row.product().to_owned(),
            Self::VariantId => row.variant_id.clone(),
            Self::Category => row.category.clone(),
        }
    }
    /// What a list is made of: products, or variants where those count.
    fn entry(self, row: &Row) -> String {
        if self == Self::VariantId { self.of(row) } else { row.product().to_owned() }
    }
}

/// A descriptor that needs no training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Baseline {
    ColourHistogram,
    RandomWeights,
    Hog,
    RawPixels,
}

impl Baseline {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::ColourHistogram, Self::RandomWeights, Self::Hog, Self::RawPixels];

    /// As in the report.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ColourHistogram => "colour_histogram",
            Self::RandomWeights => "random_weights",
            Self::Hog => "hog",
            Self::RawPixels => "raw_pixels",
        }
    }

    /// By its name in the report.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|b| b.name() == name)
    }
}

/// The answer. Every figure is `[value, low, high]`.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Queries that count: readable, and with their product in the gallery.
    pub queries: usize,
    /// Queries whose id no gallery picture has; they are not in the figures.
    pub queries_without_answer: usize,
    /// Gallery pictures, distractors included.
    pub gallery: usize,
    /// Distractors among them.
    pub distractors: usize,
    /// Queries of view `cross-view` from which the photograph they were made of was hidden.
    pub own_photograph_hidden: usize,
    /// What of a query was searched.
    pub query_box: QueryBox,
    /// What counted.
    pub id: Id,
    /// Whether the best were compared part by part.
    pub rerank: bool,
    /// The detector's and the embedder's hash.
    pub models: [String; 2],
    /// The figures.
    #[serde(flatten)]
    pub scores: Scores,
    /// The same for each view of the queries.
    pub by_view: BTreeMap<String, Scores>,
    /// The same for each category of the queries, where there are at most 40.
    pub by_category: BTreeMap<String, Scores>,
    /// Share of the queries with a given box where the chosen box reaches an IoU of 0.5, or the one that is tapped.
    pub target_box_recall_50: Option<Figure>,
    /// Mean time of each stage, on one thread each, all cores busy.
    pub ms_per_query: BTreeMap<&'static str, f64>,
    /// What comparing part by part is worth; none with `rerank` off.
    pub gain: Option<Gain>,
    /// What the verdict *same* is worth.
    pub verdicts: Option<Verdicts>,
    /// The same queries and boxes by plain means.
    pub baselines: BTreeMap<&'static str, BaselineScores>,
    /// The list of single results, if asked for.
    pub per_query: Option<PathBuf>,
    /// Pictures that were left out.
    pub unreadable: Vec<Unreadable>,
}

/// Figures of one group of queries.
#[derive(Clone, Debug, Serialize)]
pub struct Scores {
    /// Queries in it.
    pub queries: usize,
    /// Share of queries whose id is among the first k ids.
    pub recall: Recall,
    /// Mean average precision over the list of products.
    pub map: Option<Figure>,
    /// Share of right products among the first ten.
    pub precision_at_10: Option<Figure>,
    /// Mean of 1 / rank.
    pub mrr: Option<Figure>,
}

/// The same queries by the embeddings alone, and the differences with paired intervals.
#[derive(Clone, Debug, Serialize)]
pub struct Gain {
    /// By the cosine of the embeddings.
    pub global_only: Scores,
    /// By the cosine with the average of the query and its three best hits.
    pub query_expansion: Scores,
    /// Recall at k more than by the cosine.
    pub over_global_only: Recall,
    /// Recall at k more than by query expansion.
    pub over_query_expansion: Recall,
    /// For each view, recall at k more than by the cosine.
    pub over_global_only_by_view: BTreeMap<String, Recall>,
}

/// Figures of a baseline.
#[derive(Clone, Debug, Serialize)]
pub struct BaselineScores {
    /// Over all queries.
    #[serde(flatten)]
    pub scores: Scores,
    /// For each view.
    pub by_view: BTreeMap<String, Scores>,
}

/// Recall at each k, ascending.
#[derive(Clone, Debug)]
pub struct Recall(pub Vec<(usize, Figure)>);

impl Recall {
    /// The figure at `k`.
    #[must_use]
    pub fn at(&self, k: usize) -> Option<Figure> {
        self.0.iter().find(|(at, _)| *at == k).map(|(_, figure)| *figure)
    }
}

impl Serialize for Recall {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (k, figure) in &self.0 {
            map.serialize_entry(&k.to_string(), figure)?;
        }
        map.end()
    }
}

/// All queries of a measurement with what became of them.
pub(crate) struct Asked {
    pub(crate) outcomes: Vec<Outcome>,
    gallery: Gallery,
    fusion: Fusion,
    pub(crate) unreadable: Vec<Unreadable>,
}

/// The journey of all queries.
pub(crate) fn ask_all(options: &Options, models: &Models, watch: Watch<'_>) -> Result<Asked, EvalError> {
    let queries = Part::open(&options.queries, options.query_split.as_deref())?;
    let eyes = Eyes::new(options, models)?;
    let fusion = options.fusion.clone().unwrap_or_else(|| models.fusion());
    let gallery = Gallery::see(options, &eyes, watch)?;
    let shown = |row: &&Row| options.query_views.is_empty() || options.query_views.contains(&row.view);
    let rows: Vec<_> = queries.rows().filter(shown).map(|row| (&queries, row)).collect();
    let (seen, mut unreadable) = each(&rows, "queries", watch, |row, photo, decode_ms| {
        ask(options, &eyes, &gallery, &fusion, &queries.name_of(row), row, photo, decode_ms)
    });
    unreadable.splice(0..0, gallery.unreadable.iter().cloned());
    Ok(Asked { outcomes: seen.into_iter().flatten().collect(), gallery, fusion, unreadable })
}

/// Measures.
///
/// # Errors
/// A set or split that is not there, or nothing left to measure. Single unreadable pictures are listed.
pub fn run(options: &Options, models: &Models, watch: Watch<'_>) -> Result<Report, EvalError> {
    let Asked { outcomes, gallery, fusion, unreadable } = ask_all(options, models, watch)?;
    if let Some(path) = &options.per_query {
        write_outcomes(path, &outcomes, options, &gallery)
            .map_err(|source| EvalError::Write { path: path.clone(), source })?;
    }
    let target_box_recall_50 = {
        let clusters = clusters(outcomes.iter(), options.seed);
        clusters
            .mean(&outcomes.iter().map(|o| o.target_iou.map_or(f64::NAN, at_least_half)).collect::<Vec<_>>())
    };
    let counted: Vec<&Outcome> = outcomes.iter().filter(|o| o.answerable).collect();
    if counted.is_empty() {
        let reason = "no query's product is in the gallery; check --id and the two splits".to_owned();
        return Err(EvalError::Nothing(reason));
    }
    let clusters = clusters(counted.iter().copied(), options.seed);
    let system = |o: &Outcome| o.marks;
    let by = |key: fn(&Outcome) -> &str, marks: &dyn Fn(&Outcome) -> Marks| {
        let mut values: Vec<&str> = counted.iter().map(|&o| key(o)).filter(|v| !v.is_empty()).collect();
        values.sort_unstable();
        values.dedup();
        if values.len() > 40 {
            values.clear();
        }
        let scores_of = |value: &str| scores(&counted, &clusters, marks, |o| key(o) == value);
        values.into_iter().map(|v| (v.to_owned(), scores_of(v))).collect::<BTreeMap<_, _>>()
    };
    let mut baselines = BTreeMap::new();
    for (i, baseline) in options.baselines.iter().enumerate() {
        let marks = |o: &Outcome| o.baselines[i];
        let scores = scores(&counted, &clusters, &marks, |_| true);
        baselines.insert(baseline.name(), BaselineScores { scores, by_view: by(|o| &o.view, &marks) });
    }
    let more = |marks: &dyn Fn(&Outcome) -> Marks, view: Option<&str>| {
        let found = |m: Marks, k: usize| f64::from(u8::from(m.rank.is_some_and(|rank| rank <= k)));
        let at = |k: usize| {
            let gains = counted.iter().map(|o| match view {
                Some(view) if o.view != view => f64::NAN,
                _ => found(o.marks, k) - found(marks(o), k),
            });
            Some((k, clusters.mean(&gains.collect::<Vec<_>>())?))
        };
        Recall(KS.into_iter().filter_map(at).collect())
    };
    let by_view = by(|o| &o.view, &system);
    let gain = options.rerank.then(|| Gain {
        global_only: scores(&counted, &clusters, &|o| o.global, |_| true),
        query_expansion: scores(&counted, &clusters, &|o| o.expanded, |_| true),
        over_global_only: more(&|o| o.global, None),
        over_query_expansion: more(&|o| o.expanded, None),
        over_global_only_by_view: (by_view.keys())
            .map(|view| (view.clone(), more(&|o| o.global, Some(view))))
            .collect(),
    });
    let judged: Vec<&Judged> = counted.iter().map(|o| &o.judged).collect();
    let verdicts = if options.rerank {
        Verdicts::new(&judged, &clusters, fusion.same_from, fusion.embedder.is_some())
    } else {
        None
    };
    Ok(Report {
        queries: counted.len(),
        queries_without_answer: outcomes.len() - counted.len(),
        gallery: gallery.pictures.len(),
        distractors: gallery.distractors,
        own_photograph_hidden: outcomes.iter().filter(|o| o.own_hidden).count(),
        query_box: options.query_box,
        id: options.id,
        rerank: options.rerank,
        models: [models.detector_package.hash().to_string(), models.embedder_package.hash().to_string()],
        scores: scores(&counted, &clusters, &system, |_| true),
        by_view,
        gain,
        verdicts,
        by_category: by(|o| &o.category, &system),
        target_box_recall_50,
        ms_per_query: mean_times(&outcomes),
        baselines,
        per_query: options.per_query.clone(),
        unreadable,
    })
}

fn at_least_half(iou: f32) -> f64 {
    f64::from(u8::from(iou >= 0.5))
}

fn clusters<'a>(outcomes: impl Iterator<Item = &'a Outcome>, seed: u64) -> Clusters {
    Clusters::new(outcomes.map(|o| o.product.clone()), RESAMPLES, seed)
}

fn scores(
    outcomes: &[&Outcome],
    clusters: &Clusters,
    marks: &dyn Fn(&Outcome) -> Marks,
    belongs: impl Fn(&Outcome) -> bool,
) -> Scores {
    let mean = |value: &dyn Fn(Marks) -> f64| {
        let of = |o: &&Outcome| if belongs(o) { value(marks(o)) } else { f64::NAN };
        clusters.mean(&outcomes.iter().map(of).collect::<Vec<_>>())
    };
    let found = |k: usize| mean(&|m| f64::from(u8::from(m.rank.is_some_and(|rank| rank <= k))));
    Scores {
        queries: outcomes.iter().filter(|o| belongs(o)).count(),
        recall: Recall(KS.iter().filter_map(|&k| Some((k, found(k)?))).collect()),
        map: mean(&|m| m.average_precision),
        precision_at_10: mean(&|m| m.precision_at_10),
        mrr: mean(&|m| m.rank.map_or(0.0, |rank| 1.0 / rank as f64)),
    }
}

/// Everything that describes a crop.
struct Eyes<'a> {
    models: &'a Models,
    random: Option<Embedder>,
    options: &'a Options,
}

/// One crop, described.
struct Described {
    embedding: Vec<f32>,
    local: Option<LocalFeatures>,
    attributes: Attributes,
    /// One for each baseline of the options.
    plain: Vec<Vec<f32>>,
    embed_ms: f64,
}

impl<'a> Eyes<'a> {
    fn new(options: &'a Options, models: &'a Models) -> Result<Self, EvalError> {
        let random = if options.baselines.contains(&Baseline::RandomWeights) {
            Some(Embedder::new(&models.embedder_package.randomised(options.seed))?)
        } else {
            None
        };
        Ok(Self { models, random, options })
    }

    fn describe(&self, photo: &Photo, rect: Rect, tokens: usize) -> Result<Described, NetError> {
        let start = Instant::now();
        let embedded = self.models.embedder.embed(photo, rect)?;
        let inside = self.models.embedder.inside(rect);
        let local = self.options.rerank.then(|| LocalFeatures::extract_inside(&embedded.map, inside, tokens));
        let embed_ms = ms(start);
        let plain = self.options.baselines.iter().map(|baseline| match (baseline, &self.random) {
            (Baseline::ColourHistogram, _) => Ok(plain::colour_histogram(photo, rect)),
            (Baseline::Hog, _) => Ok(plain::hog(photo, rect)),
            (Baseline::RawPixels, _) => Ok(plain::raw_pixels(photo, rect)),
            (Baseline::RandomWeights, Some(random)) => random.embed(photo, rect).map(|seen| seen.embedding),
            (Baseline::RandomWeights, None) => Ok(Vec::new()),
        });
        let plain = plain.collect::<Result<_, _>>()?;
        let (embedding, attributes) = (embedded.embedding, embedded.attributes);
        Ok(Described { embedding, local, attributes, plain, embed_ms })
    }
}

/// The gallery, described, with whose pictures they are.
struct Gallery {
    pictures: Vec<Described>,
    names: Vec<String>,
    by_name: HashMap<String, usize>,
    entries: Vec<String>,
    ids: HashMap<String, u32>,
    shelf: Shelf,
    distractors: usize,
    unreadable: Vec<Unreadable>,
}

impl Gallery {
    /// Number of the product that a picture shows.
    fn product(&self, picture: usize) -> u32 {
        self.shelf.id_of[self.shelf.entry_of[picture] as usize]
    }

    fn see(options: &Options, eyes: &Eyes<'_>, watch: Watch<'_>) -> Result<Self, EvalError> {
        let mut parts = Vec::new();
        if options.leave_one_out {
            parts.push((Part::open(&options.queries, options.query_split.as_deref())?, false));
        }
        for dir in &options.gallery {
            parts.push((Part::open(dir, options.gallery_split.as_deref())?, false));
        }
        // Ids of foreign sets may be equal by chance; a distractor must never be anybody's answer.
        let known = |dir: &Path| *dir == options.queries || options.gallery.iter().any(|g| g == dir);
        for (dir, split) in &options.distractors {
            parts.push((Part::open(dir, split.as_deref())?, !known(dir)));
        }
        let real = parts.len() - options.distractors.len();
        let views = &options.gallery_views;
        let shown = |row: &Row| views.is_empty() || views.contains(&row.view);
        let mut rows = Vec::new();
        let mut labels = Vec::new();
        for (i, (part, foreign)) in parts.iter().enumerate() {
            let distractor = i >= real;
            for row in part.rows().filter(|row| distractor || shown(row)) {
                let own = |text: String| if *foreign { format!("{}:{text}", part.name) } else { text };
                labels.push((own(options.id.entry(row)), own(options.id.of(row)), distractor));
                rows.push((part, row));
            }
        }
        let (seen, unreadable) = each(&rows, "gallery", watch, |row, photo, _| {
            let given = row.boxes.first().map(|b| b.rect);
            let rect = match options.gallery_box {
                QueryBox::Detected => eyes.models.look(photo)?.rect(photo),
                QueryBox::Tapped => eyes.models.look(photo)?.tapped(given).map_or(photo.frame(), |g| g.rect),
                QueryBox::Given => given.unwrap_or(photo.frame()),
                QueryBox::None => photo.frame(),
            };
            let mut seen = eyes.describe(photo, rect, TOKENS_KEPT)?;
            if options.compact {
                seen.local =
                    seen.local.and_then(|local| LocalFeatures::from_bytes(&local.to_compact_bytes()).ok());
            }
            Ok(seen)
        });
        let mut gallery = Self {
            pictures: Vec::new(),
            names: Vec::new(),
            by_name: HashMap::new(),
            entries: Vec::new(),
            ids: HashMap::new(),
            shelf: Shelf::default(),
            distractors: 0,
            unreadable,
        };
        let mut numbers = HashMap::new();
        for ((described, (part, row)), (entry, id, distractor)) in seen.into_iter().zip(&rows).zip(labels) {
            let Some(described) = described else { continue };
            let next = gallery.ids.len() as u32;
            let id_number = *gallery.ids.entry(id).or_insert(next);
            // One product may stand under two categories: then it is two entries.
            let entry_number = *numbers.entry((entry.clone(), id_number)).or_insert_with(|| {
                gallery.entries.push(entry);
                gallery.shelf.id_of.push(id_number);
                gallery.entries.len() as u32 - 1
            });
            gallery.shelf.entry_of.push(entry_number);
            gallery.by_name.insert(part.name_of(row), gallery.pictures.len());
            gallery.names.push(part.name_of(row));
            gallery.pictures.push(described);
            gallery.distractors += usize::from(distractor);
        }
        if gallery.pictures.is_empty() {
            return Err(EvalError::Nothing("the gallery has no readable picture".to_owned()));
        }
        Ok(gallery)
    }
}

/// What became of one query.
pub(crate) struct Outcome {
    name: String,
    pub(crate) product: String,
    view: String,
    category: String,
    pub(crate) answerable: bool,
    own_hidden: bool,
    marks: Marks,
    /// By the cosine alone.
    global: Marks,
    /// By query expansion.
    expanded: Marks,
    judged: Judged,
    /// What is known of pairs, for fitting: all that were compared, and a few taken anywhere. All, because others
    /// chosen for their large cosine would teach that a large cosine is a bad sign.
    pub(crate) pairs: Vec<Pair>,
    baselines: Vec<Marks>,
    target_iou: Option<f32>,
    rect: Rect,
    hits: Vec<Place>,
    times: Times,
}

/// A query and a gallery picture.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pair {
    pub(crate) evidence: Evidence,
    pub(crate) same: bool,
    /// Number of the product that the picture shows.
    pub(crate) product: u32,
    /// Taken anywhere in the gallery, not for being near.
    pub(crate) anywhere: bool,
}

#[derive(Clone, Copy, Default)]
struct Times {
    decode: f64,
    detect: f64,
    embed: f64,
    index: f64,
    local: f64,
}

fn ms(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}

#[allow(clippy::too_many_arguments)]
fn ask(
    options: &Options,
    eyes: &Eyes<'_>,
    gallery: &Gallery,
    fusion: &Fusion,
    name: &str,
    row: &Row,
    photo: &Photo,
    decode_ms: f64,
) -> Result<Outcome, NetError> {
    let mut times = Times { decode: decode_ms, ..Times::default() };
    let given = row.boxes.first().map(|b| b.rect);
    let start = Instant::now();
    let look = eyes.models.look(photo)?;
    times.detect = ms(start);
    let rect = match options.query_box {
        QueryBox::None => photo.frame(),
        QueryBox::Given => given.unwrap_or(photo.frame()),
        QueryBox::Detected => look.rect(photo),
        QueryBox::Tapped => look.tapped(given).map_or(photo.frame(), |g| g.rect),
    };
    let meant = if options.query_box == QueryBox::Tapped { look.tapped(given) } else { look.chosen() };
    let target_iou = given.map(|given| meant.map_or(0.0, |g| g.rect.iou(&given)));
    let query = eyes.describe(photo, rect, usize::MAX)?;
    times.embed = query.embed_ms;

    // A query must not find the very photograph it is or was made from, where that is not the question.
    let own = if options.leave_one_out {
        gallery.by_name.get(name)
    } else if row.view == "cross-view" {
        row.extra.get("source").and_then(|source| gallery.by_name.get(source))
    } else {
        None
    };
    let start = Instant::now();
    let similarities = |of: &dyn Fn(&Described) -> f32| {
        let mut scores: Vec<f32> = gallery.pictures.iter().map(of).collect();
        if let Some(&own) = own {
            scores[own] = f32::NAN;
        }
        scores
    };
    let cosines = similarities(&|picture| dot(&query.embedding, &picture.embedding));
    times.index = ms(start);
    let wanted = gallery.ids.get(&options.id.of(row)).copied().unwrap_or(u32::MAX);
    let is_own = |picture: usize| gallery.product(picture) == wanted;
    let by_cosine = gallery.shelf.rank(&cosines);
    let global = gallery.shelf.mark(&by_cosine, wanted);
    let (mut places, mut expanded) = (by_cosine, global);
    let (mut judged, mut pairs) = (Judged::default(), Vec::new());
    if query.local.is_some() {
        let start = Instant::now();
        let (scores, compared) = rerank(fusion, &query, gallery, &cosines);
        times.local = ms(start);
        let best = expand(&query.embedding, &places, gallery);
        let averaged = similarities(&|picture| dot(&best, &picture.embedding));
        expanded = gallery.shelf.mark(&gallery.shelf.rank(&averaged), wanted);
        let own = (0..scores.len()).filter(|&i| is_own(i) && !scores[i].is_nan()).map(|i| scores[i]);
        // As if its product were not there.
        let mut others = by_product(gallery, &compared);
        others.retain(|(product, _)| *product != wanted);
        let other = fusion.score_among(others).into_iter().fold(0.0, f32::max);
        places = gallery.shelf.rank(&scores);
        let hits =
            places.iter().take(HITS_TOLD).map(|p| (p.score, gallery.shelf.id_of[p.entry as usize] == wanted));
        judged = Judged { own: own.max_by(f32::total_cmp), other, hits: hits.collect() };
        pairs = pairs_to_fit(name, &query, gallery, &cosines, &compared, is_own);
    }
    let marks = gallery.shelf.mark(&places, wanted);
    let baselines = (0..options.baselines.len()).map(|i| {
        let scores = similarities(&|picture| dot(&query.plain[i], &picture.plain[i]));
        gallery.shelf.mark(&gallery.shelf.rank(&scores), wanted)
    });
    Ok(Outcome {
        name: name.to_owned(),
        product: row.product().to_owned(),
        view: row.view.clone(),
        category: row.category.clone(),
        answerable: marks.rank.is_some(),
        own_hidden: own.is_some() && !options.leave_one_out,
        baselines: baselines.collect(),
        marks,
        global,
        expanded,
        judged,
        pairs,
        target_iou,
        rect,
        hits: places[..places.len().min(HITS_TOLD)].to_vec(),
        times,
    })
}

/// Compares the best pictures part by part and scores all; what was not compared stays behind what was. Returns the
/// scores, and the evidence of those that were compared, nearest first.
fn rerank(
    fusion: &Fusion,
    query: &Described,
    gallery: &Gallery,
    cosines: &[f32],
) -> (Vec<f32>, Vec<(usize, Evidence)>) {
    let mut order: Vec<usize> = (0..cosines.len()).filter(|&i| !cosines[i].is_nan()).collect();
    let best = RERANKED.min(order.len());
    order.sort_unstable_by(|&a, &b| cosines[b].total_cmp(&cosines[a]).then(a.cmp(&b)));
    let compared: Vec<(usize, Evidence)> =
        order[..best].iter().map(|&i| (i, evidence(query, &gallery.pictures[i], cosines[i]))).collect();
    let mut scores = vec![f32::NAN; cosines.len()];
    for ((i, _), score) in compared.iter().zip(fusion.score_among(by_product(gallery, &compared))) {
        scores[*i] = score;
    }
    let least = compared.iter().map(|(i, _)| scores[*i]).fold(1.0, f32::min);
    for &i in &order[best..] {
        scores[i] = fusion.score_whole(cosines[i]).min(least) * BEHIND;
    }
    (scores, compared)
}

/// What was compared, each with the product it shows.
fn by_product(gallery: &Gallery, compared: &[(usize, Evidence)]) -> Vec<(u32, Evidence)> {
    compared.iter().map(|&(i, evidence)| (gallery.product(i), evidence)).collect()
}

/// A factor just below 1.
const BEHIND: f32 = 1.0 - f32::EPSILON;

fn evidence(query: &Described, picture: &Described, global: f32) -> Evidence {
    let measures = query.local.as_ref().zip(picture.local.as_ref());
    Evidence {
        global,
        measures: measures.map_or_else(Default::default, |(q, p)| twinset_local::compare(q, p).measures),
        palette: palette_distance(&query.attributes.colour, &picture.attributes.colour),
        pattern: pattern_agreement(
            query.attributes.pattern.as_deref(),
            picture.attributes.pattern.as_deref(),
        ),
    }
}

/// The average of a query and its best hits.
fn expand(query: &[f32], places: &[Place], gallery: &Gallery) -> Vec<f32> {
    let mut sum = query.to_vec();
    for place in places.iter().take(EXPANDED_BY) {
        sum.iter_mut().zip(&gallery.pictures[place.picture].embedding).for_each(|(s, x)| *s += x);
    }
    sum
}

/// See [`Outcome::pairs`].
fn pairs_to_fit(
    name: &str,
    query: &Described,
    gallery: &Gallery,
    cosines: &[f32],
    compared: &[(usize, Evidence)],
    is_own: impl Fn(usize) -> bool,
) -> Vec<Pair> {
    const ANYWHERE: usize = 4;
    let pair = |i: usize, evidence: Evidence, anywhere: bool| Pair {
        evidence,
        same: is_own(i),
        product: gallery.product(i),
        anywhere,
    };
    let near = compared.iter().map(|&(i, evidence)| pair(i, evidence, false));
    let seed = name.bytes().fold(0usize, |h, b| h.wrapping_mul(31).wrapping_add(usize::from(b)));
    let anywhere = (0..ANYWHERE)
        .map(|k| seed.wrapping_add(k).wrapping_mul(2_654_435_761) % cosines.len())
        .filter(|&i| !is_own(i) && !cosines[i].is_nan())
        .map(|i| pair(i, evidence(query, &gallery.pictures[i], cosines[i]), true));
    near.chain(anywhere).collect()
}

fn mean_times(outcomes: &[Outcome]) -> BTreeMap<&'static str, f64> {
    let n = outcomes.len().max(1) as f64;
    let mean = |of: fn(&Times) -> f64| outcomes.iter().map(|o| of(&o.times)).sum::<f64>() / n;
    BTreeMap::from([
        ("decode", mean(|t| t.decode)),
        ("detect", mean(|t| t.detect)),
        ("embed", mean(|t| t.embed)),
        ("index", mean(|t| t.index)),
        ("local", mean(|t| t.local)),
        ("total", mean(|t| t.decode + t.detect + t.embed + t.index + t.local)),
    ])
}

/// One JSON line a query, beside the target and renamed at the end.
fn write_outcomes(
    path: &Path,
    outcomes: &[Outcome],
    options: &Options,
    gallery: &Gallery,
) -> std::io::Result<()> {
    let beside = path.with_extension("tmp");
    let mut out = std::io::BufWriter::new(std::fs::File::create(&beside)?);
    for o in outcomes {
        let hits = o.hits.iter().map(|hit| {
            serde_json::json!({
                "product": gallery.entries[hit.entry as usize],
                "picture": gallery.names[hit.picture],
                "score": hit.score,
            })
        });
        let baselines: BTreeMap<_, _> =
            options.baselines.iter().zip(&o.baselines).map(|(b, marks)| (b.name(), marks.rank)).collect();
        let line = serde_json::json!({
            "query": o.name,
            "product": o.product,
            "view": o.view,
            "category": o.category,
            "answerable": o.answerable,
            "rank": o.marks.rank,
            "rank_global_only": o.global.rank,
            "average_precision": o.marks.average_precision,
            "box": [o.rect.x, o.rect.y, o.rect.w, o.rect.h],
            "target_iou": o.target_iou,
            "baseline_ranks": baselines,
            "hits": hits.collect::<Vec<_>>(),
        });
        writeln!(out, "{line}")?;
    }
    out.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
    std::fs::rename(&beside, path)
}
