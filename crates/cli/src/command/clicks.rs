//! `twinset clicks simulate|ids`, `twinset eval clicks`

use crate::args::{Clicks, ClicksIds, ClicksSimulate, EvalClicks};
use crate::failure::Done;
use crate::files::replace;
use crate::interrupt;
use crate::progress::Progress;
use crate::ui::{Ui, table};
use anyhow::Context;
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use twinset_dataset::DataSet;
use twinset_eval::Figure;
use twinset_eval::interval::Clusters;
use twinset_train::{
    Agreement, Cleaning, ClickLog, DrawnShop, Shoppers, TrainOptions, agreement, box_overlap, clean,
    draw_shop, found_first, run_clicks, run_embedder, simulate, truth, virtual_ids,
};

/// A `--data` that stands for a drawn shop.
const DRAWN: &str = "synth:";

pub(crate) fn run(args: &Clicks, ui: &Ui) -> anyhow::Result<Done> {
    match args {
        Clicks::Simulate(args) => make(args, ui),
        Clicks::Ids(args) => ids(args, ui),
    }
}

fn make(args: &ClicksSimulate, ui: &Ui) -> anyhow::Result<Done> {
    let data = if args.data == Path::new(DRAWN) {
        let shop = args.shop.clone().unwrap_or_else(|| args.out.with_extension("shop"));
        ui.note(format_args!("drawing {} products into {}", args.products, shop.display()));
        draw_shop(&DrawnShop { products: args.products, seed: args.seed, ..DrawnShop::default() }, &shop)?;
        shop
    } else {
        args.data.clone()
    };
    let usual = Shoppers::default();
    let shoppers = Shoppers {
        searches: args.searches,
        users: args.users,
        robots: f64::from(args.robots),
        photo_views: if args.photo_views.is_empty() { usual.photo_views } else { args.photo_views.clone() },
        seed: args.seed,
        ..usual
    };
    let log = simulate(&DataSet::open(&data)?, &shoppers)?;
    log.write(&args.out)?;
    let told = json!({ "out": args.out, "data": data, "clicks": log.clicks.len(), "shoppers": shoppers });
    ui.answer(&told, || {
        format!(
            "{} simulated clicks of {} searches in {}, over the pictures of {}\n",
            log.clicks.len(),
            args.searches,
            args.out.display(),
            data.display()
        )
    })?;
    Ok(Done::All)
}

fn ids(args: &ClicksIds, ui: &Ui) -> anyhow::Result<Done> {
    let cleaned = clean(&ClickLog::read(&args.log)?, &Cleaning::default());
    let ids = virtual_ids(&cleaned);
    if let Some(out) = &args.out {
        replace(out, |file| {
            writeln!(file, "listing,virtual_id")?;
            ids.listings.iter().try_for_each(|(listing, id)| writeln!(file, "{listing},{id}"))
        })?;
    }
    let told = json!({ "clicks": cleaned.clicks.len(), "robots": cleaned.robots, "dropped": cleaned.dropped,
                       "repeated": cleaned.repeated, "listings": ids.listings.len(), "products": ids.clusters,
                       "photos": ids.photos.len(), "out": args.out });
    ui.answer(&told, || {
        let mut text = format!(
            "{} clicks believed, {} of robots and {} repetitions left out\n",
            cleaned.clicks.len(),
            cleaned.dropped,
            cleaned.repeated
        );
        cleaned.robots.iter().for_each(|(reason, n)| {
            let _ = writeln!(text, "  {n} shoppers left out: {reason}");
        });
        let _ = writeln!(
            text,
            "{} virtual products with several of {} listings; {} photos have one",
            ids.clusters,
            ids.listings.len(),
            ids.photos.len()
        );
        text
    })?;
    Ok(Done::All)
}

/// What `eval clicks` answers; all of it on simulated clicks.
#[derive(Serialize)]
struct Report {
    note: &'static str,
    shop: DrawnShop,
    steps: u64,
    clicks: usize,
    /// Of virtual ids with the true products: believed as they are, cleaned, and cleaned where no robots were.
    ids: BTreeMap<&'static str, Agreement>,
    /// Products found first by networks that learned from true ids, virtual ids, and no ids.
    retrieval: BTreeMap<&'static str, Figure>,
    /// Virtual over true.
    share_of_true_ids: Option<f64>,
    /// Mean overlap with the true box, by data set.
    boxes: BTreeMap<String, BTreeMap<&'static str, Figure>>,
}

/// Small enough that a minute of one core teaches it something.
fn small(data: PathBuf, clicks: Option<PathBuf>, steps: u64) -> TrainOptions {
    TrainOptions {
        data: vec![data],
        clicks,
        synth: false,
        side: Some(64),
        stem: Some(16),
        stages: Some(vec![(32, 1), (64, 2), (128, 2)]),
        steps,
        batch: 48,
        learning_rate: 2e-3,
        hold_out: 0.0,
        checkpoint_every: steps,
        ..TrainOptions::default()
    }
}

pub(crate) fn measure(args: &EvalClicks, ui: &Ui) -> anyhow::Result<Done> {
    let temporary = tempfile::Builder::new().prefix("twinset-").tempdir().context("no temporary folder")?;
    let folder = args.keep.clone().unwrap_or_else(|| temporary.path().to_path_buf());
    let data = folder.join("shop");
    let shop = DrawnShop {
        products: args.products,
        held_out: args.held_out,
        seed: args.seed,
        ..DrawnShop::default()
    };
    if !data.join("manifest.csv").is_file() {
        ui.note(format_args!("drawing {} products", shop.products + shop.held_out));
        draw_shop(&shop, &data)?;
    }
    let set = DataSet::open(&data)?;
    let log_of = |robots: f64| {
        let usual = Shoppers::default();
        let searches = 24 * args.products as usize;
        simulate(&set, &Shoppers { searches, users: searches / 6, robots, seed: args.seed, ..usual })
    };
    let log = log_of(f64::from(args.robots))?;
    let path = folder.join("clicks.ndjson");
    log.write(&path)?;
    let products = truth(&set, &Shoppers::default().photo_views);
    let met = |log: &ClickLog, rules: &Cleaning| agreement(&virtual_ids(&clean(log, rules)), &products);
    let ids = BTreeMap::from([
        ("as_clicked", met(&log, &Cleaning::none())),
        ("cleaned", met(&log, &Cleaning::default())),
        ("without_robots", met(&log_of(0.0)?, &Cleaning::default())),
    ]);

    let mut retrieval = BTreeMap::new();
    let rounds = [
        ("true_ids", "boxed.csv", None),
        ("virtual_ids", "boxed.csv", Some(path.clone())),
        ("no_ids", "alone.csv", None),
    ];
    for (name, manifest, clicks) in rounds.into_iter().filter(|_| !args.only_boxes) {
        let options = small(data.join(manifest), clicks, args.steps);
        let run = folder.join(name);
        watch_training(ui, name, &options, |stop, watch| {
            run_embedder(&options, &run, run.exists(), stop, watch)
        })?;
        let found = found_first(&run.join("package"), &data.join("boxed.csv"), "val")?;
        let clusters = Clusters::new(found.products.iter(), 1000, args.seed);
        let figure = clusters.mean(&found.first).context("no held-out photo could be searched")?;
        retrieval.insert(name, figure);
    }
    let value = |name: &str| retrieval.get(name).map(|f: &Figure| f[0]);
    let share_of_true_ids = value("virtual_ids").zip(value("true_ids")).map(|(v, t)| v / t.max(1e-9));

    let mut boxes = BTreeMap::new();
    if !args.only_ids {
        let options = TrainOptions { batch: 32, ..small(data.clone(), Some(path), args.box_steps) };
        let run = folder.join("boxes");
        watch_training(ui, "boxes", &options, |stop, watch| {
            run_clicks(&options, &run, run.exists(), stop, watch).map(|_| ())
        })?;
        for of in std::iter::once(&data).chain(&args.data) {
            let found = box_overlap(&run, of, "val")?;
            let clusters = Clusters::new(found.products.iter(), 1000, args.seed);
            let figures = [
                ("learned", &found.learned),
                ("full_frame", &found.full_frame),
                ("centre_crop", &found.centre_crop),
                ("saliency", &found.saliency),
            ];
            let figures =
                figures.into_iter().filter_map(|(name, v)| Some((name, clusters.mean(v)?))).collect();
            boxes.insert(DataSet::open(of)?.name(), figures);
        }
    }
    let (steps, clicks) = (args.steps, log.clicks.len());
    let report =
        Report { note: "simulated clicks", shop, steps, clicks, ids, retrieval, share_of_true_ids, boxes };
    ui.answer(&report, || told(&report))?;
    Ok(Done::All)
}

fn watch_training(
    ui: &Ui,
    name: &str,
    options: &TrainOptions,
    work: impl FnOnce(
        &std::sync::atomic::AtomicBool,
        &dyn Fn(&twinset_train::Progress),
    ) -> Result<(), twinset_train::TrainError>,
) -> anyhow::Result<()> {
    let progress = Progress::new(ui, &format!("training: {name}"), "steps", options.steps);
    work(interrupt::flag(), &|state| {
        progress.set(state.step, state.steps);
        let losses: Vec<String> =
            state.losses.iter().map(|(name, loss)| format!("{name} {loss:.3}")).collect();
        progress.say(&losses.join(", "));
    })?;
    progress.finish();
    anyhow::ensure!(
        !interrupt::asked_to_stop(),
        "stopped; what is measured with half a training says nothing"
    );
    Ok(())
}

fn told(report: &Report) -> String {
    let figure = |f: &Figure| format!("{:.3} [{:.3}, {:.3}]", f[0], f[1], f[2]);
    let mut text = format!("{}: {} of them\n", report.note, report.clicks);
    let head = ["virtual ids", "precision", "recall"].map(str::to_owned).to_vec();
    let rows = report
        .ids
        .iter()
        .map(|(name, a)| vec![(*name).to_owned(), format!("{:.3}", a.precision), format!("{:.3}", a.recall)]);
    text += &table(&std::iter::once(head).chain(rows).collect::<Vec<_>>());
    if let Some(share) = report.share_of_true_ids {
        let head = ["trained on", "R@1 of held-out products"].map(str::to_owned).to_vec();
        let rows = report.retrieval.iter().map(|(name, f)| vec![(*name).to_owned(), figure(f)]);
        text += &table(&std::iter::once(head).chain(rows).collect::<Vec<_>>());
        let _ = writeln!(text, "virtual ids reach {:.1} % of what true ids reach", share * 100.0);
    }
    for (set, figures) in &report.boxes {
        let head = vec![format!("boxes, {set}"), "mean IoU".to_owned()];
        let rows = figures.iter().map(|(name, f)| vec![(*name).to_owned(), figure(f)]);
        text += &table(&std::iter::once(head).chain(rows).collect::<Vec<_>>());
    }
    text
}
