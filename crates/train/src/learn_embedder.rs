//! Trains the embedder: supervised contrastive over products, taught by a teacher where there is one, with categories,
//! patterns and local features learned beside.
use burn::tensor::Tensor;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::{collections::BTreeMap, path::Path, sync::atomic::AtomicBool};

use twinset_photo::Rect;

use crate::{
    CATEGORIES,
    augment::{View, view},
    card,
    clicks::ids_of,
    embedder::{EmbedderArchitecture, export, forward},
    error::TrainError,
    layers::{linear, unit},
    losses::{
        Correspondence, Label, Memory, Teaching, cell_distillation, cross_entropy, distillation,
        local_contrast, supervised_contrastive,
    },
    params::{Init, Params, Pass, host},
    run::{self, Learner, Maker, Progress, RateSearch, TrainOptions, Watched, find_rate, in_parallel, train},
    sources::{SourcePaths, Sources},
    teacher::Lesson,
};

struct Batch {
    pixels: Vec<f32>,
    labels: Vec<Label>,
    categories: Vec<i32>,
    patterns: Vec<i32>,
    kinds: Vec<i32>,
    teaching: Teaching,
    /// Rows are cells of the last map.
    cell_teaching: Teaching,
    points: Correspondence,
}

struct Views<'a> {
    sources: &'a Sources,
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
    fn cells(&self, lesson: Lesson, view: &View) -> Vec<(usize, Vec<f32>)> {
        let grid = last_grid(self.arch);
        let cell = self.arch.side as f32 / grid as f32;
        (0..grid * grid)
            .filter_map(|i| {
                let (x, y) = ((i % grid) as f32 + 0.5, (i / grid) as f32 + 0.5);
                let (x, y) = view.to_source.apply(x * cell, y * cell);
                let shown = lesson
                    .within
                    .is_none_or(|r| (r.x..r.x + r.w).contains(&x) && (r.y..r.y + r.h).contains(&y));
                let vector = shown.then(|| self.sources.teacher.at(lesson.row, x, y)).flatten()?;
                Some((i, vector))
            })
            .collect()
    }
}

/// Points a pair of views gives to the local loss.
const POINTS_A_PAIR: usize = 16;

impl Maker for Views<'_> {
    type Batch = Batch;

    fn batch(&self, step: u64) -> Batch {
        let (side, pairs) = (self.arch.side, self.options.batch / 2);
        let made = in_parallel(pairs, |i| {
            let mut rng = ChaCha8Rng::seed_from_u64(self.options.seed);
            rng.set_stream(step * 4096 + i as u64);
            let pair = self.sources.pair(self.options.seed, &mut rng);
            let views = [0, 1].map(|j| view(&pair.shots[j], side, self.arch.margin, &mut rng));
            let points =
                if pair.same_picture { points(&views, side, grid(self.arch), &mut rng) } else { Vec::new() };
            let lessons = [0, 1].map(|j| pair.lessons[j].map_or(Vec::new(), |l| self.cells(l, &views[j])));
            (pair, views, points, lessons)
        });
        let mut batch = Batch {
            pixels: Vec::with_capacity(2 * pairs * 3 * side * side),
            labels: Vec::new(),
            categories: Vec::new(),
            patterns: Vec::new(),
            kinds: Vec::new(),
            teaching: Teaching::new(self.sources.teacher.dim),
            cell_teaching: Teaching::new(self.sources.teacher.cell_dim),
            points: Correspondence { a: Vec::new(), b: Vec::new(), place: Vec::new() },
        };
        let cells = (grid(self.arch) * grid(self.arch)) as i32;
        for (i, (pair, views, points, lessons)) in made.into_iter().enumerate() {
            for (j, v) in views.iter().enumerate() {
                batch.pixels.extend_from_slice(&v.pixels);
                batch.labels.push(pair.label);
                batch.categories.push(pair.category);
                batch.patterns.push(pair.pattern);
                batch.kinds.push(pair.kind);
                if let Some(lesson) = pair.lessons[j] {
                    let at = 2 * i + j;
                    batch.teaching.push(at, self.sources.teacher.row(lesson.row));
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
        batch
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
    /// Names of things that the sets use.
    kinds: usize,
    badness: Vec<f32>,
    fingerprint: &'a str,
}

impl Learner<Batch> for Embedding<'_> {
    fn loss(&mut self, pass: &Pass<'_>, batch: &Batch) -> (Tensor<1>, Vec<(&'static str, Tensor<1>)>) {
        let out = forward(pass, self.arch, CATEGORIES.len(), &batch.pixels);
        let same = supervised_contrastive(pass, &out.embedding, &batch.labels, &self.memory, 0.08);
        let rows = host(out.embedding.clone().detach());
        self.memory.push(&rows, &batch.labels);
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
            let proxies = unit(pass.param("kinds.weight", [self.kinds, self.arch.dim], Init::Lecun));
            let logits = out.embedding.clone().matmul(proxies.transpose()).mul_scalar(KIND_SCALE);
            let kind = cross_entropy(pass, logits, &batch.kinds);
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
        self.memory.state()
    }

    fn restore(&mut self, state: BTreeMap<String, Vec<f32>>) {
        self.memory.restore(&state);
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
    let arch = EmbedderArchitecture::of(options);
    let ids = options.clicks.as_deref().map(ids_of).transpose()?;
    let sources = Sources::open(&SourcePaths {
        data: &options.data,
        grounds: &options.grounds,
        teacher: options.teacher.as_deref(),
        synth: options.synth,
        synth_share: options.synth_share,
        cache_mb: options.cache_mb,
        hold_out: options.hold_out,
        ids: ids.as_ref(),
    })?;
    let mut learner = Embedding {
        arch: &arch,
        options,
        memory: Memory::new(arch.dim, 4096),
        kinds: sources.kinds.len(),
        badness: Vec::new(),
        fingerprint: &sources.fingerprint,
    };
    work(&Views { sources: &sources, options, arch: &arch }, &mut learner)
}

/// Pictures a second without any reading.
pub(crate) fn throughput(steps: u64) -> f64 {
    let (arch, options) = (EmbedderArchitecture::default(), TrainOptions::default());
    let n = 64;
    let batch = Batch {
        pixels: (0..n * 3 * arch.side * arch.side).map(|i| ((i * 7919) % 97) as f32 / 48.0 - 1.0).collect(),
        labels: (0..n as u64).map(|i| Label { product: i / 2, family: i / 2 }).collect(),
        categories: vec![0; n],
        patterns: vec![-1; n],
        kinds: vec![-1; n],
        teaching: Teaching::new(0),
        cell_teaching: Teaching::new(0),
        points: Correspondence { a: Vec::new(), b: Vec::new(), place: Vec::new() },
    };
    let memory = Memory::new(arch.dim, 4096);
    let mut learner =
        Embedding { arch: &arch, options: &options, memory, kinds: 0, badness: Vec::new(), fingerprint: "" };
    run::throughput(&mut learner, &batch, n, steps)
}
