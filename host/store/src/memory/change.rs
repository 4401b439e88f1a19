//! What an entry makes of memory.

use crate::queue::About;
use crate::schema;
use longhaul_core::entry::{Entry, Position, Record};
use longhaul_core::id::TaskId;
use longhaul_core::memory::MemoryWrite;
use std::sync::Arc;

/// A change that waits to be written with its entry.
pub(crate) struct Change {
    pub(crate) about: Arc<About>,
    pub(crate) what: Changes,
}

/// What changes.
pub(crate) enum Changes {
    /// A task writes.
    Write {
        /// The entry's key.
        entry: i64,
        task: Option<TaskId>,
        writes: Vec<MemoryWrite>,
        /// Whether that is a copy of what was written before, in another run.
        is_copy: bool,
    },
    /// The run goes back to the entry with this key.
    GoBack { to: i64 },
    /// Nobody goes back behind the entry with this key any more.
    Forget { before: i64 },
}

impl Change {
    /// What `record`, at this position of a run, makes of memory; none where it makes nothing.
    pub(crate) fn of(about: &Arc<About>, position: Position, record: &Record, is_copy: bool) -> Option<Self> {
        let key = |position| schema::key(about.number, position);
        let what = match &record.entry {
            Entry::Published(outbox) | Entry::Committed { published: outbox, .. } if !outbox.memory.is_empty() => {
                let (task, writes) = (record.task.clone(), outbox.memory.clone());
                Changes::Write { entry: key(position), task, writes, is_copy }
            }
            Entry::RolledBack { to: Some(to), .. } => Changes::GoBack { to: key(*to) },
            Entry::Checkpointed { oldest, .. } => Changes::Forget { before: key(oldest.unwrap_or(position)) },
            Entry::RunChanged { to, .. } if !to.can_resume() => Changes::Forget { before: key(position) },
            _ => return None,
        };
        Some(Self { about: Arc::clone(about), what })
    }
}
