//! New content on its way into the store.
//!
//! Everything is written under temporary names, made durable together, then renamed. So a name in the store never stands for
//! half a file, not even after a power cut, and content that is there already is not written again.

use crate::disk::{FEW, copy_hashing, sync_dir, sync_file_system};
use crate::folder_object;
use crate::object::{ObjectError, Objects, name_of};
use crate::tree::Folder;
use cap_std::fs::{Dir, File};
use longhaul_core::digest::Digest;
use std::collections::{BTreeSet, HashMap};
use std::io::{self, Read, Seek, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Files up to this size are read at once, so that known content costs no write at all.
const SMALL: u64 = 1 << 20;

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
    /// The bytes of what is pending.
    bytes: AtomicU64,
}

impl<'a> Batch<'a> {
    /// One with nothing in it.
    pub(crate) fn new(objects: &'a Objects) -> Self {
        Self { objects, pending: Mutex::new(HashMap::new()), bytes: AtomicU64::new(0) }
    }
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
            self.keep(digest, Pending::Temporary(name), bytes.len() as u64);
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
                    self.keep(digest, Pending::Temporary(name), size);
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
            self.keep(digest, Pending::Elsewhere(Arc::clone(dir), name.to_owned()), size);
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
        if outcome.is_ok() {
            self.objects.grew(self.bytes.load(Ordering::Relaxed));
        }
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
            sync_file_system(self.objects.dir()).map_err(&durable)?;
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
                self.objects.dir().open_dir(folder).and_then(|dir| sync_dir(&dir)).map_err(&durable)?;
            }
            sync_dir(self.objects.dir()).map_err(&durable)
        } else {
            sync_file_system(self.objects.dir()).map_err(&durable)
        }
    }

    fn rename(&self, dir: &Dir, from: &str, to: &str) -> io::Result<()> {
        match dir.rename(from, self.objects.dir(), to) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                match self.objects.dir().create_dir(&to[..2]) {
                    Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                    _ => {}
                }
                dir.rename(from, self.objects.dir(), to)
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

    fn keep(&self, digest: Digest, place: Pending, bytes: u64) {
        let replaced = self.lock().insert(digest, place);
        if replaced.is_none() {
            self.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
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
