//! The layers both networks are made of, in their training form.
use burn::tensor::{Tensor, activation::relu, module::conv2d, ops::ConvOptions};

use crate::params::{Init, Map, Pass};

/// Convolution with batch norm and ReLU. Where the shape allows it, an identity branch is added before the ReLU: it
/// eases training and folds into the 3 x 3 kernel at export.
pub(crate) fn block(pass: &Pass<'_>, name: &str, x: &Map, out: usize, kernel: usize, stride: usize) -> Map {
    let x = match x {
        Map::Host(node) => {
            let identity = |channels| has_identity(channels, out, kernel, stride);
            return Map::Host(pass.host_block(name, *node, [out, kernel, stride], identity));
        }
        Map::Tensor(x) => x.clone(),
    };
    let channels = x.dims()[1];
    let weight = pass.param(&format!("{name}.weight"), [out, channels, kernel, kernel], Init::He);
    let pad = kernel / 2;
    let y = conv2d(x.clone(), weight, None, ConvOptions::new([stride, stride], [pad, pad], [1, 1], 1));
    let y = pass.batch_norm(name, y);
    Map::Tensor(relu(if has_identity(channels, out, kernel, stride) { y + x } else { y }))
}

/// `fine` plus `coarse`, each of whose pixels is repeated twice both ways.
pub(crate) fn add_doubled(pass: &Pass<'_>, fine: &Map, coarse: &Map) -> Map {
    match (fine, coarse) {
        (Map::Host(fine), Map::Host(coarse)) => Map::Host(pass.host_add_doubled(*fine, *coarse)),
        (fine, coarse) => {
            let x = pass.tensor(coarse);
            let [n, c, h, w] = x.dims();
            let doubled =
                x.reshape([n, c, h, 1, w, 1]).expand([n, c, h, 2, w, 2]).reshape([n, c, 2 * h, 2 * w]);
            Map::Tensor(pass.tensor(fine) + doubled)
        }
    }
}

/// Whether [`block`] carries an identity branch.
pub(crate) fn has_identity(channels: usize, out: usize, kernel: usize, stride: usize) -> bool {
    channels == out && kernel == 3 && stride == 1
}

/// 1 x 1 convolution with bias, nothing after it.
pub(crate) fn pointwise(pass: &Pass<'_>, name: &str, x: Tensor<4>, out: usize, bias: f32) -> Tensor<4> {
    let channels = x.dims()[1];
    let weight = pass.param(&format!("{name}.weight"), [out, channels, 1, 1], Init::Lecun);
    let bias = pass.param(&format!("{name}.bias"), [out], Init::Constant(bias));
    conv2d(x, weight, Some(bias), ConvOptions::new([1, 1], [0, 0], [1, 1], 1))
}

/// `x W^T + b`, `[n, in]` to `[n, out]`.
pub(crate) fn linear(pass: &Pass<'_>, name: &str, x: Tensor<2>, out: usize) -> Tensor<2> {
    let inputs = x.dims()[1];
    let weight = pass.param(&format!("{name}.weight"), [out, inputs], Init::Lecun);
    let bias = pass.param(&format!("{name}.bias"), [out], Init::Constant(0.0));
    x.matmul(weight.transpose()) + bias.reshape([1, out])
}

/// Rows scaled to length 1.
pub(crate) fn unit(x: Tensor<2>) -> Tensor<2> {
    let length = (x.clone() * x.clone()).sum_dim(1).add_scalar(1e-8).sqrt();
    x / length
}
