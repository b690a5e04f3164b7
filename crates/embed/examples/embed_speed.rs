//! Milliseconds of one embedding: `cargo run --release -p twinset-embed --example embed_speed`.
//!
//! One thread, best of many runs, for a box of half the sides of photos of several sizes.

use std::time::Instant;

use twinset_embed::{Embedder, colours, crop_square};
use twinset_nets::{NetError, Package};
use twinset_photo::{Photo, Rect};

fn main() -> Result<(), NetError> {
    let embedder = Embedder::new(&Package::default_embedder())?;
    for (width, height) in [(400, 600), (1000, 750), (3000, 4000)] {
        let rgb = (0..width * height * 3u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let photo = Photo::new(width, height, rgb);
        let rect = photo.frame().scale(0.5, 0.5);
        let crop = crop_square(&photo, rect, 0.1, 128);
        let inner = Rect { x: 12.0, y: 12.0, w: 104.0, h: 104.0 };
        let best = |work: &dyn Fn()| {
            let times = (0..40).map(|_| {
                let start = Instant::now();
                work();
                start.elapsed().as_secs_f64() * 1e3
            });
            times.fold(f64::INFINITY, f64::min)
        };
        let cutting = best(&|| drop(crop_square(&photo, rect, 0.1, 128)));
        let naming = best(&|| drop(colours(&crop, inner, crop.frame())));
        let all = best(&|| drop(embedder.embed(&photo, rect)));
        println!("{width} x {height}: {all:.2} ms, of which crop {cutting:.2}, colours {naming:.2}");
    }
    Ok(())
}
