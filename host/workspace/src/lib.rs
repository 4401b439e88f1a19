//! Versions of a workspace, the stages in which attempts work, and the way of a result into the user's folder.
//!
//! ```text
//! user's folder ──import──► version ──stage──► WorkspaceStage ──commit──► version ──apply──► user's folder
//!                              └────────────── objects (content-addressed) ──────────────┘
//! ```
//!
//! A version is an immutable tree of folders ([`tree::Folder`]) named by the digest of its root ([`VersionId`]). All
//! content lies in one store of objects, so that versions share what they have in common and making the next one costs
//! what changed. A stage ([`WorkspaceStage`]) is a private, virtual copy of a version: making one costs nothing, reading
//! copies nothing, and what is written becomes objects only at the commit. The user's own folder is touched by
//! [`Workspace::import`], which reads it, and by [`Workspace::apply`], which changes it wholly or not at all.
//!
//! Every access goes through a `cap_std::fs::Dir` handed over by the caller, and links in the user's folder are never
//! followed: one that an agent planted leads nowhere. This crate starts no executor, reads no clock and prints nothing.

pub mod apply;
mod attach;
pub mod batch;
pub mod collect;
pub mod diff;
mod disk;
mod folder_object;
pub mod ground;
pub mod import;
mod index;
mod kept;
pub mod merge;
pub mod object;
mod repository;
pub mod rules;
pub mod stage;
pub mod tree;
mod visible;
mod workspace;

pub use apply::{Applied, ApplyError};
pub use attach::{Content, Matches};
pub use collect::Collected;
pub use ground::{Ground, GroundError};
pub use import::{ImportError, ImportReport, Imported, Skipped};
pub use kept::deltas_of;
pub use object::Objects;
pub use stage::{StageLimits, WorkspaceStage};
pub use tree::VersionId;
pub use workspace::{CommitError, Committed, Options, Workspace, WorkspaceError};
