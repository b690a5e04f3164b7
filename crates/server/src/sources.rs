//! Sources: where a catalogue's feeds come from, when they are read again, and how a run becomes a job.

use crate::jobs::{Handle, JobState};
use crate::problem::{BAD_REQUEST, CONFLICT, INVALID_VALUE, Problem, SOURCE_NOT_FOUND};
use crate::state::{App, Shared};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::{Arc, Weak};
use std::time::Duration;
use twinset_engine::{Input, Missing, Shop, Stage, SyncOptions, SyncReport};
use twinset_feed::{Mapping, Settings};
use twinset_fetch::Policy;
use utoipa::ToSchema;

/// How often it is looked whether a source is due.
const TICK: Duration = Duration::from_secs(15);
/// Shortest time between two scheduled runs.
const EVERY_LEAST: u64 = 1;

/// What to do about products that a feed no longer lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DeleteMissing {
    /// Remove them, unless more would vanish than the guard allows.
    #[default]
    Ask,
    /// Remove them.
    Yes,
    /// Keep them.
    No,
}

/// A feed and how to read it.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SourceSettings {
    /// Address of the feed; without one, feeds are sent to `/runs`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<String>,
    /// Read it again after so many minutes; without it, only when asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) every_minutes: Option<u64>,
    /// No scheduled runs for now.
    pub(crate) paused: bool,
    pub(crate) delete_missing: DeleteMissing,
    /// Share of the source's products above which `ask` asks, 0 to 1; 0.3 if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) guard: Option<f64>,
    /// Currency of prices that come without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) currency: Option<String>,
    /// Host of the shop, for links that the feed does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) shop_domain: Option<String>,
    /// Where bare names of WooCommerce pictures lie.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) uploads_url: Option<String>,
    /// What relative addresses are relative to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) base_url: Option<String>,
    /// Language of the shop: a hint for encodings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) language: Option<String>,
    /// A mapping file (TOML) for a table that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mapping: Option<String>,
    /// A picture under more products than this is a placeholder; 100 if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) placeholder_over: Option<u64>,
}

/// What is different this time.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RunSettings {
    /// Report everything, change nothing.
    pub(crate) dry_run: bool,
    /// Instead of what the source says.
    pub(crate) delete_missing: Option<DeleteMissing>,
    /// Ask for every picture again whether it has changed.
    pub(crate) recheck: bool,
}

impl SourceSettings {
    /// What can be checked without reading a feed.
    pub(crate) fn check(&self, name: &str) -> Result<(), Problem> {
        self.options(name, RunSettings::default(), &[]).map(|_| ())
    }

    fn options(
        &self,
        name: &str,
        run: RunSettings,
        allow: &[twinset_fetch::Net],
    ) -> Result<SyncOptions, Problem> {
        let wrong = |member: &str, text: String| Problem::new(&INVALID_VALUE, text).at(format!("/{member}"));
        if name.trim().is_empty() || name.chars().count() > 256 {
            return Err(wrong("source", "a source has a name of 1 to 256 characters".into()));
        }
        if let Some(url) = &self.url
            && !(url.starts_with("http://") || url.starts_with("https://"))
        {
            return Err(wrong("url", format!("'{url}' is no http or https address")));
        }
        if self.every_minutes.is_some_and(|minutes| minutes < EVERY_LEAST) {
            return Err(wrong("every_minutes", format!("every_minutes must be {EVERY_LEAST} or more")));
        }
        let guard = self.guard.unwrap_or(0.3);
        if !(0.0..=1.0).contains(&guard) {
            return Err(wrong("guard", format!("guard is {guard}, it must be 0 to 1")));
        }
        let currency = self
            .currency
            .as_deref()
            .map(str::parse)
            .transpose()
            .map_err(|e| wrong("currency", format!("{e}")))?;
        let mapping = self
            .mapping
            .as_deref()
            .map(Mapping::parse)
            .transpose()
            .map_err(|e| wrong("mapping", e.to_string()))?;
        Ok(SyncOptions {
            source: name.to_owned(),
            feed: Settings {
                currency,
                shop_domain: self.shop_domain.clone(),
                uploads_url: self.uploads_url.clone(),
                base_url: self.base_url.clone(),
                language: self.language.clone(),
                mapping,
                ..Settings::default()
            },
            missing: match run.delete_missing.unwrap_or(self.delete_missing) {
                DeleteMissing::Ask => Missing::Ask,
                DeleteMissing::Yes => Missing::Remove,
                DeleteMissing::No => Missing::Keep,
            },
            guard,
            dry_run: run.dry_run,
            recheck: run.recheck,
            placeholder_over: self.placeholder_over.unwrap_or(100),
            policy: Policy { allow: allow.to_vec(), ..Policy::default() },
            ..SyncOptions::default()
        })
    }
}

/// Blocking: the settings of a source.
pub(crate) fn settings(shop: &Shop, name: &str) -> Result<SourceSettings, Problem> {
    let all = shop.sync_state()?.sources()?;
    let (_, body) = all.into_iter().find(|(known, _)| known == name).ok_or_else(|| {
        Problem::new(&SOURCE_NOT_FOUND, format!("there is no source '{name}' in this catalogue"))
    })?;
    serde_json::from_str(&body).map_err(|error| Problem::internal(&error))
}

/// Blocking: begins a run as a job of its own. `upload`: a feed that was sent.
pub(crate) fn run(
    app: &App,
    shop: &Arc<Shop>,
    name: &str,
    run: RunSettings,
    upload: Option<std::fs::File>,
) -> Result<Handle, Problem> {
    let settings = settings(shop, name)?;
    let options = settings.options(name, run, &app.options.allow_nets)?;
    let input = match (upload, settings.url) {
        (Some(file), _) => Input::Reader(Box::new(file)),
        (None, Some(url)) => Input::Address(url),
        (None, None) => {
            return Err(Problem::new(
                &BAD_REQUEST,
                "this source has no address; send the feed as the body of this request",
            ));
        }
    };
    let catalogue = shop.name().to_string();
    let handle = {
        // Two who ask at once: one of them gets the job.
        let _alone = app.jobs.beginning.lock();
        if let Some(running) = app.jobs.syncing(&catalogue, name) {
            let detail = format!(
                "source '{name}' is being synced by job {}; wait for it, or cancel it",
                running.job().id
            );
            return Err(Problem::new(&CONFLICT, detail));
        }
        app.jobs.begin("sync", Some(&catalogue), Some(name), "rows")
    };
    let (job, shop) = (handle.clone(), shop.clone());
    let spawned = std::thread::Builder::new().name(format!("sync-{catalogue}")).spawn(move || {
        job.start();
        let mut told = std::time::Instant::now();
        let signal = || job.signal();
        let report = shop.sync(input, &options, &signal, &mut |progress| {
            // Watchers are people; ten times a second is often enough.
            if told.elapsed() < Duration::from_millis(100) {
                return;
            }
            told = std::time::Instant::now();
            job.update(|job| {
                let p = &mut job.progress;
                let pictures = progress.pictures;
                p.stage = Some(match progress.stage {
                    Stage::Fetch => "fetch",
                    Stage::Parse => "parse",
                    Stage::Pictures => "pictures",
                    Stage::Publish => "publish",
                });
                (p.done, p.total, p.unit) = match progress.stage {
                    Stage::Fetch | Stage::Parse => (progress.counts.seen, 0, "rows".to_owned()),
                    _ => (
                        pictures.fetched + pictures.not_modified + pictures.failed,
                        pictures.wanted,
                        "pictures".to_owned(),
                    ),
                };
                job.counts = json!(progress.counts);
            });
        });
        finish(&job, report);
    });
    spawned.map_err(|error| {
        handle.update(|job| job.state = JobState::Failed);
        Problem::internal(&error)
    })?;
    Ok(handle)
}

fn finish(job: &Handle, report: twinset_engine::Result<SyncReport>) {
    job.update(|job| match report {
        Ok(report) => {
            job.state = match report.state.as_str() {
                "succeeded" => JobState::Succeeded,
                "needs_approval" => JobState::NeedsApproval,
                "cancelled" => JobState::Cancelled,
                _ => JobState::Failed,
            };
            if let Some(error) = &report.error {
                // Of the operator's own source: what was wrong with it is for them to read.
                job.problem =
                    Some(json!(Problem::new(&crate::problem::SYNC_FAILED, error.clone()).body(None)));
            }
            job.counts = json!(report.counts);
            (job.progress.done, job.progress.unit) = (report.counts.seen, "rows".into());
            job.progress.total = report.counts.seen;
            job.result = json!(report);
        }
        Err(error) => {
            job.state = JobState::Failed;
            job.problem = Some(json!(Problem::from(error).body(None)));
        }
    });
}

/// Runs sources that are due, until the server is gone.
pub(crate) fn schedule(shared: Weak<Shared>) {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
    runtime.spawn(async move {
        loop {
            tokio::time::sleep(TICK).await;
            let Some(shared) = shared.upgrade() else { return };
            let app = App::from(shared);
            let looked = tokio::task::spawn_blocking(move || run_due(&app)).await;
            if let Ok(Err(problem)) = looked {
                tracing::warn!(code = problem.code().name, "sources could not be looked at");
            }
        }
    });
}

/// Blocking.
fn run_due(app: &App) -> Result<(), Problem> {
    for name in app.engine.catalogues()? {
        let Ok(shop) = app.shop(name.as_str()) else { continue };
        for (source, body) in shop.sync_state()?.sources()? {
            let Ok(settings) = serde_json::from_str::<SourceSettings>(&body) else { continue };
            let Some(minutes) = settings.every_minutes.filter(|_| !settings.paused && settings.url.is_some())
            else {
                continue;
            };
            let last = shop.sync_state()?.runs(Some(&source), 1)?.first().map_or(0, |run| run.started_ms);
            if crate::clock::now_ms().saturating_sub(last) < minutes * 60_000
                || app.jobs.syncing(name.as_str(), &source).is_some()
            {
                continue;
            }
            if let Err(problem) = run(app, &shop, &source, RunSettings::default(), None) {
                tracing::warn!(catalogue = %name, source, code = problem.code().name, "a scheduled run could not begin");
            }
        }
    }
    Ok(())
}
