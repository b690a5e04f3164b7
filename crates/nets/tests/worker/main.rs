//! Brought models in a process of their own, which is this very binary: what they are recognised as, and files that are
//! no models, or worse. `TWINSET_HOSTILE=600` tries that many of these, a tenth of them otherwise.

use std::path::PathBuf;
use std::time::Duration;

use twinset_brought::{Attribute, Sketch};
use twinset_nets::{
    Architecture, Boxes, Brought, MODEL_WORKER_ARG, NetError, Package, Quarantine, Told, model_worker_main,
};

fn main() {
    if std::env::args_os().nth(1).is_some_and(|arg| arg == MODEL_WORKER_ARG) {
        model_worker_main();
    }
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let tests: [(&str, fn()); 7] = [
        ("models are recognised by running them", models_are_recognised_by_running_them),
        ("detectors are recognised by their outputs", detectors_are_recognised_by_their_outputs),
        ("what is no use is told", what_is_no_use_is_told),
        ("what would take gigabytes is refused", what_would_take_gigabytes_is_refused),
        ("weights outside the file are not read", weights_outside_the_file_are_not_read),
        ("a link out of its folder is not followed", a_link_out_of_its_folder_is_not_followed),
        ("mutated files never take the program down", mutated_files_never_take_the_program_down),
    ];
    for (name, test) in tests {
        if wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str())) {
            test();
            println!("test {name} ... ok");
        }
    }
}

fn quarantine() -> Quarantine {
    Quarantine::of(std::env::current_exe().unwrap())
}

fn testdata(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../brought/testdata").join(name);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn told(name: &str) -> Told {
    Told { name: name.into(), ..Told::default() }
}

fn bring(model: Vec<u8>, is_safetensors: bool) -> Result<Package, String> {
    let brought = Brought { model, is_safetensors, ..Brought::default() };
    // A mutated graph may compute for ever; the limit of the product would make the test wait for it.
    let impatient = Quarantine { time_limit: Duration::from_secs(20), ..quarantine() };
    impatient.bring(brought, &told("foreign")).map(|(package, _)| package).map_err(|e| e.to_string())
}

fn models_are_recognised_by_running_them() {
    let brought = Brought {
        model: testdata("clip.onnx"),
        text: Some(testdata("clip_text.onnx")),
        tokenizer: Some(testdata("tokenizer.json")),
        ..Brought::default()
    };
    let (package, notes) = quarantine().bring(brought, &told("clip")).unwrap();
    println!("{notes:#?}");
    let Architecture::OnnxEmbedder(plan) = package.architecture() else { panic!("{:?}", package.card()) };
    assert_eq!((plan.side, plan.dim, plan.output.as_str()), (24, 12, "image_embeds"));
    assert!((plan.pixels.mean[0] - 0.4815).abs() < 1e-3, "CLIP's own pixels: {:?}", plan.pixels);
    let tokens = plan.tokens.as_ref().unwrap();
    assert_eq!((tokens.skip, tokens.grid, tokens.width), (1, 3, 16));
    assert_eq!(plan.text.as_ref().unwrap().length, 12);

    // What was found out survives the disk, and is checked again when it comes from there.
    let folder = tempfile::tempdir().unwrap();
    package.save(folder.path()).unwrap();
    let back = Package::open(folder.path()).unwrap();
    assert_eq!(back.hash(), package.hash());
    quarantine().check(&back).unwrap();
    let card = std::fs::read_to_string(folder.path().join("card.json")).unwrap();
    std::fs::write(folder.path().join("card.json"), card.replace("\"dim\": 12", "\"dim\": 13")).unwrap();
    let lying = Package::open(folder.path()).unwrap();
    assert_ne!(lying.hash(), package.hash());
    assert!(quarantine().check(&lying).unwrap_err().to_string().contains("13"));

    let dino = bring(testdata("dinov2.onnx"), false).unwrap();
    let Architecture::OnnxEmbedder(plan) = dino.architecture() else { panic!("{:?}", dino.card()) };
    assert!((plan.pixels.mean[0] - 0.485).abs() < 1e-3, "ImageNet's pixels: {:?}", plan.pixels);
    assert!(plan.text.is_none());
}

/// A graph whose outputs have these shapes and hardly depend on its picture.
fn detector(outputs: &[(&str, &[usize], bool)], note: Option<&str>) -> Vec<u8> {
    let mut g = Sketch::new();
    let pixels = g.input("images", true, &[1, 3, 64, 64]);
    let axes = g.ints(&[1, 2, 3]);
    let mean = g.node("ReduceMean", &[&pixels, &axes], &[("keepdims", Attribute::Int(0))]);
    for (name, shape, whole) in outputs {
        let numbers: Vec<f32> = (0..shape.iter().product()).map(|i| (i % 7) as f32 / 10.0).collect();
        let numbers = g.weights(shape, &numbers);
        let value = g.node("Add", &[&numbers, &mean], &[]);
        let value = if *whole { g.node("Cast", &[&value], &[("to", Attribute::Int(7))]) } else { value };
        g.output(&value, name, !*whole, shape.len());
    }
    if let Some(names) = note {
        g.note("names", names);
    }
    g.finish().unwrap()
}

fn detectors_are_recognised_by_their_outputs() {
    let cells = 64 + 16 + 4;
    for (outputs, note, boxes, categories) in [
        (
            &[("output0", &[1, 6, cells][..], false)][..],
            Some("{0: 'bag', 1: 'dress'}"),
            Boxes::YoloColumns,
            2,
        ),
        (&[("output0", &[1, cells, 6], false)], Some("{0: 'bag', 1: 'dress'}"), Boxes::YoloRows, 2),
        (&[("output", &[1, 3 * cells, 8], false)], None, Boxes::YoloObjectness, 3),
        (&[("output0", &[1, 300, 6], false)], None, Boxes::Final, 80),
        (&[("logits", &[1, 9, 5], false), ("pred_boxes", &[1, 9, 4], false)], None, Boxes::Detr, 5),
        (
            &[("labels", &[1, 9], true), ("boxes", &[1, 9, 4], false), ("scores", &[1, 9], false)],
            None,
            Boxes::Deployed,
            80,
        ),
    ] {
        let package = bring(detector(outputs, note), false).unwrap();
        let Architecture::OnnxDetector(plan) = package.architecture() else { panic!("{:?}", package.card()) };
        assert_eq!((plan.boxes, plan.side), (boxes, 64));
        assert_eq!(package.card().categories.len(), categories, "{boxes:?}");
    }
}

fn what_is_no_use_is_told() {
    let constant = {
        let mut g = Sketch::new();
        let pixels = g.input("x", true, &[1, 3, 32, 32]);
        let axes = g.ints(&[1, 2, 3]);
        let mean = g.node("ReduceMean", &[&pixels, &axes], &[("keepdims", Attribute::Int(0))]);
        let nothing = g.weights(&[1, 8], &[0.0; 8]);
        let nothing = g.node("Mul", &[&mean, &nothing], &[]);
        let one = g.weights(&[1, 8], &[1.0; 8]);
        let all = g.node("Add", &[&nothing, &one], &[]);
        g.output(&all, "embedding", true, 2);
        g.finish().unwrap()
    };
    assert!(bring(constant, false).unwrap_err().contains("same vector"));
    let mut wide = Sketch::new();
    let pixels = wide.input("x", true, &[1, 3, 32, 48]);
    wide.output(&pixels, "y", true, 4);
    assert!(bring(wide.finish().unwrap(), false).unwrap_err().contains("only squares"));
    let mut words = Sketch::new();
    let ids = words.input("input_ids", false, &[1, 8]);
    words.output(&ids, "y", true, 2);
    assert!(bring(words.finish().unwrap(), false).unwrap_err().contains("no input takes a picture"));
    let mut unknown = Sketch::new();
    let pixels = unknown.input("x", true, &[1, 3, 32, 32]);
    let odd = unknown.node("Teleport", &[&pixels], &[]);
    unknown.output(&odd, "y", true, 2);
    assert!(bring(unknown.finish().unwrap(), false).unwrap_err().contains("Teleport"));
    assert!(matches!(
        Brought::gather(tempfile::tempdir().unwrap().path(), None, None),
        Err(NetError::Unusable(_))
    ));
}

/// A graph that makes `operator` of its picture and a shape.
fn grown(shape: &[i64]) -> Vec<u8> {
    let mut g = Sketch::new();
    let pixels = g.input("x", true, &[1, 3, 32, 32]);
    let axes = g.ints(&[1, 2, 3]);
    let mean = g.node("ReduceMean", &[&pixels, &axes], &[("keepdims", Attribute::Int(0))]);
    let shape = g.ints(shape);
    let large = g.node("Expand", &[&mean, &shape], &[]);
    let doubled = g.node("Add", &[&large, &mean], &[]);
    let flat = g.ints(&[-1]);
    let flat = g.node("Reshape", &[&doubled, &flat], &[]);
    let axis = g.ints(&[0]);
    let least = g.node("ReduceMax", &[&flat, &axis], &[]);
    g.output(&least, "embedding", true, 1);
    g.finish().unwrap()
}

fn what_would_take_gigabytes_is_refused() {
    // 2 GiB of floats, 2 TiB, and more than there are numbers for.
    for shape in [&[1 << 29][..], &[1 << 20, 1 << 19], &[1 << 31, 1 << 31]] {
        let reason = bring(grown(shape), false).unwrap_err();
        assert!(!reason.is_empty());
        println!("{shape:?}: {reason}");
    }
    let mut giant = testdata("vit.safetensors");
    giant[..8].copy_from_slice(&(u64::MAX / 2).to_le_bytes());
    assert!(bring(giant, true).unwrap_err().contains("header"));
}

fn weights_outside_the_file_are_not_read() {
    // A tensor's field 13 with the key `location`, field 14 saying that it lies outside.
    let entry = |key: &str, value: &str| {
        let field =
            |number: u8, text: &str| [&[number << 3 | 2, text.len() as u8][..], text.as_bytes()].concat();
        let inner = [field(1, key), field(2, value)].concat();
        [vec![13 << 3 | 2, inner.len() as u8], inner].concat()
    };
    for location in ["../secret.bin", "/etc/hostname", "weights.data"] {
        let mut tensor = vec![8, 1, 16, 1, 8 << 3 | 2, 1, b'w'];
        tensor.extend(entry("location", location));
        tensor.extend([14 << 3, 1]);
        // Appended to the graph: protobuf takes a repeated message apart wherever it stands.
        let graph = [vec![5 << 3 | 2, tensor.len() as u8], tensor].concat();
        let mut model = testdata("dinov2.onnx");
        model.extend([vec![7 << 3 | 2, graph.len() as u8], graph].concat());
        let reason = bring(model, false).unwrap_err();
        assert!(!reason.is_empty());
        println!("{location}: {reason}");
    }
}

#[cfg(unix)]
fn link(to: &std::path::Path, at: &std::path::Path) {
    std::os::unix::fs::symlink(to, at).unwrap();
}

#[cfg(unix)]
fn a_link_out_of_its_folder_is_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let [elsewhere, model] = ["elsewhere.onnx", "model"].map(|name| folder.path().join(name));
    std::fs::write(&elsewhere, testdata("dinov2.onnx")).unwrap();
    std::fs::create_dir(&model).unwrap();
    link(&elsewhere, &model.join("model.onnx"));
    let told = Brought::gather(&model, None, None).unwrap_err();
    assert!(matches!(told, NetError::Outside { .. }), "{told}");
    link(&elsewhere, &model.join("card.json"));
    let told = Package::open(&model).unwrap_err();
    assert!(matches!(told, NetError::Outside { .. }), "{told}");
}

#[cfg(not(unix))]
fn a_link_out_of_its_folder_is_not_followed() {
    println!("skipped: links need rights here");
}

/// Splitmix64.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n as u64) as usize
    }
}

fn mutated_files_never_take_the_program_down() {
    let count = std::env::var("TWINSET_HOSTILE").ok().and_then(|n| n.parse().ok()).unwrap_or(60);
    let good: Vec<(Vec<u8>, bool)> =
        [("clip.onnx", false), ("dinov2.onnx", false), ("vit.safetensors", true)]
            .map(|(name, weights)| (testdata(name), weights))
            .into();
    let (mut refused, mut taken) = (0, 0);
    for seed in 0..count {
        let mut chance = Chance(seed);
        let (mut bytes, weights) = good[chance.below(good.len())].clone();
        match seed % 5 {
            0 => bytes.truncate(chance.below(bytes.len())),
            1 => (0..1 + chance.below(40)).for_each(|_| {
                let at = chance.below(bytes.len());
                bytes[at] ^= 1 << chance.below(8);
            }),
            // Lengths and sizes stand near the beginning and the end.
            2 => {
                let at = chance.below(bytes.len().min(4000));
                bytes[at] = 0xff;
            }
            3 => {
                let (from, to) = (chance.below(bytes.len()), chance.below(bytes.len()));
                let piece = bytes[from..(from + 64).min(bytes.len())].to_vec();
                bytes.splice(to..to, piece);
            }
            _ => {
                let at = bytes.len() - 1 - chance.below(bytes.len().min(4000));
                bytes[at..].fill(chance.below(256) as u8);
            }
        }
        match bring(bytes, weights) {
            Ok(_) => taken += 1,
            Err(reason) => {
                assert!(!reason.is_empty(), "seed {seed}");
                refused += 1;
            }
        }
    }
    println!("{refused} refused, {taken} were models still");
    // A flipped bit of a weight is another weight.
    assert!(refused > taken, "{refused} refused, {taken} taken");
}
