//! The part of a node that changes: whose it is, and its links.
//!
//! Two cache lines: four words of head, then the links, those that were chosen for their direction first, the
//! rest filling up. Drawn byte by byte in docs/formats/index-graph.md.

/// Most links of a node.
pub(crate) const DEGREE: usize = 28;
/// No link there.
pub(crate) const NONE: u32 = u32::MAX;
/// Bytes of a block.
pub(crate) const BLOCK: usize = HEAD + 4 * DEGREE;
const HEAD: usize = 16;

/// The words before the links.
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub(crate) struct Head {
    pub(crate) item: u32,
    pub(crate) group: u32,
    /// So many links, at the front, were chosen for their direction.
    pub(crate) chosen: u32,
    zero: u32,
}

pub(crate) fn head(block: &[u8]) -> &Head {
    bytemuck::from_bytes(&block[..HEAD])
}

pub(crate) fn head_mut(block: &mut [u8]) -> &mut Head {
    bytemuck::from_bytes_mut(&mut block[..HEAD])
}

/// All places for links.
pub(crate) fn places(block: &[u8]) -> &[u32] {
    bytemuck::cast_slice(&block[HEAD..BLOCK])
}

pub(crate) fn places_mut(block: &mut [u8]) -> &mut [u32] {
    bytemuck::cast_slice_mut(&mut block[HEAD..BLOCK])
}

/// The links; they stand at the front.
#[inline]
pub(crate) fn links(block: &[u8]) -> impl Iterator<Item = u32> + '_ {
    places(block).iter().copied().take_while(|&id| id != NONE)
}

/// So many links.
pub(crate) fn count(block: &[u8]) -> usize {
    links(block).count()
}

/// A node without links.
pub(crate) fn write(block: &mut [u8], item: u32, group: u32) {
    *head_mut(block) = Head { item, group, chosen: 0, zero: 0 };
    places_mut(block).fill(NONE);
}

/// A block that came from a file can be worked with.
pub(crate) fn is_sound(block: &[u8]) -> bool {
    let count = count(block);
    head(block).chosen as usize <= count && places(block)[count..].iter().all(|&id| id == NONE)
}
