//! The commands as a newcomer meets them: what they print, what scripts can read of it, what they leave behind.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of tests end in a panic where what they rely on is not there"
)]

use longhaul_tests::{Place, Tree, repository};
use serde_json::Value;
use std::fs;

/// Rewrites `old` to `new` in `src`, then counts what is left.
const CHANGE: &str = r#"
version: 1
name: change
agents:
  codemod:
    plugin: codemod
    config: { rules: [ { name: rename, literal: old_name, replace: new_name } ] }
  reviewer:
    plugin: reviewer
    config: { fail_at: error, rules: [ { name: left, literal: old_name, severity: error } ] }
permissions:
  fs: { read: ["**"], write: ["src/**"] }
tasks:
  change: { agent: codemod, with: { glob: "src/**" } }
  check: { agent: reviewer, needs: change, with: { glob: "src/**" } }
"#;

fn sample() -> Place {
    Place::with(&[
        ("src/a.rs", "fn old_name() {}\n"),
        ("src/deep/b.rs", "use old_name;\n// old_name\n"),
        ("README.md", "old_name\n"),
    ])
}

#[test]
fn init_writes_a_workflow_that_runs_at_once_and_changes_nothing() {
    let place = sample();
    place.longhaul(["init"]).code(0).says(&["starter.workflow.yaml", "longhaul run"]);
    let starter = place.text("starter.workflow.yaml");
    assert!(starter.lines().filter(|line| line.contains('#')).count() > 8, "a starter explains itself:\n{starter}");
    let before = place.tree();
    place.longhaul(["run", "starter.workflow.yaml"]).code(0).shows(&[
        "completed",
        "plan",
        "review[0]",
        "no file changed",
    ]);
    assert_eq!(place.tree(), before);
}

#[test]
fn init_leaves_a_file_that_is_there_as_it_is() {
    let place = Place::with(&[("starter.workflow.yaml", "mine")]);
    place.longhaul(["init"]).code(2).says(&["starter.workflow.yaml", "hint:"]);
    assert_eq!(place.text("starter.workflow.yaml"), "mine");
}

#[test]
fn init_into_a_folder_that_is_missing_says_so() {
    let place = Place::new();
    place.longhaul(["init", "no/such"]).code(2).says(&["no/such", "make the folder first"]);
    assert_eq!(place.whole_tree(), Tree(Default::default()));
}

#[test]
fn a_run_ends_with_one_object_that_scripts_can_read() {
    let place = sample();
    let ended = place.run(CHANGE, &[]).code(0);
    assert_eq!(ended.stdout.lines().count(), 1, "one object and nothing else: {ended}");
    let result = ended.result();
    assert_eq!(result["status"], "completed");
    let digest = result["workspace"].as_str().unwrap();
    assert!(digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit()), "{digest}");
    assert_eq!(result["tasks"]["total"], 2);
    assert_eq!(result["tasks"]["completed"], 2);
    assert_eq!(result["changes"], 2);
    assert_eq!(result["applied"], 2);
    assert_eq!(result["denials"], 0);
    assert_eq!(result["incidents"], 0);
    assert!(result["fuel"].as_u64().unwrap() > 10_000, "{result}");
    assert!(result["actions"].as_u64().unwrap() >= 6, "{result}");
    assert!(!result["run"].as_str().unwrap().is_empty());
    assert_eq!(place.text("src/deep/b.rs"), "use new_name;\n// new_name\n");
    assert_eq!(place.text("README.md"), "old_name\n", "outside of `write`");
}

#[test]
fn what_a_run_did_can_be_looked_up_afterwards() {
    let place = sample();
    let run = place.run(CHANGE, &[]).code(0).result();
    let id = run["run"].as_str().unwrap();

    let runs = place.longhaul(["runs", "--json"]).code(0).json();
    assert_eq!(runs[0]["run"], id);
    assert_eq!(runs[0]["status"], "completed");
    assert_eq!(runs[0]["workspace"], run["workspace"]);
    assert_eq!(runs[0]["fuel"], run["fuel"]);
    place.longhaul(["runs"]).code(0).shows(&[id, "change", "completed", "2/2"]);

    let shown = place.longhaul(["show", "last", "--json"]).code(0).json();
    assert_eq!(shown["run"], id);
    let tasks: Vec<_> = shown["tasks"].as_array().unwrap().iter().map(|task| (&task["task"], &task["state"])).collect();
    assert_eq!(
        tasks,
        [(&"change".into(), &"completed".into()), (&"check".into(), &"completed".into())] as [(&Value, &Value); 2]
    );
    let changes: Vec<_> =
        shown["changes"].as_array().unwrap().iter().map(|change| change["path"].as_str().unwrap()).collect();
    assert_eq!(changes, ["src/a.rs", "src/deep/b.rs"]);
    let plugins: Vec<_> =
        shown["plugins"].as_array().unwrap().iter().map(|plugin| plugin["name"].as_str().unwrap()).collect();
    assert!(plugins.contains(&"codemod") && plugins.contains(&"escalate"), "{plugins:?}");
    place.longhaul(["show", id]).code(0).shows(&[
        "~ src/a.rs",
        "in your folder now",
        "nothing was refused",
        ".longhaul",
    ]);
    // The beginning of an id is enough.
    place.longhaul(["show", &id[..id.len() - 1]]).code(0).shows(&[id]);

    place.longhaul(["logs", "last"]).code(0).shows(&["codemod begins", "replacements", "completed"]);
    place
        .longhaul(["logs", "last", "--actions", "--task", "change"])
        .code(0)
        .shows(&["fs open src/a.rs", "fs write src/a.rs"]);
    let lines = place.longhaul(["logs", "last", "--json"]).code(0).json_lines();
    assert_eq!(lines.len() as u64, run["entries"].as_u64().unwrap(), "JSON has every entry");
    assert_eq!(lines[0]["kind"], "run-started");
    let actions = lines.iter().filter(|line| line["kind"] == "action").count() as u64;
    assert_eq!(actions, run["actions"].as_u64().unwrap());
    assert!(lines.windows(2).all(|pair| pair[0]["at"].as_u64() <= pair[1]["at"].as_u64()), "time never runs backwards");
}

#[test]
fn commands_find_the_state_from_a_folder_below() {
    let place = sample();
    let run = place.run(CHANGE, &[]).code(0).result();
    let mut command = place.command(["runs"]);
    command.current_dir(place.path("src/deep"));
    let output = command.output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains(run["run"].as_str().unwrap()), "{output:?}");
}

#[test]
fn the_state_can_lie_elsewhere() {
    let place = sample();
    let state = place.outside().join("state");
    let state = state.to_str().unwrap();
    let run = place.run(CHANGE, &["--state", state]).code(0).result();
    assert!(!place.path(".longhaul").exists(), "nothing but the result is put into the workspace");
    assert_eq!(place.text("src/a.rs"), "fn new_name() {}\n");
    let runs = place.longhaul(["runs", "--state", state, "--json"]).code(0).json();
    assert_eq!(runs[0]["run"], run["run"]);
}

#[test]
fn progress_goes_to_stderr_as_plain_lines_and_quiet_says_less() {
    let place = sample();
    let loud = place.run(CHANGE, &[]).code(0).says(&["change: codemod begins", "check: done in"]);
    assert!(!loud.stderr.contains('\x1b'), "no escapes where nobody looks: {loud}");
    let place = sample();
    let quiet = place.run(CHANGE, &["--quiet"]).code(0);
    assert_eq!(quiet.stderr, "", "{quiet}");
}

#[test]
fn inputs_reach_the_expressions() {
    let flow = r#"
version: 1
name: given
inputs:
  what: { description: "Which word" }
  by: { default: "new" }
agents:
  codemod:
    plugin: codemod
    config: { rules: [ { name: swap, literal: "${{ inputs.what }}", replace: "${{ inputs.by }}" } ] }
permissions: { fs: { read: ["**"], write: ["**"] } }
tasks: { swap: { agent: codemod } }
"#;
    let place = Place::with(&[("a.txt", "old text")]);
    place.run(flow, &[]).code(2).says(&["`what`", "--input what=VALUE"]);
    place.run(flow, &["--input", "what=1", "--input", "other=1"]).code(2).says(&["no input `other`", "by, what"]);
    place.run(flow, &["--input", "what"]).code(2).says(&["NAME=VALUE"]);
    assert_eq!(place.text("a.txt"), "old text");
    place.run(flow, &["--input", "what=old"]).code(0);
    assert_eq!(place.text("a.txt"), "new text");
}

#[test]
fn an_input_is_a_text_where_its_default_is_one() {
    let flow = r#"
version: 1
name: given
inputs: { since: { default: "2.0" }, free: { default: null } }
agents: { reviewer: { plugin: reviewer, config: { fail_at: never, rules: [ { name: any, literal: x } ] } } }
permissions: { fs: { read: ["**"] } }
tasks: { look: { agent: reviewer, with: { glob: "${{ inputs.since }}${{ inputs.free }}" } } }
"#;
    let place = Place::with(&[("a.txt", "x")]);
    let glob = |more: &[&str]| {
        place.run(flow, more).code(0);
        let lines = place.longhaul(["logs", "--json"]).code(0).json_lines();
        let started = lines.iter().find(|line| line["kind"] == "attempt-started").unwrap();
        started["input"]["glob"].as_str().unwrap().to_owned()
    };
    assert_eq!(glob(&["-i", "since=2.10", "-i", "free=1.50"]), "2.101.50");
    assert_eq!(glob(&["-i", "since=true", "-i", "free=\"q\""]), "trueq");
}

#[test]
fn the_debug_log_has_every_detail_and_the_other_what_matters() {
    let place = sample();
    place.run(CHANGE, &[]).code(0);
    let logs = |prefix: &str| {
        let names = fs::read_dir(place.path(".longhaul/logs")).unwrap().map(|entry| entry.unwrap().path());
        let of_kind = names.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with(prefix));
        of_kind.map(|path| fs::read_to_string(path).unwrap()).collect::<String>()
    };
    let (info, debug) = (logs("longhaul"), logs("debug"));
    assert!(info.contains("a run is under way") && info.contains("the run rests") && !info.contains("DEBUG"), "{info}");
    let untimed = |line: &str| line.split_once(' ').map_or_else(String::new, |(_, rest)| rest.to_owned());
    assert!(info.lines().all(|line| debug.contains(&untimed(line))), "the debug log has all of the other one");
    for told in [
        "a plugin is loaded name=codemod",
        "the workspace is imported",
        "a stage is open attempt=",
        "an attempt begins",
        "an attempt has ended",
        "committed attempt=",
        "the result is applied",
    ] {
        assert!(debug.contains(told), "the debug log does not tell `{told}`:\n{debug}");
    }
}

#[test]
fn bundled_plugins_are_listed_and_tell_what_they_ask_for() {
    let place = Place::new();
    let list = place.longhaul(["plugin", "list", "--json"]).code(0).json();
    let names: Vec<_> =
        list.as_array().unwrap().iter().map(|plugin| plugin["manifest"]["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "architect",
            "by-class",
            "chunk-planner",
            "codemod",
            "coder",
            "documenter",
            "escalate",
            "pursue",
            "retry-jitter",
            "reviewer",
            "rollback-validate",
            "runner"
        ]
    );
    place.longhaul(["plugin", "list"]).code(0).shows(&["codemod", "agent", "escalate", "strategy"]);
    for name in names {
        let one = place.longhaul(["plugin", "inspect", name, "--json"]).code(0).json();
        assert_eq!(one["manifest"]["name"], name);
        assert_eq!(one["digest"].as_str().unwrap().len(), 64);
        assert!(!one["manifest"]["description"].as_str().unwrap().is_empty(), "{name} says what it is");
    }
    let text = place.longhaul(["plugin", "inspect", "codemod"]).code(0);
    text.shows(&["fs.write", "to write back the files that a rule changes", "\"rules\"", "imports"]);
    assert_eq!(place.whole_tree(), Tree(Default::default()), "looking leaves nothing behind");
}

#[test]
fn doctor_tells_what_the_machine_offers() {
    let place = Place::new();
    let ended = place.longhaul(["doctor", "--json"]);
    let checks = ended.json();
    let checks = checks.as_array().unwrap();
    for name in ["version", "second wall", "component cache", "bundled plugins"] {
        let check =
            checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("no check `{name}`: {ended}"));
        assert!(check["ok"] == true || check["remedy"].is_string(), "what is not well has a remedy: {check}");
    }
    let well = checks.iter().all(|check| check["ok"] == true);
    assert_eq!(ended.status.code(), Some(if well { 0 } else { 1 }), "{ended}");
    assert_eq!(place.whole_tree(), Tree(Default::default()));
}

#[test]
fn the_schema_knows_the_fields_of_every_example() {
    let place = Place::new();
    let schema = place.longhaul(["schema"]).code(0).json();
    assert_eq!(schema["type"], "object");
    let fields = schema["properties"].as_object().unwrap();
    let mut seen = 0;
    let mut open = vec![repository().join("examples")];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.to_string_lossy().ends_with(".workflow.yaml") {
                seen += 1;
                let text = fs::read_to_string(&path).unwrap();
                let keys = text
                    .lines()
                    .filter(|line| line.starts_with(char::is_alphabetic))
                    .filter_map(|line| line.split_once(':'));
                for (key, _) in keys {
                    assert!(fields.contains_key(key), "{}: the schema does not know `{key}`", path.display());
                }
            }
        }
    }
    assert!(seen > 0, "there are examples");
}

#[test]
fn completions_are_written_for_each_shell() {
    let place = Place::new();
    for (shell, wanted) in [("bash", "_longhaul()"), ("zsh", "#compdef longhaul"), ("fish", "complete -c longhaul")] {
        place.longhaul(["completions", shell]).code(0).shows(&[wanted, "no-apply"]);
    }
    place.longhaul(["completions", "tcsh"]).code(2).says(&["bash"]);
}

#[test]
fn help_and_version_are_data_and_bad_usage_is_an_error() {
    let place = Place::new();
    place.longhaul(["--help"]).code(0).shows(&["Usage:", "init", "run", "Exit codes:"]);
    place.longhaul(["run", "--help"]).code(0).shows(&["--no-apply", "--require-isolation", "For example"]);
    place.longhaul(["--version"]).code(0).shows(&["longhaul "]);
    place.longhaul(["rnu"]).code(2).says(&["rnu", "run"]);
    place.longhaul([""; 0]).code(2).says(&["Usage:"]);
    place.longhaul(["run"]).code(2).says(&["WORKFLOW"]);
}
