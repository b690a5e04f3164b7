//! Compares the query with every vector. Slow and right: the oracle of every faster index.
//!
//! Vectors lie in segments of at most 4,096 that never change. A change only clears bits (which rows still
//! live) and adds one small segment; small neighbours are merged and half-dead ones packed, so that a change
//! copies each vector a dozen times in its life at most and a snapshot is a list of pointers.
use crate::{
    Candidate, Change, IndexError, Metric, Query, Searcher, Shape, Subject, VectorIndex,
    contract::last_of_each,
    kernels::Kernels,
    saved::{self, Head, Kind},
    top::Top,
};
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use roaring::RoaringBitmap;
use std::{collections::HashMap, path::Path, sync::Arc};
use twinset_disk::{Disk, RealDisk};

/// Rows of a full segment: 4 MB of 256-d vectors, merged in about a millisecond.
const ROWS: usize = 4096;

/// The first index: exact search by SIMD kernels. Stays as the oracle.
pub struct ExactIndex {
    shape: Shape,
    newest: ArcSwap<Snapshot>,
    places: Mutex<Places>,
    /// Two saves into one folder would fight for the same names.
    saving: Mutex<()>,
}

/// One consistent state.
#[derive(Clone)]
pub struct Snapshot {
    shape: Shape,
    seq: u64,
    len: usize,
    /// By ascending number.
    segments: Vec<Segment>,
}

#[derive(Clone)]
struct Segment {
    number: u64,
    rows: Arc<Rows>,
    /// One bit a row, set while the row counts.
    live: Arc<Vec<u64>>,
    living: usize,
}

/// Rows side by side; never changed once a snapshot has them.
#[derive(Default)]
struct Rows {
    items: Vec<u32>,
    groups: Vec<u32>,
    /// `items.len()` times the dimension.
    vectors: Vec<f32>,
}

/// Where each living item is: segment number and row. Only writers need it.
#[derive(Default)]
struct Places {
    of: HashMap<u32, (u64, u32)>,
    next_number: u64,
}

impl ExactIndex {
    /// Empty, for vectors of no model in particular (a stamp of zeros).
    ///
    /// # Panics
    /// If `dim` is outside 1..=4096.
    #[must_use]
    pub fn new(dim: usize, metric: Metric) -> Self {
        Self::with_shape(Shape { dim, metric, stamp: [0; 32] })
    }

    /// Empty, for the vectors of one model.
    ///
    /// # Panics
    /// If `shape.dim` is outside 1..=4096.
    #[must_use]
    pub fn with_shape(shape: Shape) -> Self {
        shape.check_dim();
        let empty = Snapshot { shape, seq: 0, len: 0, segments: Vec::new() };
        Self {
            shape,
            newest: ArcSwap::from_pointee(empty),
            places: Mutex::default(),
            saving: Mutex::default(),
        }
    }

    /// Dimension, metric and model of its vectors.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Applies changes and makes them visible in the next snapshot, which then covers `seq`.
    ///
    /// # Errors
    /// As [`VectorIndex::apply`]: nothing of the batch is applied then.
    pub fn apply(&self, seq: u64, changes: &[Change]) -> Result<(), IndexError> {
        self.shape.check_all(changes)?;
        let mut places = self.places.lock();
        let mut state = Snapshot::clone(&self.newest.load());
        if seq < state.seq {
            return Err(IndexError::TooLate { given: seq, covered: state.seq });
        }
        state.seq = seq;
        let mut new = Rows::default();
        for change in last_of_each(changes) {
            state.clear(&mut places, change.item());
            if let Change::Put { item, group, vector } = change {
                new.push(*item, *group, vector);
                if new.items.len() == ROWS {
                    state.add(&mut places, std::mem::take(&mut new));
                }
            }
        }
        state.add(&mut places, new);
        state.tidy(&mut places);
        state.len = places.of.len();
        self.newest.store(Arc::new(state));
        Ok(())
    }

    /// The newest consistent state; never waits for writers.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.newest.load_full()
    }

    /// Saves the newest state with the number it covers; atomic, checksummed.
    ///
    /// # Errors
    /// Disk trouble; the previous saved state stays.
    pub fn save(&self, dir: &Path) -> Result<u64, IndexError> {
        let _one = self.saving.lock();
        let state = self.snapshot();
        state.save_as(&RealDisk, dir, state.seq, [0; 4])?;
        Ok(state.seq)
    }

    /// Opens a saved state, whatever its shape: ask [`ExactIndex::shape`], or use [`ExactIndex::open`].
    ///
    /// # Errors
    /// Missing; damaged, with the offset.
    pub fn load(dir: &Path) -> Result<Self, IndexError> {
        Self::read(dir, None)
    }

    /// Opens a saved state of vectors of just this shape.
    ///
    /// # Errors
    /// Missing; damaged, with the offset; other model, dimension or metric.
    pub fn open(dir: &Path, shape: Shape) -> Result<Self, IndexError> {
        Self::read(dir, Some(shape))
    }

    fn read(dir: &Path, shape: Option<Shape>) -> Result<Self, IndexError> {
        let (index, _) = saved::load(&RealDisk, dir, &[Kind::Exact], |head, reader| {
            if let Some(expected) = shape {
                head.shape.must_be(expected, dir)?;
            }
            Self::from_saved(head, reader)
        })?;
        Ok(index)
    }

    pub(crate) fn from_saved(head: Head, mut reader: saved::Reader) -> Result<Self, IndexError> {
        let dim = head.shape.dim;
        let row_bytes = 8 + 4 * dim as u64;
        // The payload is as long as the file, so this bounds what is reserved below.
        if head.items.checked_mul(row_bytes) != Some(reader.payload()) {
            return Err(reader.damaged(0, "the number of items does not fit the length"));
        }
        let index = Self::with_shape(head.shape);
        let mut places = Places::default();
        let mut state =
            Snapshot { shape: head.shape, seq: head.seq, len: head.items as usize, segments: Vec::new() };
        let mut left = head.items as usize;
        while left > 0 {
            let n = left.min(ROWS);
            let at = (head.items - left as u64) * row_bytes;
            left -= n;
            let mut rows = Rows { items: vec![0; n], groups: vec![0; n], vectors: vec![0.0; n * dim] };
            reader.take(bytemuck::cast_slice_mut(&mut rows.items))?;
            reader.take(bytemuck::cast_slice_mut(&mut rows.groups))?;
            reader.take(bytemuck::cast_slice_mut(&mut rows.vectors))?;
            if !rows.vectors.iter().all(|x| x.is_finite()) {
                return Err(reader.damaged(at, "a vector is not finite"));
            }
            let before = places.of.len();
            state.add(&mut places, rows);
            if places.of.len() != before + n {
                return Err(reader.damaged(at, "an item is there twice"));
            }
        }
        index.newest.store(Arc::new(state));
        *index.places.lock() = places;
        Ok(index)
    }
}

impl VectorIndex for ExactIndex {
    fn shape(&self) -> Shape {
        self.shape
    }
    fn apply(&self, seq: u64, changes: &[Change]) -> Result<(), IndexError> {
        Self::apply(self, seq, changes)
    }
    fn snapshot(&self) -> Arc<dyn Searcher> {
        Self::snapshot(self)
    }
    fn save(&self, dir: &Path) -> Result<u64, IndexError> {
        Self::save(self, dir)
    }
}

impl Searcher for Snapshot {
    fn seq(&self) -> u64 {
        self.seq
    }
    fn len(&self) -> usize {
        self.len
    }
    fn search(&self, query: &Query<'_>) -> Result<Vec<Candidate>, IndexError> {
        Self::search(self, query)
    }
    fn items_of(&self, groups: &RoaringBitmap) -> Vec<(u32, u32)> {
        let mut found = Vec::new();
        self.for_each(|item, group, _| {
            if groups.contains(group) {
                found.push((item, group));
            }
        });
        found
    }
}

impl Snapshot {
    /// Last applied change.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.seq
    }
    /// Items in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }
    /// No items.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
    /// Best first; ties by item id.
    ///
    /// # Errors
    /// Wrong dimension or a vector that is zero or not finite.
    pub fn search(&self, query: &Query<'_>) -> Result<Vec<Candidate>, IndexError> {
        self.search_by(Kernels::detected(), query)
    }

    fn search_by(&self, kernels: &Kernels, query: &Query<'_>) -> Result<Vec<Candidate>, IndexError> {
        self.shape.check(Subject::Query, query.vector)?;
        let mut top = Top::new(query.k.min(self.len), query.one_per_group);
        let dim = self.shape.dim;
        for segment in &self.segments {
            let rows = &*segment.rows;
            for (word, &live) in segment.live.iter().enumerate() {
                let mut live = live;
                while live != 0 {
                    let row = word * 64 + live.trailing_zeros() as usize;
                    live &= live - 1;
                    let (item, group) = (rows.items[row], rows.groups[row]);
                    if query.groups.is_some_and(|groups| !groups.contains(group)) {
                        continue;
                    }
                    let vector = &rows.vectors[row * dim..][..dim];
                    let similarity = match self.shape.metric {
                        Metric::InnerProduct => (kernels.dot)(query.vector, vector),
                        Metric::L2 => -(kernels.l2)(query.vector, vector),
                    };
                    if similarity >= top.floor() {
                        top.push(Candidate { item, group, similarity });
                    }
                }
            }
        }
        Ok(top.into_sorted())
    }

    pub(crate) fn empty(shape: Shape) -> Self {
        Self { shape, seq: 0, len: 0, segments: Vec::new() }
    }

    pub(crate) fn shape(&self) -> Shape {
        self.shape
    }

    /// Tells `each` of every item: item, group, vector.
    pub(crate) fn for_each(&self, mut each: impl FnMut(u32, u32, &[f32])) {
        for segment in &self.segments {
            let (rows, dim) = (&segment.rows, self.shape.dim);
            segment
                .living_rows()
                .for_each(|row| each(rows.items[row], rows.groups[row], &rows.vectors[row * dim..][..dim]));
        }
    }

    /// Saves it as what covers `seq`, with the efforts of searches.
    pub(crate) fn save_as(
        &self,
        disk: &dyn Disk,
        dir: &Path,
        seq: u64,
        efforts: [u32; 4],
    ) -> Result<(), IndexError> {
        let head = Head { kind: Kind::Exact, shape: self.shape, seq, items: self.len as u64, efforts };
        saved::save(disk, dir, head, |writer| {
            let mut full = Rows::default();
            for segment in &self.segments {
                for row in segment.living_rows() {
                    full.push_from(&segment.rows, row, self.shape.dim);
                    if full.items.len() == ROWS {
                        full.write(writer)?;
                        full = Rows::default();
                    }
                }
            }
            full.write(writer)
        })
    }

    /// Forgets an item, if it is there.
    fn clear(&mut self, places: &mut Places, item: u32) {
        let Some((number, row)) = places.of.remove(&item) else { return };
        let at = self.segments.partition_point(|s| s.number < number);
        let segment = &mut self.segments[at];
        Arc::make_mut(&mut segment.live)[row as usize / 64] &= !(1 << (row % 64));
        segment.living -= 1;
    }

    fn add(&mut self, places: &mut Places, rows: Rows) {
        if rows.items.is_empty() {
            return;
        }
        let (number, living) = (places.next_number, rows.items.len());
        places.next_number += 1;
        places.of.extend(rows.items.iter().enumerate().map(|(row, &item)| (item, (number, row as u32))));
        let mut live = vec![u64::MAX; living.div_ceil(64)];
        if !living.is_multiple_of(64) {
            live[living / 64] = (1 << (living % 64)) - 1;
        }
        self.segments.push(Segment { number, rows: Arc::new(rows), live: Arc::new(live), living });
    }

    /// Keeps the segments few and full: those more than half dead are packed, and the last two are merged
    /// while the older is less than twice as large (as in a binary counter).
    fn tidy(&mut self, places: &mut Places) {
        let dim = self.shape.dim;
        let mut packed = Rows::default();
        for segment in self.segments.extract_if(.., |s| s.living * 2 < s.rows.items.len()) {
            for row in segment.living_rows() {
                packed.push_from(&segment.rows, row, dim);
            }
        }
        while packed.items.len() > ROWS {
            let rest = packed.split_off(ROWS, dim);
            self.add(places, std::mem::replace(&mut packed, rest));
        }
        self.add(places, packed);
        while let [.., older, newer] = &self.segments[..]
            && older.living < 2 * newer.living
            && older.living + newer.living <= ROWS
        {
            let mut merged = Rows::default();
            for segment in [older, newer] {
                for row in segment.living_rows() {
                    merged.push_from(&segment.rows, row, dim);
                }
            }
            self.segments.truncate(self.segments.len() - 2);
            self.add(places, merged);
        }
    }
}

impl Segment {
    fn living_rows(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.rows.items.len()).filter(|row| self.live[row / 64] >> (row % 64) & 1 == 1)
    }
}

impl Rows {
    fn push(&mut self, item: u32, group: u32, vector: &[f32]) {
        self.items.push(item);
        self.groups.push(group);
        self.vectors.extend_from_slice(vector);
    }
    fn push_from(&mut self, from: &Self, row: usize, dim: usize) {
        self.push(from.items[row], from.groups[row], &from.vectors[row * dim..][..dim]);
    }
    fn split_off(&mut self, at: usize, dim: usize) -> Self {
        Self {
            items: self.items.split_off(at),
            groups: self.groups.split_off(at),
            vectors: self.vectors.split_off(at * dim),
        }
    }
    fn write(&self, writer: &mut saved::Writer) -> Result<(), IndexError> {
        writer.put(bytemuck::cast_slice(&self.items))?;
        writer.put(bytemuck::cast_slice(&self.groups))?;
        writer.put(bytemuck::cast_slice(&self.vectors))
    }
}
