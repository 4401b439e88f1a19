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
//! - Where that lock does not hold, the epoch does: each opening takes the next one ([`Epoch`]), and a journal whose epoch
//!   has passed writes nothing more ([`StoreError::Fenced`]).
//! - Each row carries a check sum, and every entry on the way of a read is checked, wanted or not: a flipped bit, a missing
//!   entry or a missing run is [`StoreError::Damaged`], never other content. What a log that was cut off has lost is lost
//!   from the end.
//! - Positions of a run have no gaps. A position is given once: the database refuses a second entry for it.
//! - What a [`Flushed`] has acknowledged is on disk. After a failed write nothing is acknowledged any more, and every
//!   later append and flush returns that failure: the journal has no holes.
//! - The bytes of an entry are read back exactly as they were written; entries of kinds that a later version added are
//!   kept and shown.
//! - The journal alone rebuilds what stands beside it: the summary of each run, and the memory of agents ([`MemoryReader`]).

mod error;
mod evidence;
mod folder;
mod journal;
mod lease;
mod lock;
mod memory;
mod queue;
mod reader;
mod row;
mod runs;
mod schema;
mod seal;
mod sealing;
mod stored;
mod stored_action;
mod sum;
mod summary;
mod writer;

pub use error::StoreError;
pub use evidence::{Moment, Of, Raw, RawRows};
pub use folder::MARK;
pub use journal::{Journal, Options, RunJournal};
pub use lease::Epoch;
pub use lock::{Holder, LockError, StateLock};
pub use memory::MemoryReader;
pub use queue::Flushed;
pub use reader::{Entries, Filter, Reader};
pub use runs::{ResolveError, RunInfo};
pub use schema::JOURNAL_FILE;
pub use seal::{LogEntry, Sealed, Sealer, Sealing};
pub use stored::{Content, EntryKind, FORMAT, Line, MAX_BODY};
pub use summary::Summary;
