//! Bytes to upright sRGB pixels, within limits.
//!
//! In: foreign bytes, JPEG, PNG, WebP or GIF. Out: a [`Photo`], or a [`PhotoError`] that says what
//! was wrong and what to do. Knows nothing of garments, products or networks.
//!
//! The journey of the bytes: `outline` walks over the container and refuses what is too much;
//! `decode` runs a decoder over the parts that make pixels; `colour` converts them to sRGB;
//! `orientation` turns them upright. `strip` takes away what is no pixel. [`worker`] does all this in a limited process of its own, which
//! is how a server must decode what strangers send.

mod colour;
mod cursor;
mod decode;
mod encode;
mod error;
mod hash;
mod limits;
mod orientation;
mod outline;
mod photo;
mod raster;
mod rect;
mod resize;
mod strip;
pub mod worker;

pub use decode::{Decoded, Header, decode, decode_reduced, probe};
pub use encode::{encode_jpeg, encode_png};
pub use error::{Fault, PhotoError};
pub use hash::PictureHash;
pub use limits::Limits;
pub use outline::Format;
pub use photo::Photo;
pub use rect::Rect;
pub use strip::without_metadata;
pub use worker::DecodePool;
