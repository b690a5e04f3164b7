//! Which garment a shopper meant.

use twinset_photo::Rect;

use crate::Garment;

/// Exponents of certainty, size and nearness to the centre. Set by hand: a shopper frames what is
/// meant, but a bag in the middle is smaller than the coat behind it. To be fitted on scenes with
/// known targets.
const CERTAINTY: f32 = 1.0;
const SIZE: f32 = 0.35;
const NEARNESS: f32 = 1.0;

/// The garment a shopper most likely meant: certainty, size and nearness to the centre. `width` and
/// `height` are the photo's, in the units of the boxes. `None` only if there are no garments.
#[must_use]
pub fn choose(garments: &[Garment], width: f32, height: f32) -> Option<usize> {
    let mut best = None;
    for (i, garment) in garments.iter().enumerate() {
        let weight = garment.score.powf(CERTAINTY)
            * size(&garment.rect, width, height).powf(SIZE)
            * nearness(&garment.rect, width, height).powf(NEARNESS);
        // Among equals the first, which is the most certain.
        if best.is_none_or(|(_, most)| weight > most) {
            best = Some((i, weight));
        }
    }
    best.map(|(i, _)| i)
}

/// The garment that a shopper would tap who means `target`: which overlaps it most. `None` if none does.
#[must_use]
pub fn tapped(garments: &[Garment], target: &Rect) -> Option<usize> {
    let overlap = |i: &usize| garments[*i].rect.iou(target);
    (0..garments.len()).max_by(|a, b| overlap(a).total_cmp(&overlap(b))).filter(|i| overlap(i) > 0.0)
}

/// Share of the photo, 0..=1.
fn size(rect: &Rect, width: f32, height: f32) -> f32 {
    (rect.area() / (width * height).max(1.0)).clamp(0.0, 1.0)
}

/// 1 at the photo's centre, about 0.14 in a corner.
fn nearness(rect: &Rect, width: f32, height: f32) -> f32 {
    let dx = (rect.x + rect.w / 2.0 - width / 2.0) / (width / 2.0).max(1.0);
    let dy = (rect.y + rect.h / 2.0 - height / 2.0) / (height / 2.0).max(1.0);
    (-(dx * dx + dy * dy)).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn garment(x: f32, y: f32, side: f32, score: f32) -> Garment {
        Garment { rect: Rect { x, y, w: side, h: side }, category: "top".into(), score }
    }

    #[test]
    fn each_of_the_three_decides_when_the_others_are_equal() {
        let pick = |garments: &[Garment]| choose(garments, 100.0, 100.0);
        assert_eq!(pick(&[]), None);
        assert_eq!(pick(&[garment(40.0, 40.0, 20.0, 0.5), garment(40.0, 40.0, 20.0, 0.9)]), Some(1));
        assert_eq!(pick(&[garment(45.0, 45.0, 10.0, 0.5), garment(30.0, 30.0, 40.0, 0.5)]), Some(1));
        assert_eq!(pick(&[garment(0.0, 0.0, 20.0, 0.5), garment(40.0, 40.0, 20.0, 0.5)]), Some(1));
        assert_eq!(pick(&[garment(40.0, 40.0, 20.0, 0.5), garment(40.0, 40.0, 20.0, 0.5)]), Some(0));
    }
}
