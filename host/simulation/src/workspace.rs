//! The workspace as a process sees it whose machine can fail.

use crate::world::{Counted, Process};
use longhaul_core::attempt::Limits;
use longhaul_core::digest::Digest;
use longhaul_core::grant::Grant;
use longhaul_core::id::AttemptId;
use longhaul_core::path::StagePath;
use longhaul_core::stage::Stage;
use longhaul_core::units::Bytes;
use longhaul_engine::ports::{
    Applied, ApplyFailed, BoxFuture, CommitFailed, Committed, OpenStage, Workspace, WorkspaceError,
};
use longhaul_wiring::{ImportFailed, WorkspacePort};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a disk says that fails.
const BROKEN: &str = "the simulated disk failed";

pub(crate) struct SimWorkspace {
    process: Arc<Process>,
    port: WorkspacePort,
    state: PathBuf,
}

impl SimWorkspace {
    pub(crate) fn new(process: &Arc<Process>, port: WorkspacePort, state: &Path) -> Self {
        Self { process: Arc::clone(process), port, state: state.to_owned() }
    }
}

impl SimWorkspace {
    /// Reads the project into a version.
    pub(crate) async fn import(&self) -> Result<Digest, ImportFailed> {
        Ok(self.port.import().await?.version.0)
    }
}

/// The bytes of all files below a folder.
pub(crate) fn size_of(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let size = |entry: std::fs::DirEntry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => size_of(&entry.path()),
        _ => entry.metadata().map_or(0, |metadata| metadata.len()),
    };
    entries.flatten().map(size).sum()
}

impl Workspace for SimWorkspace {
    fn stage<'a>(
        &'a self,
        version: Digest,
        attempt: &'a AttemptId,
        limits: &'a Limits,
    ) -> BoxFuture<'a, Result<Arc<dyn OpenStage>, WorkspaceError>> {
        Box::pin(async move {
            self.process.survive().await;
            if self.process.world.hits(|rates| rates.workspace) {
                return Err(WorkspaceError(BROKEN.to_owned()));
            }
            let inner = self.port.stage(version, attempt, limits).await?;
            let open = self.process.world.tally.stages.one();
            Ok(Arc::new(SimStage { process: Arc::clone(&self.process), inner, _open: open }) as Arc<dyn OpenStage>)
        })
    }

    fn apply(&self, from: Digest, to: Digest) -> BoxFuture<'_, Result<Applied, ApplyFailed>> {
        Box::pin(async move {
            self.process.survive().await;
            if self.process.world.hits(|rates| rates.workspace) {
                return Err(ApplyFailed::Io(BROKEN.to_owned()));
            }
            let applied = self.port.apply(from, to).await;
            self.process.survive().await;
            applied
        })
    }

    fn inputs<'a>(&'a self, version: Digest, grant: &'a Grant) -> BoxFuture<'a, Result<Digest, WorkspaceError>> {
        Box::pin(async move {
            self.process.survive().await;
            self.port.inputs(version, grant).await
        })
    }

    fn used(&self) -> Bytes {
        self.port.used()
    }

    fn has(&self, version: Digest) -> BoxFuture<'_, bool> {
        self.port.has(version)
    }

    fn collect(&self, keep: Vec<Digest>, spare: Bytes) -> BoxFuture<'_, Result<Bytes, WorkspaceError>> {
        Box::pin(async move {
            self.process.survive().await;
            self.process.world.tally.takes(size_of(&self.state));
            let collected = self.port.collect(keep, spare).await;
            self.process.survive().await;
            collected
        })
    }
}

struct SimStage {
    process: Arc<Process>,
    inner: Arc<dyn OpenStage>,
    _open: Counted,
}

impl OpenStage for SimStage {
    fn files(&self) -> Arc<dyn Stage> {
        self.inner.files()
    }

    fn commit(&self, head: Digest) -> BoxFuture<'static, Result<Committed, CommitFailed>> {
        let (process, inner) = (Arc::clone(&self.process), Arc::clone(&self.inner));
        Box::pin(async move {
            process.survive().await;
            process.moment().await;
            if process.world.hits(|rates| rates.workspace) {
                return Err(CommitFailed::Io(BROKEN.to_owned()));
            }
            if process.world.hits(|rates| rates.conflicts) {
                return Err(CommitFailed::Conflict { paths: StagePath::new("README.md").into_iter().collect() });
            }
            let committed = inner.commit(head).await;
            process.moment().await;
            process.survive().await;
            committed
        })
    }

    fn seal(&self) -> BoxFuture<'static, Result<(), CommitFailed>> {
        let (process, inner) = (Arc::clone(&self.process), Arc::clone(&self.inner));
        Box::pin(async move {
            process.survive().await;
            inner.seal().await
        })
    }

    fn discard(self: Arc<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let inner = Arc::clone(&self.inner);
            drop(self);
            inner.discard().await;
        })
    }
}
