use crate::house::House;
use axum::http::Method;
use std::path::Path;
use twinset_server::{CODES, ServerOptions, openapi};

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_has_an_id_and_the_headers_that_keep_browsers_safe() {
    let house = House::new();
    let own = house.send(Method::GET, "/healthz", &[("x-request-id", "mine-1")], "").await.ok(200);
    assert_eq!(own.header("x-request-id"), "mine-1");
    for given in ["", "bad id", "<script>"] {
        let other = house.send(Method::GET, "/nothing", &[("x-request-id", given)], "").await;
        assert_eq!(other.header("x-request-id").len(), 26, "an id of ours instead of {given:?}");
        assert!(other.header("content-security-policy").contains("default-src 'none'"));
        assert_eq!(other.header("x-content-type-options"), "nosniff");
    }
    let ready = house.get("/readyz").await.ok(200).json();
    assert_eq!(ready["status"], "ready");
    assert_eq!(house.get("/version").await.ok(200).json()["limits"]["results"], 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_other_sites_change_nothing() {
    let house = House::new();
    let cross = |origin: &'static str| [("origin", origin), ("host", "127.0.0.1:7878")];
    house
        .send(Method::PUT, "/v1/catalogues/main", &cross("https://evil.example"), "")
        .await
        .problem(403, "cross_origin");
    house.send(Method::PUT, "/v1/catalogues/main", &cross("null"), "").await.problem(403, "cross_origin");
    let read = house.send(Method::GET, "/v1/catalogues", &cross("https://evil.example"), "").await.ok(200);
    assert_eq!(read.header("access-control-allow-origin"), "", "and they cannot read what comes back");
    house.send(Method::PUT, "/v1/catalogues/main", &cross("http://127.0.0.1:7878"), "").await.ok(201);

    let allowed = House::with(ServerOptions {
        cors_origins: vec!["https://shop.example".into()],
        ..ServerOptions::default()
    });
    let made =
        allowed.send(Method::PUT, "/v1/catalogues/main", &cross("https://shop.example"), "").await.ok(201);
    assert_eq!(made.header("access-control-allow-origin"), "https://shop.example");
    allowed
        .send(Method::PUT, "/v1/catalogues/main", &cross("https://evil.example"), "")
        .await
        .problem(403, "cross_origin");
}

/// The committed description is what the code says. TWINSET_UPDATE=1 writes it anew.
#[test]
fn the_committed_description_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    let now = openapi().to_pretty_json().expect("JSON") + "\n";
    if std::env::var_os("TWINSET_UPDATE").is_some() {
        std::fs::write(&path, &now).expect("written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == now,
        "the API has changed: run this test with TWINSET_UPDATE=1, look at the difference, commit it"
    );
    let api = serde_json::to_value(openapi()).expect("JSON");
    assert!(api["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")));
    for part in now.split("#/components/schemas/").skip(1) {
        let name = part.split('"').next().unwrap_or_default();
        assert!(api["components"]["schemas"][name].is_object(), "{name} is named and not described");
    }
    for (path, methods) in api["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            for (status, response) in operation["responses"].as_object().expect("responses") {
                let kinds =
                    response["content"].as_object().into_iter().flatten().map(|(kind, _)| kind.as_str());
                let failure = status.starts_with('4') || status.starts_with('5') && path != "/readyz";
                assert!(!failure || kinds.eq(["application/problem+json"]), "{method} {path} {status}");
            }
            assert!(
                operation["operationId"].is_string() && operation["summary"].is_string(),
                "{method} {path}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_failure_has_its_page() {
    let house = House::new();
    let list = house.get("/problems").await.ok(200).text();
    for code in CODES {
        assert!(list.contains(code.name), "{}", code.name);
        let page = house.get(&format!("/problems/{}", code.name.replace('_', "-"))).await.ok(200).text();
        assert!(page.contains(code.title), "{}", code.name);
    }
    house.get("/problems/none").await.problem(404, "not_found");
}
