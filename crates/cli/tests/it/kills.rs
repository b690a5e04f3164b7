//! `kill -9` of an import, and of the server during writes, searches, a sync and a snapshot; nothing that was acknowledged is
//! lost or doubled.
//!
//! Of the server a ledger holds what was asked and what was acknowledged. `TWINSET_KILLS` (default 3) says how often the server dies,
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

/// An import dies 50 times at random moments. What was there before is there after, and the same command finishes the job;
/// when it comes to its end before its kill, another catalogue is begun.
#[test]
fn a_killed_import_is_finished_by_the_same_command() {
    const PRODUCTS: usize = 150;
    let house = House::new();
    let pictures = house.pictures(PRODUCTS as u64);
    let (mut kills, mut catalogue, mut known) = (0, 0, Vec::new());
    let finish = |catalogue: &str| {
        let import = ["import", text(&pictures), "-c", catalogue, "--json"];
        let report = house.run(&import).ended(0).json();
        let made: u64 = ["created", "unchanged", "updated"].iter().filter_map(|n| report[n].as_u64()).sum();
        assert_eq!(made, PRODUCTS as u64, "{report}");
        assert_eq!(listed(&house, catalogue).len(), PRODUCTS);
        let status = house.run(&["index", "status", "-c", catalogue, "--json"]).ended(0).json();
        // Two pictures each; what looks like a collage is there by its panels too.
        assert!(status["items"].as_u64().is_some_and(|items| items >= 2 * PRODUCTS as u64), "{status}");
        assert_eq!((&status["seq"], &status["state"]), (&status["last_seq"], &"ready".into()), "{status}");
    };
    for moment in 0.. {
        let name = format!("shop-{catalogue}");
        let mut import = house.command(&["import", text(&pictures), "-c", &name, "--quiet"]).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(random(moment) % 400));
        let ended = import.try_wait().unwrap();
        if ended.is_none() {
            import.kill().unwrap();
            import.wait().unwrap();
            kills += 1;
        }
        if ended.is_none_or(|status| status.code() != Some(0)) {
            assert!(ended.is_none(), "moment {moment}: {ended:?}");
            let now = listed(&house, &name);
            assert!(known.iter().all(|id| now.contains(id)), "moment {moment}: {known:?} became {now:?}");
            known = now;
        } else {
            finish(&name);
            (catalogue, known) = (catalogue + 1, Vec::new());
        }
        if kills == 50 {
            return finish(&format!("shop-{catalogue}"));
        }
    }
}

/// Ids of all products, each once; none where the catalogue is not there yet.
fn listed(house: &House, catalogue: &str) -> Vec<String> {
    let answer = house.run(&["list", "-c", catalogue, "-n", "0", "--json"]);
    if answer.stdout().is_empty() {
        return Vec::new();
    }
    let answer = answer.ended(0).json();
    let items = answer["items"].as_array().or(answer.as_array()).unwrap();
    let ids: Vec<String> = items.iter().map(|i| i["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), ids.len(), "{ids:?}");
    ids
}
