//! The routes together with what stands around them, and the loop that listens.

use crate::access::{self, Need};
use crate::keys::Keys;
use crate::ledger::Ledger;
use crate::options::ServerOptions;
use crate::shelf::Shelf;
use crate::state::App;
use crate::store::StoreError;
use crate::{api, connection, guard, pages};
use axum::body::Body;
use axum::extract::DefaultBodyLimit;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::routing::get;
use axum::{Router, middleware};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tower_http::ServiceBuilderExt;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, NotForContentType, Predicate};
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::decompression::RequestDecompressionLayer;
use twinset_engine::Engine;
use utoipa::openapi::path::{ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{Object, Type};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{
    Content, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, Response, ResponseBuilder,
};
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
    /// The operator chose an address that others reach, and nothing keeps them out.
    #[error(
        "{address} can be reached by others, and without keys everyone who reaches it can read and change every \
         catalogue; make a key first (`twinset keys create --right admin`), or listen on 127.0.0.1"
    )]
    Unguarded {
        /// What was asked for.
        address: SocketAddr,
    },
    /// The operator's certificate or its key cannot be used.
    #[error("TLS cannot be started: {0}; give a PEM certificate with its chain, and its key")]
    Tls(String),
    /// The server's own store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn description() -> (Router<App>, OpenApi) {
    let info = InfoBuilder::new()
        .title("Twinset")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("Finds products from a photo. JSON in snake_case, failures as application/problem+json with a stable `code`."))
        .license(Some(LicenseBuilder::new().name("MIT OR Apache-2.0").identifier(Some("MIT OR Apache-2.0")).build()))
        .build();
    let base = OpenApiBuilder::new().info(info).build();
    let (routes, mut api) = OpenApiRouter::with_openapi(base).merge(api::routes()).split_for_parts();
    describe_access(&mut api);
    (routes, api)
}

/// What the guard answers for every operation, and the key that each needs: from the same table that it asks.
fn describe_access(api: &mut OpenApi) {
    let schemes = [
        ("bearer", SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build())),
        ("api_key", SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("x-api-key")))),
    ];
    let components = api.components.get_or_insert_default();
    components.security_schemes.extend(schemes.map(|(name, scheme)| (name.to_owned(), RefOr::T(scheme))));
    let problem = |status: &str, about: &str| {
        let content = Content::new(Some(Ref::from_schema_name("Problem")));
        let response =
            ResponseBuilder::new().description(about).content("application/problem+json", content).build();
        (status.to_owned(), RefOr::T(response))
    };
    for (path, item) in &mut api.paths.paths {
        let operations = [
            (Method::GET, &mut item.get),
            (Method::PUT, &mut item.put),
            (Method::POST, &mut item.post),
            (Method::PATCH, &mut item.patch),
            (Method::DELETE, &mut item.delete),
        ];
        for (method, operation) in operations.into_iter().filter_map(|(m, o)| Some((m, o.as_mut()?))) {
            let responses = &mut operation.responses.responses;
            responses.values_mut().for_each(as_problem);
            let mut say = |status: &str, about: &str| {
                let (status, response) = problem(status, about);
                responses.entry(status).or_insert(response);
            };
            say("400", "the address, a parameter or the body cannot be read");
            say(
                "503",
                "too much is asked of the server at once, or it took too long; `retry-after` says when to come again",
            );
            if operation.request_body.is_some() {
                say("408", "the body came too slowly");
                say("413", "the body is too large");
            }
            let right = match access::need(&method, path) {
                Need::Open => continue,
                Need::Key(right) => format!("{right:?}").to_lowercase(),
                Need::WholeServer(right) => format!("{right:?}, for all catalogues").to_lowercase(),
            };
            say("401", "the key is missing or not known");
            say("403", &format!("the key has not the right `{right}`, or belongs to pages of another site"));
            say("429", "the key is used too often; `retry-after` says when to come again");
            if path.contains("{catalogue}") {
                say("404", "there is no such catalogue for this key");
            }
            if method == Method::POST {
                say("409", "the first request with this `idempotency-key` is still running");
                say("422", "this `idempotency-key` came with another request before");
                let token = ParameterBuilder::new()
                    .name("idempotency-key")
                    .parameter_in(ParameterIn::Header)
                    .description(Some("Sent again with the same key and body, the request is answered again and done once; kept for 24 hours."))
                    .schema(Some(Object::with_type(Type::String)))
                    .build();
                operation.parameters.get_or_insert_default().push(RefOr::T(token));
            }
            let needs = format!("Needs a key with the right `{right}`, once the server has keys.");
            operation.description = Some(
                operation
                    .description
                    .take()
                    .map_or_else(|| needs.clone(), |said| format!("{said}\n\n{needs}")),
            );
            let none: [&str; 0] = [];
            operation.security = Some(
                ["bearer", "api_key"]
                    .into_iter()
                    .map(|scheme| SecurityRequirement::new(scheme, none))
                    .collect(),
            );
        }
    }
}

/// Failures are `application/problem+json`, which handlers need not say of each.
fn as_problem(response: &mut RefOr<Response>) {
    let RefOr::T(response) = response else { return };
    let is_problem = |content: &RefOr<Content>| match content {
        RefOr::T(Content { schema: Some(RefOr::Ref(schema)), .. }) => {
            schema.ref_location.ends_with("/Problem")
        }
        _ => false,
    };
    for (kind, content) in std::mem::take(&mut response.content) {
        let kind = if is_problem(&content) { "application/problem+json".to_owned() } else { kind };
        response.content.insert(kind, content);
    }
}

/// The OpenAPI 3.1 description that is served at `/openapi.json`.
#[must_use]
pub fn openapi() -> OpenApi {
    description().1
}

/// Everything the server answers, without a socket.
///
/// `engine` stays open; whoever opened it closes it.
///
/// # Errors
/// [`ServeError::Store`] if the keys of the home cannot be read.
pub fn router(engine: Arc<Engine>, options: ServerOptions) -> Result<Router, ServeError> {
    let keys = Keys::open(engine.home())?;
    with_keys(engine, options, keys)
}

fn with_keys(engine: Arc<Engine>, options: ServerOptions, keys: Keys) -> Result<Router, ServeError> {
    let (routes, openapi) = description();
    let (shelf, ledger) = (Shelf::open(engine.home())?, Ledger::open(engine.home())?);
    let app = App::new(engine, options, keys, shelf, ledger, &openapi);
    crate::sources::schedule(app.weak());
    // Lines of an import are answered one by one; a compressor would hold them back. Pictures are compressed already.
    let compress = DefaultPredicate::new()
        .and(NotForContentType::const_new("application/x-ndjson"))
        .and(NotForContentType::const_new("text/event-stream"))
        .and(NotForContentType::const_new("image/"));
    let around = tower::ServiceBuilder::new()
        .layer(CompressionLayer::new().compress_when(compress))
        .layer(middleware::from_fn_with_state(app.clone(), guard::options))
        .layer(cors(&app))
        .layer(middleware::from_fn_with_state(app.clone(), guard::guard))
        .layer(RequestDecompressionLayer::new())
        .map_request_body(Body::new);
    let router = routes
        .route("/problems", get(pages::problems))
        .route("/problems/{code}", get(pages::problem))
        .fallback(get(pages::file))
        .layer(DefaultBodyLimit::max(app.options.max_body_bytes))
        .layer(around)
        .with_state(app);
    Ok(router)
}

/// Nothing for other sites, unless the operator names them, for all or in a key. Which of them may do what is the
/// guard's affair: a preflight carries no key.
fn cors(app: &App) -> CorsLayer {
    let app = app.clone();
    let known = move |origin: &HeaderValue, _: &Parts| {
        origin.to_str().is_ok_and(|origin| {
            app.options.cors_origins.iter().any(|allowed| allowed == origin)
                || app.keys.ring(None).knows_origin(origin)
        })
    };
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(known))
        .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_MATCH,
            header::IF_NONE_MATCH,
            HeaderName::from_static("x-api-key"),
            HeaderName::from_static("x-request-id"),
            HeaderName::from_static("idempotency-key"),
        ])
        .expose_headers([
            header::ETAG,
            header::LOCATION,
            header::RETRY_AFTER,
            HeaderName::from_static("x-request-id"),
            HeaderName::from_static("ratelimit"),
            HeaderName::from_static("ratelimit-policy"),
            HeaderName::from_static("idempotency-replayed"),
            HeaderName::from_static("twinset-change"),
        ])
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

/// Whether a server of this home may listen here: on loopback always, elsewhere once the home has keys.
///
/// # Errors
/// [`ServeError::Unguarded`]; [`ServeError::Store`].
pub fn guarded(address: SocketAddr, home: &Path) -> Result<(), ServeError> {
    guarded_by(address, &Keys::open(home)?)
}

fn guarded_by(address: SocketAddr, keys: &Keys) -> Result<(), ServeError> {
    match address.ip().is_loopback() || keys.any() {
        true => Ok(()),
        false => Err(ServeError::Unguarded { address }),
    }
}

/// [`serve()`] on a socket that listens already: its address can be told before the first request (port 0).
///
/// # Errors
/// [`ServeError::Unguarded`] if others can reach the address and the home has no keys; [`ServeError::Tls`];
/// [`ServeError::Store`].
pub async fn serve_on(
    listener: TcpListener,
    engine: Arc<Engine>,
    options: ServerOptions,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    let keys = Keys::open(engine.home())?;
    if let Ok(address) = listener.local_addr() {
        guarded_by(address, &keys)?;
        tracing::info!(%address, keys = keys.any(), tls = options.tls.is_some(), "listening");
    }
    let router = with_keys(engine, options.clone(), keys)?;
    connection::serve(listener, router, &options, shutdown).await
}
