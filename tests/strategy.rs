//! A strategy is tried on what went wrong before, and nothing happens by it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of tests end in a panic where what they rely on is not there"
)]

use longhaul_tests::{Place, guest};
use serde_json::Value;

/// A review that finds fault, twice: it is rolled back once, and then a person is told.
const FAULTY: &str = r#"
version: 1
name: faulty
agents:
  reviewer:
    plugin: reviewer
    config: { fail_at: error, rules: [ { name: no-old, literal: old, severity: error, message: "is not wanted" } ] }
permissions: { fs: { read: ["**"] } }
tasks:
  check: { agent: reviewer }
"#;

fn faulty(runs: usize) -> Place {
    let place = Place::with(&[("src/a.txt", "old")]);
    for _ in 0..runs {
        place.run(FAULTY, &[]).code(3);
    }
    place
}

/// What was decided then and what would be now, by incident, as kinds of decisions.
fn decisions(told: &Value) -> Vec<(&str, &str, bool)> {
    let kind = |decision: &Value| match decision["decision"].as_str() {
        Some("rollback") => "rollback",
        Some("escalate") => "escalate",
        None => "none",
        Some(_) => "other",
    };
    let rows = told["incidents"].as_array().unwrap().iter();
    rows.map(|row| (kind(&row["then"]["decision"]), kind(&row["now"]["decision"]), row["same"].as_bool().unwrap()))
        .collect()
}

#[test]
fn a_strategy_is_shown_beside_what_was_decided() {
    let place = faulty(1);
    let test = |strategy: &str, more: &[&str]| {
        let args = ["strategy", "test", strategy, "--json"].into_iter().chain(more.iter().copied());
        place.longhaul(args).code(0).json()
    };
    let told = test("rollback-validate", &[]);
    assert_eq!(decisions(&told), [("rollback", "rollback", true), ("escalate", "none", false)]);
    assert_eq!(told["counts"]["left"], 1, "it goes back once, and sees in the history that it did: {told}");
    assert_eq!(told["incidents"][0]["problem"]["class"], "validation");
    assert_eq!(told["incidents"][1]["attempt"]["number"], 2);
    assert_eq!(decisions(&test("escalate", &[]))[0], ("rollback", "escalate", false));
    assert_eq!(test("retry-jitter", &[])["counts"]["left"], 2);

    // With another configuration it decides otherwise, and what cannot be done is told with the reason.
    let more = test("rollback-validate", &["--config", r#"{"rollbacks": 2}"#]);
    assert_eq!(decisions(&more)[1], ("escalate", "rollback", false));
    let file = place.beside("config.json", r#"{"validate": "nobody"}"#);
    let wrong = test("rollback-validate", &["--config", &format!("@{}", file.display())]);
    assert_eq!(wrong["counts"]["refused"], 1);
    assert_eq!(wrong["incidents"][0]["now"]["error"], "the workflow has no agent and no check `nobody`");
}

#[test]
fn a_person_reads_it_and_nothing_is_written() {
    let place = faulty(2);
    // What SQLite shares between its readers is no part of the record.
    let state = || place.whole_tree().without(".longhaul/journal.db-shm");
    let before = state();
    place.longhaul(["strategy", "test", "escalate"]).code(0).shows(&[
        "check#1 validation: ",
        "src/a.txt:1:1",
        "then  rollback-validate: roll back",
        "now   stop safely and tell a person",
        "now   the same: ",
        "incidents 4 · runs 2 · decided 4, as then 2 · left to the next 0 · cannot be carried out 0",
    ]);
    let last = ["strategy", "test", "retry-jitter", "--run", "last"];
    place.longhaul(last).code(0).shows(&["leaves it to the next", "incidents 2 · runs 1"]);
    assert_eq!(state().differences(&before), Vec::<String>::new());
}

#[test]
fn what_is_no_strategy_is_refused() {
    let place = faulty(1);
    place.longhaul(["strategy", "test", "reviewer"]).code(2).says(&["`reviewer` as a strategy"]);
    place.longhaul(["strategy", "test", "no-such"]).code(2).says(&["no-such", "retry-jitter"]);
    place.longhaul(["strategy", "test", "escalate", "--config", "[]"]).code(2).says(&["not a JSON object"]);
    place.longhaul(["strategy", "test", "escalate", "--run", "no-such"]).code(2);
    // One that breaks is told as one, incident by incident.
    let hostile = guest("hostile-strategy").display().to_string();
    let told =
        place.longhaul(["strategy", "test", &hostile, "--config", r#"{"mode": "panic"}"#, "--json"]).code(0).json();
    assert_eq!(told["counts"]["refused"], 2, "{told}");
}
