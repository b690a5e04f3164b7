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
//! - `audit.rs` doubts what sellers claim, `copies.rs` knows one picture from another; `trust.rs` lets a search heed what a person decided about it.
//! - `panel.rs` takes collages apart, so that each picture in them is found.
//! - `generation.rs` builds everything anew with other models beside what answers, and compares; [`Models`] keeps them.

mod answer;
mod audit;
mod change;
mod copies;
mod decoder;
mod engine;
mod error;
mod evidence;
mod exact;
mod features;
mod follower;
mod freshness;
mod fuse;
mod gauge;
mod generation;
mod import;
mod measure;
mod models;
mod panel;
mod query;
mod request;
mod shop;
mod stages;
mod sync;
mod trust;
mod upkeep;
mod vision;

pub use answer::{Detection, Embedded, Facets, GarmentSeen, Hit, Match, Part, SearchAnswer, Timing, Verdict};
pub use audit::AuditReport;
pub use decoder::Decoder;
pub use engine::{Engine, Options};
pub use error::EngineError;
pub use evidence::{Agreement, Zone};
pub use features::{DamagedFeatures, Features, StoredGarment};
pub use follower::State;
pub use freshness::{Freshness, Quantiles};
pub use gauge::{Goal, Reading};
pub use generation::{Contest, Marks, Pace};
pub use import::{ImportProgress, ImportReport, Rejected};
pub use measure::{Interval, Measured, Missed, RECALL_AT};
pub use models::{KnownModel, Models};
pub use request::{GroupBy, MAX_LIMIT, MAX_OFFSET, QueryImage, Region, SearchRequest};
pub use shop::{Shop, Taken, Terms};
pub use stages::{ChangeStage, Histogram};
pub use sync::{
    Approval, Counts as SyncCounts, Difference, FailedPicture, Fate, FindingGroup, Input, Missing,
    PictureCounts, Progress as SyncProgress, Report as SyncReport, Signal, Stage, SyncOptions,
};
pub use twinset_detect::MAX_GARMENTS;
pub use twinset_index::GraphOptions;
pub use upkeep::{IndexStatus, Unreadable, VerifyReport};
pub use vision::{Described, Seen, Vision};

/// What every call here returns.
pub type Result<T, E = EngineError> = std::result::Result<T, E>;
