//! `twinset train fusion`

use crate::args::TrainFusion;
use crate::command::eval::{models, watched};
use crate::failure::Done;
use crate::files::replace;
use crate::ui::Ui;
use anyhow::Context;
use serde_json::json;
use std::path::Path;
use twinset_eval::{drawn, fusion};
use twinset_synth::Twins;

/// A `--data` that stands for drawn garments.
const DRAWN: &str = "synth:";

pub(crate) fn run(args: &TrainFusion, ui: &Ui) -> anyhow::Result<Done> {
    let models = models(&args.models)?;
    let folder = tempfile::Builder::new().prefix("twinset-").tempdir().context("no temporary folder")?;
    let mut sources = Vec::new();
    if args.data.is_empty() || args.data.iter().any(|data| data == DRAWN) {
        watched(ui, "products", |watch| drawn::write(&Twins::TRAINING, folder.path(), watch))?;
        sources.push(drawn::options(folder.path()));
    }
    for dir in args.data.iter().filter(|data| *data != DRAWN) {
        sources.push(fusion::source(Path::new(dir))?);
    }
    let fitted = watched(ui, "pictures", |watch| fusion::fit(&sources, &models, watch))?;
    replace(&args.out, |out| std::io::Write::write_all(out, &fitted.fusion.to_json()))?;
    ui.answer(&json!({ "out": args.out, "fit": fitted }), || {
        format!(
            "{} queries, {} pairs of which {} are the same; loss {:.3} -> {:.3}; the weights are in {}\n",
            fitted.queries,
            fitted.pairs[0],
            fitted.pairs[1],
            fitted.loss[0],
            fitted.loss[1],
            args.out.display()
        )
    })?;
    Ok(Done::All)
}
