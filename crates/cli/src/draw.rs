//! Boxes and numbers drawn into photos, for `--draw`.

use crate::failure::WrongUse;
use crate::files::replace;
use std::path::Path;
use twinset_photo::{Photo, Rect, encode_jpeg, encode_png};

/// Told apart by most colour-blind people too (Okabe and Ito 2008), black and yellow left out.
const COLOURS: [[u8; 3]; 6] =
    [[213, 94, 0], [0, 114, 178], [0, 158, 115], [204, 121, 167], [230, 159, 0], [86, 180, 233]];

/// Digits of 3 x 5 dots, a row in three bits, top first.
const DIGITS: [[u8; 5]; 10] = [
    [0b111, 0b101, 0b101, 0b101, 0b111],
    [0b010, 0b110, 0b010, 0b010, 0b111],
    [0b111, 0b001, 0b111, 0b100, 0b111],
    [0b111, 0b001, 0b111, 0b001, 0b111],
    [0b101, 0b101, 0b111, 0b001, 0b001],
    [0b111, 0b100, 0b111, 0b001, 0b111],
    [0b111, 0b100, 0b111, 0b101, 0b111],
    [0b111, 0b001, 0b010, 0b010, 0b010],
    [0b111, 0b101, 0b111, 0b101, 0b111],
    [0b111, 0b101, 0b111, 0b001, 0b111],
];

/// The colour of number `i`.
pub(crate) fn colour(i: usize) -> [u8; 3] {
    COLOURS[i % COLOURS.len()]
}

/// Pixels to draw on.
pub(crate) struct Canvas {
    width: i64,
    height: i64,
    rgb: Vec<u8>,
    /// Line width, and the side of a dot of a digit.
    pen: i64,
}

impl Canvas {
    pub(crate) fn new(photo: &Photo) -> Self {
        let (width, height) = (i64::from(photo.width()), i64::from(photo.height()));
        Self { width, height, rgb: photo.rgb().to_vec(), pen: pen(width.max(height)) }
    }

    /// Two photos of the same height beside each other; returns where the second begins and how much each was
    /// scaled.
    pub(crate) fn beside(first: &Photo, second: &Photo) -> (Self, [(f32, f32); 2]) {
        const HEIGHT_MAX: u32 = 1200;
        let height = first.height().max(second.height()).min(HEIGHT_MAX);
        let fitted = [first, second].map(|photo| {
            let scale = height as f32 / photo.height() as f32;
            let width = ((photo.width() as f32 * scale).round() as u32).clamp(1, 8 * HEIGHT_MAX);
            (photo.resize(width, height), scale)
        });
        let gap = i64::from(height / 60 + 4);
        let widths = fitted.each_ref().map(|(photo, _)| i64::from(photo.width()));
        let (width, height) = (widths[0] + gap + widths[1], i64::from(height));
        let mut rgb = Vec::with_capacity((width * height * 3) as usize);
        for y in 0..height as usize {
            for (i, (photo, _)) in fitted.iter().enumerate() {
                let row = photo.width() as usize * 3;
                rgb.extend_from_slice(&photo.rgb()[y * row..][..row]);
                if i == 0 {
                    rgb.extend(std::iter::repeat_n(255, gap as usize * 3));
                }
            }
        }
        let places = [(0.0, fitted[0].1), ((widths[0] + gap) as f32, fitted[1].1)];
        (Self { width, height, rgb, pen: pen(height) }, places)
    }

    /// An outline with its number in the upper left corner. `bold`: twice as wide.
    pub(crate) fn boxed(&mut self, rect: Rect, number: usize, colour: [u8; 3], bold: bool) {
        let pen = self.pen * if bold { 2 } else { 1 };
        let [x0, y0, x1, y1] = [rect.x, rect.y, rect.x1(), rect.y1()].map(|v| v.round() as i64);
        self.fill(x0, y0, x1, y0 + pen, colour);
        self.fill(x0, y1 - pen, x1, y1, colour);
        self.fill(x0, y0, x0 + pen, y1, colour);
        self.fill(x1 - pen, y0, x1, y1, colour);
        self.number(x0 + pen, y0 + pen, number, colour);
    }

    /// White digits on a ground of `colour`.
    fn number(&mut self, x: i64, y: i64, number: usize, colour: [u8; 3]) {
        let dot = self.pen;
        let digits: Vec<usize> =
            number.to_string().bytes().map(|b| usize::from(b.saturating_sub(b'0'))).collect();
        // Inside the picture, wherever the box begins.
        let (wide, tall) = (digits.len() as i64 * 4 * dot + dot, 7 * dot);
        let (x, y) = (x.min(self.width - wide).max(0), y.min(self.height - tall).max(0));
        self.fill(x, y, x + wide, y + tall, colour);
        for (i, &digit) in digits.iter().enumerate() {
            for (row, bits) in DIGITS[digit].iter().enumerate() {
                for column in (0..3).filter(|c| bits >> (2 - c) & 1 == 1) {
                    let left = x + dot + (i as i64 * 4 + column) * dot;
                    let top = y + dot + row as i64 * dot;
                    self.fill(left, top, left + dot, top + dot, [255; 3]);
                }
            }
        }
    }

    /// Fills what lies inside the picture.
    fn fill(&mut self, x0: i64, y0: i64, x1: i64, y1: i64, colour: [u8; 3]) {
        let (x0, x1) = (x0.clamp(0, self.width), x1.clamp(0, self.width));
        for y in y0.clamp(0, self.height)..y1.clamp(0, self.height) {
            let row = (y * self.width) as usize;
            if x0 < x1 {
                for pixel in self.rgb[(row + x0 as usize) * 3..(row + x1 as usize) * 3].chunks_exact_mut(3) {
                    pixel.copy_from_slice(&colour);
                }
            }
        }
    }

    /// Written beside the target and renamed, as PNG or JPEG by the ending.
    pub(crate) fn save(self, path: &Path) -> anyhow::Result<()> {
        let ending = ending(path)?;
        let photo = Photo::new(self.width as u32, self.height as u32, self.rgb);
        let bytes = if ending == Ending::Png { encode_png(&photo) } else { encode_jpeg(&photo, 92) };
        replace(path, |out| std::io::Write::write_all(out, &bytes))
    }
}

/// About a four-hundredth of the longer side.
fn pen(longer: i64) -> i64 {
    (longer / 400).max(2)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Png,
    Jpeg,
}

fn ending(path: &Path) -> anyhow::Result<Ending> {
    let ending = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    match ending.as_str() {
        "png" => Ok(Ending::Png),
        "jpg" | "jpeg" => Ok(Ending::Jpeg),
        _ => Err(WrongUse(format!("{} must end in .png or .jpg", path.display())).into()),
    }
}

/// Refuses an ending before any work is done.
pub(crate) fn check_ending(path: Option<&Path>) -> anyhow::Result<()> {
    path.map_or(Ok(()), |path| ending(path).map(|_| ()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_outside_the_photo_do_no_harm() {
        let photo = Photo::new(20, 10, vec![7; 600]);
        let mut canvas = Canvas::new(&photo);
        for rect in [
            Rect { x: -50.0, y: -3.0, w: 500.0, h: 5.0 },
            Rect { x: 30.0, y: 30.0, w: 5.0, h: 5.0 },
            Rect { x: f32::NAN, y: 1e30, w: -4.0, h: f32::INFINITY },
        ] {
            canvas.boxed(rect, 120, colour(9), true);
        }
        assert_eq!(canvas.rgb.len(), 600);
        assert!(canvas.rgb.contains(&255), "the number stands inside");
    }

    #[test]
    fn photos_stand_beside_each_other_at_one_height() {
        let (canvas, [first, second]) =
            Canvas::beside(&Photo::new(10, 40, vec![1; 1200]), &Photo::new(10, 20, vec![2; 600]));
        assert_eq!((canvas.height, first, second.1), (40, (0.0, 1.0), 2.0));
        assert_eq!(canvas.rgb.len() as i64, canvas.width * canvas.height * 3);
        assert!(ending(Path::new("x.PNG")).is_ok() && ending(Path::new("x.gif")).is_err());
    }
}
