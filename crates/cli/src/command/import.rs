//! `twinset import FOLDER --catalogue C`: a folder of pictures, or a data set, as products.
//!
//! Products are put in small transactions; what is acknowledged is durable. The same command again finds those
//! unchanged and goes on with the others, so that is how an interrupted import is finished.

use crate::args::Import;
use crate::failure::{Done, Stopped, WrongUse};
use crate::progress::Progress;
use crate::ui::Ui;
use crate::{interrupt, session};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use twinset_catalogue::{Image, Product, ProductPut, Role};
use twinset_dataset::{DataSet, Folder, FolderPicture, Row};
use twinset_photo::{Limits, probe};

/// What the catalogue allows for one product.
const IMAGES_MAX: usize = 50;

/// One product with the places of its pictures.
struct Item<'a> {
    product: Product,
    pictures: Vec<Source<'a>>,
}

/// Where the bytes of an image are.
enum Source<'a> {
    File(&'a FolderPicture),
    Member(&'a DataSet, &'a Row),
}

impl Source<'_> {
    fn name(&self) -> &str {
        match self {
            Self::File(picture) => &picture.name,
            Self::Member(_, row) => &row.file,
        }
    }
    fn read(&self) -> Result<Vec<u8>, String> {
        let bytes = match self {
            Self::File(picture) => picture.read(),
            Self::Member(set, row) => set.read(row),
        };
        let bytes = bytes.map_err(|e| e.to_string())?;
        // The header is enough to keep out what is no picture; what is damaged further in the engine tells later.
        probe(&bytes, &Limits::default()).map_err(|e| e.to_string())?;
        Ok(bytes)
    }
}

/// Something that was left out.
#[derive(Clone, Debug, Serialize)]
struct Rejected {
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    product: Option<String>,
    reason: String,
}

#[derive(Serialize)]
struct Report {
    catalogue: String,
    seq: u64,
    created: u64,
    updated: u64,
    unchanged: u64,
    pictures: u64,
    bytes: u64,
    seconds: f64,
    pictures_per_second: f64,
    /// Files that do not claim to be pictures.
    passed_over: usize,
    rejected: Vec<Rejected>,
}

pub(crate) fn run(args: &Import, home: Option<&Path>, ui: &Ui) -> anyhow::Result<Done> {
    if DataSet::is_one(&args.folder) {
        let set = DataSet::open(&args.folder)?;
        for problem in set.problems() {
            ui.note(format_args!("{problem}"));
        }
        let rows: Vec<&Row> = set.rows_of(args.split.as_deref()).collect();
        if rows.is_empty() {
            let splits = set.splits().join(", ");
            return Err(WrongUse(format!(
                "{} has no rows of this split; it has: {splits}",
                args.folder.display()
            ))
            .into());
        }
        let mut rejected = Vec::new();
        let items = of_rows(&set, &rows, &mut rejected);
        put(args, home, ui, items, 0, rejected)
    } else {
        if args.split.is_some() {
            let text = format!("--split is for data sets, and {} has no manifest.csv", args.folder.display());
            return Err(WrongUse(text).into());
        }
        let folder = Folder::open(&args.folder)?;
        let unreadable = folder.unreadable.iter().map(|(path, reason)| Rejected {
            file: Some(path.display().to_string()),
            product: None,
            reason: reason.clone(),
        });
        let mut rejected: Vec<Rejected> = unreadable.collect();
        if folder.pictures.is_empty() && rejected.is_empty() {
            anyhow::bail!("{} holds no pictures (.jpg, .png, .webp, .gif)", args.folder.display());
        }
        let items = of_folder(&folder, &mut rejected);
        put(args, home, ui, items, folder.passed_over.len(), rejected)
    }
}

fn put(
    args: &Import,
    home: Option<&Path>,
    ui: &Ui,
    items: Vec<Item<'_>>,
    passed_over: usize,
    mut rejected: Vec<Rejected>,
) -> anyhow::Result<Done> {
    let start = std::time::Instant::now();
    let total: u64 = items.iter().map(|item| item.pictures.len() as u64).sum();
    let products = items.len();
    let known: HashSet<String> = items.iter().map(|item| item.product.id.clone()).collect();
    let engine = session::open(home)?;
    let shop = engine.open_or_create(&args.into.catalogue)?;
    let mut before = HashSet::new();
    for unreadable in shop.unreadable()? {
        before.insert(unreadable.picture);
    }
    let progress = Progress::new(ui, "importing", "pictures", total);
    let mut left_out = 0;
    let report = {
        let puts = items.into_iter().filter_map(|item| {
            let pictures = item.pictures.len() as u64;
            let put = read(item, &mut rejected);
            // `progress` below cannot see what never reaches the catalogue: it would stop short of its end.
            let kept = put.as_ref().map_or(0, |put| put.pictures.len() as u64);
            left_out += pictures - kept;
            put
        });
        shop.put_many(puts, &mut |state| {
            progress.set(state.pictures_done, total.max(state.pictures_done));
            !interrupt::asked_to_stop()
        })?
    };
    progress.finish();
    rejected.extend(report.rejected.into_iter().map(|r| Rejected {
        file: None,
        product: Some(r.id),
        reason: r.reason,
    }));
    // What the header did not show: these images are kept as claims, and cannot be found.
    for unreadable in shop.unreadable()? {
        for (id, image) in unreadable.shown_by.into_iter().filter(|(id, _)| known.contains(id)) {
            rejected.push(Rejected {
                file: Some(image),
                product: Some(id),
                reason: unreadable.reason.clone(),
            });
        }
    }
    for r in &rejected {
        ui.rejected(r.file.as_deref().or(r.product.as_deref()).unwrap_or_default(), &r.reason);
    }
    if report.stopped {
        let done = format!("{} of {products} products are in and safe", report.progress.products);
        return Err(Stopped { done, resume: Some(this_command()) }.into());
    }
    shop.flush()?;
    let seconds = start.elapsed().as_secs_f64();
    let report = Report {
        catalogue: shop.name().to_string(),
        seq: report.seq,
        created: report.created,
        updated: report.updated,
        unchanged: report.unchanged,
        pictures: report.progress.pictures,
        bytes: report.progress.bytes,
        seconds,
        pictures_per_second: report.progress.pictures as f64 / seconds.max(1e-3),
        passed_over,
        rejected,
    };
    ui.answer(&report, || {
        let mut text = format!(
            "{}: {} products new, {} changed, {} as they were; {} pictures in {:.1} s ({:.0} a second)\n",
            ui.strong(&report.catalogue),
            report.created,
            report.updated,
            report.unchanged,
            report.pictures,
            seconds,
            report.pictures_per_second
        );
        if !report.rejected.is_empty() {
            text += &format!("{} rejected, listed above\n", report.rejected.len());
        }
        if passed_over > 0 {
            text += &format!("{passed_over} files passed over: not named as pictures\n");
        }
        text
    })?;
    Ok(Done::rejecting(report.rejected.len()))
}

/// Reads the pictures of a product; those that cannot be read are left out, and a product without any as well.
fn read(item: Item<'_>, rejected: &mut Vec<Rejected>) -> Option<ProductPut> {
    let Item { mut product, pictures } = item;
    let mut bytes_of = Vec::with_capacity(pictures.len());
    for source in &pictures {
        match source.read() {
            Ok(bytes) => bytes_of.push((source.name().to_owned(), Arc::from(bytes))),
            Err(reason) => {
                product.images.retain(|image| image.name != source.name());
                let (file, product) = (Some(source.name().to_owned()), Some(product.id.clone()));
                rejected.push(Rejected { file, product, reason });
            }
        }
    }
    if let Some(first) = product.images.first_mut()
        && first.role == Role::Additional
    {
        first.role = Role::Main;
    }
    (!bytes_of.is_empty()).then(|| ProductPut::upsert(product, bytes_of))
}

/// The command as it was given, for the hint that says how to go on.
fn this_command() -> String {
    let quoted = |arg: String| {
        let plain = |c: char| c.is_alphanumeric() || "-_./:=,@%+".contains(c);
        if !arg.is_empty() && arg.chars().all(plain) {
            arg
        } else {
            format!("'{}'", arg.replace('\'', r"'\''"))
        }
    };
    let arguments = std::env::args_os().skip(1).map(|arg| quoted(arg.to_string_lossy().into_owned()));
    std::iter::once("twinset".to_owned()).chain(arguments).collect::<Vec<_>>().join(" ")
}

fn of_folder<'a>(folder: &'a Folder, rejected: &mut Vec<Rejected>) -> Vec<Item<'a>> {
    let mut items: Vec<Item<'_>> = Vec::new();
    let mut places = HashMap::new();
    for picture in &folder.pictures {
        let place = *places.entry(picture.product.as_str()).or_insert_with(|| {
            items.push(Item { product: Product::new(picture.product.clone()), pictures: Vec::new() });
            items.len() - 1
        });
        add(&mut items[place], Source::File(picture), Role::Additional, None, rejected);
    }
    items
}

fn of_rows<'a>(set: &'a DataSet, rows: &[&'a Row], rejected: &mut Vec<Rejected>) -> Vec<Item<'a>> {
    let mut order = Vec::new();
    let mut rows_of: HashMap<&str, Vec<&Row>> = HashMap::new();
    for row in rows {
        rows_of.entry(row.product()).or_insert_with(|| (order.push(row.product()), Vec::new()).1).push(row);
    }
    let mut items = Vec::with_capacity(order.len());
    for id in order {
        let mut rows = rows_of.remove(id).unwrap_or_default();
        rows.sort_by_key(|row| !row.view.is_empty() && row.view != "main"); // stable: else as in the manifest
        let mut item = Item { product: claims(id, &rows), pictures: Vec::new() };
        for row in rows {
            let role = match row.view.as_str() {
                "look" | "worn" | "lifestyle" => Role::Lifestyle,
                _ => Role::Additional,
            };
            let variant = Some(row.variant_id.clone()).filter(|v| !v.is_empty());
            add(&mut item, Source::Member(set, row), role, variant, rejected);
        }
        items.push(item);
    }
    items
}

fn add<'a>(
    item: &mut Item<'a>,
    source: Source<'a>,
    role: Role,
    variant: Option<String>,
    rejected: &mut Vec<Rejected>,
) {
    if item.pictures.len() >= IMAGES_MAX {
        rejected.push(Rejected {
            file: Some(source.name().to_owned()),
            product: Some(item.product.id.clone()),
            reason: format!("a product has {IMAGES_MAX} pictures at most"),
        });
        return;
    }
    let role = if item.pictures.is_empty() && role == Role::Additional { Role::Main } else { role };
    item.product.images.push(Image { name: source.name().to_owned(), role, variant, ..Image::default() });
    item.pictures.push(source);
}

/// What the rows of one product say about it. Of texts the first counts, of lists all.
fn claims(id: &str, rows: &[&Row]) -> Product {
    let mut product = Product::new(id);
    let first =
        |text: fn(&Row) -> &str| rows.iter().map(|row| text(row)).find(|t| !t.is_empty()).map(str::to_owned);
    product.title = first(|row| &row.title);
    product.description = first(|row| &row.description);
    product.brand = first(|row| row.extra.get("brand").map_or("", String::as_str));
    if let Some(category) = first(|row| &row.category) {
        let parts = category.split('/').map(str::trim).filter(|p| !p.is_empty());
        product.product_type = vec![parts.map(str::to_owned).collect()];
    }
    let mut attributes = BTreeMap::<String, Vec<String>>::new();
    for (name, values) in rows.iter().flat_map(|row| &row.attributes) {
        let all = attributes.entry(name.clone()).or_default();
        all.extend(values.iter().filter(|v| !v.is_empty()).cloned());
    }
    for (name, mut values) in attributes {
        let mut seen = HashSet::new();
        values.retain(|value| seen.insert(value.clone()));
        if values.is_empty() {
            continue;
        }
        match name.as_str() {
            "color" | "colour" | "fashion_color" => product.color = values,
            "material" | "fashion_material" => product.material = values,
            "size" | "fashion_size" => product.size = values,
            "pattern" => product.pattern = values,
            "gender" => product.gender = values,
            _ => {
                product.attributes.insert(name, values);
            }
        }
    }
    product
}
