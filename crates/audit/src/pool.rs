//! Several experts, one opinion: a weighted sum of their log probabilities, made a probability again.
//!
//! The weights make the claims that were given most likely; since no expert has seen the claim that it speaks of,
//! they also say how far each can be believed (a logarithmic opinion pool, fitted as in stacking).

use crate::Classes;

/// Least probability that an expert may give: one of them must not forbid what all others say.
const LEAST: f32 = 1e-4;

/// Log probabilities of one expert, one row each.
pub(crate) fn logs(probabilities: &[Classes]) -> Vec<Classes> {
    probabilities.iter().map(|row| row.iter().map(|p| p.max(LEAST).ln()).collect()).collect()
}

/// Moves the `weights` of the experts, which stay above 0, towards those that make the `targets` most likely (rows of
/// class shares), by damped Newton steps on each weight.
pub(crate) fn fit(weights: &mut [f32], experts: &[&[Classes]], targets: &[Classes], steps: usize) {
    for _ in 0..steps {
        let mut slope = vec![0.0f64; experts.len()];
        let mut bend = vec![1e-9f64; experts.len()];
        for (row, target) in targets.iter().enumerate() {
            let pooled = pool(experts, weights, row);
            for (e, expert) in experts.iter().enumerate() {
                let logs = &expert[row];
                let mean: f32 = pooled.iter().zip(logs).map(|(p, l)| p * l).sum();
                let variance: f32 = pooled.iter().zip(logs).map(|(p, l)| p * (l - mean) * (l - mean)).sum();
                let meant: f32 = target.iter().zip(logs).map(|(t, l)| t * l).sum();
                slope[e] += f64::from(meant - mean);
                bend[e] += f64::from(variance);
            }
        }
        // Experts agree, so that their weights move together: a part of the step for each.
        for (weight, (slope, bend)) in weights.iter_mut().zip(slope.iter().zip(&bend)) {
            let step = (slope / bend / experts.len() as f64).clamp(-0.5, 0.5);
            *weight = (*weight + step as f32).clamp(0.0, 5.0);
        }
    }
}

/// Equal weights, to begin with.
pub(crate) fn equal(experts: usize) -> Vec<f32> {
    vec![1.0 / experts.max(1) as f32; experts]
}

/// The pooled opinion on one row.
pub(crate) fn pool(experts: &[&[Classes]], weights: &[f32], row: usize) -> Classes {
    let classes = experts.first().map_or(0, |e| e[row].len());
    let mut sum = vec![0.0f32; classes];
    for (expert, weight) in experts.iter().zip(weights) {
        sum.iter_mut().zip(&expert[row]).for_each(|(s, l)| *s += weight * l);
    }
    softmax(&mut sum);
    sum
}

pub(crate) fn softmax(logits: &mut [f32]) {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    logits.iter_mut().for_each(|l| *l = (*l - most).exp());
    crate::neighbours::normalise(logits);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_expert_is_believed_and_a_noisy_one_is_not() {
        let given: Vec<usize> = (0..200).map(|i| i * 7 % 3).collect();
        let says = |class: usize| (0..3).map(|c| if c == class { 0.8 } else { 0.1 }).collect::<Classes>();
        // Right in nine of ten cases, and never.
        let good: Vec<Classes> =
            given.iter().enumerate().map(|(i, g)| says(if i % 10 == 0 { (g + 1) % 3 } else { *g })).collect();
        let noise: Vec<Classes> = (0..200).map(|i| says(i * i / 7 % 3)).collect();
        let (good, noise) = (logs(&good), logs(&noise));
        let targets: Vec<Classes> =
            given.iter().map(|&g| (0..3).map(|c| f32::from(u8::from(c == g))).collect()).collect();
        let mut weights = equal(2);
        fit(&mut weights, &[&good, &noise], &targets, 60);
        assert!(weights[0] > 0.8 && weights[1] < 0.2, "{weights:?}");
        // Believed as far as it is right: 0.9.
        let sure = pool(&[&good, &noise], &weights, 1)[given[1]];
        assert!((sure - 0.9).abs() < 0.05, "{sure}");
    }
}
