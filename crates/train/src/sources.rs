//! Where training pictures come from: data sets with their labels, teacher features, grounds, and the generator.
//!
//! A sample reads, decodes and distorts its pictures when it is asked for. Decoded pictures are kept up to a budget, so
//! memory does not grow with the data. A sample depends on (seed, step, place in the batch) only.
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};
use twinset_dataset::{DataSet, Row};
use twinset_photo::{Limits, Photo, Rect};

use crate::{
    VirtualIds,
    augment::{Affine, Boxed, Cutout, Shot, Target, compose, paste, pick},
    categories,
    error::TrainError,
    live::Place,
    losses::Label,
    run::TrainOptions,
    teach::SIDE_MIN,
    teacher::{Lesson, Teacher},
};

/// One boxed thing in one picture.
#[derive(Clone, Debug)]
pub(crate) struct Article {
    set: usize,
    row: usize,
    rect: Option<Rect>,
    pub(crate) label: Label,
    /// What it is sold as; negative when unknown.
    pub(crate) category: i32,
    /// What its box shows: an article, or the whole person wearing it.
    shown: usize,
    /// Row of the teacher's features, where it has one.
    pub(crate) teacher: Option<usize>,
    /// What its set calls it, finer than our categories; negative when unknown.
    pub(crate) kind: i32,
    has_mask: bool,
}

/// Pictures that are tried where the first of no shard can be read.
const SAMPLED: usize = 50;

/// Most products that are kept to judge by.
const JUDGED_MAX: usize = 500;

/// What to read.
#[derive(Clone, Debug)]
pub(crate) struct SourcePaths<'a> {
    pub(crate) grounds: &'a [PathBuf],
    pub(crate) teacher: Option<&'a Path>,
    pub(crate) synth: bool,
    pub(crate) synth_share: f64,
    pub(crate) cache_mb: usize,
    /// Share of the items of every set without variants that is never trained on, by a hash of their ids.
    pub(crate) hold_out: f32,
    /// Of shoppers' clicks: the only ids there are then.
    pub(crate) ids: Option<&'a VirtualIds>,
    /// Share of the products that is kept to judge by.
    pub(crate) judge: f32,
    /// Whether names that sets use for things are learned; they would have to be known from the start.
    pub(crate) kinds: bool,
}

/// All sources of a run.
pub(crate) struct Sources {
    sets: Vec<DataSet>,
    pub(crate) articles: Vec<Article>,
    /// By set, by product: its articles.
    products: Vec<Vec<Vec<usize>>>,
    /// By set: places of the products that have several pictures.
    several: Vec<Vec<usize>>,
    /// Pictures of products that are kept to judge by.
    kept: BTreeMap<u64, Vec<Article>>,
    weights: Vec<f32>,
    cutouts: Vec<usize>,
    /// Rows whose every garment is boxed.
    streets: Vec<(usize, usize)>,
    grounds: Vec<(DataSet, Vec<usize>)>,
    pub(crate) teacher: Teacher,
    /// Names that the sets give to what they show, `set/name`.
    kinds: Vec<String>,
    /// For each of them, the number of its set.
    pub(crate) kind_sets: Vec<usize>,
    synth: bool,
    synth_share: f64,
    cache: Cache,
    /// BLAKE3 of the manifests, in order.
    pub(crate) fingerprint: String,
}

impl<'a> SourcePaths<'a> {
    /// As the options of an embedder's training say.
    pub(crate) fn of(options: &'a TrainOptions, ids: Option<&'a VirtualIds>) -> Self {
        Self {
            grounds: &options.grounds,
            teacher: options.teacher.as_deref(),
            synth: options.synth,
            synth_share: options.synth_share,
            cache_mb: options.cache_mb,
            hold_out: options.hold_out,
            ids,
            judge: options.judge,
            kinds: options.window == 0,
        }
    }
}

/// Two views of one product.
pub(crate) struct Pair {
    pub(crate) shots: [Shot; 2],
    pub(crate) label: Label,
    /// Where its product lies in the sources; nowhere if it is drawn.
    pub(crate) place: Option<Place>,
    pub(crate) category: i32,
    pub(crate) kind: i32,
    pub(crate) pattern: i32,
    pub(crate) lessons: [Option<Lesson>; 2],
    /// Both shots come from the same picture: their points correspond.
    pub(crate) same_picture: bool,
}

/// Decoded pictures by (what, set, row), as many as fit; none is ever dropped, so what is held does not depend on luck.
#[derive(Debug)]
struct Cache {
    bytes_max: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    bytes: usize,
    pictures: HashMap<(u8, usize, usize), Arc<Photo>>,
}

impl Cache {
    fn get(&self, key: (u8, usize, usize), make: impl FnOnce() -> Option<Photo>) -> Option<Arc<Photo>> {
        let lock = || self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().pictures.get(&key) {
            return Some(known.clone());
        }
        let photo = Arc::new(make()?);
        let mut held = lock();
        let bytes = photo.rgb().len();
        if held.bytes + bytes <= self.bytes_max && held.pictures.insert(key, photo.clone()).is_none() {
            held.bytes += bytes;
        }
        Some(photo)
    }
}

fn hash64(parts: &[&str]) -> u64 {
    let mut h = blake3::Hasher::new();
    for p in parts {
        h.update(p.as_bytes());
        h.update(&[0]);
    }
    u64::from_le_bytes(h.finalize().as_bytes()[..8].try_into().expect("32 bytes"))
}

impl Sources {
    /// From opened sets; every shard that they name is opened before the first sample.
    pub(crate) fn of(
        sets: Vec<DataSet>,
        paths: &SourcePaths<'_>,
        fingerprint: String,
    ) -> Result<Self, TrainError> {
        let mut out = Self {
            sets: Vec::new(),
            articles: Vec::new(),
            products: Vec::new(),
            several: Vec::new(),
            kept: BTreeMap::new(),
            weights: Vec::new(),
            cutouts: Vec::new(),
            streets: Vec::new(),
            grounds: Vec::new(),
            teacher: Teacher::default(),
            kinds: Vec::new(),
            kind_sets: Vec::new(),
            synth: paths.synth,
            synth_share: paths.synth_share,
            cache: Cache { bytes_max: paths.cache_mb << 20, held: Mutex::default() },
            fingerprint,
        };
        for (i, set) in sets.into_iter().enumerate() {
            check(&set)?;
            let taught = match paths.teacher {
                Some(t) => out.teacher.add(t, &set.name())?,
                None => HashMap::new(),
            };
            out.add_set(i, &set, &taught, paths);
            out.sets.push(set);
        }
        out.teacher.centre();
        for dir in paths.grounds {
            let set = DataSet::open(dir)?;
            let rows: Vec<usize> =
                set.rows().iter().enumerate().filter(|(_, r)| r.split == "train").map(|(i, _)| i).collect();
            if !rows.is_empty() {
                out.grounds.push((set, rows));
            }
        }
        if out.articles.is_empty() && !out.synth {
            let names: Vec<String> = out.sets.iter().map(|s| s.dir().display().to_string()).collect();
            return Err(TrainError::NoData(names.join(", ")));
        }
        Ok(out)
    }

    fn add_set(
        &mut self,
        index: usize,
        set: &DataSet,
        taught: &HashMap<(String, usize), usize>,
        paths: &SourcePaths<'_>,
    ) {
        let name = set.name();
        let mut products: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        let (mut variants, mut streets) = (false, false);
        for (row_index, row) in set.rows().iter().enumerate().filter(|(_, r)| r.split == "train") {
            let held = (hash64(&["hold-out", &row.item_id]) % 1000) as f32 / 1000.0;
            if row.variant_id.is_empty()
                && row.boxes.is_empty()
                && !row.title.is_empty()
                && held < paths.hold_out
            {
                continue;
            }
            let has_mask = matches!(set.mask(row), Ok(Some(_)));
            // Boxes that name garments: a photo of a street. A box called `item` is a shop's picture of one article.
            let street =
                row.boxes.iter().any(|b| categories::of(b.label()).is_some_and(|c| c != categories::ITEM));
            if street {
                self.streets.push((index, row_index));
            }
            variants |= !row.variant_id.is_empty();
            streets |= street;
            let boxes: Vec<Option<Rect>> = if row.boxes.is_empty() {
                vec![None]
            } else {
                row.boxes.iter().map(|b| Some(b.rect)).collect()
            };
            // The teacher numbered the boxes that are large enough for it.
            let mut number = 0;
            for (b, rect) in boxes.into_iter().enumerate() {
                if rect.is_some_and(|r| r.w.min(r.h) < SIDE_MIN) {
                    continue;
                }
                let text = if street { row.boxes[b].label() } else { &row.category };
                let sold_as = categories::of(text);
                let sold = if row.variant_id.is_empty() { row.product() } else { &row.variant_id };
                let (product, family) = match paths.ids {
                    Some(ids) => [ids.of(row); 2].into(),
                    None => (sold, row.product()),
                };
                let place = if street { b.to_string() } else { String::new() };
                let label =
                    Label { product: hash64(&[&name, product, &place]), family: hash64(&[&name, family]) };
                let article = Article {
                    set: index,
                    row: row_index,
                    rect,
                    label,
                    category: sold_as.map_or(-1, |c| c as i32),
                    shown: shown_as(sold_as, has_mask && !street),
                    teacher: taught.get(&(row.file.clone(), number)).copied(),
                    kind: if paths.kinds { self.kind(index, &name, text) } else { -1 },
                    has_mask: has_mask && !street,
                };
                number += 1;
                // By the family: another colour of a product that is learned from would be no test.
                if (hash64(&["judge", family]) % 1000) as f32 / 1000.0 < paths.judge {
                    if self.kept.len() < JUDGED_MAX || self.kept.contains_key(&label.product) {
                        self.kept.entry(label.product).or_default().push(article);
                    }
                    continue;
                }
                let at = self.articles.len();
                if article.has_mask && rect.is_some() {
                    self.cutouts.push(at);
                }
                products.entry(label.product).or_default().push(at);
                self.articles.push(article);
            }
        }
        if !variants && !streets {
            // Where one picture is all that is known of a thing, things of one kind are not pushed apart.
            for place in products.values().filter(|p| p.len() == 1).flatten() {
                let a = &mut self.articles[*place];
                if a.kind >= 0 {
                    a.label.family = hash64(&[&name, "kind", &a.kind.to_string()]);
                }
            }
        }
        let articles = products.values().map(Vec::len).sum::<usize>() as f32;
        self.several
            .push(products.values().enumerate().filter(|(_, p)| p.len() > 1).map(|(i, _)| i).collect());
        self.products.push(products.into_values().collect());
        // Sets where one product has several pictures teach most; boxes of one street photo repeat each other.
        self.weights.push(
            articles.sqrt()
                * if variants {
                    2.0
                } else if streets {
                    0.6
                } else {
                    1.0
                },
        );
    }

    /// Number of a set's own name for what a picture shows; negative where it says nothing.
    fn kind(&mut self, index: usize, set: &str, text: &str) -> i32 {
        let name = text.rsplit('/').next().unwrap_or_default().trim().to_lowercase();
        if ["", "other", "skip", "not sure", "street"].contains(&&name[..]) {
            return -1;
        }
        let name = format!("{set}/{name}");
        let found = self.kinds.iter().position(|k| *k == name);
        found.unwrap_or_else(|| {
            self.kinds.push(name);
            self.kind_sets.push(index);
            self.kinds.len() - 1
        }) as i32
    }

    /// Two pictures of each product that is kept to judge by, or one twice.
    pub(crate) fn judged(&self) -> Vec<[Shot; 2]> {
        let shot = |a: &Article| {
            let photo = self.photo(a.set, a.row)?;
            Some(Shot { rect: a.rect.unwrap_or_else(|| photo.frame()), photo, to_source: Affine::IDENTITY })
        };
        let pair = |of: &Vec<Article>| Some([shot(of.first()?)?, shot(of.last()?)?]);
        self.kept.values().filter_map(pair).collect()
    }

    /// A number for each product.
    pub(crate) fn classes(&self) -> HashMap<u64, i32> {
        let products: BTreeSet<u64> = self.articles.iter().map(|a| a.label.product).collect();
        products.into_iter().zip(0..).collect()
    }

    fn row(&self, a: &Article) -> &Row {
        &self.sets[a.set].rows()[a.row]
    }

    fn photo(&self, set: usize, row: usize) -> Option<Arc<Photo>> {
        // A picture that cannot be read is passed over here; `twinset import` is where such things are told.
        self.cache.get((0, set, row), || {
            let bytes = self.sets[set].read(&self.sets[set].rows()[row]).ok()?;
            twinset_photo::decode(&bytes, &Limits::default()).ok()
        })
    }

    fn cutout(&self, a: &Article, photo: &Arc<Photo>) -> Option<Cutout> {
        let mask = self.cache.get((1, a.set, a.row), || {
            let bytes = self.sets[a.set].mask(self.row(a)).ok()??;
            let mask = twinset_photo::decode(&bytes, &Limits::default()).ok()?;
            let (w, h) = (mask.width(), mask.height());
            let filled: Vec<u8> = mask.rgb().iter().step_by(3).copied().collect();
            let filled = fill_holes(&filled, w as usize, h as usize);
            Some(Photo::new(w, h, filled.into_iter().flat_map(|m| [m; 3]).collect()))
        })?;
        if (mask.width(), mask.height()) != (photo.width(), photo.height()) {
            return None;
        }
        Some(Cutout { photo: photo.clone(), mask, rect: a.rect? })
    }

    fn ground(&self, rng: &mut ChaCha8Rng) -> Option<Arc<Photo>> {
        if self.grounds.is_empty() {
            return None;
        }
        let place = rng.random_range(0..self.grounds.len());
        let (set, rows) = &self.grounds[place];
        let row = *pick(rows, rng);
        self.cache.get((2, place, row), || {
            let bytes = set.read(&set.rows()[row]).ok()?;
            twinset_photo::decode(&bytes, &Limits::default()).ok()
        })
    }

    fn shot(&self, a: &Article, rng: &mut ChaCha8Rng) -> Option<(Shot, Option<Lesson>)> {
        let photo = self.photo(a.set, a.row)?;
        let lesson = |within| a.teacher.map(|row| Lesson { row, within });
        if a.has_mask
            && rng.random_bool(0.55)
            && let (Some(cutout), Some(ground)) = (self.cutout(a, &photo), self.ground(rng))
        {
            return Some((paste(&cutout, &ground, 288, rng), lesson(a.rect)));
        }
        let rect = a.rect.unwrap_or_else(|| photo.frame());
        Some((Shot { photo, rect, to_source: Affine::IDENTITY }, lesson(None)))
    }

    /// Two views of one product, drawn by chance.
    pub(crate) fn pair(&self, seed: u64, rng: &mut ChaCha8Rng) -> Pair {
        loop {
            if self.synth && (self.articles.is_empty() || rng.random_bool(self.synth_share)) {
                return crate::drawn::pair(seed, rng);
            }
            let set = weighted(&self.weights, rng);
            let several = &self.several[set];
            let product = if !several.is_empty() && rng.random_bool(0.5) {
                *pick(several, rng)
            } else {
                rng.random_range(0..self.products[set].len())
            };
            if let Some(pair) = self.pair_of((set, product), rng) {
                return pair;
            }
        }
    }

    /// Two views of the product at `place`; none if its pictures cannot be read.
    pub(crate) fn pair_of(&self, (set, number): Place, rng: &mut ChaCha8Rng) -> Option<Pair> {
        let product = &self.products[set][number];
        let (mut i, mut j) = (*pick(product, rng), *pick(product, rng));
        if product.len() > 1 && i == j && rng.random_bool(0.8) {
            j = product[(product.iter().position(|p| *p == i).unwrap_or(0) + 1) % product.len()];
        }
        if rng.random_bool(0.5) {
            std::mem::swap(&mut i, &mut j);
        }
        let (a, b) = (&self.articles[i], &self.articles[j]);
        let ((first, lesson), (second, other)) = (self.shot(a, rng)?, self.shot(b, rng)?);
        Some(Pair {
            shots: [first, second],
            label: a.label,
            place: Some((set, number)),
            category: a.category,
            kind: a.kind,
            pattern: -1,
            lessons: [lesson, other],
            same_picture: i == j,
        })
    }

    /// A photo with every garment boxed.
    pub(crate) fn scene(&self, seed: u64, rng: &mut ChaCha8Rng) -> Boxed {
        loop {
            let turn: f32 = rng.random();
            if self.synth && turn < self.synth_share as f32
                || (self.streets.is_empty() && self.cutouts.is_empty())
            {
                return crate::drawn::scene(seed, rng);
            }
            if turn < 0.6 && !self.streets.is_empty() {
                let (set, row) = *pick(&self.streets, rng);
                let Some(photo) = self.photo(set, row) else { continue };
                return Boxed { photo, targets: targets(&self.sets[set].rows()[row]) };
            }
            if self.cutouts.is_empty() {
                continue;
            }
            let number = if rng.random_bool(0.4) { 1 } else { rng.random_range(2..=4) };
            let chosen: Vec<(Cutout, usize, bool)> = (0..number)
                .filter_map(|_| {
                    let a = &self.articles[*pick(&self.cutouts, rng)];
                    let photo = self.photo(a.set, a.row)?;
                    Some((self.cutout(a, &photo)?, a.shown, a.shown == categories::OUTFIT))
                })
                .collect();
            if rng.random_bool(0.15) {
                // As the shop shows it, on its own plain ground.
                if let Some((cutout, category, open)) = chosen.into_iter().next() {
                    let target = Target { rect: cutout.rect, category, open };
                    return Boxed { photo: cutout.photo, targets: vec![target] };
                }
                continue;
            }
            let Some(ground) = self.ground(rng) else { continue };
            if !chosen.is_empty() {
                return compose(&chosen, &ground, 320, rng);
            }
        }
    }
}

/// Finds what would spoil a run before it begins: a set without a train split, labels that are none, shards and files
/// that are not there, pictures of which none can be read.
fn check(set: &DataSet) -> Result<(), TrainError> {
    let train: Vec<&Row> = set.rows_of(Some("train")).collect();
    if train.is_empty() {
        return Err(TrainError::NoData(set.dir().display().to_string()));
    }
    if let Some(first) = set.problems().first()
        && set.problems().len() * 10 > train.len()
    {
        let (bad, rows) = (set.problems().len(), set.rows().len());
        return Err(TrainError::Labels { path: set.manifest().into(), bad, rows, first: first.to_string() });
    }
    let mut shards = BTreeSet::new();
    let mut readable = false;
    for row in &train {
        let new = shards.insert(&row.shard);
        if new {
            let bytes = set.read(row)?;
            readable |= twinset_photo::decode(&bytes, &Limits::default()).is_ok();
        }
    }
    let some = train.iter().take(SAMPLED);
    readable |=
        some.flat_map(|row| set.read(row)).any(|b| twinset_photo::decode(&b, &Limits::default()).is_ok());
    if readable { Ok(()) } else { Err(TrainError::NoPictures { path: set.dir().into(), tried: SAMPLED }) }
}

fn weighted(weights: &[f32], rng: &mut ChaCha8Rng) -> usize {
    let mut at = rng.random_range(0.0..weights.iter().sum::<f32>());
    for (i, w) in weights.iter().enumerate() {
        at -= w;
        if at <= 0.0 {
            return i;
        }
    }
    weights.len() - 1
}

/// A cut-out of something worn shows the person with all that is worn.
fn shown_as(sold_as: Option<usize>, cut_out: bool) -> usize {
    match sold_as {
        Some(c) if cut_out && categories::is_worn_on_body(c) => categories::OUTFIT,
        Some(c) => c,
        None if cut_out => categories::OUTFIT,
        None => categories::ITEM,
    }
}

fn targets(row: &Row) -> Vec<Target> {
    let mut out: Vec<Target> = row
        .boxes
        .iter()
        .filter_map(|b| Some(Target { rect: b.rect, category: categories::of(b.label())?, open: false }))
        .collect();
    if let Some(person) = row.extra.get("person_box")
        && let Ok([x0, y0, x1, y1]) = serde_json::from_str::<[f32; 4]>(person)
    {
        out.push(Target {
            rect: Rect::from_corners(x0, y0, x1, y1),
            category: categories::OUTFIT,
            open: false,
        });
    }
    out
}

/// What the flood from the border does not reach belongs to the article: white garments have holes in their masks.
fn fill_holes(mask: &[u8], w: usize, h: usize) -> Vec<u8> {
    let mut out = vec![255u8; mask.len()];
    let border = (0..w).flat_map(|x| [x, (h - 1) * w + x]).chain((0..h).flat_map(|y| [y * w, y * w + w - 1]));
    let mut queue: Vec<usize> = border.filter(|i| mask[*i] < 128).collect();
    queue.iter().for_each(|i| out[*i] = 0);
    while let Some(i) = queue.pop() {
        let (x, y) = (i % w, i / w);
        let mut visit = |j: usize| {
            if mask[j] < 128 && out[j] == 255 {
                out[j] = 0;
                queue.push(j);
            }
        };
        if x > 0 {
            visit(i - 1);
        }
        if x + 1 < w {
            visit(i + 1);
        }
        if y > 0 {
            visit(i - w);
        }
        if y + 1 < h {
            visit(i + w);
        }
    }
    out
}
