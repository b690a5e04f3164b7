//! What is stored of each node, shared between one writer and any number of readers.
//!
//! Of each node there are two *records*, which never change while it lives, and one *block*, which does. All lie
//! in large maps. A record is found by the node's id alone. A block is copied when it is edited for the first
//! time after a publication, and found through a table. [`Nodes::publish`] hands out a [`Published`] view that
//! stays as it is while the writer goes on: readers never wait, never see half an edit, and a change costs the
//! copies of the thirty-odd small blocks that it touches, not the index.
//!
//! Unsafe code: readers and the writer share the maps. Why that is sound: a *place* (a block's slot, or the id
//! under which records lie) is written only through `&mut Nodes` and only while it is *fresh*: taken since the
//! last publication, so that no view's table leads to it. It becomes free again only when the token of the last
//! view whose table had it, and of all older views, is gone. A borrow of a block or record borrows the view (or
//! the writer), which keeps the token and the maps alive.
#![allow(unsafe_code)]

use memmap2::MmapMut;
use std::{
    collections::VecDeque,
    ops::Deref,
    sync::{Arc, Weak},
};

const PAGE: usize = 64;
const LIVE: u32 = 1 << 31;
const NO_SLOT: u32 = LIVE - 1;
/// Large enough for huge pages, small enough for a small shop.
const CHUNK_BYTES: usize = 2 << 20;

/// Bytes of a node's block and records; all multiples of 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    pub(crate) block: usize,
    pub(crate) near: usize,
    pub(crate) far: usize,
}

/// Pieces of equal size, by number.
#[derive(Clone)]
struct Slab {
    size: usize,
    chunk_bits: u32,
    chunks: Vec<Arc<Chunk>>,
}

struct Chunk {
    /// Keeps the memory; only ever touched through `start`.
    _map: MmapMut,
    start: *mut u8,
    bytes: usize,
}

// SAFETY: the memory behind `start` is plain bytes; who may write what is told at the top.
unsafe impl Send for Chunk {}
// SAFETY: as above.
unsafe impl Sync for Chunk {}

impl Slab {
    fn new(size: usize) -> Self {
        assert!(size > 0 && size.is_multiple_of(16));
        Self { size, chunk_bits: (CHUNK_BYTES / size).max(16).ilog2(), chunks: Vec::new() }
    }

    /// Pieces that there is room for.
    fn room(&self) -> usize {
        self.chunks.len() << self.chunk_bits
    }

    /// Makes room for one more chunk of pieces. Ends the process when memory is out, as `Vec` does.
    fn grow(&mut self) {
        let bytes = self.size << self.chunk_bits;
        let Ok(mut map) = MmapMut::map_anon(bytes) else {
            std::alloc::handle_alloc_error(std::alloc::Layout::new::<u8>())
        };
        // Random reads over gigabytes: huge pages save a tenth of the time. A kernel may refuse. A small
        // shop has but one chunk, and would pay for all of it.
        #[cfg(target_os = "linux")]
        if !self.chunks.is_empty() {
            let _ = map.advise(memmap2::Advice::HugePage);
        }
        let start = map.as_mut_ptr();
        self.chunks.push(Arc::new(Chunk { _map: map, start, bytes }));
    }

    #[inline]
    fn place(&self, at: u32) -> *mut u8 {
        let chunk = &*self.chunks[(at >> self.chunk_bits) as usize];
        let offset = (at as usize & ((1 << self.chunk_bits) - 1)) * self.size;
        assert!(offset + self.size <= chunk.bytes);
        // SAFETY: within the chunk.
        unsafe { chunk.start.add(offset) }
    }

    #[inline]
    fn get(&self, at: u32) -> &[u8] {
        // SAFETY: `place` keeps within a chunk that `self` keeps alive; nobody writes a place that a table shows
        // (see the top), and the writer's own fresh places need `&mut Nodes`, which this borrow excludes.
        unsafe { std::slice::from_raw_parts(self.place(at), self.size) }
    }

    fn bytes(&self) -> usize {
        self.chunks.iter().map(|c| c.bytes).sum()
    }
}

/// Where each node's block is. Ids are dense from 0; one may be vacant.
#[derive(Clone)]
pub(crate) struct Table {
    pages: Vec<Arc<Page>>,
    blocks: Slab,
    near: Slab,
    far: Slab,
}

#[derive(Clone)]
struct Page([u32; PAGE]);

impl Table {
    fn entry(&self, id: u32) -> u32 {
        self.pages.get(id as usize / PAGE).map_or(NO_SLOT, |page| page.0[id as usize % PAGE])
    }

    /// Ids below this exist or have existed.
    pub(crate) fn end(&self) -> u32 {
        (self.pages.len() * PAGE) as u32
    }

    /// There is a node (its item may be deleted).
    pub(crate) fn exists(&self, id: u32) -> bool {
        self.entry(id) & NO_SLOT != NO_SLOT
    }

    /// Its item counts.
    #[inline]
    pub(crate) fn is_live(&self, id: u32) -> bool {
        self.entry(id) & LIVE != 0
    }

    /// The block of `id`.
    ///
    /// # Panics
    /// If the id is vacant.
    #[inline]
    pub(crate) fn block(&self, id: u32) -> &[u8] {
        self.blocks.get(self.pages[id as usize / PAGE].0[id as usize % PAGE] & NO_SLOT)
    }

    /// The first record of `id`, which is below [`Table::end`]; anything if it is vacant.
    #[inline]
    pub(crate) fn near(&self, id: u32) -> &[u8] {
        self.near.get(id)
    }

    /// The second record.
    #[inline]
    pub(crate) fn far(&self, id: u32) -> &[u8] {
        self.far.get(id)
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.end()).filter(|&id| self.exists(id))
    }

    pub(crate) fn bytes(&self) -> usize {
        let slabs: usize = [&self.blocks, &self.near, &self.far].into_iter().map(Slab::bytes).sum();
        slabs + self.pages.len() * (size_of::<Page>() + 24)
    }
}

/// Which places may be taken and which may be written.
#[derive(Default)]
struct Places {
    free: Vec<u32>,
    /// Taken since the last publication, as a list and as bits.
    fresh: Vec<u32>,
    is_fresh: Vec<u64>,
    /// Given up since the last publication; the newest view still sees them.
    retired: Vec<u32>,
}

impl Places {
    /// Adds those of `from..to`, to be taken in order.
    fn add(&mut self, from: usize, to: usize) {
        self.is_fresh.resize(to.div_ceil(64), 0);
        self.free.extend((from as u32..to as u32).rev());
    }

    fn take(&mut self) -> Option<u32> {
        let place = self.free.pop()?;
        self.fresh.push(place);
        self.is_fresh[place as usize / 64] |= 1 << (place % 64);
        Some(place)
    }

    fn is_fresh(&self, place: u32) -> bool {
        self.is_fresh[place as usize / 64] >> (place % 64) & 1 == 1
    }

    /// None is fresh any more; gives what was retired.
    fn publish(&mut self) -> Vec<u32> {
        for place in self.fresh.drain(..) {
            self.is_fresh[place as usize / 64] &= !(1 << (place % 64));
        }
        std::mem::take(&mut self.retired)
    }
}

/// The writer's side.
pub(crate) struct Nodes {
    table: Table,
    ids: Places,
    slots: Places,
    /// Token of the newest view; those of older ones with the ids and slots given up while they were the newest.
    newest: Weak<()>,
    waiting: VecDeque<(Weak<()>, Vec<u32>, Vec<u32>)>,
}

/// One state of all nodes.
pub(crate) struct Published {
    table: Table,
    _token: Arc<()>,
}

impl Deref for Nodes {
    type Target = Table;
    fn deref(&self) -> &Table {
        &self.table
    }
}

impl Deref for Published {
    type Target = Table;
    fn deref(&self) -> &Table {
        &self.table
    }
}

impl Nodes {
    pub(crate) fn new(sizes: Sizes) -> Self {
        let Sizes { block, near, far } = sizes;
        let [blocks, near, far] = [block, near, far].map(Slab::new);
        Self {
            table: Table { pages: Vec::new(), blocks, near, far },
            ids: Places::default(),
            slots: Places::default(),
            newest: Weak::new(),
            waiting: VecDeque::new(),
        }
    }

    /// A new node with a block of zeros, not live; its records hold anything until they are written.
    pub(crate) fn insert(&mut self) -> u32 {
        let id = loop {
            if let Some(id) = self.ids.take() {
                break id;
            }
            let first = self.table.end() as usize;
            self.table.pages.push(Arc::new(Page([NO_SLOT; PAGE])));
            self.ids.add(first, first + PAGE);
        };
        for slab in [&mut self.table.near, &mut self.table.far] {
            while slab.room() <= id as usize {
                slab.grow();
            }
        }
        let slot = self.take_slot();
        *self.entry_mut(id) = slot;
        self.fresh_block(slot).fill(0);
        id
    }

    /// The records of a node that was inserted since the last publication.
    pub(crate) fn records_mut(&mut self, id: u32) -> (&mut [u8], &mut [u8]) {
        assert!(self.ids.is_fresh(id));
        let Table { near, far, .. } = &self.table;
        // SAFETY: `place` keeps within the chunks; the id is fresh, so that no view leads there; `&mut self`
        // excludes other borrows of ours; the two lie in different maps.
        unsafe {
            (
                std::slice::from_raw_parts_mut(near.place(id), near.size),
                std::slice::from_raw_parts_mut(far.place(id), far.size),
            )
        }
    }

    /// The block of `id`, to be changed. Views keep the old one.
    pub(crate) fn edit(&mut self, id: u32) -> &mut [u8] {
        let entry = self.table.entry(id);
        let mut slot = entry & NO_SLOT;
        assert!(slot != NO_SLOT, "node {id} is vacant");
        if !self.slots.is_fresh(slot) {
            let new = self.take_slot();
            let (from, to) = (self.table.blocks.place(slot), self.table.blocks.place(new));
            // SAFETY: both places are within their chunks and differ; `new` is fresh, hence only ours.
            unsafe { std::ptr::copy_nonoverlapping(from, to, self.table.blocks.size) };
            self.slots.retired.push(slot);
            *self.entry_mut(id) = new | entry & LIVE;
            slot = new;
        }
        self.fresh_block(slot)
    }

    pub(crate) fn set_live(&mut self, id: u32, live: bool) {
        assert!(self.exists(id));
        let entry = self.entry_mut(id);
        *entry = *entry & !LIVE | if live { LIVE } else { 0 };
    }

    /// Gives up the node; the id comes back from a later [`Nodes::insert`], when no view has it any more.
    pub(crate) fn remove(&mut self, id: u32) {
        let slot = self.table.entry(id) & NO_SLOT;
        assert!(slot != NO_SLOT, "node {id} is vacant");
        *self.entry_mut(id) = NO_SLOT;
        // Even fresh places wait for the next publication: they stay on the list of fresh ones.
        self.ids.retired.push(id);
        self.slots.retired.push(slot);
    }

    /// The present state, for readers.
    pub(crate) fn publish(&mut self) -> Published {
        let token = Arc::new(());
        let before = std::mem::replace(&mut self.newest, Arc::downgrade(&token));
        self.waiting.push_back((before, self.ids.publish(), self.slots.publish()));
        while let Some((view, _, _)) = self.waiting.front()
            && view.strong_count() == 0
        {
            // The readers' last use happens before their drop; this pairs with the release in it.
            std::sync::atomic::fence(std::sync::atomic::Ordering::Acquire);
            if let Some((_, ids, slots)) = self.waiting.pop_front() {
                self.ids.free.extend(ids);
                self.slots.free.extend(slots);
            }
        }
        Published { table: self.table.clone(), _token: token }
    }

    fn entry_mut(&mut self, id: u32) -> &mut u32 {
        &mut Arc::make_mut(&mut self.table.pages[id as usize / PAGE]).0[id as usize % PAGE]
    }

    fn take_slot(&mut self) -> u32 {
        loop {
            if let Some(slot) = self.slots.take() {
                return slot;
            }
            let blocks = &mut self.table.blocks;
            let first = blocks.room();
            blocks.grow();
            assert!(blocks.room() <= NO_SLOT as usize, "the callers limit the items to far less");
            self.slots.add(first, blocks.room());
        }
    }

    fn fresh_block(&mut self, slot: u32) -> &mut [u8] {
        assert!(self.slots.is_fresh(slot));
        // SAFETY: within the chunk; fresh, so no view shows it; `&mut self` excludes other borrows of ours.
        unsafe { std::slice::from_raw_parts_mut(self.table.blocks.place(slot), self.table.blocks.size) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Sizes = Sizes { block: 64, near: 64, far: 32 };

    #[test]
    fn views_keep_what_they_saw_and_places_are_used_again() {
        let mut nodes = Nodes::new(SMALL);
        let a = nodes.insert();
        let b = nodes.insert();
        nodes.edit(a).fill(1);
        nodes.records_mut(b).0.fill(7);
        nodes.set_live(a, true);
        let first = nodes.publish();
        nodes.edit(a).fill(2);
        nodes.edit(a)[0] = 3;
        nodes.remove(b);
        let second = nodes.publish();
        let c = nodes.insert();
        assert_ne!(c, b, "the first view still has it");
        nodes.records_mut(c).0.fill(8);
        assert!(first.block(a).iter().all(|&x| x == 1) && first.exists(b) && first.is_live(a));
        assert!(first.near(b).iter().all(|&x| x == 7));
        assert!(second.block(a)[0] == 3 && second.block(a)[1] == 2 && !second.exists(b) && second.is_live(a));
        drop((first, second));
        drop((nodes.publish(), nodes.publish()));
        assert_eq!(nodes.insert(), b, "ids come back");
        // A long life in a few slots.
        for round in 0..100_000u32 {
            nodes.edit(a)[0] = round as u8;
            let view = nodes.publish();
            assert_eq!(view.block(a)[0], round as u8);
        }
        assert_eq!(nodes.blocks.chunks.len(), 1);
    }

    #[test]
    fn a_node_made_and_removed_between_publications_leaves_nothing() {
        let mut nodes = Nodes::new(SMALL);
        for _ in 0..300_000 {
            let id = nodes.insert();
            nodes.remove(id);
            drop(nodes.publish());
        }
        assert_eq!((nodes.blocks.chunks.len(), nodes.near.chunks.len(), nodes.ids().count()), (1, 1, 0));
    }

    #[test]
    #[should_panic(expected = "is_fresh")]
    fn records_that_a_view_may_see_cannot_be_written() {
        let mut nodes = Nodes::new(SMALL);
        let id = nodes.insert();
        let _view = nodes.publish();
        let _ = nodes.records_mut(id);
    }
}
