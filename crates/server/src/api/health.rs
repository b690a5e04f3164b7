//! Alive, ready, counted: what operators and their machines ask.

use crate::clock::now_ms;
use crate::gate::Load;
use crate::metrics::Families;
use crate::problem::Problem;
use crate::state::App;
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use twinset_engine::{Decoder, Shop, State as IndexState};
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
    let hidden = app.keys.ring(None).locked;
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
    let mut out = Families::default();
    app.metrics.tell(&mut out);
    for Load { name, running, waiting, refused, waits } in
        [app.vision.load(), app.store.load(), app.pictures.load(), app.afar.gate.load()]
    {
        let labels = format!("gate=\"{name}\"");
        out.gauge("twinset_gate_running", "Blocking work under way.", &labels, running);
        out.gauge("twinset_gate_waiting", "Requests waiting for blocking work.", &labels, waiting);
        let help = "Requests refused because too many waited.";
        out.counter("twinset_gate_refused_total", help, &labels, refused);
        let help = "How long requests waited for their turn; those refused did not.";
        out.histogram("twinset_gate_wait_seconds", help, &labels, &waits);
    }
    for (stage, times) in app.engine.change_times() {
        let labels = format!("stage=\"{}\"", stage.name());
        let help =
            "Time of each stage of a change: of pictures one by one, of transactions and the index by batch.";
        out.histogram("twinset_change_stage_seconds", help, &labels, &times);
    }
    let help = "Bytes of photos that were sent ahead, in memory.";
    out.gauge("twinset_uploads_bytes", help, "", app.uploads.held_bytes());
    let help = "Bytes of request bodies in memory.";
    out.gauge("twinset_bodies_bytes", help, "", app.intake.held_bytes());
    let mut jobs = BTreeMap::<(String, &str), u64>::new();
    for job in app.jobs.under_way() {
        *jobs.entry((job.kind, job.state.name())).or_default() += 1;
    }
    for ((kind, state), count) in jobs {
        let labels = format!("kind=\"{kind}\",state=\"{state}\"");
        out.gauge("twinset_jobs", "Jobs that are not over.", &labels, count);
    }
    if let Decoder::Pool(pool) = &app.engine.options().decoder {
        let help = "Decoder processes that crashed or were killed.";
        out.counter("twinset_decoders_lost_total", help, "", pool.lost_workers());
    }
    if let Some(bytes) = resident_bytes() {
        out.gauge("process_resident_memory_bytes", "Memory of this process.", "", bytes);
    }
    let state = app.clone();
    let work = move || {
        let mut out = out;
        for name in state.engine.catalogues()? {
            let Ok(shop) = state.shop(name.as_str()) else { continue };
            tell_shop(&shop, &mut out)?;
        }
        let help = "Bytes of the home on the disk.";
        out.gauge("twinset_disk_bytes", help, "", folder_bytes(state.engine.home()));
        Ok::<_, Problem>(out.to_string())
    };
    let out = app.store.run(work).await?;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], out))
}

/// The numbers of one catalogue.
fn tell_shop(shop: &Shop, out: &mut Families) -> Result<(), Problem> {
    let (counts, status) = (shop.catalogue().count()?, shop.index_status()?);
    let labels = &format!("catalogue=\"{}\"", shop.name());
    out.gauge("twinset_products", "Products.", labels, counts.products);
    out.gauge("twinset_pictures", "Different pictures.", labels, counts.pictures);
    let help = "Pictures that cannot be read.";
    out.gauge("twinset_pictures_unreadable", help, labels, status.unreadable);
    let help = "Pictures of products that are searchable.";
    out.gauge("twinset_index_items", help, labels, status.items);
    let help = "Removed pictures that searches still walk through, until they are swept.";
    out.gauge("twinset_index_removed", help, labels, status.removed);
    let help = "Memory that the index takes; 0 while it is small and compares everything.";
    out.gauge("twinset_index_memory_bytes", help, labels, status.bytes);
    let help = "Bytes of the index that had no room in memory.";
    out.gauge("twinset_index_disk_bytes", help, labels, status.disk_bytes);
    out.gauge("twinset_change_durable", "Last durable change.", labels, status.last_seq);
    out.gauge("twinset_change_searchable", "Last searchable change.", labels, status.seq);
    out.gauge("twinset_change_saved", "Last change in the saved index.", labels, status.saved_seq);
    let help = "Age of the oldest change that is not searchable yet; 0: all are.";
    out.gauge("twinset_freshness_seconds", help, labels, freshness_s(shop, status.seq, status.last_seq)?);
    let help = "Pictures looked at since the start.";
    out.gauge("twinset_pictures_computed", help, labels, status.computed);
    let help = "Pictures whose features were there already.";
    out.gauge("twinset_pictures_reused", help, labels, status.reused);
    let help = "Stored features that were damaged and computed again.";
    out.gauge("twinset_features_damaged", help, labels, status.damaged_features);
    let help = "Damaged index files that were set aside.";
    out.gauge("twinset_index_files_quarantined", help, labels, status.quarantined.len());
    let help = "1 while the index does not get on; the log says why.";
    out.gauge("twinset_index_in_trouble", help, labels, u8::from(status.last_error.is_some()));
    for (way, told) in [("searchable", status.freshness.searchable), ("gone", status.freshness.gone)] {
        let help = "Time from acknowledged to searchable or gone; quantiles over the latest changes.";
        for (quantile, ms) in [("0.5", told.p50_ms), ("0.99", told.p99_ms)] {
            let labels = format!("{labels},way=\"{way}\",quantile=\"{quantile}\"");
            out.summary("twinset_change_seconds", help, &labels, ms / 1e3);
        }
    }
    for reading in &status.recall {
        let [mean, low, high] = reading.recall;
        let labels = format!("{labels},filter=\"{}\"", reading.filter.name());
        let help = "Share of the ten nearest that searches found, measured in idle time.";
        out.gauge("twinset_index_recall", help, &labels, mean);
        out.gauge("twinset_index_recall_low", "Lower end of its 95 % interval.", &labels, low);
        out.gauge("twinset_index_recall_high", "Upper end of its 95 % interval.", &labels, high);
        let help = "Queries that it was measured on.";
        out.gauge("twinset_index_recall_queries", help, &labels, reading.queries);
        let help = "Candidates that searches keep on the way; set by what was measured.";
        out.gauge("twinset_index_effort", help, &labels, reading.effort);
    }
    Ok(())
}

/// Of this process, where the system tells.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

/// Of all files below a folder; what cannot be read counts nothing.
pub(crate) fn folder_bytes(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| Some((entry.path(), entry.metadata().ok()?)))
        .map(|(path, about)| if about.is_dir() { folder_bytes(&path) } else { about.len() })
        .sum()
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
    /// Articles found in one photo.
    regions: usize,
    batch_searches: usize,
    feedback_events: usize,
    request_timeout_ms: u64,
    /// A body that stands still for so long is given up.
    body_stall_ms: u64,
    /// Answers are kept for so long for an `idempotency-key`.
    idempotency_ms: u64,
    /// Of all photos that were sent ahead; one key may have half of it.
    uploads_bytes: usize,
    /// A photo that was sent ahead is kept for so long.
    upload_ms: u64,
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
            results: options.max_results,
            offset: twinset_engine::MAX_OFFSET,
            regions: options.max_regions,
            batch_searches: super::batch::MOST,
            feedback_events: super::feedback::MOST_EVENTS,
            request_timeout_ms: options.request_timeout.as_millis() as u64,
            body_stall_ms: options.patience.as_millis() as u64,
            idempotency_ms: crate::replay::KEPT_MS,
            uploads_bytes: options.uploads_bytes,
            upload_ms: options.upload_time.as_millis() as u64,
        },
    })
}
