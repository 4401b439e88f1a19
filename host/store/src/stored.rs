//! How an entry is stored: format 1, and what reading gives back.
//!
//! An entry's body is JSON. It is made once, on the thread that appends it, and those bytes are stored and later hashed:
//! they are never made again from the parsed form. The row carries the number of the format; a golden file for each kind
//! holds format 1 still, so that a change of the runtime types which would alter it fails a test and becomes a new format.

use crate::error::StoreError;
use crate::stored_action;
use longhaul_core::entry::{Entry, Position, Record};
use std::fmt;

/// The format that is written.
pub const FORMAT: u32 = 1;
/// The most bytes of one entry. SQLite's own bound is higher; reaching this one fails the entry, not the journal.
pub const MAX_BODY: usize = 64 << 20;
/// Bodies longer than this are kept apart, by digest: they would spread one row over several pages, which every scan of
/// the journal would have to step over. A page has 4096 bytes and a row about 60 beside its body.
pub(crate) const INLINE: usize = 3900;

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident => $name:literal,)*) => {
        /// The kinds of entry that this version knows.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[expect(missing_docs, reason = "each stands for the variant of `Entry` of the same name")]
        pub enum EntryKind {
            $($variant,)*
        }

        impl EntryKind {
            /// All of them.
            pub const ALL: &[EntryKind] = &[$(EntryKind::$variant,)*];

            /// The kind of `entry`.
            pub fn of(entry: &Entry) -> Self {
                match entry {
                    $(Entry::$variant { .. } => EntryKind::$variant,)*
                }
            }

            /// Its name in records.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(EntryKind::$variant => $name,)*
                }
            }
        }
    };
}

kinds! {
    RunStarted => "run-started",
    RunResumed => "run-resumed",
    Forked => "forked",
    PluginUsed => "plugin-used",
    TaskPlanned => "task-planned",
    TaskChanged => "task-changed",
    AttemptStarted => "attempt-started",
    Captured => "captured",
    Intended => "intended",
    Kept => "kept",
    Action => "action",
    Log => "log",
    Progress => "progress",
    Reused => "reused",
    AttemptSuspended => "attempt-suspended",
    Published => "published",
    Answered => "answered",
    Idled => "idled",
    AttemptEnded => "attempt-ended",
    Committed => "committed",
    Checkpointed => "checkpointed",
    RolledBack => "rolled-back",
    CheckpointsDropped => "checkpoints-dropped",
    IncidentRaised => "incident-raised",
    Decided => "decided",
    RunChanged => "run-changed",
    HookCalled => "hook-called",
    Applied => "applied",
}

impl fmt::Display for EntryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for EntryKind {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        EntryKind::ALL.iter().copied().find(|kind| kind.as_str() == text).ok_or_else(|| {
            let all: Vec<_> = EntryKind::ALL.iter().map(|kind| kind.as_str()).collect();
            format!("`{text}` is not a kind of entry; they are {}", all.join(", "))
        })
    }
}

/// One entry as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Where it stands.
    pub position: Position,
    /// The format it was written in.
    pub format: u32,
    /// The bytes that were written, exactly.
    pub body: Vec<u8>,
    /// What they say.
    pub content: Content,
}

/// What an entry says.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// An entry that this version knows.
    Known(Box<Record>),
    /// An entry that a later version added, or made say more than this one understands.
    Unknown(serde_json::Value),
}

impl Line {
    /// The record, where this version knows it.
    pub fn record(&self) -> Option<&Record> {
        match &self.content {
            Content::Known(record) => Some(record),
            Content::Unknown(_) => None,
        }
    }
}

/// Writes `record` in [`FORMAT`] to the end of `body`.
pub(crate) fn encode(record: &Record, body: &mut Vec<u8>) -> Result<(), StoreError> {
    serde_json::to_writer(&mut *body, record).map_err(|e| StoreError::NotJson { detail: e.to_string() })?;
    if body.len() > MAX_BODY {
        return Err(StoreError::TooLarge { bytes: body.len(), max: MAX_BODY });
    }
    Ok(())
}

/// Reads a body of any format. The error says what is wrong with it, for [`StoreError::Damaged`].
pub(crate) fn decode(body: &[u8]) -> Result<Content, serde_json::Error> {
    if let Some(action) = stored_action::read(body) {
        return Ok(Content::Known(Box::new(action)));
    }
    if let Ok(record) = serde_json::from_slice::<Record>(body) {
        return Ok(Content::Known(Box::new(record)));
    }
    serde_json::from_slice(body).map(Content::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_names_of_their_own_and_are_read_back() {
        for kind in EntryKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(*kind));
        }
        assert!("actions".parse::<EntryKind>().unwrap_err().contains("they are run-started, run-resumed"));
    }

    #[test]
    fn what_a_later_version_wrote_is_kept() {
        let body = br#"{"at":5,"kind":"telepathy","with":"moon"}"#;
        let Content::Unknown(value) = decode(body).unwrap() else { panic!("known") };
        assert_eq!(value["with"], "moon");
        assert!(decode(b"{\"at\":5,").is_err());
    }
}
