//! Imports N drawn pictures and prints the import's rate, use of the cores and memory, then the stage
//! times of searches.
//!
//! `cargo run --release -p twinset-engine --example stages -- N [SEARCHES] [THREADS]`

use std::sync::Arc;
use std::time::Instant;
use twinset_catalogue::{CatalogueName, Image, Mode, Product, ProductPut};
use twinset_engine::{Engine, Options, QueryImage, SearchRequest, Timing};
use twinset_photo::{Photo, encode_jpeg};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1).map(|arg| arg.parse::<u32>());
    let pictures = args.next().transpose()?.unwrap_or(1000);
    let searches = args.next().transpose()?.unwrap_or(50);
    let threads = args.next().transpose()?.unwrap_or(0) as usize;
    let home = tempfile::tempdir()?;
    let engine = Engine::open(home.path(), Options { threads, ..Options::default() })?;
    let shop = engine.open_or_create(&CatalogueName::parse("stages")?)?;

    // Drawn before the clock starts would not fit into memory; drawing is cheap beside looking (see below).
    let start = Instant::now();
    let drawing = Instant::now();
    (0..8).for_each(|n| drop(draw(n, 400, 500)));
    println!("drawing one picture: {:.1} ms of one core", drawing.elapsed().as_secs_f64() * 1e3 / 8.0);
    let (cpu, mut told) = (cpu_seconds(), 0);
    println!("pictures  seconds  per_second  cores_used  rss_mb");
    let line = |done: u64| {
        let seconds = start.elapsed().as_secs_f64();
        let cores = (cpu_seconds() - cpu) / seconds;
        println!("{done:8} {seconds:8.1} {:11.1} {cores:11.2} {:7.0}", done as f64 / seconds, rss_mb());
    };
    let report = shop.put_many((0..pictures).map(product), &mut |progress| {
        if progress.pictures_done >= told + u64::from(pictures).div_ceil(10) {
            told = progress.pictures_done;
            line(told);
        }
        true
    })?;
    line(report.progress.pictures_done);
    shop.flush()?;

    let mut laps: Vec<Timing> = Vec::new();
    for n in 0..searches {
        // A 1,000-px photo of a stored thing.
        let photo = draw(n * pictures / searches.max(1), 800, 1000);
        let answer = shop.search(&SearchRequest::new(QueryImage::Bytes(photo)))?;
        laps.push(answer.timing);
    }
    println!("\n{searches} searches over {pictures} pictures, milliseconds\nstage    median     p95");
    let names = ["decode", "detect", "embed", "index", "local", "total"];
    for (stage, name) in names.into_iter().enumerate() {
        let of = |t: &Timing| [t.decode, t.detect, t.embed, t.index, t.local, t.total][stage];
        let mut times: Vec<f64> = laps.iter().map(of).collect();
        times.sort_by(f64::total_cmp);
        let at = |share: f64| {
            times.get(((times.len() as f64 - 1.0) * share).round() as usize).copied().unwrap_or(0.0)
        };
        println!("{name:6} {:8.2} {:7.2}", at(0.5), at(0.95));
    }
    Ok(())
}

fn product(n: u32) -> ProductPut {
    let image = Image { name: "main".into(), ..Image::default() };
    let product = Product { images: vec![image], ..Product::new(format!("p{n}")) };
    ProductPut { product, pictures: vec![("main".into(), Arc::from(draw(n, 400, 500)))], mode: Mode::Upsert }
}

/// A thing with stripes and spots on a pale ground.
fn draw(n: u32, width: u32, height: u32) -> Vec<u8> {
    // Every number gives another picture (SplitMix64, Steele et al., 2014).
    let mix = |salt: u32| {
        let mut z = (u64::from(n) << 8 | u64::from(salt)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (z ^ (z >> 27)) as u8
    };
    let (one, two) = ([mix(1), mix(2), mix(3)], [mix(4), mix(5), mix(6)]);
    let (stripe, slope) = (4 + u32::from(mix(7) % 28), u32::from(mix(8) % 5));
    let mut rgb = Vec::with_capacity((width * height * 3) as usize);
    for y in 0..height {
        for x in 0..width {
            // The same thing at any size.
            let (u, v) = (x * 400 / width, y * 500 / height);
            let inside = (90..310).contains(&u) && (60..440).contains(&v);
            let first = (u * slope + v) / stripe % 2 == 0;
            rgb.extend(match (inside, first) {
                (false, _) => [226, 224, 220 + (v % 16) as u8],
                (true, true) => one,
                (true, false) => two,
            });
        }
    }
    encode_jpeg(&Photo::new(width, height, rgb), 88)
}

/// Seconds of all cores that this process has used, as Linux tells; 0 elsewhere.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    // utime and stime, in hundredths of a second.
    after_name.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>()
        / 100.0
}

/// Resident memory, as Linux tells; 0 elsewhere.
fn rss_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}
