//! Collecting: content that no version needs any more is removed.
//!
//! What is needed is marked first, all of it, by walking the versions; only then anything is removed. A version that cannot be
//! read ends it before that. Interrupted, it has removed some of what it may, and the next time removes the rest.

use crate::object::{ObjectError, name_of};
use crate::tree::{Entry, Folder, VersionId};
use crate::workspace::Workspace;
use std::collections::HashSet;

/// What was collected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Collected {
    /// Contents that were removed.
    pub removed: u64,
    /// Contents that are left.
    pub left: u64,
    /// The bytes of those.
    pub bytes: u64,
}

impl Workspace {
    /// The bytes that the content takes, as far as that is known: see [`Objects::used`](crate::object::Objects::used).
    pub fn used(&self) -> u64 {
        self.objects.used()
    }

    /// Removes content that none of these versions has, the oldest first, until all content takes `spare` bytes at most. What is left of it
    /// is not needed and may be of use: a replay looks for it. No import and no commit may be under way meanwhile: their content is in
    /// no version yet.
    ///
    /// # Errors
    /// [`ObjectError`] where a version cannot be read, and nothing was removed; or where something cannot be removed.
    pub fn collect(&self, keep: &[VersionId], spare: u64) -> Result<Collected, ObjectError> {
        let _nothing_is_added = self.objects.collecting();
        let mut needed = HashSet::new();
        for version in keep.iter().copied().chain(self.objects.pinned().into_iter().map(VersionId)) {
            mark(&*self.load(version)?, &mut needed);
        }
        let mut collected = Collected::default();
        let mut rest = Vec::new();
        let failed = ObjectError::io("collect content");
        for shard in self.objects.dir().entries().map_err(&failed)? {
            let shard = shard.map_err(&failed)?;
            let Some(prefix) = shard.file_name().to_str().filter(|name| name.len() == 2).map(str::to_owned) else {
                continue;
            };
            let Ok(folder) = shard.open_dir() else { continue };
            for object in folder.entries().map_err(&failed)? {
                let object = object.map_err(&failed)?;
                let Some(name) = object.file_name().to_str().map(|name| format!("{prefix}/{name}")) else { continue };
                let metadata = object.metadata().map_err(&failed)?;
                collected.left += 1;
                collected.bytes += metadata.len();
                if !needed.contains(&name) {
                    rest.push((metadata.modified().map_err(&failed)?, metadata.len(), name));
                }
            }
        }
        rest.sort_unstable();
        for (_, bytes, name) in rest {
            if collected.bytes <= spare {
                break;
            }
            self.objects.dir().remove_file(name).map_err(&failed)?;
            collected.removed += 1;
            collected.left -= 1;
            collected.bytes -= bytes;
        }
        self.objects.measured(collected.bytes);
        Ok(collected)
    }
}

impl Workspace {
    /// Whether all content of a version, or of what a command left, is there.
    pub fn is_whole(&self, version: VersionId) -> bool {
        let Ok(folder) = self.load(version) else { return false };
        let mut needed = HashSet::new();
        mark(&folder, &mut needed);
        needed.iter().all(|name| self.objects.dir().exists(name))
    }
}

/// Notes the names of everything that `folder` has. Folders that are noted already are passed over, and with them what they have.
fn mark(folder: &Folder, needed: &mut HashSet<String>) {
    if !needed.insert(name_of(folder.digest())) {
        return;
    }
    for entry in folder.entries().values() {
        match entry {
            Entry::Folder(inner) => mark(inner, needed),
            Entry::File(file) => drop(needed.insert(name_of(file.digest))),
            Entry::Symlink(_) => {}
        }
    }
}
