//! `twinset snapshot create|restore|list`: a whole catalogue in one file.

use crate::args::Snapshot;
use crate::failure::{Done, WrongUse};
use crate::session;
use crate::ui::{Ui, table};
use anyhow::Context;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use twinset_catalogue::{CatalogueName, snapshot_beside};

/// Folder of the home, with one folder a catalogue.
const FOLDER: &str = "snapshots";
const END: &str = "db";

pub(crate) fn run(args: &Snapshot, home: Option<&Path>, ui: &Ui) -> anyhow::Result<Done> {
    match args {
        Snapshot::Create { of, out } => create(&of.catalogue, out.as_deref(), home, ui),
        Snapshot::Restore { file, into } => restore(file, &into.catalogue, home, ui),
        Snapshot::List => list(home, ui),
    }
}

fn create(name: &CatalogueName, out: Option<&Path>, home: Option<&Path>, ui: &Ui) -> anyhow::Result<Done> {
    let home = session::home(home)?;
    let start = std::time::Instant::now();
    let path = match out {
        Some(path) => path.to_path_buf(),
        None => {
            let folder = home.join(FOLDER).join(name.as_str());
            std::fs::create_dir_all(&folder)
                .with_context(|| format!("{} cannot be made", folder.display()))?;
            folder.join(format!("{}.{END}", now_ms()))
        }
    };
    // Without the home's lock: a server may hold it, and goes on.
    let seq = snapshot_beside(&home, name, &path)?;
    let bytes = std::fs::metadata(&path)?.len();
    let seconds = start.elapsed().as_secs_f64();
    let value =
        json!({ "catalogue": name.as_str(), "file": path, "seq": seq, "bytes": bytes, "seconds": seconds });
    ui.answer(&value, || {
        format!(
            "{}: changes up to {seq} in {} ({bytes} bytes, {seconds:.1} s)\n",
            ui.strong(name.as_str()),
            path.display()
        )
    })?;
    Ok(Done::All)
}

fn restore(file: &Path, name: &CatalogueName, home: Option<&Path>, ui: &Ui) -> anyhow::Result<Done> {
    if !file.is_file() {
        return Err(WrongUse(format!("{} is no file", file.display())).into());
    }
    let engine = session::open(home)?;
    let shop = engine.restore(name, file)?;
    session::wait_searchable(&shop, ui)?;
    shop.flush()?;
    let (counts, seq) = (shop.catalogue().count()?, shop.catalogue().last_seq()?);
    let value = json!({ "catalogue": name.as_str(), "products": counts.products, "pictures": counts.pictures, "seq": seq });
    ui.answer(&value, || {
        format!("{}: {} products, changes up to {seq}\n", ui.strong(name.as_str()), counts.products)
    })?;
    Ok(Done::All)
}

fn list(home: Option<&Path>, ui: &Ui) -> anyhow::Result<Done> {
    let folder = session::home(home)?.join(FOLDER);
    let mut found: Vec<(String, u64, u64, PathBuf)> = Vec::new();
    for catalogue in entries(&folder)? {
        let name = catalogue.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for file in entries(&catalogue)? {
            let made = file.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
            if let (Some(made), true) = (made, file.extension().is_some_and(|end| end == END)) {
                found.push((name.clone(), made, std::fs::metadata(&file)?.len(), file));
            }
        }
    }
    found.sort();
    let items: Vec<_> = found
        .iter()
        .map(|(name, made, bytes, file)| json!({ "catalogue": name, "created_at_ms": made, "bytes": bytes, "file": file }))
        .collect();
    ui.answer(&json!({ "items": items }), || {
        let row = |(name, _, bytes, file): &(String, u64, u64, PathBuf)| {
            vec![ui.strong(name), format!("{bytes} bytes"), file.display().to_string()]
        };
        if found.is_empty() {
            format!("no snapshots in {}\n", folder.display())
        } else {
            table(&found.iter().map(row).collect::<Vec<_>>())
        }
    })?;
    Ok(Done::All)
}

fn entries(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    match std::fs::read_dir(folder) {
        Ok(entries) => Ok(entries.map(|entry| entry.map(|e| e.path())).collect::<Result<_, _>>()?),
        Err(error)
            if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) =>
        {
            Ok(Vec::new())
        }
        Err(error) => Err(error).with_context(|| format!("{} cannot be read", folder.display())),
    }
}

fn now_ms() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis())
}
