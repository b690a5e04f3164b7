//! What is refused before memory is spent.

use crate::PhotoError;
use serde::{Deserialize, Serialize};

/// What is refused before memory is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Encoded size.
    pub max_bytes: u64,
    /// Width times height as the header says.
    pub max_pixels: u64,
    /// Bytes a decoder may hold.
    pub max_memory_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_bytes: 20 << 20, max_pixels: 50_000_000, max_memory_bytes: 512 << 20 }
    }
}

impl Limits {
    pub(crate) fn check_bytes(&self, bytes: u64) -> Result<(), PhotoError> {
        if bytes > self.max_bytes {
            return Err(PhotoError::TooManyBytes { bytes, max_bytes: self.max_bytes });
        }
        Ok(())
    }

    pub(crate) fn check_pixels(&self, width: u32, height: u32) -> Result<(), PhotoError> {
        if u64::from(width) * u64::from(height) > self.max_pixels {
            return Err(PhotoError::TooManyPixels { width, height, max_pixels: self.max_pixels });
        }
        Ok(())
    }

    pub(crate) fn check_memory(&self, width: u32, height: u32, bytes: u64) -> Result<(), PhotoError> {
        if bytes > self.max_memory_bytes {
            return Err(PhotoError::TooMuchMemory { width, height, bytes, max_bytes: self.max_memory_bytes });
        }
        Ok(())
    }
}
