//! `twinset train detector|embedder|clicks`

use crate::args::TrainArgs;
use crate::failure::{Done, Stopped, WrongUse};
use crate::interrupt;
use crate::progress::Progress;
use crate::session;
use crate::ui::Ui;
use anyhow::Context;
use serde_json::json;
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use twinset_catalogue::{Catalogue, CatalogueName, Home, Product, snapshot_beside};
use twinset_disk::RealDisk;
use twinset_engine::Models;
use twinset_nets::{Package, Quarantine};
use twinset_photo::worker::this_exe;
use twinset_train::{
    Gain, TrainError, TrainOptions, find_detector_rate, find_embedder_rate, gain, is_first, run_clicks,
    run_detector, run_embedder, teach,
};

/// A `--data` that stands for drawn garments.
const DRAWN: &str = "synth:";
/// What a `--data` that stands for a catalogue begins with.
const CATALOGUE: &str = "catalogue:";
/// What a `--data` that is a click log begins with.
const CLICKS: &str = "clicks:";
/// The split of a catalogue's products that is kept to measure on.
const HELD: &str = "held";
/// One product of so many is held out.
const HELD_OF: u8 = 5;

/// `kind`: `detector`, `embedder` or `clicks`.
pub(crate) fn run(kind: &str, args: &TrainArgs, home: Option<&Path>, ui: &Ui) -> anyhow::Result<Done> {
    let run = args.run.clone().unwrap_or_else(|| PathBuf::from(format!("run-{kind}")));
    let mut options = options(args, &run)?;
    let catalogue = args.data.iter().find_map(|data| data.strip_prefix(CATALOGUE));
    if let Some(name) = catalogue {
        if kind != "embedder" {
            return Err(
                WrongUse("a catalogue is what an embedder is fitted to; train that".to_owned()).into()
            );
        }
        adapt_to(name, args, home, &run, &mut options, ui)?;
    }
    if kind == "detector" && options.clicks.is_some() {
        let learned =
            "a click log has no boxes; `twinset train clicks` learns some and leaves them in RUN/boxed";
        return Err(WrongUse(learned.to_owned()).into());
    }
    if args.find_rate {
        if kind == "clicks" {
            return Err(WrongUse("--find-rate is for detector and embedder".to_owned()).into());
        }
        return find_rate(kind, &options, ui);
    }
    if let Some(teacher) = &args.teacher {
        if kind != "embedder" {
            return Err(WrongUse("--teacher is for an embedder".to_owned()).into());
        }
        options.teacher = Some(taught_by(teacher, home, &run, &options.data, ui)?);
    }
    train(kind, &options, &run, args.resume, ui)?;
    if !is_first() {
        return Ok(Done::All);
    }

    let package = run.join("package");
    let gain = match catalogue {
        Some(_) => Some(judge(&run, &options, ui)?),
        None => None,
    };
    ui.answer(&json!({ "run": run, "package": package, "steps": options.steps, "gain": gain }), || {
        let mut text = format!("{} steps done; the model is in {}\n", options.steps, package.display());
        if let Some(g) = &gain {
            let _ = writeln!(
                text,
                "held-out products found first: {:.1} % before, {:.1} % now ({} queries among {} products; {} won, {} lost)",
                g.before * 100.0,
                g.after * 100.0,
                g.queries,
                g.gallery,
                g.won,
                g.lost
            );
        }
        text
    })?;
    Ok(Done::All)
}

/// The folder of a teacher's features over `data`: `teacher` itself if that is one, else looked up and made once, in the
/// run folder.
fn taught_by(
    teacher: &str,
    home: Option<&Path>,
    run: &Path,
    data: &[PathBuf],
    ui: &Ui,
) -> anyhow::Result<PathBuf> {
    let folder = Path::new(teacher);
    if folder.is_dir() && !session::holds_packages(folder) {
        return Ok(folder.to_path_buf());
    }
    let package = if folder.is_dir() {
        let packages = session::packages_in(&[folder.to_path_buf()])?;
        let embedder = packages.into_iter().find(|package| package.card().kind == "embedder");
        embedder.with_context(|| format!("{teacher} holds no embedder"))?
    } else {
        Models::new(session::home(home)?.join("models"), Arc::new(RealDisk)).find(teacher)?
    };
    Quarantine::of(this_exe()?).check(&package)?;
    let out = run.join("teacher");
    let progress =
        Progress::new(ui, &format!("{} looks at the pictures", package.card().name), "pictures", 0);
    let taught = teach(&package, data, &out, interrupt::flag(), &|done, total| progress.set(done, total));
    progress.finish();
    match taught {
        Err(TrainError::Stopped) => {
            let done = format!("the teacher's features are in {}", out.display());
            Err(Stopped { done, resume: None }.into())
        }
        Err(error) => Err(error.into()),
        Ok(taught) => {
            ui.note(format_args!(
                "{} looks of the teacher in {}; {} pictures passed over",
                taught.looks,
                out.display(),
                taught.passed_over
            ));
            Ok(out)
        }
    }
}

fn find_rate(kind: &str, options: &TrainOptions, ui: &Ui) -> anyhow::Result<Done> {
    let find = if kind == "detector" { find_detector_rate } else { find_embedder_rate };
    let found = find(options)?;
    ui.answer(&found, || {
        let losses: Vec<f32> = found.curve.iter().map(|(_, loss)| *loss).collect();
        let (from, to) = (found.curve.first(), found.curve.last());
        let rate = |of: Option<&(f32, f32)>| of.map_or(0.0, |c| c.0);
        format!(
            "loss from rate {:.0e} to {:.0e}: {}\nlearning_rate = {:.1e}\n",
            rate(from),
            rate(to),
            curve(&losses, 60),
            found.suggested
        )
    })?;
    Ok(Done::All)
}

/// Trains, with the losses' curve beside the bar.
fn train(kind: &str, options: &TrainOptions, run: &Path, resume: bool, ui: &Ui) -> anyhow::Result<()> {
    let progress = Progress::new(ui, &format!("training the {kind}"), "steps", options.steps);
    let told = std::sync::Mutex::new((std::time::Instant::now(), Vec::new()));
    let watch = |state: &twinset_train::Progress| {
        progress.set(state.step, state.steps);
        let losses: Vec<String> =
            state.losses.iter().map(|(name, loss)| format!("{name} {loss:.3}")).collect();
        let losses = losses.join(", ");
        tracing::info!(step = state.step, pictures_per_second = state.pictures_per_second, "{losses}");
        let Ok(mut told) = told.lock() else { return };
        told.1.extend(state.losses.first().map(|(_, loss)| *loss));
        progress.say(&format!(
            "{} {losses}, {:.0} pictures/s, rate {:.1e}",
            curve(&told.1, 24),
            state.pictures_per_second,
            state.learning_rate
        ));
        // Losses are the point of watching a training: a line a minute, whatever the verbosity.
        if told.0.elapsed().as_secs() >= 60 {
            told.0 = std::time::Instant::now();
            ui.note(format_args!("step {} of {}: {losses}", state.step, state.steps));
        }
    };
    let stop = interrupt::flag();
    match kind {
        "detector" => run_detector(options, run, resume, stop, &watch)?,
        "embedder" => run_embedder(options, run, resume, stop, &watch)?,
        _ => {
            let boxes = run_clicks(options, run, resume, stop, &watch)?;
            ui.note(format_args!(
                "{} photos with learned boxes, {:.0} % of a photo each, are in {}",
                boxes.photos,
                boxes.covers * 100.0,
                boxes.folder.display()
            ));
        }
    }
    progress.finish();
    if interrupt::asked_to_stop() {
        let done = format!("the last checkpoint is in {}", run.display());
        let resume = format!("twinset train {kind} --run {} --resume", run.display());
        return Err(Stopped { done, resume: Some(resume) }.into());
    }
    Ok(())
}

/// `values` as a row of at most `width` bars, from their least to their greatest.
fn curve(values: &[f32], width: usize) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let a_bar = values.len().div_ceil(width).max(1);
    let means: Vec<f32> = values.chunks(a_bar).map(|c| c.iter().sum::<f32>() / c.len() as f32).collect();
    let least = means.iter().copied().fold(f32::INFINITY, f32::min);
    let most = means.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let height = |v: f32| ((v - least) / (most - least).max(1e-9) * 7.0).round() as usize;
    means.iter().map(|v| BARS[height(*v).min(7)]).collect()
}

/// Lays out a catalogue's pictures as a data set in the run folder and chooses the options of a short fine-tuning of
/// the model inside the binary, where the caller chose none.
fn adapt_to(
    name: &str,
    args: &TrainArgs,
    home: Option<&Path>,
    run: &Path,
    options: &mut TrainOptions,
    ui: &Ui,
) -> anyhow::Result<()> {
    let (shop, base) = (run.join("shop"), run.join("base"));
    options.data.retain(|data| !data.to_string_lossy().starts_with(CATALOGUE));
    options.data.push(shop.clone());
    if args.resume && shop.join("manifest.csv").is_file() {
        return Ok(());
    }
    let name = CatalogueName::parse(name).map_err(|e| WrongUse(e.to_string()))?;
    // From a copy: the home may be a running server's.
    std::fs::create_dir_all(run).with_context(|| format!("{} cannot be made", run.display()))?;
    let beside = tempfile::tempdir_in(run).context("no temporary folder")?;
    let copy = beside.path().join("copy.db");
    snapshot_beside(&session::home(home)?, &name, &copy)?;
    let catalogue = Home::open(&beside.path().join("home"))?.restore(&name, &copy)?;
    let products = lay_out(&catalogue, &shop)?;
    drop((catalogue, beside));
    anyhow::ensure!(
        products >= 10,
        "{name} has {products} products with pictures; fine-tuning needs at least 10, some to learn from and some to measure on"
    );
    ui.note(format_args!("{products} products, one of {HELD_OF} held out to measure on"));
    if options.init.is_none() {
        Package::default_embedder().save(&base)?;
        options.init = Some(base);
    }
    if args.config.is_none() {
        let shipped = Package::default_embedder();
        let run_side = match shipped.architecture() {
            twinset_nets::Architecture::RepVggLite(a) => Some(a.side),
            _ => None,
        };
        *options = TrainOptions {
            synth: args.data.iter().any(|data| data == DRAWN),
            learning_rate: 3e-4,
            steps: args.steps.unwrap_or(300),
            run_side,
            ..options.clone()
        };
    }
    Ok(())
}

/// Writes `manifest.csv` and the pictures; returns the number of products that have one.
fn lay_out(catalogue: &Catalogue, to: &Path) -> anyhow::Result<usize> {
    std::fs::create_dir_all(to).with_context(|| format!("{} cannot be made", to.display()))?;
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let mut manifest = "file,shard,split,category,item_id,variant_id\n".to_owned();
    let clean = Clean::of(catalogue)?;
    let (mut products, mut trouble) = (0, None);
    catalogue.export(&mut |product| {
        let mut one = || -> anyhow::Result<()> {
            let group = product.group_id.as_deref().unwrap_or(&product.id);
            // By the group: a variant of a product that is learnt from would be no test.
            let split = if blake3_of(group).is_multiple_of(HELD_OF) { HELD } else { "train" };
            let category = clean.category(&product);
            let mut any = false;
            let pictures = product.images.iter().filter_map(|i| i.picture);
            for hash in pictures.filter(|hash| !clean.unfit.contains(&(product.id.clone(), hash.to_string())))
            {
                let Some(bytes) = catalogue.picture(&hash)? else { continue };
                let file = format!("{products}-{hash}");
                let path = to.join(&file);
                std::fs::write(&path, bytes)
                    .with_context(|| format!("{} cannot be written", path.display()))?;
                let cells = [&file, "", split, &category, group, &product.id].map(quoted);
                let _ = writeln!(manifest, "{}", cells.join(","));
                any = true;
            }
            products += usize::from(any);
            Ok(())
        };
        trouble = one().err();
        trouble.is_none()
    })?;
    if let Some(e) = trouble {
        return Err(e);
    }
    let path = to.join("manifest.csv");
    std::fs::write(&path, manifest).with_context(|| format!("{} cannot be written", path.display()))?;
    Ok(products)
}

/// What people decided about the findings of an audit, as a training takes it.
struct Clean {
    /// Of products whose claim was found wrong: the claim, and what it truly is.
    categories: HashMap<String, (String, String)>,
    /// Products with pictures that do not show them: somebody else's, a placeholder, several things in one, nothing.
    unfit: HashSet<(String, String)>,
}

impl Clean {
    fn of(catalogue: &Catalogue) -> anyhow::Result<Self> {
        let mut clean = Self { categories: HashMap::new(), unfit: HashSet::new() };
        for decision in catalogue.decisions()?.into_iter().filter(|decision| decision.accepted) {
            let finding = decision.finding;
            match (finding.kind.as_str(), finding.claimed.first(), finding.seen.first(), finding.picture) {
                ("category", Some(claimed), Some((truth, _)), _) => {
                    clean.categories.insert(finding.product, (claimed.clone(), truth.clone()));
                }
                ("copy" | "placeholder" | "collage" | "blank", _, _, Some(picture)) => {
                    clean.unfit.insert((finding.product, picture));
                }
                _ => {}
            }
        }
        Ok(clean)
    }

    /// The category of a product: what a person found it to be, as long as the seller claims what was wrong.
    fn category(&self, product: &Product) -> String {
        let claimed = product.product_type.first().map(Vec::as_slice).unwrap_or_default();
        match self.categories.get(&product.id) {
            Some((wrong, truth)) if claimed.join(" > ").starts_with(wrong) => truth.replace(" > ", "/"),
            _ => claimed.join("/"),
        }
    }
}

/// A number that a text always has.
fn blake3_of(text: &str) -> u8 {
    twinset_catalogue::PictureHash::of(text.as_bytes()).0[0]
}

/// Compares with the model that the run began with. A new model that is not better is put aside.
fn judge(run: &Path, options: &TrainOptions, ui: &Ui) -> anyhow::Result<Gain> {
    let base = options.init.as_ref().context("a fine-tuning begins with a package")?;
    let package = run.join("package");
    ui.note("measuring on the held-out products");
    let gain = gain(&Package::open(base)?, &Package::open(&package)?, &run.join("shop"), HELD, options.seed)?;
    let report = run.join("gain.json");
    std::fs::write(&report, serde_json::to_string_pretty(&gain)?)
        .with_context(|| format!("{} cannot be written", report.display()))?;
    if !gain.is_worth_it() {
        let aside = run.join("package-refused");
        let _ = std::fs::remove_dir_all(&aside);
        std::fs::rename(&package, &aside)
            .with_context(|| format!("{} cannot be moved", package.display()))?;
        anyhow::bail!(
            "the new model is not better on held-out products ({} of {} queries won, {} lost), so it is not offered; \
             it is kept in {}. More pictures a product help most",
            gain.won,
            gain.queries,
            gain.lost,
            aside.display()
        );
    }
    Ok(gain)
}

/// The file's options (or, when resuming, those the run began with), then the arguments.
fn options(args: &TrainArgs, run: &Path) -> anyhow::Result<TrainOptions> {
    let begun = run.join("config.json");
    let file = match &args.config {
        Some(path) => Some(path.as_path()),
        None if args.resume && begun.is_file() => Some(begun.as_path()),
        None => None,
    };
    let mut options = match file {
        None => TrainOptions::default(),
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("{} cannot be read", path.display()))?;
            let json = path.extension().is_some_and(|e| e == "json");
            let read = if json {
                serde_json::from_str(&text).map_err(|e| e.to_string())
            } else {
                toml::from_str(&text).map_err(|e| e.to_string())
            };
            read.map_err(|reason: String| WrongUse(format!("{}: {reason}", path.display())))?
        }
    };
    if !args.data.is_empty() {
        options.synth = args.data.iter().any(|data| data == DRAWN);
        let folders = args.data.iter().filter(|data| *data != DRAWN && !data.starts_with(CLICKS));
        options.data = folders.map(PathBuf::from).collect();
        options.clicks = args.data.iter().find_map(|data| data.strip_prefix(CLICKS)).map(PathBuf::from);
    }
    if let Some(steps) = args.steps {
        options.steps = steps;
    }
    options.loss = args.loss.unwrap_or(options.loss);
    options.mine |= args.mine;
    options.accumulate = args.accumulate.unwrap_or(options.accumulate);
    options.judge = args.hold_out.unwrap_or(options.judge);
    options.patience = args.patience.unwrap_or(options.patience);
    options.window = args.window.unwrap_or(options.window);
    if let Some(init) = &args.init {
        options.init = Some(init.clone());
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_goes_from_its_least_to_its_greatest() {
        assert_eq!(curve(&[], 8), "");
        assert_eq!(curve(&[8.0, 4.5, 1.0], 8), "█▅▁");
        assert_eq!(curve(&[1.0; 100], 8).chars().count(), 8);
    }
}
