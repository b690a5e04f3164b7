//! What an operator asks and orders: the index, evaluations, changes of a product, settings, trainings.

use crate::house::{House, picture};
use axum::body::Body;
use axum::http::Method;
use serde_json::{Value, json};
use std::time::Duration;
use twinset_server::{Origin, ServerOptions, Setting};

/// The job of a 202, once it is over.
async fn ended(house: &House, job: &Value) -> Value {
    let address = format!("/v1/jobs/{}", job["id"].as_str().expect("an id"));
    for _ in 0..2400 {
        let now = house.get(&address).await.ok(200).json();
        if !["queued", "running"].contains(&now["state"].as_str().expect("a state")) {
            return now;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the job does not end");
}

async fn order(house: &House, address: &str) -> Value {
    let begun = house.send(Method::POST, address, &[], Body::empty()).await.ok(202);
    assert!(begun.header("location").starts_with("/v1/jobs/"), "{}", begun.text());
    ended(house, &begun.json()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_is_told_checked_and_made_anew() {
    let house = House::stocked(&[("a", [200, 30, 30]), ("b", [20, 30, 90])]).await;
    let index = house.get("/v1/catalogues/main/index").await.ok(200).json();
    assert_eq!(
        (&index["state"], &index["kind"], &index["items"]),
        (&"ready".into(), &"exact".into(), &2.into())
    );
    assert_eq!(index["change"], index["snapshot"]);
    assert_eq!(index["searchable"]["count"].as_u64(), index["change"].as_u64());
    assert_eq!(index["snapshots"], json!([]));

    let verified = order(&house, "/v1/catalogues/main/index:verify").await;
    assert_eq!(verified["state"], "succeeded", "{verified}");
    assert_eq!((&verified["result"]["sound"], &verified["result"]["checked"]), (&true.into(), &2.into()));
    let rebuilt = order(&house, "/v1/catalogues/main/index:rebuild").await;
    assert_eq!((&rebuilt["state"], &rebuilt["result"]["snapshot"]), (&"succeeded".into(), &index["change"]));
    let hits =
        house.post("/v1/catalogues/main/search", r#"{"image":{"product":"a"},"limit":1}"#).await.ok(200);
    assert_eq!(hits.json()["results"][0]["product"]["id"], "a");

    let copied = order(&house, "/v1/catalogues/main/snapshots").await;
    let index = house.get("/v1/catalogues/main/index").await.ok(200).json();
    assert_eq!(index["snapshots"][0]["file"], copied["result"]["file"]);
    assert_eq!(index["snapshots"][0]["bytes"], copied["result"]["bytes"]);
    for address in ["index:verify", "index:rebuild"] {
        house.post(&format!("/v1/catalogues/none/{address}"), "").await.problem(404, "catalogue_not_found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_evaluation_asks_with_each_picture_for_the_others() {
    let house = House::stocked(&[("a", [200, 30, 30]), ("b", [20, 30, 90]), ("c", [30, 160, 60])]).await;
    // Nothing to ask with: each product shows one picture.
    let made = house.post("/v1/evaluations", r#"{"catalogue":"main"}"#).await.ok(202).json();
    let failed = ended(&house, &made).await;
    assert_eq!((&failed["state"], &failed["problem"]["code"]), (&"failed".into(), &"invalid_value".into()));
    for (id, colour) in [("a", [202, 32, 30]), ("b", [22, 30, 92])] {
        let path = format!("/v1/catalogues/main/products/{id}/images/side?wait=searchable&timeout_ms=30000");
        house.send(Method::PUT, &path, &[("content-type", "image/jpeg")], picture(colour)).await.ok(200);
    }
    let made = house.post("/v1/evaluations", r#"{"catalogue":"main"}"#).await.ok(202).json();
    let done = ended(&house, &made).await;
    assert_eq!(done["state"], "succeeded", "{done}");
    let evaluation = &done["result"];
    let report = &evaluation["report"];
    assert_eq!(
        (&report["queries"], &report["products"], &report["gallery"]),
        (&4.into(), &2.into(), &3.into())
    );
    // The two pictures of a product are nearly the same, and the products are not.
    for rank in ["1", "5", "10", "20"] {
        assert_eq!(report["recall"][rank], json!([1.0, 1.0, 1.0]), "{report}");
    }
    assert_eq!(report["worst"], json!([]));

    let listed = house.get("/v1/evaluations?catalogue=main").await.ok(200).json();
    assert_eq!(listed["items"], json!([evaluation]));
    let id = evaluation["id"].as_str().expect("an id");
    assert_eq!(&house.get(&format!("/v1/evaluations/{id}")).await.ok(200).json(), evaluation);
    assert_eq!(house.get("/v1/evaluations?catalogue=other").await.ok(200).json()["items"], json!([]));
    house.get("/v1/evaluations/none").await.problem(404, "evaluation_not_found");
    house.post("/v1/evaluations", r#"{"catalogue":"none"}"#).await.problem(404, "catalogue_not_found");
    // A catalogue of the same name, made later, is another one.
    house.delete("/v1/catalogues/main").await.ok(204);
    assert_eq!(house.get("/v1/evaluations").await.ok(200).json()["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_of_a_product_is_listed() {
    let house = House::stocked(&[("a", [200, 30, 30]), ("b", [20, 30, 90])]).await;
    house.put("/v1/catalogues/main/products/a", r#"{"title":"other"}"#).await.ok(200);
    house.delete("/v1/catalogues/main/products/a").await.ok(204);
    let changes = house.get("/v1/catalogues/main/products/a/changes").await.ok(200).json();
    let items = changes["items"].as_array().expect("a list");
    let kinds: Vec<_> = items.iter().map(|one| one["kind"].as_str().expect("a kind")).collect();
    assert_eq!(kinds, ["removed", "put", "put", "put"]);
    assert!(items.windows(2).all(|pair| pair[0]["change"].as_u64() > pair[1]["change"].as_u64()));
    assert!(items.iter().all(|one| one["at"].as_str().is_some_and(|at| at.ends_with('Z'))));
    let latest = house.get("/v1/catalogues/main/products/a/changes?limit=1").await.ok(200).json();
    assert_eq!(latest["items"], json!([items[0]]));
    house.get("/v1/catalogues/main/products/none/changes").await.problem(404, "product_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_product_is_hidden_shown_and_looked_at_again() {
    let house = House::stocked(&[("a", [200, 30, 30]), ("b", [20, 30, 90])]).await;
    let at = "/v1/catalogues/main/products/a/status";
    let status = house.get(at).await.ok(200).json();
    assert_eq!((&status["hidden_at"], &status["searchable"]), (&json!(null), &json!(true)));
    assert_eq!(status["images"], json!([{ "name": "main", "state": "seen" }]));
    let found = async |house: &House| {
        let by = house.send(
            Method::POST,
            "/v1/catalogues/main/search",
            &[("content-type", "image/jpeg")],
            picture([200, 30, 30]),
        );
        let answer = by.await.ok(200).json();
        let ids = answer["results"].as_array().expect("results").iter();
        ids.map(|one| one["product"]["id"].as_str().expect("an id").to_owned()).collect::<Vec<_>>()
    };
    let patch = async |hidden: bool| {
        let body = json!({ "hidden": hidden }).to_string();
        let path = format!("{at}?wait=searchable&timeout_ms=30000");
        house.send(Method::PATCH, &path, &[("content-type", "application/merge-patch+json")], body).await
    };
    let hidden = patch(true).await.ok(200);
    assert_eq!(found(&house).await, ["b"]);
    // A feed that brings it again brings it back to nobody.
    house
        .put("/v1/catalogues/main/products/a", r#"{"title":"new","images":[{"name":"main"}]}"#)
        .await
        .ok(200);
    assert_eq!(found(&house).await, ["b"]);
    assert!(house.get(at).await.ok(200).json()["hidden_at"].as_str().is_some_and(|at| at.ends_with('Z')));
    let listed = house.get("/v1/catalogues/main/products?hidden=true").await.ok(200).json();
    assert_eq!((&listed["items"][0]["id"], &listed["next"]), (&json!("a"), &json!(null)));
    assert!(house.get("/v1/catalogues/main/examples").await.ok(200).text().matches("\"id\"").count() == 1);
    let shown = patch(false).await.ok(200);
    assert!(shown.json()["change"].as_u64() > hidden.json()["change"].as_u64());
    assert_eq!(found(&house).await, ["a", "b"]);

    let before = house.get("/v1/catalogues/main/index").await.ok(200).json()["pictures"]["computed"].as_u64();
    let again = "/v1/catalogues/main/products/a/index:rebuild?wait=searchable&timeout_ms=30000";
    let again = house.post(again, "").await.ok(200).json();
    assert_eq!(again["searchable"], true);
    assert_eq!(found(&house).await, ["a", "b"]);
    let after = house.get("/v1/catalogues/main/index").await.ok(200).json()["pictures"]["computed"].as_u64();
    assert_eq!(after, before.map(|n| n + 1));
    for missing in ["status", "index:rebuild"] {
        let path = format!("/v1/catalogues/main/products/none/{missing}");
        let asked = if missing == "status" { house.get(&path).await } else { house.post(&path, "").await };
        asked.problem(404, "product_not_found");
    }
    house
        .get("/v1/catalogues/main/products?hidden=true&filter=brand%20%3D%20%27x%27")
        .await
        .problem(400, "bad_request");
}

/// Lists come in parts that miss nothing and tell nothing twice.
#[tokio::test(flavor = "multi_thread")]
async fn lists_are_read_in_parts() {
    let house = House::stocked(&[("a", [200, 30, 30])]).await;
    for title in ["one", "two", "three"] {
        house.put("/v1/catalogues/main/products/a", &format!(r#"{{"title":"{title}"}}"#)).await.ok(200);
        order(&house, "/v1/catalogues/main/index:verify").await;
    }
    for path in ["/v1/jobs", "/v1/catalogues/main/products/a/changes"] {
        let all = house.get(path).await.ok(200).json()["items"].as_array().expect("a list").clone();
        assert!(all.len() >= 3, "{path}");
        let (mut parts, mut after) = (Vec::new(), String::new());
        loop {
            let part = house.get(&format!("{path}?limit=2{after}")).await.ok(200).json();
            parts.extend(part["items"].as_array().expect("a list").clone());
            let Some(next) = part["next"].as_str() else { break };
            after = format!("&after={next}");
        }
        assert_eq!(parts, all, "{path}");
        house.get(&format!("{path}?limit=501")).await.problem(422, "invalid_value");
        house.get(&format!("{path}?after=x")).await.problem(400, "bad_request");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_are_changed_by_those_who_read_them() {
    let house = House::new();
    house.put("/v1/catalogues/main", "").await.ok(201);
    let at = "/v1/catalogues/main/sources/feed";
    let made = house.put(at, r#"{"url":"https://shop.example/feed.xml"}"#).await.ok(201);
    let tag = made.header("etag").to_owned();
    assert_eq!(house.get(at).await.ok(200).header("etag"), tag);
    let json = ("content-type", "application/json");
    let body = r#"{"url":"https://shop.example/other.xml"}"#;
    let changed = house.send(Method::PUT, at, &[("if-match", &tag), json], body).await.ok(200);
    assert_ne!(changed.header("etag"), tag);
    house.send(Method::PUT, at, &[("if-match", &tag), json], body).await.problem(412, "changed_meanwhile");
    house.send(Method::DELETE, at, &[("if-match", &tag)], "").await.problem(412, "changed_meanwhile");
    house.send(Method::DELETE, at, &[("if-match", "*")], "").await.ok(204);
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_told_with_their_source() {
    let setting = |name, value, source| Setting { name, value, source };
    let settings = vec![
        setting("limits.queue", json!(64), Origin::Default),
        setting("cors_origins", json!(["https://shop.example"]), Origin::File),
    ];
    let house = House::with(ServerOptions { settings, ..ServerOptions::default() });
    let told = house.get("/v1/config").await.ok(200).json();
    assert_eq!(
        told["items"],
        json!([
            { "name": "limits.queue", "value": 64, "source": "default" },
            { "name": "cors_origins", "value": ["https://shop.example"], "source": "file" },
        ])
    );
}

/// The folders that trainings leave are read as they are; without a program to train with, none is begun.
#[tokio::test(flavor = "multi_thread")]
async fn training_runs_are_read_from_their_folders() {
    let house = House::stocked(&[("a", [200, 30, 30])]).await;
    assert_eq!(house.get("/v1/runs").await.ok(200).json()["items"], json!([]));
    let run = house.engine.home().join("runs/first");
    std::fs::create_dir_all(&run).expect("a folder");
    std::fs::write(run.join("config.json"), r#"{"steps":400}"#).expect("written");
    std::fs::write(
        run.join("run.json"),
        r#"{"program":"twinset 0.1.0","data_fingerprint":"abc","kernel":"Avx2","threads":2}"#,
    )
    .expect("written");
    std::fs::write(
        run.join("metrics.csv"),
        "step,learning_rate,pictures_per_second,loss\n20,0.001,15.5,0.75\n40,0.001,16.0,0.5\n",
    )
    .expect("written");
    let told = house.get("/v1/runs/first").await.ok(200).json();
    assert_eq!((&told["state"], &told["step"], &told["steps"]), (&"stopped".into(), &40.into(), &400.into()));
    assert_eq!(
        told["history"][1],
        json!({"step":40,"learning_rate":0.001,"pictures_per_second":16.0,"loss":0.5})
    );
    assert_eq!(told["machine"], "Avx2, 2 threads");
    assert_eq!(told["checkpoint_at"], Value::Null);
    std::fs::write(run.join("checkpoint.safetensors"), "state").expect("written");
    let told = house.get("/v1/runs/first").await.ok(200).json();
    assert!(told["checkpoint_at"].as_str().is_some_and(|at| at.ends_with('Z')), "{told}");
    house.get("/v1/runs/..%2f..%2fcatalogues").await.problem(404, "run_not_found");
    house.post("/v1/runs", r#"{"catalogue":"none"}"#).await.problem(404, "catalogue_not_found");
    house.post("/v1/runs", r#"{"catalogue":"main","steps":0}"#).await.problem(422, "invalid_value");
    house.post("/v1/runs", r#"{"catalogue":"main"}"#).await.problem(422, "unsupported");
}

/// OPTIONS tells the methods of an address to everyone, browsers of other sites or not.
#[tokio::test(flavor = "multi_thread")]
async fn options_tells_the_methods() {
    let house = House::new();
    for (path, allow) in [
        ("/v1/catalogues/main/products/a", "GET, HEAD, PUT, PATCH, DELETE, OPTIONS"),
        ("/v1/catalogues/main/search", "POST, OPTIONS"),
        ("/v1/evaluations", "GET, HEAD, POST, OPTIONS"),
        ("/healthz", "GET, HEAD, OPTIONS"),
        ("/", "GET, HEAD, OPTIONS"),
    ] {
        let plain = house.send(Method::OPTIONS, path, &[], Body::empty()).await.ok(200);
        assert_eq!(plain.header("allow"), allow, "{path}");
        let preflight = [("origin", "https://evil.example"), ("access-control-request-method", "POST")];
        let asked = house.send(Method::OPTIONS, path, &preflight, Body::empty()).await.ok(200);
        assert_eq!((asked.header("allow"), asked.header("access-control-allow-origin")), (allow, ""));
    }
}

/// What a phone writes beside the pixels is neither stored nor given out.
#[tokio::test(flavor = "multi_thread")]
async fn stored_pictures_tell_no_place() {
    let house = House::stocked(&[("a", [200, 30, 30])]).await;
    let plain = picture([20, 160, 90]);
    let secret = b"Exif\0\0MM\0*52.3702N 4.8952E";
    let segment = [&[0xff, 0xe1], &(secret.len() as u16 + 2).to_be_bytes()[..], secret].concat();
    let told = [&plain[..2], &segment, &plain[2..]].concat();
    let path = "/v1/catalogues/main/products/a/images/place";
    house.send(Method::PUT, path, &[("content-type", "image/jpeg")], told).await.ok(200);
    let image = house.get(path).await.ok(200).json();
    let name = image["picture"].as_str().expect("a hash");
    assert_eq!(name, twinset_photo::PictureHash::of(&plain).to_string(), "stored as if it had never told");
    for file in std::fs::read_dir(house.engine.home().join("catalogues/main")).expect("a folder").flatten() {
        let bytes = std::fs::read(file.path()).unwrap_or_default();
        assert!(!bytes.windows(8).any(|part| part == b"52.3702N"), "{}", file.path().display());
    }
}
