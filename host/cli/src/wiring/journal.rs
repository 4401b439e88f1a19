//! The store as the engine's record.

use longhaul_core::entry::{Entry, Position, Record};
use longhaul_core::id::RunId;
use longhaul_engine::ports::{BoxFuture, Journal, JournalError};
use longhaul_store::{RunJournal, StoreError};
use std::sync::OnceLock;

/// Writes one run's record into the state folder's journal.
pub(crate) struct JournalPort {
    store: longhaul_store::Journal,
    run: OnceLock<RunJournal>,
}

impl JournalPort {
    pub(crate) fn new(store: longhaul_store::Journal) -> Self {
        Self { store, run: OnceLock::new() }
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
}

fn failed(error: StoreError) -> JournalError {
    if error.is_disk_full() {
        JournalError::DiskFull(error.to_string())
    } else {
        JournalError::Failed(error.to_string())
    }
}
