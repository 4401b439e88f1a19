//! Opens and reads the user's folder, and tells why that did not work.

use crate::failure::{Exit, Failure};
use crate::terminal::one_line;
use longhaul_core::digest::Digest;
use longhaul_core::workflow::model::WorkspaceSpec;
use longhaul_store::StateLock;
use longhaul_wiring::{ImportFailed, OpenError, Place, WorkspacePort};
use longhaul_workspace::{ApplyError, ImportError, WorkspaceError};
use std::path::Path;

/// Opens the workspace of the folder `root` with its state in the folder that `lock` holds.
pub(crate) fn open_workspace(root: &Path, lock: &StateLock, spec: &WorkspaceSpec) -> Result<WorkspacePort, Failure> {
    WorkspacePort::open(root, lock, spec, Place::Threads).map_err(|error| match &error {
        OpenError::Folder { path, source } => {
            Failure::of(Exit::Invalid, format!("open the folder {}", path.display()), source)
        }
        OpenError::Workspace(error) => unopened(root, lock.folder(), error),
    })
}

/// Reads the user's folder `root` into a version; also gives notes about what was left out.
pub(crate) async fn import(
    workspace: &WorkspacePort,
    root: &Path,
    state: &Path,
) -> Result<(Digest, Vec<String>), Failure> {
    let imported = workspace.import().await.map_err(|error| match error {
        ImportFailed::Import(e @ (ImportError::List { .. } | ImportError::Pattern { .. })) => {
            Failure::of(Exit::Invalid, format!("read the workspace {}", root.display()), &e)
        }
        ImportFailed::Import(e @ (ImportError::Object(_) | ImportError::Index(_))) => {
            Failure::of(Exit::Internal, format!("copy the workspace into the state folder {}", state.display()), &e)
        }
        ImportFailed::Host(e) => Failure::new(Exit::Internal, e),
    })?;
    let notes = imported.report.skipped.iter();
    let notes =
        notes.map(|skipped| format!("left out: {}", one_line(&format!("{}: {}", skipped.path, skipped.reason), 300)));
    Ok((imported.version.0, notes.collect()))
}

/// A workspace that cannot be opened.
fn unopened(root: &Path, state: &Path, error: &WorkspaceError) -> Failure {
    let (root, state) = (root.display(), state.display());
    let half = |exit| Failure::of(exit, format!("complete an interrupted apply; {root} may be half-changed"), error);
    match error {
        WorkspaceError::Apply(ApplyError::Interrupted { .. } | ApplyError::Log { .. }) => {
            half(Exit::Waiting).hint(format!("the state folder is {state}"))
        }
        WorkspaceError::Apply(_) => half(Exit::Internal)
            .hint(format!("remove what is in the way, then run or apply again: that completes it; the log of what is left to do is {state}/apply/log.json")),
        _ => Failure::of(Exit::Invalid, format!("use {root} as a workspace"), error),
    }
}
