//! The growing edge of a tree: what has to be kept of all entries so far to append the next one and to know the root.
//!
//! A tree of n entries is a row of complete trees, one for each bit that is set in n, the largest first. Their roots are all that later
//! entries are ever hashed with, so a frontier is at most 63 hashes however long history is. An append hashes one leaf and, on average, less
//! than one node. The `ct-merkle` crate has no such thing: its tree keeps all leaves and all nodes.

use super::hash::{LeafHash, RootHash, TreeHead, TreeSize, node};
use longhaul_core::digest::Digest;

/// The edge of a tree, to which entries are appended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: TreeSize,
    /// The roots of the complete trees, the largest first: one for each bit set in `size`.
    peaks: Vec<Digest>,
}

/// Bytes that are not a stored frontier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrontierError {
    /// The size does not fit.
    #[error("a stored frontier has no possible size; make it anew by reading the record")]
    Size,
    /// There are not as many bytes as the size asks for.
    #[error(
        "a stored frontier of {size} entries has {expected} bytes and not {found}; make it anew by reading the record"
    )]
    Length {
        /// The size that it tells.
        size: TreeSize,
        /// How many bytes such a frontier has.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// It is well-formed and of another tree than the one it was to continue.
    #[error(
        "a stored frontier is that of a tree with the root {found} at {size} entries, and the head says {expected}; \
         make it anew by reading the record"
    )]
    OtherTree {
        /// The size of the frontier.
        size: TreeSize,
        /// The root of the head.
        expected: RootHash,
        /// The root of the frontier.
        found: RootHash,
    },
}

impl Frontier {
    /// Of the tree without entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many entries were appended.
    pub fn size(&self) -> TreeSize {
        self.size
    }

    /// Appends an entry by its stored bytes.
    pub fn append(&mut self, entry: &[u8]) -> LeafHash {
        let leaf = LeafHash::of(entry);
        self.append_leaf(leaf);
        leaf
    }

    /// Appends an entry by its leaf hash.
    pub fn append_leaf(&mut self, leaf: LeafHash) {
        let mut tree = leaf.0;
        for _ in 0..self.size.get().trailing_ones() {
            // There is a peak for each bit set.
            let Some(left) = self.peaks.pop() else { break };
            tree = node(&left, &tree);
        }
        self.peaks.push(tree);
        self.size = self.size.next();
    }

    /// Size and root of the tree so far.
    pub fn head(&self) -> TreeHead {
        let mut peaks = self.peaks.iter().rev();
        let root = match peaks.next() {
            None => RootHash::empty(),
            Some(last) => RootHash(peaks.fold(*last, |right, left| node(left, &right))),
        };
        TreeHead { size: self.size, root }
    }

    /// The frontier as bytes to be stored: its size as eight bytes, big-endian, and 32 bytes for each bit set in the size.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(8 + 32 * self.peaks.len());
        bytes.extend_from_slice(&self.size.get().to_be_bytes());
        for peak in &self.peaks {
            bytes.extend_from_slice(peak.as_bytes());
        }
        bytes
    }

    /// The frontier that was stored as `bytes`, which may come from anywhere: it is that of the tree with this head, or refused.
    ///
    /// # Errors
    /// [`FrontierError`] where the bytes are not a frontier, or not that of `head`.
    pub fn resume(bytes: &[u8], head: &TreeHead) -> Result<Self, FrontierError> {
        let (size, peaks) = bytes.split_first_chunk::<8>().ok_or(FrontierError::Size)?;
        let size = TreeSize::new(u64::from_be_bytes(*size)).map_err(|_| FrontierError::Size)?;
        let expected = 8 + 32 * usize::try_from(size.get().count_ones()).map_err(|_| FrontierError::Size)?;
        if bytes.len() != expected {
            return Err(FrontierError::Length { size, expected, found: bytes.len() });
        }
        let (peaks, _) = peaks.as_chunks::<32>();
        let frontier = Self { size, peaks: peaks.iter().map(|peak| Digest::from_bytes(*peak)).collect() };
        let found = frontier.head();
        if found == *head {
            Ok(frontier)
        } else {
            Err(FrontierError::OtherTree { size, expected: head.root, found: found.root })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::vectors::{ROOTS, leaves, root_by_definition};
    use proptest::prelude::*;

    fn of(entries: &[Vec<u8>]) -> Frontier {
        let mut frontier = Frontier::new();
        for entry in entries {
            frontier.append(entry);
        }
        frontier
    }

    #[test]
    fn roots_are_those_of_the_reference() {
        let leaves = leaves();
        for (size, root) in ROOTS.iter().enumerate() {
            assert_eq!(of(&leaves[..size]).head().root.to_string(), *root, "{size}");
        }
    }

    #[test]
    fn damaged_bytes_are_refused() {
        let frontier = of(&leaves()[..7]);
        let (bytes, head) = (frontier.to_bytes(), frontier.head());
        assert_eq!(bytes.len(), 8 + 3 * 32);
        assert_eq!(Frontier::resume(&bytes, &head), Ok(frontier));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Frontier::resume(&flipped, &head).is_err(), "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert!(Frontier::resume(&bytes[..length], &head).is_err(), "{length} bytes");
        }
    }

    proptest! {
        #[test]
        fn it_is_the_recursion_by_definition(entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..70), cut in 0..70usize) {
            let frontier = of(&entries);
            prop_assert_eq!(frontier.head().root, root_by_definition(&entries));
            // Continuing from what was stored is the same as never having stopped.
            let (before, after) = entries.split_at(cut.min(entries.len()));
            let stopped = of(before);
            let mut resumed = Frontier::resume(&stopped.to_bytes(), &stopped.head()).unwrap();
            for entry in after {
                resumed.append(entry);
            }
            prop_assert_eq!(resumed, frontier);
        }
    }
}
