//! The operations of a stage, with the rules of POSIX.

use super::file::FileNode;
use super::overlay::{AnyFolder, Found, Item, NEW, OwnFolder};
use super::room::Room;
use crate::rules::is_reserved;
use crate::tree::{Extent, FileEntry, Folder, MAX_DEPTH, VersionId};
use longhaul_core::path::{MAX_PATH, StagePath};
use longhaul_core::stage::{Create, DirEntry, FsError, Node, NodeKind, OpenMode, Stage, StageFile};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A stage of a workspace.
#[derive(Debug)]
pub struct WorkspaceStage {
    pub(super) room: Arc<Room>,
    state: Mutex<State>,
}

/// What a stage is at the moment.
#[derive(Debug)]
pub(super) struct State {
    /// The version that it shows without its changes.
    pub(super) base: Arc<Folder>,
    pub(super) root: OwnFolder,
    /// Files that are open, changed or linked, by identity. Those of the version may be forgotten while they are pristine
    /// and nobody has them open.
    pub(super) files: HashMap<u64, Arc<FileNode>>,
    /// How many of them make a look for forgettable ones worth it.
    crowd: usize,
    /// Things made so far.
    made: u64,
    /// Names more than the version has.
    pub(super) names: i64,
}

const CROWD: usize = 256;

impl WorkspaceStage {
    pub(crate) fn new(base: Arc<Folder>, room: Arc<Room>) -> Self {
        let root = OwnFolder::root(&base);
        let state = State { base, root, files: HashMap::new(), crowd: CROWD, made: 0, names: 0 };
        Self { room, state: Mutex::new(state) }
    }

    /// The version that it began with, or that its last commit made.
    pub fn base(&self) -> VersionId {
        VersionId(self.lock().base.digest())
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks that something can be made at `path`, and gives the folder and the name that it will have.
    fn place<'p>(&self, state: &State, path: &'p StagePath) -> Result<(StagePath, &'p str), FsError> {
        let (parent, name) = path.split().ok_or(FsError::Exists)?;
        match state.root.find(&parent)? {
            Found::Folder(_) => {}
            _ => return Err(FsError::NotFolder),
        }
        fits(path, Extent::default())?;
        Ok((parent, name))
    }

    pub(super) fn make(
        &self,
        state: &mut State,
        path: &StagePath,
        item: impl FnOnce(u64, u64) -> Item,
    ) -> Result<(), FsError> {
        let (parent, name) = self.place(state, path)?;
        if state.root.find(path).is_ok() {
            return Err(FsError::Exists);
        }
        allowed(name)?;
        if !self.room.allows_names(state.names + 1) {
            return Err(FsError::Quota);
        }
        let changed = self.room.tick();
        let folder = state.root.own(&parent)?;
        folder.changed = changed;
        state.made += 1;
        folder.items.insert(name.into(), item(NEW | state.made, changed));
        state.names += 1;
        Ok(())
    }

    pub(super) fn file(
        &self,
        state: &mut State,
        identity: u64,
        base: Option<FileEntry>,
    ) -> Result<Arc<FileNode>, FsError> {
        if let Some(file) = state.files.get(&identity) {
            return Ok(Arc::clone(file));
        }
        if state.files.len() >= state.crowd {
            state.files.retain(|_, file| Arc::strong_count(file) > 1 || !file.is_pristine());
            state.crowd = (state.files.len() * 2).max(CROWD);
        }
        // A file that is not of the version is among the files from its making on.
        let file = FileNode::of_version(identity, base.ok_or(FsError::NotFound)?, &self.room);
        state.files.insert(identity, Arc::clone(&file));
        Ok(file)
    }

    /// Takes the name at `path` away from whatever has it.
    fn take(&self, state: &mut State, path: &StagePath) -> Result<Item, FsError> {
        let (parent, name) = path.split().ok_or(FsError::Invalid)?;
        let folder = state.root.own(&parent)?;
        let item = folder.items.remove(name).ok_or(FsError::NotFound)?;
        folder.changed = self.room.tick();
        Ok(item)
    }

    /// What follows from a name being gone for good.
    fn forget(&self, state: &mut State, item: &Item) {
        state.names -= 1;
        if let Item::File { identity, .. } = item
            && let Some(file) = state.files.get(identity)
            && file.add_links(-1) == 0
        {
            state.files.remove(identity);
        }
    }
}

impl Stage for WorkspaceStage {
    fn node(&self, path: &StagePath) -> Result<Node, FsError> {
        let state = self.lock();
        Ok(match state.root.find(path)? {
            Found::File { identity, base } => match (state.files.get(&identity), base) {
                (Some(file), _) => file.node(),
                (None, Some(base)) => Node { kind: NodeKind::File, size: base.size, identity, links: 1, changed: 0 },
                (None, None) => return Err(FsError::NotFound),
            },
            Found::Symlink { identity, target, changed } => {
                Node { kind: NodeKind::Symlink, size: target.len() as u64, identity, links: 1, changed }
            }
            Found::Folder(folder) => {
                let (identity, changed) = folder.marks();
                Node { kind: NodeKind::Folder, size: 0, identity, links: 1, changed }
            }
        })
    }

    fn read_link(&self, path: &StagePath) -> Result<String, FsError> {
        match self.lock().root.find(path)? {
            Found::Symlink { target, .. } => Ok(target.to_owned()),
            _ => Err(FsError::Invalid),
        }
    }

    fn list(&self, path: &StagePath) -> Result<Vec<DirEntry>, FsError> {
        match self.lock().root.find(path)? {
            Found::Folder(folder) => Ok(folder.list()),
            _ => Err(FsError::NotFolder),
        }
    }

    fn open(&self, path: &StagePath, mode: OpenMode) -> Result<Arc<dyn StageFile>, FsError> {
        let state = &mut *self.lock();
        let (create, truncate, writable) = match mode {
            OpenMode::Read => (Create::No, false, false),
            OpenMode::Write { create, truncate } => (create, truncate, true),
        };
        let file = match state.root.find(path) {
            Ok(_) if create == Create::New => return Err(FsError::Exists),
            Ok(Found::Folder(_)) => return Err(FsError::IsFolder),
            Ok(Found::Symlink { .. }) => return Err(FsError::Loop),
            Ok(Found::File { identity, base }) => {
                if let Some((parent, _)) = path.split()
                    && writable
                {
                    state.root.own(&parent)?;
                }
                self.file(state, identity, base)?
            }
            Err(FsError::NotFound) if create != Create::No => {
                let mut identity = 0;
                self.make(state, path, |new, _| {
                    identity = new;
                    Item::File { identity, base: None }
                })?;
                let file = FileNode::new(identity, &self.room);
                state.files.insert(identity, Arc::clone(&file));
                file
            }
            Err(error) => return Err(error),
        };
        if truncate {
            file.set_size(0)?;
        }
        Ok(file.handle(writable))
    }

    fn create_dir(&self, path: &StagePath) -> Result<(), FsError> {
        let state = &mut *self.lock();
        self.make(state, path, |identity, changed| Item::Own(Box::new(OwnFolder::new(identity, changed))))
    }

    fn remove_dir(&self, path: &StagePath) -> Result<(), FsError> {
        let state = &mut *self.lock();
        match state.root.find(path)? {
            _ if path.is_root() => return Err(FsError::Invalid),
            Found::Folder(folder) if folder.is_empty() => {}
            Found::Folder(_) => return Err(FsError::NotEmpty),
            _ => return Err(FsError::NotFolder),
        }
        let item = self.take(state, path)?;
        self.forget(state, &item);
        Ok(())
    }

    fn remove_file(&self, path: &StagePath) -> Result<(), FsError> {
        let state = &mut *self.lock();
        if let Found::Folder(_) = state.root.find(path)? {
            return Err(FsError::IsFolder);
        }
        let item = self.take(state, path)?;
        self.forget(state, &item);
        Ok(())
    }

    fn rename(&self, from: &StagePath, to: &StagePath) -> Result<(), FsError> {
        let state = &mut *self.lock();
        if from.is_root() || to.is_root() {
            return Err(FsError::Invalid);
        }
        let source = state.root.find(from)?;
        let (parent, name) = self.place(state, to)?;
        allowed(name)?;
        let replaced = match state.root.find(to) {
            Ok(found) => Some(found),
            Err(FsError::NotFound) => None,
            Err(error) => return Err(error),
        };
        match (source, replaced) {
            (Found::Folder(_), _) if from != to && to.is_within(from) => return Err(FsError::Invalid),
            (Found::Folder(folder), replaced) => {
                match replaced {
                    _ if from == to => return Ok(()),
                    Some(Found::Folder(other)) if !other.is_empty() => return Err(FsError::NotEmpty),
                    None | Some(Found::Folder(_)) => {}
                    Some(_) => return Err(FsError::NotFolder),
                }
                fits(to, AnyFolder::extent(folder))?;
            }
            (_, Some(Found::Folder(_))) => return Err(FsError::IsFolder),
            // Two names of one file: POSIX leaves both.
            (Found::File { identity: one, .. }, Some(Found::File { identity: other, .. })) if one == other => {
                return Ok(());
            }
            _ if from == to => return Ok(()),
            _ => {}
        }
        let replaces = replaced.is_some();
        let item = self.take(state, from)?;
        if replaces {
            let old = self.take(state, to)?;
            self.forget(state, &old);
        }
        let folder = state.root.own(&parent)?;
        folder.changed = self.room.tick();
        folder.items.insert(name.into(), item);
        Ok(())
    }

    fn link(&self, from: &StagePath, to: &StagePath) -> Result<(), FsError> {
        let state = &mut *self.lock();
        let Found::File { identity, base } = state.root.find(from)? else { return Err(FsError::Invalid) };
        self.make(state, to, |_, _| Item::File { identity, base })?;
        // Whichever name it is written by: both must lie in own folders.
        if let Some((parent, _)) = from.split() {
            state.root.own(&parent)?;
        }
        self.file(state, identity, base)?.add_links(1);
        Ok(())
    }

    fn symlink(&self, target: &str, path: &StagePath) -> Result<(), FsError> {
        if target.is_empty() || target.contains('\0') {
            return Err(FsError::Invalid);
        }
        if target.len() > MAX_PATH {
            return Err(FsError::NameTooLong);
        }
        let target = Arc::from(target);
        let state = &mut *self.lock();
        self.make(state, path, |identity, changed| Item::Symlink { identity, target, changed })
    }
}

/// Refuses names that belong to the host or to git.
fn allowed(name: &str) -> Result<(), FsError> {
    if is_reserved(name) { Err(FsError::Denied) } else { Ok(()) }
}

/// Whether something that reaches `below` further can be at `path` with every path in it within bounds.
fn fits(path: &StagePath, below: Extent) -> Result<(), FsError> {
    let deep = path.components().count() + below.depth > MAX_DEPTH;
    if deep || path.as_str().len() + 1 + below.length > MAX_PATH { Err(FsError::NameTooLong) } else { Ok(()) }
}
