//! The story of a query: [`search`], readable top to bottom.

use crate::answer::{Embedded, GarmentSeen, Hit, Match, Part, SearchAnswer, Timing, Verdict, count_facets};
use crate::copies;
use crate::engine::Shared;
use crate::evidence::{Side, Zone, agreements};
use crate::features::full_scale;
use crate::follower::Core;
use crate::fuse;
use crate::{
    Described, EngineError, Features, GroupBy, QueryImage, Region, Result, SearchRequest, Seen, Vision,
    exact, panel,
};
use roaring::RoaringBitmap;
use std::collections::{HashMap, HashSet};
use std::time::Instant;
use tracing::info_span;
use twinset_catalogue::{Placement, Product};
use twinset_embed::Attributes;
use twinset_index::{GraphSnapshot, Query, Searcher};
use twinset_local::{Comparison, LocalFeatures, compare as compare_parts};
use twinset_photo::{Decoded, PictureHash, Rect};

/// A shopper's box means a garment that it overlaps by this much.
const SAME_GARMENT_IOU: f32 = 0.5;

/// Limits, decode, detect, embed, index, local comparison, fused score, products.
///
/// The same request over the same state gives the same answer, times aside.
pub(crate) fn search(core: &Core, request: &SearchRequest) -> Result<SearchAnswer> {
    let mut clock = Clock::start();
    let mut timing = Timing::default();
    request.check()?;
    demand(core, request.min_seq)?;

    let vision = &*core.shared.vision;
    let Asked { described, words, rect: query_rect, category, garments, chosen, size } =
        Asked::of(core, request, &mut clock, &mut timing)?;

    let groups = request.filter.as_ref().map(|filter| core.catalogue.select(filter)).transpose()?;
    let snapshot = core.snapshot();
    let mut candidates = info_span!("index")
        .in_scope(|| candidates(core, &snapshot, &described.embedding, groups.as_ref(), request))?;
    if !request.exact {
        core.gauge.offer(&described.embedding, groups.as_ref());
    }
    timing.index = clock.lap();

    let compared = match request.rerank {
        true => info_span!("local").in_scope(|| rerank(core, &described, &mut candidates))?,
        false => 0,
    };
    let trust = core.trust.factors(&core.catalogue)?;
    candidates.iter_mut().for_each(|c| c.score *= trust.get(&c.placement.row).unwrap_or(&1.0));
    candidates.sort_by(Candidate::order);
    timing.local = clock.lap();

    let best = one_a_group(candidates, request.min_score);
    let best = fold(core, best, request)?;
    let more = best.len() > request.offset + request.limit;
    let page = best.into_iter().skip(request.offset).take(request.limit).collect();
    let query_side = Side { category: category.as_deref(), attributes: &described.attributes };
    let mut hits = hits(core, &described, words.as_deref(), query_side, query_rect, page, request.explain)?;
    if words.is_some() {
        // How alike words and a picture are says little: what fits them best is offered.
        hits.iter_mut().for_each(|hit| hit.verdict = hit.verdict.max(Verdict::Similar));
    }

    timing.total = clock.total();
    Ok(SearchAnswer {
        seq: snapshot.seq(),
        model: vision.name(),
        width: size.0,
        height: size.1,
        query_rect,
        query_category: category,
        garments,
        chosen,
        query_attributes: described.attributes,
        verdict: hits.iter().map(|hit| hit.verdict).max().unwrap_or(Verdict::Weak),
        facets: count_facets(&hits, &request.facets),
        hits,
        more,
        compared,
        timing,
    })
}

/// What is searched for, however it was asked.
struct Asked {
    described: Described,
    /// The vector of the words, if there were any.
    words: Option<Vec<f32>>,
    /// In pixels of the upright photo; of no size without one.
    rect: Rect,
    category: Option<String>,
    garments: Vec<GarmentSeen>,
    chosen: Option<usize>,
    /// Of the upright photo.
    size: (u32, u32),
}

impl Asked {
    /// Decode, detect, embed; words are added to the photo's vector, or stand for it.
    fn of(core: &Core, request: &SearchRequest, clock: &mut Clock, timing: &mut Timing) -> Result<Self> {
        let vision = &*core.shared.vision;
        let words = request.words().map(|words| vision.read(words)).transpose()?;
        let bytes = match &request.image {
            QueryImage::Bytes(bytes) => bytes,
            QueryImage::Product(id) => &picture_of(core, id)?,
            QueryImage::Words => {
                timing.embed = clock.lap();
                let described = Described {
                    embedding: words.clone().unwrap_or_default(),
                    local: LocalFeatures::none(),
                    attributes: Attributes::default(),
                    category: Vec::new(),
                };
                let (rect, garments) = (Rect::default(), Vec::new());
                let (category, chosen, size) = (None, None, (0, 0));
                return Ok(Self { described, words, rect, category, garments, chosen, size });
            }
        };
        let decoded = info_span!("decode").in_scope(|| core.shared.decode(bytes))?;
        timing.decode = clock.lap();

        let nothing = || Seen { garments: Vec::new(), chosen: None };
        let see = || info_span!("detect").in_scope(|| vision.see(&decoded.photo));
        let seen = if request.detect { see()? } else { nothing() };
        let target = Target::of(&decoded, &seen, request.region)?;
        timing.detect = clock.lap();

        let mut described = info_span!("embed").in_scope(|| vision.describe(&decoded.photo, target.rect))?;
        if let Some(words) = &words {
            described.embedding = between(&described.embedding, words);
        }
        timing.embed = clock.lap();
        Ok(Self {
            rect: target.in_full(&decoded),
            category: target.category(vision, &seen, &described),
            garments: garments_in_full(vision, &decoded, &seen, &target, &described),
            chosen: target.chosen,
            size: (decoded.full_width, decoded.full_height),
            described,
            words,
        })
    }
}

/// The unit vector half way between two.
fn between(a: &[f32], b: &[f32]) -> Vec<f32> {
    let sum: Vec<f32> = a.iter().zip(b).map(|(a, b)| a + b).collect();
    let length = sum.iter().map(|x| x * x).sum::<f32>().sqrt();
    // Opposite vectors have no middle: the photo's stands.
    if length > 1e-6 { sum.iter().map(|x| x / length).collect() } else { a.to_vec() }
}

/// Of two unit vectors.
fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Describes what a search with this photo would search for.
pub(crate) fn embed(shared: &Shared, bytes: &[u8], region: Option<Region>) -> Result<Embedded> {
    let decoded = shared.decode(bytes)?;
    let seen = match region {
        Some(_) => Seen { garments: Vec::new(), chosen: None },
        None => shared.vision.see(&decoded.photo)?,
    };
    let target = Target::of(&decoded, &seen, region)?;
    let described = shared.vision.describe(&decoded.photo, target.rect)?;
    let category = target.category(&shared.vision, &seen, &described);
    Ok(Embedded {
        embedding: described.embedding,
        model: shared.vision.name(),
        rect: target.in_full(&decoded),
        width: decoded.full_width,
        height: decoded.full_height,
        category,
    })
}

/// Compares the garments meant in two photos, with the words and scores of a search.
pub(crate) fn compare(shared: &Shared, query: &[u8], hit: &[u8]) -> Result<Match> {
    let look = |bytes: &[u8]| -> Result<_> {
        let decoded = shared.decode(bytes)?;
        let seen = shared.vision.see(&decoded.photo)?;
        let target = Target::of(&decoded, &seen, None)?;
        let described = shared.vision.describe(&decoded.photo, target.rect)?;
        let category = target.category(&shared.vision, &seen, &described);
        Ok((target.in_full(&decoded), (decoded.full_width, decoded.full_height), described, category))
    };
    let (query_rect, query_size, query, query_category) = look(query)?;
    let (hit_rect, hit_size, hit, hit_category) = look(hit)?;
    let query_side = Side { category: query_category.as_deref(), attributes: &query.attributes };
    let hit_side = Side { category: hit_category.as_deref(), attributes: &hit.attributes };
    let global = cosine(&query.embedding, &hit.embedding);
    let comparison = compare_parts(&query.local, &hit.local);
    let fusion = shared.vision.fusion();
    let score = if query.local.is_empty() || hit.local.is_empty() {
        fusion.score_whole(global)
    } else {
        fusion.score(&fuse::evidence(global, &comparison, &query.attributes, &hit.attributes))
    };
    Ok(Match {
        score,
        verdict: fuse::verdict(fusion, score, global),
        global,
        local: comparison.score,
        query_size,
        hit_size,
        query_rect,
        hit_rect,
        parts: parts_in_full(&shared.vision, query_rect, hit_rect, hit_side.category, &comparison),
        attributes: agreements(query_side, hit_side),
    })
}

/// Rows of the products most like a stored picture, best first, at most `wanted`, as a search with this picture
/// would list them if nobody showed it; `None` if the models could not look at it.
pub(crate) fn products_like(core: &Core, picture: &PictureHash, wanted: usize) -> Result<Option<Vec<u32>>> {
    let Some(features) = core.features(picture)? else { return Ok(None) };
    let query = Described {
        embedding: features.embedding,
        local: features.local,
        attributes: features.attributes,
        category: Vec::new(),
    };
    let request = SearchRequest { limit: wanted, ..SearchRequest::new(QueryImage::Bytes(Vec::new())) };
    let mut candidates = candidates(core, &core.snapshot(), &query.embedding, None, &request)?;
    candidates.retain(|candidate| candidate.placement.picture != *picture);
    rerank(core, &query, &mut candidates)?;
    candidates.sort_by(Candidate::order);
    let best = one_a_group(candidates, 0.0).into_iter().take(wanted);
    Ok(Some(best.map(|(candidate, _)| candidate.placement.row).collect()))
}

/// Waits a little for a demanded change.
fn demand(core: &Core, min_seq: Option<u64>) -> Result<()> {
    match min_seq {
        Some(wanted) if !core.wait_searchable(wanted, core.shared.options.min_seq_wait) => {
            Err(EngineError::NotYetSearchable { wanted, seen: core.look(|desk| desk.seq) })
        }
        _ => Ok(()),
    }
}

/// The bytes of a product's first stored picture.
fn picture_of(core: &Core, id: &str) -> Result<Vec<u8>> {
    let product = core.catalogue.get(id)?.ok_or_else(|| EngineError::NoSuchProduct { id: id.into() })?;
    let picture = product.images.iter().find_map(|image| image.picture);
    let bytes = picture.map(|hash| core.catalogue.picture(&hash)).transpose()?.flatten();
    bytes.ok_or_else(|| EngineError::NoPicture { id: id.into() })
}

/// What of the photo is searched.
struct Target {
    /// In pixels of the decoded photo.
    rect: Rect,
    /// The garment that was chosen for the shopper.
    chosen: Option<usize>,
    /// The garment that is searched: the chosen one, or the one under the shopper's box.
    garment: Option<usize>,
}

impl Target {
    /// The shopper's box wins over the chosen garment, and that over the whole photo.
    fn of(decoded: &Decoded, seen: &Seen, region: Option<Region>) -> Result<Self> {
        let (width, height) = (decoded.full_width as f32, decoded.full_height as f32);
        let Some(region) = region else {
            let rect = seen.chosen.map_or(decoded.photo.frame(), |i| seen.garments[i].rect);
            return Ok(Self { rect, chosen: seen.chosen, garment: seen.chosen });
        };
        let given = match region {
            Region::Pixels(rect) => rect,
            Region::Fraction(rect) => rect.scale(width, height),
        };
        let inside = given.clamp_to(width, height);
        let finite = [given.x, given.y, given.w, given.h].iter().all(|x| x.is_finite());
        if !finite || inside.w < 1.0 || inside.h < 1.0 {
            let (width, height) = (decoded.full_width, decoded.full_height);
            return Err(EngineError::BadRegion { region: format!("{region:?}"), width, height });
        }
        let (sx, sy) = full_scale(decoded);
        let rect = inside.scale(1.0 / sx, 1.0 / sy);
        let overlap = |i: &usize| rect.iou(&seen.garments[*i].rect);
        let garment = (0..seen.garments.len())
            .filter(|i| overlap(i) >= SAME_GARMENT_IOU)
            .max_by(|a, b| overlap(a).total_cmp(&overlap(b)).then(b.cmp(a)));
        Ok(Self { rect, chosen: None, garment })
    }

    /// What the searched box most likely shows.
    fn category(&self, vision: &Vision, seen: &Seen, described: &Described) -> Option<String> {
        let detected = self.garment.map(|i| seen.garments[i].category.as_str());
        vision.kind(described, detected).map(str::to_owned)
    }

    fn in_full(&self, decoded: &Decoded) -> Rect {
        let (sx, sy) = full_scale(decoded);
        self.rect.scale(sx, sy)
    }
}

fn garments_in_full(
    vision: &Vision,
    decoded: &Decoded,
    seen: &Seen,
    target: &Target,
    described: &Described,
) -> Vec<GarmentSeen> {
    let scale = full_scale(decoded);
    let garments = seen.garments.iter().enumerate();
    let looked_at = |i| (target.garment == Some(i)).then_some(described);
    garments.map(|(i, garment)| GarmentSeen::new(garment, scale, vision, looked_at(i))).collect()
}

/// A picture that may show the garment.
struct Candidate {
    placement: Placement,
    /// The panel of a collage, from 1 on; 0: the whole picture.
    panel: usize,
    /// What counts as one result with it.
    group: Group,
    cosine: f32,
    score: f32,
    comparison: Option<Comparison>,
    features: Option<Features>,
}

impl Candidate {
    /// Best first; among equals the older picture.
    fn order(&self, other: &Self) -> std::cmp::Ordering {
        let by_score = other.score.total_cmp(&self.score);
        by_score
            .then(other.cosine.total_cmp(&self.cosine))
            .then(self.placement.item.cmp(&other.placement.item))
            .then(self.panel.cmp(&other.panel))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Group {
    Row(u32),
    Named(String),
}

/// Enough candidates of one snapshot to fill the page after grouping, best first, scored by cosine.
fn candidates(
    core: &Core,
    snapshot: &GraphSnapshot,
    vector: &[f32],
    groups: Option<&RoaringBitmap>,
    request: &SearchRequest,
) -> Result<Vec<Candidate>> {
    let wanted = request.offset + request.limit + 1; // one more tells whether there are more
    let mut k = (2 * wanted).max(2 * fuse::RERANKED);
    let mut places = HashMap::new();
    loop {
        let query = Query { vector, k, groups, one_per_group: false, exact: request.exact };
        let found =
            if request.exact { exact::search(core, snapshot, &query)? } else { snapshot.search(&query)? };
        let mut candidates = Vec::with_capacity(found.len());
        for near in &found {
            // The catalogue has the last word: what it no longer shows is not answered.
            let (item, panel) = panel::split(near.item);
            let place = match places.entry(item) {
                std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
                std::collections::hash_map::Entry::Vacant(new) => new.insert(core.catalogue.placement(item)?),
            };
            let Some(placement) = place.clone().filter(|p| p.row == near.group) else { continue };
            candidates.push(Candidate {
                group: Group::Row(placement.row),
                placement,
                panel,
                cosine: near.similarity,
                score: core.shared.vision.fusion().score_whole(near.similarity),
                comparison: None,
                features: None,
            });
        }
        if request.group_by == GroupBy::GroupId {
            name_groups(core, &mut candidates)?;
        }
        let filled = candidates.iter().map(|c| &c.group).collect::<HashSet<_>>().len() >= wanted;
        if filled || found.len() < k {
            return Ok(candidates);
        }
        k *= 4;
    }
}

/// Variants of one article form one group.
fn name_groups(core: &Core, candidates: &mut [Candidate]) -> Result<()> {
    let rows = candidates.iter().map(|c| c.placement.row).collect::<HashSet<_>>();
    let products = products(core, rows)?;
    for candidate in candidates {
        if let Some(id) = products.get(&candidate.placement.row).and_then(|p| p.group_id.clone()) {
            candidate.group = Group::Named(id);
        }
    }
    Ok(())
}

fn products(core: &Core, rows: HashSet<u32>) -> Result<HashMap<u32, Product>> {
    let rows: Vec<u32> = rows.into_iter().collect();
    let products = core.catalogue.products_by_row(&rows)?;
    Ok(rows.into_iter().zip(products).filter_map(|(row, product)| Some((row, product?))).collect())
}

/// Compares the best candidates part by part and scores all anew; returns how many were compared.
fn rerank(core: &Core, query: &Described, candidates: &mut [Candidate]) -> Result<usize> {
    // Words, or a model that tells no parts: no evidence is not evidence against.
    if query.local.is_empty() {
        return Ok(0);
    }
    let start = Instant::now();
    let fusion = core.shared.vision.fusion();
    let mut seen = Vec::new();
    for candidate in candidates.iter_mut().take(fuse::RERANKED) {
        if start.elapsed() >= fuse::RERANK_BUDGET {
            break;
        }
        let Some(features) = features(core, &candidate.placement.picture, candidate.panel)? else { continue };
        let comparison = compare_parts(&query.local, &features.local);
        let evidence = fuse::evidence(candidate.cosine, &comparison, &query.attributes, &features.attributes);
        seen.push((candidate.group.clone(), evidence));
        (candidate.comparison, candidate.features) = (Some(comparison), Some(features));
    }
    let number = seen.len();
    let scores = fusion.score_among(seen);
    let least = scores.iter().copied().fold(1.0, f32::min);
    let compared = candidates.iter_mut().filter(|c| c.comparison.is_some());
    compared.zip(&scores).for_each(|(candidate, score)| candidate.score = *score);
    for candidate in candidates.iter_mut().filter(|c| c.comparison.is_none()) {
        candidate.score = fuse::left_out(fusion, candidate.cosine, least);
    }
    Ok(number)
}

/// What is kept of a picture, or of a panel of it. Where that is damaged (it was counted) the picture is looked at again
/// and the new features kept; `None` if it cannot be read or has left the catalogue.
fn features(core: &Core, picture: &PictureHash, panel: usize) -> Result<Option<Features>> {
    if panel > 0
        && let Some(kept) = core.panels(picture)?.into_iter().nth(panel - 1)
    {
        return Ok(Some(kept));
    }
    if let Some(kept) = core.features(picture)? {
        return Ok(Some(kept));
    }
    let Some(bytes) = core.catalogue.picture(picture)? else { return Ok(None) };
    let Ok(decoded) = core.shared.decode(&bytes) else { return Ok(None) };
    let Ok(features) = Features::of(&core.shared.vision, &decoded, &core.shared.times) else {
        return Ok(None);
    };
    let row = [(*picture, features.to_bytes(core.catalogue.settings().compact_features))];
    // A search can do without a disk that takes writes.
    if let Err(error) = core.catalogue.put_features(&core.shared.vision.hash(), &row) {
        tracing::warn!(%picture, %error, "features made anew could not be kept");
    }
    Ok(Some(features))
}

/// The best candidate of each group with the number of products in it, in the order given.
fn one_a_group(candidates: Vec<Candidate>, min_score: f32) -> Vec<(Candidate, usize)> {
    let mut members = HashMap::<Group, HashSet<u32>>::new();
    let mut best = Vec::new();
    for candidate in candidates.into_iter().take_while(|c| c.score >= min_score) {
        let rows = members.entry(candidate.group.clone()).or_default();
        let first = rows.is_empty();
        rows.insert(candidate.placement.row);
        if first {
            best.push(candidate);
        }
    }
    best.into_iter()
        .map(|candidate| {
            let variants = members.get(&candidate.group).map_or(1, HashSet::len);
            (candidate, variants)
        })
        .collect()
}

/// One group of an answer.
struct Found {
    candidate: Candidate,
    /// Products in the group.
    variants: usize,
    /// Rows of other products that show the same picture.
    copies: Vec<u32>,
}

/// Groups whose best pictures are one are folded into the first of them.
fn fold(core: &Core, best: Vec<(Candidate, usize)>, request: &SearchRequest) -> Result<Vec<Found>> {
    fn shown(c: &Candidate) -> copies::Shown<'_> {
        copies::Shown { picture: &c.placement.picture, features: c.features.as_ref() }
    }
    let mut kept: Vec<Found> = Vec::with_capacity(best.len());
    for (candidate, variants) in best {
        let mut into = None;
        if request.fold_copies {
            for (i, first) in kept.iter().enumerate() {
                if copies::are_one(core, shown(&first.candidate), shown(&candidate))? {
                    into = Some(i);
                    break;
                }
            }
        }
        match into {
            Some(i) => kept[i].copies.push(candidate.placement.row),
            None => kept.push(Found { candidate, variants, copies: Vec::new() }),
        }
    }
    Ok(kept)
}

/// Candidates with their products and the evidence.
fn hits(
    core: &Core,
    query: &Described,
    words: Option<&[f32]>,
    query_side: Side<'_>,
    query_rect: Rect,
    page: Vec<Found>,
    explain: bool,
) -> Result<Vec<Hit>> {
    let rows = page.iter().flat_map(|f| f.copies.iter().chain([&f.candidate.placement.row]));
    let mut products = products(core, rows.copied().collect())?;
    let mut hits = Vec::with_capacity(page.len());
    for Found { candidate, variants, copies } in page {
        let copies = copies.iter().filter_map(|row| Some(products.get(row)?.id.clone())).collect();
        // Removed since the candidates were looked up.
        let Some(product) = products.remove(&candidate.placement.row) else { continue };
        let Placement { image, picture, .. } = candidate.placement;
        let features = match candidate.features {
            Some(features) => Some(features),
            None => self::features(core, &picture, candidate.panel)?,
        };
        let mut comparison = candidate.comparison;
        if explain && comparison.is_none() && !query.local.is_empty() {
            comparison = features.as_ref().map(|features| compare_parts(&query.local, &features.local));
        }
        let (width, height, rect) =
            features.as_ref().map_or((0, 0, Rect::default()), |f| (f.width, f.height, f.rect));
        let (mut parts, mut attributes) = (Vec::new(), Vec::new());
        if let Some((features, comparison)) = features.as_ref().zip(comparison.as_ref()).filter(|_| explain) {
            let category = features.chosen.map(|i| features.garments[i].category.as_str());
            parts = parts_in_full(&core.shared.vision, query_rect, rect, category, comparison);
            attributes = agreements(query_side, Side { category, attributes: &features.attributes });
        }
        let url = product.images.iter().find(|i| i.name == image).and_then(|i| i.url.clone());
        hits.push(Hit {
            product,
            picture,
            name: url.unwrap_or_else(|| image.clone()),
            image,
            width,
            height,
            score: candidate.score,
            verdict: fuse::verdict(core.shared.vision.fusion(), candidate.score, candidate.cosine),
            global: candidate.cosine,
            local: comparison.map(|c| c.score),
            text: words.zip(features.as_ref()).map(|(words, seen)| cosine(words, &seen.embedding)),
            rect,
            parts,
            attributes,
            variants,
            copies,
        });
    }
    Ok(hits)
}

/// Matched parts, from 0..=1 of the crops to pixels of the upright photos.
fn parts_in_full(
    vision: &Vision,
    query: Rect,
    hit: Rect,
    hit_category: Option<&str>,
    comparison: &Comparison,
) -> Vec<Part> {
    let garment = hit;
    let place = |part: Rect, crop: Rect| {
        let scaled = part.scale(crop.w, crop.h);
        Rect { x: crop.x + scaled.x, y: crop.y + scaled.y, ..scaled }
    };
    let (query, hit) = (vision.crop_of(query), vision.crop_of(hit));
    let parts = comparison.parts.iter();
    let part = |p: &twinset_local::Part| {
        let on_hit = place(p.hit, hit);
        let zone = Zone::of(hit_category, garment, on_hit);
        Part { query: place(p.query, query), hit: on_hit, score: p.score, zone }
    };
    parts.map(part).collect()
}

struct Clock {
    start: Instant,
    lap: Instant,
}

impl Clock {
    fn start() -> Self {
        let now = Instant::now();
        Self { start: now, lap: now }
    }
    /// Milliseconds since the last lap.
    fn lap(&mut self) -> f64 {
        let now = Instant::now();
        let passed = now - self.lap;
        self.lap = now;
        passed.as_secs_f64() * 1e3
    }
    fn total(&self) -> f64 {
        self.start.elapsed().as_secs_f64() * 1e3
    }
}
