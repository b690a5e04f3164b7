//! The JSON of `detect`, `search` and `match`. Others rely on it: members may be added, none changed or dropped.

use serde::Serialize;
use twinset_embed::Attributes;
use twinset_engine::{Agreement, GarmentSeen, Hit, Match, Part, SearchAnswer, Timing};
use twinset_photo::Rect;

/// `[x, y, w, h]` in pixels of the upright photo, to a tenth.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Box4([f64; 4]);

impl From<Rect> for Box4 {
    fn from(r: Rect) -> Self {
        Self([r.x, r.y, r.w, r.h].map(|v| (f64::from(v) * 10.0).round() / 10.0))
    }
}

/// Four digits are finer than any score.
pub(crate) fn score(value: f32) -> f64 {
    (f64::from(value) * 1e4).round() / 1e4
}

#[derive(Serialize)]
pub(crate) struct Garment<'a> {
    #[serde(rename = "box")]
    rect: Box4,
    category: &'a str,
    score: f64,
    attributes: &'a Attributes,
}

pub(crate) fn garments(seen: &[GarmentSeen]) -> Vec<Garment<'_>> {
    fn one(g: &GarmentSeen) -> Garment<'_> {
        Garment {
            rect: g.rect.into(),
            category: &g.category,
            score: score(g.score),
            attributes: &g.attributes,
        }
    }
    seen.iter().map(one).collect()
}

#[derive(Serialize)]
pub(crate) struct Detected<'a> {
    pub(crate) photo: String,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) garments: Vec<Garment<'a>>,
    pub(crate) chosen: Option<usize>,
}

#[derive(Serialize)]
pub(crate) struct PartShape {
    query: Box4,
    hit: Box4,
    score: f64,
    zone: &'static str,
}

/// An attribute seen on both sides.
#[derive(Serialize)]
pub(crate) struct AgreementShape<'a> {
    attribute: &'static str,
    agrees: bool,
    query: &'a [String],
    hit: &'a [String],
}

fn agreements(found: &[Agreement]) -> Vec<AgreementShape<'_>> {
    fn one(a: &Agreement) -> AgreementShape<'_> {
        AgreementShape { attribute: a.attribute, agrees: a.agrees, query: &a.query, hit: &a.hit }
    }
    found.iter().map(one).collect()
}

pub(crate) fn parts(parts: &[Part]) -> Vec<PartShape> {
    parts
        .iter()
        .map(|p| PartShape {
            query: p.query.into(),
            hit: p.hit.into(),
            score: score(p.score),
            zone: p.zone.key(),
        })
        .collect()
}

#[derive(Serialize)]
pub(crate) struct QueryShape<'a> {
    #[serde(rename = "box")]
    rect: Box4,
    category: Option<&'a str>,
    width: u32,
    height: u32,
    attributes: &'a Attributes,
}

#[derive(Serialize)]
pub(crate) struct HitShape<'a> {
    rank: usize,
    product: &'a str,
    title: Option<&'a str>,
    picture: String,
    image: &'a str,
    name: &'a str,
    score: f64,
    verdict: &'static str,
    global: f64,
    local: Option<f64>,
    #[serde(rename = "box")]
    rect: Box4,
    parts: Vec<PartShape>,
    /// Other products that show the same picture.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    copies: &'a [String],
    attributes: Vec<AgreementShape<'a>>,
}

#[derive(Serialize)]
pub(crate) struct TimingShape {
    decode: f64,
    detect: f64,
    embed: f64,
    index: f64,
    local: f64,
    total: f64,
}

impl From<Timing> for TimingShape {
    fn from(t: Timing) -> Self {
        let [decode, detect, embed, index, local, total] =
            [t.decode, t.detect, t.embed, t.index, t.local, t.total].map(|ms| (ms * 1e3).round() / 1e3);
        Self { decode, detect, embed, index, local, total }
    }
}

#[derive(Serialize)]
pub(crate) struct Answer<'a> {
    seq: u64,
    model: &'a str,
    query: QueryShape<'a>,
    garments: Vec<Garment<'a>>,
    chosen: Option<usize>,
    hits: Vec<HitShape<'a>>,
    verdict: &'static str,
    timing_ms: TimingShape,
}

impl<'a> Answer<'a> {
    pub(crate) fn new(answer: &'a SearchAnswer) -> Self {
        Self {
            seq: answer.seq,
            model: &answer.model,
            query: QueryShape {
                rect: answer.query_rect.into(),
                category: answer.query_category.as_deref(),
                width: answer.width,
                height: answer.height,
                attributes: &answer.query_attributes,
            },
            garments: garments(&answer.garments),
            chosen: answer.chosen,
            hits: answer.hits.iter().enumerate().map(|(i, hit)| HitShape::new(i + 1, hit)).collect(),
            verdict: answer.verdict.of_answer(),
            timing_ms: answer.timing.into(),
        }
    }
}

impl<'a> HitShape<'a> {
    fn new(rank: usize, hit: &'a Hit) -> Self {
        Self {
            rank,
            product: &hit.product.id,
            title: hit.product.title.as_deref(),
            picture: hit.picture.to_string(),
            image: &hit.image,
            name: &hit.name,
            score: score(hit.score),
            verdict: hit.verdict.of_hit(),
            global: score(hit.global),
            local: hit.local.map(score),
            rect: hit.rect.into(),
            parts: parts(&hit.parts),
            copies: &hit.copies,
            attributes: agreements(&hit.attributes),
        }
    }
}

#[derive(Serialize)]
pub(crate) struct Compared<'a> {
    score: f64,
    verdict: &'static str,
    global: f64,
    local: f64,
    query: Side,
    hit: Side,
    parts: Vec<PartShape>,
    attributes: Vec<AgreementShape<'a>>,
}

#[derive(Serialize)]
struct Side {
    photo: String,
    width: u32,
    height: u32,
    #[serde(rename = "box")]
    rect: Box4,
}

impl<'a> Compared<'a> {
    pub(crate) fn new(names: [&std::path::Path; 2], m: &'a Match) -> Self {
        let side = |name: &std::path::Path, (width, height), rect: Rect| Side {
            photo: name.display().to_string(),
            width,
            height,
            rect: rect.into(),
        };
        Self {
            score: score(m.score),
            verdict: m.verdict.of_hit(),
            global: score(m.global),
            local: score(m.local),
            query: side(names[0], m.query_size, m.query_rect),
            hit: side(names[1], m.hit_size, m.hit_rect),
            parts: parts(&m.parts),
            attributes: agreements(&m.attributes),
        }
    }
}
