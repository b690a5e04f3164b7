//! How the vector of one node is cut into codes.
//!
//! In: a turned vector. Out: two records and, from them, distances. Knows nothing of links or walks.
//!
//! The *near* record has the front, one byte a number, in whole cache lines; walks and the choice of links
//! read nothing else. The *far* record has half a byte more for each number of the front and a byte for each number of
//! the rest, in two *planes* of half-bytes, for the last comparison; graphs of version 1 have the upper plane only.
//! Drawn byte by byte in docs/formats/index-graph.md.
use super::frame::{Frame, front_of};
use crate::kernels::{FACTORS, Kernels};

/// Sizes of the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    /// Numbers of the front.
    front: usize,
    /// Numbers of the rest.
    rest: usize,
    /// Half-bytes for each of these: 1 or 2.
    pub(crate) planes: usize,
    /// Bytes of one plane, a multiple of 32.
    plane: usize,
    /// Bytes of a near record.
    pub(crate) near: usize,
    /// Bytes of a far record, a multiple of 32.
    pub(crate) far: usize,
}

/// Two rests are taken to be no farther apart than the fronts by this factor (of squared distances). Otherwise, as if
/// they had nothing in common. Without it a picture with a large rest was far even from itself, and one in ten was
/// not found by a walk of 20; the larger it is, the fewer others come forward with it.
const ALIKE: f32 = 8.0;

/// What stands before the codes of a near record.
#[derive(Clone, Copy)]
struct Factors {
    /// A number of the front is its code times this.
    step: f32,
    /// Squared length of the turned vector, as given.
    norm: f32,
    /// Squared length of the coded front.
    coded: f32,
}

impl Factors {
    #[inline]
    fn of(record: &[u8]) -> Self {
        let at = |i: usize| f32::from_le_bytes([record[i], record[i + 1], record[i + 2], record[i + 3]]);
        Self { step: at(0), norm: at(4), coded: at(8) }
    }
}

impl Form {
    pub(crate) fn new(frame: &Frame, planes: usize) -> Self {
        assert!((1..=2).contains(&planes));
        let (near, rest) = (64 * frame.lines, frame.rest);
        let plane = (rest / 2).next_multiple_of(32);
        Self { front: front_of(frame.lines), rest, planes, plane, near, far: near / 2 + planes * plane }
    }

    /// Half of the largest code of a number of the rest: the code of 0.
    fn middle(&self) -> f32 {
        if self.planes == 1 { 7.5 } else { 127.5 }
    }

    /// Squared length of the turned vector.
    pub(crate) fn norm(&self, near: &[u8]) -> f32 {
        Factors::of(near).norm
    }

    /// Where in a far record the step of the rest stands: behind the halves of the front.
    fn rest_step(&self, far: &[u8]) -> f32 {
        let at = self.front / 2;
        f32::from_le_bytes([far[at], far[at + 1], far[at + 2], far[at + 3]])
    }

    /// Writes both records; returns the distance between the vector and what is coded of it.
    pub(crate) fn write(&self, near: &mut [u8], far: &mut [u8], turned: &[f32]) -> f32 {
        let (front, rest) = turned.split_at(self.front);
        let largest = front.iter().fold(0.0f32, |m, x| m.max(x.abs()));
        let step = if largest > 0.0 { largest / 127.0 } else { 1.0 };
        far.fill(0);
        let mut sum = 0i32;
        let mut lost = 0.0f64;
        for (i, &x) in front.iter().enumerate() {
            let whole = (x / step * 16.0).round().clamp(-2032.0, 2032.0) as i32;
            let high = (whole + 8) >> 4;
            sum += high * high;
            near[FACTORS + i] = (high + 128) as u8;
            put_nibble(&mut far[..self.front / 2], i, (whole - high * 16 + 8) as u8);
            lost += f64::from(x - whole as f32 / 16.0 * step).powi(2);
        }
        let rest_step = self.write_rest(&mut far[self.near / 2..], rest, &mut lost);
        far[self.front / 2..][..4].copy_from_slice(&rest_step.to_le_bytes());
        let norm = turned.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>() as f32;
        for (at, factor) in [step, norm, step * step * sum as f32].into_iter().enumerate() {
            near[4 * at..4 * at + 4].copy_from_slice(&factor.to_le_bytes());
        }
        lost.sqrt() as f32
    }

    /// Codes of the rest: a number is its code less the middle one, times the step that is returned. With one plane
    /// the step is the best of a few around the one that suits bell-shaped numbers (Max 1960), with two none is too
    /// large for it; then it is corrected so that the product with the vector itself is right, which makes products
    /// with its like right on average.
    fn write_rest(&self, packed: &mut [u8], rest: &[f32], lost: &mut f64) -> f32 {
        let length = rest.iter().map(|x| x * x).sum::<f32>();
        if length <= 0.0 {
            return 0.0;
        }
        let middle = self.middle();
        let spread = (length / rest.len() as f32).sqrt();
        let code = |x: f32, step: f32| (x / step + middle).round_ties_even().clamp(0.0, 2.0 * middle);
        let step = if self.planes == 1 {
            let error =
                |step: f32| rest.iter().map(|&x| (x - (code(x, step) - middle) * step).powi(2)).sum::<f32>();
            let tried = [0.28, 0.335, 0.4, 0.5].map(|share| (error(share * spread), share * spread));
            tried.into_iter().fold((f32::INFINITY, spread), |a, b| if b.0 < a.0 { b } else { a }).1
        } else {
            rest.iter().fold(0.0f32, |m, x| m.max(x.abs())) / middle
        };
        let (upper, lower) = packed.split_at_mut(self.plane);
        let mut product = 0.0;
        for (i, &x) in rest.iter().enumerate() {
            let code = code(x, step);
            product += x * (code - middle) * step;
            if self.planes == 1 {
                put_nibble(upper, i, code as u8);
            } else {
                put_nibble(upper, i, code as u8 >> 4);
                put_nibble(lower, i, code as u8 & 15);
            }
        }
        let corrected = if product > 0.0 { step * length / product } else { step };
        for &x in rest {
            *lost += f64::from(x - (code(x, step) - middle) * corrected).powi(2);
        }
        corrected
    }

    /// Squared distance of two nodes' fronts; 0 for equal ones. Without the norms of the rests, unlike
    /// [`Form::distance`]: those would make all nodes of a tight cluster equally far from each other, and links that
    /// lead out of it would lose their places (at 784 dimensions recall never came above 0.985).
    pub(crate) fn between(&self, kernels: &Kernels, a: &[u8], b: &[u8]) -> f32 {
        let (x, y) = (Factors::of(a), Factors::of(b));
        let dot = (kernels.between)(a, b) as f32;
        // Grouped as in `write`, so that equal vectors cancel exactly.
        let cross = 2.0 * ((x.step * y.step) * dot);
        (x.coded + y.coded - cross).max(0.0)
    }

    /// About the squared distance of the query to the node whose near record gave `dot`.
    #[inline]
    pub(crate) fn distance(query: &Probe, near: &[u8], dot: i32) -> f32 {
        let Factors { step, norm, coded } = Factors::of(near);
        let front = query.front_norm + coded - (query.twice * step) * (dot - query.bias) as f32;
        let rests = query.norm - query.front_norm + norm - coded;
        front + rests.min(ALIKE * front.max(0.0))
    }

    /// The same by all that is coded.
    pub(crate) fn fine_distance(&self, kernels: &Kernels, query: &Fine, near: &[u8], far: &[u8]) -> f32 {
        let Factors { step, norm, .. } = Factors::of(near);
        let mut dots = [0; 2];
        for (part, dot) in [&query.probe.front, &query.low].into_iter().zip(&mut dots) {
            (kernels.near)(part, &[near], std::slice::from_mut(dot));
        }
        let [high, low] = [dots[0] - query.probe.bias, dots[1] - query.low_bias];
        let (halves, rest) = far.split_at(self.near / 2);
        let half = (kernels.nibbles)(&query.halves[0], &query.halves[1], halves) - query.half_bias;
        let front = high as f32 + low as f32 / 256.0 + half as f32 / 16.0;
        let mut product = query.probe.twice * step * front;
        if self.rest > 0 {
            // The upper plane counts sixteenfold if there is a lower one.
            let planes = rest.chunks_exact(self.plane);
            let dot = planes
                .fold(0, |sum, plane| 16 * sum + (kernels.nibbles)(&query.rest[0], &query.rest[1], plane));
            product += query.rest_twice * self.rest_step(far) * (dot as f32 - query.rest_bias);
        }
        query.probe.norm + norm - product
    }

    /// The vector as coded, for a query.
    pub(crate) fn decode(&self, near: &[u8], far: &[u8]) -> Vec<f32> {
        let step = Factors::of(near).step;
        let (halves, rest) = (&far[..self.front / 2], &far[self.near / 2..]);
        let front = near[FACTORS..]
            .iter()
            .enumerate()
            .map(|(i, &code)| step * (f32::from(code) - 128.0 + (f32::from(nibble(halves, i)) - 8.0) / 16.0));
        let rest_step = self.rest_step(far);
        let planes = || rest.chunks_exact(self.plane.max(1));
        let code = |i: usize| planes().fold(0.0, |code, plane| 16.0 * code + f32::from(nibble(plane, i)));
        let rest = (0..self.rest).map(|i| rest_step * (code(i) - self.middle()));
        front.chain(rest).collect()
    }
}

/// The lower halves hold the first numbers, the upper ones the others.
fn put_nibble(packed: &mut [u8], i: usize, value: u8) {
    let count = packed.len();
    if i < count {
        packed[i] |= value;
    } else {
        packed[i - count] |= value << 4;
    }
}

fn nibble(packed: &[u8], i: usize) -> u8 {
    if i < packed.len() { packed[i] & 15 } else { packed[i - packed.len()] >> 4 }
}

/// A turned query, made ready to walk with.
pub(crate) struct Probe {
    /// Squared length.
    norm: f32,
    /// Squared length of the front.
    front_norm: f32,
    /// Twice the step of the front.
    twice: f32,
    /// As long as a near record; zeros where that has no codes.
    front: Vec<i8>,
    /// What the codes' offset of 128 adds to a product.
    bias: i32,
}

/// A turned query, made ready for the last comparison.
pub(crate) struct Fine {
    pub(crate) probe: Probe,
    /// The second byte of each number of the front.
    low: Vec<i8>,
    low_bias: i32,
    /// The front once more, for the half-bytes.
    halves: [Vec<i8>; 2],
    half_bias: i32,
    rest: [Vec<i8>; 2],
    /// Twice the step of the rest.
    rest_twice: f32,
    rest_bias: f32,
}

fn sum(x: &[i8]) -> i32 {
    x.iter().map(|&x| i32::from(x)).sum()
}

/// In two rows for the half-bytes of `bytes` bytes.
fn spread(x: &[i8], first: usize, bytes: usize) -> [Vec<i8>; 2] {
    let (lower, upper) = x.split_at(first.min(x.len()));
    [lower, upper].map(|part| {
        let mut row = part.to_vec();
        row.resize(bytes, 0);
        row
    })
}

impl Probe {
    /// `turned` as [`Frame::turn`] gives it.
    pub(crate) fn new(form: &Form, turned: &[f32]) -> Self {
        Self::cut(form, turned).0
    }

    /// With the second bytes.
    fn cut(form: &Form, turned: &[f32]) -> (Self, Vec<i8>) {
        let numbers = &turned[..form.front];
        let largest = numbers.iter().fold(0.0f32, |m, x| m.max(x.abs()));
        let step = if largest > 0.0 { largest / 127.0 } else { 1.0 };
        let inverse = 256.0 / step;
        let (mut front, mut low) = (vec![0; form.near], vec![0; form.near]);
        for (i, x) in numbers.iter().enumerate() {
            let whole = (x * inverse).round_ties_even().clamp(-32_512.0, 32_512.0) as i32;
            let high = (whole + 128) >> 8;
            front[FACTORS + i] = high as i8;
            low[FACTORS + i] = (whole - high * 256) as i8;
        }
        let squared = |x: &[f32]| x.iter().map(|x| x * x).sum::<f32>();
        let (norm, front_norm) = (squared(turned), squared(numbers));
        let bias = 128 * sum(&front);
        (Self { norm, front_norm, twice: 2.0 * step, front, bias }, low)
    }

    pub(crate) fn front(&self) -> &[i8] {
        &self.front
    }
}

impl Fine {
    pub(crate) fn new(form: &Form, turned: &[f32]) -> Self {
        let (probe, low) = Probe::cut(form, turned);
        let numbers = &turned[form.front..];
        let largest = numbers.iter().fold(0.0f32, |m, x| m.max(x.abs()));
        let step = if largest > 0.0 { largest / 127.0 } else { 1.0 };
        let rest: Vec<i8> = numbers.iter().map(|x| (x / step).round_ties_even() as i8).collect();
        Self {
            low_bias: 128 * sum(&low),
            low,
            halves: spread(&probe.front[FACTORS..], form.front / 2, form.near / 2),
            half_bias: 8 * sum(&probe.front),
            rest_twice: 2.0 * step,
            rest_bias: form.middle() * sum(&rest) as f32,
            rest: spread(&rest, form.plane, form.plane),
            probe,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Metric, Shape, graph::learn::Chance};

    #[test]
    fn distances_by_codes_are_near_the_true_ones_and_zero_for_equal_vectors() {
        let mut chance = Chance(4);
        let mut bell = || (0..4).map(|_| (chance.next() >> 40) as f32 / (1 << 24) as f32 - 0.5).sum::<f32>();
        for (dim, learned) in [(3, false), (52, false), (65, false), (300, true), (300, false), (784, true)] {
            let shape = Shape { dim, metric: Metric::L2, stamp: [0; 32] };
            let fall = if learned { 2.0 } else { 0.0 };
            let mut vector =
                || (0..dim).map(|i| bell() * (1.0 + i as f32).powf(-fall / 2.0)).collect::<Vec<_>>();
            let sample: Vec<f32> = (0..1000).flat_map(|_| vector()).collect();
            let frame = Frame::learn(shape, &sample.chunks_exact(dim).collect::<Vec<_>>());
            assert!(frame.rest > 0 || !learned, "{dim}");
            for planes in [1, 2] {
                check(&frame, planes, &sample);
            }
        }
    }

    fn check(frame: &Frame, planes: usize, sample: &[f32]) {
        let (form, kernels, dim) = (Form::new(frame, planes), Kernels::detected(), frame.shape.dim);
        let mut records = Vec::new();
        for x in sample.chunks_exact(dim).take(60) {
            let turned = frame.turn(x);
            let (mut near, mut far) = (vec![0; form.near], vec![0; form.far]);
            let lost = form.write(&mut near, &mut far, &turned);
            let norm = turned.iter().map(|x| x * x).sum::<f32>();
            assert!(lost * lost < 2e-3 * norm.max(1e-6), "{dim}: {lost}");
            let decoded = form.decode(&near, &far);
            let off: f32 = decoded.iter().zip(&turned).map(|(a, b)| (a - b) * (a - b)).sum();
            assert!((off.sqrt() - lost).abs() < 1e-4, "{dim}: {off} {lost}");
            records.push((near, far, turned));
        }
        for (near, _, turned) in &records {
            assert_eq!(form.between(kernels, near, near), 0.0);
            let query = Fine::new(&form, turned);
            for (other_near, other_far, other) in &records {
                let truth: f32 = turned.iter().zip(other).map(|(a, b)| (a - b) * (a - b)).sum();
                let scale = turned.iter().chain(other).map(|x| x * x).sum::<f32>();
                let fine = form.fine_distance(kernels, &query, other_near, other_far);
                let within = if planes == 1 { 3e-3 } else { 1e-3 };
                assert!((fine - truth).abs() < within * scale, "{dim}, {planes}: {fine} {truth}");
                let mut dot = [0];
                (kernels.near)(query.probe.front(), &[other_near], &mut dot);
                let coarse = Form::distance(&query.probe, other_near, dot[0]);
                assert!((coarse - truth).abs() < 0.35 * scale, "{dim}: {coarse} {truth}");
                // Links are chosen by the fronts alone.
                let pairs = turned.iter().zip(other).take(form.front);
                let front: f32 = pairs.map(|(a, b)| (a - b) * (a - b)).sum();
                let between = form.between(kernels, near, other_near);
                assert!((between - front).abs() < 0.02 * scale, "{dim}: {between} {front}");
            }
        }
    }
}
