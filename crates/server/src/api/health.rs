//! Alive, ready, counted: what operators and their machines ask.

use crate::clock::now_ms;
use crate::gate::Load;
use crate::metrics::{gauge, head};
use crate::problem::Problem;
use crate::state::App;
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use twinset_engine::{Shop, State as IndexState};
use utoipa::ToSchema;

/// Alive.
#[derive(Serialize, ToSchema)]
pub(crate) struct Alive {
    /// Always `alive`.
    status: &'static str,
}

/// Is the process alive?
#[utoipa::path(get, path = "/healthz", tag = "operation", operation_id = "healthz", responses((status = 200, body = Alive)))]
pub(crate) async fn healthz() -> Json<Alive> {
    Json(Alive { status: "alive" })
}

/// Whether requests can be served.
#[derive(Serialize, ToSchema)]
pub(crate) struct Ready {
    /// `ready` or `not_ready`.
    status: &'static str,
    /// What keeps it from serving, in words.
    missing: Vec<String>,
    /// What is slower or less complete than usual, in words; it serves all the same.
    notes: Vec<String>,
}

/// Can it serve, and what is missing?
#[utoipa::path(get, path = "/readyz", tag = "operation", operation_id = "readyz", responses((status = 200, body = Ready), (status = 503, body = Ready)))]
pub(crate) async fn readyz(State(app): State<App>) -> Result<(StatusCode, Json<Ready>), Problem> {
    let state = app.clone();
    // Whoever has no key learns that something is wrong, and not the names of tenants.
    let hidden = app.keys.ring().locked;
    let work = move || {
        let (mut missing, mut notes) = (Vec::new(), Vec::new());
        if let Err(error) = state.keys.list() {
            tracing::error!(%error, "the keys cannot be read");
            missing.push("the keys cannot be read; the log says why".to_owned());
        }
        match state.engine.catalogues() {
            Err(_) => missing.push("the home cannot be read; the log says why".to_owned()),
            Ok(names) => {
                for name in names {
                    let status = state.shop(name.as_str()).and_then(|shop| Ok(shop.index_status()?));
                    let name = if hidden { "(its name is in the log)".to_owned() } else { name.to_string() };
                    match status {
                        Err(problem) => missing.push(format!(
                            "catalogue {name} cannot be opened ({}); the log says why",
                            problem.code().name
                        )),
                        Ok(status) => {
                            if !matches!(status.state, IndexState::Ready) {
                                notes.push(format!(
                                    "catalogue {name}: {} of {} changes are searchable",
                                    status.seq, status.last_seq
                                ));
                            }
                            if status.last_error.is_some() {
                                notes.push(format!(
                                    "catalogue {name}: its index does not get on; the log says why"
                                ));
                            }
                        }
                    }
                }
            }
        }
        Ok::<_, Problem>((missing, notes))
    };
    let (missing, notes) = app.store.run(work).await?;
    let (code, status) = if missing.is_empty() {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not_ready")
    };
    Ok((code, Json(Ready { status, missing, notes })))
}

/// Numbers for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "operation", operation_id = "metrics", responses((status = 200, body = String, content_type = "text/plain")))]
pub(crate) async fn metrics(State(app): State<App>) -> Result<impl IntoResponse, Problem> {
    let mut out = app.metrics.text();
    let loads = [app.vision.load(), app.store.load(), app.pictures.load()];
    for (at, Load { name, running, waiting, refused }) in loads.into_iter().enumerate() {
        let labels = format!("{{gate=\"{name}\"}}");
        let help = |text: &'static str| if at == 0 { text } else { "" };
        gauge(&mut out, "twinset_gate_running", help("Blocking work under way."), &labels, running);
        gauge(
            &mut out,
            "twinset_gate_waiting",
            help("Requests waiting for blocking work."),
            &labels,
            waiting,
        );
        if at == 0 {
            head(
                &mut out,
                "twinset_gate_refused_total",
                "counter",
                "Requests refused because too many waited.",
            );
        }
        let _ = writeln!(out, "twinset_gate_refused_total{labels} {refused}");
    }
    let state = app.clone();
    let work = move || {
        let mut out = String::new();
        let mut recall = BTreeMap::<&str, Vec<(String, f64)>>::new();
        for (at, name) in state.engine.catalogues()?.into_iter().enumerate() {
            let Ok(shop) = state.shop(name.as_str()) else { continue };
            let (counts, status) = (shop.catalogue().count()?, shop.index_status()?);
            let labels = format!("{{catalogue=\"{name}\"}}");
            let help = |text: &'static str| if at == 0 { text } else { "" };
            gauge(&mut out, "twinset_products", help("Products."), &labels, counts.products);
            gauge(&mut out, "twinset_pictures", help("Different pictures."), &labels, counts.pictures);
            gauge(
                &mut out,
                "twinset_pictures_unreadable",
                help("Pictures that cannot be read."),
                &labels,
                status.unreadable,
            );
            gauge(
                &mut out,
                "twinset_index_items",
                help("Pictures of products that are searchable."),
                &labels,
                status.items,
            );
            gauge(
                &mut out,
                "twinset_index_memory_bytes",
                help("Memory that the index takes; 0 while it is small and compares everything."),
                &labels,
                status.bytes,
            );
            gauge(
                &mut out,
                "twinset_index_disk_bytes",
                help("Bytes of the index that had no room in memory."),
                &labels,
                status.disk_bytes,
            );
            gauge(&mut out, "twinset_change_durable", help("Last durable change."), &labels, status.last_seq);
            gauge(
                &mut out,
                "twinset_change_searchable",
                help("Last searchable change."),
                &labels,
                status.seq,
            );
            gauge(
                &mut out,
                "twinset_freshness_seconds",
                help("Age of the oldest change that is not searchable yet; 0: all are."),
                &labels,
                freshness_s(&shop, status.seq, status.last_seq)?,
            );
            gauge(
                &mut out,
                "twinset_pictures_computed",
                help("Pictures looked at since the start."),
                &labels,
                status.computed,
            );
            gauge(
                &mut out,
                "twinset_pictures_reused",
                help("Pictures whose features were there already."),
                &labels,
                status.reused,
            );
            gauge(
                &mut out,
                "twinset_features_damaged",
                help("Stored features that were damaged and computed again."),
                &labels,
                status.damaged_features,
            );
            gauge(
                &mut out,
                "twinset_index_files_quarantined",
                help("Damaged index files that were set aside."),
                &labels,
                status.quarantined.len(),
            );
            gauge(
                &mut out,
                "twinset_index_in_trouble",
                help("1 while the index does not get on; the log says why."),
                &labels,
                u8::from(status.last_error.is_some()),
            );
            gauge(
                &mut out,
                "twinset_change_saved",
                help("Last change in the saved index."),
                &labels,
                status.saved_seq,
            );
            for reading in &status.recall {
                let [mean, low, high] = reading.recall;
                let filter = reading.filter.name();
                for (name, value) in [
                    ("twinset_index_recall", mean),
                    ("twinset_index_recall_low", low),
                    ("twinset_index_recall_high", high),
                    ("twinset_index_recall_queries", reading.queries as f64),
                    ("twinset_index_effort", reading.effort as f64),
                ] {
                    let labels = format!("{{catalogue=\"{name}\",filter=\"{filter}\"}}", name = shop.name());
                    recall.entry(name).or_default().push((labels, value));
                }
            }
        }
        for (name, values) in recall {
            let mut help = match name {
                "twinset_index_recall" => {
                    "Share of the ten nearest that searches found, measured in idle time."
                }
                "twinset_index_recall_low" => "Lower end of its 95 % interval.",
                "twinset_index_recall_high" => "Upper end of its 95 % interval.",
                "twinset_index_recall_queries" => "Queries that it was measured on.",
                _ => "Candidates that searches keep on the way; set by what was measured.",
            };
            for (labels, value) in values {
                gauge(&mut out, name, std::mem::take(&mut help), &labels, value);
            }
        }
        let mut first = true;
        for name in state.engine.catalogues()? {
            let Ok(shop) = state.shop(name.as_str()) else { continue };
            let freshness = shop.index_status()?.freshness;
            for (way, told) in [("searchable", freshness.searchable), ("gone", freshness.gone)] {
                for (quantile, ms) in [("0.5", told.p50_ms), ("0.99", told.p99_ms)] {
                    let help = if std::mem::take(&mut first) {
                        "Time from acknowledged to searchable or gone, over the latest changes."
                    } else {
                        ""
                    };
                    let labels = format!("{{catalogue=\"{name}\",way=\"{way}\",quantile=\"{quantile}\"}}");
                    gauge(&mut out, "twinset_freshness_seconds", help, &labels, ms / 1e3);
                }
            }
        }
        Ok::<_, Problem>(out)
    };
    out.push_str(&app.store.run(work).await?);
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], out))
}

fn freshness_s(shop: &Shop, seen: u64, last: u64) -> Result<f64, Problem> {
    if seen >= last {
        return Ok(0.0);
    }
    let oldest = shop.catalogue().changes_since(seen, 1)?;
    Ok(oldest.first().map_or(0.0, |change| now_ms().saturating_sub(change.at_ms) as f64 / 1000.0))
}

/// What runs here, and its limits.
#[derive(Serialize, ToSchema)]
pub(crate) struct Version {
    name: &'static str,
    version: &'static str,
    limits: LimitsShape,
}

/// What is refused.
#[derive(Serialize, ToSchema)]
pub(crate) struct LimitsShape {
    picture_bytes: u64,
    picture_pixels: u64,
    body_bytes: usize,
    import_line_bytes: usize,
    results: usize,
    offset: usize,
    batch_searches: usize,
    feedback_events: usize,
    request_timeout_ms: u64,
    /// A body that stands still for so long is given up.
    body_stall_ms: u64,
    /// Answers are kept for so long for an `idempotency-key`.
    idempotency_ms: u64,
}

/// Which version is this?
#[utoipa::path(get, path = "/version", tag = "operation", operation_id = "version", responses((status = 200, body = Version)))]
pub(crate) async fn version(State(app): State<App>) -> Json<Version> {
    let (options, decode) = (&app.options, app.engine.options().limits);
    Json(Version {
        name: "twinset",
        version: env!("CARGO_PKG_VERSION"),
        limits: LimitsShape {
            picture_bytes: decode.max_bytes.min(options.max_picture_bytes as u64),
            picture_pixels: decode.max_pixels,
            body_bytes: options.max_body_bytes,
            import_line_bytes: options.max_line_bytes,
            results: twinset_engine::MAX_LIMIT,
            offset: twinset_engine::MAX_OFFSET,
            batch_searches: super::batch::MOST,
            feedback_events: super::feedback::MOST_EVENTS,
            request_timeout_ms: options.request_timeout.as_millis() as u64,
            body_stall_ms: options.patience.as_millis() as u64,
            idempotency_ms: crate::replay::KEPT_MS,
        },
    })
}
