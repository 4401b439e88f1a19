//! The tree of a version: folders that never change, named by their digest, shared between versions.
//!
//! A [`Folder`] knows its own digest, so equal folders are recognised without a look inside, and the digest of the root
//! names the whole version ([`VersionId`]).

use crate::folder_object;
use longhaul_core::digest::Digest;
use longhaul_core::path::StagePath;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The most folders within each other. It bounds every recursion over a tree, so that no tree which a guest builds can
/// exhaust a thread's stack.
pub const MAX_DEPTH: usize = 256;

/// A version of the workspace: the digest of its root folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VersionId(pub Digest);

impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Digest> for VersionId {
    fn from(digest: Digest) -> Self {
        Self(digest)
    }
}

impl From<VersionId> for Digest {
    fn from(version: VersionId) -> Self {
        version.0
    }
}

/// A file of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// The digest of its content, which names the object.
    pub digest: Digest,
    /// Bytes of content.
    pub size: u64,
    /// Whether its owner may execute it.
    pub executable: bool,
}

/// What a name in a folder stands for.
#[derive(Debug, Clone)]
pub enum Entry {
    /// A folder.
    Folder(Arc<Folder>),
    /// A file.
    File(FileEntry),
    /// A symbolic link with this target, as it was written.
    Symlink(Arc<str>),
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Entry::Folder(a), Entry::Folder(b)) => a.digest == b.digest,
            (Entry::File(a), Entry::File(b)) => a == b,
            (Entry::Symlink(a), Entry::Symlink(b)) => a == b,
            _ => false,
        }
    }
}

/// The entries of a folder, by name.
pub type Entries = BTreeMap<Box<str>, Entry>;

/// A folder of a version.
#[derive(Debug)]
pub struct Folder {
    entries: Entries,
    digest: Digest,
    extent: Extent,
}

/// How far a tree reaches below its root, for the checks that keep every path within its bounds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Extent {
    /// Components of the longest chain of names below.
    pub depth: usize,
    /// Bytes of the longest relative path below.
    pub length: usize,
}

impl Extent {
    /// The extent of a folder that has an entry `name`, itself of extent `below`, added to what is known so far.
    #[must_use]
    pub fn with(self, name: &str, below: Extent) -> Extent {
        let slash = usize::from(below.length > 0);
        Extent { depth: self.depth.max(below.depth + 1), length: self.length.max(name.len() + slash + below.length) }
    }
}

impl Folder {
    /// The folder with these entries.
    pub fn new(entries: Entries) -> Arc<Self> {
        let digest = Digest::of(&folder_object::encode(&entries));
        Self::known(entries, digest)
    }

    /// The folder with these entries, whose digest is known already.
    pub(crate) fn known(entries: Entries, digest: Digest) -> Arc<Self> {
        let extent = entries.iter().fold(Extent::default(), |extent, (name, entry)| {
            extent.with(name, if let Entry::Folder(folder) = entry { folder.extent } else { Extent::default() })
        });
        Arc::new(Self { entries, digest, extent })
    }

    /// The entries, sorted by name bytewise.
    pub fn entries(&self) -> &Entries {
        &self.entries
    }

    /// The digest of this folder and everything in it.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// How far it reaches.
    pub fn extent(&self) -> Extent {
        self.extent
    }

    /// What `path` names below this folder; `None` for the root itself and where there is nothing.
    pub fn get(&self, path: &StagePath) -> Option<&Entry> {
        let mut folder = self;
        let mut names = path.components().peekable();
        while let Some(name) = names.next() {
            let entry = folder.entries.get(name)?;
            match entry {
                _ if names.peek().is_none() => return Some(entry),
                Entry::Folder(inner) => folder = inner,
                _ => return None,
            }
        }
        None
    }
}
