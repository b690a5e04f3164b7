//! Trains the detector on boxed photos and composed scenes; small inputs first, full size for the last third.
use burn::tensor::Tensor;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::{path::Path, sync::atomic::AtomicBool};

use twinset_photo::Rect;

use crate::{
    CATEGORIES,
    augment::{Target, zoom},
    card,
    detector::{DetectorArchitecture, export, forward, loss},
    error::TrainError,
    params::{Params, Pass},
    run::{self, Learner, Maker, Progress, RateSearch, TrainOptions, Watched, find_rate, in_parallel, train},
    sources::Sources,
    stock::Stock,
};

struct Batch {
    side: usize,
    pixels: Vec<f32>,
    truth: Vec<Vec<Target>>,
}

struct Scenes<'a> {
    sources: &'a Sources,
    options: &'a TrainOptions,
    arch: &'a DetectorArchitecture,
}

impl Scenes<'_> {
    fn side(&self, step: u64) -> usize {
        if step * 3 < self.options.steps * 2 { self.arch.side * 3 / 4 / 32 * 32 } else { self.arch.side }
    }
}

impl Maker for Scenes<'_> {
    type Batch = Batch;

    fn batch(&self, number: u64, first: usize) -> Result<Batch, TrainError> {
        let side = self.side(number / self.options.accumulate.max(1));
        let reach = side as f32 / self.arch.side as f32;
        let made = in_parallel(self.options.batch, |i| {
            let mut rng = ChaCha8Rng::seed_from_u64(self.options.seed ^ 0xde7ec7);
            rng.set_stream(number * 4096 + (first + i) as u64);
            let scene = self.sources.scene(self.options.seed, &mut rng);
            zoom(&scene, side, reach, &mut rng)
        });
        let mut batch = Batch { side, pixels: Vec::new(), truth: Vec::new() };
        for (pixels, targets) in made {
            batch.pixels.extend(pixels);
            batch.truth.push(targets);
        }
        Ok(batch)
    }

    fn shown<'b>(&self, batch: &'b Batch) -> (usize, &'b [f32], Vec<Vec<Rect>>) {
        (batch.side, &batch.pixels, batch.truth.iter().map(|t| t.iter().map(|t| t.rect).collect()).collect())
    }
}

struct Detection<'a> {
    arch: &'a DetectorArchitecture,
    options: &'a TrainOptions,
    badness: Vec<f32>,
    fingerprint: &'a str,
}

impl Learner<Batch> for Detection<'_> {
    fn loss(&mut self, pass: &Pass<'_>, batch: &Batch) -> (Tensor<1>, Vec<(&'static str, Tensor<1>)>) {
        let out = forward(pass, self.arch, CATEGORIES.len(), &batch.pixels, batch.side);
        let (total, parts, badness) = loss(pass, self.arch, out, &batch.truth);
        self.badness = badness;
        (total, parts)
    }

    fn badness(&self) -> Vec<f32> {
        self.badness.clone()
    }

    fn export(&self, params: &Params, dir: &Path) -> Result<(), TrainError> {
        let side = self.options.run_side.unwrap_or(self.arch.side);
        let at_work = DetectorArchitecture { side, ..self.arch.clone() };
        let architecture = serde_json::to_value(at_work).expect("plain data");
        let card = card::new("detector", architecture, self.options, params.steps(), self.fingerprint);
        card::save(card, &export(params, self.arch), dir)
    }
}

/// Trains a detector into the folder `run`; the package stands in `run/package`.
///
/// # Errors
/// As [`crate::run_embedder`].
pub fn run_detector(
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

/// Trains as one of `crew`.
#[cfg(test)]
pub(crate) fn run_in(
    crew: &dyn crate::crew::Crew,
    options: &TrainOptions,
    run: &Path,
) -> Result<(), TrainError> {
    with(options, |maker, learner| {
        let fingerprint = learner.fingerprint;
        let stop = &AtomicBool::new(false);
        let watched = Watched { folder: run, resume: false, stop, progress: &|_| {}, fingerprint };
        run::train_in(crew, options, &watched, maker, learner)
    })
}

/// Looks for the highest learning rate that still helps a detector.
///
/// # Errors
/// As [`crate::find_embedder_rate`].
pub fn find_detector_rate(options: &TrainOptions) -> Result<RateSearch, TrainError> {
    with(options, |maker, learner| find_rate(options, maker, learner))
}

fn with<R>(
    options: &TrainOptions,
    work: impl FnOnce(&Scenes<'_>, &mut Detection<'_>) -> Result<R, TrainError>,
) -> Result<R, TrainError> {
    let own = DetectorArchitecture::default();
    let arch = DetectorArchitecture { side: options.side.unwrap_or(own.side), ..own };
    let whole = TrainOptions { teacher: None, hold_out: 0.0, judge: 0.0, window: 0, ..options.clone() };
    let Stock::Whole(sources) = Stock::open(&whole, None)? else { unreachable!("it has no window") };
    let sources = &*sources;
    let mut learner =
        Detection { arch: &arch, options, badness: Vec::new(), fingerprint: &sources.fingerprint };
    work(&Scenes { sources, options, arch: &arch }, &mut learner)
}

/// Pictures a second at three quarters of the full side, without any reading.
pub(crate) fn throughput(steps: u64) -> f64 {
    let (arch, options) = (DetectorArchitecture::default(), TrainOptions::default());
    let (n, side) = (16, arch.side * 3 / 4);
    let rect = Rect { x: 40.0, y: 30.0, w: 90.0, h: 120.0 };
    let batch = Batch {
        side,
        pixels: (0..n * 3 * side * side).map(|i| ((i * 7919) % 97) as f32 / 48.0 - 1.0).collect(),
        truth: vec![vec![Target { rect, category: 0, open: false }]; n],
    };
    let mut learner = Detection { arch: &arch, options: &options, badness: Vec::new(), fingerprint: "" };
    run::throughput(&mut learner, &batch, n, steps)
}
