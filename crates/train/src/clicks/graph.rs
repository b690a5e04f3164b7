//! Virtual ids: listings that shoppers click together, for the same photo, are one product to them.
//!
//! A graph of listings, its edges weighed by how often two were clicked in one search; clusters by label propagation
//! (Raghavan et al., 2007) on the edges that stand out. Popularity is divided out (cosine), one shopper counts once a day
//! for a pair, and an edge needs two shoppers. After the virtual ids of Taobao (CIKM 2019), which walks the same graph.
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use twinset_dataset::Row;

use super::{clean::Cleaned, log::Click};

/// Listings and photos by the product that shoppers take them for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VirtualIds {
    /// Every listing of the log to its virtual id; one that no cluster holds is a product of its own.
    pub listings: BTreeMap<String, String>,
    /// Photo to the virtual id of most of what was clicked for it.
    pub photos: BTreeMap<String, String>,
    /// Clusters.
    pub clusters: usize,
}

impl VirtualIds {
    /// What a picture of a data set shows: its photo's or listing's id. What the log does not name stands alone.
    pub(crate) fn of<'a>(&'a self, row: &'a Row) -> &'a str {
        let photo = self.photos.get(&row.file);
        let listing =
            || [&row.file, &row.variant_id, &row.item_id].iter().find_map(|n| self.listings.get(*n));
        photo.or_else(listing).unwrap_or(&row.file)
    }
}

/// Shoppers that an edge needs.
const SHOPPERS: usize = 2;
/// An edge must be this strong beside the strongest edge of either end: what is clicked along, a sister in another
/// colour, is weaker.
const STANDS_OUT: f64 = 0.4;
/// Least cosine of an edge.
const COSINE_MIN: f64 = 0.08;
/// Edges that are kept of a listing.
const EDGES: usize = 10;
/// Most listings of a cluster; a larger one is no product.
const CLUSTER_MAX: usize = 200;
const ROUNDS: usize = 20;
/// Least share of a photo's clicks that its virtual id must have.
const PHOTO_SHARE: f64 = 0.5;

/// Groups the listings of a cleaned log.
#[must_use]
pub fn virtual_ids(cleaned: &Cleaned) -> VirtualIds {
    let names: Vec<&str> =
        cleaned.clicks.iter().map(|c| &c.product[..]).collect::<BTreeSet<_>>().into_iter().collect();
    let number: HashMap<&str, usize> = names.iter().enumerate().map(|(i, n)| (*n, i)).collect();
    let edges = edges(&cleaned.clicks, &number);
    let label = propagate(&edges);

    let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    label.iter().enumerate().for_each(|(i, l)| members.entry(*l).or_default().push(i));
    members.retain(|_, m| (2..=CLUSTER_MAX).contains(&m.len()));
    let alone = names.iter().map(|n| ((*n).to_owned(), (*n).to_owned())).collect();
    let mut out = VirtualIds { clusters: members.len(), listings: alone, ..VirtualIds::default() };
    for cluster in members.values() {
        // Named after its first member, so that ids mean something to whoever reads them.
        let id = format!("virtual:{}", names[cluster[0]]);
        out.listings.extend(cluster.iter().map(|i| (names[*i].to_owned(), id.clone())));
    }
    let mut votes: BTreeMap<&str, BTreeMap<&str, f64>> = BTreeMap::new();
    for click in &cleaned.clicks {
        let Some(photo) = &click.photo else { continue };
        *votes.entry(photo).or_default().entry(&out.listings[&click.product]).or_default() += click.weight;
    }
    let mut photos = BTreeMap::new();
    for (photo, ids) in votes {
        let all: f64 = ids.values().sum();
        let most = ids.into_iter().max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(a.0)));
        if let Some((id, _)) = most.filter(|(_, w)| w / all >= PHOTO_SHARE) {
            photos.insert(photo.to_owned(), id.to_owned());
        }
    }
    out.photos = photos;
    out
}

/// For each listing its strongest neighbours.
fn edges(clicks: &[Click], number: &HashMap<&str, usize>) -> Vec<Vec<(usize, f64)>> {
    let mut searches: BTreeMap<(&str, Option<&str>, &str), BTreeMap<usize, f64>> = BTreeMap::new();
    for c in clicks {
        let clicked = searches.entry((&c.search, c.user.as_deref(), c.day())).or_default();
        clicked.insert(number[&c.product[..]], c.weight);
    }
    // A shopper counts once a day for a pair, with the largest weight.
    let mut together: BTreeMap<(usize, usize), BTreeMap<(Option<&str>, &str), f64>> = BTreeMap::new();
    let mut strength = vec![0.0f64; number.len()];
    for ((_, user, day), clicked) in &searches {
        for (i, weight) in clicked {
            strength[*i] += weight;
            for (j, other) in clicked.range(i + 1..) {
                let by = together.entry((*i, *j)).or_default().entry((*user, *day)).or_default();
                *by = by.max(weight.min(*other));
            }
        }
    }
    let mut out: Vec<Vec<(usize, f64)>> = vec![Vec::new(); number.len()];
    for ((i, j), by) in &together {
        let shoppers: BTreeSet<_> = by.keys().map(|(user, _)| user).collect();
        let cosine = by.values().sum::<f64>() / (strength[*i] * strength[*j]).sqrt();
        if shoppers.len() >= SHOPPERS && cosine >= COSINE_MIN {
            out[*i].push((*j, cosine));
            out[*j].push((*i, cosine));
        }
    }
    let best: Vec<f64> = out.iter().map(|e| e.iter().map(|(_, w)| *w).fold(0.0, f64::max)).collect();
    for (i, edges) in out.iter_mut().enumerate() {
        edges.retain(|(j, w)| *w >= STANDS_OUT * best[i].max(best[*j]));
        edges.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        edges.truncate(EDGES);
    }
    out
}

/// Each listing takes the label that weighs most among its neighbours, in order, until nothing changes.
fn propagate(edges: &[Vec<(usize, f64)>]) -> Vec<usize> {
    let mut label: Vec<usize> = (0..edges.len()).collect();
    for _ in 0..ROUNDS {
        let mut changed = false;
        for (i, neighbours) in edges.iter().enumerate() {
            let mut weight: BTreeMap<usize, f64> = BTreeMap::new();
            neighbours.iter().for_each(|(j, w)| *weight.entry(label[*j]).or_default() += w);
            let most = weight.into_iter().max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)));
            if let Some((most, _)) = most
                && most != label[i]
            {
                label[i] = most;
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    label
}

/// How well virtual ids meet the true ones, over pairs of listings.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Agreement {
    /// Share of the pairs in one cluster that are one product.
    pub precision: f64,
    /// Share of the pairs of one product that are in one cluster.
    pub recall: f64,
}

/// Compares with the truth, which only a simulation knows: listing to product.
#[must_use]
pub fn agreement(ids: &VirtualIds, truth: &BTreeMap<String, String>) -> Agreement {
    let pairs = |of: &dyn Fn(&str) -> Option<String>| {
        let mut count: BTreeMap<String, usize> = BTreeMap::new();
        truth.keys().filter_map(|l| of(l)).for_each(|id| *count.entry(id).or_default() += 1);
        count.values().map(|n| n * (n - 1) / 2).sum::<usize>() as f64
    };
    let virtual_id = |l: &str| ids.listings.get(l).cloned();
    let both = pairs(&|l| Some(format!("{} {}", virtual_id(l)?, truth[l])));
    Agreement {
        precision: both / pairs(&virtual_id).max(1.0),
        recall: both / pairs(&|l| truth.get(l).cloned()).max(1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clicks::{Cleaning, ClickLog, clean};

    #[test]
    fn what_several_shoppers_click_together_is_one_product() {
        let mut clicks = Vec::new();
        let mut add = |user: &str, photo: &str, products: &[&str]| {
            for p in products {
                clicks.push(Click {
                    at: "2026-11-25T00:00:00Z".into(),
                    kind: "click".into(),
                    search: format!("{user}-{photo}"),
                    product: (*p).into(),
                    user: Some(user.into()),
                    photo: Some(photo.into()),
                    weight: 1.0,
                    ..Click::default()
                });
            }
        };
        for (user, photo) in [("u1", "q1"), ("u2", "q1"), ("u3", "q2"), ("u4", "q2")] {
            add(user, photo, &["a1", "a2", "a3"]);
        }
        for (user, photo) in [("u5", "q3"), ("u6", "q3")] {
            add(user, photo, &["b1", "b2"]);
        }
        // One shopper's whim, however often, joins nothing.
        for search in 0..5 {
            add("u7", &format!("whim{search}"), &["a1", "b1"]);
        }
        let ids = virtual_ids(&clean(&ClickLog { clicks }, &Cleaning::default()));
        assert_eq!(ids.clusters, 2);
        let id = |l: &str| ids.listings[l].clone();
        assert!(id("a1") == id("a2") && id("a2") == id("a3") && id("b1") == id("b2") && id("a1") != id("b1"));
        assert_eq!((ids.photos["q1"].clone(), ids.photos["q3"].clone()), (id("a1"), id("b1")));
        let truth = ["a1", "a2", "a3", "b1", "b2"].map(|l| (l.to_owned(), l[..1].to_owned())).into();
        assert_eq!(agreement(&ids, &truth), Agreement { precision: 1.0, recall: 1.0 });
    }
}
