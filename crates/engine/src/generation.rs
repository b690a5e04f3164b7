//! Another generation: everything computed anew with other models, beside the one that answers.
//!
//! [`prepare`] runs a second follower over the same change log, with eyes and an index folder of its own, on few
//! threads that rest between pictures. Whatever it has done stays done: features are stored by picture and model,
//! the index by its folder, so that the same call goes on after a crash or a stop. [`contest`] asks both the
//! catalogue's own questions. The swap itself is the shop's: one pointer in memory, one row in the catalogue; an
//! answer takes the pointer once, so that none mixes two generations.

use crate::engine::{Shared, looking_pool};
use crate::follower::{self, Core};
use crate::{EngineError, Result, Vision, query};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use twinset_catalogue::Catalogue;
use twinset_photo::PictureHash;

/// Products asked for at most, and questions for each.
const PRODUCTS_ASKED: usize = 400;
const QUESTIONS_A_PRODUCT: usize = 2;
/// Fewer products with several pictures than this say nothing about two models.
const PRODUCTS_NEEDED: usize = 10;
/// Ranks that count; what stands behind them counts as not found.
const RANKS: usize = 20;
/// Draws of the bootstrap over products.
const DRAWS: usize = 1000;
/// How often progress is told.
const TICK: Duration = Duration::from_millis(200);

/// A core with its follower. Dropped: saved and closed.
pub(crate) struct Running {
    pub(crate) core: Arc<Core>,
    follower: Mutex<Option<JoinHandle<()>>>,
}

impl Running {
    pub(crate) fn start(catalogue: Catalogue, shared: Arc<Shared>) -> Result<Self> {
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
        Ok(Self { core, follower: Mutex::new(Some(thread)) })
    }

    /// Waits until its index has what is acknowledged now; `false` if `progress` (done, total changes) says so.
    pub(crate) fn catch_up(&self, progress: &mut dyn FnMut(u64, u64) -> bool) -> Result<bool> {
        let from = self.core.look(|desk| desk.seq);
        loop {
            // Writers wake only the generation that answers.
            self.core.wake();
            let wanted = self.core.catalogue.last_seq()?;
            let done = self.core.wait_searchable(wanted, TICK);
            let at = self.core.look(|desk| desk.seq).min(wanted);
            let total = wanted.saturating_sub(from);
            if !progress(at.saturating_sub(from).min(total), total) {
                return Ok(false);
            }
            if done {
                return Ok(true);
            }
            self.core.check_open()?;
            if let Some(detail) = self.core.look(|desk| desk.last_error.clone()) {
                return Err(EngineError::Disk { path: self.core.catalogue.dir().into(), detail });
            }
        }
    }

    pub(crate) fn close(&self) {
        self.core.stop();
        if let Some(thread) = self.follower.lock().take() {
            // Its panic has been logged and told to all who waited.
            let _ = thread.join();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.close();
    }
}

/// How much of the machine the building of a generation may take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// Threads that look at pictures; 0: half the cores, at least one.
    pub threads: usize,
    /// Share of their time that they work, 0.01..=1.
    pub share: f32,
}

impl Default for Pace {
    fn default() -> Self {
        Self { threads: 0, share: 0.7 }
    }
}

/// Two generations asked the catalogue's own questions: each picture of a product that has several must find that
/// product by its other pictures. `old` and `new`: means over the questions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Contest {
    /// Products asked for.
    pub products: usize,
    /// Questions.
    pub questions: usize,
    /// Of the generation that answers now.
    pub old: Marks,
    /// Of the other one.
    pub new: Marks,
    /// Gain in the mean of 1 / rank: value, and the ends of its 95 % interval by bootstrap over products.
    pub gain: [f64; 3],
}

impl std::fmt::Display for Contest {
    /// As JSON, for the catalogue's list of swaps.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let marks = |m: &Marks| {
            format!(
                r#"{{"first":{:.4},"first_ten":{:.4},"reciprocal_rank":{:.4}}}"#,
                m.first, m.first_ten, m.reciprocal_rank
            )
        };
        let [value, low, high] = self.gain;
        write!(
            f,
            r#"{{"products":{},"questions":{},"old":{},"new":{},"gain":[{value:.4},{low:.4},{high:.4}]}}"#,
            self.products,
            self.questions,
            marks(&self.old),
            marks(&self.new)
        )
    }
}

/// How often the right product came first, among the first ten, and the mean of 1 / rank.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[allow(missing_docs)]
pub struct Marks {
    pub first: f64,
    pub first_ten: f64,
    pub reciprocal_rank: f64,
}

impl Contest {
    /// Enough products have several pictures to say anything.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.products >= PRODUCTS_NEEDED
    }

    /// The new one finds less.
    #[must_use]
    pub fn is_worse(&self) -> bool {
        self.counts() && self.gain[0] < 0.0
    }
}

/// Builds, or goes on building, the generation of `shared`'s eyes; saved when it returns. `false`: stopped.
pub(crate) fn prepare(
    catalogue: &Catalogue,
    shared: Shared,
    pace: Pace,
    progress: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<bool> {
    let threads = match pace.threads {
        0 => std::thread::available_parallelism().map_or(1, |n| n.get().div_ceil(2)),
        n => n,
    };
    let shared = Shared {
        pool: looking_pool(catalogue.dir(), threads)?,
        share: pace.share.clamp(0.01, 1.0),
        ..shared
    };
    let builder = Running::start(catalogue.clone(), Arc::new(shared))?;
    let complete = builder.catch_up(progress)?;
    if complete {
        builder.core.flush()?;
    }
    Ok(complete)
}

/// Asks both; `progress` is told (done, total) questions.
pub(crate) fn contest(old: &Core, new: &Core, progress: &mut dyn FnMut(u64, u64)) -> Result<Contest> {
    let asked = questions(old)?;
    let total = asked.values().map(Vec::len).sum::<usize>() as u64;
    let mut done = 0;
    let mut pairs: Vec<Vec<[Rank; 2]>> = Vec::new();
    for (row, pictures) in &asked {
        let mut ranks = Vec::new();
        for picture in pictures {
            progress(done, total);
            done += 1;
            let rank = |core| -> Result<Option<Rank>> {
                let rows = query::products_like(core, picture, RANKS)?;
                Ok(rows.map(|rows| Rank(rows.iter().position(|r| r == row))))
            };
            // A picture that one of them could not look at is no question.
            if let (Some(old), Some(new)) = (rank(old)?, rank(new)?) {
                ranks.push([old, new]);
            }
        }
        if !ranks.is_empty() {
            pairs.push(ranks);
        }
    }
    progress(done, total);
    let all: Vec<[Rank; 2]> = pairs.concat();
    let marks = |side: usize| Marks {
        first: mean(all.iter().map(|r| f64::from(u8::from(r[side].0 == Some(0))))),
        first_ten: mean(all.iter().map(|r| f64::from(u8::from(r[side].0.is_some_and(|at| at < 10))))),
        reciprocal_rank: mean(all.iter().map(|r| r[side].reciprocal())),
    };
    let gains: Vec<(f64, f64)> = pairs
        .iter()
        .map(|ranks| (ranks.iter().map(|[o, n]| n.reciprocal() - o.reciprocal()).sum(), ranks.len() as f64))
        .collect();
    Ok(Contest {
        products: pairs.len(),
        questions: all.len(),
        old: marks(0),
        new: marks(1),
        gain: with_interval(&gains),
    })
}

/// Place in the list of products, from 0; `None`: not among them.
#[derive(Clone, Copy)]
pub(crate) struct Rank(pub(crate) Option<usize>);

impl Rank {
    pub(crate) fn reciprocal(self) -> f64 {
        self.0.map_or(0.0, |at| 1.0 / (at + 1) as f64)
    }
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.fold((0.0, 0.0), |(sum, n), v| (sum + v, n + 1.0));
    if n > 0.0 { sum / n } else { 0.0 }
}

/// Ratio of the sums, with its interval: whole products are drawn, by a fixed seed.
pub(crate) fn with_interval(gains: &[(f64, f64)]) -> [f64; 3] {
    let ratio = |draw: &mut dyn Iterator<Item = (f64, f64)>| {
        let (sum, n) = draw.fold((0.0, 0.0), |(sum, n), (s, c)| (sum + s, n + c));
        if n > 0.0 { sum / n } else { 0.0 }
    };
    let value = ratio(&mut gains.iter().copied());
    let mut state = 1_u64;
    let mut drawn: Vec<f64> = (0..if gains.is_empty() { 0 } else { DRAWS })
        .map(|_| ratio(&mut gains.iter().map(|_| gains[below(&mut state, gains.len())])))
        .collect();
    drawn.sort_by(f64::total_cmp);
    let at = |share: f64| drawn.get((drawn.len() as f64 * share) as usize).copied().unwrap_or(value);
    [value, at(0.025), at(0.975)]
}

/// Splitmix64, below `n`.
fn below(state: &mut u64, n: usize) -> usize {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) % n as u64) as usize
}

/// Products with several pictures, and some pictures of each. Which ones, their hashes decide: the same ones as long
/// as the catalogue stays as it is, and no feed order is favoured.
pub(crate) fn questions(core: &Core) -> Result<BTreeMap<u32, Vec<PictureHash>>> {
    let mut shown = BTreeMap::<u32, HashSet<PictureHash>>::new();
    let mut after = 0;
    loop {
        let lot = core.catalogue.all_placements(after, 4096)?;
        let Some(last) = lot.last() else { break };
        after = last.item;
        lot.into_iter().for_each(|p| _ = shown.entry(p.row).or_default().insert(p.picture));
    }
    let mut several: Vec<(u32, Vec<PictureHash>)> = shown
        .into_iter()
        .filter(|(_, pictures)| pictures.len() > 1)
        .map(|(row, pictures)| {
            let mut pictures: Vec<_> = pictures.into_iter().collect();
            pictures.sort_by_key(|p| p.0);
            (row, pictures)
        })
        .collect();
    several.sort_by_key(|(_, pictures)| pictures[0].0);
    several.truncate(PRODUCTS_ASKED);
    several.iter_mut().for_each(|(_, pictures)| pictures.truncate(QUESTIONS_A_PRODUCT));
    Ok(several.into_iter().collect())
}

/// The eyes' place in the house: `None` where they are the engine's own.
pub(crate) fn pointer(own: &Shared, vision: &Vision) -> Option<[[u8; 32]; 2]> {
    (vision.hash() != own.vision.hash()).then(|| vision.packages().map(|hash| hash.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_lies_around_the_value() {
        let gains: Vec<(f64, f64)> = (0..200).map(|i| (f64::from(i % 5) - 1.0, 1.0)).collect();
        let [value, low, high] = with_interval(&gains);
        assert_eq!(value, 1.0);
        // The normal approximation gives 1 +- 0.196.
        assert!((low - 0.804).abs() < 0.03 && (high - 1.196).abs() < 0.03, "{low} {high}");
        assert_eq!(with_interval(&[]), [0.0; 3]);
    }
}
