//! The graph keeps the same contract.
use crate::{
    contract::{self, Backend, put, query},
    damage,
    model::{Chance, shape},
};
use std::path::Path;
use twinset_index::{
    Change, GraphIndex, GraphOptions, IndexError, Metric, Query, Room, Searcher, Selectivity, Shape,
    VectorIndex,
};

// A graph from the start, so that the small histories of the suite are about it.
const GRAPH: Backend = Backend {
    name: "graph",
    new: |shape| Box::new(GraphIndex::new(shape, GraphOptions { graph_from: 1, ..GraphOptions::default() })),
    open: |dir, shape| {
        let index = GraphIndex::open(dir, shape, GraphOptions::default())?;
        index.check_rest()?;
        Ok(Box::new(index))
    },
    recall: 0.97,
    similarity_error: 4e-3,
};

// The same with nothing but links and fronts in memory.
const ROOMLESS: Backend = Backend {
    name: "graph without room",
    new: |shape| Box::new(GraphIndex::new(shape, roomless())),
    open: |dir, shape| Ok(Box::new(GraphIndex::open(dir, shape, roomless())?)),
    ..GRAPH
};

fn roomless() -> GraphOptions {
    let room = Room { memory_bytes: 0, folder: std::env::temp_dir() };
    GraphOptions { graph_from: 1, room: Some(room), ..GraphOptions::default() }
}

#[test]
fn keeps_the_contract() {
    contract::check(&GRAPH);
}

#[test]
fn keeps_the_contract_without_room() {
    contract::check(&ROOMLESS);
}

#[test]
fn files_that_lie_are_refused() {
    damage::check(&GRAPH);
}

const SAMPLE: Shape = Shape { dim: 64, metric: Metric::InnerProduct, stamp: [0xcd; 32] };

/// Vectors of a few directions, so that a front of 52 numbers is learned.
fn sample_vector(chance: &mut Chance) -> Vec<f32> {
    let mut v: Vec<f32> = (0..SAMPLE.dim).map(|i| chance.bell() / (1.0 + i as f32)).collect();
    let length = v.iter().map(|x| x * x).sum::<f32>().sqrt();
    v.iter_mut().for_each(|x| *x /= length);
    v
}

/// With one plane of half-bytes for the rest.
#[test]
fn opens_the_sample_of_version_1_of_a_graph() {
    opens_the_sample("graph-1", 1e-3);
}

/// With two. `TWINSET_WRITE_SAMPLE=1` and this test wrote it.
#[test]
fn opens_the_sample_of_version_2_of_a_graph() {
    if std::env::var_os("TWINSET_WRITE_SAMPLE").is_some() {
        let dir = sample_dir("graph-2");
        let index = GraphIndex::new(SAMPLE, GraphOptions { graph_from: 1, ..GraphOptions::default() });
        let vectors = sample_vectors();
        let changes: Vec<Change> = vectors.iter().zip(0..).map(|(v, i)| put(i + 1000, i / 2, v)).collect();
        index.apply(76, &changes).unwrap();
        index.apply(77, &[Change::Remove { item: 1200 }]).unwrap();
        index.set_effort(Selectivity::Few, 77);
        index.save(&dir).unwrap();
    }
    let index = opens_the_sample("graph-2", 1e-3);
    assert_eq!(Selectivity::EVERY.map(|class| index.effort(class)), [100, 100, 100, 77]);
}

fn sample_dir(name: &str) -> std::path::PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/sample")).join(name)
}

fn sample_vectors() -> Vec<Vec<f32>> {
    let mut chance = Chance(21);
    (0..201).map(|_| sample_vector(&mut chance)).collect()
}

fn opens_the_sample(name: &str, within: f32) -> GraphIndex {
    let vectors = sample_vectors();
    // A copy, since nobody may write into the sample.
    let copy = tempfile::tempdir().unwrap();
    for file in ["manifest", "graph-0000000000000001.data"] {
        std::fs::copy(sample_dir(name).join(file), copy.path().join(file)).unwrap();
    }
    let index = GraphIndex::open(copy.path(), SAMPLE, GraphOptions::default()).unwrap();
    index.check_rest().unwrap();
    let state = index.snapshot();
    assert_eq!((state.seq(), state.len()), (77, 200));
    assert!(state.margin() > 0.0, "it is a graph");
    for (vector, i) in vectors[..200].iter().zip(0u32..) {
        let found = state.search(&query(vector, 3)).unwrap();
        assert_eq!((found[0].item, found[0].group), (i + 1000, i / 2));
        assert!((found[0].similarity - 1.0).abs() < within, "{found:?}");
    }
    assert!(state.search(&query(&vectors[200], 200)).unwrap().iter().all(|c| c.item != 1200));
    // And goes on from there.
    index.apply(78, &[put(1200, 100, &vectors[200])]).unwrap();
    assert_eq!(index.snapshot().search(&query(&vectors[200], 1)).unwrap()[0].item, 1200);
    index
}

/// Vectors in 40 clusters with decaying directions, as catalogues have them.
fn catalogue_vector(chance: &mut Chance, shape: Shape) -> Vec<f32> {
    let mut centre = Chance(chance.below(40) + 77);
    (0..shape.dim).map(|i| (1.5 * centre.bell() + chance.bell()) / (1.0 + i as f32 / 8.0).sqrt()).collect()
}

fn recall(
    index: &GraphIndex,
    chance: &mut Chance,
    width: usize,
    groups: Option<&roaring::RoaringBitmap>,
) -> f64 {
    let (state, shape) = (index.snapshot(), index.shape());
    let (mut right, mut wanted) = (0, 0);
    for _ in 0..200 {
        let vector = catalogue_vector(chance, shape);
        let asked = Query { groups, ..query(&vector, 10) };
        let truth = state.search(&Query { exact: true, ..asked.clone() }).unwrap();
        let found = state.search_with(&asked, width).unwrap();
        wanted += truth.len();
        right += truth.iter().filter(|t| found.iter().any(|f| f.item == t.item)).count();
    }
    right as f64 / wanted.max(1) as f64
}

fn lot(chance: &mut Chance, shape: Shape, items: std::ops::Range<u32>) -> Vec<Change> {
    items.map(|i| put(i, i, &catalogue_vector(chance, shape))).collect()
}

/// Every item leaves and another comes, ten times over; what is found stays as good as in a graph made
/// at once, and places are used again.
#[test]
fn quality_and_memory_outlive_ten_turnovers() {
    let shape = shape(96, Metric::L2);
    let mut chance = Chance(4);
    let options = GraphOptions { graph_from: 500, ..GraphOptions::default() };
    let index = GraphIndex::new(shape, options.clone());
    let (many, step) = (3000u32, 600u32);
    for from in (0..many).step_by(step as usize) {
        index.apply(u64::from(from) + 1, &lot(&mut chance, shape, from..from + step)).unwrap();
    }
    let before = index.snapshot().graph_bytes();
    let last = 11 * many;
    let mut living = std::collections::VecDeque::new();
    for from in (many..last).step_by(step as usize) {
        let mut changes: Vec<Change> =
            (from - many..from - many + step).map(|item| Change::Remove { item }).collect();
        let new = lot(&mut chance, shape, from..from + step);
        changes.extend(new.iter().cloned());
        living.push_back(new);
        if living.len() > (many / step) as usize {
            living.pop_front();
        }
        index.apply(u64::from(from) + 1, &changes).unwrap();
    }
    index.settle();
    let after = index.snapshot().graph_bytes();
    assert_eq!(index.snapshot().len(), many as usize);
    assert!(after <= before * 5 / 4, "{before} bytes grew to {after}");
    let state = index.snapshot();
    assert!(state.sample(many as usize, 0).iter().all(|(item, _)| (last - many..last).contains(item)));
    assert_eq!(state.removed(), 0, "swept");
    let fresh = GraphIndex::new(shape, options);
    living.iter().zip(1..).for_each(|(lot, seq)| fresh.apply(seq, lot).unwrap());
    fresh.settle();
    for (width, within) in [(20, 0.02), (100, 0.005)] {
        let [found, wanted] = [&index, &fresh].map(|index| recall(index, &mut Chance(9), width, None));
        assert!(found >= wanted - within, "width {width}: {found}, made at once {wanted}");
    }
    index.apply(u64::from(last) + 1, &[Change::Remove { item: last - 1 }]).unwrap();
    assert_eq!((index.snapshot().removed(), index.snapshot().len()), (1, many as usize - 1));
}

/// A vector that varies in few directions, other ones in each season.
fn season_vector(chance: &mut Chance, shape: Shape, season: usize) -> Vec<f32> {
    let mut centre = Chance(chance.below(40) + 77);
    let fall = |i: usize| ((i + season * shape.dim / 2) % shape.dim) as f32 / 6.0;
    (0..shape.dim).map(|i| (1.5 * centre.bell() + chance.bell()) / (1.0 + fall(i))).collect()
}

/// The catalogue turns over to another season whose pictures vary otherwise: that is noticed, and learned anew.
#[test]
fn a_front_that_no_longer_suits_is_noticed_and_learned_anew() {
    let shape = shape(160, Metric::L2);
    let mut chance = Chance(14);
    let options = GraphOptions { graph_from: 2000, ..GraphOptions::default() };
    let index = GraphIndex::new(shape, options.clone());
    let vectors: Vec<Vec<f32>> =
        (0..7500).map(|item| season_vector(&mut chance, shape, usize::from(item >= 4500))).collect();
    let step = |index: &GraphIndex, from: u32| {
        let mut changes: Vec<Change> = (from..from + 500).map(|i| put(i, i, &vectors[i as usize])).collect();
        changes
            .extend((from..from + 500).filter_map(|i| Some(Change::Remove { item: i.checked_sub(3000)? })));
        index.apply(u64::from(from), &changes).unwrap();
    };
    (0..4500).step_by(500).for_each(|from| step(&index, from));
    assert!(!index.has_drifted(), "the same season");
    (4500..7500).step_by(500).for_each(|from| step(&index, from));
    assert!(index.has_drifted(), "another season");
    let fresh = GraphIndex::new(shape, options);
    let changes: Vec<Change> = (4500..7500).map(|i| put(i, i, &vectors[i as usize])).collect();
    fresh.apply(1, &changes).unwrap();
    let mut asked = Chance(5);
    let queries: Vec<Vec<f32>> = (0..200).map(|_| season_vector(&mut asked, shape, 1)).collect();
    let found = |index: &GraphIndex| {
        let state = index.snapshot();
        let distance = |i: u32, q: &[f32]| -> f32 {
            vectors[i as usize].iter().zip(q).map(|(a, b)| (a - b) * (a - b)).sum()
        };
        let right = queries.iter().map(|q| {
            let mut all: Vec<f32> = (4500..7500).map(|i| distance(i, q)).collect();
            let (_, tenth, _) = all.select_nth_unstable_by(9, f32::total_cmp);
            let found = state.search_with(&query(q, 10), 30).unwrap();
            found.iter().filter(|c| distance(c.item, q) <= *tenth).count()
        });
        right.sum::<usize>() as f64 / 2000.0
    };
    let (before, old) = (found(&index), index.snapshot());
    // Of some the index must make do with its own codes.
    index.relearn(&|item| (item % 3 > 0).then(|| vectors[item as usize].clone()));
    assert!(!index.has_drifted() && index.snapshot().len() == 3000);
    let (after, wanted) = (found(&index), found(&fresh));
    assert!(after > before && after >= wanted - 0.02, "{before} became {after}, made at once {wanted}");
    assert_eq!(
        old.search_with(&query(&queries[0], 10), 30).unwrap().len(),
        10,
        "the old state stays as it was"
    );
    // And goes on.
    index.apply(8000, &[put(9000, 1, &vectors[0]), Change::Remove { item: 4600 }]).unwrap();
    let state = index.snapshot();
    assert_eq!(state.search(&query(&vectors[0], 1)).unwrap()[0].item, 9000);
    assert!(state.search(&query(&vectors[4600], 50)).unwrap().iter().all(|c| c.item != 4600));
}

/// Pictures of which the front leaves out much are found by themselves, and by what is hardly different, about as often as
/// those of which it leaves out little.
#[test]
fn what_is_searched_for_by_itself_is_found_at_small_effort() {
    let shape = shape(300, Metric::L2);
    let mut chance = Chance(17);
    let index = GraphIndex::new(shape, GraphOptions { graph_from: 500, ..GraphOptions::default() });
    // Every tenth has a large rest.
    let vectors: Vec<Vec<f32>> = (0..6000)
        .map(|i| {
            let rest = if i % 10 == 0 { 0.5 } else { 0.1 };
            let mut vector = season_vector(&mut chance, shape, 0);
            vector[100..].iter_mut().for_each(|x| *x += rest * chance.bell());
            vector
        })
        .collect();
    let changes: Vec<Change> = vectors.iter().zip(0..).map(|(v, i)| put(i, i, v)).collect();
    index.apply(1, &changes).unwrap();
    let state = index.snapshot();
    let found = |first: u32, noise: f32, chance: &mut Chance| {
        let asked = (first..6000).step_by(10);
        let right = asked.clone().filter(|&i| {
            let near: Vec<f32> = vectors[i as usize].iter().map(|x| x + noise * chance.bell()).collect();
            state.search_with(&query(&near, 10), 40).unwrap()[0].item == i
        });
        right.count() as f64 / asked.count() as f64
    };
    for noise in [0.0, 0.02] {
        let [much, little] = [0, 5].map(|first| found(first, noise, &mut chance));
        assert!(much >= 0.9 && much >= little - 0.1, "noise {noise}: {much}, others {little}");
    }
}

#[test]
fn effort_is_saved_and_damage_behind_the_links_is_told_when_it_is_looked_for() {
    let (dir, shape) = (tempfile::tempdir().unwrap(), shape(96, Metric::L2));
    let index = GraphIndex::new(shape, GraphOptions { graph_from: 500, ..GraphOptions::default() });
    index.apply(3, &lot(&mut Chance(3), shape, 0..2000)).unwrap();
    index.set_effort(Selectivity::Some, 345);
    index.save(dir.path()).unwrap();
    let open = || GraphIndex::open(dir.path(), shape, GraphOptions::default()).unwrap();
    assert_eq!(open().effort(Selectivity::Some), 345);
    let path = dir.path().join("graph-0000000000000001.data");
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.len() - 70_000;
    bytes[at] ^= 4;
    std::fs::write(&path, &bytes).unwrap();
    let index = open();
    assert!(index.fell_back().is_none());
    assert!(matches!(index.check_rest(), Err(IndexError::Damaged { .. })));
    // Searches go on meanwhile, and what it saves is as it found it but for what was damaged.
    assert_eq!(index.snapshot().search(&query(&[1.0; 96], 10)).unwrap().len(), 10);
}

/// The same changes, searches and saves with and without room: the same answers.
#[test]
fn what_has_no_room_in_memory_is_answered_from_the_disk() {
    let (dir, shape) = (tempfile::tempdir().unwrap(), shape(300, Metric::L2));
    let room = Room { memory_bytes: 2 << 20, folder: dir.path().into() };
    let options = GraphOptions { graph_from: 500, ..GraphOptions::default() };
    let tight = GraphOptions { room: Some(room), ..options.clone() };
    let (wide, mut small) = (GraphIndex::new(shape, options), GraphIndex::new(shape, tight.clone()));
    let mut chance = Chance(23);
    let (mut seq, mut right) = (0, 0);
    for round in 0..4 {
        let mut changes: Vec<Change> =
            (0..1500 * round).step_by(5).map(|item| Change::Remove { item }).collect();
        changes.extend(
            (1500 * round..1500 * (round + 1)).map(|i| put(i, i, &season_vector(&mut chance, shape, 0))),
        );
        seq += 1;
        [&wide, &small].into_iter().for_each(|index| index.apply(seq, &changes).unwrap());
        let states = [wide.snapshot(), small.snapshot()];
        for _ in 0..40 {
            let vector = season_vector(&mut chance, shape, 0);
            let exact = Query { exact: true, ..query(&vector, 10) };
            let [a, b] = [&states[0], &states[1]].map(|state| state.search(&exact).unwrap());
            assert_eq!(a, b, "round {round}");
            let found = states[1].search_with(&query(&vector, 10), 100).unwrap();
            right += found.iter().filter(|c| a.contains(c)).count();
        }
        small.save(&dir.path().join("index")).unwrap();
        small = GraphIndex::open(&dir.path().join("index"), shape, tight.clone()).unwrap();
        small.check_rest().unwrap();
    }
    assert!(right >= 1600 * 97 / 100, "{right} of 1600");
    let [wide, small] = [wide.snapshot(), small.snapshot()];
    assert_eq!((wide.disk_bytes(), small.len()), (0, wide.len()));
    assert!(small.disk_bytes() > 0 && small.graph_bytes() < wide.graph_bytes());
}

#[test]
fn filters_of_every_selectivity_find_what_passes() {
    let shape = shape(96, Metric::L2);
    let mut chance = Chance(6);
    let index = GraphIndex::new(shape, GraphOptions { graph_from: 500, ..GraphOptions::default() });
    let changes: Vec<Change> = (0..6000).map(|i| put(i, i, &catalogue_vector(&mut chance, shape))).collect();
    index.apply(1, &changes).unwrap();
    let state = index.snapshot();
    assert_eq!(state.selectivity(&query(&[1.0; 96], 1)), Selectivity::All);
    for (of_10_000, class) in
        [(5000, Selectivity::Many), (500, Selectivity::Some), (50, Selectivity::Few), (10, Selectivity::Few)]
    {
        let groups =
            (0..6000).filter(|_| chance.below(10_000) < of_10_000).collect::<roaring::RoaringBitmap>();
        let vector = catalogue_vector(&mut chance, shape);
        let asked = Query { groups: Some(&groups), ..query(&vector, 10) };
        assert_eq!(state.selectivity(&asked), class, "{of_10_000}");
        let found = state.search(&asked).unwrap();
        assert!(found.len() as u64 == groups.len().min(10) && found.iter().all(|c| groups.contains(c.group)));
        let found = recall(&index, &mut chance, 60, Some(&groups));
        assert!(found >= 0.98, "{of_10_000} of 10,000 pass: {found}");
    }
}
