//! The workspace as the engine's versions and stages. Its calls wait for the disk, so each is made at a place for that.

use crate::ground::{Cache, GroundPort};
use crate::place::{Place, Yard};
use crate::records::RecordsPort;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use longhaul_core::attempt::Limits;
use longhaul_core::digest::Digest;
use longhaul_core::entry::Entry;
use longhaul_core::grant::Grant;
use longhaul_core::ground::Ground;
use longhaul_core::id::{AttemptId, RunId};
use longhaul_core::stage::Stage;
use longhaul_core::units::Bytes;
use longhaul_core::workflow::model::WorkspaceSpec;
use longhaul_engine::History;
use longhaul_engine::ports::{
    Applied, ApplyFailed, BoxFuture, Captures, CommitFailed, Committed, OpenStage, WorkspaceError,
};
use longhaul_store::{EntryKind, Filter, Reader, RunInfo, StateLock, StoreError};
use longhaul_workspace::{
    ApplyError, Collected, CommitError, ImportError, ImportReport, Imported, Options, StageLimits, VersionId,
    Workspace, WorkspaceStage,
};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// One workspace.
pub struct WorkspacePort {
    pub(crate) workspace: Arc<Workspace>,
    /// The state folder.
    state: PathBuf,
    /// Set when a result was put into the user's folder.
    applied: OnceLock<u64>,
    /// The versions that other runs of the state folder need, once they were looked for.
    others: Arc<OnceLock<Vec<VersionId>>>,
    /// The run that works in this workspace now.
    own: OnceLock<RunId>,
    /// What commands of all stages share.
    caches: Arc<[Cache]>,
    pub(crate) yard: Yard,
}

/// A workspace cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// One of its folders.
    #[error("the folder {} cannot be opened", path.display())]
    Folder {
        /// This one.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// What is in them.
    #[error(transparent)]
    Workspace(#[from] longhaul_workspace::WorkspaceError),
}

/// The user's folder was not read.
#[derive(Debug, thiserror::Error)]
pub enum ImportFailed {
    /// The workspace could not read or copy it.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// The work did not come to its end; the text says how.
    #[error("{0}")]
    Host(String),
}

impl WorkspacePort {
    /// Opens the workspace of the folder `root` with its state in the folder that `lock` holds, and brings an apply that was
    /// interrupted to its end.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(root: &Path, lock: &StateLock, spec: &WorkspaceSpec, place: Place) -> Result<Self, OpenError> {
        let state = lock.folder();
        let open = |folder: &Path| {
            Dir::open_ambient_dir(folder, ambient_authority())
                .map_err(|source| OpenError::Folder { path: folder.to_owned(), source })
        };
        let options = Options {
            caches: spec.caches.iter().map(|path| path.as_str().to_owned()).collect(),
            ignore: spec.ignore.clone(),
        };
        let workspace = Workspace::open(open(root)?, open(state)?, &options)?;
        Ok(Self {
            workspace: Arc::new(workspace),
            state: state.to_owned(),
            applied: OnceLock::new(),
            others: Arc::default(),
            own: OnceLock::new(),
            caches: spec.caches.iter().map(|place| Cache::new(state, place)).collect(),
            yard: Yard::here(place),
        })
    }

    /// From now on the workspace is used by this run; content that other runs need is left to them.
    pub fn works_on(&self, run: &RunId) {
        let _ = self.own.set(run.clone());
    }

    /// The version without files.
    ///
    /// # Errors
    /// [`WorkspaceError`].
    pub async fn empty(&self) -> Result<Digest, WorkspaceError> {
        let workspace = Arc::clone(&self.workspace);
        let made = self.yard.run(move || workspace.empty().map(|version| version.0).map_err(|e| describe(&e))).await;
        made.and_then(|made| made).map_err(WorkspaceError)
    }

    /// The workspace itself.
    pub fn inner(&self) -> &Workspace {
        &self.workspace
    }

    /// Files of the user's folder that a result was put into, where that was done.
    pub fn applied(&self) -> Option<u64> {
        self.applied.get().copied()
    }

    /// Reads the user's folder into a version.
    ///
    /// # Errors
    /// [`ImportFailed`].
    pub async fn import(&self) -> Result<Imported, ImportFailed> {
        let workspace = Arc::clone(&self.workspace);
        let imported = self.yard.run(move || workspace.import()).await.map_err(ImportFailed::Host)??;
        let Imported { version, report: ImportReport { files, bytes, read, skipped } } = &imported;
        tracing::debug!(%version, files, bytes, read, skipped = skipped.len(), "the workspace is imported");
        Ok(imported)
    }
}

/// An open stage.
struct StagePort {
    workspace: Arc<Workspace>,
    stage: Arc<WorkspaceStage>,
    ground: Arc<GroundPort>,
    attempt: String,
    yard: Yard,
}

impl longhaul_engine::ports::Workspace for WorkspacePort {
    fn stage<'a>(
        &'a self,
        version: Digest,
        attempt: &'a AttemptId,
        limits: &'a Limits,
    ) -> BoxFuture<'a, Result<Arc<dyn OpenStage>, WorkspaceError>> {
        let (workspace, yard) = (Arc::clone(&self.workspace), self.yard.clone());
        let (state, caches) = (self.state.clone(), Arc::clone(&self.caches));
        let (name, limits) = (attempt.to_string(), StageLimits { bytes: limits.disk.0, files: limits.files });
        Box::pin(async move {
            let ours = yard.clone();
            let opened = ours.run(move || {
                let stage = workspace.stage(VersionId(version), &name, limits).map_err(|e| describe(&e))?;
                tracing::debug!(attempt = name, %version, "a stage is open");
                let ground = Arc::new(GroundPort::new(&workspace, &stage, &name, (&state, &caches, &yard)));
                Ok(Arc::new(StagePort { workspace, stage, ground, attempt: name, yard }) as Arc<dyn OpenStage>)
            });
            opened.await.and_then(|opened| opened).map_err(WorkspaceError)
        })
    }

    fn inputs<'a>(&'a self, version: Digest, grant: &'a Grant) -> BoxFuture<'a, Result<Digest, WorkspaceError>> {
        let (workspace, grant, yard) = (Arc::clone(&self.workspace), grant.clone(), self.yard.clone());
        Box::pin(async move {
            let seen = yard.run(move || workspace.visible(VersionId(version), &grant).map_err(|e| describe(&e)));
            seen.await.and_then(|seen| seen).map_err(WorkspaceError)
        })
    }

    fn captures(&self) -> Option<&dyn Captures> {
        Some(self)
    }

    fn used(&self) -> Bytes {
        Bytes(self.workspace.used())
    }

    fn has(&self, version: Digest) -> BoxFuture<'_, bool> {
        let (workspace, yard) = (Arc::clone(&self.workspace), self.yard.clone());
        // What cannot be looked for is not there.
        Box::pin(async move { yard.run(move || workspace.is_whole(VersionId(version))).await.unwrap_or(false) })
    }

    fn collect(&self, keep: Vec<Digest>, spare: Bytes) -> BoxFuture<'_, Result<Bytes, WorkspaceError>> {
        let (workspace, others) = (Arc::clone(&self.workspace), Arc::clone(&self.others));
        let (state, own, yard) = (self.state.clone(), self.own.get().cloned(), self.yard.clone());
        Box::pin(async move {
            let collected = yard.run(move || {
                let mut versions: Vec<VersionId> = keep.into_iter().map(VersionId).collect();
                // No other run goes on while this process holds the state folder, so once is enough.
                match others.get() {
                    Some(others) => versions.extend(others),
                    None => {
                        let found = needed(&state, own.as_ref())?;
                        versions.extend(&found);
                        let _ = others.set(found);
                    }
                }
                let collected = workspace.collect(&versions, spare.0).map_err(|e| describe(&e))?;
                let Collected { removed, left, bytes } = collected;
                tracing::debug!(versions = versions.len(), removed, left, bytes, "old content is collected");
                Ok(Bytes(bytes))
            });
            collected.await.and_then(|collected| collected).map_err(WorkspaceError)
        })
    }

    fn apply(&self, from: Digest, to: Digest) -> BoxFuture<'_, Result<Applied, ApplyFailed>> {
        let (workspace, yard) = (Arc::clone(&self.workspace), self.yard.clone());
        Box::pin(async move {
            let applied =
                yard.run(move || workspace.apply(VersionId(from), VersionId(to))).await.map_err(ApplyFailed::Io)?;
            match applied {
                Ok(applied) => {
                    // A second result of one run would only be told with the number of the first.
                    let _ = self.applied.set(applied.files);
                    tracing::debug!(%from, %to, files = applied.files, "the result is applied");
                    Ok(Applied { files: applied.files })
                }
                Err(ApplyError::Changed { paths }) => Err(ApplyFailed::Changed { paths }),
                Err(other) => Err(ApplyFailed::Io(describe(&other))),
            }
        })
    }
}

/// The versions that the runs in `state` need, but for `own`.
fn needed(state: &Path, own: Option<&RunId>) -> Result<Vec<VersionId>, String> {
    let reader = Reader::open(state).map_err(|e| describe(&e))?;
    let runs = reader.runs().map_err(|e| describe(&e))?;
    let mut versions = Vec::new();
    let mut open = Vec::new();
    for run in runs.into_iter().filter(|run| own != Some(&run.id)) {
        match needed_of_ended(&reader, &run).map_err(|e| describe(&e))? {
            Some(needed) => versions.extend(needed.into_iter().map(VersionId)),
            None => open.push(run.id),
        }
    }
    let records = RecordsPort::new(reader);
    for run in open {
        let history = History::read(&records, &run).map_err(|e| describe(&e))?;
        versions.extend(history.needed().into_iter().map(VersionId));
    }
    Ok(versions)
}

/// The same of a run that is over, without reading what its tasks did: its first and last version, its checkpoints, and what was captured. None of a run
/// that may go on, or that went back and has left some of them behind.
fn needed_of_ended(reader: &Reader, run: &RunInfo) -> Result<Option<Vec<Digest>>, StoreError> {
    const KINDS: [EntryKind; 6] = [
        EntryKind::RunStarted,
        EntryKind::Captured,
        EntryKind::Forked,
        EntryKind::Checkpointed,
        EntryKind::CheckpointsDropped,
        EntryKind::RolledBack,
    ];
    if run.summary.state.is_none_or(|state| state.can_resume()) {
        return Ok(None);
    }
    let mut needed: Vec<Digest> = run.summary.version.into_iter().collect();
    let mut checkpoints = Vec::new();
    let mut dropped = 0;
    for line in reader.entries(&run.id, &Filter { kinds: KINDS.to_vec(), ..Filter::default() })? {
        match line?.record().map(|record| &record.entry) {
            Some(Entry::RunStarted { base, .. }) => needed.push(*base),
            Some(Entry::Captured(captured)) => needed.push(captured.tree),
            Some(Entry::Forked { checkpoint, .. }) => dropped = checkpoint.saturating_sub(1),
            Some(Entry::Checkpointed { number, version, .. }) => checkpoints.push((*number, *version)),
            Some(Entry::CheckpointsDropped { through }) => dropped = dropped.max(*through),
            _ => return Ok(None),
        }
    }
    needed.extend(checkpoints.into_iter().filter(|(number, _)| *number > dropped).map(|(_, version)| version));
    Ok(Some(needed))
}

impl OpenStage for StagePort {
    fn files(&self) -> Arc<dyn Stage> {
        Arc::clone(&self.stage) as Arc<dyn Stage>
    }

    fn seal(&self) -> BoxFuture<'static, Result<(), CommitFailed>> {
        let (workspace, stage, yard) = (Arc::clone(&self.workspace), Arc::clone(&self.stage), self.yard.clone());
        Box::pin(async move {
            let sealed = yard.run(move || workspace.seal(&stage).map_err(|e| describe(&e))).await;
            sealed.and_then(|sealed| sealed).map(drop).map_err(CommitFailed::Io)
        })
    }

    fn ground(&self) -> Arc<dyn Ground> {
        Arc::clone(&self.ground) as Arc<dyn Ground>
    }

    fn commit(&self, head: Digest) -> BoxFuture<'static, Result<Committed, CommitFailed>> {
        let (workspace, stage, attempt) = (Arc::clone(&self.workspace), Arc::clone(&self.stage), self.attempt.clone());
        let yard = self.yard.clone();
        Box::pin(async move {
            let committed =
                yard.run(move || workspace.commit(&stage, VersionId(head))).await.map_err(CommitFailed::Io)?;
            match committed {
                Ok(done) => {
                    tracing::debug!(attempt, base = %done.base, version = %done.version, changes = done.changes.len(), "committed");
                    Ok(Committed { base: done.base.0, version: done.version.0, changes: done.changes })
                }
                Err(CommitError::Conflict { paths }) => {
                    tracing::debug!(attempt, paths = paths.len(), "not committed: others changed the same");
                    Err(CommitFailed::Conflict { paths })
                }
                Err(other) => {
                    tracing::debug!(attempt, "not committed: the store failed");
                    Err(CommitFailed::Io(describe(&other)))
                }
            }
        })
    }

    fn discard(self: Arc<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let yard = self.yard.clone();
            tracing::debug!(attempt = self.attempt, "the stage is dropped");
            // Only a panic while its files are removed can fail here; the next start clears them away.
            let removed = yard.run(move || {
                // Somebody who was asked last may hold it still.
                self.ground.remove();
                drop(self);
            });
            drop(removed.await);
        })
    }
}

/// An error with its causes.
pub(crate) fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
