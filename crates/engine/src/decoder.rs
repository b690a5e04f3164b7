//! Foreign bytes to pixels, in this process or behind a wall.

use crate::Result;
use std::sync::Arc;
use twinset_photo::{DecodePool, Decoded, Limits, decode_reduced};

/// Where foreign bytes are decoded.
#[derive(Clone, Default)]
pub enum Decoder {
    /// On the calling thread: memory-safe decoders with limits of our own.
    #[default]
    InProcess,
    /// In limited processes, as a server should. The pool's own limits apply.
    Pool(Arc<DecodePool>),
}

impl Decoder {
    /// Decodes to a photo whose longer side is at least `longer_side_px` (or all there is).
    pub(crate) fn decode(&self, bytes: &[u8], limits: &Limits, longer_side_px: u32) -> Result<Decoded> {
        Ok(match self {
            Self::InProcess => decode_reduced(bytes, limits, longer_side_px)?,
            Self::Pool(pool) => pool.decode_reduced(bytes, longer_side_px)?,
        })
    }
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::InProcess => "InProcess",
            Self::Pool(_) => "Pool",
        })
    }
}
