//! Finds garments in a photo, and says which one was meant.
//!
//! In: one [`Photo`](twinset_photo::Photo). Out: at most [`MAX_GARMENTS`] boxes in its pixels, most
//! certain first, no two garments overlapping by more than [`OVERLAP_MAX`]. Knows nothing of products or search.
//!
//! Our network is an anchor-free one-stage detector after NanoDet-Plus; boxes are read from
//! distributions of distances (Generalized Focal Loss, Li et al. 2020). Brought detectors of the YOLO and DETR families are read by `foreign`.

mod choose;
mod decode;
mod detector;
mod foreign;

pub use choose::{choose, tapped};
pub use detector::{Detector, Garment, letterbox};

/// Most garments that [`Detector::detect`] reports.
pub const MAX_GARMENTS: usize = 20;

/// Most boxes that [`Detector::detect_all`] reports, as COCO evaluation wants.
pub const MAX_BOXES: usize = 100;

/// Intersection over union above which the less certain of two boxes is dropped.
pub const OVERLAP_MAX: f32 = 0.6;

/// The same between a whole dressed person and a garment.
pub const WHOLE_OVERLAP_MAX: f32 = 0.85;
