//! The store as what a run is resumed from.
//!
//! A try that is done again reads all its entries, page by page, and the guest works through each page as long as reading
//! it took. So the next page is read meanwhile, on a thread of its own. What was read ahead is the record as it was then, and a
//! record only grows: it can be used later as a page that ends early, but it never says that there is no more.

use crate::place::Place;
use longhaul_core::entry::{Position, Record};
use longhaul_core::id::RunId;
use longhaul_core::units::Timestamp;
use longhaul_engine::ports::{JournalError, Query, Records};
use longhaul_store::{Content, EntryKind, Filter, Reader, StoreError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Entries that are read in one go.
const PAGE: u64 = 512;
/// Most of a record; see [`Query::details`].
const DETAILS: [EntryKind; 4] = [EntryKind::Intended, EntryKind::Action, EntryKind::Log, EntryKind::Progress];
/// How many tasks are read ahead for at a time: more do not begin in one moment, and a page takes some 200 KB.
const AHEAD: usize = 4;

type Page = Vec<(Position, Record)>;

/// Reads the records of a state folder.
pub struct RecordsPort {
    reader: Arc<Mutex<Reader>>,
    place: Place,
    ahead: Mutex<Vec<Ahead>>,
}

/// A page that is being read before it is asked for.
struct Ahead {
    run: RunId,
    query: Query,
    page: JoinHandle<Result<Page, JournalError>>,
}

impl RecordsPort {
    /// The records that `reader` reads, when they are asked for.
    pub fn new(reader: Reader) -> Self {
        Self::at(reader, Place::Inline)
    }

    /// The records that `reader` reads, ahead where there are threads for it.
    pub(crate) fn at(reader: Reader, place: Place) -> Self {
        Self { reader: Arc::new(Mutex::new(reader)), place, ahead: Mutex::default() }
    }

    /// The page that was read ahead for `query`, where it is of use.
    fn read_before(&self, run: &RunId, query: &Query) -> Option<Page> {
        let ahead = {
            let mut all = lock(&self.ahead);
            let index = all.iter().position(|ahead| ahead.run == *run && ahead.query == *query)?;
            all.swap_remove(index)
        };
        // Whatever went wrong, it is found out once more by reading now.
        ahead.page.join().ok()?.ok().filter(|page| !page.is_empty())
    }

    fn read_ahead(&self, run: &RunId, query: &Query, page: &Page) {
        let is_replay = query.details && query.task.is_some();
        let Some((newest, _)) = page.last().filter(|_| is_replay && page.len() as u64 == PAGE) else { return };
        if self.place != Place::Threads {
            return;
        }
        let (run, query) = (run.clone(), Query { after: Some(*newest), ..query.clone() });
        let (reader, of, about) = (Arc::clone(&self.reader), run.clone(), query.clone());
        let thread = std::thread::Builder::new().name("read-ahead".to_owned());
        // Without a thread the page is read when it is asked for.
        if let Ok(page) = thread.spawn(move || read(&lock(&reader), &of, &about)) {
            let mut all = lock(&self.ahead);
            if all.len() == AHEAD {
                all.remove(0);
            }
            all.push(Ahead { run, query, page });
        }
    }
}

impl Records for RecordsPort {
    fn read(&self, run: &RunId, query: &Query) -> Result<Page, JournalError> {
        let page = match self.read_before(run, query) {
            Some(page) => page,
            None => read(&lock(&self.reader), run, query)?,
        };
        self.read_ahead(run, query, &page);
        Ok(page)
    }

    fn newest(&self, run: &RunId) -> Result<Timestamp, JournalError> {
        Ok(lock(&self.reader).run(run).map_err(failed)?.summary.last)
    }
}

/// A reader is not changed by reading, so one that somebody panicked with is as good as before; and so is a list of pages.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read(reader: &Reader, run: &RunId, query: &Query) -> Result<Page, JournalError> {
    let kinds = match query.details {
        true => Vec::new(),
        false => EntryKind::ALL.iter().copied().filter(|kind| !DETAILS.contains(kind)).collect(),
    };
    let filter = Filter { after: query.after, task: query.task.clone(), kinds, limit: Some(PAGE), ..Filter::default() };
    // Records are large: a page of them has its room from the start.
    let mut page = Page::with_capacity(if query.details { PAGE as usize } else { 0 });
    for line in reader.entries(run, &filter).map_err(failed)? {
        let line = line.map_err(failed)?;
        match line.content {
            Content::Known(record) => page.push((line.position, *record)),
            Content::Unknown(_) => {
                return Err(JournalError::Failed(format!(
                    "entry {} of run {run} was written by a later version; install that version to go on with the run",
                    line.position.0
                )));
            }
        }
    }
    Ok(page)
}

/// What an error of the store means to the engine.
pub(super) fn failed(error: StoreError) -> JournalError {
    if error.is_disk_full() {
        JournalError::DiskFull(error.to_string())
    } else if error.is_of_entry() {
        JournalError::Refused(error.to_string())
    } else {
        JournalError::Failed(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use longhaul_core::attempt::LogLevel;
    use longhaul_core::digest::Digest;
    use longhaul_core::entry::Entry;
    use longhaul_core::id::TaskId;
    use longhaul_store::{Journal, Options, RunJournal, StateLock};

    const LENGTH: u64 = 2_500;

    fn start(journal: &Journal) -> RunJournal {
        let entry = Entry::RunStarted {
            run: RunId::new("run-1").unwrap(),
            workflow: "test".into(),
            file: String::new(),
            source: String::new(),
            base: Digest::of(b""),
            host: String::new(),
            isolation: Vec::new(),
            inputs: serde_json::Map::new(),
            policy: None,
            seed: 0,
            apply: false,
            keep: 1,
            scripts: Default::default(),
        };
        journal.start_run(&Record { at: Timestamp(0), task: None, attempt: None, entry }).unwrap()
    }

    fn note(task: &str, number: u64) -> Record {
        let entry = Entry::Log { level: LogLevel::Info, message: number.to_string() };
        Record { at: Timestamp(number), task: Some(TaskId::new(task).unwrap()), attempt: Some(1), entry }
    }

    /// All that a chain of reads gives, and how many there were.
    fn chain(port: &RecordsPort, task: &str) -> (Vec<u64>, usize) {
        let mut query = Query { details: true, task: Some(TaskId::new(task).unwrap()), ..Query::default() };
        let (mut all, mut reads) = (Vec::new(), 0);
        loop {
            let page = port.read(&RunId::new("run-1").unwrap(), &query).unwrap();
            reads += 1;
            let Some((newest, _)) = page.last() else { return (all, reads) };
            query.after = Some(*newest);
            all.extend(page.iter().map(|(_, record)| record.at.0));
        }
    }

    #[test]
    fn what_is_read_ahead_is_what_is_read_when_it_is_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let journal =
            Journal::open(StateLock::acquire(dir.path(), Timestamp(1), "test").unwrap(), Options::default()).unwrap();
        let run = start(&journal);
        for number in 0..LENGTH {
            run.append(&note("a", number)).unwrap();
            run.append(&note("b", LENGTH + number)).unwrap();
        }
        run.flush().wait().unwrap();
        let port = |place| RecordsPort::at(Reader::open(dir.path()).unwrap(), place);
        let (threads, inline) = (port(Place::Threads), port(Place::Inline));
        assert_eq!(chain(&threads, "a").0, (0..LENGTH).collect::<Vec<_>>());
        assert_eq!(chain(&threads, "b"), chain(&inline, "b"));

        // What was begun and not gone on with is no trap for whoever reads the same later, when there is more.
        let query = Query { details: true, task: Some(TaskId::new("a").unwrap()), ..Query::default() };
        let first = threads.read(&RunId::new("run-1").unwrap(), &query).unwrap();
        assert_eq!((first.len() as u64, lock(&threads.ahead).len()), (PAGE, 1));
        for number in LENGTH..LENGTH + 10 {
            run.append(&note("a", number)).unwrap();
        }
        run.flush().wait().unwrap();
        assert_eq!(chain(&threads, "a").0, (0..LENGTH + 10).collect::<Vec<_>>());
        for _ in 0..10 {
            threads.read(&RunId::new("run-1").unwrap(), &query).unwrap();
        }
        assert!(lock(&threads.ahead).len() <= AHEAD);
        assert_eq!(lock(&inline.ahead).len(), 0);
    }
}
