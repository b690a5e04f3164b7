//! The fields that a filter can ask for, and the values a product claims for them.

use std::collections::BTreeSet;

use crate::money::Amount;
use crate::product::Product;

/// A member of the product model as filters see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Id,
    GroupId,
    Title,
    Brand,
    Availability,
    Price,
    PriceCurrency,
    SalePrice,
    SalePriceCurrency,
    Condition,
    Gtin,
    Mpn,
    Sku,
    Category,
    ProductType,
    Color,
    Size,
    Material,
    Pattern,
    Gender,
    AgeGroup,
    Tags,
    Seller,
    Source,
    Place,
    Attribute(String),
}

/// Every field with a fixed name.
const NAMED: [(&str, Field); 25] = [
    ("id", Field::Id),
    ("group_id", Field::GroupId),
    ("title", Field::Title),
    ("brand", Field::Brand),
    ("availability", Field::Availability),
    ("price", Field::Price),
    ("price.currency", Field::PriceCurrency),
    ("sale_price", Field::SalePrice),
    ("sale_price.currency", Field::SalePriceCurrency),
    ("condition", Field::Condition),
    ("gtin", Field::Gtin),
    ("mpn", Field::Mpn),
    ("sku", Field::Sku),
    ("category", Field::Category),
    ("product_type", Field::ProductType),
    ("color", Field::Color),
    ("size", Field::Size),
    ("material", Field::Material),
    ("pattern", Field::Pattern),
    ("gender", Field::Gender),
    ("age_group", Field::AgeGroup),
    ("tags", Field::Tags),
    ("seller", Field::Seller),
    ("source", Field::Source),
    ("place", Field::Place),
];

/// What a field can be compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A text, compared exactly; never a number.
    Exact,
    /// A text, or a number where the claim is one.
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A number.
    Number,
    /// Nothing; it has a function of its own.
    Place,
}

impl Field {
    pub(super) fn named(name: &str) -> Option<Self> {
        NAMED.iter().find(|(known, _)| *known == name).map(|(_, field)| field.clone())
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Id => Kind::Exact,
            Self::Availability => {
                Kind::Word(&["in_stock", "out_of_stock", "preorder", "backorder", "unknown"])
            }
            Self::Condition => Kind::Word(&["new", "refurbished", "used"]),
            Self::Price | Self::SalePrice => Kind::Number,
            Self::Place => Kind::Place,
            _ => Kind::Text,
        }
    }

    /// The claimed texts, as given.
    pub(super) fn texts<'p>(&self, product: &'p Product) -> Vec<&'p str> {
        fn all(list: &[String]) -> Vec<&str> {
            list.iter().map(String::as_str).collect()
        }
        fn one(text: Option<&String>) -> Vec<&str> {
            text.map(String::as_str).into_iter().collect()
        }
        fn currency(money: Option<&crate::Money>) -> Vec<&str> {
            money.map(|m| m.currency.as_str()).into_iter().collect()
        }
        match self {
            Self::Id => vec![&product.id],
            Self::GroupId => one(product.group_id.as_ref()),
            Self::Title => one(product.title.as_ref()),
            Self::Brand => one(product.brand.as_ref()),
            Self::Availability => vec![product.availability.as_str()],
            Self::PriceCurrency => currency(product.price.as_ref()),
            Self::SalePriceCurrency => currency(product.sale_price.as_ref()),
            Self::Condition => product.condition.map(crate::Condition::as_str).into_iter().collect(),
            Self::Gtin => one(product.gtin.as_ref()),
            Self::Mpn => one(product.mpn.as_ref()),
            Self::Sku => one(product.sku.as_ref()),
            Self::Category => product.category.as_ref().map_or_else(Vec::new, |c| all(&c.path)),
            Self::ProductType => product.product_type.iter().flatten().map(String::as_str).collect(),
            Self::Color => all(&product.color),
            Self::Size => all(&product.size),
            Self::Material => all(&product.material),
            Self::Pattern => all(&product.pattern),
            Self::Gender => all(&product.gender),
            Self::AgeGroup => all(&product.age_group),
            Self::Tags => all(&product.tags),
            Self::Seller => one(product.seller.as_ref()),
            Self::Source => one(product.source.as_ref()),
            Self::Attribute(name) => product.attributes.get(name).map_or_else(Vec::new, |values| all(values)),
            Self::Price | Self::SalePrice | Self::Place => Vec::new(),
        }
    }

    /// The claimed numbers: amounts of money, and texts that are plain decimals.
    pub(super) fn numbers(&self, product: &Product) -> Vec<Amount> {
        match self {
            Self::Price => product.price.iter().map(|money| money.amount).collect(),
            Self::SalePrice => product.sale_price.iter().map(|money| money.amount).collect(),
            _ => self.texts(product).into_iter().filter_map(number).collect(),
        }
    }

    /// Its name in the table of terms: as in a filter, with an attribute's name as it is.
    pub(crate) fn key(&self) -> String {
        match self {
            Self::Attribute(name) => format!("attributes.{name}"),
            _ => self.to_string(),
        }
    }
}

impl std::fmt::Display for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Attribute(name) => write!(f, "attributes.{}", super::Filter::quote(name)),
            _ => f.write_str(NAMED.iter().find(|(_, field)| field == self).map_or("", |(name, _)| name)),
        }
    }
}

/// A text as it is compared: lower case, nothing else changed.
pub(super) fn fold(text: &str) -> String {
    text.to_lowercase()
}

fn number(text: &str) -> Option<Amount> {
    text.trim().parse().ok()
}

/// What the database indexes of one claim: the field, the value's key, and its number if it is one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Term {
    pub(crate) field: String,
    pub(crate) value: String,
    pub(crate) micros: Option<i64>,
}

impl Term {
    /// Every term of a product, each once. `id` and `place` have columns of their own.
    pub(crate) fn of(product: &Product) -> BTreeSet<Self> {
        let attributes = product.attributes.keys().map(|name| Field::Attribute(name.clone()));
        let mut terms = BTreeSet::new();
        for field in NAMED.into_iter().map(|(_, field)| field).chain(attributes) {
            match field.kind() {
                Kind::Exact | Kind::Place => {}
                Kind::Number => terms.extend(field.numbers(product).into_iter().map(|amount| Self {
                    field: field.key(),
                    value: amount.micros().to_string(),
                    micros: Some(amount.micros()),
                })),
                Kind::Text | Kind::Word(_) => {
                    terms.extend(field.texts(product).into_iter().map(|text| Self {
                        field: field.key(),
                        value: Self::value_key(text),
                        micros: number(text).map(Amount::micros),
                    }))
                }
            }
        }
        terms
    }

    /// The key of a text: folded, and by its hash where it is long. The NUL keeps the two kinds
    /// apart: neither claims nor filters can hold one.
    pub(crate) fn value_key(text: &str) -> String {
        let folded = fold(text);
        if folded.len() <= 200 { folded } else { format!("\0{}", blake3::hash(folded.as_bytes()).to_hex()) }
    }
}
