//! The embedder in its training form: "RepVGG-lite" (Ding et al., 2021, without the 1 x 1 branch), GeM pooling
//! (Radenovic et al., 2018), one embedding, heads for category and pattern, and a head for local features.
use burn::tensor::{Tensor, activation::relu};
use serde::{Deserialize, Serialize};

use twinset_nets::{Architecture, Package};

use crate::{
    error::TrainError,
    layers::{block, has_identity, linear, pointwise, unit},
    params::{Params, Pass},
    run::TrainOptions,
};

/// What `card.json` says under `architecture`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EmbedderArchitecture {
    /// Always `repvgg-lite`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Side of the square input, pixels.
    pub side: usize,
    /// A box grows by this share of its longer side, on each side.
    pub margin: f32,
    /// Channels of the stem.
    pub stem: usize,
    /// Width and number of convolutions of each stage; the first of each halves the map.
    pub stages: Vec<(usize, usize)>,
    /// Length of the embedding.
    pub dim: usize,
    /// Length of a local token.
    pub local_dim: usize,
    /// Vocabulary of the pattern head.
    pub patterns: Vec<String>,
}

impl Default for EmbedderArchitecture {
    fn default() -> Self {
        Self {
            kind: "repvgg-lite".into(),
            side: 128,
            margin: 0.1,
            stem: 32,
            stages: vec![(64, 2), (128, 3), (256, 6)],
            dim: 256,
            local_dim: 64,
            patterns: crate::PATTERNS.iter().map(|s| (*s).to_owned()).collect(),
        }
    }
}

impl EmbedderArchitecture {
    /// As the options say, where they say something; else as the package that training starts from.
    ///
    /// # Errors
    /// That package cannot be read.
    pub(crate) fn of(options: &TrainOptions) -> Result<Self, TrainError> {
        let mut own = Self::default();
        if let Some(dir) = &options.init
            && let Architecture::RepVggLite(begun) = Package::open(dir)?.architecture()
        {
            own = Self { stem: begun.stem, stages: begun.stages.clone(), ..own };
        }
        Ok(Self {
            side: options.side.unwrap_or(own.side),
            stem: options.stem.unwrap_or(own.stem),
            stages: options.stages.clone().unwrap_or(own.stages),
            ..own
        })
    }
}

/// What one pass gives.
pub(crate) struct Outputs {
    /// `[n, dim]`, length 1.
    pub(crate) embedding: Tensor<2>,
    /// `[n * cells, channels]`: the last map, cells row by row, before pooling; of whole pictures only.
    pub(crate) cells: Option<Tensor<2>>,
    /// `[n, categories]` logits.
    pub(crate) category: Tensor<2>,
    /// `[n, patterns]` logits.
    pub(crate) pattern: Tensor<2>,
    /// `[n * positions, local_dim]`, length 1, positions row by row.
    pub(crate) tokens: Tensor<2>,
    /// `[n * positions]` saliency logits.
    pub(crate) saliency: Tensor<1>,
}

/// `pixels`: `[n, 3, side, side]`, normalised.
pub(crate) fn forward(
    pass: &Pass<'_>,
    arch: &EmbedderArchitecture,
    categories: usize,
    pixels: &[f32],
) -> Outputs {
    let maps = maps(pass, arch, pixels, arch.side);
    let [n, c, h, w] = maps.deep.dims();
    let cells = relu(maps.deep.clone()).permute([0, 2, 3, 1]).reshape([n * h * w, c]);
    Outputs { cells: Some(cells), ..heads(pass, arch, categories, pool(&maps.deep, None), maps.local) }
}

/// Maps that the heads go on from.
pub(crate) struct Maps {
    /// `[n, local_dim + 1, side / 8, side / 8]`: tokens, and a logit of saliency.
    pub(crate) local: Tensor<4>,
    /// `[n, width, side / 16, side / 16]` for three stages.
    pub(crate) deep: Tensor<4>,
}

/// The convolutions. `pixels`: `[n, 3, side, side]`; the side may be another than the architecture's.
pub(crate) fn maps(pass: &Pass<'_>, arch: &EmbedderArchitecture, pixels: &[f32], side: usize) -> Maps {
    let mut x = block(pass, "stem", &pass.pictures(pixels, side), arch.stem, 3, 2);
    let mut local = None;
    for (i, (width, convs)) in arch.stages.iter().enumerate() {
        for j in 0..*convs {
            x = block(pass, &format!("s{}.{j}", i + 1), &x, *width, 3, if j == 0 { 2 } else { 1 });
        }
        if i == 1 {
            local = Some(pointwise(pass, "local", pass.tensor(&x), arch.local_dim + 1, 0.0));
        }
    }
    Maps { local: local.expect("at least two stages"), deep: pass.tensor(&x) }
}

/// GeM with p = 3, `[n, c, h, w]` to `[n, c]`. With `weight`, `[n, h * w]`, positions count that much.
pub(crate) fn pool(deep: &Tensor<4>, weight: Option<Tensor<2>>) -> Tensor<2> {
    let [n, c, h, w] = deep.dims();
    let x = relu(deep.clone()).clamp_min(1e-6);
    let cubes = (x.clone() * x.clone() * x).reshape([n, c, h * w]);
    let mean = match weight {
        None => cubes.mean_dim(2).reshape([n, c]),
        Some(weight) => {
            let all = weight.clone().sum_dim(1).add_scalar(1e-6);
            let share = (weight / all).reshape([n, 1, h * w]);
            (cubes * share).sum_dim(2).reshape([n, c])
        }
    };
    mean.add_scalar(1e-12).log().mul_scalar(1.0 / 3.0).exp()
}

/// What is said of pooled features `[n, width]`.
pub(crate) fn heads(
    pass: &Pass<'_>,
    arch: &EmbedderArchitecture,
    categories: usize,
    pooled: Tensor<2>,
    local: Tensor<4>,
) -> Outputs {
    let neck = pass.batch_norm("neck", pooled);
    let [n, _, grid, _] = local.dims();
    let flat = local.permute([0, 2, 3, 1]).reshape([n * grid * grid, arch.local_dim + 1]);
    Outputs {
        embedding: unit(linear(pass, "head", neck.clone(), arch.dim)),
        cells: None,
        category: linear(pass, "category", neck.clone(), categories),
        pattern: linear(pass, "pattern", neck, arch.patterns.len()),
        tokens: unit(flat.clone().slice([0..n * grid * grid, 0..arch.local_dim])),
        saliency: flat
            .slice([0..n * grid * grid, arch.local_dim..arch.local_dim + 1])
            .reshape([n * grid * grid]),
    }
}

/// The fused tensors of the inference form, named as docs/formats/model-package.md says.
pub(crate) fn export(params: &Params, arch: &EmbedderArchitecture) -> Vec<(String, Vec<usize>, Vec<f32>)> {
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
    }
    out.push(("gem.p".into(), vec![1], vec![3.0]));
    let (scale, shift) = params.fused_norm("neck", "neck");
    for name in ["head", "category", "pattern"] {
        let (shape, weight) = params.averaged(&format!("{name}.weight"));
        let (_, bias) = params.averaged(&format!("{name}.bias"));
        let mut w = weight.to_vec();
        let mut b = bias.to_vec();
        for (row, b) in w.chunks_exact_mut(shape[1]).zip(&mut b) {
            *b += row.iter().zip(&shift).map(|(w, s)| w * s).sum::<f32>();
            row.iter_mut().zip(&scale).for_each(|(w, s)| *w *= s);
        }
        out.push((format!("{name}.weight"), shape.to_vec(), w));
        out.push((format!("{name}.bias"), vec![b.len()], b));
    }
    let (shape, weight) = params.averaged("local.weight");
    out.push(("local.weight".into(), shape.to_vec(), weight.to_vec()));
    let (shape, bias) = params.averaged("local.bias");
    out.push(("local.bias".into(), shape.to_vec(), bias.to_vec()));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CATEGORIES, card, params::host};
    use twinset_nets::{EmbedderNet, FeatureMap, Package};

    /// The fused inference kernels are the fast path, this network is their oracle.
    #[test]
    fn the_exported_network_gives_the_same_numbers() {
        let arch = EmbedderArchitecture { side: 64, ..EmbedderArchitecture::default() };
        let mut params = Params::new(5);
        let pixels: Vec<f32> = (0..4 * 3 * 64 * 64).map(|i| ((i * 7919) % 101) as f32 / 50.0 - 1.0).collect();
        // One training pass gives the batch norms their statistics.
        let pass = Pass::training(&mut params);
        let out = forward(&pass, &arch, CATEGORIES.len(), &pixels);
        let loss = out.embedding.sum()
            + out.category.sum()
            + out.pattern.sum()
            + out.tokens.sum()
            + out.saliency.sum();
        pass.gradients(&loss);

        let pass = Pass::inference(&mut params);
        let ours = host(forward(&pass, &arch, CATEGORIES.len(), &pixels[..3 * 64 * 64]).embedding);

        let dir = tempfile::tempdir().unwrap();
        let card =
            card::new("embedder", serde_json::to_value(&arch).unwrap(), &TrainOptions::default(), 0, "");
        card::save(card, &export(&params, &arch), dir.path()).unwrap();
        let net = EmbedderNet::new(&Package::open(dir.path()).unwrap()).unwrap();
        let map = FeatureMap { channels: 3, height: 64, width: 64, data: pixels[..3 * 64 * 64].to_vec() };
        let fast = net.run_map(&map).embedding;
        let length = fast.iter().map(|v| v * v).sum::<f32>().sqrt();
        let cosine = ours.iter().zip(&fast).map(|(a, b)| a * b).sum::<f32>() / length;
        // Weights are stored in half precision.
        assert!(cosine > 0.9995, "cosine {cosine}");
    }
}
