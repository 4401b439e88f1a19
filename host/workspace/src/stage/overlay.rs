//! The tree of a stage: the version's folders where nothing changed, own folders where something did.
//!
//! A folder becomes the stage's own when a name in it changes or a file in it may be written; the folders around it become
//! so with it. That gives the invariant which commits rely on: every file that may differ from the version lies in a chain
//! of own folders.
//!
//! Identities: what the version has is identified by its path there, as a chain of hashes, whatever it is renamed to; what
//! is new gets a number of a counter, with the top bit set to tell the two apart.

use crate::tree::{Entry, Extent, FileEntry, Folder};
use longhaul_core::digest::Hasher;
use longhaul_core::path::StagePath;
use longhaul_core::stage::{DirEntry, FsError, NodeKind};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Set in the identities of what a stage made.
pub(super) const NEW: u64 = 1 << 63;

/// A folder that is the stage's own.
#[derive(Debug)]
pub(super) struct OwnFolder {
    pub(super) identity: u64,
    /// Logical time of the last change of a name in it.
    pub(super) changed: u64,
    /// What it was in the version.
    pub(super) base: Option<Arc<Folder>>,
    pub(super) items: BTreeMap<Box<str>, Item>,
}

/// What a name in an own folder stands for.
#[derive(Debug)]
pub(super) enum Item {
    /// A file; what the version knows of it. Its present content is with the stage's open and changed files.
    File { identity: u64, base: Option<FileEntry> },
    /// A symbolic link.
    Symlink { identity: u64, target: Arc<str>, changed: u64 },
    /// A folder with nothing changed in it.
    Version { identity: u64, folder: Arc<Folder> },
    /// A folder with changes.
    Own(Box<OwnFolder>),
}

/// What a path was found to name.
#[derive(Debug, Clone, Copy)]
pub(super) enum Found<'a> {
    File { identity: u64, base: Option<FileEntry> },
    Symlink { identity: u64, target: &'a str, changed: u64 },
    Folder(AnyFolder<'a>),
}

/// A folder, own or not.
#[derive(Debug, Clone, Copy)]
pub(super) enum AnyFolder<'a> {
    Own(&'a OwnFolder),
    Version { identity: u64, folder: &'a Folder },
}

impl<'a> AnyFolder<'a> {
    pub(super) fn get(self, name: &str) -> Option<Found<'a>> {
        match self {
            AnyFolder::Own(own) => own.items.get(name).map(|item| match item {
                Item::File { identity, base } => Found::File { identity: *identity, base: *base },
                Item::Symlink { identity, target, changed } => {
                    Found::Symlink { identity: *identity, target, changed: *changed }
                }
                Item::Version { identity, folder } => Found::Folder(AnyFolder::Version { identity: *identity, folder }),
                Item::Own(own) => Found::Folder(AnyFolder::Own(own)),
            }),
            AnyFolder::Version { identity, folder } => folder.entries().get(name).map(|entry| {
                let identity = child_identity(identity, name);
                match entry {
                    Entry::File(file) => Found::File { identity, base: Some(*file) },
                    Entry::Symlink(target) => Found::Symlink { identity, target, changed: 0 },
                    Entry::Folder(folder) => Found::Folder(AnyFolder::Version { identity, folder }),
                }
            }),
        }
    }

    /// Its identity, and the logical time of its last change.
    pub(super) fn marks(self) -> (u64, u64) {
        match self {
            AnyFolder::Own(own) => (own.identity, own.changed),
            AnyFolder::Version { identity, .. } => (identity, 0),
        }
    }

    pub(super) fn is_empty(self) -> bool {
        match self {
            AnyFolder::Own(own) => own.items.is_empty(),
            AnyFolder::Version { folder, .. } => folder.entries().is_empty(),
        }
    }

    /// How far it reaches.
    pub(super) fn extent(self) -> Extent {
        match self {
            AnyFolder::Version { folder, .. } => folder.extent(),
            AnyFolder::Own(own) => own.items.iter().fold(Extent::default(), |extent, (name, item)| {
                let below = match item {
                    Item::Own(own) => AnyFolder::Own(own).extent(),
                    Item::Version { folder, .. } => folder.extent(),
                    _ => Extent::default(),
                };
                extent.with(name, below)
            }),
        }
    }

    /// Its entries, sorted.
    pub(super) fn list(self) -> Vec<DirEntry> {
        let entry = |name: &str, kind| DirEntry { name: name.to_owned(), kind };
        match self {
            AnyFolder::Own(own) => own
                .items
                .iter()
                .map(|(name, item)| {
                    entry(
                        name,
                        match item {
                            Item::File { .. } => NodeKind::File,
                            Item::Symlink { .. } => NodeKind::Symlink,
                            Item::Version { .. } | Item::Own(_) => NodeKind::Folder,
                        },
                    )
                })
                .collect(),
            AnyFolder::Version { folder, .. } => folder
                .entries()
                .iter()
                .map(|(name, item)| {
                    entry(
                        name,
                        match item {
                            Entry::File(_) => NodeKind::File,
                            Entry::Symlink(_) => NodeKind::Symlink,
                            Entry::Folder(_) => NodeKind::Folder,
                        },
                    )
                })
                .collect(),
        }
    }
}

impl OwnFolder {
    /// The root of a stage of this version.
    pub(super) fn root(folder: &Arc<Folder>) -> Self {
        Self::of_version(child_identity(0, ""), folder)
    }

    /// A new, empty folder.
    pub(super) fn new(identity: u64, changed: u64) -> Self {
        Self { identity, changed, base: None, items: BTreeMap::new() }
    }

    fn of_version(identity: u64, folder: &Arc<Folder>) -> Self {
        let items = folder.entries().iter().map(|(name, entry)| {
            let identity = child_identity(identity, name);
            let item = match entry {
                Entry::File(file) => Item::File { identity, base: Some(*file) },
                Entry::Symlink(target) => Item::Symlink { identity, target: Arc::clone(target), changed: 0 },
                Entry::Folder(folder) => Item::Version { identity, folder: Arc::clone(folder) },
            };
            (name.clone(), item)
        });
        Self { identity, changed: 0, base: Some(Arc::clone(folder)), items: items.collect() }
    }

    /// What `path` names.
    pub(super) fn find(&self, path: &StagePath) -> Result<Found<'_>, FsError> {
        let mut found = Found::Folder(AnyFolder::Own(self));
        for name in path.components() {
            found = match found {
                Found::Folder(folder) => folder.get(name).ok_or(FsError::NotFound)?,
                _ => return Err(FsError::NotFolder),
            };
        }
        Ok(found)
    }

    /// The folder at `path`, made the stage's own.
    pub(super) fn own(&mut self, path: &StagePath) -> Result<&mut OwnFolder, FsError> {
        let mut folder = self;
        for name in path.components() {
            let item = folder.items.get_mut(name).ok_or(FsError::NotFound)?;
            if let Item::Version { identity, folder } = item {
                *item = Item::Own(Box::new(OwnFolder::of_version(*identity, folder)));
            }
            match item {
                Item::Own(own) => folder = own,
                _ => return Err(FsError::NotFolder),
            }
        }
        Ok(folder)
    }
}

/// The identity of what the version has under `name` in the folder with identity `parent`.
fn child_identity(parent: u64, name: &str) -> u64 {
    let mut hasher = Hasher::default();
    hasher.update(&parent.to_be_bytes());
    hasher.update(name.as_bytes());
    hasher.finish().prefix() & !NEW
}
