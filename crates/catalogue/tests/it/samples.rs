//! A database of each format that was ever released, which must open for ever.
//!
//! `samples/catalogue-1.db` was written by `samples::write_a_sample` of the program that introduced
//! format 1, and so on: `TWINSET_WRITE_SAMPLE=FILE cargo test -p twinset-catalogue --test it samples::`

use std::path::Path;

use twinset_catalogue::{
    Catalogue, CatalogueName, Category, ChangeKind, Condition, Filter, Home, Money, PictureHash, Place,
    Product, ProductPut, Settings,
};

use crate::{picture, put};

const MODEL: [u8; 32] = [9; 32];

fn sample() -> ProductPut {
    let mut sample = put("MT-101", &[1, 2]);
    sample.product = Product {
        group_id: Some("MT".into()),
        brand: Some("Marram & Tide".into()),
        price: Money::parse("89.00", "EUR").ok(),
        condition: Some(Condition::New),
        category: Some(Category { google_id: Some(2271), path: vec!["Apparel".into(), "Dresses".into()] }),
        color: vec!["Sand".into(), "Grün".into()],
        size: vec!["40".into()],
        attributes: [("heel height".to_owned(), vec!["3.5".to_owned()])].into(),
        custom: Some(serde_json::json!({"own": [1, 2.5]})),
        place: Some(Place { lat: 52.0116, lon: 4.3571 }),
        ..sample.product
    };
    sample
}

fn fill(catalogue: &Catalogue) {
    catalogue.put(&[sample(), put("gone", &[3])]).unwrap();
    catalogue.remove(&["gone".into()]).unwrap();
    catalogue.put_features(&MODEL, &[(PictureHash::of(&picture(1, 900)), b"features".to_vec())]).unwrap();
    catalogue.mark_unreadable(&PictureHash::of(&picture(2, 900)), "a reason").unwrap();
}

fn check(catalogue: &Catalogue) {
    let found = catalogue.record("MT-101").unwrap().unwrap();
    let mut expected = sample().product;
    for (image, seed) in expected.images.iter_mut().zip([1, 2]) {
        image.picture = Some(PictureHash::of(&picture(seed, 900)));
    }
    assert_eq!((found.row, found.seq, found.product), (1, 1, expected));
    assert_eq!(catalogue.settings().languages, ["en", "ko"]);
    let changes = catalogue.changes_since(0, 10).unwrap();
    let kinds: Vec<_> = changes.iter().map(|change| (change.seq, change.row, change.kind)).collect();
    assert_eq!(kinds, [(1, 1, ChangeKind::Put), (2, 2, ChangeKind::Put), (3, 2, ChangeKind::Removed)]);
    assert_eq!(catalogue.placements(1).unwrap().iter().map(|p| p.item).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(catalogue.picture(&PictureHash::of(&picture(2, 900))).unwrap().unwrap(), picture(2, 900)[..]);
    assert_eq!(catalogue.features(&PictureHash::of(&picture(1, 900)), &MODEL).unwrap().unwrap(), b"features");
    assert_eq!(catalogue.unreadable().unwrap(), [(PictureHash::of(&picture(2, 900)), "a reason".into())]);
    let filter =
        "color = 'grün' and size > 39 and attributes.'heel height' = 3.5 and within(place, 52, 4.35, 3)";
    assert_eq!(catalogue.select(&Filter::parse(filter).unwrap()).unwrap().iter().collect::<Vec<_>>(), [1]);
    assert!(catalogue.verify().unwrap().is_empty());
}

#[test]
fn samples_of_every_format_open() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::open(folder.path()).unwrap();
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples");
    for format in 1..=3 {
        let name = CatalogueName::parse(&format!("format{format}")).unwrap();
        let inside = folder.path().join("catalogues").join(name.as_str());
        std::fs::create_dir(&inside).unwrap();
        std::fs::copy(samples.join(format!("catalogue-{format}.db")), inside.join("catalogue.db")).unwrap();
        let catalogue = home.open_catalogue(&name).unwrap();
        check(&catalogue);
        // And it is taken further, not only looked at.
        catalogue.put(&[put("MT-102", &[2, 4])]).unwrap();
        assert_eq!(catalogue.record("MT-102").unwrap().unwrap().row, 3);
        catalogue.hide("MT-102", true).unwrap();
        assert!(catalogue.placements(3).unwrap().is_empty());
        assert!(catalogue.verify().unwrap().is_empty());
    }
}

/// What this program writes is what it reads; the way in which samples are made.
#[test]
fn write_a_sample() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::open(folder.path()).unwrap();
    let settings = Settings { languages: vec!["en".into(), "ko".into()], ..Settings::default() };
    let catalogue = home.create(&CatalogueName::parse("sample").unwrap(), settings).unwrap();
    fill(&catalogue);
    check(&catalogue);
    let path = catalogue.dir().join("catalogue.db");
    drop(catalogue);
    if let Some(to) = std::env::var_os("TWINSET_WRITE_SAMPLE") {
        std::fs::copy(path, to).unwrap();
    }
}
