//! Turning what a stage wrote into a version.

use super::file::{Body, FileNode};
use super::overlay::{Item, OwnFolder};
use super::workspace_stage::WorkspaceStage;
use crate::batch::Batch;
use crate::object::ObjectError;
use crate::tree::{Entries, Entry, FileEntry, Folder};
use std::collections::HashMap;
use std::sync::{Arc, RwLockWriteGuard};

impl WorkspaceStage {
    /// Builds the tree as it is now and hands it to `publish`, with the version that it began from and a batch that holds
    /// everything new in it; where that goes well, the stage goes on from there. Nothing can be changed meanwhile.
    pub(crate) fn seal<T, E: From<ObjectError>>(
        &self,
        batch: Batch<'_>,
        publish: impl FnOnce(Batch<'_>, &Folder, &Arc<Folder>) -> Result<T, E>,
    ) -> Result<T, E> {
        let state = &mut *self.lock();
        let mut changed = HashMap::new();
        collect(&state.root, &state.files, &mut changed);
        let mut bodies: Vec<(&FileNode, RwLockWriteGuard<'_, Body>, FileEntry)> = Vec::with_capacity(changed.len());
        let mut contents = HashMap::with_capacity(changed.len());
        for (identity, file) in &changed {
            let body = file.write();
            let entry = file.add_to(&body, &batch)?;
            contents.insert(*identity, entry);
            bodies.push((file, body, entry));
        }
        let mut folders = Vec::new();
        let tree = build(&state.root, &contents, &mut folders);
        for folder in &folders {
            batch.add_folder(folder)?;
        }
        let outcome = publish(batch, &state.base, &tree)?;
        for (file, body, entry) in &mut bodies {
            file.settle(body, *entry);
        }
        state.base = tree;
        Ok(outcome)
    }
}

/// The files that may differ from the version: all of them lie in own folders.
fn collect(folder: &OwnFolder, files: &HashMap<u64, Arc<FileNode>>, found: &mut HashMap<u64, Arc<FileNode>>) {
    for item in folder.items.values() {
        match item {
            Item::File { identity, .. } => {
                if let Some(file) = files.get(identity) {
                    found.insert(*identity, Arc::clone(file));
                }
            }
            Item::Own(own) => collect(own, files, found),
            Item::Symlink { .. } | Item::Version { .. } => {}
        }
    }
}

/// The folders of the version; those that are not as they were are added to `folders`.
fn build(own: &OwnFolder, contents: &HashMap<u64, FileEntry>, folders: &mut Vec<Arc<Folder>>) -> Arc<Folder> {
    let entries: Entries = own
        .items
        .iter()
        .filter_map(|(name, item)| {
            let entry = match item {
                Item::File { identity, base } => Entry::File(contents.get(identity).copied().or(*base)?),
                Item::Symlink { target, .. } => Entry::Symlink(Arc::clone(target)),
                Item::Version { folder, .. } => Entry::Folder(Arc::clone(folder)),
                Item::Own(own) => Entry::Folder(build(own, contents, folders)),
            };
            Some((name.clone(), entry))
        })
        .collect();
    let folder = Folder::new(entries);
    if let Some(base) = &own.base
        && base.digest() == folder.digest()
    {
        return Arc::clone(base);
    }
    folders.push(Arc::clone(&folder));
    folder
}
