//! What differs between two versions.
//!
//! Equal folders are passed over by their digests, so a comparison costs what differs.

use crate::tree::{Entry, FileEntry, Folder};
use longhaul_core::digest::Digest;
use longhaul_core::entry::{Change, ChangeKind};
use longhaul_core::path::StagePath;
use std::sync::Arc;

/// What a path names, without what lies in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leaf {
    /// A folder, whatever it holds.
    Folder,
    /// A file.
    File(FileEntry),
    /// A symbolic link with this target.
    Symlink(Arc<str>),
}

impl From<&Entry> for Leaf {
    fn from(entry: &Entry) -> Self {
        match entry {
            Entry::Folder(_) => Leaf::Folder,
            Entry::File(file) => Leaf::File(*file),
            Entry::Symlink(target) => Leaf::Symlink(Arc::clone(target)),
        }
    }
}

/// A path that is not the same in two versions. A folder that is in both is none, even where its content differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delta {
    /// The path.
    pub path: StagePath,
    /// What was there.
    pub before: Option<Leaf>,
    /// What is there.
    pub after: Option<Leaf>,
}

/// The paths that differ, each folder before what lies in it.
pub fn deltas(before: &Folder, after: &Folder) -> Vec<Delta> {
    let mut found = Vec::new();
    compare(&StagePath::root(), Some(before), Some(after), &mut found);
    found
}

/// The same as it is recorded and shown: folders are named only where they are empty, for their files name them.
pub fn changes(before: &Folder, after: &Folder) -> Vec<Change> {
    let deltas = deltas(before, after);
    let mut changes = Vec::with_capacity(deltas.len());
    for (index, delta) in deltas.iter().enumerate() {
        let holds_next = deltas.get(index + 1).is_some_and(|next| next.path.is_within(&delta.path));
        let only_folder = [&delta.before, &delta.after].into_iter().flatten().all(|leaf| *leaf == Leaf::Folder);
        if only_folder && holds_next {
            continue;
        }
        changes.push(Change {
            path: delta.path.clone(),
            change: match (&delta.before, &delta.after) {
                (None, _) => ChangeKind::Added,
                (_, None) => ChangeKind::Removed,
                _ => ChangeKind::Modified,
            },
            digest: digest_of(delta.after.as_ref()),
        });
    }
    changes
}

fn digest_of(leaf: Option<&Leaf>) -> Option<Digest> {
    match leaf {
        Some(Leaf::File(file)) => Some(file.digest),
        _ => None,
    }
}

fn compare(at: &StagePath, before: Option<&Folder>, after: Option<&Folder>, found: &mut Vec<Delta>) {
    if let (Some(before), Some(after)) = (before, after)
        && before.digest() == after.digest()
    {
        return;
    }
    let mut left = before.into_iter().flat_map(|folder| folder.entries()).peekable();
    let mut right = after.into_iter().flat_map(|folder| folder.entries()).peekable();
    loop {
        let order = match (left.peek(), right.peek()) {
            (None, None) => return,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some((a, _)), Some((b, _))) => a.cmp(b),
        };
        let old = if order.is_le() { left.next() } else { None };
        let new = if order.is_ge() { right.next() } else { None };
        let Some((name, _)) = old.or(new) else { return };
        let (old, new) = (old.map(|(_, entry)| entry), new.map(|(_, entry)| entry));
        if old == new {
            continue;
        }
        // Trees are built within the bounds of paths, so the path always exists.
        let Some(path) = at.join(name) else { continue };
        let (old_leaf, new_leaf) = (old.map(Leaf::from), new.map(Leaf::from));
        if old_leaf != new_leaf {
            found.push(Delta { path: path.clone(), before: old_leaf, after: new_leaf });
        }
        compare(&path, old.and_then(as_folder), new.and_then(as_folder), found);
    }
}

fn as_folder(entry: &Entry) -> Option<&Folder> {
    match entry {
        Entry::Folder(folder) => Some(folder),
        _ => None,
    }
}
