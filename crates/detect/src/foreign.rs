//! From the outputs of brought detectors to boxes.

use twinset_nets::{Array, Boxes, OnnxDetector};
use twinset_photo::Rect;

use crate::decode::Candidate;

/// All boxes at least as certain as `floor`, in pixels of the network's input. `classes` bounds the class of a box:
/// what the card does not name is no garment.
pub(crate) fn candidates(
    plan: &OnnxDetector,
    outputs: Vec<Array>,
    classes: usize,
    floor: f32,
) -> Vec<Candidate> {
    let side = plan.side as f32;
    let shape = outputs.first().map_or(Vec::new(), |array| array.shape.clone());
    let lists: Vec<Vec<f32>> = outputs.into_iter().map(Array::into_floats).collect();
    let mut found = Vec::new();
    // Written so that NaN is dropped too.
    let mut keep = |score: f32, class: usize, rect: Rect| {
        if score >= floor && class < classes {
            found.push(Candidate { rect, class, score: score.clamp(0.0, 1.0) });
        }
    };
    match (plan.boxes, &shape[..], &lists[..]) {
        (Boxes::YoloColumns, &[1, rows, cells], [all]) => {
            for cell in 0..cells {
                let at = |row: usize| all[row * cells + cell];
                let (class, score) = likeliest((4..rows).map(at));
                keep(score, class, centred([at(0), at(1), at(2), at(3)], 1.0));
            }
        }
        (Boxes::YoloRows, &[1, _, columns], [all]) => {
            for row in all.chunks_exact(columns) {
                let (class, score) = likeliest(row[4..].iter().copied());
                keep(score, class, centred([row[0], row[1], row[2], row[3]], 1.0));
            }
        }
        (Boxes::YoloObjectness, &[1, _, columns], [all]) => {
            for row in all.chunks_exact(columns) {
                let (class, score) = likeliest(row[5..].iter().copied());
                keep(score * row[4], class, centred([row[0], row[1], row[2], row[3]], 1.0));
            }
        }
        (Boxes::Final, &[1, _, 6], [all]) => {
            for row in all.chunks_exact(6) {
                keep(row[4], row[5] as usize, Rect::from_corners(row[0], row[1], row[2], row[3]));
            }
        }
        (Boxes::Detr | Boxes::DetrSoftmax, &[1, _, width], [logits, boxes]) => {
            for (logits, of) in logits.chunks_exact(width).zip(boxes.chunks_exact(4)) {
                let (class, score) = if plan.boxes == Boxes::Detr {
                    let (class, logit) = likeliest(logits.iter().copied());
                    (class, 1.0 / (1.0 + (-logit).exp()))
                } else {
                    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                    let all: f32 = logits.iter().map(|l| (l - most).exp()).sum();
                    // The last one means that there is nothing.
                    let (class, logit) = likeliest(logits[..width - 1].iter().copied());
                    (class, (logit - most).exp() / all)
                };
                keep(score, class, centred([of[0], of[1], of[2], of[3]], side));
            }
        }
        (Boxes::Deployed, _, [labels, corners, scores]) => {
            for ((label, of), score) in labels.iter().zip(corners.chunks_exact(4)).zip(scores) {
                keep(*score, *label as usize, Rect::from_corners(of[0], of[1], of[2], of[3]));
            }
        }
        // Shapes were checked when the model was opened; one that changes them has found nothing.
        _ => {}
    }
    found
}

/// The first of the largest, with its place.
fn likeliest(scores: impl Iterator<Item = f32>) -> (usize, f32) {
    scores.enumerate().fold((0, f32::NEG_INFINITY), |best, (i, s)| if s > best.1 { (i, s) } else { best })
}

fn centred([cx, cy, w, h]: [f32; 4], scale: f32) -> Rect {
    Rect { x: (cx - w / 2.0) * scale, y: (cy - h / 2.0) * scale, w: w * scale, h: h * scale }
}

#[cfg(test)]
mod tests {
    use super::*;
    use twinset_nets::{Layout, Pixels};

    fn plan(boxes: Boxes) -> OnnxDetector {
        let pixels = Pixels { input: "x".into(), layout: Layout::Nchw, mean: [0.0; 3], std: [1.0; 3] };
        OnnxDetector { side: 100, pixels, size: None, boxes, outputs: Vec::new() }
    }

    /// Every family says the same: a box of class 1 from 20, 30 to 60, 80, and one that is not sure.
    #[test]
    fn one_box_in_every_family() {
        let float = |shape: &[usize], numbers: &[f32]| Array::float(shape, numbers.to_vec());
        let sure = 0.9f32;
        let logit = (sure / (1.0 - sure)).ln();
        let cases = [
            (
                Boxes::YoloColumns,
                vec![float(&[1, 6, 2], &[40., 9., 55., 9., 40., 9., 50., 9., 0.1, 0.2, 0.9, 0.1])],
            ),
            (
                Boxes::YoloRows,
                vec![float(&[1, 2, 6], &[40., 55., 40., 50., 0.1, 0.9, 9., 9., 9., 9., 0.2, 0.1])],
            ),
            (
                Boxes::YoloObjectness,
                vec![float(&[1, 2, 7], &[40., 55., 40., 50., 0.9, 0.1, 1.0, 9., 9., 9., 9., 0.2, 1.0, 1.0])],
            ),
            (
                Boxes::Final,
                vec![float(&[1, 2, 6], &[20., 30., 60., 80., 0.9, 1.0, 9., 9., 9., 9., 0.1, 0.0])],
            ),
            (
                Boxes::Detr,
                vec![
                    float(&[1, 2, 2], &[-3.0, logit, -3.0, -3.0]),
                    float(&[1, 2, 4], &[0.4, 0.55, 0.4, 0.5, 0.1, 0.1, 0.1, 0.1]),
                ],
            ),
            (
                Boxes::DetrSoftmax,
                vec![
                    float(&[1, 2, 3], &[-30.0, logit, 0.0, -30.0, 0.0, 9.0]),
                    float(&[1, 2, 4], &[0.4, 0.55, 0.4, 0.5, 0.1, 0.1, 0.1, 0.1]),
                ],
            ),
            (
                Boxes::Deployed,
                vec![
                    Array::int(&[1, 2], vec![1, 0]),
                    float(&[1, 2, 4], &[20., 30., 60., 80., 9., 9., 9., 9.]),
                    float(&[1, 2], &[0.9, 0.1]),
                ],
            ),
        ];
        for (boxes, outputs) in cases {
            let found = candidates(&plan(boxes), outputs.clone(), 2, 0.5);
            let [only] = &found[..] else { panic!("{boxes:?}: {found:?}") };
            assert!(only.class == 1 && (only.score - sure).abs() < 1e-5, "{boxes:?}: {only:?}");
            let right = Rect::from_corners(20.0, 30.0, 60.0, 80.0);
            assert!(only.rect.iou(&right) > 0.999, "{boxes:?}: {only:?}");
            assert_eq!(
                candidates(&plan(boxes), outputs, 1, 0.5).len(),
                0,
                "{boxes:?}: a class without a name"
            );
        }
    }
}
