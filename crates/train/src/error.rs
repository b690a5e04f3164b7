//! Why a training run could not go on.
use std::path::{Path, PathBuf};

/// Sorted by who can act.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum TrainError {
    /// The data.
    #[error(
        "no training pictures in {0}; give --data folders with a manifest.csv and a train split, or synth:"
    )]
    NoData(String),
    #[error(
        "hard negatives are mined among all products, which a window does not hold; give one of `mine` and `window`"
    )]
    MineAndWindow,
    #[error(transparent)]
    DataSet(#[from] twinset_dataset::DatasetError),
    #[error("{path}: {bad} cells of {rows} rows are not what their columns should hold, the first: {first}")]
    Labels { path: PathBuf, bad: usize, rows: usize, first: String },
    #[error("{path}: of the first {tried} training pictures none can be decoded")]
    NoPictures { path: PathBuf, tried: usize },
    #[error("teacher features {path}: {reason}; delete their folder and have them made again")]
    Teacher { path: PathBuf, reason: String },
    #[error(
        "{path}, line {line}: {reason}; a click log has one JSON object a line, or is Parquet (docs/formats/click-log.md)"
    )]
    Clicks { path: PathBuf, line: usize, reason: String },
    #[error(
        "{path} is a Parquet file, which this program was built without; build it with `cargo build --release \
             --features parquet`, or give the log as one JSON object a line"
    )]
    NoParquet { path: PathBuf },
    #[error(
        "no search of {path} ({clicks} believed clicks) names a photo and a listing of the given data; give --data \
             folders whose files, variant_id or item_id are what the log calls `photo`, `query_product` and `product`"
    )]
    NoTriplets { path: PathBuf, clicks: usize },
    #[error(
        "the train split of {set} lacks photos (view {views}), listings or clicks; name the views of photos with \
             --photo-view"
    )]
    NoShoppers { set: String, views: String },
    /// The caller.
    #[error("no click log; give one with --data clicks:FILE, or make one with `twinset clicks simulate`")]
    NoLog,
    #[error("{path} holds a run already; add --resume to go on with it, or choose another --run")]
    RunExists { path: PathBuf },
    #[error("{path} was begun with other data; give the same --data, or start another --run")]
    OtherData { path: PathBuf },
    #[error("stopped")]
    Stopped,
    #[error("{path}: {reason}")]
    Config { path: PathBuf, reason: String },
    #[error("another process of this training has failed and tells why; start all again with --resume")]
    OtherProcess,
    #[error("the processes train different networks; give all of them the same options and data")]
    UnequalProcesses,
    #[error(
        "teacher features are held whole, which a window is there to avoid; give one of `teacher` and `window`"
    )]
    TeacherAndWindow,
    /// The numbers.
    #[error(
        "ten batches in a row up to step {step} gave gradients that are not finite; the last checkpoint is \
             whole, resume with a lower learning_rate"
    )]
    NotFinite { step: u64 },
    /// The disk.
    #[error("checkpoint {path}: {reason}; delete it to start anew, or restore the file")]
    Checkpoint { path: PathBuf, reason: String },
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Net(#[from] twinset_nets::NetError),
}

impl TrainError {
    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io { path: path.into(), source }
    }
}
