//! What an operator asks: how far is the index, is it right, which pictures could not be read.

use crate::follower::{Core, State};
use crate::{EngineError, Freshness, Goal, Reading, Result, panel};
use roaring::RoaringBitmap;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use twinset_catalogue::Placement;
use twinset_index::{GraphSnapshot, IndexError, Query, Searcher, check_saved};
use twinset_photo::PictureHash;

/// Products compared with the index at once.
const PRODUCTS_AT_ONCE: usize = 1000;
/// One of so many products is also searched for by its own vector, at least one of each lot.
const SEARCHED_SHARE: usize = 50;
/// A vector finds itself with at least this similarity.
const ITSELF: f32 = 0.999;

/// How far the index is and what befell it since the shop was opened.
#[derive(Clone, Debug)]
pub struct IndexStatus {
    /// What the follower is doing.
    pub state: State,
    /// Changes up to this number are searchable.
    pub seq: u64,
    /// The last acknowledged change.
    pub last_seq: u64,
    /// Pictures of products in the index.
    pub items: u64,
    /// Removed pictures that searches still walk through, until they are swept.
    pub removed: u64,
    /// The saved index covers changes up to this number.
    pub saved_seq: u64,
    /// Hash of the models whose vectors it holds, 64 hex digits.
    pub model: String,
    /// Pictures looked at.
    pub computed: u64,
    /// Pictures whose stored features were used again.
    pub reused: u64,
    /// Pictures of the catalogue that cannot be read.
    pub unreadable: u64,
    /// Stored features that were damaged and computed again.
    pub damaged_features: u64,
    /// Damaged index files that were set aside.
    pub quarantined: Vec<PathBuf>,
    /// How long changes take until searches see them.
    pub freshness: Freshness,
    /// Why the follower does not get on, if so; it keeps trying.
    pub last_error: Option<String>,
    /// Searches compare everything; a catalogue of some thousand pictures gets a graph.
    pub exact: bool,
    /// Bytes of memory that the graph takes.
    pub bytes: u64,
    /// Bytes of memory that it may take, if that is limited.
    pub memory_bytes: Option<u64>,
    /// Bytes of it that had no room there and lie on the disk alone.
    pub disk_bytes: u64,
    /// What was wrong with the saved index when it was opened, if the state before it was used instead.
    pub fell_back: Option<String>,
    /// What searches aim at.
    pub goal: Goal,
    /// How well they do, by class of filters; of those that were asked.
    pub recall: Vec<Reading>,
}

/// Differences between the catalogue and its index. Products that change meanwhile are left out.
#[derive(Clone, Debug, Default)]
pub struct VerifyReport {
    /// The state of the index that was compared.
    pub seq: u64,
    /// Pictures of products that were compared.
    pub checked: u64,
    /// In the catalogue, looked at, and not in the index.
    pub missing: Vec<u32>,
    /// In the index, and not in the catalogue.
    pub extra: Vec<u32>,
    /// Pictures that were searched for by their own vectors.
    pub searched: u64,
    /// Those of them that were not found as themselves.
    pub wrong: Vec<u32>,
    /// What is wrong with the saved file; `None`: it is whole, or nothing was saved yet.
    pub file: Option<String>,
}

impl VerifyReport {
    /// Nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.missing.is_empty() && self.extra.is_empty() && self.wrong.is_empty() && self.file.is_none()
    }
}

/// A picture that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Which.
    pub picture: PictureHash,
    /// What was wrong with it.
    pub reason: String,
    /// Products that show it, with the name of the image.
    pub shown_by: Vec<(String, String)>,
}

pub(crate) fn status(core: &Core) -> Result<IndexStatus> {
    let last_seq = core.catalogue.last_seq()?;
    let unreadable = core.catalogue.unreadable()?.len() as u64;
    let index = core.index();
    let snapshot = index.snapshot();
    let removed = snapshot.removed() as u64;
    Ok(core.look(|desk| IndexStatus {
        // By what is searchable, not by whether the follower has looked around for more.
        state: match desk.state {
            State::Ready | State::CatchingUp if desk.seq < last_seq => State::CatchingUp,
            State::Ready | State::CatchingUp => State::Ready,
            busy => busy,
        },
        seq: desk.seq,
        last_seq,
        items: snapshot.len() as u64,
        removed,
        saved_seq: desk.saved_seq,
        model: core.shared.vision.name(),
        computed: desk.counters.computed,
        reused: desk.counters.reused,
        unreadable,
        damaged_features: core.catalogue.damaged_features() + desk.counters.damaged_features,
        quarantined: desk.quarantined.clone(),
        freshness: desk.freshness.told(),
        last_error: desk.last_error.clone(),
        exact: snapshot.margin() == 0.0,
        bytes: snapshot.graph_bytes() as u64,
        memory_bytes: core.index_room(),
        disk_bytes: snapshot.disk_bytes() as u64,
        fell_back: index.fell_back().map(ToString::to_string),
        goal: core.gauge.goal(core),
        recall: core.gauge.readings(&index),
    }))
}

pub(crate) fn unreadable(core: &Core) -> Result<Vec<Unreadable>> {
    let mut shown = HashMap::<PictureHash, Vec<(u32, String)>>::new();
    let listed = core.catalogue.unreadable()?;
    if listed.is_empty() {
        return Ok(Vec::new());
    }
    let wanted: HashSet<_> = listed.iter().map(|(picture, _)| *picture).collect();
    each_placement(core, |placement| {
        if wanted.contains(&placement.picture) {
            shown.entry(placement.picture).or_default().push((placement.row, placement.image));
        }
        Ok(())
    })?;
    let list = listed.into_iter().map(|(picture, reason)| {
        let places = shown.remove(&picture).unwrap_or_default();
        let rows: Vec<u32> = places.iter().map(|(row, _)| *row).collect();
        let products = core.catalogue.products_by_row(&rows)?;
        let places = products.into_iter().zip(places);
        let shown_by = places.filter_map(|(product, (_, image))| Some((product?.id, image))).collect();
        Ok(Unreadable { picture, reason, shown_by })
    });
    list.collect()
}

fn each_placement(core: &Core, mut f: impl FnMut(Placement) -> Result<()>) -> Result<()> {
    let mut after = 0;
    loop {
        let lot = core.catalogue.all_placements(after, 4096)?;
        let Some(last) = lot.last() else { return Ok(()) };
        after = last.item;
        lot.into_iter().try_for_each(&mut f)?;
    }
}

pub(crate) fn verify(core: &Core) -> Result<VerifyReport> {
    let snapshot = core.snapshot();
    let mut report = VerifyReport { seq: snapshot.seq(), file: file_fault(core), ..VerifyReport::default() };
    let mut rows = BTreeMap::<u32, Vec<Placement>>::new();
    each_placement(core, |placement| {
        rows.entry(placement.row).or_default().push(placement);
        Ok(())
    })?;
    // Products that left the catalogue and may have stayed in the index: every row that the log knows.
    let mut after = 0;
    loop {
        let lot = core.catalogue.changes_since(after, 4096)?;
        let Some(last) = lot.last() else { break };
        after = last.seq;
        lot.iter().for_each(|change| {
            rows.entry(change.row).or_default();
        });
    }
    let rows: Vec<_> = rows.into_iter().collect();
    for lot in rows.chunks(PRODUCTS_AT_ONCE) {
        compare(core, &snapshot, lot, &mut report)?;
    }
    // What changed since the snapshot was taken may differ, and does not count.
    let mut changed = HashSet::new();
    let mut after = report.seq;
    loop {
        let lot = core.catalogue.changes_since(after, 4096)?;
        let Some(last) = lot.last() else { break };
        after = last.seq;
        changed.extend(lot.iter().map(|change| change.row));
    }
    let row_of: HashMap<u32, u32> =
        rows.iter().flat_map(|(row, shown)| shown.iter().map(|p| (p.item, *row))).collect();
    let settled = |item: &u32| row_of.get(&panel::split(*item).0).is_none_or(|row| !changed.contains(row));
    report.missing.retain(settled);
    report.wrong.retain(settled);
    if !changed.is_empty() {
        let changed: RoaringBitmap = changed.into_iter().collect();
        let moving: HashSet<u32> = snapshot.items_of(&changed).into_iter().map(|(item, _)| item).collect();
        report.extra.retain(|item| !moving.contains(item));
    }
    Ok(report)
}

/// Compares some products with what the index holds of them.
fn compare(
    core: &Core,
    snapshot: &GraphSnapshot,
    lot: &[(u32, Vec<Placement>)],
    report: &mut VerifyReport,
) -> Result<()> {
    let bitmap: RoaringBitmap = lot.iter().map(|(row, _)| *row).collect();
    let held: BTreeSet<u32> = snapshot.items_of(&bitmap).into_iter().map(|(item, _)| item).collect();
    let mut known = BTreeSet::new();
    for (n, (row, shown)) in lot.iter().enumerate() {
        for placement in shown {
            let panels = core.panels(&placement.picture)?.len();
            known.extend((0..=panels).map(|panel| panel::item(placement.item, panel)));
            report.checked += 1;
            let Some(features) = core.features(&placement.picture)? else { continue };
            if !held.contains(&placement.item) {
                report.missing.push(placement.item);
            } else if n % SEARCHED_SHARE == 0 {
                report.searched += 1;
                let groups = RoaringBitmap::from_iter([*row]);
                let query = Query {
                    vector: &features.embedding,
                    k: shown.len().max(1) * 2 * (panel::MOST + 1),
                    groups: Some(&groups),
                    one_per_group: false,
                    exact: true,
                };
                let found = snapshot.search(&query)?;
                if !found.iter().any(|c| c.item == placement.item && c.similarity >= ITSELF) {
                    report.wrong.push(placement.item);
                }
            }
        }
    }
    report.extra.extend(held.difference(&known));
    Ok(())
}

/// A file of other models is none of ours yet: the next save replaces it.
fn file_fault(core: &Core) -> Option<String> {
    match check_saved(&*core.shared.options.disk, &core.index_dir(), core.shape()) {
        Ok(_)
        | Err(IndexError::Missing { .. } | IndexError::OtherStamp { .. } | IndexError::OtherShape { .. }) => {
            None
        }
        Err(error) => Some(EngineError::from(error).to_string()),
    }
}
