//! Google Merchant XML: RSS 2.0, Atom 1.0, RSS 1.0 (RDF), and feeds that are built like them.
//!
//! Elements with Google's prefix win over those without: `<g:title>` over `<title>`. The prefix is the one bound to
//! Google's namespace, `g` always, and any that is bound to nothing.

use crate::draft::Draft;
use crate::read::Out;
use crate::xml::{Token, Xml};
use crate::{FindingKind, Result, Settings};
use std::collections::HashMap;
use std::io::Read;

/// What a product's element may be called, the usual names first.
const ROWS: [&str; 8] = ["item", "entry", "product", "offer", "listing", "article", "shopitem", "o"];

/// Elements that hold one thing each in an order that text feeds write as `a:b:c`.
const ORDERS: [(&str, &[&str]); 4] = [
    ("shipping", &["country", "region", "service", "price"]),
    ("tax", &["country", "region", "rate", "tax_ship"]),
    ("product_detail", &["section_name", "attribute_name", "attribute_value"]),
    ("installment", &["months", "amount"]),
];

/// One child of a product's element.
#[derive(Default)]
struct Field {
    /// Local name in small letters.
    name: String,
    /// With its prefix, for those of other namespaces.
    full: String,
    google: bool,
    text: String,
    href: Option<String>,
    /// Sub-attributes.
    parts: Vec<(String, String)>,
}

/// Prefixes and what they are bound to.
#[derive(Default)]
struct Names(HashMap<String, String>);

impl Names {
    fn declare(&mut self, attributes: &[(String, String)]) {
        for (name, uri) in attributes {
            if let Some(prefix) = name.strip_prefix("xmlns:") {
                self.0.insert(prefix.to_owned(), uri.to_lowercase());
            }
        }
    }

    /// (prefix and name as written, local name, whether it is Google's)
    fn read(&self, name: &str) -> (String, String, bool) {
        let lower = name.to_lowercase();
        let Some((prefix, local)) = lower.split_once(':') else { return (lower.clone(), lower, false) };
        let google = prefix == "g" || self.0.get(prefix).is_none_or(|uri| uri.contains("base.google.com/ns"));
        (lower.clone(), local.to_owned(), google)
    }
}

pub(crate) fn read(input: impl Read, settings: &Settings, out: &mut Out<'_>) -> Result<()> {
    let mut xml = Xml::new(input, settings.limits.cell_bytes);
    let mut names = Names::default();
    let mut row_name: Option<String> = None;
    // Open elements outside and inside of the present product.
    let mut open: Vec<String> = Vec::new();
    let mut row: Option<Vec<Field>> = None;
    // `<offer id="7">`
    let mut row_id: Option<String> = None;
    let mut inside: Vec<String> = Vec::new();
    let mut row_bytes = 0;
    let (mut number, mut cut, mut deep) = (0_u64, false, false);
    while let Some(token) = xml.next()? {
        if out.stopped() {
            return Ok(());
        }
        let Some(fields) = &mut row else {
            match token {
                Token::Open { name, attributes, empty } => {
                    names.declare(&attributes);
                    let (_, local, _) = names.read(&name);
                    let fits = match &row_name {
                        Some(known) => *known == name,
                        // Never the outermost element: `<product>` may be the whole document's name.
                        None => {
                            ROWS.contains(&local.as_str())
                                && (!open.is_empty() || local == "item" || local == "entry")
                        }
                    };
                    if fits && !empty {
                        row_name = Some(name);
                        row_id = attribute(&attributes, "id");
                        row = Some(Vec::new());
                        (number, row_bytes, cut) = (number + 1, 0, false);
                    } else if !empty {
                        open.push(name);
                    }
                }
                Token::Close { name } => {
                    if let Some(at) = open.iter().rposition(|n| *n == name) {
                        open.truncate(at);
                    }
                }
                Token::Text { .. } => {}
            }
            continue;
        };
        match token {
            Token::Open { name, attributes, .. } if Some(&name) == row_name.as_ref() => {
                // Its predecessor never ended.
                out.bad_row(number, "the product's element is not closed before the next one begins");
                row = Some(Vec::new());
                row_id = attribute(&attributes, "id");
                inside.clear();
                (number, row_bytes, cut) = (number + 1, 0, false);
            }
            Token::Open { name, attributes, empty } => {
                names.declare(&attributes);
                if inside.len() >= settings.limits.depth {
                    deep = true;
                    continue;
                }
                let (full, local, google) = names.read(&name);
                if inside.is_empty() {
                    let href = attribute(&attributes, "href");
                    // Atom has several links; the product's page has no `rel` or `alternate`.
                    let rel =
                        attributes.iter().find(|(n, _)| n == "rel").map_or("alternate", |(_, v)| v.as_str());
                    let href = href.filter(|_| rel == "alternate");
                    fields.push(Field { name: local, full, google, href, ..Field::default() });
                } else if inside.len() == 1
                    && let Some(field) = fields.last_mut()
                {
                    field.parts.push((local, String::new()));
                }
                if !empty {
                    inside.push(name);
                }
            }
            Token::Close { name } => {
                if let Some(at) = inside.iter().rposition(|n| *n == name) {
                    inside.truncate(at);
                } else if Some(&name) == row_name.as_ref() {
                    let mut fields = row.take().unwrap_or_default();
                    inside.clear();
                    if let Some(id) = row_id.take().filter(|_| fields.iter().all(|field| field.name != "id"))
                    {
                        fields.push(Field {
                            name: "id".into(),
                            full: "id".into(),
                            text: id,
                            ..Field::default()
                        });
                    }
                    if row_bytes > settings.limits.row_bytes {
                        out.bad_row(number, "the product is larger than a product may be");
                    } else {
                        product(fields, number, cut, deep, settings, out);
                    }
                    deep = false;
                }
            }
            Token::Text { text, cut: was_cut } => {
                row_bytes += text.len();
                cut |= was_cut;
                if row_bytes <= settings.limits.row_bytes
                    && !inside.is_empty()
                    && let Some(field) = fields.last_mut()
                {
                    if inside.len() >= 2
                        && let Some((_, part)) = field.parts.last_mut()
                    {
                        part.push_str(&text);
                    }
                    field.text.push_str(&text);
                }
            }
        }
    }
    if xml.torn || row.is_some() || !open.is_empty() {
        out.cut_off(format!("the document ends in the middle, after product {}", out.summary.rows));
    }
    Ok(())
}

fn attribute(attributes: &[(String, String)], name: &str) -> Option<String> {
    attributes.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone())
}

fn product(fields: Vec<Field>, number: u64, cut: bool, deep: bool, settings: &Settings, out: &mut Out<'_>) {
    let mut draft = Draft::new(settings, number);
    if cut {
        draft.find(
            FindingKind::Cut,
            format!("a text of more than {} bytes is cut", settings.limits.cell_bytes),
        );
    }
    if deep {
        draft.find(
            FindingKind::TooDeep,
            format!("elements deeper than {} are not read", settings.limits.depth),
        );
    }
    // First what is Google's, then the rest: the first claim wins.
    let has: std::collections::HashSet<&str> =
        fields.iter().filter(|f| f.google).map(|f| f.name.as_str()).collect();
    let plain_and_doubled = |field: &Field| !field.google && has.contains(field.name.as_str());
    // Elements without children of Google's vocabulary hold text, with or without HTML in it.
    let (google, plain): (Vec<&Field>, Vec<&Field>) = fields.iter().partition(|f| f.google);
    for field in google.into_iter().chain(plain) {
        if plain_and_doubled(field) {
            continue;
        }
        let name = field.name.as_str();
        let other = !field.google && field.full.contains(':');
        let markup = field.parts.iter().all(|(name, _)| is_html(name));
        match name {
            _ if other => draft.attribute(&field.full, &field.text),
            "id" | "guid" if name == "guid" => draft.attribute("guid", &field.text),
            "link" => draft.claim(
                "link",
                field.href.as_deref().filter(|_| field.text.trim().is_empty()).unwrap_or(&field.text),
            ),
            "mobile_link" | "canonical_link" | "ads_redirect" => {
                draft.claim("link", &field.text);
                draft.attribute(name, &field.text);
            }
            "summary" | "content" if !has.contains("description") => draft.claim("description", &field.text),
            "structured_title" | "structured_description" => {
                let content = field
                    .parts
                    .iter()
                    .find(|(name, _)| name == "content")
                    .map_or(&field.text, |(_, text)| text);
                draft.claim(name, content);
            }
            "image_link" | "lifestyle_image_link" | "additional_image_link" => draft.claim(name, &field.text),
            // One element with several addresses, or with one in each child.
            "images" | "pictures" | "image" | "picture" if !markup => {
                field.parts.iter().for_each(|(_, url)| draft.claim("additional_image_link", url));
            }
            _ if markup || field.parts.is_empty() => draft.claim(usual(name, &has), &field.text),
            _ => {
                let joined = joined(name, &field.parts);
                draft.attribute(name, &joined);
            }
        }
    }
    draft.finish(out);
}

/// The Google name of a plain element of other feeds, such as `name` or `url`.
fn usual<'a>(name: &'a str, has: &std::collections::HashSet<&str>) -> &'a str {
    match crate::words::usual(name) {
        // Not the weak candidates: `code` or `url` beside their betters would win by their place.
        Some((ours, rank)) if rank > 0 && !has.contains(ours) && name != "sku" && name != "handle" => ours,
        _ => name,
    }
}

fn is_html(name: &str) -> bool {
    matches!(
        name,
        "p" | "br"
            | "b"
            | "i"
            | "u"
            | "em"
            | "strong"
            | "span"
            | "div"
            | "ul"
            | "ol"
            | "li"
            | "a"
            | "h1"
            | "h2"
            | "h3"
            | "h4"
            | "h5"
            | "h6"
            | "table"
            | "tbody"
            | "tr"
            | "td"
            | "th"
            | "img"
            | "font"
            | "hr"
            | "sup"
            | "sub"
            | "small"
            | "center"
    )
}

/// As text feeds write it: `DE:::4.90 EUR`.
fn joined(name: &str, parts: &[(String, String)]) -> String {
    let text = |part: &str| parts.iter().find(|(n, _)| n == part).map_or("", |(_, t)| t.trim());
    match ORDERS.iter().find(|(n, _)| *n == name) {
        Some((_, order)) if parts.iter().all(|(n, _)| order.contains(&n.as_str())) => {
            order.iter().map(|part| text(part)).collect::<Vec<_>>().join(":")
        }
        _ => parts.iter().map(|(n, t)| format!("{n}:{}", t.trim())).collect::<Vec<_>>().join(" "),
    }
}
