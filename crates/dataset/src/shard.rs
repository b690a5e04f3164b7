//! Random access to the members of an uncompressed tar.
use crate::place::{Place, Reader};
use crate::{DatasetError, MEMBER_BYTES_MAX};
use std::collections::HashMap;
use std::io::Read;

/// Where each member of a shard lies. The file is opened anew for each read, so that threads share nothing, and a shard
/// of a store may leave the disk and come back.
#[derive(Debug)]
pub(crate) struct Shard {
    place: Place,
    name: String,
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
    pub(crate) fn open(place: &Place, name: &str) -> Result<Self, DatasetError> {
        let no_shard = |source| DatasetError::NoShard { shard: place.path(name), source };
        let file = place.shard(name)?;
        let length = file.metadata().map_err(no_shard)?.len();
        let mut archive = tar::Archive::new(Reader { file, at: 0, length });
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
        Ok(Self { place: place.clone(), name: name.to_owned(), length, members, stopped })
    }

    pub(crate) fn has(&self, member: &str) -> bool {
        self.members.contains_key(member)
    }

    pub(crate) fn read(&self, member: &str) -> Result<Vec<u8>, DatasetError> {
        let Some(&Extent { offset, size }) = self.members.get(member) else {
            let shard = self.place.path(&self.name);
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
                shard: self.place.path(&self.name),
                member: member.to_owned(),
                offset,
                size,
                length: self.length,
            });
        }
        if size > MEMBER_BYTES_MAX {
            let path = self.place.path(&self.name).join(member);
            return Err(DatasetError::TooLarge { path, bytes: size, limit: MEMBER_BYTES_MAX });
        }
        let file = self.place.shard(&self.name)?;
        let read = || -> std::io::Result<Vec<u8>> {
            let mut bytes = vec![0; size as usize];
            Reader { file, at: offset, length: self.length }.read_exact(&mut bytes)?;
            Ok(bytes)
        };
        read().map_err(|source| DatasetError::Io { path: self.place.path(&self.name).join(member), source })
    }
}
