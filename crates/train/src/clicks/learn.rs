//! Trains an embedder and a soft box together from click triplets: a photo, a listing that was clicked for it, and one
//! that was shown above it and skipped (Joachims, 2002: what stands above a click was seen).
//!
//! The photo goes through the network whole, its cells weighed by the soft box, and once more as the crop that the box
//! says, the way it will be embedded at work. Both must be nearer to the clicked listing than to all others.
use burn::tensor::{Tensor, activation::log_softmax};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};
use twinset_dataset::DataSet;
use twinset_photo::{Limits, Photo, Rect};

use super::{
    clean::{Cleaned, Cleaning, clean},
    graph::{VirtualIds, virtual_ids},
    log::ClickLog,
    soft_box::soft_box,
};
use crate::{
    CATEGORIES,
    augment::{Affine, Shot, disturb, normalised, pick, sample, view},
    card, categories,
    embedder::{EmbedderArchitecture, export, heads, maps, pool},
    error::TrainError,
    params::{Params, Pass, host},
    run::{Learner, Maker, Progress, TrainOptions, Watched, in_parallel, train},
};

/// Place of a picture: set and row.
type Place = (usize, usize);

/// One search: what it was made with, what was clicked, what was passed over.
struct Search {
    photo: Vec<Place>,
    clicked: Vec<usize>,
    skipped: Vec<usize>,
    weight: f64,
}

/// A listing with its pictures, and the product that shoppers take it for.
struct Listing {
    pictures: Vec<Place>,
    product: u64,
}

/// Searches of a log over the pictures of data sets.
struct Searches {
    sets: Vec<DataSet>,
    listings: Vec<Listing>,
    searches: Vec<Search>,
    fingerprint: String,
}

/// Reads and cleans a log, and groups what it names.
pub(crate) fn ids_of(log: &Path) -> Result<VirtualIds, TrainError> {
    Ok(virtual_ids(&clean(&ClickLog::read(log)?, &Cleaning::default())))
}

impl Searches {
    fn open(options: &TrainOptions) -> Result<Self, TrainError> {
        let path = options.clicks.as_deref().ok_or(TrainError::NoLog)?;
        let cleaned = clean(&ClickLog::read(path)?, &Cleaning::default());
        let ids = virtual_ids(&cleaned);
        let mut hasher = blake3::Hasher::new();
        hasher.update(&fs::read(path).map_err(|e| TrainError::io(path, e))?);
        let mut sets = Vec::new();
        for dir in &options.data {
            let set = DataSet::open(dir)?;
            hasher.update(&fs::read(set.manifest()).map_err(|e| TrainError::io(dir, e))?);
            sets.push(set);
        }
        let mut out = Self {
            listings: Vec::new(),
            searches: Vec::new(),
            fingerprint: hasher.finalize().to_hex().to_string(),
            sets,
        };
        out.fill(&cleaned, &ids);
        if out.searches.is_empty() || out.listings.len() < 3 {
            return Err(TrainError::NoTriplets { path: path.into(), clicks: cleaned.clicks.len() });
        }
        Ok(out)
    }

    fn fill(&mut self, cleaned: &Cleaned, ids: &VirtualIds) {
        let mut places: HashMap<&str, Vec<Place>> = HashMap::new();
        for (s, set) in self.sets.iter().enumerate() {
            for (r, row) in set.rows().iter().enumerate().filter(|(_, row)| row.split == "train") {
                // A log names a picture or a product.
                let names: BTreeSet<&str> = [&row.file[..], &row.variant_id, &row.item_id].into();
                for name in names.into_iter().filter(|n| !n.is_empty()) {
                    places.entry(name).or_default().push((s, r));
                }
            }
        }
        let mut number: BTreeMap<&str, usize> = BTreeMap::new();
        let listings = &mut self.listings;
        let mut listing = |name: &'_ str| -> Option<usize> {
            let (name, pictures) = places.get_key_value(name)?;
            Some(*number.entry(name).or_insert_with(|| {
                let id = ids.listings.get(*name).map_or(*name, String::as_str);
                let hash = blake3::hash(id.as_bytes());
                let product = u64::from_le_bytes(hash.as_bytes()[..8].try_into().expect("32 bytes"));
                listings.push(Listing { pictures: pictures.clone(), product });
                listings.len() - 1
            }))
        };
        let mut searches: BTreeMap<(&str, Option<&str>), Vec<&super::Click>> = BTreeMap::new();
        for click in &cleaned.clicks {
            searches.entry((&click.search, click.user.as_deref())).or_default().push(click);
        }
        let id = |name: &str| ids.listings.get(name).cloned().unwrap_or_else(|| name.to_owned());
        for clicks in searches.values() {
            let Some(photo) = clicks[0].asked_with().and_then(|name| places.get(name)) else { continue };
            let clicked: BTreeSet<&str> = clicks.iter().map(|c| &c.product[..]).collect();
            let products: BTreeSet<String> = clicked.iter().map(|c| id(c)).collect();
            let seen = clicks.iter().filter_map(|c| c.rank).max().unwrap_or(0) as usize;
            let skipped = clicks[0].shown.iter().take(seen).filter(|s| {
                // Whoever has clicked one listing of a product needs no other: that is no judgement.
                !clicked.contains(&s[..]) && !products.contains(&id(s))
            });
            let search = Search {
                photo: photo.clone(),
                skipped: skipped.filter_map(|s| listing(s)).collect(),
                clicked: clicked.iter().filter_map(|c| listing(c)).collect(),
                weight: clicks.iter().map(|c| c.weight).fold(0.0, f64::max),
            };
            if !search.clicked.is_empty() && search.weight > 0.0 {
                self.searches.push(search);
            }
        }
    }

    fn photo(&self, places: &[Place], rng: &mut ChaCha8Rng) -> Option<Arc<Photo>> {
        let (set, row) = *pick(places, rng);
        self.read((set, row)).map(Arc::new)
    }

    fn read(&self, (set, row): Place) -> Option<Photo> {
        let bytes = self.sets[set].read(&self.sets[set].rows()[row]).ok()?;
        twinset_photo::decode(&bytes, &Limits::default()).ok()
    }

    /// Photos of the searches, each once.
    fn photos(&self) -> Vec<(Place, Option<usize>)> {
        let mut all: BTreeMap<Place, Option<usize>> = BTreeMap::new();
        for search in &self.searches {
            let row = search.clicked.first().map(|l| self.listings[*l].pictures[0]);
            let category = row.and_then(|(s, r)| categories::of(&self.sets[s].rows()[r].category));
            for place in &search.photo {
                all.entry(*place).or_insert(category);
            }
        }
        all.into_iter().collect()
    }
}

struct Batch {
    /// Side of the photos, twice that of crops: a garment that fills half of a photo is as large as in its crop.
    side: usize,
    /// `[n, 3, side, side]`.
    pixels: Vec<f32>,
    photos: Vec<Photo>,
    /// `[2 n, 3, side / 2, side / 2]`: the clicked listings, then the skipped ones.
    listings: Vec<f32>,
    /// Products of the listings.
    products: Vec<u64>,
}

struct Triplets<'a> {
    searches: &'a Searches,
    options: &'a TrainOptions,
    arch: &'a EmbedderArchitecture,
}

impl Triplets<'_> {
    /// Photo, clicked, skipped, with the products of both.
    fn triplet(&self, rng: &mut ChaCha8Rng) -> ([Arc<Photo>; 3], [u64; 2]) {
        let of = self.searches;
        loop {
            let search = pick(&of.searches, rng);
            if !rng.random_bool(search.weight.min(1.0)) {
                continue;
            }
            let clicked = &of.listings[*pick(&search.clicked, rng)];
            let skipped = if search.skipped.is_empty() {
                pick(&of.listings, rng)
            } else {
                &of.listings[*pick(&search.skipped, rng)]
            };
            let photo = of.photo(&search.photo, rng);
            let others = [clicked, skipped].map(|l| of.photo(&l.pictures, rng));
            if let (Some(photo), [Some(clicked_photo), Some(skipped_photo)]) = (photo, others) {
                return ([photo, clicked_photo, skipped_photo], [clicked.product, skipped.product]);
            }
        }
    }
}

impl Maker for Triplets<'_> {
    type Batch = Batch;

    fn batch(&self, number: u64, first: usize) -> Result<Batch, TrainError> {
        let (side, n) = (self.arch.side, self.options.batch);
        let made = in_parallel(n, |i| {
            let mut rng = ChaCha8Rng::seed_from_u64(self.options.seed ^ 0xc11c);
            rng.set_stream(number * 4096 + (first + i) as u64);
            let ([photo, clicked, skipped], products) = self.triplet(&mut rng);
            let photo = look(&photo, 2 * side, &mut rng);
            let listings = [clicked, skipped].map(|photo| {
                let shot = Shot { rect: photo.frame(), photo, to_source: Affine::IDENTITY };
                view(&shot, side, 0.0, &mut rng).pixels
            });
            (photo, listings, products)
        });
        let mut batch = Batch {
            side: 2 * side,
            pixels: Vec::with_capacity(n * 12 * side * side),
            photos: Vec::with_capacity(n),
            listings: Vec::with_capacity(n * 6 * side * side),
            products: Vec::with_capacity(2 * n),
        };
        for which in 0..2 {
            for (_, listings, products) in &made {
                batch.listings.extend_from_slice(&listings[which]);
                batch.products.push(products[which]);
            }
        }
        for (rgb, ..) in made {
            batch.pixels.extend(normalised(&rgb, 2 * side));
            batch.photos.push(Photo::new(2 * side as u32, 2 * side as u32, rgb));
        }
        Ok(batch)
    }

    fn shown<'b>(&self, batch: &'b Batch) -> (usize, &'b [f32], Vec<Vec<Rect>>) {
        (batch.side, &batch.pixels, Vec::new())
    }
}

/// A photo as a square, moved a little and disturbed.
fn look(photo: &Photo, side: usize, rng: &mut ChaCha8Rng) -> Vec<u8> {
    let region = photo.width().max(photo.height()) as f32 * rng.random_range(0.8..1.15);
    let [dx, dy] = std::array::from_fn(|_| region * rng.random_range(-0.1..0.1));
    let mirrored = rng.random_bool(0.5);
    let mut rgb = square(photo, region, [dx, dy], mirrored, side).0;
    disturb(&mut rgb, side, side, rng);
    rgb
}

/// A square piece around the middle, and the map from its pixels to the photo's.
fn square(photo: &Photo, region: f32, [dx, dy]: [f32; 2], mirrored: bool, side: usize) -> (Vec<u8>, Affine) {
    let (w, h) = (photo.width() as f32, photo.height() as f32);
    let (x, y, scale) = ((w - region) / 2.0 + dx, (h - region) / 2.0 + dy, region / side as f32);
    let map = if mirrored {
        Affine([-scale, 0.0, x + region, 0.0, scale, y])
    } else {
        Affine([scale, 0.0, x, 0.0, scale, y])
    };
    (sample(photo, &map, side, side, scale), map)
}

/// Edges of the soft box, in pixels of a square of `side`.
fn rect_of(edges: &[f32], side: usize) -> Rect {
    let s = side as f32;
    let [x0, x1, y0, y1] = [0, 1, 2, 3].map(|i| (edges[i] * s).clamp(0.0, s));
    Rect::from_corners(x0.min(s - 2.0), y0.min(s - 2.0), x1.max(x0 + 2.0), y1.max(y0 + 2.0))
}

/// Cosines are divided by this.
const TEMPERATURE: f64 = 0.1;

struct Learning<'a> {
    options: &'a TrainOptions,
    arch: &'a EmbedderArchitecture,
    fingerprint: &'a str,
    badness: Vec<f32>,
}

impl Learner<Batch> for Learning<'_> {
    fn loss(&mut self, pass: &Pass<'_>, batch: &Batch) -> (Tensor<1>, Vec<(&'static str, Tensor<1>)>) {
        let (n, side) = (batch.photos.len(), self.arch.side);
        pass.enter("photo.");
        let whole = maps(pass, self.arch, &batch.pixels, batch.side);
        let found = soft_box(pass, &whole.deep);
        let edges = host(found.edges.clone().detach());
        let mut pixels: Vec<f32> = in_parallel(n, |i| {
            let r = rect_of(&edges[4 * i..][..4], batch.side);
            let length = r.w.max(r.h) * (1.0 + 2.0 * self.arch.margin);
            let middle = [r.x + r.w / 2.0, r.y + r.h / 2.0];
            let s = batch.side as f32;
            let from_middle = middle.map(|m| m - s / 2.0);
            normalised(&square(&batch.photos[i], length, from_middle, false, side).0, side)
        })
        .concat();
        pixels.extend_from_slice(&batch.listings);
        pass.enter("");
        let close = maps(pass, self.arch, &pixels, side);
        let pooled = Tensor::cat(vec![pool(&whole.deep, Some(found.weight)), pool(&close.deep, None)], 0);
        let out = heads(pass, self.arch, CATEGORIES.len(), pooled, close.local);
        let dim = self.arch.dim;
        let rows = |from: usize, to: usize| out.embedding.clone().slice([from * n..to * n, 0..dim]);
        let listings = rows(2, 4);
        let seen = click_contrast(pass, rows(0, 1), listings.clone(), &batch.products);
        let crop = click_contrast(pass, rows(1, 2), listings, &batch.products);
        let near = host((rows(1, 2) * rows(2, 3)).sum_dim(1).detach());
        self.badness = near.into_iter().map(|c| -c).collect();
        let box_share = (found.edges.clone().slice([0..n, 1..2]) - found.edges.slice([0..n, 0..1])).mean();
        // Heads without a lesson take part, so that the package is whole.
        let idle = out.category.mean() + out.pattern.mean() + out.tokens.mean() + out.saliency.mean();
        let total = seen.clone() + crop.clone() + idle.mul_scalar(0.0);
        (total, vec![("seen", seen), ("crop", crop), ("box_width", box_share)])
    }

    fn export(&self, params: &Params, dir: &Path) -> Result<(), TrainError> {
        let side = self.options.run_side.unwrap_or(self.arch.side);
        let at_work = EmbedderArchitecture { side, ..self.arch.clone() };
        let architecture = serde_json::to_value(at_work).expect("plain data");
        let card = card::new("embedder", architecture, self.options, params.steps(), self.fingerprint);
        card::save(card, &export(params, self.arch), dir)
    }

    fn badness(&self) -> Vec<f32> {
        self.badness.clone()
    }
}

/// Each anchor is told its clicked listing among all clicked and skipped ones of the batch. `listings`: `[2 n, dim]`, the
/// clicked ones first; those that show the same product, as shoppers see it, are no negatives.
fn click_contrast(pass: &Pass<'_>, anchors: Tensor<2>, listings: Tensor<2>, products: &[u64]) -> Tensor<1> {
    let (n, m) = (anchors.dims()[0], products.len());
    let (mut hide, mut meant) = (vec![0.0f32; n * m], vec![0.0f32; n * m]);
    for i in 0..n {
        for j in 0..m {
            if i == j {
                meant[i * m + j] = 1.0;
            } else if products[i] == products[j] {
                hide[i * m + j] = -1e4;
            }
        }
    }
    let logits = anchors.matmul(listings.transpose()).div_scalar(TEMPERATURE) + pass.constant(hide, [n, m]);
    (log_softmax(logits, 1) * pass.constant(meant, [n, m])).sum().div_scalar(-(n as f64))
}

/// What a run found in the photos of its log.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Boxes {
    /// A data set of the photos with their learned boxes: what a detector can be trained on.
    pub folder: PathBuf,
    /// Photos.
    pub photos: usize,
    /// Mean share of a photo that its box covers.
    pub covers: f64,
}

/// Trains from a click log (`options.clicks`) into the folder `run`: the embedder in `run/package`, the photos with the
/// boxes that it learned in `run/boxed`.
///
/// # Errors
/// As [`crate::run_embedder`]; [`TrainError::Clicks`] and [`TrainError::NoTriplets`] for the log.
pub fn run_clicks(
    options: &TrainOptions,
    run: &Path,
    resume: bool,
    stop: &AtomicBool,
    progress: &dyn Fn(&Progress),
) -> Result<Boxes, TrainError> {
    let searches = Searches::open(options)?;
    let arch = EmbedderArchitecture::of(options)?;
    let maker = Triplets { searches: &searches, options, arch: &arch };
    let fingerprint = &searches.fingerprint[..];
    let mut learner = Learning { options, arch: &arch, fingerprint, badness: Vec::new() };
    let watched = Watched { folder: run, resume, stop, progress, fingerprint };
    train(options, &watched, &maker, &mut learner)?;
    let (mut params, _) = Params::load(&run.join("checkpoint.safetensors"))?;
    write_boxes(&searches, &mut params, &arch, &run.join("boxed"))
}

fn write_boxes(
    searches: &Searches,
    params: &mut Params,
    arch: &EmbedderArchitecture,
    to: &Path,
) -> Result<Boxes, TrainError> {
    fs::create_dir_all(to).map_err(|e| TrainError::io(to, e))?;
    let mut manifest = "file,split,boxes\n".to_owned();
    let (mut photos, mut covers) = (0, 0.0);
    for chunk in searches.photos().chunks(CHUNK) {
        let read: Vec<Option<Photo>> = in_parallel(chunk.len(), |i| searches.read(chunk[i].0));
        let known: Vec<(usize, &Photo)> =
            read.iter().enumerate().filter_map(|(i, p)| Some((i, p.as_ref()?))).collect();
        let found = find(params, arch, &known.iter().map(|(_, p)| *p).collect::<Vec<_>>());
        for ((i, photo), found) in known.into_iter().zip(found) {
            let ((set, row), category) = chunk[i];
            let file = format!("{photos:06}.jpg");
            let path = to.join(&file);
            let bytes = searches.sets[set].read(&searches.sets[set].rows()[row])?;
            fs::write(&path, bytes).map_err(|e| TrainError::io(&path, e))?;
            let r = found.learned;
            let label = CATEGORIES[category.unwrap_or(categories::ITEM)];
            let [x0, y0, x1, y1] = [r.x, r.y, r.x1(), r.y1()];
            let _ =
                writeln!(manifest, "{file},train,\"[[{x0:.1},{y0:.1},{x1:.1},{y1:.1},\"\"{label}\"\"]]\"");
            covers += f64::from(r.area() / photo.frame().area());
            photos += 1;
        }
    }
    let path = to.join("manifest.csv");
    fs::write(&path, manifest).map_err(|e| TrainError::io(&path, e))?;
    Ok(Boxes { folder: to.into(), photos, covers: covers / f64::max(photos as f64, 1.0) })
}

const CHUNK: usize = 64;

/// Two boxes of a photo, in its pixels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    /// That of the soft box.
    pub(crate) learned: Rect,
    /// The largest piece of the last map with much energy: what the network shows without having learned a box.
    pub(crate) saliency: Rect,
}

/// Finds the garment of each photo.
pub(crate) fn find(params: &mut Params, arch: &EmbedderArchitecture, photos: &[&Photo]) -> Vec<Found> {
    if photos.is_empty() {
        return Vec::new();
    }
    let side = 2 * arch.side;
    let seen = in_parallel(photos.len(), |i| {
        let photo = photos[i];
        let region = photo.width().max(photo.height()) as f32;
        let (rgb, map) = square(photo, region, [0.0; 2], false, side);
        (normalised(&rgb, side), map)
    });
    let pixels: Vec<f32> = seen.iter().flat_map(|(p, _)| p.iter().copied()).collect();
    let pass = Pass::inference(params);
    pass.enter("photo.");
    let maps = maps(&pass, arch, &pixels, side);
    let edges = host(soft_box(&pass, &maps.deep).edges);
    let [_, channels, grid, _] = maps.deep.dims();
    let deep = host(maps.deep);
    let back = |rect: Rect, map: &Affine, photo: &Photo| {
        let (a, b) = (map.apply(rect.x, rect.y), map.apply(rect.x1(), rect.y1()));
        Rect::from_corners(a.0, a.1, b.0, b.1).clamp_to(photo.width() as f32, photo.height() as f32)
    };
    (0..photos.len())
        .map(|i| {
            let energy: Vec<f32> = (0..grid * grid)
                .map(|cell| {
                    let at = |c: usize| deep[(i * channels + c) * grid * grid + cell];
                    (0..channels).map(|c| at(c) * at(c)).sum()
                })
                .collect();
            let scale = side as f32 / grid as f32;
            let salient = salient(&energy, grid).scale(scale, scale);
            Found {
                learned: back(rect_of(&edges[4 * i..][..4], side), &seen[i].1, photos[i]),
                saliency: back(salient, &seen[i].1, photos[i]),
            }
        })
        .collect()
}

/// Box, in cells, of the largest connected piece above the mean and half a deviation.
fn salient(energy: &[f32], grid: usize) -> Rect {
    let n = energy.len() as f32;
    let mean = energy.iter().sum::<f32>() / n;
    let deviation = (energy.iter().map(|e| (e - mean) * (e - mean)).sum::<f32>() / n).sqrt();
    let mut open: Vec<bool> = energy.iter().map(|e| *e > mean + 0.5 * deviation).collect();
    let mut best: Vec<usize> = Vec::new();
    for start in 0..energy.len() {
        let (mut piece, mut queue) = (Vec::new(), vec![start]);
        while let Some(i) = queue.pop() {
            if !std::mem::take(&mut open[i]) {
                continue;
            }
            piece.push(i);
            let (x, y) = (i % grid, i / grid);
            queue.extend((x > 0).then(|| i - 1));
            queue.extend((x + 1 < grid).then(|| i + 1));
            queue.extend((y > 0).then(|| i - grid));
            queue.extend((y + 1 < grid).then(|| i + grid));
        }
        if piece.len() > best.len() {
            best = piece;
        }
    }
    let edge = |of: fn(usize, usize) -> usize| best.iter().map(move |i| of(*i, grid)).collect::<Vec<_>>();
    let (xs, ys) = (edge(|i, g| i % g), edge(|i, g| i / g));
    let range = |v: &[usize]| {
        let (min, max) = (v.iter().min().copied().unwrap_or(0), v.iter().max().copied().unwrap_or(grid - 1));
        (min as f32, max as f32 + 1.0)
    };
    let ((x0, x1), (y0, y1)) = (range(&xs), range(&ys));
    Rect::from_corners(x0, y0, x1, y1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_piece_of_energy_is_boxed() {
        let mut energy = vec![0.0; 64];
        [9, 10, 17, 18, 25, 26, 62].into_iter().for_each(|i| energy[i] = 5.0);
        assert_eq!(salient(&energy, 8), Rect::from_corners(1.0, 1.0, 3.0, 4.0));
    }
}
