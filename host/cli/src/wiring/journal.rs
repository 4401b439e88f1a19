//! The store as the engine's record.

use longhaul_core::entry::{Entry, Position, Record};
use longhaul_core::id::RunId;
use longhaul_engine::ports::{BoxFuture, Journal, JournalError, Query};
use longhaul_store::{Content, EntryKind, Filter, Reader, RunJournal, StoreError};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Entries that are read in one go.
const PAGE: u64 = 512;

/// Writes one run's record into the state folder's journal.
pub(crate) struct JournalPort {
    store: longhaul_store::Journal,
    reader: Mutex<Reader>,
    run: OnceLock<RunJournal>,
}

impl JournalPort {
    /// For a run that begins.
    pub(crate) fn new(store: longhaul_store::Journal, reader: Reader) -> Self {
        Self { store, reader: Mutex::new(reader), run: OnceLock::new() }
    }

    /// For a run that goes on.
    pub(crate) fn resume(store: longhaul_store::Journal, reader: Reader, run: &RunId) -> Result<Self, StoreError> {
        let journal = store.open_run(run)?;
        Ok(Self { store, reader: Mutex::new(reader), run: OnceLock::from(journal) })
    }
}

impl Journal for JournalPort {
    fn append(&self, run: &RunId, record: &Record) -> Result<Position, JournalError> {
        if let Some(journal) = self.run.get() {
            return journal.append(record).map_err(failed);
        }
        if !matches!(record.entry, Entry::RunStarted { .. }) {
            return Err(JournalError::Failed(format!("the run {run} has not begun")));
        }
        let journal = self.store.start_run(record).map_err(failed)?;
        // The engine begins a run once, before anything else is appended.
        drop(self.run.set(journal));
        Ok(Position(0))
    }

    fn flush(&self) -> BoxFuture<'_, Result<(), JournalError>> {
        let flushed = self.store.flush();
        Box::pin(async move { flushed.await.map_err(failed) })
    }

    fn read(&self, run: &RunId, query: &Query) -> Result<Vec<(Position, Record)>, JournalError> {
        let details = [EntryKind::Action, EntryKind::Log, EntryKind::Progress];
        let kinds = match query.details {
            true => Vec::new(),
            false => EntryKind::ALL.iter().copied().filter(|kind| !details.contains(kind)).collect(),
        };
        let filter =
            Filter { after: query.after, task: query.task.clone(), kinds, limit: Some(PAGE), ..Filter::default() };
        // A reader is not changed by reading, so one that somebody panicked with is as good as before.
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
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
}

fn failed(error: StoreError) -> JournalError {
    if error.is_disk_full() {
        JournalError::DiskFull(error.to_string())
    } else if error.is_of_entry() {
        JournalError::Refused(error.to_string())
    } else {
        JournalError::Failed(error.to_string())
    }
}
