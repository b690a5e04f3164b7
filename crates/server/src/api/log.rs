//! What was done here, and with which key.

use crate::ledger::Deed;
use crate::listing::{Part, after_number, part};
use crate::problem::{Problem, ProblemBody};
use crate::receive::Params;
use crate::state::App;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

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
    get, path = "/v1/log", tag = "operation", operation_id = "read_log", params(Part),
    responses((status = 200, body = DeedList), (status = 400, body = ProblemBody), (status = 422, body = ProblemBody))
)]
pub(crate) async fn list(
    State(app): State<App>,
    Params(Part { limit, after }): Params<Part>,
) -> Result<Json<DeedList>, Problem> {
    let (limit, before) = (limit.get()?, after_number(after.as_deref())?);
    let state = app.clone();
    let deeds = app.store.run(move || state.ledger.deeds(before, limit + 1)).await?;
    let (items, next) = part(deeds, limit, |deed| deed.id.to_string());
    Ok(Json(DeedList { items, next }))
}
