//! `twinset export`: all products as JSON Lines or Parquet, of one moment.

use crate::args::{Export, ExportFormat};
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
use twinset_catalogue::{PictureHash, Product};
use twinset_disk::RealDisk;
#[cfg(not(feature = "parquet"))]
use twinset_feed::FeedError;
#[cfg(feature = "parquet")]
use twinset_feed::{FeedError, ParquetWriter};

pub(crate) fn run(args: &Export, home: Option<&Path>, ui: &Ui) -> anyhow::Result<Done> {
    if ui.json && args.out.is_none() {
        return Err(WrongUse(
            "--json prints a summary, so the products need a file: add --out FILE".to_owned(),
        )
        .into());
    }
    let engine = session::open(home)?;
    let shop = session::shop(&engine, &args.of.catalogue)?;
    let out: Box<dyn Write + Send> = match &args.out {
        Some(path) => {
            Box::new(File::create(path).with_context(|| format!("{} cannot be written", path.display()))?)
        }
        None => Box::new(std::io::stdout()),
    };
    let named_so = args.out.as_ref().and_then(|path| path.extension()).is_some_and(|end| end == "parquet");
    let format = args.format.unwrap_or(if named_so { ExportFormat::Parquet } else { ExportFormat::Jsonl });
    let mut out = Sink::new(format, BufWriter::with_capacity(1 << 16, out))?;
    let (mut products, mut failed) = (0_u64, None);
    let mut shown = HashSet::new();
    shop.catalogue().export(&mut |product| {
        shown.extend(
            product.images.iter().filter_map(|image| image.picture).filter(|_| args.pictures.is_some()),
        );
        failed = out.put(&product).err();
        products += u64::from(failed.is_none());
        failed.is_none()
    })?;
    let written = failed.map_or_else(|| out.finish(), Err);
    match written {
        // Whoever reads has seen enough (`| head`).
        Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(Done::All),
        other => other.context("the export cannot be written")?,
    }
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

/// Where products go.
enum Sink {
    Jsonl(BufWriter<Box<dyn Write + Send>>),
    #[cfg(feature = "parquet")]
    Parquet(Box<ParquetWriter<BufWriter<Box<dyn Write + Send>>>>),
}

impl Sink {
    fn new(format: ExportFormat, out: BufWriter<Box<dyn Write + Send>>) -> anyhow::Result<Self> {
        Ok(match format {
            ExportFormat::Jsonl => Self::Jsonl(out),
            #[cfg(feature = "parquet")]
            ExportFormat::Parquet => Self::Parquet(Box::new(ParquetWriter::new(out)?)),
            #[cfg(not(feature = "parquet"))]
            ExportFormat::Parquet => return Err(FeedError::NoParquet.into()),
        })
    }

    fn put(&mut self, product: &Product) -> std::io::Result<()> {
        match self {
            Self::Jsonl(out) => {
                let mut line = serde_json::to_vec(product)?;
                line.push(b'\n');
                out.write_all(&line)
            }
            #[cfg(feature = "parquet")]
            Self::Parquet(out) => out.put(product).map_err(of_disk),
        }
    }

    fn finish(self) -> std::io::Result<()> {
        match self {
            Self::Jsonl(mut out) => out.flush(),
            #[cfg(feature = "parquet")]
            Self::Parquet(out) => out.finish().map_err(of_disk),
        }
    }
}

#[cfg(feature = "parquet")]
fn of_disk(error: FeedError) -> std::io::Error {
    match error {
        FeedError::Io(error) => error,
        other => std::io::Error::other(other),
    }
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
        // Whole or not there: a reader goes by the name, which is the hash of the bytes.
        twinset_disk::replace(&RealDisk, &path, |file| file.write_all(&bytes))
            .with_context(|| format!("{} cannot be written", path.display()))?;
    }
    Ok(())
}
