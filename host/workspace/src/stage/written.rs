//! What others than its guest make of a stage: content that is in the store already takes its place in it, all of it or nothing.

use super::file::FileNode;
use super::overlay::{AnyFolder, Found, Item};
use super::workspace_stage::{State, WorkspaceStage};
use crate::object::Pin;
use crate::tree::FileEntry;
use longhaul_core::digest::Digest;
use longhaul_core::path::StagePath;
use longhaul_core::stage::{FsError, Stage, StageFile};
use std::collections::HashMap;
use std::sync::Arc;

/// Something that a stage has.
pub(crate) enum Seen {
    /// A folder.
    Folder,
    /// A link with this target.
    Link(String),
    /// A file.
    File(SeenFile),
}

/// A file that a stage has.
pub(crate) struct SeenFile {
    /// The same as long as it is the same file.
    pub(crate) identity: u64,
    /// The logical time of its last change.
    pub(crate) changed: u64,
    pub(crate) executable: bool,
    /// Its content, where that is in the store.
    pub(crate) digest: Option<Digest>,
}

impl WorkspaceStage {
    /// Walks everything that the stage has, folders before what is in them; `visit` says whether to go into a folder.
    pub(crate) fn walk(&self, visit: &mut dyn FnMut(&StagePath, Seen) -> bool) {
        let state = self.lock();
        walk(AnyFolder::Own(&state.root), &StagePath::root(), &state.files, visit);
    }

    /// What is at `path`.
    pub(crate) fn seen(&self, path: &StagePath) -> Option<Seen> {
        let state = self.lock();
        Some(match state.root.find(path).ok()? {
            Found::Folder(_) => Seen::Folder,
            Found::Symlink { target, .. } => Seen::Link(target.to_owned()),
            Found::File { identity, base } => Seen::File(file(identity, base, &state.files)?),
        })
    }

    /// Makes room for content that [`put`](Self::put) puts in, and for names; nothing is taken where there is not enough.
    ///
    /// # Errors
    /// [`FsError::Quota`].
    pub(crate) fn admit<'p>(
        &self,
        bytes: u64,
        names: u64,
        replaced: impl Iterator<Item = &'p StagePath>,
    ) -> Result<(), FsError> {
        let state = self.lock();
        let own = |path: &StagePath| match state.root.find(path) {
            Ok(Found::File { identity, .. }) => state.files.get(&identity).map_or(0, |file| file.own()),
            _ => 0,
        };
        let given_back = replaced.map(own).sum();
        let more = i64::try_from(names).unwrap_or(i64::MAX);
        if !self.room.allows_names(state.names.saturating_add(more)) {
            return Err(FsError::Quota);
        }
        self.room.charge_before(given_back, bytes)
    }

    /// Puts a file in, in the place of one that is there; its bytes were admitted before.
    ///
    /// # Errors
    /// Where something is in the way; its bytes are given back.
    pub(crate) fn put(&self, path: &StagePath, entry: FileEntry) -> Result<(), FsError> {
        let put = self.try_put(&mut self.lock(), path, entry);
        if put.is_err() {
            self.room.recount(entry.size, 0);
        }
        put
    }

    fn try_put(&self, state: &mut State, path: &StagePath, entry: FileEntry) -> Result<(), FsError> {
        match state.root.find(path) {
            Ok(Found::Folder(_)) => Err(FsError::IsFolder),
            Ok(Found::Symlink { .. }) => Err(FsError::Exists),
            Ok(Found::File { identity, base }) => {
                if let Some((parent, _)) = path.split() {
                    state.root.own(&parent)?;
                }
                self.file(state, identity, base)?.take(entry);
                Ok(())
            }
            Err(FsError::NotFound) => {
                let mut identity = 0;
                self.make(state, path, |new, _| {
                    identity = new;
                    Item::File { identity, base: None }
                })?;
                state.files.insert(identity, FileNode::written(identity, entry, &self.room));
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Keeps a tree of content as long as the stage lives.
    pub(crate) fn hold(&self, pin: Pin) {
        self.room.hold(pin);
    }

    /// The most names that it may have more than its version.
    pub(crate) fn most_names(&self) -> u64 {
        self.room.limits().files
    }

    /// Reads a file from its beginning to its end.
    pub(crate) fn read_whole(
        &self,
        path: &StagePath,
        take: &mut dyn FnMut(&[u8]) -> Result<(), FsError>,
    ) -> Result<(), FsError> {
        let file: Arc<dyn StageFile> = self.open(path, longhaul_core::stage::OpenMode::Read)?;
        let (mut buffer, mut offset) = (vec![0; 128 << 10], 0);
        loop {
            match file.read_at(&mut buffer, offset)? {
                0 => return Ok(()),
                read => {
                    take(&buffer[..read])?;
                    offset += read as u64;
                }
            }
        }
    }
}

fn walk(
    folder: AnyFolder<'_>,
    at: &StagePath,
    files: &HashMap<u64, Arc<FileNode>>,
    visit: &mut dyn FnMut(&StagePath, Seen) -> bool,
) {
    for entry in folder.list() {
        // Paths are bounded where names are made, so there is one for each.
        let (Some(path), Some(found)) = (at.join(&entry.name), folder.get(&entry.name)) else { continue };
        match found {
            Found::Folder(inner) => {
                if visit(&path, Seen::Folder) {
                    walk(inner, &path, files, visit);
                }
            }
            Found::Symlink { target, .. } => {
                visit(&path, Seen::Link(target.to_owned()));
            }
            Found::File { identity, base } => {
                if let Some(file) = file(identity, base, files) {
                    visit(&path, Seen::File(file));
                }
            }
        }
    }
}

fn file(identity: u64, base: Option<FileEntry>, files: &HashMap<u64, Arc<FileNode>>) -> Option<SeenFile> {
    let (digest, executable, changed) = match (files.get(&identity), base) {
        (Some(file), _) => file.glance(),
        (None, Some(base)) => (Some(base.digest), base.executable, 0),
        (None, None) => return None,
    };
    Some(SeenFile { identity, changed, executable, digest })
}
