//! Learning from what shoppers click, without labels and without drawn boxes.
//!
//! In: click logs ([`log`]) and the pictures that they name. Out: clicks that can be believed ([`clean`]), groups of
//! listings that shoppers treat as one product ([`graph`]), and an embedder that learned where the garment is from
//! clicks alone ([`learn`]). A simulator ([`simulate`]) makes logs where there are none; every figure that rests on it
//! says "simulated clicks". The ideas are those of Taobao's image search: boxes and embedding from click triplets (Zhang
//! et al., Visual search at Alibaba, KDD 2018), virtual ids from co-clicks (Zhang et al., Virtual ID discovery from
//! e-commerce media at Alibaba, CIKM 2019).

mod clean;
mod graph;
mod learn;
mod log;
mod measure;
#[cfg(feature = "parquet")]
mod parquet;
mod simulate;
mod soft_box;

pub use clean::{Cleaned, Cleaning, clean};
pub use graph::{Agreement, VirtualIds, agreement, virtual_ids};
pub use learn::{Boxes, run_clicks};
pub use log::{Click, ClickLog};
pub use measure::{BoxOverlap, FoundFirst, box_overlap, found_first};
pub use simulate::{DrawnShop, Shoppers, draw_shop, simulate, truth};

pub(crate) use learn::ids_of;
