//! The embedder through its public face; what must hold for any weights.

use twinset_embed::{Attributes, Embedder, crop_square};
use twinset_nets::Package;
use twinset_photo::{Photo, Rect};

fn photo(width: u32, height: u32, seed: u32) -> Photo {
    let pixel = |i: u32| (i / 30).wrapping_add(seed).wrapping_mul(2_654_435_761).wrapping_shr(24) as u8;
    Photo::new(width, height, (0..width * height * 3).map(pixel).collect())
}

#[test]
fn what_comes_out_is_normalised_and_the_same_every_time() {
    let embedder = Embedder::new(&Package::default_embedder()).unwrap();
    for (photo, rect) in [
        (photo(300, 200, 1), Rect { x: 20.0, y: 30.0, w: 120.0, h: 90.0 }),
        (photo(300, 200, 1), Rect { x: 250.0, y: 150.0, w: 200.0, h: 200.0 }),
        (photo(8, 8, 2), Rect { x: 0.0, y: 0.0, w: 8.0, h: 8.0 }),
        (photo(1, 1, 3), Rect { x: 0.0, y: 0.0, w: 0.0, h: 0.0 }),
        (Photo::new(90, 90, vec![77; 90 * 90 * 3]), Rect { x: 0.0, y: 0.0, w: 90.0, h: 90.0 }),
        (photo(50, 50, 4), Rect { x: f32::NAN, y: f32::INFINITY, w: -5.0, h: 1e30 }),
    ] {
        let seen = embedder.embed(&photo, rect).unwrap();
        assert_eq!(seen.embedding.len(), embedder.dim());
        let length: f32 = seen.embedding.iter().map(|x| x * x).sum();
        assert!((length - 1.0).abs() < 1e-4, "{length}");
        let side = seen.map.height;
        assert_eq!((seen.map.channels, seen.map.width), (65, side));
        assert!(side >= 16, "{side} x {side} tokens");
        for position in 0..side * side {
            let length: f32 = (0..64).map(|c| seen.map.data[c * side * side + position].powi(2)).sum();
            assert!((length - 1.0).abs() < 1e-4 || length < 1e-6, "{length}");
        }
        assert!(seen.category.len() <= 3 && seen.category.iter().all(|(_, p)| (0.0..=1.0).contains(p)));
        assert_eq!(embedder.embed(&photo, rect).unwrap().embedding, seen.embedding);
    }
}

#[test]
fn a_crop_shows_the_box_with_its_margin() {
    // A red box on green: the margin shows green, the middle red, outside the photo is grey.
    let red = |x: u32, y: u32| (40..80).contains(&x) && y < 40;
    let pixels = (0..120u32).flat_map(|y| (0..120u32).map(move |x| (x, y)));
    let rgb = pixels.flat_map(|(x, y)| if red(x, y) { [255, 0, 0] } else { [0, 255, 0] }).collect();
    let crop = crop_square(&Photo::new(120, 120, rgb), Rect { x: 40.0, y: 0.0, w: 40.0, h: 40.0 }, 0.25, 60);
    let at = |x: usize, y: usize| &crop.rgb()[(y * 60 + x) * 3..][..3];
    assert_eq!(at(30, 30), [255, 0, 0]);
    assert_eq!(at(4, 30), [0, 255, 0]);
    assert_eq!(at(30, 55), [0, 255, 0]);
    assert_eq!(at(30, 4), [128, 128, 128]);
}

#[test]
fn attributes_are_written_as_the_interfaces_say() {
    let seen = Attributes { colour: vec![("red".into(), 0.8)], pattern: Some("striped".into()) };
    let json = serde_json::to_value(&seen).unwrap();
    assert_eq!(json["pattern"], "striped");
    assert_eq!(json["colour"][0][0], "red");
    assert_eq!(serde_json::to_string(&Attributes::default()).unwrap(), r#"{"colour":[]}"#);
}

#[test]
fn a_detector_is_refused() {
    assert!(Embedder::new(&Package::default_detector()).is_err());
}
