//! Doubts about claims, from features alone.
//!
//! In: what was seen in the pictures of products (embeddings, palettes, pixels) and what is claimed about them. Out:
//! for each claim what is more likely, how sure that is, and the neighbours that say so. Knows nothing of
//! catalogues, sellers' names, networks or files.
//!
//! - [`judge`]: is a class claimed rightly? Out-of-sample experts, pooled; confident learning (Northcutt et al.,
//!   2021) tells doubt from noise.
//! - [`fuse`]: what class is it? A classifier with the votes of neighbours (Pailitao, 2017).
//! - [`colour_names`]: the colours that words of four languages claim.
//! - [`blemishes`]: is the picture itself poor? Overlays, watermarks, borders, collages, blur, nothing at all.
//! - [`Families`]: which things belong together through pairs that do.

mod blemish;
mod colour;
mod families;
mod fuse;
mod judge;
mod lettering;
mod neighbours;
mod pool;
mod probe;
mod seam;
mod weighed;
mod words;

pub use blemish::{Blemishes, blemishes, lettering_signs, panels, seam_signs, shrunk};
pub use colour::{
    ColourClaim, DOUBTFUL as DOUBTFUL_COLOUR, NAMES as COLOUR_NAMES, affinity, colour_names, judge_colours,
    likely_names,
};
pub use families::Families;
pub use fuse::{Fuse, fuse};
pub use judge::{DOUBTFUL, Judged, Sample, judge};
pub use neighbours::{Neighbour, VOTERS, nearest, votes};
pub use probe::Probe;
pub use weighed::Signs;
pub use words::title_classes;

/// Probability, or share, of each class.
pub type Classes = Vec<f32>;
