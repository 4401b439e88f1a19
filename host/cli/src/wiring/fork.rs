//! Copies a run's record up to a checkpoint, as the beginning of another run.

use super::records::RecordsPort;
use crate::failure::{Exit, Failure};
use longhaul_core::entry::{Entry, Record};
use longhaul_core::id::RunId;
use longhaul_engine::Checkpoint;
use longhaul_engine::ports::{Query, Records};
use longhaul_store::Journal;

/// Begins the run `to` as a copy of `from` up to `checkpoint`; the first one is not touched. The copy has the same positions.
pub(crate) fn fork(
    journal: &Journal,
    records: &RecordsPort,
    from: &RunId,
    checkpoint: &Checkpoint,
    to: &RunId,
) -> Result<(), Failure> {
    let failed =
        |e: &(dyn std::error::Error + 'static)| Failure::of(Exit::Internal, format!("copy the record of {from}"), e);
    let mut query = Query { details: true, ..Query::default() };
    let mut copy = None;
    let mut last = checkpoint.at;
    'pages: loop {
        let page = records.read(from, &query).map_err(|e| failed(&e))?;
        let Some((newest, _)) = page.last() else { break };
        query.after = Some(*newest);
        for (position, record) in page {
            if position > checkpoint.position {
                break 'pages;
            }
            last = record.at;
            match &copy {
                None => copy = Some(journal.start_run(&renamed(record, to)).map_err(|e| failed(&e))?),
                Some(copy) => drop(copy.append(&record).map_err(|e| failed(&e))?),
            }
        }
    }
    let copy = copy.ok_or_else(|| Failure::new(Exit::Internal, format!("the record of {from} is empty")))?;
    let entry = Entry::Forked { from: from.clone(), checkpoint: checkpoint.number };
    copy.append(&Record { at: last, task: None, attempt: None, entry }).map_err(|e| failed(&e))?;
    copy.flush().wait().map_err(|e| failed(&e))
}

fn renamed(mut record: Record, to: &RunId) -> Record {
    if let Entry::RunStarted { run, .. } = &mut record.entry {
        *run = to.clone();
    }
    record
}
