//! The stage of those who have none: an empty folder that nothing can be put into.

use longhaul_core::path::StagePath;
use longhaul_core::stage::{DirEntry, FsError, Node, NodeKind, OpenMode, Stage, StageFile};
use std::sync::Arc;

/// A stage with nothing in it.
pub(crate) struct NoFiles;

impl Stage for NoFiles {
    fn node(&self, path: &StagePath) -> Result<Node, FsError> {
        if path.is_root() {
            Ok(Node { kind: NodeKind::Folder, size: 0, identity: 0, links: 1, changed: 0 })
        } else {
            Err(FsError::NotFound)
        }
    }

    fn read_link(&self, _: &StagePath) -> Result<String, FsError> {
        Err(FsError::NotFound)
    }

    fn list(&self, path: &StagePath) -> Result<Vec<DirEntry>, FsError> {
        self.node(path).map(|_| Vec::new())
    }

    fn open(&self, _: &StagePath, _: OpenMode) -> Result<Arc<dyn StageFile>, FsError> {
        Err(FsError::NotFound)
    }

    fn create_dir(&self, _: &StagePath) -> Result<(), FsError> {
        Err(FsError::Denied)
    }

    fn remove_dir(&self, _: &StagePath) -> Result<(), FsError> {
        Err(FsError::Denied)
    }

    fn remove_file(&self, _: &StagePath) -> Result<(), FsError> {
        Err(FsError::NotFound)
    }

    fn rename(&self, _: &StagePath, _: &StagePath) -> Result<(), FsError> {
        Err(FsError::Denied)
    }

    fn link(&self, _: &StagePath, _: &StagePath) -> Result<(), FsError> {
        Err(FsError::Denied)
    }

    fn symlink(&self, _: &str, _: &StagePath) -> Result<(), FsError> {
        Err(FsError::Denied)
    }
}
