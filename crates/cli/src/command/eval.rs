//! `twinset eval retrieval|public|twins|clutter|evidence|copies|detection|category|audit|index|clicks`

use crate::args::{
    BoxOf, Eval, EvalAudit, EvalClutter, EvalCopies, EvalData, EvalEvidence, EvalIndex, EvalPublic,
    EvalRetrieval, EvalTwins, IdColumn, IndexKind, MetricName, Models,
};
use crate::failure::{Done, WrongUse};
use crate::progress::Progress;
use crate::session;
use crate::ui::{Ui, table};
use anyhow::Context;
use std::path::{Path, PathBuf};
use twinset_dataset::{DataSet, PublicSet};
use twinset_eval::retrieval::{Baseline, Id, QueryBox, Recall, Scores};
use twinset_eval::{
    Figure, Unreadable, audit, category, copies, detection, drawn, evidence, index, retrieval,
};
use twinset_index::{ExactIndex, GraphIndex, GraphOptions, Metric, Shape, VectorIndex};
use twinset_local::Fusion;
use twinset_synth::{Clutter, Twins};

pub(crate) fn run(args: &Eval, home: Option<&Path>, ui: &Ui) -> anyhow::Result<Done> {
    match args {
        Eval::Retrieval(args) => eval_retrieval(args, home, ui),
        Eval::Public(args) => eval_public(args, ui),
        Eval::Twins(args) => eval_twins(args, ui),
        Eval::Clutter(args) => eval_clutter(args, ui),
        Eval::Evidence(args) => eval_evidence(args, ui),
        Eval::Copies(args) => eval_copies(args, ui),
        Eval::Detection(args) => eval_detection(args, ui),
        Eval::Category(args) => eval_category(args, ui),
        Eval::Audit(args) => eval_audit(args, ui),
        Eval::Index(args) => eval_index(args, ui),
        #[cfg(feature = "train")]
        Eval::Clicks(args) => crate::command::clicks::measure(args, ui),
    }
}

/// Runs a measurement with its progress.
pub(crate) fn watched<T>(
    ui: &Ui,
    unit: &'static str,
    measure: impl FnOnce(twinset_eval::Watch<'_>) -> Result<T, twinset_eval::EvalError>,
) -> anyhow::Result<T> {
    let progress = Progress::new(ui, "measuring", unit, 0);
    // Nothing is left behind by stopping a measurement in the middle: the first Ctrl-C ends it.
    let measured = measure(&|state| {
        if crate::interrupt::asked_to_stop() {
            std::process::exit(1);
        }
        progress.stage(state.stage);
        progress.set(state.done, state.total);
    });
    progress.finish();
    Ok(measured?)
}

pub(crate) fn models(args: &Models) -> anyhow::Result<twinset_eval::Models> {
    let (detector, embedder) = session::packages(&args.paths)?;
    Ok(twinset_eval::Models::new(&detector, &embedder)?)
}

fn eval_retrieval(args: &EvalRetrieval, home: Option<&Path>, ui: &Ui) -> anyhow::Result<Done> {
    let per_query = match &args.by.per_query {
        Some(path) => path.clone(),
        None => default_list(home)?,
    };
    let options = retrieval::Options {
        query_split: args.query_split.clone(),
        gallery_split: args.gallery_split.clone(),
        gallery_views: args.gallery_view.clone(),
        query_views: args.query_view.clone(),
        fusion: args.fusion.as_deref().map(fusion).transpose()?,
        distractors: args.distractors.iter().map(|text| dir_and_split(text)).collect(),
        query_box: looked_at(args.query_box),
        gallery_box: looked_at(args.gallery_box),
        id: match args.id {
            IdColumn::ItemId => Id::ItemId,
            IdColumn::VariantId => Id::VariantId,
            IdColumn::Category => Id::Category,
        },
        leave_one_out: args.leave_one_out,
        rerank: !args.by.no_rerank,
        compact: args.compact_features,
        baselines: baselines(&args.by.baselines)?,
        per_query: Some(per_query),
        seed: args.by.seed,
        ..retrieval::Options::new(args.queries.clone(), args.gallery.clone())
    };
    let models = models(&args.by.models)?;
    let report = watched(ui, "pictures", |watch| retrieval::run(&options, &models, watch))?;
    list(&report.unreadable, ui);
    ui.answer(&report, || told(&report, ui))?;
    Ok(Done::rejecting(report.unreadable.len()))
}

fn looked_at(region: BoxOf) -> QueryBox {
    match region {
        BoxOf::None => QueryBox::None,
        BoxOf::Given => QueryBox::Given,
        BoxOf::Detected => QueryBox::Detected,
        BoxOf::Tapped => QueryBox::Tapped,
    }
}

fn baselines(names: &[String]) -> anyhow::Result<Vec<Baseline>> {
    match names {
        [none] if none == "none" => Ok(Vec::new()),
        names => names.iter().map(|name| baseline(name)).collect(),
    }
}

/// What is measured of a public data set.
#[derive(serde::Serialize)]
struct Public {
    set: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detection: Option<detection::Report>,
    retrieval: retrieval::Report,
}

/// By the protocols of the sets' makers: who asks, who answers, and whether boxes are given.
fn eval_public(args: &EvalPublic, ui: &Ui) -> anyhow::Result<Done> {
    let split = |name: &str| Some(name.to_owned());
    let set = args.set;
    // The training part of this one is half a million files that nobody asks for here.
    let validation = args.folder.join("validation");
    let folder =
        if set == PublicSet::DeepFashion2 && validation.is_dir() { &validation } else { &args.folder };
    let data = set.address(folder);
    let all = retrieval::Options {
        rerank: !args.by.no_rerank,
        baselines: baselines(&args.by.baselines)?,
        per_query: args.by.per_query.clone(),
        seed: args.by.seed,
        ..retrieval::Options::new(data.clone(), vec![data.clone()])
    };
    let options = match set {
        PublicSet::InShop => retrieval::Options {
            query_split: split("query"),
            gallery_split: split("gallery"),
            query_box: QueryBox::Given,
            gallery_box: QueryBox::Given,
            ..all
        },
        PublicSet::ConsumerToShop => retrieval::Options {
            query_split: split("test"),
            gallery_split: split("test"),
            query_views: vec!["consumer".into()],
            gallery_views: vec!["shop".into()],
            query_box: QueryBox::Given,
            gallery_box: QueryBox::Given,
            ..all
        },
        PublicSet::DeepFashion2 => retrieval::Options {
            query_split: split("query"),
            gallery_split: split("gallery"),
            query_box: QueryBox::Given,
            gallery_box: QueryBox::Given,
            ..all
        },
        PublicSet::StanfordOnlineProducts => retrieval::Options {
            query_split: split("test"),
            leave_one_out: true,
            gallery: Vec::new(),
            query_box: QueryBox::None,
            gallery_box: QueryBox::None,
            ..all
        },
        // The nearest neighbour's class: what is first found is the answer.
        PublicSet::GroceryStore => retrieval::Options {
            query_split: split("test"),
            gallery_split: split("train"),
            query_box: QueryBox::None,
            gallery_box: QueryBox::None,
            ..all
        },
    };
    // Before the models are made ready: whether there is anything to measure shows at once.
    let rows = DataSet::open(&data)?.rows().len();
    ui.note(format_args!("{}: {rows} rows", set.name()));
    let models = models(&args.by.models)?;
    let detected = (set == PublicSet::DeepFashion2).then(|| {
        let options =
            detection::Options { data: data.clone(), split: split("validation"), seed: args.by.seed };
        watched(ui, "images", |watch| detection::run(&options, &models, watch))
    });
    let detected = detected.transpose()?;
    let found = watched(ui, "pictures", |watch| retrieval::run(&options, &models, watch))?;
    let missing = detected.iter().flat_map(|d| &d.unreadable).chain(&found.unreadable).count();
    list(detected.as_ref().map_or(&[], |d| &d.unreadable[..]), ui);
    list(&found.unreadable, ui);
    let report = Public { set: set.name(), detection: detected, retrieval: found };
    ui.answer(&report, || {
        report.detection.as_ref().map_or_else(String::new, told_of_boxes) + &told(&report.retrieval, ui)
    })?;
    Ok(Done::rejecting(missing))
}

fn told(report: &retrieval::Report, ui: &Ui) -> String {
    let mut text = format!(
        "{} queries ({} without an answer left out), {} gallery pictures of which {} distractors\n",
        report.queries, report.queries_without_answer, report.gallery, report.distractors
    );
    let head = ["", "R@1", "R@5", "R@10", "R@20", "mAP", "MRR"].map(str::to_owned).to_vec();
    let mut rows = vec![head, scores("this model", &report.scores)];
    rows.extend(report.by_view.iter().map(|(view, s)| scores(&format!("  {view} ({})", s.queries), s)));
    rows.extend(report.by_category.iter().map(|(name, s)| scores(&format!("  {name} ({})", s.queries), s)));
    if let Some(gain) = &report.gain {
        rows.push(scores("global only", &gain.global_only));
        rows.push(scores("query expansion", &gain.query_expansion));
        let more = |name: String, recall: &Recall| {
            [vec![name], recall.0.iter().map(|(_, f)| figure(Some(*f))).collect(), vec!["".into(), "".into()]]
                .concat()
        };
        rows.push(more("more than global only".into(), &gain.over_global_only));
        rows.extend(gain.over_global_only_by_view.iter().map(|(view, r)| more(format!("  {view}"), r)));
        rows.push(more("more than expansion".into(), &gain.over_query_expansion));
    }
    rows.extend(report.baselines.iter().map(|(name, b)| scores(name, &b.scores)));
    text += &table(&rows);
    if let Some(target) = report.target_box_recall_50 {
        text += &format!("chosen box on the target: {}\n", figure(Some(target)));
    }
    if let Some(v) = &report.verdicts {
        text += &format!(
            "verdict same, from {:.3} ({}): found {}, false when absent {}, another when present {}\n",
            v.same_from,
            if v.fitted { "fitted" } else { "not fitted for this embedder" },
            figure(Some(v.same_found)),
            figure(Some(v.false_same_when_absent)),
            figure(Some(v.false_same_when_present)),
        );
        text += &format!(
            "at 80 % found, from {:.3}: false when absent {}\ncalibration error: best hits {}, first ten {}\n",
            v.at_80_found.threshold,
            figure(Some(v.at_80_found.false_same_when_absent)),
            figure(Some(v.calibration_best.error)),
            figure(Some(v.calibration_first_ten.error)),
        );
    }
    let ms: Vec<String> = report.ms_per_query.iter().map(|(stage, ms)| format!("{stage} {ms:.1}")).collect();
    text += &format!("ms a query: {}\n", ms.join(", "));
    if let Some(path) = &report.per_query {
        text += &ui.faint(&format!("single results: {}\n", path.display()));
    }
    text
}

fn fusion(path: &Path) -> anyhow::Result<Fusion> {
    let named = || path.display().to_string();
    let json = std::fs::read(path).with_context(named)?;
    Fusion::from_json(&json).with_context(named)
}

fn eval_twins(args: &EvalTwins, ui: &Ui) -> anyhow::Result<Done> {
    let set = Twins { families: args.families.unwrap_or(Twins::FROZEN.families), ..Twins::FROZEN };
    let fusion = args.fusion.as_deref().map(fusion).transpose()?;
    let models = models(&args.models)?;
    let temporary = tempfile::Builder::new().prefix("twinset-").tempdir().context("no temporary folder")?;
    let dir = args.keep.as_deref().unwrap_or(temporary.path());
    let report = watched(ui, "pictures", |watch| drawn::twins(set, dir, fusion, &models, watch))?;
    ui.answer(&report, || told(&report, ui))?;
    Ok(Done::All)
}

fn eval_clutter(args: &EvalClutter, ui: &Ui) -> anyhow::Result<Done> {
    let set = Clutter { products: args.products.unwrap_or(Clutter::FROZEN.products), ..Clutter::FROZEN };
    let fusion = args.fusion.as_deref().map(fusion).transpose()?;
    let models = models(&args.models)?;
    let temporary = tempfile::Builder::new().prefix("twinset-").tempdir().context("no temporary folder")?;
    let dir = args.keep.as_deref().unwrap_or(temporary.path());
    let report = watched(ui, "pictures", |watch| drawn::clutter(set, dir, fusion.as_ref(), &models, watch))?;
    ui.answer(&report, || {
        let part = |head: &str, report| format!("{}\n{}", ui.strong(head), told(report, ui));
        part("the garment that the detector chooses", &report.chosen)
            + "\n"
            + &part("the detected garment that is asked for", &report.tapped)
    })?;
    Ok(Done::All)
}

fn eval_evidence(args: &EvalEvidence, ui: &Ui) -> anyhow::Result<Done> {
    let models = models(&args.models)?;
    let fusion = match args.fusion.as_deref() {
        Some(path) => fusion(path)?,
        None => models.fusion(),
    };
    let set = Twins { families: args.families, ..Twins::FROZEN };
    let report = watched(ui, "products", |watch| evidence::run(set, &fusion, &models, watch))?;
    ui.answer(&report, || {
        format!(
            "{} pairs ({} with nothing drawn left out), {} of the crop painted over\n\
             the score falls: {}; further than with random pieces: {}\n\
             mean fall of the log odds: {}, with random pieces {}\n",
            report.pairs,
            report.without_parts,
            figure(Some(report.painted)),
            figure(Some(report.falls)),
            figure(Some(report.falls_further_than_random)),
            figure(Some(report.mean_fall[0])),
            figure(Some(report.mean_fall[1])),
        )
    })?;
    Ok(Done::All)
}

fn eval_copies(args: &EvalCopies, ui: &Ui) -> anyhow::Result<Done> {
    let options = copies::Options {
        data: args.data.iter().map(|text| dir_and_split(text)).collect(),
        pictures_max: args.pictures,
        false_pairs_max: args.false_pairs,
        seed: args.seed,
    };
    let report = watched(ui, "pictures", |watch| copies::run(&options, watch))?;
    list(&report.unreadable, ui);
    ui.answer(&report, || {
        let head = ["", "found", "by the hash alone", "named"].map(str::to_owned).to_vec();
        let row = |(name, f): (&&str, &copies::Found)| {
            let figures = [f.found, f.by_hash_alone, f.named].map(|f| figure(Some(f)));
            [vec![(*name).to_owned()], figures.to_vec()].concat()
        };
        let mut text = table(&std::iter::once(head).chain(report.edits.iter().map(row)).collect::<Vec<_>>());
        let wrong = &report.false_pairs;
        text += &format!(
            "{} pictures; of {} pairs of other products {} taken for copies (at most {:.1e}; by the hash alone {:.1e})\n\
             {:.1} ms to look at a picture, {:.2} ms to compare two\n",
            report.pictures,
            wrong.pairs,
            wrong.taken,
            wrong.rate[1],
            wrong.by_hash_alone[0],
            report.ms_per_look,
            report.ms_per_pair
        );
        text
    })?;
    Ok(Done::rejecting(report.unreadable.len()))
}

fn scores(name: &str, s: &Scores) -> Vec<String> {
    let recall = |Recall(all): &Recall| all.iter().map(|(_, f)| figure(Some(*f))).collect::<Vec<_>>();
    [vec![name.to_owned()], recall(&s.recall), vec![figure(s.map), figure(s.mrr)]].concat()
}

/// `0.512 [0.450, 0.571]`
fn figure(figure: Option<Figure>) -> String {
    figure.map_or_else(|| "-".to_owned(), |[v, low, high]| format!("{v:.3} [{low:.2}, {high:.2}]"))
}

fn list(unreadable: &[Unreadable], ui: &Ui) {
    for u in unreadable {
        ui.rejected(&u.picture, &u.reason);
    }
}

fn baseline(name: &str) -> anyhow::Result<Baseline> {
    Baseline::named(name.trim()).ok_or_else(|| {
        let known: Vec<&str> = Baseline::ALL.iter().map(|b| b.name()).collect();
        WrongUse(format!("--baselines knows {} and none, not `{name}`", known.join(", "))).into()
    })
}

/// `DIR:SPLIT`; a folder whose name has a colon, or no split, is taken as it is.
fn dir_and_split(text: &str) -> (PathBuf, Option<String>) {
    match text.rsplit_once(':') {
        Some((dir, split))
            if !dir.is_empty() && !split.contains(['/', '\\']) && !Path::new(text).is_dir() =>
        {
            (dir.into(), Some(split.to_owned()).filter(|s| !s.is_empty()))
        }
        _ => (text.into(), None),
    }
}

/// `HOME/evaluations/retrieval-SECONDS-PID.jsonl`: sorts by time, and two runs never share one.
fn default_list(home: Option<&Path>) -> anyhow::Result<PathBuf> {
    let dir = session::home(home)?.join("evaluations");
    std::fs::create_dir_all(&dir)
        .map_err(|e| anyhow::Error::from(e).context(format!("{} cannot be made", dir.display())))?;
    let seconds =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs());
    Ok(dir.join(format!("retrieval-{seconds}-{}.jsonl", std::process::id())))
}

fn eval_detection(args: &EvalData, ui: &Ui) -> anyhow::Result<Done> {
    let options = detection::Options { data: args.data.clone(), split: args.split.clone(), seed: args.seed };
    let models = models(&args.models)?;
    let report = watched(ui, "images", |watch| detection::run(&options, &models, watch))?;
    list(&report.unreadable, ui);
    ui.answer(&report, || told_of_boxes(&report))?;
    Ok(Done::rejecting(report.unreadable.len()))
}

fn told_of_boxes(report: &detection::Report) -> String {
    let main = |name: &str| figure(report.intervals.get(name).copied());
    let mut text = format!(
        "{} images, {} boxes, {:.1} ms an image\nAP {}  AP50 {}  AP75 {}\n",
        report.images,
        report.boxes,
        report.ms_per_image,
        main("ap"),
        main("ap50"),
        main("ap75")
    );
    text += &format!(
        "whatever the category: AP50 {}  recall {}\n",
        main("class_agnostic_ap50"),
        main("class_agnostic_recall50")
    );
    let head = ["", "boxes", "AP", "AP50", "AP75", "recall"].map(str::to_owned).to_vec();
    let row = |(name, s): (&String, &detection::CategoryScores)| {
        let numbers = [s.ap, s.ap50, s.ap75, s.recall50].map(|v| format!("{v:.3}"));
        [vec![name.clone(), s.boxes.to_string()], numbers.to_vec()].concat()
    };
    text + &table(&std::iter::once(head).chain(report.per_category.iter().map(row)).collect::<Vec<_>>())
}

fn eval_audit(args: &EvalAudit, ui: &Ui) -> anyhow::Result<Done> {
    if !(args.noise > 0.0 && args.noise < 0.5) {
        return Err(WrongUse("--noise must be above 0 and below 0.5".to_owned()).into());
    }
    let seen = match &args.seen {
        Some(file) => {
            std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?
        }
        None => String::new(),
    };
    let seen = seen.lines().filter_map(|line| line.split_once(','));
    let options = audit::Options {
        data: args.data.clone(),
        split: args.split.clone(),
        scored: args.scored.clone(),
        seen: seen.map(|(file, colour)| (file.to_owned(), colour.to_owned())).collect(),
        noise: args.noise,
        draws: args.draws,
        seed: args.seed,
    };
    let models = models(&args.models)?;
    let report = watched(ui, "pictures", |watch| audit::run(&options, &models, watch))?;
    list(&report.unreadable, ui);
    ui.answer(&report, || {
        let head =
            ["", "judged", "wrong", "flagged", "precision", "recall", "P at R", "AP", "classifier alone P/R"];
        let row = |name: &str, s: &audit::Scores| {
            let counts = [s.judged, s.wrong, s.flagged].map(|n| n.to_string());
            let figures = [s.precision, s.recall, s.precision_at_recall, s.average_precision];
            let alone = s.classifier_alone.map_or("-".to_owned(), |[p, r]| format!("{p:.2} / {r:.2}"));
            [vec![name.to_owned()], counts.to_vec(), figures.map(|f| figure(Some(f))).to_vec(), vec![alone]]
                .concat()
        };
        let mut rows = vec![head.map(str::to_owned).to_vec(), row("category", &report.category)];
        rows.extend(report.category_by_set.iter().map(|(set, s)| row(&format!("  {set}"), s)));
        rows.extend(report.audience.iter().map(|s| row("audience", s)));
        rows.extend(report.colour.iter().map(|s| row("colour", s)));
        rows.extend(report.pictures.iter().map(|(name, s)| row(name, s)));
        format!("{}panels of collages found: {:.3}\n", table(&rows), report.panels_found)
    })?;
    Ok(Done::rejecting(report.unreadable.len()))
}

fn eval_category(args: &EvalData, ui: &Ui) -> anyhow::Result<Done> {
    let options = category::Options { data: args.data.clone(), split: args.split.clone(), seed: args.seed };
    let models = models(&args.models)?;
    let report = watched(ui, "pictures", |watch| category::run(&options, &models, watch))?;
    list(&report.unreadable, ui);
    ui.answer(&report, || {
        let mut text = format!(
            "{} samples: accuracy {}, balanced {:.3}, answered {}\n",
            report.samples,
            figure(Some(report.accuracy)),
            report.balanced_accuracy,
            figure(Some(report.answered))
        );
        if let Some(fused) = &report.fused {
            let head = ["", "classifier", "neighbours", "fused", "over the better", "over the classifier"];
            let row = |name: &str, g: &twinset_eval::Gain| {
                let figures = [g.classifier, g.neighbours, g.fused, g.gain_over_both, g.gain_over_classifier];
                [vec![name.to_owned()], figures.map(|f| figure(Some(f))).to_vec()].concat()
            };
            text += &format!("{} labels of the set:\n", fused.classes);
            text += &table(&[
                head.map(str::to_owned).to_vec(),
                row("all known", &fused.all_known),
                row("a fifth added later", &fused.fifth_added),
            ]);
        }
        for (name, value) in &report.baselines {
            text += &format!("{name}: {}\n", figure(Some(*value)));
        }
        let head = ["", "samples", "recall", "precision"].map(str::to_owned).to_vec();
        let row = |(name, s): (&String, &category::CategoryScores)| {
            vec![
                name.clone(),
                s.samples.to_string(),
                format!("{:.3}", s.recall),
                format!("{:.3}", s.precision),
            ]
        };
        text + &table(&std::iter::once(head).chain(report.per_category.iter().map(row)).collect::<Vec<_>>())
    })?;
    Ok(Done::rejecting(report.unreadable.len()))
}

fn eval_index(args: &EvalIndex, ui: &Ui) -> anyhow::Result<Done> {
    let metric = match args.metric {
        MetricName::Ip => Metric::InnerProduct,
        MetricName::L2 => Metric::L2,
    };
    let options = index::Options {
        base: args.base.clone(),
        queries: args.queries.clone(),
        k: usize::from(args.k),
        metric,
        queries_max: args.limit,
    };
    let (name, kind) = match args.index {
        IndexKind::Exact => ("exact", args.index),
        IndexKind::Graph => ("graph", args.index),
    };
    let make = |dim| -> Box<dyn VectorIndex> {
        match kind {
            IndexKind::Exact => Box::new(ExactIndex::new(dim, metric)),
            IndexKind::Graph => {
                Box::new(GraphIndex::new(Shape { dim, metric, stamp: [0; 32] }, GraphOptions::default()))
            }
        }
    };
    let report = watched(ui, "vectors", |watch| index::run(&options, name, make, watch))?;
    ui.answer(&report, || {
        format!(
            "{} index of {} x {}: recall@{} {}, {:.0} queries a second ({:.0} by plain loops), median {:.2} ms, 99 of 100 within {:.2} ms ({:.2} ms during {:.0} puts a second)\n\
             built in {:.1} s, {:.1} MB ({:.1} MB of vectors)\n",
            report.index,
            report.base,
            report.dim,
            report.k,
            figure(Some(report.recall)),
            report.queries_per_second,
            report.exact_queries_per_second,
            report.latency_ms[0],
            report.latency_ms[2],
            report.writing.latency_ms[2],
            report.writing.puts_per_second,
            report.build_seconds,
            report.memory_bytes as f64 / 1e6,
            report.vector_bytes as f64 / 1e6
        )
    })?;
    Ok(Done::All)
}
