//! Two crops, token by token: partners, geometry, parts.

use twinset_photo::Rect;

use crate::geometry::{Match, agreeing};
use crate::score::Measures;
use crate::{LocalFeatures, MAX_TOKENS, simd};

/// A match must be at least this alike, as a cosine.
const LEAST_SIMILARITY: f32 = 0.4;
/// Most parts told.
const MOST_PARTS: usize = 8;
/// With fewer inliers than this share no part is told: chance puts some tokens of any two garments in line, and what is
/// drawn must be what the score rests on (`twinset eval evidence`).
const LEAST_INLIERS: f32 = 0.2;
/// A part larger than this is told as two, if both have enough matches.
const PART_SIDE: f32 = 0.45;
/// Fewest matches of a part that was split off.
const LEAST_OF_PART: usize = 3;
/// Matches of a transform that chance may give, not counted as inliers.
const CHANCE: usize = 3;
/// Share of the hit's tokens that must be seen at least.
const LEAST_SEEN: f32 = 0.4;

/// One matched part. Rects are in 0..=1 of each crop.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// In the query's crop.
    pub query: Rect,
    /// In the hit's crop.
    pub hit: Rect,
    /// Mean cosine of its tokens, 0..=1.
    pub score: f32,
}

/// Outcome of comparing two crops.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// 0..=1, larger is more alike: [`Measures::score`].
    pub score: f32,
    /// Those with the most evidence (matches times likeness) first, at most 8; none if too little is in line.
    pub parts: Vec<Part>,
    /// What the score was made of.
    pub measures: Measures,
}

/// Compares a query's tokens with a stored picture's. The same input always gives the same answer.
/// With no tokens on either side the score is 0.
#[must_use]
pub fn compare(query: &LocalFeatures, hit: &LocalFeatures) -> Comparison {
    if query.is_empty() || hit.is_empty() {
        return Comparison { score: 0.0, parts: Vec::new(), measures: Measures::default() };
    }
    let mut products = vec![0; query.len() * hit.len()];
    simd::similarities(query.vectors(), hit.vectors(), &mut products);
    let partners = Partners::find(&products, query.len(), hit.len());
    let matches = matches(query, hit, &partners);
    let groups = agreeing(&matches);

    let mut regions = Vec::new();
    for group in &groups {
        split(&matches, group.members.clone(), &mut regions);
    }
    let evidence = |region: &Vec<usize>| region.iter().map(|&i| matches[i].similarity).sum::<f32>();
    regions.sort_by(|a, b| evidence(b).total_cmp(&evidence(a)));
    regions.truncate(MOST_PARTS);
    let mut parts: Vec<Part> = regions
        .iter()
        .map(|region| Part {
            query: around(region.iter().map(|&i| matches[i].query), query.cell()),
            hit: around(region.iter().map(|&i| matches[i].hit), hit.cell()),
            score: evidence(region) / region.len() as f32,
        })
        .collect();

    let count = hit.len() as f32;
    let agreed: usize = groups.iter().map(|g| g.members.len().saturating_sub(CHANCE)).sum();
    // A close-up shows a part of the garment: only tokens that should be seen in the query, as its
    // largest group lies, count as missing. Not fewer than a share, or a few chance matches in a
    // corner would be a full house.
    let largest = groups.first();
    let shown = |place| largest.is_none_or(|g| g.in_query(place).iter().all(|x| (0.0..=1.0).contains(x)));
    let seen = |j: &usize| shown(hit.place(*j));
    let expected = ((0..hit.len()).filter(seen).count() as f32).max(LEAST_SEEN * count) - CHANCE as f32;
    let measures = Measures {
        similarity: mean_similarity(hit, &partners),
        mutual: matches.len() as f32 / count,
        inliers: (agreed as f32 / expected.max(1.0)).min(1.0),
        coverage: covered(parts.iter().map(|p| p.hit)),
    };
    if measures.inliers < LEAST_INLIERS {
        parts.clear();
    }
    Comparison { score: measures.score(), parts, measures }
}

/// The best partner of each token on both sides: a product and an index packed into one number, so
/// that the largest number is the best partner, and of equals the first.
struct Partners {
    of_query: Vec<i32>,
    of_hit: Vec<i32>,
}

/// Indexes fit below this; products are at most 64 * 127^2 < 2^20, so both fit into 29 bits.
const INDEX: i32 = MAX_TOKENS as i32;

impl Partners {
    fn find(products: &[i32], queries: usize, hits: usize) -> Self {
        let mut of_query = Vec::with_capacity(queries);
        let mut of_hit = vec![i32::MIN; hits];
        for (i, row) in products.chunks_exact(hits).enumerate() {
            let mut best = i32::MIN;
            let mine = INDEX - 1 - i as i32;
            for (j, (product, other)) in row.iter().zip(&mut of_hit).enumerate() {
                best = best.max(product * INDEX + (INDEX - 1 - j as i32));
                *other = (*other).max(product * INDEX + mine);
            }
            of_query.push(best);
        }
        Self { of_query, of_hit }
    }

    /// Index and cosine of a packed partner.
    fn read(packed: i32) -> (usize, f32) {
        let product = packed.div_euclid(INDEX);
        ((INDEX - 1 - packed.rem_euclid(INDEX)) as usize, product as f32 / (127.0 * 127.0))
    }
}

/// Mutual partners that are alike enough, most alike first.
fn matches(query: &LocalFeatures, hit: &LocalFeatures, partners: &Partners) -> Vec<Match> {
    let mut matches: Vec<Match> = Vec::new();
    for (j, &packed) in partners.of_hit.iter().enumerate() {
        let (i, similarity) = Partners::read(packed);
        if similarity >= LEAST_SIMILARITY && Partners::read(partners.of_query[i]).0 == j {
            matches.push(Match { query: query.place(i), hit: hit.place(j), similarity: similarity.min(1.0) });
        }
    }
    matches.sort_by(|a, b| b.similarity.total_cmp(&a.similarity));
    matches
}

fn mean_similarity(hit: &LocalFeatures, partners: &Partners) -> f32 {
    let (mut sum, mut total) = (0.0, 0.0);
    for (j, &packed) in partners.of_hit.iter().enumerate() {
        let weight = hit.saliency(j) + 0.05;
        sum += weight * Partners::read(packed).1;
        total += weight;
    }
    (sum / total).clamp(0.0, 1.0)
}

/// Splits a group at its widest gap while it is larger than a part should be.
fn split(matches: &[Match], mut group: Vec<usize>, regions: &mut Vec<Vec<usize>>) {
    let extent = |axis: usize| {
        let along = group.iter().map(|&i| matches[i].hit[axis]);
        along.clone().fold(f32::MIN, f32::max) - along.fold(f32::MAX, f32::min)
    };
    let axis = usize::from(extent(1) > extent(0));
    if extent(axis) <= PART_SIDE || group.len() < 2 * LEAST_OF_PART {
        regions.push(group);
        return;
    }
    group.sort_by(|&a, &b| matches[a].hit[axis].total_cmp(&matches[b].hit[axis]).then(a.cmp(&b)));
    // The widest gap; among equals the one nearest to the middle.
    let gap = |at: usize| matches[group[at]].hit[axis] - matches[group[at - 1]].hit[axis];
    let off_middle = |at: usize| (2 * at).abs_diff(group.len());
    let cut = (LEAST_OF_PART..=group.len() - LEAST_OF_PART)
        .max_by(|&a, &b| gap(a).total_cmp(&gap(b)).then(off_middle(b).cmp(&off_middle(a))))
        .unwrap_or(group.len() / 2);
    let rest = group.split_off(cut);
    split(matches, group, regions);
    split(matches, rest, regions);
}

/// The box around the cells of some tokens.
fn around(places: impl Iterator<Item = [f32; 2]>, cell: [f32; 2]) -> Rect {
    let (mut low, mut high) = ([1.0f32; 2], [0.0f32; 2]);
    for place in places {
        for axis in 0..2 {
            low[axis] = low[axis].min(place[axis] - cell[axis] / 2.0);
            high[axis] = high[axis].max(place[axis] + cell[axis] / 2.0);
        }
    }
    Rect::from_corners(low[0].max(0.0), low[1].max(0.0), high[0].min(1.0), high[1].min(1.0))
}

/// Share of the crop under at least one rect, counted on a grid of 32 x 32.
fn covered(rects: impl Iterator<Item = Rect>) -> f32 {
    let mut rows = [0u32; 32];
    for rect in rects {
        let edge = |x: f32| ((x * 32.0).round() as i32).clamp(0, 32) as u32;
        let columns = (edge(rect.x)..edge(rect.x1())).fold(0, |mask, x| mask | 1 << x);
        for row in &mut rows[edge(rect.y) as usize..edge(rect.y1()) as usize] {
            *row |= columns;
        }
    }
    rows.iter().map(|r| r.count_ones()).sum::<u32>() as f32 / 1024.0
}
