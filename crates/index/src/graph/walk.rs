//! From an entry to the neighbourhood of a query, along the links.
//!
//! In: near records and a prepared query. Out: the nodes that were compared, each once, with their distances.
//! Knows nothing of items that count or not; the caller does.
use super::{
    block::{BLOCK, links},
    form::{Form, Probe},
    nodes::Table,
};
use crate::kernels::{Kernels, prefetch};

/// Nodes that a walk starts from beside the entry. Some regions of clustered data are hard to reach from any
/// one place; these lie all over, always the same and hence in the cache, and cost a few per cent.
const STARTS: u32 = 32;

/// A node in the pool: distance, id, and whether its links were followed. They sort by distance.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Met(u64);

impl Met {
    #[inline]
    fn new(distance: f32, id: u32) -> Self {
        // Bits that sort as the floats do, negative ones too.
        let bits = distance.to_bits();
        let sorted = bits ^ (((bits as i32) >> 31) as u32 | 1 << 31);
        Self(u64::from(sorted) << 32 | u64::from(id) << 1)
    }
    #[inline]
    pub(crate) fn id(self) -> u32 {
        self.0 as u32 >> 1
    }
    #[inline]
    pub(crate) fn distance(self) -> f32 {
        let sorted = (self.0 >> 32) as u32;
        f32::from_bits(if sorted >> 31 == 1 { sorted ^ 1 << 31 } else { !sorted })
    }
    #[inline]
    fn is_done(self) -> bool {
        self.0 & 1 == 1
    }
}

/// What a walk needs beside the graph; kept between walks, since clearing costs less than making.
#[derive(Default)]
pub(crate) struct Scratch {
    /// Best first.
    pub(crate) pool: Vec<Met>,
    /// Walk number at which a node was seen.
    seen: Vec<u8>,
    now: u8,
    /// Neighbours of the present node to be compared.
    unseen: Vec<u32>,
}

impl Scratch {
    fn start(&mut self, nodes: u32, width: usize) {
        self.pool.clear();
        self.pool.reserve(width + 1);
        if self.seen.len() < nodes as usize {
            self.seen.resize(nodes as usize, 0);
        }
        self.now = self.now.wrapping_add(1);
        if self.now == 0 {
            self.seen.fill(0);
            self.now = 1;
        }
    }
    /// Marks it; true if it was not.
    #[inline]
    fn see(&mut self, id: u32) -> bool {
        std::mem::replace(&mut self.seen[id as usize], self.now) != self.now
    }
    /// Adds a node within `width`; returns its place, or `width` if it is too far.
    #[inline]
    fn add(&mut self, width: usize, new: Met) -> usize {
        if self.pool.len() == width {
            if new >= self.pool[width - 1] {
                return width;
            }
            self.pool.pop();
        }
        let at = self.pool.partition_point(|met| *met < new);
        self.pool.insert(at, new);
        at
    }
}

/// A graph that can be walked.
#[derive(Clone, Copy)]
pub(crate) struct Map<'a> {
    pub(crate) kernels: &'a Kernels,
    pub(crate) table: &'a Table,
    pub(crate) form: &'a Form,
    /// Exists, unless there is no node at all and nobody walks.
    pub(crate) entry: u32,
}

impl Map<'_> {
    /// Squared distance of two nodes.
    pub(crate) fn between(&self, a: u32, b: u32) -> f32 {
        self.form.between(self.kernels, self.table.near(a), self.table.near(b))
    }

    /// Walks with a pool of `width` nodes, which is in `scratch` afterwards, and tells `visit` of every node
    /// compared: id and distance.
    pub(crate) fn walk(
        &self,
        query: &Probe,
        width: usize,
        scratch: &mut Scratch,
        mut visit: impl FnMut(u32, f32),
    ) {
        let Self { table, entry, .. } = *self;
        scratch.start(table.end(), width);
        let apart = (table.end() / STARTS).max(1);
        let mut unseen = std::mem::take(&mut scratch.unseen);
        unseen.clear();
        let starts = (0..STARTS).map(|i| i * apart).filter(|&id| table.exists(id));
        for id in std::iter::once(entry).chain(starts) {
            if scratch.see(id) {
                unseen.push(id);
            }
        }
        self.compare(query, &unseen, |met| {
            visit(met.id(), met.distance());
            scratch.add(width, met);
        });
        let mut next = 0;
        while next < scratch.pool.len() {
            if scratch.pool[next].is_done() {
                next += 1;
                continue;
            }
            let id = scratch.pool[next].id();
            scratch.pool[next].0 |= 1;
            next += 1;
            // The next one to be followed, unless a neighbour of this one is nearer.
            if let Some(met) = scratch.pool[next..].iter().find(|met| !met.is_done()) {
                prefetch(table.block(met.id()), BLOCK.div_ceil(64));
            }
            unseen.clear();
            for neighbour in links(table.block(id)) {
                if scratch.see(neighbour) {
                    prefetch(table.near(neighbour), self.form.near / 64);
                    unseen.push(neighbour);
                }
            }
            self.compare(query, &unseen, |met| {
                visit(met.id(), met.distance());
                let at = scratch.add(width, met);
                if at < next {
                    // It is the next to be followed.
                    prefetch(table.block(met.id()), BLOCK.div_ceil(64));
                    next = at;
                }
            });
        }
        scratch.unseen = unseen;
    }

    /// Compares the query with each of `nodes`.
    #[inline]
    pub(crate) fn compare(&self, query: &Probe, nodes: &[u32], mut each: impl FnMut(Met)) {
        const AT_ONCE: usize = 8;
        let mut dots = [0; AT_ONCE];
        for nodes in nodes.chunks(AT_ONCE) {
            let mut records: [&[u8]; AT_ONCE] = [&[]; AT_ONCE];
            for (record, &id) in records.iter_mut().zip(nodes) {
                *record = self.table.near(id);
            }
            let records = &records[..nodes.len()];
            (self.kernels.near)(query.front(), records, &mut dots[..nodes.len()]);
            for ((&id, record), &dot) in nodes.iter().zip(records).zip(&dots) {
                each(Met::new(Form::distance(query, record, dot), id));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pool_sorts_by_distance_whatever_its_sign() {
        let distances = [f32::MAX, 3.5, 0.0, -0.5, -7.0];
        let mut all: Vec<Met> = distances.iter().zip(0..).map(|(&far, id)| Met::new(far, id)).collect();
        all.sort();
        assert!(all.iter().map(|met| met.id()).eq([4, 3, 2, 1, 0]));
        assert!(all.iter().rev().map(|met| met.distance()).eq(distances));
        assert_eq!(Met::new(1.0, u32::MAX >> 1).id(), u32::MAX >> 1);
    }
}
