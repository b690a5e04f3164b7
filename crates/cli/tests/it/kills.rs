//! `kill -9` of the server during writes, searches, a sync and a snapshot; nothing that was acknowledged is lost or doubled.
//!
//! A ledger holds what was asked and what was acknowledged. `TWINSET_KILLS` (default 3) says how often the server dies,
//! `TWINSET_KILL_WRITES` (default 200) how many writes are asked of each life. The seed is printed with every failure.

use crate::house::{House, Running, text};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const CATALOGUE: &str = "/v1/catalogues/shop";
const LINES: &str = "application/x-ndjson";

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// splitmix64
fn random(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// What a product may say now: the last acknowledged title (`None`: removed), or one that was asked for after it and never
/// answered.
#[derive(Default)]
struct Entry {
    acknowledged: Option<Option<String>>,
    asked: Vec<Option<String>>,
}

#[derive(Default)]
struct Ledger {
    entries: BTreeMap<String, Entry>,
    acknowledged: u64,
}

/// Asks for writes, some lines at a time, until the server is gone; only this thread writes these products.
fn write(server: &Running, ledger: &Mutex<Ledger>, life: u64, writes: u64, seed: u64) {
    let mut left = writes;
    let mut n = 0;
    while left > 0 {
        let lines: Vec<(String, Option<String>)> = (0..left.min(8))
            .map(|_| {
                n += 1;
                let r = random(seed ^ n);
                // Of ten writes two are removals.
                let title = ((r >> 32) % 10 < 8).then(|| format!("life {life}, write {n}"));
                (format!("w{}", r % 500), title)
            })
            .collect();
        left -= lines.len() as u64;
        let body: String = lines
            .iter()
            .map(|(id, title)| match title {
                Some(title) => json!({ "id": id, "title": title }).to_string() + "\n",
                None => json!({ "id": id, "deleted": true }).to_string() + "\n",
            })
            .collect();
        let mut book = ledger.lock().unwrap();
        for (id, title) in &lines {
            book.entries.entry(id.clone()).or_default().asked.push(title.clone());
        }
        drop(book);
        let answer = server.send("POST", &format!("{CATALOGUE}/products:import"), LINES, body.as_bytes());
        let Some((200, answer)) = answer else { return };
        let mut book = ledger.lock().unwrap();
        // A chunked body: its lines are those that are JSON.
        let answers = answer
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter(|v| v.is_object());
        for answer in answers {
            let at = answer["line"].as_u64().unwrap() as usize - 1;
            assert_ne!(answer["status"], "failed", "{answer}");
            let (id, title) = &lines[at];
            let entry = book.entries.get_mut(id).unwrap();
            // Everything asked before in this order is settled by it.
            let upto = entry.asked.iter().position(|asked| asked == title).unwrap();
            entry.asked.drain(..=upto);
            entry.acknowledged = Some(title.clone());
            book.acknowledged += 1;
        }
    }
}

/// Compares everything there is with the ledger.
fn check(products: &BTreeMap<String, String>, ledger: &mut Ledger, told: &str) {
    for (id, entry) in &mut ledger.entries {
        let now = products.get(id).cloned();
        let fits = entry.acknowledged.as_ref().map_or(now.is_none(), |last| *last == now)
            || entry.asked.contains(&now);
        assert!(
            fits,
            "{told}: {id} is {now:?}, acknowledged was {:?}, asked {:?}",
            entry.acknowledged, entry.asked
        );
        // What is found is what holds from now on.
        entry.asked.clear();
        entry.acknowledged = Some(now);
    }
    let strangers: Vec<_> =
        products.keys().filter(|id| id.starts_with('w') && !ledger.entries.contains_key(*id)).collect();
    assert!(strangers.is_empty(), "{told}: nobody asked for {strangers:?}");
}

fn products(server: &Running) -> BTreeMap<String, String> {
    let (status, body) = server.get(&format!("{CATALOGUE}/products:export"));
    assert_eq!(status, 200);
    let mut found = BTreeMap::new();
    for product in
        body.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).filter(|v| v.is_object())
    {
        let id = product["id"].as_str().unwrap().to_owned();
        let doubled = found.insert(id.clone(), product["title"].as_str().unwrap_or_default().to_owned());
        assert!(doubled.is_none(), "{id} stands there twice");
    }
    found
}

#[test]
fn no_kill_loses_or_doubles_what_was_acknowledged() {
    let (kills, writes) = (number("TWINSET_KILLS", 3), number("TWINSET_KILL_WRITES", 200));
    let seed = number("TWINSET_KILL_SEED", 20_261_125);
    let house = House::new();
    let pictures = house.pictures(4);
    house.run(&["import", text(&pictures), "-c", "shop", "--quiet"]).ended(0);
    let feed: &str =
        &(0..120).map(|n| format!("{{\"id\":\"s{n}\",\"title\":\"synced {n}\"}}\n")).collect::<String>();
    let photo = std::fs::read(house.photo(1)).unwrap();
    let mut ledger = Ledger::default();
    let mut slowest = Duration::ZERO;
    for kill in 0..kills {
        let told = format!("seed {seed}, kill {kill}");
        let began = Instant::now();
        let server = house.start(&["serve"]);
        assert_eq!(server.get("/readyz").0, 200, "{told}");
        slowest = slowest.max(began.elapsed());
        check(&products(&server), &mut ledger, &told);
        server.send("PUT", &format!("{CATALOGUE}/sources/feed"), "application/json", b"{}");
        let book = Mutex::new(std::mem::take(&mut ledger));
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let (server, book, over) = (&server, &book, &over);
            let writer = scope.spawn(move || write(server, book, kill, writes, random(seed ^ kill << 32)));
            scope.spawn(move || {
                server.send("POST", &format!("{CATALOGUE}/sources/feed/runs"), LINES, feed.as_bytes())
            });
            scope.spawn(move || {
                server.send("POST", &format!("{CATALOGUE}/snapshots"), "application/json", b"")
            });
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let Some((status, body)) =
                        server.send("POST", &format!("{CATALOGUE}/search?limit=3"), "image/jpeg", &photo)
                    else {
                        break;
                    };
                    assert!(status == 200 || status == 503, "{status} {body}");
                }
            });
            // Somewhere among the writes: after a share of them, and a moment more.
            let share = random(seed ^ kill) % (writes + 1);
            let pause = random(seed ^ kill ^ 0xabc) % 30;
            let before = book.lock().unwrap().acknowledged;
            while book.lock().unwrap().acknowledged - before < share && !writer.is_finished() {
                std::thread::sleep(Duration::from_millis(1));
            }
            std::thread::sleep(Duration::from_millis(pause));
            over.store(true, Ordering::Relaxed);
            server.kill_now();
        });
        drop(server);
        ledger = book.into_inner().unwrap();
    }
    // What is left is whole: products, index, and every copy that has its name.
    let server = house.start(&["serve"]);
    check(&products(&server), &mut ledger, "at the end");
    assert_eq!(server.stop(), Some(0));
    house.run(&["index", "verify", "-c", "shop"]).ended(0);
    let copies = house.run(&["snapshot", "list", "--json"]).ended(0).json();
    if let Some(copy) = copies["items"].as_array().and_then(|items| items.last()) {
        house.run(&["snapshot", "restore", copy["file"].as_str().unwrap(), "-c", "copy"]).ended(0);
    }
    println!("{kills} kills, {} acknowledged writes, ready again within {slowest:?}", ledger.acknowledged);
}
