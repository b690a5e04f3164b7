//! Keys: listing, making, revoking. For the operator only.

use crate::clock::rfc3339;
use crate::keys::{Key, NewKey};
use crate::problem::{KEY_NOT_FOUND, Problem, ProblemBody};
use crate::receive::{body, is_json, json, kind, wrong_kind};
use crate::state::App;
use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderName, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

/// A key without its secret.
#[derive(Serialize, ToSchema)]
pub(crate) struct KeyShape {
    /// Names the key; not secret.
    id: String,
    #[serde(flatten)]
    allows: NewKey,
    created_at: String,
    /// Null while it is good.
    revoked_at: Option<String>,
}

impl From<Key> for KeyShape {
    fn from(key: Key) -> Self {
        Self {
            id: key.id,
            allows: key.allows,
            created_at: rfc3339(key.created_at_ms),
            revoked_at: key.revoked_at_ms.map(rfc3339),
        }
    }
}

/// All keys.
#[derive(Serialize, ToSchema)]
pub(crate) struct KeyList {
    items: Vec<KeyShape>,
    /// Always null: there are few.
    next: Option<String>,
}

/// A key that was just made.
#[derive(Serialize, ToSchema)]
pub(crate) struct MadeKeyShape {
    #[serde(flatten)]
    key: KeyShape,
    /// The whole key. It is told once, here, and cannot be told again.
    token: String,
}

/// List all keys, revoked ones too.
#[utoipa::path(get, path = "/v1/keys", tag = "keys", operation_id = "list_keys", responses((status = 200, body = KeyList)))]
pub(crate) async fn list(State(app): State<App>) -> Result<Json<KeyList>, Problem> {
    let state = app.clone();
    let keys = app.store.run(move || state.keys.list()).await?;
    Ok(Json(KeyList { items: keys.into_iter().map(KeyShape::from).collect(), next: None }))
}

/// Make a key.
///
/// The first key closes the server: from then on every request needs one.
#[utoipa::path(
    post, path = "/v1/keys", tag = "keys", operation_id = "create_key",
    request_body(content = NewKey),
    responses((status = 201, body = MadeKeyShape), (status = 400, body = ProblemBody), (status = 415, body = ProblemBody), (status = 422, body = ProblemBody))
)]
pub(crate) async fn create(
    State(app): State<App>,
    request: Request,
) -> Result<(StatusCode, [(HeaderName, String); 2], Json<MadeKeyShape>), Problem> {
    let kind = kind(request.headers());
    if !is_json(&kind) {
        return Err(wrong_kind(&kind, "application/json"));
    }
    let new: NewKey = json(&body(request).await?)?;
    let state = app.clone();
    let made = app.store.run(move || state.keys.create(new)).await?;
    let headers = [
        (header::LOCATION, format!("/v1/keys/{}", made.key.id)),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((StatusCode::CREATED, headers, Json(MadeKeyShape { key: made.key.into(), token: made.token })))
}

/// Revoke a key: it is good for nothing from now on.
#[utoipa::path(
    delete, path = "/v1/keys/{key}", tag = "keys", operation_id = "revoke_key", params(("key" = String, Path)),
    responses((status = 204), (status = 404, body = ProblemBody))
)]
pub(crate) async fn revoke(State(app): State<App>, Path(key): Path<String>) -> Result<StatusCode, Problem> {
    let state = app.clone();
    let found = app.store.run(move || state.keys.revoke(&key)).await?;
    match found {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::new(&KEY_NOT_FOUND, "there is no key of this id")),
    }
}
