//! A disk that lies: whatever is read is what was written, or a typed error.

use std::fs;

use twinset_catalogue::{Catalogue, CatalogueError, Filter, PictureHash, Product};

use crate::{Shop, name, picture, put, shop};

/// Everything there is to read; an error must be of the disk.
fn read_all(catalogue: &Catalogue) -> Result<Vec<Product>, CatalogueError> {
    let mut products = Vec::new();
    catalogue.export(&mut |product| {
        products.push(product);
        true
    })?;
    let filter = Filter::parse("title != 'x' and exists(title)").unwrap();
    for row in catalogue.select(&filter)? {
        catalogue.placements(row)?;
    }
    for change in catalogue.changes_since(0, 1_000)? {
        catalogue.get(&change.id)?;
    }
    catalogue.pictures_without_features(&[1; 32], 100)?;
    catalogue.list(None, None, 100)?;
    Ok(products)
}

fn of_the_disk(error: &CatalogueError) -> bool {
    matches!(
        error,
        CatalogueError::Damaged { .. } | CatalogueError::Disk { .. } | CatalogueError::NotACatalogue { .. }
    )
}

/// Each page in turn is overwritten with noise. Then every answer is what was put, or an error that
/// says that the disk is at fault; never a product that is not ours, never a panic.
#[test]
fn a_damaged_page_is_never_a_wrong_product() {
    let Shop { catalogue, home, folder: _folder } = shop();
    let puts: Vec<_> = (0..60).map(|n| put(&format!("product {n}"), &[n % 20])).collect();
    catalogue.put(&puts).unwrap();
    catalogue.put_features(&[1; 32], &[(PictureHash::of(&picture(3, 900)), vec![7; 3_000])]).unwrap();
    let whole = read_all(&catalogue).unwrap();
    let path = catalogue.dir().join("catalogue.db");
    drop(catalogue);
    let sound = fs::read(&path).unwrap();
    let (page, mut noticed) = (8192, 0);
    let pages = sound.len() / page;
    for damaged in 0..pages {
        let mut bytes = sound.clone();
        let noise = picture(damaged as u64, page);
        // Half of the times a whole page, half of the times a few bytes in its middle.
        let range = if damaged % 2 == 0 { 0..page } else { page / 2..page / 2 + 40 };
        bytes[damaged * page..][range.clone()].copy_from_slice(&noise[range]);
        fs::write(&path, &bytes).unwrap();
        match home.open_catalogue(&name()) {
            Ok(catalogue) => {
                match read_all(&catalogue) {
                    Ok(products) => {
                        assert!(products.iter().all(|product| whole.contains(product)), "page {damaged}")
                    }
                    Err(error) => assert!(of_the_disk(&error), "page {damaged}: {error}"),
                }
                for seed in 0..20 {
                    let bytes = picture(seed, 900);
                    match catalogue.picture(&PictureHash::of(&bytes)) {
                        Ok(found) => assert!(found.is_none_or(|found| found[..] == bytes[..])),
                        Err(error) => assert!(of_the_disk(&error), "page {damaged}: {error}"),
                    }
                }
                match catalogue.features(&PictureHash::of(&picture(3, 900)), &[1; 32]) {
                    Ok(found) => assert!(found.is_none_or(|found| found == [7; 3_000])),
                    Err(error) => assert!(of_the_disk(&error), "page {damaged}: {error}"),
                }
                noticed += u32::from(catalogue.verify().map_or(true, |faults| !faults.is_empty()));
            }
            Err(error) => {
                assert!(of_the_disk(&error), "page {damaged}: {error}");
                noticed += 1;
            }
        }
        let _ = fs::remove_file(path.with_extension("db-wal"));
        let _ = fs::remove_file(path.with_extension("db-shm"));
    }
    println!("{pages} pages, {noticed} damages noticed by opening or verify");
    assert!(pages > 15 && noticed as usize > pages / 2);
}

#[test]
fn damaged_features_count_as_absent() {
    let Shop { catalogue, home, folder: _folder } = shop();
    catalogue.put(&[put("a", &[1])]).unwrap();
    let hash = PictureHash::of(&picture(1, 900));
    catalogue.put_features(&[1; 32], &[(hash, vec![5; 100])]).unwrap();
    let path = catalogue.dir().join("catalogue.db");
    drop(catalogue);
    let direct = rusqlite::Connection::open(&path).unwrap();
    direct.execute("UPDATE features SET bytes = zeroblob(100)", []).unwrap();
    drop(direct);
    let catalogue = home.open_catalogue(&name()).unwrap();
    assert_eq!(catalogue.features(&hash, &[1; 32]).unwrap(), None);
    assert_eq!(catalogue.damaged_features(), 1);
    assert_eq!(catalogue.verify().unwrap().len(), 1);
    // Computed again, they are whole again.
    catalogue.put_features(&[1; 32], &[(hash, vec![5; 100])]).unwrap();
    assert_eq!(catalogue.features(&hash, &[1; 32]).unwrap(), Some(vec![5; 100]));
    assert!(catalogue.verify().unwrap().is_empty());
}
