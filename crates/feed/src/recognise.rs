//! Which format a feed is in, by its first lines.

use crate::draft::short;
use crate::{FeedError, Result, words};
use serde::Serialize;

/// A format that is read here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Google Merchant as RSS 2.0, Atom or RDF, and feeds that are built like it.
    MerchantXml,
    /// Google Merchant as text with separators.
    MerchantTable,
    /// Shopify's product export, old and new header.
    ShopifyTable,
    /// Shopify's `products.json`.
    ShopifyJson,
    /// WooCommerce's product export.
    WooCommerce,
    /// Our own, one product a line.
    JsonLines,
    /// Columns as in the JSON Lines, or as in a Google Merchant feed.
    Parquet,
    /// A JSON document with a list of products.
    Json,
    /// schema.org data as JSON.
    JsonLd,
    /// Pages with schema.org data.
    Html,
    /// A sitemap of pages with products.
    Sitemap,
    /// Addresses of pages with products, one a line.
    UrlList,
    /// A table that a mapping file describes.
    MappedTable,
    /// A table whose columns have usual names.
    GuessedTable,
}

/// Separators of tables, the surest first.
const DELIMITERS: [u8; 4] = [b'\t', b',', b';', b'|'];

/// The format, and bytes of `head` to leave out before it begins.
pub(crate) fn recognise(head: &str, mapped: bool) -> Result<(Format, usize)> {
    let trimmed = head.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}' || c == '\0');
    let mut skip = head.len() - trimmed.len();
    if trimmed.is_empty() {
        return Err(FeedError::Empty);
    }
    if binary(trimmed) {
        return Err(FeedError::Unrecognised { head: short(trimmed) });
    }
    let format = match trimmed.as_bytes()[0] {
        b'<' => markup(trimmed),
        b'{' | b'[' => Some(json(trimmed)),
        _ => {
            // What Excel writes for itself.
            if let Some(line) = trimmed
                .lines()
                .next()
                .filter(|line| line.len() <= 6 && line.to_ascii_lowercase().starts_with("sep="))
            {
                let rest = trimmed[line.len()..].trim_start_matches(['\r', '\n']);
                skip = head.len() - rest.len();
            } else if trimmed.starts_with(['"', '\t']) || head.starts_with('\t') {
                // A header whose first name is empty or quoted.
                skip = skip.min(
                    head.find(|c: char| c == '\t' || !c.is_whitespace() && c != '\u{feff}').unwrap_or(skip),
                );
            }
            return table(&head[skip..], mapped).map(|format| (format, skip));
        }
    };
    format.map(|format| (format, skip)).ok_or_else(|| FeedError::Unrecognised { head: short(trimmed) })
}

/// A picture, a document, a program: one sign in twenty is none of a text's. Random bytes have one in eight.
fn binary(text: &str) -> bool {
    let head = || text.chars().take(2_000);
    let odd = |c: &char| c.is_control() && !c.is_whitespace() || *c == '\u{fffd}';
    20 * head().filter(odd).count() > head().count()
}

fn markup(text: &str) -> Option<Format> {
    let lower = text.to_ascii_lowercase();
    let at = |what: &str| lower.find(what);
    let first = |names: &[&str]| names.iter().filter_map(|name| at(name)).min();
    let html = first(&["<html", "<!doctype html", "ld+json", "<head", "<body"]);
    let sitemap = first(&["<urlset", "<sitemapindex"]);
    let feed = first(&[
        "<rss", "<feed", "<rdf:rdf", "<channel", "<item", "<entry", "<product", "<offer", "<article",
        "<listing",
    ]);
    let earliest = [(html, Format::Html), (sitemap, Format::Sitemap), (feed, Format::MerchantXml)];
    earliest
        .into_iter()
        .filter_map(|(at, format)| Some((at?, format)))
        .min_by_key(|(at, _)| *at)
        .map(|(_, format)| format)
}

fn json(text: &str) -> Format {
    let line = text.lines().next().unwrap_or_default();
    let whole_line = line.trim_end().ends_with('}')
        || text.len() > line.len() + 2 && text[line.len()..].trim_start().starts_with('{');
    let parsed = serde_json::from_str::<serde_json::Value>(line).ok();
    match &parsed {
        Some(serde_json::Value::Object(object))
            if object.contains_key("@type") || object.contains_key("@graph") =>
        {
            Format::JsonLd
        }
        Some(serde_json::Value::Object(object))
            if object.get("products").is_some_and(serde_json::Value::is_array) =>
        {
            Format::ShopifyJson
        }
        Some(serde_json::Value::Object(_)) => Format::JsonLines,
        _ => {
            let start = &text[..text.floor_char_boundary(2_000)];
            let has = |key: &str| start.find(&format!("\"{key}\""));
            match (has("products"), has("id"), has("@context").or(has("@graph")).or(has("@type"))) {
                (Some(products), id, _) if id.is_none_or(|id| products < id) => Format::ShopifyJson,
                (_, _, Some(_)) => Format::JsonLd,
                _ if text.starts_with('[') => Format::Json,
                // A first line that is broken, in a file of lines.
                _ if whole_line && line.len() > 2 => Format::JsonLines,
                _ => Format::Json,
            }
        }
    }
}

/// The separator of a table, by its header line.
pub(crate) fn delimiter(head: &str) -> u8 {
    let line = header_line(head);
    let known = |delimiter: u8| {
        let cells: Vec<&str> = line.split(char::from(delimiter)).collect();
        let named = cells
            .iter()
            .filter(|cell| cell.trim().len() > 1 && words::usual(cell.trim().trim_matches('"')).is_some())
            .count();
        (named, cells.len())
    };
    DELIMITERS.into_iter().rev().max_by_key(|d| known(*d)).unwrap_or(b',')
}

fn header_line(head: &str) -> &str {
    head.split(['\n', '\r']).find(|line| !line.trim().is_empty()).unwrap_or_default()
}

/// `Image Link` and `g:image-link` to `image_link`.
pub(crate) fn column(name: &str) -> String {
    let name = name.trim().trim_matches(['"', '\u{feff}']).trim().to_lowercase();
    let name = name.strip_prefix("g:").unwrap_or(&name);
    name.chars().map(|c| if c.is_whitespace() || c == '-' { '_' } else { c }).collect()
}

fn table(text: &str, mapped: bool) -> Result<Format> {
    let line = header_line(text);
    let delimiter = delimiter(text);
    let names: Vec<String> = line.split(char::from(delimiter)).map(column).collect();
    let has = |name: &str| names.iter().any(|n| n == name);
    if mapped {
        return Ok(Format::MappedTable);
    }
    if (has("handle") || has("url_handle"))
        && (has("image_src") || has("product_image_url") || has("variant_price") || has("variant_sku"))
    {
        return Ok(Format::ShopifyTable);
    }
    if has("type") && has("sku") && has("name") && (has("images") || has("regular_price")) {
        return Ok(Format::WooCommerce);
    }
    // The same export in another language: the kinds of products are never translated.
    let second = text.split(['\n', '\r']).filter(|line| !line.trim().is_empty()).nth(1).unwrap_or_default();
    let kind = second
        .split(char::from(delimiter))
        .nth(1)
        .map(|cell| cell.trim().trim_matches('"').to_owned())
        .unwrap_or_default();
    if names.first().is_some_and(|n| n == "id")
        && names.len() > 30
        && ["simple", "variable", "variation", "grouped", "external"].contains(&kind.as_str())
    {
        return Ok(Format::WooCommerce);
    }
    if has("id")
        && has("title")
        && (has("image_link") || has("link") || has("price") || has("additional_image_link"))
    {
        return Ok(Format::MerchantTable);
    }
    let lines = text.lines().filter(|line| !line.trim().is_empty()).take(5);
    if lines.clone().count() > 0
        && lines.clone().all(|line| line.trim().starts_with("http://") || line.trim().starts_with("https://"))
    {
        return Ok(Format::UrlList);
    }
    let guessed: Vec<&str> =
        names.iter().filter_map(|name| words::usual(name)).map(|(ours, _)| ours).collect();
    let guess = |ours: &str| guessed.contains(&ours);
    if guess("id") && (guess("image_link") || guess("title")) {
        return Ok(Format::GuessedTable);
    }
    if names.len() < 2 {
        return Err(FeedError::Unrecognised { head: short(text.trim()) });
    }
    let missing = if guess("id") { "image_link" } else { "id" };
    let columns = names.iter().take(40).map(String::as_str).collect::<Vec<_>>().join(", ");
    Err(FeedError::NeedsMapping { missing, columns })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(head: &str, expected: Format) {
        assert_eq!(recognise(head, false).unwrap().0, expected, "{head}");
    }

    #[test]
    fn formats_are_known_by_content() {
        check("\n<?xml version='1.0'?>\n<!-- x --><rss><channel><item>", Format::MerchantXml);
        check("<feed xmlns='http://www.w3.org/2005/Atom'>", Format::MerchantXml);
        check("<!doctype html><html><script type=\"application/ld+json\">", Format::Html);
        check("<?xml version='1.0'?><urlset xmlns='x'><url>", Format::Sitemap);
        check("{\"id\":\"a\"}\n{\"id\":\"b\"}\n", Format::JsonLines);
        check("{\"id\":\"a\",}\n{\"id\":\"b\"}\n", Format::JsonLines);
        check("{\"products\":[{\"id\":1,\"variants\":[]}]}", Format::ShopifyJson);
        check("{\n \"products\": [\n  {\n   \"id\": 1", Format::ShopifyJson);
        check("[{\"id\":\"a\"}, {\"id\":\"b\"}]", Format::Json);
        check("{\"@context\":\"https://schema.org\",\"@type\":\"Product\"}", Format::JsonLd);
        check("id\ttitle\timage link\n", Format::MerchantTable);
        check("\u{feff}ID;Title;Image-Link\n", Format::MerchantTable);
        check("sep=;\r\nid;title;image_link\r\n", Format::MerchantTable);
        check("Handle,Title,Image Src\n", Format::ShopifyTable);
        check("Title,URL handle,Product image URL\n", Format::ShopifyTable);
        check("ID,Type,SKU,Name,Images\n", Format::WooCommerce);
        check("상품코드,상품명,이미지\n1,a,b\n", Format::GuessedTable);
        check("https://a.example/p/1\nhttps://a.example/p/2\n", Format::UrlList);
        assert!(matches!(recognise("a,b,c\n1,2,3\n", false), Err(FeedError::NeedsMapping { .. })));
        assert!(matches!(recognise("hello", false), Err(FeedError::Unrecognised { .. })));
        assert!(matches!(recognise(" \n", false), Err(FeedError::Empty)));
        let picture = "\u{ff}\u{d8}\u{0}\u{10},id\u{1},title\u{2},image_link\u{3}\n";
        assert!(matches!(recognise(picture, true), Err(FeedError::Unrecognised { .. })));
        assert_eq!(recognise("a,b,c\n1,2,3\n", true).unwrap().0, Format::MappedTable);
    }
}
