//! `twinset sync`: a catalogue becomes what a feed says.

use crate::args::{DeleteMissing, Sync};
use crate::failure::{Done, Stopped, WrongUse};
use crate::progress::Progress;
use crate::ui::Ui;
use crate::{interrupt, session};
use anyhow::Context;
use std::path::Path;
use twinset_engine::{Input, Missing, Signal, Stage, SyncOptions, SyncReport};
use twinset_feed::{Mapping, Settings};
use twinset_fetch::Policy;

pub(crate) fn run(args: &Sync, home: Option<&Path>, ui: &Ui) -> anyhow::Result<Done> {
    let options = options(args)?;
    let input = input(&args.feed)?;
    let engine = session::open(home)?;
    let shop = match args.dry_run {
        // A dry run makes nothing, not even an empty catalogue; what is not there is compared with nothing.
        true if !engine.catalogues()?.contains(&args.into.catalogue) => {
            return dry_run_of_new(args, options, input, ui);
        }
        true => session::shop(&engine, &args.into.catalogue)?,
        false => engine.open_or_create(&args.into.catalogue)?,
    };
    let report = sync(&shop, input, &options, ui)?;
    if !args.dry_run && report.state == "succeeded" {
        shop.flush()?;
    }
    tell(&report, shop.name().as_str(), ui)
}

fn dry_run_of_new(args: &Sync, options: SyncOptions, input: Input, ui: &Ui) -> anyhow::Result<Done> {
    let eyes = session::Eyes::open()?;
    let shop = eyes.engine.open_or_create(&args.into.catalogue)?;
    let report = sync(&shop, input, &options, ui)?;
    tell(&report, args.into.catalogue.as_str(), ui)
}

fn sync(
    shop: &twinset_engine::Shop,
    input: Input,
    options: &SyncOptions,
    ui: &Ui,
) -> anyhow::Result<SyncReport> {
    let progress = Progress::new(ui, "reading", "rows", 0);
    let signal = || if interrupt::asked_to_stop() { Signal::Stop } else { Signal::Go };
    let report = shop.sync(input, options, &signal, &mut |state| match state.stage {
        Stage::Fetch | Stage::Parse => progress.set(state.counts.seen, 0),
        Stage::Pictures => {
            progress.stage("fetching pictures");
            let p = state.pictures;
            progress.set(p.fetched + p.not_modified + p.failed, p.wanted);
        }
        Stage::Publish => progress.stage("looking at pictures"),
    })?;
    progress.finish();
    Ok(report)
}

fn options(args: &Sync) -> anyhow::Result<SyncOptions> {
    let wrong = |text: String| anyhow::Error::from(WrongUse(text));
    let currency = args.currency.as_deref().map(str::parse).transpose();
    let mapping = args.mapping.as_deref().map(|path| {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
        Mapping::parse(&text).map_err(|e| wrong(format!("{}: {e}", path.display())))
    });
    if !(0.0..=100.0).contains(&args.guard) {
        return Err(wrong(format!("--guard is {}, it must be 0 to 100 percent", args.guard)));
    }
    if args.name.is_empty() || args.name.chars().count() > 256 || args.name.contains('\0') {
        return Err(wrong("--name must have 1 to 256 characters".into()));
    }
    if let Some(folder) = args.pictures.as_deref().filter(|folder| !folder.is_dir()) {
        return Err(wrong(format!("--pictures: {} is no folder", folder.display())));
    }
    let allow = args.allow_net.iter().map(|net| net.parse().map_err(|e| wrong(format!("--allow-net: {e}"))));
    Ok(SyncOptions {
        source: args.name.clone(),
        feed: Settings {
            currency: currency.map_err(|e| wrong(format!("--currency: {e}")))?,
            shop_domain: args.shop_domain.clone(),
            uploads_url: args.uploads_url.clone(),
            base_url: args.base_url.clone(),
            language: args.language.clone(),
            mapping: mapping.transpose()?,
            ..Settings::default()
        },
        missing: match args.delete_missing {
            DeleteMissing::Ask => Missing::Ask,
            DeleteMissing::Yes => Missing::Remove,
            DeleteMissing::No => Missing::Keep,
        },
        guard: args.guard / 100.0,
        dry_run: args.dry_run,
        pictures: args.pictures.clone(),
        fetch_pictures: !args.no_fetch,
        recheck: args.recheck,
        placeholder_over: args.placeholder_over,
        policy: Policy {
            allow: allow.collect::<anyhow::Result<_>>()?,
            per_host: args.per_host,
            ..Policy::default()
        },
        ..SyncOptions::default()
    })
}

fn input(feed: &str) -> anyhow::Result<Input> {
    let lower = feed.to_ascii_lowercase();
    if lower.starts_with("http://") || lower.starts_with("https://") {
        return Ok(Input::Address(feed.to_owned()));
    }
    if feed == "-" {
        return Ok(Input::Reader(Box::new(std::io::stdin())));
    }
    let file = std::fs::File::open(feed).with_context(|| format!("{feed} cannot be read"))?;
    anyhow::ensure!(
        !file.metadata()?.is_dir(),
        WrongUse(format!("{feed} is a folder; `twinset import` takes folders of pictures"))
    );
    Ok(Input::Reader(Box::new(file)))
}

/// Products told of a dry run.
const DIFFERENCES: usize = 20;

fn tell(report: &SyncReport, catalogue: &str, ui: &Ui) -> anyhow::Result<Done> {
    for group in report.findings.values() {
        let Some(example) = &group.example else { continue };
        let place = match example.row {
            0 => String::new(),
            row => format!(" row {row}"),
        };
        let more = if group.count > 1 { format!(" (and {} more)", group.count - 1) } else { String::new() };
        ui.note(format_args!("{}:{place} {}{more}", example.kind.as_str(), example.detail));
    }
    if report.state == "failed" {
        anyhow::bail!("{}", report.error.as_deref().unwrap_or("the sync failed; the log says why"));
    }
    ui.answer(report, || {
        let (c, p) = (report.counts, report.pictures);
        let mut text = format!(
            "{}{}: {} rows; {} new, {} changed, {} unchanged, {} gone, {} left out; {} pictures fetched, {} failed; {:.1} s\n",
            ui.strong(catalogue),
            if report.dry_run { " (nothing was changed)" } else { "" },
            c.seen,
            c.new,
            c.changed,
            c.unchanged,
            c.gone,
            c.skipped,
            p.fetched,
            p.failed,
            report.seconds
        );
        for one in report.diff.iter().take(DIFFERENCES) {
            let claims: Vec<String> =
                one.claims.iter().map(|(name, [now, then])| format!("{name} {now} -> {then}")).collect();
            text += &format!("  {} {} {}\n", one.fate.name(), one.product, claims.join(", "));
        }
        if report.diff.len() > DIFFERENCES {
            text += &format!("  ... --json tells {}\n", report.diff.len());
        }
        if let Some(partial) = &report.partial {
            text += &format!("the feed was cut off: {partial}; nothing that is missing in it was removed\n");
        }
        if let Some(approval) = &report.approval {
            text += &format!("waits for your word: {}\n", approval.reason);
        }
        text
    })?;
    if report.state == "cancelled" {
        let done = format!("{} rows are in and safe; the same command goes on", report.counts.seen);
        return Err(Stopped { done, resume: None }.into());
    }
    // Rows and pictures that were left out are items rejected, and so are removals that wait for a person.
    let rejected = report.counts.failed
        + report.counts.skipped
        + u64::from(report.approval.is_some())
        + u64::from(report.partial.is_some());
    let listed = report.findings.get("not_listed").map_or(0, |group| group.count);
    Ok(Done::rejecting(usize::try_from(rejected.saturating_sub(listed)).unwrap_or(usize::MAX)))
}
