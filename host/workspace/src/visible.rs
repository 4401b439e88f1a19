//! What of a version can be seen under a grant, as one digest: equal for two versions that differ in nothing of it.
//!
//! A version is walked, so this costs what the version has; it is asked only where two pieces of work are equal in everything else.

use crate::object::ObjectError;
use crate::tree::{Entry, Folder, VersionId};
use crate::workspace::Workspace;
use longhaul_core::digest::{Digest, Hasher};
use longhaul_core::grant::{FsAccess, Grant};
use longhaul_core::path::StagePath;

impl Workspace {
    /// The digest of all that `grant` shows of `version`: files, links and folders that may be read or written, with their paths, and the
    /// folders on the way to them.
    ///
    /// # Errors
    /// [`ObjectError`] where the version cannot be read.
    pub fn visible(&self, version: VersionId, grant: &Grant) -> Result<Digest, ObjectError> {
        let mut hasher = Hasher::default();
        add(&*self.load(version)?, "", grant, &mut hasher);
        Ok(hasher.finish())
    }
}

/// Adds what can be seen of a folder. A version has a bounded depth, and so has this.
fn add(folder: &Folder, path: &str, grant: &Grant, hasher: &mut Hasher) {
    for (name, entry) in folder.entries() {
        let path = if path.is_empty() { name.to_string() } else { format!("{path}/{name}") };
        // What is no path of a stage cannot be named by a guest.
        let Ok(at) = StagePath::new(path.as_str()) else { continue };
        let seen = match entry {
            Entry::Folder(_) => grant.check_folder(&at).is_ok() || grant.check_way(&at).is_ok(),
            Entry::File(_) | Entry::Symlink(_) => {
                // Whoever may write somewhere learns what is there already.
                grant.check_fs(&at, FsAccess::Read).is_ok() || grant.check_fs(&at, FsAccess::Write).is_ok()
            }
        };
        if !seen {
            continue;
        }
        // A path has no zero byte, so what follows cannot be taken for a part of it.
        hasher.update(path.as_bytes());
        match entry {
            Entry::Folder(inner) => {
                hasher.update(b"\0d");
                add(inner, &path, grant, hasher);
            }
            Entry::File(file) => {
                hasher.update(if file.executable { b"\0x" } else { b"\0f" });
                hasher.update(file.digest.as_bytes());
            }
            Entry::Symlink(target) => {
                hasher.update(b"\0l");
                hasher.update(Digest::of(target.as_bytes()).as_bytes());
            }
        }
    }
}
