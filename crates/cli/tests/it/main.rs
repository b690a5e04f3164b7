//! The binary as its users meet it: arguments in, one answer on stdout, an exit status, and a home that stays whole.

mod brought;
mod clicks;
#[cfg(feature = "mpi")]
mod crew;
mod failures;
mod house;
mod house_rules;
mod import;
mod kills;
mod looking;
mod products;
mod public;
mod pulling;
mod serving;
#[cfg(feature = "s3")]
mod stored;
mod syncing;
#[cfg(feature = "otel")]
mod traces;
