//! Pictures as they are sent out: smaller, and always encoded anew, so that no metadata of a seller or camera
//! (place, device, embedded originals) leaves the house.

use axum::body::Bytes;
use image::ExtendedColorType;
use image::codecs::webp::WebPEncoder;
use parking_lot::Mutex;
use std::collections::HashMap;
use twinset_engine::{Decoder, Options};
use twinset_photo::{Photo, PhotoError, PictureHash, decode_reduced, encode_jpeg, encode_png};

/// Widths that are made, in pixels; others are rounded up to one of these, so that the cache has few entries a picture.
pub(crate) const WIDTHS: [u32; 10] = [96, 160, 240, 320, 480, 640, 800, 1024, 1280, 1600];
const JPEG_QUALITY: u8 = 84;

/// How a picture is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PictureFormat {
    /// Small; the default.
    #[default]
    Jpeg,
    /// Exact.
    Png,
    /// Exact, smaller than PNG.
    Webp,
}

impl PictureFormat {
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Webp => "image/webp",
        }
    }
}

/// One picture in one size and format.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) picture: PictureHash,
    /// `None`: as large as it is.
    pub(crate) width: Option<u32>,
    pub(crate) format: PictureFormat,
}

impl Key {
    pub(crate) fn new(picture: PictureHash, width: Option<u32>, format: PictureFormat) -> Self {
        let last = WIDTHS[WIDTHS.len() - 1];
        let width = width.map(|asked| WIDTHS.into_iter().find(|&w| w >= asked).unwrap_or(last));
        Self { picture, width, format }
    }

    pub(crate) fn etag(&self) -> String {
        format!("\"{}-{}-{:?}\"", &self.picture.to_string()[..32], self.width.unwrap_or(0), self.format)
    }

    /// Decodes `original` where the engine decodes what strangers send, and encodes it in this size and format.
    pub(crate) fn make(&self, original: &[u8], engine: &Options) -> Result<Bytes, PhotoError> {
        let longer_side_px = match self.width {
            None => u32::MAX,
            Some(width) => {
                // The reduction is told by the longer side: for a tall picture that is more than its width.
                let header = twinset_photo::probe(original, &engine.limits)?;
                let (width, longer) = (u64::from(width), u64::from(header.width.max(header.height)));
                u32::try_from((width * longer).div_ceil(u64::from(header.width.max(1)))).unwrap_or(u32::MAX)
            }
        };
        let decoded = match &engine.decoder {
            Decoder::InProcess => decode_reduced(original, &engine.limits, longer_side_px)?,
            Decoder::Pool(pool) => pool.decode_reduced(original, longer_side_px)?,
        };
        let photo = match self.width {
            None => decoded.photo,
            Some(width) => decoded.photo.fit_within(width, u32::MAX),
        };
        Ok(match self.format {
            PictureFormat::Jpeg => encode_jpeg(&photo, JPEG_QUALITY).into(),
            PictureFormat::Png => encode_png(&photo).into(),
            PictureFormat::Webp => webp(&photo).into(),
        })
    }
}

/// Lossless: the only WebP that a Rust encoder writes.
fn webp(photo: &Photo) -> Vec<u8> {
    let mut bytes = Vec::new();
    WebPEncoder::new_lossless(&mut bytes)
        .encode(photo.rgb(), photo.width(), photo.height(), ExtendedColorType::Rgb8)
        .expect("a photo's bytes match its sides, and a Vec takes every write");
    bytes
}

/// Thumbnails made before, at most so many bytes of them; the longest unused go first.
pub(crate) struct Thumbnails {
    kept: Mutex<Kept>,
    limit: usize,
}

#[derive(Default)]
struct Kept {
    entries: HashMap<Key, (Bytes, u64)>,
    bytes: usize,
    clock: u64,
}

impl Thumbnails {
    pub(crate) fn new(limit: usize) -> Self {
        Self { kept: Mutex::default(), limit }
    }

    pub(crate) fn get(&self, key: &Key) -> Option<Bytes> {
        let mut kept = self.kept.lock();
        kept.clock += 1;
        let now = kept.clock;
        let (bytes, used) = kept.entries.get_mut(key)?;
        *used = now;
        Some(bytes.clone())
    }

    pub(crate) fn put(&self, key: Key, bytes: Bytes) {
        if bytes.len() > self.limit / 8 {
            return;
        }
        let mut kept = self.kept.lock();
        kept.clock += 1;
        let now = kept.clock;
        kept.bytes += bytes.len();
        if let Some((old, _)) = kept.entries.insert(key, (bytes, now)) {
            kept.bytes -= old.len();
        }
        if kept.bytes <= self.limit {
            return;
        }
        // An eighth at a time: then the sort is paid for by many puts.
        let mut ages: Vec<_> = kept.entries.iter().map(|(key, (_, used))| (*used, *key)).collect();
        ages.sort_unstable_by_key(|(used, _)| *used);
        for (_, key) in ages {
            if kept.bytes <= self.limit - self.limit / 8 {
                break;
            }
            if let Some((old, _)) = kept.entries.remove(&key) {
                kept.bytes -= old.len();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u8) -> Key {
        Key::new(PictureHash::of(&[n]), Some(300), PictureFormat::Jpeg)
    }

    #[test]
    fn the_cache_forgets_the_longest_unused() {
        let cache = Thumbnails::new(800);
        for n in 0..8 {
            cache.put(key(n), Bytes::from(vec![0; 100]));
        }
        assert!(cache.get(&key(0)).is_some());
        cache.put(key(8), Bytes::from(vec![0; 100]));
        assert!(cache.get(&key(0)).is_some(), "used a moment ago");
        assert!(cache.get(&key(1)).is_none(), "the longest unused");
        assert!(cache.kept.lock().bytes <= 800);
    }

    #[test]
    fn thumbnails_keep_the_shape_and_never_grow() {
        let photo = Photo::new(600, 900, [200, 30, 60].repeat(600 * 900));
        let original = encode_jpeg(&photo, 90);
        for format in [PictureFormat::Jpeg, PictureFormat::Png, PictureFormat::Webp] {
            for (asked, width, height) in [(Some(300), 320, 480), (Some(5000), 600, 900), (None, 600, 900)] {
                let key = Key::new(PictureHash::of(&original), asked, format);
                let made = key.make(&original, &Options::default()).expect("a picture");
                let header = twinset_photo::probe(&made, &Options::default().limits).expect("a picture");
                assert_eq!((header.width, header.height), (width, height), "{asked:?} {format:?}");
            }
        }
    }
}
