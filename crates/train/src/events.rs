//! TensorBoard event files: the metrics of a run, once more, for those who watch many runs side by side.
//!
//! A file is a row of TFRecords (length, masked CRC-32C of it, bytes, masked CRC-32C of them), each a protobuf `Event`;
//! only its four fields that scalars need are written.
use std::time::{SystemTime, UNIX_EPOCH};

/// CRC-32C (Castagnoli), bit by bit: metrics are a few hundred bytes a report.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |c, _| if c & 1 == 1 { c >> 1 ^ 0x82f6_3b78 } else { c >> 1 })
    })
}

fn masked(bytes: &[u8]) -> [u8; 4] {
    crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

fn record(event: &[u8]) -> Vec<u8> {
    let length = (event.len() as u64).to_le_bytes();
    [&length[..], &masked(&length), event, &masked(event)].concat()
}

fn varint(mut v: u64, out: &mut Vec<u8>) {
    while v >= 0x80 {
        out.push(v as u8 | 0x80);
        v >>= 7;
    }
    out.push(v as u8);
}

/// Field of length-delimited bytes.
fn bytes(field: u8, value: &[u8], out: &mut Vec<u8>) {
    out.push(field << 3 | 2);
    varint(value.len() as u64, out);
    out.extend_from_slice(value);
}

fn event() -> Vec<u8> {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64());
    let mut out = vec![1 << 3 | 1];
    out.extend_from_slice(&seconds.to_le_bytes());
    out
}

/// What every file begins with.
pub(crate) fn header() -> Vec<u8> {
    let mut e = event();
    bytes(3, b"brain.Event:2", &mut e);
    record(&e)
}

/// Numbers of one step, by name.
pub(crate) fn scalars<'a>(step: u64, values: impl Iterator<Item = (&'a str, f32)>) -> Vec<u8> {
    let mut e = event();
    e.push(2 << 3);
    varint(step, &mut e);
    let mut summary = Vec::new();
    for (name, value) in values {
        let mut one = Vec::new();
        bytes(1, name.as_bytes(), &mut one);
        one.push(2 << 3 | 5);
        one.extend_from_slice(&value.to_le_bytes());
        bytes(1, &one, &mut summary);
    }
    bytes(5, &summary, &mut e);
    record(&e)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_as_tensorboard_reads_them() {
        // The check value of CRC-32C, from RFC 3720, appendix B.4.
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        let r = scalars(300, [("loss", 1.5)].into_iter());
        let length = u64::from_le_bytes(r[..8].try_into().unwrap()) as usize;
        assert_eq!(r.len(), 8 + 4 + length + 4);
        // step 300 as field 2; tag and value inside the summary, field 5.
        let body = &r[12..12 + length];
        assert_eq!(body[9..12], [0x10, 0xac, 0x02]);
        assert_eq!(
            body[12..],
            [&[0x2a, 13, 0x0a, 11, 0x0a, 4][..], b"loss", &[0x15, 0, 0, 0xc0, 0x3f]].concat()
        );
    }
}
