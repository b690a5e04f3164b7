//! Words and badges laid over a picture: rows of small patches of exactly one ink.

use crate::weighed::Signs;
use std::cmp::Reverse;
use twinset_photo::Photo;

/// Pixels of one patch are at most so far from the one it was begun with, in any channel.
const INK: i32 = 34;
/// Patches of one row have inks no farther apart than this.
const SAME_INK: f32 = 30.0;
/// Numbers that speak for or against a row of letters.
pub(crate) const SIGNS: usize = 11;

/// How sure it is that something is written over the picture, 0..=1.
pub(crate) fn lettering(photo: &Photo) -> f32 {
    rows(photo).iter().map(|row| row.certainty(&WEIGHTS)).fold(0.0, f32::max)
}

/// A patch of one ink.
#[derive(Clone, Copy, Debug)]
struct Patch {
    x0: f32,
    y0: f32,
    x1: f32,
    y1: f32,
    ink: [f32; 3],
    /// Standard deviation of its pixels, mean over the channels.
    spread: f32,
    /// Share of its box that it fills, and of the picture.
    fill: f32,
    area: f32,
}

impl Patch {
    fn height(&self) -> f32 {
        self.y1 - self.y0
    }
    fn width(&self) -> f32 {
        self.x1 - self.x0
    }
}

fn pixel(photo: &Photo, i: usize) -> [i32; 3] {
    let p = &photo.rgb()[3 * i..3 * i + 3];
    [i32::from(p[0]), i32::from(p[1]), i32::from(p[2])]
}

fn apart(a: [i32; 3], b: [i32; 3]) -> i32 {
    (0..3).map(|c| (a[c] - b[c]).abs()).max().unwrap_or(0)
}

/// Everything connected that is like the pixel it was begun with; begun in the middle of strokes first, then at thin
/// ones.
fn patches(photo: &Photo) -> Vec<Patch> {
    let (w, h) = (photo.width() as usize, photo.height() as usize);
    let mut seen = vec![false; w * h];
    let (mut stack, mut patch, mut found) = (Vec::new(), Vec::new(), Vec::new());
    for flat in [4, 2] {
        for (x, y) in (1..h.max(2) - 1).flat_map(|y| (1..w.max(2) - 1).map(move |x| (x, y))) {
            let start = y * w + x;
            if seen[start] {
                continue;
            }
            let ink = pixel(photo, start);
            let around = [start - 1, start + 1, start - w, start + w];
            if around.iter().filter(|&&n| apart(pixel(photo, n), ink) <= 14).count() < flat {
                continue;
            }
            patch.clear();
            stack.push(start);
            seen[start] = true;
            while let Some(i) = stack.pop() {
                patch.push(i);
                let (x, y) = (i % w, i / w);
                for (x, y) in [(x.wrapping_sub(1), y), (x + 1, y), (x, y.wrapping_sub(1)), (x, y + 1)] {
                    if x < w && y < h && !seen[y * w + x] && apart(pixel(photo, y * w + x), ink) <= INK {
                        seen[y * w + x] = true;
                        stack.push(y * w + x);
                    }
                }
            }
            if (8..=w * h / 10).contains(&patch.len()) {
                found.push(measured(photo, &patch));
            }
        }
    }
    found
}

fn measured(photo: &Photo, patch: &[usize]) -> Patch {
    let (w, h) = (photo.width() as usize, photo.height() as usize);
    let (mut x0, mut x1, mut y0, mut y1) = (w, 0, h, 0);
    let (mut sum, mut square) = ([0.0f64; 3], 0.0f64);
    for &i in patch {
        let (x, y) = (i % w, i / w);
        (x0, x1, y0, y1) = (x0.min(x), x1.max(x + 1), y0.min(y), y1.max(y + 1));
        for (sum, value) in sum.iter_mut().zip(pixel(photo, i)) {
            *sum += f64::from(value);
            square += f64::from(value * value);
        }
    }
    let n = patch.len() as f64;
    let means = sum.map(|s| s / n);
    let variance = (square / n - means.iter().map(|m| m * m).sum::<f64>()) / 3.0;
    Patch {
        x0: x0 as f32,
        y0: y0 as f32,
        x1: x1 as f32,
        y1: y1 as f32,
        ink: means.map(|m| m as f32),
        spread: variance.max(0.0).sqrt() as f32,
        fill: n as f32 / ((x1 - x0) * (y1 - y0)) as f32,
        area: n as f32 / (w * h) as f32,
    }
}

/// Rows of patches that may be letters, each with its signs; the tallest first.
pub(crate) fn rows(photo: &Photo) -> Vec<Signs<SIGNS>> {
    let (width, height) = (photo.width() as f32, photo.height() as f32);
    let all = patches(photo);
    let letter = |p: &&Patch| {
        (5.0..=0.16 * width.min(height)).contains(&p.height())
            && p.width() <= 2.2 * p.height()
            && p.area < 0.012
            && p.x0 > 0.0
            && p.y0 > 0.0
            && p.x1 < width
            && p.y1 < height
    };
    // What badges are printed on.
    let plate = |p: &&Patch| {
        (0.004..0.1).contains(&p.area)
            && p.fill > 0.45
            && p.width() < 2.6 * p.height()
            && p.height() < 1.3 * p.width()
    };
    let plates: Vec<&Patch> = all.iter().filter(plate).collect();
    let mut letters: Vec<&Patch> = all.iter().filter(letter).collect();
    letters.sort_by(|a, b| a.x0.total_cmp(&b.x0));
    let mut order: Vec<usize> = (0..letters.len()).collect();
    order.sort_by_key(|&i| (Reverse(letters[i].height() as u32), i));
    let mut used = vec![false; letters.len()];
    let mut found = Vec::new();
    for first in order {
        if used[first] {
            continue;
        }
        let row = row(&letters, first);
        row.iter().for_each(|&i| used[i] = true);
        let row: Vec<&Patch> = row.into_iter().map(|i| letters[i]).collect();
        found.extend(signs(photo, letters[first], &row, &plates));
    }
    found
}

/// The patches that stand in a row with the tallest, `first`, without a wide gap: of its ink, and no higher or lower.
fn row(letters: &[&Patch], first: usize) -> Vec<usize> {
    let tallest = letters[first];
    let height = tallest.height();
    let level = |p: &Patch| p.y0 >= tallest.y0 - 0.25 * height && p.y1 <= tallest.y1 + 0.25 * height;
    let same = |p: &Patch| (0..3).all(|c| (p.ink[c] - tallest.ink[c]).abs() < SAME_INK);
    let mut row: Vec<usize> = Vec::new();
    let mut end = f32::MIN;
    for i in (0..letters.len()).filter(|&i| level(letters[i]) && same(letters[i])) {
        if letters[i].x0 - end > 1.5 * height {
            if row.contains(&first) {
                break;
            }
            row.clear();
        }
        row.push(i);
        end = if row.len() == 1 { letters[i].x1 } else { end.max(letters[i].x1) };
    }
    row
}

/// What speaks for letters, which are even, level and of one ink, and against them; `None`: too few to say.
fn signs(photo: &Photo, tallest: &Patch, row: &[&Patch], plates: &[&Patch]) -> Option<Signs<SIGNS>> {
    let (width, height) = (photo.width() as f32, photo.height() as f32);
    let least = |of: &dyn Fn(&Patch) -> f32| row.iter().map(|p| of(p)).fold(f32::MAX, f32::min);
    let most = |of: &dyn Fn(&Patch) -> f32| row.iter().map(|p| of(p)).fold(0.0, f32::max);
    let place @ [x0, y0, x1, y1] = [least(&|p| p.x0), least(&|p| p.y0), most(&|p| p.x1), most(&|p| p.y1)];
    let behind = |p: &&&Patch| p.x0 < x0 && p.y0 < y0 && p.x1 > x1 && p.y1 > y1 && x1 - x0 > 0.3 * p.width();
    let plate = plates.iter().filter(behind).map(|p| (1.0 - p.spread / 20.0).max(0.0)).fold(0.0, f32::max);
    if row.len() < 2 || row.len() < 3 && plate <= 0.0 {
        return None;
    }
    let tall = tallest.height();
    let ink = tallest.ink.map(|v| v as i32);
    let (mut inked, mut others, mut contrast) = (0.0f32, 0.0f32, 0.0f32);
    let rows = (y0 - 3.0).max(0.0) as usize..(y1 + 3.0).min(height) as usize;
    let columns = (x0 - 3.0).max(0.0) as usize..(x1 + 3.0).min(width) as usize;
    for i in rows.flat_map(|y| columns.clone().map(move |x| y * photo.width() as usize + x)) {
        match apart(pixel(photo, i), ink) {
            ..=24 => inked += 1.0,
            step => {
                others += 1.0;
                contrast += step as f32;
            }
        }
    }
    let area: f32 = row.iter().map(|p| p.area).sum();
    let exact = row.iter().map(|p| p.spread * p.area).sum::<f32>() / area;
    let upright: Vec<&Patch> = row.iter().copied().filter(|p| p.height() >= 0.6 * tall).collect();
    let (_, bottom) = spread(&upright, &|p| p.y1);
    let (_, top) = spread(&upright, &|p| p.y0);
    let (wide, unlike) = spread(row, &|p| p.width());
    let (_, filled) = spread(row, &|p| p.fill);
    let off = |from: f32, to: f32, side: f32| ((from + to) / 2.0 / side - 0.5).abs();
    let darkest = tallest.ink.iter().copied().fold(f32::MAX, f32::min);
    let lightest = tallest.ink.iter().copied().fold(0.0, f32::max);
    let loud = (lightest - darkest) / 128.0;
    let signs = [
        (row.len() as f32).min(16.0).ln(),
        (row.len() as f32 / ((x1 - x0) / tall).max(1.0)).min(3.0),
        exact / 10.0,
        plate,
        (bottom / tall).min(0.5),
        (top / tall).min(0.5),
        (unlike / wide.max(1.0) + filled).min(1.0),
        off(x0, x1, width).max(off(y0, y1, height)),
        loud.max((30.0 - lightest) / 30.0).max((darkest - 225.0) / 30.0).clamp(0.0, 1.0),
        inked / (inked + others).max(1.0),
        (contrast / others.max(1.0) / 64.0).min(3.0),
    ];
    Some(Signs { place, signs })
}

/// Mean and standard deviation.
fn spread(of: &[&Patch], value: &dyn Fn(&Patch) -> f32) -> (f32, f32) {
    let n = of.len().max(1) as f32;
    let mean = of.iter().map(|p| value(p)).sum::<f32>() / n;
    (mean, (of.iter().map(|p| (value(p) - mean).powi(2)).sum::<f32>() / n).sqrt())
}

/// Learned from 1,714 pictures by the program that `crate::weighed` names; the constant last.
#[rustfmt::skip]
const WEIGHTS: [f32; 78] = [
    -1.357, 4.908, -0.227, -9.218, 5.433, 6.855, -2.820, 6.787, -1.617, 0.110, 0.920, -0.221, 0.133, -0.952,
    0.337, -2.044, -2.896, 1.019, 4.390, 1.291, 0.371, 0.542, -0.998, -0.452, 0.913, 0.178, -0.195, -0.020,
    -0.985, -0.598, -1.093, 0.150, 0.255, -1.726, 1.377, 0.136, 0.620, -7.313, -0.321, 7.905, -0.330, 6.908,
    -1.643, -5.238, -0.069, 17.185, 1.192, -5.156, 1.392, -5.276, -5.727, 4.489, -3.778, 0.628, -3.369,
    -2.261, 2.757, 5.840, 0.505, -1.722, -9.623, -2.992, -0.141, 1.803, 0.443, -0.432, -0.399, -1.516, 5.188,
    -12.719, 2.786, 0.215, 0.807, -0.294, -5.211, -1.832, -0.133, -6.481,
];
