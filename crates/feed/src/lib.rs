//! Product feeds of any usual format to the product model.
//!
//! In: bytes as a shop publishes them. Out: [`Event`]s, one product at a time, in memory that does not grow with the
//! feed. Format, encoding and packing are recognised by content, never by name. Everything a feed says is a claim and is
//! kept; what is missing or odd is a [`Finding`] with its row, never a failure. Knows nothing of HTTP, and of the
//! catalogue only its product model.
//!
//! - [`open`] lays out an archive that holds feeds and pictures; `read.rs` is the story: unpack, decode, recognise, read. `format/` holds one file a format.
//! - `draft.rs` turns claims into a product, whatever format they came in.
//! - Formats follow `api/feeds.md`; tolerance follows what feeds do to their readers, listed there in section 3.

mod address;
mod archive;
mod draft;
mod encoding;
mod error;
mod finding;
mod format;
mod limits;
mod mapping;
mod price;
mod read;
mod recognise;
mod settings;
mod table;
mod text;
mod unpack;
mod words;
mod xml;
mod zip;

pub use address::Addresses;
pub use archive::{Archive, Opened, open};
pub use error::FeedError;
pub use finding::{Finding, FindingKind};
#[cfg(feature = "parquet")]
pub use format::parquet::ParquetWriter;
pub use limits::Limits;
pub use mapping::Mapping;
pub use read::{Event, Sink, Summary, read};
pub use recognise::Format;
pub use settings::Settings;

/// What every call here returns.
pub type Result<T, E = FeedError> = std::result::Result<T, E>;
