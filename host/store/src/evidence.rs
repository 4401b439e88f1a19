//! The record as evidence: its bytes and heads as they stand in the file, for whoever verifies them.
//!
//! A [`Reader`] of entries stops at the first damage, because what stands behind it cannot be relied on. Here nothing is relied on: all that can
//! be read is handed out, with the word whether it is as it was written.

use crate::error::StoreError;
use crate::reader::Reader;
use crate::row::{self, ENTRIES, ENTRY_COLUMNS};
use crate::schema;
use crate::sealing::{ENTRIES_OF_LOG, HEAD_COLUMNS, HEADS, LOG, LOG_COLUMNS};
use crate::sum;
use longhaul_core::digest::Digest;
use longhaul_core::entry::Position;
use longhaul_core::id::RunId;
use rusqlite::Row;
use rusqlite::types::ValueRef;
use std::collections::VecDeque;

/// Rows taken at a time.
const PAGE: u64 = 1024;

/// One row of a record: an entry, or a head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raw {
    /// The position of an entry; how many entries a head covers.
    pub at: Position,
    /// The bytes of an entry as they were hashed, or the note of a head. Empty where they are gone.
    pub bytes: Vec<u8>,
    /// Whether the row is as it was written, as far as its check sum tells. A forger can make that; a head cannot be made.
    pub is_sound: bool,
}

/// Which record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of<'a> {
    /// The entries of a run.
    Run(&'a RunId),
    /// The log of the heads of all runs.
    Log,
}

impl Reader {
    /// Whether the journal has heads at all; a journal that an earlier version wrote has none before it was written to again.
    pub fn is_sealed(&self) -> bool {
        self.schema >= schema::SEALED
    }

    /// What is read until this is dropped is read as of one moment, also while somebody writes.
    ///
    /// # Errors
    /// [`StoreError`] where the journal cannot be read.
    pub fn hold_still(&self) -> Result<Moment<'_>, StoreError> {
        let transaction = self.conn.unchecked_transaction().map_err(|e| self.failed(e))?;
        // The moment is that of the first look.
        transaction.query_row("SELECT count(*) FROM lease", [], |_| Ok(())).map_err(|e| self.failed(e))?;
        Ok(Moment { _transaction: transaction })
    }

    /// All entries of a record, in order, damaged ones too.
    ///
    /// # Errors
    /// [`StoreError::NoSuchRun`]. What cannot be read later is an item of the iterator, and its last.
    pub fn raw_entries(&self, of: Of<'_>) -> Result<RawRows<'_>, StoreError> {
        let (table, number, unsummed) = match of {
            Of::Run(run) => {
                let found = self.require(run)?;
                (Table::Entries, found.number, found.unsummed)
            }
            Of::Log => (Table::Log, LOG, 0),
        };
        Ok(RawRows::new(self, table, number, unsummed))
    }

    /// All heads of a record, the smallest first.
    ///
    /// # Errors
    /// As [`Reader::raw_entries`].
    pub fn raw_heads(&self, of: Of<'_>) -> Result<RawRows<'_>, StoreError> {
        let number = match of {
            Of::Run(run) => self.require(run)?.number,
            Of::Log => LOG,
        };
        Ok(RawRows::new(self, Table::Heads, number, 0))
    }
}

/// As long as it lives a [`Reader`] sees one moment.
pub struct Moment<'r> {
    _transaction: rusqlite::Transaction<'r>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Table {
    Entries,
    Heads,
    Log,
}

/// Rows of a record, read page by page.
pub struct RawRows<'r> {
    reader: &'r Reader,
    table: Table,
    number: i64,
    /// Entries before this position may be without a sum.
    unsummed: u64,
    /// Where the next page begins.
    next: u64,
    page: VecDeque<Raw>,
    has_ended: bool,
}

impl<'r> RawRows<'r> {
    fn new(reader: &'r Reader, table: Table, number: i64, unsummed: u64) -> Self {
        let has_ended = table != Table::Entries && !reader.is_sealed();
        Self { reader, table, number, unsummed, next: 0, page: VecDeque::new(), has_ended }
    }

    fn fill(&mut self) -> rusqlite::Result<()> {
        let key = |position| schema::key(self.number, Position(position));
        let (sql, from, to) = match self.table {
            Table::Entries => (
                "SELECT e.key, e.at, e.kind, e.task, e.attempt, e.capability, e.denied, e.format, e.blob, e.body, e.sum, b.bytes
                 FROM entries AS e LEFT JOIN blobs AS b ON b.digest = e.blob
                 WHERE e.key BETWEEN ?1 AND ?2 ORDER BY e.key LIMIT ?3",
                key(self.next),
                key(schema::MAX_POSITION),
            ),
            Table::Heads => (
                "SELECT record, size, note, sum FROM heads WHERE record = ?2 AND size >= ?1 ORDER BY size LIMIT ?3",
                self.next.cast_signed(),
                self.number,
            ),
            Table::Log => (
                "SELECT position, body, sum FROM log WHERE position BETWEEN ?1 AND ?2 ORDER BY position LIMIT ?3",
                self.next.cast_signed(),
                i64::MAX,
            ),
        };
        let mut statement = self.reader.conn.prepare(sql)?;
        let mut rows = statement.query([from, to, PAGE.cast_signed()])?;
        while let Some(row) = rows.next()? {
            let raw = match self.table {
                Table::Entries => entry(row, self.unsummed)?,
                Table::Heads => head(row)?,
                Table::Log => of_log(row)?,
            };
            self.page.push_back(raw);
        }
        match self.page.back() {
            Some(last) => self.next = last.at.0.saturating_add(1),
            None => self.has_ended = true,
        }
        Ok(())
    }
}

impl Iterator for RawRows<'_> {
    type Item = Result<Raw, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.page.is_empty()
            && !self.has_ended
            && let Err(error) = self.fill()
        {
            self.has_ended = true;
            return Some(Err(self.reader.failed(error)));
        }
        self.page.pop_front().map(Ok)
    }
}

fn entry(row: &Row<'_>, unsummed: u64) -> rusqlite::Result<Raw> {
    let at = schema::position(row.get(0)?);
    let (columns, verdict) = sum::columns::<ENTRY_COLUMNS>(ENTRIES, row)?;
    let is_sound = row::is_sound(verdict, at.0 < unsummed);
    let (bytes, is_whole) = match (columns[8], columns[9], row.get_ref(11)?) {
        (_, ValueRef::Blob(body), _) => (body.to_vec(), true),
        // The row's sum covers the digest of what is kept apart, and that covers the rest.
        (ValueRef::Blob(digest), _, ValueRef::Blob(body)) => (body.to_vec(), Digest::of(body).as_bytes() == digest),
        _ => (Vec::new(), false),
    };
    Ok(Raw { at, bytes, is_sound: is_sound && is_whole })
}

fn head(row: &Row<'_>) -> rusqlite::Result<Raw> {
    let (columns, verdict) = sum::columns::<HEAD_COLUMNS>(HEADS, row)?;
    Ok(Raw { at: Position(number(columns[1])), bytes: bytes(columns[2]), is_sound: verdict == sum::Verdict::Whole })
}

fn of_log(row: &Row<'_>) -> rusqlite::Result<Raw> {
    let (columns, verdict) = sum::columns::<LOG_COLUMNS>(ENTRIES_OF_LOG, row)?;
    Ok(Raw { at: Position(number(columns[0])), bytes: bytes(columns[1]), is_sound: verdict == sum::Verdict::Whole })
}

fn number(column: ValueRef<'_>) -> u64 {
    column.as_i64().unwrap_or_default().cast_unsigned()
}

fn bytes(column: ValueRef<'_>) -> Vec<u8> {
    column.as_blob().unwrap_or_default().to_vec()
}
