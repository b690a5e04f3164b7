//! Put, get, remove, list, changes, placements, pictures, features.

use std::collections::HashSet;

use twinset_catalogue::{
    CatalogueError, ChangeKind, Counts, Filter, Image, Mode, Money, Outcome, PictureHash, Product,
    ProductPut, Status,
};

use crate::{Shop, picture, put, shop};

fn status(outcomes: &[Outcome]) -> Vec<Status> {
    outcomes.iter().map(|outcome| outcome.status).collect()
}

/// Items of a product with the names of their images.
fn items(shop: &Shop, id: &str) -> Vec<(u32, String)> {
    let row = shop.record(id).unwrap().unwrap().row;
    shop.placements(row).unwrap().into_iter().map(|p| (p.item, p.image)).collect()
}

#[test]
fn what_was_put_comes_back() {
    let shop = shop();
    let mut full = put(" A-1 ", &[1, 2]);
    full.product = serde_json::from_str(
        r#"{"id":" A-1 ","group_id":"A","title":"비니 · Beanie","images":[{"name":"p1","url":"https://shop.example/1.jpg"},
            {"name":"p2","role":"lifestyle","alt":"worn"},{"name":"later","url":"https://shop.example/3.jpg"}],
            "availability":"preorder","price":{"amount":"1299.00","currency":"EUR"},"condition":"used",
            "category":{"google_id":173,"path":["Apparel","Hats"]},"color":["Grey"],"attributes":{"Größe":["L","XL"]},
            "custom":{"any":[1,2.5,{"x":null}]},"place":{"lat":37.566535123456789,"lon":126.97796919999999},"source":"feed"}"#,
    )
    .unwrap();
    let outcomes = shop.put(&[full.clone()]).unwrap();
    assert_eq!(outcomes, [Outcome { id: "A-1".into(), seq: Some(1), status: Status::Created }]);

    let mut expected = full.product;
    expected.id = "A-1".into();
    expected.images[0].picture = Some(PictureHash::of(&picture(1, 900)));
    expected.images[1].picture = Some(PictureHash::of(&picture(2, 900)));
    assert_eq!(shop.get("A-1").unwrap().unwrap(), expected);
    assert_eq!(shop.get(" A-1 ").unwrap().unwrap(), expected);
    assert_eq!(shop.get("a-1").unwrap(), None);
    assert_eq!(shop.products_by_row(&[7, 1]).unwrap(), [None, Some(expected)]);
    let hash = PictureHash::of(&picture(2, 900));
    assert_eq!(shop.picture(&hash).unwrap().unwrap(), picture(2, 900)[..]);
    assert_eq!(shop.picture(&PictureHash([0; 32])).unwrap(), None);
    assert_eq!(items(&shop, "A-1"), [(1, "p1".into()), (2, "p2".into())]);
    assert_eq!(shop.count().unwrap(), Counts { products: 1, pictures: 2, placements: 2 });
    assert!(shop.verify().unwrap().is_empty());
}

#[test]
fn a_put_that_changes_nothing_writes_nothing() {
    let shop = shop();
    shop.put(&[put("a", &[1]), put("b", &[])]).unwrap();
    let before = (shop.last_seq().unwrap(), shop.record("a").unwrap());
    let again = shop.put(&[put("a", &[1]), put("b", &[])]).unwrap();
    assert_eq!(status(&again), [Status::Unchanged, Status::Unchanged]);
    assert!(again.iter().all(|outcome| outcome.seq.is_none()));
    assert_eq!((shop.last_seq().unwrap(), shop.record("a").unwrap()), before);

    // What an export gives, put back without bytes, is the same too.
    let mut exported = Vec::new();
    shop.export(&mut |product| {
        exported.push(ProductPut::upsert(product, Vec::new()));
        true
    })
    .unwrap();
    assert_eq!(status(&shop.put(&exported).unwrap()), [Status::Unchanged, Status::Unchanged]);
    assert_eq!(shop.last_seq().unwrap(), before.0);
}

#[test]
fn new_prices_and_texts_keep_the_pictures_and_their_items() {
    let shop = shop();
    let mut first = put("a", &[1, 2]);
    first.product.images[0].url = Some("https://shop.example/1.jpg".into());
    shop.put(&[first.clone()]).unwrap();
    let before = items(&shop, "a");

    // A feed read again: same addresses and names, no bytes.
    let mut again = ProductPut::upsert(first.product.clone(), Vec::new());
    again.product.price = Money::parse("5.00", "EUR").ok();
    assert_eq!(status(&shop.put(&[again]).unwrap()), [Status::Updated]);
    assert_eq!(items(&shop, "a"), before);

    // Another order and another name at the same address: still the same items.
    let mut moved = ProductPut::upsert(first.product, Vec::new());
    moved.product.images.reverse();
    moved.product.images[1].name = "front".into();
    shop.put(&[moved]).unwrap();
    assert_eq!(items(&shop, "a"), [(before[0].0, "front".into()), before[1].clone()]);

    // Another picture under the name is another item; the other keeps its own.
    let mut other = put("a", &[1, 2]);
    other.pictures[0].1 = picture(3, 900);
    shop.put(&[other]).unwrap();
    let after = items(&shop, "a");
    assert_eq!(after.iter().map(|(item, _)| *item).collect::<Vec<_>>(), [before[1].0, 3]);

    // A new address means a new picture, which is not here yet: the claim waits.
    let mut elsewhere = ProductPut::upsert(put("a", &[1]).product, Vec::new());
    elsewhere.product.images[0].url = Some("https://shop.example/new.jpg".into());
    shop.put(&[elsewhere]).unwrap();
    assert_eq!(shop.get("a").unwrap().unwrap().images[0].picture, None);
    assert_eq!(items(&shop, "a"), []);
    assert!(shop.verify().unwrap().is_empty());
}

#[test]
fn a_picture_of_fifty_products_is_stored_once() {
    let shop = shop();
    let puts: Vec<_> = (0..50).map(|n| put(&format!("{n:02}"), &[7])).collect();
    shop.put(&puts).unwrap();
    assert_eq!(shop.count().unwrap(), Counts { products: 50, pictures: 1, placements: 50 });
    // One picture under two names is one item of the product.
    let mut twice = put("twice", &[7]);
    twice.product.images.push(Image { name: "again".into(), ..Image::default() });
    twice.pictures.push(("again".into(), picture(7, 900)));
    shop.put(&[twice]).unwrap();
    assert_eq!(shop.count().unwrap(), Counts { products: 51, pictures: 1, placements: 51 });

    // It goes with the last of them, and its features with it.
    let hash = PictureHash::of(&picture(7, 900));
    shop.put_features(&[1; 32], &[(hash, vec![1])]).unwrap();
    let ids: Vec<String> = puts.iter().map(|put| put.product.id.clone()).collect();
    shop.remove(&ids).unwrap();
    assert_eq!(shop.gc().unwrap(), 0);
    shop.remove(&["twice".into()]).unwrap();
    assert_eq!(shop.gc().unwrap(), 1);
    assert_eq!(shop.count().unwrap(), Counts::default());
    assert_eq!(shop.features(&hash, &[1; 32]).unwrap(), None);
    assert!(shop.verify().unwrap().is_empty());
}

#[test]
fn numbers_of_changes_rows_and_items_are_never_used_twice() {
    let shop = shop();
    let mut seen = (HashSet::new(), HashSet::new());
    let mut seqs = Vec::new();
    for round in 0..5 {
        let outcomes = shop.put(&[put("a", &[round]), put("b", &[round, 100])]).unwrap();
        for id in ["a", "b"] {
            assert!(seen.0.insert(shop.record(id).unwrap().unwrap().row));
            assert!(items(&shop, id).into_iter().all(|(item, _)| seen.1.insert(item)));
        }
        seqs.extend(outcomes.iter().filter_map(|outcome| outcome.seq));
        let gone = shop.remove(&["b".into(), "a".into(), "c".into()]).unwrap();
        assert_eq!(status(&gone), [Status::Deleted, Status::Deleted, Status::Absent]);
        seqs.extend(gone.iter().filter_map(|outcome| outcome.seq));
        shop.gc().unwrap();
    }
    assert_eq!(seqs.len(), 20);
    assert!(seqs.is_sorted_by(|a, b| a < b));
    assert_eq!(shop.last_seq().unwrap(), seqs[19]);
}

#[test]
fn followers_read_the_changes_in_order() {
    let shop = shop();
    assert_eq!((shop.last_seq().unwrap(), shop.changes_since(0, 9).unwrap()), (0, vec![]));
    shop.put(&[put("a", &[]), put("b", &[])]).unwrap();
    shop.put(&[put("a", &[1])]).unwrap();
    shop.remove(&["b".into()]).unwrap();
    let read = |seq, limit| -> Vec<_> {
        let changes = shop.changes_since(seq, limit).unwrap();
        changes.into_iter().map(|c| (c.seq, c.row, c.id, c.kind)).collect()
    };
    let all = [
        (1, 1, "a".to_owned(), ChangeKind::Put),
        (2, 2, "b".to_owned(), ChangeKind::Put),
        (3, 1, "a".to_owned(), ChangeKind::Put),
        (4, 2, "b".to_owned(), ChangeKind::Removed),
    ];
    assert_eq!(read(0, 100), all);
    assert_eq!(read(1, 2), all[1..3]);
    assert_eq!(read(4, 100), []);
    assert_eq!(read(u64::MAX, usize::MAX), []);
    // Collecting leaves the latest of each product: a follower still ends at the same state.
    shop.gc().unwrap();
    assert_eq!(read(0, 100), all[2..]);
    assert_eq!(shop.last_seq().unwrap(), 4);
}

#[test]
fn modes_create_or_update_only() {
    let shop = shop();
    let with = |mode, pictures| ProductPut { mode, ..put("a", pictures) };
    assert_eq!(status(&shop.put(&[with(Mode::Update, &[])]).unwrap()), [Status::Absent]);
    assert_eq!(status(&shop.put(&[with(Mode::Create, &[])]).unwrap()), [Status::Created]);
    assert_eq!(status(&shop.put(&[with(Mode::Create, &[1])]).unwrap()), [Status::Exists]);
    assert_eq!(status(&shop.put(&[with(Mode::Update, &[1])]).unwrap()), [Status::Updated]);
    assert_eq!(shop.last_seq().unwrap(), 2);
}

#[test]
fn one_product_that_cannot_be_kept_keeps_the_whole_batch_out() {
    let shop = shop();
    let field = |bad: ProductPut| match shop.put(&[put("good", &[1]), bad]) {
        Err(CatalogueError::InvalidProduct(fault)) => fault.field,
        other => panic!("{other:?}"),
    };
    assert_eq!(field(put("", &[])), "id");
    assert_eq!(
        field(ProductPut::upsert(Product::new("x"), vec![("main".into(), picture(1, 9))])),
        "pictures"
    );
    let mut empty = put("x", &[1]);
    empty.pictures[0].1 = [].into();
    assert_eq!(field(empty), "pictures");
    assert_eq!(shop.count().unwrap(), Counts::default());
    assert_eq!(shop.last_seq().unwrap(), 0);
}

#[test]
fn a_listing_in_parts_is_the_whole_listing() {
    let shop = shop();
    let ids = ["Z", "a", "a-1", "b", "é", "가"];
    shop.put(&ids.map(|id| put(id, &[]))).unwrap();
    let listed = |filter: Option<&Filter>, limit| {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = shop.list(filter, after.as_deref(), limit).unwrap();
            assert!(page.items.len() <= limit);
            found.extend(page.items.into_iter().map(|product| product.id));
            match page.next {
                Some(next) => after = Some(next),
                None => return found,
            }
        }
    };
    let filter = Filter::parse("not id in ('a', 'b')").unwrap();
    for limit in 1..=7 {
        assert_eq!(listed(None, limit), ids);
        assert_eq!(listed(Some(&filter), limit), ["Z", "a-1", "é", "가"]);
    }
}

#[test]
fn placements_can_be_walked_by_item() {
    let shop = shop();
    shop.put(&[put("a", &[1, 2]), put("b", &[2, 3, 4])]).unwrap();
    let mut walked = Vec::new();
    loop {
        let part = shop.all_placements(walked.last().copied().unwrap_or(0), 2).unwrap();
        if part.is_empty() {
            break;
        }
        for placement in part {
            assert_eq!(shop.placement(placement.item).unwrap().as_ref(), Some(&placement));
            assert!(shop.placements(placement.row).unwrap().contains(&placement));
            walked.push(placement.item);
        }
    }
    assert_eq!(walked, [1, 2, 3, 4, 5]);
    assert_eq!(shop.placement(6).unwrap(), None);
}

/// A hidden product keeps everything and shows followers nothing, also after its feed has put it anew.
#[test]
fn a_hidden_product_has_no_placements_until_it_is_shown() {
    let shop = shop();
    shop.put(&[put("a", &[1, 2]), put("b", &[2])]).unwrap();
    let before = items(&shop, "a");
    let hidden = shop.hide("a", true).unwrap().unwrap();
    assert_eq!((hidden, shop.last_seq().unwrap()), (3, 3), "followers are told");
    assert_eq!(shop.hide("a", true).unwrap(), Some(3), "nothing changes twice");
    assert!(items(&shop, "a").is_empty() && shop.placement(before[0].0).unwrap().is_none());
    assert_eq!(shop.all_placements(0, 10).unwrap().len(), 1);
    assert_eq!(shop.list_hidden(None, 10).unwrap().items[0].id, "a");
    assert!(shop.hidden_since("a").unwrap().is_some() && shop.hidden_since("b").unwrap().is_none());

    let mut dearer = put("a", &[1, 2]);
    dearer.product.price = Money::parse("9", "EUR").ok();
    shop.put(&[dearer]).unwrap();
    assert!(items(&shop, "a").is_empty());
    assert_eq!(shop.count().unwrap().placements, 3);
    assert_eq!(shop.hide("a", false).unwrap(), Some(5));
    assert_eq!(items(&shop, "a"), before, "the same items as before");
    assert_eq!(shop.hide("none", true).unwrap(), None);

    // One of the same id, put after a removal, is another one.
    shop.hide("a", true).unwrap();
    shop.remove(&["a".into()]).unwrap();
    shop.put(&[put("a", &[1])]).unwrap();
    assert_eq!(items(&shop, "a").len(), 1);
    assert!(shop.verify().unwrap().is_empty());
}

#[test]
fn a_product_that_is_looked_at_again_has_new_items_and_no_features() {
    let shop = shop();
    shop.put(&[put("a", &[1, 2]), put("b", &[3])]).unwrap();
    let [one, two, other] = [1, 2, 3].map(|seed| PictureHash::of(&picture(seed, 900)));
    let model = [7; 32];
    shop.put_features(&model, &[(one, b"x".to_vec()), (other, b"y".to_vec())]).unwrap();
    shop.mark_unreadable(&two, "a reason").unwrap();
    assert_eq!(shop.why_unreadable(&two).unwrap().as_deref(), Some("a reason"));
    assert_eq!(shop.look_again("a").unwrap(), Some(3));
    assert_eq!(items(&shop, "a").iter().map(|(item, _)| *item).collect::<Vec<_>>(), [4, 5]);
    assert_eq!((shop.features(&one, &model).unwrap(), shop.why_unreadable(&two).unwrap()), (None, None));
    assert_eq!(shop.features(&other, &model).unwrap().unwrap(), b"y");
    assert_eq!(shop.look_again("none").unwrap(), None);
    assert!(shop.verify().unwrap().is_empty());
}

#[test]
fn features_are_kept_by_picture_and_model() {
    let shop = shop();
    let hash = |seed| PictureHash::of(&picture(seed, 900));
    let (old, new) = ([1; 32], [2; 32]);
    shop.put(&[put("a", &[1, 2]), put("b", &[2, 3])]).unwrap();
    let left = |model: &[u8; 32]| {
        shop.pictures_without_features(model, 100).unwrap().into_iter().collect::<HashSet<_>>()
    };
    assert_eq!(left(&old), HashSet::from([hash(1), hash(2), hash(3)]));
    assert_eq!(shop.pictures_without_features(&old, 2).unwrap().len(), 2);

    shop.put_features(&old, &[(hash(1), vec![1; 5_000]), (hash(99), vec![9])]).unwrap();
    shop.put_features(&new, &[(hash(1), vec![2]), (hash(2), vec![])]).unwrap();
    shop.put_features(&new, &[(hash(1), vec![3])]).unwrap();
    assert_eq!(shop.features(&hash(1), &old).unwrap(), Some(vec![1; 5_000]));
    assert_eq!(shop.features(&hash(1), &new).unwrap(), Some(vec![3]));
    assert_eq!(shop.features(&hash(2), &new).unwrap(), Some(vec![]));
    assert_eq!(shop.features(&hash(2), &old).unwrap(), None);
    assert_eq!(shop.features(&hash(99), &old).unwrap(), None);
    assert_eq!((left(&old), left(&new)), (HashSet::from([hash(2), hash(3)]), HashSet::from([hash(3)])));

    shop.mark_unreadable(&hash(3), "not a picture").unwrap();
    shop.mark_unreadable(&hash(99), "not stored").unwrap();
    assert_eq!(shop.unreadable().unwrap(), [(hash(3), "not a picture".into())]);
    assert_eq!((left(&old), left(&new)), (HashSet::from([hash(2)]), HashSet::new()));
    assert_eq!(shop.retry_unreadable().unwrap(), 1);
    assert_eq!(left(&new), HashSet::from([hash(3)]));

    // What no product shows is no work.
    shop.remove(&["b".into()]).unwrap();
    assert_eq!(left(&new), HashSet::new());
    assert_eq!(shop.drop_features(&new).unwrap(), 2);
    assert_eq!(shop.features(&hash(1), &new).unwrap(), None);
    assert_eq!(shop.features(&hash(1), &old).unwrap(), Some(vec![1; 5_000]));
}

#[test]
fn an_export_is_of_one_moment_and_waits_for_no_writer() {
    let shop = shop();
    shop.put(&(0..20).map(|n| put(&format!("{n:02}"), &[])).collect::<Vec<_>>()).unwrap();
    let mut exported = Vec::new();
    shop.export(&mut |product| {
        // Written and read in the middle of it.
        shop.remove(&[format!("{:02}", 19 - exported.len())]).unwrap();
        shop.put(&[put(&format!("new {}", exported.len()), &[])]).unwrap();
        assert!(shop.count().unwrap().products == 20);
        exported.push(product.id);
        exported.len() < 15
    })
    .unwrap();
    assert_eq!(exported, (0..15).map(|n| format!("{n:02}")).collect::<Vec<_>>());
}
