//! Which entries are sealed, and when: the writer's side of [`Sealer`].
//!
//! ```text
//! heads   every signed head of every record: of a run by its number, of the log by 0
//! edges   what is needed to go on with a record's tree behind its newest head
//! log     the heads of runs at which one began, rested or ended
//! ```
//!
//! A run is sealed where its state or its files change and after [`INTERVAL`] entries, once for each transaction; and when the journal is
//! closed. What a killed process left behind the newest head is read again when somebody goes on with the run, and sealed with what follows.

use crate::error::StoreError;
use crate::queue::{Batch, Row, RunRow};
use crate::schema;
use crate::seal::{LogEntry, Sealed, Sealer, Sealing};
use crate::stored::EntryKind;
use crate::sum;
use longhaul_core::digest::Digest;
use longhaul_core::entry::Position;
use longhaul_core::id::RunId;
use longhaul_core::units::Timestamp;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Statement};
use std::collections::HashMap;
use std::path::Path;

/// At most so many entries of a run are without a head over them while it is written.
const INTERVAL: u64 = 1024;
/// The number of the log.
pub(crate) const LOG: i64 = 0;
pub(crate) const HEADS: &str = "heads";
pub(crate) const EDGES: &str = "edges";
pub(crate) const ENTRIES_OF_LOG: &str = "log";
/// Columns that a sum covers.
pub(crate) const HEAD_COLUMNS: usize = 3;
pub(crate) const LOG_COLUMNS: usize = 2;
const EDGE_COLUMNS: usize = 4;

/// Seals what the writer writes.
pub(crate) struct Seals<'c> {
    conn: &'c Connection,
    path: &'c Path,
    head: Statement<'c>,
    edge: Statement<'c>,
    log: Statement<'c>,
    sealer: Box<dyn Sealer>,
    open: HashMap<i64, Open>,
    /// The position of the log's next entry; none before it was looked up.
    next: Option<u64>,
}

/// A record that is being written.
struct Open {
    id: RunId,
    unsealed: u64,
    /// Whether something was written that is to be sealed at once.
    is_due: bool,
    /// Whether the head belongs into the log.
    is_told: bool,
    at: u64,
}

/// What one entry asks for.
fn weight(kind: &str) -> (bool, bool) {
    use EntryKind as K;
    let is_any = |kinds: &[K]| kinds.iter().any(|wanted| wanted.as_str() == kind);
    let tells = is_any(&[K::RunStarted, K::Forked, K::RunResumed, K::RunChanged, K::Applied]);
    let seals = is_any(&[K::Committed, K::Published, K::Checkpointed, K::RolledBack, K::Answered, K::HookCalled]);
    (tells || seals, tells)
}

impl<'c> Seals<'c> {
    pub(crate) fn new(conn: &'c Connection, path: &'c Path, sealer: Box<dyn Sealer>) -> Result<Self, StoreError> {
        let prepare = |sql| conn.prepare(sql).map_err(|e| StoreError::from_sql(path, "writing", e));
        Ok(Self {
            conn,
            path,
            // One that was made already, by a process that added nothing, is the same.
            head: prepare("INSERT OR IGNORE INTO heads (record, size, note, sum) VALUES (?1, ?2, ?3, ?4)")?,
            edge: prepare("INSERT OR REPLACE INTO edges (record, size, root, edge, sum) VALUES (?1, ?2, ?3, ?4, ?5)")?,
            log: prepare("INSERT INTO log (position, body, sum) VALUES (?1, ?2, ?3)")?,
            sealer,
            open: HashMap::new(),
            next: None,
        })
    }

    /// Goes on with the trees of the runs of a batch, before its entries are written.
    pub(crate) fn open(&mut self, runs: &[RunRow]) -> Result<(), StoreError> {
        for run in runs {
            let number = run.about.number;
            if self.open.contains_key(&number) {
                continue;
            }
            let id = run.about.id.clone();
            let size = self.begin(number, Sealing::Run(&id))?;
            let (conn, path) = (self.conn, self.path);
            let mut unsealed = 0;
            let failed = |e| StoreError::from_sql(path, "reading", e);
            let sql = "SELECT coalesce(body, (SELECT bytes FROM blobs WHERE digest = blob)) FROM entries
                       WHERE key BETWEEN ?1 AND ?2 ORDER BY key";
            let mut entries = conn.prepare(sql).map_err(failed)?;
            let bounds = [size, schema::MAX_POSITION].map(|position| schema::key(number, Position(position)));
            let mut rows = entries.query(bounds).map_err(failed)?;
            while let Some(row) = rows.next().map_err(failed)? {
                self.sealer.append(number, row.get_ref(0).and_then(|body| Ok(body.as_blob()?)).map_err(failed)?);
                unsealed += 1;
            }
            self.open
                .insert(number, Open { id, unsealed, is_due: unsealed > 0, is_told: false, at: run.about.started });
        }
        Ok(())
    }

    /// An entry of a batch.
    pub(crate) fn entry(&mut self, batch: &Batch, row: &Row) {
        let number = schema::run(row.key);
        self.sealer.append(number, &batch.bytes[row.body.clone()]);
        if let Some(open) = self.open.get_mut(&number) {
            let (is_due, is_told) = weight(row.kind);
            open.unsealed += 1;
            open.is_due |= is_due || open.unsealed >= INTERVAL;
            open.is_told |= is_told;
            open.at = row.at;
        }
    }

    /// Seals what is to be sealed; all there is where `all` says so.
    pub(crate) fn finish(&mut self, all: bool) -> Result<(), StoreError> {
        let mut due: Vec<_> = self
            .open
            .iter()
            .filter(|(_, open)| open.is_due || all && open.unsealed > 0)
            .map(|(number, _)| *number)
            .collect();
        // The order of a hash is nobody's order.
        due.sort_unstable();
        let mut told = Vec::new();
        for number in due {
            let sealed = self.seal(number)?;
            let Some(open) = self.open.get_mut(&number) else { continue };
            if std::mem::take(&mut open.is_told) || all {
                told.push((number, open.id.clone(), Timestamp(open.at), sealed));
            }
            (open.unsealed, open.is_due) = (0, false);
        }
        match told.is_empty() {
            true => Ok(()),
            false => self.log(told),
        }
    }

    /// Appends heads of runs to the log, and seals it.
    fn log(&mut self, told: Vec<(i64, RunId, Timestamp, Sealed)>) -> Result<(), StoreError> {
        let (conn, path) = (self.conn, self.path);
        let failed = |e| StoreError::from_sql(path, "writing", e);
        for (number, run, at, Sealed { size, root, .. }) in told {
            let next = match self.next {
                Some(next) => next,
                None => self.open_log(&run)?,
            };
            let sql = "SELECT state FROM runs WHERE number = ?1";
            let state = conn.query_row(sql, [number], |row| row.get(0)).map_err(failed)?;
            let entry = LogEntry { at, run, size, root, state };
            let body = serde_json::to_vec(&entry).map_err(|e| StoreError::NotJson { detail: e.to_string() })?;
            let columns = [ValueRef::Integer(next.cast_signed()), ValueRef::Blob(&body)];
            let sum = sum::sum(ENTRIES_OF_LOG, &columns);
            self.log.execute((next.cast_signed(), &body, sum)).map_err(failed)?;
            self.sealer.append(LOG, &body);
            self.next = Some(next + 1);
        }
        self.seal(LOG).map(drop)
    }

    fn open_log(&mut self, run: &RunId) -> Result<u64, StoreError> {
        let (conn, path) = (self.conn, self.path);
        let failed = |e| StoreError::from_sql(path, "reading", e);
        let first = "SELECT body FROM log WHERE position = 0";
        let first: Option<Vec<u8>> = conn.query_row(first, [], |row| row.get(0)).optional().map_err(failed)?;
        let damaged = |detail: String| StoreError::Damaged { path: path.to_owned(), detail };
        let first = first.map(|body| serde_json::from_slice::<LogEntry>(&body)).transpose();
        let first = first.map_err(|e| damaged(format!("the first entry of its log cannot be read: {e}")))?;
        let first = first.map_or_else(|| run.clone(), |entry| entry.run);
        let size = self.begin(LOG, Sealing::Log { first: &first })?;
        let mut next = size;
        let mut entries =
            conn.prepare("SELECT body FROM log WHERE position >= ?1 ORDER BY position").map_err(failed)?;
        let mut rows = entries.query([size.cast_signed()]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            self.sealer.append(LOG, row.get_ref(0).and_then(|body| Ok(body.as_blob()?)).map_err(failed)?);
            next += 1;
        }
        Ok(next)
    }

    /// Goes on with a record's tree. Gives how many entries its newest head covers.
    fn begin(&mut self, number: i64, of: Sealing<'_>) -> Result<u64, StoreError> {
        let kept = newest(self.conn, self.path, number)?;
        self.sealer.begin(number, of, kept.as_ref()).map_err(|detail| StoreError::Unsealed { detail })?;
        Ok(kept.map_or(0, |kept| kept.size))
    }

    /// Makes the head of a record and writes it.
    fn seal(&mut self, number: i64) -> Result<Sealed, StoreError> {
        let sealed = self.sealer.seal(number).map_err(|detail| StoreError::Unsealed { detail })?;
        let Sealed { size, root, note, edge } = &sealed;
        let size = size.cast_signed();
        let columns: [ValueRef<'_>; HEAD_COLUMNS] =
            [ValueRef::Integer(number), ValueRef::Integer(size), ValueRef::Blob(note)];
        let failed = |e| StoreError::from_sql(self.path, "writing", e);
        self.head.execute((number, size, note, sum::sum(HEADS, &columns))).map_err(failed)?;
        let columns: [ValueRef<'_>; EDGE_COLUMNS] =
            [ValueRef::Integer(number), ValueRef::Integer(size), ValueRef::Blob(root.as_bytes()), ValueRef::Blob(edge)];
        self.edge.execute((number, size, root.as_bytes(), edge, sum::sum(EDGES, &columns))).map_err(failed)?;
        Ok(sealed)
    }
}

/// The newest head of a record with what is needed to go on behind it.
fn newest(conn: &Connection, path: &Path, number: i64) -> Result<Option<Sealed>, StoreError> {
    let failed = |e| StoreError::from_sql(path, "reading", e);
    let sql = "SELECT e.record, e.size, e.root, e.edge, e.sum, h.note FROM edges AS e
               LEFT JOIN heads AS h ON h.record = e.record AND h.size = e.size WHERE e.record = ?1";
    let mut statement = conn.prepare(sql).map_err(failed)?;
    let mut rows = statement.query([number]).map_err(failed)?;
    let Some(row) = rows.next().map_err(failed)? else { return Ok(None) };
    let (_, verdict) = sum::columns::<EDGE_COLUMNS>(EDGES, row).map_err(failed)?;
    let root = row.get::<_, Vec<u8>>(2).map_err(failed)?.try_into().map(Digest::from_bytes);
    let note: Option<Vec<u8>> = row.get(5).map_err(failed)?;
    match (verdict, root, note) {
        (sum::Verdict::Whole, Ok(root), Some(note)) => Ok(Some(Sealed {
            size: row.get::<_, i64>(1).map_err(failed)?.cast_unsigned(),
            root,
            note,
            edge: row.get(3).map_err(failed)?,
        })),
        _ => {
            let detail = "its newest head is not as it was written".to_owned();
            Err(StoreError::Damaged { path: path.to_owned(), detail })
        }
    }
}
