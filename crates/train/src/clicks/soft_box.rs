//! A box that learns from clicks alone: where a network looks, as four numbers that have gradients.
//!
//! Each cell of the map says whether it matters. The box is the one whose even filling would have the mean and deviation
//! of these cells, and its edges are sigmoids, so what a click triplet says of the embedding moves them. Taobao predicts
//! the four numbers with a linear layer (Zhang et al., KDD 2018, section 3.3); as moments of a map they need no search:
//! the gradient of every cell says where the garment is.
use burn::tensor::{Tensor, activation::sigmoid};

use crate::{layers::pointwise, params::Pass};

/// A soft box for each picture.
pub(crate) struct SoftBox {
    /// `[n, 4]`: left, right, top, bottom; shares of the picture's sides, perhaps beyond it.
    pub(crate) edges: Tensor<2>,
    /// `[n, h * w]`: how much each cell counts.
    pub(crate) weight: Tensor<2>,
}

/// Deviations from the middle to an edge: 1.73 for an even rectangle, 2 for an ellipse; garments lie between.
const REACH: f64 = 1.87;
/// Steepness of an edge, in cells.
const STEEPNESS: f64 = 4.0;

/// Looks at the last map, `[n, c, h, w]`.
pub(crate) fn soft_box(pass: &Pass<'_>, deep: &Tensor<4>) -> SoftBox {
    let [n, _, h, w] = deep.dims();
    let matters = sigmoid(pointwise(pass, "box", deep.clone(), 1, 0.0)).reshape([n, h * w]);
    let mass = matters.clone() * matters.clone();
    let mass = mass.clone() / mass.sum_dim(1).add_scalar(1e-6);
    let xs = pass.constant((0..h * w).map(|i| ((i % w) as f32 + 0.5) / w as f32).collect(), [1, h * w]);
    let ys = pass.constant((0..h * w).map(|i| ((i / w) as f32 + 0.5) / h as f32).collect(), [1, h * w]);
    let along = |at: &Tensor<2>| {
        let middle = (mass.clone() * at.clone()).sum_dim(1);
        let gap = at.clone() - middle.clone();
        let half = (mass.clone() * gap.clone() * gap).sum_dim(1).add_scalar(1e-5).sqrt().mul_scalar(REACH);
        [middle.clone() - half.clone(), middle + half]
    };
    let ([left, right], [top, bottom]) = (along(&xs), along(&ys));
    let step = |at: &Tensor<2>, edge: &Tensor<2>, cells: usize| {
        sigmoid((at.clone() - edge.clone()).mul_scalar(STEEPNESS * cells as f64))
    };
    let inside = (step(&xs, &left, w) - step(&xs, &right, w)) * (step(&ys, &top, h) - step(&ys, &bottom, h));
    SoftBox { edges: Tensor::cat(vec![left, right, top, bottom], 1), weight: matters * inside }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::{Params, host};

    #[test]
    fn the_box_is_where_the_map_matters_and_gradients_move_it() {
        let mut params = Params::new(1);
        // One channel that says everything: the weight of the head decides its sign only.
        let (n, g) = (1, 16);
        let map: Vec<f32> = (0..g * g)
            .map(|i| if (4..12).contains(&(i % g)) && (2..8).contains(&(i / g)) { 60.0 } else { -60.0 })
            .collect();
        let pass = Pass::training(&mut params);
        let weight = host(pass.param::<4>("box.weight", [1, 1, 1, 1], crate::params::Init::Constant(1.0)));
        assert_eq!(weight, [1.0]);
        let found = soft_box(&pass, &pass.constant(map, [n, 1, g, g]));
        let edges = host(found.edges.clone().detach());
        for (edge, true_one) in edges.iter().zip([4.0, 12.0, 2.0, 8.0]) {
            assert!((edge * g as f32 - true_one).abs() < 0.6, "{edges:?}");
        }
        let gradients = pass.gradients(&found.weight.sum());
        assert!(gradients.iter().any(|(name, _)| name == "box.bias"));
    }
}
