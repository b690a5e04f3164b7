//! What teacher networks said of the pictures, as [`teach`](crate::teach()) or `bench/teachers/features.py` writes it.
use half::f16;
use std::{collections::HashMap, path::Path};
use twinset_photo::Rect;

use crate::error::TrainError;

/// What a teacher knows of a shot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lesson {
    pub(crate) row: usize,
    /// Where the shot shows what the teacher saw, in pixels of the garment's own picture; all of it without one.
    pub(crate) within: Option<Rect>,
}

/// Features of a teacher network: one vector a crop, centred and of length 1, and the map it was pooled from.
#[derive(Debug, Default)]
pub(crate) struct Teacher {
    pub(crate) dim: usize,
    rows: Vec<f32>,
    /// Cells a side of a map, and numbers a cell.
    grid: usize,
    pub(crate) cell_dim: usize,
    cells: Vec<f16>,
    cell_mean: Vec<f32>,
    /// The square of the picture that a row shows: centre and side, pixels.
    squares: Vec<[f32; 3]>,
}

impl Teacher {
    pub(crate) fn row(&self, i: usize) -> &[f32] {
        &self.rows[i * self.dim..][..self.dim]
    }

    /// What the map of row `i` holds at a point of the picture, between cells and centred; none outside of its square.
    pub(crate) fn at(&self, i: usize, x: f32, y: f32) -> Option<Vec<f32>> {
        if self.grid == 0 {
            return None;
        }
        let [cx, cy, side] = self.squares[i];
        let [u, v] = [x - cx, y - cy].map(|d| d / side + 0.5);
        if !(0.0..1.0).contains(&u) || !(0.0..1.0).contains(&v) {
            return None;
        }
        let last = self.grid - 1;
        let [u, v] = [u, v].map(|u| (u * self.grid as f32 - 0.5).clamp(0.0, last as f32));
        let (x0, y0) = (u as usize, v as usize);
        let (fx, fy) = (u - x0 as f32, v - y0 as f32);
        let (x1, y1) = ((x0 + 1).min(last), (y0 + 1).min(last));
        let cell = |x: usize, y: usize| {
            &self.cells[((i * self.grid + y) * self.grid + x) * self.cell_dim..][..self.cell_dim]
        };
        let mut out: Vec<f32> = self.cell_mean.iter().map(|m| -m).collect();
        for (cell, weight) in [
            (cell(x0, y0), (1.0 - fx) * (1.0 - fy)),
            (cell(x1, y0), fx * (1.0 - fy)),
            (cell(x0, y1), (1.0 - fx) * fy),
            (cell(x1, y1), fx * fy),
        ] {
            out.iter_mut().zip(cell).for_each(|(o, c)| *o += weight * c.to_f32());
        }
        let length = out.iter().map(|v| v * v).sum::<f32>().sqrt().max(1e-6);
        out.iter_mut().for_each(|v| *v /= length);
        Some(out)
    }

    /// Reads `SET.teacher.csv`, `.fbin` and `.maps`; returns the row of (file, number of the box).
    pub(crate) fn add(
        &mut self,
        dir: &Path,
        set: &str,
    ) -> Result<HashMap<(String, usize), usize>, TrainError> {
        let at = |end: &str| dir.join(format!("{set}.teacher.{end}"));
        if !at("csv").exists() {
            return Ok(HashMap::new());
        }
        let bad = |end: &str, reason: &str| TrainError::Teacher { path: at(end), reason: reason.into() };
        let (head, body) = numbers::<2>(&at("fbin"))?;
        let [rows, dim] = head;
        if dim == 0 || rows.checked_mul(dim).and_then(|n| n.checked_mul(4)) != Some(body.len()) {
            return Err(bad("fbin", "its size does not fit its header"));
        }
        let (head, cells) = numbers::<3>(&at("maps"))?;
        let [maps, grid, cell_dim] = head;
        let size = [maps, grid, grid, cell_dim, 2].iter().try_fold(1usize, |n, m| n.checked_mul(*m));
        // A teacher without parts has a head of zeros.
        let without = head == [0; 3] && cells.is_empty();
        if !without && (maps != rows || grid == 0 || cell_dim == 0 || size != Some(cells.len())) {
            return Err(bad("maps", "its size does not fit its header or its table"));
        }
        let first = self.squares.len();
        if first > 0 && [self.dim, self.grid, self.cell_dim] != [dim, grid, cell_dim] {
            return Err(bad("fbin", "another shape than the other sets' features"));
        }
        (self.dim, self.grid, self.cell_dim) = (dim, grid, cell_dim);
        self.rows.extend(body.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])));
        self.cells.extend(cells.chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]])));
        let text = std::fs::read_to_string(at("csv")).map_err(|e| TrainError::io(&at("csv"), e))?;
        let mut seen: HashMap<String, usize> = HashMap::new();
        let mut out = HashMap::new();
        for (i, line) in text.lines().skip(1).enumerate() {
            let mut fields = line.rsplitn(4, ',');
            let mut number = || fields.next().and_then(|f| f.trim().parse::<f32>().ok());
            let square = (number(), number(), number());
            let (Some(file), (Some(side), Some(y), Some(x))) = (fields.next(), square) else {
                return Err(bad("csv", "a line is not `file,x,y,side`"));
            };
            self.squares.push([x, y, side.max(1.0)]);
            let n = seen.entry(file.to_owned()).or_insert(0);
            out.insert((file.to_owned(), *n), first + i);
            *n += 1;
        }
        if out.len() == rows { Ok(out) } else { Err(bad("csv", "it has another number of rows")) }
    }

    /// Subtracts the mean: raw features of all pictures lie close together.
    pub(crate) fn centre(&mut self) {
        if self.dim == 0 {
            return;
        }
        let mean = mean_row(self.rows.iter().copied(), self.dim);
        for row in self.rows.chunks_exact_mut(self.dim) {
            row.iter_mut().zip(&mean).for_each(|(v, m)| *v -= m);
            let length = row.iter().map(|v| v * v).sum::<f32>().sqrt().max(1e-9);
            row.iter_mut().for_each(|v| *v /= length);
        }
        if self.cell_dim == 0 {
            return;
        }
        self.cell_mean = mean_row(self.cells.iter().map(|c| c.to_f32()), self.cell_dim);
    }
}

fn mean_row(values: impl ExactSizeIterator<Item = f32>, dim: usize) -> Vec<f32> {
    let rows = (values.len() / dim) as f64;
    let mut sum = vec![0.0f64; dim];
    values.enumerate().for_each(|(i, v)| sum[i % dim] += f64::from(v));
    sum.into_iter().map(|s| (s / rows) as f32).collect()
}

/// `N` numbers of 32 bits, then what follows.
fn numbers<const N: usize>(path: &Path) -> Result<([usize; N], Vec<u8>), TrainError> {
    let mut bytes = std::fs::read(path).map_err(|e| TrainError::io(path, e))?;
    if bytes.len() < 4 * N {
        return Err(TrainError::Teacher { path: path.to_owned(), reason: "the header is cut off".into() });
    }
    let body = bytes.split_off(4 * N);
    Ok((
        std::array::from_fn(|i| u32::from_le_bytes(std::array::from_fn(|j| bytes[4 * i + j])) as usize),
        body,
    ))
}
