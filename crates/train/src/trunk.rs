//! The convolutions of both networks on the host, forward and backward, on the inference kernels of `nets`.
//!
//! In: pictures, parameters. Out: maps that burn's heads and losses go on from, and, once these say how the maps should
//! change, the gradients of the convolutions' parameters. burn's own convolutions are the oracle (`layers`); on a
//! processor these are several times faster, because forward and input gradients run through Winograd's algorithm and
//! no column matrix is ever written.
//!
//! Everything is summed in an order that does not depend on the number of threads.
use rayon::prelude::*;
use std::collections::HashMap;
use twinset_nets::{
    Kernel,
    parts::{Conv, ConvShape, Method, Plane, Scratch, WeightGradient},
};

use crate::{
    crew::Crew,
    params::{BN_EPSILON, Stats},
};

/// Planes of earlier steps, to be written again: fresh memory costs more than the arithmetic of a thin layer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arena(HashMap<(usize, usize, usize), Vec<Plane>>);

impl Arena {
    /// `n` planes whose border is zero; what is inside is not said.
    fn take(&mut self, n: usize, [height, width, channels]: [usize; 3]) -> Vec<Plane> {
        let free = self.0.entry((height, width, channels)).or_default();
        let mut planes = free.split_off(free.len().saturating_sub(n));
        planes.resize_with(n, || Plane::new(height, width, channels));
        planes
    }

    fn give(&mut self, planes: Vec<Plane>) {
        if let Some(p) = planes.first() {
            self.0.entry((p.height, p.width, p.channels)).or_default().extend(planes);
        }
    }
}

fn size(planes: &[Plane]) -> [usize; 3] {
    [planes[0].height, planes[0].width, planes[0].channels]
}

/// Maps computed so far, and how to go back.
pub(crate) struct Trunk<'a> {
    arena: &'a mut Arena,
    crew: &'a dyn Crew,
    nodes: Vec<Node>,
    steps: Vec<Step>,
}

struct Node {
    planes: Vec<Plane>,
    gradient: Option<Vec<Plane>>,
}

enum Step {
    Block(Block),
    /// `to = fine + coarse` repeated twice both ways.
    AddDoubled {
        fine: usize,
        coarse: usize,
        to: usize,
    },
}

struct Block {
    name: String,
    x: usize,
    to: usize,
    shape: ConvShape,
    /// Before batch norm.
    raw: Vec<Plane>,
    mean: Vec<f32>,
    /// One over the deviation.
    inverse: Vec<f32>,
    identity: bool,
}

/// Parameters of a block: convolution without bias, batch norm.
pub(crate) struct Weights<'a> {
    /// `[out, in, kernel, kernel]`.
    pub(crate) weight: &'a [f32],
    pub(crate) gamma: &'a [f32],
    pub(crate) beta: &'a [f32],
}

/// Gradients of [`Weights`].
pub(crate) struct BlockGradient {
    pub(crate) name: String,
    pub(crate) weight: Vec<f32>,
    pub(crate) gamma: Vec<f32>,
    pub(crate) beta: Vec<f32>,
}

/// Images whose sums are added up together; the sums of the groups are added in order.
const GROUP: usize = 8;

impl<'a> Trunk<'a> {
    pub(crate) fn new(arena: &'a mut Arena, crew: &'a dyn Crew) -> Self {
        Self { arena, crew, nodes: Vec::new(), steps: Vec::new() }
    }

    /// Sums by image, summed over the batch, and over the batches of all others beside.
    fn totals(&self, sums: &[[Vec<f32>; 2]], channels: usize) -> [Vec<f64>; 2] {
        let mut own = [0, 1].map(|which| -> Vec<f64> {
            (0..channels).map(|c| sums.iter().map(|s| f64::from(s[which][c])).sum()).collect()
        });
        if self.crew.size() > 1 {
            let mut flat: Vec<f32> = own.iter().flatten().map(|v| *v as f32).collect();
            self.crew.sum(&mut flat);
            own = [0, 1].map(|i| flat[i * channels..][..channels].iter().map(|v| f64::from(*v)).collect());
        }
        own
    }

    /// `pixels`: `[n, 3, side, side]`.
    pub(crate) fn input(&mut self, pixels: &[f32], n: usize, side: usize) -> usize {
        let mut planes = self.arena.take(n, [side, side, 3]);
        planes.par_iter_mut().zip(pixels.par_chunks_exact(3 * side * side)).for_each(|(plane, pixels)| {
            for y in 0..side {
                let line = plane.line_mut(y);
                for c in 0..3 {
                    let row = &pixels[(c * side + y) * side..][..side];
                    line[c..].iter_mut().step_by(3).zip(row).for_each(|(to, from)| *to = *from);
                }
            }
        });
        self.push(planes)
    }

    fn push(&mut self, planes: Vec<Plane>) -> usize {
        self.nodes.push(Node { planes, gradient: None });
        self.nodes.len() - 1
    }

    /// Channels of a map.
    pub(crate) fn channels(&self, node: usize) -> usize {
        self.nodes[node].planes[0].channels
    }

    /// Convolution, batch norm over the batch, the identity where asked, ReLU. Returns the map and the statistics.
    /// With a `bias`, batch norm undoes itself and adds only that: how a fused network starts.
    pub(crate) fn block(
        &mut self,
        name: &str,
        x: usize,
        weights: &Weights<'_>,
        bias: Option<&[f32]>,
        [out, kernel, stride]: [usize; 3],
        identity: bool,
    ) -> (usize, Stats) {
        let input = &self.nodes[x].planes;
        let [height, width, from] = size(input);
        let n = input.len();
        let shape = ConvShape {
            from,
            to: out,
            size: kernel,
            stride,
            height: height / stride,
            width: width / stride,
            relu: false,
        };
        let conv = Conv::new(Kernel::best(), Method::Auto, shape, from, weights.weight, &vec![0.0; out]);
        let mut raw = self.arena.take(n, [shape.height, shape.width, out]);
        let mut planes = self.arena.take(n, [shape.height, shape.width, out]);
        let sums: Vec<[Vec<f32>; 2]> = raw
            .par_iter_mut()
            .zip(input)
            .map_init(Scratch::default, |scratch, (raw, input)| {
                conv.run(input, raw, scratch);
                let (mut sum, mut square) = (vec![0f32; out], vec![0f32; out]);
                for y in 0..raw.height {
                    for pixel in raw.line(y).chunks_exact(out) {
                        for ((s, q), v) in sum.iter_mut().zip(&mut square).zip(pixel) {
                            *s += v;
                            *q += v * v;
                        }
                    }
                }
                [sum, square]
            })
            .collect();
        let count = (n * self.crew.size() * shape.height * shape.width) as f64;
        let [sum, squares] = self.totals(&sums, out);
        let mean: Vec<f64> = sum.into_iter().map(|s| s / count).collect();
        let variance: Vec<f32> =
            mean.iter().zip(squares).map(|(m, s)| (s / count - m * m).max(0.0) as f32).collect();
        let mean: Vec<f32> = mean.into_iter().map(|m| m as f32).collect();
        let inverse: Vec<f32> = variance.iter().map(|v| 1.0 / (v + BN_EPSILON).sqrt()).collect();
        let (scale, shift): (Vec<f32>, Vec<f32>) = match bias {
            Some(bias) => (vec![1.0; out], bias.to_vec()),
            None => weights
                .gamma
                .iter()
                .zip(&inverse)
                .zip(weights.beta.iter().zip(&mean))
                .map(|((g, i), (b, m))| (g * i, b - m * g * i))
                .unzip(),
        };
        planes.par_iter_mut().zip(&raw).zip(input).for_each(|((plane, raw), input)| {
            for y in 0..plane.height {
                let lines = plane.line_mut(y).chunks_exact_mut(out).zip(raw.line(y).chunks_exact(out));
                if identity {
                    for ((to, from), x) in lines.zip(input.line(y).chunks_exact(out)) {
                        for c in 0..out {
                            to[c] = (from[c] * scale[c] + shift[c] + x[c]).max(0.0);
                        }
                    }
                } else {
                    for (to, from) in lines {
                        for c in 0..out {
                            to[c] = (from[c] * scale[c] + shift[c]).max(0.0);
                        }
                    }
                }
            }
        });
        let to = self.push(planes);
        let stats = Stats { mean: mean.clone(), variance };
        self.steps.push(Step::Block(Block {
            name: name.to_owned(),
            x,
            to,
            shape,
            raw,
            mean,
            inverse,
            identity,
        }));
        (to, stats)
    }

    /// `fine` plus `coarse`, each of whose pixels is repeated twice both ways.
    pub(crate) fn add_doubled(&mut self, fine: usize, coarse: usize) -> usize {
        let mut planes = self.arena.take(self.nodes[fine].planes.len(), size(&self.nodes[fine].planes));
        let (a, b) = (&self.nodes[fine].planes, &self.nodes[coarse].planes);
        planes.par_iter_mut().zip(a).zip(b).for_each(|((plane, a), b)| {
            for y in 0..plane.height {
                plane.line_mut(y).copy_from_slice(a.line(y));
            }
            plane.add_upsampled(b);
        });
        let to = self.push(planes);
        self.steps.push(Step::AddDoubled { fine, coarse, to });
        to
    }

    /// A map as `[n, channels, height, width]`.
    pub(crate) fn map(&self, node: usize) -> (Vec<f32>, [usize; 4]) {
        let planes = &self.nodes[node].planes;
        let [height, width, channels] = size(planes);
        let per = channels * height * width;
        let mut out = vec![0.0; planes.len() * per];
        out.par_chunks_exact_mut(per).zip(planes).for_each(|(out, plane)| {
            for y in 0..height {
                for (x, pixel) in plane.line(y).chunks_exact(channels).enumerate() {
                    for (c, v) in pixel.iter().enumerate() {
                        out[(c * height + y) * width + x] = *v;
                    }
                }
            }
        });
        (out, [planes.len(), channels, height, width])
    }

    /// How a map should change, as `[n, channels, height, width]`; added to what is known already.
    pub(crate) fn set_gradient(&mut self, node: usize, gradient: &[f32]) {
        let mut planes = self.arena.take(self.nodes[node].planes.len(), size(&self.nodes[node].planes));
        let [height, width, channels] = size(&planes);
        planes.par_iter_mut().zip(gradient.par_chunks_exact(channels * height * width)).for_each(
            |(plane, gradient)| {
                for y in 0..height {
                    for (x, pixel) in plane.line_mut(y).chunks_exact_mut(channels).enumerate() {
                        for (c, v) in pixel.iter_mut().enumerate() {
                            *v = gradient[(c * height + y) * width + x];
                        }
                    }
                }
            },
        );
        self.add_gradient(node, planes);
    }

    fn add_gradient(&mut self, node: usize, planes: Vec<Plane>) {
        match &mut self.nodes[node].gradient {
            None => self.nodes[node].gradient = Some(planes),
            Some(known) => {
                known.par_iter_mut().zip(&planes).for_each(|(known, plane)| {
                    for y in 0..plane.height {
                        known.line_mut(y).iter_mut().zip(plane.line(y)).for_each(|(a, b)| *a += b);
                    }
                });
                self.arena.give(planes);
            }
        }
    }

    /// Goes back through all steps. `weights`: of a block by name, `[weight, gamma]`. A block that ran several times
    /// is told several times.
    pub(crate) fn backward(mut self, weights: impl Fn(&str) -> [Vec<f32>; 2]) -> Vec<BlockGradient> {
        let mut found = Vec::new();
        for step in std::mem::take(&mut self.steps).into_iter().rev() {
            match step {
                Step::AddDoubled { fine, coarse, to } => {
                    let Some(gradient) = self.nodes[to].gradient.take() else { continue };
                    let small = self.quartered(&gradient, size(&self.nodes[coarse].planes));
                    self.add_gradient(coarse, small);
                    self.add_gradient(fine, gradient);
                }
                Step::Block(block) => {
                    if let Some(gradient) = self.nodes[block.to].gradient.take() {
                        let [weight, gamma] = weights(&block.name);
                        found.push(self.block_backward(&block, gradient, &weight, &gamma));
                    }
                    self.arena.give(block.raw);
                }
            }
        }
        for node in self.nodes {
            self.arena.give(node.planes);
            if let Some(gradient) = node.gradient {
                self.arena.give(gradient);
            }
        }
        found
    }

    /// Sums over squares of two by two pixels.
    fn quartered(&mut self, gradient: &[Plane], size: [usize; 3]) -> Vec<Plane> {
        let mut small = self.arena.take(gradient.len(), size);
        let channels = size[2];
        small.par_iter_mut().zip(gradient).for_each(|(small, large)| {
            for y in 0..small.height {
                let (top, bottom) = (large.line(2 * y), large.line(2 * y + 1));
                for (x, pixel) in small.line_mut(y).chunks_exact_mut(channels).enumerate() {
                    for (c, v) in pixel.iter_mut().enumerate() {
                        let (a, b) = (2 * x * channels + c, (2 * x + 1) * channels + c);
                        *v = top[a] + top[b] + bottom[a] + bottom[b];
                    }
                }
            }
        });
        small
    }

    fn block_backward(
        &mut self,
        block: &Block,
        mut gradient: Vec<Plane>,
        weight: &[f32],
        gamma: &[f32],
    ) -> BlockGradient {
        let (n, shape, out) = (gradient.len(), block.shape, block.shape.to);
        // Through the ReLU; the sums that batch norm's gradient needs (Ioffe and Szegedy, 2015, section 3).
        let sums: Vec<[Vec<f32>; 2]> = gradient
            .par_iter_mut()
            .zip(&self.nodes[block.to].planes)
            .zip(&block.raw)
            .map(|((gradient, y), raw)| {
                let (mut sum, mut product) = (vec![0f32; out], vec![0f32; out]);
                for row in 0..y.height {
                    let pixels = y.line(row).chunks_exact(out).zip(raw.line(row).chunks_exact(out));
                    for (g, (y, raw)) in gradient.line_mut(row).chunks_exact_mut(out).zip(pixels) {
                        for c in 0..out {
                            g[c] = if y[c] > 0.0 { g[c] } else { 0.0 };
                            sum[c] += g[c];
                            product[c] += g[c] * (raw[c] - block.mean[c]);
                        }
                    }
                }
                [sum, product]
            })
            .collect();
        // Gradients of the parameters are summed over the crew later; what flows back needs the sums of all now.
        let own = |which: usize, c: usize| sums.iter().map(|s| f64::from(s[which][c])).sum::<f64>() as f32;
        let beta: Vec<f32> = (0..out).map(|c| own(0, c)).collect();
        let along: Vec<f32> = (0..out).map(|c| own(1, c) * block.inverse[c]).collect();
        let [all, products] = self.totals(&sums, out).map(|t| t.into_iter().map(|v| v as f32));
        let count = (n * self.crew.size() * shape.height * shape.width) as f32;
        let scale: Vec<f32> = gamma.iter().zip(&block.inverse).map(|(g, i)| g * i).collect();
        let slope: Vec<f32> = products
            .enumerate()
            .map(|(c, p)| -scale[c] * p * block.inverse[c] * block.inverse[c] / count)
            .collect();
        let shift: Vec<f32> =
            all.enumerate().map(|(c, s)| -scale[c] * s / count - slope[c] * block.mean[c]).collect();
        let mut before = self.arena.take(n, [shape.height, shape.width, out]);
        before.par_iter_mut().zip(&gradient).zip(&block.raw).for_each(|((before, gradient), raw)| {
            for y in 0..raw.height {
                let pixels = gradient.line(y).chunks_exact(out).zip(raw.line(y).chunks_exact(out));
                for (to, (g, raw)) in before.line_mut(y).chunks_exact_mut(out).zip(pixels) {
                    for c in 0..out {
                        to[c] = scale[c] * g[c] + slope[c] * raw[c] + shift[c];
                    }
                }
            }
        });

        let input = &self.nodes[block.x].planes;
        let groups: Vec<WeightGradient> = input
            .par_chunks(GROUP)
            .zip(before.par_chunks(GROUP))
            .map(|(inputs, gradients)| {
                let mut sum = WeightGradient::new(shape, shape.from);
                sum.add(Kernel::best(), inputs, gradients);
                sum
            })
            .collect();
        let weight_gradient = groups
            .into_iter()
            .reduce(|mut all, one| {
                all.merge(&one);
                all
            })
            .expect("a batch is not empty")
            .to_weights();

        // Pictures need no gradient.
        if shape.from > 3 {
            let planes = self.input_gradient(block, &before, block.identity.then_some(&gradient[..]), weight);
            self.add_gradient(block.x, planes);
        }
        self.arena.give(before);
        self.arena.give(gradient);
        BlockGradient { name: block.name.clone(), weight: weight_gradient, gamma: along, beta }
    }

    /// A convolution of the result's gradient with the mirrored weights; where the stride is 2, of that gradient with
    /// zeros between.
    fn input_gradient(
        &mut self,
        block: &Block,
        before: &[Plane],
        identity: Option<&[Plane]>,
        weight: &[f32],
    ) -> Vec<Plane> {
        let ConvShape { from, to, size, stride, height, width, .. } = block.shape;
        let taps = size * size;
        let mut mirrored = vec![0.0; weight.len()];
        for (k, weights) in weight.chunks_exact(from * taps).enumerate() {
            for (c, window) in weights.chunks_exact(taps).enumerate() {
                let at = (c * to + k) * taps;
                mirrored[at..at + taps].iter_mut().zip(window.iter().rev()).for_each(|(m, w)| *m = *w);
            }
        }
        let shape = ConvShape {
            from: to,
            to: from,
            size,
            stride: 1,
            height: height * stride,
            width: width * stride,
            relu: false,
        };
        let conv = Conv::new(Kernel::best(), Method::Auto, shape, to, &mirrored, &vec![0.0; from]);
        let mut planes = self.arena.take(before.len(), [shape.height, shape.width, from]);
        let spread = |plane: &Plane| {
            let mut out = Plane::new(shape.height, shape.width, to);
            for y in 0..height {
                let line = out.line_mut(2 * y);
                for (pixel, v) in line.chunks_exact_mut(2 * to).zip(plane.line(y).chunks_exact(to)) {
                    pixel[..to].copy_from_slice(v);
                }
            }
            out
        };
        planes.par_iter_mut().enumerate().for_each_init(Scratch::default, |scratch, (i, plane)| {
            if stride == 2 {
                conv.run(&spread(&before[i]), plane, scratch);
            } else {
                conv.run(&before[i], plane, scratch);
            }
            if let Some(identity) = identity {
                for y in 0..plane.height {
                    plane.line_mut(y).iter_mut().zip(identity[i].line(y)).for_each(|(a, b)| *a += b);
                }
            }
        });
        planes
    }
}

#[cfg(test)]
mod tests {
    use super::Arena;
    use crate::{
        CATEGORIES,
        augment::Target,
        crew::Alone,
        detector::{self, DetectorArchitecture},
        embedder::{self, EmbedderArchitecture},
        params::{Params, Pass},
    };
    use burn::tensor::Tensor;
    use twinset_photo::Rect;

    /// Values and gradients of `loss` on the trunk, against burn's convolutions.
    fn check(loss: impl Fn(&Pass<'_>) -> Tensor<1>) {
        let (mut theirs, mut ours, mut arena) = (Params::new(3), Params::new(3), Arena::default());
        // Three steps: the second and third write into planes of the first.
        for round in 0..3 {
            let pass = Pass::training(&mut theirs);
            let oracle = loss(&pass);
            let (value, expected) = (oracle.clone().into_scalar::<f32>(), pass.gradients(&oracle));
            let pass = Pass::on_host(&mut ours, &mut arena, &Alone);
            let fast = loss(&pass);
            let found_value = fast.clone().into_scalar::<f32>();
            let found = pass.gradients(&fast);
            assert!((value - found_value).abs() < 1e-3 * value.abs().max(1.0), "{value} {found_value}");
            assert_eq!(found.len(), expected.len());
            for ((name, a), (other, b)) in expected.iter().zip(&found) {
                assert_eq!(name, other);
                let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
                let (aa, bb, ab) = (dot(a, a), dot(b, b), dot(a, b));
                // A gradient that is zero but for rounding has no direction.
                if aa > 1e-6 {
                    let cosine = ab / (aa * bb).sqrt();
                    assert!(
                        cosine > 0.999 && (bb / aa - 1.0).abs() < 0.02,
                        "{round} {name}: {cosine} {aa} {bb}"
                    );
                }
            }
        }
    }

    fn pixels(n: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * 7919 + i / 13) % 101) as f32 / 50.0 - 1.0).collect()
    }

    #[test]
    fn the_embedder_learns_the_same_on_both() {
        let arch = EmbedderArchitecture { side: 64, ..EmbedderArchitecture::default() };
        let pixels = pixels(10 * 3 * 64 * 64);
        check(|pass| {
            let out = embedder::forward(pass, &arch, CATEGORIES.len(), &pixels);
            let wish =
                pass.constant((0..10 * 256).map(|i| ((i * 31) % 17) as f32 / 170.0).collect(), [10, 256]);
            let gap = out.embedding - wish;
            (gap.clone() * gap).sum()
                + out.category.slice([0..10, 2..3]).sum()
                + out.tokens.slice([0..99, 5..6]).sum()
        });
    }

    #[test]
    fn the_detector_learns_the_same_on_both() {
        let arch = DetectorArchitecture::default();
        let pixels = pixels(3 * 3 * 64 * 64);
        let rect = Rect { x: 10.0, y: 12.0, w: 30.0, h: 40.0 };
        let truth = vec![vec![Target { rect, category: 2, open: false }]; 3];
        check(|pass| {
            let out = detector::forward(pass, &arch, CATEGORIES.len(), &pixels, 64);
            detector::loss(pass, &arch, out, &truth).0
        });
    }
}
