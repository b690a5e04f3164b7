//! Every operation of the description is run, with the example that the description gives for its body.

use crate::house::{House, picture};
use axum::http::Method;
use serde_json::Value;
use twinset_server::openapi;

/// What stands for the parameters of addresses.
fn parameter(name: &str) -> &'static str {
    match name {
        "catalogue" => "main",
        "id" => "MT-101-S",
        "name" => "main",
        "example" => "MT-101-S",
        _ => "none", // of what this house has none
    }
}

/// The example of a body: of its content, or of its schema.
fn example(api: &Value, content: &Value) -> Option<Value> {
    if let Some(given) = content.get("example") {
        return Some(given.clone());
    }
    let schema = &content["schema"];
    let schema = match schema["$ref"].as_str() {
        Some(of) => &api["components"]["schemas"][of.rsplit('/').next().unwrap_or(of)],
        None => schema,
    };
    schema.get("example").cloned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_of_the_description_work() {
    let house = House::stocked(&[("MT-101-S", [205, 40, 40])]).await;
    let api = serde_json::to_value(openapi()).expect("JSON");
    let mut calls: Vec<(usize, &str, &String, &Value)> = Vec::new();
    for (path, methods) in api["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let order =
                ["put", "patch", "post", "get", "delete"].iter().position(|m| m == method).expect("a method");
            calls.push((order, method, path, operation));
        }
    }
    // What removes comes last, and the deepest first.
    calls.sort_by_key(|(order, _, path, _)| (*order, std::cmp::Reverse(path.len())));
    let mut run = 0;
    // The first key closes the server: nothing can be called after it without one.
    let (last, rest): (Vec<_>, Vec<_>) =
        calls.into_iter().partition(|call| call.3["operationId"] == "create_key");
    for (_, method, path, operation) in rest.into_iter().chain(last) {
        let mut address = path.clone();
        let mut absent = false;
        while let (Some(from), Some(to)) = (address.find('{'), address.find('}')) {
            let value = parameter(&address[from + 1..to]);
            absent |= value == "none";
            address.replace_range(from..=to, value);
        }
        let method = Method::from_bytes(method.to_uppercase().as_bytes()).expect("a method");
        let id = operation["operationId"].as_str().expect("an id");
        let bodies = operation["requestBody"]["content"].as_object().cloned().unwrap_or_default();
        let mut sent: Vec<(String, Vec<u8>)> = Vec::new();
        for (kind, content) in &bodies {
            match kind.as_str() {
                "image/*" => sent.push(("image/jpeg".into(), picture([205, 40, 40]))),
                "multipart/form-data" => {}
                kind => sent.extend(
                    example(&api, content)
                        .map(|example| (kind.to_owned(), serde_json::to_vec(&example).expect("JSON"))),
                ),
            }
        }
        if sent.is_empty() && !bodies.is_empty() {
            continue; // its body has no example
        }
        if sent.is_empty() {
            sent.push(("application/json".into(), Vec::new()));
        }
        for (kind, body) in sent {
            let answer = house.send(method.clone(), &address, &[("content-type", &kind)], body).await;
            let status = answer.status.as_u16();
            let fits = (200..300).contains(&status) || (absent && status == 404);
            assert!(fits, "{id} with {kind}: {status} {}", answer.text());
            assert!(
                operation["responses"][status.to_string()].is_object(),
                "{id} answers {status}, which is not described"
            );
            run += 1;
        }
    }
    assert!(run >= 35, "{run}");
}
