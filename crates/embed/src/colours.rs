//! The colours of a garment, by name, counted from its pixels.
//!
//! Every pixel is given the name of the nearest prototype in CIE Lab. Pixels in the middle of the
//! box count most, and colours as common around the box as in it count least: they are likely the
//! ground. The light is not estimated, so a white shirt in a warm room may come out beige.

use std::sync::OnceLock;

use twinset_photo::{Photo, Rect};

/// The names: the eleven basic colour terms, with beige and navy because shoppers ask for them.
pub const COLOURS: [&str; 13] = [
    "black", "white", "grey", "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "beige",
    "navy",
];

/// Typical sRGB values of each name, several where one word covers much ground.
const PROTOTYPES: [(&str, [u8; 3]); 46] = [
    ("black", [8, 8, 8]),
    ("black", [30, 30, 32]),
    ("grey", [75, 75, 78]),
    ("grey", [110, 110, 112]),
    ("grey", [145, 145, 148]),
    ("grey", [185, 185, 188]),
    ("white", [232, 232, 232]),
    ("white", [255, 255, 255]),
    ("red", [200, 20, 35]),
    ("red", [145, 15, 30]),
    ("red", [225, 60, 55]),
    ("orange", [245, 125, 20]),
    ("orange", [225, 95, 40]),
    ("yellow", [250, 220, 40]),
    ("yellow", [215, 175, 35]),
    ("yellow", [250, 238, 130]),
    ("green", [30, 125, 50]),
    ("green", [90, 155, 70]),
    ("green", [35, 72, 45]),
    ("green", [105, 115, 55]),
    ("green", [150, 210, 150]),
    ("green", [0, 135, 110]),
    ("green", [120, 220, 60]),
    ("blue", [35, 80, 190]),
    ("blue", [85, 150, 225]),
    ("blue", [155, 195, 235]),
    ("blue", [0, 115, 165]),
    ("blue", [75, 105, 150]),
    ("blue", [60, 190, 215]),
    ("navy", [18, 24, 58]),
    ("navy", [32, 42, 88]),
    ("purple", [115, 40, 145]),
    ("purple", [150, 110, 195]),
    ("purple", [78, 30, 88]),
    ("purple", [195, 170, 220]),
    ("pink", [245, 150, 180]),
    ("pink", [225, 65, 140]),
    ("pink", [250, 205, 215]),
    ("pink", [215, 140, 150]),
    ("brown", [100, 60, 35]),
    ("brown", [142, 96, 60]),
    ("brown", [62, 40, 28]),
    ("beige", [222, 202, 172]),
    ("beige", [238, 228, 208]),
    ("beige", [196, 170, 135]),
    ("beige", [170, 150, 125]),
];

/// Smallest share of the garment that is told.
const LEAST_SHARE: f32 = 0.1;
/// Most colours told.
const MOST: usize = 4;
/// Share of the box, on each side, that counts as surroundings.
const RIM: f32 = 0.05;

/// Names of the colours of the garment with their shares, largest first, at most 4 of at least 0.1.
///
/// `inner` is the garment's box and `valid` the photo's frame, both in pixels of `crop`; what lies
/// outside `valid` is filling.
#[must_use]
pub fn colours(crop: &Photo, inner: Rect, valid: Rect) -> Vec<(String, f32)> {
    let body = Rect {
        x: inner.x + RIM * inner.w,
        y: inner.y + RIM * inner.h,
        w: inner.w * (1.0 - 2.0 * RIM),
        h: inner.h * (1.0 - 2.0 * RIM),
    };
    // How much of the body and of the surroundings each coarse colour fills.
    let mut body_share = [0f32; 512];
    let mut ground_share = [0f32; 512];
    let mut pixels = Vec::new();
    for (i, pixel) in crop.rgb().chunks_exact(3).enumerate() {
        let x = (i % crop.width() as usize) as f32 + 0.5;
        let y = (i / crop.width() as usize) as f32 + 0.5;
        if x < valid.x || x >= valid.x1() || y < valid.y || y >= valid.y1() {
            continue;
        }
        let coarse = bin(pixel, 3);
        let u = (x - body.x) / body.w.max(1e-3) * 2.0 - 1.0;
        let v = (y - body.y) / body.h.max(1e-3) * 2.0 - 1.0;
        if u.abs() < 1.0 && v.abs() < 1.0 {
            let weight = (1.0 - u * u) * (1.0 - v * v);
            body_share[coarse] += weight;
            pixels.push((coarse, names()[bin(pixel, 4)], weight));
        } else {
            ground_share[coarse] += 1.0;
        }
    }
    let scale = |shares: &mut [f32; 512]| {
        let sum = shares.iter().sum::<f32>().max(1e-6);
        shares.iter_mut().for_each(|s| *s /= sum);
    };
    scale(&mut body_share);
    scale(&mut ground_share);
    let mut named = [0f32; COLOURS.len()];
    for (coarse, name, weight) in pixels {
        // 1 for a colour found on the garment only, 1/5 for one that is as common around it: a white
        // shirt on a white wall must still be white.
        let ratio = 2.0 * ground_share[coarse] / body_share[coarse].max(1e-6);
        named[usize::from(name)] += weight / (1.0 + ratio * ratio);
    }
    let sum: f32 = named.iter().sum();
    let mut shares: Vec<(usize, f32)> = named.iter().map(|n| n / sum.max(1e-6)).enumerate().collect();
    shares.retain(|&(_, share)| share >= LEAST_SHARE);
    shares.sort_by(|a, b| b.1.total_cmp(&a.1));
    shares.truncate(MOST);
    shares.into_iter().map(|(i, share)| (COLOURS[i].to_owned(), (share * 100.0).round() / 100.0)).collect()
}

/// The cell of a pixel when each channel keeps its `bits` highest bits.
fn bin(pixel: &[u8], bits: u32) -> usize {
    pixel.iter().fold(0, |cell, &channel| cell << bits | usize::from(channel >> (8 - bits)))
}

/// Index of the name of every colour of 4 bits a channel.
fn names() -> &'static [u8; 4096] {
    static NAMES: OnceLock<[u8; 4096]> = OnceLock::new();
    NAMES.get_or_init(|| {
        let prototypes = PROTOTYPES.map(|(name, rgb)| {
            let index = COLOURS.iter().position(|c| *c == name).unwrap_or(0);
            (index as u8, lab(rgb.map(f32::from)))
        });
        std::array::from_fn(|cell| {
            let seen = lab([cell >> 8, cell >> 4 & 15, cell & 15].map(|c| c as f32 * 17.0));
            let distance = |l: &[f32; 3]| (0..3).map(|i| (l[i] - seen[i]).powi(2)).sum::<f32>();
            let nearest = prototypes.iter().min_by(|a, b| distance(&a.1).total_cmp(&distance(&b.1)));
            nearest.map_or(0, |(name, _)| *name)
        })
    })
}

/// sRGB, 0..=255, to CIE Lab (D65).
fn lab(rgb: [f32; 3]) -> [f32; 3] {
    let [r, g, b] = rgb.map(|c| {
        let c = c / 255.0;
        if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
    });
    let f = |t: f32| if t > 0.008_856 { t.cbrt() } else { 7.787 * t + 16.0 / 116.0 };
    let x = f((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.95047);
    let y = f(0.2126 * r + 0.7152 * g + 0.0722 * b);
    let z = f((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.08883);
    [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A crop of 64 pixels: `ground`, and in the box from 12 to 52 `garment(x, y)`.
    fn seen(ground: [u8; 3], garment: impl Fn(u32, u32) -> [u8; 3]) -> Vec<(String, f32)> {
        let inside = |x, y| (12..52).contains(&x) && (12..52).contains(&y);
        let rgb = (0..64).flat_map(|y| (0..64).map(move |x| (x, y)));
        let rgb = rgb.flat_map(|(x, y)| if inside(x, y) { garment(x, y) } else { ground }).collect();
        let whole = Rect { x: 0.0, y: 0.0, w: 64.0, h: 64.0 };
        colours(&Photo::new(64, 64, rgb), Rect { x: 12.0, y: 12.0, w: 40.0, h: 40.0 }, whole)
    }

    #[test]
    fn a_plain_garment_has_its_colour() {
        for (name, rgb) in [
            ("red", [190, 25, 40]),
            ("navy", [25, 30, 70]),
            ("blue", [60, 110, 200]),
            ("beige", [225, 205, 175]),
            ("green", [40, 110, 60]),
            ("black", [15, 15, 18]),
            ("white", [245, 245, 245]),
            ("grey", [130, 130, 130]),
            ("pink", [240, 150, 185]),
            ("brown", [105, 65, 40]),
            ("purple", [120, 50, 150]),
            ("yellow", [245, 210, 50]),
            ("orange", [240, 120, 25]),
        ] {
            let found = seen([60, 190, 90], |_, _| rgb);
            assert_eq!(found[0].0, name, "{rgb:?} gave {found:?}");
            assert!(found[0].1 > 0.9);
        }
    }

    #[test]
    fn a_garment_of_two_colours_has_both() {
        let found = seen([240, 240, 240], |x, _| if x % 10 < 6 { [190, 20, 40] } else { [25, 30, 70] });
        let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["red", "navy"]);
        assert!((found[0].1 - 0.6).abs() < 0.1);
    }

    #[test]
    fn the_ground_showing_inside_the_box_is_not_told_first() {
        // A ring-shaped thing: most of its box is ground.
        let ring = |x: u32, y: u32| {
            let distance = (x as f32 - 32.0).hypot(y as f32 - 32.0);
            if (12.0..18.0).contains(&distance) { [190, 20, 40] } else { [235, 235, 235] }
        };
        assert_eq!(seen([235, 235, 235], ring)[0].0, "red");
    }

    #[test]
    fn white_on_white_is_white() {
        assert_eq!(seen([235, 235, 235], |_, _| [235, 235, 235])[0].0, "white");
    }

    #[test]
    fn a_crop_without_a_photo_has_no_colour() {
        let far = Rect { x: 900.0, y: 0.0, w: 9.0, h: 9.0 };
        assert!(colours(&Photo::new(8, 8, vec![128; 192]), far, far).is_empty());
        let nothing = Rect { x: f32::NAN, y: 0.0, w: 0.0, h: f32::NAN };
        assert!(colours(&Photo::new(8, 8, vec![128; 192]), nothing, nothing).is_empty());
    }
}
