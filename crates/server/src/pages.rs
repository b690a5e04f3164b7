//! The search page, the operator pages, the widget and the documentation: files that `web/` built, inside the binary.
//!
//! The widget (`/widget.js` and what it loads) is meant for pages of other sites, so any site may read these files;
//! what they then ask of the API is a matter of keys and origins.

use crate::problem::{CODES, Code, NOT_FOUND, Problem};
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};
use std::fmt::Write;

#[derive(rust_embed::RustEmbed)]
#[folder = "../../web/dist"]
struct Built;

/// Everything that no route of the API takes: a built file, or not found.
pub(crate) async fn file(uri: Uri, headers: HeaderMap) -> Response {
    let path = match uri.path() {
        "/" => "index.html",
        "/docs" => "docs.html",
        "/demo-shop" => "demo-shop.html",
        "/admin" => "admin.html",
        path if path.starts_with("/admin/") => "admin.html", // it shows its own parts by address
        path if path.ends_with(".html") => "",               // each page has one address
        path => path.trim_start_matches('/'),
    };
    let Some(file) = Built::get(path) else {
        return Problem::new(&NOT_FOUND, "there is nothing at this address").into_response();
    };
    let tag = file.metadata.sha256_hash()[..12].iter().fold(String::from("\""), |mut tag, byte| {
        let _ = write!(tag, "{byte:02x}");
        tag
    }) + "\"";
    let kind = match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("json") => "application/json",
        _ => "application/octet-stream",
    };
    // Names under assets/ hold a hash of the content: such a file never changes.
    let caching =
        if path.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    let head = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, caching), (header::ETAG, &tag)];
    let shared = path == "widget.js" || path.starts_with("assets/widget-");
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let mut response =
        if known.is_some_and(|tags| tags.split(',').any(|one| one.trim().trim_start_matches("W/") == tag)) {
            (StatusCode::NOT_MODIFIED, head).into_response()
        } else {
            (head, file.data.into_owned()).into_response()
        };
    if shared {
        let any = HeaderValue::from_static("*");
        response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, any);
    }
    response
}

/// All kinds of failures.
pub(crate) async fn problems() -> Html<String> {
    let mut list = String::from(
        "<h1>What can go wrong</h1><p>Every failure is <code>application/problem+json</code> with a stable <code>code</code>.</p><dl>",
    );
    for code in CODES {
        let _ = write!(
            list,
            "<dt><a href=\"/problems/{}\"><code>{}</code></a> {}</dt><dd>{}</dd>",
            slug(code),
            code.name,
            code.status,
            code.title
        );
    }
    Html(page("Problems", &(list + "</dl>")))
}

/// One kind of failure, by its name with `-` or `_`.
pub(crate) async fn problem(Path(name): Path<String>) -> Response {
    let Some(code) = CODES.iter().find(|code| slug(code) == name || code.name == name) else {
        return Problem::new(&NOT_FOUND, "no kind of failure has this name; /problems lists all")
            .into_response();
    };
    let again = if code.retryable {
        "Later the same request may succeed."
    } else {
        "The same request will fail again."
    };
    let text = format!(
        "<p><a href=\"/problems\">Problems</a></p><h1>{}</h1><p><code>{}</code>, status {}</p><h2>What to do</h2><p>{}</p><p>{again}</p>",
        code.title,
        code.name,
        code.status,
        code.next.replace('<', "&lt;")
    );
    Html(page(code.title, &text)).into_response()
}

fn slug(code: &Code) -> String {
    code.name.replace('_', "-")
}

fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>{title} · Twinset</title><link rel=\"icon\" href=\"/favicon.svg\" type=\"image/svg+xml\">\
         <link rel=\"stylesheet\" href=\"/plain.css\"></head><body><main>{body}</main></body></html>"
    )
}
