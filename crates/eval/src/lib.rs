//! Measures retrieval, detection, categories and the index, with intervals and baselines.
//!
//! In: data sets ([`twinset_dataset`]) with their labels, and the models to measure. Out: reports in the shapes
//! that scripts rely on, each score with a 95 % interval ([`interval`]) and with simple baselines on the same
//! pictures and the same boxes. Knows nothing of catalogues, HTTP or where a report goes.
//!
//! - [`retrieval`]: a photo in, is the right product among the first?
//! - [`detection`]: average precision by the rules of COCO ([`coco`]).
//! - [`category`]: is the garment called by its right name?
//! - [`audit`]: are false claims and poor pictures found?
//! - [`index`]: recall, speed and memory against exact search.

pub mod audit;
pub mod category;
pub mod coco;
pub mod copies;
pub mod detection;
pub mod drawn;
mod error;
pub mod evidence;
mod fused;
pub mod fusion;
pub mod index;
pub mod interval;
mod models;
mod pictures;
mod plain;
mod progress;
mod ranking;
pub mod retrieval;
pub mod verdicts;

pub use error::EvalError;
pub use fused::{Fused, Gain};
pub use interval::Figure;
pub use models::Models;
pub use pictures::Unreadable;
pub use progress::{Progress, Watch, unwatched};
