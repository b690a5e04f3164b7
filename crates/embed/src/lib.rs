//! Turns a crop into an embedding and attributes.
//!
//! In: a [`Photo`](twinset_photo::Photo) and a box in its pixels. Out: a unit vector that is near
//! those of the same product, what is seen (category, colours, pattern), and a map from which `local`
//! takes its features. Knows nothing of where the box came from or what is done with the vector.
//!
//! Our network is a RepVGG-style chain (Ding et al. 2021) with GeM pooling (Radenovic et al. 2018);
//! colours are counted from pixels, not learned: they must hold for colours never trained on.

mod colours;
mod crop;
mod embedder;

pub use colours::{COLOURS, colours};
pub use crop::{crop_square, square};
pub use embedder::{Attributes, Embedded, Embedder};
