//! The JSON that goes in and out: snake_case, boxes in 0..=1 of the upright picture.
//!
//! A product is the catalogue's own [`twinset_catalogue::Product`]; [`ProductSchema`] describes it for OpenAPI, and a
//! test compares the two.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use twinset_catalogue::{Finding, Place, Product, Settings};
use twinset_engine::{Embedded, GarmentSeen, Hit, Match, SearchAnswer, Verdict};
use twinset_photo::Rect;
use utoipa::ToSchema;

/// A photo small enough to stand in the description: four by four pixels, PNG.
pub(crate) const EXAMPLE_PHOTO: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAQAAAAECAIAAAAmkwkpAAAAEElEQVR4nGM4q6EBRwzEcQDZsxHRuf4jQQAAAABJRU5ErkJggg==";

/// A box in 0..=1 of the upright picture: left, top, width, height.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Box, example = json!({"x": 0.21, "y": 0.1, "w": 0.49, "h": 0.8}))]
pub(crate) struct BoxShape {
    pub(crate) x: f32,
    pub(crate) y: f32,
    pub(crate) w: f32,
    pub(crate) h: f32,
}

impl BoxShape {
    /// `rect` in pixels of a picture of `width` x `height`; five digits are finer than a pixel.
    pub(crate) fn new(rect: Rect, width: u32, height: u32) -> Self {
        let (width, height) = (width.max(1) as f32, height.max(1) as f32);
        let inside = rect.clamp_to(width, height).scale(1.0 / width, 1.0 / height);
        let round = |v: f32| (v * 1e5).round() / 1e5;
        Self { x: round(inside.x), y: round(inside.y), w: round(inside.w), h: round(inside.h) }
    }
}

/// Something found in a photo.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Region {
    /// Place in the list, from 0.
    id: usize,
    r#box: BoxShape,
    /// `dress`, `bag`, ...
    #[schema(example = "dress")]
    kind: String,
    /// Certainty, 0..=1.
    score: f32,
    /// Colours seen there with their shares; only of the region that was searched.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<SeenColour>)]
    colours: Vec<SeenColour>,
    /// Pattern seen there; only of the region that was searched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pattern: Option<String>,
}

/// A colour and how much of the article it covers.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct SeenColour {
    name: String,
    share: f32,
}

/// The first `most` garments of a photo of `size`, with the chosen one among them, and its place there.
pub(crate) fn regions(
    garments: &[GarmentSeen],
    chosen: Option<usize>,
    (width, height): (u32, u32),
    most: usize,
) -> (Vec<Region>, Option<usize>) {
    let mut told: Vec<usize> = (0..garments.len().min(most)).collect();
    if let (Some(chosen), Some(last)) = (chosen.filter(|&chosen| chosen >= most), told.last_mut()) {
        *last = chosen;
    }
    let one = |(id, garment): (usize, &GarmentSeen)| Region {
        id,
        r#box: BoxShape::new(garment.rect, width, height),
        kind: garment.category.clone(),
        score: garment.score,
        colours: garment
            .attributes
            .colour
            .iter()
            .map(|(name, share)| SeenColour { name: name.clone(), share: *share })
            .collect(),
        pattern: garment.attributes.pattern.clone(),
    };
    let chosen = chosen.and_then(|chosen| told.iter().position(|&at| at == chosen));
    (told.into_iter().map(|at| &garments[at]).enumerate().map(one).collect(), chosen)
}

/// What was found in a photo.
#[derive(Serialize, ToSchema)]
pub(crate) struct DetectAnswer {
    /// Of the upright photo, in pixels.
    pub(crate) width: u32,
    /// Of the upright photo, in pixels.
    pub(crate) height: u32,
    /// Most certain first.
    pub(crate) regions: Vec<Region>,
    /// The region that a search would use.
    pub(crate) chosen: Option<usize>,
}

/// What to search with: exactly one of the members.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub(crate) enum ImageRef {
    /// The encoded photo, as base64.
    Base64(String),
    /// The first picture of a product of this catalogue.
    Product(String),
    /// Where the photo is, on a public server. Needs a key with the right `read`.
    Url(String),
    /// The id of a photo that was sent ahead to `/v1/uploads` with the same key.
    Upload(String),
}

/// When to look for articles in the photo.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Detect {
    /// Only if no `region` is given.
    #[default]
    Auto,
    /// Always; `region` still wins.
    On,
    /// Never: without a `region` the whole photo is searched.
    Off,
}

/// What counts as one result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum GroupBy {
    /// Every product.
    #[default]
    Product,
    /// All products that share a `group_id`, as their best one.
    GroupId,
}

/// How much evidence a result carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Explain {
    /// Scores only.
    #[default]
    None,
    /// Also the parts that match.
    Parts,
}

/// One search.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(example = json!({"image": {"product": "MT-101-S"}, "filter": "price < 100", "limit": 5, "explain": "parts", "facets": ["color"]}))]
pub(crate) struct SearchQuery {
    /// Left out in a form, where the part `image` is the photo.
    pub(crate) image: Option<ImageRef>,
    /// Words, alone or with the photo: what is found should fit both. Needs a model with a text tower.
    pub(crate) text: Option<String>,
    /// The part of the photo to search for; wins over what is found.
    pub(crate) region: Option<BoxShape>,
    /// When to look for articles in the photo.
    pub(crate) detect: Option<Detect>,
    /// Only products that pass: `color in ('red','navy') and price < 100 and availability = 'in_stock'`.
    pub(crate) filter: Option<String>,
    /// Results wanted, 1 to 500; 24 if left out.
    #[schema(minimum = 1, maximum = 500)]
    pub(crate) limit: Option<usize>,
    /// Results to skip, at most 1,000.
    #[schema(maximum = 1000)]
    pub(crate) offset: usize,
    /// What counts as one result.
    pub(crate) group_by: GroupBy,
    /// Claims to count over the results: `brand`, `color`, `category`, `size`, `seller`, `attributes.NAME`, ...
    pub(crate) facets: Vec<String>,
    /// How much evidence a result carries.
    pub(crate) explain: Explain,
    /// Leave out results below this score, 0..=1.
    pub(crate) min_score: f32,
    /// Compare with every picture, whatever the index: slower, and never misses.
    pub(crate) exact: bool,
    /// Compare the best candidates part by part; true if left out.
    pub(crate) rerank: Option<bool>,
    /// At least this change must be searchable, else 503.
    pub(crate) min_snapshot: Option<u64>,
    /// Where the shopper is: results tell how far away their place is.
    pub(crate) near: Option<Near>,
}

/// Around a point on the earth.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"lat": 37.5665, "lon": 126.978, "within_km": 5.0}))]
pub(crate) struct Near {
    /// Degrees, north is positive.
    #[schema(minimum = -90, maximum = 90)]
    pub(crate) lat: f64,
    /// Degrees, east is positive.
    #[schema(minimum = -180, maximum = 180)]
    pub(crate) lon: f64,
    /// Only products whose place is at most so far away; left out: all.
    #[schema(minimum = 0, maximum = 20_100)]
    pub(crate) within_km: Option<f64>,
}

/// How alike, in words. More may be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Tier {
    /// The same article.
    Identical,
    /// Alike in nearly everything.
    VerySimilar,
    /// Alike.
    Similar,
    /// The nearest there is, and not alike.
    Weak,
}

impl From<Verdict> for Tier {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Same => Self::Identical,
            Verdict::VerySimilar => Self::VerySimilar,
            Verdict::Similar => Self::Similar,
            Verdict::Weak => Self::Weak,
        }
    }
}

/// Two parts that show the same.
#[derive(Serialize, ToSchema)]
pub(crate) struct MatchedPart {
    /// In the query photo.
    query: BoxShape,
    /// In the result's picture.
    result: BoxShape,
    /// 0..=1.
    score: f32,
    /// Where it lies on the result's article: `collar`, `sleeve_left`, `sleeve_right`, `body`, `hem`, `waist`,
    /// `leg_left`, `leg_right`, or `top`, `bottom`, `left`, `right`, `middle`. More may be added.
    zone: &'static str,
}

/// An attribute that was seen on both sides.
#[derive(Serialize, ToSchema)]
pub(crate) struct AttributeAgreement {
    /// `category`, `colour` or `pattern`. More may be added.
    attribute: &'static str,
    /// Whether both show the same.
    agrees: bool,
    /// As seen in the query photo.
    query: Vec<String>,
    /// As seen in the result's picture.
    result: Vec<String>,
}

impl From<twinset_engine::Agreement> for AttributeAgreement {
    fn from(a: twinset_engine::Agreement) -> Self {
        Self { attribute: a.attribute, agrees: a.agrees, query: a.query, result: a.hit }
    }
}

/// Why a product is among the results.
#[derive(Serialize, ToSchema)]
pub(crate) struct Evidence {
    /// How alike the two look as a whole, -1..=1.
    global: f32,
    /// How well their details match, 0..=1; null if they were not compared.
    local: Option<f32>,
    /// How well the words fit; null without words.
    text: Option<f32>,
    /// Best first; filled with `explain: parts`.
    matched_parts: Vec<MatchedPart>,
    /// Filled with `explain: parts`.
    attributes: Vec<AttributeAgreement>,
}

/// Two photos compared.
#[derive(Serialize, ToSchema)]
pub(crate) struct CompareAnswer {
    /// Calibrated: among pairs scored 0.9, nine of ten are the same article.
    score: f32,
    tier: Tier,
    evidence: Evidence,
    /// What was compared in the first photo.
    query_box: BoxShape,
    /// What was compared in the second photo.
    result_box: BoxShape,
}

impl From<Match> for CompareAnswer {
    fn from(made: Match) -> Self {
        let ((qw, qh), (rw, rh)) = (made.query_size, made.hit_size);
        let part = |part: &twinset_engine::Part| MatchedPart {
            query: BoxShape::new(part.query, qw, qh),
            result: BoxShape::new(part.hit, rw, rh),
            score: part.score,
            zone: part.zone.key(),
        };
        Self {
            score: made.score,
            tier: made.verdict.into(),
            evidence: Evidence {
                global: made.global,
                local: Some(made.local),
                text: None,
                matched_parts: made.parts.iter().map(part).collect(),
                attributes: made.attributes.into_iter().map(AttributeAgreement::from).collect(),
            },
            query_box: BoxShape::new(made.query_rect, qw, qh),
            result_box: BoxShape::new(made.hit_rect, rw, rh),
        }
    }
}

/// What a photo shows, or words say, as a vector.
#[derive(Serialize, ToSchema)]
pub(crate) struct EmbedAnswer {
    /// Unit vector. Only vectors of the same `model` can be compared.
    embedding: Vec<f32>,
    /// Hash of the model.
    model: String,
    /// What was embedded; null for words.
    r#box: Option<BoxShape>,
    /// What it is, if that is known.
    kind: Option<String>,
}

impl EmbedAnswer {
    /// `embedding`: of words, by the models of hash `model`.
    pub(crate) fn of_words(embedding: Vec<f32>, model: String) -> Self {
        Self { embedding, model, r#box: None, kind: None }
    }
}

impl From<Embedded> for EmbedAnswer {
    fn from(made: Embedded) -> Self {
        Self {
            r#box: Some(BoxShape::new(made.rect, made.width, made.height)),
            embedding: made.embedding,
            model: made.model,
            kind: made.category,
        }
    }
}

/// A claim of the seller that an audit doubts, and nobody has called right.
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct DoubtShape {
    /// The member of the product that claims it.
    #[schema(example = "color")]
    field: String,
    /// What is seen instead, likeliest first.
    seen: Vec<String>,
}

impl From<Finding> for DoubtShape {
    fn from(finding: Finding) -> Self {
        Self { field: finding.field, seen: finding.seen.into_iter().map(|(name, _)| name).collect() }
    }
}

/// Doubts by product.
pub(crate) type Doubts = HashMap<String, Vec<DoubtShape>>;

/// One result.
#[derive(Serialize, ToSchema)]
pub(crate) struct SearchResult {
    #[schema(value_type = ProductSchema)]
    product: Product,
    /// Name of the product's image that was found.
    image: String,
    /// The article in that image.
    r#box: BoxShape,
    /// Calibrated: among pairs scored 0.9, nine of ten are the same article.
    score: f32,
    tier: Tier,
    evidence: Evidence,
    /// Products folded into this result, itself included.
    variants: usize,
    /// Kilometres from `near` to the product's place.
    #[serde(skip_serializing_if = "Option::is_none")]
    distance_km: Option<f64>,
    /// Other products that show the same picture, folded into this result.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    copies: Vec<String>,
    /// Claims that do not fit what is seen; told with `explain: parts`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    doubts: Vec<DoubtShape>,
}

/// A value with the number of results that claim it.
#[derive(Serialize, ToSchema)]
pub(crate) struct FacetCount {
    value: String,
    count: usize,
}

/// Milliseconds by stage.
#[derive(Serialize, ToSchema)]
pub(crate) struct TookMs {
    decode: f64,
    detect: f64,
    embed: f64,
    search: f64,
    rerank: f64,
    total: f64,
}

/// The answer to one search.
#[derive(Serialize, ToSchema)]
pub(crate) struct SearchReply {
    /// Names this search in feedback.
    id: String,
    /// The operator wants to know what shoppers do with the results: a page may tell what is clicked, and ask.
    feedback: bool,
    /// Changes up to this number were seen.
    snapshot: u64,
    /// Hash of the model.
    model: String,
    took_ms: TookMs,
    /// Articles found in the photo, most certain first.
    regions: Vec<Region>,
    /// The one that was searched; null if it was the given region or the whole photo.
    searched_region: Option<usize>,
    /// What was searched.
    searched_box: BoxShape,
    /// What the searched article is, if that is known.
    kind: Option<String>,
    /// Best first.
    results: Vec<SearchResult>,
    /// By claim, most frequent value first.
    #[schema(value_type = BTreeMap<String, Vec<FacetCount>>)]
    facets: BTreeMap<String, Vec<FacetCount>>,
    /// `offset` of the next results; null at the end.
    next_offset: Option<usize>,
}

/// What is told beside an answer of the engine.
pub(crate) struct Beside {
    /// Results skipped.
    pub(crate) offset: usize,
    /// Where the shopper is, if that was told.
    pub(crate) here: Option<Place>,
    /// Regions told.
    pub(crate) regions: usize,
    pub(crate) doubts: Doubts,
    pub(crate) feedback: bool,
}

impl SearchReply {
    pub(crate) fn new(id: String, answer: SearchAnswer, beside: Beside) -> Self {
        let Beside { offset, here, regions: most, mut doubts, feedback } = beside;
        let (width, height) = (answer.width, answer.height);
        let (regions, searched_region) = regions(&answer.garments, answer.chosen, (width, height), most);
        let next_offset = answer.more.then_some(offset + answer.hits.len());
        let timing = answer.timing;
        Self {
            id,
            feedback,
            snapshot: answer.seq,
            model: answer.model,
            took_ms: TookMs {
                decode: timing.decode,
                detect: timing.detect,
                embed: timing.embed,
                search: timing.index,
                rerank: timing.local,
                total: timing.total,
            },
            regions,
            searched_region,
            searched_box: BoxShape::new(answer.query_rect, width, height),
            kind: answer.query_category,
            results: answer
                .hits
                .into_iter()
                .map(|hit| {
                    let doubts = doubts.remove(&hit.product.id).unwrap_or_default();
                    result(hit, width, height, here, doubts)
                })
                .collect(),
            facets: answer
                .facets
                .into_iter()
                .map(|(field, values)| {
                    (field, values.into_iter().map(|(value, count)| FacetCount { value, count }).collect())
                })
                .collect(),
            next_offset: next_offset.filter(|&next| next <= twinset_engine::MAX_OFFSET),
        }
    }
}

fn result(hit: Hit, width: u32, height: u32, here: Option<Place>, doubts: Vec<DoubtShape>) -> SearchResult {
    let distance = here.zip(hit.product.place).map(|(here, there)| here.distance_km(there));
    let part = |part: &twinset_engine::Part| MatchedPart {
        query: BoxShape::new(part.query, width, height),
        result: BoxShape::new(part.hit, hit.width, hit.height),
        score: part.score,
        zone: part.zone.key(),
    };
    SearchResult {
        image: hit.image.clone(),
        r#box: BoxShape::new(hit.rect, hit.width, hit.height),
        score: hit.score,
        tier: hit.verdict.into(),
        evidence: Evidence {
            global: hit.global,
            local: hit.local,
            text: hit.text,
            matched_parts: hit.parts.iter().map(part).collect(),
            attributes: hit.attributes.into_iter().map(AttributeAgreement::from).collect(),
        },
        variants: hit.variants,
        distance_km: distance.map(|km| (km * 1000.0).round() / 1000.0),
        copies: hit.copies,
        doubts,
        product: hit.product,
    }
}

/// Part of a list; `next` is handed back as `after`.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProductList {
    #[schema(value_type = Vec<ProductSchema>)]
    pub(crate) items: Vec<Product>,
    /// Null at the end.
    pub(crate) next: Option<String>,
}

/// A catalogue.
#[derive(Serialize, ToSchema)]
pub(crate) struct CatalogueShape {
    #[schema(example = "main")]
    pub(crate) name: String,
    #[schema(value_type = SettingsSchema)]
    pub(crate) settings: Settings,
    pub(crate) counts: CountsShape,
    /// Hash of the models that look at its pictures.
    pub(crate) model: String,
    /// They read words: searches may have `text`, with a photo or alone.
    pub(crate) reads_words: bool,
    /// The last change that is durable.
    pub(crate) change: u64,
    /// The last change that is searchable.
    pub(crate) snapshot: u64,
}

/// Choices of a catalogue; it is the catalogue's own [`Settings`] that is read and written.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = Settings, example = json!({"languages": ["ko", "en"], "currency": "KRW"}))]
#[allow(dead_code)]
pub(crate) struct SettingsSchema {
    /// Languages of its texts, as BCP 47 tags.
    languages: Option<Vec<String>>,
    /// Currency of prices that name none, ISO 4217.
    currency: Option<String>,
    /// Searches that leave out `detect` look for articles in the photo; left out: yes.
    detection: Option<bool>,
    /// Days that feedback is kept; left out: 365.
    retention_days: Option<u32>,
    /// `true`: the search page and the widget tell what shoppers click and ask whether results are good; `false`: feedback
    /// is taken from nobody; left out: from whoever sends it, and no page does.
    feedback: Option<bool>,
    /// Changes of what is there need `if-match`, else 428.
    require_if_match: Option<bool>,
    /// Share of the nearest pictures that searches should find, 0.5 to 0.999; 0.98 if not said.
    recall: Option<f64>,
    /// Milliseconds that the index may take for a search, instead of `recall`.
    index_ms: Option<f64>,
    /// Local features of pictures that come from now on take 0.6 instead of 2.2 kB each, a little less exact.
    compact_features: Option<bool>,
    /// Megabytes of memory that the index may take, from its next opening on; what is over stays on the disk.
    index_memory_mb: Option<u64>,
}

/// Sizes of a catalogue.
#[derive(Serialize, ToSchema)]
pub(crate) struct CountsShape {
    pub(crate) products: u64,
    /// Different pictures.
    pub(crate) pictures: u64,
    /// Images that show one of these pictures.
    pub(crate) images: u64,
}

/// All catalogues.
#[derive(Serialize, ToSchema)]
pub(crate) struct CatalogueList {
    pub(crate) items: Vec<CatalogueShape>,
    /// Always null: there are few.
    pub(crate) next: Option<String>,
}

/// What became of a write.
#[derive(Serialize, ToSchema)]
pub(crate) struct Written {
    pub(crate) id: String,
    /// `created`, `updated`, `unchanged` or `deleted`.
    pub(crate) status: &'static str,
    /// Everything up to this number is durable.
    pub(crate) change: u64,
    /// With `wait=searchable`: whether searches see it already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) searchable: Option<bool>,
}

/// An image of a product, and its picture if its bytes are here.
#[derive(Serialize, ToSchema)]
pub(crate) struct ImageShape {
    pub(crate) name: String,
    /// Where the seller keeps it.
    pub(crate) url: Option<String>,
    /// `main`, `additional` or `lifestyle`.
    #[schema(value_type = String)]
    pub(crate) role: twinset_catalogue::Role,
    pub(crate) alt: Option<String>,
    /// BLAKE3 of its bytes; null until they were given.
    pub(crate) picture: Option<String>,
    /// Of the upright picture, in pixels.
    pub(crate) width: Option<u32>,
    /// Of the upright picture, in pixels.
    pub(crate) height: Option<u32>,
    /// Where the picture can be fetched.
    pub(crate) content: Option<String>,
}

/// A product and all that its seller claims of it. Only `id` is required; what is left out is not claimed.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = Product, example = json!({"id": "MT-101-S", "group_id": "MT-101", "title": "Striped tee", "price": {"amount": "25.00", "currency": "EUR"}, "availability": "in_stock", "color": ["red"], "images": [{"name": "main"}]}))]
#[allow(dead_code)]
pub(crate) struct ProductSchema {
    /// Unique in the catalogue, 1 to 256 characters, kept exactly.
    #[schema(example = "MT-101-S")]
    id: String,
    /// Shared by the variants of one article.
    group_id: Option<String>,
    /// At most 1,000 characters.
    title: Option<String>,
    /// Plain text, at most 20,000 characters.
    description: Option<String>,
    /// Address of the product's page.
    link: Option<String>,
    /// At most 50.
    images: Option<Vec<ImageClaim>>,
    /// `in_stock`, `out_of_stock`, `preorder`, `backorder` or `unknown`.
    availability: Option<String>,
    price: Option<MoneySchema>,
    /// The reduced price.
    sale_price: Option<MoneySchema>,
    /// `new`, `refurbished` or `used`.
    condition: Option<String>,
    brand: Option<String>,
    gtin: Option<String>,
    mpn: Option<String>,
    sku: Option<String>,
    category: Option<CategorySchema>,
    /// Paths in the shop's own tree.
    product_type: Option<Vec<Vec<String>>>,
    color: Option<Vec<String>>,
    size: Option<Vec<String>>,
    material: Option<Vec<String>>,
    pattern: Option<Vec<String>>,
    gender: Option<Vec<String>>,
    age_group: Option<Vec<String>>,
    tags: Option<Vec<String>>,
    /// Everything else, by name.
    attributes: Option<BTreeMap<String, Vec<String>>>,
    /// Any JSON up to 16 KiB, returned untouched.
    custom: Option<serde_json::Value>,
    seller: Option<String>,
    place: Option<PlaceSchema>,
    source: Option<String>,
}

/// An image as the seller claims it.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = Image)]
#[allow(dead_code)]
pub(crate) struct ImageClaim {
    /// Unique in the product; `main`, `2`, `3`, ... if left out.
    name: Option<String>,
    url: Option<String>,
    /// `main`, `additional` or `lifestyle`.
    role: Option<String>,
    alt: Option<String>,
    variant: Option<String>,
    /// BLAKE3 of the stored bytes.
    picture: Option<String>,
}

/// An exact amount.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = Money)]
#[allow(dead_code)]
pub(crate) struct MoneySchema {
    #[schema(example = "12.50")]
    amount: String,
    /// ISO 4217.
    #[schema(example = "EUR")]
    currency: String,
}

/// Place in Google's product taxonomy.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = Category)]
#[allow(dead_code)]
pub(crate) struct CategorySchema {
    google_id: Option<u32>,
    path: Option<Vec<String>>,
}

/// A point on the earth, in degrees.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = Place)]
#[allow(dead_code)]
pub(crate) struct PlaceSchema {
    lat: f64,
    lon: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_regions_are_told_and_the_chosen_one_among_them() {
        let garments: Vec<GarmentSeen> = (0..12)
            .map(|at| GarmentSeen {
                rect: Rect { x: at as f32, y: 0.0, w: 1.0, h: 1.0 },
                category: format!("kind {at}"),
                score: 1.0 - at as f32 / 20.0,
                attributes: Default::default(),
            })
            .collect();
        let told = |chosen, most| {
            let (told, chosen) = regions(&garments, chosen, (12, 12), most);
            let ids: Vec<usize> = told.iter().map(|region| region.id).collect();
            assert_eq!(ids, (0..told.len()).collect::<Vec<_>>());
            (told.into_iter().map(|region| region.kind).collect::<Vec<_>>(), chosen)
        };
        assert_eq!(told(Some(1), 3), (vec!["kind 0".into(), "kind 1".into(), "kind 2".into()], Some(1)));
        assert_eq!(told(Some(11), 3), (vec!["kind 0".into(), "kind 1".into(), "kind 11".into()], Some(2)));
        assert_eq!(told(None, 10).0.len(), 10);
        assert_eq!(told(Some(11), 20).1, Some(11));
    }
}
