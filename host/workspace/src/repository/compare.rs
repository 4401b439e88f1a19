//! In which files a version differs from a repository's index.

use super::index::{Kind, Known};
use crate::attach::each_file;
use crate::object::ObjectError;
use crate::tree::{Entry, VersionId};
use crate::workspace::Workspace;
use longhaul_core::attachment::MAX_CHANGED;
use longhaul_core::grant::{FsAccess, Grant};
use longhaul_core::path::StagePath;
use sha1::{Digest as _, Sha1};
use std::collections::BTreeMap;

/// The most bytes of content that are looked at.
const MAX_READ: u64 = 256 << 20;

/// The files that differ, sorted by path, with a note of what is left out; the error says in words why they were not compared.
pub(super) fn compare(
    workspace: &Workspace,
    version: VersionId,
    index: &[Known],
    grant: &Grant,
) -> Result<Result<(Vec<String>, String), String>, ObjectError> {
    let mut files: BTreeMap<StagePath, Entry> = BTreeMap::new();
    each_file(&*workspace.load(version)?, "", &mut |path, entry| drop(files.insert(path, entry.clone())));
    let mut changed: Vec<(StagePath, char)> = Vec::new();
    let mut read = 0;
    for known in index {
        // What is no path of a stage cannot be part of a version.
        let Ok(path) = StagePath::new(known.path.as_str()) else { continue };
        let Some(entry) = files.remove(&path) else {
            // What is there and in no version is left out by a rule, or was deleted in this run.
            if known.kind != Kind::Other && workspace.root.symlink_metadata(path.as_str()).is_err() {
                changed.push((path, 'D'));
            }
            continue;
        };
        let is_same = match (&entry, known.kind) {
            (Entry::Symlink(target), Kind::Link) => name_of(target.as_bytes()) == known.name,
            (Entry::File(file), Kind::File) if known.size == 0 || file.size == u64::from(known.size) => {
                read += file.size;
                if read > MAX_READ {
                    return Ok(Err(format!("changed files are not known: they have more than {MAX_READ} bytes")));
                }
                name_of(&workspace.objects.read(file.digest)?) == known.name
            }
            _ => false,
        };
        if !is_same {
            changed.push((path, 'M'));
        }
    }
    changed.extend(files.into_keys().map(|path| (path, 'A')));
    changed.retain(|(path, _)| grant.check_fs(path, FsAccess::Read).is_ok());
    changed.sort();
    let note = match changed.len() {
        0..=MAX_CHANGED => String::new(),
        all => format!("of {all} changed files the first {MAX_CHANGED} are named"),
    };
    let listed = changed.iter().take(MAX_CHANGED).map(|(path, how)| format!("{how} {path}"));
    Ok(Ok((listed.collect(), note)))
}

/// What git names content by.
fn name_of(content: &[u8]) -> [u8; 20] {
    let mut hasher = Sha1::new();
    hasher.update(format!("blob {}\0", content.len()));
    hasher.update(content);
    hasher.finalize().into()
}
