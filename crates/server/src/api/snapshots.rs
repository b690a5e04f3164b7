//! Backups of a whole catalogue while it is used.

use super::jobs::{Accepted, accepted};
use crate::jobs::{Job, JobState};
use crate::problem::{Problem, ProblemBody};
use crate::state::App;
use axum::extract::{Path, State};
use serde_json::json;

/// Copy a catalogue into one file under `snapshots` in the home.
///
/// Answers with a job. `twinset snapshot restore` makes a catalogue of the file, here or elsewhere.
#[utoipa::path(
    post, path = "/v1/catalogues/{catalogue}/snapshots", tag = "catalogues", operation_id = "create_snapshot", params(("catalogue" = String, Path)),
    responses((status = 202, body = Job), (status = 404, body = ProblemBody))
)]
pub(crate) async fn create(
    State(app): State<App>,
    Path(catalogue): Path<String>,
) -> Result<Accepted, Problem> {
    let state = app.clone();
    let name = catalogue.clone();
    let shop = app.store.run(move || state.shop(&name)).await?;
    let handle = app.jobs.begin("backup", Some(&catalogue), None, "bytes");
    let job = handle.clone();
    let folder = app.engine.home().join("snapshots").join(shop.name().as_str());
    tokio::task::spawn_blocking(move || {
        job.start();
        let path = folder.join(format!("{}.db", crate::clock::now_ms()));
        let made = std::fs::create_dir_all(&folder).map_err(|error| Problem::internal(&error));
        let done = made.and_then(|()| Ok(shop.snapshot(&path)?));
        job.update(|job| match done {
            Ok(seq) => {
                let bytes = std::fs::metadata(&path).map_or(0, |file| file.len());
                (job.progress.done, job.progress.total) = (bytes, bytes);
                job.state = JobState::Succeeded;
                // The name in the home, never the home's place: that is no business of a caller.
                let file = format!(
                    "snapshots/{}/{}",
                    shop.name(),
                    path.file_name().unwrap_or_default().to_string_lossy()
                );
                job.result = json!({ "file": file, "change": seq, "bytes": bytes });
            }
            Err(problem) => {
                job.state = JobState::Failed;
                job.problem = Some(json!(problem.body(None)));
            }
        });
    });
    Ok(accepted(&handle))
}
