//! Colours: linear light for mixing, Lab for choosing, thirteen names for telling.

use crate::rng::Rng;
use serde::{Deserialize, Serialize};

/// Linear light, sRGB primaries, 0..=1.
pub(crate) type Rgb = [f32; 3];

/// The thirteen colour words used everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum ColourName {
    Black,
    White,
    Grey,
    Red,
    Orange,
    Yellow,
    Green,
    Blue,
    Purple,
    Pink,
    Brown,
    Beige,
    Navy,
}

impl ColourName {
    /// All names.
    pub const ALL: [ColourName; 13] = {
        use ColourName::*;
        [Black, White, Grey, Red, Orange, Yellow, Green, Blue, Purple, Pink, Brown, Beige, Navy]
    };
    /// Lower case English.
    #[must_use]
    pub fn name(self) -> &'static str {
        use ColourName::*;
        match self {
            Black => "black",
            White => "white",
            Grey => "grey",
            Red => "red",
            Orange => "orange",
            Yellow => "yellow",
            Green => "green",
            Blue => "blue",
            Purple => "purple",
            Pink => "pink",
            Brown => "brown",
            Beige => "beige",
            Navy => "navy",
        }
    }
}

/// Shades a colour word covers, 8-bit sRGB; the first is the typical one. The second list of words
/// sells them.
pub(crate) const SHADES: &[(ColourName, [u8; 3], &str)] = {
    use ColourName::*;
    &[
        (Black, [27, 27, 30], "Black"),
        (Black, [42, 40, 42], "Ink"),
        (White, [243, 243, 240], "White"),
        (White, [232, 234, 236], "Chalk"),
        (Grey, [132, 134, 138], "Grey"),
        (Grey, [178, 181, 184], "Silver Grey"),
        (Grey, [78, 80, 84], "Charcoal"),
        (Red, [186, 34, 46], "Red"),
        (Red, [122, 26, 42], "Burgundy"),
        (Red, [214, 66, 58], "Poppy"),
        (Orange, [232, 122, 44], "Orange"),
        (Orange, [190, 92, 48], "Rust"),
        (Yellow, [240, 202, 66], "Yellow"),
        (Yellow, [208, 162, 48], "Mustard"),
        (Yellow, [246, 228, 140], "Lemon"),
        (Green, [52, 118, 74], "Green"),
        (Green, [102, 110, 68], "Olive"),
        (Green, [148, 182, 150], "Sage"),
        (Green, [28, 74, 56], "Forest"),
        (Green, [178, 218, 196], "Mint"),
        (Blue, [46, 98, 186], "Blue"),
        (Blue, [142, 182, 222], "Sky"),
        (Blue, [34, 122, 138], "Teal"),
        (Blue, [84, 118, 158], "Slate Blue"),
        (Purple, [104, 62, 146], "Purple"),
        (Purple, [184, 162, 212], "Lilac"),
        (Purple, [84, 40, 82], "Plum"),
        (Pink, [234, 148, 176], "Pink"),
        (Pink, [244, 198, 204], "Blush"),
        (Pink, [206, 58, 130], "Fuchsia"),
        (Brown, [102, 66, 44], "Brown"),
        (Brown, [70, 46, 36], "Espresso"),
        (Brown, [150, 102, 66], "Cognac"),
        (Beige, [214, 194, 164], "Beige"),
        (Beige, [236, 224, 202], "Cream"),
        (Beige, [192, 160, 118], "Camel"),
        (Navy, [28, 38, 80], "Navy"),
        (Navy, [38, 52, 96], "Indigo"),
    ]
};

pub(crate) fn to_linear(byte: f32) -> f32 {
    let c = byte / 255.0;
    if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
}

/// From 8-bit sRGB.
pub(crate) fn srgb(rgb: [u8; 3]) -> Rgb {
    let table = to_linear_table();
    rgb.map(|c| table[c as usize])
}

/// Linear light of every 8-bit sRGB value.
pub(crate) fn to_linear_table() -> &'static [f32; 256] {
    static TABLE: std::sync::OnceLock<[f32; 256]> = std::sync::OnceLock::new();
    TABLE.get_or_init(|| std::array::from_fn(|i| to_linear(i as f32)))
}

/// Linear light to an sRGB byte, through a table over the square root (exact to half a step).
pub(crate) fn to_byte(linear: f32) -> u8 {
    static TABLE: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    let table = TABLE.get_or_init(|| {
        (0..4096)
            .map(|i| {
                let root = i as f32 / 4095.0;
                let l = root * root;
                let s = if l <= 0.003_130_8 { l * 12.92 } else { 1.055 * l.powf(1.0 / 2.4) - 0.055 };
                (s * 255.0 + 0.5) as u8
            })
            .collect()
    });
    table[(linear.clamp(0.0, 1.0).sqrt() * 4095.0 + 0.5) as usize]
}

/// CIE Lab (D65) of a linear colour.
pub(crate) fn to_lab(c: Rgb) -> [f32; 3] {
    let f = |t: f32| if t > 0.008_856 { t.cbrt() } else { 7.787 * t + 16.0 / 116.0 };
    let x = f((0.4124 * c[0] + 0.3576 * c[1] + 0.1805 * c[2]) / 0.9505);
    let y = f(0.2126 * c[0] + 0.7152 * c[1] + 0.0722 * c[2]);
    let z = f((0.0193 * c[0] + 0.1192 * c[1] + 0.9505 * c[2]) / 1.089);
    [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
}

/// The linear colour of a Lab triple, cut to what a screen shows.
pub(crate) fn from_lab(lab: [f32; 3]) -> Rgb {
    let f = |t: f32| if t > 0.206_9 { t * t * t } else { (t - 16.0 / 116.0) / 7.787 };
    let fy = (lab[0] + 16.0) / 116.0;
    let (x, y, z) = (f(fy + lab[1] / 500.0) * 0.9505, f(fy), f(fy - lab[2] / 200.0) * 1.089);
    [
        (3.2406 * x - 1.5372 * y - 0.4986 * z).clamp(0.0, 1.0),
        (-0.9689 * x + 1.8758 * y + 0.0415 * z).clamp(0.0, 1.0),
        (0.0557 * x - 0.204 * y + 1.057 * z).clamp(0.0, 1.0),
    ]
}

/// The shade nearest in Lab, as an index into [`SHADES`].
pub(crate) fn nearest_shade(c: Rgb) -> usize {
    static LABS: std::sync::OnceLock<Vec<[f32; 3]>> = std::sync::OnceLock::new();
    let labs = LABS.get_or_init(|| SHADES.iter().map(|s| to_lab(srgb(s.1))).collect());
    let lab = to_lab(c);
    let far = |s: &[f32; 3]| (s[0] - lab[0]).powi(2) + (s[1] - lab[1]).powi(2) + (s[2] - lab[2]).powi(2);
    let mut best = 0;
    for i in 1..labs.len() {
        if far(&labs[i]) < far(&labs[best]) {
            best = i;
        }
    }
    best
}

/// The word for a linear colour.
pub(crate) fn name_of(c: Rgb) -> ColourName {
    SHADES[nearest_shade(c)].0
}

pub(crate) fn mix(a: Rgb, b: Rgb, t: f32) -> Rgb {
    [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t, a[2] + (b[2] - a[2]) * t]
}

pub(crate) fn scale(c: Rgb, k: f32) -> Rgb {
    [c[0] * k, c[1] * k, c[2] * k]
}

/// How many colourways there are; every fifth is held out.
pub(crate) const PALETTES: u64 = 240;

/// A colourway: ground, second, accent, a light and a dark, drawn in Lab from the palette's number.
pub(crate) fn palette(number: u64) -> [Rgb; 5] {
    let mut rng = Rng::keyed(&[0x9A1E_77E5, number]);
    let base = to_lab(srgb(SHADES[(number as usize * 7 + rng.below(3)) % SHADES.len()].1));
    let jitter = |lab: [f32; 3], rng: &mut Rng, by: f32| {
        [lab[0] + by * rng.normal(), lab[1] + by * rng.normal(), lab[2] + by * rng.normal()]
    };
    let base = jitter(base, &mut rng, 2.0);
    let chroma = (base[1] * base[1] + base[2] * base[2]).sqrt();
    let hue = base[2].atan2(base[1]);
    let light = jitter([92.0, 1.0, 5.0], &mut rng, 2.0);
    let dark = jitter([20.0, 1.0, -5.0], &mut rng, 4.0);
    // The second colour must stand off the ground in lightness or hue, or stripes would not show.
    let turned = |turn: f32, lightness: f32, chroma: f32| {
        [lightness, chroma * (hue + turn).cos(), chroma * (hue + turn).sin()]
    };
    let away = if base[0] > 55.0 { base[0] - rng.range(32.0, 50.0) } else { base[0] + rng.range(32.0, 50.0) };
    let second = match rng.below(5) {
        0 => turned(0.25, away, chroma.max(18.0) * 0.8),
        1 => turned(std::f32::consts::PI, away, 45.0),
        2 => turned(2.1, away, 48.0),
        3 if base[0] > 50.0 => dark,
        4 if base[0] > 50.0 => jitter([26.0, 12.0, -38.0], &mut rng, 3.0),
        _ => light,
    };
    let turn = rng.pick(&[0.9, -0.9, 2.2, -2.2, 3.1]);
    let (l, c) = (rng.range(50.0, 74.0), rng.range(42.0, 66.0));
    let accent = turned(turn, l, c);
    [base, second, accent, light, dark].map(from_lab)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lab_and_bytes_come_back() {
        for shade in SHADES {
            let back = from_lab(to_lab(srgb(shade.1))).map(to_byte);
            for (b, s) in back.iter().zip(shade.1) {
                assert!(b.abs_diff(s) <= 1, "{back:?} {:?}", shade.1);
            }
            assert_eq!(name_of(srgb(shade.1)), shade.0);
        }
    }
}
