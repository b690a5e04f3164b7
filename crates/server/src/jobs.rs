//! Long work that outlives its request: imports, syncs, backups, audits, changes of models, measurements, trainings.
//!
//! In: a kind, a place, and work that tells how far it is and asks whether to go on. Out: jobs that can be read, watched,
//! paused and cancelled. The registry keeps the latest [`KEPT`] jobs of this process; what a job did to a catalogue is the
//! catalogue's, and the history of a source's runs is kept with the source.

use crate::clock::{now_ms, rfc3339};
use crate::problem::{CONFLICT, JOB_NOT_FOUND, Problem, ProblemBody};
use parking_lot::Mutex;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use twinset_engine::Signal;
use utoipa::ToSchema;

/// Jobs that are remembered; running ones always are.
const KEPT: usize = 1_000;

/// Where a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum JobState {
    /// It waits for its turn.
    Queued,
    /// It works.
    Running,
    /// It stands still until it is told to go on.
    Paused,
    /// It has done all but what a person must allow.
    NeedsApproval,
    /// It is done.
    Succeeded,
    /// It could not go on; `problem` says why.
    Failed,
    /// It was told to end; what it had done stays.
    Cancelled,
}

impl JobState {
    /// As the API writes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::NeedsApproval => "needs_approval",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    pub(crate) fn is_over(self) -> bool {
        matches!(self, Self::NeedsApproval | Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

/// How far a job is.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub(crate) struct JobProgress {
    /// So many units.
    pub(crate) done: u64,
    /// Of so many; 0 as long as that is not known.
    pub(crate) total: u64,
    /// `rows`, `pictures`, `lines`, `bytes`, `changes`, `queries` or `steps`.
    pub(crate) unit: String,
    /// What is being done, of work that has several stages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stage: Option<&'static str>,
    /// About this long to go, where that can be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) eta_ms: Option<u64>,
}

/// A long piece of work.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Job {
    pub(crate) id: String,
    /// `sync`, `import`, `backup`, `audit`, `models`, `verify`, `rebuild`, `evaluation` or `training`.
    pub(crate) kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) catalogue: Option<String>,
    /// The source that is synced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) source: Option<String>,
    /// Id of the key that ordered it; left out where the server has none, and for runs by schedule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) by: Option<String>,
    pub(crate) state: JobState,
    pub(crate) progress: JobProgress,
    /// What became of the rows, lines or pictures so far.
    #[schema(value_type = Object)]
    pub(crate) counts: Value,
    /// At the end: what was done, with findings.
    #[serde(skip_serializing_if = "Value::is_null")]
    #[schema(value_type = Option<Object>)]
    pub(crate) result: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ProblemBody>)]
    pub(crate) problem: Option<Value>,
    /// RFC 3339.
    #[serde(serialize_with = "time")]
    #[schema(value_type = String)]
    pub(crate) created_at: u64,
    /// RFC 3339.
    #[serde(serialize_with = "maybe_time", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(crate) ended_at: Option<u64>,
}

fn time<S: Serializer>(ms: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&rfc3339(*ms))
}

#[allow(clippy::ref_option)] // the signature that serde asks for
fn maybe_time<S: Serializer>(ms: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
    time(&ms.unwrap_or_default(), serializer)
}

const GO: u8 = 0;
const PAUSE: u8 = 1;
const STOP: u8 = 2;

struct Entry {
    /// Grows from job to job.
    number: u64,
    job: Mutex<Job>,
    order: AtomicU8,
    begun: Instant,
    /// Counts up with every change.
    changed: watch::Sender<u64>,
}

/// A job as its worker and its watchers hold it.
#[derive(Clone)]
pub(crate) struct Handle(Arc<Entry>);

impl Handle {
    pub(crate) fn job(&self) -> Job {
        self.0.job.lock().clone()
    }

    /// What the worker is to do.
    pub(crate) fn signal(&self) -> Signal {
        match self.0.order.load(Ordering::Relaxed) {
            STOP => Signal::Stop,
            PAUSE => Signal::Pause,
            _ => Signal::Go,
        }
    }

    /// The worker begins.
    pub(crate) fn start(&self) {
        self.update(|job| {
            if job.state == JobState::Queued {
                job.state = JobState::Running;
            }
        });
    }

    /// Changes the job and wakes who watches it.
    pub(crate) fn update(&self, change: impl FnOnce(&mut Job)) {
        let mut job = self.0.job.lock();
        change(&mut job);
        let p = &mut job.progress;
        let took = self.0.begun.elapsed().as_millis() as u64;
        p.eta_ms = (p.done > 0 && p.total > p.done)
            .then(|| (took as f64 / p.done as f64 * (p.total - p.done) as f64) as u64);
        if job.state.is_over() && job.ended_at.is_none() {
            job.ended_at = Some(now_ms());
            job.progress.eta_ms = None;
        }
        drop(job);
        self.0.changed.send_modify(|n| *n += 1);
    }

    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.0.changed.subscribe()
    }

    /// Tells the worker to stand still, to go on, or to end. Nothing happens to a job that is over.
    pub(crate) fn order(&self, signal: Signal) {
        let order = match signal {
            Signal::Go => GO,
            Signal::Pause => PAUSE,
            Signal::Stop => STOP,
        };
        // What was told to end cannot be told to go on.
        let told = self
            .0
            .order
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| (now != STOP).then_some(order));
        if told.is_ok() {
            self.update(|job| match (signal, job.state) {
                (Signal::Pause, JobState::Running | JobState::Queued) => job.state = JobState::Paused,
                (Signal::Go, JobState::Paused) => job.state = JobState::Running,
                _ => {}
            });
        }
    }
}

/// All jobs of one server.
#[derive(Default)]
pub(crate) struct Jobs {
    latest: Mutex<VecDeque<Handle>>,
    number: AtomicU64,
    /// Held from the question whether one like it runs until it is begun.
    pub(crate) beginning: Mutex<()>,
}

impl Jobs {
    /// A new job, which waits for its worker to [`Handle::start`].
    pub(crate) fn begin(
        &self,
        kind: &str,
        catalogue: Option<&str>,
        source: Option<&str>,
        unit: &str,
    ) -> Handle {
        let now = now_ms();
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let job = Job {
            id: format!("{now:x}-{number:x}"),
            kind: kind.into(),
            catalogue: catalogue.map(str::to_owned),
            source: source.map(str::to_owned),
            by: None,
            state: JobState::Queued,
            progress: JobProgress { unit: unit.into(), ..JobProgress::default() },
            counts: Value::Object(serde_json::Map::new()),
            result: Value::Null,
            problem: None,
            created_at: now,
            ended_at: None,
        };
        let entry = Entry {
            number,
            job: Mutex::new(job),
            order: AtomicU8::new(GO),
            begun: Instant::now(),
            changed: watch::Sender::new(0),
        };
        let handle = Handle(Arc::new(entry));
        let mut latest = self.latest.lock();
        latest.push_front(handle.clone());
        if latest.len() > KEPT
            && let Some(at) = latest.iter().rposition(|handle| handle.0.job.lock().state.is_over())
        {
            latest.remove(at);
        }
        handle
    }

    /// A job on a thread of its own, unless one of its kind runs for that catalogue. `work` tells (stage, done, total), is
    /// told whether to go on, and gives the result; `None`: it was told to end.
    pub(crate) fn alone<F>(&self, kind: &str, catalogue: &str, work: F) -> Result<Handle, Problem>
    where
        F: FnOnce(&mut dyn FnMut(&'static str, u64, u64) -> bool) -> Result<Option<Value>, Problem>
            + Send
            + 'static,
    {
        self.spawn(kind, catalogue, "steps", |job| {
            work(&mut |stage, done, total| {
                while job.signal() == Signal::Pause {
                    std::thread::sleep(Duration::from_millis(100));
                }
                job.update(|job| {
                    let p = &mut job.progress;
                    (p.stage, p.done, p.total) = (Some(stage), done, total);
                });
                job.signal() != Signal::Stop
            })
        })
    }

    /// The latest job of a kind for a catalogue.
    pub(crate) fn latest(&self, kind: &str, catalogue: &str) -> Option<Job> {
        let fits = |job: &Job| job.kind == kind && job.catalogue.as_deref() == Some(catalogue);
        self.latest.lock().iter().map(Handle::job).find(fits)
    }

    pub(crate) fn find(&self, id: &str) -> Result<Handle, Problem> {
        let latest = self.latest.lock();
        let found = latest.iter().find(|handle| handle.0.job.lock().id == id).cloned();
        found.ok_or_else(|| Problem::new(&JOB_NOT_FOUND, format!("there is no job '{id}'")))
    }

    /// With their numbers, the latest first, of one catalogue or of all; those begun before number `before`, if it is
    /// given.
    pub(crate) fn list(&self, catalogue: Option<&str>, before: Option<u64>, limit: usize) -> Vec<(u64, Job)> {
        let latest = self.latest.lock();
        let all = latest.iter().filter(|handle| before.is_none_or(|before| handle.0.number < before));
        let all = all.map(|handle| (handle.0.number, handle.job()));
        let fits = |(_, job): &(u64, Job)| catalogue.is_none() || job.catalogue.as_deref() == catalogue;
        all.filter(fits).take(limit).collect()
    }

    /// Those that are not over.
    pub(crate) fn under_way(&self) -> Vec<Job> {
        let latest = self.latest.lock();
        latest.iter().map(Handle::job).filter(|job| !job.state.is_over()).collect()
    }

    /// Begins a job whose worker has a thread of its own. `work` gives its result, or `None` once it was told to end.
    ///
    /// # Errors
    /// [`CONFLICT`] while another of this kind runs for this catalogue.
    pub(crate) fn spawn(
        &self,
        kind: &str,
        catalogue: &str,
        unit: &str,
        work: impl FnOnce(&Handle) -> Result<Option<Value>, Problem> + Send + 'static,
    ) -> Result<Handle, Problem> {
        let handle = {
            // Two who ask at once: one of them gets the job.
            let _alone = self.beginning.lock();
            if let Some(running) = self.running(kind, catalogue, None) {
                let id = running.job().id;
                let detail = format!("job {id} does this for '{catalogue}' now; wait for it, or cancel it");
                return Err(Problem::new(&CONFLICT, detail));
            }
            self.begin(kind, Some(catalogue), None, unit)
        };
        handle.start();
        let job = handle.clone();
        let spawned = std::thread::Builder::new().name(format!("{kind}-{catalogue}")).spawn(move || {
            let done = work(&job);
            job.update(|job| match done {
                Ok(Some(result)) => (job.state, job.result) = (JobState::Succeeded, result),
                Ok(None) => job.state = JobState::Cancelled,
                Err(problem) => {
                    job.state = JobState::Failed;
                    job.problem = Some(json!(problem.body(None)));
                }
            });
        });
        match spawned {
            Ok(_) => Ok(handle),
            Err(error) => {
                handle.update(|job| job.state = JobState::Failed);
                Err(Problem::internal(&error))
            }
        }
    }

    /// The job that syncs a source now.
    pub(crate) fn syncing(&self, catalogue: &str, source: &str) -> Option<Handle> {
        self.running("sync", catalogue, Some(source))
    }

    /// The job of a kind that works for a catalogue, and source, now.
    fn running(&self, kind: &str, catalogue: &str, source: Option<&str>) -> Option<Handle> {
        let fits = |job: &Job| {
            !job.state.is_over()
                && job.kind == kind
                && job.catalogue.as_deref() == Some(catalogue)
                && job.source.as_deref() == source
        };
        self.latest.lock().iter().find(|handle| fits(&handle.0.job.lock())).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_was_told_to_end_stays_so() {
        let jobs = Jobs::default();
        let handle = jobs.begin("sync", Some("main"), Some("feed"), "rows");
        assert!(jobs.syncing("main", "feed").is_some() && jobs.syncing("main", "other").is_none());
        handle.order(Signal::Pause);
        assert_eq!((handle.job().state, handle.signal()), (JobState::Paused, Signal::Pause));
        handle.order(Signal::Go);
        assert_eq!((handle.job().state, handle.signal()), (JobState::Running, Signal::Go));
        handle.order(Signal::Stop);
        handle.order(Signal::Go);
        assert_eq!(handle.signal(), Signal::Stop);
        handle.update(|job| job.state = JobState::Cancelled);
        assert!(handle.job().ended_at.is_some() && jobs.syncing("main", "feed").is_none());
    }

    #[test]
    fn work_of_a_kind_is_done_once_at_a_time_and_ends_as_it_is_told() {
        let jobs = Jobs::default();
        let (tell, told) = std::sync::mpsc::channel();
        let work = move |progress: &mut dyn FnMut(&'static str, u64, u64) -> bool| {
            while progress("looking", 1, 9) {
                tell.send(()).unwrap();
                std::thread::yield_now();
            }
            Ok(None)
        };
        let handle = jobs.alone("audit", "main", work).unwrap();
        told.recv().unwrap();
        assert_eq!((handle.job().progress.stage, handle.job().progress.total), (Some("looking"), 9));
        assert!(jobs.alone("audit", "main", |_| Ok(None)).is_err());
        assert!(jobs.alone("audit", "other", |_| Ok(Some(json!(1)))).is_ok());
        handle.order(Signal::Stop);
        let ended = || {
            (0..1000).any(|_| {
                std::thread::sleep(Duration::from_millis(5));
                handle.job().state.is_over()
            })
        };
        assert!(ended());
        assert_eq!(jobs.latest("audit", "main").unwrap().state, JobState::Cancelled);
        assert!(jobs.alone("audit", "main", |_| Ok(None)).is_ok());
    }

    #[test]
    fn only_jobs_that_are_over_are_forgotten() {
        let jobs = Jobs::default();
        let running = jobs.begin("sync", None, None, "rows").job().id;
        for _ in 0..KEPT + 10 {
            jobs.begin("backup", None, None, "bytes").update(|job| job.state = JobState::Succeeded);
        }
        assert_eq!(jobs.latest.lock().len(), KEPT);
        assert!(jobs.find(&running).is_ok());
    }
}
