//! Trainings: a process of this program that fits the embedder to one catalogue, and the folders that such runs leave.
//!
//! A process of its own, because a training takes every core for minutes to hours: it runs at a low priority, its memory
//! is not the server's, and its end is not the server's end. It reads the catalogue from a copy and writes below `runs`
//! in the home. The model that comes of it is kept with the others; taking it into use is another step.

use crate::clock::{now_ms, rfc3339};
use crate::jobs::Handle;
use crate::problem::{Problem, RUN_NOT_FOUND, TRAINING_FAILED, UNSUPPORTED};
use crate::state::App;
use serde::Serialize;
use serde_json::{Value, json};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use twinset_engine::{Models, Shop, Signal};
use twinset_nets::Package;
use utoipa::ToSchema;

/// How often the process is looked after.
const TICK: Duration = Duration::from_millis(200);
/// Below everything that answers people.
#[cfg(unix)]
const NICENESS: i32 = 15;
/// Of what the process said about its failure.
const LAST_WORDS: usize = 600;
/// Points of a curve that are told.
const POINTS: usize = 200;

/// A training as its folder tells it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Run {
    pub(crate) id: String,
    /// `running`, `succeeded`, `refused` (the new model was not better) or `stopped`.
    pub(crate) state: &'static str,
    pub(crate) step: u64,
    pub(crate) steps: u64,
    /// The program that trained.
    pub(crate) program: Option<String>,
    /// Of what it learned from: equal for the same data.
    pub(crate) data: Option<String>,
    /// Kernel and threads of the machine.
    pub(crate) machine: Option<String>,
    /// RFC 3339: when the state that a stopped run goes on from was saved.
    pub(crate) checkpoint_at: Option<String>,
    /// Hash of the model that came of it.
    pub(crate) model: Option<String>,
    /// Held-out products found first, before and after.
    #[schema(value_type = Option<Object>)]
    pub(crate) gain: Option<Value>,
    /// A point every so many steps: `step`, `loss` and its parts, `learning_rate`.
    #[schema(value_type = Vec<Object>)]
    pub(crate) history: Vec<Value>,
}

fn folder(home: &Path) -> PathBuf {
    home.join("runs")
}

/// The latest first.
pub(crate) fn runs(home: &Path, running: &[String]) -> Vec<Run> {
    let entries = std::fs::read_dir(folder(home)).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter(|entry| entry.path().join("config.json").is_file())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort_by_key(|name| std::cmp::Reverse(begun(&folder(home).join(name))));
    names.iter().map(|name| read(&folder(home).join(name), name, running.contains(name))).collect()
}

pub(crate) fn run(home: &Path, id: &str, running: &[String]) -> Result<Run, Problem> {
    let all = runs(home, running);
    let missing = || Problem::new(&RUN_NOT_FOUND, format!("there is no training run '{id}'"));
    all.into_iter().find(|run| run.id == id).ok_or_else(missing)
}

fn begun(run: &Path) -> Option<std::time::SystemTime> {
    std::fs::metadata(run.join("run.json")).and_then(|file| file.modified()).ok()
}

/// What is there of it: a run that has just begun has no curve yet.
fn read(run: &Path, id: &str, running: bool) -> Run {
    let json =
        |name: &str| -> Option<Value> { serde_json::from_slice(&std::fs::read(run.join(name)).ok()?).ok() };
    let (config, origin, gain) = (json("config.json"), json("run.json"), json("gain.json"));
    let text = |of: &Option<Value>, name: &str| Some(of.as_ref()?[name].as_str()?.to_owned());
    let history = curve(&std::fs::read_to_string(run.join("metrics.csv")).unwrap_or_default());
    let package = Package::open(&run.join("package")).ok();
    let steps = config.as_ref().and_then(|c| c["steps"].as_u64()).unwrap_or(0);
    let step = history.last().and_then(|point| point["step"].as_u64()).unwrap_or(0);
    Run {
        id: id.to_owned(),
        state: match (running, run.join("package-refused").is_dir(), &package) {
            (true, ..) => "running",
            (_, true, _) => "refused",
            (_, _, Some(_)) if step >= steps => "succeeded",
            _ => "stopped",
        },
        step,
        steps,
        program: text(&origin, "program"),
        data: text(&origin, "data_fingerprint"),
        machine: origin
            .as_ref()
            .map(|o| format!("{}, {} threads", o["kernel"].as_str().unwrap_or("?"), o["threads"])),
        checkpoint_at: saved_at(&run.join("checkpoint.safetensors")).map(rfc3339),
        model: package.map(|package| package.hash().to_string()),
        gain,
        history,
    }
}

/// Milliseconds since 1970 UTC.
fn saved_at(file: &Path) -> Option<u64> {
    let at = std::fs::metadata(file).and_then(|about| about.modified()).ok()?;
    u64::try_from(at.duration_since(std::time::UNIX_EPOCH).ok()?.as_millis()).ok()
}

/// The lines of `metrics.csv`, thinned out to what a chart can show.
fn curve(csv: &str) -> Vec<Value> {
    let mut lines = csv.lines();
    let names: Vec<&str> = lines.next().unwrap_or("").split(',').collect();
    // The last line may be half written.
    let points: Vec<&str> = lines.filter(|line| line.split(',').count() == names.len()).collect();
    let each = points.len().div_ceil(POINTS).max(1);
    let kept = points.iter().rev().step_by(each).collect::<Vec<_>>().into_iter().rev();
    kept.filter_map(|line| {
        let cells = names.iter().zip(line.split(','));
        let values = cells.filter_map(|(name, cell)| {
            let value = match *name {
                "step" => json!(cell.parse::<u64>().ok()?),
                _ => json!(cell.parse::<f64>().ok()?),
            };
            Some(((*name).to_owned(), value))
        });
        let point: serde_json::Map<_, _> = values.collect();
        point.contains_key("step").then_some(Value::Object(point))
    })
    .collect()
}

/// Begins a training of a catalogue's embedder as a job.
///
/// # Errors
/// This server was not told a program to train with; the catalogue is being trained already.
pub(crate) fn begin(app: &App, shop: &Shop, steps: Option<u64>) -> Result<Handle, Problem> {
    let Some(program) = app.options.trainer.clone() else {
        let detail = "this server trains nothing; run `twinset train embedder --data catalogue:NAME`";
        return Err(Problem::new(&UNSUPPORTED, detail));
    };
    let home = app.engine.home().to_owned();
    let (catalogue, models) = (shop.name().to_string(), app.engine.models().clone());
    let id = format!("{catalogue}-{}", now_ms());
    let run = folder(&home).join(&id);
    let mut command = Command::new(program);
    command
        .args([
            "train",
            "embedder",
            "--json",
            "--quiet",
            "--data",
            &format!("catalogue:{catalogue}"),
            "--home",
        ])
        .arg(&home)
        .arg("--run")
        .arg(&run)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    if let Some(steps) = steps {
        command.args(["--steps", &steps.to_string()]);
    }
    app.jobs.spawn("training", &catalogue, "steps", move |job| {
        job.update(|job| job.result = json!({ "run": id }));
        let child = command.spawn().map_err(|error| Problem::internal(&error))?;
        follow(child, job, &run, &id, &models)
    })
}

/// Until the process has ended: how far it is, and whether it is to stop.
fn follow(
    mut child: Child,
    job: &Handle,
    run: &Path,
    id: &str,
    models: &Models,
) -> Result<Option<Value>, Problem> {
    lower(&child);
    let words = child.stderr.take().map(|stderr| std::thread::spawn(move || last_words(stderr)));
    let mut asked = false;
    let status = loop {
        match child.try_wait().map_err(|error| Problem::internal(&error))? {
            Some(status) => break status,
            None => std::thread::sleep(TICK),
        }
        if job.signal() == Signal::Stop && !std::mem::replace(&mut asked, true) {
            interrupt(&mut child);
        }
        let now = read(run, id, true);
        if (now.step, now.steps) != (job.job().progress.done, job.job().progress.total) {
            job.update(|job| {
                (job.progress.done, job.progress.total) = (now.step, now.steps);
                job.result = json!({ "run": id, "history": now.history });
            });
        }
    };
    let words = words.and_then(|thread| thread.join().ok()).unwrap_or_default();
    let done = read(run, id, false);
    if asked {
        return Ok(None);
    }
    if !status.success() {
        return Err(Problem::new(&TRAINING_FAILED, words.replace(&*run.to_string_lossy(), id)));
    }
    let package = Package::open(&run.join("package")).map_err(|error| Problem::internal(&error))?;
    models.keep(&package)?;
    Ok(Some(json!({ "run": id, "model": done.model, "gain": done.gain, "history": done.history })))
}

/// The end of what was said: the reason stands there.
fn last_words(mut stderr: impl Read) -> String {
    let mut said = Vec::new();
    let mut part = [0; 4096];
    while let Ok(n @ 1..) = stderr.read(&mut part) {
        said.extend(&part[..n]);
        let surplus = said.len().saturating_sub(LAST_WORDS);
        said.drain(..surplus);
    }
    String::from_utf8_lossy(&said).trim().to_owned()
}

#[cfg(unix)]
fn lower(child: &Child) {
    if let Some(pid) = pid(child) {
        // One that ended already has no priority.
        let _ = rustix::process::setpriority_process(Some(pid), NICENESS);
    }
}

/// As Ctrl-C: it saves a checkpoint and ends.
#[cfg(unix)]
fn interrupt(child: &mut Child) {
    if let Some(pid) = pid(child) {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
    }
}

#[cfg(unix)]
fn pid(child: &Child) -> Option<rustix::process::Pid> {
    rustix::process::Pid::from_raw(i32::try_from(child.id()).ok()?)
}

#[cfg(not(unix))]
fn lower(_: &Child) {}

/// There is no gentle way here; its last checkpoint stays.
#[cfg(not(unix))]
fn interrupt(child: &mut Child) {
    let _ = child.kill();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_is_thinned_out_and_keeps_its_end() {
        let mut csv = "step,learning_rate,pictures_per_second,loss\n".to_owned();
        (1..=1000).for_each(|n| csv += &format!("{},0.001,20.0,{}\n", n * 20, 1.0 / f64::from(n)));
        csv += "half a li";
        let points = curve(&csv);
        assert!(points.len() <= POINTS + 1, "{}", points.len());
        assert_eq!(points.last().map(|p| p["step"].clone()), Some(json!(20_000)));
        assert!(curve("").is_empty());
    }
}
