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
    let squeezed = house.send(Method::GET, "/", &[("accept-encoding", "gzip")], "").await.ok(200);
    assert_eq!(squeezed.header("content-encoding"), "gzip");
}
