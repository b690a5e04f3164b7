//! Doubts about claims and pictures: run an audit, list what it found, decide.

use super::jobs::{Accepted, accepted};
use crate::clock::rfc3339;
use crate::jobs::Job;
use crate::listing::{Limit, Part, after_number, part, unreadable};
use crate::problem::{FINDING_NOT_FOUND, Problem, ProblemBody};
use crate::receive::{Params, body, is_json, json, kind, wrong_kind};
use crate::state::App;
use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use twinset_catalogue::{Decision, Finding, FindingFilter, Tally};
use twinset_engine::AuditReport;
use utoipa::{IntoParams, ToSchema};

/// A doubt about one product: what the seller says, what is seen, how sure that is, and who says so.
#[derive(Serialize, ToSchema)]
#[schema(as = Finding)]
pub(crate) struct FindingShape {
    /// The same doubt about the same claim has the same id in every audit.
    id: String,
    product: String,
    /// `category`, `colour`, `title`, `copy`, `placeholder`, `overlay`, `border`, `collage`, `blurred`, `blank`,
    /// `too_small`.
    #[schema(example = "category")]
    kind: String,
    /// The member of the product that claims it.
    field: String,
    /// That the doubt is right, 0..=1.
    probability: f64,
    claimed: Vec<String>,
    /// Names with their probabilities, likeliest first.
    seen: Vec<(String, f64)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<String>,
    witnesses: Vec<WitnessShape>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// Left out while nobody has decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<DecisionShape>,
}

/// What a person decided.
#[derive(Serialize, ToSchema)]
pub(crate) struct DecisionShape {
    /// The doubt is right; else the claim stands.
    accepted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

/// A product that speaks for a finding.
#[derive(Serialize, ToSchema)]
pub(crate) struct WitnessShape {
    product: String,
    image: String,
    claimed: Vec<String>,
    /// 0..=1.
    likeness: f64,
}

fn shape((finding, decision): (Finding, Option<Decision>)) -> FindingShape {
    FindingShape {
        id: finding.id,
        product: finding.product,
        kind: finding.kind,
        field: finding.field,
        probability: finding.probability,
        claimed: finding.claimed,
        seen: finding.seen,
        image: finding.image,
        witnesses: finding
            .witnesses
            .into_iter()
            .map(|w| WitnessShape {
                product: w.product,
                image: w.image,
                claimed: w.claimed,
                likeness: w.likeness,
            })
            .collect(),
        detail: finding.detail,
        decision: decision.map(|d| DecisionShape { accepted: d.accepted, note: d.note }),
    }
}

/// Findings, most probable first.
#[derive(Serialize, ToSchema)]
pub(crate) struct FindingList {
    items: Vec<FindingShape>,
    /// What to give as `after` for the next part; left out at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Which findings.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct FindingParams {
    /// Of this kind.
    kind: Option<String>,
    /// About this product.
    product: Option<String>,
    /// `true`: decided; `false`: waiting for a decision.
    decided: Option<bool>,
    /// `next` of the page before.
    after: Option<String>,
    /// 1 to 500, 50 if left out.
    #[param(value_type = Option<usize>)]
    limit: Limit,
}

/// List what the last audit found.
#[utoipa::path(
    get, path = "/v1/catalogues/{catalogue}/findings", tag = "findings", operation_id = "list_findings",
    params(("catalogue" = String, Path), FindingParams),
    responses((status = 200, body = FindingList), (status = 400, body = ProblemBody), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody))
)]
pub(crate) async fn list(
    State(app): State<App>,
    Path(catalogue): Path<String>,
    Params(params): Params<FindingParams>,
) -> Result<Json<FindingList>, Problem> {
    let limit = params.limit.get()?;
    let place = |text: &str| {
        let (probability, id) = text.split_once(':')?;
        Some((probability.parse().ok()?, id.to_owned()))
    };
    let after = params.after.as_deref().map(|text| place(text).ok_or_else(unreadable)).transpose()?;
    let filter = FindingFilter { kind: params.kind, product: params.product, decided: params.decided };
    let state = app.clone();
    let work = move || {
        let shop = state.shop(&catalogue)?;
        // One more tells whether there are more.
        let found = shop.catalogue().findings(&filter, after.as_ref(), limit + 1)?;
        let (found, next) = part(found, limit, |(last, _)| format!("{}:{}", last.probability, last.id));
        Ok::<_, Problem>(FindingList { items: found.into_iter().map(shape).collect(), next })
    };
    Ok(Json(app.store.run(work).await?))
}

/// One audit in numbers.
#[derive(Serialize, ToSchema)]
pub(crate) struct AuditShape {
    /// RFC 3339: when it ended.
    at: String,
    /// Products that there were.
    products: u64,
    /// By the kind of finding; a kind that was not found is left out.
    #[schema(value_type = BTreeMap<String, TallyShape>)]
    kinds: BTreeMap<String, TallyShape>,
}

/// Findings of one kind in one audit.
#[derive(Serialize, ToSchema)]
pub(crate) struct TallyShape {
    /// All of them.
    found: u64,
    /// Those that nobody had decided about.
    open: u64,
}

/// Audits in numbers.
#[derive(Serialize, ToSchema)]
pub(crate) struct AuditList {
    /// The latest first.
    items: Vec<AuditShape>,
    /// Null at the end.
    next: Option<String>,
}

/// List the audits that were made, with how many findings each had: the trend.
#[utoipa::path(
    get, path = "/v1/catalogues/{catalogue}/audits", tag = "findings", operation_id = "list_audits",
    params(("catalogue" = String, Path), Part),
    responses((status = 200, body = AuditList), (status = 400, body = ProblemBody), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody))
)]
pub(crate) async fn audits(
    State(app): State<App>,
    Path(catalogue): Path<String>,
    Params(Part { limit, after }): Params<Part>,
) -> Result<Json<AuditList>, Problem> {
    let (limit, before) = (limit.get()?, after_number(after.as_deref())?);
    let state = app.clone();
    let work = move || {
        let made = state.shop(&catalogue)?.catalogue().audits(before, limit + 1)?;
        let (made, next) = part(made, limit, |audit| audit.audit.to_string());
        let told =
            |(kind, tally): (String, Tally)| (kind, TallyShape { found: tally.found, open: tally.open });
        let items = made.into_iter().map(|audit| AuditShape {
            at: rfc3339(audit.at_ms),
            products: audit.products,
            kinds: audit.found.into_iter().map(told).collect(),
        });
        Ok::<_, Problem>(AuditList { items: items.collect(), next })
    };
    Ok(Json(app.store.run(work).await?))
}

/// What a person decides. `null` takes a decision back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DecisionPatch {
    /// `accepted`: the doubt is right, searches trust this claim less; `dismissed`: the claim stands.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>, example = "accepted")]
    decision: Option<Verdict>,
    /// Why, for other people.
    #[serde(default)]
    note: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Accepted,
    #[serde(alias = "rejected")]
    Dismissed,
}

/// `null` is said, not left out.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Verdict>, D::Error> {
    Option::<Verdict>::deserialize(deserializer)
}

/// Accept or reject a finding, or take that back.
///
/// Nothing that the seller wrote is changed. Decisions outlive the audit; the export of clean labels has them.
#[utoipa::path(
    patch, path = "/v1/catalogues/{catalogue}/findings/{finding}", tag = "findings", operation_id = "decide_finding",
    params(("catalogue" = String, Path), ("finding" = String, Path)), request_body(content = DecisionPatch),
    responses((status = 204), (status = 400, body = ProblemBody), (status = 404, body = ProblemBody), (status = 415, body = ProblemBody))
)]
pub(crate) async fn decide(
    State(app): State<App>,
    Path((catalogue, finding)): Path<(String, String)>,
    request: Request,
) -> Result<StatusCode, Problem> {
    let kind = kind(request.headers());
    if !is_json(&kind) {
        return Err(wrong_kind(&kind, "application/merge-patch+json"));
    }
    let patch: DecisionPatch = json(&body(request).await?)?;
    let state = app.clone();
    let work = move || {
        let shop = state.shop(&catalogue)?;
        let accepted = patch.decision.map(|verdict| verdict == Verdict::Accepted);
        match shop.decide(&finding, accepted, patch.note.as_deref())? {
            true => Ok(StatusCode::NO_CONTENT),
            false => Err(Problem::new(&FINDING_NOT_FOUND, format!("there is no finding '{finding}'"))),
        }
    };
    app.store.run(work).await
}

/// How far the audit of a catalogue is: its latest job.
#[utoipa::path(
    get, path = "/v1/catalogues/{catalogue}/audit", tag = "findings", operation_id = "get_audit", params(("catalogue" = String, Path)),
    responses((status = 200, body = Job), (status = 204, description = "none since the server started"), (status = 404, body = ProblemBody))
)]
pub(crate) async fn audit(
    State(app): State<App>,
    Path(catalogue): Path<String>,
) -> Result<Result<Json<Job>, StatusCode>, Problem> {
    let state = app.clone();
    let work = move || {
        let shop = state.shop(&catalogue)?;
        Ok::<_, Problem>(state.jobs.latest("audit", shop.name().as_str()))
    };
    Ok(app.store.run(work).await?.map(Json).ok_or(StatusCode::NO_CONTENT))
}

/// Begin an audit, a job: it replaces the findings when it is done.
#[utoipa::path(
    post, path = "/v1/catalogues/{catalogue}/audit", tag = "findings", operation_id = "start_audit", params(("catalogue" = String, Path)),
    responses((status = 202, body = Job), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody))
)]
pub(crate) async fn start_audit(
    State(app): State<App>,
    Path(catalogue): Path<String>,
) -> Result<Accepted, Problem> {
    let state = app.clone();
    let work = move || {
        let shop = state.shop(&catalogue)?;
        state.jobs.alone("audit", &shop.name().to_string(), move |progress| {
            let told = |report: AuditReport| {
                json!({ "products": report.products, "pictures": report.pictures, "findings": report.findings })
            };
            Ok(shop.audit(progress)?.map(told))
        })
    };
    Ok(accepted(&app.store.run(work).await?))
}
