//! Photos that a request names by their address: fetched from public addresses only, within limits, for keys that may read.
//!
//! Keys for search alone lie open in web pages; who has one shall not make this server ask others for things.

use crate::access::Caller;
use crate::gate::Gate;
use crate::options::ServerOptions;
use crate::problem::{FORBIDDEN, INVALID_VALUE, PICTURE_NOT_FETCHED, PICTURE_TOO_LARGE, Problem};
use axum::body::Bytes;
use std::sync::Arc;
use std::time::Duration;
use twinset_fetch::{FetchError, Fetcher, Policy, Validators};

/// Photos fetched at the same time; they wait for others, not for a core.
const AT_ONCE: usize = 8;
/// For all of one photo. The shopper waits.
const TIME: Duration = Duration::from_secs(10);

/// Fetches photos.
pub(crate) struct Afar {
    fetcher: Arc<Fetcher>,
    pub(crate) gate: Gate,
    most: u64,
}

impl Afar {
    pub(crate) fn new(options: &ServerOptions) -> Self {
        let silence = Duration::from_secs(5);
        let policy = Policy {
            allow: options.allow_nets.clone(),
            retries: 0,
            patience: Duration::ZERO,
            connect: silence,
            silence,
            ..Policy::default()
        };
        Self {
            fetcher: Arc::new(Fetcher::new(policy)),
            gate: Gate::new("fetches", AT_ONCE, options.queue),
            most: options.max_picture_bytes as u64,
        }
    }

    /// The photo at `url`, which stands in the body at `pointer`.
    pub(crate) async fn photo(&self, caller: &Caller, url: String, pointer: &str) -> Result<Bytes, Problem> {
        if !caller.may_read() {
            let detail = "this key has not the right `read`, which a photo named by its address needs";
            return Err(Problem::new(&FORBIDDEN, detail).at(pointer));
        }
        self.picture(url, pointer).await
    }

    /// As [`Afar::photo`], for a caller whose right was asked for already.
    pub(crate) async fn picture(&self, url: String, pointer: &str) -> Result<Bytes, Problem> {
        let (fetcher, most) = (self.fetcher.clone(), self.most);
        let fetch =
            move || fetcher.get_bytes(&url, &Validators::default(), most, TIME, &|| false).map_err(told);
        let body = self.gate.run(fetch).await.map_err(|problem| problem.at(pointer))?;
        let nothing = || Problem::new(&PICTURE_NOT_FETCHED, "the other side sends nothing").at(pointer);
        body.map(|(bytes, _)| bytes.into()).ok_or_else(nothing)
    }
}

/// No more than the caller could find out without us: not what a name means in the network behind this server.
fn told(error: FetchError) -> Problem {
    match error {
        FetchError::TooLarge { most } => {
            Problem::new(&PICTURE_TOO_LARGE, format!("the picture has more than the {most} bytes allowed"))
        }
        FetchError::BadAddress { .. } => Problem::new(&INVALID_VALUE, error.to_string()),
        FetchError::NotPublic { .. } => {
            Problem::new(&PICTURE_NOT_FETCHED, "this server fetches from public addresses only")
        }
        FetchError::Status { .. } | FetchError::TooManyRedirects { .. } => {
            Problem::new(&PICTURE_NOT_FETCHED, error.to_string())
        }
        FetchError::Timeout | FetchError::Network(_) | FetchError::GivenUp { .. } | FetchError::Stopped => {
            Problem::new(&PICTURE_NOT_FETCHED, "the other side does not answer as it should")
        }
    }
}
