//! What a run does to the user's folder: exactly what was asked, all of it or nothing, and what it leaves alone.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of tests end in a panic where what they rely on is not there"
)]

use longhaul_tests::{Node, Place, Tree, guest};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;

/// Replaces `old` by `new` everywhere.
const REPLACE: &str = r#"
version: 1
name: replace
agents:
  codemod: { plugin: codemod, config: { rules: [ { name: replace, literal: old, replace: new } ] } }
permissions: { fs: { read: ["**"], write: ["**"] } }
tasks: { change: { agent: codemod } }
"#;

/// Reads everything and writes nothing.
const LOOK: &str = r#"
version: 1
name: look
agents:
  reviewer: { plugin: reviewer, config: { fail_at: never, rules: [ { name: any, literal: old } ] } }
permissions: { fs: { read: ["**"] } }
tasks: { look: { agent: reviewer } }
"#;

/// Plans chunks of a minute, and rewrites each of them by an agent of its own.
const CHUNKS: &str = r#"
version: 1
name: chunks
concurrency: { max: 3 }
agents:
  planner: { plugin: chunk-planner, config: { chunk: 1m, per_file: 10s } }
  codemod: { plugin: codemod, config: { rules: [ { name: replace, literal: old, replace: new } ] } }
permissions: { fs: { read: ["**"], write: ["**"] } }
tasks:
  plan: { agent: planner, with: { glob: "**/*.txt" } }
  change: { agent: codemod, needs: plan, for_each: "${{ tasks.plan.chunks }}", with: { chunk: "${{ item }}" } }
done_when: "${{ size(tasks.change.items) == size(tasks.plan.chunks) }}"
"#;

fn many(count: usize) -> Place {
    let place = Place::new();
    for n in 0..count {
        let lines: String =
            (0..n % 7 + 1).map(|line| format!("line {line} of {n} is old, older and oldest\r\n")).collect();
        place.file(&format!("part{}/file{n}.txt", n % 20), lines + if n % 3 == 0 { "no end: old" } else { "" });
    }
    place
}

/// What a run should make of a tree.
fn replaced(tree: &Tree) -> Tree {
    let change = |node: &Node| match node {
        Node::File(content, mode) => {
            Node::File(String::from_utf8_lossy(content).replace("old", "new").into_bytes(), *mode)
        }
        other => other.clone(),
    };
    Tree(tree.0.iter().map(|(path, node)| (path.clone(), change(node))).collect())
}

#[test]
fn a_thousand_files_become_what_a_plain_replacement_makes_of_them() {
    let place = many(1_000);
    let wanted = replaced(&place.tree());
    let result = place.run(REPLACE, &[]).code(0).result();
    assert_eq!(place.tree().differences(&wanted), [""; 0]);
    assert_eq!(result["applied"], 1_000);
    let memory = result["memory"].as_u64().unwrap();
    assert!(memory < 32 << 20, "an agent over many small files stays small: {memory} bytes");
}

#[test]
fn chunks_are_worked_on_in_parallel_and_add_up_to_the_whole() {
    let place = many(60);
    let wanted = replaced(&place.tree());
    let result = place.run(CHUNKS, &[]).code(0).result();
    assert_eq!(place.tree().differences(&wanted), [""; 0]);
    let elements = result["tasks"]["completed"].as_u64().unwrap();
    assert!(elements > 10, "a chunk holds six files at most: {result}");
    // Two attempts were under way at the same time at some moment of the record.
    let lines = place.longhaul(["logs", "--json"]).code(0).json_lines();
    let mut running = 0;
    let mut most = 0;
    for line in &lines {
        match line["kind"].as_str().unwrap() {
            "attempt-started" => running += 1,
            "attempt-ended" => running -= 1,
            _ => {}
        }
        most = most.max(running);
    }
    assert!((2..=3).contains(&most), "at most three at a time, and more than one: {most}");
}

#[test]
fn the_same_input_gives_the_same_version_by_the_same_actions() {
    let (one, other) = (many(40), many(40));
    let (first, second) = (one.run(CHUNKS, &[]).code(0).result(), other.run(CHUNKS, &[]).code(0).result());
    assert_eq!(first["workspace"], second["workspace"]);
    assert_eq!(first["actions"], second["actions"]);
    assert_ne!(first["run"], second["run"]);
    one.file("part0/file0.txt", "another text");
    let third = one.run(CHUNKS, &[]).code(0).result();
    assert_ne!(third["workspace"], first["workspace"], "another input gives another version");
}

#[test]
fn a_second_run_over_the_result_changes_nothing() {
    let place = many(10);
    let first = place.run(REPLACE, &[]).code(0).result();
    let before = place.tree();
    let second = place.run(REPLACE, &[]).code(0).result();
    assert_eq!(second["changes"], 0);
    assert_eq!(second["workspace"], first["workspace"]);
    assert_eq!(place.tree(), before);
}

#[test]
fn a_result_that_is_not_applied_is_kept_and_the_folder_is_as_it_was() {
    let place = many(10);
    let before = place.tree();
    let result = place.run(REPLACE, &["--no-apply"]).code(0).result();
    assert_eq!(place.tree(), before);
    assert_eq!(result["changes"], 10);
    assert_eq!(result["applied"], serde_json::Value::Null);
    let kept = result["workspace"].as_str().unwrap().to_owned();
    place.longhaul(["show"]).code(0).shows(&["not applied to your folder"]);
    let applied = place.longhaul(["apply", "last", "--json"]).code(0).json();
    assert_eq!((&applied["workspace"], &applied["files"]), (&kept.into(), &10.into()));
    assert_eq!(place.tree(), replaced(&before));
    place.longhaul(["apply"]).code(0).says(&["already"]);
    place.longhaul(["show"]).code(0).shows(&["in your folder now"]);
}

#[test]
fn applying_later_never_overwrites_what_changed_since() {
    let place = many(3);
    place.run(REPLACE, &["--no-apply"]).code(0);
    place.file("part1/file1.txt", "mine");
    let mine = place.tree();
    place.longhaul(["apply"]).code(3).says(&["part1/file1.txt", "nothing was touched", "hint:"]);
    assert_eq!(place.tree(), mine);
}

#[test]
fn a_task_that_writes_nothing_copies_nothing() {
    let place = many(50);
    place.run(LOOK, &[]).code(0);
    assert_eq!(Tree::read(&place.path(".longhaul/stages")), Tree(Default::default()));
    // Nor is anything left behind by those that write.
    place.run(REPLACE, &[]).code(0);
    assert_eq!(Tree::read(&place.path(".longhaul/stages")), Tree(Default::default()));
}

#[test]
fn files_keep_their_mode() {
    let place = Place::with(&[("run.sh", "#!/bin/sh\necho old\n"), ("plain.txt", "old")]);
    fs::set_permissions(place.path("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(place.path("plain.txt"), fs::Permissions::from_mode(0o640)).unwrap();
    place.run(REPLACE, &[]).code(0);
    let mode = |path: &str| fs::metadata(place.path(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!(place.text("run.sh"), "#!/bin/sh\necho new\n");
    assert_eq!(mode("run.sh"), 0o755);
    assert_eq!(mode("plain.txt"), 0o640, "bits that a version does not know are those that the file had");
}

#[test]
fn ignored_files_and_git_are_left_alone() {
    let place = Place::with(&[
        (".gitignore", "build/\n*.log\n"),
        ("build/out.txt", "old"),
        ("today.log", "old"),
        ("deep/.gitignore", "/own.txt\n"),
        ("deep/own.txt", "old"),
        (".git/config", "old"),
        ("src.txt", "old"),
    ]);
    place.run(REPLACE, &[]).code(0);
    for path in ["build/out.txt", "today.log", "deep/own.txt", ".git/config"] {
        assert_eq!(place.text(path), "old", "{path}");
    }
    assert_eq!(place.text("src.txt"), "new");
}

#[test]
fn declared_caches_and_patterns_are_left_alone_too() {
    let flow = REPLACE.replace("agents:", "workspace: { caches: [target], ignore: [\"*.bin\"] }\nagents:");
    let place = Place::with(&[("target/a.txt", "old"), ("x.bin", "old"), ("src.txt", "old")]);
    place.run(&flow, &[]).code(0);
    let texts = ["target/a.txt", "x.bin", "src.txt"].map(|path| place.text(path));
    assert_eq!(texts, ["old", "old", "new"]);
}

#[test]
fn names_may_be_of_any_script_and_hold_spaces() {
    let names =
        ["with space/and more.txt", "søster/日本語.txt", "quote'\"$(touch x)`.txt", "-rf", "a\nb.txt", "tab\t.txt"];
    let place = Place::new();
    for name in names {
        place.file(name, "old");
    }
    let result = place.run(REPLACE, &[]).code(0).result();
    assert_eq!(result["changes"], names.len());
    for name in names {
        assert_eq!(place.text(name), "new", "{name:?}");
    }
    let shown = place.longhaul(["show"]).code(0).shows(&["日本語.txt"]);
    assert!(shown.stdout.contains("a b.txt"), "names cannot break lines: {shown}");
    assert!(!place.path("x").exists());
}

#[test]
fn an_empty_workspace_is_a_workspace() {
    let place = Place::new();
    let result = place.run(REPLACE, &[]).code(0).result();
    assert_eq!(result["changes"], 0);
    assert_eq!(place.tree(), Tree(Default::default()));
    // Nothing to plan: no chunk, no element, and the run is done.
    place.run(CHUNKS, &[]).code(0);
}

#[test]
fn links_are_kept_and_never_followed() {
    let place = Place::with(&[("real.txt", "old"), ("sub/in.txt", "old")]);
    let outside = place.beside("outside.txt", "old");
    symlink("real.txt", place.path("inside")).unwrap();
    symlink("nowhere", place.path("dangling")).unwrap();
    symlink(&outside, place.path("outward")).unwrap();
    symlink("/etc", place.path("etc")).unwrap();
    symlink("..", place.path("sub/up")).unwrap();
    symlink("loop", place.path("loop")).unwrap();
    let wanted = replaced(&place.tree());
    place.run(REPLACE, &[]).code(0);
    assert_eq!(place.tree().differences(&wanted), [""; 0]);
    assert_eq!(fs::read_to_string(outside).unwrap(), "old");
}

#[test]
fn what_is_neither_file_nor_folder_nor_link_is_left_out_with_a_note() {
    let place = Place::with(&[("a.txt", "old")]);
    let fifo = place.path("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
    let _socket = UnixListener::bind(place.path("socket")).unwrap();
    place.run(REPLACE, &[]).code(0).says(&["pipe", "socket", "left out"]);
    assert_eq!(place.text("a.txt"), "new");
    assert_eq!((&place.tree().0["pipe"], &place.tree().0["socket"]), (&Node::Special, &Node::Special));
}

#[test]
fn what_somebody_changed_meanwhile_is_not_overwritten() {
    // The second task computes over this file for a while, so that there is time to change a file behind the run's back.
    let long = "x".repeat(20_000);
    let place = Place::with(&[("a.txt", "old"), ("b.txt", "old"), ("src/lib.rs", &long)]);
    let flow = format!(
        r#"
version: 1
name: meanwhile
agents:
  codemod: {{ plugin: codemod, config: {{ rules: [ {{ name: replace, literal: old, replace: new }} ] }} }}
  worker: {{ plugin: {:?} }}
permissions: {{ fs: {{ read: ["**"], write: ["**"] }} }}
tasks:
  change: {{ agent: codemod }}
  wait: {{ agent: worker, needs: change, with: {{ mode: good }} }}
"#,
        guest("hostile")
    );
    let file = place.workflow(&flow);
    let mut running = place.start(["run".as_ref(), file.as_os_str(), "--json".as_ref()]);
    running.until("wait: worker begins");
    place.file("a.txt", "mine");
    let ended = running.end();
    assert_eq!(place.text("a.txt"), "mine", "{ended}");
    assert_eq!(place.text("b.txt"), "old", "all or nothing: {ended}");
    let ended = ended.code(3).says(&["a.txt", "changed"]);
    assert_eq!(ended.result()["status"], "escalated");
}
