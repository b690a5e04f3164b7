//! `twinset export`: all products as JSON Lines, of one moment.

use crate::args::Export;
use crate::failure::{Done, WrongUse};
use crate::session;
use crate::ui::Ui;
use anyhow::Context;
use serde_json::json;
use std::collections::HashSet;
use std::fs::File;
use std::io::{BufWriter, ErrorKind, Write};
use std::path::Path;
use twinset_catalogue::Catalogue;
use twinset_catalogue::PictureHash;

pub(crate) fn run(args: &Export, home: Option<&Path>, ui: &Ui) -> anyhow::Result<Done> {
    if ui.json && args.out.is_none() {
        return Err(WrongUse(
            "--json prints a summary, so the products need a file: add --out FILE".to_owned(),
        )
        .into());
    }
    let engine = session::open(home)?;
    let shop = session::shop(&engine, &args.of.catalogue)?;
    let mut out: Box<dyn Write> = match &args.out {
        Some(path) => {
            Box::new(File::create(path).with_context(|| format!("{} cannot be written", path.display()))?)
        }
        None => Box::new(std::io::stdout().lock()),
    };
    let mut out = BufWriter::with_capacity(1 << 16, &mut out);
    let (mut products, mut failed) = (0_u64, None);
    let mut shown = HashSet::new();
    shop.catalogue().export(&mut |product| {
        shown.extend(
            product.images.iter().filter_map(|image| image.picture).filter(|_| args.pictures.is_some()),
        );
        let line = serde_json::to_vec(&product).map_err(std::io::Error::from);
        failed = line
            .and_then(|mut line| {
                line.push(b'\n');
                out.write_all(&line)
            })
            .err();
        products += u64::from(failed.is_none());
        failed.is_none()
    })?;
    let written = failed.map_or_else(|| out.flush(), Err);
    match written {
        // Whoever reads has seen enough (`| head`).
        Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(Done::All),
        other => other.context("the export cannot be written")?,
    }
    drop(out);
    if let Some(folder) = &args.pictures {
        write_pictures(shop.catalogue(), folder, &shown)?;
    }
    let summary = json!({ "catalogue": shop.name().as_str(), "products": products, "pictures": shown.len(), "seq": shop.catalogue().last_seq()? });
    match &args.out {
        Some(_) => ui.answer(&summary, || {
            format!("{}: {products} products written\n", ui.strong(shop.name().as_str()))
        })?,
        None => ui.note(format_args!("{products} products written")),
    }
    Ok(Done::All)
}

fn write_pictures(catalogue: &Catalogue, folder: &Path, shown: &HashSet<PictureHash>) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    for hash in shown {
        let Some(bytes) = catalogue.picture(hash)? else { continue };
        let end = match bytes.get(..4) {
            Some([0xff, 0xd8, ..]) => "jpg",
            Some([0x89, b'P', ..]) => "png",
            Some(b"GIF8") => "gif",
            _ => "webp",
        };
        let path = folder.join(format!("{hash}.{end}"));
        std::fs::write(&path, bytes).with_context(|| format!("{} cannot be written", path.display()))?;
    }
    Ok(())
}
