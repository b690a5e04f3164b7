//! A few photos to begin with: those the operator gave, else pictures of the catalogue.

use super::images::{ContentParams, percent, send};
use crate::options::ExamplePhoto;
use crate::problem::{EXAMPLE_NOT_FOUND, Problem, ProblemBody};
use crate::receive::Params;
use crate::state::App;
use crate::thumbnails::Key;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use twinset_engine::Shop;
use twinset_photo::PictureHash;
use utoipa::ToSchema;

const SHOWN: usize = 3;
/// Products looked through for pictures that differ.
const LOOKED_AT: usize = 60;

/// A photo to try the search with.
#[derive(Serialize, ToSchema)]
pub(crate) struct Example {
    id: String,
    /// Where it can be fetched; takes `w` and `format`.
    href: String,
}

/// Photos to try.
#[derive(Serialize, ToSchema)]
pub(crate) struct ExampleList {
    items: Vec<Example>,
    /// Always null: there are few.
    next: Option<String>,
}

/// List example photos.
#[utoipa::path(
    get, path = "/v1/catalogues/{catalogue}/examples", tag = "search", operation_id = "list_examples", params(("catalogue" = String, Path)),
    responses((status = 200, body = ExampleList), (status = 404, body = ProblemBody))
)]
pub(crate) async fn list(
    State(app): State<App>,
    Path(catalogue): Path<String>,
) -> Result<Json<ExampleList>, Problem> {
    let state = app.clone();
    let work = move || {
        let shop = state.shop(&catalogue)?;
        let given = given(&state, shop.name().as_str()).len();
        let ids =
            if given > 0 { (1..=given).map(|n| n.to_string()).collect() } else { from_catalogue(&shop)? };
        let href = |id: &str| format!("/v1/catalogues/{}/examples/{}/content", shop.name(), percent(id));
        let items = ids.into_iter().map(|id| Example { href: href(&id), id }).collect();
        Ok::<_, Problem>(ExampleList { items, next: None })
    };
    Ok(Json(app.store.run(work).await?))
}

/// The operator's own, numbered from 1.
fn given<'a>(app: &'a App, catalogue: &str) -> Vec<&'a ExamplePhoto> {
    app.options.examples.iter().filter(|example| example.catalogue == catalogue).collect()
}

/// Ids of a few products with pictures, of different kinds if there are such.
fn from_catalogue(shop: &Shop) -> Result<Vec<String>, Problem> {
    let products = shop.catalogue().list(None, None, LOOKED_AT)?.items;
    let mut shown = Vec::with_capacity(products.len());
    for product in products.iter().filter(|one| one.images.iter().any(|image| image.picture.is_some())) {
        if shop.catalogue().hidden_since(&product.id)?.is_none() {
            shown.push(product);
        }
    }
    let kind = |at: usize| shown[at].category.as_ref().and_then(|category| category.path.last());
    let mut chosen: Vec<usize> = Vec::new();
    for at in 0..shown.len() {
        if chosen.len() < SHOWN && chosen.iter().all(|&other| kind(other) != kind(at)) {
            chosen.push(at);
        }
    }
    let more: Vec<usize> =
        (0..shown.len()).filter(|at| !chosen.contains(at)).take(SHOWN - chosen.len()).collect();
    Ok(chosen.into_iter().chain(more).map(|at| shown[at].id.clone()).collect())
}

/// Fetch one example photo.
#[utoipa::path(
    get, path = "/v1/catalogues/{catalogue}/examples/{example}/content", tag = "search", operation_id = "get_example_content",
    params(("catalogue" = String, Path), ("example" = String, Path), ContentParams),
    responses((status = 200, body = Vec<u8>, content_type = "image/jpeg"), (status = 304), (status = 400, body = ProblemBody), (status = 404, body = ProblemBody), (status = 503, body = ProblemBody))
)]
pub(crate) async fn content(
    State(app): State<App>,
    Path((catalogue, example)): Path<(String, String)>,
    Params(params): Params<ContentParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let missing = || Problem::new(&EXAMPLE_NOT_FOUND, "there is no example photo of this number");
    let given = given(&app, &catalogue);
    if !given.is_empty() {
        let number =
            example.parse::<usize>().ok().and_then(|number| number.checked_sub(1)).ok_or_else(missing)?;
        let bytes = given.get(number).ok_or_else(missing)?.bytes.clone();
        let key = Key::new(PictureHash::of(&bytes), params.w, params.format);
        let made = match app.thumbnails.get(&key) {
            Some(made) => made,
            None => {
                let engine = app.engine.clone();
                let made = app.pictures.run(move || key.make(&bytes, engine.options())).await?;
                app.thumbnails.put(key, made.clone());
                made
            }
        };
        let kind = params.format.content_type();
        return Ok(([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "private, max-age=300")], made)
            .into_response());
    }
    let state = app.clone();
    let find = move || {
        let shop = state.shop(&catalogue)?;
        let product = shop.catalogue().get(&example)?.ok_or_else(missing)?;
        let hash = product.images.iter().find_map(|image| image.picture).ok_or_else(missing)?;
        Ok::<_, Problem>((shop, hash))
    };
    let (shop, hash) = app.store.run(find).await?;
    send(&app, shop, hash, params, &headers).await
}
