//! Pictures of every kind, made by code from one formula, each with the pixels it must become.
//!
//! PNG and the containers of JPEG, WebP and GIF are written here, plainly, so that a fault shared by
//! a library's encoder and decoder would show. Lossy WebP has no encoder in Rust: the two files in
//! `data/` are the same formula at 29 x 22, saved by Pillow 12 with `quality=90, method=6`; in
//! `lossy-alpha.webp` alpha is 255 where x < 14 and 255 * y / 21 elsewhere.

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use twinset_photo::Photo;

/// The picture all samples show: red grows to the right, green to the top, blue along the diagonal,
/// so that no two of its eight orientations look alike.
pub(crate) fn colour(x: u32, y: u32, width: u32, height: u32) -> [u8; 3] {
    let part = |range: u32, at: u32, of: u32| range * at / of.max(1);
    [
        (40 + part(180, x, width - 1)) as u8,
        (220 - part(170, y, height - 1)) as u8,
        (60 + part(120, x + y, width + height - 2)) as u8,
    ]
}

/// A photo by formula.
pub(crate) fn photo(width: u32, height: u32, pixel: impl Fn(u32, u32) -> [u8; 3]) -> Photo {
    let rgb = (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).flat_map(|(x, y)| pixel(x, y));
    Photo::new(width, height, rgb.collect())
}

/// What is laid over white.
pub(crate) fn over_white(colour: [u8; 3], alpha: u8) -> [u8; 3] {
    colour.map(|c| (f64::from(c) * f64::from(alpha) / 255.0 + 255.0 - f64::from(alpha)).round() as u8)
}

/// One file and what it must become when it is upright.
pub(crate) struct Sample {
    pub(crate) name: String,
    /// Makes the file with an EXIF orientation; `None` leaves EXIF out.
    pub(crate) file: Box<dyn Fn(Option<u16>) -> Vec<u8>>,
    /// The stored pixels as a photo.
    pub(crate) stored: Photo,
    /// Largest difference in one channel that the coding may make.
    pub(crate) tolerance: u8,
    pub(crate) has_exif: bool,
}

/// An EXIF block of one tag, in either byte order.
pub(crate) fn exif(orientation: u16) -> Vec<u8> {
    // Alternating the byte order tests both.
    if orientation.is_multiple_of(2) {
        let mut block = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
        block.extend(orientation.to_le_bytes());
        block.extend([0; 6]);
        block
    } else {
        let mut block = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01".to_vec();
        block.extend(orientation.to_be_bytes());
        block.extend([0; 6]);
        block
    }
}

/// All of them at `width` x `height` where the format leaves the choice.
pub(crate) fn all(width: u32, height: u32) -> Vec<Sample> {
    let mut samples = without_webp(width, height);
    samples.extend(webps(width, height));
    samples
}

/// All but WebP, whose sides end at 16,383.
pub(crate) fn without_webp(width: u32, height: u32) -> Vec<Sample> {
    let mut samples = jpegs(width, height);
    samples.extend(pngs(width, height));
    samples.extend(gifs(width, height));
    samples
}

fn plain(width: u32, height: u32) -> Photo {
    photo(width, height, |x, y| colour(x, y, width, height))
}

fn grey(width: u32, height: u32) -> Photo {
    photo(width, height, |x, y| [colour(x, y, width, height)[0].wrapping_add(y as u8); 3])
}

// ---------------------------------------------------------------- JPEG

/// How a JPEG is to be coded.
#[derive(Clone, Copy)]
pub(crate) struct JpegKind {
    pub(crate) name: &'static str,
    pub(crate) colours: ColorType,
    pub(crate) sampling: SamplingFactor,
    pub(crate) progressive: bool,
    pub(crate) restarts: bool,
}

/// Codes `samples` (channels as `kind.colours` says) at quality 100.
pub(crate) fn jpeg(
    kind: JpegKind,
    width: u32,
    height: u32,
    samples: &[u8],
    segments: &[(u8, Vec<u8>)],
) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, 100);
    encoder.set_sampling_factor(kind.sampling);
    encoder.set_progressive(kind.progressive);
    if kind.restarts {
        encoder.set_restart_interval(2);
    }
    for (number, data) in segments {
        encoder.add_app_segment(*number, data.clone()).unwrap();
    }
    encoder.encode(samples, width as u16, height as u16, kind.colours).unwrap();
    bytes
}

pub(crate) fn exif_segment(orientation: u16) -> (u8, Vec<u8>) {
    (1, [b"Exif\0\0".as_slice(), &exif(orientation)].concat())
}

pub(crate) const JPEG_444: JpegKind = JpegKind {
    name: "4:4:4",
    colours: ColorType::Rgb,
    sampling: SamplingFactor::R_4_4_4,
    progressive: false,
    restarts: false,
};

fn jpegs(width: u32, height: u32) -> Vec<Sample> {
    use SamplingFactor as S;
    let base = JPEG_444;
    let rgb = [
        base,
        JpegKind { name: "4:2:2", sampling: S::R_4_2_2, ..base },
        JpegKind { name: "4:2:0", sampling: S::R_4_2_0, ..base },
        JpegKind { name: "4:4:0", sampling: S::R_4_4_0, ..base },
        JpegKind { name: "4:1:1", sampling: S::R_4_1_1, ..base },
        JpegKind { name: "4:2:0 restarts", sampling: S::R_4_2_0, restarts: true, ..base },
        JpegKind { name: "4:4:4 progressive", progressive: true, ..base },
        JpegKind { name: "4:2:2 progressive", progressive: true, sampling: S::R_4_2_2, ..base },
        JpegKind { name: "4:2:0 progressive", progressive: true, sampling: S::R_4_2_0, ..base },
    ];
    let mut samples = Vec::new();
    let mut push =
        |name: String, kind: JpegKind, stored: Photo, channels: Vec<u8>, extra: Vec<(u8, Vec<u8>)>| {
            let file = move |orientation: Option<u16>| {
                let mut segments = extra.clone();
                segments.extend(orientation.map(exif_segment));
                jpeg(kind, width, height, &channels, &segments)
            };
            // Halved colour is off by half a step of the gradient, a whole one at the edges.
            let step = (180 / width.max(2)).max(170 / height.max(2)) as u8;
            let tolerance = if kind.sampling as u8 == S::R_4_4_4 as u8 { 4 } else { 6 + 2 * step };
            samples.push(Sample { name, file: Box::new(file), stored, tolerance, has_exif: true });
        };
    for kind in rgb {
        let stored = plain(width, height);
        push(format!("JPEG {}", kind.name), kind, stored.clone(), stored.into_rgb(), vec![]);
    }
    for progressive in [false, true] {
        let kind = JpegKind { colours: ColorType::Luma, progressive, ..base };
        let stored = grey(width, height);
        let channels = stored.rgb().iter().step_by(3).copied().collect();
        push(format!("JPEG grey progressive={progressive}"), kind, stored, channels, vec![]);
    }
    // Channels stored as they are, and Adobe's marker saying so.
    let adobe_rgb = vec![(14, b"Adobe\0\x64\0\0\0\0\0".to_vec())];
    let stored = plain(width, height);
    let kind = JpegKind { colours: ColorType::Ycbcr, ..base };
    push("JPEG RGB by Adobe's marker".into(), kind, stored.clone(), stored.into_rgb(), adobe_rgb);
    // Inks without a profile: what is not covered by colour or black lets the paper through.
    for (name, colours, progressive) in [
        ("CMYK", ColorType::Cmyk, false),
        ("YCCK", ColorType::CmykAsYcck, false),
        ("CMYK progressive", ColorType::Cmyk, true),
        ("YCCK progressive", ColorType::CmykAsYcck, true),
    ] {
        let kind = JpegKind { colours, progressive, ..base };
        let black = |x: u32| (x * 100 / width) as u8;
        let inks: Vec<u8> = (0..height)
            .flat_map(|y| (0..width).map(move |x| (x, y)))
            .flat_map(|(x, y)| {
                let [r, g, b] = colour(x, y, width, height);
                [255 - r, 255 - g, 255 - b, black(x)]
            })
            .collect();
        let stored = photo(width, height, |x, y| {
            let light = f64::from(255 - black(x)) / 255.0;
            colour(x, y, width, height).map(|c| (f64::from(c) * light).round() as u8)
        });
        push(format!("JPEG {name}"), kind, stored, inks, vec![]);
    }
    samples
}

// ---------------------------------------------------------------- PNG

/// What a PNG says about itself.
#[derive(Clone, Default)]
pub(crate) struct PngKind {
    pub(crate) depth: u8,
    /// 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGBA.
    pub(crate) colour: u8,
    pub(crate) interlaced: bool,
    /// Chunks between header and pixels.
    pub(crate) before: Vec<([u8; 4], Vec<u8>)>,
    /// Chunks after the pixels.
    pub(crate) after: Vec<([u8; 4], Vec<u8>)>,
}

impl PngKind {
    fn channels(&self) -> usize {
        [1, 0, 3, 1, 2, 0, 4][usize::from(self.colour)]
    }
}

pub(crate) fn png_chunk(kind: [u8; 4], data: &[u8]) -> Vec<u8> {
    let checked = [kind.as_slice(), data].concat();
    let mut chunk = (data.len() as u32).to_be_bytes().to_vec();
    chunk.extend(&checked);
    chunk.extend(crc32(&checked).to_be_bytes());
    chunk
}

pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    })
}

/// `samples`: one number a channel, as large as `depth` allows.
pub(crate) fn png(
    kind: &PngKind,
    width: u32,
    height: u32,
    sample: impl Fn(u32, u32, usize) -> u16,
) -> Vec<u8> {
    let mut raw = Vec::new();
    let mut pass = |left: u32, top: u32, step_x: u32, step_y: u32| {
        if left >= width {
            return;
        }
        for y in (top..height).step_by(step_y as usize) {
            raw.push(0);
            let (mut bits, mut filled) = (0_u32, 0);
            for x in (left..width).step_by(step_x as usize) {
                for channel in 0..kind.channels() {
                    bits = bits << kind.depth | u32::from(sample(x, y, channel));
                    filled += kind.depth;
                    while filled >= 8 {
                        filled -= 8;
                        raw.push((bits >> filled) as u8);
                        bits &= (1 << filled) - 1;
                    }
                }
            }
            if filled > 0 {
                raw.push((bits << (8 - filled)) as u8);
            }
        }
    };
    if kind.interlaced {
        let passes = [
            (0, 0, 8, 8),
            (4, 0, 8, 8),
            (0, 4, 4, 8),
            (2, 0, 4, 4),
            (0, 2, 2, 4),
            (1, 0, 2, 2),
            (0, 1, 1, 2),
        ];
        for (left, top, step_x, step_y) in passes {
            pass(left, top, step_x, step_y);
        }
    } else {
        pass(0, 0, 1, 1);
    }
    let mut header = [width.to_be_bytes(), height.to_be_bytes()].concat();
    header.extend([kind.depth, kind.colour, 0, 0, u8::from(kind.interlaced)]);
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    file.extend(png_chunk(*b"IHDR", &header));
    for (name, data) in &kind.before {
        file.extend(png_chunk(*name, data));
    }
    // Two chunks, as large files have.
    let packed = deflate(&raw);
    let (first, second) = packed.split_at(packed.len() / 2);
    file.extend(png_chunk(*b"IDAT", first));
    file.extend(png_chunk(*b"IDAT", second));
    for (name, data) in &kind.after {
        file.extend(png_chunk(*name, data));
    }
    file.extend(png_chunk(*b"IEND", &[]));
    file
}

pub(crate) fn deflate(raw: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(raw).unwrap();
    encoder.finish().unwrap()
}

fn pngs(width: u32, height: u32) -> Vec<Sample> {
    let mut samples = Vec::new();
    for interlaced in [false, true] {
        for (depth, colour_type) in [
            (1, 0),
            (2, 0),
            (4, 0),
            (8, 0),
            (16, 0),
            (8, 2),
            (16, 2),
            (1, 3),
            (2, 3),
            (4, 3),
            (8, 3),
            (8, 4),
            (16, 4),
            (8, 6),
            (16, 6),
        ] {
            for transparent in [false, true] {
                // Alpha channels are their own transparency.
                if transparent && colour_type >= 4 {
                    continue;
                }
                samples.push(png_sample(width, height, depth, colour_type, interlaced, transparent));
            }
        }
    }
    samples
}

fn png_sample(
    width: u32,
    height: u32,
    depth: u8,
    colour_type: u8,
    interlaced: bool,
    transparent: bool,
) -> Sample {
    let most = (1_u32 << depth) - 1;
    let scaled = move |value: u8| (u32::from(value) * most / 255) as u16;
    let alpha = move |x: u32, y: u32| ((x * 9 + y * 31) % 256) as u8;
    let sample = move |x: u32, y: u32, channel: usize| -> u16 {
        match (colour_type, channel) {
            (3, _) => ((x + y * 3) % (most + 1)) as u16,
            (4, 1) | (6, 3) => scaled(alpha(x, y)),
            _ => scaled(colour(x, y, width, height)[channel]),
        }
    };
    let palette: Vec<[u8; 3]> =
        (0..=most.min(255)).map(|i| [i as u8, (255 - i) as u8, (i * 7) as u8]).collect();
    let to_8 = move |value: u16| (f64::from(value) * 255.0 / f64::from(most)).round() as u8;
    let mut before = Vec::new();
    if colour_type == 3 {
        before.push((*b"PLTE", palette.concat()));
    }
    // One grey or colour that is seen through; for a palette an alpha for each of the first entries.
    let key = [
        sample(0, 0, 0),
        if colour_type == 2 { sample(0, 0, 1) } else { 0 },
        if colour_type == 2 { sample(0, 0, 2) } else { 0 },
    ];
    let palette_alpha: Vec<u8> = if transparent { vec![0, 128] } else { vec![] };
    if transparent {
        let data = match colour_type {
            0 => key[0].to_be_bytes().to_vec(),
            2 => key.iter().flat_map(|v| v.to_be_bytes()).collect(),
            _ => palette_alpha.clone(),
        };
        before.push((*b"tRNS", data));
    }
    let stored = photo(width, height, |x, y| {
        let at = |channel| sample(x, y, channel);
        match colour_type {
            0 if transparent && at(0) == key[0] => [255; 3],
            0 => [to_8(at(0)); 3],
            2 if transparent && [at(0), at(1), at(2)] == key => [255; 3],
            2 => [at(0), at(1), at(2)].map(to_8),
            3 => {
                let index = usize::from(at(0));
                over_white(palette[index], palette_alpha.get(index).copied().unwrap_or(255))
            }
            4 => over_white([to_8(at(0)); 3], to_8(at(1))),
            _ => over_white([at(0), at(1), at(2)].map(to_8), to_8(at(3))),
        }
    });
    let file = move |orientation: Option<u16>| {
        let mut kind =
            PngKind { depth, colour: colour_type, interlaced, before: before.clone(), ..PngKind::default() };
        if let Some(orientation) = orientation {
            // Before or after the pixels: both are allowed.
            let chunks = if orientation < 5 { &mut kind.before } else { &mut kind.after };
            chunks.push((*b"eXIf", exif(orientation)));
        }
        png(&kind, width, height, sample)
    };
    let name =
        format!("PNG depth {depth} colour {colour_type} interlaced={interlaced} transparent={transparent}");
    Sample { name, file: Box::new(file), stored, tolerance: 0, has_exif: true }
}

// ---------------------------------------------------------------- WebP

pub(crate) fn riff_chunk(kind: [u8; 4], data: &[u8]) -> Vec<u8> {
    let mut chunk = kind.to_vec();
    chunk.extend((data.len() as u32).to_le_bytes());
    chunk.extend(data);
    chunk.resize(chunk.len().next_multiple_of(2), 0);
    chunk
}

pub(crate) fn riff(chunks: &[Vec<u8>]) -> Vec<u8> {
    let body = chunks.concat();
    [b"RIFF".as_slice(), &(body.len() as u32 + 4).to_le_bytes(), b"WEBP", &body].concat()
}

/// The chunks after the RIFF head that make pixels (`ALPH`, `VP8 `, `VP8L`).
pub(crate) fn webp_pixels(file: &[u8]) -> Vec<Vec<u8>> {
    let mut chunks = Vec::new();
    let mut rest = &file[12..];
    while rest.len() >= 8 {
        let length = u32::from_le_bytes(rest[4..8].try_into().unwrap()) as usize;
        if matches!(&rest[..4], b"ALPH" | b"VP8 " | b"VP8L") {
            chunks.push(riff_chunk(rest[..4].try_into().unwrap(), &rest[8..8 + length]));
        }
        rest = &rest[(8 + length.next_multiple_of(2)).min(rest.len())..];
    }
    chunks
}

pub(crate) fn vp8x(flags: u8, width: u32, height: u32) -> Vec<u8> {
    let (w, h) = ((width - 1).to_le_bytes(), (height - 1).to_le_bytes());
    riff_chunk(*b"VP8X", &[flags, 0, 0, 0, w[0], w[1], w[2], h[0], h[1], h[2]])
}

/// An extended file around pixels, with EXIF and a profile where given.
pub(crate) fn webp(
    pixels: &[Vec<u8>],
    width: u32,
    height: u32,
    orientation: Option<u16>,
    profile: Option<&[u8]>,
) -> Vec<u8> {
    let alpha = pixels.iter().any(|chunk| chunk.starts_with(b"ALPH"));
    let flags =
        u8::from(alpha) << 4 | u8::from(orientation.is_some()) << 3 | u8::from(profile.is_some()) << 5;
    let mut chunks = vec![vp8x(flags, width, height)];
    chunks.extend(profile.map(|bytes| riff_chunk(*b"ICCP", bytes)));
    chunks.extend_from_slice(pixels);
    chunks.extend(orientation.map(|value| riff_chunk(*b"EXIF", &exif(value))));
    riff(&chunks)
}

/// Two frames; the first stands at (`x`, `y`) of a canvas.
pub(crate) fn animation(
    frame: &[Vec<u8>],
    sides: (u32, u32),
    at: (u32, u32),
    canvas: (u32, u32),
    orientation: Option<u16>,
) -> Vec<u8> {
    let head = |x: u32, y: u32| {
        let numbers = [x / 2, y / 2, sides.0 - 1, sides.1 - 1, 100];
        let mut bytes: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()[..3].to_vec()).collect();
        bytes.push(0);
        bytes
    };
    let mut chunks = vec![vp8x(0x12 | u8::from(orientation.is_some()) << 3, canvas.0, canvas.1)];
    chunks.push(riff_chunk(*b"ANIM", &[0; 6]));
    chunks.push(riff_chunk(*b"ANMF", &[head(at.0, at.1), frame.concat()].concat()));
    chunks.push(riff_chunk(*b"ANMF", &[head(0, 0), frame.concat()].concat()));
    chunks.extend(orientation.map(|value| riff_chunk(*b"EXIF", &exif(value))));
    riff(&chunks)
}

pub(crate) fn lossless(width: u32, height: u32, colours: image_webp::ColorType, samples: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    image_webp::WebPEncoder::new(&mut file).encode(samples, width, height, colours).unwrap();
    file
}

pub(crate) const LOSSY: &[u8] = include_bytes!("data/lossy.webp");
pub(crate) const LOSSY_ALPHA: &[u8] = include_bytes!("data/lossy-alpha.webp");
/// Sides of both.
pub(crate) const LOSSY_SIDES: (u32, u32) = (29, 22);

fn webps(width: u32, height: u32) -> Vec<Sample> {
    use image_webp::ColorType as C;
    let mut samples = Vec::new();
    let mut push = |name: &str, pixels: Vec<Vec<u8>>, stored: Photo, tolerance: u8| {
        let (width, height) = (stored.width(), stored.height());
        let file = move |orientation: Option<u16>| webp(&pixels, width, height, orientation, None);
        let name = format!("WebP {name}");
        samples.push(Sample { name, file: Box::new(file), stored, tolerance, has_exif: true });
    };
    let stored = plain(width, height);
    push("lossless", webp_pixels(&lossless(width, height, C::Rgb8, stored.rgb())), stored, 0);
    let alpha = |x: u32, y: u32| (x * 40 + y * 3) as u8;
    let rgba: Vec<u8> = (0..height)
        .flat_map(|y| (0..width).map(move |x| (x, y)))
        .flat_map(|(x, y)| {
            let [r, g, b] = colour(x, y, width, height);
            [r, g, b, alpha(x, y)]
        })
        .collect();
    let stored = photo(width, height, |x, y| over_white(colour(x, y, width, height), alpha(x, y)));
    push("lossless alpha", webp_pixels(&lossless(width, height, C::Rgba8, &rgba)), stored, 0);
    let (w, h) = LOSSY_SIDES;
    push("lossy", webp_pixels(LOSSY), plain(w, h), 12);
    let lossy_alpha = |x: u32, y: u32| if x < w / 2 { 255 } else { (255 * y / (h - 1)) as u8 };
    push(
        "lossy alpha",
        webp_pixels(LOSSY_ALPHA),
        photo(w, h, |x, y| over_white(colour(x, y, w, h), lossy_alpha(x, y))),
        12,
    );

    let mut push_animation =
        |name: &str, pixels: Vec<Vec<u8>>, sides: (u32, u32), inner: Photo, tolerance| {
            let (at, canvas) = ((4, 2), (sides.0 + 9, sides.1 + 5));
            let stored = photo(canvas.0, canvas.1, |x, y| {
                if (at.0..at.0 + sides.0).contains(&x) && (at.1..at.1 + sides.1).contains(&y) {
                    let start = (((y - at.1) * sides.0 + x - at.0) * 3) as usize;
                    inner.rgb()[start..start + 3].try_into().unwrap()
                } else {
                    [255; 3]
                }
            });
            let file = move |orientation: Option<u16>| animation(&pixels, sides, at, canvas, orientation);
            let name = format!("WebP animation {name}");
            samples.push(Sample { name, file: Box::new(file), stored, tolerance, has_exif: true });
        };
    push_animation("lossy", webp_pixels(LOSSY), (w, h), plain(w, h), 12);
    let stored = plain(width, height);
    push_animation(
        "lossless",
        webp_pixels(&lossless(width, height, C::Rgb8, stored.rgb())),
        (width, height),
        stored,
        0,
    );
    samples
}

// ---------------------------------------------------------------- GIF

fn gifs(width: u32, height: u32) -> Vec<Sample> {
    let mut samples = Vec::new();
    for (interlaced, global, transparent, offset) in
        [(false, true, None, 0), (true, false, None, 0), (false, false, Some(3), 0), (true, true, Some(3), 3)]
    {
        let palette: Vec<[u8; 3]> = (0..16_u8).map(|i| [i * 16, 255 - i * 9, i * 5]).collect();
        let index = |x: u32, y: u32| ((x + y * 3) % 16) as u8;
        let canvas = (width + offset, height + offset);
        let stored = photo(canvas.0, canvas.1, |x, y| {
            let inside = x >= offset && y >= offset;
            match inside.then(|| index(x - offset, y - offset)) {
                Some(index) if Some(index) != transparent => palette[usize::from(index)],
                _ => [255; 3],
            }
        });
        let flat = palette.concat();
        let rows: Vec<u32> = if interlaced {
            [(0, 8), (4, 8), (2, 4), (1, 2)]
                .iter()
                .flat_map(|(start, step)| (*start..height).step_by(*step))
                .collect()
        } else {
            (0..height).collect()
        };
        let buffer: Vec<u8> = rows.iter().flat_map(|y| (0..width).map(|x| index(x, *y))).collect();
        let file = move |_| {
            let mut bytes = Vec::new();
            let shared = if global { flat.as_slice() } else { &[] };
            let mut encoder =
                gif::Encoder::new(&mut bytes, canvas.0 as u16, canvas.1 as u16, shared).unwrap();
            for colour_of_second in [None, Some(0)] {
                let frame = gif::Frame {
                    left: offset as u16,
                    top: offset as u16,
                    width: width as u16,
                    height: height as u16,
                    interlaced,
                    transparent,
                    palette: (!global).then(|| flat.clone()),
                    buffer: match colour_of_second {
                        None => buffer.clone().into(),
                        Some(index) => vec![index; buffer.len()].into(),
                    },
                    ..gif::Frame::default()
                };
                encoder.write_frame(&frame).unwrap();
            }
            drop(encoder);
            bytes
        };
        let name = format!(
            "GIF interlaced={interlaced} global={global} transparent={transparent:?} offset={offset}"
        );
        samples.push(Sample { name, file: Box::new(file), stored, tolerance: 0, has_exif: false });
    }
    samples
}
