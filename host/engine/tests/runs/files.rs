//! A workspace in memory: versions, stages, commits by first wins, a user's folder.

use crate::commands::FakeGround;
use longhaul_core::attempt::Limits;
use longhaul_core::digest::Digest;
use longhaul_core::entry::{Change, ChangeKind};
use longhaul_core::grant::{FsAccess, Grant};
use longhaul_core::ground::Ground;
use longhaul_core::id::AttemptId;
use longhaul_core::path::StagePath;
use longhaul_core::stage::{Create, DirEntry, FsError, Node, NodeKind, OpenMode, Stage, StageFile};
use longhaul_core::units::Bytes;
use longhaul_engine::ports::{
    Applied, ApplyFailed, BoxFuture, CommitFailed, Committed, OpenStage, Workspace, WorkspaceError,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

pub(crate) type Tree = BTreeMap<String, String>;

/// All versions, and the user's folder.
#[derive(Default)]
pub(crate) struct Files {
    versions: Mutex<BTreeMap<Digest, Tree>>,
    pub(crate) folder: Mutex<Tree>,
    /// Versions that stages were opened of, in order.
    pub(crate) staged: Mutex<Vec<Digest>>,
    /// Versions that commits made, in order.
    pub(crate) committed: Mutex<Vec<Digest>>,
    /// What is laid out for commands.
    pub(crate) grounds: Mutex<BTreeMap<String, Tree>>,
}

impl Files {
    pub(crate) fn add(&self, tree: &Tree) -> Digest {
        let digest = Digest::of(&serde_json::to_vec(tree).unwrap());
        self.versions.lock().unwrap().insert(digest, tree.clone());
        digest
    }

    /// The same versions, for another run.
    pub(crate) fn copy(&self) -> Files {
        Files { versions: Mutex::new(self.versions.lock().unwrap().clone()), ..Files::default() }
    }

    /// How many versions there are.
    pub(crate) fn versions(&self) -> usize {
        self.versions.lock().unwrap().len()
    }

    pub(crate) fn has(&self, digest: Digest) -> bool {
        self.versions.lock().unwrap().contains_key(&digest)
    }

    pub(crate) fn version(&self, digest: Digest) -> Tree {
        self.versions.lock().unwrap()[&digest].clone()
    }
}

pub(crate) struct FakeWorkspace(pub(crate) Arc<Files>);

impl Workspace for FakeWorkspace {
    fn stage<'a>(
        &'a self,
        version: Digest,
        _: &'a AttemptId,
        _: &'a Limits,
    ) -> BoxFuture<'a, Result<Arc<dyn OpenStage>, WorkspaceError>> {
        Box::pin(async move {
            self.0.staged.lock().unwrap().push(version);
            let tree = self.0.version(version);
            let stage = Arc::new(MemoryStage(Arc::new(Mutex::new(tree.clone()))));
            Ok(Arc::new(Opened { files: self.0.clone(), base: Arc::new(Mutex::new(tree)), stage })
                as Arc<dyn OpenStage>)
        })
    }

    fn apply(&self, from: Digest, to: Digest) -> BoxFuture<'_, Result<Applied, ApplyFailed>> {
        Box::pin(async move {
            let mut folder = self.0.folder.lock().unwrap();
            let (before, after) = (self.0.version(from), self.0.version(to));
            let touched: Vec<_> = differing(&before, &after).into_iter().collect();
            let changed: Vec<_> = touched
                .iter()
                .filter(|path| ![before.get(*path), after.get(*path)].contains(&folder.get(*path)))
                .collect();
            if !changed.is_empty() {
                let paths = changed.into_iter().map(|path| StagePath::new(path).unwrap()).collect();
                return Err(ApplyFailed::Changed { paths });
            }
            *folder = after;
            Ok(Applied { files: touched.len() as u64 })
        })
    }

    fn inputs<'a>(&'a self, version: Digest, grant: &'a Grant) -> BoxFuture<'a, Result<Digest, WorkspaceError>> {
        Box::pin(async move {
            let tree = self.0.versions.lock().unwrap().get(&version).cloned();
            let tree = tree.ok_or_else(|| WorkspaceError(format!("there is no version {version}")))?;
            let may_read = |path: &str| grant.check_fs(&StagePath::new(path).unwrap(), FsAccess::Read).is_ok();
            let seen: Tree = tree.into_iter().filter(|(path, _)| may_read(path)).collect();
            Ok(Digest::of(&serde_json::to_vec(&seen).unwrap()))
        })
    }

    fn has(&self, version: Digest) -> BoxFuture<'_, bool> {
        Box::pin(std::future::ready(self.0.has(version)))
    }

    fn used(&self) -> Bytes {
        // What they take is counted in versions, and known from the beginning.
        Bytes(self.0.versions.lock().unwrap().len() as u64)
    }

    fn collect(&self, keep: Vec<Digest>, _: Bytes) -> BoxFuture<'_, Result<Bytes, WorkspaceError>> {
        Box::pin(async move {
            let mut versions = self.0.versions.lock().unwrap();
            assert!(
                keep.iter().all(|version| versions.contains_key(version)),
                "a version that is kept was collected before"
            );
            versions.retain(|version, _| keep.contains(version));
            Ok(Bytes(versions.len() as u64))
        })
    }
}

struct Opened {
    files: Arc<Files>,
    /// What the stage began with, or held at its last commit.
    base: Arc<Mutex<Tree>>,
    stage: Arc<MemoryStage>,
}

impl OpenStage for Opened {
    fn files(&self) -> Arc<dyn Stage> {
        self.stage.clone()
    }

    fn ground(&self) -> Arc<dyn Ground> {
        Arc::new(FakeGround { files: self.files.clone(), stage: self.stage.clone() })
    }

    fn seal(&self) -> BoxFuture<'static, Result<(), CommitFailed>> {
        *self.base.lock().unwrap() = self.stage.0.lock().unwrap().clone();
        Box::pin(async { Ok(()) })
    }

    fn commit(&self, head: Digest) -> BoxFuture<'static, Result<Committed, CommitFailed>> {
        let (files, own_base, stage) = (self.files.clone(), self.base.clone(), self.stage.clone());
        Box::pin(async move {
            // Others get a turn in the middle of a commit.
            tokio::task::yield_now().await;
            let base = own_base.lock().unwrap().clone();
            let (mine, theirs) = (stage.0.lock().unwrap().clone(), files.version(head));
            let (my_changes, their_changes) = (differing(&base, &mine), differing(&base, &theirs));
            let both: Vec<_> = my_changes.intersection(&their_changes).collect();
            if !both.is_empty() {
                let paths = both.into_iter().map(|path| StagePath::new(path).unwrap()).collect();
                return Err(CommitFailed::Conflict { paths });
            }
            let mut merged = theirs.clone();
            let mut changes = Vec::new();
            for path in my_changes {
                let change = match (theirs.contains_key(&path), mine.get(&path)) {
                    (_, None) => ChangeKind::Removed,
                    (true, Some(_)) => ChangeKind::Modified,
                    (false, Some(_)) => ChangeKind::Added,
                };
                match mine.get(&path) {
                    Some(text) => merged.insert(path.clone(), text.clone()),
                    None => merged.remove(&path),
                };
                changes.push(Change { path: StagePath::new(path).unwrap(), change, digest: None });
            }
            *own_base.lock().unwrap() = mine;
            let version = files.add(&merged);
            files.committed.lock().unwrap().push(version);
            Ok(Committed { base: head, version, changes })
        })
    }

    fn discard(self: Arc<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async {})
    }
}

fn differing(a: &Tree, b: &Tree) -> BTreeSet<String> {
    a.keys().chain(b.keys()).filter(|path| a.get(*path) != b.get(*path)).cloned().collect()
}

/// A stage of flat files: what the agents of these tests need.
pub(crate) struct MemoryStage(pub(crate) Arc<Mutex<Tree>>);

impl Stage for MemoryStage {
    fn node(&self, path: &StagePath) -> Result<Node, FsError> {
        let size = self.0.lock().unwrap().get(path.as_str()).ok_or(FsError::NotFound)?.len() as u64;
        Ok(Node { kind: NodeKind::File, size, identity: 0, links: 1, changed: 0 })
    }

    fn read_link(&self, _: &StagePath) -> Result<String, FsError> {
        Err(FsError::Invalid)
    }

    fn list(&self, _: &StagePath) -> Result<Vec<DirEntry>, FsError> {
        let tree = self.0.lock().unwrap();
        Ok(tree.keys().map(|name| DirEntry { name: name.clone(), kind: NodeKind::File }).collect())
    }

    fn open(&self, path: &StagePath, mode: OpenMode) -> Result<Arc<dyn StageFile>, FsError> {
        let mut tree = self.0.lock().unwrap();
        let exists = tree.contains_key(path.as_str());
        match mode {
            OpenMode::Write { create: Create::IfMissing, truncate } if truncate || !exists => {
                tree.insert(path.to_string(), String::new());
            }
            _ if !exists => return Err(FsError::NotFound),
            _ => {}
        }
        Ok(Arc::new(MemoryFile(self.0.clone(), path.to_string())))
    }

    fn create_dir(&self, _: &StagePath) -> Result<(), FsError> {
        Err(FsError::Unsupported)
    }

    fn remove_dir(&self, _: &StagePath) -> Result<(), FsError> {
        Err(FsError::Unsupported)
    }

    fn remove_file(&self, path: &StagePath) -> Result<(), FsError> {
        self.0.lock().unwrap().remove(path.as_str()).map(drop).ok_or(FsError::NotFound)
    }

    fn rename(&self, _: &StagePath, _: &StagePath) -> Result<(), FsError> {
        Err(FsError::Unsupported)
    }

    fn link(&self, _: &StagePath, _: &StagePath) -> Result<(), FsError> {
        Err(FsError::Unsupported)
    }

    fn symlink(&self, _: &str, _: &StagePath) -> Result<(), FsError> {
        Err(FsError::Unsupported)
    }
}

struct MemoryFile(Arc<Mutex<Tree>>, String);

impl MemoryFile {
    fn text(&self) -> String {
        self.0.lock().unwrap().get(&self.1).cloned().unwrap_or_default()
    }
}

impl StageFile for MemoryFile {
    fn node(&self) -> Node {
        Node { kind: NodeKind::File, size: self.text().len() as u64, identity: 0, links: 1, changed: 0 }
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize, FsError> {
        let text = self.text();
        let rest = text.as_bytes().get(offset as usize..).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }

    fn write_at(&self, data: &[u8], _: u64) -> Result<(), FsError> {
        self.0.lock().unwrap().insert(self.1.clone(), String::from_utf8_lossy(data).into_owned());
        Ok(())
    }

    fn append(&self, data: &[u8]) -> Result<(), FsError> {
        let mut tree = self.0.lock().unwrap();
        tree.entry(self.1.clone()).or_default().push_str(&String::from_utf8_lossy(data));
        Ok(())
    }

    fn set_size(&self, _: u64) -> Result<(), FsError> {
        Err(FsError::Unsupported)
    }
}
