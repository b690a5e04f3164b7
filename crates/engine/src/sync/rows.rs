//! The diff: what each row changes.
//!
//! Rows come in batches: one look at where their products stand, one transaction of the memory of syncs, at most one put.
//! A row whose hash is that of the last run, and whose product nobody else has changed, is done with that.

use super::Run;
use super::diff::{self, Fate, same_claims};
use crate::{EngineError, Result, change};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use twinset_catalogue::{CatalogueError, Outcome, PictureHash, Product, ProductPut, Status, row_hash};
use twinset_feed::{Event, FindingKind};

/// Rows of a batch.
const BATCH: usize = 256;

/// A row that waits for its batch.
struct Row {
    line: u64,
    product: Product,
    hash: [u8; 32],
    body: [u8; 32],
}

/// What waits for a batch.
#[derive(Default)]
pub(crate) struct Batch {
    rows: Vec<Row>,
    removals: Vec<String>,
}

impl Run<'_> {
    /// One thing that the feed says; whether to go on.
    pub(super) fn event(&mut self, event: Event) -> Result<bool> {
        match event {
            Event::Finding(finding) => self.notes.keep(finding),
            Event::Page { .. } => {}
            Event::Removed { id, .. } => {
                self.notes.counts.seen += 1;
                self.flush()?;
                self.waiting.removals.push(id);
                self.flush()?;
            }
            Event::Product { row, mut product } => {
                self.notes.counts.seen += 1;
                if product.source.is_none() {
                    product.source = Some(self.options.source.clone());
                }
                let (hash, body) = row_hash(&product);
                self.waiting.rows.push(Row { line: row, product: *product, hash, body });
                // Two rows of one id must not share a batch: the second is compared with what the first has written.
                let same = |other: &&Row| {
                    other.product.id == self.waiting.rows.last().map_or("", |last| last.product.id.as_str())
                };
                let doubled = self.waiting.rows.iter().rev().skip(1).find(same).is_some();
                if doubled {
                    let last = self.waiting.rows.pop();
                    self.flush()?;
                    self.waiting.rows.extend(last);
                }
                if self.waiting.rows.len() >= BATCH {
                    self.flush()?;
                }
            }
        }
        Ok(!self.stopped)
    }

    /// Writes what waits, and rows that were held for others that did not come.
    pub(super) fn finish_rows(&mut self) -> Result<()> {
        self.flush()?;
        loop {
            let held = self.state.release(&self.options.source, BATCH)?;
            if held.is_empty() || self.stopped {
                return Ok(());
            }
            let rows = held.into_iter().map(|(line, product)| {
                let (hash, body) = row_hash(&product);
                Row { line, product, hash, body }
            });
            let rows: Vec<Row> = rows.collect();
            self.apply(rows, true)?;
        }
    }

    fn flush(&mut self) -> Result<()> {
        let Batch { rows, removals } = std::mem::take(&mut self.waiting);
        if !removals.is_empty() && !self.options.dry_run {
            let outcomes = self.shop.writing(|core| change::remove(core, &removals))?;
            self.notes.counts.gone += outcomes.iter().filter(|o| o.status == Status::Deleted).count() as u64;
            self.state.forget(&self.options.source, &removals)?;
        }
        if !rows.is_empty() {
            self.apply(rows, false)?;
        }
        self.tell();
        Ok(())
    }

    fn apply(&mut self, rows: Vec<Row>, released: bool) -> Result<()> {
        let source = self.options.source.as_str();
        let ids: Vec<String> = rows.iter().map(|row| row.product.id.clone()).collect();
        let standings = self.core().catalogue.standings(&ids)?;
        self.state.begin()?;
        let mut puts: Vec<(Row, bool)> = Vec::new();
        for (row, standing) in rows.into_iter().zip(standings) {
            if let Some(standing) = standing {
                self.listed.insert(standing.row);
            }
            let id = row.product.id.as_str();
            // A released row was seen before.
            let seen = if released {
                None
            } else {
                Some(self.state.see(source, id, &row.body, row.line, self.number)?)
            };
            if let Some(seen) = &seen {
                if let Some(earlier) = seen.earlier {
                    let detail = format!(
                        "'{id}' stands in row {earlier} and in row {}; the last one counts",
                        row.line
                    );
                    self.notes.find(FindingKind::DuplicateId, row.line, Some(id.to_owned()), detail);
                }
                if let Some(similar) = &seen.similar {
                    let detail =
                        format!("'{id}' differs from '{similar}' only in case or blanks; both are kept");
                    self.notes.find(FindingKind::SimilarId, row.line, Some(id.to_owned()), detail);
                }
                if seen.times < seen.before {
                    // The last time others came behind it: so that nothing flickers, it waits for them.
                    self.state.hold(source, id, &row.product)?;
                    continue;
                }
                let as_before =
                    seen.hash == row.hash && standing.is_some_and(|standing| standing.seq == seen.seq);
                if as_before {
                    self.notes.counts.unchanged += 1;
                    if self.recheck {
                        self.want_pictures(&row.product, &row.product)?;
                    }
                    continue;
                }
            }
            puts.push((row, standing.is_some()));
        }
        self.state.commit()?;
        if self.options.dry_run { self.compare(puts) } else { self.put(puts) }
    }

    /// What a put would do.
    fn compare(&mut self, rows: Vec<(Row, bool)>) -> Result<()> {
        for (row, there) in rows {
            let stored = if there { self.core().catalogue.get(&row.product.id)? } else { None };
            let id = row.product.id.as_str();
            match stored {
                None => {
                    self.notes.counts.new += 1;
                    self.notes.differs(id, Fate::New, BTreeMap::new());
                }
                Some(stored) if same_claims(&stored, &row.product) => self.notes.counts.unchanged += 1,
                Some(stored) => {
                    self.notes.counts.changed += 1;
                    self.notes.differs(id, Fate::Changed, diff::claims(&stored, &row.product));
                }
            }
        }
        Ok(())
    }

    fn put(&mut self, rows: Vec<(Row, bool)>) -> Result<()> {
        let mut kept = Vec::with_capacity(rows.len());
        let mut puts = Vec::with_capacity(rows.len());
        let mut before: HashMap<String, Product> = HashMap::new();
        for (row, there) in rows {
            let mut product = row.product.clone();
            if there && let Some(stored) = self.core().catalogue.get(&product.id)? {
                // What others brought stays theirs as long as the feed says the same about it.
                if stored.source != product.source && same_claims(&stored, &product) {
                    product.source.clone_from(&stored.source);
                }
                before.insert(product.id.clone(), stored);
            }
            for image in product.images.iter_mut().filter(|image| image.picture.is_none()) {
                if let Some(known) =
                    image.url.as_ref().map(|url| self.state.picture(url)).transpose()?.flatten()
                    && !known.placeholder
                {
                    image.picture = known.hash;
                }
            }
            let pictures = self.exported_pictures(&product)?;
            puts.push(ProductPut::upsert(product, pictures));
            kept.push(row);
        }
        if puts.is_empty() {
            return Ok(());
        }
        let outcomes = self.put_each(&puts)?;
        let ids: Vec<String> = kept.iter().map(|row| row.product.id.clone()).collect();
        let standings = self.core().catalogue.standings(&ids)?;
        self.state.begin()?;
        for ((row, outcome), standing) in kept.iter().zip(outcomes).zip(standings) {
            let Some(outcome) = outcome else { continue };
            match outcome.status {
                Status::Created => self.notes.counts.new += 1,
                Status::Updated => self.notes.counts.changed += 1,
                _ => self.notes.counts.unchanged += 1,
            }
            if let Some(standing) = standing {
                self.listed.insert(standing.row);
                self.state.written(
                    &self.options.source,
                    &row.product.id,
                    &row.hash,
                    &row.body,
                    standing.seq,
                )?;
            }
            let stored = before.get(&row.product.id);
            self.want_pictures(&row.product, stored.unwrap_or(&row.product))?;
        }
        self.state.commit()?;
        Ok(())
    }

    /// Pictures that the row names by their hash, that are not here, and that lie beside the feed as an export wrote them.
    fn exported_pictures(&self, product: &Product) -> Result<Vec<(String, Arc<[u8]>)>> {
        let mut found = Vec::new();
        for image in product.images.iter().filter(|_| !self.net.folders.is_empty()) {
            let Some(hash) = image.picture else { continue };
            if self.core().catalogue.shown_by(&hash)? > 0 {
                continue;
            }
            let ends = ["", ".jpg", ".png", ".webp", ".gif"];
            let names = self
                .net
                .folders
                .iter()
                .flat_map(|folder| ends.map(|end| folder.join(format!("{hash}{end}"))));
            let bytes = names.filter_map(|name| std::fs::read(name).ok()).next();
            found.extend(
                bytes
                    .filter(|bytes| PictureHash::of(bytes) == hash)
                    .map(|bytes| (image.name.clone(), bytes.into())),
            );
        }
        Ok(found)
    }

    /// All in one transaction; if one of them cannot be kept, one by one.
    fn put_each(&mut self, puts: &[ProductPut]) -> Result<Vec<Option<Outcome>>> {
        match self.shop.writing(|core| change::put(core, puts)) {
            Ok(outcomes) => Ok(outcomes.into_iter().map(Some).collect()),
            Err(EngineError::Catalogue(CatalogueError::InvalidProduct(fault))) if puts.len() == 1 => {
                self.notes.counts.failed += 1;
                self.notes.find(FindingKind::BadRow, 0, Some(puts[0].product.id.clone()), fault.to_string());
                Ok(vec![None])
            }
            Err(EngineError::Catalogue(CatalogueError::InvalidProduct(_))) => {
                let mut outcomes = Vec::with_capacity(puts.len());
                for put in puts {
                    outcomes.extend(self.put_each(std::slice::from_ref(put))?);
                }
                Ok(outcomes)
            }
            Err(error) => Err(error),
        }
    }

    /// Writes down which pictures of `product` are to be fetched. `stored`: what the catalogue had before.
    fn want_pictures(&mut self, product: &Product, stored: &Product) -> Result<()> {
        if self.options.dry_run {
            return Ok(());
        }
        let source = &self.options.source;
        let mut wanted = Vec::new();
        for image in &product.images {
            let Some(url) = &image.url else { continue };
            let known = self.state.picture(url)?;
            let shown = |hash: Option<PictureHash>| -> Result<bool> {
                hash.map_or(Ok(false), |hash| Ok(self.core().catalogue.shown_by(&hash)? > 0))
            };
            let has = known.as_ref().is_some_and(|known| known.placeholder)
                || stored.images.iter().any(|old| old.url.as_ref() == Some(url) && old.picture.is_some())
                || shown(image.picture)?
                || shown(known.and_then(|known| known.hash))?;
            if !has || self.recheck {
                wanted.push(url.clone());
            }
        }
        self.state.want_only(source, &product.id, &wanted)?;
        for url in &wanted {
            self.state.want(source, url, &product.id)?;
        }
        Ok(())
    }
}
