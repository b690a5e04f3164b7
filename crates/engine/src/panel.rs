//! Several pictures in one: each panel of a collage is an item of its own, beside the picture as a whole.
//!
//! What was seen in the panels is kept beside the features of the picture, under a stamp that follows from the eyes'.
//! An item of the index is a placement of the catalogue, with the number of the panel above its bits; the catalogue
//! itself knows nothing of panels, and a hit by a panel is a hit of its picture with the garment in that panel.

use crate::features::full_scale;
use crate::stages::StageTimes;
use crate::{ChangeStage, Features, Result, Vision};
use twinset_nets::NetError;
use twinset_photo::{Decoded, PictureHash, Rect};

/// Bits of an item that number the placement; above them stands the panel, 0 for the whole picture.
const PLACEMENT_BITS: u32 = 29;
/// Panels that are kept of a collage.
pub(crate) const MOST: usize = 7;

/// The item of a panel, from 1 on, of a placement's item.
pub(crate) fn item(placement: u32, panel: usize) -> u32 {
    // A placement that large has none: half a billion pictures were shown before it.
    placement | (panel as u32) << PLACEMENT_BITS
}

/// Whether a placement's number leaves room for panels.
pub(crate) fn has_room(placement: u32) -> bool {
    placement >> PLACEMENT_BITS == 0
}

/// The placement's item, and the panel, of an item of the index.
pub(crate) fn split(item: u32) -> (u32, usize) {
    (item & ((1 << PLACEMENT_BITS) - 1), (item >> PLACEMENT_BITS) as usize)
}

/// Stamp of the panels that eyes of this hash have seen.
pub(crate) fn stamp(vision: &[u8; 32]) -> [u8; 32] {
    *blake3::Hasher::new().update(b"twinset panels 1").update(vision).finalize().as_bytes()
}

/// What is seen in the panels of a picture, if it is a collage; boxes in pixels of the whole upright picture.
pub(crate) fn look(
    vision: &Vision,
    decoded: &Decoded,
    times: &StageTimes,
) -> Result<Vec<Features>, NetError> {
    let photo = &decoded.photo;
    let (width, height) = (photo.width() as f32, photo.height() as f32);
    let (sx, sy) = full_scale(decoded);
    let panels = times.of(ChangeStage::Panels, || twinset_audit::panels(photo));
    let see = |[x, y, w, h]: [f32; 4]| {
        let place = Rect { x: x * width, y: y * height, w: w * width, h: h * height };
        let panel = Decoded {
            photo: photo.crop(place),
            full_width: (place.w * sx).round() as u32,
            full_height: (place.h * sy).round() as u32,
        };
        let seen = Features::of(vision, &panel, times)?;
        let moved = |rect: Rect| Rect { x: rect.x + place.x * sx, y: rect.y + place.y * sy, ..rect };
        let garments = seen.garments.into_iter().map(|mut garment| {
            garment.rect = moved(garment.rect);
            garment
        });
        Ok(Features {
            garments: garments.collect(),
            rect: moved(seen.rect),
            width: decoded.full_width,
            height: decoded.full_height,
            ..seen
        })
    };
    panels.into_iter().take(MOST).map(see).collect()
}

/// For the catalogue: each with its length before it.
pub(crate) fn to_bytes(panels: &[Features], compact: bool) -> Vec<u8> {
    let mut out = Vec::new();
    for panel in panels {
        let bytes = panel.to_bytes(compact);
        out.extend((bytes.len() as u32).to_le_bytes());
        out.extend(bytes);
    }
    out
}

/// From the catalogue; `None`: damaged.
pub(crate) fn from_bytes(mut bytes: &[u8]) -> Option<Vec<Features>> {
    let mut panels = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
        let (panel, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        panels.push(Features::from_bytes(panel).ok()?);
        bytes = rest;
    }
    (bytes.is_empty() && panels.len() <= MOST).then_some(panels)
}

impl crate::follower::Core {
    /// What the present models saw in the panels of a picture; none if it is no collage, or if that is damaged: then it
    /// is searched as a whole until it is looked at again.
    pub(crate) fn panels(&self, picture: &PictureHash) -> Result<Vec<Features>> {
        let Some(bytes) = self.catalogue.features(picture, &stamp(&self.shared.vision.hash()))? else {
            return Ok(Vec::new());
        };
        let dim = self.shared.vision.dim();
        let sound = from_bytes(&bytes).filter(|panels| panels.iter().all(|p| p.embedding.len() == dim));
        Ok(sound.unwrap_or_else(|| {
            tracing::warn!(%picture, "stored panels are damaged");
            self.count(|c| c.damaged_features += 1);
            Vec::new()
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_name_placement_and_panel() {
        for placement in [1, 77, (1 << PLACEMENT_BITS) - 1] {
            for panel in 0..=MOST {
                assert_eq!(split(item(placement, panel)), (placement, panel));
            }
            assert!(has_room(placement));
        }
        assert!(!has_room(1 << PLACEMENT_BITS));
    }
}
