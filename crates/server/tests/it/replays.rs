use crate::house::House;
use axum::body::{Body, Bytes};
use axum::http::Method;
use std::time::Duration;

const AT: &str = "/v1/catalogues/main/products:import";

#[tokio::test(flavor = "multi_thread")]
async fn a_post_sent_again_is_answered_again_and_done_once() {
    let house = House::new();
    house.put("/v1/catalogues/main", "").await.ok(201);
    let headers = [("content-type", "application/x-ndjson"), ("idempotency-key", "feed-1")];
    let first = house.send(Method::POST, AT, &headers, r#"{"id":"a"}"#).await.ok(200);
    assert_eq!(
        (first.lines()[0]["status"].as_str(), first.header("idempotency-replayed")),
        (Some("created"), "")
    );
    house.delete("/v1/catalogues/main/products/a").await.ok(204);
    let again = house.send(Method::POST, AT, &headers, r#"{"id":"a"}"#).await.ok(200);
    assert_eq!((&again.body, again.header("idempotency-replayed")), (&first.body, "true"));
    assert_eq!(again.header("content-type"), "application/x-ndjson");
    house.get("/v1/catalogues/main/products/a").await.problem(404, "product_not_found");

    house.send(Method::POST, AT, &headers, r#"{"id":"b"}"#).await.problem(422, "idempotency_mismatch");
    let elsewhere = house.send(Method::POST, &format!("{AT}?dry_run=true"), &headers, r#"{"id":"a"}"#).await;
    elsewhere.problem(422, "idempotency_mismatch");
    // A failure is an answer too.
    let bad = [("content-type", "application/json"), ("idempotency-key", "bad")];
    let refused = house.send(Method::POST, "/v1/catalogues/main/search", &bad, "{}").await;
    refused.problem(400, "bad_request");
    let again = house.send(Method::POST, "/v1/catalogues/main/search", &bad, "{}").await;
    assert_eq!(
        (again.status, again.json()["code"].clone()),
        (refused.status, refused.json()["code"].clone())
    );
    for token in ["", "a b", &"x".repeat(256)] {
        house
            .send(Method::POST, AT, &[headers[0], ("idempotency-key", token)], "")
            .await
            .problem(400, "bad_request");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_first_runs_the_second_is_refused() {
    let house = std::sync::Arc::new(House::new());
    house.put("/v1/catalogues/main", "").await.ok(201);
    let (send, receive) = tokio::sync::mpsc::channel::<Result<Bytes, std::io::Error>>(1);
    let headers = [("content-type", "application/x-ndjson"), ("idempotency-key", "slow")];
    let first = tokio::spawn({
        let house = house.clone();
        let body = Body::from_stream(tokio_stream::wrappers::ReceiverStream::new(receive));
        async move { house.send(Method::POST, AT, &headers, body).await }
    });
    // There is room for one: when the third is taken in, the first has been read, and so it runs.
    for part in ["{", "\"id\"", ":"] {
        send.send(Ok(Bytes::from_static(part.as_bytes()))).await.expect("it reads");
    }
    let refused = loop {
        let second = house.send(Method::POST, AT, &headers, "{}").await;
        if second.status.as_u16() == 409 {
            break second;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    refused.problem(409, "idempotency_running");
    send.send(Ok(Bytes::from_static(b"\"a\"}"))).await.expect("it reads");
    drop(send);
    assert_eq!(first.await.expect("no panic").ok(200).lines()[0]["status"], "created");
}
