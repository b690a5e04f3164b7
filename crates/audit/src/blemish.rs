//! Is the picture itself poor? Words laid over it, a watermark, a frame, several pictures in one, blur, nothing at
//! all. Looked for with plain means in the pixels, since these are things that were added with plain means.

use crate::neighbours::dot;
use twinset_photo::Photo;

/// Longer side at which pictures are looked at.
const SIDE_PX: u32 = 400;

/// How sure each blemish is, 0..=1; from 0.5 on it is there.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Blemishes {
    /// Words or a badge laid over the picture.
    pub overlay: f32,
    /// A frame around it.
    pub border: f32,
    /// Several pictures in one.
    pub collage: f32,
    /// Not sharp anywhere.
    pub blurred: f32,
    /// Of one colour, or nearly.
    pub blank: f32,
    /// A faint mark repeated all over it.
    pub watermark: f32,
}

/// Looks at one picture.
#[must_use]
pub fn blemishes(photo: &Photo) -> Blemishes {
    let small = shrunk(photo);
    let grey = Grey::of(&small);
    let frame = frame(&small);
    let seams = seams(&small);
    Blemishes {
        overlay: overlay(&small, &grey),
        border: if frame > 0 { 1.0 } else { 0.0 },
        collage: seams.iter().map(|s| s.certainty).fold(0.0, f32::max),
        blurred: blur(&grey),
        blank: (1.0 - (grey.deviation() - 2.0) / 6.0).clamp(0.0, 1.0),
        watermark: watermark(&small),
    }
}

/// The panels of a collage, each `[x, y, w, h]` in 0..=1 of the picture, from the top left on; empty if it is none.
#[must_use]
pub fn panels(photo: &Photo) -> Vec<[f32; 4]> {
    let small = shrunk(photo);
    let (w, h) = (small.width() as f32, small.height() as f32);
    let mut panels = vec![Area { x0: 0, y0: 0, x1: small.width() as usize, y1: small.height() as usize }];
    for _ in 0..3 {
        panels = panels.into_iter().flat_map(|area| split(&small, area)).collect();
    }
    if panels.len() < 2 {
        return Vec::new();
    }
    let place =
        |a: Area| [a.x0 as f32 / w, a.y0 as f32 / h, (a.x1 - a.x0) as f32 / w, (a.y1 - a.y0) as f32 / h];
    panels.into_iter().map(place).collect()
}

fn shrunk(photo: &Photo) -> Photo {
    let longer = photo.width().max(photo.height());
    if longer <= SIDE_PX {
        return photo.clone();
    }
    let side = |s: u32| (s * SIDE_PX / longer).max(1);
    photo.resize(side(photo.width()), side(photo.height()))
}

/// Luma, row by row.
struct Grey {
    width: usize,
    height: usize,
    at: Vec<f32>,
}

impl Grey {
    fn of(photo: &Photo) -> Self {
        let luma = |p: &[u8]| 0.299 * f32::from(p[0]) + 0.587 * f32::from(p[1]) + 0.114 * f32::from(p[2]);
        Self {
            width: photo.width() as usize,
            height: photo.height() as usize,
            at: photo.rgb().chunks_exact(3).map(luma).collect(),
        }
    }

    fn deviation(&self) -> f32 {
        let n = self.at.len().max(1) as f32;
        let mean = self.at.iter().sum::<f32>() / n;
        (self.at.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / n).sqrt()
    }

    /// Mean over a square of `2 r + 1`, cut at the rim.
    fn smooth(&self, r: usize) -> Vec<f32> {
        let (w, h) = (self.width, self.height);
        let mut sums = vec![0.0f64; (w + 1) * (h + 1)];
        for y in 0..h {
            let mut row = 0.0;
            for x in 0..w {
                row += f64::from(self.at[y * w + x]);
                sums[(y + 1) * (w + 1) + x + 1] = sums[y * (w + 1) + x + 1] + row;
            }
        }
        let mut out = Vec::with_capacity(w * h);
        for y in 0..h {
            let (y0, y1) = (y.saturating_sub(r), (y + r + 1).min(h));
            for x in 0..w {
                let (x0, x1) = (x.saturating_sub(r), (x + r + 1).min(w));
                let sum = |y: usize, x: usize| sums[y * (w + 1) + x];
                let all = sum(y1, x1) - sum(y0, x1) - sum(y1, x0) + sum(y0, x0);
                out.push((all / ((y1 - y0) * (x1 - x0)) as f64) as f32);
            }
        }
        out
    }

    /// The value below which `share` of the steps between neighbours, right and below, lie.
    fn step(&self, share: f32) -> f32 {
        let (w, h) = (self.width, self.height);
        let mut steps: Vec<f32> = (0..h.saturating_sub(1))
            .flat_map(|y| (0..w.saturating_sub(1)).map(move |x| (x, y)))
            .map(|(x, y)| {
                let here = self.at[y * w + x];
                (self.at[y * w + x + 1] - here).abs().max((self.at[(y + 1) * w + x] - here).abs())
            })
            .collect();
        if steps.is_empty() {
            return 0.0;
        }
        let at = ((steps.len() - 1) as f32 * share) as usize;
        *steps.select_nth_unstable_by(at, f32::total_cmp).1
    }

    fn quarter(&self) -> Self {
        let (w, h) = (self.width / 4, self.height / 4);
        let smooth = self.smooth(1);
        let at = (0..h).flat_map(|y| (0..w).map(move |x| (x, y)));
        Self {
            width: w,
            height: h,
            at: at.map(|(x, y)| smooth[(4 * y + 1) * self.width + 4 * x + 1]).collect(),
        }
    }
}

/// A sharp edge rises within one or two pixels, a blurred one as much between every fourth.
fn blur(grey: &Grey) -> f32 {
    let (fine, coarse) = (grey.step(0.995), grey.quarter().step(0.98));
    if coarse < 8.0 {
        return 0.0; // nothing in it that could be sharp
    }
    (1.0 - (fine / coarse - 0.15) / 0.3).clamp(0.0, 1.0)
}

fn pixel(photo: &Photo, x: usize, y: usize) -> [i32; 3] {
    let at = 3 * (y * photo.width() as usize + x);
    let p = &photo.rgb()[at..at + 3];
    [i32::from(p[0]), i32::from(p[1]), i32::from(p[2])]
}

fn apart(a: [i32; 3], b: [i32; 3]) -> i32 {
    (0..3).map(|c| (a[c] - b[c]).abs()).max().unwrap_or(0)
}

/// Thickness of a frame of one colour whose inner edge runs along all four sides, in pixels; 0: none. A thing on a
/// plain ground has the plain rim, too, but touches its inner edge only here and there.
fn frame(photo: &Photo) -> usize {
    let (w, h) = (photo.width() as usize, photo.height() as usize);
    if w < 40 || h < 40 {
        return 0;
    }
    let ink = pixel(photo, w / 2, 0);
    let most = w.min(h) / 8;
    let row_at = |side: usize, depth: usize, along: f32| match side {
        0 => pixel(photo, ((w - 1) as f32 * along) as usize, depth),
        1 => pixel(photo, ((w - 1) as f32 * along) as usize, h - 1 - depth),
        2 => pixel(photo, depth, ((h - 1) as f32 * along) as usize),
        _ => pixel(photo, w - 1 - depth, ((h - 1) as f32 * along) as usize),
    };
    let along = || (0..60).map(|i| 0.13 + 0.74 * i as f32 / 59.0);
    let share = |side: usize, depth: usize| {
        along().filter(|&a| apart(row_at(side, depth, a), ink) <= 24).count() as f32 / 60.0
    };
    let thickness = |side: usize| {
        let inside = (0..most).take_while(|&depth| share(side, depth) >= 0.95).count();
        // The edge may take two pixels.
        let beyond = share(side, (inside + 2).min(most + 2));
        (inside >= 2 && inside < most && beyond <= 0.35).then_some(inside)
    };
    let all: Option<Vec<usize>> = (0..4).map(thickness).collect();
    match all {
        Some(all) if all.iter().max() <= all.iter().min().map(|m| m + 3).as_ref() => all[0],
        _ => 0,
    }
}

#[derive(Clone, Copy, Debug)]
struct Area {
    x0: usize,
    y0: usize,
    x1: usize,
    y1: usize,
}

#[derive(Clone, Copy, Debug)]
struct Seam {
    vertical: bool,
    at: usize,
    certainty: f32,
}

fn seams(photo: &Photo) -> Vec<Seam> {
    let whole = Area { x0: 0, y0: 0, x1: photo.width() as usize, y1: photo.height() as usize };
    [true, false].into_iter().filter_map(|vertical| seam(photo, whole, vertical)).collect()
}

fn split(photo: &Photo, area: Area) -> Vec<Area> {
    let best = [true, false].into_iter().filter_map(|vertical| seam(photo, area, vertical));
    let best = best.filter(|s| s.certainty >= 0.5).max_by(|a, b| a.certainty.total_cmp(&b.certainty));
    match best {
        Some(Seam { vertical: true, at, .. }) => vec![Area { x1: at, ..area }, Area { x0: at, ..area }],
        Some(Seam { at, .. }) => vec![Area { y1: at, ..area }, Area { y0: at, ..area }],
        None => vec![area],
    }
}

/// The straight line through all of `area` along which the picture breaks most; certain if it breaks along a good part
/// of it, twice as much as along any other that is not its neighbour (checks of a cloth break everywhere), and if there
/// is something to see on both sides (beside a thing on a plain ground there is not).
fn seam(photo: &Photo, area: Area, vertical: bool) -> Option<Seam> {
    let (from, to) = if vertical { (area.x0, area.x1) } else { (area.y0, area.y1) };
    let (low, high) = if vertical { (area.y0, area.y1) } else { (area.x0, area.x1) };
    if to - from < 60 || high - low < 60 {
        return None;
    }
    let at = |across: usize, along: usize| match vertical {
        true => pixel(photo, across, along),
        false => pixel(photo, along, across),
    };
    let rim = (to - from) / 6;
    let broken = |across: usize| {
        // Between two neighbours, and the two beyond on each side go on as they are.
        let breaks = |along: usize| {
            let (a, b, c, d) =
                (at(across - 2, along), at(across - 1, along), at(across, along), at(across + 1, along));
            let step = apart(b, c);
            step >= 10 && step >= 2 * apart(a, b).max(apart(c, d))
        };
        // A line that hardly breaks at one in four places is no seam: every import asks this of every picture.
        let sample = (low..high).step_by(4).filter(|&along| breaks(along)).count() as f32 * 4.0;
        match sample / ((high - low) as f32) {
            few if few < 0.1 => few,
            _ => (low..high).filter(|&along| breaks(along)).count() as f32 / (high - low) as f32,
        }
    };
    let shares: Vec<f32> = (from + rim..to - rim).map(broken).collect();
    let (best, &share) = shares.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1))?;
    let elsewhere = shares.iter().enumerate().filter(|(i, _)| i.abs_diff(best) > WIDEST_BAR_PX);
    let elsewhere = elsewhere.map(|(_, share)| *share).fold(0.0, f32::max);
    let seam = from + rim + best;
    let shows = |from: usize, to: usize| {
        let (mut n, mut sum, mut square) = (0.0f32, [0.0f32; 3], [0.0f32; 3]);
        for (across, along) in (from..to).step_by(3).flat_map(|x| (low..high).step_by(3).map(move |y| (x, y)))
        {
            let p = at(across, along);
            n += 1.0;
            (0..3).for_each(|c| {
                sum[c] += p[c] as f32;
                square[c] += (p[c] * p[c]) as f32;
            });
        }
        (0..3).any(|c| square[c] / n - (sum[c] / n).powi(2) >= 64.0)
    };
    if !shows(from, seam) || !shows(seam, to) {
        return None;
    }
    // Half sure from a break along a fifth of the line on, which is twice that of any other line: of the catalogues'
    // training pictures 1 in 75 has one, of drawn collages 6 in 7.
    let certainty = (share / 0.4).min(share / elsewhere.max(1e-3) / 4.0).clamp(0.0, 1.0);
    Some(Seam { vertical, at: seam, certainty })
}

/// A bar between panels is at most so wide: its two edges are one seam.
const WIDEST_BAR_PX: usize = 14;

/// Longer side at which a watermark is looked for.
const MARK_SIDE_PX: u32 = 200;
/// Standard deviations above all other ways from which one way on is that of a repeated mark: of the catalogues' training
/// pictures one in 30 has such a way, of those with a drawn watermark, white on whatever there is, a half.
const MARK_STANDS_OUT: f32 = 7.5;

/// A mark that is laid over all of a picture again and again agrees with itself some way off: what stands out a little
/// from its surroundings, moved by one distance, falls on what stands out there, and by hardly any other distance
/// (the autocorrelation of the relief, whose loud parts are clipped).
fn watermark(photo: &Photo) -> f32 {
    let longer = photo.width().max(photo.height());
    let side = |s: u32| (s * MARK_SIDE_PX / longer).max(1);
    let grey = Grey::of(&photo.resize(side(photo.width()), side(photo.height())));
    let (w, h) = (grey.width, grey.height);
    if w.min(h) < 64 {
        return 0.0;
    }
    let relief = |(g, mean): (&f32, f32)| {
        let d = g - mean;
        if d.abs() < 1.5 { 0.0 } else { d.clamp(-8.0, 8.0) }
    };
    let relief: Vec<f32> = grey.at.iter().zip(grey.smooth(3)).map(relief).collect();
    // Sums of squares over all that lies above and to the left.
    let mut energy = vec![0.0f32; (w + 1) * (h + 1)];
    for y in 0..h {
        let mut row = 0.0;
        for x in 0..w {
            row += relief[y * w + x].powi(2);
            energy[(y + 1) * (w + 1) + x + 1] = energy[y * (w + 1) + x + 1] + row;
        }
    }
    let within = |x0: usize, y0: usize, x1: usize, y1: usize| {
        let at = |x: usize, y: usize| energy[y * (w + 1) + x];
        at(x1, y1) - at(x0, y1) - at(x1, y0) + at(x0, y0)
    };
    let agreement = |dx: i32, dy: usize| {
        let (left, right) = ((-dx).max(0) as usize, dx.max(0) as usize);
        let width = w - left - right;
        let both: f32 = (0..h - dy)
            .map(|y| {
                let row = &relief[y * w + left..][..width];
                let moved = &relief[(y + dy) * w + right..][..width];
                dot(row, moved)
            })
            .sum();
        let one = within(left, 0, left + width, h - dy);
        let other = within(right, dy, right + width, h);
        both / (one * other).max(1.0).sqrt()
    };
    let unit = w.min(h) as f32;
    let reach = (0.5 * unit) as i32;
    let ways = (0..(0.35 * unit) as usize).flat_map(|dy| (-reach..reach).map(move |dx| (dx, dy)));
    let far = |&(dx, dy): &(i32, usize)| {
        (0.15..0.5).contains(&(((dx * dx) as f32 + (dy * dy) as f32).sqrt() / unit))
    };
    let agreements: Vec<f32> = ways.filter(far).map(|(dx, dy)| agreement(dx, dy)).collect();
    let n = agreements.len().max(1) as f32;
    let mean = agreements.iter().sum::<f32>() / n;
    let deviation = (agreements.iter().map(|a| (a - mean).powi(2)).sum::<f32>() / n).sqrt().max(1e-4);
    let most = agreements.iter().copied().fold(0.0, f32::max);
    (((most - mean) / deviation - MARK_STANDS_OUT) / 10.0 + 0.5).clamp(0.0, 1.0)
}

/// A sign: a small patch of one ink.
#[derive(Clone, Copy, Debug)]
struct Sign {
    x0: f32,
    y0: f32,
    x1: f32,
    y1: f32,
    ink: [f32; 3],
    fill: f32,
}

impl Sign {
    fn height(&self) -> f32 {
        self.y1 - self.y0
    }
    fn width(&self) -> f32 {
        self.x1 - self.x0
    }
}

/// Words laid over a picture are rows of small patches of exactly one ink, as high as each other, unlike in width.
fn overlay(photo: &Photo, grey: &Grey) -> f32 {
    let mut most = 0.0f32;
    let ground = grey.smooth(9);
    for lighter in [false, true] {
        let signs = signs(photo, grey, &ground, lighter);
        most = most.max(rows(&signs, grey.width as f32, grey.height as f32));
    }
    ((most - 2.0) / 6.0).clamp(0.0, 1.0)
}

fn signs(photo: &Photo, grey: &Grey, ground: &[f32], lighter: bool) -> Vec<Sign> {
    let (w, h) = (grey.width, grey.height);
    let sign = if lighter { 1.0 } else { -1.0 };
    let marked: Vec<bool> = grey.at.iter().zip(ground).map(|(g, m)| sign * (g - m) > 18.0).collect();
    let mut seen = vec![false; w * h];
    let mut signs = Vec::new();
    let mut stack = Vec::new();
    let mut patch = Vec::new();
    for start in 0..w * h {
        if !marked[start] || seen[start] {
            continue;
        }
        patch.clear();
        stack.push(start);
        seen[start] = true;
        while let Some(i) = stack.pop() {
            patch.push(i);
            let (x, y) = (i % w, i / w);
            for (nx, ny) in [(x.wrapping_sub(1), y), (x + 1, y), (x, y.wrapping_sub(1)), (x, y + 1)] {
                if nx < w && ny < h && marked[ny * w + nx] && !seen[ny * w + nx] {
                    seen[ny * w + nx] = true;
                    stack.push(ny * w + nx);
                }
            }
        }
        if patch.len() >= 8 && patch.len() < w * h / 100 {
            signs.extend(sign_of(photo, &patch, w, h));
        }
    }
    signs
}

fn sign_of(photo: &Photo, patch: &[usize], w: usize, h: usize) -> Option<Sign> {
    let (mut x0, mut x1, mut y0, mut y1) = (w, 0, h, 0);
    let mut sum = [0.0f32; 3];
    for &i in patch {
        let (x, y) = (i % w, i / w);
        (x0, x1, y0, y1) = (x0.min(x), x1.max(x + 1), y0.min(y), y1.max(y + 1));
        let p = pixel(photo, x, y);
        (0..3).for_each(|c| sum[c] += p[c] as f32);
    }
    let n = patch.len() as f32;
    let ink = sum.map(|s| s / n);
    let spread = patch.iter().map(|&i| {
        let p = pixel(photo, i % w, i / w);
        (0..3).map(|c| (p[c] as f32 - ink[c]).powi(2)).sum::<f32>()
    });
    let spread = (spread.sum::<f32>() / n / 3.0).sqrt();
    let sign = Sign {
        x0: x0 as f32,
        y0: y0 as f32,
        x1: x1 as f32,
        y1: y1 as f32,
        ink,
        fill: n / ((x1 - x0) * (y1 - y0)) as f32,
    };
    let fits = (4.0..=60.0).contains(&sign.height())
        && sign.width() <= 2.5 * sign.height()
        && (0.15..=0.95).contains(&sign.fill)
        && spread < 34.0
        && x0 > 0
        && y0 > 0
        && x1 < w
        && y1 < h;
    fits.then_some(sign)
}

/// Signs in the best row, as far as they look written.
fn rows(signs: &[Sign], width: f32, height: f32) -> f32 {
    let mut best = 0.0f32;
    for first in signs {
        let like = |s: &&Sign| {
            let ratio = s.height() / first.height();
            let level = (s.y0 + s.y1 - first.y0 - first.y1).abs() / 2.0 < 0.35 * first.height();
            let same = (0..3).all(|c| (s.ink[c] - first.ink[c]).abs() < 32.0);
            (0.6..=1.65).contains(&ratio) && level && same
        };
        let mut row: Vec<&Sign> = signs.iter().filter(like).collect();
        row.sort_by(|a, b| a.x0.total_cmp(&b.x0));
        // The longest run without a wide gap.
        let mut run: Vec<&Sign> = Vec::new();
        for sign in row {
            if run.last().is_some_and(|last| sign.x0 - last.x1 > 1.6 * first.height()) {
                best = best.max(written(&run, width, height));
                run.clear();
            }
            run.push(sign);
        }
        best = best.max(written(&run, width, height));
    }
    best
}

/// Number of signs of a run, less if they are all alike, as dots and stripes of a cloth are, or if they stand in
/// the middle of the picture, where the prints of garments are.
fn written(run: &[&Sign], width: f32, height: f32) -> f32 {
    let n = run.len() as f32;
    if run.len() < 3 {
        return 0.0;
    }
    let varied = |of: &dyn Fn(&Sign) -> f32| {
        let mean = run.iter().map(|s| of(s)).sum::<f32>() / n;
        (run.iter().map(|s| (of(s) - mean).powi(2)).sum::<f32>() / n).sqrt() / mean.max(1e-3)
    };
    let unlike = (varied(&|s| s.width()) + varied(&|s| s.fill)).min(0.3) / 0.3;
    let x = run.iter().map(|s| (s.x0 + s.x1) / 2.0).sum::<f32>() / n / width;
    let y = run.iter().map(|s| (s.y0 + s.y1) / 2.0).sum::<f32>() / n / height;
    let off = ((x - 0.5).abs().max((y - 0.5).abs()) / 0.25).min(1.0);
    n * unlike * (0.4 + 0.6 * off)
}
