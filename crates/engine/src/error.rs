//! What can go wrong with a query or a change, sorted by who can act.

use twinset_catalogue::CatalogueError;
use twinset_index::IndexError;
use twinset_nets::NetError;
use twinset_photo::PhotoError;

/// Why the engine could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum EngineError {
    // The input is bad.
    #[error("the photo cannot be read: {0}")]
    Photo(#[from] PhotoError),
    #[error(
        "the region {region} has no part inside the photo of {width} x {height}; give a box that lies in it"
    )]
    BadRegion { region: String, width: u32, height: u32 },

    // The caller is wrong.
    #[error("{field} {reason}")]
    BadRequest { field: &'static str, reason: String },
    #[error("there is no product '{id}' in this catalogue")]
    NoSuchProduct { id: String },
    #[error("product '{id}' has no stored picture to search with; put its bytes first")]
    NoPicture { id: String },

    #[error("there is no model '{name}'; `twinset model list` shows what there is")]
    NoSuchModel { name: String },
    #[error(
        "the model of this catalogue reads no words; search with a photo, or take a model with a text tower into use (`twinset model import`, `twinset model use`)"
    )]
    ReadsNoWords,
    #[error("these models answer already")]
    SameModels,
    #[error("no other models were in use before; there is nothing to go back to")]
    NoEarlierModels,
    #[error("another generation of this catalogue is being built or swapped; try again when that is done")]
    GenerationBusy,
    #[error("source '{source_name}' is being synced already; wait for that run, or stop it")]
    SyncRuns { source_name: String },
    #[error(transparent)]
    Feed(#[from] twinset_feed::FeedError),
    #[error("the feed cannot be fetched: {0}")]
    Fetch(#[from] twinset_fetch::FetchError),

    // A limit is reached; the same call may succeed later.
    #[error("changes up to {seen} are searchable, {wanted} was asked for; try again in a moment")]
    NotYetSearchable { wanted: u64, seen: u64 },
    #[error("this catalogue is closing; open it again")]
    Closed,

    // The disk, or what lies on it.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    #[error(transparent)]
    Index(#[from] IndexError),
    #[error(transparent)]
    Model(#[from] NetError),
    #[error("{path}: {detail}")]
    Disk { path: std::path::PathBuf, detail: String },
}
