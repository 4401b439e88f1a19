//! The folder of the signing key: made at first use, for its owner alone.
//!
//! A key that others can read proves nothing, so a file or a folder that is open to them is refused and not repaired in silence: its owner
//! has to know. Which folder it is, is for the caller to say. A crash at any moment leaves the old key or the new one, never half of one.

use crate::note::{KeyName, KeyTextError, SignerKey};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The key that signs now.
const CURRENT: &str = "signing.key";
/// The key that will.
const NEXT: &str = "signing-next.key";
/// A key's file is one line of about a hundred bytes.
const MAX_FILE: u64 = 4096;
/// The bits of a mode by which others than the owner can do anything.
const OTHERS: u32 = 0o077;

/// Fills the bytes with random ones that nobody can guess, such as those of the operating system.
pub type Random<'a> = &'a mut dyn FnMut(&mut [u8]) -> io::Result<()>;

/// A folder that holds a signing key, or will.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFolder {
    path: PathBuf,
}

/// A signing key cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Others than the owner can use the folder.
    #[error("others can open the folder of the signing key, `{}` (mode {mode:03o}); run `chmod 700` on it", .path.display())]
    FolderOpen {
        /// The folder.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Others than the owner can read or write the file.
    #[error(
        "others can open the signing key `{}` (mode {mode:03o}); run `chmod 600` on it, and rotate the key if somebody may have read it",
        .path.display()
    )]
    FileOpen {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It belongs to another user.
    #[error("`{}` belongs to the user {owner}, and the signing key has to be one's own; work as that user, or use another folder", .path.display())]
    Foreign {
        /// The folder or the file.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
    },
    /// It is a link, a pipe or something else.
    #[error("`{}` is not {expected}; remove it, or use another folder", .path.display())]
    Kind {
        /// What it is about.
        path: PathBuf,
        /// What it should be.
        expected: &'static str,
    },
    /// It holds no key.
    #[error("`{}` does not hold a signing key; restore it from a copy, or remove it so that a new key is made", .path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: KeyTextError,
    },
    /// A key was to take the place of the current one, and there is none.
    #[error("there is no next signing key in `{}`; make one first", .path.display())]
    NoSuccessor {
        /// The folder.
        path: PathBuf,
    },
    /// There are no random bytes.
    #[error("no random bytes can be had for a signing key")]
    Random(#[source] io::Error),
    /// The file system refuses.
    #[error("cannot {what} `{}`", .path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl KeyFolder {
    /// The folder at `path`, which need not be there yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The key that signs now; none where none was made yet.
    ///
    /// # Errors
    /// [`KeyError`] where others can open it, or it cannot be read.
    pub fn load(&self) -> Result<Option<SignerKey>, KeyError> {
        self.read(CURRENT)
    }

    /// The key that signs now. At first use it is made, under `name`, and then kept whatever `name` says.
    ///
    /// # Errors
    /// [`KeyError`] where others can open it, or it can be neither read nor made.
    pub fn load_or_create(&self, name: &KeyName, random: Random<'_>) -> Result<SignerKey, KeyError> {
        self.read_or_make(CURRENT, name, random)
    }

    /// The key that will take the place of the current one, made where there is none. Rotating has three steps, of which each can be
    /// repeated after a crash: this one; the entry that says so, and after it a head signed by both keys, both durable; and
    /// [`KeyFolder::adopt_successor`].
    ///
    /// # Errors
    /// [`KeyError`] where others can open it, or it can be neither read nor made.
    pub fn successor(&self, name: &KeyName, random: Random<'_>) -> Result<SignerKey, KeyError> {
        self.read_or_make(NEXT, name, random)
    }

    /// Puts the successor in the place of the current key, of which the secret half is gone then.
    ///
    /// # Errors
    /// [`KeyError::NoSuccessor`] where there is none; others where it cannot be read or moved.
    pub fn adopt_successor(&self) -> Result<SignerKey, KeyError> {
        let key = self.read(NEXT)?.ok_or_else(|| KeyError::NoSuccessor { path: self.path.clone() })?;
        let (next, current) = (self.path.join(NEXT), self.path.join(CURRENT));
        std::fs::rename(&next, &current).map_err(io("put a new signing key at", &current))?;
        sync(&self.path)?;
        Ok(key)
    }

    fn read_or_make(&self, file: &str, name: &KeyName, random: Random<'_>) -> Result<SignerKey, KeyError> {
        if let Some(key) = self.read(file)? {
            return Ok(key);
        }
        self.make(file, name, random)?;
        // Another process may have been faster: what is there counts.
        let path = self.path.join(file);
        self.read(file)?.ok_or_else(|| io("read", &path)(io::ErrorKind::NotFound.into()))
    }

    fn read(&self, file: &str) -> Result<Option<SignerKey>, KeyError> {
        if !self.check()? {
            return Ok(None);
        }
        let path = self.path.join(file);
        // A link could lead to a file of somebody else, and a pipe would never answer.
        let flags = (rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits().cast_signed();
        let opened = match OpenOptions::new().read(true).custom_flags(flags).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
                return Err(KeyError::Kind { path, expected: "a file" });
            }
            opened => opened.map_err(io("open the signing key", &path))?,
        };
        let found = opened.metadata().map_err(io("open the signing key", &path))?;
        if !found.is_file() {
            return Err(KeyError::Kind { path, expected: "a file" });
        }
        own(&path, &found)?;
        if found.mode() & OTHERS != 0 {
            return Err(KeyError::FileOpen { path, mode: found.mode() & 0o777 });
        }
        let mut text = Zeroizing::new(String::new());
        let read = opened.take(MAX_FILE).read_to_string(&mut text);
        read.map_err(io("read the signing key", &path))?;
        let key = SignerKey::from_secret_text(text.strip_suffix('\n').unwrap_or(&text));
        key.map(Some).map_err(|source| KeyError::Content { path, source })
    }

    /// Makes a key where there is none, as a whole or not at all.
    fn make(&self, file: &str, name: &KeyName, random: Random<'_>) -> Result<(), KeyError> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.path).map_err(io("make the folder", &self.path))?;
        self.check()?;
        let (mut seed, mut suffix) = (Zeroizing::new([0; 32]), [0; 8]);
        random(seed.as_mut_slice()).and_then(|()| random(&mut suffix)).map_err(KeyError::Random)?;
        let text = SignerKey::from_seed(name.clone(), &seed).to_secret_text();
        let temporary = self.path.join(format!(".{file}.{:016x}", u64::from_be_bytes(suffix)));
        let path = self.path.join(file);
        let written = write(&temporary, &text).map_err(io("write the signing key", &temporary));
        // A link is made only where there is nothing yet, so that of two processes the first one has made the key.
        let linked = written.and_then(|()| match std::fs::hard_link(&temporary, &path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked.map_err(io("make the signing key", &path)),
        });
        let removed = std::fs::remove_file(&temporary).map_err(io("remove", &temporary));
        linked.and(removed)?;
        sync(&self.path)
    }

    /// Whether the folder is there. It is refused where others can open it.
    fn check(&self) -> Result<bool, KeyError> {
        let found = match self.path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            found => found.map_err(io("open the folder", &self.path))?,
        };
        if !found.is_dir() {
            return Err(KeyError::Kind { path: self.path.clone(), expected: "a folder" });
        }
        own(&self.path, &found)?;
        match found.mode() & OTHERS {
            0 => Ok(true),
            _ => Err(KeyError::FolderOpen { path: self.path.clone(), mode: found.mode() & 0o777 }),
        }
    }
}

fn own(path: &Path, found: &std::fs::Metadata) -> Result<(), KeyError> {
    if found.uid() == rustix::process::geteuid().as_raw() {
        Ok(())
    } else {
        Err(KeyError::Foreign { path: path.to_owned(), owner: found.uid() })
    }
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}

fn sync(folder: &Path) -> Result<(), KeyError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io("make durable the folder", folder))
}

fn io<'a>(what: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> KeyError + 'a {
    move |source| KeyError::Io { what, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, symlink};

    struct Place {
        _scratch: tempfile::TempDir,
        path: PathBuf,
        folder: KeyFolder,
    }

    fn place() -> Place {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("config/longhaul/keys");
        Place { _scratch: scratch, folder: KeyFolder::new(&path), path }
    }

    fn name() -> KeyName {
        KeyName::new("example.org/longhaul").unwrap()
    }

    /// Random bytes that are told, so that it can be seen which were used.
    fn filled(with: u8) -> impl FnMut(&mut [u8]) -> io::Result<()> {
        move |bytes| {
            bytes.fill(with);
            Ok(())
        }
    }

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o777
    }

    fn allow(path: &Path, mode: u32) {
        std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_key_is_made_once_and_for_its_owner_alone() {
        let place = place();
        assert!(place.folder.load().unwrap().is_none());
        assert!(!place.path.exists(), "asking makes nothing");
        let key = place.folder.load_or_create(&name(), &mut filled(1)).unwrap();
        assert_eq!(key.verifier(), SignerKey::from_seed(name(), &[1; 32]).verifier());
        assert_eq!((mode(&place.path), mode(&place.path.join(CURRENT))), (0o700, 0o600));
        assert_eq!(place.path.read_dir().unwrap().count(), 1, "nothing else is left there");
        let mut none = |_: &mut [u8]| panic!("a key that is there needs no random bytes");
        assert_eq!(place.folder.load_or_create(&name(), &mut none).unwrap().verifier(), key.verifier());
        assert_eq!(place.folder.load().unwrap().unwrap().verifier(), key.verifier());
    }

    #[test]
    fn of_two_that_make_it_at_once_the_first_has_made_it() {
        let place = place();
        let mut during = |bytes: &mut [u8]| {
            place.folder.load_or_create(&name(), &mut filled(7)).unwrap();
            bytes.fill(8);
            Ok(())
        };
        let key = place.folder.load_or_create(&name(), &mut during).unwrap();
        assert_eq!(key.verifier(), SignerKey::from_seed(name(), &[7; 32]).verifier());
        assert_eq!(place.path.read_dir().unwrap().count(), 1);
    }

    #[test]
    fn what_others_can_open_is_refused() {
        let place = place();
        place.folder.load_or_create(&name(), &mut filled(1)).unwrap();
        let file = place.path.join(CURRENT);
        for open in [0o640, 0o604, 0o620, 0o610, 0o601, 0o666] {
            allow(&file, open);
            let refused = place.folder.load_or_create(&name(), &mut filled(2)).unwrap_err();
            assert!(matches!(&refused, KeyError::FileOpen { mode, .. } if *mode == open), "{refused}");
            assert!(refused.to_string().contains("chmod 600"), "{refused}");
        }
        allow(&file, 0o600);
        for open in [0o750, 0o705, 0o711, 0o777] {
            allow(&place.path, open);
            let refused = place.folder.load().unwrap_err();
            assert!(matches!(&refused, KeyError::FolderOpen { mode, .. } if *mode == open), "{refused}");
            assert!(refused.to_string().contains("chmod 700"), "{refused}");
        }
        allow(&place.path, 0o700);
        assert!(place.folder.load().unwrap().is_some());
    }

    #[test]
    fn a_key_is_a_file_and_holds_a_key() {
        let place = place();
        let key = place.folder.load_or_create(&name(), &mut filled(1)).unwrap();
        let file = place.path.join(CURRENT);
        let text = std::fs::read_to_string(&file).unwrap();
        for damaged in
            ["", "PRIVATE+KEY+", &text.replace("longhaul", "other"), &text[..text.len() - 3], &text.repeat(2)]
        {
            std::fs::write(&file, damaged).unwrap();
            let refused = place.folder.load().unwrap_err();
            assert!(matches!(refused, KeyError::Content { .. }), "{damaged}: {refused}");
            assert!(!format!("{refused} {refused:?}").contains(&text[45..]), "the secret is not told");
        }
        std::fs::write(&file, &text).unwrap();
        assert_eq!(place.folder.load().unwrap().unwrap().verifier(), key.verifier());
        let elsewhere = place.path.join("elsewhere");
        std::fs::rename(&file, &elsewhere).unwrap();
        symlink(&elsewhere, &file).unwrap();
        assert!(matches!(place.folder.load(), Err(KeyError::Kind { .. })));
        std::fs::remove_file(&file).unwrap();
        std::fs::create_dir(&file).unwrap();
        assert!(matches!(place.folder.load(), Err(KeyError::Kind { .. })));
        let linked = place.path.with_file_name("linked");
        symlink(&place.path, &linked).unwrap();
        assert!(matches!(KeyFolder::new(linked).load(), Err(KeyError::Kind { .. })));
    }

    #[test]
    fn a_successor_takes_the_place_when_it_is_told_to() {
        let place = place();
        let first = place.folder.load_or_create(&name(), &mut filled(1)).unwrap();
        assert!(matches!(place.folder.adopt_successor(), Err(KeyError::NoSuccessor { .. })));
        let next = place.folder.successor(&name(), &mut filled(2)).unwrap();
        assert_eq!(place.folder.successor(&name(), &mut filled(3)).unwrap().verifier(), next.verifier());
        assert_eq!(place.folder.load().unwrap().unwrap().verifier(), first.verifier());
        assert_eq!(place.folder.adopt_successor().unwrap().verifier(), next.verifier());
        assert_eq!(place.folder.load().unwrap().unwrap().verifier(), next.verifier());
        assert_eq!(place.path.read_dir().unwrap().count(), 1, "the first key's secret is gone");
    }

    #[test]
    fn without_random_bytes_there_is_no_key() {
        let place = place();
        let mut none = |_: &mut [u8]| Err(io::Error::other("none"));
        assert!(matches!(place.folder.load_or_create(&name(), &mut none), Err(KeyError::Random(_))));
        assert!(place.folder.load().unwrap().is_none());
    }
}
