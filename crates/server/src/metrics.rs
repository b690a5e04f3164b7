//! What the server counts, in the text format of Prometheus.
//!
//! Few names, labels from closed lists only (route patterns, methods, statuses, stages): the size of the registry
//! does not depend on what callers send.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fmt::{Display, Write};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use twinset_engine::Histogram;

/// What is told, by name: all lines of one name stand together, as the text format demands.
#[derive(Default)]
pub(crate) struct Families(BTreeMap<&'static str, Family>);

struct Family {
    kind: &'static str,
    help: &'static str,
    lines: String,
}

impl Families {
    fn of(&mut self, name: &'static str, kind: &'static str, help: &'static str) -> &mut String {
        &mut self.0.entry(name).or_insert_with(|| Family { kind, help, lines: String::new() }).lines
    }

    /// `labels`: `name="value"`, separated by commas; none: empty.
    pub(crate) fn gauge(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: &str,
        value: impl Display,
    ) {
        line(self.of(name, "gauge", help), name, labels, value);
    }

    pub(crate) fn counter(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: &str,
        value: impl Display,
    ) {
        line(self.of(name, "counter", help), name, labels, value);
    }

    /// Quantiles over the latest observations.
    pub(crate) fn summary(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: &str,
        value: impl Display,
    ) {
        line(self.of(name, "summary", help), name, labels, value);
    }

    pub(crate) fn histogram(&mut self, name: &'static str, help: &'static str, labels: &str, of: &Histogram) {
        let out = self.of(name, "histogram", help);
        for (bound, count) in of.buckets() {
            let _ = writeln!(out, "{name}_bucket{{{labels},le=\"{bound}\"}} {count}");
        }
        let _ = writeln!(out, "{name}_bucket{{{labels},le=\"+Inf\"}} {}", of.count());
        let _ =
            writeln!(out, "{name}_sum{{{labels}}} {}\n{name}_count{{{labels}}} {}", of.sum_s(), of.count());
    }
}

fn line(out: &mut String, name: &str, labels: &str, value: impl Display) {
    let _ = match labels {
        "" => writeln!(out, "{name} {value}"),
        labels => writeln!(out, "{name}{{{labels}}} {value}"),
    };
}

impl Display for Families {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|(name, Family { kind, help, lines })| {
            write!(f, "# HELP {name} {help}\n# TYPE {name} {kind}\n{lines}")
        })
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
    pub(crate) fn tell(&self, out: &mut Families) {
        for ((route, method, status), count) in self.requests.lock().iter() {
            let labels = format!("route=\"{route}\",method=\"{method}\",status=\"{status}\"");
            out.counter("twinset_http_requests_total", "Answered requests.", &labels, count);
        }
        for (route, times) in self.durations.lock().iter() {
            let help = "Time from request to the head of the answer.";
            out.histogram("twinset_http_request_seconds", help, &format!("route=\"{route}\""), times);
        }
        for (stage, times) in self.stages.lock().iter() {
            let help = "Time of each stage of a search.";
            out.histogram("twinset_search_stage_seconds", help, &format!("stage=\"{stage}\""), times);
        }
        for (status, count) in self.lines.lock().iter() {
            let labels = format!("status=\"{status}\"");
            out.counter("twinset_import_lines_total", "Lines of imports by outcome.", &labels, count);
        }
        for (fate, count) in self.feedback.lock().iter() {
            let labels = format!("fate=\"{fate}\"");
            let help = "Events of feedback by what became of them.";
            out.counter("twinset_feedback_events_total", help, &labels, count);
        }
        let (sum, count) = *self.recall.lock();
        let name = "twinset_search_recall_at_10";
        let lines = out.of(name, "summary", "Sampled searches compared with exact ones.");
        let _ = writeln!(lines, "{name}_sum {sum}\n{name}_count {count}");
        let in_flight = self.in_flight.load(Relaxed);
        out.gauge("twinset_http_requests_in_flight", "Requests being answered.", "", in_flight);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histograms_are_cumulative() {
        let metrics = Metrics::default();
        metrics.answered("/v1/detect", "POST", 200, Duration::from_millis(30));
        metrics.answered("/v1/detect", "POST", 200, Duration::from_secs(100));
        let mut told = Families::default();
        metrics.tell(&mut told);
        let text = told.to_string();
        for line in [
            "twinset_http_requests_total{route=\"/v1/detect\",method=\"POST\",status=\"200\"} 2",
            "twinset_http_request_seconds_bucket{route=\"/v1/detect\",le=\"0.025\"} 0",
            "twinset_http_request_seconds_bucket{route=\"/v1/detect\",le=\"0.05\"} 1",
            "twinset_http_request_seconds_bucket{route=\"/v1/detect\",le=\"+Inf\"} 2",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        assert_eq!(text.matches("# TYPE twinset_http_requests_total").count(), 1);
    }
}
