//! Homes and their catalogues: names, locks, versions, leftovers.

use std::fs;
use std::process::Command;

use twinset_catalogue::{CatalogueError, CatalogueName, Home, Settings};

use crate::{name, put, shop};

#[test]
fn names_are_checked() {
    for good in ["a", "0", "shop-1_b", &"x".repeat(63)] {
        assert_eq!(CatalogueName::parse(good).unwrap().as_str(), good);
    }
    for bad in ["", "A", "-a", "_a", ".", "..", "a/b", "a b", "é", &"x".repeat(64)] {
        assert!(matches!(CatalogueName::parse(bad), Err(CatalogueError::InvalidName { .. })), "{bad}");
    }
}

#[test]
fn catalogues_are_created_opened_listed_and_removed() {
    let shop = shop();
    let other = CatalogueName::parse("other").unwrap();
    assert!(matches!(shop.home.open_catalogue(&other), Err(CatalogueError::NoSuchCatalogue { .. })));
    assert!(matches!(
        shop.home.create(&name(), Settings::default()),
        Err(CatalogueError::CatalogueExists { .. })
    ));
    let settings = Settings { currency: Some("EUR".into()), ..Settings::default() };
    let catalogue = shop.home.create(&other, settings.clone()).unwrap();
    assert_eq!((catalogue.settings(), catalogue.name()), (settings, &other));
    assert_eq!(shop.home.catalogues().unwrap(), [other.clone(), name()]);

    // Two handles are one catalogue, and two catalogues are two.
    catalogue.put(&[put("a", &[])]).unwrap();
    assert_eq!(shop.home.open_catalogue(&other).unwrap().count().unwrap().products, 1);
    assert_eq!(shop.count().unwrap().products, 0);

    catalogue.set_settings(Settings { languages: vec!["ko".into()], ..Settings::default() }).unwrap();
    drop(catalogue);
    let catalogue = shop.home.open_catalogue(&other).unwrap();
    assert_eq!(catalogue.settings().languages, ["ko"]);

    assert!(shop.home.remove_catalogue(&other).unwrap());
    assert!(!shop.home.remove_catalogue(&other).unwrap());
    assert!(matches!(catalogue.get("a"), Err(CatalogueError::Removed { .. })));
    assert!(matches!(catalogue.put(&[put("b", &[])]), Err(CatalogueError::Removed { .. })));
    assert_eq!(shop.home.catalogues().unwrap(), [name()]);
    assert_eq!(shop.home.create(&other, Settings::default()).unwrap().count().unwrap().products, 0);
}

#[test]
fn what_a_killed_process_left_half_made_is_swept_away() {
    let folder = tempfile::tempdir().unwrap();
    let catalogues = folder.path().join("catalogues");
    for leftover in [".new-a", ".gone-b"] {
        fs::create_dir_all(catalogues.join(leftover).join("index")).unwrap();
        fs::write(catalogues.join(leftover).join("catalogue.db"), "half").unwrap();
    }
    let home = Home::open(folder.path()).unwrap();
    assert_eq!(home.catalogues().unwrap(), []);
    assert_eq!(fs::read_dir(&catalogues).unwrap().count(), 0);
}

#[test]
fn a_second_holder_is_told_who_has_the_home() {
    let shop = shop();
    // In this process too: two stores that know nothing of each other would undo each other's work.
    match Home::open(shop.folder.path()) {
        Err(CatalogueError::HomeInUse { pid, .. }) => assert_eq!(pid, std::process::id()),
        other => panic!("{other:?}"),
    }
    let second = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "homes::second_process", "--nocapture"])
        .env("TWINSET_TEST_SECOND", shop.folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&second.stdout).into_owned();
    assert!(said.contains(&format!("is in use by process {} on ", std::process::id())), "{said}");
    shop.put(&[put("a", &[])]).unwrap();

    // A catalogue alone still holds it; the last handle lets go.
    let crate::Shop { catalogue, home, folder } = shop;
    drop(home);
    assert!(Home::open(folder.path()).is_err());
    drop(catalogue);
    assert!(Home::open(folder.path()).is_ok());
}

/// Runs in a process of its own, started by the test above.
#[test]
fn second_process() {
    if let Some(home) = std::env::var_os("TWINSET_TEST_SECOND") {
        println!(
            "{}",
            Home::open(home.as_ref()).err().map_or_else(|| "opened".to_owned(), |e| e.to_string())
        );
    }
}

#[test]
fn a_newer_database_is_refused_and_untouched() {
    for in_the_log in [false, true] {
        let crate::Shop { catalogue, home, folder } = shop();
        catalogue.put(&[put("a", &[1])]).unwrap();
        let path = catalogue.dir().join("catalogue.db");
        drop(catalogue);
        // The newer program wrote its number; perhaps it died before that left its write-ahead log.
        let newer = rusqlite::Connection::open(&path).unwrap();
        newer.pragma_update(None, "user_version", 999).unwrap();
        let copy = folder.path().join("catalogues").join("copy");
        if in_the_log {
            fs::create_dir(&copy).unwrap();
            for file in ["catalogue.db", "catalogue.db-wal"] {
                fs::copy(path.with_file_name(file), copy.join(file)).unwrap();
            }
        }
        drop(newer);
        let (name, path) = match in_the_log {
            true => (CatalogueName::parse("copy").unwrap(), copy.join("catalogue.db")),
            false => (name(), path),
        };
        let before = fs::read(&path).unwrap();
        match home.open_catalogue(&name) {
            Err(CatalogueError::NewerFormat { found: 999, .. }) => {}
            other => panic!("{other:?}"),
        }
        if !in_the_log {
            assert_eq!(fs::read(&path).unwrap(), before);
            assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        }
        let newer = rusqlite::Connection::open(&path).unwrap();
        let products: u32 = newer.query_row("SELECT count(*) FROM products", [], |r| r.get(0)).unwrap();
        assert_eq!(products, 1);
    }
}

#[test]
fn a_foreign_file_is_refused_and_untouched() {
    let shop = shop();
    for (at, content) in ["", "SQLite", &"x".repeat(9_000)].into_iter().enumerate() {
        let name = CatalogueName::parse(&format!("foreign{at}")).unwrap();
        let folder = shop.folder.path().join("catalogues").join(name.as_str());
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("catalogue.db"), content).unwrap();
        assert!(matches!(shop.home.open_catalogue(&name), Err(CatalogueError::NotACatalogue { .. })));
        assert_eq!(fs::read_to_string(folder.join("catalogue.db")).unwrap(), content);
    }
    // A database of another program.
    let name = CatalogueName::parse("database").unwrap();
    let folder = shop.folder.path().join("catalogues").join(name.as_str());
    fs::create_dir(&folder).unwrap();
    rusqlite::Connection::open(folder.join("catalogue.db"))
        .unwrap()
        .execute_batch("CREATE TABLE t(x)")
        .unwrap();
    assert!(matches!(shop.home.open_catalogue(&name), Err(CatalogueError::NotACatalogue { .. })));
}
