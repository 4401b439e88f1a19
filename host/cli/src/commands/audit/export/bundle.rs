//! `longhaul audit export --bundle`.

use super::target::Target;
use crate::failure::{Exit, Failure};
use crate::terminal::say;
use longhaul_audit::bundle::{Kind, Writer};
use longhaul_core::id::RunId;
use longhaul_store::{LogEntry, Of, RawRows, Reader, StoreError};
use longhaul_wiring::{origin_of_log, origin_of_run};

/// Writes the record of `run` as it stands in the file, damaged or not: whoever verifies the bundle finds what is wrong with it.
pub(super) fn write(reader: &Reader, run: &RunId, target: &mut Target) -> Result<(), Failure> {
    let internal = |detail: String| Failure::new(Exit::Internal, detail);
    let origin = origin_of_run(run).map_err(internal)?;
    let log = first_of_log(reader)?.map(|first| origin_of_log(&first)).transpose().map_err(internal)?;
    let mut writer =
        Writer::new(&mut *target, run.clone(), origin, log).map_err(|e| Failure::of(Exit::Internal, "write it", &e))?;
    let mut unsound = 0;
    let mut rows = |kind: Kind, rows: Result<RawRows<'_>, StoreError>| {
        for raw in rows.map_err(unread)? {
            let raw = raw.map_err(unread)?;
            unsound += u64::from(!raw.is_sound);
            let written = writer.row(kind, raw.at.0, &raw.bytes);
            written.map_err(|e| Failure::of(Exit::Internal, "write it", &e))?;
        }
        Ok::<_, Failure>(())
    };
    rows(Kind::LogEntry, reader.raw_entries(Of::Log))?;
    rows(Kind::LogHead, reader.raw_heads(Of::Log))?;
    rows(Kind::Head, reader.raw_heads(Of::Run(run)))?;
    rows(Kind::Entry, reader.raw_entries(Of::Run(run)))?;
    writer.finish().map_err(|e| Failure::of(Exit::Internal, "write it", &e))?;
    if unsound > 0 {
        say(&format!(
            "warning: {unsound} entries or heads are not as they were written, and are exported as they are; \
             `longhaul audit verify {run}` names them"
        ));
    }
    Ok(())
}

/// The run that the log is named after: that of its first entry that can be read.
fn first_of_log(reader: &Reader) -> Result<Option<RunId>, Failure> {
    let entries = reader.raw_entries(Of::Log).map_err(unread)?;
    let mut read = entries.map_while(Result::ok).filter_map(|raw| serde_json::from_slice::<LogEntry>(&raw.bytes).ok());
    Ok(read.next().map(|entry| entry.run))
}

fn unread(error: StoreError) -> Failure {
    Failure::of(Exit::Unverified, "read the record", &error)
}
