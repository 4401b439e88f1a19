//! Whose a folder is: a state folder is one that Longhaul made, and no other folder is taken for one.
//!
//! What lies in a state folder is made and removed without asking anybody, so a folder of the user's own must never be
//! mistaken for one. A folder that is missing or empty is taken, and bears a mark from then on; one that has content and no
//! mark is refused before anything in it is touched.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// The file that marks a state folder. That it is there is the mark; what it says is for people.
pub const MARK: &str = "longhaul-state";
const TEXT: &str = "This folder belongs to Longhaul, which makes and removes files in it.\n";

/// Whose a folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// It is missing, or there is nothing in it.
    Nobody,
    /// It bears the mark.
    Longhaul,
    /// Something else is in it.
    Somebody,
}

/// Whose `folder` is. Changes nothing.
pub(crate) fn owner(folder: &Path) -> io::Result<Owner> {
    let mut entries = match folder.read_dir() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Owner::Nobody),
        entries => entries?,
    };
    if entries.next().transpose()?.is_none() {
        return Ok(Owner::Nobody);
    }
    match folder.join(MARK).symlink_metadata() {
        Ok(metadata) if metadata.is_file() => Ok(Owner::Longhaul),
        Ok(_) => Ok(Owner::Somebody),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Owner::Somebody),
        Err(error) => Err(error),
    }
}

/// Makes `folder`, for its owner alone, where it is missing, and marks it where it is empty. Tells whose it is then.
pub(crate) fn claim(folder: &Path) -> io::Result<Owner> {
    if owner(folder)? == Owner::Nobody {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(folder.join(MARK)) {
            Ok(mut file) => file.write_all(TEXT.as_bytes())?,
            // Another process was faster, and whose the folder is now is looked at once more.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    owner(folder)
}
