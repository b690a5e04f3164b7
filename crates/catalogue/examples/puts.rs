//! Measures how fast a catalogue takes products and answers filters.
//!
//! `cargo run --release -p twinset-catalogue --example puts -- [PRODUCTS] [PICTURE_BYTES] [FOLDER]`
//!
//! Makes a home in a temporary folder (below FOLDER if given, since the disk decides the result),
//! puts PRODUCTS in batches of 100, each with one picture of its own, and prints a line a measure.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use twinset_catalogue::{
    Availability, Catalogue, CatalogueName, Filter, Home, Image, Money, Product, ProductPut, Settings,
};

const BATCH: usize = 100;
const COLOURS: [&str; 8] = ["Red", "Navy", "Sand", "Black", "White", "Green", "Grey", "Rust"];

fn product(n: usize, price: usize) -> Product {
    Product {
        title: Some(format!("Linen dress number {n} with a title of usual length")),
        description: Some("Sleeveless midi dress in washed linen, sand and rust stripes. ".repeat(8)),
        link: Some(format!("https://shop.example/products/{n}")),
        brand: Some(format!("Brand {}", n % 200)),
        availability: if n.is_multiple_of(5) { Availability::OutOfStock } else { Availability::InStock },
        price: Money::parse(&format!("{}.{:02}", 5 + price % 300, price % 100), "EUR").ok(),
        color: vec![COLOURS[n % 8].into(), COLOURS[(n / 8) % 8].into()],
        size: vec![(34 + n % 12).to_string()],
        product_type: vec![vec!["Women".into(), format!("Kind {}", n % 30)]],
        images: vec![Image { name: "main".into(), ..Image::default() }],
        ..Product::new(format!("product-{n:08}"))
    }
}

/// Noise: what a compressed picture looks like to a disk.
fn picture(n: usize, bytes: usize) -> Arc<[u8]> {
    let mut state = (n as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let words = (0..bytes.div_ceil(8)).flat_map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.take(bytes).collect()
}

/// Prints the rate of `work`, which says how many products it handled.
fn measure(
    what: &str,
    work: impl FnOnce() -> Result<usize, Box<dyn std::error::Error>>,
) -> Result<(), Box<dyn std::error::Error>> {
    let start = Instant::now();
    let count = work()?;
    let seconds = start.elapsed().as_secs_f64();
    println!("{what:<58} {:>10.0}/s  ({count} in {seconds:.2} s)", count as f64 / seconds);
    Ok(())
}

/// One product a call, from several threads.
fn singles(
    catalogue: &Catalogue,
    threads: usize,
    first: usize,
    count: usize,
) -> Result<usize, Box<dyn std::error::Error>> {
    let next = AtomicUsize::new(first);
    std::thread::scope(|scope| {
        let work = || -> Result<(), twinset_catalogue::CatalogueError> {
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= first + count {
                    return Ok(());
                }
                catalogue
                    .put(&[ProductPut::upsert(product(n, n), vec![("main".into(), picture(n, 1_000))])])?;
            }
        };
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("a writing thread panicked"))
    })?;
    Ok(count)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, usual| arguments.get(at).map_or(Ok(usual), |text| text.parse::<usize>());
    let (products, bytes) = (number(0, 5_000)?, number(1, 50_000)?);
    let folder = match arguments.get(2) {
        Some(below) => tempfile::tempdir_in(below)?,
        None => tempfile::tempdir()?,
    };
    let home = Home::open(folder.path())?;
    let catalogue = home.create(&CatalogueName::parse("bench")?, Settings::default())?;
    let batches = || (0..products).step_by(BATCH).map(|first| first..(first + BATCH).min(products));
    let in_batches = |make: &dyn Fn(usize) -> ProductPut| {
        for batch in batches() {
            catalogue.put(&batch.map(make).collect::<Vec<_>>())?;
        }
        Ok(products)
    };

    measure(&format!("new, batches of {BATCH}, a {bytes}-byte picture each"), || {
        in_batches(&|n| ProductPut::upsert(product(n, n), vec![("main".into(), picture(n, bytes))]))
    })?;
    measure(&format!("a new price, batches of {BATCH}, no bytes"), || {
        in_batches(&|n| ProductPut::upsert(product(n, n + 1), Vec::new()))
    })?;
    measure(&format!("unchanged, batches of {BATCH}, no bytes"), || {
        in_batches(&|n| ProductPut::upsert(product(n, n + 1), Vec::new()))
    })?;
    measure("new, one a call, 1 thread", || singles(&catalogue, 1, products, 300))?;
    measure("new, one a call, 8 threads (group commit)", || singles(&catalogue, 8, products + 300, 1_200))?;
    measure("read back by export", || {
        let mut count = 0;
        catalogue.export(&mut |_| {
            count += 1;
            true
        })?;
        Ok(count)
    })?;
    for text in [
        "availability = 'in_stock'",
        "price < 100 and color in ('red', 'navy')",
        "brand = 'brand 7' and not size = 40",
        "product_type = 'kind 3' or price >= 250",
    ] {
        let filter = Filter::parse(text)?;
        let start = Instant::now();
        let rows = catalogue.select(&filter)?.len();
        println!("select {text:<51} {:>8.2} ms  ({rows} rows)", start.elapsed().as_secs_f64() * 1e3);
    }
    let size = std::fs::metadata(catalogue.dir().join("catalogue.db"))?.len();
    println!(
        "database {:.1} MB for {:.1} MB of pictures",
        size as f64 / 1e6,
        (products * bytes) as f64 / 1e6
    );
    Ok(())
}
