//! Hard negatives: products that the network takes for each other now come into one batch.
//!
//! A live index holds the last embedding of each product that was trained on lately and is searched exactly. Batches are
//! made ahead of the network, so they read what the index held at the end of the round before the last: always there,
//! whatever the threads do, and a resumed run goes the same way.
use rand::{RngExt, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use crate::losses::Label;

/// Set and number of a product in its sources.
pub(crate) type Place = (usize, usize);

/// Products that are held.
const CAPACITY: usize = 2048;
/// Batches of a round.
const ROUND: u64 = 32;
/// A partner is one of so many nearest.
const NEAREST: usize = 8;

#[derive(Clone, Debug)]
struct Entry {
    label: Label,
    place: Place,
    vector: Vec<f32>,
}

/// What the index held at the end of a round.
#[derive(Debug, Default)]
pub(crate) struct Snapshot(Vec<Entry>);

impl Snapshot {
    /// A product by chance, and one that lies near it and is another.
    pub(crate) fn twins(&self, rng: &mut ChaCha8Rng) -> Option<[Place; 2]> {
        let anchor = self.0.choose(rng)?;
        let mut near: Vec<(f32, &Entry)> = self
            .0
            .iter()
            .filter(|e| e.label.product != anchor.label.product && e.label.family != anchor.label.family)
            .map(|e| (e.vector.iter().zip(&anchor.vector).map(|(a, b)| a * b).sum(), e))
            .collect();
        let most = NEAREST.min(near.len());
        if most == 0 {
            return None;
        }
        near.select_nth_unstable_by(most - 1, |a, b| b.0.total_cmp(&a.0));
        near.truncate(most);
        // The selection leaves no order; the draw must not depend on it.
        near.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.label.product.cmp(&b.1.label.product)));
        Some([anchor.place, near[rng.random_range(0..most)].1.place])
    }
}

#[derive(Debug, Default)]
struct Inner {
    now: Vec<Entry>,
    at: HashMap<u64, usize>,
    next: usize,
    batches: u64,
    rounds: BTreeMap<u64, Arc<Snapshot>>,
}

/// Written by the learner, read by the maker of batches.
#[derive(Debug, Default)]
pub(crate) struct LiveIndex(Mutex<Inner>);

impl LiveIndex {
    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What batch `number` may know; nothing in the first two rounds.
    pub(crate) fn before(&self, number: u64) -> Option<Arc<Snapshot>> {
        let round = (number / ROUND).checked_sub(2)?;
        self.inner().rounds.get(&round).cloned()
    }

    /// Takes the rows of one batch; those without a place are drawn and never come again.
    pub(crate) fn take(&self, dim: usize, rows: &[f32], labels: &[Label], places: &[Option<Place>]) {
        let inner = &mut *self.inner();
        for ((row, label), place) in rows.chunks_exact(dim).zip(labels).zip(places) {
            let Some(place) = *place else { continue };
            let entry = Entry { label: *label, place, vector: row.to_vec() };
            match inner.at.get(&label.product) {
                Some(at) => inner.now[*at] = entry,
                None if inner.now.len() < CAPACITY => {
                    inner.at.insert(label.product, inner.now.len());
                    inner.now.push(entry);
                }
                None => {
                    let at = inner.next;
                    inner.next = (at + 1) % CAPACITY;
                    inner.at.remove(&inner.now[at].label.product);
                    inner.at.insert(label.product, at);
                    inner.now[at] = entry;
                }
            }
        }
        inner.batches += 1;
        if inner.batches.is_multiple_of(ROUND) {
            let round = inner.batches / ROUND - 1;
            inner.rounds.insert(round, Arc::new(Snapshot(inner.now.clone())));
            // A batch that is being made may still ask for the one before the last.
            inner.rounds.retain(|r, _| r + 3 > round);
        }
    }

    /// For a checkpoint.
    pub(crate) fn state(&self) -> BTreeMap<String, Vec<f32>> {
        let inner = self.inner();
        let mut out = BTreeMap::from([
            ("live".to_owned(), vec![inner.next as f32, inner.batches as f32]),
            ("live_now".to_owned(), flat(&inner.now)),
        ]);
        out.extend(inner.rounds.iter().map(|(r, s)| (format!("live_round_{r}"), flat(&s.0))));
        out
    }

    /// From a checkpoint.
    pub(crate) fn restore(&self, dim: usize, state: &BTreeMap<String, Vec<f32>>) {
        let (Some(numbers), Some(now)) = (state.get("live"), state.get("live_now")) else { return };
        let inner = &mut *self.inner();
        (inner.next, inner.batches) = (numbers[0] as usize, numbers[1] as u64);
        inner.now = entries(dim, now);
        inner.at = inner.now.iter().enumerate().map(|(i, e)| (e.label.product, i)).collect();
        let rounds = state.iter().filter_map(|(name, v)| {
            Some((name.strip_prefix("live_round_")?.parse().ok()?, Arc::new(Snapshot(entries(dim, v)))))
        });
        inner.rounds = rounds.collect();
    }
}

/// Numbers of an entry before its vector: two ids and two places in pieces of 16 bits, which f32 holds exactly.
const HEAD: usize = 16;

fn flat(entries: &[Entry]) -> Vec<f32> {
    let pieces = |v: u64| (0..4).map(move |i| ((v >> (16 * i)) & 0xffff) as f32);
    let one = |e: &Entry| {
        let head = [e.label.product, e.label.family, e.place.0 as u64, e.place.1 as u64];
        head.into_iter().flat_map(pieces).chain(e.vector.clone()).collect::<Vec<_>>()
    };
    entries.iter().flat_map(one).collect()
}

fn entries(dim: usize, flat: &[f32]) -> Vec<Entry> {
    let whole = |p: &[f32]| p.iter().rev().fold(0u64, |v, p| (v << 16) | *p as u64);
    flat.chunks_exact(HEAD + dim)
        .map(|e| {
            let [product, family, set, number] = [0, 4, 8, 12].map(|i| whole(&e[i..i + 4]));
            Entry {
                label: Label { product, family },
                place: (set as usize, number as usize),
                vector: e[HEAD..].to_vec(),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn twins_are_near_and_another_product_and_a_restored_index_gives_the_same() {
        let index = LiveIndex::default();
        // Products on a circle; each shares its family with the next one.
        let (n, dim) = (40, 2);
        let angle = |i: usize| i as f32 / n as f32 * std::f32::consts::TAU;
        let rows: Vec<f32> = (0..n).flat_map(|i| [angle(i).cos(), angle(i).sin()]).collect();
        let labels: Vec<Label> = (0..n as u64).map(|i| Label { product: i << 40, family: i / 2 }).collect();
        let places: Vec<Option<Place>> = (0..n).map(|i| (i > 0).then_some((0, i))).collect();
        assert!(index.before(10 * ROUND).is_none());
        (0..ROUND).for_each(|_| index.take(dim, &rows, &labels, &places));
        let seen = index.before(2 * ROUND).unwrap();
        assert!(index.before(2 * ROUND - 1).is_none() && seen.0.len() == n - 1);
        let draw = |snapshot: &Snapshot| -> Vec<[Place; 2]> {
            (0..20).map(|s| snapshot.twins(&mut ChaCha8Rng::seed_from_u64(s)).unwrap()).collect()
        };
        let drawn = draw(&seen);
        for [(_, a), (_, b)] in &drawn {
            let apart = (a + n - b) % n;
            assert!(a / 2 != b / 2 && apart.min(n - apart) <= 6, "{a} {b}");
        }
        let again = LiveIndex::default();
        again.restore(dim, &index.state());
        assert_eq!(draw(&again.before(2 * ROUND).unwrap()), drawn);
        assert_eq!(again.state(), index.state());
    }
}
