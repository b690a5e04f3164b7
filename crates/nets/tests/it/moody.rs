//! Graphs that pass every check when they are opened, and fail on some pictures: whoever runs a brought model must be
//! told, picture by picture.

use std::path::PathBuf;

use twinset_brought::{Attribute, Sketch};
use twinset_nets::{Brought, BroughtDetector, BroughtEmbedder, NetError, Package, Told, bring};
use twinset_photo::Photo;

const SIDE: u32 = 32;
/// 3 channels of `SIDE` columns.
const DIM: i64 = 96;

/// What a graph does on a picture without a dark place.
#[derive(Clone, Copy, Debug)]
enum Mood {
    /// Wants a shape that its numbers do not fill: the engine fails.
    Breaks,
    /// Gives more numbers than it did before: the engine does not mind.
    Grows,
}

/// 1 where all of the picture is brighter than 0.9, else 0: `[1]`, whole numbers.
fn bright(g: &mut Sketch, pixels: &str) -> String {
    let flat = g.ints(&[1, -1]);
    let flat = g.node("Reshape", &[pixels, &flat], &[]);
    let axes = g.ints(&[1]);
    let darkest = g.node("ReduceMin", &[&flat, &axes], &[("keepdims", Attribute::Int(0))]);
    let scale = g.weights(&[1], &[1.0 / 0.9]);
    let scaled = g.node("Mul", &[&darkest, &scale], &[]);
    let whole = g.node("Floor", &[&scaled], &[]);
    g.node("Cast", &[&whole], &[("to", Attribute::Int(7))])
}

/// The shape `plain`, and `moved` more on each axis where the picture is bright.
fn shape(g: &mut Sketch, pixels: &str, plain: &[i64], moved: &[i64]) -> String {
    let bright = bright(g, pixels);
    let (plain, moved) = (g.ints(plain), g.ints(moved));
    let more = g.node("Mul", &[&moved, &bright], &[]);
    g.node("Add", &[&plain, &more], &[])
}

fn embedder(mood: Mood) -> Vec<u8> {
    let mut g = Sketch::new();
    let pixels = g.input("pixels", true, &[1, 3, i64::from(SIDE), i64::from(SIDE)]);
    let axes = g.ints(&[2]);
    let columns = g.node("ReduceMean", &[&pixels, &axes], &[("keepdims", Attribute::Int(0))]);
    let vector = match mood {
        Mood::Breaks => {
            let shape = shape(&mut g, &pixels, &[1, DIM], &[0, 7]);
            g.node("Reshape", &[&columns, &shape], &[])
        }
        Mood::Grows => {
            let (flat, times) = (g.ints(&[1, DIM]), shape(&mut g, &pixels, &[1, 1], &[0, 1]));
            let vector = g.node("Reshape", &[&columns, &flat], &[]);
            g.node("Tile", &[&vector, &times], &[])
        }
    };
    g.output(&vector, "image_embeds", true, 2);
    g.finish().unwrap()
}

fn detector(mood: Mood) -> Vec<u8> {
    let mut g = Sketch::new();
    let pixels = g.input("images", true, &[1, 3, 64, 64]);
    let cells = 84;
    let numbers = g.weights(&[1, 6, cells], &vec![0.1; 6 * cells]);
    let boxes = match mood {
        Mood::Breaks => {
            let shape = shape(&mut g, &pixels, &[1, 6, cells as i64], &[0, 1, 0]);
            g.node("Reshape", &[&numbers, &shape], &[])
        }
        Mood::Grows => {
            let times = shape(&mut g, &pixels, &[1, 1, 1], &[1, 0, 0]);
            g.node("Tile", &[&numbers, &times], &[])
        }
    };
    g.output(&boxes, "output0", true, 3);
    g.note("names", "{0: 'bag', 1: 'dress'}");
    g.finish().unwrap()
}

fn brought(model: Vec<u8>) -> Package {
    let told = Told { name: "moody".into(), family: Some("plain".into()), ..Told::default() };
    bring(Brought { model, ..Brought::default() }, &told).unwrap().0
}

fn plain(side: u32, brightness: u8) -> Photo {
    Photo::new(side, side, vec![brightness; (side * side * 3) as usize])
}

#[test]
fn an_embedder_that_fails_on_one_picture_says_so_and_goes_on() {
    for mood in [Mood::Breaks, Mood::Grows] {
        let net = BroughtEmbedder::new(&brought(embedder(mood))).unwrap();
        for _ in 0..2 {
            assert_eq!(net.run(&plain(SIDE, 100)).unwrap().embedding.len(), DIM as usize);
            let error = net.run(&plain(SIDE, 255)).unwrap_err();
            assert!(matches!(error, NetError::Failed { on: "picture", .. }), "{mood:?}: {error}");
            assert!(error.to_string().contains("twinset model use"), "{error}");
        }
    }
}

#[test]
fn a_detector_that_fails_on_one_photo_says_so_and_goes_on() {
    for mood in [Mood::Breaks, Mood::Grows] {
        let net = BroughtDetector::new(&brought(detector(mood))).unwrap();
        for _ in 0..2 {
            assert_eq!(net.run(&plain(64, 100)).unwrap()[0].shape, [1, 6, 84]);
            let error = net.run(&plain(64, 255)).unwrap_err();
            assert!(matches!(error, NetError::Failed { on: "picture", .. }), "{mood:?}: {error}");
        }
    }
}

/// What the crates above are tested with: `TWINSET_WRITE_GOLDEN=1` writes it.
#[test]
fn the_graph_that_others_test_with_is_this_one() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/moody.onnx");
    if std::env::var_os("TWINSET_WRITE_GOLDEN").is_some() {
        std::fs::write(&path, embedder(Mood::Breaks)).unwrap();
    }
    assert_eq!(std::fs::read(&path).unwrap(), embedder(Mood::Breaks));
}
