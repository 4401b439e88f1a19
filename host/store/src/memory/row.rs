//! The rows of memory: their columns in order, and the sum behind them.

use crate::error::StoreError;
use crate::sum::{self, Verdict};
use longhaul_core::memory::{MemoryScope, MemorySpace, Room};
use longhaul_core::payload::Payload;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Row, Statement};
use std::path::Path;

const SPACES: &str = "spaces";
const MEMORIES: &str = "memories";

/// The number that stands for the run of a space that belongs to none.
pub(crate) const NO_RUN: i64 = 0;

/// What distinguishes a space within its run.
pub(crate) fn name(scope: MemoryScope, of: &str) -> String {
    match scope {
        MemoryScope::Task => format!("task {of}"),
        MemoryScope::Run => "run".to_owned(),
        MemoryScope::Workflow => format!("workflow {of}"),
    }
}

/// The same of a space.
pub(crate) fn name_of(space: &MemorySpace) -> String {
    match space {
        MemorySpace::Task(_, task) => name(MemoryScope::Task, task.as_str()),
        MemorySpace::Run(_) => name(MemoryScope::Run, ""),
        MemorySpace::Workflow(workflow) => name(MemoryScope::Workflow, workflow.as_str()),
    }
}

/// A space as its row holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SpaceRow {
    pub(crate) number: i64,
    pub(crate) run: i64,
    pub(crate) name: String,
    /// What the memories take that have not ended.
    pub(crate) taken: Room,
}

impl SpaceRow {
    pub(crate) const COLUMNS: &str = "number, run, name, keys, bytes, sum";
    pub(crate) const WRITE: &str =
        "INSERT INTO spaces (number, run, name, keys, bytes, sum) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
        ON CONFLICT (number) DO UPDATE SET keys = ?4, bytes = ?5, sum = ?6";

    /// Reads a row of [`SpaceRow::COLUMNS`].
    pub(crate) fn read(row: &Row<'_>, path: &Path) -> Result<Self, StoreError> {
        let failed = |e| StoreError::from_sql(path, "reading", e);
        let (_, verdict) = sum::columns::<5>(SPACES, row).map_err(failed)?;
        let read = || -> rusqlite::Result<Self> {
            let number = |index| row.get::<_, i64>(index).map(i64::cast_unsigned);
            let taken = Room { keys: number(3)?, bytes: number(4)? };
            Ok(Self { number: row.get(0)?, run: row.get(1)?, name: row.get(2)?, taken })
        };
        match verdict {
            Verdict::Whole => read().map_err(failed),
            _ => Err(damaged(path, "a space of its memory is not as it was written")),
        }
    }

    /// Writes it by the statement [`SpaceRow::WRITE`].
    pub(crate) fn write(&self, statement: &mut Statement<'_>) -> rusqlite::Result<()> {
        let columns = [
            ValueRef::Integer(self.number),
            ValueRef::Integer(self.run),
            ValueRef::Text(self.name.as_bytes()),
            ValueRef::Integer(self.taken.keys.cast_signed()),
            ValueRef::Integer(self.taken.bytes.cast_signed()),
        ];
        write(SPACES, statement, &columns)
    }
}

/// A memory as its row holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MemoryRow {
    pub(crate) number: i64,
    pub(crate) space: i64,
    pub(crate) key: String,
    /// The key of the entry that wrote it.
    pub(crate) since: i64,
    /// The key of the entry that ended it; none where it has not ended.
    pub(crate) until: Option<i64>,
    pub(crate) value: Payload,
}

impl MemoryRow {
    pub(crate) const COLUMNS: &str = "number, space, key, since, until, value, sum";
    pub(crate) const INSERT: &str = "INSERT INTO memories (number, space, key, since, until, value, sum)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    /// Writes it in place of the row of its number.
    pub(crate) const UPDATE: &str =
        "UPDATE memories SET space = ?2, key = ?3, since = ?4, until = ?5, value = ?6, sum = ?7
        WHERE number = ?1";

    /// Reads a row of [`MemoryRow::COLUMNS`].
    pub(crate) fn read(row: &Row<'_>, path: &Path) -> Result<Self, StoreError> {
        let failed = |e| StoreError::from_sql(path, "reading", e);
        let (columns, verdict) = sum::columns::<6>(MEMORIES, row).map_err(failed)?;
        let ValueRef::Blob(value) = columns[5] else {
            return Err(damaged(path, "a memory is not as it was written"));
        };
        let read = || -> rusqlite::Result<Self> {
            let (number, space, key) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(Self { number, space, key, since: row.get(3)?, until: row.get(4)?, value: value.to_vec().into() })
        };
        match verdict {
            Verdict::Whole => read().map_err(failed),
            _ => Err(damaged(path, "a memory is not as it was written")),
        }
    }

    /// Writes it by the statement [`MemoryRow::INSERT`] or [`MemoryRow::UPDATE`].
    pub(crate) fn write(&self, statement: &mut Statement<'_>) -> rusqlite::Result<()> {
        let columns = [
            ValueRef::Integer(self.number),
            ValueRef::Integer(self.space),
            ValueRef::Text(self.key.as_bytes()),
            ValueRef::Integer(self.since),
            self.until.map_or(ValueRef::Null, ValueRef::Integer),
            ValueRef::Blob(self.value.as_bytes()),
        ];
        write(MEMORIES, statement, &columns)
    }

    /// What it takes.
    pub(crate) fn taken(&self) -> Room {
        Room::of(&self.key, self.value.len())
    }
}

/// Writes `columns` and their sum.
fn write(table: &str, statement: &mut Statement<'_>, columns: &[ValueRef<'_>]) -> rusqlite::Result<()> {
    for (index, column) in columns.iter().enumerate() {
        statement.raw_bind_parameter(index + 1, ToSqlOutput::Borrowed(*column))?;
    }
    statement.raw_bind_parameter(columns.len() + 1, sum::sum(table, columns))?;
    statement.raw_execute().map(drop)
}

pub(crate) fn damaged(path: &Path, what: &str) -> StoreError {
    StoreError::Damaged { path: path.to_owned(), detail: what.to_owned() }
}
