//! The state of the git repository that the user's folder is: branch, commit, changed files.
//!
//! Everything is read from the files of `.git` by handles, and no program is run: a repository's own settings can name programs, and they are
//! the agents' to change. What cannot be told in this way is said to be missing.

mod compare;
mod index;

use crate::import::open_plain;
use crate::object::ObjectError;
use crate::tree::VersionId;
use crate::workspace::Workspace;
use cap_fs_ext::DirExt;
use cap_std::fs::Dir;
use longhaul_core::attachment::RepositoryState;
use longhaul_core::grant::Grant;
use std::io::{self, Read};

/// The most bytes of a file that names a branch or a commit.
const MAX_REF: u64 = 4 << 10;
/// The most bytes of the list of packed references.
const MAX_PACKED: u64 = 16 << 20;
/// The most bytes of the index.
const MAX_INDEX: u64 = 64 << 20;

impl Workspace {
    /// The state of the repository, with the files in which `version` differs from its index, as far as `grant` lets them be read.
    ///
    /// # Errors
    /// [`ObjectError`] where the version cannot be read. A repository that cannot be read is no error: the state says so.
    pub fn repository(&self, version: VersionId, grant: &Grant) -> Result<RepositoryState, ObjectError> {
        let git = match self.root.symlink_metadata(".git") {
            Ok(metadata) if metadata.is_dir() => self.root.open_dir_nofollow(".git"),
            Ok(_) => {
                return Ok(noted(
                    "`.git` is no folder here: the repository lies outside the workspace and is not looked at",
                ));
            }
            Err(_) => return Ok(noted("the workspace is no git repository: there is no folder `.git` in its root")),
        };
        let head = git.and_then(|git| Ok((read(&git, "HEAD", MAX_REF)?, git)));
        let (head, git) = match head {
            Ok(found) => found,
            Err(error) => return Ok(noted(&format!("the repository cannot be read: {error}"))),
        };
        let head = String::from_utf8_lossy(&head).trim().to_owned();
        let (branch, commit) = match head.strip_prefix("ref: ") {
            Some(name) => (Some(name.trim_start_matches("refs/heads/").to_owned()), resolve(&git, name)),
            None => (None, Some(head).filter(|head| is_commit(head))),
        };
        let mut state = RepositoryState { repository: true, branch, commit, ..RepositoryState::default() };
        let index = match read(&git, "index", MAX_INDEX) {
            Ok(bytes) => index::parse(&bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error.to_string()),
        };
        match index {
            Ok(index) => match compare::compare(self, version, &index, grant)? {
                Ok((changed, note)) => (state.changed, state.note) = (Some(changed), note),
                Err(note) => state.note = note,
            },
            Err(reason) => state.note = format!("changed files are not known: {reason}"),
        }
        Ok(state)
    }
}

fn noted(note: &str) -> RepositoryState {
    RepositoryState { note: note.to_owned(), ..RepositoryState::default() }
}

/// A file of at most `most` bytes. No link is followed out of the folder.
fn read(git: &Dir, path: &str, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let (folder, name) = path.rsplit_once('/').map_or((None, path), |(folder, name)| (Some(folder), name));
    let mut dir = git.try_clone()?;
    for component in folder.into_iter().flat_map(|folder| folder.split('/')) {
        dir = dir.open_dir_nofollow(component)?;
    }
    let file = open_plain(&dir, name)?;
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::other(format!("`.git/{path}` has more than {most} bytes")));
    }
    Ok(bytes)
}

/// The commit that a reference names.
fn resolve(git: &Dir, name: &str) -> Option<String> {
    let is_plain = name.starts_with("refs/") && name.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if !is_plain {
        return None;
    }
    if let Ok(bytes) = read(git, name, MAX_REF) {
        return Some(String::from_utf8_lossy(&bytes).trim().to_owned()).filter(|commit| is_commit(commit));
    }
    let packed = read(git, "packed-refs", MAX_PACKED).ok()?;
    let packed = String::from_utf8_lossy(&packed);
    let found = packed.lines().filter_map(|line| line.split_once(' ')).find(|(_, reference)| *reference == name);
    found.map(|(commit, _)| commit.to_owned()).filter(|commit| is_commit(commit))
}

fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
