//! Copies a run's record up to a checkpoint, as the beginning of another run.

use crate::records::RecordsPort;
use longhaul_core::entry::{Entry, Record};
use longhaul_core::id::RunId;
use longhaul_engine::Checkpoint;
use longhaul_engine::ports::{JournalError, Query, Records};
use longhaul_store::{Journal, StoreError};

/// A record was not copied.
#[derive(Debug, thiserror::Error)]
pub enum ForkError {
    /// The first run's record cannot be read.
    #[error(transparent)]
    Read(#[from] JournalError),
    /// The copy cannot be written.
    #[error(transparent)]
    Write(#[from] StoreError),
    /// There is nothing to copy.
    #[error("the record of {run} is empty")]
    Empty {
        /// The first run.
        run: RunId,
    },
}

/// Begins the run `to` as a copy of `from` up to `checkpoint`; the first one is not touched. The copy has the same positions.
///
/// # Errors
/// [`ForkError`]; the beginning of the copy may be there.
pub fn fork(
    journal: &Journal,
    records: &RecordsPort,
    from: &RunId,
    checkpoint: &Checkpoint,
    to: &RunId,
) -> Result<(), ForkError> {
    let mut query = Query { details: true, ..Query::default() };
    let mut copy = None;
    let mut last = checkpoint.at;
    'pages: loop {
        let page = records.read(from, &query)?;
        let Some((newest, _)) = page.last() else { break };
        query.after = Some(*newest);
        for (position, record) in page {
            if position > checkpoint.position {
                break 'pages;
            }
            last = record.at;
            match &copy {
                None => copy = Some(journal.copy_run(&renamed(record, to))?),
                Some(copy) => drop(copy.append(&record)?),
            }
        }
    }
    let copy = copy.ok_or_else(|| ForkError::Empty { run: from.clone() })?;
    let entry = Entry::Forked { from: from.clone(), checkpoint: checkpoint.number };
    copy.append(&Record { at: last, task: None, attempt: None, entry })?;
    Ok(copy.flush().wait()?)
}

fn renamed(mut record: Record, to: &RunId) -> Record {
    if let Entry::RunStarted { run, .. } = &mut record.entry {
        *run = to.clone();
    }
    record
}
