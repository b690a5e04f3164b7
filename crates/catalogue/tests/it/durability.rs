//! Acknowledged means durable: killed processes, disks without space.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use twinset_catalogue::{CatalogueError, ChangeKind, Home, Settings, Status};

use crate::{name, picture, put};

/// A child of this test binary that runs `test` with the home in its environment.
fn child(test: &str, home: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env("TWINSET_TEST_WRITER", home).stdout(Stdio::piped());
    command
}

/// Batch `n` of a writer: three products, one of them new each time, one put over and over, one
/// removed every other time.
fn batch(n: u64) -> [(String, Vec<u64>); 3] {
    [
        (format!("new {n}"), vec![n, 1_000_000 + n % 5]),
        ("same".into(), vec![n]),
        (format!("round {}", n % 7), vec![n % 3]),
    ]
}

/// Runs in a process of its own: puts and removes without end, and says after each call what was
/// acknowledged.
#[test]
fn writer_process() {
    let Some(dir) = std::env::var_os("TWINSET_TEST_WRITER") else { return };
    let home = Home::open(dir.as_ref()).unwrap();
    let catalogue = home.open_catalogue(&name()).unwrap();
    let start = catalogue.last_seq().unwrap();
    let mut out = std::io::stdout();
    for n in start.. {
        let puts = batch(n).map(|(id, pictures)| {
            let mut put = put(&id, &pictures);
            put.product.description = Some(n.to_string());
            put
        });
        for outcome in catalogue.put(&puts).unwrap() {
            if let Some(seq) = outcome.seq {
                writeln!(out, "ack {seq} put {n} {}", outcome.id).unwrap();
            }
        }
        if n % 2 == 1 {
            for outcome in catalogue.remove(&[format!("round {}", n % 7)]).unwrap() {
                writeln!(out, "ack {} removed {n} {}", outcome.seq.unwrap(), outcome.id).unwrap();
            }
        }
        out.flush().unwrap();
    }
}

/// The writer is killed at 20 random moments. Each time every acknowledged change is there and
/// nothing is twice, and the next writer goes on from there.
#[test]
fn killed_at_any_moment_nothing_acknowledged_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    drop(Home::open(folder.path()).unwrap().create(&name(), Settings::default()).unwrap());
    // seq -> (id, number of the batch, or none if removed)
    let mut acknowledged: BTreeMap<u64, (String, Option<String>)> = BTreeMap::new();
    let mut chance = u64::from(std::process::id()) | 1;
    println!("seed {chance}");
    for round in 0..20 {
        let mut writer = child("durability::writer_process", folder.path()).spawn().unwrap();
        let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines();
        let keep = |line: &str, acknowledged: &mut BTreeMap<_, _>| {
            let Some(text) = line.find("ack ").map(|at| &line[at..]) else { return false };
            let mut words = text.splitn(5, ' ').skip(1);
            let mut word = || words.next().map(str::to_owned);
            // The last line may have been cut off.
            let (Some(seq), Some(kind), Some(n), Some(id)) = (word(), word(), word(), word()) else {
                return false;
            };
            acknowledged.insert(seq.parse::<u64>().unwrap(), (id, (kind == "put").then_some(n)));
            true
        };
        while !keep(&lines.next().unwrap().unwrap(), &mut acknowledged) {}
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let moment = Duration::from_micros((chance >> 33) % 120_000);
        std::thread::scope(|scope| {
            // Read on while waiting, or the writer stands still before a full pipe.
            scope.spawn(|| lines.for_each(|line| _ = line.map(|line| keep(&line, &mut acknowledged))));
            std::thread::sleep(moment);
            writer.kill().unwrap();
        });
        writer.wait().unwrap();

        let home = Home::open(folder.path()).unwrap();
        let catalogue = home.open_catalogue(&name()).unwrap();
        let faults = catalogue.verify().unwrap();
        assert!(faults.is_empty(), "round {round}: {faults:?}");
        let changes = catalogue.changes_since(0, usize::MAX).unwrap();
        assert!(
            changes.iter().zip(1..).all(|(change, seq)| change.seq == seq),
            "numbers without gaps or doubles"
        );
        assert!(catalogue.last_seq().unwrap() >= *acknowledged.keys().last().unwrap());
        let mut state = BTreeMap::new();
        for change in &changes {
            if let Some((id, put)) = acknowledged.get(&change.seq) {
                assert_eq!((id, put.is_none()), (&change.id, change.kind == ChangeKind::Removed));
            }
            state.insert(change.id.clone(), (change.seq, change.kind));
        }
        let alive = state.values().filter(|(_, kind)| *kind == ChangeKind::Put).count();
        assert_eq!(catalogue.count().unwrap().products, alive as u64);
        for (id, (seq, kind)) in state {
            let record = catalogue.record(&id).unwrap();
            assert_eq!(record.as_ref().map(|record| record.seq), (kind == ChangeKind::Put).then_some(seq));
            let Some(record) = record else { continue };
            if let Some((_, put)) = acknowledged.get(&seq) {
                assert_eq!(&record.product.description, put);
            }
            for image in record.product.images {
                assert!(catalogue.picture(&image.picture.unwrap()).unwrap().is_some());
            }
        }
    }
    println!("{} changes acknowledged", acknowledged.len());
}

/// Runs in a process whose files may not grow beyond a limit: writes until the disk says no, then
/// shows that what was acknowledged can still be read.
#[test]
fn full_disk_process() {
    let Some(dir) = std::env::var_os("TWINSET_TEST_WRITER") else { return };
    let home = Home::open(dir.as_ref()).unwrap();
    let catalogue = home.open_catalogue(&name()).unwrap();
    let mut kept = 0;
    let error = loop {
        let mut put = put(&format!("{kept}"), &[kept]);
        put.pictures[0].1 = picture(kept, 100_000);
        match catalogue.put(&[put]) {
            Ok(outcomes) if outcomes[0].status == Status::Created => kept += 1,
            Ok(outcomes) => panic!("{outcomes:?}"),
            Err(error) => break error,
        }
    };
    assert_eq!(catalogue.count().unwrap().products, kept);
    assert!(catalogue.get(&format!("{}", kept - 1)).unwrap().is_some());
    assert_eq!(catalogue.get(&format!("{kept}")).unwrap(), None);
    let next = catalogue.remove(&["0".into()]);
    println!("\nkept {kept}; {error:?}; {next:?}");
}

/// A real refusal by the system: a limit on the size of files, with its signal ignored.
#[cfg(unix)]
#[test]
fn a_disk_that_refuses_keeps_what_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    drop(Home::open(folder.path()).unwrap().create(&name(), Settings::default()).unwrap());
    let output = Command::new("sh")
        // Blocks of 512 or 1,024 bytes: 2 or 4 MiB.
        .args([
            "-c",
            "trap '' XFSZ; ulimit -f 4096; exec \"$0\" --exact durability::full_disk_process --nocapture",
        ])
        .arg(std::env::current_exe().unwrap())
        .env("TWINSET_TEST_WRITER", folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    println!("{}", said.lines().find(|line| line.starts_with("kept")).unwrap_or_default());
    let kept: u64 =
        said.split("kept ").nth(1).and_then(|text| text.split(';').next()).unwrap().parse().unwrap();
    assert!(kept > 5 && (said.contains("DiskFull") || said.contains("Disk {")), "{said}");

    // The space is back: all is there, and writing goes on.
    let home = Home::open(folder.path()).unwrap();
    let catalogue = home.open_catalogue(&name()).unwrap();
    let removed = u64::from(said.contains("Deleted"));
    assert_eq!(catalogue.count().unwrap().products, kept - removed);
    assert!(catalogue.verify().unwrap().is_empty());
    catalogue.put(&[put("after", &[1])]).unwrap();
}

#[test]
fn errors_say_what_to_do_next() {
    let path = "shop/catalogue.db".into();
    assert!(CatalogueError::DiskFull { path }.to_string().contains("Free some space and write again"));
}
