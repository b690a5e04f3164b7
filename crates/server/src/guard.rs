//! Around every request: its id, who sent it, its log line and numbers, its time limit, and the headers that keep
//! browsers safe.

use crate::access::{self, Need, Refused};
use crate::clock::now_ms;
use crate::gate::TENANT;
use crate::intake::Taken;
use crate::ledger::Deed;
use crate::problem::{INTERNAL, Problem, TIMEOUT};
use crate::rate::Left;
use crate::state::App;
use crate::{intake, replay};
use axum::RequestExt;
use axum::extract::{MatchedPath, RawPathParams, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
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

/// Routes whose bodies are streams of any size, timed by their handlers.
const STREAMED: [&str; 1] = ["/v1/catalogues/{catalogue}/products:import"];
/// Routes that look at photos: refused before their bodies are read when too many wait already.
const LOOKING: [&str; 5] = [
    "/v1/catalogues/{catalogue}/search",
    "/v1/catalogues/{catalogue}/search:batch",
    "/v1/detect",
    "/v1/compare",
    "/v1/embed",
];

pub(crate) async fn guard(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = given_id(request.headers()).unwrap_or_else(new_id);
    let method = request.method().clone();
    // The pattern, not the address: that one may hold what a caller would not want to read in a log.
    let route = request.extensions().get::<MatchedPath>().map_or("other", MatchedPath::as_str).to_owned();
    let catalogue = catalogue_of(&mut request).await;
    let path = request.uri().path().to_owned();
    let noted = access::is_noted(&method, &route);
    let mut by = None;
    let span = tracing::info_span!("request", id = %id, method = %method, route = %route, key = tracing::field::Empty);

    app.metrics.in_flight.fetch_add(1, Relaxed);
    let counted = InFlight(app.clone());
    let left;
    let admitted = access::admit(&app, &method, &route, catalogue.as_deref(), request.headers());
    let mut response = match admitted {
        Err(Refused { problem, left: of }) => {
            left = of;
            take_in(&app, request);
            problem.into_response()
        }
        Ok(admitted) => {
            left = admitted.left;
            span.record("key", admitted.caller.name());
            by = Some(admitted.caller.name().to_owned()).filter(|name| !name.is_empty());
            let tenant: Arc<str> = catalogue.unwrap_or_else(|| admitted.caller.name().to_owned()).into();
            let handled = handle(&app, &route, &tenant, admitted.caller, request, next);
            TENANT.scope(tenant.clone(), handled).instrument(span.clone()).await
        }
    };
    drop(counted);

    if let Some(problem) = explained(&mut response) {
        let mut body = problem.response(Some(&id));
        if let Some(allow) = response.headers_mut().remove(header::ALLOW) {
            body.headers_mut().insert(header::ALLOW, allow);
        }
        response = body;
    }
    let accepted = response.status() == StatusCode::ACCEPTED;
    let headers = response.headers_mut();
    if accepted {
        // What is not done yet can be asked for where it was ordered, if nothing better is known.
        headers.entry(header::RETRY_AFTER).or_insert(HeaderValue::from_static("1"));
        if let Ok(path) = HeaderValue::from_str(&path) {
            headers.entry(header::LOCATION).or_insert(path);
        }
    }
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, value);
    }
    if let Some(left) = left {
        tell_quota(headers, left);
    }
    if route.starts_with("/v1/") {
        // An answer for one key is not for another: neither caches nor browsers may mix them.
        headers.append(header::VARY, HeaderValue::from_static("authorization, x-api-key"));
    }
    let status = response.status();
    if method == Method::POST && accepted {
        sign(&app, response.headers(), by.as_deref());
    }
    if noted && status.is_success() {
        let (method, status) = (known_method(&method).to_owned(), status.as_u16());
        note(&app, Deed { id: 0, at: now_ms(), by, method, path, status, request: id }).await;
    }
    let took = started.elapsed();
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

/// Writes down whose order the job is that an answer names.
fn sign(app: &App, headers: &HeaderMap, by: Option<&str>) {
    let job = headers.get(header::LOCATION).and_then(|at| at.to_str().ok()?.strip_prefix("/v1/jobs/"));
    if let (Some(job), Some(by)) = (job.and_then(|id| app.jobs.find(id).ok()), by) {
        job.update(|job| job.by = Some(by.to_owned()));
    }
}

/// Before the answer is sent: who has it finds what was done in the log.
async fn note(app: &App, deed: Deed) {
    let state = app.clone();
    match tokio::task::spawn_blocking(move || state.ledger.note(&deed)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(%error, "the audit log cannot be written"),
        Err(error) => tracing::error!(%error, "the audit log cannot be written"),
    }
}

/// `OPTIONS` of any address: its methods, whoever asks. What a browser asks before it sends for another site is answered
/// below, by [`tower_http::cors`], and told the same.
pub(crate) async fn options(State(app): State<App>, request: Request, next: Next) -> Response {
    if request.method() != Method::OPTIONS {
        return next.run(request).await;
    }
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let allow = app.allowed.get(route).cloned().unwrap_or(HeaderValue::from_static("GET, HEAD, OPTIONS"));
    let mut response = next.run(request).await;
    response.headers_mut().insert(header::ALLOW, allow);
    response
}

/// The catalogue in the address, decoded.
async fn catalogue_of(request: &mut Request) -> Option<String> {
    let params = request.extract_parts::<RawPathParams>().await.ok()?;
    params.iter().find(|(name, _)| *name == "catalogue").map(|(_, value)| value.to_owned())
}

/// An admitted request: its body within limits, its answer within time.
async fn handle(
    app: &App,
    route: &str,
    tenant: &Arc<str>,
    caller: access::Caller,
    mut request: Request,
    next: Next,
) -> Response {
    let method = request.method().clone();
    if LOOKING.contains(&route)
        && method == Method::POST
        && let Err(problem) = app.vision.would_admit(tenant)
    {
        take_in(app, request);
        return problem.into_response();
    }
    let streamed = STREAMED.contains(&route);
    if !streamed
        && intake::announced(request.headers())
            .is_some_and(|length| length > app.options.max_body_bytes as u64)
    {
        let detail = format!("the body has more than the {} bytes allowed", app.options.max_body_bytes);
        return Problem::new(&crate::problem::BODY_TOO_LARGE, detail).into_response();
    }
    let token = match replay::token(&request) {
        Ok(token) => token.filter(|_| access::need(&method, route) != Need::Open),
        Err(problem) => return problem.into_response(),
    };
    let name = caller.name().to_owned();
    request.extensions_mut().insert(caller);
    let (head, body) = request.into_parts();
    let (body, taken) = app.intake.watch(body, streamed && token.is_none());
    let request = Request::from_parts(head, body);
    let limit = app.options.request_timeout;
    let answer = async {
        match token {
            Some(token) => replay::once(app, &name, token, request, next).await.into_response(),
            None => next.run(request).await,
        }
    };
    let response = match tokio::time::timeout(limit, answer).await {
        Ok(response) => response,
        Err(_) => {
            let detail = format!("the answer was not ready within {} seconds", limit.as_secs());
            Problem::new(&TIMEOUT, detail).into_response()
        }
    };
    let Taken { fault, .. } = std::mem::take(&mut *taken.lock());
    // A handler can only say that the body broke off; why is known here.
    fault.map_or(response, IntoResponse::into_response)
}

/// Reads a small body that nobody wants, while its refusal is under way: who sends slowly need not send it all to learn
/// that it is not wanted. A connection that closes over unread bytes is reset, and the refusal that was just sent on it is
/// lost: one in four, measured with photos of 30 KB.
fn take_in(app: &App, request: Request) {
    const SMALL: u64 = 1 << 20;
    if intake::announced(request.headers()).is_some_and(|length| length <= SMALL) {
        let patience = app.options.patience;
        tokio::spawn(async move {
            let mut body = request.into_body().into_data_stream();
            let end = async { while let Some(Ok(_)) = body.next().await {} };
            let _ = tokio::time::timeout(patience, end).await;
        });
    }
}

/// As in draft-ietf-httpapi-ratelimit-headers-10.
fn tell_quota(headers: &mut HeaderMap, left: Left) {
    let policy = format!("\"key\";q={};w={}", left.rate.requests, left.rate.window_s);
    let now = format!("\"key\";r={};t={}", left.requests, left.whole_in.as_secs_f64().ceil() as u64);
    for (name, value) in [("ratelimit-policy", policy), ("ratelimit", now)] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
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
pub(crate) fn new_id() -> String {
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
