//! Walks a graph to the nearest vectors, and never minds that the data changes.
//!
//! In: numbered changes. Out: candidates, of recall rather than certainty. Knows nothing of files' safety
//! ([`crate::saved`] does) nor of products.
//!
//! A small catalogue is searched exactly ([`ExactIndex`]); when it reaches [`GraphOptions::graph_from`] items
//! the graph is made, around the mean of what is there. From then on an insertion walks to its neighbours and
//! links itself in, a removal is noted at once and mended soon: when one item in 64 waits, one sweep gives the
//! places that led to the removed nodes to their neighbours, after which nothing leads there any more and the
//! places are used again. Readers hold [`GraphSnapshot`]s, which share all that did not change.
//!
//! A saved graph is opened in place: what walks follow is checked, the rest is looked at when it is needed, and
//! checked by [`GraphIndex::check_rest`]. When vectors come that vary in other directions than those that the front was
//! learned from, [`GraphIndex::has_drifted`], and [`GraphIndex::relearn`] codes all anew and keeps the links.
mod block;
mod form;
mod frame;
mod groups;
mod learn;
mod links;
mod nodes;
mod walk;

use crate::{
    Candidate, Change, ExactIndex, IndexError, Metric, Query, Searcher, Shape, Snapshot, Subject,
    VectorIndex,
    contract::last_of_each,
    effort::{Efforts, Selectivity},
    kernels::{Kernels, prefetch},
    saved::{self, Head, Kind},
    top::Top,
};
use arc_swap::ArcSwap;
use block::{BLOCK, DEGREE, head, links};
use form::{Fine, Form, Probe};
use frame::Frame;
use groups::Groups;
use links::{Care, Choice, Linker, look};
pub use nodes::Room;
use nodes::{Nodes, Published, SavedFile, Sizes};
use parking_lot::Mutex;
use rayon::prelude::*;
use roaring::RoaringBitmap;
use std::{cell::RefCell, collections::HashMap, path::Path, sync::Arc};
use twinset_disk::{Disk, RealDisk};
use walk::{Map, Scratch};

/// No entry: the graph has no node.
const NOWHERE: u32 = u32::MAX;
/// Planes of new graphs: with one, a search that compared all found 0.996 of the ten nearest of the yardstick's pictures.
const PLANES: usize = 2;
/// New vectors that say whether the front still suits them.
const DRIFT_WINDOW: usize = 1024;
/// Items of one graph; far below what ids and slots could number.
const MOST: u64 = 1 << 30;

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// How a graph is made and searched. The defaults are measured; see docs/decisions.
#[derive(Clone, Debug)]
pub struct GraphOptions {
    /// Below so many items everything is compared exactly.
    pub graph_from: usize,
    /// Candidates kept while an insertion looks for neighbours.
    pub build_width: usize,
    /// Candidates kept during a search, until measured recall says otherwise. More finds more and takes longer.
    pub width: usize,
    /// How much of a detour (in squared distance) lets a link be left out.
    pub detour: f32,
    /// Memory that nodes may take; as much as they need if not said.
    pub room: Option<Room>,
}

impl Default for GraphOptions {
    fn default() -> Self {
        Self { graph_from: 2000, build_width: 100, width: 100, detour: 1.0, room: None }
    }
}

/// A graph that takes changes while it is searched.
pub struct GraphIndex {
    shape: Shape,
    options: GraphOptions,
    newest: ArcSwap<GraphSnapshot>,
    efforts: Arc<Efforts>,
    writer: Mutex<Writer>,
    /// Two saves into one folder would fight for the same names.
    saving: Mutex<()>,
    /// What of the opened file was not read yet.
    unread: Mutex<Option<saved::Reader>>,
    fell_back: Option<IndexError>,
}

/// One consistent state.
pub struct GraphSnapshot {
    shape: Shape,
    seq: u64,
    len: usize,
    efforts: Arc<Efforts>,
    body: Body,
}

enum Body {
    Small(Arc<Snapshot>),
    Graph(Box<View>),
}

struct View {
    frame: Arc<Frame>,
    form: Form,
    nodes: Published,
    groups: Arc<Groups>,
    entry: u32,
    lost: f32,
}

enum Writer {
    Small(ExactIndex),
    Graph(Box<Graph>),
}

/// The writer's side of a graph.
struct Graph {
    frame: Arc<Frame>,
    form: Form,
    care: Care,
    nodes: Nodes,
    groups: Arc<Groups>,
    /// Node of each living item.
    of: HashMap<u32, u32>,
    /// Nodes of removed items, to which others may still lead.
    dying: Vec<u32>,
    /// Insertions and mended nodes since all nodes were seen to be reached.
    changed: usize,
    /// Largest distance between a vector and what is coded of it.
    lost: f32,
    entry: u32,
    drift: Drift,
}

/// What the front leaves out of the vectors that came of late, against those that it was learned from.
#[derive(Default)]
struct Drift {
    vectors: usize,
    rest: f64,
    all: f64,
}

impl GraphIndex {
    /// Empty, for the vectors of one model.
    ///
    /// # Panics
    /// If `shape.dim` is outside 1..=4096.
    #[must_use]
    pub fn new(shape: Shape, options: GraphOptions) -> Self {
        Self::around(options, 0, Writer::Small(ExactIndex::with_shape(shape)), shape)
    }

    fn around(options: GraphOptions, seq: u64, mut writer: Writer, shape: Shape) -> Self {
        let efforts = Arc::new(Efforts::all(options.width));
        let newest = ArcSwap::from_pointee(writer.publish(seq, shape, &efforts));
        Self {
            shape,
            options,
            newest,
            efforts,
            writer: Mutex::new(writer),
            saving: Mutex::default(),
            unread: Mutex::default(),
            fell_back: None,
        }
    }

    /// The newest consistent state; never waits for writers.
    #[must_use]
    pub fn snapshot(&self) -> Arc<GraphSnapshot> {
        self.newest.load_full()
    }

    /// Opens in place what [`VectorIndex::save`] saved; the layout is the saved one. Where the newest state is torn,
    /// the one before is opened, see [`GraphIndex::fell_back`].
    ///
    /// # Errors
    /// Missing; damaged, with the offset; other model, dimension or metric.
    pub fn open(dir: &Path, shape: Shape, options: GraphOptions) -> Result<Self, IndexError> {
        Self::open_on(&RealDisk, dir, shape, options)
    }

    /// [`GraphIndex::open`] on any disk.
    ///
    /// # Errors
    /// As there.
    pub fn open_on(
        disk: &dyn Disk,
        dir: &Path,
        shape: Shape,
        options: GraphOptions,
    ) -> Result<Self, IndexError> {
        let ((head, writer, unread), fell_back) =
            saved::load(disk, dir, &[Kind::Exact, Kind::Graph], |head, mut reader| {
                head.shape.must_be(shape, dir)?;
                if head.kind == Kind::Exact {
                    return Ok((head, Writer::Small(ExactIndex::from_saved(head, reader)?), None));
                }
                let graph = Graph::from_saved(head, &mut reader, &options)?;
                Ok((head, Writer::Graph(Box::new(graph)), Some(reader)))
            })?;
        let index =
            Self { unread: Mutex::new(unread), fell_back, ..Self::around(options, head.seq, writer, shape) };
        for (class, width) in Selectivity::EVERY.into_iter().zip(head.efforts) {
            if width > 0 {
                index.set_effort(class, width as usize);
            }
        }
        Ok(index)
    }

    /// What was wrong with the newest saved state, if an older one was opened instead.
    #[must_use]
    pub fn fell_back(&self) -> Option<&IndexError> {
        self.fell_back.as_ref()
    }

    /// Compares what opening did not read, the numbers of the nodes, with its checksums. It costs reading the file.
    ///
    /// # Errors
    /// Damaged, with the offset: the index is to be made anew.
    pub fn check_rest(&self) -> Result<(), IndexError> {
        let unread = self.unread.lock().take();
        unread.map_or(Ok(()), |mut reader| reader.check_rest())
    }

    /// The vectors that came of late vary in other directions than those that the front was learned from: searches have
    /// to try harder for the same recall until [`GraphIndex::relearn`] was called.
    #[must_use]
    pub fn has_drifted(&self) -> bool {
        match &*self.writer.lock() {
            Writer::Small(_) => false,
            Writer::Graph(graph) => graph.has_drifted(),
        }
    }

    /// Learns from what is there now which directions the front holds, and codes all anew; links stay. Searches
    /// go on, changes wait. `exact` gives the vectors of items, as far as it has them; the others come from their codes.
    pub fn relearn(&self, exact: &(dyn Fn(u32) -> Option<Vec<f32>> + Sync)) {
        let mut writer = self.writer.lock();
        if let Writer::Graph(graph) = &mut *writer {
            **graph = graph.relearned(exact, &self.options);
            self.checkpoint(graph);
        }
    }

    /// [`VectorIndex::save`] on any disk.
    ///
    /// # Errors
    /// As there.
    pub fn save_on(&self, disk: &dyn Disk, dir: &Path) -> Result<u64, IndexError> {
        let _one = self.saving.lock();
        let state = self.snapshot();
        match &state.body {
            Body::Small(small) => small.save_as(disk, dir, state.seq, self.efforts.told())?,
            Body::Graph(view) => view.save(disk, dir, &state)?,
        }
        Ok(state.seq)
    }

    /// Candidates that searches of this class keep on the way.
    #[must_use]
    pub fn effort(&self, class: Selectivity) -> usize {
        self.efforts.get(class)
    }

    /// Sets it, for all searches from now on, in older snapshots too.
    pub fn set_effort(&self, class: Selectivity, width: usize) {
        self.efforts.set(class, width);
    }

    /// Mends now what removals have left, instead of when enough have come together.
    pub fn settle(&self) {
        let mut writer = self.writer.lock();
        if let Writer::Graph(graph) = &mut *writer {
            graph.sweep(&mut |graph| self.checkpoint(graph));
            if graph.changed > 0 {
                graph.tie_up();
            }
            self.checkpoint(graph);
        }
    }

    /// Shows readers the present links; items and number stay as they are.
    fn checkpoint(&self, graph: &mut Graph) {
        let newest = self.newest.load();
        let groups = match &newest.body {
            Body::Graph(view) => view.groups.clone(),
            // The graph is only being made; the small index still answers.
            Body::Small(_) => return,
        };
        let body = Body::Graph(Box::new(View { groups, ..graph.view() }));
        self.newest.store(Arc::new(GraphSnapshot { body, ..newest.without_body() }));
    }
}

impl VectorIndex for GraphIndex {
    fn shape(&self) -> Shape {
        self.shape
    }

    fn apply(&self, seq: u64, changes: &[Change]) -> Result<(), IndexError> {
        self.shape.check_all(changes)?;
        let mut writer = self.writer.lock();
        let covered = self.newest.load().seq;
        if seq < covered {
            return Err(IndexError::TooLate { given: seq, covered });
        }
        if self.newest.load().len as u64 + changes.len() as u64 > MOST {
            return Err(IndexError::Full { limit: MOST });
        }
        let puts = changes.iter().filter(|c| matches!(c, Change::Put { .. })).count();
        if let Writer::Small(small) = &*writer {
            if small.snapshot().len() + puts < self.options.graph_from.max(1) {
                small.apply(seq, changes)?;
            } else {
                let graph = Graph::from_small(&small.snapshot(), changes, &self.options);
                *writer = Writer::Graph(Box::new(graph));
            }
        }
        if let Writer::Graph(graph) = &mut *writer {
            graph.apply(changes, &mut |graph| self.checkpoint(graph));
        }
        if let Writer::Graph(graph) = &*writer
            && graph.of.is_empty()
        {
            // Whatever comes now may lie elsewhere altogether: begin anew.
            *writer = Writer::Small(ExactIndex::with_shape(self.shape));
        }
        self.newest.store(Arc::new(writer.publish(seq, self.shape, &self.efforts)));
        if let Writer::Graph(graph) = &mut *writer {
            let enough = graph.of.len() / 64;
            if graph.dying.len() > enough {
                graph.sweep(&mut |graph| self.checkpoint(graph));
            }
            if graph.changed > enough {
                graph.tie_up();
                self.checkpoint(graph);
            }
        }
        Ok(())
    }

    fn snapshot(&self) -> Arc<dyn Searcher> {
        Self::snapshot(self)
    }

    fn save(&self, dir: &Path) -> Result<u64, IndexError> {
        self.save_on(&RealDisk, dir)
    }
}

impl Writer {
    fn publish(&mut self, seq: u64, shape: Shape, efforts: &Arc<Efforts>) -> GraphSnapshot {
        let (len, body) = match self {
            Self::Small(small) => (small.snapshot().len(), Body::Small(small.snapshot())),
            Self::Graph(graph) => (graph.of.len(), Body::Graph(Box::new(graph.view()))),
        };
        GraphSnapshot { shape, seq, len, efforts: efforts.clone(), body }
    }
}

impl Graph {
    fn new(frame: Frame, planes: usize, options: &GraphOptions) -> Self {
        let form = Form::new(&frame, planes);
        Self {
            frame: Arc::new(frame),
            form,
            care: Care { width: options.build_width.max(8), detour: options.detour },
            nodes: Nodes::new(sizes(form), options.room.clone()),
            groups: Arc::default(),
            of: HashMap::new(),
            dying: Vec::new(),
            changed: 0,
            lost: 0.0,
            entry: NOWHERE,
            drift: Drift::default(),
        }
    }

    /// With the items of a small index, in a frame around them and what is about to come.
    fn from_small(small: &Snapshot, coming: &[Change], options: &GraphOptions) -> Self {
        let shape = small.shape();
        let mut held = Vec::with_capacity(small.len());
        small.for_each(|item, group, vector| {
            held.push(Change::Put { item, group, vector: vector.to_vec() });
        });
        let vectors = held.iter().chain(coming).filter_map(|change| match change {
            Change::Put { vector, .. } => Some(&vector[..]),
            Change::Remove { .. } => None,
        });
        let mut graph = Self::new(Frame::learn(shape, &vectors.collect::<Vec<_>>()), PLANES, options);
        graph.apply(&held, &mut |_| ());
        graph
    }

    /// Some share more than the front was learned to leave out, of enough vectors. An empty rest leaves out nothing.
    fn has_drifted(&self) -> bool {
        let Drift { vectors, rest, all } = self.drift;
        vectors >= DRIFT_WINDOW && rest > all * f64::from(1.25 * self.frame.left_out + 0.02)
    }

    /// The same nodes with the same links in a frame that was learned from them.
    fn relearned(&self, exact: &(dyn Fn(u32) -> Option<Vec<f32>> + Sync), options: &GraphOptions) -> Self {
        let shape = self.frame.shape;
        let vector = |&id: &u32| {
            let item = head(self.nodes.block(id)).item;
            let known = exact(item).filter(|vector| shape.check(Subject::Item(item), vector).is_ok());
            // A removed item's number may be another's by now; its node only serves walks, until it is swept.
            known.filter(|_| self.nodes.is_live(id)).unwrap_or_else(|| {
                self.frame.back(&self.form.decode(self.nodes.near(id), self.nodes.far(id)))
            })
        };
        let ids: Vec<u32> = self.nodes.ids().collect();
        let sample: Vec<u32> = ids.iter().copied().step_by((ids.len() / frame::SAMPLE).max(1)).collect();
        let sample: Vec<Vec<f32>> = sample.par_iter().map(vector).collect();
        let frame = Frame::learn(shape, &sample.iter().map(|x| &x[..]).collect::<Vec<_>>());
        let mut new = Self::new(frame, PLANES, options);
        for id in 0..self.nodes.end() {
            let given = new.nodes.insert();
            assert_eq!(given, id, "ids are given in order");
        }
        for ids in ids.chunks(1024) {
            let turned: Vec<Vec<f32>> = ids.par_iter().map(|id| new.frame.turn(&vector(id))).collect();
            for (&id, turned) in ids.iter().zip(&turned) {
                let (near, far) = new.nodes.records_mut(id);
                new.lost = new.lost.max(new.form.write(near, far, turned));
                new.nodes.edit(id).copy_from_slice(self.nodes.block(id));
                new.nodes.set_live(id, self.nodes.is_live(id));
            }
        }
        (0..self.nodes.end()).filter(|&id| !self.nodes.exists(id)).for_each(|id| new.nodes.remove(id));
        let (groups, of, dying) = (self.groups.clone(), self.of.clone(), self.dying.clone());
        Self { groups, of, dying, changed: self.changed, entry: self.entry, ..new }
    }

    fn view(&mut self) -> View {
        View {
            frame: self.frame.clone(),
            form: self.form,
            nodes: self.nodes.publish(),
            groups: self.groups.clone(),
            entry: self.entry,
            lost: self.lost,
        }
    }

    /// `checkpoint` is called now and then between steps that readers may see: new nodes count only at the
    /// end, all at once. It frees the places of blocks that were copied.
    fn apply(&mut self, changes: &[Change], checkpoint: &mut dyn FnMut(&mut Self)) {
        let last = last_of_each(changes);
        let puts: Vec<(u32, u32, &[f32])> = last
            .iter()
            .filter_map(|change| match change {
                Change::Put { item, group, vector } => Some((*item, *group, &vector[..])),
                Change::Remove { .. } => None,
            })
            .collect();
        let mut new = Vec::with_capacity(puts.len());
        let (mut done, mut unseen) = (0, 0);
        while done < puts.len() {
            // Nodes of one step do not see each other while they look, so that a step must be small beside
            // what is there, and may be looked at by all cores.
            let present = self.of.len() + done;
            let step = (present / 64).clamp(1, 256).min(puts.len() - done);
            self.insert(&puts[done..done + step], &mut new);
            done += step;
            unseen += step;
            if unseen * 1024 > present && done < puts.len() {
                checkpoint(self);
                unseen = 0;
            }
        }
        let groups = Arc::make_mut(&mut self.groups);
        for change in &last {
            if let Some(node) = self.of.remove(&change.item()) {
                groups.remove(head(self.nodes.block(node)).group, node);
                self.nodes.set_live(node, false);
                self.dying.push(node);
            }
        }
        for (&(item, group, _), &node) in puts.iter().zip(&new) {
            self.of.insert(item, node);
            groups.insert(group, node);
            self.nodes.set_live(node, true);
        }
    }

    /// New nodes, linked in but not counting yet; their ids go to `new`.
    fn insert(&mut self, puts: &[(u32, u32, &[f32])], new: &mut Vec<u32>) {
        let kernels = Kernels::detected();
        let first = new.len();
        let turned: Vec<Vec<f32>> = puts.par_iter().map(|put| self.frame.turn(put.2)).collect();
        for (&(item, group, _), turned) in puts.iter().zip(&turned) {
            let node = self.nodes.insert();
            block::write(self.nodes.edit(node), item, group);
            let (near, far) = self.nodes.records_mut(node);
            self.lost = self.lost.max(self.form.write(near, far, turned));
            self.drift.see(turned, frame::front_of(self.frame.lines));
            new.push(node);
        }
        // The most central node is the entry: from the rim some regions would be hard to reach.
        for &node in &new[first..] {
            if self.entry == NOWHERE || self.off_centre(node) < self.off_centre(self.entry) {
                self.entry = node;
            }
        }
        let this = &*self;
        let map = this.map();
        let new = &new[first..];
        let find = |at: usize| {
            SCRATCH
                .with_borrow_mut(|scratch| look(&map, this.care, new[at], &new[..at], &turned[at], scratch))
        };
        let choices: Vec<Choice> = if new.len() < 4 {
            (0..new.len()).map(find).collect()
        } else {
            (0..new.len()).into_par_iter().map(find).collect()
        };
        let linker = Linker { kernels, form: self.form, care: self.care };
        self.changed += new.len();
        for (&node, choice) in new.iter().zip(&choices) {
            linker.join(&mut self.nodes, node, choice);
        }
    }

    fn map(&self) -> Map<'_> {
        Map { kernels: Kernels::detected(), table: &self.nodes, form: &self.form, entry: self.entry }
    }

    /// Sees to it that the entry leads to every node. Choosing good links does not: a node whose few referrers
    /// all preferred another can no longer be found. Such a node takes, from the nearest found one, a place
    /// that leads to where another link leads too.
    fn tie_up(&mut self) {
        self.changed = 0;
        let kernels = Kernels::detected();
        let linker = Linker { kernels, form: self.form, care: self.care };
        // A taken place may itself have been the only way to something; that shows in the next round.
        for _ in 0..4 {
            let mut reached = Reached::new(self.nodes.end());
            reached.follow(&self.nodes, self.entry);
            let lost: Vec<u32> = self.nodes.ids().filter(|&id| !reached.is(id)).collect();
            if lost.is_empty() {
                return;
            }
            for node in lost {
                if reached.is(node) {
                    continue;
                }
                let vector = self.form.decode(self.nodes.near(node), self.nodes.far(node));
                let query = Probe::new(&self.form, &vector);
                let mut near = Vec::new();
                SCRATCH.with_borrow_mut(|scratch| {
                    self.map().walk(&query, self.care.width, scratch, |id, far| near.push((far, id)));
                });
                near.retain(|&(_, id)| reached.is(id));
                near.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
                let place = near.iter().find_map(|&(_, id)| {
                    let block = self.nodes.block(id);
                    let links = &block::places(block)[..block::count(block)];
                    if links.len() < DEGREE {
                        return Some((id, links.len()));
                    }
                    let place = links.iter().rposition(|&to| reached.referrers[to as usize] > 1)?;
                    reached.referrers[links[place] as usize] -= 1;
                    Some((id, place))
                });
                if let Some((id, place)) = place {
                    linker.link(&mut self.nodes, id, place, node);
                    reached.follow(&self.nodes, node);
                }
            }
        }
    }

    fn off_centre(&self, node: u32) -> f32 {
        self.form.norm(self.nodes.near(node))
    }

    /// Mends all links to dying nodes and gives these up.
    fn sweep(&mut self, checkpoint: &mut dyn FnMut(&mut Self)) {
        if self.dying.is_empty() {
            return;
        }
        let end = self.nodes.end();
        let mut is_dying = vec![false; end as usize];
        self.dying.iter().for_each(|&node| is_dying[node as usize] = true);
        let dying = |id: u32| is_dying[id as usize];
        let kernels = Kernels::detected();
        if dying(self.entry) {
            let staying = self.nodes.ids().filter(|&id| !dying(id));
            let central = staying.min_by(|&a, &b| self.off_centre(a).total_cmp(&self.off_centre(b)));
            self.entry = central.unwrap_or(NOWHERE);
        }
        let linker = Linker { kernels, form: self.form, care: self.care };
        let mut mended = 0;
        for node in 0..end {
            if !self.nodes.exists(node) || dying(node) {
                continue;
            }
            if links(self.nodes.block(node)).any(dying) {
                linker.mend(&mut self.nodes, node, dying);
                mended += 1;
                self.changed += 1;
                if mended % (end / 64).max(64) == 0 {
                    checkpoint(self);
                }
            }
        }
        for node in std::mem::take(&mut self.dying) {
            self.nodes.remove(node);
        }
    }

    fn from_saved(
        head: Head,
        reader: &mut saved::Reader,
        options: &GraphOptions,
    ) -> Result<Self, IndexError> {
        let mut first = [0u32; 8];
        reader.take(bytemuck::cast_slice_mut(&mut first))?;
        let [lines, learned, end, entry, lost, degree, planes, left_out] = first;
        // Version 1 had zeros here: one plane, and nothing was known of what is left out.
        let (planes, left_out) = (planes.max(1) as usize, f32::from_bits(left_out));
        let dim = head.shape.dim;
        let lines = (lines as usize).clamp(1, 1 + dim.div_ceil(32));
        let front = frame::front_of(lines);
        let damaged = |reader: &saved::Reader, at, what| Err(reader.damaged(at, what));
        let fits = match learned {
            0 => front >= dim,
            1 => front < dim,
            _ => false,
        };
        // The payload is as long as the file, so this bounds what is reserved below.
        if !fits
            || first[0] as usize != lines
            || degree as usize != DEGREE
            || planes > 2
            || !(0.0..=1.0).contains(&left_out)
            || u64::from(end) > reader.payload()
            || !end.is_multiple_of(64)
        {
            return damaged(reader, 0, "the numbers at the front make no sense");
        }
        let mut floats = vec![0.0f32; dim + if learned == 1 { front * dim } else { 0 }];
        if 4 * floats.len() as u64 > reader.payload() {
            return damaged(reader, 0, "the numbers at the front do not fit the length");
        }
        reader.take(bytemuck::cast_slice_mut(&mut floats))?;
        let lost = f32::from_bits(lost);
        if !(floats.iter().all(|x| x.is_finite()) && lost.is_finite() && lost >= 0.0) {
            return damaged(reader, 32, "the frame is not finite");
        }
        let basis = floats.split_off(dim);
        let frame = Frame::with(head.shape, floats, basis, lines, left_out);
        let mut graph = Self::new(frame, planes, options);
        let form = graph.form;
        let sections = Sections::new(&graph.frame, form, end);
        if reader.payload() != sections.end {
            return damaged(reader, 0, "the numbers at the front do not fit the length");
        }
        (graph.entry, graph.lost) = (entry, lost);
        reader.skip_to(sections.states)?;
        let mut states = vec![0u8; end as usize];
        reader.take(&mut states)?;
        let there = |id: u32| states.get(id as usize).is_some_and(|&state| state > 0);
        if states.iter().any(|&state| state > 2)
            || states.iter().filter(|&&state| state == 2).count() as u64 != head.items
            || !there(entry)
        {
            return damaged(reader, sections.states, "the table of nodes makes no sense");
        }
        let mut pairs = Vec::with_capacity(head.items as usize);
        graph.of.reserve(head.items as usize);
        reader.skip_to(sections.blocks)?;
        let mut lot = vec![0u32; 64 * BLOCK / 4];
        for first in (0..end).step_by(64) {
            reader.take(bytemuck::cast_slice_mut(&mut lot))?;
            for (id, block) in (first..).zip(bytemuck::cast_slice::<_, u8>(&lot).chunks_exact(BLOCK)) {
                if !there(id) {
                    continue;
                }
                let at = sections.blocks + u64::from(id) * BLOCK as u64;
                if !block::is_sound(block) || !links(block).all(|to| there(to) && to != id) {
                    return damaged(reader, at, "the links of a node make no sense");
                }
                let owner = *block::head(block);
                if states[id as usize] == 1 {
                    graph.dying.push(id);
                    continue;
                }
                pairs.push((owner.group, id));
                if graph.of.insert(owner.item, id).is_some() {
                    return damaged(reader, at, "an item is there twice");
                }
            }
        }
        graph.groups = Arc::new(Groups::of(pairs));
        let file = SavedFile::map(reader.path()).map_err(IndexError::io("cannot map", reader.path()))?;
        let at = [sections.blocks, sections.near, sections.far];
        graph.nodes = Nodes::of_saved(sizes(form), options.room.clone(), &file, at, &states);
        Ok(graph)
    }
}

impl Drift {
    /// The latest count most: what was seen before loses half its weight now and then.
    fn see(&mut self, turned: &[f32], front: usize) {
        let squared = |x: &[f32]| f64::from(x.iter().map(|x| x * x).sum::<f32>());
        let (front, rest) = turned.split_at(front);
        self.rest += squared(rest);
        self.all += squared(front) + squared(rest);
        self.vectors += 1;
        if self.vectors == 2 * DRIFT_WINDOW {
            *self = Self { vectors: DRIFT_WINDOW, rest: self.rest / 2.0, all: self.all / 2.0 };
        }
    }
}

fn sizes(form: Form) -> Sizes {
    Sizes { block: BLOCK, near: form.near, far: form.far }
}

/// Where the parts of a saved graph begin, each on a page of its own.
struct Sections {
    states: u64,
    blocks: u64,
    near: u64,
    far: u64,
    end: u64,
}

impl Sections {
    fn new(frame: &Frame, form: Form, end: u32) -> Self {
        let after = |start: u64, size: usize| (start + u64::from(end) * size as u64).next_multiple_of(4096);
        let floats = frame.centre().len() + frame.basis().len();
        let states = (32 + 4 * floats as u64).next_multiple_of(4096);
        let blocks = after(states, 1);
        let near = after(blocks, BLOCK);
        let far = after(near, form.near);
        Self { states, blocks, near, far, end: after(far, form.far) }
    }
}

/// The nodes that the entry leads to, and by how many links.
struct Reached {
    referrers: Vec<u32>,
    is: Vec<bool>,
}

impl Reached {
    fn new(end: u32) -> Self {
        Self { referrers: vec![0; end as usize], is: vec![false; end as usize] }
    }
    fn is(&self, id: u32) -> bool {
        self.is[id as usize]
    }
    fn follow(&mut self, table: &nodes::Table, from: u32) {
        self.referrers[from as usize] += 1;
        let mut open = vec![from];
        while let Some(id) = open.pop() {
            if std::mem::replace(&mut self.is[id as usize], true) {
                continue;
            }
            for to in links(table.block(id)) {
                self.referrers[to as usize] += 1;
                if !self.is(to) {
                    open.push(to);
                }
            }
        }
    }
}

impl View {
    fn save(&self, disk: &dyn Disk, dir: &Path, state: &GraphSnapshot) -> Result<(), IndexError> {
        let efforts = state.efforts.told();
        let items = state.len as u64;
        let head = Head { kind: Kind::Graph, shape: state.shape, seq: state.seq, items, efforts };
        let (nodes, form, frame) = (&self.nodes, self.form, &self.frame);
        let sections = Sections::new(frame, form, nodes.end());
        saved::save(disk, dir, head, |writer| {
            let learned = u32::from(!frame.basis().is_empty());
            let lost = self.lost.to_bits();
            let (planes, left_out) = (form.planes as u32, frame.left_out.to_bits());
            let first =
                [frame.lines as u32, learned, nodes.end(), self.entry, lost, DEGREE as u32, planes, left_out];
            writer.put(bytemuck::cast_slice(&first))?;
            writer.put(bytemuck::cast_slice(frame.centre()))?;
            writer.put(bytemuck::cast_slice(frame.basis()))?;
            writer.fill_to(sections.states)?;
            let state = |id| u8::from(nodes.exists(id)) + u8::from(nodes.is_live(id));
            writer.put(&(0..nodes.end()).map(state).collect::<Vec<u8>>())?;
            writer.fill_to(sections.blocks)?;
            type Part = for<'a> fn(&'a nodes::Table, u32) -> &'a [u8];
            let parts: [(u64, usize, Part); 3] = [
                (sections.blocks, BLOCK, nodes::Table::block),
                (sections.near, form.near, nodes::Table::near),
                (sections.far, form.far, nodes::Table::far),
            ];
            for (at, size, part) in parts {
                writer.fill_to(at)?;
                let none = vec![0; size];
                for id in 0..nodes.end() {
                    writer.put(if nodes.exists(id) { part(nodes, id) } else { &none })?;
                }
            }
            writer.fill_to(sections.end)
        })
    }

    /// Tells `keep` of all `nodes` with their distances by the near records.
    fn scan(&self, map: &Map<'_>, query: &Probe, nodes: &[u32], mut keep: impl FnMut(u32, f32)) {
        const AHEAD: usize = 16;
        nodes.iter().take(AHEAD).for_each(|&id| prefetch(self.nodes.near(id), self.form.near / 64));
        for (i, part) in nodes.chunks(8).enumerate() {
            for &id in nodes.iter().skip(8 * i + AHEAD).take(8) {
                prefetch(self.nodes.near(id), self.form.near / 64);
            }
            map.compare(query, part, |met| keep(met.id(), met.distance()));
        }
    }

    /// All living nodes that pass.
    fn passing(&self, groups: Option<&RoaringBitmap>, nodes: &mut Vec<u32>) {
        match groups {
            Some(groups) => self.groups.collect(groups, nodes),
            None => nodes.extend(self.nodes.ids().filter(|&id| self.nodes.is_live(id))),
        }
    }

    /// Compares the few nearest once more, by all that is coded.
    fn rank(
        &self,
        query: &Query<'_>,
        fine: &Fine,
        k: usize,
        nodes: impl Iterator<Item = u32> + Clone,
    ) -> Vec<Candidate> {
        /// Requests under way at once: what a disk likes, and no more than the caches hold.
        const AHEAD: usize = 48;
        let kernels = Kernels::detected();
        nodes.clone().take(AHEAD).for_each(|id| self.nodes.expect_far(id));
        let mut ahead = nodes.clone().skip(AHEAD);
        let length = if self.frame.shape.metric == Metric::L2 { 1.0 } else { frame::length(query.vector) };
        let mut top = Top::new(k, query.one_per_group);
        for id in nodes {
            if let Some(id) = ahead.next() {
                self.nodes.expect_far(id);
            }
            let distance = self.form.fine_distance(kernels, fine, self.nodes.near(id), self.nodes.far(id));
            let similarity = self.frame.similarity(distance, length);
            if similarity >= top.floor() {
                let &block::Head { item, group, .. } = head(self.nodes.block(id));
                top.push(Candidate { item, group, similarity });
            }
        }
        top.into_sorted()
    }

    fn search(&self, query: &Query<'_>, len: usize, mut width: usize) -> Vec<Candidate> {
        let k = query.k.min(len);
        if k == 0 {
            return Vec::new();
        }
        let fine = Fine::new(&self.form, &self.frame.turn(query.vector));
        let map =
            Map { kernels: Kernels::detected(), table: &self.nodes, form: &self.form, entry: self.entry };
        let mut few = Vec::new();
        if query.exact {
            self.passing(query.groups, &mut few);
            return self.rank(query, &fine, k, few.into_iter());
        }
        width = width.max(k + k / 4);
        // Those that go on to the last comparison: the harder a search tries, the farther down by estimate it looks.
        let least = 5 * k + 14;
        let ranked = width.min(least + width.saturating_sub(least) / 2);
        let share = query.groups.map(|groups| self.groups.share(groups));
        // What comparing all that pass costs against walking: measured at 128 and 784 dimensions, a node of a scan
        // costs a 32nd of a place in a walk's pool, looking up whether one passes a 48th, and a walk that must find
        // `width` passing ones needs `width / share` places.
        let looked_up = query.groups.map_or(0, |groups| self.groups.looked_up(groups));
        let scan = share.unwrap_or(32.0) * len as f64 / 32.0 + looked_up as f64 / 48.0;
        if scan * share.unwrap_or(1.0) <= width as f64 {
            self.passing(query.groups, &mut few);
            return self.rank_scanned(query, &map, &fine, k, ranked, &few);
        }
        if query.groups.is_none() && !query.one_per_group {
            return SCRATCH.with_borrow_mut(|scratch| {
                map.walk(&fine.probe, width, scratch, |_, _| ());
                let living = scratch.pool.iter().map(|met| met.id()).filter(|&id| self.nodes.is_live(id));
                self.rank(query, &fine, k, living.take(ranked))
            });
        }
        if let Some(share) = share {
            width = (width as f64 / share.max(1.0 / 64.0)) as usize;
        }
        if query.one_per_group {
            width += width / 2;
        }
        while width < len {
            let mut top = Top::new(ranked, query.one_per_group);
            SCRATCH.with_borrow_mut(|scratch| {
                map.walk(&fine.probe, width, scratch, |node, far| {
                    if -far >= top.floor() && self.nodes.is_live(node) {
                        let group = head(self.nodes.block(node)).group;
                        if query.groups.is_none_or(|groups| groups.contains(group)) {
                            top.push(Candidate { item: node, group, similarity: -far });
                        }
                    }
                });
            });
            if top.len() >= k {
                return self.rank(query, &fine, k, top.into_sorted().iter().map(|c| c.item));
            }
            // Too few: the neighbourhood holds too little that passes, or too few groups.
            width *= 4;
        }
        few.clear();
        self.passing(query.groups, &mut few);
        self.rank_scanned(query, &map, &fine, k, ranked, &few)
    }

    /// The best of `nodes`, all of which are compared.
    fn rank_scanned(
        &self,
        query: &Query<'_>,
        map: &Map<'_>,
        fine: &Fine,
        k: usize,
        ranked: usize,
        nodes: &[u32],
    ) -> Vec<Candidate> {
        if nodes.len() <= ranked {
            return self.rank(query, fine, k, nodes.iter().copied());
        }
        let mut top = Top::new(ranked, query.one_per_group);
        self.scan(map, &fine.probe, nodes, |node, far| {
            if -far >= top.floor() {
                let group = if query.one_per_group { head(self.nodes.block(node)).group } else { 0 };
                top.push(Candidate { item: node, group, similarity: -far });
            }
        });
        self.rank(query, fine, k, top.into_sorted().iter().map(|c| c.item))
    }
}

impl GraphSnapshot {
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

    /// As [`Searcher::search`], with so many candidates kept on the way: more finds more and takes longer.
    ///
    /// # Errors
    /// As [`Searcher::search`].
    pub fn search_with(&self, query: &Query<'_>, width: usize) -> Result<Vec<Candidate>, IndexError> {
        self.shape.check(Subject::Query, query.vector)?;
        match &self.body {
            Body::Small(small) => small.search(query),
            Body::Graph(view) => Ok(view.search(query, self.len, width.max(1))),
        }
    }

    /// How much of this state the query's filter lets pass, about.
    #[must_use]
    pub fn selectivity(&self, query: &Query<'_>) -> Selectivity {
        let Some(groups) = query.groups else { return Selectivity::All };
        Selectivity::of_share(match &self.body {
            Body::Small(small) => small.items_of(groups).len() as f64 / self.len.max(1) as f64,
            Body::Graph(view) => view.groups.share(groups),
        })
    }

    /// Largest difference to be expected between a similarity told here and the true one, for a query of length
    /// 1: six standard deviations of what the worst of all codes leaves out, since the random turn spreads that
    /// over all directions of the front alike. 0 while vectors are kept as they are.
    #[must_use]
    pub fn margin(&self) -> f32 {
        match &self.body {
            Body::Small(_) => 0.0,
            // A centred query of length 1 is at most twice as long.
            Body::Graph(view) => 6.0 * 2.0 * view.lost / (frame::front_of(view.frame.lines) as f32).sqrt(),
        }
    }

    /// About `count` items, spread over all, as (item, group); `chance` chooses among such samples.
    #[must_use]
    pub fn sample(&self, count: usize, chance: u64) -> Vec<(u32, u32)> {
        let mut found = Vec::new();
        let step = (self.len / count.max(1)).max(1);
        let first = chance as usize % step;
        match &self.body {
            Body::Small(small) => small.for_each(|item, group, _| found.push((item, group))),
            Body::Graph(view) => {
                found.extend(view.nodes.ids().filter(|&id| view.nodes.is_live(id)).map(|id| {
                    let head = head(view.nodes.block(id));
                    (head.item, head.group)
                }))
            }
        }
        found.into_iter().skip(first).step_by(step).take(count).collect()
    }

    /// Removed items that walks still go through, until they are swept; none while everything is compared exactly.
    #[must_use]
    pub fn removed(&self) -> usize {
        match &self.body {
            Body::Small(_) => 0,
            Body::Graph(view) => view.nodes.ids().filter(|&id| !view.nodes.is_live(id)).count(),
        }
    }

    /// Bytes of memory that nodes and their table take; 0 while everything is compared exactly.
    #[must_use]
    pub fn graph_bytes(&self) -> usize {
        match &self.body {
            Body::Small(_) => 0,
            Body::Graph(view) => view.nodes.bytes(),
        }
    }

    /// Bytes of nodes that had no room in memory.
    #[must_use]
    pub fn disk_bytes(&self) -> usize {
        match &self.body {
            Body::Small(_) => 0,
            Body::Graph(view) => view.nodes.cold_bytes(),
        }
    }

    fn without_body(&self) -> Self {
        let body = Body::Small(Arc::new(Snapshot::empty(self.shape)));
        Self { shape: self.shape, seq: self.seq, len: self.len, efforts: self.efforts.clone(), body }
    }
}

impl Searcher for GraphSnapshot {
    fn seq(&self) -> u64 {
        self.seq
    }
    fn len(&self) -> usize {
        self.len
    }
    fn search(&self, query: &Query<'_>) -> Result<Vec<Candidate>, IndexError> {
        self.search_with(query, self.efforts.get(self.selectivity(query)))
    }
    fn items_of(&self, groups: &RoaringBitmap) -> Vec<(u32, u32)> {
        match &self.body {
            Body::Small(small) => small.items_of(groups),
            Body::Graph(view) => {
                let mut nodes = Vec::new();
                view.groups.collect(groups, &mut nodes);
                let owner = |&node: &u32| head(view.nodes.block(node));
                nodes.iter().map(owner).map(|head| (head.item, head.group)).collect()
            }
        }
    }
}
