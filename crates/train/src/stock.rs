//! The pictures of a run: all of its sets at once, or window by window, so that memory does not grow with them.
//!
//! A window is a few thousand rows of whole shards. A run draws from one window for about as many samples as it has, then
//! from another; their order is a permutation by seed and epoch. Each process of a crew has windows of its own. What a
//! batch holds depends on the seed and its number only, here as there.
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use std::{
    fs::File,
    sync::{Arc, Mutex, PoisonError},
};
use twinset_dataset::{DataSet, Windows};

use crate::{
    VirtualIds,
    error::TrainError,
    run::TrainOptions,
    sources::{SourcePaths, Sources},
};

pub(crate) enum Stock<'a> {
    Whole(Arc<Sources>),
    Windows(Box<Streamed<'a>>),
}

/// Sets that are read window by window.
pub(crate) struct Streamed<'a> {
    options: &'a TrainOptions,
    ids: Option<&'a VirtualIds>,
    sets: Vec<Windows>,
    /// Set and window of each.
    windows: Vec<(usize, usize)>,
    /// Batches of a window.
    batches: u64,
    fingerprint: String,
    /// The window in use.
    held: Mutex<Option<(u64, Arc<Sources>)>>,
}

impl<'a> Stock<'a> {
    /// As `options.window` says.
    pub(crate) fn open(options: &'a TrainOptions, ids: Option<&'a VirtualIds>) -> Result<Self, TrainError> {
        if options.window == 0 || options.data.is_empty() {
            let sets = options.data.iter().map(|dir| DataSet::open(dir)).collect::<Result<Vec<_>, _>>()?;
            let fingerprint = fingerprint(sets.iter().map(DataSet::manifest))?;
            return Ok(Self::Whole(Arc::new(Sources::of(
                sets,
                &SourcePaths::of(options, ids),
                fingerprint,
            )?)));
        }
        if options.teacher.is_some() {
            return Err(TrainError::TeacherAndWindow);
        }
        let sets: Vec<Windows> =
            options.data.iter().map(|dir| Windows::open(dir, options.window)).collect::<Result<_, _>>()?;
        let windows: Vec<(usize, usize)> =
            sets.iter().enumerate().flat_map(|(s, set)| (0..set.len()).map(move |w| (s, w))).collect();
        if windows.is_empty() {
            let names: Vec<String> = options.data.iter().map(|d| d.display().to_string()).collect();
            return Err(TrainError::NoData(names.join(", ")));
        }
        let batches = (options.window as u64).div_ceil((options.batch as u64 / 2).max(1)).max(1);
        let fingerprint = fingerprint(sets.iter().map(Windows::manifest))?;
        let held = Mutex::new(None);
        Ok(Self::Windows(Box::new(Streamed { options, ids, sets, windows, batches, fingerprint, held })))
    }

    /// What the batch `number` of the process `rank` of `size` is drawn from.
    pub(crate) fn at(&self, number: u64, rank: usize) -> Result<Arc<Sources>, TrainError> {
        match self {
            Self::Whole(sources) => Ok(sources.clone()),
            Self::Windows(streamed) => streamed.at(number, rank),
        }
    }

    /// BLAKE3 of the manifests, in order.
    pub(crate) fn fingerprint(&self) -> &str {
        match self {
            Self::Whole(sources) => &sources.fingerprint,
            Self::Windows(streamed) => &streamed.fingerprint,
        }
    }
}

impl Streamed<'_> {
    fn at(&self, number: u64, rank: usize) -> Result<Arc<Sources>, TrainError> {
        let (round, n) = (number / self.batches, self.windows.len() as u64);
        // Ranks start far from each other in the same order.
        let place = round + rank as u64 * RANK_APART;
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, sources)) = &*held
            && *of == place
        {
            return Ok(sources.clone());
        }
        // The one before goes first: two at once are never needed.
        *held = None;
        let mut order: Vec<usize> = (0..self.windows.len()).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(self.options.seed ^ 0x0bde);
        rng.set_stream(place / n);
        order.shuffle(&mut rng);
        let (set, window) = self.windows[order[(place % n) as usize]];
        let rows = self.sets[set].load(window)?;
        let paths = SourcePaths::of(self.options, self.ids);
        let sources = Arc::new(Sources::of(vec![rows], &paths, self.fingerprint.clone())?);
        *held = Some((place, sources.clone()));
        Ok(sources)
    }
}

/// Windows between the starts of two processes: a prime, so that they seldom meet whatever the number of windows.
const RANK_APART: u64 = 7_919;

fn fingerprint<'p>(manifests: impl Iterator<Item = &'p std::path::Path>) -> Result<String, TrainError> {
    let mut hasher = blake3::Hasher::new();
    for path in manifests {
        let read = File::open(path).and_then(|mut file| std::io::copy(&mut file, &mut hasher));
        read.map_err(|e| TrainError::io(path, e))?;
    }
    Ok(hasher.finalize().to_hex().to_string())
}
