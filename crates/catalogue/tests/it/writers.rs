//! Many threads at once: writers share commits, readers wait for nobody.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use twinset_catalogue::CatalogueError;

use crate::{put, shop};

#[test]
fn writers_share_commits_and_lose_nothing() {
    let shop = shop();
    let done = AtomicBool::new(false);
    let seqs: Vec<u64> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..8)
            .map(|writer| {
                let shop = &shop;
                scope.spawn(move || {
                    let mut seqs = Vec::new();
                    for n in 0..25 {
                        let outcomes =
                            shop.put(&[put(&format!("{writer}-{n}"), &[n, 1_000 + writer])]).unwrap();
                        seqs.extend(outcomes[0].seq);
                        // A bad one among them takes nobody with it.
                        assert!(matches!(shop.put(&[put("", &[])]), Err(CatalogueError::InvalidProduct(_))));
                    }
                    seqs
                })
            })
            .collect();
        let reader = scope.spawn(|| {
            let mut reads = 0_u32;
            while !done.load(Ordering::Relaxed) {
                // Of one commit: every change has its product, and every product two pictures.
                let (changes, counts) = (shop.last_seq().unwrap(), shop.count().unwrap());
                assert!(counts.products >= changes && counts.placements == 2 * counts.products);
                reads += 1;
            }
            reads
        });
        let seqs = writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect();
        done.store(true, Ordering::Relaxed);
        assert!(reader.join().unwrap() > 0);
        seqs
    });
    assert_eq!(seqs.iter().copied().collect::<BTreeSet<_>>(), (1..=200).collect());
    assert_eq!(shop.count().unwrap().pictures, 25 + 8);
    assert!(shop.verify().unwrap().is_empty());
}
