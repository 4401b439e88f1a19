//! Attachments: files of a version that a pattern names, and content that is kept beside versions, as one tree.

use crate::object::ObjectError;
use crate::tree::{Entries, Entry, FileEntry, Folder, VersionId};
use crate::workspace::Workspace;
use longhaul_core::digest::Digest;
use longhaul_core::grant::{FsAccess, Grant, PatternError, patterns};
use longhaul_core::path::StagePath;
use std::sync::PoisonError;

/// Files of a version that a pattern names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Matches {
    /// Those that may be read, by path: size and digest of their content.
    pub files: Vec<(StagePath, u64, Digest)>,
    /// The first that may not, where there is one.
    pub withheld: Option<StagePath>,
}

/// Content to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// These bytes.
    Bytes(Vec<u8>),
    /// Content of this size, which a version has.
    Known(u64, Digest),
}

impl Workspace {
    /// The files of `version` that `pattern` names, sorted by path, as far as `grant` lets them be read. Links are not followed.
    ///
    /// # Errors
    /// [`PatternError`] within, for a pattern that is none; [`ObjectError`] where the version cannot be read.
    pub fn matching(
        &self,
        version: VersionId,
        pattern: &str,
        grant: &Grant,
    ) -> Result<Result<Matches, PatternError>, ObjectError> {
        let wanted = match patterns(&[pattern.to_owned()]) {
            Ok(wanted) => wanted,
            Err(error) => return Ok(Err(error)),
        };
        let mut matches = Matches::default();
        each_file(&*self.load(version)?, "", &mut |path, entry| {
            if let Entry::File(file) = entry
                && wanted.is_match(path.as_str())
            {
                match grant.check_fs(&path, FsAccess::Read) {
                    Ok(()) => matches.files.push((path, file.size, file.digest)),
                    Err(_) => drop(matches.withheld.get_or_insert(path)),
                }
            }
        });
        Ok(Ok(matches))
    }

    /// Keeps contents as one tree, durable on return; gives its digest. It is not collected as long as this workspace is open, and after that as
    /// long as somebody names it as needed.
    ///
    /// # Errors
    /// [`ObjectError`].
    pub fn attach(&self, contents: &[Content]) -> Result<Digest, ObjectError> {
        let adding = self.objects.adding();
        let batch = self.objects.batch();
        let mut entries = Entries::new();
        for (number, content) in contents.iter().enumerate() {
            let (size, digest) = match content {
                Content::Bytes(bytes) => (bytes.len() as u64, batch.add_bytes(bytes)?),
                Content::Known(size, digest) => (*size, *digest),
            };
            entries.insert(number.to_string().into(), Entry::File(FileEntry { digest, size, executable: false }));
        }
        let tree = Folder::new(entries);
        batch.add_folder(&tree)?;
        batch.publish()?;
        let pin = self.objects.pin(tree.digest());
        self.attached.lock().unwrap_or_else(PoisonError::into_inner).push(pin);
        drop(adding);
        Ok(tree.digest())
    }

    /// Content, whole and checked.
    ///
    /// # Errors
    /// [`ObjectError`].
    pub fn content(&self, digest: Digest) -> Result<Vec<u8>, ObjectError> {
        self.objects.read(digest)
    }
}

/// Shows everything that is no folder, with its path. A version has a bounded depth, and so has this.
pub(crate) fn each_file(folder: &Folder, path: &str, seen: &mut impl FnMut(StagePath, &Entry)) {
    for (name, entry) in folder.entries() {
        let path = if path.is_empty() { name.to_string() } else { format!("{path}/{name}") };
        match entry {
            Entry::Folder(inner) => each_file(inner, &path, seen),
            entry => {
                // What is no path of a stage cannot be named by anybody.
                if let Ok(path) = StagePath::new(path.as_str()) {
                    seen(path, entry);
                }
            }
        }
    }
}
