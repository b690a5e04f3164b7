//! `twinset audit --catalogue C`

use crate::args::Audit;
use crate::failure::{Done, Stopped, WrongUse};
use crate::files::replace;
use crate::progress::Progress;
use crate::ui::{Ui, short, table};
use crate::{interrupt, session};
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;
use twinset_catalogue::{Decision, Finding, FindingFilter};
use twinset_engine::Shop;

/// Findings told on a terminal; all of them are in the JSON and in the catalogue.
const TOLD: usize = 40;

pub(crate) fn run(args: &Audit, home: Option<&Path>, ui: &Ui) -> anyhow::Result<Done> {
    let engine = session::open(home)?;
    let shop = session::shop(&engine, &args.of.catalogue)?;
    decide(args, &shop)?;
    if let Some(path) = &args.export {
        export(&shop, path)?;
    }
    let only_decides = !args.accept.is_empty() || !args.reject.is_empty() || args.export.is_some();
    let report = if args.last || only_decides {
        None
    } else {
        session::wait_searchable(&shop, ui)?;
        let progress = Progress::new(ui, "reading", "things", 0);
        let report = shop.audit(&mut |stage, done, total| {
            progress.stage(stage);
            progress.set(done, total);
            !interrupt::asked_to_stop()
        })?;
        progress.finish();
        let stopped = || Stopped { done: "the findings of the last audit stay".into(), resume: None };
        Some(report.ok_or_else(stopped)?)
    };
    let filter = FindingFilter { kind: args.kind.clone(), ..FindingFilter::default() };
    let found = shop.catalogue().findings(&filter, None, usize::MAX)?;
    let value = json!({
        "catalogue": shop.name().as_str(),
        "products": report.as_ref().map(|r| r.products),
        "categories_judged": report.as_ref().map(|r| r.categories_judged),
        "audiences_judged": report.as_ref().map(|r| r.audiences_judged),
        "colours_judged": report.as_ref().map(|r| r.colours_judged),
        "pictures": report.as_ref().map(|r| r.pictures),
        "findings": found.iter().map(|(f, d)| finding_json(f, d.as_ref())).collect::<anyhow::Result<Vec<_>>>()?,
    });
    ui.answer(&value, || {
        let mut text = String::new();
        if let Some(report) = &report {
            let kinds: Vec<String> = report.findings.iter().map(|(kind, n)| format!("{n} {kind}")).collect();
            text += &format!(
                "{}: {} products, {} categories, {} audiences and {} colours judged, {} pictures looked at\n{}\n",
                ui.strong(shop.name().as_str()),
                report.products,
                report.categories_judged,
                report.audiences_judged,
                report.colours_judged,
                report.pictures,
                if kinds.is_empty() { "no doubts".to_owned() } else { kinds.join(", ") }
            );
        }
        let head =
            ["id", "kind", "sure", "product", "claimed", "seen", "because", ""].map(str::to_owned).to_vec();
        let rows = found.iter().take(TOLD).map(|(f, d)| row(f, d.as_ref()));
        text += &table(&std::iter::once(head).chain(rows).collect::<Vec<_>>());
        if found.len() > TOLD {
            text += &format!("and {} more (--json lists all)\n", found.len() - TOLD);
        }
        text
    })?;
    Ok(Done::All)
}

fn decide(args: &Audit, shop: &Shop) -> anyhow::Result<()> {
    let decided = args.accept.iter().map(|id| (id, true)).chain(args.reject.iter().map(|id| (id, false)));
    for (id, accepted) in decided {
        if !shop.decide(id, Some(accepted), None)? {
            return Err(
                WrongUse(format!("there is no finding '{id}'; `twinset audit --last` lists them")).into()
            );
        }
    }
    Ok(())
}

fn finding_json(finding: &Finding, decision: Option<&Decision>) -> anyhow::Result<Value> {
    let mut value = serde_json::to_value(finding)?;
    if let (Some(object), Some(decision)) = (value.as_object_mut(), decision) {
        object.insert("decision".into(), json!(if decision.accepted { "accepted" } else { "rejected" }));
        object.insert("note".into(), json!(decision.note));
    }
    Ok(value)
}

fn row(finding: &Finding, decision: Option<&Decision>) -> Vec<String> {
    let seen = finding.seen.first().map(|(name, p)| format!("{name} {p:.2}"));
    let witnesses =
        finding.witnesses.iter().take(3).map(|w| w.product.clone()).collect::<Vec<_>>().join(", ");
    let because = match &finding.detail {
        Some(detail) if witnesses.is_empty() => detail.clone(),
        Some(detail) => format!("{detail}: {witnesses}"),
        None => witnesses,
    };
    vec![
        finding.id.clone(),
        finding.kind.clone(),
        format!("{:.2}", finding.probability),
        short(&finding.product, 24),
        short(&finding.claimed.join(", "), 30),
        short(&seen.or(finding.image.clone()).unwrap_or_default(), 30),
        short(&because, 50),
        decision.map_or("", |d| if d.accepted { "accepted" } else { "rejected" }).to_owned(),
    ]
}

/// What a training takes as clean labels: the claims that people confirmed, and those they found wrong.
fn export(shop: &Shop, path: &Path) -> anyhow::Result<()> {
    let decisions = shop.catalogue().decisions()?;
    replace(path, |file| {
        for decision in decisions {
            let finding = &decision.finding;
            let truth = match decision.accepted {
                true => finding.seen.first().map(|(name, _)| name.clone()),
                false => finding.claimed.first().cloned(),
            };
            let line = json!({
                "product": finding.product, "kind": finding.kind, "field": finding.field, "image": finding.image,
                "picture": finding.picture, "claimed": finding.claimed, "claim_is_right": !decision.accepted,
                "label": truth, "note": decision.note, "at_ms": decision.at_ms,
            });
            writeln!(file, "{line}")?;
        }
        Ok(())
    })
}
