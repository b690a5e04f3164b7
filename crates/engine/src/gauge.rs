//! How good are the index's answers, and does it try hard enough?
//!
//! In: a sample of real queries, put aside while they are answered, and for a graph that is new or has doubled some
//! of its own items. In idle time each is answered once more, as searches answer and exactly, over one state. Out:
//! recall at ten with its interval for each class of filters, and an effort that meets the [`Goal`]. Knows
//! nothing of how an index uses its effort.

use crate::follower::Core;
use crate::{EngineError, Result, exact};
use parking_lot::Mutex;
use roaring::RoaringBitmap;
use std::collections::VecDeque;
use std::time::Instant;
use twinset_catalogue::Settings;
use twinset_index::{GraphIndex, GraphSnapshot, Query, Searcher, Selectivity};

/// Answers compared.
const K: usize = 10;
/// Queries that may wait to be measured.
const WAITING: usize = 64;
/// Outcomes of one class that count, the latest.
const WINDOW: usize = 200;
/// Outcomes of one class before anything is concluded.
const ENOUGH: usize = 30;
/// Range of the effort that measuring may choose.
const EFFORTS: std::ops::RangeInclusive<usize> = 16..=4096;
/// Recalls that can be asked for.
const RECALLS: std::ops::RangeInclusive<f64> = 0.5..=0.999;

/// What searches of the index aim at. Nobody needs to know what the index does for it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// This share of the ten nearest is found, on average; 0.5 to 0.999.
    Recall(f64),
    /// The index answers in so many milliseconds, on average, with what recall that gives.
    LatencyMs(f64),
}

impl Default for Goal {
    fn default() -> Self {
        Self::Recall(0.98)
    }
}

impl Goal {
    /// As the catalogue says, or `otherwise`.
    ///
    /// # Errors
    /// Both are said, or a number is out of range.
    pub(crate) fn of(settings: &Settings, otherwise: Self) -> Result<Self> {
        match (settings.recall, settings.index_ms) {
            (None, None) => otherwise,
            (Some(recall), None) => Self::Recall(recall),
            (None, Some(ms)) => Self::LatencyMs(ms),
            (Some(_), Some(_)) => {
                let reason = "and index_ms exclude each other; give one of them".to_owned();
                return Err(EngineError::BadRequest { field: "recall", reason });
            }
        }
        .check()
    }

    /// # Errors
    /// A number is out of range.
    pub fn check(self) -> Result<Self> {
        let (field, fits, range) = match self {
            Self::Recall(recall) => ("recall", RECALLS.contains(&recall), "0.5 to 0.999"),
            Self::LatencyMs(ms) => ("index_ms", (0.05..=10_000.0).contains(&ms), "0.05 to 10000"),
        };
        let reason = format!("must be from {range}");
        if fits { Ok(self) } else { Err(EngineError::BadRequest { field, reason }) }
    }
}

/// What was measured of one class of queries at one effort: the present one, or the one before while too few
/// queries were measured since.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// How much their filter let pass.
    pub filter: Selectivity,
    /// So many of them.
    pub queries: usize,
    /// Mean share of the ten nearest that was found, and the bounds of its 95 % interval.
    pub recall: [f64; 3],
    /// Mean time of the index, in milliseconds.
    pub ms: f64,
    /// Candidates kept on the way.
    pub effort: usize,
}

/// A query to be answered once more.
struct Asked {
    vector: Vec<f32>,
    groups: Option<RoaringBitmap>,
    /// The item that the vector is of, which does not count as found.
    itself: Option<u32>,
}

#[derive(Default)]
struct Sample {
    waiting: Vec<Asked>,
    /// Queries offered since the last was taken.
    offered: u64,
    outcomes: [VecDeque<(f64, f64)>; 4],
    /// What was read when the effort last changed; told until there is enough of the new one.
    before: [Option<Reading>; 4],
    /// Items of the index when some of them were last taken as queries.
    sampled: usize,
    /// Steps of a congruential generator; which queries are kept need not be secret.
    chance: u64,
}

pub(crate) struct Gauge {
    /// Where the catalogue says nothing.
    otherwise: Goal,
    sample: Mutex<Sample>,
}

impl Gauge {
    pub(crate) fn new(otherwise: Goal) -> Self {
        Self { otherwise, sample: Mutex::default() }
    }

    /// What the catalogue's settings say now. They were checked when they were made; those of some other hand do not
    /// keep a catalogue from being searched.
    pub(crate) fn goal(&self, core: &Core) -> Goal {
        Goal::of(&core.catalogue.settings(), self.otherwise).unwrap_or(self.otherwise)
    }

    /// Puts a query aside, or not: each of those offered since the last look is equally likely to be kept.
    pub(crate) fn offer(&self, vector: &[f32], groups: Option<&RoaringBitmap>) {
        let mut sample = self.sample.lock();
        sample.offered += 1;
        sample.chance = sample.chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let place = (sample.chance >> 33) % sample.offered;
        let asked = || Asked { vector: vector.to_vec(), groups: groups.cloned(), itself: None };
        if sample.waiting.len() < WAITING {
            let asked = asked();
            sample.waiting.push(asked);
        } else if let Some(held) = sample.waiting.get_mut(place as usize) {
            *held = asked();
        }
    }

    /// Answers one of the waiting queries once more; `false` if none waits.
    pub(crate) fn measure(&self, core: &Core, index: &GraphIndex) -> Result<bool> {
        let snapshot = index.snapshot();
        self.take_items(core, &snapshot)?;
        let asked = {
            let mut sample = self.sample.lock();
            sample.offered = 0;
            sample.waiting.pop()
        };
        let Some(asked) = asked else { return Ok(false) };
        let k = K + usize::from(asked.itself.is_some());
        let groups = asked.groups.as_ref();
        let query = Query { vector: &asked.vector, k, groups, one_per_group: false, exact: false };
        let start = Instant::now();
        let found = snapshot.search(&query)?;
        let ms = start.elapsed().as_secs_f64() * 1e3;
        let truth = exact::search(core, &snapshot, &query)?;
        let others = |c: &&twinset_index::Candidate| Some(c.item) != asked.itself;
        let truth: Vec<f32> = truth.iter().filter(others).take(K).map(|c| c.similarity).collect();
        let Some(&last) = truth.last() else { return Ok(true) };
        // By similarity, since of equal pictures any is right.
        let found = exact::by_embedding(core, &asked.vector, &found)?;
        let right = found.iter().filter(others).filter(|c| c.similarity >= last - 1e-5).count();
        let recall = right.min(truth.len()) as f64 / truth.len() as f64;
        let class = snapshot.selectivity(&query);
        self.conclude(core, index, class, recall, ms);
        Ok(true)
    }

    /// Some items of a graph that is new, or has doubled, are its first queries: nobody has asked it anything yet.
    fn take_items(&self, core: &Core, snapshot: &GraphSnapshot) -> Result<()> {
        if snapshot.margin() == 0.0 || snapshot.len() < 2 * self.sample.lock().sampled {
            return Ok(());
        }
        self.sample.lock().sampled = snapshot.len();
        for (item, _) in snapshot.sample(WAITING, snapshot.seq()) {
            if let Some(vector) = exact::embedding(core, item)? {
                let mut sample = self.sample.lock();
                sample.waiting.push(Asked { vector, groups: None, itself: Some(item) });
            }
        }
        Ok(())
    }

    /// Counts an outcome, and changes the effort if what is counted says so.
    fn conclude(&self, core: &Core, index: &GraphIndex, class: Selectivity, recall: f64, ms: f64) {
        let mut sample = self.sample.lock();
        let outcomes = &mut sample.outcomes[class as usize];
        outcomes.push_back((recall, ms));
        if outcomes.len() > WINDOW {
            outcomes.pop_front();
        }
        let Some(reading) = read(class, outcomes, index.effort(class)) else { return };
        let wanted = advise(self.goal(core), &reading);
        if reading.queries < ENOUGH || wanted == reading.effort {
            return;
        }
        index.set_effort(class, wanted);
        outcomes.clear();
        sample.before[class as usize] = Some(reading);
        let [mean, low, high] = reading.recall;
        let (catalogue, filter) = (core.catalogue.name(), class.name());
        let Reading { queries, effort, .. } = reading;
        if wanted > effort {
            tracing::warn!(
                %catalogue, filter, effort, wanted,
                "searches found {mean:.3} ({low:.3} to {high:.3}) of the nearest in {queries} queries; they try harder now"
            );
        } else {
            tracing::info!(
                %catalogue, filter, effort, wanted,
                "searches found {mean:.3} ({low:.3} to {high:.3}) of the nearest in {queries} queries, {:.2} ms each; less effort will do",
                reading.ms
            );
        }
    }

    /// Of every class that was measured.
    pub(crate) fn readings(&self, index: &GraphIndex) -> Vec<Reading> {
        let sample = self.sample.lock();
        let classes = Selectivity::EVERY.into_iter();
        classes
            .filter_map(|class| {
                let now = read(class, &sample.outcomes[class as usize], index.effort(class));
                let before = sample.before[class as usize];
                now.filter(|now| now.queries >= ENOUGH || before.is_none()).or(before)
            })
            .collect()
    }
}

fn read(filter: Selectivity, outcomes: &VecDeque<(f64, f64)>, effort: usize) -> Option<Reading> {
    let queries = outcomes.len();
    if queries == 0 {
        return None;
    }
    let n = queries as f64;
    let mean = outcomes.iter().map(|o| o.0).sum::<f64>() / n;
    let spread = outcomes.iter().map(|o| (o.0 - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    // Never narrower than what finding everything, or nothing, so many times would allow (rule of three).
    let error = (1.96 * (spread / n).sqrt()).max(3.0 / (n * K as f64));
    let recall = [mean, (mean - error).max(0.0), (mean + error).min(1.0)];
    let ms = outcomes.iter().map(|o| o.1).sum::<f64>() / n;
    Some(Reading { filter, queries, recall, ms, effort })
}

/// The effort that the goal asks for after this reading.
fn advise(goal: Goal, reading: &Reading) -> usize {
    let [mean, low, high] = reading.recall;
    let factor = match goal {
        Goal::Recall(goal) if high < goal || mean < goal && reading.queries >= WINDOW => 1.5,
        // Half the misses that are allowed, so that it does not swing to and fro.
        Goal::Recall(goal) if low > (1.0 + goal) / 2.0 => 0.8,
        Goal::LatencyMs(budget) if reading.ms > budget => (budget / reading.ms).max(0.5),
        Goal::LatencyMs(budget) if reading.ms < 0.7 * budget && low < 0.999 => 1.25,
        _ => return reading.effort,
    };
    let wanted = (reading.effort as f64 * factor).round() as usize;
    wanted.clamp(*EFFORTS.start(), *EFFORTS.end())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(recalls: &[f64], ms: f64) -> Reading {
        let outcomes = recalls.iter().map(|&recall| (recall, ms)).collect();
        read(Selectivity::All, &outcomes, 100).unwrap()
    }

    #[test]
    fn the_interval_holds_the_mean_and_is_honest_about_few_queries() {
        let one = reading(&[1.0], 1.0);
        assert_eq!(one.recall, [1.0, 0.7, 1.0]);
        let many = reading(&[0.9, 1.0].repeat(100), 1.0);
        let [mean, low, high] = many.recall;
        assert!((mean - 0.95).abs() < 1e-9 && (0.94..0.945).contains(&low) && (0.955..0.96).contains(&high));
    }

    #[test]
    fn effort_follows_the_goal() {
        let goal = Goal::Recall(0.98);
        assert_eq!(advise(goal, &reading(&[0.9; 50], 1.0)), 150);
        assert_eq!(advise(goal, &reading(&[1.0; 200], 1.0)), 80);
        assert_eq!(advise(goal, &reading(&[0.985; 200], 1.0)), 100);
        // Hardly under the goal: only many queries are enough to say so.
        let hardly: Vec<f64> = (0..200).map(|i| if i % 4 == 0 { 0.9 } else { 1.0 }).collect();
        assert_eq!(advise(goal, &reading(&hardly[..60], 1.0)), 100);
        assert_eq!(advise(goal, &reading(&hardly, 1.0)), 150);
        let goal = Goal::LatencyMs(1.0);
        assert_eq!(advise(goal, &reading(&[0.5; 50], 1.25)), 80);
        assert_eq!(advise(goal, &reading(&[0.5; 50], 9.0)), 50);
        assert_eq!(advise(goal, &reading(&[0.5; 50], 0.5)), 125);
        assert_eq!(advise(goal, &reading(&[1.0; 200], 0.5)), 125);
    }

    #[test]
    fn goals_out_of_range_are_refused() {
        let settings = |recall, index_ms| Settings { recall, index_ms, ..Settings::default() };
        let of = |recall, ms| Goal::of(&settings(recall, ms), Goal::Recall(0.9));
        assert_eq!(of(None, None).unwrap(), Goal::Recall(0.9));
        assert_eq!(of(Some(0.99), None).unwrap(), Goal::Recall(0.99));
        assert_eq!(of(None, Some(2.0)).unwrap(), Goal::LatencyMs(2.0));
        for (recall, ms) in [(Some(0.4), None), (Some(1.0), None), (None, Some(0.0)), (Some(f64::NAN), None)]
        {
            assert!(matches!(of(recall, ms), Err(EngineError::BadRequest { .. })));
        }
        assert!(of(Some(0.9), Some(1.0)).is_err());
    }
}
