//! The graph keeps the same contract, with one and two bytes a dimension.
use crate::{
    contract::{self, Backend},
    damage,
};
use twinset_index::{GraphIndex, GraphOptions, Shape, VectorIndex};

fn index(shape: Shape, fine: bool) -> Box<dyn VectorIndex> {
    // A graph from the start, so that the small histories of the suite are about it.
    Box::new(GraphIndex::new(shape, GraphOptions { fine, graph_from: 1, ..GraphOptions::default() }))
}

const FINE: Backend = Backend {
    name: "fine graph",
    new: |shape| index(shape, true),
    open: |dir, shape| {
        GraphIndex::open(dir, shape, GraphOptions::default())
            .map(|index| Box::new(index) as Box<dyn VectorIndex>)
    },
    recall: 0.97,
    similarity_error: 2e-3,
};

const LEAN: Backend = Backend {
    name: "lean graph",
    new: |shape| index(shape, false),
    recall: 0.93,
    similarity_error: 3e-2,
    ..FINE
};

#[test]
fn with_two_bytes_it_keeps_the_contract() {
    contract::check(&FINE);
}

#[test]
fn with_one_byte_it_keeps_the_contract() {
    contract::check(&LEAN);
}

#[test]
fn files_that_lie_are_refused() {
    damage::check(&FINE);
    damage::check(&LEAN);
}
