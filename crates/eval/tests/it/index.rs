//! `eval index` on small files.
use std::path::Path;
use twinset_eval::index::{Options, Vectors, run};
use twinset_eval::{EvalError, unwatched};
use twinset_index::{ExactIndex, Metric};

fn write(path: &Path, dim: u32, rows: &[Vec<f32>]) {
    let mut bytes = [(rows.len() as u32).to_le_bytes(), dim.to_le_bytes()].concat();
    rows.iter().flatten().for_each(|v| bytes.extend(v.to_le_bytes()));
    std::fs::write(path, bytes).unwrap();
}

fn unit_rows(n: usize, dim: usize, step: f32) -> Vec<Vec<f32>> {
    let row = |i: usize| {
        let row: Vec<f32> = (0..dim).map(|j| ((i * 7 + j * 3) as f32 * step).sin()).collect();
        let length = row.iter().map(|v| v * v).sum::<f32>().sqrt();
        row.into_iter().map(|v| v / length).collect()
    };
    (0..n).map(row).collect()
}

#[test]
fn exact_search_has_full_recall() {
    let dir = tempfile::tempdir().unwrap();
    let (base, queries) = (dir.path().join("base.fbin"), dir.path().join("query.fbin"));
    write(&base, 24, &unit_rows(500, 24, 0.37));
    write(&queries, 24, &unit_rows(20, 24, 0.91));
    for metric in [Metric::InnerProduct, Metric::L2] {
        let options =
            Options { base: base.clone(), queries: queries.clone(), k: 10, metric, queries_max: Some(15) };
        let make = |dim| -> Box<dyn twinset_index::VectorIndex> { Box::new(ExactIndex::new(dim, metric)) };
        let report = run(&options, "exact", make, &unwatched).unwrap();
        assert_eq!((report.recall, report.base, report.queries), ([1.0; 3], 500, 15));
        assert!(report.queries_per_second > 0.0 && report.latency_ms[0] <= report.latency_ms[2]);
        assert!(report.writing.latency_ms[0] > 0.0 && report.writing.puts_per_second >= 0.0);
    }
}

#[test]
fn files_that_are_no_vectors_are_refused_before_memory_is_spent() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.fbin");
    let reason = || match Vectors::read(&path) {
        Err(EvalError::BadVectors { reason, .. }) => reason,
        other => panic!("{other:?}"),
    };
    std::fs::write(&path, [1, 2, 3]).unwrap();
    assert!(reason().contains("header"));
    std::fs::write(&path, [0xff; 64]).unwrap();
    assert!(reason().contains("4294967295 x 4294967295"));
    write(&path, 2, &[vec![1.0, f32::NAN]]);
    assert!(reason().contains("not finite"));
    write(&path, 2, &[vec![1.0, 2.0], vec![3.0, 4.0]]);
    assert_eq!(Vectors::read(&path).unwrap().row(1), [3.0, 4.0]);
}
