//! Sources, their runs, and jobs in general.

use crate::house::House;
use axum::http::Method;
use serde_json::{Value, json};
use std::time::Duration;

const SOURCES: &str = "/v1/catalogues/main/sources";
const FEED: [(&str, &str); 1] = [("content-type", "text/tab-separated-values")];

/// Asks until a job is over.
async fn ended(house: &House, job: &Value) -> Value {
    let path = format!("/v1/jobs/{}", job["id"].as_str().expect("an id"));
    for _ in 0..600 {
        let job = house.get(&path).await.ok(200).json();
        if job.get("ended_at").is_some() {
            return job;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{path} does not end")
}

fn table(ids: &[&str]) -> String {
    let rows: String = ids.iter().map(|id| format!("{id}\tTee {id}\t12.00 EUR\n")).collect();
    format!("id\ttitle\tprice\n{rows}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_is_kept_run_and_remembered() {
    let house = House::new();
    house.put("/v1/catalogues/main", "").await.ok(201);
    house.get(&format!("{SOURCES}/shop")).await.problem(404, "source_not_found");
    let made = house.put(&format!("{SOURCES}/shop"), r#"{"currency":"EUR"}"#).await.ok(201).json();
    assert_eq!((made["name"].as_str(), made["runs"].as_array().map(Vec::len)), (Some("shop"), Some(0)));
    house.put(&format!("{SOURCES}/shop"), r#"{"currency":"EUR","guard":0.5}"#).await.ok(200);

    let run = format!("{SOURCES}/shop/runs");
    house.post(&run, "{}").await.problem(400, "bad_request"); // it has no address
    let begun = house.send(Method::POST, &run, &FEED, table(&["a", "b", "c"])).await.ok(202);
    assert!(begun.header("location").starts_with("/v1/jobs/") && !begun.header("retry-after").is_empty());
    let job = ended(&house, &begun.json()).await;
    assert_eq!(
        (job["state"].as_str(), job["kind"].as_str(), job["counts"]["new"].as_u64()),
        (Some("succeeded"), Some("sync"), Some(3)),
        "{job}"
    );
    assert_eq!(job["result"]["findings"]["missing_image"]["count"], 3);
    let product = house.get("/v1/catalogues/main/products/b").await.ok(200).json();
    assert_eq!(
        (product["source"].as_str(), product["price"]["amount"].as_str()),
        (Some("shop"), Some("12.00"))
    );

    // Most of it would vanish: a person is asked, says yes, and only then it does.
    let begun = house.send(Method::POST, &run, &FEED, table(&["a"])).await.ok(202).json();
    let asked = ended(&house, &begun).await;
    assert_eq!(
        (asked["state"].as_str(), asked["result"]["approval"]["gone"].as_u64()),
        (Some("needs_approval"), Some(2))
    );
    house.get("/v1/catalogues/main/products/c").await.ok(200);
    let dry = house
        .send(Method::POST, &format!("{run}?delete_missing=yes&dry_run=true"), &FEED, table(&["a"]))
        .await
        .ok(202)
        .json();
    assert_eq!(ended(&house, &dry).await["counts"]["gone"], 2);
    house.get("/v1/catalogues/main/products/c").await.ok(200);
    let told = house
        .send(Method::POST, &format!("{run}?delete_missing=yes"), &FEED, table(&["a"]))
        .await
        .ok(202)
        .json();
    assert_eq!(ended(&house, &told).await["state"], "succeeded");
    house.get("/v1/catalogues/main/products/c").await.problem(404, "product_not_found");

    let runs = house.get(&run).await.ok(200).json();
    let states: Vec<_> = runs["items"]
        .as_array()
        .expect("runs")
        .iter()
        .map(|run| run["state"].as_str().unwrap_or(""))
        .collect();
    assert_eq!(states, ["succeeded", "needs_approval", "succeeded"]);
    assert_eq!(house.get("/v1/jobs?limit=2").await.ok(200).json()["items"].as_array().map(Vec::len), Some(2));
    house.delete(&format!("{SOURCES}/shop")).await.ok(204);
    house.delete(&format!("{SOURCES}/shop")).await.ok(204);
    house.get("/v1/catalogues/main/products/a").await.ok(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_of_sources_are_checked() {
    let house = House::new();
    house.put("/v1/catalogues/main", "").await.ok(201);
    for (body, code, pointer) in [
        (json!({"url": "file:///etc/passwd"}), "invalid_value", "/url"),
        (json!({"currency": "euros"}), "invalid_value", "/currency"),
        (json!({"guard": 3}), "invalid_value", "/guard"),
        (json!({"every_minutes": 0}), "invalid_value", "/every_minutes"),
        (json!({"mapping": "[colums]"}), "invalid_value", "/mapping"),
    ] {
        let problem = house.put(&format!("{SOURCES}/s"), &body.to_string()).await.problem(422, code);
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{body}");
    }
    house.put(&format!("{SOURCES}/s"), r#"{"uri":"x"}"#).await.problem(400, "bad_request");
    house.put("/v1/catalogues/none/sources/s", "{}").await.problem(404, "catalogue_not_found");
    // A feed from a private address is refused when it is fetched, by whatever name.
    house.put(&format!("{SOURCES}/s"), r#"{"url":"http://localhost:9/feed.xml"}"#).await.ok(201);
    let begun = house.post(&format!("{SOURCES}/s/runs"), "").await.ok(202).json();
    let job = ended(&house, &begun).await;
    assert_eq!(
        (job["state"].as_str(), job["problem"]["code"].as_str()),
        (Some("failed"), Some("sync_failed"))
    );
    assert!(
        job["problem"]["detail"].as_str().is_some_and(|text| text.contains("not a public address")),
        "{job}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_watched_paused_and_cancelled() {
    let house = House::new();
    house.put("/v1/catalogues/main", "").await.ok(201);
    house.get("/v1/jobs/none").await.problem(404, "job_not_found");
    // Large enough to be met while it runs.
    let lines: String =
        (0..20_000).map(|n| format!("{{\"id\":\"p{n}\",\"title\":\"Thing {n}\"}}\n")).collect();
    let import = "/v1/catalogues/main/products:import?async=true";
    let begun = house
        .send(Method::POST, import, &[("content-type", "application/x-ndjson")], lines)
        .await
        .ok(202)
        .json();
    let path = format!("/v1/jobs/{}", begun["id"].as_str().expect("an id"));
    let order = |state: &str| format!(r#"{{"state":"{state}"}}"#);
    let json = [("content-type", "application/json")];
    let paused = house.send(Method::PATCH, &path, &json, order("paused")).await.ok(200).json();
    assert_eq!(paused["state"], "paused");
    let running = house.send(Method::PATCH, &path, &json, order("running")).await.ok(200).json();
    assert_eq!(running["state"], "running");
    house.send(Method::PATCH, &path, &json, order("dancing")).await.problem(400, "bad_request");
    house.delete(&path).await.ok(202);
    let job = ended(&house, &begun).await;
    assert_eq!(job["state"], "cancelled");
    // What was done stays, and nothing more was done.
    let products = house.get("/v1/catalogues/main").await.ok(200).json()["counts"]["products"]
        .as_u64()
        .expect("a number");
    assert!(products < 20_000 && products == job["counts"]["created"].as_u64().unwrap_or(0), "{job}");

    let lines = "{\"id\":\"x\"}\n\n{\"id\":\"y\",\"oops\":1}\n";
    let begun = house
        .send(Method::POST, import, &[("content-type", "application/x-ndjson")], lines)
        .await
        .ok(202)
        .json();
    let events =
        house.get(&format!("/v1/jobs/{}/events", begun["id"].as_str().expect("an id"))).await.ok(200);
    assert_eq!(events.header("content-type"), "text/event-stream");
    let last = events.text().trim().rsplit("data: ").next().map(str::to_owned).expect("an event");
    let job: Value = serde_json::from_str(&last).expect("a job");
    assert!(events.text().contains("event: end") && job["state"] == "succeeded", "{}", events.text());
    assert_eq!((job["counts"]["created"].as_u64(), job["counts"]["failed"].as_u64()), (Some(1), Some(1)));
    assert_eq!(job["result"]["failed"][0]["line"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_catalogue_is_backed_up_while_it_is_used() {
    let house = House::stocked(&[("a", [200, 20, 20])]).await;
    let begun = house.post("/v1/catalogues/main/snapshots", "").await.ok(202).json();
    let job = ended(&house, &begun).await;
    assert_eq!((job["state"].as_str(), job["kind"].as_str()), (Some("succeeded"), Some("backup")), "{job}");
    let file = house.engine.home().join(job["result"]["file"].as_str().expect("a file"));
    let name = twinset_catalogue::CatalogueName::parse("copy").expect("a name");
    let shop = house.engine.restore(&name, &file).expect("restored");
    assert_eq!(shop.catalogue().count().expect("counts").products, 1);
    house.post("/v1/catalogues/none/snapshots", "").await.problem(404, "catalogue_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn freshness_is_told() {
    let house = House::stocked(&[("a", [200, 20, 20])]).await;
    house.delete("/v1/catalogues/main/products/a?wait=searchable").await.ok(204);
    let metrics = house.get("/metrics").await.ok(200).text();
    for way in ["searchable", "gone"] {
        let line = format!("twinset_change_seconds{{catalogue=\"main\",way=\"{way}\",quantile=\"0.99\"}}");
        assert!(metrics.contains(&line), "{metrics}");
    }
}
