//! Commands that agents run, as a user sees them: what they change, what they may not, and that a crash runs nothing twice.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of tests end in a panic where what they rely on is not there"
)]

use longhaul_tests::{PATIENCE, Place};
use serde_json::Value;
use std::ffi::OsStr;
use std::time::{Duration, Instant};

/// A workflow whose one task runs these commands.
fn flow(commands: &str, permissions: &str) -> String {
    format!(
        r#"
version: 1
name: commands
workspace: {{ caches: [target] }}
agents:
  runner: {{ plugin: runner, config: {{ commands: [ {commands} ] }} }}
permissions: {permissions}
recovery: [escalate]
tasks:
  work: {{ agent: runner }}
"#
    )
}

const ALL: &str = r#"{ fs: { read: ["**"], write: ["**"] }, exec: [["sh"]], env: [GIVEN] }"#;

fn actions(place: &Place) -> Vec<Value> {
    let lines = place.longhaul(["logs", "last", "--json"]).code(0).json_lines();
    lines.into_iter().filter(|line| line["kind"] == "action" && line["capability"] == "exec").collect()
}

#[test]
fn what_a_command_changes_is_part_of_the_result_and_of_the_record() {
    let place = Place::with(&[("in.txt", "text"), ("old.txt", "old"), (".gitignore", "*.log\n")]);
    let script = "tr a-z A-Z < in.txt > out.txt; rm old.txt; echo x > x.log; echo $GIVEN; echo said >&2";
    let commands = format!("{{ run: [sh, -c, {script:?}], env: {{ GIVEN: given }} }}");
    place.run(&flow(&commands, ALL), &[]).code(0).says(&["work| given", "work| said"]);
    assert_eq!(place.text("out.txt"), "TEXT");
    assert!(!place.path("old.txt").exists() && !place.path("x.log").exists());
    let actions = actions(&place);
    assert_eq!(actions.len(), 1);
    let answer: Value = serde_json::from_str(actions[0]["exchange"]["answer"].as_str().unwrap()).unwrap();
    assert_eq!(answer["status"], serde_json::json!({ "code": 0 }));
    assert_eq!(answer["stdout"]["text"], "given\n");
    assert_eq!(answer["taken"]["listed"], serde_json::json!(["-old.txt", "+out.txt"]));
    let dimensions: Vec<_> =
        answer["isolation"].as_array().unwrap().iter().map(|reached| reached["dimension"].as_str().unwrap()).collect();
    assert_eq!(dimensions, ["files", "network", "processes", "system-calls", "memory", "cpu", "count"]);
    // Nothing of the folder for commands is left.
    assert_eq!(std::fs::read_dir(place.path(".longhaul/grounds")).unwrap().count(), 0);
    place.proves();
}

#[test]
fn a_command_sees_and_changes_only_what_is_granted() {
    let place = Place::with(&[("src/a", "a"), ("secret", "s"), ("docs/d", "d")]);
    let permissions = r#"{ fs: { read: ["src/**", "docs/**"], write: ["src/**"] }, exec: [["sh"]] }"#;
    let script = "ls; cat secret ../secret ../../secret; echo new > src/b; echo changed > docs/d; exit 0";
    place.run(&flow(&format!("[sh, -c, {script:?}]"), permissions), &[]).code(0);
    assert_eq!((place.text("src/b").as_str(), place.text("docs/d").as_str()), ("new\n", "d"));
    let answer: Value = serde_json::from_str(actions(&place)[0]["exchange"]["answer"].as_str().unwrap()).unwrap();
    assert_eq!(answer["stdout"]["text"], "docs\nsrc\ntarget\n");
    assert_eq!(answer["taken"]["unlisted"], serde_json::json!(["docs/d: the grant does not let it be written"]));
    place.proves();
}

#[test]
fn what_is_not_granted_is_refused_with_the_line_that_grants_it() {
    let place = Place::with(&[("a", "a")]);
    let permissions = r#"{ fs: { read: ["**"] }, exec: [["sh", "-c", "true"]] }"#;
    place.run(&flow("[sh, -c, \"touch b\"]", permissions), &[]).code(3);
    let refused = &actions(&place)[0];
    assert_eq!(refused["result"], "denied");
    assert_eq!(refused["grant"], r#"exec: [["sh", "-c", "touch b"]]"#);
    let permissions = r#"{ fs: { read: ["**"] }, exec: [["sh"]] }"#;
    place.run(&flow("{ run: [sh, -c, \"true\"], env: { SECRET: x } }", permissions), &[]).code(3);
    assert_eq!(actions(&place)[0]["grant"], r#"env: ["SECRET"]"#);
    place.proves();
}

#[test]
fn a_program_that_is_missing_is_an_incident_that_says_so() {
    let place = Place::with(&[("a", "a")]);
    let permissions = r#"{ fs: { read: ["**"] }, exec: [["no-such-program"]] }"#;
    place
        .run(&flow("[no-such-program]", permissions), &[])
        .code(3)
        .says(&["there is no program `no-such-program` in the system's folders"]);
    place.proves();
}

#[test]
fn caches_stay_warm_from_task_to_task() {
    let place = Place::with(&[("a", "a")]);
    let workflow = r#"
version: 1
name: warm
workspace: { caches: [target] }
agents:
  first: { plugin: runner, config: { commands: [ [sh, -c, "echo built > target/x"] ] } }
  second: { plugin: runner, config: { commands: [ [sh, -c, "cat target/x > a"] ] } }
permissions: { fs: { read: ["**"], write: ["**"] }, exec: [["sh"]] }
tasks:
  one: { agent: first }
  two: { agent: second, needs: one }
"#;
    place.run(workflow, &[]).code(0);
    assert_eq!(place.text("a"), "built\n");
    assert!(!place.path("target").exists());
    place.proves();
}

#[test]
fn a_command_that_ended_is_not_run_again_after_a_crash() {
    // The first command leaves a mark in the cache each time it runs, which no stage takes back.
    let place = Place::with(&[("a", "a")]);
    let first = "echo run >> target/marks; echo one > first; exit 0";
    let second = "test -e first && test -e target/go && cat first > second";
    let commands = format!(
        "{{ run: [sh, -c, {first:?}] }}, {{ run: [sh, -c, \"echo waits; until test -e target/go; do sleep 0.05; done; {second}\"] }}"
    );
    let workflow = place.workflow(&flow(&commands, ALL));
    let mut life = place.start([OsStr::new("run"), workflow.as_os_str()]);
    life.until("work| waits");
    life.kill();
    let cache = place.path(".longhaul/caches/target");
    std::fs::write(cache.join("go"), "").unwrap();
    place.longhaul(["resume", "last"]).code(0);
    assert_eq!((place.text("first").as_str(), place.text("second").as_str()), ("one\n", "one\n"));
    assert_eq!(std::fs::read_to_string(cache.join("marks")).unwrap(), "run\n", "it ran once");
    let commands = actions(&place);
    assert_eq!(commands.len(), 2, "each command is in the record once");
    let intents = place.longhaul(["logs", "last", "--json"]).code(0).json_lines();
    let intents: Vec<_> = intents.iter().filter(|line| line["kind"] == "intended").collect();
    assert_eq!(intents.len(), 3, "the second was begun again, as one that may be");
    place.proves();
}

#[test]
fn a_command_that_may_not_be_repeated_leaves_its_outcome_unknown() {
    let place = Place::with(&[("a", "a")]);
    let commands = "{ run: [sh, -c, \"echo begun; sleep 60\"], once: true }";
    let workflow = place.workflow(&flow(commands, ALL));
    let mut life = place.start([OsStr::new("run"), workflow.as_os_str()]);
    life.until("work| begun");
    life.kill();
    place.longhaul(["resume", "last"]).code(3).says(&["unknown-outcome"]);
    place.proves();
}

#[test]
fn nothing_of_a_command_outlives_a_killed_host() {
    let place = Place::with(&[("a", "a")]);
    let mark = format!("outlive-{}", std::process::id());
    let script =
        format!("(setsid sh -c 'trap \"\" TERM HUP; while :; do sleep 1; done # {mark}' &); echo begun; sleep 60");
    let workflow = place.workflow(&flow(&format!("[sh, -c, {script:?}]"), ALL));
    let mut life = place.start([OsStr::new("run"), workflow.as_os_str()]);
    life.until("work| begun");
    assert!(is_running(&mark));
    life.kill();
    let until = Instant::now() + PATIENCE.min(Duration::from_secs(20));
    while is_running(&mark) {
        assert!(Instant::now() < until, "it is still there");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn cancelling_gives_a_command_the_time_of_a_host_call_and_then_ends_it_by_force() {
    let place = Place::with(&[("a", "a")]);
    let mark = format!("stubborn-{}", std::process::id());
    let script = format!("trap '' TERM INT HUP; echo changed > a; echo begun; while :; do sleep 1; done # {mark}");
    let text = flow(&format!("[sh, -c, {script:?}]"), ALL)
        .replace("work: { agent: runner }", "work: { agent: runner, limits: { call_time: 1s } }");
    let workflow = place.workflow(&text);
    let mut life = place.start([OsStr::new("run"), workflow.as_os_str()]);
    life.until("work| begun");
    place.longhaul(["cancel"]).code(0).says(&["is cancelled"]);
    life.end().code(1);
    assert!(!is_running(&mark), "it is still there");
    assert_eq!(place.text("a"), "a");
    let shown = place.longhaul(["show", "--json"]).code(0).json();
    assert_eq!((&shown["status"], &shown["tasks"][0]["state"]), (&"cancelled".into(), &"cancelled".into()));
    // The record says that nobody knows what became of it.
    let intended = place.longhaul(["logs", "last", "--json"]).code(0).json_lines();
    assert!(intended.iter().any(|line| line["kind"] == "intended") && actions(&place).is_empty());
}

#[test]
fn a_command_longer_than_a_host_call_is_no_stall() {
    let place = Place::with(&[("a", "a")]);
    let workflow = flow("[sh, -c, \"sleep 3; echo done > a\"]", ALL)
        .replace("work: { agent: runner }", "work: { agent: runner, limits: { call_time: 1s, stall: 1s } }");
    place.run(&workflow, &[]).code(0);
    assert_eq!(place.text("a"), "done\n");
}

#[test]
fn a_command_that_takes_too_long_is_ended_and_told() {
    let place = Place::with(&[("a", "a")]);
    let commands = "{ run: [sh, -c, \"trap '' TERM; echo half > a; sleep 60\"], timeout: 1s }";
    place.run(&flow(commands, ALL), &[]).code(3);
    let answer: Value = serde_json::from_str(actions(&place)[0]["exchange"]["answer"].as_str().unwrap()).unwrap();
    assert_eq!(answer["status"], "timed-out");
    assert_eq!(place.text("a"), "a");
    place.proves();
}

/// Whether a process of the machine has this text in its arguments.
fn is_running(mark: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let mut lines = processes.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    lines.any(|line| String::from_utf8_lossy(&line).contains(mark))
}

#[test]
fn a_rollback_is_validated_by_a_check_of_the_workflow() {
    let place = Place::with(&[("a", "a")]);
    // The first try fails; the second leaves what the check refuses, the third what it accepts: the cache remembers which it is.
    let script = "echo x >> target/tries; tries=$(wc -l < target/tries); echo $tries > a; test $tries != 1";
    let workflow = format!(
        r#"
version: 1
name: checked
workspace: {{ caches: [target] }}
agents:
  runner: {{ plugin: runner, config: {{ commands: [ [sh, -c, {script:?}] ] }} }}
checks: {{ three: {{ run: [sh, -c, "echo found $(cat a); rm a; test $(cat target/tries | wc -l) = 3"], timeout: 1m }} }}
strategies: {{ again: {{ plugin: rollback-validate, config: {{ rollbacks: 5, validate: three }} }} }}
permissions: {{ fs: {{ read: ["**"], write: ["**"] }}, exec: [["sh"]] }}
recovery: [again, escalate]
tasks:
  work: {{ agent: runner }}
"#
    );
    place.run(&workflow, &[]).code(0);
    assert_eq!(place.text("a"), "3\n", "what the check removed is there");
    place
        .longhaul(["logs", "last", "--actions"])
        .code(0)
        .shows(&["three begins", "exit code 1, 1 changes left out; said last: found 2"]);
    let lines = place.longhaul(["logs", "last", "--json"]).code(0).json_lines();
    let incident = lines.iter().rfind(|line| line["kind"] == "incident-raised").unwrap();
    let problem = &incident["incident"]["problem"];
    assert!(problem["message"].as_str().unwrap().starts_with("`three` does not accept the work: "), "{problem}");
    assert_eq!(problem["evidence"]["evidence"]["stdout"], "found 2\n");
    place.proves();
}
