//! The binary `twinset`.
//!
//! In: arguments. Out: one answer on stdout (text, or one JSON document with `--json`), logs and progress on
//! stderr, and an exit status: 0 done, 1 failed, 2 wrong use, 3 done with some items rejected. Knows arguments,
//! terminals and JSON shapes; everything else is the engine's, the server's, or a measurement of `eval`.

mod args;
mod command;
mod draw;
mod failure;
mod files;
mod interrupt;
mod progress;
mod session;
mod shapes;
mod ui;

use args::{Arguments, Command, Train};
use clap::Parser;
use failure::Done;
use std::process::ExitCode;
use ui::Ui;

fn main() -> ExitCode {
    // Workers are this same binary; they must give up their rights before they do anything else.
    match std::env::args_os().nth(1) {
        Some(arg) if arg == twinset_photo::worker::WORKER_ARG => twinset_photo::worker::worker_main(),
        Some(arg) if arg == twinset_nets::MODEL_WORKER_ARG => twinset_nets::model_worker_main(),
        _ => {}
    }
    let arguments = Arguments::parse();
    let ui = Ui::new(&arguments.global);
    let _logging = ui.start_logging();
    interrupt::install();
    match run(&arguments, &ui) {
        Ok(Done::All) => ExitCode::SUCCESS,
        Ok(Done::SomeRejected) => ExitCode::from(3),
        Err(error) => failure::report(&error, &ui),
    }
}

fn run(arguments: &Arguments, ui: &Ui) -> anyhow::Result<Done> {
    let home = &arguments.global.home;
    match &arguments.command {
        Command::Demo(args) => command::demo::run(args, ui),
        Command::Serve(args) => command::serve::run(args, home.as_deref(), ui),
        Command::Keys(command) => command::keys::run(command, home.as_deref(), ui),
        Command::Import(args) => command::import::run(args, home.as_deref(), ui),
        Command::Sync(args) => command::sync::run(args, home.as_deref(), ui),
        Command::Export(args) => command::export::run(args, home.as_deref(), ui),
        Command::Snapshot(args) => command::snapshot::run(args, home.as_deref(), ui),
        Command::Put(args) => command::products::put(args, home.as_deref(), ui),
        Command::Get(args) => command::products::get(args, home.as_deref(), ui),
        Command::Remove(args) => command::products::remove(args, home.as_deref(), ui),
        Command::List(args) => command::products::list(args, home.as_deref(), ui),
        Command::Search(args) => command::search::run(args, home.as_deref(), ui),
        Command::Detect(args) => command::detect::run(args, ui),
        Command::Match(args) => command::compare::run(args, ui),
        Command::Embed(args) => command::embed::run(args, ui),
        Command::Eval(args) => command::eval::run(args, home.as_deref(), ui),
        Command::Audit(args) => command::audit::run(args, home.as_deref(), ui),
        Command::Index(args) => command::index::run(args, home.as_deref(), ui),
        Command::Model(args) => command::model::run(args, home.as_deref(), ui),
        Command::Train(Train::Fusion(args)) => command::fusion::run(args, ui),
        #[cfg(feature = "train")]
        Command::Train(Train::Detector(args)) => command::train::run("detector", args, home.as_deref(), ui),
        #[cfg(feature = "train")]
        Command::Train(Train::Embedder(args)) => command::train::run("embedder", args, home.as_deref(), ui),
        #[cfg(feature = "train")]
        Command::Train(Train::Clicks(args)) => command::train::run("clicks", args, home.as_deref(), ui),
        #[cfg(feature = "train")]
        Command::Clicks(args) => command::clicks::run(args, ui),
        Command::Ann => command::ann(),
        Command::Completion(args) => command::completion(args),
    }
}
