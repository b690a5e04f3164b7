//! The type everything after decoding works on.

use crate::Rect;
use crate::resize::resize_rgb;

/// Decoded upright pixels: 8-bit sRGB, interleaved `RGBRGB…`, row by row, no padding.
#[derive(Clone, PartialEq, Eq)]
pub struct Photo {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

impl Photo {
    /// `rgb` holds exactly `width * height * 3` bytes; both sides at least 1.
    ///
    /// # Panics
    /// If the length does not match: that is our bug, never foreign input.
    #[must_use]
    pub fn new(width: u32, height: u32, rgb: Vec<u8>) -> Self {
        assert!(width > 0 && height > 0 && rgb.len() == width as usize * height as usize * 3);
        Self { width, height, rgb }
    }

    /// Width in pixels.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The bytes, `width * height * 3`.
    #[must_use]
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// The bytes, without copying them.
    #[must_use]
    pub fn into_rgb(self) -> Vec<u8> {
        self.rgb
    }

    /// The whole picture as a box.
    #[must_use]
    pub fn frame(&self) -> Rect {
        Rect { x: 0.0, y: 0.0, w: self.width as f32, h: self.height as f32 }
    }

    /// The smallest part of whole pixels that covers `rect`, cut to the photo; at least one pixel,
    /// the nearest one where `rect` lies outside.
    #[must_use]
    pub fn crop(&self, rect: Rect) -> Photo {
        let (x0, x1) = span(rect.x, rect.x1(), self.width);
        let (y0, y1) = span(rect.y, rect.y1(), self.height);
        let stride = self.width as usize * 3;
        let rgb =
            (y0..y1).flat_map(|y| &self.rgb[y * stride + x0 * 3..y * stride + x1 * 3]).copied().collect();
        Photo::new((x1 - x0) as u32, (y1 - y0) as u32, rgb)
    }

    /// Resized with an anti-aliasing triangle filter to exactly `width` x `height`, both at least 1.
    #[must_use]
    pub fn resize(&self, width: u32, height: u32) -> Photo {
        if (width, height) == (self.width, self.height) {
            return self.clone();
        }
        resize_rgb(self, width, height)
    }

    /// A thumbnail: the largest size within `width` x `height` that keeps the shape, never larger
    /// than the photo itself.
    #[must_use]
    pub fn fit_within(&self, width: u32, height: u32) -> Photo {
        let scale = (f64::from(width) / f64::from(self.width))
            .min(f64::from(height) / f64::from(self.height))
            .min(1.0);
        let side = |full: u32| ((f64::from(full) * scale).round() as u32).max(1);
        self.resize(side(self.width), side(self.height))
    }
}

impl std::fmt::Debug for Photo {
    /// Sides only: nobody reads a million numbers in a message.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Photo({} x {})", self.width, self.height)
    }
}

/// Whole pixels from `from` to `to`: start inclusive, end exclusive, `0..side`, at least one.
fn span(from: f32, to: f32, side: u32) -> (usize, usize) {
    // Numbers that are not numbers become 0 in the casts, so nothing here can leave the photo.
    let start = (from.max(0.0).floor() as u32).min(side - 1);
    let end = (to.max(0.0).ceil() as u32).clamp(start + 1, side);
    (start as usize, end as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(width: u32, height: u32) -> Photo {
        let rgb = (0..height).flat_map(|y| (0..width).flat_map(move |x| [x as u8, y as u8, 7])).collect();
        Photo::new(width, height, rgb)
    }

    fn rect(x: f32, y: f32, w: f32, h: f32) -> Rect {
        Rect { x, y, w, h }
    }

    #[test]
    fn a_crop_covers_its_box() {
        let photo = numbered(10, 8);
        let part = photo.crop(rect(2.5, 3.0, 2.0, 1.5));
        assert_eq!((part.width(), part.height()), (3, 2));
        assert_eq!(part.rgb()[..3], [2, 3, 7]);
        assert_eq!(part.rgb()[part.rgb().len() - 3..], [4, 4, 7]);
        assert_eq!(photo.crop(photo.frame()), photo);
    }

    #[test]
    fn a_crop_outside_gives_the_nearest_pixel() {
        let photo = numbered(10, 8);
        for (away, x, y) in [
            (rect(-5.0, -5.0, 1.0, 1.0), 0, 0),
            (rect(50.0, 50.0, 9.0, 9.0), 9, 7),
            (rect(f32::NAN, f32::NAN, f32::NAN, f32::NAN), 0, 0),
            (rect(3.0, 2.0, -4.0, 0.0), 3, 2),
            (rect(f32::MAX, 0.0, f32::INFINITY, 0.0), 9, 0),
        ] {
            assert_eq!(photo.crop(away), Photo::new(1, 1, vec![x, y, 7]), "{away:?}");
        }
    }

    #[test]
    fn a_thumbnail_keeps_the_shape_and_never_grows() {
        let sides = |photo: Photo| (photo.width(), photo.height());
        let photo = numbered(40, 20);
        assert_eq!(sides(photo.fit_within(10, 10)), (10, 5));
        assert_eq!(sides(photo.fit_within(100, 5)), (10, 5));
        assert_eq!(photo.fit_within(400, 400), photo);
        assert_eq!(sides(numbered(200, 1).fit_within(16, 16)), (16, 1));
    }
}
