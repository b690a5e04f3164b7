//! Is the picture itself poor? Words laid over it, a watermark, a frame, several pictures in one, blur, nothing at
//! all. Looked for with plain means in the pixels, since these are things that were added with plain means; seams and
//! words have several signs, whose weights are learned.

use crate::lettering::{self, lettering};
use crate::neighbours::dot;
use crate::seam::{self, Area, seam, split};
use crate::weighed::Signs;
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
    Blemishes {
        overlay: lettering(&small),
        border: if frame > 0 { 1.0 } else { 0.0 },
        collage: seam(&small, Area::whole(&small)).map_or(0.0, |s| s.certainty),
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
    let panels = split(&small);
    if panels.len() < 2 {
        return Vec::new();
    }
    let place =
        |a: Area| [a.x0 as f32 / w, a.y0 as f32 / h, (a.x1 - a.x0) as f32 / w, (a.y1 - a.y0) as f32 / h];
    panels.into_iter().map(place).collect()
}

/// Signs of lines along which the picture may be put together, as they are weighed; for learning the weights.
#[must_use]
pub fn seam_signs(photo: &Photo) -> Vec<Signs<{ seam::SIGNS }>> {
    let small = shrunk(photo);
    seam::lines(&small, Area::whole(&small)).into_iter().map(|(_, _, signs)| signs).collect()
}

/// Signs of rows that may be words laid over the picture, as they are weighed; for learning the weights.
#[must_use]
pub fn lettering_signs(photo: &Photo) -> Vec<Signs<{ lettering::SIGNS }>> {
    lettering::rows(&shrunk(photo))
}

/// As pictures are looked at: no side longer than 400 pixels.
#[must_use]
pub fn shrunk(photo: &Photo) -> Photo {
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
