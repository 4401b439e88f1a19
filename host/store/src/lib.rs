//! The journal: an append-only record of every run, in one SQLite database per state folder.
//!
//! Only this crate names the database. Writing and reading are apart:
//!
//! ```text
//!  RunJournal ─ append ─► queue ──► writer thread ──► one transaction for all that is queued ──► journal.db
//!  (cheap clones)  └ flush ─► Flushed ◄── committed ────────┘                                         │
//!  Reader ◄── runs, run, entries, resolve ───────────────────── own connection, needs no lock ────────┘
//! ```
//!
//! What holds:
//!
//! - A state folder belongs to one process at a time ([`StateLock`]); a [`Journal`] cannot be opened without that lock.
//! - Positions of a run have no gaps. A position is given once: the database refuses a second entry for it.
//! - What a [`Flushed`] has acknowledged is on disk. After a failed write nothing is acknowledged any more, and every
//!   later append and flush returns that failure: the journal has no holes.
//! - The bytes of an entry are read back exactly as they were written; entries of kinds that a later version added are
//!   kept and shown.
//! - The journal alone rebuilds the summary that stands beside it.

mod error;
mod folder;
mod journal;
mod lock;
mod queue;
mod reader;
mod schema;
mod stored;
mod summary;
mod writer;

pub use error::StoreError;
pub use folder::MARK;
pub use journal::{Journal, Options, RunJournal};
pub use lock::{Holder, LockError, StateLock};
pub use queue::Flushed;
pub use reader::{Entries, Filter, Reader, ResolveError, RunInfo};
pub use schema::JOURNAL_FILE;
pub use stored::{Content, EntryKind, FORMAT, Line, MAX_BODY};
pub use summary::{Summary, TaskCounts};
