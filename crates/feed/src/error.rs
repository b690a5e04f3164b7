//! Why a feed cannot be read at all. What is wrong with single rows is a finding.

/// Why a feed cannot be read, sorted by who can act. Products told before stay told.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum FeedError {
    // The feed.
    #[error(
        "this is no feed that is known here: it begins with {head:?}. Known are Google Merchant XML and text, Shopify CSV and \
             products.json, WooCommerce CSV, JSON Lines, Parquet, pages with schema.org data; a mapping file reads any other table"
    )]
    Unrecognised { head: String },
    #[error("the feed is empty")]
    Empty,
    #[error(
        "this is a web page without product data of schema.org (JSON-LD), which an address also answers with when it asks for a \
             password or has an error: it begins with {head:?}. Open it in a browser, and give the address of the feed itself"
    )]
    PageWithoutProducts { head: String },
    #[error("this {what} cannot be read: {detail}; make it anew, or send it unpacked")]
    Damaged { what: &'static str, detail: String },
    #[error(
        "this is a Parquet file, and this program was built without: build it with `cargo build --release --features parquet`, \
             or send JSON Lines"
    )]
    NoParquet,
    #[error("none of the {files} files in this archive is a feed: {names}")]
    NoFeedInside { files: usize, names: String },
    #[error(
        "the table has no column for {missing}; its columns are {columns}. A mapping file says which is which: [columns] {missing} = \"NAME\""
    )]
    NeedsMapping { missing: &'static str, columns: String },

    // The caller.
    #[error("the mapping file cannot be read: {0}")]
    Mapping(String),

    // A limit.
    #[error("the feed unpacks to more than {limit}; it was left there. Raise the limit if it is right")]
    TooLarge { limit: String },

    // The machine.
    #[error("the feed cannot be read: {0}")]
    Io(#[from] std::io::Error),
}
