//! A day of a shop on a disk that lies: its indexes, generations and model packages, whatever a crash, a failing call or
//! damage leaves of them. The catalogue itself is SQLite's and stands as it was acknowledged.
//!
//! `TWINSET_DISK_SAVES` (default 12) says how often a day saves, `TWINSET_DISK_STRIDE` (default 23) at which of the calls
//! the power goes, `TWINSET_DISK_DAMAGES` (default 24) how many files are damaged. 200 saves are more than 2,000 calls.

use crate::drawn::{LONG, numbered, request, settle, shop_of, vision};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use twinset_disk::{Crash, Fault, Loss, LyingDisk, State};
use twinset_engine::{Engine, GraphOptions, Options, Pace, Shop, Taken, Terms};
use twinset_nets::Package;

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// splitmix64
fn random(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn open(home: &Path, disk: &LyingDisk) -> Engine {
    let index = GraphOptions { graph_from: 8, ..GraphOptions::default() };
    let options =
        Options { threads: 2, index, save_every: LONG, disk: Arc::new(disk.clone()), ..Options::default() };
    Engine::open_with(home, options, vision()).unwrap()
}

/// Opens what is left, and finds everything that was acknowledged.
fn check(home: &Path, disk: &LyingDisk, products: u32, told: &str) -> Arc<Shop> {
    let engine = open(home, disk);
    let shop = shop_of(&engine);
    shop.search(&request(1)).unwrap_or_else(|error| panic!("{told}: no answer at once: {error}"));
    settle(&shop);
    let items = shop.index_status().unwrap().items;
    assert_eq!(items, u64::from(products), "{told}");
    let n = (random(items ^ told.len() as u64) % u64::from(products)) as u32;
    let answer = shop.search(&request(n)).unwrap();
    assert_eq!(answer.hits[0].product.id, format!("p{n}"), "{told}");
    // Saving works on what is left, and what is saved is sound.
    shop.flush().unwrap_or_else(|error| panic!("{told}: {error}"));
    let report = shop.verify_index().unwrap();
    assert!(report.is_sound(), "{told}: {report:?}");
    shop
}

fn crashes(home: &Path, states: &[State], products: u32, phase: &str) -> usize {
    let mut points = 0;
    for (call, state) in states.iter().enumerate() {
        for loss in Loss::ALL {
            let at = call * Loss::ALL.len() + loss as usize;
            if !at.is_multiple_of(number("TWINSET_DISK_STRIDE", 23)) {
                continue;
            }
            let crash = Crash { loss, seed: random(at as u64) };
            check(
                home,
                &LyingDisk::of(state.after(crash)),
                products,
                &format!("{phase}, call {call}, {crash:?}"),
            );
            points += 1;
        }
    }
    points
}

#[test]
fn a_crash_at_any_call_of_a_day_leaves_what_was_acknowledged() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let disk = LyingDisk::default();
    let mut products = 12;
    open_and_put(home, &disk, 0..products);

    // Changes and saves.
    disk.record();
    {
        let engine = open(home, &disk);
        let shop = shop_of(&engine);
        for _ in 0..number("TWINSET_DISK_SAVES", 12) {
            // Ever new titles, and now and then a new picture.
            let mut put = numbered(products % 12);
            put.product.title = Some(format!("changed {}", disk.calls()));
            shop.put(vec![put]).unwrap();
            if disk.calls() % 5 == 0 && products < 20 {
                shop.put(vec![numbered(products)]).unwrap();
                products += 1;
            }
            shop.flush().unwrap();
        }
    }
    let states: Vec<State> = disk.history().into_iter().chain([disk.state()]).collect();
    let mut points = crashes(home, &states, products, "saving");

    // Other models come into use, and the old ones again.
    let other = Package::default_embedder().randomised(7);
    disk.record();
    {
        let engine = open(home, &disk);
        let shop = shop_of(&engine);
        let terms = Terms { pace: Pace { threads: 2, share: 1.0 }, force: true };
        let taken =
            shop.use_models(&Package::default_detector(), &other, terms, &mut |_, _, _| true).unwrap();
        assert!(matches!(taken, Taken::InUse(_)));
    }
    let states: Vec<State> = disk.history().into_iter().chain([disk.state()]).collect();
    points += crashes(home, &states, products, "swapping");
    // What the swap relies on is on the disk before the swap is told.
    for loss in Loss::ALL {
        let left = LyingDisk::of(disk.state().after(Crash { loss, seed: 5 }));
        let shop = check(home, &left, products, "swapped");
        assert_eq!(shop.vision().packages()[1], other.hash(), "{loss:?}: the models in use are lost");
    }
    disk.record();
    {
        let engine = open(home, &disk);
        let shop = shop_of(&engine);
        assert_eq!(shop.rollback().unwrap().name(), vision().name());
    }
    let states: Vec<State> = disk.history().into_iter().chain([disk.state()]).collect();
    points += crashes(home, &states, products, "rolling back");
    println!("{} calls, {points} crash points", disk.calls());
    assert!(points > 0);
}

fn open_and_put(home: &Path, disk: &LyingDisk, numbers: std::ops::Range<u32>) {
    let engine = open(home, disk);
    let shop = shop_of(&engine);
    shop.put(numbers.map(numbered).collect()).unwrap();
    shop.flush().unwrap();
}

#[test]
fn an_error_at_any_call_of_a_save_is_told_and_the_next_save_works() {
    let home = tempfile::tempdir().unwrap();
    let disk = LyingDisk::default();
    open_and_put(home.path(), &disk, 0..10);
    let engine = open(home.path(), &disk);
    let shop = shop_of(&engine);
    let mut failures = 0;
    for call in 0.. {
        let (kind, short) = [(ErrorKind::Other, false), (ErrorKind::StorageFull, true)][call as usize % 2];
        let mut put = numbered(3);
        put.product.title = Some(format!("call {call}"));
        shop.put(vec![put]).unwrap();
        settle(&shop);
        let before = disk.calls();
        disk.fail(Fault { call, kind, short });
        let saved = shop.flush();
        // Searches never notice.
        assert_eq!(shop.search(&request(4)).unwrap().hits[0].product.id, "p4");
        if disk.calls() <= before + call {
            saved.unwrap();
            break;
        }
        failures += usize::from(saved.is_err());
        // It is tried again after a pause.
        let again = (0..400).any(|_| {
            std::thread::sleep(Duration::from_millis(50));
            shop.flush().is_ok()
        });
        assert!(again, "after a failure at call {call}: {:?}", shop.index_status().unwrap().last_error);
    }
    disk.fail(Fault { call: u64::MAX / 2, kind: ErrorKind::Other, short: false });
    assert!(failures >= 8, "{failures}");
    drop((shop, engine));
    check(home.path(), &disk, 10, "after all failures");
}

#[test]
fn damaged_files_are_noticed_and_made_anew_while_searches_go_on() {
    let home = tempfile::tempdir().unwrap();
    let disk = LyingDisk::default();
    open_and_put(home.path(), &disk, 0..10);
    {
        let engine = open(home.path(), &disk);
        let other = Package::default_embedder().randomised(7);
        let terms = Terms { pace: Pace { threads: 2, share: 1.0 }, force: true };
        shop_of(&engine)
            .use_models(&Package::default_detector(), &other, terms, &mut |_, _, _| true)
            .unwrap();
    }
    let state = disk.state();
    let files: Vec<_> = state.files().into_iter().collect();
    assert!(
        files.len() >= 6,
        "two indexes and a package: {:?}",
        files.iter().map(|f| &f.0).collect::<Vec<_>>()
    );
    for case in 0..number("TWINSET_DISK_DAMAGES", 24) {
        let mut seed = random(case as u64);
        let mut below = |n: usize| {
            seed = random(seed);
            (seed % n.max(1) as u64) as usize
        };
        let (path, bytes) = &files[case % files.len()];
        let mut damaged = bytes.clone();
        let at = below(damaged.len());
        match below(4) {
            0 => damaged[at] ^= 1 << below(8),
            1 => damaged.truncate(at),
            2 => damaged[at..].fill(0),
            _ => damaged.extend(std::iter::repeat_n(0xA5, 1 + below(9_000))),
        }
        check(
            home.path(),
            &LyingDisk::of(state.with(path, damaged)),
            10,
            &format!("case {case}: {}", path.display()),
        );
    }
}
