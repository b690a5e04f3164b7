//! What all handlers share.

use crate::afar::Afar;
use crate::feedback::{Feedback, Searches};
use crate::gate::Gate;
use crate::intake::Intake;
use crate::jobs::Jobs;
use crate::keys::Keys;
use crate::ledger::Ledger;
use crate::metrics::Metrics;
use crate::options::ServerOptions;
use crate::problem::Problem;
use crate::replay::Running;
use crate::shelf::Shelf;
use crate::thumbnails::Thumbnails;
use crate::uploads::Uploads;
use axum::body::Bytes;
use axum::http::HeaderValue;
use parking_lot::{Mutex, RwLock};
use std::collections::HashMap;
use std::sync::Arc;
use twinset_catalogue::CatalogueName;
use twinset_engine::{Engine, Shop};
use utoipa::openapi::OpenApi;

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct App(Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) engine: Arc<Engine>,
    pub(crate) options: ServerOptions,
    /// Work that decodes or looks at pictures.
    pub(crate) vision: Gate,
    /// Work that reads or writes the catalogue.
    pub(crate) store: Gate,
    /// Work that makes thumbnails: a page asks for dozens at once.
    pub(crate) pictures: Gate,
    /// Photos named by their addresses.
    pub(crate) afar: Afar,
    /// Photos that were sent ahead.
    pub(crate) uploads: Uploads,
    pub(crate) keys: Keys,
    pub(crate) running: Running,
    pub(crate) intake: Intake,
    pub(crate) metrics: Metrics,
    pub(crate) thumbnails: Thumbnails,
    pub(crate) searches: Searches,
    feedback: Mutex<HashMap<CatalogueName, Arc<Feedback>>>,
    /// The description of the API, as JSON.
    pub(crate) openapi: Bytes,
    /// The methods of each route, as the header `allow` tells them.
    pub(crate) allowed: HashMap<String, HeaderValue>,
    pub(crate) jobs: Jobs,
    pub(crate) shelf: Shelf,
    pub(crate) ledger: Ledger,
    writers: Mutex<HashMap<CatalogueName, Arc<RwLock<()>>>>,
}

impl From<Arc<Shared>> for App {
    fn from(shared: Arc<Shared>) -> Self {
        Self(shared)
    }
}

impl std::ops::Deref for App {
    type Target = Shared;
    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl App {
    pub(crate) fn new(
        engine: Arc<Engine>,
        options: ServerOptions,
        keys: Keys,
        shelf: Shelf,
        ledger: Ledger,
        openapi: &OpenApi,
    ) -> Self {
        let slots = options.slots();
        Self(Arc::new(Shared {
            engine,
            keys,
            running: Running::default(),
            intake: Intake::new(options.body_budget_bytes, options.patience),
            pictures: Gate::of_many("pictures", slots.div_ceil(2), 16 * options.queue),
            vision: Gate::new("vision", slots, options.queue),
            // Writers wait for the disk, not for a core; together they share one flush of it.
            store: Gate::new("store", (4 * slots).max(16), 4 * options.queue),
            afar: Afar::new(&options),
            uploads: Uploads::new(options.uploads_bytes, options.upload_time),
            metrics: Metrics::default(),
            thumbnails: Thumbnails::new(options.thumbnail_cache_bytes),
            openapi: openapi.to_json().unwrap_or_default().into(),
            allowed: allowed(openapi),
            jobs: Jobs::default(),
            shelf,
            ledger,
            writers: Mutex::default(),
            searches: Searches::default(),
            feedback: Mutex::default(),
            options,
        }))
    }

    /// For work that must not keep the server alive.
    pub(crate) fn weak(&self) -> std::sync::Weak<Shared> {
        Arc::downgrade(&self.0)
    }

    /// Blocking: the first call for a catalogue opens its files.
    pub(crate) fn shop(&self, name: &str) -> Result<Arc<Shop>, Problem> {
        // A name that cannot be is one that is not there.
        let name = CatalogueName::parse(name).map_err(|_| missing_catalogue())?;
        Ok(self.engine.catalogue(&name)?)
    }

    /// Blocking: the events of a catalogue.
    pub(crate) fn feedback(&self, shop: &Shop) -> Result<Arc<Feedback>, Problem> {
        let mut open = self.feedback.lock();
        if let Some(feedback) = open.get(shop.name()) {
            return Ok(feedback.clone());
        }
        let feedback = Arc::new(Feedback::open(shop.catalogue().dir())?);
        open.insert(shop.name().clone(), feedback.clone());
        Ok(feedback)
    }

    /// Before a catalogue is removed: one of the same name may be made later.
    pub(crate) fn forget(&self, name: &CatalogueName) {
        self.feedback.lock().remove(name);
        self.writers.lock().remove(name);
    }

    /// Plain writes of a catalogue hold this for reading, side by side; a write that depends on what it has read
    /// (PATCH, `if-match`) holds it for writing. Only this process writes: it holds the home.
    pub(crate) fn writers(&self, shop: &Shop) -> Arc<RwLock<()>> {
        self.writers.lock().entry(shop.name().clone()).or_default().clone()
    }
}

/// The same words for a catalogue that is not there and for one that a key does not reach.
pub(crate) fn missing_catalogue() -> Problem {
    Problem::new(&crate::problem::CATALOGUE_NOT_FOUND, "there is no catalogue of this name")
}

fn allowed(openapi: &OpenApi) -> HashMap<String, HeaderValue> {
    let routes = openapi.paths.paths.iter().filter_map(|(path, item)| {
        let methods = [
            ("GET, HEAD", item.get.is_some()),
            ("PUT", item.put.is_some()),
            ("POST", item.post.is_some()),
            ("PATCH", item.patch.is_some()),
            ("DELETE", item.delete.is_some()),
            ("OPTIONS", true),
        ];
        let names: Vec<&str> = methods.into_iter().filter(|(_, has)| *has).map(|(name, _)| name).collect();
        Some((path.clone(), HeaderValue::from_str(&names.join(", ")).ok()?))
    });
    routes.collect()
}
