//! Trains the embedder: supervised contrastive over products, taught by a teacher where there is one, with categories,
//! patterns and local features learned beside.
use burn::tensor::Tensor;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::atomic::AtomicBool,
};

use twinset_nets::{EmbedderNet, FeatureMap, Package};
use twinset_photo::Rect;

use crate::{
    CATEGORIES,
    adapt::unit as unit_row,
    augment::{Shot, View, view},
    card,
    clicks::ids_of,
    embedder::{EmbedderArchitecture, export, forward},
    error::TrainError,
    layers::{linear, unit},
    live::{LiveIndex, Place},
    losses::{
        Correspondence, Label, Memory, Teaching, cell_distillation, cross_entropy, cross_entropy_within,
        distillation, local_contrast, supervised_contrastive,
    },
    params::{Init, Params, Pass, host},
    proxies::{Loss, proxy_loss},
    run::{self, Learner, Maker, Progress, RateSearch, TrainOptions, Watched, find_rate, in_parallel, train},
    sources::Sources,
    stock::Stock,
    teacher::{Lesson, Teacher},
};

struct Batch {
    pixels: Vec<f32>,
    labels: Vec<Label>,
    /// Where the products lie in their sources; drawn ones nowhere.
    places: Vec<Option<Place>>,
    categories: Vec<i32>,
    patterns: Vec<i32>,
    kinds: Vec<i32>,
    teaching: Teaching,
    /// Rows are cells of the last map.
    cell_teaching: Teaching,
    points: Correspondence,
}

struct Views<'a> {
    stock: &'a Stock<'a>,
    live: Option<&'a LiveIndex>,
    options: &'a TrainOptions,
    arch: &'a EmbedderArchitecture,
}

/// Side of the grid of local tokens: the map after two stages.
fn grid(arch: &EmbedderArchitecture) -> usize {
    arch.side / 8
}

/// Side of the last map.
fn last_grid(arch: &EmbedderArchitecture) -> usize {
    arch.side >> (1 + arch.stages.len())
}

impl Views<'_> {
    /// What the teacher's map says for the cells of a view's last map, by cell.
    fn cells(&self, teacher: &Teacher, lesson: Lesson, view: &View) -> Vec<(usize, Vec<f32>)> {
        let grid = last_grid(self.arch);
        let cell = self.arch.side as f32 / grid as f32;
        (0..grid * grid)
            .filter_map(|i| {
                let (x, y) = ((i % grid) as f32 + 0.5, (i / grid) as f32 + 0.5);
                let (x, y) = view.to_source.apply(x * cell, y * cell);
                let shown = lesson
                    .within
                    .is_none_or(|r| (r.x..r.x + r.w).contains(&x) && (r.y..r.y + r.h).contains(&y));
                let vector = shown.then(|| teacher.at(lesson.row, x, y)).flatten()?;
                Some((i, vector))
            })
            .collect()
    }
}

/// Random numbers of twins, beside those of pairs.
const MINED: usize = 2048;

/// Points a pair of views gives to the local loss.
const POINTS_A_PAIR: usize = 16;

impl Maker for Views<'_> {
    type Batch = Batch;

    fn batch(&self, number: u64, first: usize) -> Result<Batch, TrainError> {
        let sources = &*self.stock.at(number, first / self.options.batch.max(1))?;
        let (side, pairs) = (self.arch.side, self.options.batch / 2);
        let seen = self.live.and_then(|live| live.before(number));
        let made = in_parallel(pairs, |i| {
            let rng = |i: usize| {
                let mut rng = ChaCha8Rng::seed_from_u64(self.options.seed);
                rng.set_stream(number * 4096 + (first / 2 + i) as u64);
                rng
            };
            // Two pairs in a row are near twins: both draw them the same way, and each takes one.
            let twins = seen.as_ref().and_then(|seen| seen.twins(&mut rng(MINED + i / 2)));
            let mut rng = rng(i);
            let twin = twins.and_then(|twins| sources.pair_of(twins[i % 2], &mut rng));
            let pair = twin.unwrap_or_else(|| sources.pair(self.options.seed, &mut rng));
            let views = [0, 1].map(|j| view(&pair.shots[j], side, self.arch.margin, &mut rng));
            let points =
                if pair.same_picture { points(&views, side, grid(self.arch), &mut rng) } else { Vec::new() };
            let lessons = [0, 1]
                .map(|j| pair.lessons[j].map_or(Vec::new(), |l| self.cells(&sources.teacher, l, &views[j])));
            (pair, views, points, lessons)
        });
        let mut batch = Batch {
            pixels: Vec::with_capacity(2 * pairs * 3 * side * side),
            labels: Vec::new(),
            places: Vec::new(),
            categories: Vec::new(),
            patterns: Vec::new(),
            kinds: Vec::new(),
            teaching: Teaching::new(sources.teacher.dim),
            cell_teaching: Teaching::new(sources.teacher.cell_dim),
            points: Correspondence { a: Vec::new(), b: Vec::new(), place: Vec::new() },
        };
        let cells = (grid(self.arch) * grid(self.arch)) as i32;
        for (i, (pair, views, points, lessons)) in made.into_iter().enumerate() {
            for (j, v) in views.iter().enumerate() {
                batch.pixels.extend_from_slice(&v.pixels);
                batch.labels.push(pair.label);
                batch.places.push(pair.place);
                batch.categories.push(pair.category);
                batch.patterns.push(pair.pattern);
                batch.kinds.push(pair.kind);
                if let Some(lesson) = pair.lessons[j] {
                    let at = 2 * i + j;
                    batch.teaching.push(at, sources.teacher.row(lesson.row));
                    for (cell, vector) in &lessons[j] {
                        batch.cell_teaching.push(at * last_grid(self.arch).pow(2) + cell, vector);
                    }
                }
            }
            for (a, b) in points {
                batch.points.a.push(2 * i as i32 * cells + a as i32);
                batch.points.b.push((2 * i as i32 + 1) * cells + b as i32);
                let g = grid(self.arch);
                batch.points.place.push((i as u32, (a % g) as f32, (a / g) as f32));
            }
        }
        Ok(batch)
    }

    fn shown<'b>(&self, batch: &'b Batch) -> (usize, &'b [f32], Vec<Vec<Rect>>) {
        (self.arch.side, &batch.pixels, Vec::new())
    }
}

/// Cells of the two token grids that show the same point of the picture.
fn points(views: &[View; 2], side: usize, grid: usize, rng: &mut ChaCha8Rng) -> Vec<(usize, usize)> {
    let cell = side as f32 / grid as f32;
    let map = views[0].to_source.then(&views[1].to_source.inverse());
    let mut out = Vec::new();
    for _ in 0..POINTS_A_PAIR * 4 {
        let (x, y) = (rng.random_range(0..grid), rng.random_range(0..grid));
        let (u, v) = map.apply((x as f32 + 0.5) * cell, (y as f32 + 0.5) * cell);
        let (u, v) = ((u / cell).floor(), (v / cell).floor());
        if u >= 0.0 && v >= 0.0 && u < grid as f32 && v < grid as f32 {
            let entry = (y * grid + x, v as usize * grid + u as usize);
            if !out.contains(&entry) {
                out.push(entry);
            }
        }
        if out.len() == POINTS_A_PAIR {
            break;
        }
    }
    out
}

/// Cosines are multiplied by this before they become probabilities (NormFace, Wang et al., 2017).
const KIND_SCALE: f32 = 12.0;

struct Embedding<'a> {
    arch: &'a EmbedderArchitecture,
    options: &'a TrainOptions,
    memory: Memory,
    /// For each name that a set uses for things: number of the set.
    kinds: Vec<usize>,
    /// Numbers of the products that have a proxy.
    classes: HashMap<u64, i32>,
    badness: Vec<f32>,
    fingerprint: &'a str,
    sources: Option<&'a Sources>,
    live: Option<&'a LiveIndex>,
}

impl Embedding<'_> {
    fn pull_together(
        &self,
        pass: &Pass<'_>,
        embedding: &Tensor<2>,
        labels: &[Label],
        memory: &Memory,
    ) -> Tensor<1> {
        let contrast = || supervised_contrastive(pass, embedding, labels, memory, 0.08);
        if self.options.loss == Loss::Contrastive {
            return contrast();
        }
        let classes: Vec<i32> =
            labels.iter().map(|l| self.classes.get(&l.product).copied().unwrap_or(-1)).collect();
        let proxies = proxy_loss(pass, self.options.loss, embedding, &classes, self.classes.len());
        // Drawn products have no end and so no proxies.
        match proxies {
            Some(proxies) if classes.iter().all(|c| *c >= 0) => proxies,
            Some(proxies) => proxies + contrast(),
            None => contrast(),
        }
    }
}

/// Share of the products kept from training whose second picture, disturbed, finds the first before all others.
fn judge(sources: &Sources, package: &Path, seed: u64) -> Result<Option<f32>, TrainError> {
    let net = EmbedderNet::new(&Package::open(package)?)?;
    let (side, margin) = (net.architecture().side, net.architecture().margin);
    let embed = |shot: &Shot, place: u64| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(place);
        let data = view(shot, side, margin, &mut rng).pixels;
        unit_row(net.run_map(&FeatureMap { channels: 3, height: side, width: side, data }).embedding)
    };
    let pairs = sources.judged();
    let seen: Vec<[Vec<f32>; 2]> =
        in_parallel(pairs.len(), |i| [0, 1].map(|j| embed(&pairs[i][j], 2 * i as u64 + j as u64)));
    let cosine = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let first = seen.iter().enumerate().filter(|(i, [shown, query])| {
        let own = cosine(shown, query);
        seen.iter().enumerate().all(|(j, [other, _])| j == *i || cosine(other, query) < own)
    });
    Ok((!seen.is_empty()).then(|| first.count() as f32 / seen.len() as f32))
}

impl Learner<Batch> for Embedding<'_> {
    fn loss(&mut self, pass: &Pass<'_>, batch: &Batch) -> (Tensor<1>, Vec<(&'static str, Tensor<1>)>) {
        let out = forward(pass, self.arch, CATEGORIES.len(), &batch.pixels);
        let rows = host(out.embedding.clone().detach());
        // What others of the crew see now is known here as if it lay in the memory already.
        let beside = self.memory.with_others(pass.crew(), &rows, &batch.labels);
        let memory = beside.as_ref().map_or(&self.memory, |(now, _)| now);
        let same = self.pull_together(pass, &out.embedding, &batch.labels, memory);
        match beside {
            Some((_, after)) => self.memory = after,
            None => self.memory.push(&rows, &batch.labels),
        }
        if let Some(live) = self.live {
            live.take(self.arch.dim, &rows, &batch.labels, &batch.places);
        }
        // Two views of one product that lie far apart.
        self.badness = rows
            .chunks_exact(2 * self.arch.dim)
            .flat_map(|pair| {
                let (a, b) = pair.split_at(self.arch.dim);
                [-a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>(); 2]
            })
            .collect();
        let category = cross_entropy(pass, out.category, &batch.categories);
        let mut parts = vec![("same", same.clone()), ("category", category.clone())];
        let mut total = same + category.mul_scalar(0.3);
        if batch.patterns.iter().any(|p| *p >= 0) {
            total = total + cross_entropy(pass, out.pattern, &batch.patterns).mul_scalar(0.1);
        } else {
            // The head takes part in every step, so that a run without drawn garments exports it too.
            total = total + out.pattern.mean().mul_scalar(0.0);
        }
        if batch.kinds.iter().any(|k| *k >= 0) {
            // A cosine classifier on the embedding itself: what looks alike to people lies together.
            // Sets call like things by different names: those of one set compete only with each other.
            let shape = [self.kinds.len(), self.arch.dim];
            let proxies = unit(pass.param("kinds.weight", shape, Init::Lecun));
            let logits = out.embedding.clone().matmul(proxies.transpose()).mul_scalar(KIND_SCALE);
            let kind = cross_entropy_within(pass, logits, &batch.kinds, &self.kinds);
            total = total + kind.clone().mul_scalar(2.0);
            parts.push(("kind", kind));
        }
        if !batch.points.a.is_empty() {
            let local = local_contrast(pass, &out.tokens, &out.saliency, &batch.points);
            total = total + local.clone().mul_scalar(0.3);
            parts.push(("local", local));
        }
        if !batch.teaching.rows.is_empty() {
            let projection = linear(pass, "teacher", out.embedding.clone(), batch.teaching.dim);
            let teacher = distillation(pass, &out.embedding, projection, &batch.teaching);
            total = total + teacher.clone().mul_scalar(4.0);
            parts.push(("teacher", teacher));
        }
        if let Some(cells) = out.cells.filter(|_| !batch.cell_teaching.rows.is_empty()) {
            let projection = linear(pass, "teacher_cells", cells, batch.cell_teaching.dim);
            let cells = cell_distillation(pass, projection, &batch.cell_teaching);
            total = total + cells.clone().mul_scalar(4.0);
            parts.push(("cells", cells));
        }
        (total, parts)
    }

    fn export(&self, params: &Params, dir: &Path) -> Result<(), TrainError> {
        let side = self.options.run_side.unwrap_or(self.arch.side);
        let at_work = EmbedderArchitecture { side, ..self.arch.clone() };
        let architecture = serde_json::to_value(at_work).expect("plain data");
        let card = card::new("embedder", architecture, self.options, params.steps(), self.fingerprint);
        card::save(card, &export(params, self.arch), dir)
    }

    fn badness(&self) -> Vec<f32> {
        self.badness.clone()
    }

    fn state(&self) -> BTreeMap<String, Vec<f32>> {
        let mut state = self.memory.state();
        state.extend(self.live.map(LiveIndex::state).unwrap_or_default());
        state
    }

    fn restore(&mut self, state: BTreeMap<String, Vec<f32>>) {
        self.memory.restore(&state);
        if let Some(live) = self.live {
            live.restore(self.arch.dim, &state);
        }
    }

    fn judge(&self, package: &Path) -> Result<Option<f32>, TrainError> {
        self.sources.map_or(Ok(None), |sources| judge(sources, package, self.options.seed))
    }

    fn forget(&mut self) {
        self.memory = Memory::new(self.arch.dim, self.memory.capacity());
    }
}

/// Trains an embedder into the folder `run`; the package stands in `run/package`.
///
/// # Errors
/// Data or run folder unusable, a loss that is not finite, the disk. The last checkpoint stays whole.
pub fn run_embedder(
    options: &TrainOptions,
    run: &Path,
    resume: bool,
    stop: &AtomicBool,
    progress: &dyn Fn(&Progress),
) -> Result<(), TrainError> {
    with(options, |maker, learner| {
        let fingerprint = learner.fingerprint;
        train(options, &Watched { folder: run, resume, stop, progress, fingerprint }, maker, learner)
    })
}

/// Looks for the highest learning rate that still helps an embedder.
///
/// # Errors
/// Data unusable; a loss that is not finite from the start.
pub fn find_embedder_rate(options: &TrainOptions) -> Result<RateSearch, TrainError> {
    with(options, |maker, learner| find_rate(options, maker, learner))
}

fn with<R>(
    options: &TrainOptions,
    work: impl FnOnce(&Views<'_>, &mut Embedding<'_>) -> Result<R, TrainError>,
) -> Result<R, TrainError> {
    let arch = EmbedderArchitecture::of(options)?;
    let ids = options.clicks.as_deref().map(ids_of).transpose()?;
    let stock = Stock::open(options, ids.as_ref())?;
    let first = stock.at(0, 0)?;
    let kinds = first.kind_sets.clone();
    // The products of other windows are not known: a set that is read by windows has no proxies.
    let classes = if matches!(stock, Stock::Whole(_)) { first.classes() } else { HashMap::new() };
    if options.mine && options.window > 0 {
        return Err(TrainError::MineAndWindow);
    }
    let live = options.mine.then(LiveIndex::default);
    let judged = (options.judge > 0.0).then_some(first);
    let mut learner = Embedding {
        arch: &arch,
        options,
        memory: Memory::new(arch.dim, 4096),
        kinds,
        classes,
        badness: Vec::new(),
        fingerprint: stock.fingerprint(),
        sources: judged.as_deref(),
        live: live.as_ref(),
    };
    work(&Views { stock: &stock, live: live.as_ref(), options, arch: &arch }, &mut learner)
}

/// Pictures a second without any reading.
pub(crate) fn throughput(steps: u64) -> f64 {
    let (arch, options) = (EmbedderArchitecture::default(), TrainOptions::default());
    let n = 64;
    let batch = Batch {
        pixels: (0..n * 3 * arch.side * arch.side).map(|i| ((i * 7919) % 97) as f32 / 48.0 - 1.0).collect(),
        labels: (0..n as u64).map(|i| Label { product: i / 2, family: i / 2 }).collect(),
        places: vec![None; n],
        categories: vec![0; n],
        patterns: vec![-1; n],
        kinds: vec![-1; n],
        teaching: Teaching::new(0),
        cell_teaching: Teaching::new(0),
        points: Correspondence { a: Vec::new(), b: Vec::new(), place: Vec::new() },
    };
    let memory = Memory::new(arch.dim, 4096);
    let mut learner = Embedding {
        arch: &arch,
        options: &options,
        memory,
        kinds: Vec::new(),
        classes: HashMap::new(),
        badness: Vec::new(),
        fingerprint: "",
        sources: None,
        live: None,
    };
    run::throughput(&mut learner, &batch, n, steps)
}
