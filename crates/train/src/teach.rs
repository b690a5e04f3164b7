//! Has a model look at the pictures of data sets, once: the features that [`Teacher`](crate::teacher::Teacher) reads.
//!
//! Any embedder can teach: a brought one with vectors of any length, with or without parts, or one of ours.
use half::f16;
use rayon::prelude::*;
use std::{
    fmt::Write as _,
    fs::{self, File},
    io::{BufWriter, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};
use twinset_dataset::{DataSet, Row};
use twinset_nets::{Architecture, BroughtEmbedder, EmbedderNet, EmbedderOutput, NetError, Package, window};
use twinset_photo::{Limits, Photo, Rect};

use crate::error::TrainError;

/// Rows looked at between two writes, and so held in memory.
const ROWS: usize = 64;
/// Boxes with a shorter side teach nothing; the reader does not count them either.
pub(crate) const SIDE_MIN: f32 = 24.0;

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Taught {
    /// Boxes and whole pictures that the teacher has looked at, now or before.
    pub looks: usize,
    /// Pictures that cannot be read, or that it fails on.
    pub passed_over: usize,
}

/// Writes `SET.teacher.fbin`, `.maps` and `.csv` for the train split of each set in `data` into `out`, where the same
/// teacher has not done so before. `progress` is told (done, total) rows.
///
/// # Errors
/// A package that is no embedder, a set that cannot be opened, the disk. [`TrainError::Stopped`] by `stop`: what is
/// complete stays, and the same call goes on.
pub fn teach(
    package: &Package,
    data: &[PathBuf],
    out: &Path,
    stop: &AtomicBool,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<Taught, TrainError> {
    let eyes = Eyes::new(package)?;
    fs::create_dir_all(out).map_err(|e| TrainError::io(out, e))?;
    let stamp = out.join("teacher");
    let hash = package.hash().to_string();
    let known = fs::read_to_string(&stamp).is_ok_and(|text| text.trim() == hash);
    let sets = data.iter().map(|dir| DataSet::open(dir)).collect::<Result<Vec<_>, _>>()?;
    let is_done = |set: &DataSet| known && at(out, set, "csv").exists();
    let total: usize = sets.iter().map(|set| set.rows_of(Some("train")).count()).sum();
    let mut done = 0;
    let mut taught = Taught::default();
    if !known {
        // Features of another teacher would pass for this one's.
        for set in &sets {
            let _ = fs::remove_file(at(out, set, "csv"));
        }
        crate::run::replace_file(&stamp, hash.as_bytes())?;
    }
    for set in &sets {
        let rows: Vec<&Row> = set.rows_of(Some("train")).collect();
        if is_done(set) {
            let path = at(out, set, "csv");
            let text = fs::read_to_string(&path).map_err(|e| TrainError::io(&path, e))?;
            taught.looks += text.lines().count().saturating_sub(1);
        } else {
            let mut features = Features::create(out, set)?;
            for rows in rows.chunks(ROWS) {
                if stop.load(Ordering::Relaxed) {
                    return Err(TrainError::Stopped);
                }
                let looks: Vec<Option<Vec<Look>>> = rows.par_iter().map(|row| eyes.look(set, row)).collect();
                progress((done + rows.len()) as u64, total as u64);
                for (row, looks) in rows.iter().zip(looks) {
                    let Some(looks) = looks else {
                        taught.passed_over += 1;
                        continue;
                    };
                    taught.looks += looks.len();
                    looks.iter().try_for_each(|look| features.put(&row.file, look))?;
                }
                done += rows.len();
            }
            features.finish()?;
            continue;
        }
        done += rows.len();
    }
    Ok(taught)
}

fn at(out: &Path, set: &DataSet, end: &str) -> PathBuf {
    out.join(format!("{}.teacher.{end}", set.name()))
}

/// What a teacher says of one box.
struct Look {
    /// Centre and side of what it saw, in pixels of the picture.
    square: [f32; 3],
    vector: Vec<f32>,
    /// Cell by cell, row by row; empty where it tells no parts.
    cells: Vec<f16>,
    grid: usize,
}

struct Eyes {
    net: Net,
    side: usize,
    margin: f32,
    tells_parts: bool,
}

enum Net {
    Own(EmbedderNet),
    Brought(BroughtEmbedder),
}

impl Eyes {
    fn new(package: &Package) -> Result<Self, NetError> {
        if let Architecture::OnnxEmbedder(plan) = package.architecture() {
            let (side, margin, tells_parts) = (plan.side, plan.margin, plan.tokens.is_some());
            return Ok(Self { net: Net::Brought(BroughtEmbedder::new(package)?), side, margin, tells_parts });
        }
        let net = EmbedderNet::new(package)?;
        let (side, margin) = (net.architecture().side, net.architecture().margin);
        Ok(Self { net: Net::Own(net), side, margin, tells_parts: true })
    }

    /// All boxes of a picture, or the picture as a whole where it has none; `None` if it cannot be read, or the model
    /// fails on it.
    fn look(&self, set: &DataSet, row: &Row) -> Option<Vec<Look>> {
        let photo = twinset_photo::decode(&set.read(row).ok()?, &Limits::default()).ok()?;
        let mut rects: Vec<Rect> = row.boxes.iter().map(|b| b.rect).collect();
        if rects.is_empty() {
            rects.push(photo.frame());
        } else {
            rects.retain(|r| r.w.min(r.h) >= SIDE_MIN);
        }
        rects.into_iter().map(|rect| self.look_at(&photo, rect).ok()).collect()
    }

    fn look_at(&self, photo: &Photo, rect: Rect) -> Result<Look, NetError> {
        let side = rect.w.max(rect.h) * (1.0 + 2.0 * self.margin);
        let [x, y] = [rect.x + rect.w / 2.0, rect.y + rect.h / 2.0];
        let around = Rect { x: x - side / 2.0, y: y - side / 2.0, w: side, h: side };
        let crop = window(photo, around, self.side as u32, self.side as u32);
        let EmbedderOutput { embedding, local, .. } = match &self.net {
            Net::Own(net) => net.run(&crop),
            Net::Brought(net) => net.run(&crop)?,
        };
        let length = embedding.iter().map(|x| x * x).sum::<f32>().sqrt().max(1e-9);
        let places = local.height * local.width;
        // The last channel is how much a place matters, not what it shows.
        let cell = |place: usize| {
            local.data[place..].iter().step_by(places).take(local.channels - 1).map(|x| f16::from_f32(*x))
        };
        let cells = if self.tells_parts { (0..places).flat_map(cell).collect() } else { Vec::new() };
        let vector = embedding.iter().map(|x| x / length).collect();
        Ok(Look { square: [x, y, side], vector, cells, grid: local.width })
    }
}

/// The files of one set in the making.
struct Features {
    table: String,
    table_path: PathBuf,
    vectors: Numbers,
    /// From the first look on, if that tells parts.
    maps: Numbers,
    rows: u32,
    dim: u32,
    grid: u32,
    cell_dim: u32,
}

impl Features {
    fn create(out: &Path, set: &DataSet) -> Result<Self, TrainError> {
        Ok(Self {
            table: "file,x,y,side\n".to_owned(),
            table_path: at(out, set, "csv"),
            vectors: Numbers::create(at(out, set, "fbin"), 2)?,
            maps: Numbers::create(at(out, set, "maps"), 3)?,
            rows: 0,
            dim: 0,
            grid: 0,
            cell_dim: 0,
        })
    }

    fn put(&mut self, file: &str, look: &Look) -> Result<(), TrainError> {
        self.rows += 1;
        self.dim = look.vector.len() as u32;
        if !look.cells.is_empty() {
            self.grid = look.grid as u32;
            self.cell_dim = (look.cells.len() / (look.grid * look.grid)) as u32;
        }
        let [x, y, side] = look.square;
        let _ = writeln!(self.table, "{file},{x},{y},{side}");
        self.vectors.write(look.vector.iter().flat_map(|x| x.to_le_bytes()))?;
        self.maps.write(look.cells.iter().flat_map(|x| x.to_le_bytes()))
    }

    /// The table last: where it stands, the others are whole.
    fn finish(self) -> Result<(), TrainError> {
        self.vectors.finish(&[self.rows, self.dim])?;
        let parts = if self.grid > 0 { self.rows } else { 0 };
        self.maps.finish(&[parts, self.grid, self.cell_dim])?;
        crate::run::replace_file(&self.table_path, self.table.as_bytes())
    }
}

/// Numbers behind a head that is known at the end.
struct Numbers {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Numbers {
    fn create(path: PathBuf, head: usize) -> Result<Self, TrainError> {
        let create = || -> std::io::Result<BufWriter<File>> {
            let mut file = BufWriter::new(File::create(&path)?);
            file.write_all(&vec![0; 4 * head])?;
            Ok(file)
        };
        let file = create().map_err(|e| TrainError::io(&path, e))?;
        Ok(Self { path, file })
    }

    fn write(&mut self, bytes: impl Iterator<Item = u8>) -> Result<(), TrainError> {
        let bytes: Vec<u8> = bytes.collect();
        self.file.write_all(&bytes).map_err(|e| TrainError::io(&self.path, e))
    }

    fn finish(mut self, head: &[u32]) -> Result<(), TrainError> {
        let mut finish = || -> std::io::Result<()> {
            self.file.seek(SeekFrom::Start(0))?;
            head.iter().try_for_each(|n| self.file.write_all(&n.to_le_bytes()))?;
            self.file.flush()?;
            self.file.get_ref().sync_all()
        };
        finish().map_err(|e| TrainError::io(&self.path, e))
    }
}
