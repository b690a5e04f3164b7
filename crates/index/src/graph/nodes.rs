//! What is stored of each node, shared between one writer and any number of readers.
//!
//! Of each node there are two *records*, which never change while it lives, and one *block*, which does. All lie
//! in large maps. A record is found by the node's id alone. A block is copied when it is edited for the first
//! time after a publication, and found through a table. [`Nodes::publish`] hands out a [`Published`] view that
//! stays as it is while the writer goes on: readers never wait, never see half an edit, and a change costs the
//! copies of the thirty-odd small blocks that it touches, not the index.
//!
//! The maps are memory, or the saved file itself: a private map, whose pages are read when they are first looked at and
//! copied when they are written, so that the file stays as it is. When nodes take more memory than they may
//! ([`Room`]), the second records, which only the last comparison of a search reads, move to a file without a name;
//! the few that a search wants are asked for all at once ([`Table::expect_far`]) and read by the system side by side.
//!
//! Unsafe code: readers and the writer share the maps. Why that is sound: a *place* (a block's slot, or the id
//! under which records lie) is written only through `&mut Nodes` and only while it is *fresh*: taken since the
//! last publication, so that no view's table leads to it. It becomes free again only when the token of the last
//! view whose table had it, and of all older views, is gone. A borrow of a block or record borrows the view (or
//! the writer), which keeps the token and the maps alive. A chunk that moves is copied and replaced in the writer's
//! table alone, so that views keep theirs. Mapped files change under nobody's hands: a saved one is never written
//! again, only removed, which leaves its maps alone; the other has no name.
#![allow(unsafe_code)]

use crate::kernels::prefetch;
use memmap2::{MmapMut, MmapOptions};
use std::{
    collections::VecDeque,
    fs::File,
    io::{self, Seek, SeekFrom, Write},
    ops::Deref,
    path::{Path, PathBuf},
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
    /// Keeps the memory; only ever written through `start`. Chunks of a saved file share its map.
    map: Arc<MmapMut>,
    start: *mut u8,
    bytes: usize,
    /// A private map of a saved file.
    saved: bool,
    /// On the disk, and in memory only while it is used.
    cold: bool,
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

    /// Makes room for one more chunk of pieces.
    fn grow(&mut self) {
        self.chunks.push(Chunk::in_memory(self.size << self.chunk_bits, !self.chunks.is_empty()));
    }

    /// The first `count` pieces from byte `at` of a saved file on.
    fn of_saved(size: usize, file: &SavedFile, at: usize, count: usize, cold: bool) -> Self {
        let mut slab = Self::new(size);
        let (bytes, all) = (size << slab.chunk_bits, count * size);
        for from in (0..all).step_by(bytes) {
            let there = Arc::new(file.chunk(at + from, bytes.min(all - from), cold));
            slab.chunks.push(there);
            if all - from < bytes {
                // The file has no room for the rest of the last one.
                slab.move_to(slab.chunks.len() - 1, Chunk::in_memory(bytes, false));
            }
        }
        slab
    }

    /// Puts the bytes of a chunk into another, which is no shorter. Views keep the one that they have.
    fn move_to(&mut self, at: usize, to: Arc<Chunk>) {
        let from = &self.chunks[at];
        assert!(from.bytes <= to.bytes);
        // SAFETY: both are as long as that and lie in different maps; `to` is nobody else's yet, and only the
        // writer, who is here, writes to `from`.
        unsafe { std::ptr::copy_nonoverlapping(from.start, to.start, from.bytes) };
        self.chunks[at] = to;
    }

    fn chunk_of(&self, at: u32) -> usize {
        (at >> self.chunk_bits) as usize
    }

    /// Asks for a piece that will be read soon; only a hint.
    fn expect(&self, at: u32) {
        let chunk = &*self.chunks[self.chunk_of(at)];
        if !chunk.cold {
            return prefetch(self.get(at), self.size.div_ceil(64));
        }
        #[cfg(unix)]
        {
            let offset = self.place(at).addr() - chunk.map.as_ptr().addr();
            let _ = chunk.map.advise_range(memmap2::Advice::WillNeed, offset, self.size);
        }
    }

    #[inline]
    fn place(&self, at: u32) -> *mut u8 {
        let chunk = &*self.chunks[self.chunk_of(at)];
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

    fn bytes(&self, cold: bool) -> usize {
        self.chunks.iter().filter(|chunk| chunk.cold == cold).map(|chunk| chunk.bytes).sum()
    }
}

impl Chunk {
    /// Ends the process when memory is out, as `Vec` does.
    fn in_memory(bytes: usize, huge: bool) -> Arc<Self> {
        let Ok(map) = MmapMut::map_anon(bytes) else {
            std::alloc::handle_alloc_error(std::alloc::Layout::new::<u8>())
        };
        // Random reads over gigabytes: huge pages save a tenth of the time. A kernel may refuse. A small
        // shop has but one chunk, and would pay for all of it.
        #[cfg(target_os = "linux")]
        if huge {
            let _ = map.advise(memmap2::Advice::HugePage);
        }
        #[cfg(not(target_os = "linux"))]
        let _ = huge;
        Arc::new(Self::of_map(map, false))
    }

    fn of_map(mut map: MmapMut, cold: bool) -> Self {
        let (start, bytes) = (map.as_mut_ptr(), map.len());
        Self { map: Arc::new(map), start, bytes, saved: false, cold }
    }
}

/// A saved file, mapped.
pub(crate) struct SavedFile(Chunk);

impl SavedFile {
    /// # Errors
    /// Of the system.
    pub(crate) fn map(path: &Path) -> io::Result<Self> {
        // SAFETY: a saved file is not written again (see the top).
        let map = unsafe { MmapOptions::new().map_copy(&File::open(path)?)? };
        Ok(Self(Chunk { saved: true, ..Chunk::of_map(map, false) }))
    }

    fn chunk(&self, at: usize, bytes: usize, cold: bool) -> Chunk {
        let Self(all) = self;
        assert!(at + bytes <= all.bytes);
        #[cfg(unix)]
        let _ = all.map.advise_range(
            if cold { memmap2::Advice::Random } else { memmap2::Advice::WillNeed },
            at,
            bytes,
        );
        // SAFETY: within the map.
        let start = unsafe { all.start.add(at) };
        Chunk { map: all.map.clone(), start, bytes, saved: true, cold }
    }
}

/// Memory that nodes may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// Bytes in memory. Links and the first records stay there even if they alone are more.
    pub memory_bytes: u64,
    /// Where a file is made for what is over. It has no name, and is gone with the process.
    pub folder: PathBuf,
}

/// The file for what has no room in memory.
struct Spill {
    room: Room,
    file: Option<File>,
    end: u64,
}

impl Spill {
    fn chunk(&mut self, bytes: usize) -> io::Result<Arc<Chunk>> {
        let mut file = match &self.file {
            Some(file) => file,
            None => self.file.insert(tempfile::tempfile_in(&self.room.folder)?),
        };
        // Written, not left a hole, so that a full disk is an error here and no signal later.
        file.seek(SeekFrom::Start(self.end))?;
        file.write_all(&vec![0; bytes])?;
        // SAFETY: nobody else can open this file.
        let map = unsafe { MmapOptions::new().offset(self.end).len(bytes).map_mut(file)? };
        #[cfg(unix)]
        let _ = map.advise(memmap2::Advice::Random);
        self.end += (bytes as u64).next_multiple_of(1 << 16);
        Ok(Arc::new(Chunk::of_map(map, true)))
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

    /// Asks for the second record, which will be read soon.
    pub(crate) fn expect_far(&self, id: u32) {
        self.far.expect(id);
    }

    /// Bytes in memory.
    pub(crate) fn bytes(&self) -> usize {
        let slabs: usize = [&self.blocks, &self.near, &self.far].map(|slab| slab.bytes(false)).iter().sum();
        slabs + self.pages.len() * (size_of::<Page>() + 24)
    }

    /// Bytes on the disk alone.
    pub(crate) fn cold_bytes(&self) -> usize {
        self.far.bytes(true)
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
    spill: Option<Spill>,
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
    pub(crate) fn new(sizes: Sizes, room: Option<Room>) -> Self {
        let Sizes { block, near, far } = sizes;
        Self::around([block, near, far].map(Slab::new), room)
    }

    fn around([blocks, near, far]: [Slab; 3], room: Option<Room>) -> Self {
        Self {
            table: Table { pages: Vec::new(), blocks, near, far },
            ids: Places::default(),
            slots: Places::default(),
            newest: Weak::new(),
            waiting: VecDeque::new(),
            spill: room.map(|room| Spill { room, file: None, end: 0 }),
        }
    }

    /// As `file` has them, in place: blocks, first and second records from these bytes on, one for each of `states`:
    /// 0 vacant, 1 not live, 2 live. If that is more than may be in memory, the second records stay on the disk.
    pub(crate) fn of_saved(
        sizes: Sizes,
        room: Option<Room>,
        file: &SavedFile,
        at: [u64; 3],
        states: &[u8],
    ) -> Self {
        let sizes = [sizes.block, sizes.near, sizes.far];
        let all = states.len() * sizes.iter().sum::<usize>();
        let cold = room.as_ref().is_some_and(|room| all as u64 > room.memory_bytes);
        let mut part = 0;
        let slabs = sizes.map(|size| {
            part += 1;
            let far = part == sizes.len();
            let mut slab = Slab::of_saved(size, file, at[part - 1] as usize, states.len(), cold && far);
            if cold && !far {
                // Walks go everywhere: these must not make way for pages of second records.
                for chunk in 0..slab.chunks.len() {
                    slab.move_to(chunk, Chunk::in_memory(size << slab.chunk_bits, true));
                }
            }
            slab
        });
        let mut nodes = Self::around(slabs, room);
        let entry = |(id, &state): (usize, &u8)| match state {
            0 => NO_SLOT,
            1 => id as u32,
            _ => id as u32 | LIVE,
        };
        let entries: Vec<u32> = states.iter().enumerate().map(entry).collect();
        nodes.table.pages = entries.as_chunks().0.iter().map(|page| Arc::new(Page(*page))).collect();
        let vacant: Vec<u32> = (0..).zip(&entries).filter(|e| *e.1 == NO_SLOT).map(|e| e.0).collect();
        nodes.ids.is_fresh = vec![0; states.len().div_ceil(64)];
        nodes.slots.add(states.len(), nodes.table.blocks.room());
        for places in [&mut nodes.ids, &mut nodes.slots] {
            places.free.extend(vacant.iter().rev());
        }
        nodes
    }

    /// Moves second records out of memory while nodes take more of it than they may. If the disk is full they stay.
    fn keep_room(&mut self) {
        let Some(spill) = &mut self.spill else { return };
        let mut held = self.table.bytes() as u64;
        for at in 0..self.table.far.chunks.len() {
            let Chunk { bytes, cold, .. } = *self.table.far.chunks[at];
            if held <= spill.room.memory_bytes {
                return;
            }
            if !cold {
                let Ok(chunk) = spill.chunk(bytes) else { return };
                self.table.far.move_to(at, chunk);
                held -= bytes as u64;
            }
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
        while self.table.near.room() <= id as usize {
            self.table.near.grow();
            self.keep_room();
        }
        while self.table.far.room() <= id as usize {
            self.table.far.grow();
            self.keep_room();
        }
        let far = self.table.far.chunk_of(id);
        if let Chunk { saved: true, cold: true, bytes, .. } = *self.table.far.chunks[far]
            && let Some(spill) = &mut self.spill
            && let Ok(chunk) = spill.chunk(bytes)
        {
            // Pages of a private map that are written would stay in memory.
            self.table.far.move_to(far, chunk);
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
            let first = self.table.blocks.room();
            self.table.blocks.grow();
            let room = self.table.blocks.room();
            assert!(room <= NO_SLOT as usize, "the callers limit the items to far less");
            self.slots.add(first, room);
            self.keep_room();
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
        let mut nodes = Nodes::new(SMALL, None);
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
        let mut nodes = Nodes::new(SMALL, None);
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
        let mut nodes = Nodes::new(SMALL, None);
        let id = nodes.insert();
        let _view = nodes.publish();
        let _ = nodes.records_mut(id);
    }

    #[test]
    fn a_full_room_moves_second_records_to_the_disk_and_old_views_keep_theirs() {
        let folder = tempfile::tempdir().unwrap();
        let room = Room { memory_bytes: 1, folder: folder.path().into() };
        let mut nodes = Nodes::new(SMALL, Some(room));
        let (mut views, many) = (Vec::new(), 200_000u32);
        for n in 0..many {
            let id = nodes.insert();
            nodes.records_mut(id).1.fill(n as u8);
            if n % 50_000 == 0 {
                views.push((nodes.publish(), n));
            }
        }
        views.push((nodes.publish(), many - 1));
        assert!(nodes.far.chunks.len() > 2 && nodes.far.chunks.iter().all(|chunk| chunk.cold));
        assert_eq!(nodes.cold_bytes(), nodes.far.bytes(true));
        for (view, last) in views {
            for id in (0..=last).step_by(997) {
                view.expect_far(id);
                assert!(view.far(id).iter().all(|&x| x == id as u8));
            }
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the file has no name");
    }

    #[test]
    fn nodes_of_a_file_are_as_it_says_and_the_file_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nodes");
        let end = 3 * PAGE;
        let states: Vec<u8> = (0..end).map(|id| (id % 3) as u8).collect();
        let at = [4096, 4096 + 64 * end as u64, 4096 + 128 * end as u64];
        let byte = |id: usize, part: usize| (id * 7 + part) as u8;
        let mut bytes = vec![9u8; 4096];
        for (part, size) in [64, 64, 32].into_iter().enumerate() {
            (0..end).for_each(|id| bytes.extend(vec![byte(id, part); size]));
        }
        std::fs::write(&path, &bytes).unwrap();
        for memory_bytes in [u64::MAX, 1] {
            let room = Room { memory_bytes, folder: folder.path().into() };
            let file = SavedFile::map(&path).unwrap();
            let mut nodes = Nodes::of_saved(SMALL, Some(room), &file, at, &states);
            let view = nodes.publish();
            assert_eq!(view.end() as usize, end);
            for id in 0..end as u32 {
                let state = states[id as usize];
                assert_eq!((view.exists(id), view.is_live(id)), (state > 0, state == 2));
                if state > 0 {
                    let found = [view.block(id), view.near(id), view.far(id)].map(|part| part[31]);
                    assert_eq!(found, [0, 1, 2].map(|part| byte(id as usize, part)));
                }
            }
            // New nodes take the vacant places first.
            for n in 0..2 * end as u32 {
                let id = nodes.insert();
                assert_eq!(n >= end as u32 / 3, id >= end as u32);
                let (near, far) = nodes.records_mut(id);
                near.fill(1);
                far.fill(2);
                nodes.edit(id).fill(3);
            }
            nodes.edit(1).fill(4);
            assert_eq!((view.block(1)[0], nodes.block(1)[0]), (byte(1, 0), 4));
            assert_eq!(nodes.far(4)[0], byte(4, 2));
            assert_eq!(std::fs::read(&path).unwrap(), bytes);
        }
    }
}
