//! HTTP: our API (`/v1`), its description (`/openapi.json`, `/docs`, `/problems`) and the search page (`/`).
//!
//! In: requests. Out: JSON, newline-delimited JSON, pictures and pages. Knows HTTP and JSON, and turns both into
//! calls of [`twinset_engine`]; it decides nothing about products or likeness. Every handler runs the engine on a
//! blocking thread behind a `gate.rs` of bounded length, so that load beyond what the machine can do is refused at
//! once and in words, and never piles up.
//!
//! - [`serve()`] listens, [`router`] is the same without a socket (tests, other servers).
//! - `api/` holds one file per resource; `shapes.rs` the JSON that goes in and out; `problem.rs` every failure.
//! - `pages.rs` serves what `web/` built; nothing a page loads comes from elsewhere.

mod api;
mod gate;
mod guard;
mod metrics;
mod options;
mod pages;
mod problem;
mod receive;
mod serve;
mod shapes;
mod state;
mod thumbnails;

pub use options::{ExamplePhoto, ServerOptions};
pub use problem::{CODES, Code, Problem};
pub use serve::{ServeError, openapi, router, serve, serve_on};
