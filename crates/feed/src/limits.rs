//! What a feed may cost.

/// Bounds that hold for every feed, tested before memory is spent.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes after unpacking.
    pub unpacked_bytes: u64,
    /// How many times larger than packed; asked beyond the first 64 MiB. Text packs 5 to 30 times, a bomb a thousand.
    pub unpack_ratio: u64,
    /// Bytes of one cell, element or member.
    pub cell_bytes: usize,
    /// Bytes of one row, line or JSON product.
    pub row_bytes: usize,
    /// Elements inside each other.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            unpacked_bytes: 64 << 30,
            unpack_ratio: 200,
            cell_bytes: 1 << 20,
            row_bytes: 8 << 20,
            depth: 64,
        }
    }
}
