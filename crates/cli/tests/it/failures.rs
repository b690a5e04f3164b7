//! What goes wrong ends in words, a status, and nothing lost.

use crate::house::{House, text};

#[test]
fn wrong_use_is_status_2() {
    let house = House::new();
    let photo = house.photo(0);
    house.run(&["put", "P1", "-c", "shop", "--title", "t"]).ended(0);
    for args in [
        &["serach"] as &[&str],
        &["search", text(&photo)],
        &["search", text(&photo), "-c", "shop", "--box", "1,2,3"],
        &["search", text(&photo), "-c", "shop", "--filter", "price <"],
        &["list", "-c", "no/such/name"],
        &["put", "-c", "shop"],
    ] {
        let told = house.run(args).ended(2).stderr();
        assert!(!told.trim().is_empty(), "{args:?}");
    }
}

#[test]
fn what_is_not_there_is_told_with_the_next_step() {
    let house = House::new();
    let photo = house.photo(0);
    let told = house.run(&["search", text(&photo), "-c", "nowhere"]).ended(1).stderr();
    assert!(told.contains("nowhere") && told.contains("twinset import"), "{told}");
    let told = house.run(&["detect", text(&house.path("missing.jpg"))]).ended(1).stderr();
    assert!(told.contains("missing.jpg"), "{told}");
    let junk = house.write("junk.jpg", b"no picture");
    let told = house.run(&["detect", text(&photo), text(&junk), "--json"]).ended(3);
    assert_eq!(told.json().as_array().map(Vec::len), Some(1));
    assert!(told.stderr().contains("junk.jpg"), "{}", told.stderr());
}

#[test]
fn a_damaged_index_is_made_anew() {
    let house = House::new();
    let pictures = house.pictures(5);
    house.run(&["import", text(&pictures), "-c", "shop", "--quiet"]).ended(0);
    let mut damaged = 0;
    for entry in walk(&house.path("home")) {
        if entry.components().any(|part| part.as_os_str() == "index") {
            let mut bytes = std::fs::read(&entry).unwrap();
            let middle = bytes.len() / 2;
            if let Some(byte) = bytes.get_mut(middle) {
                *byte ^= 0x55;
                damaged += 1;
            }
            std::fs::write(&entry, bytes).unwrap();
        }
    }
    assert!(damaged > 0, "the index was not saved");
    let photo = pictures.join("demo-0002/main.jpg");
    let answer = house.run(&["search", text(&photo), "-c", "shop", "--json"]).ended(0).json();
    assert_eq!(answer["hits"][0]["product"], "demo-0002", "{answer}");
    house.run(&["index", "rebuild", "-c", "shop"]).ended(0);
    house.run(&["index", "verify", "-c", "shop"]).ended(0);
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.path().is_dir() { files.extend(walk(&entry.path())) } else { files.push(entry.path()) }
    }
    files
}

#[test]
fn completions_are_printed_for_every_shell() {
    let house = House::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = house.run(&["completion", shell]).ended(0).stdout();
        assert!(script.contains("retrieval"), "{shell}");
    }
}
