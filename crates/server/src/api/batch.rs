//! Several searches in one request.

use super::search;
use crate::access::Caller;
use crate::gate::TENANT;
use crate::problem::{INVALID_VALUE, Problem, ProblemBody};
use crate::receive::{body, is_json, json, kind, wrong_kind};
use crate::shapes::{SearchQuery, SearchReply};
use crate::state::App;
use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use utoipa::ToSchema;

/// Searches of one request.
pub(crate) const MOST: usize = 32;
/// Of those, so many run at the same time.
const SIDE_BY_SIDE: usize = 2;

/// Several searches, each with its `image`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"searches": [{"image": {"product": "MT-101-S"}, "limit": 3}, {"image": {"product": "MT-101-S"}, "filter": "color = 'navy'"}]}))]
pub(crate) struct BatchQuery {
    /// 1 to 32.
    searches: Vec<SearchQuery>,
}

/// The answer to one search of a batch: `answer` or `problem`.
#[derive(Serialize, ToSchema)]
pub(crate) struct BatchLine {
    /// Place of the search in the request, from 0.
    search: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<SearchReply>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<ProblemBody>,
}

/// Run up to 32 searches.
///
/// Answers with one line for each, in their order. One that fails is answered with its problem and stops nothing.
#[utoipa::path(
    post, path = "/v1/catalogues/{catalogue}/search:batch", tag = "search", operation_id = "search_batch",
    params(("catalogue" = String, Path)),
    request_body(content = BatchQuery),
    responses(
        (status = 200, body = BatchLine, content_type = "application/x-ndjson"), (status = 400, body = ProblemBody), (status = 404, body = ProblemBody),
        (status = 413, body = ProblemBody), (status = 415, body = ProblemBody), (status = 422, body = ProblemBody), (status = 503, body = ProblemBody),
    )
)]
pub(crate) async fn batch(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(catalogue): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let kind = kind(request.headers());
    if !is_json(&kind) {
        return Err(wrong_kind(&kind, "application/json"));
    }
    let BatchQuery { searches } = json(&body(request).await?)?;
    if !(1..=MOST).contains(&searches.len()) {
        return Err(Problem::new(
            &INVALID_VALUE,
            format!("there are {} searches, 1 to {MOST} are taken", searches.len()),
        )
        .at("/searches"));
    }
    let (state, name) = (app.clone(), catalogue.clone());
    app.store.run(move || state.shop(&name)).await?; // a missing catalogue is one answer, not one a line
    let tenant = TENANT.try_with(Clone::clone).unwrap_or_else(|_| catalogue.as_str().into());
    let one = move |(search, query)| {
        let (app, caller, catalogue) = (app.clone(), caller.clone(), catalogue.clone());
        let answer = async move { search::run(&app, &caller, catalogue, None, query, None).await };
        let answer = TENANT.scope(tenant.clone(), answer);
        async move {
            let line = match answer.await {
                Ok(answer) => BatchLine { search, answer: Some(answer), problem: None },
                Err(problem) => BatchLine { search, answer: None, problem: Some(problem.body(None)) },
            };
            let mut text = serde_json::to_vec(&line).unwrap_or_default();
            text.push(b'\n');
            Ok::<_, Infallible>(Bytes::from(text))
        }
    };
    let lines = futures_util::stream::iter(searches.into_iter().enumerate()).map(one).buffered(SIDE_BY_SIDE);
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response())
}
