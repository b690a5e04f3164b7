//! The eyes: a detector and an embedder that belong together, and the hash that stamps what they see.

use crate::stages::StageTimes;
use crate::{ChangeStage, EngineError, Result};
use twinset_detect::{Detector, Garment, choose};
use twinset_embed::{Attributes, Embedded, Embedder};
use twinset_local::{Fusion, LocalFeatures, MAX_TOKENS, STORED_TOKENS};
use twinset_nets::{ModelHash, NetError, Package};
use twinset_photo::{Photo, Rect};

/// Longer side that pictures and photos are decoded to (or whatever they have, if smaller): a garment
/// that fills a fifth of the photo still fills the embedder's crop. Part of what the hash stands for.
pub(crate) const DECODE_SIDE_PX: u32 = 640;
/// Changes when the same networks would give other features: decoding side, crops, kept tokens.
const PROCEDURE: &[u8] = b"twinset vision 2";

/// Detector and embedder, ready to run and shared by all threads.
pub struct Vision {
    detector: Detector,
    embedder: Embedder,
    packages: [ModelHash; 2],
    fusion: Fusion,
    hash: [u8; 32],
}

/// Garments of a photo, in its own pixels.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Most certain first.
    pub garments: Vec<Garment>,
    /// The one a shopper most likely meant.
    pub chosen: Option<usize>,
}

/// What one box of a photo looks like.
#[derive(Clone, Debug)]
pub struct Described {
    /// Unit vector.
    pub embedding: Vec<f32>,
    /// Parts, for the comparison of two crops.
    pub local: LocalFeatures,
    /// Colours and pattern as seen.
    pub attributes: Attributes,
    /// Likeliest categories with their probabilities, likeliest first.
    pub category: Vec<(String, f32)>,
}

impl Vision {
    /// From two model packages.
    ///
    /// # Errors
    /// A package of the wrong kind, or whose weights do not fit its card.
    pub fn new(detector: &Package, embedder: &Package) -> Result<Self, NetError> {
        let mut hash = blake3::Hasher::new();
        hash.update(PROCEDURE).update(&detector.hash().0).update(&embedder.hash().0);
        Ok(Self {
            detector: Detector::new(detector)?,
            embedder: Embedder::new(embedder)?,
            packages: [detector.hash(), embedder.hash()],
            fusion: Fusion::for_embedder(&embedder.hash().to_string()),
            hash: *hash.finalize().as_bytes(),
        })
    }

    /// Stamps everything that these eyes have seen: BLAKE3 over both packages and our procedure.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        self.hash
    }

    /// Content hashes of the detector's and the embedder's package.
    #[must_use]
    pub fn packages(&self) -> [ModelHash; 2] {
        self.packages
    }

    /// The hash as 64 hex digits.
    #[must_use]
    pub fn name(&self) -> String {
        blake3::Hash::from_bytes(self.hash).to_hex().to_string()
    }

    /// How pairs that these eyes have seen are scored. Not part of the hash: it changes no stored feature.
    #[must_use]
    pub fn fusion(&self) -> &Fusion {
        &self.fusion
    }

    /// Length of an embedding.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.embedder.dim()
    }

    /// Finds garments, and the one that was meant.
    ///
    /// # Errors
    /// [`NetError::Failed`]: a brought detector could not run over this photo.
    pub fn see(&self, photo: &Photo) -> Result<Seen, NetError> {
        let garments = self.detector.detect(photo)?;
        let chosen = choose(&garments, photo.width() as f32, photo.height() as f32);
        Ok(Seen { garments, chosen })
    }

    /// Describes the part of `photo` inside `rect`, with all its tokens, as a query does.
    ///
    /// # Errors
    /// [`NetError::Failed`]: a brought embedder could not run over this part.
    pub fn describe(&self, photo: &Photo, rect: Rect) -> Result<Described, NetError> {
        Ok(self.described(self.embedder.embed(photo, rect)?, rect, MAX_TOKENS))
    }

    /// Describes the part of `photo` inside `rect` with as many tokens as are stored of a picture.
    pub(crate) fn describe_stored(
        &self,
        photo: &Photo,
        rect: Rect,
        times: &StageTimes,
    ) -> Result<Described, NetError> {
        let seen = times.of(ChangeStage::Embed, || self.embedder.embed(photo, rect))?;
        Ok(times.of(ChangeStage::Local, || self.described(seen, rect, STORED_TOKENS)))
    }

    fn described(&self, seen: Embedded, rect: Rect, tokens: usize) -> Described {
        let tokens = if self.embedder.tells_parts() { tokens } else { 0 };
        let local = LocalFeatures::extract_inside(&seen.map, self.embedder.inside(rect), tokens);
        Described { embedding: seen.embedding, local, attributes: seen.attributes, category: seen.category }
    }

    /// What a box most likely shows, by how it was described and how it was `detected`. Our embedder looks closer than
    /// our detector, which learned its names on dressed people and says little of an article that lies alone.
    pub(crate) fn kind<'a>(&self, described: &'a Described, detected: Option<&'a str>) -> Option<&'a str> {
        let likeliest = described.category.first().map(|(likeliest, _)| likeliest.as_str());
        if self.detector.is_brought() { detected.or(likeliest) } else { likeliest.or(detected) }
    }

    /// Whether it describes words: the embedder has a text tower.
    #[must_use]
    pub fn reads_words(&self) -> bool {
        self.embedder.reads_words()
    }

    /// Describes words, so that crops can be found that they fit: a unit vector without parts or attributes.
    ///
    /// # Errors
    /// The model reads no words, or not these.
    pub fn read(&self, words: &str) -> Result<Vec<f32>> {
        if !self.reads_words() {
            return Err(EngineError::ReadsNoWords);
        }
        Ok(self.embedder.read(words)?)
    }

    /// The square that the embedder looks at for the box `rect`; may reach outside the photo.
    pub(crate) fn crop_of(&self, rect: Rect) -> Rect {
        self.embedder.square(rect)
    }
}

impl Default for Vision {
    /// The models inside the binary.
    ///
    /// # Panics
    /// If they do not fit each other: a broken build of ours.
    fn default() -> Self {
        Self::new(&Package::default_detector(), &Package::default_embedder())
            .expect("the models inside the binary are a detector and an embedder")
    }
}

impl std::fmt::Debug for Vision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Vision({})", self.name())
    }
}
