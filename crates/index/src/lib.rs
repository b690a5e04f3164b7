//! Embeddings to candidates, under daily change.
//!
//! In: numbered changes of (item, group, vector). Out: candidates of one consistent snapshot. Knows vectors,
//! groups and filters, nothing of products. An item is one picture shown by one product, a group is the
//! product; both are just numbers here.
//!
//! - [`VectorIndex`] and [`Searcher`]: the contract, tested once for all indexes.
//! - [`ExactIndex`]: compares with every vector; the oracle.
//! - [`GraphIndex`]: exact while small, then walks a graph by short codes; fast.
pub mod contender;
mod contract;
mod effort;
mod error;
mod exact;
mod graph;
mod kernels;
mod saved;
#[cfg(test)]
mod saved_trouble;
mod top;

pub use contract::{Candidate, Change, MAX_DIM, Metric, Query, Searcher, Shape, VectorIndex};
pub use effort::Selectivity;
pub use error::{IndexError, Subject};
pub use exact::{ExactIndex, Snapshot};
pub use graph::{GraphIndex, GraphOptions, GraphSnapshot, Room};
pub use kernels::kernels_in_use;
pub use saved::check_saved;

#[cfg(target_endian = "big")]
compile_error!("saved indexes are little-endian and read without conversion");
