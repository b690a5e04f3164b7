//! Which way up the camera was held (EXIF tag 0x0112), and turning pixels upright.

/// How stored pixels become upright ones: mirrored along x, along y, then their axes swapped.
///
/// Source: Exif 2.32, 4.6.4 A, "Orientation".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Orientation {
    mirror_x: bool,
    mirror_y: bool,
    swap: bool,
}

impl Orientation {
    /// From the tag's value; anything outside 1..=8 is upright, as cameras that do not know write 0.
    pub(crate) fn from_exif(value: u16) -> Self {
        let (mirror_x, mirror_y, swap) = match value {
            2 => (true, false, false),
            3 => (true, true, false),
            4 => (false, true, false),
            5 => (false, false, true),
            6 => (false, true, true),
            7 => (true, true, true),
            8 => (true, false, true),
            _ => (false, false, false),
        };
        Self { mirror_x, mirror_y, swap }
    }

    /// Width and height after turning.
    pub(crate) fn sides(self, width: u32, height: u32) -> (u32, u32) {
        if self.swap { (height, width) } else { (width, height) }
    }

    /// Turns RGB pixels of `width` x `height` upright.
    pub(crate) fn turn(self, width: u32, height: u32, rgb: Vec<u8>) -> Vec<u8> {
        if self == Self::default() {
            return rgb;
        }
        let (width, height) = (width as isize, height as isize);
        // Where the upright picture's first pixel lies in the stored one, and how far apart its
        // neighbours along x and y lie there.
        let first_x = if self.mirror_x { width - 1 } else { 0 };
        let first_y = if self.mirror_y { height - 1 } else { 0 };
        let along_x = if self.mirror_x { -1 } else { 1 };
        let along_y = if self.mirror_y { -width } else { width };
        let (step_x, step_y) = if self.swap { (along_y, along_x) } else { (along_x, along_y) };
        let (out_width, out_height) = if self.swap { (height, width) } else { (width, height) };

        let mut out = vec![0; rgb.len()];
        // In tiles, because with swapped axes a whole row of the result would touch every cache
        // line of the source, and find none of them again for the next row.
        const TILE: usize = 32;
        let (out_width, out_height) = (out_width as usize, out_height as usize);
        for tile_y in (0..out_height).step_by(TILE) {
            for tile_x in (0..out_width).step_by(TILE) {
                for y in tile_y..(tile_y + TILE).min(out_height) {
                    for x in tile_x..(tile_x + TILE).min(out_width) {
                        let from = first_y * width + first_x + step_x * x as isize + step_y * y as isize;
                        let (from, to) = (from as usize * 3, (y * out_width + x) * 3);
                        out[to..to + 3].copy_from_slice(&rgb[from..from + 3]);
                    }
                }
            }
        }
        out
    }
}

/// Finds the orientation in an EXIF block: a TIFF header and its first directory.
///
/// Only that one tag is looked at, so nothing else in the block can do harm. A block that cannot
/// be read means upright: the picture itself may still be fine.
pub(crate) fn from_exif_block(exif: &[u8]) -> Orientation {
    exif_orientation(exif).map(Orientation::from_exif).unwrap_or_default()
}

/// The tag's value as it stands in the block.
pub(crate) fn exif_orientation(exif: &[u8]) -> Option<u16> {
    // Some writers keep JPEG's prefix in PNG and WebP.
    let exif = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif);
    let little = match exif.get(..4)? {
        b"II*\0" => true,
        b"MM\0*" => false,
        _ => return None,
    };
    let u16_at = |at: usize| {
        let bytes = exif.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    };
    let u32_at = |at: usize| {
        let bytes = exif.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    };
    const ORIENTATION: u16 = 0x0112;
    const SHORT: u16 = 3;
    let directory = u32_at(4)? as usize;
    let entries = usize::from(u16_at(directory)?);
    (0..entries)
        .map_while(|i| directory.checked_add(2 + i * 12))
        .find(|entry| u16_at(*entry) == Some(ORIENTATION))
        .filter(|entry| u16_at(entry + 2) == Some(SHORT))
        .and_then(|entry| u16_at(entry + 8))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Six pixels, two rows of three, and what each of the eight values makes of them, drawn by
    /// hand from the standard's figure.
    #[test]
    fn all_eight_by_hand() {
        let stored = *b"abcdef";
        let drawn: [(u16, &[u8], u32); 9] = [
            (1, b"abcdef", 3),
            (2, b"cbafed", 3),
            (3, b"fedcba", 3),
            (4, b"defabc", 3),
            (5, b"adbecf", 2),
            (6, b"daebfc", 2),
            (7, b"fcebda", 2),
            (8, b"cfbead", 2),
            (0, b"abcdef", 3),
        ];
        let rgb: Vec<u8> = stored.iter().flat_map(|c| [*c; 3]).collect();
        for (value, upright, width) in drawn {
            let orientation = Orientation::from_exif(value);
            let turned = orientation.turn(3, 2, rgb.clone());
            assert_eq!(turned.iter().step_by(3).copied().collect::<Vec<_>>(), upright, "orientation {value}");
            assert_eq!(orientation.sides(3, 2).0, width, "orientation {value}");
        }
    }

    #[test]
    fn a_broken_block_is_upright() {
        let block = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
        assert_eq!(from_exif_block(block), Orientation::from_exif(6));
        for cut in 0..20 {
            assert_eq!(from_exif_block(&block[..cut]), Orientation::default(), "{cut}");
        }
        let mut astray = *block;
        astray[4..8].fill(0xff);
        assert_eq!(from_exif_block(&astray), Orientation::default());
    }
}
