//! Losses of the embedder.
use burn::tensor::{
    Int, Tensor, TensorData,
    activation::{log_softmax, sigmoid},
};

use std::collections::BTreeMap;

use crate::{crew::Crew, layers::unit, params::Pass};

/// Embeddings of earlier batches with their ids: more negatives at no cost (Wang et al., cross-batch memory, 2020).
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    dim: usize,
    capacity: usize,
    next: usize,
    vectors: Vec<f32>,
    labels: Vec<Label>,
}

/// Whose picture it is. `product` is what must be found again; samples that share only `family` (another colour of the
/// same article) are neither pulled together nor pushed apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Label {
    pub(crate) product: u64,
    pub(crate) family: u64,
}

impl Memory {
    pub(crate) fn new(dim: usize, capacity: usize) -> Self {
        Self { dim, capacity, next: 0, vectors: Vec::new(), labels: Vec::new() }
    }

    pub(crate) fn push(&mut self, rows: &[f32], labels: &[Label]) {
        for (row, label) in rows.chunks_exact(self.dim).zip(labels) {
            if self.labels.len() < self.capacity {
                self.vectors.extend_from_slice(row);
                self.labels.push(*label);
            } else {
                self.vectors[self.next * self.dim..][..self.dim].copy_from_slice(row);
                self.labels[self.next] = *label;
            }
            self.next = (self.next + 1) % self.capacity;
        }
    }
}

impl Memory {
    /// Rows it can hold.
    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// With what others of the crew see in this step: for this step's loss, and from the next step on, where own rows
    /// are in it too and all have the same. None for one who is alone.
    pub(crate) fn with_others(
        &self,
        crew: &dyn Crew,
        rows: &[f32],
        labels: &[Label],
    ) -> Option<(Self, Self)> {
        if crew.size() == 1 {
            return None;
        }
        let ids: Vec<f32> = labels.iter().flat_map(|l| pieces(l.product).chain(pieces(l.family))).collect();
        let (rows, ids) = (crew.gather(rows), crew.gather(&ids));
        let labels: Vec<Label> = ids.chunks_exact(8).map(label_of).collect();
        let (mut now, mut after) = (self.clone(), self.clone());
        after.push(&rows, &labels);
        let own = labels.len() / crew.size();
        for rank in (0..crew.size()).filter(|r| *r != crew.rank()) {
            let share = rank * own..(rank + 1) * own;
            now.push(&rows[share.start * self.dim..share.end * self.dim], &labels[share]);
        }
        Some((now, after))
    }

    /// For a checkpoint. Ids are cut into 16-bit pieces, which f32 holds exactly.
    pub(crate) fn state(&self) -> BTreeMap<String, Vec<f32>> {
        let ids = self.labels.iter().flat_map(|l| pieces(l.product).chain(pieces(l.family))).collect();
        BTreeMap::from([
            ("memory".to_owned(), self.vectors.clone()),
            ("memory_ids".to_owned(), ids),
            ("memory_next".to_owned(), vec![self.next as f32]),
        ])
    }

    pub(crate) fn restore(&mut self, state: &BTreeMap<String, Vec<f32>>) {
        let (Some(vectors), Some(ids), Some(next)) =
            (state.get("memory"), state.get("memory_ids"), state.get("memory_next"))
        else {
            return;
        };
        self.labels = ids.chunks_exact(8).map(label_of).collect();
        self.vectors.clone_from(vectors);
        self.next = next.first().map_or(0, |n| *n as usize);
    }
}

fn pieces(v: u64) -> impl Iterator<Item = f32> {
    (0..4).map(move |i| ((v >> (16 * i)) & 0xffff) as f32)
}

fn label_of(pieces: &[f32]) -> Label {
    let whole = |p: &[f32]| p.iter().rev().fold(0u64, |v, p| (v << 16) | *p as u64);
    Label { product: whole(&pieces[..4]), family: whole(&pieces[4..]) }
}

/// Supervised contrastive loss (Khosla et al., 2020, eq. 2) over a batch and the memory, at the full length and at its
/// first quarter (Matryoshka, Kusupati et al., 2022).
///
/// `embedding`: `[n, dim]`, length 1. Rows without a positive are left out.
pub(crate) fn supervised_contrastive(
    pass: &Pass<'_>,
    embedding: &Tensor<2>,
    labels: &[Label],
    memory: &Memory,
    temperature: f32,
) -> Tensor<1> {
    let [n, dim] = embedding.dims();
    let columns: Vec<Label> = labels.iter().chain(&memory.labels).copied().collect();
    let m = columns.len();
    let (mut weight, mut hide) = (vec![0.0f32; n * m], vec![0.0f32; n * m]);
    let mut rows = 0.0;
    for (i, a) in labels.iter().enumerate() {
        let mut positives = 0;
        for (j, b) in columns.iter().enumerate() {
            if i == j || (a.product != b.product && a.family == b.family) {
                hide[i * m + j] = -1e4;
            } else if a.product == b.product {
                weight[i * m + j] = 1.0;
                positives += 1;
            }
        }
        if positives > 0 {
            rows += 1.0;
            weight[i * m..(i + 1) * m].iter_mut().for_each(|w| *w /= positives as f32);
        }
    }
    let weight = pass.constant(weight, [n, m]);
    let hide = pass.constant(hide, [n, m]);
    let memory = (m > n).then(|| pass.constant(memory.vectors.clone(), [m - n, dim]));
    let at = |length: usize| {
        let cut = |t: Tensor<2>| {
            let rows = t.dims()[0];
            if length == dim { t } else { unit(t.slice([0..rows, 0..length])) }
        };
        let rows_in = cut(embedding.clone());
        let columns = match &memory {
            Some(memory) => Tensor::cat(vec![rows_in.clone(), cut(memory.clone())], 0),
            None => rows_in.clone(),
        };
        let logits = rows_in.matmul(columns.transpose()).div_scalar(temperature) + hide.clone();
        (log_softmax(logits, 1) * weight.clone()).sum().div_scalar(-f32::max(rows, 1.0))
    };
    at(dim) + at(dim / 4).mul_scalar(0.3)
}

/// Mean cross entropy of the rows whose label is not negative, with label smoothing 0.05.
pub(crate) fn cross_entropy(pass: &Pass<'_>, logits: Tensor<2>, labels: &[i32]) -> Tensor<1> {
    let classes = logits.dims()[1];
    cross_entropy_within(pass, logits, labels, &vec![0; classes])
}

/// The same where a row's label competes with the classes of its own group only; `groups`: of each class.
pub(crate) fn cross_entropy_within(
    pass: &Pass<'_>,
    logits: Tensor<2>,
    labels: &[i32],
    groups: &[usize],
) -> Tensor<1> {
    let [n, classes] = logits.dims();
    let (mut target, mut hide) = (vec![0.0f32; n * classes], vec![0.0f32; n * classes]);
    let mut rows = 0.0f32;
    for (i, label) in labels.iter().enumerate() {
        let Ok(label) = usize::try_from(*label) else { continue };
        let (target, hide) = (&mut target[i * classes..][..classes], &mut hide[i * classes..][..classes]);
        let beside = |class: usize| groups[class] == groups[label];
        let others = (0..classes).filter(|class| beside(*class)).count() as f32;
        for class in 0..classes {
            if beside(class) {
                target[class] = 0.05 / others;
            } else {
                hide[class] = -1e4;
            }
        }
        target[label] += 0.95;
        rows += 1.0;
    }
    let logits = logits + pass.constant(hide, [n, classes]);
    (log_softmax(logits, 1) * pass.constant(target, [n, classes])).sum().div_scalar(-rows.max(1.0))
}

/// Teacher vectors for some rows of a batch.
pub(crate) struct Teaching {
    pub(crate) rows: Vec<i32>,
    /// `[rows, dim]`, length 1, centred.
    pub(crate) vectors: Vec<f32>,
    pub(crate) dim: usize,
}

impl Teaching {
    pub(crate) fn new(dim: usize) -> Self {
        Self { rows: Vec::new(), vectors: Vec::new(), dim }
    }

    pub(crate) fn push(&mut self, row: usize, vector: &[f32]) {
        self.rows.push(row as i32);
        self.vectors.extend_from_slice(vector);
    }
}

/// Distillation: cosine between a projection of the embedding and the teacher's vector, and equal similarities between
/// all pairs of rows (relational distillation, Park et al., 2019).
pub(crate) fn distillation(
    pass: &Pass<'_>,
    embedding: &Tensor<2>,
    projection: Tensor<2>,
    teaching: &Teaching,
) -> Tensor<1> {
    let (rows, teacher) = taught(pass, teaching);
    let student = embedding.clone().select(0, rows.clone());
    let cosine = (unit(projection.select(0, rows)) * teacher.clone()).sum_dim(1).mean();
    let gap = student.clone().matmul(student.transpose()) - teacher.clone().matmul(teacher.transpose());
    let relation = (gap.clone() * gap).mean();
    relation.mul_scalar(4.0) + cosine.neg().add_scalar(1.0)
}

/// Distillation of the map (FitNets, Romero et al., 2015): cosine between projected cells, `[n, teacher]`, and what the
/// teacher's map holds at the same points.
pub(crate) fn cell_distillation(pass: &Pass<'_>, projection: Tensor<2>, teaching: &Teaching) -> Tensor<1> {
    let (rows, teacher) = taught(pass, teaching);
    (unit(projection.select(0, rows)) * teacher).sum_dim(1).mean().neg().add_scalar(1.0)
}

fn taught(pass: &Pass<'_>, teaching: &Teaching) -> (Tensor<1, Int>, Tensor<2>) {
    let n = teaching.rows.len();
    let rows = Tensor::<1, Int>::from_data(TensorData::new(teaching.rows.clone(), [n]), pass.device());
    (rows, pass.constant(teaching.vectors.clone(), [n, teaching.dim]))
}

/// Pairs of token rows that show the same point of a garment.
pub(crate) struct Correspondence {
    pub(crate) a: Vec<i32>,
    pub(crate) b: Vec<i32>,
    /// Same length; two entries of one picture closer than two cells are not negatives of each other.
    pub(crate) place: Vec<(u32, f32, f32)>,
}

/// InfoNCE over corresponding tokens, both ways, and a saliency that learns where tokens are found again.
pub(crate) fn local_contrast(
    pass: &Pass<'_>,
    tokens: &Tensor<2>,
    saliency: &Tensor<1>,
    pairs: &Correspondence,
) -> Tensor<1> {
    let n = pairs.a.len();
    let index = |v: &[i32]| Tensor::<1, Int>::from_data(TensorData::new(v.to_vec(), [n]), pass.device());
    let a = tokens.clone().select(0, index(&pairs.a));
    let b = tokens.clone().select(0, index(&pairs.b));
    let mut hide = vec![0.0f32; n * n];
    let mut eye = vec![0.0f32; n * n];
    for (i, p) in pairs.place.iter().enumerate() {
        eye[i * n + i] = 1.0;
        for (j, q) in pairs.place.iter().enumerate() {
            if i != j && p.0 == q.0 && (p.1 - q.1).abs() < 2.0 && (p.2 - q.2).abs() < 2.0 {
                hide[i * n + j] = -1e4;
            }
        }
    }
    let hide = pass.constant(hide, [n, n]);
    let eye = pass.constant(eye, [n, n]);
    let logits = a.matmul(b.transpose()).div_scalar(0.07);
    let forth = log_softmax(logits.clone() + hide.clone(), 1) * eye.clone();
    let back = log_softmax(logits.transpose() + hide.transpose(), 1) * eye;
    let found = forth.clone().sum_dim(1).exp().detach().reshape([n]);
    let logit = saliency.clone().select(0, index(&pairs.a));
    let gap = sigmoid(logit) - found;
    (forth.sum() + back.sum()).div_scalar(-2.0 * n as f32) + (gap.clone() * gap).mean()
}
