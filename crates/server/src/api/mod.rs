//! One file per resource. Each handler reads strictly, runs the engine behind a gate, and answers with a shape.

mod batch;
mod care;
mod catalogues;
mod compare;
mod config;
mod documents;
mod evaluations;
mod examples;
mod feedback;
mod findings;
mod health;
mod images;
mod import;
mod index;
mod jobs;
mod keys;
mod line;
mod log;
mod models;
mod products;
mod runs;
mod search;
mod snapshots;
mod sources;
mod uploads;

use crate::problem::{Problem, UNSUPPORTED};
use crate::state::App;
use serde::Deserialize;
use std::time::Duration;
use twinset_engine::Shop;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// All resources.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(search::search))
        .routes(routes!(search::detect))
        .routes(routes!(batch::batch))
        .routes(routes!(uploads::create))
        .routes(routes!(uploads::get, uploads::delete))
        .routes(routes!(compare::compare))
        .routes(routes!(compare::embed))
        .routes(routes!(feedback::send, feedback::export))
        .routes(routes!(catalogues::list))
        .routes(routes!(catalogues::get, catalogues::put, catalogues::delete))
        .routes(routes!(products::list))
        .routes(routes!(products::get, products::put, products::patch, products::delete))
        .routes(routes!(products::changes))
        .routes(routes!(care::status, care::patch))
        .routes(routes!(care::rebuild))
        .routes(routes!(import::import))
        .routes(routes!(import::export))
        .routes(routes!(images::get, images::put, images::delete))
        .routes(routes!(images::content))
        .routes(routes!(examples::list))
        .routes(routes!(examples::content))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::revoke))
        .routes(routes!(findings::list))
        .routes(routes!(findings::decide))
        .routes(routes!(findings::audits))
        .routes(routes!(findings::audit, findings::start_audit))
        .routes(routes!(index::get))
        .routes(routes!(index::verify))
        .routes(routes!(index::rebuild))
        .routes(routes!(models::list))
        .routes(routes!(models::promote))
        .routes(routes!(evaluations::list, evaluations::create))
        .routes(routes!(evaluations::get))
        .routes(routes!(runs::list, runs::create))
        .routes(routes!(runs::get))
        .routes(routes!(config::get))
        .routes(routes!(log::list))
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(health::metrics))
        .routes(routes!(health::version))
        .routes(routes!(sources::list))
        .routes(routes!(sources::get, sources::put, sources::delete))
        .routes(routes!(sources::runs, sources::run))
        .routes(routes!(snapshots::create))
        .routes(routes!(jobs::list))
        .routes(routes!(jobs::get, jobs::patch, jobs::delete))
        .routes(routes!(jobs::events))
        .routes(routes!(documents::openapi))
}

/// How long a write waits before it answers.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Wait {
    /// Until the change is on the disk: every write does.
    Durable,
    /// Until searches see it.
    Searchable,
}

const WAIT_MS: u64 = 5_000;
const WAIT_MOST_MS: u64 = 30_000;

/// Blocking: whether searches see `change` within the time asked for; `None` if that was not asked.
fn wait(shop: &Shop, change: u64, wait: Option<Wait>, timeout_ms: Option<u64>) -> Option<bool> {
    let Some(Wait::Searchable) = wait else { return None };
    let timeout = Duration::from_millis(timeout_ms.unwrap_or(WAIT_MS).min(WAIT_MOST_MS));
    Some(shop.wait_searchable(change, timeout))
}

fn unsupported(what: &str) -> Problem {
    Problem::new(&UNSUPPORTED, what)
}
