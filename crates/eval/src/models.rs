//! The models under measurement, ready to run.
use crate::EvalError;
use twinset_detect::{Detector, Garment, choose, tapped};
use twinset_embed::Embedder;
use twinset_local::Fusion;
use twinset_nets::{NetError, Package};
use twinset_photo::{Photo, Rect};

/// A detector with an embedder, and the packages they came from.
pub struct Models {
    pub(crate) detector_package: Package,
    pub(crate) embedder_package: Package,
    pub(crate) detector: Detector,
    pub(crate) embedder: Embedder,
}

impl Models {
    /// Makes both ready.
    ///
    /// # Errors
    /// A package is of the wrong kind, or does not fit its card.
    pub fn new(detector: &Package, embedder: &Package) -> Result<Self, EvalError> {
        Ok(Self {
            detector: Detector::new(detector)?,
            embedder: Embedder::new(embedder)?,
            detector_package: detector.clone(),
            embedder_package: embedder.clone(),
        })
    }

    /// How the engine scores pairs seen with this embedder.
    #[must_use]
    pub fn fusion(&self) -> Fusion {
        Fusion::for_embedder(&self.embedder_package.hash().to_string())
    }

    /// The garments of a photo and the one a search would use.
    pub(crate) fn look(&self, photo: &Photo) -> Result<Look, NetError> {
        let garments = self.detector.detect(photo)?;
        let chosen = choose(&garments, photo.width() as f32, photo.height() as f32);
        Ok(Look { garments, chosen })
    }
}

/// What the detector says of one photo.
pub(crate) struct Look {
    pub(crate) garments: Vec<Garment>,
    pub(crate) chosen: Option<usize>,
}

impl Look {
    /// The chosen garment.
    pub(crate) fn chosen(&self) -> Option<&Garment> {
        self.chosen.and_then(|i| self.garments.get(i))
    }

    /// The garment that overlaps `target` most; the chosen one where none does.
    pub(crate) fn tapped(&self, target: Option<Rect>) -> Option<&Garment> {
        let tapped = target.and_then(|target| tapped(&self.garments, &target));
        tapped.or(self.chosen).map(|i| &self.garments[i])
    }

    /// Its box, or the whole photo where none was found: what a search would use.
    pub(crate) fn rect(&self, photo: &Photo) -> Rect {
        self.chosen().map_or(photo.frame(), |g| g.rect)
    }
}
