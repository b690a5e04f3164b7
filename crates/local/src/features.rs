//! Tokens of one crop, in memory and as bytes (docs/formats/local-features.md).

use std::cmp::Reverse;

use twinset_nets::FeatureMap;
use twinset_photo::Rect;

use crate::LocalError;

/// Numbers of a token.
pub const DIM: usize = 64;

/// Most tokens of one crop: all of a map of 22 x 22.
pub const MAX_TOKENS: usize = 512;

/// Tokens kept of a box that holds hardly any.
const LEAST_INSIDE: usize = 8;

const MAGIC: [u8; 4] = *b"TWLF";
const VERSION: u8 = 1;
/// The compact form: two bits a number.
const COMPACT: u8 = 2;
/// Thresholds and levels of a normal distribution in two bits (Max 1960), for numbers of variance 1 / DIM, in
/// 127ths.
const COMPACT_EDGE: i8 = 16;
const COMPACT_LEVELS: [i8; 4] = [-24, -7, 7, 24];
const HEADER: usize = 10;
const TOKEN: usize = DIM + 3;
const COMPACT_TOKEN: usize = DIM / 4 + 3;
const CHECKSUM: usize = 4;

/// Tokens of one crop: 64-d int8 each, with position and saliency, most salient first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalFeatures {
    /// Columns and rows of the map that the tokens were taken from.
    grid: [u8; 2],
    /// `DIM` numbers a token, -127..=127 for -1..=1; never -128, which the kernel could not negate.
    vectors: Vec<i8>,
    /// Column and row of each token's centre in 256ths of the crop.
    places: Vec<[u8; 2]>,
    /// 0..=255 for 0..=1.
    saliency: Vec<u8>,
}

impl LocalFeatures {
    /// The `keep` most salient tokens of the map, at most [`MAX_TOKENS`] (a query keeps all).
    ///
    /// `map`: `[DIM + 1, height, width]`, unit tokens and a logit of saliency, as the embedder gives
    /// them. So that the tokens do not crowd on one button, the best of each block of 2 x 2 come
    /// first; where saliency is equal, as on a plain crop, they spread over all of it.
    ///
    /// # Panics
    /// If the map has another number of channels, or more than 255 rows or columns.
    #[must_use]
    pub fn extract(map: &FeatureMap, keep: usize) -> Self {
        let whole = Rect { x: 0.0, y: 0.0, w: 1.0, h: 1.0 };
        Self::extract_inside(map, whole, keep)
    }

    /// As [`LocalFeatures::extract`], of the tokens whose middle lies `inside`, a part of the crop in 0..=1: around a
    /// narrow garment most of a square crop is ground. Where fewer than 8 lie inside, the others follow them.
    ///
    /// # Panics
    /// As [`LocalFeatures::extract`].
    #[must_use]
    pub fn extract_inside(map: &FeatureMap, inside: Rect, keep: usize) -> Self {
        assert_eq!(map.channels, DIM + 1, "local features are made of {DIM} numbers and a saliency");
        let (width, height) = (map.width, map.height);
        let grid = [width, height].map(|side| u8::try_from(side).expect("a map of at most 255 x 255"));
        let logit = |place: usize| map.data[DIM * width * height + place];
        // Total order of tokens, best first; the multiplication scatters what is equal otherwise.
        let rank =
            |place: usize| (Reverse(ordered(logit(place))), place.wrapping_mul(2_654_435_769) as u32, place);
        let mut best_of_block = vec![usize::MAX; width.div_ceil(2) * height.div_ceil(2)];
        for place in 0..width * height {
            let block = place / width / 2 * width.div_ceil(2) + place % width / 2;
            let best = &mut best_of_block[block];
            if *best == usize::MAX || rank(place) < rank(*best) {
                *best = place;
            }
        }
        let mut places: Vec<usize> = (0..width * height).collect();
        let outside = |place: usize| {
            let [x, y] =
                [(place % width, width), (place / width, height)].map(|(i, n)| (i as f32 + 0.5) / n as f32);
            !((inside.x..=inside.x1()).contains(&x) && (inside.y..=inside.y1()).contains(&y))
        };
        let count = places.iter().filter(|&&place| !outside(place)).count();
        places.sort_unstable_by_key(|&place| {
            let block = place / width / 2 * width.div_ceil(2) + place % width / 2;
            (outside(place), best_of_block[block] != place, rank(place))
        });
        places.truncate(keep.min(MAX_TOKENS).min(count.max(LEAST_INSIDE)));
        places.sort_unstable_by_key(|&place| rank(place));
        let quantised = |place: &usize| {
            let place = *place;
            (0..DIM).map(move |c| {
                (map.data[c * width * height + place] * 127.0).round().clamp(-127.0, 127.0) as i8
            })
        };
        let centre = |index: usize, side: usize| ((2 * index + 1) * 128 / side) as u8;
        Self {
            grid,
            vectors: places.iter().flat_map(quantised).collect(),
            places: places.iter().map(|p| [centre(p % width, width), centre(p / width, height)]).collect(),
            saliency: places.iter().map(|&p| (255.0 / (1.0 + (-logit(p)).exp())).round() as u8).collect(),
        }
    }

    /// No tokens: of something that has no parts, such as words.
    #[must_use]
    pub fn none() -> Self {
        Self { grid: [1, 1], vectors: Vec::new(), places: Vec::new(), saliency: Vec::new() }
    }

    /// Number of tokens.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is no token.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// For storage: 14 bytes and 67 a token, so 2158 for 32 tokens.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER + self.len() * TOKEN + CHECKSUM);
        bytes.extend(MAGIC);
        bytes.extend([VERSION, DIM as u8]);
        bytes.extend((self.len() as u16).to_le_bytes());
        bytes.extend(self.grid);
        bytes.extend(self.vectors.iter().map(|&x| x as u8));
        bytes.extend(self.places.as_flattened());
        bytes.extend(&self.saliency);
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        bytes
    }

    /// For storage in less than a third of the room: 14 bytes and 19 a token, so 622 for 32 tokens. Each number is
    /// told as one of four levels; what comes back is near, not equal.
    #[must_use]
    pub fn to_compact_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER + self.len() * COMPACT_TOKEN + CHECKSUM);
        bytes.extend(MAGIC);
        bytes.extend([COMPACT, DIM as u8]);
        bytes.extend((self.len() as u16).to_le_bytes());
        bytes.extend(self.grid);
        let level = |x: i8| u8::from(x >= 0) + u8::from(x >= COMPACT_EDGE) + u8::from(x > -COMPACT_EDGE);
        let four = |four: &[i8]| four.iter().rev().fold(0, |byte, &x| byte << 2 | level(x));
        bytes.extend(self.vectors.chunks_exact(4).map(four));
        bytes.extend(self.places.as_flattened());
        bytes.extend(&self.saliency);
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        bytes
    }

    /// From either form.
    ///
    /// # Errors
    /// If the bytes are not ours, damaged, or of a later version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LocalError> {
        let damaged = |what: String| Err(LocalError::Damaged(what));
        if bytes.len() < HEADER + CHECKSUM || bytes[..4] != MAGIC {
            return damaged(format!("{} bytes that do not begin as ours", bytes.len()));
        }
        let (body, checksum) = bytes.split_at(bytes.len() - CHECKSUM);
        if crc32fast::hash(body).to_le_bytes() != checksum {
            return damaged(format!("the checksum of {} bytes is wrong", bytes.len()));
        }
        let token = match body[4] {
            VERSION => TOKEN,
            COMPACT => COMPACT_TOKEN,
            later => return Err(LocalError::Version(later)),
        };
        let count = usize::from(u16::from_le_bytes([body[6], body[7]]));
        if usize::from(body[5]) != DIM || count > MAX_TOKENS || body.len() != HEADER + count * token {
            return damaged(format!("{count} tokens of {} numbers in {} bytes", body[5], bytes.len()));
        }
        if body[8] == 0 || body[9] == 0 {
            return damaged("a map without rows or columns".into());
        }
        let (vectors, rest) = body[HEADER..].split_at(count * (token - 3));
        let (places, saliency) = rest.split_at(count * 2);
        let vectors: Vec<i8> = if body[4] == COMPACT {
            let levels = |byte: &u8| {
                (0..4).map(|i| COMPACT_LEVELS[usize::from(byte >> (2 * i) & 3)]).collect::<Vec<_>>()
            };
            to_full_length(vectors.iter().flat_map(levels).collect())
        } else {
            vectors.iter().map(|&x| x as i8).collect()
        };
        if vectors.contains(&i8::MIN) {
            return damaged("a token number of -128".into());
        }
        Ok(Self {
            grid: [body[8], body[9]],
            vectors,
            places: places.as_chunks().0.to_vec(),
            saliency: saliency.to_vec(),
        })
    }

    /// All vectors, one after the other.
    pub(crate) fn vectors(&self) -> &[i8] {
        &self.vectors
    }

    /// Centre of a token, 0..1 from left and top.
    pub(crate) fn place(&self, token: usize) -> [f32; 2] {
        self.places[token].map(|p| f32::from(p) / 256.0)
    }

    /// Saliency of a token, 0..=1.
    pub(crate) fn saliency(&self, token: usize) -> f32 {
        f32::from(self.saliency[token]) / 255.0
    }

    /// Width and height of the cell a token stands for, as shares of the crop.
    pub(crate) fn cell(&self) -> [f32; 2] {
        self.grid.map(|side| 1.0 / f32::from(side))
    }
}

/// Tokens made of few levels, brought back to length 127.
fn to_full_length(mut vectors: Vec<i8>) -> Vec<i8> {
    for token in vectors.chunks_exact_mut(DIM) {
        let length = token.iter().map(|&x| f32::from(x).powi(2)).sum::<f32>().sqrt();
        token.iter_mut().for_each(|x| *x = (f32::from(*x) * 127.0 / length.max(1.0)).round() as i8);
    }
    vectors
}

/// The bits of a number in an order that integers keep; NaN has its place too.
fn ordered(x: f32) -> i32 {
    let bits = x.to_bits() as i32;
    bits ^ (((bits >> 31) as u32) >> 1) as i32
}
