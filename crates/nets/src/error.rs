//! Why a package could not be used, sorted by who can act.

/// Why a model package was refused.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// The disk could not give us the file.
    #[error(
        "{path}: {source}; a model package is a folder with card.json and weights.safetensors or model.onnx"
    )]
    Unreadable {
        /// The file as asked for.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The disk could not take the file.
    #[error("{path} could not be written: {source}")]
    Unwritable {
        /// The file as asked for.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A link out of the folder.
    #[error("{path} leads out of its folder, to {leads_to}; a package holds its files itself")]
    Outside {
        /// The file as asked for.
        path: String,
        /// Where it leads.
        leads_to: String,
    },
    /// Larger than we are willing to read.
    #[error("{what} has {found} bytes, more than the {limit} it may have")]
    TooLarge {
        /// Which part of the package.
        what: &'static str,
        /// Its size.
        found: u64,
        /// The limit.
        limit: u64,
    },
    /// The card is not JSON of the form that docs/formats/model-package.md gives.
    #[error("the model card is not usable: {0}")]
    BadCard(String),
    /// The weights are not a safetensors file, or hold types we do not take.
    #[error("the weights are not usable: {0}")]
    BadWeights(String),
    /// Weights and card disagree.
    #[error("the weights do not fit the card's architecture: {0}")]
    WrongShape(String),
    /// A package of the other kind was given.
    #[error("the package {name:?} is a model of kind {found:?}, but a {expected} was asked for")]
    WrongKind {
        /// Name on the card.
        name: String,
        /// Kind on the card.
        found: String,
        /// Kind needed.
        expected: &'static str,
    },
    /// A brought model that cannot be read or run.
    #[error(transparent)]
    Brought(#[from] twinset_brought::BroughtError),
    /// A brought model that runs, but gives nothing that a search could use.
    #[error("the model cannot be used: {0}")]
    Unusable(String),
    /// A brought model that ran before, and not on this.
    #[error(
        "the model failed on this {on}: {reason}; if it often does, take another into use (`twinset model use`)"
    )]
    Failed {
        /// `picture` or `text`.
        on: &'static str,
        /// What it or its engine says.
        reason: String,
    },
    /// A brought model was refused in the process that read it first.
    #[error("the model is refused: {0}")]
    Refused(String),
    /// A brought model where only our own architectures are taken.
    #[error(
        "{name:?} is a brought model; it can be searched with, but not trained further: use it as a teacher"
    )]
    NotOurs {
        /// Name on the card.
        name: String,
    },
    /// A weight is NaN or infinite (also: too large for f16 when saving).
    #[error("tensor {0:?} holds a number that is not finite; the training run that made it has diverged")]
    NotFinite(String),
}

impl NetError {
    /// What a model at work says, told as a failure on what it was given.
    pub(crate) fn on_this(self, on: &'static str) -> Self {
        Self::Failed { on, reason: self.to_string() }
    }
}
