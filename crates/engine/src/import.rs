//! Many products at once, with the pace of the slowest part: looking at pictures.

use crate::follower::Core;
use crate::{EngineError, Result, change};
use std::collections::VecDeque;
use std::time::Duration;
use twinset_catalogue::{CatalogueError, Outcome, ProductPut, Status};

/// A transaction is closed at this many products ...
const PRODUCTS_A_PUT: usize = 64;
/// ... or this many bytes of pictures. At most this much of the input is in memory.
const BYTES_A_PUT: u64 = 16 << 20;
/// Pictures that may wait to be looked at: a few batches of the follower.
const WAITING_PICTURES: u64 = 512;
/// How often progress is told while waiting.
const TICK: Duration = Duration::from_millis(200);

/// How far an import has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImportProgress {
    /// Products that are durable.
    pub products: u64,
    /// Pictures of these products: known so far.
    pub pictures: u64,
    /// Pictures whose products are searchable.
    pub pictures_done: u64,
    /// Bytes of the pictures that were given.
    pub bytes: u64,
    /// Pictures that could not be read, of the whole catalogue since it was opened.
    pub unreadable: u64,
}

/// What became of an import.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// Products that were new.
    pub created: u64,
    /// Products that were there and changed.
    pub updated: u64,
    /// Products that were there as given.
    pub unchanged: u64,
    /// Products that `Mode::Create` found there, or `Mode::Update` did not.
    pub skipped: u64,
    /// Products that cannot be kept.
    pub rejected: Vec<Rejected>,
    /// The last state of the progress.
    pub progress: ImportProgress,
    /// The last change of the catalogue at the end.
    pub seq: u64,
    /// `progress` asked to stop; what was acknowledged stays, the rest was not read.
    pub stopped: bool,
}

/// A product that cannot be kept, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Rejected {
    pub id: String,
    pub reason: String,
}

/// See [`crate::Shop::put_many`].
pub(crate) fn put_many(
    core: &Core,
    puts: &mut dyn Iterator<Item = ProductPut>,
    progress: &mut dyn FnMut(&ImportProgress) -> bool,
) -> Result<ImportReport> {
    let mut import = Import { core, report: ImportReport::default(), waiting: VecDeque::new() };
    let mut puts = puts.peekable();
    while puts.peek().is_some() {
        import.put(&take_some(&mut puts))?;
        if !import.wait_below(WAITING_PICTURES, progress)? {
            return Ok(import.stopped());
        }
    }
    import.report.seq = core.catalogue.last_seq()?;
    // Also for what an earlier, interrupted import left behind.
    import.waiting.push_back((import.report.seq, 0));
    if !import.wait_below(0, progress)? {
        return Ok(import.stopped());
    }
    Ok(import.report)
}

fn take_some(puts: &mut dyn Iterator<Item = ProductPut>) -> Vec<ProductPut> {
    let mut some = Vec::new();
    let mut bytes = 0;
    for put in puts {
        bytes += picture_bytes(&put);
        some.push(put);
        if some.len() >= PRODUCTS_A_PUT || bytes >= BYTES_A_PUT {
            break;
        }
    }
    some
}

fn picture_bytes(put: &ProductPut) -> u64 {
    put.pictures.iter().map(|(_, bytes)| bytes.len() as u64).sum()
}

struct Import<'a> {
    core: &'a Core,
    report: ImportReport,
    /// Acknowledged puts that are not searchable yet: their last change and their pictures.
    waiting: VecDeque<(u64, u64)>,
}

impl Import<'_> {
    fn put(&mut self, puts: &[ProductPut]) -> Result<()> {
        match change::put(self.core, puts) {
            Ok(outcomes) => self.acknowledge(puts, &outcomes),
            // One bad product refuses its transaction: find it, keep the others.
            Err(EngineError::Catalogue(CatalogueError::InvalidProduct(_))) if puts.len() > 1 => {
                puts.iter().try_for_each(|put| self.put(std::slice::from_ref(put)))
            }
            Err(EngineError::Catalogue(CatalogueError::InvalidProduct(invalid))) => {
                let id = puts[0].product.id.clone();
                self.report.rejected.push(Rejected { id, reason: invalid.to_string() });
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn acknowledge(&mut self, puts: &[ProductPut], outcomes: &[Outcome]) -> Result<()> {
        for (put, outcome) in puts.iter().zip(outcomes) {
            match outcome.status {
                Status::Created => self.report.created += 1,
                Status::Updated => self.report.updated += 1,
                Status::Unchanged => self.report.unchanged += 1,
                Status::Exists | Status::Absent | Status::Deleted => self.report.skipped += 1,
            }
            // A product that was put before a crash may still wait for its turn.
            let seq = match outcome.seq {
                Some(seq) => seq,
                None => self.core.catalogue.record(&outcome.id)?.map_or(0, |record| record.seq),
            };
            self.waiting.push_back((seq, put.pictures.len() as u64));
            let progress = &mut self.report.progress;
            progress.products += 1;
            progress.pictures += put.pictures.len() as u64;
            progress.bytes += picture_bytes(put);
        }
        Ok(())
    }

    /// Waits until at most `most` pictures are waiting, telling progress; `false` if told to stop.
    fn wait_below(&mut self, most: u64, progress: &mut dyn FnMut(&ImportProgress) -> bool) -> Result<bool> {
        loop {
            let (seq, unreadable) = self.core.look(|desk| (desk.seq, desk.counters.unreadable));
            self.waiting.retain(|&(wanted, pictures)| {
                let done = wanted <= seq;
                self.report.progress.pictures_done += if done { pictures } else { 0 };
                !done
            });
            self.report.progress.unreadable = unreadable;
            if !progress(&self.report.progress) {
                return Ok(false);
            }
            let waiting: u64 = self.waiting.iter().map(|(_, pictures)| pictures).sum();
            if waiting <= most && (most > 0 || self.waiting.is_empty()) {
                return Ok(true);
            }
            self.core.wait_searchable(seq + 1, TICK);
            self.core.check_open()?;
            if let Some(detail) = self.core.look(|desk| desk.last_error.clone()) {
                return Err(EngineError::Disk { path: self.core.catalogue.dir().into(), detail });
            }
        }
    }

    fn stopped(mut self) -> ImportReport {
        self.report.stopped = true;
        self.report
    }
}
