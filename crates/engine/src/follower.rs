//! Keeps the index close behind the change log.
//!
//! One thread a shop: catches up by sequence number, saves the index now and then with the number it
//! covers, and begins from 0 where there is no usable index (none, damaged, of another model, or ahead
//! of a catalogue that was restored). Searches never wait for it: they take the newest snapshot and
//! tell its number, also while the index is being rebuilt.

use crate::change::{self, Step, Unreadable};
use crate::engine::Shared;
use crate::freshness::Watch;
use crate::gauge::Gauge;
use crate::trust::Trust;
use crate::{EngineError, Features, Result, exact};
use parking_lot::{Condvar, Mutex, RwLock};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use twinset_catalogue::{Catalogue, ChangeRecord};
use twinset_disk::Disk;
use twinset_index::{
    GraphIndex, GraphOptions, GraphSnapshot, IndexError, Metric, Room, Selectivity, Shape, VectorIndex,
};
use twinset_photo::PictureHash;

/// Shortest and longest pause after a failure.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(20));
/// A save costs writing the whole index: at most one part in so many of the time.
const SAVING_SHARE: u32 = 20;

/// What the follower is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Every acknowledged change is searchable.
    Ready,
    /// New changes are being applied to a whole index.
    CatchingUp,
    /// The index was begun anew and does not hold everything yet.
    Rebuilding,
    /// It no longer follows.
    Closed,
}

/// Numbers since the shop was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    pub(crate) computed: u64,
    pub(crate) reused: u64,
    pub(crate) unreadable: u64,
    pub(crate) damaged_features: u64,
}

/// What shop and follower tell each other.
pub(crate) struct Desk {
    pub(crate) state: State,
    /// Searchable up to here; as the snapshot says, kept here so that waiting needs one lock only.
    pub(crate) seq: u64,
    pub(crate) saved_seq: u64,
    pub(crate) counters: Counters,
    /// Damaged index files set aside since opening.
    pub(crate) quarantined: Vec<PathBuf>,
    pub(crate) last_error: Option<String>,
    pub(crate) rebuild: Rebuild,
    pub(crate) freshness: Watch,
    work: bool,
    save: bool,
}

impl Desk {
    /// There is something to do for the follower.
    fn called(&self) -> bool {
        self.work || self.save || self.rebuild.done < self.rebuild.asked
    }
}

/// Orders to build the index anew.
#[derive(Default)]
pub(crate) struct Rebuild {
    pub(crate) asked: u64,
    pub(crate) done: u64,
    /// Where the running one has come to.
    pub(crate) at: u64,
    pub(crate) error: Option<String>,
}

/// One catalogue with its index, seen from inside.
pub(crate) struct Core {
    pub(crate) catalogue: Catalogue,
    pub(crate) shared: Arc<Shared>,
    pub(crate) trust: Trust,
    index: RwLock<Arc<GraphIndex>>,
    index_options: GraphOptions,
    pub(crate) gauge: Gauge,
    desk: Mutex<Desk>,
    /// The follower sleeps here.
    called: Condvar,
    /// Everyone who waits for the follower sleeps here.
    moved: Condvar,
    stop: AtomicBool,
}

impl Core {
    /// Opens the saved index, or begins a new one.
    pub(crate) fn open(catalogue: Catalogue, shared: Arc<Shared>) -> Result<Self> {
        let shape =
            Shape { dim: shared.vision.dim(), metric: Metric::InnerProduct, stamp: shared.vision.hash() };
        let last_seq = catalogue.last_seq()?;
        let mut quarantined = Vec::new();
        let dir = index_dir(&catalogue, &shared);
        let memory_mb = catalogue.settings().index_memory_mb.or(shared.options.index_memory_mb);
        let room = memory_mb.map(|mb| Room { memory_bytes: mb << 20, folder: catalogue.dir().into() });
        let index_options = GraphOptions { room, ..shared.options.index.clone() };
        let disk = &*shared.options.disk;
        let fresh = || GraphIndex::new(shape, index_options.clone());
        let index = match GraphIndex::open_on(disk, &dir, shape, index_options.clone()) {
            Ok(index) if index.snapshot().seq() <= last_seq => {
                if let Some(torn) = index.fell_back() {
                    tracing::warn!(%torn, seq = index.snapshot().seq(), "the state before is used and catches up");
                }
                index
            }
            Ok(_) => {
                tracing::warn!(dir = %dir.display(), "the index is ahead of its catalogue (restored?); making it anew");
                fresh()
            }
            Err(IndexError::Missing { .. }) => fresh(),
            Err(error @ (IndexError::OtherStamp { .. } | IndexError::OtherShape { .. })) => {
                tracing::info!(%error, "making the index anew");
                fresh()
            }
            Err(error) => {
                tracing::warn!(%error, "setting the index aside and making it anew");
                quarantined.extend(set_aside(disk, &dir)?);
                fresh()
            }
        };
        let seq = index.snapshot().seq();
        let desk = Desk {
            state: match seq {
                _ if seq == last_seq => State::Ready,
                0 => State::Rebuilding,
                _ => State::CatchingUp,
            },
            seq,
            saved_seq: seq,
            counters: Counters::default(),
            quarantined,
            last_error: None,
            rebuild: Rebuild::default(),
            freshness: Watch::new(crate::sync::now_ms()),
            work: true,
            save: false,
        };
        Ok(Self {
            gauge: Gauge::new(shared.options.goal),
            catalogue,
            shared,
            trust: Trust::default(),
            index: RwLock::new(Arc::new(index)),
            index_options,
            desk: Mutex::new(desk),
            called: Condvar::new(),
            moved: Condvar::new(),
            stop: AtomicBool::new(false),
        })
    }

    /// The newest consistent state of the index.
    pub(crate) fn snapshot(&self) -> Arc<GraphSnapshot> {
        self.index.read().snapshot()
    }

    pub(crate) fn index(&self) -> Arc<GraphIndex> {
        self.index.read().clone()
    }

    pub(crate) fn shape(&self) -> Shape {
        self.index.read().shape()
    }

    /// Bytes of memory that the nodes of the index may take, if that is limited.
    pub(crate) fn index_room(&self) -> Option<u64> {
        self.index_options.room.as_ref().map(|room| room.memory_bytes)
    }

    /// Where its index is saved.
    pub(crate) fn index_dir(&self) -> PathBuf {
        index_dir(&self.catalogue, &self.shared)
    }

    /// Stored features of a picture by the present models; damaged ones count as absent.
    pub(crate) fn features(&self, picture: &PictureHash) -> Result<Option<Features>> {
        let Some(bytes) = self.catalogue.features(picture, &self.shared.vision.hash())? else {
            return Ok(None);
        };
        match Features::from_bytes(&bytes) {
            Ok(features) if features.embedding.len() == self.shared.vision.dim() => Ok(Some(features)),
            Ok(_) | Err(_) => {
                tracing::warn!(%picture, "stored features are damaged");
                self.count(|c| c.damaged_features += 1);
                Ok(None)
            }
        }
    }

    pub(crate) fn count(&self, add: impl FnOnce(&mut Counters)) {
        add(&mut self.desk.lock().counters);
    }

    /// These changes have been applied; those that a rebuild repeats do not count.
    pub(crate) fn note_freshness(&self, changes: &[ChangeRecord]) {
        let now_ms = crate::sync::now_ms();
        let mut desk = self.desk.lock();
        let new = changes.partition_point(|change| change.seq <= desk.seq);
        desk.freshness.applied(&changes[new..], now_ms);
    }

    pub(crate) fn look<T>(&self, at: impl FnOnce(&Desk) -> T) -> T {
        at(&self.desk.lock())
    }

    pub(crate) fn stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    pub(crate) fn check_open(&self) -> Result<()> {
        if self.stopping() { Err(EngineError::Closed) } else { Ok(()) }
    }

    /// There are new changes.
    pub(crate) fn wake(&self) {
        self.call(|desk| desk.work = true);
    }

    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.wake();
    }

    /// Leaves a word for the follower and wakes it.
    fn call(&self, word: impl FnOnce(&mut Desk)) {
        word(&mut self.desk.lock());
        self.called.notify_all();
    }

    /// Says something to all who wait for the follower.
    fn tell(&self, word: impl FnOnce(&mut Desk)) {
        word(&mut self.desk.lock());
        self.moved.notify_all();
    }

    /// Waits until `done` holds, the follower has closed, or time is up; says whether `done` holds.
    fn wait(&self, until: Option<Instant>, done: impl Fn(&Desk) -> bool) -> bool {
        let mut desk = self.desk.lock();
        loop {
            if done(&desk) {
                return true;
            }
            if desk.state == State::Closed {
                return false;
            }
            match until {
                None => self.moved.wait(&mut desk),
                Some(until) if self.moved.wait_until(&mut desk, until).timed_out() => return done(&desk),
                Some(_) => {}
            }
        }
    }

    pub(crate) fn wait_searchable(&self, seq: u64, timeout: Duration) -> bool {
        // A timeout of centuries means for ever.
        self.wait(Instant::now().checked_add(timeout), |desk| desk.seq >= seq)
    }

    /// Builds the index anew beside the present one and swaps; `progress` is told (done, total) changes.
    pub(crate) fn rebuild(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<u64> {
        self.check_open()?;
        let mut order = 0;
        self.call(|desk| {
            desk.rebuild.asked += 1;
            order = desk.rebuild.asked;
        });
        loop {
            let tick = Instant::now() + Duration::from_millis(200);
            let done = self.wait(Some(tick), |desk| desk.rebuild.done >= order);
            let (at, error, closed, seq) =
                self.look(|d| (d.rebuild.at, d.rebuild.error.clone(), d.state == State::Closed, d.seq));
            progress(at, self.catalogue.last_seq()?);
            match (done, error) {
                (true, None) => return Ok(seq),
                (true, Some(detail)) => {
                    return Err(EngineError::Disk { path: self.index_dir(), detail });
                }
                (false, _) if closed => return Err(EngineError::Closed),
                (false, _) => {}
            }
        }
    }

    /// Waits until everything acknowledged is searchable and the index with it is saved.
    pub(crate) fn flush(&self) -> Result<u64> {
        let seq = self.catalogue.last_seq()?;
        self.check_open()?;
        self.call(|desk| desk.save = true);
        if !self.wait(None, |desk| desk.seq >= seq && desk.saved_seq >= seq || desk.last_error.is_some()) {
            return Err(EngineError::Closed);
        }
        match self.look(|desk| (desk.saved_seq >= seq, desk.last_error.clone())) {
            (false, Some(detail)) => Err(EngineError::Disk { path: self.index_dir(), detail }),
            _ => Ok(seq),
        }
    }
}

/// Where a generation's index of a catalogue is saved.
fn index_dir(catalogue: &Catalogue, shared: &Shared) -> PathBuf {
    catalogue.dir().join(&shared.index_folder)
}

/// Renames what cannot be used, so that it can be looked at and is in nobody's way.
fn set_aside(disk: &dyn Disk, dir: &Path) -> Result<Option<PathBuf>> {
    let failed = |error: std::io::Error| EngineError::Disk { path: dir.into(), detail: error.to_string() };
    let name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let taken = match dir.parent().map(|parent| disk.folders(parent)) {
        Some(taken) => taken.map_err(failed)?,
        None => Vec::new(),
    };
    let mut names = (1..).map(|n| dir.with_file_name(format!("{name}.damaged-{n}")));
    let Some(name) = names.find(|name| !taken.contains(name)) else { return Ok(None) };
    match disk.rename(dir, &name) {
        Ok(()) => Ok(Some(name)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

/// The follower's thread: runs until [`Core::stop`].
pub(crate) fn follow(core: &Core) {
    /// Whoever waits must learn of the end, also of a panic.
    struct Farewell<'a>(&'a Core);
    impl Drop for Farewell<'_> {
        fn drop(&mut self) {
            self.0.tell(|desk| desk.state = State::Closed);
        }
    }
    let _farewell = Farewell(core);
    Follower { core, unsaved: Unsaved::default(), unreadable: None, orphans: false, checked: false }.run();
}

/// Applied changes that the saved index lacks.
#[derive(Default)]
struct Unsaved {
    changes: u64,
    since: Option<Instant>,
    /// How long the last save took.
    took: Duration,
}

impl Unsaved {
    fn add(&mut self, changes: u64) {
        self.changes += changes;
        self.since.get_or_insert_with(Instant::now);
    }
}

struct Follower<'a> {
    core: &'a Core,
    unsaved: Unsaved,
    /// `None` until the catalogue was asked.
    unreadable: Option<Unreadable>,
    /// Some pictures may no longer be shown by any product.
    orphans: bool,
    /// All of the opened file was compared with its checksums.
    checked: bool,
}

impl Follower<'_> {
    fn run(&mut self) {
        let mut pause = PAUSES.0;
        while !self.core.stopping() {
            match self.step() {
                Ok(idle) => {
                    pause = PAUSES.0;
                    self.core.tell(|desk| desk.last_error = None);
                    if idle {
                        let often = self.core.shared.options.measure_every;
                        self.sleep(self.save_due().unwrap_or(often).min(often));
                        self.measure();
                    }
                }
                Err(error) => {
                    tracing::error!(catalogue = %self.core.catalogue.name(), %error, "the index cannot follow; trying again");
                    self.core.tell(|desk| desk.last_error = Some(error.to_string()));
                    self.rest(pause);
                    pause = (pause * 2).min(PAUSES.1);
                }
            }
        }
        if self.unsaved.changes > 0
            && let Err(error) = self.save()
        {
            tracing::error!(%error, "the index could not be saved; it will catch up from the change log");
        }
    }

    /// One batch, one rebuild or one save; `true` when nothing is left to do.
    fn step(&mut self) -> Result<bool> {
        let core = self.core;
        if core.look(|desk| desk.rebuild.done < desk.rebuild.asked) {
            self.rebuild();
            return Ok(false);
        }
        core.desk.lock().work = false;
        let index = core.index.read().clone();
        let step = self.apply_next(&index)?;
        if let Step::Applied { seq, changes, dropped } = step {
            self.unsaved.add(changes);
            self.orphans |= dropped;
            core.tell(|desk| {
                desk.seq = seq;
                if desk.state == State::Ready {
                    desk.state = State::CatchingUp;
                }
            });
        }
        let idle = step == Step::Idle;
        if idle {
            core.tell(|desk| desk.state = State::Ready);
            self.care(&index)?;
        }
        let asked = idle && core.look(|desk| desk.save);
        if asked && self.unsaved.changes > 0 || self.save_due() == Some(Duration::ZERO) {
            self.save()?;
        }
        core.tell(|desk| desk.save &= !asked);
        Ok(idle)
    }

    fn apply_next(&mut self, index: &GraphIndex) -> Result<Step> {
        let unreadable = match &mut self.unreadable {
            Some(known) => known,
            none => none
                .insert(self.core.catalogue.unreadable()?.into_iter().map(|(picture, _)| picture).collect()),
        };
        change::apply_next(self.core, index, unreadable)
    }

    fn rebuild(&mut self) {
        let core = self.core;
        let order = core.look(|desk| desk.rebuild.asked);
        let outcome = self.build_anew();
        core.tell(|desk| {
            desk.rebuild.done = order;
            desk.rebuild.error = outcome.err().map(|e| e.to_string());
        });
    }

    /// What can wait until there is nothing else to do: reads what opening left unread, and learns anew what the index
    /// walks by when the catalogue has changed its ways.
    fn care(&mut self, index: &GraphIndex) -> Result<()> {
        let core = self.core;
        if !std::mem::replace(&mut self.checked, true)
            && let Err(error) = index.check_rest()
        {
            tracing::warn!(%error, "setting the index aside and making it anew");
            let aside = set_aside(&*core.shared.options.disk, &core.index_dir())?;
            core.tell(|desk| {
                desk.state = State::Rebuilding;
                desk.quarantined.extend(aside);
            });
            self.build_anew()?;
        }
        if index.has_drifted() {
            let start = Instant::now();
            index.relearn(&|item| exact::embedding(core, item).ok().flatten());
            tracing::info!(catalogue = %core.catalogue.name(), seconds = start.elapsed().as_secs_f32(), "the index was coded anew");
            self.unsaved.add(1);
        }
        Ok(())
    }

    /// Searches go on over the present index, which takes no changes meanwhile; then the new one takes its place.
    fn build_anew(&mut self) -> Result<()> {
        let core = self.core;
        // The decoder may have learned something since.
        core.catalogue.retry_unreadable()?;
        self.unreadable = None;
        let fresh = Arc::new(GraphIndex::new(core.shape(), core.index_options.clone()));
        loop {
            match self.apply_next(&fresh)? {
                Step::Applied { seq, .. } => core.tell(|desk| desk.rebuild.at = seq),
                Step::Idle => break,
                Step::Stopped => return Err(EngineError::Closed),
            }
        }
        let seq = fresh.snapshot().seq();
        let before = core.index();
        for class in Selectivity::EVERY {
            fresh.set_effort(class, before.effort(class));
        }
        *core.index.write() = fresh;
        core.tell(|desk| desk.seq = seq);
        self.save()
    }

    /// Time until the index should be saved; `None` if it has nothing new.
    fn save_due(&self) -> Option<Duration> {
        let options = &self.core.shared.options;
        let since = self.unsaved.since?;
        let pause = self.unsaved.took * SAVING_SHARE;
        let wait = if self.unsaved.changes >= options.save_every_changes {
            pause
        } else {
            options.save_every.max(pause)
        };
        Some(wait.saturating_sub(since.elapsed()))
    }

    fn save(&mut self) -> Result<()> {
        let core = self.core;
        let index = core.index.read().clone();
        let start = Instant::now();
        let seq = index.save_on(&*core.shared.options.disk, &core.index_dir())?;
        self.unsaved = Unsaved { took: start.elapsed(), ..Unsaved::default() };
        core.tell(|desk| desk.saved_seq = seq);
        // Here, where no picture is being looked at: its features would come back for nothing.
        if std::mem::take(&mut self.orphans) {
            core.catalogue.gc()?;
        }
        Ok(())
    }

    /// After a failure: new changes are no reason to try earlier, closing is.
    fn rest(&self, pause: Duration) {
        let until = Instant::now() + pause;
        let mut desk = self.core.desk.lock();
        while !self.core.stopping() && !self.core.called.wait_until(&mut desk, until).timed_out() {}
    }

    /// Looks at waiting queries once more until someone calls.
    fn measure(&mut self) {
        let core = self.core;
        let index = core.index();
        let efforts = || Selectivity::EVERY.map(|class| index.effort(class));
        let before = efforts();
        while !core.look(Desk::called) && !core.stopping() {
            match core.gauge.measure(core, &index) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    tracing::warn!(catalogue = %core.catalogue.name(), %error, "recall cannot be measured");
                    break;
                }
            }
        }
        if efforts() != before {
            // What was measured is saved too.
            self.unsaved.add(1);
        }
    }

    /// Until someone calls or time is up.
    fn sleep(&self, at_most: Duration) {
        let mut desk = self.core.desk.lock();
        if !desk.called() && !self.core.stopping() {
            self.core.called.wait_for(&mut desk, at_most);
        }
    }
}
