//! Sources and their runs.

use super::catalogues::etag;
use super::products::{Tagged, if_match, match_tag};
use crate::clock::rfc3339;
use crate::jobs::Job;
use crate::listing::{Part, after_number, part};
use crate::problem::{Problem, ProblemBody};
use crate::receive::{Params, body, is_json, json, kind, wrong_kind};
use crate::sources::{self, DeleteMissing, RunSettings, SourceSettings};
use crate::state::App;
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::io::{Seek, Write};
use twinset_engine::Shop;
use utoipa::{IntoParams, ToSchema};

/// Runs told with a source.
const RUNS: usize = 20;

/// A source with its latest runs.
#[derive(Serialize, ToSchema)]
pub(crate) struct SourceShape {
    name: String,
    settings: SourceSettings,
    /// The newest first.
    runs: Vec<RunShape>,
}

/// All sources of a catalogue.
#[derive(Serialize, ToSchema)]
pub(crate) struct SourceList {
    items: Vec<SourceShape>,
    /// Always absent: there are few.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// One run of a source.
#[derive(Serialize, ToSchema)]
pub(crate) struct RunShape {
    run: u64,
    /// As of a job.
    state: String,
    /// RFC 3339.
    started_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<String>,
    /// Counts, findings by kind, pictures that could not be had.
    #[serde(skip_serializing_if = "Value::is_null")]
    #[schema(value_type = Option<Object>)]
    report: Value,
}

/// Runs of a source.
#[derive(Serialize, ToSchema)]
pub(crate) struct RunList {
    items: Vec<RunShape>,
    /// Null at the end.
    next: Option<String>,
}

/// What is different this time, where the body is the feed itself.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RunParams {
    /// Report everything, change nothing.
    dry_run: Option<bool>,
    /// `ask`, `yes` or `no`.
    #[param(value_type = Option<String>)]
    delete_missing: Option<DeleteMissing>,
    /// Ask for every picture again whether it has changed.
    recheck: Option<bool>,
}

fn shape(shop: &Shop, name: &str) -> Result<SourceShape, Problem> {
    Ok(SourceShape {
        name: name.to_owned(),
        settings: sources::settings(shop, name)?,
        runs: runs_of(shop, name, RUNS)?,
    })
}

fn runs_of(shop: &Shop, name: &str, limit: usize) -> Result<Vec<RunShape>, Problem> {
    let runs = shop.sync_state()?.runs(Some(name), limit)?;
    let one = |run: twinset_catalogue::RunRecord| RunShape {
        run: run.run,
        state: run.state,
        started_at: rfc3339(run.started_ms),
        ended_at: run.ended_ms.map(rfc3339),
        report: run.report.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default(),
    };
    Ok(runs.into_iter().map(one).collect())
}

/// List the sources of a catalogue.
#[utoipa::path(
    get, path = "/v1/catalogues/{catalogue}/sources", tag = "sources", operation_id = "list_sources", params(("catalogue" = String, Path)),
    responses((status = 200, body = SourceList), (status = 404, body = ProblemBody))
)]
pub(crate) async fn list(
    State(app): State<App>,
    Path(catalogue): Path<String>,
) -> Result<Json<SourceList>, Problem> {
    let state = app.clone();
    let work = move || {
        let shop = state.shop(&catalogue)?;
        let names = shop.sync_state()?.sources()?;
        let items = names.iter().map(|(name, _)| shape(&shop, name)).collect::<Result<_, _>>()?;
        Ok::<_, Problem>(SourceList { items, next: None })
    };
    Ok(Json(app.store.run(work).await?))
}

/// Read one source with its latest runs.
#[utoipa::path(
    get, path = "/v1/catalogues/{catalogue}/sources/{source}", tag = "sources", operation_id = "get_source",
    params(("catalogue" = String, Path), ("source" = String, Path)),
    responses((status = 200, body = SourceShape), (status = 404, body = ProblemBody))
)]
pub(crate) async fn get(
    State(app): State<App>,
    Path((catalogue, source)): Path<(String, String)>,
) -> Result<Tagged<SourceShape>, Problem> {
    let state = app.clone();
    app.store.run(move || tagged(shape(&*state.shop(&catalogue)?, &source)?)).await
}

/// With the etag of its settings: runs come and go.
fn tagged(shape: SourceShape) -> Result<Tagged<SourceShape>, Problem> {
    Ok(([(header::ETAG, etag(&shape.settings)?)], Json(shape)))
}

/// What `if-match` asks for, of the settings of a source. A catalogue may insist on it.
fn unchanged(shop: &Shop, source: &str, wanted: Option<&str>) -> Result<(), Problem> {
    let there = shop.sync_state()?.sources()?.iter().any(|(known, _)| known == source);
    let tag = if there { Some(etag(&sources::settings(shop, source)?)?) } else { None };
    match_tag(shop, wanted, tag.as_deref())
}

/// Make a source, or change its settings.
///
/// The body replaces all settings. A source with `url` and `every_minutes` is read again by itself.
#[utoipa::path(
    put, path = "/v1/catalogues/{catalogue}/sources/{source}", tag = "sources", operation_id = "put_source",
    params(("catalogue" = String, Path), ("source" = String, Path), ("if-match" = Option<String>, Header)), request_body(content = SourceSettings),
    responses((status = 200, body = SourceShape), (status = 201, body = SourceShape), (status = 400, body = ProblemBody), (status = 404, body = ProblemBody), (status = 412, body = ProblemBody), (status = 428, body = ProblemBody), (status = 415, body = ProblemBody), (status = 422, body = ProblemBody))
)]
pub(crate) async fn put(
    State(app): State<App>,
    Path((catalogue, source)): Path<(String, String)>,
    request: Request,
) -> Result<(StatusCode, Tagged<SourceShape>), Problem> {
    let kind = kind(request.headers());
    if !is_json(&kind) {
        return Err(wrong_kind(&kind, "application/json"));
    }
    let wanted = if_match(request.headers())?;
    let settings: SourceSettings = json(&body(request).await?)?;
    settings.check(&source)?;
    let state = app.clone();
    let work = move || {
        let shop = state.shop(&catalogue)?;
        let lock = state.writers(&shop);
        let _alone = lock.write();
        unchanged(&shop, &source, wanted.as_deref())?;
        let text = serde_json::to_string(&settings).map_err(|error| Problem::internal(&error))?;
        let new = shop.sync_state()?.set_source(&source, &text)?;
        let status = if new { StatusCode::CREATED } else { StatusCode::OK };
        Ok::<_, Problem>((status, tagged(shape(&shop, &source)?)?))
    };
    app.store.run(work).await
}

/// Remove a source.
///
/// Its products stay. Answers 204 also when there is none.
#[utoipa::path(
    delete, path = "/v1/catalogues/{catalogue}/sources/{source}", tag = "sources", operation_id = "delete_source",
    params(("catalogue" = String, Path), ("source" = String, Path), ("if-match" = Option<String>, Header)),
    responses((status = 204), (status = 404, body = ProblemBody, description = "no such catalogue"), (status = 412, body = ProblemBody), (status = 428, body = ProblemBody))
)]
pub(crate) async fn delete(
    State(app): State<App>,
    Path((catalogue, source)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let wanted = if_match(&headers)?;
    let state = app.clone();
    let work = move || {
        let shop = state.shop(&catalogue)?;
        let lock = state.writers(&shop);
        let _alone = lock.write();
        unchanged(&shop, &source, wanted.as_deref())?;
        shop.sync_state()?.remove_source(&source)?;
        Ok::<_, Problem>(StatusCode::NO_CONTENT)
    };
    app.store.run(work).await
}

/// List the runs of a source, the newest first.
#[utoipa::path(
    get, path = "/v1/catalogues/{catalogue}/sources/{source}/runs", tag = "sources", operation_id = "list_runs",
    params(("catalogue" = String, Path), ("source" = String, Path), Part),
    responses((status = 200, body = RunList), (status = 400, body = ProblemBody), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody))
)]
pub(crate) async fn runs(
    State(app): State<App>,
    Path((catalogue, source)): Path<(String, String)>,
    Params(Part { limit, after }): Params<Part>,
) -> Result<Json<RunList>, Problem> {
    let (limit, before) = (limit.get()?, after_number::<u64>(after.as_deref())?);
    let state = app.clone();
    let work = move || {
        // Few are remembered.
        let mut runs = runs_of(&*state.shop(&catalogue)?, &source, usize::MAX >> 1)?;
        runs.retain(|run| before.is_none_or(|before| run.run < before));
        let (items, next) = part(runs, limit, |run| run.run.to_string());
        Ok::<_, Problem>(RunList { items, next })
    };
    Ok(Json(app.store.run(work).await?))
}

/// Read a source's feed now.
///
/// The body may be JSON that says what is different this time, or the feed itself, of any known format and packing.
/// Answers with a job; `needs_approval` at its end means that more products would vanish than the guard allows: run it again
/// with `delete_missing` `yes` or `no`.
#[utoipa::path(
    post, path = "/v1/catalogues/{catalogue}/sources/{source}/runs", tag = "sources", operation_id = "run_source",
    params(("catalogue" = String, Path), ("source" = String, Path), RunParams),
    request_body(content((RunSettings = "application/json"), (String = "application/octet-stream"))),
    responses((status = 202, body = Job), (status = 400, body = ProblemBody), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody))
)]
pub(crate) async fn run(
    State(app): State<App>,
    Path((catalogue, source)): Path<(String, String)>,
    Params(params): Params<RunParams>,
    request: Request,
) -> Result<super::jobs::Accepted, Problem> {
    let kind = kind(request.headers());
    let (settings, upload) = if is_json(&kind) || kind.is_empty() {
        let bytes = body(request).await?;
        let settings = if bytes.trim_ascii().is_empty() { RunSettings::default() } else { json(&bytes)? };
        (settings, None)
    } else {
        let idle = app.options.request_timeout;
        (RunSettings::default(), Some(spooled(request.into_body(), idle).await?))
    };
    let settings = RunSettings {
        dry_run: params.dry_run.unwrap_or(settings.dry_run),
        delete_missing: params.delete_missing.or(settings.delete_missing),
        recheck: params.recheck.unwrap_or(settings.recheck),
    };
    let state = app.clone();
    let work = move || {
        let shop = state.shop(&catalogue)?;
        sources::run(&state, &shop, &source, settings, upload)
    };
    let handle = app.store.run(work).await?;
    Ok(super::jobs::accepted(&handle))
}

/// A body of any size in a file that nobody else sees, ready to be read.
pub(crate) async fn spooled(body: Body, idle: std::time::Duration) -> Result<std::fs::File, Problem> {
    let broken = |error: &dyn std::fmt::Display| {
        Problem::new(&crate::problem::BAD_REQUEST, format!("the body ends in an error: {error}"))
    };
    let mut file = tokio::task::spawn_blocking(tempfile::tempfile)
        .await
        .map_err(|e| Problem::internal(&e))?
        .map_err(|e| Problem::internal(&e))?;
    let mut chunks = body.into_data_stream();
    loop {
        let next = tokio::time::timeout(idle, chunks.next()).await;
        let Some(chunk) = next.map_err(|_| Problem::new(&crate::problem::TIMEOUT, "nothing more arrived"))?
        else {
            break;
        };
        let chunk = chunk.map_err(|error| broken(&error))?;
        let written = tokio::task::spawn_blocking(move || file.write_all(&chunk).map(|()| file)).await;
        file = written.map_err(|e| Problem::internal(&e))?.map_err(|e| Problem::internal(&e))?;
    }
    file.rewind().map_err(|e| Problem::internal(&e))?;
    Ok(file)
}

/// For answers with a place.
pub(crate) fn at(path: String) -> (HeaderName, String) {
    (header::LOCATION, path)
}
