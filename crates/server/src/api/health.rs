//! Alive, ready, counted: what operators and their machines ask.

use crate::metrics::gauge;
use crate::problem::Problem;
use crate::state::App;
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde::Serialize;
use twinset_engine::State as IndexState;
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
    let work = move || {
        let (mut missing, mut notes) = (Vec::new(), Vec::new());
        match state.engine.catalogues() {
            Err(_) => missing.push("the home cannot be read; the log says why".to_owned()),
            Ok(names) => {
                for name in names {
                    match state.shop(name.as_str()).and_then(|shop| Ok(shop.index_status()?)) {
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
    for (at, (gate, running, waiting)) in [app.vision.load(), app.store.load()].into_iter().enumerate() {
        let labels = format!("{{gate=\"{gate}\"}}");
        let help = |text: &'static str| if at == 0 { text } else { "" };
        gauge(&mut out, "twinset_gate_running", help("Blocking work under way."), &labels, running);
        gauge(
            &mut out,
            "twinset_gate_waiting",
            help("Requests waiting for blocking work."),
            &labels,
            waiting,
        );
    }
    let state = app.clone();
    let work = move || {
        let mut out = String::new();
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
                "twinset_change_saved",
                help("Last change in the saved index."),
                &labels,
                status.saved_seq,
            );
        }
        Ok::<_, Problem>(out)
    };
    out.push_str(&app.store.run(work).await?);
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], out))
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
    request_timeout_ms: u64,
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
            request_timeout_ms: options.request_timeout.as_millis() as u64,
        },
    })
}
