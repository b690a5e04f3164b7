use crate::house::{House, picture};
use axum::http::Method;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn a_click_on_a_result_comes_out_as_the_trainer_reads_it() {
    let house = House::stocked(&[("red", [205, 40, 40]), ("navy", [30, 42, 90])]).await;
    let at = "/v1/catalogues/main/feedback";
    let found =
        house.post("/v1/catalogues/main/search", r#"{"image":{"product":"red"}}"#).await.ok(200).json();
    let search = found["id"].as_str().expect("an id");
    let events = json!({"events": [
        {"kind": "click", "search": search, "product": "navy", "image": "main", "rank": 2, "user": "anna@example.com"},
        {"kind": "same", "search": "from-nowhere", "product": "red"},
    ]});
    let fate = house.post(at, &events.to_string()).await.ok(202).json();
    assert_eq!(fate, json!({"accepted": 2, "repeated": 0, "capped": 0}));
    // As `navigator.sendBeacon` sends it.
    house
        .send(Method::POST, at, &[("content-type", "text/plain;charset=UTF-8")], events.to_string())
        .await
        .ok(202);
    let lines = house.get(at).await.ok(200).lines();
    assert_eq!(lines.len(), 2, "said twice is said once");
    let only = |line: &Value, members: &[&str]| members.iter().map(|m| line[*m].clone()).collect::<Vec<_>>();
    let members = ["kind", "query_product", "product", "rank", "seen", "weight"];
    assert_eq!(
        only(&lines[0], &members),
        [json!("click"), json!("red"), json!("navy"), json!(2), json!(true), json!(1.0)]
    );
    assert_eq!(
        only(&lines[1], &members),
        [json!("same"), Value::Null, json!("red"), Value::Null, json!(false), json!(1.0)]
    );
    assert!(!lines[0]["user"].to_string().contains("anna") && lines[1]["user"].is_null());
    let rest = house.get(&format!("{at}?after={}", lines[0]["event"])).await.ok(200).lines();
    assert_eq!(rest, lines[1..]);
    // A catalogue made anew has forgotten everything.
    house.delete("/v1/catalogues/main").await.ok(204);
    house.put("/v1/catalogues/main", "").await.ok(201);
    assert!(house.get(at).await.ok(200).lines().is_empty());
    // Pages ask where the operator wants to know.
    let wants = async |house: &House| {
        let query = r#"{"image":{"product":"red"}}"#;
        house.post("/v1/catalogues/other/search", query).await.ok(200).json()["feedback"].clone()
    };
    house.put("/v1/catalogues/other", "").await.ok(201);
    house.put("/v1/catalogues/other/products/red", r#"{"images":[{"name":"main"}]}"#).await.ok(201);
    let image = "/v1/catalogues/other/products/red/images/main?wait=searchable&timeout_ms=30000";
    house.send(Method::PUT, image, &[("content-type", "image/jpeg")], picture([205, 40, 40])).await.ok(200);
    assert_eq!(wants(&house).await, false);
    house.put("/v1/catalogues/other", r#"{"feedback":true}"#).await.ok(200);
    assert_eq!(wants(&house).await, true);
    // Nor does it take anything where its operator wants none.
    house.put("/v1/catalogues/main", r#"{"feedback":false}"#).await.ok(200);
    house.post(at, &events.to_string()).await.problem(422, "unsupported");
}

#[tokio::test(flavor = "multi_thread")]
async fn shops_near_by_are_found_with_their_distance() {
    let house =
        House::stocked(&[("near", [205, 40, 40]), ("far", [30, 42, 90]), ("nowhere", [30, 142, 90])]).await;
    for (id, place) in [("near", r#"{"lat":37.57,"lon":126.98}"#), ("far", r#"{"lat":35.18,"lon":129.08}"#)] {
        let patch = format!(r#"{{"place":{place}}}"#);
        let kind = [("content-type", "application/merge-patch+json")];
        house.send(Method::PATCH, &format!("/v1/catalogues/main/products/{id}"), &kind, patch).await.ok(200);
    }
    let search = |near: &str| format!(r#"{{"image":{{"product":"far"}},"near":{near}}}"#);
    let at = "/v1/catalogues/main/search";
    let all = house.post(at, &search(r#"{"lat":37.5665,"lon":126.978}"#)).await.ok(200).json();
    let distance = |id: &str| {
        let results = all["results"].as_array().expect("results");
        results.iter().find(|one| one["product"]["id"] == id).expect(id)["distance_km"].as_f64()
    };
    assert!(
        distance("near").is_some_and(|km| km < 1.0)
            && distance("far").is_some_and(|km| (300.0..350.0).contains(&km))
    );
    assert_eq!(distance("nowhere"), None);
    let close =
        house.post(at, &search(r#"{"lat":37.5665,"lon":126.978,"within_km":5}"#)).await.ok(200).json();
    assert_eq!(close["results"].as_array().map(Vec::len), Some(1));
    assert_eq!(close["results"][0]["product"]["id"], "near");
    house.post(at, &search(r#"{"lat":91,"lon":0}"#)).await.problem(422, "invalid_value");
}
