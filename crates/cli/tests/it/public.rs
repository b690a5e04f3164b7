//! Public data sets by name, each as a folder of a few drawn pictures laid out as its makers do.

use crate::house::{House, text};
use twinset_synth::{catalogue_product, query_photo};

/// Two pictures of each of three products.
fn pictures() -> Vec<[Vec<u8>; 2]> {
    let two = |index| [catalogue_product(7, index).pictures.remove(0).1, query_photo(7, index)];
    (0..3).map(two).collect()
}

#[test]
fn every_set_is_measured_by_its_name() {
    let house = House::new();
    let of = |set: &str, name: &str, bytes: &[u8]| drop(house.write(&format!("{set}/{name}"), bytes));
    let head = "image_name item_id evaluation_status\n";
    let (mut in_shop, mut consumer) = (format!("6\n{head}"), format!("3\n{head}"));
    let products = "image_id class_id super_class_id path\n";
    let (mut online, mut classes) = (products.to_owned(), "name,id,coarse,id,iconic,text\n".to_owned());
    let (mut train, mut test) = (String::new(), String::new());
    for (n, [shown, asked]) in pictures().iter().enumerate() {
        for (name, bytes, split) in [("02_1_front.jpg", shown, "gallery"), ("01_3_back.jpg", asked, "query")]
        {
            let file = format!("img/WOMEN/Tees/id_{n}/{name}");
            of("in-shop", &file, bytes);
            in_shop += &format!("{file} id_{n} {split}\n");
        }
        let pair = ["comsumer_01.jpg", "shop_01.jpg"].map(|name| format!("img/TOPS/Tee/id_{n}/{name}"));
        of("consumer-to-shop", &pair[0], asked);
        of("consumer-to-shop", &pair[1], shown);
        consumer += &format!("{} {} id_{n} test\n", pair[0], pair[1]);
        for (source, bytes, number) in [("user", asked, 2 * n), ("shop", shown, 2 * n + 1)] {
            let annotation = format!(
                r#"{{"source":"{source}","pair_id":{n},"item1":{{"category_name":"short sleeve top","bounding_box":[40,40,400,500],"style":1}}}}"#
            );
            of("deepfashion2", &format!("validation/image/{number:06}.jpg"), bytes);
            of("deepfashion2", &format!("validation/annos/{number:06}.json"), annotation.as_bytes());
        }
        for (i, bytes) in [shown, asked].into_iter().enumerate() {
            of("stanford-online-products", &format!("chair_final/{n}_{i}.JPG"), bytes);
            online += &format!("{} {n} 1 chair_final/{n}_{i}.JPG\n", 2 * n + i);
        }
        of("grocery-store", &format!("dataset/train/{n}.jpg"), shown);
        of("grocery-store", &format!("dataset/test/{n}.jpg"), asked);
        classes += &format!("Apple-{n},{n},Apple,0,/iconic/{n}.jpg,/iconic/{n}.txt\n");
        train += &format!("train/{n}.jpg, {n}, 0\n");
        test += &format!("test/{n}.jpg, {n}, 0\n");
    }
    of("in-shop", "Eval/list_eval_partition.txt", in_shop.as_bytes());
    of("consumer-to-shop", "Eval/list_eval_partition.txt", consumer.as_bytes());
    of("stanford-online-products", "Ebay_train.txt", products.as_bytes());
    of("stanford-online-products", "Ebay_test.txt", online.as_bytes());
    for (name, list) in
        [("classes.csv", &classes), ("train.txt", &train), ("val.txt", &String::new()), ("test.txt", &test)]
    {
        of("grocery-store", &format!("dataset/{name}"), list.as_bytes());
    }

    for (set, queries, gallery) in [
        ("in-shop", 3, 3),
        ("consumer-to-shop", 3, 3),
        ("deepfashion2", 3, 3),
        ("stanford-online-products", 6, 6),
        ("grocery-store", 3, 3),
    ] {
        let folder = house.path(set);
        let args = ["eval", "public", set, text(&folder), "--baselines", "none", "--json", "--quiet"];
        let report = house.run(&args).ended(0).json();
        let found = &report["retrieval"];
        assert_eq!(report["set"], set);
        assert_eq!(
            (&found["queries"], &found["gallery"]),
            (&queries.into(), &gallery.into()),
            "{set}: {found}"
        );
        assert!(found["recall"]["1"][0].as_f64().is_some_and(|r| (0.0..=1.0).contains(&r)), "{set}: {found}");
        // All three products stand among the first five.
        assert_eq!(found["recall"]["5"][0], 1.0, "{set}: {found}");
        assert_eq!(report["detection"]["boxes"].as_u64(), (set == "deepfashion2").then_some(6), "{set}");
    }
    let told = house.run(&["eval", "public", "in-shop", text(&house.path("nowhere"))]).ended(1).stderr();
    assert!(told.contains("list_eval_partition.txt") && told.contains("makers lay it out"), "{told}");
    let told = house.run(&["eval", "public", "imagenet", text(&house.path("in-shop"))]).ended(2).stderr();
    assert!(told.contains("stanford-online-products"), "{told}");
    // A picture that is not there is told, and the others are measured.
    std::fs::remove_file(house.path("in-shop/img/WOMEN/Tees/id_0/01_3_back.jpg")).unwrap();
    let folder = house.path("in-shop");
    let args = ["eval", "public", "in-shop", text(&folder), "--baselines", "none", "--json"];
    let left = house.run(&args).ended(3);
    assert!(left.stderr().contains("id_0"), "{}", left.stderr());
    assert_eq!(left.json()["retrieval"]["queries"], 2);
}
