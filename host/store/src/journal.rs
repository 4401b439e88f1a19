//! The writing side: a [`Journal`] for each state folder, a [`RunJournal`] for each run in it.

use crate::error::StoreError;
use crate::lease::{self, Epoch};
use crate::lock::StateLock;
use crate::memory::Change;
use crate::queue::{About, Batch, Flushed, Phase, Queue, Row, Slot, State};
use crate::reader::Reader;
use crate::schema::{self, MAX_POSITION, MAX_RUN};
use crate::seal::Sealer;
use crate::stored::{self, EntryKind};
use crate::summary::Summary;
use crate::writer;
use longhaul_core::digest::Digest;
use longhaul_core::entry::{Entry, Position, Record};
use longhaul_core::id::RunId;
use longhaul_core::units::Bytes;
use std::cell::Cell;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// How a journal is opened.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// The most the database file may grow to; reaching it is a full disk. None for no bound but the disk's.
    pub max_size: Option<Bytes>,
}

/// The journal of a state folder, open for writing. Clones are the same journal; it is closed with the last of them.
#[derive(Clone)]
pub struct Journal {
    inner: Arc<Inner>,
}

struct Inner {
    queue: Arc<Queue>,
    /// For looking up runs that are not being written.
    reader: Mutex<Reader>,
    thread: Mutex<Option<JoinHandle<()>>>,
    epoch: Epoch,
    /// Released last: the folder is this process's as long as the file is open.
    lock: Arc<StateLock>,
}

impl Journal {
    /// Opens the journal of the folder that `lock` holds, making it where there is none, and takes its next epoch: whoever
    /// had it open for writing, in spite of the lock, can write no more. After a process that died, the file is checked
    /// first.
    ///
    /// # Errors
    /// [`StoreError`] where the file is something else, damaged, newer than this version, or cannot be written.
    pub fn open(lock: impl Into<Arc<StateLock>>, options: Options) -> Result<Self, StoreError> {
        Self::open_with(lock.into(), options, None)
    }

    /// The same for a journal that is sealed as it is written.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn sealed(
        lock: impl Into<Arc<StateLock>>,
        options: Options,
        sealer: impl Sealer + 'static,
    ) -> Result<Self, StoreError> {
        Self::open_with(lock.into(), options, Some(Box::new(sealer)))
    }

    fn open_with(lock: Arc<StateLock>, options: Options, sealer: Option<Box<dyn Sealer>>) -> Result<Self, StoreError> {
        const PAGE: u64 = 4096;
        let path = schema::journal_path(lock.folder());
        let max_pages = options.max_size.map(|size| u32::try_from(size.0 / PAGE).unwrap_or(u32::MAX).max(1));
        let mut conn = schema::open_for_writing(&path, max_pages)?;
        let epoch = lease::take(&mut conn, &path)?;
        let failed = |e| StoreError::from_sql(&path, "opening", e);
        let newest: i64 =
            conn.query_row("SELECT coalesce(max(number), 0) FROM runs", [], |row| row.get(0)).map_err(failed)?;
        let reader = Mutex::new(Reader::open(lock.folder())?);
        let queue = Arc::new(Queue::new(path.clone(), newest + 1));
        let shared = Arc::clone(&queue);
        let thread =
            std::thread::Builder::new().name("journal".into()).spawn(move || writer::run(conn, &shared, epoch, sealer));
        let thread = thread.map_err(|e| StoreError::Io { path, doing: "opening", source: Arc::new(e) })?;
        Ok(Self { inner: Arc::new(Inner { queue, reader, thread: Mutex::new(Some(thread)), epoch, lock }) })
    }

    /// Begins a run with its first record, an [`Entry::RunStarted`], at position 0.
    ///
    /// # Errors
    /// [`StoreError::RunExists`], [`StoreError::NotAStart`], and what [`RunJournal::append`] returns.
    pub fn start_run(&self, record: &Record) -> Result<RunJournal, StoreError> {
        self.begin_run(record, false)
    }

    /// Begins a run as a copy of another one, with the copied [`Entry::RunStarted`]. The copy ends with the [`Entry::Forked`] that is
    /// appended to it; what it wrote to the memory of its workflow has been written before, and is not once more.
    ///
    /// # Errors
    /// As [`Journal::start_run`].
    pub fn copy_run(&self, record: &Record) -> Result<RunJournal, StoreError> {
        self.begin_run(record, true)
    }

    fn begin_run(&self, record: &Record, is_copy: bool) -> Result<RunJournal, StoreError> {
        let Entry::RunStarted { run, workflow, .. } = &record.entry else {
            return Err(StoreError::NotAStart { kind: EntryKind::of(&record.entry).as_str() });
        };
        // Held to the end, so that of two threads that start or open the same run the second one sees the first's.
        let reader = self.reader();
        if reader.find(run)?.is_some() {
            return Err(StoreError::RunExists { run: run.clone() });
        }
        let queue = &self.inner.queue;
        let slot = with_body(record, |body| {
            let mut state = queue.lock_with_room(body.len())?;
            if state.by_id.contains_key(run) {
                return Err(StoreError::RunExists { run: run.clone() });
            }
            let number = state.next_run;
            if number > MAX_RUN {
                return Err(StoreError::Exhausted { path: queue.path.clone() });
            }
            state.next_run += 1;
            let (id, workflow) = (run.clone(), workflow.clone());
            let about = About { number, id, workflow, started: record.at.0, unsummed: 0 };
            let slot = add_slot(&mut state, about, Position(0), Summary::default());
            state.slots[slot].is_new = true;
            state.slots[slot].is_copy = is_copy;
            push_row(queue, &mut state, slot, record, body)?;
            Ok(slot)
        })?;
        drop(reader);
        Ok(RunJournal { journal: self.clone(), slot, id: run.clone() })
    }

    /// Goes on with a run that was started before, in this process or another.
    ///
    /// # Errors
    /// [`StoreError::NoSuchRun`], or the failure to read it.
    pub fn open_run(&self, run: &RunId) -> Result<RunJournal, StoreError> {
        let reader = self.reader();
        let known = self.inner.queue.lock().by_id.get(run).copied();
        let slot = match known {
            Some(slot) => slot,
            None => {
                let found = reader.find(run)?.ok_or_else(|| StoreError::NoSuchRun { run: run.clone() })?;
                let next = reader.next_position(found.number)?;
                let summary = match found.summary {
                    Some(summary) if summary.entries == next.0 => summary,
                    // The entries are the truth: whatever stands beside them is made again, or tells that one is gone.
                    _ => reader.rebuild_summary(run)?,
                };
                let (id, unsummed) = (found.id, found.unsummed);
                let about =
                    About { number: found.number, id, workflow: found.workflow, started: found.started, unsummed };
                let mut state = self.inner.queue.lock();
                self.inner.queue.check(&state)?;
                add_slot(&mut state, about, next, summary)
            }
        };
        Ok(RunJournal { journal: self.clone(), slot, id: run.clone() })
    }

    /// The word that everything appended so far, in all runs, is on disk.
    pub fn flush(&self) -> Flushed {
        self.inner.queue.flush(|state| state.appended)
    }

    /// Writes what is queued, closes the file and notes that it was closed in good order. Later appends are refused,
    /// by all clones. Dropping the last clone does the same, without telling how it went.
    ///
    /// # Errors
    /// The failure of this or an earlier write.
    pub fn close(&self) -> Result<(), StoreError> {
        self.inner.close()
    }

    /// The epoch in which it is open. Who opens it later has a greater one.
    pub fn epoch(&self) -> Epoch {
        self.inner.epoch
    }

    /// The lock on the state folder.
    pub fn lock(&self) -> &Arc<StateLock> {
        &self.inner.lock
    }

    fn reader(&self) -> MutexGuard<'_, Reader> {
        self.inner.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn close(&self) -> Result<(), StoreError> {
        self.queue.close();
        // A second caller waits here until the first one is through.
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.take() {
            // A panic of the writer has told itself as the phase below.
            let _ = thread.join();
        }
        match &self.queue.lock().phase {
            Phase::Failed(error) => Err(error.clone()),
            Phase::Open | Phase::Closing | Phase::Closed => Ok(()),
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let _ = self.close();
    }
}

/// Writes the entries of one run. Clones write to the same run; appends from several threads get positions in the order
/// in which they were made.
#[derive(Clone)]
pub struct RunJournal {
    journal: Journal,
    slot: usize,
    id: RunId,
}

thread_local! {
    /// The JSON of the entry that is being appended: made outside the lock, in memory that is used again.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}
/// The most memory that a thread keeps for its next entry.
const SCRATCH_KEPT: usize = 256 * 1024;

impl RunJournal {
    /// Adds an entry. It is on disk when a later [`RunJournal::flush`] says so, and in any case soon. Blocks while the
    /// queue is full.
    ///
    /// # Errors
    /// Fails closed: after a failed write, every append returns that failure. An entry that is itself at fault
    /// ([`StoreError::TooLarge`], [`StoreError::NotJson`]) leaves the journal usable.
    pub fn append(&self, record: &Record) -> Result<Position, StoreError> {
        self.push(record, |_| Ok(()))
    }

    /// Adds an entry where it gets the position `expected`, as [`RunJournal::append`] does: what was decided after reading
    /// up to there is written only if nothing was appended since.
    ///
    /// # Errors
    /// [`StoreError::Elsewhere`] with the position that it would have got; then nothing was appended and the journal is
    /// as good as before. Otherwise those of [`RunJournal::append`].
    pub fn append_at(&self, expected: Position, record: &Record) -> Result<(), StoreError> {
        let check = |found| match found == expected {
            true => Ok(()),
            false => Err(StoreError::Elsewhere { run: self.id.clone(), expected, found }),
        };
        self.push(record, check).map(drop)
    }

    fn push(
        &self,
        record: &Record,
        check: impl FnOnce(Position) -> Result<(), StoreError>,
    ) -> Result<Position, StoreError> {
        let queue = &self.journal.inner.queue;
        with_body(record, |body| {
            let mut state = queue.lock_with_room(body.len())?;
            check(state.slots[self.slot].next)?;
            push_row(queue, &mut state, self.slot, record, body)
        })
    }

    /// The word that everything appended to this run so far is on disk. Entries of other runs share the write.
    pub fn flush(&self) -> Flushed {
        self.journal.inner.queue.flush(|state| state.slots[self.slot].newest)
    }

    /// The run in numbers, up to its newest entry, on disk or not.
    pub fn summary(&self) -> Summary {
        self.journal.inner.queue.lock().slots[self.slot].summary
    }

    /// The position that the next entry will get.
    pub fn next_position(&self) -> Position {
        self.journal.inner.queue.lock().slots[self.slot].next
    }

    /// The run.
    pub fn id(&self) -> &RunId {
        &self.id
    }
}

/// Makes the body of `record` and hands it on.
fn with_body<T>(record: &Record, push: impl FnOnce(&Body<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
    let mut bytes = SCRATCH.take();
    bytes.clear();
    let result = stored::encode(record, &mut bytes).and_then(|()| push(&Body::of(&bytes)));
    bytes.clear();
    bytes.shrink_to(SCRATCH_KEPT);
    SCRATCH.set(bytes);
    result
}

/// The JSON of an entry, with its digest where it is kept apart.
struct Body<'a> {
    bytes: &'a [u8],
    digest: Option<Digest>,
}

impl<'a> Body<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, digest: (bytes.len() > stored::INLINE).then(|| Digest::of(bytes)) }
    }

    fn len(&self) -> usize {
        self.bytes.len()
    }
}

fn push_row(
    queue: &Queue,
    state: &mut State,
    slot: usize,
    record: &Record,
    body: &Body<'_>,
) -> Result<Position, StoreError> {
    let run = &mut state.slots[slot];
    let position = run.next;
    if position.0 > MAX_POSITION {
        return Err(StoreError::Exhausted { path: queue.path.clone() });
    }
    let task = record.task.as_ref().map(|task| push_bytes(&mut state.batch, task.as_str().as_bytes()));
    let (capability, denied) = match &record.entry {
        Entry::Action(action) => (Some(action.capability.as_str()), action.is_denied()),
        Entry::Intended(intent) => (Some(intent.capability.as_str()), false),
        _ => (None, false),
    };
    let row = Row {
        key: schema::key(run.about.number, position),
        at: record.at.0,
        kind: EntryKind::of(&record.entry).as_str(),
        task,
        attempt: record.attempt,
        capability,
        denied,
        digest: body.digest,
        body: push_bytes(&mut state.batch, body.bytes),
    };
    state.batch.rows.push(row);
    state.batch.memory.extend(Change::of(&run.about, position, record, run.is_copy));
    run.is_copy &= !matches!(record.entry, Entry::Forked { .. });
    state.appended += 1;
    run.next = Position(position.0 + 1);
    run.newest = state.appended;
    run.touched = true;
    run.summary.apply(record);
    queue.pushed(state);
    Ok(position)
}

fn push_bytes(batch: &mut Batch, bytes: &[u8]) -> Range<usize> {
    let start = batch.bytes.len();
    batch.bytes.extend_from_slice(bytes);
    start..batch.bytes.len()
}

fn add_slot(state: &mut State, about: About, next: Position, summary: Summary) -> usize {
    let slot = state.slots.len();
    state.by_id.insert(about.id.clone(), slot);
    let about = Arc::new(about);
    state.slots.push(Slot { about, next, newest: 0, summary, touched: false, is_new: false, is_copy: false });
    slot
}
