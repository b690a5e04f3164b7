//! Searches are measured while nobody waits, and the exact answer is exact whatever the index keeps.

use crate::drawn::{LONG, check_finds, ids, numbered, request, settle, shop_of, vision};
use std::time::{Duration, Instant};
use twinset_catalogue::{CatalogueName, Settings};
use twinset_engine::{Engine, EngineError, Goal, GraphOptions, Options, SearchRequest};

fn open(home: &std::path::Path, graph_from: usize) -> Engine {
    let index = GraphOptions { graph_from, ..GraphOptions::default() };
    let measure_every = Duration::from_millis(20);
    Engine::open_with(home, Options { threads: 2, index, measure_every, ..Options::default() }, vision())
        .unwrap()
}

#[test]
fn queries_are_answered_once_more_and_their_recall_is_told() {
    let home = tempfile::tempdir().unwrap();
    let engine = open(home.path(), 8);
    let shop = shop_of(&engine);
    shop.put((0..24).map(numbered).collect()).unwrap();
    settle(&shop);
    for n in 0..12 {
        shop.search(&request(n)).unwrap();
        let filter = Some(twinset_catalogue::Filter::parse("id in ('p1', 'p2', 'p3')").unwrap());
        let filtered = SearchRequest { filter, ..request(n) };
        assert_eq!(shop.search(&filtered).unwrap().hits.len(), 3);
    }
    let start = Instant::now();
    let status = loop {
        let status = shop.index_status().unwrap();
        // Some items of the index are asked first; these twelve come after them, or between.
        if status.recall.len() == 2 && status.recall.iter().all(|r| r.queries >= 12) {
            break status;
        }
        assert!(start.elapsed() < LONG, "{status:?}");
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!((status.exact, status.goal), (false, Goal::Recall(0.98)));
    assert_eq!(
        status.recall.iter().map(|r| r.filter.name()).collect::<Vec<_>>(),
        ["none", "over_10_percent"]
    );
    for reading in &status.recall {
        let [mean, low, high] = reading.recall;
        assert!(mean > 0.95 && low <= mean && mean <= high && reading.ms > 0.0, "{reading:?}");
    }
}

#[test]
fn the_exact_answer_is_the_same_from_a_graph_and_from_the_vectors_themselves() {
    let home = tempfile::tempdir().unwrap();
    let answers = |graph_from| {
        let engine = open(home.path(), graph_from);
        let shop = shop_of(&engine);
        shop.put((0..60).map(numbered).collect()).unwrap();
        shop.rebuild_index(|_, _| {}).unwrap();
        assert_eq!(shop.index_status().unwrap().exact, graph_from > 60);
        let exact = |n| SearchRequest { exact: true, rerank: false, limit: 20, ..request(n) };
        (0..60)
            .step_by(7)
            .map(|n| {
                let answer = shop.search(&exact(n)).unwrap();
                let cosines: Vec<f32> = answer.hits.iter().map(|hit| hit.global).collect();
                (ids(&answer).iter().map(|&id| id.to_owned()).collect::<Vec<_>>(), cosines)
            })
            .collect::<Vec<_>>()
    };
    for (graph, vectors) in answers(8).iter().zip(&answers(1000)) {
        assert_eq!(graph.0, vectors.0);
        assert!(graph.1.iter().zip(&vectors.1).all(|(a, b)| (a - b).abs() < 1e-5));
    }
}

#[test]
fn goals_out_of_range_make_no_catalogue() {
    let home = tempfile::tempdir().unwrap();
    let engine = open(home.path(), 8);
    let name = CatalogueName::parse("shop").unwrap();
    let settings = Settings { recall: Some(1.5), ..Settings::default() };
    let refused = engine.create(&name, settings).map(|_| ());
    assert!(matches!(refused, Err(EngineError::BadRequest { field: "recall", .. })), "{refused:?}");
    let settings = Settings { recall: Some(0.995), ..Settings::default() };
    let shop = engine.create(&name, settings).unwrap();
    assert_eq!(shop.index_status().unwrap().goal, Goal::Recall(0.995));
}

#[test]
fn an_index_without_memory_answers_from_the_disk_and_says_so() {
    let home = tempfile::tempdir().unwrap();
    let engine = open(home.path(), 8);
    let settings = Settings { index_memory_mb: Some(0), ..Settings::default() };
    let shop = engine.create(&CatalogueName::parse("shop").unwrap(), settings).unwrap();
    shop.put((0..40).map(numbered).collect()).unwrap();
    settle(&shop);
    let status = shop.index_status().unwrap();
    assert_eq!((status.exact, status.memory_bytes, status.fell_back), (false, Some(0), None));
    assert!(status.disk_bytes > 0);
    check_finds(&shop, 0..40);
}
