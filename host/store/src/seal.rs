//! Seals: what makes the record tamper-evident, as the writer needs it.
//!
//! The store knows records as rows of bytes and positions; what a tree, a head or a key is, is somebody else's business ([`Sealer`]). It calls
//! the sealer on the writer's thread, within the transaction that writes the entries: a head is durable with the entries that it covers,
//! and where none can be made the transaction fails, and nothing of it was recorded.

use longhaul_core::digest::Digest;
use longhaul_core::id::RunId;
use longhaul_core::units::Timestamp;
use serde::{Deserialize, Serialize};

/// The record that a tree is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sealing<'a> {
    /// A run's entries.
    Run(&'a RunId),
    /// The log of the heads of all runs in the state folder, which is named after the first run in it.
    Log {
        /// That run.
        first: &'a RunId,
    },
}

/// The newest head of a record, as it was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// How many entries it covers.
    pub size: u64,
    /// The root of the tree of their bytes.
    pub root: Digest,
    /// The signed head.
    pub note: Vec<u8>,
    /// What is needed to go on with the tree.
    pub edge: Vec<u8>,
}

/// Makes signed heads over growing records. Records are told apart by numbers of the store's.
///
/// Crash contract: what it returned is durable together with the entries or not at all. It is asked for nothing more after a failed transaction.
pub trait Sealer: Send {
    /// Goes on with a record behind the head `kept`, or begins with it.
    ///
    /// # Errors
    /// Why that head cannot be gone on from, in words.
    fn begin(&mut self, number: i64, record: Sealing<'_>, kept: Option<&Sealed>) -> Result<(), String>;

    /// The next entry, by its bytes exactly as they are stored.
    fn append(&mut self, number: i64, entry: &[u8]);

    /// The head over all entries so far.
    ///
    /// # Errors
    /// Why there is none, in words.
    fn seal(&mut self, number: i64) -> Result<Sealed, String>;
}

/// An entry of the log: a head of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEntry {
    /// When the newest entry below the head was made.
    pub at: Timestamp,
    /// The run.
    pub run: RunId,
    /// How many entries the head covers.
    pub size: u64,
    /// The root of their tree.
    pub root: Digest,
    /// How the run stood then, where it has said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
}
