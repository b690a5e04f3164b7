//! Photos that were sent ahead, to be named by their ids in later requests: in memory, for a while, and never on the disk.
//!
//! An id is chance that nobody guesses, and is good only with the key it was made with. All photos together, and those of
//! one key, have a budget; what would go beyond it is refused, since whoever was given an id relies on it.

use crate::keys::chance;
use crate::problem::{Problem, UPLOAD_NOT_FOUND, UPLOADS_FULL};
use axum::body::Bytes;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

const ID_BYTES: usize = 20;
/// A photo counts as this much at least, so that their number is bounded too.
const LEAST_BYTES: usize = 16 << 10;

/// Photos sent ahead.
pub(crate) struct Uploads {
    /// Oldest first: all are kept for the same time.
    kept: Mutex<VecDeque<Upload>>,
    budget: usize,
    time: Duration,
}

struct Upload {
    id: String,
    caller: String,
    bytes: Bytes,
    until: Instant,
}

impl Upload {
    fn size(&self) -> usize {
        self.bytes.len().max(LEAST_BYTES)
    }
}

impl Uploads {
    pub(crate) fn new(budget: usize, time: Duration) -> Self {
        Self { kept: Mutex::default(), budget, time }
    }

    /// How long a photo is kept.
    pub(crate) fn time(&self) -> Duration {
        self.time
    }

    /// For the metrics.
    pub(crate) fn held_bytes(&self) -> usize {
        self.fresh(Instant::now()).iter().map(Upload::size).sum()
    }

    /// Keeps a photo of this caller, without what is told beside it; returns its id.
    ///
    /// # Errors
    /// [`UPLOADS_FULL`].
    pub(crate) fn keep(&self, caller: &str, bytes: Bytes, now: Instant) -> Result<String, Problem> {
        let plain = match twinset_photo::without_metadata(&bytes) {
            std::borrow::Cow::Borrowed(_) => None,
            std::borrow::Cow::Owned(plain) => Some(plain.into()),
        };
        let (id, caller) = (chance::<ID_BYTES>()?, caller.to_owned());
        let upload = Upload { id: id.clone(), caller, bytes: plain.unwrap_or(bytes), until: now + self.time };
        let mut kept = self.fresh(now);
        let own = |one: &&Upload| one.caller == upload.caller;
        let held = |which: &mut dyn Iterator<Item = &Upload>| which.map(Upload::size).sum::<usize>();
        let full = if held(&mut kept.iter().filter(own)) + upload.size() > self.budget / 2 {
            Some(("this key has", kept.iter().find(own)))
        } else if held(&mut kept.iter()) + upload.size() > self.budget {
            Some(("all keys together have", kept.front()))
        } else {
            None
        };
        if let Some((who, oldest)) = full {
            let wait = oldest.map_or(self.time, |oldest| oldest.until.saturating_duration_since(now));
            let detail = format!("{who} as many photos here as fit; remove some, or send the photo itself");
            return Err(Problem::new(&UPLOADS_FULL, detail).retry_after(wait));
        }
        kept.push_back(upload);
        Ok(id)
    }

    /// The photo of this id, and how long it is still kept.
    ///
    /// # Errors
    /// [`UPLOAD_NOT_FOUND`], also for those of other callers.
    pub(crate) fn find(&self, caller: &str, id: &str, now: Instant) -> Result<(Bytes, Duration), Problem> {
        let kept = self.fresh(now);
        let found = kept.iter().find(|one| one.id == id && one.caller == caller);
        let missing = || Problem::new(&UPLOAD_NOT_FOUND, "there is no upload of this id, or its time is up");
        found.map(|one| (one.bytes.clone(), one.until.saturating_duration_since(now))).ok_or_else(missing)
    }

    pub(crate) fn remove(&self, caller: &str, id: &str) {
        self.kept.lock().retain(|one| one.id != id || one.caller != caller);
    }

    /// Without those whose time is up.
    fn fresh(&self, now: Instant) -> parking_lot::MutexGuard<'_, VecDeque<Upload>> {
        let mut kept = self.kept.lock();
        while kept.front().is_some_and(|oldest| oldest.until <= now) {
            kept.pop_front();
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn photos_are_kept_for_their_time_within_the_budget_and_for_their_caller() {
        let (time, start) = (Duration::from_secs(60), Instant::now());
        let uploads = Uploads::new(4 * LEAST_BYTES, time);
        let keep = |caller: &str, after: u64| {
            uploads.keep(caller, Bytes::from_static(b"photo"), start + Duration::from_secs(after))
        };
        let find = |caller: &str, id: &str, after: u64| {
            uploads.find(caller, id, start + Duration::from_secs(after)).map(|(bytes, _)| bytes)
        };
        let first = keep("a", 0).expect("room");
        let second = keep("a", 10).expect("room");
        assert_ne!(first, second);
        let refused = keep("a", 20).expect_err("half of it is used");
        assert_eq!((refused.code().name, refused.status().as_u16()), ("uploads_full", 503));
        let third = keep("b", 20).expect("room for others");
        keep("c", 20).expect("the last place");
        assert!(keep("d", 20).is_err());
        assert_eq!(uploads.kept.lock().len(), 4);

        assert_eq!(find("a", &first, 59).expect("still there"), &b"photo"[..]);
        assert_eq!(find("b", &first, 59).expect_err("another's").code().name, "upload_not_found");
        assert!(find("a", &first, 60).is_err() && find("a", &second, 60).is_ok());
        keep("d", 60).expect("its place is free");
        uploads.remove("a", &third);
        assert!(find("b", &third, 61).is_ok(), "nobody removes another's");
        uploads.remove("b", &third);
        assert!(find("b", &third, 61).is_err());
    }

    #[test]
    fn where_a_photo_was_taken_is_not_kept() {
        let plain = twinset_photo::encode_jpeg(&twinset_photo::Photo::new(8, 8, vec![90; 8 * 8 * 3]), 90);
        let secret = b"Exif\0\0 52.3702N 4.8952E";
        let segment = [&[0xff, 0xe1], &(secret.len() as u16 + 2).to_be_bytes()[..], secret].concat();
        let told = [&plain[..2], &segment, &plain[2..]].concat();
        let uploads = Uploads::new(1 << 20, Duration::from_secs(60));
        let id = uploads.keep("", told.into(), Instant::now()).expect("room");
        let (kept, _) = uploads.find("", &id, Instant::now()).expect("there");
        assert_eq!(kept, plain);
    }
}
