//! What a command changed, as it is kept in the store and made again by a replay.

use super::GroundError;
use crate::stage::WorkspaceStage;
use crate::tree::{Entry, FileEntry, VersionId};
use crate::workspace::Workspace;
use longhaul_core::digest::Digest;
use longhaul_core::path::StagePath;
use longhaul_core::stage::{FsError, Stage};
use serde::{Deserialize, Serialize};

/// The name of the list of changes in the tree that is kept.
pub(super) const LIST: &str = "changes";
/// The most bytes of that list: more than any stage can have changed.
const MAX_LIST: usize = 256 << 20;

/// One change, in the order in which they are made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Change {
    pub(super) path: StagePath,
    #[serde(flatten)]
    pub(super) to: To,
}

/// What is at a path now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "to")]
pub(super) enum To {
    /// Nothing.
    Nothing,
    /// No folder; it stays where something is in it that the command did not see.
    NoFolder,
    Folder,
    Link {
        target: String,
    },
    File(FileEntry),
}

impl Change {
    /// The sign that it has in a listing.
    pub(super) fn shown(&self) -> String {
        let sign = if matches!(self.to, To::Nothing | To::NoFolder) { '-' } else { '+' };
        format!("{sign}{}", self.path)
    }
}

/// Makes room for changes, and makes them. What is in the way of one of them, because the command did not see it, stays, and the
/// change is given back; the same for each replay.
pub(super) fn apply<'c>(stage: &WorkspaceStage, changes: &'c [Change]) -> Result<Vec<&'c Change>, GroundError> {
    let bytes = changes.iter().map(|change| if let To::File(file) = &change.to { file.size } else { 0 }).sum();
    let is_gone = |change: &&Change| matches!(change.to, To::Nothing | To::NoFolder);
    let gone = changes.iter().filter(is_gone).count() as u64;
    let new = changes.iter().filter(|change| !is_gone(change) && stage.seen(&change.path).is_none()).count() as u64;
    stage.admit(bytes, new.saturating_sub(gone), changes.iter().map(|change| &change.path)).map_err(|_| {
        GroundError::Quota(format!(
            "what the command left does not fit into the stage ({bytes} bytes, and {new} new files, folders and links); let it write \
             less, or raise `limits.disk` or `limits.files`"
        ))
    })?;
    let mut in_the_way = Vec::new();
    for change in changes {
        let made = match &change.to {
            To::Nothing => stage.remove_file(&change.path),
            To::NoFolder => stage.remove_dir(&change.path),
            To::Folder => stage.create_dir(&change.path),
            To::Link { target } => stage.symlink(target, &change.path),
            To::File(file) => stage.put(&change.path, *file),
        };
        match made {
            Ok(()) => {}
            Err(error @ (FsError::Io(_) | FsError::NoSpace)) => return Err(GroundError::Stage(error)),
            Err(_) => in_the_way.push(change),
        }
    }
    Ok(in_the_way)
}

impl Workspace {
    /// Makes the changes again that are kept under `tree`, on a stage that is as it was when they were taken.
    ///
    /// # Errors
    /// [`GroundError`].
    pub fn put(&self, stage: &WorkspaceStage, tree: Digest) -> Result<(), GroundError> {
        let pin = self.objects.pin(tree);
        let kept = self.load(VersionId(tree))?;
        let Some(Entry::File(list)) = kept.entries().get(LIST) else { return Err(GroundError::Tree(tree)) };
        let bytes = self.objects.read(list.digest)?;
        if bytes.len() > MAX_LIST {
            return Err(GroundError::Tree(tree));
        }
        let changes: Vec<Change> = serde_json::from_slice(&bytes).map_err(|_| GroundError::Tree(tree))?;
        stage.hold(pin);
        apply(stage, &changes).map(drop)
    }
}
