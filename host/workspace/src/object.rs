//! The store of content: one file for each content, named by its digest, written once and never again.
//!
//! ```text
//! state/objects/ab/cdef…   whole content, always: a name appears only after its bytes are on the disk
//! state/tmp/N              content on its way
//! ```
//!
//! New content goes through a [`Batch`]: everything is written under temporary names, made durable together, then renamed.
//! So a name in the store never stands for half a file, not even after a power cut, and content that is there already is
//! not written again.

use crate::disk::{clone_extents, copy_hashing, emptied, private_file, subfolder, sync_dir, sync_file_system};
use crate::folder_object;
use crate::index::Stamp;
use crate::tree::Folder;
use cap_std::fs::{Dir, File};
use longhaul_core::digest::Digest;
use std::collections::{BTreeSet, HashMap};
use std::io::{self, Read, Seek, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Up to this many files are made durable one by one; for more, asking for the whole file system is cheaper.
const FEW: usize = 64;
/// Files up to this size are read at once, so that known content costs no write at all.
const SMALL: u64 = 1 << 20;

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
    fn io(action: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| ObjectError::Io { action, source }
    }
}

/// The store. It may be used from several threads.
#[derive(Debug)]
pub struct Objects {
    dir: Dir,
    tmp: Dir,
    next: AtomicU64,
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
        Ok(Self { dir, tmp, next: AtomicU64::new(0), reflinks: AtomicBool::new(true) })
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
        let mut bytes = Vec::new();
        self.open_object(digest)?.read_to_end(&mut bytes).map_err(ObjectError::io("read content"))?;
        if Digest::of(&bytes) != digest {
            return Err(ObjectError::Damaged { digest, reason: "its bytes have another digest" });
        }
        Ok(bytes)
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
        Batch { objects: self, pending: Mutex::new(HashMap::new()) }
    }

    fn temporary(&self) -> Result<(String, File), ObjectError> {
        let name = self.next.fetch_add(1, Ordering::Relaxed).to_string();
        let file = self.tmp.open_with(&name, &private_file()).map_err(ObjectError::io("make a temporary file"))?;
        Ok((name, file))
    }
}

/// Where the bytes of pending content are.
#[derive(Debug)]
enum Pending {
    /// In `tmp`, under this name.
    Temporary(String),
    /// In a folder that somebody else will remove.
    Elsewhere(Arc<Dir>, String),
}

/// Content that becomes part of the store all at once, in [`Batch::publish`]; dropped before, nothing of it stays.
#[derive(Debug)]
pub struct Batch<'a> {
    objects: &'a Objects,
    pending: Mutex<HashMap<Digest, Pending>>,
}

impl Batch<'_> {
    /// Adds these bytes.
    ///
    /// # Errors
    /// [`ObjectError::Io`].
    pub fn add_bytes(&self, bytes: &[u8]) -> Result<Digest, ObjectError> {
        let digest = Digest::of(bytes);
        if !self.has(digest)? {
            let (name, mut file) = self.objects.temporary()?;
            let written = file.write_all(bytes).map_err(ObjectError::io("write content"));
            self.keep(digest, Pending::Temporary(name));
            written?;
        }
        Ok(digest)
    }

    /// Adds what `source` holds; gives the digest and the number of bytes of what was copied, whatever happens to the
    /// file meanwhile. A file that grows is cut at the size it had, so that one which never stops growing can be read.
    ///
    /// # Errors
    /// [`ObjectError::Io`].
    pub fn add_file(&self, source: &mut File) -> Result<(Digest, u64), ObjectError> {
        let size = source.metadata().map_err(ObjectError::io("read a file"))?.len();
        if size <= SMALL {
            let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0) + 1);
            source.take(size).read_to_end(&mut bytes).map_err(ObjectError::io("read a file"))?;
            return Ok((self.add_bytes(&bytes)?, bytes.len() as u64));
        }
        let (name, mut file) = self.objects.temporary()?;
        let copied = if self.objects.reflink(source, &file) {
            file.rewind().and_then(|()| copy_hashing(&mut file, &mut io::sink()))
        } else {
            copy_hashing(&mut source.take(size), &mut file)
        };
        match copied {
            Ok((digest, size)) => {
                if self.has(digest)? {
                    let _ = self.objects.tmp.remove_file(&name);
                } else {
                    self.keep(digest, Pending::Temporary(name));
                }
                Ok((digest, size))
            }
            Err(source) => {
                let _ = self.objects.tmp.remove_file(&name);
                Err(ObjectError::Io { action: "copy a file", source })
            }
        }
    }

    /// Adds the file `name` of `dir`, by moving it at publication; nobody may write to it any more.
    ///
    /// # Errors
    /// [`ObjectError::Io`].
    pub fn adopt(&self, dir: &Arc<Dir>, name: &str) -> Result<(Digest, u64), ObjectError> {
        let mut file = dir.open(name).map_err(ObjectError::io("open a file of a stage"))?;
        let (digest, size) =
            copy_hashing(&mut file, &mut io::sink()).map_err(ObjectError::io("read a file of a stage"))?;
        if !self.has(digest)? {
            self.keep(digest, Pending::Elsewhere(Arc::clone(dir), name.to_owned()));
        }
        Ok((digest, size))
    }

    /// Adds a folder of a version; what lies in it has to be added as well.
    ///
    /// # Errors
    /// [`ObjectError::Io`].
    pub fn add_folder(&self, folder: &Folder) -> Result<(), ObjectError> {
        if !self.has(folder.digest())? {
            self.add_bytes(&folder_object::encode(folder.entries()))?;
        }
        Ok(())
    }

    /// Makes everything durable and part of the store.
    ///
    /// # Errors
    /// [`ObjectError::Io`]; some of the content may be part of the store then, all of it whole.
    pub fn publish(self) -> Result<(), ObjectError> {
        let mut pending = std::mem::take(&mut *self.lock());
        let outcome = self.publish_all(&mut pending);
        // What is left after an error is taken away when the batch is dropped.
        *self.lock() = pending;
        outcome
    }

    fn publish_all(&self, pending: &mut HashMap<Digest, Pending>) -> Result<(), ObjectError> {
        if pending.is_empty() {
            return Ok(());
        }
        let few = pending.len() <= FEW;
        let durable = ObjectError::io("make content durable");
        if few {
            for place in pending.values() {
                let (dir, name) = self.place(place);
                dir.open(name).and_then(|file| file.sync_data()).map_err(&durable)?;
            }
        } else {
            sync_file_system(&self.objects.dir).map_err(&durable)?;
        }
        let mut folders = BTreeSet::new();
        let digests: Vec<Digest> = pending.keys().copied().collect();
        for digest in digests {
            let name = name_of(digest);
            folders.insert(name[..2].to_owned());
            if let Some(place) = pending.get(&digest) {
                let (dir, temporary) = self.place(place);
                self.rename(dir, temporary, &name).map_err(ObjectError::io("name content"))?;
            }
            pending.remove(&digest);
        }
        if few {
            for folder in &folders {
                self.objects.dir.open_dir(folder).and_then(|dir| sync_dir(&dir)).map_err(&durable)?;
            }
            sync_dir(&self.objects.dir).map_err(&durable)
        } else {
            sync_file_system(&self.objects.dir).map_err(&durable)
        }
    }

    fn rename(&self, dir: &Dir, from: &str, to: &str) -> io::Result<()> {
        match dir.rename(from, &self.objects.dir, to) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                match self.objects.dir.create_dir(&to[..2]) {
                    Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                    _ => {}
                }
                dir.rename(from, &self.objects.dir, to)
            }
            outcome => outcome,
        }
    }

    fn place<'p>(&'p self, pending: &'p Pending) -> (&'p Dir, &'p str) {
        match pending {
            Pending::Temporary(name) => (&self.objects.tmp, name),
            Pending::Elsewhere(dir, name) => (dir, name),
        }
    }

    fn has(&self, digest: Digest) -> Result<bool, ObjectError> {
        Ok(self.lock().contains_key(&digest) || self.objects.contains(digest)?)
    }

    fn keep(&self, digest: Digest, place: Pending) {
        let replaced = self.lock().insert(digest, place);
        if let Some(Pending::Temporary(name)) = replaced {
            let _ = self.objects.tmp.remove_file(name);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Digest, Pending>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        for place in std::mem::take(&mut *self.lock()).into_values() {
            if let Pending::Temporary(name) = place {
                let _ = self.objects.tmp.remove_file(name);
            }
        }
    }
}

/// Where the object of a digest is, relative to `objects`.
fn name_of(digest: Digest) -> String {
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
