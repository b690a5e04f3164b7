//! Model packages and the inference kernels of our networks.
//!
//! In: weights with a card, and a [`Photo`](twinset_photo::Photo) already cut to the network's
//! side. Out: the network's numbers as plain arrays. Knows the two architectures we train, how brought models are
//! spoken to, and nothing of what outputs mean: boxes are `detect`'s, embeddings `embed`'s.
//!
//! Networks arrive in their fused form (RepVGG, Ding et al. 2021: branches and batch norm folded
//! into one 3x3 convolution each), so inference is a chain of plain convolutions. [`Kernel`] picks
//! how they are computed on this machine; [`Kernel::Scalar`] is the oracle of the others.

mod architecture;
mod bring;
mod brought;
mod card;
mod conv;
mod detector;
mod embedder;
mod error;
mod gradient;
mod network;
mod package;
mod plane;
mod quarantine;
mod simd;
mod window;

pub use architecture::{
    Architecture, Boxes, GflLite, Layout, OnnxDetector, OnnxEmbedder, Pixels, Pool, RepVggLite, TextTower,
    Tokens,
};
pub use bring::{Brought, Told, bring};
pub use brought::{BroughtDetector, BroughtEmbedder};
pub use card::Card;
pub use detector::{DetectorNet, Level};
pub use embedder::{EmbedderNet, EmbedderOutput};
pub use error::NetError;
pub use package::{ModelHash, Package, Tensor};
pub use plane::FeatureMap;
pub use quarantine::{MODEL_WORKER_ARG, Quarantine, model_worker_main};
pub use simd::Kernel;
pub use window::window;

/// Arrays of brought graphs.
pub use twinset_brought::{Array, Numbers};

/// Parts of the engine room, for the trainer and for benches.
#[doc(hidden)]
pub mod parts {
    pub use crate::conv::{Conv, ConvShape, Method, Scratch};
    pub use crate::gradient::WeightGradient;
    pub use crate::plane::Plane;
}
