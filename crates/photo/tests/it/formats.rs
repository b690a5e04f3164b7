//! Every format variant in every orientation, whole and reduced, against the pixels it was made of.

use crate::check_photo;
use crate::samples::{self, Sample, photo};
use twinset_photo::{Decoded, Limits, Photo, decode, decode_reduced, encode_jpeg, encode_png, probe};

/// What the eight values mean, as the EXIF standard words it: which stored pixel is seen at upright
/// (`x`, `y`). An oracle of its own, written from "row 0 is ..., column 0 is ...".
fn upright(stored: &Photo, orientation: u16) -> Photo {
    let (w, h) = (stored.width(), stored.height());
    let at = |x: u32, y: u32| -> [u8; 3] {
        let start = (y * w + x) as usize * 3;
        stored.rgb()[start..start + 3].try_into().unwrap()
    };
    match orientation {
        2 => photo(w, h, |x, y| at(w - 1 - x, y)),
        3 => photo(w, h, |x, y| at(w - 1 - x, h - 1 - y)),
        4 => photo(w, h, |x, y| at(x, h - 1 - y)),
        5 => photo(h, w, |x, y| at(y, x)),
        6 => photo(h, w, |x, y| at(y, h - 1 - x)),
        7 => photo(h, w, |x, y| at(w - 1 - y, h - 1 - x)),
        8 => photo(h, w, |x, y| at(w - 1 - y, x)),
        _ => stored.clone(),
    }
}

fn check(sample: &Sample) {
    let limits = Limits::default();
    let name = &sample.name;
    let plain = decode(&(sample.file)(None), &limits).unwrap_or_else(|error| panic!("{name}: {error}"));
    check_photo(&plain, &sample.stored, sample.tolerance, name);
    let orientations = if sample.has_exif { 1..=8 } else { 1..=1 };
    for orientation in orientations {
        let what = format!("{name}, orientation {orientation}");
        let file = (sample.file)(Some(orientation));
        let header = probe(&file, &limits).unwrap_or_else(|error| panic!("{what}: {error}"));
        let got = decode(&file, &limits).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!((header.width, header.height), (got.width(), got.height()), "{what}: header");
        // The coding may cost accuracy; turning costs nothing.
        check_photo(&got, &upright(&plain, orientation), 0, &what);
        check_photo(&got, &upright(&sample.stored, orientation), sample.tolerance, &what);
    }
}

#[test]
fn every_variant_in_every_orientation() {
    let mut count = 0;
    // Sides that fill no block, tile or byte; then the smallest.
    for (width, height) in [(37, 23), (16, 16), (1, 1), (2, 9)] {
        for sample in samples::all(width, height) {
            check(&sample);
            count += 1;
        }
    }
    assert!(count > 200, "only {count} samples");
}

#[test]
fn thin_and_long() {
    for (width, height) in [(1, 20_000), (20_000, 1)] {
        for sample in samples::without_webp(width, height) {
            check(&sample);
        }
    }
    for (width, height) in [(1, 16_383), (16_383, 1)] {
        let stored = photo(width, height, |x, y| samples::colour(x, y, width, height));
        let file = samples::lossless(width, height, image_webp::ColorType::Rgb8, stored.rgb());
        check_photo(&decode(&file, &Limits::default()).unwrap(), &stored, 0, "thin WebP");
    }
}

/// Plain averages over squares of whole pixels.
fn averaged(photo: &Photo, factor: u32) -> Photo {
    let (w, h) = (photo.width(), photo.height());
    samples::photo(w.div_ceil(factor), h.div_ceil(factor), |x, y| {
        let mut sums = [0_u32; 3];
        let mut area = 0;
        for sy in y * factor..((y + 1) * factor).min(h) {
            for sx in x * factor..((x + 1) * factor).min(w) {
                let start = (sy * w + sx) as usize * 3;
                (0..3).for_each(|i| sums[i] += u32::from(photo.rgb()[start + i]));
                area += 1;
            }
        }
        sums.map(|sum| ((sum + area / 2) / area) as u8)
    })
}

#[test]
fn reduced_is_the_average_of_the_whole() {
    let limits = Limits::default();
    for sample in samples::all(61, 43) {
        for orientation in [1, 6] {
            let file = (sample.file)(Some(orientation));
            let whole = decode(&file, &limits).unwrap();
            let longer = whole.width().max(whole.height());
            for wanted in [1, 7, 20, 21, 30, longer, 4000] {
                let what = format!("{}, orientation {orientation}, to {wanted}", sample.name);
                let Decoded { photo, full_width, full_height } =
                    decode_reduced(&file, &limits, wanted).unwrap();
                assert_eq!((full_width, full_height), (whole.width(), whole.height()), "{what}");
                let reduced = photo.width().max(photo.height());
                assert!(reduced >= wanted.min(longer) && reduced < 2 * wanted.max(1), "{what}: {reduced}");
                // Squares are counted from the stored corner, so with cut ones only the picture that
                // was stored upright can be compared.
                if orientation == 1 {
                    check_photo(&photo, &averaged(&whole, (longer / wanted).max(1)), 0, &what);
                }
            }
        }
    }
}

#[test]
fn what_is_encoded_is_decoded() {
    let limits = Limits::default();
    for (width, height) in [(37, 23), (1, 1), (3, 500)] {
        let made = photo(width, height, |x, y| samples::colour(x, y, width, height));
        let png = encode_png(&made);
        check_photo(&decode(&png, &limits).unwrap(), &made, 0, "PNG");
        check_photo(&decode(&encode_jpeg(&made, 95), &limits).unwrap(), &made, 8, "JPEG 95");
        check_photo(&decode(&encode_jpeg(&made, 75), &limits).unwrap(), &made, 60, "JPEG 75");
        // Nothing but the picture: no application segment except JFIF's, no optional chunk.
        let segments = encode_jpeg(&made, 80);
        assert!(!segments.windows(2).any(|pair| matches!(pair, [0xff, 0xe1..=0xef | 0xfe])), "metadata");
        assert!([b"tEXt", b"eXIf", b"tIME"].iter().all(|kind| !png.windows(4).any(|part| part == *kind)));
    }
    let long = photo(70_000, 2, |x, _| [(x / 300) as u8; 3]);
    let shrunk = decode(&encode_jpeg(&long, 80), &limits).unwrap();
    assert_eq!((shrunk.width(), shrunk.height()), (65_535, 2));
}
