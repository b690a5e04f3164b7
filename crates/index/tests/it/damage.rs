//! Files that lie: every index refuses them with a typed error, and never panics.
use crate::{
    contract::{Backend, put},
    model::{Chance, shape},
};
use std::{
    fs,
    path::{Path, PathBuf},
};
use twinset_index::{Change, IndexError, Metric, Searcher, VectorIndex};

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut all: Vec<_> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    all.sort();
    all
}

fn filled(backend: &Backend, dir: &Path, items: u32) -> Box<dyn VectorIndex> {
    let shape = shape(24, Metric::L2);
    let index = (backend.new)(shape);
    let mut chance = Chance(1);
    let changes: Vec<Change> = (0..items).map(|i| put(i, i, &chance.vector(shape, 9))).collect();
    index.apply(9, &changes).unwrap();
    index.save(dir).unwrap();
    index
}

pub(crate) fn check(backend: &Backend) {
    every_flipped_bit_is_found(backend);
    cuts_and_zero_tails_are_found(backend);
    other_shapes_are_refused(backend);
    a_failed_save_keeps_the_old_state(backend);
    a_torn_state_gives_way_to_the_one_before(backend);
}

fn every_flipped_bit_is_found(backend: &Backend) {
    let dir = tempfile::tempdir().unwrap();
    let shape = filled(backend, dir.path(), 1500).shape();
    assert_eq!(files(dir.path()).len(), 2);
    for path in files(dir.path()) {
        let good = fs::read(&path).unwrap();
        let mut chance = Chance(good.len() as u64);
        // Every byte of the manifest and of both ends, and random ones between.
        let mut at: Vec<usize> = (0..good.len().min(160)).collect();
        at.extend(good.len() - good.len().min(40)..good.len());
        at.extend((0..120).map(|_| chance.below(good.len() as u64) as usize));
        for at in at {
            let mut bad = good.clone();
            bad[at] ^= 1 << chance.below(8);
            fs::write(&path, &bad).unwrap();
            match (backend.open)(dir.path(), shape).map(|_| ()) {
                Err(IndexError::Damaged { path: told, offset, .. }) => {
                    assert_eq!(told, path, "byte {at}");
                    // The table of checksums is one unit, a block of the payload another.
                    assert!(
                        offset <= at as u64 + 4 && at as u64 - offset.min(at as u64) < 1 << 16,
                        "{at}: {offset}"
                    );
                }
                other => panic!("{}: byte {at} of {}: {other:?}", backend.name, path.display()),
            }
        }
        fs::write(&path, &good).unwrap();
    }
    assert_eq!((backend.open)(dir.path(), shape).unwrap().snapshot().len(), 1500);
}

fn cuts_and_zero_tails_are_found(backend: &Backend) {
    let dir = tempfile::tempdir().unwrap();
    let shape = filled(backend, dir.path(), 1000).shape();
    for path in files(dir.path()) {
        let good = fs::read(&path).unwrap();
        let mut chance = Chance(good.len() as u64);
        let mut cuts = vec![0, 1, good.len() / 2, good.len() - 1];
        cuts.extend((0..40).map(|_| chance.below(good.len() as u64) as usize));
        for cut in cuts {
            fs::write(&path, &good[..cut]).unwrap();
            assert_damaged(backend, dir.path(), shape, "cut");
            let mut zeros = good.clone();
            zeros[cut..].fill(0);
            if zeros != good {
                fs::write(&path, &zeros).unwrap();
                assert_damaged(backend, dir.path(), shape, "zero tail");
            }
        }
        let longer = [&good[..], &[0]].concat();
        fs::write(&path, &longer).unwrap();
        assert_damaged(backend, dir.path(), shape, "longer");
        fs::remove_file(&path).unwrap();
        assert!((backend.open)(dir.path(), shape).is_err());
        fs::write(&path, &good).unwrap();
    }
    (backend.open)(dir.path(), shape).unwrap();
    assert!(matches!((backend.open)(&dir.path().join("no"), shape), Err(IndexError::Missing { .. })));
}

fn assert_damaged(backend: &Backend, dir: &Path, shape: twinset_index::Shape, what: &str) {
    let error = (backend.open)(dir, shape).map(|_| ()).unwrap_err();
    assert!(matches!(error, IndexError::Damaged { .. }), "{}: {what}: {error}", backend.name);
}

fn other_shapes_are_refused(backend: &Backend) {
    let dir = tempfile::tempdir().unwrap();
    let shape = filled(backend, dir.path(), 10).shape();
    let open = |shape| (backend.open)(dir.path(), shape).map(|_| ()).unwrap_err();
    let mut other = shape;
    other.stamp[31] ^= 1;
    assert!(matches!(open(other), IndexError::OtherStamp { .. }));
    let other = twinset_index::Shape { dim: 25, ..shape };
    assert!(matches!(open(other), IndexError::OtherShape { .. }));
    let other = twinset_index::Shape { metric: Metric::InnerProduct, ..shape };
    assert!(matches!(open(other), IndexError::OtherShape { .. }));
    // A newer program's manifest, with a checksum that fits.
    let path = dir.path().join("manifest");
    let mut bytes = fs::read(&path).unwrap();
    bytes[8] = 200;
    let crc = crc32fast::hash(&bytes[..124]);
    bytes[124..].copy_from_slice(&crc.to_le_bytes());
    fs::write(&path, &bytes).unwrap();
    assert!(matches!(open(shape), IndexError::NewerVersion { found: 200, .. }));
}

/// A save cut off at any moment leaves left-overs beside the named state; they do no harm and are cleared.
fn a_failed_save_keeps_the_old_state(backend: &Backend) {
    let dir = tempfile::tempdir().unwrap();
    let index = filled(backend, dir.path(), 100);
    let data = files(dir.path()).into_iter().find(|p| p.extension().is_some()).unwrap();
    let left_over =
        data.with_file_name(data.file_name().unwrap().to_str().unwrap().replace("01.data", "02.data"));
    assert_ne!(data, left_over);
    fs::write(&left_over, b"half").unwrap();
    fs::write(dir.path().join("manifest.new"), b"half").unwrap();
    assert_eq!((backend.open)(dir.path(), index.shape()).unwrap().snapshot().len(), 100);
    index.apply(10, &[Change::Remove { item: 5 }]).unwrap();
    assert_eq!(index.save(dir.path()).unwrap(), 10);
    // Two manifests, and the data files that they name.
    assert_eq!(files(dir.path()).len(), 4, "left-overs are cleared");
    let again = (backend.open)(dir.path(), index.shape()).unwrap();
    assert_eq!((again.snapshot().seq(), again.snapshot().len()), (10, 99));
    // A folder that cannot be made: typed, and the index lives on.
    let file = dir.path().join("file");
    fs::write(&file, b"").unwrap();
    assert!(matches!(index.save(&file.join("sub")), Err(IndexError::Io { .. })));
    let _: std::sync::Arc<dyn Searcher> = index.snapshot();
}

/// Cuts the manifest or the data file that it names; what was cut.
pub(crate) fn tear(dir: &Path, chance: &mut Chance) -> Option<PathBuf> {
    let manifest = dir.join("manifest");
    let bytes = fs::read(&manifest).ok()?;
    let number = u64::from_le_bytes(bytes.get(48..56)?.try_into().unwrap());
    let data =
        files(dir).into_iter().find(|p| p.to_str().unwrap().ends_with(&format!("-{number:016x}.data")));
    let torn = if chance.below(2) == 0 { manifest } else { data? };
    let whole = fs::read(&torn).unwrap();
    fs::write(&torn, &whole[..chance.below(whole.len().max(1) as u64) as usize]).unwrap();
    Some(torn)
}

fn a_torn_state_gives_way_to_the_one_before(backend: &Backend) {
    let mut chance = Chance(31);
    for _ in 0..20 {
        let dir = tempfile::tempdir().unwrap();
        let index = filled(backend, dir.path(), 1000);
        index.apply(10, &[Change::Remove { item: 5 }]).unwrap();
        index.save(dir.path()).unwrap();
        index.apply(11, &[Change::Remove { item: 6 }]).unwrap();
        index.save(dir.path()).unwrap();
        let torn = tear(dir.path(), &mut chance).unwrap();
        let again = (backend.open)(dir.path(), index.shape()).unwrap();
        assert_eq!((again.snapshot().seq(), again.snapshot().len()), (10, 999), "{}", torn.display());
        // It catches up, and what it saves then is whole.
        again.apply(11, &[Change::Remove { item: 6 }]).unwrap();
        again.save(dir.path()).unwrap();
        let again = (backend.open)(dir.path(), index.shape()).unwrap();
        assert_eq!((again.snapshot().seq(), again.snapshot().len()), (11, 998));
    }
}
