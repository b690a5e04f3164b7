//! Learns the weights of seams and of words laid over pictures (`crates/audit/src/seam.rs`, `crates/audit/src/lettering.rs`)
//! from collages and edits drawn on the training splits of data sets and on drawn pictures, and prints them.
//!
//! `cargo run --release -p twinset-eval --example blemish_weights -- DATA...`

use rayon::prelude::*;
use std::error::Error;
use std::path::Path;
use twinset_audit::{Signs, lettering_signs, seam_signs, shrunk};
use twinset_dataset::DataSet;
use twinset_photo::{Limits, Photo, Rect, decode, encode_jpeg};
use twinset_synth::{SceneOptions, Split, collage, edited, packshot, product, scene};

/// Pictures of one set, at most; and of each kind of drawn ones.
const MOST: usize = 250;
const DRAWN: u64 = 140;
const SEED: u64 = 11;
/// Shares of the pictures as they are that may be taken for a collage, and for one with words.
const FALSE_SEAMS: f32 = 0.02;
const FALSE_WORDS: f32 = 0.07;

/// Rows of terms, which are true, and from which picture as it was they come.
#[derive(Default)]
struct Lesson {
    terms: Vec<Vec<f32>>,
    truth: Vec<bool>,
    plain: Vec<Option<usize>>,
}

impl Lesson {
    fn add<const N: usize>(&mut self, signs: &Signs<N>, truth: bool, plain: Option<usize>) {
        self.terms.push(signs.products().collect());
        self.truth.push(truth);
        self.plain.push(plain);
    }

    fn extend(&mut self, other: Self) {
        self.terms.extend(other.terms);
        self.truth.extend(other.truth);
        self.plain.extend(other.plain);
    }
}

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let (mut seams, mut words) = (Lesson::default(), Lesson::default());
    let mut pictures = 0;
    let mut learn = |photos: &[Photo]| {
        let each = (0..photos.len()).into_par_iter().map(|i| lessons(photos, i, pictures + i));
        for (seam, word) in each.collect::<Vec<_>>() {
            seams.extend(seam);
            words.extend(word);
        }
        pictures += photos.len();
    };
    for dir in std::env::args().skip(1) {
        learn(&real(Path::new(&dir))?);
    }
    let thing = |n: u64| product(SEED, n, Split::Train);
    let still = |n: u64| stored(&packshot(&thing(n), n, 480).photo);
    learn(&(0..5 * DRAWN).into_par_iter().map(still).collect::<Vec<_>>());
    let options = |n| SceneOptions {
        width: 720,
        height: 900,
        min_garments: 1,
        max_garments: 2,
        edits: 0.0,
        targets: vec![thing(n)],
        ..SceneOptions::default()
    };
    let messy = |n| stored(&scene(SEED, n, &options(n)).photo);
    learn(&(0..DRAWN).into_par_iter().map(messy).collect::<Vec<_>>());
    println!("// {pictures} pictures");
    print("seam", &seams, FALSE_SEAMS, pictures);
    print("lettering", &words, FALSE_WORDS, pictures);
    Ok(())
}

fn real(dir: &Path) -> Result<Vec<Photo>, Box<dyn Error + Send + Sync>> {
    let set = DataSet::open(dir)?;
    let rows: Vec<_> = set.rows().iter().filter(|row| row.split == "train").collect();
    let rows: Vec<_> = rows.iter().step_by(rows.len().div_ceil(MOST).max(1)).collect();
    let photo = |row: &&&twinset_dataset::Row| decode(&set.read(row).ok()?, &Limits::default()).ok();
    let photos = rows.par_iter().filter_map(photo);
    Ok(photos.filter(|photo| photo.width().min(photo.height()) >= 96).collect())
}

/// As a seller stores it.
fn stored(photo: &Photo) -> Photo {
    decode(&encode_jpeg(photo, 85), &Limits::default()).unwrap_or_else(|_| photo.clone())
}

/// Of one photo as it is, edited, and in a collage with others: what stands where nothing was done is false.
fn lessons(photos: &[Photo], i: usize, plain: usize) -> (Lesson, Lesson) {
    let (mut seams, mut words) = (Lesson::default(), Lesson::default());
    let photo = &photos[i];
    let seed = i as u64 ^ SEED << 20;
    seam_signs(photo).iter().for_each(|s| seams.add(s, false, Some(plain)));
    lettering_signs(photo).iter().for_each(|s| words.add(s, false, Some(plain)));
    let (changed, edits) = edited(photo, seed);
    let changed = stored(&changed);
    seam_signs(&changed).iter().for_each(|s| seams.add(s, false, None));
    let (was, is) = (shrunk(photo), shrunk(&changed));
    for s in lettering_signs(&changed) {
        words.add(&s, (edits.text || edits.badge) && differs(&was, &is, s.place), None);
    }
    let others: Vec<&Photo> = (0..2 + i % 3).map(|n| &photos[(i + 7 * n) % photos.len()]).collect();
    let side = [400, 400, 640, 1000][i / 3 % 4];
    let (picture, panels) = collage(&others, side, seed);
    let scale = 400.0 / side as f32;
    for s in seam_signs(&stored(&picture)) {
        let [x0, y0, x1, _] = s.place;
        let upright = x0 == x1;
        let at = if upright { x0 } else { y0 } / scale;
        seams.add(&s, parts(&panels, upright, at, 3.0 / scale), None);
    }
    (seams, words)
}

/// Whether a fifth of the pixels at `place` are others.
fn differs(was: &Photo, is: &Photo, place: [f32; 4]) -> bool {
    let [x0, y0, x1, y1] = place.map(|v| v as usize);
    let pixels = (y0..y1).flat_map(|y| (x0..x1).map(move |x| 3 * (y * is.width() as usize + x)));
    let other = |at: &usize| (0..3).any(|c| was.rgb()[at + c].abs_diff(is.rgb()[at + c]) > 24);
    5 * pixels.filter(other).count() > (x1 - x0) * (y1 - y0)
}

/// Whether a line through all of the picture stands between panels, and cuts none.
fn parts(panels: &[Rect], upright: bool, at: f32, slack: f32) -> bool {
    let ends = |p: &Rect| if upright { (p.x, p.x1()) } else { (p.y, p.y1()) };
    panels.iter().map(ends).all(|(from, to)| to <= at + slack || from >= at - slack)
}

fn print(what: &str, lesson: &Lesson, wrong: f32, pictures: usize) {
    let weights = logistic(&lesson.terms, &lesson.truth);
    let odds = |terms: &[f32]| terms.iter().zip(&weights).map(|(t, w)| f64::from(*t) * w).sum::<f64>();
    let (constant, terms) = weights.split_last().unwrap_or((&0.0, &[]));
    // The constant is set so that few pictures as they are have anything that is more likely than not.
    let mut most = vec![f64::MIN; pictures];
    for (terms, plain) in lesson.terms.iter().zip(&lesson.plain) {
        if let Some(plain) = plain {
            most[*plain] = most[*plain].max(odds(terms));
        }
    }
    most.sort_by(|a, b| b.total_cmp(a));
    let moved = -most[(wrong * pictures as f32) as usize];
    let told = terms.iter().chain([&moved]).map(|w| format!("{w:.3}")).collect::<Vec<_>>().join(", ");
    let positive = lesson.truth.iter().filter(|t| **t).count();
    println!("// {what}: {positive} of {}; constant as learned {constant:.3}", lesson.terms.len());
    println!("const WEIGHTS: [f32; {}] = [{told}];", weights.len());
}

/// Logistic regression on standardised terms with a ridge of 1, by Newton's steps; the constant last.
fn logistic(rows: &[Vec<f32>], truth: &[bool]) -> Vec<f64> {
    let (n, dim) = (rows.len() as f64, rows[0].len());
    let mean: Vec<f64> = (0..dim).map(|j| rows.iter().map(|r| f64::from(r[j])).sum::<f64>() / n).collect();
    let scale: Vec<f64> = (0..dim)
        .map(|j| {
            let variance = rows.iter().map(|r| (f64::from(r[j]) - mean[j]).powi(2)).sum::<f64>() / n;
            variance.sqrt().max(1e-6)
        })
        .collect();
    let standard = |row: &[f32]| -> Vec<f64> {
        let terms = row.iter().zip(&mean).zip(&scale).map(|((x, m), s)| (f64::from(*x) - m) / s);
        terms.chain([1.0]).collect()
    };
    let rows: Vec<Vec<f64>> = rows.iter().map(|row| standard(row)).collect();
    let size = dim + 1;
    let mut weights = vec![0.0; size];
    for _ in 0..40 {
        // The Hessian with the slope in its last column.
        let mut system = vec![vec![0.0; size + 1]; size];
        for (row, truth) in rows.iter().zip(truth) {
            let odds: f64 = row.iter().zip(&weights).map(|(x, w)| x * w).sum();
            let p = 1.0 / (1.0 + (-odds).exp());
            let (slope, bend) = (f64::from(u8::from(*truth)) - p, (p * (1.0 - p)).max(1e-6));
            for (a, line) in system.iter_mut().enumerate() {
                line.iter_mut().zip(row).for_each(|(cell, x)| *cell += bend * row[a] * x);
                line[size] += slope * row[a];
            }
        }
        for (a, line) in system.iter_mut().enumerate().take(dim) {
            line[a] += 1.0;
            line[size] -= weights[a];
        }
        let steps = solved(system);
        weights.iter_mut().zip(&steps).for_each(|(w, step)| *w += step.clamp(-2.0, 2.0));
        if steps.iter().all(|step| step.abs() < 1e-6) {
            break;
        }
    }
    let constant = weights[dim] - (0..dim).map(|j| weights[j] * mean[j] / scale[j]).sum::<f64>();
    (0..dim).map(|j| weights[j] / scale[j]).chain([constant]).collect()
}

/// Gauss's elimination; the right side is the last column.
fn solved(mut system: Vec<Vec<f64>>) -> Vec<f64> {
    let n = system.len();
    for a in 0..n {
        let pivot = (a..n).max_by(|i, j| system[*i][a].abs().total_cmp(&system[*j][a].abs())).unwrap_or(a);
        system.swap(a, pivot);
        let (above, below) = system.split_at_mut(a + 1);
        let line = &above[a];
        for other in below {
            let factor = other[a] / line[a];
            other[a..].iter_mut().zip(&line[a..]).for_each(|(x, y)| *x -= factor * y);
        }
    }
    let mut solution = vec![0.0; n];
    for a in (0..n).rev() {
        let known: f64 = (a + 1..n).map(|b| system[a][b] * solution[b]).sum();
        solution[a] = (system[a][n] - known) / system[a][a];
    }
    solution
}
