use crate::house::{House, picture};
use axum::http::Method;
use serde_json::json;

const AT: &str = "/v1/catalogues/main/products";
const FULL: &str = r#"{"id":"a/1 é","group_id":"g","title":"Dune dress","description":"Long","link":"https://shop.example/a",
 "images":[{"name":"main","url":"https://shop.example/a.jpg","role":"main","alt":"front","variant":"red"}],"availability":"in_stock",
 "price":{"amount":"89.00","currency":"EUR"},"sale_price":{"amount":"49.50","currency":"EUR"},"condition":"new","brand":"B","gtin":"1","mpn":"2","sku":"3",
 "category":{"google_id":1604,"path":["Apparel","Dresses"]},"product_type":[["Women","Dresses"]],"color":["red"],"size":["40"],"material":["cotton"],
 "pattern":["solid"],"gender":["female"],"age_group":["adult"],"tags":["new"],"attributes":{"season":["summer"]},"custom":{"x":[1]},"seller":"S",
 "place":{"lat":37.5,"lon":127.0},"source":"feed"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_product_is_put_read_patched_listed_and_removed() {
    let house = House::new();
    house.get(AT).await.problem(404, "catalogue_not_found");
    let made =
        house.put("/v1/catalogues/main", r#"{"languages":["ko"],"currency":"EUR"}"#).await.ok(201).json();
    assert_eq!(
        (&made["name"], &made["settings"]["currency"], &made["counts"]["products"]),
        (&json!("main"), &json!("EUR"), &json!(0))
    );
    house.put("/v1/catalogues/main", "").await.ok(200);
    assert_eq!(
        house.get("/v1/catalogues").await.ok(200).json()["items"][0]["settings"]["languages"],
        json!(["ko"])
    );

    // An id with a slash, a blank and a letter beyond ASCII is one part of the address.
    let one = format!("{AT}/a%2F1%20%C3%A9");
    let first = house.put(&one, FULL).await.ok(201);
    assert_eq!((&first.json()["status"], &first.json()["id"]), (&json!("created"), &json!("a/1 é")));
    assert_eq!(house.put(&one, FULL).await.ok(200).json()["status"], "unchanged");
    let read = house.get(&one).await.ok(200);
    assert_eq!(read.json(), serde_json::from_str::<serde_json::Value>(FULL).expect("JSON"));
    assert_eq!(read.header("etag"), first.header("etag"));

    let patch = r#"{"title":"Dune","brand":null,"attributes":{"season":null,"cut":["A"]}}"#;
    let kind = [("content-type", "application/merge-patch+json")];
    let patched = house.send(Method::PATCH, &one, &kind, patch).await.ok(200);
    assert!(patched.json()["change"].as_u64() > first.json()["change"].as_u64());
    let now = house.get(&one).await.json();
    assert_eq!(
        (&now["title"], now.get("brand"), &now["attributes"]),
        (&json!("Dune"), None, &json!({"cut": ["A"]}))
    );

    // Someone who has read the first version cannot undo the patch.
    let stale = [("content-type", "application/json"), ("if-match", first.header("etag"))];
    house.send(Method::PUT, &one, &stale, FULL).await.problem(412, "changed_meanwhile");
    house.send(Method::PATCH, &one, &stale, "{}").await.problem(412, "changed_meanwhile");
    house.send(Method::DELETE, &one, &stale[1..], "").await.problem(412, "changed_meanwhile");
    let fresh = [("content-type", "application/json"), ("if-match", patched.header("etag"))];
    house.send(Method::PUT, &one, &fresh, FULL).await.ok(200);

    house.put(&format!("{AT}/b"), r#"{"price":{"amount":"5","currency":"EUR"}}"#).await.ok(201);
    let page = house.get(&format!("{AT}?limit=1")).await.ok(200).json();
    let next = page["next"].as_str().expect("more");
    let rest = house.get(&format!("{AT}?limit=1&after={}", percent(next))).await.ok(200).json();
    assert_eq!(
        (page["items"].as_array().map(Vec::len), rest["items"].as_array().map(Vec::len)),
        (Some(1), Some(1))
    );
    assert_ne!(page["items"][0]["id"], rest["items"][0]["id"]);
    let cheap = house.get(&format!("{AT}?filter=price%20%3C%2010")).await.ok(200).json();
    assert_eq!((&cheap["items"][0]["id"], cheap["items"].as_array().map(Vec::len)), (&json!("b"), Some(1)));

    house.delete(&one).await.ok(204);
    house.delete(&one).await.ok(204);
    house.get(&one).await.problem(404, "product_not_found");
    house.delete("/v1/catalogues/main").await.ok(204);
    house.delete("/v1/catalogues/main").await.ok(204);
    house.get("/v1/catalogues/main").await.problem(404, "catalogue_not_found");
}

fn percent(text: &str) -> String {
    text.bytes().map(|b| format!("%{b:02X}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_requests_are_refused_with_their_place() {
    let house = House::new();
    house.put("/v1/catalogues/main", "").await.ok(201);
    let typo = house.put(&format!("{AT}/a"), r#"{"titel":"x"}"#).await.problem(400, "bad_request");
    assert!(typo["detail"].as_str().is_some_and(|text| text.contains("titel")), "{typo}");
    let price = house
        .put(&format!("{AT}/a"), r#"{"price":{"amount":"cheap","currency":"EUR"}}"#)
        .await
        .problem(400, "bad_request");
    assert!(price["errors"][0]["pointer"].as_str().is_some_and(|at| at.starts_with("/price")), "{price}");
    house.put(&format!("{AT}/a"), r#"{"id":"b"}"#).await.problem(400, "bad_request");
    house.put(&format!("{AT}/a"), "{").await.problem(400, "bad_request");
    house
        .put(&format!("{AT}/a"), &format!(r#"{{"title":"{}"}}"#, "x".repeat(1001)))
        .await
        .problem(422, "invalid_product");
    house.put("/v1/catalogues/Nope!", "").await.problem(422, "invalid_value");
    house.put("/v1/catalogues/x", r#"{"colour":"red"}"#).await.problem(400, "bad_request");
    house
        .send(Method::PUT, &format!("{AT}/a"), &[("content-type", "text/plain")], "{}")
        .await
        .problem(415, "content_type");
    house.get(&format!("{AT}?filter=price%20%3C")).await.problem(400, "filter_syntax");
    house.get(&format!("{AT}?limit=0")).await.problem(422, "invalid_value");
    house.get(&format!("{AT}?limt=5")).await.problem(400, "bad_request");
    house.get("/v1/catalogues/..%2F..").await.problem(404, "catalogue_not_found");
    house.get("/v1/nothing").await.problem(404, "not_found");
    let post = house.post("/v1/catalogues", "{}").await;
    post.problem(405, "method_not_allowed");
    assert!(post.header("allow").contains("GET"));
}

#[tokio::test(flavor = "multi_thread")]
async fn images_come_and_go_and_carry_no_metadata() {
    let house = House::new();
    house.put("/v1/catalogues/main", "").await.ok(201);
    house.put(&format!("{AT}/a"), "{}").await.ok(201);
    let image = format!("{AT}/a/images/front");
    house.get(&image).await.problem(404, "image_not_found");
    let jpeg = [("content-type", "image/jpeg")];
    house.send(Method::PUT, &image, &jpeg, "no picture").await.problem(415, "picture_format");
    house
        .send(Method::PUT, &format!("{AT}/none/images/front"), &jpeg, picture([200, 30, 30]))
        .await
        .problem(404, "product_not_found");

    // A picture with a place in its EXIF.
    let mut bytes = picture([200, 30, 30]);
    let exif = b"\xff\xe1\x00\x18Exif\0\0GPSSECRETPLACE!!";
    bytes.splice(2..2, exif.iter().copied());
    house.send(Method::PUT, &image, &jpeg, bytes).await.ok(200);
    let about = house.get(&image).await.ok(200).json();
    assert_eq!((&about["width"], &about["role"]), (&json!(160), &json!("main")));
    let content = about["content"].as_str().expect("its address").to_owned();
    for (query, kind, width) in [
        ("", "image/jpeg", 160),
        ("?w=90", "image/jpeg", 96),
        ("?w=90&format=png", "image/png", 96),
        ("?w=5000&format=webp", "image/webp", 160),
    ] {
        let sent = house.get(&format!("{content}{query}")).await.ok(200);
        assert_eq!(sent.header("content-type"), kind);
        let header = twinset_photo::probe(&sent.body, &twinset_photo::Limits::default()).expect("a picture");
        assert_eq!(header.width, width, "{query}");
        assert!(!sent.text().contains("SECRETPLACE"));
        let again = house
            .send(Method::GET, &format!("{content}{query}"), &[("if-none-match", sent.header("etag"))], "")
            .await
            .ok(304);
        assert!(again.body.is_empty());
        let head = house.send(Method::HEAD, &format!("{content}{query}"), &[], "").await.ok(200);
        assert_eq!((head.body.len(), head.header("etag")), (0, sent.header("etag")));
    }
    house.get(&format!("{content}?w=0")).await.problem(422, "invalid_value");
    house.get(&format!("{content}?format=tiff")).await.problem(400, "bad_request");

    // Claims change, the picture stays; so it does when the product is put anew without bytes.
    house.put(&image, r#"{"alt":"from the front","role":"lifestyle"}"#).await.ok(200);
    let about = house.get(&image).await.json();
    assert_eq!(
        (&about["alt"], &about["role"], about["picture"].is_string()),
        (&json!("from the front"), &json!("lifestyle"), true)
    );
    house.put(&format!("{AT}/a"), r#"{"title":"new","images":[{"name":"front"}]}"#).await.ok(200);
    assert!(house.get(&image).await.json()["picture"].is_string());
    house.delete(&image).await.ok(204);
    house.delete(&image).await.ok(204);
    house.get(&image).await.problem(404, "image_not_found");
}

#[test]
fn the_described_product_is_the_catalogues_product() {
    let product: twinset_catalogue::Product = serde_json::from_str(FULL).expect("a full product");
    let value = serde_json::to_value(&product).expect("JSON");
    let api = serde_json::to_value(twinset_server::openapi()).expect("JSON");
    let schemas = &api["components"]["schemas"];
    let names = |value: &serde_json::Value| {
        value
            .as_object()
            .map(|o| o.keys().cloned().collect::<std::collections::BTreeSet<_>>())
            .unwrap_or_default()
    };
    assert_eq!(names(&value), names(&schemas["Product"]["properties"]), "every member, and no other");
    let mut image = names(&value["images"][0]);
    image.insert("picture".into()); // only when its bytes are here
    assert_eq!(image, names(&schemas["Image"]["properties"]));
    let settings = serde_json::to_value(twinset_catalogue::Settings::default()).expect("JSON");
    assert_eq!(names(&settings), names(&schemas["Settings"]["properties"]));
}
