//! How far a measurement is, told to whoever watches.

/// State of one stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Progress<'a> {
    /// What is being done, such as `gallery`.
    pub stage: &'a str,
    pub done: u64,
    pub total: u64,
}

/// Called from many threads, once for each picture; must be cheap.
pub type Watch<'a> = &'a (dyn Fn(Progress<'_>) + Sync);

/// For callers who do not watch.
pub fn unwatched(_: Progress<'_>) {}
