//! Putting the work of one task on top of what other tasks committed meanwhile.
//!
//! Both sides are compared with the version they started from. Paths that one side alone changed are taken; for a path that
//! both changed, [`resolve`] decides. Folders are merged by what lies in them: removing a folder removes it where it is
//! empty then, and adding a file makes the folders around it.

use crate::diff::{Delta, Leaf, deltas};
use crate::tree::{Entries, Entry, Folder};
use longhaul_core::path::StagePath;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// What becomes of a path that both sides changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// This; nothing where it is gone.
    Take(Option<Leaf>),
    /// The two cannot be brought together.
    Conflict,
}

/// Decides about a path that both sides changed since `base`. The same change on both sides is no conflict; everything
/// else is.
pub fn resolve(_base: Option<&Leaf>, ours: Option<&Leaf>, theirs: Option<&Leaf>) -> Resolution {
    if ours == theirs { Resolution::Take(ours.cloned()) } else { Resolution::Conflict }
}

/// The tree that has the changes from `base` to `ours` on top of `theirs`.
///
/// # Errors
/// The paths that cannot be brought together, sorted.
pub fn merge(base: &Folder, ours: &Folder, theirs: &Arc<Folder>) -> Result<Arc<Folder>, Vec<StagePath>> {
    let ours = deltas(base, ours);
    let theirs_changes: HashMap<StagePath, Delta> =
        deltas(base, theirs).into_iter().map(|delta| (delta.path.clone(), delta)).collect();
    let mut patch = Patch::default();
    let mut conflicts = Vec::new();
    for delta in ours {
        let after = match theirs_changes.get(&delta.path) {
            None => delta.after,
            Some(other) => match resolve(delta.before.as_ref(), delta.after.as_ref(), other.after.as_ref()) {
                Resolution::Take(leaf) => leaf,
                Resolution::Conflict => {
                    conflicts.push(delta.path);
                    continue;
                }
            },
        };
        patch.at(&delta.path).set = Some(after);
    }
    let merged = patch.apply(&StagePath::root(), Some(&Entry::Folder(Arc::clone(theirs))), &mut conflicts);
    conflicts.sort();
    conflicts.dedup();
    match merged {
        _ if !conflicts.is_empty() => Err(conflicts),
        Some(Entry::Folder(folder)) => Ok(folder),
        // The root is never set, and a folder that was there stays one.
        _ => Ok(Folder::new(Entries::new())),
    }
}

/// Changes to a tree, themselves a tree.
#[derive(Debug, Default)]
struct Patch {
    set: Option<Option<Leaf>>,
    below: BTreeMap<Box<str>, Patch>,
}

impl Patch {
    fn at(&mut self, path: &StagePath) -> &mut Patch {
        path.components().fold(self, |patch, name| patch.below.entry(name.into()).or_default())
    }

    fn apply(&self, at: &StagePath, current: Option<&Entry>, conflicts: &mut Vec<StagePath>) -> Option<Entry> {
        let folder = match current {
            Some(Entry::Folder(folder)) => Some(folder),
            _ => None,
        };
        if self.below.is_empty() && self.set.is_none() {
            return current.cloned();
        }
        let mut entries = folder.map(|folder| folder.entries().clone()).unwrap_or_default();
        for (name, patch) in &self.below {
            let Some(path) = at.join(name) else { continue };
            match patch.apply(&path, entries.get(name), conflicts) {
                Some(entry) => entries.insert(name.clone(), entry),
                None => entries.remove(name),
            };
        }
        let keep = |entries: Entries| Some(Entry::Folder(Folder::new(entries)));
        match &self.set {
            // Only what lies in it changes. A folder that the other side removed comes back for what is put in it.
            None if folder.is_some() => keep(entries),
            None if entries.is_empty() => current.cloned(),
            None if current.is_none() => keep(entries),
            None => {
                conflicts.push(at.clone());
                None
            }
            Some(Some(Leaf::Folder)) => keep(entries),
            // The other side put something into a folder that this side removed: it stays for that.
            Some(None) if folder.is_some() && !entries.is_empty() => keep(entries),
            Some(None) => None,
            Some(Some(_)) if !entries.is_empty() => {
                conflicts.push(at.clone());
                None
            }
            Some(Some(Leaf::File(file))) => Some(Entry::File(*file)),
            Some(Some(Leaf::Symlink(target))) => Some(Entry::Symlink(Arc::clone(target))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::FileEntry;
    use longhaul_core::digest::Digest;

    /// A tree of files and empty folders (`name/`), written as `path=content`.
    fn tree(text: &str) -> Arc<Folder> {
        let mut patch = Patch::default();
        for word in text.split_whitespace() {
            let (path, leaf) = match word.split_once('=') {
                Some((path, content)) => {
                    let digest = Digest::of(content.as_bytes());
                    (path, Leaf::File(FileEntry { digest, size: content.len() as u64, executable: false }))
                }
                None => (word.trim_end_matches('/'), Leaf::Folder),
            };
            patch.at(&StagePath::new(path).unwrap()).set = Some(Some(leaf));
        }
        let empty = Entry::Folder(Folder::new(Entries::new()));
        match patch.apply(&StagePath::root(), Some(&empty), &mut Vec::new()) {
            Some(Entry::Folder(folder)) => folder,
            other => panic!("{other:?}"),
        }
    }

    fn merged(base: &str, ours: &str, theirs: &str) -> Result<Arc<Folder>, Vec<String>> {
        merge(&tree(base), &tree(ours), &tree(theirs)).map_err(|paths| paths.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn disjoint_work_comes_together() {
        for (base, ours, theirs, expected) in [
            ("a=1 b=1", "a=2 b=1", "a=1 b=2", "a=2 b=2"),
            ("a=1", "a=1 d/x=1", "a=1 d/y=1", "a=1 d/x=1 d/y=1"),
            ("a=1 b=1", "b=1", "a=1", ""),
            ("d/x=1", "d/x=2", "d/x=1 e/", "d/x=2 e/"),
            ("d/x=1 d/y=1", "d/y=1", "d/x=1", "d/"),
            ("d/x=1", "", "d/x=1 d/y=1", "d/y=1"),
            ("d/x=1", "d/x=1 d/y=1", "", "d/y=1"),
            ("a=1", "a/x=1", "a=1 b=1", "a/x=1 b=1"),
            ("a/x=1", "a=1", "a/x=1 b=1", "a=1 b=1"),
        ] {
            let found = merged(base, ours, theirs).unwrap();
            assert_eq!(found.digest(), tree(expected).digest(), "{base} | {ours} | {theirs}");
        }
    }

    #[test]
    fn the_same_change_twice_is_no_conflict() {
        let found = merged("a=1 b=1", "a=2", "a=2 b=1").unwrap();
        assert_eq!(found.digest(), tree("a=2").digest());
    }

    #[test]
    fn a_path_changed_differently_is_a_conflict() {
        for (base, ours, theirs, paths) in [
            ("a=1", "a=2", "a=3", vec!["a"]),
            ("a=1", "", "a=3", vec!["a"]),
            ("", "a=1", "a=2", vec!["a"]),
            ("", "a/x=1", "a=2", vec!["a"]),
            ("d/x=1", "d=1", "d/x=1 d/y=1", vec!["d"]),
            ("a=1 b=1 c=1", "a=2 b=2 c=2", "a=3 b=3 c=1", vec!["a", "b"]),
        ] {
            assert_eq!(merged(base, ours, theirs).unwrap_err(), paths, "{base} | {ours} | {theirs}");
        }
    }

    #[test]
    fn changes_name_files_and_empty_folders() {
        let list: Vec<String> = crate::diff::changes(&tree("a=1 d/x=1 g/"), &tree("a=2 e/f/y=1 h/"))
            .iter()
            .map(|change| format!("{:?} {}", change.change, change.path))
            .collect();
        assert_eq!(list, ["Modified a", "Removed d/x", "Added e/f/y", "Removed g", "Added h"]);
    }
}
