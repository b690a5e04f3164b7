//! What was computed from a picture with a model: opaque bytes, kept so that no picture is
//! computed twice, and never the only copy of anything.

use std::sync::atomic::Ordering;

use rusqlite::{OptionalExtension, params};
use twinset_photo::PictureHash;

use crate::apply::{now_ms, picture_number};
use crate::{Catalogue, Result};

#[allow(clippy::missing_errors_doc)] // as all calls that change or read, see `Catalogue`
impl Catalogue {
    /// What was kept for (`picture`, `model`), or `None`: then compute it, and keep it with
    /// [`Catalogue::put_features`]. Damaged bytes count as absent, see [`Catalogue::damaged_features`].
    pub fn features(&self, picture: &PictureHash, model: &[u8; 32]) -> Result<Option<Vec<u8>>> {
        let found: Option<(u32, Vec<u8>)> = self.read(|tx| {
            let mut query = tx.prepare_cached(
                "SELECT crc, bytes FROM features WHERE picture = (SELECT picture FROM pictures WHERE hash = ?) \
                 AND model = (SELECT model FROM models WHERE hash = ?)",
            )?;
            Ok(query.query_row(params![picture.0, model], |r| Ok((r.get(0)?, r.get(1)?))).optional()?)
        })?;
        Ok(found.and_then(|(crc, bytes)| {
            let intact = crc32fast::hash(&bytes) == crc;
            if !intact {
                self.inner.damaged_features.fetch_add(1, Ordering::Relaxed);
            }
            intact.then_some(bytes)
        }))
    }

    /// How often [`Catalogue::features`] found bytes that did not fit their checksum, since this
    /// catalogue was opened.
    #[must_use]
    pub fn damaged_features(&self) -> u64 {
        self.inner.damaged_features.load(Ordering::Relaxed)
    }

    /// Keeps what was computed with `model`, replacing what was kept before; all in one transaction.
    /// A picture that is no longer stored is passed over. A picture marked unreadable no longer is.
    pub fn put_features(&self, model: &[u8; 32], rows: &[(PictureHash, Vec<u8>)]) -> Result<()> {
        let (model, rows) = (*model, rows.to_vec());
        self.write(move |tx| {
            tx.prepare_cached("INSERT INTO models(hash) VALUES (?) ON CONFLICT DO NOTHING")?
                .execute([model])?;
            let model: i64 = tx
                .prepare_cached("SELECT model FROM models WHERE hash = ?")?
                .query_row([model], |r| r.get(0))?;
            for (hash, bytes) in rows {
                let Some(picture) = picture_number(tx, &hash)? else { continue };
                tx.prepare_cached(
                    "INSERT INTO features(picture, model, crc, bytes) VALUES (?, ?, ?, ?) \
                     ON CONFLICT DO UPDATE SET crc = excluded.crc, bytes = excluded.bytes",
                )?
                .execute(params![picture, model, crc32fast::hash(&bytes), bytes])?;
                tx.prepare_cached("DELETE FROM unreadable WHERE picture = ?")?.execute([picture])?;
            }
            Ok(())
        })
    }

    /// Drops everything kept for `model`; returns how many pictures lost something.
    pub fn drop_features(&self, model: &[u8; 32]) -> Result<u64> {
        let model = *model;
        self.write(move |tx| {
            let dropped = tx.execute(
                "DELETE FROM features WHERE model = (SELECT model FROM models WHERE hash = ?)",
                [model],
            )?;
            tx.execute("DELETE FROM models WHERE hash = ?", [model])?;
            Ok(dropped as u64)
        })
    }

    /// Pictures that some product shows, that can be read as far as we know, and for which nothing
    /// is kept with `model`: the work that is left. At most `limit`, in the order of their hashes.
    pub fn pictures_without_features(&self, model: &[u8; 32], limit: usize) -> Result<Vec<PictureHash>> {
        self.read(|tx| {
            let mut query = tx.prepare_cached(
                "SELECT hash FROM pictures p WHERE EXISTS (SELECT 1 FROM placements WHERE placements.picture = p.picture) \
                 AND NOT EXISTS (SELECT 1 FROM unreadable WHERE unreadable.picture = p.picture) \
                 AND NOT EXISTS (SELECT 1 FROM features f WHERE f.picture = p.picture \
                                 AND f.model = (SELECT model FROM models WHERE models.hash = ?)) \
                 ORDER BY hash LIMIT ?",
            )?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let rows = query.query_map(params![model, limit], |r| Ok(PictureHash(r.get(0)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Remembers that a picture cannot be decoded, so that nobody tries again. Nothing is done for a
    /// picture that is not stored.
    pub fn mark_unreadable(&self, picture: &PictureHash, reason: &str) -> Result<()> {
        let (hash, reason) = (*picture, reason.chars().take(500).collect::<String>());
        self.write(move |tx| {
            if let Some(picture) = picture_number(tx, &hash)? {
                tx.prepare_cached(
                    "INSERT OR REPLACE INTO unreadable(picture, reason, at_ms) VALUES (?, ?, ?)",
                )?
                .execute(params![picture, reason, now_ms()])?;
            }
            Ok(())
        })
    }

    /// The pictures that cannot be decoded, with the reasons, in the order they were found.
    pub fn unreadable(&self) -> Result<Vec<(PictureHash, String)>> {
        self.read(|tx| {
            let mut query = tx.prepare_cached(
                "SELECT hash, reason FROM unreadable CROSS JOIN pictures USING (picture) ORDER BY at_ms, picture",
            )?;
            let rows = query.query_map([], |r| Ok((PictureHash(r.get(0)?), r.get(1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Forgets which pictures are unreadable, for a decoder that can do more; returns how many.
    pub fn retry_unreadable(&self) -> Result<u64> {
        self.write(|tx| Ok(tx.execute("DELETE FROM unreadable", [])? as u64))
    }
}
