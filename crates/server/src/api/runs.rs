//! Training runs: their curves, and beginning one.

use super::jobs::{Accepted, accepted};
use crate::jobs::Job;
use crate::problem::{INVALID_VALUE, Problem, ProblemBody};
use crate::receive::{body, is_json, json, kind, wrong_kind};
use crate::state::App;
use crate::training::{self, Run};
use axum::Json;
use axum::extract::{Path, Request, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

const STEPS_MOST: u64 = 1_000_000;

/// Trainings whose folders lie in the home.
#[derive(Serialize, ToSchema)]
pub(crate) struct TrainingList {
    /// The newest first.
    items: Vec<Run>,
    /// Always null: there are few.
    next: Option<String>,
}

/// Runs that a job of this server works on now.
fn running(app: &App) -> Vec<String> {
    let at_work = app.jobs.under_way().into_iter().filter(|job| job.kind == "training");
    at_work.filter_map(|job| Some(job.result["run"].as_str()?.to_owned())).collect()
}

/// List training runs.
///
/// Those under `runs` in the home: begun here, or by `twinset train --run HOME/runs/NAME`.
#[utoipa::path(get, path = "/v1/runs", tag = "models", operation_id = "list_trainings", responses((status = 200, body = TrainingList)))]
pub(crate) async fn list(State(app): State<App>) -> Result<Json<TrainingList>, Problem> {
    let state = app.clone();
    let work = move || Ok::<_, Problem>(training::runs(state.engine.home(), &running(&state)));
    Ok(Json(TrainingList { items: app.store.run(work).await?, next: None }))
}

/// Read one training run.
#[utoipa::path(
    get, path = "/v1/runs/{run}", tag = "models", operation_id = "get_training", params(("run" = String, Path)),
    responses((status = 200, body = Run), (status = 404, body = ProblemBody))
)]
pub(crate) async fn get(State(app): State<App>, Path(run): Path<String>) -> Result<Json<Run>, Problem> {
    let state = app.clone();
    let work = move || training::run(state.engine.home(), &run, &running(&state));
    Ok(Json(app.store.run(work).await?))
}

/// What to train.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TrainingOrder {
    /// Whose products it learns from.
    catalogue: String,
    /// Optimiser steps; 300 if left out.
    #[serde(default)]
    steps: Option<u64>,
}

/// Fit the embedder to a catalogue's products.
///
/// Answers with a job: a process of its own at a low priority. The new model is measured on held-out products; one that
/// is better is kept with the others, to be promoted.
#[utoipa::path(
    post, path = "/v1/runs", tag = "models", operation_id = "create_training", request_body(content = TrainingOrder),
    responses((status = 202, body = Job), (status = 400, body = ProblemBody), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody), (status = 415, body = ProblemBody), (status = 422, body = ProblemBody))
)]
pub(crate) async fn create(State(app): State<App>, request: Request) -> Result<Accepted, Problem> {
    let kind = kind(request.headers());
    if !is_json(&kind) {
        return Err(wrong_kind(&kind, "application/json"));
    }
    let TrainingOrder { catalogue, steps } = json(&body(request).await?)?;
    if steps.is_some_and(|steps| !(1..=STEPS_MOST).contains(&steps)) {
        return Err(Problem::new(&INVALID_VALUE, format!("steps must be 1 to {STEPS_MOST}")).at("/steps"));
    }
    let state = app.clone();
    let work = move || training::begin(&state, &*state.shop(&catalogue)?, steps);
    Ok(accepted(&app.store.run(work).await?))
}
