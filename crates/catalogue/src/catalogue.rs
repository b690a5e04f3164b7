//! One catalogue: the calls that change it and the calls that read it.
//!
//! A change is one transaction of the single writer: products, placements, pictures, terms and the
//! numbered records together. A read is one transaction on a connection of its own: it sees one
//! commit, whole, and waits for nobody.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::RwLock;
use roaring::RoaringBitmap;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};
use twinset_photo::PictureHash;

use crate::apply::{self, CheckedPut};
use crate::error::Failure;
use crate::home::HomeInner;
use crate::readers::Readers;
use crate::schema::{self, DATABASE};
use crate::select::select;
use crate::writer::Writer;
use crate::{CatalogueError, CatalogueName, Filter, Product, Result};

/// What a shop chose for its catalogue.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Languages of the claims, as BCP 47 tags; empty if not said.
    pub languages: Vec<String>,
    /// Currency of prices whose feed names none, as three letters; checked when it is used.
    pub currency: Option<String>,
    /// Searches that do not say whether to look for articles in the photo do so; `None` is yes.
    pub detection: Option<bool>,
    /// Days that feedback is kept; `None` is 365.
    pub retention_days: Option<u32>,
    /// What shoppers do with results may be told: `Some(true)` lets Twinset's own pages ask and tell, `Some(false)` takes it
    /// from nobody; `None`: from whoever sends it, and no page does.
    pub feedback: Option<bool>,
    /// Changes of what is there must say what they change (`if-match`).
    pub require_if_match: bool,
    /// Share of the nearest pictures that the index should find, 0.5 to 0.999; the engine's choice if not said.
    pub recall: Option<f64>,
    /// Milliseconds that the index may take for a search, instead of `recall`.
    pub index_ms: Option<f64>,
    /// Local features of pictures that come from now on are kept in a third of the room, a little less exact.
    pub compact_features: bool,
    /// Megabytes of memory that the index may take, from its next opening on; what is over stays on the disk.
    pub index_memory_mb: Option<u64>,
}

impl Settings {
    pub(crate) fn to_json(&self) -> String {
        // Texts: nothing here can fail to be written.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// A product to keep, with the bytes of its new pictures.
#[derive(Clone, Debug)]
pub struct ProductPut {
    /// All its claims. An image without new bytes keeps the picture it had: the one its `picture`
    /// names if that is stored, else the one at the same `url`, or without `url` of the same name.
    pub product: Product,
    /// Encoded pictures by the names of the images that show them, each 1 byte to 32 MiB.
    pub pictures: Vec<(String, Arc<[u8]>)>,
    /// What to do if the product is there, or is not.
    pub mode: Mode,
}

impl ProductPut {
    /// A put that creates or updates.
    #[must_use]
    pub fn upsert(product: Product, pictures: Vec<(String, Arc<[u8]>)>) -> Self {
        Self { product, pictures, mode: Mode::Upsert }
    }
}

/// What a put does about a product that is there already, or is not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Creates or updates.
    #[default]
    Upsert,
    /// Only creates; [`Status::Exists`] if it is there.
    Create,
    /// Only updates; [`Status::Absent`] if it is not there.
    Update,
}

/// What became of one put or removal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The product's id, outer blanks cut.
    pub id: String,
    /// Number of the change; `None` if nothing was written.
    pub seq: Option<u64>,
    /// What happened.
    pub status: Status,
}

/// What happened to a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It is new.
    Created,
    /// It was replaced.
    Updated,
    /// It was the same already; nothing was written.
    Unchanged,
    /// It was removed.
    Deleted,
    /// It was to be removed or updated and is not there; nothing was written.
    Absent,
    /// It was to be created and is there already; nothing was written.
    Exists,
}

/// A part of a listing, in the order of the ids' bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The products.
    pub items: Vec<Product>,
    /// What to give as `after` for the next part; `None` at the end.
    pub next: Option<String>,
}

/// How much a catalogue holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Products.
    pub products: u64,
    /// Different pictures, with those that wait to be collected.
    pub pictures: u64,
    /// Pictures shown by products, counted once for each product.
    pub placements: u64,
}

/// One change as followers read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeRecord {
    /// Its number; numbers grow and may have gaps.
    pub seq: u64,
    /// The product's row, never used for another product.
    pub row: u32,
    /// The product's id.
    pub id: String,
    /// What was done.
    pub kind: ChangeKind,
    /// When, in milliseconds since 1970 UTC, by this machine's clock.
    pub at_ms: u64,
}

/// What a change did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// The product was created or replaced.
    Put,
    /// The product was removed.
    Removed,
}

/// One picture shown by one product: an item of the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Its number, never used for another placement.
    pub item: u32,
    /// The product's row: the item's group in the index.
    pub row: u32,
    /// Name of the first image that shows it.
    pub image: String,
    /// The picture.
    pub picture: PictureHash,
}

/// A product with what the catalogue itself knows about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The claims.
    pub product: Product,
    /// Its row, never used for another product.
    pub row: u32,
    /// Number of its latest change.
    pub seq: u64,
    /// BLAKE3 of the product with its pictures' hashes: equal when nothing differs.
    pub content_hash: [u8; 32],
    /// Milliseconds since 1970 UTC.
    pub created_at_ms: u64,
    /// Milliseconds since 1970 UTC.
    pub updated_at_ms: u64,
}

/// One shop's products, claims and pictures, with the numbered log of their changes. Cloning gives
/// another handle of the same catalogue.
#[derive(Clone)]
pub struct Catalogue {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    name: CatalogueName,
    dir: PathBuf,
    settings: RwLock<Settings>,
    // The readers close before the writer, which then leaves one file without a log.
    readers: Readers,
    pub(crate) writer: Writer,
    removed: AtomicBool,
    pub(crate) damaged_features: AtomicU64,
    /// Keeps the lock.
    _home: Arc<HomeInner>,
}

impl Inner {
    pub(crate) fn open(home: Arc<HomeInner>, name: CatalogueName, dir: PathBuf) -> Result<Self> {
        let path = dir.join(DATABASE);
        schema::check(&path)?;
        let connection = schema::connect(&path, true)?;
        let body = connection.query_row("SELECT body FROM settings", [], |r| r.get::<_, String>(0));
        let settings = body.map_err(Failure::from).and_then(|body| {
            serde_json::from_str(&body)
                .map_err(|e| Failure::Damaged(format!("its settings cannot be read: {e}")))
        });
        Ok(Self {
            name,
            dir,
            settings: RwLock::new(settings.map_err(|failure| failure.at(&path))?),
            readers: Readers::new(path.clone()),
            writer: Writer::new(path, connection),
            removed: AtomicBool::new(false),
            damaged_features: AtomicU64::new(0),
            _home: home,
        })
    }

    pub(crate) fn mark_removed(&self) {
        self.removed.store(true, Ordering::Release);
    }
}

impl From<Arc<Inner>> for Catalogue {
    fn from(inner: Arc<Inner>) -> Self {
        Self { inner }
    }
}

impl std::fmt::Debug for Catalogue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Catalogue").field("dir", &self.inner.dir).finish_non_exhaustive()
    }
}

/// The calls that change a catalogue. Each returns when its work is durable. If one fails, nothing of
/// it is kept: [`CatalogueError::DiskFull`] lets later writes try again, [`CatalogueError::Disk`]
/// stops writing ([`CatalogueError::WritesStopped`]) until the catalogue is opened anew. Reads go on.
impl Catalogue {
    /// Puts all products in one transaction, in order; one outcome each. A product that is the same
    /// as before, pictures included, writes nothing. A picture that the product showed before keeps
    /// its item.
    ///
    /// # Errors
    /// [`CatalogueError::InvalidProduct`] if one of them cannot be kept; then none is. See
    /// [`Product::check`] to find out before.
    pub fn put(&self, puts: &[ProductPut]) -> Result<Vec<Outcome>> {
        let puts = puts.iter().map(CheckedPut::new).collect::<Result<Vec<_>, _>>()?;
        self.write(move |tx| puts.into_iter().map(|put| apply::put(tx, put)).collect())
    }

    /// Removes products in one transaction, in order; one outcome each. Their pictures stay until
    /// [`Catalogue::gc`].
    ///
    /// # Errors
    /// Of the disk.
    pub fn remove(&self, ids: &[String]) -> Result<Vec<Outcome>> {
        let ids = ids.to_vec();
        self.write(move |tx| ids.iter().map(|id| apply::remove(tx, id)).collect())
    }

    /// Replaces the settings.
    ///
    /// # Errors
    /// Of the disk.
    pub fn set_settings(&self, settings: Settings) -> Result<()> {
        let body = settings.to_json();
        self.write(move |tx| Ok(tx.execute("UPDATE settings SET body = ?", [body])?))?;
        *self.inner.settings.write() = settings;
        Ok(())
    }

    /// Collects what nothing needs any more: pictures that no product shows, with their features;
    /// terms that no product claims; records of changes that a later change of the same product
    /// supersedes. Works in small transactions between other writes. Returns the number of pictures
    /// dropped. The file does not shrink: what is freed is used again.
    ///
    /// # Errors
    /// Of the disk.
    pub fn gc(&self) -> Result<u64> {
        /// Bounds how long another write waits.
        const STEP: i64 = 500;
        let mut dropped = 0;
        let mut after = Vec::new();
        loop {
            // Found by a reader, checked again by the writer: a put in between may have placed it.
            let orphans: Vec<Vec<u8>> = self.read(|tx| {
                let mut query = tx.prepare_cached(
                    "SELECT hash FROM pictures p WHERE hash > ? AND NOT EXISTS \
                     (SELECT 1 FROM placements WHERE placements.picture = p.picture) ORDER BY hash LIMIT ?",
                )?;
                Ok(query.query_map(params![after, STEP], |r| r.get(0))?.collect::<Result<_, _>>()?)
            })?;
            let Some(last) = orphans.last() else { break };
            after.clone_from(last);
            dropped += self.write(move |tx| {
                let mut drop = tx.prepare_cached(
                    "DELETE FROM pictures WHERE hash = ? AND NOT EXISTS \
                     (SELECT 1 FROM placements WHERE placements.picture = pictures.picture)",
                )?;
                Ok(orphans
                    .iter()
                    .try_fold(0, |sum, hash| Ok::<_, rusqlite::Error>(sum + drop.execute([hash])?))?)
            })?;
        }
        let batches = [
            "DELETE FROM terms WHERE term IN (SELECT term FROM terms t WHERE NOT EXISTS \
             (SELECT 1 FROM claims WHERE claims.term = t.term) LIMIT ?)",
            "DELETE FROM changes WHERE seq IN (SELECT seq FROM (SELECT seq, lead(seq) OVER (PARTITION BY row ORDER BY seq) \
             AS later FROM changes) WHERE later IS NOT NULL LIMIT ?)",
        ];
        for batch in batches {
            // Larger steps: each of them looks through the table, and a row is small.
            while self.write(move |tx| Ok(tx.execute(batch, [100 * STEP])?))? == 100 * STEP as usize {}
        }
        Ok(dropped as u64)
    }

    pub(crate) fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T> {
        self.refuse_if_removed()?;
        self.inner.writer.write(job)
    }
}

/// The calls that read. Each sees one commit, whole.
///
/// All of them fail with [`CatalogueError::Damaged`] when what the disk gives back is not what was
/// written, with [`CatalogueError::Disk`] when it gives nothing, and with
/// [`CatalogueError::Removed`] when the catalogue is gone.
#[allow(clippy::missing_errors_doc)] // said once, above
impl Catalogue {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &CatalogueName {
        &self.inner.name
    }

    /// Its folder. Followers keep their files beside the database, the index in `index/`.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.inner.dir
    }

    /// Its settings.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.inner.settings.read().clone()
    }

    /// One product.
    pub fn get(&self, id: &str) -> Result<Option<Product>> {
        Ok(self.record(id)?.map(|record| record.product))
    }

    /// One product with its row, times and hash.
    pub fn record(&self, id: &str) -> Result<Option<Record>> {
        self.read(|tx| {
            let mut query = tx.prepare_cached(
                "SELECT id, body, content, row, seq, created_ms, updated_ms FROM products WHERE id = ?",
            )?;
            let mut rows = query.query([id.trim()])?;
            let Some(found) = rows.next()? else { return Ok(None) };
            Ok(Some(Record {
                product: product(found)?,
                content_hash: found.get(2)?,
                row: found.get(3)?,
                seq: found.get::<_, i64>(4)? as u64,
                created_at_ms: found.get::<_, i64>(5)? as u64,
                updated_at_ms: found.get::<_, i64>(6)? as u64,
            }))
        })
    }

    /// The products that pass, in the order of the ids' bytes, from behind `after`; at most `limit`
    /// (1 to 10,000). A listing taken in parts misses nothing that stays, and lists nothing twice.
    pub fn list(&self, filter: Option<&Filter>, after: Option<&str>, limit: usize) -> Result<Page> {
        let limit = limit.clamp(1, 10_000);
        self.read(|tx| {
            let passing = filter.map(|filter| select(tx, filter)).transpose()?;
            let mut ids = tx.prepare_cached("SELECT row FROM products WHERE id > ? ORDER BY id")?;
            let mut ids = ids.query([after.unwrap_or_default()])?;
            let mut items = Vec::new();
            while let Some(found) = ids.next()? {
                let row: u32 = found.get(0)?;
                if passing.as_ref().is_some_and(|passing| !passing.contains(row)) {
                    continue;
                }
                if items.len() == limit {
                    let next = items.last().map(|last: &Product| last.id.clone());
                    return Ok(Page { items, next });
                }
                items.extend(product_by_row(tx, row)?);
            }
            Ok(Page { items, next: None })
        })
    }

    /// How much there is.
    pub fn count(&self) -> Result<Counts> {
        self.read(|tx| {
            let count =
                |query| tx.prepare_cached(query)?.query_row([], |r| r.get::<_, i64>(0)).map(|n| n as u64);
            Ok(Counts {
                products: count("SELECT count(*) FROM products")?,
                pictures: count("SELECT count(*) FROM pictures")?,
                placements: count("SELECT count(*) FROM placements")?,
            })
        })
    }

    /// Rows of the products that pass: the same as those of which [`Filter::matches`] says so.
    pub fn select(&self, filter: &Filter) -> Result<RoaringBitmap> {
        self.read(|tx| select(tx, filter))
    }

    /// The bytes of a picture, as they were given; compared with their hash.
    pub fn picture(&self, hash: &PictureHash) -> Result<Option<Vec<u8>>> {
        self.read(|tx| {
            let mut query = tx.prepare_cached("SELECT bytes FROM pictures WHERE hash = ?")?;
            let bytes: Option<Vec<u8>> = query.query_row([hash.0], |r| r.get(0)).optional()?;
            match bytes {
                Some(bytes) if PictureHash::of(&bytes) != *hash => {
                    Err(Failure::Damaged(format!("the bytes of picture {hash} do not fit their hash")))
                }
                bytes => Ok(bytes),
            }
        })
    }

    /// Number of the latest change; 0 before the first.
    pub fn last_seq(&self) -> Result<u64> {
        self.read(|tx| {
            let mut query = tx.prepare_cached("SELECT ifnull(max(seq), 0) FROM changes")?;
            Ok(query.query_row([], |r| r.get::<_, i64>(0))? as u64)
        })
    }

    /// The changes after number `seq`, in order, at most `limit`. A follower that applies them, each
    /// time taking the product's state of now, ends at this catalogue's state. Changes superseded by
    /// a later one of the same product may be missing after [`Catalogue::gc`].
    pub fn changes_since(&self, seq: u64, limit: usize) -> Result<Vec<ChangeRecord>> {
        self.read(|tx| {
            let mut query = tx.prepare_cached(
                "SELECT seq, row, id, kind, at_ms FROM changes WHERE seq > ? ORDER BY seq LIMIT ?",
            )?;
            let rows = query.query_map(params![clamped(seq), clamped(limit as u64)], change_record)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// The changes of one product, the latest first, those before number `before` if it is given, at most `limit`;
    /// those superseded before the last [`Catalogue::gc`] are gone. Reads the whole log: for people who ask now and
    /// then.
    pub fn changes_of(&self, id: &str, before: Option<u64>, limit: usize) -> Result<Vec<ChangeRecord>> {
        self.read(|tx| {
            let mut query = tx.prepare_cached(
                "SELECT seq, row, id, kind, at_ms FROM changes WHERE id = ? AND seq < ? ORDER BY seq DESC LIMIT ?",
            )?;
            let values = params![id, clamped(before.unwrap_or(u64::MAX)), clamped(limit as u64)];
            let rows = query.query_map(values, change_record)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// The pictures that a product shows, by item; empty if the product is gone or hidden.
    pub fn placements(&self, row: u32) -> Result<Vec<Placement>> {
        self.read(|tx| placements(tx, "AND row = ? ORDER BY item", params![row]))
    }

    /// All placements of products that are not hidden with an item above `after_item`, in the order of items, at most `limit`.
    pub fn all_placements(&self, after_item: u32, limit: usize) -> Result<Vec<Placement>> {
        let values = params![after_item, clamped(limit as u64)];
        self.read(|tx| placements(tx, "AND item > ? ORDER BY item LIMIT ?", values))
    }

    /// One placement; `None` also while its product is hidden.
    pub fn placement(&self, item: u32) -> Result<Option<Placement>> {
        let found = self.read(|tx| placements(tx, "AND item = ?", params![item]))?;
        Ok(found.into_iter().next())
    }

    /// The products in these rows, in their order; `None` where there is none any more.
    pub fn products_by_row(&self, rows: &[u32]) -> Result<Vec<Option<Product>>> {
        self.read(|tx| rows.iter().map(|row| product_by_row(tx, *row)).collect())
    }

    /// Gives every product to `f`, in the order of their rows, until it returns false; all of one
    /// commit, however long it takes and whatever is written meanwhile.
    pub fn export(&self, f: &mut dyn FnMut(Product) -> bool) -> Result<()> {
        self.read(|tx| {
            let mut query = tx.prepare_cached("SELECT id, body, content FROM products ORDER BY row")?;
            let mut rows = query.query([])?;
            while let Some(found) = rows.next()? {
                if !f(product(found)?) {
                    break;
                }
            }
            Ok(())
        })
    }

    pub(crate) fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T, Failure>) -> Result<T> {
        self.refuse_if_removed()?;
        // It may be removed just now, under our hands.
        self.inner.readers.read(work).or_else(|error| self.refuse_if_removed().and(Err(error)))
    }

    fn refuse_if_removed(&self) -> Result<()> {
        if self.inner.removed.load(Ordering::Acquire) {
            return Err(CatalogueError::Removed { name: self.inner.name.to_string() });
        }
        Ok(())
    }
}

/// Those of the placements of products that are not hidden that the `tail` of a query picks.
fn placements(
    tx: &Connection,
    tail: &'static str,
    values: impl rusqlite::Params,
) -> Result<Vec<Placement>, Failure> {
    let head = "SELECT item, row, image, hash FROM placements CROSS JOIN pictures USING (picture) \
                WHERE NOT EXISTS (SELECT 1 FROM hidden WHERE hidden.row = placements.row)";
    let mut query = tx.prepare_cached(&format!("{head} {tail}"))?;
    let rows = query.query_map(values, |r| {
        Ok(Placement { item: r.get(0)?, row: r.get(1)?, image: r.get(2)?, picture: PictureHash(r.get(3)?) })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Of a row that begins with `id, body, content`.
pub(crate) fn product(found: &Row<'_>) -> Result<Product, Failure> {
    let text = |column| found.get_ref(column)?.as_str().map_err(|e| Failure::Damaged(e.to_string()));
    apply::product_from(text(0)?, text(1)?, &found.get(2)?)
}

fn product_by_row(tx: &Connection, row: u32) -> Result<Option<Product>, Failure> {
    let mut query = tx.prepare_cached("SELECT id, body, content FROM products WHERE row = ?")?;
    let mut rows = query.query([row])?;
    rows.next()?.map(product).transpose()
}

fn change_record(r: &Row<'_>) -> rusqlite::Result<ChangeRecord> {
    Ok(ChangeRecord {
        seq: r.get::<_, i64>(0)? as u64,
        row: r.get(1)?,
        id: r.get(2)?,
        kind: if r.get(3)? { ChangeKind::Removed } else { ChangeKind::Put },
        at_ms: r.get::<_, i64>(4)? as u64,
    })
}

/// SQLite's numbers end at 2^63 - 1.
fn clamped(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Home, Image};

    fn put(id: String, bytes: usize) -> ProductPut {
        let images = vec![Image { name: "main".into(), ..Image::default() }];
        let picture: Arc<[u8]> = vec![id.len() as u8; bytes].into();
        ProductPut::upsert(Product { images, ..Product::new(id) }, vec![("main".into(), picture)])
    }

    /// A full disk refuses the whole batch, and only that: what was there can be read, small writes
    /// go on as far as there is space, and everything goes on when there is more.
    #[test]
    fn a_full_disk_refuses_and_forgets_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::open(folder.path()).unwrap();
        let catalogue = home.create(&CatalogueName::parse("a").unwrap(), Settings::default()).unwrap();
        catalogue.put(&[put("before".into(), 10_000)]).unwrap();
        let before = (catalogue.count().unwrap(), catalogue.last_seq().unwrap());

        catalogue.inner.writer.limit_growth(20);
        let batch: Vec<_> = (0..10).map(|n| put("x".repeat(n + 1), 50_000)).collect();
        for _ in 0..3 {
            let error = catalogue.put(&batch).unwrap_err();
            assert!(matches!(&error, CatalogueError::DiskFull { .. }), "{error:?}");
            assert_eq!((catalogue.count().unwrap(), catalogue.last_seq().unwrap()), before);
        }
        assert_eq!(catalogue.get("before").unwrap().unwrap().images.len(), 1);
        catalogue.put(&[put("small".into(), 10)]).unwrap();

        catalogue.inner.writer.limit_growth(u32::MAX / 2);
        assert!(catalogue.put(&batch).unwrap().iter().all(|outcome| outcome.status == Status::Created));
        assert!(catalogue.verify().unwrap().is_empty());
    }

    /// Callers that share a commit share nothing else: one that fails is undone alone.
    #[test]
    fn a_failed_job_is_undone_alone() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::open(folder.path()).unwrap();
        let catalogue = home.create(&CatalogueName::parse("a").unwrap(), Settings::default()).unwrap();
        std::thread::scope(|scope| {
            let failing = |n: usize| {
                let made = apply::CheckedPut::new(&put(format!("bad {n}"), 100)).unwrap();
                catalogue.write::<()>(move |tx| {
                    apply::put(tx, made)?;
                    Err(Failure::Damaged("on purpose".into()))
                })
            };
            let threads: Vec<_> = (0..16)
                .map(|n| {
                    let catalogue = &catalogue;
                    scope.spawn(move || match n % 2 {
                        0 => catalogue.put(&[put(format!("good {n}"), 100)]).is_ok(),
                        _ => failing(n).is_err(),
                    })
                })
                .collect();
            assert!(threads.into_iter().all(|thread| thread.join().unwrap()));
        });
        assert_eq!(catalogue.count().unwrap().products, 8);
        assert!(catalogue.verify().unwrap().is_empty());
    }

    /// After a failure that leaves the disk's state unknown, nothing is acknowledged any more.
    #[test]
    fn after_a_failed_sync_writes_stop_and_reads_go_on() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::open(folder.path()).unwrap();
        let name = CatalogueName::parse("a").unwrap();
        let catalogue = home.create(&name, Settings::default()).unwrap();
        catalogue.put(&[put("before".into(), 10)]).unwrap();
        let failed = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR_FSYNC);
        let error = catalogue.write::<()>(move |_| Err(rusqlite::Error::SqliteFailure(failed, None).into()));
        assert!(matches!(error, Err(CatalogueError::Disk { .. })), "{error:?}");
        let error = catalogue.put(&[put("after".into(), 10)]).unwrap_err();
        assert!(matches!(&error, CatalogueError::WritesStopped { .. }), "{error:?}");
        assert_eq!(catalogue.count().unwrap().products, 1);
        drop(catalogue);
        let catalogue = home.open_catalogue(&name).unwrap();
        catalogue.put(&[put("after".into(), 10)]).unwrap();
    }
}
