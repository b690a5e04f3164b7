//! The binary as its users meet it: arguments in, one answer on stdout, an exit status, and a home that stays whole.

mod brought;
mod clicks;
mod failures;
mod house;
mod house_rules;
mod import;
mod kills;
mod looking;
mod products;
mod pulling;
mod serving;
mod syncing;
#[cfg(feature = "otel")]
mod traces;
