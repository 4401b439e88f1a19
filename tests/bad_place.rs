//! Places that cannot be used: a workspace that is none, a state folder that somebody has, a full disk, a damaged record.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "the helpers of tests panic, and tell what they could not check"
)]

use landlock::{ABI, Access, AccessFs, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr};
use longhaul_tests::{Place, Tree, guest};
use std::ffi::OsStr;
use std::fs;
use std::time::Duration;

/// Rule sets that Landlock puts on one thread.
const LAYERS: usize = 16;

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
    first.kill();
    // A run that was killed does not run while another one does.
    let mut first = place.start([OsStr::new("run"), long.as_os_str()]);
    first.until("wait: sleeper begins");
    let runs = place.longhaul(["runs", "--json"]).code(0).json();
    assert_eq!((&runs[0]["status"], &runs[1]["status"]), (&"running".into(), &"interrupted".into()), "{runs}");
    let killed = runs[1]["run"].as_str().unwrap();
    assert_eq!(place.longhaul(["show", killed, "--json"]).code(0).json()["status"], "interrupted");
    // The record shows a moment later what nobody waits for.
    first.runs_until(Duration::from_secs(20), || place.longhaul(["logs"]).stdout.contains("sleeper begins"));
    place.longhaul(["logs"]).code(0).shows(&["sleeper begins"]);
    first.signal(rustix::process::Signal::INT).until("pausing");
    first.end().code(1);
    place.run(FLOW, &[]).code(0);
    assert_eq!(place.text("a.txt"), "new");
}

#[test]
fn a_state_folder_of_a_later_version_is_left_as_it_is() {
    let place = Place::with(&[("a.txt", "old")]);
    place.run(FLOW, &[]).code(0);
    let journal = place.path(".longhaul/journal.db");
    let mut bytes = fs::read(&journal).unwrap();
    // Where SQLite keeps the number of the schema: a big-endian number at byte 60.
    bytes[60..64].copy_from_slice(&99_u32.to_be_bytes());
    fs::write(&journal, &bytes).unwrap();
    for command in [vec!["resume", "last"], vec!["runs"], vec!["show"], vec!["checkpoint", "list"]] {
        place.longhaul(command).code(2).says(&["journal.db has schema 99", "use the version that wrote it"]);
    }
    place.run(FLOW, &[]).code(2).says(&["use the version that wrote it"]);
    assert_eq!(fs::read(&journal).unwrap(), bytes, "it is not touched");
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

#[test]
fn an_apply_that_cannot_be_completed_is_no_fault_of_the_input() {
    let place = Place::with(&[("a.txt", "old")]);
    place.run(FLOW, &["--no-apply"]).code(0);
    // As a crash in the middle of an apply leaves it, whose content is lost: this path was to get what no object holds.
    let digest = |text: &str| text.repeat(64);
    let file = |digest: &str| serde_json::json!({ "file": { "digest": digest, "size": 3, "executable": false } });
    let old = "8dbbec7c4e2ff5c2d0c5d3b3ea1e6e1b6e2b9f5e7a0b8f4f2f0a0a7a0b3a2d11";
    let log = |before: serde_json::Value| {
        let step = serde_json::json!({ "path": "a.txt", "before": before, "after": file(&digest("c")), "mode": null });
        let log = serde_json::json!({ "format": 1, "from": digest("a"), "to": digest("b"), "steps": [step] });
        fs::write(place.path(".longhaul/apply/log.json"), log.to_string()).unwrap();
    };
    log(file(old));
    let ended = place.run(FLOW, &[]).code(3);
    ended.says(&["interrupted apply", "may be half-changed", "`a.txt`", "apply/log.json"]);
    assert_eq!(place.text("a.txt"), "old");
    fs::remove_file(place.path("a.txt")).unwrap();
    log(serde_json::Value::Null);
    for command in [&["apply"][..], &["run", "../test.workflow.yaml"]] {
        place.longhaul(command).code(70).says(&["interrupted apply", "may be half-changed", "hint:", "apply/log.json"]);
    }
    // What is left to do is dropped by whoever has looked.
    fs::remove_file(place.path(".longhaul/apply/log.json")).unwrap();
    place.file("a.txt", "old");
    place.run(FLOW, &[]).code(0);
}

#[test]
fn a_folder_that_cannot_be_listed_is_told_as_input() {
    if rustix::process::geteuid().is_root() {
        eprintln!("not checked as root: a folder without permission to list it");
        return;
    }
    let place = Place::with(&[("a.txt", "old"), ("closed/b.txt", "old")]);
    fs::set_permissions(place.path("closed"), std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
    let ended = place.run(FLOW, &[]);
    fs::set_permissions(place.path("closed"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    ended.code(2).says(&["cannot list the folder `closed`", "make it readable"]);
}

#[test]
fn where_the_second_wall_cannot_stand_it_can_be_demanded() {
    let place = Place::with(&[("a.txt", "old")]);
    place.run(FLOW, &["--no-apply"]).code(0);
    fs::remove_dir_all(place.path(".longhaul")).unwrap();
    let before = place.whole_tree();
    // The kernel takes so many rule sets on one thread and no more; what the thread starts inherits them.
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..LAYERS {
                let everything = PathBeneath::new(PathFd::new("/").unwrap(), AccessFs::from_all(ABI::V2));
                let rules = Ruleset::default().handle_access(AccessFs::from_all(ABI::V2)).unwrap().create().unwrap();
                rules.add_rule(everything).unwrap().restrict_self().unwrap();
            }
            let ended = place.run(FLOW, &["--require-isolation"]).code(5);
            ended.says(&["--require-isolation", "second wall", "hint:", "longhaul doctor"]);
            assert_eq!(place.whole_tree(), before);
            place.longhaul(["doctor"]).code(1).shows(&["second wall", "Landlock"]);
            place.run(FLOW, &[]).code(0);
            let lines = place.longhaul(["logs", "--json"]).code(0).json_lines();
            assert_eq!(
                lines[0]["isolation"],
                serde_json::json!(["wasm"]),
                "the record says how far agents were kept apart"
            );
        });
    });
    place.file("a.txt", "old");
    place.run(FLOW, &["--require-isolation"]).code(0);
}
