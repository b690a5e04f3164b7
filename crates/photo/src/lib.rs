//! Bytes to upright sRGB pixels, within limits.
//!
//! In: foreign bytes. Out: a [`Photo`]. Knows nothing of garments, products or networks.

mod rect;
pub use rect::Rect;

/// Decoded upright pixels: 8-bit sRGB, interleaved `RGBRGB…`, row by row, no padding.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    pub fn width(&self) -> u32 { self.width }
    /// Height in pixels.
    #[must_use]
    pub fn height(&self) -> u32 { self.height }
    /// The bytes, `width * height * 3`.
    #[must_use]
    pub fn rgb(&self) -> &[u8] { &self.rgb }
    /// The whole picture as a box.
    #[must_use]
    pub fn frame(&self) -> Rect { Rect { x: 0.0, y: 0.0, w: self.width as f32, h: self.height as f32 } }
    /// The part inside `rect` (clamped, at least 1 x 1).
    #[must_use]
    pub fn crop(&self, _rect: Rect) -> Photo { unimplemented!() }
    /// Resized with an anti-aliasing filter to exactly `width` x `height`.
    #[must_use]
    pub fn resize(&self, _width: u32, _height: u32) -> Photo { unimplemented!() }
}

/// What is refused before memory is spent.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Encoded size.
    pub max_bytes: u64,
    /// Width times height as the header says.
    pub max_pixels: u64,
    /// Bytes a decoder may hold.
    pub max_memory_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self { Self { max_bytes: 20 << 20, max_pixels: 50_000_000, max_memory_bytes: 512 << 20 } }
}

/// Encodings we read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Format { Jpeg, Png, Webp, Gif }

/// What the header says, before decoding. Sides are of the upright picture.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct Header { pub format: Format, pub width: u32, pub height: u32 }

/// A decoded photo, perhaps smaller than the original.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// The pixels.
    pub photo: Photo,
    /// Upright width and height of the original; boxes are reported in these.
    pub full_width: u32,
    /// See `full_width`.
    pub full_height: u32,
}

/// Why a picture could not be read.
#[derive(Debug, thiserror::Error)]
pub enum PhotoError {
    /// Placeholder: the real variants come with the decoder.
    #[error("this is not a JPEG, PNG, WebP or GIF picture")]
    NotAPicture,
}

/// Reads the header only.
///
/// # Errors
/// As [`decode`].
pub fn probe(_bytes: &[u8], _limits: &Limits) -> Result<Header, PhotoError> { unimplemented!() }

/// Decodes to upright sRGB at full size.
///
/// # Errors
/// Typed by who can act, see [`PhotoError`].
pub fn decode(_bytes: &[u8], _limits: &Limits) -> Result<Photo, PhotoError> { unimplemented!() }

/// Decodes, and may return a reduced photo whose longer side is still at least `longer_side_px`.
///
/// # Errors
/// As [`decode`].
pub fn decode_reduced(_bytes: &[u8], _limits: &Limits, _longer_side_px: u32) -> Result<Decoded, PhotoError> { unimplemented!() }

/// Encodes as baseline JPEG, no metadata. `quality` 1..=100.
#[must_use]
pub fn encode_jpeg(_photo: &Photo, _quality: u8) -> Vec<u8> { unimplemented!() }

/// Encodes as PNG, no metadata.
#[must_use]
pub fn encode_png(_photo: &Photo) -> Vec<u8> { unimplemented!() }

/// BLAKE3 of a picture's bytes: the identity of a *picture*. Displays as 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PictureHash(pub [u8; 32]);

impl PictureHash {
    /// Of the encoded bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self { Self(*blake3::hash(bytes).as_bytes()) }
    /// From 64 hex digits.
    #[must_use]
    pub fn from_hex(hex: &str) -> Option<Self> { blake3::Hash::from_hex(hex).ok().map(|h| Self(*h.as_bytes())) }
}

impl std::fmt::Display for PictureHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str(&blake3::Hash::from_bytes(self.0).to_hex()) }
}

impl std::fmt::Debug for PictureHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { write!(f, "{self}") }
}
