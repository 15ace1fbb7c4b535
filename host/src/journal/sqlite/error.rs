//! What can go wrong with the file, and what follows from it.

use std::io;
use std::path::PathBuf;

use rusqlite::ErrorCode;

use crate::journal::JournalError;

/// Why the store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process holds the folder.
    #[error(
        "another host uses the data folder {}{}: stop it, or choose another folder with --data",
        folder.display(),
        process(*holder)
    )]
    InUse {
        /// The data folder.
        folder: PathBuf,
        /// That host's process, if it is known.
        holder: Option<u32>,
    },
    /// The folder can't be made or locked.
    #[error("the data folder {} can't be used: {source}", folder.display())]
    Folder {
        /// The data folder.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is a database of another program.
    #[error(
        "{} isn't a journal of this program (its application id is {found:#010x}): move it away, or choose another data folder",
        file.display()
    )]
    Foreign {
        /// The file.
        file: PathBuf,
        /// Its application id.
        found: i32,
    },
    /// The file was written by a newer version.
    #[error(
        "{} has schema version {found}, this program knows versions up to {known}: use the newer program that wrote it",
        file.display()
    )]
    Newer {
        /// The file.
        file: PathBuf,
        /// Its schema version.
        found: i64,
        /// The newest version known here.
        known: i64,
    },
    /// SQLite refused.
    #[error("the journal {} can't be opened: {source}", file.display())]
    Sqlite {
        /// The file.
        file: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// The system has no thread for it.
    #[error("the journal's thread can't be started: {0}")]
    Thread(io::Error),
}

fn process(holder: Option<u32>) -> String {
    holder.map_or_else(String::new, |id| format!(" (process {id})"))
}

/// What a failed statement or commit means for its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// No space: nothing of the batch is stored, go on.
    Full,
    /// The fault of one request: the others can go on without it.
    Request,
    /// What is on disk is unknown, and so is the connection's state: reopen.
    Disk,
}

/// Sorts an error of SQLite by what follows from it.
pub(super) fn classify(error: &rusqlite::Error) -> Failure {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => Failure::Full,
        Some(
            ErrorCode::ConstraintViolation
            | ErrorCode::TooBig
            | ErrorCode::TypeMismatch
            | ErrorCode::ParameterOutOfRange,
        )
        | None => Failure::Request,
        Some(_) => Failure::Disk,
    }
}

/// The answer for each request of a batch that failed like this.
pub(super) fn answer(error: &rusqlite::Error) -> JournalError {
    match classify(error) {
        Failure::Full => JournalError::Full(error.to_string()),
        Failure::Request | Failure::Disk => JournalError::Unconfirmed(error.to_string()),
    }
}

/// A failed read.
pub(super) fn read_error(error: &rusqlite::Error) -> JournalError {
    JournalError::Read(error.to_string())
}
