//! Why the index refused, sorted by who can act.
use crate::Metric;
use std::path::{Path, PathBuf};

/// Why the index refused. Whenever one of these comes back from a change, nothing of its batch was applied.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum IndexError {
    // The vector or the call is wrong.
    #[error("the vector has {found} numbers, the index {expected}; was it made by another model?")]
    WrongDimension { found: usize, expected: usize },
    #[error("the vector of {of} is not finite at position {position}; compute it again")]
    NotFinite { of: Subject, position: usize },
    #[error("the vector of {of} is zero and points nowhere; leave this picture out")]
    ZeroVector { of: Subject },
    #[error(
        "the vector of {of} has length {length:e}; give vectors of length 1 for the inner product, \
             and of length 1e-12 to 1e12 for L2"
    )]
    BadLength { of: Subject, length: f64 },
    #[error(
        "changes up to {covered} are in the index already, {given} comes too late; \
             ask the index for its number and continue after it"
    )]
    TooLate { given: u64, covered: u64 },
    #[error("the index is full at {limit} vectors; split the catalogue")]
    Full { limit: u64 },

    // What lies on the disk is not what was asked for.
    #[error("no saved index in {}; build it from the catalogue", .path.display())]
    Missing { path: PathBuf },
    #[error("{} is damaged at byte {offset} ({what}); `twinset index rebuild` makes it anew from the catalogue", .path.display())]
    Damaged { path: PathBuf, offset: u64, what: &'static str },
    #[error("{} has format version {found}, this program reads up to {supported}; use a newer program", .path.display())]
    NewerVersion { path: PathBuf, found: u32, supported: u32 },
    #[error("{} holds an index of kind {found}, not {expected}; rebuild it", .path.display())]
    OtherKind { path: PathBuf, found: &'static str, expected: &'static str },
    #[error("{} holds vectors of another model; rebuild it with the present one", .path.display())]
    OtherStamp { path: PathBuf },
    #[error("{} holds {found_dim} numbers a vector under {found:?}, wanted {expected_dim} under {expected:?}; rebuild it", .path.display())]
    OtherShape { path: PathBuf, found_dim: usize, found: Metric, expected_dim: usize, expected: Metric },

    // The disk failed.
    #[error("{doing} {}: {source}", .path.display())]
    Io { doing: &'static str, path: PathBuf, source: std::io::Error },
}

/// Whose vector was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Subject {
    Item(u32),
    Query,
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Item(item) => write!(f, "item {item}"),
            Self::Query => f.write_str("the query"),
        }
    }
}

impl IndexError {
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { doing, path, source }
    }
    pub(crate) fn damaged(path: &Path, offset: u64, what: &'static str) -> Self {
        Self::Damaged { path: path.to_path_buf(), offset, what }
    }
}
