//! The engine through its public surface, with pictures drawn here and whatever models ship: every
//! statement holds for any weights (a picture finds itself; what was removed is gone).

mod audit;
mod change;
mod disk;
mod drawn;
mod gauge;
mod generations;
mod model;
mod packed;
mod panels;
mod query;
mod syncing;
mod trouble;
