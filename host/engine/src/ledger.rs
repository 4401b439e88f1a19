//! The run's side of the record: stamps what happens, appends it, and fails closed.
//!
//! One ledger is shared by all that happens in a run. Stamping and appending are one step, so times in a journal never run
//! backwards. After the first failure nothing is taken any more, and [`Ledger::broken`] tells everyone at once.

use crate::hooks::Tap;
use crate::kept::Kept;
use crate::ports::{Journal, JournalError, Observer, Ports, Query};
use longhaul_core::attempt::Outcome;
use longhaul_core::clock::Clock;
use longhaul_core::entry::{Entry, Position, Record};
use longhaul_core::id::{AttemptId, RunId, TaskId};
use longhaul_core::units::Timestamp;
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// Takes a run's records.
pub(crate) struct Ledger {
    run: RunId,
    journal: Arc<dyn Journal>,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
    /// Held while a record is stamped and appended.
    line: Mutex<Timestamp>,
    broken: watch::Sender<Option<JournalError>>,
    /// Content that the record promises to keep.
    pub(crate) kept: Kept,
    tap: Tap,
}

impl Ledger {
    /// A ledger of a run whose last record is of this time; the tap tells of what is appended.
    pub(crate) fn new(run: RunId, ports: &Ports, last: Timestamp, tap: Tap) -> Self {
        Self {
            run,
            journal: ports.journal.clone(),
            clock: ports.time.clone(),
            observer: ports.observer.clone(),
            line: Mutex::new(last),
            broken: watch::Sender::new(None),
            kept: Kept::default(),
            tap,
        }
    }

    /// The run.
    pub(crate) fn id(&self) -> &RunId {
        &self.run
    }

    /// Records what happened to the run; gives where.
    pub(crate) fn run(&self, entry: Entry) -> Result<Position, JournalError> {
        self.append(None, None, entry).map(|(position, _)| position)
    }

    /// Records what happened to a task; gives where.
    pub(crate) fn task(&self, task: &TaskId, entry: Entry) -> Result<Position, JournalError> {
        self.append(Some(task.clone()), None, entry).map(|(position, _)| position)
    }

    /// Records what happened in an attempt; gives where and when.
    pub(crate) fn attempt(&self, attempt: &AttemptId, entry: Entry) -> Result<(Position, Timestamp), JournalError> {
        self.append(Some(attempt.task.clone()), Some(attempt.number), entry)
    }

    /// Tells of what is appended.
    pub(crate) fn tap(&self) -> &Tap {
        &self.tap
    }

    /// Reads some of what the record holds of the run.
    pub(crate) fn events(&self, query: &Query) -> Result<Vec<(Position, Record)>, JournalError> {
        self.journal.read(&self.run, query)
    }

    /// Reads what the record holds of a task, behind a position.
    pub(crate) fn read(&self, task: &TaskId, after: Position) -> Result<Vec<(Position, Record)>, JournalError> {
        let query = Query { after: Some(after), task: Some(task.clone()), details: true };
        self.journal.read(&self.run, &query)
    }

    /// The output of an attempt that completed, and that is in the record behind a position.
    pub(crate) fn output(&self, attempt: &AttemptId, after: Position) -> Result<Option<Value>, JournalError> {
        let mut query = Query { after: Some(after), task: Some(attempt.task.clone()), details: false };
        loop {
            let page = self.journal.read(&self.run, &query)?;
            let Some((newest, _)) = page.last() else { return Ok(None) };
            query.after = Some(*newest);
            for (_, record) in page {
                match record.entry {
                    Entry::AttemptEnded { result, .. } if record.attempt == Some(attempt.number) => {
                        return Ok(match result {
                            Ok(Outcome::Completed(output)) => Some(output),
                            _ => None,
                        });
                    }
                    _ => {}
                }
            }
        }
    }

    /// Makes durable all that was recorded before.
    pub(crate) async fn flush(&self) -> Result<(), JournalError> {
        self.check()?;
        self.journal.flush().await.map_err(|error| self.fail(error))
    }

    /// Resolves when the record has failed.
    pub(crate) async fn broken(&self) -> JournalError {
        let mut broken = self.broken.subscribe();
        match broken.wait_for(Option::is_some).await.map(|error| error.clone()) {
            Ok(Some(error)) => error,
            // The sender lives as long as the ledger, which is borrowed here.
            _ => std::future::pending().await,
        }
    }

    /// Fails where the record has failed before.
    pub(crate) fn check(&self) -> Result<(), JournalError> {
        self.broken.borrow().clone().map_or(Ok(()), Err)
    }

    fn append(
        &self,
        task: Option<TaskId>,
        attempt: Option<u32>,
        entry: Entry,
    ) -> Result<(Position, Timestamp), JournalError> {
        self.check()?;
        let mut record = Record { at: Timestamp(0), task, attempt, entry };
        let position = {
            // A panic of the journal's adapter leaves a valid timestamp behind.
            let mut last = self.line.lock().unwrap_or_else(PoisonError::into_inner);
            *last = self.clock.now().max(*last);
            record.at = *last;
            self.journal.append(&self.run, &record).map_err(|error| self.fail(error))?
        };
        self.tap.seen(&record.entry);
        self.observer.seen(&record);
        Ok((position, record.at))
    }

    /// Remembers the first failure and gives it back. A record that is itself at fault is no failure of the journal.
    fn fail(&self, error: JournalError) -> JournalError {
        if matches!(error, JournalError::Refused(_)) {
            return error;
        }
        self.broken.send_if_modified(|broken| {
            let first = broken.is_none();
            broken.get_or_insert_with(|| error.clone());
            first
        });
        error
    }
}
