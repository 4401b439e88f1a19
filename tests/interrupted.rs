//! Runs that end before their end: told to stop, killed, or with nobody listening any more.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of tests end in a panic where what they rely on is not there"
)]

use longhaul_tests::{Node, PATIENCE, Place, Tree, guest};
use rustix::process::Signal;
use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Rewrites every file, by several agents in parallel.
const REWRITE: &str = r#"
version: 1
name: rewrite
agents:
  planner: { plugin: chunk-planner, config: { chunk: 2m, per_file: 5s } }
  codemod: { plugin: codemod, config: { rules: [ { name: replace, literal: old, replace: new } ] } }
permissions: { fs: { read: ["**"], write: ["**"] } }
tasks:
  plan: { agent: planner }
  change: { agent: codemod, needs: plan, for_each: "${{ tasks.plan.chunks }}", with: { chunk: "${{ item }}" } }
"#;

/// Only reads.
const LOOK: &str = r#"
version: 1
name: look
agents: { reviewer: { plugin: reviewer, config: { fail_at: never, rules: [ { name: any, literal: old } ] } } }
permissions: { fs: { read: ["**"] } }
tasks: { look: { agent: reviewer } }
"#;

fn endless() -> String {
    format!(
        r#"
version: 1
name: endless
agents:
  codemod: {{ plugin: codemod, config: {{ rules: [ {{ name: replace, literal: old, replace: new }} ] }} }}
  sleeper: {{ plugin: {:?}, limits: {{ call_time: 20m }} }}
permissions: {{ fs: {{ read: ["**"], write: ["**"] }} }}
tasks:
  change: {{ agent: codemod }}
  wait: {{ agent: sleeper, needs: change, with: {{ mode: sleep }} }}
"#,
        guest("hostile")
    )
}

fn many(count: usize) -> Place {
    let place = Place::new();
    for n in 0..count {
        place.file(&format!("part{}/f{n}.txt", n % 10), format!("old text of file {n}\n").repeat(n % 9 + 1));
    }
    place
}

fn rewritten(tree: &Tree) -> Tree {
    let change = |node: &Node| match node {
        Node::File(content, mode) => {
            Node::File(String::from_utf8_lossy(content).replace("old", "new").into_bytes(), *mode)
        }
        other => other.clone(),
    };
    Tree(tree.0.iter().map(|(path, node)| (path.clone(), change(node))).collect())
}

#[test]
fn a_run_that_is_told_to_stop_pauses() {
    for signal in [Signal::INT, Signal::TERM] {
        let place = Place::with(&[("a.txt", "old")]);
        let before = place.tree();
        let file = place.workflow(&endless());
        let mut running = place.start([OsStr::new("run"), file.as_os_str(), "--json".as_ref()]);
        running.until("wait: sleeper begins").signal(signal).until("pausing");
        let ended = running.end().code(1);
        let result = ended.result();
        assert_eq!(result["status"], "paused", "{signal:?}");
        assert_eq!(result["tasks"]["completed"], 1);
        assert_eq!(place.tree(), before, "what was done is kept as a version, and the folder is as it was");
        place.longhaul(["runs"]).code(0).shows(&["paused", "1/2"]);
        place.longhaul(["show"]).code(0).shows(&["paused by the operator", "longhaul resume", "not applied"]);
        let lines = place.longhaul(["logs", "--json"]).code(0).json_lines();
        assert_eq!(lines.last().unwrap()["to"], "paused", "the record says so");
    }
}

#[test]
fn a_run_that_is_told_twice_ends_at_once_and_is_still_readable() {
    let place = Place::with(&[("a.txt", "old")]);
    let file = place.workflow(&endless());
    let mut running = place.start([OsStr::new("run"), file.as_os_str()]);
    running.until("wait: sleeper begins").signal(Signal::INT).until("pausing");
    // The second may come after the run has ended by itself.
    if running.runs_until(Duration::ZERO, || true) {
        running.signal(Signal::INT);
    }
    let ended = running.end();
    assert!([1, 130].contains(&ended.status.code().unwrap()), "{ended}");
    let runs = place.longhaul(["runs", "--json"]).code(0).json();
    let status = runs[0]["status"].as_str().unwrap();
    assert!(["paused", "interrupted"].contains(&status), "{status}");
    // What was going on when the second one came is in the record, although nobody waited for the disk.
    place.longhaul(["logs"]).code(0).shows(&["codemod begins", "sleeper begins"]);
    assert_eq!(place.text("a.txt"), "old");
}

#[test]
fn a_killed_run_is_shown_as_interrupted_and_the_next_one_works() {
    let place = Place::with(&[("a.txt", "old")]);
    let file = place.workflow(&endless());
    let mut running = place.start([OsStr::new("run"), file.as_os_str()]);
    running.until("wait: sleeper begins");
    // What is not durable yet when a process is killed is not in the record, so the record is waited for.
    let state = |task: usize| place.longhaul(["show", "--json"]).code(0).json()["tasks"][task]["state"].clone();
    let recorded = running.runs_until(PATIENCE, || state(1) == "running");
    assert!(recorded, "the run ended, or its record was never written");
    assert_eq!(running.kill().status.code(), None);
    place.longhaul(["runs"]).code(0).shows(&["endless", "interrupted", "1/2"]);
    let show = place.longhaul(["show", "--json"]).code(0).json();
    assert_eq!(show["status"], "interrupted");
    assert_eq!((&show["tasks"][0]["state"], &show["tasks"][1]["state"]), (&"completed".into(), &"running".into()));
    place.longhaul(["logs"]).code(0).shows(&["codemod begins"]);
    assert_eq!(place.text("a.txt"), "old");
    place.run(REWRITE, &[]).code(0);
    assert_eq!(place.text("a.txt"), "new");
    assert_eq!(
        Tree::read(&place.path(".longhaul/stages")),
        Tree(Default::default()),
        "what the killed run left is cleared away"
    );
}

#[test]
fn a_run_killed_at_any_moment_leaves_the_folder_wholly_old_or_wholly_new() {
    let place = many(100);
    // Plugins are compiled once; then a run takes as long as the next one.
    place.run(REWRITE, &["--no-apply"]).code(0);
    fs::remove_dir_all(place.path(".longhaul")).unwrap();
    let began = Instant::now();
    place.run(REWRITE, &["--no-apply"]).code(0);
    let whole = began.elapsed();
    let old = place.tree();
    let new = rewritten(&old);
    let file = place.beside("rewrite.workflow.yaml", REWRITE);
    let start = || place.start([OsStr::new("run"), file.as_os_str()]);
    let mut killed = 0;
    // Six moments spread over a run, then those that matter most: as the result is being put into the folder.
    let moments = 6;
    for moment in 0..moments + 4 {
        // A fresh state: what a run finds known already would move the moments.
        fs::remove_dir_all(place.path(".longhaul")).unwrap();
        let mut running = start();
        let log = place.path(".longhaul/apply/log.json");
        let first = place.path("part0/f0.txt");
        let alive = match moment {
            n if n < moments => running.runs_until(whole * n / moments, || false),
            n if n < moments + 2 => running.runs_until(whole * 20, || log.exists()),
            _ => running.runs_until(whole * 20, || fs::read(&first).is_ok_and(|text| text.starts_with(b"new"))),
        };
        if alive {
            running.signal(Signal::KILL);
        }
        let ended = running.end();
        killed += u32::from(ended.status.code().is_none());
        let listed = place.longhaul(["runs", "--json"]);
        let status = match listed.status.code() {
            Some(0) => listed.json()[0]["status"].as_str().unwrap_or("none").to_owned(),
            _ => "none".to_owned(),
        };
        assert!(["none", "interrupted", "completed"].contains(&status.as_str()), "{moment}: {status}");
        // The next command that works in the folder brings what was begun to its end.
        let look = place.run(LOOK, &[]).code(0);
        let now = place.tree();
        let is_new = now == new;
        assert!(is_new || now == old, "{moment}: half-changed after {status}: {:?}; {look}", now.differences(&old));
        if status == "completed" {
            assert!(
                is_new,
                "{moment}: a run that says `completed` has put its result into the folder: {ended}, {listed}"
            );
        }
        // Back to the beginning for the next round.
        for (path, node) in &old.0 {
            if let Node::File(content, _) = node {
                fs::write(place.path(path), content).unwrap();
            }
        }
    }
    assert!(killed >= 4, "most rounds have to be killed to show anything: {killed}");
}

#[test]
fn whoever_closes_the_pipe_early_has_seen_enough() {
    let place = many(200);
    place.run(REWRITE, &[]).code(0);
    for args in [&["logs", "--json"][..], &["logs", "--actions"], &["show", "--json"], &["schema"]] {
        let mut child = place.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut out = child.stdout.take().unwrap();
        let mut first = [0; 1];
        out.read_exact(&mut first).unwrap();
        drop(out);
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!stderr.contains("panicked"), "{args:?}: {stderr}");
        assert_eq!(stderr, "", "{args:?}");
        assert_eq!(output.status.code(), Some(0), "{args:?}");
    }
}

#[test]
fn a_run_whose_output_nobody_reads_still_does_its_work() {
    let place = Place::with(&[("a.txt", "old")]);
    let file = place.workflow(REWRITE);
    let mut command = place.command([OsStr::new("run"), file.as_os_str(), "--json".as_ref()]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(place.text("a.txt"), "new");
}
