//! Draws a garment: its parts through a smooth map, filled by its cloth, shaded by soft light.
//!
//! The map from metres to pixels is exact forwards (outlines go through it point by point); its
//! inverse, which tells each pixel its place on the cloth, is iterated on a coarse grid and
//! interpolated. Shading: roundness from the blurred coverage of each part, folds from the slope of
//! directed noise, contact shadows where one part lies on another.

use crate::cloth::Cloth;
use crate::colour::{self, Rgb};
use crate::cut::{self, Fill, Finish, Part, Pose};
use crate::layer::{Layer, NOBODY};
use crate::noise::{self, fbm, lerp, noise_slope, smoothstep};
use crate::outline::Pt;
use crate::raster::{self, Block};
use crate::rng::{Rng, mix};
use crate::spec::GarmentSpec;
use serde::{Deserialize, Serialize};

/// How a garment is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ViewKind {
    /// Laid out flat, front up.
    Flat,
    /// On a hanger.
    Hanger,
    /// In the shape it takes on a body (the body itself is drawn by scenes).
    Worn,
    /// Folded for the shelf; cuts that do not fold are laid flat.
    Folded,
    /// Laid out flat, back up.
    Back,
}

/// A view of a garment: kind, chance, size.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// How it is shown.
    pub kind: ViewKind,
    /// Decides pose, folds, warp and light.
    pub seed: u64,
    /// Side of the square picture, pixels.
    pub side_px: u32,
}

/// Where each pixel lies on the product: for local features that must meet again in another view.
#[derive(Clone, Debug, PartialEq)]
pub struct TexelMap {
    /// Left of the block, pixels of the picture.
    pub x: u32,
    /// Top of the block.
    pub y: u32,
    /// Width of the block.
    pub width: u32,
    /// Height of the block.
    pub height: u32,
    /// Part of the product per pixel, row by row; 0 where there is none.
    pub part: Vec<u8>,
    /// Material coordinates in metres, beside `part`.
    pub uv: Vec<[f32; 2]>,
}

/// A garment without a ground.
#[derive(Clone, Debug, PartialEq)]
pub struct Cutout {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// 8-bit sRGB with straight alpha, row by row.
    pub rgba: Vec<u8>,
    /// 255 where the garment is, row by row.
    pub mask: Vec<u8>,
    /// Correspondences, over the whole picture; empty vectors for real cut-outs.
    pub texels: TexelMap,
}

impl Cutout {
    /// A real cut-out: `mask` holds one byte per pixel of `photo`, 0 outside, 255 inside.
    ///
    /// # Panics
    /// If the mask has another size than the photo.
    #[must_use]
    pub fn from_photo(photo: &twinset_photo::Photo, mask: &[u8]) -> Self {
        assert_eq!(mask.len() * 3, photo.rgb().len(), "one mask byte per pixel");
        let rgba = photo.rgb().chunks_exact(3).zip(mask).flat_map(|(p, &m)| [p[0], p[1], p[2], m]).collect();
        let texels = TexelMap {
            x: 0,
            y: 0,
            width: photo.width(),
            height: photo.height(),
            part: Vec::new(),
            uv: Vec::new(),
        };
        Cutout { width: photo.width(), height: photo.height(), rgba, mask: mask.to_vec(), texels }
    }
}

/// Draws `spec` alone, filling the picture up to a small margin, on transparent ground.
#[must_use]
pub fn draw(spec: &GarmentSpec, view: &View) -> Cutout {
    let side = view.side_px.max(8) as f32;
    let mut rng = Rng::keyed(&[0xD4A3, spec.id, view.seed]);
    let sewn = Sewn::new(spec, view.kind, &mut rng);
    let fit = Fit {
        centre: [side * 0.5, side * 0.5],
        side: side * 0.92,
        turn: rng.range(-0.06, 0.06),
        mirror: false,
    };
    let map = Map::fit(&sewn.bounds(), &fit, 0.4, &mut rng);
    let light = Light::sample(&mut rng);
    let frame = Block { x0: 0, y0: 0, x1: side as i32, y1: side as i32 };
    let mut layer = Layer::new(frame, true);
    sewn.paint(&mut layer, &map, &light, 1, view.seed as u32);
    let mut rgba = Vec::with_capacity(layer.rgba.len() * 4);
    let mut mask = Vec::with_capacity(layer.rgba.len());
    for (p, &owner) in layer.rgba.iter().zip(&layer.owner) {
        let a = p[3].max(1e-6);
        rgba.extend([p[0] / a, p[1] / a, p[2] / a].map(colour::to_byte));
        rgba.push((p[3].clamp(0.0, 1.0) * 255.0 + 0.5) as u8);
        mask.push(if owner == NOBODY { 0 } else { 255 });
    }
    let (part, uv) = layer.texels.iter().copied().unzip();
    let px = frame.x1 as u32;
    Cutout {
        width: px,
        height: px,
        rgba,
        mask,
        texels: TexelMap { x: 0, y: 0, width: px, height: px, part, uv },
    }
}

/// Up to `count` pairs of points, in pixels of either picture, that show the same place of the same
/// product: same part, material coordinates within `within_m` metres.
#[must_use]
pub fn correspond(
    a: &TexelMap,
    b: &TexelMap,
    count: usize,
    within_m: f32,
    seed: u64,
) -> Vec<([f32; 2], [f32; 2])> {
    let cell = within_m.max(1e-4);
    let key = |part: u8, uv: [f32; 2]| (part, (uv[0] / cell).floor() as i32, (uv[1] / cell).floor() as i32);
    let mut places = std::collections::HashMap::<(u8, i32, i32), usize>::new();
    for (i, (&part, &uv)) in b.part.iter().zip(&b.uv).enumerate() {
        if part != 0 {
            places.entry(key(part, uv)).or_insert(i);
        }
    }
    let shown: Vec<usize> = (0..a.part.len()).filter(|&i| a.part[i] != 0).collect();
    let mut rng = Rng::keyed(&[0xC022, seed]);
    let mut out = Vec::new();
    for _ in 0..count * 8 {
        if out.len() >= count || shown.is_empty() {
            break;
        }
        let i = shown[rng.below(shown.len())];
        let (part, u, v) = key(a.part[i], a.uv[i]);
        let mut best: Option<(f32, usize)> = None;
        for du in -1..=1 {
            for dv in -1..=1 {
                if let Some(&j) = places.get(&(part, u + du, v + dv)) {
                    let d = (b.uv[j][0] - a.uv[i][0]).powi(2) + (b.uv[j][1] - a.uv[i][1]).powi(2);
                    if d <= within_m * within_m && best.is_none_or(|(e, _)| d < e) {
                        best = Some((d, j));
                    }
                }
            }
        }
        let place = |map: &TexelMap, i: usize| {
            [
                map.x as f32 + (i % map.width as usize) as f32 + 0.5,
                map.y as f32 + (i / map.width as usize) as f32 + 0.5,
            ]
        };
        if let Some((_, j)) = best {
            out.push((place(a, i), place(b, j)));
        }
    }
    out
}

/// Where the light stands and how much it models.
#[derive(Clone, Copy)]
pub(crate) struct Light {
    pub dir: [f32; 2],
    pub folds: f32,
    pub depth: f32,
}

impl Light {
    pub(crate) fn sample(rng: &mut Rng) -> Light {
        let a = rng.range(-2.6, -0.9);
        Light { dir: [a.cos(), a.sin()], folds: rng.range(0.5, 1.1), depth: rng.range(0.75, 1.1) }
    }
    pub(crate) fn studio() -> Light {
        Light { dir: [-0.5, -0.86], folds: 0.65, depth: 0.9 }
    }
}

/// From metres to pixels: a smooth bend, then an affine map, then a little perspective.
#[derive(Clone, Debug)]
pub(crate) struct Map {
    affine: [f32; 6],
    persp: [f32; 2],
    centre_px: Pt,
    bends: [[f32; 5]; 3],
}

/// Where a garment goes: centre and longest side in pixels, turn in radians.
#[derive(Clone, Copy)]
pub(crate) struct Fit {
    pub centre: Pt,
    pub side: f32,
    pub turn: f32,
    pub mirror: bool,
}

impl Map {
    /// Maps the box `[x0, y0, x1, y1]` (metres) as `fit` says; `wild` 0..=1 bends and tilts it.
    pub(crate) fn fit(bounds: &[f32; 4], fit: &Fit, wild: f32, rng: &mut Rng) -> Map {
        let (w, h) = ((bounds[2] - bounds[0]).max(1e-3), (bounds[3] - bounds[1]).max(1e-3));
        let longest = w.max(h);
        let (s, c) = fit.turn.sin_cos();
        // What the turned box needs, so that it stays within `side`.
        let need = (w * c.abs() + h * s.abs()).max(w * s.abs() + h * c.abs());
        let k = fit.side / need;
        let flip = if fit.mirror { -1.0 } else { 1.0 };
        let shear = wild * rng.range(-0.12, 0.12);
        let squeeze = 1.0 + wild * rng.range(-0.1, 0.1);
        let (a, b, d, e) = (k * c * flip * squeeze, k * (-s + shear), k * s * flip * squeeze, k * c);
        let (mx, my) = ((bounds[0] + bounds[2]) * 0.5, (bounds[1] + bounds[3]) * 0.5);
        let affine = [a, b, fit.centre[0] - a * mx - b * my, d, e, fit.centre[1] - d * mx - e * my];
        let persp = [wild * rng.range(-0.14, 0.14) / fit.side, wild * rng.range(-0.2, 0.2) / fit.side];
        let mut bends = [[0.0; 5]; 3];
        for (i, bend) in bends.iter_mut().enumerate() {
            let f = rng.range(3.0, 6.0) * (1.0 + 0.5 * i as f32) / longest;
            let dir = rng.range(0.0, std::f32::consts::TAU);
            let size = wild * 0.016 * longest / (1.0 + i as f32);
            *bend =
                [f * dir.cos(), f * dir.sin(), rng.range(0.0, 6.3), size * rng.normal(), size * rng.normal()];
        }
        Map { affine, persp, centre_px: fit.centre, bends }
    }
    fn bend(&self, p: Pt) -> Pt {
        let mut out = [0.0; 2];
        for b in &self.bends {
            let s = (b[0] * p[0] + b[1] * p[1] + b[2]).sin();
            out[0] += b[3] * s;
            out[1] += b[4] * s;
        }
        out
    }
    pub(crate) fn forward(&self, p: Pt) -> Pt {
        let d = self.bend(p);
        let q = [p[0] + d[0], p[1] + d[1]];
        let a = &self.affine;
        let x = a[0] * q[0] + a[1] * q[1] + a[2] - self.centre_px[0];
        let y = a[3] * q[0] + a[4] * q[1] + a[5] - self.centre_px[1];
        let w = 1.0 / (1.0 + self.persp[0] * x + self.persp[1] * y).max(0.2);
        [x * w + self.centre_px[0], y * w + self.centre_px[1]]
    }
    pub(crate) fn inverse(&self, px: Pt) -> Pt {
        let (x, y) = (px[0] - self.centre_px[0], px[1] - self.centre_px[1]);
        let w = 1.0 / (1.0 - self.persp[0] * x - self.persp[1] * y).max(0.2);
        let a = &self.affine;
        let (x, y) = (x * w + self.centre_px[0] - a[2], y * w + self.centre_px[1] - a[5]);
        let det = a[0] * a[4] - a[1] * a[3];
        let q = [(a[4] * x - a[1] * y) / det, (a[0] * y - a[3] * x) / det];
        let mut p = q;
        for _ in 0..3 {
            let d = self.bend(p);
            p = [q[0] - d[0], q[1] - d[1]];
        }
        p
    }
    /// Pixels per metre at the centre.
    pub(crate) fn scale(&self) -> f32 {
        (self.affine[0] * self.affine[4] - self.affine[1] * self.affine[3]).abs().sqrt()
    }
}

/// A garment made up in one pose, ready to paint.
pub(crate) struct Sewn {
    pub parts: Vec<Part>,
    pub cloth: Cloth,
}

impl Sewn {
    pub(crate) fn new(spec: &GarmentSpec, kind: ViewKind, rng: &mut Rng) -> Sewn {
        let kind = if kind == ViewKind::Folded && !spec.cut.folds() { ViewKind::Flat } else { kind };
        Sewn::posed(spec, Pose::sample(kind, rng))
    }
    pub(crate) fn posed(spec: &GarmentSpec, pose: Pose) -> Sewn {
        let cloth = spec.cloth();
        let parts = cut::build(spec.cut, spec.shape_seed, spec.family, cloth.ground(), spec.trims(), pose);
        Sewn { parts, cloth }
    }
    /// `[x0, y0, x1, y1]` in metres.
    pub(crate) fn bounds(&self) -> [f32; 4] {
        bounds(&self.parts)
    }
    /// Paints all parts, bottom first; `owner` is written where a part covers most of a pixel.
    pub(crate) fn paint(&self, layer: &mut Layer, map: &Map, light: &Light, owner: u8, seed: u32) {
        paint(layer, &self.parts, Some(&self.cloth), map, light, owner, seed);
    }
}

pub(crate) fn bounds(parts: &[Part]) -> [f32; 4] {
    let mut b = [f32::MAX, f32::MAX, f32::MIN, f32::MIN];
    for p in parts.iter().flat_map(|p| &p.contours).flatten() {
        b = [b[0].min(p[0]), b[1].min(p[1]), b[2].max(p[0]), b[3].max(p[1])];
    }
    if b[0] > b[2] { [-0.1, -0.1, 0.1, 0.1] } else { b }
}

/// The pixels that `parts` may touch under `map`, with a margin, cut to `frame`.
pub(crate) fn reach(parts: &[Part], map: &Map, frame: &Block) -> Block {
    let points = parts.iter().flat_map(|p| &p.contours).flatten().map(|&p| map.forward(p));
    Block::around(points, 2.0, frame)
}

/// Grid step of the interpolated inverse map, pixels.
const STEP: usize = 6;

/// Paints `parts` through `map`. See [`Sewn::paint`].
pub(crate) fn paint(
    layer: &mut Layer,
    parts: &[Part],
    cloth: Option<&Cloth>,
    map: &Map,
    light: &Light,
    owner: u8,
    seed: u32,
) {
    let reach = reach(parts, map, &layer.block);
    if reach.width() == 0 || reach.height() == 0 {
        return;
    }
    // The inverse map on a coarse grid over everything.
    let (gw, gh) = (reach.width() / STEP + 2, reach.height() / STEP + 2);
    let mut grid = Vec::with_capacity(gw * gh);
    for gy in 0..gh {
        for gx in 0..gw {
            grid.push(map.inverse([
                reach.x0 as f32 + (gx * STEP) as f32 + 0.5,
                reach.y0 as f32 + (gy * STEP) as f32 + 0.5,
            ]));
        }
    }
    let at = |x: i32, y: i32| -> Pt {
        let (ox, oy) = ((x - reach.x0) as usize, (y - reach.y0) as usize);
        let (gx, gy) = (ox / STEP, oy / STEP);
        let (tx, ty) = ((ox % STEP) as f32 / STEP as f32, (oy % STEP) as f32 / STEP as f32);
        let i = gy * gw + gx;
        let (a, b, c, d) = (grid[i], grid[i + 1], grid[i + gw], grid[i + gw + 1]);
        [
            lerp(lerp(a[0], b[0], tx), lerp(c[0], d[0], tx), ty),
            lerp(lerp(a[1], b[1], tx), lerp(c[1], d[1], tx), ty),
        ]
    };
    let per_m = map.scale();
    let footprint = 1.0 / per_m;
    let width = layer.block.width();
    let mut pixel_parts = 0u32;
    for part in parts {
        pixel_parts += 1;
        let contours: Vec<Vec<Pt>> =
            part.contours.iter().map(|c| c.iter().map(|&p| map.forward(p)).collect()).collect();
        let shadow_px = (part.shadow * per_m).min(40.0);
        let block = Block::around(contours.iter().flatten().copied(), 1.0, &layer.block);
        let (w, h) = (block.width(), block.height());
        if w == 0 || h == 0 {
            continue;
        }
        let cov = raster::coverage(&contours, &block);
        if shadow_px >= 0.7 {
            contact_shadow(layer, &block, &cov, shadow_px, light);
        }
        // Roundness: how deep inside the part a pixel lies, and which way its edge faces.
        let r = ((part.round * per_m * 0.5) as usize).min(w.min(h) / 3).min(48);
        let mut deep = Vec::new();
        if r >= 1 {
            deep = cov.clone();
            raster::blur(&mut deep, w, h, r);
        }
        let glossy = match part.fill {
            Fill::Plain(_, Finish::Satin) => 0.35,
            Fill::Plain(_, Finish::Shiny) | Fill::Glass(..) => 0.9,
            _ => 0.0,
        };
        let seed = mix(u64::from(seed), 77) as u32;
        for y in 0..h {
            for x in 0..w {
                let cover = cov[y * w + x];
                if cover <= 0.004 {
                    continue;
                }
                let (px, py) = (block.x0 + x as i32, block.y0 + y as i32);
                // Lines may touch pixels next to the common reach; the grid has a spare row for those.
                let p = at(px.clamp(reach.x0, reach.x1 - 1), py.clamp(reach.y0, reach.y1 - 1));
                let uv = part.frame.uv(p);
                let mut gloss = glossy;
                let mut alpha = cover;
                let base: Rgb = match part.fill {
                    Fill::Cloth => {
                        if let Some(cloth) = cloth {
                            let s = cloth.at(uv[0], uv[1], footprint, part.printed);
                            alpha *= s.alpha;
                            gloss = s.gloss;
                            s.rgb
                        } else {
                            [0.5; 3]
                        }
                    }
                    Fill::Inside(k) => {
                        let ground =
                            cloth.map_or([0.3; 3], |c| c.at(uv[0], uv[1], footprint * 2.0, false).rgb);
                        colour::scale(ground, k * k)
                    }
                    Fill::Plain(c, Finish::Rib) => {
                        let f = (1.6 - 2.2 * footprint / 0.006).clamp(0.0, 1.0);
                        let rib = (uv[0] / 0.006 * std::f32::consts::TAU).cos();
                        colour::scale(c, 1.0 + 0.16 * f * rib)
                    }
                    Fill::Plain(c, Finish::Hair) => {
                        let n = noise::noise(uv[0] * 160.0, uv[1] * 9.0, seed);
                        colour::scale(c, 0.7 + 0.7 * n)
                    }
                    Fill::Plain(c, _) => c,
                    Fill::Glass(c, k) => {
                        alpha *= k;
                        c
                    }
                };
                let mut shade = 1.0;
                let mut shine = 0.0;
                if !deep.is_empty() {
                    let i = y * w + x;
                    let d = deep[i];
                    let left = if x > 0 { deep[i - 1] } else { 0.0 };
                    let right = if x + 1 < w { deep[i + 1] } else { 0.0 };
                    let up = if y > 0 { deep[i - w] } else { 0.0 };
                    let down = if y + 1 < h { deep[i + w] } else { 0.0 };
                    let scale = r as f32;
                    let (nx, ny) = ((left - right) * scale, (up - down) * scale);
                    let facing = nx * light.dir[0] + ny * light.dir[1];
                    shade *= lerp(1.0, lerp(0.72, 1.0, smoothstep(0.45, 0.98, d)), light.depth);
                    shade *= 1.0 + 0.3 * light.depth * facing.clamp(-1.0, 1.0);
                    shine += smoothstep(0.25, 0.7, facing) * smoothstep(0.55, 0.75, d);
                }
                if part.fold > 0.0 {
                    let (k, s) = folds(p, part, seed);
                    shade *= 1.0 + light.folds * part.fold * k;
                    shine += 0.5 * s * part.fold;
                }
                if let Some(pleats) = &part.pleats {
                    shade *= pleat(p, pleats, light);
                }
                let shade = shade.max(0.12);
                let rgb =
                    std::array::from_fn::<f32, 3, _>(|i| base[i] * shade + gloss * 0.32 * shine.min(1.2));
                let at = (py - layer.block.y0) as usize * width + (px - layer.block.x0) as usize;
                let under = layer.rgba[at];
                let keep = 1.0 - alpha;
                layer.rgba[at] = [
                    rgb[0] * alpha + under[0] * keep,
                    rgb[1] * alpha + under[1] * keep,
                    rgb[2] * alpha + under[2] * keep,
                    alpha + under[3] * keep,
                ];
                if cover > 0.5 {
                    layer.owner[at] = owner;
                    if part.id != 0 && !layer.texels.is_empty() {
                        layer.texels[at] = (part.id, uv);
                    }
                }
            }
        }
    }
    debug_assert!(pixel_parts as usize == parts.len());
}

/// Soft folds: brightness change and shine at a place.
fn folds(p: Pt, part: &Part, seed: u32) -> (f32, f32) {
    let (s, c) = part.lean.sin_cos();
    let (along, across) = (p[0] * s + p[1] * c, p[0] * c - p[1] * s);
    // Long folds bend a little; short creases cross them.
    let (n, dx, dy) = noise_slope(across * 13.0 + 1.5 * (along * 3.0).sin(), along * 3.2, seed);
    let (m, ex, ey) = noise_slope(across * 21.0 + along * 9.0, along * 15.0 - across * 6.0, seed ^ 0xA5);
    let slope = 0.13 * (dx + 0.6 * dy) + 0.06 * (ex + ey);
    let dark = 0.26 * (0.5 - n).max(0.0) * 1.4 + 0.05 * (0.5 - m);
    (slope - dark, (n - 0.62).max(0.0) * 2.0)
}

fn pleat(p: Pt, pleats: &Pleats, light: &Light) -> f32 {
    let (y0, half0) = pleats.top;
    let (y1, half1) = pleats.bottom;
    let t = ((p[1] - y0) / (y1 - y0)).clamp(0.0, 1.0);
    if p[1] < y0 {
        return 1.0;
    }
    let half = lerp(half0, half1, t);
    let a = p[0] / half * pleats.n;
    let strength = if pleats.sharp { 0.85 } else { smoothstep(0.0, 0.35, t) };
    let wave = if pleats.sharp {
        let saw = a.rem_euclid(1.0);
        0.16 - 0.5 * (1.0 - smoothstep(0.0, 0.28, saw)) - 0.12 * saw
    } else {
        let wobble = a + 0.6 * fbm(a * 0.7, t * 1.5, 3, 1);
        0.22 * (wobble * 3.3).sin() * (1.0 + 0.3 * (wobble * 1.7).cos())
    };
    1.0 + light.folds * strength * wave
}

use crate::cut::Pleats;

/// Darkens what lies under a part, around its edge.
fn contact_shadow(layer: &mut Layer, block: &Block, cov: &[f32], radius: f32, light: &Light) {
    let r = (radius * 0.5).max(1.0) as usize;
    let pad = (2 * r + 2) as i32;
    let lb = layer.block;
    let grown = Block {
        x0: (block.x0 - pad).max(lb.x0),
        y0: (block.y0 - pad).max(lb.y0),
        x1: (block.x1 + pad).min(lb.x1),
        y1: (block.y1 + pad).min(lb.y1),
    };
    let (w, h) = (grown.width(), grown.height());
    let mut plane = vec![0.0; w * h];
    let (ox, oy) = ((block.x0 - grown.x0) as usize, (block.y0 - grown.y0) as usize);
    for y in 0..block.height() {
        let from = (y + oy) * w + ox;
        plane[from..from + block.width()].copy_from_slice(&cov[y * block.width()..(y + 1) * block.width()]);
    }
    raster::blur(&mut plane, w, h, r);
    // The shadow falls away from the light.
    let (dx, dy) = ((-light.dir[0] * radius * 0.35) as i32, (-light.dir[1] * radius * 0.35) as i32);
    for y in 0..h as i32 {
        let sy = y - dy;
        if sy < 0 || sy >= h as i32 {
            continue;
        }
        for x in 0..w as i32 {
            let sx = x - dx;
            if sx < 0 || sx >= w as i32 {
                continue;
            }
            let v = plane[sy as usize * w + sx as usize];
            if v <= 0.003 {
                continue;
            }
            let at = (grown.y0 + y - lb.y0) as usize * lb.width() + (grown.x0 + x - lb.x0) as usize;
            let k = 1.0 - 0.5 * v;
            let p = &mut layer.rgba[at];
            p[0] *= k;
            p[1] *= k;
            p[2] *= k;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Split, product};

    #[test]
    fn inverse_undoes_forward() {
        let mut rng = Rng::keyed(&[4]);
        for _ in 0..40 {
            let fit = Fit {
                centre: [80.0, 90.0],
                side: 120.0,
                turn: rng.range(-3.0, 3.0),
                mirror: rng.chance(0.5),
            };
            let map = Map::fit(&[-0.3, 0.0, 0.3, 0.7], &fit, 1.0, &mut rng);
            let p = [rng.range(-0.3, 0.3), rng.range(0.0, 0.7)];
            let q = map.inverse(map.forward(p));
            assert!((p[0] - q[0]).abs() < 0.004 && (p[1] - q[1]).abs() < 0.004, "{p:?} {q:?}");
        }
    }

    #[test]
    fn two_views_correspond() {
        let spec = product(1, 3, Split::Train);
        let a = draw(&spec, &View { kind: ViewKind::Flat, seed: 1, side_px: 96 });
        let b = draw(&spec, &View { kind: ViewKind::Flat, seed: 2, side_px: 128 });
        let pairs = correspond(&a.texels, &b.texels, 50, 0.01, 1);
        assert!(pairs.len() >= 40, "{}", pairs.len());
    }
}
