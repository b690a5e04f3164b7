//! Copies of a picture and pictures that only look alike, on drawn shop pictures.

use twinset_local::{
    Edit, Orientation, PictureHash256, PictureLook, SAME_HASH_BITS, SamePicture, same_picture,
};
use twinset_photo::{Limits, Photo, Rect, decode, encode_jpeg};
use twinset_synth::{Split, packshot, product};

fn picture(index: u64) -> Photo {
    packshot(&product(5, index, Split::HeldOut), index, 320).photo
}

fn draw(width: u32, height: u32, pixel: impl Fn(u32, u32) -> [u8; 3]) -> Photo {
    Photo::new(
        width,
        height,
        (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).flat_map(|(x, y)| pixel(x, y)).collect(),
    )
}

fn at(photo: &Photo, x: u32, y: u32) -> [u8; 3] {
    let i = (y * photo.width() + x) as usize * 3;
    [photo.rgb()[i], photo.rgb()[i + 1], photo.rgb()[i + 2]]
}

fn mirrored(photo: &Photo) -> Photo {
    draw(photo.width(), photo.height(), |x, y| at(photo, photo.width() - 1 - x, y))
}

fn recompressed(photo: &Photo) -> Photo {
    decode(&encode_jpeg(&photo.resize(217, 217), 55), &Limits::default()).unwrap()
}

fn recoloured(photo: &Photo) -> Photo {
    draw(photo.width(), photo.height(), |x, y| {
        let [r, g, b] = at(photo, x, y).map(f32::from);
        [0.8 * b + 20.0, r * 0.9, g].map(|c| c as u8)
    })
}

fn cropped(photo: &Photo) -> Photo {
    let (w, h) = (photo.width() as f32, photo.height() as f32);
    photo.crop(Rect { x: 0.08 * w, y: 0.15 * h, w: 0.775 * w, h: 0.775 * h })
}

fn bordered(photo: &Photo) -> Photo {
    let (w, h, frame) = (photo.width(), photo.height(), 40);
    draw(w + 2 * frame, h + 2 * frame, |x, y| {
        let inside = (frame..w + frame).contains(&x) && (frame..h + frame).contains(&y);
        if inside { at(photo, x - frame, y - frame) } else { [180, 30, 60] }
    })
}

fn overlaid(photo: &Photo) -> Photo {
    draw(photo.width(), photo.height(), |x, y| {
        let inside = (60..260).contains(&x) && (130..190).contains(&y);
        if !inside {
            at(photo, x, y)
        } else if (x / 7 + y / 9) % 3 == 0 {
            [255; 3]
        } else {
            [200, 20, 30]
        }
    })
}

fn collage(first: &Photo, second: &Photo) -> Photo {
    let (w, h) = (first.width(), first.height());
    draw(2 * w, h, |x, y| if x < w { at(second, x, y) } else { at(first, x - w, y) })
}

fn compare(a: &Photo, b: &Photo) -> Option<SamePicture> {
    same_picture(&PictureLook::of(a), &PictureLook::of(b))
}

type Change = fn(&Photo) -> Photo;

#[test]
fn copies_are_found_and_told_what_was_done() {
    let cases: [(&str, Change, Option<Edit>); 6] = [
        ("recompressed", recompressed, None),
        ("mirrored", mirrored, Some(Edit::Mirrored)),
        ("recoloured", recoloured, Some(Edit::Recoloured)),
        ("cropped", cropped, Some(Edit::Cropped)),
        ("bordered", bordered, Some(Edit::Bordered)),
        ("overlaid", overlaid, Some(Edit::Overlaid)),
    ];
    for (name, change, edit) in cases {
        let (mut found, mut told) = (0, 0);
        for index in 0..20 {
            let photo = picture(index);
            if let Some(same) = compare(&photo, &change(&photo)) {
                found += 1;
                told += usize::from(edit.map_or(same.edits.is_empty(), |e| same.edits.contains(&e)));
            }
        }
        assert!(found >= 18 && told >= 12, "{name}: {found} found, {told} told of 20");
    }
    let found = (0..20).filter_map(|i| compare(&picture(i), &collage(&picture(i), &picture(i + 40))));
    let panels: Vec<Rect> = found.map(|same| same.shared[1]).collect();
    let right = Rect { x: 0.5, y: 0.0, w: 0.5, h: 1.0 };
    let near = panels.iter().filter(|panel| panel.iou(&right) > 0.85).count();
    assert!(panels.len() >= 15 && near >= 15, "{} found, {near} in place", panels.len());
}

#[test]
fn pictures_of_other_products_are_no_copies() {
    let mut wrong = Vec::new();
    let looks: Vec<PictureLook> = (0..45).map(|i| PictureLook::of(&picture(i))).collect();
    for (i, a) in looks.iter().enumerate() {
        for (j, b) in looks[..i].iter().enumerate() {
            wrong.extend(same_picture(a, b).map(|same| (i, j, same)));
        }
    }
    // Of these 990 pairs, 45 show the same cut, shot from the same place: one may pass for a recoloured copy.
    assert!(wrong.len() <= 1, "{wrong:?}");
}

#[test]
fn one_hash_gives_all_eight_orientations() {
    let photo = picture(3);
    let (w, h) = (photo.width(), photo.height());
    let hash = PictureHash256::of(&photo).unwrap();
    for orientation in Orientation::ALL {
        let turned = draw(w, h, |x, y| {
            let x = if orientation.mirrored { w - 1 - x } else { x };
            let y = if orientation.flipped { h - 1 - y } else { y };
            if orientation.transposed { at(&photo, y, x) } else { at(&photo, x, y) }
        });
        let other = PictureHash256::of(&turned).unwrap();
        assert!(hash.oriented(orientation).distance(&other) <= 4, "{orientation:?}");
        let (bits, back) = other.best_orientation_distance(&hash);
        assert!(bits <= 4, "{orientation:?}");
        let same = compare(&turned, &photo).unwrap();
        assert_eq!((back, same.orientation), (orientation, orientation));
    }
    let far = PictureHash256::of(&picture(4)).unwrap().best_orientation_distance(&hash).0;
    assert!(far > SAME_HASH_BITS, "{far}");
    assert_eq!(PictureHash256::from_bytes(hash.to_bytes()), hash);
}

#[test]
fn plain_tiny_and_odd_pictures_are_no_copies_and_do_no_harm() {
    let plain = |level| Photo::new(300, 200, vec![level; 300 * 200 * 3]);
    let odd = [
        plain(255),
        plain(0),
        Photo::new(1, 1, vec![9; 3]),
        Photo::new(8, 8, (0..192).map(|i| i as u8).collect()),
        Photo::new(900, 2, (0..5400).map(|i| (i * 7) as u8).collect()),
        picture(1),
    ];
    for (i, a) in odd.iter().enumerate() {
        for (j, b) in odd.iter().enumerate().filter(|(j, _)| *j != i) {
            assert_eq!(compare(a, b), None, "{i} {j}");
        }
    }
    assert_eq!(PictureHash256::of(&plain(255)), None);
    assert!(compare(&odd[5], &odd[5]).unwrap().edits.is_empty());
}
