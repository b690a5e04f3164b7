//! Shopify's product export as CSV, with the header of before and since 2025.
//!
//! A product spans several lines: its first has what belongs to the product, each variant has one, and lines with only an
//! image follow. The text is read twice, first to learn which stock numbers are unique: those become ids.

use crate::address::without_version;
use crate::draft::{Draft, unquoted};
use crate::format::plain_table::Rows;
use crate::read::Out;
use crate::recognise::{column, delimiter};
use crate::{FindingKind, Result, Settings, words};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::io::{Read, Seek};
use twinset_catalogue::{Availability, Role};

/// Our key for each column, and its names in the two headers.
const COLUMNS: [(&str, &[&str]); 24] = [
    ("handle", &["handle", "url_handle"]),
    ("title", &["title"]),
    ("body", &["body_(html)", "body_html", "body", "description"]),
    ("vendor", &["vendor"]),
    ("category", &["product_category", "standard_product_type", "google_shopping_/_google_product_category"]),
    ("type", &["type", "custom_product_type", "product_type"]),
    ("tags", &["tags"]),
    ("published", &["published", "published_on_online_store"]),
    ("status", &["status"]),
    ("sku", &["variant_sku", "sku"]),
    ("barcode", &["variant_barcode", "barcode"]),
    ("price", &["variant_price", "price"]),
    ("before", &["variant_compare_at_price", "compare_at_price"]),
    ("tracker", &["variant_inventory_tracker", "inventory_tracker"]),
    ("quantity", &["variant_inventory_qty", "inventory_quantity", "inventory_available"]),
    ("policy", &["variant_inventory_policy", "continue_selling_when_out_of_stock"]),
    ("image", &["image_src", "product_image_url"]),
    ("position", &["image_position"]),
    ("alt", &["image_alt_text"]),
    ("variant_image", &["variant_image", "variant_image_url"]),
    ("gender", &["google_shopping_/_gender"]),
    ("age_group", &["google_shopping_/_age_group"]),
    ("mpn", &["google_shopping_/_mpn", "google_shopping_/_manufacturer_part_number_(mpn)"]),
    ("condition", &["google_shopping_/_condition"]),
];

/// Columns that say nothing about the product.
const PASSED_OVER: [&str; 3] = ["linked_to", "seo_", "template_suffix"];

struct Columns {
    known: HashMap<&'static str, usize>,
    /// Column of the name and of the value of each option.
    options: Vec<(Option<usize>, Option<usize>)>,
    /// Everything else, by its own name.
    others: Vec<(usize, String)>,
}

impl Columns {
    fn of(header: &[String]) -> Self {
        let names: Vec<String> = header.iter().map(|name| column(name)).collect();
        let find = |wanted: &[&str]| wanted.iter().find_map(|name| names.iter().position(|n| n == name));
        let known: HashMap<_, _> =
            COLUMNS.iter().filter_map(|(key, wanted)| Some((*key, find(wanted)?))).collect();
        let option = |n: usize, what: &str| find(&[&format!("option{n}_{what}")]);
        let options: Vec<_> = (1..=3).map(|n| (option(n, "name"), option(n, "value"))).collect();
        let used: Vec<usize> =
            known.values().copied().chain(options.iter().flat_map(|(a, b)| [*a, *b]).flatten()).collect();
        let others = names
            .iter()
            .enumerate()
            .filter(|(at, name)| !used.contains(at) && !PASSED_OVER.iter().any(|p| name.contains(p)));
        let others = others.map(|(at, _)| (at, header[at].trim().to_owned())).collect();
        Self { known, options, others }
    }

    fn get<'a>(&self, key: &str, cells: &'a [String]) -> &'a str {
        self.known.get(key).and_then(|at| cells.get(*at)).map_or("", |cell| cell.trim())
    }
}

pub(crate) fn read(mut input: impl Read, head: &str, settings: &Settings, out: &mut Out<'_>) -> Result<()> {
    let delimiter = delimiter(head);
    let mut spool = tempfile::tempfile()?;
    let broken = std::io::copy(&mut input, &mut spool).err();
    spool.rewind()?;
    let skus = count_skus(&spool, head, delimiter, settings)?;
    spool.rewind()?;

    let mut rows = Rows::open(std::io::BufReader::new(&spool), head, delimiter, settings)?;
    let columns = Columns::of(&rows.header);
    let mut group: Vec<(u64, Vec<String>)> = Vec::new();
    while let Some((line, cells)) = rows.next(out)? {
        let handle = columns.get("handle", &cells).to_owned();
        let same = group
            .first()
            .is_some_and(|(_, first)| handle.is_empty() || columns.get("handle", first) == handle);
        if !same && !group.is_empty() {
            tell(&std::mem::take(&mut group), &columns, &skus, &rows, settings, out);
        }
        group.push((line, cells));
    }
    // A feed that breaks off may have left the last product without its variants.
    if let Some(error) = broken {
        return Err(error.into());
    }
    if out.summary.partial.is_none() {
        tell(&group, &columns, &skus, &rows, settings, out);
    }
    Ok(())
}

/// How often each stock number occurs, by its hash.
struct Skus {
    hasher: RandomState,
    times: HashMap<u64, u32>,
}

impl Skus {
    fn unique(&self, sku: &str) -> bool {
        self.times.get(&self.hasher.hash_one(sku)) == Some(&1)
    }
}

fn count_skus(spool: &std::fs::File, head: &str, delimiter: u8, settings: &Settings) -> Result<Skus> {
    let mut nobody = |_| std::ops::ControlFlow::Continue(());
    let mut silent = Out { sink: &mut nobody, summary: crate::read::empty() };
    let mut rows = Rows::open(std::io::BufReader::new(spool), head, delimiter, settings)?;
    let columns = Columns::of(&rows.header);
    let mut skus = Skus { hasher: RandomState::new(), times: HashMap::new() };
    while let Some((_, cells)) = rows.next(&mut silent)? {
        let sku = unquoted(columns.get("sku", &cells));
        if !sku.is_empty() {
            *skus.times.entry(skus.hasher.hash_one(sku.as_str())).or_default() += 1;
        }
    }
    Ok(skus)
}

/// One product with all its lines.
fn tell<R: Read>(
    lines: &[(u64, Vec<String>)],
    columns: &Columns,
    skus: &Skus,
    rows: &Rows<R>,
    settings: &Settings,
    out: &mut Out<'_>,
) {
    let Some((first_line, first)) = lines.first() else { return };
    let handle = columns.get("handle", first);
    let status = columns.get("status", first).to_lowercase();
    let hidden = columns.get("published", first).eq_ignore_ascii_case("false");
    if hidden || matches!(status.as_str(), "draft" | "archived" | "unlisted") {
        let state = if hidden { "not published".to_owned() } else { status };
        out.skipped();
        out.finding(
            FindingKind::NotListed,
            *first_line,
            Some(handle.to_owned()),
            format!("'{handle}' is {state}"),
        );
        return;
    }
    let option_names: Vec<String> = columns
        .options
        .iter()
        .map(|(name, _)| {
            name.and_then(|at| first.get(at)).map_or(String::new(), |cell| cell.trim().to_owned())
        })
        .collect();
    let option = |n: usize, cells: &[String]| {
        let (_, value) = columns.options[n];
        let value = value.and_then(|at| cells.get(at)).map_or("", |cell| cell.trim()).to_owned();
        // A product without options has one called Title.
        let none = value.eq_ignore_ascii_case("default title")
            || (option_names[n].eq_ignore_ascii_case("title") && value.is_empty());
        if none { String::new() } else { value }
    };
    let mut images: Vec<(u32, &str, &str)> = Vec::new();
    for (n, (_, cells)) in lines.iter().enumerate() {
        let url = columns.get("image", cells);
        if !url.is_empty() {
            let position = columns.get("position", cells).parse().unwrap_or(n as u32 + 1);
            images.push((position, url, columns.get("alt", cells)));
        }
    }
    images.sort_by_key(|(position, ..)| *position);
    let of_variants: Vec<String> = lines
        .iter()
        .map(|(_, cells)| columns.get("variant_image", cells))
        .filter(|url| !url.is_empty())
        .map(without_version)
        .collect();
    for (n, (line, cells)) in lines.iter().enumerate() {
        let values: Vec<String> = (0..columns.options.len()).map(|i| option(i, cells)).collect();
        let (sku, price) = (unquoted(columns.get("sku", cells)), columns.get("price", cells));
        if n > 0 && sku.is_empty() && price.is_empty() && values.iter().all(String::is_empty) {
            continue; // only an image
        }
        let mut draft = Draft::new(settings, *line);
        rows.odd(cells, &mut draft);
        let own: Vec<&str> = values.iter().map(String::as_str).filter(|v| !v.is_empty()).collect();
        if !sku.is_empty() && skus.unique(&sku) {
            draft.claim("id", &sku);
        } else if own.is_empty() {
            draft.claim("id", handle);
        } else {
            draft.claim("id", &format!("{handle}#{}", own.join("/")));
        }
        draft.claim("item_group_id", handle);
        draft.claim("sku", &sku);
        for (ours, key) in [
            ("title", "title"),
            ("description", "body"),
            ("brand", "vendor"),
            ("google_product_category", "category"),
            ("tags", "tags"),
        ] {
            draft.claim(ours, columns.get(key, first));
        }
        draft.claim("product_type", columns.get("type", first));
        let barcode = unquoted(columns.get("barcode", cells));
        draft.claim("gtin", &barcode);
        draft.compared(price, columns.get("before", cells));
        for (name, value) in option_names.iter().zip(&values) {
            if !value.is_empty() {
                draft.option(if name.is_empty() { "option" } else { name }, value);
            }
        }
        for key in ["gender", "age_group", "mpn", "condition"] {
            let value = columns.get(key, cells);
            draft.claim(key, if value.is_empty() { columns.get(key, first) } else { value });
        }
        for (at, name) in &columns.others {
            let value = cells
                .get(*at)
                .map(|cell| cell.trim())
                .filter(|cell| !cell.is_empty())
                .or_else(|| first.get(*at).map(|cell| cell.trim()));
            other(name, value.unwrap_or_default(), &mut draft);
        }
        draft.available(availability(columns, cells));
        if !handle.is_empty() && settings.shop_domain.is_some() {
            draft.claim("link", &format!("/products/{handle}"));
        }
        let mine = columns.get("variant_image", cells);
        draft.image(mine, Role::Main, "");
        for (_, url, alt) in &images {
            let plain = without_version(url);
            let anothers = of_variants.contains(&plain) && plain != without_version(mine);
            if !anothers {
                draft.image(url, Role::Additional, alt);
            }
        }
        // The text of the variant's own picture stands with the picture.
        let alt = images
            .iter()
            .find(|(_, url, _)| !mine.is_empty() && without_version(url) == without_version(mine))
            .map_or("", |(_, _, alt)| alt);
        if let (Some(image), false) = (draft.images.first_mut(), alt.is_empty()) {
            image.alt = Some(crate::text::line(alt));
        }
        draft.finish(out);
    }
}

/// A column that we have no key for. Metafields such as `Color (product.metafields...)` belong to our lists.
fn other(name: &str, value: &str, draft: &mut Draft<'_>) {
    if value.is_empty() {
        return;
    }
    let bare = name.split('(').next().unwrap_or_default().trim();
    match words::option(bare).filter(|_| name.contains("metafields")) {
        // What the option says comes first.
        Some(list) => draft.values(list, value, &[';', ',']),
        None => draft.attribute(name, value),
    }
}

fn availability(columns: &Columns, cells: &[String]) -> Availability {
    let quantity = columns.get("quantity", cells).parse::<f64>().ok();
    let untracked = columns.known.contains_key("tracker") && columns.get("tracker", cells).is_empty();
    let policy = columns.get("policy", cells);
    let goes_on = policy.eq_ignore_ascii_case("continue") || policy.eq_ignore_ascii_case("true");
    match quantity {
        _ if untracked => Availability::InStock,
        None => Availability::Unknown,
        Some(quantity) if quantity > 0.0 => Availability::InStock,
        Some(_) if goes_on => Availability::Backorder,
        Some(_) => Availability::OutOfStock,
    }
}
