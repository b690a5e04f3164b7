//! What the server counts, in the text format of Prometheus.
//!
//! Few names, labels from closed lists only (route patterns, methods, statuses, stages): the size of the registry
//! does not depend on what callers send.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Upper bounds in seconds.
const BOUNDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

#[derive(Default)]
struct Histogram {
    buckets: [u64; BOUNDS.len()],
    count: u64,
    sum: f64,
}

impl Histogram {
    fn observe(&mut self, seconds: f64) {
        for (bucket, bound) in self.buckets.iter_mut().zip(BOUNDS) {
            *bucket += u64::from(seconds <= bound);
        }
        self.count += 1;
        self.sum += seconds;
    }

    fn write(&self, out: &mut String, name: &str, labels: &str) {
        for (count, bound) in self.buckets.iter().zip(BOUNDS) {
            let _ = writeln!(out, "{name}_bucket{{{labels},le=\"{bound}\"}} {count}");
        }
        let _ = writeln!(out, "{name}_bucket{{{labels},le=\"+Inf\"}} {}", self.count);
        let _ = writeln!(out, "{name}_sum{{{labels}}} {}\n{name}_count{{{labels}}} {}", self.sum, self.count);
    }
}

/// All counters of one server.
#[derive(Default)]
pub(crate) struct Metrics {
    requests: Mutex<BTreeMap<(String, String, u16), u64>>,
    durations: Mutex<BTreeMap<String, Histogram>>,
    stages: Mutex<BTreeMap<&'static str, Histogram>>,
    lines: Mutex<BTreeMap<&'static str, u64>>,
    feedback: Mutex<BTreeMap<&'static str, u64>>,
    /// Sum and number of measured recalls.
    recall: Mutex<(f64, u64)>,
    searches: AtomicU64,
    pub(crate) in_flight: AtomicI64,
}

impl Metrics {
    /// One answered request. `route` is a pattern, never an address.
    pub(crate) fn answered(&self, route: &str, method: &str, status: u16, took: Duration) {
        *self.requests.lock().entry((route.into(), method.into(), status)).or_default() += 1;
        self.durations.lock().entry(route.into()).or_default().observe(took.as_secs_f64());
    }

    /// One stage of a search.
    pub(crate) fn stage(&self, stage: &'static str, took_ms: f64) {
        self.stages.lock().entry(stage).or_default().observe(took_ms / 1000.0);
    }

    /// One line of an import.
    pub(crate) fn line(&self, status: &'static str) {
        *self.lines.lock().entry(status).or_default() += 1;
    }

    /// One event of feedback, by what became of it.
    pub(crate) fn feedback(&self, fate: &'static str, events: u64) {
        *self.feedback.lock().entry(fate).or_default() += events;
    }

    /// Whether this search is the one of `every` whose recall is measured.
    pub(crate) fn is_sample(&self, every: u32) -> bool {
        every > 0 && self.searches.fetch_add(1, Relaxed).is_multiple_of(u64::from(every))
    }

    /// Share of the exact answer's first ten that the index gave.
    pub(crate) fn recall(&self, share: f64) {
        let mut recall = self.recall.lock();
        *recall = (recall.0 + share, recall.1 + 1);
    }

    /// Everything counted so far; the caller adds its gauges.
    pub(crate) fn text(&self) -> String {
        let mut out = String::new();
        head(&mut out, "twinset_http_requests_total", "counter", "Answered requests.");
        for ((route, method, status), count) in self.requests.lock().iter() {
            let _ = writeln!(
                out,
                "twinset_http_requests_total{{route=\"{route}\",method=\"{method}\",status=\"{status}\"}} {count}"
            );
        }
        head(
            &mut out,
            "twinset_http_request_seconds",
            "histogram",
            "Time from request to the head of the answer.",
        );
        for (route, histogram) in self.durations.lock().iter() {
            histogram.write(&mut out, "twinset_http_request_seconds", &format!("route=\"{route}\""));
        }
        head(&mut out, "twinset_search_stage_seconds", "histogram", "Time of each stage of a search.");
        for (stage, histogram) in self.stages.lock().iter() {
            histogram.write(&mut out, "twinset_search_stage_seconds", &format!("stage=\"{stage}\""));
        }
        head(&mut out, "twinset_import_lines_total", "counter", "Lines of imports by outcome.");
        for (status, count) in self.lines.lock().iter() {
            let _ = writeln!(out, "twinset_import_lines_total{{status=\"{status}\"}} {count}");
        }
        head(
            &mut out,
            "twinset_feedback_events_total",
            "counter",
            "Events of feedback by what became of them.",
        );
        for (fate, count) in self.feedback.lock().iter() {
            let _ = writeln!(out, "twinset_feedback_events_total{{fate=\"{fate}\"}} {count}");
        }
        let (sum, count) = *self.recall.lock();
        head(
            &mut out,
            "twinset_search_recall_at_10",
            "summary",
            "Sampled searches compared with exact ones.",
        );
        let _ =
            writeln!(out, "twinset_search_recall_at_10_sum {sum}\ntwinset_search_recall_at_10_count {count}");
        gauge(
            &mut out,
            "twinset_http_requests_in_flight",
            "Requests being answered.",
            "",
            self.in_flight.load(Relaxed),
        );
        out
    }
}

pub(crate) fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

/// One gauge without or with labels (`{name="value"}`).
pub(crate) fn gauge(out: &mut String, name: &str, help: &str, labels: &str, value: impl std::fmt::Display) {
    if !help.is_empty() {
        head(out, name, "gauge", help);
    }
    let _ = writeln!(out, "{name}{labels} {value}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histograms_are_cumulative() {
        let metrics = Metrics::default();
        metrics.answered("/v1/detect", "POST", 200, Duration::from_millis(30));
        metrics.answered("/v1/detect", "POST", 200, Duration::from_secs(100));
        let text = metrics.text();
        for line in [
            "twinset_http_requests_total{route=\"/v1/detect\",method=\"POST\",status=\"200\"} 2",
            "twinset_http_request_seconds_bucket{route=\"/v1/detect\",le=\"0.025\"} 0",
            "twinset_http_request_seconds_bucket{route=\"/v1/detect\",le=\"0.05\"} 1",
            "twinset_http_request_seconds_bucket{route=\"/v1/detect\",le=\"+Inf\"} 2",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}
