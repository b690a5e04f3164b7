//! Two photos compared, and a photo as a vector.

use super::search::picture;
use crate::problem::{Problem, ProblemBody};
use crate::receive::{body, form, is_json, is_picture, json, kind, wrong_kind};
use crate::shapes::{BoxShape, CompareAnswer, EXAMPLE_PHOTO, EmbedAnswer, ImageRef};
use crate::state::App;
use axum::Json;
use axum::extract::{Request, State};
use serde::Deserialize;
use twinset_engine::Region;
use twinset_photo::Rect;
use utoipa::ToSchema;

/// Two photos.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"query": {"base64": EXAMPLE_PHOTO}, "result": {"base64": EXAMPLE_PHOTO}}))]
pub(crate) struct CompareQuery {
    query: ImageRef,
    result: ImageRef,
}

/// Compare the articles in two photos.
///
/// In each photo the article is taken that a search would use. Answers with the score and the parts that match.
#[utoipa::path(
    post, path = "/v1/compare", tag = "search", operation_id = "compare",
    request_body(content = CompareQuery),
    responses(
        (status = 200, body = CompareAnswer), (status = 400, body = ProblemBody), (status = 413, body = ProblemBody),
        (status = 415, body = ProblemBody), (status = 422, body = ProblemBody), (status = 503, body = ProblemBody),
    )
)]
pub(crate) async fn compare(
    State(app): State<App>,
    request: Request,
) -> Result<Json<CompareAnswer>, Problem> {
    let kind = kind(request.headers());
    if !is_json(&kind) {
        return Err(wrong_kind(&kind, "application/json"));
    }
    let CompareQuery { query, result } = json(&body(request).await?)?;
    let query = picture(&app, query.bytes("/query")?)?;
    let result = picture(&app, result.bytes("/result")?)?;
    let engine = app.engine.clone();
    Ok(Json(app.vision.run(move || engine.compare(&query, &result)).await?.into()))
}

/// What to turn into a vector.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"image": {"base64": EXAMPLE_PHOTO}, "region": {"x": 0.0, "y": 0.0, "w": 1.0, "h": 1.0}}))]
pub(crate) struct EmbedQuery {
    #[serde(default)]
    image: Option<ImageRef>,
    /// Words. Not on this server yet.
    #[serde(default)]
    text: Option<String>,
    /// The part of the photo that is meant; left out: the article that a search would use.
    #[serde(default)]
    region: Option<BoxShape>,
}

/// Turn a photo into a vector.
///
/// Needs the right `read`: vectors tell much of the pictures they come from. The photo comes as the raw body, as a
/// form with a part `image`, or as JSON.
#[utoipa::path(
    post, path = "/v1/embed", tag = "search", operation_id = "embed",
    request_body(content((EmbedQuery = "application/json"), (Vec<u8> = "image/*"), (super::search::SearchForm = "multipart/form-data"))),
    responses(
        (status = 200, body = EmbedAnswer), (status = 400, body = ProblemBody), (status = 413, body = ProblemBody),
        (status = 415, body = ProblemBody), (status = 422, body = ProblemBody), (status = 503, body = ProblemBody),
    )
)]
pub(crate) async fn embed(State(app): State<App>, request: Request) -> Result<Json<EmbedAnswer>, Problem> {
    let kind = kind(request.headers());
    let (bytes, region) = if kind == "multipart/form-data" {
        (form(request).await?.image, None)
    } else if is_json(&kind) {
        let EmbedQuery { image, text, region } = json(&body(request).await?)?;
        if text.is_some() {
            return Err(
                super::unsupported("the model of this server reads no words; give an `image`").at("/text")
            );
        }
        let missing = || {
            Problem::new(&crate::problem::BAD_REQUEST, "there is nothing to look at: `image` is missing")
                .at("/image")
        };
        (image.ok_or_else(missing)?.bytes("/image")?, region)
    } else if is_picture(&kind) {
        (body(request).await?, None)
    } else {
        return Err(wrong_kind(&kind, "a picture, application/json or multipart/form-data"));
    };
    let bytes = picture(&app, bytes)?;
    let region = region.map(|r| Region::Fraction(Rect { x: r.x, y: r.y, w: r.w, h: r.h }));
    let engine = app.engine.clone();
    Ok(Json(app.vision.run(move || engine.embed(&bytes, region)).await?.into()))
}
