//! Why something was not fetched, sorted by who can act.

/// Why something was not fetched.
#[derive(Clone, Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum FetchError {
    // The address.
    #[error("'{url}' is no http or https address that can be fetched: {reason}")]
    BadAddress { url: String, reason: String },
    #[error("{host} is at {address}, which is not a public address; the operator may allow its network")]
    NotPublic { host: String, address: String },

    // The other side.
    #[error("the server answers {status}")]
    Status { status: u16 },
    #[error("more than {most} redirects")]
    TooManyRedirects { most: u32 },
    #[error("it does not answer in time")]
    Timeout,
    #[error("{0}")]
    Network(String),
    #[error("{host} has not answered {failures} times in a row; it is asked again later")]
    GivenUp { host: String, failures: u32 },

    // A limit.
    #[error("it has more than {most} bytes")]
    TooLarge { most: u64 },

    // Us.
    #[error("stopped")]
    Stopped,
}

impl FetchError {
    /// The same request may succeed later.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Status { status } => matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504),
            Self::Timeout | Self::Network(_) | Self::GivenUp { .. } => true,
            Self::BadAddress { .. }
            | Self::NotPublic { .. }
            | Self::TooManyRedirects { .. }
            | Self::TooLarge { .. }
            | Self::Stopped => false,
        }
    }

    /// The host did not answer at all.
    pub(crate) fn is_silence(&self) -> bool {
        matches!(self, Self::Timeout | Self::Network(_))
    }
}
