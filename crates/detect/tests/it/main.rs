//! The detector through its public face. The shipped weights may change with every training run,
//! so these tests ask what must hold for any weights.

use twinset_detect::{Detector, Garment, MAX_GARMENTS, OVERLAP_MAX, WHOLE_OVERLAP_MAX, letterbox};
use twinset_nets::Package;
use twinset_photo::Photo;

fn photo(width: u32, height: u32) -> Photo {
    let pixel = |i: u32| (i.wrapping_mul(2_654_435_761) >> 23) as u8;
    Photo::new(width, height, (0..width * height * 3).map(pixel).collect())
}

#[test]
fn boxes_lie_in_the_photo_in_order_and_apart() {
    for package in [Package::default_detector(), Package::default_detector().randomised(2)] {
        let detector = Detector::new(&package).unwrap();
        for (width, height) in [(400, 300), (64, 512), (1, 1), (3000, 2), (7, 7)] {
            let photo = photo(width, height);
            let garments = detector.detect_all(&photo, 0.0).unwrap();
            for (i, garment) in garments.iter().enumerate() {
                assert!(garment.rect.x >= 0.0 && garment.rect.x1() <= width as f32 + 1e-3);
                assert!(garment.rect.y >= 0.0 && garment.rect.y1() <= height as f32 + 1e-3);
                assert!((0.0..=1.0).contains(&garment.score));
                assert!(detector.categories().contains(&garment.category));
                assert!(garments[..i].iter().all(|surer| surer.score >= garment.score));
                // A person and what they wear may lie over each other.
                let limit = |surer: &Garment| {
                    let whole = |g: &Garment| g.category == "outfit";
                    if whole(surer) == whole(garment) { OVERLAP_MAX } else { WHOLE_OVERLAP_MAX }
                };
                assert!(garments[..i].iter().all(|surer| surer.rect.iou(&garment.rect) <= limit(surer)));
            }
            let reported = detector.detect(&photo).unwrap();
            assert!(reported.len() <= MAX_GARMENTS);
            assert!(reported.iter().all(|g| g.score >= detector.threshold()));
            assert_eq!(reported[..], garments[..reported.len()], "the sure ones come first in both");
        }
    }
}

#[test]
fn a_letterbox_is_centred_on_grey() {
    let (input, seen) = letterbox(&Photo::new(40, 20, vec![250; 40 * 20 * 3]), 64);
    assert_eq!((seen.x, seen.y, seen.w, seen.h), (0.0, -10.0, 40.0, 40.0));
    let row = |y: usize| &input.rgb()[y * 64 * 3..(y + 1) * 64 * 3];
    assert!((0..15).chain(49..64).all(|y| row(y).iter().all(|&b| b == 128)));
    assert!((17..47).all(|y| row(y).iter().all(|&b| b == 250)));
}

#[test]
fn an_embedder_is_refused() {
    let error = Detector::new(&Package::default_embedder()).err().unwrap().to_string();
    assert!(error.contains("detector"), "{error}");
}
