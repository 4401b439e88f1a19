//! The scenarios of `examples/`, run as their users run them: a large refactoring with a fault on the way, a quality gate, a pipeline. Wherever a
//! run is killed, its result is that of an undisturbed one.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of tests end in a panic where what they rely on is not there"
)]

use longhaul_tests::{Place, Tree, repository};
use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

fn example(name: &str) -> PathBuf {
    repository().join(format!("examples/{name}/{name}.workflow.yaml"))
}

fn shown(place: &Place) -> Value {
    place.longhaul(["show", "last", "--json"]).code(0).json()
}

/// The tree of a workspace without what cargo leaves there.
fn sources(place: &Place) -> Tree {
    place.tree().without("target").without("Cargo.lock")
}

/// A crate of many modules that call what is deprecated, each with a test.
fn large(modules: usize) -> Place {
    let manifest = "[package]\nname = \"large\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n[workspace]\n";
    let place = Place::with(&[("Cargo.toml", manifest), (".gitignore", "target\n")]);
    let mut root = "//! Many fields.\n#![allow(deprecated)]\n".to_owned();
    for number in 0..modules {
        root.push_str(&format!("pub mod field_{number};\n"));
        let module = format!(
            "//! Field {number}.\npub fn read(line: &str) -> Option<u32> {{\n    line.trim_left().strip_prefix(\"f{number}=\")?.trim_right().parse().ok()\n}}\n\
             #[cfg(test)]\nmod tests {{\n    #[test]\n    fn reads() {{\n        assert_eq!(super::read(\" f{number}=7 \"), Some(7));\n    }}\n}}\n"
        );
        place.file(&format!("src/field_{number}.rs"), module);
    }
    place.file("src/lib.rs", root);
    place
}

const MODULES: usize = 120;

fn assert_refactored(place: &Place) {
    for number in 0..MODULES {
        let text = place.text(&format!("src/field_{number}.rs"));
        assert!(text.contains(".trim_start()") && text.contains(".trim_end()"), "{text}");
    }
    assert_eq!(place.text("docs/modules.md").lines().count(), MODULES + 3);
    let shown = shown(place);
    let state = |task: &str| {
        let row = shown["tasks"].as_array().unwrap().iter().find(|row| row["task"] == task);
        (row.unwrap()["state"].as_str().unwrap().to_owned(), row.unwrap()["attempts"].as_u64().unwrap())
    };
    assert_eq!(state("test"), ("completed".to_owned(), 1));
    // It failed once, as it was told to, and the first level of recovery tried it again.
    assert_eq!(state("index"), ("completed".to_owned(), 2));
    let incidents = shown["incidents"].as_array().unwrap();
    assert_eq!((incidents.len(), &incidents[0]["problem"]["class"]), (1, &Value::from("transient")), "{shown}");
}

#[test]
fn a_large_code_base_is_refactored_in_parallel_its_tests_run_and_a_fault_is_recovered() {
    let place = large(MODULES);
    place.longhaul([OsStr::new("run"), example("refactor").as_os_str()]).code(0);
    assert_refactored(&place);
    let changes = shown(&place)["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["task"].as_str().unwrap().starts_with("change["))
        .count();
    assert!(changes >= 3, "{changes} chunks");
    let logs = place.longhaul(["logs", "last", "--actions", "--task", "test"]).code(0);
    logs.shows(&["exec run cargo test --offline"]);
    place.proves();
}

#[test]
fn a_refactoring_that_is_killed_anywhere_ends_as_an_undisturbed_one() {
    let undisturbed = large(MODULES);
    undisturbed.longhaul([OsStr::new("run"), example("refactor").as_os_str()]).code(0);
    for cut in ["change[1]: codemod begins", "test: tests begins", "index: index begins"] {
        let place = large(MODULES);
        let mut life = place.start([OsStr::new("run"), example("refactor").as_os_str()]);
        life.until(cut);
        life.kill();
        if shown(&place)["status"] != "completed" {
            place.longhaul(["resume", "last"]).code(0);
        }
        assert_refactored(&place);
        assert_eq!(sources(&place).differences(&sources(&undisturbed)), Vec::<String>::new(), "{cut}");
    }
}

/// The project of an example, with something more in it.
fn project(name: &str, more: &[(&str, &str)]) -> Place {
    let place = Place::new();
    let input = repository().join("examples").join(name).join("input");
    let mut folders = vec![input.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            // What somebody built there by hand is not part of the example.
            if path.is_dir() && !path.ends_with("target") && !path.ends_with(".longhaul") {
                folders.push(path);
            } else if path.is_file() {
                place.file(path.strip_prefix(&input).unwrap().to_str().unwrap(), fs::read(&path).unwrap());
            }
        }
    }
    for (file, text) in more {
        place.file(file, text);
    }
    place
}

#[test]
fn a_gate_is_open_for_a_project_that_is_good_enough_and_changes_nothing() {
    let place = project("gate", &[]);
    let before = sources(&place);
    place.longhaul([OsStr::new("run"), example("gate").as_os_str()]).code(0);
    assert_eq!(sources(&place).differences(&before), Vec::<String>::new());
    place.proves();
}

#[test]
fn a_gate_is_closed_by_an_error_by_a_failing_test_and_by_too_many_warnings() {
    let unsafe_code = "pub fn first(bytes: &[u8]) -> u8 {\n    unsafe { *bytes.as_ptr() }\n}\n";
    let place = project("gate", &[("src/fast.rs", unsafe_code)]);
    place
        .longhaul([OsStr::new("run"), example("gate").as_os_str()])
        .code(1)
        .says(&["unsafe code needs a second pair of eyes"]);

    let broken = fs::read_to_string(repository().join("examples/gate/input/src/amount.rs")).unwrap();
    let place = project("gate", &[("src/amount.rs", &broken.replace("checked_sub", "checked_add"))]);
    place.longhaul([OsStr::new("run"), example("gate").as_os_str()]).code(1).says(&["nobody_owes"]);

    let place = project("gate", &[]);
    let gate = example("gate");
    let args = [OsStr::new("run"), gate.as_os_str(), OsStr::new("--input"), OsStr::new("warnings=0")];
    place.longhaul(args).code(1).says(&["`done_when` does not hold", "inputs.warnings"]);
}

/// Runs an example on `place`, whatever workspace it names itself.
fn run(place: &Place, name: &str) -> longhaul_tests::Ended {
    let workflow = example(name);
    place.longhaul([OsStr::new("run"), workflow.as_os_str(), OsStr::new("--workspace"), OsStr::new(".")])
}

#[test]
fn a_pipeline_tests_brings_the_documents_up_to_date_and_calls_its_hook() {
    let place = project("ci", &[]);
    run(&place, "ci").code(0);
    let usage = place.text("docs/usage.md");
    assert!(usage.contains("| `--tries N` | after so many tries it gives up, with code 1 | for ever |"), "{usage}");
    assert_eq!(shown(&place)["changes"].as_array().map_or(0, Vec::len), 1, "nothing else was changed");
    let logs = place.longhaul(["logs", "last"]).code(0);
    logs.shows(&["hook announce was told of run-completed", "in 1 tries: exit code 0"]);
    place.proves();
}

#[test]
fn a_pipeline_whose_tests_fail_leaves_the_documents_alone_and_its_hook_is_told() {
    let broken = fs::read_to_string(repository().join("examples/ci/input/src/lib.rs")).unwrap();
    let place =
        project("ci", &[("src/lib.rs", &broken.replace("options.tries = Some(number()?)", "options.tries = None"))]);
    let before = place.text("docs/usage.md");
    run(&place, "ci").code(3).says(&["all_options_are_read"]);
    assert_eq!(place.text("docs/usage.md"), before);
    place.longhaul(["logs", "last"]).code(0).shows(&["hook announce was told of run-escalated"]);
}

/// What a run comes to, however often it was killed: its end, its tasks with what they put out, and the files.
fn essence(place: &Place) -> (Value, Vec<Value>, Tree) {
    let shown = shown(place);
    let rows = shown["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| serde_json::json!([row["task"], row["state"], row["agent"]]));
    (serde_json::json!([shown["status"], shown["incidents"], shown["changes"]]), rows.collect(), sources(place))
}

/// Kills a scenario at moments that are spread at random over the time that an undisturbed run takes, resumes it, and compares what it comes to.
fn killed_at_random(name: &str, seed: u64) {
    let whole = project(name, &[]);
    let began = Instant::now();
    run(&whole, name).code(0);
    let (took, wanted) = (began.elapsed(), essence(&whole));
    // A short generator, so that a failure can be repeated by its seed.
    let mut state = seed;
    let mut below = |limit: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % limit.max(1)
    };
    let mut killed = 0;
    for round in 0..3 {
        let place = project(name, &[]);
        let workflow = example(name);
        let args = [OsStr::new("run"), workflow.as_os_str(), OsStr::new("--workspace"), OsStr::new(".")];
        let mut life = place.start(args);
        // Most kills fall into the run itself; the later ones of a round into what was resumed.
        for _ in 0..3 {
            let span = Duration::from_millis(below(took.as_millis() as u64));
            if !life.runs_until(span, || false) {
                break;
            }
            life.kill();
            killed += 1;
            let listed = place.longhaul(["runs", "--json"]);
            let is_there = listed.status.success() && listed.json().as_array().is_some_and(|runs| !runs.is_empty());
            life = match is_there {
                false => place.start(args),
                true if shown(&place)["status"] == "completed" => place.start(["show", "last"]),
                true => place.start(["resume", "last"]),
            };
        }
        life.end().code(0);
        let (now, tasks, files) = essence(&place);
        assert_eq!((now, tasks), (wanted.0.clone(), wanted.1.clone()), "seed {seed}, round {round}");
        assert_eq!(files.differences(&wanted.2), Vec::<String>::new(), "seed {seed}, round {round}");
        let lines = place.longhaul(["logs", "last", "--json"]).code(0).json_lines();
        let done = |line: &&Value| line["kind"] == "attempt-ended" && line["result"]["ok"]["completed"].is_object();
        let mut done: Vec<_> = lines.iter().filter(done).map(|line| line["task"].to_string()).collect();
        let all = done.len();
        done.sort();
        done.dedup();
        assert_eq!(done.len(), all, "seed {seed}, round {round}: a task was done twice");
    }
    assert!(killed >= 3, "it was killed {killed} times only");
}

#[test]
fn a_gate_that_is_killed_anywhere_says_what_an_undisturbed_one_says() {
    killed_at_random("gate", 7);
}

#[test]
fn a_pipeline_that_is_killed_anywhere_ends_as_an_undisturbed_one() {
    killed_at_random("ci", 11);
}
