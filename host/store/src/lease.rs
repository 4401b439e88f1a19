//! The fenced lease: whoever opened the journal last owns it, and everybody before can write no more.
//!
//! Each opening for writing takes the next *epoch*, and each transaction looks whether that is still the newest one. The
//! lock of the state folder keeps two processes apart where it works; where it does not (a network disk without locks, a
//! lock file that was removed) the epoch does, because it stands in the file that both of them write.

use crate::error::StoreError;
use crate::sum;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Statement, TransactionBehavior};
use std::fmt;
use std::path::Path;

/// How often a journal was opened for writing, this time included. The greater one owns the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

const TABLE: &str = "lease";

/// The one row that says who writes, and what the journal as a whole holds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lease {
    pub(crate) epoch: Epoch,
    /// How many runs there are.
    pub(crate) runs: i64,
    /// Whether the journal was closed in good order.
    pub(crate) clean: bool,
}

impl Lease {
    /// Reads the row.
    pub(crate) const READ: &str = "SELECT epoch, runs, clean, sum FROM lease";

    /// Reads the row.
    pub(crate) fn read(conn: &Connection, path: &Path) -> Result<Self, StoreError> {
        let statement = conn.prepare(Self::READ);
        Self::read_by(&mut statement.map_err(|e| StoreError::from_sql(path, "reading", e))?, path)
    }

    fn read_by(statement: &mut Statement<'_>, path: &Path) -> Result<Self, StoreError> {
        let failed = |e| StoreError::from_sql(path, "reading", e);
        let damaged = |what: &str| StoreError::Damaged { path: path.to_owned(), detail: what.to_owned() };
        let row = statement.query_row([], |row| {
            let lease =
                Self { epoch: Epoch(row.get::<_, i64>(0)?.cast_unsigned()), runs: row.get(1)?, clean: row.get(2)? };
            Ok((sum::columns::<3>(TABLE, row)?.1, lease))
        });
        match row.optional().map_err(failed)? {
            Some((sum::Verdict::Whole, lease)) => Ok(lease),
            Some(_) => Err(damaged("its lease is not as it was written")),
            None => Err(damaged("its lease is gone")),
        }
    }

    /// Reads the row, by the statement [`Lease::READ`], where this writer still owns the journal. To be called within each
    /// of its transactions.
    pub(crate) fn held(statement: &mut Statement<'_>, path: &Path, epoch: Epoch) -> Result<Self, StoreError> {
        let lease = Self::read_by(statement, path)?;
        if lease.epoch != epoch {
            return Err(StoreError::Fenced { path: path.to_owned(), epoch, now: lease.epoch });
        }
        Ok(lease)
    }

    /// Writes the row.
    pub(crate) fn write(&self, conn: &Connection) -> rusqlite::Result<()> {
        let columns = [self.epoch.0.cast_signed(), self.runs, i64::from(self.clean)];
        let sum = sum::sum(TABLE, &columns.map(ValueRef::Integer));
        let sql = "UPDATE lease SET epoch = ?1, runs = ?2, clean = ?3, sum = ?4";
        conn.execute(sql, [columns[0], columns[1], columns[2], sum]).map(drop)
    }
}

/// Takes the next epoch, in one transaction. After a process that died the file is checked first.
pub(crate) fn take(conn: &mut Connection, path: &Path) -> Result<Epoch, StoreError> {
    let failed = |e| StoreError::from_sql(path, "opening", e);
    let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let found = Lease::read(&transaction, path)?;
    if !found.clean {
        let verdict: String = transaction.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(failed)?;
        if verdict != "ok" {
            return Err(StoreError::Damaged { path: path.to_owned(), detail: verdict });
        }
    }
    let epoch = Epoch(found.epoch.0 + 1);
    Lease { epoch, clean: false, ..found }.write(&transaction).map_err(failed)?;
    transaction.commit().map_err(failed)?;
    Ok(epoch)
}
