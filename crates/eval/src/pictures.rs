//! Rows of data sets, decoded in parallel.
use crate::{EvalError, Progress, Watch};
use rayon::prelude::*;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use twinset_dataset::{DataSet, Row};
use twinset_nets::NetError;
use twinset_photo::{Limits, Photo};

/// A picture that could not be measured, with the reason.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[allow(missing_docs)]
pub struct Unreadable {
    /// `SET/file`.
    pub picture: String,
    pub reason: String,
}

/// A split of one data set.
pub(crate) struct Part {
    pub(crate) set: DataSet,
    pub(crate) name: String,
    rows: Vec<usize>,
}

impl Part {
    /// # Errors
    /// The set cannot be opened or the split is empty.
    pub(crate) fn open(dir: &Path, split: Option<&str>) -> Result<Self, EvalError> {
        let set = DataSet::open(dir)?;
        let split = split.filter(|s| !s.is_empty());
        let rows: Vec<usize> =
            (0..set.rows().len()).filter(|&i| split.is_none_or(|s| set.rows()[i].split == s)).collect();
        if rows.is_empty() {
            let found = set.splits().join(", ");
            let split = split.unwrap_or_default().to_owned();
            return Err(EvalError::EmptySplit { set: dir.display().to_string(), split, found });
        }
        Ok(Self { name: set.name(), set, rows })
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().map(|&i| &self.set.rows()[i])
    }

    /// `SET/file`: how a picture is named across sets.
    pub(crate) fn name_of(&self, row: &Row) -> String {
        format!("{}/{}", self.name, row.file)
    }

    fn decode(&self, row: &Row) -> Result<Photo, String> {
        let bytes = self.set.read(row).map_err(|e| e.to_string())?;
        twinset_photo::decode(&bytes, &Limits::default()).map_err(|e| e.to_string())
    }
}

/// Decodes `rows` on all cores and maps each photo through `see`; the order is kept. Only the results stay in
/// memory. Pictures that cannot be read, or that a model fails on, come back beside them.
pub(crate) fn each<'a, T: Send>(
    rows: &[(&'a Part, &'a Row)],
    stage: &str,
    watch: Watch<'_>,
    see: impl Fn(&'a Row, &Photo, f64) -> Result<T, NetError> + Sync,
) -> (Vec<Option<T>>, Vec<Unreadable>) {
    let done = AtomicU64::new(0);
    let total = rows.len() as u64;
    watch(Progress { stage, done: 0, total });
    let seen: Vec<Result<T, Unreadable>> = rows
        .par_iter()
        .map(|&(part, row)| {
            let start = std::time::Instant::now();
            let photo = part.decode(row);
            let decode_ms = start.elapsed().as_secs_f64() * 1e3;
            let seen = photo
                .and_then(|photo| see(row, &photo, decode_ms).map_err(|e| e.to_string()))
                .map_err(|reason| Unreadable { picture: part.name_of(row), reason });
            watch(Progress { stage, done: done.fetch_add(1, Ordering::Relaxed) + 1, total });
            seen
        })
        .collect();
    let mut unreadable = Vec::new();
    let seen = seen.into_iter().map(|s| s.map_err(|u| unreadable.push(u)).ok()).collect();
    (seen, unreadable)
}
