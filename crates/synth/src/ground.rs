//! What lies behind: studio grounds, surfaces, rooms, streets, clutter, or the caller's photos.

use crate::colour::{self, Rgb};
use crate::layer::Canvas;
use crate::noise::{cells, fbm, hash_unit, noise, noise_slope, smoothstep};
use crate::outline::{ellipse, rounded, stroke, turn};
use crate::raster::{self, Block};
use crate::rng::Rng;
use crate::spec::Split;
use serde::{Deserialize, Serialize};
use twinset_photo::Photo;

macro_rules! grounds {
    ($($name:ident $held:literal $weight:literal,)*) => {
        /// A kind of ground.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[allow(missing_docs)]
        pub enum GroundKind { $($name,)* }

        impl GroundKind {
            /// All kinds that are drawn.
            pub const ALL: &[GroundKind] = &[$(GroundKind::$name,)*];
            /// Whether only held-out scenes lie on it.
            #[must_use]
            pub fn held_out(self) -> bool {
                match self { $(GroundKind::$name => $held,)* }
            }
            fn weight(self) -> f32 {
                match self { $(GroundKind::$name => $weight,)* }
            }
        }
    };
}

grounds! {
    White false 0.7,
    Soft false 1.2,
    Wood false 1.3,
    Bed false 1.3,
    Brick false 0.8,
    Room false 1.4,
    Street false 1.4,
    Grass false 0.6,
    Leaves false 1.2,
    Rug false 0.8,
    Tiles true 1.0,
    Marble true 1.0,
    Plaster true 1.0,
    Parquet true 1.0,
    Shelves true 1.0,
}

impl GroundKind {
    pub(crate) fn sample(rng: &mut Rng, split: Split) -> GroundKind {
        let held = split == Split::HeldOut;
        let fitting: Vec<_> =
            GroundKind::ALL.iter().filter(|g| g.held_out() == held).map(|&g| (g, g.weight())).collect();
        rng.weighted(&fitting)
    }
    /// Whether clutter belongs on it.
    pub(crate) fn busy(self) -> bool {
        !matches!(self, GroundKind::White | GroundKind::Soft)
    }
}

/// Colours that walls, floors and blankets have.
fn muted(rng: &mut Rng) -> Rgb {
    colour::from_lab([rng.range(45.0, 90.0), rng.range(-10.0, 14.0), rng.range(-14.0, 24.0)])
}

fn any(rng: &mut Rng) -> Rgb {
    colour::from_lab([rng.range(15.0, 90.0), rng.range(-40.0, 50.0), rng.range(-45.0, 55.0)])
}

/// Fills the picture with a ground of this kind.
pub(crate) fn fill(canvas: &mut Canvas, kind: GroundKind, rng: &mut Rng) {
    let (w, h) = (canvas.width as f32, canvas.height as f32);
    let unit = 1.0 / w.max(h);
    let seed = rng.bits() as u32;
    let a = rng.range(0.0, std::f32::consts::TAU);
    let tilt = match kind {
        GroundKind::Brick | GroundKind::Room | GroundKind::Street | GroundKind::Shelves => {
            rng.range(-0.04, 0.04)
        }
        _ => a,
    };
    let (sin, cos) = tilt.sin_cos();
    let zoom = rng.range(0.7, 1.6);
    let (one, two, three) = (muted(rng), muted(rng), any(rng));
    let horizon = rng.range(0.6, 0.85) * h * unit;
    let woods = [[196, 150, 104], [150, 104, 68], [112, 76, 52], [214, 184, 146], [120, 112, 104]];
    let wood = colour::srgb(woods[rng.below(5)]);
    let from = [rng.range(-0.2, 0.4), rng.range(-0.3, 0.1)];
    let level = rng.range(0.55, 1.0);
    let slabs: Vec<(f32, f32, f32, Rgb)> = (0..14)
        .map(|_| (rng.range(-0.1, 1.0), rng.range(0.05, 0.3), rng.range(0.1, 0.9), any(rng)))
        .collect();
    for y in 0..canvas.height {
        for x in 0..canvas.width {
            let (fx, fy) = (x as f32 * unit, y as f32 * unit);
            let (rx, ry) = ((fx * cos + fy * sin) * zoom, (fy * cos - fx * sin) * zoom);
            let light = 1.0 - 0.22 * ((fx - from[0]).powi(2) + (fy - from[1]).powi(2)).sqrt();
            let c = match kind {
                GroundKind::White => [0.97 - 0.03 * fy; 3],
                GroundKind::Soft => {
                    colour::scale(one, light * (1.0 + 0.02 * (noise(rx * 90.0, ry * 90.0, seed) - 0.5)))
                }
                GroundKind::Wood | GroundKind::Parquet => {
                    let (px, py) = if kind == GroundKind::Parquet {
                        let (bx, by) = ((rx * 5.0).floor(), (ry * 5.0).floor());
                        if (bx + by).rem_euclid(2.0) < 0.5 {
                            (rx * 1.6, ry * 1.6)
                        } else {
                            (ry * 1.6 + 7.7, rx * 1.6 + 3.3)
                        }
                    } else {
                        (rx, ry)
                    };
                    let plank = (py * 7.0).floor();
                    let tone = 0.8
                        + 0.35
                            * hash_unit(
                                plank as i32,
                                (px * 1.3 + 10.0 * hash_unit(plank as i32, 3, seed)).floor() as i32,
                                seed,
                            );
                    let grain = fbm(px * 6.0 + plank * 9.0, py * 90.0, seed, 2);
                    let ring = 0.08 * ((py * 60.0 + 5.0 * noise(px * 3.0, py * 9.0 + plank, seed)).sin());
                    let gap = smoothstep(0.0, 0.035, (py * 7.0).rem_euclid(1.0)) * 0.6 + 0.4;
                    colour::scale(wood, tone * (0.75 + 0.45 * grain + ring) * gap * light)
                }
                GroundKind::Bed => {
                    let (n, dx, dy) = noise_slope(rx * 4.0 + 0.8 * (ry * 5.0).sin(), ry * 6.0, seed);
                    let (_, ex, ey) = noise_slope(rx * 9.0 + ry * 6.0, ry * 11.0, seed ^ 9);
                    let shade = 0.9 + 0.2 * (dx + dy) * 0.6 + 0.07 * (ex + ey) - 0.25 * (0.5 - n).max(0.0);
                    let striped = seed & 3 == 0 && (rx * 18.0).rem_euclid(1.0) < 0.4;
                    colour::scale(if striped { two } else { one }, shade * light)
                }
                GroundKind::Brick => {
                    let row = (ry * 16.0).floor();
                    let bx = rx * 6.0 + 0.5 * row.rem_euclid(2.0);
                    let (u, v) = (bx.rem_euclid(1.0), (ry * 16.0).rem_euclid(1.0));
                    let mortar =
                        smoothstep(0.0, 0.06, u.min(1.0 - u)) * smoothstep(0.0, 0.14, v.min(1.0 - v));
                    let tone = 0.7 + 0.5 * hash_unit(bx.floor() as i32, row as i32, seed);
                    let brick = colour::mix(colour::srgb([160, 82, 62]), one, 0.35);
                    colour::mix(
                        [0.5, 0.48, 0.45],
                        colour::scale(brick, tone * (0.8 + 0.4 * fbm(rx * 60.0, ry * 60.0, seed, 2))),
                        mortar,
                    )
                }
                GroundKind::Room => {
                    let floor = fy > horizon;
                    if floor {
                        let depth = 1.0 / (fy - horizon + 0.12);
                        let plank = ((fx - 0.5) * depth * 2.2).floor();
                        colour::scale(
                            wood,
                            0.75 + 0.3 * hash_unit(plank as i32, 0, seed)
                                + 0.15 * noise((fx - 0.5) * depth * 30.0, depth * 8.0, seed),
                        )
                    } else if horizon - fy < 0.022 {
                        [0.85, 0.85, 0.83]
                    } else {
                        let mut c = colour::scale(one, light);
                        for (i, s) in slabs.iter().take(4).enumerate() {
                            let (x0, y0, wide, high) = (s.0, s.1 * 0.6, 0.12 + 0.2 * s.2, 0.15 + s.1);
                            if fx > x0
                                && fx < x0 + wide
                                && fy > y0
                                && fy < y0 + high
                                && i < (seed & 3) as usize + 1
                            {
                                let rim = (fx - x0).min(x0 + wide - fx).min(fy - y0).min(y0 + high - fy);
                                c = if rim < 0.012 {
                                    colour::scale(three, 0.4)
                                } else {
                                    colour::scale(
                                        s.3,
                                        0.5 + 0.8 * noise(fx * 14.0, fy * 14.0, seed ^ i as u32),
                                    )
                                };
                            }
                        }
                        c
                    }
                }
                GroundKind::Street => {
                    let mut c = if fy > horizon {
                        colour::scale([0.26, 0.26, 0.27], 0.8 + 0.4 * fbm(fx * 50.0, fy * 90.0, seed, 2))
                    } else {
                        colour::mix([0.62, 0.74, 0.88], [0.86, 0.86, 0.86], fy)
                    };
                    for s in &slabs {
                        let rise = horizon - s.2 * horizon;
                        let soft = 0.008;
                        let inside = smoothstep(s.0 - soft, s.0 + soft, fx)
                            * (1.0 - smoothstep(s.0 + s.1 - soft, s.0 + s.1 + soft, fx))
                            * smoothstep(rise - soft, rise + soft, fy)
                            * (1.0 - smoothstep(horizon - soft, horizon + soft, fy));
                        if inside > 0.0 {
                            let window = smoothstep(0.3, 0.5, (fx * 30.0).sin())
                                * smoothstep(0.1, 0.4, (fy * 24.0).sin());
                            let wall = colour::scale(colour::mix(s.3, one, 0.5), 0.75);
                            c = colour::mix(c, colour::mix(wall, [0.12, 0.15, 0.2], 0.7 * window), inside);
                        }
                    }
                    c
                }
                GroundKind::Grass => {
                    let blade = fbm(rx * 60.0 + 3.0 * noise(rx * 9.0, ry * 9.0, seed), ry * 24.0, seed, 3);
                    colour::mix([0.05, 0.12, 0.03], [0.3, 0.45, 0.12], smoothstep(0.25, 0.75, blade))
                }
                GroundKind::Leaves => colour::scale(two, 0.6),
                GroundKind::Rug => {
                    let (u, v) = ((rx * 9.0).rem_euclid(1.0) - 0.5, (ry * 9.0).rem_euclid(1.0) - 0.5);
                    let diamond = u.abs() + v.abs();
                    let ink = if diamond < 0.18 {
                        three
                    } else if diamond < 0.36 {
                        two
                    } else {
                        one
                    };
                    colour::scale(ink, 0.75 + 0.5 * noise(rx * 220.0, ry * 220.0, seed))
                }
                GroundKind::Tiles => {
                    let (u, v) = ((rx * 8.0).rem_euclid(1.0), (ry * 8.0).rem_euclid(1.0));
                    let grout = smoothstep(0.0, 0.04, u.min(1.0 - u).min(v.min(1.0 - v)));
                    let odd = ((rx * 8.0).floor() + (ry * 8.0).floor()).rem_euclid(2.0);
                    let tile = if odd < 0.5 { one } else { two };
                    colour::mix(
                        [0.35; 3],
                        colour::scale(tile, light * (0.94 + 0.1 * noise(rx * 30.0, ry * 30.0, seed))),
                        grout,
                    )
                }
                GroundKind::Marble => {
                    let bend = fbm(rx * 3.0, ry * 3.0, seed, 4);
                    let vein = 1.0 - ((rx * 4.0 + ry * 7.0 + 6.0 * bend).sin()).abs();
                    colour::mix(
                        colour::scale([0.86, 0.85, 0.84], light),
                        colour::scale(one, 0.4),
                        0.75 * vein.powi(8) + 0.15 * bend,
                    )
                }
                GroundKind::Plaster => colour::scale(
                    one,
                    light
                        * (0.82 + 0.3 * fbm(rx * 14.0, ry * 14.0, seed, 4))
                        * if cells(rx * 3.0, ry * 3.0, seed, 1.0).next
                            - cells(rx * 3.0, ry * 3.0, seed, 1.0).near
                            < 0.012
                        {
                            0.7
                        } else {
                            1.0
                        },
                ),
                GroundKind::Shelves => {
                    let v = (ry * 3.2).rem_euclid(1.0);
                    if v > 0.9 {
                        colour::scale(wood, 0.9 - (v - 0.9) * 2.0)
                    } else {
                        let row = (ry * 3.2).floor() as i32;
                        let i = (rx * 26.0).floor() as i32;
                        let tall = 0.25 + 0.5 * hash_unit(i, row, seed);
                        if v > 0.9 - tall {
                            let ink = slabs[(hash_unit(i, row, seed ^ 5) * 13.9) as usize].3;
                            let u = (rx * 26.0).rem_euclid(1.0);
                            colour::scale(ink, 0.6 + 1.2 * u * (1.0 - u))
                        } else {
                            colour::scale(wood, 0.25)
                        }
                    }
                }
            };
            canvas.rgb[y * canvas.width + x] =
                colour::scale(c, if kind.busy() { level.max(0.6) } else { 1.0 });
        }
    }
    if kind == GroundKind::Leaves {
        clutter(canvas, rng, 60);
    } else if kind.busy() && rng.chance(0.55) {
        let n = 1 + rng.below(9);
        clutter(canvas, rng, n);
    }
}

/// Fills the picture with a crop of a real photo, turned to its shape, mirrored at times.
pub(crate) fn fill_photo(canvas: &mut Canvas, photo: &Photo, rng: &mut Rng) {
    let (pw, ph) = (photo.width() as f32, photo.height() as f32);
    let (w, h) = (canvas.width as f32, canvas.height as f32);
    let most = (pw / w).min(ph / h);
    let k = most * rng.range(0.45, 1.0);
    let (x0, y0) = (rng.unit() * (pw - k * w), rng.unit() * (ph - k * h));
    let mirror = rng.chance(0.5);
    // Several source pixels to one of ours are averaged on a small grid.
    let n = (k.ceil() as usize).clamp(1, 4);
    let table = colour::to_linear_table();
    let rgb = photo.rgb();
    for y in 0..canvas.height {
        for x in 0..canvas.width {
            let mut sum = [0.0f32; 3];
            for sy in 0..n {
                for sx in 0..n {
                    let u = x0 + (x as f32 + (sx as f32 + 0.5) / n as f32) * k;
                    let v = y0 + (y as f32 + (sy as f32 + 0.5) / n as f32) * k;
                    let (u, v) = (
                        (u as usize).min(photo.width() as usize - 1),
                        (v as usize).min(photo.height() as usize - 1),
                    );
                    let i = (v * photo.width() as usize + u) * 3;
                    for c in 0..3 {
                        sum[c] += table[rgb[i + c] as usize];
                    }
                }
            }
            let tx = if mirror { canvas.width - 1 - x } else { x };
            canvas.rgb[y * canvas.width + tx] = colour::scale(sum, 1.0 / (n * n) as f32);
        }
    }
}

/// Scatters nameless things: boxes, discs, sticks, cords, leaves, with soft shadows.
pub(crate) fn clutter(canvas: &mut Canvas, rng: &mut Rng, n: usize) {
    let (w, h) = (canvas.width as f32, canvas.height as f32);
    let side = w.max(h);
    for _ in 0..n {
        let (x, y) = (rng.range(0.0, w), rng.range(0.0, h));
        let shape = thing(rng, x, y, side);
        paint_flat(canvas, &shape, rng, 0.8, None);
    }
}

/// One nameless outline around (`x`, `y`).
pub(crate) fn thing(rng: &mut Rng, x: f32, y: f32, side: f32) -> Vec<Vec<[f32; 2]>> {
    let (a, b) = (side * rng.range(0.02, 0.16), side * rng.range(0.02, 0.16));
    let angle = rng.range(0.0, std::f32::consts::TAU);
    match rng.below(5) {
        0 => vec![turn(&ellipse(x, y, a, b), [x, y], angle)],
        1 | 2 => vec![turn(&rounded(x - a, y - b, x + a, y + b, a.min(b) * 0.3), [x, y], angle)],
        3 => {
            let mut line = Vec::new();
            let (f, g) = (rng.range(1.0, 4.0), rng.range(0.0, 6.0));
            for i in 0..24 {
                let t = i as f32 / 23.0;
                line.push([x + (t - 0.5) * side * 0.5, y + a * (t * f * 3.0 + g).sin()]);
            }
            stroke(&turn(&line, [x, y], angle), side * rng.range(0.004, 0.02))
        }
        _ => {
            let leaf: Vec<[f32; 2]> = (0..24)
                .map(|i| {
                    let t = i as f32 / 24.0 * std::f32::consts::TAU;
                    [x + a * 1.4 * t.cos(), y + b * 0.5 * t.sin() * (1.0 - 0.5 * t.cos())]
                })
                .collect();
            vec![turn(&leaf, [x, y], angle)]
        }
    }
}

/// Paints an outline in some colour with a shadow; with `owner`, it hides what was there.
pub(crate) fn paint_flat(
    canvas: &mut Canvas,
    shape: &[Vec<[f32; 2]>],
    rng: &mut Rng,
    opacity: f32,
    owner: Option<u8>,
) {
    let block = Block::around(shape.iter().flatten().copied(), 1.0, &canvas.frame());
    if block.width() == 0 || block.height() == 0 {
        return;
    }
    let cov = raster::coverage(shape, &block);
    let r = (canvas.width.max(canvas.height) / 60).max(1);
    canvas.cast(&block, &cov, r as i32 / 2, r as i32 / 2 + 1, r, 0.4);
    let (one, two) = (any(rng), any(rng));
    let seed = rng.bits() as u32;
    let f = rng.range(4.0, 30.0) / canvas.width as f32;
    let style = rng.below(4);
    for y in 0..block.height() {
        for x in 0..block.width() {
            let a = cov[y * block.width() + x];
            if a <= 0.0 {
                continue;
            }
            let (px, py) = (block.x0 as usize + x, block.y0 as usize + y);
            let (u, v) = (px as f32 * f, py as f32 * f);
            let t = match style {
                0 => 0.0,
                1 => noise(u, v, seed),
                2 => crate::cloth::band(u + 0.5 * v, 0.5, f * 1.2),
                _ => y as f32 / block.height() as f32,
            };
            let at = py * canvas.width + px;
            let ink = colour::mix(one, two, t);
            canvas.rgb[at] = colour::mix(canvas.rgb[at], ink, a * (opacity + (1.0 - opacity) * a).min(1.0));
            if let (Some(owner), true) = (owner, a > 0.5) {
                canvas.owner[at] = owner;
                if !canvas.texels.is_empty() {
                    canvas.texels[at] = (0, [0.0; 2]);
                }
            }
        }
    }
}
