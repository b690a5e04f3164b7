//! What every index promises, written once; each index runs all of it.
use crate::{
    damage,
    model::{Chance, Model, shape},
};
use roaring::RoaringBitmap;
use std::{path::Path, sync::Arc};
use twinset_index::{Candidate, Change, IndexError, Metric, Query, Searcher, Shape, Subject, VectorIndex};

type Open = fn(&Path, Shape) -> Result<Box<dyn VectorIndex>, IndexError>;

/// How the suite makes and opens an index.
pub(crate) struct Backend {
    pub(crate) name: &'static str,
    pub(crate) new: fn(Shape) -> Box<dyn VectorIndex>,
    pub(crate) open: Open,
    /// Least mean recall at 10 over a history; 1 means that answers must be equal.
    pub(crate) recall: f64,
    /// Largest relative error of a reported similarity.
    pub(crate) similarity_error: f32,
}

/// Random lives of each index.
const HISTORIES: u64 = 200;

pub(crate) fn check(backend: &Backend) {
    empty_and_single(backend);
    refusals_leave_everything(backend);
    ids_at_the_limits(backend);
    last_change_of_a_batch_counts(backend);
    old_snapshots_stay_as_they_were(backend);
    groups_and_filters(backend);
    equal_vectors(backend);
    for seed in 0..HISTORIES {
        history(backend, seed);
    }
    readers_and_writers(backend);
}

pub(crate) fn query(vector: &[f32], k: usize) -> Query<'_> {
    Query { vector, k, groups: None, one_per_group: false, exact: false }
}

pub(crate) fn put(item: u32, group: u32, vector: &[f32]) -> Change {
    Change::Put { item, group, vector: vector.to_vec() }
}

fn items(found: &[Candidate]) -> Vec<u32> {
    found.iter().map(|c| c.item).collect()
}

fn both() -> [Metric; 2] {
    [Metric::InnerProduct, Metric::L2]
}

fn empty_and_single(backend: &Backend) {
    for metric in both() {
        for dim in [1, 3, 8, 100] {
            let shape = shape(dim, metric);
            let index = (backend.new)(shape);
            let mut unit = vec![0.0; dim];
            unit[dim - 1] = 1.0;
            assert_eq!(index.shape(), shape);
            assert!(index.snapshot().is_empty() && index.snapshot().seq() == 0);
            assert_eq!(index.snapshot().search(&query(&unit, 10)).unwrap(), []);
            index.apply(1, &[Change::Remove { item: 4 }]).unwrap();
            assert_eq!((index.snapshot().seq(), index.snapshot().len()), (1, 0));
            index.apply(2, &[put(5, 50, &unit)]).unwrap();
            let found = index.snapshot().search(&query(&unit, usize::MAX)).unwrap();
            assert_eq!(items(&found), [5], "{}", backend.name);
            assert_eq!(found[0].group, 50);
            let best = if metric == Metric::L2 { 0.0 } else { 1.0 };
            assert!((found[0].similarity - best).abs() < 0.01, "{found:?}");
            assert_eq!(index.snapshot().search(&query(&unit, 0)).unwrap(), []);
            index.apply(3, &[Change::Remove { item: 5 }]).unwrap();
            assert!(
                index.snapshot().is_empty() && index.snapshot().search(&query(&unit, 3)).unwrap().is_empty()
            );
            index.apply(4, &[put(5, 51, &unit)]).unwrap();
            assert_eq!(index.snapshot().search(&query(&unit, 3)).unwrap()[0].group, 51);
        }
    }
}

fn refusals_leave_everything(backend: &Backend) {
    for metric in both() {
        let index = (backend.new)(shape(4, metric));
        let good = [0.5; 4];
        index.apply(10, &[put(1, 1, &good)]).unwrap();
        let refused = |changes: &[Change]| {
            let error = index.apply(11, changes).unwrap_err();
            let state = index.snapshot();
            assert_eq!((state.seq(), state.len()), (10, 1), "after: {error}");
            assert_eq!(items(&state.search(&query(&good, 9)).unwrap()), [1]);
            error
        };
        let batch = |bad: &[f32]| [put(2, 2, &good), Change::Remove { item: 1 }, put(77, 3, bad)];
        let of = Subject::Item(77);
        let zero = refused(&batch(&[0.0; 4]));
        assert!(matches!(zero, IndexError::ZeroVector { of: o } if o == of), "{zero}");
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let e = refused(&batch(&[0.5, 0.5, bad, 0.5]));
            assert!(matches!(e, IndexError::NotFinite { of: o, position: 2 } if o == of), "{e}");
        }
        for bad in [&[][..], &[1.0], &[0.4; 5]] {
            let e = refused(&batch(bad));
            assert!(
                matches!(e, IndexError::WrongDimension { found, expected: 4 } if found == bad.len()),
                "{e}"
            );
        }
        for bad in [f32::MAX, 1e-30] {
            let e = refused(&batch(&[bad; 4]));
            assert!(matches!(e, IndexError::BadLength { of: o, .. } if o == of), "{e}");
        }
        let late = index.apply(9, &[]).unwrap_err();
        assert!(matches!(late, IndexError::TooLate { given: 9, covered: 10 }), "{late}");
        let state = index.snapshot();
        for bad in [&[f32::NAN; 4][..], &[0.0; 4], &[1.0; 3], &[]] {
            assert!(state.search(&query(bad, 1)).is_err());
        }
        index.apply(10, &[put(2, 2, &good)]).unwrap();
        assert_eq!(index.snapshot().len(), 2, "the same number again continues a batch");
    }
}

fn ids_at_the_limits(backend: &Backend) {
    let index = (backend.new)(shape(2, Metric::L2));
    let max = u32::MAX;
    index.apply(u64::MAX, &[put(max, max, &[1.0, 0.0]), put(0, 0, &[0.0, 1.0])]).unwrap();
    let groups = RoaringBitmap::from_iter([max]);
    let wanted = Query { groups: Some(&groups), ..query(&[0.0, 1.0], 5) };
    let state = index.snapshot();
    assert_eq!(items(&state.search(&wanted).unwrap()), [max]);
    assert_eq!(items(&state.search(&query(&[0.0, 1.0], 5)).unwrap()), [0, max]);
    assert_eq!(state.seq(), u64::MAX);
}

fn last_change_of_a_batch_counts(backend: &Backend) {
    let index = (backend.new)(shape(2, Metric::InnerProduct));
    let (x, y) = ([1.0, 0.0], [0.0, 1.0]);
    let changes = [
        put(1, 1, &x),
        put(1, 2, &y),
        put(2, 3, &x),
        Change::Remove { item: 2 },
        Change::Remove { item: 3 },
        put(3, 4, &x),
    ];
    index.apply(1, &changes).unwrap();
    let found = index.snapshot().search(&query(&x, 9)).unwrap();
    assert_eq!(found.iter().map(|c| (c.item, c.group)).collect::<Vec<_>>(), [(3, 4), (1, 2)]);
}

fn old_snapshots_stay_as_they_were(backend: &Backend) {
    let shape = shape(8, Metric::L2);
    let index = (backend.new)(shape);
    let mut chance = Chance(5);
    let mut kept: Vec<(Arc<dyn Searcher>, Model)> = Vec::new();
    let mut model = Model::new(shape);
    for seq in 1..=30 {
        let changes: Vec<Change> = (0..40).map(|_| random_change(&mut chance, shape, 300, true)).collect();
        index.apply(seq, &changes).unwrap();
        model.apply(seq, &changes);
        kept.push((index.snapshot(), model.clone()));
    }
    for (state, model) in kept {
        assert_eq!((state.seq(), state.len()), (model.seq, model.items.len()));
        let vector = chance.exact_vector(shape);
        let wanted = Query { exact: true, ..query(&vector, model.items.len()) };
        let mut found = items(&state.search(&wanted).unwrap());
        found.sort_unstable();
        assert_eq!(found, model.items.keys().copied().collect::<Vec<_>>(), "{}", backend.name);
    }
}

fn groups_and_filters(backend: &Backend) {
    let shape = shape(16, Metric::InnerProduct);
    let (index, mut model, mut chance) = ((backend.new)(shape), Model::new(shape), Chance(11));
    let changes: Vec<Change> = (0..3000).map(|i| put(i, i / 3, &chance.vector(shape, 20))).collect();
    index.apply(1, &changes).unwrap();
    model.apply(1, &changes);
    let state = index.snapshot();
    for share in [1000, 500, 100, 10, 1, 0] {
        let groups = RoaringBitmap::from_iter((0..1000).filter(|_| chance.below(1000) < share));
        let (mut hits, mut wanted_hits) = (0, 0);
        for _ in 0..40 {
            let vector = chance.vector(shape, 20);
            let wanted = Query { groups: Some(&groups), one_per_group: true, ..query(&vector, 10) };
            let (found, truth) = (state.search(&wanted).unwrap(), model.search(&wanted));
            let mut seen = std::collections::HashSet::new();
            for c in &found {
                assert!(groups.contains(c.group) && seen.insert(c.group) && c.group == c.item / 3);
            }
            hits += truth.iter().filter(|t| found.iter().any(|f| f.group == t.group)).count();
            wanted_hits += truth.len();
        }
        let recall = hits as f64 / wanted_hits.max(1) as f64;
        assert!(
            wanted_hits == 0 || recall >= backend.recall,
            "{}: {recall} at {share} of 1000",
            backend.name
        );
    }
}

fn equal_vectors(backend: &Backend) {
    let shape = shape(8, Metric::L2);
    let (index, mut chance) = ((backend.new)(shape), Chance(3));
    let vector = [1.0, 2.0, -1.0, 0.0, 3.0, 1.0, 1.0, 0.5];
    for batch in 0..10 {
        let changes: Vec<Change> = (0..1000).map(|i| put(batch * 1000 + i, i, &vector)).collect();
        index.apply(u64::from(batch) + 1, &changes).unwrap();
    }
    let other: Vec<Change> = (0..50).map(|i| put(20_000 + i, i, &chance.vector(shape, 5))).collect();
    index.apply(11, &other).unwrap();
    let state = index.snapshot();
    assert_eq!(state.len(), 10_050);
    let found = state.search(&Query { exact: true, ..query(&vector, 20) }).unwrap();
    assert_eq!(items(&found), (0..20).collect::<Vec<_>>(), "ties by item");
    let found = state.search(&query(&vector, 20)).unwrap();
    assert!(found.len() == 20 && found.iter().all(|c| c.item < 10_000), "{}", backend.name);
    // The few others must not drown among the equal ones.
    let Change::Put { vector, .. } = &other[7] else { unreachable!() };
    assert_eq!(items(&state.search(&query(vector, 1)).unwrap()), [20_007], "{}", backend.name);
    let all: Vec<Change> = (0..10_000).map(|item| Change::Remove { item }).collect();
    index.apply(12, &all).unwrap();
    assert_eq!(index.snapshot().search(&query(vector, 100)).unwrap().len(), 50, "{}", backend.name);
}

fn random_change(chance: &mut Chance, shape: Shape, ids: u64, exact: bool) -> Change {
    let item = chance.below(ids) as u32;
    if chance.below(3) == 0 {
        return Change::Remove { item };
    }
    let vector = if exact { chance.exact_vector(shape) } else { chance.vector(shape, 12) };
    Change::Put { item, group: chance.below(ids / 2 + 1) as u32, vector }
}

/// A random life: batches of every size, searches of every kind, saves, crashes and catching up.
fn history(backend: &Backend, seed: u64) {
    let mut chance = Chance(seed ^ 0x7135);
    let metric = both()[chance.below(2) as usize];
    let shape = shape([2, 5, 8, 24, 65, 128][chance.below(6) as usize], metric);
    // Vectors whose arithmetic is exact allow equality with the model, ties and all.
    let exact = chance.below(2) == 0;
    let say = |what: &str| format!("{} history {seed} ({shape:?}): {what}", backend.name);
    let dir = tempfile::tempdir().unwrap();
    let mut index = (backend.new)(shape);
    let mut model = Model::new(shape);
    let mut log: Vec<(u64, Vec<Change>)> = Vec::new();
    let (mut hits, mut wanted_hits, mut torn) = (0, 0, false);
    let ids = [20, 400, 3000][chance.below(3) as usize];
    for step in 0..60 {
        match chance.below(12) {
            0..6 => {
                let seq = model.seq + 1 + chance.below(3);
                let many = [1, 3, 30, 300, 1000][chance.below(5) as usize];
                let changes: Vec<Change> =
                    (0..many).map(|_| random_change(&mut chance, shape, ids, exact)).collect();
                index.apply(seq, &changes).unwrap();
                model.apply(seq, &changes);
                log.push((seq, changes));
            }
            6 => {
                assert_eq!(index.save(dir.path()).unwrap(), model.seq);
                torn = false;
            }
            7 => {
                // A crash: whatever was not saved is applied again from the log. It may have torn what was saved last.
                drop(index);
                if chance.below(3) == 0 {
                    torn |= damage::tear(dir.path(), &mut chance).is_some();
                }
                index = match (backend.open)(dir.path(), shape) {
                    Ok(index) => index,
                    Err(IndexError::Missing { .. }) => (backend.new)(shape),
                    Err(IndexError::Damaged { .. }) if torn => (backend.new)(shape),
                    Err(e) => panic!("{}", say(&e.to_string())),
                };
                let covered = index.snapshot().seq();
                for (seq, changes) in log.iter().filter(|(seq, _)| *seq > covered) {
                    index.apply(*seq, changes).unwrap();
                }
            }
            _ => {
                let vector = if exact { chance.exact_vector(shape) } else { chance.vector(shape, 12) };
                let share = [1, 2, 10, 200][chance.below(4) as usize];
                let set = RoaringBitmap::from_iter((0..=ids as u32 / 2).filter(|_| chance.below(share) == 0));
                let wanted = Query {
                    vector: &vector,
                    k: [1, 10, 10, 100][chance.below(4) as usize],
                    groups: (chance.below(2) == 0).then_some(&set),
                    one_per_group: chance.below(2) == 0,
                    exact: chance.below(2) == 0,
                };
                let (found, truth) = (index.snapshot().search(&wanted).unwrap(), model.search(&wanted));
                let at = say(&format!("step {step}"));
                agree(backend, &model, &wanted, &found, &at);
                if backend.recall == 1.0 && exact {
                    assert_eq!(found, truth, "{at}");
                }
                // By similarity, since equal ones are equally right.
                let Some(worst) = truth.last() else { continue };
                let enough =
                    worst.similarity - backend.similarity_error.max(1e-5) * (1.0 + worst.similarity.abs());
                wanted_hits += truth.len();
                hits += found
                    .iter()
                    .filter(|c| model.similarity(&vector, &model.items[&c.item].1) >= enough)
                    .count();
            }
        }
        let state = index.snapshot();
        assert_eq!((state.seq(), state.len()), (model.seq, model.items.len()), "{}", say("size"));
    }
    let recall = hits as f64 / wanted_hits.max(1) as f64;
    assert!(wanted_hits == 0 || recall >= backend.recall, "{}", say(&format!("recall {recall}")));
}

/// Every answer is of living items that pass, once each, in order, with their true similarity and group.
fn agree(backend: &Backend, model: &Model, wanted: &Query<'_>, found: &[Candidate], at: &str) {
    let (mut seen, mut groups) = (std::collections::HashSet::new(), std::collections::HashSet::new());
    assert!(found.len() <= wanted.k, "{at}");
    for c in found {
        assert!(seen.insert(c.item), "{at}: {} twice", c.item);
        assert!(groups.insert(c.group) || !wanted.one_per_group, "{at}: group {} twice", c.group);
        assert!(model.passes(c.item, wanted.groups), "{at}: {} is deleted or does not pass", c.item);
        let (group, vector) = &model.items[&c.item];
        assert_eq!(c.group, *group, "{at}");
        let truth = model.similarity(wanted.vector, vector);
        let scale = 1.0 + truth.abs();
        assert!(
            (c.similarity - truth).abs() <= backend.similarity_error.max(1e-5) * scale,
            "{at}: {c:?}, {truth}"
        );
    }
    for pair in found.windows(2) {
        let (a, b) = (pair[0], pair[1]);
        assert!(
            a.similarity > b.similarity || a.similarity == b.similarity && a.item < b.item,
            "{at}: order"
        );
    }
}

/// Writers move pairs of items together; a reader must never see half a batch.
fn readers_and_writers(backend: &Backend) {
    let shape = shape(8, Metric::L2);
    let index = (backend.new)(shape);
    let stop = std::sync::atomic::AtomicBool::new(false);
    let pair = |n: u32| {
        let v: Vec<f32> = (0..8).map(|i| (n * 7 + i) as f32).map(|x| x % 11.0 + 1.0).collect();
        (0..2).map(move |i| put(n * 2 + i, n, &v)).collect::<Vec<_>>()
    };
    let numbers = std::sync::Mutex::new(0u64);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..4u32)
            .map(|writer| {
                let (index, numbers) = (&index, &numbers);
                scope.spawn(move || {
                    for n in 0..60 {
                        // The change log hands out numbers one at a time, and so does this test.
                        let mut seq = numbers.lock().unwrap();
                        *seq += 1;
                        let mut changes = pair(writer * 1000 + n);
                        if n >= 10 {
                            let old = (writer * 1000 + n - 10) * 2;
                            changes.extend([old, old + 1].map(|item| Change::Remove { item }));
                        }
                        index.apply(*seq, &changes).unwrap();
                    }
                })
            })
            .collect();
        for _ in 0..4 {
            scope.spawn(|| {
                let mut last = 0;
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    let state = index.snapshot();
                    assert!(state.seq() >= last && state.len().is_multiple_of(2));
                    last = state.seq();
                    let found =
                        state.search(&Query { exact: true, ..query(&[3.0; 8], state.len()) }).unwrap();
                    assert_eq!(found.len(), state.len());
                    let groups: std::collections::HashSet<u32> = found.iter().map(|c| c.group).collect();
                    assert_eq!(groups.len() * 2, found.len(), "half a batch was seen");
                }
            });
        }
        let panicked = writers.into_iter().any(|writer| writer.join().is_err());
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(!panicked);
    });
    assert_eq!((index.snapshot().seq(), index.snapshot().len()), (240, 80));
}
