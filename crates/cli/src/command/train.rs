//! `twinset train detector|embedder`

use crate::args::{Train, TrainArgs};
use crate::failure::{Done, Stopped, WrongUse};
use crate::interrupt;
use crate::progress::Progress;
use crate::ui::Ui;
use anyhow::Context;
use serde_json::json;
use std::path::{Path, PathBuf};
use twinset_train::{TrainOptions, run_detector, run_embedder};

/// A `--data` that stands for drawn garments.
const DRAWN: &str = "synth:";

pub(crate) fn run(args: &Train, ui: &Ui) -> anyhow::Result<Done> {
    let (kind, args) = match args {
        Train::Detector(args) => ("detector", args),
        Train::Embedder(args) => ("embedder", args),
    };
    let run = args.run.clone().unwrap_or_else(|| PathBuf::from(format!("run-{kind}")));
    let options = options(args, &run)?;
    let progress = Progress::new(ui, &format!("training the {kind}"), "steps", options.steps);
    let told = std::sync::Mutex::new(std::time::Instant::now());
    let watch = |state: &twinset_train::Progress| {
        progress.set(state.step, state.steps);
        let losses: Vec<String> =
            state.losses.iter().map(|(name, loss)| format!("{name} {loss:.4}")).collect();
        tracing::info!(
            step = state.step,
            pictures_per_second = state.pictures_per_second,
            "{}",
            losses.join(", ")
        );
        // Losses are the point of watching a training: a line a minute, whatever the verbosity.
        if let Ok(mut told) = told.lock()
            && told.elapsed().as_secs() >= 60
        {
            *told = std::time::Instant::now();
            ui.note(format_args!("step {} of {}: {}", state.step, state.steps, losses.join(", ")));
        }
    };
    let train = if kind == "detector" { run_detector } else { run_embedder };
    train(&options, &run, args.resume, interrupt::flag(), &watch)?;
    progress.finish();
    if interrupt::asked_to_stop() {
        let done = format!("the last checkpoint is in {}", run.display());
        let resume = format!("twinset train {kind} --run {} --resume", run.display());
        return Err(Stopped { done, resume: Some(resume) }.into());
    }
    let package = run.join("package");
    ui.answer(&json!({ "run": run, "package": package, "steps": options.steps }), || {
        format!("{} steps done; the model is in {}\n", options.steps, package.display())
    })?;
    Ok(Done::All)
}

/// The file's options (or, when resuming, those the run began with), then the arguments.
fn options(args: &TrainArgs, run: &Path) -> anyhow::Result<TrainOptions> {
    let begun = run.join("config.json");
    let file = match &args.config {
        Some(path) => Some(path.as_path()),
        None if args.resume && begun.is_file() => Some(begun.as_path()),
        None => None,
    };
    let mut options = match file {
        None => TrainOptions::default(),
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("{} cannot be read", path.display()))?;
            let json = path.extension().is_some_and(|e| e == "json");
            let read = if json {
                serde_json::from_str(&text).map_err(|e| e.to_string())
            } else {
                toml::from_str(&text).map_err(|e| e.to_string())
            };
            read.map_err(|reason: String| WrongUse(format!("{}: {reason}", path.display())))?
        }
    };
    if !args.data.is_empty() {
        options.synth = args.data.iter().any(|data| data == DRAWN);
        options.data = args.data.iter().filter(|data| *data != DRAWN).map(PathBuf::from).collect();
    }
    if let Some(steps) = args.steps {
        options.steps = steps;
    }
    Ok(options)
}
