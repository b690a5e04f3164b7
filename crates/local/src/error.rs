//! Why stored local features could not be read.

/// Why stored local features could not be read. All cases have one cure: compute them again from
/// the picture.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LocalError {
    /// The bytes are not ours, cut short, or changed.
    #[error("damaged local features: {0}; compute them again from the picture")]
    Damaged(String),
    /// Written by a Twinset that knows more.
    #[error(
        "local features of version {0}, this program knows versions 1 and 2; compute them again from the picture"
    )]
    Version(u8),
}
