//! schema.org data: `Product` and `ProductGroup` as JSON-LD, in pages or alone.

use crate::draft::Draft;
use crate::format::json::word;
use crate::read::Out;
use crate::unpack::LimitReached;
use crate::{Addresses, FindingKind, Result, Settings};
use serde_json::{Map, Value};
use std::io::Read;
use twinset_catalogue::Role;

/// Bytes of one page, or of several behind each other.
const PAGE_BYTES: u64 = 64 << 20;
/// Objects inside each other that are searched for products.
const DEPTH: usize = 16;

/// Pages: every script of the right kind is read.
pub(crate) fn read(input: impl Read, settings: &Settings, out: &mut Out<'_>) -> Result<()> {
    let mut page = String::new();
    let read = input.take(PAGE_BYTES + 1).read_to_string(&mut page)? as u64;
    if read > PAGE_BYTES {
        return Err(std::io::Error::other(LimitReached(format!("{PAGE_BYTES} bytes of a page"))).into());
    }
    let lower = page.to_ascii_lowercase();
    let mut at = 0;
    let mut number = 0;
    while let Some(found) = lower[at..].find("<script") {
        let begin = at + found;
        let Some(tag_end) = lower[begin..].find('>').map(|n| begin + n + 1) else { break };
        let Some(end) = lower[tag_end..].find("</script").map(|n| tag_end + n) else {
            out.cut_off("the page ends inside its data");
            break;
        };
        at = end;
        if !lower[begin..tag_end].contains("ld+json") {
            continue;
        }
        // The page's own address stands somewhere before.
        let own = canonical(&page[..begin], &lower[..begin]);
        let told = settings.base_url.as_deref();
        let base = own.and_then(|own| Addresses::new(told).link(&own)).or_else(|| told.map(str::to_owned));
        let settings = Settings { base_url: base.clone(), ..settings.clone() };
        let text = &page[tag_end..end];
        match lenient(text) {
            Ok(value) => {
                number = products(&value, base.as_deref(), number + 1, &settings, out).max(number + 1)
            }
            Err(error) => out.bad_row(number + 1, format!("the data of the page is no JSON: {error}")),
        }
        if out.stopped() {
            break;
        }
    }
    Ok(())
}

/// `<link rel="canonical" href="X">`, else `<meta property="og:url" content="X">`, the last one.
fn canonical(page: &str, lower: &str) -> Option<String> {
    let attribute = |mark: &str, name: &str| {
        let at = lower.rfind(mark)?;
        let begin = lower[..at].rfind('<')?;
        let end = begin + lower[begin..].find('>')?;
        let from = begin + lower[begin..end].find(&format!("{name}="))? + name.len() + 1;
        let value = page[from..end].trim_start();
        let value = match value.chars().next()? {
            quote @ ('"' | '\'') => value[1..].split(quote).next()?,
            _ => value.split([' ', '/', '>']).next()?,
        };
        Some(html_escape::decode_html_entities(value).into_owned())
    };
    attribute("canonical", "href").or_else(|| attribute("og:url", "content"))
}

/// JSON, or what people take for it: comments, trailing commas, raw line breaks in texts.
pub(crate) fn lenient(text: &str) -> serde_json::Result<Value> {
    let text = text.trim().trim_start_matches("<!--").trim_end_matches("-->").trim();
    let text = text
        .trim_start_matches("//<![CDATA[")
        .trim_start_matches("<![CDATA[")
        .trim_end_matches("//]]>")
        .trim_end_matches("]]>")
        .trim();
    serde_json::from_str(text).or_else(|first| serde_json::from_str(&mended(text)).map_err(|_| first))
}

fn mended(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    let mut inside = false;
    while let Some(c) = chars.next() {
        if inside {
            match c {
                '\\' => match chars.next() {
                    Some(escaped) if "\"\\/bfnrtu".contains(escaped) => out.extend(['\\', escaped]),
                    Some(other) => out.push(other),
                    None => {}
                },
                '"' => {
                    inside = false;
                    out.push(c);
                }
                '\n' => out.push_str("\\n"),
                '\t' => out.push_str("\\t"),
                c if c < ' ' => {}
                c => out.push(c),
            }
            continue;
        }
        match c {
            '"' => {
                inside = true;
                out.push(c);
            }
            '/' if chars.peek() == Some(&'/') => while chars.next_if(|c| *c != '\n').is_some() {},
            '/' if chars.peek() == Some(&'*') => {
                chars.next();
                let mut last = ' ';
                for c in chars.by_ref() {
                    if last == '*' && c == '/' {
                        break;
                    }
                    last = c;
                }
            }
            '}' | ']' => {
                let kept = out.trim_end().strip_suffix(',').map(str::len);
                if let Some(kept) = kept {
                    out.truncate(kept);
                }
                out.push(c);
            }
            ';' if out.trim_end().ends_with(['}', ']']) => {}
            c => out.push(c),
        }
    }
    out
}

/// Every product inside `value`, numbered from `number`; returns the number after the last.
pub(crate) fn products(
    value: &Value,
    page: Option<&str>,
    number: u64,
    settings: &Settings,
    out: &mut Out<'_>,
) -> u64 {
    let mut found = Vec::new();
    search(value, None, 0, &mut found);
    // A page about one product is that product's page.
    let page = page.filter(|_| found.len() == 1);
    let mut next = number;
    for (object, group) in found {
        product(object, group, page, next, settings, out);
        next += 1;
    }
    next
}

fn is(object: &Map<String, Value>, kind: &str) -> bool {
    let fits = |value: &Value| value.as_str().is_some_and(|t| t.rsplit(['/', ':', '#']).next() == Some(kind));
    match object.get("@type") {
        Some(Value::Array(kinds)) => kinds.iter().any(fits),
        Some(kind) => fits(kind),
        None => false,
    }
}

type Found<'a> = Vec<(&'a Map<String, Value>, Option<&'a Map<String, Value>>)>;

fn search<'a>(value: &'a Value, group: Option<&'a Map<String, Value>>, depth: usize, found: &mut Found<'a>) {
    if depth > DEPTH {
        return;
    }
    match value {
        Value::Array(list) => list.iter().for_each(|one| search(one, group, depth + 1, found)),
        Value::Object(object) if is(object, "ProductGroup") && object.get("hasVariant").is_some() => {
            if let Some(variants) = object.get("hasVariant") {
                search(variants, Some(object), depth + 1, found);
            }
        }
        Value::Object(object)
            if is(object, "Product")
                || is(object, "ProductGroup")
                || is(object, "IndividualProduct")
                || is(object, "ProductModel") =>
        {
            found.push((object, group));
        }
        Value::Object(object) => {
            for name in ["@graph", "mainEntity", "itemListElement", "item", "hasVariant", "about"] {
                if let Some(inner) = object.get(name) {
                    search(inner, group, depth + 1, found);
                }
            }
        }
        _ => {}
    }
}

/// A text, or the name of an object.
fn name(value: &Value) -> String {
    match value {
        Value::Object(object) => ["name", "value", "@value", "@id"]
            .into_iter()
            .map(|key| word(object.get(key)))
            .find(|t| !t.is_empty())
            .unwrap_or_default(),
        Value::Array(list) => list.first().map(name).unwrap_or_default(),
        other => word(Some(other)),
    }
}

fn names(value: &Value) -> Vec<String> {
    match value {
        Value::Array(list) => list.iter().map(name).collect(),
        other => vec![name(other)],
    }
}

fn product(
    object: &Map<String, Value>,
    group: Option<&Map<String, Value>>,
    page: Option<&str>,
    number: u64,
    settings: &Settings,
    out: &mut Out<'_>,
) {
    let mut draft = Draft::new(settings, number);
    let own = |key: &str| object.get(key);
    let get = |key: &str| own(key).or_else(|| group.and_then(|group| group.get(key)));
    let offers = own("offers").map(flat_offers).unwrap_or_default();
    let offered = |key: &str| {
        offers.iter().map(|offer| word(offer.get(key))).find(|t| !t.is_empty()).unwrap_or_default()
    };
    let link = [
        word(own("url")),
        offered("url"),
        page.unwrap_or_default().to_owned(),
        word(group.and_then(|g| g.get("url"))),
    ];
    let link = link.into_iter().find(|t| !t.is_empty()).unwrap_or_default();
    for key in ["sku", "productID", "@id"] {
        draft.claim("id", &word(own(key)));
    }
    // The page's address is as good an id as its own mark in the page.
    if draft.product.id.starts_with('#') || draft.product.id.is_empty() {
        let fallback =
            [offered("sku"), link.clone(), draft.product.id.clone()].into_iter().find(|t| !t.is_empty());
        draft.product.id = fallback.unwrap_or_default();
    }
    draft.claim("sku", &word(own("sku")));
    let group_id = own("inProductGroupWithID").map(name).or_else(|| {
        let parent = own("isVariantOf")
            .and_then(|of| of.as_array().map_or(Some(of), |list| list.first()))
            .and_then(Value::as_object)
            .or(group);
        parent.map(|parent| {
            ["productGroupID", "sku", "@id", "name"]
                .into_iter()
                .map(|key| word(parent.get(key)))
                .find(|t| !t.is_empty())
                .unwrap_or_default()
        })
    });
    draft.claim("item_group_id", &group_id.unwrap_or_default());
    draft.claim("link", &link);
    for (ours, theirs) in [
        ("title", "name"),
        ("description", "description"),
        ("brand", "brand"),
        ("mpn", "mpn"),
        ("condition", "itemCondition"),
    ] {
        draft.claim(ours, &get(theirs).map(name).unwrap_or_default());
    }
    draft.claim("brand", &get("manufacturer").map(name).unwrap_or_default());
    for key in ["gtin", "gtin13", "gtin14", "gtin12", "gtin8", "isbn"] {
        draft.claim("gtin", &word(own(key)));
    }
    for key in ["color", "size", "material", "pattern"] {
        let values = get(key).map(names).unwrap_or_default();
        values.iter().for_each(|value| draft.claim(key, value));
    }
    let categories = get("category").map(names).unwrap_or_default();
    categories.iter().for_each(|category| draft.claim("product_type", category));
    if let Some(Value::Object(audience)) = get("audience") {
        draft.claim("gender", &word(audience.get("suggestedGender")));
        draft.claim("age_group", &audience.get("suggestedAge").map(name).unwrap_or_default());
    }
    for property in get("additionalProperty").and_then(Value::as_array).into_iter().flatten() {
        draft.option(&word(property.get("name")), &property.get("value").map(name).unwrap_or_default());
    }
    for offer in &offers {
        let specified = offer.get("priceSpecification").map(flat_offers).unwrap_or_default();
        let of = |key: &str| {
            let nested = specified.iter().map(|spec| word(spec.get(key))).find(|t| !t.is_empty());
            Some(word(offer.get(key))).filter(|t| !t.is_empty()).or(nested).unwrap_or_default()
        };
        let price = [of("price"), of("lowPrice")].into_iter().find(|t| !t.is_empty()).unwrap_or_default();
        // Numbers of JSON have a point and nothing else.
        draft.claim("price", &format!("{price} {}", of("priceCurrency")));
        draft.claim("availability", &of("availability"));
        draft.claim("condition", &of("itemCondition"));
        draft.claim("seller", &offer.get("seller").map(name).unwrap_or_default());
        if !price.is_empty() {
            break;
        }
    }
    let images = own("image").filter(|image| !image.is_null()).or_else(|| get("image"));
    let mut urls = Vec::new();
    images.into_iter().for_each(|image| collect_images(image, &mut urls));
    for (n, url) in urls.iter().enumerate() {
        draft.image(url, if n == 0 { Role::Main } else { Role::Additional }, "");
    }
    if draft.product.title.is_none() && draft.images.is_empty() {
        out.skipped();
        out.finding(
            FindingKind::BadRow,
            number,
            Some(draft.product.id),
            "data of a product without name and picture",
        );
        return;
    }
    draft.finish(out);
}

fn flat_offers(value: &Value) -> Vec<&Map<String, Value>> {
    match value {
        Value::Array(list) => list.iter().flat_map(flat_offers).collect(),
        // An aggregate has its own lowest price, or the offers inside it have.
        Value::Object(object) => {
            let inner = object.get("offers").map(flat_offers).unwrap_or_default();
            std::iter::once(object).chain(inner).collect()
        }
        _ => Vec::new(),
    }
}

fn collect_images(value: &Value, urls: &mut Vec<String>) {
    match value {
        Value::Array(list) => list.iter().for_each(|one| collect_images(one, urls)),
        Value::Object(object) => {
            let url = ["contentUrl", "url", "@id", "src"]
                .into_iter()
                .map(|key| word(object.get(key)))
                .find(|t| !t.is_empty());
            urls.extend(url);
        }
        other => urls.extend(Some(word(Some(other))).filter(|t| !t.is_empty())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_as_people_write_it() {
        let text = "<!-- {\n// who wrote this\n\"a\": \"x\ny\", /* b */ \"c\": [1, 2, ], \"d\": \"it\\'s // not\", } -->";
        let value = lenient(text).unwrap();
        assert_eq!(value, serde_json::json!({"a": "x\ny", "c": [1, 2], "d": "it's // not"}));
        assert!(lenient("{\"a\":").is_err());
    }
}
