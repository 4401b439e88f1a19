//! Removes what commands made, whatever it is: folders that may not be entered, and trees that are deeper than any path is long.

use cap_fs_ext::DirExt;
use cap_std::fs::{Dir, Permissions};
use std::io;

/// Removes everything in a folder. Nothing may be made in it meanwhile.
///
/// A tree is not walked down: the folders in each folder are moved up to the top before it is removed, so that neither the stack nor the
/// number of open files grows with its depth.
pub(super) fn clear(top: &Dir) -> io::Result<()> {
    let mut next = 0_u64;
    loop {
        let mut is_empty = true;
        for entry in top.entries()? {
            let entry = entry?;
            is_empty = false;
            let name = entry.file_name();
            if !entry.file_type()?.is_dir() {
                top.remove_file(&name)?;
                continue;
            }
            // What it may have forbidden to its owner.
            drop(top.set_permissions(&name, open_to_owner()));
            let folder = top.open_dir_nofollow(&name)?;
            for inner in folder.entries()? {
                let inner = inner?;
                let name = inner.file_name();
                if inner.file_type()?.is_dir() {
                    // A folder that is moved is written to itself.
                    drop(folder.set_permissions(&name, open_to_owner()));
                    move_up(&folder, &name, top, &mut next)?;
                } else {
                    folder.remove_file(&name)?;
                }
            }
            top.remove_dir(&name)?;
        }
        if is_empty {
            return Ok(());
        }
    }
}

/// Moves a folder to a name of its own at the top.
fn move_up(folder: &Dir, name: &std::ffi::OsStr, top: &Dir, next: &mut u64) -> io::Result<()> {
    loop {
        *next += 1;
        match folder.rename(name, top, format!(".cleared-{next}")) {
            // A command may have made one of that name.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::AlreadyExists | io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::NotADirectory
                ) => {}
            outcome => return outcome,
        }
    }
}

#[cfg(unix)]
fn open_to_owner() -> Permissions {
    let permissions: std::fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    Permissions::from_std(permissions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cap_std::ambient_authority;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn nothing_is_left_whatever_it_was_and_nothing_else_is_touched() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("kept"), "k").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("a/b/c")).unwrap();
        fs::write(at("a/b/file"), "x").unwrap();
        symlink(outside.path(), at("a/link")).unwrap();
        symlink("nowhere", at("dangling")).unwrap();
        fs::create_dir(at(".cleared-1")).unwrap();
        fs::write(at(".cleared-1/x"), "x").unwrap();
        fs::set_permissions(at("a/b"), fs::Permissions::from_mode(0o000)).unwrap();
        fs::set_permissions(at("a"), fs::Permissions::from_mode(0o000)).unwrap();
        clear(&Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap()).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(outside.path().join("kept").exists());
    }

    #[test]
    fn a_tree_deeper_than_any_path_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let top = Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
        let mut dir = top.try_clone().unwrap();
        for _ in 0..3_000 {
            dir.create_dir("deeper").unwrap();
            dir = dir.open_dir("deeper").unwrap();
        }
        dir.write("file", "x").unwrap();
        drop(dir);
        clear(&top).unwrap();
        assert_eq!(top.entries().unwrap().count(), 0);
    }
}
