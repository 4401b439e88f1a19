//! What users of a workspace rely on: import, stages, commit, limits, leftovers.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use longhaul_core::entry::ChangeKind;
use longhaul_core::grant::{FsPermissions, Grant, Party, Permissions};
use longhaul_core::path::StagePath;
use longhaul_core::stage::{Create, FsError, OpenMode, Stage};
use longhaul_workspace::{CommitError, Options, StageLimits, VersionId, Workspace, WorkspaceStage};
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

const ROOMY: StageLimits = StageLimits { bytes: 1 << 30, files: 10_000 };
const WRITE: OpenMode = OpenMode::Write { create: Create::IfMissing, truncate: true };

struct Fixture {
    folder: tempfile::TempDir,
    workspace: Workspace,
}

impl Fixture {
    /// A user's folder with these files, last changed long ago, and its state in `.longhaul` as usual.
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let file = folder.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, text).unwrap();
        }
        let workspace = open(folder.path());
        Self { folder, workspace }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn import(&self) -> VersionId {
        self.workspace.import().unwrap().version
    }

    fn names(&self, version: VersionId) -> Vec<String> {
        let stage = self.workspace.stage(version, "look", ROOMY).unwrap();
        let mut names = Vec::new();
        walk(&stage, &StagePath::root(), &mut names);
        names
    }
}

fn open(folder: &Path) -> Workspace {
    let root = Dir::open_ambient_dir(folder, ambient_authority()).unwrap();
    let _ = root.create_dir(".longhaul");
    let state = root.open_dir(".longhaul").unwrap();
    let options = Options { caches: vec!["target".into()], ignore: vec!["*.secret".into()] };
    Workspace::open(root, state, &options).unwrap()
}

fn walk(stage: &WorkspaceStage, at: &StagePath, names: &mut Vec<String>) {
    for entry in stage.list(at).unwrap() {
        let path = at.join(&entry.name).unwrap();
        names.push(path.to_string());
        if entry.kind == longhaul_core::stage::NodeKind::Folder {
            walk(stage, &path, names);
        }
    }
}

fn p(text: &str) -> StagePath {
    StagePath::new(text).unwrap()
}

fn write(stage: &WorkspaceStage, name: &str, text: &str) {
    stage.open(&p(name), WRITE).unwrap().append(text.as_bytes()).unwrap();
}

fn read(stage: &WorkspaceStage, name: &str) -> String {
    let file = stage.open(&p(name), OpenMode::Read).unwrap();
    let mut bytes = vec![0; file.node().size as usize];
    assert_eq!(file.read_at(&mut bytes, 0).unwrap(), bytes.len());
    String::from_utf8(bytes).unwrap()
}

fn entries(folder: &Path) -> usize {
    fs::read_dir(folder).map_or(0, |entries| entries.count())
}

#[test]
fn an_import_takes_what_is_the_projects_own() {
    let fixture = Fixture::new(&[
        ("src/main.rs", "fn main() {}"),
        (".gitignore", "*.log\n/out/\n"),
        ("src/.gitignore", "!keep.log\n"),
        ("x.log", ""),
        ("src/keep.log", ""),
        ("out/x", ""),
        ("src/out/x", ""),
        ("target/debug/x", ""),
        ("key.secret", ""),
        (".git/config", ""),
        ("sub/.git", ""),
    ]);
    fs::create_dir(fixture.path("empty")).unwrap();
    std::os::unix::fs::symlink("/etc", fixture.path("link")).unwrap();
    std::os::unix::net::UnixListener::bind(fixture.path("socket")).unwrap();
    fs::write(fixture.path("bad\u{fffd}").with_file_name(bad_name()), "").unwrap();
    let imported = fixture.workspace.import().unwrap();
    assert_eq!(
        fixture.names(imported.version),
        [
            ".gitignore",
            "empty",
            "link",
            "src",
            "src/.gitignore",
            "src/keep.log",
            "src/main.rs",
            "src/out",
            "src/out/x",
            "sub"
        ]
    );
    let skipped: Vec<_> = imported.report.skipped.iter().map(|s| (s.path.as_str(), s.reason)).collect();
    assert_eq!(skipped, [("b\u{fffd}d", "its name is not UTF-8"), ("socket", "it is neither file, folder nor link")]);
    assert_eq!(imported.report.files, 5);
}

fn bad_name() -> std::ffi::OsString {
    std::os::unix::ffi::OsStringExt::from_vec(b"b\xffd".to_vec())
}

#[test]
fn a_second_import_reads_only_what_changed() {
    let fixture = Fixture::new(&[("a", "1"), ("d/b", "2"), ("d/c", "3")]);
    // The disk's clock has to leave the moment in which a file might still change unseen.
    let old = fs::metadata(fixture.path("d/c")).unwrap().modified().unwrap();
    while tick(&fixture) < old + Duration::from_millis(60) {}
    let first = fixture.workspace.import().unwrap();
    assert_eq!(first.report.read, 3);
    let second = fixture.workspace.import().unwrap();
    assert_eq!((second.report.read, second.version), (0, first.version));
    assert_eq!(second.report.bytes, 3);

    // Same size, and a time set back: the inode's own time tells.
    fs::write(fixture.path("a"), "9").unwrap();
    fs::File::options().write(true).open(fixture.path("a")).unwrap().set_modified(old).unwrap();
    let third = fixture.workspace.import().unwrap();
    assert_eq!(third.report.read, 1);
    assert_eq!(fixture.workspace.read_file(third.version, &p("a")).unwrap(), b"9");
}

/// The present time, as the disk tells it.
fn tick(fixture: &Fixture) -> SystemTime {
    let file = fixture.path("target.tick.secret");
    fs::write(&file, "").unwrap();
    fs::metadata(&file).unwrap().modified().unwrap()
}

#[test]
fn a_file_changed_within_the_same_moment_is_seen() {
    let fixture = Fixture::new(&[("a", "0")]);
    for round in 1..200_u32 {
        let text = (round % 10).to_string();
        fs::write(fixture.path("a"), &text).unwrap();
        let version = fixture.import();
        assert_eq!(fixture.workspace.read_file(version, &p("a")).unwrap(), text.as_bytes(), "round {round}");
    }
}

#[test]
fn looking_writes_nothing_and_makes_no_new_version() {
    let fixture = Fixture::new(&[("a", "1"), ("d/b", "2")]);
    let version = fixture.import();
    let objects = || {
        let folders = fs::read_dir(fixture.path(".longhaul/objects")).unwrap();
        folders.map(|entry| entries(&entry.unwrap().path())).sum::<usize>()
    };
    let before = objects();
    let stage = fixture.workspace.stage(version, "look", ROOMY).unwrap();
    assert_eq!(read(&stage, "d/b"), "2");
    // Opened for writing, even written: the same content is the same version.
    write(&stage, "a", "1");
    stage.rename(&p("d/b"), &p("d/c")).unwrap();
    stage.rename(&p("d/c"), &p("d/b")).unwrap();
    let committed = fixture.workspace.commit(&stage, version).unwrap();
    assert_eq!((committed.version, committed.changes.len()), (version, 0));
    assert_eq!(objects(), before);
    assert_eq!(entries(&fixture.path(".longhaul/stages")), 0);
}

#[test]
fn a_commit_tells_what_changed_and_the_stage_goes_on() {
    let fixture = Fixture::new(&[("a", "1"), ("d/b", "2"), ("d/c", "3")]);
    let base = fixture.import();
    let stage = fixture.workspace.stage(base, "s", ROOMY).unwrap();
    stage.create_dir(&p("new")).unwrap();
    write(&stage, "new/large", &"x".repeat(100_000));
    write(&stage, "d/b", "two");
    stage.remove_file(&p("d/c")).unwrap();
    let committed = fixture.workspace.commit(&stage, base).unwrap();
    let list: Vec<_> = committed.changes.iter().map(|c| format!("{:?} {}", c.change, c.path)).collect();
    assert_eq!(list, ["Modified d/b", "Removed d/c", "Added new/large"]);
    assert_eq!(stage.base(), committed.version);
    write(&stage, "a", "one");
    let second = fixture.workspace.commit(&stage, committed.version).unwrap();
    assert_eq!(second.changes.len(), 1);
    assert_eq!(fixture.workspace.diff(base, second.version).unwrap().len(), 4);
}

#[test]
fn tasks_that_commit_side_by_side_come_together_or_conflict() {
    let fixture = Fixture::new(&[("a", "1"), ("b", "2"), ("d/c", "3")]);
    let base = fixture.import();
    let stage = |name| fixture.workspace.stage(base, name, ROOMY).unwrap();
    let (one, two, three) = (stage("one"), stage("two"), stage("three"));
    write(&one, "a", "one");
    write(&two, "d/new", "two");
    write(&three, "a", "three");
    let first = fixture.workspace.commit(&one, base).unwrap();
    let second = fixture.workspace.commit(&two, first.version).unwrap();
    assert_eq!(second.base, first.version);
    assert_eq!(fixture.workspace.read_file(second.version, &p("a")).unwrap(), b"one");
    assert_eq!(fixture.workspace.read_file(second.version, &p("d/new")).unwrap(), b"two");
    match fixture.workspace.commit(&three, second.version).unwrap_err() {
        CommitError::Conflict { paths } => assert_eq!(paths, [p("a")]),
        other => panic!("{other}"),
    }
    // The loser may still bring its work together with the winner's.
    write(&three, "a", "one");
    assert_eq!(fixture.workspace.commit(&three, second.version).unwrap().version, second.version);
}

#[test]
fn versions_outlive_the_host_and_stages_do_not() {
    let fixture = Fixture::new(&[("a", "1")]);
    let base = fixture.import();
    let stage = fixture.workspace.stage(base, "s", ROOMY).unwrap();
    write(&stage, "big", &"y".repeat(200_000));
    let version = fixture.workspace.commit(&stage, base).unwrap().version;
    write(&stage, "big", &"z".repeat(200_000));
    assert_eq!(entries(&fixture.path(".longhaul/stages")), 1);
    // A host that is killed runs no destructor.
    std::mem::forget(stage);
    let again = open(fixture.folder.path());
    assert_eq!(entries(&fixture.path(".longhaul/stages")), 0);
    assert_eq!(again.read_file(version, &p("big")).unwrap().len(), 200_000);
    let changes = again.diff(base, version).unwrap();
    assert_eq!(changes.len(), 1);
    assert_eq!((changes[0].path.clone(), changes[0].change), (p("big"), ChangeKind::Added));
}

#[test]
fn an_object_never_changes_once_committed() {
    let fixture = Fixture::new(&[]);
    let base = fixture.import();
    let stage = fixture.workspace.stage(base, "s", ROOMY).unwrap();
    let file = stage.open(&p("f"), WRITE).unwrap();
    file.append(&[b'a'; 100_000]).unwrap();
    let first = fixture.workspace.commit(&stage, base).unwrap().version;
    // The handle is older than the commit.
    file.write_at(b"b", 0).unwrap();
    let second = fixture.workspace.commit(&stage, first).unwrap().version;
    assert_eq!(fixture.workspace.read_file(first, &p("f")).unwrap()[0], b'a');
    assert_eq!(fixture.workspace.read_file(second, &p("f")).unwrap()[0], b'b');
    drop((stage, file));
    assert_eq!(entries(&fixture.path(".longhaul/stages")), 0);
}

#[test]
fn a_file_with_two_names_is_committed_under_both() {
    let fixture = Fixture::new(&[("d/a", "1"), ("e/b", "2")]);
    let base = fixture.import();
    let stage = fixture.workspace.stage(base, "s", ROOMY).unwrap();
    stage.link(&p("d/a"), &p("e/c")).unwrap();
    write(&stage, "e/c", "both");
    assert_eq!(stage.node(&p("d/a")).unwrap().links, 2);
    let version = fixture.workspace.commit(&stage, base).unwrap().version;
    for name in ["d/a", "e/c"] {
        assert_eq!(fixture.workspace.read_file(version, &p(name)).unwrap(), b"both", "{name}");
    }
}

#[test]
fn a_stage_keeps_to_its_quota_and_gives_back_what_it_frees() {
    let fixture = Fixture::new(&[("base", &"b".repeat(900))]);
    let version = fixture.import();
    let stage = fixture.workspace.stage(version, "s", StageLimits { bytes: 1000, files: 3 }).unwrap();
    let file = stage.open(&p("a"), WRITE).unwrap();
    assert_eq!(file.write_at(b"x", 1 << 40), Err(FsError::Quota));
    assert_eq!(file.set_size(u64::MAX), Err(FsError::Quota));
    assert_eq!(file.write_at(b"x", u64::MAX), Err(FsError::Quota));
    file.append(&[0; 600]).unwrap();
    // The version's own content counts once it has to be copied.
    let base = stage.open(&p("base"), OpenMode::Write { create: Create::No, truncate: false }).unwrap();
    assert_eq!(base.append(b"x"), Err(FsError::Quota));
    assert_eq!(file.append(&[0; 401]), Err(FsError::Quota));
    assert_eq!(file.node().size, 600);
    stage.remove_file(&p("a")).unwrap();
    assert_eq!(base.append(b"x"), Err(FsError::Quota), "an open handle still holds the content");
    drop(file);
    base.append(b"x").unwrap();

    stage.create_dir(&p("d")).unwrap();
    stage.symlink("x", &p("l")).unwrap();
    stage.link(&p("base"), &p("h")).unwrap();
    assert_eq!(stage.create_dir(&p("e")), Err(FsError::Quota));
    assert_eq!(stage.link(&p("base"), &p("i")), Err(FsError::Quota));
    stage.remove_dir(&p("d")).unwrap();
    stage.create_dir(&p("e")).unwrap();
}

#[test]
fn no_tree_is_deep_enough_to_do_harm() {
    let fixture = Fixture::new(&[("a", "1")]);
    let version = fixture.import();
    let stage = fixture.workspace.stage(version, "s", ROOMY).unwrap();
    let mut deepest = Err(FsError::NotFound);
    // A chain is put at the end of another over and over, which no single path shows.
    for _ in 0..50 {
        let mut at = p("chain");
        if stage.create_dir(&at).is_err() {
            break;
        }
        for _ in 0..200 {
            at = at.join("d").unwrap();
            stage.create_dir(&at).unwrap();
        }
        deepest = stage.rename(&p("tower"), &at.join("t").unwrap());
        if deepest.is_ok() || deepest == Err(FsError::NotFound) {
            stage.rename(&p("chain"), &p("tower")).unwrap();
        } else {
            break;
        }
    }
    assert_eq!(deepest, Err(FsError::NameTooLong));
    fixture.workspace.commit(&stage, version).unwrap();
}

#[test]
fn the_hosts_folders_cannot_be_made_in_a_stage() {
    let fixture = Fixture::new(&[("a", "1")]);
    let version = fixture.import();
    let stage = fixture.workspace.stage(version, "s", ROOMY).unwrap();
    assert_eq!(stage.create_dir(&p(".git")), Err(FsError::Denied));
    assert_eq!(stage.rename(&p("a"), &p(".longhaul")), Err(FsError::Denied));
    assert_eq!(stage.open(&p(".GIT"), WRITE).err(), Some(FsError::Denied));
    assert_eq!(stage.link(&p("a"), &p(".git")), Err(FsError::Denied));
    assert_eq!(stage.symlink("x", &p(".git")), Err(FsError::Denied));
    assert!(fixture.workspace.stage(version, "../x", ROOMY).is_err());
}

#[test]
fn a_stage_shows_the_same_on_every_replay() {
    let fixture = Fixture::new(&[("a", "1"), ("d/b", "2")]);
    let version = fixture.import();
    let play = |name| {
        let stage = fixture.workspace.stage(version, name, ROOMY).unwrap();
        write(&stage, "d/new", "x");
        stage.rename(&p("d"), &p("e")).unwrap();
        ["a", "e", "e/b", "e/new"].map(|path| stage.node(&p(path)).unwrap())
    };
    assert_eq!(play("one"), play("two"));
    // The identity goes with the file, whatever it is called.
    let stage = fixture.workspace.stage(version, "three", ROOMY).unwrap();
    assert_eq!(stage.node(&p("d/b")).unwrap().identity, play("four")[2].identity);
    assert_eq!(stage.node(&p("d/b")).unwrap().changed, 0);
}

#[test]
fn what_a_grant_shows_of_two_versions_is_equal_where_nothing_of_it_differs() {
    let fixture = Fixture::new(&[("a", "1"), ("d/b", "2"), ("e/c", "3")]);
    let first = fixture.import();
    let grant = |read: &str, write: &str| {
        let fs = FsPermissions { read: vec![read.to_owned()], write: vec![write.to_owned()] };
        Grant::new([(Party::Task, Permissions { fs: Some(fs), ..Permissions::default() })]).unwrap()
    };
    let next = |path: &str, text: &str| {
        let stage = fixture.workspace.stage(first, &path.replace("/", "-"), ROOMY).unwrap();
        write(&stage, path, text);
        fixture.workspace.commit(&stage, first).unwrap().version
    };
    let (content, added) = (next("d/b", "other"), next("e/new", "x"));
    let same = |grant: &Grant, version| {
        let of = |version| fixture.workspace.visible(version, grant).unwrap();
        of(first) == of(version)
    };
    assert!(!same(&grant("**", "**"), content) && !same(&grant("**", "**"), added));
    let only_d = grant("d/**", "nothing");
    assert!(!same(&only_d, content) && same(&only_d, added));
    let only_a = grant("a", "nothing");
    assert!(same(&only_a, content) && same(&only_a, added));
    // Whoever may write somewhere finds out what is there.
    assert!(!same(&grant("a", "e/**"), added));
}

#[test]
fn what_no_version_needs_is_collected_and_read_again_where_it_comes_back() {
    let fixture = Fixture::new(&[("a", "1"), ("d/b", "2")]);
    let first = fixture.import();
    let stage = fixture.workspace.stage(first, "s", ROOMY).unwrap();
    write(&stage, "a", "other");
    let second = fixture.workspace.commit(&stage, first).unwrap().version;
    drop(stage);
    let added = fixture.workspace.used();
    let all = fixture.workspace.collect(&[first, second], 0).unwrap();
    assert_eq!((all.removed, all.left), (0, 6), "three files, two roots and one folder");
    assert_eq!((added, fixture.workspace.used()), (all.bytes, all.bytes));
    let one = fixture.workspace.collect(&[second], 0).unwrap();
    assert_eq!(fixture.workspace.used(), one.bytes, "what is known without looking is what was found");
    assert_eq!((one.removed, one.left), (2, 4), "the old file and the old root");
    assert_eq!(fixture.workspace.read_file(second, &p("d/b")).unwrap(), b"2");
    // The folder is unchanged since it was read, and what it holds is in the store again all the same.
    assert_eq!(fixture.import(), first);
    assert_eq!(fixture.workspace.read_file(first, &p("a")).unwrap(), b"1");
    // A version that is not there keeps everything as it is.
    let missing = longhaul_workspace::VersionId(longhaul_core::digest::Digest::of(b"nothing"));
    assert!(fixture.workspace.collect(&[second, missing], 0).is_err());
    assert_eq!(fixture.workspace.collect(&[first, second], 0).unwrap().left, 6);
}
