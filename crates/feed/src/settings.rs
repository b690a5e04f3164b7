//! What the feed does not say about itself.

use crate::{Limits, Mapping};
use twinset_catalogue::Currency;

/// What the operator knows about a source.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Currency of prices that come without one.
    pub currency: Option<Currency>,
    /// Host of the shop, as `shop.example`: for the links of products that tell only a handle or a number.
    pub shop_domain: Option<String>,
    /// Where bare file names of WooCommerce pictures lie.
    pub uploads_url: Option<String>,
    /// Where the feed came from: the base of relative addresses.
    pub base_url: Option<String>,
    /// Language of the shop, such as `ko`: a hint for guessing encodings and symbols of currencies.
    pub language: Option<String>,
    /// How to read a table that is not known here.
    pub mapping: Option<Mapping>,
    /// Milliseconds since 1970 UTC: what has expired before is gone. 0: nothing expires.
    pub now_ms: u64,
    /// Bounds.
    pub limits: Limits,
}
