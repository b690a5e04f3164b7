//! Catalogues: making, listing, removing.

use crate::problem::{INVALID_VALUE, Problem, ProblemBody};
use crate::receive::{body, is_json, json, kind, wrong_kind};
use crate::shapes::{CatalogueList, CatalogueShape, CountsShape, SettingsSchema};
use crate::state::App;
use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use twinset_catalogue::{CatalogueError, CatalogueName, Settings};
use twinset_engine::{EngineError, Shop};

fn shape(shop: &Shop) -> Result<CatalogueShape, Problem> {
    let catalogue = shop.catalogue();
    let (settings, counts) = (catalogue.settings(), catalogue.count()?);
    Ok(CatalogueShape {
        name: shop.name().to_string(),
        settings,
        counts: CountsShape {
            products: counts.products,
            pictures: counts.pictures,
            images: counts.placements,
        },
        change: catalogue.last_seq()?,
        snapshot: shop.seq(),
    })
}

/// List all catalogues.
#[utoipa::path(get, path = "/v1/catalogues", tag = "catalogues", operation_id = "list_catalogues", responses((status = 200, body = CatalogueList)))]
pub(crate) async fn list(State(app): State<App>) -> Result<Json<CatalogueList>, Problem> {
    let state = app.clone();
    let work = move || {
        let mut items = Vec::new();
        for name in state.engine.catalogues()? {
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

/// Read one catalogue.
#[utoipa::path(
    get, path = "/v1/catalogues/{catalogue}", tag = "catalogues", operation_id = "get_catalogue", params(("catalogue" = String, Path)),
    responses((status = 200, body = CatalogueShape), (status = 404, body = ProblemBody))
)]
pub(crate) async fn get(
    State(app): State<App>,
    Path(catalogue): Path<String>,
) -> Result<Json<CatalogueShape>, Problem> {
    let state = app.clone();
    Ok(Json(app.store.run(move || shape(&*state.shop(&catalogue)?)).await?))
}

/// Make a catalogue, or change its settings.
///
/// The body is optional; a body replaces all settings.
#[utoipa::path(
    put, path = "/v1/catalogues/{catalogue}", tag = "catalogues", operation_id = "put_catalogue", params(("catalogue" = String, Path)),
    request_body(content = SettingsSchema),
    responses((status = 200, body = CatalogueShape), (status = 201, body = CatalogueShape), (status = 400, body = ProblemBody), (status = 415, body = ProblemBody), (status = 422, body = ProblemBody))
)]
pub(crate) async fn put(
    State(app): State<App>,
    Path(catalogue): Path<String>,
    request: Request,
) -> Result<(StatusCode, Json<CatalogueShape>), Problem> {
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
        let (status, shop) = match state.engine.create(&name, settings.clone().unwrap_or_default()) {
            Ok(shop) => (StatusCode::CREATED, shop),
            Err(EngineError::Catalogue(CatalogueError::CatalogueExists { .. })) => {
                let shop = state.engine.catalogue(&name)?;
                if let Some(settings) = settings {
                    shop.catalogue().set_settings(settings)?;
                }
                (StatusCode::OK, shop)
            }
            Err(error) => return Err(error.into()),
        };
        Ok::<_, Problem>((status, shape(&shop)?))
    };
    let (status, shape) = app.store.run(work).await?;
    Ok((status, Json(shape)))
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
            state.engine.remove(&name)?;
        }
        Ok::<_, Problem>(StatusCode::NO_CONTENT)
    };
    app.store.run(work).await
}
