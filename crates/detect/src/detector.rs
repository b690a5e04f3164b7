//! From a photo to garments: letterbox, network, boxes, back to the photo's pixels.

use twinset_nets::{BroughtDetector, DetectorNet, NetError, Package, window};
use twinset_photo::{Photo, Rect};

use crate::decode::{Candidate, candidates, suppress};
use crate::foreign;
use crate::{MAX_BOXES, MAX_GARMENTS, OVERLAP_MAX};

/// Certainty from which a garment is reported when the card does not say.
const DEFAULT_THRESHOLD: f32 = 0.25;

/// One found garment.
#[derive(Clone, Debug, PartialEq)]
pub struct Garment {
    /// In pixels of the photo given to [`Detector::detect`].
    pub rect: Rect,
    /// One of the card's categories.
    pub category: String,
    /// Certainty, 0..=1.
    pub score: f32,
}

enum Net {
    Own(DetectorNet),
    Brought(BroughtDetector),
}

/// A detector ready to run; cheap to share between threads.
pub struct Detector {
    net: Net,
    categories: Vec<String>,
    threshold: f32,
}

impl Detector {
    /// # Errors
    /// If the package is not a detector, or names no categories.
    pub fn new(package: &Package) -> Result<Self, NetError> {
        let net = match package.is_brought() {
            true => Net::Brought(BroughtDetector::new(package)?),
            false => Net::Own(DetectorNet::new(package)?),
        };
        let categories = package.card().categories.clone();
        if categories.is_empty() {
            return Err(NetError::BadCard("a detector needs `categories`".into()));
        }
        Ok(Self { net, categories, threshold: package.card().threshold().unwrap_or(DEFAULT_THRESHOLD) })
    }

    /// Whether the network is somebody else's.
    #[must_use]
    pub fn is_brought(&self) -> bool {
        matches!(self.net, Net::Brought(_))
    }

    /// At most [`MAX_GARMENTS`] garments as certain as the card demands, most certain first.
    ///
    /// # Errors
    /// [`NetError::Failed`]: a brought model could not run over this photo. Our own networks never fail.
    pub fn detect(&self, photo: &Photo) -> Result<Vec<Garment>, NetError> {
        self.find(photo, self.threshold, MAX_GARMENTS)
    }

    /// At most [`MAX_BOXES`] garments of a certainty of at least `floor`: for evaluation, which wants
    /// the uncertain ones too.
    ///
    /// # Errors
    /// As [`Detector::detect`].
    pub fn detect_all(&self, photo: &Photo, floor: f32) -> Result<Vec<Garment>, NetError> {
        self.find(photo, floor, MAX_BOXES)
    }

    /// Names of the categories, in the order of the network's outputs.
    #[must_use]
    pub fn categories(&self) -> &[String] {
        &self.categories
    }

    /// Certainty from which [`Detector::detect`] reports a garment.
    #[must_use]
    pub fn threshold(&self) -> f32 {
        self.threshold
    }

    fn find(&self, photo: &Photo, floor: f32, most: usize) -> Result<Vec<Garment>, NetError> {
        let side = match &self.net {
            Net::Own(net) => net.architecture().side,
            Net::Brought(net) => net.plan().side,
        };
        let (input, seen) = letterbox(photo, side as u32);
        let mut boxes = match &self.net {
            Net::Own(net) => candidates(&net.run(&input), net.architecture().reg_max, floor),
            Net::Brought(net) => {
                foreign::candidates(net.plan(), net.run(&input)?, self.categories.len(), floor)
            }
        };
        let scale = seen.w / side as f32;
        let (width, height) = (photo.width() as f32, photo.height() as f32);
        for found in &mut boxes {
            let rect = found.rect.scale(scale, scale);
            found.rect = Rect { x: rect.x + seen.x, y: rect.y + seen.y, ..rect }.clamp_to(width, height);
        }
        boxes.retain(|b| b.rect.w >= 1.0f32.min(width) && b.rect.h >= 1.0f32.min(height));
        let whole = self.categories.iter().position(|c| c == "outfit");
        let kept = suppress(boxes, OVERLAP_MAX, most, whole);
        let name = |class: usize| self.categories[class].clone();
        let garment = |b: Candidate| Garment { rect: b.rect, category: name(b.class), score: b.score };
        Ok(kept.into_iter().map(garment).collect())
    }
}

/// The photo as the detector sees it: `side` x `side`, aspect kept, centred on grey; and the window
/// of the photo, in its pixels, that this shows.
#[must_use]
pub fn letterbox(photo: &Photo, side: u32) -> (Photo, Rect) {
    let (width, height) = (photo.width() as f32, photo.height() as f32);
    let longer = width.max(height);
    let seen = Rect { x: (width - longer) / 2.0, y: (height - longer) / 2.0, w: longer, h: longer };
    (window(photo, seen, side, side), seen)
}
