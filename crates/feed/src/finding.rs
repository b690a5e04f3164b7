//! What is missing or odd in a feed, with its place.

use serde::Serialize;

/// Something a person should look at. Nothing here stopped the feed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What kind of thing.
    pub kind: FindingKind,
    /// Line of a text feed, number of the product in others; 0: the whole feed.
    pub row: u64,
    /// The product, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The facts, with the text at fault.
    pub detail: String,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// Kinds of findings; more may come.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        pub enum FindingKind { $($(#[$doc])* #[serde(rename = $text)] $name,)* }
        impl FindingKind {
            /// The word in reports.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

kinds! {
    /// A row without an id: left out.
    MissingId = "missing_id",
    /// No image at all: kept, and never found.
    MissingImage = "missing_image",
    /// A row that cannot be read or kept: left out.
    BadRow = "bad_row",
    /// More or fewer cells than the header has.
    CellCount = "cell_count",
    /// The header stands in the feed again: passed over.
    RepeatedHeader = "repeated_header",
    /// One id in several rows: the last one counts.
    DuplicateId = "duplicate_id",
    /// Two ids that differ only in case or blanks: both are kept.
    SimilarId = "similar_id",
    /// The same product under a new id.
    IdChanged = "id_changed",
    /// A price that cannot be read: left out.
    Price = "price",
    /// A price without a currency, and none is set: left out.
    Currency = "currency",
    /// A price of zero: kept.
    ZeroPrice = "zero_price",
    /// Words for availability that are not known.
    Availability = "availability",
    /// Words for the condition that are not known.
    Condition = "condition",
    /// A number that a spreadsheet has spoilt: left out.
    SpoiltGtin = "spoilt_gtin",
    /// An address that cannot be one: left out.
    Address = "address",
    /// A video where a picture should be: left out.
    Video = "video",
    /// More images than are kept.
    TooManyImages = "too_many_images",
    /// A text or list that was cut to its limit.
    Cut = "cut",
    /// Text that was decoded wrongly before it came here.
    Mojibake = "mojibake",
    /// Bytes that are no text in the feed's encoding.
    Undecodable = "undecodable",
    /// The declared encoding is not the true one.
    WrongEncoding = "wrong_encoding",
    /// NUL or other control characters: dropped.
    ControlCharacters = "control_characters",
    /// It has expired: treated as gone.
    Expired = "expired",
    /// A draft, hidden or unpublished entry: not listed.
    NotListed = "not_listed",
    /// Elements deeper than is read.
    TooDeep = "too_deep",
    /// The columns were guessed by their names.
    GuessedColumns = "guessed_columns",
    /// The feed ends in the middle.
    CutOff = "cut_off",
    /// One picture under very many products: kept, and never searched.
    PlaceholderImage = "placeholder_image",
    /// A picture that could not be had; tried again at the next sync.
    Picture = "picture",
}
