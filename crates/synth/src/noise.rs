//! Noise from integer hashes: smooth value noise with its slope, sums of octaves, and cells.

pub(crate) fn hash(x: i32, y: i32, seed: u32) -> u32 {
    let mut h = (x as u32).wrapping_mul(0x9E37_79B1) ^ (y as u32).wrapping_mul(0x85EB_CA77) ^ seed;
    h = (h ^ (h >> 15)).wrapping_mul(0x2C1B_3C6D);
    h = (h ^ (h >> 12)).wrapping_mul(0x297A_2D39);
    h ^ (h >> 15)
}

/// 0.0..1.0 from a lattice point.
pub(crate) fn hash_unit(x: i32, y: i32, seed: u32) -> f32 {
    (hash(x, y, seed) >> 8) as f32 / (1u32 << 24) as f32
}

/// Smooth noise in 0..=1 and its slope in x and y.
pub(crate) fn noise_slope(x: f32, y: f32, seed: u32) -> (f32, f32, f32) {
    let (fx, fy) = (x.floor(), y.floor());
    let (ix, iy) = (fx as i32, fy as i32);
    let (x, y) = (x - fx, y - fy);
    let (a, b) = (hash_unit(ix, iy, seed), hash_unit(ix + 1, iy, seed));
    let (c, d) = (hash_unit(ix, iy + 1, seed), hash_unit(ix + 1, iy + 1, seed));
    let (sx, sy) = (x * x * (3.0 - 2.0 * x), y * y * (3.0 - 2.0 * y));
    let (dx, dy) = (6.0 * x * (1.0 - x), 6.0 * y * (1.0 - y));
    let k = a - b - c + d;
    (a + (b - a) * sx + (c - a) * sy + k * sx * sy, dx * ((b - a) + k * sy), dy * ((c - a) + k * sx))
}

/// Smooth noise in 0..=1.
pub(crate) fn noise(x: f32, y: f32, seed: u32) -> f32 {
    noise_slope(x, y, seed).0
}

/// `octaves` of noise, each half as strong and twice as fine; 0..=1, mean 0.5.
pub(crate) fn fbm(x: f32, y: f32, seed: u32, octaves: u32) -> f32 {
    let (mut sum, mut weight, mut total, mut scale) = (0.0, 1.0, 0.0, 1.0);
    for octave in 0..octaves {
        sum += weight * noise(x * scale + 17.3 * octave as f32, y * scale, seed.wrapping_add(octave * 101));
        total += weight;
        weight *= 0.5;
        scale *= 2.03;
    }
    sum / total
}

/// The nearest two feature points of a jittered grid.
pub(crate) struct Cell {
    /// Distance to the nearest point.
    pub near: f32,
    /// Distance to the second nearest.
    pub next: f32,
    /// Where the nearest point lies, seen from here.
    pub to: [f32; 2],
    /// A hash that names the nearest point.
    pub id: u32,
}

/// Cells of size 1 around points jittered by `jitter` (0 = square grid, 1 = anywhere in its cell).
pub(crate) fn cells(x: f32, y: f32, seed: u32, jitter: f32) -> Cell {
    let (ix, iy) = (x.floor() as i32, y.floor() as i32);
    let mut cell = Cell { near: 9.0, next: 9.0, to: [0.0; 2], id: 0 };
    for cy in iy - 1..=iy + 1 {
        for cx in ix - 1..=ix + 1 {
            let h = hash(cx, cy, seed);
            let px = cx as f32 + 0.5 + jitter * ((h & 0xFFFF) as f32 / 65536.0 - 0.5) - x;
            let py = cy as f32 + 0.5 + jitter * ((h >> 16) as f32 / 65536.0 - 0.5) - y;
            let d = px * px + py * py;
            if d < cell.near {
                cell.next = cell.near;
                cell = Cell { near: d, next: cell.next, to: [px, py], id: h };
            } else if d < cell.next {
                cell.next = d;
            }
        }
    }
    Cell { near: cell.near.sqrt(), next: cell.next.sqrt(), ..cell }
}

pub(crate) fn smoothstep(low: f32, high: f32, x: f32) -> f32 {
    let t = ((x - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

pub(crate) fn lerp(a: f32, b: f32, t: f32) -> f32 {
    a + (b - a) * t
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slope_is_the_derivative() {
        for i in 0..200 {
            let (x, y) = (i as f32 * 0.37 - 20.0, i as f32 * 0.11);
            let (_, dx, dy) = noise_slope(x, y, 9);
            let e = 1e-2;
            let nx = (noise(x + e, y, 9) - noise(x - e, y, 9)) / (2.0 * e);
            let ny = (noise(x, y + e, 9) - noise(x, y - e, 9)) / (2.0 * e);
            assert!((dx - nx).abs() < 0.06 && (dy - ny).abs() < 0.06, "{dx} {nx} {dy} {ny}");
        }
    }
}
