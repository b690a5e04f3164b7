//! Behaviour of the crate through its public surface.

mod colours;
mod formats;
mod hostile;
mod mutated;
mod samples;
mod stripped;

/// Shows where two photos differ most, and asserts that it is within `tolerance`.
#[track_caller]
fn check_photo(got: &twinset_photo::Photo, want: &twinset_photo::Photo, tolerance: u8, what: &str) {
    assert_eq!((got.width(), got.height()), (want.width(), want.height()), "{what}: sides");
    let differences = got.rgb().iter().zip(want.rgb()).map(|(a, b)| a.abs_diff(*b));
    let (at, most) = differences.enumerate().max_by_key(|(_, most)| *most).unwrap_or_default();
    let (x, y) = (at / 3 % got.width() as usize, at / 3 / got.width() as usize);
    assert!(
        most <= tolerance,
        "{what}: channel {} of ({x}, {y}) is {}, should be {}",
        at % 3,
        got.rgb()[at],
        want.rgb()[at]
    );
}
