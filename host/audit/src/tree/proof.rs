//! Proofs about a tree and how they are verified: RFC 6962 §2.1.1 and §2.1.2, with the algorithms of RFC 9162 §2.1.3.2 and §2.1.4.2 as
//! the `ct-merkle` crate has them.
//!
//! A proof is about heads, and a head is size and root together: a proof that was made for one size may well verify for
//! another one beside the same root. So a head has to come from where it can be trusted as a whole, such as a signed checkpoint.

use super::hash::{RootHash, TreeHead, TreeSize};
use longhaul_core::digest::Digest;
use longhaul_core::entry::Position;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// Proof that an entry is in a tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InclusionProof {
    /// The hashes beside the way from the leaf to the root, the leaf's neighbour first.
    pub path: Vec<Digest>,
}

/// Proof that one tree is the beginning of another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsistencyProof {
    /// The hashes out of which both roots come, the deepest first.
    pub path: Vec<Digest>,
}

/// A proof cannot be made or does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The tree never had that many entries.
    #[error("the tree has {has} entries and never had {size}")]
    NotThere {
        /// The size asked for.
        size: TreeSize,
        /// The size of the tree.
        has: TreeSize,
    },
    /// The entry is not in the tree.
    #[error("entry {} is outside of a tree of {size} entries", .position.0)]
    Outside {
        /// The entry.
        position: Position,
        /// The size of the tree.
        size: TreeSize,
    },
    /// The tree that should be the beginning is the larger one.
    #[error("a tree of {old} entries cannot be the beginning of one of {new}")]
    Backwards {
        /// The size of the beginning.
        old: TreeSize,
        /// The size of the whole.
        new: TreeSize,
    },
    /// The proof leads to other roots, or has not as many hashes as it must have.
    #[error("the proof does not lead to the root {root} of {size} entries: the entry, the proof or the head is not the original", root = .0.root, size = .0.size)]
    DoesNotHold(TreeHead),
}

impl InclusionProof {
    /// Verifies that the entry with these stored bytes is at `position` in the tree with this head.
    ///
    /// # Errors
    /// [`ProofError::Outside`] and [`ProofError::DoesNotHold`].
    pub fn verify(&self, entry: &[u8], position: Position, head: &TreeHead) -> Result<(), ProofError> {
        if position.0 >= head.size.get() {
            return Err(ProofError::Outside { position, size: head.size });
        }
        let failed = || ProofError::DoesNotHold(*head);
        let proof = ct_merkle::InclusionProof::<Sha256>::try_from_bytes(joined(&self.path)).map_err(|_| failed())?;
        root(head).verify_inclusion(&entry, position.0, &proof).map_err(|_| failed())
    }
}

impl ConsistencyProof {
    /// Verifies that the tree with the head `old` is the beginning of the tree with the head `new`.
    ///
    /// # Errors
    /// [`ProofError::Backwards`] and [`ProofError::DoesNotHold`].
    pub fn verify(&self, old: &TreeHead, new: &TreeHead) -> Result<(), ProofError> {
        if old.size > new.size {
            return Err(ProofError::Backwards { old: old.size, new: new.size });
        }
        if old.size == TreeSize::ZERO {
            let holds = self.path.is_empty() && old.root == RootHash::empty() && (new.size > old.size || new == old);
            return if holds { Ok(()) } else { Err(ProofError::DoesNotHold(*old)) };
        }
        let failed = || ProofError::DoesNotHold(*new);
        let proof = ct_merkle::ConsistencyProof::<Sha256>::try_from_bytes(joined(&self.path)).map_err(|_| failed())?;
        root(new).verify_consistency(&root(old), &proof).map_err(|_| failed())
    }
}

fn joined(path: &[Digest]) -> Vec<u8> {
    path.iter().flat_map(Digest::as_bytes).copied().collect()
}

fn root(head: &TreeHead) -> ct_merkle::RootHash<Sha256> {
    ct_merkle::RootHash::new((*head.root.0.as_bytes()).into(), head.size.get())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Tree;
    use proptest::prelude::*;

    fn size(entries: u64) -> TreeSize {
        TreeSize::new(entries).unwrap()
    }

    fn flipped(digest: Digest, bit: usize) -> Digest {
        let mut bytes = *digest.as_bytes();
        bytes[bit / 8 % 32] ^= 1 << (bit % 8);
        Digest::from_bytes(bytes)
    }

    /// All single changes to a path: each hash altered, left out, doubled, exchanged with its neighbour; one hash more.
    fn altered(path: &[Digest], bit: usize) -> Vec<Vec<Digest>> {
        let mut all = Vec::new();
        for at in 0..path.len() {
            let mut change = |change: fn(&mut Vec<Digest>, usize, usize)| {
                let mut other = path.to_vec();
                change(&mut other, at, bit);
                if other != path {
                    all.push(other);
                }
            };
            change(|path, at, bit| path[at] = flipped(path[at], bit));
            change(|path, at, _| {
                path.remove(at);
            });
            change(|path, at, _| path.insert(at, path[at]));
            change(|path, at, _| {
                let other = (at + 1) % path.len();
                path.swap(at, other);
            });
        }
        let more = |hash| [path, &[hash]].concat();
        all.extend([more(Digest::of(b"more")), more(RootHash::empty().0)]);
        all
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn every_proof_verifies_and_every_altered_one_fails(entries in 1..50u64, bit in 0..256usize) {
            let mut tree = Tree::new();
            for entry in 0..entries {
                tree.append(&entry.to_be_bytes());
            }
            let head = tree.head(size(entries)).unwrap();
            let other = TreeHead { root: RootHash(flipped(head.root.0, bit)), ..head };
            for at in 0..entries {
                let bytes = at.to_be_bytes();
                let proof = tree.prove_inclusion(Position(at), head.size).unwrap();
                prop_assert_eq!(proof.verify(&bytes, Position(at), &head), Ok(()));
                prop_assert!(proof.verify(b"another entry", Position(at), &head).is_err());
                prop_assert!(proof.verify(&bytes, Position(at), &other).is_err());
                for wrong in (0..=entries).filter(|wrong| *wrong != at) {
                    prop_assert!(proof.verify(&bytes, Position(wrong), &head).is_err());
                }
                for path in altered(&proof.path, bit) {
                    let proof = InclusionProof { path };
                    prop_assert!(proof.verify(&bytes, Position(at), &head).is_err());
                }
            }
            for old in 0..=entries {
                let old = tree.head(size(old)).unwrap();
                let proof = tree.prove_consistency(old.size, head.size).unwrap();
                prop_assert_eq!(proof.verify(&old, &head), Ok(()));
                let forged = TreeHead { root: RootHash(flipped(old.root.0, bit)), ..old };
                prop_assert!(proof.verify(&forged, &head).is_err());
                // Of the empty tree every other one is a continuation, whatever it is.
                prop_assert_eq!(proof.verify(&old, &other).is_err(), old.size > TreeSize::ZERO);
                for path in altered(&proof.path, bit) {
                    let proof = ConsistencyProof { path };
                    prop_assert!(proof.verify(&old, &head).is_err());
                }
            }
        }
    }

    #[test]
    fn heads_of_any_size_are_checked_without_panic() {
        let head = |entries| TreeHead { size: size(entries), root: RootHash::empty() };
        for entries in [0u64, 1, 2, 3, 1 << 61, (1 << 62) - 1, 1 << 62] {
            for path in [vec![], vec![Digest::of(b"x")], vec![Digest::of(b"x"); 62]] {
                for at in [0, 1, entries.saturating_sub(1), entries, u64::MAX] {
                    let proof = InclusionProof { path: path.clone() };
                    assert!(proof.verify(b"", Position(at), &head(entries)).is_err(), "{at} in {entries}");
                }
                for old in [1, 2, 3, 1 << 61, (1 << 62) - 1] {
                    let proof = ConsistencyProof { path: path.clone() };
                    let trivial = old == entries && path.is_empty();
                    assert_eq!(proof.verify(&head(old), &head(entries)).is_ok(), trivial, "{old} to {entries}");
                }
            }
        }
    }

    #[test]
    fn the_kept_library_makes_the_same_proofs() {
        let mut tree = Tree::new();
        let mut theirs = ct_merkle::mem_backed_tree::MemoryBackedTree::<Sha256, Vec<u8>>::new();
        for entry in 0..130u64 {
            tree.append(&entry.to_be_bytes());
            theirs.push(entry.to_be_bytes().to_vec());
            let head = tree.head(tree.size()).unwrap();
            assert_eq!(theirs.root().as_bytes().as_slice(), head.root.0.as_bytes());
            for at in 0..=entry {
                let ours = tree.prove_inclusion(Position(at), tree.size()).unwrap();
                assert_eq!(theirs.prove_inclusion(at as usize).as_bytes(), joined(&ours.path));
                let ours = tree.prove_consistency(size(at + 1), tree.size()).unwrap();
                assert_eq!(theirs.prove_consistency((entry - at) as usize).as_bytes(), joined(&ours.path));
            }
        }
    }
}
