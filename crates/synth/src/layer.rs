//! Layers of linear light with an owner per pixel, and how they are laid over one another.

use crate::colour::{self, Rgb};
use crate::raster::{self, Block};
use twinset_photo::Photo;

/// How the edge of a pasted garment meets the ground.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Blend {
    /// The exact anti-aliased edge.
    None,
    /// Alpha fades over a few pixels inside the edge.
    Feather,
    /// Alpha through a box blur.
    BoxBlur,
    /// The garment's low frequencies bend towards the ground's near the edge.
    GradientLite,
}

impl Blend {
    /// All modes.
    pub const ALL: [Blend; 4] = [Blend::None, Blend::Feather, Blend::BoxBlur, Blend::GradientLite];
}

/// No garment: ground.
pub(crate) const NOBODY: u8 = 0;
/// Something that hides garments but is none: skin, hair, an occluder.
pub(crate) const OTHER: u8 = 255;

/// Premultiplied linear light over a block of pixels.
pub(crate) struct Layer {
    pub block: Block,
    pub rgba: Vec<[f32; 4]>,
    /// Who shows: [`NOBODY`], a garment's number, or [`OTHER`].
    pub owner: Vec<u8>,
    /// Part id (0 none) and material coordinates; empty when not wanted.
    pub texels: Vec<(u8, [f32; 2])>,
}

impl Layer {
    pub(crate) fn new(block: Block, texels: bool) -> Self {
        let n = block.width() * block.height();
        Layer {
            block,
            rgba: vec![[0.0; 4]; n],
            owner: vec![NOBODY; n],
            texels: if texels { vec![(0, [0.0; 2]); n] } else { Vec::new() },
        }
    }
    pub(crate) fn alpha(&self) -> Vec<f32> {
        self.rgba.iter().map(|p| p[3]).collect()
    }
}

/// The picture being made: opaque linear light with an owner per pixel.
pub(crate) struct Canvas {
    pub width: usize,
    pub height: usize,
    pub rgb: Vec<Rgb>,
    pub owner: Vec<u8>,
    /// See [`Layer::texels`].
    pub texels: Vec<(u8, [f32; 2])>,
}

impl Canvas {
    pub(crate) fn new(width: usize, height: usize, texels: bool) -> Self {
        let n = width * height;
        Canvas {
            width,
            height,
            rgb: vec![[0.0; 3]; n],
            owner: vec![NOBODY; n],
            texels: if texels { vec![(0, [0.0; 2]); n] } else { Vec::new() },
        }
    }
    pub(crate) fn frame(&self) -> Block {
        Block { x0: 0, y0: 0, x1: self.width as i32, y1: self.height as i32 }
    }
    /// Darkens where `mask` (over `block`) lies, shifted by (`dx`, `dy`) pixels and blurred by `r`.
    pub(crate) fn cast(&mut self, block: &Block, mask: &[f32], dx: i32, dy: i32, r: usize, strength: f32) {
        let pad = 2 * r as i32;
        let grown = Block { x0: block.x0 - pad, y0: block.y0 - pad, x1: block.x1 + pad, y1: block.y1 + pad };
        let (w, h) = (grown.width(), grown.height());
        let mut plane = vec![0.0; w * h];
        for y in 0..block.height() {
            let from = (y + pad as usize) * w + pad as usize;
            plane[from..from + block.width()]
                .copy_from_slice(&mask[y * block.width()..(y + 1) * block.width()]);
        }
        raster::blur(&mut plane, w, h, r);
        for y in 0..h {
            let ty = grown.y0 + y as i32 + dy;
            if ty < 0 || ty >= self.height as i32 {
                continue;
            }
            for x in 0..w {
                let tx = grown.x0 + x as i32 + dx;
                let v = plane[y * w + x];
                if v > 0.0 && tx >= 0 && tx < self.width as i32 {
                    let k = 1.0 - strength * v;
                    let p = &mut self.rgb[ty as usize * self.width + tx as usize];
                    *p = colour::scale(*p, k);
                }
            }
        }
    }
    /// Lays `layer` over the picture; owners below `OTHER` are shifted by `first_owner`.
    pub(crate) fn lay(&mut self, layer: &Layer, blend: Blend, first_owner: u8) {
        let b = &layer.block;
        let (w, h) = (b.width(), b.height());
        if w == 0 || h == 0 {
            return;
        }
        let mut alpha = layer.alpha();
        let longest = w.max(h);
        let r = (longest / 90).clamp(1, 4);
        let mut soft = Vec::new();
        match blend {
            Blend::None => {}
            Blend::Feather => {
                soft = alpha.clone();
                raster::blur(&mut soft, w, h, r);
                for (a, s) in alpha.iter_mut().zip(&soft) {
                    *a = a.min((s * 2.0 - 1.0).clamp(0.0, 1.0).max(*a * 0.15));
                }
            }
            Blend::BoxBlur => raster::blur(&mut alpha, w, h, 1),
            Blend::GradientLite => {
                soft = alpha.clone();
                raster::blur(&mut soft, w, h, 3 * r);
            }
        }
        for y in 0..h {
            let ty = b.y0 + y as i32;
            if ty < 0 || ty >= self.height as i32 {
                continue;
            }
            for x in 0..w {
                let tx = b.x0 + x as i32;
                if tx < 0 || tx >= self.width as i32 {
                    continue;
                }
                let i = y * w + x;
                let a = alpha[i];
                if a <= 0.0 {
                    continue;
                }
                let p = layer.rgba[i];
                let at = ty as usize * self.width + tx as usize;
                let under = self.rgb[at];
                let own = if p[3] > 1e-4 { [p[0] / p[3], p[1] / p[3], p[2] / p[3]] } else { under };
                let own = if blend == Blend::GradientLite {
                    // Near the edge the blurred alpha is about a half: borrow some of the ground there.
                    colour::mix(own, under, 0.3 * (1.0 - (soft[i] * 2.0 - 1.0).clamp(0.0, 1.0)))
                } else {
                    own
                };
                self.rgb[at] = colour::mix(under, own, a.min(1.0));
                if layer.owner[i] != NOBODY {
                    self.owner[at] =
                        if layer.owner[i] == OTHER { OTHER } else { layer.owner[i] + first_owner };
                    if !self.texels.is_empty() {
                        self.texels[at] = layer.texels.get(i).copied().unwrap_or_default();
                    }
                }
            }
        }
    }
    pub(crate) fn photo(&self) -> Photo {
        let mut rgb = Vec::with_capacity(self.rgb.len() * 3);
        for p in &self.rgb {
            rgb.extend(p.map(colour::to_byte));
        }
        Photo::new(self.width as u32, self.height as u32, rgb)
    }
}
