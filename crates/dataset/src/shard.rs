//! Random access to the members of an uncompressed tar, and to loose files.
use crate::{DatasetError, MEMBER_BYTES_MAX};
use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Where each member of a shard lies. The file is opened anew for each read, so that threads share nothing.
#[derive(Debug)]
pub(crate) struct Shard {
    path: PathBuf,
    length: u64,
    members: HashMap<String, Extent>,
    /// The error that stopped the walk, told for members that were not reached.
    stopped: Option<(String, String)>,
}

#[derive(Clone, Copy, Debug)]
struct Extent {
    offset: u64,
    size: u64,
}

impl Shard {
    /// Walks the headers once, skipping the contents. A shard that is damaged midway keeps the members before.
    pub(crate) fn open(path: &Path) -> Result<Self, DatasetError> {
        let no_shard = |source| DatasetError::NoShard { shard: path.to_path_buf(), source };
        let file = File::open(path).map_err(no_shard)?;
        let length = file.metadata().map_err(no_shard)?.len();
        let mut archive = tar::Archive::new(file);
        let mut members = HashMap::new();
        let mut last = String::new();
        let mut stopped = None;
        for entry in archive.entries_with_seek().map_err(no_shard)? {
            let entry = match entry {
                Ok(entry) => entry,
                Err(e) => {
                    stopped = Some((last, e.to_string()));
                    break;
                }
            };
            if !entry.header().entry_type().is_file() {
                continue;
            }
            last = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let name = last.strip_prefix("./").unwrap_or(&last).to_owned();
            members.insert(name, Extent { offset: entry.raw_file_position(), size: entry.size() });
        }
        Ok(Self { path: path.to_path_buf(), length, members, stopped })
    }

    pub(crate) fn has(&self, member: &str) -> bool {
        self.members.contains_key(member)
    }

    pub(crate) fn read(&self, member: &str) -> Result<Vec<u8>, DatasetError> {
        let Some(&Extent { offset, size }) = self.members.get(member) else {
            let shard = self.path.clone();
            return Err(match &self.stopped {
                Some((after, reason)) => DatasetError::DamagedShard {
                    shard,
                    after: after.clone(),
                    source: std::io::Error::new(std::io::ErrorKind::InvalidData, reason.clone()),
                },
                None => DatasetError::NoMember { shard, member: member.to_owned() },
            });
        };
        if offset.checked_add(size).is_none_or(|end| end > self.length) {
            return Err(DatasetError::CutOff {
                shard: self.path.clone(),
                member: member.to_owned(),
                offset,
                size,
                length: self.length,
            });
        }
        if size > MEMBER_BYTES_MAX {
            let path = self.path.join(member);
            return Err(DatasetError::TooLarge { path, bytes: size, limit: MEMBER_BYTES_MAX });
        }
        let read = || -> std::io::Result<Vec<u8>> {
            let mut file = File::open(&self.path)?;
            file.seek(SeekFrom::Start(offset))?;
            let mut bytes = vec![0; size as usize];
            file.read_exact(&mut bytes)?;
            Ok(bytes)
        };
        read().map_err(|source| DatasetError::Io { path: self.path.join(member), source })
    }
}

/// A file of its own, within the same limit. The limit holds even if the file grows meanwhile.
pub(crate) fn read_loose(path: &Path) -> Result<Vec<u8>, DatasetError> {
    let io = |source| DatasetError::Io { path: path.to_path_buf(), source };
    let file = File::open(path).map_err(io)?;
    let mut bytes = Vec::new();
    let stated = file.metadata().map_err(io)?.len();
    if stated <= MEMBER_BYTES_MAX {
        bytes.reserve(stated as usize);
        file.take(MEMBER_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(io)?;
    }
    let found = stated.max(bytes.len() as u64);
    if found > MEMBER_BYTES_MAX {
        return Err(DatasetError::TooLarge {
            path: path.to_path_buf(),
            bytes: found,
            limit: MEMBER_BYTES_MAX,
        });
    }
    Ok(bytes)
}
