//! What can go wrong with a data set, with the shard and member concerned.
use std::path::PathBuf;

/// Why a data set or folder could not be read.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum DatasetError {
    /// No `manifest.csv` where one was expected.
    #[error("{path} does not exist; a data set is a folder with a manifest.csv and its shards or files")]
    NoManifest { path: PathBuf },
    /// A public data set that is not laid out as its makers give it.
    #[error("{path} does not exist; {set} is read as its makers lay it out: {layout}")]
    NotLaidOut { path: PathBuf, set: &'static str, layout: &'static str },
    /// The manifest's header lacks `file`.
    #[error("{path} has no column `file`; its columns are: {found}")]
    NoFileColumn { path: PathBuf, found: String },
    /// The CSV itself is broken.
    #[error("{path}, line {line}: {reason}")]
    BadManifest { path: PathBuf, line: u64, reason: String },
    /// A `file` or `shard` cell that leads out of the folder.
    #[error("{path}, line {line}: `{name}` leads out of the folder; names must be relative and without `..`")]
    Outside { path: PathBuf, line: u64, name: String },
    /// Larger than allowed, tested before reading.
    #[error("{path} has {bytes} bytes, more than the {limit} allowed")]
    TooLarge { path: PathBuf, bytes: u64, limit: u64 },
    /// Rows of one shard that do not follow each other.
    #[error(
        "{path}, line {line}: shard {shard} was left before; sort the rows by shard to read them window by window"
    )]
    Scattered { path: PathBuf, line: u64, shard: String },
    /// Too many files in a folder.
    #[error("{path} holds more than {limit} files; import its sub-folders one by one")]
    TooMany { path: PathBuf, limit: usize },
    /// A shard that is not there or cannot be opened.
    #[error("shard {shard} cannot be opened: {source}")]
    NoShard { shard: PathBuf, source: std::io::Error },
    /// A shard whose headers cannot be walked.
    #[error("shard {shard} is damaged after member {after:?}: {source}; fetch it again")]
    DamagedShard { shard: PathBuf, after: String, source: std::io::Error },
    /// The shard has no such member.
    #[error("shard {shard} has no member {member}")]
    NoMember { shard: PathBuf, member: String },
    /// The member does not end inside the shard.
    #[error(
        "shard {shard} ends at byte {length}, inside or before member {member} ({offset} + {size}); fetch it again"
    )]
    CutOff { shard: PathBuf, member: String, offset: u64, size: u64, length: u64 },
    /// A picture that is not there or cannot be read.
    #[error("{path} cannot be read: {source}")]
    Io { path: PathBuf, source: std::io::Error },
    /// An address in an object store, without the feature.
    #[error(
        "{url} lies in an object store, which this program was built without; build it with `cargo build --release \
         --features s3`, or copy the data into a folder"
    )]
    NoStores { url: String },
    /// An address or a setting that cannot be meant.
    #[error("{url} cannot be opened: {reason}")]
    BadAddress { url: String, reason: String },
    /// The store answers, and knows no such bucket.
    #[error(
        "there is no bucket {bucket} for {url}; check the name, and AWS_ENDPOINT and AWS_REGION in the environment"
    )]
    NoBucket { bucket: String, url: String },
    /// The store answers, and does not let us read.
    #[error(
        "the store refuses {url}: {reason}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or \
         AWS_SKIP_SIGNATURE=true for a public bucket"
    )]
    Refused { url: String, reason: String },
    /// The store does not answer, or with what is no answer.
    #[error(
        "{url} cannot be fetched: {reason}; see that the store is reachable at AWS_ENDPOINT (AWS_ALLOW_HTTP=true \
         where it has no TLS)"
    )]
    Unreachable { url: String, reason: String },
    /// An object that became another one while it was fetched.
    #[error("{url} was replaced while it was read; start again when whoever writes there is done")]
    Replaced { url: String },
    /// Fewer bytes came than were said.
    #[error("shard {shard} broke off after {found} of {expected} bytes; start again")]
    Torn { shard: PathBuf, found: u64, expected: u64 },
}
