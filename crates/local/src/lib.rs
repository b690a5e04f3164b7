//! Local features of a crop, and the comparison of two crops part by part.
//!
//! In: the map that the embedder made of a crop, or stored bytes. Out: a score of how surely both
//! crops show the same garment, and the parts that match, in fractions of each crop. Knows nothing
//! of products or of where the crops came from; that both sides come from
//! the same model is the caller's care (features are stored by model).
//!
//! Best partner for each token and a mutual check (as in ColBERT's MaxSim, asymmetric like AMES:
//! few stored tokens, many query tokens), then geometry that allows for cloth: every pair of matches
//! votes for a scale, rotation and shift, plain or mirrored, with a wide tolerance, and up to three
//! such transforms are kept.
//!
//! [`Fusion`] turns all that is known of a pair into the probability that both show the same product.
//!
//! Apart from garments it tells copies of one whole picture: a perceptual hash ([`PictureHash256`]) and a
//! comparison pixel by pixel ([`same_picture`]).

mod compare;
mod copies;
mod error;
mod features;
mod fusion;
mod geometry;
mod hash;
mod score;
mod simd;
mod spots;

pub use compare::{Comparison, Part, compare};
pub use copies::{Edit, PictureLook, SamePicture, same_picture};
pub use error::LocalError;
pub use features::{DIM, LocalFeatures, MAX_TOKENS};
pub use fusion::{
    AMONG_INPUTS, BadFusion, Evidence, Fusion, INPUTS, Logistic, WHOLE_INPUTS, inputs_among,
    palette_distance, pattern_agreement,
};
pub use hash::{Orientation, PictureHash256, SAME_HASH_BITS};
pub use score::Measures;

/// Tokens kept of a stored picture: [`LocalFeatures::to_bytes`] then has at most 2.2 KB.
pub const STORED_TOKENS: usize = 32;
