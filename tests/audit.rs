//! The record proves itself, or what was done to it: as an auditor sees it, who trusts nobody.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of tests end in a panic where what they rely on is not there"
)]

use longhaul_tests::{Ended, Place, WORK, guest};
use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;

fn place() -> Place {
    Place::with(&[("a.txt", "old"), ("b.txt", "old")])
}

fn journal(place: &Place) -> PathBuf {
    place.path(".longhaul/journal.db")
}

fn verify(place: &Place, more: &[&str]) -> Ended {
    place.longhaul([&["audit", "verify", "--all"], more].concat())
}

fn findings(place: &Place, more: &[&str]) -> Vec<String> {
    let verdicts = verify(place, &[&["--json"], more].concat()).code(4).json();
    let all = verdicts.as_array().unwrap().iter().flat_map(|verdict| verdict["findings"].as_array().unwrap().clone());
    all.map(|found| found["finding"].as_str().unwrap().to_owned()).collect()
}

/// Changes the first place in the journal's file that holds `text`, as an editor of bytes would.
fn edit(place: &Place, text: &str, to: &str) {
    let mut bytes = fs::read(journal(place)).unwrap();
    let all: Vec<_> = bytes.windows(text.len()).enumerate().filter(|(_, found)| *found == text.as_bytes()).collect();
    assert_eq!(all.len(), 1, "`{text}` is there once, so that the change is one of the record");
    let at = all[0].0;
    bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    fs::write(journal(place), bytes).unwrap();
}

#[test]
fn a_record_that_nobody_touched_verifies_and_one_changed_byte_is_named() {
    let place = place();
    place.run(WORK, &[]).code(0);
    place.longhaul(["audit", "verify", "last"]).code(0).shows(&["is as it was recorded", "sealed by longhaul/"]);
    let lines = place.longhaul(["logs", "--json"]).code(0).json_lines();
    let at = lines.iter().position(|line| line["kind"] == "attempt-ended").unwrap();
    edit(&place, r#""kind":"attempt-ended""#, r#""kind":"attempt-ENDED""#);
    let ended = place.longhaul(["audit", "verify", "last"]);
    ended.code(4).shows(&["is NOT as it was recorded", &format!("entry {at} is not as it was written"), "signed head"]);
}

#[test]
fn a_record_that_was_rolled_back_shows_against_a_head_held_elsewhere() {
    let place = place();
    place.run(WORK, &[]).code(0);
    let before = fs::read(journal(&place)).unwrap();
    place.file("a.txt", "old again");
    place.run(WORK, &[]).code(0);
    let head = place.longhaul(["audit", "head"]).code(0).stdout;
    let held = place.beside("tonight.head", head).display().to_string();
    verify(&place, &["--since", &held]).code(0);
    // The run is gone without a trace, and nothing in what is left is wrong.
    fs::write(journal(&place), before).unwrap();
    verify(&place, &[]).code(0);
    let found = findings(&place, &["--since", &held]);
    assert!(found.iter().any(|found| found.contains("the record was cut off")), "{found:?}");
}

#[test]
fn keys_that_are_not_trusted_seal_nothing() {
    let place = place();
    place.run(WORK, &[]).code(0);
    let own = place.longhaul(["audit", "key"]).code(0).stdout;
    let file = place.beside("own.pub", &own).display().to_string();
    verify(&place, &["--key", &file]).code(0);
    verify(&place, &["--key", own.trim()]).code(0);
    // Another user's key.
    let other = self::place();
    other.run(WORK, &[]).code(0);
    let stranger = other.longhaul(["audit", "key"]).code(0).stdout;
    assert_ne!(own, stranger);
    let found = findings(&place, &["--key", stranger.trim()]);
    assert!(found.iter().any(|found| found.contains("cannot be believed")), "{found:?}");
    verify(&place, &["--key", "no such key"]).code(2);
    // A record goes on with the key that it began with, or not at all.
    fs::remove_dir_all(place.outside().join("home")).unwrap();
    place.longhaul(["fork", "last", "--at", "1", "--paused"]).code(70).says(&["cannot be sealed", "LONGHAUL_KEYS"]);
}

#[test]
fn a_run_that_was_killed_is_sealed_by_who_resumes_it() {
    let place = place();
    let text =
        WORK.replace("tasks: {", "tasks: { wait: { agent: sleeper, needs: change, with: { mode: sleep } },").replace(
            "agents: {",
            &format!("agents: {{ sleeper: {{ plugin: {:?}, limits: {{ call_time: 20m }} }},", guest("hostile")),
        );
    let workflow = place.workflow(&text);
    let mut life = place.start([OsStr::new("run"), workflow.as_os_str()]);
    life.until("wait: sleeper begins");
    // Also while it is written.
    verify(&place, &[]).code(0);
    life.kill();
    verify(&place, &[]).code(0);
    let mut life = place.start(["resume", "last"]);
    life.until("wait: sleeper ");
    place.longhaul(["cancel"]).code(0);
    life.end().code(1);
    let verdicts = verify(&place, &["--json"]).code(0).json();
    for verdict in verdicts.as_array().unwrap() {
        assert_eq!(verdict["proven"], verdict["entries"], "{verdict}");
    }
}

#[test]
fn the_signing_key_is_its_owners_alone_and_never_where_agents_are() {
    let place = place();
    place.run(WORK, &[]).code(0);
    let key = place.outside().join("home/.config/longhaul/keys/signing.key");
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let workflow = place.workflow(WORK);
    let run = |keys: Option<PathBuf>| {
        let mut command = place.command([OsStr::new("run"), workflow.as_os_str()]);
        if let Some(keys) = keys {
            command.env("LONGHAUL_KEYS", keys);
        }
        place.end(command)
    };
    run(None).code(5).says(&["others can open the signing key", "chmod 600"]);
    run(Some(place.path("keys"))).code(2).says(&["would lie in the workspace", "LONGHAUL_KEYS"]);
    assert!(!place.path("keys").exists());
    run(Some(place.outside().join("other"))).code(70).says(&["cannot be sealed"]);
}

#[test]
fn the_record_answers_what_was_done_by_whom_and_outside_of_what() {
    let place = Place::with(&[("src/a.txt", "old"), ("docs/b.txt", "old"), ("z.txt", "old")]);
    let text = WORK.replace(r#"write: ["**"]"#, r#"write: ["src/**", "docs/**"]"#);
    place.run(&text, &[]);
    let log = |more: &[&str]| place.longhaul([&["audit", "log"], more].concat()).code(0);
    log(&["--writes", "--outside", "src/**"]).shows(&["docs/b.txt", "codemod"]);
    let outside = log(&["--writes", "--outside", "src/**", "--outside", "docs/**", "--json"]).json_lines();
    assert!(!outside.is_empty() && outside.iter().all(|deed| deed["resource"] == "z.txt"), "{outside:?}");
    let refused = log(&["--outcome", "denied", "--json"]).json_lines();
    assert!(refused.iter().any(|deed| deed["grant"].as_str().unwrap().contains("z.txt")), "{refused:?}");
    assert!(refused.iter().all(|deed| deed["outcome"] == "denied" && deed["agent"] == "codemod"));
    log(&["--agent", "nobody"]).says(&["0 found"]);
    log(&["--from", "2000-01-01", "--to", "2000-01-02"]).says(&["0 found"]);
    log(&["--totals"]).shows(&["Hosts contacted", "Cost by agent", "codemod", "Gaps and steps back of the clock"]);
    let totals = log(&["--totals", "--json"]).json();
    assert_eq!(totals["gaps"], serde_json::json!([]));
    assert!(totals["agents"]["codemod"]["fuel"].as_u64().unwrap() > 0);
    place.longhaul(["audit", "log", "--path", "../x"]).code(2).says(&["--path", "relative to the workspace's root"]);
    place.longhaul(["audit", "log", "--capability", "telepathy"]).code(2).says(&["is no capability"]);
    place.longhaul(["audit", "log", "--from", "yesterday"]).code(2).says(&["is not a time"]);
}

#[test]
fn the_smallest_policy_is_enough_for_the_same_run_again() {
    let files = [("src/a.txt", "old"), ("src/deep/b.txt", "old"), ("docs/c.txt", "none")];
    let text = WORK
        .replace("tasks:", "recovery: [escalate]\ntasks:")
        .replace(r#"permissions: { fs: {"#, r#"permissions: { memory: [run], fs: {"#);
    let place = Place::with(&files);
    let learned = place.outside().join("learned.yaml").display().to_string();
    place.run(&text, &["--learn", &learned]).code(0).says(&["smallest policy"]);
    let policy = place.longhaul(["audit", "grants"]).code(0).stdout;
    assert_eq!(policy, fs::read_to_string(&learned).unwrap());
    assert!(policy.contains("# given and never used: memory: run"), "{policy}");
    assert!(policy.contains("write: [\"src/a.txt\",\"src/deep/b.txt\"]"), "{policy}");
    let json = place.longhaul(["audit", "grants", "--json"]).code(0).json();
    assert_eq!(json["policy"]["fs"]["write"], serde_json::json!(["src/a.txt", "src/deep/b.txt"]));
    // The same work is done within it, and nothing is refused.
    let again = Place::with(&files);
    again.run(&text, &["--policy", &learned]).code(0);
    assert_eq!(again.tree().differences(&place.tree()), Vec::<String>::new());
    again.longhaul(["logs", "--denied"]).code(0).says(&["nothing was refused"]);
    // What it leaves out is not even seen.
    let other = Place::with(&[("src/a.txt", "old"), ("more.txt", "old")]);
    other.run(&text, &["--policy", &learned]).code(0);
    assert_eq!((other.text("src/a.txt"), other.text("more.txt")), ("new".into(), "old".into()));
}

#[test]
fn a_bundle_is_one_file_that_overwrites_nothing() {
    let place = place();
    place.run(WORK, &[]).code(0);
    let entries = place.longhaul(["logs", "--json", "--actions", "--debug"]).code(0).json_lines().len();
    let file = place.outside().join("night.longhaul");
    let export = |more: &[&str]| {
        let args = [&["audit", "export", "last", "--bundle", "--output", file.to_str().unwrap()], more].concat();
        place.longhaul(args)
    };
    export(&[]).code(0);
    let text = fs::read_to_string(&file).unwrap();
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines[0]["format"].as_str(), lines[0]["version"].as_u64()), (Some("longhaul-bundle"), Some(1)));
    let end = &lines[lines.len() - 1]["end"];
    assert_eq!(end["lines"], lines.len() - 1);
    assert_eq!(end["of"]["entries"], entries);
    fs::write(&file, "mine").unwrap();
    export(&[]).code(2).says(&["is there already", "--force"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    export(&["--force"]).code(0);
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
    let printed = place.longhaul(["audit", "export", "--bundle", "-o", "-"]).code(0).stdout;
    assert_eq!(printed, text);
    place.longhaul(["audit", "export", "last"]).code(2).says(&["--bundle"]);
    let left: Vec<_> = fs::read_dir(place.outside()).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains(".part")), "{left:?}");
}
