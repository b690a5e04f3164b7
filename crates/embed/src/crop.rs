//! The part of a photo that the embedder looks at.

use twinset_nets::window;
use twinset_photo::{Photo, Rect};

/// The square around `rect` that is cut out: grown by `margin` times the longer side on each side,
/// then made square around its centre. May reach outside the photo.
#[must_use]
pub fn square(rect: Rect, margin: f32) -> Rect {
    // A box of no size still shows something: the pixel it lies on.
    let side = rect.w.max(rect.h).max(1.0) * (1.0 + 2.0 * margin);
    Rect { x: rect.x + (rect.w - side) / 2.0, y: rect.y + (rect.h - side) / 2.0, w: side, h: side }
}

/// The [`square`] around `rect` at `side` x `side` pixels, grey outside the photo. Training and
/// inference both cut with this.
#[must_use]
pub fn crop_square(photo: &Photo, rect: Rect, margin: f32, side: u32) -> Photo {
    window(photo, square(rect, margin), side, side)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_square_is_centred_and_grown() {
        let s = square(Rect { x: 10.0, y: 20.0, w: 40.0, h: 100.0 }, 0.125);
        assert_eq!((s.x, s.y, s.w, s.h), (-32.5, 7.5, 125.0, 125.0));
    }
}
