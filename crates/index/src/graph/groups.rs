//! The nodes of each group, so that a filter that lets few through costs only those few.
//!
//! Leaves of 64 groups, shared between snapshots and copied when one of their groups changes.
use roaring::RoaringBitmap;
use std::{collections::BTreeMap, sync::Arc};

const LEAF: u32 = 64;
/// The nodes of fewer groups are counted, those of more are guessed.
const SMALL: u64 = 256;

/// (group, node) pairs by ascending group.
#[derive(Clone, Default)]
pub(crate) struct Groups {
    leaves: BTreeMap<u32, Arc<Vec<(u32, u32)>>>,
    pairs: usize,
}

impl Groups {
    /// Of all pairs at once.
    pub(crate) fn of(mut pairs: Vec<(u32, u32)>) -> Self {
        pairs.sort_unstable();
        let leaves = pairs.chunk_by(|a, b| a.0 / LEAF == b.0 / LEAF);
        let leaves = leaves.map(|leaf| (leaf[0].0 / LEAF, Arc::new(leaf.to_vec()))).collect();
        Self { leaves, pairs: pairs.len() }
    }

    pub(crate) fn insert(&mut self, group: u32, node: u32) {
        let leaf = Arc::make_mut(self.leaves.entry(group / LEAF).or_default());
        let at = leaf.partition_point(|&pair| pair < (group, node));
        leaf.insert(at, (group, node));
        self.pairs += 1;
    }

    pub(crate) fn remove(&mut self, group: u32, node: u32) {
        let Some(leaf) = self.leaves.get_mut(&(group / LEAF)) else { return };
        if let Ok(at) = leaf.binary_search(&(group, node)) {
            Arc::make_mut(leaf).remove(at);
            self.pairs -= 1;
        }
        if leaf.is_empty() {
            self.leaves.remove(&(group / LEAF));
        }
    }

    /// Which share of the nodes is in `set`; of a large one about, from some leaves spread over all.
    pub(crate) fn share(&self, set: &RoaringBitmap) -> f64 {
        if set.len() < SMALL {
            let mut nodes = Vec::new();
            self.collect(set, &mut nodes);
            return nodes.len() as f64 / self.pairs.max(1) as f64;
        }
        let (mut all, mut passing) = (0, 0);
        for leaf in self.leaves.values().step_by((self.leaves.len() / 64).max(1)) {
            // A group may have many nodes: some pairs of each leaf are enough.
            let some = || leaf.iter().step_by((leaf.len() / 16).max(1));
            all += some().count();
            passing += some().filter(|pair| set.contains(pair.0)).count();
        }
        passing as f64 / f64::from(all.max(1) as u32)
    }

    /// How many pairs [`Groups::collect`] looks up in `set`: none where it looks up the groups of the set instead, which
    /// costs about as much as four pairs each.
    pub(crate) fn looked_up(&self, set: &RoaringBitmap) -> usize {
        if 4 * set.len() < self.pairs as u64 { 0 } else { self.pairs }
    }

    /// Appends the nodes of all groups in `set` to `nodes`.
    pub(crate) fn collect(&self, set: &RoaringBitmap, nodes: &mut Vec<u32>) {
        if self.looked_up(set) == 0 {
            let mut leaf: Option<(u32, &[(u32, u32)])> = None;
            for group in set {
                let (key, pairs) = match leaf {
                    Some(leaf) if leaf.0 == group / LEAF => leaf,
                    _ => (group / LEAF, self.leaves.get(&(group / LEAF)).map_or(&[][..], |leaf| leaf)),
                };
                leaf = Some((key, pairs));
                let from = pairs.partition_point(|pair| pair.0 < group);
                nodes.extend(pairs[from..].iter().take_while(|pair| pair.0 == group).map(|pair| pair.1));
            }
        } else {
            for leaf in self.leaves.values() {
                nodes.extend(leaf.iter().filter(|pair| set.contains(pair.0)).map(|pair| pair.1));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_collecting_agree_and_old_copies_stay() {
        let mut groups = Groups::default();
        for node in 0..5000 {
            groups.insert(node * 7 % 1000, node);
        }
        let pairs =
            |groups: &Groups| groups.leaves.values().flat_map(|leaf| leaf.to_vec()).collect::<Vec<_>>();
        let old = Groups::of(pairs(&groups));
        assert_eq!((pairs(&old), old.pairs), (pairs(&groups), 5000));
        for node in (0..5000).step_by(2) {
            groups.remove(node * 7 % 1000, node);
            groups.remove(node * 7 % 1000, node);
        }
        groups.insert(u32::MAX, 9);
        for step in [1, 3, 400, 1000] {
            let set: RoaringBitmap = (0..1000).step_by(step).chain([u32::MAX]).collect();
            for (groups, living) in [(&old, 1), (&groups, 2)] {
                let mut found = Vec::new();
                groups.collect(&set, &mut found);
                found.retain(|&node| node != 9 || living == 1);
                found.sort_unstable();
                let wanted = |n: &u32| (living == 1 || n % 2 == 1 && *n != 9) && set.contains(n * 7 % 1000);
                assert_eq!(found, (0..5000).filter(wanted).collect::<Vec<_>>());
            }
        }
    }
}
