//! What the engine answers: garments, hits with their evidence, stage times.

use crate::evidence::{Agreement, Zone};
use crate::vision::{Described, Vision};
use std::collections::BTreeMap;
use twinset_catalogue::Product;
use twinset_detect::Garment;
use twinset_embed::Attributes;
use twinset_photo::{PictureHash, Rect};

/// A garment found in a photo.
#[derive(Clone, Debug, PartialEq)]
pub struct GarmentSeen {
    /// In pixels of the upright photo.
    pub rect: Rect,
    /// As the embedder names it where it looked at it, else as the detector does.
    pub category: String,
    /// Certainty, 0..=1.
    pub score: f32,
    /// As seen. A search looks only at the garment that it searches for, the others' are empty.
    pub attributes: Attributes,
}

impl GarmentSeen {
    /// `garment` in the full photo, which is `scale` times as wide and high; and as `vision` described it.
    pub(crate) fn new(
        garment: &Garment,
        (sx, sy): (f32, f32),
        vision: &Vision,
        described: Option<&Described>,
    ) -> Self {
        let detected = Some(garment.category.as_str());
        let kind = described.map_or(detected, |described| vision.kind(described, detected));
        Self {
            rect: garment.rect.scale(sx, sy),
            category: kind.unwrap_or_default().to_owned(),
            score: garment.score,
            attributes: described.map(|described| described.attributes.clone()).unwrap_or_default(),
        }
    }
}

/// All garments of one photo.
#[derive(Clone, Debug, PartialEq)]
pub struct Detection {
    /// Of the upright photo, in pixels.
    pub width: u32,
    /// Of the upright photo, in pixels.
    pub height: u32,
    /// Most certain first.
    pub garments: Vec<GarmentSeen>,
    /// The one a search would use.
    pub chosen: Option<usize>,
}

/// How sure we are that two pictures show the same article.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Not even alike; as the verdict of an answer: nothing was found.
    Weak,
    /// Alike.
    Similar,
    /// Alike in nearly everything.
    VerySimilar,
    /// The same article.
    Same,
}

impl Verdict {
    /// As a hit's verdict is written: `same`, `similar`, `weak`.
    #[must_use]
    pub fn of_hit(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Similar | Self::VerySimilar => "similar",
            Self::Weak => "weak",
        }
    }
    /// As an answer's verdict is written: `same`, `similar`, `none`.
    #[must_use]
    pub fn of_answer(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Similar | Self::VerySimilar => "similar",
            Self::Weak => "none",
        }
    }
}

/// Two parts that show the same.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Part {
    /// In pixels of the upright query photo.
    pub query: Rect,
    /// In pixels of the upright catalogue picture.
    pub hit: Rect,
    /// 0..=1.
    pub score: f32,
    /// Where it lies on the catalogue picture's garment.
    pub zone: Zone,
}

/// One product that was found.
#[derive(Clone, Debug)]
pub struct Hit {
    /// With all its claims.
    pub product: Product,
    /// Its best picture.
    pub picture: PictureHash,
    /// Name of the image that shows it.
    pub image: String,
    /// Where the seller keeps that image, or its name: as it was given.
    pub name: String,
    /// Size of the upright picture in pixels.
    pub width: u32,
    /// See `width`.
    pub height: u32,
    /// Fused, 0..=1.
    pub score: f32,
    /// What the score means.
    pub verdict: Verdict,
    /// Cosine of the embeddings, -1..=1.
    pub global: f32,
    /// Score of the local comparison, 0..=1; `None` if it was not compared.
    pub local: Option<f32>,
    /// Cosine of the words' vector and the picture's, -1..=1; `None` without words.
    pub text: Option<f32>,
    /// The garment in the picture, in its upright pixels.
    pub rect: Rect,
    /// Matched parts, best first; only with `explain`.
    pub parts: Vec<Part>,
    /// Attributes that were seen on both sides; only with `explain`.
    pub attributes: Vec<Agreement>,
    /// Products of the same group among the candidates, this one included; 1 unless grouped by `group_id`.
    pub variants: usize,
    /// Other products that show the same picture and were left out for that, best first.
    pub copies: Vec<String>,
}

/// Milliseconds spent in each stage of a search.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[allow(missing_docs)]
pub struct Timing {
    pub decode: f64,
    pub detect: f64,
    pub embed: f64,
    pub index: f64,
    pub local: f64,
    pub total: f64,
}

/// For each asked claim its values with the number of hits, most frequent first.
pub type Facets = BTreeMap<String, Vec<(String, usize)>>;

/// The answer to one search.
#[derive(Clone, Debug)]
pub struct SearchAnswer {
    /// Changes up to this number were seen, perhaps some later ones too.
    pub seq: u64,
    /// Hash of the models, 64 hex digits.
    pub model: String,
    /// Of the upright query photo, in pixels.
    pub width: u32,
    /// See `width`.
    pub height: u32,
    /// Most certain first.
    pub garments: Vec<GarmentSeen>,
    /// The garment that was searched; `None` if the shopper's box or the whole photo was.
    pub chosen: Option<usize>,
    /// What was searched, in pixels of the upright photo.
    pub query_rect: Rect,
    /// Category of the garment that was searched, or that the shopper's box covers; else what the searched
    /// box most likely shows.
    pub query_category: Option<String>,
    /// Attributes seen in the searched box.
    pub query_attributes: Attributes,
    /// Best first.
    pub hits: Vec<Hit>,
    /// Of the best hit.
    pub verdict: Verdict,
    /// More hits exist behind these.
    pub more: bool,
    /// Candidates that were compared part by part.
    pub compared: usize,
    /// Where the time went.
    pub timing: Timing,
    /// Counted over `hits`.
    pub facets: Facets,
}

/// What one photo shows, as a vector.
#[derive(Clone, Debug)]
pub struct Embedded {
    /// Unit vector.
    pub embedding: Vec<f32>,
    /// Hash of the models, 64 hex digits.
    pub model: String,
    /// What was embedded, in pixels of the upright photo.
    pub rect: Rect,
    /// Of the upright photo, in pixels.
    pub width: u32,
    /// See `width`.
    pub height: u32,
    /// Likeliest category.
    pub category: Option<String>,
}

/// Two photos compared.
#[derive(Clone, Debug)]
pub struct Match {
    /// Fused, 0..=1.
    pub score: f32,
    /// What it means.
    pub verdict: Verdict,
    /// Cosine of the embeddings.
    pub global: f32,
    /// Score of the local comparison.
    pub local: f32,
    /// Size of the first upright photo, in pixels.
    pub query_size: (u32, u32),
    /// Size of the second upright photo, in pixels.
    pub hit_size: (u32, u32),
    /// The garment compared, in the first photo.
    pub query_rect: Rect,
    /// The garment compared, in the second photo.
    pub hit_rect: Rect,
    /// Matched parts, best first.
    pub parts: Vec<Part>,
    /// Attributes that were seen on both sides.
    pub attributes: Vec<Agreement>,
}

/// Whether `field` can be counted over.
pub(crate) fn is_facet(field: &str) -> bool {
    const FIELDS: [&str; 13] = [
        "brand",
        "color",
        "size",
        "material",
        "pattern",
        "gender",
        "age_group",
        "tags",
        "category",
        "product_type",
        "seller",
        "availability",
        "condition",
    ];
    FIELDS.contains(&field) || field.strip_prefix("attributes.").is_some_and(|name| !name.is_empty())
}

/// The values of one claim.
fn values(product: &Product, field: &str) -> Vec<String> {
    let one = |text: &Option<String>| text.iter().cloned().collect();
    match field {
        "brand" => one(&product.brand),
        "seller" => one(&product.seller),
        "color" => product.color.clone(),
        "size" => product.size.clone(),
        "material" => product.material.clone(),
        "pattern" => product.pattern.clone(),
        "gender" => product.gender.clone(),
        "age_group" => product.age_group.clone(),
        "tags" => product.tags.clone(),
        "category" => product.category.iter().filter_map(|c| c.path.last().cloned()).collect(),
        "product_type" => product.product_type.iter().filter_map(|path| path.last().cloned()).collect(),
        "availability" => vec![product.availability.as_str().to_owned()],
        "condition" => product.condition.iter().map(|c| c.as_str().to_owned()).collect(),
        _ => field
            .strip_prefix("attributes.")
            .and_then(|name| product.attributes.get(name))
            .cloned()
            .unwrap_or_default(),
    }
}

/// Counts `fields` over the products of `hits`; a value counts once a product.
pub(crate) fn count_facets(hits: &[Hit], fields: &[String]) -> Facets {
    let count = |field: &String| {
        let mut counts = BTreeMap::<String, usize>::new();
        for hit in hits {
            let mut values = values(&hit.product, field);
            values.sort_unstable();
            values.dedup();
            for value in values {
                *counts.entry(value).or_default() += 1;
            }
        }
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count)); // stable: ties stay alphabetical
        (field.clone(), counts)
    };
    fields.iter().map(count).collect()
}
