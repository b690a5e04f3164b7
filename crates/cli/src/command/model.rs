//! `twinset model list|show|import|use|rollback`

use crate::args::{Model, ModelUse};
use crate::failure::{Done, Stopped, WrongUse};
use crate::progress::Progress;
use crate::ui::{Ui, table};
use crate::{interrupt, session};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use twinset_catalogue::CatalogueName;
use twinset_engine::{Contest, Engine, Marks, Pace, Taken, Terms};
use twinset_nets::Package;

pub(crate) fn run(args: &Model, home: Option<&Path>, ui: &Ui) -> anyhow::Result<Done> {
    match args {
        Model::List => list(home, ui),
        Model::Show { which } => show(which.as_deref(), home, ui),
        Model::Import { folders } => import(folders, home, ui),
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
    let users = |package: &Package| {
        let of =
            |(packages, name): &([_; 2], String)| packages.contains(&package.hash()).then(|| name.clone());
        using.iter().filter_map(of).collect::<Vec<_>>()
    };
    let known = engine.models().list()?;
    let values: Vec<Value> = known
        .iter()
        .map(|known| {
            let card = known.package.card();
            json!({
                "name": card.name, "kind": card.kind, "hash": known.package.hash().to_string(),
                "shipped": known.shipped, "used_by": users(&known.package),
                "quality": card.rest.get("quality"),
            })
        })
        .collect();
    ui.answer(&values, || {
        let head = ["kind", "name", "hash", "", "used by"].map(str::to_owned).to_vec();
        let row = |known: &twinset_engine::KnownModel| {
            let (card, hash) = (known.package.card(), known.package.hash().to_string());
            let whose = if known.shipped { "shipped" } else { "kept" };
            vec![
                card.kind.clone(),
                card.name.clone(),
                hash[..12].to_owned(),
                whose.to_owned(),
                users(&known.package).join(", "),
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
        let text = |package: &Package| {
            let card = package.card();
            let mut text = format!(
                "{}  {}  {}\n",
                ui.strong(&card.kind),
                card.name,
                ui.faint(&package.hash().to_string())
            );
            text += &format!("  categories: {}\n", card.categories.join(", "));
            for member in ["recipe", "quality", "baselines", "data", "licences"] {
                if let Some(value) = card.rest.get(member).filter(|v| **v != json!([]) && **v != json!({})) {
                    text += &format!("  {member}: {value}\n");
                }
            }
            text
        };
        packages.iter().map(text).collect()
    })?;
    Ok(Done::All)
}

fn card(package: &Package) -> anyhow::Result<Value> {
    let mut card = serde_json::to_value(package.card())?;
    if let Some(card) = card.as_object_mut() {
        card.insert("hash".to_owned(), json!(package.hash().to_string()));
    }
    Ok(card)
}

fn import(folders: &[PathBuf], home: Option<&Path>, ui: &Ui) -> anyhow::Result<Done> {
    let engine = session::open(home)?;
    let packages = session::packages_in(folders)?;
    for package in &packages {
        engine.models().keep(package)?;
    }
    let kept: Vec<Value> = packages
        .iter()
        .map(|p| json!({ "name": p.card().name, "kind": p.card().kind, "hash": p.hash().to_string() }))
        .collect();
    ui.answer(&kept, || {
        packages
            .iter()
            .map(|p| format!("{} {}: kept as {}\n", p.card().kind, p.card().name, p.hash()))
            .collect()
    })?;
    Ok(Done::All)
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
