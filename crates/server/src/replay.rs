//! `idempotency-key`: a POST that is sent again is answered again, and done once.
//!
//! The first answer is kept for 24 hours by caller and token, in the server's store: it outlives a restart. While the
//! first request runs the second is refused (409); with another request under the same token it is refused too (422).
//! What can be sent again without harm anyway is not kept: failures that may pass (429, 5xx), and answers of more than
//! [`MOST_BYTES`].

use crate::clock::now_ms;
use crate::problem::{BAD_REQUEST, BODY_TOO_LARGE, IDEMPOTENCY_MISMATCH, IDEMPOTENCY_RUNNING, Problem};
use crate::state::App;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use http_body_util::{BodyExt, Limited};
use parking_lot::Mutex;
use rusqlite::{OptionalExtension, params};
use std::collections::HashSet;

const TOKEN: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// The largest answer that is kept.
const MOST_BYTES: usize = 4 << 20;
/// How long an answer is kept.
pub(crate) const KEPT_MS: u64 = 24 * 3600 * 1000;
/// Headers of an answer that are part of it; the others are about its way.
const KEPT_HEADERS: [HeaderName; 4] =
    [header::CONTENT_TYPE, header::ETAG, header::LOCATION, header::RETRY_AFTER];

/// Tokens whose first request is under way.
#[derive(Default)]
pub(crate) struct Running(Mutex<HashSet<(String, String)>>);

struct Run<'a>(&'a App, (String, String));

impl Drop for Run<'_> {
    fn drop(&mut self) {
        self.0.running.0.lock().remove(&self.1);
    }
}

/// The token of a request, if it has one that is looked at.
pub(crate) fn token(request: &Request) -> Result<Option<String>, Problem> {
    let Some(value) = request.headers().get(TOKEN).filter(|_| request.method() == axum::http::Method::POST)
    else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or("").trim_matches('"');
    let fits = (1..=255).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    if fits {
        return Ok(Some(text.to_owned()));
    }
    Err(Problem::new(&BAD_REQUEST, "idempotency-key has 1 to 255 visible ASCII characters")
        .at("idempotency-key"))
}

/// Answers from the store, or runs the request and keeps its answer.
pub(crate) async fn once(
    app: &App,
    caller: &str,
    token: String,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let run = (caller.to_owned(), token);
    if !app.running.0.lock().insert(run.clone()) {
        return Err(Problem::new(
            &IDEMPOTENCY_RUNNING,
            "the first request with this idempotency-key is still running",
        ));
    }
    let run = Run(app, run);
    let (head, body) = request.into_parts();
    let most = app.options.max_body_bytes;
    let body = Limited::new(body, most).collect().await.map_err(|_| {
        let detail = format!(
            "with idempotency-key a body has at most {most} bytes; imports can be repeated without it"
        );
        Problem::new(&BODY_TOO_LARGE, detail)
    })?;
    let body = body.to_bytes();
    let mut hash = blake3::Hasher::new();
    for part in [head.method.as_str(), head.uri.path(), head.uri.query().unwrap_or("")] {
        hash.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
    }
    let hash = *hash.update(&body).finalize().as_bytes();
    let (state, key) = (app.clone(), run.1.clone());
    if let Some(known) = app.store.run(move || look_up(&state, &key)).await? {
        if known.request != hash {
            return Err(Problem::new(
                &IDEMPOTENCY_MISMATCH,
                "this idempotency-key came with another request before",
            ));
        }
        return Ok(known.response());
    }
    let (mut head, body) = next.run(Request::from_parts(head, Body::from(body))).await.into_parts();
    if head.status == StatusCode::TOO_MANY_REQUESTS || head.status.is_server_error() {
        return Ok(Response::from_parts(head, body));
    }
    // The answer of a problem is made by the guard, from what it finds here.
    let problem = head.extensions.remove::<Problem>();
    let answer = match &problem {
        Some(problem) => {
            let (made, body) = problem.response(None).into_parts();
            head.headers = made.headers;
            body
        }
        None => body,
    };
    let bytes = answer.collect().await.map_err(|error| Problem::internal(&error))?.to_bytes();
    if bytes.len() <= MOST_BYTES {
        let (state, key, status, headers, body) =
            (app.clone(), run.1.clone(), head.status, head.headers.clone(), bytes.clone());
        app.store.run(move || keep(&state, &key, &hash, status, &headers, &body)).await?;
    }
    if let Some(problem) = problem {
        head.extensions.insert(problem);
    }
    Ok(Response::from_parts(head, bytes.into()))
}

struct Known {
    request: [u8; 32],
    status: u16,
    head: Vec<(String, String)>,
    body: Bytes,
}

impl Known {
    fn response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        for (name, value) in self.head {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                response.headers_mut().insert(name, value);
            }
        }
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        response
    }
}

/// Short: one row by its key.
fn look_up(app: &App, run: &(String, String)) -> Result<Option<Known>, Problem> {
    let since = now_ms().saturating_sub(KEPT_MS) as i64;
    let known = app.keys.with(|database| {
        let mut query = database.prepare_cached(
            "SELECT request, status, head, body FROM replays WHERE caller = ? AND token = ? AND created_ms > ?",
        )?;
        query
            .query_row(params![run.0, run.1, since], |row| {
                Ok(Known {
                    request: row.get(0)?,
                    status: row.get(1)?,
                    head: serde_json::from_str(&row.get::<_, String>(2)?).unwrap_or_default(),
                    body: row.get::<_, Vec<u8>>(3)?.into(),
                })
            })
            .optional()
    });
    known.map_err(|error| Problem::internal(&error))
}

fn keep(
    app: &App,
    run: &(String, String),
    request: &[u8; 32],
    status: StatusCode,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<(), Problem> {
    let text = |name: HeaderName| Some((name.to_string(), headers.get(name)?.to_str().ok()?));
    let head: Vec<(String, &str)> = KEPT_HEADERS.into_iter().filter_map(text).collect();
    let head = serde_json::to_string(&head).map_err(|error| Problem::internal(&error))?;
    let now = now_ms();
    let kept = app.keys.with(|database| {
        database
            .prepare_cached("DELETE FROM replays WHERE created_ms <= ?")?
            .execute([now.saturating_sub(KEPT_MS) as i64])?;
        database
            .prepare_cached("INSERT OR REPLACE INTO replays VALUES (?, ?, ?, ?, ?, ?, ?)")?
            .execute(params![run.0, run.1, request, status.as_u16(), head, &body[..], now as i64])
    });
    kept.map(|_| ()).map_err(|error| Problem::internal(&error))
}
