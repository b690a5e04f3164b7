//! The story of a sync: a catalogue becomes what a feed says.
//!
//! `fetch -> parse -> diff -> pictures -> embed -> publish`. Rows are compared by a hash of their content; what changed is
//! put at once with the pictures that are known, so that prices and stock never wait for a picture or a network. Pictures
//! still missing are written down as wanted and fetched when the feed has been read; those that cannot be had stay wanted
//! for the next run. Products of this source that the feed no longer lists are removed at the end, unless too many of them
//! would vanish, or the feed was cut off: then a person is asked. Whatever was acknowledged stays; a run that dies is
//! finished by the next one.
//!
//! - `input.rs` where feeds come from; `rows.rs` the diff, told by `diff.rs`; `pictures.rs` the fetching; `report.rs` what is told.

mod diff;
mod input;
mod pictures;
mod report;
mod rows;

pub use diff::{Difference, Fate};
pub use input::Input;
pub use report::{Approval, Counts, FailedPicture, FindingGroup, PictureCounts, Progress, Report, Stage};

use crate::follower::Core;
use crate::{EngineError, Result, Shop, change};
use parking_lot::Mutex;
use report::{Notebook, SyncEnd};
use roaring::RoaringBitmap;
use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use twinset_catalogue::{Filter, SyncState};
use twinset_feed::{Archive, FindingKind};
use twinset_fetch::{FetchError, Fetcher, Policy};

/// Removed in one transaction.
const REMOVALS_A_STEP: usize = 512;

/// What to do about products that the feed no longer lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Missing {
    /// Remove them, unless more than [`SyncOptions::guard`] of them would vanish.
    #[default]
    Ask,
    /// Remove them. Also this is not done after a feed that was cut off.
    Remove,
    /// Keep them.
    Keep,
}

/// What the caller says while a sync runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Go on.
    Go,
    /// Wait where you are.
    Pause,
    /// End at the next point from which it can go on.
    Stop,
}

/// How a sync works.
#[derive(Clone, Debug)]
pub struct SyncOptions {
    /// Name of the source: products carry it, and only its own products can go missing.
    pub source: String,
    /// What the feed does not say about itself.
    pub feed: twinset_feed::Settings,
    /// About products that are no longer listed.
    pub missing: Missing,
    /// Share of the source's products above which [`Missing::Ask`] asks, 0 to 1.
    pub guard: f64,
    /// Report everything, change nothing.
    pub dry_run: bool,
    /// A folder with pictures, looked at before the network: by host and path of the address, by path, by name.
    pub pictures: Option<PathBuf>,
    /// Fetch pictures from the network.
    pub fetch_pictures: bool,
    /// Ask again for every picture whether it has changed.
    pub recheck: bool,
    /// Pictures older than this are asked for again without being told to.
    pub recheck_after: Duration,
    /// A picture under more products than this is a placeholder and is not searched.
    pub placeholder_over: u64,
    /// Fetches at a time, all hosts together.
    pub fetches: usize,
    /// How to behave towards strangers.
    pub policy: Policy,
}

impl Default for SyncOptions {
    fn default() -> Self {
        Self {
            source: "feed".into(),
            feed: twinset_feed::Settings::default(),
            missing: Missing::Ask,
            guard: 0.3,
            dry_run: false,
            pictures: None,
            fetch_pictures: true,
            recheck: false,
            recheck_after: Duration::from_secs(7 * 24 * 3600),
            placeholder_over: 100,
            fetches: 16,
            policy: Policy::default(),
        }
    }
}

/// The syncs of one catalogue.
pub(crate) struct Syncs {
    pub(crate) state: Arc<SyncState>,
    running: Mutex<HashSet<String>>,
}

impl Syncs {
    pub(crate) fn open(dir: &std::path::Path) -> Result<Self> {
        Ok(Self { state: Arc::new(SyncState::open(dir)?), running: Mutex::default() })
    }
}

/// One source at a time; given back when dropped.
struct Alone<'a>(&'a Syncs, &'a str);

impl<'a> Alone<'a> {
    fn with(syncs: &'a Syncs, source: &'a str) -> Result<Self> {
        if syncs.running.lock().insert(source.to_owned()) {
            Ok(Self(syncs, source))
        } else {
            Err(EngineError::SyncRuns { source_name: source.to_owned() })
        }
    }
}

impl Drop for Alone<'_> {
    fn drop(&mut self) {
        self.0.running.lock().remove(self.1);
    }
}

/// What the fetching threads of a run share.
struct Net<'a> {
    shop: &'a Shop,
    options: &'a SyncOptions,
    fetcher: Fetcher,
    /// Where pictures are looked for before the network is asked.
    folders: Vec<PathBuf>,
    signal: &'a (dyn Fn() -> Signal + Sync),
}

impl Net<'_> {
    fn core(&self) -> Arc<Core> {
        self.shop.running().core.clone()
    }

    /// Whether the run is to end.
    fn stop(&self) -> bool {
        self.core().stopping() || (self.signal)() == Signal::Stop
    }
}

/// What one run has at hand.
struct Run<'a> {
    /// Asked for its core each time: models may be swapped while a sync runs.
    shop: &'a Shop,
    state: &'a SyncState,
    options: &'a SyncOptions,
    number: u64,
    net: Net<'a>,
    progress: &'a mut dyn FnMut(&Progress),
    notes: Notebook,
    /// Rows of the catalogue's products that the feed lists.
    listed: RoaringBitmap,
    /// Pictures of unchanged rows are asked for again.
    recheck: bool,
    stopped: bool,
    waiting: rows::Batch,
    /// What the feed came in: its pictures are wanted until the end.
    archive: Option<Archive>,
}

/// See [`crate::Shop::sync`].
pub(crate) fn sync(
    shop: &Shop,
    syncs: &Syncs,
    input: Input,
    options: &SyncOptions,
    signal: &(dyn Fn() -> Signal + Sync),
    progress: &mut dyn FnMut(&Progress),
) -> Result<Report> {
    shop.running().core.check_open()?;
    let _alone = Alone::with(syncs, &options.source)?;
    let started = std::time::Instant::now();
    // A connection of its own, since its transactions are; for a dry run a copy, which is forgotten.
    let own = if options.dry_run { syncs.state.copy()? } else { syncs.state.another()? };
    let state = &own;
    let number = state.begin_run(&options.source)?;
    let mut run = Run {
        shop,
        state,
        options,
        number,
        net: Net {
            shop,
            options,
            fetcher: Fetcher::new(options.policy.clone()),
            folders: options.pictures.iter().cloned().collect(),
            signal,
        },
        progress,
        notes: Notebook::default(),
        listed: RoaringBitmap::new(),
        recheck: options.recheck || recheck_is_due(state, options)?,
        stopped: false,
        waiting: rows::Batch::default(),
        archive: None,
    };
    let done = run.run(input);
    // A batch that failed leaves nothing behind in the memory of syncs.
    state.rollback()?;
    let end = done.unwrap_or_else(|error| SyncEnd::Failed(error.to_string()));
    let seq = shop.catalogue().last_seq()?;
    let report = run.notes.report(options, number, end, seq, started.elapsed());
    if !options.dry_run {
        state.end_run(number, report.state.as_str(), &serde_json::to_string(&report).unwrap_or_default())?;
    }
    Ok(report)
}

fn recheck_is_due(state: &SyncState, options: &SyncOptions) -> Result<bool> {
    let note = state.note(&format!("recheck:{}", options.source))?;
    let Some(last) = note.and_then(|text| text.parse::<u64>().ok()) else { return Ok(false) };
    Ok(now_ms().saturating_sub(last) > options.recheck_after.as_millis() as u64)
}

pub(crate) fn now_ms() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as u64)
}

impl Run<'_> {
    /// Of the generation that answers now.
    fn core(&self) -> Arc<Core> {
        self.net.core()
    }

    fn run(&mut self, input: Input) -> Result<SyncEnd> {
        self.stage(Stage::Parse);
        let read = match self.read(input) {
            Err(EngineError::Fetch(FetchError::Stopped)) => return Ok(SyncEnd::Cancelled),
            read => read?,
        };
        if self.stopped {
            return Ok(SyncEnd::Cancelled);
        }
        if read.unchanged {
            self.notes.not_modified = true;
        } else if let Some(asked) = self.remove_missing(read.partial)? {
            self.fetch_pictures()?;
            return Ok(if self.stopped { SyncEnd::Cancelled } else { asked });
        }
        self.fetch_pictures()?;
        if self.stopped {
            return Ok(SyncEnd::Cancelled);
        }
        if self.options.dry_run {
            return Ok(SyncEnd::Succeeded);
        }
        self.stage(Stage::Publish);
        self.wait_searchable(self.core().catalogue.last_seq()?)?;
        let source = &self.options.source;
        if self.recheck || self.state.note(&format!("recheck:{source}"))?.is_none() {
            self.state.set_note(&format!("recheck:{source}"), Some(&now_ms().to_string()))?;
        }
        // Only a feed that was read to its end may be passed over when it has not changed.
        let validators = read.validators.filter(|_| !read.partial);
        self.state.set_note(&format!("validators:{source}"), validators.as_deref())?;
        Ok(if self.stopped { SyncEnd::Cancelled } else { SyncEnd::Succeeded })
    }

    /// Removes the products of this source that are not listed; says if a person must be asked first.
    fn remove_missing(&mut self, partial: bool) -> Result<Option<SyncEnd>> {
        let catalogue = self.shop.catalogue();
        let mine = Filter::parse(&format!("source = '{}'", self.options.source.replace('\'', "''")));
        let mine = mine.map_err(|e| EngineError::BadRequest { field: "source", reason: e.to_string() })?;
        let mine = catalogue.select(&mine)?;
        let missing: Vec<u32> = (&mine - &self.listed).iter().collect();
        let mut gone: Vec<String> = Vec::new();
        let mut renamed = 0_u64;
        for rows in missing.chunks(REMOVALS_A_STEP) {
            for product in catalogue.products_by_row(rows)?.into_iter().flatten() {
                // Filters compare without regard to case; a source's name does not.
                if product.source.as_deref() != Some(self.options.source.as_str()) {
                    continue;
                }
                if let Some(new) = self.state.renamed(&self.options.source, &product.id, self.number)? {
                    renamed += 1;
                    self.notes.find(
                        FindingKind::IdChanged,
                        0,
                        Some(product.id.clone()),
                        format!("'{}' has the id '{new}' now", product.id),
                    );
                }
                gone.push(product.id);
            }
        }
        self.notes.counts.gone = gone.len() as u64;
        if self.options.dry_run {
            gone.iter().for_each(|id| self.notes.differs(id, Fate::Gone, BTreeMap::new()));
        }
        let share = (gone.len() as u64 - renamed) as f64 / (mine.len().max(1)) as f64;
        let keep = match self.options.missing {
            Missing::Keep => true,
            _ if partial => {
                self.notes.kept = gone.len() as u64;
                return Ok((!gone.is_empty()).then(|| {
                    SyncEnd::NeedsApproval(Approval::of(
                        gone.len(),
                        mine.len(),
                        "the feed was cut off; what is missing in it may not be gone",
                    ))
                }));
            }
            Missing::Remove => false,
            Missing::Ask => {
                if share > self.options.guard {
                    self.notes.kept = gone.len() as u64;
                    return Ok(Some(SyncEnd::NeedsApproval(Approval::of(
                        gone.len(),
                        mine.len(),
                        "more products would vanish than the guard allows",
                    ))));
                }
                false
            }
        };
        if keep {
            self.notes.kept = gone.len() as u64;
        } else if !self.options.dry_run {
            for ids in gone.chunks(REMOVALS_A_STEP) {
                self.shop.writing(|core| change::remove(core, ids))?;
                self.state.forget(&self.options.source, ids)?;
            }
        }
        Ok(None)
    }

    fn stage(&mut self, stage: Stage) {
        self.notes.progress.stage = stage;
        self.tell();
    }

    /// Tells progress, waits while paused; whether to go on.
    fn tell(&mut self) -> bool {
        self.notes.progress.counts = self.notes.counts;
        self.notes.progress.pictures = self.notes.pictures;
        (self.progress)(&self.notes.progress);
        loop {
            match (self.net.signal)() {
                Signal::Go => return !self.stopped,
                Signal::Stop => {
                    self.stopped = true;
                    return false;
                }
                Signal::Pause => std::thread::sleep(Duration::from_millis(100)),
            }
            if self.core().stopping() {
                self.stopped = true;
                return false;
            }
        }
    }

    fn wait_searchable(&mut self, seq: u64) -> Result<()> {
        while !self.core().wait_searchable(seq, Duration::from_millis(200)) {
            if !self.tell() {
                return Ok(());
            }
            self.core().check_open()?;
            if let Some(detail) = self.core().look(|desk| desk.last_error.clone()) {
                return Err(EngineError::Disk { path: self.core().catalogue.dir().into(), detail });
            }
        }
        Ok(())
    }
}
