//! What a search answers.

use crate::drawn::{Fixture, check_finds, ids, numbered, picture, product, request, settle, vision};
use twinset_catalogue::{Filter, Money, ProductPut};
use twinset_engine::{EngineError, GroupBy, QueryImage, Region, SearchRequest, Verdict};
use twinset_photo::{Photo, Rect, encode_png};

fn priced(n: u32) -> ProductPut {
    let mut put = numbered(n);
    put.product.price = Some(Money::parse(&format!("{n}.00"), "EUR").unwrap());
    put.product.brand = Some(if n.is_multiple_of(2) { "Even" } else { "Odd" }.into());
    put.product.group_id = Some(format!("g{}", n / 3));
    put
}

fn twelve() -> Fixture {
    Fixture::with((0..12).map(priced).collect())
}

#[test]
fn every_picture_finds_its_product_with_evidence() {
    let fixture = twelve();
    check_finds(&fixture.shop, 0..12);
    let answer = fixture.shop.search(&SearchRequest { explain: true, ..request(3) }).unwrap();
    let best = &answer.hits[0];
    assert!(best.global > 0.999 && best.score > 0.9 && best.verdict == Verdict::Same, "{best:?}");
    assert!(best.local.is_some());
    assert_eq!((best.width, best.height, best.name.as_str()), (96, 120, "main"));
    // The garment of the stored picture is the garment of the same photo.
    assert_eq!(best.rect, answer.query_rect);
    for part in &best.parts {
        assert!((0.0..=1.0).contains(&part.score) && part.hit.w > 0.0 && part.query.w > 0.0);
        assert!(!part.zone.key().is_empty());
    }
    assert!(best.attributes.iter().all(|a| a.agrees) && !best.attributes.is_empty(), "{:?}", best.attributes);
    assert_eq!((answer.width, answer.height, answer.compared), (96, 120, 12));
    assert_eq!(answer.verdict, Verdict::Same);
    assert_eq!(answer.seq, fixture.shop.catalogue().last_seq().unwrap());
    let t = answer.timing;
    assert!(t.decode + t.detect + t.embed + t.index + t.local <= t.total);
    assert!(answer.hits.windows(2).all(|w| w[0].score >= w[1].score));
}

#[test]
fn the_same_request_gives_the_same_answer() {
    let fixture = twelve();
    let told = |_| {
        let answer = fixture.shop.search(&request(5)).unwrap();
        let hits = answer.hits.iter().map(|h| (h.product.id.clone(), h.score, h.global, h.local));
        hits.collect::<Vec<_>>()
    };
    let answers: Vec<_> = (0..3).map(told).collect();
    assert!(answers.iter().all(|a| *a == answers[0]));
}

#[test]
fn pages_are_cut_from_one_list() {
    let fixture = twelve();
    let all = fixture.shop.search(&SearchRequest { limit: 12, ..request(1) }).unwrap();
    assert_eq!(all.hits.len(), 12);
    assert!(!all.more);
    let mut paged = Vec::new();
    for offset in [0, 5, 10] {
        let page = fixture.shop.search(&SearchRequest { limit: 5, offset, ..request(1) }).unwrap();
        assert_eq!(page.more, offset < 10);
        paged.extend(ids(&page).into_iter().map(str::to_owned));
    }
    assert_eq!(paged, ids(&all));
    let floor = all.hits[3].score;
    let good = fixture.shop.search(&SearchRequest { min_score: floor, ..request(1) }).unwrap();
    assert!(good.hits.len() >= 4 && good.hits.iter().all(|hit| hit.score >= floor));
}

#[test]
fn filters_facets_and_groups() {
    let fixture = twelve();
    let filter = Filter::parse("price < 6 and brand = 'Even'").unwrap();
    let wanted = SearchRequest { filter: Some(filter), facets: vec!["brand".into()], ..request(9) };
    let answer = fixture.shop.search(&wanted).unwrap();
    let mut found = ids(&answer);
    found.sort_unstable();
    assert_eq!(found, ["p0", "p2", "p4"]);
    assert_eq!(answer.facets["brand"], [("Even".to_owned(), 3)]);

    let nothing = Filter::parse("price > 1000").unwrap();
    let answer = fixture.shop.search(&SearchRequest { filter: Some(nothing), ..request(9) }).unwrap();
    assert!(answer.hits.is_empty() && answer.verdict == Verdict::Weak);

    let grouped = SearchRequest { group_by: GroupBy::GroupId, ..request(7) };
    let answer = fixture.shop.search(&grouped).unwrap();
    assert_eq!(ids(&answer)[0], "p7");
    assert_eq!(answer.hits.len(), 4);
    assert!(answer.hits.iter().all(|hit| hit.variants == 3));
}

#[test]
fn a_product_with_many_pictures_is_one_hit() {
    let pictures: Vec<_> = (100..120).map(picture).collect();
    let fixture = Fixture::with(vec![product("many", &pictures), numbered(1), numbered(2)]);
    let answer = fixture.shop.search(&SearchRequest { limit: 3, ..request(110) }).unwrap();
    assert_eq!(answer.hits.len(), 3);
    assert_eq!((ids(&answer)[0], answer.hits[0].image.as_str()), ("many", "11"));
}

#[test]
fn the_shoppers_box_wins() {
    let fixture = twelve();
    let rect = Rect { x: 20.0, y: 15.0, w: 56.0, h: 90.0 };
    let boxed = SearchRequest { region: Some(Region::Pixels(rect)), ..request(4) };
    let answer = fixture.shop.search(&boxed).unwrap();
    assert_eq!((answer.query_rect, answer.chosen), (rect, None));

    let fraction = Region::Fraction(Rect { x: 0.0, y: 0.0, w: 1.0, h: 1.0 });
    let answer = fixture.shop.search(&SearchRequest { region: Some(fraction), ..request(4) }).unwrap();
    assert_eq!(answer.query_rect, Rect { x: 0.0, y: 0.0, w: 96.0, h: 120.0 });

    // Without detection the whole photo is searched.
    let answer = fixture.shop.search(&SearchRequest { detect: false, ..request(4) }).unwrap();
    assert_eq!(answer.query_rect, Rect { x: 0.0, y: 0.0, w: 96.0, h: 120.0 });
    assert!(answer.garments.is_empty() && answer.chosen.is_none());

    for (x, w) in [(200.0, 10.0), (0.0, 0.0), (f32::NAN, 10.0), (0.0, f32::NAN), (10.0, -5.0)] {
        let region = Some(Region::Pixels(Rect { x, y: 0.0, w, h: 10.0 }));
        let refused = fixture.shop.search(&SearchRequest { region, ..request(4) });
        assert!(matches!(refused, Err(EngineError::BadRegion { .. })), "{x} {w}: {refused:?}");
    }
}

#[test]
fn a_stored_product_can_be_the_question() {
    let fixture = twelve();
    let search = |id: &str| fixture.shop.search(&SearchRequest::new(QueryImage::Product(id.into())));
    assert_eq!(ids(&search("p6").unwrap())[0], "p6");
    assert!(matches!(search("nobody"), Err(EngineError::NoSuchProduct { .. })));
    let mut bare = numbered(50);
    bare.pictures.clear();
    fixture.shop.put(vec![bare]).unwrap();
    assert!(matches!(search("p50"), Err(EngineError::NoPicture { .. })));
}

#[test]
fn requests_out_of_range_are_refused() {
    let fixture = Fixture::with(vec![]);
    let refused = |request: SearchRequest| match fixture.shop.search(&request) {
        Err(EngineError::BadRequest { field, .. }) => field,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(SearchRequest { limit: 0, ..request(1) }), "limit");
    assert_eq!(refused(SearchRequest { limit: 501, ..request(1) }), "limit");
    assert_eq!(refused(SearchRequest { offset: 1001, ..request(1) }), "offset");
    assert_eq!(refused(SearchRequest { min_score: f32::NAN, ..request(1) }), "min_score");
    assert_eq!(refused(SearchRequest { facets: vec!["shoe".into()], ..request(1) }), "facets");
    let noise = SearchRequest::new(QueryImage::Bytes(b"not a picture".to_vec()));
    assert!(matches!(fixture.shop.search(&noise), Err(EngineError::Photo(_))));
    // An empty catalogue answers, with nothing.
    let answer = fixture.shop.search(&request(1)).unwrap();
    assert!(answer.hits.is_empty() && answer.verdict == Verdict::Weak);
}

/// A disk that lost bits took the local evidence from the picture until it was imported again.
#[test]
fn damaged_features_are_made_anew_by_the_search_that_meets_them() {
    let fixture = twelve();
    let sound = fixture.shop.search(&request(4)).unwrap();
    let damaged = || fixture.shop.index_status().unwrap().damaged_features;
    let before = damaged();
    let model = vision().hash();
    let kept = fixture.shop.catalogue().features(&sound.hits[0].picture, &model).unwrap().unwrap();
    let mut torn = kept.clone();
    torn[40] ^= 1;
    fixture.shop.catalogue().put_features(&model, &[(sound.hits[0].picture, torn)]).unwrap();
    for _ in 0..2 {
        let answer = fixture.shop.search(&request(4)).unwrap();
        assert_eq!((ids(&answer), answer.compared), (ids(&sound), 12));
        assert_eq!(answer.hits[0].local, sound.hits[0].local);
        assert_eq!(damaged(), before + 1);
    }
    assert_eq!(fixture.shop.catalogue().features(&sound.hits[0].picture, &model).unwrap(), Some(kept));
}

#[test]
fn plain_and_tiny_photos_are_answered() {
    let fixture = twelve();
    let plain =
        |side: u32, level: u8| encode_png(&Photo::new(side, side, vec![level; (side * side * 3) as usize]));
    for photo in [plain(8, 0), plain(8, 255), plain(64, 127), plain(1, 9)] {
        let answer = fixture.shop.search(&SearchRequest::new(QueryImage::Bytes(photo))).unwrap();
        assert!(answer.hits.iter().all(|hit| (0.0..=1.0).contains(&hit.score)));
        assert_eq!(answer.compared, 12);
    }
    // An 8-pixel box of a good photo.
    let eye = Region::Pixels(Rect { x: 40.0, y: 50.0, w: 8.0, h: 8.0 });
    let answer = fixture.shop.search(&SearchRequest { region: Some(eye), ..request(2) }).unwrap();
    assert_eq!(answer.hits.len(), 12);
}

#[test]
fn a_mirrored_photo_finds_its_product() {
    let fixture = twelve();
    let mut right = 0;
    for n in 0..12 {
        let photo = twinset_photo::decode(&picture(n), &twinset_photo::Limits::default()).unwrap();
        let row = photo.width() as usize * 3;
        let mirrored =
            photo.rgb().chunks_exact(row).flat_map(|row| row.chunks_exact(3).rev().flatten().copied());
        let mirrored = encode_png(&Photo::new(photo.width(), photo.height(), mirrored.collect()));
        let answer = fixture.shop.search(&SearchRequest::new(QueryImage::Bytes(mirrored))).unwrap();
        right += usize::from(ids(&answer)[0] == format!("p{n}"));
    }
    assert!(right >= 10, "{right} of 12");
}

#[test]
fn without_reranking_the_cosine_decides() {
    let fixture = twelve();
    for exact in [false, true] {
        let answer = fixture.shop.search(&SearchRequest { rerank: false, exact, ..request(8) }).unwrap();
        assert_eq!((ids(&answer)[0], answer.compared), ("p8", 0));
        assert!(answer.hits.iter().all(|hit| hit.local.is_none()));
        assert!(answer.hits.windows(2).all(|w| w[0].global >= w[1].global));
    }
}

#[test]
fn photos_are_detected_and_compared() {
    let fixture = Fixture::with(vec![]);
    let detection = fixture.engine.detect(&picture(1)).unwrap();
    assert_eq!((detection.width, detection.height), (96, 120));
    assert!(detection.chosen.is_none_or(|i| i < detection.garments.len()));
    let twins = fixture.engine.compare(&picture(1), &picture(1)).unwrap();
    assert!(twins.global > 0.999 && twins.verdict == Verdict::Same, "{twins:?}");
    settle(&fixture.shop);
}
