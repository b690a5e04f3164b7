//! Fixed-size blocks by node id, copied on write, shared with readers.
//!
//! The writer edits blocks; [`Nodes::publish`] hands out a [`Published`] view that stays as it is while the
//! writer goes on. A block is copied at the first edit after a publication, once; the old copy's place is used
//! again when every view that can see it is gone. So readers never wait, never see half an edit, and a change
//! costs the copies of the thirty-odd blocks it touches (a hundred kilobytes), not the index.
//!
//! Unsafe code: blocks lie in large maps that readers and the writer share. Why that is sound: a *slot* (place
//! of a block) is written only through `&mut Nodes`, only while it is *fresh*: taken from the free list after
//! the last publication, so that no view's table can lead to it. A slot becomes free again only when the token
//! of the last view whose table holds it, and of all older views, is gone; a borrow of a block borrows the
//! view (or the writer), which keeps the token and the maps alive.
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
const CHUNK_BYTES: usize = 4 << 20;

/// Where each node's block is. Ids are dense from 0; one may be vacant.
#[derive(Clone)]
pub(crate) struct Table {
    stride: usize,
    chunk_bits: u32,
    pages: Vec<Arc<Page>>,
    chunks: Vec<Arc<Chunk>>,
}

#[derive(Clone)]
struct Page([u32; PAGE]);

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

impl Table {
    fn entry(&self, id: u32) -> u32 {
        self.pages.get(id as usize / PAGE).map_or(NO_SLOT, |page| page.0[id as usize % PAGE])
    }

    /// Ids below this exist or have existed.
    pub(crate) fn end(&self) -> u32 {
        (self.pages.len() * PAGE) as u32
    }

    /// There is a block (its item may be deleted).
    pub(crate) fn exists(&self, id: u32) -> bool {
        self.entry(id) & NO_SLOT != NO_SLOT
    }

    /// Its item counts.
    pub(crate) fn is_live(&self, id: u32) -> bool {
        self.entry(id) & LIVE != 0
    }

    /// The block of `id`.
    ///
    /// # Panics
    /// If the id is vacant.
    #[inline]
    pub(crate) fn block(&self, id: u32) -> &[u8] {
        let slot = self.pages[id as usize / PAGE].0[id as usize % PAGE] & NO_SLOT;
        let (chunk, at) = self.place(slot);
        // SAFETY: `place` keeps within the chunk; nobody writes a slot that a table shows (see the top), and
        // the writer's own fresh slots need `&mut Nodes`, which this borrow excludes.
        unsafe { std::slice::from_raw_parts(chunk.start.add(at), self.stride) }
    }

    #[inline]
    fn place(&self, slot: u32) -> (&Chunk, usize) {
        let chunk = &*self.chunks[(slot >> self.chunk_bits) as usize];
        let at = (slot as usize & ((1 << self.chunk_bits) - 1)) * self.stride;
        assert!(at + self.stride <= chunk.bytes);
        (chunk, at)
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.end()).filter(|&id| self.exists(id))
    }

    pub(crate) fn bytes(&self) -> usize {
        self.chunks.iter().map(|c| c.bytes).sum::<usize>() + self.pages.len() * (size_of::<Page>() + 24)
    }
}

/// The writer's side.
pub(crate) struct Nodes {
    table: Table,
    free_ids: Vec<u32>,
    free_slots: Vec<u32>,
    /// Slots taken since the last publication, as a list and as bits.
    fresh: Vec<u32>,
    is_fresh: Vec<u64>,
    /// Slots given up since the last publication; the newest view still sees them.
    retired: Vec<u32>,
    /// Token of the newest view; those of older ones with the slots given up while they were the newest.
    newest: Weak<()>,
    waiting: VecDeque<(Weak<()>, Vec<u32>)>,
}

/// One state of all blocks.
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
    /// For blocks of `stride` bytes, a multiple of 32.
    pub(crate) fn new(stride: usize) -> Self {
        assert!(stride > 0 && stride.is_multiple_of(32));
        let chunk_bits = (CHUNK_BYTES / stride).max(16).ilog2();
        Self {
            table: Table { stride, chunk_bits, pages: Vec::new(), chunks: Vec::new() },
            free_ids: Vec::new(),
            free_slots: Vec::new(),
            fresh: Vec::new(),
            is_fresh: Vec::new(),
            retired: Vec::new(),
            newest: Weak::new(),
            waiting: VecDeque::new(),
        }
    }

    /// A new node with a block of zeros, not live. Ends the process when memory is out, as `Vec` does.
    pub(crate) fn insert(&mut self) -> u32 {
        let slot = self.take_slot();
        let id = match self.free_ids.pop() {
            Some(id) => id,
            None => {
                let first = self.table.end();
                self.table.pages.push(Arc::new(Page([NO_SLOT; PAGE])));
                self.free_ids.extend((first + 1..first + PAGE as u32).rev());
                first
            }
        };
        *self.entry_mut(id) = slot;
        self.fresh_block(slot).fill(0);
        id
    }

    /// The block of `id`, to be changed. Views keep the old one.
    pub(crate) fn edit(&mut self, id: u32) -> &mut [u8] {
        let entry = self.table.entry(id);
        let mut slot = entry & NO_SLOT;
        assert!(slot != NO_SLOT, "node {id} is vacant");
        if self.is_fresh[slot as usize / 64] >> (slot % 64) & 1 == 0 {
            let new = self.take_slot();
            let (from, from_at) = self.table.place(slot);
            let (to, to_at) = self.table.place(new);
            // SAFETY: both places are within their chunks and differ; `new` is fresh, hence only ours.
            unsafe {
                std::ptr::copy_nonoverlapping(
                    from.start.add(from_at),
                    to.start.add(to_at),
                    self.table.stride,
                );
            }
            self.retired.push(slot);
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

    /// Gives up the node; the id comes back from a later [`Nodes::insert`].
    pub(crate) fn remove(&mut self, id: u32) {
        let slot = self.table.entry(id) & NO_SLOT;
        assert!(slot != NO_SLOT, "node {id} is vacant");
        *self.entry_mut(id) = NO_SLOT;
        self.free_ids.push(id);
        // Even a fresh slot waits for the next publication: it stays on the list of fresh ones.
        self.retired.push(slot);
    }

    /// The present state, for readers.
    pub(crate) fn publish(&mut self) -> Published {
        let token = Arc::new(());
        let before = std::mem::replace(&mut self.newest, Arc::downgrade(&token));
        self.waiting.push_back((before, std::mem::take(&mut self.retired)));
        while let Some((view, _)) = self.waiting.front()
            && view.strong_count() == 0
        {
            // The readers' last use happens before their drop; this pairs with the release in it.
            std::sync::atomic::fence(std::sync::atomic::Ordering::Acquire);
            self.free_slots.extend(self.waiting.pop_front().into_iter().flat_map(|(_, slots)| slots));
        }
        for slot in self.fresh.drain(..) {
            self.is_fresh[slot as usize / 64] &= !(1 << (slot % 64));
        }
        Published { table: self.table.clone(), _token: token }
    }

    fn entry_mut(&mut self, id: u32) -> &mut u32 {
        &mut Arc::make_mut(&mut self.table.pages[id as usize / PAGE]).0[id as usize % PAGE]
    }

    fn take_slot(&mut self) -> u32 {
        let slot = match self.free_slots.pop() {
            Some(slot) => slot,
            None => {
                let slots = 1usize << self.table.chunk_bits;
                let first = self.table.chunks.len() * slots;
                assert!(first + slots <= NO_SLOT as usize, "the callers limit the items to far less");
                let bytes = slots * self.table.stride;
                let Ok(mut map) = MmapMut::map_anon(bytes) else {
                    std::alloc::handle_alloc_error(std::alloc::Layout::new::<u8>())
                };
                // Random reads over gigabytes: huge pages save a tenth of the time. A kernel may refuse.
                #[cfg(target_os = "linux")]
                let _ = map.advise(memmap2::Advice::HugePage);
                let start = map.as_mut_ptr();
                self.table.chunks.push(Arc::new(Chunk { _map: map, start, bytes }));
                self.is_fresh.resize((first + slots).div_ceil(64), 0);
                self.free_slots.extend((first as u32 + 1..(first + slots) as u32).rev());
                first as u32
            }
        };
        self.fresh.push(slot);
        self.is_fresh[slot as usize / 64] |= 1 << (slot % 64);
        slot
    }

    fn fresh_block(&mut self, slot: u32) -> &mut [u8] {
        assert!(self.is_fresh[slot as usize / 64] >> (slot % 64) & 1 == 1);
        let (chunk, at) = self.table.place(slot);
        // SAFETY: within the chunk; fresh, so no view shows it; `&mut self` excludes other borrows of ours.
        unsafe { std::slice::from_raw_parts_mut(chunk.start.add(at), self.table.stride) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_keep_what_they_saw_and_places_are_used_again() {
        let mut nodes = Nodes::new(64);
        let a = nodes.insert();
        let b = nodes.insert();
        nodes.edit(a).fill(1);
        nodes.set_live(a, true);
        let first = nodes.publish();
        nodes.edit(a).fill(2);
        nodes.edit(a)[0] = 3;
        nodes.remove(b);
        let second = nodes.publish();
        assert!(first.block(a).iter().all(|&x| x == 1) && first.exists(b) && first.is_live(a));
        assert!(second.block(a)[0] == 3 && second.block(a)[1] == 2 && !second.exists(b) && second.is_live(a));
        assert_eq!(nodes.insert(), b, "ids come back");
        drop((first, second));
        // A long life in a few slots.
        for round in 0..100_000u32 {
            nodes.edit(a)[0] = round as u8;
            let view = nodes.publish();
            assert_eq!(view.block(a)[0], round as u8);
        }
        assert_eq!(nodes.chunks.len(), 1);
    }

    #[test]
    fn a_node_made_and_removed_between_publications_leaves_nothing() {
        let mut nodes = Nodes::new(32);
        for _ in 0..300_000 {
            let id = nodes.insert();
            nodes.remove(id);
            drop(nodes.publish());
        }
        assert_eq!((nodes.chunks.len(), nodes.ids().count()), (1, 0));
    }
}
