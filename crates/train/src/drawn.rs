//! Training samples from the generator: as many products as wanted, every label exact, nothing stored.
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;
use twinset_synth::{GarmentSpec, Scene, SceneOptions, Split, packshot, product, scene as draw_scene};

use crate::{
    CATEGORIES, PATTERNS,
    augment::{Affine, Boxed, Shot, Target},
    losses::Label,
    sources::Pair,
};

/// Drawn products are numbered below this; enough that few come twice in a run.
const PRODUCTS: u64 = 50_000;

/// One product twice: in a scene, and in another or as the shop shows it.
pub(crate) fn pair(seed: u64, rng: &mut ChaCha8Rng) -> Pair {
    loop {
        let index = rng.random_range(0..PRODUCTS);
        let spec = product(seed, index, Split::Train);
        let (Some(first), Some(second)) =
            (shot(seed, &spec, false, rng), shot(seed, &spec, rng.random_bool(0.4), rng))
        else {
            continue;
        };
        let place = |of: &[&str], name: &str| of.iter().position(|n| *n == name).map_or(-1, |i| i as i32);
        return Pair {
            shots: [first, second],
            label: Label { product: spec.id ^ 1 << 63, family: spec.id ^ 1 << 63 },
            place: None,
            category: place(&CATEGORIES, spec.category.name()),
            kind: -1,
            pattern: place(&PATTERNS, spec.attributes.pattern.name()),
            lessons: [None; 2],
            same_picture: false,
        };
    }
}

fn shot(seed: u64, spec: &GarmentSpec, plain: bool, rng: &mut ChaCha8Rng) -> Option<Shot> {
    let drawn: Scene = if plain {
        packshot(spec, rng.random(), 192)
    } else {
        let options = SceneOptions {
            width: 224,
            height: 224,
            targets: vec![spec.clone()],
            world: seed,
            ..SceneOptions::default()
        };
        draw_scene(seed, rng.random(), &options)
    };
    let item = drawn.items.iter().find(|i| i.product == spec.id && i.rect.w.min(i.rect.h) >= 24.0)?;
    Some(Shot { rect: item.rect, photo: Arc::new(drawn.photo), to_source: Affine::IDENTITY })
}

/// One to five garments in clutter.
pub(crate) fn scene(seed: u64, rng: &mut ChaCha8Rng) -> Boxed {
    let options =
        SceneOptions { width: 256, height: 256, max_garments: 5, world: seed, ..SceneOptions::default() };
    let drawn = draw_scene(seed, rng.random(), &options);
    let targets = drawn
        .items
        .iter()
        .filter_map(|i| {
            let category = CATEGORIES.iter().position(|c| *c == i.category.name())?;
            Some(Target { rect: i.rect, category, open: false })
        })
        .collect();
    Boxed { photo: Arc::new(drawn.photo), targets }
}
