//! The configuration as it was read.

use crate::options::Setting;
use crate::state::App;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

/// All settings of the server.
#[derive(Serialize, ToSchema)]
pub(crate) struct ConfigShape {
    /// In the order of the documentation; never a secret.
    items: Vec<Setting>,
}

/// The configuration as read, with where each value came from.
#[utoipa::path(get, path = "/v1/config", tag = "operation", operation_id = "get_config", responses((status = 200, body = ConfigShape)))]
pub(crate) async fn get(State(app): State<App>) -> Json<ConfigShape> {
    Json(ConfigShape { items: app.options.settings.clone() })
}
