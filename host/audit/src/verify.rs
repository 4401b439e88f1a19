//! Verification of one record from bytes alone: its entries, the signed heads that stand among them, and keys that are trusted.
//!
//! ```text
//! entries ──► frontier ──► root ─┐
//! heads ──► note ──► ring ──► root ┴─► equal? ──► Report: how far the record is proven, and what is wrong with it
//! held elsewhere ───────────► root ┘
//! ```
//!
//! What is found: entries edited, dropped, added, exchanged; a record cut off before a head, or before a head that somebody holds elsewhere;
//! heads by strangers, by a key that was retired, by one that came later; heads that contradict each other; rotations that only the new key
//! vouches for. What cannot be found: that the entries after the last head are not the original ones, which [`Report::proven`] tells;
//! and that a record was cut off together with all heads after the cut, where nobody holds one of them.

mod check;
mod finding;
#[cfg(test)]
mod tests;

pub use finding::{Finding, Witness};

use crate::key::KeyRing;
use crate::note::Origin;
use crate::tree::{Frontier, LeafHash, TreeHead, TreeSize};
use check::Check;
use longhaul_core::entry::Position;

/// How many findings a report tells, so that a record that is wrong throughout takes no more memory than one that is right.
pub const MAX_FINDINGS: usize = 200;

/// One entry as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredEntry<B> {
    /// Where it says it is.
    pub at: Position,
    /// Its bytes, exactly as they are stored.
    pub bytes: B,
    /// The leaf hash that was stored beside it, if any. It proves nothing by itself; where an entry was edited it tells which one,
    /// because a head says whether it is original.
    pub leaf: Option<LeafHash>,
}

/// One head as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredHead<B> {
    /// Where it stands: after this many entries, all of which it covers.
    pub at: TreeSize,
    /// Its signed note.
    pub note: B,
}

/// How a record has to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With a head over all entries: the run is over.
    Sealed,
    /// With whatever was written since the last head: the run is under way, or was stopped.
    Open,
}

/// What is believed beforehand.
#[derive(Debug, Clone)]
pub struct Trust<'a> {
    /// Whose heads they have to be.
    pub origin: &'a Origin,
    /// Who may sign them.
    pub ring: &'a KeyRing,
    /// Heads of this record that were kept elsewhere, in any order. They are believed as they are.
    pub held: &'a [TreeHead],
    /// How the record has to end.
    pub ending: Ending,
    /// Where to begin. Entries and heads before it were verified earlier, and entries are given from there on.
    pub since: Frontier,
}

/// What verification came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// How many entries the record has.
    pub entries: TreeSize,
    /// How many heads were read.
    pub heads: u64,
    /// The tree as far as a head proves that the entries are the original ones; where an edited entry could be told from the others, with the
    /// original one. A later verification can begin there.
    pub proven: Frontier,
    /// What is wrong, in the order in which it was found, [`MAX_FINDINGS`] at most.
    pub findings: Vec<Finding>,
    /// How many more there were.
    pub further: u64,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_intact(&self) -> bool {
        self.findings.is_empty()
    }
}

/// Verifies a record. Both iterators are read once, in step with each other: entries from [`Trust::since`] on, heads from the one that
/// stands first on. Memory does not grow with their number.
///
/// # Errors
/// Those of the iterators. That a record is wrong is no error but a finding.
pub fn verify<E>(
    trust: &Trust<'_>,
    entries: impl IntoIterator<Item = Result<StoredEntry<impl AsRef<[u8]>>, E>>,
    heads: impl IntoIterator<Item = Result<StoredHead<impl AsRef<[u8]>>, E>>,
) -> Result<Report, E> {
    let mut check = Check::new(trust);
    let mut heads = heads.into_iter();
    let mut head = heads.next().transpose()?;
    for entry in entries {
        while let Some(due) = head.take_if(|head| head.at.get() <= check.next()) {
            check.head(due.at, due.note.as_ref());
            head = heads.next().transpose()?;
        }
        let entry = entry?;
        check.entry(entry.at, entry.bytes.as_ref(), entry.leaf);
    }
    while let Some(due) = head {
        check.head(due.at, due.note.as_ref());
        head = heads.next().transpose()?;
    }
    Ok(check.finish())
}
