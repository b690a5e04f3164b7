//! Data sets in an object store, against a stub of one on loopback. The environment says where a store is, and belongs to
//! a whole process: each test is this binary once more, with one of its own.

mod stub;

use std::path::Path;
use std::process::Command;
use stub::{Mood, Stub, objects};
use twinset_dataset::{DataSet, DatasetError, Windows};

/// Members of each shard, and bytes of each: together more than two pieces, and less than two megabytes beside.
const MEMBERS: usize = 3;
const SHARDS: usize = 3;
const SIZES: [usize; SHARDS] = [7 << 20, 300 << 10, 200 << 10];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [asked, folder, url] = &arguments[..]
        && asked == "child"
    {
        return child(Path::new(folder), url);
    }
    let folder = tempfile::tempdir().unwrap();
    lay_out(folder.path());
    let stub = Stub::start(objects(folder.path(), "sets/one/"));
    let run = |url: &str, more: &[(&str, &str)]| {
        stub.asked();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["child", folder.path().to_str().unwrap(), url]);
        command.env_clear().envs(stub.environment()).envs(more.iter().copied());
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        (output.status.success(), said, stub.asked())
    };
    let of = |asked: &[String], shard: usize| -> Vec<String> {
        asked.iter().filter(|a| a.contains(&format!("GET sets/one/set-{shard}.tar"))).cloned().collect()
    };

    let (right, said, asked) = run("s3://shop/sets/one", &[]);
    assert!(right, "{said}");
    // Twice opened, as a whole and by windows: each time every shard once, the large one in three pieces.
    assert_eq!(of(&asked, 0).len(), 2 * 3, "{asked:?}");
    assert!(of(&asked, 0)[0].contains("bytes=0-8388607"), "{asked:?}");
    assert_eq!((of(&asked, 1).len(), of(&asked, 2).len()), (2, 2), "{asked:?}");
    println!("test a set in a store reads as the same set in a folder ... ok");

    let (right, said, asked) = run("s3://shop/sets/one", &[("TWINSET_SHARDS_MB", "1")]);
    assert!(right, "{said}");
    assert!(of(&asked, 1).len() > 2, "what was let go is fetched again: {asked:?}");
    println!("test the disk does not fill with shards ... ok");

    stub.set(Mood::Breaks(3));
    let (right, said, _) = run("s3://shop/sets/one", &[]);
    assert!(right, "{said}");
    println!("test a connection that breaks off is taken up again ... ok");
    stub.set(Mood::Breaks(usize::MAX));
    let (_, said, _) = run("s3://shop/sets/one", &[]);
    assert!(said.contains("told: ") && said.contains("AWS_ENDPOINT"), "{said}");
    stub.set(Mood::Forbids);
    let (_, said, _) = run("s3://shop/sets/one", &[]);
    assert!(said.contains("the store refuses") && said.contains("AWS_ACCESS_KEY_ID"), "{said}");
    stub.set(Mood::Sound);

    for (url, words) in [
        ("s3://nobody/sets/one", "there is no bucket nobody"),
        ("s3://shop/sets/two", "s3://shop/sets/two/manifest.csv does not exist"),
        ("s3://shop/sets/one/other.csv", "s3://shop/sets/one/other.csv does not exist"),
        ("s3://", "names no bucket"),
    ] {
        let (_, said, _) = run(url, &[]);
        assert!(said.contains("told: ") && said.contains(words), "{url}: {said}");
    }
    let (_, said, _) = run("s3://shop/sets/one", &[("TWINSET_SHARDS_MB", "many")]);
    assert!(said.contains("no number of megabytes"), "{said}");
    // A port that was just given back.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (_, said, _) = run("s3://shop/sets/one", &[("AWS_ENDPOINT", &format!("http://{free}"))]);
    assert!(said.contains("told: ") && said.contains("AWS_ENDPOINT"), "{said}");
    println!("test what is wrong with a store is told ... ok");
}

/// Reads the set at `url` and compares it with the one in `folder`; or tells why it cannot.
fn child(folder: &Path, url: &str) {
    let (here, there) = match (DataSet::open(folder), DataSet::open(Path::new(url))) {
        (Ok(here), Ok(there)) => (here, there),
        (_, Err(error)) => return println!("told: {error}"),
        (Err(error), _) => panic!("{error}"),
    };
    assert_eq!(here.rows(), there.rows());
    assert_eq!(there.name(), "one");
    // Twice, from the last to the first and back, from several threads at first.
    std::thread::scope(|scope| {
        for row in here.rows().iter().rev() {
            let (here, there) = (&here, &there);
            scope.spawn(move || compare(here.read(row), there.read(row)));
        }
    });
    for row in here.rows() {
        compare(here.read(row), there.read(row));
    }
    assert_eq!(there.mask(&there.rows()[0]).unwrap().unwrap(), b"mask of it");
    assert_eq!(there.mask(&there.rows()[1]).unwrap(), None);

    let (here, there) = (Windows::open(folder, 3).unwrap(), Windows::open(Path::new(url), 3).unwrap());
    assert_eq!((here.len(), here.rows()), (there.len(), there.rows()));
    for window in 0..here.len() {
        let (here, there) = (here.load(window).unwrap(), there.load(window).unwrap());
        assert_eq!(here.rows(), there.rows());
        compare(here.read(&here.rows()[0]), there.read(&there.rows()[0]));
    }
}

/// The same bytes, or the same kind of failure.
fn compare(here: Result<Vec<u8>, DatasetError>, there: Result<Vec<u8>, DatasetError>) {
    match (here, there) {
        (Ok(here), Ok(there)) => assert!(here == there),
        (Err(here), Err(there)) => {
            assert_eq!(std::mem::discriminant(&here), std::mem::discriminant(&there), "{here}; {there}");
            assert!(there.to_string().contains("s3://shop/sets/one/"), "{there}");
        }
        (here, there) => panic!("{:?} {:?}", here.map(|b| b.len()), there.map(|b| b.len())),
    }
}

/// Three shards, the last of them torn in its last member, one that is not there, a loose picture and a mask.
fn lay_out(folder: &Path) {
    let tar_of = |name: &str, members: &[(String, Vec<u8>)]| {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, bytes) in members {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            tar.append_data(&mut header, name, &bytes[..]).unwrap();
        }
        std::fs::write(folder.join(name), tar.into_inner().unwrap()).unwrap();
    };
    let mut manifest = "file,shard,split\n".to_owned();
    for (shard, size) in SIZES.into_iter().enumerate() {
        let members: Vec<(String, Vec<u8>)> = (0..MEMBERS)
            .map(|m| {
                let bytes = (0..size).map(|i| (i * 31 + i / 251 + m * 7 + shard) as u8).collect();
                (format!("{shard}-{m}.jpg"), bytes)
            })
            .collect();
        tar_of(&format!("set-{shard}.tar"), &members);
        manifest.extend(members.iter().map(|(name, _)| format!("{name},set-{shard}.tar,train\n")));
    }
    let torn = folder.join("set-2.tar");
    let whole = std::fs::read(&torn).unwrap();
    std::fs::write(&torn, &whole[..whole.len() - SIZES[2] / 2 - 1024]).unwrap();
    manifest += "none.jpg,gone.tar,train\nloose.jpg,,train\n";
    std::fs::write(folder.join("loose.jpg"), b"loose").unwrap();
    tar_of("set-masks-0.tar", &[("0-0.png".into(), b"mask of it".to_vec())]);
    std::fs::write(folder.join("manifest.csv"), manifest).unwrap();
}
