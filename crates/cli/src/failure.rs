//! How a command ends: exit status, and errors told as facts, causes and the next step.

use crate::ui::Ui;
use std::process::ExitCode;
use twinset_catalogue::{CatalogueError, FilterError};
use twinset_engine::EngineError;

/// A command that did what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    /// Everything.
    All,
    /// Some items were left out; they have been listed.
    SomeRejected,
}

impl Done {
    /// By the number of items that were left out.
    pub(crate) fn rejecting(rejected: usize) -> Self {
        if rejected == 0 { Self::All } else { Self::SomeRejected }
    }
}

/// The caller asked for something that makes no sense.
#[derive(Debug)]
pub(crate) struct WrongUse(pub(crate) String);

impl std::fmt::Display for WrongUse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
impl std::error::Error for WrongUse {}

/// Stopped by Ctrl-C, with what goes on from here.
#[derive(Debug)]
pub(crate) struct Stopped {
    /// What is done.
    pub(crate) done: String,
    /// The command that goes on, if there is something to go on with.
    pub(crate) resume: Option<String>,
}

impl std::fmt::Display for Stopped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "stopped; {}", self.done)
    }
}
impl std::error::Error for Stopped {}

/// Tells an error on stderr and gives its exit status.
pub(crate) fn report(error: &anyhow::Error, ui: &Ui) -> ExitCode {
    ui.error(chain(error));
    if let Some(hint) = hint(error) {
        ui.help(hint);
    }
    let wrong_use = find::<WrongUse>(error).is_some() || find::<FilterError>(error).is_some();
    ExitCode::from(if wrong_use { 2 } else { 1 })
}

/// The causes from the outside in. Many errors already say their cause: it is told once.
fn chain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text += ": ";
            text += &cause;
        }
    }
    text
}

fn find<T: std::error::Error + Send + Sync + 'static>(error: &anyhow::Error) -> Option<&T> {
    error.chain().find_map(|cause| cause.downcast_ref())
}

/// What to do next, where the message does not say it.
fn hint(error: &anyhow::Error) -> Option<String> {
    if let Some(stopped) = find::<Stopped>(error) {
        return stopped.resume.as_ref().map(|command| format!("`{command}` goes on from here"));
    }
    let catalogue = match find::<EngineError>(error) {
        Some(EngineError::Catalogue(inner)) => Some(inner),
        _ => find::<CatalogueError>(error),
    };
    match catalogue? {
        CatalogueError::NoSuchCatalogue { name, .. } => Some(format!(
            "`twinset list` shows what there is; `twinset import FOLDER --catalogue {name}` makes it"
        )),
        CatalogueError::HomeInUse { .. } => {
            Some("a running `twinset serve` answers over HTTP; or name another home with --home".to_owned())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn a_cause_is_told_once() {
        let inner = std::io::Error::other("no space");
        let error = Err::<(), _>(inner).context("cannot write x: no space").context("saving").unwrap_err();
        assert_eq!(chain(&error), "saving: cannot write x: no space");
    }
}
