//! The ground of a stage as what commands work in: its work done on the host's own threads, its caches lent to one command at a time.

use crate::place::Yard;
use crate::workspace::describe;
use longhaul_core::commands::Site;
use longhaul_core::digest::Digest;
use longhaul_core::grant::Grant;
use longhaul_core::ground::{Claim, GroundError, Taken};
use longhaul_core::path::StagePath;
use longhaul_core::reach::BoxFuture;
use longhaul_workspace::{Ground, Workspace, WorkspaceStage};
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// A cache that commands of all stages share.
#[derive(Clone)]
pub(crate) struct Cache {
    place: StagePath,
    folder: PathBuf,
    /// Held by the command that has it in use.
    lock: Arc<tokio::sync::Mutex<()>>,
}

impl Cache {
    /// The cache that is shown at `place`, in the state folder.
    pub(crate) fn new(state: &Path, place: &StagePath) -> Self {
        let name = place.as_str().replace('%', "%25").replace('/', "%2f");
        Self { place: place.clone(), folder: state.join("caches").join(name), lock: Arc::default() }
    }
}

/// The ground of one stage.
pub(crate) struct GroundPort {
    workspace: Arc<Workspace>,
    stage: Arc<WorkspaceStage>,
    /// None when the stage is gone.
    ground: Arc<Mutex<Option<Ground>>>,
    /// Where grounds are.
    grounds: PathBuf,
    caches: Arc<[Cache]>,
    yard: Yard,
}

impl GroundPort {
    pub(crate) fn new(
        workspace: &Arc<Workspace>,
        stage: &Arc<WorkspaceStage>,
        attempt: &str,
        (state, caches, yard): (&Path, &Arc<[Cache]>, &Yard),
    ) -> Self {
        Self {
            workspace: Arc::clone(workspace),
            stage: Arc::clone(stage),
            ground: Arc::new(Mutex::new(Some(workspace.ground(attempt)))),
            grounds: state.join("grounds"),
            caches: Arc::clone(caches),
            yard: yard.clone(),
        }
    }

    /// Takes the folder away; waits for whatever is at work in it.
    pub(crate) fn remove(&self) {
        drop(self.ground.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    async fn on<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Workspace, &WorkspaceStage, &mut Ground) -> Result<T, longhaul_workspace::GroundError>
        + Send
        + 'static,
    ) -> Result<T, GroundError> {
        let (workspace, stage, ground) =
            (Arc::clone(&self.workspace), Arc::clone(&self.stage), Arc::clone(&self.ground));
        let done = self.yard.run(move || {
            // After a panic the ground is laid anew from what it knows, which is changed last.
            let mut ground = ground.lock().unwrap_or_else(PoisonError::into_inner);
            match ground.as_mut() {
                Some(ground) => work(&workspace, &stage, ground).map_err(refused),
                None => Err(GroundError::None),
            }
        });
        done.await.unwrap_or_else(|error| Err(GroundError::Io(error)))
    }
}

impl longhaul_core::ground::Ground for GroundPort {
    fn claim(&self) -> BoxFuture<'_, Claim> {
        Box::pin(async move {
            // Always in the same order, so that nobody waits for one who waits for him.
            let mut guards = Vec::with_capacity(self.caches.len());
            for cache in self.caches.iter() {
                guards.push(Arc::clone(&cache.lock).lock_owned().await);
            }
            Claim::new(guards)
        })
    }

    fn lay<'a>(&'a self, grant: &'a Grant, _: &'a Claim) -> BoxFuture<'a, Result<Site, GroundError>> {
        let (grounds, caches, grant) = (self.grounds.clone(), Arc::clone(&self.caches), grant.clone());
        Box::pin(self.on(move |_, stage, ground| {
            for cache in caches.iter() {
                let made = DirBuilder::new().recursive(true).mode(0o700).create(&cache.folder);
                made.map_err(|source| longhaul_workspace::GroundError::Io { action: "make a cache", source })?;
            }
            ground.lay(stage, &grant)?;
            let own = grounds.join(ground.name());
            Ok(Site {
                ground: own.join("files"),
                scratch: own.join("scratch"),
                output: own.join("output"),
                caches: caches.iter().map(|cache| (cache.place.clone(), cache.folder.clone())).collect(),
            })
        }))
    }

    fn take<'a>(&'a self, grant: &'a Grant) -> BoxFuture<'a, Result<Taken, GroundError>> {
        let grant = grant.clone();
        Box::pin(self.on(move |_, stage, ground| ground.take(stage, &grant)))
    }

    fn put(&self, tree: Digest) -> BoxFuture<'_, Result<(), GroundError>> {
        Box::pin(self.on(move |workspace, stage, _| workspace.put(stage, tree)))
    }
}

fn refused(error: longhaul_workspace::GroundError) -> GroundError {
    match error {
        longhaul_workspace::GroundError::Quota(reason) => GroundError::Quota(reason),
        other => GroundError::Io(describe(&other)),
    }
}
