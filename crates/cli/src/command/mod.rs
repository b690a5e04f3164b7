//! One file a command, or a family of them.

pub(crate) mod audit;
#[cfg(feature = "train")]
pub(crate) mod clicks;
pub(crate) mod compare;
pub(crate) mod demo;
pub(crate) mod detect;
pub(crate) mod embed;
pub(crate) mod eval;
pub(crate) mod export;
pub(crate) mod fusion;
pub(crate) mod import;
pub(crate) mod index;
pub(crate) mod keys;
pub(crate) mod model;
pub(crate) mod products;
pub(crate) mod search;
pub(crate) mod serve;
pub(crate) mod snapshot;
pub(crate) mod sync;
#[cfg(feature = "train")]
pub(crate) mod train;

use crate::args::{Arguments, Completion};
use crate::failure::Done;
use clap::CommandFactory;

/// `twinset ann`
pub(crate) fn ann() -> anyhow::Result<Done> {
    twinset_index::contender::serve(std::io::stdin().lock(), std::io::stdout().lock())?;
    Ok(Done::All)
}

/// `twinset completion SHELL`
pub(crate) fn completion(args: &Completion) -> anyhow::Result<Done> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Arguments::command(), "twinset", &mut script);
    std::io::Write::write_all(&mut std::io::stdout().lock(), &script)?;
    Ok(Done::All)
}
