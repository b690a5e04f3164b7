//! HTTP: our API (`/v1`), its description (`/openapi.json`, `/docs`, `/problems`) and the search page (`/`).
//!
//! In: requests. Out: JSON, newline-delimited JSON, pictures and pages. Knows HTTP and JSON, and turns both into
//! calls of [`twinset_engine`]; it decides nothing about products or likeness. Every handler runs the engine on a
//! blocking thread behind a `gate.rs` of bounded length, so that load beyond what the machine can do is refused at
//! once and in words, and never piles up.
//!
//! Who may ask for what is decided in `access.rs`, from [`Keys`] in `server.db` of the home.
//!
//! - [`serve()`] listens, [`router`] is the same without a socket (tests, other servers).
//! - `api/` holds one file per resource; `shapes.rs` the JSON that goes in and out; `problem.rs` every failure.
//! - `pages.rs` serves what `web/` built; nothing a page loads comes from elsewhere.

mod access;
mod afar;
mod api;
mod clock;
mod connection;
mod feedback;
mod gate;
mod guard;
mod intake;
mod jobs;
mod keys;
mod ledger;
mod listing;
mod metrics;
mod options;
mod pages;
mod problem;
mod rate;
mod receive;
mod replay;
mod serve;
mod shapes;
mod shelf;
mod sources;
mod state;
mod store;
mod thumbnails;
mod training;
mod uploads;

pub use keys::{Key, Keys, MadeKey, NewKey, Right};
pub use options::{ExamplePhoto, Origin, ServerOptions, Setting, TlsFiles};
pub use problem::{CODES, Code, Problem};
pub use rate::Rate;
pub use serve::{ServeError, guarded, openapi, router, serve, serve_on};
pub use store::StoreError;
