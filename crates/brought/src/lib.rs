//! Runs networks that others made.
//!
//! In: the bytes of an ONNX file, or the weights of a vision transformer in safetensors; arrays. Out: arrays. Knows
//! nothing of photos, cards or what the numbers mean.
//!
//! A file from outside is a program that somebody else wrote. [`Outline::read`] refuses what points out of the file
//! or lies about its sizes before an engine sees it; what an engine then needs of memory and time only a process
//! can bound, and the first run of a model takes place in one of its own (`twinset model import`).
//!
//! [`Graph::open`] takes the pure-Rust engine (rten) that is always there, or ONNX Runtime where a library of it is
//! found. Transformers that come as bare weights are written down as a graph ([`vit`]) and run like any other.

mod array;
mod error;
mod graph;
#[cfg(feature = "onnxruntime")]
mod onnxruntime;
mod outline;
mod sketch;
pub mod vit;
mod words;

pub use array::{Array, Numbers};
pub use error::BroughtError;
pub use graph::{Engine, Graph};
pub use outline::{Outline, Port};
pub use sketch::{Attribute, Sketch};
pub use words::Words;

/// Starts the threads of the engine that is always there: for a process that may soon start none.
pub fn warm_up() {
    rten::thread_pool();
}
