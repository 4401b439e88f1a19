//! The reading side: a run's entries, page by page. It needs no lock and never writes.
//!
//! What is read is checked: a row that is not as it was written, or that is not there, is [`StoreError::Damaged`], with run and
//! position. So is every entry on the way, wanted or not, unless its kind is not wanted: of those it is checked that they are there.

use crate::error::StoreError;
use crate::row::{self, ENTRIES, ENTRY_COLUMNS};
use crate::schema;
use crate::stored::{self, Content, EntryKind, Line};
use crate::sum;
use crate::summary::Summary;
use longhaul_core::digest::Digest;
use longhaul_core::entry::Position;
use longhaul_core::grant::Capability;
use longhaul_core::id::{RunId, TaskId};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};

/// Entries taken at a time: enough that a query's own cost vanishes, few enough that memory does not matter.
const PAGE: u64 = 256;
/// Entries looked at in one query, so that none holds up the journal's housekeeping for long.
const SCAN: u64 = 16 * 1024;
/// The same where some are passed over: what is looked at twice then is in SQLite's own memory the second time.
const SKIP: u64 = 4 * 1024;

/// Reads the journal of a state folder.
pub struct Reader {
    pub(crate) conn: Connection,
    pub(crate) path: PathBuf,
    /// The version of its schema when it was opened.
    pub(crate) schema: usize,
}

/// Which entries are wanted. The default is all of them.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Those of this task.
    pub task: Option<TaskId>,
    /// Those of the attempts with this number.
    pub attempt: Option<u32>,
    /// Those of these kinds; empty for all kinds.
    pub kinds: Vec<EntryKind>,
    /// Actions with this capability, and intents to make them.
    pub capability: Option<Capability>,
    /// Actions that were refused.
    pub denied: bool,
    /// Those behind this position.
    pub after: Option<Position>,
    /// The first so many.
    pub limit: Option<u64>,
}

impl Filter {
    fn wants(&self, columns: &[ValueRef<'_>; ENTRY_COLUMNS]) -> bool {
        let [_, _, kind, task, attempt, capability, denied, ..] = *columns;
        let text = |text: &'static str| ValueRef::Text(text.as_bytes());
        (self.kinds.is_empty() || self.kinds.iter().any(|wanted| kind == text(wanted.as_str())))
            && self.task.as_ref().is_none_or(|wanted| task == ValueRef::Text(wanted.as_str().as_bytes()))
            && self.attempt.is_none_or(|wanted| attempt == ValueRef::Integer(wanted.into()))
            && self.capability.is_none_or(|wanted| capability == text(wanted.as_str()))
            && (!self.denied || denied == ValueRef::Integer(1))
    }
}

impl Reader {
    /// Opens the journal of a state folder.
    ///
    /// # Errors
    /// [`StoreError::Missing`] where nothing was run there, and the ways in which a file can be no readable journal.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let path = schema::journal_path(folder);
        let (conn, schema) = schema::open_for_reading(&path)?;
        Ok(Self { conn, path, schema })
    }

    /// The entries of a run that `filter` wants, in order. They are read page by page, so that a journal of any length
    /// costs little memory; entries appended meanwhile are read too. To follow a run, ask again after the last position.
    ///
    /// # Errors
    /// [`StoreError::NoSuchRun`]. What cannot be read later is an item of the iterator, and its last.
    pub fn entries(&self, run: &RunId, filter: &Filter) -> Result<Entries<'_>, StoreError> {
        let found = self.require(run)?;
        Ok(Entries {
            reader: self,
            run: run.clone(),
            number: found.number,
            unsummed: found.unsummed,
            counted: found.counted(),
            next: filter.after.map_or(0, |after| after.0.saturating_add(1)),
            left: filter.limit.unwrap_or(u64::MAX),
            filter: filter.clone(),
            page: VecDeque::new(),
            failure: None,
            ended: false,
        })
    }

    /// The bytes of one entry, exactly as they were written; none where there is no such entry.
    ///
    /// # Errors
    /// [`StoreError::NoSuchRun`], or the failure to read it.
    pub fn read_raw(&self, run: &RunId, position: Position) -> Result<Option<Vec<u8>>, StoreError> {
        let after = position.0.checked_sub(1).map(Position);
        let line = self.entries(run, &Filter { after, limit: Some(1), ..Filter::default() })?.next().transpose()?;
        Ok(line.map(|line| line.body))
    }

    /// A run's summary, made from its entries alone.
    ///
    /// # Errors
    /// [`StoreError::NoSuchRun`], or the failure to read an entry.
    pub fn rebuild_summary(&self, run: &RunId) -> Result<Summary, StoreError> {
        let mut summary = Summary::default();
        for line in self.entries(run, &Filter::default())? {
            match line?.content {
                Content::Known(record) => summary.apply(&record),
                Content::Unknown(_) => summary.apply_unknown(),
            }
        }
        Ok(summary)
    }

    pub(crate) fn next_position(&self, number: i64) -> Result<Position, StoreError> {
        let sql = "SELECT max(key) FROM entries WHERE key BETWEEN ?1 AND ?2";
        let bounds = [schema::key(number, Position(0)), schema::key(number, Position(schema::MAX_POSITION))];
        let key: Option<i64> = self.conn.query_row(sql, bounds, |row| row.get(0)).map_err(|e| self.failed(e))?;
        Ok(key.map_or(Position(0), |key| Position(schema::position(key).0 + 1)))
    }

    /// The content that is kept apart under `digest`.
    fn blob(&self, digest: &[u8]) -> Result<Result<Vec<u8>, &'static str>, rusqlite::Error> {
        let mut statement = self.conn.prepare("SELECT bytes FROM blobs WHERE digest = ?1")?;
        let bytes: Option<Vec<u8>> = statement.query_row([digest], |row| row.get(0)).optional()?;
        Ok(match bytes {
            Some(bytes) if Digest::of(&bytes).as_bytes() == digest => Ok(bytes),
            Some(_) => Err("its content is not as it was written"),
            None => Err("its content is gone"),
        })
    }

    pub(crate) fn failed(&self, error: rusqlite::Error) -> StoreError {
        StoreError::from_sql(&self.path, "reading", error)
    }

    pub(crate) fn damage(&self, detail: &str) -> StoreError {
        StoreError::Damaged { path: self.path.clone(), detail: detail.to_owned() }
    }
}

/// The entries of a run, in order; see [`Reader::entries`].
pub struct Entries<'r> {
    reader: &'r Reader,
    run: RunId,
    number: i64,
    unsummed: u64,
    /// There are at least this many entries.
    counted: u64,
    filter: Filter,
    /// The position that is read next.
    next: u64,
    left: u64,
    page: VecDeque<(Position, u32, Vec<u8>)>,
    /// What is wrong behind the page.
    failure: Option<StoreError>,
    ended: bool,
}

impl Entries<'_> {
    fn fill(&mut self) -> Result<(), StoreError> {
        let wanted = self.left.min(PAGE);
        if wanted == 0 || self.next > schema::MAX_POSITION {
            self.ended = true;
            return Ok(());
        }
        let reader = self.reader;
        // All that is asked below is as of one moment.
        let _moment = reader.moment().map_err(|e| reader.failed(e))?;
        let first = self.next;
        let behind = first.saturating_add(if self.skips() { SKIP } else { SCAN }).min(schema::MAX_POSITION + 1);
        self.scan([first, behind - 1], wanted)?;
        let end = if self.page.len() as u64 == wanted { self.next } else { behind };
        if self.skips() {
            self.next = first + self.contiguous([first, end - 1])?;
        }
        self.left -= self.page.len() as u64;
        if self.next < end {
            self.ended = true;
            if self.next < self.counted {
                return Err(self.damaged("it is gone"));
            }
        }
        Ok(())
    }

    /// Checks the entries at these positions, and takes those that are wanted, up to so many. Kinds that are known and not wanted are
    /// passed over unseen, which costs a tenth; a kind that is not as it was written is none of those.
    fn scan(&mut self, bounds: [u64; 2], wanted: u64) -> Result<(), StoreError> {
        let reader = self.reader;
        // The query must not lose a row whose kind is damaged: that is no kind, or nothing at all.
        let sum = if reader.schema >= schema::SUMMED { "sum" } else { "NULL" };
        let is_unwanted = |kind: &&EntryKind| self.skips() && !self.filter.kinds.contains(kind);
        let unwanted: Vec<_> = EntryKind::ALL.iter().filter(is_unwanted).map(|kind| format!("'{kind}'")).collect();
        let sql = format!(
            "SELECT key, at, kind, task, attempt, capability, denied, format, blob, body, {sum}
             FROM entries WHERE key BETWEEN ?1 AND ?2 AND (kind IN ({})) IS NOT TRUE ORDER BY key",
            unwanted.join(", ")
        );
        let failed = |e| reader.failed(e);
        let mut statement = reader.conn.prepare(&sql).map_err(failed)?;
        let mut rows = statement.query(self.keys(bounds)).map_err(failed)?;
        while (self.page.len() as u64) < wanted
            && let Some(row) = rows.next().map_err(failed)?
        {
            self.read(row)?;
        }
        Ok(())
    }

    /// Whether entries of some kinds are passed over unseen.
    fn skips(&self) -> bool {
        !self.filter.kinds.is_empty()
    }

    /// How many of these positions have an entry before the first that has none.
    fn contiguous(&self, bounds: [u64; 2]) -> Result<u64, StoreError> {
        // A damaged page can stand in the place of another, so that one key is there twice and another is not: sums tell.
        let sql =
            "SELECT count(*), total(key - ?1), total((key - ?1) * (key - ?1)) FROM entries WHERE key BETWEEN ?1 AND ?2";
        let reader = self.reader;
        let failed = |e| reader.failed(e);
        let read = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, f64>(1)?, row.get::<_, f64>(2)?));
        let (count, sum, squares) = reader.conn.query_row(sql, self.keys(bounds), read).map_err(failed)?;
        // All of these are far below what a float holds exactly.
        let n = count as f64;
        if sum == n * (n - 1.0) / 2.0 && squares == (n - 1.0) * n * (2.0 * n - 1.0) / 6.0 {
            return Ok(count.cast_unsigned());
        }
        let mut statement =
            reader.conn.prepare("SELECT key FROM entries WHERE key BETWEEN ?1 AND ?2").map_err(failed)?;
        let mut keys = statement.query(self.keys(bounds)).map_err(failed)?;
        let mut found = 0;
        while let Some(row) = keys.next().map_err(failed)? {
            if row.get::<_, i64>(0).map_err(failed)? != self.keys([bounds[0] + found; 2])[0] {
                break;
            }
            found += 1;
        }
        Ok(found)
    }

    fn keys(&self, positions: [u64; 2]) -> [i64; 2] {
        positions.map(|position| schema::key(self.number, Position(position)))
    }

    /// Checks an entry, and takes it where it is wanted.
    fn read(&mut self, row: &Row<'_>) -> Result<(), StoreError> {
        let reader = self.reader;
        let failed = |e| reader.failed(e);
        let key: i64 = row.get(0).map_err(failed)?;
        // Where kinds are passed over, what lies between is looked at afterwards.
        let is_next = key == self.keys([self.next; 2])[0] || (self.skips() && key > self.keys([self.next; 2])[0]);
        if !is_next {
            return Err(self.damaged("it is gone"));
        }
        self.next = schema::position(key).0;
        let (columns, verdict) = sum::columns::<ENTRY_COLUMNS>(ENTRIES, row).map_err(failed)?;
        if !row::is_sound(verdict, self.next < self.unsummed) {
            return Err(self.damaged("it is not as it was written"));
        }
        if self.filter.wants(&columns) {
            let body = match (columns[8], columns[9]) {
                (ValueRef::Null, ValueRef::Blob(body)) => Ok(body.to_vec()),
                (ValueRef::Blob(digest), ValueRef::Null) => reader.blob(digest).map_err(failed)?,
                _ => Err("its content is gone"),
            };
            let format = row.get(7).map_err(failed)?;
            self.page.push_back((Position(self.next), format, body.map_err(|what| self.damaged(what))?));
        }
        self.next += 1;
        Ok(())
    }

    /// The entry at the next position is damaged.
    fn damaged(&self, what: &str) -> StoreError {
        self.damaged_at(Position(self.next), what)
    }

    fn damaged_at(&self, position: Position, what: &str) -> StoreError {
        self.reader.damage(&format!("entry {} of run {}: {what}", position.0, self.run))
    }

    fn fail(&mut self, error: StoreError) -> Option<Result<Line, StoreError>> {
        self.ended = true;
        self.page.clear();
        Some(Err(error))
    }
}

impl Iterator for Entries<'_> {
    type Item = Result<Line, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.page.is_empty() {
            if let Some(error) = self.failure.take() {
                return self.fail(error);
            }
            if self.ended {
                return None;
            }
            // What was read before the damage is handed out before it is told.
            self.failure = self.fill().err();
        }
        let (position, format, body) = self.page.pop_front()?;
        match stored::decode(&body) {
            Ok(content) => Some(Ok(Line { position, format, body, content })),
            Err(error) => self.fail(self.damaged_at(position, &format!("it is not JSON ({error})"))),
        }
    }
}
