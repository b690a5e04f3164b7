//! Public data sets by name, laid out as their makers do, with a few lines each.
use std::path::Path;
use twinset_dataset::{DataSet, DatasetError, PublicSet};

fn write(dir: &Path, name: &str, text: &str) {
    let path = dir.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// `file, split, item, view, box` of each row.
fn rows(set: PublicSet, dir: &Path) -> Vec<String> {
    let opened = DataSet::open(&set.address(dir)).unwrap();
    let row = |row: &twinset_dataset::Row| {
        let boxes: Vec<String> = row
            .boxes
            .iter()
            .map(|b| format!("{} {}..{} {}..{}", b.label(), b.rect.x, b.rect.x1(), b.rect.y, b.rect.y1()))
            .collect();
        format!("{} {} {} {} [{}]", row.file, row.split, row.item_id, row.view, boxes.join("; "))
    };
    opened.rows().iter().map(row).collect()
}

fn told(set: PublicSet, dir: &Path) -> DatasetError {
    DataSet::open(&set.address(dir)).unwrap_err()
}

#[test]
fn lists_become_rows() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);

    let in_shop = at("in-shop");
    write(
        &in_shop,
        "Eval/list_eval_partition.txt",
        "2\nimage_name item_id evaluation_status\n\
         img/WOMEN/Dresses/id_00000002/02_1_front.jpg   id_00000002  query\n\
         img/MEN/Denim/id_00000080/01_7_additional.jpg  id_00000080  gallery\n",
    );
    write(
        &in_shop,
        "Anno/list_bbox_inshop.txt",
        "1\nimage_name clothes_type pose_type x_1 y_1 x_2 y_2\n\
         img/WOMEN/Dresses/id_00000002/02_1_front.jpg 3 1 050 049 208 253\n",
    );
    assert_eq!(
        rows(PublicSet::InShop, &in_shop),
        [
            "img/WOMEN/Dresses/id_00000002/02_1_front.jpg query id_00000002 front [item 50..208 49..253]",
            "img/MEN/Denim/id_00000080/01_7_additional.jpg gallery id_00000080 additional []",
        ]
    );
    let opened = DataSet::open(&PublicSet::InShop.address(&in_shop)).unwrap();
    assert_eq!((opened.name().as_str(), opened.rows()[0].category.as_str()), ("in-shop", "Dresses"));

    let consumer = at("consumer");
    std::fs::create_dir_all(consumer.join("Img/img")).unwrap();
    write(
        &consumer,
        "Eval/list_eval_partition.txt",
        "2\nimage_pair_name_1 image_pair_name_2 item_id evaluation_status\n\
         img/DRESSES/Dress/id_1/comsumer_01.jpg img/DRESSES/Dress/id_1/shop_01.jpg id_1 test\n\
         img/DRESSES/Dress/id_1/comsumer_02.jpg img/DRESSES/Dress/id_1/shop_01.jpg id_1 test\n",
    );
    assert_eq!(
        rows(PublicSet::ConsumerToShop, &consumer),
        [
            "Img/img/DRESSES/Dress/id_1/comsumer_01.jpg test id_1 consumer []",
            "Img/img/DRESSES/Dress/id_1/shop_01.jpg test id_1 shop []",
            "Img/img/DRESSES/Dress/id_1/comsumer_02.jpg test id_1 consumer []",
        ]
    );

    let fashion = at("deepfashion2");
    write(
        &fashion,
        "validation/annos/000001.json",
        r#"{"source": "user", "pair_id": 7,
            "item1": {"category_name": "short sleeve dress", "bounding_box": [1, 2, 30, 40], "style": 1},
            "item2": {"category_name": "sling", "bounding_box": [5, 6, 7, 8], "style": 0}}"#,
    );
    let expected = [
        "image/000001.jpg query 7-1 user [dress 1..30 2..40]",
        "image/000001.jpg validation  user [dress 1..30 2..40; top 5..7 6..8]",
    ];
    assert_eq!(rows(PublicSet::DeepFashion2, &fashion.join("validation")), expected);
    let whole = expected.map(|row| format!("validation/{row}"));
    assert_eq!(rows(PublicSet::DeepFashion2, &fashion), whole);

    let products = at("products");
    let head = "image_id class_id super_class_id path\n";
    write(&products, "Ebay_train.txt", &format!("{head}1 1 1 bicycle_final/111_0.JPG\n"));
    write(&products, "Ebay_test.txt", &format!("{head}2 9 2 chair_final/222_0.JPG\n"));
    assert_eq!(
        rows(PublicSet::StanfordOnlineProducts, &products),
        ["bicycle_final/111_0.JPG train 1  []", "chair_final/222_0.JPG test 9  []"]
    );

    let grocery = at("grocery");
    write(
        &grocery,
        "dataset/classes.csv",
        "Class Name (str),Class ID (int),Coarse Class Name (str),Coarse Class ID (int),Iconic Image Path (str),\
         Product Description Path (str)\nGolden-Delicious,0,Apple,0,/iconic/Golden.jpg,/iconic/Golden.txt\n",
    );
    for split in ["train", "val", "test"] {
        write(&grocery, &format!("dataset/{split}.txt"), &format!("{split}/Fruit/Apple/1.jpg, 0, 0\n"));
    }
    assert_eq!(
        rows(PublicSet::GroceryStore, &grocery),
        [
            "dataset/iconic/Golden.jpg iconic Golden-Delicious iconic []",
            "dataset/train/Fruit/Apple/1.jpg train Golden-Delicious natural []",
            "dataset/val/Fruit/Apple/1.jpg val Golden-Delicious natural []",
            "dataset/test/Fruit/Apple/1.jpg test Golden-Delicious natural []",
        ]
    );
}

#[test]
fn what_is_not_laid_out_so_is_told() {
    let dir = tempfile::tempdir().unwrap();
    for set in PublicSet::ALL {
        let error = told(set, &dir.path().join("nowhere"));
        assert!(matches!(error, DatasetError::NotLaidOut { .. }), "{error}");
        assert!(error.to_string().contains(set.name()), "{error}");
    }
    let list = "Eval/list_eval_partition.txt";
    let line = |text: &str| {
        write(dir.path(), list, &format!("1\nimage_name item_id evaluation_status\n{text}\n"));
        told(PublicSet::InShop, dir.path())
    };
    assert!(matches!(line("img/a.jpg id_1"), DatasetError::BadManifest { line: 3, .. }));
    assert!(matches!(line("../../etc/passwd id_1 query"), DatasetError::Outside { line: 3, .. }));
    write(dir.path(), "Anno/list_bbox_inshop.txt", "1\nhead\nimg/a.jpg 1 1 2 3 4 five\n");
    assert!(matches!(line("img/a.jpg id_1 query"), DatasetError::BadManifest { line: 3, .. }));
    write(dir.path(), "annos/1.json", r#"{"source": "shop", "pair_id": 1, "item1": {}}"#);
    let error = told(PublicSet::DeepFashion2, dir.path());
    assert!(error.to_string().contains("item1 has no"), "{error}");
}
