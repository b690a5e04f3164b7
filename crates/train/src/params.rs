//! A network's parameters by name, on the host: values, AdamW state, running averages, batch statistics.
//!
//! In: gradients. Out: new values, and what a checkpoint holds. Knows nothing of layers. Keeping the state on the
//! host as plain arrays makes checkpoints exact, the optimiser one loop, and leaves one seam (the gradient slices)
//! for an all-reduce between machines.
use burn::tensor::{Device, Gradients, Tensor, TensorData, module::batch_norm_train};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, HashMap, btree_map::Entry},
    path::Path,
};

use twinset_nets::{Package, Tensor as PackageTensor};

use crate::{
    crew::{Alone, Crew},
    error::TrainError,
    layers::has_identity,
    trunk::{Arena, Trunk, Weights},
};

/// How a parameter starts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Init {
    /// Normal with variance `2 / fan_in` (He et al. 2015).
    He,
    /// Normal with variance `1 / fan_in`.
    Lecun,
    /// Every element this value.
    Constant(f32),
}

#[derive(Clone, Debug)]
struct Param {
    shape: Vec<usize>,
    value: Vec<f32>,
    first: Vec<f32>,
    second: Vec<f32>,
    average: Vec<f32>,
}

impl Param {
    fn new(shape: Vec<usize>, value: Vec<f32>) -> Self {
        let n = value.len();
        Self { shape, average: value.clone(), first: vec![0.0; n], second: vec![0.0; n], value }
    }
}

/// Mean and variance of a batch-norm layer, averaged over steps.
#[derive(Clone, Debug)]
pub(crate) struct Stats {
    pub(crate) mean: Vec<f32>,
    pub(crate) variance: Vec<f32>,
}

/// AdamW settings (Loshchilov and Hutter, 2019).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) learning_rate: f32,
    pub(crate) weight_decay: f32,
    /// Gradients are scaled down to this global length.
    pub(crate) clip: f32,
}

/// All parameters of one network.
#[derive(Clone, Debug, Default)]
pub(crate) struct Params {
    seed: u64,
    steps: u64,
    by_name: BTreeMap<String, Param>,
    stats: BTreeMap<String, Stats>,
    /// Of networks that come in their fused form: the bias that a batch norm shall give, or none for one that shall
    /// change nothing. Its scale and shift follow from the first batch.
    fused: BTreeMap<String, Vec<f32>>,
    /// Began as a package: residual blocks that it lacks start with a small scale, so that a deeper network starts as
    /// nearly the same function (Goyal et al., 2017, start them at zero for the same reason).
    grown: bool,
}

/// First scale of a residual branch that a trained network is grown by.
const GROWN_SCALE: f32 = 0.1;

const BETA_1: f32 = 0.9;
const BETA_2: f32 = 0.99;
const AVERAGE_DECAY: f32 = 0.998;
pub(crate) const BN_EPSILON: f32 = 1e-5;

impl Params {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// The weights of a package, to be trained on. Layers that it lacks start by chance.
    ///
    /// Batch norms are folded into their convolutions there. They come back from the first batch: a scale and shift
    /// that undo the normalisation, so that the network starts as the same function.
    pub(crate) fn from_package(package: &Package, seed: u64) -> Self {
        let mut params = Self { grown: true, ..Self::new(seed) };
        for PackageTensor { name, shape, data: mut value } in package.tensors() {
            let Some((layer, part)) = name.rsplit_once('.') else { continue };
            let kernel = package.tensor(&format!("{layer}.weight")).map(|w| w.shape).filter(|s| s.len() == 4);
            let normalised = kernel.is_some() && !["local", "cls", "reg"].contains(&layer);
            if part == "p" {
                continue;
            }
            if normalised && part == "bias" {
                params.fused.insert(layer.to_owned(), value);
                continue;
            }
            let halves = layer == "stem" || layer.starts_with('s') && layer.ends_with(".0");
            if normalised && has_identity(shape[1], shape[0], shape[2], if halves { 2 } else { 1 }) {
                let taps = shape[2] * shape[3];
                for o in 0..shape[0] {
                    value[(o * shape[1] + o) * taps + taps / 2] -= 1.0;
                }
            }
            params.by_name.insert(name, Param::new(shape, value));
        }
        params.fused.insert("neck".into(), Vec::new());
        params
    }

    /// Sets scale and shift of the batch norm `name` from the statistics of its first batch, if it came fused.
    fn unfuse(&mut self, name: &str, stats: &Stats) {
        let Some(bias) = self.fused.remove(name) else { return };
        let gamma: Vec<f32> = stats.variance.iter().map(|v| (v + BN_EPSILON).sqrt()).collect();
        let beta: Vec<f32> =
            stats.mean.iter().enumerate().map(|(i, m)| m + bias.get(i).copied().unwrap_or(0.0)).collect();
        for (part, value) in [("gamma", gamma), ("beta", beta)] {
            self.by_name.insert(format!("{name}.{part}"), Param::new(vec![value.len()], value));
        }
        self.stats.insert(name.to_owned(), stats.clone());
    }

    /// Optimiser steps taken.
    pub(crate) fn steps(&self) -> u64 {
        self.steps
    }

    /// Names and lengths of all parameters, by name.
    pub(crate) fn lengths(&self) -> impl Iterator<Item = (&str, usize)> {
        self.by_name.iter().map(|(name, p)| (&name[..], p.value.len()))
    }

    fn declare(&mut self, name: &str, shape: &[usize], init: Init) -> &Param {
        let seed = self.seed;
        self.by_name.entry(name.to_owned()).or_insert_with(|| {
            let n: usize = shape.iter().product();
            let fan_in: usize = shape[1..].iter().product::<usize>().max(1);
            let mut key = blake3::Hasher::new();
            key.update(&seed.to_le_bytes());
            key.update(name.as_bytes());
            let mut rng = ChaCha8Rng::from_seed(*key.finalize().as_bytes());
            let value: Vec<f32> = match init {
                Init::Constant(c) => vec![c; n],
                Init::He | Init::Lecun => {
                    let gain = if matches!(init, Init::He) { 2.0 } else { 1.0 };
                    let deviation = (gain / fan_in as f32).sqrt();
                    (0..n).map(|_| normal(&mut rng) * deviation).collect()
                }
            };
            Param::new(shape.to_vec(), value)
        })
    }

    /// One AdamW step; `gradients` by name, as long as the parameters. Returns the gradient's global length.
    ///
    /// # Errors
    /// [`TrainError::NotFinite`] if a gradient is not finite; nothing is changed then.
    pub(crate) fn step(
        &mut self,
        mut gradients: Vec<(String, Vec<f32>)>,
        step: Step,
    ) -> Result<f32, TrainError> {
        let length =
            gradients.iter().flat_map(|(_, g)| g).map(|g| f64::from(*g) * f64::from(*g)).sum::<f64>().sqrt()
                as f32;
        if !length.is_finite() {
            return Err(TrainError::NotFinite { step: self.steps });
        }
        let scale = if length > step.clip { step.clip / length } else { 1.0 };
        self.steps += 1;
        let t = self.steps as f32;
        let (c1, c2) = (1.0 - BETA_1.powf(t), 1.0 - BETA_2.powf(t));
        let keep = AVERAGE_DECAY.min((1.0 + t) / (10.0 + t));
        for (name, g) in &mut gradients {
            let Some(p) = self.by_name.get_mut(name) else { continue };
            // Vectors (biases, gamma, beta) are not decayed, as is usual.
            let decay = if p.shape.len() > 1 { step.learning_rate * step.weight_decay } else { 0.0 };
            for i in 0..g.len() {
                let g = g[i] * scale;
                p.first[i] = BETA_1 * p.first[i] + (1.0 - BETA_1) * g;
                p.second[i] = BETA_2 * p.second[i] + (1.0 - BETA_2) * g * g;
                let update = (p.first[i] / c1) / ((p.second[i] / c2).sqrt() + 1e-8);
                p.value[i] -= step.learning_rate * update + decay * p.value[i];
                p.average[i] = keep * p.average[i] + (1.0 - keep) * p.value[i];
            }
        }
        Ok(length)
    }

    /// Counts a step that changed nothing.
    pub(crate) fn pass_over(&mut self) {
        self.steps += 1;
    }

    /// The averaged values, shapes and batch statistics: what is exported.
    pub(crate) fn averaged(&self, name: &str) -> (&[usize], &[f32]) {
        let p = self.by_name.get(name).unwrap_or_else(|| panic!("no parameter {name}"));
        (&p.shape, &p.average)
    }

    /// Weight `[out, in, k, k]` and bias of `<name>` with its batch norm folded in; with `identity`, the residual
    /// branch becomes one at the centre tap (Ding et al., RepVGG, 2021).
    pub(crate) fn fused_conv(&self, name: &str, identity: bool) -> (Vec<usize>, Vec<f32>, Vec<f32>) {
        let (shape, weight) = self.averaged(&format!("{name}.weight"));
        let (_, gamma) = self.averaged(&format!("{name}.gamma"));
        let (_, beta) = self.averaged(&format!("{name}.beta"));
        let stats = &self.stats[name];
        let per = weight.len() / shape[0];
        let (mut w, mut b) = (weight.to_vec(), vec![0.0; shape[0]]);
        for o in 0..shape[0] {
            let s = gamma[o] / (stats.variance[o] + BN_EPSILON).sqrt();
            w[o * per..(o + 1) * per].iter_mut().for_each(|w| *w *= s);
            b[o] = beta[o] - stats.mean[o] * s;
            if identity {
                let taps = shape[2] * shape[3];
                w[o * per + o * taps + taps / 2] += 1.0;
            }
        }
        (shape.to_vec(), w, b)
    }

    /// Scale and shift of the batch norm `<name>` with the statistics `<stats>`: `y = x * scale + shift`.
    pub(crate) fn fused_norm(&self, name: &str, stats: &str) -> (Vec<f32>, Vec<f32>) {
        let (_, gamma) = self.averaged(&format!("{name}.gamma"));
        let (_, beta) = self.averaged(&format!("{name}.beta"));
        let stats = &self.stats[stats];
        gamma
            .iter()
            .zip(beta)
            .zip(stats.mean.iter().zip(&stats.variance))
            .map(|((g, b), (m, v))| {
                let s = g / (v + BN_EPSILON).sqrt();
                (s, b - m * s)
            })
            .unzip()
    }

    /// Everything that a run needs to go on exactly.
    pub(crate) fn save(&self, path: &Path, extra: &BTreeMap<String, Vec<f32>>) -> Result<(), TrainError> {
        let mut tensors: Vec<(String, Vec<usize>, &[f32])> = Vec::new();
        for (name, p) in &self.by_name {
            for (part, data) in
                [("value", &p.value), ("first", &p.first), ("second", &p.second), ("average", &p.average)]
            {
                tensors.push((format!("{part}/{name}"), p.shape.clone(), data));
            }
        }
        for (name, s) in &self.stats {
            tensors.push((format!("mean/{name}"), vec![s.mean.len()], &s.mean));
            tensors.push((format!("variance/{name}"), vec![s.variance.len()], &s.variance));
        }
        for (name, v) in extra {
            tensors.push((format!("extra/{name}"), vec![v.len()], v));
        }
        let bytes: Vec<(String, Vec<usize>, Vec<u8>)> = tensors
            .into_iter()
            .map(|(n, s, d)| (n, s, d.iter().flat_map(|x| x.to_le_bytes()).collect()))
            .collect();
        let views = bytes
            .iter()
            .map(|(n, s, d)| Ok((n.as_str(), TensorView::new(Dtype::F32, s.clone(), d)?)))
            .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
            .map_err(|e| TrainError::Checkpoint { path: path.into(), reason: e.to_string() })?;
        let meta = HashMap::from([
            ("steps".to_owned(), self.steps.to_string()),
            ("seed".to_owned(), self.seed.to_string()),
        ]);
        let whole = safetensors::serialize(views, Some(meta))
            .map_err(|e| TrainError::Checkpoint { path: path.into(), reason: e.to_string() })?;
        crate::run::replace_file(path, &whole)
    }

    /// Reads what [`Params::save`] wrote; returns the extra vectors too.
    pub(crate) fn load(path: &Path) -> Result<(Self, BTreeMap<String, Vec<f32>>), TrainError> {
        let bad = |reason: String| TrainError::Checkpoint { path: path.into(), reason };
        let bytes = std::fs::read(path).map_err(|e| TrainError::io(path, e))?;
        let (_, meta) = SafeTensors::read_metadata(&bytes).map_err(|e| bad(e.to_string()))?;
        let number = |key: &str| {
            meta.metadata()
                .as_ref()
                .and_then(|m| m.get(key))
                .and_then(|v| v.parse().ok())
                .ok_or_else(|| bad(format!("{key} is missing")))
        };
        let mut params = Params { seed: number("seed")?, steps: number("steps")?, ..Params::default() };
        let mut extra = BTreeMap::new();
        let whole = SafeTensors::deserialize(&bytes).map_err(|e| bad(e.to_string()))?;
        for (key, view) in whole.iter() {
            let data: Vec<f32> =
                view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
            let (part, name) = key.split_once('/').ok_or_else(|| bad(format!("odd tensor {key}")))?;
            match part {
                "mean" | "variance" => {
                    let s = params
                        .stats
                        .entry(name.to_owned())
                        .or_insert_with(|| Stats { mean: Vec::new(), variance: Vec::new() });
                    if part == "mean" { s.mean = data } else { s.variance = data }
                }
                "extra" => {
                    extra.insert(name.to_owned(), data);
                }
                _ => {
                    let p = params.by_name.entry(name.to_owned()).or_insert_with(|| Param {
                        shape: view.shape().to_vec(),
                        value: Vec::new(),
                        first: Vec::new(),
                        second: Vec::new(),
                        average: Vec::new(),
                    });
                    match part {
                        "value" => p.value = data,
                        "first" => p.first = data,
                        "second" => p.second = data,
                        "average" => p.average = data,
                        _ => return Err(bad(format!("odd tensor {key}"))),
                    }
                }
            }
        }
        Ok((params, extra))
    }
}

/// One pass of a network over a batch: hands out parameters as tensors and remembers them for the gradients.
pub(crate) struct Pass<'a> {
    params: RefCell<&'a mut Params>,
    /// Where convolutions run on the host's own kernels.
    trunk: Option<RefCell<Trunk<'a>>>,
    /// Maps of the trunk that tensors were made of.
    handed_out: RefCell<Vec<(usize, Tensor<4>)>>,
    device: Device,
    /// False: running statistics and averaged weights, no gradients.
    training: bool,
    leaves: RefCell<HashMap<String, Tensor<1>>>,
    batch_stats: RefCell<Vec<(String, Tensor<1>, Tensor<1>)>>,
    trunk_stats: RefCell<Vec<(String, Stats)>>,
    domain: Cell<&'static str>,
    crew: &'a dyn Crew,
}

/// A map between convolutions, wherever it lies.
#[derive(Clone)]
#[expect(clippy::large_enum_variant, reason = "lives on the stack of one pass, never in a list")]
pub(crate) enum Map {
    /// `[n, channels, height, width]`.
    Tensor(Tensor<4>),
    /// Place in the trunk.
    Host(usize),
}

impl<'a> Pass<'a> {
    /// All on burn: the oracle, and the way to other devices.
    #[cfg(test)]
    pub(crate) fn training(params: &'a mut Params) -> Self {
        Self::new(params, Device::flex().autodiff(), true, None)
    }

    /// Convolutions on the host's kernels, the rest on burn.
    pub(crate) fn on_host(params: &'a mut Params, arena: &'a mut Arena, crew: &'a dyn Crew) -> Self {
        Self { crew, ..Self::new(params, Device::flex().autodiff(), true, Some(Trunk::new(arena, crew))) }
    }

    /// Those who train on other batches meanwhile.
    pub(crate) fn crew(&self) -> &dyn Crew {
        self.crew
    }

    /// Running statistics and averaged weights, all on burn.
    pub(crate) fn inference(params: &'a mut Params) -> Self {
        Self::new(params, Device::flex(), false, None)
    }

    fn new(params: &'a mut Params, device: Device, training: bool, trunk: Option<Trunk<'a>>) -> Self {
        Self {
            params: RefCell::new(params),
            trunk: trunk.map(RefCell::new),
            handed_out: RefCell::default(),
            trunk_stats: RefCell::default(),
            domain: Cell::new(""),
            crew: &Alone,
            device,
            training,
            leaves: RefCell::default(),
            batch_stats: RefCell::default(),
        }
    }

    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    /// What comes next keeps its batch statistics under this name: pictures that differ much (whole photos, crops)
    /// share weights, not statistics (Li et al., AdaBN, 2017).
    pub(crate) fn enter(&self, domain: &'static str) {
        self.domain.set(domain);
    }

    fn of_domain(&self, name: &str) -> String {
        format!("{}{name}", self.domain.get())
    }

    /// The pictures, `[n, 3, side, side]`, normalised.
    pub(crate) fn pictures(&self, pixels: &[f32], side: usize) -> Map {
        let n = pixels.len() / (3 * side * side);
        match &self.trunk {
            Some(trunk) => Map::Host(trunk.borrow_mut().input(pixels, n, side)),
            None => Map::Tensor(self.constant(pixels.to_vec(), [n, 3, side, side])),
        }
    }

    /// A map as a tensor; gradients find their way back.
    pub(crate) fn tensor(&self, map: &Map) -> Tensor<4> {
        match map {
            Map::Tensor(t) => t.clone(),
            Map::Host(node) => {
                let (data, shape) = self.trunk().borrow().map(*node);
                let leaf = self.constant(data, shape).require_grad();
                self.handed_out.borrow_mut().push((*node, leaf.clone()));
                leaf
            }
        }
    }

    fn trunk(&self) -> &RefCell<Trunk<'a>> {
        self.trunk.as_ref().expect("maps on the host come from the trunk")
    }

    /// A block of [`crate::layers`] on the host.
    pub(crate) fn host_block(
        &self,
        name: &str,
        x: usize,
        [out, kernel, stride]: [usize; 3],
        identity: impl Fn(usize) -> bool,
    ) -> usize {
        let mut trunk = self.trunk().borrow_mut();
        let channels = trunk.channels(x);
        let mut params = self.params.borrow_mut();
        params.declare(&format!("{name}.weight"), &[out, channels, kernel, kernel], Init::He);
        let scale = if params.grown && identity(channels) { GROWN_SCALE } else { 1.0 };
        params.declare(&format!("{name}.gamma"), &[out], Init::Constant(scale));
        params.declare(&format!("{name}.beta"), &[out], Init::Constant(0.0));
        let value = |part: &str| &params.by_name[&format!("{name}.{part}")].value[..];
        let weights = Weights { weight: value("weight"), gamma: value("gamma"), beta: value("beta") };
        let bias = params.fused.get(name).map(Vec::as_slice);
        let (to, stats) = trunk.block(name, x, &weights, bias, [out, kernel, stride], identity(channels));
        params.unfuse(name, &stats);
        self.trunk_stats.borrow_mut().push((self.of_domain(name), stats));
        to
    }

    /// `fine` plus `coarse` doubled, on the host.
    pub(crate) fn host_add_doubled(&self, fine: usize, coarse: usize) -> usize {
        self.trunk().borrow_mut().add_doubled(fine, coarse)
    }

    /// A tensor from host numbers, without gradient.
    pub(crate) fn constant<const D: usize>(&self, data: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
        Tensor::from_data(TensorData::new(data, shape), &self.device)
    }

    /// The parameter `name`, declared at first use.
    pub(crate) fn param<const D: usize>(&self, name: &str, shape: [usize; D], init: Init) -> Tensor<D> {
        if let Some(leaf) = self.leaves.borrow().get(name) {
            return leaf.clone().reshape(shape);
        }
        let mut params = self.params.borrow_mut();
        let p = params.declare(name, &shape, init);
        assert_eq!(p.shape, shape, "parameter {name} was declared with another shape");
        let data = if self.training { p.value.clone() } else { p.average.clone() };
        let n = data.len();
        let leaf = Tensor::<1>::from_data(TensorData::new(data, [n]), &self.device);
        let leaf = if self.training { leaf.require_grad() } else { leaf };
        self.leaves.borrow_mut().insert(name.to_owned(), leaf.clone());
        leaf.reshape(shape)
    }

    /// Batch normalisation of `[n, c, ...]` (Ioffe and Szegedy, 2015).
    pub(crate) fn batch_norm<const D: usize>(&self, name: &str, x: Tensor<D>) -> Tensor<D> {
        let c = x.dims()[1];
        if self.training && self.params.borrow().fused.contains_key(name) {
            let n = x.dims().iter().product::<usize>() / c;
            let rows = host(x.clone().detach().swap_dims(0, 1).reshape([c, n]));
            let mean: Vec<f32> = rows.chunks_exact(n).map(|r| r.iter().sum::<f32>() / n as f32).collect();
            let variance = rows.chunks_exact(n).zip(&mean);
            let variance = variance.map(|(r, m)| r.iter().map(|v| (v - m) * (v - m)).sum::<f32>() / n as f32);
            let stats = Stats { variance: variance.collect(), mean };
            self.params.borrow_mut().unfuse(name, &stats);
        }
        let gamma = self.param(&format!("{name}.gamma"), [c], Init::Constant(1.0));
        let beta = self.param(&format!("{name}.beta"), [c], Init::Constant(0.0));
        if self.training {
            let out = batch_norm_train(x, gamma, beta, f64::from(BN_EPSILON));
            self.batch_stats.borrow_mut().push((self.of_domain(name), out.mean, out.variance));
            return out.output;
        }
        let (scale, shift) = self.params.borrow().fused_norm(name, &self.of_domain(name));
        let mut shape = [1; D];
        shape[1] = c;
        x * self.constant(scale, shape) + self.constant(shift, shape)
    }

    /// Back-propagates and collects the gradients and batch statistics.
    pub(crate) fn gradients(self, loss: &Tensor<1>) -> Vec<(String, Vec<f32>)> {
        let mut grads: Gradients = loss.backward();
        let params = self.params.into_inner();
        let of_batch = self
            .batch_stats
            .into_inner()
            .into_iter()
            .map(|(name, mean, variance)| (name, Stats { mean: host(mean), variance: host(variance) }));
        for (name, new) in of_batch.chain(self.trunk_stats.into_inner()) {
            if !new.mean.iter().chain(&new.variance).all(|v| v.is_finite()) {
                continue;
            }
            match params.stats.get_mut(&name) {
                None => {
                    params.stats.insert(name, new);
                }
                Some(s) => {
                    let blend = |old: &mut [f32], new: &[f32]| {
                        old.iter_mut().zip(new).for_each(|(o, n)| *o += 0.03 * (n - *o));
                    };
                    blend(&mut s.mean, &new.mean);
                    blend(&mut s.variance, &new.variance);
                }
            }
        }
        let mut out: BTreeMap<String, Vec<f32>> = self
            .leaves
            .into_inner()
            .into_iter()
            .filter_map(|(name, leaf)| leaf.grad_remove(&mut grads).map(|g| (name, host(g))))
            .collect();
        if let Some(trunk) = self.trunk {
            let mut trunk = trunk.into_inner();
            for (node, leaf) in self.handed_out.into_inner() {
                if let Some(gradient) = leaf.grad_remove(&mut grads) {
                    trunk.set_gradient(node, &host(gradient));
                }
            }
            let value = |name: String| params.by_name[&name].value.clone();
            let found =
                trunk.backward(|name| [value(format!("{name}.weight")), value(format!("{name}.gamma"))]);
            for block in found {
                for (part, gradient) in
                    [("weight", block.weight), ("gamma", block.gamma), ("beta", block.beta)]
                {
                    match out.entry(format!("{}.{part}", block.name)) {
                        Entry::Vacant(e) => {
                            e.insert(gradient);
                        }
                        // A block that several maps go through.
                        Entry::Occupied(mut e) => {
                            e.get_mut().iter_mut().zip(&gradient).for_each(|(a, b)| *a += b);
                        }
                    }
                }
            }
        }
        out.into_iter().collect()
    }
}

/// The numbers of a tensor, on the host.
pub(crate) fn host<const D: usize>(t: Tensor<D>) -> Vec<f32> {
    t.into_data().try_to_vec::<f32>().expect("f32 tensors")
}

/// Of mean 0 and deviation 1.
pub(crate) fn normal(rng: &mut ChaCha8Rng) -> f32 {
    let u: f32 = rng.random::<f32>().max(1e-7);
    let v: f32 = rng.random();
    (-2.0 * u.ln()).sqrt() * (std::f32::consts::TAU * v).cos()
}
