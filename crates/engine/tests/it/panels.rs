//! A collage is found by each of the things it shows, in its place.

use crate::drawn::{Fixture, ids, numbered, picture, product, request};
use twinset_photo::{Limits, Photo, decode, encode_png};

/// Two pictures side by side with a dark bar between them.
fn side_by_side(left: u32, right: u32) -> Vec<u8> {
    const BAR: usize = 6;
    let [left, right] = [left, right].map(|n| decode(&picture(n), &Limits::default()).unwrap());
    let width = left.width() as usize;
    let row = |photo: &Photo, y: usize| photo.rgb()[y * 3 * width..][..3 * width].to_vec();
    let rgb = (0..left.height() as usize)
        .flat_map(|y| [row(&left, y), vec![20; 3 * BAR], row(&right, y)].concat())
        .collect();
    encode_png(&Photo::new((2 * width + BAR) as u32, left.height(), rgb))
}

#[test]
fn each_panel_of_a_collage_is_found_in_its_place() {
    let mut puts: Vec<_> = (10..20).map(numbered).collect();
    puts.push(product("both", &[side_by_side(3, 4)]));
    let fixture = Fixture::with(puts);
    // The whole, and two panels.
    assert_eq!(fixture.shop.index_status().unwrap().items, 10 + 3);
    for (n, middle) in [(3, 48.0), (4, 150.0)] {
        let answer = fixture.shop.search(&request(n)).unwrap();
        assert_eq!(ids(&answer)[0], "both");
        let place = answer.hits[0].rect;
        assert!((place.x + place.w / 2.0 - middle).abs() < 30.0, "picture {n} is found at {place:?}");
    }
    fixture.shop.remove(&["both".to_owned()]).unwrap();
    crate::drawn::settle(&fixture.shop);
    assert!(!ids(&fixture.shop.search(&request(3)).unwrap()).contains(&"both"));
    assert!(fixture.shop.verify_index().unwrap().is_sound());
}
