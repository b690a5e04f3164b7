//! Reading requests strictly: a member or parameter that is not known is refused, with its place.

use crate::problem::{BAD_REQUEST, BODY_TOO_LARGE, CONTENT_TYPE, Problem};
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Multipart, Query, Request};
use axum::http::{HeaderMap, StatusCode, header, request::Parts};
use serde::de::DeserializeOwned;

/// Parameters after `?`.
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(value) = Query::<T>::from_request_parts(parts, state).await.map_err(|error| {
            let whole = error.body_text();
            let text = whole.strip_prefix("Failed to deserialize query string: ").unwrap_or(&whole);
            Problem::new(&BAD_REQUEST, format!("the parameters cannot be read: {text}"))
        })?;
        Ok(Self(value))
    }
}

/// The kind of the body, without parameters, in small letters.
pub(crate) fn kind(headers: &HeaderMap) -> String {
    let text = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    text.split(';').next().unwrap_or("").trim().to_ascii_lowercase()
}

pub(crate) fn is_json(kind: &str) -> bool {
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

pub(crate) fn is_picture(kind: &str) -> bool {
    kind.starts_with("image/") || kind == "application/octet-stream"
}

/// The whole body, within the limit that the router has set.
pub(crate) async fn body(request: Request) -> Result<Bytes, Problem> {
    Bytes::from_request(request, &()).await.map_err(|error| too_large_or(error.status(), &error.body_text()))
}

fn too_large_or(status: StatusCode, text: &str) -> Problem {
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        Problem::new(&BODY_TOO_LARGE, "the body passes the limit that /version lists")
    } else {
        Problem::new(&BAD_REQUEST, format!("the body cannot be read: {text}"))
    }
}

/// JSON with the place of what is wrong in it.
pub(crate) fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let pointer = pointer(error.path());
        Problem::new(&BAD_REQUEST, error.inner().to_string()).at(pointer)
    })?;
    reader.end().map_err(|error| Problem::new(&BAD_REQUEST, error.to_string()))?;
    Ok(value)
}

/// As RFC 6901 writes it.
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut out = String::new();
    for segment in path {
        out.push('/');
        match segment {
            Segment::Seq { index } => out.push_str(&index.to_string()),
            Segment::Map { key } => out.push_str(&key.replace('~', "~0").replace('/', "~1")),
            Segment::Enum { variant } => out.push_str(variant),
            Segment::Unknown => out.push('?'),
        }
    }
    out
}

pub(crate) fn wrong_kind(kind: &str, wanted: &str) -> Problem {
    let kind = if kind.is_empty() { "nothing" } else { kind };
    Problem::new(&CONTENT_TYPE, format!("`content-type` says {kind}, this address reads {wanted}"))
}

/// The two parts of a form: a picture, and JSON about it.
pub(crate) struct Form {
    pub(crate) image: Bytes,
    pub(crate) query: Option<Bytes>,
}

pub(crate) async fn form(request: Request) -> Result<Form, Problem> {
    let bad = |text: String| Problem::new(&BAD_REQUEST, format!("the form cannot be read: {text}"));
    let mut parts = Multipart::from_request(request, &()).await.map_err(|error| bad(error.body_text()))?;
    let (mut image, mut query) = (None, None);
    while let Some(part) =
        parts.next_field().await.map_err(|error| too_large_or(error.status(), &error.body_text()))?
    {
        let name = part.name().unwrap_or("").to_owned();
        let bytes = part.bytes().await.map_err(|error| too_large_or(error.status(), &error.body_text()))?;
        let slot = match name.as_str() {
            "image" => &mut image,
            "query" => &mut query,
            _ => {
                return Err(bad(format!(
                    "it has a part '{}', it may have `image` and `query`",
                    name.chars().take(40).collect::<String>()
                )));
            }
        };
        if slot.replace(bytes).is_some() {
            return Err(bad(format!("it has two parts '{name}'")));
        }
    }
    let image = image.ok_or_else(|| bad("it has no part `image`".into()))?;
    Ok(Form { image, query })
}
