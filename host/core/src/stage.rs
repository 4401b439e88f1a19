//! The private copy of a workspace version in which one attempt works, as its user sees it.
//!
//! The workspace provides stages and the sandbox serves guests from them; this contract is all that they share. Paths
//! are canonical ([`StagePath`]: no `..`, no links on the way), so an implementation never interprets a path that a
//! guest wrote. What a stage shows is a function of its version and of the operations made on it: listings are sorted,
//! times are logical, identities are stable.

use crate::path::StagePath;
use std::sync::Arc;

/// What a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NodeKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Symlink,
}

/// What is known about a file, folder or link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What it is.
    pub kind: NodeKind,
    /// Bytes of content; for a link the length of its target, for a folder 0.
    pub size: u64,
    /// The same for two names of one file, different otherwise, and the same on every replay.
    pub identity: u64,
    /// How many names a file has in this stage.
    pub links: u64,
    /// A logical time: 0 as the version had it, greater with each change in this stage.
    pub changed: u64,
}

/// An entry of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirEntry {
    /// Its name in the folder.
    pub name: String,
    /// What it is.
    pub kind: NodeKind,
}

/// What [`Stage::open`] does about existence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Create {
    /// The file must be there.
    No,
    /// It is made where it is missing.
    IfMissing,
    /// It must not be there yet.
    New,
}

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// For reading.
    Read,
    /// For writing as well.
    Write {
        /// What to do about existence.
        create: Create,
        /// Whether to empty it.
        truncate: bool,
    },
}

/// Why a file operation failed. The names are those of POSIX, in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FsError {
    /// No such file or folder.
    #[error("no such file or folder")]
    NotFound,
    /// It exists already.
    #[error("it exists already")]
    Exists,
    /// A component of the path is not a folder.
    #[error("not a folder")]
    NotFolder,
    /// It is a folder, and a file was expected.
    #[error("it is a folder")]
    IsFolder,
    /// The folder is not empty.
    #[error("the folder is not empty")]
    NotEmpty,
    /// The operation makes no sense with these arguments.
    #[error("invalid argument")]
    Invalid,
    /// The path leads out of the stage.
    #[error("the path leads out of the stage")]
    Escape,
    /// The grant does not cover it.
    #[error("not granted")]
    Denied,
    /// Too many symbolic links on the way.
    #[error("too many symbolic links")]
    Loop,
    /// A name or path is too long.
    #[error("the name is too long")]
    NameTooLong,
    /// The handle was not opened for this.
    #[error("the handle does not allow it")]
    BadDescriptor,
    /// The attempt has no more room: files, bytes or handles.
    #[error("the attempt's quota is used up")]
    Quota,
    /// The disk is full.
    #[error("the disk is full")]
    NoSpace,
    /// Stages do not have this operation.
    #[error("not supported in a stage")]
    Unsupported,
    /// The machine failed; the text says how.
    #[error("input/output error: {0}")]
    Io(String),
}

/// A stage. All methods may be called from several threads.
///
/// After a crash a stage is rebuilt from its version by making the same operations again; nothing of it is durable
/// before its commit.
pub trait Stage: Send + Sync {
    /// What `path` names, without following it where it is a link.
    ///
    /// # Errors
    /// [`FsError::NotFound`], [`FsError::NotFolder`] where a parent is a file.
    fn node(&self, path: &StagePath) -> Result<Node, FsError>;

    /// The target of a link, as it was written.
    ///
    /// # Errors
    /// [`FsError::Invalid`] where `path` is no link.
    fn read_link(&self, path: &StagePath) -> Result<String, FsError>;

    /// The entries of a folder, sorted by name bytewise.
    ///
    /// # Errors
    /// [`FsError::NotFolder`] where it is no folder.
    fn list(&self, path: &StagePath) -> Result<Vec<DirEntry>, FsError>;

    /// Opens a file; a link is not followed ([`FsError::Loop`]).
    ///
    /// # Errors
    /// As POSIX `open` would.
    fn open(&self, path: &StagePath, mode: OpenMode) -> Result<Arc<dyn StageFile>, FsError>;

    /// Makes a folder.
    ///
    /// # Errors
    /// [`FsError::Exists`], [`FsError::Quota`].
    fn create_dir(&self, path: &StagePath) -> Result<(), FsError>;

    /// Removes an empty folder.
    ///
    /// # Errors
    /// [`FsError::NotEmpty`]; [`FsError::Invalid`] for the root.
    fn remove_dir(&self, path: &StagePath) -> Result<(), FsError>;

    /// Removes a file or link. Open handles of it stay usable.
    ///
    /// # Errors
    /// [`FsError::IsFolder`].
    fn remove_file(&self, path: &StagePath) -> Result<(), FsError>;

    /// Renames, replacing what POSIX `rename` would replace.
    ///
    /// # Errors
    /// As POSIX `rename` would; [`FsError::Invalid`] for a folder into itself.
    fn rename(&self, from: &StagePath, to: &StagePath) -> Result<(), FsError>;

    /// Gives a file a second name.
    ///
    /// # Errors
    /// [`FsError::Exists`]; [`FsError::Invalid`] where `from` is no file.
    fn link(&self, from: &StagePath, to: &StagePath) -> Result<(), FsError>;

    /// Makes a symbolic link with this target, whatever it says: whoever follows it checks.
    ///
    /// # Errors
    /// [`FsError::Exists`].
    fn symlink(&self, target: &str, path: &StagePath) -> Result<(), FsError>;
}

/// An open file of a stage. It follows the file, not the name: renaming or removing the name changes nothing.
pub trait StageFile: Send + Sync {
    /// What is known about it now.
    fn node(&self) -> Node;

    /// Reads into `buffer` from `offset`; 0 at the end.
    ///
    /// # Errors
    /// [`FsError::Io`].
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize, FsError>;

    /// Writes all of `data` at `offset`, with zeros where the file was shorter.
    ///
    /// # Errors
    /// [`FsError::BadDescriptor`] where it was opened for reading; [`FsError::Quota`], [`FsError::NoSpace`].
    fn write_at(&self, data: &[u8], offset: u64) -> Result<(), FsError>;

    /// Writes all of `data` at the end.
    ///
    /// # Errors
    /// As [`StageFile::write_at`].
    fn append(&self, data: &[u8]) -> Result<(), FsError>;

    /// Cuts it, or extends it by zeros.
    ///
    /// # Errors
    /// As [`StageFile::write_at`].
    fn set_size(&self, size: u64) -> Result<(), FsError>;
}
