//! Search and detection: a photo in, products or boxes out.

use crate::access::Caller;
use crate::feedback::Asked;
use crate::guard::new_id;
use crate::problem::{INVALID_VALUE, PICTURE_TOO_LARGE, Problem, ProblemBody};
use crate::receive::{Params, body, form, is_json, is_picture, json, kind, wrong_kind};
use crate::shapes::{
    Beside, Detect, DetectAnswer, DoubtShape, Doubts, EXAMPLE_PHOTO, Explain, GroupBy, ImageRef, Near,
    SearchQuery, SearchReply, regions,
};
use crate::state::App;
use axum::body::Bytes;
use axum::extract::{Path, Request, State};
use axum::{Extension, Json};
use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;
use std::time::{Duration, Instant};
use twinset_catalogue::{Decision, Filter, Finding, FindingFilter, Place};
use twinset_engine::{QueryImage, Region, SearchAnswer, SearchRequest, Shop};
use twinset_photo::{PictureHash, Rect};
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
    Extension(caller): Extension<Caller>,
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
    Ok(Json(run(&app, &caller, catalogue, photo, query, params.min_snapshot).await?))
}

/// One search, whichever way it came.
pub(crate) async fn run(
    app: &App,
    caller: &Caller,
    catalogue: String,
    photo: Option<Bytes>,
    query: SearchQuery,
    min_snapshot: Option<u64>,
) -> Result<SearchReply, Problem> {
    let (offset, here) = (query.offset, query.near.map(|near| Place { lat: near.lat, lon: near.lon }));
    let said = query.detect;
    let of = match &query.image {
        Some(ImageRef::Product(id)) => Some(id.clone()),
        _ => None,
    };
    let mut asked = engine_request(app, caller, photo, query).await?;
    asked.min_seq = asked.min_seq.max(min_snapshot);
    let photo = match &asked.image {
        QueryImage::Bytes(bytes) => Some(PictureHash::of(bytes).to_string()),
        QueryImage::Product(_) | QueryImage::Words => None,
    };
    let sampled = app.metrics.is_sample(app.options.recall_sample).then(|| asked.clone());

    let (state, name) = (app.clone(), catalogue.clone());
    let answer = app.vision.run(move || {
        let shop = state.shop(&catalogue)?;
        // The engine waits a little by itself; a longer wait would hold a slot that others could use.
        if let Some(seq) = asked.min_seq
            && !shop.wait_searchable(seq, Duration::from_millis(500))
        {
            let detail = format!("changes up to {} are searchable, {seq} was asked for", shop.seq());
            return Err(Problem::new(&crate::problem::SNAPSHOT_NOT_REACHED, detail));
        }
        if said.is_none() && shop.catalogue().settings().detection == Some(false) {
            asked.detect = false;
        }
        let answer = shop.search(&asked)?;
        let doubts = if asked.explain { doubts(&shop, &answer)? } else { Doubts::default() };
        Ok((answer, doubts, shop.catalogue().settings().feedback == Some(true)))
    });
    let (answer, doubts, feedback) = answer.await?;
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
    let found: Vec<String> = answer.hits.iter().map(|hit| hit.product.id.clone()).collect();
    if let Some(sampled) = sampled.filter(|asked| !asked.exact) {
        tokio::spawn(measure(app.clone(), name.clone(), sampled, found.clone()));
    }
    let id = new_id();
    app.searches.remember(&id, Asked { catalogue: name, product: of, photo, shown: found });
    let regions = app.options.max_regions;
    Ok(SearchReply::new(id, answer, Beside { offset, here, regions, doubts, feedback }))
}

/// What an audit doubts of the products found; what a person called right is no doubt.
fn doubts(shop: &Shop, answer: &SearchAnswer) -> Result<Doubts, Problem> {
    const A_PRODUCT: usize = 20;
    let mut doubts = Doubts::new();
    for hit in &answer.hits {
        let about = FindingFilter { product: Some(hit.product.id.clone()), ..FindingFilter::default() };
        let found = shop.catalogue().findings(&about, None, A_PRODUCT)?;
        let stands = |(finding, decision): (Finding, Option<Decision>)| {
            let claim = finding.field != "images" && decision.is_none_or(|decision| decision.accepted);
            claim.then(|| DoubtShape::from(finding))
        };
        doubts.insert(hit.product.id.clone(), found.into_iter().filter_map(stands).collect());
    }
    Ok(doubts)
}

/// Answers a search again, exactly, and notes how many of the first ten the index had found.
async fn measure(app: App, catalogue: String, mut asked: SearchRequest, found: Vec<String>) {
    asked.exact = true;
    let state = app.clone();
    let exact = app.vision.run(move || Ok::<_, Problem>(state.shop(&catalogue)?.search(&asked)?));
    // Refused under load: then this one is not measured.
    let Ok(exact) = exact.await else { return };
    let ids: Vec<&String> = exact.hits.iter().take(10).map(|hit| &hit.product.id).collect();
    if !ids.is_empty() {
        let hit = ids.iter().filter(|id| found.contains(id)).count();
        app.metrics.recall(hit as f64 / ids.len() as f64);
    }
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

async fn engine_request(
    app: &App,
    caller: &Caller,
    photo: Option<Bytes>,
    query: SearchQuery,
) -> Result<SearchRequest, Problem> {
    let text = query.text.filter(|text| !text.trim().is_empty());
    let image = match (photo, query.image) {
        (Some(bytes), _) => QueryImage::Bytes(picture(app, bytes)?.to_vec()),
        (None, Some(ImageRef::Product(id))) => QueryImage::Product(id),
        (None, Some(image)) => {
            QueryImage::Bytes(picture(app, image.bytes(app, caller, "/image").await?)?.to_vec())
        }
        (None, None) if text.is_some() => QueryImage::Words,
        (None, None) => {
            return Err(Problem::new(
                &crate::problem::BAD_REQUEST,
                "there is nothing to search with: `image` is missing, and there is no `text` either",
            )
            .at("/image"));
        }
    };
    let mut request = SearchRequest::new(image);
    request.text = text;
    request.detect = match query.detect.unwrap_or_default() {
        Detect::Auto => query.region.is_none(),
        Detect::On => true,
        Detect::Off => false,
    };
    request.region = query.region.map(|r| Region::Fraction(Rect { x: r.x, y: r.y, w: r.w, h: r.h }));
    request.filter = query.filter.as_deref().map(Filter::parse).transpose()?;
    if let Some(near) = query.near {
        request.filter = within(near)?.into_iter().chain(request.filter.take()).reduce(Filter::and);
    }
    request.limit = query.limit.unwrap_or(request.limit.min(app.options.max_results));
    if request.limit > app.options.max_results {
        let detail = format!("limit is {}, it must be 1 to {}", request.limit, app.options.max_results);
        return Err(Problem::new(&INVALID_VALUE, detail).at("/limit"));
    }
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

/// The filter that `near` stands for.
fn within(near: Near) -> Result<Option<Filter>, Problem> {
    let wrong = |at: &str, range: &str| {
        Err(Problem::new(&INVALID_VALUE, format!("near.{at} is out of its range, {range}"))
            .at(format!("/near/{at}")))
    };
    if !(-90.0..=90.0).contains(&near.lat) {
        return wrong("lat", "-90 to 90");
    }
    if !(-180.0..=180.0).contains(&near.lon) {
        return wrong("lon", "-180 to 180");
    }
    match near.within_km {
        None => Ok(None),
        Some(km) if (0.0..=20_100.0).contains(&km) => {
            Ok(Some(Filter::parse(&format!("within(place, {}, {}, {km})", near.lat, near.lon))?))
        }
        Some(_) => wrong("within_km", "0 to 20,100"),
    }
}

/// What to look for in a photo without searching.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"image": {"base64": EXAMPLE_PHOTO}}))]
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
        (status = 200, body = DetectAnswer), (status = 400, body = ProblemBody), (status = 404, body = ProblemBody, description = "there is no such upload"), (status = 413, body = ProblemBody),
        (status = 415, body = ProblemBody), (status = 422, body = ProblemBody), (status = 503, body = ProblemBody),
    )
)]
pub(crate) async fn detect(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Json<DetectAnswer>, Problem> {
    let bytes = photo(&app, &caller, request).await?;
    let engine = app.engine.clone();
    let seen = app.vision.run(move || engine.detect(&bytes)).await?;
    let (width, height) = (seen.width, seen.height);
    let (regions, chosen) = regions(&seen.garments, seen.chosen, (width, height), app.options.max_regions);
    Ok(Json(DetectAnswer { width, height, regions, chosen }))
}

/// The photo of a body that is nothing else: raw, a form, or JSON.
pub(crate) async fn photo(app: &App, caller: &Caller, request: Request) -> Result<Bytes, Problem> {
    let kind = kind(request.headers());
    let bytes = if kind == "multipart/form-data" {
        form(request).await?.image
    } else if is_json(&kind) {
        json::<DetectQuery>(&body(request).await?)?.image.bytes(app, caller, "/image").await?
    } else if is_picture(&kind) {
        body(request).await?
    } else {
        return Err(wrong_kind(&kind, "a picture, application/json or multipart/form-data"));
    };
    picture(app, bytes)
}

impl ImageRef {
    /// The photo itself, where no catalogue is at hand that could have it.
    pub(crate) async fn bytes(self, app: &App, caller: &Caller, pointer: &str) -> Result<Bytes, Problem> {
        match self {
            Self::Base64(text) => base64(&text),
            Self::Url(url) => app.afar.photo(caller, url, &format!("{pointer}/url")).await,
            Self::Upload(id) => {
                let found = app.uploads.find(caller.name(), &id, Instant::now());
                found.map(|(bytes, _)| bytes).map_err(|problem| problem.at(format!("{pointer}/upload")))
            }
            Self::Product(_) => {
                let what =
                    "this address belongs to no catalogue: give the photo itself, or the id of an upload";
                Err(super::unsupported(what).at(pointer))
            }
        }
    }
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
