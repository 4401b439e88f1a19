//! The example `feature`: from a requirement to tested code and true documents, with a model that answers from a script, and with commands in
//! the sandbox. The result has to be the same wherever the run is killed.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of tests end in a panic where what they rely on is not there"
)]

use longhaul_tests::{Node, Place, Tree, repository};
use serde_json::Value;
use std::ffi::OsString;
use std::process::Command;

const FILES: [&str; 6] =
    ["README.md", "docs/guide.md", "docs/design/the-most-used-words.md", "src/lib.rs", "src/words.rs", "tests/top.rs"];

/// A workspace with the input of the example.
fn place() -> Place {
    let place = Place::new();
    for (path, node) in Tree::read(&repository().join("examples/feature/input")).without(".longhaul").0 {
        if let (Node::File(content, _), false) = (node, path.starts_with("target")) {
            place.file(&path, content);
        }
    }
    place
}

/// The arguments that run the example on a workspace.
fn run(place: &Place) -> Vec<OsString> {
    let file = repository().join("examples/feature/feature.workflow.yaml");
    vec!["run".into(), file.into_os_string(), "-C".into(), place.workspace.clone().into_os_string()]
}

fn lines(place: &Place) -> Vec<Value> {
    place.longhaul(["logs", "--json"]).code(0).json_lines()
}

/// What a task put out.
fn output(lines: &[Value], task: &str) -> Value {
    let ended = |line: &&Value| line["kind"] == "attempt-ended" && line["task"] == task;
    lines.iter().rfind(ended).unwrap_or_else(|| panic!("{task} did not end"))["result"]["ok"]["completed"].clone()
}

/// What is in the folder, without what commands and the run left for themselves.
fn result(place: &Place) -> Tree {
    place.tree().without("target")
}

#[test]
fn a_requirement_becomes_tested_code_and_true_documents() {
    let place = place();
    place.longhaul(run(&place)).code(0).shows(&["7 files changed, in your folder now"]);
    for file in FILES {
        assert!(place.path(file).is_file(), "{file} is not there");
    }
    assert!(place.text("README.md").contains("--top 2") && place.text("docs/guide.md").contains("## Words"));
    let lines = lines(&place);
    let first = output(&lines, "write[0]");
    assert_eq!((&first["rounds"], &first["verified"]), (&2.into(), &true.into()), "its first try did not pass");
    assert_eq!(output(&lines, "test")["totals"], serde_json::json!({"passed": 6, "failed": 0, "ignored": 0}));
    assert_eq!(output(&lines, "review")["findings"][0]["rule"], "model");
    let of = |capability: &str| {
        lines.iter().filter(|line| line["kind"] == "action" && line["capability"] == capability).count()
    };
    assert_eq!((of("exec"), of("model")), (6, 16), "every command and every question is in the record");

    let cargo =
        Command::new("cargo").args(["test", "--offline", "--quiet"]).current_dir(&place.workspace).output().unwrap();
    assert!(cargo.status.success(), "{}", String::from_utf8_lossy(&cargo.stderr));
    place.proves();
}

#[test]
fn wherever_it_is_killed_the_result_is_the_same() {
    let whole = place();
    whole.longhaul(run(&whole)).code(0);
    let wanted = result(&whole);
    // While the model is asked, while a command runs, between tasks, and while tests are read.
    for moment in [
        "design: turn 1",
        "write[0]: turn 3: finish",
        "write[0]: done",
        "write[1]: turn 3",
        "test: tests begins",
        "document: turn 2",
    ] {
        let place = place();
        let mut running = place.start(run(&place));
        running.until(moment);
        running.kill();
        place.longhaul(["resume"]).code(0);
        assert!(result(&place) == wanted, "killed at `{moment}`, the result is another one");
        let lines = lines(&place);
        for task in ["design", "write[0]", "write[1]", "test", "review", "document"] {
            let done = |line: &&Value| {
                line["kind"] == "attempt-ended" && line["task"] == task && line["result"]["ok"]["completed"].is_object()
            };
            assert_eq!(lines.iter().filter(done).count(), 1, "killed at `{moment}`, {task} is done once");
        }
    }
}
