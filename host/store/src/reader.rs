//! The reading side: runs, a run's summary, its entries page by page. It needs no lock and never writes.
//!
//! What is read is checked: a row that does not make sense is [`StoreError::Damaged`], with run and position.

use crate::error::StoreError;
use crate::schema;
use crate::stored::{self, Content, EntryKind, Line};
use crate::summary::Summary;
use longhaul_core::entry::Position;
use longhaul_core::grant::Capability;
use longhaul_core::id::{RunId, TaskId};
use longhaul_core::units::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};

/// Rows read at a time: enough that a query's own cost vanishes, few enough that memory does not matter.
const PAGE: u64 = 256;
/// Candidates named when a prefix fits several runs.
const CANDIDATES: usize = 8;

/// Reads the journal of a state folder.
pub struct Reader {
    conn: Connection,
    path: PathBuf,
}

/// A run, as listings show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunInfo {
    /// Its id.
    pub id: RunId,
    /// The workflow's name.
    pub workflow: String,
    /// When it began.
    pub started: Timestamp,
    /// The run in numbers. A run that is not final and whose state folder nobody holds was interrupted.
    pub summary: Summary,
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
    /// Actions with this capability.
    pub capability: Option<Capability>,
    /// Actions that were refused.
    pub denied: bool,
    /// Those behind this position.
    pub after: Option<Position>,
    /// The first so many.
    pub limit: Option<u64>,
}

/// A `RUN` on the command line that names no run.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ResolveError {
    /// There are no runs.
    #[error("there are no runs yet; start one with `longhaul run WORKFLOW`")]
    NoRuns,
    /// None fits.
    #[error("no run is called `{given}` or begins like it; `longhaul runs` lists them")]
    NoneFits {
        /// What was given, at most 80 characters of it.
        given: String,
    },
    /// Several fit.
    #[error("`{given}` fits several runs: {}; give more of its id", show(.candidates))]
    Ambiguous {
        /// What was given.
        given: String,
        /// Runs that it fits, newest first; not all of them where there are many.
        candidates: Vec<RunId>,
    },
    /// The journal cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn show(candidates: &[RunId]) -> String {
    let names: Vec<_> = candidates.iter().take(CANDIDATES).map(RunId::as_str).collect();
    let more = if candidates.len() > CANDIDATES { " …" } else { "" };
    format!("{}{more}", names.join(", "))
}

/// A run as its row holds it.
pub(crate) struct Found {
    pub(crate) number: i64,
    pub(crate) id: String,
    pub(crate) workflow: String,
    pub(crate) started: i64,
    /// None where it cannot be read: the entries say it too.
    pub(crate) summary: Option<Summary>,
}

const COLUMNS: &str = "number, id, workflow, started, summary";

impl Found {
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        let text: String = row.get(4)?;
        Ok(Self {
            number: row.get(0)?,
            id: row.get(1)?,
            workflow: row.get(2)?,
            started: row.get(3)?,
            summary: serde_json::from_str(&text).ok(),
        })
    }
}

impl Reader {
    /// Opens the journal of a state folder.
    ///
    /// # Errors
    /// [`StoreError::Missing`] where nothing was run there, and the ways in which a file can be no readable journal.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let path = schema::journal_path(folder);
        Ok(Self { conn: schema::open_for_reading(&path)?, path })
    }

    /// All runs, newest first.
    ///
    /// # Errors
    /// [`StoreError`] where they cannot be read.
    pub fn runs(&self) -> Result<Vec<RunInfo>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM runs ORDER BY started DESC, number DESC");
        let mut statement = self.conn.prepare(&sql).map_err(|e| self.failed(e))?;
        let rows = statement.query_map([], Found::of).map_err(|e| self.failed(e))?;
        rows.map(|row| self.info(row.map_err(|e| self.failed(e))?)).collect()
    }

    /// One run.
    ///
    /// # Errors
    /// [`StoreError::NoSuchRun`], or the failure to read it.
    pub fn run(&self, run: &RunId) -> Result<RunInfo, StoreError> {
        self.info(self.require(run)?)
    }

    /// The run that `given` means: its id, an unambiguous beginning of it, or `last` for the one that was started last.
    ///
    /// # Errors
    /// [`ResolveError`] where it means none or several.
    pub fn resolve(&self, given: &str) -> Result<RunId, ResolveError> {
        let none = || ResolveError::NoneFits { given: given.chars().take(80).collect() };
        if given == "last" {
            let sql = format!("SELECT {COLUMNS} FROM runs ORDER BY started DESC, number DESC LIMIT 1");
            let newest = self.conn.query_row(&sql, [], Found::of).optional().map_err(|e| self.failed(e))?;
            return Ok(self.info(newest.ok_or(ResolveError::NoRuns)?)?.id);
        }
        let prefix = RunId::new(given).map_err(|_| none())?;
        if let Some(found) = self.find(&prefix)? {
            return Ok(self.info(found)?.id);
        }
        // Ids are of lower-case letters, digits and `-`; `{` is the character after `z`.
        let sql = "SELECT id FROM runs WHERE id >= ?1 AND id < ?1 || '{' ORDER BY started DESC, number DESC LIMIT ?2";
        let mut statement = self.conn.prepare(sql).map_err(|e| self.failed(e))?;
        let rows = statement.query_map(params![prefix.as_str(), CANDIDATES as i64 + 1], |row| row.get::<_, String>(0));
        let mut candidates = Vec::new();
        for row in rows.map_err(|e| self.failed(e))? {
            candidates.push(self.id(row.map_err(|e| self.failed(e))?)?);
        }
        match candidates.len() {
            0 => Err(none()),
            1 => Ok(candidates.remove(0)),
            _ => Err(ResolveError::Ambiguous { given: given.to_owned(), candidates }),
        }
    }

    /// The entries of a run that `filter` wants, in order. They are read page by page, so that a journal of any length
    /// costs little memory; entries appended meanwhile are read too. To follow a run, ask again after the last position.
    ///
    /// # Errors
    /// [`StoreError::NoSuchRun`]. What cannot be read later is an item of the iterator, and its last.
    pub fn entries(&self, run: &RunId, filter: &Filter) -> Result<Entries<'_>, StoreError> {
        let number = self.require(run)?.number;
        let mut sql = String::from(
            "SELECT e.key, e.format, coalesce(e.body, (SELECT bytes FROM blobs WHERE digest = e.blob))
             FROM entries AS e WHERE e.key > ? AND e.key <= ?",
        );
        let mut fixed = Vec::new();
        if let Some(task) = &filter.task {
            sql.push_str(" AND e.task = ?");
            fixed.push(Value::from(task.as_str().to_owned()));
        }
        if let Some(attempt) = filter.attempt {
            sql.push_str(" AND e.attempt = ?");
            fixed.push(Value::from(attempt));
        }
        if let Some(capability) = filter.capability {
            sql.push_str(" AND e.capability = ?");
            fixed.push(Value::from(capability.as_str().to_owned()));
        }
        if filter.denied {
            sql.push_str(" AND e.denied = 1");
        }
        if !filter.kinds.is_empty() {
            let marks = vec!["?"; filter.kinds.len()].join(", ");
            sql.push_str(&format!(" AND e.kind IN ({marks})"));
            fixed.extend(filter.kinds.iter().map(|kind| Value::from(kind.as_str().to_owned())));
        }
        sql.push_str(" ORDER BY e.key LIMIT ?");
        let first = schema::key(number, Position(0));
        Ok(Entries {
            reader: self,
            run: run.clone(),
            sql,
            fixed,
            after: filter.after.map_or(first - 1, |p| schema::key(number, Position(p.0.min(schema::MAX_POSITION)))),
            last: schema::key(number, Position(schema::MAX_POSITION)),
            left: filter.limit.unwrap_or(u64::MAX),
            page: VecDeque::new(),
            ended: false,
        })
    }

    /// The bytes of one entry, exactly as they were written; none where there is no such entry.
    ///
    /// # Errors
    /// [`StoreError::NoSuchRun`], or the failure to read it.
    pub fn read_raw(&self, run: &RunId, position: Position) -> Result<Option<Vec<u8>>, StoreError> {
        let number = self.require(run)?.number;
        if position.0 > schema::MAX_POSITION {
            return Ok(None);
        }
        let sql = "SELECT coalesce(e.body, (SELECT bytes FROM blobs WHERE digest = e.blob)) FROM entries AS e WHERE e.key = ?1";
        let body: Option<Option<Vec<u8>>> = self
            .conn
            .query_row(sql, [schema::key(number, position)], |row| row.get(0))
            .optional()
            .map_err(|e| self.failed(e))?;
        body.map(|body| body.ok_or_else(|| self.damaged(run, position, "its content is gone"))).transpose()
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

    pub(crate) fn find(&self, run: &RunId) -> Result<Option<Found>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM runs WHERE id = ?1");
        self.conn.query_row(&sql, [run.as_str()], Found::of).optional().map_err(|e| self.failed(e))
    }

    pub(crate) fn next_position(&self, number: i64) -> Result<Position, StoreError> {
        let sql = "SELECT max(key) FROM entries WHERE key BETWEEN ?1 AND ?2";
        let bounds = [schema::key(number, Position(0)), schema::key(number, Position(schema::MAX_POSITION))];
        let key: Option<i64> = self.conn.query_row(sql, bounds, |row| row.get(0)).map_err(|e| self.failed(e))?;
        Ok(key.map_or(Position(0), |key| Position(schema::position(key).0 + 1)))
    }

    fn require(&self, run: &RunId) -> Result<Found, StoreError> {
        self.find(run)?.ok_or_else(|| StoreError::NoSuchRun { run: run.clone() })
    }

    fn info(&self, found: Found) -> Result<RunInfo, StoreError> {
        let id = self.id(found.id)?;
        let summary = match found.summary {
            Some(summary) if summary.entries > 0 => summary,
            _ => self.rebuild_summary(&id)?,
        };
        Ok(RunInfo { id, workflow: found.workflow, started: Timestamp(found.started.cast_unsigned()), summary })
    }

    fn id(&self, text: String) -> Result<RunId, StoreError> {
        RunId::new(text).map_err(|e| StoreError::Damaged { path: self.path.clone(), detail: e.to_string() })
    }

    fn failed(&self, error: rusqlite::Error) -> StoreError {
        match error {
            // A column that holds another type than it was made for.
            rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..) => {
                StoreError::Damaged { path: self.path.clone(), detail: error.to_string() }
            }
            error => StoreError::from_sql(&self.path, "reading", error),
        }
    }

    fn damaged(&self, run: &RunId, position: Position, what: &str) -> StoreError {
        let detail = format!("entry {} of run {run}: {what}", position.0);
        StoreError::Damaged { path: self.path.clone(), detail }
    }
}

/// The entries of a run, in order; see [`Reader::entries`].
pub struct Entries<'r> {
    reader: &'r Reader,
    run: RunId,
    sql: String,
    fixed: Vec<Value>,
    after: i64,
    last: i64,
    left: u64,
    page: VecDeque<(i64, u32, Option<Vec<u8>>)>,
    ended: bool,
}

impl Entries<'_> {
    fn fill(&mut self) -> rusqlite::Result<()> {
        let wanted = self.left.min(PAGE);
        let bounds = [self.after, self.last].map(Value::from);
        let limit = Value::from(wanted.cast_signed());
        let values = bounds.into_iter().chain(self.fixed.iter().cloned()).chain([limit]);
        let mut statement = self.reader.conn.prepare(&self.sql)?;
        let mut rows = statement.query(params_from_iter(values))?;
        while let Some(row) = rows.next()? {
            self.page.push_back((row.get(0)?, row.get(1)?, row.get(2)?));
        }
        let count = self.page.len() as u64;
        self.left -= count;
        self.ended = count < wanted || self.left == 0;
        if let Some((key, ..)) = self.page.back() {
            self.after = *key;
        }
        Ok(())
    }
}

impl Iterator for Entries<'_> {
    type Item = Result<Line, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.page.is_empty()
            && !self.ended
            && let Err(error) = self.fill()
        {
            self.ended = true;
            self.page.clear();
            return Some(Err(self.reader.failed(error)));
        }
        let (key, format, body) = self.page.pop_front()?;
        let position = schema::position(key);
        let line = match body {
            None => Err("its content is gone".to_owned()),
            Some(body) => match stored::decode(&body) {
                Ok(content) => Ok(Line { position, format, body, content }),
                Err(error) => Err(format!("it is not JSON ({error})")),
            },
        };
        Some(line.map_err(|what| {
            self.ended = true;
            self.page.clear();
            self.reader.damaged(&self.run, position, &what)
        }))
    }
}
