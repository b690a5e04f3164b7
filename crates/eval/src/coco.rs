//! Average precision by the rules of COCO (Lin et al. 2014, as its reference tool computes it).
//!
//! In: for each image true boxes and found boxes with scores, of one class. Out: average precision at IoU .50 to
//! .95. Per image the best 100 found boxes are matched greedily, best score first, each to the free true box with
//! the largest overlap; precision is made monotone and read at 101 recalls. Matching an image does not depend on
//! the others, so it is done once and the bootstrap only joins.
use twinset_photo::Rect;

/// IoU thresholds .50, .55, ... .95.
pub const THRESHOLDS: usize = 10;
/// Found boxes that count in one image.
pub const FOUND_MAX: usize = 100;

/// IoU threshold number `i`, to the last bit as the reference implementation has it (NumPy's `linspace`): boxes of whole
/// pixels meet a threshold exactly.
#[must_use]
pub fn threshold(i: usize) -> f64 {
    const STEP: f64 = (0.95 - 0.5) / (THRESHOLDS - 1) as f64;
    if i == THRESHOLDS - 1 { 0.95 } else { i as f64 * STEP + 0.5 }
}

/// A true box.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct Truth {
    pub rect: Rect,
    /// Neither has to be found nor counts against what is found on it.
    pub ignored: bool,
}

/// A found box.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct Found {
    pub rect: Rect,
    pub score: f32,
}

/// One image, matched.
#[derive(Clone, Debug, Default)]
pub struct Matched {
    /// Best score first; for each threshold whether it hit.
    found: Vec<(f32, [Hit; THRESHOLDS])>,
    /// True boxes that have to be found.
    truths: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hit {
    Right,
    Wrong,
    Ignored,
}

/// Matches the boxes of one image and one class.
#[must_use]
pub fn match_image(truths: &[Truth], found: &[Found]) -> Matched {
    let mut found = found.to_vec();
    found.sort_by(|a, b| b.score.total_cmp(&a.score)); // stable: ties keep the detector's order
    found.truncate(FOUND_MAX);
    let mut truths = truths.to_vec();
    truths.sort_by_key(|t| t.ignored); // those that count are tried first
    let overlaps: Vec<Vec<f64>> =
        found.iter().map(|f| truths.iter().map(|t| iou(&f.rect, &t.rect)).collect()).collect();
    let mut hits = vec![[Hit::Wrong; THRESHOLDS]; found.len()];
    for at in 0..THRESHOLDS {
        let mut taken = vec![false; truths.len()];
        for (hits, overlaps) in hits.iter_mut().zip(&overlaps) {
            let mut best: Option<usize> = None;
            let mut best_overlap = threshold(at).min(1.0 - 1e-10);
            for (t, truth) in truths.iter().enumerate() {
                if taken[t] {
                    continue;
                }
                if truth.ignored && best.is_some_and(|b| !truths[b].ignored) {
                    break;
                }
                if overlaps[t] >= best_overlap {
                    (best, best_overlap) = (Some(t), overlaps[t]);
                }
            }
            if let Some(t) = best {
                taken[t] = true;
                hits[at] = if truths[t].ignored { Hit::Ignored } else { Hit::Right };
            }
        }
    }
    Matched {
        found: found.iter().map(|f| f.score).zip(hits).collect(),
        truths: truths.iter().filter(|t| !t.ignored).count(),
    }
}

/// In f64: an overlap of exactly one half must not depend on rounding.
fn iou(a: &Rect, b: &Rect) -> f64 {
    let [ax, ay, aw, ah] = [a.x, a.y, a.w, a.h].map(f64::from);
    let [bx, by, bw, bh] = [b.x, b.y, b.w, b.h].map(f64::from);
    let w = ((ax + aw).min(bx + bw) - ax.max(bx)).max(0.0);
    let h = ((ay + ah).min(by + bh) - ay.max(by)).max(0.0);
    let union = aw * ah + bw * bh - w * h;
    if union > 0.0 { w * h / union } else { 0.0 }
}

/// Average precision and the highest recall of one class at each threshold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Curve {
    /// Mean precision at recalls 0, 0.01, ... 1.
    pub ap: [f64; THRESHOLDS],
    /// Share of the true boxes that were found at all.
    pub recall: [f64; THRESHOLDS],
}

impl Curve {
    /// Mean over the thresholds.
    #[must_use]
    pub fn mean_ap(&self) -> f64 {
        self.ap.iter().sum::<f64>() / THRESHOLDS as f64
    }
}

/// All images of one class, ready to be joined with weights.
#[derive(Clone, Debug, Default)]
pub struct Class {
    truths: Vec<usize>,
    /// Best score first: the image and what happened.
    found: Vec<(usize, [Hit; THRESHOLDS])>,
}

impl Class {
    /// `images` in a fixed order; ties of score keep it.
    #[must_use]
    pub fn new(images: &[Matched]) -> Self {
        let mut found: Vec<(f32, usize, [Hit; THRESHOLDS])> = images
            .iter()
            .enumerate()
            .flat_map(|(image, matched)| matched.found.iter().map(move |&(score, hits)| (score, image, hits)))
            .collect();
        found.sort_by(|a, b| b.0.total_cmp(&a.0));
        Self {
            truths: images.iter().map(|m| m.truths).collect(),
            found: found.into_iter().map(|(_, image, hits)| (image, hits)).collect(),
        }
    }

    /// True boxes in all images.
    #[must_use]
    pub fn truths(&self) -> usize {
        self.truths.iter().sum()
    }

    /// Each image counted `weights[image]` times; `None` without a true box.
    #[must_use]
    pub fn curve(&self, weights: &[u32]) -> Option<Curve> {
        let truths: f64 = self.truths.iter().zip(weights).map(|(&n, &w)| n as f64 * f64::from(w)).sum();
        if truths == 0.0 {
            return None;
        }
        let mut curve = Curve { ap: [0.0; THRESHOLDS], recall: [0.0; THRESHOLDS] };
        let mut points = Vec::with_capacity(self.found.len());
        for at in 0..THRESHOLDS {
            points.clear();
            let (mut right, mut wrong) = (0.0, 0.0);
            for &(image, hits) in &self.found {
                // An image drawn several times gives as many equal boxes in a row.
                for _ in 0..weights[image] {
                    match hits[at] {
                        Hit::Right => right += 1.0,
                        Hit::Wrong => wrong += 1.0,
                        Hit::Ignored => continue,
                    }
                    points.push((right / truths, right / (right + wrong)));
                }
            }
            curve.recall[at] = right / truths;
            curve.ap[at] = average_precision(&mut points);
        }
        Some(curve)
    }
}

/// `points`: recall (ascending) with precision; precision is made monotone in place.
fn average_precision(points: &mut [(f64, f64)]) -> f64 {
    for i in (1..points.len()).rev() {
        points[i - 1].1 = points[i - 1].1.max(points[i].1);
    }
    let mut at = 0;
    let mut sum = 0.0;
    for step in 0..=100 {
        let recall = f64::from(step) / 100.0;
        while at < points.len() && points[at].0 < recall {
            at += 1;
        }
        sum += points.get(at).map_or(0.0, |p| p.1);
    }
    sum / 101.0
}
