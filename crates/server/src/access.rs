//! Who may call what: one table over all routes, and the test of one request against it.
//!
//! A home without keys is open to all who reach it (only loopback, see [`crate::serve()`]). With keys each request
//! needs one with the right that [`need`] names. A catalogue that a key does not reach is answered like one that is
//! not there, by the same words, so that nobody learns the names of other tenants.

use crate::keys::{Held, Right};
use crate::problem::{CROSS_ORIGIN, FORBIDDEN, Problem, RATE_LIMITED, UNAUTHORIZED};
use crate::rate::Left;
use crate::state::{App, missing_catalogue};
use axum::http::{HeaderMap, Method, header};
use std::sync::Arc;
use std::time::Instant;

/// What a route demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Nothing: health, documents, pages.
    Open,
    /// A key with this right, for the catalogue in the address if there is one.
    Key(Right),
    /// A key with this right for all catalogues: what is asked for belongs to none.
    WholeServer(Right),
}

/// The demand of a route, by its pattern. What is not named here demands everything.
pub(crate) fn need(method: &Method, route: &str) -> Need {
    use Need::{Key, Open, WholeServer};
    let reads = method.is_safe();
    let Some(rest) = route.strip_prefix("/v1/") else {
        return match route {
            "/metrics" => WholeServer(Right::Read),
            _ => Open, // health, version, documents, pages: nothing of any catalogue
        };
    };
    if let Some(below) = rest.strip_prefix("catalogues/{catalogue}") {
        return match (below, reads) {
            ("", false) => Key(Right::Admin),
            (
                "" | "/examples" | "/examples/{example}/content" | "/products/{id}/images/{name}/content",
                true,
            ) => Key(Right::Search),
            ("/search" | "/search:batch" | "/feedback", false) => Key(Right::Search),
            (_, true) => Key(Right::Read),
            (_, false) => Key(Right::Write),
        };
    }
    match (rest, reads) {
        ("catalogues", true) | ("detect" | "compare" | "uploads", false) => Key(Right::Search),
        ("uploads/{upload}", _) => Key(Right::Search),
        ("embed", false) => Key(Right::Read),
        ("models" | "evaluations" | "evaluations/{evaluation}" | "runs" | "runs/{run}", true) => {
            WholeServer(Right::Read)
        }
        ("jobs" | "jobs/{job}" | "jobs/{job}/events", true) => WholeServer(Right::Read),
        ("jobs/{job}" | "evaluations", false) => WholeServer(Right::Write),
        _ => WholeServer(Right::Admin),
    }
}

/// Whether a request of this kind is noted in the audit log when it was done: it changes something, and no catalogue's
/// own log has it.
pub(crate) fn is_noted(method: &Method, route: &str) -> bool {
    let writes = matches!(need(method, route), Need::Key(Right::Write | Right::Admin) | Need::WholeServer(_));
    writes && !method.is_safe() && !route.starts_with("/v1/catalogues/{catalogue}/products")
}

/// Who sent a request. An extension of every request.
#[derive(Clone, Debug)]
pub(crate) struct Caller(Option<Arc<Held>>);

impl Caller {
    /// Whether a catalogue exists for this caller.
    pub(crate) fn reaches(&self, catalogue: &str) -> bool {
        self.0.as_ref().is_none_or(|held| held.key.reaches(catalogue))
    }

    /// Whether more is open to this caller than to the visitors of a web page.
    pub(crate) fn may_read(&self) -> bool {
        self.0.as_ref().is_none_or(|held| held.key.has(Right::Read))
    }

    /// Names the caller in the store of answers; not a secret.
    pub(crate) fn name(&self) -> &str {
        self.0.as_ref().map_or("", |held| &held.key.id)
    }
}

/// One admitted request.
pub(crate) struct Admitted {
    pub(crate) caller: Caller,
    pub(crate) left: Option<Left>,
}

/// A request that may not go on. `left` is told in the headers, if a quota was looked at.
pub(crate) struct Refused {
    pub(crate) problem: Problem,
    pub(crate) left: Option<Left>,
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self { problem, left: None }
    }
}

/// Tests one request: its key, right, catalogue, origin and quota, in this order.
///
/// `catalogue`: the one in the address, if the route has one.
pub(crate) fn admit(
    app: &App,
    method: &Method,
    route: &str,
    catalogue: Option<&str>,
    headers: &HeaderMap,
) -> Result<Admitted, Refused> {
    let demand = need(method, route);
    let given = token(headers);
    let ring = app.keys.ring(given);
    let held = match (given, ring.locked) {
        (Some(token), true) => {
            let unknown =
                || Problem::new(&UNAUTHORIZED, "this key is not known here; it may have been revoked");
            Some(ring.find(token).ok_or_else(unknown)?.clone())
        }
        (None, true) if demand == Need::Open => None,
        (None, true) => {
            let missing =
                || Problem::new(&UNAUTHORIZED, "this address needs a key: `authorization: Bearer tw_...`");
            Some(ring.anonymous().ok_or_else(missing)?.clone())
        }
        // Without keys there is nothing to compare a key with, and nothing to protect.
        (_, false) => None,
    };
    from_allowed_page(app, held.as_deref(), method, headers)?;
    let Some(held) = held else { return Ok(Admitted { caller: Caller(None), left: None }) };
    let right = match demand {
        Need::Open => None,
        Need::Key(right) | Need::WholeServer(right) => Some(right),
    };
    if catalogue.is_some_and(|name| !held.key.reaches(name)) {
        return Err(missing_catalogue().into());
    }
    if let Some(right) = right.filter(|right| !held.key.has(*right)) {
        let name = format!("{right:?}").to_lowercase();
        return Err(Problem::new(&FORBIDDEN, format!("this key has not the right `{name}`")).into());
    }
    if matches!(demand, Need::WholeServer(_)) && !held.key.allows.catalogues.is_empty() {
        return Err(Problem::new(
            &FORBIDDEN,
            "this key is for single catalogues, and this address for the whole server",
        )
        .into());
    }
    let left = held.key.allows.rate.map(|rate| held.meter.take(rate, Instant::now()));
    if let Some(left) = left
        && let Some(wait) = left.wait
    {
        let detail =
            format!("this key may be used {} times in {} seconds", left.rate.requests, left.rate.window_s);
        let problem = Problem::new(&RATE_LIMITED, detail).retry_after(wait);
        return Err(Refused { problem, left: Some(left) });
    }
    Ok(Admitted { caller: Caller(Some(held)), left })
}

/// `authorization: Bearer` or `x-api-key`.
fn token(headers: &HeaderMap) -> Option<&str> {
    if let Some(value) = headers.get("x-api-key") {
        return Some(value.to_str().unwrap_or("").trim());
    }
    let value = headers.get(header::AUTHORIZATION)?.to_str().unwrap_or("");
    let (scheme, token) = value.split_once(' ').unwrap_or(("", value));
    Some(if scheme.eq_ignore_ascii_case("bearer") { token.trim() } else { "" })
}

/// A page of another site can make a browser send some requests without asking first. Those that change something,
/// and all that carry a key of other origins, are refused unless that site is allowed.
fn from_allowed_page(
    app: &App,
    held: Option<&Held>,
    method: &Method,
    headers: &HeaderMap,
) -> Result<(), Problem> {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(origin) = text(header::ORIGIN) else { return Ok(()) };
    if *method == Method::OPTIONS || (method.is_safe() && held.is_none()) {
        return Ok(());
    }
    let own = text(header::HOST)
        .is_some_and(|host| origin.split_once("://").is_some_and(|(_, of)| of.eq_ignore_ascii_case(host)));
    let same_origin = headers.get("sec-fetch-site").is_some_and(|value| value == "same-origin"); // also behind a proxy that changes `host`
    let allowed = app.options.cors_origins.iter().any(|allowed| allowed == origin)
        || held.is_some_and(|held| held.key.allows.origins.contains(origin));
    if own || same_origin || allowed {
        return Ok(());
    }
    Err(Problem::new(&CROSS_ORIGIN, "the page that sent this belongs to a site that is not allowed here"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_route_demands_everything() {
        assert_eq!(need(&Method::GET, "/v1/something"), Need::WholeServer(Right::Admin));
        assert_eq!(need(&Method::POST, "/v1/keys"), Need::WholeServer(Right::Admin));
        assert_eq!(need(&Method::GET, "/v1/catalogues/{catalogue}/new"), Need::Key(Right::Read));
        assert_eq!(need(&Method::GET, "/healthz"), Need::Open);
    }
}
