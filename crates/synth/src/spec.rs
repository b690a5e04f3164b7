//! What a product is: its cut, its cloth, its colours; from (seed, index) alone.

use crate::cloth::{Cloth, Family, PatternClass};
use crate::colour::{self, ColourName, PALETTES, Rgb};
use crate::cut::Cut;
use crate::rng::{Rng, mix};
use serde::{Deserialize, Serialize};

/// Which half of the generator's world: held-out pattern families, palettes and grounds never occur
/// in training samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Split {
    Train,
    HeldOut,
}

/// The category words used everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Category {
    Top,
    Outerwear,
    Dress,
    Skirt,
    Trousers,
    Shorts,
    Footwear,
    Bag,
    Hat,
    Scarf,
    Belt,
    Eyewear,
    Jewellery,
    Legwear,
    Gloves,
    Item,
}

impl Category {
    /// All categories, in the order of the vocabulary.
    pub const ALL: [Category; 16] = {
        use Category::*;
        [
            Top, Outerwear, Dress, Skirt, Trousers, Shorts, Footwear, Bag, Hat, Scarf, Belt, Eyewear,
            Jewellery, Legwear, Gloves, Item,
        ]
    };
    /// The vocabulary's word.
    #[must_use]
    pub fn name(self) -> &'static str {
        use Category::*;
        match self {
            Top => "top",
            Outerwear => "outerwear",
            Dress => "dress",
            Skirt => "skirt",
            Trousers => "trousers",
            Shorts => "shorts",
            Footwear => "footwear",
            Bag => "bag",
            Hat => "hat",
            Scarf => "scarf",
            Belt => "belt",
            Eyewear => "eyewear",
            Jewellery => "jewellery",
            Legwear => "legwear",
            Gloves => "gloves",
            Item => "item",
        }
    }
    /// Place in [`Category::ALL`].
    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }
}

/// What can be said of a garment from its looks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes {
    /// Kind of pattern.
    pub pattern: PatternClass,
    /// Colours that cover at least an eighth of the cloth, largest first, at most three.
    pub colours: Vec<ColourName>,
}

/// One product. Two specs with the same `shape_seed` and `cut` share the cut; with the same
/// `cloth_seed` and `family` they share the print, perhaps in another palette.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GarmentSpec {
    /// The product: its index, with bit 62 set when held out.
    pub id: u64,
    /// World it belongs to.
    pub split: Split,
    /// Category of the cut.
    pub category: Category,
    /// Silhouette with its parts.
    pub cut: Cut,
    /// Decides widths, lengths, necks, pockets.
    pub shape_seed: u64,
    /// Pattern program.
    pub family: Family,
    /// Decides scale, angle and motifs of the pattern.
    pub cloth_seed: u64,
    /// Colourway, `0..240`.
    pub palette: u64,
    /// Looks in words.
    pub attributes: Attributes,
}

impl GarmentSpec {
    /// A spec from its free parts; category and attributes follow from them.
    #[must_use]
    pub fn new(
        id: u64,
        split: Split,
        cut: Cut,
        shape_seed: u64,
        family: Family,
        cloth_seed: u64,
        palette: u64,
    ) -> Self {
        let palette = palette % PALETTES;
        let cloth = Cloth::new(family, cloth_seed, colour::palette(palette), cut.category());
        let attributes = Attributes { pattern: family.class(), colours: cloth.colour_names() };
        Self { id, split, category: cut.category(), cut, shape_seed, family, cloth_seed, palette, attributes }
    }
    pub(crate) fn cloth(&self) -> Cloth {
        Cloth::new(self.family, self.cloth_seed, colour::palette(self.palette), self.category)
    }
    /// The colours of collars, soles, buttons: from the palette, in the order of use.
    pub(crate) fn trims(&self) -> [Rgb; 5] {
        colour::palette(self.palette)
    }
}

/// The product `index` of the world `seed`.
///
/// Products come in families of three: the second is the first in another colourway, the third is
/// the first cut made of another cloth. So neither cut nor print alone tells products apart.
#[must_use]
pub fn product(seed: u64, index: u64, split: Split) -> GarmentSpec {
    let held = split == Split::HeldOut;
    let side = u64::from(held);
    let mut rng = Rng::keyed(&[seed, 11, index / 3, side]);
    let cut = Cut::sample(&mut rng);
    let shape_seed = rng.bits();
    let mut family = Family::sample(&mut rng, cut, held);
    let mut cloth_seed = rng.bits();
    let mut palette = sample_palette(&mut rng, held);
    let mut own = Rng::keyed(&[seed, 12, index, side]);
    match index % 3 {
        1 => {
            let first = palette;
            while colour::name_of(colour::palette(palette)[0]) == colour::name_of(colour::palette(first)[0]) {
                palette = sample_palette(&mut own, held);
            }
        }
        2 => {
            family = Family::sample(&mut own, cut, held);
            cloth_seed = own.bits();
            palette = sample_palette(&mut own, held);
        }
        _ => {}
    }
    GarmentSpec::new(index | side << 62, split, cut, shape_seed, family, cloth_seed, palette)
}

/// A palette's number; every fifth palette is held out.
fn sample_palette(rng: &mut Rng, held: bool) -> u64 {
    let n = mix(rng.bits(), 3) % (PALETTES / 5);
    if held { n * 5 + 4 } else { n * 5 + rng.below(4) as u64 }
}
