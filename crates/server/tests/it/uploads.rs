//! A photo is sent once, and named in as many requests as one likes.

use crate::house::{House, key, picture};
use axum::body::Body;
use axum::http::Method;
use std::time::Duration;
use twinset_server::{Right, ServerOptions};

const RED: [u8; 3] = [205, 40, 40];
const JPEG: [(&str, &str); 1] = [("content-type", "image/jpeg")];

#[tokio::test(flavor = "multi_thread")]
async fn a_photo_sent_ahead_stands_for_itself() {
    let house = House::stocked(&[("red", RED), ("navy", [30, 42, 90])]).await;
    let sent = house.send(Method::POST, "/v1/uploads", &JPEG, picture(RED)).await.ok(201);
    let id = sent.json()["id"].as_str().expect("an id").to_owned();
    assert_eq!(sent.header("location"), format!("/v1/uploads/{id}"));
    assert_eq!((&sent.json()["width"], &sent.json()["height"]), (&160.into(), &160.into()));
    let image = format!(r#"{{"upload":"{id}"}}"#);
    let search = |more: &str| format!(r#"{{"image":{image}{more}}}"#);
    for region in ["", r#","region":{"x":0.1,"y":0.1,"w":0.8,"h":0.8}"#] {
        let found = house.post("/v1/catalogues/main/search", &search(region)).await.ok(200).json();
        assert_eq!(found["results"][0]["product"]["id"], "red", "{found}");
    }
    let batch = format!(r#"{{"searches":[{}]}}"#, search(""));
    let line = &house.post("/v1/catalogues/main/search:batch", &batch).await.ok(200).lines()[0];
    assert_eq!(line["answer"]["results"][0]["product"]["id"], "red", "{line}");
    assert_eq!(house.post("/v1/detect", &search("")).await.ok(200).json()["width"], 160);
    house.post("/v1/embed", &search("")).await.ok(200);
    let both = format!(r#"{{"query":{image},"result":{image}}}"#);
    assert_eq!(house.post("/v1/compare", &both).await.ok(200).json()["tier"], "identical");

    house.get(&format!("/v1/uploads/{id}")).await.ok(200);
    house.delete(&format!("/v1/uploads/{id}")).await.ok(204);
    house.delete(&format!("/v1/uploads/{id}")).await.ok(204);
    let gone = house.post("/v1/catalogues/main/search", &search("")).await.problem(404, "upload_not_found");
    assert_eq!(gone["errors"][0]["pointer"], "/image/upload");
    house.send(Method::POST, "/v1/uploads", &JPEG, "no picture").await.problem(415, "picture_format");
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_end_are_limited_and_belong_to_their_key() {
    let options = ServerOptions {
        uploads_bytes: 64 << 10, // two of each key count as half of it
        upload_time: Duration::from_millis(1500),
        ..ServerOptions::default()
    };
    let (mut house, [one, two]) = House::keyed(options, [key(&[Right::Search]), key(&[Right::Search])]);
    house.token = Some(one.clone());
    let limits = house.get("/version").await.ok(200).json()["limits"].clone();
    assert_eq!((&limits["uploads_bytes"], &limits["upload_ms"]), (&(64 << 10).into(), &1500.into()));
    let send = async |house: &House| house.send(Method::POST, "/v1/uploads", &JPEG, picture(RED)).await;
    let first = send(&house).await.ok(201).json();
    send(&house).await.ok(201);
    let refused = send(&house).await;
    refused.problem(503, "uploads_full");
    assert!((1..=2).contains(&refused.header("retry-after").parse::<u64>().expect("seconds")));

    let at = format!("/v1/uploads/{}", first["id"].as_str().expect("an id"));
    house.token = Some(two);
    house.get(&at).await.problem(404, "upload_not_found");
    house.delete(&at).await.ok(204);
    send(&house).await.ok(201);
    house.token = Some(one);
    let until = std::time::Instant::now() + Duration::from_secs(20);
    while house.get(&at).await.status == 200 && std::time::Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    house.get(&at).await.problem(404, "upload_not_found");
    send(&house).await.ok(201);
    let none = house.send(Method::POST, "/v1/uploads", &[("authorization", "Bearer x")], Body::empty()).await;
    none.problem(401, "unauthorized");
}
