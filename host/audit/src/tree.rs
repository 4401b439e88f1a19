//! RFC 6962 Merkle trees (SHA-256) over the stored bytes of entries.
//!
//! Whoever appends holds a [`Frontier`], which is small and can be continued without reading history. Whoever proves holds a [`Tree`].
//! Proofs are checked by [`InclusionProof::verify`] and [`ConsistencyProof::verify`] against a [`TreeHead`].

mod frontier;
mod full;
mod hash;
mod proof;
#[cfg(test)]
mod vectors;

pub use frontier::{Frontier, FrontierError};
pub use full::Tree;
pub use hash::{LeafHash, RootHash, TreeHead, TreeSize, TreeSizeError};
pub use proof::{ConsistencyProof, InclusionProof, ProofError};
