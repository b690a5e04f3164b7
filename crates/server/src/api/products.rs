//! Single products: read, put, patch, remove, list.

use super::{Wait, wait};
use crate::clock::rfc3339;
use crate::listing::{Limit, Part, after_number, part};
use crate::problem::{
    BAD_REQUEST, CHANGED_MEANWHILE, PRECONDITION_REQUIRED, PRODUCT_NOT_FOUND, Problem, ProblemBody,
};
use crate::receive::{Params, body, is_json, json, kind, wrong_kind};
use crate::shapes::{ProductList, ProductSchema, Written};
use crate::state::App;
use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use twinset_catalogue::{ChangeKind, Filter, Mode, Product, ProductPut, Record, Status};
use twinset_engine::Shop;
use utoipa::{IntoParams, ToSchema};

/// How a write waits.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WriteParams {
    /// `searchable`: answer when searches see the change.
    #[param(value_type = Option<String>)]
    pub(crate) wait: Option<Wait>,
    /// At most so long; 5000 if left out, 30000 at most.
    pub(crate) timeout_ms: Option<u64>,
}

/// Which part of the list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListParams {
    /// Only products that pass.
    filter: Option<String>,
    /// `true`: only those that are hidden from searches; goes without `filter`.
    hidden: bool,
    /// `next` of the page before.
    after: Option<String>,
    /// 1 to 500, 50 if left out.
    #[param(value_type = Option<usize>)]
    limit: Limit,
}

pub(crate) type Tagged<T> = ([(HeaderName, String); 1], Json<T>);

pub(crate) fn missing(id: &str) -> Problem {
    Problem::new(&PRODUCT_NOT_FOUND, format!("there is no product '{id}' in this catalogue"))
}

pub(crate) fn record(shop: &Shop, id: &str) -> Result<Record, Problem> {
    shop.catalogue().record(id)?.ok_or_else(|| missing(id))
}

/// The number of the change that made it what it is.
pub(crate) fn etag(seq: u64) -> String {
    format!("\"{seq}\"")
}

/// What `if-match` asks for, checked while no other write can happen. A catalogue may insist on it.
pub(crate) fn check_match(shop: &Shop, wanted: Option<&str>, record: Option<&Record>) -> Result<(), Problem> {
    match_tag(shop, wanted, record.map(|record| etag(record.seq)).as_deref())
}

/// As [`check_match`], of anything: `tag` is its etag, if it is there.
pub(crate) fn match_tag(shop: &Shop, wanted: Option<&str>, tag: Option<&str>) -> Result<(), Problem> {
    let Some(wanted) = wanted else {
        return match tag {
            Some(_) if shop.catalogue().settings().require_if_match => {
                Err(Problem::new(&PRECONDITION_REQUIRED, "it is there already, and if-match is missing"))
            }
            _ => Ok(()),
        };
    };
    let fits = |tag| wanted.trim() == "*" || wanted.split(',').any(|one| one.trim() == tag);
    if tag.is_some_and(fits) {
        return Ok(());
    }
    let now = tag.map_or("it is not there".to_owned(), |tag| format!("its etag is {tag}"));
    Err(Problem::new(&CHANGED_MEANWHILE, format!("if-match asks for {wanted}, and {now}")))
}

pub(crate) fn if_match(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let bad = |_| Problem::new(&BAD_REQUEST, "if-match cannot be read");
    headers.get(header::IF_MATCH).map(|value| value.to_str().map(str::to_owned).map_err(bad)).transpose()
}

/// Puts one product and says what became of it. Blocking.
pub(crate) fn write(
    shop: &Shop,
    put: ProductPut,
    params: WriteParams,
) -> Result<(StatusCode, Tagged<Written>), Problem> {
    put.product
        .check()
        .map_err(|fault| Problem::from(twinset_catalogue::CatalogueError::InvalidProduct(fault)))?;
    let outcome =
        shop.put(vec![put])?.pop().ok_or_else(|| Problem::new(&BAD_REQUEST, "nothing was written"))?;
    let change = match outcome.seq {
        Some(seq) => seq,
        None => shop.catalogue().last_seq()?,
    };
    let searchable = wait(shop, change, params.wait, params.timeout_ms);
    let status = match (outcome.status, searchable) {
        (_, Some(false)) => StatusCode::ACCEPTED,
        (Status::Created, _) => StatusCode::CREATED,
        _ => StatusCode::OK,
    };
    let tag = match shop.catalogue().record(&outcome.id)? {
        Some(record) => etag(record.seq),
        None => etag(change),
    };
    let written = Written { id: outcome.id, status: status_name(outcome.status), change, searchable };
    Ok((status, ([(header::ETAG, tag)], Json(written))))
}

pub(crate) fn status_name(status: Status) -> &'static str {
    match status {
        Status::Created => "created",
        Status::Updated => "updated",
        Status::Unchanged => "unchanged",
        Status::Deleted => "deleted",
        Status::Absent => "absent",
        Status::Exists => "exists",
    }
}

/// List products.
#[utoipa::path(
    get, path = "/v1/catalogues/{catalogue}/products", tag = "products", operation_id = "list_products", params(("catalogue" = String, Path), ListParams),
    responses((status = 200, body = ProductList), (status = 400, body = ProblemBody), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody))
)]
pub(crate) async fn list(
    State(app): State<App>,
    Path(catalogue): Path<String>,
    Params(params): Params<ListParams>,
) -> Result<Json<ProductList>, Problem> {
    let filter = params.filter.as_deref().map(Filter::parse).transpose()?;
    let limit = params.limit.get()?;
    if params.hidden && filter.is_some() {
        return Err(Problem::new(&BAD_REQUEST, "`hidden` and `filter` do not go together").at("hidden"));
    }
    let (state, after) = (app.clone(), params.after);
    let work = move || {
        let shop = state.shop(&catalogue)?;
        let page = match params.hidden {
            true => shop.catalogue().list_hidden(after.as_deref(), limit)?,
            false => shop.catalogue().list(filter.as_ref(), after.as_deref(), limit)?,
        };
        Ok::<_, Problem>(ProductList { items: page.items, next: page.next })
    };
    Ok(Json(app.store.run(work).await?))
}

/// Read one product.
#[utoipa::path(
    get, path = "/v1/catalogues/{catalogue}/products/{id}", tag = "products", operation_id = "get_product",
    params(("catalogue" = String, Path), ("id" = String, Path)),
    responses((status = 200, body = ProductSchema), (status = 404, body = ProblemBody))
)]
pub(crate) async fn get(
    State(app): State<App>,
    Path((catalogue, id)): Path<(String, String)>,
) -> Result<Tagged<Product>, Problem> {
    let state = app.clone();
    let record = app.store.run(move || record(&*state.shop(&catalogue)?, &id)).await?;
    Ok(([(header::ETAG, etag(record.seq))], Json(record.product)))
}

/// Put one product: it becomes exactly this.
///
/// `id` may be left out of the body. Images whose bytes were given before keep them as long as their name stays.
#[utoipa::path(
    put, path = "/v1/catalogues/{catalogue}/products/{id}", tag = "products", operation_id = "put_product",
    params(("catalogue" = String, Path), ("id" = String, Path), WriteParams, ("if-match" = Option<String>, Header)),
    request_body(content = ProductSchema),
    responses(
        (status = 200, body = Written), (status = 201, body = Written), (status = 202, body = Written, description = "durable, not searchable within the time asked for"),
        (status = 400, body = ProblemBody), (status = 404, body = ProblemBody), (status = 412, body = ProblemBody), (status = 428, body = ProblemBody), (status = 415, body = ProblemBody), (status = 422, body = ProblemBody), (status = 507, body = ProblemBody),
    )
)]
pub(crate) async fn put(
    State(app): State<App>,
    Path((catalogue, id)): Path<(String, String)>,
    Params(params): Params<WriteParams>,
    request: Request,
) -> Result<(StatusCode, Tagged<Written>), Problem> {
    let kind = kind(request.headers());
    if !is_json(&kind) {
        return Err(wrong_kind(&kind, "application/json"));
    }
    let wanted = if_match(request.headers())?;
    let product = product_from(&body(request).await?, &id)?;
    let state = app.clone();
    let work = move || {
        let shop = state.shop(&catalogue)?;
        let lock = state.writers(&shop);
        let put = ProductPut { product, pictures: Vec::new(), mode: Mode::Upsert };
        if wanted.is_none() && !shop.catalogue().settings().require_if_match {
            let _shared = lock.read();
            return write(&shop, put, params);
        }
        let _alone = lock.write();
        check_match(&shop, wanted.as_deref(), shop.catalogue().record(&id)?.as_ref())?;
        write(&shop, put, params)
    };
    app.store.run(work).await
}

/// The product in `bytes`, whose id must be the one of the address.
fn product_from(bytes: &[u8], id: &str) -> Result<Product, Problem> {
    let mut value: Value = json(bytes)?;
    if let Some(object) = value.as_object_mut() {
        match object.get("id") {
            None => {
                object.insert("id".into(), Value::from(id));
            }
            Some(given) if given.as_str().map(str::trim) == Some(id.trim()) => {}
            Some(_) => {
                return Err(
                    Problem::new(&BAD_REQUEST, "`id` in the body is not the one in the address").at("/id")
                );
            }
        }
    }
    parse(value)
}

pub(crate) fn parse(value: Value) -> Result<Product, Problem> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let pointer = if path == "." {
            String::new()
        } else {
            format!("/{}", path.replace(['.', '['], "/").replace(']', ""))
        };
        Problem::new(&BAD_REQUEST, error.inner().to_string()).at(pointer)
    })
}

/// Change members of one product (JSON merge patch, RFC 7396).
///
/// A member that is null is no longer claimed.
#[utoipa::path(
    patch, path = "/v1/catalogues/{catalogue}/products/{id}", tag = "products", operation_id = "patch_product",
    params(("catalogue" = String, Path), ("id" = String, Path), WriteParams, ("if-match" = Option<String>, Header)),
    request_body(content((ProductSchema = "application/merge-patch+json"), (ProductSchema = "application/json"))),
    responses(
        (status = 200, body = Written), (status = 202, body = Written), (status = 400, body = ProblemBody), (status = 404, body = ProblemBody),
        (status = 412, body = ProblemBody), (status = 428, body = ProblemBody), (status = 415, body = ProblemBody), (status = 422, body = ProblemBody), (status = 507, body = ProblemBody),
    )
)]
pub(crate) async fn patch(
    State(app): State<App>,
    Path((catalogue, id)): Path<(String, String)>,
    Params(params): Params<WriteParams>,
    request: Request,
) -> Result<(StatusCode, Tagged<Written>), Problem> {
    let kind = kind(request.headers());
    if !is_json(&kind) {
        return Err(wrong_kind(&kind, "application/merge-patch+json"));
    }
    let wanted = if_match(request.headers())?;
    let patch: Value = json(&body(request).await?)?;
    if !patch.is_object() {
        return Err(Problem::new(&BAD_REQUEST, "a patch is an object"));
    }
    let state = app.clone();
    let work = move || {
        let shop = state.shop(&catalogue)?;
        let lock = state.writers(&shop);
        let _alone = lock.write();
        let record = record(&shop, &id)?;
        check_match(&shop, wanted.as_deref(), Some(&record))?;
        let mut value = serde_json::to_value(&record.product).map_err(|error| Problem::internal(&error))?;
        merge(&mut value, &patch);
        if value.get("id").and_then(Value::as_str) != Some(&record.product.id) {
            return Err(Problem::new(
                &BAD_REQUEST,
                "an id cannot be changed; put a new product and remove this one",
            )
            .at("/id"));
        }
        write(&shop, ProductPut { product: parse(value)?, pictures: Vec::new(), mode: Mode::Update }, params)
    };
    app.store.run(work).await
}

/// RFC 7396, section 2.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(members) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let Value::Object(object) = target else { return };
    for (name, value) in members {
        if value.is_null() {
            object.remove(name);
        } else {
            merge(object.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}

/// Remove one product.
///
/// Answers 204 also when it was not there. The header `twinset-change` has the number of the change.
#[utoipa::path(
    delete, path = "/v1/catalogues/{catalogue}/products/{id}", tag = "products", operation_id = "delete_product",
    params(("catalogue" = String, Path), ("id" = String, Path), WriteParams, ("if-match" = Option<String>, Header)),
    responses((status = 204), (status = 404, body = ProblemBody, description = "no such catalogue"), (status = 412, body = ProblemBody), (status = 428, body = ProblemBody), (status = 507, body = ProblemBody))
)]
pub(crate) async fn delete(
    State(app): State<App>,
    Path((catalogue, id)): Path<(String, String)>,
    Params(params): Params<WriteParams>,
    headers: HeaderMap,
) -> Result<(StatusCode, [(HeaderName, String); 1]), Problem> {
    let wanted = if_match(&headers)?;
    let state = app.clone();
    let work = move || {
        let shop = state.shop(&catalogue)?;
        let lock = state.writers(&shop);
        let outcomes = if wanted.is_some() || shop.catalogue().settings().require_if_match {
            let _alone = lock.write();
            check_match(&shop, wanted.as_deref(), shop.catalogue().record(&id)?.as_ref())?;
            shop.remove(&[id])?
        } else {
            let _shared = lock.read();
            shop.remove(&[id])?
        };
        let change = match outcomes.first().and_then(|outcome| outcome.seq) {
            Some(seq) => seq,
            None => shop.catalogue().last_seq()?,
        };
        wait(&shop, change, params.wait, params.timeout_ms);
        Ok::<_, Problem>((
            StatusCode::NO_CONTENT,
            [(HeaderName::from_static("twinset-change"), change.to_string())],
        ))
    };
    app.store.run(work).await
}

#[cfg(test)]
mod tests {
    use super::merge;
    use serde_json::json;

    #[test]
    fn merge_patch_as_in_the_appendix_of_rfc_7396() {
        for (target, patch, merged) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a": "b"}), json!(["c"]), json!(["c"])),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            let mut value = target.clone();
            merge(&mut value, &patch);
            assert_eq!(value, merged, "{target} patched with {patch}");
        }
    }
}

/// What was done to a product.
#[derive(Serialize, ToSchema)]
pub(crate) struct ChangeShape {
    /// Its number.
    change: u64,
    /// RFC 3339.
    at: String,
    /// `put` or `removed`.
    kind: &'static str,
}

/// Changes of one product.
#[derive(Serialize, ToSchema)]
pub(crate) struct ChangeList {
    /// The latest first. Those that later ones have replaced are dropped when the catalogue is tidied up.
    items: Vec<ChangeShape>,
    /// Null at the end.
    next: Option<String>,
}

/// List the changes of a product, also of one that was removed.
#[utoipa::path(
    get, path = "/v1/catalogues/{catalogue}/products/{id}/changes", tag = "products", operation_id = "list_changes",
    params(("catalogue" = String, Path), ("id" = String, Path), Part),
    responses((status = 200, body = ChangeList), (status = 400, body = ProblemBody), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody))
)]
pub(crate) async fn changes(
    State(app): State<App>,
    Path((catalogue, id)): Path<(String, String)>,
    Params(Part { limit, after }): Params<Part>,
) -> Result<Json<ChangeList>, Problem> {
    let (limit, before) = (limit.get()?, after_number(after.as_deref())?);
    let state = app.clone();
    let work = move || {
        let found = state.shop(&catalogue)?.catalogue().changes_of(&id, before, limit + 1)?;
        if found.is_empty() && before.is_none() {
            return Err(missing(&id));
        }
        let (found, next) = part(found, limit, |change| change.seq.to_string());
        let items = found.into_iter().map(|change| ChangeShape {
            change: change.seq,
            at: rfc3339(change.at_ms),
            kind: match change.kind {
                ChangeKind::Put => "put",
                ChangeKind::Removed => "removed",
            },
        });
        Ok(ChangeList { items: items.collect(), next })
    };
    Ok(Json(app.store.run(work).await?))
}
