//! A tree whose hashes are all kept, for proofs about any entry and between any two sizes.
//!
//! Only the hashes of complete trees are kept, level by level: they never change once they are there, so the tree as it was at any earlier
//! size can be asked too. It takes 64 bytes of memory for each entry. The tree of `ct-merkle` proves for its newest size only and keeps the
//! entries themselves besides; its verification is what the proofs made here are checked with.

use super::hash::{LeafHash, RootHash, TreeHead, TreeSize, node};
use super::proof::{ConsistencyProof, InclusionProof, ProofError};
use longhaul_core::digest::Digest;
use longhaul_core::entry::Position;
use std::ops::Range;

/// A tree that gives proofs.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    /// `levels[k][i]` is the root over the entries from `i * 2^k` on, `2^k` of them.
    levels: Vec<Vec<Digest>>,
}

impl Tree {
    /// The tree without entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many entries were appended.
    pub fn size(&self) -> TreeSize {
        let entries = self.levels.first().map_or(0, Vec::len);
        u64::try_from(entries).ok().and_then(|entries| TreeSize::new(entries).ok()).unwrap_or(TreeSize::MAX)
    }

    /// Appends an entry by its stored bytes.
    pub fn append(&mut self, entry: &[u8]) -> LeafHash {
        let leaf = LeafHash::of(entry);
        self.append_leaf(leaf);
        leaf
    }

    /// Appends an entry by its leaf hash.
    pub fn append_leaf(&mut self, leaf: LeafHash) {
        let mut hash = leaf.0;
        for level in 0.. {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            let row = &mut self.levels[level];
            row.push(hash);
            match row.as_chunks::<2>() {
                (pairs, []) => match pairs.last() {
                    Some([left, right]) => hash = node(left, right),
                    None => break,
                },
                _ => break,
            }
        }
    }

    /// The head of the tree as it was when it had `size` entries.
    ///
    /// # Errors
    /// [`ProofError::NotThere`] where it never had that many.
    pub fn head(&self, size: TreeSize) -> Result<TreeHead, ProofError> {
        self.has(size)?;
        let root = if size == TreeSize::ZERO { RootHash::empty() } else { RootHash(self.over(0..size.get())) };
        Ok(TreeHead { size, root })
    }

    /// Proves that the entry at `position` is in the tree of `size` entries: `PATH(m, D[n])` of RFC 6962 §2.1.1.
    ///
    /// # Errors
    /// [`ProofError::NotThere`] where the tree never had that many entries, [`ProofError::Outside`] where the entry is not among them.
    pub fn prove_inclusion(&self, position: Position, size: TreeSize) -> Result<InclusionProof, ProofError> {
        self.has(size)?;
        if position.0 >= size.get() {
            return Err(ProofError::Outside { position, size });
        }
        let mut path = Vec::new();
        let mut range = 0..size.get();
        while range.end - range.start > 1 {
            let middle = split(&range);
            if position.0 < middle {
                path.push(self.over(middle..range.end));
                range.end = middle;
            } else {
                path.push(self.over(range.start..middle));
                range.start = middle;
            }
        }
        path.reverse();
        Ok(InclusionProof { path })
    }

    /// Proves that the tree of `old` entries is the beginning of the tree of `new` entries: `PROOF(m, D[n])` of RFC 6962 §2.1.2. The empty tree is
    /// the beginning of every tree, and nothing has to be said for it.
    ///
    /// # Errors
    /// [`ProofError::NotThere`] where the tree never had that many entries, [`ProofError::Backwards`] where `old` is more than `new`.
    pub fn prove_consistency(&self, old: TreeSize, new: TreeSize) -> Result<ConsistencyProof, ProofError> {
        self.has(new)?;
        if old > new {
            return Err(ProofError::Backwards { old, new });
        }
        let mut path = Vec::new();
        if old == TreeSize::ZERO {
            return Ok(ConsistencyProof { path });
        }
        let (mut range, mut known) = (0..new.get(), true);
        while range.end > old.get() {
            let middle = split(&range);
            if old.get() <= middle {
                path.push(self.over(middle..range.end));
                range.end = middle;
            } else {
                path.push(self.over(range.start..middle));
                range.start = middle;
                known = false;
            }
        }
        // Where the old tree is itself a complete part of the new one, the verifier has its root already.
        if !known {
            path.push(self.over(range));
        }
        path.reverse();
        Ok(ConsistencyProof { path })
    }

    fn has(&self, size: TreeSize) -> Result<(), ProofError> {
        let has = self.size();
        if size <= has { Ok(()) } else { Err(ProofError::NotThere { size, has }) }
    }

    /// The root over the entries of `range`, which is not empty and begins where a tree of its length may begin.
    fn over(&self, range: Range<u64>) -> Digest {
        let length = range.end - range.start;
        if length.is_power_of_two() {
            let level = length.trailing_zeros();
            let kept =
                usize::try_from(range.start >> level).ok().and_then(|at| self.levels.get(level as usize)?.get(at));
            if let Some(hash) = kept {
                return *hash;
            }
        }
        let middle = split(&range);
        node(&self.over(range.start..middle), &self.over(middle..range.end))
    }
}

/// Where RFC 6962 splits a range of more than one entry: after the largest power of two of them that is less than all.
fn split(range: &Range<u64>) -> u64 {
    range.start + (1 << (range.end - range.start - 1).ilog2())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::vectors::{CONSISTENCY, INCLUSION, ROOTS, leaves, root_by_definition};

    fn of(entries: &[Vec<u8>]) -> Tree {
        let mut tree = Tree::new();
        for entry in entries {
            tree.append(entry);
        }
        tree
    }

    fn size(entries: u64) -> TreeSize {
        TreeSize::new(entries).unwrap()
    }

    fn hex(path: &[Digest]) -> Vec<String> {
        path.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn heads_and_proofs_are_those_of_the_reference() {
        let tree = of(&leaves());
        for (at, root) in ROOTS.iter().enumerate() {
            assert_eq!(tree.head(size(at as u64)).unwrap().root.to_string(), *root, "{at}");
        }
        for (at, of, path) in INCLUSION {
            assert_eq!(hex(&tree.prove_inclusion(Position(at), size(of)).unwrap().path), path, "{at} in {of}");
        }
        for (old, new, path) in CONSISTENCY {
            assert_eq!(hex(&tree.prove_consistency(size(old), size(new)).unwrap().path), path, "{old} to {new}");
        }
    }

    #[test]
    fn every_earlier_head_can_be_asked() {
        let entries: Vec<Vec<u8>> = (0..70u8).map(|n| vec![n; 3]).collect();
        let tree = of(&entries);
        for at in 0..=entries.len() {
            assert_eq!(tree.head(size(at as u64)).unwrap().root, root_by_definition(&entries[..at]), "{at}");
        }
    }

    #[test]
    fn what_is_not_there_cannot_be_proved() {
        let tree = of(&leaves());
        assert_eq!(tree.head(size(9)), Err(ProofError::NotThere { size: size(9), has: size(8) }));
        let outside = Err(ProofError::Outside { position: Position(5), size: size(5) });
        assert_eq!(tree.prove_inclusion(Position(5), size(5)), outside);
        assert_eq!(
            tree.prove_inclusion(Position(0), size(0)),
            Err(ProofError::Outside { position: Position(0), size: size(0) })
        );
        let backwards = Err(ProofError::Backwards { old: size(6), new: size(5) });
        assert_eq!(tree.prove_consistency(size(6), size(5)), backwards);
        assert!(tree.prove_consistency(size(1), size(9)).is_err());
    }
}
