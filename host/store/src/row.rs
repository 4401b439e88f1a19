//! How runs and entries stand in their tables: their columns in order, and the sum behind them.

use crate::lease::{Epoch, Lease};
use crate::queue::{Batch, Row, RunRow};
use crate::stored::FORMAT;
use crate::sum::{self, Verdict};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, Statement, params};

pub(crate) const ENTRIES: &str = "entries";
pub(crate) const RUNS: &str = "runs";
/// Columns that a sum covers.
pub(crate) const ENTRY_COLUMNS: usize = 10;
pub(crate) const RUN_COLUMNS: usize = 8;

/// Writes a run. Its columns are the parameters 1 to 8, the sum is 9.
pub(crate) const WRITE_RUN: [&str; 2] = [
    "UPDATE runs SET id = ?2, workflow = ?3, started = ?4, state = ?5, ended = ?6, summary = ?7, unsummed = ?8, sum = ?9
     WHERE number = ?1",
    "INSERT INTO runs (number, id, workflow, started, state, ended, summary, unsummed, sum)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
];
/// Writes an entry.
pub(crate) const WRITE_ENTRY: &str =
    "INSERT INTO entries (key, at, kind, task, attempt, capability, denied, format, blob, body, sum)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";

/// Writes `columns` and their sum.
fn write(table: &str, statement: &mut Statement<'_>, columns: &[ValueRef<'_>]) -> rusqlite::Result<usize> {
    for (index, column) in columns.iter().enumerate() {
        statement.raw_bind_parameter(index + 1, ToSqlOutput::Borrowed(*column))?;
    }
    statement.raw_bind_parameter(columns.len() + 1, sum::sum(table, columns))?;
    statement.raw_execute()
}

/// Writes the entry `row` of `batch`.
pub(crate) fn write_entry(statement: &mut Statement<'_>, batch: &Batch, row: &Row) -> rusqlite::Result<()> {
    let body = &batch.bytes[row.body.clone()];
    let columns: [ValueRef<'_>; ENTRY_COLUMNS] = [
        ValueRef::Integer(row.key),
        ValueRef::Integer(row.at.cast_signed()),
        ValueRef::Text(row.kind.as_bytes()),
        row.task.clone().map_or(ValueRef::Null, |range| ValueRef::Text(&batch.bytes[range])),
        row.attempt.map_or(ValueRef::Null, |attempt| ValueRef::Integer(attempt.into())),
        row.capability.map_or(ValueRef::Null, |capability| ValueRef::Text(capability.as_bytes())),
        ValueRef::Integer(row.denied.into()),
        ValueRef::Integer(FORMAT.into()),
        row.digest.as_ref().map_or(ValueRef::Null, |digest| ValueRef::Blob(digest.as_bytes())),
        if row.digest.is_some() { ValueRef::Null } else { ValueRef::Blob(body) },
    ];
    write(ENTRIES, statement, &columns).map(drop)
}

/// Writes a run with its summary. Tells how many rows were written: one.
pub(crate) fn write_run(statement: &mut Statement<'_>, run: &RunRow) -> rusqlite::Result<usize> {
    // A summary that cannot be written is rebuilt from the entries when it is read.
    let summary = serde_json::to_string(&run.summary).unwrap_or_else(|_| "{}".to_owned());
    let state = run.summary.state.map(|state| state.to_string());
    let columns: [ValueRef<'_>; RUN_COLUMNS] = [
        ValueRef::Integer(run.about.number),
        ValueRef::Text(run.about.id.as_str().as_bytes()),
        ValueRef::Text(run.about.workflow.as_bytes()),
        ValueRef::Integer(run.about.started.cast_signed()),
        state.as_ref().map_or(ValueRef::Null, |state| ValueRef::Text(state.as_bytes())),
        run.summary.ended.map_or(ValueRef::Null, |at| ValueRef::Integer(at.0.cast_signed())),
        ValueRef::Text(summary.as_bytes()),
        ValueRef::Integer(run.about.unsummed.cast_signed()),
    ];
    write(RUNS, statement, &columns)
}

/// Gives sums to what schema 1 left: to the runs and the lease. Its entries, which may be many, stay as they are.
pub(crate) fn seal(conn: &Connection) -> rusqlite::Result<()> {
    let mut runs = conn.prepare("SELECT number, id, workflow, started, state, ended, summary, unsummed FROM runs")?;
    let mut rows = runs.query([])?;
    while let Some(row) = rows.next()? {
        let mut columns = [ValueRef::Null; RUN_COLUMNS];
        for (index, column) in columns.iter_mut().enumerate() {
            *column = row.get_ref(index)?;
        }
        let number: i64 = row.get(0)?;
        conn.execute("UPDATE runs SET sum = ?2 WHERE number = ?1", params![number, sum::sum(RUNS, &columns)])?;
    }
    let lease = conn.query_row("SELECT runs, clean FROM lease", [], |row| {
        Ok(Lease { epoch: Epoch(0), runs: row.get(0)?, clean: row.get(1)? })
    })?;
    lease.write(conn)
}

/// Whether a row may be taken for what was written. One without a sum may where `unsummed` says that schema 1 wrote it.
pub(crate) fn is_sound(verdict: Verdict, unsummed: bool) -> bool {
    match verdict {
        Verdict::Whole => true,
        Verdict::Damaged => false,
        Verdict::Unsummed => unsummed,
    }
}
