//! The two stories of Twinset: answer a query, apply a change.
//!
//! In: photos with questions, and products with pictures. Out: products with evidence, stage times
//! and the sequence number that was seen. The only crate that knows the whole journey of a photo;
//! it knows nothing of HTTP, JSON or arguments, and decides nothing about durability: what is
//! acknowledged is the catalogue's word.
//!
//! - [`Engine`]: one home with its catalogues; [`Shop`]: one catalogue, searchable.
//! - `query.rs` and `change.rs` are the two stories; `follower.rs` keeps the index close behind the
//!   change log; everything derived (features, index) can be made anew from the catalogue.

mod answer;
mod change;
mod decoder;
mod engine;
mod error;
mod exact;
mod features;
mod follower;
mod fuse;
mod gauge;
mod import;
mod query;
mod request;
mod shop;
mod upkeep;
mod vision;

pub use answer::{Detection, Embedded, Facets, GarmentSeen, Hit, Match, Part, SearchAnswer, Timing, Verdict};
pub use decoder::Decoder;
pub use engine::{Engine, Options};
pub use error::EngineError;
pub use features::{DamagedFeatures, Features, StoredGarment};
pub use follower::State;
pub use gauge::{Goal, Reading};
pub use import::{ImportProgress, ImportReport, Rejected};
pub use request::{GroupBy, MAX_LIMIT, MAX_OFFSET, QueryImage, Region, SearchRequest};
pub use shop::Shop;
pub use twinset_index::GraphOptions;
pub use upkeep::{IndexStatus, Unreadable, VerifyReport};
pub use vision::{Described, Seen, Vision};

/// What every call here returns.
pub type Result<T, E = EngineError> = std::result::Result<T, E>;
