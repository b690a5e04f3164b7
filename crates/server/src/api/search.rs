//! Search and detection: a photo in, products or boxes out.

use crate::problem::{INVALID_VALUE, PICTURE_TOO_LARGE, Problem, ProblemBody};
use crate::receive::{Params, body, form, is_json, is_picture, json, kind, wrong_kind};
use crate::shapes::{Detect, DetectAnswer, Explain, GroupBy, ImageRef, SearchQuery, SearchReply, regions};
use crate::state::App;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Request, State};
use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;
use std::time::Duration;
use twinset_catalogue::Filter;
use twinset_engine::{QueryImage, Region, SearchRequest};
use twinset_photo::Rect;
use utoipa::IntoParams;

/// The simple case: everything but the photo stands in the address.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SearchParams {
    /// Results wanted, 1 to 500; with a raw picture only.
    limit: Option<usize>,
    /// Results to skip; with a raw picture only.
    offset: Option<usize>,
    /// As in the body; with a raw picture only.
    filter: Option<String>,
    /// `x,y,w,h` in 0..=1; with a raw picture only.
    region: Option<String>,
    /// At least this change must be searchable, else 503.
    min_snapshot: Option<u64>,
}

impl SearchParams {
    fn query(&self) -> Result<SearchQuery, Problem> {
        let bad =
            || Problem::new(&INVALID_VALUE, "region must be four numbers `x,y,w,h` in 0..=1").at("region");
        let region = self.region.as_deref().map(|text| {
            let numbers: Vec<f32> =
                text.split(',').map(|n| n.trim().parse()).collect::<Result<_, _>>().map_err(|_| bad())?;
            let [x, y, w, h] = numbers[..] else { return Err(bad()) };
            Ok(crate::shapes::BoxShape { x, y, w, h })
        });
        Ok(SearchQuery {
            region: region.transpose()?,
            filter: self.filter.clone(),
            limit: self.limit,
            offset: self.offset.unwrap_or(0),
            ..SearchQuery::default()
        })
    }

    fn only_min_snapshot(&self) -> Result<(), Problem> {
        if self.limit.is_some() || self.offset.is_some() || self.filter.is_some() || self.region.is_some() {
            return Err(Problem::new(
                &crate::problem::BAD_REQUEST,
                "with a JSON body or a form, `limit`, `offset`, `filter` and `region` stand in the query, not in the address",
            ));
        }
        Ok(())
    }
}

/// Search with a photo.
///
/// The photo comes as a form (part `image`, and part `query` with this JSON without `image`), inside the JSON, or as
/// the raw body: `curl --data-binary @photo.jpg -H 'content-type: image/jpeg' .../search?limit=5`.
#[utoipa::path(
    post, path = "/v1/catalogues/{catalogue}/search", tag = "search", operation_id = "search",
    params(("catalogue" = String, Path), SearchParams),
    request_body(content((SearchQuery = "application/json"), (Vec<u8> = "image/*"), (SearchForm = "multipart/form-data"))),
    responses(
        (status = 200, body = SearchReply), (status = 400, body = ProblemBody), (status = 404, body = ProblemBody),
        (status = 413, body = ProblemBody), (status = 415, body = ProblemBody), (status = 422, body = ProblemBody),
        (status = 503, body = ProblemBody),
    )
)]
pub(crate) async fn search(
    State(app): State<App>,
    Path(catalogue): Path<String>,
    Params(params): Params<SearchParams>,
    request: Request,
) -> Result<Json<SearchReply>, Problem> {
    let kind = kind(request.headers());
    let (photo, query) = if kind == "multipart/form-data" {
        params.only_min_snapshot()?;
        let form = form(request).await?;
        let query: SearchQuery =
            form.query.map_or_else(|| Ok(SearchQuery::default()), |bytes| json(&bytes))?;
        if query.image.is_some() {
            return Err(Problem::new(
                &crate::problem::BAD_REQUEST,
                "the form has an image twice: as a part and in the query",
            )
            .at("/image"));
        }
        (Some(form.image), query)
    } else if is_json(&kind) {
        params.only_min_snapshot()?;
        (None, json::<SearchQuery>(&body(request).await?)?)
    } else if is_picture(&kind) {
        let query = params.query()?;
        (Some(body(request).await?), query)
    } else {
        return Err(wrong_kind(&kind, "a picture, application/json or multipart/form-data"));
    };
    let offset = query.offset;
    let mut asked = engine_request(&app, photo, query)?;
    asked.min_seq = asked.min_seq.max(params.min_snapshot);

    let state = app.clone();
    let answer = app.vision.run(move || {
        let shop = state.shop(&catalogue)?;
        // The engine waits a little by itself; a longer wait would hold a slot that others could use.
        if let Some(seq) = asked.min_seq
            && !shop.wait_searchable(seq, Duration::from_millis(500))
        {
            let detail = format!("changes up to {} are searchable, {seq} was asked for", shop.seq());
            return Err(Problem::new(&crate::problem::SNAPSHOT_NOT_REACHED, detail));
        }
        Ok(shop.search(&asked)?)
    });
    let answer = answer.await?;
    let timing = answer.timing;
    for (stage, took_ms) in [
        ("decode", timing.decode),
        ("detect", timing.detect),
        ("embed", timing.embed),
        ("index", timing.index),
        ("local", timing.local),
        ("total", timing.total),
    ] {
        app.metrics.stage(stage, took_ms);
    }
    Ok(Json(SearchReply::new(answer, offset)))
}

/// The parts of the form.
#[derive(utoipa::ToSchema)]
#[allow(dead_code)]
pub(crate) struct SearchForm {
    /// The photo.
    #[schema(value_type = String, format = Binary)]
    image: Vec<u8>,
    query: Option<SearchQuery>,
}

fn engine_request(app: &App, photo: Option<Bytes>, query: SearchQuery) -> Result<SearchRequest, Problem> {
    if query.text.as_deref().is_some_and(|text| !text.trim().is_empty()) {
        return Err(super::unsupported(
            "the model of this server reads no words; leave out `text`, and use `filter` for claims",
        )
        .at("/text"));
    }
    let image =
        match (photo, query.image) {
            (Some(bytes), _) => QueryImage::Bytes(picture(app, bytes)?.to_vec()),
            (None, Some(ImageRef::Base64(text))) => QueryImage::Bytes(picture(app, base64(&text)?)?.to_vec()),
            (None, Some(ImageRef::Product(id))) => QueryImage::Product(id),
            (None, Some(ImageRef::Url(_))) => {
                return Err(super::unsupported("this server fetches no pictures; send the photo itself")
                    .at("/image/url"));
            }
            (None, Some(ImageRef::Upload(_))) => {
                return Err(super::unsupported("this server keeps no uploads; send the photo itself")
                    .at("/image/upload"));
            }
            (None, None) => {
                return Err(Problem::new(
                    &crate::problem::BAD_REQUEST,
                    "there is nothing to search with: `image` is missing",
                )
                .at("/image"));
            }
        };
    let mut request = SearchRequest::new(image);
    request.detect = match query.detect {
        Detect::Auto => query.region.is_none(),
        Detect::On => true,
        Detect::Off => false,
    };
    request.region = query.region.map(|r| Region::Fraction(Rect { x: r.x, y: r.y, w: r.w, h: r.h }));
    request.filter = query.filter.as_deref().map(Filter::parse).transpose()?;
    request.limit = query.limit.unwrap_or(request.limit);
    request.offset = query.offset;
    request.rerank = query.rerank.unwrap_or(true);
    request.exact = query.exact;
    request.min_seq = query.min_snapshot;
    request.min_score = query.min_score;
    request.explain = query.explain == Explain::Parts;
    request.group_by = match query.group_by {
        GroupBy::Product => twinset_engine::GroupBy::Product,
        GroupBy::GroupId => twinset_engine::GroupBy::GroupId,
    };
    request.facets = query.facets;
    Ok(request)
}

/// What to look for in a photo without searching.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DetectQuery {
    image: ImageRef,
}

/// Find the articles in a photo.
///
/// The photo comes as the raw body, as a form with a part `image`, or as JSON.
#[utoipa::path(
    post, path = "/v1/detect", tag = "search", operation_id = "detect",
    request_body(content((Vec<u8> = "image/*"), (DetectQuery = "application/json"), (SearchForm = "multipart/form-data"))),
    responses(
        (status = 200, body = DetectAnswer), (status = 400, body = ProblemBody), (status = 413, body = ProblemBody),
        (status = 415, body = ProblemBody), (status = 422, body = ProblemBody), (status = 503, body = ProblemBody),
    )
)]
pub(crate) async fn detect(State(app): State<App>, request: Request) -> Result<Json<DetectAnswer>, Problem> {
    let kind = kind(request.headers());
    let bytes = if kind == "multipart/form-data" {
        form(request).await?.image
    } else if is_json(&kind) {
        match json::<DetectQuery>(&body(request).await?)?.image {
            ImageRef::Base64(text) => base64(&text)?,
            _ => {
                return Err(super::unsupported(
                    "detection reads the photo itself: give it as base64, as the body or in a form",
                )
                .at("/image"));
            }
        }
    } else if is_picture(&kind) {
        body(request).await?
    } else {
        return Err(wrong_kind(&kind, "a picture, application/json or multipart/form-data"));
    };
    let bytes = picture(&app, bytes)?;
    let engine = app.engine.clone();
    let seen = app.vision.run(move || engine.detect(&bytes)).await?;
    Ok(Json(DetectAnswer {
        width: seen.width,
        height: seen.height,
        regions: regions(&seen.garments, seen.width, seen.height),
        chosen: seen.chosen,
    }))
}

/// Refuses by length alone, before anything looks inside.
pub(crate) fn picture(app: &App, bytes: Bytes) -> Result<Bytes, Problem> {
    let most = app.options.max_picture_bytes;
    if bytes.len() > most {
        let detail = format!("the picture has {} bytes, the limit is {most}", bytes.len());
        return Err(Problem::new(&PICTURE_TOO_LARGE, detail));
    }
    Ok(bytes)
}

/// Either alphabet, with or without padding.
pub(crate) fn base64(text: &str) -> Result<Bytes, Problem> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let url_safe = text.contains(['-', '_']);
    let alphabet = if url_safe { &base64::alphabet::URL_SAFE } else { &base64::alphabet::STANDARD };
    let decoded = GeneralPurpose::new(alphabet, config).decode(text.trim());
    let bytes = decoded.map_err(|error| {
        Problem::new(&crate::problem::BAD_REQUEST, format!("the base64 text cannot be read: {error}"))
            .at("/image/base64")
    })?;
    Ok(bytes.into())
}
