//! One line of an import: the product model, and the few kindnesses that feeds expect.
//!
//! Besides the members of a product a line may have `deleted: true`, `image_link` and `additional_image_link`
//! (addresses), `price` and `sale_price` as text (`12.50 EUR`), and `pictures`: base64 bytes by image name.

use super::products::parse;
use super::search::base64;
use crate::problem::{BAD_REQUEST, Problem};
use crate::state::App;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use twinset_catalogue::{Image, Mode, ProductPut, Role};

/// What a line asks for.
pub(crate) enum Line {
    Put(Box<ProductPut>),
    Remove(String),
}

/// The id in a line that may be wrong in other ways, for its answer.
pub(crate) fn id_of(line: &[u8]) -> Option<String> {
    serde_json::from_slice::<Value>(line).ok()?.get("id")?.as_str().map(str::to_owned)
}

pub(crate) fn read(app: &App, line: &[u8], mode: Mode) -> Result<Line, Problem> {
    let value: Value = crate::receive::json(line)?;
    let Value::Object(mut object) = value else {
        return Err(Problem::new(&BAD_REQUEST, "a line is a JSON object with the members of a product"));
    };
    match object.remove("deleted") {
        None | Some(Value::Bool(false)) => {}
        Some(Value::Bool(true)) => {
            return match object.get("id").and_then(Value::as_str) {
                Some(id) => Ok(Line::Remove(id.trim().to_owned())),
                None => Err(Problem::new(&BAD_REQUEST, "a removal needs an `id`").at("/id")),
            };
        }
        Some(_) => return Err(Problem::new(&BAD_REQUEST, "`deleted` is true or false").at("/deleted")),
    }
    let bytes = match object.remove("pictures") {
        None => Map::new(),
        Some(Value::Object(pictures)) => pictures,
        Some(_) => {
            return Err(Problem::new(&BAD_REQUEST, "`pictures` is an object of base64 texts by image name")
                .at("/pictures"));
        }
    };
    let mut links = text_list(&mut object, "image_link")?;
    links.extend(text_list(&mut object, "additional_image_link")?);
    if !links.is_empty() {
        let images = object.entry("images").or_insert_with(|| json!([]));
        if let Some(images) = images.as_array_mut() {
            images.extend(links.into_iter().map(|url| json!({ "url": url })));
        }
    }
    for member in ["price", "sale_price"] {
        if let Some(Value::String(text)) = object.get(member) {
            let money = money(text).ok_or_else(|| {
                Problem::new(&BAD_REQUEST, "a price as text is an amount and a currency: `12.50 EUR`")
                    .at(format!("/{member}"))
            })?;
            object.insert(member.into(), money);
        }
    }
    let mut product = parse(Value::Object(object))?;
    let mut pictures = Vec::with_capacity(bytes.len());
    for (name, text) in bytes {
        let bad = |problem: Problem| problem.at(format!("/pictures/{name}"));
        let text =
            text.as_str().ok_or_else(|| bad(Problem::new(&BAD_REQUEST, "a picture is a base64 text")))?;
        let bytes = super::search::picture(app, base64(text)?).map_err(bad)?;
        twinset_photo::probe(&bytes, &app.engine.options().limits).map_err(|error| bad(error.into()))?;
        if !product.images.iter().any(|image| image.name == name) {
            let role = if product.images.is_empty() { Role::Main } else { Role::Additional };
            product.images.push(Image { name: name.clone(), role, ..Image::default() });
        }
        pictures.push((name, Arc::from(&bytes[..])));
    }
    product
        .check()
        .map_err(|fault| Problem::from(twinset_catalogue::CatalogueError::InvalidProduct(fault)))?;
    Ok(Line::Put(Box::new(ProductPut { product, pictures, mode })))
}

/// A text or a list of texts; the member is taken out.
fn text_list(object: &mut Map<String, Value>, member: &str) -> Result<Vec<String>, Problem> {
    let bad = || {
        Problem::new(&BAD_REQUEST, format!("`{member}` is an address or a list of addresses"))
            .at(format!("/{member}"))
    };
    match object.remove(member) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(one)) => Ok(vec![one]),
        Some(Value::Array(many)) => {
            many.into_iter().map(|one| one.as_str().map(str::to_owned).ok_or_else(bad)).collect()
        }
        Some(_) => Err(bad()),
    }
}

fn money(text: &str) -> Option<Value> {
    let (first, second) = text.trim().split_once(' ')?;
    let currency = |part: &str| part.len() == 3 && part.bytes().all(|b| b.is_ascii_uppercase());
    let (amount, currency) = match (currency(first), currency(second)) {
        (false, true) => (first, second),
        (true, false) => (second, first),
        _ => return None,
    };
    Some(json!({ "amount": amount, "currency": currency }))
}
