use crate::house::{House, picture};
use axum::body::{Body, Bytes};
use axum::http::Method;
use base64::Engine;
use serde_json::{Value, json};
use std::io::Write;
use twinset_server::ServerOptions;

const AT: &str = "/v1/catalogues/main/products:import";
const NDJSON: [(&str, &str); 1] = [("content-type", "application/x-ndjson")];

fn told(lines: &[Value]) -> Vec<(u64, &str)> {
    lines
        .iter()
        .map(|line| (line["line"].as_u64().unwrap_or(0), line["status"].as_str().unwrap_or("")))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_line_has_its_answer() {
    let house = House::new();
    house.send(Method::POST, AT, &NDJSON, "").await.problem(404, "catalogue_not_found");
    house.put("/v1/catalogues/main", "").await.ok(201);
    let base64 = base64::prelude::BASE64_STANDARD.encode(picture([20, 40, 120]));
    let lines = format!(
        "{}\n\n{}\n{}\n{}\n{}\n{}\n{}",
        r#"{"id":"a","title":"A","price":"12.50 EUR","image_link":"https://shop.example/a.jpg"}"#,
        r#"{"id":"b","titel":"typo"}"#,
        r#"not json"#,
        r#"{"id":"a","title":"A","price":"EUR 12.50","image_link":"https://shop.example/a.jpg"}"#,
        r#"{"id":"gone","deleted":true}"#,
        format_args!(r#"{{"id":"c","pictures":{{"main":"{base64}"}}}}"#),
        r#"{"id":"a","deleted":true}"#, // without a line break at the end
    );
    let dry =
        house.send(Method::POST, &format!("{AT}?dry_run=true"), &NDJSON, lines.clone()).await.ok(200).lines();
    assert_eq!(dry.len(), 7);
    assert_eq!(
        house.get("/v1/catalogues/main").await.json()["counts"]["products"],
        0,
        "a dry run changes nothing"
    );

    let answers = house
        .send(Method::POST, &format!("{AT}?wait=searchable&timeout_ms=30000"), &NDJSON, lines)
        .await
        .ok(200)
        .lines();
    assert_eq!(
        told(&answers),
        [
            (1, "created"),
            (3, "failed"),
            (4, "failed"),
            (5, "unchanged"),
            (6, "unchanged"),
            (7, "created"),
            (8, "deleted")
        ]
    );
    assert_eq!((&answers[1]["id"], &answers[1]["problem"]["code"]), (&json!("b"), &json!("bad_request")));
    assert!(answers[0]["change"].as_u64() < answers[6]["change"].as_u64());
    let kept = house.get("/v1/catalogues/main/products/c").await.ok(200).json();
    assert!(kept["images"][0]["picture"].is_string());

    let modes =
        [("create", r#"{"id":"c"}"#, "product_exists"), ("update", r#"{"id":"new"}"#, "product_not_found")];
    for (mode, line, code) in modes {
        let answers =
            house.send(Method::POST, &format!("{AT}?mode={mode}"), &NDJSON, line).await.ok(200).lines();
        assert_eq!((told(&answers), &answers[0]["problem"]["code"]), (vec![(1, "failed")], &json!(code)));
    }
    house.send(Method::POST, &format!("{AT}?mode=replace"), &NDJSON, "").await.problem(400, "bad_request");
    house.send(Method::POST, AT, &[("content-type", "text/csv")], "").await.problem(415, "content_type");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gzip_of_many_products_exports_and_imports_unchanged() {
    let house = House::new();
    house.put("/v1/catalogues/main", "").await.ok(201);
    let mut lines = String::new();
    for n in 0..1000 {
        lines += &format!("{{\"id\":\"p{n}\",\"title\":\"Product {n}\",\"price\":\"{n}.00 EUR\"}}\r\n");
    }
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(lines.as_bytes()).expect("memory");
    let headers = [NDJSON[0], ("content-encoding", "gzip")];
    let answers =
        house.send(Method::POST, AT, &headers, gzip.finish().expect("memory")).await.ok(200).lines();
    assert!(answers.len() == 1000 && answers.iter().all(|line| line["status"] == "created"));
    let export = house.get("/v1/catalogues/main/products:export").await.ok(200);
    assert_eq!(export.lines().len(), 1000);
    let again = house.send(Method::POST, AT, &NDJSON, export.body).await.ok(200).lines();
    assert!(again.len() == 1000 && again.iter().all(|line| line["status"] == "unchanged"), "{}", again[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_without_end_costs_no_memory_and_stops_nothing() {
    let options = ServerOptions { max_line_bytes: 1000, ..ServerOptions::default() };
    let house = House::with(options);
    house.put("/v1/catalogues/main", "").await.ok(201);
    let long = vec![b'x'; 900];
    let mut chunks = vec![Bytes::from_static(b"{\"id\":\"first\"}\n")];
    chunks.extend(std::iter::repeat_n(Bytes::from(long), 50));
    chunks.push(Bytes::from_static(b"\n{\"id\":\"last\"}\n"));
    let body = Body::from_stream(tokio_stream::iter(chunks.into_iter().map(Ok::<_, std::io::Error>)));
    let answers = house.send(Method::POST, AT, &NDJSON, body).await.ok(200).lines();
    assert_eq!(told(&answers), [(1, "created"), (2, "failed"), (3, "created")]);
    assert_eq!(answers[1]["problem"]["code"], "body_too_large");
}
