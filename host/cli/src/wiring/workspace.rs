//! The workspace as the engine's versions and stages. Its calls wait for the disk, so each is made on a thread for that.

use crate::failure::{Exit, Failure};
use crate::terminal::one_line;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use longhaul_core::attempt::Limits;
use longhaul_core::digest::Digest;
use longhaul_core::id::AttemptId;
use longhaul_core::stage::Stage;
use longhaul_core::workflow::model::WorkspaceSpec;
use longhaul_engine::ports::{Applied, ApplyFailed, BoxFuture, CommitFailed, Committed, OpenStage, WorkspaceError};
use longhaul_workspace::{ApplyError, CommitError, Options, StageLimits, VersionId, Workspace, WorkspaceStage};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One workspace.
pub(crate) struct WorkspacePort {
    workspace: Arc<Workspace>,
    /// The state folder, for messages.
    state: PathBuf,
}

impl WorkspacePort {
    /// Opens the workspace of the folder `root` with its state in `state`.
    pub(crate) fn open(root: &Path, state: &Path, spec: &WorkspaceSpec) -> Result<Self, Failure> {
        let open = |folder: &Path| {
            Dir::open_ambient_dir(folder, ambient_authority())
                .map_err(|e| Failure::of(Exit::Invalid, format!("open the folder {}", folder.display()), &e))
        };
        let options = Options {
            caches: spec.caches.iter().map(|path| path.as_str().to_owned()).collect(),
            ignore: spec.ignore.clone(),
        };
        let workspace = Workspace::open(open(root)?, open(state)?, &options)
            .map_err(|e| Failure::of(Exit::Invalid, format!("use {} as a workspace", root.display()), &e))?;
        Ok(Self { workspace: Arc::new(workspace), state: state.to_owned() })
    }

    /// Reads the user's folder into a version; also gives notes about what was left out.
    pub(crate) async fn import(&self) -> Result<(Digest, Vec<String>), Failure> {
        let workspace = Arc::clone(&self.workspace);
        let imported = blocking(move || workspace.import()).await;
        let imported = imported.map_err(|e| Failure::new(Exit::Internal, e))?.map_err(|e| {
            let state = self.state.display();
            Failure::of(Exit::Internal, format!("copy the workspace into the state folder {state}"), &e)
        })?;
        let notes =
            imported.report.skipped.iter().map(|skipped| {
                format!("left out: {}", one_line(&format!("{}: {}", skipped.path, skipped.reason), 300))
            });
        Ok((imported.version.0, notes.collect()))
    }
}

/// An open stage.
struct StagePort {
    workspace: Arc<Workspace>,
    stage: Arc<WorkspaceStage>,
}

impl longhaul_engine::ports::Workspace for WorkspacePort {
    fn stage<'a>(
        &'a self,
        version: Digest,
        attempt: &'a AttemptId,
        limits: &'a Limits,
    ) -> BoxFuture<'a, Result<Box<dyn OpenStage>, WorkspaceError>> {
        let workspace = Arc::clone(&self.workspace);
        let (name, limits) = (attempt.to_string(), StageLimits { bytes: limits.disk.0, files: limits.files });
        Box::pin(async move {
            let opened = blocking(move || {
                let stage = workspace.stage(VersionId(version), &name, limits).map_err(|e| describe(&e))?;
                Ok(Box::new(StagePort { workspace, stage }) as Box<dyn OpenStage>)
            });
            opened.await.and_then(|opened| opened).map_err(WorkspaceError)
        })
    }

    fn apply(&self, from: Digest, to: Digest) -> BoxFuture<'_, Result<Applied, ApplyFailed>> {
        let workspace = Arc::clone(&self.workspace);
        Box::pin(async move {
            let applied =
                blocking(move || workspace.apply(VersionId(from), VersionId(to))).await.map_err(ApplyFailed::Io)?;
            match applied {
                Ok(applied) => Ok(Applied { files: applied.files }),
                Err(ApplyError::Changed { paths }) => Err(ApplyFailed::Changed { paths }),
                Err(other) => Err(ApplyFailed::Io(describe(&other))),
            }
        })
    }
}

impl OpenStage for StagePort {
    fn files(&self) -> Arc<dyn Stage> {
        Arc::clone(&self.stage) as Arc<dyn Stage>
    }

    fn commit(self: Box<Self>, head: Digest) -> BoxFuture<'static, Result<Committed, CommitFailed>> {
        Box::pin(async move {
            let committed = blocking(move || self.workspace.commit(&self.stage, VersionId(head)))
                .await
                .map_err(CommitFailed::Io)?;
            match committed {
                Ok(done) => Ok(Committed { base: done.base.0, version: done.version.0, changes: done.changes }),
                Err(CommitError::Conflict { paths }) => Err(CommitFailed::Conflict { paths }),
                Err(other) => Err(CommitFailed::Io(describe(&other))),
            }
        })
    }

    fn discard(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            // Only a panic while its files are removed can fail here; the next start clears them away.
            drop(blocking(move || drop(self)).await);
        })
    }
}

/// Runs `work` on a thread where waiting is no harm.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.map_err(|e| format!("the host failed: {e}"))
}

/// An error with its causes.
fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
