//! Data sets and folders through the public surface.
mod public;

use std::path::{Path, PathBuf};
use twinset_dataset::{DataSet, DatasetError, Folder, Windows};

/// A data set of two tar members, a loose file and a mask, in a temporary folder.
fn sample(dir: &Path) {
    tar_of(&dir.join("set-train-000.tar"), &[("a.jpg", b"bytes of a"), ("b.jpg", b"b, somewhat longer")]);
    tar_of(&dir.join("set-masks-000.tar"), &[("a.png", b"mask of a")]);
    std::fs::write(dir.join("loose.jpg"), b"loose").unwrap();
    let manifest = "file,shard,split,item_id\na.jpg,set-train-000.tar,train,A\nb.jpg,set-train-000.tar,train,B\n\
                    loose.jpg,,val,C\nc.jpg,set-train-000.tar,val,\nd.jpg,gone.tar,val,\n";
    std::fs::write(dir.join("manifest.csv"), manifest).unwrap();
}

fn tar_of(path: &Path, members: &[(&str, &[u8])]) {
    let mut tar = tar::Builder::new(std::fs::File::create(path).unwrap());
    for (name, bytes) in members {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, name, *bytes).unwrap();
    }
    tar.into_inner().unwrap();
}

#[test]
fn reads_members_loose_files_and_masks_in_any_order() {
    let dir = tempfile::tempdir().unwrap();
    sample(dir.path());
    let set = DataSet::open(dir.path()).unwrap();
    let rows = set.rows();
    assert_eq!(set.splits(), ["train", "val"]);
    assert_eq!(set.rows_of(Some("val")).count(), 3);
    assert_eq!(set.read(&rows[2]).unwrap(), b"loose");
    assert_eq!(set.read(&rows[1]).unwrap(), b"b, somewhat longer");
    assert_eq!(set.read(&rows[0]).unwrap(), b"bytes of a");
    assert_eq!(set.mask(&rows[0]).unwrap().as_deref(), Some(b"mask of a".as_slice()));
    assert_eq!(set.mask(&rows[1]).unwrap(), None);
}

#[test]
fn missing_and_damaged_shards_are_told_with_shard_and_member() {
    let dir = tempfile::tempdir().unwrap();
    sample(dir.path());
    let set = DataSet::open(dir.path()).unwrap();
    let told = |row: usize| set.read(&set.rows()[row]).unwrap_err();
    assert!(matches!(told(3), DatasetError::NoMember { member, .. } if member == "c.jpg"));
    assert!(matches!(told(4), DatasetError::NoShard { shard, .. } if shard.ends_with("gone.tar")));

    // Cut inside the second member's bytes: the first stays readable.
    let shard = dir.path().join("set-train-000.tar");
    let whole = std::fs::read(&shard).unwrap();
    std::fs::write(&shard, &whole[..512 * 3 + 4]).unwrap();
    let set = DataSet::open(dir.path()).unwrap();
    assert_eq!(set.read(&set.rows()[0]).unwrap(), b"bytes of a");
    assert!(set.read(&set.rows()[1]).is_err());

    // A header in the middle is overwritten: members before it stay readable.
    let mut broken = whole;
    broken[1024..1536].fill(0xaa);
    std::fs::write(&shard, &broken).unwrap();
    let set = DataSet::open(dir.path()).unwrap();
    assert_eq!(set.read(&set.rows()[0]).unwrap(), b"bytes of a");
    assert!(
        matches!(set.read(&set.rows()[1]), Err(DatasetError::DamagedShard { after, .. }) if after == "a.jpg")
    );
}

#[test]
fn a_member_that_claims_to_be_huge_costs_no_memory() {
    let dir = tempfile::tempdir().unwrap();
    let mut header = tar::Header::new_ustar();
    header.set_path("a.jpg").unwrap();
    header.set_size(7 << 30);
    header.set_cksum();
    std::fs::write(dir.path().join("s.tar"), header.as_bytes()).unwrap();
    std::fs::write(dir.path().join("manifest.csv"), "file,shard\na.jpg,s.tar\n").unwrap();
    let set = DataSet::open(dir.path()).unwrap();
    assert!(matches!(set.read(&set.rows()[0]), Err(DatasetError::CutOff { size, .. }) if size == 7 << 30));
}

#[test]
fn windows_are_the_same_rows_cut_at_borders_of_shards() {
    let dir = tempfile::tempdir().unwrap();
    let mut manifest = "file,shard,split,title\n".to_owned();
    for shard in 0..7 {
        let names: Vec<String> = (0..5).map(|i| format!("{shard}-{i}.jpg")).collect();
        let members: Vec<(&str, &[u8])> = names.iter().map(|n| (&n[..], n.as_bytes())).collect();
        tar_of(&dir.path().join(format!("s{shard}.tar")), &members);
        names.iter().for_each(|n| manifest += &format!("{n},s{shard}.tar,train,\"two\nlines\"\n"));
    }
    for i in 0..5 {
        std::fs::write(dir.path().join(format!("loose{i}.jpg")), b"loose").unwrap();
        manifest += &format!("loose{i}.jpg,,train,\n");
    }
    let path = dir.path().join("manifest.csv");
    std::fs::write(&path, &manifest).unwrap();
    let whole = DataSet::open(dir.path()).unwrap();
    for rows in [1, 4, 6, 1000] {
        let windows = Windows::open(dir.path(), rows).unwrap();
        let mut found = Vec::new();
        for i in 0..windows.len() {
            let set = windows.load(i).unwrap();
            let shards: std::collections::BTreeSet<_> = set.rows().iter().map(|r| r.shard.clone()).collect();
            assert!(set.rows().len() >= rows || i + 1 == windows.len());
            assert!(shards.len() <= rows.div_ceil(5).max(1) + 1);
            for row in set.rows() {
                let expected = if row.shard.is_empty() { b"loose".to_vec() } else { row.file.clone().into() };
                assert_eq!(set.read(row).unwrap(), expected);
                found.push(row.clone());
            }
        }
        assert_eq!((&found[..], windows.rows()), (whole.rows(), 40));
    }
    std::fs::write(&path, manifest + "0-0.jpg,s0.tar,train,\n").unwrap();
    assert!(matches!(Windows::open(dir.path(), 4), Err(DatasetError::Scattered { line: 77, .. })));
    std::fs::write(&path, "name,shard\n").unwrap();
    assert!(matches!(Windows::open(dir.path(), 4), Err(DatasetError::NoFileColumn { .. })));
}

#[test]
fn a_folder_names_products_by_sub_folder_or_stem() {
    let dir = tempfile::tempdir().unwrap();
    for name in
        ["red shoe.JPG", "dress/front.png", "dress/back.png", "men/coat/1.jpg", "notes.txt", ".hidden.jpg"]
    {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, name).unwrap();
    }
    let folder = Folder::open(dir.path()).unwrap();
    let found: Vec<_> = folder.pictures.iter().map(|p| (p.product.as_str(), p.name.as_str())).collect();
    assert_eq!(
        found,
        [
            ("dress", "dress/back.png"),
            ("dress", "dress/front.png"),
            ("men/coat", "men/coat/1.jpg"),
            ("red shoe", "red shoe.JPG"),
        ]
    );
    assert_eq!(folder.pictures[3].read().unwrap(), b"red shoe.JPG");
    assert_eq!((folder.passed_over.len(), folder.unreadable.len()), (1, 0));
    assert!(Folder::open(&dir.path().join("nowhere")).is_err());
}

#[test]
fn shared_sets_are_read_whole() {
    let shared = std::env::var_os("TWINSET_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let data = shared.join("data");
    if !data.is_dir() {
        eprintln!("skipped: no {}; set TWINSET_SHARED", data.display());
        return;
    }
    let mut pictures = 0;
    for entry in std::fs::read_dir(&data).unwrap() {
        let dir = entry.unwrap().path();
        if !DataSet::is_one(&dir) {
            continue;
        }
        let set = DataSet::open(&dir).unwrap();
        assert!(set.problems().is_empty(), "{:?}", set.problems());
        for row in set.rows() {
            let bytes = set.read(row).unwrap();
            assert_eq!(bytes[..2], [0xff, 0xd8], "{} {}", dir.display(), row.file);
            if let Some(mask) = set.mask(row).unwrap() {
                assert_eq!(mask[1..4], *b"PNG");
            }
            pictures += 1;
        }
    }
    assert!(pictures > 10_000, "{pictures}");
}
