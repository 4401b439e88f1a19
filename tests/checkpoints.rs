//! A run can be gone back to where it was: looked at, compared, put into a folder, and taken another way.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of tests end in a panic where what they rely on is not there"
)]

use longhaul_tests::Place;
use serde_json::Value;
use std::fs;

/// Four tasks, one after the other, each of which changes one word; two checkpoints are kept.
const STEPS: &str = r#"
version: 1
name: steps
checkpoints: { keep: 2 }
agents:
  one: { plugin: codemod, config: { rules: [ { name: s, literal: zero, replace: one } ] } }
  two: { plugin: codemod, config: { rules: [ { name: s, literal: one, replace: two } ] } }
  three: { plugin: codemod, config: { rules: [ { name: s, literal: two, replace: three } ] } }
  gate: { plugin: reviewer, config: { fail_at: error, rules: [ { name: no-three, literal: three, severity: error } ] } }
permissions: { fs: { read: ["**"], write: ["**"] } }
recovery: [escalate]
tasks:
  first: { agent: one }
  second: { agent: two, needs: first }
  third: { agent: three, needs: second }
  look: { agent: gate, needs: third }
"#;

/// A run of it, which ends with a task for a person to look at.
fn escalated() -> Place {
    let place = Place::with(&[("a.txt", "zero"), ("b/c.txt", "zero zero"), ("other.txt", "as it is")]);
    place.run(STEPS, &[]).code(3);
    place
}

fn list(place: &Place, run: &str) -> Vec<Value> {
    place.longhaul(["checkpoint", "list", run, "--json"]).code(0).json().as_array().unwrap().clone()
}

#[test]
fn the_newest_checkpoints_are_kept_and_shown() {
    let place = escalated();
    let kept = list(&place, "last");
    let numbers: Vec<_> = kept.iter().map(|one| one["checkpoint"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [2, 3], "{kept:?}");
    assert!(kept.iter().all(|one| one["reason"] == "commit"), "{kept:?}");
    place.longhaul(["checkpoint", "list"]).code(0).shows(&["CHECKPOINT", "commit"]);
    let shown = place.longhaul(["checkpoint", "show", "last", "--at", "2", "--json"]).code(0).json();
    let state = |task: &str| {
        let rows = shown["tasks"].as_array().unwrap();
        rows.iter().find(|row| row["task"] == task).unwrap()["state"].as_str().unwrap().to_owned()
    };
    assert_eq!([state("first"), state("second"), state("third")], ["completed", "completed", "pending"]);
    place.longhaul(["checkpoint", "show"]).code(0).shows(&["checkpoint 3", "third", "completed"]);
    place.longhaul(["checkpoint", "diff", "last", "--at", "2"]).code(0).shows(&["~ a.txt", "~ b/c.txt"]);
    place.longhaul(["checkpoint", "diff", "last", "--at", "3"]).code(0).says(&["nothing changed"]);
    place.longhaul(["checkpoint", "show", "last", "--at", "1"]).code(2).says(&["no checkpoint 1", "2, 3"]);
    place.longhaul(["checkpoint", "make"]).code(2).says(&["is not under way"]);
}

#[test]
fn a_checkpoint_is_put_into_a_folder() {
    let place = escalated();
    let into = place.outside().join("restored");
    let into = into.to_str().unwrap();
    place.longhaul(["checkpoint", "restore", "last", "--at", "2", "--into", into]).code(0).says(&["3 files"]);
    let read = |path: &str| fs::read_to_string(place.outside().join("restored").join(path)).unwrap();
    assert_eq!(
        (read("a.txt"), read("b/c.txt"), read("other.txt")),
        ("two".into(), "two two".into(), "as it is".into())
    );
    assert_eq!(place.text("a.txt"), "zero", "the workspace is as it was");
    place.longhaul(["checkpoint", "restore", "last", "--into", into]).code(2).says(&["is not empty"]);

    place.longhaul(["checkpoint", "restore", "last", "--at", "2"]).code(0);
    assert_eq!((place.text("a.txt"), place.text("other.txt")), ("two".to_owned(), "as it is".to_owned()));
    // What the user changed is not overwritten.
    place.file("a.txt", "mine");
    place.longhaul(["checkpoint", "restore", "last", "--at", "3"]).code(3).says(&["a.txt", "nothing was touched"]);
    assert_eq!(place.text("a.txt"), "mine");
}

#[test]
fn a_fork_goes_its_own_way_and_leaves_the_first_run_alone() {
    let place = escalated();
    let first = place.longhaul(["runs", "--json"]).code(0).json()[0]["run"].as_str().unwrap().to_owned();
    let before = place.longhaul(["logs", &first, "--json"]).code(0).stdout;
    // The same again from the checkpoint: the gate fails in the same way.
    place.longhaul(["fork", &first, "--at", "2", "--quiet"]).code(3).says(&["begins as", "checkpoint 2"]);
    let runs = place.longhaul(["runs", "--json"]).code(0).json();
    assert_eq!((runs.as_array().unwrap().len(), runs[0]["status"].as_str()), (2, Some("escalated")));
    let fork = runs[0]["run"].as_str().unwrap().to_owned();
    assert_ne!(fork, first);
    let shown = place.longhaul(["show", &fork, "--json"]).code(0).json();
    let attempts: Vec<_> =
        shown["tasks"].as_array().unwrap().iter().map(|row| row["attempts"].as_u64().unwrap()).collect();
    assert_eq!(attempts, [1, 1, 1, 1], "what was completed is not done again");
    place.longhaul(["logs", &fork]).code(0).shows(&[&format!("copied from {first} at checkpoint 2")]);
    assert_eq!(place.longhaul(["logs", &first, "--json"]).code(0).stdout, before, "the first one is untouched");
    // Its checkpoints are its own now, and it can be forked again.
    let numbers: Vec<_> = list(&place, &fork).iter().map(|one| one["checkpoint"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [2, 3]);
    place.longhaul(["fork", &fork, "--paused"]).code(0);
    assert_eq!(place.longhaul(["runs", "--json"]).code(0).json()[0]["status"], "interrupted");
    place.longhaul(["fork", &first, "--at", "9"]).code(2).says(&["no checkpoint 9"]);
}

#[test]
fn content_that_nothing_needs_is_collected_and_what_is_needed_stays() {
    let big = |word: &str| format!("{word} ").repeat(5_000);
    let place = Place::with(&[("a.txt", &big("zero"))]);
    // There is room for what is needed, and for nothing that only a replay looks for.
    let steps = STEPS.replace("checkpoints: { keep: 2 }", "checkpoints: { keep: 2, max_disk: 150kB }");
    place.run(&steps, &[]).code(3);
    let objects = || {
        let shards = fs::read_dir(place.path(".longhaul/objects")).unwrap().flatten().filter(|one| one.path().is_dir());
        shards.flat_map(|shard| fs::read_dir(shard.path()).unwrap().flatten()).count()
    };
    // The base, checkpoints 2 and 3: a file and a folder each. Checkpoint 1 is gone.
    assert_eq!(objects(), 6);
    place.longhaul(["resume", "last", "--quiet"]).code(3);
    place.longhaul(["checkpoint", "diff", "last", "--at", "2"]).code(0).shows(&["~ a.txt"]);
    // Another run leaves alone what the first one needs.
    place.run(&steps.replace("zero", "nothing"), &["--no-apply"]).code(0);
    assert_eq!(objects(), 6);
    place.longhaul(["checkpoint", "list"]).code(0).says(&["no checkpoints yet"]);
    let first = place.longhaul(["runs", "--json"]).code(0).json()[1]["run"].as_str().unwrap().to_owned();
    place.longhaul(["fork", &first, "--at", "2", "--quiet"]).code(3);
}
