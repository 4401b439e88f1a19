//! What a report says beside what the record says: found out by whoever writes it.

use super::diff::Body;
use longhaul_core::change::ChangeKind;

/// What is told to the report.
#[derive(Debug, Clone)]
pub struct Told {
    /// What verification came to.
    pub verified: Verified,
    /// The files that differ between the run's first version and its last.
    pub files: Files,
}

/// What verification came to.
#[derive(Debug, Clone)]
pub struct Verified {
    /// In short.
    pub verdict: Verdict,
    /// Entries that a signed head proves.
    pub proven: u64,
    /// Signed heads.
    pub heads: u64,
    /// The key that it is sealed by.
    pub key: Option<String>,
    /// What is wrong, one sentence each.
    pub findings: Vec<String>,
    /// The newest signed head, as it is stored.
    pub head: Option<String>,
}

/// Whether a record is what was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is.
    AsRecorded,
    /// It is not.
    Altered,
    /// That was not found out, for this reason.
    Unchecked(String),
}

/// The files that differ.
#[derive(Debug, Clone)]
pub enum Files {
    /// These, in the order of their paths.
    Changed {
        /// The first ones.
        listed: Vec<FileChange>,
        /// How many more there are.
        left_out: u64,
    },
    /// They cannot be had, for this reason.
    Unknown(String),
}

/// A file that differs.
#[derive(Debug, Clone)]
pub struct FileChange {
    /// Its path.
    pub path: String,
    /// What became of it.
    pub change: ChangeKind,
    /// What is shown of it.
    pub body: Body,
}
