//! From an entry to the neighbourhood of a query, along the links.
//!
//! In: blocks and a prepared query. Out: the nodes that were compared, each once, with their distances. Knows
//! nothing of items that count or not; the caller does.
use super::{
    form::{DEGREE, Form, NONE, Prepared},
    nodes::Table,
};
use crate::kernels::{Kernels, prefetch};

const DONE: u32 = 1 << 31;
/// Nodes that a walk starts from beside the entry. Some regions of clustered data are hard to reach from any
/// one place; these lie all over, always the same and hence in the cache, and cost a few per cent.
const STARTS: u32 = 32;

/// What a walk needs beside the graph; kept between walks, since clearing costs less than making.
#[derive(Default)]
pub(crate) struct Scratch {
    /// Best first; done ones carry a mark.
    pool: Vec<(f32, u32)>,
    /// Walk number at which a node was seen.
    seen: Vec<u8>,
    now: u8,
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
    fn see(&mut self, id: u32) -> bool {
        std::mem::replace(&mut self.seen[id as usize], self.now) != self.now
    }
    /// Adds a candidate within `width`; returns its place, or `width` if it is too far.
    fn add(&mut self, width: usize, far: f32, id: u32) -> usize {
        if self.pool.len() == width {
            if far >= self.pool[width - 1].0 {
                return width;
            }
            self.pool.pop();
        }
        let at = self.pool.partition_point(|c| c.0 <= far);
        self.pool.insert(at, (far, id));
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
        self.form.between(self.kernels, self.table.block(a), self.table.block(b))
    }

    /// Walks with a pool of `width` candidates and tells `visit` of every node compared: id, block, distance.
    pub(crate) fn walk(
        &self,
        query: &Prepared,
        width: usize,
        scratch: &mut Scratch,
        mut visit: impl FnMut(u32, &[u8], f32),
    ) {
        let Self { kernels, table, form, entry } = *self;
        scratch.start(table.end(), width);
        let mut unseen = [NONE; DEGREE];
        let apart = (table.end() / STARTS).max(1);
        let starts = (0..STARTS).map(|i| i * apart).filter(|&id| id != entry && table.exists(id));
        for id in std::iter::once(entry).chain(starts) {
            scratch.add(width, form.distance(kernels, query, table.block(id)), id);
        }
        for i in 0..scratch.pool.len() {
            let (distance, id) = scratch.pool[i];
            scratch.see(id);
            visit(id, table.block(id), distance);
        }
        let mut next = 0;
        while next < scratch.pool.len() {
            let id = scratch.pool[next].1;
            if id & DONE != 0 {
                next += 1;
                continue;
            }
            scratch.pool[next].1 |= DONE;
            next += 1;
            let mut count = 0;
            for &neighbour in form.links(table.block(id)) {
                if scratch.see(neighbour) {
                    prefetch(table.block(neighbour), form.padded.div_ceil(64) + 1);
                    unseen[count] = neighbour;
                    count += 1;
                }
            }
            for &neighbour in &unseen[..count] {
                let block = table.block(neighbour);
                let distance = form.distance(kernels, query, block);
                visit(neighbour, block, distance);
                next = next.min(scratch.add(width, distance, neighbour));
            }
        }
    }
}
