//! Pattern programs: what a cloth looks like at a point of its own surface.
//!
//! A cloth is a function of material coordinates (u, v) in metres, so the same garment shows the same
//! pattern in every view. Edges are softened to the pixel's footprint; stripes are integrated exactly.

use crate::colour::{self, ColourName, Rgb, mix, scale};
use crate::cut::Cut;
use crate::noise::{cells, fbm, hash, hash_unit, lerp, noise, smoothstep};
use crate::rng::Rng;
use crate::spec::Category;
use serde::{Deserialize, Serialize};

/// The pattern words used everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum PatternClass {
    Solid,
    Striped,
    Checked,
    Dotted,
    Floral,
    Graphic,
    Animal,
    Camouflage,
    Gradient,
    Knit,
    Denim,
    Lace,
    Other,
}

impl PatternClass {
    /// All classes, in the order of the vocabulary.
    pub const ALL: [PatternClass; 13] = {
        use PatternClass::*;
        [
            Solid, Striped, Checked, Dotted, Floral, Graphic, Animal, Camouflage, Gradient, Knit, Denim,
            Lace, Other,
        ]
    };
    /// The vocabulary's word.
    #[must_use]
    pub fn name(self) -> &'static str {
        use PatternClass::*;
        match self {
            Solid => "solid",
            Striped => "striped",
            Checked => "checked",
            Dotted => "dotted",
            Floral => "floral",
            Graphic => "graphic",
            Animal => "animal",
            Camouflage => "camouflage",
            Gradient => "gradient",
            Knit => "knit",
            Denim => "denim",
            Lace => "lace",
            Other => "other",
        }
    }
    /// Place in [`PatternClass::ALL`].
    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }
}

macro_rules! families {
    ($($name:ident $class:ident $held:literal $weight:literal,)*) => {
        /// A pattern program.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[allow(missing_docs)]
        pub enum Family { $($name,)* }

        impl Family {
            /// All programs.
            pub const ALL: &[Family] = &[$(Family::$name,)*];
            /// Kind of pattern it makes.
            #[must_use]
            pub fn class(self) -> PatternClass {
                match self { $(Family::$name => PatternClass::$class,)* }
            }
            /// Whether only held-out products wear it.
            #[must_use]
            pub fn held_out(self) -> bool {
                match self { $(Family::$name => $held,)* }
            }
            fn weight(self) -> f32 {
                match self { $(Family::$name => $weight,)* }
            }
        }
    };
}

families! {
    Plain Solid false 3.0,
    Heather Solid false 1.5,
    Slub Solid true 1.5,
    Leather Solid false 0.0,
    Jersey Knit false 0.8,
    Cable Knit false 0.8,
    Ribbed Knit true 1.0,
    FairIsle Knit false 0.7,
    Indigo Denim false 0.9,
    Washed Denim true 1.0,
    Breton Striped false 1.2,
    Variegated Striped false 1.0,
    Pinstripe Striped false 0.8,
    Chevron Striped true 1.2,
    Gingham Checked false 0.9,
    Tartan Checked false 1.2,
    Windowpane Checked false 0.7,
    Houndstooth Checked false 0.7,
    Argyle Checked true 1.2,
    Polka Dotted false 1.0,
    Confetti Dotted false 0.7,
    Rings Dotted true 1.0,
    Blossom Floral false 1.3,
    Ditsy Floral false 0.9,
    Botanical Floral true 1.4,
    Emblem Graphic false 1.6,
    Scenic Graphic false 1.3,
    Letters Graphic false 1.0,
    Totem Graphic true 1.8,
    Leopard Animal false 0.8,
    Zebra Animal false 0.8,
    Snake Animal true 1.0,
    Camo Camouflage false 0.8,
    Digital Camouflage true 0.8,
    Ombre Gradient false 0.7,
    TieDye Gradient false 0.7,
    Spiral Gradient true 0.8,
    Lacework Lace false 0.7,
    Eyelet Lace true 0.8,
    Paisley Other false 0.8,
    Sequins Other false 0.5,
    Memphis Other false 0.8,
    Blocks Other false 0.8,
    Waves Other true 1.0,
    Terrazzo Other true 0.9,
}

impl Family {
    /// A program that such a cut would be made of.
    pub(crate) fn sample(rng: &mut Rng, cut: Cut, held_out: bool) -> Family {
        let mut choices = Vec::with_capacity(Family::ALL.len());
        for &family in Family::ALL {
            if family.held_out() == held_out {
                choices.push((family, family.weight() * cut.wears(family)));
            }
        }
        if choices.iter().all(|c| c.1 == 0.0) {
            return if held_out { Family::Slub } else { Family::Plain };
        }
        rng.weighted(&choices)
    }
}

/// One mark of a print: a simple shape at a place.
#[derive(Clone, Debug)]
struct Mark {
    kind: MarkKind,
    at: [f32; 2],
    size: [f32; 2],
    turn: [f32; 2],
    colour: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum MarkKind {
    Disc,
    Ring,
    Bar,
    Triangle,
    Star(f32),
    Flower(f32),
    Ridge(u32),
    Ripple,
    Glyph(u32),
    Moon,
    Heart,
    Bolt,
}

/// A pattern program with its colours and numbers.
#[derive(Clone, Debug)]
pub(crate) struct Cloth {
    family: Family,
    c: [Rgb; 5],
    /// Period of the pattern, metres.
    period: f32,
    turn: [f32; 2],
    seed: u32,
    k: [f32; 4],
    bands: Vec<(f32, usize)>,
    marks: Vec<Mark>,
}

/// What a point of the cloth shows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub rgb: Rgb,
    /// 1 where cloth is, less where one sees through.
    pub alpha: f32,
    /// 0 dull, 1 shiny.
    pub gloss: f32,
}

impl Cloth {
    pub(crate) fn new(family: Family, seed: u64, colours: [Rgb; 5], category: Category) -> Self {
        use Family::*;
        let mut rng = Rng::keyed(&[0xC107, seed, family as u64]);
        let [base, second, accent, light, dark] = colours;
        let mut c = [base, second, accent, light, dark];
        if rng.chance(0.3) {
            c.swap(0, 3);
        }
        let small = matches!(
            category,
            Category::Footwear
                | Category::Bag
                | Category::Hat
                | Category::Belt
                | Category::Gloves
                | Category::Legwear
                | Category::Item
        );
        let size = if small { 0.6 } else { 1.0 };
        let period = size
            * match family {
                Breton => rng.range(0.022, 0.055),
                Variegated => rng.range(0.12, 0.26),
                Pinstripe => rng.range(0.012, 0.03),
                Chevron => rng.range(0.03, 0.07),
                Gingham => rng.range(0.014, 0.04),
                Tartan => rng.range(0.07, 0.16),
                Windowpane => rng.range(0.045, 0.1),
                Houndstooth => rng.range(0.022, 0.05),
                Argyle => rng.range(0.09, 0.16),
                Polka => rng.range(0.022, 0.06),
                Confetti => rng.range(0.025, 0.05),
                Rings => rng.range(0.04, 0.08),
                Blossom => rng.range(0.07, 0.15),
                Ditsy => rng.range(0.025, 0.045),
                Botanical => rng.range(0.07, 0.12),
                Leopard => rng.range(0.03, 0.055),
                Zebra => rng.range(0.05, 0.09),
                Snake => rng.range(0.018, 0.03),
                Camo => rng.range(0.11, 0.2),
                Digital => rng.range(0.1, 0.18),
                Paisley => rng.range(0.07, 0.13),
                Sequins => rng.range(0.009, 0.014),
                Memphis => rng.range(0.05, 0.09),
                Waves => rng.range(0.035, 0.07),
                Terrazzo => rng.range(0.03, 0.06),
                Lacework => rng.range(0.05, 0.08),
                Eyelet => rng.range(0.025, 0.045),
                FairIsle => rng.range(0.1, 0.16),
                Cable => rng.range(0.05, 0.085),
                Ribbed => rng.range(0.009, 0.018),
                Jersey => rng.range(0.007, 0.011),
                Spiral | TieDye => rng.range(0.2, 0.4),
                _ => 0.05,
            };
        let angle = match family {
            Variegated | Breton if rng.chance(0.25) => std::f32::consts::FRAC_PI_2,
            Pinstripe => std::f32::consts::FRAC_PI_2,
            Gingham | Windowpane | Tartan if rng.chance(0.2) => std::f32::consts::FRAC_PI_4,
            Polka if rng.chance(0.6) => std::f32::consts::FRAC_PI_4,
            Zebra | Camo | Leopard | Paisley | Waves | Ombre => 0.0,
            Sequins | Botanical => rng.range(-0.3, 0.3),
            _ => 0.0,
        };
        let k = [rng.unit(), rng.unit(), rng.unit(), rng.unit()];
        match family {
            Indigo | Washed => {
                // Denim keeps its blue; the palette decides how dark and which thread.
                let wash = [[26.0, 4.0, -22.0], [38.0, -1.0, -26.0], [58.0, -4.0, -22.0], [14.0, 0.0, -3.0]];
                c[0] = colour::from_lab(
                    wash[if family == Washed {
                        2
                    } else {
                        rng.weighted(&[(0, 2.0), (1, 2.0), (2, 1.0), (3, 0.7)])
                    }],
                );
                c[1] = colour::srgb([206, 142, 66]);
            }
            Leopard => {
                let tame = [[196, 152, 96], [226, 212, 186], [150, 150, 152], [214, 130, 140]];
                c[0] = mix(
                    colour::srgb(tame[rng.weighted(&[(0, 3.0), (1, 1.0), (2, 0.7), (3, 0.4)])]),
                    base,
                    0.12,
                );
                c[4] = mix(colour::srgb([34, 26, 22]), dark, 0.2);
            }
            Camo | Digital => {
                let sets = [
                    [[94, 100, 66], [62, 66, 44], [142, 128, 92], [36, 36, 30]],
                    [[178, 160, 124], [140, 116, 82], [204, 192, 160], [92, 74, 54]],
                    [[112, 118, 126], [72, 78, 88], [160, 166, 172], [40, 44, 52]],
                    [[52, 72, 106], [34, 46, 74], [110, 132, 160], [24, 28, 40]],
                ];
                let set = sets[rng.below(4)];
                for (own, s) in c.iter_mut().zip(set) {
                    *own = mix(colour::srgb(s), *own, 0.15);
                }
            }
            _ => {}
        }
        let mut cloth = Cloth {
            family,
            c,
            period,
            turn: [angle.cos(), angle.sin()],
            seed: rng.bits() as u32,
            k,
            bands: Vec::new(),
            marks: Vec::new(),
        };
        match family {
            Variegated | Tartan => cloth.bands = bands(&mut rng),
            Blocks => cloth.bands = blocks(&mut rng),
            Emblem | Scenic | Letters | Totem => cloth.marks = marks(&mut rng, family, size),
            _ => {}
        }
        cloth
    }

    /// The colour of plain parts made of the same stuff.
    pub(crate) fn ground(&self) -> Rgb {
        self.c[0]
    }

    /// Colour words for what covers at least an eighth of the cloth, largest first.
    pub(crate) fn colour_names(&self) -> Vec<ColourName> {
        let mut count = [0usize; 13];
        let n = 18;
        for i in 0..n * n {
            let u = ((i % n) as f32 + 0.5) / n as f32 * 0.4 - 0.2;
            let v = ((i / n) as f32 + 0.5) / n as f32 * 0.5 + 0.06;
            let s = self.at(u, v, 0.004, true);
            if s.alpha > 0.5 {
                count[colour::name_of(s.rgb) as usize] += 1;
            }
        }
        let total: usize = count.iter().sum();
        let mut order: Vec<usize> = (0..13).collect();
        order.sort_by_key(|&i| (std::cmp::Reverse(count[i]), i));
        order
            .into_iter()
            .enumerate()
            .filter(|&(rank, i)| rank == 0 || count[i] * 8 >= total.max(1))
            .take(3)
            .map(|(_, i)| ColourName::ALL[i])
            .collect()
    }

    /// The cloth at (`u`, `v`) metres, seen by a pixel `w` metres wide. `printed`: whether this part
    /// carries the placed print of graphic cloths (the front does, sleeves do not).
    pub(crate) fn at(&self, u: f32, v: f32, w: f32, printed: bool) -> Sample {
        use Family::*;
        let [base, second, accent, light, dark] = self.c;
        let (x, y) = (u * self.turn[0] + v * self.turn[1], v * self.turn[0] - u * self.turn[1]);
        let p = self.period;
        let (px, py, pw) = (x / p, y / p, w / p);
        let s = self.seed;
        let mut alpha = 1.0;
        let mut gloss = 0.05;
        let rgb = match self.family {
            Plain => base,
            Slub => {
                let streak = noise(u * 22.0, v * 900.0, s) - 0.5;
                scale(
                    base,
                    1.0 + 0.22 * fade(0.002, w) * streak + 0.08 * (noise(u * 6.0, v * 120.0, s) - 0.5),
                )
            }
            Heather => {
                let fleck = noise(u * 260.0, v * 700.0, s) - 0.5;
                mix(base, light, (0.16 + 0.5 * fade(0.003, w) * fleck).clamp(0.0, 1.0))
            }
            Leather => {
                gloss = 0.55;
                let cell = cells(u * 260.0, v * 260.0, s, 1.0);
                scale(base, 1.0 - 0.2 * fade(0.004, w) * (1.0 - smoothstep(0.0, 0.3, cell.next - cell.near)))
            }
            Jersey => self.stitches(u, v, p, w, base),
            Ribbed => {
                let rib = (u / p * std::f32::consts::TAU).cos();
                scale(self.stitches(u, v, 0.006, w, base), 0.9 + 0.22 * fade(p, w) * rib)
            }
            Cable => self.cable(u, v, w, base),
            FairIsle => self.fair_isle(u, v, w),
            Indigo | Washed => self.denim(u, v, w),
            Breton => mix(base, second, band(py, 0.34 + 0.3 * self.k[0], pw)),
            Pinstripe => mix(base, if self.k[1] < 0.5 { light } else { second }, band(py, 0.16, pw)),
            Variegated => self.banded(py, pw),
            Chevron => {
                let zig = (px - (px + 0.5).floor()).abs();
                mix(base, second, band(py + zig, 0.45, pw * 1.4))
            }
            Gingham => {
                let (a, b) = (band(px, 0.5, pw), band(py, 0.5, pw));
                mix(
                    if luma(base) > luma(light) { base } else { light },
                    if luma(base) > 0.6 { second } else { base },
                    0.5 * (a + b),
                )
            }
            Tartan => {
                let (a, b) = (self.banded(px, pw), self.banded(py, pw));
                let twill = 0.5
                    + 0.5 * fade(0.004, w) * if ((u + v) * 360.0).rem_euclid(1.0) < 0.5 { 1.0 } else { -1.0 };
                mix(a, b, twill)
            }
            Windowpane => {
                let line = band(px, 0.07, pw).max(band(py, 0.07, pw));
                let fine = band(px + 0.2, 0.03, pw).max(band(py + 0.2, 0.03, pw)) * step(self.k[2] - 0.5);
                mix(mix(base, second, line), accent, fine)
            }
            Houndstooth => {
                let (a, b) = (band(px, 0.5, pw), band(py, 0.5, pw));
                let diagonal = band((px + py) * 2.0, 0.5, pw * 2.8);
                let tooth = if (a - b).abs() < 0.01 {
                    a
                } else {
                    lerp(lerp(a.min(b), diagonal, 1.0), a * b, 1.0 - (a - b).abs())
                };
                mix(light, if luma(base) < 0.5 { base } else { dark }, tooth)
            }
            Argyle => {
                let diamond = |x: f32, y: f32| {
                    let (fx, fy) = (x.rem_euclid(1.0) - 0.5, y.rem_euclid(1.0) - 0.5);
                    edge(fx.abs() + fy.abs() - 0.47, pw * 1.4)
                };
                let (dx, dy) = (px, py * 0.75);
                let odd = (dx.floor() + dy.floor()).rem_euclid(2.0);
                let ground = mix(base, if odd < 0.5 { second } else { accent }, diamond(dx, dy));
                let line =
                    (((dx + dy).rem_euclid(1.0) - 0.5).abs()).min(((dx - dy).rem_euclid(1.0) - 0.5).abs());
                mix(ground, light, edge(line - 0.012, pw) * 0.9)
            }
            Polka => {
                let (fx, fy) = (px.rem_euclid(1.0) - 0.5, py.rem_euclid(1.0) - 0.5);
                let r = 0.18 + 0.16 * self.k[0];
                mix(base, self.apart(base), edge((fx * fx + fy * fy).sqrt() - r, pw))
            }
            Confetti => {
                let cell = cells(px, py, s, 0.8);
                let r = 0.16 + 0.14 * ((cell.id >> 8) & 255) as f32 / 255.0;
                let ink = [second, accent, light, self.apart(base)][(cell.id % 4) as usize];
                mix(base, ink, edge(cell.near - r, pw))
            }
            Rings => {
                let cell = cells(px, py, s, 0.35);
                let ring = edge((cell.near - 0.28).abs() - 0.06, pw);
                let dot = edge(cell.near - 0.1, pw);
                mix(mix(base, self.apart(base), ring), accent, dot)
            }
            Blossom => self.blossom(px, py, pw, 1.0),
            Ditsy => self.blossom(px, py, pw, 0.8),
            Botanical => self.botanical(px, py, pw),
            Emblem | Scenic | Letters | Totem => {
                if printed {
                    self.print(u, v, w, base)
                } else {
                    base
                }
            }
            Leopard => {
                let wob = [
                    0.35 * (noise(px * 2.0, py * 2.0, s ^ 7) - 0.5),
                    0.35 * (noise(px * 2.0, py * 2.0, s ^ 9) - 0.5),
                ];
                let cell = cells(px + wob[0], py + wob[1], s, 0.75);
                let open = noise(cell.to[0] * 3.0 + (cell.id & 63) as f32, cell.to[1] * 3.0, s ^ 3);
                let ring = edge((cell.near - 0.3).abs() - 0.1, pw) * smoothstep(0.3, 0.45, open);
                let heart = edge(cell.near - 0.27, pw) * 0.55;
                mix(mix(base, scale(base, 0.55), heart), dark, ring)
            }
            Zebra => {
                let warp = 1.6 * (noise(px * 0.8, py * 0.5, s) - 0.5)
                    + 0.5 * (noise(px * 2.0, py * 1.6, s ^ 5) - 0.5);
                let t = py * 1.6 + warp * 1.5;
                let duty = 0.32 + 0.3 * noise(px * 1.3, py * 1.3, s ^ 11);
                mix(if luma(base) > 0.35 { base } else { light }, dark, band(t, duty, pw * 2.2))
            }
            Snake => {
                let row = (py * 1.4).floor();
                let fx = (px + 0.5 * row.rem_euclid(2.0)).rem_euclid(1.0) - 0.5;
                let fy = (py * 1.4).rem_euclid(1.0) - 0.5;
                let gap = edge(0.43 - (fx.abs() + 0.75 * fy.abs()), pw * 1.4);
                let blotch = smoothstep(0.45, 0.6, fbm(px * 0.16, py * 0.11, s, 2));
                gloss = 0.25;
                mix(mix(mix(base, light, 0.35), dark, 0.75 * blotch), mix(dark, base, 0.3), gap * 0.7)
            }
            Camo => {
                let a = fbm(px, py * 1.3, s, 3);
                let b = fbm(px * 1.2 + 31.0, py * 1.6, s ^ 77, 3);
                let soft = 0.01 + pw * 0.5;
                let mut out = self.c[0];
                out = mix(out, self.c[1], smoothstep(-soft, soft, a - 0.53));
                out = mix(out, self.c[2], smoothstep(-soft, soft, b - 0.56));
                mix(out, self.c[3], smoothstep(-soft, soft, a * b - 0.335))
            }
            Digital => {
                let q = 0.06;
                let (gx, gy) = ((px / q).floor() * q, (py / q).floor() * q);
                let a = fbm(gx * 1.3, gy * 1.3, s, 3);
                let b = fbm(gx * 1.7 + 9.0, gy * 1.7, s ^ 99, 3);
                if a > 0.58 {
                    self.c[1]
                } else if b > 0.56 {
                    self.c[2]
                } else if a < 0.4 {
                    self.c[3]
                } else {
                    self.c[0]
                }
            }
            Ombre => {
                let t = smoothstep(0.1 + 0.15 * self.k[0], 0.55 + 0.2 * self.k[1], v);
                mix(base, second, t)
            }
            TieDye => {
                let n = fbm(px * 2.2, py * 2.2, s, 3);
                let t = 0.5
                    + 0.5
                        * ((((u - 0.02).powi(2) + (v - 0.28).powi(2)).sqrt() / p * 2.0 + n * 1.2)
                            * std::f32::consts::TAU)
                            .sin();
                mix(mix(light, base, smoothstep(0.15, 0.8, t)), accent, smoothstep(0.55, 0.75, n))
            }
            Spiral => {
                let (du, dv) = (u - 0.03 * (self.k[0] - 0.5), v - 0.26);
                let r = (du * du + dv * dv).sqrt();
                let arm = dv.atan2(du) / std::f32::consts::TAU * 5.0
                    + r / p * 2.4
                    + 0.5 * fbm(u * 30.0, v * 30.0, s, 2);
                let inks = [base, second, accent, light, self.apart(base)];
                let i = arm.rem_euclid(5.0);
                let t = smoothstep(0.35, 0.65, i.fract());
                mix(inks[i as usize % 5], inks[(i as usize + 1) % 5], t)
            }
            Lacework => {
                let cell = cells(px, py, s, 0.12);
                let angle = cell.to[1].atan2(cell.to[0]);
                let petal = 0.3 + 0.09 * (angle * 6.0).cos();
                let flower = edge(cell.near - petal, pw) * (1.0 - 0.8 * edge(cell.near - 0.1, pw));
                let mesh = band(px * 9.0, 0.35, pw * 9.0).max(band(py * 9.0, 0.35, pw * 9.0));
                let vine = edge((cell.next - cell.near).abs() - 0.08, pw);
                alpha = (0.45 * mesh + flower + vine).clamp(0.22, 1.0);
                scale(base, 0.92 + 0.08 * flower)
            }
            Eyelet => {
                let (fx, fy) =
                    (px.rem_euclid(1.0) - 0.5, (py + 0.5 * px.floor().rem_euclid(2.0)).rem_euclid(1.0) - 0.5);
                let d = (fx * fx + fy * fy).sqrt() - 0.05 * (fy.atan2(fx) * 4.0).cos();
                alpha = 1.0 - 0.75 * edge(d - 0.2, pw);
                mix(base, light, 0.5 * edge((d - 0.27).abs() - 0.05, pw))
            }
            Paisley => self.paisley(px, py, pw),
            Sequins => {
                gloss = 0.7;
                let row = (py * 1.3).floor();
                let qx = px + 0.5 * row.rem_euclid(2.0);
                let h = hash_unit(qx.floor() as i32, row as i32, s);
                let (fx, fy) = (qx.rem_euclid(1.0) - 0.5, (py * 1.3).rem_euclid(1.0) - 0.35);
                let rim = 1.0 - 0.35 * fade(p, w) * smoothstep(0.35, 0.55, (fx * fx + fy * fy).sqrt());
                scale(
                    mix(base, light, h * h * h * 0.8),
                    (0.55 + 0.9 * h * fade(p * 0.5, w) + 0.4 * (1.0 - fade(p * 0.5, w))) * rim,
                )
            }
            Memphis => self.memphis(px, py, pw),
            Blocks => {
                let mut out = base;
                for &(from, ink) in &self.bands {
                    let line = v + self.k[2] * 0.5 * u * step(self.k[3] - 0.6) - from;
                    out = mix(out, self.c[ink], edge(-line, w));
                }
                out
            }
            Waves => {
                let row = (py * 2.0).floor();
                let mut out = base;
                for r in [row - 1.0, row] {
                    let qx = px + 0.5 * r.rem_euclid(2.0);
                    let (fx, fy) = (qx.rem_euclid(1.0) - 0.5, py * 0.5 * 2.0 - (r + 1.0) * 0.5 - 0.25);
                    let d = (fx * fx + fy * fy * 1.1).sqrt();
                    if fy < 0.3 && d < 0.5 + pw {
                        let ring = band(d * 7.0, 0.5, pw * 7.0);
                        let scale_ink = mix(base, self.apart(base), ring);
                        out = mix(out, scale_ink, edge(d - 0.5, pw));
                    }
                }
                out
            }
            Terrazzo => {
                let mut out = base;
                for (layer, ink) in [(0u32, self.apart(base)), (1, second), (2, accent)] {
                    let cell = cells(px * 1.1 + 13.0 * layer as f32, py * 1.1, s ^ (layer * 977), 1.0);
                    let a = (cell.id & 1023) as f32 * 0.006;
                    let (fx, fy) = (
                        cell.to[0] * a.cos() - cell.to[1] * a.sin(),
                        cell.to[0] * a.sin() + cell.to[1] * a.cos(),
                    );
                    let r = 0.12 + 0.1 * ((cell.id >> 12) & 255) as f32 / 255.0;
                    let shard =
                        (fx.abs() * 1.2 + fy.abs() * 0.8).max(fx.abs().max(fy.abs()) * 1.3 + 0.3 * fx);
                    out = mix(out, ink, edge(shard - r, pw));
                }
                out
            }
        };
        // A plain weave under everything, where the picture is fine enough to show it.
        let fine = fade(0.0016, w);
        let weave = if fine > 0.0 && !matches!(self.family, Leather | Sequins | Jersey | Cable | FairIsle) {
            let t = hash((u * 1400.0).floor() as i32, (v * 1400.0).floor() as i32, s) & 255;
            1.0 + 0.07 * fine * (t as f32 / 127.5 - 1.0)
        } else {
            1.0
        };
        Sample { rgb: scale(rgb, weave), alpha, gloss }
    }

    /// A colour of the palette that stands off `from`.
    fn apart(&self, from: Rgb) -> Rgb {
        let far = |c: Rgb| {
            (luma(c).sqrt() - luma(from).sqrt()).abs()
                + 0.3 * (c[0] - from[0]).abs()
                + 0.3 * (c[2] - from[2]).abs()
        };
        let order = if self.k[3] < 0.5 { [3, 1, 4] } else { [1, 3, 4] };
        let mut best = order[0];
        for i in order {
            if far(self.c[best]) < 0.3 && far(self.c[i]) > far(self.c[best]) {
                best = i;
            }
        }
        self.c[best]
    }

    fn banded(&self, t: f32, w: f32) -> Rgb {
        let mut out = [0.0; 3];
        let mut from = 0.0;
        for &(share, ink) in &self.bands {
            let weight = band(t - from, share, w);
            for (o, c) in out.iter_mut().zip(self.c[ink]) {
                *o += weight * c;
            }
            from += share;
        }
        out
    }

    fn stitches(&self, u: f32, v: f32, p: f32, w: f32, rgb: Rgb) -> Rgb {
        let f = fade(p, w);
        if f <= 0.0 {
            return rgb;
        }
        // Rows of V-shaped loops.
        let fx = (u / p).rem_euclid(1.0) - 0.5;
        let fy = (v / (p * 0.8) + fx.abs() * 0.9).rem_euclid(1.0);
        let loopy = (fy - 0.5).abs() * 2.0;
        scale(rgb, 1.0 + f * (0.16 - 0.34 * loopy * loopy - 0.25 * smoothstep(0.38, 0.5, fx.abs())))
    }

    fn cable(&self, u: f32, v: f32, w: f32, rgb: Rgb) -> Rgb {
        let p = self.period;
        let fx = (u / p).rem_euclid(1.0) - 0.5;
        let rope = v / (p * 0.9);
        let mut shade = 0.78;
        if fx.abs() < 0.3 {
            for strand in 0..2 {
                let t = rope + 0.5 * strand as f32;
                let centre = 0.15 * (t * std::f32::consts::TAU * 0.5).sin();
                let over = (t * std::f32::consts::TAU * 0.5).cos() > 0.0;
                let d = ((fx - centre) / 0.13).abs();
                if d < 1.0 && (over || shade < 0.8) {
                    shade = 0.78 + 0.4 * (1.0 - d * d).sqrt();
                }
            }
        } else {
            shade = 0.88 + 0.1 * ((fx.abs() - 0.3) * 31.0).cos();
        }
        let f = fade(p * 0.5, w);
        scale(self.stitches(u, v, 0.0055, w, rgb), lerp(0.95, shade, f))
    }

    fn fair_isle(&self, u: f32, v: f32, w: f32) -> Rgb {
        let p = self.period;
        let q = p / 22.0;
        let (gx, gy) = ((u / q).floor(), (v / q).floor());
        let row = gy.rem_euclid(22.0) as i32;
        let col = (gx.rem_euclid(12.0) as i32 - 6).abs();
        let h = hash(row.min(21 - row), 0, self.seed);
        let ink = if row == 1 || row == 20 {
            self.c[1]
        } else if (4..=17).contains(&row) {
            // A motif mirrored in both directions, one row of bits for each line.
            let bits = hash((row - 4).min(17 - row), 1, self.seed);
            if bits >> col & 1 == 1 {
                if h & 3 == 0 { self.c[2] } else { self.apart(self.c[0]) }
            } else {
                self.c[0]
            }
        } else if (gx as i32 + gy as i32) % 2 == 0 && (row == 3 || row == 18) {
            self.c[2]
        } else {
            self.c[0]
        };
        self.stitches(u, v, q, w, mix(ink, self.c[0], 0.6 * (1.0 - fade(q, w))))
    }

    fn denim(&self, u: f32, v: f32, w: f32) -> Rgb {
        let twill = ((u * 0.9 + v) * 420.0).rem_euclid(1.0);
        let f = fade(0.0026, w);
        let slub = fbm(u * 190.0, v * 28.0, self.seed, 2) - 0.5;
        let mut worn = 0.25 * (fbm(u * 7.0, v * 4.0, self.seed ^ 5, 2) - 0.4);
        if self.family == Family::Washed {
            worn += 0.35 * smoothstep(0.5, 0.8, fbm(u * 12.0, v * 12.0, self.seed ^ 8, 3));
        }
        let t = (0.1 + 0.2 * f * (twill - 0.5) + 0.25 * slub + worn).clamp(0.0, 0.8);
        mix(self.c[0], [0.62, 0.68, 0.74], t)
    }

    fn blossom(&self, px: f32, py: f32, pw: f32, size: f32) -> Rgb {
        let s = self.seed;
        let mut out = self.c[0];
        // Leaves beneath, on a shifted grid.
        let leaf = cells(px + 0.5, py + 0.5, s ^ 21, 0.8);
        let a = (leaf.id & 1023) as f32 * 0.00614;
        let (lx, ly) =
            (leaf.to[0] * a.cos() - leaf.to[1] * a.sin(), leaf.to[0] * a.sin() + leaf.to[1] * a.cos());
        let blade = (ly.abs() - 0.12 * size * (1.0 - (lx / (0.34 * size)).powi(2)).max(0.0))
            .max(lx.abs() - 0.34 * size);
        let green = mix([0.08, 0.22, 0.09], self.c[1], 0.35 * self.k[0]);
        out = mix(out, green, edge(blade, pw));
        out = mix(out, scale(green, 1.6), edge(ly.abs() - 0.012, pw) * edge(blade, pw) * 0.7);
        let cell = cells(px, py, s, 0.55);
        let angle = cell.to[1].atan2(cell.to[0]) + (cell.id & 255) as f32 * 0.0246;
        let petals = 5.0 + (self.k[1] * 2.0).floor();
        let wave = (angle * petals * 0.5).cos().abs();
        let r = (0.24 + 0.13 * ((cell.id >> 8) & 255) as f32 / 255.0) * size;
        let petal = edge(cell.near - r * (0.55 + 0.45 * wave), pw);
        let inks = [self.apart(self.c[0]), self.c[2], self.c[1]];
        let ink = inks[((cell.id >> 17) % 3) as usize % if self.k[2] < 0.4 { 1 } else { 3 }];
        let shaded = scale(ink, 0.62 + 0.38 * smoothstep(0.0, r, cell.near) + 0.15 * (wave - 0.7));
        out = mix(out, shaded, petal);
        mix(out, mix([0.75, 0.5, 0.08], self.c[4], 0.3 * self.k[3]), edge(cell.near - r * 0.24, pw))
    }

    fn botanical(&self, px: f32, py: f32, pw: f32) -> Rgb {
        // Sprigs: a stem with leaf pairs along it, one in each column, every other column upside down.
        let column = px.floor();
        let side = if column.rem_euclid(2.0) < 0.5 { 1.0 } else { -1.0 };
        let bend = 0.12 * ((py + column * 0.37) * 3.1).sin();
        let fx = px - column - 0.5 - bend;
        let ink = self.apart(self.c[0]);
        let mut out = mix(self.c[0], ink, edge(fx.abs() - 0.018, pw));
        for (half, colour) in [(1.0, ink), (-1.0, mix(ink, self.c[2], 0.6))] {
            let t = py * 3.2 * side + if half > 0.0 { 0.0 } else { 0.5 };
            let k = t.floor();
            let ly = t - k - 0.5;
            let lx = fx * half - 0.19;
            // Leaf axis leans outwards and up.
            let (ax, ay) = (lx * 0.86 + ly * 0.3 * 0.5, ly * 0.86 * 0.32 - lx * 0.5);
            let d = (ax / 0.21).powi(2) + (ay / (0.085 * (1.15 - ax.abs() * 2.0).max(0.3))).powi(2) - 1.0;
            let berry = hash_unit(k as i32, column as i32, self.seed) < 0.12;
            let shade = if ay > 0.0 { 0.86 } else { 1.08 };
            if berry {
                out = mix(out, self.c[2], edge((lx * lx + ly * ly * 0.1).sqrt() - 0.09, pw));
            } else {
                out = mix(out, scale(colour, shade), edge(d * 0.07, pw));
            }
        }
        out
    }

    fn paisley(&self, px: f32, py: f32, pw: f32) -> Rgb {
        let cell = cells(px, py, self.seed, 0.3);
        let a = if cell.id & 1 == 0 { 0.5 } else { 3.6 } + 0.4 * self.k[0];
        let (x, y) =
            (-(cell.to[0] * a.cos() - cell.to[1] * a.sin()), -(cell.to[0] * a.sin() + cell.to[1] * a.cos()));
        // A drop whose tip curls over: a disc whose radius shrinks along a bent axis.
        let axis = y + 0.14;
        let bent = x - 0.55 * (axis - 0.1).max(0.0).powi(2) * 2.0;
        let r = 0.22 * (1.0 - smoothstep(0.0, 0.52, axis)) + 0.004;
        let d = if axis < 0.0 { (bent * bent + axis * axis).sqrt() - 0.22 } else { bent.abs() - r };
        let d = if axis > 0.52 { 0.2 } else { d };
        let ink = self.apart(self.c[0]);
        let mut out = self.c[0];
        let specks = cells(px * 4.0, py * 4.0, self.seed ^ 4, 0.6);
        out = mix(out, self.c[2], edge(specks.near - 0.16, pw * 4.0) * edge(0.05 - d, pw) * 0.8);
        out = mix(out, ink, edge(d, pw));
        out = mix(out, self.c[0], edge(d + 0.035, pw));
        out = mix(out, self.c[2], edge(d + 0.06, pw));
        let eye = (bent * bent + (axis + 0.02).powi(2)).sqrt();
        out = mix(out, ink, edge((eye - 0.09).abs() - 0.018, pw) * edge(d + 0.07, pw));
        mix(out, self.c[3], edge(eye - 0.045, pw))
    }

    fn memphis(&self, px: f32, py: f32, pw: f32) -> Rgb {
        let cell = cells(px, py, self.seed, 0.5);
        let a = (cell.id & 1023) as f32 * 0.00614;
        let (x, y) =
            (cell.to[0] * a.cos() - cell.to[1] * a.sin(), cell.to[0] * a.sin() + cell.to[1] * a.cos());
        let ink = [self.c[1], self.c[2], self.apart(self.c[0])][((cell.id >> 10) % 3) as usize];
        let d = match (cell.id >> 12) % 5 {
            0 => (x.abs() - 0.3).max(y.abs() - 0.05),
            1 => (cell.near - 0.2).abs() - 0.05,
            2 => (y + 0.1).max(x.abs() * 0.86 - y * 0.5 - 0.22),
            3 => (y - 0.09 * (x * 18.0).sin()).abs().max(x.abs() - 0.27) - 0.035,
            _ => x.abs().min(y.abs()).max(x.abs().max(y.abs()) - 0.2) - 0.03,
        };
        mix(self.c[0], ink, edge(d, pw))
    }

    fn print(&self, u: f32, v: f32, w: f32, base: Rgb) -> Rgb {
        let mut out = base;
        for mark in &self.marks {
            let (dx, dy) = (u - mark.at[0], v - mark.at[1]);
            let (x, y) = (
                (dx * mark.turn[0] + dy * mark.turn[1]) / mark.size[0],
                (dy * mark.turn[0] - dx * mark.turn[1]) / mark.size[1],
            );
            if x.abs() > 1.1 || y.abs() > 1.1 {
                continue;
            }
            let d = mark.distance(x, y);
            let ink = if mark.colour == 5 { self.apart(base) } else { self.c[mark.colour] };
            out = mix(out, ink, edge(d, w / mark.size[0].min(mark.size[1])));
        }
        out
    }
}

impl Mark {
    /// Signed distance in the mark's own box of -1..=1, negative inside.
    fn distance(&self, x: f32, y: f32) -> f32 {
        let r = (x * x + y * y).sqrt();
        match self.kind {
            MarkKind::Disc => r - 1.0,
            MarkKind::Ring => (r - 0.88).abs() - 0.12,
            MarkKind::Bar => x.abs().max(y.abs()) - 1.0,
            MarkKind::Triangle => (y - 1.0).max(x.abs() * 0.9 - (y + 1.0) * 0.45),
            MarkKind::Star(n) => {
                let a = (x.atan2(-y) / std::f32::consts::TAU * n + 0.5).rem_euclid(1.0) - 0.5;
                r - (1.0 - 1.1 * a.abs())
            }
            MarkKind::Flower(n) => r - (0.62 + 0.38 * (x.atan2(y) * n).cos()),
            MarkKind::Ridge(seed) => {
                let top = 1.2 * (fbm(x * 1.7 + 5.0, 0.5, seed, 4) - 0.5) + 0.1
                    - 0.6 * (1.0 - x.abs()).max(0.0)
                    + 0.35;
                (top - y).max(x.abs() - 1.0).max(y - 1.0)
            }
            MarkKind::Ripple => {
                (band_distance(y + 0.12 * (x * 9.0).sin(), 0.36)).max(x.abs().max(y.abs()) - 1.0)
            }
            MarkKind::Glyph(bits) => glyph(x, y, bits),
            MarkKind::Moon => (r - 0.95).max(0.85 - ((x - 0.42).powi(2) + (y + 0.15).powi(2)).sqrt()),
            MarkKind::Heart => {
                let (hx, hy) = (x.abs(), -y + 0.15);
                let lobe = ((hx - 0.46).powi(2) + (hy - 0.35).powi(2)).sqrt() - 0.52;
                let tip = (hx + (-hy - 0.1).max(-0.6) * 0.86 - 0.72).max(hy - 0.35).max(-hy - 0.95);
                lobe.min(tip)
            }
            MarkKind::Bolt => {
                let upper = (x + 0.55 * y - 0.1).abs().max((y + 0.45).abs() - 0.1) - 0.42;
                let lower = (x + 0.55 * y + 0.12).abs().max((y - 0.45).abs() - 0.1)
                    - 0.42 * (1.0 - y).clamp(0.0, 1.0);
                upper.min(lower)
            }
        }
    }
}

/// A sign of an unknown script: up to nine strokes on a 3 x 3 lattice, chosen by `bits`.
pub(crate) fn glyph(x: f32, y: f32, bits: u32) -> f32 {
    let mut d = 9.0f32;
    let segment = |ax: f32, ay: f32, bx: f32, by: f32| {
        let (px, py, dx, dy) = (x - ax, y - ay, bx - ax, by - ay);
        let t = ((px * dx + py * dy) / (dx * dx + dy * dy)).clamp(0.0, 1.0);
        ((px - t * dx).powi(2) + (py - t * dy).powi(2)).sqrt()
    };
    const STROKES: [[f32; 4]; 12] = [
        [-0.7, -0.8, 0.7, -0.8],
        [-0.7, 0.0, 0.7, 0.0],
        [-0.7, 0.8, 0.7, 0.8],
        [-0.7, -0.8, -0.7, 0.0],
        [-0.7, 0.0, -0.7, 0.8],
        [0.7, -0.8, 0.7, 0.0],
        [0.7, 0.0, 0.7, 0.8],
        [0.0, -0.8, 0.0, 0.8],
        [-0.7, 0.8, 0.7, -0.8],
        [-0.7, -0.8, 0.0, 0.0],
        [0.0, 0.0, 0.7, 0.8],
        [0.0, -0.8, 0.7, 0.0],
    ];
    let first = bits % 12;
    for (i, s) in STROKES.iter().enumerate() {
        if i as u32 == first
            || i as u32 == (first + 5) % 12
            || bits >> (i + 4) & 1 == 1 && bits >> (i + 16) & 1 == 1
        {
            d = d.min(segment(s[0], s[1], s[2], s[3]));
        }
    }
    d - 0.17
}

fn band_distance(t: f32, period: f32) -> f32 {
    ((t / period).rem_euclid(1.0) - 0.5).abs() * period - period * 0.24
}

fn luma(c: Rgb) -> f32 {
    0.21 * c[0] + 0.72 * c[1] + 0.07 * c[2]
}

fn step(x: f32) -> f32 {
    if x > 0.0 { 1.0 } else { 0.0 }
}

/// Coverage of a signed distance `d` (negative inside) by a pixel `w` wide.
pub(crate) fn edge(d: f32, w: f32) -> f32 {
    (0.5 - d / w.max(1e-6)).clamp(0.0, 1.0)
}

/// How much of a detail of size `period` a pixel `w` wide still shows.
fn fade(period: f32, w: f32) -> f32 {
    (1.6 - 2.2 * w / period).clamp(0.0, 1.0)
}

/// Share of a pixel of width `w` at `t` that lies in the bands `[n, n + duty)`: an exact box filter.
pub(crate) fn band(t: f32, duty: f32, w: f32) -> f32 {
    let sum = |x: f32| x.floor() * duty + (x - x.floor()).min(duty);
    let w = w.max(1e-4);
    ((sum(t + 0.5 * w) - sum(t - 0.5 * w)) / w).clamp(0.0, 1.0)
}

/// Bands of several widths that fill one period, symmetric as in a tartan sett.
fn bands(rng: &mut Rng) -> Vec<(f32, usize)> {
    let n = 3 + rng.below(3);
    let mut half: Vec<(f32, usize)> = Vec::new();
    for i in 0..n {
        let ink = if i % 2 == 0 { rng.pick(&[0, 0, 4]) } else { rng.pick(&[1, 1, 2, 3]) };
        half.push((rng.pick(&[0.04, 0.08, 0.15, 0.3, 0.45]), ink));
    }
    half[0].0 = 0.45;
    half[0].1 = 0;
    let mut all = half.clone();
    all.extend(half.iter().rev().skip(1).take(n - 2));
    let total: f32 = all.iter().map(|b| b.0).sum();
    all.iter().map(|&(share, ink)| (share / total, ink)).collect()
}

fn blocks(rng: &mut Rng) -> Vec<(f32, usize)> {
    let first = rng.range(0.12, 0.26);
    let second = first + rng.range(0.04, 0.2);
    vec![
        (first, rng.pick(&[3, 1])),
        (second, rng.pick(&[1, 2, 0])),
        (second + rng.range(0.05, 0.15), rng.pick(&[0, 4, 1])),
    ]
}

fn marks(rng: &mut Rng, family: Family, size: f32) -> Vec<Mark> {
    let mut out = Vec::new();
    let mut add = |kind, x: f32, y: f32, w: f32, h: f32, angle: f32, colour: usize| {
        out.push(Mark {
            kind,
            at: [x * size, 0.06 + (y + 0.16) * size],
            size: [w * size, h * size],
            turn: [angle.cos(), angle.sin()],
            colour,
        });
    };
    let wide = rng.range(0.085, 0.125);
    match family {
        Family::Emblem => {
            let small = rng.chance(0.35);
            let (k, x, y) = if small { (0.32, 0.09, -0.05) } else { (1.0, 0.0, 0.05) };
            let ground = rng.pick(&[
                MarkKind::Disc,
                MarkKind::Ring,
                MarkKind::Star(12.0),
                MarkKind::Bar,
                MarkKind::Flower(4.0),
            ]);
            add(ground, x, y, wide * k, wide * k, 0.0, 5);
            let inner = rng.pick(&[
                MarkKind::Star(5.0),
                MarkKind::Heart,
                MarkKind::Moon,
                MarkKind::Bolt,
                MarkKind::Flower(3.0),
                MarkKind::Triangle,
                MarkKind::Disc,
            ]);
            let ink = rng.pick(&[2, 1]);
            add(inner, x, y, wide * 0.62 * k, wide * 0.62 * k, 0.0, ink);
            if rng.chance(0.6) {
                add(MarkKind::Disc, x, y, wide * 0.2 * k, wide * 0.2 * k, 0.0, 0);
            }
            let n = 4 + rng.below(4);
            for i in 0..n {
                let gx = (i as f32 - (n as f32 - 1.0) * 0.5) * wide * 0.3 * k;
                add(
                    MarkKind::Glyph(rng.bits() as u32),
                    x + gx,
                    y + wide * 1.28 * k,
                    wide * 0.11 * k,
                    wide * 0.14 * k,
                    0.0,
                    5,
                );
            }
        }
        Family::Scenic => {
            let tall = wide * rng.range(0.9, 1.3);
            add(MarkKind::Bar, 0.0, 0.06, wide, tall, 0.0, 3);
            let (sx, sy) = (rng.range(-0.5, 0.5) * wide, 0.06 - tall * rng.range(0.2, 0.5));
            add(MarkKind::Disc, sx, sy, wide * 0.34, wide * 0.34, 0.0, 2);
            for i in 0..3u32 {
                let h = tall * (0.75 - 0.2 * i as f32);
                add(
                    MarkKind::Ridge(rng.bits() as u32),
                    0.0,
                    0.06 + tall - h,
                    wide,
                    h,
                    0.0,
                    [1, 0, 4][i as usize],
                );
            }
            if rng.chance(0.5) {
                add(MarkKind::Ripple, 0.0, 0.06 + tall * 0.86, wide, tall * 0.14, 0.0, 3);
            }
        }
        Family::Letters => {
            let rows = 1 + rng.below(3);
            for row in 0..rows {
                let n = 3 + rng.below(5);
                let k = (2.0 * wide / n as f32 * 0.5).min(0.032);
                let ink = rng.pick(&[5, 5, 2]);
                for i in 0..n {
                    let gx = (i as f32 - (n as f32 - 1.0) * 0.5) * 2.1 * k;
                    add(
                        MarkKind::Glyph(rng.bits() as u32),
                        gx,
                        row as f32 * 0.075,
                        k * 0.86,
                        k * 1.15,
                        0.0,
                        ink,
                    );
                }
            }
            add(MarkKind::Bar, 0.0, rows as f32 * 0.075 - 0.02, wide, 0.005, 0.0, 2);
        }
        _ => {
            let n = 2 + rng.below(3);
            let turn = rng.range(-0.2, 0.2);
            for i in 0..n {
                let y = i as f32 * 0.075 - 0.02;
                let kinds = [
                    MarkKind::Flower(2.0),
                    MarkKind::Triangle,
                    MarkKind::Ripple,
                    MarkKind::Ring,
                    MarkKind::Star(8.0),
                    MarkKind::Moon,
                ];
                let (kind, ink, k) = (rng.pick(&kinds), rng.pick(&[5, 2, 1]), rng.range(0.6, 1.1));
                add(kind, 0.0, y, wide * k, 0.036, turn, ink);
                add(
                    rng.pick(&[MarkKind::Disc, MarkKind::Triangle, MarkKind::Bar]),
                    0.0,
                    y,
                    0.016,
                    0.016,
                    turn,
                    0,
                );
                for side in [-1.0, 1.0] {
                    add(kind, side * wide * 1.1, y + 0.01, 0.022, 0.022, side * 0.4, 2);
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn band_is_a_box_filter() {
        for i in 0..50 {
            let t = i as f32 * 0.173;
            let fine = (0..2000)
                .filter(|k| ((t - 0.3 + 0.6 * (*k as f32 + 0.5) / 2000.0).rem_euclid(1.0)) < 0.4)
                .count();
            assert!((band(t, 0.4, 0.6) - fine as f32 / 2000.0).abs() < 2e-3);
        }
    }

    #[test]
    fn every_family_gives_colours_in_range() {
        for &family in Family::ALL {
            let cloth = Cloth::new(family, 5, colour::palette(17), Category::Top);
            for i in 0..400 {
                let s = cloth.at((i % 20) as f32 * 0.013 - 0.13, (i / 20) as f32 * 0.02, 0.002, true);
                assert!(s.rgb.iter().all(|c| c.is_finite() && *c >= -1e-3 && *c < 2.0), "{family:?} {s:?}");
                assert!((0.0..=1.0).contains(&s.alpha));
            }
            assert!(!cloth.colour_names().is_empty());
        }
    }
}
