//! Is the index right, fast and small? Its answers against exact search.
//!
//! In: base and query vectors as `.fbin` (u32 rows, u32 columns, little-endian f32). The truth is computed here by
//! plain loops, so that the index is never its own judge.
use crate::{EvalError, Progress, Watch};
use rayon::prelude::*;
use serde::Serialize;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use twinset_index::{Change, Metric, Query, VectorIndex};

/// What to measure.
#[derive(Clone, Debug)]
pub struct Options {
    /// Vectors to search in.
    pub base: PathBuf,
    /// Vectors to search for.
    pub queries: PathBuf,
    /// Answers wanted.
    pub k: usize,
    /// How vectors are compared.
    pub metric: Metric,
    /// Only the first so many queries.
    pub queries_max: Option<usize>,
}

/// The answer.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Which index.
    pub index: String,
    /// Vectors in it.
    pub base: usize,
    /// Questions asked.
    pub queries: usize,
    /// Numbers in a vector.
    pub dim: usize,
    /// Answers wanted.
    pub k: usize,
    /// Share of the answers that are as near as the true k-th (ties count), `[mean, low, high]` over queries.
    pub recall: crate::Figure,
    /// On one thread, one query after another.
    pub queries_per_second: f64,
    /// 50th, 95th and 99th of 100 queries, in ms.
    pub latency_ms: [f64; 3],
    /// Time on the processor instead, which other processes do not lengthen; where the system tells (Linux).
    pub cpu_ms: Option<[f64; 3]>,
    /// The same once more while two threads put vectors as fast as they can.
    pub writing: Writing,
    /// Growth of the process while the index was built; 0 where the system does not tell.
    pub memory_bytes: u64,
    /// What the vectors alone take.
    pub vector_bytes: u64,
    /// Until all were searchable.
    pub build_seconds: f64,
    /// Exact search by plain loops, on one thread.
    pub exact_queries_per_second: f64,
}

/// Searches of an index that changes.
#[derive(Clone, Debug, Serialize)]
pub struct Writing {
    /// As in [`Report`].
    pub latency_ms: [f64; 3],
    /// As in [`Report`].
    pub cpu_ms: Option<[f64; 3]>,
    /// Vectors put by both threads together.
    pub puts_per_second: f64,
}

/// Rows of equal length.
#[derive(Clone, Debug, PartialEq)]
pub struct Vectors {
    /// Numbers in a row, at least 1.
    pub dim: usize,
    data: Vec<f32>,
}

impl Vectors {
    /// Reads an `.fbin` file.
    ///
    /// # Errors
    /// The header does not fit the file's length, or a number is not finite.
    pub fn read(path: &Path) -> Result<Self, EvalError> {
        let bad = |reason: String| EvalError::BadVectors { path: path.to_path_buf(), reason };
        let mut file = std::fs::File::open(path).map_err(|e| bad(e.to_string()))?;
        let length = file.metadata().map_err(|e| bad(e.to_string()))?.len();
        let mut header = [0; 8];
        file.read_exact(&mut header).map_err(|_| bad("it is shorter than its header".to_owned()))?;
        let number = |at: usize| {
            u64::from(u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]))
        };
        let (rows, dim) = (number(0), number(4));
        let told = u128::from(rows) * u128::from(dim) * 4 + 8;
        if dim == 0 || told != u128::from(length) {
            return Err(bad(format!("its header says {rows} x {dim}, {told} bytes, but it has {length}")));
        }
        let mut bytes = vec![0; (length - 8) as usize];
        file.read_exact(&mut bytes).map_err(|e| bad(e.to_string()))?;
        let data: Vec<f32> =
            bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        if let Some(at) = data.iter().position(|v| !v.is_finite()) {
            return Err(bad(format!("number {} of row {} is not finite", at as u64 % dim, at as u64 / dim)));
        }
        Ok(Self { dim: dim as usize, data })
    }

    /// Of rows that are in memory already; `data.len()` is a multiple of `dim`.
    #[must_use]
    pub fn new(dim: usize, data: Vec<f32>) -> Self {
        assert!(dim > 0 && data.len().is_multiple_of(dim));
        Self { dim, data }
    }

    /// Rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.data.len() / self.dim
    }
    /// No rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }
    /// One row.
    #[must_use]
    pub fn row(&self, i: usize) -> &[f32] {
        &self.data[i * self.dim..][..self.dim]
    }
}

/// Larger is nearer. The oracle: plain loops in f64.
fn similarity(metric: Metric, a: &[f32], b: &[f32]) -> f64 {
    let pairs = a.iter().zip(b).map(|(&x, &y)| (f64::from(x), f64::from(y)));
    match metric {
        Metric::InnerProduct => pairs.map(|(x, y)| x * y).sum(),
        Metric::L2 => -pairs.map(|(x, y)| (x - y) * (x - y)).sum::<f64>(),
    }
}

/// Measures `index`, which is empty and of the vectors' dimension.
///
/// # Errors
/// A file that is no vector file, unequal dimensions, or the index refuses.
pub fn run(
    options: &Options,
    name: &str,
    make: impl FnOnce(usize) -> Box<dyn VectorIndex>,
    watch: Watch<'_>,
) -> Result<Report, EvalError> {
    let base = Vectors::read(&options.base)?;
    let mut queries = Vectors::read(&options.queries)?;
    if queries.dim != base.dim {
        let reason = format!("its rows have {} numbers, those of the base {}", queries.dim, base.dim);
        return Err(EvalError::BadVectors { path: options.queries.clone(), reason });
    }
    queries.data.truncate(options.queries_max.unwrap_or(usize::MAX).saturating_mul(queries.dim));
    if base.is_empty() || queries.is_empty() || options.k == 0 {
        return Err(EvalError::Nothing("base, queries and k must not be empty".to_owned()));
    }
    let k = options.k.min(base.len());
    let before = resident_bytes();
    let start = Instant::now();
    let index = make(base.dim);
    let total = base.len() as u64;
    for from in (0..base.len()).step_by(4096) {
        let to = (from + 4096).min(base.len());
        let put = |i: usize| Change::Put { item: i as u32, group: i as u32, vector: base.row(i).to_vec() };
        index.apply(to as u64, &(from..to).map(put).collect::<Vec<_>>())?;
        watch(Progress { stage: "build", done: to as u64, total });
    }
    let build_seconds = start.elapsed().as_secs_f64();
    let memory_bytes = resident_bytes().saturating_sub(before);

    let mut answers = Vec::with_capacity(queries.len());
    let mut times = Times::default();
    for i in 0..queries.len() {
        let query = Query { vector: queries.row(i), k, groups: None, one_per_group: false, exact: false };
        answers.push(times.of(|| index.snapshot().search(&query))?);
        watch(Progress { stage: "search", done: i as u64 + 1, total: queries.len() as u64 });
    }
    let seconds: f64 = times.wall.iter().sum();
    let writing = while_writing(&*index, &base, &queries, k)?;

    let exact_start = Instant::now();
    let _ = kth_similarity(&base, queries.row(0), k, options.metric);
    let exact_seconds = exact_start.elapsed().as_secs_f64();
    let done = AtomicU64::new(0);
    let recalls: Vec<f64> = answers
        .par_iter()
        .enumerate()
        .map(|(i, answer)| {
            let kth = kth_similarity(&base, queries.row(i), k, options.metric);
            let near = |item: u32| similarity(options.metric, base.row(item as usize), queries.row(i));
            let mut items: Vec<u32> = answer.iter().map(|c| c.item).collect();
            items.sort_unstable();
            items.dedup();
            // The index compares in f32: what differs by rounding is a tie.
            let right = items.iter().filter(|&&item| near(item) >= kth - 1e-5 * kth.abs().max(1.0)).count();
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            watch(Progress { stage: "exact", done, total: queries.len() as u64 });
            right.min(k) as f64 / k as f64
        })
        .collect();
    let clusters = crate::interval::Clusters::new(0..recalls.len(), crate::interval::RESAMPLES, 1);
    Ok(Report {
        index: name.to_owned(),
        base: base.len(),
        queries: queries.len(),
        dim: base.dim,
        k,
        recall: clusters.mean(&recalls).unwrap_or([0.0; 3]),
        queries_per_second: queries.len() as f64 / seconds.max(1e-9),
        latency_ms: quantiles_ms(&times.wall).unwrap_or_default(),
        cpu_ms: quantiles_ms(&times.cpu),
        writing,
        memory_bytes,
        vector_bytes: 4 * base.data.len() as u64,
        build_seconds,
        exact_queries_per_second: 1.0 / exact_seconds.max(1e-9),
    })
}

/// How long each of some calls took, in seconds.
#[derive(Default)]
struct Times {
    wall: Vec<f64>,
    cpu: Vec<f64>,
}

impl Times {
    fn of<T>(&mut self, call: impl FnOnce() -> T) -> T {
        let (cpu, start) = (cpu_seconds(), Instant::now());
        let answer = call();
        self.wall.push(start.elapsed().as_secs_f64());
        self.cpu.extend(cpu.zip(cpu_seconds()).map(|(before, after)| after - before));
        answer
    }
}

/// 50th, 95th and 99th of 100, in milliseconds.
fn quantiles_ms(seconds: &[f64]) -> Option<[f64; 3]> {
    let mut sorted = seconds.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    Some([0.5, 0.95, 0.99].map(|share| sorted[(last as f64 * share).round() as usize] * 1e3))
}

/// Searches while two threads put the vectors of the base once more, a few at a time; each is there all the while.
fn while_writing(
    index: &dyn VectorIndex,
    base: &Vectors,
    queries: &Vectors,
    k: usize,
) -> Result<Writing, EvalError> {
    const AT_ONCE: usize = 16;
    let (stop, start) = (AtomicBool::new(false), Instant::now());
    // Numbers rise in the order in which changes are applied.
    let next = Mutex::new((index.snapshot().seq(), 0));
    let write = || -> Result<(), EvalError> {
        while !stop.load(Ordering::Relaxed) {
            let mut next = next.lock().unwrap_or_else(PoisonError::into_inner);
            let (seq, done) = *next;
            *next = (seq + 1, done + AT_ONCE);
            let rows = (done..done + AT_ONCE).map(|row| row % base.len());
            let put =
                |i: usize| Change::Put { item: i as u32, group: i as u32, vector: base.row(i).to_vec() };
            index.apply(seq + 1, &rows.map(put).collect::<Vec<_>>())?;
        }
        Ok(())
    };
    let mut times = Times::default();
    std::thread::scope(|scope| {
        let writers = [(); 2].map(|()| scope.spawn(write));
        let searched = (0..queries.len()).try_for_each(|i| {
            let query = Query { vector: queries.row(i), k, groups: None, one_per_group: false, exact: false };
            times.of(|| index.snapshot().search(&query)).map(|_| ())
        });
        stop.store(true, Ordering::Relaxed);
        for writer in writers {
            writer.join().map_err(|_| EvalError::Nothing("a writer broke off".to_owned()))??;
        }
        searched.map_err(EvalError::from)
    })?;
    let (_, done) = next.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(Writing {
        latency_ms: quantiles_ms(&times.wall).unwrap_or_default(),
        cpu_ms: quantiles_ms(&times.cpu),
        puts_per_second: done as f64 / start.elapsed().as_secs_f64(),
    })
}

/// What this thread has spent on a processor.
fn cpu_seconds() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(text.split_whitespace().next()?.parse::<u64>().ok()? as f64 * 1e-9)
}

/// Similarity of the k-th nearest row.
fn kth_similarity(base: &Vectors, query: &[f32], k: usize, metric: Metric) -> f64 {
    let mut all: Vec<f64> = (0..base.len()).map(|i| similarity(metric, base.row(i), query)).collect();
    *all.select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a)).1
}

/// Memory of this process that is in use, where the system tells (Linux).
fn resident_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| text.split_whitespace().nth(1)?.parse::<u64>().ok());
    pages.map_or(0, |pages| pages * 4096)
}
