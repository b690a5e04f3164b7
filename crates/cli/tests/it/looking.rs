//! `twinset detect`, `match`, `embed`, `eval`: commands that only look at photos.

use crate::house::{House, text};
use twinset_photo::{Limits, probe};

#[test]
fn garments_are_told_and_drawn() {
    let house = House::new();
    let (photo, drawn) = (house.photo(2), house.path("drawn.png"));
    let seen = house.run(&["detect", text(&photo), "--draw", text(&drawn), "--json"]).ended(0).json();
    let one = &seen[0];
    assert_eq!((&one["width"], &one["height"]), (&720.into(), &900.into()));
    let garments = one["garments"].as_array().unwrap();
    let scores: Vec<f64> = garments.iter().map(|g| g["score"].as_f64().unwrap()).collect();
    assert!(scores.is_sorted_by(|a, b| a >= b), "{seen}");
    assert!(one["chosen"].as_u64().is_none_or(|i| (i as usize) < garments.len()));
    for garment in garments {
        assert!(garment["category"].is_string() && garment["attributes"].is_object(), "{garment}");
        assert_eq!(garment["box"].as_array().map(Vec::len), Some(4));
    }
    let size = probe(&std::fs::read(&drawn).unwrap(), &Limits::default()).unwrap();
    assert!(size.width >= 720 && size.height >= 900);
}

#[test]
fn two_photos_are_compared_part_by_part() {
    let house = House::new();
    let pictures = house.pictures(2);
    let of = |n: u32, name: &str| pictures.join(format!("demo-{n:04}/{name}.jpg"));
    let drawn = house.path("pairs.jpg");
    let (a, b, other) = (of(0, "main"), of(0, "main"), of(1, "main"));
    let same = house.run(&["match", text(&a), text(&b), "--draw", text(&drawn), "--json"]).ended(0).json();
    let different = house.run(&["match", text(&a), text(&other), "--json"]).ended(0).json();
    assert!(same["score"].as_f64() > different["score"].as_f64(), "{same} {different}");
    assert_eq!(same["verdict"], "same");
    assert!(probe(&std::fs::read(&drawn).unwrap(), &Limits::default()).is_ok());
}

#[test]
fn a_data_set_is_embedded_and_measured() {
    let house = House::new();
    let pictures = house.pictures(6);
    let mut manifest = "file,split,category,item_id,view\n".to_owned();
    for n in 0..6 {
        manifest +=
            &format!("demo-{n:04}/main.jpg,val,dress,P{n},main\ndemo-{n:04}/detail.jpg,val,dress,P{n},alt\n");
    }
    house.write("pictures/manifest.csv", manifest);
    let rows = house.path("rows.fbin");
    house.run(&["embed", "--manifest", text(&pictures), "--out", text(&rows)]).ended(0);
    let bytes = std::fs::read(&rows).unwrap();
    let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    assert_eq!((number(0), bytes.len()), (12, 8 + 4 * 12 * number(4)));
    for row in bytes[8..].chunks_exact(4 * number(4)) {
        let values = row.chunks_exact(4).map(|v| f32::from_le_bytes(v.try_into().unwrap()));
        let length = values.map(|v| v * v).sum::<f32>().sqrt();
        assert!((length - 1.0).abs() < 1e-3, "{length}");
    }
    let eval = [
        "eval",
        "retrieval",
        "--queries",
        text(&pictures),
        "--query-split",
        "val",
        "--leave-one-out",
        "--json",
    ];
    let report = house.run(&eval).ended(0).json();
    assert_eq!((&report["queries"], &report["gallery"]), (&12.into(), &12.into()));
    for pointer in ["/recall/1/2", "/map/0", "/precision_at_10/0", "/baselines/colour_histogram/recall/1/0"] {
        assert!(report.pointer(pointer).is_some_and(serde_json::Value::is_number), "{pointer}: {report}");
    }
}

#[test]
fn garments_in_clutter_are_measured_by_what_is_chosen_and_by_what_is_tapped() {
    let house = House::new();
    let kept = house.path("kept");
    let args = ["eval", "clutter", "--products", "6", "--keep", text(&kept), "--json"];
    let report = house.run(&args).ended(0).json();
    let number = |pointer: &str| report.pointer(pointer).and_then(serde_json::Value::as_f64).unwrap();
    let photos = std::fs::read_dir(kept.join("asked")).unwrap().count() - 1;
    assert_eq!((number("/chosen/gallery"), number("/tapped/queries")), (6.0, photos as f64));
    // Who may tap means the target at least as often as a guess does.
    let on_target = ["chosen", "tapped"].map(|by| number(&format!("/{by}/target_box_recall_50/0")));
    assert!(on_target[0] <= on_target[1] && on_target[1] > 0.5, "{on_target:?}");
}
