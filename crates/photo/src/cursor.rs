//! Reading foreign bytes front to back: every step checks that the bytes are there.

use crate::{Format, PhotoError};

/// A place in the bytes of one picture. Each read moves it on, or fails with
/// [`PhotoError::Truncated`] where the file ends.
#[derive(Clone)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    format: Format,
    file_bytes: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8], format: Format) -> Self {
        Self { bytes, at: 0, format, file_bytes: bytes.len() }
    }

    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// The error of reading too far: of the file, or of a part that says how long it is.
    pub(crate) fn truncated(&self) -> PhotoError {
        if self.bytes.len() < self.file_bytes {
            return damaged(self.format, "a part of it is shorter than its kind must be");
        }
        PhotoError::Truncated { format: self.format, bytes: self.bytes.len() as u64 }
    }

    pub(crate) fn damaged(&self, what: &str) -> PhotoError {
        damaged(self.format, format!("{what}, at byte {}", self.at))
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], PhotoError> {
        let end = self.at.checked_add(count).ok_or_else(|| self.truncated())?;
        let part = self.bytes.get(self.at..end).ok_or_else(|| self.truncated())?;
        self.at = end;
        Ok(part)
    }

    /// What has been read since the place `start`.
    pub(crate) fn since(&self, start: usize) -> &'a [u8] {
        &self.bytes[start..self.at]
    }

    /// What is still to be read.
    pub(crate) fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    /// A cursor over the next `count` bytes alone; this one stays where it is.
    pub(crate) fn nested(&self, count: usize) -> Result<Self, PhotoError> {
        let bytes = self.clone().take(count)?;
        Ok(Self { bytes, at: 0, ..*self })
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], PhotoError> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, PhotoError> {
        Ok(self.take(1)?[0])
    }

    pub(crate) fn u16_be(&mut self) -> Result<u16, PhotoError> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u16_le(&mut self) -> Result<u16, PhotoError> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32_be(&mut self) -> Result<u32, PhotoError> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u32_le(&mut self) -> Result<u32, PhotoError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u24_le(&mut self) -> Result<u32, PhotoError> {
        let [a, b, c] = self.array()?;
        Ok(u32::from_le_bytes([a, b, c, 0]))
    }

    /// The byte `ahead` of this place, which does not move.
    pub(crate) fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    /// Moves to the next `byte` and returns its place; to the end and `None` where there is none.
    pub(crate) fn find(&mut self, byte: u8) -> Option<usize> {
        let found = self.bytes[self.at..].iter().position(|b| *b == byte).map(|ahead| self.at + ahead);
        self.at = found.unwrap_or(self.bytes.len());
        found
    }
}

pub(crate) fn damaged(format: Format, what: impl Into<String>) -> PhotoError {
    PhotoError::Damaged { format, what: what.into() }
}

pub(crate) fn unsupported(format: Format, feature: impl Into<String>) -> PhotoError {
    PhotoError::Unsupported { format, feature: feature.into() }
}
