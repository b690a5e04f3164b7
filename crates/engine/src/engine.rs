//! One home with its catalogues, opened once a process.

use crate::answer::{Detection, Embedded, GarmentSeen, Match};
use crate::features::full_scale;
use crate::stages::StageTimes;
use crate::{ChangeStage, Decoder, EngineError, Goal, Histogram, Models, Result, Shop, Vision, query};
use parking_lot::Mutex;
use std::{collections::HashMap, path::Path, sync::Arc, time::Duration};
use twinset_catalogue::{CatalogueName, Home, Settings};
use twinset_disk::{Disk, RealDisk};
use twinset_index::GraphOptions;
use twinset_photo::Limits;

/// How an engine works. Nothing here changes what a picture looks like to it.
#[derive(Clone, Debug)]
pub struct Options {
    /// Threads that look at new pictures; 0: one a core.
    pub threads: usize,
    /// What is refused before decoding.
    pub limits: Limits,
    /// Where foreign bytes are decoded.
    pub decoder: Decoder,
    /// The index is saved when this many changes are not in the saved one.
    pub save_every_changes: u64,
    /// Or when a change has waited this long.
    pub save_every: Duration,
    /// How long a search waits for its `min_seq` before it is refused.
    pub min_seq_wait: Duration,
    /// How the index is made.
    pub index: GraphOptions,
    /// What searches of catalogues aim at that say nothing of it themselves.
    pub goal: Goal,
    /// How often, in idle time, a sample of the queries is looked at once more.
    pub measure_every: Duration,
    /// Megabytes of memory that the index of each catalogue may take that says nothing of it itself; `None`: what it
    /// needs.
    pub index_memory_mb: Option<u64>,
    /// Where indexes and model packages lie; catalogues lie where SQLite writes them.
    pub disk: Arc<dyn Disk>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            threads: 0,
            limits: Limits::default(),
            decoder: Decoder::default(),
            save_every_changes: 20_000,
            save_every: Duration::from_secs(60),
            min_seq_wait: Duration::from_secs(2),
            index: GraphOptions::default(),
            goal: Goal::default(),
            measure_every: Duration::from_secs(10),
            index_memory_mb: None,
            disk: Arc::new(RealDisk),
        }
    }
}

/// What all shops of one engine share; a generation of its own has another [`Vision`] in it.
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) vision: Arc<Vision>,
    /// Looks at new pictures, for all catalogues together.
    pub(crate) pool: Arc<rayon::ThreadPool>,
    /// Folder of the index, beside the catalogue's database: each generation has its own.
    pub(crate) index_folder: String,
    /// Share of their time, above 0 and at most 1, that the threads of `pool` look at pictures.
    pub(crate) share: f32,
    /// Of the changes of all catalogues.
    pub(crate) times: Arc<StageTimes>,
}

/// `threads` threads that look at pictures; 0: one a core.
pub(crate) fn looking_pool(home: &Path, threads: usize) -> Result<Arc<rayon::ThreadPool>> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).thread_name(|i| format!("look-{i}"));
    let pool = pool
        .build()
        .map_err(|e| EngineError::Disk { path: home.into(), detail: format!("no threads to be had: {e}") })?;
    Ok(Arc::new(pool))
}

/// All catalogues of one home. While it is open no other process can open the same home.
pub struct Engine {
    home: Home,
    shared: Arc<Shared>,
    models: Models,
    shops: Mutex<HashMap<CatalogueName, Arc<Shop>>>,
}

impl Engine {
    /// Opens `home` (made if missing) with the models inside the binary.
    ///
    /// # Errors
    /// Another process holds the home, or the disk failed.
    pub fn open(home: &Path, options: Options) -> Result<Self> {
        Self::open_with(home, options, Arc::new(Vision::default()))
    }

    /// Opens `home` with other models. Features that other models computed are kept, but not used.
    ///
    /// # Errors
    /// As [`Engine::open`].
    pub fn open_with(home: &Path, options: Options, vision: Arc<Vision>) -> Result<Self> {
        let pool = looking_pool(home, options.threads)?;
        let times = Arc::default();
        let shared =
            Arc::new(Shared { options, vision, pool, index_folder: "index".into(), share: 1.0, times });
        let models = Models::new(home.join("models"), shared.options.disk.clone());
        Ok(Self { home: Home::open(home)?, shared, models, shops: Mutex::default() })
    }

    /// The eyes.
    #[must_use]
    pub fn vision(&self) -> &Arc<Vision> {
        &self.shared.vision
    }

    /// The model packages that are kept in this home.
    #[must_use]
    pub fn models(&self) -> &Models {
        &self.models
    }

    /// How it works.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.shared.options
    }

    /// How long the stages of changes took since the engine was opened, for all catalogues together.
    #[must_use]
    pub fn change_times(&self) -> Vec<(ChangeStage, Histogram)> {
        self.shared.times.told()
    }

    /// The folder.
    #[must_use]
    pub fn home(&self) -> &Path {
        self.home.dir()
    }

    /// Names of all catalogues, sorted.
    ///
    /// # Errors
    /// The disk failed.
    pub fn catalogues(&self) -> Result<Vec<CatalogueName>> {
        Ok(self.home.catalogues()?)
    }

    /// Opens a catalogue, or gives the one that is open. Its index catches up in the background.
    ///
    /// # Errors
    /// There is none of this name, or it cannot be opened. A damaged index is no error, it is made anew.
    pub fn catalogue(&self, name: &CatalogueName) -> Result<Arc<Shop>> {
        let mut shops = self.shops.lock();
        if let Some(shop) = shops.get(name) {
            return Ok(shop.clone());
        }
        let shop =
            Arc::new(Shop::open(self.home.open_catalogue(name)?, self.shared.clone(), self.models.clone())?);
        shops.insert(name.clone(), shop.clone());
        Ok(shop)
    }

    /// Makes an empty catalogue and opens it.
    ///
    /// # Errors
    /// It exists, a setting is out of range, or the disk failed.
    pub fn create(&self, name: &CatalogueName, settings: Settings) -> Result<Arc<Shop>> {
        Goal::of(&settings, self.shared.options.goal)?;
        let mut shops = self.shops.lock();
        let shop = Arc::new(Shop::open(
            self.home.create(name, settings)?,
            self.shared.clone(),
            self.models.clone(),
        )?);
        shops.insert(name.clone(), shop.clone());
        Ok(shop)
    }

    /// Opens a catalogue, making it if there is none.
    ///
    /// # Errors
    /// The disk failed.
    pub fn open_or_create(&self, name: &CatalogueName) -> Result<Arc<Shop>> {
        match self.create(name, Settings::default()) {
            Err(EngineError::Catalogue(twinset_catalogue::CatalogueError::CatalogueExists { .. })) => {
                self.catalogue(name)
            }
            other => other,
        }
    }

    /// Makes a catalogue of a copy that [`Shop::snapshot`] wrote, here or elsewhere, and opens it. Its index is made anew
    /// from the features in the copy.
    ///
    /// # Errors
    /// There is one of this name, the copy is none of ours or damaged, or the disk failed.
    pub fn restore(&self, name: &CatalogueName, copy: &Path) -> Result<Arc<Shop>> {
        let mut shops = self.shops.lock();
        let shop =
            Arc::new(Shop::open(self.home.restore(name, copy)?, self.shared.clone(), self.models.clone())?);
        shops.insert(name.clone(), shop.clone());
        Ok(shop)
    }

    /// Removes a catalogue with all it holds; `false` if there was none. Searches under way get an error.
    ///
    /// # Errors
    /// The disk failed.
    pub fn remove(&self, name: &CatalogueName) -> Result<bool> {
        let mut shops = self.shops.lock();
        if let Some(shop) = shops.remove(name) {
            shop.close();
        }
        Ok(self.home.remove_catalogue(name)?)
    }

    /// Saves and closes every catalogue. Also done when the engine is dropped.
    pub fn close(&self) {
        let shops: Vec<_> = self.shops.lock().drain().collect();
        shops.iter().for_each(|(_, shop)| shop.close());
    }

    /// Finds the garments of a photo, with the attributes of each.
    ///
    /// # Errors
    /// The photo cannot be read, or a brought model failed on it.
    pub fn detect(&self, bytes: &[u8]) -> Result<Detection> {
        let decoded = self.shared.decode(bytes)?;
        let scale = full_scale(&decoded);
        let vision = &self.shared.vision;
        let seen = vision.see(&decoded.photo)?;
        let garment = |g: &twinset_detect::Garment| {
            let described = vision.describe(&decoded.photo, g.rect)?;
            Ok(GarmentSeen::new(g, scale, vision, Some(&described)))
        };
        Ok(Detection {
            width: decoded.full_width,
            height: decoded.full_height,
            garments: seen.garments.iter().map(garment).collect::<Result<_>>()?,
            chosen: seen.chosen,
        })
    }

    /// Describes what is meant in a photo as a query would be: the region if one is given, else the garment that a
    /// search would use, else the whole photo.
    ///
    /// # Errors
    /// The photo cannot be read, the region lies outside of it, or a brought model failed on it.
    pub fn embed(&self, bytes: &[u8], region: Option<crate::Region>) -> Result<Embedded> {
        query::embed(&self.shared, bytes, region)
    }

    /// Compares the garments meant in two photos.
    ///
    /// # Errors
    /// A photo cannot be read, or a brought model failed on it.
    pub fn compare(&self, query: &[u8], hit: &[u8]) -> Result<Match> {
        query::compare(&self.shared, query, hit)
    }
}

impl Shared {
    /// The same with other eyes.
    pub(crate) fn seeing(&self, vision: Arc<Vision>) -> Self {
        let index_folder = match vision.hash() == self.vision.hash() {
            true => self.index_folder.clone(),
            false => format!("index-{}", &vision.name()[..16]),
        };
        Self {
            options: self.options.clone(),
            vision,
            pool: self.pool.clone(),
            index_folder,
            share: self.share,
            times: self.times.clone(),
        }
    }

    /// Within our limits, to the side that the models look at.
    pub(crate) fn decode(&self, bytes: &[u8]) -> Result<twinset_photo::Decoded> {
        self.options.decoder.decode(bytes, &self.options.limits, crate::vision::DECODE_SIDE_PX)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.close();
    }
}
