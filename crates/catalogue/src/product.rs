//! What a seller says about one product, and what we can accept of it.
//!
//! In and out: [`Product`], the model of a catalogue entry; every member is a *claim*, kept as
//! given and never trusted. Checks sizes and shapes, never truth.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use twinset_photo::PictureHash;

use crate::money::Money;

/// Characters in an id, a group id or the name of an image.
const NAME_CHARS: usize = 256;
/// Characters in a title.
const TITLE_CHARS: usize = 1_000;
/// Characters in a description.
const DESCRIPTION_CHARS: usize = 20_000;
/// Characters in any other text.
const TEXT_CHARS: usize = 20_000;
/// Characters in an address.
const URL_CHARS: usize = 8_192;
/// Images of one product.
const IMAGES: usize = 50;
/// Values of one list, names of one map, parts of one path.
const LIST: usize = 1_000;
/// Bytes of `custom` as JSON.
const CUSTOM_BYTES: usize = 16 << 10;
/// Bytes of a whole product as JSON.
const PRODUCT_BYTES: usize = 1 << 20;

/// One catalogue entry with all claims of its seller; a feed calls it a listing.
///
/// In JSON the members are named as here, absent ones are left out and unknown ones are refused.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Product {
    /// Unique in the catalogue, 1 to 256 characters, case matters; outer blanks are cut by a put.
    pub id: String,
    /// Shared by the variants of one article.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_id: Option<String>,
    /// At most 1,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Plain text, at most 20,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Absolute address of the product's page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// At most 50, in the seller's order, the names all different.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "named_images")]
    pub images: Vec<Image>,
    /// Whether it can be bought.
    #[serde(default)]
    pub availability: Availability,
    /// The full price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Money>,
    /// The reduced price, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sale_price: Option<Money>,
    /// New, refurbished or used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Condition>,
    /// The maker as the seller names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brand: Option<String>,
    /// Global trade item number, as given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gtin: Option<String>,
    /// The maker's part number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mpn: Option<String>,
    /// The seller's stock number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sku: Option<String>,
    /// Place in Google's product taxonomy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<Category>,
    /// Paths in the shop's own tree, widest part first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub product_type: Vec<Vec<String>>,
    /// As claimed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub color: Vec<String>,
    /// As claimed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub size: Vec<String>,
    /// As claimed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub material: Vec<String>,
    /// As claimed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pattern: Vec<String>,
    /// As claimed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gender: Vec<String>,
    /// As claimed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub age_group: Vec<String>,
    /// Words the seller sorts by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Everything else that was in the feed. Names are kept exactly, case matters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, Vec<String>>,
    /// Opaque JSON of at most 16 KiB, returned untouched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom: Option<Value>,
    /// Who sells it, on a marketplace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seller: Option<String>,
    /// Where it can be seen or fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// The source that brought it, if a sync did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// One image of a product: a claim that this picture shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// Unique in the product. In JSON it may be missing: the first image is then called `main`,
    /// the others by their place in the list (`2`, `3`, ...).
    #[serde(default)]
    pub name: String,
    /// Where the seller keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// What kind of image.
    #[serde(default)]
    pub role: Role,
    /// Text for those who cannot see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alt: Option<String>,
    /// The variant that it shows, if the seller says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// The stored picture; `None` until its bytes were given.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "hex")]
    pub picture: Option<PictureHash>,
}

/// What an image is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Role {
    #[default]
    Main,
    Additional,
    Lifestyle,
}

/// Whether a product can be bought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Availability {
    InStock,
    OutOfStock,
    Preorder,
    Backorder,
    #[default]
    Unknown,
}

impl Availability {
    /// The word in JSON and in filters.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InStock => "in_stock",
            Self::OutOfStock => "out_of_stock",
            Self::Preorder => "preorder",
            Self::Backorder => "backorder",
            Self::Unknown => "unknown",
        }
    }
}

/// State of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Condition {
    New,
    Refurbished,
    Used,
}

impl Condition {
    /// The word in JSON and in filters.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Refurbished => "refurbished",
            Self::Used => "used",
        }
    }
}

/// Place in Google's product taxonomy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Category {
    /// Google's number, if the feed gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub google_id: Option<u32>,
    /// The names, widest first, in whatever language they came.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<String>,
}

/// A point on the earth, WGS 84, in degrees.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// Latitude, -90 to 90, north is positive.
    pub lat: f64,
    /// Longitude, -180 to 180, east is positive.
    pub lon: f64,
}

/// Mean radius of the earth (IUGG).
pub(crate) const EARTH_KM: f64 = 6371.0088;

impl Place {
    /// Along the surface, by the haversine formula on a sphere; at most 0.6 % off the ellipsoid.
    #[must_use]
    pub fn distance_km(self, other: Self) -> f64 {
        let half = |from: f64, to: f64| ((to - from).to_radians() / 2.0).sin().powi(2);
        let parallels = self.lat.to_radians().cos() * other.lat.to_radians().cos();
        let h = half(self.lat, other.lat) + parallels * half(self.lon, other.lon);
        2.0 * EARTH_KM * h.min(1.0).sqrt().asin()
    }
}

/// A product that cannot be kept as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("product '{id}' cannot be kept: {field} {reason}")]
pub struct InvalidProduct {
    /// Its id, cut to 80 characters.
    pub id: String,
    /// The member at fault, such as `images`.
    pub field: &'static str,
    /// What is wrong with it, and the limit.
    pub reason: String,
}

impl Product {
    /// A product with nothing but an id.
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), ..Self::default() }
    }

    /// Whether a catalogue can keep this product: sizes, shapes, ranges; never whether it is true.
    ///
    /// # Errors
    /// [`InvalidProduct`] names the first member at fault.
    pub fn check(&self) -> Result<(), InvalidProduct> {
        self.fault().map_or(Ok(()), |(field, reason)| {
            Err(InvalidProduct { id: self.id.chars().take(80).collect(), field, reason })
        })
    }

    fn fault(&self) -> Option<(&'static str, String)> {
        if self.id.trim().is_empty() {
            return Some(("id", "is empty".into()));
        }
        let single = [
            ("id", Some(&self.id), NAME_CHARS),
            ("group_id", self.group_id.as_ref(), NAME_CHARS),
            ("title", self.title.as_ref(), TITLE_CHARS),
            ("description", self.description.as_ref(), DESCRIPTION_CHARS),
            ("link", self.link.as_ref(), URL_CHARS),
            ("brand", self.brand.as_ref(), TEXT_CHARS),
            ("gtin", self.gtin.as_ref(), NAME_CHARS),
            ("mpn", self.mpn.as_ref(), NAME_CHARS),
            ("sku", self.sku.as_ref(), NAME_CHARS),
            ("seller", self.seller.as_ref(), NAME_CHARS),
            ("source", self.source.as_ref(), NAME_CHARS),
        ];
        for (field, text, limit) in single {
            if let Some(reason) = text.and_then(|t| text_fault(t, limit)) {
                return Some((field, reason));
            }
        }
        let empty = Vec::new();
        let path = self.category.as_ref().map_or(&empty, |c| &c.path);
        let lists = [
            ("category", path),
            ("color", &self.color),
            ("size", &self.size),
            ("material", &self.material),
            ("pattern", &self.pattern),
            ("gender", &self.gender),
            ("age_group", &self.age_group),
            ("tags", &self.tags),
        ];
        let paths = self.product_type.iter().map(|path| ("product_type", path));
        let attributes = self.attributes.values().map(|values| ("attributes", values));
        for (field, values) in lists.into_iter().chain(paths).chain(attributes) {
            if let Some(reason) = list_fault(values) {
                return Some((field, reason));
            }
        }
        if self.product_type.len() > LIST {
            return Some(("product_type", format!("has {} paths, at most {LIST}", self.product_type.len())));
        }
        if self.attributes.len() > LIST {
            return Some(("attributes", format!("has {} names, at most {LIST}", self.attributes.len())));
        }
        if let Some(reason) = self.attributes.keys().find_map(|name| text_fault(name, NAME_CHARS)) {
            return Some(("attributes", format!("has a name that {reason}")));
        }
        for (field, price) in [("price", self.price), ("sale_price", self.sale_price)] {
            if let Some(price) = price.filter(|p| p.amount.micros() < 0) {
                return Some((field, format!("is negative ({price})")));
            }
        }
        if let Some(place) = self.place
            && !((-90.0..=90.0).contains(&place.lat) && (-180.0..=180.0).contains(&place.lon))
        {
            return Some(("place", format!("({}, {}) is not on the earth", place.lat, place.lon)));
        }
        if let Some(reason) = self.image_fault() {
            return Some(("images", reason));
        }
        let json_bytes = |value: serde_json::Result<Vec<u8>>| value.map_or(usize::MAX, |json| json.len());
        if let Some(custom) = &self.custom {
            let bytes = json_bytes(serde_json::to_vec(custom));
            if bytes > CUSTOM_BYTES {
                return Some(("custom", format!("has {bytes} bytes, at most {CUSTOM_BYTES}")));
            }
        }
        let bytes = json_bytes(serde_json::to_vec(self));
        (bytes > PRODUCT_BYTES)
            .then(|| ("the whole", format!("has {bytes} bytes as JSON, at most {PRODUCT_BYTES}")))
    }

    fn image_fault(&self) -> Option<String> {
        if self.images.len() > IMAGES {
            return Some(format!("has {} entries, at most {IMAGES}", self.images.len()));
        }
        let mut names = std::collections::HashSet::new();
        for image in &self.images {
            if image.name.is_empty() {
                return Some("has an entry without a name".into());
            }
            if !names.insert(&image.name) {
                return Some(format!("has two entries named '{}'", image.name));
            }
            let texts = [
                (Some(&image.name), URL_CHARS),
                (image.url.as_ref(), URL_CHARS),
                (image.alt.as_ref(), TITLE_CHARS),
                (image.variant.as_ref(), NAME_CHARS),
            ];
            let fault = texts.into_iter().find_map(|(text, limit)| text.and_then(|t| text_fault(t, limit)));
            if let Some(reason) = fault {
                return Some(format!("has an entry with a text that {reason}"));
            }
        }
        None
    }
}

/// NUL is refused because SQLite and C programs that read the file would cut the text there.
fn text_fault(text: &str, limit: usize) -> Option<String> {
    if text.contains('\0') {
        return Some("holds a NUL character".into());
    }
    // Bytes first: counting the characters of a foreign gigabyte is itself work.
    if text.len() > limit && (text.len() > 4 * limit || text.chars().count() > limit) {
        return Some(format!("has more than {limit} characters"));
    }
    None
}

fn list_fault(values: &[String]) -> Option<String> {
    if values.len() > LIST {
        return Some(format!("has {} values, at most {LIST}", values.len()));
    }
    values
        .iter()
        .find_map(|value| text_fault(value, TEXT_CHARS))
        .map(|reason| format!("has a value that {reason}"))
}

fn named_images<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Image>, D::Error> {
    let mut images = Vec::<Image>::deserialize(deserializer)?;
    for (position, image) in images.iter_mut().enumerate().filter(|(_, image)| image.name.is_empty()) {
        image.name = if position == 0 { "main".into() } else { (position + 1).to_string() };
    }
    Ok(images)
}

/// A picture's hash as 64 hex digits.
mod hex {
    use super::{Deserialize, PictureHash};

    #[allow(clippy::ref_option)] // the signature that serde asks for
    pub(super) fn serialize<S: serde::Serializer>(
        hash: &Option<PictureHash>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match hash {
            Some(hash) => serializer.collect_str(hash),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<PictureHash>, D::Error> {
        let Some(text) = Option::<std::borrow::Cow<'de, str>>::deserialize(deserializer)? else {
            return Ok(None);
        };
        PictureHash::from_hex(&text)
            .map(Some)
            .ok_or_else(|| serde::de::Error::custom("expected 64 hex digits as a picture's hash"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_lines_of_a_feed_round_trip() {
        let line = r#"{"id":"MT-103","title":"Beanie · 비니","images":[{"url":"https://shop.example/a.jpg"},{"url":"https://shop.example/b.jpg","role":"additional"}],"availability":"out_of_stock","price":{"amount":"29.00","currency":"EUR"},"category":{"google_id":173},"product_type":[["Accessories","Hats"]],"place":{"lat":52.1,"lon":4.3}}"#;
        let product: Product = serde_json::from_str(line).unwrap();
        assert_eq!(product.images[0].name, "main");
        assert_eq!(product.images[1].name, "2");
        product.check().unwrap();
        let again: Product = serde_json::from_str(&serde_json::to_string(&product).unwrap()).unwrap();
        assert_eq!(again, product);
    }

    #[test]
    fn unknown_members_are_refused() {
        assert!(serde_json::from_str::<Product>(r#"{"id":"a","colour":["red"]}"#).is_err());
        assert!(serde_json::from_str::<Product>(r#"{"id":"a","images":[{"uri":"x"}]}"#).is_err());
    }

    #[test]
    fn what_cannot_be_kept_names_the_member() {
        let field = |change: fn(&mut Product)| {
            let mut product = Product::new("a");
            change(&mut product);
            product.check().err().map(|e| e.field)
        };
        assert_eq!(field(|_| ()), None);
        assert_eq!(field(|p| p.id = "  ".into()), Some("id"));
        assert_eq!(field(|p| p.id = "é".repeat(257)), Some("id"));
        assert_eq!(field(|p| p.id = "é".repeat(256)), None);
        assert_eq!(field(|p| p.title = Some("x".repeat(1001))), Some("title"));
        assert_eq!(field(|p| p.color = vec!["a\0b".into()]), Some("color"));
        assert_eq!(field(|p| p.images = vec![Image::default()]), Some("images"));
        assert_eq!(
            field(|p| p.images = vec![Image { name: "m".into(), ..Image::default() }; 2]),
            Some("images")
        );
        assert_eq!(field(|p| p.place = Some(Place { lat: f64::NAN, lon: 0.0 })), Some("place"));
        assert_eq!(field(|p| p.price = Money::parse("-1", "EUR").ok()), Some("price"));
        assert_eq!(field(|p| p.custom = Some(Value::String("x".repeat(17_000)))), Some("custom"));
        assert_eq!(field(|p| p.tags = vec!["x".repeat(20_000); 60]), Some("the whole"));
    }
}
