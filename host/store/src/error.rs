//! What can go wrong with a journal, and how the database's own errors are told.
//!
//! [`StoreError`] can be cloned, because one failed write is the answer to every append and flush after it.

use crate::lease::Epoch;
use longhaul_core::entry::Position;
use longhaul_core::id::RunId;
use rusqlite::ErrorCode;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A journal cannot be opened, written or read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// There is none.
    #[error("there is no journal at {}; nothing was run with this state folder yet", .path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The file is something else.
    #[error("{} is not a journal: {found}; move it away, or pass --state DIR", .path.display())]
    NotAJournal {
        /// The file.
        path: PathBuf,
        /// What it is.
        found: &'static str,
    },
    /// A later version wrote it.
    #[error(
        "the journal {} has schema {found}, and this version knows schemas up to {known}; use the version that wrote it",
        .path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest that is known here.
        known: i64,
    },
    /// The file is damaged.
    #[error("the journal {} is damaged: {detail}; keep a copy of it and restore the folder from a backup", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where.
        detail: String,
    },
    /// No room is left.
    #[error("the disk is full: the journal {} cannot grow; make room and resume", .path.display())]
    DiskFull {
        /// The file.
        path: PathBuf,
    },
    /// Another process writes to it.
    #[error("the journal {} is locked by another program; close that program and try again", .path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// An entry stands where this one should go: somebody else wrote to the run.
    #[error("position {} of run {run} is taken already; another process writes to this run, stop it", .position.0)]
    PositionTaken {
        /// The run.
        run: RunId,
        /// The position.
        position: Position,
    },
    /// The journal was opened for writing once more, elsewhere: it is not this process's any longer.
    #[error(
        "the journal {} was taken over by another process (its epoch is {now}, this process has {epoch}); nothing more is written by this one, let the other one go on, or stop it and resume",
        .path.display()
    )]
    Fenced {
        /// The file.
        path: PathBuf,
        /// The epoch of this writer.
        epoch: Epoch,
        /// The epoch that owns the journal.
        now: Epoch,
    },
    /// The next entry of the run is another one than was expected.
    #[error(
        "the next entry of run {run} would be {}, and {} was expected; read what was appended meanwhile and decide again",
        .found.0, .expected.0
    )]
    Elsewhere {
        /// The run.
        run: RunId,
        /// The position that was expected.
        expected: Position,
        /// The position that is next.
        found: Position,
    },
    /// A run of that id exists.
    #[error("run {run} exists already")]
    RunExists {
        /// The run.
        run: RunId,
    },
    /// No run of that id exists.
    #[error("there is no run {run}; `longhaul runs` lists them")]
    NoSuchRun {
        /// The run.
        run: RunId,
    },
    /// The first record of a run has to start it.
    #[error("a run begins with the entry `run-started`, not `{kind}`")]
    NotAStart {
        /// What was found.
        kind: &'static str,
    },
    /// No head can be made over what was written, so nothing is.
    #[error("the record cannot be sealed: {detail}")]
    Unsealed {
        /// Why.
        detail: String,
    },
    /// An entry is too large.
    #[error("an entry of {bytes} bytes is too large for the journal; {max} bytes are the most")]
    TooLarge {
        /// How large it is.
        bytes: usize,
        /// The most.
        max: usize,
    },
    /// An entry cannot be written as JSON.
    #[error("an entry cannot be written as JSON: {detail}")]
    NotJson {
        /// Why.
        detail: String,
    },
    /// The numbers that name runs or positions are used up.
    #[error("the journal {} is full: it holds the most runs, or this run the most entries, that a journal can hold", .path.display())]
    Exhausted {
        /// The file.
        path: PathBuf,
    },
    /// The journal was closed.
    #[error("the journal {} is closed", .path.display())]
    Closed {
        /// The file.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("{doing} the journal {} failed; check the disk and the permissions of its folder", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was being done: `opening`, `writing`, `reading`.
        doing: &'static str,
        /// Why.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
}

impl StoreError {
    /// Whether it is that no room is left.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, StoreError::DiskFull { .. })
    }

    /// Whether it is the one entry that is at fault, and the journal as good as before.
    pub fn is_of_entry(&self) -> bool {
        matches!(self, StoreError::TooLarge { .. } | StoreError::NotJson { .. })
    }

    /// Whether the file is sound, and not for this version to use.
    pub fn is_foreign(&self) -> bool {
        matches!(self, StoreError::Newer { .. } | StoreError::NotAJournal { .. })
    }

    /// Tells an error of the database.
    pub(crate) fn from_sql(path: &Path, doing: &'static str, error: rusqlite::Error) -> Self {
        let path = path.to_owned();
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => StoreError::NotAJournal { path, found: "it is not a SQLite database" },
            Some(ErrorCode::DatabaseCorrupt) => StoreError::Damaged { path, detail: error.to_string() },
            Some(ErrorCode::DiskFull) => StoreError::DiskFull { path },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy { path },
            // What is asked is fixed and fits the schema, so the schema does not say what it did.
            Some(ErrorCode::Unknown) | None if is_senseless(&error) => {
                StoreError::Damaged { path, detail: error.to_string() }
            }
            Some(ErrorCode::SystemIoFailure) if has_no_room(&path) => StoreError::DiskFull { path },
            _ => StoreError::Io { path, doing, source: Arc::new(error) },
        }
    }
}

/// Whether the database could not make sense of a statement, or a column holds another type than it was made for.
fn is_senseless(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::SqliteFailure(cause, _) => cause.extended_code == rusqlite::ffi::SQLITE_ERROR,
        rusqlite::Error::SqlInputError { .. }
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::Utf8Error(..) => true,
        _ => false,
    }
}

/// Some writes of the database (its shared memory, for one) report a full disk as a plain I/O error.
fn has_no_room(path: &Path) -> bool {
    /// Less than this is no room: the database grows by at least a page and an index block.
    const ROOM: u64 = 64 * 1024;
    let folder = path.parent().unwrap_or(path);
    rustix::fs::statvfs(folder).is_ok_and(|fs| fs.f_bavail.saturating_mul(fs.f_frsize) < ROOM)
}
