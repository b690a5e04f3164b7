//! `twinset model list|show|import|pull|use|rollback`

use crate::args::{Model, ModelImport, ModelPull, ModelTold, ModelUse};
use crate::failure::{Done, Stopped, WrongUse};
use crate::progress::Progress;
use crate::ui::{Ui, table};
use crate::{interrupt, session};
use anyhow::Context;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use twinset_catalogue::CatalogueName;
use twinset_engine::{Contest, Engine, Marks, Pace, Taken, Terms};
use twinset_fetch::{Bearer, FetchError, Hub, HubError, Policy};
use twinset_nets::{
    Architecture, Brought, BroughtDetector, BroughtEmbedder, Kernel, ModelHash, Package, Quarantine, Told,
};
use twinset_photo::worker::this_exe;

pub(crate) fn run(args: &Model, home: Option<&Path>, ui: &Ui) -> anyhow::Result<Done> {
    match args {
        Model::List => list(home, ui),
        Model::Show { which } => show(which.as_deref(), home, ui),
        Model::Import(args) => import(args, home, ui),
        Model::Pull(args) => pull(args, home, ui),
        Model::Use(args) => take(args, home, ui),
        Model::Rollback(of) => rollback(&of.catalogue, home, ui),
    }
}

fn list(home: Option<&Path>, ui: &Ui) -> anyhow::Result<Done> {
    let engine = session::open(home)?;
    let mut using = Vec::new();
    for name in engine.catalogues()? {
        using.push((engine.catalogue(&name)?.vision().packages(), name.to_string()));
    }
    let users = |hash: ModelHash| {
        let of = |(packages, name): &([_; 2], String)| packages.contains(&hash).then(|| name.clone());
        using.iter().filter_map(of).collect::<Vec<_>>()
    };
    let known = engine.models().list()?;
    let values: Vec<Value> = known
        .iter()
        .map(|known| {
            let card = &known.card;
            json!({
                "name": card.name, "kind": card.kind, "hash": known.hash.to_string(),
                "shipped": known.shipped, "used_by": users(known.hash),
                "quality": card.rest.get("quality"),
            })
        })
        .collect();
    ui.answer(&values, || {
        let head = ["kind", "name", "hash", "", "used by"].map(str::to_owned).to_vec();
        let row = |known: &twinset_engine::KnownModel| {
            let (card, hash) = (&known.card, known.hash.to_string());
            let whose = if known.shipped { "shipped" } else { "kept" };
            vec![
                card.kind.clone(),
                card.name.clone(),
                hash[..12].to_owned(),
                whose.to_owned(),
                users(known.hash).join(", "),
            ]
        };
        table(&std::iter::once(head).chain(known.iter().map(row)).collect::<Vec<_>>())
    })?;
    Ok(Done::All)
}

fn show(which: Option<&str>, home: Option<&Path>, ui: &Ui) -> anyhow::Result<Done> {
    let packages = match which {
        None => vec![Package::default_detector(), Package::default_embedder()],
        Some("detector") => vec![Package::default_detector()],
        Some("embedder") => vec![Package::default_embedder()],
        Some(path) if Path::new(path).exists() => vec![Package::open(Path::new(path))?],
        Some(name) => vec![session::open(home)?.models().find(name)?],
    };
    let cards = packages.iter().map(card).collect::<anyhow::Result<Vec<_>>>()?;
    ui.answer(&cards, || {
        let text = |(package, shown): (&Package, &Value)| {
            let card = package.card();
            let mut text = format!(
                "{}  {}  {}\n  runs on: {}\n",
                ui.strong(&card.kind),
                card.name,
                ui.faint(&package.hash().to_string()),
                shown["engine"].as_str().unwrap_or_default()
            );
            if !card.categories.is_empty() {
                text += &format!("  categories: {}\n", card.categories.join(", "));
            }
            if package.is_brought() {
                text += &format!("  architecture: {}\n", card.architecture);
            }
            for member in ["recipe", "quality", "baselines", "data", "licences"] {
                if let Some(value) = card.rest.get(member).filter(|v| **v != json!([]) && **v != json!({})) {
                    text += &format!("  {member}: {value}\n");
                }
            }
            text
        };
        packages.iter().zip(&cards).map(text).collect()
    })?;
    Ok(Done::All)
}

/// The card with the package's hash and what runs it here.
fn card(package: &Package) -> anyhow::Result<Value> {
    let engine = match package.architecture() {
        Architecture::OnnxEmbedder(_) => BroughtEmbedder::new(package)?.engine(),
        Architecture::OnnxDetector(_) => BroughtDetector::new(package)?.engine(),
        Architecture::RepVggLite(_) | Architecture::GflLite(_) => {
            format!("our own kernels ({:?})", Kernel::best())
        }
    };
    let mut card = serde_json::to_value(package.card())?;
    if let Some(card) = card.as_object_mut() {
        card.insert("hash".to_owned(), json!(package.hash().to_string()));
        card.insert("engine".to_owned(), json!(engine));
    }
    Ok(card)
}

fn import(args: &ModelImport, home: Option<&Path>, ui: &Ui) -> anyhow::Result<Done> {
    let engine = session::open(home)?;
    let quarantine = Quarantine::of(this_exe()?);
    let mut kept = Vec::new();
    for path in &args.paths {
        if session::holds_packages(path) {
            for package in session::packages_in(std::slice::from_ref(path))? {
                quarantine.check(&package).with_context(|| format!("model {}", path.display()))?;
                kept.push((package, Vec::new()));
            }
        } else {
            let brought = Brought::gather(path, args.text.as_deref(), args.tokenizer.as_deref())?;
            let stem =
                path.canonicalize().ok().and_then(|p| Some(p.file_stem()?.to_string_lossy().into_owned()));
            let told = told(&args.told, stem.unwrap_or_else(|| "brought".to_owned()), None);
            kept.push(quarantine.bring(brought, &told).with_context(|| format!("model {}", path.display()))?);
        }
    }
    keep(&engine, &kept, ui)
}

/// What the command line says of a brought model.
fn told(args: &ModelTold, name: String, origin: Option<String>) -> Told {
    Told {
        name: args.name.clone().unwrap_or(name),
        kind: args.kind.clone(),
        family: args.family.clone(),
        side: args.side,
        mean: args.mean.map(|three| three.0),
        std: args.std.map(|three| three.0),
        margin: args.margin,
        categories: args.categories.clone(),
        threshold: args.threshold,
        licence: args.licence.clone(),
        origin,
    }
}

/// Keeps packages and tells what was found out about them.
fn keep(engine: &Engine, kept: &[(Package, Vec<String>)], ui: &Ui) -> anyhow::Result<Done> {
    for (package, _) in kept {
        engine.models().keep(package)?;
    }
    let values: Vec<Value> = kept
        .iter()
        .map(|(p, notes)| {
            let card = p.card();
            json!({ "name": card.name, "kind": card.kind, "hash": p.hash().to_string(), "found": notes })
        })
        .collect();
    ui.answer(&values, || {
        let text = |(p, notes): &(Package, Vec<String>)| {
            let found: String = notes.iter().map(|note| format!("  {note}\n")).collect();
            format!("{} {}: kept as {}\n{found}", p.card().kind, p.card().name, p.hash())
        };
        kept.iter().map(text).collect()
    })?;
    Ok(Done::All)
}

/// The hub's own tools take their token from here.
const HUB_TOKEN: &str = "HF_TOKEN";

/// Fetches the files of a model, each with its digest checked, and imports them. What a stopped pull has brought is
/// kept and continued.
fn pull(args: &ModelPull, home: Option<&Path>, ui: &Ui) -> anyhow::Result<Done> {
    let engine = session::open(home)?;
    let stop = || interrupt::asked_to_stop();
    let bearer = match std::env::var(HUB_TOKEN).ok().map(|token| token.trim().to_owned()) {
        Some(token) if !token.is_empty() => Some(Bearer::new(&args.hub, &token).with_context(|| {
            format!("{HUB_TOKEN} is no token, or {} no place to send one in the clear; use https", args.hub)
        })?),
        _ => None,
    };
    let allow = named_network(&args.hub);
    let hub = Hub::new(&args.hub, Policy { allow, bearer, ..Policy::default() });
    let revision = hub.look(&args.id, &args.revision, &stop)?;
    let names: Vec<&str> = revision.files.iter().map(|file| file.path.as_str()).collect();
    let chosen = Brought::choose(&names, args.file.as_deref());
    if chosen.is_empty() {
        let graphs: Vec<&str> =
            names.into_iter().filter(|n| n.ends_with(".onnx") || n.ends_with(".safetensors")).collect();
        anyhow::bail!(
            "{} holds no graph or weights under a usual name; --file names one of: {}",
            args.id,
            graphs.join(", ")
        );
    }
    let safe =
        |path: &str| Path::new(path).components().all(|part| matches!(part, std::path::Component::Normal(_)));
    anyhow::ensure!(
        chosen.iter().all(|path| safe(path)),
        "the hub lists paths that lead out of the model's folder"
    );
    let folder = session::home(home)?.join("pulled").join(format!(
        "{}--{}",
        args.id.replace('/', "--"),
        revision.commit
    ));
    let files: Vec<_> = revision.files.iter().filter(|file| chosen.contains(&file.path.as_str())).collect();
    let total = files.iter().filter_map(|file| file.size).sum();
    let progress = Progress::new(ui, &args.id, "bytes", total);
    let mut before = 0;
    for file in files {
        let to = folder.join(&file.path);
        std::fs::create_dir_all(to.parent().unwrap_or(&folder))?;
        // Only what had the right digest got its name.
        if !to.exists() {
            hub.fetch(
                &args.id,
                &revision.commit,
                file,
                &to,
                &mut |there| progress.set(before + there, total),
                &stop,
            )
            .map_err(|error| match error {
                HubError::Fetch { source: FetchError::Stopped, .. } => {
                    let resume = Some(format!("twinset model pull {} --revision {}", args.id, args.revision));
                    anyhow::Error::from(Stopped { done: "what was fetched is kept".into(), resume })
                }
                other => other.into(),
            })?;
        }
        before += file.size.unwrap_or(0);
    }
    progress.finish();
    let path = match chosen.first() {
        Some(model) => folder.join(model),
        None => folder.clone(),
    };
    // Graphs of the web lie a folder deeper than what tells of them.
    let gathered = Brought::gather(if args.file.is_some() { &path } else { &folder }, None, None)?;
    let origin = format!("{}/{} at {}", args.hub.trim_end_matches('/'), args.id, revision.commit);
    let mut told = told(&args.told, args.id.clone(), Some(origin));
    told.licence = told.licence.or(revision.licence);
    let kept = Quarantine::of(this_exe()?).bring(gathered, &told)?;
    let done = keep(&engine, &[kept], ui)?;
    // The package has its own copy; a folder that stays only takes room.
    let _ = std::fs::remove_dir_all(&folder);
    Ok(done)
}

/// A hub that the caller names by its bare address may be a private one.
fn named_network(hub: &str) -> Vec<twinset_fetch::Net> {
    let host = hub.split("//").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host).trim_matches(['[', ']']);
    host.parse().into_iter().collect()
}

/// Detector and embedder named by folders, names, hashes; `shipped` and what is not named: the binary's own.
fn named(models: &[String], engine: &Engine) -> anyhow::Result<(Package, Package)> {
    let (mut detector, mut embedder) = (Package::default_detector(), Package::default_embedder());
    for model in models.iter().filter(|m| *m != "shipped") {
        let packages = match Path::new(model).is_dir() {
            true => session::packages_in(&[PathBuf::from(model)])?,
            false => vec![engine.models().find(model)?],
        };
        for package in packages {
            match package.card().kind.as_str() {
                "detector" => detector = package,
                "embedder" => embedder = package,
                other => return Err(WrongUse(format!("{model}: a model of kind {other}")).into()),
            }
        }
    }
    Ok((detector, embedder))
}

fn take(args: &ModelUse, home: Option<&Path>, ui: &Ui) -> anyhow::Result<Done> {
    let engine = session::open(home)?;
    let shop = session::shop(&engine, &args.of.catalogue)?;
    let (detector, embedder) = named(&args.models, &engine)?;
    let terms = Terms { pace: Pace { threads: args.threads, share: args.share }, force: args.force };
    let start = std::time::Instant::now();
    let progress = Progress::new(ui, "building", "changes", 0);
    let taken = shop.use_models(&detector, &embedder, terms, &mut |stage, done, total| {
        progress.stage(stage);
        progress.set(done, total);
        !interrupt::asked_to_stop()
    })?;
    progress.finish();
    let name = shop.name();
    let (in_use, contest) = match &taken {
        Taken::InUse(contest) => (true, contest),
        Taken::Worse(contest) | Taken::Unknown(contest) => (false, contest),
        Taken::Stopped => {
            let resume = Some(format!("twinset model use {} --catalogue {name}", args.models.join(" ")));
            return Err(Stopped { done: "what was looked at is kept".into(), resume }.into());
        }
    };
    let seconds = start.elapsed().as_secs_f64();
    let value = json!({
        "catalogue": name.as_str(), "in_use": in_use, "model": shop.vision().name(), "seconds": seconds,
        "contest": contest_json(contest),
    });
    ui.answer(&value, || {
        let mut text = contest_text(contest);
        if in_use {
            text += &format!("{}: in use after {seconds:.1} s\n", ui.strong(name.as_str()));
        }
        text
    })?;
    match taken {
        Taken::Worse(_) => anyhow::bail!(
            "these models find less in this catalogue; the old ones go on answering. What was built is kept; --force takes them all the same"
        ),
        Taken::Unknown(_) => anyhow::bail!(
            "too few products have several pictures to compare models with; the old ones go on answering. --force takes the new ones without proof"
        ),
        Taken::InUse(_) | Taken::Stopped => Ok(Done::All),
    }
}

fn rollback(name: &CatalogueName, home: Option<&Path>, ui: &Ui) -> anyhow::Result<Done> {
    let engine = session::open(home)?;
    let shop = session::shop(&engine, name)?;
    let start = std::time::Instant::now();
    let vision = shop.rollback()?;
    let seconds = start.elapsed().as_secs_f64();
    let value = json!({ "catalogue": name.as_str(), "model": vision.name(), "seconds": seconds });
    ui.answer(&value, || {
        format!("{}: back to {} after {seconds:.1} s\n", ui.strong(name.as_str()), vision.name())
    })?;
    Ok(Done::All)
}

fn contest_json(contest: &Contest) -> Value {
    let marks =
        |m: &Marks| json!({ "recall_1": m.first, "recall_10": m.first_ten, "mrr": m.reciprocal_rank });
    json!({
        "products": contest.products, "questions": contest.questions,
        "old": marks(&contest.old), "new": marks(&contest.new), "mrr_gain": contest.gain,
    })
}

fn contest_text(contest: &Contest) -> String {
    let head = ["", "R@1", "R@10", "MRR"].map(str::to_owned).to_vec();
    let row = |name: &str, m: &Marks| {
        let numbers = [m.first, m.first_ten, m.reciprocal_rank].map(|v| format!("{v:.3}"));
        [vec![name.to_owned()], numbers.to_vec()].concat()
    };
    let [gain, low, high] = contest.gain;
    format!(
        "{} products with several pictures, {} questions\n{}MRR gain {gain:+.3} [{low:+.3}, {high:+.3}]\n",
        contest.products,
        contest.questions,
        table(&[head, row("in use", &contest.old), row("other", &contest.new)])
    )
}
