//! Applies that are left alone or broken off.

mod meanwhile;

use super::ApplyError;
use crate::stage::StageLimits;
use crate::tree::VersionId;
use crate::workspace::{Options, Workspace};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use longhaul_core::path::StagePath;
use longhaul_core::stage::{Create, OpenMode, Stage};
use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;

fn path(text: &str) -> StagePath {
    StagePath::new(text).unwrap()
}

/// A user's folder, with a version that differs from it in every way there is.
struct Fixture {
    folder: tempfile::TempDir,
    state: tempfile::TempDir,
    from: VersionId,
    to: VersionId,
}

impl Fixture {
    fn new() -> Self {
        let (folder, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let root = folder.path();
        for (name, text) in [("a", "1"), ("b", "2"), ("d/x", "3"), ("d/e/y", "4"), ("file", "5"), ("gone", "6")] {
            std::fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
            std::fs::write(root.join(name), text).unwrap();
        }
        std::fs::create_dir(root.join("folder")).unwrap();
        std::os::unix::fs::symlink("a", root.join("link")).unwrap();
        let nothing = VersionId(longhaul_core::digest::Digest::of(b""));
        let mut fixture = Self { folder, state, from: nothing, to: nothing };
        let workspace = fixture.open();
        fixture.from = workspace.import().unwrap().version;
        let stage = workspace.stage(fixture.from, "s", StageLimits { bytes: 1 << 20, files: 100 }).unwrap();
        let write = |name: &str, text: &str| {
            let mode = OpenMode::Write { create: Create::IfMissing, truncate: true };
            stage.open(&path(name), mode).unwrap().append(text.as_bytes()).unwrap();
        };
        write("a", "one");
        write("new", "new");
        stage.remove_file(&path("gone")).unwrap();
        stage.remove_file(&path("d/e/y")).unwrap();
        stage.remove_dir(&path("d/e")).unwrap();
        stage.remove_file(&path("file")).unwrap();
        stage.create_dir(&path("file")).unwrap();
        write("file/inside", "in");
        stage.remove_dir(&path("folder")).unwrap();
        write("folder", "out");
        stage.remove_file(&path("link")).unwrap();
        stage.symlink("/etc/passwd", &path("link")).unwrap();
        stage.create_dir(&path("n")).unwrap();
        stage.create_dir(&path("n/m")).unwrap();
        write("n/m/z", "z");
        fixture.to = workspace.commit(&stage, fixture.from).unwrap().version;
        fixture
    }

    /// The same once more, for another attempt at breaking it.
    fn again(&self) -> Self {
        let (folder, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        copy(self.folder.path(), folder.path());
        copy(self.state.path(), state.path());
        Self { folder, state, ..*self }
    }

    fn dirs(&self) -> (Dir, Dir) {
        let dir = |path| Dir::open_ambient_dir(path, ambient_authority()).unwrap();
        (dir(self.folder.path()), dir(self.state.path()))
    }

    fn try_open(&self) -> Result<Workspace, crate::WorkspaceError> {
        let (root, state) = self.dirs();
        Workspace::open(root, state, &Options::default())
    }

    fn unrecovered(&self) -> Workspace {
        let (root, state) = self.dirs();
        Workspace::unrecovered(root, state, &Options::default()).unwrap()
    }

    fn open(&self) -> Workspace {
        self.try_open().unwrap()
    }

    fn version(&self) -> VersionId {
        self.open().import().unwrap().version
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (kind, to) = (entry.file_type().unwrap(), to.join(entry.file_name()));
        if kind.is_dir() {
            std::fs::create_dir(&to).unwrap();
            copy(&entry.path(), &to);
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(std::fs::read_link(entry.path()).unwrap(), to).unwrap();
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Every path below with what is there.
fn listing(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found.insert(name.clone(), "folder".into());
            found.extend(listing(&entry.path()).into_iter().map(|(inner, text)| (format!("{name}/{inner}"), text)));
        } else if kind.is_symlink() {
            found.insert(name, format!("-> {}", std::fs::read_link(entry.path()).unwrap().display()));
        } else {
            found.insert(name, std::fs::read_to_string(entry.path()).unwrap());
        }
    }
    found
}

#[test]
fn a_version_is_put_in_place_and_taken_back() {
    let fixture = Fixture::new();
    let old = listing(fixture.folder.path());
    let workspace = fixture.open();
    let applied = workspace.apply(fixture.from, fixture.to).unwrap();
    assert_eq!(applied.files, 9);
    assert_eq!(fixture.version(), fixture.to);
    let new = listing(fixture.folder.path());
    assert_eq!(new["link"], "-> /etc/passwd");
    assert_eq!(new["file/inside"], "in");
    workspace.apply(fixture.to, fixture.from).unwrap();
    assert_eq!(listing(fixture.folder.path()), old);
    // Once more is nothing to do.
    assert_eq!(workspace.apply(fixture.to, fixture.from).unwrap().files, 0);
}

/// How many times an apply, left alone, asks its gate.
fn gates(fixture: &Fixture) -> usize {
    let fixture = fixture.again();
    let mut asked = 0;
    fixture
        .open()
        .apply_with(fixture.from, fixture.to, &mut || {
            asked += 1;
            Ok(())
        })
        .unwrap();
    asked
}

#[test]
fn a_crash_at_any_point_leaves_the_old_or_leads_to_the_new() {
    let whole = Fixture::new();
    let total = gates(&whole);
    let mut outcomes = [0, 0];
    for crash in 0..total {
        let fixture = whole.again();
        let workspace = fixture.open();
        let mut left = crash;
        let crashed = catch_unwind(AssertUnwindSafe(|| {
            workspace.apply_with(fixture.from, fixture.to, &mut || {
                if left == 0 {
                    resume_unwind(Box::new("crash"));
                }
                left -= 1;
                Ok(())
            })
        }));
        assert!(crashed.is_err());
        drop(workspace);
        // Further crashes while the first is recovered from change nothing about that.
        for again in 0..3 {
            let mut left = again;
            let unrecovered = fixture.unrecovered();
            let _ = catch_unwind(AssertUnwindSafe(|| {
                unrecovered.recover_with(&mut || {
                    if left == 0 {
                        resume_unwind(Box::new("crash"));
                    }
                    left -= 1;
                    Ok(())
                })
            }));
        }
        let version = fixture.version();
        assert!(version == fixture.from || version == fixture.to, "half-changed after a crash at {crash}");
        outcomes[usize::from(version == fixture.to)] += 1;
        let names = listing(fixture.folder.path());
        assert!(names.keys().all(|name| !name.contains(".longhaul")), "{names:?}");
    }
    assert!(outcomes.iter().all(|count| *count > 3), "{outcomes:?}");
}

#[test]
fn an_error_at_any_point_is_rolled_back() {
    let whole = Fixture::new();
    let total = gates(&whole);
    let mut rolled_back = 0;
    for fault in 0..total {
        let fixture = whole.again();
        let old = listing(fixture.folder.path());
        let workspace = fixture.open();
        let mut left = fault;
        let outcome = workspace.apply_with(fixture.from, fixture.to, &mut || {
            left = left.wrapping_sub(1);
            if left == usize::MAX { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        });
        match outcome.unwrap_err() {
            ApplyError::Prepare { .. } => assert_eq!(listing(fixture.folder.path()), old),
            ApplyError::RolledBack { .. } => {
                rolled_back += 1;
                assert_eq!(listing(fixture.folder.path()), old);
                assert_eq!(fixture.version(), fixture.from);
            }
            // All was done but for the end; the next start sees to that.
            ApplyError::Stuck { .. } => assert_eq!(fixture.version(), fixture.to),
            other => panic!("{other}"),
        }
    }
    assert!(rolled_back > 8);
}

#[test]
fn what_the_user_changed_is_never_overwritten() {
    let fixture = Fixture::new();
    let root = fixture.folder.path();
    std::fs::write(root.join("a"), "mine").unwrap();
    std::fs::write(root.join("new"), "mine too").unwrap();
    std::fs::write(root.join("b"), "not touched by the version").unwrap();
    let before = listing(root);
    match fixture.open().apply(fixture.from, fixture.to).unwrap_err() {
        ApplyError::Changed { paths } => assert_eq!(paths, [path("a"), path("new")]),
        other => panic!("{other}"),
    }
    assert_eq!(listing(root), before);
    std::fs::write(root.join("a"), "1").unwrap();
    std::fs::remove_file(root.join("new")).unwrap();
    fixture.open().apply(fixture.from, fixture.to).unwrap();
    assert_eq!(std::fs::read_to_string(root.join("b")).unwrap(), "not touched by the version");
}

#[test]
fn a_planted_link_leads_nowhere() {
    let fixture = Fixture::new();
    let root = fixture.folder.path();
    let outside = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(outside.path().join("e")).unwrap();
    std::fs::write(outside.path().join("x"), "3").unwrap();
    std::fs::write(outside.path().join("e/y"), "4").unwrap();
    std::fs::rename(root.join("d"), root.join("d-moved")).unwrap();
    std::os::unix::fs::symlink(outside.path(), root.join("d")).unwrap();
    let before = listing(root);
    assert!(matches!(fixture.open().apply(fixture.from, fixture.to), Err(ApplyError::Changed { .. })));
    assert_eq!(listing(root), before);
    assert!(outside.path().join("e/y").exists());
}

#[test]
fn permissions_stay_and_unversioned_files_keep_their_folder() {
    use std::os::unix::fs::PermissionsExt;
    let fixture = Fixture::new();
    let root = fixture.folder.path();
    std::fs::set_permissions(root.join("a"), std::fs::Permissions::from_mode(0o640)).unwrap();
    std::fs::write(root.join("d/e/cache.o"), "kept").unwrap();
    fixture.open().apply(fixture.from, fixture.to).unwrap();
    assert_eq!(std::fs::metadata(root.join("a")).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(std::fs::read_to_string(root.join("d/e/cache.o")).unwrap(), "kept");
    assert!(!root.join("d/e/y").exists());
}

#[test]
fn an_interrupted_apply_does_not_overwrite_later_work() {
    let fixture = Fixture::new();
    let workspace = fixture.open();
    let mut left = gates(&fixture) - 4;
    let _ = catch_unwind(AssertUnwindSafe(|| {
        workspace.apply_with(fixture.from, fixture.to, &mut || {
            if left == 0 {
                resume_unwind(Box::new("crash"));
            }
            left -= 1;
            Ok(())
        })
    }));
    drop(workspace);
    let file = fixture.folder.path().join("a");
    std::fs::write(&file, "mine").unwrap();
    let error = fixture.try_open().unwrap_err();
    assert!(error.to_string().contains("`a`") && error.to_string().contains("apply/log.json"), "{error}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    std::fs::write(&file, "one").unwrap();
    assert_eq!(fixture.version(), fixture.to);
}
