//! How long changes take from acknowledged to searchable, and from removed to gone; measured always.
//!
//! In: for each applied change its kind and when it was written. Out: quantiles over the latest ones. Times are those of
//! the catalogue's log, taken inside the transaction: the time on the disk counts too.

use std::collections::VecDeque;
use twinset_catalogue::{ChangeKind, ChangeRecord};

/// Changes over which quantiles are told.
const LATEST: usize = 4096;

/// How long something took, over the latest changes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Quantiles {
    /// Since the shop was opened.
    pub count: u64,
    /// Half of the latest took no longer.
    pub p50_ms: f64,
    /// 99 of 100 of the latest took no longer.
    pub p99_ms: f64,
}

/// Both ways.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Freshness {
    /// From a put to its product being searchable as it is now.
    pub searchable: Quantiles,
    /// From a removal to its product being gone from every new search.
    pub gone: Quantiles,
}

#[derive(Default)]
struct Latest {
    count: u64,
    took_ms: VecDeque<u32>,
}

impl Latest {
    fn add(&mut self, took_ms: u64) {
        self.count += 1;
        if self.took_ms.len() == LATEST {
            self.took_ms.pop_front();
        }
        self.took_ms.push_back(u32::try_from(took_ms).unwrap_or(u32::MAX));
    }

    fn quantiles(&self) -> Quantiles {
        let mut sorted: Vec<u32> = self.took_ms.iter().copied().collect();
        sorted.sort_unstable();
        // Nearest rank: the smallest value that so many are not above.
        let at = |share: f64| {
            let rank = (share * sorted.len() as f64).ceil() as usize;
            sorted.get(rank.saturating_sub(1)).map_or(0.0, |ms| f64::from(*ms))
        };
        Quantiles { count: self.count, p50_ms: at(0.5), p99_ms: at(0.99) }
    }
}

/// What the follower notes.
pub(crate) struct Watch {
    /// Changes from before are late for reasons of their own.
    opened_ms: u64,
    searchable: Latest,
    gone: Latest,
}

impl Watch {
    pub(crate) fn new(now_ms: u64) -> Self {
        Self { opened_ms: now_ms, searchable: Latest::default(), gone: Latest::default() }
    }

    /// These changes have just become visible to searches.
    pub(crate) fn applied(&mut self, changes: &[ChangeRecord], now_ms: u64) {
        for change in changes.iter().filter(|change| change.at_ms >= self.opened_ms) {
            let took = now_ms.saturating_sub(change.at_ms);
            match change.kind {
                ChangeKind::Put => self.searchable.add(took),
                ChangeKind::Removed => self.gone.add(took),
            }
        }
    }

    pub(crate) fn told(&self) -> Freshness {
        Freshness { searchable: self.searchable.quantiles(), gone: self.gone.quantiles() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_the_latest_changes_since_opening() {
        let mut watch = Watch::new(1000);
        let change = |at_ms, kind| ChangeRecord { seq: 1, row: 1, id: String::new(), kind, at_ms };
        watch.applied(&[change(999, ChangeKind::Put)], 9000);
        assert_eq!(watch.told(), Freshness::default());
        let changes: Vec<_> = (1..=100).map(|took| change(2000 - took, ChangeKind::Put)).collect();
        watch.applied(&changes, 2000);
        watch.applied(&[change(1500, ChangeKind::Removed)], 2000);
        let told = watch.told();
        assert_eq!(told.searchable, Quantiles { count: 100, p50_ms: 50.0, p99_ms: 99.0 });
        assert_eq!(told.gone, Quantiles { count: 1, p50_ms: 500.0, p99_ms: 500.0 });
    }
}
