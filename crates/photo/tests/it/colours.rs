//! Embedded profiles against colour arithmetic of our own.

use crate::check_photo;
use crate::samples::{
    self, JPEG_444, JpegKind, PngKind, deflate, jpeg, lossless, photo, png, webp, webp_pixels,
};
use jpeg_encoder::ColorType;
use moxcms::ColorProfile;
use twinset_photo::{Limits, Photo, decode, without_metadata};

type Matrix = [[f64; 3]; 3];

fn apply(matrix: &Matrix, v: [f64; 3]) -> [f64; 3] {
    matrix.map(|row| row.iter().zip(v).map(|(a, b)| a * b).sum())
}

fn inverse(m: &Matrix) -> Matrix {
    let minor = |r: usize, c: usize| {
        let [r0, r1] = [(r + 1) % 3, (r + 2) % 3];
        let [c0, c1] = [(c + 1) % 3, (c + 2) % 3];
        m[r0][c0] * m[r1][c1] - m[r0][c1] * m[r1][c0]
    };
    let determinant: f64 = (0..3).map(|c| m[0][c] * minor(0, c)).sum();
    std::array::from_fn(|r| std::array::from_fn(|c| minor(c, r) / determinant))
}

/// Linear RGB to XYZ from the chromaticities of red, green and blue, white being D65.
fn to_xyz(primaries: [[f64; 2]; 3]) -> Matrix {
    let xyz = |[x, y]: [f64; 2]| [x / y, 1.0, (1.0 - x - y) / y];
    let columns = primaries.map(xyz);
    let raw: Matrix = std::array::from_fn(|r| std::array::from_fn(|c| columns[c][r]));
    let scale = apply(&inverse(&raw), xyz([0.3127, 0.3290]));
    std::array::from_fn(|r| std::array::from_fn(|c| raw[r][c] * scale[c]))
}

const SRGB: [[f64; 2]; 3] = [[0.64, 0.33], [0.30, 0.60], [0.15, 0.06]];
const DISPLAY_P3: [[f64; 2]; 3] = [[0.680, 0.320], [0.265, 0.690], [0.150, 0.060]];
const ADOBE_RGB: [[f64; 2]; 3] = [[0.64, 0.33], [0.21, 0.71], [0.15, 0.06]];

fn srgb_linear(v: f64) -> f64 {
    if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
}

fn srgb_coded(v: f64) -> u8 {
    let v = v.clamp(0.0, 1.0);
    let coded = if v <= 0.003_130_8 { v * 12.92 } else { 1.055 * v.powf(1.0 / 2.4) - 0.055 };
    (coded * 255.0).round() as u8
}

/// The sRGB colour of an RGB one in another space.
fn converted(rgb: [u8; 3], primaries: [[f64; 2]; 3], curve: fn(f64) -> f64) -> [u8; 3] {
    let linear = rgb.map(|c| curve(f64::from(c) / 255.0));
    apply(&inverse(&to_xyz(SRGB)), apply(&to_xyz(primaries), linear)).map(srgb_coded)
}

pub(crate) fn icc_png(profile: &[u8]) -> ([u8; 4], Vec<u8>) {
    (*b"iCCP", [b"a name\0\0".as_slice(), &deflate(profile)].concat())
}

pub(crate) fn icc_segments(profile: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let chunks: Vec<&[u8]> = profile.chunks(400).collect();
    let of = chunks.len() as u8;
    // Out of order, as the standard allows.
    let number = |i: usize| [i as u8 + 1, of];
    let segment =
        |(i, chunk): (usize, &&[u8])| (2, [b"ICC_PROFILE\0".as_slice(), &number(i), chunk].concat());
    chunks.iter().enumerate().map(segment).rev().collect()
}

const SIDE: u32 = 64;

/// Many colours: red and green run along the sides, blue in steps.
fn many(x: u32, y: u32) -> [u8; 3] {
    [(x * 4) as u8, (y * 4) as u8, ((x / 8 * 32) ^ (y / 8 * 16)) as u8]
}

/// Flat patches for the lossy format, one an 8 x 8 block.
fn patches(x: u32, y: u32) -> [u8; 3] {
    many(x / 8 * 8, y / 8 * 8)
}

#[test]
fn wide_gamuts_become_srgb() {
    let limits = Limits::default();
    for (name, profile, primaries, curve) in [
        ("Display P3", ColorProfile::new_display_p3(), DISPLAY_P3, srgb_linear as fn(f64) -> f64),
        ("Adobe RGB", ColorProfile::new_adobe_rgb(), ADOBE_RGB, |v| v.powf(563.0 / 256.0)),
    ] {
        let profile = profile.encode().unwrap();
        let stored = photo(SIDE, SIDE, many);
        let wanted = photo(SIDE, SIDE, |x, y| converted(many(x, y), primaries, curve));
        let check = |file: Vec<u8>, wanted: &Photo, tolerance: u8, what: &str| {
            // Its profile stays when all else that it tells is taken away.
            for bytes in [&file[..], &without_metadata(&file)] {
                check_photo(
                    &decode(bytes, &limits).unwrap(),
                    wanted,
                    tolerance,
                    &format!("{name} in {what}"),
                );
            }
        };
        let with_profile =
            |depth, colour| PngKind { depth, colour, before: vec![icc_png(&profile)], ..PngKind::default() };
        let eight = |x: u32, y: u32, channel: usize| u16::from(many(x, y)[channel]);
        check(png(&with_profile(8, 2), SIDE, SIDE, eight), &wanted, 2, "PNG");
        check(
            png(&with_profile(16, 2), SIDE, SIDE, |x, y, c| eight(x, y, c) * 257),
            &wanted,
            2,
            "16-bit PNG",
        );
        let half = |x: u32, y: u32, c: usize| if c == 3 { 128 } else { eight(x, y, c) };
        let over =
            photo(SIDE, SIDE, |x, y| samples::over_white(converted(many(x, y), primaries, curve), 128));
        check(png(&with_profile(8, 6), SIDE, SIDE, half), &over, 2, "PNG with alpha");
        let pixels = webp_pixels(&lossless(SIDE, SIDE, image_webp::ColorType::Rgb8, stored.rgb()));
        check(webp(&pixels, SIDE, SIDE, None, Some(&profile)), &wanted, 2, "WebP");
        let flat = photo(SIDE, SIDE, patches).into_rgb();
        let wanted = photo(SIDE, SIDE, |x, y| converted(patches(x, y), primaries, curve));
        // The JPEG's own rounding is stretched by the step from the wide gamut.
        check(jpeg(JPEG_444, SIDE, SIDE, &flat, &icc_segments(&profile)), &wanted, 6, "JPEG");
    }
}

#[test]
fn grey_profiles_become_srgb() {
    let profile = ColorProfile::new_gray_with_gamma(1.8).encode().unwrap();
    let level = |x: u32, y: u32| (x * 4) as u8 ^ (y / 16) as u8;
    let coded = |x, y| srgb_coded((f64::from(level(x, y)) / 255.0).powf(1.8));
    let wanted = photo(SIDE, SIDE, |x, y| [coded(x, y); 3]);
    let over = photo(SIDE, SIDE, |x, y| samples::over_white([coded(x, y); 3], 77));
    for (colour, wanted) in [(0, wanted), (4, over)] {
        let kind = PngKind { depth: 8, colour, before: vec![icc_png(&profile)], ..PngKind::default() };
        let file = png(&kind, SIDE, SIDE, |x, y, c| if c == 1 { 77 } else { u16::from(level(x, y)) });
        check_photo(&decode(&file, &Limits::default()).unwrap(), &wanted, 1, "grey");
    }
}

/// A press whose sixteen full inkings have these CIELAB colours, as an ICC table (`mft1`, two grid
/// points an ink, all curves straight).
fn press_lab(inking: u8) -> [u8; 3] {
    let [c, m, y, k] = [8, 4, 2, 1].map(|bit| u8::from(inking & bit != 0));
    [240 - 45 * c - 50 * m - 25 * y - 60 * k, 128 - 14 * c + 16 * m, 128 - 12 * c + 18 * y]
}

pub(crate) fn press_profile() -> Vec<u8> {
    let fixed = |v: f64| ((v * 65536.0).round() as i32).to_be_bytes();
    let mut table = b"mft1\0\0\0\0\x04\x03\x02\0".to_vec();
    for i in 0..9 {
        table.extend(fixed(if i % 4 == 0 { 1.0 } else { 0.0 }));
    }
    (0..4).for_each(|_| table.extend(0..=255_u8));
    (0..16).for_each(|inking| table.extend(press_lab(inking)));
    (0..3).for_each(|_| table.extend(0..=255_u8));
    let mut profile = vec![0; 128];
    let total = 128 + 4 + 12 + table.len() as u32;
    profile[..4].copy_from_slice(&total.to_be_bytes());
    profile[8..12].copy_from_slice(&[2, 0x40, 0, 0]);
    profile[12..24].copy_from_slice(b"prtrCMYKLab ");
    for (at, number) in [(24, 2026_u16), (26, 1), (28, 1)] {
        profile[at..at + 2].copy_from_slice(&number.to_be_bytes());
    }
    profile[36..40].copy_from_slice(b"acsp");
    for (at, value) in [(68, 0.9642), (72, 1.0), (76, 0.8249)] {
        profile[at..at + 4].copy_from_slice(&fixed(value));
    }
    profile.extend(1_u32.to_be_bytes());
    profile.extend(b"A2B0");
    profile.extend(144_u32.to_be_bytes());
    profile.extend((table.len() as u32).to_be_bytes());
    profile.extend(table);
    profile
}

/// CIELAB under D50 to sRGB, by way of the Bradford adaptation.
fn lab_to_srgb([l, a, b]: [u8; 3]) -> [u8; 3] {
    let l = (f64::from(l) * 100.0 / 255.0 + 16.0) / 116.0;
    let f =
        |t: f64| if t > 6.0 / 29.0 { t.powi(3) } else { 3.0 * (6.0_f64 / 29.0).powi(2) * (t - 4.0 / 29.0) };
    let (a, b) = (f64::from(a) - 128.0, f64::from(b) - 128.0);
    let d50 = [0.9642 * f(l + a / 500.0), f(l), 0.8249 * f(l - b / 200.0)];
    let bradford = [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]];
    let (from, to) = (apply(&bradford, [0.9642, 1.0, 0.8249]), apply(&bradford, [0.9505, 1.0, 1.0891]));
    let cones = apply(&bradford, d50);
    let d65 = apply(&inverse(&bradford), std::array::from_fn(|i| cones[i] * to[i] / from[i]));
    apply(&inverse(&to_xyz(SRGB)), d65).map(srgb_coded)
}

#[test]
fn inks_follow_their_profile() {
    let inking = |x: u32| (x / 16) as u8;
    let inks: Vec<u8> = (0..16)
        .flat_map(|_| 0..256)
        .flat_map(|x| [8, 4, 2, 1].map(|bit| if inking(x) & bit != 0 { 255 } else { 0 }))
        .collect();
    let wanted = photo(256, 16, |x, _| lab_to_srgb(press_lab(inking(x))));
    for colours in [ColorType::Cmyk, ColorType::CmykAsYcck] {
        let file = jpeg(JpegKind { colours, ..JPEG_444 }, 256, 16, &inks, &icc_segments(&press_profile()));
        check_photo(&decode(&file, &Limits::default()).unwrap(), &wanted, 4, "CMYK with profile");
    }
}

#[test]
fn profiles_that_say_nothing_change_nothing() {
    let limits = Limits::default();
    let p3 = ColorProfile::new_display_p3().encode().unwrap();
    let stored = photo(SIDE, SIDE, many);
    let sample = |x: u32, y: u32, channel: usize| u16::from(many(x, y)[channel]);
    let noise: Vec<u8> = (0..3000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let grey = ColorProfile::new_gray_with_gamma(2.0).encode().unwrap();
    let huge = [p3.as_slice(), &vec![0; 5 << 20]].concat();
    for (what, profile) in [
        ("sRGB", ColorProfile::new_srgb().encode().unwrap()),
        ("noise", noise),
        ("empty", vec![]),
        ("cut", p3[..p3.len() / 2].to_vec()),
        ("head only", p3[..128].to_vec()),
        ("for grey", grey),
        ("for inks", press_profile()),
        ("too long", huge),
    ] {
        let kind = PngKind { depth: 8, colour: 2, before: vec![icc_png(&profile)], ..PngKind::default() };
        check_photo(&decode(&png(&kind, SIDE, SIDE, sample), &limits).unwrap(), &stored, 0, what);
        let pixels = webp_pixels(&lossless(SIDE, SIDE, image_webp::ColorType::Rgb8, stored.rgb()));
        check_photo(
            &decode(&webp(&pixels, SIDE, SIDE, None, Some(&profile)), &limits).unwrap(),
            &stored,
            0,
            what,
        );
    }
    // An RGB profile in a grey picture, a stream that is not zlib, a missing and a doubled piece.
    let grey_png = PngKind { depth: 8, before: vec![icc_png(&p3)], ..PngKind::default() };
    let level = |x: u32, y: u32, _| u16::from(many(x, y)[0]);
    let wanted = photo(SIDE, SIDE, |x, y| [many(x, y)[0]; 3]);
    check_photo(&decode(&png(&grey_png, SIDE, SIDE, level), &limits).unwrap(), &wanted, 0, "RGB in grey");
    let not_zlib = PngKind {
        depth: 8,
        colour: 2,
        before: vec![(*b"iCCP", b"name\0\0????".to_vec())],
        ..PngKind::default()
    };
    check_photo(&decode(&png(&not_zlib, SIDE, SIDE, sample), &limits).unwrap(), &stored, 0, "not zlib");
    let plain = decode(&jpeg(JPEG_444, SIDE, SIDE, stored.rgb(), &[]), &limits).unwrap();
    let pieces = icc_segments(&p3);
    for segments in [pieces[1..].to_vec(), [&pieces[..1], &pieces].concat()] {
        let file = jpeg(JPEG_444, SIDE, SIDE, stored.rgb(), &segments);
        check_photo(&decode(&file, &limits).unwrap(), &plain, 0, "pieces");
    }
}
