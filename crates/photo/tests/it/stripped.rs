//! Stored pictures tell nothing beside themselves, and look as before.

use crate::samples::{self, Sample, png_chunk, riff_chunk};
use std::borrow::Cow;
use twinset_photo::{Limits, decode, without_metadata};

const SECRET: &[u8] = b"52.3702N 4.8952E MAKER 0042";

/// An EXIF block with a place: the first directory names a GPS directory, whose one tag is the secret.
fn gps() -> Vec<u8> {
    let mut tiff = b"MM\0*\0\0\0\x08\0\x01\x88\x25\0\x04\0\0\0\x01\0\0\0\x1a\0\0\0\0".to_vec();
    tiff.extend(b"\0\x01\0\x02\0\x02");
    tiff.extend((SECRET.len() as u32).to_be_bytes());
    tiff.extend(b"\0\0\0\x2c\0\0\0\0");
    tiff.extend(SECRET);
    tiff
}

fn jpeg_segment(marker: u8, body: &[u8]) -> Vec<u8> {
    [&[0xff, marker], &(body.len() as u16 + 2).to_be_bytes()[..], body].concat()
}

/// The file with a place, a device and comments wherever its format has room for them. What a sample says of its
/// orientation comes after, and counts.
fn told(file: &[u8]) -> Vec<u8> {
    let insert = |at: usize, what: &[u8]| [&file[..at], what, &file[at..]].concat();
    let with = |head: &[u8]| [head, SECRET].concat();
    match file[0] {
        0xff => {
            let segments = [
                jpeg_segment(0xe1, &[b"Exif\0\0".as_slice(), &gps()].concat()),
                jpeg_segment(0xe1, &with(b"http://ns.adobe.com/xap/1.0/\0")),
                jpeg_segment(0xed, &with(b"Photoshop 3.0\0")),
                jpeg_segment(0xe2, &with(b"MPF\0")),
                jpeg_segment(0xe0, &with(b"JFXX\0\x10")),
                jpeg_segment(0xfe, SECRET),
            ];
            [&insert(2, &segments.concat()), SECRET].concat()
        }
        0x89 => {
            let chunks = [
                png_chunk(*b"eXIf", &gps()),
                png_chunk(*b"tEXt", &with(b"Comment\0")),
                png_chunk(*b"iTXt", &with(b"XML:com.adobe.xmp\0\0\0\0\0")),
                png_chunk(*b"tIME", &SECRET[..7]),
                png_chunk(*b"prVt", SECRET),
            ];
            [&insert(33, &chunks.concat()), SECRET].concat()
        }
        b'R' => {
            // An EXIF chunk needs the extended header; what follows a simple file's only chunk is no part of it.
            let exif = if &file[12..16] == b"VP8X" { riff_chunk(*b"EXIF", &gps()) } else { Vec::new() };
            let mut all = insert(if exif.is_empty() { file.len() } else { 30 }, &exif);
            all.extend([riff_chunk(*b"XMP ", SECRET), riff_chunk(*b"SECR", SECRET)].concat());
            let length = (all.len() - 8) as u32;
            all[4..8].copy_from_slice(&length.to_le_bytes());
            [&all, SECRET].concat()
        }
        _ => {
            let comment = [&[0x21, 0xfe, SECRET.len() as u8], SECRET, &[0]].concat();
            let xmp =
                [&[0x21, 0xff, 11], b"XMP DataXMP".as_slice(), &[SECRET.len() as u8], SECRET, &[0]].concat();
            [&insert(file.len() - 1, &[comment, xmp].concat()), SECRET].concat()
        }
    }
}

fn holds(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|window| window == what)
}

fn check(sample: &Sample, orientation: Option<u16>) {
    let name = format!("{} at {orientation:?}", sample.name);
    let file = (sample.file)(orientation);
    let told = told(&file);
    assert!(holds(&told, SECRET), "{name}: the test must put something there");
    let kept = without_metadata(&told);
    assert!(!holds(&kept, SECRET) && !holds(&kept, &SECRET[..7]), "{name}: the secret is still there");
    let limits = Limits::default();
    let (before, after) = (decode(&told, &limits).expect(&name), decode(&kept, &limits).expect(&name));
    assert!(before == after, "{name}: it looks different");
    assert!(
        matches!(without_metadata(&kept), Cow::Borrowed(_)),
        "{name}: there is nothing left to take away"
    );
    if orientation.is_none_or(|value| value == 1) {
        assert!(
            !holds(&kept, b"MM\0*") && !holds(&kept, b"II*\0"),
            "{name}: an upright picture needs no EXIF"
        );
    }
}

#[test]
fn place_device_and_comments_go_and_the_picture_stays() {
    for sample in samples::all(29, 22) {
        check(&sample, None);
        if sample.has_exif {
            (1..=8).for_each(|orientation| check(&sample, Some(orientation)));
        }
    }
}

#[test]
fn what_is_no_picture_stays_as_it_is() {
    for bytes in
        [b"".as_slice(), b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF\0\0\0\0WEBP", b"a text"]
    {
        assert_eq!(&*without_metadata(bytes), bytes);
    }
    // Cut anywhere, it never panics; and a JPEG that breaks off among its pixels has lost its metadata all the same.
    let file = told(&(samples::all(29, 22)[0].file)(Some(6)));
    for end in 0..file.len() {
        let _ = without_metadata(&file[..end]);
    }
    let cut = &file[..file.len() - SECRET.len() - 40];
    assert!(file[0] == 0xff && holds(cut, SECRET) && !holds(&without_metadata(cut), SECRET));
}
