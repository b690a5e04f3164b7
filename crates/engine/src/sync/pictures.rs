//! Fetching the pictures that products want, and giving them to all who want them.
//!
//! Each address is asked once a run, whoever shows it. Equal bytes are one picture. What cannot be had stays wanted.

use super::{Net, Run, Stage, now_ms};
use crate::Result;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use twinset_catalogue::{Attachment, Picture, PictureHash, Status};
use twinset_feed::FindingKind;
use twinset_fetch::{FetchError, Validators};
use url::Url;

/// Addresses taken from the list at once.
const LOT: usize = 128;
/// Lots whose pictures may wait to be looked at.
const LOTS_AHEAD: usize = 3;
/// One picture, from first to last byte.
const TIME: Duration = Duration::from_secs(60);
/// Products that get a picture in one transaction.
const PRODUCTS_A_STEP: usize = 64;

/// What came of one address.
enum Fetched {
    Bytes(Vec<u8>, Validators),
    AsBefore,
    Failed(String),
    Stopped,
}

impl Run<'_> {
    pub(super) fn fetch_pictures(&mut self) -> Result<()> {
        if self.options.dry_run {
            return Ok(());
        }
        let source = self.options.source.clone();
        self.notes.pictures.wanted = self.state.count_wanted(&source)?;
        self.stage(Stage::Pictures);
        let mut ahead = std::collections::VecDeque::new();
        loop {
            let urls = self.state.wanted(&source, self.number, LOT)?;
            if urls.is_empty() || !self.tell() {
                return Ok(());
            }
            let known: Vec<Picture> = urls
                .iter()
                .map(|url| Ok(self.state.picture(url)?.unwrap_or_default()))
                .collect::<Result<_>>()?;
            let fetched = self.net.fetch(&urls, &known);
            for ((url, known), fetched) in urls.iter().zip(known).zip(fetched) {
                self.give(&source, url, known, fetched)?;
                if self.stopped {
                    return Ok(());
                }
            }
            // The pace is that of looking at pictures: no more bytes are fetched than can be looked at soon.
            ahead.push_back(self.core().catalogue.last_seq()?);
            if ahead.len() > LOTS_AHEAD
                && let Some(seq) = ahead.pop_front()
            {
                self.wait_searchable(seq)?;
            }
        }
    }
}

impl Net<'_> {
    /// All of them side by side, in their order.
    fn fetch(&self, urls: &[String], known: &[Picture]) -> Vec<Fetched> {
        let next = AtomicUsize::new(0);
        let work = || {
            let mut mine = Vec::new();
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let (Some(url), Some(known)) = (urls.get(at), known.get(at)) else { return mine };
                mine.push((at, self.fetch_one(url, known)));
            }
        };
        let done: Vec<(usize, Fetched)> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..self.options.fetches.clamp(1, urls.len().max(1))).map(|_| scope.spawn(work)).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
        });
        // Whatever a failed thread had taken.
        let mut all: Vec<Fetched> =
            urls.iter().map(|_| Fetched::Failed("its thread failed".into())).collect();
        done.into_iter().for_each(|(at, fetched)| all[at] = fetched);
        all
    }

    fn fetch_one(&self, url: &str, known: &Picture) -> Fetched {
        let most = self.core().shared.options.limits.max_bytes;
        match self.folders.iter().find_map(|folder| local(folder, url, most)) {
            Some(Ok(bytes)) => return Fetched::Bytes(bytes, Validators::default()),
            Some(Err(reason)) => return Fetched::Failed(reason),
            None => {}
        }
        if !url.contains("://") {
            return Fetched::Failed("a file name, and no folder of pictures has it".into());
        }
        if !self.options.fetch_pictures {
            return Fetched::Failed(
                "not in the folder of pictures, and none is fetched from the network".into(),
            );
        }
        // Without the bytes of then an answer that nothing has changed would not help.
        let there = known.hash.is_some_and(|hash| {
            self.core().catalogue.shown_by(&hash).is_ok_and(|n| n > 0) || known.placeholder
        });
        let validators = Validators { etag: known.etag.clone(), last_modified: known.last_modified.clone() };
        let validators = if there { validators } else { Validators::default() };
        match self.fetcher.get_bytes(url, &validators, most, TIME, &|| self.stop()) {
            Ok(None) => Fetched::AsBefore,
            Ok(Some((bytes, body))) => {
                let html =
                    body.content_type.starts_with("text/html") || bytes.trim_ascii_start().starts_with(b"<");
                if html {
                    Fetched::Failed("a page of text, no picture".into())
                } else {
                    Fetched::Bytes(bytes, body.validators)
                }
            }
            Err(FetchError::Stopped) => Fetched::Stopped,
            Err(error) => Fetched::Failed(error.to_string()),
        }
    }
}

impl Run<'_> {
    /// Gives a picture to all products that want it.
    fn give(&mut self, source: &str, url: &str, known: Picture, fetched: Fetched) -> Result<()> {
        let ids = self.state.wanted_by(source, url)?;
        let (bytes, validators) = match fetched {
            Fetched::Stopped => {
                self.stopped = true;
                return Ok(());
            }
            Fetched::AsBefore => {
                self.notes.pictures.not_modified += 1;
                self.state
                    .set_picture(url, &Picture { checked_ms: now_ms(), failures: 0, error: None, ..known })?;
                return Ok(self.state.served(source, url)?);
            }
            Fetched::Failed(reason) => return self.fail(source, url, &ids, known, &reason),
            Fetched::Bytes(bytes, validators) => (bytes, validators),
        };
        // What is no picture by its first bytes is told now; what is damaged further in is told by the follower.
        if let Err(error) = twinset_photo::probe(&bytes, &self.core().shared.options.limits) {
            return self.fail(source, url, &ids, known, &error.to_string());
        }
        self.notes.pictures.fetched += 1;
        self.notes.pictures.bytes += bytes.len() as u64;
        // As the catalogue stores it: it is known by the hash of these bytes.
        let bytes = twinset_photo::without_metadata(&bytes).into_owned();
        let hash = PictureHash::of(&bytes);
        let users = self.core().catalogue.shown_by(&hash)? + ids.len() as u64;
        let placeholder =
            known.placeholder && known.hash == Some(hash) || users > self.options.placeholder_over;
        let picture = Picture {
            hash: Some(hash),
            etag: validators.etag,
            last_modified: validators.last_modified,
            checked_ms: now_ms(),
            failures: 0,
            error: None,
            placeholder,
        };
        if placeholder {
            self.shop.writing(|core| {
                let detached = core.catalogue.detach(hash);
                core.wake();
                detached
            })?;
            self.notes.find(
                FindingKind::PlaceholderImage,
                0,
                ids.first().cloned(),
                format!(
                    "{url}: one picture under {users} products is taken for a placeholder and is not searched"
                ),
            );
        } else {
            let bytes: Arc<[u8]> = bytes.into();
            for some in ids.chunks(PRODUCTS_A_STEP) {
                let attachments = some.iter().map(|id| Attachment {
                    id: id.clone(),
                    url: url.to_owned(),
                    bytes: bytes.clone(),
                });
                let outcomes = self.shop.writing(|core| {
                    let outcomes = core.catalogue.attach(attachments.collect());
                    core.wake();
                    outcomes
                })?;
                self.state.begin()?;
                for outcome in outcomes.iter().filter(|outcome| outcome.status == Status::Updated) {
                    self.state.moved(source, &outcome.id, outcome.seq.unwrap_or_default())?;
                }
                self.state.commit()?;
            }
        }
        self.state.set_picture(url, &picture)?;
        Ok(self.state.served(source, url)?)
    }

    fn fail(&mut self, source: &str, url: &str, ids: &[String], known: Picture, reason: &str) -> Result<()> {
        self.notes.pictures.failed += 1;
        self.notes.counts.failed += 1;
        ids.iter().for_each(|id| self.notes.failed_picture(id, url, reason));
        let failures = known.failures + 1;
        self.state.set_picture(
            url,
            &Picture { checked_ms: now_ms(), failures, error: Some(reason.to_owned()), ..known },
        )?;
        Ok(self.state.tried(source, url, self.number)?)
    }
}

/// The file that stands for an address: by host and path, by path, by name; never outside the folder.
fn local(folder: &Path, url: &str, most: u64) -> Option<Result<Vec<u8>, String>> {
    let parsed = Url::parse(url).ok();
    let path = parsed.as_ref().map_or(url, |url| url.path());
    let decoded = percent_decoded(path);
    let inside = |text: &str| {
        let relative: PathBuf = text.split(['/', '\\']).filter(|part| !part.is_empty()).collect();
        let safe = relative.components().all(|part| matches!(part, std::path::Component::Normal(_)));
        (safe && !relative.as_os_str().is_empty()).then(|| folder.join(relative))
    };
    let host = parsed.as_ref().and_then(|url| url.host_str()).unwrap_or_default();
    let name = |text: &str| text.rsplit('/').next().unwrap_or_default().to_owned();
    let ways = [format!("{host}/{decoded}"), decoded.clone(), path.to_owned(), name(&decoded), name(path)];
    let found = ways.iter().filter_map(|way| inside(way)).find(|path| path.is_file())?;
    let told = |e: std::io::Error| format!("{}: {e}", found.display());
    let length = match std::fs::metadata(&found) {
        Ok(metadata) => metadata.len(),
        Err(error) => return Some(Err(told(error))),
    };
    if length > most {
        return Some(Err(format!("{} has more than {most} bytes", found.display())));
    }
    Some(std::fs::read(&found).map_err(told))
}

fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes
            .get(at + 1..at + 3)
            .and_then(|two| std::str::from_utf8(two).ok())
            .and_then(|two| u8::from_str_radix(two, 16).ok());
        match (bytes[at], hex) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}
