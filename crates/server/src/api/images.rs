//! Images of a product: claims about them, their bytes, and smaller copies.

use super::Wait;
use super::products::{Tagged, WriteParams, check_match, etag, if_match, record, write};
use crate::problem::{IMAGE_NOT_FOUND, Problem, ProblemBody};
use crate::receive::{Params, body, is_json, is_picture, json, kind, wrong_kind};
use crate::shapes::{ImageShape, Written};
use crate::state::App;
use crate::thumbnails::{Key, PictureFormat, WIDTHS};
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use std::sync::Arc;
use twinset_catalogue::{Image, Mode, Product, ProductPut, Record, Role};
use twinset_engine::Shop;
use twinset_photo::PictureHash;
use utoipa::{IntoParams, ToSchema};

type ImagePath = (String, String, String);

fn missing(name: &str) -> Problem {
    Problem::new(&IMAGE_NOT_FOUND, format!("the product has no image '{name}'"))
}

fn image<'a>(product: &'a Product, name: &str) -> Result<&'a Image, Problem> {
    product.images.iter().find(|image| image.name == name).ok_or_else(|| missing(name))
}

/// Read about one image.
#[utoipa::path(
    get, path = "/v1/catalogues/{catalogue}/products/{id}/images/{name}", tag = "images", operation_id = "get_image",
    params(("catalogue" = String, Path), ("id" = String, Path), ("name" = String, Path)),
    responses((status = 200, body = ImageShape), (status = 404, body = ProblemBody))
)]
pub(crate) async fn get(
    State(app): State<App>,
    Path((catalogue, id, name)): Path<ImagePath>,
) -> Result<Tagged<ImageShape>, Problem> {
    let state = app.clone();
    let work = move || {
        let shop = state.shop(&catalogue)?;
        let Record { product, seq, .. } = record(&shop, &id)?;
        let image = image(&product, &name)?;
        let bytes = image.picture.map(|hash| shop.catalogue().picture(&hash)).transpose()?.flatten();
        let header =
            bytes.and_then(|bytes| twinset_photo::probe(&bytes, &state.engine.options().limits).ok());
        let content = format!(
            "/v1/catalogues/{}/products/{}/images/{}/content",
            shop.name(),
            percent(&product.id),
            percent(&image.name)
        );
        let shape = ImageShape {
            name: image.name.clone(),
            url: image.url.clone(),
            role: image.role,
            alt: image.alt.clone(),
            picture: image.picture.map(|hash| hash.to_string()),
            width: header.as_ref().map(|header| header.width),
            height: header.as_ref().map(|header| header.height),
            content: image.picture.map(|_| content),
        };
        // An image is part of its product, and changes with it.
        Ok::<_, Problem>(([(header::ETAG, etag(seq))], Json(shape)))
    };
    app.store.run(work).await
}

/// Everything that is not unreserved in RFC 3986.
pub(crate) fn percent(text: &str) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// What is claimed about an image.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(example = json!({"alt": "from the front", "role": "main"}))]
pub(crate) struct ImageClaims {
    /// Where the seller keeps it.
    url: Option<String>,
    /// `main`, `additional` or `lifestyle`.
    #[schema(value_type = Option<String>)]
    role: Option<Role>,
    /// Text for those who cannot see it.
    alt: Option<String>,
}

/// How an image is put.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PutParams {
    /// `searchable`: answer when searches see the change.
    #[param(value_type = Option<String>)]
    wait: Option<Wait>,
    /// At most so long; 5000 if left out, 30000 at most.
    timeout_ms: Option<u64>,
    /// Fetch the picture from the `url` of the body now, and store it.
    fetch: bool,
}

/// Give the bytes of one image, or say where it is.
///
/// A raw picture is stored and becomes searchable; JSON with `url`, `role` and `alt` changes what is claimed, and with
/// `fetch=true` the picture at `url` is fetched, from public addresses only, and stored too. An image of a new name is added
/// at the end.
#[utoipa::path(
    put, path = "/v1/catalogues/{catalogue}/products/{id}/images/{name}", tag = "images", operation_id = "put_image",
    params(("catalogue" = String, Path), ("id" = String, Path), ("name" = String, Path), PutParams, ("if-match" = Option<String>, Header)),
    request_body(content((Vec<u8> = "image/*"), (ImageClaims = "application/json"))),
    responses(
        (status = 200, body = Written), (status = 202, body = Written), (status = 400, body = ProblemBody), (status = 404, body = ProblemBody), (status = 412, body = ProblemBody), (status = 428, body = ProblemBody),
        (status = 413, body = ProblemBody), (status = 415, body = ProblemBody), (status = 422, body = ProblemBody), (status = 507, body = ProblemBody),
    )
)]
pub(crate) async fn put(
    State(app): State<App>,
    Path((catalogue, id, name)): Path<ImagePath>,
    Params(PutParams { wait, timeout_ms, fetch }): Params<PutParams>,
    request: Request,
) -> Result<(StatusCode, Tagged<Written>), Problem> {
    let params = WriteParams { wait, timeout_ms };
    let kind = kind(request.headers());
    let wanted = if_match(request.headers())?;
    let (claims, picture) = if is_json(&kind) {
        let claims: ImageClaims = json(&body(request).await?)?;
        let url = claims.url.clone().filter(|_| fetch);
        let picture = match url {
            Some(url) => Some(app.afar.picture(url, "/url").await?),
            None => None,
        };
        (Some(claims), picture)
    } else if is_picture(&kind) {
        (None, Some(super::search::picture(&app, body(request).await?)?))
    } else {
        return Err(wrong_kind(&kind, "a picture or application/json"));
    };
    if let Some(bytes) = &picture {
        twinset_photo::probe(bytes, &app.engine.options().limits)?;
    }
    let picture = picture.map(|bytes| Arc::<[u8]>::from(&bytes[..]));
    let state = app.clone();
    let work = move || {
        let shop = state.shop(&catalogue)?;
        let lock = state.writers(&shop);
        let _alone = lock.write();
        let record = record(&shop, &id)?;
        check_match(&shop, wanted.as_deref(), Some(&record))?;
        let mut product = record.product;
        if !product.images.iter().any(|image| image.name == name) {
            let role = if product.images.is_empty() { Role::Main } else { Role::Additional };
            product.images.push(Image { name: name.clone(), role, ..Image::default() });
        }
        if let (Some(claims), Some(image)) =
            (claims, product.images.iter_mut().find(|image| image.name == name))
        {
            image.url = claims.url.or(image.url.take());
            image.alt = claims.alt.or(image.alt.take());
            image.role = claims.role.unwrap_or(image.role);
        }
        let pictures = picture.map(|bytes| (name, bytes)).into_iter().collect();
        write(&shop, ProductPut { product, pictures, mode: Mode::Update }, params)
    };
    app.store.run(work).await
}

/// Remove one image of a product.
///
/// Answers 204 also when it was not there.
#[utoipa::path(
    delete, path = "/v1/catalogues/{catalogue}/products/{id}/images/{name}", tag = "images", operation_id = "delete_image",
    params(("catalogue" = String, Path), ("id" = String, Path), ("name" = String, Path), WriteParams, ("if-match" = Option<String>, Header)),
    responses((status = 204), (status = 404, body = ProblemBody, description = "no such catalogue or product"), (status = 412, body = ProblemBody), (status = 428, body = ProblemBody))
)]
pub(crate) async fn delete(
    State(app): State<App>,
    Path((catalogue, id, name)): Path<ImagePath>,
    Params(params): Params<WriteParams>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let wanted = if_match(&headers)?;
    let state = app.clone();
    let work = move || {
        let shop = state.shop(&catalogue)?;
        let lock = state.writers(&shop);
        let _alone = lock.write();
        let record = record(&shop, &id)?;
        check_match(&shop, wanted.as_deref(), Some(&record))?;
        let mut product = record.product;
        let before = product.images.len();
        product.images.retain(|image| image.name != name);
        if product.images.len() < before {
            let (_, _written) =
                write(&shop, ProductPut { product, pictures: Vec::new(), mode: Mode::Update }, params)?;
        }
        Ok::<_, Problem>(StatusCode::NO_CONTENT)
    };
    app.store.run(work).await
}

/// How a picture is wanted.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ContentParams {
    /// Width in pixels, rounded up to 96, 160, 240, 320, 480, 640, 800, 1024, 1280 or 1600; never enlarged. Left out: as
    /// large as it is.
    pub(crate) w: Option<u32>,
    /// JPEG if left out. WebP is lossless here, thus larger than JPEG.
    #[param(inline)]
    pub(crate) format: PictureFormat,
}

/// Fetch the picture of one image.
///
/// Always encoded anew: without place, device or any other metadata.
#[utoipa::path(
    get, path = "/v1/catalogues/{catalogue}/products/{id}/images/{name}/content", tag = "images", operation_id = "get_image_content",
    params(("catalogue" = String, Path), ("id" = String, Path), ("name" = String, Path), ContentParams),
    responses(
        (status = 200, body = Vec<u8>, content_type = "image/jpeg"), (status = 304), (status = 400, body = ProblemBody), (status = 404, body = ProblemBody),
        (status = 422, body = ProblemBody), (status = 503, body = ProblemBody),
    )
)]
pub(crate) async fn content(
    State(app): State<App>,
    Path((catalogue, id, name)): Path<ImagePath>,
    Params(params): Params<ContentParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let state = app.clone();
    let find = move || {
        let shop = state.shop(&catalogue)?;
        let hash = image(&record(&shop, &id)?.product, &name)?.picture.ok_or_else(|| missing(&name))?;
        Ok::<_, Problem>((shop, hash))
    };
    let (shop, hash) = app.store.run(find).await?;
    send(&app, shop, hash, params, &headers).await
}

/// A stored picture in the size asked for, from the cache or made now.
pub(crate) async fn send(
    app: &App,
    shop: Arc<Shop>,
    picture: PictureHash,
    params: ContentParams,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    if params.w == Some(0) {
        let last = WIDTHS[WIDTHS.len() - 1];
        return Err(
            Problem::new(&crate::problem::INVALID_VALUE, format!("w is 0, it must be 1 to {last}")).at("w")
        );
    }
    let key = Key::new(picture, params.w, params.format);
    let tag = key.etag();
    let fresh = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let (status, body) = if fresh.is_some_and(|tags| tags.split(',').any(|one| one.trim() == tag)) {
        (StatusCode::NOT_MODIFIED, Body::empty())
    } else if let Some(bytes) = app.thumbnails.get(&key) {
        (StatusCode::OK, bytes.into())
    } else {
        let state = app.clone();
        let make = move || {
            let original = shop
                .catalogue()
                .picture(&picture)?
                .ok_or_else(|| Problem::new(&IMAGE_NOT_FOUND, "the picture is not here any more"))?;
            Ok::<_, Problem>(key.make(&original, state.engine.options())?)
        };
        let bytes = app.pictures.run(make).await?;
        app.thumbnails.put(key, bytes.clone());
        (StatusCode::OK, bytes.into())
    };
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(params.format.content_type()));
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("private, max-age=300, stale-while-revalidate=86400"),
    );
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    Ok(response)
}
