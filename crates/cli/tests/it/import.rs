//! `twinset import` and `twinset search`: the main job.

use crate::house::{House, signal, text};
use serde_json::Value;

/// Members of `search --json` that others rely on.
const ANSWER: [&str; 8] =
    ["/seq", "/model", "/query/box", "/query/category", "/garments", "/hits", "/verdict", "/timing_ms/total"];
const HIT: [&str; 9] = ["rank", "product", "picture", "name", "score", "verdict", "global", "local", "box"];

#[test]
fn a_folder_becomes_products_and_what_cannot_be_read_is_listed() {
    let house = House::new();
    let pictures = house.pictures(12);
    house.write("pictures/demo-0001/broken.jpg", b"\xff\xd8\xff\xe0 no picture");
    house.write("pictures/alone.png", b"nothing at all");
    house.write("pictures/notes.txt", b"not named as a picture");
    let import = ["import", text(&pictures), "--catalogue", "shop", "--json"];

    let report = house.run(&import).ended(3).json();
    assert_eq!((&report["created"], &report["pictures"]), (&12.into(), &24.into()), "{report}");
    let rejected = report["rejected"].as_array().unwrap();
    assert_eq!(rejected.len(), 2, "{report}");
    assert!(rejected.iter().all(|r| r["reason"].as_str().is_some_and(|reason| !reason.is_empty())));
    assert_eq!(report["passed_over"], 1);

    let again = house.run(&import).ended(3).json();
    assert_eq!(
        (&again["created"], &again["updated"], &again["unchanged"]),
        (&0.into(), &0.into(), &12.into())
    );

    // Every product is found by its own picture, with all that was promised.
    for n in [0, 5, 11] {
        let photo = house.path(&format!("pictures/demo-{n:04}/main.jpg"));
        let answer = house.run(&["search", text(&photo), "-c", "shop", "-k", "5", "--json"]).ended(0).json();
        for pointer in ANSWER {
            assert!(answer.pointer(pointer).is_some(), "{pointer}: {answer}");
        }
        let first = &answer["hits"][0];
        assert_eq!(first["product"], format!("demo-{n:04}"), "{answer}");
        for member in HIT {
            assert!(!first[member].is_null(), "{member}: {first}");
        }
        assert_eq!((&first["verdict"], &answer["verdict"]), (&"same".into(), &"same".into()), "{answer}");
        assert!(first["parts"].as_array().is_some_and(|parts| !parts.is_empty()), "{first}");
    }
}

#[test]
fn a_data_set_becomes_products_with_claims() {
    let house = House::new();
    let pictures = house.pictures(3);
    let manifest = "file,split,category,item_id,view,title,attributes\n\
        demo-0000/main.jpg,val,dresses,A,main,A fine dress,\"{\"\"color\"\": [\"\"red\"\"]}\"\n\
        demo-0000/detail.jpg,val,dresses,A,alt,,\n\
        demo-0001/main.jpg,train,shirts,B,main,A shirt,\n";
    house.write("pictures/manifest.csv", manifest);
    let import = ["import", text(&pictures), "-c", "set", "--split", "val", "--json"];
    let report = house.run(&import).ended(0).json();
    assert_eq!((&report["created"], &report["pictures"]), (&1.into(), &2.into()), "{report}");
    let product = house.run(&["get", "A", "-c", "set", "--json"]).ended(0).json();
    assert_eq!(product["title"], "A fine dress");
    assert_eq!(product["color"], serde_json::json!(["red"]));
    let wrong = house.run(&["import", text(&pictures), "-c", "set", "--split", "nowhere"]).ended(2);
    assert!(wrong.stderr().contains("val"), "{}", wrong.stderr());
}

#[test]
fn an_interrupted_import_is_finished_by_the_same_command() {
    use std::io::{BufRead, BufReader};
    let house = House::new();
    let pictures = house.pictures(60);
    let import = ["import", text(&pictures), "-c", "shop", "--json"];
    let mut child = house.command(&import).spawn().unwrap();
    // The first sign of progress: it is in the middle of it.
    let mut told = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let first = told.next();
    signal(&child, "INT");
    let rest: Vec<String> = told.collect();
    let ended = child.wait().unwrap().code();
    if ended == Some(1) {
        let hint = rest.iter().any(|line| line.contains("twinset import") && line.contains("goes on"));
        assert!(hint, "{first:?} {rest:?}");
    } else {
        assert_eq!(ended, Some(0), "{first:?} {rest:?}");
    }
    let report = house.run(&import).ended(0).json();
    let number = |name: &str| report[name].as_u64().unwrap();
    assert_eq!(number("created") + number("unchanged") + number("updated"), 60, "{report}");
    let listed = house.run(&["list", "-c", "shop", "-n", "0", "--json"]).ended(0).json();
    let items = listed["items"].as_array().or(listed.as_array()).map(Vec::len);
    assert_eq!(items, Some(60));
    let status = house.run(&["index", "status", "-c", "shop", "--json"]).ended(0).json();
    // Two pictures each; what looks like a collage is there by its panels too.
    assert!(status["items"].as_u64().is_some_and(|items| items >= 120), "{status}");
    assert_eq!((&status["seq"], &status["state"]), (&status["last_seq"], &"ready".into()), "{status}");
}

#[test]
fn filters_boxes_and_exactness_are_kept() {
    let house = House::new();
    let pictures = house.pictures(8);
    house.run(&["import", text(&pictures), "-c", "shop", "--quiet"]).ended(0);
    house.run(&["put", "demo-0003", "-c", "shop", "--price", "12.50 EUR", "--color", "red"]).ended(0);
    let photo = house.photo(3);
    let ids = |answer: &Value| -> Vec<String> {
        let hits = answer["hits"].as_array().unwrap();
        hits.iter().map(|hit| hit["product"].as_str().unwrap().to_owned()).collect()
    };
    let search = |more: &[&str]| {
        let args: Vec<&str> =
            ["search", text(&photo), "-c", "shop", "--json"].iter().chain(more).copied().collect();
        house.run(&args).ended(0).json()
    };
    assert_eq!(ids(&search(&["--filter", "price < 20 and color = 'red'"])), ["demo-0003"]);
    assert_eq!(ids(&search(&["--filter", "price > 20"])), [""; 0]);
    let boxed = search(&["--box", "10,20,300,400"]);
    assert_eq!(boxed["query"]["box"], serde_json::json!([10.0, 20.0, 300.0, 400.0]));
    assert_eq!(ids(&search(&["--exact", "--no-rerank"])), ids(&search(&["--no-rerank"])));
}
