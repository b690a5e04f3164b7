use crate::house::{House, photo, picture};
use axum::http::Method;
use base64::Engine;
use serde_json::{Value, json};
use twinset_engine::{Pace, Terms};
use twinset_nets::{Brought, Package, Told, bring};
use twinset_photo::{Photo, encode_png};
use twinset_server::ServerOptions;

const AT: &str = "/v1/catalogues/main/search";
const RED: [u8; 3] = [205, 40, 40];
const NAVY: [u8; 3] = [30, 42, 90];

fn base64(bytes: &[u8]) -> String {
    base64::prelude::BASE64_STANDARD.encode(bytes)
}

fn ids(answer: &Value) -> Vec<&str> {
    answer["results"]
        .as_array()
        .expect("results")
        .iter()
        .filter_map(|one| one["product"]["id"].as_str())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_photo_finds_its_product_however_it_is_sent() {
    let house = House::stocked(&[("red", RED), ("navy", NAVY)]).await;
    let jpeg = picture(RED);
    let query = r#"{"detect":"off","explain":"parts","facets":["color"],"limit":5}"#;

    let raw = house
        .send(Method::POST, &format!("{AT}?limit=5"), &[("content-type", "image/jpeg")], jpeg.clone())
        .await
        .ok(200)
        .json();
    assert_eq!(ids(&raw)[0], "red");
    let body = format!(r#"{{"image":{{"base64":"{}"}},{}"#, base64(&jpeg), &query[1..]);
    let whole = house.post(AT, &body).await.ok(200).json();
    assert_eq!(ids(&whole)[0], "red");
    let form = [
        &b"--XX\r\ncontent-disposition: form-data; name=\"query\"\r\ncontent-type: application/json\r\n\r\n"
            [..],
        query.as_bytes(),
        b"\r\n--XX\r\ncontent-disposition: form-data; name=\"image\"; filename=\"p.png\"\r\n\r\n",
        &encode_png(&photo(RED)),
        b"\r\n--XX--\r\n",
    ]
    .concat();
    let multipart = [("content-type", "multipart/form-data; boundary=XX")];
    assert_eq!(ids(&house.send(Method::POST, AT, &multipart, form).await.ok(200).json())[0], "red");
    let own = house.post(AT, r#"{"image":{"product":"navy"}}"#).await.ok(200).json();
    assert_eq!(ids(&own)[0], "navy");

    // The shape of an answer.
    assert_eq!(whole["searched_box"], json!({"x": 0.0, "y": 0.0, "w": 1.0, "h": 1.0}));
    assert_eq!(whole["facets"]["color"].as_array().map(Vec::len), Some(2));
    let best = &whole["results"][0];
    assert_eq!((&best["image"], &best["variants"]), (&json!("main"), &json!(1)));
    assert!(best["score"].as_f64().is_some_and(|score| (0.0..=1.0).contains(&score)));
    for place in [&best["box"], &best["evidence"]["matched_parts"][0]["query"]] {
        for side in ["x", "y", "w", "h"].into_iter().filter(|_| !place.is_null()) {
            assert!(place[side].as_f64().is_some_and(|v| (0.0..=1.0).contains(&v)), "{place}");
        }
    }

    let only = format!(r#"{{"image":{{"base64":"{}"}},"filter":"color = 'navy'"}}"#, base64(&jpeg));
    assert_eq!(ids(&house.post(AT, &only).await.ok(200).json()), ["navy"]);
    let grouped = format!(r#"{{"image":{{"base64":"{}"}},"group_by":"group_id"}}"#, base64(&jpeg));
    let grouped = house.post(AT, &grouped).await.ok(200).json();
    assert_eq!((ids(&grouped), &grouped["results"][0]["variants"]), (vec!["red"], &json!(2)));

    let seen = whole["snapshot"].as_u64().expect("a number");
    let at_least = |seq: u64| format!(r#"{{"image":{{"product":"red"}},"min_snapshot":{seq}}}"#);
    house.post(AT, &at_least(seen)).await.ok(200);
    let early = house.post(AT, &at_least(seen + 1_000)).await;
    early.problem(503, "snapshot_not_reached");
    assert!(!early.header("retry-after").is_empty());

    let found =
        house.send(Method::POST, "/v1/detect", &[("content-type", "image/jpeg")], jpeg).await.ok(200).json();
    assert_eq!((&found["width"], found["regions"].is_array()), (&json!(160), true));

    let metrics = house.get("/metrics").await.ok(200).text();
    for line in [
        "twinset_products{catalogue=\"main\"} 2",
        "twinset_search_stage_seconds_count{stage=\"embed\"}",
        "twinset_change_stage_seconds_count{stage=\"commit\"}",
        "twinset_change_stage_seconds_count{stage=\"local\"} 2",
        "route=\"/v1/catalogues/{catalogue}/search\",method=\"POST\",status=\"200\"",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_photo_is_fetched_from_where_the_operator_allows() {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut head = [0; 1024];
            let read = stream.read(&mut head).unwrap_or(0);
            let body = if head[..read].starts_with(b"GET /large") { vec![0; 60_000] } else { picture(NAVY) };
            let status = if head[..read].starts_with(b"GET /gone") { "404 Not Found" } else { "200 OK" };
            let told = format!(
                "HTTP/1.1 {status}\r\ncontent-type: image/jpeg\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(told.as_bytes()).and_then(|()| stream.write_all(&body));
        }
    });
    let nets = vec!["127.0.0.1".parse().expect("a network")];
    let options = ServerOptions { allow_nets: nets, max_picture_bytes: 50_000, ..ServerOptions::default() };
    let house = House::with(options);
    house.put("/v1/catalogues/main", "").await.ok(201);
    let at = |path: &str| json!({"image": {"url": format!("{address}{path}")}}).to_string();
    let found = house.post("/v1/detect", &at("/a.jpg")).await.ok(200).json();
    assert_eq!(found["width"], 160);
    assert_eq!(house.post(AT, &at("/a.jpg")).await.ok(200).json()["results"], json!([]));
    house.post(AT, &at("/large.jpg")).await.problem(413, "picture_too_large");
    let gone = house.post(AT, &at("/gone.jpg")).await;
    gone.problem(422, "picture_not_fetched");
    assert!(gone.text().contains("404") && gone.text().contains("/image/url"), "{}", gone.text());

    // A picture of a product comes the same way, if that is asked for; else its address is a claim.
    house.put("/v1/catalogues/main/products/n", "{}").await.ok(201);
    let image = "/v1/catalogues/main/products/n/images/main";
    let url = |path: &str| json!({"url": format!("{address}{path}")}).to_string();
    house.put(image, &url("/a.jpg")).await.ok(200);
    assert_eq!(house.get(image).await.ok(200).json()["picture"], Value::Null);
    let fetch = format!("{image}?fetch=true&wait=searchable&timeout_ms=30000");
    let gone = house.put(&fetch, &url("/gone.jpg")).await.problem(422, "picture_not_fetched");
    assert_eq!(gone["errors"][0]["pointer"], "/url");
    assert_eq!(house.put(&fetch, &url("/a.jpg")).await.ok(200).json()["searchable"], true);
    assert_eq!(ids(&house.post(AT, &at("/a.jpg")).await.ok(200).json()), ["n"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_searches_are_told_what_is_wrong() {
    let options =
        ServerOptions { max_picture_bytes: 50_000, max_body_bytes: 100_000, ..ServerOptions::default() };
    let house = House::with(options);
    house.put("/v1/catalogues/main", "").await.ok(201);
    let jpeg = [("content-type", "image/jpeg")];
    let image = format!(r#""image":{{"base64":"{}"}}"#, base64(&picture(RED)));
    house
        .send(Method::POST, "/v1/catalogues/none/search", &jpeg, picture(RED))
        .await
        .problem(404, "catalogue_not_found");
    house.send(Method::POST, AT, &jpeg, "<html>").await.problem(415, "picture_format");
    house
        .send(Method::POST, AT, &jpeg, picture(RED)[..300].to_vec())
        .await
        .problem(422, "picture_unreadable");
    house.send(Method::POST, AT, &jpeg, vec![0; 60_000]).await.problem(413, "picture_too_large");
    house.send(Method::POST, AT, &jpeg, vec![0; 200_000]).await.problem(413, "body_too_large");
    house.send(Method::POST, AT, &[("content-type", "text/plain")], "x").await.problem(415, "content_type");
    house.post(AT, "{}").await.problem(400, "bad_request");
    house.post(AT, r#"{"image":{"base64":"***"}}"#).await.problem(400, "bad_request");
    house.post(AT, r#"{"image":{"url":"http://127.0.0.1/x.jpg"}}"#).await.problem(422, "picture_not_fetched");
    house.post(AT, r#"{"image":{"product":"none"}}"#).await.problem(404, "product_not_found");
    house.post(AT, &format!(r#"{{{image},"text":"in red"}}"#)).await.problem(422, "unsupported");
    house.post(AT, &format!(r#"{{{image},"limit":501}}"#)).await.problem(422, "invalid_value");
    house.post(AT, &format!(r#"{{{image},"limits":5}}"#)).await.problem(400, "bad_request");
    house.post(AT, &format!(r#"{{{image},"facets":["weight"]}}"#)).await.problem(422, "invalid_value");
    house
        .post(AT, &format!(r#"{{{image},"region":{{"x":2,"y":2,"w":1,"h":1}}}}"#))
        .await
        .problem(422, "invalid_value");
    let filter =
        house.post(AT, &format!(r#"{{{image},"filter":"price <"}}"#)).await.problem(400, "filter_syntax");
    assert_eq!(filter["errors"][0]["pointer"], "/filter");
    let unknown = house.send(Method::POST, &format!("{AT}?k=5"), &jpeg, picture(RED)).await;
    unknown.problem(400, "bad_request");
    // An empty catalogue is no failure.
    let nothing = house.send(Method::POST, AT, &jpeg, picture(RED)).await.ok(200).json();
    assert_eq!((ids(&nothing).len(), &nothing["next_offset"]), (0, &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_fails_on_a_photo_is_told_as_such() {
    let house = House::stocked(&[("red", RED)]).await;
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../nets/testdata/moody.onnx");
    let model = std::fs::read(path).expect("a graph");
    let told =
        Told { name: "moody".into(), family: Some("plain".into()), margin: Some(0.0), ..Told::default() };
    let (moody, _) = bring(Brought { model, ..Brought::default() }, &told).expect("a package");
    let shop = house.engine.catalogue(&"main".parse().expect("a name")).expect("a shop");
    let terms = Terms { force: true, pace: Pace { threads: 1, share: 1.0 } };
    shop.use_models(&Package::default_detector(), &moody, terms, &mut |_, _, _| true).expect("in use");

    let white = encode_png(&Photo::new(96, 96, vec![255; 96 * 96 * 3]));
    for _ in 0..2 {
        let answer = house.send(Method::POST, AT, &[("content-type", "image/png")], white.clone()).await;
        let problem = answer.problem(422, "model_failed");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("picture")), "{problem}");
        assert_eq!(problem["retryable"], false);
    }
    let found = house.send(Method::POST, AT, &[("content-type", "image/jpeg")], picture(RED)).await;
    assert_eq!(ids(&found.ok(200).json()), ["red"]);
}
