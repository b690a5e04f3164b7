//! `twinset index status|verify|rebuild --catalogue C`

use crate::args::Index;
use crate::failure::Done;
use crate::progress::Progress;
use crate::session;
use crate::ui::Ui;
use serde_json::json;
use std::path::Path;
use twinset_catalogue::CatalogueName;
use twinset_engine::{Engine, Goal, Reading, Shop};

pub(crate) fn run(args: &Index, home: Option<&Path>, ui: &Ui) -> anyhow::Result<Done> {
    let engine = session::open(home)?;
    match args {
        Index::Status(of) => status(open(&engine, &of.catalogue)?.as_ref(), ui),
        Index::Verify(of) => verify(open(&engine, &of.catalogue)?.as_ref(), ui),
        Index::Rebuild(of) => rebuild(open(&engine, &of.catalogue)?.as_ref(), ui),
    }
}

fn open(engine: &Engine, name: &CatalogueName) -> anyhow::Result<std::sync::Arc<Shop>> {
    session::shop(engine, name)
}

fn status(shop: &Shop, ui: &Ui) -> anyhow::Result<Done> {
    // A freshly opened index may need a moment to be loaded; what takes longer is its state.
    let last = shop.catalogue().last_seq()?;
    let _ = shop.wait_searchable(last, std::time::Duration::from_secs(1));
    let status = shop.index_status()?;
    let state = format!("{:?}", status.state);
    let unreadable: Vec<_> = shop
        .unreadable()?
        .into_iter()
        .map(|u| {
            let products: Vec<String> = u.shown_by.into_iter().map(|(id, _)| id).collect();
            json!({ "picture": u.picture.to_string(), "reason": u.reason, "products": products })
        })
        .collect();
    let value = json!({
        "catalogue": shop.name().as_str(),
        "state": snake(&state),
        "seq": status.seq,
        "last_seq": status.last_seq,
        "saved_seq": status.saved_seq,
        "items": status.items,
        "model": status.model,
        "computed": status.computed,
        "reused": status.reused,
        "unreadable": unreadable,
        "damaged_features": status.damaged_features,
        "quarantined": status.quarantined,
        "freshness": freshness(status.freshness),
        "last_error": status.last_error,
        "kind": if status.exact { "exact" } else { "graph" },
        "graph_bytes": status.bytes,
        "memory_bytes": status.memory_bytes,
        "disk_bytes": status.disk_bytes,
        "fell_back": status.fell_back,
        "goal": match status.goal {
            Goal::Recall(recall) => json!({ "recall": recall }),
            Goal::LatencyMs(ms) => json!({ "index_ms": ms }),
        },
        "recall": status.recall.iter().map(reading).collect::<Vec<_>>(),
    });
    ui.answer(&value, || {
        let mut text = format!(
            "{}: {}, {} pictures, changes up to {} of {} can be found, saved up to {}\nmodel {}\n",
            ui.strong(shop.name().as_str()),
            snake(&state).replace('_', " "),
            status.items,
            status.seq,
            status.last_seq,
            status.saved_seq,
            status.model
        );
        text += &match status.goal {
            Goal::Recall(recall) => format!("aims at a recall of {recall}\n"),
            Goal::LatencyMs(ms) => format!("aims at {ms} ms in the index\n"),
        };
        if let Some(most) = status.memory_bytes {
            text += &format!(
                "graph: {} MB of {} in memory, {} on the disk\n",
                status.bytes >> 20,
                most >> 20,
                status.disk_bytes >> 20
            );
        }
        if let Some(torn) = &status.fell_back {
            text += &format!("opened from the state before: {torn}\n");
        }
        for r in &status.recall {
            let [mean, low, high] = r.recall;
            text += &format!(
                "recall {mean:.3} ({low:.3} to {high:.3}) over {} queries, filter {}, {:.2} ms\n",
                r.queries,
                r.filter.name().replace('_', " "),
                r.ms
            );
        }
        if !unreadable.is_empty() {
            text += &format!("{} pictures cannot be read\n", unreadable.len());
        }
        for path in &status.quarantined {
            text += &format!("damaged and set aside: {}\n", path.display());
        }
        if let Some(error) = &status.last_error {
            text += &format!("trouble: {error}\n");
        }
        text
    })?;
    Ok(Done::All)
}

/// Milliseconds from acknowledged to searchable, and from removed to gone, over the latest changes of this process.
fn freshness(of: twinset_engine::Freshness) -> serde_json::Value {
    let told =
        |q: twinset_engine::Quantiles| json!({ "count": q.count, "p50_ms": q.p50_ms, "p99_ms": q.p99_ms });
    json!({ "searchable": told(of.searchable), "gone": told(of.gone) })
}

fn reading(r: &Reading) -> serde_json::Value {
    json!({ "filter": r.filter.name(), "queries": r.queries, "recall": r.recall, "ms": r.ms, "effort": r.effort })
}

fn verify(shop: &Shop, ui: &Ui) -> anyhow::Result<Done> {
    session::wait_searchable(shop, ui)?;
    let report = shop.verify_index()?;
    let value = json!({
        "catalogue": shop.name().as_str(),
        "sound": report.is_sound(),
        "seq": report.seq,
        "checked": report.checked,
        "missing": report.missing,
        "extra": report.extra,
        "searched": report.searched,
        "wrong": report.wrong,
        "file": report.file,
    });
    ui.answer(&value, || {
        let found = if report.is_sound() { "sound" } else { "NOT sound" };
        let mut text = format!(
            "{}: {}; {} pictures compared, {} searched for\n",
            ui.strong(shop.name().as_str()),
            found,
            report.checked,
            report.searched
        );
        for (what, items) in
            [("missing", &report.missing), ("too many", &report.extra), ("wrong", &report.wrong)]
        {
            if !items.is_empty() {
                text += &format!("{what}: {}\n", items.len());
            }
        }
        if let Some(file) = &report.file {
            text += &format!("saved index: {file}\n");
        }
        text
    })?;
    let name = shop.name();
    anyhow::ensure!(
        report.is_sound(),
        "the index differs from the catalogue; `twinset index rebuild --catalogue {name}` makes it anew"
    );
    Ok(Done::All)
}

fn rebuild(shop: &Shop, ui: &Ui) -> anyhow::Result<Done> {
    let start = std::time::Instant::now();
    let progress = Progress::new(ui, "rebuilding", "changes", 0);
    let seq = shop.rebuild_index(|done, total| progress.set(done, total))?;
    progress.finish();
    session::wait_searchable(shop, ui)?;
    shop.flush()?;
    let status = shop.index_status()?;
    let seconds = start.elapsed().as_secs_f64();
    let value = json!({
        "catalogue": shop.name().as_str(), "seq": seq, "items": status.items, "seconds": seconds,
    });
    ui.answer(&value, || {
        format!(
            "{}: made anew, {} pictures in {seconds:.1} s\n",
            ui.strong(shop.name().as_str()),
            status.items
        )
    })?;
    Ok(Done::All)
}

/// `CatchingUp` to `catching_up`.
fn snake(name: &str) -> String {
    let mut text = String::new();
    for (i, c) in name.chars().take_while(|c| c.is_alphanumeric()).enumerate() {
        if c.is_uppercase() && i > 0 {
            text.push('_');
        }
        text.extend(c.to_lowercase());
    }
    text
}
