//! Every operation of the description against every kind of caller. An operation that is not in [`TABLE`] fails the
//! test: whoever adds one says here who may call it.

use crate::house::{Answer, House, key, picture};
use axum::http::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use twinset_server::{NewKey, Right, ServerOptions, openapi};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Who {
    /// Everyone.
    All,
    /// This right; in a catalogue, if the address has one.
    Has(Right),
    /// This right for all catalogues.
    Whole(Right),
}
use Right::{Admin, Read, Search, Write};
use Who::{All, Has, Whole};

/// Method, address, who may.
const TABLE: &[(&str, &str, Who)] = &[
    ("get", "/healthz", All),
    ("get", "/readyz", All),
    ("get", "/version", All),
    ("get", "/openapi.json", All),
    ("get", "/metrics", Whole(Read)),
    ("get", "/v1/keys", Whole(Admin)),
    ("post", "/v1/keys", Whole(Admin)),
    ("delete", "/v1/keys/{key}", Whole(Admin)),
    ("post", "/v1/detect", Has(Search)),
    ("post", "/v1/compare", Has(Search)),
    ("post", "/v1/embed", Has(Read)),
    ("post", "/v1/uploads", Has(Search)),
    ("get", "/v1/uploads/{upload}", Has(Search)),
    ("delete", "/v1/uploads/{upload}", Has(Search)),
    ("get", "/v1/catalogues", Has(Search)),
    ("get", "/v1/catalogues/{catalogue}", Has(Search)),
    ("put", "/v1/catalogues/{catalogue}", Has(Admin)),
    ("delete", "/v1/catalogues/{catalogue}", Has(Admin)),
    ("post", "/v1/catalogues/{catalogue}/search", Has(Search)),
    ("post", "/v1/catalogues/{catalogue}/search:batch", Has(Search)),
    ("post", "/v1/catalogues/{catalogue}/feedback", Has(Search)),
    ("get", "/v1/catalogues/{catalogue}/feedback", Has(Read)),
    ("get", "/v1/catalogues/{catalogue}/examples", Has(Search)),
    ("get", "/v1/catalogues/{catalogue}/examples/{example}/content", Has(Search)),
    ("get", "/v1/catalogues/{catalogue}/products", Has(Read)),
    ("get", "/v1/catalogues/{catalogue}/products:export", Has(Read)),
    ("post", "/v1/catalogues/{catalogue}/products:import", Has(Write)),
    ("get", "/v1/catalogues/{catalogue}/products/{id}", Has(Read)),
    ("put", "/v1/catalogues/{catalogue}/products/{id}", Has(Write)),
    ("patch", "/v1/catalogues/{catalogue}/products/{id}", Has(Write)),
    ("delete", "/v1/catalogues/{catalogue}/products/{id}", Has(Write)),
    ("get", "/v1/catalogues/{catalogue}/products/{id}/images/{name}", Has(Read)),
    ("put", "/v1/catalogues/{catalogue}/products/{id}/images/{name}", Has(Write)),
    ("delete", "/v1/catalogues/{catalogue}/products/{id}/images/{name}", Has(Write)),
    ("get", "/v1/catalogues/{catalogue}/products/{id}/images/{name}/content", Has(Search)),
    ("post", "/v1/catalogues/{catalogue}/snapshots", Has(Write)),
    ("get", "/v1/catalogues/{catalogue}/sources", Has(Read)),
    ("get", "/v1/catalogues/{catalogue}/sources/{source}", Has(Read)),
    ("put", "/v1/catalogues/{catalogue}/sources/{source}", Has(Write)),
    ("delete", "/v1/catalogues/{catalogue}/sources/{source}", Has(Write)),
    ("get", "/v1/catalogues/{catalogue}/sources/{source}/runs", Has(Read)),
    ("post", "/v1/catalogues/{catalogue}/sources/{source}/runs", Has(Write)),
    ("get", "/v1/catalogues/{catalogue}/findings", Has(Read)),
    ("patch", "/v1/catalogues/{catalogue}/findings/{finding}", Has(Write)),
    ("get", "/v1/catalogues/{catalogue}/audit", Has(Read)),
    ("post", "/v1/catalogues/{catalogue}/audit", Has(Write)),
    ("get", "/v1/jobs", Whole(Read)),
    ("get", "/v1/jobs/{job}", Whole(Read)),
    ("get", "/v1/jobs/{job}/events", Whole(Read)),
    ("patch", "/v1/jobs/{job}", Whole(Write)),
    ("delete", "/v1/jobs/{job}", Whole(Write)),
    ("get", "/v1/models", Whole(Read)),
    ("post", "/v1/models/{model}", Whole(Admin)),
    ("get", "/v1/catalogues/{catalogue}/index", Has(Read)),
    ("post", "/v1/catalogues/{catalogue}/index:verify", Has(Write)),
    ("post", "/v1/catalogues/{catalogue}/index:rebuild", Has(Write)),
    ("get", "/v1/catalogues/{catalogue}/products/{id}/changes", Has(Read)),
    ("get", "/v1/catalogues/{catalogue}/products/{id}/status", Has(Read)),
    ("patch", "/v1/catalogues/{catalogue}/products/{id}/status", Has(Write)),
    ("post", "/v1/catalogues/{catalogue}/products/{id}/index:rebuild", Has(Write)),
    ("get", "/v1/catalogues/{catalogue}/audits", Has(Read)),
    ("get", "/v1/evaluations", Whole(Read)),
    ("post", "/v1/evaluations", Whole(Write)),
    ("get", "/v1/evaluations/{evaluation}", Whole(Read)),
    ("get", "/v1/runs", Whole(Read)),
    ("post", "/v1/runs", Whole(Admin)),
    ("get", "/v1/runs/{run}", Whole(Read)),
    ("get", "/v1/config", Whole(Admin)),
    ("get", "/v1/log", Whole(Admin)),
];

fn operations() -> BTreeSet<(String, String)> {
    let api = serde_json::to_value(openapi()).expect("JSON");
    let paths = api["paths"].as_object().expect("paths");
    let all = paths.iter().flat_map(|(path, methods)| {
        methods.as_object().expect("methods").keys().map(|method| (method.clone(), path.clone()))
    });
    all.collect()
}

fn method(name: &str) -> Method {
    Method::from_bytes(name.to_uppercase().as_bytes()).expect("a method")
}

/// The address with ids filled in; any id does where the answer does not depend on it.
fn address(path: &str, catalogue: &str, id: &str) -> String {
    let mut address = path.replace("{catalogue}", catalogue);
    while let (Some(from), Some(to)) = (address.find('{'), address.find('}')) {
        address.replace_range(from..=to, id);
    }
    address
}

/// A request that is well formed enough to get as far as the catalogue.
async fn ask(house: &House, method_name: &str, address: &str, token: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    let kind = match address {
        a if a.ends_with(":import") => "application/x-ndjson",
        a if a.ends_with("/search") || a.ends_with("/images/x") => "image/jpeg",
        _ => "application/json",
    };
    let body = match address {
        a if a.ends_with("/search") || a.ends_with("/images/x") => picture([20, 20, 90]),
        a if a.ends_with(":batch") => br#"{"searches":[{"image":{"product":"x"}}]}"#.to_vec(),
        a if a.ends_with("/status") => br#"{"hidden":true}"#.to_vec(),
        a if a.ends_with("/feedback") => {
            br#"{"events":[{"kind":"click","search":"s","product":"x"}]}"#.to_vec()
        }
        a if a.ends_with("/products/x") => b"{}".to_vec(),
        _ => Vec::new(),
    };
    let body = if method_name == "get" { Vec::new() } else { body };
    house
        .send(method(method_name), address, &[("authorization", &bearer), ("content-type", kind)], body)
        .await
}

/// All but what differs between any two answers.
fn words(answer: &Answer) -> (u16, String) {
    let mut text = answer.text();
    if let Ok(Value::Object(mut problem)) = serde_json::from_str::<Value>(&text) {
        problem.remove("instance");
        text = Value::Object(problem).to_string();
    }
    (answer.status.as_u16(), text)
}

#[test]
fn every_operation_is_in_the_table() {
    let listed: BTreeSet<_> = TABLE.iter().map(|(m, p, _)| ((*m).to_owned(), (*p).to_owned())).collect();
    let all = operations();
    let differing: Vec<_> = all.symmetric_difference(&listed).collect();
    assert_eq!(differing, Vec::<&(String, String)>::new(), "say in TABLE who may call these");
}

/// Nothing of a catalogue can be had or changed with a key of another, and nobody can tell whether it is there.
#[tokio::test(flavor = "multi_thread")]
async fn tenants_see_nothing_of_each_other() {
    let only = |name: &str| NewKey { catalogues: [name.to_owned()].into(), ..key(&[Admin]) };
    let (house, [whole, ours]) = House::keyed(ServerOptions::default(), [key(&[Admin]), only("ours")]);
    let admin = [("authorization", format!("Bearer {whole}"))];
    let admin: Vec<(&str, &str)> = admin.iter().map(|(n, v)| (*n, v.as_str())).collect();
    for name in ["ours", "theirs"] {
        house.send(Method::PUT, &format!("/v1/catalogues/{name}"), &admin, "").await.ok(201);
        let with_kind = [admin[0], ("content-type", "application/json")];
        house
            .send(
                Method::PUT,
                &format!("/v1/catalogues/{name}/products/x"),
                &with_kind,
                r#"{"title":"SECRETTITLE"}"#,
            )
            .await
            .ok(201);
        let picture_kind = [admin[0], ("content-type", "image/jpeg")];
        let image = format!("/v1/catalogues/{name}/products/x/images/x?wait=searchable&timeout_ms=30000");
        house.send(Method::PUT, &image, &picture_kind, picture([200, 30, 30])).await.ok(200);
    }
    let export = "/v1/catalogues/theirs/products:export";
    let before = house.send(Method::GET, export, &admin, "").await.ok(200).body;
    for (method_name, path, who) in TABLE {
        let id = "x";
        if path.contains("{catalogue}") {
            let foreign = ask(&house, method_name, &address(path, "theirs", id), &ours).await;
            let absent = ask(&house, method_name, &address(path, "nowhere", id), &ours).await;
            assert_eq!(words(&foreign), words(&absent), "{method_name} {path}");
            foreign.problem(404, "catalogue_not_found");
        } else if matches!(who, Whole(_)) {
            ask(&house, method_name, &address(path, "", id), &ours).await.problem(403, "forbidden");
        } else {
            let answer = ask(&house, method_name, &address(path, "", id), &ours).await;
            assert!(
                !answer.text().contains("theirs") && !answer.text().contains("SECRETTITLE"),
                "{path}: {}",
                answer.text()
            );
        }
    }
    // A batch or a list that mixes own and foreign ids: ids are looked up in the own catalogue only.
    let own = ask(&house, "post", "/v1/catalogues/ours/search:batch", &ours).await.ok(200);
    assert!(!own.text().contains("theirs"));
    assert_eq!(house.send(Method::GET, export, &admin, "").await.ok(200).body, before, "nothing was changed");
    let list = ask(&house, "get", "/v1/catalogues", &ours).await.ok(200).json();
    assert_eq!(list["items"].as_array().map(Vec::len), Some(1));
}

/// OWASP API5, function-level authorisation; API2, authentication. Each operation with each single right, without a
/// key, and with keys that are nearly right.
#[tokio::test(flavor = "multi_thread")]
async fn each_operation_demands_its_right() {
    let rights = [Search, Read, Write, Admin];
    let (house, tokens) = House::keyed(ServerOptions::default(), rights.map(|right| key(&[right])));
    for (method_name, path, who) in TABLE {
        let address = address(path, "nowhere", "x");
        for (right, token) in rights.iter().zip(&tokens) {
            let status = ask(&house, method_name, &address, token).await.status.as_u16();
            let allowed = match who {
                All => true,
                Has(needed) | Whole(needed) => right == needed || *right == Admin,
            };
            assert_eq!(status == 403, !allowed, "{method_name} {path} with {right:?}: {status}");
            assert_ne!(status, 401, "{method_name} {path} with {right:?}");
        }
        if *who == All {
            house.get(&address).await.ok(200);
            continue;
        }
        let nearly = &tokens[3][..tokens[3].len() - 1];
        for wrong in ["", nearly, "tw_", "tw_x_y", "null", &tokens[3].to_uppercase()] {
            ask(&house, method_name, &address, wrong).await.problem(401, "unauthorized");
        }
        let none = house.send(method(method_name), &address, &[], "").await;
        none.problem(401, "unauthorized");
        assert!(none.header("www-authenticate").starts_with("Bearer"));
        let basic =
            house.send(method(method_name), &address, &[("authorization", "Basic dHc6dHc=")], "").await;
        basic.problem(401, "unauthorized");
    }
}

/// What was done, and with which key; neither what was only read nor what was refused.
#[tokio::test(flavor = "multi_thread")]
async fn the_audit_log_says_who_did_what() {
    let (mut house, [admin, read]) = House::keyed(ServerOptions::default(), [key(&[Admin]), key(&[Read])]);
    house.token = Some(admin.clone());
    house.put("/v1/catalogues/main", "").await.ok(201);
    house.put("/v1/catalogues/main/products/x", "{}").await.ok(201);
    house.get("/v1/catalogues/main").await.ok(200);
    let made = house.post("/v1/keys", r#"{"rights":["search"]}"#).await.ok(201).json();
    let revoked = format!("/v1/keys/{}", made["id"].as_str().expect("an id"));
    house.send(Method::DELETE, &revoked, &[], "").await.ok(204);
    house.token = Some(read);
    house.send(Method::DELETE, "/v1/catalogues/main", &[], "").await.problem(403, "forbidden");
    house.get("/v1/log").await.problem(403, "forbidden");
    house.token = Some(admin.clone());
    // A job is signed too.
    let begun = house.post("/v1/catalogues/main/index:verify", "").await.ok(202);
    let job = house.get(begun.header("location")).await.ok(200).json();
    assert_eq!(job["by"].as_str(), admin.split('_').nth(1), "{job}");
    let log = house.get("/v1/log").await.ok(200).json();
    let told: Vec<_> = log["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|deed| (deed["method"].as_str(), deed["path"].as_str(), deed["status"].as_u64()))
        .collect();
    assert_eq!(
        told,
        [
            (Some("POST"), Some("/v1/catalogues/main/index:verify"), Some(202)),
            (Some("DELETE"), Some(revoked.as_str()), Some(204)),
            (Some("POST"), Some("/v1/keys"), Some(201)),
            (Some("PUT"), Some("/v1/catalogues/main"), Some(201)),
        ]
    );
    let own = admin.split('_').nth(1);
    assert!(log["items"].as_array().expect("items").iter().all(|deed| deed["by"].as_str() == own), "{log}");
    let page = house.get("/v1/log?limit=2").await.ok(200).json();
    let rest =
        house.get(&format!("/v1/log?after={}", page["next"].as_str().expect("more"))).await.ok(200).json();
    assert_eq!(rest["items"].as_array().map(Vec::len), Some(2));
    house.get("/v1/log?limit=0").await.problem(422, "invalid_value");
    house.get("/v1/log?after=x").await.problem(400, "bad_request");
}

/// The rest of OWASP's API top ten (2023), by item.
#[tokio::test(flavor = "multi_thread")]
async fn owasp_api_top_ten() {
    let options = ServerOptions { max_body_bytes: 100_000, ..ServerOptions::default() };
    let (mut house, [admin, search]) = House::keyed(options, [key(&[Admin]), key(&[Search])]);
    house.token = Some(admin.clone());
    house.put("/v1/catalogues/main", "").await.ok(201);
    house.put("/v1/catalogues/main/products/x", r#"{"title":"X"}"#).await.ok(201);
    let jpeg = [("content-type", "image/jpeg")];
    let image = "/v1/catalogues/main/products/x/images/main?wait=searchable&timeout_ms=30000";
    house.send(Method::PUT, image, &jpeg, picture([200, 30, 30])).await.ok(200);

    // API3, properties: no vector, secret or hash of one is in any answer, and unknown members are refused.
    let answer = house
        .post("/v1/catalogues/main/search", r#"{"image":{"product":"x"},"explain":"parts"}"#)
        .await
        .ok(200);
    for text in [
        answer.text(),
        house.get("/v1/catalogues/main/products").await.text(),
        house.get("/v1/keys").await.text(),
    ] {
        for hidden in ["embedding", "vector", "secret", "token", &admin[12..]] {
            assert!(!text.contains(hidden), "{hidden} in {text}");
        }
    }
    for (path, body) in [
        ("/v1/keys", r#"{"rights":["read"],"id":"mine"}"#),
        ("/v1/catalogues/main/search", r#"{"image":{"product":"x"},"vectors":true}"#),
        (
            "/v1/catalogues/main/feedback",
            r#"{"events":[{"kind":"click","search":"s","product":"x","weight":9}]}"#,
        ),
    ] {
        house.post(path, body).await.problem(400, "bad_request");
    }
    // API4, resources: what is asked for has a limit, told before work begins.
    let batch = format!(r#"{{"searches":[{}]}}"#, vec![r#"{"image":{"product":"x"}}"#; 33].join(","));
    let events = vec![r#"{"kind":"click","search":"s","product":"x"}"#; 101].join(",");
    for (path, body, status) in [
        ("/v1/catalogues/main/search", r#"{"image":{"product":"x"},"limit":501}"#.to_owned(), 422),
        ("/v1/catalogues/main/search", r#"{"image":{"product":"x"},"offset":1001}"#.to_owned(), 422),
        (
            "/v1/catalogues/main/search",
            r#"{"image":{"product":"x"},"near":{"lat":91,"lon":0}}"#.to_owned(),
            422,
        ),
        ("/v1/catalogues/main/search:batch", batch, 422),
        ("/v1/catalogues/main/feedback", format!(r#"{{"events":[{events}]}}"#), 422),
        ("/v1/compare", format!(r#"{{"query":{{"base64":"{}"}}}}"#, "A".repeat(200_000)), 413),
    ] {
        assert_eq!(house.post(path, &body).await.status.as_u16(), status, "{path}");
    }
    // API6, business flows: the same click twice is one click.
    let click = r#"{"events":[{"kind":"click","search":"s","product":"x","user":"u"},{"kind":"click","search":"s","product":"x","user":"u"}]}"#;
    let fate = house.post("/v1/catalogues/main/feedback", click).await.ok(202).json();
    assert_eq!(fate, json!({"accepted": 1, "repeated": 1, "capped": 0}));
    // API7, request forgery: nothing behind this server is fetched because a caller says so, and for those who may only
    // search nothing at all.
    house.token = Some(search.clone());
    let body = r#"{"image":{"url":"http://shop.example/a.jpg"}}"#;
    house.post("/v1/catalogues/main/search", body).await.problem(403, "forbidden");
    house.token = Some(admin.clone());
    for url in [
        "http://127.0.0.1:7878/metrics",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "gopher://x",
    ] {
        let body = json!({"image": {"url": url}}).to_string();
        let code = if url.starts_with("http:") { "picture_not_fetched" } else { "invalid_value" };
        for path in ["/v1/catalogues/main/search", "/v1/detect", "/v1/embed", "/v1/uploads"] {
            house.post(path, &body).await.problem(422, code);
        }
        let image = "/v1/catalogues/main/products/x/images/far?fetch=true";
        house.put(image, &json!({ "url": url }).to_string()).await.problem(422, code);
    }
    // API8, configuration: no default key, safe headers on failures too, no words of the machine.
    house.token = Some(search);
    for path in [
        "/v1/keys",
        "/v1/catalogues/none",
        "/v1/catalogues/..%2f..%2fserver.db",
        "/none",
        "/v1/catalogues/main/products",
    ] {
        let answer = house.get(path).await;
        assert!(answer.status.is_client_error(), "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        let text = answer.text();
        assert!(!text.contains("/tmp") && !text.contains(".rs") && !text.contains("sqlite"), "{text}");
    }
    // API9, inventory: what answers is described.
    for path in ["/v1", "/v1/", "/v2/catalogues", "/debug", "/v1/users", "/actuator", "/.env", "/server.db"] {
        assert!(house.get(path).await.status.is_client_error(), "{path}");
    }
    // API10, what others send: hostile pictures are refused with a reason. API1 and API2 have tests of their own.
    for (bytes, status) in
        [(&b"GIF89a"[..], 422), (b"\x89PNG\r\n\x1a\n", 422), (b"<svg/>", 415), (b"%PDF-1.4", 415), (b"", 415)]
    {
        let answer = house.send(Method::POST, "/v1/detect", &jpeg, bytes.to_vec()).await;
        assert_eq!(answer.status.as_u16(), status, "{bytes:?}: {}", answer.text());
    }
}
