//! What the agent reports: the most severe findings, as many as configured, and how many there were in all.

use longhaul_sdk::{Failure, files::Unreadable};
use serde::Serialize;

use crate::rules::{OnUnreadable, Rules, Severity};

/// A failure's detail may have 64 KiB; this leaves room for what is around the report.
const MAX_DETAIL: usize = 60 << 10;
/// The most files and folders that a failure lists as not reviewed, of each kind.
const MAX_PATHS: usize = 100;

/// The agent's output.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// The findings: the most severe first, then by file, line and column.
    pub findings: Vec<Finding>,
    /// How many more findings there were than are listed.
    pub findings_omitted: u64,
    /// How many there were of each severity.
    pub counts: Counts,
    /// Files that were checked.
    pub scanned_files: u64,
    /// Files whose content was not checked, and why.
    pub skipped: Vec<Skipped>,
    /// Files that may not be read, and folders that could not be listed.
    pub unreadable: Vec<Unreadable>,
}

/// How many findings there were of each severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Of severity `error`.
    pub error: u64,
    /// Of severity `warning`.
    pub warning: u64,
    /// Of severity `info`.
    pub info: u64,
}

/// One place where a rule found something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The file.
    pub file: String,
    /// The line; 1 is the first.
    pub line: u64,
    /// The character within the line; 1 is the first.
    pub column: u64,
    /// The rule.
    pub rule: String,
    /// How much it matters.
    pub severity: Severity,
    /// What to tell the reader.
    pub message: String,
    /// The line it is on, at most 160 characters from its first one that is not blank.
    pub excerpt: String,
}

/// A file whose content was not checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// The file.
    pub file: String,
    /// Why.
    pub reason: String,
}

impl Counts {
    fn add(&mut self, severity: Severity) {
        match severity {
            Severity::Error => self.error += 1,
            Severity::Warning => self.warning += 1,
            Severity::Info => self.info += 1,
        }
    }

    fn at_least(&self, severity: Severity) -> u64 {
        match severity {
            Severity::Error => self.error,
            Severity::Warning => self.error + self.warning,
            Severity::Info => self.error + self.warning + self.info,
        }
    }
}

impl Report {
    /// Counts a finding; `finding` is asked for the rest of it only where there is room in the list.
    pub(crate) fn add(&mut self, severity: Severity, room: usize, finding: impl FnOnce() -> Finding) {
        self.counts.add(severity);
        if self.findings.len() < room {
            self.findings.push(finding());
            return;
        }
        // A list that is full of trifles must not hide an error.
        let least = self.findings.iter().rposition(|known| known.severity < severity);
        self.findings_omitted += 1;
        if let Some(least) = least {
            self.findings.remove(least);
            self.findings.push(finding());
        }
    }

    pub(crate) fn sort(&mut self) {
        self.findings.sort_by(|a, b| {
            let place = |finding: &Finding| (finding.file.clone(), finding.line, finding.column);
            b.severity.cmp(&a.severity).then_with(|| place(a).cmp(&place(b)))
        });
    }

    /// The report, or the failure that it is by the rules' `fail_at`.
    ///
    /// # Errors
    /// A finding is at least that severe, or something could not be read and must not be skipped. The failure's detail is
    /// the report.
    pub fn judge(self, rules: &Rules) -> Result<Self, Failure> {
        let failing = rules.fail_at.map_or(0, |severity| self.counts.at_least(severity));
        if failing == 0 {
            return match self.unreadable.first() {
                Some(first) if rules.on_unreadable == OnUnreadable::Fail => {
                    let message = format!(
                        "{} files and folders cannot be reviewed, the first is {}: {}; grant reading them, or set \
                         `unreadable: skip` to pass without them",
                        self.unreadable.len(),
                        first.path,
                        first.reason
                    );
                    Err(Failure::denied(message).with_detail(self.shortened()))
                }
                _ => Ok(self),
            };
        }
        let first = self.findings.first().map_or(String::new(), |first| {
            format!("; the first: {}:{}:{}: {} ({})", first.file, first.line, first.column, first.message, first.rule)
        });
        let Counts { error, warning, info } = self.counts;
        let plural = if failing == 1 { "finding is" } else { "findings are" };
        Err(Failure::validation(format!(
            "{failing} {plural} severe enough to fail the review ({error} error, {warning} warning, {info} info){first}"
        ))
        .with_detail(self.shortened()))
    }

    /// The report with its lists cut so that the host takes it as a failure's detail.
    fn shortened(mut self) -> Self {
        let size = |report: &Self| serde_json::to_string(report).map_or(0, |text| text.len());
        self.skipped.truncate(MAX_PATHS);
        self.unreadable.truncate(MAX_PATHS);
        while size(&self) > MAX_DETAIL && !self.findings.is_empty() {
            let kept = self.findings.len() / 2;
            self.findings_omitted += (self.findings.len() - kept) as u64;
            self.findings.truncate(kept);
        }
        self
    }
}
