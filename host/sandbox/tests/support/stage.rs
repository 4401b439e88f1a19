//! A stage that lives in memory, so that the sandbox is tested alone. Small and strict, with quotas of its own.

use longhaul_core::path::StagePath;
use longhaul_core::stage::{Create, DirEntry, FsError, Node, NodeKind, OpenMode, Stage, StageFile};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// What a stage may hold.
#[derive(Debug, Clone, Copy)]
pub struct Quota {
    pub files: usize,
    pub bytes: u64,
}

impl Default for Quota {
    fn default() -> Self {
        Self { files: 3_000, bytes: 4 << 20 }
    }
}

/// A stage in memory; cheap to clone, all clones are the same stage.
#[derive(Clone)]
pub struct MemoryStage(Arc<Inner>);

struct Inner {
    quota: Quota,
    tree: Mutex<BTreeMap<StagePath, Entry>>,
    written: AtomicU64,
    changes: AtomicU64,
    identities: AtomicU64,
}

#[derive(Clone)]
enum Entry {
    File(Arc<Content>),
    Folder { identity: u64, changed: u64 },
    Symlink { identity: u64, target: String },
}

struct Content {
    identity: u64,
    stage: Arc<Inner>,
    bytes: Mutex<Vec<u8>>,
    changed: AtomicU64,
    names: AtomicU64,
}

struct Handle {
    content: Arc<Content>,
    write: bool,
}

impl MemoryStage {
    /// A stage with these files; `path -> target` is a link, `path/` a folder.
    pub fn new(quota: Quota, files: &[(&str, &str)]) -> Self {
        let inner = Inner {
            quota: Quota { files: usize::MAX, bytes: u64::MAX },
            tree: Mutex::default(),
            written: AtomicU64::new(0),
            changes: AtomicU64::new(0),
            identities: AtomicU64::new(1),
        };
        let stage = Self(Arc::new(inner));
        stage.tree().insert(StagePath::root(), Entry::Folder { identity: 0, changed: 0 });
        for (name, content) in files {
            let path = StagePath::new(name.trim_end_matches('/')).unwrap();
            let mut parent = StagePath::root();
            for component in path.split().unwrap().0.components() {
                parent = parent.join(component).unwrap();
                let _ = stage.create_dir(&parent);
            }
            if name.ends_with('/') {
                stage.create_dir(&path).unwrap();
            } else if let Some(target) = content.strip_prefix("-> ") {
                stage.symlink(target, &path).unwrap();
            } else {
                let file = stage.open(&path, OpenMode::Write { create: Create::New, truncate: false }).unwrap();
                file.append(content.as_bytes()).unwrap();
            }
        }
        // What was put in so far is the version; logical times and quotas begin here.
        let tree = stage.tree().clone();
        let inner = Inner {
            quota,
            tree: Mutex::default(),
            written: AtomicU64::new(0),
            changes: AtomicU64::new(0),
            identities: AtomicU64::new(stage.0.identities.load(Ordering::Relaxed)),
        };
        let stage = Self(Arc::new(inner));
        for (path, entry) in tree {
            let entry = match entry {
                Entry::File(content) => {
                    let bytes = content.bytes.lock().unwrap().clone();
                    Entry::File(stage.content(content.identity, bytes, 0))
                }
                Entry::Folder { identity, .. } => Entry::Folder { identity, changed: 0 },
                link @ Entry::Symlink { .. } => link,
            };
            stage.tree().insert(path, entry);
        }
        stage
    }

    /// Everything in it, for comparison.
    pub fn snapshot(&self) -> BTreeMap<String, String> {
        let show = |entry: &Entry| match entry {
            Entry::File(content) => String::from_utf8_lossy(&content.bytes.lock().unwrap()).into_owned(),
            Entry::Folder { .. } => "/".to_owned(),
            Entry::Symlink { target, .. } => format!("-> {target}"),
        };
        self.tree().iter().map(|(path, entry)| (path.to_string(), show(entry))).collect()
    }

    fn tree(&self) -> std::sync::MutexGuard<'_, BTreeMap<StagePath, Entry>> {
        self.0.tree.lock().unwrap()
    }

    fn content(&self, identity: u64, bytes: Vec<u8>, changed: u64) -> Arc<Content> {
        Arc::new(Content {
            identity,
            stage: Arc::clone(&self.0),
            bytes: Mutex::new(bytes),
            changed: AtomicU64::new(changed),
            names: AtomicU64::new(1),
        })
    }

    fn identity(&self) -> u64 {
        self.0.identities.fetch_add(1, Ordering::Relaxed)
    }

    /// Checks that a new name can be made.
    fn room(&self, tree: &BTreeMap<StagePath, Entry>, path: &StagePath) -> Result<(), FsError> {
        if tree.contains_key(path) {
            return Err(FsError::Exists);
        }
        folder_of(tree, path)?;
        if tree.len() >= self.0.quota.files { Err(FsError::Quota) } else { Ok(()) }
    }
}

impl Inner {
    fn tick(&self) -> u64 {
        self.changes.fetch_add(1, Ordering::Relaxed) + 1
    }
}

fn folder_of(tree: &BTreeMap<StagePath, Entry>, path: &StagePath) -> Result<(), FsError> {
    let (parent, _) = path.split().ok_or(FsError::Invalid)?;
    match tree.get(&parent) {
        Some(Entry::Folder { .. }) => Ok(()),
        Some(_) => Err(FsError::NotFolder),
        None => Err(FsError::NotFound),
    }
}

fn is_empty(tree: &BTreeMap<StagePath, Entry>, folder: &StagePath) -> bool {
    !tree.keys().any(|path| path != folder && path.is_within(folder))
}

impl Stage for MemoryStage {
    fn node(&self, path: &StagePath) -> Result<Node, FsError> {
        let tree = self.tree();
        match tree.get(path) {
            Some(Entry::File(content)) => Ok(content.node()),
            Some(Entry::Folder { identity, changed }) => {
                Ok(Node { kind: NodeKind::Folder, size: 0, identity: *identity, links: 1, changed: *changed })
            }
            Some(Entry::Symlink { identity, target }) => {
                let size = target.len() as u64;
                Ok(Node { kind: NodeKind::Symlink, size, identity: *identity, links: 1, changed: 0 })
            }
            None => {
                folder_of(&tree, path)?;
                Err(FsError::NotFound)
            }
        }
    }

    fn read_link(&self, path: &StagePath) -> Result<String, FsError> {
        match self.tree().get(path) {
            Some(Entry::Symlink { target, .. }) => Ok(target.clone()),
            Some(_) => Err(FsError::Invalid),
            None => Err(FsError::NotFound),
        }
    }

    fn list(&self, path: &StagePath) -> Result<Vec<DirEntry>, FsError> {
        if self.node(path)?.kind != NodeKind::Folder {
            return Err(FsError::NotFolder);
        }
        let tree = self.tree();
        let mut entries: Vec<DirEntry> = tree
            .iter()
            .filter_map(|(at, entry)| {
                let (parent, name) = at.split()?;
                let kind = match entry {
                    Entry::File(_) => NodeKind::File,
                    Entry::Folder { .. } => NodeKind::Folder,
                    Entry::Symlink { .. } => NodeKind::Symlink,
                };
                (parent == *path).then(|| DirEntry { name: name.to_owned(), kind })
            })
            .collect();
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn open(&self, path: &StagePath, mode: OpenMode) -> Result<Arc<dyn StageFile>, FsError> {
        let mut tree = self.tree();
        let (create, truncate, write) = match mode {
            OpenMode::Read => (Create::No, false, false),
            OpenMode::Write { create, truncate } => (create, truncate, true),
        };
        let content = match tree.get(path) {
            Some(_) if create == Create::New => return Err(FsError::Exists),
            Some(Entry::File(content)) => Arc::clone(content),
            Some(Entry::Folder { .. }) => return Err(FsError::IsFolder),
            Some(Entry::Symlink { .. }) => return Err(FsError::Loop),
            None if create == Create::No => return Err(FsError::NotFound),
            None => {
                self.room(&tree, path)?;
                let content = self.content(self.identity(), Vec::new(), self.0.tick());
                tree.insert(path.clone(), Entry::File(Arc::clone(&content)));
                content
            }
        };
        if truncate {
            content.bytes.lock().unwrap().clear();
            content.touch();
        }
        Ok(Arc::new(Handle { content, write }))
    }

    fn create_dir(&self, path: &StagePath) -> Result<(), FsError> {
        let mut tree = self.tree();
        self.room(&tree, path)?;
        tree.insert(path.clone(), Entry::Folder { identity: self.identity(), changed: self.0.tick() });
        Ok(())
    }

    fn remove_dir(&self, path: &StagePath) -> Result<(), FsError> {
        let mut tree = self.tree();
        match tree.get(path) {
            _ if path.is_root() => Err(FsError::Invalid),
            Some(Entry::Folder { .. }) if !is_empty(&tree, path) => Err(FsError::NotEmpty),
            Some(Entry::Folder { .. }) => {
                tree.remove(path);
                Ok(())
            }
            Some(_) => Err(FsError::NotFolder),
            None => Err(FsError::NotFound),
        }
    }

    fn remove_file(&self, path: &StagePath) -> Result<(), FsError> {
        let mut tree = self.tree();
        match tree.get(path) {
            Some(Entry::Folder { .. }) => Err(FsError::IsFolder),
            Some(_) => {
                tree.remove(path);
                Ok(())
            }
            None => Err(FsError::NotFound),
        }
    }

    fn rename(&self, from: &StagePath, to: &StagePath) -> Result<(), FsError> {
        let mut tree = self.tree();
        let moved = tree.get(from).cloned().ok_or(FsError::NotFound)?;
        folder_of(&tree, to)?;
        if from == to {
            return Ok(());
        }
        let is_folder = matches!(moved, Entry::Folder { .. });
        if is_folder && to.is_within(from) {
            return Err(FsError::Invalid);
        }
        match tree.get(to) {
            Some(Entry::Folder { .. }) if !is_folder => return Err(FsError::IsFolder),
            Some(Entry::Folder { .. }) if !is_empty(&tree, to) => return Err(FsError::NotEmpty),
            Some(Entry::File(_) | Entry::Symlink { .. }) if is_folder => return Err(FsError::NotFolder),
            _ => {}
        }
        let paths: Vec<StagePath> = tree.keys().filter(|path| path.is_within(from)).cloned().collect();
        for path in paths {
            let entry = tree.remove(&path).unwrap();
            let new = StagePath::new(format!("{}{}", to.as_str(), &path.as_str()[from.as_str().len()..]));
            tree.insert(new.map_err(|_| FsError::NameTooLong)?, entry);
        }
        Ok(())
    }

    fn link(&self, from: &StagePath, to: &StagePath) -> Result<(), FsError> {
        let mut tree = self.tree();
        let Some(Entry::File(content)) = tree.get(from).cloned() else { return Err(FsError::Invalid) };
        self.room(&tree, to)?;
        content.names.fetch_add(1, Ordering::Relaxed);
        tree.insert(to.clone(), Entry::File(content));
        Ok(())
    }

    fn symlink(&self, target: &str, path: &StagePath) -> Result<(), FsError> {
        let mut tree = self.tree();
        self.room(&tree, path)?;
        tree.insert(path.clone(), Entry::Symlink { identity: self.identity(), target: target.to_owned() });
        Ok(())
    }
}

impl Content {
    fn node(&self) -> Node {
        Node {
            kind: NodeKind::File,
            size: self.bytes.lock().unwrap().len() as u64,
            identity: self.identity,
            links: self.names.load(Ordering::Relaxed),
            changed: self.changed.load(Ordering::Relaxed),
        }
    }

    fn touch(&self) {
        self.changed.store(self.stage.tick(), Ordering::Relaxed);
    }

    /// Grows to at least `size`, within the quota.
    fn grow(&self, bytes: &mut Vec<u8>, size: u64) -> Result<(), FsError> {
        let more = size.saturating_sub(bytes.len() as u64);
        if self.stage.written.load(Ordering::Relaxed).saturating_add(more) > self.stage.quota.bytes {
            return Err(FsError::Quota);
        }
        self.stage.written.fetch_add(more, Ordering::Relaxed);
        if more > 0 {
            bytes.resize(usize::try_from(size).map_err(|_| FsError::Invalid)?, 0);
        }
        Ok(())
    }
}

impl StageFile for Handle {
    fn node(&self) -> Node {
        self.content.node()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize, FsError> {
        let bytes = self.content.bytes.lock().unwrap();
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let count = buffer.len().min(bytes.len() - start);
        buffer[..count].copy_from_slice(&bytes[start..start + count]);
        Ok(count)
    }

    fn write_at(&self, data: &[u8], offset: u64) -> Result<(), FsError> {
        if !self.write {
            return Err(FsError::BadDescriptor);
        }
        let end = offset.checked_add(data.len() as u64).ok_or(FsError::Invalid)?;
        let mut bytes = self.content.bytes.lock().unwrap();
        self.content.grow(&mut bytes, end)?;
        let start = usize::try_from(offset).map_err(|_| FsError::Invalid)?;
        bytes[start..start + data.len()].copy_from_slice(data);
        drop(bytes);
        self.content.touch();
        Ok(())
    }

    fn append(&self, data: &[u8]) -> Result<(), FsError> {
        let end = self.content.bytes.lock().unwrap().len() as u64;
        self.write_at(data, end)
    }

    fn set_size(&self, size: u64) -> Result<(), FsError> {
        if !self.write {
            return Err(FsError::BadDescriptor);
        }
        let mut bytes = self.content.bytes.lock().unwrap();
        self.content.grow(&mut bytes, size)?;
        bytes.truncate(usize::try_from(size).unwrap_or(usize::MAX));
        drop(bytes);
        self.content.touch();
        Ok(())
    }
}
