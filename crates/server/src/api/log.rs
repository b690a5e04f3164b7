//! What was done here, and with which key.

use crate::ledger::Deed;
use crate::problem::{BAD_REQUEST, INVALID_VALUE, Problem, ProblemBody};
use crate::receive::Params;
use crate::state::App;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

const LIMIT: usize = 50;
const LIMIT_MOST: usize = 500;

/// Which part of the log.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LogParams {
    /// 1 to 500, 50 if left out.
    limit: Option<usize>,
    /// `next` of the page before.
    after: Option<String>,
}

/// Part of the log.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeedList {
    /// The latest first.
    items: Vec<Deed>,
    /// Null at the end.
    next: Option<String>,
}

/// Read the audit log: requests that changed something, and whose they were.
///
/// Changes of products are not in it: each product tells its own.
#[utoipa::path(
    get, path = "/v1/log", tag = "operation", operation_id = "read_log", params(LogParams),
    responses((status = 200, body = DeedList), (status = 400, body = ProblemBody), (status = 422, body = ProblemBody))
)]
pub(crate) async fn list(
    State(app): State<App>,
    Params(params): Params<LogParams>,
) -> Result<Json<DeedList>, Problem> {
    let limit = params.limit.unwrap_or(LIMIT);
    if !(1..=LIMIT_MOST).contains(&limit) {
        let detail = format!("limit is {limit}, it must be 1 to {LIMIT_MOST}");
        return Err(Problem::new(&INVALID_VALUE, detail).at("limit"));
    }
    let unreadable = |_| Problem::new(&BAD_REQUEST, "after is no `next` of this list").at("after");
    let before = params.after.map(|text| text.parse().map_err(unreadable)).transpose()?;
    let state = app.clone();
    let items = app.store.run(move || state.ledger.deeds(before, limit)).await?;
    let next = items.last().filter(|_| items.len() == limit).map(|deed| deed.id.to_string());
    Ok(Json(DeedList { items, next }))
}
