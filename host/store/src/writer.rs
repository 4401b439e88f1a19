//! The one writer: a thread that puts everything queued into one transaction, again and again.
//!
//! A transaction that fails is rolled back whole and is the writer's last: what was acknowledged stays, and nothing
//! after it can be, so that no entry ever stands behind a hole. A writer whose epoch has passed fails likewise.

use crate::error::StoreError;
use crate::lease::{Epoch, Lease};
use crate::memory::MemoryWriter;
use crate::queue::{Batch, Phase, Queue};
use crate::row;
use crate::schema;
use crate::seal::Sealer;
use crate::sealing::Seals;
use rusqlite::{Connection, ErrorCode, Statement};
use std::path::Path;
use std::sync::Arc;

/// Writes until the queue is closed and empty, or a write fails.
pub(crate) fn run(conn: Connection, queue: &Arc<Queue>, epoch: Epoch, sealer: Option<Box<dyn Sealer>>) {
    /// Whatever ends the thread, nobody waits for it in vain.
    struct Guard<'a>(&'a Queue, Option<Phase>);
    impl Drop for Guard<'_> {
        fn drop(&mut self) {
            let path = self.0.path.clone();
            self.0.ended(self.1.take().unwrap_or(Phase::Failed(StoreError::Closed { path })));
        }
    }
    let mut guard = Guard(queue, None);
    let outcome = write_all(&conn, queue, epoch, sealer);
    // The lock on the state folder is released after this: by then the file is closed.
    let closed = conn.close().map_err(|(_, e)| StoreError::from_sql(&queue.path, "closing", e));
    guard.1 = Some(match outcome.and(closed) {
        Ok(()) => Phase::Closed,
        Err(error) => Phase::Failed(error),
    });
}

fn write_all(
    conn: &Connection,
    queue: &Queue,
    epoch: Epoch,
    sealer: Option<Box<dyn Sealer>>,
) -> Result<(), StoreError> {
    let mut writer = Writer::new(conn, &queue.path, epoch, sealer)?;
    let mut batch = Batch::default();
    while let Some(durable) = queue.take(&mut batch) {
        writer.write(|writer| writer.fill(&batch))?;
        queue.written(durable);
        batch.clear();
    }
    writer.write(Writer::note_clean)?;
    // Everything is on disk already; this moves it into the one file, so that a finished state folder is that file alone.
    // Where a reader or a full disk prevents it, the next opening does it.
    let _ = conn.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
    Ok(())
}

/// The connection, and the statements that are run for every batch.
struct Writer<'c> {
    conn: &'c Connection,
    path: &'c Path,
    epoch: Epoch,
    begin: Statement<'c>,
    commit: Statement<'c>,
    lease: Statement<'c>,
    entry: Statement<'c>,
    blob: Statement<'c>,
    known_run: Statement<'c>,
    new_run: Statement<'c>,
    /// None before the first entry that concerns memory.
    memory: Option<MemoryWriter<'c>>,
    /// None where the record is not sealed.
    seals: Option<Seals<'c>>,
}

impl<'c> Writer<'c> {
    fn new(
        conn: &'c Connection,
        path: &'c Path,
        epoch: Epoch,
        sealer: Option<Box<dyn Sealer>>,
    ) -> Result<Self, StoreError> {
        let prepare = |sql| conn.prepare(sql).map_err(|e| StoreError::from_sql(path, "writing", e));
        let [known_run, new_run] = row::WRITE_RUN;
        Ok(Self {
            conn,
            path,
            epoch,
            begin: prepare("BEGIN IMMEDIATE")?,
            commit: prepare("COMMIT")?,
            lease: prepare(Lease::READ)?,
            entry: prepare(row::WRITE_ENTRY)?,
            blob: prepare("INSERT INTO blobs (digest, bytes) VALUES (?1, ?2) ON CONFLICT (digest) DO NOTHING")?,
            known_run: prepare(known_run)?,
            new_run: prepare(new_run)?,
            memory: None,
            seals: sealer.map(|sealer| Seals::new(conn, path, sealer)).transpose()?,
        })
    }

    /// Does `work` in one transaction.
    fn write(&mut self, work: impl FnOnce(&mut Self) -> Result<(), StoreError>) -> Result<(), StoreError> {
        self.begin.execute([]).map_err(|e| self.failed(e))?;
        let result = work(self).and_then(|()| self.commit.execute([]).map(drop).map_err(|e| self.failed(e)));
        if result.is_err() && !self.conn.is_autocommit() {
            // The error that led here is the one to tell. Where this fails too, closing the connection rolls back.
            let _ = self.conn.execute_batch("ROLLBACK");
        }
        result
    }

    fn fill(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let lease = Lease::held(&mut self.lease, self.path, self.epoch)?;
        if let Some(seals) = &mut self.seals {
            seals.open(&batch.runs)?;
        }
        for row in &batch.rows {
            if let Some(digest) = &row.digest {
                let body = &batch.bytes[row.body.clone()];
                self.blob.execute((digest.as_bytes(), body)).map_err(|e| self.failed(e))?;
            }
            row::write_entry(&mut self.entry, batch, row).map_err(|e| self.refused(e, batch, row.key))?;
            if let Some(seals) = &mut self.seals {
                seals.entry(batch, row);
            }
        }
        let mut begun = 0;
        for run in &batch.runs {
            begun += i64::from(run.is_new);
            let statement = if run.is_new { &mut self.new_run } else { &mut self.known_run };
            if row::write_run(statement, run).map_err(|e| self.failed(e))? != 1 {
                let detail = format!("run {} is gone", run.about.id);
                return Err(StoreError::Damaged { path: self.path.to_owned(), detail });
            }
        }
        for change in &batch.memory {
            let memory = match &mut self.memory {
                Some(memory) => memory,
                none => none.insert(MemoryWriter::new(self.conn, self.path)?),
            };
            memory.apply(change)?;
        }
        if let Some(seals) = &mut self.seals {
            seals.finish(false)?;
        }
        if begun > 0 {
            let lease = Lease { runs: lease.runs + begun, ..lease };
            lease.write(self.conn).map_err(|e| self.failed(e))?;
        }
        Ok(())
    }

    /// Seals what is not sealed yet, and notes that the journal was closed in good order.
    fn note_clean(&mut self) -> Result<(), StoreError> {
        let lease = Lease::held(&mut self.lease, self.path, self.epoch)?;
        if let Some(seals) = &mut self.seals {
            seals.finish(true)?;
        }
        Lease { clean: true, ..lease }.write(self.conn).map_err(|e| self.failed(e))
    }

    fn failed(&self, error: rusqlite::Error) -> StoreError {
        StoreError::from_sql(self.path, "writing", error)
    }

    /// The entry with this key was not taken.
    fn refused(&self, error: rusqlite::Error, batch: &Batch, key: i64) -> StoreError {
        let position = schema::position(key);
        let run = batch.runs.iter().find(|run| schema::key(run.about.number, position) == key);
        match (run, error.sqlite_error_code()) {
            (Some(run), Some(ErrorCode::ConstraintViolation)) => {
                StoreError::PositionTaken { run: run.about.id.clone(), position }
            }
            _ => self.failed(error),
        }
    }
}
