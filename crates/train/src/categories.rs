//! What labels of other people mean in our vocabulary.
use crate::CATEGORIES;

/// Place of `item`.
pub(crate) const ITEM: usize = 15;
/// Place of `outfit`.
pub(crate) const OUTFIT: usize = 16;

/// Lower-case words and our category; the first hit from the end of a label's path wins.
const WORDS: &[(&str, &str)] = &[
    ("t-shirt", "top"),
    ("longsleeve", "top"),
    ("polo", "top"),
    ("undershirt", "top"),
    ("hoodie", "top"),
    ("hoodies & sweatshirts", "top"),
    ("shirt", "top"),
    ("blouse", "top"),
    ("blouses & shirts", "top"),
    ("sweaters", "top"),
    ("tees", "top"),
    ("tanks", "top"),
    ("bras & tanks", "top"),
    ("tops", "top"),
    ("body", "top"),
    ("sweater", "top"),
    ("vest", "top"),
    ("jackets", "outerwear"),
    ("jacket", "outerwear"),
    ("coat", "outerwear"),
    ("outwear", "outerwear"),
    ("blazer", "outerwear"),
    ("dresses", "dress"),
    ("skirts", "skirt"),
    ("pants", "trousers"),
    ("jeans", "trousers"),
    ("pants & shorts", "trousers"),
    ("bottoms", "trousers"),
    ("shoes", "footwear"),
    ("boots", "footwear"),
    ("bags", "bag"),
    ("jewelry", "jewellery"),
    ("watches", "jewellery"),
    ("scarves", "scarf"),
    ("accessory", "item"),
    ("fitness equipment", "item"),
    ("gear", "item"),
];

/// Our category for a label such as `T-Shirt`, `dress` or `Men/Tops/Jackets`.
pub(crate) fn of(label: &str) -> Option<usize> {
    label.split('/').rev().find_map(|part| {
        let part = part.trim().to_lowercase();
        let ours = WORDS.iter().find(|(w, _)| *w == part).map_or(part.as_str(), |(_, ours)| ours);
        CATEGORIES.iter().position(|c| *c == ours)
    })
}

/// The table as a model card carries it.
pub(crate) fn map() -> serde_json::Map<String, serde_json::Value> {
    let own = CATEGORIES.iter().map(|c| (*c, *c));
    own.chain(WORDS.iter().copied()).map(|(w, ours)| (w.to_owned(), ours.into())).collect()
}

/// Clothes whose shop pictures show a dressed person.
pub(crate) fn is_worn_on_body(category: usize) -> bool {
    ["top", "outerwear", "dress", "skirt", "trousers", "shorts", "scarf"].contains(&CATEGORIES[category])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_the_usual_sets_are_understood() {
        assert_eq!(CATEGORIES[ITEM], "item");
        assert_eq!(CATEGORIES[OUTFIT], "outfit");
        for (label, ours) in [
            ("T-Shirt", "top"),
            ("Men/Tops/Jackets", "outerwear"),
            ("footwear", "footwear"),
            ("Dresses", "dress"),
        ] {
            assert_eq!(of(label).map(|c| CATEGORIES[c]), Some(ours), "{label}");
        }
        assert_eq!(of("Not sure"), None);
        assert!(WORDS.iter().all(|(_, ours)| CATEGORIES.contains(ours)));
    }
}
