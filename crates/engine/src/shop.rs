//! One catalogue, searchable: the truth, its index, and the thread that keeps them together.

use crate::engine::Shared;
use crate::follower::Core;
use crate::generation::{self, Running};
use crate::sync::{self, Input, Progress, Report, Signal, SyncOptions, Syncs};
use crate::{
    AuditReport, Contest, Embedded, EngineError, Features, ImportProgress, ImportReport, IndexStatus,
    Measured, Models, Pace, Region, Result, SearchAnswer, SearchRequest, Unreadable, VerifyReport, Vision,
    audit, change, copies, import, measure, panel, query, upkeep,
};
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use std::collections::HashSet;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use twinset_catalogue::{Catalogue, CatalogueName, Outcome, ProductPut, Swap, SyncState};
use twinset_nets::Package;
use twinset_photo::PictureHash;

/// How long a swap waits for answers under way before it lets the old generation end by itself.
const FAREWELL: Duration = Duration::from_secs(10);

/// One catalogue with its index. Shared by all threads; dropped: saved and closed.
pub struct Shop {
    catalogue: Catalogue,
    /// The generation that answers. Every call takes it once.
    running: ArcSwap<Running>,
    /// With the engine's own eyes.
    own: Arc<Shared>,
    models: Models,
    /// Held while a generation is built or swapped.
    changing: Mutex<()>,
    /// Opened when the first sync asks for it.
    syncs: OnceLock<Syncs>,
}

/// On what terms other models are taken into use.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terms {
    /// How much of the machine the building may take.
    pub pace: Pace,
    /// Take them even if they find less, or if nothing can be said about it.
    pub force: bool,
}

/// What became of other models.
#[derive(Clone, Debug, PartialEq)]
pub enum Taken {
    /// They answer now.
    InUse(Contest),
    /// They find less than those that answer; what was built is kept.
    Worse(Contest),
    /// Too few products have several pictures for a comparison; what was built is kept.
    Unknown(Contest),
    /// Told to stop; the same call goes on from here.
    Stopped,
}

impl Shop {
    pub(crate) fn open(catalogue: Catalogue, own: Arc<Shared>, models: Models) -> Result<Self> {
        let shared = match catalogue.in_use()?.and_then(|swap| swap.models) {
            None => own.clone(),
            Some(packages) => match models.vision(packages) {
                Ok(vision) => Arc::new(own.seeing(vision)),
                // Better other eyes than none: the index for them is there or is made.
                Err(error) => {
                    tracing::error!(catalogue = %catalogue.name(), %error, "the models in use are lost; using our own");
                    own.clone()
                }
            },
        };
        let running = ArcSwap::from_pointee(Running::start(catalogue.clone(), shared)?);
        Ok(Self { catalogue, running, own, models, changing: Mutex::new(()), syncs: OnceLock::new() })
    }

    /// The generation that answers now.
    pub(crate) fn running(&self) -> Arc<Running> {
        self.running.load_full()
    }

    /// Runs a call that writes; if the generation was swapped meanwhile, the one that answers now hears of it.
    pub(crate) fn writing<T>(&self, write: impl FnOnce(&Core) -> T) -> T {
        let running = self.running();
        let written = write(&running.core);
        let now = self.running();
        if !Arc::ptr_eq(&running, &now) {
            now.core.wake();
        }
        written
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &CatalogueName {
        self.catalogue.name()
    }

    /// The truth: products, claims, pictures. Write through the shop, so that the index learns of it.
    #[must_use]
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// The eyes that look at its pictures.
    #[must_use]
    pub fn vision(&self) -> Arc<Vision> {
        self.running().core.shared.vision.clone()
    }

    /// Puts products with their pictures, in one transaction. When it returns they are durable; they become
    /// searchable a little later, see [`Shop::wait_searchable`].
    ///
    /// # Errors
    /// A product that cannot be kept, a full disk: nothing of this call was kept.
    pub fn put(&self, puts: Vec<ProductPut>) -> Result<Vec<Outcome>> {
        self.writing(|core| change::put(core, &puts))
    }

    /// Removes products, in one transaction. They no longer appear in any search that begins afterwards.
    ///
    /// # Errors
    /// The disk failed; nothing was removed.
    pub fn remove(&self, ids: &[String]) -> Result<Vec<Outcome>> {
        self.writing(|core| change::remove(core, ids))
    }

    /// Keeps a product from searches, or lets them find it again; its claims and pictures stay. No search that begins
    /// afterwards finds a hidden one; one that is shown becomes searchable as after a put. Returns the number of its
    /// latest change; `None`: there is no such product.
    ///
    /// # Errors
    /// The disk failed; nothing was changed.
    pub fn hide(&self, id: &str, hidden: bool) -> Result<Option<u64>> {
        self.writing(|core| change::hide(core, id, hidden))
    }

    /// Forgets what was computed from a product's pictures and has them looked at again, those too that could not be
    /// read. Until that is done the product is not found. Returns the number of the change; `None`: there is no such
    /// product.
    ///
    /// # Errors
    /// The disk failed; nothing was changed.
    pub fn look_again(&self, id: &str) -> Result<Option<u64>> {
        self.writing(|core| change::look_again(core, id))
    }

    /// Puts any number of products, in transactions of a few, and waits while more pictures are waiting to be
    /// looked at than keep all threads busy. Whatever it was told to be done is durable: after a crash the same
    /// call goes on where it was. Returns when everything is searchable, or when `progress` says `false`.
    ///
    /// Products that cannot be kept are left out and told in the report.
    ///
    /// # Errors
    /// The disk failed or is full. What was acknowledged before stays.
    pub fn put_many(
        &self,
        puts: impl IntoIterator<Item = ProductPut>,
        progress: &mut dyn FnMut(&ImportProgress) -> bool,
    ) -> Result<ImportReport> {
        self.writing(|core| import::put_many(core, &mut puts.into_iter(), progress))
    }

    /// Brings the catalogue to what a feed says; one run of a source at a time. `signal` is asked often, also from other
    /// threads; `progress` is told after every batch. How it ended stands in the report, also a failure: what was
    /// acknowledged before stays.
    ///
    /// # Errors
    /// The source is being synced already, or the disk failed before there was anything to report.
    pub fn sync(
        &self,
        input: Input,
        options: &SyncOptions,
        signal: &(dyn Fn() -> Signal + Sync),
        progress: &mut dyn FnMut(&Progress),
    ) -> Result<Report> {
        sync::sync(self, self.syncs()?, input, options, signal, progress)
    }

    /// What syncs remember: sources, runs.
    ///
    /// # Errors
    /// The disk failed.
    pub fn sync_state(&self) -> Result<&Arc<SyncState>> {
        Ok(&self.syncs()?.state)
    }

    fn syncs(&self) -> Result<&Syncs> {
        if let Some(syncs) = self.syncs.get() {
            return Ok(syncs);
        }
        // Two who come at once open it twice; one of them is kept.
        let opened = Syncs::open(self.catalogue.dir())?;
        Ok(self.syncs.get_or_init(|| opened))
    }

    /// Writes a copy of the whole catalogue to `path` while everything goes on; returns the last change in it.
    ///
    /// # Errors
    /// The disk failed or is full; nothing is left at `path`.
    pub fn snapshot(&self, path: &std::path::Path) -> Result<u64> {
        Ok(self.catalogue.snapshot(path)?)
    }

    /// Answers a query.
    ///
    /// # Errors
    /// The photo cannot be read, the request is out of range, or `min_seq` is not reached in time.
    pub fn search(&self, request: &SearchRequest) -> Result<SearchAnswer> {
        query::search(&self.running().core, request)
    }

    /// Describes what is meant in a photo as [`Engine::embed`](crate::Engine::embed) does, with the models of this
    /// catalogue.
    ///
    /// # Errors
    /// The photo cannot be read, or the region lies outside of it.
    pub fn embed(&self, bytes: &[u8], region: Option<Region>) -> Result<Embedded> {
        query::embed(&self.running().core.shared, bytes, region)
    }

    /// Changes up to this number are searchable.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.running().core.look(|desk| desk.seq)
    }

    /// Waits until change `seq` is searchable; `false` if time is up or the shop closed before.
    #[must_use]
    pub fn wait_searchable(&self, seq: u64, timeout: Duration) -> bool {
        self.running().core.wait_searchable(seq, timeout)
    }

    /// What the present models saw in a picture; `None` if they have not looked at it yet or cannot read it.
    ///
    /// # Errors
    /// The disk failed.
    pub fn features(&self, picture: &PictureHash) -> Result<Option<Features>> {
        self.running().core.features(picture)
    }

    /// Pictures that could not be read or that a brought model failed on, why, and the products that show them.
    ///
    /// # Errors
    /// The disk failed.
    pub fn unreadable(&self) -> Result<Vec<Unreadable>> {
        upkeep::unreadable(&self.running().core)
    }

    /// How far the index is and what befell it.
    ///
    /// # Errors
    /// The disk failed.
    pub fn index_status(&self) -> Result<IndexStatus> {
        upkeep::status(&self.running().core)
    }

    /// Compares index and saved file with the catalogue, while everything goes on.
    ///
    /// # Errors
    /// The disk failed; differences are no error, they are reported.
    pub fn verify_index(&self) -> Result<VerifyReport> {
        upkeep::verify(&self.running().core)
    }

    /// Makes the index anew from the stored features, beside the present one, and swaps. `progress` is told
    /// (done, total) changes. Returns the number that it covers.
    ///
    /// # Errors
    /// The disk failed; the present index stays.
    pub fn rebuild_index(&self, mut progress: impl FnMut(u64, u64)) -> Result<u64> {
        self.running().core.rebuild(&mut progress)
    }

    /// How well the catalogue finds its own products; `None` if `progress` (done, total questions) says to stop.
    ///
    /// # Errors
    /// The disk failed.
    pub fn measure(&self, progress: &mut dyn FnMut(u64, u64) -> bool) -> Result<Option<Measured>> {
        measure::measure(&self.running().core, progress)
    }

    /// Waits until everything acknowledged is searchable and saved; returns its number.
    ///
    /// # Errors
    /// The disk failed, or the shop was closed.
    pub fn flush(&self) -> Result<u64> {
        self.running().core.flush()
    }

    /// Takes other models into use: builds a generation beside the one that answers, compares both on the
    /// catalogue's own products, and swaps. Searches and changes go on all the while. A package not given is the
    /// program's own. `progress` is told what is done now, (done, total) of it, and may say `false` to stop before
    /// the comparison; what was built is kept, and the same call goes on.
    ///
    /// # Errors
    /// They answer already, another change of models is under way, or the disk failed.
    pub fn use_models(
        &self,
        detector: &Package,
        embedder: &Package,
        terms: Terms,
        progress: &mut dyn FnMut(&'static str, u64, u64) -> bool,
    ) -> Result<Taken> {
        let _alone = self.changing.try_lock().ok_or(EngineError::GenerationBusy)?;
        let vision = Arc::new(Vision::new(detector, embedder)?);
        let old = self.running();
        if vision.hash() == old.core.shared.vision.hash() {
            return Err(EngineError::SameModels);
        }
        self.models.keep(detector)?;
        self.models.keep(embedder)?;
        // What other models failed on, these may know.
        self.catalogue.retry_unreadable()?;
        let shared = self.own.seeing(vision.clone());
        let building = &mut |done, total| progress("building", done, total);
        if !generation::prepare(&self.catalogue, shared, terms.pace, building)? {
            return Ok(Taken::Stopped);
        }
        let new = Running::start(self.catalogue.clone(), Arc::new(self.own.seeing(vision)))?;
        if !new.catch_up(&mut |done, total| progress("catching up", done, total))? {
            return Ok(Taken::Stopped);
        }
        let contest = generation::contest(&old.core, &new.core, &mut |done, total| {
            progress("comparing", done, total);
        })?;
        if !terms.force && contest.is_worse() {
            return Ok(Taken::Worse(contest));
        }
        if !terms.force && !contest.counts() {
            return Ok(Taken::Unknown(contest));
        }
        drop(old);
        self.swap(new, &contest)?;
        self.retire()?;
        Ok(Taken::InUse(contest))
    }

    /// Goes back to the models that answered before those that answer now. Their index is still there and catches
    /// up first, so this takes as long as looking at what changed since; done twice, it goes forth again. Returns
    /// the eyes that answer now.
    ///
    /// # Errors
    /// There were no others, another change of models is under way, or the disk failed.
    pub fn rollback(&self) -> Result<Arc<Vision>> {
        let _alone = self.changing.try_lock().ok_or(EngineError::GenerationBusy)?;
        let swaps = self.catalogue.swaps()?;
        let in_use = swaps.last().ok_or(EngineError::NoEarlierModels)?;
        let earlier = swaps.iter().rev().find(|s| s.models != in_use.models).and_then(|s| s.models);
        if earlier == in_use.models {
            return Err(EngineError::NoEarlierModels);
        }
        let shared = match earlier {
            Some(packages) => Arc::new(self.own.seeing(self.models.vision(packages)?)),
            None => self.own.clone(),
        };
        let vision = shared.vision.clone();
        self.catalogue.retry_unreadable()?;
        let running = Running::start(self.catalogue.clone(), shared)?;
        running.catch_up(&mut |_, _| true)?;
        self.swap(running, &Contest::default())?;
        Ok(vision)
    }

    /// The models taken into use, oldest first. Before the first of them, those of the program answered.
    ///
    /// # Errors
    /// The disk failed.
    pub fn swaps(&self) -> Result<Vec<Swap>> {
        Ok(self.catalogue.swaps()?)
    }

    /// Durable first: a crash in between opens with what was asked for.
    fn swap(&self, new: Running, contest: &Contest) -> Result<()> {
        let pointer = generation::pointer(&self.own, &new.core.shared.vision);
        self.catalogue.swap(pointer, &contest.to_string())?;
        let new = Arc::new(new);
        let old = self.running.swap(new.clone());
        new.core.wake();
        // Answers under way hold the old one; whoever lets go last would have to wait for it to be saved.
        let start = std::time::Instant::now();
        while Arc::strong_count(&old) > 1 && start.elapsed() < FAREWELL {
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Lets go of what was computed with models that neither answer now nor did before.
    fn retire(&self) -> Result<()> {
        let swaps = self.catalogue.swaps()?;
        let last = swaps.last().map(|s| s.models);
        let earlier = swaps.iter().rev().map(|s| s.models).find(|m| Some(*m) != last).unwrap_or(None);
        let own = self.own.vision.hash();
        let mut kept = HashSet::from([own, panel::stamp(&own), audit::stamp(), copies::stamp()]);
        let mut folders = HashSet::from([self.own.index_folder.clone()]);
        for packages in [last.flatten(), earlier].into_iter().flatten() {
            let shared = self.own.seeing(self.models.vision(packages)?);
            kept.extend([shared.vision.hash(), panel::stamp(&shared.vision.hash())]);
            folders.insert(shared.index_folder);
        }
        for model in self.catalogue.models_with_features()? {
            if !kept.contains(&model) {
                self.catalogue.drop_features(&model)?;
            }
        }
        let dir = self.catalogue.dir();
        let disk = |e: std::io::Error| EngineError::Disk { path: dir.into(), detail: e.to_string() };
        for folder in self.own.options.disk.folders(dir).map_err(disk)? {
            let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.starts_with("index-") && !folders.contains(&name) {
                self.own.options.disk.remove_folder(&folder).map_err(disk)?;
            }
        }
        Ok(())
    }

    /// Compares what sellers claim with what is seen, looks for copies and poor pictures, and replaces the findings of
    /// the last audit (see [`Catalogue::findings`]). Nothing a seller wrote is changed. `progress` is told (stage,
    /// done, total); `false` stops, gives `None`, and leaves the last findings.
    ///
    /// # Errors
    /// The disk failed.
    pub fn audit(
        &self,
        progress: &mut dyn FnMut(&'static str, u64, u64) -> bool,
    ) -> Result<Option<AuditReport>> {
        audit::run(&self.running().core, progress)
    }

    /// Remembers what a person decided about a finding; `None` forgets it. Searches heed it from now on. `false`:
    /// there is no such finding.
    ///
    /// # Errors
    /// The disk failed.
    pub fn decide(&self, finding: &str, accepted: Option<bool>, note: Option<&str>) -> Result<bool> {
        let known = self.catalogue.decide(finding, accepted, note)?;
        self.running().core.trust.forget();
        Ok(known)
    }

    /// Saves the index and stops following. Searches still answer; changes are refused.
    pub fn close(&self) {
        self.running().close();
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.close();
    }
}
