//! What can go wrong, in words for an administrator. No text holds a secret.

use std::path::{Path, PathBuf};

use sealrtp_zrtp::CacheError;

/// Why a cache cannot be opened. Calls can go on without one, or with a [`MemoryCache`](sealrtp_zrtp::MemoryCache).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The path names no file.
    #[error("{} names no file", .0.display())]
    NoFile(PathBuf),
    /// The folder is not there, or this process may not write to it; SQLite makes files beside the cache.
    #[error(
        "{reason} ({}): the folder of the ZRTP cache must be there and belong to the user that this process runs as \
         (mkdir, chown, chmod 0700)",
        .folder.display()
    )]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// This process may not read and write the file, or not make it unreadable for others.
    #[error(
        "{reason} ({}): the ZRTP cache must belong to the user that this process runs as (chown) and be readable by \
         nobody else (chmod 0600)",
        .file.display()
    )]
    Access {
        /// The file.
        file: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// What stands there is not moved away: others may need it.
    #[error("{} is {what}: name another file for the ZRTP cache", .file.display())]
    NotAFile {
        /// The file.
        file: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// Another process opens or mends it, and did not end.
    #[error("another process holds the folder of the ZRTP cache locked ({}): try again", .0.display())]
    Locked(PathBuf),
    /// [`MAX_SET_ASIDE`](crate::MAX_SET_ASIDE) files were set aside already.
    #[error(
        "{} is unusable ({reason}), and {} files lie beside it that were set aside before: find out what damages them, \
         then move them away",
        .file.display(), crate::MAX_SET_ASIDE
    )]
    TooManySetAside {
        /// The cache.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// [`ZidCache::open_existing`](crate::ZidCache::open_existing): not there.
    #[error("there is no ZRTP cache {}", .0.display())]
    Absent(PathBuf),
    /// [`ZidCache::open_existing`](crate::ZidCache::open_existing): there, and no cache of ours, or a damaged one.
    #[error("{} cannot be used as a ZRTP cache: {reason}", .file.display())]
    Unfit {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The system or SQLite refused.
    #[error("the ZRTP cache {} cannot be opened: {reason}", .file.display())]
    Refused {
        /// The file.
        file: PathBuf,
        /// What it says.
        reason: String,
    },
}

/// Why a peer was not given a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// See [`MAX_NAME`](crate::MAX_NAME).
    #[error("a peer's name has at most {} bytes and no control characters", crate::MAX_NAME)]
    Unfit,
    /// The cache could not be written.
    #[error(transparent)]
    Cache(#[from] CacheError),
}

/// Why an operation on an open file failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The file is damaged or another's: it is to be set aside.
    Damaged(String),
    /// The file may be all right.
    Refused(String),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::{Error, ErrorCode};
        let text = match &error {
            Error::SqliteFailure(cause, _) => match cause.code {
                ErrorCode::DatabaseCorrupt => return Self::Damaged("the file is damaged".into()),
                ErrorCode::NotADatabase => return Self::Damaged("not an SQLite file".into()),
                ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
                    "another process is writing to it".into()
                }
                ErrorCode::DiskFull => "the disk is full".into(),
                // All our SQL is fixed: what it names is not there, or the file's format is unknown.
                ErrorCode::Unknown if cause.extended_code == 1 => {
                    return Self::Damaged("its schema is not ours".into());
                }
                _ => cause.to_string(),
            },
            Error::SqlInputError { .. } => return Self::Damaged("its schema is not ours".into()),
            // A column that is not of the schema's type, or not there.
            Error::FromSqlConversionFailure(..)
            | Error::IntegralValueOutOfRange(..)
            | Error::InvalidColumnType(..)
            | Error::InvalidColumnIndex(_)
            | Error::InvalidColumnName(_)
            | Error::QueryReturnedNoRows
            | Error::Utf8Error(..) => {
                return Self::Damaged("the file's content does not fit its schema".into());
            }
            other => other.to_string(),
        };
        Self::Refused(text)
    }
}

impl Failure {
    /// As an error of the open.
    pub(crate) fn of(self, file: &Path) -> OpenError {
        let file = file.to_owned();
        match self {
            Self::Damaged(reason) => OpenError::Unfit { file, reason },
            Self::Refused(reason) => OpenError::Refused { file, reason },
        }
    }
}
