//! Signed notes and checkpoints in the text formats of C2SP (`c2sp.org/signed-note`, `c2sp.org/tlog-checkpoint`), with Ed25519.
//!
//! ```text
//! example.org/longhaul                   origin            ┐
//! 3                                      entries           ├ the text, which is signed
//! rra8/idLcKFPsGel5VeCZNsPqbUa9eC6FZFY8yngbnc=   root      ┘
//!
//! — example.org/longhaul Uw2QOk…         a line for each signature: key name, then key id and signature in Base64
//! ```
//!
//! Parsing is strict: there is one way to write a note, and everything else is refused with the reason.

mod checkpoint;
mod keys;
mod line;
mod signed;

pub use checkpoint::{Checkpoint, CheckpointError, Opened, Origin};
pub use keys::{KeyId, KeyName, KeyTextError, SignerKey, VerifierKey};
pub use line::LineError;
pub use signed::{MAX_NOTE, MAX_SIGNATURES, Note, NoteError, Signature};
