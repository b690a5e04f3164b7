//! Embeddings to candidates, under daily change.
//!
//! In: numbered changes of (item, group, vector). Out: candidates of one consistent snapshot. Knows vectors,
//! groups and filters, nothing of products.
use roaring::RoaringBitmap;
use std::{path::Path, sync::Arc};

/// Metric of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Inner product of unit vectors; larger similarity is better.
    InnerProduct,
    /// Squared Euclidean distance, reported as negative similarity.
    L2,
}

/// One change to apply.
#[derive(Clone, Debug)]
pub enum Change {
    /// Insert or replace.
    #[allow(missing_docs)]
    Put { item: u32, group: u32, vector: Vec<f32> },
    /// Remove; unknown items are ignored.
    #[allow(missing_docs)]
    Remove { item: u32 },
}

/// One search.
#[derive(Clone, Debug)]
pub struct Query<'a> {
    /// As long as the index's dimension.
    pub vector: &'a [f32],
    /// Candidates wanted.
    pub k: usize,
    /// Only items whose *group* is in this set.
    pub groups: Option<&'a RoaringBitmap>,
    /// At most one candidate a group.
    pub one_per_group: bool,
    /// Exact search, whatever the index.
    pub exact: bool,
}

/// One found item, best first.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct Candidate { pub item: u32, pub group: u32, pub similarity: f32 }

/// The first index: exact search by SIMD kernels. Stays as the oracle.
pub struct ExactIndex {}

impl ExactIndex {
    /// Empty.
    #[must_use]
    pub fn new(_dim: usize, _metric: Metric) -> Self { unimplemented!() }
    /// Applies changes and makes them visible in the next snapshot, which then covers `seq`.
    ///
    /// # Errors
    /// Wrong dimension, vector not finite or zero: nothing of the batch is applied.
    pub fn apply(&self, _seq: u64, _changes: &[Change]) -> Result<(), IndexError> { unimplemented!() }
    /// The newest consistent state; never waits for writers.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> { unimplemented!() }
    /// Saves the newest state with the number it covers; atomic, checksummed.
    ///
    /// # Errors
    /// Disk trouble; the previous saved state stays.
    pub fn save(&self, _dir: &Path) -> Result<u64, IndexError> { unimplemented!() }
    /// Opens a saved state; `stamp` (the model) must be equal or it is refused.
    ///
    /// # Errors
    /// Missing, damaged (with the offset), other stamp or dimension.
    pub fn load(_dir: &Path) -> Result<Self, IndexError> { unimplemented!() }
}

/// One consistent state.
pub struct Snapshot {}

impl Snapshot {
    /// Last applied change.
    #[must_use]
    pub fn seq(&self) -> u64 { unimplemented!() }
    /// Items in it.
    #[must_use]
    pub fn len(&self) -> usize { unimplemented!() }
    /// No items.
    #[must_use]
    pub fn is_empty(&self) -> bool { self.len() == 0 }
    /// Best first; ties by item id.
    ///
    /// # Errors
    /// Wrong dimension or a vector that is not finite.
    pub fn search(&self, _query: &Query<'_>) -> Result<Vec<Candidate>, IndexError> { unimplemented!() }
}

/// Why the index refused.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// Placeholder; the real variants come with the index.
    #[error("the vector has {found} numbers, the index {expected}")]
    #[allow(missing_docs)]
    WrongDimension { found: usize, expected: usize },
}
