//! Pastes any cut-out, drawn or real, on any ground, with the map that tells where each point went.

use crate::camera;
use crate::colour;
use crate::draw::{Cutout, Fit, Map};
use crate::ground;
use crate::layer::{Blend, Canvas, Layer};
use crate::noise::lerp;
use crate::raster::Block;
use crate::rng::Rng;
use twinset_photo::{Photo, Rect};

/// From pixels of the cut-out to pixels of the composite.
#[derive(Clone, Debug)]
pub struct GeoMap(Map);

impl GeoMap {
    /// Where a point of the cut-out lies in the composite.
    #[must_use]
    pub fn forward(&self, point: [f32; 2]) -> [f32; 2] {
        self.0.forward(point)
    }
    /// Which point of the cut-out lies here; within a pixel or so.
    #[must_use]
    pub fn inverse(&self, point: [f32; 2]) -> [f32; 2] {
        self.0.inverse(point)
    }
}

/// A cut-out on a ground.
#[derive(Clone, Debug)]
pub struct Composite {
    /// The pixels.
    pub photo: Photo,
    /// Exact box of what shows of the cut-out; zero-sized if nothing does.
    pub rect: Rect,
    /// 255 where the cut-out shows, row by row.
    pub mask: Vec<u8>,
    /// Where its points went.
    pub map: GeoMap,
    /// How it was pasted.
    pub blend: Blend,
}

/// Lays `cutout` on a random crop of `ground`, bent, lit, blended and photographed as `seed` says.
/// `width` and `height` are of the result, at least 16.
#[must_use]
pub fn composite(cutout: &Cutout, ground: &Photo, width: u32, height: u32, seed: u64) -> Composite {
    let mut rng = Rng::keyed(&[0xC0B0, seed]);
    let mut canvas = Canvas::new(width.max(16) as usize, height.max(16) as usize, false);
    ground::fill_photo(&mut canvas, ground, &mut rng);
    let (w, h) = (canvas.width as f32, canvas.height as f32);
    let content = content_box(cutout);
    let side = w.min(h) * rng.range(0.35, 0.92);
    let turn = if rng.chance(0.7) { rng.normal() * 0.12 } else { rng.range(-1.6, 1.6) };
    let slack = [(w - side).max(0.0) * 0.5, (h - side).max(0.0) * 0.5];
    let centre = [w * 0.5 + rng.range(-1.0, 1.0) * slack[0], h * 0.5 + rng.range(-1.0, 1.0) * slack[1]];
    let fit = Fit { centre, side, turn, mirror: rng.chance(0.3) };
    let wild = rng.range(0.1, 0.9);
    let map = Map::fit(&content, &fit, wild, &mut rng);
    let corners = (0..=16).flat_map(|i| {
        let t = i as f32 / 16.0;
        let (x, y) = (lerp(content[0], content[2], t), lerp(content[1], content[3], t));
        [[x, content[1]], [x, content[3]], [content[0], y], [content[2], y]]
    });
    let block = Block::around(corners.map(|p| map.forward(p)), 2.0, &canvas.frame());
    let mut layer = Layer::new(block, false);
    // Each pixel averages a grid of points over what it covers of the cut-out.
    let step = 1.0 / map.scale();
    let n = (step.ceil() as usize).clamp(1, 5);
    let gains: [f32; 3] = {
        let (stop, warm) = ((rng.normal() * 0.2).exp2(), rng.normal() * 0.05);
        [stop * (1.0 + warm), stop, stop * (1.0 - warm)]
    };
    let table = colour::to_linear_table();
    for y in 0..block.height() {
        for x in 0..block.width() {
            let mut sum = [0.0f32; 4];
            for sy in 0..n {
                for sx in 0..n {
                    let px = block.x0 as f32 + x as f32 + (sx as f32 + 0.5) / n as f32;
                    let py = block.y0 as f32 + y as f32 + (sy as f32 + 0.5) / n as f32;
                    let [u, v] = map.inverse([px, py]);
                    let s = sample(cutout, table, u - 0.5, v - 0.5);
                    for c in 0..4 {
                        sum[c] += s[c];
                    }
                }
            }
            let k = 1.0 / (n * n) as f32;
            let i = y * block.width() + x;
            layer.rgba[i] = [sum[0] * k * gains[0], sum[1] * k * gains[1], sum[2] * k * gains[2], sum[3] * k];
            layer.owner[i] = u8::from(sum[3] * k > 0.5);
        }
    }
    let blend = rng.pick(&Blend::ALL);
    let r = (side * 0.025).max(1.0) as usize;
    let alpha = layer.alpha();
    canvas.cast(&block, &alpha, r as i32 / 2, r as i32, r, rng.range(0.0, 0.6));
    canvas.lay(&layer, blend, 0);
    let mask: Vec<u8> = canvas.owner.iter().map(|&o| if o == 1 { 255 } else { 0 }).collect();
    let (mut x0, mut y0, mut x1, mut y1) = (usize::MAX, usize::MAX, 0, 0);
    for (i, _) in mask.iter().enumerate().filter(|(_, m)| **m > 0) {
        let (x, y) = (i % canvas.width, i / canvas.width);
        (x0, y0, x1, y1) = (x0.min(x), y0.min(y), x1.max(x + 1), y1.max(y + 1));
    }
    let rect = if x1 == 0 {
        Rect::default()
    } else {
        Rect::from_corners(x0 as f32, y0 as f32, x1 as f32, y1 as f32)
    };
    camera::expose(&mut canvas, 0.7, &mut rng);
    Composite { photo: canvas.photo(), rect, mask, map: GeoMap(map), blend }
}

/// The box of what is not clear, `[x0, y0, x1, y1]`.
fn content_box(cutout: &Cutout) -> [f32; 4] {
    let w = cutout.width as usize;
    let (mut x0, mut y0, mut x1, mut y1) = (usize::MAX, usize::MAX, 0, 0);
    for (i, p) in cutout.rgba.chunks_exact(4).enumerate().filter(|(_, p)| p[3] > 127) {
        debug_assert!(p.len() == 4);
        let (x, y) = (i % w, i / w);
        (x0, y0, x1, y1) = (x0.min(x), y0.min(y), x1.max(x + 1), y1.max(y + 1));
    }
    if x1 == 0 {
        [0.0, 0.0, cutout.width as f32, cutout.height as f32]
    } else {
        [x0, y0, x1, y1].map(|v| v as f32)
    }
}

/// Premultiplied linear light between pixels; clear outside.
fn sample(cutout: &Cutout, table: &[f32; 256], u: f32, v: f32) -> [f32; 4] {
    let (fx, fy) = (u.floor(), v.floor());
    let mut out = [0.0; 4];
    for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
        let (x, y) = (fx as i32 + dx, fy as i32 + dy);
        if x < 0 || y < 0 || x >= cutout.width as i32 || y >= cutout.height as i32 {
            continue;
        }
        let wx = if dx == 0 { 1.0 - (u - fx) } else { u - fx };
        let wy = if dy == 0 { 1.0 - (v - fy) } else { v - fy };
        let p = &cutout.rgba[(y as usize * cutout.width as usize + x as usize) * 4..][..4];
        let a = f32::from(p[3]) / 255.0 * wx * wy;
        for c in 0..3 {
            out[c] += table[p[c] as usize] * a;
        }
        out[3] += a;
    }
    out
}
