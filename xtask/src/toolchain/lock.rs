//! The cache folder of xtask, and the lock that lets one call at a time prepare things.

use std::env;
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;

/// Why the lock could not be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LockError {
    #[error("neither XDG_CACHE_HOME nor HOME is set, so there is no place for downloaded files; set one of them")]
    NoHome,
    #[error("the cache folder's lock {path} could not be taken; make the folder writable or set XDG_CACHE_HOME")]
    Take { path: PathBuf, source: io::Error },
}

/// The folder in which prepared things outlive a clone of the repository.
pub(crate) fn cache_folder() -> Option<PathBuf> {
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let caches = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")))?;
    Some(caches.join("longhaul-xtask"))
}

/// Waits until no other call of xtask prepares anything; the lock ends with the returned file.
pub(crate) fn exclusive() -> Result<File, LockError> {
    let folder = cache_folder().ok_or(LockError::NoHome)?;
    let path = folder.join("lock");
    let take = || {
        fs::create_dir_all(&folder)?;
        let file = File::create(&path)?;
        file.lock()?;
        Ok(file)
    };
    take().map_err(|source| LockError::Take { path: path.clone(), source })
}
