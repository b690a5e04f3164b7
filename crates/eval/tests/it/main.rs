//! Measurements through the public surface, on tiny data made here.
mod coco;
mod index;
mod retrieval;
