//! Feeds as they come, through the public surface.

mod samples;
mod trouble;

use std::ops::ControlFlow;
use twinset_catalogue::Product;
use twinset_feed::{Event, FeedError, Finding, Settings, Summary, read};

/// Everything that a feed says.
#[derive(Debug, Default)]
struct Told {
    products: Vec<(u64, Product)>,
    removed: Vec<String>,
    pages: Vec<String>,
    findings: Vec<Finding>,
    summary: Option<Summary>,
}

impl Told {
    fn ids(&self) -> Vec<&str> {
        self.products.iter().map(|(_, product)| product.id.as_str()).collect()
    }
    fn get(&self, id: &str) -> &Product {
        self.products
            .iter()
            .map(|(_, product)| product)
            .find(|p| p.id == id)
            .unwrap_or_else(|| panic!("no {id}: {self:#?}"))
    }
    fn kinds(&self) -> Vec<&'static str> {
        self.findings.iter().map(|finding| finding.kind.as_str()).collect()
    }
    fn partial(&self) -> bool {
        self.summary.as_ref().is_some_and(|summary| summary.partial.is_some())
    }
}

fn settings() -> Settings {
    Settings {
        currency: "EUR".parse().ok(),
        shop_domain: Some("shop.example".into()),
        uploads_url: Some("https://shop.example/wp-content/uploads/".into()),
        ..Settings::default()
    }
}

fn try_feed(bytes: &[u8], settings: &Settings) -> Result<Told, FeedError> {
    let mut told = Told::default();
    let summary = read(Box::new(bytes), settings, &mut |event| {
        match event {
            Event::Product { row, product } => told.products.push((row, *product)),
            Event::Removed { id, .. } => told.removed.push(id),
            Event::Page { url, .. } => told.pages.push(url),
            Event::Finding(finding) => told.findings.push(finding),
        }
        ControlFlow::Continue(())
    })?;
    for (_, product) in &told.products {
        product.check().unwrap_or_else(|fault| panic!("{fault}"));
    }
    assert_eq!(summary.products as usize, told.products.len());
    told.summary = Some(summary);
    Ok(told)
}

fn feed(bytes: impl AsRef<[u8]>) -> Told {
    try_feed(bytes.as_ref(), &settings()).unwrap()
}
