//! What the workspace captures for tasks, as the engine's port.

use crate::workspace::{OpenError, WorkspacePort, describe};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use longhaul_core::attachment::RepositoryState;
use longhaul_core::digest::Digest;
use longhaul_core::grant::Grant;
use longhaul_engine::ports::{BoxFuture, CaptureFailed, Captures, Content, FilesFound, WorkspaceError};
use longhaul_workspace::diff::Delta;
use longhaul_workspace::{Matches, Objects, VersionId, Workspace};
use std::path::Path;
use std::sync::Arc;

impl WorkspacePort {
    async fn on<T: Send + 'static, E: std::error::Error>(
        &self,
        work: impl FnOnce(&Workspace) -> Result<T, E> + Send + 'static,
    ) -> Result<T, WorkspaceError> {
        let workspace = Arc::clone(&self.workspace);
        let done = self.yard.run(move || work(&workspace).map_err(|error| describe(&error))).await;
        done.and_then(|done| done).map_err(WorkspaceError)
    }
}

impl Captures for WorkspacePort {
    fn find<'a>(
        &'a self,
        version: Digest,
        pattern: &'a str,
        grant: &'a Grant,
    ) -> BoxFuture<'a, Result<FilesFound, CaptureFailed>> {
        let (pattern, grant) = (pattern.to_owned(), grant.clone());
        Box::pin(async move {
            let found = self.on(move |workspace| workspace.matching(VersionId(version), &pattern, &grant)).await?;
            let Matches { files, withheld } = found?;
            Ok(FilesFound { files, withheld })
        })
    }

    fn repository<'a>(
        &'a self,
        version: Digest,
        grant: &'a Grant,
    ) -> BoxFuture<'a, Result<RepositoryState, WorkspaceError>> {
        let grant = grant.clone();
        Box::pin(self.on(move |workspace| workspace.repository(VersionId(version), &grant)))
    }

    fn keep(&self, contents: Vec<Content>) -> BoxFuture<'_, Result<Digest, WorkspaceError>> {
        let contents: Vec<_> = contents
            .into_iter()
            .map(|content| match content {
                Content::Bytes(bytes) => longhaul_workspace::Content::Bytes(bytes),
                Content::Known(size, digest) => longhaul_workspace::Content::Known(size, digest),
            })
            .collect();
        Box::pin(self.on(move |workspace| workspace.attach(&contents)))
    }

    fn content(&self, digest: Digest) -> BoxFuture<'_, Result<Vec<u8>, WorkspaceError>> {
        Box::pin(self.on(move |workspace| workspace.content(digest)))
    }
}

/// Content that is kept in the state folder `state`, for those who only look: a run may be at work there.
///
/// # Errors
/// [`OpenError`] where the folder cannot be opened, or the content is gone or damaged.
pub fn content_of(state: &Path, digest: Digest) -> Result<Vec<u8>, OpenError> {
    Ok(Objects::look(&folder(state)?, digest).map_err(longhaul_workspace::WorkspaceError::from)?)
}

/// What differs between two versions that are kept in the state folder `state`, for those who only look.
///
/// # Errors
/// [`OpenError`] where the folder cannot be opened, or one of the versions is gone or damaged.
pub fn deltas_of(state: &Path, from: Digest, to: Digest) -> Result<Vec<Delta>, OpenError> {
    let found = longhaul_workspace::deltas_of(&folder(state)?, VersionId(from), VersionId(to));
    Ok(found.map_err(longhaul_workspace::WorkspaceError::from)?)
}

fn folder(state: &Path) -> Result<Dir, OpenError> {
    let opened = Dir::open_ambient_dir(state, ambient_authority());
    opened.map_err(|source| OpenError::Folder { path: state.to_owned(), source })
}
