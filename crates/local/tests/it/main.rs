//! Local features and their comparison, on maps made here: which network made a map does not matter.

mod copies;

use proptest::prelude::*;
use twinset_local::{Comparison, LocalError, LocalFeatures, STORED_TOKENS, compare};
use twinset_nets::FeatureMap;

const SIDE: usize = 16;
const CELLS: usize = SIDE * SIDE;

/// A stream of numbers around 0.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> f32 {
        // The sum of four uniform numbers is near enough to normal.
        (0..4).map(|_| self.uniform()).sum::<f32>()
    }
    fn uniform(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f32 / (1 << 24) as f32 - 0.5
    }
}

/// A map whose token at each place is `token(x, y)` (made a unit vector) and whose saliency is random.
fn map(seed: u64, mut token: impl FnMut(usize, usize) -> Vec<f32>) -> FeatureMap {
    let mut data = vec![0.0; 65 * CELLS];
    let mut chance = Chance(seed * 7 + 11);
    for place in 0..CELLS {
        let vector = token(place % SIDE, place / SIDE);
        let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt().max(1e-9);
        for (c, x) in vector.iter().enumerate() {
            data[c * CELLS + place] = x / length;
        }
        data[64 * CELLS + place] = 4.0 * chance.uniform();
    }
    FeatureMap { channels: 65, height: SIDE, width: SIDE, data }
}

/// A garment: a different token everywhere, all of them somewhat alike as real ones are.
fn garment(seed: u64) -> Vec<Vec<f32>> {
    let mut chance = Chance(seed * 1_000_003 + 1);
    let common: Vec<f32> = (0..64).map(|_| chance.next()).collect();
    (0..CELLS).map(|_| common.iter().map(|c| 0.5 * c + chance.next()).collect()).collect()
}

/// The garment seen so that place (x, y) shows its place `from(x, y)`, with noise; ground elsewhere.
fn view(garment: &[Vec<f32>], seed: u64, noise: f32, from: impl Fn(f32, f32) -> (f32, f32)) -> FeatureMap {
    let mut chance = Chance(seed * 31 + 5);
    map(seed, |x, y| {
        let (u, v) = from(x as f32, y as f32);
        let (u, v) = (u.round(), v.round());
        let inside = (0.0..SIDE as f32).contains(&u) && (0.0..SIDE as f32).contains(&v);
        let token = if inside { garment[v as usize * SIDE + u as usize].clone() } else { vec![0.0; 64] };
        token.iter().map(|t| t + (noise + if inside { 0.0 } else { 1.0 }) * chance.next()).collect()
    })
}

fn against(query: &FeatureMap, hit: &FeatureMap) -> Comparison {
    compare(&LocalFeatures::extract(query, 256), &LocalFeatures::extract(hit, STORED_TOKENS))
}

#[test]
fn the_same_crop_is_the_same() {
    let crop = view(&garment(1), 1, 0.0, |x, y| (x, y));
    let found = against(&crop, &crop);
    assert!(found.score > 0.95, "{found:?}");
    assert!(!found.parts.is_empty() && found.parts.len() <= 8);
    for part in &found.parts {
        assert!(part.query.iou(&part.hit) > 0.99 && part.score > 0.99, "{part:?}");
    }
}

#[test]
fn a_view_of_the_same_garment_beats_every_other_garment() {
    type View = fn(f32, f32) -> (f32, f32);
    let views: [(&str, View); 5] = [
        ("shifted", |x, y| (x - 3.0, y + 2.0)),
        ("mirrored", |x, y| (15.0 - x, y)),
        ("larger", |x, y| (4.0 + x * 0.6, 3.0 + y * 0.6)),
        ("turned", |x, y| (15.0 - y, x)),
        ("bent", |x, y| (x + 2.5 * (y / 4.0).sin(), y + 1.5 * (x / 5.0).cos())),
    ];
    for (name, how) in views {
        for seed in 1..6 {
            let worn = view(&garment(seed), seed + 50, 0.25, how);
            let shown = view(&garment(seed), seed + 90, 0.25, |x, y| (x, y));
            let own = against(&worn, &shown);
            let others = (10..30)
                .map(|other| against(&worn, &view(&garment(other), other, 0.25, |x, y| (x, y))).score);
            let best_other = others.fold(0.0, f32::max);
            assert!(own.score > 0.5, "{name} {seed}: {own:?}");
            assert!(
                best_other < 0.3 && own.score > best_other + 0.3,
                "{name} {seed}: {} {best_other}",
                own.score
            );
        }
    }
}

#[test]
fn parts_lie_where_the_garment_is_in_both() {
    // The garment fills the left upper quarter of the query only.
    let query = view(&garment(3), 1, 0.1, |x, y| (x * 2.0, y * 2.0));
    let hit = view(&garment(3), 2, 0.1, |x, y| (x, y));
    let found = against(&query, &hit);
    assert!(!found.parts.is_empty(), "{found:?}");
    for part in &found.parts {
        assert!(part.query.x1() < 0.62 && part.query.y1() < 0.62, "{part:?}");
        assert!(
            (part.query.x * 2.0 - part.hit.x).abs() < 0.25 && (part.query.y * 2.0 - part.hit.y).abs() < 0.25
        );
    }
}

#[test]
fn plain_crops_are_compared_without_fuss() {
    let plain = map(1, |_, _| vec![1.0; 64]);
    let dark = map(1, |_, _| vec![0.0; 64]);
    let not_a_number = map(1, |_, _| vec![f32::NAN; 64]);
    let mut flat = plain.clone();
    flat.data[64 * CELLS..].fill(0.0);
    let textured = view(&garment(1), 1, 0.0, |x, y| (x, y));
    for a in [&plain, &dark, &not_a_number, &flat, &textured] {
        for b in [&plain, &dark, &not_a_number, &flat, &textured] {
            let found = against(a, b);
            assert!((0.0..=1.0).contains(&found.score), "{found:?}");
        }
    }
    // With nothing to tell the places apart there is no geometry to show.
    assert!(against(&plain, &plain).parts.is_empty());
    assert!(against(&plain, &textured).score < 0.3);
    // Kept tokens of a flat crop spread over all of it: one of 4 blocks of 2 x 2 in each quarter at least.
    let kept = LocalFeatures::extract(&flat, STORED_TOKENS).to_bytes();
    let places = &kept[10 + 32 * 64..10 + 32 * 66];
    for quarter in 0..4 {
        let inside = |p: &[u8]| usize::from(p[0] >= 128) + 2 * usize::from(p[1] >= 128) == quarter;
        assert!(places.chunks(2).filter(|p| inside(p)).count() >= 4);
    }
}

#[test]
fn tokens_inside_the_box_come_first_and_alone() {
    let map = view(&garment(1), 1, 0.0, |x, y| (x, y));
    let inside = twinset_photo::Rect { x: 0.25, y: 0.0, w: 0.5, h: 1.0 };
    let all = LocalFeatures::extract_inside(&map, inside, usize::MAX);
    assert_eq!(all.len(), CELLS / 2);
    assert_eq!(LocalFeatures::extract_inside(&map, inside, STORED_TOKENS).len(), STORED_TOKENS);
    let speck = twinset_photo::Rect { x: 0.5, y: 0.5, w: 0.01, h: 0.01 };
    assert_eq!(LocalFeatures::extract_inside(&map, speck, usize::MAX).len(), 8);
}

#[test]
fn nothing_matches_nothing() {
    let empty = LocalFeatures::extract(&view(&garment(1), 1, 0.0, |x, y| (x, y)), 0);
    assert_eq!(empty.len(), 0);
    assert_eq!(compare(&empty, &empty).score, 0.0);
    assert_eq!(LocalFeatures::from_bytes(&empty.to_bytes()).unwrap(), empty);
}

#[test]
fn stored_features_come_back_and_stay_small() {
    let map = view(&garment(4), 4, 0.0, |x, y| (x, y));
    let kept = LocalFeatures::extract(&map, STORED_TOKENS);
    let bytes = kept.to_bytes();
    assert_eq!(bytes.len(), 2158);
    assert_eq!(LocalFeatures::from_bytes(&bytes).unwrap(), kept);
    let all = LocalFeatures::extract(&map, usize::MAX);
    assert_eq!(all.len(), 256);
    assert_eq!(LocalFeatures::from_bytes(&all.to_bytes()).unwrap(), all);
}

#[test]
fn the_compact_form_is_small_and_still_tells_garments_apart() {
    for seed in 1..6 {
        let worn = LocalFeatures::extract(&view(&garment(seed), seed + 50, 0.25, |x, y| (x - 2.0, y)), 256);
        let stored = |other: u64| {
            LocalFeatures::extract(&view(&garment(other), other + 90, 0.25, |x, y| (x, y)), STORED_TOKENS)
        };
        let bytes = stored(seed).to_compact_bytes();
        assert_eq!(bytes.len(), 622);
        let small = LocalFeatures::from_bytes(&bytes).unwrap();
        // What four levels keep, they keep for good.
        assert_eq!(LocalFeatures::from_bytes(&small.to_compact_bytes()).unwrap(), small);
        let full = compare(&worn, &stored(seed)).score;
        let own = compare(&worn, &small).score;
        let other = LocalFeatures::from_bytes(&stored(seed + 20).to_compact_bytes()).unwrap();
        assert!(own > full - 0.15 && own > compare(&worn, &other).score + 0.3, "{seed}: {own} {full}");
    }
}

/// Bytes that a Twinset once wrote must be read for ever: the sample of docs/formats/local-features.md.
#[test]
fn the_sample_of_version_1_is_read() {
    let mut bytes = b"TWLF\x01\x40\x01\x00\x10\x10".to_vec();
    bytes.extend([0x7f; 1]);
    bytes.extend([0; 63]);
    bytes.extend([0x88, 0x08, 0xff]);
    bytes.extend(0x20ed_4565_u32.to_le_bytes());
    let read = LocalFeatures::from_bytes(&bytes).unwrap();
    assert_eq!(read.len(), 1);
    assert_eq!(read.to_bytes(), bytes);
}

#[test]
fn a_later_version_is_told_apart_from_damage() {
    let mut bytes = LocalFeatures::extract(&view(&garment(4), 4, 0.0, |x, y| (x, y)), 4).to_bytes();
    bytes[4] = 3;
    let end = bytes.len() - 4;
    let checksum = crc32(&bytes[..end]);
    bytes[end..].copy_from_slice(&checksum.to_le_bytes());
    assert_eq!(LocalFeatures::from_bytes(&bytes), Err(LocalError::Version(3)));
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, &byte| {
        (0..8).fold(
            crc ^ u32::from(byte),
            |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 },
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn damaged_features_are_refused(at in 0usize..2158, change in 1u8..=255, cut in 0usize..2158) {
        let good = LocalFeatures::extract(&view(&garment(2), 2, 0.0, |x, y| (x, y)), STORED_TOKENS).to_bytes();
        let mut bad = good.clone();
        bad[at] ^= change;
        prop_assert!(LocalFeatures::from_bytes(&bad).is_err());
        prop_assert!(LocalFeatures::from_bytes(&good[..cut]).is_err());
    }

    #[test]
    fn foreign_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(LocalFeatures::from_bytes(&bytes).is_err());
        let mut ours = b"TWLF".to_vec();
        ours.extend(&bytes);
        let checksum = crc32(&ours);
        ours.extend(checksum.to_le_bytes());
        // With a true checksum too: no panic, and if read then to the same bytes.
        if let Ok(read) = LocalFeatures::from_bytes(&ours) {
            prop_assert_eq!(read.to_bytes(), ours);
        }
    }

    #[test]
    fn comparing_is_deterministic_and_bounded(a in 1u64..50, b in 1u64..50, keep in 0usize..80) {
        let (a, b) = (view(&garment(a), a, 0.3, |x, y| (x, y)), view(&garment(b), b, 0.3, |x, y| (y, x)));
        let (query, hit) = (LocalFeatures::extract(&a, 256), LocalFeatures::extract(&b, keep));
        let found = compare(&query, &hit);
        prop_assert_eq!(&found, &compare(&query, &hit));
        prop_assert!((0.0..=1.0).contains(&found.score) && found.parts.len() <= 8);
        for rect in found.parts.iter().flat_map(|p| [p.query, p.hit]) {
            prop_assert!(rect.x >= 0.0 && rect.y >= 0.0 && rect.x1() <= 1.0 && rect.y1() <= 1.0 && rect.area() > 0.0);
        }
    }
}
