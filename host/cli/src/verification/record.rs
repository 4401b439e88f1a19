//! Verification of one record, wherever its rows come from.

use super::{Beliefs, Evidence, Found, TOLD, Verdict};
use crate::failure::{Exit, Failure};
use longhaul_audit::key::KeyRing;
use longhaul_audit::note::{Checkpoint, Origin, VerifierKey};
use longhaul_audit::tree::{Frontier, RootHash, TreeHead, TreeSize};
use longhaul_audit::verify::{Ending, Report, StoredEntry, StoredHead, Trust, verify};
use longhaul_core::id::RunId;
use longhaul_store::{LogEntry, Of, Raw};
use longhaul_wiring::{origin_of_log, origin_of_run};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// Evidence, and what is believed beforehand.
pub(super) struct Records<'a> {
    pub(super) evidence: &'a dyn Evidence,
    pub(super) beliefs: Beliefs<'a>,
}

/// The heads of runs that the log knows.
pub(super) type Known = BTreeMap<RunId, Vec<TreeHead>>;

/// What verification of the log came to.
pub(super) struct Log {
    pub(super) verdict: Verdict,
    pub(super) known: Known,
    /// What its heads begin with; none where there is no log.
    pub(super) origin: Option<Origin>,
}

impl Records<'_> {
    /// Verifies the log. Gives the heads in it of those runs that are `wanted`.
    pub(super) fn log(&self, wanted: impl Fn(&RunId) -> bool) -> Result<Log, Failure> {
        let mut known = Known::new();
        let mut first = None;
        let mut unreadable = Vec::new();
        for raw in self.evidence.entries(Of::Log)? {
            let Ok(raw) = raw else { break };
            match serde_json::from_slice::<LogEntry>(&raw.bytes) {
                Ok(entry) => {
                    first.get_or_insert_with(|| entry.run.clone());
                    let size = TreeSize::new(entry.size).unwrap_or(TreeSize::MAX);
                    if wanted(&entry.run) {
                        known.entry(entry.run).or_default().push(TreeHead { size, root: RootHash(entry.root) });
                    }
                }
                Err(error) if unreadable.len() < TOLD => {
                    unreadable.push(Found::new(Some(raw.at.0), format!("entry {} of the log: {error}", raw.at.0)));
                }
                Err(_) => {}
            }
        }
        let Some(first) = first else {
            let mut findings = unreadable;
            let what = "there is no log of the runs' heads: the record was made by a version that sealed nothing, or the log was removed";
            findings.push(Found::new(None, what));
            let verdict = Verdict { findings, ..Verdict::of(None) };
            return Ok(Log { verdict, known, origin: None });
        };
        let origin = origin_of_log(&first).map_err(|error| Failure::new(Exit::Internal, error))?;
        let mut verdict = self.record(None, Of::Log, &origin, &[], Ending::Sealed)?;
        verdict.findings.extend(unreadable);
        Ok(Log { verdict, known, origin: Some(origin) })
    }

    /// Verifies a run, whose heads in the log are `known`.
    pub(super) fn run(&self, run: &RunId, known: &Known, ending: Ending) -> Result<Verdict, Failure> {
        let origin = origin_of_run(run).map_err(|error| Failure::new(Exit::Internal, error))?;
        let of_log = known.get(run).map_or(&[][..], Vec::as_slice);
        self.record(Some(run), Of::Run(run), &origin, of_log, ending)
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
            .beliefs
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
        let entries = self.evidence.entries(of)?.map(|raw| {
            raw.map(|raw| seen(raw, "entry")).map(|raw| StoredEntry { at: raw.at, bytes: raw.bytes, leaf: None })
        });
        let heads = self.evidence.heads(of)?.map(|raw| {
            let size = |raw: &Raw| TreeSize::new(raw.at.0).unwrap_or(TreeSize::MAX);
            raw.map(|raw| seen(raw, "the head over")).map(|raw| StoredHead { at: size(&raw), note: raw.bytes })
        });
        let report: Result<Report, String> = verify(&trust, entries, heads);
        let mut found = findings.take();
        let report = match report {
            Ok(report) => report,
            Err(error) => {
                found.push(Found::new(None, error));
                return Ok(Verdict { findings: found, ..Verdict::of(run) });
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
            remarks: Vec::new(),
        })
    }

    /// The trusted key that the first head of a record is signed by; any of them where it is signed by none, which is found then.
    fn signer(&self, of: Of<'_>) -> Result<VerifierKey, Failure> {
        let first = self.evidence.heads(of)?.next();
        let by_first = first.and_then(Result::ok).and_then(|raw| {
            let opened = Checkpoint::open(&raw.bytes, self.beliefs.keys).ok()?;
            opened.signers.first().map(|key| (*key).clone())
        });
        by_first
            .or_else(|| self.beliefs.keys.first().cloned())
            .ok_or_else(|| Failure::new(Exit::Invalid, "no key is trusted; give one with `--key`"))
    }
}
