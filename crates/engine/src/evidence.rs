//! Why two garments are taken for the same, or not, in words: where the matched parts lie on the garment, and
//! which attributes agree. The words are stable keys; whoever shows them translates them.

use twinset_embed::Attributes;
use twinset_local::palette_distance;
use twinset_photo::Rect;

/// Where a part lies on a garment, seen from the front: `left` is the left of the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Zone {
    Collar,
    SleeveLeft,
    SleeveRight,
    Body,
    Hem,
    Waist,
    LegLeft,
    LegRight,
    Top,
    Bottom,
    Left,
    Right,
    Middle,
}

impl Zone {
    /// As it is written.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Collar => "collar",
            Self::SleeveLeft => "sleeve_left",
            Self::SleeveRight => "sleeve_right",
            Self::Body => "body",
            Self::Hem => "hem",
            Self::Waist => "waist",
            Self::LegLeft => "leg_left",
            Self::LegRight => "leg_right",
            Self::Top => "top",
            Self::Bottom => "bottom",
            Self::Left => "left",
            Self::Right => "right",
            Self::Middle => "middle",
        }
    }

    /// Of the middle of `part` in the box of a garment, both in the same pixels. By position alone: a sleeve laid
    /// over the body is called body.
    pub(crate) fn of(category: Option<&str>, garment: Rect, part: Rect) -> Self {
        let place = |at: f32, from: f32, side: f32| ((at - from) / side.max(1e-3)).clamp(0.0, 1.0);
        let x = place(part.x + part.w / 2.0, garment.x, garment.w);
        let y = place(part.y + part.h / 2.0, garment.y, garment.h);
        match category.unwrap_or_default() {
            "top" | "outerwear" | "dress" => match (x, y) {
                (_, y) if y < 0.2 && (0.3..=0.7).contains(&x) => Self::Collar,
                (_, y) if y > 0.82 => Self::Hem,
                (x, y) if x < 0.24 && y < 0.75 => Self::SleeveLeft,
                (x, y) if x > 0.76 && y < 0.75 => Self::SleeveRight,
                _ => Self::Body,
            },
            "trousers" | "shorts" | "legwear" => match (x, y) {
                (_, y) if y < 0.22 => Self::Waist,
                (_, y) if y > 0.88 => Self::Hem,
                (x, _) if x < 0.5 => Self::LegLeft,
                _ => Self::LegRight,
            },
            "skirt" => match y {
                y if y < 0.2 => Self::Waist,
                y if y > 0.82 => Self::Hem,
                _ => Self::Body,
            },
            _ => match (x, y) {
                (_, y) if y < 0.28 => Self::Top,
                (_, y) if y > 0.72 => Self::Bottom,
                (x, _) if x < 0.28 => Self::Left,
                (x, _) if x > 0.72 => Self::Right,
                _ => Self::Middle,
            },
        }
    }
}

/// One attribute of both sides.
#[derive(Clone, Debug, PartialEq)]
pub struct Agreement {
    /// `category`, `colour` or `pattern`.
    pub attribute: &'static str,
    /// Whether both sides show the same.
    pub agrees: bool,
    /// As seen on the query, most important first.
    pub query: Vec<String>,
    /// As seen on the hit.
    pub hit: Vec<String>,
}

/// Colours agree below this [`palette_distance`].
const SAME_COLOURS: f32 = 0.4;

/// What was seen on one side.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Side<'a> {
    pub(crate) category: Option<&'a str>,
    pub(crate) attributes: &'a Attributes,
}

/// The attributes that were seen on both sides.
pub(crate) fn agreements(query: Side<'_>, hit: Side<'_>) -> Vec<Agreement> {
    let one = |text: &str| vec![text.to_owned()];
    let mut found = Vec::new();
    let mut word = |attribute, pair: Option<(&str, &str)>| {
        found.extend(pair.map(|(q, h)| Agreement { attribute, agrees: q == h, query: one(q), hit: one(h) }));
    };
    word("category", query.category.zip(hit.category));
    word("pattern", query.attributes.pattern.as_deref().zip(hit.attributes.pattern.as_deref()));
    let (ours, theirs) = (&query.attributes.colour, &hit.attributes.colour);
    if !ours.is_empty() && !theirs.is_empty() {
        let names = |colours: &[(String, f32)]| colours.iter().map(|(name, _)| name.clone()).collect();
        let agrees = palette_distance(ours, theirs) < SAME_COLOURS;
        found.push(Agreement { attribute: "colour", agrees, query: names(ours), hit: names(theirs) });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_named_by_where_they_lie() {
        let garment = Rect { x: 100.0, y: 50.0, w: 200.0, h: 300.0 };
        let at = |x: f32, y: f32| Rect { x: 100.0 + 200.0 * x, y: 50.0 + 300.0 * y, w: 0.0, h: 0.0 };
        for (category, x, y, zone) in [
            ("top", 0.5, 0.05, Zone::Collar),
            ("top", 0.1, 0.3, Zone::SleeveLeft),
            ("dress", 0.9, 0.3, Zone::SleeveRight),
            ("outerwear", 0.5, 0.5, Zone::Body),
            ("dress", 0.2, 0.95, Zone::Hem),
            ("trousers", 0.3, 0.6, Zone::LegLeft),
            ("shorts", 0.7, 0.1, Zone::Waist),
            ("skirt", 0.5, 0.5, Zone::Body),
            ("bag", 0.5, 0.5, Zone::Middle),
            ("bag", -3.0, 0.5, Zone::Left),
        ] {
            assert_eq!(Zone::of(Some(category), garment, at(x, y)), zone, "{category} {x} {y}");
        }
        assert_eq!(Zone::of(None, Rect::default(), Rect::default()).key(), "top");
    }

    #[test]
    fn what_was_seen_on_both_sides_is_compared() {
        let of = |pattern: Option<&str>, colour: &[(&str, f32)]| Attributes {
            colour: colour.iter().map(|(name, share)| ((*name).to_owned(), *share)).collect(),
            pattern: pattern.map(str::to_owned),
        };
        let (red, navy) = (of(Some("striped"), &[("red", 0.8)]), of(None, &[("navy", 0.6), ("white", 0.3)]));
        let side = |category, attributes| Side { category, attributes };
        let found = agreements(side(Some("top"), &red), side(Some("top"), &navy));
        let told: Vec<_> = found.iter().map(|a| (a.attribute, a.agrees)).collect();
        assert_eq!(told, [("category", true), ("colour", false)]);
        assert_eq!(found[1].hit, ["navy", "white"]);
        let same = agreements(side(None, &red), side(Some("top"), &red));
        assert!(same.iter().all(|a| a.agrees) && same.len() == 2);
    }
}
