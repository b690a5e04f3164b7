//! Jobs: list, read, watch, pause, cancel.

use super::sources::at;
use crate::jobs::{Handle, Job};
use crate::listing::{PartOfAll, after_number, part};
use crate::problem::{Problem, ProblemBody};
use crate::receive::{Params, body, json};
use crate::state::App;
use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use twinset_engine::Signal;
use utoipa::ToSchema;

/// The latest jobs.
#[derive(Serialize, ToSchema)]
pub(crate) struct JobList {
    /// The newest first.
    items: Vec<Job>,
    /// Null at the end.
    next: Option<String>,
}

/// What a job is to do.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct JobOrder {
    state: JobWish,
}

/// Stand still or go on.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum JobWish {
    /// Stand still.
    Paused,
    /// Go on.
    Running,
    /// End.
    Cancelled,
}

/// 202 with the job and where to ask for it.
pub(crate) type Accepted = (StatusCode, [(HeaderName, String); 2], Json<Job>);

pub(crate) fn accepted(handle: &Handle) -> Accepted {
    let job = handle.job();
    let headers = [at(format!("/v1/jobs/{}", job.id)), (header::RETRY_AFTER, "1".to_owned())];
    (StatusCode::ACCEPTED, headers, Json(job))
}

/// List the latest jobs.
#[utoipa::path(get, path = "/v1/jobs", tag = "jobs", operation_id = "list_jobs", params(PartOfAll), responses((status = 200, body = JobList), (status = 400, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(crate) async fn list(
    State(app): State<App>,
    Params(PartOfAll { catalogue, limit, after }): Params<PartOfAll>,
) -> Result<Json<JobList>, Problem> {
    let (limit, before) = (limit.get()?, after_number(after.as_deref())?);
    let jobs = app.jobs.list(catalogue.as_deref(), before, limit + 1);
    let (items, next) = part(jobs, limit, |(number, _)| number.to_string());
    Ok(Json(JobList { items: items.into_iter().map(|(_, job)| job).collect(), next }))
}

/// Read one job.
#[utoipa::path(
    get, path = "/v1/jobs/{job}", tag = "jobs", operation_id = "get_job", params(("job" = String, Path)),
    responses((status = 200, body = Job), (status = 404, body = ProblemBody))
)]
pub(crate) async fn get(State(app): State<App>, Path(job): Path<String>) -> Result<Json<Job>, Problem> {
    Ok(Json(app.jobs.find(&job)?.job()))
}

/// Pause a job, let it go on, or cancel it.
#[utoipa::path(
    patch, path = "/v1/jobs/{job}", tag = "jobs", operation_id = "patch_job", params(("job" = String, Path)), request_body(content = JobOrder),
    responses((status = 200, body = Job), (status = 400, body = ProblemBody), (status = 404, body = ProblemBody))
)]
pub(crate) async fn patch(
    State(app): State<App>,
    Path(job): Path<String>,
    request: Request,
) -> Result<Json<Job>, Problem> {
    let handle = app.jobs.find(&job)?;
    let order: JobOrder = json(&body(request).await?)?;
    handle.order(match order.state {
        JobWish::Paused => Signal::Pause,
        JobWish::Running => Signal::Go,
        JobWish::Cancelled => Signal::Stop,
    });
    Ok(Json(handle.job()))
}

/// Cancel a job.
///
/// It ends at the next point from which it could go on; what it had done stays. A job that is over stays as it is.
#[utoipa::path(
    delete, path = "/v1/jobs/{job}", tag = "jobs", operation_id = "cancel_job", params(("job" = String, Path)),
    responses((status = 202, body = Job), (status = 404, body = ProblemBody))
)]
pub(crate) async fn delete(State(app): State<App>, Path(job): Path<String>) -> Result<Accepted, Problem> {
    let handle = app.jobs.find(&job)?;
    handle.order(Signal::Stop);
    Ok(accepted(&handle))
}

/// Watch a job: server-sent events, each with the whole job.
///
/// `progress` while it works, `end` once and last.
#[utoipa::path(
    get, path = "/v1/jobs/{job}/events", tag = "jobs", operation_id = "watch_job", params(("job" = String, Path)),
    responses((status = 200, body = Job, content_type = "text/event-stream"), (status = 404, body = ProblemBody))
)]
pub(crate) async fn events(
    State(app): State<App>,
    Path(job): Path<String>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let handle = app.jobs.find(&job)?;
    // The state of now first, then every change that there is time for.
    let mut changes = handle.watch();
    changes.mark_changed();
    let stream = futures_util::stream::unfold(Some((handle, changes)), |watching| async move {
        let (handle, mut changes) = watching?;
        changes.changed().await.ok()?;
        let job = handle.job();
        let over = job.state.is_over();
        let event = Event::default().event(if over { "end" } else { "progress" }).json_data(&job).ok()?;
        Some((Ok(event), (!over).then_some((handle, changes))))
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::default()))
}
