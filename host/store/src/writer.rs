//! The one writer: a thread that puts everything queued into one transaction, again and again.
//!
//! A transaction that fails is rolled back whole and is the writer's last: what was acknowledged stays, and nothing
//! after it can be, so that no entry ever stands behind a hole.

use crate::error::StoreError;
use crate::queue::{Batch, Phase, Queue};
use crate::schema;
use crate::stored::FORMAT;
use crate::summary::Summary;
use rusqlite::{Connection, ErrorCode, Statement, params};
use std::sync::Arc;

/// Writes until the queue is closed and empty, or a write fails.
pub(crate) fn run(conn: Connection, queue: &Arc<Queue>) {
    /// Whatever ends the thread, nobody waits for it in vain.
    struct Guard<'a>(&'a Queue, Option<Phase>);
    impl Drop for Guard<'_> {
        fn drop(&mut self) {
            let path = self.0.path.clone();
            self.0.ended(self.1.take().unwrap_or(Phase::Failed(StoreError::Closed { path })));
        }
    }
    let mut guard = Guard(queue, None);
    let outcome = write_all(&conn, queue);
    // The lock on the state folder is released after this: by then the file is closed.
    let closed = conn.close().map_err(|(_, e)| StoreError::from_sql(&queue.path, "closing", e));
    guard.1 = Some(match outcome.and(closed) {
        Ok(()) => Phase::Closed,
        Err(error) => Phase::Failed(error),
    });
}

fn write_all(conn: &Connection, queue: &Queue) -> Result<(), StoreError> {
    let failed = |e| StoreError::from_sql(&queue.path, "writing", e);
    let mut statements = Statements::new(conn).map_err(failed)?;
    let mut batch = Batch::default();
    let mut first = true;
    while let Some(durable) = queue.take(&mut batch) {
        let written = statements.write(conn, &batch, std::mem::take(&mut first));
        written.map_err(|error| error.told(&batch, queue))?;
        queue.written(durable);
        batch.clear();
    }
    if !first {
        schema::note_clean(conn, true).map_err(failed)?;
    }
    // Everything is on disk already; this moves it into the one file, so that a finished state folder is that file alone.
    // Where a reader or a full disk prevents it, the next opening does it.
    let _ = conn.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
    Ok(())
}

/// What failed, and at which row where it was one.
struct WriteError {
    row: Option<usize>,
    error: rusqlite::Error,
}

impl From<rusqlite::Error> for WriteError {
    fn from(error: rusqlite::Error) -> Self {
        Self { row: None, error }
    }
}

impl WriteError {
    fn told(self, batch: &Batch, queue: &Queue) -> StoreError {
        let row = self.row.map(|index| &batch.rows[index]);
        match (row, self.error.sqlite_error_code()) {
            (Some(row), Some(ErrorCode::ConstraintViolation)) => StoreError::PositionTaken {
                run: queue.lock().slots[row.run].id.clone(),
                position: schema::position(row.key),
            },
            _ => StoreError::from_sql(&queue.path, "writing", self.error),
        }
    }
}

/// The statements that are run for every batch.
struct Statements<'c> {
    begin: Statement<'c>,
    commit: Statement<'c>,
    run: Statement<'c>,
    entry: Statement<'c>,
    blob: Statement<'c>,
    summary: Statement<'c>,
}

impl<'c> Statements<'c> {
    fn new(conn: &'c Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            begin: conn.prepare("BEGIN IMMEDIATE")?,
            commit: conn.prepare("COMMIT")?,
            run: conn
                .prepare("INSERT INTO runs (number, id, workflow, started, summary) VALUES (?1, ?2, ?3, ?4, '{}')")?,
            entry: conn.prepare(
                "INSERT INTO entries (key, at, kind, task, attempt, capability, denied, format, blob, body)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?,
            blob: conn.prepare("INSERT INTO blobs (digest, bytes) VALUES (?1, ?2) ON CONFLICT (digest) DO NOTHING")?,
            summary: conn.prepare("UPDATE runs SET state = ?2, ended = ?3, summary = ?4 WHERE number = ?1")?,
        })
    }

    fn write(&mut self, conn: &Connection, batch: &Batch, first: bool) -> Result<(), WriteError> {
        self.begin.execute([])?;
        let result = self.fill(conn, batch, first).and_then(|()| Ok(self.commit.execute([]).map(drop)?));
        if result.is_err() && !conn.is_autocommit() {
            // The error that led here is the one to tell. Where this fails too, closing the connection rolls back.
            let _ = conn.execute_batch("ROLLBACK");
        }
        result
    }

    fn fill(&mut self, conn: &Connection, batch: &Batch, first: bool) -> Result<(), WriteError> {
        if first {
            schema::note_clean(conn, false)?;
        }
        for run in &batch.new_runs {
            self.run.execute(params![run.number, run.id.as_str(), run.workflow, run.started.cast_signed()])?;
        }
        for (index, row) in batch.rows.iter().enumerate() {
            let body = &batch.bytes[row.body.clone()];
            let digest = row.digest.as_ref().map(|digest| digest.as_bytes().as_slice());
            if let Some(digest) = digest {
                self.blob.execute(params![digest, body])?;
            }
            let task = row.task.clone().map(|range| str::from_utf8(&batch.bytes[range]).unwrap_or_default());
            self.entry
                .execute(params![
                    row.key,
                    row.at.cast_signed(),
                    row.kind,
                    task,
                    row.attempt,
                    row.capability,
                    row.denied,
                    FORMAT,
                    digest,
                    digest.is_none().then_some(body),
                ])
                .map_err(|error| WriteError { row: Some(index), error })?;
        }
        for (number, summary) in &batch.summaries {
            let Columns { state, ended, text } = Columns::of(summary);
            self.summary.execute(params![number, state, ended, text])?;
        }
        Ok(())
    }
}

/// A summary as its run's row holds it.
struct Columns {
    state: Option<String>,
    ended: Option<i64>,
    text: String,
}

impl Columns {
    fn of(summary: &Summary) -> Self {
        Self {
            state: summary.state.map(|state| state.to_string()),
            ended: summary.ended.map(|at| at.0.cast_signed()),
            // A summary that cannot be written is rebuilt from the entries when it is read.
            text: serde_json::to_string(summary).unwrap_or_else(|_| "{}".to_owned()),
        }
    }
}
