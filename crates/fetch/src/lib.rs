//! Fetches feeds, pictures and models from public addresses, and from no others.
//!
//! In: an address somebody else has written. Out: bytes within limits, or a typed refusal. Every connection goes to an
//! address that was looked at *after* the name was resolved, again at each redirect: a name that points into a private
//! network, now or later, is refused (OWASP API7:2023). Hosts are asked with a bounded number of requests at a time, waited
//! for when they ask for patience, and given up for a while when they do not answer. Knows nothing of feeds and pictures.

mod error;
mod fetcher;
mod guard;
mod hosts;
mod hub;

pub use error::FetchError;
pub use fetcher::{Bearer, Body, Fetcher, Policy, Reply, Validators};
pub use guard::{Net, is_public};
pub use hub::{FileDigest, Hub, HubError, HubFile, Revision};

/// What every call here returns.
pub type Result<T, E = FetchError> = std::result::Result<T, E>;
