//! Draws contact sheets to look at: `cargo run --release -p twinset-synth --example contact_sheet --
//! OUT.png [cuts|cloths|views|scenes|held|products|queries] [SEED]`.

use twinset_photo::Photo;
use twinset_synth::{
    Cut, Family, GarmentSpec, SceneOptions, Split, View, ViewKind, draw, packshot, product, scene,
};

fn main() {
    let mut args = std::env::args().skip(1);
    let Some(path) = args.next() else {
        eprintln!("contact_sheet OUT.png [cuts|cloths|views|scenes|held|products|queries] [SEED]");
        std::process::exit(2);
    };
    let what = args.next().unwrap_or_else(|| "cuts".into());
    let seed: u64 = args.next().and_then(|s| s.parse().ok()).unwrap_or(1);
    let side = 190;
    let mut tiles: Vec<Photo> = Vec::new();
    let mut columns = 10;
    match what.as_str() {
        "cuts" => {
            for (i, &cut) in Cut::ALL.iter().enumerate() {
                let base = product(seed, i as u64 * 3, Split::Train);
                let family = (0..60)
                    .map(|k| product(seed, k * 7 + i as u64, Split::Train).family)
                    .find(|f| *f == Family::Plain || *f == Family::Leather && cut == Cut::Boots)
                    .unwrap_or(Family::Plain);
                let spec =
                    GarmentSpec::new(i as u64, Split::Train, cut, base.shape_seed, family, 1, base.palette);
                tiles.push(packshot(&spec, 3, side).photo);
            }
        }
        "cloths" => {
            for (i, &family) in Family::ALL.iter().enumerate() {
                let spec = GarmentSpec::new(
                    i as u64,
                    Split::Train,
                    Cut::Tee,
                    4,
                    family,
                    seed + i as u64,
                    i as u64 * 5 + seed,
                );
                tiles.push(packshot(&spec, 3, side).photo);
            }
        }
        "views" => {
            columns = 5;
            for i in 0..8 {
                let spec = product(seed, i * 3, Split::Train);
                for kind in
                    [ViewKind::Flat, ViewKind::Hanger, ViewKind::Worn, ViewKind::Folded, ViewKind::Back]
                {
                    let cutout = draw(&spec, &View { kind, seed, side_px: side });
                    let rgb = cutout.rgba.chunks_exact(4).flat_map(|p| {
                        let a = u32::from(p[3]);
                        [p[0], p[1], p[2]].map(|c| ((u32::from(c) * a + 210 * (255 - a)) / 255) as u8)
                    });
                    tiles.push(Photo::new(side, side, rgb.collect()));
                }
            }
        }
        "scenes" | "held" => {
            columns = 8;
            let split = if what == "held" { Split::HeldOut } else { Split::Train };
            let options =
                SceneOptions { width: side, height: side, split, max_garments: 4, ..SceneOptions::default() };
            for i in 0..40 {
                let drawn = scene(seed, i, &options);
                let mut rgb = drawn.photo.rgb().to_vec();
                for item in &drawn.items {
                    outline(&mut rgb, side as usize, item.rect);
                }
                tiles.push(Photo::new(side, side, rgb));
            }
        }
        _ => {
            for i in 0..60 {
                tiles.push(packshot(&product(seed, i, Split::Train), 1, side).photo);
            }
        }
    }
    let rows = tiles.len().div_ceil(columns);
    let (w, h) = (columns as u32 * side, rows as u32 * side);
    let mut sheet = vec![255u8; (w * h * 3) as usize];
    for (i, tile) in tiles.iter().enumerate() {
        let (x0, y0) = ((i % columns) as u32 * side, (i / columns) as u32 * side);
        for y in 0..side.min(tile.height()) {
            let from = (y * tile.width() * 3) as usize;
            let to = (((y0 + y) * w + x0) * 3) as usize;
            let n = (side.min(tile.width()) * 3) as usize;
            sheet[to..to + n].copy_from_slice(&tile.rgb()[from..from + n]);
        }
    }
    let png = twinset_photo::encode_png(&Photo::new(w, h, sheet));
    if let Err(error) = std::fs::write(&path, png) {
        eprintln!("cannot write {path}: {error}");
        std::process::exit(1);
    }
}

fn outline(rgb: &mut [u8], side: usize, rect: twinset_photo::Rect) {
    let mut dot = |x: usize, y: usize| {
        let i = (y.min(side - 1) * side + x.min(side - 1)) * 3;
        rgb[i..i + 3].copy_from_slice(&[0, 255, 60]);
    };
    for x in rect.x as usize..rect.x1() as usize {
        dot(x, rect.y as usize);
        dot(x, rect.y1() as usize - 1);
    }
    for y in rect.y as usize..rect.y1() as usize {
        dot(rect.x as usize, y);
        dot(rect.x1() as usize - 1, y);
    }
}
