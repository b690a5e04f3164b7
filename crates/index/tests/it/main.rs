//! Behaviour of the indexes through their public surface.
mod contract;
mod damage;
mod exact;
mod graph;
mod model;
