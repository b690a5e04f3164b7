//! The best few of many candidates.
use crate::Candidate;
use std::{cmp::Ordering, collections::HashMap};

/// Keeps the best `k` candidates, or the best one of each of the best `k` groups.
///
/// A sorted array: `k` is small beside the number of rejected candidates, which cost one comparison each.
pub(crate) struct Top {
    k: usize,
    best: Vec<Candidate>,
    /// Similarity held for each group, when only one a group may stay.
    groups: Option<HashMap<u32, Candidate>>,
}

/// Best first; ties by smaller item id.
fn order(a: &Candidate, b: &Candidate) -> Ordering {
    b.similarity.total_cmp(&a.similarity).then(a.item.cmp(&b.item))
}

impl Top {
    /// `k` is capped by the caller at what can be found, so that it may be reserved.
    pub(crate) fn new(k: usize, one_per_group: bool) -> Self {
        Self { k, best: Vec::with_capacity(k.min(4096)), groups: one_per_group.then(HashMap::new) }
    }

    /// What a candidate must at least have; equal ones may still enter by their id.
    pub(crate) fn floor(&self) -> f32 {
        if self.k == 0 {
            f32::INFINITY
        } else if self.best.len() < self.k {
            f32::NEG_INFINITY
        } else {
            self.best[self.k - 1].similarity
        }
    }

    pub(crate) fn push(&mut self, mut new: Candidate) {
        new.similarity += 0.0; // -0 and 0 are one similarity
        if self.k == 0 || self.best.len() == self.k && order(&new, &self.best[self.k - 1]) != Ordering::Less {
            return;
        }
        if let Some(groups) = &mut self.groups
            && let Some(held) = groups.get(&new.group)
        {
            if order(&new, held) != Ordering::Less {
                return;
            }
            let at = self.best.partition_point(|c| order(c, held) == Ordering::Less);
            self.best.remove(at);
        } else if self.best.len() == self.k
            && let Some(worst) = self.best.pop()
            && let Some(groups) = &mut self.groups
        {
            groups.remove(&worst.group);
        }
        let at = self.best.partition_point(|c| order(c, &new) == Ordering::Less);
        self.best.insert(at, new);
        if let Some(groups) = &mut self.groups {
            groups.insert(new.group, new);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.best.len()
    }

    pub(crate) fn into_sorted(self) -> Vec<Candidate> {
        self.best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn c(item: u32, group: u32, similarity: f32) -> Candidate {
        Candidate { item, group, similarity }
    }

    #[test]
    fn ties_go_to_the_smaller_item_whatever_came_first() {
        let mut top = Top::new(2, false);
        [c(9, 0, 1.0), c(3, 0, 1.0), c(5, 0, 1.0), c(1, 0, 0.5)].into_iter().for_each(|x| top.push(x));
        assert_eq!(top.into_sorted().iter().map(|c| c.item).collect::<Vec<_>>(), [3, 5]);
    }

    #[test]
    fn a_group_that_fell_out_may_come_back_better() {
        let mut top = Top::new(2, true);
        [c(1, 1, 0.1), c(2, 2, 0.2), c(3, 3, 0.3), c(4, 1, 0.4), c(5, 3, 0.5)]
            .into_iter()
            .for_each(|x| top.push(x));
        assert_eq!(top.into_sorted(), [c(5, 3, 0.5), c(4, 1, 0.4)]);
    }

    #[test]
    fn none_wanted() {
        let mut top = Top::new(0, true);
        top.push(c(1, 1, 1.0));
        assert!(top.floor() > 1.0 && top.into_sorted().is_empty());
    }
}
