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
mod form;
mod frame;
mod groups;
mod links;
mod nodes;
mod walk;

use crate::{
    Candidate, Change, ExactIndex, IndexError, Metric, Query, Searcher, Shape, Snapshot, Subject,
    VectorIndex,
    contract::last_of_each,
    kernels::{Kernels, prefetch},
    saved::{self, Head, Kind},
    top::Top,
};
use arc_swap::ArcSwap;
use form::{Form, Prepared};
use frame::Frame;
use groups::Groups;
use links::{Care, Choice, Linker, look};
use nodes::{Nodes, Published};
use parking_lot::Mutex;
use rayon::prelude::*;
use roaring::RoaringBitmap;
use std::{cell::RefCell, collections::HashMap, path::Path, sync::Arc};
use walk::{Map, Scratch};

/// No entry: the graph has no node.
const NOWHERE: u32 = u32::MAX;
/// Items of one graph; far below what ids and slots could number.
const MOST: u64 = 1 << 30;

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// How a graph is made and searched. The defaults are measured; see docs/decisions.
#[derive(Clone, Copy, Debug)]
pub struct GraphOptions {
    /// A second byte a dimension for the last comparison; fixed for the life of a graph. Without it about one
    /// in a hundred of the ten nearest is confused with the next.
    pub fine: bool,
    /// Below so many items everything is compared exactly.
    pub graph_from: usize,
    /// Candidates kept while an insertion looks for neighbours.
    pub build_width: usize,
    /// Candidates kept during a search that names no width. More finds more and takes longer.
    pub width: usize,
    /// How much of a detour (in squared distance) lets a link be left out.
    pub detour: f32,
}

impl Default for GraphOptions {
    fn default() -> Self {
        Self { fine: false, graph_from: 2000, build_width: 100, width: 100, detour: 1.0 }
    }
}

/// A graph that takes changes while it is searched.
pub struct GraphIndex {
    shape: Shape,
    options: GraphOptions,
    newest: ArcSwap<GraphSnapshot>,
    writer: Mutex<Writer>,
    /// Two saves into one folder would fight for the same names.
    saving: Mutex<()>,
}

/// One consistent state.
pub struct GraphSnapshot {
    shape: Shape,
    seq: u64,
    len: usize,
    width: usize,
    body: Body,
}

enum Body {
    Small(Arc<Snapshot>),
    Graph(View),
}

struct View {
    frame: Arc<Frame>,
    form: Form,
    nodes: Published,
    groups: Arc<Groups>,
    entry: u32,
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
    entry: u32,
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
        let newest = ArcSwap::from_pointee(writer.publish(seq, shape, options.width));
        Self { shape, options, newest, writer: Mutex::new(writer), saving: Mutex::default() }
    }

    /// The newest consistent state; never waits for writers.
    #[must_use]
    pub fn snapshot(&self) -> Arc<GraphSnapshot> {
        self.newest.load_full()
    }

    /// Opens what [`VectorIndex::save`] saved; the layout is the saved one.
    ///
    /// # Errors
    /// Missing; damaged, with the offset; other model, dimension or metric.
    pub fn open(dir: &Path, shape: Shape, options: GraphOptions) -> Result<Self, IndexError> {
        let (head, mut reader) = saved::open(dir, &[Kind::Exact, Kind::Graph])?;
        head.shape.must_be(shape, dir)?;
        let writer = match head.kind {
            Kind::Exact => Writer::Small(ExactIndex::from_saved(head, reader)?),
            Kind::Graph => Writer::Graph(Box::new(Graph::from_saved(head, &mut reader, &options)?)),
        };
        Ok(Self::around(options, head.seq, writer, shape))
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
        let body = Body::Graph(View { groups, ..graph.view() });
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
        self.newest.store(Arc::new(writer.publish(seq, self.shape, self.options.width)));
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
        let _one = self.saving.lock();
        let state = self.snapshot();
        match &state.body {
            Body::Small(small) => small.save_as(dir, state.seq)?,
            Body::Graph(view) => view.save(dir, &state)?,
        }
        Ok(state.seq)
    }
}

impl Writer {
    fn publish(&mut self, seq: u64, shape: Shape, width: usize) -> GraphSnapshot {
        let (len, body) = match self {
            Self::Small(small) => (small.snapshot().len(), Body::Small(small.snapshot())),
            Self::Graph(graph) => (graph.of.len(), Body::Graph(graph.view())),
        };
        GraphSnapshot { shape, seq, len, width, body }
    }
}

impl Graph {
    fn new(frame: Frame, form: Form, options: &GraphOptions) -> Self {
        Self {
            frame: Arc::new(frame),
            form,
            care: Care { width: options.build_width.max(8), detour: options.detour },
            nodes: Nodes::new(form.stride),
            groups: Arc::default(),
            of: HashMap::new(),
            dying: Vec::new(),
            changed: 0,
            entry: NOWHERE,
        }
    }

    /// With the items of a small index, in a frame around them and what is about to come.
    fn from_small(small: &Snapshot, coming: &[Change], options: &GraphOptions) -> Self {
        let shape = small.shape();
        let mut sum = vec![0.0f64; shape.dim];
        let mut count = 0.0;
        let mut held = Vec::with_capacity(small.len());
        small.for_each(|item, group, vector| {
            held.push(Change::Put { item, group, vector: vector.to_vec() });
        });
        for change in held.iter().chain(coming) {
            if let Change::Put { vector, .. } = change {
                sum.iter_mut().zip(vector).for_each(|(sum, x)| *sum += f64::from(*x));
                count += 1.0;
            }
        }
        let centre: Vec<f32> = sum.iter().map(|x| (x / f64::max(count, 1.0)) as f32).collect();
        let form = Form::new(shape.dim, options.fine);
        let mut graph = Self::new(Frame::new(shape, &centre), form, options);
        graph.apply(&held, &mut |_| ());
        graph
    }

    fn view(&mut self) -> View {
        View {
            frame: self.frame.clone(),
            form: self.form,
            nodes: self.nodes.publish(),
            groups: self.groups.clone(),
            entry: self.entry,
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
                groups.remove(self.form.header(self.nodes.block(node)).group, node);
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
            self.form.write(self.nodes.edit(node), item, group, turned);
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
            reached.follow(&self.nodes, &self.form, self.entry);
            let lost: Vec<u32> = self.nodes.ids().filter(|&id| !reached.is(id)).collect();
            if lost.is_empty() {
                return;
            }
            for node in lost {
                if reached.is(node) {
                    continue;
                }
                let query = Prepared::new(&self.form.decode(self.nodes.block(node)));
                let mut near = Vec::new();
                SCRATCH.with_borrow_mut(|scratch| {
                    self.map().walk(&query, self.care.width, scratch, |id, _, far| near.push((far, id)));
                });
                near.retain(|&(_, id)| reached.is(id));
                near.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
                let place = near.iter().find_map(|&(_, id)| {
                    let links = self.form.links(self.nodes.block(id));
                    if links.len() < form::DEGREE {
                        return Some((id, links.len()));
                    }
                    let place = links.iter().rposition(|&to| reached.referrers[to as usize] > 1)?;
                    reached.referrers[links[place] as usize] -= 1;
                    Some((id, place))
                });
                if let Some((id, place)) = place {
                    linker.link(&mut self.nodes, id, place, node);
                    reached.follow(&self.nodes, &self.form, node);
                }
            }
        }
    }

    fn off_centre(&self, node: u32) -> f32 {
        self.form.header(self.nodes.block(node)).norm
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
            if self.form.links(self.nodes.block(node)).iter().any(|&id| dying(id)) {
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
        let [fine, end, entry, existing, ..] = first;
        let form = Form::new(head.shape.dim, fine == 1);
        let dim = head.shape.dim;
        let states_at = 32 + 4 * dim as u64;
        let blocks_at = (states_at + u64::from(end)).next_multiple_of(64);
        // The payload is as long as the file, so this bounds what is reserved below.
        let expected = blocks_at + u64::from(existing) * form.stride as u64;
        if reader.payload() != expected || fine > 1 || existing > end {
            return Err(reader.damaged(0, "the numbers at the front do not fit the length"));
        }
        let mut centre = vec![0.0f32; dim];
        reader.take(bytemuck::cast_slice_mut(&mut centre))?;
        let mut states = vec![0u8; (blocks_at - states_at) as usize];
        reader.take(&mut states)?;
        let states = &states[..end as usize];
        let there = |id: u32| states.get(id as usize).is_some_and(|&state| state > 0);
        if !centre.iter().all(|x| x.is_finite())
            || states.iter().any(|&state| state > 2)
            || states.iter().filter(|&&state| state > 0).count() != existing as usize
            || states.iter().filter(|&&state| state == 2).count() as u64 != head.items
            || !there(entry)
        {
            return Err(reader.damaged(32, "the table of nodes makes no sense"));
        }
        let mut graph = Self::new(Frame::new(head.shape, &centre), form, options);
        graph.entry = entry;
        // Ids come back as they were, vacant ones too.
        let vacant: Vec<u32> = (0..end).filter(|&id| !there(id)).collect();
        for id in 0..end {
            let given = graph.nodes.insert();
            assert_eq!(given, id, "ids are given in order");
        }
        let groups = Arc::make_mut(&mut graph.groups);
        let mut at = blocks_at;
        for id in (0..end).filter(|&id| there(id)) {
            let block = graph.nodes.edit(id);
            reader.take(block)?;
            let links = form.links(block);
            if !form.is_sound(block) || !links.iter().all(|&to| there(to) && to != id) {
                return Err(reader.damaged(at, "a node makes no sense"));
            }
            let header = *form.header(block);
            if states[id as usize] == 2 {
                groups.insert(header.group, id);
                graph.nodes.set_live(id, true);
                if graph.of.insert(header.item, id).is_some() {
                    return Err(reader.damaged(at, "an item is there twice"));
                }
            } else {
                graph.dying.push(id);
            }
            at += form.stride as u64;
        }
        vacant.iter().for_each(|&id| graph.nodes.remove(id));
        Ok(graph)
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
    fn follow(&mut self, table: &nodes::Table, form: &Form, from: u32) {
        self.referrers[from as usize] += 1;
        let mut open = vec![from];
        while let Some(id) = open.pop() {
            if std::mem::replace(&mut self.is[id as usize], true) {
                continue;
            }
            for &to in form.links(table.block(id)) {
                self.referrers[to as usize] += 1;
                if !self.is(to) {
                    open.push(to);
                }
            }
        }
    }
}

impl View {
    fn save(&self, dir: &Path, state: &GraphSnapshot) -> Result<(), IndexError> {
        let head = Head { kind: Kind::Graph, shape: state.shape, seq: state.seq, items: state.len as u64 };
        let (nodes, form) = (&self.nodes, &self.form);
        saved::save(dir, head, |writer| {
            let existing = nodes.ids().count() as u32;
            let first = [u32::from(form.fine), nodes.end(), self.entry, existing, 0, 0, 0, 0];
            writer.put(bytemuck::cast_slice(&first))?;
            writer.put(bytemuck::cast_slice(self.frame.centre()))?;
            let mut states: Vec<u8> =
                (0..nodes.end()).map(|id| u8::from(nodes.exists(id)) + u8::from(nodes.is_live(id))).collect();
            let states_at = 32 + 4 * state.shape.dim;
            states.resize((states_at + states.len()).next_multiple_of(64) - states_at, 0);
            writer.put(&states)?;
            nodes.ids().try_for_each(|id| writer.put(nodes.block(id)))
        })
    }

    /// Compares all of `nodes` by codes and keeps the best.
    fn scan(&self, query: &Prepared, nodes: &[u32], fine: bool, mut keep: impl FnMut(u32, &[u8], f32)) {
        let kernels = Kernels::detected();
        for (i, &node) in nodes.iter().enumerate() {
            if let Some(&ahead) = nodes.get(i + 6) {
                prefetch(self.nodes.block(ahead), self.form.padded.div_ceil(64) + 1);
            }
            let block = self.nodes.block(node);
            let distance = if fine {
                self.form.fine_distance(kernels, query, block)
            } else {
                self.form.distance(kernels, query, block)
            };
            keep(node, block, distance);
        }
    }

    fn search(&self, query: &Query<'_>, len: usize, mut width: usize) -> Vec<Candidate> {
        let k = query.k.min(len);
        if k == 0 {
            return Vec::new();
        }
        let turned = self.frame.turn(query.vector);
        let prepared = Prepared::new(&turned);
        let kernels = Kernels::detected();
        let map = Map { kernels, table: &self.nodes, form: &self.form, entry: self.entry };
        // In the first round candidates stand under their node, and the nearness is minus the distance by
        // the first byte; what is too many for the answer is for the second byte to sort out.
        let first = || Top::new(if self.form.fine { k + k / 2 + 8 } else { k }, query.one_per_group);
        let push = |top: &mut Top, node: u32, block: &[u8], distance: f32| {
            if -distance >= top.floor() {
                top.push(Candidate {
                    item: node,
                    group: self.form.header(block).group,
                    similarity: -distance,
                });
            }
        };
        let all: Vec<u32>;
        let mut few = Vec::new();
        width = width.max(k + k / 4);
        let mut top = first();
        // What comparing all that pass costs against walking: a node of a scan costs a fifth of a step of a
        // walk, and a walk that must find `width` passing ones takes `width * len / passing` steps.
        let most = if query.exact { usize::MAX } else { ((40 * width) as f64 * len as f64).sqrt() as usize };
        let scanned = match query.groups {
            Some(groups) => {
                self.groups.collect(groups, most, &mut few);
                (few.len() <= most).then_some(&few)
            }
            None if query.exact || len <= width => {
                all = self.nodes.ids().filter(|&id| self.nodes.is_live(id)).collect();
                Some(&all)
            }
            None => None,
        };
        if let Some(nodes) = scanned {
            self.scan(&prepared, nodes, query.exact, |node, block, distance| {
                push(&mut top, node, block, distance)
            });
        } else {
            if let Some(groups) = query.groups {
                let share = self.groups.share(groups).max(1.0 / 64.0);
                width = (width as f64 / share) as usize;
            }
            if query.one_per_group {
                width += width / 2;
            }
            loop {
                SCRATCH.with_borrow_mut(|scratch| {
                    map.walk(&prepared, width, scratch, |node, block, far| {
                        if -far >= top.floor() && self.nodes.is_live(node) {
                            let passes =
                                |groups: &RoaringBitmap| groups.contains(self.form.header(block).group);
                            if query.groups.is_none_or(passes) {
                                push(&mut top, node, block, far);
                            }
                        }
                    });
                });
                if top.len() >= k {
                    break;
                }
                // Too few: the neighbourhood holds too little that passes, or too few groups.
                top = first();
                width *= 4;
                if width >= len {
                    let mut nodes = Vec::new();
                    match query.groups {
                        Some(groups) => self.groups.collect(groups, usize::MAX, &mut nodes),
                        None => nodes.extend(self.nodes.ids().filter(|&id| self.nodes.is_live(id))),
                    }
                    self.scan(&prepared, &nodes, false, |node, block, far| push(&mut top, node, block, far));
                    break;
                }
            }
        }
        let length = if self.frame.shape.metric == Metric::L2 { 1.0 } else { frame::length(query.vector) };
        let mut answer = Top::new(k, query.one_per_group);
        for candidate in top.into_sorted() {
            let block = self.nodes.block(candidate.item);
            let distance = if self.form.fine && !query.exact {
                self.form.fine_distance(kernels, &prepared, block)
            } else {
                -candidate.similarity
            };
            let header = self.form.header(block);
            let similarity = self.frame.similarity(distance, length);
            answer.push(Candidate { item: header.item, group: header.group, similarity });
        }
        answer.into_sorted()
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

    /// Bytes that nodes and their table take; 0 while everything is compared exactly.
    #[must_use]
    pub fn graph_bytes(&self) -> usize {
        match &self.body {
            Body::Small(_) => 0,
            Body::Graph(view) => view.nodes.bytes(),
        }
    }

    fn without_body(&self) -> Self {
        let body = Body::Small(Arc::new(Snapshot::empty(self.shape)));
        Self { shape: self.shape, seq: self.seq, len: self.len, width: self.width, body }
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
        self.search_with(query, self.width)
    }
    fn items_of(&self, groups: &RoaringBitmap) -> Vec<(u32, u32)> {
        match &self.body {
            Body::Small(small) => small.items_of(groups),
            Body::Graph(view) => {
                let mut nodes = Vec::new();
                view.groups.collect(groups, usize::MAX, &mut nodes);
                let header = |&node: &u32| view.form.header(view.nodes.block(node));
                nodes.iter().map(header).map(|header| (header.item, header.group)).collect()
            }
        }
    }
}
