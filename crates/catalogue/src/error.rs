//! What can go wrong with a catalogue, sorted by who can act.

use std::path::{Path, PathBuf};

use crate::product::InvalidProduct;

/// Why a call failed. Nothing of a failed write is kept.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CatalogueError {
    /// The input is bad.
    #[error(transparent)]
    InvalidProduct(#[from] InvalidProduct),
    /// The input is bad.
    #[error(
        "'{name}' cannot name a catalogue; use 1 to 63 of a-z, 0-9, '-' and '_', beginning with a letter or digit"
    )]
    InvalidName {
        /// What was given, cut to 80 characters.
        name: String,
    },

    /// The caller is wrong.
    #[error("there is no catalogue '{name}' in {home}; create it first")]
    NoSuchCatalogue {
        /// What was asked for.
        name: String,
        /// Where.
        home: PathBuf,
    },
    /// The caller is wrong.
    #[error("catalogue '{name}' exists already; open it, or choose another name")]
    CatalogueExists {
        /// What was to be created.
        name: String,
    },
    /// The catalogue was removed while this handle was open.
    #[error("catalogue '{name}' has been removed")]
    Removed {
        /// Which.
        name: String,
    },

    /// The operator can act.
    #[error("{home} is in use by process {pid} on {host}; stop that process, or use another home")]
    HomeInUse {
        /// The folder with all catalogues.
        home: PathBuf,
        /// The process that holds it; 0 if it could not be read.
        pid: u32,
        /// The machine it runs on.
        host: String,
    },
    /// The operator can act.
    #[error(
        "{path} has format {found}, and this program knows formats up to {known}; it was left untouched. \
         Use the newer program that wrote it"
    )]
    NewerFormat {
        /// The database.
        path: PathBuf,
        /// Its `user_version`.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// The operator can act.
    #[error("{path} is not a Twinset catalogue; it was left untouched")]
    NotACatalogue {
        /// The file.
        path: PathBuf,
    },

    /// A limit is reached.
    #[error(
        "the disk under {path} is full; nothing of this write was kept and reads go on. Free some space and write again"
    )]
    DiskFull {
        /// The database.
        path: PathBuf,
    },
    /// A limit is reached: numbers of rows and items are 32 bits and never used twice.
    #[error("{path} has used up its 4,294,967,295 {what} numbers; export it into a new catalogue")]
    NumbersUsedUp {
        /// The database.
        path: PathBuf,
        /// `row` or `item`.
        what: &'static str,
    },

    /// The disk failed.
    #[error(
        "{path} is damaged: {detail}; restore a snapshot, or export what can still be read into a new catalogue"
    )]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// The disk failed.
    #[error("{path}: {detail}")]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        detail: String,
    },
    /// An earlier write failed in a way that leaves the disk's state unknown.
    #[error(
        "{path} takes no more writes since {reason}; reads go on. Check the disk, then open the catalogue again"
    )]
    WritesStopped {
        /// The database.
        path: PathBuf,
        /// The first failure.
        reason: String,
    },

    /// Our bug, or a failure that SQLite does not explain.
    #[error("{path}: unexpected answer of the database: {detail}")]
    Unexpected {
        /// The database.
        path: PathBuf,
        /// What SQLite said.
        detail: String,
    },
}

impl CatalogueError {
    /// Of a file or folder operation on `path`.
    pub(crate) fn disk(path: &Path, error: &std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                Self::DiskFull { path: path.into() }
            }
            _ => Self::Disk { path: path.into(), detail: error.to_string() },
        }
    }
}

/// A failure inside a transaction, before it is known which file it belongs to.
#[derive(Debug)]
pub(crate) enum Failure {
    Sql(rusqlite::Error),
    /// What was read cannot be what was written.
    Damaged(String),
    NumbersUsedUp(&'static str),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl Failure {
    /// Typed by who can act, for the database at `path`.
    pub(crate) fn at(self, path: &Path) -> CatalogueError {
        use rusqlite::{Error, ErrorCode};
        let path = path.to_path_buf();
        match self {
            Self::Damaged(detail) => CatalogueError::Damaged { path, detail },
            Self::NumbersUsedUp(what) => CatalogueError::NumbersUsedUp { path, what },
            Self::Sql(error) => {
                let detail = error.to_string();
                match &error {
                    // SQLite says FULL when a write finds no space, whatever the file system calls it.
                    Error::SqliteFailure(cause, _) | Error::SqlInputError { error: cause, .. } => {
                        match cause.code {
                            ErrorCode::DiskFull => CatalogueError::DiskFull { path },
                            // The log's index, which is made anew from the log: nothing is in doubt when it cannot grow.
                            _ if cause.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE => {
                                CatalogueError::DiskFull { path }
                            }
                            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => {
                                CatalogueError::Damaged { path, detail }
                            }
                            ErrorCode::SystemIoFailure
                            | ErrorCode::CannotOpen
                            | ErrorCode::ReadOnly
                            | ErrorCode::PermissionDenied => CatalogueError::Disk {
                                path,
                                detail: format!("{detail} (SQLite {})", cause.extended_code),
                            },
                            _ => CatalogueError::Unexpected { path, detail },
                        }
                    }
                    // The tables are STRICT: a value of another type or range was never written by us.
                    Error::FromSqlConversionFailure(..)
                    | Error::IntegralValueOutOfRange(..)
                    | Error::InvalidColumnType(..)
                    | Error::Utf8Error(..) => CatalogueError::Damaged { path, detail },
                    _ => CatalogueError::Unexpected { path, detail },
                }
            }
        }
    }
}
