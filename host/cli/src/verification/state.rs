//! Verification of what a state folder holds.

use super::record::{Known, Log, Records};
use super::{Beliefs, Evidence, Found, Rows, UNKNOWN_TO_LOG, Verdict, is_over};
use crate::failure::{Exit, Failure};
use longhaul_audit::verify::Ending;
use longhaul_core::digest::Digest;
use longhaul_core::entry::Entry;
use longhaul_core::id::RunId;
use longhaul_store::{EntryKind, Filter, Of, RawRows, Reader, RunInfo, StoreError};
use std::path::Path;

/// A state folder that is verified, and what is believed beforehand.
pub(crate) struct StateFolder<'a> {
    pub(crate) reader: &'a Reader,
    pub(crate) state: &'a Path,
    pub(crate) beliefs: Beliefs<'a>,
}

impl Evidence for StateFolder<'_> {
    fn entries(&self, of: Of<'_>) -> Result<Rows<'_>, Failure> {
        self.reader.raw_entries(of).map(rows).map_err(unread)
    }

    fn heads(&self, of: Of<'_>) -> Result<Rows<'_>, Failure> {
        self.reader.raw_heads(of).map(rows).map_err(unread)
    }
}

impl StateFolder<'_> {
    /// Verifies the log, and one run or all.
    pub(crate) fn verify(&self, only: Option<&RunId>) -> Result<Vec<Verdict>, Failure> {
        let records = Records { evidence: self, beliefs: self.beliefs };
        let Log { verdict: mut log, known, .. } = records.log(|_| true)?;
        let runs = match self.reader.runs() {
            Ok(runs) => runs,
            Err(error) => {
                log.findings.push(Found::new(None, error.to_string()));
                return Ok(vec![log]);
            }
        };
        for run in known.keys().filter(|run| runs.iter().all(|there| there.id != **run)) {
            log.findings.push(Found::new(None, format!("run {run} is in the log of all runs, and its record is gone")));
        }
        let mut verdicts = vec![log];
        for info in runs.iter().rev().filter(|info| only.is_none_or(|only| info.id == *only)) {
            verdicts.push(self.run(&records, info, &known)?);
        }
        Ok(verdicts)
    }

    fn run(&self, records: &Records<'_>, info: &RunInfo, known: &Known) -> Result<Verdict, Failure> {
        let ending = match info.summary.state {
            Some(state) if is_over(state) => Ending::Sealed,
            _ => Ending::Open,
        };
        let mut verdict = records.run(&info.id, known, ending)?;
        if !known.contains_key(&info.id) && !known.is_empty() && verdict.heads > 0 {
            verdict.findings.push(Found::new(None, UNKNOWN_TO_LOG));
        }
        if verdict.findings.is_empty() {
            verdict.findings.extend(self.plugins(&info.id)?);
        }
        Ok(verdict)
    }

    /// Whether the components that the run kept are those that it began with.
    fn plugins(&self, run: &RunId) -> Result<Vec<Found>, Failure> {
        let mut findings = Vec::new();
        let filter = Filter { kinds: vec![EntryKind::PluginUsed], ..Filter::default() };
        for line in self.reader.entries(run, &filter).map_err(unread)? {
            let line = line.map_err(unread)?;
            let Some(Entry::PluginUsed { name, digest, .. }) = line.record().map(|record| &record.entry) else {
                continue;
            };
            let file = crate::wiring::kept(self.state, digest);
            // One that is carried inside the program is not kept.
            let Ok(bytes) = std::fs::read(&file) else { continue };
            let found = Digest::of(&bytes);
            if found != *digest {
                let what =
                    format!("the kept component of `{name}` has the digest {found}, and the run began with {digest}");
                findings.push(Found::new(Some(line.position.0), what));
            }
        }
        Ok(findings)
    }
}

fn rows(rows: RawRows<'_>) -> Rows<'_> {
    Box::new(rows.map(|raw| raw.map_err(|error| error.to_string())))
}

fn unread(error: StoreError) -> Failure {
    Failure::of(Exit::Unverified, "read the record", &error)
}
