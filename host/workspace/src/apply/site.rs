//! The user's folder as an apply sees it: path by path, never through a link.

use super::log::{Step, Thing, remove};
use crate::disk::{FEW, copy_hashing, sync_file_system};
use crate::import::open_plain;
use crate::index::Stamp;
use crate::object::Objects;
use crate::tree::FileEntry;
use cap_fs_ext::DirExt;
use cap_std::fs::{Dir, File, Metadata, MetadataExt, OpenOptions, OpenOptionsExt, Permissions, PermissionsExt};
use longhaul_core::digest::Digest;
use longhaul_core::path::StagePath;
use std::io;

/// What is at a path now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Present {
    Nothing,
    Folder {
        mode: u32,
    },
    File {
        digest: Digest,
        executable: bool,
        mode: u32,
    },
    Link(String),
    /// A pipe, a device, a link whose target is not UTF-8.
    Other,
    /// A folder on the way is no folder.
    Blocked {
        at: StagePath,
    },
}

impl Present {
    /// Whether it is what `thing` says. Permissions other than the right to execute are the user's own business.
    pub(super) fn is(&self, thing: Option<&Thing>) -> bool {
        match (self, thing) {
            (Present::Nothing, None) | (Present::Folder { .. }, Some(Thing::Folder)) => true,
            (Present::File { digest, .. }, Some(Thing::File(file))) => *digest == file.digest,
            (Present::Link(found), Some(Thing::Link(target))) => found == target,
            _ => false,
        }
    }

    /// Whether there is nothing to do to make it what `thing` says.
    pub(super) fn is_exactly(&self, thing: Option<&Thing>) -> bool {
        let execution = match (self, thing) {
            (Present::File { executable, .. }, Some(Thing::File(file))) => *executable == file.executable,
            _ => true,
        };
        execution && self.is(thing)
    }

    pub(super) fn mode(&self) -> Option<u32> {
        match self {
            Present::Folder { mode } | Present::File { mode, .. } => Some(*mode),
            _ => None,
        }
    }
}

/// Where the folder of a path leads.
enum Parent {
    Found(Dir),
    Missing,
    Blocked(StagePath),
}

/// The user's folder, and the folder in which new contents wait.
pub(super) struct Site<'a> {
    pub(super) root: &'a Dir,
    pub(super) waiting: &'a Dir,
    pub(super) objects: &'a Objects,
}

impl Site<'_> {
    fn parent(&self, path: &StagePath) -> io::Result<Parent> {
        let mut dir = self.root.try_clone()?;
        let Some((parent, _)) = path.split() else { return Err(io::ErrorKind::InvalidInput.into()) };
        let mut at = StagePath::root();
        for name in parent.components() {
            at = at.join(name).ok_or(io::ErrorKind::InvalidInput)?;
            dir = match dir.open_dir_nofollow(name) {
                Ok(inner) => inner,
                Err(error) => {
                    return match dir.symlink_metadata(name) {
                        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Parent::Missing),
                        Ok(metadata) if !metadata.is_dir() => Ok(Parent::Blocked(at)),
                        _ => Err(error),
                    };
                }
            };
        }
        Ok(Parent::Found(dir))
    }

    /// How the file or link at `path` looks now; nothing where there is none.
    pub(super) fn stamp(&self, path: &StagePath) -> io::Result<Option<Stamp>> {
        let (Some(dir), Some((_, name))) = (self.folder_of(path)?, path.split()) else { return Ok(None) };
        match dir.symlink_metadata(name) {
            Ok(metadata) if !metadata.is_dir() => Ok(Some(Stamp::of(&metadata))),
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What is at `path` now. A file or link comes with how it looked before it was read.
    pub(super) fn look(&self, path: &StagePath) -> io::Result<(Present, Option<Stamp>)> {
        let name = path.split().map_or("", |(_, name)| name);
        let dir = match self.parent(path)? {
            Parent::Found(dir) => dir,
            Parent::Missing => return Ok((Present::Nothing, None)),
            Parent::Blocked(at) => return Ok((Present::Blocked { at }, None)),
        };
        let metadata = match dir.symlink_metadata(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Present::Nothing, None)),
            outcome => outcome?,
        };
        let stamp = (!metadata.is_dir()).then(|| Stamp::of(&metadata));
        let mode = metadata.mode() & 0o7777;
        let present = if metadata.is_dir() {
            Present::Folder { mode }
        } else if metadata.is_symlink() {
            let target = dir.read_link_contents(name)?.into_os_string().into_string();
            target.map_or(Present::Other, Present::Link)
        } else if metadata.is_file() {
            let (digest, _) = copy_hashing(&mut open_plain(&dir, name)?, &mut io::sink())?;
            Present::File { digest, executable: mode & 0o100 != 0, mode }
        } else {
            Present::Other
        };
        Ok((present, stamp))
    }

    /// Copies the content of `file` for `waiting`, under another name for now: whoever finds a name that waits takes its content
    /// for whole.
    pub(super) fn copy(&self, waiting: &str, file: &FileEntry) -> io::Result<()> {
        let part = part(waiting);
        remove(self.waiting, &part)?;
        let mut target = self.waiting.open_with(&part, &new_file(file.executable))?;
        self.objects.copy_to(file.digest, &mut target).map_err(io::Error::other)
    }

    /// Makes copied contents ready: durable but for their names, and then under these.
    pub(super) fn make_ready(&self, waiting: &[String]) -> io::Result<()> {
        match waiting.len() {
            0..=FEW => waiting.iter().try_for_each(|name| self.waiting.open(part(name))?.sync_data())?,
            _ => sync_file_system(self.waiting)?,
        }
        waiting.iter().try_for_each(|name| self.waiting.rename(part(name), self.waiting, name))
    }

    /// Makes a step. Doing it again changes nothing. `waiting` names the content where it is ready; it is made ready here
    /// where it is not.
    pub(super) fn step(&self, step: &Step, waiting: &str) -> io::Result<()> {
        let (dir, name) = match (self.parent(&step.path)?, step.path.split()) {
            (Parent::Found(dir), Some((_, name))) => (dir, name),
            (Parent::Missing | Parent::Blocked(_), _) if step.after.is_none() => return Ok(()),
            (Parent::Missing, _) => return Err(io::ErrorKind::NotFound.into()),
            _ => return Err(io::ErrorKind::NotADirectory.into()),
        };
        match (&step.before, &step.after) {
            (Some(Thing::Folder), None) => match dir.remove_dir(name) {
                // What is not versioned keeps the folder there.
                Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                // It was done before, and a later step has put something else there.
                Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(()),
                outcome => outcome,
            },
            (_, None) => match remove(&dir, name) {
                // The same the other way round.
                Err(error) if error.kind() == io::ErrorKind::IsADirectory => Ok(()),
                outcome => outcome,
            },
            (_, Some(Thing::Folder)) => match dir.create_dir(name) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    dir.symlink_metadata(name).and_then(|found| if found.is_dir() { Ok(()) } else { Err(error) })
                }
                Ok(()) => step.mode.map_or(Ok(()), |mode| dir.set_permissions(name, Permissions::from_mode(mode))),
                outcome => outcome,
            },
            (_, Some(Thing::Link(target))) => {
                if dir.read_link_contents(name).is_ok_and(|found| found.as_os_str() == target.as_str()) {
                    return Ok(());
                }
                let link =
                    |place: &Dir, name: &str| remove(place, name).and_then(|()| place.symlink_contents(target, name));
                link(self.waiting, waiting)?;
                match self.waiting.rename(waiting, &dir, name) {
                    Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                        let beside = beside(waiting);
                        link(&dir, &beside)?;
                        move_within(&dir, &beside, name)
                    }
                    outcome => outcome,
                }
            }
            (_, Some(Thing::File(file))) => self.place(&dir, name, file, step.mode, waiting),
        }
    }

    fn place(&self, dir: &Dir, name: &str, file: &FileEntry, mode: Option<u32>, waiting: &str) -> io::Result<()> {
        let old = match dir.symlink_metadata(name) {
            Ok(metadata) if metadata.is_file() => Some(metadata),
            _ => None,
        };
        let content = match self.waiting.open(waiting) {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // It was put in its place already, or it is put back.
                if let Some(old) = &old
                    && (old.mode() & 0o100 != 0) == file.executable
                    && copy_hashing(&mut open_plain(dir, name)?, &mut io::sink())?.0 == file.digest
                {
                    return Ok(());
                }
                self.copy(waiting, file)?;
                self.make_ready(&[waiting.to_owned()])?;
                self.waiting.open(waiting)?
            }
            Err(error) => return Err(error),
        };
        keep_attributes(&content, file, old.as_ref(), mode)?;
        match self.waiting.rename(waiting, dir, name) {
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                let beside = beside(waiting);
                remove(dir, &beside)?;
                let mut target = dir.open_with(&beside, &new_file(file.executable))?;
                let outcome = self
                    .objects
                    .copy_to(file.digest, &mut target)
                    .map_err(io::Error::other)
                    .and_then(|()| keep_attributes(&target, file, old.as_ref(), mode))
                    .and_then(|()| target.sync_all())
                    .and_then(|()| move_within(dir, &beside, name));
                if outcome.is_err() {
                    let _ = remove(dir, &beside);
                }
                outcome
            }
            outcome => outcome,
        }
    }

    /// The folder of `path`, where there is one.
    pub(super) fn folder_of(&self, path: &StagePath) -> io::Result<Option<Dir>> {
        match self.parent(path)? {
            Parent::Found(dir) => Ok(Some(dir)),
            _ => Ok(None),
        }
    }
}

/// The name of content that may not be whole yet.
fn part(waiting: &str) -> String {
    format!("{waiting}.part")
}

/// The name that content has in the user's folder for a moment, where the state folder is on another disk.
fn beside(waiting: &str) -> String {
    format!(".longhaul-apply-{waiting}")
}

fn move_within(dir: &Dir, from: &str, to: &str) -> io::Result<()> {
    dir.rename(from, dir, to)
}

/// A new file with the permissions that the user's own programs would give it.
fn new_file(executable: bool) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).mode(if executable { 0o777 } else { 0o666 });
    options
}

/// Gives the content of a path the permissions and, where allowed, the owner that the path had; the version decides about
/// execution.
fn keep_attributes(content: &File, file: &FileEntry, old: Option<&Metadata>, mode: Option<u32>) -> io::Result<()> {
    if let Some(mode) = old.map(|old| old.mode() & 0o7777).or(mode) {
        // Who may read it may execute it.
        let mode = if file.executable { mode | ((mode & 0o444) >> 2) } else { mode & !0o111 };
        content.set_permissions(Permissions::from_mode(mode))?;
    }
    if let Some(old) = old {
        let now = content.metadata()?;
        if (now.uid(), now.gid()) != (old.uid(), old.gid()) {
            // Only the system's administrator may give files away; the content matters more than its owner.
            let _ = std::os::unix::fs::fchown(content, Some(old.uid()), Some(old.gid()));
        }
    }
    Ok(())
}
