//! Versions as they are kept in a state folder, for those who only look: a host may be at work there, so nothing is made, cleared away or cached.

use crate::diff::{Delta, deltas};
use crate::folder_object::{self, Stored};
use crate::object::{ObjectError, Objects};
use crate::tree::{Entries, Entry, Folder, MAX_DEPTH, VersionId};
use cap_std::fs::Dir;
use longhaul_core::digest::Digest;
use std::sync::Arc;

/// What differs between two versions that are kept in the state folder `state`.
///
/// # Errors
/// [`ObjectError`] where one of them is not kept there as a whole.
pub fn deltas_of(state: &Dir, from: VersionId, to: VersionId) -> Result<Vec<Delta>, ObjectError> {
    Ok(deltas(&*folder(state, from.0, 0)?, &*folder(state, to.0, 0)?))
}

fn folder(state: &Dir, digest: Digest, depth: usize) -> Result<Arc<Folder>, ObjectError> {
    let damaged = |reason| ObjectError::Damaged { digest, reason };
    if depth > MAX_DEPTH {
        return Err(damaged("its folders lie too deep"));
    }
    let bytes = Objects::look(state, digest)?;
    let mut entries = Entries::new();
    for (name, stored) in folder_object::decode(&bytes).map_err(damaged)? {
        let entry = match stored {
            Stored::Folder(inner) => Entry::Folder(folder(state, inner, depth + 1)?),
            Stored::Leaf(leaf) => leaf,
        };
        entries.insert(name, entry);
    }
    Ok(Folder::known(entries, digest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::{Options, Workspace};
    use cap_std::ambient_authority;

    #[test]
    fn versions_are_compared_while_a_host_has_them_open() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("root/deep")).unwrap();
        std::fs::create_dir(folder.path().join("state")).unwrap();
        std::fs::write(folder.path().join("root/deep/a.txt"), "old").unwrap();
        std::fs::write(folder.path().join("root/same.txt"), "same").unwrap();
        let open = |name: &str| Dir::open_ambient_dir(folder.path().join(name), ambient_authority()).unwrap();
        let state = open("state");
        let workspace = Workspace::open(open("root"), open("state"), &Options::default()).unwrap();
        let before = workspace.import().unwrap().version;
        std::fs::write(folder.path().join("root/deep/a.txt"), "new!").unwrap();
        let after = workspace.import().unwrap().version;
        let found = deltas_of(&state, before, after).unwrap();
        assert_eq!(found.iter().map(|delta| delta.path.as_str()).collect::<Vec<_>>(), ["deep/a.txt"]);
        assert!(deltas_of(&state, before, VersionId(Digest::of(b"never"))).is_err());
    }
}
