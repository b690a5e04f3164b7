//! Are copies of a picture found, and other pictures left alone? Every picture is edited in each of the ways that
//! sellers edit; the copy is compared with its original, and edited copies with the originals of other products.
use crate::interval::{Clusters, Figure, RESAMPLES};
use crate::pictures::{Part, Unreadable, each};
use crate::{EvalError, Progress, Watch};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use twinset_local::{PictureLook, SAME_HASH_BITS, same_picture};
use twinset_photo::{Limits, Photo, Rect, decode, encode_jpeg};
use twinset_synth::{DrawnSet, Twins};

/// What to measure.
#[derive(Clone, Debug)]
pub struct Options {
    /// Data sets with their split; empty measures drawn pictures.
    pub data: Vec<(PathBuf, Option<String>)>,
    /// At most so many pictures, spread over the sets.
    pub pictures_max: usize,
    /// At most so many pairs of different products.
    pub false_pairs_max: usize,
    /// Of edits and intervals.
    pub seed: u64,
}

/// The report.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Pictures measured.
    pub pictures: usize,
    /// For each edit.
    pub edits: BTreeMap<&'static str, Found>,
    /// Pairs of different products.
    pub false_pairs: FalsePairs,
    /// Milliseconds to look at a picture, and to compare two, on one core.
    pub ms_per_look: f64,
    /// See `ms_per_look`; mean over pairs of different products.
    pub ms_per_pair: f64,
    /// Pictures that were left out.
    pub unreadable: Vec<Unreadable>,
}

/// Shares of copies that were found.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    /// By hash and pixels.
    pub found: Figure,
    /// By the hash alone, in all orientations.
    pub by_hash_alone: Figure,
    /// Share whose edit was named.
    pub named: Figure,
}

/// Pairs of different products that were taken for copies.
#[derive(Clone, Debug, Serialize)]
pub struct FalsePairs {
    /// Compared.
    pub pairs: usize,
    /// Taken for copies, by hash and pixels.
    pub taken: usize,
    /// Share, with the upper end of its exact one-sided 95 % interval.
    pub rate: [f64; 2],
    /// The same by the hash alone.
    pub by_hash_alone: [f64; 2],
}

/// An edit: its name, what it should be called, and how it is made. The picture of another product is there for
/// collages.
struct Edit {
    name: &'static str,
    called: Option<&'static str>,
    make: fn(&Photo, &Photo, &mut ChaCha8Rng) -> Photo,
}

const EDITS: [Edit; 11] = [
    Edit { name: "resize", called: None, make: |p, _, rng| scaled(p, rng.random_range(0.3..0.7)) },
    Edit { name: "jpeg", called: None, make: |p, _, rng| recompressed(p, rng.random_range(25..60)) },
    Edit { name: "flip", called: Some("mirrored"), make: |p, _, _| mirrored(p) },
    Edit { name: "turn", called: Some("turned"), make: |p, _, _| turned(p) },
    Edit { name: "colour", called: Some("recoloured"), make: |p, _, rng| recoloured(p, rng) },
    Edit { name: "crop_60_of_area", called: Some("cropped"), make: |p, _, rng| cropped(p, 0.775, rng) },
    Edit { name: "crop_60_of_sides", called: Some("cropped"), make: |p, _, rng| cropped(p, 0.6, rng) },
    Edit { name: "border", called: Some("bordered"), make: |p, _, rng| bordered(p, rng) },
    Edit { name: "overlay", called: Some("overlaid"), make: |p, _, rng| overlaid(p, rng) },
    Edit { name: "collage_2", called: Some("collage"), make: |p, other, rng| collage(p, other, 2, rng) },
    Edit { name: "collage_4", called: Some("collage"), make: |p, other, rng| collage(p, other, 4, rng) },
];

/// Measures.
///
/// # Errors
/// A set or split that is not there, or fewer than two pictures.
pub fn run(options: &Options, watch: Watch<'_>) -> Result<Report, EvalError> {
    let (pictures, unreadable) = pictures(options, watch)?;
    if pictures.len() < 2 {
        return Err(EvalError::Nothing("copies need pictures of two products at least".to_owned()));
    }
    let done = AtomicU64::new(0);
    let total = pictures.len() as u64;
    let start = Instant::now();
    let looks: Vec<PictureLook> = pictures.iter().take(50).map(|(_, p)| PictureLook::of(p)).collect();
    let ms_per_look = start.elapsed().as_secs_f64() * 1e3 / looks.len() as f64;
    let seen: Vec<(PictureLook, Vec<PictureLook>)> = (0..pictures.len())
        .into_par_iter()
        .map(|i| {
            let (_, photo) = &pictures[i];
            let other = (1..pictures.len()).map(|k| &pictures[(i + k * 7) % pictures.len()]);
            let other = other.clone().find(|(id, _)| *id != pictures[i].0).map_or(photo, |(_, p)| p);
            let mut rng = ChaCha8Rng::seed_from_u64(options.seed ^ (i as u64) << 8);
            let edited = EDITS.iter().map(|edit| {
                // Whatever else was done, a copy is saved again.
                PictureLook::of(&recompressed(&(edit.make)(photo, other, &mut rng), 82))
            });
            let seen = (PictureLook::of(photo), edited.collect());
            watch(Progress { stage: "editing", done: done.fetch_add(1, Ordering::Relaxed) + 1, total });
            seen
        })
        .collect();
    let clusters = Clusters::new(pictures.iter().map(|(id, _)| id.clone()), RESAMPLES, options.seed);
    let share = |values: &[bool]| {
        let values: Vec<f64> = values.iter().map(|&v| f64::from(u8::from(v))).collect();
        clusters.mean(&values).unwrap_or([f64::NAN; 3])
    };
    let mut edits = BTreeMap::new();
    for (k, edit) in EDITS.iter().enumerate() {
        let found: Vec<[bool; 3]> = seen
            .par_iter()
            .map(|(original, copies)| {
                let same = same_picture(original, &copies[k]);
                let named = same.as_ref().is_some_and(|s| {
                    edit.called.map_or(s.edits.is_empty(), |name| s.edits.iter().any(|e| e.name() == name))
                });
                [same.is_some(), same_hash(original, &copies[k]), named]
            })
            .collect();
        let [all, hash, named] = [0, 1, 2].map(|i| share(&found.iter().map(|f| f[i]).collect::<Vec<_>>()));
        edits.insert(edit.name, Found { found: all, by_hash_alone: hash, named });
    }
    let (false_pairs, ms_per_pair) = false_pairs(options, &pictures, &seen, watch);
    Ok(Report { pictures: pictures.len(), edits, false_pairs, ms_per_look, ms_per_pair, unreadable })
}

fn same_hash(a: &PictureLook, b: &PictureLook) -> bool {
    a.hash.zip(b.hash).is_some_and(|(a, b)| a.best_orientation_distance(&b).0 <= SAME_HASH_BITS)
}

/// Products and pictures.
fn pictures(
    options: &Options,
    watch: Watch<'_>,
) -> Result<(Vec<(String, Photo)>, Vec<Unreadable>), EvalError> {
    if options.data.is_empty() {
        let set = Twins::FROZEN;
        // One product a family: sisters are drawn from one place, and what a copy of a recoloured one is, is moot.
        let drawn = (0..set.families.min(options.pictures_max as u64)).into_par_iter();
        let drawn = drawn.filter_map(|family| Some((format!("T{family}"), set.shown(3 * family)?.photo)));
        return Ok((drawn.collect(), Vec::new()));
    }
    let parts: Vec<Part> = options
        .data
        .iter()
        .map(|(dir, split)| Part::open(dir, split.as_deref()))
        .collect::<Result<_, _>>()?;
    let (mut all, mut unreadable) = (Vec::new(), Vec::new());
    for part in &parts {
        let rows: Vec<_> = part.rows().map(|row| (part, row)).collect();
        let step = (rows.len() * parts.len()).div_ceil(options.pictures_max.max(1)).max(1);
        let rows: Vec<_> = rows.into_iter().step_by(step).collect();
        let (seen, bad) = each(&rows, "pictures", watch, |row, photo, _| {
            Ok((format!("{}/{}", part.name, row.product()), photo.fit_within(640, 640)))
        });
        all.extend(seen.into_iter().flatten());
        unreadable.extend(bad);
    }
    Ok((all, unreadable))
}

fn false_pairs(
    options: &Options,
    pictures: &[(String, Photo)],
    seen: &[(PictureLook, Vec<PictureLook>)],
    watch: Watch<'_>,
) -> (FalsePairs, f64) {
    let n = pictures.len();
    let all = n * (n - 1);
    let step = all.div_ceil(options.false_pairs_max.max(1)).max(1);
    let done = AtomicU64::new(0);
    let total = (all / step) as u64;
    let start = Instant::now();
    let taken: Vec<[usize; 3]> = (0..all / step)
        .into_par_iter()
        .map(|pair| {
            let (i, j) = (pair * step / (n - 1), pair * step % (n - 1));
            let j = if j >= i { j + 1 } else { j };
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            if done.is_multiple_of(256) {
                watch(Progress { stage: "other products", done, total });
            }
            if pictures[i].0 == pictures[j].0 {
                return [0; 3];
            }
            // A different edit each time, the panels of other pictures in a collage left out.
            let edited = &seen[j].1[pair % (EDITS.len() - 2)];
            let same = same_picture(&seen[i].0, edited).is_some();
            [1, usize::from(same), usize::from(same_hash(&seen[i].0, edited))]
        })
        .collect();
    let threads = rayon::current_num_threads() as f64;
    let ms_per_pair = start.elapsed().as_secs_f64() * 1e3 * threads / taken.len().max(1) as f64;
    let [pairs, same, hash] = [0, 1, 2].map(|k| taken.iter().map(|t| t[k]).sum::<usize>());
    let rate = |count: usize| [count as f64 / pairs.max(1) as f64, upper_95(count, pairs)];
    (FalsePairs { pairs, taken: same, rate: rate(same), by_hash_alone: rate(hash) }, ms_per_pair)
}

/// Upper end of the one-sided 95 % interval of a small share, by Poisson (Garwood 1936): the mean at which so few
/// would come up once in twenty times.
fn upper_95(count: usize, of: usize) -> f64 {
    let at_most = |mean: f64| {
        let mut term = (-mean).exp();
        let mut sum = term;
        for k in 1..=count {
            term *= mean / k as f64;
            sum += term;
        }
        sum
    };
    let (mut low, mut high) = (count as f64, 2.0 * count as f64 + 10.0);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if at_most(middle) > 0.05 { low = middle } else { high = middle }
    }
    high / of.max(1) as f64
}

fn draw(width: u32, height: u32, pixel: impl Fn(u32, u32) -> [u8; 3]) -> Photo {
    let rgb = (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).flat_map(|(x, y)| pixel(x, y));
    Photo::new(width, height, rgb.collect())
}

fn at(photo: &Photo, x: u32, y: u32) -> [u8; 3] {
    let i = (y.min(photo.height() - 1) * photo.width() + x.min(photo.width() - 1)) as usize * 3;
    [photo.rgb()[i], photo.rgb()[i + 1], photo.rgb()[i + 2]]
}

fn scaled(photo: &Photo, scale: f32) -> Photo {
    let side = |full: u32| ((full as f32 * scale) as u32).max(1);
    photo.resize(side(photo.width()), side(photo.height()))
}

fn recompressed(photo: &Photo, quality: u8) -> Photo {
    decode(&encode_jpeg(photo, quality), &Limits::default()).unwrap_or_else(|_| photo.clone())
}

fn mirrored(photo: &Photo) -> Photo {
    draw(photo.width(), photo.height(), |x, y| at(photo, photo.width() - 1 - x, y))
}

fn turned(photo: &Photo) -> Photo {
    draw(photo.height(), photo.width(), |x, y| at(photo, y, photo.height() - 1 - x))
}

/// Brightness, contrast, and a mix of the channels.
fn recoloured(photo: &Photo, rng: &mut ChaCha8Rng) -> Photo {
    let (gain, lift) = (rng.random_range(0.75..1.2), rng.random_range(-25.0..25.0f32));
    let mix: f32 = rng.random_range(0.15..0.5);
    draw(photo.width(), photo.height(), |x, y| {
        let p = at(photo, x, y).map(f32::from);
        let turned = [p[1], p[2], p[0]];
        [0, 1, 2].map(|c| ((p[c] * (1.0 - mix) + turned[c] * mix) * gain + lift) as u8)
    })
}

fn cropped(photo: &Photo, share: f32, rng: &mut ChaCha8Rng) -> Photo {
    let (w, h) = (photo.width() as f32, photo.height() as f32);
    let (x, y) = (rng.random_range(0.0..1.0 - share), rng.random_range(0.0..1.0 - share));
    photo.crop(Rect { x: x * w, y: y * h, w: share * w, h: share * h })
}

fn bordered(photo: &Photo, rng: &mut ChaCha8Rng) -> Photo {
    let (w, h) = (photo.width(), photo.height());
    let frame = (w.min(h) as f32 * rng.random_range(0.05..0.15)) as u32 + 1;
    let colour: [u8; 3] = [rng.random(), rng.random(), rng.random()];
    draw(w + 2 * frame, h + 2 * frame, |x, y| {
        let inside = (frame..w + frame).contains(&x) && (frame..h + frame).contains(&y);
        if inside { at(photo, x - frame, y - frame) } else { colour }
    })
}

/// A bar with signs, and a badge: 10 to 25 % of the picture.
fn overlaid(photo: &Photo, rng: &mut ChaCha8Rng) -> Photo {
    let (w, h) = (photo.width() as f32, photo.height() as f32);
    let (wide, tall) = (rng.random_range(0.5..0.9) * w, rng.random_range(0.12..0.22) * h);
    let (left, top) = (rng.random_range(0.0..1.0) * (w - wide), rng.random_range(0.0..1.0) * (h - tall));
    let radius = rng.random_range(0.08..0.13) * w.min(h);
    let (cx, cy) = (rng.random_range(radius..w - radius), rng.random_range(radius..h - radius));
    let (ground, ink): ([u8; 3], [u8; 3]) =
        ([rng.random(), rng.random(), rng.random()], [rng.random(), rng.random(), rng.random()]);
    let sign = (tall / 3.0).max(2.0);
    draw(photo.width(), photo.height(), |px, py| {
        let (x, y) = (px as f32, py as f32);
        if (left..left + wide).contains(&x) && (top..top + tall).contains(&y) {
            let (u, v) = (((x - left) / sign) as u32, ((y - top) / sign) as u32);
            if v == 1 && (u * 7 + u / 3) % 3 != 0 { ink } else { ground }
        } else if (x - cx).hypot(y - cy) < radius {
            ink
        } else {
            at(photo, px, py)
        }
    })
}

/// Side by side or two by two, the picture at any place, the others of another product.
fn collage(photo: &Photo, other: &Photo, panels: u32, rng: &mut ChaCha8Rng) -> Photo {
    let (w, h) = (photo.width(), photo.height());
    let other = other.resize(w, h);
    let place = rng.random_range(0..panels);
    draw(2 * w, h * (panels / 2), |x, y| {
        let panel = y / h * 2 + x / w;
        at(if panel == place { photo } else { &other }, x % w, y % h)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unwatched;

    #[test]
    fn nothing_in_a_hundred_is_at_most_three() {
        assert!((upper_95(0, 100) - 0.02996).abs() < 1e-4);
        assert!((upper_95(5, 1000) - 0.01051).abs() < 1e-4);
    }

    #[test]
    fn edits_of_drawn_pictures_are_found_and_counted() {
        let options = Options { data: Vec::new(), pictures_max: 12, false_pairs_max: 60, seed: 1 };
        let report = run(&options, &unwatched).unwrap();
        assert_eq!((report.pictures, report.edits.len()), (12, EDITS.len()));
        for easy in ["resize", "jpeg", "flip", "turn"] {
            assert!(report.edits[easy].found[0] > 0.9, "{easy} {:?}", report.edits[easy]);
        }
        // The hash of the whole picture cannot know a crop; the pixels can.
        let crop = &report.edits["crop_60_of_area"];
        assert!(crop.found[0] > 0.7 && crop.by_hash_alone[0] < 0.2, "{crop:?}");
        assert_eq!((report.false_pairs.pairs, report.false_pairs.taken), (44, 0));
    }
}
