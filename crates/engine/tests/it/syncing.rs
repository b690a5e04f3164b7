//! A catalogue becomes what a feed says, over a shop's server on this machine.

use crate::drawn::{Fixture, check_finds, ids, numbered, open, picture, request, settle, shop_of};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Cursor, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use twinset_catalogue::{Availability, SyncState};
use twinset_engine::{Fate, Input, Missing, Shop, Signal, SyncOptions, SyncReport};
use twinset_fetch::Policy;

/// Pages of a shop by path: body and `ETag`. A path that is not there is 404.
struct Web {
    address: String,
    pages: Arc<Mutex<HashMap<String, (Vec<u8>, String)>>>,
    /// Bodies sent, for pictures only.
    sent: Arc<AtomicUsize>,
}

impl Web {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let pages: Arc<Mutex<HashMap<String, (Vec<u8>, String)>>> = Arc::default();
        let sent = Arc::new(AtomicUsize::new(0));
        let (served, counted) = (pages.clone(), sent.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (served, counted) = (served.clone(), counted.clone());
                std::thread::spawn(move || {
                    let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
                    while let Some(first) = lines.next() {
                        let headers: Vec<String> = lines
                            .by_ref()
                            .take_while(|line| !line.is_empty())
                            .map(|line| line.to_lowercase())
                            .collect();
                        let path = first.split(' ').nth(1).unwrap_or("/").to_owned();
                        let page = served.lock().unwrap().get(&path).cloned();
                        let answer = match page {
                            None => b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_vec(),
                            Some((_, etag))
                                if headers.iter().any(|h| *h == format!("if-none-match: {etag}")) =>
                            {
                                b"HTTP/1.1 304 Not Modified\r\n\r\n".to_vec()
                            }
                            Some((body, etag)) => {
                                counted.fetch_add(usize::from(path.ends_with(".png")), Ordering::SeqCst);
                                let head = format!(
                                    "HTTP/1.1 200 OK\r\netag: {etag}\r\ncontent-length: {}\r\n\r\n",
                                    body.len()
                                );
                                [head.into_bytes(), body].concat()
                            }
                        };
                        if (&stream).write_all(&answer).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { address, pages, sent }
    }

    fn put(&self, path: &str, body: impl Into<Vec<u8>>, version: u32) {
        self.pages.lock().unwrap().insert(path.into(), (body.into(), format!("\"v{version}\"")));
    }

    /// The pictures of products 0.. under `/N.png`.
    fn with_pictures(self, n: u32) -> Self {
        (0..n).for_each(|i| self.put(&format!("/{i}.png"), picture(i), 1));
        self
    }

    /// A Merchant table of these products, with their usual titles and a price.
    fn table(&self, products: impl IntoIterator<Item = u32>, price: u32) -> String {
        let row = |n: u32| format!("p{n}\tThing p{n}\t{}/{n}.png\t{price}.00 EUR\tin stock\n", self.address);
        "id\ttitle\timage_link\tprice\tavailability\n".to_owned()
            + &products.into_iter().map(row).collect::<String>()
    }
}

fn options() -> SyncOptions {
    let allow = vec!["127.0.0.1".parse().unwrap()];
    SyncOptions {
        policy: Policy {
            allow,
            retries: 0,
            backoff: Duration::from_millis(1),
            connect: Duration::from_secs(5),
            ..Policy::default()
        },
        fetches: 4,
        ..SyncOptions::default()
    }
}

fn sync_with(shop: &Shop, text: &str, options: &SyncOptions) -> SyncReport {
    let input = Input::Reader(Box::new(Cursor::new(text.to_owned().into_bytes())));
    shop.sync(input, options, &|| Signal::Go, &mut |_| {}).unwrap()
}

fn sync(shop: &Shop, text: &str) -> SyncReport {
    sync_with(shop, text, &options())
}

#[track_caller]
fn check(report: &SyncReport, state: &str, new: u64, changed: u64, unchanged: u64, gone: u64) {
    let c = report.counts;
    assert_eq!(
        (report.state.as_str(), c.new, c.changed, c.unchanged, c.gone),
        (state, new, changed, unchanged, gone),
        "{report:#?}"
    );
}

fn computed(shop: &Shop) -> u64 {
    shop.index_status().unwrap().computed
}

#[test]
fn only_what_changed_is_computed_again() {
    let Fixture { shop, .. } = &Fixture::with(vec![]);
    let web = Web::new().with_pictures(8);
    let first = sync(shop, &web.table(0..8, 10));
    check(&first, "succeeded", 8, 0, 0, 0);
    assert_eq!((first.pictures.fetched, computed(shop)), (8, 8));
    check_finds(shop, 0..8);

    // The same again costs a hash a row; another price touches no picture.
    check(&sync(shop, &web.table(0..8, 10)), "succeeded", 0, 0, 8, 0);
    let dearer = sync(shop, &web.table(0..8, 11));
    check(&dearer, "succeeded", 0, 8, 0, 0);
    assert_eq!((dearer.pictures.fetched, web.sent.load(Ordering::SeqCst), computed(shop)), (0, 8, 8));
    let product = shop.catalogue().get("p3").unwrap().unwrap();
    assert_eq!(
        (product.price.unwrap().to_string().as_str(), product.availability),
        ("11.00 EUR", Availability::InStock)
    );
    assert!(product.images[0].picture.is_some() && product.source.as_deref() == Some("feed"));

    // A product that was changed by hand is what the feed says again; one that is gone is gone.
    shop.remove(&["p1".into()]).unwrap();
    check(&sync(shop, &web.table(0..8, 11)), "succeeded", 1, 0, 7, 0);
    assert_eq!((web.sent.load(Ordering::SeqCst), computed(shop)), (8, 8), "its picture was known");
    check(&sync(shop, &web.table(0..7, 11)), "succeeded", 0, 0, 7, 1);
    settle(shop);
    assert!(!ids(&shop.search(&request(7)).unwrap()).contains(&"p7"));
    check_finds(shop, 0..7);
}

#[test]
fn a_picture_is_known_by_its_bytes() {
    let Fixture { shop, .. } = &Fixture::with(vec![]);
    let web = Web::new().with_pictures(4);
    // The same bytes at another address are the same picture.
    web.put("/copy.png", picture(0), 1);
    let table = web.table(0..4, 10) + &format!("p9\tCopy\t{}/copy.png\t10.00 EUR\tin stock\n", web.address);
    sync(shop, &table);
    assert_eq!((computed(shop), shop.catalogue().count().unwrap().pictures), (4, 4));
    // Asked again, three are as they were and one has changed behind its address.
    web.put("/2.png", picture(42), 2);
    let again = sync_with(shop, &table, &SyncOptions { recheck: true, ..options() });
    assert_eq!((again.pictures.fetched, again.pictures.not_modified, again.counts.unchanged), (1, 4, 5));
    settle(shop);
    assert_eq!(ids(&shop.search(&request(42)).unwrap())[0], "p2");
    check(&sync(shop, &table), "succeeded", 0, 0, 5, 0);
}

#[test]
fn a_dead_picture_host_blocks_nothing_and_is_asked_again() {
    let Fixture { shop, .. } = &Fixture::with(vec![]);
    let web = Web::new().with_pictures(3);
    let dead = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    web.put("/page.png", "<!doctype html><html>hot-linking is not nice</html>", 1);
    let table = web.table(0..3, 10)
        + &format!(
            "d1\tDead\thttp://{dead}/1.png\t\t\nd2\tNot there\t{0}/none.png\t\t\nd3\tA page\t{0}/page.png\t\t\nd4\tPrivate\thttp://10.0.0.1/x.png\t\t\n",
            web.address
        );
    let report = sync(shop, &table);
    check(&report, "succeeded", 7, 0, 0, 0);
    assert_eq!((report.pictures.fetched, report.pictures.failed, report.failed_pictures.len()), (3, 4, 4));
    let reason = |id: &str| report.failed_pictures.iter().find(|f| f.product == id).unwrap().reason.clone();
    assert!(
        reason("d2").contains("404")
            && reason("d3").contains("no picture")
            && reason("d4").contains("not a public address")
    );
    check_finds(shop, 0..3);
    // At the next sync what failed is tried again, although no row has changed.
    web.put("/none.png", picture(50), 1);
    let again = sync(shop, &table);
    assert_eq!((again.counts.unchanged, again.pictures.fetched, again.pictures.failed), (7, 1, 3));
    settle(shop);
    assert_eq!(ids(&shop.search(&request(50)).unwrap())[0], "d2");
}

#[test]
fn the_guard_asks_before_much_vanishes() {
    let Fixture { shop, .. } = &Fixture::with(vec![numbered(100)]);
    let web = Web::new().with_pictures(10);
    sync(shop, &web.table(0..10, 10));
    let report = sync(shop, &web.table(0..5, 10));
    check(&report, "needs_approval", 0, 0, 5, 5);
    assert_eq!(
        (report.approval.as_ref().map(|a| (a.gone, a.of)), shop.catalogue().count().unwrap().products),
        (Some((5, 10)), 11)
    );
    let keep = sync_with(shop, &web.table(0..5, 10), &SyncOptions { missing: Missing::Keep, ..options() });
    assert_eq!((keep.state.as_str(), keep.kept), ("succeeded", 5));
    // A feed that was cut off deletes nothing, whatever is asked.
    let lines = "{\"id\":\"p0\",\"images\":[]}\n{\"id\":\"p";
    let cut = sync_with(shop, lines, &SyncOptions { missing: Missing::Remove, ..options() });
    assert!(cut.partial.is_some() && cut.state == "needs_approval");
    assert_eq!(shop.catalogue().count().unwrap().products, 11);
    let told = sync_with(shop, &web.table(0..5, 10), &SyncOptions { missing: Missing::Remove, ..options() });
    assert_eq!((told.state.as_str(), told.counts.gone), ("succeeded", 5));
    // What another brought is none of this source's business.
    assert!(shop.catalogue().get("p100").unwrap().is_some());
    assert_eq!(shop.catalogue().count().unwrap().products, 6);
}

#[test]
fn a_dry_run_tells_everything_and_changes_nothing() {
    let Fixture { shop, .. } = &Fixture::with(vec![]);
    let web = Web::new().with_pictures(5);
    sync(shop, &web.table(0..4, 10));
    let before = shop.catalogue().last_seq().unwrap();
    let text = web.table(1..5, 10).replace("Thing p2", "Thing two") + "\tno id\t\t\t\n";
    let dry = sync_with(shop, &text, &SyncOptions { dry_run: true, ..options() });
    check(&dry, "succeeded", 1, 1, 2, 1);
    assert_eq!((dry.counts.skipped, dry.findings["missing_id"].rows.clone(), dry.run), (1, vec![6], 0));
    // Which products, and what of them.
    let told: Vec<_> = dry.diff.iter().map(|one| (one.product.as_str(), one.fate)).collect();
    assert_eq!(told, [("p2", Fate::Changed), ("p4", Fate::New), ("p0", Fate::Gone)]);
    let title = ["Thing p2".into(), "Thing two".into()];
    assert_eq!(dry.diff[0].claims, [("title".to_owned(), title)].into());
    assert_eq!(shop.catalogue().last_seq().unwrap(), before);
    assert_eq!(shop.sync_state().unwrap().runs(Some("feed"), 10).unwrap().len(), 1);
    check(&sync(shop, &text), "succeeded", 1, 1, 2, 1);
}

#[test]
fn doubled_ids_new_ids_and_placeholders_are_told() {
    let Fixture { shop, .. } = &Fixture::with(vec![]);
    let web = Web::new().with_pictures(4);
    let doubled = web.table([0, 1], 10)
        + &format!(
            "p0\tThe last\t{0}/0.png\t10.00 EUR\tin stock\nP1\tOther case\t{0}/2.png\t10.00 EUR\tin stock\n",
            web.address
        );
    let report = sync(shop, &doubled);
    assert_eq!(shop.catalogue().get("p0").unwrap().unwrap().title.as_deref(), Some("The last"));
    assert_eq!((report.findings["duplicate_id"].count, report.findings["similar_id"].count), (1, 1));
    // The same again writes nothing, although one id says two things.
    let before = shop.catalogue().last_seq().unwrap();
    sync(shop, &doubled);
    assert_eq!(shop.catalogue().last_seq().unwrap(), before);
    // And when the second row goes, the first one counts.
    sync_with(shop, &web.table([0, 1], 10), &SyncOptions { missing: Missing::Remove, ..options() });
    assert_eq!(shop.catalogue().get("p0").unwrap().unwrap().title.as_deref(), Some("Thing p0"));
    // A product under a new id is the same product: told, and nothing is fetched or computed.
    let (sent, seen) = (web.sent.load(Ordering::SeqCst), computed(shop));
    let renamed = sync(shop, &web.table([0, 1], 10).replace("\np1\t", "\nnew-1\t"));
    assert_eq!((renamed.state.as_str(), renamed.findings["id_changed"].count), ("succeeded", 1));
    assert_eq!((web.sent.load(Ordering::SeqCst), computed(shop)), (sent, seen));
    // One picture under many products stands for none of them.
    let rows: String = (0..12).map(|n| format!("x{n}\tNo image\t{}/3.png\t\t\n", web.address)).collect();
    let report = sync_with(
        shop,
        &(web.table([0], 10) + &rows),
        &SyncOptions { placeholder_over: 10, missing: Missing::Keep, ..options() },
    );
    assert_eq!(report.findings["placeholder_image"].count, 1);
    settle(shop);
    assert!(ids(&shop.search(&request(3)).unwrap()).iter().all(|id| !id.starts_with('x')));
}

#[test]
fn a_sync_that_dies_or_is_stopped_is_finished_by_the_next() {
    let Fixture { shop, engine, home } = Fixture::with(vec![]);
    let web = Web::new().with_pictures(30);
    let text = web.table(0..30, 10);
    let asked = AtomicUsize::new(0);
    let input = Input::Reader(Box::new(Cursor::new(text.clone().into_bytes())));
    let stop = || if asked.fetch_add(1, Ordering::SeqCst) > 6 { Signal::Stop } else { Signal::Go };
    let report = shop.sync(input, &options(), &stop, &mut |_| {}).unwrap();
    assert_eq!(report.state, "cancelled");
    drop((shop, engine));
    let engine = open(home.path());
    let shop = shop_of(&engine);
    let report = sync(&shop, &text);
    assert_eq!((report.state.as_str(), report.pictures.failed), ("succeeded", 0));
    settle(&shop);
    check_finds(&shop, (0..30).step_by(7));
    // Without its memory a sync compares with the catalogue, and asks for nothing that is there.
    let sent = web.sent.load(Ordering::SeqCst);
    let dir = shop.catalogue().dir().to_path_buf();
    drop((shop, engine));
    for name in ["sync.db", "sync.db-wal", "sync.db-shm"] {
        let _ = std::fs::write(dir.join(name), "not a database at all, whatever it was before");
    }
    let engine = open(home.path());
    let shop = shop_of(&engine);
    check(&sync(&shop, &text), "succeeded", 0, 0, 30, 0);
    assert_eq!(web.sent.load(Ordering::SeqCst), sent);
    assert!(dir.join("sync.db.damaged-1").exists());
}

#[test]
fn one_run_of_a_source_at_a_time() {
    let Fixture { shop, .. } = &Fixture::with(vec![]);
    let inner = AtomicUsize::new(0);
    let text = Web::new().table(0..2, 1);
    let input = |text: &str| Input::Reader(Box::new(Cursor::new(text.to_owned().into_bytes())));
    shop.sync(input(&text), &SyncOptions { fetch_pictures: false, ..options() }, &|| Signal::Go, &mut |_| {
        if inner.fetch_add(1, Ordering::SeqCst) == 0 {
            assert!(shop.sync(input(&text), &options(), &|| Signal::Go, &mut |_| {}).is_err());
        }
    })
    .unwrap();
    assert!(inner.into_inner() > 0);
}

#[test]
fn feeds_come_from_addresses() {
    let Fixture { shop, .. } = &Fixture::with(vec![]);
    let web = Web::new().with_pictures(6);
    web.put("/feed.tsv", web.table(0..3, 10), 1);
    let from = |path: &str, options: &SyncOptions| {
        shop.sync(Input::Address(format!("{}{path}", web.address)), options, &|| Signal::Go, &mut |_| {})
            .unwrap()
    };
    check(&from("/feed.tsv", &options()), "succeeded", 3, 0, 0, 0);
    let again = from("/feed.tsv", &options());
    assert!(again.not_modified && again.counts.seen == 0 && again.counts.gone == 0);
    assert_eq!(from("/none.tsv", &options()).state, "failed");
    // Pages of a shop, one of which cannot be had: nothing counts as gone.
    let page = |n: u32| {
        format!(
            "<html><script type=\"application/ld+json\">{{\"@type\":\"Product\",\"sku\":\"s{n}\",\"name\":\"n\",\"image\":\"/{n}.png\"}}</script></html>"
        )
    };
    web.put("/p/4", page(4), 1);
    web.put("/p/5", page(5), 1);
    let map = |pages: &[&str]| {
        format!(
            "<urlset>{}</urlset>",
            pages.iter().map(|p| format!("<url><loc>{}{p}</loc></url>", web.address)).collect::<String>()
        )
    };
    web.put("/sitemap.xml", map(&["/p/4", "/p/5"]), 1);
    let pages = SyncOptions { source: "pages".into(), ..options() };
    check(&from("/sitemap.xml", &pages), "succeeded", 2, 0, 0, 0);
    web.put("/sitemap.xml", map(&["/p/4", "/p/6"]), 2);
    let lost = from("/sitemap.xml", &pages);
    assert!(lost.partial.is_some() && lost.state == "needs_approval");
    settle(shop);
    assert_eq!(ids(&shop.search(&request(5)).unwrap())[0], "s5");
    // products.json comes in pages until one is empty.
    let product = |n: u32| {
        format!(
            "{{\"products\":[{{\"id\":{n},\"handle\":\"h\",\"variants\":[{{\"id\":{n}1,\"price\":\"1.00\"}}],\"images\":[]}}]}}"
        )
    };
    web.put("/products.json?limit=250&page=1", product(1), 1);
    web.put("/products.json?limit=250&page=2", product(2), 1);
    web.put("/products.json?limit=250&page=3", "{\"products\":[]}", 1);
    check(
        &from("/products.json", &SyncOptions { source: "shopify".into(), ..options() }),
        "succeeded",
        2,
        0,
        0,
        0,
    );
}

#[test]
fn pictures_lie_beside_the_feed() {
    let Fixture { shop, .. } = &Fixture::with(vec![]);
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("shop.example/img")).unwrap();
    std::fs::write(folder.path().join("shop.example/img/0.png"), picture(0)).unwrap();
    std::fs::write(folder.path().join("1.png"), picture(1)).unwrap();
    let text =
        "id,title,image_link\np0,a,https://shop.example/img/0.png\np1,b,1.png\np2,c,../../../../etc/passwd\n";
    let report = sync_with(
        shop,
        text,
        &SyncOptions { pictures: Some(folder.path().into()), fetch_pictures: false, ..options() },
    );
    assert_eq!((report.pictures.fetched, report.pictures.failed), (2, 1), "{report:#?}");
    check_finds(shop, 0..2);
}

#[test]
fn an_export_changes_nothing_and_a_snapshot_is_the_whole() {
    let Fixture { shop, engine, .. } = &Fixture::with((0..6).map(numbered).collect());
    let web = Web::new().with_pictures(12);
    sync(shop, &web.table(8..12, 10));
    let mut export = String::new();
    shop.catalogue()
        .export(&mut |product| {
            export += &(serde_json::to_string(&product).unwrap() + "\n");
            true
        })
        .unwrap();
    let before = shop.catalogue().last_seq().unwrap();
    check(&sync(shop, &export), "succeeded", 0, 0, 10, 0);
    assert_eq!(shop.catalogue().last_seq().unwrap(), before);

    // What lies beside the catalogue and is nobody else's copy: sources, and what shoppers did (any database here).
    shop.sync_state().unwrap().set_source("nightly", r#"{"every_minutes":60}"#).unwrap();
    let copy = tempfile::tempdir().unwrap();
    let clicks = tempfile::tempdir().unwrap();
    SyncState::open(clicks.path()).unwrap().set_source("clicks", "{}").unwrap();
    std::fs::copy(clicks.path().join("sync.db"), shop.catalogue().dir().join("feedback.db")).unwrap();
    let path = copy.path().join("shop.db");
    // While somebody writes.
    let seq = std::thread::scope(|scope| {
        let writer = scope.spawn(|| (20..30).for_each(|n| drop(shop.put(vec![numbered(n)]).unwrap())));
        let seq = shop.snapshot(&path).unwrap();
        writer.join().unwrap();
        seq
    });
    assert!(shop.snapshot(&path).is_err(), "nothing is overwritten");
    let restored = engine.restore(&twinset_catalogue::CatalogueName::parse("again").unwrap(), &path).unwrap();
    settle(&restored);
    assert_eq!(restored.catalogue().last_seq().unwrap(), seq);
    assert!(restored.index_status().unwrap().reused >= 10, "features come with it");
    check_finds(&restored, 0..6);
    let other = tempfile::tempdir().unwrap();
    let elsewhere = open(other.path());
    let there = elsewhere.restore(&twinset_catalogue::CatalogueName::parse("there").unwrap(), &path).unwrap();
    let sources = |shop: &Shop| shop.sync_state().unwrap().sources().unwrap();
    assert_eq!(sources(&there), sources(shop));
    check(&sync(&there, &export), "succeeded", 0, 0, 10, 0);
    std::fs::copy(there.catalogue().dir().join("feedback.db"), clicks.path().join("sync.db")).unwrap();
    assert_eq!(SyncState::open(clicks.path()).unwrap().sources().unwrap()[0].0, "clicks");
    assert!(std::fs::read_dir(copy.path()).unwrap().count() == 1, "copies on their way are gone");
    there.put(vec![numbered(40)]).unwrap();
    settle(&there);
    check_finds(&there, [0, 40]);
    // A damaged copy is refused, and nothing is left of it.
    let mut bytes = std::fs::read(&path).unwrap();
    let shown = picture(3);
    let some = &shown[shown.len() / 2..shown.len() / 2 + 24];
    let at = bytes.windows(some.len()).position(|window| window == some).expect("the picture is in the copy");
    bytes[at] ^= 1;
    let damaged = copy.path().join("damaged.db");
    std::fs::write(&damaged, bytes).unwrap();
    let name = twinset_catalogue::CatalogueName::parse("bad").unwrap();
    assert!(engine.restore(&name, &damaged).is_err());
    assert!(!engine.catalogues().unwrap().contains(&name));
}

#[test]
fn freshness_is_measured() {
    let Fixture { shop, .. } = &Fixture::with((0..3).map(numbered).collect());
    shop.remove(&["p1".into()]).unwrap();
    settle(shop);
    let freshness = shop.index_status().unwrap().freshness;
    assert_eq!((freshness.searchable.count, freshness.gone.count), (3, 1));
    assert!(freshness.searchable.p99_ms >= freshness.searchable.p50_ms);
    // Making the index anew does not count again.
    shop.rebuild_index(|_, _| {}).unwrap();
    assert_eq!(shop.index_status().unwrap().freshness.searchable.count, 3);
}
