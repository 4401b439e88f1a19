//! Compiled components, kept on disk under the digest of the component and of the compiler's settings.
//!
//! Loading machine code is as trusting as running a program, so the folder must belong to the host's user alone; a folder
//! or a file that others could have written is not used. A file is complete or absent: it is written under another name
//! and renamed. What a killed host left half-written is removed when the cache is opened.

use crate::error::PluginError;
use longhaul_core::digest::Digest;
use std::fs::{File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use wasmtime::Engine;
use wasmtime::component::Component;

/// What the name of a file that is being written ends with.
const TEMPORARY: &str = "tmp";
/// No compilation takes as long: what is half-written for this long nobody is writing.
const STALE: Duration = Duration::from_secs(60 * 60);

/// The cache of one engine.
#[derive(Debug, Clone)]
pub(crate) struct ComponentCache {
    folder: PathBuf,
    engine_key: String,
}

/// What the cache has of a component.
pub(crate) enum Cached {
    /// The component.
    Ready(Component),
    /// A file that cannot be loaded, and why.
    Unusable(String),
    /// Nothing.
    Absent,
}

/// A file of the cache that is being written.
pub(crate) struct Pending {
    temporary: PathBuf,
    target: PathBuf,
}

impl ComponentCache {
    /// Opens the cache in `folder`, which is made where it is missing.
    pub(crate) fn open(folder: &Path, engine: &Engine) -> Result<Self, PluginError> {
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|e| cache_error(folder, &e.to_string()))?;
        let cache = Self { folder: folder.to_owned(), engine_key: engine_key(engine) };
        cache.check_owner(folder)?;
        cache.remove_stale();
        Ok(cache)
    }

    /// Looks for the component.
    pub(crate) fn load(&self, engine: &Engine, digest: &Digest) -> Result<Cached, PluginError> {
        let path = self.path(digest);
        match std::fs::symlink_metadata(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Cached::Absent),
            Err(e) => return Err(cache_error(&path, &e.to_string())),
            Ok(_) => self.check_owner(&path)?,
        }
        #[expect(unsafe_code, reason = "loading machine code is unsafe by nature")]
        // SAFETY: the file was written by `Engine::precompile_component` of the same settings and version (the name
        // says so, and wasmtime checks its own header), it is renamed into place when complete, and only the host's
        // user can write it or its folder, which was checked just now.
        let loaded = unsafe { Component::deserialize_file(engine, &path) };
        Ok(loaded.map_or_else(|error| Cached::Unusable(format!("{error:#}")), Cached::Ready))
    }

    /// Whether there is a file for `digest`; whether it can be loaded only loading tells.
    pub(crate) fn contains(&self, digest: &Digest) -> bool {
        self.path(digest).is_file()
    }

    /// A new file for the machine code of `digest`; put in place by [`Pending::commit`].
    pub(crate) fn create(&self, digest: &Digest) -> Result<(Pending, File), PluginError> {
        let target = self.path(digest);
        // Two that compile the same component at the same time must not write one file.
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let temporary = target.with_extension(format!("{}-{number}.{TEMPORARY}", std::process::id()));
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary);
        let file = file.map_err(|e| cache_error(&temporary, &e.to_string()))?;
        Ok((Pending { temporary, target }, file))
    }

    /// Removes what a host that was killed left half-written. It only takes room, so what cannot be removed is left.
    fn remove_stale(&self) {
        let files = std::fs::read_dir(&self.folder).into_iter().flatten().flatten();
        for file in files.filter(|file| Path::new(&file.file_name()).extension().is_some_and(|end| end == TEMPORARY)) {
            let changed = file.metadata().and_then(|meta| meta.modified());
            if changed.is_ok_and(|changed| changed.elapsed().is_ok_and(|age| age > STALE)) {
                drop(std::fs::remove_file(file.path()));
            }
        }
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.folder.join(format!("{digest}-{}.cwasm", self.engine_key))
    }

    /// Only the host's user may be able to write it.
    fn check_owner(&self, path: &Path) -> Result<(), PluginError> {
        let meta = std::fs::symlink_metadata(path).map_err(|e| cache_error(path, &e.to_string()))?;
        if meta.uid() != rustix::process::geteuid().as_raw() {
            return Err(cache_error(path, "it belongs to another user; remove it, or name another cache folder"));
        }
        if meta.file_type().is_symlink() || meta.mode() & 0o022 != 0 {
            return Err(cache_error(
                path,
                "others can write it; remove it, or take their permission away with `chmod go-w`",
            ));
        }
        Ok(())
    }
}

impl Pending {
    /// The error of a file that cannot be written.
    pub(crate) fn cannot_write(&self, reason: &str) -> PluginError {
        cache_error(&self.temporary, &format!("{reason}; make room, or name another cache folder"))
    }

    /// Puts the file in place.
    pub(crate) fn commit(self) -> Result<(), PluginError> {
        std::fs::rename(&self.temporary, &self.target).map_err(|e| cache_error(&self.target, &e.to_string()))
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        // After a commit the name is gone already.
        drop(std::fs::remove_file(&self.temporary));
    }
}

fn cache_error(path: &Path, reason: &str) -> PluginError {
    PluginError::Cache { path: path.to_owned(), reason: reason.to_owned() }
}

/// Names the compiler's settings and version, as far as they decide what machine code fits.
fn engine_key(engine: &Engine) -> String {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::compiler_engine;
    use std::time::SystemTime;

    #[test]
    fn what_a_killed_host_left_half_written_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let (old, long_ago) = (now - 2 * STALE, now - 100 * STALE);
        for (name, changed) in [("a.17-0.tmp", old), ("b.17-1.tmp", now), ("c.cwasm", long_ago)] {
            File::create(folder.path().join(name)).unwrap().set_modified(changed).unwrap();
        }
        ComponentCache::open(folder.path(), &compiler_engine().unwrap()).unwrap();
        let is_there = |name: &str| folder.path().join(name).exists();
        assert!(!is_there("a.17-0.tmp"), "nobody writes it any more");
        assert!(is_there("b.17-1.tmp"), "somebody may be writing it");
        assert!(is_there("c.cwasm"));
    }
}
