//! JSON: our own lines, lists of products, Shopify's `products.json`.
//!
//! Products are taken one by one out of whatever list they stand in; each is looked at for what it is.

use crate::draft::{Draft, RawImage, short};
use crate::format::jsonld;
use crate::read::Out;
use crate::{FindingKind, Result, Settings, text};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Read};
use std::rc::Rc;
use twinset_catalogue::{Category, PictureHash, Role};

/// Members that hold the list of products in documents of many makers.
const LISTS: [&str; 8] = ["products", "items", "data", "results", "listings", "entries", "offers", "catalog"];

/// One JSON object a line.
pub(crate) fn read_lines(input: impl Read, settings: &Settings, out: &mut Out<'_>) -> Result<()> {
    let mut input = BufReader::with_capacity(1 << 16, input);
    let most = settings.limits.row_bytes as u64;
    let mut line = Vec::new();
    let mut number = 0;
    loop {
        line.clear();
        let read = (&mut input).take(most + 1).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(());
        }
        number += 1;
        let whole = line.ends_with(b"\n");
        if read as u64 > most && !whole {
            skip_line(&mut input)?;
            out.bad_row(number, format!("line {number} is longer than {most} bytes"));
            continue;
        }
        line.retain(|b| *b != 0);
        let text = line.trim_ascii();
        if text.is_empty() {
            continue;
        }
        match serde_json::from_slice::<Value>(text) {
            Ok(value) => element(value, number, settings, out),
            // The last line without its end: the file was cut there.
            Err(error) if error.is_eof() && !whole => {
                out.skipped();
                out.cut_off(format!("line {number} ends in the middle"));
            }
            Err(error) => match std::str::from_utf8(text).ok().and_then(|text| jsonld::lenient(text).ok()) {
                Some(value) => element(value, number, settings, out),
                None => out.bad_row(number, format!("line {number} is no JSON: {error}")),
            },
        }
        if out.stopped() {
            return Ok(());
        }
    }
}

fn skip_line(input: &mut impl BufRead) -> io::Result<()> {
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            return Ok(());
        }
        let end = buffer.iter().position(|b| *b == b'\n');
        let used = end.map_or(buffer.len(), |at| at + 1);
        input.consume(used);
        if end.is_some() {
            return Ok(());
        }
    }
}

/// Counts bytes since the last product, so that no single one fills the memory.
struct Metered<R> {
    inner: R,
    since: Rc<Cell<u64>>,
    most: u64,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(into)?;
        self.since.set(self.since.get() + n as u64);
        if self.since.get() > self.most {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a product is larger than a product may be",
            ));
        }
        Ok(n)
    }
}

/// One document, or several behind each other.
pub(crate) fn read_whole(input: impl Read, settings: &Settings, out: &mut Out<'_>) -> Result<()> {
    let since = Rc::new(Cell::new(0));
    let most = settings.limits.row_bytes as u64 + (1 << 17);
    let metered = Metered { inner: input, since: since.clone(), most };
    let mut reader = serde_json::Deserializer::from_reader(BufReader::with_capacity(1 << 16, metered));
    let mut number = 0;
    loop {
        let mut take = |value: Value| {
            since.set(0);
            number += 1;
            element(value, number, settings, out);
            !out.stopped()
        };
        let done = Document { take: &mut take }.deserialize(&mut reader);
        match done {
            Err(_) if out.stopped() => return Ok(()),
            Err(error) if number > 0 || error.is_eof() => {
                out.cut_off(format!("the document breaks off after product {number}: {error}"));
                return Ok(());
            }
            Err(error) => {
                return Err(crate::FeedError::Unrecognised {
                    head: format!("JSON that cannot be read: {error}"),
                });
            }
            Ok(()) => {}
        }
        if reader.end().is_ok() {
            return Ok(());
        }
    }
}

/// A list of products, an object that holds one, or one product.
struct Document<'a> {
    take: &'a mut dyn FnMut(Value) -> bool,
}

impl<'de> DeserializeSeed<'de> for Document<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Document<'_> {
    type Value = ();
    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list of products or an object that holds one")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(value) = list.next_element()? {
            if !(self.take)(value) {
                return Err(A::Error::custom("stopped"));
            }
        }
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut rest = Map::new();
        let mut found = false;
        while let Some(key) = map.next_key::<String>()? {
            // A product of ours may itself have a member of such a name: it has an id before.
            if LISTS.contains(&key.as_str()) && !rest.contains_key("id") && !rest.contains_key("@type") {
                let value = map.next_value_seed(List { take: &mut *self.take })?;
                match value {
                    Some(value) => _ = rest.insert(key, value),
                    None => found = true,
                }
            } else {
                rest.insert(key, map.next_value()?);
            }
        }
        if !found && !rest.is_empty() && !(self.take)(Value::Object(rest)) {
            return Err(A::Error::custom("stopped"));
        }
        Ok(())
    }
}

/// The value of a member that may be the list of products; what is not is given back.
struct List<'a> {
    take: &'a mut dyn FnMut(Value) -> bool,
}

impl<'de> DeserializeSeed<'de> for List<'_> {
    type Value = Option<Value>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for List<'_> {
    type Value = Option<Value>;
    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list of products")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        Document { take: self.take }.visit_seq(list).map(|()| None)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut object = Map::new();
        while let Some((key, value)) = map.next_entry()? {
            object.insert(key, value);
        }
        Ok(Some(Value::Object(object)))
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(Value::from(text)))
    }
    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Some(Value::from(value)))
    }
    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Some(Value::from(value)))
    }
    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Some(Value::from(value)))
    }
    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Some(Value::from(value)))
    }
    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Some(Value::Null))
    }
}

/// One entry of a list, for what it is.
pub(crate) fn element(value: Value, number: u64, settings: &Settings, out: &mut Out<'_>) {
    let most = settings.limits.depth;
    if deeper(&value, most) {
        return out.bad_row(number, format!("lists and objects are nested deeper than {most}"));
    }
    match value {
        Value::Object(object) if object.contains_key("@type") || object.contains_key("@graph") => {
            jsonld::products(&Value::Object(object), None, number, settings, out);
        }
        Value::Object(object) if object.get("variants").is_some_and(Value::is_array) => {
            shopify(&object, number, settings, out)
        }
        Value::Object(object) => ours(object, number, settings, out),
        other => out.bad_row(number, format!("'{}' is no product", short(&other.to_string()))),
    }
}

/// Whether there are more than `most` lists and objects inside each other. JSON itself is read to a depth of 128.
fn deeper(value: &Value, most: usize) -> bool {
    let inside = |one: &Value| most == 0 || deeper(one, most - 1);
    match value {
        Value::Array(list) => most == 0 || list.iter().any(inside),
        Value::Object(object) => most == 0 || object.values().any(inside),
        _ => false,
    }
}

/// Text of a text, number or truth value; empty for anything else.
pub(crate) fn word(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Bool(value)) => value.to_string(),
        _ => String::new(),
    }
}

/// The texts of a text or a list of texts.
fn words(value: &Value) -> Vec<String> {
    match value {
        Value::Array(list) => list.iter().map(|v| word(Some(v))).filter(|t| !t.is_empty()).collect(),
        other => Some(word(Some(other))).filter(|t| !t.is_empty()).into_iter().collect(),
    }
}

/// A product in our own form, or nearly.
fn ours(object: Map<String, Value>, number: u64, settings: &Settings, out: &mut Out<'_>) {
    let id = ["id", "product_id", "sku"]
        .into_iter()
        .map(|name| word(object.get(name)))
        .find(|id| !id.trim().is_empty())
        .unwrap_or_default();
    if object.get("deleted").and_then(Value::as_bool) == Some(true) {
        if id.trim().is_empty() {
            out.skipped();
            out.finding(FindingKind::MissingId, number, None, "a removal without id");
        } else {
            out.removed(number, id.trim().to_owned());
        }
        return;
    }
    let mut draft = Draft::new(settings, number);
    // Our own form is kept letter by letter; what others write is cleaned as their other feeds are.
    draft.verbatim = match object.get("images") {
        Some(Value::Array(images)) => images.iter().all(Value::is_object),
        _ => !object.contains_key("image_link") && !object.contains_key("image"),
    };
    draft.product.id = id.trim().to_owned();
    for (name, value) in object {
        member(&name, value, &mut draft);
    }
    draft.finish(out);
}

fn member(name: &str, value: Value, draft: &mut Draft<'_>) {
    let verbatim = draft.verbatim;
    let p = &mut draft.product;
    match (name, &value) {
        (_, Value::Null) => {}
        // Ours about the product, not the seller's.
        (
            "id" | "deleted" | "row" | "seen_at" | "updated_at" | "created_at" | "content_hash" | "change"
            | "pictures",
            _,
        ) => {}
        (
            "title" | "description" | "brand" | "gtin" | "mpn" | "sku" | "seller" | "group_id",
            Value::String(text),
        ) if verbatim => {
            let place = match name {
                "title" => &mut p.title,
                "description" => &mut p.description,
                "brand" => &mut p.brand,
                "gtin" => &mut p.gtin,
                "mpn" => &mut p.mpn,
                "sku" => &mut p.sku,
                "seller" => &mut p.seller,
                _ => &mut p.group_id,
            };
            *place = Some(text.clone());
        }
        ("source", Value::String(text)) => p.source = Some(text.clone()),
        ("images", Value::Array(images)) => images.iter().for_each(|image| self::image(image, draft)),
        ("additional_image_link" | "lifestyle_image_link" | "image_link", Value::Array(links)) => {
            links.iter().for_each(|link| draft.claim(name, &word(Some(link))));
        }
        ("price" | "sale_price", Value::Object(money)) => {
            let (amount, currency) =
                (word(money.get("amount").or(money.get("value"))), word(money.get("currency")));
            match twinset_catalogue::Money::parse(&amount, &currency) {
                Ok(money) if name == "price" => p.price = Some(money),
                Ok(money) => p.sale_price = Some(money),
                Err(_) => draft.claim(name, &format!("{amount} {currency}")),
            }
        }
        ("category", Value::Object(category)) => {
            let google_id =
                category.get("google_id").and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok());
            p.category =
                Some(Category { google_id, path: category.get("path").map(words).unwrap_or_default() });
        }
        ("category", _) => draft.claim("google_product_category", &word(Some(&value))),
        ("product_type", Value::Array(paths)) => {
            for path in paths {
                match path {
                    Value::Array(_) => draft.product.product_type.push(words(path)),
                    other => draft.claim("product_type", &word(Some(other))),
                }
            }
        }
        ("color" | "size" | "material" | "pattern" | "gender" | "age_group" | "tags", Value::Array(_)) => {
            let values = words(&value);
            let list = match name {
                "color" => &mut p.color,
                "size" => &mut p.size,
                "material" => &mut p.material,
                "pattern" => &mut p.pattern,
                "gender" => &mut p.gender,
                "age_group" => &mut p.age_group,
                _ => &mut p.tags,
            };
            *list = values;
        }
        ("attributes", Value::Object(attributes)) => {
            for (name, value) in attributes {
                let values = words(value);
                if verbatim {
                    draft.product.attributes.insert(name.clone(), values);
                } else {
                    values.iter().for_each(|value| draft.attribute(name, value));
                }
            }
        }
        ("custom", _) => p.custom = Some(value),
        ("place", Value::Object(_)) => match serde_json::from_value(value.clone()) {
            Ok(place) => p.place = Some(place),
            Err(_) => draft.attribute(name, &value.to_string()),
        },
        (_, Value::Array(_)) => words(&value).iter().for_each(|one| draft.claim(name, one)),
        (_, Value::Object(_)) => draft.attribute(name, &value.to_string()),
        _ => {
            // Names of other makers, where ours are missing.
            let usual = crate::words::usual(name).map_or(name, |(ours, _)| ours);
            draft.claim(if usual == "id" { name } else { usual }, &word(Some(&value)));
        }
    }
}

fn image(value: &Value, draft: &mut Draft<'_>) {
    let role = if draft.images.is_empty() { Role::Main } else { Role::Additional };
    let Value::Object(object) = value else {
        draft.add_images(&word(Some(value)), role);
        return;
    };
    let text = |name: &str| Some(word(object.get(name))).filter(|t| !t.is_empty());
    let role = match object.get("role").and_then(Value::as_str) {
        Some("main") => Role::Main,
        Some("additional") => Role::Additional,
        Some("lifestyle") => Role::Lifestyle,
        // As the product model reads it.
        _ if draft.verbatim => Role::Main,
        _ => role,
    };
    draft.images.push(RawImage {
        url: ["url", "src", "href", "file"].into_iter().find_map(text).unwrap_or_default(),
        role,
        alt: text("alt"),
        name: text("name"),
        variant: text("variant"),
        picture: text("picture").and_then(|hex| PictureHash::from_hex(&hex)),
    });
}

/// One product of Shopify's `products.json`: each variant is listed, under its own id.
fn shopify(product: &Map<String, Value>, number: u64, settings: &Settings, out: &mut Out<'_>) {
    let handle = word(product.get("handle"));
    let empty = Vec::new();
    let list = |name: &str| product.get(name).and_then(Value::as_array).unwrap_or(&empty);
    let mut options: Vec<(u64, String)> = list("options")
        .iter()
        .enumerate()
        .map(|(n, option)| {
            (
                option.get("position").and_then(Value::as_u64).unwrap_or(n as u64 + 1),
                word(option.get("name").or(Some(option))),
            )
        })
        .collect();
    options.sort_by_key(|(position, _)| *position);
    let mut images: Vec<(u64, &Value)> = list("images")
        .iter()
        .enumerate()
        .map(|(n, image)| (image.get("position").and_then(Value::as_u64).unwrap_or(n as u64 + 1), image))
        .collect();
    images.sort_by_key(|(position, _)| *position);
    for variant in list("variants") {
        let id = word(variant.get("id"));
        let mut draft = Draft::new(settings, number);
        draft.claim("id", &id);
        draft.claim("item_group_id", &word(product.get("id")));
        draft.claim("title", &word(product.get("title")));
        draft.claim("description", &word(product.get("body_html")));
        draft.claim("brand", &word(product.get("vendor")));
        draft.claim("product_type", &word(product.get("product_type")));
        let tags = product.get("tags").map(words).unwrap_or_default();
        tags.iter().for_each(|tag| draft.claim("tags", tag));
        draft.claim("sku", &word(variant.get("sku")));
        draft.claim("gtin", &word(variant.get("barcode")));
        draft.compared(&word(variant.get("price")), &word(variant.get("compare_at_price")));
        for (n, (_, name)) in options.iter().enumerate() {
            let value = word(variant.get(format!("option{}", n + 1)));
            if !value.is_empty() && !value.eq_ignore_ascii_case("default title") {
                draft.option(name, &value);
            }
        }
        if let Some(available) = variant.get("available").and_then(Value::as_bool) {
            draft.claim("availability", if available { "in_stock" } else { "out_of_stock" });
        }
        if !handle.is_empty() && (settings.shop_domain.is_some() || settings.base_url.is_some()) {
            draft.claim("link", &format!("/products/{handle}"));
        }
        let featured = variant.get("featured_image").filter(|image| image.is_object());
        if let Some(image) = featured {
            draft.image(&word(image.get("src")), Role::Main, &word(image.get("alt")));
        }
        for (_, image) in &images {
            let of = image.get("variant_ids").and_then(Value::as_array).unwrap_or(&empty);
            let mine = of.iter().any(|one| word(Some(one)) == id);
            if of.is_empty() || mine {
                let role = if mine && featured.is_none() { Role::Main } else { Role::Additional };
                draft.image(
                    &word(image.get("src").or(Some(image))),
                    role,
                    &text::line(&word(image.get("alt"))),
                );
            }
        }
        draft.finish(out);
        if out.stopped() {
            return;
        }
    }
}
