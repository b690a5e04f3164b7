//! Which products a shopper wants to see: comparisons over claims.
//!
//! In: a text such as `color in ('red', 'navy') and price < 100`. Out: a [`Filter`] that says yes
//! or no to a product ([`Filter::matches`], the oracle), and which [`crate::Catalogue::select`]
//! answers from the database's indexes.
//!
//! # Meaning
//! A field stands for the *set* of values that the seller claimed, perhaps none. A comparison is
//! true when **any** of them satisfies it: `color = 'red'` when one of the colours is red,
//! `category = 'dresses'` when any part of the path is. `!=` and `not in` are the opposite of `=`
//! and `in`: true when **no** value equals, also when there is none. There is no third truth value:
//! `price < 100` is false for a product without a price, and `not (price < 100)` is true.
//!
//! Texts compare without regard to case (by Unicode's simple lower case), except `id`, which is
//! compared exactly. A number compares with every value that is itself a plain decimal, so that
//! `size >= 40` works on sizes claimed as texts. Prices compare as amounts, whatever their
//! currency; `price.currency` and `sale_price.currency` can be asked for beside them.
//!
//! # Grammar
//! ```text
//! filter     := and ("or" and)*
//! and        := unary ("and" unary)*
//! unary      := "not" unary | "(" filter ")" | condition
//! condition  := "exists" "(" field ")" | "within" "(" "place" "," lat "," lon "," km ")"
//!             | field ("=" | "!=" | "<" | "<=" | ">" | ">=") value
//!             | field ["not"] "in" "(" value ("," value)* ")"
//! field      := a name of the product model | "attributes." name | "attributes." text
//! value      := text in single quotes, '' for a quote | number | "true" | "false"
//! ```
//! Words of the grammar may be written in any case; names of fields may not.

mod field;
mod parse;

pub(crate) use field::{Field, Term};

use crate::money::Amount;
use crate::product::{EARTH_KM, Place, Product};

/// A condition over the claims of a product. Prints as a text that parses to the same filter.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    pub(crate) expr: Expr,
}

/// What a filter says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expr {
    /// All of at least two.
    And(Vec<Expr>),
    /// Any of at least two.
    Or(Vec<Expr>),
    /// The opposite.
    Not(Box<Expr>),
    /// A claim equals one of the values.
    AnyOf { field: Field, values: Vec<Value> },
    /// A claim is a number on one side of `number`.
    Ordered { field: Field, order: Order, number: Amount },
    /// There is a claim.
    Exists(Field),
    /// The place is at most this far away.
    Within(Circle),
}

/// A value in a filter; texts are kept as written and compared folded.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Text(String),
    Number(Amount),
}

/// On which side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Order {
    pub(crate) const fn symbol(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }

    fn holds(self, left: Amount, right: Amount) -> bool {
        match self {
            Self::Less => left < right,
            Self::LessOrEqual => left <= right,
            Self::Greater => left > right,
            Self::GreaterOrEqual => left >= right,
        }
    }
}

/// A circle on the earth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Circle {
    pub(crate) centre: Place,
    pub(crate) km: f64,
}

impl Circle {
    pub(crate) fn contains(&self, place: Place) -> bool {
        self.centre.distance_km(place) <= self.km
    }

    /// A box that holds the whole circle: latitudes, and one or two ranges of longitudes.
    pub(crate) fn bounds(&self) -> ([f64; 2], [[f64; 2]; 2]) {
        // A thousandth more than the radius, and a few metres: rounding may never lose a place.
        let reach = (self.km / EARTH_KM).to_degrees() * 1.001 + 1e-4;
        let (south, north) = (self.centre.lat - reach, self.centre.lat + reach);
        let nowhere = [1.0, 0.0];
        if south <= -90.0 || north >= 90.0 {
            return ([south, north], [[-180.0, 180.0], nowhere]);
        }
        // The circle's meridian farthest from the centre touches it, it does not cut its parallel.
        let ratio = reach.to_radians().sin() / self.centre.lat.to_radians().cos();
        let wide = if ratio < 1.0 { ratio.asin().to_degrees() * 1.001 + 1e-4 } else { 180.0 };
        let (west, east) = (self.centre.lon - wide, self.centre.lon + wide);
        let longitudes = match (west < -180.0, east > 180.0) {
            (true, true) => [[-180.0, 180.0], nowhere],
            (true, false) => [[-180.0, east], [west + 360.0, 180.0]],
            (false, true) => [[west, 180.0], [-180.0, east - 360.0]],
            (false, false) => [[west, east], nowhere],
        };
        ([south, north], longitudes)
    }
}

/// A text that is not a filter: what was expected where, and what stands there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} at column {column}, found {found}")]
pub struct FilterError {
    /// Where, counted in characters from 1.
    pub column: usize,
    /// What could stand there.
    pub expected: String,
    /// What stands there instead.
    pub found: String,
}

impl Filter {
    /// Bytes of the longest text that is read.
    pub const MAX_BYTES: usize = 16 << 10;
    /// How deep parentheses and `not` may be nested.
    pub const MAX_DEPTH: usize = 64;

    /// Reads a filter; the grammar stands at the head of this module and in `docs/formats/catalogue-db.md`.
    ///
    /// # Errors
    /// [`FilterError`] points at the first character that cannot be right.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        parse::filter(text).map(|expr| Self { expr })
    }

    /// `text` in quotes, as a value of a filter.
    #[must_use]
    pub fn quote(text: &str) -> String {
        format!("'{}'", text.replace('\'', "''"))
    }

    /// Both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { expr: Expr::And(vec![self.expr, other.expr]) }
    }

    /// Either.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self { expr: Expr::Or(vec![self.expr, other.expr]) }
    }

    /// The opposite.
    #[must_use]
    pub fn negated(self) -> Self {
        Self { expr: Expr::Not(Box::new(self.expr)) }
    }

    /// Whether `product` passes. Slow and obvious: what [`crate::Catalogue::select`] is compared with.
    #[must_use]
    pub fn matches(&self, product: &Product) -> bool {
        self.expr.matches(product)
    }
}

impl Expr {
    fn matches(&self, product: &Product) -> bool {
        match self {
            Self::And(all) => all.iter().all(|expr| expr.matches(product)),
            Self::Or(any) => any.iter().any(|expr| expr.matches(product)),
            Self::Not(expr) => !expr.matches(product),
            Self::AnyOf { field, values } => values.iter().any(|value| match value {
                Value::Text(text) if *field == Field::Id => product.id == *text,
                Value::Text(text) => {
                    field.texts(product).iter().any(|claim| field::fold(claim) == field::fold(text))
                }
                Value::Number(number) => field.numbers(product).contains(number),
            }),
            Self::Ordered { field, order, number } => {
                field.numbers(product).iter().any(|claim| order.holds(*claim, *number))
            }
            Self::Exists(field) => match field {
                Field::Place => product.place.is_some(),
                _ => !field.texts(product).is_empty() || !field.numbers(product).is_empty(),
            },
            Self::Within(circle) => product.place.is_some_and(|place| circle.contains(place)),
        }
    }
}

impl std::str::FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        Self::parse(text)
    }
}

impl std::fmt::Display for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.expr)
    }
}

impl std::fmt::Display for Expr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let list = |f: &mut std::fmt::Formatter<'_>, parts: &[Self], word: &str| {
            for (position, part) in parts.iter().enumerate() {
                let word = if position == 0 { "" } else { word };
                match part {
                    Self::And(_) | Self::Or(_) => write!(f, "{word}({part})")?,
                    _ => write!(f, "{word}{part}")?,
                }
            }
            Ok(())
        };
        match self {
            Self::And(parts) => list(f, parts, " and "),
            Self::Or(parts) => list(f, parts, " or "),
            Self::Not(expr) => write!(f, "not ({expr})"),
            Self::AnyOf { field, values } => match values.as_slice() {
                [value] => write!(f, "{field} = {value}"),
                values => {
                    let values: Vec<String> = values.iter().map(ToString::to_string).collect();
                    write!(f, "{field} in ({})", values.join(", "))
                }
            },
            Self::Ordered { field, order, number } => write!(f, "{field} {} {number}", order.symbol()),
            Self::Exists(field) => write!(f, "exists({field})"),
            Self::Within(Circle { centre, km }) => {
                write!(f, "within(place, {}, {}, {km})", centre.lat, centre.lon)
            }
        }
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => f.write_str(&Filter::quote(text)),
            Self::Number(number) => write!(f, "{number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Money;

    fn dress() -> Product {
        serde_json::from_str(
            r#"{"id":"D-1","title":"Dune Dress","brand":"Marram & Tide","availability":"in_stock",
                "price":{"amount":"89.00","currency":"EUR"},"condition":"new","color":["Sand","Grün"],"size":["40"],
                "category":{"path":["Apparel","Dresses"]},"product_type":[["Women","Midi"],["Sale"]],
                "attributes":{"heel height":["3.5"],"organic":["true"]},"place":{"lat":52.0,"lon":4.3}}"#,
        )
        .unwrap()
    }

    fn passes(filter: &str) -> bool {
        Filter::parse(filter).unwrap_or_else(|error| panic!("{filter}: {error}")).matches(&dress())
    }

    #[test]
    fn a_field_is_the_set_of_what_was_claimed() {
        for yes in [
            "color = 'sand'",
            "color = 'GRÜN'",
            "color in ('red', 'Sand')",
            "color != 'red'",
            "gender != 'female'",
            "gender not in ('female')",
            "category = 'dresses'",
            "product_type = 'sale' and product_type = 'WOMEN'",
            "size = 40 and size >= 39.5 and size = '40'",
            "price = 89 and price <= 89.00 and not price < 89",
            "price.currency = 'eur'",
            "not sale_price < 100",
            "attributes.'heel height' > 3",
            "attributes.organic = true",
            "exists(place) and exists(price) and not exists(sale_price)",
            "within(place, 52.01, 4.31, 2)",
            "id = 'D-1' and not id = 'd-1'",
            "brand = 'x' or brand = 'y' or condition = 'new'",
            "NOT (brand = 'x' OR brand = 'y') AND availability IN ('in_stock')",
        ] {
            assert!(passes(yes), "{yes}");
        }
        for no in [
            "color = 'red'",
            "color != 'sand'",
            "color not in ('red', 'sand')",
            "gender = 'female'",
            "sale_price < 100",
            "price > 89",
            "brand = 5",
            "attributes.organic = 'True '",
            "within(place, 52.1, 4.31, 2)",
            "brand = 'x' and brand = 'y' or condition = 'used'",
        ] {
            assert!(!passes(no), "{no}");
        }
    }

    #[test]
    fn amounts_compare_as_decimals_whatever_the_currency() {
        let mut product = dress();
        product.price = Money::parse("0.3", "KRW").ok();
        assert!(Filter::parse("price = 0.30 and price < 0.300001").unwrap().matches(&product));
    }

    #[test]
    fn errors_point_at_the_character_and_say_what_was_expected() {
        for (text, column, expected) in [
            ("", 1, "a field"),
            ("price <", 8, "a number"),
            ("price < 'x'", 9, "a number"),
            ("price = 'x'", 9, "a number"),
            ("colour = 'red'", 1, "a field"),
            ("color 'red'", 7, "one of = !="),
            ("color = red", 9, "a text in single quotes"),
            ("color = 'red", 9, "a closing quote"),
            ("color in ()", 11, "a text in single quotes"),
            ("color in ('a' 'b')", 15, "',' or ')'"),
            ("(color = 'a'", 13, "'and', 'or' or ')'"),
            ("color = 'a' brand = 'b'", 13, "'and', 'or' or the end"),
            ("color = 'grün' & x", 16, "'and', 'or' or the end"),
            ("availability = 'instock'", 16, "one of 'in_stock'"),
            ("price < 0.1234567", 9, "at most six decimal places"),
            ("within(price, 1, 2, 3)", 8, "place"),
            ("within(place, 91, 2, 3)", 15, "a latitude"),
            ("within(place, 1, 2, -3)", 21, "a distance"),
            ("place = 'x'", 7, "within(place"),
            ("exists(nothing)", 8, "a field"),
            ("not", 4, "a field"),
            ("id < 3", 4, "one of = !="),
            ("attributes. = 'x'", 13, "the attribute's name"),
        ] {
            let error = Filter::parse(text).expect_err(text);
            assert_eq!((error.column, error.expected.contains(expected)), (column, true), "{text}: {error}");
        }
    }

    #[test]
    fn length_and_depth_are_limited() {
        let deep = |n: usize| format!("{}color = 'a'{}", "(".repeat(n), ")".repeat(n));
        assert!(Filter::parse(&deep(Filter::MAX_DEPTH)).is_ok());
        assert!(Filter::parse(&deep(Filter::MAX_DEPTH + 1)).unwrap_err().expected.contains("64"));
        assert!(Filter::parse(&format!("{}color = 'a'", "not ".repeat(5_000))).is_err());
        assert!(Filter::parse(&"x".repeat(Filter::MAX_BYTES + 1)).unwrap_err().expected.contains("16384"));
        let long = vec!["color = 'a'"; 1_000].join(" or ");
        assert!(Filter::parse(&long).unwrap().matches(&dress()) == passes("color = 'a'"));
    }

    #[test]
    fn circles_lie_inside_their_bounds() {
        let mut state = 7_u64;
        let mut random = |low: f64, high: f64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            low + (high - low) * ((state >> 11) as f64 / (1_u64 << 53) as f64)
        };
        let mut inside = 0;
        for _ in 0..200_000 {
            let centre = Place { lat: random(-90.0, 90.0), lon: random(-180.0, 180.0) };
            let circle = Circle { centre, km: random(0.0, 9.0).exp() };
            let near = random(0.0, 60.0);
            let place = Place {
                lat: (centre.lat + random(-near, near)).clamp(-90.0, 90.0),
                lon: (centre.lon + random(-2.0 * near, 2.0 * near) + 540.0).rem_euclid(360.0) - 180.0,
            };
            if circle.contains(place) {
                inside += 1;
                let ([south, north], longitudes) = circle.bounds();
                let fits = longitudes.iter().any(|[west, east]| (*west..=*east).contains(&place.lon));
                assert!(fits && (south..=north).contains(&place.lat), "{circle:?} {place:?}");
            }
        }
        assert!(inside > 5_000, "{inside}");
    }
}
