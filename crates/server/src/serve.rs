//! The routes together with what stands around them, and the loop that listens.

use crate::options::ServerOptions;
use crate::state::App;
use crate::{api, guard, pages};
use axum::body::Body;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::routing::get;
use axum::{Router, middleware};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tower_http::ServiceBuilderExt;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, NotForContentType, Predicate};
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::decompression::RequestDecompressionLayer;
use twinset_engine::Engine;
use utoipa::openapi::{InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder};
use utoipa_axum::router::OpenApiRouter;

/// Why the server did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The operator chose an address that cannot be had.
    #[error("cannot listen on {address}: {source}; choose another address, or stop what listens there")]
    Listen {
        /// What was asked for.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The system took the socket away.
    #[error("the server ended: {0}")]
    Ended(std::io::Error),
}

fn description() -> (Router<App>, OpenApi) {
    let info = InfoBuilder::new()
        .title("Twinset")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("Finds products from a photo. JSON in snake_case, failures as application/problem+json with a stable `code`."))
        .license(Some(LicenseBuilder::new().name("MIT OR Apache-2.0").identifier(Some("MIT OR Apache-2.0")).build()))
        .build();
    let base = OpenApiBuilder::new().info(info).build();
    OpenApiRouter::with_openapi(base).merge(api::routes()).split_for_parts()
}

/// The OpenAPI 3.1 description that is served at `/openapi.json`.
#[must_use]
pub fn openapi() -> OpenApi {
    description().1
}

/// Everything the server answers, without a socket.
///
/// `engine` stays open; whoever opened it closes it.
pub fn router(engine: Arc<Engine>, options: ServerOptions) -> Router {
    let (routes, openapi) = description();
    let app = App::new(engine, options, &openapi);
    // Lines of an import are answered one by one; a compressor would hold them back. Pictures are compressed already.
    let compress = DefaultPredicate::new()
        .and(NotForContentType::const_new("application/x-ndjson"))
        .and(NotForContentType::const_new("image/"));
    let around = tower::ServiceBuilder::new()
        .layer(CompressionLayer::new().compress_when(compress))
        .layer(cors(&app.options.cors_origins))
        .layer(middleware::from_fn_with_state(app.clone(), guard::guard))
        .layer(RequestDecompressionLayer::new())
        .map_request_body(Body::new);
    routes
        .route("/problems", get(pages::problems))
        .route("/problems/{code}", get(pages::problem))
        .fallback(get(pages::file))
        .layer(DefaultBodyLimit::max(app.options.max_body_bytes))
        .layer(around)
        .with_state(app)
}

/// Nothing for other sites, unless the operator names them.
fn cors(origins: &[String]) -> CorsLayer {
    if origins.is_empty() {
        return CorsLayer::new();
    }
    let origins = origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok());
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([
            header::CONTENT_TYPE,
            header::IF_MATCH,
            header::IF_NONE_MATCH,
            HeaderName::from_static("x-request-id"),
        ])
        .expose_headers([header::ETAG, header::RETRY_AFTER, HeaderName::from_static("x-request-id")])
        .max_age(Duration::from_secs(600))
}

/// Listens on `options.listen` and serves until `shutdown` resolves and the requests under way are answered.
///
/// # Errors
/// [`ServeError::Listen`] if the address cannot be had.
pub async fn serve(
    engine: Arc<Engine>,
    options: ServerOptions,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    let address = options.listen;
    let listener =
        TcpListener::bind(address).await.map_err(|source| ServeError::Listen { address, source })?;
    serve_on(listener, engine, options, shutdown).await
}

/// [`serve()`] on a socket that listens already: its address can be told before the first request (port 0).
///
/// # Errors
/// [`ServeError::Ended`].
pub async fn serve_on(
    listener: TcpListener,
    engine: Arc<Engine>,
    options: ServerOptions,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    if let Ok(address) = listener.local_addr() {
        if !address.ip().is_loopback() {
            tracing::warn!(%address, "everyone who reaches this address can read and change every catalogue; there are no keys yet");
        }
        tracing::info!(%address, "listening");
    }
    axum::serve(listener, router(engine, options))
        .with_graceful_shutdown(shutdown)
        .await
        .map_err(ServeError::Ended)
}
