//! Files of a model hub, by name and revision, as Hugging Face and its mirrors serve them.
//!
//! `GET /api/models/ID/revision/REVISION?blobs=true` lists the files of a revision with their sizes and digests;
//! `GET /ID/resolve/COMMIT/PATH` gives one, often through a redirect to a store. A file is written beside its place,
//! continued where an earlier attempt ended, and moved there only when its digest is right.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use crate::{FetchError, Fetcher, Policy, Validators};

/// Longest list of files in bytes.
const MAX_LIST: u64 = 16 << 20;
/// Largest file in bytes: an ONNX file cannot be larger.
const MAX_FILE: u64 = 2 << 30;
/// Attempts at one file that bring nothing new.
const FRUITLESS: u32 = 4;

/// Why a model was not pulled.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum HubError {
    #[error("'{0}' is no name of a model on a hub; it looks like OWNER/NAME")]
    BadId(String),
    #[error("'{0}' is no revision; it is a branch, a tag or a commit")]
    BadRevision(String),
    #[error("{base} has no model '{id}' at revision '{revision}', or does not show it to {whom}")]
    NoSuchModel { base: String, id: String, revision: String, whom: &'static str },
    #[error(
        "{base} gives {path} of '{id}' only to those who have accepted its terms; accept them there, and set HF_TOKEN \
         to a token of that account"
    )]
    Gated { base: String, id: String, path: String },
    #[error("the hub's list of files cannot be read: {0}")]
    BadList(String),
    #[error(
        "{path} is not what the hub announced: {found}, expected {expected}; it was thrown away, pull again"
    )]
    WrongDigest { path: String, found: String, expected: String },
    #[error("{path} has {size} bytes, more than the {limit} that are taken", limit = MAX_FILE)]
    TooLarge { path: String, size: u64 },
    #[error("{path}: {source}")]
    Fetch { path: String, source: FetchError },
    #[error("{}: {source}", path.display())]
    Disk { path: PathBuf, source: std::io::Error },
}

/// One revision of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// What the revision stands for now: its files never change.
    pub commit: String,
    /// As its makers say, for instance `mit`.
    pub licence: Option<String>,
    /// In the hub's order.
    pub files: Vec<HubFile>,
}

/// A file of a revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubFile {
    /// Inside the model's folder.
    pub path: String,
    /// In bytes.
    pub size: Option<u64>,
    /// What its content must hash to.
    pub digest: FileDigest,
}

/// Digests in hex.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileDigest {
    /// SHA-256 of the content: large files.
    Sha256(String),
    /// Of the content as a Git blob, SHA-1: small files.
    GitBlob(String),
}

/// A hub.
pub struct Hub {
    base: String,
    fetcher: Fetcher,
    whom: &'static str,
}

#[derive(Deserialize)]
struct ListAnswer {
    sha: String,
    #[serde(default)]
    siblings: Vec<Sibling>,
    #[serde(default, rename = "cardData")]
    card: Option<CardData>,
}

#[derive(Deserialize)]
struct CardData {
    #[serde(default)]
    license: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
    #[serde(default)]
    size: Option<u64>,
    #[serde(default, rename = "blobId")]
    blob: Option<String>,
    #[serde(default)]
    lfs: Option<Lfs>,
}

#[derive(Deserialize)]
struct Lfs {
    sha256: String,
    #[serde(default)]
    size: Option<u64>,
}

impl Hub {
    /// The hub at `base`, such as `https://huggingface.co`.
    #[must_use]
    pub fn new(base: &str, policy: Policy) -> Self {
        let whom = match policy.bearer {
            Some(_) => "the owner of this HF_TOKEN",
            None => "everybody; a token in HF_TOKEN is shown to the hub",
        };
        Self { base: base.trim_end_matches('/').into(), fetcher: Fetcher::new(policy), whom }
    }

    /// What a revision of a model consists of.
    ///
    /// # Errors
    /// A name that is none, a model that is not there, an answer that makes no sense.
    pub fn look(&self, id: &str, revision: &str, stop: &dyn Fn() -> bool) -> Result<Revision, HubError> {
        let plain = |text: &str| {
            !text.is_empty()
                && text.len() <= 100
                && !text.contains("..")
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        };
        if !(1..=2).contains(&id.split('/').count()) || !id.split('/').all(plain) {
            return Err(HubError::BadId(id.into()));
        }
        if !revision.split('/').all(plain) {
            return Err(HubError::BadRevision(revision.into()));
        }
        let url = format!("{}/api/models/{id}/revision/{revision}?blobs=true", self.base);
        let time = Duration::from_secs(60);
        let answer = self.fetcher.get_bytes(&url, &Validators::default(), MAX_LIST, time, stop);
        let (bytes, _) = match answer {
            Ok(Some(answer)) => answer,
            Ok(None) => return Err(HubError::BadList("an empty answer".into())),
            Err(FetchError::Status { status: 401 | 403 | 404 }) => {
                let (base, id, revision) = (self.base.clone(), id.into(), revision.into());
                return Err(HubError::NoSuchModel { base, id, revision, whom: self.whom });
            }
            Err(source) => return Err(HubError::Fetch { path: id.into(), source }),
        };
        let list: ListAnswer =
            serde_json::from_slice(&bytes).map_err(|e| HubError::BadList(e.to_string()))?;
        let is_hex = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_hexdigit());
        if !is_hex(&list.sha) {
            return Err(HubError::BadList(format!("'{}' is no commit", list.sha)));
        }
        let file = |s: Sibling| {
            let (size, digest) = match (s.lfs, s.blob) {
                (Some(lfs), _) => (lfs.size.or(s.size), FileDigest::Sha256(lfs.sha256)),
                (None, Some(blob)) => (s.size, FileDigest::GitBlob(blob)),
                // What cannot be checked is not taken.
                (None, None) => return None,
            };
            Some(HubFile { path: s.rfilename, size, digest })
        };
        let licence = list.card.and_then(|card| card.license).and_then(|l| l.as_str().map(str::to_owned));
        Ok(Revision {
            commit: list.sha,
            licence,
            files: list.siblings.into_iter().filter_map(file).collect(),
        })
    }

    /// Brings one file to `to`; what an earlier attempt brought is continued. `progress` is told the bytes that are
    /// there.
    ///
    /// # Errors
    /// The other side failed several times without a new byte, the digest is wrong, the disk failed, or it was
    /// stopped: then the same call goes on.
    pub fn fetch(
        &self,
        id: &str,
        commit: &str,
        file: &HubFile,
        to: &Path,
        progress: &mut dyn FnMut(u64),
        stop: &dyn Fn() -> bool,
    ) -> Result<(), HubError> {
        if let Some(size) = file.size.filter(|&size| size > MAX_FILE) {
            return Err(HubError::TooLarge { path: file.path.clone(), size });
        }
        let disk = |path: &Path| {
            let path = path.to_path_buf();
            move |source| HubError::Disk { path, source }
        };
        let failed = |source| HubError::Fetch { path: file.path.clone(), source };
        let aside = to.with_file_name(format!("{}.part", to.file_name().unwrap_or_default().display()));
        let url = format!("{}/{id}/resolve/{commit}/{}", self.base, file.path);
        let most = file.size.unwrap_or(MAX_FILE);
        let mut fruitless = 0;
        let mut trouble = FetchError::Timeout;
        while fruitless < FRUITLESS {
            let have = std::fs::metadata(&aside).map_or(0, |m| m.len());
            if file.size == Some(have) {
                break;
            }
            let mut gained = 0;
            let mut complete = false;
            match self.fetcher.get_from(&url, have, most, stop) {
                Ok((mut body, from)) => {
                    let mut part = OpenOptions::new();
                    // A server that does not continue begins again.
                    let part = part.create(true).write(true).append(from > 0).truncate(from == 0);
                    let mut part = part.open(&aside).map_err(disk(&aside))?;
                    let mut there = from;
                    let mut piece = vec![0; 1 << 16];
                    loop {
                        if stop() {
                            return Err(failed(FetchError::Stopped));
                        }
                        match body.reader.read(&mut piece) {
                            Ok(0) => {
                                complete = true;
                                break;
                            }
                            Ok(n) => {
                                part.write_all(&piece[..n]).map_err(disk(&aside))?;
                                there += n as u64;
                                gained += n;
                                progress(there);
                                if there > most {
                                    let _ = std::fs::remove_file(&aside);
                                    let (found, expected) =
                                        (format!("more than {most} bytes"), format!("{most}"));
                                    return Err(HubError::WrongDigest {
                                        path: file.path.clone(),
                                        found,
                                        expected,
                                    });
                                }
                            }
                            Err(error) => {
                                trouble = FetchError::Network(error.to_string());
                                break;
                            }
                        }
                    }
                    part.sync_all().map_err(disk(&aside))?;
                }
                // There is nothing behind what we have: it is not the file that was announced.
                Err(FetchError::Status { status: 416 }) => {
                    let _ = std::fs::remove_file(&aside);
                }
                Err(FetchError::Status { status: 401 | 403 }) => {
                    let (base, id) = (self.base.clone(), id.into());
                    return Err(HubError::Gated { base, id, path: file.path.clone() });
                }
                Err(error) if error.may_pass() => trouble = error,
                Err(error) => return Err(failed(error)),
            }
            if complete && file.size.is_none() {
                break;
            }
            fruitless = if gained == 0 || complete { fruitless + 1 } else { 0 };
        }
        let have = std::fs::metadata(&aside).map_or(0, |m| m.len());
        if file.size.is_some_and(|size| size != have) {
            return Err(failed(trouble));
        }
        let (found, expected) = match &file.digest {
            FileDigest::Sha256(hex) => (digest(Sha256::new(), &aside).map_err(disk(&aside))?, hex),
            FileDigest::GitBlob(hex) => {
                let start = Sha1::new_with_prefix(format!("blob {have}\0"));
                (digest(start, &aside).map_err(disk(&aside))?, hex)
            }
        };
        if !found.eq_ignore_ascii_case(expected) {
            let _ = std::fs::remove_file(&aside);
            let (path, expected) = (file.path.clone(), expected.clone());
            return Err(HubError::WrongDigest { path, found, expected });
        }
        std::fs::rename(&aside, to).map_err(disk(to))
    }
}

fn digest<D: sha2::digest::Update + sha2::digest::FixedOutput>(
    mut state: D,
    path: &Path,
) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let mut piece = vec![0; 1 << 16];
    loop {
        match file.read(&mut piece)? {
            0 => break,
            n => state.update(&piece[..n]),
        }
    }
    Ok(state.finalize_fixed().iter().map(|byte| format!("{byte:02x}")).collect())
}
