//! Models that others made, from a file to the answer of a search.

use crate::house::{House, text};
use std::path::PathBuf;
use twinset_brought::Sketch;

/// Small transformers with random weights, exported by PyTorch.
pub(crate) fn testdata(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../brought/testdata").join(name)
}

#[test]
fn a_brought_embedder_answers_photos_and_words() {
    let house = House::new();
    let pictures = house.pictures(4);
    house.run(&["import", text(&pictures), "-c", "shop", "--quiet"]).ended(0);
    let photo = pictures.join("demo-0001/main.jpg");

    // Our own model reads no words, and says what to do.
    let told = house.run(&["search", "-c", "shop", "--text", "a red dress"]).ended(1).stderr();
    assert!(told.contains("reads no words") && told.contains("twinset model import"), "{told}");
    assert!(house.run(&["search", "-c", "shop"]).ended(2).stderr().contains("--text"));

    let (model, tower, tokenizer) =
        (testdata("clip.onnx"), testdata("clip_text.onnx"), testdata("tokenizer.json"));
    let kept = house
        .run(&[
            "model",
            "import",
            text(&model),
            "--text",
            text(&tower),
            "--tokenizer",
            text(&tokenizer),
            "--name",
            "small-clip",
            "--licence",
            "none",
            "--json",
        ])
        .ended(0)
        .json();
    assert_eq!((&kept[0]["name"], &kept[0]["kind"]), (&"small-clip".into(), &"embedder".into()));
    let card = house.run(&["model", "show", "small-clip", "--json"]).ended(0).json();
    let card = &card[0];
    assert_eq!(card["architecture"]["side"], 24);
    assert_eq!(card["architecture"]["dim"], 12);
    assert_eq!(card["architecture"]["tokens"]["grid"], 3);
    assert_eq!(card["architecture"]["text"]["length"], 12);
    assert!(
        card["engine"].as_str().is_some_and(|e| e.contains("rten") || e.contains("ONNX Runtime")),
        "{card}"
    );

    let before = house.run(&["search", text(&photo), "-c", "shop", "--json"]).ended(0).json();
    let used = house.run(&["model", "use", "small-clip", "-c", "shop", "--force", "--json"]).ended(0).json();
    assert_eq!(used["in_use"], true);
    let found = house.run(&["search", text(&photo), "-c", "shop", "--json"]).ended(0).json();
    assert_ne!(found["model"], before["model"]);
    assert_eq!(found["model"], used["model"]);
    assert_eq!(found["hits"][0]["product"], "demo-0001", "the very same picture: {found}");
    let search = |words: &str| {
        let answer =
            house.run(&["search", "-c", "shop", "--text", words, "-k", "4", "--json"]).ended(0).json();
        let hits = answer["hits"].as_array().unwrap();
        hits.iter()
            .map(|hit| (hit["product"].to_string(), hit["global"].as_f64().unwrap()))
            .collect::<Vec<_>>()
    };
    let (red, blue) = (search("a red dress"), search("blue shirt"));
    assert_eq!(red.len(), 4);
    assert!(red.is_sorted_by(|a, b| a.1 >= b.1), "{red:?}");
    assert_ne!(red, blue, "words that do not matter are not read");
    let both =
        house.run(&["search", text(&photo), "-c", "shop", "--text", "a red dress", "--json"]).ended(0).json();
    assert!(both["hits"][0]["global"].as_f64() < found["hits"][0]["global"].as_f64(), "{both}");

    // The same over HTTP: the catalogue says that it reads, results how well the words fit, and words become a vector.
    let server = house.start(&["serve"]);
    let json = |(status, body): (u16, String)| -> serde_json::Value {
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    };
    assert_eq!(json(server.get("/v1/catalogues/shop"))["reads_words"], true);
    let post =
        |path: &str, body: &str| server.send("POST", path, "application/json", body.as_bytes()).unwrap();
    let answer = json(post("/v1/catalogues/shop/search", r#"{"text": "a red dress", "limit": 4}"#));
    let best = &answer["results"][0];
    assert_eq!(best["product"]["id"].to_string(), red[0].0);
    assert!((best["evidence"]["text"].as_f64().unwrap() - red[0].1).abs() < 1e-4, "{best}");
    let words = r#"{"text": "a red dress"}"#;
    let vector = json(post("/v1/embed?catalogue=shop", words));
    assert_eq!(vector["embedding"].as_array().map(Vec::len), Some(12));
    assert_eq!((&vector["model"], vector["box"].is_null()), (&used["model"], true));
    // The program's own models, of which a new catalogue is, read none.
    let (status, told) = post("/v1/embed", words);
    assert!(status == 422 && told.contains("reads no words"), "{told}");
    assert_eq!(post("/v1/embed?catalogue=none", words).0, 404);
    assert_eq!(server.stop(), Some(0));

    house.run(&["model", "rollback", "-c", "shop"]).ended(0);
    let back = house.run(&["search", text(&photo), "-c", "shop", "--json"]).ended(0).json();
    assert_eq!(back["model"], before["model"]);
}

#[test]
fn weights_of_a_transformer_become_a_model() {
    let house = House::new();
    for (family, tokens) in [("siglip", 0), ("dinov2_registers", 4), ("vit", 1)] {
        let folder = house.path(family);
        for (from, to) in [("safetensors", "model.safetensors"), ("json", "config.json")] {
            house.write(
                &format!("{family}/{to}"),
                std::fs::read(testdata(&format!("{family}.{from}"))).unwrap(),
            );
        }
        house.write(&format!("{family}/tokenizer.json"), std::fs::read(testdata("tokenizer.json")).unwrap());
        let side = if family.starts_with("dino") { "40" } else { "24" };
        house.run(&["model", "import", text(&folder), "--side", side]).ended(0);
        let card = house.run(&["model", "show", family, "--json"]).ended(0).json();
        assert_eq!(card[0]["architecture"]["tokens"]["skip"], tokens, "{card}");
        assert_eq!(card[0]["architecture"]["text"].is_object(), family == "siglip", "{card}");
    }
}

/// A graph of YOLO's form that finds one garment wherever it looks: 20, 16 to 44, 48 of 64.
fn one_garment() -> Vec<u8> {
    let mut g = Sketch::new();
    let pixels = g.input("images", true, &[1, 3, 64, 64]);
    let axes = g.ints(&[1, 2, 3]);
    let mean = g.node("ReduceMean", &[&pixels, &axes], &[("keepdims", twinset_brought::Attribute::Int(0))]);
    let nothing = g.weights(&[1], &[0.0]);
    let nothing = g.node("Mul", &[&mean, &nothing], &[]);
    // 8 x 8, 4 x 4 and 2 x 2 cells of six numbers.
    let cells = 84;
    let mut numbers = vec![0.0; 6 * cells];
    for (row, value) in [32.0, 32.0, 24.0, 32.0, 0.1, 0.8].into_iter().enumerate() {
        numbers[row * cells + 40] = value;
    }
    let boxes = g.weights(&[1, 6, cells], &numbers);
    let boxes = g.node("Add", &[&boxes, &nothing], &[]);
    g.output(&boxes, "output0", true, 3);
    g.note("names", "{0: 'bag', 1: 'dress'}");
    g.finish().unwrap()
}

#[test]
fn a_brought_detector_chooses_what_is_embedded() {
    let house = House::new();
    let pictures = house.pictures(3);
    house.run(&["import", text(&pictures), "-c", "shop", "--quiet"]).ended(0);
    let file = house.write("yolo.onnx", one_garment());
    house.run(&["model", "import", text(&file)]).ended(0);
    let wrong =
        house.run(&["model", "import", text(&file), "--categories", "bag,dress,hat"]).ended(1).stderr();
    assert!(wrong.contains("2 classes") && wrong.contains("3 categories"), "{wrong}");
    house.run(&["model", "use", "yolo", "-c", "shop", "--force"]).ended(0);
    let photo = house.photo(1);
    let found = house.run(&["search", text(&photo), "-c", "shop", "--json"]).ended(0).json();
    assert_eq!(found["query"]["category"], "dress", "{found}");
    let place: Vec<f64> =
        found["query"]["box"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect();
    // 720 x 900 is shown centred in 64 x 64: 14.0625 pixels each, 90 of grey at either side.
    let right = [20.0 * 14.0625 - 90.0, 16.0 * 14.0625, 24.0 * 14.0625, 32.0 * 14.0625];
    assert!(place.iter().zip(right).all(|(a, b)| (a - b).abs() < 3.0), "{place:?} {right:?}");
}
