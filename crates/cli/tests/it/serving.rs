//! `twinset serve` and `twinset demo`: long-running, one holder of a home.

use crate::house::{House, text};
use std::time::Duration;

#[test]
fn a_served_home_is_nobody_elses() {
    let house = House::new();
    let pictures = house.pictures(2);
    house.run(&["import", text(&pictures), "-c", "shop", "--quiet"]).ended(0);
    let server = house.start(&["serve"]);
    assert_eq!(server.get("/healthz").0, 200);
    let (status, body) = server.get("/v1/catalogues/shop/products?limit=10");
    assert_eq!(status, 200);
    assert!(body.contains("demo-0001"), "{body}");

    let second = house.run(&["list", "-c", "shop"]).ended(1);
    let told = second.stderr();
    assert!(told.contains("process") && told.contains("twinset serve"), "{told}");

    assert_eq!(server.stop(), Some(0));
    house.run(&["list", "-c", "shop"]).ended(0);
}

#[test]
fn the_demo_draws_its_shop_and_answers() {
    let house = House::new();
    let demo = house.start(&["demo", "--headless", "--products", "6"]);
    let (status, page) = demo.get("/");
    assert_eq!(status, 200);
    assert!(page.contains("<html"), "{page}");
    // Drawing goes on behind the page; how long it takes depends on the machine.
    let mut listed = String::new();
    for _ in 0..600 {
        listed = demo.get("/v1/catalogues/demo/products?limit=50").1;
        if listed.contains("demo-0005") {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!((0..6).all(|n| listed.contains(&format!("demo-000{n}"))), "{listed}");
    assert_eq!(demo.stop(), Some(0));
}

/// Keys are made while the server runs, and it closes at once; others are not served without any.
#[test]
fn the_first_key_closes_a_running_server() {
    let house = House::new();
    let open = house.command(&["serve", "--listen", "0.0.0.0:0"]).output().unwrap();
    let told = String::from_utf8_lossy(&open.stderr).into_owned();
    assert_eq!(open.status.code(), Some(1), "{told}");
    assert!(told.contains("twinset keys create"), "{told}");

    let server = house.start(&["serve"]);
    assert_eq!(server.get("/v1/catalogues").0, 200);
    let made =
        house.run(&["keys", "create", "--right", "read,search", "--rate", "60/m", "--json"]).ended(0).json();
    let token = made["token"].as_str().unwrap();
    std::thread::sleep(Duration::from_millis(1100)); // it looks once a second
    assert_eq!(server.get("/v1/catalogues").0, 401);
    let listed = house.run(&["keys", "list"]).ended(0).stdout();
    assert!(listed.contains("search,read") && listed.contains("60/m") && !listed.contains(token), "{listed}");
    house.run(&["keys", "create", "--right", "write", "--public"]).ended(2);
    house.run(&["keys", "revoke", token]).ended(0);
    house.run(&["keys", "revoke", "nobody"]).ended(1);
    assert!(house.run(&["keys", "list"]).ended(0).stdout().contains("revoked"));
    assert_eq!(server.stop(), Some(0));
}

/// The backup that the operator's guide describes for a server that is down: the databases alone are enough.
#[test]
fn a_home_is_restored_from_its_databases_alone() {
    let house = House::new();
    let pictures = house.pictures(3);
    house.run(&["import", text(&pictures), "-c", "shop", "--quiet"]).ended(0);
    house.run(&["keys", "create", "--right", "admin"]).ended(0);
    let (home, kept) = (house.path("home"), house.path("kept"));
    std::fs::rename(&home, &kept).unwrap();
    let database = "catalogues/shop/catalogue.db";
    std::fs::create_dir_all(home.join("catalogues/shop")).unwrap();
    for file in [database, "server.db"] {
        std::fs::copy(kept.join(file), home.join(file)).unwrap();
    }
    let photo = house.photo(1);
    let found = house.run(&["search", text(&photo), "-c", "shop", "--json"]).ended(0).json();
    let before = house.run(&["list", "-c", "shop", "--json"]).ended(0).json();
    assert_eq!(before["items"].as_array().map(Vec::len), Some(3), "{before}");
    assert!(found["hits"].as_array().is_some_and(|hits| !hits.is_empty()), "{found}");
    assert!(house.run(&["keys", "list"]).ended(0).stdout().contains("admin"));
    let server = house.start(&["serve"]);
    assert_eq!(
        (server.get("/healthz").0, server.get("/v1/catalogues").0),
        (200, 401),
        "the keys came with it"
    );
    assert_eq!(server.stop(), Some(0));
}

/// A training that the server begins: a process of its own that reads the catalogue of a home in use, and can be stopped.
#[test]
fn a_server_trains_beside_its_searches() {
    let house = House::new();
    let pictures = house.pictures(12);
    house.run(&["import", text(&pictures), "-c", "shop", "--quiet"]).ended(0);
    let server = house.start(&["serve"]);
    let begun = server
        .send("POST", "/v1/runs", "application/json", br#"{"catalogue":"shop","steps":20000}"#)
        .unwrap();
    assert_eq!(begun.0, 202, "{}", begun.1);
    let id = serde_json::from_str::<serde_json::Value>(&begun.1).unwrap()["id"].as_str().unwrap().to_owned();
    let job = format!("/v1/jobs/{id}");
    // Once it knows its steps it has read its data.
    let mut told = serde_json::Value::Null;
    for _ in 0..1200 {
        told = serde_json::from_str(&server.get(&job).1).unwrap();
        if !["queued", "running"].contains(&told["state"].as_str().unwrap())
            || told["progress"]["total"] == 20000
        {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!((&told["state"], &told["progress"]["total"]), (&"running".into(), &20000.into()), "{told}");
    assert_eq!(server.get("/v1/catalogues/shop/products?limit=1").0, 200);
    assert_eq!(server.send("DELETE", &job, "application/json", b"").unwrap().0, 202);
    for _ in 0..1200 {
        told = serde_json::from_str(&server.get(&job).1).unwrap();
        if told["state"] != "running" {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(told["state"], "cancelled", "{told}");
    let runs: serde_json::Value = serde_json::from_str(&server.get("/v1/runs").1).unwrap();
    assert_eq!((&runs["items"][0]["state"], &runs["items"][0]["steps"]), (&"stopped".into(), &20000.into()));
    assert_eq!(server.stop(), Some(0));
}
