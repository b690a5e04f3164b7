//! What shoppers did with the results: clicks and judgements, one SQLite file a catalogue (`feedback.db` in its
//! folder, drawn in `docs/formats/feedback-db.md`).
//!
//! Whoever sends most must not steer what is learned: an event counts once for each user, search and product; a user
//! has at most [`EVENTS_A_DAY`] of them a day; and the more a user sent, the less each weighs in the export. Users are
//! kept as salted hashes: events of one user belong together, and nobody can tell who that is. Events name the search
//! they belong to; those whose search this server has answered, with that product among the results, are marked
//! `seen`, for an event that comes from nowhere is worth little.

use crate::clock::{now_ms, rfc3339};
use crate::store::StoreError;
use parking_lot::Mutex;
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::time::Duration;
use utoipa::ToSchema;

/// Events of one user in 24 hours; those without a user share one such allowance times [`CROWD`].
const EVENTS_A_DAY: u64 = 200;
/// Users that those who are not named are taken for, together.
const CROWD: u64 = 100;
/// Events of one user that count fully in an export.
const FULL_WEIGHT: f64 = 20.0;
const DAY_MS: u64 = 24 * 3600 * 1000;
/// Days that events are kept, unless the catalogue says otherwise.
const RETENTION_DAYS: u32 = 365;
/// Searches that are remembered, so that their feedback is known to be theirs.
const SEARCHES: usize = 10_000;
/// Results that are kept of a search with feedback: what stands further down teaches nothing.
const SHOWN: usize = 100;

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS salt(one INTEGER PRIMARY KEY CHECK (one = 1), salt BLOB NOT NULL CHECK (length(salt) = 32)) STRICT;
CREATE TABLE IF NOT EXISTS events(
    event    INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms    INTEGER NOT NULL,
    who      BLOB NOT NULL,
    kind     TEXT NOT NULL,
    search   TEXT NOT NULL,
    query    TEXT,
    product  TEXT NOT NULL,
    image    TEXT,
    rank     INTEGER,
    seen     INTEGER NOT NULL CHECK (seen IN (0, 1))
) STRICT;
CREATE INDEX IF NOT EXISTS events_by_who ON events(who, at_ms);
CREATE INDEX IF NOT EXISTS events_by_age ON events(at_ms);
CREATE UNIQUE INDEX IF NOT EXISTS events_once ON events(who, search, product, kind);
CREATE TABLE IF NOT EXISTS searches(
    search   TEXT PRIMARY KEY,
    at_ms    INTEGER NOT NULL,
    photo    TEXT,
    shown    TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS searches_by_age ON searches(at_ms);
";

/// What was done with a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// It was opened.
    Click,
    /// It was put into the basket.
    AddToCart,
    /// It was called the same article.
    Same,
    /// It was called similar.
    Similar,
    /// It was called something else.
    Different,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Click => "click",
            Self::AddToCart => "add_to_cart",
            Self::Same => "same",
            Self::Similar => "similar",
            Self::Different => "different",
        }
    }
}

/// One thing that happened.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Event {
    pub(crate) kind: Kind,
    /// `id` of the search's answer.
    pub(crate) search: String,
    /// Id of the product in the results.
    pub(crate) product: String,
    /// Name of its image in the results.
    #[serde(default)]
    pub(crate) image: Option<String>,
    /// Its place in the results, from 1.
    #[serde(default)]
    pub(crate) rank: Option<u32>,
    /// Whoever did it, in whatever words tell shoppers apart; only a salted hash is kept.
    #[serde(default)]
    pub(crate) user: Option<String>,
}

/// One event as the trainer reads it.
#[derive(Serialize, ToSchema)]
pub(crate) struct Exported {
    /// Grows; hand it back as `after`.
    event: u64,
    at: String,
    /// `click`, `add_to_cart`, `same`, `similar` or `different`.
    kind: String,
    search: String,
    /// The product that was searched with; null if it was a photo.
    query_product: Option<String>,
    /// Content hash (BLAKE3, hex) of the photo that was searched with: the name that it has for training, where the shop
    /// keeps it. The photo itself is not kept here.
    #[serde(skip_serializing_if = "Option::is_none")]
    photo: Option<String>,
    product: String,
    image: Option<String>,
    rank: Option<u32>,
    /// Products of that answer, best first, at most 100.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    shown: Vec<String>,
    /// Tells users apart, and not who they are; null for those who were not named.
    user: Option<String>,
    /// This server answered that search with that product.
    seen: bool,
    /// 0..=1: how much it should count. Falls with the number of events of the same user.
    weight: f64,
}

impl Exported {
    /// What is handed back as `after`.
    pub(crate) fn number(&self) -> u64 {
        self.event
    }
}

/// What became of the events of one call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Fate {
    /// Kept.
    pub(crate) accepted: u64,
    /// The same user said the same of the same result before.
    pub(crate) repeated: u64,
    /// The user has sent more today than is kept.
    pub(crate) capped: u64,
}

/// A search that was answered a while ago.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) catalogue: String,
    /// The product that was searched with.
    pub(crate) product: Option<String>,
    /// Content hash of the photo that was searched with.
    pub(crate) photo: Option<String>,
    /// Products of the answer, best first.
    pub(crate) shown: Vec<String>,
}

/// The latest searches, in memory only.
#[derive(Default)]
pub(crate) struct Searches(Mutex<(HashMap<String, Asked>, VecDeque<String>)>);

impl Searches {
    pub(crate) fn remember(&self, id: &str, asked: Asked) {
        let (known, order) = &mut *self.0.lock();
        if order.len() >= SEARCHES
            && let Some(oldest) = order.pop_front()
        {
            known.remove(&oldest);
        }
        known.insert(id.to_owned(), asked);
        order.push_back(id.to_owned());
    }

    pub(crate) fn of(&self, id: &str, catalogue: &str) -> Option<Asked> {
        self.0.lock().0.get(id).filter(|asked| asked.catalogue == catalogue).cloned()
    }
}

/// The events of one catalogue.
pub(crate) struct Feedback {
    database: Mutex<Connection>,
    path: PathBuf,
    salt: [u8; 32],
}

impl Feedback {
    pub(crate) fn open(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join("feedback.db");
        let mut new_salt = [0; 32];
        getrandom::fill(&mut new_salt)
            .map_err(|error| StoreError::Invalid(format!("the system gives no chance: {error}")))?;
        let open = || -> rusqlite::Result<_> {
            let database = Connection::open(&path)?;
            database.busy_timeout(Duration::from_secs(5))?;
            database.pragma_update(None, "journal_mode", "WAL")?;
            // A power failure may cost the last clicks; each of them is not worth a wait for the disk.
            database.pragma_update(None, "synchronous", "NORMAL")?;
            database.execute_batch(TABLES)?;
            database.execute("INSERT OR IGNORE INTO salt VALUES (1, ?)", [new_salt])?;
            let salt = database.query_row("SELECT salt FROM salt", [], |row| row.get(0))?;
            Ok((database, salt))
        };
        let (database, salt) =
            open().map_err(|error| StoreError::Disk { path: path.clone(), detail: error.to_string() })?;
        Ok(Self { database: Mutex::new(database), path, salt })
    }

    /// Keeps events, in one transaction. `asked`: the search of each, if it is remembered.
    pub(crate) fn add(
        &self,
        events: &[(Event, Option<Asked>)],
        retention_days: Option<u32>,
    ) -> Result<Fate, StoreError> {
        let now = now_ms();
        self.with(|database| {
            let transaction = database.transaction()?;
            let oldest = now.saturating_sub(u64::from(retention_days.unwrap_or(RETENTION_DAYS)) * DAY_MS);
            transaction.prepare_cached("DELETE FROM events WHERE at_ms < ?")?.execute([oldest as i64])?;
            transaction.prepare_cached("DELETE FROM searches WHERE at_ms < ?")?.execute([oldest as i64])?;
            let mut fate = Fate::default();
            for (event, asked) in events {
                let who = self.who(event.user.as_deref());
                let allowed = if event.user.is_some() { EVENTS_A_DAY } else { EVENTS_A_DAY * CROWD };
                let today: i64 = transaction
                    .prepare_cached("SELECT count(*) FROM events WHERE who = ? AND at_ms > ?")?
                    .query_row(params![who, now.saturating_sub(DAY_MS) as i64], |row| row.get(0))?;
                if today as u64 >= allowed {
                    fate.capped += 1;
                    continue;
                }
                let seen = asked.as_ref().is_some_and(|asked| asked.shown.contains(&event.product));
                let query = asked.as_ref().and_then(|asked| asked.product.as_deref());
                let row = params![
                    now as i64, who, event.kind.name(), event.search, query, event.product, event.image, event.rank, seen
                ];
                let kept = transaction
                    .prepare_cached(
                        "INSERT OR IGNORE INTO events(at_ms, who, kind, search, query, product, image, rank, seen) \
                         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    )?
                    .execute(row)?;
                if kept == 0 {
                    fate.repeated += 1;
                    continue;
                }
                fate.accepted += 1;
                if let Some(asked) = asked {
                    let shown = &asked.shown[..asked.shown.len().min(SHOWN)];
                    let shown = serde_json::Value::from(shown).to_string();
                    transaction
                        .prepare_cached(
                            "INSERT OR IGNORE INTO searches(search, at_ms, photo, shown) VALUES (?, ?, ?, ?)",
                        )?
                        .execute(params![event.search, now as i64, asked.photo, shown])?;
                }
            }
            transaction.commit()?;
            Ok(fate)
        })
    }

    /// Events after number `after`, in order, at most `limit`.
    pub(crate) fn export(&self, after: u64, limit: usize) -> Result<Vec<Exported>, StoreError> {
        let nobody = self.who(None);
        self.with(|database| {
            let mut query = database.prepare_cached(
                "SELECT event, events.at_ms, kind, search, query, product, image, rank, seen, who, \
                 (SELECT count(*) FROM events o WHERE o.who = events.who), photo, shown \
                 FROM events LEFT JOIN searches USING (search) WHERE event > ? ORDER BY event LIMIT ?",
            )?;
            let rows = query.query_map(params![after as i64, limit as i64], |row| {
                let (who, count): (Vec<u8>, i64) = (row.get(9)?, row.get(10)?);
                let named = who != nobody;
                let shown: Option<String> = row.get(12)?;
                let full = if named { FULL_WEIGHT } else { FULL_WEIGHT * CROWD as f64 };
                Ok(Exported {
                    event: row.get::<_, i64>(0)? as u64,
                    at: rfc3339(row.get::<_, i64>(1)? as u64),
                    kind: row.get(2)?,
                    search: row.get(3)?,
                    query_product: row.get(4)?,
                    photo: row.get(11)?,
                    product: row.get(5)?,
                    image: row.get(6)?,
                    rank: row.get(7)?,
                    shown: shown.and_then(|list| serde_json::from_str(&list).ok()).unwrap_or_default(),
                    seen: row.get(8)?,
                    user: named.then(|| who.iter().map(|byte| format!("{byte:02x}")).collect()),
                    weight: (full / count.max(1) as f64).min(1.0),
                })
            })?;
            rows.collect()
        })
    }

    /// Sixteen bytes that tell users of this catalogue apart; all who are not named are one.
    fn who(&self, user: Option<&str>) -> Vec<u8> {
        let text = user.map_or_else(String::new, |user| format!("u{user}"));
        blake3::keyed_hash(&self.salt, text.as_bytes()).as_bytes()[..16].to_vec()
    }

    fn with<T>(&self, work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        work(&mut self.database.lock())
            .map_err(|error| StoreError::Disk { path: self.path.clone(), detail: error.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(user: Option<&str>, product: &str) -> (Event, Option<Asked>) {
        let event = Event {
            kind: Kind::Click,
            search: "s".into(),
            product: product.into(),
            image: None,
            rank: Some(1),
            user: user.map(str::to_owned),
        };
        let shown = vec!["p0".into()];
        let asked = Asked { catalogue: "main".into(), product: None, photo: Some("f0".into()), shown };
        (event, Some(asked))
    }

    #[test]
    fn one_user_cannot_steer_what_is_learned() {
        let folder = tempfile::tempdir().expect("a folder");
        let feedback = Feedback::open(folder.path()).expect("opened");
        let flood: Vec<_> = (0..500).map(|n| event(Some("loud"), &format!("p{n}"))).collect();
        let fate = feedback.add(&flood, None).expect("kept");
        assert_eq!(fate, Fate { accepted: EVENTS_A_DAY, repeated: 0, capped: 300 });
        let quiet = [event(Some("quiet"), "p0"), event(Some("quiet"), "p0"), event(None, "p0")];
        assert_eq!(feedback.add(&quiet, None).expect("kept"), Fate { accepted: 2, repeated: 1, capped: 0 });
        let all = feedback.export(0, 1000).expect("read");
        assert!(all.iter().all(|event| event.shown == ["p0"] && event.photo.as_deref() == Some("f0")));
        let weight = |user: &Exported| (user.weight * 100.0).round();
        let (loud, quiet) = (&all[0], &all[EVENTS_A_DAY as usize]);
        assert_eq!((weight(loud), weight(quiet)), (10.0, 100.0));
        assert!(
            loud.seen
                && !all[1].seen
                && loud.user != quiet.user
                && all.last().is_some_and(|last| last.user.is_none())
        );
        assert!(
            !std::fs::read(folder.path().join("feedback.db"))
                .is_ok_and(|file| file.windows(4).any(|part| part == b"loud"))
        );
        assert_eq!(feedback.export(all[1].event, 1).expect("read")[0].event, all[2].event);
    }

    #[test]
    fn old_events_go() {
        let folder = tempfile::tempdir().expect("a folder");
        let feedback = Feedback::open(folder.path()).expect("opened");
        feedback.add(&[event(None, "p0")], None).expect("kept");
        feedback.with(|database| database.execute("UPDATE events SET at_ms = 0", [])).expect("aged");
        feedback.add(&[], Some(30)).expect("swept");
        assert!(feedback.export(0, 10).expect("read").is_empty());
        feedback.with(|database| database.execute("UPDATE searches SET at_ms = 0", [])).expect("aged");
        feedback.add(&[], Some(30)).expect("swept");
        let searches =
            feedback.with(|d| d.query_row("SELECT count(*) FROM searches", [], |r| r.get::<_, i64>(0)));
        assert_eq!(searches.expect("counted"), 0);
    }
}
