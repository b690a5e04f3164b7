//! What a catalogue promises, through its public surface.

mod contract;
mod damage;
mod durability;
mod filters;
mod homes;
mod samples;
mod writers;

use std::sync::Arc;

use twinset_catalogue::{Catalogue, CatalogueName, Home, Image, Product, ProductPut, Settings};

/// A catalogue in a folder of its own, removed at the end.
struct Shop {
    catalogue: Catalogue,
    home: Home,
    folder: tempfile::TempDir,
}

fn shop() -> Shop {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::open(folder.path()).unwrap();
    let catalogue = home.create(&name(), Settings::default()).unwrap();
    Shop { catalogue, home, folder }
}

impl std::ops::Deref for Shop {
    type Target = Catalogue;

    fn deref(&self) -> &Catalogue {
        &self.catalogue
    }
}

fn name() -> CatalogueName {
    CatalogueName::parse("shop").unwrap()
}

/// Bytes that stand for an encoded picture, different for each seed.
fn picture(seed: u64, bytes: usize) -> Arc<[u8]> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let words = bytes.div_ceil(8);
    (0..words).flat_map(|_| next()).take(bytes).collect()
}

/// A product with one image for each seed, and the bytes of all of them.
fn put(id: &str, pictures: &[u64]) -> ProductPut {
    let images = pictures.iter().map(|seed| Image { name: format!("p{seed}"), ..Image::default() }).collect();
    let product = Product { images, title: Some(format!("Title of {id}")), ..Product::new(id) };
    let pictures = pictures.iter().map(|seed| (format!("p{seed}"), picture(*seed, 900))).collect();
    ProductPut::upsert(product, pictures)
}
