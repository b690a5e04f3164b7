//! WooCommerce's product export as CSV.
//!
//! A `variable` product is a group and not listed itself once it has variations; a `variation` inherits from its parent
//! what it leaves empty. The text is read twice: parents first, wherever they stand.

use crate::draft::{Draft, path};
use crate::format::plain_table::Rows;
use crate::read::Out;
use crate::recognise::{column, delimiter};
use crate::{FindingKind, Result, Settings, address, words};
use std::collections::{HashMap, HashSet};
use std::io::{Read, Seek};
use twinset_catalogue::{Availability, Role};

/// The export's columns in its own order; where they are translated they are known by their place.
const ORDER: [&str; 41] = [
    "id",
    "type",
    "sku",
    "gtin",
    "name",
    "published",
    "is_featured?",
    "visibility_in_catalog",
    "short_description",
    "description",
    "date_sale_price_starts",
    "date_sale_price_ends",
    "tax_status",
    "tax_class",
    "in_stock?",
    "stock",
    "low_stock_amount",
    "backorders_allowed?",
    "sold_individually?",
    "weight_(kg)",
    "length_(cm)",
    "width_(cm)",
    "height_(cm)",
    "allow_customer_reviews?",
    "purchase_note",
    "sale_price",
    "regular_price",
    "categories",
    "tags",
    "shipping_class",
    "images",
    "download_limit",
    "download_expiry_days",
    "parent",
    "grouped_products",
    "upsells",
    "cross_sells",
    "external_url",
    "button_text",
    "position",
    "brands",
];

/// Columns that say nothing about the product.
const PASSED_OVER: [&str; 13] = [
    "is_featured?",
    "tax_status",
    "tax_class",
    "low_stock_amount",
    "sold_individually?",
    "allow_customer_reviews?",
    "purchase_note",
    "download_limit",
    "download_expiry_days",
    "upsells",
    "cross_sells",
    "button_text",
    "position",
];

struct Columns {
    known: HashMap<String, usize>,
    /// Name and value of each attribute.
    attributes: Vec<(usize, usize)>,
    others: Vec<(usize, String)>,
}

impl Columns {
    fn of(header: &[String]) -> Self {
        let mut names: Vec<String> = header.iter().map(|name| column(name)).collect();
        let translated = !names.iter().any(|name| name == "images" || name == "regular_price");
        if translated {
            // Older exports have no column for the GTIN: the fourth is the name.
            let has_gtin = names.get(3).is_some_and(|name| name.contains("gtin") || name.contains("ean"));
            let order = ORDER.iter().filter(|name| has_gtin || **name != "gtin");
            for (name, known) in names.iter_mut().zip(order) {
                *name = (*known).to_owned();
            }
        }
        for name in &mut names {
            if name.contains("gtin") || *name == "ean" || *name == "upc" {
                *name = "gtin".into();
            }
        }
        let mut known = HashMap::new();
        for (at, name) in names.iter().enumerate() {
            known.entry(name.clone()).or_insert(at);
        }
        // `Attribute 1 name`, `Attribute 1 value(s)`; translated ones by the number and their order.
        let number = |name: &str| name.split('_').find_map(|word| word.parse::<u32>().ok());
        let first = if translated { ORDER.len() - 1 } else { 0 };
        let mut by_number: HashMap<u32, Vec<usize>> = HashMap::new();
        for (at, name) in names.iter().enumerate().skip(first) {
            if let Some(n) = number(name).filter(|_| {
                translated
                    || name.starts_with("attribute_") && (name.ends_with("_name") || name.contains("_value"))
            }) {
                by_number.entry(n).or_default().push(at);
            }
        }
        let mut attributes: Vec<(u32, usize, usize)> =
            by_number.into_iter().filter_map(|(n, at)| Some((n, *at.first()?, *at.get(1)?))).collect();
        attributes.sort_unstable();
        let used: HashSet<usize> = attributes.iter().flat_map(|(_, a, b)| [*a, *b]).collect();
        let others = names.iter().enumerate().filter(|(at, name)| {
            !used.contains(at)
                && !ORDER.contains(&name.as_str())
                && !PASSED_OVER.contains(&name.as_str())
                && !name.starts_with("attribute_")
                && !name.is_empty()
        });
        let others = others.map(|(at, _)| (at, header[at].trim().to_owned())).collect();
        Self { known, attributes: attributes.into_iter().map(|(_, a, b)| (a, b)).collect(), others }
    }

    fn get<'a>(&self, key: &str, cells: &'a [String]) -> &'a str {
        self.known.get(key).and_then(|at| cells.get(*at)).map_or("", |cell| cell.trim())
    }

    fn is(&self, kind: &str, cells: &[String]) -> bool {
        self.get("type", cells).split(',').any(|one| one.trim().eq_ignore_ascii_case(kind))
    }

    /// What variations call their parent: its number and its stock number.
    fn keys(&self, cells: &[String]) -> [String; 2] {
        [format!("id:{}", self.get("id", cells)), self.get("sku", cells).to_owned()]
    }
}

pub(crate) fn read(mut input: impl Read, head: &str, settings: &Settings, out: &mut Out<'_>) -> Result<()> {
    let delimiter = delimiter(head);
    let mut spool = tempfile::tempfile()?;
    let broken = std::io::copy(&mut input, &mut spool).err();
    spool.rewind()?;
    let mut parents: HashMap<String, std::rc::Rc<Vec<String>>> = HashMap::new();
    let mut with_variations = HashSet::new();
    {
        let mut nobody = |_| std::ops::ControlFlow::Continue(());
        let mut silent = Out { sink: &mut nobody, summary: crate::read::empty() };
        let mut rows = Rows::open(std::io::BufReader::new(&spool), head, delimiter, settings)?;
        let columns = Columns::of(&rows.header);
        while let Some((_, cells)) = rows.next(&mut silent)? {
            if columns.is("variation", &cells) {
                with_variations.insert(columns.get("parent", &cells).to_owned());
            } else if columns.is("variable", &cells) {
                let keys = columns.keys(&cells);
                let cells = std::rc::Rc::new(cells);
                keys.into_iter()
                    .filter(|key| key.len() > 3 || !key.starts_with("id:") && !key.is_empty())
                    .for_each(|key| {
                        parents.insert(key, cells.clone());
                    });
            }
        }
    }
    spool.rewind()?;
    let mut rows = Rows::open(std::io::BufReader::new(&spool), head, delimiter, settings)?;
    let columns = Columns::of(&rows.header);
    while let Some((line, cells)) = rows.next(out)? {
        if columns.is("grouped", &cells) {
            out.skipped();
            continue; // a list of others, which stand for themselves
        }
        if columns.is("variable", &cells)
            && columns.keys(&cells).iter().any(|key| !key.is_empty() && with_variations.contains(key))
        {
            continue; // told by its variations
        }
        let parent = columns
            .is("variation", &cells)
            .then(|| parents.get(columns.get("parent", &cells)))
            .flatten()
            .cloned();
        tell(line, &cells, parent.as_deref(), &columns, &rows, settings, out);
    }
    broken.map_or(Ok(()), |error| Err(error.into()))
}

fn id(columns: &Columns, cells: &[String]) -> String {
    match (columns.get("sku", cells), columns.get("id", cells)) {
        ("", "") => String::new(),
        ("", number) => format!("wc-{number}"),
        (sku, _) => sku.to_owned(),
    }
}

fn tell<R: Read>(
    line: u64,
    cells: &[String],
    parent: Option<&Vec<String>>,
    columns: &Columns,
    rows: &Rows<R>,
    settings: &Settings,
    out: &mut Out<'_>,
) {
    let id = id(columns, cells);
    let own = |key: &str| columns.get(key, cells);
    let from = |key: &str| match (own(key), parent) {
        ("", Some(parent)) => columns.get(key, parent),
        (own, _) => own,
    };
    let hidden = |cells: &[String]| {
        let published = columns.get("published", cells);
        (!published.is_empty() && published != "1")
            || columns.get("visibility_in_catalog", cells).eq_ignore_ascii_case("hidden")
    };
    if hidden(cells) || parent.is_some_and(|parent| hidden(parent)) {
        out.skipped();
        out.finding(FindingKind::NotListed, line, Some(id), "it is hidden or not published");
        return;
    }
    let mut draft = Draft::new(settings, line);
    rows.odd(cells, &mut draft);
    draft.uploads.clone_from(&settings.uploads_url);
    draft.claim("id", &id);
    draft.claim("sku", own("sku"));
    if let Some(parent) = parent {
        draft.claim("item_group_id", &self::id(columns, parent));
    } else if columns.is("variation", cells) {
        draft.claim(
            "item_group_id",
            own("parent")
                .strip_prefix("id:")
                .map_or_else(|| own("parent").to_owned(), |n| format!("wc-{n}"))
                .as_str(),
        );
    }
    draft.claim("title", &breaks(from("name")));
    let description = match from("description") {
        "" => from("short_description"),
        text => text,
    };
    draft.claim("description", &breaks(description));
    if description != from("short_description") {
        draft.attribute("short description", &breaks(from("short_description")));
    }
    draft.claim("price", own("regular_price"));
    draft.claim("sale_price", own("sale_price"));
    draft.claim("gtin", own("gtin"));
    for category in list(from("categories")) {
        let path = path(&category);
        if !path.is_empty() && !draft.product.product_type.contains(&path) {
            draft.product.product_type.push(path);
        }
    }
    draft.product.tags =
        list(from("tags")).iter().map(|tag| crate::text::line(tag)).filter(|t| !t.is_empty()).collect();
    draft.claim("brand", from("brands"));
    let images = from("images");
    for (n, url) in address::split(images).into_iter().enumerate() {
        draft.image(url, if n == 0 { Role::Main } else { Role::Additional }, "");
    }
    for (name_at, value_at) in &columns.attributes {
        let cell = |cells: &[String], at: &usize| {
            cells.get(*at).map_or(String::new(), |cell| cell.trim().to_owned())
        };
        let (mut name, value) = (cell(cells, name_at), cell(cells, value_at));
        if let (true, Some(parent)) = (name.is_empty(), parent) {
            name = cell(parent, name_at);
        }
        // On a variation an empty value means any of the parent's.
        if name.is_empty() || value.is_empty() {
            continue;
        }
        for value in list(&value) {
            match words::option(&name) {
                Some(known) => draft.values(known, &value, if known == "color" { &['/'] } else { &[] }),
                None => draft.attribute(&name, &value),
            }
        }
    }
    for (at, name) in &columns.others {
        draft.attribute(name, cells.get(*at).map_or("", |cell| cell.trim()));
    }
    draft.available(availability(own("in_stock?"), own("stock"), from("backorders_allowed?")));
    let external = own("external_url");
    if !external.is_empty() {
        draft.claim("link", external);
    } else if settings.shop_domain.is_some() && !own("id").is_empty() {
        let number = parent.map_or(own("id"), |parent| columns.get("id", parent));
        draft.claim("link", &format!("/?p={number}"));
    }
    draft.finish(out);
}

/// Line breaks are written as two characters.
fn breaks(text: &str) -> String {
    text.replace("\\n", "\n")
}

/// Divided at commas; `\,` belongs to the name.
fn list(cell: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut chars = cell.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' if chars.peek() == Some(&',') => {
                chars.next();
                if let Some(last) = parts.last_mut() {
                    last.push(',');
                }
            }
            ',' => parts.push(String::new()),
            c => {
                if let Some(last) = parts.last_mut() {
                    last.push(c);
                }
            }
        }
    }
    parts.into_iter().map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}

/// `In stock?` says 1, 0 or `backorder`; a number in stock counts before it, waiting orders after.
fn availability(in_stock: &str, stock: &str, backorders: &str) -> Availability {
    let quantity = stock.replace(',', ".").parse::<f64>().ok();
    let waits = matches!(backorders.to_ascii_lowercase().as_str(), "1" | "yes" | "notify" | "true");
    let there = match in_stock.to_ascii_lowercase().as_str() {
        "backorder" | "onbackorder" => return Availability::Backorder,
        "" => match quantity {
            None => return Availability::Unknown,
            Some(quantity) => quantity > 0.0,
        },
        text => matches!(text, "1" | "yes" | "true" | "instock"),
    };
    match (there, waits) {
        (true, _) => Availability::InStock,
        (false, true) => Availability::Backorder,
        (false, false) => Availability::OutOfStock,
    }
}
