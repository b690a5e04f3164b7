//! Several pictures in one: straight lines from rim to rim along which a picture breaks.

use crate::weighed::Signs;
use twinset_photo::Photo;

/// A bar between panels is at most so wide: its two edges are one seam.
const WIDEST_BAR_PX: usize = 14;
/// Both sides of what is taken apart, and of its parts, are at least so long.
const LEAST_SIDE_PX: usize = 60;
/// Lines that are looked at closely, of those along which the picture breaks most.
const CANDIDATES: usize = 3;
/// A line that breaks at fewer places is none.
const LEAST_BROKEN: f32 = 0.06;
/// From this largest difference of a channel on two neighbours are a step apart.
const STEP: i32 = 12;
/// Colours that are no farther apart than this are one ground.
const GROUND: i32 = 20;
/// From this certainty on a picture is taken apart (docs/decisions/0303-panels.md tells what that costs).
const SURE: f32 = 0.8;
/// It takes more to take a picture apart than to go on: whoever looks for it would find its halves.
const SURE_OF_PART: f32 = 0.5;
/// Cuts in a row; three make eight panels.
const MOST_CUTS: usize = 3;
/// Numbers that speak for or against a seam.
pub(crate) const SIGNS: usize = 10;

/// Part of a picture, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Area {
    pub(crate) x0: usize,
    pub(crate) y0: usize,
    pub(crate) x1: usize,
    pub(crate) y1: usize,
}

impl Area {
    pub(crate) fn whole(photo: &Photo) -> Self {
        Self { x0: 0, y0: 0, x1: photo.width() as usize, y1: photo.height() as usize }
    }
}

/// A line through all of an area.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seam {
    pub(crate) vertical: bool,
    pub(crate) at: usize,
    /// That two pictures meet there, 0..=1.
    pub(crate) certainty: f32,
}

/// The likeliest seam of an area, if there is any line at all.
pub(crate) fn seam(photo: &Photo, area: Area) -> Option<Seam> {
    let lines = lines(photo, area).into_iter().map(|(vertical, at, signs)| {
        let certainty = signs.certainty(&WEIGHTS);
        Seam { vertical, at, certainty }
    });
    lines.max_by(|a, b| a.certainty.total_cmp(&b.certainty))
}

/// The panels of a picture, the whole if it is in one piece.
pub(crate) fn split(photo: &Photo) -> Vec<Area> {
    parts(photo, Area::whole(photo), SURE, MOST_CUTS)
}

/// `area` in pieces, from the top left on: cut at a seam of at least this certainty, at most so many times in a row.
fn parts(photo: &Photo, area: Area, sure: f32, cuts: usize) -> Vec<Area> {
    let found = if cuts > 0 { seam(photo, area) } else { None };
    let Some(Seam { vertical, at, .. }) = found.filter(|seam| seam.certainty >= sure) else {
        return vec![area];
    };
    let halves = match vertical {
        true => [Area { x1: at, ..area }, Area { x0: at, ..area }],
        false => [Area { y1: at, ..area }, Area { y0: at, ..area }],
    };
    halves.into_iter().flat_map(|half| parts(photo, half, SURE_OF_PART, cuts - 1)).collect()
}

/// Lines along which `area` breaks most, upright ones first: whether upright, where, and their signs.
pub(crate) fn lines(photo: &Photo, area: Area) -> Vec<(bool, usize, Signs<SIGNS>)> {
    let grounds = grounds(photo);
    let mut found = Vec::new();
    for vertical in [true, false] {
        let Some(field) = Field::of(photo, area, vertical) else { continue };
        for (across, signs) in field.lines(&grounds) {
            let at = across as f32;
            let place = match vertical {
                true => [at, area.y0 as f32, at, area.y1 as f32],
                false => [area.x0 as f32, at, area.x1 as f32, at],
            };
            found.push((vertical, across, Signs { place, signs }));
        }
    }
    found
}

type Pixel = [i32; 3];

fn apart(a: Pixel, b: Pixel) -> i32 {
    (0..3).map(|c| (a[c] - b[c]).abs()).max().unwrap_or(0)
}

fn pixel(photo: &Photo, x: usize, y: usize) -> Pixel {
    let at = 3 * (y * photo.width() as usize + x);
    let p = &photo.rgb()[at..at + 3];
    [i32::from(p[0]), i32::from(p[1]), i32::from(p[2])]
}

/// The one or two colours of the rim: what things stand on.
fn grounds(photo: &Photo) -> Vec<Pixel> {
    let (w, h) = (photo.width() as usize, photo.height() as usize);
    let across = (0..w).step_by(3).flat_map(|x| [(x, 1.min(h - 1)), (x, h.saturating_sub(2))]);
    let down = (0..h).step_by(3).flat_map(|y| [(1.min(w - 1), y), (w.saturating_sub(2), y)]);
    let mut rim: Vec<Pixel> = across.chain(down).map(|(x, y)| pixel(photo, x, y)).collect();
    let share = rim.len() / 7;
    let mut found = Vec::new();
    for _ in 0..2 {
        let like = |p: &Pixel| rim.iter().step_by(4).filter(|q| apart(*p, **q) <= 16).count();
        let Some(ground) = rim.iter().step_by(4).copied().max_by_key(like) else { break };
        let before = rim.len();
        rim.retain(|p| apart(*p, ground) > GROUND);
        if before - rim.len() > share {
            found.push(ground);
        }
    }
    found
}

/// Every other row of an area, turned so that the lines that are looked for run down.
struct Field {
    from: usize,
    width: usize,
    pixels: Vec<Pixel>,
}

impl Field {
    fn of(photo: &Photo, area: Area, vertical: bool) -> Option<Self> {
        let (from, to) = if vertical { (area.x0, area.x1) } else { (area.y0, area.y1) };
        let (low, high) = if vertical { (area.y0, area.y1) } else { (area.x0, area.x1) };
        if to - from < LEAST_SIDE_PX || high - low < LEAST_SIDE_PX {
            return None;
        }
        let at = |across, along| match vertical {
            true => pixel(photo, across, along),
            false => pixel(photo, along, across),
        };
        let pixels = (low..high).step_by(2).flat_map(|along| (from..to).map(move |a| (a, along)));
        Some(Self {
            from,
            width: to - from,
            pixels: pixels.map(|(across, along)| at(across, along)).collect(),
        })
    }

    fn rows(&self) -> impl Iterator<Item = &[Pixel]> + Clone {
        self.pixels.chunks_exact(self.width)
    }

    /// Places across with their signs.
    fn lines(&self, grounds: &[Pixel]) -> Vec<(usize, [f32; SIGNS])> {
        let width = self.width;
        let n = self.rows().count() as f32;
        let rim = (width / 6).max(LEAST_SIDE_PX);
        let strange = |p: Pixel| grounds.iter().map(|g| apart(*g, p)).min().unwrap_or(255) > GROUND;
        // Of each place the share of the rows that break there, and of those where something ends or begins.
        let mut shares = vec![0.0f32; width];
        let (mut ends, mut begins) = (vec![0.0f32; width], vec![0.0f32; width]);
        for row in self.rows() {
            for x in rim..width - rim {
                if breaks(row, x) {
                    shares[x] += 1.0 / n;
                    ends[x] += if strange(row[x - 1]) { 1.0 / n } else { 0.0 };
                    begins[x] += if strange(row[x + 1]) { 1.0 / n } else { 0.0 };
                }
            }
        }
        let mut order: Vec<usize> = (rim..width - rim).filter(|&x| shares[x] >= LEAST_BROKEN).collect();
        order.sort_by(|a, b| shares[*b].total_cmp(&shares[*a]));
        let mut best: Vec<usize> = Vec::new();
        for x in order {
            if best.len() < CANDIDATES && best.iter().all(|b| b.abs_diff(x) > WIDEST_BAR_PX) {
                best.push(x);
            }
        }
        let signs = |&x: &usize| {
            let elsewhere = best.iter().filter(|b| **b != x).map(|&b| shares[b]).fold(0.0, f32::max);
            let both = self.most_near(x, &ends).min(self.most_near(x, &begins));
            (self.from + x, self.signs(x, n, elsewhere, both, &strange))
        };
        best.iter().map(signs).collect()
    }

    fn most_near(&self, x: usize, of: &[f32]) -> f32 {
        of[x.saturating_sub(WIDEST_BAR_PX)..=(x + WIDEST_BAR_PX).min(self.width - 1)]
            .iter()
            .copied()
            .fold(0.0, f32::max)
    }

    /// What speaks for a seam at `x`, where two pictures meet exactly and all along, and against it.
    fn signs(
        &self,
        x: usize,
        n: f32,
        elsewhere: f32,
        both: f32,
        strange: &dyn Fn(Pixel) -> bool,
    ) -> [f32; SIGNS] {
        let hits: Vec<bool> = self.rows().map(|r| (x - 1..=x + 1).any(|x| breaks(r, x))).collect();
        let share = hits.iter().filter(|h| **h).count() as f32 / n;
        let eighths = hits.chunks(hits.len().div_ceil(8));
        let covered =
            eighths.filter(|c| c.iter().filter(|h| **h).count() * 5 >= c.len()).count() as f32 / 8.0;
        let (mut near, mut exact, mut crossing) = (0.0f32, 0.0f32, 0.0f32);
        for (row, hit) in self.rows().zip(&hits) {
            // Steps of the nine places around; things have edges that are hardly ever so upright.
            let steps: [i32; 9] = std::array::from_fn(|i| apart(row[x + i - 5], row[x + i - 3]));
            let (at, most) = steps.iter().enumerate().max_by_key(|s| *s.1).unwrap_or((0, &0));
            if *most >= STEP {
                near += 1.0;
                exact += f32::from(u8::from((3..=5).contains(&at)));
            }
            let whole = !hit && steps[3..=5].iter().all(|s| *s < STEP);
            if whole && strange(row[x - 3]) && strange(row[x + 3]) {
                crossing += 1.0;
            }
        }
        let last = self.width - 1;
        let bar = (x.saturating_sub(WIDEST_BAR_PX).max(2)..(x + WIDEST_BAR_PX).min(last - 1))
            .map(|x| self.uniform(x, n))
            .fold(0.0, f32::max);
        let beside = [x.saturating_sub(24), x.saturating_sub(18), (x + 18).min(last), (x + 24).min(last)];
        let beside = beside.into_iter().map(|x| self.uniform(x, n)).fold(0.0, f32::max);
        let (left, right) = (self.colours(0, x - 2), self.colours(x + 2, self.width));
        [
            share.sqrt(),
            (share.max(0.02) / elsewhere.max(0.02)).ln().clamp(-1.0, 3.0),
            covered,
            if near >= 4.0 { exact / near } else { 0.0 },
            (bar - beside).max(0.0),
            crossing / n,
            both.sqrt(),
            self.alike(x - 3, x + 3, n),
            left.iter().zip(&right).map(|(a, b)| a.min(*b)).sum(),
            crossing / (crossing + share * n + 1.0),
        ]
    }

    /// Share of a column that has its most usual colour.
    fn uniform(&self, x: usize, n: f32) -> f32 {
        let mut greens: Vec<i32> = self.rows().map(|r| r[x][1]).collect();
        let middle = greens.len() / 2;
        let green = *greens.select_nth_unstable(middle).1;
        let ink = self.rows().map(|r| r[x]).min_by_key(|p| (p[1] - green).abs()).unwrap_or_default();
        self.rows().filter(|r| apart(r[x], ink) <= GROUND).count() as f32 / n
    }

    /// Correlation of the brightness of two columns.
    fn alike(&self, a: usize, b: usize, n: f32) -> f32 {
        let luma = |p: Pixel| (p[0] + 2 * p[1] + p[2]) as f32 / 4.0;
        let mut sums = [0.0f32; 5];
        for row in self.rows() {
            let (x, y) = (luma(row[a]), luma(row[b]));
            sums.iter_mut().zip([x, y, x * x, y * y, x * y]).for_each(|(sum, term)| *sum += term);
        }
        let [x, y, xx, yy, xy] = sums.map(|sum| sum / n);
        // Columns of nearly one colour are alike.
        (xy - x * y + 4.0) / ((xx - x * x + 4.0) * (yy - y * y + 4.0)).sqrt()
    }

    /// Shares of 216 colours in some columns.
    fn colours(&self, from: usize, to: usize) -> Vec<f32> {
        let mut shares = vec![0.0f32; 216];
        let mut all = 0.0f32;
        for p in self.rows().step_by(2).flat_map(|row| row[from..to].iter().step_by(3)) {
            shares[(p[0] / 43 * 36 + p[1] / 43 * 6 + p[2] / 43) as usize] += 1.0;
            all += 1.0;
        }
        shares.iter_mut().for_each(|share| *share /= all.max(1.0));
        shares
    }
}

/// Whether a row steps at `x`, and goes on as it was on both sides. A picture that was shrunk steps within two pixels.
fn breaks(row: &[Pixel], x: usize) -> bool {
    let step = apart(row[x - 1], row[x + 1]);
    step >= STEP && step >= 2 * apart(row[x - 2], row[x - 1]).max(apart(row[x + 1], row[x + 2]))
}

/// Learned from 1,714 pictures by the program that `crate::weighed` names; the constant last.
#[rustfmt::skip]
const WEIGHTS: [f32; 66] = [
    -6.170, -3.271, -5.996, -1.313, 22.196, -4.221, -0.623, -0.583, 11.535, -5.868, 12.581, 1.046, 2.689,
    -6.533, 6.244, -6.235, 2.180, 2.088, -5.690, -20.033, -0.641, 2.221, 1.951, 6.928, 3.468, 1.829, 1.240,
    1.906, 5.438, -2.996, 6.796, -14.715, 3.098, 1.638, -2.465, 0.678, -8.044, 9.376, -6.066, -0.168, -10.307,
    -0.228, 2.815, -10.051, -3.390, 13.300, -4.083, -0.823, -9.686, -61.447, 0.843, 11.280, 2.473, -4.961,
    2.731, 1.172, -0.150, 4.512, -5.361, -3.881, 0.837, 4.963, -12.300, -3.398, 5.007, -5.253,
];
