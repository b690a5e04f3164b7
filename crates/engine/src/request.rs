//! A question, and what is refused before anything is spent on it.

use crate::{EngineError, Result};
use twinset_catalogue::Filter;
use twinset_photo::Rect;

/// Hits in one answer, at most.
pub const MAX_LIMIT: usize = 500;
/// Hits that can be skipped, at most.
pub const MAX_OFFSET: usize = 1000;

/// What to search with.
#[derive(Clone, Debug)]
pub enum QueryImage {
    /// An encoded photo.
    Bytes(Vec<u8>),
    /// The first stored picture of this product; the product itself is among the hits.
    Product(String),
    /// None: the words of [`SearchRequest::text`] alone.
    Words,
}

/// The part of the photo that the shopper marked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Region {
    /// In pixels of the upright photo.
    Pixels(Rect),
    /// In 0..=1 of the upright photo's width and height.
    Fraction(Rect),
}

/// What counts as one result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GroupBy {
    /// One hit a product.
    #[default]
    Product,
    /// One hit a `group_id` (all variants of an article); products without one stand alone.
    GroupId,
}

/// One search. [`SearchRequest::new`] gives the usual one, members are changed as needed.
#[derive(Clone, Debug)]
pub struct SearchRequest {
    /// What to search with.
    pub image: QueryImage,
    /// Words, alone or beside the photo: what is found should fit both. Only for models with a text tower.
    pub text: Option<String>,
    /// The shopper's box; wins over every detected garment.
    pub region: Option<Region>,
    /// Find garments first. Off: without a `region` the whole photo is searched.
    pub detect: bool,
    /// Only products whose claims pass.
    pub filter: Option<Filter>,
    /// Hits wanted, 1 to [`MAX_LIMIT`].
    pub limit: usize,
    /// Hits to skip, at most [`MAX_OFFSET`].
    pub offset: usize,
    /// Compare the best candidates part by part.
    pub rerank: bool,
    /// Compare with every vector, whatever the index.
    pub exact: bool,
    /// Wait (shortly) until this change is searchable, or refuse.
    pub min_seq: Option<u64>,
    /// Leave out hits below this score, 0..=1.
    pub min_score: f32,
    /// Fill [`Hit::parts`](crate::Hit::parts).
    pub explain: bool,
    /// What counts as one result.
    pub group_by: GroupBy,
    /// Products that show one and the same picture are one result: the best, or of equals the first seen.
    pub fold_copies: bool,
    /// Claims to count over the hits: `brand`, `color`, `size`, `material`, `pattern`, `gender`, `age_group`,
    /// `tags`, `category`, `product_type`, `seller`, `availability`, `condition`, `attributes.NAME`.
    pub facets: Vec<String>,
}

impl SearchRequest {
    /// 24 products, garments detected, candidates compared part by part.
    #[must_use]
    pub fn new(image: QueryImage) -> Self {
        Self {
            image,
            text: None,
            region: None,
            detect: true,
            filter: None,
            limit: 24,
            offset: 0,
            rerank: true,
            exact: false,
            min_seq: None,
            min_score: 0.0,
            explain: false,
            group_by: GroupBy::Product,
            fold_copies: true,
            facets: Vec::new(),
        }
    }

    /// The words, if there are any.
    pub(crate) fn words(&self) -> Option<&str> {
        self.text.as_deref().map(str::trim).filter(|text| !text.is_empty())
    }

    /// Refuses what is out of range.
    pub(crate) fn check(&self) -> Result<()> {
        let bad = |field, reason| Err(EngineError::BadRequest { field, reason });
        if matches!(self.image, QueryImage::Words) && self.words().is_none() {
            return bad("image", "is missing, and there are no words to search with either".into());
        }
        if matches!(self.image, QueryImage::Words) && self.region.is_some() {
            return bad("region", "is a part of a photo, but there is none".into());
        }
        if !(1..=MAX_LIMIT).contains(&self.limit) {
            return bad("limit", format!("is {}, it must be 1 to {MAX_LIMIT}", self.limit));
        }
        if self.offset > MAX_OFFSET {
            return bad("offset", format!("is {}, at most {MAX_OFFSET} can be skipped", self.offset));
        }
        if !(0.0..=1.0).contains(&self.min_score) {
            return bad("min_score", format!("is {}, it must be in 0..=1", self.min_score));
        }
        if let Some(unknown) = self.facets.iter().find(|field| !crate::answer::is_facet(field)) {
            return bad("facets", format!("names '{unknown}', which cannot be counted"));
        }
        Ok(())
    }
}
