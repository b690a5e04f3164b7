//! Model packages and the inference kernels of our networks.
//!
//! In: weights with a card, and a [`Photo`](twinset_photo::Photo) already cut to the network's
//! side. Out: the network's numbers as plain arrays. Knows the two architectures we train and
//! nothing of what their outputs mean: boxes are `detect`'s, embeddings `embed`'s.
//!
//! Networks arrive in their fused form (RepVGG, Ding et al. 2021: branches and batch norm folded
//! into one 3x3 convolution each), so inference is a chain of plain convolutions. [`Kernel`] picks
//! how they are computed on this machine; [`Kernel::Scalar`] is the oracle of the others.

mod architecture;
mod card;
mod conv;
mod detector;
mod embedder;
mod error;
mod gradient;
mod network;
mod package;
mod plane;
mod simd;
mod window;

pub use architecture::{Architecture, GflLite, RepVggLite};
pub use card::Card;
pub use detector::{DetectorNet, Level};
pub use embedder::{EmbedderNet, EmbedderOutput};
pub use error::NetError;
pub use package::{ModelHash, Package, Tensor};
pub use plane::FeatureMap;
pub use simd::Kernel;
pub use window::window;

/// Parts of the engine room, for the trainer and for benches.
#[doc(hidden)]
pub mod parts {
    pub use crate::conv::{Conv, ConvShape, Method, Scratch};
    pub use crate::gradient::WeightGradient;
    pub use crate::plane::Plane;
}
