//! One catalogue, searchable: the truth, its index, and the thread that keeps them together.

use crate::engine::Shared;
use crate::follower::{self, Core};
use crate::sync::{self, Input, Progress, Report, Signal, SyncOptions, Syncs};
use crate::{
    EngineError, Features, ImportProgress, ImportReport, IndexStatus, Result, SearchAnswer, SearchRequest,
    Unreadable, VerifyReport, Vision, change, import, query, upkeep,
};
use parking_lot::Mutex;
use std::sync::{Arc, OnceLock};
use std::{thread::JoinHandle, time::Duration};
use twinset_catalogue::{Catalogue, CatalogueName, Outcome, ProductPut, SyncState};
use twinset_photo::PictureHash;

/// One catalogue with its index. Shared by all threads; dropped: saved and closed.
pub struct Shop {
    core: Arc<Core>,
    follower: Mutex<Option<JoinHandle<()>>>,
    /// Opened when the first sync asks for it.
    syncs: OnceLock<Syncs>,
}

impl Shop {
    pub(crate) fn open(catalogue: Catalogue, shared: Arc<Shared>) -> Result<Self> {
        let core = Arc::new(Core::open(catalogue, shared)?);
        let thread = std::thread::Builder::new().name(format!("follow-{}", core.catalogue.name()));
        let thread = thread.spawn({
            let core = core.clone();
            move || follower::follow(&core)
        });
        let thread = thread.map_err(|e| EngineError::Disk {
            path: core.catalogue.dir().into(),
            detail: format!("no thread to be had: {e}"),
        })?;
        Ok(Self { core, follower: Mutex::new(Some(thread)), syncs: OnceLock::new() })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &CatalogueName {
        self.core.catalogue.name()
    }

    /// The truth: products, claims, pictures. Write through the shop, so that the index learns of it.
    #[must_use]
    pub fn catalogue(&self) -> &Catalogue {
        &self.core.catalogue
    }

    /// The eyes that look at its pictures.
    #[must_use]
    pub fn vision(&self) -> &Arc<Vision> {
        &self.core.shared.vision
    }

    /// Puts products with their pictures, in one transaction. When it returns they are durable; they become
    /// searchable a little later, see [`Shop::wait_searchable`].
    ///
    /// # Errors
    /// A product that cannot be kept, a full disk: nothing of this call was kept.
    pub fn put(&self, puts: Vec<ProductPut>) -> Result<Vec<Outcome>> {
        change::put(&self.core, &puts)
    }

    /// Removes products, in one transaction. They no longer appear in any search that begins afterwards.
    ///
    /// # Errors
    /// The disk failed; nothing was removed.
    pub fn remove(&self, ids: &[String]) -> Result<Vec<Outcome>> {
        change::remove(&self.core, ids)
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
        import::put_many(&self.core, &mut puts.into_iter(), progress)
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
        sync::sync(&self.core, self.syncs()?, input, options, signal, progress)
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
        let opened = Syncs::open(self.core.catalogue.dir())?;
        Ok(self.syncs.get_or_init(|| opened))
    }

    /// Writes a copy of the whole catalogue to `path` while everything goes on; returns the last change in it.
    ///
    /// # Errors
    /// The disk failed or is full; nothing is left at `path`.
    pub fn snapshot(&self, path: &std::path::Path) -> Result<u64> {
        Ok(self.core.catalogue.snapshot(path)?)
    }

    /// Answers a query.
    ///
    /// # Errors
    /// The photo cannot be read, the request is out of range, or `min_seq` is not reached in time.
    pub fn search(&self, request: &SearchRequest) -> Result<SearchAnswer> {
        query::search(&self.core, request)
    }

    /// Changes up to this number are searchable.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.core.look(|desk| desk.seq)
    }

    /// Waits until change `seq` is searchable; `false` if time is up or the shop closed before.
    #[must_use]
    pub fn wait_searchable(&self, seq: u64, timeout: Duration) -> bool {
        self.core.wait_searchable(seq, timeout)
    }

    /// What the present models saw in a picture; `None` if they have not looked at it yet or cannot read it.
    ///
    /// # Errors
    /// The disk failed.
    pub fn features(&self, picture: &PictureHash) -> Result<Option<Features>> {
        self.core.features(picture)
    }

    /// Pictures that could not be read, why, and the products that show them.
    ///
    /// # Errors
    /// The disk failed.
    pub fn unreadable(&self) -> Result<Vec<Unreadable>> {
        upkeep::unreadable(&self.core)
    }

    /// How far the index is and what befell it.
    ///
    /// # Errors
    /// The disk failed.
    pub fn index_status(&self) -> Result<IndexStatus> {
        upkeep::status(&self.core)
    }

    /// Compares index and saved file with the catalogue, while everything goes on.
    ///
    /// # Errors
    /// The disk failed; differences are no error, they are reported.
    pub fn verify_index(&self) -> Result<VerifyReport> {
        upkeep::verify(&self.core)
    }

    /// Makes the index anew from the stored features, beside the present one, and swaps. `progress` is told
    /// (done, total) changes. Returns the number that it covers.
    ///
    /// # Errors
    /// The disk failed; the present index stays.
    pub fn rebuild_index(&self, mut progress: impl FnMut(u64, u64)) -> Result<u64> {
        self.core.rebuild(&mut progress)
    }

    /// Waits until everything acknowledged is searchable and saved; returns its number.
    ///
    /// # Errors
    /// The disk failed, or the shop was closed.
    pub fn flush(&self) -> Result<u64> {
        self.core.flush()
    }

    /// Saves the index and stops following. Searches still answer; changes are refused.
    pub fn close(&self) {
        self.core.stop();
        if let Some(thread) = self.follower.lock().take() {
            // Its panic has been logged and told to all who waited.
            let _ = thread.join();
        }
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.close();
    }
}
