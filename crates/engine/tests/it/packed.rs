//! Feeds with their pictures in one archive.

use crate::drawn::{Fixture, check_finds, picture, settle};
use std::io::Cursor;
use twinset_engine::{Input, Shop, Signal, SyncOptions, SyncReport};

fn sync(shop: &Shop, bytes: Vec<u8>) -> SyncReport {
    let options = SyncOptions { source: "shop".into(), fetch_pictures: false, ..SyncOptions::default() };
    let report = shop
        .sync(Input::Reader(Box::new(Cursor::new(bytes))), &options, &|| Signal::Go, &mut |_| {})
        .unwrap();
    settle(shop);
    report
}

#[test]
fn an_archive_brings_feed_and_pictures_together() {
    let Fixture { shop, engine: _engine, home: _home } = Fixture::with(vec![]);
    let mut feed = "id,title,image_link\n".to_owned();
    // A name in a folder, a name alone, an address; and one that nobody has.
    for (n, link) in
        ["shots/0.png", "1.png", "https://shop.example/media/shots/2.png", "shots/9.png"].iter().enumerate()
    {
        feed += &format!("p{n},Thing {n},{link}\n");
    }
    let mut archive = tar::Builder::new(Vec::new());
    let mut put = |name: &str, bytes: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o600);
        archive.append_data(&mut header, name, bytes).unwrap();
    };
    put("export/feed.csv", feed.as_bytes());
    (0..3).for_each(|n| put(&format!("export/shots/{n}.png"), &picture(n)));
    let bytes = archive.into_inner().unwrap();

    let report = sync(&shop, bytes.clone());
    assert_eq!(
        (report.state.as_str(), report.counts.new, report.pictures.fetched),
        ("succeeded", 4, 3),
        "{report:?}"
    );
    assert_eq!(report.failed_pictures.iter().map(|f| f.product.as_str()).collect::<Vec<_>>(), ["p3"]);
    check_finds(&shop, 0..3);
    let again = sync(&shop, bytes);
    assert_eq!((again.counts.unchanged, again.pictures.fetched), (4, 0), "{again:?}");
}
