//! What is captured for tasks, and kept: see [`longhaul_core::attachment`].

use super::{BoxFuture, WorkspaceError};
use longhaul_core::attachment::RepositoryState;
use longhaul_core::digest::Digest;
use longhaul_core::grant::{Grant, PatternError};
use longhaul_core::path::StagePath;

/// Captures files and the repository's state, and keeps what was captured.
///
/// Crash contract: what [`keep`](Captures::keep) gave the digest of is durable. It stays as long as the record names it; what no record names
/// is rubbish to be collected by a later process.
pub trait Captures: Send + Sync {
    /// The files of `version` that `pattern` names, as far as `grant` lets them be read.
    ///
    /// # Errors
    /// [`CaptureFailed`].
    fn find<'a>(
        &'a self,
        version: Digest,
        pattern: &'a str,
        grant: &'a Grant,
    ) -> BoxFuture<'a, Result<FilesFound, CaptureFailed>>;

    /// The state of the repository that the user's folder is now, compared with `version` as far as `grant` lets it be read.
    ///
    /// # Errors
    /// [`WorkspaceError`]. That there is no repository is none.
    fn repository<'a>(
        &'a self,
        version: Digest,
        grant: &'a Grant,
    ) -> BoxFuture<'a, Result<RepositoryState, WorkspaceError>>;

    /// Keeps contents as one tree, and gives its digest.
    ///
    /// # Errors
    /// [`WorkspaceError`].
    fn keep(&self, contents: Vec<Content>) -> BoxFuture<'_, Result<Digest, WorkspaceError>>;

    /// Content of a version, or content that was kept.
    ///
    /// # Errors
    /// [`WorkspaceError`] where it is gone or damaged.
    fn content(&self, digest: Digest) -> BoxFuture<'_, Result<Vec<u8>, WorkspaceError>>;
}

/// Files that a pattern names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FilesFound {
    /// Those that may be read, sorted by path: bytes and digest of their content.
    pub files: Vec<(StagePath, u64, Digest)>,
    /// The first that may not, where there is one.
    pub withheld: Option<StagePath>,
}

/// Content to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// These bytes.
    Bytes(Vec<u8>),
    /// Content of this size that a version has.
    Known(u64, Digest),
}

/// Files were not looked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CaptureFailed {
    /// The pattern is none.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// The version cannot be read.
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
}
