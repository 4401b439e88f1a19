//! Grounds: a stage as a folder, and what commands leave there. The commands are this test's own hands.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use longhaul_core::grant::{FsPermissions, Grant, Party, Permissions};
use longhaul_core::ground::Taken;
use longhaul_core::path::StagePath;
use longhaul_core::stage::{Create, FsError, NodeKind, OpenMode, Stage};
use longhaul_workspace::{Ground, GroundError, Options, StageLimits, VersionId, Workspace, WorkspaceStage};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const ROOMY: StageLimits = StageLimits { bytes: 1 << 30, files: 1_000 };

struct Fixture {
    folder: tempfile::TempDir,
    workspace: Workspace,
    version: VersionId,
    stage: Arc<WorkspaceStage>,
    ground: Ground,
    grant: Grant,
}

fn grant(read: &[&str], write: &[&str]) -> Grant {
    let own = |list: &[&str]| list.iter().map(|pattern| (*pattern).to_owned()).collect();
    let fs = Some(FsPermissions { read: own(read), write: own(write) });
    Grant::new([(Party::Task, Permissions { fs, ..Permissions::default() })]).unwrap()
}

fn open(folder: &Path) -> Workspace {
    let root = Dir::open_ambient_dir(folder, ambient_authority()).unwrap();
    let _ = root.create_dir(".longhaul");
    let state = root.open_dir(".longhaul").unwrap();
    Workspace::open(root, state, &Options { caches: vec!["target".into()], ignore: Vec::new() }).unwrap()
}

impl Fixture {
    fn new(files: &[(&str, &str)], grant: Grant) -> Self {
        Self::with(files, grant, ROOMY)
    }

    fn with(files: &[(&str, &str)], grant: Grant, limits: StageLimits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let file = folder.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, text).unwrap();
        }
        let workspace = open(folder.path());
        let version = workspace.import().unwrap().version;
        let stage = workspace.stage(version, "a", limits).unwrap();
        let ground = workspace.ground("a");
        Self { folder, workspace, version, stage, ground, grant }
    }

    /// Lays the ground, lets `command` do something there, takes what it did.
    fn run(&mut self, command: impl FnOnce(&Path)) -> Result<Taken, GroundError> {
        self.ground.lay(&self.stage, &self.grant)?;
        command(&self.files());
        self.ground.take(&self.stage, &self.grant)
    }

    fn files(&self) -> PathBuf {
        self.folder.path().join(".longhaul/grounds").join(self.ground.name()).join("files")
    }

    /// Everything that the stage has.
    fn shown(&self) -> Vec<String> {
        shown(&self.stage)
    }

    /// What a replay makes of what was taken: stages that only put, one tree after another.
    fn replayed(&self, taken: &[Taken]) -> Vec<String> {
        let stage = self.workspace.stage(self.version, "again", ROOMY).unwrap();
        for taken in taken {
            self.workspace.put(&stage, taken.tree.unwrap()).unwrap();
        }
        shown(&stage)
    }
}

fn shown(stage: &WorkspaceStage) -> Vec<String> {
    fn walk(stage: &WorkspaceStage, at: &StagePath, all: &mut Vec<String>) {
        for entry in stage.list(at).unwrap() {
            let path = at.join(&entry.name).unwrap();
            match entry.kind {
                NodeKind::Folder => {
                    all.push(format!("{path}/"));
                    walk(stage, &path, all);
                }
                NodeKind::Symlink => all.push(format!("{path} -> {}", stage.read_link(&path).unwrap())),
                NodeKind::File => all.push(format!("{path}: {}", text(stage, path.as_str()).unwrap())),
            }
        }
    }
    let mut all = Vec::new();
    walk(stage, &StagePath::root(), &mut all);
    all
}

fn text(stage: &WorkspaceStage, path: &str) -> Result<String, FsError> {
    let file = stage.open(&StagePath::new(path).unwrap(), OpenMode::Read)?;
    let mut bytes = vec![0; usize::try_from(file.node().size).unwrap()];
    file.read_at(&mut bytes, 0)?;
    Ok(String::from_utf8(bytes).unwrap())
}

fn write(stage: &WorkspaceStage, path: &str, text: &str) {
    let mode = OpenMode::Write { create: Create::IfMissing, truncate: true };
    stage.open(&StagePath::new(path).unwrap(), mode).unwrap().write_at(text.as_bytes(), 0).unwrap();
}

fn everything() -> Grant {
    grant(&["**"], &["**"])
}

#[test]
fn what_a_command_changes_becomes_part_of_the_stage_and_of_its_replay() {
    let mut world = Fixture::new(&[("src/a.rs", "a"), ("src/b.rs", "b"), ("old/c", "c")], everything());
    let first = world
        .run(|files| {
            assert_eq!(fs::read_to_string(files.join("src/a.rs")).unwrap(), "a");
            fs::write(files.join("src/a.rs"), "A").unwrap();
            fs::remove_dir_all(files.join("old")).unwrap();
            fs::create_dir_all(files.join("new/deep")).unwrap();
            fs::write(files.join("new/deep/d"), "d").unwrap();
            symlink("../src", files.join("new/link")).unwrap();
        })
        .unwrap();
    let expected = ["new/", "new/deep/", "new/deep/d: d", "new/link -> ../src", "src/", "src/a.rs: A", "src/b.rs: b"];
    assert_eq!(world.shown(), expected);
    assert_eq!((first.changed, first.left_out), (7, 0), "{first:?}");
    assert_eq!(first.listed, ["-old/c", "-old", "+new", "+new/deep", "+new/deep/d", "+new/link", "+src/a.rs"]);
    let second = world.run(|files| fs::rename(files.join("src/b.rs"), files.join("src/c.rs")).unwrap()).unwrap();
    assert_eq!(second.listed, ["-src/b.rs", "+src/c.rs"]);
    assert_eq!(world.replayed(&[first, second]), world.shown());
}

#[test]
fn a_command_that_changes_nothing_changes_nothing() {
    let mut world = Fixture::new(&[("a", "a")], everything());
    let taken = world.run(|files| fs::write(files.join("a"), "a").unwrap()).unwrap();
    assert_eq!((taken.changed, taken.left_out), (0, 0));
    assert_eq!(world.workspace.seal(&world.stage).unwrap(), world.version);
}

#[test]
fn a_change_right_after_laying_that_hides_its_times_is_found() {
    let mut world = Fixture::new(&[("a", "one")], everything());
    let taken = world
        .run(|files| {
            let file = files.join("a");
            let before = fs::metadata(&file).unwrap();
            fs::write(&file, "two").unwrap();
            fs::File::options().write(true).open(&file).unwrap().set_modified(before.modified().unwrap()).unwrap();
        })
        .unwrap();
    assert_eq!((taken.changed, text(&world.stage, "a").unwrap().as_str()), (1, "two"));
}

#[test]
fn the_ground_follows_what_the_guest_changes_between_commands() {
    let mut world = Fixture::new(&[("a", "a"), ("dir/b", "b")], everything());
    world.run(|files| fs::write(files.join("made"), "m").unwrap()).unwrap();
    write(&world.stage, "a", "guest");
    world.stage.remove_file(&StagePath::new("dir/b").unwrap()).unwrap();
    world.stage.remove_dir(&StagePath::new("dir").unwrap()).unwrap();
    write(&world.stage, "made", "guest too");
    write(&world.stage, "dir", "a file now");
    let taken = world
        .run(|files| {
            assert_eq!(fs::read_to_string(files.join("a")).unwrap(), "guest");
            assert_eq!(fs::read_to_string(files.join("made")).unwrap(), "guest too");
            assert_eq!(fs::read_to_string(files.join("dir")).unwrap(), "a file now");
        })
        .unwrap();
    assert_eq!(taken.changed, 0, "{taken:?}");
}

#[test]
fn nothing_that_a_dropped_command_did_is_seen_by_the_next_one_or_taken_for_its_work() {
    let mut it = Fixture::new(&[("a", "a"), ("d/b", "b")], everything());
    it.run(|files| fs::write(files.join("a"), "A").unwrap()).unwrap();
    // One that nothing is taken of.
    it.ground.lay(&it.stage, &it.grant).unwrap();
    fs::write(it.files().join("a"), "half").unwrap();
    fs::write(it.files().join("new"), "half").unwrap();
    fs::remove_dir_all(it.files().join("d")).unwrap();
    let taken = it
        .run(|files| {
            assert_eq!(fs::read_to_string(files.join("a")).unwrap(), "A");
            assert_eq!(fs::read_to_string(files.join("d/b")).unwrap(), "b");
            assert!(!files.join("new").exists());
        })
        .unwrap();
    assert_eq!(taken.changed, 0, "{taken:?}");
    assert_eq!(it.shown(), ["a: A", "d/", "d/b: b"]);
}

#[test]
fn a_ground_that_is_warm_is_not_laid_again() {
    let mut world = Fixture::new(&[("a", "a"), ("b", "b")], everything());
    world.run(|_| {}).unwrap();
    let before = fs::metadata(world.files().join("a")).unwrap().modified().unwrap();
    std::thread::sleep(Duration::from_millis(30));
    world.run(|files| fs::write(files.join("b"), "B").unwrap()).unwrap();
    assert_eq!(fs::metadata(world.files().join("a")).unwrap().modified().unwrap(), before);
}

#[test]
fn only_what_is_granted_is_there_and_only_what_is_granted_is_taken() {
    let files = [("src/a", "a"), ("secret/s", "s"), ("docs/d", "d")];
    let mut world = Fixture::new(&files, grant(&["src/**", "docs/**"], &["src/**"]));
    let taken = world
        .run(|files| {
            assert!(!files.join("secret").exists());
            fs::write(files.join("src/new"), "n").unwrap();
            fs::write(files.join("docs/d"), "changed").unwrap();
            fs::write(files.join("docs/new"), "n").unwrap();
            fs::create_dir(files.join("secret")).unwrap();
            fs::write(files.join("secret/s"), "overwritten").unwrap();
        })
        .unwrap();
    assert_eq!(taken.listed, ["+src/new"]);
    assert_eq!(taken.left_out, 4, "{taken:?}");
    assert!(
        taken.unlisted.iter().all(|left_out| left_out.ends_with("the grant does not let it be written")),
        "{taken:?}"
    );
    assert_eq!(world.shown(), ["docs/", "docs/d: d", "secret/", "secret/s: s", "src/", "src/a: a", "src/new: n"]);
    world
        .run(|files| {
            assert_eq!(fs::read_to_string(files.join("docs/d")).unwrap(), "d", "it is undone");
            assert!(!files.join("docs/new").exists() && !files.join("secret").exists());
        })
        .unwrap();
}

#[test]
fn what_is_hidden_is_not_removed_with_the_folder_around_it() {
    let mut world = Fixture::new(&[("src/a", "a"), ("src/hidden", "h")], grant(&["src/a"], &["src/**"]));
    let taken = world.run(|files| fs::remove_dir_all(files.join("src")).unwrap()).unwrap();
    assert_eq!(world.shown(), ["src/", "src/hidden: h"]);
    assert_eq!((taken.changed, taken.left_out), (1, 1), "{taken:?}");
    assert_eq!(world.replayed(&[taken]), world.shown());
}

#[test]
fn ignored_files_and_caches_stay_in_the_folder_and_out_of_the_stage() {
    let mut world = Fixture::new(&[(".gitignore", "*.log\nbuild/\n"), ("a", "a")], everything());
    let taken = world
        .run(|files| {
            fs::write(files.join("x.log"), "l").unwrap();
            fs::create_dir(files.join("build")).unwrap();
            fs::write(files.join("build/out"), "o").unwrap();
            fs::write(files.join("target/cached"), "c").unwrap();
            fs::create_dir(files.join(".git")).unwrap();
        })
        .unwrap();
    assert_eq!((taken.changed, taken.left_out), (0, 0), "{taken:?}");
    world.run(|files| assert!(files.join("build/out").exists() && files.join("x.log").exists())).unwrap();
}

#[test]
fn links_that_a_command_planted_lead_nowhere() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), "s").unwrap();
    let mut world = Fixture::new(&[("dir/a", "a"), ("file", "f")], everything());
    world
        .run(|files| {
            fs::remove_dir_all(files.join("dir")).unwrap();
            symlink(outside.path(), files.join("dir")).unwrap();
            fs::remove_file(files.join("file")).unwrap();
            symlink(outside.path().join("secret"), files.join("file")).unwrap();
            // The place of a cache, too.
            fs::remove_dir(files.join("target")).unwrap();
            symlink(outside.path(), files.join("target")).unwrap();
        })
        .unwrap();
    let link = outside.path().display().to_string();
    assert_eq!(world.shown(), [format!("dir -> {link}"), format!("file -> {link}/secret")]);
    // What the guest puts in their place goes there, and nowhere else.
    world.stage.remove_file(&StagePath::new("dir").unwrap()).unwrap();
    world.stage.create_dir(&StagePath::new("dir").unwrap()).unwrap();
    write(&world.stage, "dir/secret", "guest");
    world.run(|files| assert_eq!(fs::read_to_string(files.join("dir/secret")).unwrap(), "guest")).unwrap();
    assert_eq!(fs::read_to_string(outside.path().join("secret")).unwrap(), "s");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
}

#[test]
fn kinds_may_change_and_bits_are_kept() {
    let mut world = Fixture::new(&[("a", "a"), ("dir/b", "b"), ("script", "s")], everything());
    let taken = world
        .run(|files| {
            fs::remove_file(files.join("a")).unwrap();
            fs::create_dir(files.join("a")).unwrap();
            fs::write(files.join("a/inner"), "i").unwrap();
            fs::remove_dir_all(files.join("dir")).unwrap();
            fs::write(files.join("dir"), "file").unwrap();
            fs::set_permissions(files.join("script"), fs::Permissions::from_mode(0o755)).unwrap();
        })
        .unwrap();
    assert_eq!(world.shown(), ["a/", "a/inner: i", "dir: file", "script: s"]);
    assert_eq!(world.replayed(&[taken]), world.shown());
    world
        .run(|files| assert_eq!(fs::metadata(files.join("script")).unwrap().permissions().mode() & 0o111, 0o111))
        .unwrap();
}

#[test]
fn odd_things_are_left_out_and_said() {
    let mut world = Fixture::new(&[("a", "a")], everything());
    let taken = world
        .run(|files| {
            rustix::fs::mknodat(
                rustix::fs::CWD,
                files.join("pipe"),
                rustix::fs::FileType::Fifo,
                rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
                0,
            )
            .unwrap();
            let odd: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(b"odd\xff");
            fs::write(files.join(odd), "x").unwrap();
        })
        .unwrap();
    assert_eq!((taken.changed, taken.left_out), (0, 2), "{taken:?}");
}

#[test]
fn what_does_not_fit_is_refused_whole_and_undone() {
    let mut world = Fixture::with(&[("a", "a")], everything(), StageLimits { bytes: 100, files: 10 });
    let refused = world.run(|files| {
        fs::write(files.join("small"), "s").unwrap();
        fs::write(files.join("large"), "x".repeat(200)).unwrap();
    });
    assert!(matches!(refused, Err(GroundError::Quota(_))), "{refused:?}");
    assert_eq!(world.shown(), ["a: a"]);
    let refused = world.run(|files| {
        assert!(!files.join("small").exists());
        assert_eq!(fs::read_to_string(files.join("a")).unwrap(), "a");
        (0..50).for_each(|n| fs::write(files.join(n.to_string()), "").unwrap());
    });
    assert!(matches!(refused, Err(GroundError::Quota(_))), "{refused:?}");
    assert_eq!(world.shown(), ["a: a"]);
    // Room that was given back can be used again, as often as it is.
    for n in 0..10 {
        world.run(|files| fs::write(files.join("b"), n.to_string().repeat(90)).unwrap()).unwrap();
    }
}

#[test]
fn what_was_taken_is_not_collected_as_long_as_the_stage_lives() {
    let mut world = Fixture::new(&[("a", "a")], everything());
    let taken = world.run(|files| fs::write(files.join("b"), "b").unwrap()).unwrap();
    world.workspace.collect(&[world.version], 0).unwrap();
    assert_eq!(text(&world.stage, "b").unwrap(), "b");
    let committed = world.workspace.commit(&world.stage, world.version).unwrap();
    assert_eq!(committed.changes.len(), 1);
    let tree = taken.tree.unwrap();
    let other = world.workspace.stage(world.version, "other", ROOMY).unwrap();
    drop(std::mem::replace(&mut world.stage, other));
    world.workspace.collect(&[world.version], 0).unwrap();
    let gone = world.workspace.put(&world.stage, tree);
    assert!(matches!(gone, Err(GroundError::Object(_))), "{gone:?}");
}

#[test]
fn nothing_is_left_of_a_ground() {
    let mut world = Fixture::new(&[("a", "a")], everything());
    world.run(|files| fs::create_dir_all(files.join("target/x/y")).unwrap()).unwrap();
    let grounds = world.folder.path().join(".longhaul/grounds");
    assert_eq!(fs::read_dir(&grounds).unwrap().count(), 1);
    let other = world.workspace.ground("b");
    drop(std::mem::replace(&mut world.ground, other));
    assert_eq!(fs::read_dir(&grounds).unwrap().count(), 0);
    // What an interrupted host left is removed when the workspace is opened.
    fs::create_dir_all(grounds.join("left/files/x")).unwrap();
    drop(open(world.folder.path()));
    assert_eq!(fs::read_dir(&grounds).unwrap().count(), 0);
}
