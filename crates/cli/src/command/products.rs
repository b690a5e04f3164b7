//! `twinset put`, `get`, `remove` and `list`: single products.

use crate::args::{Get, List, Put, Remove};
use crate::failure::{Done, WrongUse};
use crate::session;
use crate::ui::{Ui, short, table};
use anyhow::Context;
use serde_json::json;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use twinset_catalogue::{Filter, Image, Money, Product, ProductPut, Role};

/// Bytes of a product's JSON; the catalogue takes less.
const PRODUCT_JSON_MAX: u64 = 4 << 20;
/// Products asked for at once when all are wanted.
const PAGE: usize = 500;

/// `twinset put`
pub(crate) fn put(args: &Put, home: Option<&Path>, ui: &Ui) -> anyhow::Result<Done> {
    let given = args.product.as_deref().map(read_product).transpose()?;
    let id = match (&args.id, &given) {
        (Some(id), Some(product)) if *id != product.id => {
            return Err(WrongUse(format!("the id is `{id}` here and `{}` in the file", product.id)).into());
        }
        (Some(id), _) => id.clone(),
        (None, Some(product)) => product.id.clone(),
        (None, None) => return Err(WrongUse("an id is needed".to_owned()).into()),
    };
    let images = args.images.iter().map(|text| read_image(text)).collect::<anyhow::Result<Vec<_>>>()?;

    let engine = session::open(home)?;
    let shop = engine.open_or_create(&args.into.catalogue)?;
    let mut product = match given {
        Some(product) => product,
        None => shop.catalogue().get(&id)?.unwrap_or_else(|| Product::new(id)),
    };
    claim(&mut product, args)?;
    let mut pictures = Vec::new();
    for (name, bytes) in images {
        if let Some(image) = product.images.iter_mut().find(|image| image.name == name) {
            image.picture = None;
        } else {
            let role = if product.images.is_empty() { Role::Main } else { Role::Additional };
            product.images.push(Image { name: name.clone(), role, ..Image::default() });
        }
        pictures.push((name, Arc::from(bytes)));
    }
    let outcomes = shop.put(vec![ProductPut::upsert(product, pictures)])?;
    if args.wait {
        session::wait_searchable(&shop, ui)?;
    }
    let outcome = outcomes.first().context("the catalogue gave no answer")?;
    ui.answer(outcome, || format!("{}: {}\n", ui.strong(&outcome.id), word(outcome.status)))?;
    Ok(Done::All)
}

/// As in JSON.
fn word(status: twinset_catalogue::Status) -> String {
    serde_json::to_value(status).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

fn read_product(path: &Path) -> anyhow::Result<Product> {
    let told = || format!("{} cannot be read", path.display());
    let source: Box<dyn Read> = if path == Path::new("-") {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(std::fs::File::open(path).with_context(told)?)
    };
    let mut text = Vec::new();
    source.take(PRODUCT_JSON_MAX + 1).read_to_end(&mut text).with_context(told)?;
    anyhow::ensure!(
        text.len() as u64 <= PRODUCT_JSON_MAX,
        "{} is larger than {PRODUCT_JSON_MAX} bytes",
        path.display()
    );
    serde_json::from_slice(&text).with_context(|| format!("{} is not a product", path.display()))
}

/// `NAME=FILE`, or `FILE` whose name it takes.
fn read_image(text: &str) -> anyhow::Result<(String, Vec<u8>)> {
    let (name, path) = match text.split_once('=') {
        Some((name, path)) if !name.is_empty() && !name.contains(['/', '\\']) => (name, Path::new(path)),
        _ => {
            let path = Path::new(text);
            (path.file_name().and_then(|n| n.to_str()).unwrap_or(text), path)
        }
    };
    let bytes = session::read_photo(path)?;
    twinset_photo::probe(&bytes, &twinset_photo::Limits::default())
        .with_context(|| path.display().to_string())?;
    Ok((name.to_owned(), bytes))
}

fn claim(product: &mut Product, args: &Put) -> anyhow::Result<()> {
    if let Some(title) = &args.title {
        product.title = Some(title.clone());
    }
    if let Some(brand) = &args.brand {
        product.brand = Some(brand.clone());
    }
    if let Some(price) = &args.price {
        let (amount, currency) = price.split_once(' ').ok_or_else(|| {
            WrongUse(format!("--price is `{price}`, expected an amount and a currency: 12.50 EUR"))
        })?;
        product.price = Some(Money::parse(amount, currency.trim()).map_err(|e| WrongUse(e.to_string()))?);
    }
    if !args.color.is_empty() {
        product.color.clone_from(&args.color);
    }
    for text in &args.attributes {
        let (name, value) = text
            .split_once('=')
            .ok_or_else(|| WrongUse(format!("--attribute is `{text}`, expected NAME=VALUE")))?;
        product.attributes.insert(name.to_owned(), value.split('|').map(str::to_owned).collect());
    }
    Ok(())
}

/// `twinset get`
pub(crate) fn get(args: &Get, home: Option<&Path>, ui: &Ui) -> anyhow::Result<Done> {
    let engine = session::open(home)?;
    let shop = session::shop(&engine, &args.of.catalogue)?;
    let product = shop
        .catalogue()
        .get(&args.id)?
        .with_context(|| format!("there is no product `{}` in catalogue {}", args.id, args.of.catalogue))?;
    // A product has no shorter form that loses nothing: people read the same JSON, indented.
    ui.answer(&product, || serde_json::to_string_pretty(&product).unwrap_or_default())?;
    Ok(Done::All)
}

/// `twinset remove`
pub(crate) fn remove(args: &Remove, home: Option<&Path>, ui: &Ui) -> anyhow::Result<Done> {
    let engine = session::open(home)?;
    let shop = session::shop(&engine, &args.from.catalogue)?;
    let outcomes = shop.remove(&args.ids)?;
    ui.answer(&outcomes, || {
        outcomes.iter().map(|o| format!("{}: {}\n", ui.strong(&o.id), word(o.status))).collect()
    })?;
    Ok(Done::All)
}

/// `twinset list`
pub(crate) fn list(args: &List, home: Option<&Path>, ui: &Ui) -> anyhow::Result<Done> {
    let filter = args.filter.as_deref().map(Filter::parse).transpose()?;
    let engine = session::open(home)?;
    let Some(name) = &args.catalogue else { return list_catalogues(&engine, ui) };
    let shop = session::shop(&engine, name)?;
    let wanted = if args.limit == 0 { usize::MAX } else { args.limit };
    let mut items: Vec<Product> = Vec::new();
    let mut next = args.after.clone();
    loop {
        let page = shop.catalogue().list(filter.as_ref(), next.as_deref(), PAGE.min(wanted - items.len()))?;
        items.extend(page.items);
        next = page.next;
        if next.is_none() || items.len() >= wanted {
            break;
        }
    }
    ui.answer(&json!({ "items": items, "next": next }), || {
        let row = |p: &Product| {
            vec![
                ui.strong(&p.id),
                short(p.title.as_deref().unwrap_or_default(), 50),
                p.price.map(|p| p.to_string()).unwrap_or_default(),
                p.availability.as_str().replace('_', " "),
                format!("{} pictures", p.images.iter().filter(|i| i.picture.is_some()).count()),
            ]
        };
        let mut text = table(&items.iter().map(row).collect::<Vec<_>>());
        if let Some(next) = &next {
            text += &ui.faint(&format!("more: --after {next}"));
            text += "\n";
        }
        text
    })?;
    Ok(Done::All)
}

fn list_catalogues(engine: &twinset_engine::Engine, ui: &Ui) -> anyhow::Result<Done> {
    let mut catalogues = Vec::new();
    for name in engine.catalogues()? {
        let counts = engine.catalogue(&name)?.catalogue().count()?;
        catalogues.push((name.to_string(), counts));
    }
    let value: Vec<_> = catalogues
        .iter()
        .map(|(name, c)| json!({ "name": name, "products": c.products, "pictures": c.pictures }))
        .collect();
    ui.answer(&json!({ "catalogues": value }), || {
        if catalogues.is_empty() {
            return format!("no catalogue in {}\n", engine.home().display());
        }
        let row = |(name, c): &(String, twinset_catalogue::Counts)| {
            vec![ui.strong(name), format!("{} products", c.products), format!("{} pictures", c.pictures)]
        };
        table(&catalogues.iter().map(row).collect::<Vec<_>>())
    })?;
    Ok(Done::All)
}
