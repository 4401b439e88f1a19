//! Sizes and hashes of trees, and the two hash functions of RFC 6962 §2.1: a leaf's begins with 0x00, a node's with 0x01, so that
//! neither can be taken for the other.

use longhaul_core::digest::Digest;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// How many entries a tree has, from none to [`TreeSize::MAX`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct TreeSize(u64);

/// A number that is not the size of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is more than the {max} entries that a tree can have", max = TreeSize::MAX)]
pub struct TreeSizeError(pub u64);

impl TreeSize {
    /// Of the empty tree.
    pub const ZERO: Self = Self(0);
    /// The largest size. It is far beyond any record, and leaves room for sums and indices of nodes.
    pub const MAX: Self = Self(1 << 62);

    /// The size of a tree with this many entries.
    ///
    /// # Errors
    /// [`TreeSizeError`] above [`TreeSize::MAX`].
    pub const fn new(entries: u64) -> Result<Self, TreeSizeError> {
        if entries <= Self::MAX.0 { Ok(Self(entries)) } else { Err(TreeSizeError(entries)) }
    }

    /// The number of entries.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// One more. At the largest size it stays there, which nobody lives to see.
    pub(crate) const fn next(self) -> Self {
        if self.0 < Self::MAX.0 { Self(self.0 + 1) } else { self }
    }
}

impl fmt::Display for TreeSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl TryFrom<u64> for TreeSize {
    type Error = TreeSizeError;
    fn try_from(entries: u64) -> Result<Self, TreeSizeError> {
        Self::new(entries)
    }
}

impl From<TreeSize> for u64 {
    fn from(size: TreeSize) -> u64 {
        size.0
    }
}

/// The hash of one entry as a leaf: SHA-256 of 0x00 and its stored bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LeafHash(pub Digest);

impl LeafHash {
    /// The leaf hash of an entry with these stored bytes.
    pub fn of(entry: &[u8]) -> Self {
        let mut hasher = Sha256::new();
        hasher.update([0x00]);
        hasher.update(entry);
        Self(Digest::from_bytes(hasher.finalize().into()))
    }
}

impl fmt::Display for LeafHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The hash of a whole tree: `MTH(D[n])` of RFC 6962.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RootHash(pub Digest);

impl RootHash {
    /// The root of the tree without entries: SHA-256 of nothing.
    pub fn empty() -> Self {
        Self(Digest::of(b""))
    }
}

impl fmt::Display for RootHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// What a tree is, in a few bytes: nobody can find another sequence of entries with the same head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TreeHead {
    /// How many entries it has.
    pub size: TreeSize,
    /// The hash over all of them.
    pub root: RootHash,
}

impl TreeHead {
    /// The head of the tree without entries.
    pub fn empty() -> Self {
        Self { size: TreeSize::ZERO, root: RootHash::empty() }
    }
}

/// The hash of a node above two others: SHA-256 of 0x01, the left hash and the right one.
pub(super) fn node(left: &Digest, right: &Digest) -> Digest {
    let mut bytes = [0x01; 65];
    bytes[1..33].copy_from_slice(left.as_bytes());
    bytes[33..].copy_from_slice(right.as_bytes());
    Digest::of(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_a_bound() {
        assert_eq!(TreeSize::new(1 << 62), Ok(TreeSize::MAX));
        assert_eq!(TreeSize::new(u64::MAX), Err(TreeSizeError(u64::MAX)));
        assert_eq!(TreeSize::MAX.next(), TreeSize::MAX);
        assert_eq!(TreeSize::ZERO.next().get(), 1);
    }
}
