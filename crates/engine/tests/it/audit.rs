//! What an audit finds, what people decide, and what a search makes of it.

use crate::drawn::{Fixture, ids, numbered, product, settle};
use std::sync::Arc;
use twinset_catalogue::{Finding, FindingFilter, ProductPut};
use twinset_engine::{QueryImage, SearchRequest, Shop};
use twinset_photo::{Photo, encode_jpeg, encode_png};

fn findings(shop: &Shop, kind: &str) -> Vec<Finding> {
    shop.audit(&mut |_, _, _| true).unwrap().unwrap();
    let filter = FindingFilter { kind: Some(kind.into()), ..FindingFilter::default() };
    shop.catalogue().findings(&filter, None, 100).unwrap().into_iter().map(|(f, _)| f).collect()
}

/// Plain garments: red ones are called "Red", blue ones "Blue", and product `wrong` is red and called "Blue".
fn plain(id: &str, rgb: [u8; 3], n: u32, class: &str) -> ProductPut {
    let (w, h) = (160 + n % 5, 200);
    let inside = |x: u32, y: u32| (40..w - 40).contains(&x) && (30..h - 30 - n % 7).contains(&y);
    let pixels = (0..h).flat_map(|y| (0..w).map(move |x| (x, y)));
    let fold = |x: u32| (x * (3 + n % 4) % 23) as u8;
    let rgb = pixels
        .flat_map(
            |(x, y)| if inside(x, y) { rgb.map(|c| c.saturating_sub(fold(x))) } else { [230, 228, 225] },
        )
        .collect();
    let mut put = product(id, &[encode_png(&Photo::new(w, h, rgb))]);
    put.product.product_type = vec![vec!["Clothes".into(), class.into()]];
    put.product.title = Some(format!("{class} thing number {n}"));
    put
}

#[test]
fn a_wrong_category_is_doubted_with_witnesses_and_a_decision_counts() {
    let mut puts = Vec::new();
    for n in 0..12 {
        puts.push(plain(&format!("r{n}"), [190, 25, 40], n, "Red"));
        puts.push(plain(&format!("b{n}"), [30, 60, 170], n, "Blue"));
    }
    let mut wrong = plain("wrong", [190, 25, 40], 13, "Blue");
    wrong.product.title = Some("Red thing".into());
    puts.push(wrong.clone());
    let Fixture { shop, engine: _engine, home: _home } = Fixture::with(puts);

    let doubted = findings(&shop, "category");
    assert_eq!(doubted.len(), 1, "{doubted:?}");
    let doubt = &doubted[0];
    assert_eq!((doubt.product.as_str(), doubt.claimed[0].as_str()), ("wrong", "Clothes > Blue"));
    assert_eq!(doubt.seen[0].0, "Clothes > Red");
    assert!(doubt.witnesses.iter().all(|w| w.product.starts_with('r')) && !doubt.witnesses.is_empty());
    assert_eq!(shop.catalogue().get("wrong").unwrap().unwrap().product_type, wrong.product.product_type);

    // Accepted, it counts for less, until the seller corrects the claim.
    let image = QueryImage::Bytes(wrong.pictures[0].1.to_vec());
    let question = SearchRequest { fold_copies: false, ..SearchRequest::new(image) };
    let score = |shop: &Shop| {
        let answer = shop.search(&question).unwrap();
        answer.hits.iter().find(|h| h.product.id == "wrong").unwrap().score
    };
    let before = score(&shop);
    assert!(shop.decide(&doubt.id, Some(true), Some("it is red")).unwrap());
    assert!(score(&shop) < 0.9 * before);
    assert!(shop.decide(&doubt.id, None, None).unwrap());
    assert_eq!(score(&shop), before);
    assert!(shop.decide(&doubt.id, Some(true), None).unwrap());
    let mut right = wrong.clone();
    right.product.product_type = vec![vec!["Clothes".into(), "Red".into()]];
    right.pictures.clear();
    shop.put(vec![right]).unwrap();
    settle(&shop);
    std::thread::sleep(std::time::Duration::from_millis(2100));
    assert_eq!(score(&shop), before);
    assert!(findings(&shop, "category").is_empty());
    assert_eq!(shop.catalogue().decisions().unwrap().len(), 1);
}

/// Patches of many colours, different for every `n`: no two of these are alike.
fn patchwork(n: u32) -> Photo {
    let patch = |x: u32, y: u32, c: u32| {
        let z =
            (x / 16 * 7919 + y / 16 * 104_729 + n * 1_299_709 + c * 15_485_863).wrapping_mul(2_654_435_761);
        (z ^ z >> 15).wrapping_mul(2_246_822_519) >> 24
    };
    let pixels = (0..400).flat_map(|y| (0..320).map(move |x| (x, y)));
    Photo::new(320, 400, pixels.flat_map(|(x, y)| [0, 1, 2].map(|c| patch(x, y, c) as u8)).collect())
}

#[test]
fn copies_are_told_with_the_first_seen_and_folded_in_answers() {
    let file = |n: u32| encode_png(&patchwork(n));
    let mut puts: Vec<ProductPut> = (0..8).map(|n| product(&format!("p{n}"), &[file(n)])).collect();
    // The same file, and the same picture smaller and compressed.
    puts.push(product("thief", &[file(3)]));
    puts.push(product("cunning", &[encode_jpeg(&patchwork(5).resize(256, 320), 80)]));
    // The same file under one article is no copy.
    let mut variants = [product("v1", &[file(40)]), product("v2", &[file(40)])];
    variants.iter_mut().for_each(|v| v.product.group_id = Some("v".into()));
    puts.extend(variants);
    let Fixture { shop, engine: _engine, home: _home } = Fixture::with(puts);
    let told = findings(&shop, "copy");
    let mut pairs: Vec<_> =
        told.iter().map(|f| (f.product.as_str(), f.witnesses[0].product.as_str())).collect();
    pairs.sort_unstable();
    assert_eq!(pairs, [("cunning", "p5"), ("thief", "p3")]);

    let question = SearchRequest::new(QueryImage::Bytes(file(3)));
    let answer = shop.search(&question).unwrap();
    assert_eq!(ids(&answer)[0], "p3");
    assert_eq!(answer.hits[0].copies, ["thief"]);
    assert!(!ids(&answer).contains(&"thief"));
    let unfolded = shop.search(&SearchRequest { fold_copies: false, ..question }).unwrap();
    assert_eq!(unfolded.hits.len(), 12);
    assert!(unfolded.hits.iter().all(|hit| hit.copies.is_empty()));
}

#[test]
fn one_picture_under_many_articles_is_a_placeholder() {
    let nothing = Arc::<[u8]>::from(encode_png(&Photo::new(300, 300, vec![240; 300 * 300 * 3])));
    let mut puts: Vec<ProductPut> = (0..7).map(|n| product(&format!("n{n}"), &[nothing.to_vec()])).collect();
    puts.push(numbered(1));
    let Fixture { shop, engine: _engine, home: _home } = Fixture::with(puts);
    assert_eq!(findings(&shop, "placeholder").len(), 7);
    assert_eq!(findings(&shop, "blank").len(), 7);
    assert!(findings(&shop, "copy").is_empty());
    // 96 x 120 pixels.
    assert_eq!(findings(&shop, "too_small").iter().map(|f| f.product.as_str()).collect::<Vec<_>>(), ["p1"]);
}
