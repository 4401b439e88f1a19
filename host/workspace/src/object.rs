//! The store of content: one file for each content, named by its digest, written once and never again.
//!
//! ```text
//! state/objects/ab/cdef…   whole content, always: a name appears only after its bytes are on the disk
//! state/tmp/N              content on its way
//! ```
//!
//! This file is what can be had from the store; new content goes through a [`Batch`].

use crate::batch::Batch;
use crate::disk::{clone_extents, copy_hashing, emptied, private_file, subfolder};
use crate::index::Stamp;
use cap_std::fs::{Dir, File};
use longhaul_core::digest::Digest;
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Why an object could not be had or kept.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// It is not in the store.
    #[error(
        "the content {digest} is missing from the state folder; restore the folder `objects` from a backup, or import anew"
    )]
    Missing {
        /// Its digest.
        digest: Digest,
    },
    /// It is not what its name says.
    #[error(
        "the content {digest} is damaged ({reason}); check the disk, then restore the folder `objects` from a backup, or import anew"
    )]
    Damaged {
        /// Its digest.
        digest: Digest,
        /// How.
        reason: &'static str,
    },
    /// The disk said no.
    #[error("cannot {action} in the state folder; check its permissions and the space on its disk")]
    Io {
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl ObjectError {
    pub(crate) fn io(action: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| ObjectError::Io { action, source }
    }
}

/// The store. It may be used from several threads.
#[derive(Debug)]
pub struct Objects {
    dir: Dir,
    /// Where content is on its way.
    pub(crate) tmp: Dir,
    next: AtomicU64,
    /// What the content takes, as far as that is known: see [`Objects::used`].
    used: AtomicU64,
    /// Trees that somebody needs who is in no record yet.
    pins: Arc<Pins>,
    /// Held for reading while content is added that is in no version, for writing while content is collected.
    gate: RwLock<()>,
    /// Cleared when the disk turns out not to share extents between files.
    reflinks: AtomicBool,
}

impl Objects {
    /// Opens the store within the state folder, and clears away what an interrupted host left on its way.
    ///
    /// # Errors
    /// [`ObjectError::Io`].
    pub fn open(state: &Dir) -> Result<Self, ObjectError> {
        let dir = subfolder(state, "objects").map_err(ObjectError::io("open the folder `objects`"))?;
        let tmp = emptied(state, "tmp").map_err(ObjectError::io("empty the folder `tmp`"))?;
        Ok(Self {
            dir,
            tmp,
            next: AtomicU64::new(0),
            used: AtomicU64::new(0),
            pins: Arc::default(),
            gate: RwLock::new(()),
            reflinks: AtomicBool::new(true),
        })
    }

    /// The bytes that the content takes, without looking: those that the last collection left, and those that were added since.
    /// What was there before the store was opened is not known until something was collected.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Content of this many bytes was added.
    pub(crate) fn grew(&self, bytes: u64) {
        self.used.fetch_add(bytes, Ordering::Relaxed);
    }

    /// This is what the content takes.
    pub(crate) fn measured(&self, bytes: u64) {
        self.used.store(bytes, Ordering::Relaxed);
    }

    /// Keeps what `tree` names from being collected as long as the pin lives.
    pub(crate) fn pin(&self, tree: Digest) -> Pin {
        *self.pins.lock().entry(tree).or_default() += 1;
        Pin { pins: Arc::clone(&self.pins), tree }
    }

    /// The trees that are pinned.
    pub(crate) fn pinned(&self) -> Vec<Digest> {
        self.pins.lock().keys().copied().collect()
    }

    /// To be held from the first content of a tree that is added until the tree is pinned.
    pub(crate) fn adding(&self) -> RwLockReadGuard<'_, ()> {
        self.gate.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// To be held while content is collected.
    pub(crate) fn collecting(&self) -> RwLockWriteGuard<'_, ()> {
        self.gate.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The folder `objects` itself.
    pub(crate) fn dir(&self) -> &Dir {
        &self.dir
    }

    /// Whether the store has this content.
    ///
    /// # Errors
    /// [`ObjectError::Io`].
    pub fn contains(&self, digest: Digest) -> Result<bool, ObjectError> {
        match self.dir.symlink_metadata(name_of(digest)) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(ObjectError::io("look for content")(error)),
        }
    }

    /// Opens content for reading.
    ///
    /// # Errors
    /// [`ObjectError::Missing`], [`ObjectError::Io`].
    pub fn open_object(&self, digest: Digest) -> Result<File, ObjectError> {
        self.dir.open(name_of(digest)).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => ObjectError::Missing { digest },
            _ => ObjectError::Io { action: "open content", source },
        })
    }

    /// Reads content whole, and checks it.
    ///
    /// # Errors
    /// [`ObjectError::Missing`], [`ObjectError::Damaged`], [`ObjectError::Io`].
    pub fn read(&self, digest: Digest) -> Result<Vec<u8>, ObjectError> {
        whole(self.open_object(digest)?, digest)
    }

    /// Reads content of the store in the state folder `state`, for those who only look: a host may be at work there.
    ///
    /// # Errors
    /// As [`Objects::read`].
    pub fn look(state: &Dir, digest: Digest) -> Result<Vec<u8>, ObjectError> {
        let file = state.open_dir("objects").and_then(|dir| dir.open(name_of(digest)));
        match file {
            Ok(file) => whole(file, digest),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(ObjectError::Missing { digest }),
            Err(source) => Err(ObjectError::Io { action: "open content", source }),
        }
    }

    /// Copies content into `target`, and checks it on the way.
    ///
    /// # Errors
    /// [`ObjectError::Missing`], [`ObjectError::Damaged`], [`ObjectError::Io`].
    pub fn copy_to(&self, digest: Digest, target: &mut File) -> Result<(), ObjectError> {
        let mut source = self.open_object(digest)?;
        let (found, _) = copy_hashing(&mut source, target).map_err(ObjectError::io("copy content"))?;
        if found != digest {
            return Err(ObjectError::Damaged { digest, reason: "its bytes have another digest" });
        }
        Ok(())
    }

    /// Makes `target` share the content of `source` where the disk can do that; tells whether it did.
    pub(crate) fn reflink(&self, source: &File, target: &File) -> bool {
        if !self.reflinks.load(Ordering::Relaxed) {
            return false;
        }
        match clone_extents(source, target) {
            Ok(()) => true,
            Err(_) => {
                self.reflinks.store(false, Ordering::Relaxed);
                false
            }
        }
    }

    /// What a file looks like that is made now: the time, as the disk tells it.
    pub(crate) fn now(&self) -> Result<Stamp, ObjectError> {
        let (name, file) = self.temporary()?;
        let stamp = file.metadata().map(|metadata| Stamp::of(&metadata)).map_err(ObjectError::io("look at a file"));
        let _ = self.tmp.remove_file(name);
        stamp
    }

    /// Begins to add content.
    pub fn batch(&self) -> Batch<'_> {
        Batch::new(self)
    }

    /// A new file in `tmp`.
    pub(crate) fn temporary(&self) -> Result<(String, File), ObjectError> {
        let name = self.next.fetch_add(1, Ordering::Relaxed).to_string();
        let file = self.tmp.open_with(&name, &private_file()).map_err(ObjectError::io("make a temporary file"))?;
        Ok((name, file))
    }
}

fn whole(mut file: File, digest: Digest) -> Result<Vec<u8>, ObjectError> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(ObjectError::io("read content"))?;
    if Digest::of(&bytes) != digest {
        return Err(ObjectError::Damaged { digest, reason: "its bytes have another digest" });
    }
    Ok(bytes)
}

/// How often each tree is pinned.
#[derive(Debug, Default)]
struct Pins(Mutex<BTreeMap<Digest, u32>>);

impl Pins {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Digest, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A tree is kept as long as this lives.
#[derive(Debug)]
pub(crate) struct Pin {
    pins: Arc<Pins>,
    tree: Digest,
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut pins = self.pins.lock();
        if let Some(count) = pins.get_mut(&self.tree) {
            *count -= 1;
            if *count == 0 {
                pins.remove(&self.tree);
            }
        }
    }
}

/// Where the object of a digest is, relative to `objects`.
pub(crate) fn name_of(digest: Digest) -> String {
    let mut name = digest.to_string();
    name.insert(2, '/');
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use cap_std::ambient_authority;

    fn store() -> (tempfile::TempDir, Dir, Objects) {
        let folder = tempfile::tempdir().unwrap();
        let state = Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
        let objects = Objects::open(&state).unwrap();
        (folder, state, objects)
    }

    fn files_in(dir: &Dir) -> usize {
        dir.entries().unwrap().count()
    }

    #[test]
    fn content_is_there_only_after_publication_and_comes_back_whole() {
        let (_folder, state, objects) = store();
        let batch = objects.batch();
        let digest = batch.add_bytes(b"hello").unwrap();
        assert!(!objects.contains(digest).unwrap());
        batch.publish().unwrap();
        assert_eq!(objects.read(digest).unwrap(), b"hello");
        assert_eq!(files_in(&state.open_dir("tmp").unwrap()), 0);
    }

    #[test]
    fn a_dropped_batch_leaves_nothing() {
        let (_folder, state, objects) = store();
        let digest = objects.batch().add_bytes(b"hello").unwrap();
        assert!(!objects.contains(digest).unwrap());
        assert_eq!(files_in(&state.open_dir("tmp").unwrap()), 0);
    }

    #[test]
    fn damage_is_noticed() {
        let (_folder, state, objects) = store();
        let batch = objects.batch();
        let digest = batch.add_bytes(b"hello").unwrap();
        batch.publish().unwrap();
        state.open_dir("objects").unwrap().write(name_of(digest), "hullo").unwrap();
        assert!(matches!(objects.read(digest), Err(ObjectError::Damaged { .. })));
        assert!(matches!(objects.read(Digest::of(b"other")), Err(ObjectError::Missing { .. })));
    }

    #[test]
    fn many_and_large_contents_are_kept_once_each() {
        let (folder, _state, objects) = store();
        let batch = objects.batch();
        for n in 0..200_u32 {
            batch.add_bytes(&(n % 100).to_be_bytes()).unwrap();
        }
        let large = vec![7; 3 << 20];
        let outside = Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
        outside.write("large", &large).unwrap();
        let (digest, size) = batch.add_file(&mut outside.open("large").unwrap()).unwrap();
        batch.publish().unwrap();
        assert_eq!(size, 3 << 20);
        assert_eq!(objects.read(digest).unwrap(), large);
        let count: usize = objects.dir.entries().unwrap().map(|e| files_in(&e.unwrap().open_dir().unwrap())).sum();
        assert_eq!(count, 101);
    }
}
