//! `twinset put`, `get`, `list`, `remove`: single products.

use crate::house::{House, text};

#[test]
fn one_product_comes_changes_and_goes() {
    let house = House::new();
    let pictures = house.pictures(1);
    let image = format!("main={}", text(&pictures.join("demo-0000/main.jpg")));
    let put =
        ["put", "P1", "-c", "shop", "--image", &image, "--title", "Red dress", "--price", "10 EUR", "--wait"];
    house.run(&put).ended(0);
    let product = house.run(&["get", "P1", "-c", "shop", "--json"]).ended(0).json();
    assert_eq!(
        (&product["title"], &product["price"]["amount"]),
        (&"Red dress".into(), &"10".into()),
        "{product}"
    );

    house.run(&["put", "P1", "-c", "shop", "--price", "9.50 EUR"]).ended(0);
    let product = house.run(&["get", "P1", "-c", "shop", "--json"]).ended(0).json();
    assert_eq!((&product["title"], &product["price"]["amount"]), (&"Red dress".into(), &"9.50".into()));

    house.run(&["remove", "P1", "-c", "shop"]).ended(0);
    house.run(&["get", "P1", "-c", "shop"]).ended(1);
    let found = house.run(&["search", text(&pictures.join("demo-0000/main.jpg")), "-c", "shop", "--json"]);
    assert_eq!(found.ended(0).json()["hits"], serde_json::json!([]));
}

#[test]
fn what_cannot_be_kept_is_refused_and_nothing_changes() {
    let house = House::new();
    house.run(&["put", "P1", "-c", "shop", "--title", "Kept"]).ended(0);
    let broken = house.write("broken.jpg", b"no picture");
    let refused =
        house.run(&["put", "P1", "-c", "shop", "--title", "Lost", "--image", text(&broken)]).ended(1);
    assert!(refused.stderr().contains("broken.jpg"), "{}", refused.stderr());
    house.run(&["put", "P1", "-c", "shop", "--price", "cheap"]).ended(2);
    let product = house.run(&["get", "P1", "-c", "shop", "--json"]).ended(0).json();
    assert_eq!(product["title"], "Kept");
}
