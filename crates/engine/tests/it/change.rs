//! What becomes of puts and removals.

use crate::drawn::{
    Fixture, LONG, check_finds, ids, numbered, open, picture, product, request, settle, shop_of,
};
use std::time::Duration;
use twinset_catalogue::{CatalogueName, Status};
use twinset_engine::{EngineError, SearchRequest, State};

#[test]
fn what_was_removed_never_appears_again() {
    let fixture = Fixture::with((0..8).map(numbered).collect());
    for n in 0..8 {
        let gone = format!("p{n}");
        let outcomes = fixture.shop.remove(std::slice::from_ref(&gone)).unwrap();
        assert_eq!(outcomes[0].status, Status::Deleted);
        // At once, and when the index has learned of it.
        for _ in 0..2 {
            let answer = fixture.shop.search(&request(n)).unwrap();
            assert!(!ids(&answer).contains(&gone.as_str()));
            assert!(fixture.shop.wait_searchable(outcomes[0].seq.unwrap(), LONG));
        }
    }
    let status = fixture.shop.index_status().unwrap();
    assert_eq!((status.items, status.seq), (0, status.last_seq));
    // And comes back when it is put again.
    fixture.shop.put(vec![numbered(3)]).unwrap();
    settle(&fixture.shop);
    check_finds(&fixture.shop, [3]);
}

#[test]
fn what_is_hidden_is_not_found_until_it_is_shown() {
    let fixture = Fixture::with((0..4).map(numbered).collect());
    let shop = &fixture.shop;
    let hidden = shop.hide("p2", true).unwrap().unwrap();
    for _ in 0..2 {
        assert!(!ids(&shop.search(&request(2)).unwrap()).contains(&"p2"));
        assert!(shop.wait_searchable(hidden, LONG));
    }
    assert_eq!(shop.index_status().unwrap().items, 3);
    assert!(shop.verify_index().unwrap().is_sound());
    shop.rebuild_index(|_, _| {}).unwrap();
    assert!(!ids(&shop.search(&request(2)).unwrap()).contains(&"p2"));
    let shown = shop.hide("p2", false).unwrap().unwrap();
    assert!(shop.wait_searchable(shown, LONG));
    check_finds(shop, 0..4);
}

#[test]
fn a_product_is_looked_at_again_when_somebody_asks() {
    let fixture = Fixture::with((0..3).map(numbered).collect());
    let shop = &fixture.shop;
    let seen = |shop: &twinset_engine::Shop| {
        let picture = shop.catalogue().get("p1").unwrap().unwrap().images[0].picture.unwrap();
        shop.features(&picture).unwrap()
    };
    let before = (seen(shop), shop.index_status().unwrap().computed);
    let change = shop.look_again("p1").unwrap().unwrap();
    assert!(shop.wait_searchable(change, LONG));
    assert_eq!((seen(shop), shop.index_status().unwrap().computed), (before.0, before.1 + 1));
    check_finds(shop, 0..3);
    assert!(shop.verify_index().unwrap().is_sound());

    // What was found unreadable once may have been this machine's fault.
    let picture = shop.catalogue().get("p2").unwrap().unwrap().images[0].picture.unwrap();
    shop.catalogue().mark_unreadable(&picture, "a bad day").unwrap();
    let change = shop.look_again("p2").unwrap().unwrap();
    assert!(shop.wait_searchable(change, LONG));
    assert!(shop.unreadable().unwrap().is_empty());
    check_finds(shop, 0..3);
    assert_eq!(shop.look_again("none").unwrap(), None);
}

#[test]
fn new_pictures_take_the_place_of_old_ones() {
    let fixture = Fixture::with(vec![numbered(1), numbered(2)]);
    fixture.shop.put(vec![product("p1", &[picture(77)])]).unwrap();
    settle(&fixture.shop);
    let answer = fixture.shop.search(&request(77)).unwrap();
    assert_eq!(ids(&answer)[0], "p1");
    assert!(answer.hits[0].global > 0.999);
    let old = fixture.shop.search(&request(1)).unwrap();
    assert!(old.hits.iter().all(|hit| hit.global < 0.999_99), "the old picture is still found");
    assert_eq!(fixture.shop.index_status().unwrap().items, 2);
    assert!(fixture.shop.verify_index().unwrap().is_sound());
}

#[test]
fn a_search_can_demand_a_change() {
    let fixture = Fixture::with(vec![numbered(1)]);
    let outcomes = fixture.shop.put(vec![numbered(2)]).unwrap();
    let seq = outcomes[0].seq.unwrap();
    let answer = loop {
        match fixture.shop.search(&SearchRequest { min_seq: Some(seq), ..request(2) }) {
            Err(EngineError::NotYetSearchable { .. }) => {} // a busy machine
            other => break other.unwrap(),
        }
    };
    assert!(answer.seq >= seq);
    assert_eq!(ids(&answer)[0], "p2");
    let never = fixture.shop.search(&SearchRequest { min_seq: Some(seq + 1), ..request(2) });
    assert!(
        matches!(never, Err(EngineError::NotYetSearchable { wanted, seen }) if (wanted, seen) == (seq + 1, seq))
    );
    assert!(!fixture.shop.wait_searchable(seq + 1, Duration::from_millis(10)));
}

#[test]
fn a_picture_of_many_products_is_looked_at_once() {
    let puts = (0..20).map(|n| product(&format!("p{n}"), &[picture(5)])).collect();
    let fixture = Fixture::with(puts);
    assert_eq!(fixture.shop.index_status().unwrap().computed, 1);
    let answer = fixture.shop.search(&SearchRequest { fold_copies: false, ..request(5) }).unwrap();
    assert_eq!(answer.hits.len(), 20);
    assert!(answer.hits.iter().all(|hit| hit.global > 0.999));
    fixture.shop.put(vec![product("later", &[picture(5)])]).unwrap();
    settle(&fixture.shop);
    let status = fixture.shop.index_status().unwrap();
    assert_eq!((status.computed, status.items), (1, 21));
}

#[test]
fn an_unreadable_picture_is_listed_and_the_product_stays() {
    let broken = b"\x89PNG\r\n\x1a\nand then nothing of use".to_vec();
    let fixture = Fixture::with(vec![numbered(1), product("odd", &[broken.clone(), picture(2)])]);
    fixture.shop.put(vec![product("odder", &[broken])]).unwrap();
    settle(&fixture.shop);
    let list = fixture.shop.unreadable().unwrap();
    assert_eq!(list.len(), 1);
    assert!(!list[0].reason.is_empty());
    let shown_by = [("odd".to_owned(), "main".to_owned()), ("odder".to_owned(), "main".to_owned())];
    assert_eq!(list[0].shown_by, shown_by);
    assert_eq!(fixture.shop.index_status().unwrap().unreadable, 1);
    // The product stays, also in searches by its other picture.
    assert!(fixture.shop.catalogue().get("odder").unwrap().is_some());
    assert_eq!(ids(&fixture.shop.search(&request(2)).unwrap())[0], "odd");
    assert!(fixture.shop.verify_index().unwrap().is_sound());
}

#[test]
fn a_restart_goes_on_where_it_was() {
    let fixture = Fixture::with((0..5).map(numbered).collect());
    let Fixture { shop, engine, home } = fixture;
    assert_eq!(shop.flush().unwrap(), shop.index_status().unwrap().saved_seq);
    shop.put(vec![numbered(5)]).unwrap(); // perhaps never looked at
    engine.close();
    assert!(matches!(shop.put(vec![numbered(6)]), Err(EngineError::Closed)));
    assert_eq!(shop.index_status().unwrap().state, State::Closed);
    drop((shop, engine));

    let engine = open(home.path());
    let shop = shop_of(&engine);
    settle(&shop);
    check_finds(&shop, 0..6);
    assert!(shop.index_status().unwrap().computed <= 1);
}

#[test]
fn many_products_come_with_progress() {
    let fixture = Fixture::with(vec![]);
    let mut told = Vec::new();
    let mut puts: Vec<_> = (0..150).map(numbered).collect();
    puts[70].product.id = String::new();
    puts[70].product.title = Some("without an id".into());
    let report = fixture.shop.put_many(puts.clone(), &mut |progress| {
        told.push(*progress);
        true
    });
    let report = report.unwrap();
    assert_eq!((report.created, report.rejected.len()), (149, 1));
    let last = report.progress;
    assert_eq!((last.products, last.pictures, last.pictures_done), (149, 149, 149));
    assert!(told.windows(2).all(|w| w[0].pictures_done <= w[1].pictures_done));
    assert_eq!(fixture.shop.seq(), report.seq);
    check_finds(&fixture.shop, [0, 69, 71, 149]);

    let again = fixture.shop.put_many(puts.clone(), &mut |_| true).unwrap();
    assert_eq!((again.created, again.unchanged), (0, 149));
    let stopped = fixture.shop.put_many(puts, &mut |_| false).unwrap();
    assert!(stopped.stopped);
}

#[test]
fn catalogues_live_side_by_side() {
    let fixture = Fixture::with(vec![numbered(1)]);
    let name = CatalogueName::parse("other").unwrap();
    let other = fixture.engine.open_or_create(&name).unwrap();
    other.put(vec![numbered(2)]).unwrap();
    settle(&other);
    assert_eq!(ids(&other.search(&request(1)).unwrap()), ["p2"]);
    assert_eq!(ids(&fixture.shop.search(&request(2)).unwrap()), ["p1"]);
    assert_eq!(fixture.engine.catalogues().unwrap().len(), 2);
    drop(other);
    assert!(fixture.engine.remove(&name).unwrap());
    assert!(!fixture.engine.remove(&name).unwrap());
    assert!(fixture.engine.catalogue(&name).is_err());
}
