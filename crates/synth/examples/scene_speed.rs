//! Scenes a second of one core: `cargo run --release -p twinset-synth --example scene_speed [SIDE]`. On a machine that
//! does other work too, divide the number of scenes by the processor's seconds (`time`) instead.
use std::time::Instant;
use twinset_synth::{SceneOptions, scene};

const SCENES: u64 = 1000;

fn main() {
    let side = std::env::args().nth(1).and_then(|side| side.parse().ok()).unwrap_or(160);
    let options = SceneOptions { width: side, height: side, ..SceneOptions::default() };
    let start = Instant::now();
    let garments: usize = (0..SCENES).map(|seed| scene(7, seed, &options).items.len()).sum();
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{SCENES} scenes of {side} px with {:.1} garments each: {:.0} a second",
        garments as f64 / SCENES as f64,
        SCENES as f64 / seconds
    );
}
