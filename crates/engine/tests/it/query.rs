//! What a search answers.

use crate::drawn::{Fixture, check_finds, ids, numbered, picture, product, request, settle};
use twinset_catalogue::{Filter, Money, ProductPut};
use twinset_engine::{EngineError, GroupBy, QueryImage, Region, SearchRequest, Verdict};
use twinset_photo::Rect;

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
    }
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
