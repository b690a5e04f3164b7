//! Measures the comparison: `cargo run --release -p twinset-local --example local_speed`.
//!
//! A query of 256 tokens against 100 candidates of 32, one thread, best of many runs: candidates
//! that share nothing with it, and candidates that share all (most geometry).

use std::time::Instant;

use twinset_local::{LocalFeatures, STORED_TOKENS, compare};
use twinset_nets::FeatureMap;

fn main() {
    let query = LocalFeatures::extract(&map(1, 0.0), 256);
    for (name, noise) in [("unrelated", 2.0), ("alike", 0.5), ("the same", 0.0)] {
        let stored: Vec<Vec<u8>> = (0..100)
            .map(|i| {
                LocalFeatures::extract(&map(1 + u64::from(noise > 1.0) * (i + 1), noise), STORED_TOKENS)
                    .to_bytes()
            })
            .collect();
        let mut best = f64::INFINITY;
        let mut mean = 0.0;
        for _ in 0..100 {
            let start = Instant::now();
            let scores = stored
                .iter()
                .filter_map(|bytes| LocalFeatures::from_bytes(bytes).ok())
                .map(|hit| compare(&query, &hit).score);
            mean = scores.sum::<f32>() / 100.0;
            best = best.min(start.elapsed().as_secs_f64() * 1e3);
        }
        println!("100 candidates, {name:<10} {best:6.2} ms, reading included (mean score {mean:.2})");
    }
}

/// A map of random unit tokens; `noise` is added to what `seed` draws.
fn map(seed: u64, noise: f32) -> FeatureMap {
    let (mut base, mut other) = (seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1, 77u64);
    let next = |state: &mut u64| {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        (*state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    let mut data: Vec<f32> = (0..65 * 256).map(|_| next(&mut base) + noise * next(&mut other)).collect();
    for place in 0..256 {
        let length = (0..64).map(|c| data[c * 256 + place].powi(2)).sum::<f32>().sqrt();
        (0..64).for_each(|c| data[c * 256 + place] /= length);
    }
    FeatureMap { channels: 65, height: 16, width: 16, data }
}
