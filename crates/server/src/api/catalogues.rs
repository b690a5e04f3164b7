//! Catalogues: making, listing, removing.

use super::products::{Tagged, if_match, match_tag};
use crate::access::Caller;
use crate::problem::{INVALID_VALUE, Problem, ProblemBody};
use crate::receive::{body, is_json, json, kind, wrong_kind};
use crate::shapes::{CatalogueList, CatalogueShape, CountsShape, SettingsSchema};
use crate::state::App;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::{Extension, Json};
use serde::Serialize;
use twinset_catalogue::{CatalogueError, CatalogueName, Settings};
use twinset_engine::{EngineError, Shop};

fn shape(shop: &Shop) -> Result<CatalogueShape, Problem> {
    let catalogue = shop.catalogue();
    let (settings, counts, vision) = (catalogue.settings(), catalogue.count()?, shop.vision());
    Ok(CatalogueShape {
        name: shop.name().to_string(),
        settings,
        counts: CountsShape {
            products: counts.products,
            pictures: counts.pictures,
            images: counts.placements,
        },
        model: vision.name(),
        reads_words: vision.reads_words(),
        change: catalogue.last_seq()?,
        snapshot: shop.seq(),
    })
}

/// List the catalogues that this key reaches.
#[utoipa::path(get, path = "/v1/catalogues", tag = "catalogues", operation_id = "list_catalogues", responses((status = 200, body = CatalogueList)))]
pub(crate) async fn list(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<CatalogueList>, Problem> {
    let state = app.clone();
    let work = move || {
        let mut items = Vec::new();
        for name in state.engine.catalogues()?.into_iter().filter(|name| caller.reaches(name.as_str())) {
            match state.shop(name.as_str()).and_then(|shop| shape(&shop)) {
                Ok(item) => items.push(item),
                // One catalogue that cannot be opened must not hide the others; /readyz tells of it.
                Err(problem) => {
                    tracing::warn!(catalogue = %name, code = problem.code().name, "a catalogue cannot be opened")
                }
            }
        }
        Ok::<_, Problem>(CatalogueList { items, next: None })
    };
    Ok(Json(app.store.run(work).await?))
}

/// Of settings: counts change all the time, and nobody changes them with `if-match`.
pub(crate) fn etag(settings: &impl Serialize) -> Result<String, Problem> {
    let settings = serde_json::to_vec(settings).map_err(|error| Problem::internal(&error))?;
    Ok(format!("\"{}\"", &blake3::hash(&settings).to_hex()[..16]))
}

/// Read one catalogue.
#[utoipa::path(
    get, path = "/v1/catalogues/{catalogue}", tag = "catalogues", operation_id = "get_catalogue", params(("catalogue" = String, Path)),
    responses((status = 200, body = CatalogueShape), (status = 404, body = ProblemBody))
)]
pub(crate) async fn get(
    State(app): State<App>,
    Path(catalogue): Path<String>,
) -> Result<Tagged<CatalogueShape>, Problem> {
    let state = app.clone();
    let work = move || {
        let shop = state.shop(&catalogue)?;
        Ok::<_, Problem>((etag(&shop.catalogue().settings())?, shape(&shop)?))
    };
    let (tag, shape) = app.store.run(work).await?;
    Ok(([(header::ETAG, tag)], Json(shape)))
}

/// Make a catalogue, or change its settings.
///
/// The body is optional; a body replaces all settings.
#[utoipa::path(
    put, path = "/v1/catalogues/{catalogue}", tag = "catalogues", operation_id = "put_catalogue",
    params(("catalogue" = String, Path), ("if-match" = Option<String>, Header)),
    request_body(content = SettingsSchema),
    responses((status = 200, body = CatalogueShape), (status = 201, body = CatalogueShape), (status = 400, body = ProblemBody), (status = 412, body = ProblemBody), (status = 415, body = ProblemBody), (status = 422, body = ProblemBody), (status = 428, body = ProblemBody))
)]
pub(crate) async fn put(
    State(app): State<App>,
    Path(catalogue): Path<String>,
    request: Request,
) -> Result<(StatusCode, Tagged<CatalogueShape>), Problem> {
    let wanted = if_match(request.headers())?;
    let kind = kind(request.headers());
    let bytes = body(request).await?;
    let settings = match bytes.is_empty() {
        true => None,
        false if !is_json(&kind) => return Err(wrong_kind(&kind, "application/json")),
        false => Some(json::<Settings>(&bytes)?),
    };
    let name =
        CatalogueName::parse(&catalogue).map_err(|error| Problem::new(&INVALID_VALUE, error.to_string()))?;
    let state = app.clone();
    let work = move || {
        if wanted.is_some() {
            state.shop(name.as_str()).and_then(|shop| unchanged(&shop, wanted.as_deref()))?;
        }
        let (status, shop) = match state.engine.create(&name, settings.clone().unwrap_or_default()) {
            Ok(shop) => (StatusCode::CREATED, shop),
            Err(EngineError::Catalogue(CatalogueError::CatalogueExists { .. })) => {
                let shop = state.engine.catalogue(&name)?;
                if let Some(settings) = settings {
                    unchanged(&shop, wanted.as_deref())?;
                    shop.catalogue().set_settings(settings)?;
                }
                (StatusCode::OK, shop)
            }
            Err(error) => return Err(error.into()),
        };
        Ok::<_, Problem>((status, etag(&shop.catalogue().settings())?, shape(&shop)?))
    };
    let (status, tag, shape) = app.store.run(work).await?;
    Ok((status, ([(header::ETAG, tag)], Json(shape))))
}

/// What `if-match` asks for, of the settings.
fn unchanged(shop: &Shop, wanted: Option<&str>) -> Result<(), Problem> {
    match_tag(shop, wanted, Some(&etag(&shop.catalogue().settings())?))
}

/// Remove a catalogue with everything in it.
///
/// Answers 204 also when there is none.
#[utoipa::path(
    delete, path = "/v1/catalogues/{catalogue}", tag = "catalogues", operation_id = "delete_catalogue", params(("catalogue" = String, Path)),
    responses((status = 204))
)]
pub(crate) async fn delete(
    State(app): State<App>,
    Path(catalogue): Path<String>,
) -> Result<StatusCode, Problem> {
    let state = app.clone();
    let work = move || {
        if let Ok(name) = CatalogueName::parse(&catalogue) {
            state.forget(&name);
            state.shelf.forget(name.as_str())?;
            state.engine.remove(&name)?;
        }
        Ok::<_, Problem>(StatusCode::NO_CONTENT)
    };
    app.store.run(work).await
}
