//! Sets that figures are given for: a drawn shop with one picture a product, and photos that are asked with. Frozen:
//! the same seed gives the same pictures for ever.

use twinset_photo::{Photo, Rect};

use crate::draw::ViewKind;
use crate::rng::Rng;
use crate::scene::{Scene, SceneOptions, packshot, scene, still};
use crate::spec::{GarmentSpec, Split, product};

/// A drawn shop and the photos that are asked with.
pub trait DrawnSet: Sync {
    /// Number of products.
    fn products(&self) -> u64;
    /// Product `index`.
    fn product(&self, index: u64) -> GarmentSpec;
    /// The shop's picture of a product.
    fn shown(&self, index: u64) -> Option<DrawnPicture>;
    /// Photos of a product, fewer where it is too well hidden.
    fn asked(&self, index: u64) -> Vec<DrawnPicture>;
}

/// Near twins: each product has a sister in another colourway and one of another cloth, so that neither cut nor print
/// alone tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Twins {
    /// World of patterns, palettes and grounds.
    pub split: Split,
    /// Seed of everything.
    pub seed: u64,
    /// Families; each has three products.
    pub families: u64,
}

/// One picture of a set.
#[derive(Clone, Debug)]
pub struct DrawnPicture {
    /// `packshot` for the shop's picture; `scene`, `studio`, `close-up` or `clutter` for a query.
    pub view: &'static str,
    /// The pixels.
    pub photo: Photo,
    /// Box of the product.
    pub rect: Rect,
}

/// Longer side of the shop's pictures and of the queries, pixels.
const SIDE_PX: u32 = 320;
/// Least share of a query's garment that nothing hides.
const LEAST_VISIBLE: f32 = 0.6;

impl Twins {
    /// The set that figures are given for: patterns, palettes and grounds that no training sees.
    pub const FROZEN: Self = Self { split: Split::HeldOut, seed: 0x7715, families: 150 };

    /// What a model's fusion is fitted on: the world of training, other products than those of training runs.
    pub const TRAINING: Self = Self { split: Split::Train, seed: 0xF175, families: 150 };
}

impl DrawnSet for Twins {
    fn products(&self) -> u64 {
        3 * self.families
    }

    /// `index / 3` is its family.
    fn product(&self, index: u64) -> GarmentSpec {
        product(self.seed, index, self.split)
    }

    fn shown(&self, index: u64) -> Option<DrawnPicture> {
        let spec = self.product(index);
        pick("packshot", &spec, packshot(&spec, self.seed ^ index, SIDE_PX))
    }

    /// In three other views.
    fn asked(&self, index: u64) -> Vec<DrawnPicture> {
        let spec = self.product(index);
        let mut rng = Rng::keyed(&[self.seed, 0xA5CED, index]);
        let options = SceneOptions {
            width: SIDE_PX,
            height: SIDE_PX * 5 / 4,
            max_garments: 2,
            split: self.split,
            targets: vec![spec.clone()],
            world: self.seed,
            ..SceneOptions::default()
        };
        let in_scene = (0..8).find_map(|_| pick("scene", &spec, scene(self.seed, rng.bits() >> 8, &options)));
        let view = rng.pick(&[ViewKind::Hanger, ViewKind::Folded, ViewKind::Back]);
        let other = still(&spec, view, rng.bits(), SIDE_PX, rng.range(0.6, 0.85), None);
        let (x, y, side) = (rng.range(0.05, 0.4), rng.range(0.0, 0.4), rng.range(0.45, 0.55));
        let window = Some([x, y, x + side, y + side]);
        let near = still(&spec, ViewKind::Flat, rng.bits(), SIDE_PX, 1.0, window);
        in_scene
            .into_iter()
            .chain(pick("studio", &spec, other))
            .chain(pick("close-up", &spec, near))
            .collect()
    }
}

/// Products that share no family, each asked for in clutter: two photos with one to four other garments, things that lie
/// over them, grounds and camera effects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clutter {
    /// World of patterns, palettes and grounds.
    pub split: Split,
    /// Seed of everything.
    pub seed: u64,
    /// How many.
    pub products: u64,
}

impl Clutter {
    /// The set that figures are given for: patterns, palettes and grounds that no training sees.
    pub const FROZEN: Self = Self { split: Split::HeldOut, seed: 0xC1_077E, products: 300 };
}

impl DrawnSet for Clutter {
    fn products(&self) -> u64 {
        self.products
    }

    fn product(&self, index: u64) -> GarmentSpec {
        product(self.seed, 3 * index, self.split)
    }

    fn shown(&self, index: u64) -> Option<DrawnPicture> {
        let spec = self.product(index);
        pick("packshot", &spec, packshot(&spec, self.seed ^ index, SIDE_PX))
    }

    fn asked(&self, index: u64) -> Vec<DrawnPicture> {
        let spec = self.product(index);
        let mut rng = Rng::keyed(&[self.seed, 0xA5CED, index]);
        let options = SceneOptions {
            width: SIDE_PX,
            height: SIDE_PX * 5 / 4,
            min_garments: 2,
            max_garments: 5,
            split: self.split,
            targets: vec![spec.clone()],
            world: self.seed,
            ..SceneOptions::default()
        };
        let mut one =
            || (0..8).find_map(|_| pick("clutter", &spec, scene(self.seed, rng.bits() >> 8, &options)));
        [one(), one()].into_iter().flatten().collect()
    }
}

/// The picture, if it shows enough of the product.
fn pick(view: &'static str, spec: &GarmentSpec, drawn: Scene) -> Option<DrawnPicture> {
    let seen = drawn.items.iter().find(|item| item.product == spec.id)?;
    let enough = view == "close-up" || seen.visible >= LEAST_VISIBLE;
    (enough && seen.rect.w.min(seen.rect.h) >= 24.0).then_some(DrawnPicture {
        view,
        rect: seen.rect,
        photo: drawn.photo,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clutter_shows_the_product_among_others() {
        let set = Clutter::FROZEN;
        let asked: Vec<DrawnPicture> = (0..6).flat_map(|i| set.asked(i)).collect();
        assert!(asked.len() >= 8 && asked.iter().all(|p| p.view == "clutter"), "{}", asked.len());
        assert_eq!(asked[0].photo.rgb(), set.asked(0)[0].photo.rgb());
        let shape = |index| (set.product(index).cut, set.product(index).shape_seed);
        assert!((1..6).all(|i| shape(i) != shape(i - 1)));
    }

    #[test]
    fn the_frozen_set_is_frozen() {
        // If this changes, figures of before can no longer be compared: tell so in the changelog.
        let set = Twins::FROZEN;
        let sum = |photo: &Photo| photo.rgb().iter().map(|&b| u64::from(b)).sum::<u64>();
        let (shown, asked) = (set.shown(4).unwrap(), set.asked(4));
        assert_eq!((shown.view, asked.len()), ("packshot", 3));
        assert_eq!(sum(&shown.photo), sum(&Twins::FROZEN.shown(4).unwrap().photo));
        let [first, colour, cloth] = [3, 4, 5].map(|i| set.product(i));
        assert!(first.cut == colour.cut && first.family == colour.family && first.palette != colour.palette);
        assert!(first.cut == cloth.cut && first.shape_seed == cloth.shape_seed);
        assert_ne!((first.family, first.cloth_seed), (cloth.family, cloth.cloth_seed));
    }
}
