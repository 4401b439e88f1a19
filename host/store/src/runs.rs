//! The runs of a journal: listed, found, named on the command line.
//!
//! A run is not missed because a row or an index was damaged: a listing is complete by the count in the lease, and that a
//! run does not exist is said only after a look at all of them.

use crate::error::StoreError;
use crate::lease::Lease;
use crate::reader::Reader;
use crate::row::{self, RUN_COLUMNS, RUNS};
use crate::schema;
use crate::sum;
use crate::summary::Summary;
use longhaul_core::id::RunId;
use longhaul_core::units::Timestamp;
use rusqlite::{Row, Transaction};

/// Candidates named when a prefix fits several runs.
const CANDIDATES: usize = 8;

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
    pub(crate) id: RunId,
    pub(crate) workflow: String,
    pub(crate) started: u64,
    /// None where it cannot be read: the entries say it too.
    pub(crate) summary: Option<Summary>,
    /// Entries before this position may be without a sum.
    pub(crate) unsummed: u64,
}

impl Found {
    /// How many entries there are at least: those that the summary counted in the transaction that wrote them.
    pub(crate) fn counted(&self) -> u64 {
        self.summary.map_or(0, |summary| summary.entries)
    }
}

impl Reader {
    /// All runs, newest first.
    ///
    /// # Errors
    /// [`StoreError`] where they cannot be read.
    pub fn runs(&self) -> Result<Vec<RunInfo>, StoreError> {
        self.newest_first()?.into_iter().map(|found| self.info(found)).collect()
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
            return Ok(self.newest_first()?.into_iter().next().ok_or(ResolveError::NoRuns)?.id);
        }
        let prefix = RunId::new(given).map_err(|_| none())?;
        let runs = self.newest_first()?.into_iter().map(|found| found.id);
        let mut candidates: Vec<_> =
            runs.filter(|id| id.as_str().starts_with(prefix.as_str())).take(CANDIDATES + 1).collect();
        if candidates.contains(&prefix) {
            return Ok(prefix);
        }
        match candidates.len() {
            0 => Err(none()),
            1 => Ok(candidates.remove(0)),
            _ => Err(ResolveError::Ambiguous { given: given.to_owned(), candidates }),
        }
    }

    pub(crate) fn require(&self, run: &RunId) -> Result<Found, StoreError> {
        self.find(run)?.ok_or_else(|| StoreError::NoSuchRun { run: run.clone() })
    }

    pub(crate) fn find(&self, run: &RunId) -> Result<Option<Found>, StoreError> {
        let sql = format!("SELECT {} FROM runs WHERE id = ?1", self.run_columns());
        let mut statement = self.conn.prepare(&sql).map_err(|e| self.failed(e))?;
        let mut rows = statement.query([run.as_str()]).map_err(|e| self.failed(e))?;
        let found = match rows.next().map_err(|e| self.failed(e))? {
            Some(row) => Some(self.found(row)?),
            None => None,
        };
        match found {
            Some(found) if found.id == *run => Ok(Some(found)),
            None if self.all()?.iter().all(|found| found.id != *run) => Ok(None),
            _ => Err(self.damage("the index of its runs does not fit them")),
        }
    }

    fn newest_first(&self) -> Result<Vec<Found>, StoreError> {
        let mut runs = self.all()?;
        runs.sort_by_key(|found| std::cmp::Reverse((found.started, found.number)));
        Ok(runs)
    }

    /// Has what follows read as of one moment; none where somebody has seen to that already.
    pub(crate) fn moment(&self) -> rusqlite::Result<Option<Transaction<'_>>> {
        self.conn.is_autocommit().then(|| self.conn.unchecked_transaction()).transpose()
    }

    /// All runs, by their numbers.
    fn all(&self) -> Result<Vec<Found>, StoreError> {
        // The count and what it counts are read as of one moment, where the caller has not fixed one.
        let _moment = self.moment().map_err(|e| self.failed(e))?;
        let sql = format!("SELECT {} FROM runs ORDER BY number", self.run_columns());
        let mut statement = self.conn.prepare(&sql).map_err(|e| self.failed(e))?;
        let mut rows = statement.query([]).map_err(|e| self.failed(e))?;
        let mut runs: Vec<Found> = Vec::new();
        while let Some(row) = rows.next().map_err(|e| self.failed(e))? {
            let found = self.found(row)?;
            if runs.last().is_some_and(|before| before.number >= found.number) {
                return Err(self.damage("its runs are out of order"));
            }
            runs.push(found);
        }
        if self.schema >= schema::SUMMED {
            let lease = Lease::read(&self.conn, &self.path)?;
            if lease.runs != i64::try_from(runs.len()).unwrap_or(i64::MAX) {
                return Err(self.damage(&format!("it should hold {} runs, and holds {}", lease.runs, runs.len())));
            }
        }
        Ok(runs)
    }

    /// The columns of a run, and those that schema 1 did not have as what they mean there.
    fn run_columns(&self) -> &'static str {
        if self.schema >= schema::SUMMED {
            "number, id, workflow, started, state, ended, summary, unsummed, sum"
        } else {
            "number, id, workflow, started, state, ended, summary, 9223372036854775807, NULL"
        }
    }

    fn found(&self, row: &Row<'_>) -> Result<Found, StoreError> {
        let failed = |e| self.failed(e);
        let (_, verdict) = sum::columns::<RUN_COLUMNS>(RUNS, row).map_err(failed)?;
        if !row::is_sound(verdict, self.schema < schema::SUMMED) {
            let number: i64 = row.get(0).map_err(failed)?;
            return Err(self.damage(&format!("run number {number} is not as it was written")));
        }
        let (id, summary): (String, String) = (row.get(1).map_err(failed)?, row.get(6).map_err(failed)?);
        Ok(Found {
            number: row.get(0).map_err(failed)?,
            id: RunId::new(id).map_err(|e| self.damage(&e.to_string()))?,
            workflow: row.get(2).map_err(failed)?,
            started: row.get::<_, i64>(3).map_err(failed)?.cast_unsigned(),
            summary: serde_json::from_str(&summary).ok(),
            unsummed: row.get::<_, i64>(7).map_err(failed)?.cast_unsigned(),
        })
    }

    fn info(&self, found: Found) -> Result<RunInfo, StoreError> {
        let summary = match found.summary {
            Some(summary) if summary.entries > 0 => summary,
            _ => self.rebuild_summary(&found.id)?,
        };
        Ok(RunInfo { id: found.id, workflow: found.workflow, started: Timestamp(found.started), summary })
    }
}
