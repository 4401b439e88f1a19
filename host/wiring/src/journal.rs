//! The store as the engine's record.

use crate::place::Place;
use crate::records::{RecordsPort, failed};
use longhaul_core::entry::{Entry, Position, Record};
use longhaul_core::id::RunId;
use longhaul_core::units::Timestamp;
use longhaul_engine::ports::{BoxFuture, Journal, JournalError, Query, Records};
use longhaul_store::{Reader, RunJournal, StoreError};
use std::sync::OnceLock;

/// Writes one run's record into the state folder's journal.
pub struct JournalPort {
    store: longhaul_store::Journal,
    records: RecordsPort,
    run: OnceLock<RunJournal>,
    place: Place,
}

impl JournalPort {
    /// For a run that begins.
    pub fn new(store: longhaul_store::Journal, reader: Reader, place: Place) -> Self {
        Self { store, records: RecordsPort::at(reader, place), run: OnceLock::new(), place }
    }

    /// For a run that goes on.
    ///
    /// # Errors
    /// [`StoreError`] where the record cannot be opened.
    pub fn resume(
        store: longhaul_store::Journal,
        reader: Reader,
        run: &RunId,
        place: Place,
    ) -> Result<Self, StoreError> {
        let journal = store.open_run(run)?;
        Ok(Self { store, records: RecordsPort::at(reader, place), run: OnceLock::from(journal), place })
    }
}

impl Records for JournalPort {
    fn read(&self, run: &RunId, query: &Query) -> Result<Vec<(Position, Record)>, JournalError> {
        self.records.read(run, query)
    }

    fn newest(&self, run: &RunId) -> Result<Timestamp, JournalError> {
        self.records.newest(run)
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
        let place = self.place;
        Box::pin(async move {
            match place {
                Place::Threads => flushed.await,
                Place::Inline => flushed.wait(),
            }
            .map_err(failed)
        })
    }
}
