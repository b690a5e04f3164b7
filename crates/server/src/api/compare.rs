//! Two photos compared, and a photo as a vector.

use super::search::picture;
use crate::access::Caller;
use crate::problem::{Problem, ProblemBody};
use crate::receive::{Params, body, form, is_json, is_picture, json, kind, wrong_kind};
use crate::shapes::{BoxShape, CompareAnswer, EXAMPLE_PHOTO, EmbedAnswer, ImageRef};
use crate::state::{App, missing_catalogue};
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::{Extension, Json};
use serde::Deserialize;
use twinset_engine::Region;
use twinset_photo::Rect;
use utoipa::{IntoParams, ToSchema};

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
        (status = 200, body = CompareAnswer), (status = 400, body = ProblemBody), (status = 404, body = ProblemBody, description = "there is no such upload"), (status = 413, body = ProblemBody),
        (status = 415, body = ProblemBody), (status = 422, body = ProblemBody), (status = 503, body = ProblemBody),
    )
)]
pub(crate) async fn compare(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Json<CompareAnswer>, Problem> {
    let kind = kind(request.headers());
    if !is_json(&kind) {
        return Err(wrong_kind(&kind, "application/json"));
    }
    let CompareQuery { query, result } = json(&body(request).await?)?;
    let query = picture(&app, query.bytes(&app, &caller, "/query").await?)?;
    let result = picture(&app, result.bytes(&app, &caller, "/result").await?)?;
    let engine = app.engine.clone();
    Ok(Json(app.vision.run(move || engine.compare(&query, &result)).await?.into()))
}

/// What to turn into a vector: `image` or `text`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"image": {"base64": EXAMPLE_PHOTO}, "region": {"x": 0.0, "y": 0.0, "w": 1.0, "h": 1.0}}))]
pub(crate) struct EmbedQuery {
    #[serde(default)]
    image: Option<ImageRef>,
    /// Words. Needs a model with a text tower: `reads_words` of the catalogue.
    #[serde(default)]
    text: Option<String>,
    /// The part of the photo that is meant; left out: the article that a search would use.
    #[serde(default)]
    region: Option<BoxShape>,
}

/// A photo with the part that is meant, or words.
enum Meant {
    Photo(Bytes, Option<BoxShape>),
    Words(String),
}

impl EmbedQuery {
    async fn meant(self, app: &App, caller: &Caller) -> Result<Meant, Problem> {
        let wrong = |what: &str| Problem::new(&crate::problem::BAD_REQUEST, what).at("/image");
        match (self.image, self.text) {
            (Some(image), None) => Ok(Meant::Photo(image.bytes(app, caller, "/image").await?, self.region)),
            (None, Some(text)) => Ok(Meant::Words(text)),
            (Some(_), Some(_)) => Err(wrong("a vector is of a photo or of words: give `image` or `text`")),
            (None, None) => Err(wrong("there is nothing to look at: `image` is missing, and `text` too")),
        }
    }
}

/// Whose models make the vector.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EmbedParams {
    /// The catalogue's; left out: those that a new catalogue begins with.
    catalogue: Option<String>,
}

/// Turn a photo, or words, into a vector.
///
/// Needs the right `read`: vectors tell much of the pictures they come from. The photo comes as the raw body, as a
/// form with a part `image`, or as JSON; words come as JSON.
#[utoipa::path(
    post, path = "/v1/embed", tag = "search", operation_id = "embed", params(EmbedParams),
    request_body(content((EmbedQuery = "application/json"), (Vec<u8> = "image/*"), (super::search::SearchForm = "multipart/form-data"))),
    responses(
        (status = 200, body = EmbedAnswer), (status = 400, body = ProblemBody), (status = 404, body = ProblemBody), (status = 413, body = ProblemBody),
        (status = 415, body = ProblemBody), (status = 422, body = ProblemBody), (status = 503, body = ProblemBody),
    )
)]
pub(crate) async fn embed(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Params(EmbedParams { catalogue }): Params<EmbedParams>,
    request: Request,
) -> Result<Json<EmbedAnswer>, Problem> {
    if catalogue.as_ref().is_some_and(|name| !caller.reaches(name)) {
        return Err(missing_catalogue());
    }
    let kind = kind(request.headers());
    let meant = if kind == "multipart/form-data" {
        Meant::Photo(form(request).await?.image, None)
    } else if is_json(&kind) {
        json::<EmbedQuery>(&body(request).await?)?.meant(&app, &caller).await?
    } else if is_picture(&kind) {
        Meant::Photo(body(request).await?, None)
    } else {
        return Err(wrong_kind(&kind, "a picture, application/json or multipart/form-data"));
    };
    let (state, engine) = (app.clone(), app.engine.clone());
    let shop = move || catalogue.map(|name| state.shop(&name)).transpose();
    let answer = match meant {
        Meant::Photo(bytes, region) => {
            let bytes = picture(&app, bytes)?;
            let region = region.map(|r| Region::Fraction(Rect { x: r.x, y: r.y, w: r.w, h: r.h }));
            let look = move || {
                let made = match shop()? {
                    Some(shop) => shop.embed(&bytes, region),
                    None => engine.embed(&bytes, region),
                };
                Ok::<_, Problem>(made?.into())
            };
            app.vision.run(look).await?
        }
        Meant::Words(text) => {
            let read = move || {
                let vision = shop()?.map_or_else(|| engine.vision().clone(), |shop| shop.vision());
                Ok::<_, Problem>(EmbedAnswer::of_words(vision.read(&text)?, vision.name()))
            };
            app.vision.run(read).await?
        }
    };
    Ok(Json(answer))
}
