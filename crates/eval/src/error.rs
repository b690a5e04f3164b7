//! Why something could not be measured. A single unreadable picture is no error: reports list those.
use std::path::PathBuf;

/// Why a measurement stopped.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum EvalError {
    /// The data set cannot be read.
    #[error(transparent)]
    DataSet(#[from] twinset_dataset::DatasetError),
    /// The model cannot be used.
    #[error(transparent)]
    Model(#[from] twinset_nets::NetError),
    /// A split that holds nothing.
    #[error("{set} has no rows of split `{split}`; it has: {found}")]
    EmptySplit { set: String, split: String, found: String },
    /// Nothing is left to measure.
    #[error("nothing to measure: {0}")]
    Nothing(String),
    /// A vector file that is not one.
    #[error("{path} is not an .fbin file: {reason}")]
    BadVectors { path: PathBuf, reason: String },
    /// The index refused.
    #[error(transparent)]
    Index(#[from] twinset_index::IndexError),
    /// The list of single results cannot be written.
    #[error("{path} cannot be written: {source}")]
    Write { path: PathBuf, source: std::io::Error },
}
