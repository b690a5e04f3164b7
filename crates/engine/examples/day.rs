//! A day of a large catalogue, with drawn embeddings: 10 % of the products change (half of them their picture), 5 % come,
//! 5 % go, while 20 searches a second run. Prints the searches' times before and during, the time from acknowledged to
//! searchable and to gone, recall against exact search, and memory.
//!
//! `cargo run --release -p twinset-engine --example day -- PRODUCTS [SECONDS] [SEARCHES_A_SECOND] [HOME]`
//!
//! With `HOME` the catalogue `day` is left there: to be served, killed, and served again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use twinset_catalogue::{CatalogueName, Home, Image, Money, PictureHash, Product, ProductPut, Settings};
use twinset_engine::{Engine, Features, Options, QueryImage, SearchRequest, Shop, Vision};
use twinset_photo::{Photo, encode_jpeg};

/// Products of one transaction.
const BATCH: u64 = 500;
/// Real embeddings around which others are drawn.
const CENTRES: u32 = 12;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1).take(3).map(|arg| arg.parse::<u64>());
    let products = args.next().transpose()?.unwrap_or(100_000);
    let seconds = args.next().transpose()?.unwrap_or(60);
    let rate = args.next().transpose()?.unwrap_or(20);
    let temporary = tempfile::tempdir()?;
    let home = std::env::args().nth(4).map_or_else(|| temporary.path().to_owned(), std::path::PathBuf::from);
    let vision = Arc::new(Vision::default());
    let name = CatalogueName::parse("day")?;
    let drawn = Drawn { centres: centres(&vision)?, model: vision.hash() };

    // Filled behind the engine's back, so that nobody looks at pictures that are none.
    let start = Instant::now();
    {
        let catalogue = Home::open(&home)?.create(&name, Settings::default())?;
        for first in (0..products).step_by(BATCH as usize) {
            let lot: Vec<Entry> = (first..products.min(first + BATCH)).map(|n| drawn.entry(n, 0)).collect();
            catalogue.put(&lot.iter().map(|(put, ..)| put.clone()).collect::<Vec<_>>())?;
            catalogue.put_features(
                &drawn.model,
                &lot.iter().map(|(_, hash, bytes)| (*hash, bytes.clone())).collect::<Vec<_>>(),
            )?;
        }
        // The day's new pictures, each already shown by some other product: nobody has to look at them either.
        let coming: Vec<Entry> = (0..products / 10)
            .filter(|n| n % 2 == 1)
            .map(|n| drawn.entry(n * 7 % products, 1))
            .chain((0..products / 20).map(|n| drawn.entry(products + n, 0)))
            .collect();
        for (n, lot) in coming.chunks(50).enumerate() {
            let images = (0..lot.len()).map(|i| Image { name: i.to_string(), ..Image::default() }).collect();
            let pictures = lot
                .iter()
                .enumerate()
                .map(|(i, (put, ..))| (i.to_string(), put.pictures[0].1.clone()))
                .collect();
            catalogue.put(&[ProductPut::upsert(
                Product { images, ..Product::new(format!("pool{n}")) },
                pictures,
            )])?;
            catalogue.put_features(
                &drawn.model,
                &lot.iter().map(|(_, hash, bytes)| (*hash, bytes.clone())).collect::<Vec<_>>(),
            )?;
        }
    }
    println!("filled {products} products in {:.1} s", start.elapsed().as_secs_f64());
    let start = Instant::now();
    let engine = Engine::open_with(&home, Options::default(), vision)?;
    let shop = engine.catalogue(&name)?;
    while !shop.wait_searchable(shop.catalogue().last_seq()?, Duration::from_secs(1)) {
        if let Some(trouble) = shop.index_status()?.last_error {
            return Err(trouble.into());
        }
    }
    shop.flush()?;
    println!("index made from stored features in {:.1} s", start.elapsed().as_secs_f64());
    println!("recall of 10 against exact search: {:.4}", recall(&shop)?);
    let before = rss_mb();
    // A thousand searches tell the quiet quantiles well enough.
    let quiet = searching(&shop, rate, Duration::from_secs(seconds.min(60)), |_| Ok(()))?;
    println!("quiet: {quiet}; memory {before:.0} MB");

    let (changed, new, gone) = (products / 10, products / 20, products / 20);
    let busy = searching(&shop, rate, Duration::from_secs(seconds), |until| {
        day(&shop, &drawn, products, [changed, new, gone], until)
    })?;
    let freshness = shop.index_status()?.freshness;
    let told = |q: twinset_engine::Quantiles| {
        format!("p50 {:.0} ms, p99 {:.0} ms of {}", q.p50_ms, q.p99_ms, q.count)
    };
    println!(
        "day of {changed} changed, {new} new, {gone} removed in {seconds} s: {busy}; memory {:.0} MB",
        rss_mb()
    );
    println!("searchable: {}; gone: {}", told(freshness.searchable), told(freshness.gone));
    println!("search p99, day to quiet: {:.2}", busy.p99 / quiet.p99);
    shop.flush()?;
    println!(
        "recall of 10 against exact search: {:.4}; memory {:.0} MB, before the day {before:.0} MB",
        recall(&shop)?,
        rss_mb()
    );
    let report = shop.verify_index()?;
    println!("index sound: {}, {} pictures", report.is_sound(), report.checked);
    Ok(())
}

type Entry = (ProductPut, PictureHash, Vec<u8>);

/// Products with embeddings around some that a picture really has.
struct Drawn {
    centres: Vec<Features>,
    model: [u8; 32],
}

impl Drawn {
    /// Product `n` with its `version`-th picture.
    fn entry(&self, n: u64, version: u64) -> Entry {
        let bytes: Arc<[u8]> = [n.to_le_bytes(), version.to_le_bytes()].concat().into();
        let mut seed = n << 8 | version;
        let mut features = self.centres[(random(&mut seed) % u64::from(CENTRES)) as usize].clone();
        let scale = 1.2 / (features.embedding.len() as f32).sqrt();
        for x in &mut features.embedding {
            // The sum of two uniform numbers will do for noise.
            let noise = (random(&mut seed) >> 40) as f32 / (1 << 23) as f32
                + (random(&mut seed) >> 40) as f32 / (1 << 23) as f32
                - 2.0;
            *x += noise * scale;
        }
        let length = features.embedding.iter().map(|x| x * x).sum::<f32>().sqrt();
        features.embedding.iter_mut().for_each(|x| *x /= length);
        let product = Product {
            title: Some(format!("Drawn product {n}")),
            price: Money::parse(&format!("{}.00", 10 + n % 90), "EUR").ok(),
            images: vec![Image { name: "main".into(), ..Image::default() }],
            ..Product::new(format!("d{n}"))
        };
        (
            ProductPut::upsert(product, vec![("main".into(), bytes.clone())]),
            PictureHash::of(&bytes),
            features.to_bytes(false),
        )
    }
}

/// Spreads the day's changes over the time until `until`, in small lots as feeds bring them.
fn day(
    shop: &Shop,
    drawn: &Drawn,
    products: u64,
    [changed, new, gone]: [u64; 3],
    until: Instant,
) -> Result<(), Failure> {
    let begin = Instant::now();
    let total = changed + new + gone;
    let lots = total.div_ceil(50);
    let lot = |of: u64, at: u64| of * at / lots..of * (at + 1) / lots;
    for at in 0..lots {
        let catalogue = shop.catalogue();
        // Every other change is of a price, which touches no picture.
        let prices: Vec<ProductPut> = lot(changed, at)
            .filter(|n| n % 2 == 0)
            .filter_map(|n| {
                let mut product = catalogue.get(&format!("d{}", n * 7 % products)).ok()??;
                product.price = Money::parse(&format!("{}.50", 10 + n % 90), "EUR").ok();
                Some(ProductPut::upsert(product, Vec::new()))
            })
            .collect();
        let pictures = lot(changed, at).filter(|n| n % 2 == 1).map(|n| drawn.entry(n * 7 % products, 1));
        let known =
            pictures.chain(lot(new, at).map(|n| drawn.entry(products + n, 0))).map(|(mut put, hash, _)| {
                put.product.images[0].picture = Some(hash);
                ProductPut::upsert(put.product, Vec::new())
            });
        shop.put(known.chain(prices).collect())?;
        shop.remove(&lot(gone, at).map(|n| format!("d{}", (n * 13 + 5) % products)).collect::<Vec<_>>())?;
        let due = begin + (until - begin).mul_f64((at + 1) as f64 / lots as f64);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    Ok(())
}

struct Times {
    count: usize,
    p50: f64,
    p99: f64,
}

impl std::fmt::Display for Times {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} searches, p50 {:.1} ms, p99 {:.1} ms", self.count, self.p50, self.p99)
    }
}

/// Searches at a rate for some time beside `work`; times count from when a search was due.
fn searching(
    shop: &Shop,
    rate: u64,
    time: Duration,
    work: impl FnOnce(Instant) -> Result<(), Failure>,
) -> Result<Times, Failure> {
    let (over, next) = (AtomicBool::new(false), AtomicU64::new(0));
    let begin = Instant::now();
    let mut took: Vec<f64> = std::thread::scope(|scope| {
        let search = || {
            let mut took = Vec::new();
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                let due = begin + Duration::from_secs_f64(n as f64 / rate as f64);
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                if over.load(Ordering::Relaxed) || begin.elapsed() >= time {
                    return Ok::<_, Failure>(took);
                }
                let request =
                    SearchRequest { rerank: false, ..SearchRequest::new(QueryImage::Bytes(photo(n as u32))) };
                shop.search(&request)?;
                took.push(due.elapsed().as_secs_f64() * 1e3);
            }
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(search)).collect();
        let worked = work(begin + time);
        if worked.is_err() {
            over.store(true, Ordering::Relaxed);
        }
        let mut all = Vec::new();
        for thread in threads {
            all.extend(thread.join().map_err(|_| "a search failed")??);
        }
        worked.map(|()| all)
    })?;
    took.sort_by(f64::total_cmp);
    let at = |share: f64| took.get((took.len() as f64 * share) as usize).copied().unwrap_or_default();
    Ok(Times { count: took.len(), p50: at(0.5), p99: at(0.99) })
}

fn recall(shop: &Shop) -> Result<f64, Failure> {
    let (mut found, mut wanted) = (0, 0);
    for n in 0..100 {
        let request =
            SearchRequest { rerank: false, limit: 10, ..SearchRequest::new(QueryImage::Bytes(photo(n))) };
        let ids = |exact| -> Result<Vec<String>, Failure> {
            let answer = shop.search(&SearchRequest { exact, ..request.clone() })?;
            Ok(answer.hits.into_iter().map(|hit| hit.product.id).collect())
        };
        let (fast, exact) = (ids(false)?, ids(true)?);
        wanted += exact.len();
        found += exact.iter().filter(|id| fast.contains(id)).count();
    }
    Ok(found as f64 / f64::from(u32::try_from(wanted.max(1))?))
}

/// What the present models see in a few pictures.
fn centres(vision: &Arc<Vision>) -> Result<Vec<Features>, Failure> {
    let home = tempfile::tempdir()?;
    let engine = Engine::open_with(home.path(), Options::default(), vision.clone())?;
    let shop = engine.open_or_create(&CatalogueName::parse("centres")?)?;
    let mut centres = Vec::new();
    for n in 0..CENTRES {
        let bytes: Arc<[u8]> = photo(n * 37).into();
        let hash = PictureHash::of(&bytes);
        let product = Product {
            images: vec![Image { name: "main".into(), ..Image::default() }],
            ..Product::new(format!("c{n}"))
        };
        shop.put(vec![ProductPut::upsert(product, vec![("main".into(), bytes)])])?;
        shop.flush()?;
        centres.push(shop.features(&hash)?.ok_or("a drawn picture cannot be read")?);
    }
    Ok(centres)
}

/// A striped thing, different for every `n`.
fn photo(n: u32) -> Vec<u8> {
    let mix = |salt: u32| {
        (n.wrapping_add(1).wrapping_mul(2_654_435_761).wrapping_add(salt.wrapping_mul(40_503)) >> 13) as u8
    };
    let (one, two, stripe) = ([mix(1), mix(2), mix(3)], [mix(4), mix(5), mix(6)], 3 + u32::from(mix(7) % 20));
    let pixel = |i: u32| {
        let (x, y) = (i % 200, i / 200);
        if !(40..160).contains(&x) || !(30..220).contains(&y) {
            [228, 226, 222]
        } else if (x + y) / stripe % 2 == 0 {
            one
        } else {
            two
        }
    };
    encode_jpeg(&Photo::new(200, 250, (0..200 * 250).flat_map(pixel).collect()), 85)
}

/// splitmix64
fn random(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *seed;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn rss_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok()).map_or(0.0, |kib| kib / 1024.0)
}
