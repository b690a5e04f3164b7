//! A run: a folder that holds everything about one training, and the loop that fills it.
//!
//! `config.json` as resolved, `run.json` with what made it (program, data, machine), `metrics.csv` one line a report and
//! the same as TensorBoard events, `samples.png` what the network is shown, `worst.png` where it did worst,
//! `checkpoint.safetensors` to go on from, `package/` the model as it stands. The loop stops between steps only, so a
//! killed run resumes from its last checkpoint and its curve is the same as if nothing had happened.
use burn::tensor::Tensor;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::Instant,
};

use twinset_nets::Package;
use twinset_photo::{Photo, Rect};

use crate::{
    crew::{Alone, Crew, with_crew},
    error::TrainError,
    events,
    params::{Params, Pass, Step, host},
    proxies::Loss,
    trunk::Arena,
};

/// What to train on, how long, where to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainOptions {
    /// Data sets with a train split.
    pub data: Vec<PathBuf>,
    /// Data sets whose train pictures serve as grounds for cut-outs.
    pub grounds: Vec<PathBuf>,
    /// Click log whose virtual ids take the place of the sets' own ids, or that triplets come from.
    pub clicks: Option<PathBuf>,
    /// Folder of teacher features ([`teach`](crate::teach()), or `bench/teachers/features.py`).
    pub teacher: Option<PathBuf>,
    /// Package that the network starts from; by chance without one.
    pub init: Option<PathBuf>,
    /// Also draw garments with the generator.
    pub synth: bool,
    /// Share of drawn pairs or scenes, where there is other data too.
    pub synth_share: f64,
    /// Memory for decoded pictures, MiB. What does not fit is decoded anew each time.
    pub cache_mb: usize,
    /// Rows of a window, for embedders: sets are read window by window, and memory does not grow with them. 0 holds all
    /// rows of all sets.
    pub window: usize,
    /// Side of the network's input while training; the architecture's own without one.
    pub side: Option<usize>,
    /// Channels of the embedder's stem; the architecture's own without.
    pub stem: Option<usize>,
    /// Width and number of convolutions of the embedder's stages; the architecture's own without.
    pub stages: Option<Vec<(usize, usize)>>,
    /// Side that the card tells to run at. Crops make things look larger in training than at work, which a larger
    /// input undoes (Touvron et al., Fixing the train-test resolution discrepancy, 2019).
    pub run_side: Option<usize>,
    /// Optimiser steps.
    pub steps: u64,
    /// Pictures a batch, of each process.
    pub batch: usize,
    /// Batches whose gradients make one step.
    pub accumulate: u64,
    /// What pulls pictures of one product together.
    pub loss: Loss,
    /// Bring products into one batch that the network takes for each other (a live index of their embeddings).
    pub mine: bool,
    /// Share of the products that is not trained on, but looked for at every checkpoint: the best one becomes the
    /// package.
    pub judge: f32,
    /// Checkpoints without a better one after which the run ends early; 0 never.
    pub patience: u64,
    /// At its height; warm-up before, cosine after.
    pub learning_rate: f32,
    /// AdamW's decay of matrices and kernels.
    pub weight_decay: f32,
    /// Gradients are scaled down to this global length.
    pub clip: f32,
    /// Of everything that chance decides.
    pub seed: u64,
    /// Share of the classes of class-labelled sets that is never trained on.
    pub hold_out: f32,
    /// Steps between checkpoints.
    pub checkpoint_every: u64,
}

impl Default for TrainOptions {
    fn default() -> Self {
        Self {
            data: Vec::new(),
            grounds: Vec::new(),
            clicks: None,
            teacher: None,
            init: None,
            synth: true,
            synth_share: 0.2,
            cache_mb: 512,
            window: 0,
            side: None,
            stem: None,
            stages: None,
            run_side: None,
            steps: 4000,
            batch: 64,
            accumulate: 1,
            loss: Loss::Contrastive,
            mine: false,
            judge: 0.0,
            patience: 0,
            learning_rate: 1.5e-3,
            weight_decay: 0.05,
            clip: 5.0,
            seed: 1,
            hold_out: 0.3,
            checkpoint_every: 200,
        }
    }
}

/// How far a run is; given to the caller every few steps.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Progress {
    pub step: u64,
    pub steps: u64,
    /// Averages since the last report, by name; `loss` first.
    pub losses: Vec<(&'static str, f32)>,
    pub learning_rate: f32,
    pub pictures_per_second: f32,
}

/// What makes a network trainable by [`train`]: a maker of batches, which other threads use ahead of time, and a learner
/// that turns them into a loss.
pub(crate) trait Maker: Sync {
    type Batch: Send;
    /// The batch of a step, where `first` samples of it are others' to make; depends on the seed and these only.
    fn batch(&self, step: u64, first: usize) -> Result<Self::Batch, TrainError>;
    /// What the network is shown, to be looked at: side of the inputs, their pixels, outlines to draw on each.
    fn shown<'b>(&self, batch: &'b Self::Batch) -> (usize, &'b [f32], Vec<Vec<Rect>>);
}

pub(crate) trait Learner<B> {
    /// The loss and its named parts.
    fn loss(&mut self, pass: &Pass<'_>, batch: &B) -> (Tensor<1>, Vec<(&'static str, Tensor<1>)>);
    /// The model as it stands, into `dir`.
    fn export(&self, params: &Params, dir: &Path) -> Result<(), TrainError>;
    /// How badly each picture of the last batch did; the higher the worse.
    fn badness(&self) -> Vec<f32>;
    /// State beside the parameters that a resumed run needs.
    fn state(&self) -> BTreeMap<String, Vec<f32>> {
        BTreeMap::new()
    }
    fn restore(&mut self, _state: BTreeMap<String, Vec<f32>>) {}
    /// How well the model in `package` does on what is kept from training; the higher the better.
    fn judge(&self, _package: &Path) -> Result<Option<f32>, TrainError> {
        Ok(None)
    }
    /// Drops what makes the losses of two steps differ beside their batches and parameters.
    fn forget(&mut self) {}
}

const REPORT_EVERY: u64 = 20;
const WARM_UP: u64 = 100;

/// Batches in a row that may have no finite gradient before the run gives up: one picture may be at fault, ten may not.
const NOT_FINITE_MAX: u32 = 10;

/// Where a run is kept, and who watches it.
pub(crate) struct Watched<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) resume: bool,
    pub(crate) stop: &'a AtomicBool,
    pub(crate) progress: &'a dyn Fn(&Progress),
    /// Of the data; a run goes on with the data that it began with only.
    pub(crate) fingerprint: &'a str,
}

/// `run.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Origin {
    program: String,
    data_fingerprint: String,
    kernel: String,
    threads: usize,
}

/// Opens or makes the run folder.
fn prepare(options: &TrainOptions, run: &Watched<'_>) -> Result<(), TrainError> {
    fs::create_dir_all(run.folder).map_err(|e| TrainError::io(run.folder, e))?;
    let (config, origin) = (run.folder.join("config.json"), run.folder.join("run.json"));
    if config.exists() && !run.resume {
        return Err(TrainError::RunExists { path: run.folder.into() });
    }
    if let Ok(text) = fs::read(&origin)
        && let Ok(begun) = serde_json::from_slice::<Origin>(&text)
        && begun.data_fingerprint != run.fingerprint
    {
        return Err(TrainError::OtherData { path: run.folder.into() });
    }
    let now = Origin {
        program: format!("twinset {}", env!("CARGO_PKG_VERSION")),
        data_fingerprint: run.fingerprint.to_owned(),
        kernel: format!("{:?}", twinset_nets::Kernel::best()),
        threads: rayon::current_num_threads(),
    };
    for (path, text) in
        [(&config, serde_json::to_string_pretty(options)), (&origin, serde_json::to_string_pretty(&now))]
    {
        let text = text.map_err(|e| TrainError::Config { path: path.clone(), reason: e.to_string() })?;
        replace_file(path, text.as_bytes())?;
    }
    Ok(())
}

/// Trains to the last step, or until told to stop; either way the last checkpoint and package are written.
pub(crate) fn train<B: Send>(
    options: &TrainOptions,
    run: &Watched<'_>,
    maker: &impl Maker<Batch = B>,
    learner: &mut impl Learner<B>,
) -> Result<(), TrainError> {
    with_crew(|crew| train_in(crew, options, run, maker, learner))
}

/// What the first of a crew does for all: the others learn whether it went well.
fn first_of<T: Default>(
    crew: &dyn Crew,
    work: impl FnOnce() -> Result<T, TrainError>,
) -> Result<T, TrainError> {
    together(crew, if crew.rank() == 0 { work() } else { Ok(T::default()) })
}

/// What each of a crew did for itself: one that failed takes all along, or they would wait for it.
fn together<T>(crew: &dyn Crew, done: Result<T, TrainError>) -> Result<T, TrainError> {
    if crew.size() > 1 && crew.any(done.is_err()) && done.is_ok() {
        return Err(TrainError::OtherProcess);
    }
    done
}

pub(crate) fn train_in<B: Send>(
    crew: &dyn Crew,
    options: &TrainOptions,
    run: &Watched<'_>,
    maker: &impl Maker<Batch = B>,
    learner: &mut impl Learner<B>,
) -> Result<(), TrainError> {
    let checkpoint = run.folder.join("checkpoint.safetensors");
    first_of(crew, || prepare(options, run))?;
    let (mut params, mut arena) = together(crew, start(options))?;
    if checkpoint.exists() {
        let (saved, state) = together(crew, Params::load(&checkpoint))?;
        params = saved;
        learner.restore(state);
    }
    let accumulate = options.accumulate.max(1);
    let ahead = crew.rank() * options.batch;
    if params.steps() == 0 {
        first_of(crew, || {
            let batch = maker.batch(options.steps.saturating_sub(1) * accumulate, 0)?;
            let sheet = contact_sheet(maker, &batch, 0..usize::MAX);
            replace_file(&run.folder.join("samples.png"), &twinset_photo::encode_png(&sheet))
        })?;
    }
    let mut metrics = first_of(crew, || Metrics::open(run.folder, params.steps()).map(Some))?;
    let mut best = together(crew, Best::open(run.folder))?;
    let first = params.steps();
    std::thread::scope(|scope| {
        // Batches are made ahead while a step is computed; the channel holds the maker back.
        let (send, receive) = mpsc::sync_channel(2);
        scope.spawn(move || {
            for number in first * accumulate..options.steps * accumulate {
                let batch = maker.batch(number, ahead);
                if batch.is_err() | send.send(batch).is_err() {
                    break;
                }
            }
        });
        let mut sums: Vec<(&'static str, f32, u32)> = Vec::new();
        let mut clock = Instant::now();
        let mut not_finite = 0;
        while params.steps() < options.steps {
            let mut gradients: BTreeMap<String, Vec<f32>> = BTreeMap::new();
            let mut last = None;
            for _ in 0..accumulate {
                let Ok(batch) = receive.recv() else { break };
                let batch = together(crew, batch)?;
                let pass = Pass::on_host(&mut params, &mut arena, crew);
                let (loss, parts) = learner.loss(&pass, &batch);
                let parts = std::iter::once(("loss", loss.clone())).chain(parts);
                for (name, value) in parts {
                    let value = host(value.detach())[0];
                    // Not every batch has every part.
                    match sums.iter_mut().find(|s| s.0 == name) {
                        Some(s) => *s = (name, s.1 + value, s.2 + 1),
                        None => sums.push((name, value, 1)),
                    }
                }
                add(&mut gradients, pass.gradients(&loss));
                last = Some(batch);
            }
            let Some(batch) = last else { break };
            let share = 1.0 / (accumulate as f32 * crew.size() as f32);
            if crew.size() > 1 {
                // A batch that lacks a part of the loss has no gradient for it; another process may have one.
                params.lengths().for_each(|(name, length)| {
                    gradients.entry(name.to_owned()).or_insert_with(|| vec![0.0; length]);
                });
            }
            exchange(crew, &mut gradients, share)?;
            let learning_rate = schedule(options, params.steps());
            let step = Step { learning_rate, weight_decay: options.weight_decay, clip: options.clip };
            match params.step(gradients.into_iter().collect(), step) {
                Ok(_) => not_finite = 0,
                Err(_) if not_finite < NOT_FINITE_MAX => {
                    not_finite += 1;
                    params.pass_over();
                }
                Err(e) => return Err(e),
            }

            let step = params.steps();
            if step.is_multiple_of(REPORT_EVERY) {
                let seconds = clock.elapsed().as_secs_f32();
                let losses = sums
                    .iter_mut()
                    .map(|s| (s.0, std::mem::take(&mut s.1) / std::mem::take(&mut s.2).max(1) as f32 + 0.0))
                    .collect();
                let pictures = REPORT_EVERY * accumulate * (options.batch * crew.size()) as u64;
                let pictures_per_second = pictures as f32 / seconds;
                let mut now =
                    Progress { step, steps: options.steps, losses, learning_rate, pictures_per_second };
                share_losses(crew, &mut now);
                first_of(crew, || {
                    (run.progress)(&now);
                    metrics.as_mut().map_or(Ok(()), |metrics| metrics.write(&now))
                })?;
                clock = Instant::now();
            }
            let stopping = crew.any(run.stop.load(Ordering::Relaxed));
            if stopping || step.is_multiple_of(options.checkpoint_every) || step == options.steps {
                let enough = first_of(crew, || {
                    params.save(&checkpoint, &learner.state())?;
                    learner.export(&params, &run.folder.join("package"))?;
                    let badness = learner.badness();
                    let mut order: Vec<usize> = (0..badness.len()).collect();
                    order.sort_by(|a, b| badness[*b].total_cmp(&badness[*a]).then(a.cmp(b)));
                    let sheet = contact_sheet(maker, &batch, order.into_iter().take(16));
                    replace_file(&run.folder.join("worst.png"), &twinset_photo::encode_png(&sheet))?;
                    let Some(score) = learner.judge(&run.folder.join("package"))? else { return Ok(false) };
                    best.meet(run.folder, step, score)?;
                    let waited = (step - best.step) / options.checkpoint_every.max(1);
                    Ok(options.patience > 0 && waited >= options.patience)
                })?;
                if crew.any(enough) {
                    break;
                }
            }
            if stopping {
                break;
            }
        }
        // Dropping the receiver lets the maker end.
        drop(receive);
        Ok(())
    })?;
    first_of(crew, || best.take_over(run.folder))
}

fn add(sum: &mut BTreeMap<String, Vec<f32>>, gradients: Vec<(String, Vec<f32>)>) {
    for (name, gradient) in gradients {
        match sum.get_mut(&name) {
            Some(sum) => sum.iter_mut().zip(&gradient).for_each(|(s, g)| *s += g),
            None => {
                sum.insert(name, gradient);
            }
        }
    }
}

/// Gradients summed over the crew and scaled by `share`.
fn exchange(
    crew: &dyn Crew,
    gradients: &mut BTreeMap<String, Vec<f32>>,
    share: f32,
) -> Result<(), TrainError> {
    if crew.size() > 1 {
        let lengths = crew.gather(&[gradients.len() as f32]);
        if lengths.iter().any(|l| *l != lengths[0]) {
            return Err(TrainError::UnequalProcesses);
        }
        // One exchange for all: most of them are short.
        let mut flat: Vec<f32> = gradients.values().flatten().copied().collect();
        crew.sum(&mut flat);
        let mut from = flat.iter();
        gradients.values_mut().flatten().zip(&mut from).for_each(|(g, f)| *g = *f);
    }
    if share != 1.0 {
        gradients.values_mut().flatten().for_each(|g| *g *= share);
    }
    Ok(())
}

/// The mean of the loss over the crew; its parts stay this process's own, since not every batch has every part.
fn share_losses(crew: &dyn Crew, now: &mut Progress) {
    if crew.size() > 1 {
        let mut loss = [now.losses[0].1 / crew.size() as f32];
        crew.sum(&mut loss);
        now.losses[0].1 = loss[0];
    }
}

/// The best checkpoint so far, by what was kept from training: `best.json`, and its package in `best/`.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Best {
    step: u64,
    score: Option<f32>,
}

impl Best {
    fn open(folder: &Path) -> Result<Self, TrainError> {
        let path = folder.join("best.json");
        match fs::read(&path) {
            Ok(text) => {
                serde_json::from_slice(&text).map_err(|e| TrainError::Config { path, reason: e.to_string() })
            }
            Err(_) => Ok(Self::default()),
        }
    }

    /// Keeps the package if it is better.
    fn meet(&mut self, folder: &Path, step: u64, score: f32) -> Result<(), TrainError> {
        if self.score.is_some_and(|best| best >= score) {
            return Ok(());
        }
        (self.step, self.score) = (step, Some(score));
        copy_folder(&folder.join("package"), &folder.join("best"))?;
        let text = serde_json::to_string(self).expect("plain data");
        replace_file(&folder.join("best.json"), text.as_bytes())
    }

    /// The best package becomes the run's.
    fn take_over(&self, folder: &Path) -> Result<(), TrainError> {
        if self.score.is_none() {
            return Ok(());
        }
        copy_folder(&folder.join("best"), &folder.join("package"))
    }
}

/// Copies the files of a package.
fn copy_folder(from: &Path, to: &Path) -> Result<(), TrainError> {
    fs::create_dir_all(to).map_err(|e| TrainError::io(to, e))?;
    for entry in fs::read_dir(from).map_err(|e| TrainError::io(from, e))? {
        let path = entry.map_err(|e| TrainError::io(from, e))?.path();
        if let (true, Some(name)) = (path.is_file(), path.file_name()) {
            let bytes = fs::read(&path).map_err(|e| TrainError::io(&path, e))?;
            replace_file(&to.join(name), &bytes)?;
        }
    }
    Ok(())
}

/// The losses over rising learning rates (Smith, Cyclical learning rates, 2017).
#[derive(Clone, Debug, Serialize)]
pub struct RateSearch {
    /// Learning rate and smoothed loss of each step.
    pub curve: Vec<(f32, f32)>,
    /// A third of the rate at which the loss was lowest.
    pub suggested: f32,
}

/// Steps from the lowest rate to the highest.
const RATE_STEPS: u64 = 100;
const RATES: (f32, f32) = (1e-6, 1.0);

/// Trains for a few steps while the rate rises, until the loss has left its lowest far behind. Keeps nothing.
pub(crate) fn find_rate<B: Send>(
    options: &TrainOptions,
    maker: &impl Maker<Batch = B>,
    learner: &mut impl Learner<B>,
) -> Result<RateSearch, TrainError> {
    let (mut params, mut arena) = start(options)?;
    let (mut curve, mut smooth, mut lowest) = (Vec::new(), None, (f32::INFINITY, RATES.0));
    for step in 0..RATE_STEPS {
        let learning_rate = RATES.0 * (RATES.1 / RATES.0).powf(step as f32 / (RATE_STEPS - 1) as f32);
        learner.forget();
        let pass = Pass::on_host(&mut params, &mut arena, &Alone);
        let (loss, _) = learner.loss(&pass, &maker.batch(step, 0)?);
        let value = host(loss.clone().detach())[0];
        let gradients = pass.gradients(&loss);
        let now = smooth.map_or(value, |s: f32| 0.8 * s + 0.2 * value);
        let changed = params.step(gradients, Step { learning_rate, weight_decay: 0.0, clip: options.clip });
        if changed.is_err() || !now.is_finite() || now > 2.0 * lowest.0 {
            if step == 0 {
                return Err(TrainError::NotFinite { step });
            }
            break;
        }
        smooth = Some(now);
        curve.push((learning_rate, now));
        if now < lowest.0 {
            lowest = (now, learning_rate);
        }
    }
    Ok(RateSearch { curve, suggested: lowest.1 / 3.0 })
}

/// Where a run without a checkpoint begins.
fn start(options: &TrainOptions) -> Result<(Params, Arena), TrainError> {
    let params = match &options.init {
        Some(dir) => Params::from_package(&Package::open(dir)?, options.seed),
        None => Params::new(options.seed),
    };
    Ok((params, Arena::default()))
}

/// Inputs of one step side by side: a look says more about wrong labels than any curve.
fn contact_sheet<M: Maker>(maker: &M, batch: &M::Batch, which: impl Iterator<Item = usize>) -> Photo {
    const ACROSS: usize = 8;
    let (side, pixels, outlines) = maker.shown(batch);
    let all = pixels.len() / (3 * side * side);
    let which: Vec<usize> = which.take_while(|i| *i < all).take(48).collect();
    let (w, h) = (ACROSS * side, which.len().div_ceil(ACROSS).max(1) * side);
    let mut rgb = vec![255u8; w * h * 3];
    for (place, i) in which.into_iter().enumerate() {
        let (left, top) = (place % ACROSS * side, place / ACROSS * side);
        let view = &pixels[i * 3 * side * side..][..3 * side * side];
        for y in 0..side {
            for x in 0..side {
                for c in 0..3 {
                    let v = view[(c * side + y) * side + x] * 0.25 + 0.5;
                    rgb[((top + y) * w + left + x) * 3 + c] = (v * 255.0) as u8;
                }
            }
        }
        for r in outlines.get(i).into_iter().flatten() {
            let (x0, y0) = (r.x as usize, r.y as usize);
            let (x1, y1) = ((r.x1() as usize).min(side - 1), (r.y1() as usize).min(side - 1));
            let edge =
                (x0..=x1).flat_map(|x| [(x, y0), (x, y1)]).chain((y0..=y1).flat_map(|y| [(x0, y), (x1, y)]));
            for (x, y) in edge {
                rgb[((top + y) * w + left + x) * 3..][..3].copy_from_slice(&[255, 0, 80]);
            }
        }
    }
    Photo::new(w as u32, h as u32, rgb)
}

/// Linear warm-up, then a cosine to a hundredth.
fn schedule(options: &TrainOptions, step: u64) -> f32 {
    if step < WARM_UP {
        return options.learning_rate * (step + 1) as f32 / WARM_UP as f32;
    }
    let done = (step - WARM_UP) as f32 / (options.steps.max(WARM_UP + 1) - WARM_UP) as f32;
    let cosine = 0.5 * (1.0 + (std::f32::consts::PI * done.min(1.0)).cos());
    options.learning_rate * (0.01 + 0.99 * cosine)
}

/// Every sample of a batch on all cores, in order.
pub(crate) fn in_parallel<S: Send>(number: usize, make: impl Fn(usize) -> S + Sync + Send) -> Vec<S> {
    (0..number).into_par_iter().map(make).collect()
}

/// `metrics.csv` and the TensorBoard events; what stands after the step that a resumed run starts from is dropped.
struct Metrics {
    path: PathBuf,
    file: File,
    events_path: PathBuf,
    events: File,
    empty: bool,
}

impl Metrics {
    fn open(folder: &Path, from: u64) -> Result<Self, TrainError> {
        let (path, events_path) = (folder.join("metrics.csv"), folder.join("events.out.tfevents.0.twinset"));
        let old = fs::read_to_string(&path).unwrap_or_default();
        let keep = |line: &&str| {
            line.split(',').next().and_then(|s| s.parse::<u64>().ok()).is_none_or(|step| step <= from)
        };
        let kept: String = old.lines().filter(keep).map(|l| format!("{l}\n")).collect();
        // The events are written anew from the lines that stay.
        let mut again = events::header();
        let mut lines = kept.lines();
        let names: Vec<&str> = lines.next().unwrap_or_default().split(',').skip(1).collect();
        for line in lines {
            let mut cells = line.split(',');
            let step = cells.next().and_then(|c| c.parse().ok()).unwrap_or(0);
            let values = names.iter().zip(cells).filter_map(|(n, c)| Some((*n, c.parse().ok()?)));
            again.extend(events::scalars(step, values));
        }
        replace_file(&path, kept.as_bytes())?;
        replace_file(&events_path, &again)?;
        let append = |p: &Path| OpenOptions::new().append(true).open(p).map_err(|e| TrainError::io(p, e));
        Ok(Self {
            file: append(&path)?,
            events: append(&events_path)?,
            path,
            events_path,
            empty: kept.is_empty(),
        })
    }

    fn write(&mut self, p: &Progress) -> Result<(), TrainError> {
        let mut text = String::new();
        if std::mem::take(&mut self.empty) {
            let names: Vec<&str> = p.losses.iter().map(|(n, _)| *n).collect();
            text = format!("step,learning_rate,pictures_per_second,{}\n", names.join(","));
        }
        let values: Vec<String> = p.losses.iter().map(|(_, v)| format!("{v:.5}")).collect();
        text +=
            &format!("{},{:.6},{:.1},{}\n", p.step, p.learning_rate, p.pictures_per_second, values.join(","));
        self.file.write_all(text.as_bytes()).map_err(|e| TrainError::io(&self.path, e))?;
        let rates =
            [("learning_rate", p.learning_rate), ("pictures_per_second", p.pictures_per_second)].into_iter();
        let event = events::scalars(p.step, rates.chain(p.losses.iter().copied()));
        self.events.write_all(&event).map_err(|e| TrainError::io(&self.events_path, e))
    }
}

/// Writes beside, syncs and renames: a crash leaves the old file or the new one.
pub(crate) fn replace_file(path: &Path, bytes: &[u8]) -> Result<(), TrainError> {
    let beside = path.with_extension("tmp");
    let write = || -> std::io::Result<()> {
        let mut file = File::create(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    write().map_err(|e| TrainError::io(path, e))
}

/// Pictures a second of `learner` on one batch, repeated.
pub(crate) fn throughput<B>(learner: &mut impl Learner<B>, batch: &B, pictures: usize, steps: u64) -> f64 {
    let (mut params, mut arena) = (Params::new(1), Arena::default());
    let mut clock = Instant::now();
    for i in 0..=steps {
        if i == 1 {
            clock = Instant::now();
        }
        let pass = Pass::on_host(&mut params, &mut arena, &Alone);
        let (loss, _) = learner.loss(&pass, batch);
        let gradients = pass.gradients(&loss);
        let step = Step { learning_rate: 1e-4, weight_decay: 0.0, clip: 5.0 };
        params.step(gradients, step).expect("constant pictures give finite gradients");
    }
    (pictures as u64 * steps) as f64 / clock.elapsed().as_secs_f64()
}
