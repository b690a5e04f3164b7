//! Evaluations: how well a catalogue finds its own products, measured now and kept to be compared.

use super::jobs::{Accepted, accepted};
use crate::clock::now_ms;
use crate::guard::new_id;
use crate::jobs::Job;
use crate::listing::{PartOfAll, part};
use crate::problem::{EVALUATION_NOT_FOUND, INVALID_VALUE, Problem, ProblemBody};
use crate::receive::{Params, body, is_json, json, kind, wrong_kind};
use crate::shelf::Evaluation;
use crate::state::App;
use axum::Json;
use axum::extract::{Path, Request, State};
use serde::{Deserialize, Serialize};
use serde_json::json;
use twinset_engine::{Measured, RECALL_AT, Signal};
use utoipa::ToSchema;

/// Fewer products with several pictures than this say nothing.
const PRODUCTS_NEEDED: usize = 2;

/// Evaluations that were made.
#[derive(Serialize, ToSchema)]
pub(crate) struct EvaluationList {
    /// The newest first.
    items: Vec<Evaluation>,
    /// Null at the end.
    next: Option<String>,
}

/// List evaluations.
#[utoipa::path(get, path = "/v1/evaluations", tag = "models", operation_id = "list_evaluations", params(PartOfAll), responses((status = 200, body = EvaluationList), (status = 400, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(crate) async fn list(
    State(app): State<App>,
    Params(PartOfAll { catalogue, limit, after }): Params<PartOfAll>,
) -> Result<Json<EvaluationList>, Problem> {
    let (limit, state) = (limit.get()?, app.clone());
    let work = move || state.shelf.evaluations(catalogue.as_deref(), after.as_deref(), limit + 1);
    let (items, next) = part(app.store.run(work).await?, limit, |made| made.id.clone());
    Ok(Json(EvaluationList { items, next }))
}

/// Read one evaluation.
#[utoipa::path(
    get, path = "/v1/evaluations/{evaluation}", tag = "models", operation_id = "get_evaluation", params(("evaluation" = String, Path)),
    responses((status = 200, body = Evaluation), (status = 404, body = ProblemBody))
)]
pub(crate) async fn get(
    State(app): State<App>,
    Path(evaluation): Path<String>,
) -> Result<Json<Evaluation>, Problem> {
    let state = app.clone();
    let work = move || {
        state.shelf.evaluation(&evaluation)?.ok_or_else(|| {
            Problem::new(&EVALUATION_NOT_FOUND, format!("there is no evaluation '{evaluation}'"))
        })
    };
    Ok(Json(app.store.run(work).await?))
}

/// What to measure.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"catalogue": "main"}))]
pub(crate) struct EvaluationOrder {
    /// Which catalogue.
    catalogue: String,
}

/// Measure how well a catalogue finds its own products.
///
/// Each picture of a product that shows several must find that product by its other pictures. Answers with a job, whose
/// result is the evaluation; at most 400 products are asked for, two pictures of each.
#[utoipa::path(
    post, path = "/v1/evaluations", tag = "models", operation_id = "create_evaluation", request_body(content = EvaluationOrder),
    responses((status = 202, body = Job), (status = 400, body = ProblemBody), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody), (status = 415, body = ProblemBody))
)]
pub(crate) async fn create(State(app): State<App>, request: Request) -> Result<Accepted, Problem> {
    let kind = kind(request.headers());
    if !is_json(&kind) {
        return Err(wrong_kind(&kind, "application/json"));
    }
    let EvaluationOrder { catalogue } = json(&body(request).await?)?;
    let state = app.clone();
    let work = move || {
        let shop = state.shop(&catalogue)?;
        let weak = state.weak();
        state.jobs.spawn("evaluation", &catalogue, "queries", move |job| {
            let measured = shop.measure(&mut |done, total| {
                job.update(|job| (job.progress.done, job.progress.total) = (done, total));
                job.signal() != Signal::Stop
            })?;
            let Some(measured) = measured else { return Ok(None) };
            if measured.products < PRODUCTS_NEEDED {
                let detail = "no product shows several pictures, so nothing can be asked; add a second picture to some";
                return Err(Problem::new(&INVALID_VALUE, detail).at("/catalogue"));
            }
            let made = Evaluation {
                id: new_id(),
                catalogue: shop.name().to_string(),
                model: shop.vision().name(),
                at: now_ms(),
                report: report(&measured),
            };
            // A server that ends meanwhile has nobody left to ask for it.
            if let Some(shared) = weak.upgrade() {
                shared.shelf.keep(&made)?;
            }
            Ok(Some(json!(made)))
        })
    };
    Ok(accepted(&app.store.run(work).await?))
}

/// In the words of `twinset eval retrieval`.
fn report(measured: &Measured) -> serde_json::Value {
    let recall: serde_json::Map<_, _> =
        RECALL_AT.iter().zip(measured.recall).map(|(k, value)| (k.to_string(), json!(value))).collect();
    let categories: serde_json::Map<_, _> = measured
        .by_category
        .iter()
        .map(|(name, (queries, first))| {
            (name.clone(), json!({ "queries": queries, "recall": { "1": first } }))
        })
        .collect();
    let worst: Vec<_> = measured
        .worst
        .iter()
        .map(|one| {
            let first =
                one.first.as_ref().map(|(product, image)| json!({ "product": product, "image": image }));
            json!({ "product": one.product, "image": one.image, "rank": one.rank, "first": first })
        })
        .collect();
    json!({
        "queries": measured.questions, "products": measured.products, "gallery": measured.gallery,
        "recall": recall, "mrr": measured.mrr, "by_category": categories, "worst": worst,
        "ms_per_query": { "search": measured.ms },
    })
}
