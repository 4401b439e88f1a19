//! Verification of what a state folder holds: the log of all heads first, then each run against its own heads and those in the log.
//!
//! ```text
//! heads held elsewhere ──► log ──► heads of runs ──► each run: entries, heads, plugins
//! ```

use crate::failure::{Exit, Failure};
use longhaul_audit::key::KeyRing;
use longhaul_audit::note::{Checkpoint, Origin, VerifierKey};
use longhaul_audit::tree::{Frontier, RootHash, TreeHead, TreeSize};
use longhaul_audit::verify::{Ending, Report, StoredEntry, StoredHead, Trust, verify};
use longhaul_core::digest::Digest;
use longhaul_core::entry::Entry;
use longhaul_core::id::RunId;
use longhaul_core::state::RunState;
use longhaul_store::{EntryKind, Filter, LogEntry, Of, Raw, Reader, RunInfo, StoreError};
use longhaul_wiring::{origin_of_log, origin_of_run};
use serde::Serialize;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

/// The most findings of one record that are told one by one.
const TOLD: usize = 200;

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
    /// The verdict for people.
    pub(crate) fn to_text(&self) -> String {
        let Self { run, entries, heads, proven, key, findings } = self;
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

/// What is verified, and what is believed beforehand.
pub(crate) struct Verification<'a> {
    pub(crate) reader: &'a Reader,
    pub(crate) state: &'a Path,
    pub(crate) keys: &'a [VerifierKey],
    pub(crate) held: &'a [Elsewhere],
}

/// The heads of runs that the log knows.
type Known = BTreeMap<RunId, Vec<TreeHead>>;

impl Verification<'_> {
    /// Verifies the log, and one run or all.
    pub(crate) fn verify(&self, only: Option<&RunId>) -> Result<Vec<Verdict>, Failure> {
        let (mut log, known) = self.log()?;
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
            verdicts.push(self.run(info, &known)?);
        }
        Ok(verdicts)
    }

    fn log(&self) -> Result<(Verdict, Known), Failure> {
        let mut known = Known::new();
        let mut first = None;
        let mut unreadable = Vec::new();
        for raw in self.reader.raw_entries(Of::Log).map_err(unread)? {
            let Ok(raw) = raw else { break };
            match serde_json::from_slice::<LogEntry>(&raw.bytes) {
                Ok(entry) => {
                    first.get_or_insert_with(|| entry.run.clone());
                    let size = TreeSize::new(entry.size).unwrap_or(TreeSize::MAX);
                    known.entry(entry.run).or_default().push(TreeHead { size, root: RootHash(entry.root) });
                }
                Err(error) => {
                    unreadable.push(Found::new(Some(raw.at.0), format!("entry {} of the log: {error}", raw.at.0)))
                }
            }
        }
        let Some(first) = first else {
            let mut findings = unreadable;
            let what = "there is no log of the runs' heads: the record was made by a version that sealed nothing, or the log was removed";
            findings.push(Found::new(None, what));
            let verdict = Verdict { run: None, entries: 0, heads: 0, proven: 0, key: None, findings };
            return Ok((verdict, known));
        };
        let origin = origin_of_log(&first).map_err(|error| Failure::new(Exit::Internal, error))?;
        let mut verdict = self.record(None, Of::Log, &origin, &[], Ending::Sealed)?;
        verdict.findings.extend(unreadable);
        Ok((verdict, known))
    }

    fn run(&self, info: &RunInfo, known: &Known) -> Result<Verdict, Failure> {
        let origin = origin_of_run(&info.id).map_err(|error| Failure::new(Exit::Internal, error))?;
        let of_log = known.get(&info.id).map_or(&[][..], Vec::as_slice);
        let ending = match info.summary.state {
            Some(RunState::Completed | RunState::Failed | RunState::Cancelled) => Ending::Sealed,
            _ => Ending::Open,
        };
        let mut verdict = self.record(Some(&info.id), Of::Run(&info.id), &origin, of_log, ending)?;
        if of_log.is_empty() && !known.is_empty() && verdict.heads > 0 {
            verdict.findings.push(Found::new(None, "the log of all runs does not know it"));
        }
        if verdict.findings.is_empty() {
            verdict.findings.extend(self.plugins(&info.id)?);
        }
        Ok(verdict)
    }

    /// Verifies the entries and heads of one record.
    fn record(
        &self,
        run: Option<&RunId>,
        of: Of<'_>,
        origin: &Origin,
        of_log: &[TreeHead],
        ending: Ending,
    ) -> Result<Verdict, Failure> {
        let held: Vec<TreeHead> = self
            .held
            .iter()
            .filter(|held| held.origin == *origin)
            .map(|held| held.head)
            .chain(of_log.iter().copied())
            .collect();
        let key = self.signer(of)?;
        let ring = KeyRing::new(key.clone());
        let trust = Trust { origin, ring: &ring, held: &held, ending, since: Frontier::new() };
        let findings = RefCell::new(Vec::new());
        let seen = |raw: Raw, what: &str| {
            let mut findings = findings.borrow_mut();
            if !raw.is_sound && findings.len() < TOLD {
                let at = raw.at.0;
                let finding = format!("{what} {at} is not as it was written: its check sum does not fit");
                findings.push(Found::new((what == "entry").then_some(at), finding));
            }
            raw
        };
        let entries = self.reader.raw_entries(of).map_err(unread)?.map(|raw| {
            raw.map(|raw| seen(raw, "entry")).map(|raw| StoredEntry { at: raw.at, bytes: raw.bytes, leaf: None })
        });
        let heads = self.reader.raw_heads(of).map_err(unread)?.map(|raw| {
            let size = |raw: &Raw| TreeSize::new(raw.at.0).unwrap_or(TreeSize::MAX);
            raw.map(|raw| seen(raw, "the head over")).map(|raw| StoredHead { at: size(&raw), note: raw.bytes })
        });
        let report: Result<Report, StoreError> = verify(&trust, entries, heads);
        let mut found = findings.take();
        let report = match report {
            Ok(report) => report,
            Err(error) => {
                found.push(Found::new(None, error.to_string()));
                return Ok(Verdict { run: run.cloned(), entries: 0, heads: 0, proven: 0, key: None, findings: found });
            }
        };
        for finding in &report.findings {
            found.push(Found::new(finding.position().map(|at| at.0), finding.to_string()));
        }
        if report.further > 0 {
            found.push(Found::new(None, format!("and {} more", report.further)));
        }
        if report.heads == 0 && report.entries.get() > 0 {
            found.push(Found::new(
                None,
                "it has no signed head at all: a version that sealed nothing made it, or they were removed",
            ));
        }
        Ok(Verdict {
            run: run.cloned(),
            entries: report.entries.get(),
            heads: report.heads,
            proven: report.proven.size().get(),
            key: (report.heads > 0).then(|| format!("{} ({})", key.name(), key.id())),
            findings: found,
        })
    }

    /// The trusted key that the first head of a record is signed by; any of them where it is signed by none, which is found then.
    fn signer(&self, of: Of<'_>) -> Result<VerifierKey, Failure> {
        let first = self.reader.raw_heads(of).map_err(unread)?.next();
        let by_first = first.and_then(Result::ok).and_then(|raw| {
            let opened = Checkpoint::open(&raw.bytes, self.keys).ok()?;
            opened.signers.first().map(|key| (*key).clone())
        });
        by_first
            .or_else(|| self.keys.first().cloned())
            .ok_or_else(|| Failure::new(Exit::Invalid, "no key is trusted; give one with `--key`"))
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

fn unread(error: StoreError) -> Failure {
    Failure::of(Exit::Unverified, "read the record", &error)
}
