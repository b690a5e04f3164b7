//! Long work of the server, one of a name at a time: an audit of a catalogue, a change of its models.
//!
//! Each runs on a thread of its own and stays to be asked about until the next of its name begins.

use crate::problem::{BUSY, Problem};
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;
use utoipa::ToSchema;

/// How far a long piece of work is.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Chore {
    /// `running`, `succeeded`, `failed` or `cancelled`.
    pub(crate) state: &'static str,
    /// What is being done.
    pub(crate) stage: String,
    pub(crate) done: u64,
    pub(crate) total: u64,
    /// What came of it.
    #[schema(value_type = Option<Object>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) result: Option<Value>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
}

/// All of them, by name.
#[derive(Clone, Default)]
pub(crate) struct Chores(Arc<Mutex<HashMap<String, Chore>>>);

impl Chores {
    /// How far one is; `None` if there never was one.
    pub(crate) fn look(&self, name: &str) -> Option<Chore> {
        self.0.lock().get(name).cloned()
    }

    /// Begins one. `work` tells (stage, done, total) and gives the result, or the reason for none.
    pub(crate) fn begin<F>(&self, name: &str, work: F) -> Result<Chore, Problem>
    where
        F: FnOnce(&mut dyn FnMut(&'static str, u64, u64) -> bool) -> Result<Value, String> + Send + 'static,
    {
        let running = Chore {
            state: "running",
            stage: "starting".into(),
            done: 0,
            total: 0,
            result: None,
            detail: None,
        };
        {
            let mut chores = self.0.lock();
            if chores.get(name).is_some_and(|chore| chore.state == "running") {
                return Err(Problem::new(&BUSY, "this is being done already; ask how far it is with GET"));
            }
            chores.insert(name.to_owned(), running.clone());
        }
        let (chores, owned) = (self.clone(), name.to_owned());
        let spawned = std::thread::Builder::new().name(format!("chore-{name}")).spawn(move || {
            let told = chores.clone();
            let result = work(&mut |stage, done, total| {
                told.change(&owned, |chore| {
                    (chore.stage, chore.done, chore.total) = (stage.to_owned(), done, total);
                });
                true
            });
            chores.change(&owned, |chore| match result {
                Ok(result) => (chore.state, chore.result) = ("succeeded", Some(result)),
                Err(detail) => (chore.state, chore.detail) = ("failed", Some(detail)),
            });
        });
        if spawned.is_err() {
            self.0.lock().remove(name);
            return Err(Problem::new(&BUSY, "no thread is to be had"));
        }
        Ok(running)
    }

    fn change(&self, name: &str, how: impl FnOnce(&mut Chore)) {
        if let Some(chore) = self.0.lock().get_mut(name) {
            how(chore);
        }
    }
}
