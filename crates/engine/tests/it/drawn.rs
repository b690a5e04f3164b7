//! Small pictures, products and shops to test with.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tempfile::TempDir;
use twinset_catalogue::{CatalogueName, Image, Mode, Product, ProductPut};
use twinset_engine::{Engine, GraphOptions, Options, QueryImage, SearchAnswer, SearchRequest, Shop, Vision};
use twinset_photo::{Photo, encode_png};

pub(crate) const LONG: Duration = Duration::from_secs(60);

/// A striped thing on a pale ground, different for every `n`, as PNG.
pub(crate) fn picture(n: u32) -> Vec<u8> {
    let (width, height) = (96, 120);
    let mix = |salt: u32| (n.wrapping_mul(2_654_435_761).wrapping_add(salt.wrapping_mul(40_503)) >> 13) as u8;
    let (one, two) = ([mix(1), mix(2), mix(3)], [mix(4), mix(5), mix(6)]);
    let (stripe, slope) = (3 + u32::from(mix(7) % 9), u32::from(mix(8) % 4));
    let mut rgb = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let inside = (20..76).contains(&x) && (15..105).contains(&y);
            let striped = (x * slope + y) / stripe % 2 == 0;
            let ground = [225 + (x % 8) as u8, 224, 220 + (y % 16) as u8];
            rgb.extend(if !inside {
                ground
            } else if striped {
                one
            } else {
                two
            });
        }
    }
    encode_png(&Photo::new(width, height, rgb))
}

/// Product `id` with one image a picture, named `main`, `2`, `3`, ...
pub(crate) fn product(id: &str, pictures: &[Vec<u8>]) -> ProductPut {
    let name = |i: usize| if i == 0 { "main".to_owned() } else { (i + 1).to_string() };
    let images = (0..pictures.len()).map(|i| Image { name: name(i), ..Image::default() }).collect();
    let product = Product { images, title: Some(format!("Thing {id}")), ..Product::new(id) };
    let pictures = pictures.iter().enumerate().map(|(i, bytes)| (name(i), Arc::from(&bytes[..]))).collect();
    ProductPut { product, pictures, mode: Mode::Upsert }
}

/// Product `p7` with picture 7, and so on.
pub(crate) fn numbered(n: u32) -> ProductPut {
    product(&format!("p{n}"), &[picture(n)])
}

/// The models that ship, loaded once.
pub(crate) fn vision() -> Arc<Vision> {
    static VISION: OnceLock<Arc<Vision>> = OnceLock::new();
    VISION.get_or_init(|| Arc::new(Vision::default())).clone()
}

pub(crate) fn open(home: &Path) -> Engine {
    open_seeing(home, vision())
}

/// A graph as soon as there are a few items, so that all tests are about it.
fn options() -> Options {
    let index = GraphOptions { graph_from: 8, ..GraphOptions::default() };
    Options { threads: 2, index, ..Options::default() }
}

pub(crate) fn open_seeing(home: &Path, vision: Arc<Vision>) -> Engine {
    Engine::open_with(home, options(), vision).unwrap()
}

pub(crate) fn shop_of(engine: &Engine) -> Arc<Shop> {
    engine.open_or_create(&CatalogueName::parse("shop").unwrap()).unwrap()
}

/// A shop in a folder of its own, with `puts` searchable.
pub(crate) struct Fixture {
    pub(crate) shop: Arc<Shop>,
    pub(crate) engine: Engine,
    /// Last: it goes when everything is closed.
    pub(crate) home: TempDir,
}

impl Fixture {
    pub(crate) fn with(puts: Vec<ProductPut>) -> Self {
        let home = tempfile::tempdir().unwrap();
        let engine = open(home.path());
        let shop = shop_of(&engine);
        if !puts.is_empty() {
            shop.put(puts).unwrap();
        }
        settle(&shop);
        Self { shop, engine, home }
    }
}

/// Waits until everything acknowledged is searchable.
pub(crate) fn settle(shop: &Shop) {
    let seq = shop.catalogue().last_seq().unwrap();
    assert!(shop.wait_searchable(seq, LONG), "{:?}", shop.index_status().unwrap());
}

pub(crate) fn request(n: u32) -> SearchRequest {
    SearchRequest::new(QueryImage::Bytes(picture(n)))
}

pub(crate) fn ids(answer: &SearchAnswer) -> Vec<&str> {
    answer.hits.iter().map(|hit| hit.product.id.as_str()).collect()
}

/// Every product of `numbers` is found first by its own picture, and the index is sound.
pub(crate) fn check_finds(shop: &Shop, numbers: impl IntoIterator<Item = u32>) {
    for n in numbers {
        let answer = shop.search(&request(n)).unwrap();
        assert_eq!(ids(&answer).first().copied(), Some(format!("p{n}").as_str()));
    }
    let report = shop.verify_index().unwrap();
    assert!(report.is_sound(), "{report:?}");
}
