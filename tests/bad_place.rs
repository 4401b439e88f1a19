//! Places that cannot be used: a workspace that is none, a state folder that somebody has, a full disk, a damaged record.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "the helpers of tests panic, and tell what they could not check"
)]

use longhaul_tests::{Place, Tree, guest};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const FLOW: &str = r#"
version: 1
name: replace
agents:
  codemod: { plugin: codemod, config: { rules: [ { name: replace, literal: old, replace: new } ] } }
permissions: { fs: { read: ["**"], write: ["**"] } }
tasks: { change: { agent: codemod } }
"#;

/// A task that goes on until somebody ends it.
fn endless() -> String {
    format!(
        r#"
version: 1
name: endless
agents: {{ sleeper: {{ plugin: {:?}, limits: {{ call_time: 20m }} }} }}
permissions: {{ fs: {{ read: ["**"], write: ["**"] }} }}
tasks: {{ wait: {{ agent: sleeper, with: {{ mode: sleep }} }} }}
"#,
        guest("hostile")
    )
}

#[test]
fn a_workspace_that_does_not_exist_or_is_no_folder() {
    let place = Place::with(&[("a.txt", "old")]);
    let before = Tree::read(place.outside());
    let file = place.workflow(FLOW);
    let run = |workspace: &str| {
        place.longhaul([OsStr::new("run"), file.as_os_str(), "-C".as_ref(), workspace.as_ref()]).code(2)
    };
    run("no/such/folder").says(&["no/such/folder", "No such file", "--workspace DIR"]);
    run("a.txt").says(&["a.txt", "is not a folder", "--workspace DIR"]);
    assert_eq!(Tree::read(place.outside()).without("test.workflow.yaml"), before);
    place.longhaul(["runs", "-C", "no/such/folder"]).code(2).says(&["no/such/folder"]);
    let root = FLOW.replace("agents:", "workspace: { root: nowhere }\nagents:");
    let file = place.workflow(&root);
    place.longhaul([OsStr::new("run"), file.as_os_str()]).code(2).says(&["nowhere"]);
}

#[test]
fn commands_that_look_where_nothing_was_run_say_so() {
    let place = Place::new();
    for command in ["runs", "show", "logs"] {
        place.longhaul([command]).code(2).says(&["no run was made in", "longhaul run WORKFLOW"]);
        place.longhaul([command, "--state", "nowhere"]).code(2).says(&["nowhere"]);
        place.longhaul([command, "--workspace", "."]).code(2).says(&["no run was made in this workspace yet"]);
    }
    assert_eq!(place.whole_tree(), Tree(Default::default()), "looking makes nothing");
}

#[test]
fn runs_that_do_not_exist_or_could_be_several() {
    let place = Place::with(&[("a.txt", "old")]);
    let ids: Vec<String> =
        (0..2).map(|_| place.run(FLOW, &[]).code(0).result()["run"].as_str().unwrap().to_owned()).collect();
    for given in ["nothing", "99999999", "../x", "", "'; DROP TABLE runs; --"] {
        place.longhaul(["show", given]).code(2).says(&["no run is called", "longhaul runs"]);
        place.longhaul(["logs", given]).code(2).says(&["no run is called"]);
    }
    let shared = &ids[0][..4];
    place.longhaul(["show", shared]).code(2).says(&["fits several runs", &ids[0], &ids[1], "give more of its id"]);
    place.longhaul(["logs", "last", "--task", "no such task!"]).code(2).says(&["--task"]);
    place.longhaul(["logs", "last", "--task", "other"]).code(0).says(&["`other`", "longhaul show"]);
    place.longhaul(["logs", "last", "--denied"]).code(0).says(&["nothing was refused"]);
}

#[test]
fn a_state_folder_that_another_process_uses() {
    let place = Place::with(&[("a.txt", "old")]);
    let long = place.beside("long.workflow.yaml", endless());
    let mut first = place.start([OsStr::new("run"), long.as_os_str()]);
    first.until("wait: sleeper begins");
    let before = place.tree();
    place.run(FLOW, &[]).code(2).says(&[
        "state folder",
        ".longhaul",
        "is used by process",
        "longhaul run",
        "--state DIR",
    ]);
    assert_eq!(place.tree(), before);
    // Looking needs no lock.
    place.longhaul(["runs"]).code(0).shows(&["endless", "running"]);
    place.longhaul(["show"]).code(0).shows(&["running", "wait"]);
    // The record shows a moment later what nobody waits for.
    first.runs_until(Duration::from_secs(20), || place.longhaul(["logs"]).stdout.contains("sleeper begins"));
    place.longhaul(["logs"]).code(0).shows(&["sleeper begins"]);
    first.signal(rustix::process::Signal::INT).until("stopping safely");
    first.end().code(1);
    place.run(FLOW, &[]).code(0);
    assert_eq!(place.text("a.txt"), "new");
}

#[test]
fn a_state_folder_that_cannot_be_one() {
    let place = Place::with(&[("a.txt", "old"), ("file", "x")]);
    place.run(FLOW, &["--state", "file"]).code(2).says(&["file"]);
    place.run(FLOW, &["--state", "file/below"]).code(2).says(&["file/below"]);
    place.run(FLOW, &["--state", "/proc/none"]).code(2).says(&["/proc/none"]);
    assert_eq!((place.text("a.txt").as_str(), place.text("file").as_str()), ("old", "x"));
    // A link planted in place of the lock does not make us write elsewhere.
    let victim = place.beside("victim", "precious");
    fs::create_dir(place.path(".longhaul")).unwrap();
    fs::write(place.path(".longhaul/longhaul-state"), "").unwrap();
    std::os::unix::fs::symlink(&victim, place.path(".longhaul/lock")).unwrap();
    place.run(FLOW, &[]).code(2).says(&[".longhaul"]);
    assert_eq!(fs::read_to_string(victim).unwrap(), "precious");
}

#[test]
fn a_record_that_is_damaged_is_told_and_kept() {
    let place = Place::with(&[("a.txt", "old")]);
    place.run(FLOW, &["--no-apply"]).code(0);
    let journal = place.path(".longhaul/journal.db");
    let good = fs::read(&journal).unwrap();
    let remove_side_files =
        || ["-wal", "-shm"].map(|end| drop(fs::remove_file(place.path(&format!(".longhaul/journal.db{end}")))));
    let mut torn = good.clone();
    let half = torn.len() / 2;
    torn[100..half].fill(0xa5);
    for (content, says) in
        [(b"this is no database at all, only text, and rather long so".to_vec(), "is not a journal"), (torn, "damaged")]
    {
        remove_side_files();
        fs::write(&journal, &content).unwrap();
        for command in [&["runs"][..], &["show"], &["logs", "--json"]] {
            let ended = place.longhaul(command).says(&["journal.db", says]);
            assert!([2, 70].contains(&ended.status.code().unwrap()), "{ended}");
        }
        let ended = place.run(FLOW, &[]).says(&["journal.db", says]);
        assert!([2, 70].contains(&ended.status.code().unwrap()), "{ended}");
        assert_eq!(place.text("a.txt"), "old", "without a record nothing happens");
        assert_eq!(fs::read(&journal).unwrap(), content, "it is evidence, and is left as it is");
    }
    remove_side_files();
    fs::write(&journal, &good).unwrap();
    place.longhaul(["runs"]).code(0).shows(&["replace"]);
}

/// A small disk. It goes when this is dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts one, where that is allowed.
    fn new(at: &Path, size: &str) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "longhaul-test"])
            .arg(at)
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(at.to_owned())),
            other => {
                eprintln!("NOT CHECKED, for a small disk cannot be mounted here: {other:?}");
                None
            }
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a failed test may have left something open.
        drop(Command::new("umount").arg("-l").arg(&self.0).output());
    }
}

#[test]
fn a_full_disk_is_told_and_nothing_is_lost() {
    let place = Place::new();
    // Half of the state's room is taken by the import, and what the agent writes needs all of it again.
    let text = |n: usize| format!("{n} ").repeat(200) + &"old ".repeat(2_000);
    for n in 0..100 {
        place.file(&format!("f{n}.txt"), text(n));
    }
    let before = place.tree();
    let disk = place.outside().join("disk");
    for size in ["40k", "300k", "1m", "1400k"] {
        let Some(_disk) = SmallDisk::new(&disk, size) else { return };
        let ended = place.run(FLOW, &["--state", disk.to_str().unwrap()]);
        assert_ne!(ended.status.code(), Some(0), "{size}: {ended}");
        let told = ["disk is full", "No space left", "no space"].iter().any(|text| ended.stderr.contains(text));
        assert!(told, "{size}: it says that the disk is full: {ended}");
        assert!(ended.stderr.contains(disk.to_str().unwrap()), "{size}: it says which: {ended}");
        assert_eq!(place.tree().differences(&before), [""; 0], "{size}");
    }
    let Some(_disk) = SmallDisk::new(&disk, "64m") else { return };
    place.run(FLOW, &["--state", disk.to_str().unwrap()]).code(0);
    assert_ne!(place.tree(), before, "with room it works");
}

#[test]
fn a_workspace_that_cannot_be_written_keeps_its_old_content() {
    let place = Place::new();
    let small = place.outside().join("small");
    let Some(_disk) = SmallDisk::new(&small, "256k") else { return };
    // The result is larger than what is left of the workspace's disk; the state lies on another one.
    for n in 0..4 {
        fs::write(small.join(format!("f{n}.txt")), "old ".repeat(8_000)).unwrap();
    }
    let before = Tree::read(&small);
    let flow = FLOW.replace("replace: new", "replace: \"something much longer than before\"");
    let state = place.outside().join("state");
    let ended = place.run(&flow, &["-C", small.to_str().unwrap(), "--state", state.to_str().unwrap()]).code(3);
    ended.says(&["was not applied", "everything was put back", "No space left"]);
    assert_eq!(Tree::read(&small).differences(&before), [""; 0], "all or nothing");
}
