//! What can go wrong with a picture, sorted by who can act: whoever sent it, whoever set the
//! limits, or whoever runs this machine.
//!
//! The errors travel through a pipe from the decoding process, so they are plain data.

use crate::Format;
use serde::{Deserialize, Serialize};

/// Who can act on a [`PhotoError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The picture is bad: send another one.
    Picture,
    /// The picture is too much for the limits: send a smaller one, or raise them.
    Limit,
    /// This machine is at fault: try again, then look at its health.
    Machine,
}

/// Why a picture could not be read: the facts, then the next step.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PhotoError {
    // The picture is bad.
    /// No known first bytes.
    #[error(
        "this is not a JPEG, PNG, WebP or GIF picture; send the picture file itself, not a page that shows it"
    )]
    NotAPicture,
    /// A known kind of file, but none that is read here.
    #[error("this is {name}, which is not read here; {advice}")]
    OtherFormat {
        /// With its article: `a HEIC picture`.
        name: String,
        /// What to do instead.
        advice: String,
    },
    /// The file ends before the picture does.
    #[error(
        "this {format} file of {bytes} bytes ends too early; it was probably cut while it was sent, send it again"
    )]
    Truncated {
        /// By its first bytes.
        format: Format,
        /// What did arrive.
        bytes: u64,
    },
    /// The file contradicts its format or itself.
    #[error("this {format} file is damaged: {what}; open it in a picture editor and save it anew")]
    Damaged {
        /// By its first bytes.
        format: Format,
        /// What was found.
        what: String,
    },
    /// A correct file in a variant that is not read.
    #[error(
        "this {format} file uses {feature}, which is not read here; save it as an ordinary 8-bit {format} file"
    )]
    Unsupported {
        /// By its first bytes.
        format: Format,
        /// The variant.
        feature: String,
    },
    /// The decoding process ended or spoke nonsense over this picture; the pool has replaced it.
    #[error(
        "the process that decoded this picture was lost ({how}); the picture was probably made to do that, do not send it again"
    )]
    WorkerDied {
        /// Exit status, signal, or what it said.
        how: String,
    },

    // A limit is reached.
    /// Refused by its length alone.
    #[error(
        "the file has {bytes} bytes, the limit is {max_bytes}; send a smaller picture or raise the limit"
    )]
    TooManyBytes {
        /// Of the encoded picture.
        bytes: u64,
        /// The limit.
        max_bytes: u64,
    },
    /// Refused by what the header says.
    #[error(
        "the picture says it is {width} x {height} pixels, the limit is {max_pixels} in all; send a smaller picture or raise the limit"
    )]
    TooManyPixels {
        /// As stored.
        width: u32,
        /// As stored.
        height: u32,
        /// The limit.
        max_pixels: u64,
    },
    /// Refused by an estimate made from the header.
    #[error(
        "decoding this picture of {width} x {height} pixels would take {bytes} bytes of memory, the limit is {max_bytes}; send a smaller picture or raise the limit"
    )]
    TooMuchMemory {
        /// As stored.
        width: u32,
        /// As stored.
        height: u32,
        /// The estimate.
        bytes: u64,
        /// The limit.
        max_bytes: u64,
    },
    /// A progressive JPEG that asks for its pixels to be gone over too often.
    #[error(
        "the picture comes in {scans} passes over {width} x {height} pixels, more than an honest one needs; save it anew as an ordinary JPEG"
    )]
    TooMuchWork {
        /// Passes found.
        scans: u32,
        /// As stored.
        width: u32,
        /// As stored.
        height: u32,
    },
    /// The decoding process was stopped; the pool has replaced it.
    #[error("decoding took longer than {limit_ms} ms and was stopped; send a smaller picture")]
    TimedOut {
        /// The limit.
        limit_ms: u64,
    },

    // This machine is at fault.
    /// The decoding process had hardly a turn on this machine and was stopped; the pool has replaced it.
    #[error(
        "in {waited_ms} ms decoding had no core to itself for {limit_ms} ms and was given up; try again when the machine is less busy"
    )]
    Starved {
        /// How long it was waited for.
        waited_ms: u64,
        /// The limit, without the time that was spent in line for a core.
        limit_ms: u64,
    },
    /// All decoding processes are busy and enough callers wait already.
    #[error("{waiting} pictures already wait to be decoded; try again in a moment")]
    Busy {
        /// Callers waiting.
        waiting: usize,
    },
    /// A decoding process cannot be started or spoken to.
    #[error("no decoding process can be used: {what}; check the machine's free memory and process limits")]
    NoWorker {
        /// The system's words.
        what: String,
    },
}

impl PhotoError {
    /// Who can act.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::NotAPicture
            | Self::OtherFormat { .. }
            | Self::Truncated { .. }
            | Self::Damaged { .. }
            | Self::Unsupported { .. }
            | Self::WorkerDied { .. } => Fault::Picture,
            Self::TooManyBytes { .. }
            | Self::TooManyPixels { .. }
            | Self::TooMuchMemory { .. }
            | Self::TooMuchWork { .. }
            | Self::TimedOut { .. } => Fault::Limit,
            Self::Starved { .. } | Self::Busy { .. } | Self::NoWorker { .. } => Fault::Machine,
        }
    }
}
