//! The store as what a run is resumed from.

use longhaul_core::entry::{Position, Record};
use longhaul_core::id::RunId;
use longhaul_core::units::Timestamp;
use longhaul_engine::ports::{JournalError, Query, Records};
use longhaul_store::{Content, EntryKind, Filter, Reader, StoreError};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Entries that are read in one go.
const PAGE: u64 = 512;
/// Most of a record; see [`Query::details`].
const DETAILS: [EntryKind; 4] = [EntryKind::Intended, EntryKind::Action, EntryKind::Log, EntryKind::Progress];

/// Reads the records of a state folder.
pub struct RecordsPort(Mutex<Reader>);

impl RecordsPort {
    /// The records that `reader` reads.
    pub fn new(reader: Reader) -> Self {
        Self(Mutex::new(reader))
    }

    fn lock(&self) -> MutexGuard<'_, Reader> {
        // A reader is not changed by reading, so one that somebody panicked with is as good as before.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Records for RecordsPort {
    fn read(&self, run: &RunId, query: &Query) -> Result<Vec<(Position, Record)>, JournalError> {
        let kinds = match query.details {
            true => Vec::new(),
            false => EntryKind::ALL.iter().copied().filter(|kind| !DETAILS.contains(kind)).collect(),
        };
        let filter =
            Filter { after: query.after, task: query.task.clone(), kinds, limit: Some(PAGE), ..Filter::default() };
        let reader = self.lock();
        let lines = reader.entries(run, &filter).map_err(failed)?.map(|line| {
            let line = line.map_err(failed)?;
            match line.content {
                Content::Known(record) => Ok((line.position, *record)),
                Content::Unknown(_) => Err(JournalError::Failed(format!(
                    "entry {} of run {run} was written by a later version; install that version to go on with the run",
                    line.position.0
                ))),
            }
        });
        lines.collect()
    }

    fn newest(&self, run: &RunId) -> Result<Timestamp, JournalError> {
        Ok(self.lock().run(run).map_err(failed)?.summary.last)
    }
}

/// What an error of the store means to the engine.
pub(crate) fn failed(error: StoreError) -> JournalError {
    if error.is_disk_full() {
        JournalError::DiskFull(error.to_string())
    } else if error.is_of_entry() {
        JournalError::Refused(error.to_string())
    } else {
        JournalError::Failed(error.to_string())
    }
}
