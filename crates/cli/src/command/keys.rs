//! `twinset keys`: who may use the server, made and revoked while it runs.

use crate::args::{CreateKey, KeysCommand};
use crate::failure::{Done, WrongUse};
use crate::session;
use crate::ui::Ui;
use serde_json::{Value, json};
use std::path::Path;
use twinset_server::{Key, Keys, NewKey, StoreError};

pub(crate) fn run(command: &KeysCommand, home: Option<&Path>, ui: &Ui) -> anyhow::Result<Done> {
    let keys = Keys::open(&session::home(home)?)?;
    match command {
        KeysCommand::Create(args) => create(&keys, args, ui),
        KeysCommand::List => list(&keys, ui),
        KeysCommand::Revoke { id } => revoke(&keys, id, ui),
    }
}

fn create(keys: &Keys, args: &CreateKey, ui: &Ui) -> anyhow::Result<Done> {
    let new = NewKey {
        name: args.name.clone().unwrap_or_default(),
        rights: args.rights.iter().copied().collect(),
        catalogues: args.catalogues.iter().map(ToString::to_string).collect(),
        origins: args.origins.iter().cloned().collect(),
        rate: args.rate,
        public: args.public,
        anonymous: args.anonymous,
    };
    let first = !keys.any();
    let made = keys.create(new).map_err(|error| match error {
        StoreError::Invalid(what) => anyhow::Error::from(WrongUse(what)),
        other => other.into(),
    })?;
    let mut value = shape(&made.key);
    value["token"] = json!(made.token);
    ui.answer(&value, || format!("{}\n", ui.strong(&made.token)))?;
    ui.note("keep it now: only its hash is stored, and it cannot be shown again");
    if first {
        ui.note("it is the first key: from now on the server answers nobody without one");
    }
    Ok(Done::All)
}

fn list(keys: &Keys, ui: &Ui) -> anyhow::Result<Done> {
    let keys = keys.list()?;
    ui.answer(&keys.iter().map(shape).collect::<Vec<_>>(), || {
        if keys.is_empty() {
            return "no keys: a server on loopback is open, others do not start; `twinset keys create --right admin` makes one\n".to_owned();
        }
        keys.iter().map(|key| line(key, ui)).collect()
    })?;
    Ok(Done::All)
}

fn line(key: &Key, ui: &Ui) -> String {
    let all = |set: &std::collections::BTreeSet<String>, none: &str| {
        if set.is_empty() { none.to_owned() } else { set.iter().cloned().collect::<Vec<_>>().join(",") }
    };
    let rights: Vec<String> =
        key.allows.rights.iter().map(|right| format!("{right:?}").to_lowercase()).collect();
    let kind = match (key.allows.anonymous, key.allows.public) {
        (true, _) => " anonymous",
        (false, true) => " public",
        (false, false) => "",
    };
    let rate = key.allows.rate.map_or_else(|| "any rate".to_owned(), |rate| rate.to_string());
    let state = if key.revoked_at_ms.is_some() { ui.faint(" revoked") } else { String::new() };
    format!(
        "{}  {}{kind}  {}  {}  {rate}  {}{state}\n",
        ui.strong(&key.id),
        rights.join(","),
        all(&key.allows.catalogues, "all catalogues"),
        all(&key.allows.origins, "no other site"),
        ui.faint(&key.allows.name),
    )
}

fn revoke(keys: &Keys, id: &str, ui: &Ui) -> anyhow::Result<Done> {
    // Whoever pastes the whole key means the key.
    let id = match id.strip_prefix("tw_") {
        Some(rest) => rest.trim_start_matches("pub_").split('_').next().unwrap_or(rest),
        None => id,
    };
    anyhow::ensure!(keys.revoke(id)?, "there is no key {id}; `twinset keys list` shows all");
    ui.answer(&json!({ "id": id, "revoked": true }), || format!("{id} is revoked\n"))?;
    Ok(Done::All)
}

fn shape(key: &Key) -> Value {
    let mut value =
        json!({ "id": key.id, "created_at_ms": key.created_at_ms, "revoked_at_ms": key.revoked_at_ms });
    if let (Some(into), Ok(Value::Object(allows))) =
        (value.as_object_mut(), serde_json::to_value(&key.allows))
    {
        into.extend(allows);
    }
    value
}
