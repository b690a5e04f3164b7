//! Retrieval, detection and categories on a dozen drawn pictures.
use std::path::Path;
use twinset_eval::retrieval::{Baseline, Id, Options, QueryBox, run};
use twinset_eval::{EvalError, Models, category, detection, unwatched};
use twinset_nets::Package;
use twinset_photo::{Photo, encode_png};

fn models() -> Models {
    Models::new(&Package::default_detector(), &Package::default_embedder()).unwrap()
}

/// A ground of one colour with a striped patch of another at `[20, 30, 70, 90]`.
fn picture(patch: [u8; 3], ground: [u8; 3], phase: usize) -> Vec<u8> {
    let rgb = (0..100 * 100).flat_map(|i| {
        let (x, y) = (i % 100, i / 100);
        let inside = (20..70).contains(&x) && (30..90).contains(&y);
        let shade = if ((y + phase) / 5).is_multiple_of(2) { 0 } else { 30 };
        if inside { patch.map(|c| c.saturating_sub(shade)) } else { ground }
    });
    encode_png(&Photo::new(100, 100, rgb.collect()))
}

const COLOURS: [[u8; 3]; 6] =
    [[220, 30, 30], [30, 200, 40], [40, 60, 220], [230, 210, 40], [160, 40, 180], [40, 200, 200]];

/// `shop`: one clean picture a product. `street`: two photos of each on other grounds, with the box.
fn sets(dir: &Path) {
    let (shop, street) = (dir.join("shop"), dir.join("street"));
    let mut shop_rows = String::from("file,split,item_id,category,view\n");
    let mut street_rows = String::from("file,split,item_id,category,view,boxes,source\n");
    std::fs::create_dir_all(&shop).unwrap();
    std::fs::create_dir_all(&street).unwrap();
    for (i, colour) in COLOURS.into_iter().enumerate() {
        std::fs::write(shop.join(format!("p{i}.png")), picture(colour, [250; 3], 0)).unwrap();
        shop_rows += &format!("p{i}.png,val,P{i},dress,main\n");
        for (view, ground) in [("same-view", [90, 90, 80]), ("cross-view", [200, 180, 150])] {
            let file = format!("q{i}-{view}.png");
            std::fs::write(street.join(&file), picture(colour, ground, 2)).unwrap();
            let boxes = "\"[[20,30,70,90,\"\"dress\"\"]]\"";
            street_rows += &format!("{file},val,P{i},street,{view},{boxes},\n");
        }
    }
    std::fs::write(street.join("broken.png"), b"no picture").unwrap();
    street_rows += "broken.png,val,P1,street,same-view,,\n";
    std::fs::write(street.join("stranger.png"), picture([10; 3], [240; 3], 0)).unwrap();
    street_rows += "stranger.png,val,P99,street,same-view,,\n";
    std::fs::write(shop.join("manifest.csv"), shop_rows).unwrap();
    std::fs::write(street.join("manifest.csv"), street_rows).unwrap();
}

fn options(dir: &Path) -> Options {
    let mut options = Options::new(dir.join("street"), vec![dir.join("shop")]);
    options.query_split = Some("val".to_owned());
    options.gallery_split = Some("val".to_owned());
    options.query_box = QueryBox::Given;
    options
}

#[test]
fn a_report_has_the_promised_shape_and_lists_what_was_left_out() {
    let dir = tempfile::tempdir().unwrap();
    sets(dir.path());
    let mut options = options(dir.path());
    options.per_query = Some(dir.path().join("single.jsonl"));
    let report = run(&options, &models(), &unwatched).unwrap();
    assert_eq!((report.queries, report.queries_without_answer, report.gallery), (12, 1, 6));
    assert_eq!(report.unreadable.len(), 1);
    assert_eq!(report.unreadable[0].picture, "street/broken.png");

    let json = serde_json::to_value(&report).unwrap();
    for pointer in
        ["/recall/1/0", "/recall/20/2", "/map/0", "/precision_at_10/0", "/mrr/0", "/ms_per_query/total"]
    {
        assert!(json.pointer(pointer).is_some_and(serde_json::Value::is_number), "{pointer}: {json}");
    }
    assert_eq!(json["by_view"]["cross-view"]["queries"], 6);
    assert!(json["by_view"]["cross-view"]["recall"]["1"].is_array());
    assert!(json["baselines"]["colour_histogram"]["recall"]["1"].is_array());
    assert!(json["baselines"]["random_weights"]["recall"]["10"].is_array());
    assert!(json["target_box_recall_50"].is_array());
    let recall = |k: &str| json["recall"][k][0].as_f64().unwrap();
    assert!(recall("1") <= recall("5") && recall("10") == 1.0, "six products: all are among the first ten");

    let lines = std::fs::read_to_string(options.per_query.unwrap()).unwrap();
    assert_eq!(lines.lines().count(), 13);
    let first: serde_json::Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!((first["product"].as_str(), first["hits"].as_array().map(Vec::len)), (Some("P0"), Some(6)));
    assert_eq!(first["box"], serde_json::json!([20.0, 30.0, 50.0, 60.0]));
}

#[test]
fn colours_alone_find_products_of_plain_colours_in_the_right_box() {
    let dir = tempfile::tempdir().unwrap();
    sets(dir.path());
    let mut options = options(dir.path());
    options.baselines = vec![Baseline::ColourHistogram];
    let report = run(&options, &models(), &unwatched).unwrap();
    assert!(report.baselines["colour_histogram"].scores.recall.at(5).unwrap()[0] > 0.8);
}

#[test]
fn leave_one_out_never_finds_the_query_itself() {
    let dir = tempfile::tempdir().unwrap();
    sets(dir.path());
    let mut options = options(dir.path());
    options.gallery.clear();
    options.leave_one_out = true;
    options.id = Id::Category;
    options.per_query = Some(dir.path().join("single.jsonl"));
    let report = run(&options, &models(), &unwatched).unwrap();
    assert_eq!((report.queries, report.gallery), (13, 13));
    assert_eq!(report.scores.recall.at(1).unwrap()[0], 1.0, "one category only");
    let lines = std::fs::read_to_string(options.per_query.unwrap()).unwrap();
    for line in lines.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let hits = line["hits"].as_array().unwrap();
        assert!(hits.iter().all(|hit| hit["picture"] != line["query"]), "{line}");
    }
}

#[test]
fn distractors_are_nobodys_answer() {
    let dir = tempfile::tempdir().unwrap();
    sets(dir.path());
    // The same ids stand in a foreign set: they must not count as found.
    std::fs::create_dir(dir.path().join("foreign")).unwrap();
    for entry in std::fs::read_dir(dir.path().join("shop")).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, dir.path().join("foreign").join(path.file_name().unwrap())).unwrap();
    }
    let mut options = options(dir.path());
    options.baselines.clear();
    options.distractors = vec![(dir.path().join("foreign"), Some("val".to_owned()))];
    let report = run(&options, &models(), &unwatched).unwrap();
    assert_eq!((report.queries, report.gallery, report.distractors), (12, 12, 6));
    let alone = run(&Options { distractors: Vec::new(), ..options }, &models(), &unwatched).unwrap();
    assert!(report.scores.mrr.unwrap()[0] <= alone.scores.mrr.unwrap()[0]);
}

#[test]
fn wrong_splits_and_ids_are_told() {
    let dir = tempfile::tempdir().unwrap();
    sets(dir.path());
    let mut options = options(dir.path());
    options.gallery_split = Some("test".to_owned());
    let told = run(&options, &models(), &unwatched).unwrap_err();
    assert!(matches!(&told, EvalError::EmptySplit { found, .. } if found == "val"), "{told}");
}

#[test]
fn detection_and_categories_are_reported_in_their_shapes() {
    let dir = tempfile::tempdir().unwrap();
    sets(dir.path());
    let options =
        detection::Options { data: dir.path().join("street"), split: Some("val".to_owned()), seed: 1 };
    let report = serde_json::to_value(detection::run(&options, &models(), &unwatched).unwrap()).unwrap();
    assert_eq!((report["images"].as_u64(), report["boxes"].as_u64()), (Some(13), Some(12)));
    for pointer in
        ["/ap", "/ap50", "/ap75", "/class_agnostic/ap50", "/class_agnostic/recall50", "/ms_per_image"]
    {
        assert!(report.pointer(pointer).is_some_and(serde_json::Value::is_number), "{pointer}: {report}");
    }
    assert_eq!(report["per_category"]["dress"]["boxes"], 12);

    let options = category::Options { data: dir.path().join("shop"), split: None, seed: 1 };
    let report = category::run(&options, &models(), &unwatched).unwrap();
    assert_eq!((report.samples, report.baselines["majority"]), (6, [1.0; 3]));
    let options = category::Options { data: dir.path().join("street"), split: None, seed: 1 };
    assert_eq!(category::run(&options, &models(), &unwatched).unwrap().unmapped_labels["street"], 2);
}
