//! The description of the API.

use crate::state::App;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

/// This description.
#[utoipa::path(get, path = "/openapi.json", tag = "operation", operation_id = "openapi", responses((status = 200, body = serde_json::Value)))]
pub(crate) async fn openapi(State(app): State<App>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-cache")], app.openapi.clone())
}
