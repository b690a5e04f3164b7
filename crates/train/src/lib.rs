//! Trains the detector and the embedder.
//!
//! In: data sets, teacher features, the generator. Out: run folders and model packages in the inference form. The
//! networks are written on burn tensors, one code for CPU and GPU; what comes out is checked against the inference
//! kernels of `nets`, which are its fast path. Knows nothing of catalogues or search.

mod adapt;
mod augment;
mod card;
mod categories;
mod clicks;
mod crew;
mod detector;
mod drawn;
mod embedder;
mod error;
mod events;
mod layers;
mod learn_detector;
mod learn_embedder;
mod live;
mod losses;
mod params;
mod proxies;
mod run;
mod sources;
mod stock;
mod teach;
mod teacher;
mod trunk;

pub use adapt::{Gain, gain};
pub use clicks::{
    Agreement, BoxOverlap, Boxes, Cleaned, Cleaning, Click, ClickLog, DrawnShop, FoundFirst, Shoppers,
    VirtualIds, agreement, box_overlap, clean, draw_shop, found_first, run_clicks, simulate, truth,
    virtual_ids,
};
pub use crew::is_first;
pub use detector::DetectorArchitecture;
pub use embedder::EmbedderArchitecture;
pub use error::TrainError;
pub use learn_detector::{find_detector_rate, run_detector};
pub use learn_embedder::{find_embedder_rate, run_embedder};
pub use proxies::Loss;
pub use run::{Progress, RateSearch, TrainOptions};
pub use teach::{Taught, teach};

/// Categories of garments, everywhere the same. `outfit` is a person with all that is worn.
pub const CATEGORIES: [&str; 17] = [
    "top",
    "outerwear",
    "dress",
    "skirt",
    "trousers",
    "shorts",
    "footwear",
    "bag",
    "hat",
    "scarf",
    "belt",
    "eyewear",
    "jewellery",
    "legwear",
    "gloves",
    "item",
    "outfit",
];

/// Patterns of cloth.
pub const PATTERNS: [&str; 13] = [
    "solid",
    "striped",
    "checked",
    "dotted",
    "floral",
    "graphic",
    "animal",
    "camouflage",
    "gradient",
    "knit",
    "denim",
    "lace",
    "other",
];

/// Pictures a second of forward, backward and optimiser for both networks, on pictures that need no reading.
///
/// `steps`: measured steps of each, after one that is not counted.
#[must_use]
pub fn throughput(steps: u64) -> Vec<(&'static str, f64)> {
    vec![("embedder", learn_embedder::throughput(steps)), ("detector", learn_detector::throughput(steps))]
}
