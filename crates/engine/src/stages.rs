//! Where the time of a change goes, stage by stage; counted always, for all catalogues of an engine together.

use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// Upper bounds of the buckets of a [`Histogram`], in seconds.
const BOUNDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Counts of times.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    buckets: [u64; BOUNDS.len()],
    count: u64,
    sum_s: f64,
}

impl Histogram {
    /// Counts one time.
    pub fn observe(&mut self, seconds: f64) {
        for (bucket, bound) in self.buckets.iter_mut().zip(BOUNDS) {
            *bucket += u64::from(seconds <= bound);
        }
        self.count += 1;
        self.sum_s += seconds;
    }

    /// Each bound in seconds with the number of times up to it, as Prometheus counts.
    pub fn buckets(&self) -> impl Iterator<Item = (f64, u64)> {
        BOUNDS.into_iter().zip(self.buckets)
    }

    /// Times counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// All times together, in seconds.
    #[must_use]
    pub fn sum_s(&self) -> f64 {
        self.sum_s
    }
}

/// A stage of a change, in the order it passes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeStage {
    /// The transaction that makes products and pictures durable.
    Commit,
    /// One picture to pixels.
    Decode,
    /// Its garments.
    Detect,
    /// The network over the garment.
    Embed,
    /// Its local features.
    Local,
    /// Whether it is a collage, and where its panels are; each of them is then detected and embedded as a picture is.
    Panels,
    /// What is kept to know copies of the picture.
    Copies,
    /// The transaction that keeps what was seen in a batch of pictures.
    Store,
    /// A batch of changes into the index: searchable.
    Index,
}

impl ChangeStage {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Commit,
        Self::Decode,
        Self::Detect,
        Self::Embed,
        Self::Local,
        Self::Panels,
        Self::Copies,
        Self::Store,
        Self::Index,
    ];

    /// As metrics call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Decode => "decode",
            Self::Detect => "detect",
            Self::Embed => "embed",
            Self::Local => "local",
            Self::Panels => "panels",
            Self::Copies => "copies",
            Self::Store => "store",
            Self::Index => "index",
        }
    }
}

/// The times of all stages since the engine was opened.
#[derive(Debug, Default)]
pub(crate) struct StageTimes(Mutex<[Histogram; ChangeStage::ALL.len()]>);

impl StageTimes {
    pub(crate) fn note(&self, stage: ChangeStage, took: Duration) {
        self.0.lock()[stage as usize].observe(took.as_secs_f64());
    }

    /// Runs `work` as one pass of `stage`.
    pub(crate) fn of<T>(&self, stage: ChangeStage, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let made = work();
        self.note(stage, start.elapsed());
        made
    }

    pub(crate) fn told(&self) -> Vec<(ChangeStage, Histogram)> {
        ChangeStage::ALL.into_iter().zip(self.0.lock().iter().cloned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_count_everything_up_to_their_bound() {
        let times = StageTimes::default();
        for ms in [30, 100_000] {
            times.note(ChangeStage::Store, Duration::from_millis(ms));
        }
        let told = times.told();
        let (stage, store) = &told[ChangeStage::Store as usize];
        assert_eq!((*stage, store.count(), store.sum_s()), (ChangeStage::Store, 2, 100.03));
        let up_to = |bound| store.buckets().find(|(b, _)| *b == bound).map(|(_, count)| count);
        assert_eq!((up_to(0.025), up_to(0.05), up_to(30.0)), (Some(0), Some(1), Some(1)));
        assert!(told.iter().all(|(stage, times)| *stage == ChangeStage::Store || times.count() == 0));
    }
}
