use std::path::PathBuf;

use serde_json::Value;
use twinset_brought::{Array, Engine, Graph, vit};

/// Largest difference between an engine and PyTorch, both in single precision.
const NEAR: f32 = 1e-4;

pub(crate) fn file(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata").join(name);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

pub(crate) fn expected() -> Value {
    serde_json::from_slice(&file("expected.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect()
}

/// The picture of `make.py`.
fn picture(side: usize) -> Array {
    let wave = |n: usize| {
        let n = n as f64;
        (n * 0.37 + (n * 0.011).cos() * 3.0).sin() as f32
    };
    Array::float(&[1, 3, side, side], (0..3 * side * side).map(wave).collect())
}

fn ids() -> Array {
    let ids = [38, 5, 17, 8, 39].into_iter().chain([1; 7]).collect();
    Array::int(&[1, 12], ids)
}

fn assert_near(what: &str, found: Vec<f32>, expected: &Value) {
    let expected = numbers(expected);
    assert_eq!(found.len(), expected.len(), "{what}");
    let furthest = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(furthest <= NEAR, "{what}: {furthest} from PyTorch");
    println!("{what}: {furthest:e} from PyTorch");
}

fn run(graph: &Graph, inputs: &[(&str, Array)], output: &str) -> Vec<f32> {
    graph.run(inputs, &[output]).unwrap().remove(0).into_floats()
}

#[test]
fn transformers_of_every_family_agree_with_pytorch() {
    let expected = expected();
    for name in ["clip", "siglip", "dinov2", "dinov2_registers", "vit"] {
        let told = &expected[name];
        let side = told["side"].as_u64().unwrap() as usize;
        let (weights, config) = (file(&format!("{name}.safetensors")), file(&format!("{name}.json")));
        let tower = vit::write_down(&weights, Some(&config), Some(side)).unwrap();
        assert_eq!(tower.family, name.split('_').next().unwrap());
        let graph = Graph::open_in_rten(&tower.onnx).unwrap();
        let inputs = [("pixel_values", picture(side))];
        assert_near(&format!("{name} tokens"), run(&graph, &inputs, "last_hidden_state"), &told["hidden"]);
        assert_near(&format!("{name} vector"), run(&graph, &inputs, "image_embeds"), &told["embeds"]);
        if let Some(text) = tower.text {
            let graph = Graph::open_in_rten(&text).unwrap();
            let inputs = [("input_ids", ids())];
            assert_near(&format!("{name} words"), run(&graph, &inputs, "text_embeds"), &told["text"]);
        }
    }
}

#[test]
fn exported_graphs_agree_with_pytorch() {
    let expected = expected();
    for (name, output) in [("clip", "image_embeds"), ("dinov2", "pooler_output")] {
        let bytes = file(&format!("{name}.onnx"));
        // Whichever engine this machine has, and the one that is always there.
        for graph in [Graph::open(&bytes, &["pixel_values"]).unwrap(), Graph::open_in_rten(&bytes).unwrap()] {
            let found = run(&graph, &[("pixel_values", picture(24))], output);
            assert_near(&format!("{name} in {}", graph.engine_name()), found, &expected[name]["exported"]);
        }
    }
    let graph = Graph::open_in_rten(&file("clip_text.onnx")).unwrap();
    assert_near(
        "clip's words",
        run(&graph, &[("input_ids", ids())], "text_embeds"),
        &expected["clip"]["text"],
    );
}

#[test]
fn onnx_runtime_is_taken_where_it_is_told_of() {
    if std::env::var_os("TWINSET_ONNXRUNTIME").is_none() {
        println!("skipped: TWINSET_ONNXRUNTIME names no library");
        return;
    }
    let bytes = file("clip.onnx");
    assert_eq!(Graph::open(&bytes, &["pixel_values"]).unwrap().engine(), Engine::OnnxRuntime);
    // It wants every input; a graph with more than are given stays where only the needed ones are asked for.
    assert_eq!(Graph::open(&bytes, &[]).unwrap().engine(), Engine::Rten);
}

#[test]
fn weights_that_do_not_fit_are_told_by_name() {
    let weights = file("clip.safetensors");
    let fails = |weights: &[u8], config: Option<&[u8]>, side| match vit::write_down(weights, config, side) {
        Ok(tower) => panic!("taken as {}", tower.family),
        Err(error) => error.to_string(),
    };
    let config = file("clip.json");
    let with = |from: &str, to: &str| {
        let text = String::from_utf8(config.clone()).unwrap();
        assert!(text.contains(from));
        text.replace(from, to).into_bytes()
    };
    // Without a config the width of 16 tells no heads.
    assert!(fails(&weights, None, None).contains("0 heads"));
    assert!(fails(&weights, Some(&with("quick_gelu", "relu6")), None).contains("relu6"));
    assert!(fails(&weights, Some(&config), Some(25)).contains("25"));
    let mut giant = weights.clone();
    giant[..8].copy_from_slice(&(1u64 << 40).to_le_bytes());
    assert!(fails(&giant, Some(&config), None).contains("header"));
    let mut renamed = weights.clone();
    let at = renamed.windows(14).position(|w| w == b"pre_layrnorm.w").unwrap();
    renamed[at] = b'q';
    assert!(fails(&renamed, Some(&config), None).contains("pre_layrnorm.weight is missing"));
}
