//! Words for the shop.
