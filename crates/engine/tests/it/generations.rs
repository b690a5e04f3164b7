//! Other models are built beside, compared, swapped in and rolled back, while questions are asked.

use crate::drawn::{Fixture, LONG, check_finds, numbered, open, picture, product, request, settle, shop_of};
use std::sync::atomic::{AtomicBool, Ordering};
use twinset_engine::{EngineError, Pace, SearchRequest, Shop, Taken, Terms};
use twinset_nets::Package;

const FAST: Terms = Terms { pace: Pace { threads: 2, share: 1.0 }, force: false };
const FORCED: Terms = Terms { force: true, ..FAST };

fn other(seed: u64) -> Package {
    Package::default_embedder().randomised(seed)
}

fn all() -> SearchRequest {
    SearchRequest { limit: 100, fold_copies: false, ..request(3) }
}

fn take(shop: &Shop, embedder: &Package, terms: Terms) -> Result<Taken, EngineError> {
    shop.use_models(&Package::default_detector(), embedder, terms, &mut |_, _, _| true)
}

#[test]
fn no_answer_mixes_two_generations_and_rollback_is_exact() {
    let Fixture { shop, engine, home } = Fixture::with((0..20).map(numbered).collect());
    let own = shop.vision().name();
    let answer_of = |shop: &Shop| {
        let answer = shop.search(&all()).unwrap();
        // Cosines: a score also weighs what else there is.
        let hits = answer.hits.iter().map(|h| (h.product.id.clone(), h.global.to_bits())).collect::<Vec<_>>();
        (answer.model, hits)
    };
    let before = answer_of(&shop);
    let other = other(7);
    let stop = AtomicBool::new(false);
    let answers = std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut answers = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                answers.push(answer_of(&shop));
            }
            answers
        });
        let writing = scope.spawn(|| (20..26).for_each(|n| _ = shop.put(vec![numbered(n)]).unwrap()));
        let taken = take(&shop, &other, FORCED).unwrap();
        writing.join().unwrap();
        assert!(matches!(taken, Taken::InUse(_)), "{taken:?}");
        settle(&shop);
        (0..3).for_each(|_| assert_ne!(answer_of(&shop).0, own));
        stop.store(true, Ordering::Relaxed);
        asking.join().unwrap()
    });
    let after = answer_of(&shop);
    check_finds(&shop, 0..26);
    // With the same 20 products every answer of one model is the same; later ones have the new products, too.
    let whole = |answer: &(String, Vec<(String, u32)>)| {
        let expected = if answer.0 == own { &before.1 } else { &after.1 };
        answer.1.iter().all(|(id, cosine)| {
            id[1..].parse::<u32>().unwrap() >= 20 || expected.iter().any(|e| e == &(id.clone(), *cosine))
        })
    };
    assert!(answers.iter().all(whole), "an answer mixes two models");
    assert!(answers.iter().any(|a| a.0 == own));

    // It stays after a restart, and the program's own models come back exactly.
    drop((shop, engine));
    let engine = open(home.path());
    let shop = shop_of(&engine);
    assert_eq!(shop.vision().packages()[1], other.hash());
    settle(&shop);
    check_finds(&shop, 0..26);
    assert!(matches!(take(&shop, &other, FAST), Err(EngineError::SameModels)));
    assert_eq!(shop.rollback().unwrap().name(), own);
    let status = shop.index_status().unwrap();
    assert_eq!((status.model, status.items, status.seq), (own.clone(), 26, status.last_seq));
    check_finds(&shop, 0..26);
    for (id, cosine) in &before.1 {
        let now = shop.search(&all()).unwrap();
        let hit = now.hits.iter().find(|h| h.product.id == *id).unwrap();
        assert_eq!(hit.global.to_bits(), *cosine);
    }
    // And forth again.
    assert_ne!(shop.rollback().unwrap().name(), own);
    assert_eq!(shop.swaps().unwrap().len(), 3);
}

#[test]
fn building_can_be_stopped_and_goes_on_where_it_was() {
    let Fixture { shop, engine, home } = Fixture::with((0..300).map(numbered).collect());
    let other = other(8);
    let stopped = shop.use_models(&Package::default_detector(), &other, FAST, &mut |_, done, _| done == 0);
    assert_eq!(stopped.unwrap(), Taken::Stopped);
    drop((shop, engine));

    let engine = open(home.path());
    let shop = shop_of(&engine);
    let mut total_left = 0;
    let taken = shop.use_models(&Package::default_detector(), &other, FORCED, &mut |stage, _, total| {
        total_left = total_left.max(if stage == "building" { total } else { 0 });
        true
    });
    assert!(matches!(taken, Ok(Taken::InUse(_))));
    assert!(total_left < 300, "{total_left} of 300 changes were built again");
    // With weights drawn by chance, pictures look alike; but all are there.
    assert_eq!(shop.index_status().unwrap().items, 300);
    assert!(shop.verify_index().unwrap().is_sound());
}

#[test]
fn worse_models_are_refused_and_unknown_ones_too() {
    // Two pictures of each product: the same garment, once a little larger.
    let larger = |n: u32| {
        let photo = twinset_photo::decode(&picture(n), &twinset_photo::Limits::default()).unwrap();
        twinset_photo::encode_png(&photo.resize(110, 138))
    };
    let puts = (0..30).map(|n| product(&format!("p{n}"), &[picture(n), larger(n)])).collect();
    let Fixture { shop, engine: _engine, home: _home } = Fixture::with(puts);
    // A network that says the same of everything.
    let mut card = Package::default_embedder().card().clone();
    card.name = "blind".into();
    let mut tensors = Package::default_embedder().tensors();
    for tensor in tensors.iter_mut().filter(|t| t.name != "gem.p") {
        tensor.data.iter_mut().for_each(|x| *x = 0.0);
    }
    let blind = Package::build(&card, &tensors).unwrap();
    let own = shop.vision().name();
    match take(&shop, &blind, FAST).unwrap() {
        Taken::Worse(contest) => {
            assert_eq!((contest.products, contest.questions), (30, 60));
            assert!(contest.old.first > contest.new.first && contest.gain[2] < 0.0, "{contest:?}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(shop.vision().name(), own);
    assert!(shop.swaps().unwrap().is_empty());

    let few = Fixture::with(vec![numbered(1), numbered(2)]);
    assert!(matches!(take(&few.shop, &blind, FAST).unwrap(), Taken::Unknown(_)));
    assert!(matches!(few.shop.rollback(), Err(EngineError::NoEarlierModels)));
    assert!(few.shop.wait_searchable(2, LONG));
}
