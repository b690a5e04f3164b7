//! Data sets in an S3-compatible store: `s3://BUCKET/PREFIX`.
//!
//! The manifest is fetched when the set is opened, a shard when the first of its pictures is read: whole, into a file
//! without a name, which goes with the process however that ends. As many megabytes of them are kept as
//! `TWINSET_SHARDS_MB` says; what was not used for longest goes first, so that the disk does not fill with the data.
//! Where the store is and who asks stands in the environment, by the names that the crate `object_store` reads:
//! `AWS_ENDPOINT`, `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SKIP_SIGNATURE`, `AWS_ALLOW_HTTP`.
use crate::{DatasetError, MEMBER_BYTES_MAX, manifest::MANIFEST_BYTES_MAX, stays_inside};
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::{
    BackoffConfig, Error, GetOptions, ObjectStore, ObjectStoreExt, RetryConfig, aws::AmazonS3Builder, path,
};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// Megabytes of shards that are kept where nothing else is said.
const SHARDS_MB: u64 = 4096;
const SHARDS_MB_TOLD_BY: &str = "TWINSET_SHARDS_MB";
/// Bytes of one request, and requests at once.
const PIECE: u64 = 8 << 20;
const AT_ONCE: usize = 4;
/// A store that does not answer is told within half a minute.
const RETRIES: usize = 5;
const PATIENCE: Duration = Duration::from_secs(30);

/// One prefix of a bucket.
#[derive(Debug)]
pub(crate) struct Store {
    /// Without a slash at the end.
    address: PathBuf,
    bucket: String,
    prefix: path::Path,
    client: Arc<dyn ObjectStore>,
    runtime: tokio::runtime::Runtime,
    manifest_name: String,
    manifest: tempfile::NamedTempFile,
    bytes_max: u64,
    kept: Mutex<Kept>,
    names: OnceLock<Vec<String>>,
}

/// Shards on this machine's disk.
#[derive(Debug, Default)]
struct Kept {
    shards: HashMap<String, Slot>,
    clock: u64,
}

#[derive(Debug, Default)]
struct Slot {
    /// Held while it is fetched: who asks for the same shard waits for it.
    file: Arc<Mutex<Option<Arc<File>>>>,
    bytes: u64,
    used: u64,
}

impl Store {
    /// `url`: a prefix with a `manifest.csv`, or a manifest with its shards beside. Fetches the manifest.
    pub(crate) fn open(url: &str) -> Result<Self, DatasetError> {
        let bad = |reason: &str| DatasetError::BadAddress { url: url.to_owned(), reason: reason.to_owned() };
        let rest = url.strip_prefix("s3://").unwrap_or(url).trim_end_matches('/');
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(bad("it names no bucket; write s3://BUCKET/PREFIX"));
        }
        let (prefix, manifest_name) = match key.rsplit_once('/').unwrap_or(("", key)) {
            (prefix, name) if name.ends_with(".csv") => (prefix, name),
            _ => (key, "manifest.csv"),
        };
        let retry_config = RetryConfig {
            backoff: BackoffConfig { max_backoff: Duration::from_secs(5), ..BackoffConfig::default() },
            max_retries: RETRIES,
            retry_timeout: PATIENCE,
        };
        // An error says that another part of the program chose before, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = AmazonS3Builder::from_env().with_bucket_name(bucket).with_retry(retry_config).build();
        let bytes_max = match std::env::var(SHARDS_MB_TOLD_BY) {
            Ok(told) => told.parse::<u64>().ok().filter(|mb| *mb > 0).ok_or_else(|| {
                bad(&format!("{SHARDS_MB_TOLD_BY} is {told:?}, which is no number of megabytes"))
            })?,
            Err(_) => SHARDS_MB,
        } << 20;
        let address = match prefix {
            "" => format!("s3://{bucket}"),
            prefix => format!("s3://{bucket}/{prefix}"),
        };
        let disk = |source| DatasetError::Io { path: std::env::temp_dir(), source };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let mut store = Self {
            address: address.into(),
            bucket: bucket.to_owned(),
            prefix: path::Path::parse(prefix).map_err(|e| bad(&e.to_string()))?,
            client: Arc::new(client.map_err(|e| bad(&e.to_string()))?),
            runtime: runtime.map_err(disk)?,
            manifest_name: manifest_name.to_owned(),
            manifest: tempfile::Builder::new()
                .prefix("twinset-")
                .suffix("-manifest.csv")
                .tempfile()
                .map_err(disk)?,
            bytes_max,
            kept: Mutex::default(),
            names: OnceLock::new(),
        };
        let mut file = store.manifest.as_file().try_clone().map_err(disk)?;
        store.fetch(manifest_name, MANIFEST_BYTES_MAX, &mut file).map_err(|error| match error {
            DatasetError::NoShard { shard, .. } => DatasetError::NoManifest { path: shard },
            other => other,
        })?;
        store.manifest.as_file_mut().flush().map_err(disk)?;
        Ok(store)
    }

    pub(crate) fn address(&self) -> &Path {
        &self.address
    }

    pub(crate) fn manifest_name(&self) -> &str {
        &self.manifest_name
    }

    /// The manifest as it was fetched.
    pub(crate) fn manifest(&self) -> &Path {
        self.manifest.path()
    }

    /// For messages.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        // `Path::join` would write the separator of this system.
        format!("{}/{name}", self.address.display()).into()
    }

    /// A shard, from the disk if it is kept there.
    pub(crate) fn shard(&self, name: &str) -> Result<Arc<File>, DatasetError> {
        let slot = {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.clock += 1;
            let now = kept.clock;
            let slot = kept.shards.entry(name.to_owned()).or_default();
            slot.used = now;
            slot.file.clone()
        };
        let mut held = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = &*held {
            return Ok(file.clone());
        }
        let disk = |source| DatasetError::Io { path: std::env::temp_dir(), source };
        let mut file = tempfile::tempfile().map_err(disk)?;
        let bytes = self.fetch(name, u64::MAX, &mut file)?;
        let file = Arc::new(file);
        *held = Some(file.clone());
        drop(held);
        self.make_room(name, bytes);
        Ok(file)
    }

    /// Lets go of shards until the rest fits; whoever reads one now reads on.
    fn make_room(&self, newest: &str, bytes: u64) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = kept.shards.get_mut(newest) {
            slot.bytes = bytes;
        }
        while kept.shards.values().map(|slot| slot.bytes).sum::<u64>() > self.bytes_max {
            let others = kept.shards.iter().filter(|(name, slot)| *name != newest && slot.bytes > 0);
            let Some((oldest, _)) = others.min_by_key(|(_, slot)| slot.used) else { break };
            let oldest = oldest.clone();
            kept.shards.remove(&oldest);
        }
    }

    pub(crate) fn loose(&self, name: &str) -> Result<Vec<u8>, DatasetError> {
        let mut bytes = Vec::new();
        self.fetch(name, MEMBER_BYTES_MAX, &mut bytes)?;
        Ok(bytes)
    }

    /// Names directly below the prefix, listed once; none where the store does not let us list.
    pub(crate) fn names(&self) -> Vec<String> {
        let listed = self.names.get_or_init(|| {
            let prefix = (!self.prefix.as_ref().is_empty()).then_some(&self.prefix);
            let listed = self.runtime.block_on(self.client.list_with_delimiter(prefix));
            let objects = listed.map(|l| l.objects).unwrap_or_default();
            objects.iter().filter_map(|o| o.location.filename().map(str::to_owned)).collect()
        });
        listed.clone()
    }

    /// Writes an object into `to`, piece by piece, and returns its size. Every piece is of one and the same object: one
    /// that is replaced meanwhile is told.
    fn fetch(&self, name: &str, limit: u64, to: &mut dyn Write) -> Result<u64, DatasetError> {
        debug_assert!(stays_inside(name));
        let location = name.split('/').fold(self.prefix.clone(), |path, part| path.join(part));
        let client = &self.client;
        let fetched = self.runtime.block_on(async {
            let meta = client.head(&location).await?;
            if meta.size > limit {
                return Ok(Err(DatasetError::TooLarge { path: self.path(name), bytes: meta.size, limit }));
            }
            let starts = (0..meta.size).step_by(PIECE as usize);
            let pieces = stream::iter(starts).map(|start| {
                let options = GetOptions {
                    range: Some((start..(start + PIECE).min(meta.size)).into()),
                    if_match: meta.e_tag.clone(),
                    ..GetOptions::default()
                };
                let location = &location;
                async move { client.get_opts(location, options).await?.bytes().await }
            });
            let mut pieces = pieces.buffered(AT_ONCE);
            let mut found = 0;
            while let Some(piece) = pieces.try_next().await? {
                if let Err(source) = to.write_all(&piece) {
                    return Ok(Err(DatasetError::Io { path: std::env::temp_dir(), source }));
                }
                found += piece.len() as u64;
            }
            let (shard, expected) = (self.path(name), meta.size);
            Ok(if found == expected { Ok(found) } else { Err(DatasetError::Torn { shard, found, expected }) })
        });
        fetched.unwrap_or_else(|error| Err(self.told(name, error)))
    }

    /// What the store's answer means for whoever reads it.
    fn told(&self, name: &str, error: Error) -> DatasetError {
        let (url, reason) = (self.path(name).display().to_string(), chain(&error));
        match error {
            _ if reason.contains("NoSuchBucket") => {
                DatasetError::NoBucket { bucket: self.bucket.clone(), url }
            }
            // The answer to HEAD has no body, so a missing bucket looks like a missing object.
            Error::NotFound { .. } if self.lacks_bucket() => {
                DatasetError::NoBucket { bucket: self.bucket.clone(), url }
            }
            Error::NotFound { .. } => {
                DatasetError::NoShard { shard: url.into(), source: io::ErrorKind::NotFound.into() }
            }
            Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
                DatasetError::Refused { url, reason }
            }
            Error::Precondition { .. } => DatasetError::Replaced { url },
            _ => DatasetError::Unreachable { url, reason },
        }
    }

    fn lacks_bucket(&self) -> bool {
        let listed = self.runtime.block_on(self.client.list_with_delimiter(None));
        listed.is_err_and(|error| chain(&error).contains("NoSuchBucket"))
    }
}

/// An error with all that lies beneath it, each told once.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut inner = error.source();
    while let Some(error) = inner {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        inner = error.source();
    }
    text
}
