//! Copies of one picture under several products: folded in answers, told in an audit.
//!
//! A perceptual hash of each picture is kept beside its features, under a stamp of its own since no model makes it.
//! In an answer two hits are one if they show the same file, or if embedding, hash and colours all say so: the hash
//! alone does not see colours, and variants of one article are not copies. An audit takes what hash or embedding
//! propose and compares the pixels ([`twinset_local::same_picture`]).

use crate::Features;
use crate::Result;
use crate::follower::Core;
use rayon::prelude::*;
use std::collections::{BTreeMap, HashMap, HashSet};
use twinset_index::{Query, Searcher};
use twinset_local::{Orientation, PictureHash256, PictureLook, SAME_HASH_BITS, same_picture};
use twinset_photo::{Photo, PictureHash};

/// Embeddings of one picture and its copy are at least this near.
const NEAR: f32 = 0.95;
/// Shares of colours of one picture and its copy differ by this in sum at most, of 2.
const OTHER_COLOURS: f32 = 0.5;
/// Neighbours of a picture that are proposed as copies.
const NEIGHBOURS: usize = 6;
/// Proposed from this cosine on: a crop moves an embedding more than compression does.
const PROPOSED: f32 = 0.85;
/// Longer side from which pixels can tell copies; of smaller pictures only those of the same bytes are told.
const LARGE_ENOUGH_PX: u32 = 200;
/// Pictures whose hashes are all compared with each other; of more, only neighbours are proposed.
const ALL_HASHES: usize = 20_000;

/// Stamp of the kept hashes.
pub(crate) fn stamp() -> [u8; 32] {
    *blake3::hash(b"twinset picture hash 1").as_bytes()
}

/// What is kept of one picture; nothing for one too plain.
pub(crate) fn kept(photo: &Photo) -> Vec<u8> {
    PictureHash256::of(photo).map_or_else(Vec::new, |hash| hash.to_bytes().to_vec())
}

/// The kept hash of a picture.
pub(crate) fn hash_of(core: &Core, picture: &PictureHash) -> Result<Option<PictureHash256>> {
    let bytes = core.catalogue.features(picture, &stamp())?;
    Ok(bytes.and_then(|bytes| bytes.try_into().ok()).map(PictureHash256::from_bytes))
}

/// A picture of an answer.
#[derive(Clone, Copy)]
pub(crate) struct Shown<'a> {
    pub(crate) picture: &'a PictureHash,
    pub(crate) features: Option<&'a Features>,
}

/// Whether two hits show one picture.
pub(crate) fn are_one(core: &Core, a: Shown<'_>, b: Shown<'_>) -> Result<bool> {
    if a.picture == b.picture {
        return Ok(true);
    }
    let (Some(seen_a), Some(seen_b)) = (a.features, b.features) else { return Ok(false) };
    if cosine(seen_a, seen_b) < NEAR || colours_apart(seen_a, seen_b) > OTHER_COLOURS {
        return Ok(false);
    }
    match (hash_of(core, a.picture)?, hash_of(core, b.picture)?) {
        (Some(a), Some(b)) => Ok(a.best_orientation_distance(&b).0 <= SAME_HASH_BITS),
        _ => Ok(false),
    }
}

fn cosine(a: &Features, b: &Features) -> f32 {
    a.embedding.iter().zip(&b.embedding).map(|(x, y)| x * y).sum()
}

fn colours_apart(a: &Features, b: &Features) -> f32 {
    let shares = |f: &Features| f.attributes.colour.iter().cloned().collect::<HashMap<_, _>>();
    let (a, b) = (shares(a), shares(b));
    let names: HashSet<&String> = a.keys().chain(b.keys()).collect();
    names.into_iter().map(|n| (a.get(n).unwrap_or(&0.0) - b.get(n).unwrap_or(&0.0)).abs()).sum()
}

/// A picture of a product, for the audit.
pub(crate) struct Placed<'a> {
    pub(crate) picture: PictureHash,
    pub(crate) features: &'a Features,
    /// Pictures of one article are never copies of each other.
    pub(crate) article: &'a str,
}

/// Two of `placed` that show one picture: their places, the earlier first, how alike they are, and what was done.
pub(crate) struct Pair {
    pub(crate) first: usize,
    pub(crate) second: usize,
    pub(crate) likeness: f32,
    pub(crate) how: String,
}

/// All pairs of copies among different articles; pictures of the same bytes are left out. `placed`: in the order in
/// which they were first seen. `progress` (done, total) may say `false`, which gives `None`.
pub(crate) fn pairs(
    core: &Core,
    placed: &[Placed<'_>],
    progress: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<Option<Vec<Pair>>> {
    const LOT: usize = 64;
    let mut place_of = BTreeMap::new();
    let large = |p: &Placed<'_>| p.features.width.max(p.features.height) >= LARGE_ENOUGH_PX;
    for (i, p) in placed.iter().enumerate().filter(|(_, p)| large(p)) {
        place_of.entry(p.picture).or_insert(i);
    }
    let firsts: Vec<usize> = place_of.values().copied().collect();
    let apart = |a: usize, b: usize| placed[a].article != placed[b].article;
    let mut proposed = HashSet::new();
    let mut propose = |a: usize, b: usize| {
        if a != b && apart(a, b) {
            proposed.insert((a.min(b), a.max(b)));
        }
    };
    // By embedding.
    let snapshot = core.snapshot();
    for &i in &firsts {
        let query = Query {
            vector: &placed[i].features.embedding,
            k: NEIGHBOURS,
            groups: None,
            one_per_group: false,
            exact: false,
        };
        for near in snapshot.search(&query)?.into_iter().filter(|near| near.similarity >= PROPOSED) {
            let place = core.catalogue.placement(near.item)?;
            if let Some(&other) = place.and_then(|place| place_of.get(&place.picture)) {
                propose(i, other);
            }
        }
    }
    // By hash.
    if firsts.len() <= ALL_HASHES {
        let mut hashes = Vec::new();
        for &i in &firsts {
            hashes.extend(hash_of(core, &placed[i].picture)?.map(|hash| (i, hash)));
        }
        let near: Vec<(usize, usize)> = hashes
            .par_iter()
            .enumerate()
            .flat_map_iter(|(n, (i, hash))| {
                let turned = Orientation::ALL.map(|o| hash.oriented(o));
                let rest = &hashes[n + 1..];
                rest.iter().filter_map(move |(j, other)| {
                    turned.iter().any(|t| t.distance(other) <= SAME_HASH_BITS).then_some((*i, *j))
                })
            })
            .collect();
        near.into_iter().for_each(|(a, b)| propose(a, b));
    }
    let mut proposed: Vec<(usize, usize)> = proposed.into_iter().collect();
    proposed.sort_unstable();
    let mut found = Vec::new();
    let total = proposed.len() as u64;
    let mut looks = HashMap::<usize, Option<PictureLook>>::new();
    for (n, lot) in proposed.chunks(LOT).enumerate() {
        if !progress((n * LOT) as u64, total) {
            return Ok(None);
        }
        let mut wanted: Vec<usize> = lot.iter().flat_map(|(a, b)| [*a, *b]).collect();
        wanted.sort_unstable();
        wanted.dedup();
        // Sorted by their first, so that one lot needs much of what the last one needed.
        looks.retain(|i, _| wanted.binary_search(i).is_ok());
        wanted.retain(|i| !looks.contains_key(i));
        let fresh: Vec<(usize, Option<PictureLook>)> = core.shared.pool.install(|| {
            let look = |&i: &usize| -> Result<_> {
                let bytes = core.catalogue.picture(&placed[i].picture)?;
                let photo = bytes.and_then(|bytes| core.shared.decode(&bytes).ok());
                Ok((i, photo.map(|decoded| PictureLook::of(&decoded.photo))))
            };
            wanted.par_iter().with_max_len(1).map(look).collect::<Result<_>>()
        })?;
        looks.extend(fresh);
        let same = |&(a, b): &(usize, usize)| {
            let (Some(Some(first)), Some(Some(second))) = (looks.get(&a), looks.get(&b)) else { return None };
            let same = same_picture(first, second)?;
            // The whole picture in other colours is a variant of an article, if anything.
            let edits: Vec<&str> = same.edits.iter().map(|edit| edit.name()).collect();
            let recoloured = colours_apart(placed[a].features, placed[b].features) > OTHER_COLOURS;
            if recoloured && edits.contains(&"recoloured") {
                return None;
            }
            let how = match edits[..] {
                [] => "the same picture".to_owned(),
                _ => format!("the same picture, {}", edits.join(", ")),
            };
            Some(Pair { first: a, second: b, likeness: same.agreement, how })
        };
        found.extend(core.shared.pool.install(|| lot.par_iter().filter_map(same).collect::<Vec<_>>()));
    }
    Ok(Some(found))
}
