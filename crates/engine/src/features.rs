//! What is stored of one picture as one model saw it, byte by byte as in `docs/formats/features.md`.

use crate::stages::StageTimes;
use crate::{ChangeStage, Result, Vision};
use twinset_embed::Attributes;
use twinset_local::LocalFeatures;
use twinset_nets::NetError;
use twinset_photo::{Decoded, Rect};

const MAGIC: [u8; 4] = *b"TWFT";
const VERSION: u16 = 1;
const NO_GARMENT: u8 = 255;

/// Features of one picture. All boxes are in pixels of the upright picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    /// Of the upright picture.
    pub width: u32,
    /// Of the upright picture.
    pub height: u32,
    /// Most certain first, at most 254.
    pub garments: Vec<StoredGarment>,
    /// The garment that was embedded; `None`: the whole picture was.
    pub chosen: Option<usize>,
    /// What was embedded.
    pub rect: Rect,
    /// Seen in `rect`.
    pub attributes: Attributes,
    /// Unit vector of `rect`.
    pub embedding: Vec<f32>,
    /// Local features of `rect`.
    pub local: LocalFeatures,
}

/// A garment found in a stored picture.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredGarment {
    /// Where.
    pub rect: Rect,
    /// As the detector names it.
    pub category: String,
    /// Certainty, 0..=1.
    pub score: f32,
}

/// Stored features that cannot be read. They are computed again from the picture.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stored features are damaged: {0}; they will be computed again")]
pub struct DamagedFeatures(pub String);

impl Features {
    /// Looks at a decoded picture as at one of the catalogue.
    pub(crate) fn of(vision: &Vision, decoded: &Decoded, times: &StageTimes) -> Result<Self, NetError> {
        let photo = &decoded.photo;
        let (sx, sy) = full_scale(decoded);
        let seen = times.of(ChangeStage::Detect, || vision.see(photo))?;
        let rect = seen.chosen.map_or(photo.frame(), |i| seen.garments[i].rect);
        let described = vision.describe_stored(photo, rect, times)?;
        let garment = |(i, g): (usize, &twinset_detect::Garment)| {
            let detected = Some(g.category.as_str());
            let kind = match seen.chosen {
                Some(chosen) if chosen == i => vision.kind(&described, detected),
                _ => detected,
            };
            StoredGarment {
                rect: g.rect.scale(sx, sy),
                category: kind.unwrap_or_default().to_owned(),
                score: g.score,
            }
        };
        Ok(Self {
            width: decoded.full_width,
            height: decoded.full_height,
            garments: seen.garments.iter().enumerate().map(garment).collect(),
            chosen: seen.chosen,
            rect: rect.scale(sx, sy),
            attributes: described.attributes,
            embedding: described.embedding,
            local: described.local,
        })
    }

    /// For the catalogue; `compact`: with the compact form of the local features.
    #[must_use]
    pub fn to_bytes(&self, compact: bool) -> Vec<u8> {
        let local = if compact { self.local.to_compact_bytes() } else { self.local.to_bytes() };
        let garments = &self.garments[..self.garments.len().min(usize::from(NO_GARMENT) - 1)];
        let colours = &self.attributes.colour[..self.attributes.colour.len().min(255)];
        let mut out = Vec::with_capacity(256 + 4 * self.embedding.len() + local.len());
        out.extend(MAGIC);
        out.extend(VERSION.to_le_bytes());
        out.push(garments.len() as u8);
        out.push(self.chosen.filter(|&i| i < garments.len()).map_or(NO_GARMENT, |i| i as u8));
        out.extend(self.width.to_le_bytes());
        out.extend(self.height.to_le_bytes());
        put_rect(&mut out, self.rect);
        out.extend((self.embedding.len() as u16).to_le_bytes());
        out.push(colours.len() as u8);
        out.push(u8::from(self.attributes.pattern.is_some()));
        out.extend((local.len() as u32).to_le_bytes());
        for garment in garments {
            put_rect(&mut out, garment.rect);
            out.extend(garment.score.to_le_bytes());
            put_text(&mut out, &garment.category);
        }
        for (colour, share) in colours {
            out.extend(share.to_le_bytes());
            put_text(&mut out, colour);
        }
        if let Some(pattern) = &self.attributes.pattern {
            put_text(&mut out, pattern);
        }
        self.embedding.iter().for_each(|x| out.extend(x.to_le_bytes()));
        out.extend(local);
        out.extend(crc32fast::hash(&out).to_le_bytes());
        out
    }

    /// From the catalogue.
    ///
    /// # Errors
    /// Not ours, of a newer version, cut short, or changed.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DamagedFeatures> {
        let damaged = |what: &str| DamagedFeatures(what.to_owned());
        let (body, crc) = bytes.split_last_chunk::<4>().ok_or_else(|| damaged("shorter than a checksum"))?;
        if crc32fast::hash(body) != u32::from_le_bytes(*crc) {
            return Err(damaged("the checksum does not fit"));
        }
        let mut from = Reader(body);
        if from.take::<4>()? != MAGIC {
            return Err(damaged("they do not begin with TWFT"));
        }
        let version = u16::from_le_bytes(from.take()?);
        if version != VERSION {
            return Err(DamagedFeatures(format!("version {version}, this program reads {VERSION}")));
        }
        let [garments, chosen] = from.take()?;
        let (width, height) = (u32::from_le_bytes(from.take()?), u32::from_le_bytes(from.take()?));
        let rect = from.rect()?;
        let dim = u16::from_le_bytes(from.take()?);
        let [colours, patterned] = from.take()?;
        let local_bytes = u32::from_le_bytes(from.take()?) as usize;
        let garments = (0..garments)
            .map(|_| Ok(StoredGarment { rect: from.rect()?, score: from.number()?, category: from.text()? }))
            .collect::<Result<Vec<_>, DamagedFeatures>>()?;
        let colour = (0..colours)
            .map(|_| {
                let share = from.number()?;
                Ok((from.text()?, share))
            })
            .collect::<Result<Vec<_>, DamagedFeatures>>()?;
        let pattern = if patterned == 1 { Some(from.text()?) } else { None };
        let embedding = (0..dim).map(|_| from.number()).collect::<Result<Vec<_>, _>>()?;
        let local = LocalFeatures::from_bytes(from.bytes(local_bytes)?)
            .map_err(|e| DamagedFeatures(e.to_string()))?;
        let chosen = (chosen != NO_GARMENT).then_some(usize::from(chosen));
        if !from.0.is_empty() || chosen.is_some_and(|i| i >= garments.len()) {
            return Err(damaged("the lengths inside do not fit"));
        }
        let attributes = Attributes { colour, pattern };
        Ok(Self { width, height, garments, chosen, rect, attributes, embedding, local })
    }
}

/// From pixels of the decoded photo to pixels of the upright original.
pub(crate) fn full_scale(decoded: &Decoded) -> (f32, f32) {
    (
        decoded.full_width as f32 / decoded.photo.width() as f32,
        decoded.full_height as f32 / decoded.photo.height() as f32,
    )
}

fn put_rect(out: &mut Vec<u8>, rect: Rect) {
    [rect.x, rect.y, rect.w, rect.h].iter().for_each(|x| out.extend(x.to_le_bytes()));
}

/// Names of categories and colours; at most 255 bytes are kept.
fn put_text(out: &mut Vec<u8>, text: &str) {
    let text = &text[..text.floor_char_boundary(255)];
    out.push(text.len() as u8);
    out.extend(text.as_bytes());
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, n: usize) -> Result<&'a [u8], DamagedFeatures> {
        let (head, rest) =
            self.0.split_at_checked(n).ok_or_else(|| DamagedFeatures("they are cut short".into()))?;
        self.0 = rest;
        Ok(head)
    }
    fn take<const N: usize>(&mut self) -> Result<[u8; N], DamagedFeatures> {
        let (head, rest) =
            self.0.split_first_chunk().ok_or_else(|| DamagedFeatures("they are cut short".into()))?;
        self.0 = rest;
        Ok(*head)
    }
    fn number(&mut self) -> Result<f32, DamagedFeatures> {
        let x = f32::from_le_bytes(self.take()?);
        if x.is_finite() { Ok(x) } else { Err(DamagedFeatures("a number is not finite".into())) }
    }
    fn rect(&mut self) -> Result<Rect, DamagedFeatures> {
        Ok(Rect { x: self.number()?, y: self.number()?, w: self.number()?, h: self.number()? })
    }
    fn text(&mut self) -> Result<String, DamagedFeatures> {
        let [length] = self.take()?;
        let text = self.bytes(usize::from(length))?.to_vec();
        String::from_utf8(text).map_err(|_| DamagedFeatures("a name is not UTF-8".into()))
    }
}
