//! How one node lies in its block.
//!
//! In: a turned vector, links. Out: bytes, and distances between blocks and queries. Knows nothing of walks.
//!
//! A block is header, one byte a dimension, links, and on request a second byte a dimension for the last
//! comparison. Drawn byte by byte in docs/formats/index-graph.md.
use super::frame;
use crate::kernels::Kernels;

/// Most links of a node.
pub(crate) const DEGREE: usize = 32;
/// No link there.
pub(crate) const NONE: u32 = u32::MAX;
const HEADER: usize = 32;

/// Offsets within a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) padded: usize,
    /// A second byte a number, for the last comparison.
    pub(crate) fine: bool,
    links: usize,
    low: usize,
    pub(crate) stride: usize,
}

/// The five numbers before the vector.
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub(crate) struct Header {
    pub(crate) item: u32,
    pub(crate) group: u32,
    /// Squared length of the turned vector, as given.
    pub(crate) norm: f32,
    /// A number is its code times this.
    step: f32,
    /// Squared length of the coded vector.
    code_norm: f32,
    /// So many links, at the front, were chosen for their direction; the rest fill up.
    pub(crate) chosen: u32,
    zero: [u32; 2],
}

impl Form {
    pub(crate) fn new(dim: usize, fine: bool) -> Self {
        let padded = frame::padded(dim);
        let links = HEADER + padded;
        let low = links + 4 * DEGREE;
        let stride = (low + if fine { padded } else { 0 }).next_multiple_of(32);
        Self { padded, fine, links, low, stride }
    }

    pub(crate) fn header<'a>(&self, block: &'a [u8]) -> &'a Header {
        bytemuck::from_bytes(&block[..HEADER])
    }
    pub(crate) fn header_mut<'a>(&self, block: &'a mut [u8]) -> &'a mut Header {
        bytemuck::from_bytes_mut(&mut block[..HEADER])
    }
    fn high<'a>(&self, block: &'a [u8]) -> &'a [i8] {
        bytemuck::cast_slice(&block[HEADER..HEADER + self.padded])
    }
    fn low<'a>(&self, block: &'a [u8]) -> &'a [i8] {
        bytemuck::cast_slice(&block[self.low..self.low + self.padded])
    }
    /// All 32 places.
    pub(crate) fn places<'a>(&self, block: &'a [u8]) -> &'a [u32] {
        bytemuck::cast_slice(&block[self.links..self.links + 4 * DEGREE])
    }
    /// The links that are there; they stand at the front.
    pub(crate) fn links<'a>(&self, block: &'a [u8]) -> &'a [u32] {
        let places = self.places(block);
        &places[..places.iter().position(|&id| id == NONE).unwrap_or(DEGREE)]
    }

    /// The numbers of a block that came from a file can be worked with.
    pub(crate) fn is_sound(&self, block: &[u8]) -> bool {
        let header = self.header(block);
        let numbers = [header.norm, header.step, header.code_norm];
        let links = self.links(block);
        numbers.iter().all(|x| x.is_finite() && *x >= 0.0)
            && header.chosen as usize <= links.len()
            && self.places(block)[links.len()..].iter().all(|&id| id == NONE)
    }

    /// A node without links.
    pub(crate) fn write(&self, block: &mut [u8], item: u32, group: u32, turned: &[f32]) {
        let largest = turned.iter().fold(0.0f32, |m, x| m.max(x.abs()));
        let step = if largest > 0.0 { largest / 127.0 } else { 1.0 };
        let mut code_norm = 0i32;
        for (i, x) in turned.iter().enumerate() {
            let whole = (x / step * 256.0).round().clamp(-32_512.0, 32_512.0) as i32;
            let high = (whole + 128) >> 8;
            code_norm += high * high;
            block[HEADER + i] = high as i8 as u8;
            if self.fine {
                block[self.low + i] = (whole - high * 256) as i8 as u8;
            }
        }
        let norm = turned.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>() as f32;
        let code_norm = step * step * code_norm as f32;
        *self.header_mut(block) = Header { item, group, norm, step, code_norm, chosen: 0, zero: [0; 2] };
        self.places_mut(block).fill(NONE);
    }

    /// Squared distance of two nodes by their codes; 0 for equal ones.
    pub(crate) fn between(&self, kernels: &Kernels, a: &[u8], b: &[u8]) -> f32 {
        let (x, y) = (self.header(a), self.header(b));
        let dot = (kernels.dot_codes)(self.high(a), self.high(b)) as f32;
        // Grouped as in `write`, so that equal vectors cancel exactly.
        let cross = (x.step * y.step) * dot;
        (x.code_norm + y.code_norm - 2.0 * cross).max(0.0)
    }

    /// The vector as the codes have it.
    pub(crate) fn decode(&self, block: &[u8]) -> Vec<f32> {
        let step = self.header(block).step;
        self.high(block).iter().map(|&x| f32::from(x) * step).collect()
    }

    /// Puts a link at `place`, or [`NONE`]. Whoever calls keeps the links at the front.
    pub(crate) fn link(&self, block: &mut [u8], place: usize, id: u32) {
        self.places_mut(block)[place] = id;
    }

    /// Changes the places of two links.
    pub(crate) fn swap_links(&self, block: &mut [u8], a: usize, b: usize) {
        self.places_mut(block).swap(a, b);
    }

    fn places_mut<'a>(&self, block: &'a mut [u8]) -> &'a mut [u32] {
        bytemuck::cast_slice_mut(&mut block[self.links..self.links + 4 * DEGREE])
    }

    /// Squared distance of the query to the node, by its codes.
    #[inline]
    pub(crate) fn distance(&self, kernels: &Kernels, query: &Prepared, block: &[u8]) -> f32 {
        let header = self.header(block);
        let dot = (kernels.dot_mixed)(&query.whole, self.high(block)) as f32;
        query.norm + header.norm - 2.0 * query.step * header.step * dot
    }

    /// The same with the second byte, where there is one.
    pub(crate) fn fine_distance(&self, kernels: &Kernels, query: &Prepared, block: &[u8]) -> f32 {
        if !self.fine {
            return self.distance(kernels, query, block);
        }
        let header = self.header(block);
        let high = (kernels.dot_mixed)(&query.whole, self.high(block)) as f32;
        let low = (kernels.dot_mixed)(&query.whole, self.low(block)) as f32;
        query.norm + header.norm - 2.0 * query.step * header.step * (high + low / 256.0)
    }
}

/// A turned query, made ready for the kernels.
pub(crate) struct Prepared {
    norm: f32,
    step: f32,
    whole: Vec<i16>,
}

impl Prepared {
    pub(crate) fn new(turned: &[f32]) -> Self {
        let largest = turned.iter().fold(0.0f32, |m, x| m.max(x.abs()));
        let step = if largest > 0.0 { largest / 8191.0 } else { 1.0 };
        let inverse = 1.0 / step;
        Self {
            norm: turned.iter().map(|x| x * x).sum(),
            step,
            whole: turned
                .iter()
                .map(|x| (x * inverse).round_ties_even().clamp(-8191.0, 8191.0) as i16)
                .collect(),
        }
    }
}
