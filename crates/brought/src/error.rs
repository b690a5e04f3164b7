//! Why a brought model cannot be used.

/// Why a brought model was refused, or failed.
#[derive(Debug, thiserror::Error)]
pub enum BroughtError {
    /// Not an ONNX file, or a damaged one.
    #[error("the ONNX file cannot be read: {0}")]
    Unreadable(String),
    /// Weights that lie in another file.
    #[error(
        "the weights of {tensor:?} lie outside the file, in {location:?}; export the model with its weights inside"
    )]
    ExternalData {
        /// Name of the tensor.
        tensor: String,
        /// What the file says.
        location: String,
    },
    /// Sizes that cannot be meant.
    #[error("{name:?} {what}")]
    WildShape {
        /// Name of the value.
        name: String,
        /// What is wrong with it.
        what: String,
    },
    /// More of something than a network has.
    #[error("the file has {found} {what}, more than the {limit} that are taken")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many.
        found: u64,
        /// At most.
        limit: u64,
    },
    /// The engine does not take the graph.
    #[error("{engine} cannot load the model: {reason}")]
    NotLoaded {
        /// Which one.
        engine: String,
        /// What it says.
        reason: String,
    },
    /// The engine took the graph but could not run it.
    #[error("{engine} cannot run the model: {reason}")]
    NotRun {
        /// Which one.
        engine: String,
        /// What it says.
        reason: String,
    },
    /// Weights of a transformer that are not there, or not of the size that the others tell.
    #[error("the weights are of no vision transformer known here: {0}")]
    NoTransformer(String),
    /// The words of a tokenizer.
    #[error("the tokenizer cannot be used: {0}")]
    Tokenizer(String),
}
