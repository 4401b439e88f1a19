//! What stands between those who append and the one who writes: a bounded queue, and the word that something is on disk.
//!
//! Rows lie in one buffer behind a mutex, their bytes in another, so that an append copies and allocates nothing. The
//! writer takes both at once and leaves empty ones. It is woken for the first row of a batch, for a full one and for a
//! flush, not for every row: waking costs more than appending.

use crate::error::StoreError;
use crate::memory::Change;
use crate::summary::Summary;
use longhaul_core::digest::Digest;
use longhaul_core::entry::Position;
use longhaul_core::id::RunId;
use std::collections::HashMap;
use std::future::Future;
use std::ops::Range;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// Rows that may wait. A batch of this size takes the writer some 20 ms; beyond it appending blocks.
const MAX_ROWS: usize = 8 * 1024;
/// Bytes that may wait. With the batch being written there are two such buffers, which bounds the memory of the queue.
const MAX_BYTES: usize = 4 << 20;
/// A batch of this size is written at once: the commit is then a small part of its cost.
const FULL_BATCH: usize = 2 * 1024;
/// Rows for which nobody waits may stay in memory this long, so that a run that works steadily, and depends on nothing
/// durable, costs a handful of disk flushes a second. It is also how late a watcher sees them.
const LINGER: Duration = Duration::from_millis(50);

/// A row that waits. Ranges are within the batch's bytes.
pub(crate) struct Row {
    pub(crate) key: i64,
    pub(crate) at: u64,
    pub(crate) kind: &'static str,
    pub(crate) task: Option<Range<usize>>,
    pub(crate) attempt: Option<u32>,
    pub(crate) capability: Option<&'static str>,
    pub(crate) denied: bool,
    pub(crate) digest: Option<Digest>,
    pub(crate) body: Range<usize>,
}

/// What does not change about a run.
pub(crate) struct About {
    pub(crate) number: i64,
    pub(crate) id: RunId,
    pub(crate) workflow: String,
    pub(crate) started: u64,
    /// Entries before this position may be without a sum.
    pub(crate) unsummed: u64,
}

/// A run that has rows in a batch, with its summary after the last of them.
pub(crate) struct RunRow {
    pub(crate) about: Arc<About>,
    pub(crate) summary: Summary,
    /// Whether it begins with this batch.
    pub(crate) is_new: bool,
}

/// What is written in one transaction.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) rows: Vec<Row>,
    pub(crate) bytes: Vec<u8>,
    pub(crate) runs: Vec<RunRow>,
    /// What its entries make of memory. The values are those of the entries.
    pub(crate) memory: Vec<Change>,
}

impl Batch {
    /// Empties it, keeping its memory unless an unusual entry made it large.
    pub(crate) fn clear(&mut self) {
        self.rows.clear();
        self.runs.clear();
        self.memory.clear();
        self.bytes.clear();
        self.bytes.shrink_to(MAX_BYTES);
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.rows.is_empty() || (self.rows.len() < MAX_ROWS && self.bytes.len() + bytes <= MAX_BYTES)
    }

    fn is_full(&self) -> bool {
        self.rows.len() >= FULL_BATCH || self.bytes.len() >= MAX_BYTES / 2
    }
}

/// A run that is being written.
pub(crate) struct Slot {
    pub(crate) about: Arc<About>,
    pub(crate) next: Position,
    /// The journal-wide count at its newest row.
    pub(crate) newest: u64,
    pub(crate) summary: Summary,
    /// Whether the batch has rows of it.
    pub(crate) touched: bool,
    /// Whether no batch had any before.
    pub(crate) is_new: bool,
    /// Whether it is being copied from another one.
    pub(crate) is_copy: bool,
}

/// How the writer stands.
#[derive(Default)]
pub(crate) enum Phase {
    /// It takes rows.
    #[default]
    Open,
    /// It writes what is queued and ends.
    Closing,
    /// It ended in good order.
    Closed,
    /// It ended with this.
    Failed(StoreError),
}

/// Everything behind the mutex.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) batch: Batch,
    pub(crate) slots: Vec<Slot>,
    pub(crate) by_id: HashMap<RunId, usize>,
    pub(crate) next_run: i64,
    pub(crate) phase: Phase,
    /// Rows appended since the journal was opened, in all runs; and how many of them are on disk.
    pub(crate) appended: u64,
    pub(crate) durable: u64,
    /// Somebody waits until this many are on disk.
    wanted: u64,
    writer_waits: bool,
    blocked: usize,
    waiting: Vec<(u64, u64, Waker)>,
    tickets: u64,
}

/// What appenders and the writer share.
pub(crate) struct Queue {
    pub(crate) path: PathBuf,
    state: Mutex<State>,
    work: Condvar,
    room: Condvar,
    done: Condvar,
}

impl Queue {
    pub(crate) fn new(path: PathBuf, next_run: i64) -> Self {
        let state = Mutex::new(State { next_run, ..State::default() });
        Self { path, state, work: Condvar::new(), room: Condvar::new(), done: Condvar::new() }
    }

    /// The state. A thread that panicked while it held the lock left nothing half-done that the others rely on: numbers
    /// are changed after everything that can fail.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state once a row of `bytes` fits, or why no row is taken any more.
    pub(crate) fn lock_with_room(&self, bytes: usize) -> Result<MutexGuard<'_, State>, StoreError> {
        let mut state = self.lock();
        loop {
            self.check(&state)?;
            if state.batch.has_room(bytes) {
                return Ok(state);
            }
            state.blocked += 1;
            state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.blocked -= 1;
        }
    }

    /// Whether rows are taken.
    pub(crate) fn check(&self, state: &State) -> Result<(), StoreError> {
        match &state.phase {
            Phase::Open => Ok(()),
            Phase::Closing | Phase::Closed => Err(StoreError::Closed { path: self.path.clone() }),
            Phase::Failed(error) => Err(error.clone()),
        }
    }

    /// Wakes the writer where the row that was just pushed gives it something to do.
    pub(crate) fn pushed(&self, state: &mut State) {
        if state.batch.rows.len() == 1 || state.batch.is_full() {
            self.wake_writer(state);
        }
    }

    /// Wakes the writer once: until it waits again, it needs no further call.
    fn wake_writer(&self, state: &mut State) {
        if std::mem::take(&mut state.writer_waits) {
            self.work.notify_one();
        }
    }

    /// Ends the writer after what is queued.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        if matches!(state.phase, Phase::Open) {
            state.phase = Phase::Closing;
        }
        self.wake_writer(&mut state);
        self.room.notify_all();
    }

    /// The word that the first `target` rows are on disk.
    pub(crate) fn flush(self: &Arc<Self>, target: impl FnOnce(&State) -> u64) -> Flushed {
        let mut state = self.lock();
        let target = target(&state);
        if target > state.wanted {
            state.wanted = target;
            self.wake_writer(&mut state);
        }
        state.tickets += 1;
        Flushed { queue: Arc::clone(self), target, ticket: state.tickets }
    }

    /// For the writer: waits until a batch is due and puts it in place of the empty `batch`. Gives the count of rows
    /// that are on disk when it is written; none when there is nothing left to do.
    pub(crate) fn take(&self, batch: &mut Batch) -> Option<u64> {
        let due = |state: &State| {
            state.wanted > state.durable || state.batch.is_full() || !matches!(state.phase, Phase::Open)
        };
        let mut state = self.lock();
        while state.batch.rows.is_empty() && matches!(state.phase, Phase::Open) {
            state.writer_waits = true;
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let waits = |state: &mut State| {
            state.writer_waits = !due(state);
            state.writer_waits
        };
        let (mut state, _) = self.work.wait_timeout_while(state, LINGER, waits).unwrap_or_else(PoisonError::into_inner);
        state.writer_waits = false;
        if state.batch.rows.is_empty() {
            return None;
        }
        std::mem::swap(&mut state.batch, batch);
        for slot in state.slots.iter_mut().filter(|slot| slot.touched) {
            slot.touched = false;
            let is_new = std::mem::take(&mut slot.is_new);
            batch.runs.push(RunRow { about: Arc::clone(&slot.about), summary: slot.summary, is_new });
        }
        if state.blocked > 0 {
            self.room.notify_all();
        }
        Some(state.appended)
    }

    /// For the writer: the first `durable` rows are on disk.
    pub(crate) fn written(&self, durable: u64) {
        let mut state = self.lock();
        state.durable = durable;
        let ready: Vec<Waker> = state.waiting.extract_if(.., |(target, ..)| *target <= durable).map(|w| w.2).collect();
        drop(state);
        self.done.notify_all();
        ready.into_iter().for_each(Waker::wake);
    }

    /// For the writer: it ends, and nothing more will be on disk.
    pub(crate) fn ended(&self, phase: Phase) {
        let mut state = self.lock();
        state.phase = phase;
        let all = std::mem::take(&mut state.waiting);
        drop(state);
        self.room.notify_all();
        self.done.notify_all();
        all.into_iter().for_each(|(.., waker)| waker.wake());
    }

    fn outcome(&self, state: &State, target: u64) -> Option<Result<(), StoreError>> {
        if state.durable >= target {
            return Some(Ok(()));
        }
        match &state.phase {
            Phase::Open | Phase::Closing => None,
            Phase::Closed => Some(Err(StoreError::Closed { path: self.path.clone() })),
            Phase::Failed(error) => Some(Err(error.clone())),
        }
    }
}

/// Tells when everything that was appended before the flush is on disk. Wait for it with [`Flushed::wait`], or await it
/// on any executor. The write goes on whether or not anybody waits.
#[must_use = "nothing is known to be on disk before this says so"]
pub struct Flushed {
    queue: Arc<Queue>,
    target: u64,
    ticket: u64,
}

impl Flushed {
    /// Blocks until it is on disk.
    ///
    /// # Errors
    /// The failure of the write that should have put it there.
    pub fn wait(self) -> Result<(), StoreError> {
        let mut state = self.queue.lock();
        loop {
            if let Some(outcome) = self.queue.outcome(&state, self.target) {
                return outcome;
            }
            state = self.queue.done.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Future for Flushed {
    type Output = Result<(), StoreError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.queue.lock();
        if let Some(outcome) = self.queue.outcome(&state, self.target) {
            return Poll::Ready(outcome);
        }
        match state.waiting.iter_mut().find(|(_, ticket, _)| *ticket == self.ticket) {
            Some((.., waker)) => waker.clone_from(context.waker()),
            None => state.waiting.push((self.target, self.ticket, context.waker().clone())),
        }
        Poll::Pending
    }
}
