//! The exact index keeps the contract, with nothing missed.
use crate::{
    contract::{self, Backend, put, query},
    damage,
    model::{Chance, shape},
};
use twinset_index::{Change, ExactIndex, IndexError, Metric, VectorIndex};

const EXACT: Backend = Backend {
    name: "exact",
    new: |shape| Box::new(ExactIndex::with_shape(shape)),
    open: |dir, shape| ExactIndex::open(dir, shape).map(|index| Box::new(index) as Box<dyn VectorIndex>),
    recall: 1.0,
    similarity_error: 1e-5,
};

#[test]
fn keeps_the_contract() {
    contract::check(&EXACT);
}

#[test]
fn refuses_files_that_lie() {
    damage::check(&EXACT);
}

#[test]
fn stays_right_over_many_segments_while_most_items_change() {
    let shape = shape(4, Metric::L2);
    let (index, mut chance) = (ExactIndex::with_shape(shape), Chance(8));
    for seq in 1..=40 {
        let changes: Vec<Change> = (0..1000)
            .map(|_| chance.below(20_000) as u32)
            .map(|i| put(i, seq as u32, &[i as f32 + 1.0, 0.0, 1.0, 0.0]))
            .collect();
        index.apply(seq, &changes).unwrap();
        index
            .apply(
                seq,
                &(0..300).map(|_| Change::Remove { item: chance.below(20_000) as u32 }).collect::<Vec<_>>(),
            )
            .unwrap();
    }
    let state = index.snapshot();
    let found = state.search(&query(&[1.0, 0.0, 1.0, 0.0], usize::MAX)).unwrap();
    assert_eq!(found.len(), state.len());
    assert!(found.windows(2).all(|w| w[0].item < w[1].item), "nearest first means smallest id first here");
}

/// The file drawn in docs/formats/index-exact.md, as version 1 wrote it; it must open for ever.
#[test]
fn opens_the_sample_of_version_1() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("manifest"), include_bytes!("sample/exact-1/manifest")).unwrap();
    let data = include_bytes!("sample/exact-1/exact-0000000000000001.data");
    std::fs::write(dir.path().join("exact-0000000000000001.data"), data).unwrap();
    let index = ExactIndex::load(dir.path()).unwrap();
    assert_eq!(
        index.shape(),
        twinset_index::Shape { dim: 2, metric: Metric::InnerProduct, stamp: [0xab; 32] }
    );
    let state = index.snapshot();
    assert_eq!((state.seq(), state.len()), (300, 2));
    let found = state.search(&query(&[1.0, 0.0], 5)).unwrap();
    assert_eq!(
        found.iter().map(|c| (c.item, c.group, c.similarity)).collect::<Vec<_>>(),
        [(7, 1, 1.0), (258, 2, 0.0)]
    );
    let e = ExactIndex::open(dir.path(), shape(2, Metric::InnerProduct)).map(|_| ()).unwrap_err();
    assert!(matches!(e, IndexError::OtherStamp { .. }));
}
