//! What pool and worker say to each other: frames of a JSON head and a plain body.
//!
//! Layout: head length (u32), body length (u64), both little-endian, then head and body.

use crate::{Limits, PhotoError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};

/// Pool to worker, once: the limits to take on. Answered by [`Answer::Ready`].
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Confinement {
    /// Longest request body.
    pub(super) max_bytes: u64,
    /// What the process may map beyond what it has mapped at its start.
    pub(super) memory_bytes: u64,
    /// Computing time of the whole process.
    pub(super) cpu_s: u64,
}

/// Pool to worker; the body is the picture.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Request {
    pub(super) limits: Limits,
    pub(super) longer_side_px: Option<u32>,
}

/// Worker to pool.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    Ready,
    /// The body is the RGB.
    Photo {
        width: u32,
        height: u32,
        full_width: u32,
        full_height: u32,
    },
    Refused(PhotoError),
}

/// More than any honest head.
const MAX_HEAD_BYTES: usize = 64 << 10;

pub(super) fn write_frame(to: &mut impl Write, head: &impl Serialize, body: &[u8]) -> io::Result<()> {
    let json = serde_json::to_vec(head)?;
    let mut start = Vec::with_capacity(12 + json.len());
    start.extend((json.len() as u32).to_le_bytes());
    start.extend((body.len() as u64).to_le_bytes());
    start.extend(json);
    to.write_all(&start)?;
    to.write_all(body)?;
    to.flush()
}

/// Reads one frame with a body of at most `max_body_bytes`; a longer one is
/// [`io::ErrorKind::InvalidData`], as is a head that is not of type `H`.
pub(super) fn read_frame<H: DeserializeOwned>(
    from: &mut impl Read,
    max_body_bytes: u64,
) -> io::Result<(H, Vec<u8>)> {
    let (mut head_length, mut body_length) = ([0; 4], [0; 8]);
    from.read_exact(&mut head_length)?;
    from.read_exact(&mut body_length)?;
    let (head_length, body_length) = (u32::from_le_bytes(head_length), u64::from_le_bytes(body_length));
    if head_length as usize > MAX_HEAD_BYTES || body_length > max_body_bytes {
        let what = format!("a frame of {head_length} and {body_length} bytes where less was agreed");
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    }
    let mut head = vec![0; head_length as usize];
    from.read_exact(&mut head)?;
    let head = serde_json::from_slice(&head).map_err(|error| {
        io::Error::new(io::ErrorKind::InvalidData, format!("a frame that says nothing: {error}"))
    })?;
    // Not zeroed first: bodies are megabytes, and every picture passes here.
    let mut body = Vec::with_capacity(body_length as usize);
    from.take(body_length).read_to_end(&mut body)?;
    if body.len() as u64 != body_length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok((head, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_go_there_and_back_and_never_grow() {
        let mut wire = Vec::new();
        let error = PhotoError::Busy { waiting: 3 };
        write_frame(&mut wire, &Answer::Refused(error.clone()), b"body").unwrap();
        let (answer, body) = read_frame::<Answer>(&mut wire.as_slice(), 4).unwrap();
        assert!(matches!(answer, Answer::Refused(e) if e == error));
        assert_eq!(body, b"body");

        let refused = |wire: &[u8], max| read_frame::<Answer>(&mut &*wire, max).unwrap_err().kind();
        assert_eq!(refused(&wire, 3), io::ErrorKind::InvalidData);
        assert_eq!(refused(b"HTTP/1.1 200 OK\r\n\r\n", 1 << 40), io::ErrorKind::InvalidData);
        for cut in 0..wire.len() {
            assert_eq!(refused(&wire[..cut], 4), io::ErrorKind::UnexpectedEof, "{cut}");
        }
    }
}
