//! What an operator does about one product beside its claims: how it stands, hiding it, having it looked at again.

use super::products::{WriteParams, etag, missing, record};
use super::wait;
use crate::clock::rfc3339;
use crate::problem::{Problem, ProblemBody};
use crate::receive::{Params, body, is_json, json, kind, wrong_kind};
use crate::shapes::Written;
use crate::state::App;
use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderName, StatusCode, header};
use serde::{Deserialize, Serialize};
use twinset_engine::Shop;
use utoipa::ToSchema;

/// How a product stands.
#[derive(Serialize, ToSchema)]
pub(crate) struct StatusShape {
    id: String,
    /// Number of its latest change.
    change: u64,
    /// Whether searches see that change.
    searchable: bool,
    /// RFC 3339.
    created_at: String,
    /// RFC 3339: when its claims or pictures changed last.
    updated_at: String,
    /// RFC 3339: since when searches do not find it; null if they do.
    hidden_at: Option<String>,
    /// In the order of its images.
    images: Vec<ImageStatus>,
}

/// How an image of a product stands.
#[derive(Serialize, ToSchema)]
pub(crate) struct ImageStatus {
    name: String,
    state: ImageState,
    /// Why it is unreadable.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// How far an image is. More may be added.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ImageState {
    /// Its picture has not been given or fetched.
    Missing,
    /// Its picture is to be looked at.
    Waiting,
    /// Its picture was looked at.
    Seen,
    /// Its picture cannot be looked at.
    Unreadable,
}

fn shape(shop: &Shop, id: &str) -> Result<StatusShape, Problem> {
    let (record, catalogue) = (record(shop, id)?, shop.catalogue());
    let image = |image: &twinset_catalogue::Image| {
        let (state, reason) = match image.picture {
            None => (ImageState::Missing, None),
            Some(picture) if shop.features(&picture)?.is_some() => (ImageState::Seen, None),
            Some(picture) => match catalogue.why_unreadable(&picture)? {
                Some(reason) => (ImageState::Unreadable, Some(reason)),
                None => (ImageState::Waiting, None),
            },
        };
        Ok::<_, Problem>(ImageStatus { name: image.name.clone(), state, reason })
    };
    Ok(StatusShape {
        change: record.seq,
        searchable: shop.seq() >= record.seq,
        created_at: rfc3339(record.created_at_ms),
        updated_at: rfc3339(record.updated_at_ms),
        hidden_at: catalogue.hidden_since(&record.product.id)?.map(rfc3339),
        images: record.product.images.iter().map(image).collect::<Result<_, _>>()?,
        id: record.product.id,
    })
}

/// How does a product stand?
#[utoipa::path(
    get, path = "/v1/catalogues/{catalogue}/products/{id}/status", tag = "products", operation_id = "get_product_status",
    params(("catalogue" = String, Path), ("id" = String, Path)),
    responses((status = 200, body = StatusShape), (status = 404, body = ProblemBody))
)]
pub(crate) async fn status(
    State(app): State<App>,
    Path((catalogue, id)): Path<(String, String)>,
) -> Result<Json<StatusShape>, Problem> {
    let state = app.clone();
    Ok(Json(app.store.run(move || shape(&*state.shop(&catalogue)?, &id)).await?))
}

/// What is to become of a product.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"hidden": true}))]
pub(crate) struct StatusPatch {
    /// Searches do not find it, whatever its feed says, until it is shown again or removed.
    hidden: bool,
}

/// What became of an order about a product.
type Done = (StatusCode, [(HeaderName, String); 1], Json<Written>);

/// `change` of a product that is there, once it is as far as was asked for.
fn done(shop: &Shop, id: String, change: Option<u64>, params: WriteParams) -> Result<Done, Problem> {
    let change = change.ok_or_else(|| missing(&id))?;
    let searchable = wait(shop, change, params.wait, params.timeout_ms);
    let status = if searchable == Some(false) { StatusCode::ACCEPTED } else { StatusCode::OK };
    let written = Written { id, status: "updated", change, searchable };
    Ok((status, [(header::ETAG, etag(change))], Json(written)))
}

/// Hide a product from searches, or show it again.
///
/// Its claims and pictures stay as they are, and listings and exports have it.
#[utoipa::path(
    patch, path = "/v1/catalogues/{catalogue}/products/{id}/status", tag = "products", operation_id = "patch_product_status",
    params(("catalogue" = String, Path), ("id" = String, Path), WriteParams),
    request_body(content((StatusPatch = "application/merge-patch+json"), (StatusPatch = "application/json"))),
    responses(
        (status = 200, body = Written), (status = 202, body = Written), (status = 400, body = ProblemBody), (status = 404, body = ProblemBody),
        (status = 415, body = ProblemBody), (status = 507, body = ProblemBody),
    )
)]
pub(crate) async fn patch(
    State(app): State<App>,
    Path((catalogue, id)): Path<(String, String)>,
    Params(params): Params<WriteParams>,
    request: Request,
) -> Result<Done, Problem> {
    let kind = kind(request.headers());
    if !is_json(&kind) {
        return Err(wrong_kind(&kind, "application/merge-patch+json"));
    }
    let StatusPatch { hidden } = json(&body(request).await?)?;
    let state = app.clone();
    let work = move || {
        let shop = state.shop(&catalogue)?;
        let change = shop.hide(&id, hidden)?;
        done(&shop, id, change, params)
    };
    app.store.run(work).await
}

/// Look at the pictures of a product again.
///
/// What was computed from them is forgotten, and those that could not be read are tried once more. Until that is done,
/// searches do not find the product.
#[utoipa::path(
    post, path = "/v1/catalogues/{catalogue}/products/{id}/index:rebuild", tag = "products", operation_id = "rebuild_product",
    params(("catalogue" = String, Path), ("id" = String, Path), WriteParams),
    responses(
        (status = 200, body = Written), (status = 202, body = Written), (status = 400, body = ProblemBody), (status = 404, body = ProblemBody),
        (status = 507, body = ProblemBody),
    )
)]
pub(crate) async fn rebuild(
    State(app): State<App>,
    Path((catalogue, id)): Path<(String, String)>,
    Params(params): Params<WriteParams>,
) -> Result<Done, Problem> {
    let state = app.clone();
    let work = move || {
        let shop = state.shop(&catalogue)?;
        let change = shop.look_again(&id)?;
        done(&shop, id, change, params)
    };
    app.store.run(work).await
}
