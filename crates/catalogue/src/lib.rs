//! Products, claims, pictures and the change log: the only truth of a shop.
//!
//! In: [`ProductPut`]s and removals. Out: products as given, pictures by the hash of their bytes,
//! numbered changes for followers, and the product rows that pass a [`Filter`]. A write that has
//! returned is on the disk. Everything of one catalogue lies in one SQLite file (drawn in
//! `docs/formats/catalogue-db.md`), so that no second store can disagree with it. Knows nothing of
//! pixels, networks, vectors or HTTP; computed features are opaque bytes kept beside the picture
//! they came from.

mod apply;
mod attach;
mod care;
mod catalogue;
mod error;
mod features;
mod filter;
mod findings;
mod home;
mod money;
mod product;
mod readers;
mod schema;
mod select;
mod snapshot;
mod swaps;
mod sync_state;
mod verify;
mod writer;

pub use attach::{Attachment, Standing};
pub use catalogue::{
    Catalogue, ChangeKind, ChangeRecord, Counts, Mode, Outcome, Page, Placement, ProductPut, Record,
    Settings, Status,
};
pub use error::CatalogueError;
pub use filter::{Filter, FilterError};
pub use findings::{AuditRecord, Decision, Finding, FindingFilter, FindingPlace, Tally, Witness};
pub use home::{CatalogueName, Home};
pub use money::{Amount, Currency, Money, MoneyError};
pub use product::{Availability, Category, Condition, Image, InvalidProduct, Place, Product, Role};
pub use snapshot::{BESIDE, snapshot_beside};
pub use swaps::Swap;
pub use sync_state::{Picture, RunRecord, Seen, SyncState, row_hash};
pub use twinset_photo::PictureHash;

/// What every call here returns.
pub type Result<T, E = CatalogueError> = std::result::Result<T, E>;
