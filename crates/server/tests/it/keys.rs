use crate::house::{House, key};
use axum::http::Method;
use serde_json::json;
use std::net::SocketAddr;
use twinset_server::{Keys, NewKey, Rate, Right, ServeError, ServerOptions, guarded};

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_made_listed_and_revoked_over_http() {
    let (mut house, [admin]) = House::keyed(ServerOptions::default(), [key(&[Right::Admin])]);
    house.token = Some(admin);
    house.put("/v1/catalogues/shop", "").await.ok(201);
    let made = house
        .post("/v1/keys", r#"{"name":"page","public":true,"rights":["search"],"catalogues":["shop"],"origins":["https://shop.example"],"rate":{"requests":2,"window_s":60}}"#)
        .await
        .ok(201);
    assert_eq!(made.header("cache-control"), "no-store");
    let (id, token) = (
        made.json()["id"].as_str().expect("an id").to_owned(),
        made.json()["token"].as_str().expect("a token").to_owned(),
    );
    assert!(token.starts_with("tw_pub_"));
    assert!(!house.get("/v1/keys").await.ok(200).text().contains(&token[16..]), "told once");

    // From the page it was made for, from another, and preflights, which carry no key.
    let from =
        |origin: &'static str| [("x-api-key", token.as_str()), ("origin", origin), ("host", "api.example")];
    let read = house.send(Method::GET, "/v1/catalogues", &from("https://shop.example"), "").await.ok(200);
    assert_eq!(read.header("access-control-allow-origin"), "https://shop.example");
    assert_eq!(read.header("ratelimit-policy"), "\"key\";q=2;w=60");
    assert!(read.header("ratelimit").starts_with("\"key\";r=1;t="));
    house
        .send(Method::GET, "/v1/catalogues", &from("https://evil.example"), "")
        .await
        .problem(403, "cross_origin");
    let preflight = |origin: &'static str| {
        [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "x-api-key"),
        ]
    };
    let search = "/v1/catalogues/shop/search";
    let asked = house.send(Method::OPTIONS, search, &preflight("https://shop.example"), "").await.ok(200);
    assert_eq!(asked.header("access-control-allow-origin"), "https://shop.example");
    assert!(asked.header("access-control-allow-headers").contains("x-api-key"));
    let asked = house.send(Method::OPTIONS, search, &preflight("https://evil.example"), "").await;
    assert_eq!(asked.header("access-control-allow-origin"), "");

    // Its rate: the second is the last one.
    house.send(Method::GET, "/v1/catalogues", &from("https://shop.example"), "").await.ok(200);
    let refused = house.send(Method::GET, "/v1/catalogues", &from("https://shop.example"), "").await;
    refused.problem(429, "rate_limited");
    assert!((1..=30).contains(&refused.header("retry-after").parse::<u64>().expect("seconds")));
    assert!(refused.header("ratelimit").starts_with("\"key\";r=0;"));

    house.delete(&format!("/v1/keys/{id}")).await.ok(204);
    house
        .send(Method::GET, "/v1/catalogues", &from("https://shop.example"), "")
        .await
        .problem(401, "unauthorized");
    house.delete("/v1/keys/none").await.problem(404, "key_not_found");
    house.post("/v1/keys", r#"{"rights":[]}"#).await.problem(422, "invalid_value");
    house.post("/v1/keys", r#"{"rights":["write"],"public":true}"#).await.problem(422, "invalid_value");
}

#[tokio::test(flavor = "multi_thread")]
async fn those_without_a_key_have_what_the_anonymous_one_allows() {
    let anonymous = NewKey { anonymous: true, catalogues: ["shop".into()].into(), ..NewKey::default() };
    let (house, [admin, _]) = House::keyed(ServerOptions::default(), [key(&[Right::Admin]), anonymous]);
    let bearer = format!("Bearer {admin}");
    for name in ["shop", "other"] {
        house
            .send(Method::PUT, &format!("/v1/catalogues/{name}"), &[("authorization", &bearer)], "")
            .await
            .ok(201);
    }
    assert_eq!(house.get("/v1/catalogues").await.ok(200).json()["items"].as_array().map(Vec::len), Some(1));
    house.get("/v1/catalogues/other").await.problem(404, "catalogue_not_found");
    house.get("/v1/catalogues/shop/products").await.problem(403, "forbidden");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_catalogue_can_insist_on_if_match() {
    let house = House::new();
    let made = house.put("/v1/catalogues/main", r#"{"require_if_match":true}"#).await.ok(201);
    let one = "/v1/catalogues/main/products/a";
    let first = house.put(one, r#"{"title":"A"}"#).await.ok(201);
    house.put(one, r#"{"title":"B"}"#).await.problem(428, "precondition_required");
    house.delete(one).await.problem(428, "precondition_required");
    let tag = |answer: &crate::house::Answer| answer.header("etag").to_owned();
    let now = tag(&first);
    let headers = [("if-match", now.as_str()), ("content-type", "application/json")];
    house.send(Method::PUT, one, &headers, r#"{"title":"B"}"#).await.ok(200);
    house.send(Method::PUT, one, &headers, r#"{"title":"C"}"#).await.problem(412, "changed_meanwhile");

    // The catalogue's own settings have an etag too.
    house.put("/v1/catalogues/main", r#"{"currency":"EUR"}"#).await.problem(428, "precondition_required");
    let (old, kind) = (tag(&made), ("content-type", "application/json"));
    let changed = house
        .send(Method::PUT, "/v1/catalogues/main", &[("if-match", &old), kind], r#"{"currency":"EUR"}"#)
        .await
        .ok(200);
    assert_ne!(tag(&changed), old);
    house
        .send(Method::PUT, "/v1/catalogues/main", &[("if-match", &old), kind], "{}")
        .await
        .problem(412, "changed_meanwhile");
    let read = house.get("/v1/catalogues/main").await.ok(200);
    assert_eq!((tag(&read), &read.json()["settings"]["currency"]), (tag(&changed), &json!("EUR")));
}

/// `twinset keys create` beside a running server told a key that was answered 401 for up to a second.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_good_from_the_moment_it_is_told() {
    let (house, [_]) = House::keyed(ServerOptions::default(), [key(&[Right::Admin])]);
    let beside = Keys::open(house.engine.home()).expect("the same home, another process");
    for _ in 0..10 {
        let token = beside.create(key(&[Right::Search])).expect("made").token;
        house.send(Method::GET, "/v1/catalogues", &[("x-api-key", &token)], "").await.ok(200);
    }
}

#[test]
fn without_keys_only_loopback_is_served() {
    let home = tempfile::tempdir().expect("a folder");
    let (near, far): (SocketAddr, SocketAddr) = (([127, 0, 0, 1], 7878).into(), ([0, 0, 0, 0], 7878).into());
    guarded(near, home.path()).expect("loopback is open");
    let refused = guarded(far, home.path()).expect_err("the world is not");
    assert!(
        matches!(refused, ServeError::Unguarded { .. })
            && refused.to_string().contains("twinset keys create")
    );
    let keys = Keys::open(home.path()).expect("opened");
    let limited = NewKey { rate: Some(Rate { requests: 1, window_s: 1 }), ..key(&[Right::Read]) };
    keys.create(limited).expect("made");
    guarded(far, home.path()).expect("keys guard it");
}
