//! What strategies can have done beside another try, as an operator writes it: compensation, splitting, the way back.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of tests end in a panic where what they rely on is not there"
)]

use longhaul_tests::{Place, guest};
use serde_json::Value;
use std::ffi::OsStr;

fn shown(place: &Place) -> Value {
    place.longhaul(["show", "last", "--json"]).code(0).json()
}

fn states(shown: &Value) -> Vec<(String, String, u64)> {
    let row = |row: &Value| {
        let text = |field: &str| row[field].as_str().unwrap().to_owned();
        (text("task"), text("state"), row["attempts"].as_u64().unwrap())
    };
    let mut rows: Vec<_> = shown["tasks"].as_array().unwrap().iter().map(row).collect();
    rows.sort();
    rows
}

/// A task that is too much for its limits is planned anew and done as pieces.
const SPLIT: &str = r#"
version: 1
name: pieces
agents:
  planner: { plugin: chunk-planner, config: { chunk: 2m, per_file: 20s } }
  codemod: { plugin: codemod, config: { rules: [ { name: replace, literal: old, replace: new } ] } }
strategies:
  rules: { plugin: by-class, config: { rules: [ { class: exhausted, decide: split } ] } }
permissions: { fs: { read: ["**"], write: ["**"] } }
recovery: [rules, escalate]
tasks:
  change:
    agent: codemod
    limits: { fuel: FUEL }
    split: { agent: planner, with: { glob: "src/**" }, pieces: chunks, as: chunk }
done_when: "${{ size(tasks.change.parts) == 3 }}"
"#;

fn many() -> Place {
    let place = Place::new();
    for n in 0..9 {
        place.file(&format!("src/f{n}.txt"), "an old line of text\n".repeat(40));
    }
    place
}

#[test]
fn a_task_that_is_too_much_is_done_as_smaller_pieces() {
    let place = many();
    let whole = SPLIT.replace("    limits: { fuel: FUEL }\n", "").replace("done_when", "# done_when");
    place.run(&whole, &[]).code(0);
    let needed = shown(&place)["tasks"][0]["fuel"].as_u64().unwrap();
    // Enough for a third of it and the planner, and not for all.
    let flow = SPLIT.replace("FUEL", &(needed * 3 / 4).to_string());
    let place = many();
    place.run(&flow, &[]).code(0);
    assert!((0..9).all(|n| place.text(&format!("src/f{n}.txt")) == "an new line of text\n".repeat(40)));
    let found = shown(&place);
    let expected = ["change", "change._part-1-0", "change._part-1-1", "change._part-1-2", "change._split-1"];
    assert_eq!(states(&found).iter().map(|(task, ..)| task.as_str()).collect::<Vec<_>>(), expected, "{found}");
    assert!(states(&found).iter().all(|(_, state, _)| state == "completed"), "{found}");
    // Killed in the middle of it, it goes on with it.
    let place = many();
    let workflow = place.workflow(&flow);
    let mut life = place.start([OsStr::new("run"), workflow.as_os_str()]);
    life.until("change._part-1-1: codemod begins");
    life.kill();
    if shown(&place)["status"] != "completed" {
        place.longhaul(["resume", "last"]).code(0);
    }
    assert_eq!(states(&shown(&place)), states(&found));
    place.proves();
}

#[test]
fn what_a_task_did_is_taken_back_before_a_person_is_told() {
    let flow = format!(
        r#"
version: 1
name: undo
agents:
  bad: {{ plugin: {:?} }}
  undo: {{ plugin: {:?} }}
strategies:
  rules: {{ plugin: by-class, config: {{ rules: [ {{ class: any, decide: compensate }} ] }} }}
permissions: {{ fs: {{ read: ["**"], write: ["**"] }} }}
recovery: [rules, escalate]
tasks:
  act: {{ agent: bad, with: {{ mode: trap }}, compensate: {{ agent: undo, with: {{ file: a.txt }} }} }}
"#,
        guest("hostile"),
        guest("count")
    );
    let place = Place::with(&[("a.txt", "one\ntwo\n")]);
    place.run(&flow, &[]).code(3);
    let found = shown(&place);
    let expected = [("act", "escalated", 1), ("act._undo-1", "completed", 1)].map(|(t, s, n)| (t.into(), s.into(), n));
    assert_eq!(states(&found), expected, "{found}");
    // It is told what failed.
    let lines = place.longhaul(["logs", "--json"]).code(0).json_lines();
    let undo = lines.iter().find(|line| line["kind"] == "attempt-started" && line["task"] == "act._undo-1").unwrap();
    assert_eq!(undo["input"]["failed"]["task"], "act");
    assert_eq!(undo["input"]["failed"]["class"], "trap");
    place.longhaul(["show"]).code(0).shows(&["act._undo-1", "stop safely and tell a person"]);
    place.longhaul(["logs"]).code(0).shows(&["rules decides: compensate"]);
    place.proves();
}

#[test]
fn a_run_goes_back_to_an_older_checkpoint_and_tells_of_it() {
    // The review never likes what it sees, so the run goes back twice and then to a person.
    let flow = r#"
version: 1
name: back
agents:
  codemod: { plugin: codemod, config: { rules: [ { name: replace, literal: old, replace: new } ] } }
  second: { plugin: codemod, config: { rules: [ { name: replace, literal: new, replace: best } ] } }
  reviewer: { plugin: reviewer, config: { fail_at: info, rules: [ { name: any, literal: best, severity: info } ] } }
strategies:
  rules: { plugin: by-class, config: { rules: [ { class: validation, decide: roll-back, back: 2, times: 2 } ] } }
permissions: { fs: { read: ["**"], write: ["**"] } }
recovery: [rules, escalate]
tasks:
  change: { agent: codemod }
  again: { agent: second, needs: change }
  look: { agent: reviewer, needs: again, verify: true }
"#;
    let place = Place::with(&[("a.txt", "old"), ("b.txt", "old")]);
    let before = place.tree();
    place.run(flow, &[]).code(3);
    assert_eq!(place.tree(), before);
    let found = shown(&place);
    let expected = [("again", "completed", 3), ("change", "completed", 1), ("look", "escalated", 3)];
    assert_eq!(states(&found), expected.map(|(t, s, n)| (t.into(), s.into(), n)), "{found}");
    assert_eq!(found["changes"].as_array().unwrap().len(), 2, "{found}");
    place.longhaul(["logs"]).code(0).shows(&["the run goes back to checkpoint 1"]);
    let runs = place.longhaul(["runs", "--json"]).code(0).json();
    assert_eq!((&runs[0]["tasks"]["completed"], &runs[0]["tasks"]["escalated"]), (&2.into(), &1.into()), "{runs}");
    // A person looks, and lets it be tried once more; then what is there is what a fork begins with, too.
    place.longhaul(["resume", "last"]).code(3);
    place.longhaul(["checkpoint", "list"]).code(0).shows(&["1"]);
    place.proves();
}
