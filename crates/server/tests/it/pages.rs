use crate::house::House;
use axum::http::Method;

#[tokio::test(flavor = "multi_thread")]
async fn the_page_and_its_files_come_from_the_binary() {
    let house = House::new();
    let page = house.get("/").await.ok(200);
    assert!(
        page.header("content-type").starts_with("text/html") && page.header("cache-control") == "no-cache"
    );
    assert!(!page.text().contains("http://") && !page.text().contains("https://"), "nothing from elsewhere");
    let same = house.send(Method::GET, "/", &[("if-none-match", page.header("etag"))], "").await.ok(304);
    assert!(same.body.is_empty());
    for file in page.text().split('"').filter(|text| text.starts_with("/assets/")) {
        let sent = house.get(file).await.ok(200);
        assert!(sent.header("cache-control").contains("immutable"), "{file}");
    }
    for (path, kind) in [
        ("/docs", "text/html"),
        ("/plain.css", "text/css"),
        ("/favicon.svg", "image/svg+xml"),
        ("/openapi.json", "application/json"),
    ] {
        assert!(house.get(path).await.ok(200).header("content-type").starts_with(kind), "{path}");
    }
    for path in ["/index.html", "/assets/../index.html", "/%2e%2e/Cargo.toml", "/assets/none.js"] {
        house.get(path).await.problem(404, "not_found");
    }
    for coding in ["gzip", "br", "zstd"] {
        let squeezed = house.send(Method::GET, "/", &[("accept-encoding", coding)], "").await.ok(200);
        assert_eq!(squeezed.header("content-encoding"), coding);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_sites_may_load_the_widget_and_nothing_else() {
    let house = House::new();
    let shop = [("origin", "https://shop.example")];
    let widget = house.send(Method::GET, "/widget.js", &shop, "").await.ok(200);
    assert!(widget.header("content-type").starts_with("text/javascript"));
    assert_eq!(widget.header("access-control-allow-origin"), "*");
    let parts: Vec<String> = widget
        .text()
        .split(['"', '`', '\''])
        .filter(|text| text.contains("assets/widget-"))
        .map(String::from)
        .collect();
    assert!(!parts.is_empty());
    for part in parts {
        let sent = house.send(Method::GET, part.trim_start_matches('.'), &shop, "").await.ok(200);
        assert_eq!(sent.header("access-control-allow-origin"), "*", "{part}");
        assert!(sent.header("cache-control").contains("immutable"), "{part}");
    }
    for page in ["/", "/admin", "/admin/feeds", "/demo-shop", "/openapi.json", "/v1/catalogues"] {
        let sent = house.send(Method::GET, page, &shop, "").await.ok(200);
        assert_eq!(sent.header("access-control-allow-origin"), "", "{page}");
    }
    house.get("/administrator").await.problem(404, "not_found");
}
