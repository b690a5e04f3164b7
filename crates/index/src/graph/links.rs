//! Keeps the links of a graph good while nodes come and go.
//!
//! In: turned vectors, node ids. Out: a graph in which a short walk leads from the entry to the nearest nodes.
//! Knows nothing of readers. Links are chosen as in Vamana (DiskANN, Subramanya et al. 2019): the nearest
//! first, leaving out what a chosen one leads to anyway; left-over places are filled with the nearest of those
//! left out, which helps walks of small width. A removed node's places in other nodes' links are given to its
//! own neighbours (as in FreshDiskANN), but one for one instead of by choosing all anew.
use super::{
    block::{self, BLOCK, DEGREE, NONE, head, head_mut, links, places, places_mut},
    form::{Form, Probe},
    nodes::{Nodes, Table},
    walk::{Map, Scratch},
};
use crate::kernels::{Kernels, prefetch};

/// How carefully links are chosen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Care {
    /// Pool of the walk that looks for a new node's neighbours.
    pub(crate) width: usize,
    /// A link is left out if a chosen one is nearer to its end by this factor (of squared distances).
    pub(crate) detour: f32,
}

impl Care {
    /// Whether what is `far` from a node need not be linked, because a chosen link is only `across` from it.
    /// Of equal vectors one is enough, or they would fill all places.
    fn leads(&self, across: f32, far: f32) -> bool {
        across == 0.0 || self.detour * across < far
    }
}

/// A new node's links: the chosen ones first.
pub(crate) struct Choice {
    links: Vec<u32>,
    chosen: usize,
}

/// Looks for the links of a new node that has its vector already. Reads only, so that many can look at once;
/// `mates` are those of the others that may be linked to, since no walk leads to them yet.
pub(crate) fn look(
    map: &Map<'_>,
    care: Care,
    node: u32,
    mates: &[u32],
    turned: &[f32],
    scratch: &mut Scratch,
) -> Choice {
    let query = Probe::new(map.form, turned);
    let mut met = Vec::with_capacity(8 * care.width);
    map.walk(&query, care.width, scratch, |id, far| met.push((far, id)));
    // A walk meets many that are far off; they would only be compared for nothing.
    let most = 2 * care.width;
    if met.len() > most {
        met.select_nth_unstable_by(most, |a, b| a.0.total_cmp(&b.0));
        met.truncate(most);
    }
    met.extend(mates.iter().map(|&mate| (0.0, mate)));
    met.retain(|c| c.1 != node);
    // By the codes of both ends, as all comparisons of links.
    met.iter_mut().for_each(|(far, id)| *far = map.between(node, *id));
    met.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    met.dedup_by_key(|c| c.1);
    choose(map, care, &met)
}

fn choose(map: &Map<'_>, care: Care, sorted: &[(f32, u32)]) -> Choice {
    let mut links: Vec<u32> = Vec::with_capacity(DEGREE);
    let mut left_out = Vec::new();
    for &(far, id) in sorted {
        if links.len() == DEGREE {
            break;
        }
        if links.iter().any(|&other| care.leads(map.between(id, other), far)) {
            left_out.push(id);
        } else {
            links.push(id);
        }
    }
    let chosen = links.len();
    links.extend(left_out.into_iter().take(DEGREE - chosen));
    Choice { links, chosen }
}

/// Edits links.
pub(crate) struct Linker<'a> {
    pub(crate) kernels: &'a Kernels,
    pub(crate) form: Form,
    pub(crate) care: Care,
}

impl Linker<'_> {
    /// Links a new node to and from what was chosen for it.
    pub(crate) fn join(&self, nodes: &mut Nodes, node: u32, choice: &Choice) {
        for (place, &id) in choice.links.iter().enumerate() {
            self.link(nodes, node, place, id);
        }
        head_mut(nodes.edit(node)).chosen = choice.chosen as u32;
        for &id in &choice.links {
            prefetch(nodes.block(id), BLOCK.div_ceil(64));
        }
        let mut taken = false;
        for (at, &id) in choice.links.iter().enumerate() {
            // What the next offer compares comes from memory during this one.
            for to in choice.links.get(at + 1).into_iter().flat_map(|&next| links(nodes.block(next))) {
                prefetch(nodes.near(to), self.form.near / 64);
            }
            taken |= self.offer(nodes, id, node);
        }
        // What nobody leads to is never found: the nearest gives up its last place for it.
        if let Some(&nearest) = choice.links.first()
            && !taken
        {
            self.link(nodes, nearest, DEGREE - 1, node);
        }
    }

    pub(crate) fn link(&self, nodes: &mut Nodes, node: u32, place: usize, to: u32) {
        places_mut(nodes.edit(node))[place] = to;
    }

    fn between(&self, table: &Table, a: u32, b: u32) -> f32 {
        self.form.between(self.kernels, table.near(a), table.near(b))
    }

    /// Offers `new` as a link to `node`, which takes it if it is worth a place.
    fn offer(&self, nodes: &mut Nodes, node: u32, new: u32) -> bool {
        let block = nodes.block(node);
        let count = block::count(block);
        let links = &places(block)[..count];
        if links.contains(&new) {
            return true;
        }
        let mut chosen = head(block).chosen as usize;
        let far = self.between(nodes, node, new);
        // Chosen ones that the new one leads to, the farthest first.
        let mut led = Vec::new();
        for (place, &id) in links[..chosen].iter().enumerate() {
            let (own, across) = (self.between(nodes, node, id), self.between(nodes, id, new));
            if own <= far && self.care.leads(across, far) {
                // It is reached by way of `id`; good enough to fill up.
                let takes =
                    count < DEGREE || chosen < DEGREE && self.between(nodes, node, links[DEGREE - 1]) > far;
                if takes {
                    self.link(nodes, node, count.min(DEGREE - 1), new);
                }
                return takes;
            }
            if own > far && self.care.leads(across, own) {
                led.push((own, place));
            }
        }
        led.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        if chosen == DEGREE {
            // All places are taken by chosen ones: the farthest of those led to, or the farthest of all.
            let out = led.first().copied().or_else(|| {
                let all = links.iter().enumerate().map(|(place, &id)| (self.between(nodes, node, id), place));
                all.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|c| c.0 > far)
            });
            let Some((_, place)) = out else { return false };
            self.link(nodes, node, place, new);
            led.retain(|c| c.1 != place);
        } else {
            // The first of the filling ones makes room, by taking the place of the last or a free one.
            if chosen < count {
                let filling = links[chosen];
                self.link(nodes, node, count.min(DEGREE - 1), filling);
            }
            self.link(nodes, node, chosen, new);
            chosen += 1;
        }
        // What the new one leads to fills up from now on. From the back, so that places stay valid.
        led.sort_unstable_by_key(|c| std::cmp::Reverse(c.1));
        for (_, place) in led {
            chosen -= 1;
            places_mut(nodes.edit(node)).swap(place, chosen);
        }
        head_mut(nodes.edit(node)).chosen = chosen as u32;
        true
    }

    /// Replaces the links of `node` to dying nodes by their neighbours.
    pub(crate) fn mend(&self, nodes: &mut Nodes, node: u32, dying: impl Fn(u32) -> bool) {
        let before: Vec<u32> = links(nodes.block(node)).collect();
        let mut chosen = head(nodes.block(node)).chosen as usize;
        let mut count = before.len();
        // From the back: what moves into a gap was looked at already.
        for place in (0..before.len()).rev().filter(|&place| dying(before[place])) {
            // Neighbours of the dying one, nearest to this node first.
            let present = places(nodes.block(node));
            for id in links(nodes.block(before[place])) {
                prefetch(nodes.near(id), self.form.near / 64);
            }
            let mut heirs: Vec<(f32, u32)> = links(nodes.block(before[place]))
                .filter(|&id| id != node && !dying(id) && !present.contains(&id))
                .map(|id| (self.between(nodes, node, id), id))
                .collect();
            heirs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            let was_chosen = place < chosen;
            let led = |table: &Table, far: f32, id: u32| {
                places(table.block(node))[..chosen]
                    .iter()
                    .filter(|&&other| !dying(other))
                    .any(|&other| self.care.leads(self.between(table, other, id), far))
            };
            let heir = heirs.iter().find(|&&(far, id)| was_chosen && !led(nodes, far, id));
            if let Some(&(_, id)) = heir {
                self.link(nodes, node, place, id);
                continue;
            }
            let mut gap = place;
            if was_chosen {
                // The last chosen one closes the row, and the gap is behind it.
                chosen -= 1;
                places_mut(nodes.edit(node)).swap(chosen, place);
                gap = chosen;
            }
            if let Some(&(_, id)) = heirs.first() {
                self.link(nodes, node, gap, id);
            } else {
                count -= 1;
                let places = places_mut(nodes.edit(node));
                places.swap(count, gap);
                places[count] = NONE;
            }
        }
        head_mut(nodes.edit(node)).chosen = chosen as u32;
        debug_assert!(!links(nodes.block(node)).any(dying));
    }
}
