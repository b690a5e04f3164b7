//! What sellers do to their pictures: words, badges, watermarks, borders.

use crate::cloth::{edge, glyph};
use crate::colour::{self, Rgb};
use crate::layer::Canvas;
use crate::rng::Rng;
use serde::{Deserialize, Serialize};
use twinset_photo::{Photo, Rect};

/// Which edits a picture has undergone, of those that can be seen: words of the colour of their ground cannot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edits {
    /// Blocks of words laid over it.
    pub text: bool,
    /// A faint repeated mark.
    pub watermark: bool,
    /// A frame around it.
    pub border: bool,
    /// A coloured badge with words.
    pub badge: bool,
    /// Several views in one picture.
    pub collage: bool,
    /// Left and right swapped.
    pub mirrored: bool,
}

/// A photo after some edits, as a seller might make them, and which they are. The same seed makes the same.
#[must_use]
pub fn edited(photo: &Photo, seed: u64) -> (Photo, Edits) {
    let (width, height) = (photo.width() as usize, photo.height() as usize);
    let mut canvas = Canvas::new(width, height, false);
    for (to, from) in canvas.rgb.iter_mut().zip(photo.rgb().as_chunks::<3>().0) {
        *to = colour::srgb(*from);
    }
    let mut edits = Edits::default();
    apply(&mut canvas, &mut Rng::keyed(&[0xED17, seed]), &mut edits);
    let rgb = canvas.rgb.iter().flatten().map(|&light| colour::to_byte(light)).collect();
    (Photo::new(photo.width(), photo.height(), rgb), edits)
}

/// Two to four photos in one picture of `side` x `side` pixels, each filling a panel, and the panels. Between them a
/// bar of one colour, or nothing. The same seed makes the same.
///
/// # Panics
/// With fewer than two photos.
#[must_use]
pub fn collage(photos: &[&Photo], side: u32, seed: u64) -> (Photo, Vec<Rect>) {
    assert!(photos.len() >= 2, "a collage has two photos at least");
    let mut rng = Rng::keyed(&[0xC011, seed]);
    let s = side as f32;
    let bar = if rng.chance(0.5) { (s * rng.range(0.004, 0.03)).round() } else { 0.0 };
    let ink = rng.pick(&[255_u8, 250, 0]);
    let cut = (s * rng.range(0.4, 0.6)).round();
    let rect = |x0: f32, y0: f32, x1: f32, y1: f32| Rect::from_corners(x0, y0, x1, y1);
    let (left, right) = (cut - (bar / 2.0).floor(), cut + (bar / 2.0).ceil());
    let mut panels = match photos.len() {
        2 => vec![rect(0.0, 0.0, left, s), rect(right, 0.0, s, s)],
        3 => vec![rect(0.0, 0.0, left, s), rect(right, 0.0, s, left), rect(right, right, s, s)],
        _ => vec![
            rect(0.0, 0.0, left, left),
            rect(right, 0.0, s, left),
            rect(0.0, right, left, s),
            rect(right, right, s, s),
        ],
    };
    if rng.chance(0.5) {
        panels.iter_mut().for_each(|p| *p = rect(p.y, p.x, p.y1(), p.x1()));
    }
    let mut rgb = vec![ink; (side * side * 3) as usize];
    for (panel, photo) in panels.iter().zip(photos) {
        let (w, h) = (panel.w as u32, panel.h as u32);
        // Fills the panel; what sticks out is cut.
        let scale = (panel.w / photo.width() as f32).max(panel.h / photo.height() as f32);
        let (wide, high) = (panel.w / scale, panel.h / scale);
        let shown = photo.crop(Rect {
            x: (photo.width() as f32 - wide) / 2.0,
            y: (photo.height() as f32 - high) / 2.0,
            w: wide,
            h: high,
        });
        let shown = shown.resize(w, h);
        for (y, row) in shown.rgb().chunks_exact(3 * w as usize).enumerate() {
            let at = 3 * ((panel.y as usize + y) * side as usize + panel.x as usize);
            rgb[at..at + row.len()].copy_from_slice(row);
        }
    }
    (Photo::new(side, side, rgb), panels)
}

/// Adds one edit or more.
pub(crate) fn apply(canvas: &mut Canvas, rng: &mut Rng, edits: &mut Edits) {
    let side = canvas.width.min(canvas.height) as f32;
    let (w, h) = (canvas.width as f32, canvas.height as f32);
    let loud = colour::from_lab([rng.range(35.0, 85.0), rng.range(-60.0, 70.0), rng.range(-60.0, 70.0)]);
    let ink = rng.pick(&[[0.01; 3], [1.0; 3], loud]);
    let kind = rng.below(10);
    if kind < 4 {
        edits.text = shows(canvas, |canvas| {
            for _ in 0..1 + rng.below(2) {
                let size = side * rng.range(0.02, 0.055);
                let x = rng.range(0.03, 0.5) * w;
                let y = if rng.chance(0.5) { rng.range(0.03, 0.2) } else { rng.range(0.75, 0.93) } * h;
                let (letters, rows) = (4 + rng.below(10), 1 + rng.below(3));
                words(canvas, rng, x, y, size, letters, rows, ink, 1.0, 0.0);
            }
        });
    }
    if (4..6).contains(&kind) || rng.chance(0.1) {
        edits.watermark = shows(canvas, |canvas| {
            let size = side * rng.range(0.02, 0.04);
            let bits = rng.clone();
            let angle = rng.range(-0.6, -0.2);
            let step = side * rng.range(0.28, 0.45);
            let mut y = -0.2 * h;
            while y < h * 1.3 {
                let mut x = -0.2 * w;
                while x < w {
                    let level = y - x * angle.tan() * 0.3;
                    words(canvas, &mut bits.clone(), x, level, size, 6, 1, [1.0; 3], 0.35, angle);
                    x += step;
                }
                y += step * 0.6;
            }
        });
    }
    if (6..8).contains(&kind) || rng.chance(0.1) {
        edits.badge = shows(canvas, |canvas| {
            let r = side * rng.range(0.07, 0.13);
            let (x, y) = (
                if rng.chance(0.5) { r * 1.3 } else { w - r * 1.3 },
                if rng.chance(0.5) { r * 1.3 } else { h - r * 1.3 },
            );
            let round = rng.chance(0.6);
            let inside = |px: f32, py: f32| {
                let (dx, dy) = (px - x, py - y);
                let beyond =
                    if round { (dx * dx + dy * dy).sqrt() - r } else { dx.abs().max(dy.abs() * 2.0) - r };
                edge(beyond, 1.0)
            };
            over(canvas, inside, loud, 1.0);
            words(canvas, rng, x - r * 0.72, y, r * 0.3, 4, 1, [1.0; 3], 1.0, 0.0);
        });
    }
    if kind >= 8 || rng.chance(0.1) {
        edits.border = shows(canvas, |canvas| {
            let thick = side * rng.range(0.012, 0.05);
            over(canvas, |px, py| edge(px.min(py).min(w - px).min(h - py) - thick, 1.0), ink, 1.0);
        });
    }
}

/// A step between two bytes that is seen, and the share of the pixels that must take it.
const SEEN_STEP: u8 = 12;
const SEEN_SHARE: f32 = 5e-4;

/// Draws something; whether that can be seen.
fn shows(canvas: &mut Canvas, draw: impl FnOnce(&mut Canvas)) -> bool {
    let before = canvas.rgb.clone();
    draw(canvas);
    let seen = |(was, is): &(&Rgb, &Rgb)| {
        was != is && (0..3).any(|c| colour::to_byte(was[c]).abs_diff(colour::to_byte(is[c])) >= SEEN_STEP)
    };
    before.iter().zip(&canvas.rgb).filter(seen).count() as f32 >= SEEN_SHARE * before.len() as f32
}

fn over(canvas: &mut Canvas, cover: impl Fn(f32, f32) -> f32, ink: Rgb, opacity: f32) {
    for y in 0..canvas.height {
        for x in 0..canvas.width {
            let a = cover(x as f32 + 0.5, y as f32 + 0.5) * opacity;
            if a > 0.0 {
                let p = &mut canvas.rgb[y * canvas.width + x];
                *p = colour::mix(*p, ink, a);
            }
        }
    }
}

/// Rows of signs; (`x`, `y`) is the middle of the first sign's left edge, `size` half its height.
#[allow(clippy::too_many_arguments)]
fn words(
    canvas: &mut Canvas,
    rng: &mut Rng,
    x: f32,
    y: f32,
    size: f32,
    letters: usize,
    rows: usize,
    ink: Rgb,
    opacity: f32,
    angle: f32,
) {
    let (sin, cos) = angle.sin_cos();
    let half = size.max(1.5);
    for row in 0..rows {
        for i in 0..letters {
            let bits = rng.bits() as u32;
            if i > 1 && bits >> 28 < 3 {
                continue;
            }
            let along = (i as f32 + 0.5) * half * 1.45;
            let down = row as f32 * half * 2.8;
            let (cx, cy) = (x + along * cos - down * sin, y + along * sin + down * cos);
            let reach = (half * 1.3) as i32 + 1;
            for py in (cy as i32 - reach).max(0)..(cy as i32 + reach).min(canvas.height as i32) {
                for px in (cx as i32 - reach).max(0)..(cx as i32 + reach).min(canvas.width as i32) {
                    let (dx, dy) = (px as f32 + 0.5 - cx, py as f32 + 0.5 - cy);
                    let (u, v) = ((dx * cos + dy * sin) / (half * 0.62), (dy * cos - dx * sin) / half);
                    if u.abs() < 1.2 && v.abs() < 1.2 {
                        let a = edge(glyph(u, v, bits), 1.0 / half) * opacity;
                        let p = &mut canvas.rgb[py as usize * canvas.width + px as usize];
                        *p = colour::mix(*p, ink, a);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_change_what_they_say_and_seeds_repeat() {
        let plain = Photo::new(160, 200, vec![128; 160 * 200 * 3]);
        for seed in 0..40 {
            let (photo, edits) = edited(&plain, seed);
            assert!(edits.text || edits.watermark || edits.badge || edits.border);
            assert!(photo.rgb() != plain.rgb(), "seed {seed}: {edits:?}");
            assert_eq!(photo.rgb(), edited(&plain, seed).0.rgb());
            let rim = |x: usize, y: usize| photo.rgb()[3 * (y * 160 + x)] != 128;
            assert!(!edits.border || rim(0, 0) && rim(159, 199), "seed {seed}");
        }
    }

    #[test]
    fn panels_show_their_photos() {
        let plain = |v: u8| Photo::new(60, 90, vec![v; 60 * 90 * 3]);
        let photos = [plain(30), plain(90), plain(150), plain(210)];
        for seed in 0..20 {
            let chosen: Vec<&Photo> = photos.iter().take(2 + seed as usize % 3).collect();
            let (picture, panels) = collage(&chosen, 200, seed);
            assert_eq!(panels.len(), chosen.len());
            for (panel, photo) in panels.iter().zip(&chosen) {
                let middle =
                    ((panel.y + panel.h / 2.0) as usize * 200 + (panel.x + panel.w / 2.0) as usize) * 3;
                assert_eq!(picture.rgb()[middle], photo.rgb()[0], "seed {seed}");
            }
        }
    }
}
