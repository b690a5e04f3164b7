//! `twinset sync`, `export` and `snapshot`.

use crate::house::{House, text};
use std::io::Write;
use std::process::Stdio;

const FEED: &str = "id,title,image_link,price\na,Red tee,https://shop.example/a.jpg,\"12,00\"\nb,Blue tee,https://shop.example/img/b.jpg,14.00\n";

/// A shop with two products, their pictures in a folder beside the feed.
fn shop() -> (House, String, String) {
    let house = House::new();
    let drawn = house.pictures(2);
    let first = |n: u64| {
        let folder = drawn.join(format!("demo-000{n}"));
        let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
        files.sort();
        std::fs::read(&files[0]).unwrap()
    };
    house.write("beside/a.jpg", first(0));
    house.write("beside/shop.example/img/b.jpg", first(1));
    let feed = house.write("feed.csv", FEED);
    let (feed, beside) = (text(&feed).to_owned(), text(&house.path("beside")).to_owned());
    (house, feed, beside)
}

#[test]
fn a_feed_becomes_a_catalogue_and_comes_back() {
    let (house, feed, beside) = shop();
    let sync =
        ["sync", &feed, "-c", "shop", "--currency", "EUR", "--pictures", &beside, "--no-fetch", "--json"];
    let dry = house.run(&[&sync[..], &["--dry-run"]].concat()).ended(0).json();
    assert_eq!((&dry["counts"]["new"], &dry["dry_run"]), (&2.into(), &true.into()));
    assert!(!house.run(&["list", "--json"]).stdout().contains("shop"), "a dry run makes nothing");

    let report = house.run(&sync).ended(0).json();
    assert_eq!(
        (&report["state"], &report["counts"]["new"], &report["pictures"]["fetched"]),
        (&"succeeded".into(), &2.into(), &2.into()),
        "{report}"
    );
    assert_eq!(report["format"], "merchant_table");
    let again = house.run(&sync).ended(0).json();
    assert_eq!((&again["counts"]["unchanged"], &again["pictures"]["fetched"]), (&2.into(), &0.into()));
    let found =
        house.run(&["search", text(&house.path("beside/a.jpg")), "-c", "shop", "--json"]).ended(0).json();
    assert_eq!(found["hits"][0]["product"], "a");

    // What is exported changes nothing here, and is the whole elsewhere.
    let (lines, pictures) = (house.path("all.ndjson"), house.path("pictures-out"));
    house.run(&["export", "-c", "shop", "--out", text(&lines), "--pictures", text(&pictures)]).ended(0);
    let same = house.run(&["sync", text(&lines), "-c", "shop", "--json"]).ended(0).json();
    assert_eq!(
        (&same["counts"]["unchanged"], &same["counts"]["changed"], &same["counts"]["gone"]),
        (&2.into(), &0.into(), &0.into())
    );
    house
        .run(&[
            "sync",
            text(&lines),
            "-c",
            "elsewhere",
            "--pictures",
            text(&pictures),
            "--no-fetch",
            "--json",
        ])
        .ended(0);
    let there = house.run(&["export", "-c", "elsewhere"]).ended(0).stdout();
    assert_eq!(there, std::fs::read_to_string(&lines).unwrap());
}

#[test]
fn a_feed_comes_through_a_pipe_and_what_is_wrong_is_told() {
    let (house, _, _) = shop();
    let mut child = house
        .command(&["sync", "-", "-c", "shop", "--no-fetch", "--json"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"id,title,image_link\n1,\"open,x\n2,b,https://shop.example/b.jpg\n,c,\n")
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3), "some rows were left out");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["counts"]["new"], &report["counts"]["skipped"]), (&1.into(), &2.into()), "{report}");
    assert_eq!(report["findings"]["bad_row"]["rows"][0], 2);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("missing_id: row 4"), "{told}");

    // Wrong use, and feeds that are none.
    for (args, status) in [
        (&["sync", "nothing.xml", "-c", "shop"][..], 1),
        (&["sync", "nothing.xml", "-c", "shop", "--guard", "200"], 2),
        (&["sync", "nothing.xml", "-c", "shop", "--currency", "euros"], 2),
        (&["sync", "http://127.0.0.1:9/feed.xml", "-c", "shop"], 1),
    ] {
        house.run(args).ended(status);
    }
    let refused = house.run(&["sync", "http://169.254.169.254/feed.xml", "-c", "shop"]).ended(1).stderr();
    assert!(refused.contains("not a public address"), "{refused}");
    let unknown = house.write("unknown.csv", "Nr;Foto\n1;x\n");
    let told = house.run(&["sync", text(&unknown), "-c", "shop"]).ended(1).stderr();
    assert!(told.contains("mapping") && told.contains("nr, foto"), "{told}");
    let mapping = house.write("map.toml", "[columns]\nid = \"Nr\"\nimage_link = \"Foto\"\n");
    house
        .run(&[
            "sync",
            text(&unknown),
            "-c",
            "shop",
            "--mapping",
            text(&mapping),
            "--name",
            "other",
            "--no-fetch",
            "--json",
        ])
        .ended(3);
}

#[test]
fn the_guard_asks_and_takes_an_answer() {
    let (house, feed, beside) = shop();
    house
        .run(&["sync", &feed, "-c", "shop", "--pictures", &beside, "--no-fetch", "--currency", "EUR"])
        .ended(0);
    let less = house.write("less.csv", "id,title,image_link\na,Red tee,https://shop.example/a.jpg\n");
    let sync = ["sync", text(&less), "-c", "shop", "--no-fetch", "--json"];
    let asked = house.run(&sync).ended(3).json();
    assert_eq!((&asked["state"], &asked["approval"]["gone"]), (&"needs_approval".into(), &1.into()));
    house.run(&["get", "-c", "shop", "b"]).ended(0);
    let kept = house.run(&[&sync[..], &["--delete-missing=no"]].concat()).ended(0).json();
    assert_eq!(kept["kept"], 1);
    let told = house.run(&[&sync[..], &["--delete-missing=yes"]].concat()).ended(0).json();
    assert_eq!(told["counts"]["gone"], 1);
    house.run(&["get", "-c", "shop", "b"]).ended(1);
}

#[test]
fn a_snapshot_is_taken_while_a_server_runs() {
    let (house, feed, beside) = shop();
    house
        .run(&["sync", &feed, "-c", "shop", "--pictures", &beside, "--no-fetch", "--currency", "EUR"])
        .ended(0);
    let server = house.start(&["serve"]);
    let made = house.run(&["snapshot", "create", "-c", "shop", "--json"]).ended(0).json();
    assert_eq!(server.get("/healthz").0, 200);
    assert_eq!(server.stop(), Some(0));
    let listed = house.run(&["snapshot", "list", "--json"]).ended(0).json();
    assert_eq!(
        (&listed["items"][0]["catalogue"], &listed["items"][0]["file"]),
        (&"shop".into(), &made["file"])
    );
    let file = made["file"].as_str().unwrap();
    house.run(&["snapshot", "restore", file, "-c", "shop"]).ended(1);
    let restored = house.run(&["snapshot", "restore", file, "-c", "again", "--json"]).ended(0).json();
    assert_eq!((&restored["products"], &restored["seq"]), (&2.into(), &made["seq"]));
    let found =
        house.run(&["search", text(&house.path("beside/a.jpg")), "-c", "again", "--json"]).ended(0).json();
    assert_eq!(found["hits"][0]["product"], "a");
    house.run(&["snapshot", "restore", &feed, "-c", "bad"]).ended(1);
}
