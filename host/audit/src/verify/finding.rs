//! What can be wrong with a record: which entry or head, what was expected, and why.

use crate::key::Rotation;
use crate::note::{CheckpointError, KeyId, KeyName, Origin, VerifierKey};
use crate::tree::{LeafHash, RootHash, TreeHead, TreeSize};
use longhaul_core::entry::Position;
use std::fmt;

/// Who says what a record was like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Witness {
    /// A signed head that is part of the record.
    Signed,
    /// A head that was kept elsewhere.
    Held,
}

impl fmt::Display for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Signed => "the signed head",
            Self::Held => "the head held elsewhere",
        })
    }
}

/// One thing that is wrong with a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// An entry's bytes are not those that were signed.
    #[error("entry {} was altered: its hash is {found}, and {by} of {size} entries proves that it was {expected}", .at.0)]
    EntryAltered {
        /// Which one.
        at: Position,
        /// The leaf hash of the original.
        expected: LeafHash,
        /// The leaf hash of what is there.
        found: LeafHash,
        /// The size of the head that proves it.
        size: TreeSize,
        /// Whose head.
        by: Witness,
    },
    /// An entry is the original one, and the leaf hash stored beside it is not.
    #[error("the hash stored beside entry {} was altered: it is {found}, and {by} of {size} entries proves that it was {expected}", .at.0)]
    LeafAltered {
        /// Which one.
        at: Position,
        /// The leaf hash of the entry.
        expected: LeafHash,
        /// The leaf hash that is stored.
        found: LeafHash,
        /// The size of the head that proves it.
        size: TreeSize,
        /// Whose head.
        by: Witness,
    },
    /// Some entry of a range is not the original one, or they are in another order. Nothing after them can be proven.
    #[error(
        "entries {} to {} are not those that were signed: their tree has the root {found}, and {by} of {size} entries says {expected}{suspects}",
        .from.0, .to.0, expected = .head.root, size = .head.size, suspects = listed(.suspects)
    )]
    RangeAltered {
        /// The first entry that it may be.
        from: Position,
        /// The last one.
        to: Position,
        /// What the tree should be.
        head: TreeHead,
        /// What it is.
        found: RootHash,
        /// Whose head.
        by: Witness,
        /// Entries that do not go with the hashes stored beside them, where there are such; the first ones.
        suspects: Vec<Position>,
    },
    /// Entries are missing in the middle. Nothing after them can be proven.
    #[error("entry {} is missing: entry {} stands where it should", .expected.0, .found.0)]
    EntryMissing {
        /// The first one that is missing.
        expected: Position,
        /// The one that is there instead.
        found: Position,
    },
    /// An entry stands where a later one should. Nothing after it can be proven.
    #[error("entry {} stands where entry {} should", .found.0, .expected.0)]
    EntryOutOfOrder {
        /// Which one should be there.
        expected: Position,
        /// The one that is.
        found: Position,
    },
    /// Entries are missing at the end.
    #[error("the record was cut off: it has {found} entries, and {by} proves that it had {expected}")]
    Truncated {
        /// How many there were at least.
        expected: TreeSize,
        /// How many there are.
        found: TreeSize,
        /// Whose head.
        by: Witness,
    },
    /// The entry of a rotation that the ring knows is missing at the end.
    #[error("the record was cut off: it has {found} entries, and entry {}, which rotates the signing key, was among them", .at.0)]
    RotationMissing {
        /// The entry.
        at: Position,
        /// How many there are.
        found: TreeSize,
    },
    /// The key that a rotation retires does not vouch for its successor, or the successor did not sign.
    #[error("the rotation of the signing key at entry {} is not sealed: {name} ({id}) has not signed the head right after it, and both keys have to", .at.0)]
    RotationNotSealed {
        /// The entry.
        at: Position,
        /// The name of the key that has not signed.
        name: KeyName,
        /// Its id.
        id: KeyId,
    },
    /// A head is no checkpoint, or is not signed by a key that is trusted.
    #[error("the head at {at} entries cannot be believed: {problem}")]
    HeadRefused {
        /// Where it stands.
        at: TreeSize,
        /// Why not.
        problem: CheckpointError,
    },
    /// A head is that of another record.
    #[error("the head at {at} entries is that of `{found}`, and this is the record of `{expected}`")]
    HeadOfOther {
        /// Where it stands.
        at: TreeSize,
        /// Whose it should be.
        expected: Origin,
        /// Whose it is.
        found: Origin,
    },
    /// A head stands elsewhere than after the entries that it covers.
    #[error("the head that stands after {at} entries is over {says}: it was moved")]
    HeadMisplaced {
        /// Where it stands.
        at: TreeSize,
        /// How many entries it covers.
        says: TreeSize,
    },
    /// Heads do not stand in the order of their sizes.
    #[error("the head at {at} entries stands after that at {after}")]
    HeadOutOfOrder {
        /// Where it says it stands.
        at: TreeSize,
        /// Where the one before stands.
        after: TreeSize,
    },
    /// Two heads that can both be believed say different things of the same entries.
    #[error("two heads of {size} entries contradict each other: one has the root {one}, the other {other}")]
    HeadsDisagree {
        /// How many entries they cover.
        size: TreeSize,
        /// What one says.
        one: RootHash,
        /// What the other says.
        other: RootHash,
    },
    /// A head is signed by a key after it was retired.
    #[error("the head of {size} entries is signed by {name} ({id}), which was retired at entry {}", .at.0)]
    KeyRetired {
        /// The size of the head.
        size: TreeSize,
        /// The key.
        name: KeyName,
        /// Its id.
        id: KeyId,
        /// The entry that retired it.
        at: Position,
    },
    /// A head is signed by a key that came later: the record was sealed again afterwards.
    #[error("the head of {size} entries is signed by {name} ({id}), which holds only from entry {} on: it was sealed again later", .from.0)]
    KeyTooEarly {
        /// The size of the head.
        size: TreeSize,
        /// The key.
        name: KeyName,
        /// Its id.
        id: KeyId,
        /// The entry from which it holds.
        from: Position,
    },
    /// A record that is over does not end with a head.
    #[error("entries {} to {} are not sealed: no signed head covers them, and the record has to end with one", .from.0, .to.0)]
    Unsealed {
        /// The first one.
        from: Position,
        /// The last one.
        to: Position,
    },
}

impl Finding {
    pub(super) fn unsealed_rotation(rotation: &Rotation<'_>, missing: &VerifierKey) -> Self {
        Self::RotationNotSealed { at: rotation.at, name: missing.name().clone(), id: missing.id() }
    }

    /// The entry that it is about; the first one, where it is about several. None where it is about a head.
    pub fn position(&self) -> Option<Position> {
        match self {
            Self::EntryAltered { at, .. }
            | Self::LeafAltered { at, .. }
            | Self::RotationMissing { at, .. }
            | Self::RotationNotSealed { at, .. } => Some(*at),
            Self::RangeAltered { from, .. } | Self::Unsealed { from, .. } => Some(*from),
            Self::EntryMissing { expected, .. } | Self::EntryOutOfOrder { expected, .. } => Some(*expected),
            Self::Truncated { found, .. } => Some(Position(found.get())),
            _ => None,
        }
    }
}

fn listed(suspects: &[Position]) -> String {
    if suspects.is_empty() {
        return String::new();
    }
    let all: Vec<String> = suspects.iter().map(|at| at.0.to_string()).collect();
    format!(" (the hash stored beside it does not fit: {})", all.join(", "))
}
