//! Spans of requests reach a collector: `cargo test --release -p twinset --features otel --test it traces`.

use crate::house::House;

#[test]
fn spans_of_requests_reach_the_collector() {
    let (endpoint, received) = twinset_traces::collector().unwrap();
    let house = House::new();
    let server = house.start_with(&["serve"], &[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)]);
    assert_eq!(server.get("/version").0, 200);
    // What it still holds is sent when it ends.
    assert_eq!(server.stop(), Some(0));
    let told: Vec<u8> = received.try_iter().flatten().collect();
    let holds = |what: &str| told.windows(what.len()).any(|part| part == what.as_bytes());
    for what in ["POST /v1/traces HTTP/1.1", "service.name", "twinset", "request", "method", "/version"] {
        assert!(holds(what), "{what} is not told");
    }
}
