//! What every index promises: its changes, its questions, its answers.
use crate::error::{IndexError, Subject};
use roaring::RoaringBitmap;
use std::{path::Path, sync::Arc};

/// Largest dimension of an index.
pub const MAX_DIM: usize = 4096;

/// Metric of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Inner product of unit vectors; larger similarity is better.
    InnerProduct,
    /// Squared Euclidean distance, reported as negative similarity.
    L2,
}

/// What all vectors of one index have in common. Two shapes that differ never share a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Numbers in a vector, 1 to [`MAX_DIM`].
    pub dim: usize,
    /// How two of them are compared.
    pub metric: Metric,
    /// Content hash of the model that made them.
    pub stamp: [u8; 32],
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

impl Change {
    /// The item it speaks of.
    #[must_use]
    pub fn item(&self) -> u32 {
        match self {
            Self::Put { item, .. } | Self::Remove { item } => *item,
        }
    }
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
    /// At most one candidate a group: its best.
    pub one_per_group: bool,
    /// Exact search, whatever the index.
    pub exact: bool,
}

/// One found item, best first.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct Candidate {
    pub item: u32,
    pub group: u32,
    pub similarity: f32,
}

/// An index that takes changes while it is searched.
pub trait VectorIndex: Send + Sync {
    /// Dimension, metric and model of its vectors.
    fn shape(&self) -> Shape;

    /// Applies `changes` in their order and makes them visible, all at once, in the next snapshot, which then
    /// covers `seq`. Several batches may carry the same number (a long change cut in pieces, a rebuild).
    ///
    /// # Errors
    /// A vector of the wrong dimension or length, not finite or zero; `seq` below the covered number. Nothing
    /// of the batch is applied then.
    fn apply(&self, seq: u64, changes: &[Change]) -> Result<(), IndexError>;

    /// The newest consistent state; never waits for writers.
    fn snapshot(&self) -> Arc<dyn Searcher>;

    /// Saves the newest state into the folder `dir` (made if missing), atomically and checksummed; returns the
    /// number that it covers. Changes may go on meanwhile.
    ///
    /// # Errors
    /// Disk trouble; the previously saved state stays.
    fn save(&self, dir: &Path) -> Result<u64, IndexError>;
}

/// One consistent state of an index.
pub trait Searcher: Send + Sync {
    /// Last applied change.
    fn seq(&self) -> u64;
    /// Items in it.
    fn len(&self) -> usize;
    /// No items.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// At most `k` candidates, best first, ties by smaller item id.
    ///
    /// # Errors
    /// Wrong dimension, or a query vector that is not finite or zero.
    fn search(&self, query: &Query<'_>) -> Result<Vec<Candidate>, IndexError>;
    /// The items of these groups, as (item, group), in no particular order.
    fn items_of(&self, groups: &RoaringBitmap) -> Vec<(u32, u32)>;
}

impl Shape {
    pub(crate) fn check_dim(&self) {
        assert!((1..=MAX_DIM).contains(&self.dim), "dimension {} is outside 1..={MAX_DIM}", self.dim);
    }

    /// Refuses a saved state of another shape.
    pub(crate) fn must_be(self, expected: Self, dir: &Path) -> Result<(), IndexError> {
        let path = dir.to_path_buf();
        if self.dim != expected.dim || self.metric != expected.metric {
            let (found_dim, expected_dim) = (self.dim, expected.dim);
            return Err(IndexError::OtherShape {
                path,
                found_dim,
                found: self.metric,
                expected_dim,
                expected: expected.metric,
            });
        }
        if self.stamp != expected.stamp { Err(IndexError::OtherStamp { path }) } else { Ok(()) }
    }

    /// Refuses what cannot be compared. Vectors shorter than 1e-12 or longer than 1e12 would under- or
    /// overflow f32 squares.
    pub(crate) fn check(&self, of: Subject, vector: &[f32]) -> Result<(), IndexError> {
        if vector.len() != self.dim {
            return Err(IndexError::WrongDimension { found: vector.len(), expected: self.dim });
        }
        if let Some(position) = vector.iter().position(|x| !x.is_finite()) {
            return Err(IndexError::NotFinite { of, position });
        }
        let length = vector.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
        if length == 0.0 {
            return Err(IndexError::ZeroVector { of });
        }
        // A query may have any length: under the inner product it scales all similarities alike.
        let unit = self.metric == Metric::InnerProduct && matches!(of, Subject::Item(_));
        // 1 %: enough for vectors that went through f16 or int8, too little for forgotten normalisation.
        let fits = if unit { (length - 1.0).abs() <= 0.01 } else { (1e-12..=1e12).contains(&length) };
        if fits { Ok(()) } else { Err(IndexError::BadLength { of, length }) }
    }

    pub(crate) fn check_all(&self, changes: &[Change]) -> Result<(), IndexError> {
        changes.iter().try_for_each(|change| match change {
            Change::Put { item, vector, .. } => self.check(Subject::Item(*item), vector),
            Change::Remove { .. } => Ok(()),
        })
    }
}

/// Of several changes to one item only the last counts; the others keep their order.
pub(crate) fn last_of_each(changes: &[Change]) -> Vec<&Change> {
    let mut seen = std::collections::HashSet::with_capacity(changes.len());
    let mut last: Vec<&Change> = changes.iter().rev().filter(|change| seen.insert(change.item())).collect();
    last.reverse();
    last
}
