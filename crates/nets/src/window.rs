//! Cuts a square window out of a photo and brings it to a network's side.
//!
//! Detector and embedder, in training and at work, see photos through this one function only, so
//! that no pixel ever differs between the two.

use twinset_photo::{Photo, Rect};

/// What stands outside the photo.
const GREY: f32 = 128.0;

/// The part of `photo` inside `rect`, at `width` x `height` pixels; what lies outside the photo is
/// grey 128. `rect` may have fractions, may reach outside, and need not be square.
///
/// The filter is a triangle as wide as two output pixels (two source pixels when enlarging), so no
/// source pixel is skipped; it never looks outside the window. The same input gives the same bytes on every machine: the sums are done
/// in a fixed order without fused operations.
///
/// # Panics
/// If `width` or `height` is zero.
#[must_use]
pub fn window(photo: &Photo, rect: Rect, width: u32, height: u32) -> Photo {
    let across = taps(rect.x, rect.w, width as usize, photo.width() as usize);
    let down = taps(rect.y, rect.h, height as usize, photo.height() as usize);
    // Only the columns that some tap asks for are summed.
    let first = across.iter().map(|t| t.first).min().unwrap_or(0);
    let last = across.iter().map(|t| t.first + t.weights.len()).max().unwrap_or(0).max(first);
    let row = photo.width() as usize * 3;
    let mut sums = vec![0f32; (last - first) * 3];
    let mut rgb = Vec::with_capacity(width as usize * height as usize * 3);
    for v in &down {
        sums.fill(v.outside * GREY);
        for (source, &weight) in photo.rgb().chunks_exact(row).skip(v.first).zip(&v.weights) {
            crate::simd::add_scaled(&mut sums, &source[first * 3..last * 3], weight);
        }
        for h in &across {
            let mut pixel = [h.outside * GREY + 0.5; 3];
            for (source, &weight) in sums[(h.first - first) * 3..].chunks_exact(3).zip(&h.weights) {
                for c in 0..3 {
                    pixel[c] += source[c] * weight;
                }
            }
            rgb.extend(pixel.map(|x| x as u8));
        }
    }
    Photo::new(width, height, rgb)
}

/// The source pixels that make one output pixel: weights of `first..`, and the weight of the grey
/// outside; together 1.
struct Taps {
    first: usize,
    weights: Vec<f32>,
    outside: f32,
}

fn taps(start: f32, length: f32, out: usize, source: usize) -> Vec<Taps> {
    assert!(out > 0);
    // A foreign box may hold anything; a window without sense shows the grey outside.
    let (start, length) = if start.is_finite() && length.is_finite() {
        (f64::from(start).clamp(-1e7, 1e7), f64::from(length).clamp(0.0, 1e7))
    } else {
        (-1e7, 0.0)
    };
    let scale = (length / out as f64).max(1e-6);
    // Half the width of the triangle; a window far larger than the photo is all grey anyway, so the
    // bound only keeps the loop short.
    let reach = scale.clamp(1.0, 1e4);
    let (end, source_end) = (start + scale * out as f64, source as i64);
    (0..out)
        .map(|i| {
            let centre = start + (i as f64 + 0.5) * scale;
            // Pixels that the triangle and the window share, in the photo or not.
            let low = (centre - reach).max(start).floor() as i64;
            let high = ((centre + reach).min(end).ceil() as i64).max(low + 1);
            let weight = |pixel: i64| {
                let left = pixel as f64;
                let shared = (left + 1.0).min(end) - left.max(start);
                (1.0 - (left + 0.5 - centre).abs() / reach).max(0.0) * shared.max(1e-9)
            };
            let total: f64 = (low..high).map(weight).sum();
            let (first, last) = (low.clamp(0, source_end), high.clamp(0, source_end));
            let inside: f64 = (first..last).map(weight).sum();
            Taps {
                first: first as usize,
                weights: (first..last).map(|p| (weight(p) / total) as f32).collect(),
                outside: if (first, last) == (low, high) { 0.0 } else { ((total - inside) / total) as f32 },
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(width: u32, height: u32) -> Photo {
        let rgb = (0..height)
            .flat_map(|y| (0..width).flat_map(move |x| [(x * 7) as u8, (y * 5) as u8, ((x + y) * 3) as u8]));
        Photo::new(width, height, rgb.collect())
    }

    #[test]
    fn at_its_own_size_a_photo_stays_as_it_is() {
        let photo = picture(23, 17);
        assert_eq!(window(&photo, photo.frame(), 23, 17), photo);
    }

    #[test]
    fn one_colour_stays_one_colour() {
        let photo = Photo::new(301, 199, [200u8, 10, 77].repeat(301 * 199));
        for side in [1, 7, 64, 512] {
            let small = window(&photo, Rect { x: 20.3, y: 11.9, w: 120.7, h: 120.7 }, side, side);
            assert!(small.rgb().chunks(3).all(|p| p == [200, 10, 77]), "side {side}");
        }
    }

    #[test]
    fn outside_is_grey() {
        let photo = picture(10, 10);
        let far = window(&photo, Rect { x: 100.0, y: -90.0, w: 20.0, h: 20.0 }, 4, 4);
        assert!(far.rgb().iter().all(|&b| b == 128));
        let wide = window(&photo, Rect { x: -10.0, y: 0.0, w: 30.0, h: 10.0 }, 30, 10);
        assert_eq!(&wide.rgb()[..3 * 9], [128; 27].as_slice());
        assert_eq!(&wide.rgb()[30..60], &photo.rgb()[..30]);
    }

    #[test]
    fn senseless_windows_are_grey_and_quick() {
        let photo = picture(10, 10);
        for bad in [f32::NAN, f32::INFINITY, 1e30, -1e30] {
            for rect in [Rect { x: bad, y: 0.0, w: 5.0, h: 5.0 }, Rect { x: 0.0, y: 0.0, w: bad, h: 5.0 }] {
                let _ = window(&photo, rect, 8, 8);
            }
        }
    }
}
