//! Exact area coverage of polygons: signed areas are accumulated per edge and summed along rows.

/// An axis-aligned block of pixels, `x1` and `y1` exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub x0: i32,
    pub y0: i32,
    pub x1: i32,
    pub y1: i32,
}

impl Block {
    pub(crate) fn width(&self) -> usize {
        (self.x1 - self.x0).max(0) as usize
    }
    pub(crate) fn height(&self) -> usize {
        (self.y1 - self.y0).max(0) as usize
    }
    /// The pixels that `points` touch, grown by `grow`, cut to `frame`.
    pub(crate) fn around(points: impl Iterator<Item = [f32; 2]>, grow: f32, frame: &Block) -> Block {
        let (mut x0, mut y0, mut x1, mut y1) = (f32::MAX, f32::MAX, f32::MIN, f32::MIN);
        for [x, y] in points {
            (x0, x1) = (x0.min(x), x1.max(x));
            (y0, y1) = (y0.min(y), y1.max(y));
        }
        if x0 > x1 {
            return Block { x0: frame.x0, y0: frame.y0, x1: frame.x0, y1: frame.y0 };
        }
        let to = |v: f32| v.clamp(-1e6, 1e6) as i32;
        Block {
            x0: to((x0 - grow).floor()).max(frame.x0),
            y0: to((y0 - grow).floor()).max(frame.y0),
            x1: to((x1 + grow).ceil() + 1.0).min(frame.x1),
            y1: to((y1 + grow).ceil() + 1.0).min(frame.y1),
        }
    }
}

/// Coverage 0..=1 of the closed `contours` over `block`, row by row. Where contours overlap with the
/// same turn the coverage stays 1; with opposite turns they cut holes.
pub(crate) fn coverage(contours: &[Vec<[f32; 2]>], block: &Block) -> Vec<f32> {
    let (w, h) = (block.width(), block.height());
    // One spare column takes the area of what lies right of the block.
    let stride = w + 2;
    let mut acc = vec![0.0f32; stride * h];
    let (ox, oy) = (block.x0 as f32, block.y0 as f32);
    for contour in contours {
        let Some(&last) = contour.last() else { continue };
        let mut from = [last[0] - ox, last[1] - oy];
        for point in contour {
            let to = [point[0] - ox, point[1] - oy];
            edge(&mut acc, stride, w, h, from, to);
            from = to;
        }
    }
    let mut out = vec![0.0f32; w * h];
    for y in 0..h {
        let mut sum = 0.0;
        for x in 0..w {
            sum += acc[y * stride + x];
            out[y * w + x] = sum.abs().min(1.0);
        }
    }
    out
}

fn edge(acc: &mut [f32], stride: usize, w: usize, h: usize, p: [f32; 2], q: [f32; 2]) {
    if p[1] == q[1] {
        return;
    }
    let (sign, p, q) = if p[1] < q[1] { (1.0, p, q) } else { (-1.0, q, p) };
    let slope = (q[0] - p[0]) / (q[1] - p[1]);
    let top = p[1].max(0.0);
    let bottom = q[1].min(h as f32);
    if top >= bottom {
        return;
    }
    let wide = w as f32;
    let mut y = top as usize;
    let mut x = p[0] + (top - p[1]) * slope;
    let mut from = top;
    while from < bottom && y < h {
        let to = bottom.min((y + 1) as f32);
        let dy = (to - from) * sign;
        let x_next = x + (to - from) * slope;
        let row = &mut acc[y * stride..(y + 1) * stride];
        let (x0, x1) = (x.min(x_next).clamp(0.0, wide), x.max(x_next).clamp(0.0, wide));
        let (i0, i1) = (x0 as usize, x1 as usize);
        if i0 == i1 {
            // Within one pixel: the part right of the edge is covered here, the whole from the next on.
            let mid = (x0 + x1) * 0.5 - i0 as f32;
            row[i0] += dy * (1.0 - mid);
            row[i0 + 1] += dy * mid;
        } else {
            // Across several pixels: a trapezoid in each.
            let per = dy / (x1 - x0);
            let mut left = x0;
            for (i, cell) in (i0..=i1).zip(i0 + 1..) {
                let right = (cell as f32).min(x1);
                let share = per * (right - left);
                let mid = (left + right) * 0.5 - i as f32;
                row[i] += share * (1.0 - mid);
                row[i + 1] += share * mid;
                left = right;
            }
        }
        x = x_next;
        from = to;
        y += 1;
    }
}

/// Box blur of radius `r` pixels, twice in each direction (close to a tent), edges count as 0.
pub(crate) fn blur(plane: &mut [f32], w: usize, h: usize, r: usize) {
    if r == 0 || w == 0 || h == 0 {
        return;
    }
    let mut other = vec![0.0; w * h];
    for _ in 0..2 {
        for y in 0..h {
            blur_line(&plane[y * w..(y + 1) * w], &mut other[y * w..(y + 1) * w], r);
        }
        // Columns, all at once with running sums per column: rows stay contiguous.
        let norm = 1.0 / (2 * r + 1) as f32;
        let mut sums = vec![0.0f32; w];
        for y in 0..h + r {
            if y < h {
                for (sum, v) in sums.iter_mut().zip(&other[y * w..(y + 1) * w]) {
                    *sum += v;
                }
            }
            if y > 2 * r {
                let gone = y - 2 * r - 1;
                if gone < h {
                    for (sum, v) in sums.iter_mut().zip(&other[gone * w..(gone + 1) * w]) {
                        *sum -= v;
                    }
                }
            }
            if y >= r {
                for (out, sum) in plane[(y - r) * w..(y - r + 1) * w].iter_mut().zip(&sums) {
                    *out = (sum * norm).max(0.0);
                }
            }
        }
    }
}

fn blur_line(from: &[f32], to: &mut [f32], r: usize) {
    let n = from.len();
    let norm = 1.0 / (2 * r + 1) as f32;
    let mut sum: f32 = from[..r.min(n)].iter().sum();
    for i in 0..n {
        if i + r < n {
            sum += from[i + r];
        }
        if i > r {
            sum -= from[i - r - 1];
        }
        to[i] = (sum * norm).max(0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coverage_is_area() {
        let block = Block { x0: 0, y0: 0, x1: 12, y1: 10 };
        let square = vec![[1.5, 2.25], [6.0, 2.25], [6.0, 7.0], [1.5, 7.0]];
        let cov = coverage(&[square], &block);
        assert!((cov.iter().sum::<f32>() - 4.5 * 4.75).abs() < 1e-3);
        assert!((cov[3 * 12 + 1] - 0.5).abs() < 1e-5);
        let tilted = vec![[2.0, 1.0], [10.5, 4.0], [3.0, 9.5]];
        let area = 0.5 * (8.5f32 * 8.5 - 1.0 * 3.0).abs();
        let sum: f32 = coverage(&[tilted], &block).iter().sum();
        assert!((sum - area).abs() < 1e-2, "{sum} {area}");
        // Cut off on the left, the rest is still full.
        let wide = vec![[-50.0, 3.0], [50.0, 3.0], [50.0, 5.0], [-50.0, 5.0]];
        assert!((coverage(&[wide], &block).iter().sum::<f32>() - 24.0).abs() < 1e-3);
    }

    #[test]
    fn blur_keeps_the_middle_and_the_mean() {
        let mut plane = vec![0.0; 31 * 31];
        plane[15 * 31 + 15] = 1.0;
        blur(&mut plane, 31, 31, 2);
        assert!((plane.iter().sum::<f32>() - 1.0).abs() < 1e-4);
        let mut flat = vec![1.0; 31 * 31];
        blur(&mut flat, 31, 31, 2);
        assert!((flat[15 * 31 + 15] - 1.0).abs() < 1e-4);
    }
}
