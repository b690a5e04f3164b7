//! The obvious index that all others are compared with: a map and a full sort. And chance from a seed.
use roaring::RoaringBitmap;
use std::{cmp::Ordering, collections::BTreeMap};
use twinset_index::{Candidate, Change, Metric, Query, Shape};

/// SplitMix64.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
    /// Sum of four uniforms: bell-shaped, mean 0.
    pub(crate) fn bell(&mut self) -> f32 {
        (0..4).map(|_| (self.next() >> 40) as f32 / (1 << 24) as f32 - 0.5).sum()
    }
    /// A vector of around `clusters` centres, with length 1 for the inner product.
    pub(crate) fn vector(&mut self, shape: Shape, clusters: u64) -> Vec<f32> {
        let mut centre = Self(self.below(clusters.max(1)).wrapping_mul(0x1234_5678_9abc_def1));
        unit(shape, (0..shape.dim).map(|_| centre.bell() + 0.7 * self.bell()).collect())
    }
    /// A vector whose products are exact in f32 whatever the order of summing, with many ties:
    /// for the inner product at most four numbers of one half (length 1 needs four), for L2 small integers.
    pub(crate) fn exact_vector(&mut self, shape: Shape) -> Vec<f32> {
        let mut v = vec![0.0; shape.dim];
        match shape.metric {
            Metric::InnerProduct if shape.dim >= 4 => {
                let mut set = 0;
                while set < 4 {
                    let at = self.below(shape.dim as u64) as usize;
                    if v[at] == 0.0 {
                        v[at] = if self.below(2) == 0 { 0.5 } else { -0.5 };
                        set += 1;
                    }
                }
            }
            Metric::InnerProduct => v[self.below(shape.dim as u64) as usize] = 1.0,
            Metric::L2 => {
                v.iter_mut().for_each(|x| *x = self.below(3) as f32 - 1.0);
                v[0] = 1.0;
            }
        }
        v
    }
}

fn unit(shape: Shape, mut v: Vec<f32>) -> Vec<f32> {
    if shape.metric == Metric::InnerProduct {
        let length = v.iter().map(|x| x * x).sum::<f32>().sqrt();
        v.iter_mut().for_each(|x| *x /= length);
    }
    v
}

pub(crate) fn shape(dim: usize, metric: Metric) -> Shape {
    Shape { dim, metric, stamp: [7; 32] }
}

/// A map and a full sort.
#[derive(Clone)]
pub(crate) struct Model {
    pub(crate) shape: Shape,
    pub(crate) seq: u64,
    pub(crate) items: BTreeMap<u32, (u32, Vec<f32>)>,
}

impl Model {
    pub(crate) fn new(shape: Shape) -> Self {
        Self { shape, seq: 0, items: BTreeMap::new() }
    }
    pub(crate) fn apply(&mut self, seq: u64, changes: &[Change]) {
        self.seq = seq;
        for change in changes {
            match change {
                Change::Put { item, group, vector } => {
                    self.items.insert(*item, (*group, vector.clone()));
                }
                Change::Remove { item } => {
                    self.items.remove(item);
                }
            }
        }
    }
    pub(crate) fn similarity(&self, a: &[f32], b: &[f32]) -> f32 {
        let pairs = a.iter().zip(b).map(|(&x, &y)| (f64::from(x), f64::from(y)));
        match self.shape.metric {
            Metric::InnerProduct => pairs.map(|(x, y)| x * y).sum::<f64>() as f32,
            Metric::L2 => -pairs.map(|(x, y)| (x - y) * (x - y)).sum::<f64>() as f32,
        }
    }
    pub(crate) fn passes(&self, item: u32, groups: Option<&RoaringBitmap>) -> bool {
        self.items.get(&item).is_some_and(|(group, _)| groups.is_none_or(|set| set.contains(*group)))
    }
    pub(crate) fn search(&self, query: &Query<'_>) -> Vec<Candidate> {
        let order = |a: &Candidate, b: &Candidate| match b.similarity.total_cmp(&a.similarity) {
            Ordering::Equal => a.item.cmp(&b.item),
            other => other,
        };
        let mut all: Vec<Candidate> = self
            .items
            .iter()
            .filter(|(item, _)| self.passes(**item, query.groups))
            .map(|(&item, (group, vector))| Candidate {
                item,
                group: *group,
                similarity: self.similarity(query.vector, vector) + 0.0,
            })
            .collect();
        all.sort_by(order);
        if query.one_per_group {
            let mut seen = std::collections::HashSet::new();
            all.retain(|c| seen.insert(c.group));
        }
        all.truncate(query.k);
        all
    }
}
