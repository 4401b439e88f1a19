//! The run's side of the record: stamps what happens, appends it, counts it, and fails closed.
//!
//! One ledger is shared by all that happens in a run. Stamping and appending are one step, so times in a journal never run
//! backwards. After the first failure nothing is taken any more, and [`Ledger::broken`] tells everyone at once.

use crate::ports::{Journal, JournalError, Observer, Ports};
use longhaul_core::attempt::{AttemptEvent, RecordError, Recorder};
use longhaul_core::clock::Clock;
use longhaul_core::entry::{Entry, Record};
use longhaul_core::id::{AttemptId, RunId, TaskId};
use longhaul_core::units::Timestamp;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
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
    actions: AtomicU64,
    denials: AtomicU64,
}

impl Ledger {
    pub(crate) fn new(run: RunId, ports: &Ports) -> Self {
        Self {
            run,
            journal: ports.journal.clone(),
            clock: ports.time.clone(),
            observer: ports.observer.clone(),
            line: Mutex::new(Timestamp(0)),
            broken: watch::Sender::new(None),
            actions: AtomicU64::new(0),
            denials: AtomicU64::new(0),
        }
    }

    /// Records what happened to the run.
    pub(crate) fn run(&self, entry: Entry) -> Result<Timestamp, JournalError> {
        self.append(None, None, entry)
    }

    /// Records what happened to a task.
    pub(crate) fn task(&self, task: &TaskId, entry: Entry) -> Result<Timestamp, JournalError> {
        self.append(Some(task.clone()), None, entry)
    }

    /// Records what happened in an attempt.
    pub(crate) fn attempt(&self, attempt: &AttemptId, entry: Entry) -> Result<Timestamp, JournalError> {
        self.append(Some(attempt.task.clone()), Some(attempt.number), entry)
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

    /// Actions recorded so far, and how many of them were refused.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.actions.load(Relaxed), self.denials.load(Relaxed))
    }

    fn append(&self, task: Option<TaskId>, attempt: Option<u32>, entry: Entry) -> Result<Timestamp, JournalError> {
        self.check()?;
        if let Entry::Action(action) = &entry {
            self.actions.fetch_add(1, Relaxed);
            self.denials.fetch_add(u64::from(action.is_denied()), Relaxed);
        }
        let mut record = Record { at: Timestamp(0), task, attempt, entry };
        {
            // A panic of the journal's adapter leaves a valid timestamp behind.
            let mut last = self.line.lock().unwrap_or_else(PoisonError::into_inner);
            *last = self.clock.now().max(*last);
            record.at = *last;
            self.journal.append(&self.run, &record).map_err(|error| self.fail(error))?;
        }
        self.observer.seen(&record);
        Ok(record.at)
    }

    /// Remembers the first failure and gives it back.
    fn fail(&self, error: JournalError) -> JournalError {
        self.broken.send_if_modified(|broken| {
            let first = broken.is_none();
            broken.get_or_insert_with(|| error.clone());
            first
        });
        error
    }
}

/// Records what one attempt does.
pub(crate) struct AttemptRecorder {
    ledger: Arc<Ledger>,
    attempt: AttemptId,
}

impl AttemptRecorder {
    pub(crate) fn new(ledger: Arc<Ledger>, attempt: AttemptId) -> Self {
        Self { ledger, attempt }
    }
}

impl Recorder for AttemptRecorder {
    fn record(&self, event: AttemptEvent) -> Result<(), RecordError> {
        let entry = match event {
            AttemptEvent::Action(action) => Entry::Action(action),
            AttemptEvent::Log { level, message } => Entry::Log { level, message },
            AttemptEvent::Progress { done, total, note } => Entry::Progress { done, total, note },
        };
        self.ledger.attempt(&self.attempt, entry).map(drop).map_err(|error| RecordError(error.to_string()))
    }
}
