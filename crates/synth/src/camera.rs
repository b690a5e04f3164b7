//! What a camera does to the light: balance, exposure, vignette, blur, noise, compression.

use crate::colour;
use crate::layer::Canvas;
use crate::noise::hash_unit;
use crate::rng::Rng;
use twinset_photo::Photo;

/// Spoils the picture with `strength` 0..=1.
pub(crate) fn expose(canvas: &mut Canvas, strength: f32, rng: &mut Rng) {
    if strength <= 0.0 {
        return;
    }
    let warm = strength * rng.normal() * 0.09;
    let tint = strength * rng.normal() * 0.035;
    let stop = (strength * rng.normal() * 0.28).exp2();
    let gains = [stop * (1.0 + warm), stop * (1.0 + tint), stop * (1.0 - warm)];
    let vignette = strength * rng.range(-0.1, 0.45).max(0.0);
    let haze = strength * rng.range(-0.06, 0.04).max(0.0);
    if rng.chance(0.45 * strength) {
        blur(canvas, rng, strength);
    }
    let grain = strength * rng.range(-0.01, 0.035).max(0.0);
    let seed = rng.bits() as u32;
    let (w, h) = (canvas.width as f32, canvas.height as f32);
    for y in 0..canvas.height {
        for x in 0..canvas.width {
            let (dx, dy) = (x as f32 / w - 0.5, y as f32 / h - 0.5);
            let fall = 1.0 - vignette * (dx * dx + dy * dy) * 1.6;
            let p = &mut canvas.rgb[y * canvas.width + x];
            for c in 0..3 {
                let mut v = p[c] * gains[c] * fall;
                // Bright light rolls off instead of clipping.
                v = if v > 0.8 { 0.8 + 0.2 * (1.0 - (-(v - 0.8) * 5.0).exp()) } else { v };
                v = v * (1.0 - haze) + haze * 0.6;
                if grain > 0.0 {
                    let n = hash_unit(x as i32, y as i32 * 3 + c as i32, seed)
                        + hash_unit(y as i32, x as i32 * 3 + c as i32, seed ^ 7)
                        - 1.0;
                    v += grain * 2.0 * n * (v.max(0.0) + 0.03).sqrt();
                }
                p[c] = v.clamp(0.0, 1.0);
            }
        }
    }
}

/// Out of focus, or moved along a line.
fn blur(canvas: &mut Canvas, rng: &mut Rng, strength: f32) {
    let side = canvas.width.max(canvas.height) as f32;
    let reach = side * rng.range(0.002, 0.008) * strength;
    let moved = rng.chance(0.4);
    let a = rng.range(0.0, std::f32::consts::PI);
    let taps: Vec<(i32, i32)> = if moved {
        (-2..=2)
            .map(|i| {
                (
                    (a.cos() * reach * i as f32 * 0.7).round() as i32,
                    (a.sin() * reach * i as f32 * 0.7).round() as i32,
                )
            })
            .collect()
    } else {
        let r = (reach * 0.8).max(1.0).round() as i32;
        vec![(0, 0), (0, 0), (r, 0), (-r, 0), (0, r), (0, -r)]
    };
    let (w, h) = (canvas.width as i32, canvas.height as i32);
    let from = canvas.rgb.clone();
    let k = 1.0 / taps.len() as f32;
    for y in 0..h {
        for x in 0..w {
            let mut sum = [0.0f32; 3];
            for &(dx, dy) in &taps {
                let p = from[((y + dy).clamp(0, h - 1) * w + (x + dx).clamp(0, w - 1)) as usize];
                for c in 0..3 {
                    sum[c] += p[c];
                }
            }
            canvas.rgb[(y * w + x) as usize] = colour::scale(sum, k);
        }
    }
}

/// Through JPEG and back at a quality of 30..=95.
pub(crate) fn compress(photo: Photo, rng: &mut Rng) -> Photo {
    let quality = 30 + rng.below(66) as u8;
    let bytes = twinset_photo::encode_jpeg(&photo, quality);
    // Our own encoder's output always decodes; should it not, the uncompressed picture serves.
    twinset_photo::decode(&bytes, &twinset_photo::Limits::default()).unwrap_or(photo)
}
