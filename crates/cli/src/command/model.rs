//! `twinset model show`

use crate::args::Model;
use crate::failure::Done;
use crate::ui::Ui;
use serde_json::json;
use std::path::Path;
use twinset_nets::Package;

pub(crate) fn run(args: &Model, ui: &Ui) -> anyhow::Result<Done> {
    let Model::Show { which } = args;
    let packages = match which.as_deref() {
        None => vec![Package::default_detector(), Package::default_embedder()],
        Some("detector") => vec![Package::default_detector()],
        Some("embedder") => vec![Package::default_embedder()],
        Some(path) => vec![Package::open(Path::new(path))?],
    };
    let show = |package: &Package| -> anyhow::Result<serde_json::Value> {
        let mut card = serde_json::to_value(package.card())?;
        if let Some(card) = card.as_object_mut() {
            card.insert("hash".to_owned(), json!(package.hash().to_string()));
        }
        Ok(card)
    };
    let cards = packages.iter().map(show).collect::<anyhow::Result<Vec<_>>>()?;
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
