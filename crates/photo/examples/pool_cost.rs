//! What decoding in a process of its own costs: `cargo run --release -p twinset-photo --example pool_cost`.
//!
//! Decodes one JPEG again and again, in this process and in a pool of one worker, turn by turn, and
//! prints the median milliseconds of each.

use std::time::Instant;
use twinset_photo::worker::{DecodePool, WORKER_ARG, this_exe, worker_main};
use twinset_photo::{Limits, Photo, decode, decode_reduced, encode_jpeg};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    if std::env::args().nth(1).as_deref() == Some(WORKER_ARG) {
        worker_main();
    }
    let limits = Limits::default();
    let pool = DecodePool::start(&this_exe()?, 1, limits)?;
    println!(
        "{:>11} {:>9} {:>8} {:>8} {:>11} {:>11}",
        "pixels", "bytes", "plain", "pool", "plain ≥512", "pool ≥512"
    );
    for (width, height, rounds) in [(200, 200, 200), (1000, 1000, 100), (4000, 3000, 9)] {
        let file = encode_jpeg(&picture(width, height), 85);
        let [mut plain, mut pooled, mut plain_reduced, mut pooled_reduced] = [(); 4].map(|()| Vec::new());
        for _ in 0..rounds {
            plain.push(timed(|| decode(&file, &limits).map(drop))?);
            pooled.push(timed(|| pool.decode(&file).map(drop))?);
            plain_reduced.push(timed(|| decode_reduced(&file, &limits, 512).map(drop))?);
            pooled_reduced.push(timed(|| pool.decode_reduced(&file, 512).map(drop))?);
        }
        println!(
            "{:>11} {:>9} {:>8.2} {:>8.2} {:>11.2} {:>11.2}",
            format!("{width}x{height}"),
            file.len(),
            median(plain),
            median(pooled),
            median(plain_reduced),
            median(pooled_reduced)
        );
    }
    Ok(())
}

fn timed<E>(work: impl FnOnce() -> Result<(), E>) -> Result<f64, E> {
    let began = Instant::now();
    work()?;
    Ok(began.elapsed().as_secs_f64() * 1e3)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Smooth shades, edges and grain, about as dense as a photo.
fn picture(width: u32, height: u32) -> Photo {
    let mut state = 1_u32;
    let mut rgb = Vec::new();
    for y in 0..height {
        for x in 0..width {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let grain = (state >> 28) as f32;
            let shade = (x as f32 * 0.021).sin() * 60.0 + (y as f32 * 0.033).cos() * 50.0 + 128.0;
            let edge = if (x / 37 + y / 53) % 2 == 0 { 30.0 } else { 0.0 };
            rgb.extend([shade + edge, shade / 2.0 + edge, 255.0 - shade].map(|value| (value + grain) as u8));
        }
    }
    Photo::new(width, height, rgb)
}
