//! Who may do what: keys with rights, catalogues, origins and a rate.
//!
//! A key is `tw_<id>_<secret>` (public ones `tw_pub_<id>_<secret>`). The id finds it; of the secret, 256 bits of
//! chance, only the BLAKE3 hash is kept: a hash made slow on purpose protects guessable passwords, which this is not.
//! Hashes are compared in constant time.
//!
//! [`Keys`] is the store that `twinset keys` and `/v1/keys` write; [`Ring`] is what a running server holds in memory.
//! A key that another process made is good at once: a token that is not known is looked for again before it is refused.
//! What else another process wrote is seen within a second.

use crate::clock::now_ms;
use crate::rate::{Meter, Rate};
use crate::store::{self, StoreError};
use parking_lot::{Mutex, RwLock};
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use twinset_catalogue::CatalogueName;
use utoipa::ToSchema;

const SECRET_BYTES: usize = 32;
const ID_BYTES: usize = 6;
/// How old the copy in memory may become.
const FRESH: Duration = Duration::from_secs(1);
/// What a public key may do if nothing else is said: a busy shop page, not a scraper.
const PUBLIC_RATE: Rate = Rate { requests: 600, window_s: 60 };

/// What a key allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Right {
    /// Search, detect, compare, send feedback, fetch pictures.
    Search,
    /// Read products, feedback, findings, numbers; vectors too.
    Read,
    /// Change products and everything below a catalogue.
    Write,
    /// Everything else too: catalogues, keys, models.
    Admin,
}

impl std::str::FromStr for Right {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "search" => Ok(Self::Search),
            "read" => Ok(Self::Read),
            "write" => Ok(Self::Write),
            "admin" => Ok(Self::Admin),
            _ => Err(format!("'{text}' is no right; they are search, read, write and admin")),
        }
    }
}

/// What is chosen when a key is made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "shop page", "rights": ["search"], "public": true, "origins": ["https://shop.example"], "rate": {"requests": 600, "window_s": 60}}))]
pub struct NewKey {
    /// What it is for; at most 100 characters.
    #[serde(default)]
    pub name: String,
    /// What it allows; `admin` holds the others.
    pub rights: BTreeSet<Right>,
    /// The catalogues it is for; empty: all.
    #[serde(default)]
    pub catalogues: BTreeSet<String>,
    /// The web sites (`https://shop.example`) whose pages may use it; empty: pages of this server only.
    #[serde(default)]
    pub origins: BTreeSet<String>,
    /// How often it may be used; left out: as often as it likes, a public one 600 times a minute.
    #[serde(default)]
    pub rate: Option<Rate>,
    /// May stand in a web page: only `search`, always with a rate.
    #[serde(default)]
    pub public: bool,
    /// Requests without a key are treated as made with this one; for the search page of this server.
    #[serde(default)]
    pub anonymous: bool,
}

impl NewKey {
    fn checked(mut self) -> Result<Self, StoreError> {
        let wrong = |text: String| Err(StoreError::Invalid(text));
        self.public |= self.anonymous;
        if self.public {
            if self.rights.is_empty() {
                self.rights.insert(Right::Search);
            }
            if self.rights.iter().any(|right| *right != Right::Search) {
                return wrong(
                    "a public key stands in web pages for all to read: it can have the right `search` only"
                        .into(),
                );
            }
            self.rate = self.rate.or(Some(PUBLIC_RATE));
        }
        if self.rights.is_empty() {
            return wrong(
                "a key without rights is of no use; give at least one of search, read, write, admin".into(),
            );
        }
        if self.name.chars().count() > 100 || self.name.chars().any(char::is_control) {
            return wrong(
                "the name of a key has at most 100 characters, none of them a control character".into(),
            );
        }
        if let Some(name) = self.catalogues.iter().find(|name| CatalogueName::parse(name).is_err()) {
            return wrong(format!("'{name}' cannot name a catalogue"));
        }
        if let Some(origin) = self.origins.iter().find(|origin| !is_origin(origin)) {
            return wrong(format!(
                "'{origin}' is no origin; write scheme and host, as `https://shop.example`"
            ));
        }
        if self.rate.is_some_and(|rate| !rate.is_possible()) {
            return wrong("a rate has 1 to 1,000,000 requests in 1 to 86,400 seconds".into());
        }
        Ok(self)
    }
}

/// As browsers write it: no path, no slash at the end.
fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    host.is_some_and(|host| {
        !host.is_empty()
            && host.len() <= 253
            && host.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.:[]".contains(&b))
    })
}

/// A key as it is listed: everything but its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Public part: names the key in lists and logs.
    pub id: String,
    /// What was chosen.
    pub allows: NewKey,
    /// Milliseconds since 1970 UTC.
    pub created_at_ms: u64,
    /// Milliseconds since 1970 UTC; `None` while it is good.
    pub revoked_at_ms: Option<u64>,
}

impl Key {
    pub(crate) fn has(&self, right: Right) -> bool {
        self.allows.rights.contains(&right) || self.allows.rights.contains(&Right::Admin)
    }

    pub(crate) fn reaches(&self, catalogue: &str) -> bool {
        self.allows.catalogues.is_empty() || self.allows.catalogues.contains(catalogue)
    }
}

/// A key that was just made, with the only sight of its secret.
#[derive(Clone, Debug)]
pub struct MadeKey {
    /// What is kept of it.
    pub key: Key,
    /// The whole key, to be given to whoever uses it.
    pub token: String,
}

/// The keys of a home.
pub struct Keys {
    database: Mutex<Connection>,
    ring: RwLock<Arc<Ring>>,
    watch: Mutex<Watch>,
}

/// Reads what is written, here or by another process, and never waits for a write. Whoever makes the ring anew holds it,
/// so that what was read earlier never takes the place of what was read later.
struct Watch {
    database: Connection,
    looked: Instant,
    /// Changes when another connection has written.
    version: i64,
}

/// All good keys, in memory.
#[derive(Debug, Default)]
pub(crate) struct Ring {
    by_id: HashMap<String, (blake3::Hash, Arc<Held>)>,
    anonymous: Option<Arc<Held>>,
    /// There are keys, or were: then nothing is open to those without one.
    pub(crate) locked: bool,
}

/// A key in use.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) key: Key,
    pub(crate) meter: Meter,
}

impl Ring {
    /// The key of this text; `None` for any other text, in the same time.
    pub(crate) fn find(&self, token: &str) -> Option<&Arc<Held>> {
        let (id, secret) = split(token).unwrap_or(("", ""));
        let offered = blake3::hash(secret.as_bytes());
        let nobody = blake3::Hash::from_bytes([0; 32]);
        let (kept, held) = self.by_id.get(id).map_or((nobody, None), |(kept, held)| (*kept, Some(held)));
        // `==` of two hashes takes constant time.
        if offered == kept { held } else { None }
    }

    pub(crate) fn anonymous(&self) -> Option<&Arc<Held>> {
        self.anonymous.as_ref()
    }

    /// Whether a page of this site may call with some key: all that a preflight, which has no key, can be told.
    pub(crate) fn knows_origin(&self, origin: &str) -> bool {
        self.by_id.values().any(|(_, held)| held.key.allows.origins.contains(origin))
    }
}

/// `tw_<id>_<secret>` or `tw_pub_<id>_<secret>`.
fn split(token: &str) -> Option<(&str, &str)> {
    let rest = token.strip_prefix("tw_")?;
    rest.strip_prefix("pub_").unwrap_or(rest).split_once('_')
}

impl Keys {
    /// Opens the keys of a home, while a server runs there or not.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(home: &Path) -> Result<Self, StoreError> {
        let watch = Watch { database: store::open(home)?, looked: Instant::now(), version: -1 };
        let keys = Self {
            database: Mutex::new(store::open(home)?),
            ring: RwLock::default(),
            watch: Mutex::new(watch),
        };
        keys.reload(&mut keys.watch.lock())?;
        Ok(keys)
    }

    /// Makes a key. Its secret is told here and never again.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] says what cannot be; the disk.
    pub fn create(&self, new: NewKey) -> Result<MadeKey, StoreError> {
        let allows = new.checked()?;
        let (id, secret) = (chance::<ID_BYTES>()?, chance::<SECRET_BYTES>()?);
        let prefix = if allows.public { "tw_pub_" } else { "tw_" };
        let token = format!("{prefix}{id}_{secret}");
        let key = Key { id, allows, created_at_ms: now_ms(), revoked_at_ms: None };
        let body =
            serde_json::to_string(&key.allows).map_err(|error| StoreError::Invalid(error.to_string()))?;
        let hash = blake3::hash(secret.as_bytes());
        self.with(|database| {
            let row = params![key.id, hash.as_bytes(), body, key.created_at_ms as i64];
            database.execute("INSERT INTO keys(id, secret, body, created_ms) VALUES (?, ?, ?, ?)", row)
        })?;
        self.reload(&mut self.watch.lock())?;
        Ok(MadeKey { key, token })
    }

    /// All keys, oldest first, those revoked too.
    ///
    /// # Errors
    /// The disk.
    pub fn list(&self) -> Result<Vec<Key>, StoreError> {
        Ok(rows(&self.watch.lock().database)?.into_iter().map(|(_, key)| key).collect())
    }

    /// Makes a key useless; `false` if there is none of this id. Running servers know within a second.
    ///
    /// # Errors
    /// The disk.
    pub fn revoke(&self, id: &str) -> Result<bool, StoreError> {
        let found = self.with(|database| {
            let known = database.query_row("SELECT 1 FROM keys WHERE id = ?", [id], |_| Ok(())).optional()?;
            database.execute(
                "UPDATE keys SET revoked_ms = ? WHERE id = ? AND revoked_ms IS NULL",
                params![now_ms() as i64, id],
            )?;
            Ok(known.is_some())
        })?;
        self.reload(&mut self.watch.lock())?;
        Ok(found)
    }

    /// Whether there are or were keys: without any, a server is open to all who reach it.
    #[must_use]
    pub fn any(&self) -> bool {
        self.ring.read().locked
    }

    /// The good keys of now, for a request with this token: a second old at most, and fresh if they do not have it.
    /// Cheap.
    pub(crate) fn ring(&self, token: Option<&str>) -> Arc<Ring> {
        let ring = self.ring.read().clone();
        let unknown = ring.locked && token.is_some_and(|token| ring.find(token).is_none());
        let watch = if unknown { Some(self.watch.lock()) } else { self.watch.try_lock() };
        let Some(mut watch) = watch.filter(|watch| unknown || watch.looked.elapsed() >= FRESH) else {
            return ring;
        };
        watch.looked = Instant::now();
        let version = watch.database.query_row("PRAGMA data_version", [], |row| row.get::<_, i64>(0));
        if version.is_ok_and(|version| version != watch.version)
            && let Err(error) = self.reload(&mut watch)
        {
            tracing::error!(%error, "the keys cannot be read anew; those in memory stay");
        }
        self.ring.read().clone()
    }

    /// For the other table of the same file.
    pub(crate) fn with<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let database = self.database.lock();
        told(&database, work(&database))
    }

    /// Keys that stay keep the use of their quota.
    fn reload(&self, watch: &mut Watch) -> Result<(), StoreError> {
        // The number first: what is written in between is read twice, not missed.
        watch.version =
            told(&watch.database, watch.database.query_row("PRAGMA data_version", [], |row| row.get(0)))?;
        let rows = rows(&watch.database)?;
        let mut ring = self.ring.write();
        let mut new = Ring { locked: !rows.is_empty(), ..Ring::default() };
        for (secret, key) in rows.into_iter().filter(|(_, key)| key.revoked_at_ms.is_none()) {
            let held = match ring.by_id.get(&key.id) {
                Some((_, held)) if held.key == key => held.clone(),
                _ => Arc::new(Held { key, meter: Meter::default() }),
            };
            if held.key.allows.anonymous {
                new.anonymous = Some(held.clone());
            }
            new.by_id.insert(held.key.id.clone(), (blake3::Hash::from_bytes(secret), held));
        }
        *ring = Arc::new(new);
        Ok(())
    }
}

fn told<T>(database: &Connection, result: rusqlite::Result<T>) -> Result<T, StoreError> {
    result.map_err(|error| StoreError::Disk {
        path: database.path().unwrap_or("server.db").into(),
        detail: error.to_string(),
    })
}

/// All keys with the hashes of their secrets, oldest first.
fn rows(database: &Connection) -> Result<Vec<([u8; 32], Key)>, StoreError> {
    let read = || {
        let mut query = database.prepare_cached(
            "SELECT secret, id, body, created_ms, revoked_ms FROM keys ORDER BY created_ms, id",
        )?;
        let rows = query.query_map([], |row| {
            let times = (row.get::<_, i64>(3)? as u64, row.get::<_, Option<i64>>(4)?.map(|ms| ms as u64));
            Ok((row.get::<_, [u8; 32]>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?, times))
        })?;
        rows.collect::<rusqlite::Result<Vec<_>>>()
    };
    let key = |(secret, id, body, (created_at_ms, revoked_at_ms)): ([u8; 32], String, String, _)| {
        let allows = serde_json::from_str(&body)
            .map_err(|error| StoreError::Invalid(format!("key {id} cannot be read: {error}")))?;
        Ok((secret, Key { id, allows, created_at_ms, revoked_at_ms }))
    };
    told(database, read())?.into_iter().map(key).collect()
}

/// Letters and digits from the system's source of chance; a little more than 5.95 bits a letter.
pub(crate) fn chance<const N: usize>() -> Result<String, StoreError> {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut text = String::with_capacity(2 * N);
    while text.len() < (N * 8).div_ceil(5) {
        let mut bytes = [0_u8; N];
        getrandom::fill(&mut bytes)
            .map_err(|error| StoreError::Invalid(format!("the system gives no chance: {error}")))?;
        // Six bits each; the two values beyond the 62 letters are thrown away, so that all are equally likely.
        text.extend(
            bytes.iter().filter_map(|b| LETTERS.get(usize::from(b & 63))).map(|letter| char::from(*letter)),
        );
    }
    text.truncate((N * 8).div_ceil(5));
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(rights: &[Right]) -> NewKey {
        NewKey { rights: rights.iter().copied().collect(), ..NewKey::default() }
    }

    #[test]
    fn a_key_opens_until_it_is_revoked_and_nothing_like_it_does() {
        let home = tempfile::tempdir().expect("a folder");
        let keys = Keys::open(home.path()).expect("opened");
        assert!(!keys.any());
        let made = keys.create(new(&[Right::Search])).expect("made");
        assert!(keys.any() && keys.ring(None).find(&made.token).is_some());
        let last = made.token.len() - 1;
        for other in [
            "",
            "tw_",
            &made.token[..last],
            &format!("{}x", made.token),
            &made.token[3..],
            &made.token.to_lowercase(),
        ] {
            assert!(keys.ring(None).find(other).is_none(), "{other}");
        }
        // Another process revokes it: this one sees it within a second, and stays locked without any good key.
        assert!(Keys::open(home.path()).expect("opened twice").revoke(&made.key.id).expect("revoked"));
        std::thread::sleep(FRESH);
        assert!(keys.ring(None).find(&made.token).is_none() && keys.any());
        assert!(!keys.revoke("none").expect("no failure"));
        let file = std::fs::read(home.path().join("server.db")).expect("a file");
        let secret = split(&made.token).expect("two parts").1.as_bytes();
        assert!(!file.windows(secret.len()).any(|part| part == secret), "the secret is not stored");
    }

    /// A running server answered 401 for up to a second to a key that `twinset keys create` had just told.
    #[test]
    fn a_key_of_another_process_is_good_at_once() {
        let home = tempfile::tempdir().expect("a folder");
        let (serving, other) = (Keys::open(home.path()), Keys::open(home.path()));
        let (serving, other) = (serving.expect("opened"), other.expect("opened twice"));
        serving.create(new(&[Right::Admin])).expect("made");
        for _ in 0..20 {
            let token = other.create(new(&[Right::Search])).expect("made").token;
            assert!(serving.ring(Some(&token)).find(&token).is_some());
        }
        assert!(serving.ring(Some("tw_x_y")).find("tw_x_y").is_none());
    }

    /// Two who make keys at once: what one of them read last must not hide the other's.
    #[test]
    fn keys_made_at_once_are_all_good() {
        let home = tempfile::tempdir().expect("a folder");
        let keys = Keys::open(home.path()).expect("opened");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..10 {
                        let token = keys.create(new(&[Right::Search])).expect("made").token;
                        assert!(keys.ring.read().find(&token).is_some());
                    }
                });
            }
        });
        assert_eq!(keys.ring(None).by_id.len(), 80);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let home = tempfile::tempdir().expect("a folder");
        let keys = Keys::open(home.path()).expect("opened");
        let public = NewKey { public: true, ..NewKey::default() };
        assert_eq!(keys.create(public.clone()).expect("made").key.allows.rate, Some(PUBLIC_RATE));
        for wrong in [
            NewKey::default(),
            NewKey { rights: [Right::Write].into(), ..public },
            NewKey { origins: ["https://shop.example/".into()].into(), ..new(&[Right::Search]) },
            NewKey { origins: ["*".into()].into(), ..new(&[Right::Search]) },
            NewKey { catalogues: ["../x".into()].into(), ..new(&[Right::Read]) },
            NewKey { rate: Some(Rate { requests: 0, window_s: 1 }), ..new(&[Right::Read]) },
        ] {
            assert!(matches!(keys.create(wrong.clone()), Err(StoreError::Invalid(_))), "{wrong:?}");
        }
    }
}
