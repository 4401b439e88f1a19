//! Brings the folder to what the stage is, as far as the grant lets it be read.

use super::clear::clear;
use super::{Ground, GroundError, Laid, LaidFile, parent};
use crate::index::Stamp;
use crate::stage::{Seen, SeenFile, WorkspaceStage};
use cap_fs_ext::DirExt;
use cap_std::fs::{File, OpenOptions};
use longhaul_core::digest::{Digest, Hasher};
use longhaul_core::grant::{FsAccess, Grant};
use longhaul_core::path::StagePath;
use longhaul_core::stage::FsError;
use std::collections::BTreeMap;
use std::io::{self, Write};

impl Ground {
    /// Lays out `stage` as it is now, as far as `grant` shows it. What commands made that is not versioned stays.
    ///
    /// # Errors
    /// [`GroundError`]; the next call begins from what is there.
    pub fn lay(&mut self, stage: &WorkspaceStage, grant: &Grant) -> Result<(), GroundError> {
        self.places()?;
        if self.is_in_use {
            // The last command was dropped, and what it did is known to nobody.
            self.abandon();
        }
        let wanted = wanted(stage, grant);
        let gone: Vec<StagePath> = self
            .laid
            .iter()
            .rev()
            .filter(|(path, laid)| !fits(laid, wanted.get(*path)))
            .map(|(path, _)| path.clone())
            .collect();
        for path in gone {
            self.discard(&path)?;
        }
        for (path, seen) in wanted {
            if !self.laid.contains_key(&path) {
                self.put(stage, &path, seen)?;
            }
        }
        for cache in self.caches.clone() {
            self.place_of(&cache).map_err(GroundError::io("make the place of a cache"))?;
        }
        self.began = Some(self.objects.now()?);
        self.is_in_use = true;
        Ok(())
    }

    /// Takes away what is at `path`, and forgets that it was laid.
    pub(super) fn discard(&mut self, path: &StagePath) -> Result<(), GroundError> {
        self.laid.remove(path);
        let files = &self.places()?.files;
        let failed = GroundError::io("remove a file");
        let (dir, name) = match parent(files, path) {
            Ok(found) => found,
            // What leads to it is not there any more.
            Err(error) if is_not_there(&error) => return Ok(()),
            Err(error) => return Err(failed(error)),
        };
        match dir.symlink_metadata(name) {
            Ok(metadata) if metadata.is_dir() => {
                let within = dir.open_dir_nofollow(name).or_else(|_| {
                    dir.set_permissions(name, open_to_owner())?;
                    dir.open_dir_nofollow(name)
                });
                clear(&within.map_err(failed)?).and_then(|()| dir.remove_dir(name)).map_err(failed)?;
                self.laid.retain(|laid, _| !laid.is_within(path));
                Ok(())
            }
            Ok(_) => dir.remove_file(name).map_err(failed),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(failed(error)),
        }
    }

    fn put(&mut self, stage: &WorkspaceStage, path: &StagePath, seen: Seen) -> Result<(), GroundError> {
        // What commands made in its place, and is not versioned.
        let is_there = {
            let files = &self.places()?.files;
            let (dir, name) = parent(files, path).map_err(GroundError::io("open a folder"))?;
            match (dir.symlink_metadata(name), &seen) {
                (Ok(metadata), Seen::Folder) if metadata.is_dir() => {
                    self.laid.insert(path.clone(), Laid::Folder);
                    return Ok(());
                }
                (Ok(_), _) => true,
                (Err(_), _) => false,
            }
        };
        if is_there {
            self.discard(path)?;
        }
        let objects = self.objects.clone();
        let (dir, name) = parent(&self.places()?.files, path).map_err(GroundError::io("open a folder"))?;
        let laid = match seen {
            Seen::Folder => {
                dir.create_dir(name).map_err(GroundError::io("make a folder"))?;
                Laid::Folder
            }
            Seen::Link(target) => {
                dir.symlink_contents(&target, name).map_err(GroundError::io("make a link"))?;
                Laid::Link(target)
            }
            Seen::File(SeenFile { identity, changed, executable, digest }) => {
                let mut file = dir.open_with(name, &new_file(executable)).map_err(GroundError::io("make a file"))?;
                let digest = match digest {
                    Some(digest) => {
                        if !objects.reflink(&objects.open_object(digest)?, &file) {
                            objects.copy_to(digest, &mut file)?;
                        }
                        digest
                    }
                    None => written(stage, path, &mut file)?,
                };
                let metadata = file.metadata().map_err(GroundError::io("look at a file"))?;
                Laid::File(LaidFile { identity, changed, executable, digest, stamp: Stamp::of(&metadata) })
            }
        };
        self.laid.insert(path.clone(), laid);
        Ok(())
    }

    /// Makes the place in the ground where a cache is shown; gives it up where something else is there that is versioned.
    fn place_of(&mut self, cache: &StagePath) -> io::Result<()> {
        let Some(places) = &self.places else { return Ok(()) };
        let mut dir = places.files.try_clone()?;
        for name in cache.components() {
            if dir.symlink_metadata(name).is_ok_and(|metadata| !metadata.is_dir()) {
                dir.remove_file(name)?;
            }
            dir = crate::disk::subfolder(&dir, name)?;
        }
        Ok(())
    }
}

/// What the stage has of what the grant shows.
fn wanted(stage: &WorkspaceStage, grant: &Grant) -> BTreeMap<StagePath, Seen> {
    let mut wanted = BTreeMap::new();
    stage.walk(&mut |path, seen| {
        let shown = match &seen {
            // On the way to what may only be written, too: a command finds the folder that it is to write to.
            Seen::Folder => grant.check_folder(path).is_ok() || grant.check_way(path).is_ok(),
            _ => grant.check_fs(path, FsAccess::Read).is_ok(),
        };
        if shown {
            wanted.insert(path.clone(), seen);
        }
        shown
    });
    wanted
}

/// Whether what was laid is what is wanted.
fn fits(laid: &Laid, wanted: Option<&Seen>) -> bool {
    match (laid, wanted) {
        (Laid::Folder, Some(Seen::Folder)) => true,
        (Laid::Link(target), Some(Seen::Link(wanted))) => target == wanted,
        (Laid::File(laid), Some(Seen::File(wanted))) => {
            (laid.identity, laid.changed, laid.executable) == (wanted.identity, wanted.changed, wanted.executable)
        }
        _ => false,
    }
}

fn written(stage: &WorkspaceStage, path: &StagePath, file: &mut File) -> Result<Digest, GroundError> {
    let mut hasher = Hasher::default();
    let copied = stage.read_whole(path, &mut |bytes| {
        hasher.update(bytes);
        file.write_all(bytes).map_err(|error| FsError::Io(error.to_string()))
    });
    copied.map_err(GroundError::Stage)?;
    Ok(hasher.finish())
}

fn is_not_there(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
        || error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}

fn new_file(executable: bool) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    cap_std::fs::OpenOptionsExt::mode(&mut options, if executable { 0o755 } else { 0o644 });
    options
}

#[cfg(unix)]
fn open_to_owner() -> cap_std::fs::Permissions {
    let permissions: std::fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    cap_std::fs::Permissions::from_std(permissions)
}
