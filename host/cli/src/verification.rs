//! Verification of records: the log of all heads first, then each run against its own heads and those in the log.
//!
//! ```text
//! heads held elsewhere ──► log ──► heads of runs ──► each run: entries, heads
//!      Evidence: a state folder (also: plugins), or a bundle (also: its form)
//! ```

mod bundle;
mod record;
mod state;

pub(crate) use bundle::Bundle;
pub(crate) use state::StateFolder;

use crate::failure::{Exit, Failure};
use longhaul_audit::note::{Checkpoint, Origin, VerifierKey};
use longhaul_audit::tree::TreeHead;
use longhaul_core::id::RunId;
use longhaul_core::state::RunState;
use longhaul_store::{Of, Raw};
use serde::Serialize;
use std::fmt::Write;
use std::path::Path;

/// The most findings of one record that are told one by one.
const TOLD: usize = 200;

/// What is found where the log knows runs, and not this one.
const UNKNOWN_TO_LOG: &str = "the log of all runs does not know it";

/// Whether the record of a run in this state has to end with a head.
fn is_over(state: RunState) -> bool {
    matches!(state, RunState::Completed | RunState::Failed | RunState::Cancelled)
}

/// What verification of one record came to.
#[derive(Debug, Serialize)]
pub(crate) struct Verdict {
    /// The run; none for the log of all runs.
    pub run: Option<RunId>,
    /// How many entries it has.
    pub entries: u64,
    /// How many signed heads.
    pub heads: u64,
    /// Up to which entry a head proves that they are the original ones.
    pub proven: u64,
    /// By whom it is sealed.
    pub key: Option<String>,
    /// What is wrong.
    pub findings: Vec<Found>,
    /// What is not wrong and has to be known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
}

/// Something that is wrong.
#[derive(Debug, Serialize)]
pub(crate) struct Found {
    /// The entry that it is about, where it is about one.
    pub entry: Option<u64>,
    /// What it is.
    pub finding: String,
}

impl Found {
    fn new(entry: Option<u64>, finding: impl Into<String>) -> Self {
        Self { entry, finding: finding.into() }
    }
}

impl Verdict {
    /// Of a record of which nothing was read.
    fn of(run: Option<&RunId>) -> Self {
        Self {
            run: run.cloned(),
            entries: 0,
            heads: 0,
            proven: 0,
            key: None,
            findings: Vec::new(),
            remarks: Vec::new(),
        }
    }

    /// The verdict for people.
    pub(crate) fn to_text(&self) -> String {
        let Self { run, entries, heads, proven, key, findings, remarks } = self;
        let what = run.as_ref().map_or_else(|| "the log of all runs".to_owned(), |run| format!("run {run}"));
        let by = key.as_ref().map_or_else(String::new, |key| format!(", sealed by {key}"));
        let mut text = match findings.len() {
            0 => format!("{what} is as it was recorded: {entries} entries, {heads} heads{by}\n"),
            many => {
                format!("{what} is NOT as it was recorded ({many} findings; {entries} entries, {heads} heads{by})\n")
            }
        };
        for Found { finding, .. } in findings {
            // Writing to a text cannot fail.
            let _ = writeln!(text, "  - {finding}");
        }
        for remark in remarks {
            let _ = writeln!(text, "  {remark}");
        }
        if findings.is_empty() && proven < entries {
            let _ = writeln!(
                text,
                "  entries {proven} to {} are not sealed yet: the run was cut off there, or goes on; resuming it seals them",
                entries - 1
            );
        }
        text
    }
}

/// A head that was kept elsewhere.
#[derive(Debug, Clone)]
pub(crate) struct Elsewhere {
    origin: Origin,
    head: TreeHead,
}

impl Elsewhere {
    /// Reads a file with a head that one of `keys` has signed.
    pub(crate) fn read(file: &Path, keys: &[VerifierKey]) -> Result<Self, Failure> {
        let doing = || format!("use the head in {}", file.display());
        let note = std::fs::read(file).map_err(|e| Failure::of(Exit::Invalid, doing(), &e))?;
        let opened = Checkpoint::open(&note, keys).map_err(|e| Failure::of(Exit::Invalid, doing(), &e))?;
        Ok(Self { origin: opened.checkpoint.origin, head: opened.checkpoint.head })
    }
}

/// Where the rows of records come from.
pub(crate) trait Evidence {
    /// The entries of a record in order, damaged ones too.
    fn entries(&self, of: Of<'_>) -> Result<Rows<'_>, Failure>;
    /// Its heads, the smallest first.
    fn heads(&self, of: Of<'_>) -> Result<Rows<'_>, Failure>;
}

/// Rows of a record, or why they cannot be read.
pub(crate) type Rows<'a> = Box<dyn Iterator<Item = Result<Raw, String>> + 'a>;

/// What is believed beforehand.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Beliefs<'a> {
    /// Keys that may sign.
    pub(crate) keys: &'a [VerifierKey],
    /// Heads that were kept elsewhere.
    pub(crate) held: &'a [Elsewhere],
}
