//! Photos sent ahead: one way over a slow line for several requests.

use super::search::{DetectQuery, SearchForm, photo};
use crate::access::Caller;
use crate::clock::{now_ms, rfc3339};
use crate::problem::{Problem, ProblemBody};
use crate::state::App;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::{Extension, Json};
use serde::Serialize;
use std::time::{Duration, Instant};
use utoipa::ToSchema;

/// A photo that was sent ahead.
#[derive(Serialize, ToSchema)]
pub(crate) struct UploadShape {
    /// To be given as `image.upload`.
    id: String,
    bytes: usize,
    /// Of the upright photo, in pixels.
    width: u32,
    /// Of the upright photo, in pixels.
    height: u32,
    /// RFC 3339. Then it is forgotten.
    expires_at: String,
}

fn shape(app: &App, id: String, bytes: &[u8], left: Duration) -> Result<UploadShape, Problem> {
    let header = twinset_photo::probe(bytes, &app.engine.options().limits)?;
    let expires_at = rfc3339(now_ms() + left.as_millis() as u64);
    Ok(UploadShape { id, bytes: bytes.len(), width: header.width, height: header.height, expires_at })
}

/// Send a photo ahead.
///
/// Its id stands for it in `image.upload` of searches, detection, comparisons and embeddings with the same key. It is kept
/// in memory, without what cameras write beside it, for the time that `/version` lists. The photo comes as the raw body,
/// as a form with a part `image`, or as JSON.
#[utoipa::path(
    post, path = "/v1/uploads", tag = "search", operation_id = "create_upload",
    request_body(content((Vec<u8> = "image/*"), (DetectQuery = "application/json"), (SearchForm = "multipart/form-data"))),
    responses(
        (status = 201, body = UploadShape), (status = 400, body = ProblemBody), (status = 404, body = ProblemBody, description = "there is no such upload"), (status = 413, body = ProblemBody),
        (status = 415, body = ProblemBody), (status = 422, body = ProblemBody), (status = 503, body = ProblemBody),
    )
)]
pub(crate) async fn create(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<(StatusCode, [(HeaderName, String); 1], Json<UploadShape>), Problem> {
    let bytes = photo(&app, &caller, request).await?;
    let shape = shape(&app, String::new(), &bytes, app.uploads.time())?;
    let id = app.uploads.keep(caller.name(), bytes, Instant::now())?;
    let at = (header::LOCATION, format!("/v1/uploads/{id}"));
    Ok((StatusCode::CREATED, [at], Json(UploadShape { id, ..shape })))
}

/// Read about a photo that was sent ahead.
#[utoipa::path(
    get, path = "/v1/uploads/{upload}", tag = "search", operation_id = "get_upload", params(("upload" = String, Path)),
    responses((status = 200, body = UploadShape), (status = 404, body = ProblemBody))
)]
pub(crate) async fn get(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(upload): Path<String>,
) -> Result<Json<UploadShape>, Problem> {
    let (bytes, left) = app.uploads.find(caller.name(), &upload, Instant::now())?;
    Ok(Json(shape(&app, upload, &bytes, left)?))
}

/// Forget a photo that was sent ahead.
///
/// Answers 204 also when there is none.
#[utoipa::path(
    delete, path = "/v1/uploads/{upload}", tag = "search", operation_id = "delete_upload", params(("upload" = String, Path)),
    responses((status = 204))
)]
pub(crate) async fn delete(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(upload): Path<String>,
) -> StatusCode {
    app.uploads.remove(caller.name(), &upload);
    StatusCode::NO_CONTENT
}
