//! Draws garments, scenes and seller edits with exact labels, from a seed.
//!
//! In: a seed and an index (and, when the caller has them, real photos as grounds and real cut-outs).
//! Out: pictures with boxes, masks, categories, product ids, attributes and texel correspondences.
//! Nothing is stored: any worker can make any sample, and makes the same one. Knows nothing of
//! networks, catalogues or files.
//!
//! A garment is a few outlines in metres on a simple body (`cut`), filled by a pattern program
//! (`cloth`), shaded and seen through a smooth map (`draw`). A scene places garments on a ground
//! (`scene`), and a camera and a seller spoil it (`camera`, `edits`). The mix follows Cut-Paste-Learn
//! (Dwibedi et al. 2017: several blend modes, so that no network learns the paste seams) and domain
//! randomisation (Tremblay et al. 2018).

mod body;
mod camera;
mod cloth;
mod colour;
mod composite;
mod cut;
mod draw;
mod edits;
mod ground;
mod layer;
mod noise;
mod outline;
mod raster;
mod rng;
mod scene;
mod sets;
mod shop;
mod spec;

pub use cloth::{Family, PatternClass};
pub use colour::ColourName;
pub use composite::{Composite, GeoMap, composite};
pub use cut::Cut;
pub use draw::{Cutout, TexelMap, View, ViewKind, correspond, draw};
pub use edits::{Edits, collage, edited};
pub use ground::GroundKind;
pub use layer::Blend;
pub use rng::Rng;
pub use scene::{Item, Mask, Scene, SceneOptions, packshot, scene};
pub use sets::{Clutter, DrawnPicture, DrawnSet, Twins};
pub use shop::{CatalogueEntry, catalogue_product, query_photo};
pub use spec::{Attributes, Category, GarmentSpec, Split, product};
