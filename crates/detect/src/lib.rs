//! Finds garments in a photo, and says which one was meant.
use twinset_nets::{NetError, Package};
use twinset_photo::{Photo, Rect};

/// One found garment.
#[derive(Clone, Debug)]
pub struct Garment {
    /// In pixels of the photo given to [`Detector::detect`].
    pub rect: Rect,
    /// One of the card's categories.
    pub category: String,
    /// Certainty, 0..=1.
    pub score: f32,
}

/// A detector ready to run; cheap to share between threads.
pub struct Detector {}

impl Detector {
    /// # Errors
    /// If the package is not a detector or its shapes do not fit its card.
    pub fn new(_package: &Package) -> Result<Self, NetError> { unimplemented!() }
    /// At most 20 garments, most certain first.
    #[must_use]
    pub fn detect(&self, _photo: &Photo) -> Vec<Garment> { unimplemented!() }
}

/// The garment a shopper most likely meant: certainty, size and nearness to the centre.
#[must_use]
pub fn choose(_garments: &[Garment], _width: f32, _height: f32) -> Option<usize> { unimplemented!() }
