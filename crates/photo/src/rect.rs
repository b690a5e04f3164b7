use serde::{Deserialize, Serialize};

/// A box: left, top, width, height, in pixels of the upright photo unless said otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, Default)]
#[allow(missing_docs)]
pub struct Rect {
    pub x: f32,
    pub y: f32,
    pub w: f32,
    pub h: f32,
}

impl Rect {
    /// From corners, `x1` and `y1` exclusive.
    #[must_use]
    pub fn from_corners(x0: f32, y0: f32, x1: f32, y1: f32) -> Self {
        Self { x: x0, y: y0, w: (x1 - x0).max(0.0), h: (y1 - y0).max(0.0) }
    }
    /// Right edge, exclusive.
    #[must_use]
    pub fn x1(&self) -> f32 {
        self.x + self.w
    }
    /// Bottom edge, exclusive.
    #[must_use]
    pub fn y1(&self) -> f32 {
        self.y + self.h
    }
    /// Area in square pixels.
    #[must_use]
    pub fn area(&self) -> f32 {
        self.w.max(0.0) * self.h.max(0.0)
    }
    /// The common part; zero-sized when there is none.
    #[must_use]
    pub fn intersect(&self, other: &Rect) -> Rect {
        Rect::from_corners(
            self.x.max(other.x),
            self.y.max(other.y),
            self.x1().min(other.x1()),
            self.y1().min(other.y1()),
        )
    }
    /// Intersection over union, 0..=1.
    #[must_use]
    pub fn iou(&self, other: &Rect) -> f32 {
        let common = self.intersect(other).area();
        let union = self.area() + other.area() - common;
        if union > 0.0 { common / union } else { 0.0 }
    }
    /// Multiplied in x by `sx` and in y by `sy`.
    #[must_use]
    pub fn scale(&self, sx: f32, sy: f32) -> Rect {
        Rect { x: self.x * sx, y: self.y * sy, w: self.w * sx, h: self.h * sy }
    }
    /// Cut to `0..width` and `0..height`.
    #[must_use]
    pub fn clamp_to(&self, width: f32, height: f32) -> Rect {
        self.intersect(&Rect { x: 0.0, y: 0.0, w: width, h: height })
    }
}
