//! The story of a change: acknowledged, looked at, stored, searchable.
//!
//! [`put`] and [`remove`] return when the catalogue has made the change durable. What follows is
//! derived and can be repeated at any time: [`apply_next`] takes the next changes from the log, has
//! unknown pictures looked at by all threads, stores their features by content hash and model (a
//! picture of fifty products, or of a product that comes back, is looked at once), and moves the
//! index forward, which makes the changes searchable all at once.
//!
//! The log says which products changed; what they show now is asked from the catalogue. Applying a
//! change again, or late, therefore gives the same index: rebuilding is following from number 0.

use crate::follower::Core;
use crate::{ChangeStage, EngineError, Features, Result, copies, panel};
use rayon::prelude::*;
use roaring::RoaringBitmap;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use twinset_catalogue::{ChangeRecord, Outcome, Placement, ProductPut};
use twinset_index::{Change, GraphIndex, Searcher, VectorIndex};
use twinset_nets::NetError;
use twinset_photo::{Fault, PictureHash};

/// Changes read from the log at once.
const CHANGES_A_BATCH: usize = 512;
/// New pictures after which a batch is closed: half a second's work of two cores at 6 ms a picture, so that
/// a change does not wait long behind an import, while threads idle at the end of a batch for less than
/// one picture and the time of one transaction.
const PICTURES_A_BATCH: usize = 128;

/// Makes products and pictures durable, in one transaction, and wakes the follower.
pub(crate) fn put(core: &Core, puts: &[ProductPut]) -> Result<Vec<Outcome>> {
    core.check_open()?;
    let outcomes = core.shared.times.of(ChangeStage::Commit, || core.catalogue.put(puts))?;
    core.wake();
    Ok(outcomes)
}

/// Makes removals durable and wakes the follower.
pub(crate) fn remove(core: &Core, ids: &[String]) -> Result<Vec<Outcome>> {
    core.check_open()?;
    let outcomes = core.shared.times.of(ChangeStage::Commit, || core.catalogue.remove(ids))?;
    core.wake();
    Ok(outcomes)
}

/// Hides a product from searches, or shows it again, and wakes the follower.
pub(crate) fn hide(core: &Core, id: &str, hidden: bool) -> Result<Option<u64>> {
    core.check_open()?;
    let change = core.catalogue.hide(id, hidden)?;
    core.wake();
    Ok(change)
}

/// Has the pictures of a product looked at again.
pub(crate) fn look_again(core: &Core, id: &str) -> Result<Option<u64>> {
    core.check_open()?;
    let change = core.catalogue.look_again(id)?;
    core.wake();
    Ok(change)
}

/// What became of [`apply_next`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// These changes are searchable now; `dropped`: some item left the index.
    Applied { seq: u64, changes: u64, dropped: bool },
    /// Nothing left to do.
    Idle,
    /// The shop is closing; what was looked at is stored, nothing was applied.
    Stopped,
}

/// Pictures that were tried and cannot be read, or that the model fails on; they are not tried again before somebody asks
/// for it, the index is made anew or other models come.
pub(crate) type Unreadable = HashSet<PictureHash>;

/// Applies the next changes of the log to `index`.
pub(crate) fn apply_next(core: &Core, index: &GraphIndex, unreadable: &mut Unreadable) -> Result<Step> {
    let snapshot = index.snapshot();
    let changes = core.catalogue.changes_since(snapshot.seq(), CHANGES_A_BATCH)?;
    let Some(first) = changes.first() else { return Ok(Step::Idle) };
    let rows: RoaringBitmap = changes.iter().map(|change| change.row).collect();
    let mut batch = Batch {
        seq: first.seq,
        changes: 0,
        held: snapshot.items_of(&rows).into_iter().collect(),
        shown: BTreeMap::new(),
        vectors: HashMap::new(),
        unknown: Vec::new(),
    };
    batch.plan(core, &changes, unreadable)?;
    if !look_at(core, &mut batch, unreadable)? {
        return Ok(Step::Stopped);
    }
    let edits = batch.edits();
    let dropped = edits.iter().any(|edit| matches!(edit, Change::Remove { .. }));
    core.shared.times.of(ChangeStage::Index, || index.apply(batch.seq, &edits))?;
    core.note_freshness(&changes[..changes.len().min(batch.changes as usize)]);
    Ok(Step::Applied { seq: batch.seq, changes: batch.changes, dropped })
}

/// Changed products with what they show now, up to change `seq`.
struct Batch {
    seq: u64,
    changes: u64,
    /// What the index has of these products, and of some that change later: product row by item. An item
    /// stands for one picture of one product as long as it lives, so what is held need not be looked at.
    held: HashMap<u32, u32>,
    shown: BTreeMap<u32, Vec<Placement>>,
    /// The whole picture's, then those of its panels.
    vectors: HashMap<PictureHash, Vec<Vec<f32>>>,
    /// Pictures that nobody has looked at with these models; each once.
    unknown: Vec<PictureHash>,
}

impl Batch {
    fn plan(&mut self, core: &Core, changes: &[ChangeRecord], unreadable: &Unreadable) -> Result<()> {
        let mut met = HashSet::new();
        for change in changes {
            self.seq = change.seq;
            self.changes += 1;
            if self.shown.contains_key(&change.row) {
                continue;
            }
            let placements = core.catalogue.placements(change.row)?;
            for place in placements.iter().filter(|place| !self.held.contains_key(&place.item)) {
                if !met.insert(place.picture) {
                    continue;
                }
                match core.features(&place.picture)? {
                    Some(features) => {
                        core.count(|c| c.reused += 1);
                        let panels = core.panels(&place.picture)?;
                        self.vectors.insert(place.picture, vectors(features, panels));
                    }
                    // What one model fails on, another may know.
                    None if unreadable.contains(&place.picture)
                        && core.catalogue.why_unreadable(&place.picture)?.is_some() => {}
                    None => self.unknown.push(place.picture),
                }
            }
            self.shown.insert(change.row, placements);
            if self.unknown.len() >= PICTURES_A_BATCH {
                break;
            }
        }
        Ok(())
    }

    /// What the index must let go of and take in.
    fn edits(&self) -> Vec<Change> {
        let shown: HashSet<u32> = self.shown.values().flatten().map(|place| place.item).collect();
        let gone = |&(item, row): &(&u32, &u32)| {
            self.shown.contains_key(row) && !shown.contains(&panel::split(*item).0)
        };
        let mut let_go: Vec<u32> = self.held.iter().filter(gone).map(|(item, _)| *item).collect();
        let_go.sort_unstable();
        let take_in = self.shown.values().flatten().filter(|place| !self.held.contains_key(&place.item));
        let take_in = take_in.flat_map(|place| {
            let vectors = self.vectors.get(&place.picture).map_or(&[][..], Vec::as_slice);
            let most = if panel::has_room(place.item) { vectors.len() } else { vectors.len().min(1) };
            let put = |(n, vector): (usize, &Vec<f32>)| Change::Put {
                item: panel::item(place.item, n),
                group: place.row,
                vector: vector.clone(),
            };
            vectors[..most].iter().enumerate().map(put)
        });
        let_go.into_iter().map(|item| Change::Remove { item }).chain(take_in).collect()
    }
}

fn vectors(whole: Features, panels: Vec<Features>) -> Vec<Vec<f32>> {
    std::iter::once(whole).chain(panels).map(|features| features.embedding).collect()
}

/// What looking at one picture gave.
enum Look {
    /// With its panels, and with what is kept to know its copies.
    Done(PictureHash, Box<Features>, Vec<Features>, Vec<u8>),
    Unreadable(PictureHash, String),
    /// It has left the catalogue since the batch was planned; its removal stands later in the log.
    Gone,
    Stopped,
}

/// Looks at the unknown pictures of a batch on all threads and stores what was seen; `false` if the
/// shop closed before all were done.
fn look_at(core: &Core, batch: &mut Batch, unreadable: &mut Unreadable) -> Result<bool> {
    let looks: Vec<Result<Look>> = core.shared.pool.install(|| {
        // One picture at a time: they differ a hundredfold in size.
        batch.unknown.par_iter().with_max_len(1).map(|picture| look(core, *picture)).collect()
    });
    let compact = core.catalogue.settings().compact_features;
    let (mut seen, mut hashes, mut collages) = (Vec::new(), Vec::new(), Vec::new());
    let mut complete = true;
    let mut failed = None;
    for look in looks {
        match look {
            Ok(Look::Done(picture, features, panels, hash)) => {
                if !panels.is_empty() {
                    collages.push((picture, panel::to_bytes(&panels, compact)));
                }
                seen.push((picture, features, panels));
                hashes.push((picture, hash));
            }
            Ok(Look::Unreadable(picture, reason)) => {
                core.catalogue.mark_unreadable(&picture, &reason)?;
                tracing::warn!(catalogue = %core.catalogue.name(), %picture, %reason, "picture cannot be looked at");
                unreadable.insert(picture);
                core.count(|c| c.unreadable += 1);
            }
            Ok(Look::Gone) => {}
            Ok(Look::Stopped) => complete = false,
            Err(error) => failed = Some(error),
        }
    }
    let rows: Vec<_> =
        seen.iter().map(|(picture, features, _)| (*picture, features.to_bytes(compact))).collect();
    if !rows.is_empty() {
        core.shared.times.of(ChangeStage::Store, || {
            // Features last: a picture that has them is not looked at again.
            core.catalogue.put_features(&copies::stamp(), &hashes)?;
            if !collages.is_empty() {
                core.catalogue.put_features(&panel::stamp(&core.shared.vision.hash()), &collages)?;
            }
            core.catalogue.put_features(&core.shared.vision.hash(), &rows)
        })?;
    }
    core.count(|c| c.computed += seen.len() as u64);
    let seen = seen.into_iter().map(|(picture, features, panels)| (picture, vectors(*features, panels)));
    batch.vectors.extend(seen);
    failed.map_or(Ok(complete), Err)
}

fn look(core: &Core, picture: PictureHash) -> Result<Look> {
    if core.stopping() {
        return Ok(Look::Stopped);
    }
    let Some(bytes) = core.catalogue.picture(&picture)? else { return Ok(Look::Gone) };
    let start = std::time::Instant::now();
    // A decoder that panics on foreign bytes costs this picture, not the follower.
    let looked = catch_unwind(AssertUnwindSafe(|| {
        let (vision, times) = (&core.shared.vision, &core.shared.times);
        let decoded = times.of(ChangeStage::Decode, || core.shared.decode(&bytes))?;
        let features = Features::of(vision, &decoded, times)?;
        let panels = panel::look(vision, &decoded, times)?;
        Ok((features, panels, times.of(ChangeStage::Copies, || copies::kept(&decoded.photo))))
    }));
    if core.shared.share < 1.0 {
        std::thread::sleep(start.elapsed().mul_f32(1.0 / core.shared.share - 1.0));
    }
    Ok(match looked {
        Ok(Ok((features, panels, hash))) => Look::Done(picture, Box::new(features), panels, hash),
        Ok(Err(EngineError::Photo(error))) if error.fault() != Fault::Machine => {
            Look::Unreadable(picture, error.to_string())
        }
        Ok(Err(EngineError::Model(error @ NetError::Failed { .. }))) => {
            Look::Unreadable(picture, error.to_string())
        }
        Ok(Err(error)) => return Err(error),
        Err(_) => Look::Unreadable(picture, "it makes our decoder fail; please send it to us".into()),
    })
}
