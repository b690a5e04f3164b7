//! One file a format. Each reads text (Parquet: bytes) and tells products through [`crate::draft::Draft`].

pub(crate) mod json;
pub(crate) mod jsonld;
pub(crate) mod merchant_xml;
#[cfg(feature = "parquet")]
pub(crate) mod parquet;
pub(crate) mod plain_table;
pub(crate) mod shopify_table;
pub(crate) mod sitemap;
pub(crate) mod woocommerce;
