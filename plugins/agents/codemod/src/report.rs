//! What the agent reports: each change with file and line, as far as the configured number goes, and totals.

use longhaul_sdk::files::Unreadable;
use serde::Serialize;

/// The most characters of an excerpt; what is cut off is marked by `…`.
const MAX_EXCERPT: usize = 120;

/// The agent's output.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// The changes, by file, then by rule, then by line.
    pub changes: Vec<Change>,
    /// How many more changes there were than are listed.
    pub changes_omitted: u64,
    /// Files that were written.
    pub changed_files: u64,
    /// Files that were read.
    pub scanned_files: u64,
    /// Matches that were replaced.
    pub replacements: u64,
    /// Files that were left alone, and why.
    pub skipped: Vec<Skipped>,
    /// Folders that could not be listed.
    pub unreadable: Vec<Unreadable>,
}

/// One replaced match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The file.
    pub file: String,
    /// The line where the match begins, in the text as the rule found it.
    pub line: u64,
    /// The rule.
    pub rule: String,
    /// What was there.
    pub before: String,
    /// What is there now.
    pub after: String,
}

/// A file that was left alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// The file.
    pub file: String,
    /// Why.
    pub reason: String,
}

/// The beginning of some bytes as text.
pub(crate) fn excerpt(bytes: &[u8]) -> String {
    // A character has at most four bytes, so this is enough for a full excerpt and a bound on the work.
    let head = &bytes[..bytes.len().min(MAX_EXCERPT * 4 + 4)];
    let text = String::from_utf8_lossy(head);
    match text.char_indices().nth(MAX_EXCERPT) {
        None => text.into_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_short_whatever_it_is_of() {
        assert_eq!(excerpt(b"plain"), "plain");
        assert_eq!(excerpt("ü".repeat(1_000).as_bytes()).chars().count(), MAX_EXCERPT + 1);
        assert_eq!(excerpt(&[0xff; 1_000_000]).chars().count(), MAX_EXCERPT + 1);
    }
}
