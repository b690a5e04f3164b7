//! Random views of a photo, and cut-outs pasted on grounds; both tell where each pixel came from.
use rand::{RngExt, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;
use twinset_photo::{Photo, Rect};

/// `x' = a x + b y + c`, `y' = d x + e y + f`, in pixels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Affine(pub(crate) [f32; 6]);

impl Affine {
    pub(crate) const IDENTITY: Self = Self([1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);

    pub(crate) fn apply(&self, x: f32, y: f32) -> (f32, f32) {
        let [a, b, c, d, e, f] = self.0;
        (a * x + b * y + c, d * x + e * y + f)
    }

    /// First `self`, then `next`.
    pub(crate) fn then(&self, next: &Affine) -> Affine {
        let [a, b, c, d, e, f] = self.0;
        let [p, q, r, s, t, u] = next.0;
        Affine([
            p * a + q * d,
            p * b + q * e,
            p * c + q * f + r,
            s * a + t * d,
            s * b + t * e,
            s * c + t * f + u,
        ])
    }

    pub(crate) fn inverse(&self) -> Affine {
        let [a, b, c, d, e, f] = self.0;
        let det = a * e - b * d;
        let (p, q, s, t) = (e / det, -b / det, -d / det, a / det);
        Affine([p, q, -(p * c + q * f), s, t, -(s * c + t * f)])
    }

    /// Maps `0..side` squares: rotated by `angle`, scaled by `sx`, `sy`, from centre to centre.
    fn about(from: (f32, f32), to: (f32, f32), angle: f32, sx: f32, sy: f32) -> Affine {
        let (sin, cos) = angle.sin_cos();
        let (a, b, d, e) = (sx * cos, -sy * sin, sx * sin, sy * cos);
        Affine([a, b, to.0 - a * from.0 - b * from.1, d, e, to.1 - d * from.0 - e * from.1])
    }
}

/// A photo with one boxed garment; `to_source` maps its pixels to those of the picture that the garment came from.
#[derive(Clone, Debug)]
pub(crate) struct Shot {
    pub(crate) photo: Arc<Photo>,
    pub(crate) rect: Rect,
    pub(crate) to_source: Affine,
}

/// A network input.
#[derive(Clone, Debug)]
pub(crate) struct View {
    /// `[3, side, side]`, normalised as the networks want it.
    pub(crate) pixels: Vec<f32>,
    /// From pixels of the view to those of the picture that the garment came from.
    pub(crate) to_source: Affine,
}

/// A garment cut out of its picture.
#[derive(Clone, Debug)]
pub(crate) struct Cutout {
    pub(crate) photo: Arc<Photo>,
    /// Grey, 0 or 255, of the photo's size.
    pub(crate) mask: Arc<Photo>,
    pub(crate) rect: Rect,
}

/// A square view of the garment as a network would see it, with the trouble of real photos added.
pub(crate) fn view(shot: &Shot, side: usize, margin: f32, rng: &mut ChaCha8Rng) -> View {
    let r = shot.rect;
    let longer = r.w.max(r.h);
    let mut square = longer * (1.0 + 2.0 * margin) * rng.random_range(0.85..1.2);
    let mut centre = (r.x + r.w / 2.0, r.y + r.h / 2.0);
    if rng.random_bool(0.2) {
        // A part of the garment only: what close-ups and occlusion do.
        square *= rng.random_range(0.45..0.8);
        centre.0 += r.w * rng.random_range(-0.25..0.25);
        centre.1 += r.h * rng.random_range(-0.25..0.25);
    }
    centre.0 += square * rng.random_range(-0.06..0.06);
    centre.1 += square * rng.random_range(-0.06..0.06);
    let angle = if rng.random_bool(0.5) { rng.random_range(-0.25..0.25) } else { 0.0 };
    let stretch = rng.random_range(0.93f32..1.07);
    let flip = if rng.random_bool(0.5) { -1.0 } else { 1.0 };
    let scale = square / side as f32;
    let half = side as f32 / 2.0;
    let map = Affine::about((half, half), centre, angle, flip * scale * stretch, scale / stretch);
    let mut rgb = sample(&shot.photo, &map, side, side, scale);
    disturb(&mut rgb, side, side, rng);
    View { pixels: normalised(&rgb, side), to_source: map.then(&shot.to_source) }
}

/// Pastes `cutout` on `ground`, `side` x `side`, covering 35 to 95 % of the side; returns where it lies.
pub(crate) fn paste(cutout: &Cutout, ground: &Photo, side: usize, rng: &mut ChaCha8Rng) -> Shot {
    let mut canvas = ground_of(ground, side, rng);
    let share = rng.random_range(0.4..0.95);
    let (rect, map) = paste_at(&mut canvas, side, cutout, share, None, rng);
    Shot { photo: Arc::new(Photo::new(side as u32, side as u32, canvas)), rect, to_source: map }
}

/// A square piece of a ground picture, as raw pixels.
pub(crate) fn ground_of(ground: &Photo, side: usize, rng: &mut ChaCha8Rng) -> Vec<u8> {
    let shorter = ground.width().min(ground.height()) as f32;
    let piece = shorter * rng.random_range(0.5..1.0);
    let x = rng.random_range(0.0..=(ground.width() as f32 - piece).max(0.0));
    let y = rng.random_range(0.0..=(ground.height() as f32 - piece).max(0.0));
    let scale = piece / side as f32;
    let flip = rng.random_bool(0.5);
    let map = if flip {
        Affine([-scale, 0.0, x + piece, 0.0, scale, y])
    } else {
        Affine([scale, 0.0, x, 0.0, scale, y])
    };
    sample(ground, &map, side, side, scale)
}

/// Pastes one cut-out into a square canvas so that its longer side is `share` of the canvas; `centre` in pixels, or
/// anywhere it fits. Returns its box and the map from canvas to the cut-out's picture.
pub(crate) fn paste_at(
    canvas: &mut [u8],
    side: usize,
    cutout: &Cutout,
    share: f32,
    centre: Option<(f32, f32)>,
    rng: &mut ChaCha8Rng,
) -> (Rect, Affine) {
    let c = cutout.rect;
    let size = side as f32 * share;
    let scale = c.w.max(c.h) / size;
    let angle = rng.random_range(-0.18f32..0.18) * if rng.random_bool(0.6) { 1.0 } else { 0.0 };
    let flip = if rng.random_bool(0.3) { -1.0 } else { 1.0 };
    let (hw, hh) = (c.w / scale / 2.0, c.h / scale / 2.0);
    let span = |half: f32, rng: &mut ChaCha8Rng| {
        let (lo, hi) = (half.min(side as f32 / 2.0), (side as f32 - half).max(side as f32 / 2.0 + 0.01));
        rng.random_range(lo..hi)
    };
    let at = centre.unwrap_or_else(|| (span(hw, rng), span(hh, rng)));
    let map = Affine::about(at, (c.x + c.w / 2.0, c.y + c.h / 2.0), angle, flip * scale, scale);
    let reduce = 1.0 / scale.max(1.0);
    let (photo, mask) = reduced(cutout, reduce);
    let to_small = map.then(&Affine([reduce, 0.0, 0.0, 0.0, reduce, 0.0]));
    let tint: [f32; 3] = std::array::from_fn(|_| rng.random_range(0.88..1.12));
    let light = rng.random_range(0.75..1.15);
    let shadow = rng.random_range(0.0..0.5f32);
    let (sx, sy) = (rng.random_range(-0.04..0.04) * side as f32, rng.random_range(0.0..0.05) * side as f32);
    let reach = (hw.hypot(hh) + 0.06 * side as f32) as i32 + 1;
    let (x0, x1) = ((at.0 as i32 - reach).max(0), (at.0 as i32 + reach).min(side as i32));
    let (y0, y1) = ((at.1 as i32 - reach).max(0), (at.1 as i32 + reach).min(side as i32));
    let mut found: Option<(i32, i32, i32, i32)> = None;
    for y in y0..y1 {
        for x in x0..x1 {
            let (u, v) = to_small.apply(x as f32 + 0.5, y as f32 + 0.5);
            let alpha = bilinear_grey(&mask, u, v);
            let p = &mut canvas[(y as usize * side + x as usize) * 3..][..3];
            if shadow > 0.05 && alpha < 0.99 {
                let (u, v) = to_small.apply(x as f32 + 0.5 - sx, y as f32 + 0.5 - sy);
                let dark = 1.0 - shadow * bilinear_grey(&mask, u, v);
                p.iter_mut().for_each(|p| *p = (f32::from(*p) * dark) as u8);
            }
            if alpha > 0.02 {
                let colour = bilinear(&photo, u, v);
                for i in 0..3 {
                    let c = (colour[i] * tint[i] * light).min(255.0);
                    p[i] = (f32::from(p[i]) * (1.0 - alpha) + c * alpha) as u8;
                }
                if alpha > 0.5 {
                    let f = found.get_or_insert((x, y, x, y));
                    *f = (f.0.min(x), f.1.min(y), f.2.max(x), f.3.max(y));
                }
            }
        }
    }
    let (a, b, c, d) = found.unwrap_or((at.0 as i32, at.1 as i32, at.0 as i32, at.1 as i32));
    (Rect::from_corners(a as f32, b as f32, c as f32 + 1.0, d as f32 + 1.0), map)
}

fn reduced(cutout: &Cutout, factor: f32) -> (Arc<Photo>, Arc<Photo>) {
    if factor > 0.999 {
        return (cutout.photo.clone(), cutout.mask.clone());
    }
    let scale = |v: u32| ((v as f32 * factor).round() as u32).max(1);
    let (w, h) = (scale(cutout.photo.width()), scale(cutout.photo.height()));
    (Arc::new(cutout.photo.resize(w, h)), Arc::new(cutout.mask.resize(w, h)))
}

/// Samples `photo` through `map` (output to photo); shrinks first where `scale` source pixels meet one output pixel.
pub(crate) fn sample(photo: &Photo, map: &Affine, width: usize, height: usize, scale: f32) -> Vec<u8> {
    let shrunk;
    let (photo, map) = if scale > 1.3 {
        let factor = 1.0 / scale;
        let w = ((photo.width() as f32 * factor).round() as u32).max(1);
        let h = ((photo.height() as f32 * factor).round() as u32).max(1);
        let (fx, fy) = (w as f32 / photo.width() as f32, h as f32 / photo.height() as f32);
        shrunk = photo.resize(w, h);
        (&shrunk, map.then(&Affine([fx, 0.0, 0.0, 0.0, fy, 0.0])))
    } else {
        (photo, *map)
    };
    let mut out = vec![128u8; width * height * 3];
    let (w, h) = (photo.width() as f32, photo.height() as f32);
    for y in 0..height {
        for x in 0..width {
            let (u, v) = map.apply(x as f32 + 0.5, y as f32 + 0.5);
            if u >= 0.0 && v >= 0.0 && u < w && v < h {
                let c = bilinear(photo, u, v);
                let p = &mut out[(y * width + x) * 3..][..3];
                for i in 0..3 {
                    p[i] = c[i] as u8;
                }
            }
        }
    }
    out
}

fn bilinear(photo: &Photo, u: f32, v: f32) -> [f32; 3] {
    let (w, h) = (photo.width() as usize, photo.height() as usize);
    let (x, y) = ((u - 0.5).clamp(0.0, w as f32 - 1.0), (v - 0.5).clamp(0.0, h as f32 - 1.0));
    let (x0, y0) = (x as usize, y as usize);
    let (x1, y1) = ((x0 + 1).min(w - 1), (y0 + 1).min(h - 1));
    let (fx, fy) = (x - x0 as f32, y - y0 as f32);
    let rgb = photo.rgb();
    std::array::from_fn(|i| {
        let at = |x: usize, y: usize| f32::from(rgb[(y * w + x) * 3 + i]);
        let top = at(x0, y0) * (1.0 - fx) + at(x1, y0) * fx;
        let bottom = at(x0, y1) * (1.0 - fx) + at(x1, y1) * fx;
        top * (1.0 - fy) + bottom * fy
    })
}

fn bilinear_grey(mask: &Photo, u: f32, v: f32) -> f32 {
    let (width, height) = (mask.width(), mask.height());
    if u < 0.0 || v < 0.0 || u >= width as f32 || v >= height as f32 {
        return 0.0;
    }
    let (w, h) = (width as usize, height as usize);
    let (x, y) = ((u - 0.5).clamp(0.0, w as f32 - 1.0), (v - 0.5).clamp(0.0, h as f32 - 1.0));
    let (x0, y0) = (x as usize, y as usize);
    let (x1, y1) = ((x0 + 1).min(w - 1), (y0 + 1).min(h - 1));
    let (fx, fy) = (x - x0 as f32, y - y0 as f32);
    let at = |x: usize, y: usize| f32::from(mask.rgb()[(y * w + x) * 3]) / 255.0;
    (at(x0, y0) * (1.0 - fx) + at(x1, y0) * fx) * (1.0 - fy)
        + (at(x0, y1) * (1.0 - fx) + at(x1, y1) * fx) * fy
}

/// Light, colour, sharpness, noise and compression, in place. The hue moves little: colour is what products are told
/// apart by.
pub(crate) fn disturb(rgb: &mut Vec<u8>, width: usize, height: usize, rng: &mut ChaCha8Rng) {
    if rng.random_bool(0.8) {
        let gamma = rng.random_range(-0.3f32..0.3).exp();
        let contrast = rng.random_range(0.75f32..1.25);
        let bright = rng.random_range(-22.0f32..22.0);
        let balance: [f32; 3] = std::array::from_fn(|_| rng.random_range(0.92..1.08));
        let tables: Vec<[u8; 256]> = balance
            .iter()
            .map(|b| {
                std::array::from_fn(|i| {
                    let v = (i as f32 / 255.0).powf(gamma) * 255.0;
                    (((v - 128.0) * contrast + 128.0 + bright) * b).clamp(0.0, 255.0) as u8
                })
            })
            .collect();
        for p in rgb.chunks_exact_mut(3) {
            for i in 0..3 {
                p[i] = tables[i][p[i] as usize];
            }
        }
        let saturation = rng.random_range(0.75f32..1.2);
        for p in rgb.chunks_exact_mut(3) {
            let grey = 0.3 * f32::from(p[0]) + 0.59 * f32::from(p[1]) + 0.11 * f32::from(p[2]);
            p.iter_mut()
                .for_each(|c| *c = (grey + (f32::from(*c) - grey) * saturation).clamp(0.0, 255.0) as u8);
        }
    }
    if rng.random_bool(0.25) {
        let factor = rng.random_range(0.4f32..0.8);
        let (w, h) = ((width as f32 * factor) as u32, (height as f32 * factor) as u32);
        let small = Photo::new(width as u32, height as u32, std::mem::take(rgb)).resize(w.max(8), h.max(8));
        *rgb = small.resize(width as u32, height as u32).rgb().to_vec();
    }
    if rng.random_bool(0.3) {
        let amount = rng.random_range(2.0f32..12.0);
        for p in rgb.iter_mut() {
            *p = (f32::from(*p) + (rng.random::<f32>() - 0.5) * amount * 2.0).clamp(0.0, 255.0) as u8;
        }
    }
    if rng.random_bool(0.2) {
        let photo = Photo::new(width as u32, height as u32, std::mem::take(rgb));
        let bytes = twinset_photo::encode_jpeg(&photo, rng.random_range(30..85));
        *rgb = match twinset_photo::decode(&bytes, &twinset_photo::Limits::default()) {
            Ok(p) => p.rgb().to_vec(),
            Err(_) => photo.rgb().to_vec(),
        };
    }
    if rng.random_bool(0.2) {
        // An occluder: a block of one colour taken from the picture itself.
        let bw = rng.random_range(width / 10..width / 3);
        let bh = rng.random_range(height / 10..height / 3);
        let (x, y) = (rng.random_range(0..width - bw), rng.random_range(0..height - bh));
        let source = rng.random_range(0..width * height) * 3;
        let colour = [rgb[source], rgb[source + 1], rgb[source + 2]];
        for row in y..y + bh {
            for p in rgb[(row * width + x) * 3..(row * width + x + bw) * 3].chunks_exact_mut(3) {
                p.copy_from_slice(&colour);
            }
        }
    }
}

/// `[3, side, side]` as the networks want it: `(v / 255 - 0.5) / 0.25`.
pub(crate) fn normalised(rgb: &[u8], side: usize) -> Vec<f32> {
    let n = side * side;
    let mut out = vec![0.0; 3 * n];
    for (i, p) in rgb.chunks_exact(3).enumerate() {
        for c in 0..3 {
            out[c * n + i] = (f32::from(p[c]) / 255.0 - 0.5) / 0.25;
        }
    }
    out
}

/// One garment to be found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) rect: Rect,
    /// Place in [`crate::CATEGORIES`].
    pub(crate) category: usize,
    /// Garments inside may have no boxes of their own (a dressed person from a shop's picture).
    pub(crate) open: bool,
}

/// A photo with every garment boxed.
#[derive(Clone, Debug)]
pub(crate) struct Boxed {
    pub(crate) photo: Arc<Photo>,
    pub(crate) targets: Vec<Target>,
}

/// A detector input: a random zoom of the photo, letterboxed to `side`, with the boxes that are still visible. `reach`
/// shrinks the piece shown: small inputs then hold garments as large as full ones do.
pub(crate) fn zoom(scene: &Boxed, side: usize, reach: f32, rng: &mut ChaCha8Rng) -> (Vec<f32>, Vec<Target>) {
    let (w, h) = (scene.photo.width() as f32, scene.photo.height() as f32);
    let longer = w.max(h);
    let region = longer * rng.random_range(0.6f32..1.25) * reach;
    let slack = |extent: f32, rng: &mut ChaCha8Rng| {
        let free = extent - region;
        if free > 0.0 { rng.random_range(0.0..free) } else { rng.random_range(free..=0.0) }
    };
    let (x, y) = (slack(w, rng), slack(h, rng));
    let scale = region / side as f32;
    let flip = rng.random_bool(0.5);
    let map = if flip {
        Affine([-scale, 0.0, x + region, 0.0, scale, y])
    } else {
        Affine([scale, 0.0, x, 0.0, scale, y])
    };
    let mut rgb = sample(&scene.photo, &map, side, side, scale);
    disturb(&mut rgb, side, side, rng);
    let back = map.inverse();
    let targets = scene
        .targets
        .iter()
        .filter_map(|t| {
            let (a, b) = (back.apply(t.rect.x, t.rect.y), back.apply(t.rect.x1(), t.rect.y1()));
            let whole = Rect::from_corners(a.0.min(b.0), a.1, a.0.max(b.0), b.1);
            let rect = whole.clamp_to(side as f32, side as f32);
            let kept = rect.area() / whole.area().max(1e-3);
            (kept > 0.35 && rect.w > 3.0 && rect.h > 3.0).then_some(Target { rect, ..*t })
        })
        .collect();
    (normalised(&rgb, side), targets)
}

/// A scene of one to four cut-outs on a ground, with the boxes of what stays visible.
pub(crate) fn compose(
    cutouts: &[(Cutout, usize, bool)],
    ground: &Photo,
    side: usize,
    rng: &mut ChaCha8Rng,
) -> Boxed {
    let mut canvas = ground_of(ground, side, rng);
    let mut targets: Vec<Target> = Vec::new();
    let alone = cutouts.len() == 1;
    for (cutout, category, open) in cutouts {
        let share = if alone { rng.random_range(0.35..0.95) } else { rng.random_range(0.25..0.75) };
        for _ in 0..8 {
            let mut trial = rng.clone();
            let mut copy = canvas.clone();
            let (rect, _) = paste_at(&mut copy, side, cutout, share, None, &mut trial);
            *rng = trial;
            // Nothing may hide more than a third of what lies below it.
            if targets.iter().all(|t| t.rect.intersect(&rect).area() < 0.33 * t.rect.area()) {
                canvas = copy;
                targets.push(Target { rect, category: *category, open: *open });
                break;
            }
        }
    }
    Boxed { photo: Arc::new(Photo::new(side as u32, side as u32, canvas)), targets }
}

/// One of a slice, by chance.
pub(crate) fn pick<'a, T>(of: &'a [T], rng: &mut ChaCha8Rng) -> &'a T {
    of.choose(rng).expect("checked when the sources were opened")
}
