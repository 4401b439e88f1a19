//! The lock on a state folder: it belongs to one process at a time.
//!
//! The lock is the kernel's (`flock` on `<state>/lock`), so it ends with the process that holds it, however that
//! process ends. What stands in the file only tells people who holds it. Readers do not need it.

use crate::folder::{self, Owner};
use longhaul_core::id::RunId;
use longhaul_core::units::Timestamp;
use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The lock's file within a state folder.
const LOCK_FILE: &str = "lock";
/// The most that is read of a lock file: what is in it was written by somebody else.
const MAX_NOTE: u64 = 64 * 1024;
/// A process that asks who holds a lock takes it, shared, for an instant; so taking it is tried again this often …
const TRIES: u32 = 5;
/// … with this wait in between.
const WAIT: Duration = Duration::from_millis(5);

/// Who holds a state folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The process.
    pub pid: u32,
    /// When it took the folder.
    pub since: Timestamp,
    /// What it was started as.
    pub command: String,
    /// The run that it works on; none before it has begun one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
}

/// A state folder cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error(
        "state folder {} is used by {}; wait for it, or pass --state DIR",
        .path.display(),
        describe(.holder.as_ref())
    )]
    Taken {
        /// The folder.
        path: PathBuf,
        /// Who has it, where that can be read.
        holder: Option<Holder>,
    },
    /// It has content that is not ours.
    #[error(
        "the folder {} is not empty and was not made by Longhaul, which would remove files in it; nothing was touched, pass --state DIR with a folder that is missing or empty",
        .path.display()
    )]
    Foreign {
        /// The folder.
        path: PathBuf,
    },
    /// It cannot be made, opened or locked.
    #[error("state folder {} cannot be used; check that it is a folder that you may write, or pass --state DIR", .path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

fn describe(holder: Option<&Holder>) -> String {
    match holder {
        Some(holder) => format!("process {} (since {}, `{}`)", holder.pid, holder.since, holder.command),
        None => "another process".to_owned(),
    }
}

/// The state folder is this process's until this is dropped.
#[derive(Debug)]
pub struct StateLock {
    folder: PathBuf,
    file: File,
    holder: Holder,
}

impl StateLock {
    /// Whether `folder` could be taken: it is missing, empty, or a state folder already. Changes nothing, and does not say
    /// whether another process has it.
    ///
    /// # Errors
    /// [`LockError::Foreign`] where it is a folder of somebody's own, [`LockError::Io`].
    pub fn check(folder: &Path) -> Result<(), LockError> {
        ours(folder, folder::owner(folder))
    }

    /// Takes the folder, making it (for its owner alone) where it does not exist. `now` and `command` are what others
    /// are told while it is taken.
    ///
    /// # Errors
    /// [`LockError::Taken`] where another process, or another lock in this one, has it; [`LockError::Foreign`] as for
    /// [`StateLock::check`].
    pub fn acquire(folder: &Path, now: Timestamp, command: &str) -> Result<Self, LockError> {
        let failed = |source| LockError::Io { path: folder.to_owned(), source };
        ours(folder, folder::claim(folder))?;
        let mut file = open(folder, true).map_err(failed)?;
        for attempt in 1.. {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(Errno::WOULDBLOCK) if attempt < TRIES => std::thread::sleep(WAIT),
                Err(Errno::WOULDBLOCK) => {
                    return Err(LockError::Taken { path: folder.to_owned(), holder: read(&mut file) });
                }
                Err(error) => return Err(failed(error.into())),
            }
        }
        let holder = Holder { pid: std::process::id(), since: now, command: command.to_owned(), run: None };
        note(&file, &holder).map_err(failed)?;
        Ok(Self { folder: folder.to_owned(), file, holder })
    }

    /// Who has the folder now; none where nobody does. A holder that cannot be read is shown as process 0.
    ///
    /// # Errors
    /// [`LockError::Io`] where the lock exists and cannot be asked.
    pub fn holder(folder: &Path) -> Result<Option<Holder>, LockError> {
        let failed = |source| LockError::Io { path: folder.to_owned(), source };
        let mut file = match open(folder, false) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        match flock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => Ok(None),
            Err(Errno::WOULDBLOCK) => Ok(Some(read(&mut file).unwrap_or(Holder {
                pid: 0,
                since: Timestamp(0),
                command: String::new(),
                run: None,
            }))),
            Err(error) => Err(failed(error.into())),
        }
    }

    /// Tells others which run is being worked on: of the runs that have no end in the record, all but this one were
    /// interrupted.
    ///
    /// # Errors
    /// [`LockError::Io`].
    pub fn works_on(&self, run: &RunId) -> Result<(), LockError> {
        let holder = Holder { run: Some(run.clone()), ..self.holder.clone() };
        note(&self.file, &holder).map_err(|source| LockError::Io { path: self.folder.clone(), source })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

fn ours(folder: &Path, owner: io::Result<Owner>) -> Result<(), LockError> {
    match owner {
        Ok(Owner::Nobody | Owner::Longhaul) => Ok(()),
        Ok(Owner::Somebody) => Err(LockError::Foreign { path: folder.to_owned() }),
        Err(source) => Err(LockError::Io { path: folder.to_owned(), source }),
    }
}

fn open(folder: &Path, write: bool) -> io::Result<File> {
    // A link planted in place of the lock must not make us write elsewhere.
    let flags = OFlags::NOFOLLOW.bits().cast_signed();
    OpenOptions::new()
        .read(true)
        .write(write)
        .create(write)
        .truncate(false)
        .mode(0o600)
        .custom_flags(flags)
        .open(folder.join(LOCK_FILE))
}

/// Best read while the lock is held by another: what an earlier holder left is overwritten as the lock is taken.
fn read(file: &mut File) -> Option<Holder> {
    let mut text = Vec::new();
    file.take(MAX_NOTE).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

fn note(mut file: &File, holder: &Holder) -> io::Result<()> {
    let mut text = serde_json::to_vec(holder)?;
    text.push(b'\n');
    // In place of truncating first: a reader sees the old note or the new one, hardly ever none.
    file.write_all_at(&text, 0)?;
    file.set_len(text.len() as u64)?;
    file.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_owner_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("deep/state");
        assert_eq!(StateLock::holder(&folder).unwrap(), None);
        let first = StateLock::acquire(&folder, Timestamp(1_795_152_862_125), "longhaul run a").unwrap();
        let me = std::process::id();
        assert_eq!(StateLock::holder(&folder).unwrap().unwrap().pid, me);
        let error = StateLock::acquire(&folder, Timestamp(2), "longhaul run b").unwrap_err().to_string();
        assert_eq!(
            error,
            format!(
                "state folder {} is used by process {me} (since 2026-11-20T05:34:22.125Z, `longhaul run a`); \
                 wait for it, or pass --state DIR",
                folder.display()
            )
        );
        drop(first);
        assert_eq!(StateLock::holder(&folder).unwrap(), None);
        let second = StateLock::acquire(&folder, Timestamp(2), "b").unwrap();
        assert_eq!(StateLock::holder(&folder).unwrap().unwrap().command, "b");
        assert_eq!(StateLock::holder(&folder).unwrap().unwrap().run, None);
        let run = RunId::new("20261120-053422-7f3a00").unwrap();
        second.works_on(&run).unwrap();
        assert_eq!(StateLock::holder(&folder).unwrap().unwrap().run, Some(run));
        drop(second);
    }

    #[test]
    fn what_cannot_be_a_state_folder_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "x").unwrap();
        let error = StateLock::acquire(&file, Timestamp(0), "").unwrap_err();
        assert!(matches!(error, LockError::Io { .. }), "{error}");
        assert!(error.to_string().contains("file cannot be used"), "{error}");
    }

    #[test]
    fn a_folder_with_content_of_its_own_is_not_taken() {
        let dir = tempfile::tempdir().unwrap();
        let names = || dir.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
        StateLock::check(dir.path()).unwrap();
        assert!(names().is_empty(), "looking changes nothing");
        std::fs::write(dir.path().join("notes.txt"), "mine").unwrap();
        for refused in [StateLock::check(dir.path()), StateLock::acquire(dir.path(), Timestamp(0), "").map(drop)] {
            let error = refused.unwrap_err();
            assert!(matches!(error, LockError::Foreign { .. }) && error.to_string().contains("--state DIR"), "{error}");
        }
        assert_eq!(names(), ["notes.txt"]);
        std::fs::remove_file(dir.path().join("notes.txt")).unwrap();
        drop(StateLock::acquire(dir.path(), Timestamp(0), "").unwrap());
        std::fs::write(dir.path().join("notes.txt"), "later").unwrap();
        StateLock::acquire(dir.path(), Timestamp(0), "").unwrap();
    }

    #[test]
    fn a_link_in_place_of_the_lock_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("precious");
        std::fs::write(&target, "precious").unwrap();
        let folder = dir.path().join("state");
        drop(StateLock::acquire(&folder, Timestamp(0), "").unwrap());
        std::fs::remove_file(folder.join(LOCK_FILE)).unwrap();
        std::os::unix::fs::symlink(&target, folder.join(LOCK_FILE)).unwrap();
        assert!(StateLock::acquire(&folder, Timestamp(0), "").is_err());
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "precious");
    }
}
