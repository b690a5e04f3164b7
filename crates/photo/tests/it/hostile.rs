//! Files made to be too much, files that lie, and files that are something else.

use crate::samples::{
    self, JPEG_444, JpegKind, LOSSY, PngKind, animation, exif_segment, jpeg, lossless, photo, png, png_chunk,
    riff, riff_chunk, vp8x, webp_pixels,
};
use crate::{check_photo, colours};
use twinset_photo::{Fault, Format, Limits, PhotoError, decode, decode_reduced, probe};

/// A valid little picture of each format.
pub(crate) fn small() -> Vec<(Format, Vec<u8>)> {
    let picture = photo(24, 18, |x, y| samples::colour(x, y, 24, 18));
    let progressive = JpegKind { progressive: true, ..JPEG_444 };
    let rgb = |x: u32, y: u32, c: usize| u16::from(samples::colour(x, y, 24, 18)[c]);
    let gif = samples::without_webp(24, 18).pop().unwrap();
    vec![
        (Format::Jpeg, jpeg(JPEG_444, 24, 18, picture.rgb(), &[])),
        (Format::Jpeg, jpeg(progressive, 24, 18, picture.rgb(), &[exif_segment(6)])),
        (Format::Png, png(&PngKind { depth: 8, colour: 2, ..PngKind::default() }, 24, 18, rgb)),
        (Format::Webp, lossless(24, 18, image_webp::ColorType::Rgb8, picture.rgb())),
        (Format::Webp, LOSSY.to_vec()),
        (Format::Gif, (gif.file)(None)),
    ]
}

#[track_caller]
fn refusal(bytes: &[u8]) -> PhotoError {
    let limits = Limits::default();
    let error = probe(bytes, &limits).expect_err("the header shows it");
    assert_eq!(decode(bytes, &limits), Err(error.clone()));
    error
}

fn png_header(width: u32, height: u32, depth: u8, colour: u8) -> Vec<u8> {
    let mut header = [width.to_be_bytes(), height.to_be_bytes()].concat();
    header.extend([depth, colour, 0, 0, 0]);
    [b"\x89PNG\r\n\x1a\n".as_slice(), &png_chunk(*b"IHDR", &header)].concat()
}

fn put(bytes: &mut [u8], at: usize, part: &[u8]) {
    bytes[at..at + part.len()].copy_from_slice(part);
}

/// Where the frame header's body begins, after marker and length.
fn jpeg_frame(file: &[u8]) -> usize {
    file.windows(2).position(|pair| matches!(pair, [0xff, 0xc0 | 0xc2])).unwrap() + 4
}

#[test]
fn too_many_pixels_are_refused_by_the_header() {
    let all_small = small();
    let mut jpeg = all_small[0].1.clone();
    let frame = jpeg_frame(&jpeg);
    put(&mut jpeg, frame + 1, &[0xff; 4]);
    let mut gif = all_small[5].1.clone();
    put(&mut gif, 6, &[0xff; 4]);
    let mut gif_frame = all_small[5].1.clone();
    let place = gif_frame.iter().position(|byte| *byte == 0x2c).unwrap();
    put(&mut gif_frame, place + 5, &[0xff; 4]);
    let mut vp8l = all_small[3].1.clone();
    put(&mut vp8l, 21, &[0xff, 0xff, 0xff, 0x0f]);
    let mut vp8 = LOSSY.to_vec();
    put(&mut vp8, 26, &[0xff, 0x3f, 0xff, 0x3f]);
    let bombs = [
        ("PNG of one bit", png_header(30_000, 30_000, 1, 0)),
        ("PNG of all bits", png_header(u32::MAX, u32::MAX, 16, 6)),
        ("JPEG", jpeg),
        ("GIF screen", gif),
        ("GIF frame", gif_frame),
        ("WebP lossless", vp8l),
        ("WebP lossy", vp8),
        ("WebP canvas", riff(&[vp8x(0, 1 << 24, 1 << 24), webp_pixels(LOSSY).concat()])),
    ];
    for (what, bomb) in bombs {
        assert!(matches!(refusal(&bomb), PhotoError::TooManyPixels { .. }), "{what}");
    }
}

#[test]
fn every_limit_is_kept() {
    for (format, file) in small() {
        let limits = Limits::default();
        let bytes = file.len() as u64;
        let tight = Limits { max_bytes: bytes - 1, ..limits };
        assert_eq!(
            probe(&file, &tight),
            Err(PhotoError::TooManyBytes { bytes, max_bytes: bytes - 1 }),
            "{format}"
        );
        let header = probe(&file, &limits).unwrap();
        assert_eq!(header.format, format);
        let pixels = u64::from(header.width) * u64::from(header.height);
        assert!(decode(&file, &Limits { max_pixels: pixels, ..limits }).is_ok(), "{format}");
        let tight = Limits { max_pixels: pixels - 1, ..limits };
        assert!(matches!(decode(&file, &tight), Err(PhotoError::TooManyPixels { .. })), "{format}");
        let tight = Limits { max_memory_bytes: pixels * 2, ..limits };
        assert!(matches!(decode(&file, &tight), Err(PhotoError::TooMuchMemory { .. })), "{format}");
        // Reduced or not, the limits hold.
        assert!(
            matches!(decode_reduced(&file, &tight, 1), Err(PhotoError::TooMuchMemory { .. })),
            "{format}"
        );
    }
}

/// A zlib stream of `mib` MiB of zeros, of about a kilobyte each: one block, repeated. Its checksum
/// is wrong, but to learn that one must unpack all of it.
fn zlib_bomb(mib: usize) -> Vec<u8> {
    let mut block = flate2::Compress::new(flate2::Compression::best(), false);
    let mut packed = Vec::with_capacity(1 << 16);
    block.compress_vec(&vec![0; 1 << 20], &mut packed, flate2::FlushCompress::Full).unwrap();
    let mut stream = vec![0x78, 0xda];
    (0..mib).for_each(|_| stream.extend(&packed));
    stream
}

/// The story: 4.7 MB of compressed PNG text were unpacked to 1 GiB whatever limits were set
/// (image-png issue 696).
#[test]
fn compressed_text_and_profiles_are_not_unpacked() {
    let bomb = zlib_bomb(1024);
    let sample = |x: u32, y: u32, c: usize| u16::from(samples::colour(x, y, 8, 8)[c]);
    let wanted = photo(8, 8, |x, y| samples::colour(x, y, 8, 8));
    for (name, head) in [(*b"zTXt", b"k\0\0".as_slice()), (*b"iTXt", b"k\0\x01\0\0\0"), (*b"iCCP", b"k\0\0")]
    {
        let chunk = (name, [head, &bomb].concat());
        let before = PngKind { depth: 8, colour: 2, before: vec![chunk.clone()], ..PngKind::default() };
        let after = PngKind { depth: 8, colour: 2, after: vec![chunk], ..PngKind::default() };
        for kind in [before, after] {
            // The picture is fine, and nothing else of the file matters.
            let got =
                decode(&png(&kind, 8, 8, sample), &Limits { max_memory_bytes: 2 << 20, ..Limits::default() });
            check_photo(&got.unwrap(), &wanted, 0, "bomb beside a picture");
        }
    }
}

#[test]
fn many_frames_cost_no_more_than_one() {
    let gif = samples::without_webp(24, 18).pop().unwrap();
    let file = (gif.file)(None);
    let frame_at = file.iter().position(|byte| *byte == 0x21).unwrap();
    let frames = &file[frame_at..file.len() - 1];
    let many = [&file[..frame_at], &frames.repeat(10_000), b";"].concat();
    let limits = Limits { max_memory_bytes: 64 << 10, ..Limits::default() };
    check_photo(&decode(&many, &limits).unwrap(), &gif.stored, 0, "GIF");
    // Even when what follows the first frame is cut or rubbish.
    let cut = &many[..many.len() / 2 + 7];
    check_photo(&decode(cut, &limits).unwrap(), &gif.stored, 0, "cut GIF");
}

#[test]
fn a_thousand_scans_are_refused() {
    let picture = photo(64, 64, |x, y| samples::colour(x, y, 64, 64));
    let file = jpeg(JpegKind { progressive: true, ..JPEG_444 }, 64, 64, picture.rgb(), &[]);
    let scan = file.windows(2).rposition(|pair| pair == [0xff, 0xda]).unwrap();
    let end = file.len() - 2;
    let many = [&file[..end], &file[scan..end].repeat(1000), &file[end..]].concat();
    assert!(matches!(refusal(&many), PhotoError::TooMuchWork { scans: 101, .. }));
}

#[test]
fn lies_about_sizes_are_damage() {
    // More rows than pixel data.
    let huge_png = [
        png_header(5000, 5000, 8, 6),
        png_chunk(*b"IDAT", &samples::deflate(&[0; 100])),
        png_chunk(*b"IEND", &[]),
    ]
    .concat();
    let (_, mut gif) = small().pop().unwrap();
    let place = gif.iter().position(|byte| *byte == 0x2c).unwrap();
    put(&mut gif, place + 5, &[200, 0, 200, 0]);
    let lossy = webp_pixels(LOSSY);
    let shrunk_canvas = riff(&[vp8x(0, 10, 10), lossy.concat()]);
    let frame_beyond = animation(&lossy, samples::LOSSY_SIDES, (4, 4), (30, 23), None);
    let frame_of_other_size = animation(&lossy, (10, 10), (0, 0), (40, 40), None);
    let no_pixels = [
        [png_header(5, 5, 8, 2), png_chunk(*b"IEND", &[])].concat(),
        riff(&[vp8x(0, 10, 10)]),
        b"\xff\xd8\xff\xd9".to_vec(),
        b"GIF89a\x01\0\x01\0\0\0\0;".to_vec(),
    ];
    let no_area = [png_header(0, 5, 8, 2), png_header(5, 0, 8, 2)];
    let split = [
        png_header(1, 1, 8, 0),
        png_chunk(*b"IDAT", &samples::deflate(&[0, 7])),
        png_chunk(*b"tEXt", b"k\0v"),
        png_chunk(*b"IDAT", b"more"),
        png_chunk(*b"IEND", &[]),
    ]
    .concat();
    let bad = [huge_png, gif, shrunk_canvas, frame_beyond, frame_of_other_size, split];
    for (i, file) in bad.into_iter().chain(no_pixels).chain(no_area).enumerate() {
        let error = decode(&file, &Limits::default()).unwrap_err();
        assert!(matches!(error, PhotoError::Damaged { .. }), "{i}: {error}");
        assert_eq!(error.fault(), Fault::Picture);
    }
}

#[test]
fn a_cut_file_is_told_so() {
    let limits = Limits::default();
    for (format, file) in small() {
        let mut end = file.len();
        if format == Format::Gif {
            // Enough for the first frame is enough.
            while decode(&file[..end - 1], &limits).is_ok() {
                end -= 1;
            }
        }
        for cut in 12..end {
            let error = decode(&file[..cut], &limits).unwrap_err();
            assert_eq!(error, PhotoError::Truncated { format, bytes: cut as u64 }, "{format} cut at {cut}");
        }
        for cut in 0..12 {
            let error = decode(&file[..cut], &limits).unwrap_err();
            assert!(matches!(error, PhotoError::NotAPicture | PhotoError::Truncated { .. }), "{error}");
        }
    }
}

#[test]
fn what_follows_a_picture_does_not_matter() {
    for (format, file) in small() {
        let whole = decode(&file, &Limits::default()).unwrap();
        let trailing = [file.as_slice(), b"PK\x03\x04 an archive, a video, another picture"].concat();
        check_photo(&decode(&trailing, &Limits::default()).unwrap(), &whole, 0, &format.to_string());
    }
}

#[test]
fn variants_that_are_not_read_are_named() {
    let jpeg = &small()[0].1;
    let frame = jpeg_frame(jpeg);
    let changed = |at: usize, value: u8| {
        let mut file = jpeg.clone();
        file[at] = value;
        file
    };
    for (file, feature) in [
        (changed(frame - 3, 0xc9), "arithmetic coding"),
        (changed(frame - 3, 0xc3), "lossless coding"),
        (changed(frame - 3, 0xc5), "hierarchical coding"),
        (changed(frame, 12), "12 bits per channel"),
        (changed(frame + 5, 2), "2 channels"),
        (changed(frame + 7, 0x51), "fractional colour sampling"),
        (changed(frame + 2, 0), "a height given after the pixels"),
    ] {
        let wanted = PhotoError::Unsupported { format: Format::Jpeg, feature: feature.into() };
        assert_eq!(refusal(&file), wanted);
    }
}

#[test]
fn other_files_are_named() {
    for (start, name) in [
        (b"\0\0\0\x18ftypheic\0\0\0\0".as_slice(), "a HEIC picture"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0", "a HEIC picture"),
        (b"\0\0\0\x18ftypavif\0\0\0\0", "an AVIF picture"),
        (b"\0\0\0\x18ftypisom\0\0\0\0", "a video"),
        (b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x01\0\0\0\x01\0\0\0\x01\0", "a BMP picture"),
        (b"II*\0\x08\0\0\0", "a TIFF or camera raw picture"),
        (b"\xff\x0a\0\0", "a JPEG XL picture"),
        (b"%PDF-1.7", "a PDF document"),
        (b"PK\x03\x04", "a ZIP archive"),
        (b"8BPS\0\x01", "a Photoshop document"),
        (b"  <!DOCTYPE html><p>not found", "a web page or SVG drawing"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "a web page or SVG drawing"),
    ] {
        let error = refusal(start);
        assert!(matches!(&error, PhotoError::OtherFormat { name: found, .. } if found == name), "{error}");
        assert!(
            error.to_string().contains(name)
                && error.to_string().contains("send") | error.to_string().contains("save")
        );
    }
    for nothing in [b"".as_slice(), b"\0", b"hello, this is a text", b"RIFF\x04\0\0\0WAVE", b"\xff\xd8"] {
        assert_eq!(refusal(nothing), PhotoError::NotAPicture);
    }
}

/// EXIF blocks that point in circles, beyond their end, or hold a whole other picture.
#[test]
fn exif_cannot_harm() {
    let picture = photo(24, 18, |x, y| samples::colour(x, y, 24, 18));
    let plain = decode(&jpeg(JPEG_444, 24, 18, picture.rgb(), &[]), &Limits::default()).unwrap();
    let own_entry = b"MM\0*\0\0\0\x08\0\x01\x87\x69\0\x04\0\0\0\x01\0\0\0\x08\0\0\0\x08".to_vec();
    let thumbnail = [samples::exif(1), jpeg(JPEG_444, 24, 18, picture.rgb(), &[exif_segment(3)])].concat();
    let many_entries = [b"MM\0*\0\0\0\x08\xff\xff".to_vec(), [0x01; 60_000].to_vec()].concat();
    let beyond = b"II*\0\xff\xff\xff\xff".to_vec();
    for block in [own_entry, thumbnail, many_entries, beyond, vec![], samples::exif(0), samples::exif(9)] {
        let segment = (1, [b"Exif\0\0".as_slice(), &block].concat());
        let got = decode(&jpeg(JPEG_444, 24, 18, picture.rgb(), &[segment]), &Limits::default());
        check_photo(&got.unwrap(), &plain, 0, "strange EXIF");
    }
}

#[test]
fn chunks_may_not_be_longer_than_the_file() {
    let bomb = [png_header(5, 5, 8, 2), u32::MAX.to_be_bytes().to_vec(), b"tEXt".to_vec()].concat();
    assert!(matches!(refusal(&bomb), PhotoError::Truncated { .. }));
    let mut chunk = riff_chunk(*b"ICCP", &[0; 10]);
    put(&mut chunk, 4, &[0xff; 4]);
    let bomb = riff(&[vp8x(0, 5, 5), chunk]);
    assert!(matches!(refusal(&bomb), PhotoError::Damaged { .. }));
    let profile = colours::press_profile();
    assert!(decode(&profile, &Limits::default()).is_err());
}
