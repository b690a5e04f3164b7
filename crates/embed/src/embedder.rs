//! From a box in a photo to what the network says about it.

use serde::{Deserialize, Serialize};
use twinset_nets::{BroughtEmbedder, EmbedderNet, FeatureMap, NetError, Package, window};
use twinset_photo::{Photo, Rect};

use crate::{colours, square};

/// Probability from which a pattern is told.
const SURE_PATTERN: f32 = 0.4;

/// Categories told, most likely first.
const CATEGORIES_TOLD: usize = 3;

/// What is seen in one crop.
#[derive(Clone, Debug)]
pub struct Embedded {
    /// Unit vector, `dim` long.
    pub embedding: Vec<f32>,
    /// Map for local features, `[64 + 1, 16, 16]` of our own: 64-d token and saliency at each position. Tokens
    /// have length 1; saliency is a logit. Of an embedder that [tells no parts](Embedder::tells_parts): one place
    /// that means nothing.
    pub map: FeatureMap,
    /// Attributes seen (not claimed).
    pub attributes: Attributes,
    /// The likeliest categories with their probabilities, at most 3; empty if the model has none.
    pub category: Vec<(String, f32)>,
}

/// Attributes as seen, most certain first.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq)]
pub struct Attributes {
    /// Names from [`COLOURS`](crate::COLOURS) with their share of the garment, largest first.
    pub colour: Vec<(String, f32)>,
    /// One of the card's patterns, if one is likely enough.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pattern: Option<String>,
}

/// An embedder ready to run; cheap to share between threads.
pub struct Embedder {
    net: Net,
    categories: Vec<String>,
    dim: usize,
    side: usize,
    margin: f32,
    patterns: Vec<String>,
}

enum Net {
    Own(EmbedderNet),
    Brought(BroughtEmbedder),
}

impl Embedder {
    /// # Errors
    /// If the package is not an embedder.
    pub fn new(package: &Package) -> Result<Self, NetError> {
        let categories = package.card().categories.clone();
        if package.is_brought() {
            let net = BroughtEmbedder::new(package)?;
            let plan = net.plan();
            let (dim, side, margin) = (plan.dim, plan.side, plan.margin);
            return Ok(Self { net: Net::Brought(net), categories, dim, side, margin, patterns: Vec::new() });
        }
        let net = EmbedderNet::new(package)?;
        let sizes = net.architecture();
        let (dim, side, margin, patterns) = (sizes.dim, sizes.side, sizes.margin, sizes.patterns.clone());
        Ok(Self { net: Net::Own(net), categories, dim, side, margin, patterns })
    }

    /// Length of an embedding.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Side of the crop in pixels.
    #[must_use]
    pub fn side(&self) -> usize {
        self.side
    }

    /// It gives vectors of parts, so that two crops can be compared part by part.
    #[must_use]
    pub fn tells_parts(&self) -> bool {
        match &self.net {
            Net::Own(_) => true,
            Net::Brought(net) => net.plan().tokens.is_some(),
        }
    }

    /// It turns words into vectors too.
    #[must_use]
    pub fn reads_words(&self) -> bool {
        matches!(&self.net, Net::Brought(net) if net.reads_words())
    }

    /// Unit vector of a text, to be compared with those of crops.
    ///
    /// # Errors
    /// The model reads no words, or not these.
    pub fn read(&self, text: &str) -> Result<Vec<f32>, NetError> {
        match &self.net {
            Net::Own(_) => Err(NetError::Unusable("our own embedders read no words".into())),
            Net::Brought(net) => Ok(normalised(net.read(text)?)),
        }
    }

    /// The square of the photo, in its pixels, that is looked at for `rect`: what the fractions of
    /// local matching refer to.
    #[must_use]
    pub fn square(&self, rect: Rect) -> Rect {
        square(rect, self.margin)
    }

    /// Where `rect` lies in its [`square`](Self::square), in 0..=1 of it.
    #[must_use]
    pub fn inside(&self, rect: Rect) -> Rect {
        let around = self.square(rect);
        Rect { x: rect.x - around.x, y: rect.y - around.y, ..rect }.scale(1.0 / around.w, 1.0 / around.h)
    }

    /// Embeds the part of `photo` inside `rect` (with the margin the card says).
    ///
    /// # Errors
    /// [`NetError::Failed`]: a brought model could not run over this crop. Our own networks never fail.
    pub fn embed(&self, photo: &Photo, rect: Rect) -> Result<Embedded, NetError> {
        let (side, around) = (self.side() as u32, self.square(rect));
        let crop = window(photo, around, side, side);
        let out = match &self.net {
            Net::Own(net) => net.run(&crop),
            Net::Brought(net) => net.run(&crop)?,
        };
        let to_crop = |r: Rect| {
            let scale = side as f32 / around.w;
            Rect { x: r.x - around.x, y: r.y - around.y, ..r }.scale(scale, scale)
        };
        let likely_pattern = ranked(&out.pattern).into_iter().next().filter(|&(_, p)| p >= SURE_PATTERN);
        Ok(Embedded {
            embedding: normalised(out.embedding),
            map: with_unit_tokens(out.local),
            attributes: Attributes {
                colour: colours(&crop, to_crop(rect), to_crop(photo.frame())),
                pattern: likely_pattern.map(|(i, _)| self.patterns[i].clone()),
            },
            category: (ranked(&out.category).into_iter().take(CATEGORIES_TOLD))
                .map(|(i, p)| (self.categories[i].clone(), p))
                .collect(),
        })
    }
}

/// Classes with their probabilities (softmax), likeliest first.
fn ranked(logits: &[f32]) -> Vec<(usize, f32)> {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weights: Vec<f32> = logits.iter().map(|l| (l - most).exp()).collect();
    let sum: f32 = weights.iter().sum();
    let mut classes: Vec<(usize, f32)> = weights.iter().map(|w| w / sum).enumerate().collect();
    classes.sort_by(|a, b| b.1.total_cmp(&a.1));
    classes
}

fn normalised(mut vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    if length > 1e-12 {
        vector.iter_mut().for_each(|x| *x /= length);
    } else if let Some(first) = vector.first_mut() {
        // A network that says nothing at all: any direction is as good, but it must be one.
        *first = 1.0;
    }
    vector
}

/// Brings the token at each position (all channels but the last) to length 1.
fn with_unit_tokens(mut map: FeatureMap) -> FeatureMap {
    let positions = map.height * map.width;
    let (tokens, _saliency) = map.data.split_at_mut((map.channels - 1) * positions);
    for position in 0..positions {
        let length = tokens[position..].iter().step_by(positions).map(|x| x * x).sum::<f32>().sqrt();
        let scale = 1.0 / length.max(1e-12);
        tokens[position..].iter_mut().step_by(positions).for_each(|x| *x *= scale);
    }
    map
}
