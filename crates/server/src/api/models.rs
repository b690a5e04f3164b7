//! The model packages of this home, and taking one into use.

use super::jobs::{Accepted, accepted};
use crate::jobs::Job;
use crate::problem::{INVALID_VALUE, MODEL_NOT_FOUND, Problem, ProblemBody};
use crate::receive::{body, is_json, json, kind, wrong_kind};
use crate::state::App;
use axum::Json;
use axum::extract::{Path, Request, State};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use twinset_engine::{Contest, Marks, Pace, Taken, Terms};
use twinset_nets::Package;
use utoipa::ToSchema;

/// A model package.
#[derive(Serialize, ToSchema)]
pub(crate) struct ModelShape {
    name: String,
    /// `detector` or `embedder`.
    kind: String,
    /// Content hash, 64 hex digits.
    hash: String,
    /// It comes with the program.
    shipped: bool,
    /// Catalogues for which it answers.
    used_by: Vec<String>,
    /// As its card says.
    #[schema(value_type = Option<Object>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    quality: Option<Value>,
}

/// Model packages, and what became of the last changes of models.
#[derive(Serialize, ToSchema)]
pub(crate) struct ModelList {
    items: Vec<ModelShape>,
    /// Always null: there are few.
    next: Option<String>,
    /// By catalogue the latest job that changes its models.
    promotions: std::collections::BTreeMap<String, Job>,
}

/// Of jobs that change the models of a catalogue.
const KIND: &str = "models";

/// List the model packages.
#[utoipa::path(get, path = "/v1/models", tag = "models", operation_id = "list_models", responses((status = 200, body = ModelList)))]
pub(crate) async fn list(State(app): State<App>) -> Result<Json<ModelList>, Problem> {
    let state = app.clone();
    let work = move || {
        let mut using = Vec::new();
        let mut promotions = std::collections::BTreeMap::new();
        for name in state.engine.catalogues()? {
            using.push((state.engine.catalogue(&name)?.vision().packages(), name.to_string()));
            if let Some(job) = state.jobs.latest(KIND, name.as_str()) {
                promotions.insert(name.to_string(), job);
            }
        }
        let items = state.engine.models().list()?.into_iter().map(|known| {
            let (hash, card) = (known.hash, known.card);
            ModelShape {
                name: card.name.clone(),
                kind: card.kind.clone(),
                hash: hash.to_string(),
                shipped: known.shipped,
                used_by: using
                    .iter()
                    .filter(|(packages, _)| packages.contains(&hash))
                    .map(|(_, name)| name.clone())
                    .collect(),
                quality: card.rest.get("quality").cloned(),
            }
        });
        Ok::<_, Problem>(ModelList { items: items.collect(), next: None, promotions })
    };
    Ok(Json(app.store.run(work).await?))
}

/// For which catalogue, and on what terms.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Promotion {
    /// Whose models change.
    catalogue: String,
    /// Also if it finds less, or if nothing can be said about that.
    #[serde(default)]
    force: bool,
    /// Share of its time that the building works, above 0 and at most 1; 0.7 if left out.
    #[serde(default)]
    share: Option<f32>,
}

/// Take a model into use: `{model}:promote`, or `previous:rollback`.
///
/// `{model}` is a hash, its first digits, or a name; the other kind stays as it is. Built beside the one that answers,
/// compared on the catalogue's own products, swapped. A job; cancelled, the same call goes on from there.
#[utoipa::path(
    post, path = "/v1/models/{model}", tag = "models", operation_id = "promote_model",
    params(("model" = String, Path, description = "`NAME:promote`, or `previous:rollback`")), request_body(content = Promotion),
    responses((status = 202, body = Job), (status = 400, body = ProblemBody), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody), (status = 415, body = ProblemBody), (status = 422, body = ProblemBody))
)]
pub(crate) async fn promote(
    State(app): State<App>,
    Path(model): Path<String>,
    request: Request,
) -> Result<Accepted, Problem> {
    let kind = kind(request.headers());
    if !is_json(&kind) {
        return Err(wrong_kind(&kind, "application/json"));
    }
    let promotion_of: Promotion = json(&body(request).await?)?;
    let share = promotion_of.share.unwrap_or(Pace::default().share);
    if !(share > 0.0 && share <= 1.0) {
        return Err(Problem::new(&INVALID_VALUE, "share must be above 0 and at most 1").at("/share"));
    }
    let state = app.clone();
    let work = move || {
        let shop = state.shop(&promotion_of.catalogue)?;
        let catalogue = shop.name().to_string();
        if model == "previous:rollback" {
            return state.jobs.alone(KIND, &catalogue, move |_| {
                Ok(Some(json!({ "in_use": true, "model": shop.rollback()?.name() })))
            });
        }
        let Some(name) = model.strip_suffix(":promote") else {
            return Err(Problem::new(&MODEL_NOT_FOUND, "POST to NAME:promote or previous:rollback"));
        };
        let package = state.engine.models().find(name)?;
        let in_use = shop.vision().packages();
        let of_kind = |kind: &str, hash: twinset_nets::ModelHash| -> Result<Package, Problem> {
            match package.card().kind == kind {
                true => Ok(package.clone()),
                false => Ok(state.engine.models().find(&hash.to_string())?),
            }
        };
        let (detector, embedder) = (of_kind("detector", in_use[0])?, of_kind("embedder", in_use[1])?);
        let terms = Terms { pace: Pace { share, ..Pace::default() }, force: promotion_of.force };
        state.jobs.alone(KIND, &catalogue, move |progress| {
            let (in_use, contest) = match shop.use_models(&detector, &embedder, terms, progress)? {
                Taken::InUse(contest) => (true, contest),
                Taken::Worse(contest) | Taken::Unknown(contest) => (false, contest),
                Taken::Stopped => return Ok(None),
            };
            let told =
                json!({ "in_use": in_use, "model": shop.vision().name(), "contest": contest_json(&contest) });
            Ok(Some(told))
        })
    };
    Ok(accepted(&app.store.run(work).await?))
}

fn contest_json(contest: &Contest) -> Value {
    let marks =
        |m: &Marks| json!({ "recall_1": m.first, "recall_10": m.first_ten, "mrr": m.reciprocal_rank });
    json!({
        "products": contest.products, "questions": contest.questions,
        "old": marks(&contest.old), "new": marks(&contest.new), "mrr_gain": contest.gain,
    })
}
