//! The private copy of a version in which one attempt works.
//!
//! A stage is virtual: it begins as a reference to the root of its version. Folders become its own as something in them
//! changes (`overlay`), files as they are written ([`file`]); everything else is read from the store. What it may use of
//! memory and disk is counted in one place (`room`), and a commit turns what it wrote into objects (`seal`).
//!
//! It needs to write below `state/stages/` and to read below `state/objects/`, nothing else; both through handles that were
//! opened before, so that a thread confined to these two folders can serve it.

mod file;
mod overlay;
mod room;
mod seal;
mod workspace_stage;
mod written;

pub(crate) use room::Room;
pub use room::StageLimits;
pub use workspace_stage::WorkspaceStage;
pub(crate) use written::{Seen, SeenFile};
