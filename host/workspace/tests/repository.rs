//! The state of a repository, and what is kept beside versions.
#![allow(clippy::unwrap_used, reason = "the helpers of tests end in a panic where what they rely on is not there")]

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use longhaul_core::digest::Digest;
use longhaul_core::grant::{FsPermissions, Grant, Party, Permissions};
use longhaul_workspace::{Content, Objects, Options, VersionId, Workspace};
use sha1::{Digest as _, Sha1};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

const COMMIT: &str = "0123456789012345678901234567890123456789";

fn open(folder: &TempDir) -> Workspace {
    let state = folder.path().join(".longhaul");
    fs::create_dir_all(&state).unwrap();
    let dir = |path: &Path| Dir::open_ambient_dir(path, ambient_authority()).unwrap();
    Workspace::open(dir(folder.path()), dir(&state), &Options::default()).unwrap()
}

fn reading(patterns: &[&str]) -> Grant {
    let read = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
    let fs = Some(FsPermissions { read, write: Vec::new() });
    Grant::new([(Party::Task, Permissions { fs, ..Permissions::default() })]).unwrap()
}

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    folder
}

/// An index of version 2 that knows these files with these contents.
fn index(known: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = [b"DIRC".as_slice(), &2_u32.to_be_bytes(), &(known.len() as u32).to_be_bytes()].concat();
    for (path, content) in known {
        let begin = bytes.len();
        bytes.extend_from_slice(&[0; 24]);
        bytes.extend_from_slice(&0o100_644_u32.to_be_bytes());
        bytes.extend_from_slice(&[0; 8]);
        bytes.extend_from_slice(&(content.len() as u32).to_be_bytes());
        bytes.extend_from_slice(&Sha1::digest(format!("blob {}\0{content}", content.len())));
        bytes.extend_from_slice(&(path.len() as u16).to_be_bytes());
        bytes.extend_from_slice(path.as_bytes());
        bytes.push(0);
        while !(bytes.len() - begin).is_multiple_of(8) {
            bytes.push(0);
        }
    }
    bytes.extend_from_slice(&[0; 20]);
    bytes
}

#[test]
fn branch_commit_and_changed_files_are_told_as_far_as_they_may_be_read() {
    let folder = folder(&[
        ("same", "same"),
        ("size", "another"),
        ("content", "new"),
        ("added", "x"),
        ("secret", "other"),
        (".git/HEAD", "ref: refs/heads/feature/x\n"),
        (".git/packed-refs", &format!("# pack-refs\n{COMMIT} refs/heads/feature/x\n")),
    ]);
    let known = [("content", "old"), ("gone", "g"), ("same", "same"), ("secret", "s"), ("size", "one")];
    fs::write(folder.path().join(".git/index"), index(&known)).unwrap();
    let workspace = open(&folder);
    let version = workspace.import().unwrap().version;
    let state = workspace.repository(version, &reading(&["[!s]*", "s[ai]*"])).unwrap();
    assert_eq!((state.repository, state.branch.as_deref()), (true, Some("feature/x")));
    assert_eq!((state.commit.as_deref(), state.note.as_str()), (Some(COMMIT), ""));
    assert_eq!(state.changed.unwrap(), ["A added", "M content", "D gone", "M size"]);
    // A commit that is checked out by itself has no branch.
    fs::write(folder.path().join(".git/HEAD"), COMMIT).unwrap();
    let state = workspace.repository(version, &reading(&["**"])).unwrap();
    assert_eq!((state.branch, state.commit.as_deref()), (None, Some(COMMIT)));
    assert_eq!(state.changed.unwrap().len(), 5);
}

#[test]
fn what_is_no_repository_or_a_broken_or_hostile_one_is_said_and_harms_nothing() {
    let plain = folder(&[("a", "a")]);
    let look = |folder: &TempDir| {
        let workspace = open(folder);
        let version = workspace.import().unwrap().version;
        workspace.repository(version, &reading(&["**"])).unwrap()
    };
    let state = look(&plain);
    assert!(!state.repository && state.note.contains("no folder `.git`"), "{state:?}");

    let outside = folder(&[("HEAD", COMMIT), ("secret", COMMIT)]);
    let linked = folder(&[("a", "a")]);
    std::os::unix::fs::symlink(outside.path(), linked.path().join(".git")).unwrap();
    let state = look(&linked);
    assert!(!state.repository && state.note.contains("outside the workspace"), "{state:?}");

    let hostile = folder(&[("a", "a"), (".git/HEAD", "ref: refs/heads/../../../secret"), (".git/index", "DIRCxx")]);
    let state = look(&hostile);
    assert_eq!((state.repository, &state.commit, &state.changed), (true, &None, &None));
    assert!(state.note.contains("its index ends in the middle"), "{state:?}");

    let reference = folder(&[("a", "a"), (".git/HEAD", "ref: refs/heads/x")]);
    fs::create_dir_all(reference.path().join(".git/refs/heads")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("secret"), reference.path().join(".git/refs/heads/x")).unwrap();
    let state = look(&reference);
    assert_eq!((state.commit, state.changed.unwrap()), (None, vec!["A a".to_owned()]));
}

#[test]
fn what_is_kept_survives_a_collection_and_is_found_by_those_who_only_look() {
    let folder = folder(&[("src/a.rs", "a"), ("src/b.txt", "b")]);
    let workspace = open(&folder);
    let version = workspace.import().unwrap().version;
    let found = workspace.matching(version, "src/*.rs", &reading(&["src/**"])).unwrap().unwrap();
    let [(path, size, digest)] = found.files.as_slice() else { panic!("{found:?}") };
    assert_eq!((path.as_str(), *size), ("src/a.rs", 1));
    let tree = workspace.attach(&[Content::Known(*size, *digest), Content::Bytes(b"said".to_vec())]).unwrap();
    let empty = workspace.empty().unwrap();
    workspace.collect(&[empty], 0).unwrap();
    assert_eq!(workspace.content(*digest).unwrap(), b"a");
    assert_eq!(workspace.content(Digest::of(b"said")).unwrap(), b"said");
    assert!(workspace.content(Digest::of(b"b")).is_err());
    drop(workspace);
    // In the next process it stays for whoever the record says needs it.
    let workspace = open(&folder);
    workspace.collect(&[VersionId(tree)], 0).unwrap();
    let state = Dir::open_ambient_dir(folder.path().join(".longhaul"), ambient_authority()).unwrap();
    assert_eq!(Objects::look(&state, Digest::of(b"said")).unwrap(), b"said");
    let empty = workspace.empty().unwrap();
    workspace.collect(&[empty], 0).unwrap();
    assert!(Objects::look(&state, Digest::of(b"said")).is_err());
    let withheld = workspace
        .import()
        .map(|imported| workspace.matching(imported.version, "src/*", &reading(&["docs/**"])).unwrap().unwrap());
    assert_eq!(withheld.unwrap().withheld.unwrap().as_str(), "src/a.rs");
}
