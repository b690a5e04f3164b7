//! The graph keeps the same contract.
use crate::{
    contract::{self, Backend, put, query},
    damage,
    model::{Chance, shape},
};
use std::path::Path;
use twinset_index::{
    Change, GraphIndex, GraphOptions, Metric, Query, Searcher, Selectivity, Shape, VectorIndex,
};

// A graph from the start, so that the small histories of the suite are about it.
const GRAPH: Backend = Backend {
    name: "graph",
    new: |shape| Box::new(GraphIndex::new(shape, GraphOptions { graph_from: 1, ..GraphOptions::default() })),
    open: |dir, shape| {
        GraphIndex::open(dir, shape, GraphOptions::default())
            .map(|index| Box::new(index) as Box<dyn VectorIndex>)
    },
    recall: 0.97,
    // Half a byte a number of the rest, which random vectors have a tenth of their length in.
    similarity_error: 6e-3,
};

#[test]
fn keeps_the_contract() {
    contract::check(&GRAPH);
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

/// `TWINSET_WRITE_SAMPLE=1 cargo test -p twinset-index --test it sample_of_version_1_of_a_graph` wrote it.
#[test]
fn opens_the_sample_of_version_1_of_a_graph() {
    let dir = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/sample/graph-1"));
    let mut chance = Chance(21);
    let vectors: Vec<Vec<f32>> = (0..201).map(|_| sample_vector(&mut chance)).collect();
    if std::env::var_os("TWINSET_WRITE_SAMPLE").is_some() {
        let index = GraphIndex::new(SAMPLE, GraphOptions { graph_from: 1, ..GraphOptions::default() });
        let changes: Vec<Change> = vectors.iter().zip(0..).map(|(v, i)| put(i + 1000, i / 2, v)).collect();
        index.apply(76, &changes).unwrap();
        index.apply(77, &[Change::Remove { item: 1200 }]).unwrap();
        index.save(dir).unwrap();
    }
    // A copy, since nobody may write into the sample.
    let copy = tempfile::tempdir().unwrap();
    for name in ["manifest", "graph-0000000000000001.data"] {
        std::fs::copy(dir.join(name), copy.path().join(name)).unwrap();
    }
    let index = GraphIndex::open(copy.path(), SAMPLE, GraphOptions::default()).unwrap();
    let state = index.snapshot();
    assert_eq!((state.seq(), state.len()), (77, 200));
    assert!(state.margin() > 0.0, "it is a graph");
    for (vector, i) in vectors[..200].iter().zip(0u32..) {
        let found = state.search(&query(vector, 3)).unwrap();
        assert_eq!((found[0].item, found[0].group), (i + 1000, i / 2));
        assert!((found[0].similarity - 1.0).abs() < 1e-3);
    }
    assert!(state.search(&query(&vectors[200], 200)).unwrap().iter().all(|c| c.item != 1200));
    // And goes on from there.
    index.apply(78, &[put(1200, 100, &vectors[200])]).unwrap();
    assert_eq!(index.snapshot().search(&query(&vectors[200], 1)).unwrap()[0].item, 1200);
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

/// Every item leaves and another comes, five times over; what is found stays as good as in a graph made
/// at once, and places are used again.
#[test]
fn quality_and_memory_outlive_many_turnovers() {
    let shape = shape(96, Metric::L2);
    let mut chance = Chance(4);
    let index = GraphIndex::new(shape, GraphOptions { graph_from: 500, ..GraphOptions::default() });
    let many = 4000u32;
    let mut lot = |from: u32| -> Vec<Change> {
        (from..from + many / 5).map(|i| put(i, i, &catalogue_vector(&mut chance, shape))).collect()
    };
    for from in (0..many).step_by(many as usize / 5) {
        index.apply(u64::from(from) + 1, &lot(from)).unwrap();
    }
    let before = index.snapshot().graph_bytes();
    let last = 6 * many;
    for from in (many..last).step_by(many as usize / 5) {
        let gone = from - many..from - many + many / 5;
        let mut changes: Vec<Change> = gone.map(|item| Change::Remove { item }).collect();
        changes.extend(lot(from));
        index.apply(u64::from(from) + 1, &changes).unwrap();
    }
    index.settle();
    let after = index.snapshot().graph_bytes();
    assert_eq!(index.snapshot().len(), many as usize);
    assert!(after <= before * 5 / 4, "{before} bytes grew to {after}");
    let state = index.snapshot();
    assert!(state.sample(many as usize, 0).iter().all(|(item, _)| (last - many..last).contains(item)));
    for (width, least) in [(20, 0.90), (100, 0.985)] {
        let found = recall(&index, &mut Chance(9), width, None);
        assert!(found >= least, "width {width}: {found}");
    }
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
