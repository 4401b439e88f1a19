//! `longhaul audit export --jsonl`, `--ocsf` and `--otel`: line by line, as the entries are read.

use super::target::Target;
use crate::failure::{Exit, Failure};
use longhaul_audit::export::ocsf::Events;
use longhaul_audit::export::otel::Spans;
use longhaul_core::id::RunId;
use longhaul_store::{Filter, Line, Reader, StoreError};
use serde_json::Value;
use std::io::{self, Write};

/// How many spans stand on one line.
const SPANS: usize = 512;

/// The entries as they are stored.
pub(super) fn lines(reader: &Reader, run: &RunId, target: &mut Target) -> Result<(), Failure> {
    each(reader, run, |line| {
        write!(target, "{{\"position\":{},\"entry\":", line.position.0)?;
        target.write_all(&line.body)?;
        target.write_all(b"}\n")
    })
}

/// Host calls as events of OCSF.
pub(super) fn ocsf(reader: &Reader, run: &RunId, target: &mut Target) -> Result<(), Failure> {
    let mut events = Events::new(run.clone());
    each(reader, run, |line| match line.record().and_then(|record| events.entry(line.position, record)) {
        Some(event) => print(target, &event),
        None => Ok(()),
    })
}

/// The run as a trace.
pub(super) fn otel(reader: &Reader, run: &RunId, target: &mut Target) -> Result<(), Failure> {
    let mut spans = Spans::new(run.clone());
    let mut ended: Vec<Value> = Vec::new();
    each(reader, run, |line| {
        if let Some(record) = line.record() {
            ended.extend(spans.entry(line.position, record));
        }
        if ended.len() < SPANS {
            return Ok(());
        }
        print(target, &spans.wrap(&std::mem::take(&mut ended)))
    })?;
    ended.extend(spans.finish());
    print(target, &spans.wrap(&ended)).map_err(|error| target.failed(&error))
}

/// Reads the entries in order, and shows each to `show`.
pub(super) fn each(reader: &Reader, run: &RunId, mut show: impl FnMut(&Line) -> io::Result<()>) -> Result<(), Failure> {
    for line in reader.entries(run, &Filter::default()).map_err(|error| unread(&error))? {
        let line = line.map_err(|error| unread(&error))?;
        show(&line).map_err(|error| Failure::of(Exit::Internal, "write the export", &error))?;
    }
    Ok(())
}

fn print(target: &mut Target, value: &Value) -> io::Result<()> {
    serde_json::to_writer(&mut *target, value)?;
    target.write_all(b"\n")
}

fn unread(error: &StoreError) -> Failure {
    Failure::of(Exit::Unverified, "read the record", error)
        .hint("`longhaul audit verify` names what is wrong with it; `audit export --bundle` writes it as it is")
}
