//! Milliseconds of one detection: `cargo run --release -p twinset-detect --example detect_speed`.
//!
//! One thread, best of many runs, for photos of several sizes: what grows is the letterbox.

use std::time::Instant;

use twinset_detect::{Detector, letterbox};
use twinset_nets::{NetError, Package};
use twinset_photo::Photo;

fn main() -> Result<(), NetError> {
    let detector = Detector::new(&Package::default_detector())?;
    for (width, height) in [(400, 600), (1000, 750), (3000, 4000)] {
        let rgb = (0..width * height * 3u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let photo = Photo::new(width, height, rgb);
        let best = |work: &dyn Fn()| {
            let times = (0..40).map(|_| {
                let start = Instant::now();
                work();
                start.elapsed().as_secs_f64() * 1e3
            });
            times.fold(f64::INFINITY, f64::min)
        };
        let boxing = best(&|| drop(letterbox(&photo, 256)));
        let all = best(&|| drop(detector.detect(&photo)));
        println!("{width} x {height}: {all:.2} ms, of which letterbox {boxing:.2}");
    }
    Ok(())
}
