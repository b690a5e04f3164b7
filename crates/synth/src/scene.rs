//! Scenes: garments on a ground, seen by a camera, edited by a seller, with everything known.

use crate::body::Person;
use crate::camera;
use crate::colour;
use crate::cut::{Cut, Fill, Finish, Part, Place};
use crate::draw::{self, Fit, Light, Map, Sewn, TexelMap, ViewKind};
use crate::edits::{self, Edits};
use crate::ground::{self, GroundKind};
use crate::layer::{Blend, Canvas, Layer, NOBODY, OTHER};
use crate::outline::{Path, ellipse};
use crate::raster::Block;
use crate::rng::{Rng, mix};
use crate::spec::{Attributes, Category, GarmentSpec, Split, product};
use std::sync::Arc;
use twinset_photo::{Photo, Rect};

/// What a scene should hold.
#[derive(Clone, Debug)]
pub struct SceneOptions {
    /// Width in pixels, at least 16.
    pub width: u32,
    /// Height in pixels, at least 16.
    pub height: u32,
    /// Fewest garments placed, at least 1. A garment may still end up hidden by another.
    pub min_garments: usize,
    /// Most garments placed, at most 6.
    pub max_garments: usize,
    /// World of the products, patterns and grounds.
    pub split: Split,
    /// These must be in the picture, first in `items`; the rest of the count is filled from the pool.
    pub targets: Vec<GarmentSpec>,
    /// Seed of [`product`] for the garments that fill up.
    pub world: u64,
    /// Fill from products `0..pool`.
    pub pool: u64,
    /// Real photos to use as grounds.
    pub grounds: Arc<[Photo]>,
    /// How often a real ground is used when there are any, 0..=1.
    pub real_grounds: f32,
    /// A fixed kind of ground.
    pub ground: Option<GroundKind>,
    /// A fixed blend mode; everything else in the scene stays as it was.
    pub blend: Option<Blend>,
    /// Strength of camera effects, 0..=1.
    pub camera: f32,
    /// How often something unlabelled lies over garments, 0..=1.
    pub occluders: f32,
    /// How often a seller edited the picture, 0..=1.
    pub edits: f32,
    /// How often the picture went through JPEG, 0..=1.
    pub jpeg: f32,
    /// Whether items carry masks.
    pub masks: bool,
    /// Whether items carry texel maps.
    pub texels: bool,
}

impl Default for SceneOptions {
    fn default() -> Self {
        SceneOptions {
            width: 160,
            height: 160,
            min_garments: 1,
            max_garments: 3,
            split: Split::Train,
            targets: Vec::new(),
            world: 0,
            pool: 100_000,
            grounds: Arc::from(Vec::new()),
            real_grounds: 0.5,
            ground: None,
            blend: None,
            camera: 1.0,
            occluders: 0.2,
            edits: 0.15,
            jpeg: 0.0,
            masks: false,
            texels: false,
        }
    }
}

/// Which pixels show a garment, over the whole picture, row by row: 255 or 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    /// Width of the picture.
    pub width: u32,
    /// Height of the picture.
    pub height: u32,
    /// One byte per pixel.
    pub bytes: Vec<u8>,
}

/// One garment in a scene.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Exact box of the visible pixels.
    pub rect: Rect,
    /// Kind of garment.
    pub category: Category,
    /// Silhouette.
    pub cut: Cut,
    /// Which product: [`GarmentSpec::id`].
    pub product: u64,
    /// Looks in words.
    pub attributes: Attributes,
    /// How it is shown.
    pub view: ViewKind,
    /// Share of the garment's pixels within the frame that nothing hides, 0..=1.
    pub visible: f32,
    /// Visible pixels, if asked for.
    pub mask: Option<Mask>,
    /// Correspondences over the box, if asked for.
    pub texels: Option<TexelMap>,
}

/// A picture with its truth.
#[derive(Clone, Debug, PartialEq)]
pub struct Scene {
    /// The pixels.
    pub photo: Photo,
    /// Garments that show, targets first. Smaller than a few pixels are left out.
    pub items: Vec<Item>,
    /// What a seller did to it.
    pub edits: Edits,
    /// How garments were pasted.
    pub blend: Blend,
    /// The drawn ground; none for a real one.
    pub ground: Option<GroundKind>,
}

/// Fewest visible pixels of an item that is listed.
const MIN_PIXELS: usize = 24;

/// A garment already placed.
struct Placed {
    spec: GarmentSpec,
    view: ViewKind,
    painted: usize,
}

/// The stage: a canvas and who stands on it.
pub(crate) struct Stage {
    pub canvas: Canvas,
    placed: Vec<Placed>,
    blend: Blend,
    texels: bool,
}

impl Stage {
    pub(crate) fn new(width: u32, height: u32, texels: bool, blend: Blend) -> Stage {
        Stage {
            canvas: Canvas::new(width as usize, height as usize, texels),
            placed: Vec::new(),
            blend,
            texels,
        }
    }

    /// Lays one garment down with a shadow.
    pub(crate) fn lay(&mut self, spec: &GarmentSpec, view: ViewKind, at: &Lay, rng: &mut Rng) {
        let mut sewn = Sewn::new(spec, view, rng);
        if view == ViewKind::Hanger {
            let mut parts = hanger(spec, &sewn, rng);
            parts.append(&mut sewn.parts);
            sewn.parts = parts;
        }
        let whole = sewn.bounds();
        let bounds = at.window.unwrap_or(whole);
        let map = Map::fit(&bounds, &at.fit, at.wild, rng);
        let clip = at.clip.unwrap_or(self.canvas.frame());
        let block = draw::reach(&sewn.parts, &map, &clip);
        if block.width() == 0 || block.height() == 0 {
            return;
        }
        let mut layer = Layer::new(block, self.texels);
        let own = self.placed.len() as u8 + 1;
        sewn.paint(&mut layer, &map, &at.light, own, rng.bits() as u32);
        let painted = layer.owner.iter().filter(|&&o| o == own).count();
        let alpha = layer.alpha();
        if at.shadow > 0.0 {
            let r = ((at.fit.side * 0.03) as usize).max(1);
            let (dx, dy) = (-at.light.dir[0] * at.fit.side * 0.022, -at.light.dir[1] * at.fit.side * 0.022);
            self.canvas.cast(&block, &alpha, dx as i32, dy as i32, r, at.shadow * 0.75);
            self.canvas.cast(&block, &alpha, dx as i32 / 3, dy as i32 / 3, (r / 4).max(1), at.shadow * 0.5);
        }
        self.canvas.lay(&layer, self.blend, 0);
        self.placed.push(Placed { spec: spec.clone(), view, painted });
    }

    /// Dresses a person in `outfit` (given from the skin outwards) and places them.
    pub(crate) fn dress(
        &mut self,
        outfit: &[&GarmentSpec],
        person: &Person,
        window: &[f32; 4],
        at: &Lay,
        rng: &mut Rng,
    ) {
        let map = Map::fit(window, &at.fit, at.wild * 0.5, rng);
        let clip = at.clip.unwrap_or(self.canvas.frame());
        let mut layer = Layer::new(clip, self.texels);
        let seed = rng.bits() as u32;
        draw::paint(&mut layer, &person.behind(), None, &map, &at.light, OTHER, seed);
        let mut headed = false;
        for (i, spec) in outfit.iter().enumerate() {
            let place = spec.cut.place();
            if !headed
                && matches!(place, Place::Over | Place::Neck | Place::Head | Place::Face | Place::Carried)
            {
                draw::paint(&mut layer, &person.head(), None, &map, &at.light, OTHER, seed);
                headed = true;
            }
            let mut sewn = Sewn::posed(spec, person.pose);
            if place == Place::Carried {
                let side = if seed & 1 == 0 { 1.0 } else { -1.0 };
                let hand = person.pose.arm;
                let (x, y) = (side * (0.19 + 0.5 * hand.sin()), 0.72);
                sewn.parts = sewn.parts.iter().map(|p| p.moved(x, y, 0.9)).collect();
            }
            let own = self.placed.len() as u8 + 1;
            sewn.paint(&mut layer, &map, &at.light, own, seed.wrapping_add(i as u32));
            let painted = layer.owner.iter().filter(|&&o| o == own).count();
            self.placed.push(Placed { spec: (*spec).clone(), view: ViewKind::Worn, painted });
        }
        if !headed {
            draw::paint(&mut layer, &person.head(), None, &map, &at.light, OTHER, seed);
        }
        let alpha = layer.alpha();
        if at.shadow > 0.0 {
            // On the floor below the feet, and softly on the wall.
            let feet = [[0.0, 1.545]].map(|p| map.forward(p))[0];
            let shadow = ellipse(feet[0], feet[1], 0.3 * map.scale(), 0.035 * map.scale());
            let block = Block::around(shadow.iter().copied(), 1.0, &clip);
            if block.width() > 0 && block.height() > 0 {
                let cov = crate::raster::coverage(&[shadow], &block);
                self.canvas.cast(&block, &cov, 0, 0, ((0.02 * map.scale()) as usize).max(1), 0.6 * at.shadow);
            }
            let r = ((at.fit.side * 0.02) as usize).max(1);
            self.canvas.cast(&clip, &alpha, r as i32, r as i32 / 2, r, at.shadow * 0.25);
        }
        self.canvas.lay(&layer, self.blend, 0);
    }

    /// The truth about what still shows.
    pub(crate) fn items(&self, masks: bool) -> Vec<Item> {
        let (w, h) = (self.canvas.width, self.canvas.height);
        let mut boxes = vec![(usize::MAX, usize::MAX, 0usize, 0usize, 0usize); self.placed.len()];
        for y in 0..h {
            for x in 0..w {
                let o = self.canvas.owner[y * w + x];
                if o != NOBODY && o != OTHER {
                    let b = &mut boxes[o as usize - 1];
                    *b = (b.0.min(x), b.1.min(y), b.2.max(x + 1), b.3.max(y + 1), b.4 + 1);
                }
            }
        }
        let mut items = Vec::new();
        for (i, (placed, b)) in self.placed.iter().zip(&boxes).enumerate() {
            if b.4 < MIN_PIXELS {
                continue;
            }
            let own = i as u8 + 1;
            let mask = masks.then(|| Mask {
                width: w as u32,
                height: h as u32,
                bytes: self.canvas.owner.iter().map(|&o| if o == own { 255 } else { 0 }).collect(),
            });
            let texels = self.texels.then(|| {
                let mut part = Vec::with_capacity((b.2 - b.0) * (b.3 - b.1));
                let mut uv = Vec::with_capacity(part.capacity());
                for y in b.1..b.3 {
                    for x in b.0..b.2 {
                        let at = y * w + x;
                        let (p, t) =
                            if self.canvas.owner[at] == own { self.canvas.texels[at] } else { (0, [0.0; 2]) };
                        part.push(p);
                        uv.push(t);
                    }
                }
                TexelMap {
                    x: b.0 as u32,
                    y: b.1 as u32,
                    width: (b.2 - b.0) as u32,
                    height: (b.3 - b.1) as u32,
                    part,
                    uv,
                }
            });
            items.push(Item {
                rect: Rect::from_corners(b.0 as f32, b.1 as f32, b.2 as f32, b.3 as f32),
                category: placed.spec.category,
                cut: placed.spec.cut,
                product: placed.spec.id,
                attributes: placed.spec.attributes.clone(),
                view: placed.view,
                visible: (b.4 as f32 / placed.painted.max(1) as f32).min(1.0),
                mask,
                texels,
            });
        }
        items
    }
}

/// How to lay a garment down.
pub(crate) struct Lay {
    pub fit: Fit,
    pub wild: f32,
    pub light: Light,
    pub shadow: f32,
    /// Part of the garment (metres) to fit, for close-ups.
    pub window: Option<[f32; 4]>,
    /// Panel of the picture that may be painted.
    pub clip: Option<Block>,
}

/// A hanger for garments that hang.
fn hanger(spec: &GarmentSpec, sewn: &Sewn, rng: &mut Rng) -> Vec<Part> {
    let wood = colour::srgb(rng.pick(&[[190, 140, 92], [60, 44, 36], [226, 222, 214], [40, 40, 42]]));
    let wire = colour::srgb([170, 172, 176]);
    let mut out = Vec::new();
    let hook = |x: f32, y: f32| {
        Path::new()
            .s(x, y)
            .s(x, y - 0.05)
            .s(x + 0.03, y - 0.075)
            .s(x + 0.018, y - 0.115)
            .s(x - 0.022, y - 0.1)
            .open()
    };
    let metal = Fill::Plain(wire, Finish::Shiny);
    match spec.cut.place() {
        Place::Upper | Place::Over | Place::Whole => {
            out.push(Part { shadow: 0.0, ..Part::line(&hook(0.0, 0.0), 0.008, metal) });
            let bar = Path::new()
                .s(0.0, -0.008)
                .s(0.05, 0.002)
                .s(0.15, 0.046)
                .s(0.155, 0.068)
                .s(0.05, 0.03)
                .s(0.0, 0.024)
                .mirrored()
                .closed();
            out.push(Part { round: 0.01, shadow: 0.0, ..Part::new(bar, Fill::Plain(wood, Finish::Satin)) });
        }
        Place::Lower => {
            let top = sewn.bounds()[1];
            out.push(Part { shadow: 0.0, ..Part::line(&hook(0.0, top - 0.07), 0.008, metal) });
            out.push(Part {
                shadow: 0.0,
                round: 0.006,
                ..Part::line(
                    &[[-0.17, top - 0.06], [0.17, top - 0.06]],
                    0.016,
                    Fill::Plain(wood, Finish::Satin),
                )
            });
            for x in [-0.14f32, 0.14] {
                out.push(Part {
                    shadow: 0.0,
                    ..Part::line(&[[x, top - 0.06], [x, top + 0.03]], 0.02, metal)
                });
            }
        }
        _ => {}
    }
    out
}

/// A view that suits the cut when it lies alone.
fn still_view(cut: Cut, rng: &mut Rng) -> ViewKind {
    let hangs = matches!(cut.place(), Place::Upper | Place::Over | Place::Whole | Place::Lower);
    match rng.below(10) {
        0 | 1 if hangs => ViewKind::Hanger,
        2 if cut.folds() => ViewKind::Folded,
        3 if hangs => ViewKind::Back,
        _ => ViewKind::Flat,
    }
}

/// The order in which a person puts things on.
fn layer_order(place: Place) -> usize {
    match place {
        Place::Legs => 0,
        Place::Feet => 1,
        Place::Lower => 2,
        Place::Upper => 3,
        Place::Whole => 4,
        Place::Waist => 5,
        Place::Over => 6,
        Place::Neck => 7,
        Place::Face => 8,
        Place::Head => 9,
        Place::Carried => 10,
        Place::Hands | Place::Apart => 11,
    }
}

/// A product of the pool that satisfies `fits`, or none after a fair try.
fn from_pool(rng: &mut Rng, options: &SceneOptions, fits: impl Fn(Place) -> bool) -> Option<GarmentSpec> {
    for _ in 0..40 {
        let index = rng.bits() % options.pool.max(1);
        let spec = product(options.world, index, options.split);
        if fits(spec.cut.place()) {
            return Some(spec);
        }
    }
    None
}

/// The scene `index` of the stream `seed`.
///
/// # Panics
/// If a side is below 16 pixels or the garment counts are not 1..=6 in order: our bug, never input.
#[must_use]
pub fn scene(seed: u64, index: u64, options: &SceneOptions) -> Scene {
    assert!(options.width >= 16 && options.height >= 16, "a scene needs 16 pixels each way");
    assert!(
        (1..=6).contains(&options.min_garments) && (options.min_garments..=6).contains(&options.max_garments),
        "a scene holds 1 to 6 garments"
    );
    let mut rng = Rng::keyed(&[seed, 21, index]);
    let mut blend_rng = Rng::keyed(&[seed, 22, index]);
    let sampled = blend_rng.pick(&Blend::ALL);
    let blend = options.blend.unwrap_or(sampled);
    let mut stage = Stage::new(options.width, options.height, options.texels, blend);
    let (w, h) = (options.width as f32, options.height as f32);
    let side = w.min(h);

    // The ground.
    let real = !options.grounds.is_empty() && options.ground.is_none() && rng.chance(options.real_grounds);
    let kind = options.ground.unwrap_or_else(|| GroundKind::sample(&mut rng, options.split));
    if real {
        let photo = &options.grounds[rng.below(options.grounds.len())];
        ground::fill_photo(&mut stage.canvas, photo, &mut rng);
    } else {
        ground::fill(&mut stage.canvas, kind, &mut rng);
    }

    // The garments.
    let span = options.max_garments - options.min_garments + 1;
    let count = (options.min_garments + rng.below(span)).max(options.targets.len()).min(6);
    let mut light = Light::sample(&mut rng);
    light.folds *= 1.15;
    let mut edits = Edits::default();
    let first = options.targets.first().map(|t| t.cut.place());
    let wearable = |p: Place| !matches!(p, Place::Apart | Place::Hands);
    let alone_ok = matches!(first, Some(Place::Whole));
    let wants_person = (count >= 2 || alone_ok) && first.is_none_or(wearable) && rng.chance(0.42);
    let collage = count == 1 && !wants_person && rng.chance(options.edits * 0.5);
    if wants_person {
        let outfit = outfit(&mut rng, options, count);
        let mut order: Vec<&GarmentSpec> = outfit.iter().collect();
        order.sort_by_key(|s| layer_order(s.cut.place()));
        let person = Person::sample(&mut rng);
        let window = frame_person(&mut rng, first, &outfit);
        let side_px = {
            // The window fills the height, or the width when that is smaller.
            let k = (h / (window[3] - window[1])).min(w / (window[2] - window[0]));
            k * (window[3] - window[1]).max(window[2] - window[0])
        };
        let fit = Fit {
            centre: [w * rng.range(0.42, 0.58), h * 0.5],
            side: side_px * rng.range(0.8, 1.02),
            turn: rng.range(-0.05, 0.05),
            mirror: rng.chance(0.5),
        };
        edits.mirrored = fit.mirror;
        let lay = Lay { fit, wild: 0.6, light, shadow: rng.range(0.2, 0.7), window: None, clip: None };
        stage.dress(&order, &person, &window, &lay, &mut rng);
    } else {
        let mut specs = options.targets.clone();
        while specs.len() < count {
            match from_pool(&mut rng, options, |_| true) {
                Some(spec) => specs.push(spec),
                None => break,
            }
        }
        let spots = spots(&mut rng, specs.len(), w, h);
        // The targets are laid last, so that others do not cover them too often.
        let mut order: Vec<usize> = (0..specs.len()).collect();
        if rng.chance(0.8) {
            order.reverse();
        }
        for i in order {
            let spec = &specs[i];
            let (centre, room) = spots[i];
            let view = still_view(spec.cut, &mut rng);
            let upright = rng.chance(0.6) || view == ViewKind::Hanger;
            let turn = if upright { rng.normal() * 0.12 } else { rng.range(-1.6, 1.6) };
            let fit = Fit { centre, side: room, turn, mirror: rng.chance(0.25) };
            let clip = collage.then_some(Block { x0: 0, y0: 0, x1: (w * 0.62) as i32, y1: h as i32 });
            let fit =
                if collage { Fit { centre: [w * 0.31, h * 0.5], side: side * 0.58, ..fit } } else { fit };
            edits.mirrored |= fit.mirror && i == 0;
            let lay = Lay {
                fit,
                wild: rng.range(0.2, 1.0),
                light,
                shadow: rng.range(0.3, 0.9),
                window: None,
                clip,
            };
            stage.lay(spec, view, &lay, &mut rng);
        }
        if collage {
            edits.collage = true;
            second_panel(&mut stage, &specs[0], light, &mut rng);
        }
    }
    if rng.chance(options.occluders) {
        for _ in 0..1 + rng.below(2) {
            let (x, y) = (rng.range(0.1, 0.9) * w, rng.range(0.1, 0.9) * h);
            let shape = ground::thing(&mut rng, x, y, side * 1.1);
            ground::paint_flat(&mut stage.canvas, &shape, &mut rng, 1.0, Some(OTHER));
        }
    }
    let mut items = stage.items(options.masks);
    items.sort_by_key(|item| !options.targets.iter().any(|t| t.id == item.product));
    camera::expose(&mut stage.canvas, options.camera, &mut rng);
    if rng.chance(options.edits) {
        edits::apply(&mut stage.canvas, &mut rng, &mut edits);
    }
    let mut photo = stage.canvas.photo();
    if rng.chance(options.jpeg) {
        photo = camera::compress(photo, &mut rng);
    }
    Scene { photo, items, edits, blend, ground: (!real).then_some(kind) }
}

/// A right panel with another view or a close-up of the same product, on its own plain ground.
fn second_panel(stage: &mut Stage, spec: &GarmentSpec, light: Light, rng: &mut Rng) {
    let (w, h) = (stage.canvas.width, stage.canvas.height);
    let x0 = (w as f32 * 0.62) as usize;
    let tone = colour::from_lab([rng.range(80.0, 96.0), rng.range(-4.0, 6.0), rng.range(-6.0, 8.0)]);
    for y in 0..h {
        for x in x0..w {
            let at = y * w + x;
            stage.canvas.rgb[at] = if x < x0 + 1 + w / 100 { [1.0; 3] } else { tone };
            stage.canvas.owner[at] = NOBODY;
        }
    }
    let room = (w - x0) as f32;
    let clip = Block { x0: x0 as i32 + 1 + w as i32 / 100, y0: 0, x1: w as i32, y1: h as i32 };
    let view = if rng.chance(0.5) { ViewKind::Back } else { ViewKind::Flat };
    let fit = Fit {
        centre: [x0 as f32 + room * 0.52, h as f32 * 0.5],
        side: room * rng.range(0.85, 1.3),
        turn: 0.0,
        mirror: false,
    };
    stage.lay(spec, view, &Lay { fit, wild: 0.3, light, shadow: 0.5, window: None, clip: Some(clip) }, rng);
}

/// Clothes for one person: the targets, and what goes with them.
fn outfit(rng: &mut Rng, options: &SceneOptions, count: usize) -> Vec<GarmentSpec> {
    let mut out: Vec<GarmentSpec> = Vec::new();
    for target in &options.targets {
        if !out.iter().any(|s| clash(s.cut.place(), target.cut.place())) || out.is_empty() {
            out.push(target.clone());
        }
    }
    if out.is_empty() {
        out.extend(from_pool(rng, options, |p| {
            matches!(p, Place::Upper | Place::Whole | Place::Lower | Place::Over)
        }));
    }
    let has = |out: &[GarmentSpec], p: Place| out.iter().any(|s| s.cut.place() == p);
    // A dressed person first of all, whatever the count says.
    if !has(&out, Place::Whole) {
        if !has(&out, Place::Lower) {
            out.extend(from_pool(rng, options, |p| p == Place::Lower));
        }
        if !has(&out, Place::Upper) && out.len() < 6 {
            out.extend(from_pool(rng, options, |p| p == Place::Upper));
        }
    }
    for place in [Place::Feet, Place::Over, Place::Carried, Place::Head, Place::Neck, Place::Face] {
        if out.len() >= count || out.len() >= 6 {
            break;
        }
        let likely = if place == Place::Feet { 0.85 } else { 0.35 };
        if !has(&out, place) && rng.chance(likely) {
            out.extend(from_pool(rng, options, |p| p == place));
        }
    }
    out
}

fn clash(a: Place, b: Place) -> bool {
    let covers = |p: Place, q: Place| p == Place::Whole && matches!(q, Place::Upper | Place::Lower);
    a == b || covers(a, b) || covers(b, a)
}

/// Which part of the person the picture shows, metres, so that the first target is in it.
fn frame_person(rng: &mut Rng, first: Option<Place>, outfit: &[GarmentSpec]) -> [f32; 4] {
    let place = first.unwrap_or(outfit[0].cut.place());
    let full = [-0.5, -0.42, 0.5, 1.62];
    match place {
        Place::Upper | Place::Over | Place::Neck | Place::Waist if rng.chance(0.6) => {
            [-0.5, -0.4, 0.5, rng.range(0.75, 1.1)]
        }
        Place::Head | Place::Face if rng.chance(0.8) => [-0.34, -0.45, 0.34, 0.4],
        Place::Lower | Place::Legs if rng.chance(0.5) => [-0.5, rng.range(0.0, 0.3), 0.5, 1.62],
        Place::Feet if rng.chance(0.6) => [-0.4, rng.range(0.7, 1.0), 0.4, 1.64],
        _ => full,
    }
}

/// Where `n` things go: centre and side in pixels, in a loose grid.
fn spots(rng: &mut Rng, n: usize, w: f32, h: f32) -> Vec<([f32; 2], f32)> {
    let side = w.min(h);
    if n == 1 {
        let room = side * rng.range(0.55, 0.95);
        let slack = (side - room) * 0.5;
        return vec![(
            [w * 0.5 + rng.range(-1.0, 1.0) * slack, h * 0.5 + rng.range(-1.0, 1.0) * slack],
            room,
        )];
    }
    let columns = if n <= 4 { 2 } else { 3 };
    let rows = n.div_ceil(columns);
    let (cw, ch) = (w / columns as f32, h / rows as f32);
    let mut out: Vec<_> = (0..n)
        .map(|i| {
            let (cx, cy) = ((i % columns) as f32 + 0.5, (i / columns) as f32 + 0.5);
            let room = cw.min(ch).max(side * 0.3) * rng.range(0.8, 1.25);
            ([cx * cw + rng.range(-0.1, 0.1) * cw, cy * ch + rng.range(-0.1, 0.1) * ch], room)
        })
        .collect();
    for i in (1..n).rev() {
        out.swap(i, rng.below(i + 1));
    }
    out
}

/// The product alone on white or soft grey with a soft shadow, as shops show it first.
#[must_use]
pub fn packshot(spec: &GarmentSpec, view_seed: u64, side_px: u32) -> Scene {
    let mut rng = Rng::keyed(&[0x9ACC, spec.id, view_seed]);
    let view = match rng.below(10) {
        0 | 1 if !matches!(spec.cut.place(), Place::Apart) => ViewKind::Hanger,
        2 if spec.cut.folds() => ViewKind::Folded,
        _ => ViewKind::Flat,
    };
    still(spec, view, mix(view_seed, 5), side_px, 0.86, None)
}

/// A studio picture of one product in a given view; `window` (shares of the garment's box) zooms in.
pub(crate) fn still(
    spec: &GarmentSpec,
    view: ViewKind,
    seed: u64,
    side_px: u32,
    fill: f32,
    window: Option<[f32; 4]>,
) -> Scene {
    let mut rng = Rng::keyed(&[0x57, spec.id, seed]);
    let side = side_px.max(16);
    let mut stage = Stage::new(side, side, false, Blend::None);
    let white = rng.chance(0.55);
    let tone = if white {
        [0.975, 0.972, 0.968]
    } else {
        colour::from_lab([rng.range(88.0, 93.0), rng.range(-1.0, 2.0), rng.range(-1.0, 4.0)])
    };
    let s = side as f32;
    for y in 0..side as usize {
        let k = 1.0 - if white { 0.012 } else { 0.06 } * (y as f32 / s);
        for x in 0..side as usize {
            let d = ((x as f32 / s - 0.5).powi(2) + (y as f32 / s - 0.45).powi(2))
                * if white { 0.02 } else { 0.12 };
            stage.canvas.rgb[y * side as usize + x] = colour::scale(tone, k - d);
        }
    }
    let window = window.map(|f| {
        let mut probe = rng.clone();
        let b = Sewn::new(spec, view, &mut probe).bounds();
        let (w, h) = (b[2] - b[0], b[3] - b[1]);
        [b[0] + f[0] * w, b[1] + f[1] * h, b[0] + f[2] * w, b[1] + f[3] * h]
    });
    let fit = Fit { centre: [s * 0.5, s * 0.5], side: s * fill, turn: rng.normal() * 0.012, mirror: false };
    let lay = Lay { fit, wild: 0.18, light: Light::studio(), shadow: 0.42, window, clip: None };
    stage.lay(spec, view, &lay, &mut rng);
    let items = stage.items(false);
    Scene {
        photo: stage.canvas.photo(),
        items,
        edits: Edits::default(),
        blend: Blend::None,
        ground: Some(GroundKind::White),
    }
}
