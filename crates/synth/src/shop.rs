//! A drawn shop: catalogue entries with pictures, titles and prices, and messy photos of its products.
use twinset_photo::encode_jpeg;

use crate::{GarmentSpec, SceneOptions, Split, packshot, product, scene};

/// One product as a shop would list it; everything in it is drawn or made up from the seed.
#[derive(Clone, Debug, PartialEq)]
pub struct CatalogueEntry {
    /// Unique in the shop.
    pub id: String,
    /// In English.
    pub title: String,
    /// One sentence.
    pub description: String,
    /// An invented brand.
    pub brand: String,
    /// Decimal text such as `24.90`.
    pub price: String,
    /// ISO 4217.
    pub currency: String,
    /// Our category's name.
    pub category: String,
    /// Names of the colours, largest share first.
    pub colours: Vec<String>,
    /// Name of the pattern.
    pub pattern: String,
    /// Name and JPEG bytes, the front first.
    pub pictures: Vec<(String, Vec<u8>)>,
}

/// Side of a shop picture, pixels.
const SIDE_PX: u32 = 480;
const BRANDS: [&str; 8] =
    ["Norrvik", "Alma & Ro", "Tidewear", "Kestrel", "Maison Lune", "Haru", "Plainsong", "Odd Fox"];
const LINES: [&str; 12] = [
    "Aster", "Birch", "Cove", "Dune", "Ember", "Fjord", "Grove", "Harbour", "Iris", "Juno", "Lark", "Mistral",
];

/// Product `index` of the shop that `seed` names; always the same.
#[must_use]
pub fn catalogue_product(seed: u64, index: u64) -> CatalogueEntry {
    let spec = product(seed, index, Split::Train);
    let category = spec.category.name().to_owned();
    let colours: Vec<String> = spec.attributes.colours.iter().map(|c| c.name().to_owned()).collect();
    let pattern = spec.attributes.pattern.name().to_owned();
    let turn = index as usize;
    let colour = colours.first().map_or("plain", String::as_str);
    let title = format!("{} {pattern} {category}, {colour}", LINES[(turn * 7 + 3) % LINES.len()]);
    let pictures = ["main", "detail"]
        .into_iter()
        .zip([11u64, 12])
        .map(|(name, view)| {
            let drawn = packshot(&spec, index.wrapping_mul(31).wrapping_add(view), SIDE_PX);
            (name.to_owned(), encode_jpeg(&drawn.photo, 88))
        })
        .collect();
    CatalogueEntry {
        id: format!("demo-{index:04}"),
        description: format!("A {pattern} {category} in {}.", colours.join(" and ")),
        title,
        brand: BRANDS[(turn * 5 + 1) % BRANDS.len()].to_owned(),
        price: format!("{}.{}0", 12 + (turn * 37) % 120, [4, 9][turn % 2]),
        currency: "EUR".to_owned(),
        category,
        colours,
        pattern,
        pictures,
    }
}

/// A messy photo, as JPEG, that shows product `index` of the shop among others.
#[must_use]
pub fn query_photo(seed: u64, index: u64) -> Vec<u8> {
    let target: GarmentSpec = product(seed, index, Split::Train);
    let options = SceneOptions {
        width: 720,
        height: 900,
        min_garments: 1,
        max_garments: 2,
        targets: vec![target],
        world: seed,
        ..SceneOptions::default()
    };
    encode_jpeg(&scene(seed, index, &options).photo, 85)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_is_drawn_the_same_each_time_and_reads_like_one() {
        let entry = catalogue_product(7, 3);
        assert_eq!(entry, catalogue_product(7, 3));
        assert!(!entry.title.is_empty() && entry.pictures.len() == 2 && !entry.colours.is_empty());
        assert_ne!(entry.pictures[0].1, catalogue_product(7, 4).pictures[0].1);
        assert_eq!(query_photo(7, 3), query_photo(7, 3));
    }
}
