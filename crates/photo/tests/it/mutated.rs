//! Ten thousand broken pictures from a seed: each ends as a picture or as a typed error.

use crate::colours::{icc_png, icc_segments, press_profile};
use crate::samples::{self, JPEG_444, JpegKind, PngKind, crc32, jpeg, png};
use std::collections::BTreeMap;
use twinset_photo::{Limits, PhotoError, decode, decode_reduced, probe};

const SEED: u64 = 20_261_123;
const COUNT: u64 = 10_000;

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

/// Small pictures of every variant, some with profiles worth breaking.
fn corpus() -> Vec<Vec<u8>> {
    let mut corpus: Vec<_> = samples::all(16, 11).iter().map(|sample| (sample.file)(Some(6))).collect();
    let p3 = moxcms::ColorProfile::new_display_p3().encode().unwrap();
    let colour = |x: u32, y: u32, c: usize| u16::from(samples::colour(x, y, 16, 16)[c]);
    let kind = PngKind { depth: 8, colour: 2, before: vec![icc_png(&p3)], ..PngKind::default() };
    let inks = JpegKind { colours: jpeg_encoder::ColorType::Cmyk, ..JPEG_444 };
    for _ in 0..4 {
        corpus.push(png(&kind, 16, 16, colour));
        corpus.push(jpeg(JPEG_444, 16, 16, &[90; 768], &icc_segments(&p3)));
        corpus.push(jpeg(inks, 16, 16, &[90; 1024], &icc_segments(&press_profile())));
    }
    corpus
}

fn mutate(chance: &mut Chance, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = corpus[chance.below(corpus.len())].clone();
    for _ in 0..=chance.below(4) {
        let at = chance.below(bytes.len());
        match chance.below(24) {
            5..=11 => bytes[at] ^= 1 << chance.below(8),
            12..=16 => bytes[at] = chance.next() as u8,
            17..=19 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][chance.below(5)],
            0 => bytes.truncate(at),
            1 => {
                // A part twice.
                let end = (at + chance.below(64)).min(bytes.len());
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
            2 => {
                let end = (at + chance.below(16)).min(bytes.len());
                bytes.drain(at..end);
            }
            3 => {
                // The tail of another file.
                let other = &corpus[chance.below(corpus.len())];
                let from = chance.below(other.len());
                bytes.truncate(at);
                bytes.extend(&other[from..]);
            }
            4 | 20 => {
                // A number of the size of lengths and sides.
                let number = [0, 1, 0xffff, 0x7fff_ffff, u32::MAX][chance.below(5)];
                let width = 2 << chance.below(2);
                for (byte, new) in bytes[at..].iter_mut().zip(&number.to_be_bytes()[4 - width..]) {
                    *byte = *new;
                }
            }
            _ => {
                for _ in 0..4 {
                    let at = chance.below(bytes.len());
                    bytes[at] = chance.next() as u8;
                }
            }
        }
        if bytes.is_empty() {
            break;
        }
    }
    // Behind a wrong checksum a PNG decoder never looks: make most of them right again.
    if bytes.starts_with(b"\x89PNG") && chance.below(4) > 0 {
        repair_checksums(&mut bytes);
    }
    bytes
}

fn repair_checksums(png: &mut [u8]) {
    let mut at = 8;
    while at + 12 <= png.len() {
        let length = u32::from_be_bytes(png[at..at + 4].try_into().unwrap()) as usize;
        let Some(end) = at.checked_add(8 + length).filter(|end| end + 4 <= png.len()) else { break };
        let sum = crc32(&png[at + 4..end]);
        png[end..end + 4].copy_from_slice(&sum.to_be_bytes());
        at = end + 4;
    }
}

#[test]
fn ten_thousand_broken_pictures() {
    let limits = Limits { max_pixels: 1 << 20, max_memory_bytes: 16 << 20, ..Limits::default() };
    let corpus = corpus();
    let mut outcomes = BTreeMap::<String, u32>::new();
    for i in 0..COUNT {
        let mut chance = Chance(SEED.wrapping_add(i.wrapping_mul(0x2545_f491_4f6c_dd1d)));
        let bytes = mutate(&mut chance, &corpus);
        let result = if i % 3 == 0 {
            decode_reduced(&bytes, &limits, 5).map(|decoded| decoded.photo)
        } else {
            decode(&bytes, &limits)
        };
        let outcome = match &result {
            Ok(photo) => {
                let header = probe(&bytes, &limits)
                    .unwrap_or_else(|error| panic!("picture {i} of seed {SEED}: {error}"));
                assert!(photo.width() <= header.width && photo.height() <= header.height, "picture {i}");
                "picture".to_string()
            }
            Err(PhotoError::Damaged { what, .. }) if what.contains("gave up") => {
                println!("picture {i} of seed {SEED}: {what}");
                "decoder panicked, caught".to_string()
            }
            Err(error) => format!("{error:?}").split([' ', '{']).next().unwrap_or_default().to_string(),
        };
        *outcomes.entry(outcome).or_default() += 1;
    }
    println!("{outcomes:?}");
    // The mutations reach all the way: many survive, and refusals are of every kind.
    for kind in ["picture", "Damaged", "Truncated", "TooManyPixels", "NotAPicture"] {
        assert!(outcomes.get(kind).is_some_and(|count| *count > 50), "{kind}: {outcomes:?}");
    }
}
