//! How an apply ends.

use crate::object::ObjectError;
use crate::tree::VersionId;
use crate::workspace::{count, list};
use longhaul_core::path::StagePath;
use std::io;

/// What an apply did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Applied {
    /// The version that the folder has now, where the two versions differ.
    pub version: VersionId,
    /// Files and links written or removed.
    pub files: u64,
}

/// Why an apply failed. But for [`ApplyError::Stuck`] and [`ApplyError::Interrupted`], the folder is as it was.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The user worked in the folder meanwhile.
    #[error(
        "{} changed in the workspace since the run began: {}; nothing was applied, put them back (or move them away) and apply again",
        count(paths.len()), list(paths)
    )]
    Changed {
        /// What is neither as in the old version nor as in the new one, sorted.
        paths: Vec<StagePath>,
    },
    /// A version holds a path that belongs to the host or to git.
    #[error("`{path}` belongs to the host or to git and is never changed; nothing was applied")]
    Reserved {
        /// The path.
        path: StagePath,
    },
    /// Content is not in the store, or not whole.
    #[error("cannot get the content to apply; nothing was applied")]
    Object(#[from] ObjectError),
    /// The new contents could not be made ready.
    #[error("cannot prepare `{path}`; nothing was applied, check permissions and space, then apply again")]
    Prepare {
        /// What was being prepared or looked at.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// The folder would not take a change, and those before it were taken back.
    #[error("cannot change `{path}`; everything was put back as it was, make it writable and apply again")]
    RolledBack {
        /// The path.
        path: StagePath,
        /// What the system said.
        source: io::Error,
    },
    /// The folder would not take a change, and those before it could not be taken back either.
    #[error(
        "cannot change `{path}`, and the workspace is half-changed now; make it writable, the next start of longhaul completes the apply"
    )]
    Stuck {
        /// The path.
        path: StagePath,
        /// What the system said.
        source: io::Error,
    },
    /// An apply was interrupted, and the user changed the same paths before it could be completed.
    #[error(
        "an interrupted apply cannot be completed, because {} changed since: {}; put them back, or remove `apply/log.json` from the state folder to leave everything as it is",
        count(paths.len()), list(paths)
    )]
    Interrupted {
        /// What is neither as before nor as after, sorted.
        paths: Vec<StagePath>,
    },
    /// The log of an interrupted apply cannot be understood.
    #[error(
        "the log of an interrupted apply, `apply/log.json` in the state folder, cannot be read ({reason}); compare the workspace with what you expect, then remove the log"
    )]
    Log {
        /// Why.
        reason: String,
    },
}
