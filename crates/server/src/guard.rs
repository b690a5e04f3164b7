//! Around every request: its id, its log line and numbers, its time limit, and the headers that keep browsers safe.

use crate::problem::{CROSS_ORIGIN, INTERNAL, Problem, TIMEOUT};
use crate::state::App;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use tracing::Instrument;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Nothing from elsewhere, nothing inline. `blob:` is the shopper's own photo.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; \
                      media-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(self), microphone=(), geolocation=()"),
];

pub(crate) async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = given_id(request.headers()).unwrap_or_else(new_id);
    let method = request.method().clone();
    // The pattern, not the address: that one may hold what a caller would not want to read in a log.
    let route = request.extensions().get::<MatchedPath>().map_or("other", MatchedPath::as_str).to_owned();
    let span = tracing::info_span!("request", id = %id, method = %method, route = %route);

    app.metrics.in_flight.fetch_add(1, Relaxed);
    let counted = InFlight(app.clone());
    let mut response = match foreign(&app, &method, request.headers()) {
        Some(problem) => problem.into_response(),
        None => match tokio::time::timeout(
            app.options.request_timeout,
            next.run(request).instrument(span.clone()),
        )
        .await
        {
            Ok(response) => response,
            Err(_) => {
                let limit = app.options.request_timeout.as_secs();
                Problem::new(&TIMEOUT, format!("the answer was not ready within {limit} seconds"))
                    .into_response()
            }
        },
    };
    drop(counted);

    if let Some(problem) = explained(&mut response) {
        let mut body = problem.response(Some(&id));
        if let Some(allow) = response.headers_mut().remove(header::ALLOW) {
            body.headers_mut().insert(header::ALLOW, allow);
        }
        response = body;
    }
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, value);
    }
    let (status, took) = (response.status(), started.elapsed());
    app.metrics.answered(&route, known_method(&method), status.as_u16(), took);
    let ms = took.as_secs_f64() * 1000.0;
    span.in_scope(|| {
        if status.is_server_error() {
            tracing::warn!(status = status.as_u16(), ms, "answered");
        } else {
            tracing::info!(status = status.as_u16(), ms, "answered");
        }
    });
    response
}

struct InFlight(App);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.metrics.in_flight.fetch_sub(1, Relaxed);
    }
}

/// The problem that a handler left, or one for a bare failure of the framework.
fn explained(response: &mut Response) -> Option<Problem> {
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        return Some(problem);
    }
    let status = response.status();
    if status == StatusCode::METHOD_NOT_ALLOWED {
        return Some(Problem::new(
            &crate::problem::METHOD_NOT_ALLOWED,
            "this address does not know this method",
        ));
    }
    let json = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/"));
    match status.as_u16() {
        500 if !json => Some(Problem::new(&INTERNAL, "the server could not do this; its log says why")),
        400 if !json => {
            Some(Problem::new(&crate::problem::BAD_REQUEST, "the address or a header cannot be read"))
        }
        415 if !json => Some(Problem::new(
            &crate::problem::CONTENT_TYPE,
            "the body has a `content-encoding` that is not read here",
        )),
        _ => None,
    }
}

/// A page of another site can make a browser send some requests without asking first. Those that change something are
/// refused unless that site is allowed.
fn foreign(app: &App, method: &Method, headers: &HeaderMap) -> Option<Problem> {
    if method.is_safe() || *method == Method::OPTIONS {
        return None;
    }
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let origin = text(&header::ORIGIN)?;
    let own = text(&header::HOST)
        .is_some_and(|host| origin.split_once("://").is_some_and(|(_, of)| of.eq_ignore_ascii_case(host)));
    let same_origin = headers.get("sec-fetch-site").is_some_and(|value| value == "same-origin"); // also behind a proxy that changes `host`
    if own || same_origin || app.options.cors_origins.iter().any(|allowed| allowed == origin) {
        return None;
    }
    Some(Problem::new(&CROSS_ORIGIN, "the page that sent this belongs to another site"))
}

fn known_method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

/// The caller's own id, if it is harmless in a log.
fn given_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(REQUEST_ID)?.to_str().ok()?;
    let harmless = (1..=128).contains(&id.len())
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b));
    harmless.then(|| id.to_owned())
}

/// Time and chance in 26 letters (ULID): ids sort by time and never meet. Not a secret.
fn new_id() -> String {
    const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let chance = |seed: u8| {
        let mut hasher = RandomState::new().build_hasher();
        hasher.write_u8(seed);
        u128::from(hasher.finish())
    };
    let bits = (ms << 80) | (chance(1) << 16 | chance(2) & 0xffff) & ((1 << 80) - 1);
    (0..26).rev().map(|place| char::from(LETTERS[(bits >> (5 * place)) as usize & 31])).collect()
}

#[cfg(test)]
mod tests {
    use super::new_id;

    #[test]
    fn ids_sort_by_time_and_differ() {
        let first = new_id();
        std::thread::sleep(std::time::Duration::from_millis(2));
        let second = new_id();
        assert!(first.len() == 26 && first < second, "{first} {second}");
        assert_ne!(first[10..], second[10..]);
    }
}
