//! The detector in its training form: anchor-free, one stage, distances as distributions, after Generalised Focal Loss
//! (Li et al., 2020) and NanoDet-Plus's dynamic soft label assignment, on a dense convolutional backbone.
use burn::tensor::{
    Int, Tensor, TensorData,
    activation::{log_softmax, sigmoid, softmax, softplus},
};
use serde::{Deserialize, Serialize};
use twinset_photo::Rect;

use crate::{
    augment::Target,
    layers::{add_doubled, block, has_identity, pointwise},
    params::{Params, Pass, host},
};

/// What `card.json` says under `architecture`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DetectorArchitecture {
    /// Always `gfl-lite`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Side of the letterboxed input, pixels.
    pub side: usize,
    /// Channels of the stem.
    pub stem: usize,
    /// Width and number of convolutions of each stage; the first of each halves the map.
    pub stages: Vec<(usize, usize)>,
    /// Channels of the neck and the head.
    pub neck: usize,
    /// Convolutions of the head before its outputs.
    pub head_convs: usize,
    /// Largest distance to a side of the box, in strides.
    pub reg_max: usize,
    /// Pixels a cell of each level stands for.
    pub strides: Vec<usize>,
}

impl Default for DetectorArchitecture {
    fn default() -> Self {
        Self {
            kind: "gfl-lite".into(),
            side: 256,
            stem: 16,
            stages: vec![(32, 2), (64, 3), (128, 3), (192, 2)],
            neck: 64,
            head_convs: 2,
            reg_max: 7,
            strides: vec![8, 16, 32],
        }
    }
}

/// Raw outputs over all cells of all levels, fine to coarse, row by row.
pub(crate) struct Outputs {
    /// `[n, cells, 1 + categories]` logits; the first is objectness.
    pub(crate) scores: Tensor<3>,
    /// `[n, cells, 4 * (reg_max + 1)]` logits of the distances left, top, right, bottom.
    pub(crate) distances: Tensor<3>,
    /// Centre and stride of each cell, pixels.
    pub(crate) cells: Vec<Cell>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    x: f32,
    y: f32,
    stride: f32,
}

/// `pixels`: `[n, 3, side, side]`, normalised; any side divisible by 32.
pub(crate) fn forward(
    pass: &Pass<'_>,
    arch: &DetectorArchitecture,
    categories: usize,
    pixels: &[f32],
    side: usize,
) -> Outputs {
    let mut x = block(pass, "stem", &pass.pictures(pixels, side), arch.stem, 3, 2);
    let mut maps = Vec::new();
    for (i, (width, convs)) in arch.stages.iter().enumerate() {
        for j in 0..*convs {
            x = block(pass, &format!("s{}.{j}", i + 1), &x, *width, 3, if j == 0 { 2 } else { 1 });
        }
        if i >= 1 {
            maps.push(block(pass, &format!("lat{}", i + 1), &x, arch.neck, 1, 1));
        }
    }
    for i in (0..maps.len() - 1).rev() {
        maps[i] = add_doubled(pass, &maps[i], &maps[i + 1]);
    }
    let (mut scores, mut distances, mut cells) = (Vec::new(), Vec::new(), Vec::new());
    // Cheaper than an objectness of one half everywhere at the first step (focal loss, Lin et al., 2017).
    let prior = -4.6;
    for (i, map) in maps.into_iter().enumerate() {
        let mut y = block(pass, &format!("out{}", i + 2), &map, arch.neck, 3, 1);
        for j in 0..arch.head_convs {
            // Shared by the levels, its running statistics too: the fused form has one set for all.
            y = block(pass, &format!("head.{j}"), &y, arch.neck, 3, 1);
        }
        let y = pass.tensor(&y);
        let [n, _, h, w] = y.dims();
        let flat = |t: Tensor<4>| {
            let c = t.dims()[1];
            t.permute([0, 2, 3, 1]).reshape([n, h * w, c])
        };
        scores.push(flat(pointwise(pass, "cls", y.clone(), 1 + categories, prior)));
        distances.push(flat(pointwise(pass, "reg", y, 4 * (arch.reg_max + 1), 0.0)));
        let stride = arch.strides[i] as f32;
        for row in 0..h {
            for column in 0..w {
                cells.push(Cell {
                    x: (column as f32 + 0.5) * stride,
                    y: (row as f32 + 0.5) * stride,
                    stride,
                });
            }
        }
    }
    Outputs { scores: Tensor::cat(scores, 1), distances: Tensor::cat(distances, 1), cells }
}

/// Quality focal loss, distribution focal loss (0.25) and generalised IoU loss (2.0) of a batch; also how badly the
/// boxes of each picture are met, 0..=1.
pub(crate) fn loss(
    pass: &Pass<'_>,
    arch: &DetectorArchitecture,
    out: Outputs,
    truth: &[Vec<Target>],
) -> (Tensor<1>, Vec<(&'static str, Tensor<1>)>, Vec<f32>) {
    let [n, a, channels] = out.scores.dims();
    let bins = arch.reg_max + 1;
    let probability = host(sigmoid(out.scores.clone()).detach());
    let expected = host(expectation(pass, out.distances.clone().reshape([n * a * 4, bins]), bins).detach());

    let (mut goal, mut weight) = (vec![0.0f32; n * a * channels], vec![1.0f32; n * a * channels]);
    let (mut rows, mut sides, mut quality, mut badness) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (image, targets) in truth.iter().enumerate() {
        let boxes: Vec<Rect> = out
            .cells
            .iter()
            .enumerate()
            .map(|(i, c)| {
                let d = &expected[(image * a + i) * 4..][..4];
                let s = c.stride;
                Rect::from_corners(c.x - d[0] * s, c.y - d[1] * s, c.x + d[2] * s, c.y + d[3] * s)
            })
            .collect();
        let scores = &probability[image * a * channels..][..a * channels];
        let assigned = assign(arch, &out.cells, &boxes, scores, channels, targets);
        let best = |t: usize| assigned.iter().flatten().filter(|a| a.0 == t).map(|a| a.1).fold(0.0, f32::max);
        let met: f32 = (0..targets.len()).map(best).sum();
        badness.push(1.0 - met / targets.len().max(1) as f32);
        for (i, cell) in out.cells.iter().enumerate() {
            let at = (image * a + i) * channels;
            if let Some((t, iou)) = assigned[i] {
                let target = &targets[t];
                let q = iou.max(0.05);
                goal[at] = q;
                goal[at + 1 + target.category] = q;
                rows.push((image * a + i) as i32);
                quality.push(q);
                let far = arch.reg_max as f32 - 0.01;
                let r = &target.rect;
                for d in [cell.x - r.x, cell.y - r.y, r.x1() - cell.x, r.y1() - cell.y] {
                    sides.push((d / cell.stride).clamp(0.0, far));
                }
            } else if targets.iter().any(|t| t.open && inside(&t.rect, cell)) {
                // Garments in here have no boxes of their own: what is found there is neither right nor wrong.
                weight[at..at + channels].fill(0.0);
            }
        }
    }
    // Of the whole crew's batch, so that its size does not change what a garment counts.
    let mut all = [quality.iter().sum::<f32>()];
    pass.crew().sum(&mut all);
    let total = all[0].max(1.0) / pass.crew().size() as f32;
    let goal = pass.constant(goal, [n, a, channels]);
    let weight = pass.constant(weight, [n, a, channels]);
    let gap = goal.clone() - sigmoid(out.scores.clone());
    let entropy = softplus(out.scores.clone(), 1.0) - out.scores * goal;
    let focal = (gap.clone() * gap * entropy * weight).sum().div_scalar(total);
    if rows.is_empty() {
        let none = focal.clone().mul_scalar(0.0).detach();
        return (
            focal.clone(),
            vec![("focal", focal), ("distances", none.clone()), ("overlap", none)],
            badness,
        );
    }

    let p = rows.len();
    let index = Tensor::<1, Int>::from_data(TensorData::new(rows, [p]), pass.device());
    let logits = out.distances.reshape([n * a, 4 * bins]).select(0, index).reshape([p * 4, bins]);
    let mut soft = vec![0.0f32; p * 4 * bins];
    for (row, d) in soft.chunks_exact_mut(bins).zip(&sides) {
        let low = *d as usize;
        row[low] = 1.0 - (d - low as f32);
        row[low + 1] = d - low as f32;
    }
    let per_side: Vec<f32> = quality.iter().flat_map(|q| [*q; 4]).collect();
    let per_side = pass.constant(per_side, [p * 4, 1]);
    let distribution = (log_softmax(logits.clone(), 1) * pass.constant(soft, [p * 4, bins]) * per_side)
        .sum()
        .div_scalar(-4.0 * total);

    let found = expectation(pass, logits, bins).reshape([p, 4]);
    let wanted = pass.constant(sides, [p, 4]);
    let (near, far) = (found.clone().min_pair(wanted.clone()), found.clone().max_pair(wanted.clone()));
    let area = |t: Tensor<2>| {
        let w = t.clone().slice([0..p, 0..1]) + t.clone().slice([0..p, 2..3]);
        let h = t.clone().slice([0..p, 1..2]) + t.slice([0..p, 3..4]);
        w * h
    };
    let (common, hull) = (area(near), area(far));
    let union = area(found) + area(wanted) - common.clone();
    let giou = common / union.clone().add_scalar(1e-4) - (hull.clone() - union) / hull.add_scalar(1e-4);
    let overlap = ((giou.neg().add_scalar(1.0)) * pass.constant(quality, [p, 1])).sum().div_scalar(total);
    let total = focal.clone() + distribution.clone().mul_scalar(0.25) + overlap.clone().mul_scalar(2.0);
    (total, vec![("focal", focal), ("distances", distribution), ("overlap", overlap)], badness)
}

/// Mean of the distribution over the bins, `[rows, bins]` to `[rows, 1]`.
fn expectation(pass: &Pass<'_>, logits: Tensor<2>, bins: usize) -> Tensor<2> {
    let places = pass.constant((0..bins).map(|i| i as f32).collect(), [bins, 1]);
    softmax(logits, 1).matmul(places)
}

fn inside(r: &Rect, c: &Cell) -> bool {
    c.x > r.x && c.x < r.x1() && c.y > r.y && c.y < r.y1()
}

/// For each cell the target it shall predict and how well it does already (IoU). Each target takes the `k` cheapest
/// cells, `k` being the sum of the 13 best IoUs (at least 1, at most 13); a cell that two want goes to the cheaper, and
/// nobody goes without while cells are free.
fn assign(
    arch: &DetectorArchitecture,
    cells: &[Cell],
    boxes: &[Rect],
    scores: &[f32],
    channels: usize,
    targets: &[Target],
) -> Vec<Option<(usize, f32)>> {
    let mut best: Vec<Option<(usize, f32, f32)>> = vec![None; cells.len()];
    let mut all_offers = Vec::with_capacity(targets.len());
    for (t, target) in targets.iter().enumerate() {
        let r = &target.rect;
        let (cx, cy) = (r.x + r.w / 2.0, r.y + r.h / 2.0);
        let reach = arch.reg_max as f32;
        let mut offers: Vec<(usize, f32, f32)> = cells
            .iter()
            .enumerate()
            .filter(|(_, c)| {
                let (dx, dy) = (((c.x - cx) / c.stride).abs(), ((c.y - cy) / c.stride).abs());
                let close = dx < 1.0 && dy < 1.0;
                let fits = (r.w.max(r.h) / 2.0 / c.stride) < reach;
                (inside(r, c) || close) && (fits || c.stride >= 32.0)
            })
            .map(|(i, c)| {
                let iou = boxes[i].iou(r);
                let s = &scores[i * channels..][..channels];
                let certain = (s[0] * s[1 + target.category]).sqrt();
                let away = ((c.x - cx).powi(2) + (c.y - cy).powi(2)).sqrt() / c.stride;
                // Classification against the IoU it should tell, overlap, and a soft wish for the middle.
                let gap = (iou - certain).abs();
                let cost = gap * gap * -(1.0 - gap).max(1e-6).ln() - 3.0 * iou.max(1e-6).ln()
                    + 10f32.powf(away - 3.0);
                (i, cost, iou)
            })
            .collect();
        let mut ious: Vec<f32> = offers.iter().map(|o| o.2).collect();
        ious.sort_by(|a, b| b.total_cmp(a));
        let k = (ious.iter().take(13).sum::<f32>() as usize).clamp(1, 13);
        offers.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        for &(i, cost, iou) in offers.iter().take(k) {
            if best[i].is_none_or(|(_, c, _)| cost < c) {
                best[i] = Some((t, cost, iou));
            }
        }
        all_offers.push(offers);
    }
    // Who lost every cell to others takes the cheapest that is free.
    for (t, offers) in all_offers.into_iter().enumerate() {
        if best.iter().flatten().all(|(owner, _, _)| *owner != t)
            && let Some((i, cost, iou)) = offers.into_iter().find(|(i, _, _)| best[*i].is_none())
        {
            best[i] = Some((t, cost, iou));
        }
    }
    best.into_iter().map(|b| b.map(|(t, _, iou)| (t, iou))).collect()
}

/// The fused tensors of the inference form, named as docs/formats/model-package.md says.
pub(crate) fn export(params: &Params, arch: &DetectorArchitecture) -> Vec<(String, Vec<usize>, Vec<f32>)> {
    let mut out = Vec::new();
    let mut conv = |name: String, identity: bool| {
        let (shape, w, b) = params.fused_conv(&name, identity);
        out.push((format!("{name}.weight"), shape, w));
        out.push((format!("{name}.bias"), vec![b.len()], b));
    };
    conv("stem".into(), false);
    let mut width = arch.stem;
    for (i, (next, convs)) in arch.stages.iter().enumerate() {
        for j in 0..*convs {
            conv(format!("s{}.{j}", i + 1), has_identity(width, *next, 3, if j == 0 { 2 } else { 1 }));
            width = *next;
        }
        if i >= 1 {
            conv(format!("lat{}", i + 1), false);
            conv(format!("out{}", i + 1), true);
        }
    }
    for j in 0..arch.head_convs {
        conv(format!("head.{j}"), true);
    }
    for name in ["cls", "reg"] {
        let (shape, weight) = params.averaged(&format!("{name}.weight"));
        out.push((format!("{name}.weight"), shape.to_vec(), weight.to_vec()));
        let (shape, bias) = params.averaged(&format!("{name}.bias"));
        out.push((format!("{name}.bias"), shape.to_vec(), bias.to_vec()));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CATEGORIES, card, run::TrainOptions};
    use twinset_nets::{DetectorNet, FeatureMap, Package};

    fn target(x: f32, y: f32, w: f32, h: f32) -> Target {
        Target { rect: Rect { x, y, w, h }, category: 2, open: false }
    }

    /// The fused inference kernels are the fast path, this network is their oracle.
    #[test]
    fn the_exported_network_gives_the_same_numbers() {
        let arch = DetectorArchitecture { side: 96, ..DetectorArchitecture::default() };
        let mut params = Params::new(5);
        let pixels: Vec<f32> = (0..2 * 3 * 96 * 96).map(|i| ((i * 7919) % 101) as f32 / 50.0 - 1.0).collect();
        let pass = Pass::training(&mut params);
        let out = forward(&pass, &arch, CATEGORIES.len(), &pixels, 96);
        let (total, ..) = loss(&pass, &arch, out, &[vec![target(20.0, 10.0, 50.0, 70.0)], vec![]]);
        pass.gradients(&total);

        let pass = Pass::inference(&mut params);
        let ours = forward(&pass, &arch, CATEGORIES.len(), &pixels[..3 * 96 * 96], 96);
        let (scores, distances) = (host(ours.scores), host(ours.distances));

        let dir = tempfile::tempdir().unwrap();
        let card =
            card::new("detector", serde_json::to_value(&arch).unwrap(), &TrainOptions::default(), 0, "");
        card::save(card, &export(&params, &arch), dir.path()).unwrap();
        let net = DetectorNet::new(&Package::open(dir.path()).unwrap()).unwrap();
        let levels = net.run_map(&FeatureMap {
            channels: 3,
            height: 96,
            width: 96,
            data: pixels[..3 * 96 * 96].to_vec(),
        });
        // Ours are cell by cell, theirs channel by channel.
        let gap = |pick: fn(&twinset_nets::Level) -> &FeatureMap, ours: &[f32]| {
            let fast: Vec<f32> = levels
                .iter()
                .map(pick)
                .flat_map(|m| {
                    let cells = m.height * m.width;
                    (0..cells * m.channels).map(move |i| m.data[i % m.channels * cells + i / m.channels])
                })
                .collect();
            assert_eq!(fast.len(), ours.len());
            fast.iter().zip(ours).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
        };
        // Weights are stored in half precision.
        assert!(gap(|l| &l.classes, &scores) < 0.03);
        assert!(gap(|l| &l.distances, &distances) < 0.03);
    }

    #[test]
    fn every_garment_gets_cells_and_no_cell_serves_two() {
        let arch = DetectorArchitecture::default();
        let mut cells = Vec::new();
        for stride in [8.0, 16.0, 32.0] {
            let n = (256.0 / stride) as usize;
            cells.extend((0..n * n).map(|i| Cell {
                x: ((i % n) as f32 + 0.5) * stride,
                y: ((i / n) as f32 + 0.5) * stride,
                stride,
            }));
        }
        let boxes: Vec<Rect> = cells
            .iter()
            .map(|c| Rect { x: c.x - c.stride, y: c.y - c.stride, w: 2.0 * c.stride, h: 2.0 * c.stride })
            .collect();
        let channels = 1 + CATEGORIES.len();
        let scores = vec![0.1; cells.len() * channels];
        // Large, tiny, and one inside another.
        let targets =
            [target(5.0, 5.0, 240.0, 245.0), target(100.0, 40.0, 6.0, 5.0), target(90.0, 80.0, 60.0, 90.0)];
        let assigned = assign(&arch, &cells, &boxes, &scores, channels, &targets);
        for t in 0..targets.len() {
            assert!(assigned.iter().flatten().any(|(found, _)| *found == t), "target {t} has no cell");
        }
    }
}
