//! From the network's logits to boxes.

use twinset_nets::{FeatureMap, Level};
use twinset_photo::Rect;

use crate::WHOLE_OVERLAP_MAX;

/// A box of one cell, in pixels of the network's input (later: of the photo).
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Candidate {
    pub(crate) rect: Rect,
    pub(crate) class: usize,
    pub(crate) score: f32,
}

/// All cells at least as certain as `floor`. Certainty is the geometric mean of objectness and of
/// the likeliest class: each was trained alone, and a box needs both.
pub(crate) fn candidates(levels: &[Level], reg_max: usize, floor: f32) -> Vec<Candidate> {
    let mut found = Vec::new();
    for level in levels {
        let classes = &level.classes;
        for y in 0..classes.height {
            for x in 0..classes.width {
                let likeliest = (1..classes.channels).max_by(|&a, &b| {
                    // The first of equals: the order of the card decides.
                    classes.at(a, y, x).total_cmp(&classes.at(b, y, x)).then(b.cmp(&a))
                });
                let Some(channel) = likeliest else { continue };
                let score = (sigmoid(classes.at(0, y, x)) * sigmoid(classes.at(channel, y, x))).sqrt();
                // Written so that NaN is dropped too.
                if score >= floor {
                    let rect = cell_box(&level.distances, level.stride as f32, reg_max, y, x);
                    found.push(Candidate { rect, class: channel - 1, score });
                }
            }
        }
    }
    found
}

/// The box of one cell: expected distances to its left, top, right and bottom edge, in strides.
fn cell_box(distances: &FeatureMap, stride: f32, reg_max: usize, y: usize, x: usize) -> Rect {
    let bins = reg_max + 1;
    let edge = |side: usize| {
        let logit = |bin: usize| distances.at(side * bins + bin, y, x);
        let most = (0..bins).map(logit).fold(f32::NEG_INFINITY, f32::max);
        let (mut mass, mut moment) = (0.0, 0.0);
        for bin in 0..bins {
            let weight = (logit(bin) - most).exp();
            mass += weight;
            moment += weight * bin as f32;
        }
        moment / mass * stride
    };
    let (cx, cy) = ((x as f32 + 0.5) * stride, (y as f32 + 0.5) * stride);
    Rect::from_corners(cx - edge(0), cy - edge(1), cx + edge(2), cy + edge(3))
}

/// The `most` most certain boxes, none overlapping a more certain one by more than `overlap_max`,
/// whatever their classes: one garment has one box. Only a box of class `whole`, a person with all that is worn, may
/// lie over the garment that covers most of it, up to [`WHOLE_OVERLAP_MAX`].
pub(crate) fn suppress(
    mut boxes: Vec<Candidate>,
    overlap_max: f32,
    most: usize,
    whole: Option<usize>,
) -> Vec<Candidate> {
    // A stable sort: equals stay in the order of the cells, so the answer never depends on chance.
    boxes.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut kept: Vec<Candidate> = Vec::new();
    for candidate in boxes {
        if kept.len() == most {
            break;
        }
        let is_whole = |c: &Candidate| whole == Some(c.class);
        let limit =
            |k: &Candidate| if is_whole(k) == is_whole(&candidate) { overlap_max } else { WHOLE_OVERLAP_MAX };
        if kept.iter().all(|k| k.rect.iou(&candidate.rect) <= limit(k)) {
            kept.push(candidate);
        }
    }
    kept
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A level of 4 x 4 cells of stride 8 that is sure of one box only.
    fn level(y: usize, x: usize, class: usize, edges: [usize; 4]) -> Level {
        let map = |channels| FeatureMap { channels, height: 4, width: 4, data: vec![-9.0; channels * 16] };
        let (mut classes, mut distances) = (map(4), map(32));
        for channel in [0, class + 1] {
            classes.data[channel * 16 + y * 4 + x] = 9.0;
        }
        for (side, bin) in edges.into_iter().enumerate() {
            distances.data[(side * 8 + bin) * 16 + y * 4 + x] = 9.0;
        }
        Level { stride: 8, classes, distances }
    }

    #[test]
    fn a_sure_cell_gives_its_box() {
        let found = candidates(&[level(1, 2, 2, [1, 0, 2, 3])], 7, 0.5);
        let [only] = &found[..] else { panic!("{found:?}") };
        assert_eq!(only.class, 2);
        assert!(only.score > 0.99);
        // The centre is at 20, 12; distances are in strides of 8.
        let expected = Rect::from_corners(12.0, 12.0, 36.0, 36.0);
        assert!(only.rect.iou(&expected) > 0.99, "{:?}", only.rect);
    }

    #[test]
    fn two_equal_bins_mean_their_middle() {
        let mut level = level(0, 0, 0, [2, 2, 2, 2]);
        level.distances.data[3 * 16] = 9.0; // the left edge's bin 3, beside bin 2
        let found = candidates(&[level], 7, 0.5);
        assert!((found[0].rect.x - (4.0 - 2.5 * 8.0)).abs() < 0.01, "{:?}", found[0].rect);
    }

    #[test]
    fn numbers_without_sense_are_no_box() {
        let mut level = level(0, 0, 0, [1; 4]);
        level.classes.data.fill(f32::NAN);
        assert!(candidates(&[level], 7, 0.0).is_empty());
    }

    #[test]
    fn of_two_that_overlap_the_surer_stays() {
        let make =
            |x: f32, score: f32| Candidate { rect: Rect { x, y: 0.0, w: 10.0, h: 10.0 }, class: 0, score };
        // 1 of 10 apart overlaps by 0.82, 4 of 10 apart by 0.43.
        let kept = suppress(vec![make(1.0, 0.5), make(0.0, 0.9), make(4.0, 0.6)], 0.6, 20, None);
        assert_eq!(kept.iter().map(|k| k.rect.x).collect::<Vec<_>>(), [0.0, 4.0]);
        assert_eq!(suppress(vec![make(0.0, 0.9), make(50.0, 0.6)], 0.6, 1, None).len(), 1);
        // A person and what they wear are two things, unless one box is the other.
        let person = Candidate { class: 1, ..make(0.0, 0.9) };
        assert_eq!(suppress(vec![person.clone(), make(1.0, 0.5)], 0.6, 20, Some(1)).len(), 2);
        assert_eq!(suppress(vec![person, make(0.2, 0.5)], 0.6, 20, Some(1)).len(), 1);
    }
}
