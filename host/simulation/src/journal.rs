//! The record as a process sees it whose machine can fail: the store, behind a cache that a crash empties.
//!
//! What is appended stays in the cache until a flush writes it to the store, or until there is much of it. When the process
//! dies, the store gets the cache's beginning, as much of it as chance wants; the rest is lost, as a tail.

use crate::world::Process;
use longhaul_core::entry::{Position, Record};
use longhaul_core::id::RunId;
use longhaul_core::units::Timestamp;
use longhaul_engine::ports::{BoxFuture, Journal, JournalError, Query, Records};
use longhaul_wiring::JournalPort;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Entries that wait for a flush. The store writes behind by itself, and so does this.
const CACHED: usize = 96;

pub(crate) struct SimJournal {
    process: Arc<Process>,
    run: RunId,
    store: longhaul_store::Journal,
    port: JournalPort,
    cache: Mutex<Cache>,
}

struct Cache {
    records: VecDeque<Record>,
    next: Position,
    is_full: bool,
}

impl SimJournal {
    /// The record of `run`, whose next entry will have the position `next`.
    pub(crate) fn new(
        process: &Arc<Process>,
        run: &RunId,
        store: longhaul_store::Journal,
        port: JournalPort,
        next: Position,
    ) -> Self {
        let cache = Mutex::new(Cache { records: VecDeque::new(), next, is_full: false });
        Self { process: Arc::clone(process), run: run.clone(), store, port, cache }
    }

    /// What is left of the cache when its process has ended; gives how much of it that was.
    pub(crate) fn end(&self) -> Result<usize, JournalError> {
        let left = self.lock().records.len();
        let kept = self.process.world.dice().below(left as u64 + 1);
        self.write(usize::try_from(kept).unwrap_or(0))?;
        Ok(left)
    }

    fn lock(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands the oldest `count` entries to the store and waits until they are on its disk.
    fn write(&self, count: usize) -> Result<(), JournalError> {
        let mut cache = self.lock();
        for record in cache.records.drain(..count) {
            self.port.append(&self.run, &record)?;
        }
        self.store.flush().wait().map_err(|error| JournalError::Failed(error.to_string()))
    }

    /// Whether the disk has room, and the process lives.
    fn check(&self, cache: &mut Cache) -> Result<(), JournalError> {
        if self.process.dies() {
            return Err(JournalError::Failed("the process is dead".to_owned()));
        }
        cache.is_full |= self.process.world.hits(|rates| rates.full_disks);
        if cache.is_full {
            return Err(JournalError::DiskFull("no space left on the simulated disk".to_owned()));
        }
        Ok(())
    }
}

impl Records for SimJournal {
    fn read(&self, run: &RunId, query: &Query) -> Result<Vec<(Position, Record)>, JournalError> {
        self.port.read(run, query)
    }

    fn newest(&self, run: &RunId) -> Result<Timestamp, JournalError> {
        self.port.newest(run)
    }
}

impl Journal for SimJournal {
    fn append(&self, _: &RunId, record: &Record) -> Result<Position, JournalError> {
        let (position, is_much) = {
            let mut cache = self.lock();
            self.check(&mut cache)?;
            let position = cache.next;
            cache.next = Position(position.0 + 1);
            cache.records.push_back(record.clone());
            (position, cache.records.len() > CACHED)
        };
        if is_much {
            self.write(CACHED / 2)?;
        }
        Ok(position)
    }

    fn flush(&self) -> BoxFuture<'_, Result<(), JournalError>> {
        Box::pin(async move {
            self.process.survive().await;
            let count = {
                let mut cache = self.lock();
                self.check(&mut cache)?;
                cache.records.len()
            };
            self.write(count)?;
            // What comes meanwhile is not part of it.
            self.process.moment().await;
            self.process.survive().await;
            Ok(())
        })
    }
}
