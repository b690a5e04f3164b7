//! Is it the same picture? Copies with crop, border, overlay, collage, mirror, recompression or other colours.
//!
//! Not the same garment, but the same photograph of it. The hash of the whole picture proposes how one picture
//! lies in the other (eight orientations, whole onto whole), so do the hashes of its halves and quarters (collages), and
//! so do spots that agree on one scale and shift, upright and mirrored. Every proposal is then tested on the pixels: the shared area is laid over, block by
//! block, and only a copy has its folds and grain where the other has them.

use twinset_photo::{Photo, Rect};

use crate::hash::{Orientation, PictureHash256, SAME_HASH_BITS};
use crate::spots::{self, Grey, Spot};

/// Two hashes nearer than this are worth a look at the pixels.
const LIKELY_HASH_BITS: u32 = 96;
/// Unrelated pictures are hardly ever this near, so what was laid over may be large.
const NEAR_HASH_BITS: u32 = 64;
/// What a collage of two or four may show: left, top, width, height, in halves of the sides.
const PANELS: [[f32; 4]; 8] = [
    [0.0, 0.0, 1.0, 2.0],
    [1.0, 0.0, 1.0, 2.0],
    [0.0, 0.0, 2.0, 1.0],
    [0.0, 1.0, 2.0, 1.0],
    [0.0, 0.0, 1.0, 1.0],
    [1.0, 0.0, 1.0, 1.0],
    [0.0, 1.0, 1.0, 1.0],
    [1.0, 1.0, 1.0, 1.0],
];
/// Two spots match if at most so many of 63 bits differ; unrelated ones differ in 31 on average.
const MATCH_BITS: u32 = 14;
/// How far a spot may lie from where a transform puts it, in pixels of the looks.
const TOLERANCE_PX: f32 = 6.0;
/// Fewest spots that propose together.
const LEAST_INLIERS: usize = 5;
/// Proposals of spots that are tested, for each of upright and mirrored.
const PROPOSALS: usize = 3;
/// Blocks along each side of the shared area, and samples along each side of a block.
const BLOCKS: usize = 12;
const SAMPLES: usize = 6;
/// Standard deviation of a block, in grey levels, from which it can agree or not.
const TEXTURE: f32 = 3.0;
/// Correlation from which a block agrees.
const AGREES: f32 = 0.9;
/// Share of the blocks with texture that must agree beside what was laid over, and their least number.
const LEAST_AGREEMENT: f32 = 0.92;
const LEAST_BLOCKS: usize = 14;
/// Something large laid over is a convenient excuse: all of the false pairs we met had one. So beside more than so
/// many blocks the rest must agree better, and there must be more of it.
const LARGE_OVERLAY: usize = 12;
const LEAST_AGREEMENT_OVERLAID: f32 = 0.94;
const LEAST_BLOCKS_OVERLAID: usize = 20;
/// The same where the hashes of the whole pictures agree: then blur and noise may hide fine texture.
const LEAST_AGREEMENT_SURE: f32 = 0.5;
/// Share of the smaller picture that must be shared.
const LEAST_SHARED: f32 = 0.3;
/// An overlay is looked for among so many blocks, must hide so many that differ, and there are at most so many.
const MOST_OVERLAID: usize = BLOCKS * BLOCKS / 3;
const LEAST_OVERLAID: i32 = 4;
const MOST_OVERLAYS: usize = 2;

/// One picture, ready to be compared with others.
#[derive(Clone, Debug)]
pub struct PictureLook {
    /// `None` for a picture too plain.
    pub hash: Option<PictureHash256>,
    /// Of the [`PANELS`].
    panels: [Option<PictureHash256>; PANELS.len()],
    photo: Photo,
    grey: Grey,
    spots: Vec<Spot>,
}

/// What was done to one picture to make the other, as far as pixels tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Edit {
    /// Left and right, or top and bottom, exchanged.
    Mirrored,
    /// Turned by a quarter or a half.
    Turned,
    /// One shows only a part of the other.
    Cropped,
    /// One has a plain frame or ground around the other.
    Bordered,
    /// One holds the other beside something else, with a seam between.
    Collage,
    /// Something lies over a part of it: words, a badge, a mark.
    Overlaid,
    /// Other colours or another brightness.
    Recoloured,
}

impl Edit {
    /// A stable word for machines.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mirrored => "mirrored",
            Self::Turned => "turned",
            Self::Cropped => "cropped",
            Self::Bordered => "bordered",
            Self::Collage => "collage",
            Self::Overlaid => "overlaid",
            Self::Recoloured => "recoloured",
        }
    }
}

/// Two pictures that are one photograph.
#[derive(Clone, Debug, PartialEq)]
pub struct SamePicture {
    /// In order, each once; empty if the two differ by size and compression at most.
    pub edits: Vec<Edit>,
    /// How the second must be turned or mirrored to lie like the first.
    pub orientation: Orientation,
    /// The shared area in each picture, in 0..=1 of its sides.
    pub shared: [Rect; 2],
    /// Share of the blocks with texture, beside what was laid over, that agree, 0..=1.
    pub agreement: f32,
    /// Bits of the hashes that differ, over all orientations; `None` if one has no hash.
    pub hash_bits: Option<u32>,
    /// Spots that agree; 0 if the hash alone proposed it.
    pub inliers: usize,
}

impl PictureLook {
    /// Of the upright picture. Its longer side should have 256 pixels or more.
    #[must_use]
    pub fn of(photo: &Photo) -> Self {
        let (photo, spots) = spots::find(photo);
        let size = [photo.width() as f32, photo.height() as f32];
        let panels = PANELS.map(|panel| PictureHash256::of(&photo.crop(area_of(panel, size))));
        Self { hash: PictureHash256::of(&photo), panels, grey: Grey::of(&photo), photo, spots }
    }

    fn size(&self) -> [f32; 2] {
        [self.grey.width as f32, self.grey.height as f32]
    }
}

/// Whether two pictures are copies of one, and what was done. Symmetric but for rounding, deterministic.
#[must_use]
pub fn same_picture(a: &PictureLook, b: &PictureLook) -> Option<SamePicture> {
    let hashes = a.hash.zip(b.hash).map(|(a, b)| a.best_orientation_distance(&b));
    let mut proposals = Vec::new();
    if let Some((bits, orientation)) = hashes.filter(|(bits, _)| *bits <= LIKELY_HASH_BITS) {
        proposals.push(Overlay { hash_bits: bits, ..Overlay::whole(a, b, orientation) });
    }
    let upright = Orientation::default();
    for orientation in [upright, Orientation { mirrored: true, ..upright }] {
        proposals.extend(propose_panels(a, b, orientation));
        proposals.extend(propose(a, b, orientation));
    }
    let tested = proposals.iter().filter_map(|overlay| Some((overlay, overlay.test(a, b)?)));
    let (overlay, found) = tested.max_by(|x, y| x.1.agreeing().total_cmp(&y.1.agreeing()))?;
    Some(SamePicture {
        edits: overlay.edits(a, b, &found),
        orientation: overlay.orientation,
        shared: overlay.shared(a, b),
        agreement: found.agreement,
        hash_bits: hashes.map(|(bits, _)| bits),
        inliers: overlay.inliers,
    })
}

/// One of the [`PANELS`] of a picture of this size, pixels.
fn area_of([x, y, w, h]: [f32; 4], [width, height]: [f32; 2]) -> Rect {
    Rect { x: x * width / 2.0, y: y * height / 2.0, w: w * width / 2.0, h: h * height / 2.0 }
}

/// One picture as a panel of the other, where the hashes are alike; `orientation` is upright or mirrored.
fn propose_panels(a: &PictureLook, b: &PictureLook, orientation: Orientation) -> Vec<Overlay> {
    let mut overlays = Vec::new();
    let (from, to) = (a.size(), b.size());
    let mut add = |hashes: Option<(PictureHash256, PictureHash256)>, area_a: Rect, area_b: Rect| {
        let bits = hashes.map_or(u32::MAX, |(a, b)| a.distance(&b.oriented(orientation)));
        if bits <= LIKELY_HASH_BITS {
            let left = if orientation.mirrored { to[0] - area_b.x1() } else { area_b.x };
            let scale = [area_b.w / area_a.w, area_b.h / area_a.h];
            let shift = [left - scale[0] * area_a.x, area_b.y - scale[1] * area_a.y];
            overlays.push(Overlay { orientation, scale, shift, inliers: 0, hash_bits: bits });
        }
    };
    for (panel, (of_a, of_b)) in PANELS.iter().zip(a.panels.iter().zip(&b.panels)) {
        add(a.hash.zip(*of_b), a.photo.frame(), area_of(*panel, to));
        add(of_a.zip(b.hash), area_of(*panel, from), b.photo.frame());
    }
    overlays
}

/// A place in `a` and its partner in the oriented `b`, pixels.
#[derive(Clone, Copy)]
struct Pair {
    a: [f32; 2],
    b: [f32; 2],
}

/// Overlays that spots agree on, those with most spots first.
fn propose(a: &PictureLook, b: &PictureLook, orientation: Orientation) -> Vec<Overlay> {
    let width = b.size()[0];
    let theirs: Vec<Spot> =
        b.spots.iter().map(|s| if orientation.mirrored { s.mirrored(width) } else { *s }).collect();
    let mut free = partners(&a.spots, &theirs);
    let mut overlays = Vec::new();
    while overlays.len() < PROPOSALS {
        let Some(members) = consensus(&free) else { break };
        let (scale, shift) = fit(&members.iter().map(|&i| free[i]).collect::<Vec<_>>());
        overlays.push(Overlay { orientation, scale, shift, inliers: members.len(), hash_bits: u32::MAX });
        let mut i = 0;
        free.retain(|_| {
            i += 1;
            !members.contains(&(i - 1))
        });
    }
    overlays
}

/// Spots that are each other's nearest and near enough, nearest first.
fn partners(ours: &[Spot], theirs: &[Spot]) -> Vec<Pair> {
    let mut of_theirs = vec![(u32::MAX, usize::MAX); theirs.len()];
    let mut of_ours = Vec::with_capacity(ours.len());
    for (i, spot) in ours.iter().enumerate() {
        let mut best = (u32::MAX, usize::MAX);
        for (j, other) in theirs.iter().enumerate() {
            let bits = spot.distance(other);
            best = best.min((bits, j));
            of_theirs[j] = of_theirs[j].min((bits, i));
        }
        of_ours.push(best);
    }
    let mut pairs: Vec<(u32, Pair)> = of_ours
        .iter()
        .enumerate()
        .filter(|(i, (bits, j))| *bits <= MATCH_BITS && of_theirs[*j].1 == *i)
        .map(|(i, (bits, j))| (*bits, Pair { a: ours[i].at, b: theirs[*j].at }))
        .collect();
    pairs.sort_by_key(|(bits, _)| *bits);
    pairs.into_iter().map(|(_, pair)| pair).collect()
}

/// The largest set of pairs that one scale and shift explains, if it is large enough.
fn consensus(pairs: &[Pair]) -> Option<Vec<usize>> {
    /// Pairs of pairs are taken from the nearest so many.
    const PROPOSERS: usize = 64;
    /// Nearer ones say too little about the scale.
    const LEAST_DISTANCE_PX: f32 = 24.0;
    let mut best = (LEAST_INLIERS - 1, [0.0; 2], [0.0; 2]);
    for (i, first) in pairs.iter().enumerate().take(PROPOSERS) {
        for second in &pairs[..i] {
            let (da, db) = (minus(first.a, second.a), minus(first.b, second.b));
            let (la, lb) = (da[0].hypot(da[1]), db[0].hypot(db[1]));
            if la < LEAST_DISTANCE_PX || lb < LEAST_DISTANCE_PX / 3.0 {
                continue;
            }
            // Neither turned nor sheared: the directions must be the same but for an uneven resize.
            if da[0] * db[0] + da[1] * db[1] < 0.98 * la * lb {
                continue;
            }
            let scale = lb / la;
            let shift = minus(first.b, first.a.map(|x| scale * x));
            let count = inside(pairs, [scale; 2], shift).count();
            if count > best.0 {
                best = (count, [scale; 2], shift);
            }
        }
    }
    let mut best: Vec<usize> = inside(pairs, best.1, best.2).collect();
    for _ in 0..2 {
        if best.len() < LEAST_INLIERS {
            return None;
        }
        let (scale, shift) = fit(&best.iter().map(|&i| pairs[i]).collect::<Vec<_>>());
        let refined: Vec<usize> = inside(pairs, scale, shift).collect();
        if refined.len() < best.len() {
            break;
        }
        best = refined;
    }
    Some(best)
}

fn minus(a: [f32; 2], b: [f32; 2]) -> [f32; 2] {
    [a[0] - b[0], a[1] - b[1]]
}

fn inside(pairs: &[Pair], scale: [f32; 2], shift: [f32; 2]) -> impl Iterator<Item = usize> {
    // Measured in the larger of the two pictures.
    let tolerance = TOLERANCE_PX * scale[0].max(scale[1]).min(1.0);
    let miss = move |p: &Pair| (0..2).map(|k| (scale[k] * p.a[k] + shift[k] - p.b[k]).powi(2)).sum::<f32>();
    (0..pairs.len()).filter(move |&i| miss(&pairs[i]) <= tolerance * tolerance)
}

/// Least squares, each axis with its own scale where the pairs lie wide enough apart.
fn fit(pairs: &[Pair]) -> ([f32; 2], [f32; 2]) {
    let n = pairs.len() as f32;
    let mean = |of: &dyn Fn(&Pair) -> f32| pairs.iter().map(of).sum::<f32>() / n;
    let middle: [[f32; 2]; 2] = std::array::from_fn(|k| [mean(&|p| p.a[k]), mean(&|p| p.b[k])]);
    let moment =
        |k: usize, of: &dyn Fn(f32, f32) -> f32| mean(&|p| of(p.a[k] - middle[k][0], p.b[k] - middle[k][1]));
    let spread: [f32; 2] = std::array::from_fn(|k| moment(k, &|a, _| a * a));
    let common: [f32; 2] = std::array::from_fn(|k| moment(k, &|a, b| a * b));
    let both = (common[0] + common[1]) / (spread[0] + spread[1]).max(1e-6);
    const WIDE_PX: f32 = 25.0;
    let scale: [f32; 2] = std::array::from_fn(|k| {
        let own = common[k] / spread[k].max(1e-6);
        let trusted = spread[k] >= WIDE_PX * WIDE_PX && (0.8..=1.25).contains(&(own / both));
        if trusted { own } else { both }
    });
    (scale, std::array::from_fn(|k| middle[k][1] - scale[k] * middle[k][0]))
}

/// How one picture lies in the other: `oriented b = scale * a + shift`, in pixels of both looks.
#[derive(Clone, Debug)]
struct Overlay {
    orientation: Orientation,
    scale: [f32; 2],
    shift: [f32; 2],
    inliers: usize,
    /// Bits in which the hashes that proposed it differ; of spots `u32::MAX`.
    hash_bits: u32,
}

/// One block of the shared area.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Block {
    /// Nothing to see in either.
    Plain,
    Agrees,
    Differs,
    /// Under something that was laid over one of them.
    Hidden,
}

/// Hides the rectangle in which differing blocks stand closest together, if they are enough; returns its size.
///
/// Words and badges are compact: a copy agrees everywhere else. Two photos of like garments differ all over.
fn cover_overlay(blocks: &mut [[Block; BLOCKS]; BLOCKS]) -> usize {
    // Sums over all blocks above and to the left, so that every rectangle costs four look-ups.
    let mut sums = [[0i32; BLOCKS + 1]; BLOCKS + 1];
    for row in 0..BLOCKS {
        for column in 0..BLOCKS {
            let worth = match blocks[row][column] {
                Block::Differs => 1,
                Block::Agrees => -2,
                Block::Plain | Block::Hidden => 0,
            };
            sums[row + 1][column + 1] =
                worth + sums[row][column + 1] + sums[row + 1][column] - sums[row][column];
        }
    }
    let mut best = (LEAST_OVERLAID - 1, [0; 4]);
    for top in 0..BLOCKS {
        for bottom in top + 1..=BLOCKS {
            for left in 0..BLOCKS {
                for right in left + 1..=BLOCKS {
                    let worth = sums[bottom][right] - sums[top][right] - sums[bottom][left] + sums[top][left];
                    if worth > best.0 && (bottom - top) * (right - left) <= MOST_OVERLAID {
                        best = (worth, [top, bottom, left, right]);
                    }
                }
            }
        }
    }
    let [top, bottom, left, right] = best.1;
    blocks[top..bottom].iter_mut().for_each(|row| row[left..right].fill(Block::Hidden));
    (bottom - top) * (right - left)
}

/// What laying one over the other showed.
struct Tested {
    agreement: f32,
    /// Share of the shared area that something was laid over.
    overlaid: f32,
    /// Mean difference of colour of what agrees, in levels of 0..=255.
    colour: f32,
    /// Share of the smaller picture.
    shared: f32,
}

impl Tested {
    fn agreeing(&self) -> f32 {
        (1.0 - self.overlaid) * self.shared * self.agreement
    }
}

impl Overlay {
    /// The whole of `a` on the whole of `b`.
    fn whole(a: &PictureLook, b: &PictureLook, orientation: Orientation) -> Self {
        let (from, to) = (a.size(), oriented_size(b, orientation));
        Self {
            orientation,
            scale: [to[0] / from[0], to[1] / from[1]],
            shift: [0.0; 2],
            inliers: 0,
            hash_bits: u32::MAX,
        }
    }

    /// The shared area in pixels of `a`.
    fn area_in_a(&self, a: &PictureLook, b: &PictureLook) -> Rect {
        let to = oriented_size(b, self.orientation);
        let low: [f32; 2] = std::array::from_fn(|k| -self.shift[k] / self.scale[k]);
        let high: [f32; 2] = std::array::from_fn(|k| (to[k] - self.shift[k]) / self.scale[k]);
        Rect::from_corners(low[0], low[1], high[0], high[1]).clamp_to(a.size()[0], a.size()[1])
    }

    /// From pixels of `a` to pixels of `b` as it is stored.
    fn in_b(&self, b: &PictureLook, [x, y]: [f32; 2]) -> [f32; 2] {
        let [width, height] = oriented_size(b, self.orientation);
        let (x, y) = (self.scale[0] * x + self.shift[0], self.scale[1] * y + self.shift[1]);
        let x = if self.orientation.mirrored { width - x } else { x };
        let y = if self.orientation.flipped { height - y } else { y };
        if self.orientation.transposed { [y, x] } else { [x, y] }
    }

    /// The shared area in each picture, in shares of its sides.
    fn shared(&self, a: &PictureLook, b: &PictureLook) -> [Rect; 2] {
        let area = self.area_in_a(a, b);
        let (p, q) = (self.in_b(b, [area.x, area.y]), self.in_b(b, [area.x1(), area.y1()]));
        let there = Rect::from_corners(p[0].min(q[0]), p[1].min(q[1]), p[0].max(q[0]), p[1].max(q[1]));
        let share = |rect: Rect, [w, h]: [f32; 2]| rect.clamp_to(w, h).scale(1.0 / w, 1.0 / h);
        [share(area, a.size()), share(there, b.size())]
    }

    /// Lays the shared area of both over each other; `None` unless it shows one photograph.
    fn test(&self, a: &PictureLook, b: &PictureLook) -> Option<Tested> {
        // Less a rim: a frame that shows on one side only would spoil every block along it.
        let rim = SLACK_PX * (1.0 / self.scale[0].min(self.scale[1])).max(1.0);
        let area = self.area_in_a(a, b);
        let area = Rect::from_corners(area.x + rim, area.y + rim, area.x1() - rim, area.y1() - rim);
        let shared = self.shared(a, b).map(|r| r.area());
        let shared = shared[0].max(shared[1]);
        // A NaN or a collapsed transform fails here as well.
        if !(shared >= LEAST_SHARED && area.w >= 24.0 && area.h >= 24.0) {
            return None;
        }
        let mut blocks = [[Block::Plain; BLOCKS]; BLOCKS];
        let mut colour = 0.0;
        for (row, blocks) in blocks.iter_mut().enumerate() {
            for (column, block) in blocks.iter_mut().enumerate() {
                let part = Rect {
                    x: area.x + area.w * column as f32 / BLOCKS as f32,
                    y: area.y + area.h * row as f32 / BLOCKS as f32,
                    w: area.w / BLOCKS as f32,
                    h: area.h / BLOCKS as f32,
                };
                *block = match self.block(a, b, part) {
                    Some((correlation, apart)) if correlation >= AGREES => {
                        colour += apart;
                        Block::Agrees
                    }
                    Some(_) => Block::Differs,
                    None => Block::Plain,
                };
            }
        }
        let count =
            |blocks: &[[Block; BLOCKS]], kind| blocks.as_flattened().iter().filter(|b| **b == kind).count();
        let agreeing = count(&blocks, Block::Agrees);
        let overlaid = (0..MOST_OVERLAYS).map(|_| cover_overlay(&mut blocks)).sum::<usize>();
        let (clear, differing) = (count(&blocks, Block::Agrees), count(&blocks, Block::Differs));
        let agreement = clear as f32 / (clear + differing).max(1) as f32;
        let same = match (self.hash_bits, overlaid) {
            // Blocks may be washed out by resizing.
            (..=SAME_HASH_BITS, _) => agreement >= LEAST_AGREEMENT_SURE,
            (..=NEAR_HASH_BITS, _) | (_, ..LARGE_OVERLAY) => {
                clear >= LEAST_BLOCKS && agreement >= LEAST_AGREEMENT
            }
            _ => clear >= LEAST_BLOCKS_OVERLAID && agreement >= LEAST_AGREEMENT_OVERLAID,
        };
        same.then_some(Tested {
            agreement,
            overlaid: overlaid as f32 / (BLOCKS * BLOCKS) as f32,
            colour: colour / agreeing.max(1) as f32,
            shared,
        })
    }

    /// Correlation of a block of `a` with the same in `b`, and how far apart their mean colours are; `None` if
    /// both are plain there.
    fn block(&self, a: &PictureLook, b: &PictureLook, block: Rect) -> Option<(f32, f32)> {
        const COUNT: f32 = (SAMPLES * SAMPLES) as f32;
        let mut samples = [[0.0f32; 2]; SAMPLES * SAMPLES];
        let step = [block.w / SAMPLES as f32, block.h / SAMPLES as f32];
        let mut colour = [0.0f32; 3];
        for (i, sample) in samples.iter_mut().enumerate() {
            // Four points a sample, so that grain finer than the samples does not decide.
            for quarter in 0..4 {
                let at = [
                    block.x + step[0] * ((i % SAMPLES) as f32 + 0.25 + 0.5 * (quarter % 2) as f32),
                    block.y + step[1] * ((i / SAMPLES) as f32 + 0.25 + 0.5 * (quarter / 2) as f32),
                ];
                let there = self.in_b(b, at);
                sample[0] += a.grey.at(at[0], at[1]) / 4.0;
                sample[1] += b.grey.at(there[0], there[1]) / 4.0;
                let (here, there) = (pixel(&a.photo, at), pixel(&b.photo, there));
                (0..3).for_each(|c| colour[c] += (here[c] - there[c]) / 4.0);
            }
        }
        let mean: [f32; 2] = std::array::from_fn(|k| samples.iter().map(|s| s[k]).sum::<f32>() / COUNT);
        let (mut aa, mut ab, mut bb) = (0.0, 0.0, 0.0);
        for [x, y] in samples {
            let (x, y) = (x - mean[0], y - mean[1]);
            (aa, ab, bb) = (aa + x * x, ab + x * y, bb + y * y);
        }
        if (aa / COUNT).sqrt().max((bb / COUNT).sqrt()) < TEXTURE {
            return None;
        }
        let apart = colour.iter().map(|c| c.abs() / COUNT).sum::<f32>() / 3.0;
        // A block that is all but plain in one of them has nothing to agree with.
        Some((ab / (aa.max(COUNT) * bb.max(COUNT)).sqrt(), apart))
    }

    fn edits(&self, a: &PictureLook, b: &PictureLook, found: &Tested) -> Vec<Edit> {
        let mut edits = Vec::new();
        if self.orientation.is_mirror() {
            edits.push(Edit::Mirrored);
        }
        if self.orientation.is_turn() && (self.orientation.transposed || !self.orientation.is_mirror()) {
            edits.push(Edit::Turned);
        }
        edits.extend(self.framing(a, b));
        if found.overlaid > 0.0 {
            edits.push(Edit::Overlaid);
        }
        if found.colour > RECOLOURED {
            edits.push(Edit::Recoloured);
        }
        edits
    }

    /// How the frames of the two differ.
    fn framing(&self, a: &PictureLook, b: &PictureLook) -> Option<Edit> {
        /// Share of a picture that counts as all of it.
        const ALL: f32 = 0.93;
        let shared = self.shared(a, b);
        let shares = shared.map(|r| r.area());
        if shares[0].min(shares[1]) >= ALL {
            return None;
        }
        if shares[0].max(shares[1]) < ALL {
            return Some(Edit::Cropped);
        }
        let (larger, smaller, part) =
            if shares[0] < shares[1] { (a, b, shared[0]) } else { (b, a, shared[1]) };
        let [width, height] = larger.size();
        let part = part.scale(width, height);
        let inner = Rect { x: 0.0, y: 0.0, w: smaller.size()[0], h: smaller.size()[1] };
        let rim = 2.0 * SLACK_PX;
        let inner = Rect::from_corners(rim, rim, inner.x1() - rim, inner.y1() - rim);
        Some(if is_plain_outside(&larger.grey, part) {
            Edit::Bordered
        } else if has_seam(&larger.grey, part) || is_plain_outside(&smaller.grey, inner) {
            // What has ground all around was not cut out of something.
            Edit::Collage
        } else {
            Edit::Cropped
        })
    }
}

/// Mean difference of colour from which a picture counts as recoloured; recompression gives 2 to 5.
const RECOLOURED: f32 = 12.0;

fn oriented_size(look: &PictureLook, orientation: Orientation) -> [f32; 2] {
    let [width, height] = look.size();
    if orientation.transposed { [height, width] } else { [width, height] }
}

fn pixel(photo: &Photo, [x, y]: [f32; 2]) -> [f32; 3] {
    let (x, y) =
        ((x as usize).min(photo.width() as usize - 1), (y as usize).min(photo.height() as usize - 1));
    let at = (y * photo.width() as usize + x) * 3;
    [0, 1, 2].map(|c| f32::from(photo.rgb()[at + c]))
}

/// Pixels that the place of the shared area may be wrong by.
const SLACK_PX: f32 = 3.0;

/// Whether all around `part` is of one shade.
fn is_plain_outside(grey: &Grey, part: Rect) -> bool {
    let part =
        Rect::from_corners(part.x - SLACK_PX, part.y - SLACK_PX, part.x1() + SLACK_PX, part.y1() + SLACK_PX);
    let outside = |i: &usize| {
        let (x, y) = ((i % grey.width) as f32, (i / grey.width) as f32);
        x < part.x || x > part.x1() || y < part.y || y > part.y1()
    };
    let mut levels: Vec<f32> = (0..grey.luma.len()).filter(outside).map(|i| grey.luma[i]).collect();
    if levels.is_empty() {
        return true;
    }
    let middle = levels.len() / 2;
    let usual = *levels.select_nth_unstable_by(middle, f32::total_cmp).1;
    let strange = levels.iter().filter(|level| (*level - usual).abs() > 14.0).count();
    (strange as f32) <= 0.02 * levels.len() as f32
}

/// Whether the picture breaks along every edge of `part` that lies inside it.
fn has_seam(grey: &Grey, part: Rect) -> bool {
    /// Times the steps elsewhere.
    const BREAK: f32 = 2.0;
    let (width, height) = (grey.width as f32, grey.height as f32);
    let span = 2.0 * SLACK_PX;
    let breaks = |along: [f32; 2], line: f32, vertical: bool| {
        let (mut across, mut beside) = (0.0, 0.0);
        for i in 0..64 {
            let t = along[0] + (along[1] - along[0]) * (i as f32 + 0.5) / 64.0;
            let at =
                |offset: f32| if vertical { grey.at(line + offset, t) } else { grey.at(t, line + offset) };
            across += (at(span / 2.0) - at(-span / 2.0)).abs();
            beside += ((at(span * 2.0) - at(span)).abs() + (at(-span) - at(-span * 2.0)).abs()) / 2.0;
        }
        across > BREAK * beside.max(64.0)
    };
    let upright = [part.x, part.x1()].map(|line| (line, width, [part.y, part.y1()], true));
    let level = [part.y, part.y1()].map(|line| (line, height, [part.x, part.x1()], false));
    let mut inside = (upright.into_iter().chain(level))
        .filter(|(line, side, ..)| *line > 2.0 * span && *line < side - 2.0 * span)
        .peekable();
    inside.peek().is_some() && inside.all(|(line, _, along, vertical)| breaks(along, line, vertical))
}
