//! A collage is found by each of the things it shows, in its place.

use crate::drawn::{Fixture, ids, numbered, picture, product};
use twinset_engine::{QueryImage, SearchRequest};
use twinset_photo::{Limits, Photo, decode, encode_png};

/// Picture `n` as it is, and in the colours of a negative, on a dark ground.
fn two(n: u32, m: u32) -> [Photo; 2] {
    let [left, right] = [n, m].map(|n| decode(&picture(n), &Limits::default()).unwrap());
    let negative = right.rgb().iter().map(|byte| 255 - byte).collect();
    [left, Photo::new(right.width(), right.height(), negative)]
}

fn side_by_side([left, right]: &[Photo; 2]) -> Photo {
    let width = left.width() as usize;
    let row = |photo: &Photo, y: usize| photo.rgb()[y * 3 * width..][..3 * width].to_vec();
    let rgb = (0..left.height() as usize).flat_map(|y| [row(left, y), row(right, y)].concat()).collect();
    Photo::new(2 * left.width(), left.height(), rgb)
}

#[test]
fn each_panel_of_a_collage_is_found_in_its_place() {
    let mut puts: Vec<_> = (10..20).map(numbered).collect();
    let shown = two(3, 4);
    puts.push(product("both", &[encode_png(&side_by_side(&shown))]));
    let fixture = Fixture::with(puts);
    // The whole, and two panels.
    assert_eq!(fixture.shop.index_status().unwrap().items, 10 + 3);
    let search = |photo: &Photo| {
        fixture.shop.search(&SearchRequest::new(QueryImage::Bytes(encode_png(photo)))).unwrap()
    };
    for (photo, middle) in shown.iter().zip([48.0, 144.0]) {
        let answer = search(photo);
        assert_eq!(ids(&answer)[0], "both");
        let place = answer.hits[0].rect;
        assert!((place.x + place.w / 2.0 - middle).abs() < 30.0, "it is found at {place:?}");
    }
    fixture.shop.remove(&["both".to_owned()]).unwrap();
    crate::drawn::settle(&fixture.shop);
    assert!(!ids(&search(&shown[0])).contains(&"both"));
    assert!(fixture.shop.verify_index().unwrap().is_sound());
}
