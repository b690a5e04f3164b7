//! An audit over HTTP: begun, asked about, listed, decided.

use crate::house::House;
use axum::body::Body;
use axum::http::Method;
use serde_json::json;
use std::time::Duration;
use twinset_catalogue::{CatalogueName, Finding};

/// Until the audit that begins now is over.
async fn audited(house: &House) {
    house.send(Method::POST, "/v1/catalogues/main/audit", &[], Body::empty()).await.ok(202);
    for _ in 0..600 {
        let state = house.get("/v1/catalogues/main/audit").await.ok(200).json();
        if state["state"] != "running" && state["state"] != "queued" {
            assert_eq!(state["state"], "succeeded", "{state}");
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the audit does not end");
}

#[tokio::test]
async fn a_copy_is_found_listed_and_decided() {
    // Two products with the very same picture.
    let house = House::stocked(&[("a", [200, 30, 30]), ("b", [200, 30, 30]), ("c", [20, 30, 90])]).await;
    house.get("/v1/catalogues/main/audit").await.ok(204);
    for id in ["a", "b", "c"] {
        let product = format!(r#"{{"group_id":"{id}"}}"#);
        house
            .send(
                Method::PATCH,
                &format!("/v1/catalogues/main/products/{id}"),
                &[("content-type", "application/merge-patch+json")],
                product,
            )
            .await
            .ok(200);
    }
    audited(&house).await;
    let found = house.get("/v1/catalogues/main/findings?kind=copy").await.ok(200).json();
    let items = found["items"].as_array().expect("a list");
    assert_eq!(items.len(), 1, "{found}");
    assert_eq!((&items[0]["product"], &items[0]["witnesses"][0]["product"]), (&"b".into(), &"a".into()));
    let address = format!("/v1/catalogues/main/findings/{}", items[0]["id"].as_str().expect("an id"));
    let json = [("content-type", "application/json")];
    let patch = |body: &'static str| house.send(Method::PATCH, &address, &json, body);
    patch(r#"{"decision":"accepted","note":"theirs"}"#).await.ok(204);
    let decided = house.get("/v1/catalogues/main/findings?decided=true").await.ok(200).json();
    assert_eq!(decided["items"][0]["decision"]["accepted"], true);
    assert_eq!(decided["items"][0]["decision"]["note"], "theirs");
    // A copied picture is no claim in words: shoppers are told of nothing.
    let found =
        house.post("/v1/catalogues/main/search", r#"{"image":{"product":"a"},"explain":"parts"}"#).await;
    assert!(!found.ok(200).text().contains("doubts"));
    patch(r#"{"decision":null}"#).await.ok(204);
    let decided = house.get("/v1/catalogues/main/findings?decided=true").await.ok(200).json();
    assert!(decided["items"].as_array().is_some_and(Vec::is_empty));

    // The numbers of each audit stay: what was decided before the second one is not open there.
    patch(r#"{"decision":"accepted"}"#).await.ok(204);
    audited(&house).await;
    let trend = house.get("/v1/catalogues/main/audits").await.ok(200).json();
    let copies: Vec<_> =
        trend["items"].as_array().expect("a list").iter().map(|a| &a["kinds"]["copy"]).collect();
    assert_eq!(copies, [&json!({"found": 1, "open": 0}), &json!({"found": 1, "open": 1})], "{trend}");
    assert_eq!((&trend["items"][0]["products"], &trend["next"]), (&json!(3), &json!(null)));
    let latest = house.get("/v1/catalogues/main/audits?limit=1").await.ok(200).json();
    let after = format!("/v1/catalogues/main/audits?after={}", latest["next"].as_str().expect("more"));
    assert_eq!(house.get(&after).await.ok(200).json()["items"], json!([trend["items"][1]]));

    patch(r#"{"decision":"perhaps"}"#).await.problem(400, "bad_request");
    patch("{}").await.problem(400, "bad_request");
    let nobody = "/v1/catalogues/main/findings/nobody";
    house
        .send(Method::PATCH, nobody, &json, r#"{"decision":"dismissed"}"#)
        .await
        .problem(404, "finding_not_found");
    house.get("/v1/catalogues/main/findings?limit=0").await.problem(422, "invalid_value");
    house.get("/v1/catalogues/none/findings").await.problem(404, "catalogue_not_found");
}

/// A claim in doubt is told with the result, to keys for search too, until a person calls it right.
#[tokio::test]
async fn results_tell_which_claims_are_in_doubt() {
    let house = House::stocked(&[("a", [200, 30, 30])]).await;
    let catalogue = house.engine.catalogue(&CatalogueName::parse("main").expect("a name")).expect("open");
    let doubt = Finding {
        id: "f".into(),
        product: "a".into(),
        kind: "colour".into(),
        field: "color".into(),
        probability: 0.9,
        seen: vec![("red".into(), 0.8), ("pink".into(), 0.1)],
        ..Finding::default()
    };
    catalogue.catalogue().replace_findings(vec![doubt]).expect("written");
    let search = async |explain: &str| {
        let query = format!(r#"{{"image":{{"product":"a"}},"explain":"{explain}"}}"#);
        house.post("/v1/catalogues/main/search", &query).await.ok(200).json()["results"][0]["doubts"].clone()
    };
    assert_eq!(search("parts").await, json!([{"field": "color", "seen": ["red", "pink"]}]));
    assert_eq!(search("none").await, json!(null));
    let kind = [("content-type", "application/json")];
    let dismissed = r#"{"decision":"dismissed"}"#;
    house.send(Method::PATCH, "/v1/catalogues/main/findings/f", &kind, dismissed).await.ok(204);
    assert_eq!(search("parts").await, json!(null));
}

#[tokio::test]
async fn models_are_listed_and_promotions_refused_in_words() {
    let house = House::stocked(&[("a", [200, 30, 30])]).await;
    let models = house.get("/v1/models").await.ok(200).json();
    let kinds: Vec<_> =
        models["items"].as_array().expect("a list").iter().map(|m| m["kind"].clone()).collect();
    assert_eq!(kinds, ["detector", "embedder"]);
    assert_eq!(models["items"][0]["used_by"][0], "main");
    house.post("/v1/models/nobody:promote", r#"{"catalogue":"main"}"#).await.problem(404, "model_not_found");
    house.post("/v1/models/x", r#"{"catalogue":"main"}"#).await.problem(404, "model_not_found");
    house.post("/v1/models/x:promote", r#"{"catalogue":"none"}"#).await.problem(404, "catalogue_not_found");
    house
        .post("/v1/models/x:promote", r#"{"catalogue":"main","share":2}"#)
        .await
        .problem(422, "invalid_value");
}
