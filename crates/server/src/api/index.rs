//! The index of a catalogue: how far it is, how well it finds, and its upkeep.

use super::health::folder_bytes;
use super::jobs::{Accepted, accepted};
use crate::clock::rfc3339;
use crate::jobs::Job;
use crate::problem::{Problem, ProblemBody};
use crate::state::App;
use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use serde_json::json;
use std::path::Path as FilePath;
use twinset_engine::{Goal, IndexStatus, Quantiles, Reading, Shop, State as IndexState};
use utoipa::ToSchema;

/// Kinds of differences that a report tells the ids of, at most so many each.
const TOLD: usize = 20;

/// How far the index of a catalogue is, and what befell it since the server opened it.
#[derive(Serialize, ToSchema)]
pub(crate) struct IndexShape {
    /// `ready`, `catching_up`, `rebuilding` or `closed`.
    state: &'static str,
    /// The last durable change.
    change: u64,
    /// The last searchable one.
    snapshot: u64,
    /// The last one in the saved index.
    saved: u64,
    /// Pictures of products that are searchable.
    items: u64,
    /// Removed pictures that searches still walk through, until they are swept; never among the results.
    removed: u64,
    /// `exact` (everything is compared) or `graph`.
    kind: &'static str,
    /// What the graph takes in memory.
    memory_bytes: u64,
    /// What the saved index takes on the disk.
    file_bytes: u64,
    /// Hash of the models whose vectors it holds.
    model: String,
    pictures: PictureCounts,
    /// Damaged index files that were set aside.
    quarantined: usize,
    /// It does not get on; the log says why.
    trouble: bool,
    /// From acknowledged to searchable, over the latest changes.
    searchable: Times,
    /// From removed to gone, over the latest changes.
    gone: Times,
    goal: GoalShape,
    /// Measured on a sample of the real queries, in idle time, by how much their filters let pass.
    recall: Vec<RecallShape>,
    /// Backups under `snapshots` in the home, the newest first.
    snapshots: Vec<SnapshotShape>,
}

/// Pictures since the server opened the catalogue.
#[derive(Serialize, ToSchema)]
pub(crate) struct PictureCounts {
    /// Looked at.
    computed: u64,
    /// Whose stored features were used again.
    reused: u64,
    /// Of the catalogue, that cannot be read.
    unreadable: u64,
    /// Whose stored features were damaged and computed again.
    damaged: u64,
}

/// How long something took.
#[derive(Serialize, ToSchema)]
pub(crate) struct Times {
    count: u64,
    p50_ms: f64,
    p99_ms: f64,
}

impl From<Quantiles> for Times {
    fn from(Quantiles { count, p50_ms, p99_ms }: Quantiles) -> Self {
        Self { count, p50_ms, p99_ms }
    }
}

/// What searches aim at: one of the two.
#[derive(Serialize, ToSchema)]
pub(crate) struct GoalShape {
    #[serde(skip_serializing_if = "Option::is_none")]
    recall: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    index_ms: Option<f64>,
}

/// Recall against exact search.
#[derive(Serialize, ToSchema)]
pub(crate) struct RecallShape {
    /// How much the filters of these queries let pass.
    filter: &'static str,
    queries: usize,
    /// Share of the ten nearest that was found.
    value: f64,
    /// Lower end of its 95 % interval.
    low: f64,
    /// Upper end of its 95 % interval.
    high: f64,
    /// Mean time of the index.
    ms: f64,
    /// Candidates kept on the way; set by what was measured.
    effort: usize,
}

impl From<Reading> for RecallShape {
    fn from(reading: Reading) -> Self {
        let [value, low, high] = reading.recall;
        let Reading { queries, ms, effort, .. } = reading;
        Self { filter: reading.filter.name(), queries, value, low, high, ms, effort }
    }
}

/// A backup.
#[derive(Serialize, ToSchema)]
pub(crate) struct SnapshotShape {
    /// In the home.
    file: String,
    bytes: u64,
    at: String,
}

fn shape(shop: &Shop, home: &FilePath) -> Result<IndexShape, Problem> {
    let status: IndexStatus = shop.index_status()?;
    Ok(IndexShape {
        state: match status.state {
            IndexState::Ready => "ready",
            IndexState::CatchingUp => "catching_up",
            IndexState::Rebuilding => "rebuilding",
            IndexState::Closed => "closed",
        },
        change: status.last_seq,
        snapshot: status.seq,
        saved: status.saved_seq,
        items: status.items,
        removed: status.removed,
        kind: if status.exact { "exact" } else { "graph" },
        memory_bytes: status.bytes,
        file_bytes: saved_bytes(shop.catalogue().dir()),
        model: status.model,
        pictures: PictureCounts {
            computed: status.computed,
            reused: status.reused,
            unreadable: status.unreadable,
            damaged: status.damaged_features,
        },
        quarantined: status.quarantined.len(),
        trouble: status.last_error.is_some(),
        searchable: status.freshness.searchable.into(),
        gone: status.freshness.gone.into(),
        goal: match status.goal {
            Goal::Recall(share) => GoalShape { recall: Some(share), index_ms: None },
            Goal::LatencyMs(ms) => GoalShape { recall: None, index_ms: Some(ms) },
        },
        recall: status.recall.into_iter().map(RecallShape::from).collect(),
        snapshots: snapshots(home, shop.name().as_str()),
    })
}

/// Of the folders of all generations.
fn saved_bytes(catalogue: &FilePath) -> u64 {
    let entries = std::fs::read_dir(catalogue).into_iter().flatten().flatten();
    let generations = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("index"));
    generations.map(|folder| folder_bytes(&folder.path())).sum()
}

fn snapshots(home: &FilePath, catalogue: &str) -> Vec<SnapshotShape> {
    let entries = std::fs::read_dir(home.join("snapshots").join(catalogue)).into_iter().flatten().flatten();
    let mut found: Vec<(std::time::SystemTime, SnapshotShape)> = entries
        .filter(|file| file.path().extension().is_some_and(|end| end == "db"))
        .filter_map(|file| {
            let about = file.metadata().ok()?;
            let at = about.modified().ok()?;
            let ms = at.duration_since(std::time::UNIX_EPOCH).ok()?.as_millis();
            let name = format!("snapshots/{catalogue}/{}", file.file_name().to_string_lossy());
            let at_text = rfc3339(u64::try_from(ms).ok()?);
            Some((at, SnapshotShape { file: name, bytes: about.len(), at: at_text }))
        })
        .collect();
    found.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    found.into_iter().map(|(_, snapshot)| snapshot).collect()
}

/// How is the index of a catalogue?
#[utoipa::path(
    get, path = "/v1/catalogues/{catalogue}/index", tag = "index", operation_id = "get_index", params(("catalogue" = String, Path)),
    responses((status = 200, body = IndexShape), (status = 404, body = ProblemBody))
)]
pub(crate) async fn get(
    State(app): State<App>,
    Path(catalogue): Path<String>,
) -> Result<Json<IndexShape>, Problem> {
    let state = app.clone();
    let work = move || shape(&*state.shop(&catalogue)?, state.engine.home());
    Ok(Json(app.store.run(work).await?))
}

/// Compare the index and its saved file with the catalogue.
///
/// Answers with a job; everything goes on meanwhile. Its result tells what is missing, too much or not found as itself.
#[utoipa::path(
    post, path = "/v1/catalogues/{catalogue}/index:verify", tag = "index", operation_id = "verify_index", params(("catalogue" = String, Path)),
    responses((status = 202, body = Job), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody))
)]
pub(crate) async fn verify(
    State(app): State<App>,
    Path(catalogue): Path<String>,
) -> Result<Accepted, Problem> {
    let state = app.clone();
    let work = move || {
        let shop = state.shop(&catalogue)?;
        state.jobs.spawn("verify", &catalogue, "pictures", move |job| {
            let report = shop.verify_index()?;
            job.update(|job| (job.progress.done, job.progress.total) = (report.checked, report.checked));
            let some = |items: &[u32]| items.iter().take(TOLD).copied().collect::<Vec<_>>();
            Ok(Some(json!({
                "sound": report.is_sound(), "snapshot": report.seq, "checked": report.checked, "searched": report.searched,
                "missing": report.missing.len(), "extra": report.extra.len(), "wrong": report.wrong.len(),
                "file": report.file.is_none(),
                "examples": { "missing": some(&report.missing), "extra": some(&report.extra), "wrong": some(&report.wrong) },
            })))
        })
    };
    Ok(accepted(&app.store.run(work).await?))
}

/// Make the index anew from the catalogue.
///
/// Answers with a job. The present index goes on answering until the new one takes its place.
#[utoipa::path(
    post, path = "/v1/catalogues/{catalogue}/index:rebuild", tag = "index", operation_id = "rebuild_index", params(("catalogue" = String, Path)),
    responses((status = 202, body = Job), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody))
)]
pub(crate) async fn rebuild(
    State(app): State<App>,
    Path(catalogue): Path<String>,
) -> Result<Accepted, Problem> {
    let state = app.clone();
    let work = move || {
        let shop = state.shop(&catalogue)?;
        state.jobs.spawn("rebuild", &catalogue, "changes", move |job| {
            let snapshot = shop.rebuild_index(|done, total| {
                job.update(|job| (job.progress.done, job.progress.total) = (done, total));
            })?;
            Ok(Some(json!({ "snapshot": snapshot })))
        })
    };
    Ok(accepted(&app.store.run(work).await?))
}
