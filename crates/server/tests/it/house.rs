//! A home, an engine and a router, and requests in few words.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use std::sync::Arc;
use tempfile::TempDir;
use tower::ServiceExt;
use twinset_engine::{Engine, Options};
use twinset_photo::{Photo, encode_jpeg};
use twinset_server::{Keys, NewKey, Right, ServerOptions, router};

pub(crate) struct House {
    pub(crate) engine: Arc<Engine>,
    router: Router,
    /// Sent with every request that brings no key of its own.
    pub(crate) token: Option<String>,
    _home: TempDir,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
    }
    /// Asserts a problem of this code, with everything that a problem must have.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status);
        assert_eq!(problem["type"], format!("/problems/{}", code.replace('_', "-")));
        assert_eq!(problem["instance"], format!("/v1/requests/{}", self.header("x-request-id")));
        problem
    }
    #[track_caller]
    pub(crate) fn ok(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        self
    }
}

impl House {
    pub(crate) fn new() -> Self {
        Self::with(ServerOptions::default())
    }

    pub(crate) fn with(options: ServerOptions) -> Self {
        Self::keyed(options, []).0
    }

    /// With these keys; their tokens come with it.
    pub(crate) fn keyed<const N: usize>(options: ServerOptions, keys: [NewKey; N]) -> (Self, [String; N]) {
        let home = tempfile::tempdir().expect("a folder");
        let engine = Arc::new(Engine::open(home.path(), Options::default()).expect("an engine"));
        let store = Keys::open(home.path()).expect("a store of keys");
        let tokens = keys.map(|key| store.create(key).expect("a key").token);
        let router = router(engine.clone(), options).expect("a router");
        (Self { router, engine, token: None, _home: home }, tokens)
    }

    /// With a catalogue `main` of these products, searchable.
    pub(crate) async fn stocked(products: &[(&str, [u8; 3])]) -> Self {
        let house = Self::new();
        house.put("/v1/catalogues/main", "").await.ok(201);
        for (id, colour) in products {
            let colours = if colour[0] > 128 { "red" } else { "navy" };
            let product = format!(
                r#"{{"title":"Tee {id}","brand":"Marram & Tide","price":{{"amount":"{}.00","currency":"EUR"}},"availability":"in_stock","color":["{colours}"],"group_id":"tees"}}"#,
                10 + id.len()
            );
            house.put(&format!("/v1/catalogues/main/products/{id}"), &product).await.ok(201);
            let path =
                format!("/v1/catalogues/main/products/{id}/images/main?wait=searchable&timeout_ms=30000");
            let put =
                house.send(Method::PUT, &path, &[("content-type", "image/jpeg")], picture(*colour)).await;
            assert_eq!(put.ok(200).json()["searchable"], true);
        }
        house
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(token) = &self.token
            && !headers.iter().any(|(name, _)| ["authorization", "x-api-key"].contains(name))
        {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let response = self
            .router
            .clone()
            .oneshot(request.body(body.into()).expect("a request"))
            .await
            .expect("no failure");
        let (head, body) = response.into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes().to_vec();
        Answer { status: head.status, headers: head.headers, body }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], Body::empty()).await
    }
    pub(crate) async fn put(&self, path: &str, json: &str) -> Answer {
        self.send(Method::PUT, path, &[("content-type", "application/json")], json.to_owned()).await
    }
    pub(crate) async fn post(&self, path: &str, json: &str) -> Answer {
        self.send(Method::POST, path, &[("content-type", "application/json")], json.to_owned()).await
    }
    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, &[], Body::empty()).await
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.engine.close();
    }
}

/// A key with these rights and nothing else.
pub(crate) fn key(rights: &[Right]) -> NewKey {
    NewKey { rights: rights.iter().copied().collect(), ..NewKey::default() }
}

/// A striped tee on a pale ground.
pub(crate) fn photo(colour: [u8; 3]) -> Photo {
    let side = 160_i32;
    let mut rgb = Vec::with_capacity((side * side * 3) as usize);
    for y in 0..side {
        for x in 0..side {
            let body = (50..110).contains(&x) && (40..140).contains(&y);
            let sleeves = (25..135).contains(&x) && (40..75).contains(&y);
            rgb.extend(match (body || sleeves, y / 8 % 3 == 0) {
                (true, true) => [250, 250, 245],
                (true, false) => colour,
                (false, _) => [226, 224, 220],
            });
        }
    }
    Photo::new(side as u32, side as u32, rgb)
}

pub(crate) fn picture(colour: [u8; 3]) -> Vec<u8> {
    encode_jpeg(&photo(colour), 90)
}
