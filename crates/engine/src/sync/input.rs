//! Where a feed comes from: a reader, an address, the pages of a shop.

use super::Run;
use crate::{EngineError, Result};
use std::io::Read;
use std::ops::ControlFlow;
use twinset_feed::{Event, FindingKind, Format, Opened, Settings, Summary};
use twinset_fetch::{FetchError, Reply, Validators};
use url::Url;

/// Bytes of a packed feed.
const FEED_BYTES: u64 = 20 << 30;
/// Bytes of a page with product data.
const PAGE_BYTES: u64 = 16 << 20;
/// Pages of one sitemap.
const PAGES: usize = 50_000;
/// Sitemaps inside sitemaps.
const NESTED: usize = 3;
/// Pages of `products.json`.
const SHOPIFY_PAGES: u64 = 10_000;
/// Products that one such page may hold.
const SHOPIFY_PAGE: u64 = 250;

/// A feed to read.
pub enum Input {
    /// Bytes from a file or a pipe. `base`: where they came from, if that is a web address.
    Reader(Box<dyn Read + Send>),
    /// A web address.
    Address(String),
}

/// What came of reading.
pub(super) struct Reading {
    /// The server says that nothing has changed.
    pub(super) unchanged: bool,
    /// What is missing in the feed may not be gone.
    pub(super) partial: bool,
    /// To ask the next time.
    pub(super) validators: Option<String>,
}

impl Run<'_> {
    pub(super) fn read(&mut self, input: Input) -> Result<Reading> {
        let mut done = Reading { unchanged: false, partial: false, validators: None };
        match input {
            Input::Reader(reader) => done.partial = self.read_whole(reader, None)?,
            Input::Address(address) if pages_of_shopify(&address).is_some() => {
                done.partial = self.read_shopify(&address)?
            }
            Input::Address(address) => {
                let note = self.state.note(&format!("validators:{}", self.options.source))?;
                // Another address, settings that have changed, or pictures to be asked again: all of it is read.
                let known = note
                    .as_deref()
                    .and_then(|note| parse_note(note, &address))
                    .filter(|_| !self.recheck && !self.options.dry_run);
                let net = &self.net;
                match net.fetcher.get(&address, &known.unwrap_or_default(), FEED_BYTES, &|| net.stop())? {
                    Reply::NotModified => {
                        done.unchanged = true;
                        done.validators = note;
                    }
                    Reply::Body(body) => {
                        done.validators = write_note(&address, &body.validators);
                        done.partial = self.read_whole(body.reader, Some(body.url))?;
                    }
                }
            }
        }
        self.finish_rows()?;
        Ok(done)
    }

    /// Reads a feed, or all feeds of an archive, whose pictures are then looked for in it; whether some of it is missing.
    fn read_whole(&mut self, reader: Box<dyn Read + Send>, base: Option<String>) -> Result<bool> {
        let archive = match twinset_feed::open(reader, &self.options.feed)? {
            Opened::Feed(feed) => return Ok(self.read_from(feed, base, 0)?.is_partial()),
            Opened::Archive(archive) => archive,
        };
        self.net.folders.extend(archive.folders().iter().cloned());
        let mut partial = false;
        for feed in archive.feeds() {
            let told = |error: std::io::Error| EngineError::Feed(error.into());
            let file = std::fs::File::open(feed).map_err(told)?;
            partial |= self.read_from(Box::new(file), base.clone(), 0)?.is_partial();
        }
        self.archive = Some(archive);
        Ok(partial)
    }

    /// Reads one feed, and the pages that it names.
    fn read_from(
        &mut self,
        reader: Box<dyn Read + Send>,
        base: Option<String>,
        depth: usize,
    ) -> Result<Outcome> {
        let settings = Settings {
            base_url: base.or_else(|| self.options.feed.base_url.clone()),
            now_ms: super::now_ms(),
            ..self.options.feed.clone()
        };
        let mut pages = Vec::new();
        let mut failed = None;
        let summary = twinset_feed::read(reader, &settings, &mut |event| {
            let told = match event {
                Event::Page { url, .. } => {
                    if pages.len() < PAGES {
                        pages.push(url);
                    }
                    Ok(true)
                }
                event => self.event(event),
            };
            match told {
                Ok(true) => ControlFlow::Continue(()),
                Ok(false) => ControlFlow::Break(()),
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            }
        });
        if let Some(error) = failed {
            return Err(error);
        }
        let summary = summary?;
        self.notes.counts.skipped += summary.skipped;
        let mut outcome = Outcome { partial: summary.partial.clone(), products: summary.rows };
        self.note(summary, depth);
        if pages.is_empty() {
            return Ok(outcome);
        }
        if depth >= NESTED {
            outcome.partial.get_or_insert_with(|| "sitemaps are nested too deep".into());
            return Ok(outcome);
        }
        let mut lost = 0_u64;
        for some in pages.chunks(self.options.fetches.max(1)) {
            if !self.tell() {
                return Ok(outcome);
            }
            for (url, page) in self.fetch_pages(some) {
                match page {
                    Ok((bytes, place)) => {
                        match self.read_from(Box::new(std::io::Cursor::new(bytes)), Some(place), depth + 1) {
                            Ok(inner) => outcome.partial = outcome.partial.or(inner.partial),
                            // A page without a product is one of the shop's other pages.
                            Err(EngineError::Feed(_)) => {}
                            Err(error) => return Err(error),
                        }
                    }
                    Err(error) => {
                        lost += 1;
                        self.notes.find(FindingKind::Address, 0, None, format!("page {url}: {error}"));
                    }
                }
            }
        }
        if lost > 0 {
            outcome.partial.get_or_insert(format!("{lost} of {} pages could not be fetched", pages.len()));
        }
        self.notes.partial = self.notes.partial.take().or_else(|| outcome.partial.clone());
        Ok(outcome)
    }

    fn note(&mut self, summary: Summary, depth: usize) {
        self.notes.partial = self.notes.partial.take().or_else(|| summary.partial.clone());
        if depth == 0 || self.notes.format.is_none() {
            self.notes.format = Some((summary.format, summary.encoding));
        }
    }

    /// Some pages side by side, in their order.
    fn fetch_pages(&self, urls: &[String]) -> Vec<(String, Result<(Vec<u8>, String), FetchError>)> {
        let net = &self.net;
        let fetch = |url: &String| {
            let time = net.options.policy.silence * 2;
            let found =
                net.fetcher.get_bytes(url, &Validators::default(), PAGE_BYTES, time, &|| net.stop())?;
            found.map(|(bytes, body)| (bytes, body.url)).ok_or(FetchError::Status { status: 304 })
        };
        std::thread::scope(|scope| {
            let fetch = &fetch;
            let threads: Vec<_> =
                urls.iter().map(|url| scope.spawn(move || (url.clone(), fetch(url)))).collect();
            let lost = |url: &String| (url.clone(), Err(FetchError::Network("its thread failed".into())));
            threads
                .into_iter()
                .zip(urls)
                .map(|(thread, url)| thread.join().unwrap_or_else(|_| lost(url)))
                .collect()
        })
    }

    /// Page after page of a shop's `products.json`, until one is empty; whether some are missing.
    fn read_shopify(&mut self, address: &str) -> Result<bool> {
        let Some(mut url) = pages_of_shopify(address) else { return Ok(false) };
        for page in 1..=SHOPIFY_PAGES {
            url.query_pairs_mut()
                .clear()
                .append_pair("limit", &SHOPIFY_PAGE.to_string())
                .append_pair("page", &page.to_string());
            let net = &self.net;
            let time = net.options.policy.silence * 4;
            let found =
                net.fetcher
                    .get_bytes(url.as_str(), &Validators::default(), PAGE_BYTES * 4, time, &|| net.stop());
            let bytes = match found {
                Ok(Some((bytes, _))) => bytes,
                Ok(None) => return Ok(true),
                // The first page failing is the whole feed failing.
                Err(error) if page == 1 => return Err(error.into()),
                Err(error) => {
                    self.notes.find(
                        FindingKind::CutOff,
                        0,
                        None,
                        format!("page {page} of the feed: {error}"),
                    );
                    self.notes.partial.get_or_insert(format!("page {page} could not be fetched"));
                    return Ok(true);
                }
            };
            let before = self.notes.counts.seen;
            let outcome =
                self.read_from(Box::new(std::io::Cursor::new(bytes)), Some(address.to_owned()), 1)?;
            self.notes.format = Some((Format::ShopifyJson, "UTF-8"));
            if outcome.is_partial() {
                return Ok(true);
            }
            if outcome.products == 0 && self.notes.counts.seen == before || self.stopped {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

struct Outcome {
    partial: Option<String>,
    products: u64,
}

impl Outcome {
    fn is_partial(&self) -> bool {
        self.partial.is_some()
    }
}

/// The address of a `products.json` that comes in pages, unless it names one page itself.
fn pages_of_shopify(address: &str) -> Option<Url> {
    let url = Url::parse(address).ok()?;
    let whole = url.path().ends_with("/products.json") && !url.query_pairs().any(|(name, _)| name == "page");
    whole.then_some(url)
}

/// Three lines: the address, its `ETag`, its `Last-Modified`.
fn write_note(address: &str, validators: &Validators) -> Option<String> {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let any = validators.etag.is_some() || validators.last_modified.is_some();
    any.then(|| format!("{address}\n{}\n{}", text(&validators.etag), text(&validators.last_modified)))
}

fn parse_note(note: &str, address: &str) -> Option<Validators> {
    let mut lines = note.split('\n');
    (lines.next() == Some(address)).then(|| {
        let mut value = || lines.next().filter(|text| !text.is_empty()).map(str::to_owned);
        Validators { etag: value(), last_modified: value() }
    })
}
