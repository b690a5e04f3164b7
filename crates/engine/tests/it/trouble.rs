//! Damaged files and sudden deaths.

use crate::drawn::{Fixture, LONG, check_finds, ids, numbered, open, request, settle, shop_of};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use twinset_engine::{EngineError, Shop};

fn index_files(shop: &Shop) -> Vec<PathBuf> {
    let dir = shop.catalogue().dir().join("index");
    std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn a_damaged_index_is_set_aside_and_made_anew_while_searches_go_on() {
    let Fixture { shop, engine, home } = Fixture::with((0..10).map(numbered).collect());
    shop.flush().unwrap();
    let files = index_files(&shop);
    assert!(!files.is_empty());
    drop((shop, engine));
    for (n, file) in files.iter().enumerate() {
        let mut bytes = std::fs::read(file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x10;
        std::fs::write(file, bytes).unwrap();

        let engine = open(home.path());
        let shop = shop_of(&engine);
        // Searches answer at once, over what is there, and say up to which change.
        let early = shop.search(&request(4)).unwrap();
        assert!(early.seq == 10 || early.hits.len() < 10);
        settle(&shop);
        // Damage behind what searches follow is found a little later.
        let start = Instant::now();
        while shop.index_status().unwrap().quarantined.is_empty() && start.elapsed() < LONG {
            std::thread::sleep(Duration::from_millis(10));
        }
        settle(&shop);
        let status = shop.index_status().unwrap();
        assert_eq!((status.quarantined.len(), status.computed, status.items), (1, 0, 10), "file {n}");
        assert!(status.quarantined[0].exists());
        check_finds(&shop, 0..10);
        shop.flush().unwrap();
        drop((shop, engine));
    }
}

#[test]
fn a_lost_index_is_made_anew() {
    let Fixture { shop, engine, home } = Fixture::with((0..4).map(numbered).collect());
    shop.flush().unwrap();
    let dir = shop.catalogue().dir().join("index");
    drop((shop, engine));
    std::fs::remove_dir_all(dir).unwrap();
    let engine = open(home.path());
    let shop = shop_of(&engine);
    settle(&shop);
    check_finds(&shop, 0..4);
    assert_eq!(shop.index_status().unwrap().computed, 0);
}

#[test]
fn rebuilding_by_hand_changes_no_answer() {
    let fixture = Fixture::with((0..30).map(numbered).collect());
    fixture.shop.remove(&["p3".into(), "p4".into()]).unwrap();
    settle(&fixture.shop);
    let before = fixture.shop.search(&request(9)).unwrap();
    std::thread::scope(|scope| {
        let searching = scope.spawn(|| {
            (0..10).for_each(|_| assert_eq!(fixture.shop.search(&request(9)).unwrap().hits.len(), 24))
        });
        let mut told = Vec::new();
        let seq = fixture.shop.rebuild_index(|done, total| told.push((done, total))).unwrap();
        assert_eq!(seq, fixture.shop.catalogue().last_seq().unwrap());
        assert!(told.iter().all(|(done, total)| done <= total));
        searching.join().unwrap();
    });
    assert_eq!(ids(&fixture.shop.search(&request(9)).unwrap()), ids(&before));
    check_finds(&fixture.shop, [0, 29]);
    assert_eq!(fixture.shop.index_status().unwrap().computed, 30);
}

#[test]
fn a_second_engine_on_one_home_is_refused() {
    let fixture = Fixture::with(vec![]);
    let options = twinset_engine::Options { threads: 1, ..Default::default() };
    let second = twinset_engine::Engine::open_with(fixture.home.path(), options, crate::drawn::vision());
    let pid = std::process::id().to_string();
    assert!(matches!(second, Err(EngineError::Catalogue(error)) if error.to_string().contains(&pid)));
}

/// Products of the import that is killed.
const IMPORTED: u32 = 120;
const KILLS: u64 = 10;
const CHILD_HOME: &str = "TWINSET_ENGINE_TEST_CHILD_HOME";

/// Not a test of its own: the process that [`no_kill_loses_or_doubles_anything`] kills. Puts products one by one
/// and says which are acknowledged, while the follower looks at them.
#[test]
fn child_that_imports() {
    let Some(home) = std::env::var_os(CHILD_HOME) else { return };
    let engine = open(Path::new(&home));
    let shop = shop_of(&engine);
    for n in 0..IMPORTED {
        shop.put(vec![numbered(n)]).unwrap();
        println!("\nacknowledged p{n}");
    }
    settle(&shop);
    println!("\nfinished");
    // Dies as suddenly as the others, but with everything done.
    std::process::abort();
}

#[test]
fn no_kill_loses_or_doubles_anything() {
    let home = tempfile::tempdir().unwrap();
    let seed = 20_241_124_u64;
    let mut acknowledged = std::collections::BTreeSet::new();
    for kill in 0..KILLS {
        // After so many lines of the child, then a pause below 40 ms: splitmix64 of the seed.
        let mut z = (seed + kill).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z ^= z >> 27;
        let (lines, pause_ms) = (z % u64::from(IMPORTED), (z >> 32) % 40);
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "trouble::child_that_imports", "--nocapture", "--test-threads", "1"])
            .env(CHILD_HOME, home.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut said = said.filter_map(|line| line.strip_prefix("acknowledged ").map(str::to_owned));
        acknowledged.extend(said.by_ref().take(lines as usize));
        std::thread::sleep(std::time::Duration::from_millis(pause_ms));
        child.kill().unwrap();
        acknowledged.extend(said); // what it had said before it died
        child.wait().unwrap();

        let engine = open(home.path());
        let shop = shop_of(&engine);
        for id in &acknowledged {
            assert!(shop.catalogue().get(id).unwrap().is_some(), "seed {seed}, kill {kill}: {id} is lost");
        }
    }
    // The same import finishes the job.
    let engine = open(home.path());
    let shop = shop_of(&engine);
    shop.put_many((0..IMPORTED).map(numbered), &mut |_| true).unwrap();
    let counts = shop.catalogue().count().unwrap();
    let all = u64::from(IMPORTED);
    assert_eq!((counts.products, counts.pictures, counts.placements), (all, all, all));
    assert_eq!(shop.index_status().unwrap().items, all);
    check_finds(&shop, (0..IMPORTED).step_by(17));
}
