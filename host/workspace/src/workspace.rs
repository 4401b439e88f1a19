//! The workspace of one user's folder: import, stages, commit, comparison.
//!
//! Putting a version into the folder is in [`crate::apply`].

use crate::apply::ApplyError;
use crate::diff::changes;
use crate::disk::emptied;
use crate::folder_object::{self, Stored};
use crate::ground::{Ground, swept};
use crate::import::{self, ImportError, Imported};
use crate::merge::merge;
use crate::object::{ObjectError, Objects, Pin};
use crate::rules::Rules;
use crate::stage::{Room, StageLimits, WorkspaceStage};
use crate::tree::{Entries, Entry, Folder, MAX_DEPTH, VersionId};
use cap_std::fs::Dir;
use longhaul_core::digest::Digest;
use longhaul_core::entry::Change;
use longhaul_core::path::{StagePath, is_component};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Versions that stay in memory though nobody uses them: those that running tasks begin with, and a few more.
const RECENT: usize = 8;
/// How many folders in memory make a look for unused ones worth it.
const CROWD: usize = 4096;

/// What the operator decides about a workspace.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Folders that are not versioned, such as `target`: names or paths.
    pub caches: Vec<String>,
    /// What else is not versioned, in the language of `.gitignore`.
    pub ignore: Vec<String>,
}

/// Why a workspace could not be used.
#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    /// The state folder cannot be used.
    #[error("cannot open the folder `{folder}` of the state folder; check its permissions and the space on its disk")]
    State {
        /// The folder within it.
        folder: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The rules about what is versioned.
    #[error(transparent)]
    Rules(#[from] ImportError),
    /// Content cannot be had.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// A stage's name is none.
    #[error("`{name}` cannot name a stage; use a plain file name of at most 200 bytes")]
    StageName {
        /// The name.
        name: String,
    },
    /// No such file in a version.
    #[error("there is no file `{path}` in version {version}")]
    NoFile {
        /// The path.
        path: StagePath,
        /// The version.
        version: VersionId,
    },
    /// An interrupted apply could not be brought to its end.
    #[error(transparent)]
    Apply(#[from] ApplyError),
}

/// What a commit made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The version that the changes were put on.
    pub base: VersionId,
    /// The version with them.
    pub version: VersionId,
    /// What differs between the two.
    pub changes: Vec<Change>,
}

/// Why a stage could not be committed. The stage is as it was, unless the disk failed.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Another task changed the same.
    #[error("{} changed by another task since this one began: {}; work on them again from the present version", count(paths.len()), list(paths))]
    Conflict {
        /// The paths that both changed.
        paths: Vec<StagePath>,
    },
    /// Content cannot be had or kept.
    #[error(transparent)]
    Object(#[from] ObjectError),
}

/// A number of paths, in words.
pub(crate) fn count(paths: usize) -> String {
    if paths == 1 { "1 path was".to_owned() } else { format!("{paths} paths were") }
}

/// The first few paths, in words.
pub(crate) fn list(paths: &[StagePath]) -> String {
    const SHOWN: usize = 5;
    let mut text = paths.iter().take(SHOWN).map(|path| format!("`{path}`")).collect::<Vec<_>>().join(", ");
    if paths.len() > SHOWN {
        text.push_str(" and others");
    }
    text
}

/// A user's folder with its versions. It may be used from several threads; one host at a time uses a state folder.
#[derive(Debug)]
pub struct Workspace {
    pub(crate) root: Dir,
    pub(crate) state: Dir,
    pub(crate) objects: Arc<Objects>,
    pub(crate) applying: Mutex<()>,
    stages: Arc<Dir>,
    grounds: Arc<Dir>,
    rules: Rules,
    /// Where caches are shown to commands.
    caches: Vec<StagePath>,
    cache: Mutex<Cache>,
    next_stage: AtomicU64,
    /// What was attached since the workspace was opened: kept until those who know the record are asked what it needs.
    pub(crate) attached: Mutex<Vec<Pin>>,
}

/// Folders in memory, so that versions share them there as well.
#[derive(Debug, Default)]
struct Cache {
    folders: HashMap<Digest, Weak<Folder>>,
    recent: VecDeque<Arc<Folder>>,
    crowd: usize,
}

impl Workspace {
    /// Opens the workspace of the folder `root`, with its state in `state`; clears away what stages an interrupted host
    /// left, and brings an interrupted apply to its end.
    ///
    /// # Errors
    /// [`WorkspaceError`].
    pub fn open(root: Dir, state: Dir, options: &Options) -> Result<Self, WorkspaceError> {
        let workspace = Self::unrecovered(root, state, options)?;
        workspace.recover_apply()?;
        Ok(workspace)
    }

    /// The workspace before an interrupted apply is looked for.
    pub(crate) fn unrecovered(root: Dir, state: Dir, options: &Options) -> Result<Self, WorkspaceError> {
        let rules = Rules::new(&options.ignore, &options.caches)?;
        let objects = Arc::new(Objects::open(&state)?);
        let stages = emptied(&state, "stages").map_err(|source| WorkspaceError::State { folder: "stages", source })?;
        let grounds = swept(&state).map_err(|source| WorkspaceError::State { folder: "grounds", source })?;
        // What cannot be a path is a pattern of names, and shown nowhere.
        let caches = options.caches.iter().filter_map(|cache| StagePath::new(cache.trim_end_matches('/')).ok());
        Ok(Self {
            root,
            state,
            objects,
            applying: Mutex::new(()),
            stages: Arc::new(stages),
            grounds: Arc::new(grounds),
            caches: caches.filter(|cache| !cache.is_root()).collect(),
            rules,
            cache: Mutex::default(),
            next_stage: AtomicU64::new(0),
            attached: Mutex::default(),
        })
    }

    /// Reads the user's folder into a version. Reads only what changed since the last time.
    ///
    /// # Errors
    /// [`ImportError`].
    pub fn import(&self) -> Result<Imported, ImportError> {
        let (folder, report) = import::import(&self.root, &self.objects, &self.rules)?;
        let version = VersionId(folder.digest());
        self.keep(&folder);
        Ok(Imported { version, report })
    }

    /// The version without files.
    ///
    /// # Errors
    /// [`ObjectError`].
    pub fn empty(&self) -> Result<VersionId, ObjectError> {
        let folder = Folder::new(Entries::new());
        let batch = self.objects.batch();
        batch.add_folder(&folder)?;
        batch.publish()?;
        Ok(VersionId(folder.digest()))
    }

    /// Makes a stage of a version. Costs nothing but the version's folders, where they are not in memory.
    ///
    /// # Errors
    /// [`WorkspaceError::StageName`], [`WorkspaceError::Object`].
    pub fn stage(
        &self,
        version: VersionId,
        name: &str,
        limits: StageLimits,
    ) -> Result<Arc<WorkspaceStage>, WorkspaceError> {
        if !is_component(name) || name.len() > 200 {
            return Err(WorkspaceError::StageName { name: name.chars().take(80).collect() });
        }
        // Two stages of one attempt may exist for a moment, while the older one is let go.
        let folder = format!("{name}~{}", self.next_stage.fetch_add(1, Ordering::Relaxed));
        let room = Room::new(Arc::clone(&self.objects), Arc::clone(&self.stages), folder, limits);
        Ok(Arc::new(WorkspaceStage::new(self.load(version)?, room)))
    }

    /// The ground of a stage with this name: a folder for commands, made at the first need.
    pub fn ground(&self, name: &str) -> Ground {
        let name = format!("{name}~{}", self.next_stage.fetch_add(1, Ordering::Relaxed));
        let (objects, grounds) = (Arc::clone(&self.objects), Arc::clone(&self.grounds));
        Ground::new(objects, grounds, name, self.rules.clone(), self.caches.clone())
    }

    /// Makes what a stage changed part of the workspace, on top of `head`: the version that the stage began with, or one
    /// that others made of it meanwhile. The new version is durable on return. The stage may be worked in further; it
    /// shows its own changes and none of the others'.
    ///
    /// # Errors
    /// [`CommitError::Conflict`] where the same path was changed differently.
    pub fn commit(&self, stage: &WorkspaceStage, head: VersionId) -> Result<Committed, CommitError> {
        let head = self.load(head)?;
        let merged = stage.seal(self.objects.batch(), |batch, base, ours| {
            let merged = if base.digest() == head.digest() {
                Arc::clone(ours)
            } else {
                merge(base, ours, &head).map_err(|paths| CommitError::Conflict { paths })?
            };
            // Those of the head are in the store already, so this goes only as deep as something is new.
            add_folders(&batch, &merged, Some(&head))?;
            batch.publish()?;
            Ok::<_, CommitError>((merged, Arc::clone(ours)))
        });
        let (merged, ours) = merged?;
        self.keep(&ours);
        self.keep(&merged);
        Ok(Committed {
            base: VersionId(head.digest()),
            version: VersionId(merged.digest()),
            changes: changes(&head, &merged),
        })
    }

    /// Makes what a stage shows a version of its own, on top of nobody's: from now on it is what the stage began with.
    ///
    /// # Errors
    /// [`ObjectError`].
    pub fn seal(&self, stage: &WorkspaceStage) -> Result<VersionId, ObjectError> {
        let ours = stage.seal(self.objects.batch(), |batch, base, ours| {
            add_folders(&batch, ours, Some(base))?;
            batch.publish()?;
            Ok::<_, ObjectError>(Arc::clone(ours))
        })?;
        self.keep(&ours);
        Ok(VersionId(ours.digest()))
    }

    /// What differs between two versions.
    ///
    /// # Errors
    /// [`ObjectError`] where one of them cannot be read.
    pub fn diff(&self, from: VersionId, to: VersionId) -> Result<Vec<Change>, ObjectError> {
        Ok(changes(&*self.load(from)?, &*self.load(to)?))
    }

    /// The content of a file of a version.
    ///
    /// # Errors
    /// [`WorkspaceError::NoFile`], [`WorkspaceError::Object`].
    pub fn read_file(&self, version: VersionId, path: &StagePath) -> Result<Vec<u8>, WorkspaceError> {
        match self.load(version)?.get(path) {
            Some(Entry::File(file)) => Ok(self.objects.read(file.digest)?),
            _ => Err(WorkspaceError::NoFile { path: path.clone(), version }),
        }
    }

    /// The root folder of a version.
    ///
    /// # Errors
    /// [`ObjectError`].
    pub fn load(&self, version: VersionId) -> Result<Arc<Folder>, ObjectError> {
        let folder = self.folder(version.0, 0)?;
        self.keep(&folder);
        Ok(folder)
    }

    fn folder(&self, digest: Digest, depth: usize) -> Result<Arc<Folder>, ObjectError> {
        if let Some(folder) = self.cache().folders.get(&digest).and_then(Weak::upgrade) {
            return Ok(folder);
        }
        let damaged = |reason| ObjectError::Damaged { digest, reason };
        if depth > MAX_DEPTH {
            return Err(damaged("its folders lie too deep"));
        }
        let bytes = self.objects.read(digest)?;
        let mut entries = Entries::new();
        for (name, stored) in folder_object::decode(&bytes).map_err(damaged)? {
            let entry = match stored {
                Stored::Folder(inner) => Entry::Folder(self.folder(inner, depth + 1)?),
                Stored::Leaf(leaf) => leaf,
            };
            entries.insert(name, entry);
        }
        let folder = Folder::known(entries, digest);
        self.cache().folders.insert(digest, Arc::downgrade(&folder));
        Ok(folder)
    }

    /// Keeps a version in memory for a while.
    fn keep(&self, folder: &Arc<Folder>) {
        let mut cache = self.cache();
        if cache.recent.front().is_some_and(|first| Arc::ptr_eq(first, folder)) {
            return;
        }
        cache.recent.retain(|known| known.digest() != folder.digest());
        cache.recent.push_front(Arc::clone(folder));
        cache.recent.truncate(RECENT);
        cache.folders.insert(folder.digest(), Arc::downgrade(folder));
        if cache.folders.len() > cache.crowd {
            cache.folders.retain(|_, folder| folder.strong_count() > 0);
            cache.crowd = (cache.folders.len() * 2).max(CROWD);
        }
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds the folders of `new` that `known` does not have in the same place.
fn add_folders(batch: &crate::batch::Batch<'_>, new: &Folder, known: Option<&Folder>) -> Result<(), ObjectError> {
    if known.is_some_and(|known| known.digest() == new.digest()) {
        return Ok(());
    }
    batch.add_folder(new)?;
    for (name, entry) in new.entries() {
        if let Entry::Folder(inner) = entry {
            let known = match known.and_then(|known| known.entries().get(name)) {
                Some(Entry::Folder(folder)) => Some(&**folder),
                _ => None,
            };
            add_folders(batch, inner, known)?;
        }
    }
    Ok(())
}
