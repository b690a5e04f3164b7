//! Losses with a proxy for each product: for closed sets of products, where contrast within a batch sees few of them.
use burn::tensor::{
    Tensor,
    activation::{log_softmax, softplus},
};
use serde::{Deserialize, Serialize};

use crate::{
    layers::unit,
    params::{Init, Pass},
};

/// What pulls pictures of one product together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// Supervised contrastive over the batch and a memory: for products without end.
    #[default]
    Contrastive,
    /// Proxy-Anchor (Kim et al., 2020): for the closed set of a shop.
    ProxyAnchor,
    /// Sub-centre ArcFace (Deng et al., 2020): for ids that are partly wrong, such as virtual ones. Pictures that do not
    /// belong gather at centres of their own.
    SubCentreArcface,
}

impl std::str::FromStr for Loss {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = [Self::Contrastive, Self::ProxyAnchor, Self::SubCentreArcface];
        let named = |loss: &Self| serde_json::to_value(loss).is_ok_and(|name| name == text);
        known.into_iter().find(named).ok_or_else(|| {
            format!("`{text}` is no loss; there are contrastive, proxy-anchor and sub-centre-arcface")
        })
    }
}

const ALPHA: f64 = 32.0;
const DELTA: f64 = 0.1;
const CENTRES: usize = 3;
const SCALE: f64 = 24.0;
const MARGIN: f64 = 0.3;
/// Stands for minus infinity in sums of exponentials.
const NEVER: f32 = -1e4;

/// The loss of the rows that have a class; `classes` numbers them below `number`, negative for rows without one.
/// `embedding`: `[n, dim]`, length 1. With no such row, nothing.
pub(crate) fn proxy_loss(
    pass: &Pass<'_>,
    loss: Loss,
    embedding: &Tensor<2>,
    classes: &[i32],
    number: usize,
) -> Option<Tensor<1>> {
    (classes.iter().any(|c| *c >= 0) && number > 0).then(|| match loss {
        Loss::Contrastive | Loss::ProxyAnchor => proxy_anchor(pass, embedding, classes, number),
        Loss::SubCentreArcface => sub_centre(pass, embedding, classes, number),
    })
}

/// Eq. 4 of Kim et al.: every proxy is an anchor, pulled by its own pictures and pushed by all others.
fn proxy_anchor(pass: &Pass<'_>, embedding: &Tensor<2>, classes: &[i32], number: usize) -> Tensor<1> {
    let [n, dim] = embedding.dims();
    let proxies = unit(pass.param("proxies.weight", [number, dim], Init::Lecun));
    let cosine = embedding.clone().matmul(proxies.transpose());
    let (mut own, mut others) = (vec![NEVER; n * number], vec![NEVER; n * number]);
    let mut present = vec![0.0f32; number];
    for (i, class) in classes.iter().enumerate() {
        let Ok(class) = usize::try_from(*class) else { continue };
        others[i * number..(i + 1) * number].fill(0.0);
        others[i * number + class] = NEVER;
        own[i * number + class] = 0.0;
        present[class] = 1.0;
    }
    let with = present.iter().sum::<f32>();
    let pull = cosine.clone().sub_scalar(DELTA).mul_scalar(-ALPHA) + pass.constant(own, [n, number]);
    let push = cosine.add_scalar(DELTA).mul_scalar(ALPHA) + pass.constant(others, [n, number]);
    // A proxy without own pictures here has no pull: ln(1 + 0).
    let pull = log_one_plus(pull).sum().div_scalar(with);
    pull + log_one_plus(push).sum().div_scalar(number as f64)
}

/// `ln(1 + sum of exp)` over the rows, `[n, m]` to `[1, m]`.
fn log_one_plus(z: Tensor<2>) -> Tensor<2> {
    let most = z.clone().detach().max_dim(0);
    let sum = (z - most.clone()).exp().sum_dim(0).log() + most;
    softplus(sum, 1.0)
}

/// Softmax over the nearest centre of each class, an angle of [`MARGIN`] against one's own.
fn sub_centre(pass: &Pass<'_>, embedding: &Tensor<2>, classes: &[i32], number: usize) -> Tensor<1> {
    let [n, dim] = embedding.dims();
    let centres = unit(pass.param("centres.weight", [CENTRES * number, dim], Init::Lecun));
    let cosine = embedding.clone().matmul(centres.transpose()).reshape([n, CENTRES, number]);
    let cosine = cosine.max_dim(1).reshape([n, number]).clamp(-0.9999, 0.9999);
    let mut own = vec![0.0f32; n * number];
    let mut rows = 0.0f64;
    for (i, class) in classes.iter().enumerate() {
        if let Ok(class) = usize::try_from(*class) {
            own[i * number + class] = 1.0;
            rows += 1.0;
        }
    }
    let own = pass.constant(own, [n, number]);
    let sine = (cosine.clone() * cosine.clone()).neg().add_scalar(1.0).sqrt();
    let turned = cosine.clone().mul_scalar(MARGIN.cos()) - sine.mul_scalar(MARGIN.sin());
    let logits = cosine.clone() + (turned - cosine) * own.clone();
    (log_softmax(logits.mul_scalar(SCALE), 1) * own).sum().div_scalar(-rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::{Params, Step, host};

    /// Plain loops over the same formulas.
    fn oracle(loss: Loss, e: &[[f32; 2]], centres: &[[f32; 2]], classes: &[i32], number: usize) -> f32 {
        let unit = |v: &[f32; 2]| {
            let length = (v[0] * v[0] + v[1] * v[1]).sqrt();
            [v[0] / length, v[1] / length]
        };
        let cos = |i: usize, p: usize| {
            let p = unit(&centres[p]);
            e[i][0] * p[0] + e[i][1] * p[1]
        };
        let has = |i: usize| classes[i] >= 0;
        let rows: Vec<usize> = (0..e.len()).filter(|i| has(*i)).collect();
        if loss == Loss::ProxyAnchor {
            let (mut pull, mut push, mut present) = (0.0, 0.0, 0.0);
            for p in 0..number {
                let own: Vec<usize> = rows.iter().copied().filter(|i| classes[*i] == p as i32).collect();
                present += f32::from(u8::from(!own.is_empty()));
                let sum = |of: &mut dyn Iterator<Item = f32>| (1.0 + of.sum::<f32>()).ln();
                pull += sum(&mut own.iter().map(|i| (-32.0 * (cos(*i, p) - 0.1)).exp()));
                let others = rows.iter().filter(|i| classes[**i] != p as i32);
                push += sum(&mut others.map(|i| (32.0 * (cos(*i, p) + 0.1)).exp()));
            }
            return pull / present + push / number as f32;
        }
        let mut total = 0.0;
        for i in &rows {
            let best = |c: usize| (0..3).map(|k| cos(*i, k * number + c)).fold(f32::MIN, f32::max);
            let logits: Vec<f32> = (0..number)
                .map(|c| if c as i32 == classes[*i] { (best(c).acos() + 0.3).cos() } else { best(c) } * 24.0)
                .collect();
            let all = logits.iter().map(|l| l.exp()).sum::<f32>().ln();
            total += all - logits[classes[*i] as usize];
        }
        total / rows.len() as f32
    }

    #[test]
    fn both_losses_are_as_their_papers_say_and_rows_without_a_class_are_left_out() {
        let e = [[0.6, 0.8], [0.8, -0.6], [1.0, 0.0], [-0.6, 0.8]];
        let classes = [0, 1, -1, 0];
        for (loss, name, rows) in [(Loss::ProxyAnchor, "proxies", 2), (Loss::SubCentreArcface, "centres", 6)]
        {
            let mut params = Params::new(3);
            let pass = Pass::training(&mut params);
            let flat: Vec<f32> = e.iter().flatten().copied().collect();
            let found = proxy_loss(&pass, loss, &pass.constant(flat, [4, 2]), &classes, 2).unwrap();
            let weights = host(pass.param::<2>(&format!("{name}.weight"), [rows, 2], Init::Lecun));
            let centres: Vec<[f32; 2]> = weights.chunks_exact(2).map(|c| [c[0], c[1]]).collect();
            let (found, expected) = (host(found)[0], oracle(loss, &e, &centres, &classes, 2));
            assert!((found - expected).abs() < 1e-3 * expected.abs().max(1.0), "{loss:?} {found} {expected}");
        }
    }

    #[test]
    fn following_either_gradient_brings_products_together() {
        for loss in [Loss::ProxyAnchor, Loss::SubCentreArcface] {
            let mut params = Params::new(3);
            let mut values = Vec::new();
            for _ in 0..60 {
                let pass = Pass::training(&mut params);
                let e = unit(pass.param("e.weight", [6, 4], Init::Lecun));
                let value = proxy_loss(&pass, loss, &e, &[0, 0, 1, 1, 2, 2], 3).unwrap();
                values.push(host(value.clone().detach())[0]);
                let gradients = pass.gradients(&value);
                params.step(gradients, Step { learning_rate: 0.05, weight_decay: 0.0, clip: 10.0 }).unwrap();
            }
            assert!(values[59] < 0.3 * values[0], "{loss:?}: {} to {}", values[0], values[59]);
        }
        assert_eq!("proxy-anchor".parse(), Ok(Loss::ProxyAnchor));
        assert!("triplets".parse::<Loss>().is_err());
    }
}
